"""blotquant: Western blot densitometry that can be defended in review.

The everyday names are here and load what they need when first used; the modules hold the rest.

>>> import blotquant as bq
>>> blot = bq.make_blot(seed=1)                      # a synthetic blot with known truth
>>> analysis = bq.analyze(blot.image())
>>> analysis.bands[["lane", "band", "volume", "volume_sd", "flags"]]  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from blotquant.comparing.exposures import fit_exposure_series as fit_exposure_series
    from blotquant.comparing.linearity import fit_dilution_series as fit_dilution_series
    from blotquant.errors import BlotQuantError as BlotQuantError
    from blotquant.experiment.read import read_experiment as read_experiment
    from blotquant.finding.layouts import find_layout as find_layout
    from blotquant.finding.membranes import find_membrane_layouts as find_membrane_layouts
    from blotquant.flags import FLAGS as FLAGS
    from blotquant.geometry import Band as Band
    from blotquant.geometry import Lane as Lane
    from blotquant.geometry import Layout as Layout
    from blotquant.geometry import Strip as Strip
    from blotquant.image import BlotImage as BlotImage
    from blotquant.io import read_image as read_image
    from blotquant.naming.ladder import fit_ladder as fit_ladder
    from blotquant.naming.targets import Target as Target
    from blotquant.naming.targets import assign_targets as assign_targets
    from blotquant.pipeline import Analysis as Analysis
    from blotquant.pipeline import Expected as Expected
    from blotquant.pipeline import Naming as Naming
    from blotquant.pipeline import Picture as Picture
    from blotquant.pipeline import analyze as analyze
    from blotquant.pipeline import analyze_membrane as analyze_membrane
    from blotquant.record.session import Session as Session
    from blotquant.record.session import load_session as load_session
    from blotquant.record.session import save_session as save_session
    from blotquant.settings import Settings as Settings
    from blotquant.study.run import run_experiment as run_experiment
    from blotquant.synthetic import make_blot as make_blot
    from blotquant.weighing.measure import measure_bands as measure_bands
    from blotquant.weighing.whole_lanes import measure_lanes as measure_lanes

_HOMES = {
    "errors": "BlotQuantError",
    "experiment.read": "read_experiment",
    "comparing.exposures": "fit_exposure_series",
    "finding.layouts": "find_layout",
    "finding.membranes": "find_membrane_layouts",
    "flags": "FLAGS",
    "geometry": "Band Lane Layout Strip",
    "image": "BlotImage",
    "io": "read_image",
    "naming.ladder": "fit_ladder",
    "comparing.linearity": "fit_dilution_series",
    "weighing.measure": "measure_bands",
    "weighing.whole_lanes": "measure_lanes",
    "pipeline": "Analysis Expected Naming Picture analyze analyze_membrane",
    "study.run": "run_experiment",
    "record.session": "Session load_session save_session",
    "settings": "Settings",
    "synthetic": "make_blot",
    "naming.targets": "Target assign_targets",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted([*_HOME_OF, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__

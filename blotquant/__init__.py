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

from blotquant._version import __version__ as __version__

if TYPE_CHECKING:
    from blotquant.analysis import Analysis as Analysis
    from blotquant.analysis import Picture as Picture
    from blotquant.analysis import analyze as analyze
    from blotquant.analysis import analyze_membrane as analyze_membrane
    from blotquant.detection.lane_ties import Expected as Expected
    from blotquant.detection.membranes import find_membrane_layouts as find_membrane_layouts
    from blotquant.detection.picture import find_layout as find_layout
    from blotquant.errors import BlotQuantError as BlotQuantError
    from blotquant.experiment.read import read_experiment as read_experiment
    from blotquant.flags import FLAGS as FLAGS
    from blotquant.identification.ladder import fit_ladder as fit_ladder
    from blotquant.identification.presets import Target as Target
    from blotquant.identification.targets import Naming as Naming
    from blotquant.identification.targets import assign_targets as assign_targets
    from blotquant.io import read_image as read_image
    from blotquant.model.geometry import Band as Band
    from blotquant.model.geometry import Lane as Lane
    from blotquant.model.geometry import Layout as Layout
    from blotquant.model.geometry import Strip as Strip
    from blotquant.model.image import BlotImage as BlotImage
    from blotquant.normalization.dilution import fit_dilution_series as fit_dilution_series
    from blotquant.normalization.exposures import fit_exposure_series as fit_exposure_series
    from blotquant.quantification.bands import measure_bands as measure_bands
    from blotquant.quantification.lanes import measure_lanes as measure_lanes
    from blotquant.runs.study import run_experiment as run_experiment
    from blotquant.session.session import Session as Session
    from blotquant.session.session import load_session as load_session
    from blotquant.session.session import save_session as save_session
    from blotquant.settings import Settings as Settings
    from blotquant.synthetic import make_blot as make_blot

_HOMES = {
    "errors": "BlotQuantError",
    "experiment.read": "read_experiment",
    "normalization.exposures": "fit_exposure_series",
    "detection.picture": "find_layout",
    "detection.lane_ties": "Expected",
    "detection.membranes": "find_membrane_layouts",
    "flags": "FLAGS",
    "model.geometry": "Band Lane Layout Strip",
    "model.image": "BlotImage",
    "io": "read_image",
    "identification.ladder": "fit_ladder",
    "normalization.dilution": "fit_dilution_series",
    "quantification.bands": "measure_bands",
    "quantification.lanes": "measure_lanes",
    "analysis": "Analysis Picture analyze analyze_membrane",
    "runs.study": "run_experiment",
    "session.session": "Session load_session save_session",
    "settings": "Settings",
    "synthetic": "make_blot",
    "identification.presets": "Target",
    "identification.targets": "Naming assign_targets",
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

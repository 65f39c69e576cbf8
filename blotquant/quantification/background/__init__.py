"""Background methods: one protocol, one registry, one contract test for all of them.

Adding one is a frozen dataclass of its parameters, in `methods.py` or its own module, and one entry in `BACKGROUNDS`.
"""

from __future__ import annotations

from blotquant.quantification.background.base import Aperture, Background, BackgroundPixels, Estimate, FittedBackground
from blotquant.quantification.background.local import Local
from blotquant.quantification.background.methods import Constant, Flank, LaneBaseline, NoBackground, RollingBall

BACKGROUNDS: dict[str, Background] = {
    method.name: method for method in (Local(), LaneBaseline(), Flank(), Constant(), NoBackground(), RollingBall())
}

__all__ = ["BACKGROUNDS", "Aperture", "Background", "BackgroundPixels", "Estimate", "FittedBackground"]

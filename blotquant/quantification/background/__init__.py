"""Background methods: one registry, one contract test for all of them.

Adding one is a class with its name, made from the `BackgroundPixels` of a picture, and one entry in `BACKGROUNDS`.
"""

from __future__ import annotations

from blotquant.quantification.background.background_pixels import Array, BackgroundPixels
from blotquant.quantification.background.local import Local
from blotquant.quantification.background.methods import (
    Aperture,
    Constant,
    Estimate,
    FittedBackground,
    Flank,
    LaneBaseline,
    NoBackground,
    RollingBall,
)

BACKGROUNDS: dict[str, type[FittedBackground]] = {
    Local.name: Local,
    LaneBaseline.name: LaneBaseline,
    Flank.name: Flank,
    Constant.name: Constant,
    NoBackground.name: NoBackground,
    RollingBall.name: RollingBall,
}

__all__ = ["BACKGROUNDS", "Aperture", "Array", "BackgroundPixels", "Estimate", "FittedBackground"]

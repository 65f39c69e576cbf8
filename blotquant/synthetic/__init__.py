"""Synthetic blots with exact truth, for tests, benchmarks, documentation and the sample experiment."""

from __future__ import annotations

from blotquant.synthetic.blot import SyntheticBlot, make_blot
from blotquant.synthetic.spec import (
    NOISELESS,
    BlotSpec,
    CameraSpec,
    DebrisSpec,
    LaneSpec,
    RowSpec,
    StripSpec,
    SurfaceSpec,
    plain_spec,
)
from blotquant.synthetic.truth import Truth

__all__ = [
    "NOISELESS",
    "BlotSpec",
    "CameraSpec",
    "DebrisSpec",
    "LaneSpec",
    "RowSpec",
    "StripSpec",
    "SurfaceSpec",
    "SyntheticBlot",
    "Truth",
    "make_blot",
    "plain_spec",
]

"""A small convolutional network that looks for bands and lanes: its numbers, and the way through it in plain NumPy.

The encoder halves the picture four times, the decoder adds each scale back to the next finer one, as in Ronneberger,
Fischer and Brox, MICCAI 2015 (U-Net), with sums in place of joined channels. It was trained on synthetic scenes alone
(`scripts/train_network.py`); its numbers are stored in half precision in ``network.npz``.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Weights = dict[str, FloatArray]

MULTIPLE = 32
"""Rows and columns of a picture that goes in must be multiples of this."""
_SCALES = 4
_BLOCK = 1 << 18
"""Numbers that are gathered for one product of matrices: few enough to stay in the processor's cache."""


@lru_cache(maxsize=1)
def load_network() -> Weights:
    """Read the trained numbers: for each layer a matrix (taps × channels in, channels out) and its offsets."""
    with files("blotquant.finding").joinpath("network.npz").open("rb") as file, np.load(file) as stored:
        return {name: np.asarray(stored[name], dtype=np.float32) for name in stored.files}


def run_network(weights: Weights, channels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Send a picture through the network.

    Parameters
    ----------
    weights : dict
        From `load_network`.
    channels : ndarray, shape (3, H, W)
        Views of one picture, see `blotquant.finding.sight.channels_of`; H and W are multiples of `MULTIPLE`.

    Returns
    -------
    bands : ndarray, shape (H, W)
        Log odds that a pixel lies in the core of a band.
    lanes : ndarray, shape (H / 2, W / 2, 4)
        Log odds that a place lies on the lanes of a strip; cosine and sine of the place across the lanes, a turn from
        one lane's middle to the next; width of the lane there, as a share of the distance to its nearer neighbour.
    """
    n, height, width = channels.shape
    cells = channels.reshape(n, height // 2, 2, width // 2, 2).transpose(1, 3, 0, 2, 4)
    first = np.ascontiguousarray(cells.reshape(height // 2, width // 2, 4 * n))
    scales = [_layer(weights, "enc0", _layer(weights, "stem", first))]
    for k in range(_SCALES):
        scales.append(_layer(weights, f"enc.{k}", _layer(weights, f"down.{k}", scales[-1], stride=2)))
    seen = _layer(weights, "mid", scales[-1], dilation=2)
    for k in reversed(range(_SCALES)):
        side = _mixed(seen, weights[f"side.{k}.w"])
        rows, cols, depth = side.shape
        joined = scales[k].reshape(rows, 2, cols, 2, depth) + side[:, None, :, None]
        seen = _layer(weights, f"dec.{k}", joined.reshape(2 * rows, 2 * cols, depth))
    lanes = _mixed(seen, weights["lane.w"]) + weights["lane.b"]
    bands = (_mixed(seen, weights["band.w"]) + weights["band.b"]).reshape(height // 2, width // 2, 2, 2)
    return bands.transpose(0, 2, 1, 3).reshape(height, width), lanes


def _mixed(image: FloatArray, matrix: FloatArray) -> FloatArray:
    """Each pixel's channels times a matrix."""
    rows, cols, depth = image.shape
    return np.asarray((image.reshape(-1, depth) @ matrix).reshape(rows, cols, -1))


def _layer(weights: Weights, name: str, image: FloatArray, *, stride: int = 1, dilation: int = 1) -> FloatArray:
    """Convolve with 3 × 3 taps, add the offsets, leave out what is negative."""
    matrix, offset = weights[f"{name}.w"], weights[f"{name}.b"]
    rows, cols, depth = image.shape
    padded = np.zeros((rows + 2 * dilation, cols + 2 * dilation, depth), dtype=np.float32)
    padded[dilation:-dilation, dilation:-dilation] = image
    down, right, deep = padded.strides
    shape = (rows // stride, cols // stride, 3, 3, depth)
    taps = as_strided(padded, shape, (down * stride, right * stride, down * dilation, right * dilation, deep))
    out = np.empty((*shape[:2], len(offset)), dtype=np.float32)
    step = max(1, _BLOCK // (9 * depth * shape[1]))
    for start in range(0, shape[0], step):
        part = out[start : start + step].reshape(-1, len(offset))
        np.matmul(taps[start : start + step].reshape(-1, 9 * depth), matrix, out=part)
        part += offset
        np.maximum(part, 0.0, out=part)
    return out

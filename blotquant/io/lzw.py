"""Look an LZW stream through before it is decoded: the decoder trusts its codes and reads outside its table."""

from __future__ import annotations

import numpy as np

_CLEAR, _END = 256, 257
_MOST = 3840  # codes between two clears: what fits a table of 4096
_PLACE = np.arange(_MOST)
_WIDTHS = np.select([_PLACE < 254, _PLACE < 766, _PLACE < 1790], [9, 10, 11], 12)
_OFFSETS = np.concatenate([[0], np.cumsum(_WIDTHS)[:-1]])
_HIGHEST = np.where(_PLACE == 0, 255, _PLACE + _END)
"""The highest code that can stand in each place after a clear: one more than the table then holds."""


def is_sound(data: bytes) -> bool:
    """Whether every code of a TIFF's LZW segment names an entry that the codes before it have made.

    Parameters
    ----------
    data : bytes
        One compressed strip or tile, most significant bit first (the order before TIFF 6 is not).

    Returns
    -------
    bool
        True also where the stream stops early; the decoder says so itself.
    """
    n_bits = 8 * len(data)
    raw = np.frombuffer(data + bytes(4), np.uint8).astype(np.uint32)
    words = (raw[:-3] << 24) | (raw[1:-2] << 16) | (raw[2:-1] << 8) | raw[3:]
    at = 0
    while True:
        starts = at + _OFFSETS
        starts = starts[starts + _WIDTHS <= n_bits]
        widths = _WIDTHS[: len(starts)]
        codes = (words[starts >> 3] >> (32 - widths - (starts & 7))) & ((1 << widths) - 1)
        special = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        n = int(special[0]) if len(special) else len(codes)
        if (codes[:n] > _HIGHEST[:n]).any():
            return False
        if not len(special):
            return len(codes) < _MOST
        if codes[n] == _END:
            return True
        at = int(starts[n] + widths[n])

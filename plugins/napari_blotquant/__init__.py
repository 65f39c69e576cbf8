"""The napari plugin of blotquant: a skin over the core that measures nothing itself."""

from __future__ import annotations

import ctypes
import sys

SURPLUS = sys.maxsize // 4
"""References that are added: more than a process can lose."""


def keep_none_and_true() -> None:
    """Keep None and True from dying before Python 3.12: it would take the process, and unsaved work, down.

    Notes
    -----
    PySide 6.12 is built as if they could not die, as from Python 3.12 on. On 3.11 each of its methods that returns
    nothing (`QPen.setWidthF`, `QPainter.drawLine`) takes away a reference to None, a redraw of a plot 116, and each
    signal one to True. When the last is gone Python aborts (``none_dealloc``), at work or at its end; after 5,000 of
    such calls in a bare interpreter. References in a list would be given back at the end, where Qt still takes some:
    these are only counted, and nothing gives them back.
    """
    if sys.version_info >= (3, 12) or sys.implementation.name != "cpython":
        return
    for one in (None, True, False):
        count = ctypes.c_ssize_t.from_address(id(one))
        # The count is the first field of an object, but in builds that trace references.
        is_count = 0.5 < count.value / sys.getrefcount(one) < 2  # other threads take and give some meanwhile
        if is_count and count.value < SURPLUS // 2:
            count.value += SURPLUS


keep_none_and_true()

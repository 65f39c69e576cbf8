"""Files read whole, but never without a limit, and never what is no file."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

MAX_TOML_BYTES = 1 << 20
"""Largest TOML file read: ten thousand pictures take half of it."""
MAX_DOTS = 200
"""Most full stops of one line: a key of n dotted parts takes n² of memory and time, 8 GB for 120 kB."""


def read_bounded(path: Path, limit: int) -> bytes:
    """Read a file that is not absurdly large.

    Raises
    ------
    OSError
        If it cannot be read, is no plain file, or is larger than `limit` bytes.
    """
    if path.exists() and not path.is_file():  # a pipe would hang
        raise OSError(errno.EINVAL, "not a file but a folder or device")
    if path.stat().st_size == 0:  # nothing, or a file of /proc, which may never end
        return b""
    with path.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit:,} bytes")
    return data


def is_file(path: Path) -> bool:
    """Whether a plain file lies there; names that no file system takes are names of none."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a folder lies there, likewise."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_there(path: Path) -> bool:
    """Whether anything lies there: a file, a folder, a pipe."""
    try:
        return path.exists()
    except OSError:
        return False


def is_plain_file(path: Path) -> bool:
    """Whether a file lies there that is no link: inside a results folder no link is followed."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def parse_toml(text: str) -> dict[str, Any]:
    """Read TOML whose memory and time are bounded.

    Raises
    ------
    ValueError, RecursionError
        If it is not valid, too large, or nested without end.
    """
    import tomllib

    if len(text) > MAX_TOML_BYTES:
        msg = f"larger than {MAX_TOML_BYTES:,} characters"
        raise ValueError(msg)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > MAX_DOTS and not line.lstrip().startswith("#"):
            msg = f"more than {MAX_DOTS} full stops in one line (at line {number})"
            raise ValueError(msg)
    return tomllib.loads(text)

"""Reading pictures, writing files. The libraries of a format are imported when such a file is read."""

from __future__ import annotations

from blotquant.io.files import atomic_write, read_table, sha256_of, table_to_csv, write_table
from blotquant.io.read import MAX_PIXELS, READERS, RawPicture, Reader, Source, read_image

__all__ = [
    "MAX_PIXELS",
    "READERS",
    "RawPicture",
    "Reader",
    "Source",
    "atomic_write",
    "read_image",
    "read_table",
    "sha256_of",
    "table_to_csv",
    "write_table",
]

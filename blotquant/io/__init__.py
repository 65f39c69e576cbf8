"""Reading pictures, writing files. Nothing heavy is imported before a picture is read."""

from __future__ import annotations

from blotquant.io.files import atomic_write, read_table, sha256_of, table_to_csv, write_table

__all__ = ["atomic_write", "read_table", "sha256_of", "table_to_csv", "write_table"]

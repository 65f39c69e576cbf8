"""The csv tables as parquet, for those who go on in a data frame."""

from __future__ import annotations

import io
from pathlib import Path

from blotquant.errors import OutputError
from blotquant.io.files import atomic_write, read_table
from blotquant.tables import (
    BAND_COLUMNS,
    DILUTION_COLUMNS,
    EXPOSURE_COLUMNS,
    LANE_COLUMNS,
    RATIO_COLUMNS,
    SUMMARY_COLUMNS,
)

_COLUMNS = {
    "bands": BAND_COLUMNS,
    "lanes": LANE_COLUMNS,
    "exposures": EXPOSURE_COLUMNS,
    "dilution": DILUTION_COLUMNS,
    "ratios": RATIO_COLUMNS,
    "summary": SUMMARY_COLUMNS,
}


def write_parquet(table: Path) -> Path:
    """Write a csv table of results again as parquet, beside it.

    Parameters
    ----------
    table : pathlib.Path
        The csv; by its name (bands, lanes, exposures, ratios, summary) the types of its columns are known.

    Returns
    -------
    pathlib.Path
        The parquet file.

    Raises
    ------
    OutputError
        If pyarrow is not installed or the file cannot be written.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        msg = "parquet needs pyarrow; install it with pip install 'blotquant[parquet]'"
        raise OutputError(msg) from None
    buffer = io.BytesIO()
    read_table(table, _COLUMNS.get(table.stem, {})).to_parquet(buffer, engine="pyarrow", index=False)
    target = table.with_suffix(".parquet")
    atomic_write(target, buffer.getvalue())
    return target

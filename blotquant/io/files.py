"""Files as they are read and written: never without a limit, atomically, tables as csv, values as JSON, with checksums.

A record is a row of a table as a mapping of column to number, text, truth value or None (an empty cell). Records need
no pandas, so that a worker that only measures does not load it.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import json
import math
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blotquant.errors import OutputError, SheetError
from blotquant.text import free_cell, guard_cell

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import TypeAdapter

    from blotquant.tables import Column

PICTURE_SUFFIXES = frozenset({".tif", ".tiff", ".scn", ".gel", ".1sc", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".zip"})
"""Endings of files that are read as pictures where a folder is searched."""
_BLOCK = 1 << 20
MAX_BYTES = 1 << 30
"""Largest table read back: a million bands need half of it."""
_PARSERS: dict[str, Callable[[str], object]] = {
    "float64": float,
    "Int64": int,
    "boolean": {"True": True, "False": False}.__getitem__,
}
_KINDS: dict[str, Callable[[Any], Any]] = {"float64": float, "Int64": int, "boolean": bool}
"""Python's own type of a column's values by its dtype; all others are text."""
MAX_HASHED = 2 << 30
"""Largest file whose checksum is computed, in bytes: more than a picture of 200 million pixels holds."""
MAX_TOML_BYTES = 1 << 20
"""Largest TOML file read: ten thousand pictures take half of it."""
MAX_DOTS = 200
"""Most full stops of one line: a key of n dotted parts takes n² of memory and time, 8 GB for 120 kB."""
_TOGETHER = 500
"""Rows that are turned into text at once: enough to be quick, few enough that memory does not grow with a table."""


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


def sha256_of(path: Path) -> str:
    """Checksum of a file's bytes, as 64 hexadecimal digits.

    Raises
    ------
    OSError
        If it cannot be read, is no plain file (a pipe would hang, a device has no end), or is larger than `MAX_HASHED`.
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "not a file but a folder or device")
    if about.st_size > MAX_HASHED:
        raise OSError(errno.EFBIG, f"larger than {MAX_HASHED:,} bytes")
    # Block by block: a picture may be larger than memory allows to hold twice.
    digest = hashlib.sha256()
    if about.st_size == 0:  # nothing, or a file of /proc, which may never end
        return digest.hexdigest()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sha256_if_read(path: Path) -> str:
    """Checksum of a file's bytes; empty where it cannot be read."""
    try:
        return sha256_of(path)
    except OSError:
        return ""


def atomic_write(
    path: str | os.PathLike[str],
    data: bytes | str | Iterable[str],
    *,
    flush_parent: bool = True,
    durable: bool = True,
    scratch: Path | None = None,
) -> None:
    """Write a file so that a reader sees the old or the new content whole, even if the program is killed.

    The data go to a temporary file in the same folder, are flushed to disk, and replace `path` in one step.
    Missing folders are made.

    Parameters
    ----------
    path : path-like
        The file to write. A symbolic link is replaced, not followed.
    data : bytes, str, or iterable of str
        Text is written as UTF-8 with its line ends as they are. Pieces of an iterable are written as they come,
        so a table larger than memory can pass through.
    flush_parent : bool
        Whether the new name, too, is on disk on return. Who writes many files into one folder spares half the waiting
        by flushing it once at the end (`flush_folder`); until then a power cut may leave the old content, whole.
    durable : bool
        Whether the content is on disk before it replaces the old one. False for what can be made again and is flushed
        later (`flush_file`): a kill leaves the file whole all the same, a power cut may not.
    scratch : pathlib.Path, optional
        A folder on the same disk for the unfinished file; beside `path` if not given.

    Raises
    ------
    OutputError
        If the folder or the file cannot be written.
    """
    target = Path(path)
    pieces = (data,) if isinstance(data, bytes | str) else data
    content = (piece.encode("utf-8") if isinstance(piece, str) else piece for piece in pieces)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if scratch is not None:
            scratch.mkdir(parents=True, exist_ok=True)
        _replace_with(target, content, scratch or target.parent, durable=durable)
        if flush_parent:
            flush_folder(target.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        msg = f"{target}: cannot be written ({reason}); choose another output folder or free the file"
        raise OutputError(msg) from error


def _replace_with(target: Path, content: Iterable[bytes], place: Path, *, durable: bool) -> None:
    # A short name of its own: the target's name may already be as long as the file system allows.
    temporary = place / f".blotquant-{secrets.token_hex(8)}.tmp"
    # 0o666 lets the user's umask decide; tempfile would make results unreadable for a lab's group.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines(content)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def flush_file(path: Path) -> None:
    """Bring a file that was written without waiting to disk; one that is gone is passed over."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system lets a folder be flushed."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def table_records(frame: pd.DataFrame, constants: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Rows of a table as records of Python's own values; `constants` replace or add columns."""
    fixed = dict(constants or {})
    columns = {str(name): _plain_cells(cells) for name, cells in frame.items() if name not in fixed}
    return [dict(zip(columns, values, strict=True)) | fixed for values in zip(*columns.values(), strict=True)]


def _plain_cells(cells: pd.Series[Any]) -> list[Any]:
    """Cells as Python's own objects, None where one is missing."""
    if cells.dtype == "float64":
        return [None if value != value else value for value in cells.to_numpy().tolist()]
    missing = cells.isna().tolist()
    return [None if gone else value for value, gone in zip(cells.to_numpy(dtype=object).tolist(), missing, strict=True)]


def plain_rows(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Column]) -> list[dict[str, Any]]:
    """Records with exactly the declared columns, in order; None for an empty cell.

    What `table_records` makes of the table of these rows, without pandas, whose import takes longer than measuring a
    small picture.
    """
    kinds = {name: _KINDS.get(column.dtype, str) for name, column in columns.items()}
    return [
        {
            name: None if (value := row.get(name)) is None or value != value else kind(value)
            for name, kind in kinds.items()
        }
        for row in rows
    ]


def csv_lines(records: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    r"""Text of a table in pieces: its header line, then its rows.

    Comma-separated, ``\n``, floats in their shortest exact form, missing cells empty. A text that a spreadsheet would
    run as a formula gets an apostrophe in front, which `read_table` takes away.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(guard_cell, columns))
    for number, record in enumerate(records, start=1):
        cells = (record.get(name) for name in columns)
        writer.writerow([guard_cell(x) if isinstance(x, str) else "" if x is None or x != x else x for x in cells])
        if number % _TOGETHER == 0:
            yield stream.getvalue()
            stream.seek(0)
            stream.truncate()
    yield stream.getvalue()


def table_to_csv(frame: pd.DataFrame) -> str:
    """Text of a table, as `csv_lines` writes it."""
    return "".join(csv_lines(table_records(frame), [str(name) for name in frame.columns]))


def write_table(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a table as csv (see `table_to_csv`), atomically.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    atomic_write(path, table_to_csv(frame))


def read_table(path: str | os.PathLike[str], columns: Mapping[str, Column]) -> pd.DataFrame:
    """Read a table that `write_table` wrote.

    Parameters
    ----------
    path : path-like
        The csv file.
    columns : mapping of str to Column
        The declared columns and their dtypes. Further columns are kept, as text.

    Returns
    -------
    DataFrame
        The same values, bit for bit; an empty cell is missing.

    Raises
    ------
    SheetError
        If the file cannot be read, lacks declared columns, or a cell does not fit its column.
    """
    import pandas as pd

    source = Path(path)
    try:
        text = read_bounded(source, MAX_BYTES).decode("utf-8-sig")
        frame = pd.read_csv(io.StringIO(text), dtype="string", keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        msg = f"{source}: not a readable table: {error}"
        raise SheetError(msg) from error
    # The guards against formulas go; a missing column is a mistake, further ones stay.
    frame = frame.rename(columns=free_cell).apply(lambda cells: cells.map(free_cell, na_action="ignore"))
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        msg = f"{source}: column(s) missing: {', '.join(missing)}; found: {', '.join(map(str, frame.columns))}"
        raise SheetError(msg)
    # Declared columns get their types; further ones stay text.
    cells = {name: _typed(frame[name], column, source) for name, column in columns.items()}
    typed: pd.DataFrame = frame.assign(**cells)
    return typed


def _typed(cells: pd.Series[str], column: Column, source: Path) -> pd.Series[Any]:
    """Turn text cells into the column's dtype; Python's own float() restores every bit."""
    import pandas as pd

    parse = _PARSERS.get(column.dtype, str)
    missing = cells.isna()
    try:
        values = [None if gone else parse(cell) for cell, gone in zip(cells, missing, strict=True)]
    except (ValueError, KeyError) as error:
        msg = f"{source}: column {cells.name}: {error} is not a value of type {column.dtype}"
        raise SheetError(msg) from error
    dtype: Any = column.dtype
    return pd.Series(values, index=cells.index, dtype=dtype, name=cells.name)


def canonical_text(data: Mapping[str, Any]) -> str:
    """Plain values as JSON text in one way only, open enough that two versions can be compared line by line."""
    return "".join(_json_lines(data, 0)) + "\n"


def plain_value(value: Any) -> Any:
    """Values as dicts and lists of scalars; much faster than `dataclasses.asdict`, which copies every number."""
    if names := _fields_of(value.__class__):
        return {name: plain_value(getattr(value, name)) for name in names}
    if isinstance(value, tuple) and value and _fields_of(value[0].__class__):
        return [plain_value(item) for item in value]
    return value


@cache
def _fields_of(kind: type) -> tuple[str, ...]:
    """Names of a dataclass's fields; none for any other type."""
    return tuple(f.name for f in fields(kind)) if is_dataclass(kind) else ()


def _json_lines(value: Any, depth: int) -> Iterator[str]:
    """Objects open up line by line; the members of a list stay on one line each."""
    # Keys in order, one line each; lists of objects one object a line: versions can be compared by line.
    pad = " " * (depth + 1)
    if isinstance(value, dict) and value:
        rows = [pad + _compact(key) + ": " + "".join(_json_lines(value[key], depth + 1)) for key in sorted(value)]
        yield "{\n" + ",\n".join(rows) + "\n" + pad[1:] + "}"
    elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        yield "[\n" + ",\n".join(pad + _compact(item) for item in value) + "\n" + pad[1:] + "]"
    else:
        yield _compact(value)


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> str:
    """Write a value as JSON in one way only: keys sorted, no spaces, floats by their shortest round trip."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def parse_json(text: str) -> Any:
    """Read JSON in which every number is one; `ValueError` or `RecursionError` if it is none."""
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    """What `canonical_json` could not write again, nothing here can have written: NaN, infinities, 1e999."""
    value = float(text)
    if not math.isfinite(value):
        msg = f"{text} is not a finite number"
        raise ValueError(msg)
    return value


@cache
def adapter_of(wanted: Any) -> TypeAdapter[Any]:
    """The reader of a type's plain form; made once, since making one is slow."""
    from pydantic import TypeAdapter

    return TypeAdapter(wanted)

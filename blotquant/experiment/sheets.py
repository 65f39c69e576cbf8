"""Sheets as people save them: csv in any of Excel's dialects and encodings, and the sheets of a workbook."""

from __future__ import annotations

import csv
import datetime
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blotquant.errors import SheetError
from blotquant.io.files import read_bounded
from blotquant.text import one_line

_DELIMITERS = (",", ";", "\t")
_MAX_ROWS = 20_000
_MAX_COLUMNS = 500
MAX_BYTES = 64 << 20
"""Largest sheet or experiment file read: a thousand blots need one."""
MAX_UNPACKED = 32 << 20
"""Most that the sheets of a workbook may unpack to."""
_MAX_PART = 1 << 20  # styles, themes and whatever else a workbook carries
_MAX_TEXTS = 100_000
_MAX_TAGS = 1_500_000
_MAX_CELLS = 200_000
RARE_IN_WINDOWS = frozenset("ŠšŽžŸŒœƒ†‡ˆ‰‹›˜€…¡¢¤¥¦§¨ª¬¯´¶¸º¿Æ")
"""Characters of Windows-1252 that hardly stand in a sample sheet, but whose bytes are common letters on old Macs."""
COMMON_ON_MACS = frozenset("ÄÅÉÑÖÜáàâäãåéóòöõúûüß°®´¨≠∞∂∆Δπ∫Ωø")
"""What those bytes mean in Mac Roman."""
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as it was written: text only, blank rows left out.

    Attributes
    ----------
    name : str
        File name, with the sheet's name where it stands in a workbook; it opens every message.
    columns : tuple of str
        Column names as written, without surrounding blanks.
    rows : dict of str to dict
        The rows that hold anything, by where they stand, such as ``line 3``: text by column name.
    problems : tuple of str
        What is wrong with the sheet's shape, one line each.
    """

    name: str
    columns: tuple[str, ...]
    rows: dict[str, dict[str, str]]
    problems: tuple[str, ...] = ()


def read_csv_sheet(path: Path) -> Sheet:
    """Read a csv file: UTF-8, UTF-16 with a mark, or Windows-1252; comma, semicolon or tab.

    Raises
    ------
    SheetError
        If the file is missing, binary, or cannot be read.
    """
    try:
        data = read_bounded(path, MAX_BYTES)
    except OSError as error:
        msg = f"{path.name}: cannot be read: {error.strerror or error}"
        raise SheetError(msg) from None
    text = decode_text(data, where=path.name)
    first, _, rest = text.partition("\n")
    offset = 0
    # Excel may say its delimiter in a line above the header.
    delimiter = re.fullmatch(r'"?sep=(.)"?\r?', first.strip("\ufeff"))
    if delimiter:
        text, offset = rest, 1
    # Otherwise the one that the header line holds most often; its quoted parts do not count.
    header = re.sub(r'"[^"]*"', "", next((line for line in text.splitlines() if line.strip()), ""))
    separator = delimiter[1] if delimiter else max(_DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        lines = [(f"line {reader.line_num + offset}", cells) for cells in reader]
    except csv.Error as error:
        msg = f"{path.name}: line {reader.line_num + offset}: not a csv file: {error}"
        raise SheetError(msg) from None
    return _make_sheet(path.name, lines)


def decode_text(data: bytes, *, where: str) -> str:
    """Decode what editors and Excel write: UTF-8, UTF-16 with a byte order mark, else Windows-1252."""
    # A mark tells UTF-16; else UTF-8, and what is none is Windows' own.
    encodings = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252")
    if encodings[0] != "utf-16" and b"\0" in data:
        msg = f"{where}: not a text file; save the sheet as csv (UTF-8) or give the .xlsx itself"
        raise SheetError(msg)
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "cp1252":
            _refuse_mac_roman(text, data.decode("mac_roman"), where=where)
        return text
    msg = f"{where}: text is neither UTF-8 nor Windows-1252; save it as csv (UTF-8)"
    raise SheetError(msg)


def _refuse_mac_roman(windows: str, mac: str, *, where: str) -> None:
    """Ask which it is where a text reads better as an old Mac's than as Windows': no letter says so itself."""
    for one, other in zip(windows.splitlines(), mac.splitlines(), strict=False):
        doubtful = [k for k, c in enumerate(one) if c in RARE_IN_WINDOWS and other[k : k + 1] in COMMON_ON_MACS]
        if doubtful:
            k = doubtful[0]
            near = slice(max(k - 8, 0), k + 9)
            msg = (
                f"{where}: not UTF-8, and its letters can be read in two ways: {other[near].strip()!r} (Mac Roman) or "
                f"{one[near].strip()!r} (Windows); save it as csv (UTF-8)"
            )
            raise SheetError(msg)


def read_workbook(path: Path) -> dict[str, Sheet]:
    """Read every sheet of an .xlsx workbook, by its name in lower case.

    Raises
    ------
    SheetError
        If the file is no workbook.
    """
    import zipfile

    import openpyxl

    from blotquant.io.read import DAMAGE  # what decoders raise; a zip holds XML, and either can be broken

    broken = (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        openpyxl.utils.exceptions.InvalidFileException,
        *DAMAGE,
    )
    try:
        # A zip says how large it unpacks before it does.
        data = io.BytesIO(read_bounded(path, MAX_BYTES))
        with zipfile.ZipFile(data) as archive:
            _check_unpacked(path.name, archive)
        book = openpyxl.load_workbook(data, read_only=True, data_only=True)
        left = _MAX_CELLS
        lines = []
        for sheet in book.worksheets:
            lines.append((sheet.title, list(_lines(sheet, left, path.name))))
            left -= sum(len(cells) for _, cells in lines[-1][1])
        merged = {sheet.title: _merged_cells(data, sheet) for sheet in book.worksheets}
        unsaved = _formulas_without_value(data, {sheet.title: sheet for sheet in book.worksheets})
    except broken as error:
        reason = one_line(str(error)) or type(error).__name__
        msg = f"{path.name}: not a readable .xlsx workbook ({reason}); save it again as Excel workbook"
        raise SheetError(msg) from None
    # Every sheet by its name, with what is wrong with it.
    sheets = {title.strip().lower(): _make_sheet(f"{path.name}, sheet {title}", rows) for title, rows in lines}
    # Formulas whose value was never saved read as empty cells: named, not taken for empty.
    for title, cells in unsaved.items():
        sheet = sheets[title.strip().lower()]
        told = f"{', '.join(cells[:3])}{' …' if len(cells) > 3 else ''}"
        text = (
            f"{sheet.name}: {len(cells)} formulas without a saved value ({told}): open the file in a spreadsheet "
            "program and save it there, or put values in their place"
        )
        sheets[title.strip().lower()] = replace(sheet, problems=(*sheet.problems, text))
    # Only the first of merged cells holds the text.
    for title, ranges in merged.items():
        sheet = sheets[title.strip().lower()]
        text = (
            f"{sheet.name}: cells {', '.join(ranges[:5])} are merged, and only the first of them holds the text: "
            "unmerge them and fill every cell"
        )
        if ranges:
            sheets[title.strip().lower()] = replace(sheet, problems=(text, *sheet.problems))
    return sheets


def _merged_cells(data: io.BytesIO, sheet: Any) -> list[str]:
    """Ranges of merged cells of a sheet; openpyxl's fast way of reading does not tell them."""
    import zipfile

    with zipfile.ZipFile(data) as archive:
        part = str(getattr(sheet, "_worksheet_path", "")).lstrip("/")
        text = archive.read(part).decode("utf-8", "replace") if part in archive.namelist() else ""
    return re.findall(r'<(?:\w+:)?mergeCell\s[^>]*ref="([A-Z0-9:]+)"', text)


def _formulas_without_value(data: io.BytesIO, shown: dict[str, Any]) -> dict[str, list[str]]:
    """Cells of each sheet that hold a formula and no result: written by a program that does not calculate."""
    import zipfile

    import openpyxl

    with zipfile.ZipFile(data) as archive:
        sheets = [name for name in archive.namelist() if name.lower().startswith("xl/worksheets/")]
        if not any(re.search(rb"<f[ >/]", archive.read(name)) for name in sheets):
            return {}
    found: dict[str, list[str]] = {}
    for sheet in openpyxl.load_workbook(data, read_only=True).worksheets:
        limits = {"max_row": _MAX_ROWS, "max_col": _MAX_COLUMNS}
        pairs = zip(sheet.iter_rows(**limits), shown[sheet.title].iter_rows(values_only=True, **limits), strict=False)
        for row, values in pairs:
            for cell, value in zip(row, values, strict=False):
                if value is None and cell.data_type == "f":
                    found.setdefault(sheet.title, []).append(f"{cell.coordinate}: {cell.value}")
    return found


def _check_unpacked(name: str, archive: Any) -> None:
    """Refuse a workbook before its parts are unpacked that would take minutes or gigabytes to read."""
    hint = "copy the sheets into a new workbook, or save them as csv"
    # By the sizes that the zip states, before anything is unpacked; then by tags and texts.
    sizes = {entry.filename: entry.file_size for entry in archive.infolist() if entry.filename.endswith(".xml")}
    texts = [part for part in sizes if part.lower().endswith("sharedstrings.xml")]
    sheets = [part for part in sizes if part.lower().startswith("xl/worksheets/")]
    unpacked = sum(sizes[part] for part in {*sheets, *texts})
    if unpacked > MAX_UNPACKED:
        msg = f"{name}: unpacks to {unpacked:,} bytes, more than any sample sheet; {hint}"
        raise SheetError(msg)
    for part in sizes.keys() - {*sheets, *texts}:
        if sizes[part] > _MAX_PART:
            msg = f"{name}: its part {part} unpacks to {sizes[part]:,} bytes, allowed are {_MAX_PART:,}; {hint}"
            raise SheetError(msg)
    n_tags = sum(archive.read(part).count(b"<") for part in sheets)
    n_texts = sum(archive.read(part).count(b"<si") for part in texts)
    if n_tags > _MAX_TAGS or n_texts > _MAX_TEXTS:
        msg = f"{name}: holds more cells or texts than a thousand blots need; {hint}"
        raise SheetError(msg)


def _lines(sheet: Any, most: int, name: str) -> Iterator[tuple[str, list[str]]]:
    """The rows of a sheet as text, `most` filled cells at most."""
    rows = sheet.iter_rows(values_only=True, max_row=_MAX_ROWS, max_col=_MAX_COLUMNS)
    for number, cells in enumerate(rows, start=1):
        texts = ["" if cell is None else cell_text(cell) for cell in cells] if any(c is not None for c in cells) else []
        # Trailing empty cells are formatting, no content.
        while texts and not texts[-1]:
            texts.pop()
        most -= len(texts)
        if most < 0:
            msg = f"{name}: has more than {_MAX_CELLS:,} cells; leave only the sample sheet in it"
            raise SheetError(msg)
        yield f"row {number}", texts


def cell_text(cell: object) -> str:
    """Write a workbook cell as the text a person sees in it: 1 and not 1.0, dates as ISO."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    if isinstance(cell, (datetime.datetime, datetime.date)):
        return cell.isoformat()
    return str(cell)


def _make_sheet(name: str, lines: list[tuple[str, list[str]]]) -> Sheet:
    filled = [(where, [cell.strip() for cell in cells]) for where, cells in lines if any(c.strip() for c in cells)]
    if not filled:
        return Sheet(name, (), {}, (f"{name}: the sheet is empty",))
    # Rows above the header that hold one cell each, where wider ones follow.
    widths = [sum(1 for cell in cells if cell) for _, cells in filled]
    first = next((k for k, width in enumerate(widths) if width > 1), 0)
    titles = filled[:first]
    problems = [
        f"{name}: {where}: holds a title, {next(c for c in cells if c)!r}, where the columns' names are expected; "
        f"delete it (names seem to stand in {filled[len(titles)][0]})"
        for where, cells in titles
    ]
    filled = filled[len(titles) :]
    header_at, header = filled[0]
    while header and not header[-1]:
        header.pop()
    problems += [f"{name}: {header_at}: column {k} has no name" for k, c in enumerate(header, 1) if not c]
    problems += [
        f"{name}: {header_at}: column {c!r} stands there twice"
        for k, c in enumerate(header)
        if c and c.lower() in [h.lower() for h in header[:k]]
    ]
    # Rows under the header: short ones are filled up, surplus cells are a mistake.
    rows = {}
    for where, cells in filled[1:]:
        surplus = [cell for cell in cells[len(header) :] if cell]
        if surplus:
            problems.append(
                f"{name}: {where}: {len(header) + len(surplus)} cells where the header has {len(header)} "
                f"columns; put text that holds the separator in quotes (surplus: {surplus[0]!r})"
            )
        padded = cells[: len(header)] + [""] * (len(header) - len(cells))
        rows[where] = dict(zip(header, padded, strict=True))
    return Sheet(name, tuple(header), rows, tuple(problems))


def read_number(text: str) -> float:
    """Read a number as people write it: a point or a comma before the decimals.

    Raises
    ------
    ValueError
        If it is no finite number, or one comma with three digits after it leaves open what is meant.
    """
    clean = text.strip().replace("\u2212", "-").replace("\u00a0", "")
    # 1,200 may be twelve hundred or one point two: asked, not guessed.
    if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", clean):
        msg = f"{text!r} may mean {clean.replace(',', '')} or {clean.replace(',', '.')}; write it with a decimal point"
        raise ValueError(msg)
    if re.fullmatch(r"[+-]?\d{1,3}([.' ]\d{3})+,\d+|[+-]?\d{1,3}([,' ]\d{3})+\.\d+", clean):
        plain = re.sub(r"[.,' ](?=.*[.,])", "", clean).replace(",", ".")
        msg = f"{text!r} is read as no number; write {plain}: one decimal point, and nothing between thousands"
        raise ValueError(msg)
    # One comma is a decimal comma.
    if re.fullmatch(r"[+-]?\d*,\d+", clean):
        clean = clean.replace(",", ".")
    number = float(clean) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", clean) else math.nan
    if not math.isfinite(number):
        msg = f"{text!r} is not a number"
        raise ValueError(msg)
    return number

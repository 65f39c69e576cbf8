"""Foreign text made harmless for the place it goes to: a terminal, a message, a table, a page, a file name.

Sample names, file names and what imagers write into their files are other people's words. They are kept as they are
wherever that is safe; where it is not, what is dangerous becomes visible and nothing is dropped without a trace.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
LONGEST_LINE = 1500
"""Characters of one line of a message; what a file says can be of any length."""
LONGEST_FILE_NAME = 180
"""Bytes of a file name before its ending: file systems take 255, and copies get longer names."""

# What a spreadsheet takes for a formula. Text that begins with a sign is one too, but "+EGF", "-drug" and "- / +" are
# names of conditions, of which it makes nothing: they stay as they are where they hold only letters, digits, blanks and
# the signs of such names, no call, and nothing that is the name of a cell ("+H3" would show what stands there).
_FORMULA = re.compile(
    r"[=@\t＝＠]|[+\-＋－].*?(?:\w\(|[^\w\s+\-./,%:()°±·]|(?<![^\W_])[A-Za-z]{1,3}[0-9]{1,7}(?!\w))", re.DOTALL
)
_GUARDED = re.compile(rf"'+(?:{_FORMULA.pattern})", re.DOTALL)
_NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)


def harmless(text: str, *, keep: str = "") -> str:
    """Text that cannot steer a terminal or turn a line around.

    Control, direction and other invisible characters become visible escapes, those in `keep` excepted.
    """
    if text.isprintable():  # all but a handful of texts, at a hundredth of the time
        return text
    return "".join(ch if ch in keep or unicodedata.category(ch) not in _INVISIBLE else ascii(ch)[1:-1] for ch in text)


def printable(text: str) -> str:
    r"""A file's name as text that every file and terminal takes: bytes that are none stand as ``\xe9``."""
    return text if text.isascii() else os.fsencode(text).decode(sys.getfilesystemencoding(), "backslashreplace")


def unprinted(text: str) -> str:
    """The file's name that `printable` was given, where it holds bytes that are no text."""
    raw = re.sub(rb"\\x([89a-f][0-9a-f])", lambda match: bytes.fromhex(match[1].decode()), os.fsencode(text))
    return os.fsdecode(raw)


def message(text: str) -> str:
    """An error's words: harmless, without empty lines, no line longer than `LONGEST_LINE`."""
    lines = (harmless(line).strip() for line in text.split("\n"))
    return "\n".join(shorten(line, LONGEST_LINE) for line in lines if line)


def shorten(text: str, longest: int) -> str:
    """Cut text that is too long; the mark at its end says so."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def shown(text: str, longest: int = 100) -> str:
    """Foreign text as a short part of one line: what cannot be printed becomes one sign."""
    return shorten("".join(c if c.isprintable() else "�" for c in text.strip()), longest)


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """Write the end of a message: the nearest allowed name if one is near, and all that are allowed."""
    options = list(allowed)
    near = difflib.get_close_matches(found.lower(), [option.lower() for option in options], n=1, cutoff=0.6)
    guess = next((option for option in options if near and option.lower() == near[0]), None)
    # Names that hold a comma would run into each other.
    clear = options if not any("," in option for option in options) else map(repr, options)
    listed = ", ".join(clear) if options else "none"
    return f"did you mean {guess!r}? allowed: {listed}" if guess else f"allowed: {listed}"


def short_repr(value: object) -> str:
    """A value as it stands in a message: its representation, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def one_line(text: str) -> str:
    """Join the lines of a message."""
    return " ".join(text.split())


def guard_cell(text: str) -> str:
    """A csv cell that no spreadsheet runs as a formula: an apostrophe is put before one that it would.

    Carriage returns become line feeds, since readers of csv disagree about them. `free_cell` takes the guard away.
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    return "'" + plain if _FORMULA.match(plain) or _GUARDED.match(plain) else plain


def free_cell(text: str) -> str:
    """The text that `guard_cell` was given."""
    return text[1:] if text.startswith("'") and _GUARDED.match(text) else text


def file_name(*parts: str) -> str:
    """A name for a file, from the parts of a path or any other words, joined by ``__``.

    What some file system does not take is replaced, and too long names are cut; then, and where a part itself holds
    ``__``, eight digits of a checksum keep apart what would otherwise come out the same.

    Parameters
    ----------
    *parts : str
        Such as the folders and the name of a picture below the results.

    Returns
    -------
    str
        Without slashes, leading dots, control or direction marks; never empty.
    """
    joined = "__".join(parts)
    plain = _NOT_IN_NAMES.sub("_", "".join("_" if unicodedata.category(c) in _INVISIBLE else c for c in joined))
    plain = plain.lstrip(".").rstrip(". ") or "_"
    plain = "_" + plain if _RESERVED.match(plain) else plain
    short = plain.encode("utf-8", "replace")[:LONGEST_FILE_NAME].decode("utf-8", "ignore")
    if short == joined and not any("__" in part for part in parts):
        return short
    digits = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{short}~{digits}"


def relative_path(source: Path, folder: Path) -> str:
    """A file's path as seen from a folder, with forward slashes; absolute if they lie on different drives.

    It is text that every file takes, see `printable`.
    """
    try:
        return printable(Path(os.path.relpath(source.absolute(), folder.absolute())).as_posix())
    except ValueError:
        return printable(source.absolute().as_posix())


def say(text: str) -> None:
    """Print a line of words on stderr; line breaks stay, everything else invisible is escaped."""
    sys.stderr.write("\n".join(harmless(line) for line in text.split("\n")) + "\n")
    sys.stderr.flush()

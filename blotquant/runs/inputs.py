"""What the user named on the command line, as a list of pictures and sessions with names of their own."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from blotquant.errors import BlotQuantError, SessionError
from blotquant.io.files import PICTURE_SUFFIXES, is_file, is_folder, is_there
from blotquant.runs.progress import say
from blotquant.text import file_name, printable

SESSION_SUFFIX = ".blot.json"


class InputError(BlotQuantError):
    """A named input that does not exist or holds no picture."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Input:
    r"""One picture or session to work on.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    name : str
        What tables call it: its path below the folder that all inputs share, with ``/`` between the parts. It does
        not change when the whole collection moves. Bytes that are no text in the file system's encoding stand as
        ``\xe9``.
    """

    path: Path
    name: str

    @property
    def is_session(self) -> bool:
        """Whether the file is a session with hand corrections rather than a picture."""
        return self.path.name.endswith(SESSION_SUFFIX)

    @property
    def session_name(self) -> str:
        """File name of its session: path parts joined, so that two folders' pictures stay apart."""
        return file_name(*self.name.removesuffix(SESSION_SUFFIX).split("/")) + SESSION_SUFFIX


def find_inputs(named: Sequence[str | os.PathLike[str]], *, leave_out: Path | None = None) -> list[Input]:
    """List the pictures and sessions that files, folders, globs and lists name.

    Parameters
    ----------
    named : sequence of path-like
        Files of any name; folders, of which every picture below counts; glob patterns with ``*``; ``@list.txt``, a
        text file with one of these a line. Results of earlier runs below a folder are left out, which is said.
    leave_out : pathlib.Path, optional
        A folder whose contents are not inputs: that of the results.

    Returns
    -------
    list of Input
        Without repeats, in the order named; inside a folder in order of name.

    Raises
    ------
    InputError
        If a name stands for nothing, with one line for each.
    """
    paths, problems = _expand(named, leave_out)
    if problems:
        raise InputError("\n".join(problems))
    unique = list(dict.fromkeys(Path(os.path.abspath(path)) for path in paths))  # noqa: PTH100  keeps links as named
    if not unique:
        msg = "no picture given"
        raise InputError(msg)
    root = Path(os.path.commonpath([path.parent for path in unique]))
    return [Input(path, printable(path.relative_to(root).as_posix())) for path in unique]


def _expand(named: Iterable[str | os.PathLike[str]], leave_out: Path | None) -> tuple[list[Path], list[str]]:
    paths: list[Path] = []
    problems: list[str] = []
    for item in named:
        text = os.fspath(item)
        found = _find(text, leave_out)
        if isinstance(found, str):
            problems.append(printable(found))
        else:
            paths += found
    return paths, problems


def _find(text: str, leave_out: Path | None) -> list[Path] | str:
    """Return the files that one name stands for, or the line that says why it stands for none."""
    path = Path(text)
    if is_folder(path):
        return _pictures_below(path, leave_out) or f"{text}: no picture in this folder"
    if is_there(path):
        return [path]
    if text.startswith("@"):
        return _listed(Path(text[1:]), leave_out)
    matches = sorted(glob.glob(text, recursive=True)) if glob.has_magic(text) else []  # noqa: PTH207  absolute patterns too
    if not matches:
        return f"{text}: no such file or folder"
    return [file for match in matches for file in ([Path(match)] if Path(match).is_file() else [])]


def _listed(path: Path, leave_out: Path | None) -> list[Path] | str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        return f"@{path}: the list cannot be read ({error})"
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    paths, problems = _expand([path.parent / name for name in names], leave_out)
    return "\n".join(problems) if problems else paths


def _pictures_below(folder: Path, leave_out: Path | None) -> list[Path]:
    """Pictures of a folder and of the folders below it; what is left out is told."""
    found: list[Path] = []
    results: list[Path] = []
    links: list[Path] = []
    odd: list[Path] = []
    written: set[Path] = set()
    for here, folders, files in os.walk(folder):
        place = Path(here)
        own = _results_in(place) if "manifest.json" in files else set()
        if own is None:
            results.append(place)
            folders.clear()
            continue
        written |= own
        links += [place / name for name in folders if (place / name).is_symlink()]
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and place / name not in written
            and (leave_out is None or not _same(place / name, leave_out))
        )
        for path in (
            place / name
            for name in sorted(files)
            if (not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES)
        ):
            (found if is_file(path) else odd).append(path)
    for paths, why in (
        (results, "results of an earlier run"),
        (links, "a link to a folder; name it to have its pictures measured"),
        (odd, "no file but a pipe, a device or a link to nothing"),
    ):
        if paths:
            say(f"left out, {why}: {', '.join(printable(str(path)) for path in sorted(paths))}")
    return [path for path in found if path not in written]


def _results_in(folder: Path) -> set[Path] | None:
    """Files and folders that an earlier run wrote into a folder; None if all of it is results, pictures elsewhere."""
    from blotquant.runs.manifest import EARLIER, read_manifest

    try:
        manifest = read_manifest(folder)
    except SessionError:
        return set()  # of another program
    inside = [path for path in (PurePosixPath(record.path) for record in manifest.inputs) if ".." not in path.parts]
    if all(path.is_absolute() for path in inside):
        return None
    return {folder / EARLIER, folder / "sessions", *(folder / name for name in manifest.outputs)}


def _same(a: Path, b: Path) -> bool:
    return a.resolve() == b.resolve()

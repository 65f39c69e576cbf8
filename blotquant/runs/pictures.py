"""Pictures as units of work: what the user named, and for any worker a file in, one `Part` of text out.

A task is a small picklable value and its function lives at module level, so that this process, another or a cluster
can carry it out and give the same bytes.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from blotquant.errors import BlotQuantError, SessionError
from blotquant.flags import FLAGS, split_flags
from blotquant.io import read_image
from blotquant.io.files import PICTURE_SUFFIXES, is_file, is_folder, is_there, plain_rows, sha256_of
from blotquant.runs.store import Part, fingerprint
from blotquant.session.image_reference import check_same_orientation, find_image
from blotquant.session.session import SESSION_SUFFIX, Session, load_session, session_text, software_versions
from blotquant.settings import Settings
from blotquant.tables import BAND_COLUMNS, LANE_COLUMNS
from blotquant.text import file_name, printable, relative_path, say
from blotquant.threads import stage, timed

if TYPE_CHECKING:
    from blotquant.analysis import Analysis
    from blotquant.model.image import BlotImage
    from blotquant.report.blot import PictureWords


MOST_CORNERS = 100_000
"""Of all outlines and centre lines of a picture: a hundred times those of a crowded blot."""


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
    # Names are relative to the deepest folder that holds all inputs, so that they stay when it moves.
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
    for here, folders, names in os.walk(folder):
        place = Path(here)
        # A folder of results holds no inputs, but for pictures that were measured into their own folder.
        own = _results_in(place) if "manifest.json" in names else set()
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
            for name in sorted(names)
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


@dataclass(frozen=True, kw_only=True)
class PictureTask:
    """Measure one picture, or one session with its corrections.

    Attributes
    ----------
    input : Input
        The picture or session.
    settings : Settings
        Parameters for pictures without a session.
    session : pathlib.Path or None
        The session whose hand corrections are used: the input itself, or one that was found for the picture.
    session_folder : pathlib.Path
        Where its session will be kept.
    timings : bool
        Whether the summary tells the seconds of each stage.
    """

    input: Input
    settings: Settings
    session_folder: Path
    session: Path | None = None
    timings: bool = False

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that the result depends on; reads the files."""
        return self.fingerprint_with(sha256_of(self.input.path))

    def fingerprint_with(self, sha256: str) -> str:
        """The same for an input of that checksum, whose file need not be read again."""
        earlier = None if self.session is None else load_session(self.session)
        record = earlier.history.edits[-1].hash if earlier and len(earlier.history) else None
        settings = self.settings.model_dump(mode="json")
        place = relative_path(self.input.path, self.session_folder)  # the session says where the picture lies
        return fingerprint(software(), self.input.name, place, sha256, record, settings)


def measure_picture(task: PictureTask) -> Part:
    """Measure one picture.

    Raises
    ------
    BlotQuantError
        If it cannot be read, measured or matched with its session; the message names it.
    """
    from blotquant.analysis import analyze

    with timed(wanted=task.timings) as seconds:
        with named(task.input.name):
            with stage("read"):
                image, session = _open(task)
                mark = task.fingerprint if task.input.is_session else task.fingerprint_with(image.sha256)
            analysis = analyze(image, task.settings, session=session, session_folder=task.session_folder)
        name = session.image.name if session is not None and task.input.is_session else task.input.name
        with stage("tables"):
            part = make_part(task.input.name, mark, {task.input.session_name: (name, analysis)})
    return with_timings(part, seconds)


@functools.cache
def software() -> Mapping[str, str]:
    """What can change a number or a page: versions, and a digest of this package's own files.

    A version number stands still while code and templates are worked on; a resumed run must not keep what others made.
    """
    digest = hashlib.sha256()
    root = Path(str(files("blotquant")))
    for path in sorted(path for path in root.rglob("*") if path.suffix not in (".pyc", ".pyo") and path.is_file()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return {**software_versions(), "code": digest.hexdigest()[:16]}


def with_timings(part: Part, seconds: Mapping[str, float]) -> Part:
    """Put the seconds of each stage into a part's summary, where there are any."""
    return replace(part, summary={**part.summary, "timings_s": dict(seconds)}) if seconds else part


def _open(task: PictureTask) -> tuple[BlotImage, Session | None]:
    """Read the picture, and the session where there is one; it says where the picture lies now."""
    if task.session is None:
        return open_picture(task.input.path, task.settings), None
    session = load_session(task.session)
    check_same_orientation(session.image, task.settings.orientation, where=task.input.name)
    given = None if task.input.is_session else task.input.path
    image = open_session_picture(session, task.session.parent, given=given, max_pixels=task.settings.max_pixels)
    return image, placed(session, image, task.session_folder)


def placed(session: Session, image: BlotImage, folder: Path) -> Session:
    """The session with its picture's present name and place, as seen from the folder where it will be kept.

    Raises
    ------
    SessionError
        If its shapes would take memory and time without end: too many corners, or some far outside the picture.
    """
    assert image.source is not None
    layout, (height, width) = session.layout, image.shape
    shapes = [x.outline for x in layout.strips] + [x.outline for x in layout.bands] + [x.center for x in layout.lanes]
    corners = [corner for shape in shapes for corner in shape]
    if len(corners) > MOST_CORNERS:
        msg = f"{image.name}: its session draws {len(corners):,} corners, {MOST_CORNERS:,} is the most; draw it anew"
        raise SessionError(msg)
    # A strip of a picture at a free angle reaches beyond it, by less than the longer side.
    reach = max(height, width)
    wide = max((max(lane.widths, default=0.0) for lane in layout.lanes), default=0.0)
    inside = all(-reach <= row <= height + reach and -reach <= col <= width + reach for row, col in corners)
    if wide > 2 * reach or not inside:
        msg = f"{image.name}: its session draws far outside of the {width} × {height} px of the picture; draw it anew"
        raise SessionError(msg)
    place = relative_path(image.source, folder)
    return replace(session, image=replace(session.image, path=place, name=image.name))


def open_picture(path: Path, settings: Settings) -> BlotImage:
    """Read a picture with the page, channel and polarity that the settings name."""
    polarity = None if settings.polarity == "auto" else settings.polarity
    return read_image(
        path,
        page=settings.page,
        channel=settings.channel,
        orientation=settings.orientation,
        polarity=polarity,
        max_pixels=settings.max_pixels,
    )


def open_session_picture(
    session: Session, folder: Path, *, given: Path | None = None, max_pixels: int | None = None
) -> BlotImage:
    """Read the picture of a session with the session's page, channel and polarity.

    Parameters
    ----------
    session : Session
        Whose picture to read.
    folder : pathlib.Path
        Where the session lies.
    given : pathlib.Path, optional
        Where the user says the picture is.
    max_pixels : int, optional
        The most to read; the session's own limit if not given.

    Raises
    ------
    BlotQuantError
        If it is not there, is another picture, or cannot be read.
    """
    reference = session.image
    return read_image(
        find_image(session.image, folder, given=given),
        page=reference.page,
        channel=reference.channel,
        orientation=reference.orientation,
        polarity=session.polarity,
        max_pixels=max_pixels if max_pixels is not None else session.settings.max_pixels,
    )


def make_part(
    key: str,
    mark: str,
    analyses: Mapping[str, tuple[str, Analysis]],
    *,
    extra: Mapping[str, Mapping[str, Any]] | None = None,
    draw: Mapping[str, PictureWords] | None = None,
) -> Part:
    """Put the tables and sessions of some analyses into one part.

    Parameters
    ----------
    key, mark : str
        Name and fingerprint of the unit.
    analyses : mapping of str to (str, Analysis)
        Session file name to the picture's name in the tables and its analysis.
    extra : mapping of str to mapping, optional
        Session file name to constant columns (blot, membrane, probe) of its rows.
    draw : mapping of str to PictureWords, optional
        Session file name to what the experiment knows about the picture; with it, its piece of the report is made.
    """
    # Rows as plain values: a part travels as text between processes and runs.
    bands, lanes, sessions, pictures, figures = [], [], {}, [], {}
    for session_name, (name, analysis) in analyses.items():
        constants = {"image": name, **((extra or {}).get(session_name, {}))}
        bands += [row | constants for row in plain_rows(analysis.band_rows, BAND_COLUMNS)]
        lanes += [row | constants for row in plain_rows(analysis.lane_rows, LANE_COLUMNS)]
        sessions[session_name] = session_text(analysis.session)
        known = (draw or {}).get(session_name)
        marks = known.marks if known is not None else ()
        pictures.append({"session": session_name, "kda_marks": marks, **summarize(name, analysis)})
        if draw is not None:
            from blotquant.report.blot import render_blot

            figures[session_name] = render_blot(
                analysis, title=name, session=session_name, constants=constants, known=known
            )
    tables = {"bands": bands, "lanes": lanes}
    summary = {"unit": key, "pictures": pictures}
    return Part(key=key, fingerprint=mark, tables=tables, sessions=sessions, figures=figures, summary=summary)


def summarize(name: str, analysis: Analysis) -> dict[str, Any]:
    """Counts, flags and doubts of one picture, as plain values."""
    layout, statuses = analysis.layout, [row["status"] for row in analysis.band_rows]
    cells = {row["flags"] for row in analysis.band_rows}
    flags = sorted({flag for cell in cells for flag in split_flags(cell)} | {*analysis.image.flags, *layout.flags})
    return {
        "image": name,
        "sha256": analysis.image.sha256,
        "strips": len(layout.strips),
        "lanes": [len(layout.lanes_of(strip.id)) for strip in layout.strips],
        "bands": statuses.count("detected"),
        "not_detected": statuses.count("not_detected"),
        "hand_edits": len(analysis.session.edits_in_force),
        "problem": _nothing_to_measure(analysis),
        "identity": analysis.identity.words if analysis.identity else None,
        "identified": analysis.identity is None or analysis.identity.is_known,
        "conflicts": [conflict.reason for conflict in analysis.session.conflicts],
        "flags": flags,
    }


def _nothing_to_measure(analysis: Analysis) -> str | None:
    """One line for a picture without a lane: it was read, and there is nothing in it to quantify."""
    if analysis.layout.lanes:
        return None
    names = dict.fromkeys((*analysis.image.flags, *analysis.layout.flags))
    reasons = [FLAGS[name] for name in names if name in ("blank", "not_a_blot", "lanes_across", "saturated_picture")]
    words = " ".join(f"{flag.meaning} {flag.advice}" for flag in reasons)
    return words or "no lane was found; draw the lanes by hand with `blotquant edit`"


@contextmanager
def named(name: str) -> Iterator[None]:
    """Put the picture's name before messages that lack it."""
    try:
        yield
    except BlotQuantError as error:
        text = str(error)
        if Path(name).name in text:
            raise
        message = f"{name}: {text}"
        raise type(error)(message) from error

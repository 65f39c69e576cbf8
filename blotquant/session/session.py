"""Sessions: one picture's automatic result, the hand corrections over it, and what is needed to do it all again.

A session is a small text file beside the results. It refers to the picture by name and checksum and holds no number
that could be recomputed. It is canonical: the same session gives the same bytes, one strip, lane, band or edit a line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from blotquant.errors import SessionError
from blotquant.io.files import is_file, read_bounded
from blotquant.model.geometry import Band, Lane, Layout, Strip
from blotquant.model.image import BlotImage, Orientation, Polarity
from blotquant.session.canonical_json import canonical_text, flatten_settings, nest_settings, plain_value
from blotquant.session.history import FIND_AGAIN, Change, Edit, History, adapter_of, parse_json
from blotquant.session.migrations import migrate
from blotquant.session.replay import Conflict, apply_edits, diff_layouts, fold_fields, replay_on
from blotquant.settings import Settings, explain_validation
from blotquant.text import printable, unprinted

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA_VERSION = 1
SESSION_SUFFIX = ".blot.json"
MAX_BYTES = 32 << 20
MAX_ITEMS = 10_000
"""Bands, edits or corners in one list of a session: a hundred times what hands make."""
"""Largest session read, in bytes: a thousand corrections take 0.9 MB, and reading 31 MB takes 0.6 GB of memory."""


class PictureMissingError(SessionError):
    """The picture of a session is not where it was, or another one lies there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReference:
    """Which picture a session belongs to.

    Attributes
    ----------
    path : str
        Relative to the session's folder where it can be, with forward slashes.
    name, sha256 : str
        The file's name and the checksum of its bytes.
    shape : (int, int)
        Rows and columns.
    page, channel : int or None, str or None
        Which page and colour channel of the file, where one was asked for.
    orientation : Orientation
        How the picture was laid. Sessions from before this field were made without the file's orientation tag.
    """

    path: str
    name: str
    sha256: str
    shape: tuple[int, int]
    page: int | None = None
    channel: str | None = None
    orientation: Orientation = field(default_factory=Orientation)


@dataclass(frozen=True, kw_only=True)
class Session:
    """One picture, what was found in it, and what was corrected by hand.

    Attributes
    ----------
    image : ImageReference
        The picture.
    settings_at_start : Settings
        The parameters that `layout_auto` was found with; `settings` has the user's changes.
    polarity_at_start : {"bright", "dark"}
        As it was read; `polarity` has the user's change.
    layout_auto : Layout
        The automatic result, untouched; `layout` has the corrections.
    history : History
        The corrections.
    versions : mapping of str to str
        Of the software that made the automatic result.
    schema_version : int
        Of the file format.
    """

    image: ImageReference
    layout_auto: Layout
    settings_at_start: Settings = field(default_factory=Settings)
    polarity_at_start: Polarity = "bright"
    history: History = field(default_factory=History)
    versions: Mapping[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @cached_property
    def _replayed(self) -> tuple[Layout, tuple[Conflict, ...]]:
        return apply_edits(self.layout_auto, self.history.edits)

    @property
    def layout(self) -> Layout:
        """The automatic result with the corrections."""
        return self._replayed[0]

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """Corrections that do not fit and were not applied."""
        return self._replayed[1]

    @property
    def polarity(self) -> Polarity:
        """Whether bands are bright or dark, as the user has it now."""
        start = {"polarity": self.polarity_at_start}
        return cast(Polarity, fold_fields(start, self.history.edits, "image")["polarity"])

    @property
    def settings(self) -> Settings:
        """The parameters as the user has them now."""
        flat = fold_fields(flatten_settings(self.settings_at_start), self.history.edits, "settings")
        return nest_settings(flat)

    def edit(self, changes: Iterable[Change], *, action: str, who: str, when: str) -> Session:
        """Return the session with one more gesture in its history."""
        return replace(self, history=self.history.append(changes, action=action, who=who, when=when))

    def take_over(self, found: Layout, *, who: str, when: str) -> tuple[Session, tuple[Conflict, ...]]:
        """Lay the hand corrections over what is found now, as one gesture that can be undone.

        Parameters
        ----------
        found : Layout
            From `blotquant.analysis.find_again`; things that were there before keep their ids.
        who, when : str
            For the record.

        Returns
        -------
        session, conflicts
            The session with the new result, and the corrections that no longer fit.
        """
        result, conflicts = replay_on(found, [self.layout_auto, self.layout], self.history.edits)
        return self.edit(diff_layouts(self.layout, result), action=FIND_AGAIN, who=who, when=when), conflicts

    def undo(self, *, who: str, when: str) -> Session:
        """Return the session with its last gesture taken back; `ValueError` if there is none."""
        return replace(self, history=self.history.undo(who=who, when=when))

    def redo(self, *, who: str, when: str) -> Session:
        """Return the session with the last undone gesture done again; `ValueError` if there is none."""
        return replace(self, history=self.history.redo(who=who, when=when))


def make_session(
    image: BlotImage, layout: Layout, *, settings: Settings | None = None, folder: Path | None = None
) -> Session:
    """Start the record of one picture.

    Parameters
    ----------
    image : BlotImage
        The picture that was measured.
    layout : Layout
        The automatic result.
    settings : Settings, optional
        The parameters it was found with.
    folder : Path, optional
        Where the session will lie; the picture's path is kept relative to it.
    """
    source = image.source
    path = "" if source is None else relative_path(source, folder or source.parent)
    reference = ImageReference(
        path=path,
        name=image.name,
        sha256=image.sha256,
        shape=image.shape,
        page=image.page,
        # A channel that the colours decided is decided by them again.
        channel=None if "channel_chosen" in image.flags else image.channel,
        orientation=image.orientation,
    )
    return Session(
        image=reference,
        layout_auto=layout,
        settings_at_start=settings or Settings(),
        polarity_at_start=image.polarity,
        versions=software_versions(),
    )


def relative_path(source: Path, folder: Path) -> str:
    """A file's path as seen from a folder, with forward slashes; absolute if they lie on different drives.

    It is text that every file takes, see `blotquant.text.printable`.
    """
    try:
        return printable(Path(os.path.relpath(source.absolute(), folder.absolute())).as_posix())
    except ValueError:
        return printable(source.absolute().as_posix())


def software_versions() -> dict[str, str]:
    """Versions of what can change a number."""
    return dict(_installed())


@lru_cache(maxsize=1)
def _installed() -> tuple[tuple[str, str], ...]:
    """Looked up once: they do not change while a process lives."""
    import platform
    from importlib.metadata import version

    from blotquant._version import __version__

    libraries = {
        name: version(name) for name in ("imagecodecs", "numpy", "pandas", "scipy", "scikit-image", "tifffile")
    }
    return tuple({"blotquant": __version__, "python": platform.python_version(), **libraries}.items())


def save_session(session: Session, path: Path) -> None:
    """Write a session; the old file stays whole until the new one is complete.

    Parameters
    ----------
    session : Session
        What to keep.
    path : pathlib.Path
        File to write, by custom ``PICTURE.blot.json``.

    Raises
    ------
    OutputError
        If it cannot be written there.
    """
    from blotquant.io.files import atomic_write

    atomic_write(path, session_text(session))


def load_session(path: Path) -> Session:
    """Read a session; older versions are brought up to the present one.

    Parameters
    ----------
    path : pathlib.Path
        A ``.blot.json`` file.

    Returns
    -------
    Session
        As it was saved.

    Raises
    ------
    SessionError
        If the file is missing, damaged, or written by a newer version.
    """
    try:
        text = read_bounded(Path(path), MAX_BYTES).decode("utf-8")
    except FileNotFoundError:
        msg = f"{path}: no such session"
        raise SessionError(msg) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: the session cannot be read ({error})"
        raise SessionError(msg) from None
    return parse_session(text, where=Path(path).name)


def find_image(session: Session, folder: Path, *, given: Path | None = None) -> Path:
    """Find the picture of a session and check that it is the same file.

    Parameters
    ----------
    session : Session
        The session.
    folder : Path
        Where the session lies: its picture is looked for at the stored path, then beside the session.
    given : Path, optional
        Where the user says the picture is; nowhere else is looked.

    Raises
    ------
    SessionError
        If there is no such file, or it is another picture.

    Notes
    -----
    The stored path is another person's word. It is followed only to a plain file of the picture's own name with the
    ending of a picture, not over the network, and nothing is told about a file there but that it is another one.
    """
    from blotquant.io.files import sha256_of

    reference = session.image
    if given is not None:
        places = [given]
    else:
        stored = [folder / reference.path] if _may_be_followed(reference) else []
        places = [*stored, folder / Path(reference.name).name]
    found = [place for place in map(existing, places) if is_file(place)]
    if not found:
        looked = " and ".join(str(place) for place in places)
        msg = f"the picture {reference.name} of this session is not at {looked}; say where it is"
        raise PictureMissingError(msg)
    # A picture is the session's by its checksum, wherever it lies.
    for place in found:
        checksum = sha256_of(place)
        if checksum == reference.sha256:
            return place
    if given is not None:
        check_same_picture(session, checksum, where=str(given))
    msg = (
        f"{found[0]} is not the picture of this session, whose SHA-256 is {reference.sha256}; give the original "
        "file, or start a new session"
    )
    raise PictureMissingError(msg)


def existing(path: Path) -> Path:
    """A recorded path as the file system has it, where the file's name is not text in its encoding."""
    other = unprinted(str(path))
    return path if other == str(path) or is_file(path) else Path(other)


def _may_be_followed(reference: ImageReference) -> bool:
    from blotquant.io.files import PICTURE_SUFFIXES

    path = reference.path
    own = path.rpartition("/")[2] == reference.name and Path(reference.name).suffix.lower() in PICTURE_SUFFIXES
    return own and not path.startswith(("//", "\\\\"))


def check_same_picture(session: Session, checksum: str, *, where: str) -> None:
    """Refuse to use a session with another picture than its own.

    Raises
    ------
    SessionError
        With both checksums.
    """
    if checksum != session.image.sha256:
        msg = (
            f"{where} is not the picture of this session: its SHA-256 is {checksum}, the session's is "
            f"{session.image.sha256}; give the original file, or start a new session"
        )
        raise PictureMissingError(msg)


def check_same_orientation(session: Session, wanted: Orientation | None, *, where: str) -> None:
    """Refuse to use corrections of a picture that lay differently.

    Parameters
    ----------
    session : Session
        With the orientation in which it was corrected.
    wanted : Orientation or None
        What is asked for now; None, or the default, asks for nothing.
    where : str
        Name of the picture, for the message.

    Raises
    ------
    SessionError
        With both orientations.
    """
    made = session.image.orientation
    if wanted is None or replace(wanted, tag=made.tag) in (made, Orientation(tag=made.tag)):
        return
    msg = (
        f"{where}: its corrections were made on the picture {made.describe() or 'as it is'}, asked for is "
        f"{wanted.describe()}; leave rotate, flip and region as they were, or move the session out of the folder"
    )
    raise SessionError(msg)


def session_text(session: Session) -> str:
    """A session as canonical JSON text: keys sorted, one strip, lane, band or edit a line, floats by repr."""
    data = {f.name: getattr(session, f.name) for f in fields(session)}
    data["layout_auto"] = plain_value(adapter_of(Layout).validate_python(plain_value(session.layout_auto)))
    data["history"] = plain_value(session.history.edits)
    data["image"] = plain_value(session.image)
    data["settings_at_start"] = flatten_settings(session.settings_at_start)
    data["versions"] = dict(session.versions)
    return canonical_text(data)


def parse_session(text: str, *, where: str = "session") -> Session:
    """Read a session from its text.

    Raises
    ------
    SessionError
        Saying in which line or field it is damaged, or that it needs a newer version.
    """
    try:
        data = parse_json(text)
    except (ValueError, RecursionError) as error:  # a number without end is a ValueError too
        msg = f"{where}: damaged, not valid JSON ({error}); use the autosaved copy or an older one"
        raise SessionError(msg) from None
    if (longest := _longest_list(data)) > MAX_ITEMS:
        msg = f"{where}: damaged: a list of {longest:,} things, {MAX_ITEMS:,} is the most; use an older copy"
        raise SessionError(msg)
    if not isinstance(data, dict) or "schema_version" not in data:
        msg = f"{where}: not a blotquant session (it has no schema_version)"
        raise SessionError(msg)
    version = data["schema_version"]
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        msg = f"{where}: damaged: schema_version is {version!r}, a whole number from 1 is allowed"
        raise SessionError(msg)
    if version > SCHEMA_VERSION:
        msg = f"{where}: written by a newer blotquant (schema {version}, this one reads up to {SCHEMA_VERSION}); update"
        raise SessionError(msg)
    try:
        return _build(migrate(data, to=SCHEMA_VERSION), where)
    except KeyError as error:
        msg = f"{where}: damaged: {error} is missing in a session of schema {version}"
        raise SessionError(msg) from None


def _longest_list(data: Any) -> int:
    longest, waiting = 0, [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            longest = max(longest, len(value))
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return longest


def _build(data: dict[str, Any], where: str) -> Session:
    unknown = sorted(data.keys() - {f.name for f in fields(Session)})
    missing = sorted({f.name for f in fields(Session)} - data.keys())
    if unknown or missing:
        msg = f"{where}: damaged: unknown fields {unknown}, missing fields {missing}"
        raise SessionError(msg)
    try:
        session = Session(
            image=adapter_of(ImageReference).validate_python(data["image"]),
            layout_auto=adapter_of(Layout).validate_python(data["layout_auto"]),
            settings_at_start=nest_settings(data["settings_at_start"]),
            polarity_at_start=adapter_of(Polarity).validate_python(data["polarity_at_start"]),
            history=History(tuple(_build_edit(item) for item in data["history"])),
            versions=adapter_of(dict[str, str]).validate_python(data["versions"]),
        )
        _ = session.settings, session.polarity
    except ValidationError as error:
        raise SessionError(explain_validation(error, where=f"{where}: damaged")) from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        msg = f"{where}: damaged: {error}"
        raise SessionError(msg) from None
    return session


def _build_edit(data: dict[str, Any]) -> Edit:
    """Read one edit; strips, lanes and bands come back as values."""
    types = {"strip": Strip, "lane": Lane, "band": Band}
    edit: Edit = adapter_of(Edit).validate_python({**data, "before": None, "after": None})
    plain = {f.name: getattr(edit, f.name) for f in fields(edit)} | {k: data[k] for k in ("before", "after")}
    if edit.kind in types:
        adapter = adapter_of(types[edit.kind] | None)
        plain |= {key: adapter.validate_python(data[key]) for key in ("before", "after")}
    return Edit(**plain)

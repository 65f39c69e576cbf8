"""Sessions: one picture's automatic result, the hand corrections over it, and what is needed to do it all again.

A session is a small text file beside the results. It refers to the picture by name and checksum and holds no number
that could be recomputed. It is canonical: the same session gives the same bytes, one strip, lane, band or edit a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from blotquant.errors import SessionError
from blotquant.io.files import adapter_of, atomic_write, canonical_text, parse_json, plain_value, read_bounded
from blotquant.model.geometry import Band, Lane, Layout, Strip
from blotquant.model.image import BlotImage, Polarity
from blotquant.session.history import FIND_AGAIN, Change, Edit, History, effective_edits
from blotquant.session.image_reference import ImageReference
from blotquant.session.replay import Conflict, apply_edits, diff_layouts, replay_on
from blotquant.settings import Settings, explain_validation
from blotquant.text import relative_path

SCHEMA_VERSION = 1
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""For each earlier version of the format, what turns its plain data into those of the next; 1 is the first version.

A format that changes gets the next `SCHEMA_VERSION` and one entry here; the test of that version keeps a file as it was
written then. Histories stay valid: an edit's hash leaves out fields at their defaults, so a new field with a default
breaks no chain.
"""
SESSION_SUFFIX = ".blot.json"
MAX_BYTES = 32 << 20
"""Largest session read, in bytes: a thousand corrections take 0.9 MB, and reading 31 MB takes 0.6 GB of memory."""
MAX_ITEMS = 10_000
"""Bands, edits or corners in one list of a session: a hundred times what hands make."""


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
        if not self.history.edits:
            return self.layout_auto.sorted(), ()
        return apply_edits(self.layout_auto, self.history.edits)

    @property
    def edits_in_force(self) -> tuple[Edit, ...]:
        """The corrections that were not undone, and what was found again."""
        return effective_edits(self.history.edits) if self.history.edits else ()

    @property
    def edits_by_hand(self) -> tuple[Edit, ...]:
        """The corrections that were not undone; what was found again is left out."""
        return tuple(edit for edit in self.edits_in_force if edit.action != FIND_AGAIN)

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
        changed = [edit.after for edit in self.edits_in_force if (edit.kind, edit.object_id) == ("image", "polarity")]
        return cast(Polarity, changed[-1]) if changed else self.polarity_at_start

    @property
    def settings(self) -> Settings:
        """The parameters as the user has them now."""
        changed = {edit.object_id: edit.after for edit in self.edits_in_force if edit.kind == "settings"}
        return Settings.from_flat(self.settings_at_start.flat() | changed) if changed else self.settings_at_start

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


def session_text(session: Session) -> str:
    """A session as canonical JSON text: keys sorted, one strip, lane, band or edit a line, floats by repr."""
    data = {f.name: getattr(session, f.name) for f in fields(session)}
    # Whole numbers in places of real ones would change the text: the layout goes through its types once.
    data["layout_auto"] = plain_value(adapter_of(Layout).validate_python(plain_value(session.layout_auto)))
    data["history"] = plain_value(session.history.edits)
    data["image"] = plain_value(session.image)
    data["settings_at_start"] = session.settings_at_start.flat()
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
        for earlier in range(version, SCHEMA_VERSION):
            data = {**MIGRATIONS[earlier](dict(data)), "schema_version": earlier + 1}
        return _build(data, where)
    except KeyError as error:
        msg = f"{where}: damaged: {error} is missing in a session of schema {version}"
        raise SessionError(msg) from None


def _longest_list(data: Any) -> int:
    # Without recursion: a hostile file nests deeper than the interpreter's stack.
    longest, waiting = 0, [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            longest = max(longest, len(value))
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting += [part for part in inner if isinstance(part, dict | list)]
    return longest


def _build(data: dict[str, Any], where: str) -> Session:
    # Nothing more and nothing less than the format's fields.
    unknown = sorted(data.keys() - {f.name for f in fields(Session)})
    missing = sorted({f.name for f in fields(Session)} - data.keys())
    if unknown or missing:
        msg = f"{where}: damaged: unknown fields {unknown}, missing fields {missing}"
        raise SessionError(msg)
    try:
        session = Session(
            image=adapter_of(ImageReference).validate_python(data["image"]),
            layout_auto=adapter_of(Layout).validate_python(data["layout_auto"]),
            settings_at_start=Settings.from_flat(data["settings_at_start"]),
            polarity_at_start=adapter_of(Polarity).validate_python(data["polarity_at_start"]),
            history=History(tuple(_build_edit(item) for item in data["history"])),
            versions=adapter_of(dict[str, str]).validate_python(data["versions"]),
        )
        _ = session.settings, session.polarity
        _check_places(session.layout_auto)
    except ValidationError as error:
        raise SessionError(explain_validation(error, where=f"{where}: damaged")) from None
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        msg = f"{where}: damaged: {error}"
        raise SessionError(msg) from None
    return session


def _check_places(layout: Layout) -> None:
    strips, lanes = {strip.id for strip in layout.strips}, {lane.id for lane in layout.lanes}
    lost = [f"lane {lane.id} lies on strip {lane.strip}" for lane in layout.lanes if lane.strip not in strips]
    lost += [f"band {band.id} lies in lane {band.lane}" for band in layout.bands if band.lane not in lanes]
    if lost:
        msg = f"{lost[0]}, which is not in the session"
        raise ValueError(msg)


def _build_edit(data: dict[str, Any]) -> Edit:
    """Read one edit; strips, lanes and bands come back as values."""
    # The signed fields first, then both values by the kind that they are of.
    types = {"strip": Strip, "lane": Lane, "band": Band}
    edit: Edit = adapter_of(Edit).validate_python({**data, "before": None, "after": None})
    plain = {f.name: getattr(edit, f.name) for f in fields(edit)} | {k: data[k] for k in ("before", "after")}
    if edit.kind in types:
        adapter = adapter_of(types[edit.kind] | None)
        plain |= {key: adapter.validate_python(data[key]) for key in ("before", "after")}
    return Edit(**plain)

"""Which hand corrections belong to which picture.

A session belongs to a picture by the checksum of the picture's file, the page and the channel; its file name is a
convenience that changes when folders, names or the experiment file change. Before a run starts, this module looks for
the corrected sessions that may belong to its pictures and says which one each picture takes:

1. the session of its own name in the results folder, if it is of the same picture;
2. else a corrected session of the same picture in the results folder, whatever its name (the picture was moved or
   renamed, `page` or `strip` was added to its entry);
3. else one beside the picture, as the napari plugin saves it, or in the results folders directly above or below this
   one (one study was run, then two).

A session elsewhere that goes on where the chosen one stops (the same edits and more) is taken in its place. Where two
sessions hold different corrections of one picture, none is guessed: the picture fails and both are named. Corrections
in the results folder that belong to no picture of the run stay where they are and are told, as are those in results
folders beside this one of a picture that has none here: the folder was renamed, or another one was begun.

References
----------
docs/reference/what-can-go-wrong.md, section "Corrections by hand".
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from blotquant.io.files import is_plain_file, read_bounded, sha256_if_read
from blotquant.session.session import MAX_BYTES, SESSION_SUFFIX

_UNTOUCHED = b'"history": []'
"""How a session that nobody corrected is written; looking for it spares reading thousands of them in full."""
_STRIP = re.compile(r"__strip(\d+)")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A picture of a run that may have been corrected.

    Attributes
    ----------
    name : str
        What tables and messages call it.
    path : pathlib.Path
        Its file.
    session_name : str
        File name under which its session is kept.
    page, channel, strip : int, str, int or None
        What the run asks for; None where the file decides.
    """

    name: str
    path: Path
    session_name: str
    page: int | None = None
    channel: str | None = None
    strip: int | None = None


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """What decides where a corrected session belongs.

    Attributes
    ----------
    path : pathlib.Path
        The session's file.
    picture, sha256 : str
        Name and checksum of its picture.
    page, channel : int or None, str or None
        Of the file.
    hashes : tuple of str
        Of its edits, oldest first; each one stands for all edits up to it.
    """

    path: Path
    picture: str
    sha256: str
    page: int | None
    channel: str | None
    hashes: tuple[str, ...]

    def holds(self, other: Corrected) -> bool:
        """Whether every edit of another session of the same picture is in this one."""
        return other.sha256 == self.sha256 and other.hashes[-1] in self.hashes

    def fits(self, wanted: Wanted, checksum: str) -> bool:
        """Whether it is of that picture, page, channel and strip."""
        if self.sha256 != checksum or (wanted.page or 0) != (self.page or 0):
            return False
        strip = _STRIP.search(self.path.name)
        return wanted.channel in (None, self.channel) and (strip is None or int(strip[1]) == wanted.strip)


def match_corrections(
    wanted: Sequence[Wanted], out: Path, *, given: Iterable[Path] = (), make_way: bool = True
) -> Matched:
    """Find the corrected session of each picture of a run.

    Parameters
    ----------
    wanted : sequence of Wanted
        The run's pictures.
    out : pathlib.Path
        Its results folder.
    given : iterable of pathlib.Path
        Sessions that the user named as inputs: what they hold is used in any case.
    make_way : bool
        Whether a session that stands under the name of another picture's is given a name of its own; False only
        looks.
    """
    # Picture by picture; a damaged session makes its own picture wait.
    matched = Matched(wanted, out)
    own, elsewhere, damaged = matched.own, matched.elsewhere, matched.damaged
    for item in wanted:
        if item.session_name in damaged:
            matched.refused[item.session_name] = f"sessions/{damaged[item.session_name]}"
        elif own or elsewhere or matched.neighbours:
            matched.choose(item)
    # Files of no picture of this run are told, whether they can be read or not.
    names = {item.session_name for item in wanted}
    matched.notes += [f"sessions/{why}" for name, why in damaged.items() if name not in names]
    # Corrections of the folder that nobody takes, neither here nor in a longer session elsewhere.
    known = [session for path in given if isinstance(session := read_corrected(path), Corrected)]
    taken = [*known, *(s for s in (*own.values(), *elsewhere) if s.path in matched.sessions.values())]
    matched.notes += [
        f"hand corrections of {session.picture} (sessions/{name}, {len(session.hashes)} edits) belong to no picture of "
        "this run; they stay there"
        for name, session in own.items()
        if name not in matched.refused and not any(other.holds(session) for other in taken)
    ]
    if make_way:
        matched.make_way()
    return matched


class Matched:
    """Where each picture's corrections lie.

    Attributes
    ----------
    sessions : dict of str to pathlib.Path
        Name of a picture's session to the file whose corrections it takes; pictures without any are left out.
    refused : dict of str to str
        Name of a picture's session to the line that says why the picture cannot be measured now.
    notes : list of str
        What the user is told.
    own, damaged : dict
        The corrected sessions of the results folder by file name, and what is wrong with those that cannot be read.
    elsewhere : list of Corrected
        Beside the pictures, and in results folders directly above and below.
    neighbours : list of Corrected
        In results of other experiments beside this one: told, never taken.
    """

    def __init__(self, wanted: Sequence[Wanted], out: Path) -> None:
        self.sessions: dict[str, Path] = {}
        self.refused: dict[str, str] = {}
        self.notes: list[str] = []
        self._wanted, self._out, here = wanted, out, out.absolute()
        self._checksums: dict[Path, str] = {}
        self.own, self.damaged = read_sessions(out / "sessions")
        beside = dict.fromkeys(item.path.with_name(item.path.name + SESSION_SUFFIX) for item in wanted)
        self.elsewhere = [session for path in beside if isinstance(session := read_corrected(path), Corrected)]
        nearby = [here.parent, *(path for path in sorted(here.glob("*")) if not path.is_symlink())]
        self.elsewhere += _sessions_of(folder for folder in nearby if (folder / ".blotquant").is_dir())
        around = [path.parent for path in sorted(here.parent.glob("*/.blotquant"))]
        self.neighbours = _sessions_of(folder for folder in around if folder != here and not folder.is_symlink())

    def checksum(self, path: Path) -> str:
        """Of a picture's file, computed once; empty where it cannot be read, which its own unit of work tells."""
        if path not in self._checksums:
            self._checksums[path] = sha256_if_read(path)
        return self._checksums[path]

    def choose(self, item: Wanted) -> None:
        """Decide which session one picture takes."""
        # A session under this very name must be of this very picture, or the picture was exchanged.
        exact, checksum = self.own.get(item.session_name), self.checksum(item.path)
        if exact is not None and exact.sha256 != checksum:
            if not any(self.checksum(other.path) == exact.sha256 for other in self._wanted):
                self.refused[item.session_name] = (
                    f"{item.name} is another picture than the one that was corrected: its SHA-256 is {checksum}, that "
                    f"of {exact.picture} in sessions/{item.session_name} is {exact.sha256}; put the original back, or "
                    "move that session out of the folder to begin anew"
                )
                return
            exact = None
        # Of the same picture under another name in this folder, then elsewhere; the longest history of each.
        same = [(name, session) for name, session in self.own.items() if session.sha256 == checksum]
        near = [s for name, s in same if s.fits(item, checksum) and not self._is_anothers(name, checksum)]
        # Elsewhere: beside the picture, and in results folders above and below.
        far = [s for s in self.elsewhere if s.fits(item, checksum)]
        best = [exact] if exact is not None else _longest(near) or _longest(far)
        # Two histories, neither of which holds the other: only a person can choose.
        if len(best) > 1:
            places = " and ".join(self._shown(session) for session in best)
            self.refused[item.session_name] = (
                f"{item.name}: different hand corrections of it lie in {places}; move those that you do not want out "
                "of the folder"
            )
            return
        if not best:
            names = {other.session_name for other in self._wanted}
            self.notes += [
                f"{item.name}: the hand corrections of this file in sessions/{name} are of another page, channel or "
                "strip and are not used"
                for name, _ in same
                if name not in names
            ]
            self.notes += [
                f"{item.name}: hand corrections of it, in {session.path}, are not used, they are of other results; "
                f"copy that file to {item.path.name}{SESSION_SUFFIX} beside the picture if they shall be"
                for session in _longest([s for s in self.neighbours if s.fits(item, checksum)])
            ]
            return
        # The same edits and more, wherever they lie, are the later state of the same work.
        longer = [session for session in _longest([*best, *near, *far]) if session.holds(best[0])]
        chosen = longer[0] if len(longer) == 1 else best[0]
        if chosen.path != self._out / "sessions" / item.session_name:
            self.notes.append(f"{item.name}: takes the hand corrections in {self._shown(chosen)}")
        self.notes += [
            f"{item.name}: other hand corrections of it, in {self._shown(session)}, are not used"
            for session in far
            if not chosen.holds(session)
        ]
        self.sessions[item.session_name] = chosen.path

    def _is_anothers(self, name: str, checksum: str) -> bool:
        """Whether a session stands under its own name for another entry of this run: another strip, another probe."""
        return any(w.session_name == name and self.checksum(w.path) == checksum for w in self._wanted)

    def make_way(self) -> None:
        """Give a session that stands where another picture's will be written a name of its own, with its checksum."""
        for item in self._wanted:
            session = self.own.get(item.session_name)
            waits = item.session_name in self.refused
            if session is None or waits or session.sha256 == self.checksum(item.path):
                continue
            # The name is needed for another picture: the session keeps its own with a part of its checksum.
            stem = item.session_name.removesuffix(SESSION_SUFFIX)
            names = (f"{stem}~{session.sha256[:8]}{k or ''}{SESSION_SUFFIX}" for k in itertools.count())
            free = next(path for path in map(session.path.with_name, names) if not os.path.lexists(path))
            session.path.rename(free)
            self.sessions = {k: free if path == session.path else path for k, path in self.sessions.items()}

    def _shown(self, session: Corrected) -> str:
        own = session.path.parent == self._out / "sessions"
        return f"sessions/{session.path.name}" if own else str(session.path)


def read_sessions(folder: Path) -> tuple[dict[str, Corrected], dict[str, str]]:
    """Read the corrected sessions of a folder, by file name, and say which files cannot be read."""
    corrected, damaged = {}, {}
    if folder.is_symlink() or not folder.is_dir():
        return {}, {}
    for path in sorted(folder.glob(f"*{SESSION_SUFFIX}")):
        session = read_corrected(path)
        if isinstance(session, Corrected):
            corrected[path.name] = session
        elif session is not None:
            damaged[path.name] = session
    return corrected, damaged


def _sessions_of(results: Iterable[Path]) -> list[Corrected]:
    return [session for folder in results for session in read_sessions(folder / "sessions")[0].values()]


def read_corrected(path: Path) -> Corrected | str | None:
    """Read what identifies a corrected session; None if there is none, a line of words if it cannot be read."""
    if not is_plain_file(path):
        # `Path.is_symlink` raises for a name that is too long for a file system: no such session is there then.
        is_link = os.path.islink(path)  # noqa: PTH114
        return f"{path.name}: is a link, which is not followed; put the file itself there" if is_link else None
    try:
        data = read_bounded(path, MAX_BYTES)
        if not data.strip(b"\0 \n"):
            return (
                f"{path.name}: is empty; restore the session from a copy if it held hand corrections, or delete it to "
                "begin anew"
            )
        # Most sessions hold no edit: told by their bytes, without parsing.
        if _UNTOUCHED in data:
            return None
        plain = json.loads(data)
        image, edits = plain["image"], plain["history"]
        if not edits:
            return None
        hashes = tuple(str(edit["hash"]) for edit in edits)
        page, channel = image.get("page"), image.get("channel")
        return Corrected(path=path, picture=str(image["name"]), sha256=str(image["sha256"]), page=page, channel=channel,
                         hashes=hashes)  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:100]
        return f"{path.name}: damaged ({reason}); restore it from a copy, or delete it to begin anew"


def _longest(sessions: Sequence[Corrected]) -> list[Corrected]:
    """Sessions of one picture without those whose edits all stand in another one."""
    kept: list[Corrected] = []
    # From the longest history on: what it holds is an earlier state of the same work.
    for session in sorted(sessions, key=lambda s: -len(s.hashes)):
        if not any(other.holds(session) for other in kept):
            kept.append(session)
    return kept

"""The record of hand corrections: an append-only, hash-chained list of value replacements.

Each edit says who replaced which value by which, and when; replaying the edits over the automatic result gives the
corrected one. Undoing and redoing append to the record too, so that it shows what was done. The chain makes tampering
evident, not impossible: who rewrites every hash leaves no trace in the file itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import Any, Literal, NamedTuple, cast

from blotquant.io.files import adapter_of, canonical_json
from blotquant.model.geometry import Band, Lane, Strip

Kind = Literal["strip", "lane", "band", "image", "settings"]
Scalar = str | int | float | bool | None
Value = Strip | Lane | Band | Scalar

UNDO = "undo"
REDO = "redo"
FIND_AGAIN = "find_again"
NOT_UNDONE = frozenset({"blind_on", "blind_off", "restored", "laid"})
"""Actions that tell what happened and change no value: undo steps over them."""


class Change(NamedTuple):
    """One value replaced by another: what an edit does, before anybody signs it.

    `before` is None for something new, `after` is None for something removed. Of a strip, lane or band the whole
    frozen value is kept; of the picture or the settings one field, which `object_id` names.
    """

    kind: Kind
    object_id: str
    before: Value
    after: Value

    def exact(self) -> Change:
        """The change with its values as they come back from a file."""
        return self._replace(before=_exact(self.before), after=_exact(self.after))

    def inverse(self) -> Change:
        """The change that takes this one back."""
        return Change(self.kind, self.object_id, self.after, self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One signed change in the record.

    Attributes
    ----------
    seq : int
        From 1, without gaps.
    group : int
        Edits of one gesture share it and are undone together.
    who, when : str
        The person, and the time as ISO 8601 UTC; both are given by the caller.
    action : str
        What was done in one word: ``move``, ``resize``, ``draw``, ``delete``, ``undo``...
    kind, object_id, before, after
        The `Change`.
    prev_hash, hash : str
        SHA-256 of the canonical JSON of all other fields, `prev_hash` (the previous edit's) included.
    """

    seq: int
    group: int
    who: str
    when: str
    action: str
    kind: Kind
    object_id: str
    before: Value
    after: Value
    prev_hash: str = ""
    hash: str = ""

    @property
    def change(self) -> Change:
        """What it replaces."""
        return Change(self.kind, self.object_id, self.before, self.after)

    def signed(self, prev_hash: str) -> Edit:
        """Return the edit chained to the one before it."""
        linked = replace(self, prev_hash=prev_hash, hash="")
        return replace(linked, hash=edit_hash(linked))


def edit_hash(edit: Edit) -> str:
    """SHA-256 of an edit's canonical JSON without its own hash.

    Fields of strips, lanes and bands that are at their default are left out, so that a later version that adds a
    field still finds the chain intact.
    """
    # Every field but the hash itself, values reduced to what differs from their defaults.
    plain = {f.name: getattr(edit, f.name) for f in fields(edit) if f.name != "hash"}
    plain["before"], plain["after"] = _without_defaults(edit.before), _without_defaults(edit.after)
    return hashlib.sha256(canonical_json(plain).encode("utf-8")).hexdigest()


def _without_defaults(value: Value) -> Any:
    if not isinstance(value, Strip | Lane | Band):
        return value
    return {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != f.default}


def _exact(value: Value) -> Value:
    """A value as it comes back from a file: whole numbers in places of real ones would change its text."""
    if isinstance(value, Strip | Lane | Band):
        plain = {f.name: getattr(value, f.name) for f in fields(value)}
        return cast(Value, adapter_of(cast(Hashable, type(value))).validate_python(plain))
    return value


@dataclass(frozen=True, slots=True)
class History:
    """All edits of one session, oldest first; it only grows."""

    edits: tuple[Edit, ...] = ()

    def __len__(self) -> int:
        return len(self.edits)

    def groups(self) -> Iterator[tuple[Edit, ...]]:
        """The gestures, oldest first."""
        for _, members in groupby(self.edits, key=lambda edit: edit.group):
            yield tuple(members)

    @property
    def undoable(self) -> tuple[Edit, ...]:
        """The gesture that `undo` would take back; empty if there is none."""
        done, _ = _stacks(self.edits)
        return done[-1] if done else ()

    @property
    def redoable(self) -> tuple[Edit, ...]:
        """The gesture that `redo` would do again; empty if there is none."""
        _, undone = _stacks(self.edits)
        return undone[-1] if undone else ()

    def append(self, changes: Iterable[Change], *, action: str, who: str, when: str) -> History:
        """Return the history with one more gesture; no change adds nothing.

        Parameters
        ----------
        changes : iterable of Change
            What the gesture replaced; they are undone together.
        action : str
            The gesture in one word.
        who, when : str
            The person and the ISO 8601 UTC time.
        """
        # One gesture: a group number of its own, each edit chained to the one before.
        edits = list(self.edits)
        group = edits[-1].group + 1 if edits else 1
        for change in changes:
            exact = change.exact()._asdict()
            edit = Edit(seq=len(edits) + 1, group=group, who=who, when=when, action=action, **exact)
            edits.append(edit.signed(edits[-1].hash if edits else ""))
        return History(tuple(edits))

    def undo(self, *, who: str, when: str) -> History:
        """Return the history with the inverse of the last gesture that is still in force appended.

        Raises
        ------
        ValueError
            If there is nothing to undo.
        """
        return self._step([e.change.inverse() for e in reversed(self.undoable)], UNDO, who, when)

    def redo(self, *, who: str, when: str) -> History:
        """Return the history with the last undone gesture appended once more.

        Raises
        ------
        ValueError
            If there is nothing to redo.
        """
        return self._step([e.change for e in self.redoable], REDO, who, when)

    def _step(self, changes: Sequence[Change], action: str, who: str, when: str) -> History:
        if not changes:
            msg = f"nothing to {action}"
            raise ValueError(msg)
        return self.append(changes, action=action, who=who, when=when)

    def verify_chain(self) -> tuple[str, ...]:
        """Say where the chain is broken, one line each; empty if the record is as it was written."""
        problems, prev = [], ""
        for place, edit in enumerate(self.edits, start=1):
            if edit.seq != place:
                problems.append(f"edit {place} is numbered {edit.seq}: an edit was removed, added or moved")
            if edit.prev_hash != prev:
                problems.append(f"edit {place} does not follow the edit before it: its previous hash differs")
            if edit.hash != edit_hash(edit):
                what = f"{edit.action} {edit.kind} {edit.object_id}"
                problems.append(f"edit {place} ({what}) was changed after it was written")
            prev = edit.hash
        return tuple(problems)

    def used_ids(self, kind: Kind) -> frozenset[str]:
        """Ids that edits of a kind ever named; a removed object's id is not given away again."""
        return frozenset(edit.object_id for edit in self.edits if edit.kind == kind)


def effective_edits(edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """Drop the gestures that were undone, and the undos and redos with them."""
    done, _ = _stacks(edits)
    return tuple(edit for group in done for edit in group)


def _stacks(edits: Sequence[Edit]) -> tuple[list[tuple[Edit, ...]], list[tuple[Edit, ...]]]:
    """Gestures in force and gestures that could be redone, as undoing and redoing left them."""
    done: list[tuple[Edit, ...]] = []
    undone: list[tuple[Edit, ...]] = []
    for _, members in groupby(edits, key=lambda edit: edit.group):
        gesture = tuple(members)
        action = gesture[0].action
        if action in NOT_UNDONE:
            continue
        # An undo moves the last gesture aside, a redo brings it back, anything new forgets what was undone.
        if action == UNDO and done:
            undone.append(done.pop())
        elif action == REDO and undone:
            done.append(undone.pop())
        else:
            done.append(gesture)
            undone.clear()
    return done, undone

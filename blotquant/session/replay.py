"""Replay hand corrections over an automatic result, the same one or a new one.

An edit is laid over the current value field by field: what the hand changed wins, what it left alone stays as found.
Where the object is gone, or something else lies in its place, the edit is not applied and reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from blotquant.model.geometry import Band, Lane, Layout, Polygon, Strip
from blotquant.session.history import FIND_AGAIN, Change, Edit, Kind, effective_edits

Object = Strip | Lane | Band
_T = TypeVar("_T", Strip, Lane, Band)

_KINDS: tuple[Kind, ...] = ("strip", "lane", "band")

MIN_OVERLAP = 0.4
"""Two outlines are the same thing if they share this part of their union: half a band's height off is too far."""


class Conflict(NamedTuple):
    """An edit that no longer fits, and why; it stays in the record and is not applied."""

    edit: Edit
    reason: str


def apply_edits(layout: Layout, edits: Sequence[Edit]) -> tuple[Layout, tuple[Conflict, ...]]:
    """Replay edits over a layout.

    Parameters
    ----------
    layout : Layout
        The automatic result that the edits were made on, or a new one.
    edits : sequence of Edit
        In their order. Undone gestures are left out. Edits of picture and settings are passed over.

    Returns
    -------
    layout : Layout
        Sorted; lanes are numbered from left to right where the edits touched them.
    conflicts : tuple of Conflict
        Every edit that was not applied, with the reason.
    """
    replay = _Replay(layout)
    made = [(edit, replay.make(edit.change)) for edit in effective_edits(edits) if edit.kind in _KINDS]
    return replay.result(), tuple(Conflict(edit, reason) for edit, reason in made if reason)


def apply_changes(layout: Layout, changes: Iterable[Change]) -> Layout:
    """Make changes that were computed from this very layout.

    Raises
    ------
    ValueError
        If one of them does not fit.
    """
    unsigned = (Edit(seq=k, group=k, who="", when="", action="change", **c._asdict()) for k, c in enumerate(changes, 1))
    result, conflicts = apply_edits(layout, tuple(unsigned))
    if conflicts:
        raise ValueError("; ".join(conflict.reason for conflict in conflicts))
    return result


def replay_on(found: Layout, before: Sequence[Layout], edits: Sequence[Edit]) -> tuple[Layout, tuple[Conflict, ...]]:
    """Lay the hand corrections over a new automatic result.

    Parameters
    ----------
    found : Layout
        What the detector finds now.
    before : sequence of Layout
        Layouts whose ids are to be kept where they show the same thing: the former automatic result first, then
        the corrected one.
    edits : sequence of Edit
        The whole record.

    Returns
    -------
    layout, conflicts
        As `apply_edits` gives them.
    """
    # Ids in the record are never given to anything new.
    taken: set[str] = {edit.object_id for edit in edits}
    # A band that went with its lane was not judged: it goes with it again, and stays where another lane lies now.
    gone = {(edit.group, edit.object_id) for edit in edits if edit.kind == "lane" and edit.after is None}
    kept = [
        edit
        for edit in effective_edits(edits)
        if edit.action != FIND_AGAIN
        and not (edit.after is None and isinstance(edit.before, Band) and (edit.group, edit.before.lane) in gone)
    ]
    return apply_edits(keep_ids(found, before, taken=taken), kept)


def keep_ids(found: Layout, before: Sequence[Layout], *, taken: Iterable[str] = ()) -> Layout:
    """Give strips, lanes and bands the ids they had before; new things get ids that were never used.

    Things are the same where their outlines overlap most, at least by `MIN_OVERLAP` of their union.
    """
    used = {key for old in before for kind in _KINDS for key in _items(old, kind)} | set(taken)
    strip_ids = _new_ids(found.strips, [s for old in before for s in old.strips], used)
    lane_ids = _new_ids(found.lanes, [x for old in before for x in old.lanes], used)
    band_ids = _new_ids(found.bands, [b for old in before for b in old.bands], used)
    return replace(
        found,
        strips=tuple(replace(s, id=strip_ids[s.id]) for s in found.strips),
        lanes=tuple(replace(x, id=lane_ids[x.id], strip=strip_ids[x.strip]) for x in found.lanes),
        bands=tuple(replace(b, id=band_ids[b.id], lane=lane_ids[b.lane]) for b in found.bands),
        alternatives=tuple(replace(a, strip=strip_ids.get(a.strip, a.strip)) for a in found.alternatives),
    ).sorted()


def diff_layouts(old: Layout, new: Layout) -> list[Change]:
    """Changes that turn one layout into another, matched by id: additions outside in, removals inside out."""
    changes: list[Change] = []
    removals: list[Change] = []
    for kind in _KINDS:
        before, after = _items(old, kind), _items(new, kind)
        for key in [*before, *(key for key in after if key not in before)]:
            change = Change(kind, key, before.get(key), after.get(key))
            if change.before != change.after:
                (removals if change.after is None else changes).append(change)
    return [*changes, *reversed(removals)]


def new_id(prefix: str, used: Iterable[str]) -> str:
    """The first of prefix1, prefix2... that was never used."""
    taken = set(used)
    number = 1
    while f"{prefix}{number}" in taken:
        number += 1
    return f"{prefix}{number}"


def overlap(a: Polygon, b: Polygon) -> float:
    """Shared part of two outlines' bounding boxes: intersection over union, 0 to 1."""
    return float(_overlaps([a], [b])[0, 0])


def _overlaps(some: Sequence[Polygon], others: Sequence[Polygon]) -> NDArray[np.float64]:
    """Intersection over union of the bounding boxes of all pairs."""
    # Corners of all boxes, then the overlap of every pair at once.
    low_a, high_a, low_b, high_b = (
        np.array([pick(p, axis=0) for p in group]).reshape(-1, 2)
        for group in (some, others)
        for pick in (np.min, np.max)
    )
    sides = np.minimum(high_a[:, None], high_b[None]) - np.maximum(low_a[:, None], low_b[None])
    shared = np.prod(np.clip(sides, 0, None), axis=2)
    both = np.prod(high_a - low_a, axis=1)[:, None] + np.prod(high_b - low_b, axis=1)[None]
    return np.asarray(shared / np.maximum(both - shared, 1e-9))


def _items(layout: Layout, kind: Kind) -> dict[str, Object]:
    return {item.id: item for item in getattr(layout, f"{kind}s")}


def _new_ids(found: Sequence[_T], before: Sequence[_T], used: set[str]) -> dict[str, str]:
    """Old ids by greatest overlap first, each given once; fresh ones for what is new."""
    # Pairs by overlap, then by peak (the halves of a doublet share an outline), then by the same id.
    shares = _overlaps([item.outline for item in found], [item.outline for item in before])
    candidates = [
        (-shares[k, j], _peak_distance(found[k], before[j]), found[k].id != before[j].id, j, k)
        for k, j in zip(*np.nonzero(shares >= MIN_OVERLAP), strict=True)
    ]
    names: dict[str, str] = {}
    given: set[str] = set()
    for *_, j, k in sorted(candidates):
        new, old = found[k].id, before[j].id
        if new not in names and old not in given:
            names[new] = old
            given.add(old)
    for item in found:
        if item.id not in names:
            fresh = item.id if item.id not in used | given else new_id(f"{item.id}-", used | given)
            names[item.id] = fresh
            given.add(fresh)
    return names


class _Replay:
    """Strips, lanes and bands by id, while changes are made to them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._objects = {kind: _items(layout, kind) for kind in _KINDS}
        self._renamed: dict[tuple[Kind, str], str] = {}
        self._touched: set[Kind] = set()

    def make(self, change: Change) -> str:
        """Make one change; the reason where it does not fit, else an empty string."""
        kind, objects = change.kind, self._objects[change.kind]
        before, after = cast(Object | None, change.before), cast(Object | None, change.after)
        key = self._now(kind, change.object_id)
        current = objects.get(key)
        # What the edit was made on is looked for by its place where another thing, or none, has its name now.
        if before is not None and (current is None or not _same_place(current, before, after)):
            shares = _overlaps([item.outline for item in objects.values()], [before.outline])[:, 0]
            near = [
                (-share, _peak_distance(item, before), key)
                for share, (key, item) in zip(shares, objects.items(), strict=True)
                if share >= MIN_OVERLAP
            ]
            key = min(near)[2] if near else ""
            current = objects.get(key)
        if before is None and current is not None and after is not None and not _same_place(current, after, None):
            return f"{kind} {key} is another {kind} now"
        if before is not None and current is None and after is not None:
            row, col = np.mean(before.outline, axis=0)
            return f"{kind} {change.object_id} is not found any more near row {row:.0f}, column {col:.0f}"
        self._renamed[kind, change.object_id] = key
        self._touched.add(kind)
        value = _merge(current, before, after)
        if value is None:
            objects.pop(key, None)
            return ""
        # It lies in its strip or lane under the name that has now.
        if isinstance(value, Lane):
            value = replace(value, strip=self._now("strip", value.strip))
            if value.strip not in self._objects["strip"]:
                return f"strip {value.strip} of lane {value.id} is gone"
        elif isinstance(value, Band):
            value = replace(value, lane=self._now("lane", value.lane))
            if value.lane not in self._objects["lane"]:
                return f"lane {value.lane} of band {value.id} is gone"
        objects[key] = replace(value, id=key)
        return ""

    def _now(self, kind: Kind, key: str) -> str:
        return self._renamed.get((kind, key), key)

    def result(self) -> Layout:
        """The layout; lanes and bands whose strip or lane is gone are left out, numbers follow where things lie."""
        strips = tuple(cast(dict[str, Strip], self._objects["strip"]).values())
        lanes = cast(dict[str, Lane], self._objects["lane"])
        lanes = {key: lane for key, lane in lanes.items() if lane.strip in self._objects["strip"]}
        bands = tuple(b for b in cast(dict[str, Band], self._objects["band"]).values() if b.lane in lanes)
        strips = _number_strips(strips) if "strip" in self._touched else strips
        result = replace(self._layout, strips=strips, lanes=tuple(lanes.values()), bands=bands)
        return (renumber(result) if self._touched & {"strip", "lane"} else result).sorted()


def _same_place(current: Object, before: Object, after: Object | None) -> bool:
    """Whether what is there now is what the edit was made on, or what it made of it."""
    places = [before.outline] + ([after.outline] if after is not None else [])
    return any(current.outline == place or overlap(current.outline, place) >= MIN_OVERLAP for place in places)


def _peak_distance(a: Object, b: Object) -> float:
    """Tells the partners of a doublet apart, which have one outline in common."""
    return abs(a.peak[0] - b.peak[0]) if isinstance(a, Band) and isinstance(b, Band) else 0.0


def _merge(current: Object | None, before: Object | None, after: Object | None) -> Object | None:
    """Lay the fields that the hand changed over the current value."""
    if after is None or current is None or before is None:
        return after
    touched = {
        f.name: getattr(after, f.name) for f in fields(after) if getattr(after, f.name) != getattr(before, f.name)
    }
    if isinstance(after, Lane) and isinstance(current, Lane):
        center, widths = touched.get("center", current.center), touched.get("widths", current.widths)
        if len(center) != len(widths):  # a lane that bends now and ran straight before, or the other way round
            touched |= {"center": after.center, "widths": after.widths}
    return replace(current, **touched)


def _number_strips(strips: Sequence[Strip]) -> tuple[Strip, ...]:
    """Number strips from 1, top to bottom; those that lie side by side, left to right."""
    # The topmost strip and all that begin above its middle make one line of strips, left to right.
    boxes = {s.id: (*np.min(s.outline, axis=0), *np.max(s.outline, axis=0)) for s in strips}
    left = sorted(strips, key=lambda s: (*boxes[s.id], s.id))
    placed: list[Strip] = []
    while left:
        top, _, bottom, _ = boxes[left[0].id]
        beside = [s for s in left if boxes[s.id][0] < (top + bottom) / 2]
        placed += sorted(beside, key=lambda s: (boxes[s.id][1], s.id))
        left = [s for s in left if s not in beside]
    return tuple(replace(s, number=k) for k, s in enumerate(placed, start=1))


def renumber(layout: Layout) -> Layout:
    """Number the lanes of each strip from 1, left to right."""
    lanes: list[Lane] = []
    for strip in layout.strips:
        placed = sorted(
            layout.lanes_of(strip.id), key=lambda lane: (float(np.mean([c for _, c in lane.center])), lane.id)
        )
        lanes += [replace(lane, number=k) for k, lane in enumerate(placed, start=1)]
    return replace(layout, lanes=tuple(lanes))

"""Lanes that a hand corrected on one picture of a membrane, used on the membrane's other pictures.

The pictures are laid on each other by what lies on the membrane beside its bands; where nothing does, by the camera's
frame, which counts only where the lanes of both coincide. The lanes go into the other picture's session as one
gesture of the person who corrected them, and its bands are found again in them, with the corrections that it has.
Where a picture cannot be laid on the other, or the lanes that it shows clearly contradict, it is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from blotquant.analysis import find_again, searchable
from blotquant.detection.registration import Placement, frame_placement, match_turned, place_layout
from blotquant.errors import BlotQuantError, LaneCountError
from blotquant.model.geometry import Lane, Layout
from blotquant.model.image import BlotImage
from blotquant.runs.blots import open_blot, session_beside
from blotquant.runs.live_ratios import OpenStudy
from blotquant.runs.pictures import placed
from blotquant.session.history import Change
from blotquant.session.hit_testing import is_inside, middle_of
from blotquant.session.lane_edits import HAND_LANE, add_strip, remove_lane, reshape_lane
from blotquant.session.replay import apply_changes, new_id
from blotquant.session.session import Session, load_session, save_session

SHARED = "lanes_of_membrane"
"""What the record calls the gesture."""
SEEN = 0.6
"""A lane of this confidence is there and has a say."""
ON_LANE = 0.3
"""Of a pitch: a lane this near to a placed one is the same."""
IN_FRAME = 0.1
"""Of a pitch: where nothing but the camera's frame ties two pictures, their lanes must lie this near."""


def use_lanes(
    image: BlotImage, layout: Layout, other: BlotImage, session: Session, *, who: str, when: str
) -> tuple[Session, int]:
    """Use the lanes of one picture in the session of another picture of the same membrane.

    Parameters
    ----------
    image, layout : BlotImage, Layout
        The picture whose lanes are right, with them.
    other, session : BlotImage, Session
        The other picture, with what was found and corrected there.
    who, when : str
        For the record.

    Returns
    -------
    session : Session
        With the lanes, their roles, and the bands found in them.
    gestures : int
        How often it is to be undone to be as it was; 0 where the lanes were those already.

    Raises
    ------
    LaneCountError
        If the pictures cannot be laid on each other, or the lanes do not fit the other one; the message says which.
    """
    before = session.layout
    # The lanes as they lie in the other picture; none may lie outside of it.
    there = place_layout(layout, _placement(image, layout, other, before))
    rows, cols = other.shape
    for lane in there.lanes:
        row, col = np.mean(lane.row_range), float(lane.center_at(np.mean(lane.row_range)))
        if not (0 <= row < rows and 0 <= col < cols):
            msg = f"{other.name}: lane {lane.number} would lie outside of this picture"
            raise LaneCountError(msg)
    changes = _changes(before, there, session.history.used_ids("lane"))
    if not changes:
        return session, 0
    # Lanes first, then bands are found in them again; both can be undone.
    now = session.edit(changes, action=SHARED, who=who, when=when)
    found, _ = now.take_over(find_again(other, now, "bands"), who=who, when=when)
    return found, len(list(found.history.groups())) - len(list(session.history.groups()))


class Shared(NamedTuple):
    """What became of one picture: its session's file, how often that is undone to be as before, and a line on it."""

    path: Path
    session: Session | None
    gestures: int
    said: str


def share_lanes(
    image: BlotImage, layout: Layout, places: Sequence[Path], study: OpenStudy | None, *, who: str, when: str
) -> list[Shared]:
    """Use the lanes of one picture on others, which are opened, searched where they have no session, and saved.

    Parameters
    ----------
    image, layout : BlotImage, Layout
        The picture whose lanes are right, with them.
    places : sequence of Path
        The other pictures, or their sessions.
    study : OpenStudy or None
        What says how they are read.
    who, when : str
        For the record.
    """
    return [_share(image, layout, place, study, {"who": who, "when": when}) for place in places]


def _share(image: BlotImage, layout: Layout, place: Path, study: OpenStudy | None, signed: dict[str, str]) -> Shared:
    try:
        opened = open_blot(place, None, study)
        name = opened.image.name
        path = opened.path or session_beside(place)
        if opened.kept:
            return Shared(path, None, 0, f"{name}: it has edits that were never saved; open it and save it first")
        session, gestures = use_lanes(image, layout, opened.image, opened.session, **signed)
        if gestures:
            save_session(placed(session, opened.image, path.parent), path)
    except BlotQuantError as error:
        return Shared(place, None, 0, str(error))
    said = f"{len(session.layout.lanes)} lanes as here" if gestures else "its lanes are these already"
    return Shared(path, session, gestures, f"{name}: {said}")


def undo_shared(shared: Sequence[Shared], *, who: str, when: str) -> list[Shared]:
    """Undo the lanes in the sessions that got them, where nothing was corrected since; the record keeps both."""
    told = []
    for one in shared:
        if one.session is None or not one.gestures:
            continue
        name, now = one.session.image.name, load_session(one.path)
        if now.history != one.session.history:
            told.append(one._replace(gestures=0, said=f"{name}: corrected since; open it and undo there"))
        else:
            save_session(take_back(now, one.gestures, who=who, when=when), one.path)
            told.append(one._replace(gestures=0, said=f"{name}: as before"))
    return told


def take_back(session: Session, gestures: int, *, who: str, when: str) -> Session:
    """The session with its last gestures undone; the record keeps them and says so."""
    for _ in range(gestures):
        session = session.undo(who=who, when=when)
    return session


def _placement(image: BlotImage, layout: Layout, other: BlotImage, there: Layout) -> Placement:
    """Where the points of one picture lie in the other."""
    # What is on the membrane ties the two, else the camera's frame if it is the same.
    frame = frame_placement(image.shape, other.shape)
    scale = frame.scale if frame is not None else 1.0
    content = (
        match_turned((searchable(image), layout), (searchable(other), there), scale=scale) if there.lanes else None
    )
    found = content or frame
    if found is None:
        msg = (
            f"{other.name}: nothing beside the bands ties it to {image.name}, and it is not the same frame of the "
            "camera; correct its lanes by themselves"
        )
        raise LaneCountError(msg)
    # Either must agree with the lanes that the other picture clearly shows.
    miss = _miss(place_layout(layout, found), there)
    if not miss <= (ON_LANE if content is not None else IN_FRAME):
        far = "it shows no clear lane" if np.isnan(miss) else f"its lanes lie {miss:.2f} of a lane's distance away"
        msg = f"{other.name}: laid on {image.name} by {'marks' if content else 'the frame alone'}, {far}; left as it is"
        raise LaneCountError(msg)
    return found


def _miss(placed: Layout, there: Layout) -> float:
    """Median distance of the lanes that a picture clearly shows from the nearest placed one, in lane distances."""
    middles = {lane.id: _middle(lane) for lane in placed.lanes}
    away = []
    for lane in (lane for lane in there.lanes if lane.confidence >= SEEN):
        row, col = _middle(lane)
        near = min(placed.lanes, key=lambda x: np.hypot(*np.subtract(middles[x.id], (row, col))))
        away.append(abs(float(near.center_at(row)) - col) / _pitch(placed, near.strip))
    return float(np.median(away)) if away else np.nan


def _pitch(layout: Layout, strip: str) -> float:
    cols = [_middle(lane)[1] for lane in layout.lanes_of(strip)]
    return float(np.median(np.diff(cols))) if len(cols) > 1 else float(np.mean(layout.lanes_of(strip)[0].widths))


def _middle(lane: Lane) -> tuple[float, float]:
    row = sum(lane.row_range) / 2
    return row, float(lane.center_at(row))


def _changes(layout: Layout, placed: Layout, used: frozenset[str]) -> list[Change]:
    """What makes the lanes of a layout the placed ones: the nearest keeps its id and bands, the others come or go."""
    changes: list[Change] = []
    taken = {*used, *(lane.id for lane in layout.lanes)}

    def make(new: list[Change]) -> None:
        nonlocal layout
        layout = apply_changes(layout, new)
        changes.extend(new)

    for strip in placed.strips:
        lanes, pitch = placed.lanes_of(strip.id), _pitch(placed, strip.id) if placed.lanes_of(strip.id) else 0.0
        middle = np.mean([_middle(lane) for lane in lanes], axis=0) if lanes else middle_of(strip.outline)
        # The strip in whose middle these lanes lie; where there is none, theirs comes along.
        around = [s for s in layout.strips if is_inside(s.outline, *middle)]
        if not around:
            make(add_strip(layout, strip.outline, used_ids=used))
            around = [layout.strips[-1]]
        old = list(layout.lanes_of(around[0].id))
        for lane in lanes:
            row, col = _middle(lane)
            # The nearest old lane becomes this one and keeps its bands, unless it is another's neighbour.
            near = min(old, key=lambda x: abs(float(x.center_at(row)) - col), default=None)
            if near is not None and abs(float(near.center_at(row)) - col) < pitch / 2:
                old.remove(near)
                make(_moved(layout, near, lane))
            else:
                key = new_id(HAND_LANE, taken)
                taken.add(key)
                make([Change("lane", key, None, replace(lane, id=key, strip=around[0].id, confidence=1.0, flags=()))])
        # What no placed lane took is none of the membrane's lanes.
        for lane in old:
            make(remove_lane(layout, lane.id))
    return changes


def _moved(layout: Layout, old: Lane, new: Lane) -> list[Change]:
    """Give a lane another's place, width and role; its bands go along."""
    now = layout.lane(old.id)
    changes = reshape_lane(layout, old.id, center=new.center, widths=new.widths) or [Change("lane", old.id, now, now)]
    lane = changes[0].after
    assert isinstance(lane, Lane)
    changes[0] = changes[0]._replace(after=replace(lane, role=new.role, confidence=1.0, flags=()))
    return [] if changes[0].after == now else changes

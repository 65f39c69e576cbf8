"""Dividing a row of bands that overlap: what `blotquant.doublets.fit` finds becomes shares of one outline.

Both bands of a resolved doublet keep the outline that covers the two. Each pixel of it is divided between them by the
fitted shapes, so that the two volumes add up to the volume of the whole, whatever the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blotquant.doublets.fit import DoubletFit, fit_doublet
from blotquant.doublets.groups import (
    RowGroup,
    absorb,
    other_bands,
    replace_bands,
    row_numbers,
    single_row,
    touching_rows,
)
from blotquant.doublets.outlines import middle_line, union
from blotquant.doublets.row_profiles import RowProfile, row_profile
from blotquant.doublets.widening import widen_outlines
from blotquant.geometry import Band, Layout, Point, Polygon, bounding_box
from blotquant.image import FloatImage
from blotquant.settings import NamingSettings

Array = NDArray[np.float64]

_N_NODES = 33
_DETECTED_SE = 3.0
# Beyond the outline, this part of its height is fitted too, to see the local background.
_MARGIN = 0.35


def resolve_doublets(
    signal: FloatImage,
    layout: Layout,
    *,
    ceiling: float = np.inf,
    rows: Sequence[tuple[str, int]] | None = None,
    settings: NamingSettings | None = None,
) -> Layout:
    """Take overlapping rows apart where the picture carries it.

    Two found rows whose outlines touch are divided jointly, or left as they are where the fit does not hold. A single
    row that is known to hide two bands becomes two rows, and the rows below are numbered anew. Bands drawn or edited
    by hand are left as they are.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    layout : Layout
        With rows found.
    ceiling : float
        Counts at and above it say nothing about a band's shape.
    rows : sequence of (strip id, row), optional
        Rows known to hold a doublet, as `unresolved_rows` tells them: they become two where they can be taken apart
        and are flagged `unresolved` where not. Rows of which nothing is known are never divided: most single bands
        are flat-topped enough to be fitted better by two.
    settings : NamingSettings, optional
        When two bands count as two.

    Returns
    -------
    Layout
    """
    limits = settings or NamingSettings()
    for strip in layout.strips:
        for pair in touching_rows(layout, strip.id):
            layout = _divide(signal, layout, pair, ceiling=ceiling, limits=limits)
        for row in sorted((row for of, row in rows or () if of == strip.id), reverse=True):
            if row in row_numbers(layout, strip.id):
                layout = absorb(layout, strip.id, row)
                group = _with_room(signal, layout, single_row(layout, strip.id, row), ceiling=ceiling)
                layout = _divide(signal, layout, group, ceiling=ceiling, limits=limits)
    return layout.sorted()


def _with_room(signal: FloatImage, layout: Layout, group: RowGroup, *, ceiling: float) -> RowGroup:
    """The same group with outlines that have room for both bands; what a hand drew is left as it is."""
    bands = [members[0] for members in group.members]
    others = other_bands(layout, group)

    def read(k: int, reach: int) -> tuple[Array, Array] | None:
        if bands[k].status != "detected":
            return None
        profile = row_profile(signal, bands[k].outline, reach, ceiling=ceiling, others=others[k])
        return None if profile is None else (profile.offsets, profile.counts)

    outlines = widen_outlines([band.outline for band in bands], read)
    by_hand = ("edited", "drawn")
    return replace(
        group,
        members=tuple(
            (band if band.origin in by_hand else replace(band, outline=outline),)
            for band, outline in zip(bands, outlines, strict=True)
        ),
    )


def _divide(
    signal: FloatImage,
    layout: Layout,
    group: RowGroup,
    *,
    ceiling: float,
    limits: NamingSettings,
) -> Layout:
    """Replace the bands of one group by the two that the joint fit finds, or say that it does not."""
    outlines = [union([band.outline for band in bands]) for bands in group.members]
    others = other_bands(layout, group)
    profiles = [
        row_profile(signal, outline, _height(outlines), ceiling=ceiling, others=others[k])
        for k, outline in enumerate(outlines)
    ]
    usable = [
        k for k, p in enumerate(profiles) if p is not None and any(b.status == "detected" for b in group.members[k])
    ]
    fit = _fit([p for k in usable if (p := profiles[k]) is not None], limits)
    if fit is None or not fit.accepted:
        merged: dict[str, tuple[Band, ...]] = {
            b.id: (_flag(b, "unresolved"),) for bands in group.members for b in bands if len(bands) == 1
        }
        return replace_bands(layout, merged)
    consensus = np.maximum(fit.areas, 0).sum(axis=0)
    used = {b.id for b in layout.bands}
    divided: dict[str, tuple[Band, ...]] = {}
    for k, bands in enumerate(group.members):
        at = usable.index(k) if k in usable else None
        pair = _pair(bands, outlines[k], fit, lane=at, consensus=consensus, used=used)
        divided |= {bands[0].id: pair} | {b.id: () for b in bands[1:]}
    new = {band.id for pair in divided.values() for band in pair}
    return _renumber(replace_bands(layout, divided), group, new)


def _fit(profiles: list[RowProfile], limits: NamingSettings) -> DoubletFit | None:
    if not profiles or len(profiles[0].counts) < 12:
        return None
    return fit_doublet(
        [p.counts for p in profiles],
        np.stack([p.sds for p in profiles]),
        offsets=np.stack([p.offsets for p in profiles]),
        settings=limits,
    )


def _height(outlines: Sequence[Polygon]) -> int:
    heights = [box.row_stop - box.row_start for box in map(bounding_box, outlines)]
    return int(np.ceil(np.median(heights) / 2 * (1 + 2 * _MARGIN)))


def _pair(
    bands: tuple[Band, ...],
    outline: Polygon,
    fit: DoubletFit,
    *,
    lane: int | None,
    consensus: Array,
    used: set[str],
) -> tuple[Band, Band]:
    """The two bands of one lane under their common outline."""
    box = bounding_box(outline)
    reach = (box.row_stop - box.row_start) / 2 + 2
    offsets = np.round(np.linspace(-reach, reach, _N_NODES), 4)
    lit = lane is not None and fit.areas[lane].sum() > _DETECTED_SE * np.hypot(*fit.area_se[lane])
    # A lane too weak to show its own ratio is divided as the row is on the whole.
    shift = fit.shifts[lane] if lane is not None else 0.0
    nearest = lane if lane is not None else int(np.argmin(np.abs(fit.shifts)))
    upper = np.round(fit.shares(nearest, offsets, weights=None if lit else consensus), 6)
    column = np.array([bands[0].peak[1]])
    place = float(middle_line(outline, column)[0]) + fit.center + shift
    made = []
    for k, (share, side) in enumerate(((upper, -0.5), (np.round(1 - upper, 6), 0.5))):
        base = bands[min(k, len(bands) - 1)]
        seen = lit and lane is not None and fit.areas[lane, k] > _DETECTED_SE * fit.area_se[lane, k]
        nodes: tuple[Point, ...] = tuple((float(o), float(s)) for o, s in zip(offsets, share, strict=True))
        made.append(
            replace(
                base,
                id=base.id if k < len(bands) else _new_id(base.id, used),
                outline=outline,
                peak=(round(place + side * fit.spacing, 4), base.peak[1]),
                origin="detected" if seen else "expected",
                status="detected" if seen else "not_detected",
                split=nodes,
                split_sd=round(float(fit.split_sd[lane]), 6) if lane is not None else 0.0,
                flags=tuple(flag for flag in base.flags if flag != "unresolved"),
                row=base.row if k < len(bands) or base.row is None else base.row + 1,
            )
        )
    return made[0], made[1]


def _new_id(base: str, used: set[str]) -> str:
    """Name the partner after its sibling; a name once given is never given again."""
    name = next(name for n in range(2, 1000) if (name := f"{base}.{n}") not in used)
    used.add(name)
    return name


def _flag(band: Band, name: str) -> Band:
    return band if name in band.flags else replace(band, flags=(*band.flags, name))


def _renumber(layout: Layout, group: RowGroup, new: set[str]) -> Layout:
    """Make room in the strip's numbering for a row that became two."""
    if len(group.rows) == 2:
        return layout
    row, lanes = group.rows[0], {lane.id for lane in layout.lanes_of(group.strip)}

    def moved(band: Band) -> Band:
        below = band.lane in lanes and band.id not in new and band.row is not None and band.row > row
        return replace(band, row=band.row + 1) if below and band.row is not None else band

    return replace(layout, bands=tuple(moved(band) for band in layout.bands))

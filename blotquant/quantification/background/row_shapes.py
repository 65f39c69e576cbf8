"""Rows under a band as witnesses of its ground: what they show beyond light of the row's common shape.

All lanes of a row have bands of one shape at one spacing (`blotquant.doublets.row_model`). Once that shape is known, a
band's own rows and those at its foot, which masks leave out, tell of the ground too: every background has the bands'
heights as further unknowns there. The fainter a band against the unevenness of the ground, the more this says; of a
bright one the doubt about its shape leaves nothing of it. In photometry this is called optimal extraction.

References
----------
Horne 1986 (Publ. Astron. Soc. Pac. 98, 609). docs/methods.md, "Background".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from blotquant.doublets.row_model import (
    RowData,
    RowProfile,
    Solution,
    band_steepness,
    best_shape,
    check_profiles,
    edges,
    middle_line,
    noise_sd,
    project,
    row_profile,
)
from blotquant.imaging.robust import box_sums
from blotquant.model.geometry import Band, Layout
from blotquant.model.image import FloatImage
from blotquant.quantification.background.background_pixels import Array

UNEVEN = 0.01
"""Ground that varies by less than this part of a band's mean light is known well enough without the band's own rows."""

REACH = 0.85
"""Rows are read so far above and below an outline's middle, in heights of the row's outlines."""

FOOT = 0.6
"""A band's feet lie farther than this part of a height from its middle."""

FEWEST_FOOT = 2
"""Rows of either foot that must be seen."""

BESIDE = 0.25
"""Rows nearer than this part of a height to another band's outline are left out."""

FEWEST_LANES = 2
"""Lanes that tell a row's shape."""

FEWEST_ROWS = 4
"""A band's place, width and height, and its ground, need so many rows and half of an outline's height."""

EDGE_PX = 3.0
"""A strip's cut edge is blurred that far."""

GROUND_LEFT = 0.2
"""What a straight line and a band leave over of the ground in so short a stretch, in its SDs."""

OUTLINE_SDS = 6.0
"""A found outline is about so many SDs of its band high: the search for the width begins there."""

SHIFT = 0.03
"""SD of where a band lies against its fitted place, in SDs of the band."""

WIDTH = 0.02
"""SD of its width, as a part of it."""

SHAPE = 0.01
"""SD by which it departs from the fitted shape within its own rows, as a part of its height."""

ODD = 2.0
"""So much of what a row's common shape leaves over may be in any lane, in heights of its band: a single band may hide a
partner at its foot, the halves of a divided doublet do not."""

FAR = 0.05
"""The same far from the peak, as a part of `SHAPE` squared."""


class OwnRows(NamedTuple):
    """What a lane shows around a band, in bins of rows.

    Attributes
    ----------
    rows, means, counts : ndarray, shape (n,)
        Mean row of each bin, mean counts there, and pixels of the ground that this is worth.
    shapes : ndarray, shape (n, n_bands)
        Light there of a band of height 1; two columns for the halves of a doublet.
    doubt : ndarray, shape (n, n)
        Covariance of the light for what is not known of its shape, counts squared.
    """

    rows: Array
    means: Array
    counts: Array
    shapes: Array
    doubt: Array


@dataclass(frozen=True, eq=False)
class RowShapes:
    """Shapes of the rows of a picture, each fitted when a band of it is asked for.

    Attributes
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    layout : Layout
        All bands.
    ceiling : float
        Pixels of so many counts say nothing.
    """

    signal: FloatImage
    layout: Layout
    ceiling: float
    # Filled as bands are asked for; a row always gives the same, in any order and thread.
    fitted: dict[str, OwnRows | None] = field(default_factory=dict)

    def under(self, band_id: str, *, uneven_sd: float, pixel: float, step: int) -> OwnRows | None:
        """Rows under a band and at its foot; None where the ground is even against its light, or no shape is told.

        Parameters
        ----------
        band_id : str
            Of the layout.
        uneven_sd : float
            SD of the ground over some band heights, counts.
        pixel : float
            Variance of one pixel's noise on the ground.
        step : int
            Rows of a bin.
        """
        if band_id not in self.fitted:
            row = self.rows.get(band_id, [])
            self.fitted.update({band_id: None} | {band.id: None for bands in row for band in bands})
            if any(uneven_sd > UNEVEN * self.lights[bands[0].id] for bands in row):
                self.fitted.update(self._fit(row, uneven_sd, pixel, step))
        return self.fitted[band_id]

    def told_with(self, band_id: str) -> list[Band]:
        """The bands of a band's row whose own rows were told when it was asked for."""
        return [band for bands in self.rows.get(band_id, []) for band in bands if self.fitted.get(band.id) is not None]

    @cached_property
    def lights(self) -> dict[str, float]:
        """Mean counts under each outline above the darkest of the rows around it, by the band's id."""
        tops, bottoms, lefts, rights = np.array([band.box for band in self.layout.bands], int).reshape(-1, 4).T
        first, last = tops.clip(0, self.signal.shape[0]), bottoms.clip(0, self.signal.shape[0])
        more = np.maximum((last - first) // 2, 1)
        sums, n = box_sums(self.signal, np.stack([first - more, last + more, lefts, rights], axis=1).tolist(), axis=1)
        lefts, rights = (cols.clip(0, self.signal.shape[1]) for cols in (lefts, rights))
        places, n_own = np.arange(sums.shape[1]), np.maximum(n - 2 * more, 1)
        is_own = (places >= more[:, None]) & (places < (n - more)[:, None])
        own = np.where(is_own, sums, 0.0).sum(axis=1) / n_own
        above = (own - sums.min(axis=1, initial=np.inf)) / np.maximum(rights - lefts, 1)
        ids = (band.id for band in self.layout.bands)
        return dict(zip(ids, np.where(n > 2 * more, above, 0.0).tolist(), strict=True))

    @cached_property
    def rows(self) -> dict[str, list[tuple[Band, ...]]]:
        """Bands of each band's row, lane by lane: one each, or the halves of a doublet; only of bands with a row."""
        rows: dict[tuple[object, ...], list[tuple[Band, ...]]] = {}
        for lane in self.layout.lanes:
            sharing: dict[object, list[Band]] = {}
            for band in self.layout.bands_of(lane.id):
                sharing.setdefault(band.outline if band.split else band.id, []).append(band)
            for bands in sharing.values():
                rows.setdefault((lane.strip, *(band.row for band in bands)), []).append(tuple(bands))
        return {
            band.id: row
            for (_, *numbers), row in rows.items() if None not in numbers and len(numbers) <= 2
            for bands in row for band in bands
        }  # fmt: skip

    def _fit(self, row: list[tuple[Band, ...]], uneven_sd: float, pixel: float, step: int) -> dict[str, OwnRows | None]:
        """Own rows of all bands of one row, by id."""
        height = float(np.median([bands[0].box.row_stop - bands[0].box.row_start for bands in row]))
        # Where the search saw nothing there is no light whose shape could be known: the limits of such a place stay.
        lit = [bands for bands in row if any(band.status == "detected" for band in bands)]
        if len(lit) < FEWEST_LANES or REACH * height < FEWEST_ROWS:
            return {}
        seen = [(bands, *read) for bands in lit if (read := self._profile(bands, height)) is not None]
        if len(seen) < FEWEST_LANES:
            return {}
        n_bands, parts = len(row[0]), [profile for _, profile, _ in seen]
        data = check_profiles([p.counts for p in parts], [p.sds for p in parts], [p.offsets for p in parts])
        places = np.array([[band.peak[0] - middle for band in bands] for bands, _, middle in seen])
        spacing = [max(float(np.median(np.diff(places))), 1.0)] if n_bands == 2 else []
        width = max((height - sum(spacing)) / OUTLINE_SDS, 1.0)
        start = [np.median(places.mean(axis=1)), np.log(width), 0, 0, 0, *spacing, *np.zeros(len(seen))]
        best = best_shape(data, n_bands, [np.array(start, dtype=float)])[0]
        if not (best.amplitudes.sum(axis=0) > 0).all():
            return {}
        odd = ODD / n_bands * self._left_over(data, best, uneven_sd * parts[0].n_cols)
        sides = np.array([-0.5, 0.5]) * best.theta[5] if n_bands == 2 else np.zeros(1)
        found: dict[str, OwnRows | None] = {}
        for k, (bands, profile, middle) in enumerate(seen):
            shift, tall = best.theta[k - len(seen)], best.amplitudes[k]
            from_peaks = (profile.offsets - best.theta[0] - shift)[:, None] - sides
            light, doubt = light_and_doubt(from_peaks, best.theta, tall / profile.n_cols, odd[k])
            found |= dict.fromkeys((band.id for band in bands), _binned(profile, middle, light, doubt, pixel, step))
        return found

    def _left_over(self, data: RowData, best: Solution, uneven_sd: float) -> Array:
        """What the common shape leaves over in each lane beyond noise and ground, as a part of its band's height."""
        known = data.w > 0
        left = (project(data, best.theta, best.n_bands).residual ** 2 - known) * noise_sd(data) ** 2
        beyond, peaks = left.sum(axis=1) / known.sum(axis=1), np.maximum(best.amplitudes, 0).max(axis=1)
        common = max(float(beyond.sum()), 0.0) / float((peaks**2).sum())
        own = np.maximum(beyond - (GROUND_LEFT * uneven_sd) ** 2, 0.0) / np.maximum(peaks**2, 1e-300)
        return np.asarray(np.sqrt(np.maximum(common, np.minimum(own, 1.0))))

    def _profile(self, bands: tuple[Band, ...], height: float) -> tuple[RowProfile, float] | None:
        """Profile around the bands of one lane without what others light, and the row of its middle."""
        outline = bands[0].outline
        others = [band for band in self.layout.bands_of(bands[0].lane) if band not in bands]
        # All of its columns: in the middle of a lane the ground may be brighter than at its sides.
        reach = int(np.ceil(REACH * height))
        read = row_profile(self.signal, outline, reach, ceiling=self.ceiling, others=others, trim=0.0)
        if read is None:
            return None
        at = np.array([round(bands[0].peak[1])])
        middle = float(middle_line(outline, at)[0])
        rows, counts = read.offsets + middle, read.counts
        number = self.layout.lane(bands[0].lane).strip
        for strip in (strip for strip in self.layout.strips if strip.id == number):
            (top,), (bottom,) = edges(strip.outline, at.astype(float))
            counts = np.where((rows < top + EDGE_PX) | (rows > bottom - EDGE_PX), np.nan, counts)
        for box in (band.box for band in others):
            beside = (rows > box.row_start - BESIDE * height) & (rows < box.row_stop + BESIDE * height)
            counts = np.where(beside, np.nan, counts)
        # A band whose feet are others' light cannot be told from its ground.
        known = np.isfinite(counts)
        feet = [(known & (side * read.offsets > FOOT * height)).sum() for side in (-1, 1)]
        enough = known.sum() > height / 2 + FEWEST_ROWS and min(feet) >= FEWEST_FOOT
        return (read._replace(counts=counts), middle) if enough else None


def light_and_doubt(u: Array, shape: Array, heights: Array, odd: float) -> tuple[Array, Array]:
    """Light of bands of height 1 at distances from their peaks, and the covariance of all that is unknown of it.

    Parameters
    ----------
    u : ndarray, shape (n, n_bands)
        Rows below each band's peak.
    shape : ndarray
        As `blotquant.doublets.row_model.band_steepness` takes it.
    heights : ndarray, shape (n_bands,)
        Of the bands, counts.
    odd : float
        SD by which a band departs from the shape, as a part of its height.
    """
    power, rise, _ = band_steepness(u, shape)
    light = np.exp(-0.5 * power)
    by_width = 0.5 * light * rise
    by_place = by_width / np.where(u == 0, 1.0, u)
    sd = float(np.exp(shape[1]))
    doubt = np.zeros((len(u), len(u)))
    for f, place, width, at, tall in zip(light.T, by_place.T, by_width.T, u.T, heights, strict=True):
        alike = np.exp(-0.5 * ((at[:, None] - at) / sd) ** 2)
        doubt += tall**2 * (
            (SHIFT * sd) ** 2 * np.outer(place, place)
            + WIDTH**2 * np.outer(width, width)
            + alike * (SHAPE**2 * (np.sqrt(np.outer(f, f)) + FAR) + odd**2)
        )
    return light, doubt


def _binned(profile: RowProfile, middle: float, light: Array, doubt: Array, pixel: float, step: int) -> OwnRows:
    """Known rows of a profile in bins of `step` rows of the picture."""
    known = np.isfinite(profile.counts)
    rows = profile.offsets[known] + middle
    bins, n = np.unique(np.floor((rows + 0.5) / step), return_counts=True)
    into = (bins[:, None] == np.floor((rows + 0.5) / step)) / n[:, None]
    variance = into**2 @ (profile.sds[known] / profile.n_cols) ** 2
    counts = pixel / variance if pixel > 0 else profile.n_cols * n.astype(float)
    means = into @ profile.counts[known] / profile.n_cols
    return OwnRows(into @ rows, means, counts, into @ light[known], into @ doubt[np.ix_(known, known)] @ into.T)

"""From rows to molecular weight: a monotone curve of log10(kDa) against Rf through the ladder's bands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blotquant.errors import BlotQuantError
from blotquant.identification.presets import ladder_kda
from blotquant.model.geometry import Lane, Layout

if TYPE_CHECKING:
    from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float64]

MIN_BANDS = 3
"""Bands from which on a lane can be a ladder."""
MAX_LOO_PART = 0.15
"""A ladder is refused when its bands, each told from the others, miss by more than this part (median)."""
_ROW_SD = 0.012
"""SD, as a part of their range, by which bands of a ladder leave a smooth curve: apparent masses are what they are."""
_SKIP_SDS = 3.0
"""What it costs to leave out a band or a mass, in those SDs."""
_MAX_EXTRA = 2
"""Of the shorter list, bands or masses, how many may stay without a partner."""
_MAX_MISSING = 4
"""Of the longer list likewise."""

MIN_BANDS_TO_TELL_UP = 5
"""Bands from which on their distances tell top from bottom."""
UPWARD_MISS = 0.03
"""Median part by which bands told from the others miss: less is a good ladder, whichever way it stands."""
UPWARD_SHARE = 0.6
"""A ladder that misses by less than this share the other way round stands on its head."""


class LadderError(BlotQuantError):
    """The bands of a ladder lane do not fit the ladder's masses."""


@dataclass(frozen=True, kw_only=True)
class LadderFit:
    """Molecular weight along one strip.

    Attributes
    ----------
    rows, kda : tuple of float
        Places and masses of the bands used, top to bottom.
    row_start, row_stop : float
        Ends of the strip: Rf is 0 at the first and 1 at the second.
    loo_kda : tuple of float
        For each band, what the curve through the others gives less its mass, in kDa.
    unused_rows, unused_kda : tuple of float
        Bands of the lane and masses of the ladder that found no partner.
    """

    rows: tuple[float, ...]
    kda: tuple[float, ...]
    row_start: float
    row_stop: float
    loo_kda: tuple[float, ...] = ()
    unused_rows: tuple[float, ...] = ()
    unused_kda: tuple[float, ...] = ()

    @property
    def loo_error_kda(self) -> float:
        """Median size of the leave-one-out errors, in kDa."""
        return float(np.median(np.abs(self.loo_kda)))

    def error_at(self, kda: ArrayLike) -> Array:
        """Part by which masses near these are missed when the ladder band beside them is left out (leave one out)."""
        log_kda = np.log(self.kda)[::-1]
        missed = np.abs(np.array(self.loo_kda) / np.array(self.kda))[::-1]
        return np.asarray(np.interp(np.log(np.asarray(kda, dtype=float)), log_kda, missed))

    def rf(self, rows: ArrayLike) -> Array:
        """Relative front of some rows: 0 at the strip's top, 1 at its bottom."""
        return np.asarray((np.asarray(rows, dtype=float) - self.row_start) / (self.row_stop - self.row_start))

    def to_kda(self, rows: ArrayLike, *, shift: ArrayLike = 0.0) -> Array:
        """Molecular weight at some rows.

        Parameters
        ----------
        rows : array_like
            Rows of the picture.
        shift : array_like
            How many rows lower the same protein lies there than in the ladder lane (smile, tilt).

        Returns
        -------
        ndarray
            kDa; beyond the ladder the end's slope goes on, see `is_outside`.
        """
        x = self.rf(np.asarray(rows, dtype=float) - np.asarray(shift, dtype=float))
        return np.asarray(10 ** _curve(self.rf(self.rows), np.log10(self.kda), x))

    def to_row(self, kda: ArrayLike, *, shift: ArrayLike = 0.0) -> Array:
        """Row at which a molecular weight is expected; the inverse of `to_kda`."""
        wanted = np.log10(np.asarray(kda, dtype=float))
        x, y = self.rf(self.rows), np.log10(self.kda)
        # The curve is monotone, so a bisection in Rf over all that a gel can show is safe and exact.
        low, high = np.full(wanted.shape, -2.0), np.full(wanted.shape, 3.0)
        for _ in range(60):
            middle = (low + high) / 2
            above = _curve(x, y, middle) > wanted
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        rows = (low + high) / 2 * (self.row_stop - self.row_start) + self.row_start
        return np.asarray(rows + np.asarray(shift, dtype=float))

    def is_outside(self, rows: ArrayLike, *, shift: ArrayLike = 0.0) -> NDArray[np.bool_]:
        """Whether rows lie beyond the ladder's first or last band, so that their kDa are extrapolated."""
        at = np.asarray(rows, dtype=float) - np.asarray(shift, dtype=float)
        return np.asarray((at < self.rows[0]) | (at > self.rows[-1]))


def fit_ladder(peak_rows: ArrayLike, kda: str | Sequence[float], *, row_start: float, row_stop: float) -> LadderFit:
    """Fit molecular weight against Rf.

    Where the lane shows a few bands more or fewer than the ladder holds, bands and masses are matched in order so
    that they lie on the smoothest curve; each one passed over has its price. Between bands the curve
    is a monotone cubic (Fritsch and Carlson 1980).

    Parameters
    ----------
    peak_rows : array_like, shape (n,)
        Rows of the ladder lane's bands, in any order.
    kda : str or sequence of float
        Product name of a preset, or the masses.
    row_start, row_stop : float
        Top and bottom of the strip.

    Returns
    -------
    LadderFit
        With the leave-one-out error of each band in kDa.

    Raises
    ------
    LadderError
        If fewer than three bands can be matched, or the bands do not lie on a smooth curve.
    ValueError
        If the preset is not known or the strip has no length.
    """
    masses = np.array(ladder_kda(kda))
    rows = np.unique(np.asarray(peak_rows, dtype=float))
    if row_stop <= row_start:
        msg = f"the strip must end below its start, got rows {row_start:g} to {row_stop:g}"
        raise ValueError(msg)
    if len(rows) < MIN_BANDS:
        msg = f"a ladder needs at least {MIN_BANDS} bands, found {len(rows)}; mark them or leave the ladder out"
        raise LadderError(msg)
    # Which band is which mass, then the curve through the pairs, and how far it can be trusted.
    pairs = _match(rows, np.log10(masses))
    chosen, given = [i for i, _ in pairs], [j for _, j in pairs]
    fit = LadderFit(
        rows=tuple(map(float, rows[chosen])),
        kda=tuple(map(float, masses[given])),
        row_start=float(row_start),
        row_stop=float(row_stop),
        loo_kda=_leave_one_out(rows[chosen], masses[given]),
        unused_rows=tuple(float(r) for i, r in enumerate(rows) if i not in chosen),
        unused_kda=tuple(float(m) for j, m in enumerate(masses) if j not in given),
    )
    _refuse_misfits(fit)
    _refuse_upward(fit)
    return fit


def find_ladder(layout: Layout, strip: str, kda: str | Sequence[float] | None) -> LadderFit | None:
    """Fit the first ladder lane of one strip that fits; see `find_ladders`."""
    found = find_ladders(layout, strip, kda)
    return found[0][1] if found else None


def own_or_marker(
    layout: Layout, ladder: str | Sequence[float] | LadderFit | None, marker: LadderFit | None
) -> str | Sequence[float] | LadderFit | None:
    """Choose what tells a picture's masses: its own ladder where that fits on any strip, else its marker picture's."""
    if marker is None or isinstance(ladder, LadderFit):
        return ladder
    for strip in layout.strips:
        try:
            if find_ladder(layout, strip.id, ladder) is not None:
                return ladder
        except LadderError:
            continue
    return marker


def find_marker(layout: Layout, kda: str | Sequence[float] | None, *, strip: int | None = None) -> LadderFit | None:
    """Fit the ladder of a marker picture, which may show nothing else.

    Parameters
    ----------
    layout : Layout
        Of the marker picture, with bands.
    kda : str or sequence of float or None
        Product name or masses.
    strip : int, optional
        Number of the strip, where the picture holds several.

    Returns
    -------
    LadderFit or None
        That of the lane whose bands fit best: most masses used; of lanes with the role ``ladder`` where there are any.
    """
    # Any lane of a marker picture may be the ladder: each is tried, and the best fit taken.
    strips = {x.id for x in layout.strips if strip in (None, x.number)}
    lanes = [lane for lane in layout.lanes if lane.strip in strips]
    lanes = [lane for lane in lanes if lane.role == "ladder"] or lanes
    fits = []
    for lane in lanes:
        try:
            fit = find_ladder(replace(layout, lanes=(replace(lane, role="ladder"),)), lane.strip, kda)
        except LadderError:
            continue
        fits += [fit] if fit is not None else []
    return max(fits, key=lambda fit: len(fit.rows), default=None)


def find_ladders(layout: Layout, strip: str, kda: str | Sequence[float] | None) -> list[tuple[Lane, LadderFit]]:
    """Fit the ladder lanes of one strip.

    Parameters
    ----------
    layout : Layout
        With bands.
    strip : str
        The strip's id.
    kda : str or sequence of float or None
        Product name or masses; not needed where a hand named three or more of a lane's bands (see `said_kda`).

    Returns
    -------
    list of (Lane, LadderFit)
        From left to right, those that fit; empty where the strip has no lane of that role, or nothing tells its
        masses.

    Raises
    ------
    LadderError
        If there are ladder lanes and none fits; the message names the first.
    """
    rows = [row for row, _ in layout.strip(strip).outline]
    found: list[tuple[Lane, LadderFit]] = []
    problem: LadderError | None = None
    for lane in (lane for lane in layout.lanes_of(strip) if lane.role == "ladder"):
        bands = layout.bands_of(lane.id)
        said = sorted((b.peak[0], mass) for b in bands if (mass := said_kda(b.target)) is not None)
        try:
            if len(said) >= MIN_BANDS:
                found.append((lane, _fit_said(said, row_start=min(rows), row_stop=max(rows))))
            elif kda is not None:
                peaks = [b.peak[0] for b in bands if b.status == "detected"]
                found.append((lane, fit_ladder(peaks, kda, row_start=min(rows), row_stop=max(rows))))
        except LadderError as error:
            problem = problem or LadderError(f"ladder in lane {lane.number}: {error}")
    if problem is not None and not found:
        raise problem
    return found


def said_kda(target: str | None) -> float | None:
    """Mass that a hand gave a ladder's band by naming it, as in ``55 kDa``; None for any other name."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) kDa", target or "")
    return float(found[1]) if found and float(found[1]) > 0 else None


def _fit_said(said: Sequence[tuple[float, float]], *, row_start: float, row_stop: float) -> LadderFit:
    """The curve through bands whose masses a hand gave; they must fall from top to bottom."""
    rows, masses = (np.array(column) for column in zip(*said, strict=True))
    if (np.diff(masses) >= 0).any() or (np.diff(rows) <= 0).any():
        shown = ", ".join(f"{mass:g}" for mass in masses)
        msg = f"masses must fall from the top of the lane to its bottom, got {shown} kDa; name the bands again"
        raise LadderError(msg)
    return LadderFit(
        rows=tuple(map(float, rows)),
        kda=tuple(map(float, masses)),
        row_start=float(row_start),
        row_stop=float(row_stop),
        loo_kda=_leave_one_out(rows, masses),
    )


@lru_cache(maxsize=64)
def _monotone(x: tuple[float, ...], y: tuple[float, ...]) -> PchipInterpolator:
    """The cubic through a ladder's bands; an inverse asks for it sixty times."""
    from scipy.interpolate import PchipInterpolator

    return PchipInterpolator(x, y)


def _curve(x: Array, y: Array, at: Array) -> Array:
    """Monotone cubic inside, straight on beyond the ends."""
    inside = np.clip(at, x[0], x[-1])
    # Beyond the ends the slope of the last two bands goes on.
    first, last = (y[1] - y[0]) / (x[1] - x[0]), (y[-1] - y[-2]) / (x[-1] - x[-2])
    beyond = np.where(at < x[0], (at - x[0]) * first, np.where(at > x[-1], (at - x[-1]) * last, 0.0))
    return np.asarray(_monotone(tuple(x.tolist()), tuple(y.tolist()))(inside) + beyond)


def _leave_one_out(rows: Array, masses: Array) -> tuple[float, ...]:
    errors = []
    for k in range(len(rows)):
        others = np.arange(len(rows)) != k
        told = 10 ** _curve(rows[others], np.log10(masses[others]), rows[k : k + 1])[0]
        errors.append(float(told - masses[k]))
    return tuple(errors)


def _refuse_misfits(fit: LadderFit) -> None:
    parts = np.abs(fit.loo_kda) / np.array(fit.kda)
    inner = parts[1:-1] if len(parts) > MIN_BANDS else parts
    if len(fit.rows) >= 4 and np.median(inner) > MAX_LOO_PART:
        msg = (
            f"{len(fit.rows) + len(fit.unused_rows)} bands do not fit "
            f"the ladder's {len(fit.kda) + len(fit.unused_kda)} "
            f"masses: each told from the others misses by {np.median(inner):.0%}, allowed is {MAX_LOO_PART:.0%}; "
            "check which lane is the ladder and which product it is"
        )
        raise LadderError(msg)


def _refuse_upward(fit: LadderFit) -> None:
    """Refuse a ladder whose bands fit its masses far better from the bottom up: the picture stands on its head."""
    if len(fit.rows) < MIN_BANDS_TO_TELL_UP:
        return
    rows, masses = np.array(fit.rows), np.array(fit.kda)
    down = float(np.median(np.abs(fit.loo_kda) / masses))
    up = float(np.median(np.abs(_leave_one_out(-rows[::-1], masses)) / masses))
    if down > UPWARD_MISS and up < UPWARD_SHARE * down:
        msg = (
            f"its bands fit the masses from the bottom up ({up:.1%} off) and not from the top down ({down:.1%}): the "
            "picture stands on its head; say rotate = 180 or flip in its entry"
        )
        raise LadderError(msg)


def _match(rows: Array, log_kda: Array) -> list[tuple[int, int]]:
    """Pair bands with masses in order: of all ways to pass over a few of either, the smoothest curve wins.

    Rows are told from log10(kDa) by a parabola, or a cubic where there are bands enough; each band or mass passed
    over costs as much as a misfit of `_SKIP_SDS`.
    """
    n, m = len(rows), len(log_kda)
    if n == m:
        return [(k, k) for k in range(n)]
    best: tuple[float, list[tuple[int, int]]] | None = None
    # From all of the shorter list down to two fewer: each skip must pay for itself by a smoother curve.
    for size in range(min(n, m), max(min(n, m) - _MAX_EXTRA, MIN_BANDS + 1) - 1, -1):
        if max(n, m) - size > _MAX_MISSING:
            break
        found = _smoothest(rows, log_kda, size)
        cost = found[0] + (n + m - 2 * size) * _SKIP_SDS**2
        if best is None or cost < best[0]:
            best = (cost, found[1])
    if best is None:
        msg = f"the ladder lane shows {n} bands and the ladder holds {m}: too different; mark its bands"
        raise LadderError(msg)
    return best[1]


def _smoothest(rows: Array, log_kda: Array, size: int) -> tuple[float, list[tuple[int, int]]]:
    """Best pairing of `size` bands with as many masses, and its misfit in units of the expected SD squared."""
    picks = np.array(list(combinations(range(len(rows)), size)))
    scaled = rows[picks] / (_ROW_SD * np.ptp(rows))
    best: tuple[float, list[tuple[int, int]]] = (np.inf, [])
    for masses in combinations(range(len(log_kda)), size):
        x = log_kda[list(masses)]
        design = np.vander((x - x.mean()) / np.ptp(x), 4 if size >= 7 else 3)
        # Misfit of every choice of bands at once: what the polynomial's columns do not span.
        basis = np.linalg.qr(design)[0]
        misfit = (scaled**2).sum(axis=1) - ((scaled @ basis) ** 2).sum(axis=1)
        k = int(misfit.argmin())
        if misfit[k] < best[0]:
            best = (float(misfit[k]), list(zip(map(int, picks[k]), masses, strict=True)))
    return best

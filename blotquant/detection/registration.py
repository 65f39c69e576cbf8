"""Pictures of one membrane laid on each other: by their edges, by what is on the membrane, by the camera's frame.

A membrane that is stripped and probed again lies a little differently under the camera, may be binned, or be cut out of
a larger picture. The pattern of lit lanes says nothing about it: where the end lanes of one probe are dark, a shift
by one lane matches nearly as well as none. What ties two pictures is

- the membrane's two sides, where both pictures show both, at the same distance from each other;
- what is on the membrane beside its bands: marks, dust, corners, cut edges (masked correlation; Padfield 2012);
- the camera's frame: pictures of one size, or one a whole multiple of the other, whose lanes coincide without
  any shift.

References
----------
Padfield D, "Masked object registration in the Fourier domain", IEEE Trans. Image Process. 21 (2012).
docs/methods.md, *Pictures of one membrane*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from blotquant.detection.turned import turn_layout, turn_picture
from blotquant.imaging.content import median_of_nine
from blotquant.imaging.robust import MAD_TO_SD
from blotquant.model.geometry import Layout, Point, Polygon, bounding_box

FloatImage = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Spectra = NDArray[np.complex64]
Copies = dict[tuple[Any, ...], Any]
"""Copies and their transforms of pictures that are laid on each other, by picture, layout and size."""

LONGEST_EDGE = 320
"""Pixels of the longer edge of the copies that are correlated: enough for marks and sides."""
MIN_CORRELATION = 0.5
"""Correlation from which two pictures show one membrane."""
MIN_OVERLAP = 0.5
"""Share of the smaller picture's free pixels that must be compared."""
MIN_PIXELS = 400
"""Free pixels of a copy from which on a correlation says something."""
MAX_RIVAL = 0.65
"""Second best correlation over the best from which on the best is one of several: a pattern that repeats."""
LEAST_TURN_DEG = 0.35
"""Pictures whose strips lean more apart are turned: the difference of two leans is known to 0.2° (median of the sample
study, 0.45° at the most), and over half a membrane of 300 px 0.35° move a row by 0.9 px."""
ALIKE = 0.97
"""Correlation from which pictures are not turned, however their strips lean: exposures of a membrane that stayed where
it was reach 0.998, membranes of the sample study that were turned by 0.4° and more at most 0.954."""
MIN_WINDOW_PX = 6
"""Columns at the least on either side of a side."""
MIN_STEP_SDS = 6.0
"""A membrane's side stands out by so many SDs of the profile beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where one picture's points lie in another picture of the membrane: ``scale * turned(point) + (rows, cols)``.

    Attributes
    ----------
    rows, cols : float
        Shift in pixels of the other picture.
    scale : float
        Pixels of the other picture for one of this.
    turn_deg : float
        Turn about the first pixel, positive from the columns' axis towards the rows'.
    """

    rows: float = 0.0
    cols: float = 0.0
    scale: float = 1.0
    turn_deg: float = 0.0

    def at(self, points: ArrayLike) -> Floats:
        """Places of some (row, col) points, shape (..., 2), in the other picture."""
        given = np.asarray(points, dtype=float)
        sine, cosine = np.sin(np.deg2rad(self.turn_deg)), np.cos(np.deg2rad(self.turn_deg))
        row, col = given[..., 0], given[..., 1]
        turned = np.stack([cosine * row + sine * col, cosine * col - sine * row], axis=-1)
        return np.asarray(self.scale * turned + (self.rows, self.cols))

    def since(self, first: Placement) -> Placement:
        """From another picture to this one's, where both placements start at one picture and neither turns."""
        scale = self.scale / first.scale
        return Placement(rows=self.rows - scale * first.rows, cols=self.cols - scale * first.cols, scale=scale)


def place_layout(layout: Layout, placement: Placement) -> Layout:
    """Strips, lanes and bands as they lie in the other picture."""

    def point(p: Point) -> Point:
        row, col = placement.at(p).tolist()
        return row, col

    def outline(o: Polygon) -> Polygon:
        return tuple(point(p) for p in o)

    return replace(
        layout,
        strips=tuple(
            replace(s, outline=outline(s.outline), tilt_deg=s.tilt_deg + placement.turn_deg) for s in layout.strips
        ),
        lanes=tuple(
            replace(
                lane,
                center=tuple(point(p) for p in lane.center),
                widths=tuple(placement.scale * width for width in lane.widths),
            )
            for lane in layout.lanes
        ),
        bands=tuple(replace(b, outline=outline(b.outline), peak=point(b.peak)) for b in layout.bands),
    )


def shift_layout(layout: Layout, rows: float, cols: float) -> Layout:
    """Shift strips, lanes and bands by some pixels."""
    return place_layout(layout, Placement(rows=rows, cols=cols))


def frame_scale(fixed: tuple[int, int], moving: tuple[int, int]) -> float | None:
    """Pixels of `moving` for one of `fixed`, if both are the camera's whole frame, binned or not.

    Parameters
    ----------
    fixed, moving : (int, int)
        Rows and columns of two pictures.

    Returns
    -------
    float or None
        1, a small whole number or its inverse; None for shapes that no binning makes of each other.
    """
    for binning in (1, 2, 3, 4, 6, 8):
        if all(0 <= a - binning * b < binning for a, b in zip(fixed, moving, strict=True)):
            return 1 / binning
        if all(0 <= b - binning * a < binning for a, b in zip(fixed, moving, strict=True)):
            return float(binning)
    return None


def frame_placement(fixed: tuple[int, int], moving: tuple[int, int]) -> Placement | None:
    """The placement that the camera's frame alone gives: the same pixel, binned or not; None for unlike shapes."""
    scale = frame_scale(fixed, moving)
    if scale is None:
        return None
    # The middle of a binned pixel lies between those of the pixels that it is made of.
    half = (scale - 1) / 2
    return Placement(rows=half, cols=half, scale=scale)


def find_sides(signal: FloatImage, layout: Layout, strip: str) -> tuple[float, float] | None:
    """Columns at which a strip's piece of membrane begins and ends.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts, bands bright.
    layout : Layout
        With the strip, its lanes and bands.
    strip : str
        Its id.

    Returns
    -------
    (float, float) or None
        Left and right side; None where one of them does not stand out clearly and alone.

    Notes
    -----
    The median over the rows beside the bands is free of them and of specks; a side is a step between the means of
    windows of a third of a pitch to its left and right, looked for outside the outermost lanes that were found.
    """
    lanes = layout.lanes_of(strip)
    middles = [float(lane.center_at(sum(lane.row_range) / 2)) for lane in lanes]
    if len(lanes) < 2:
        return None
    # Rows beside the bands, half a lane's distance above and below the strip.
    pitch = float(np.median(np.diff(middles)))
    box = bounding_box(layout.strip(strip).outline)
    room = round(pitch / 2)
    top, bottom = max(0, box.row_start - room), min(signal.shape[0], box.row_stop + room)
    free = np.ones(bottom - top, dtype=bool)
    for band in (b for lane in lanes for b in layout.bands_of(lane.id)):
        height = band.box.row_stop - band.box.row_start
        free[max(0, band.box.row_start - height // 2 - top) : max(0, band.box.row_stop + height // 2 - top)] = False
    if free.sum() < 8:
        return None
    profile = np.median(np.asarray(signal[top:bottom], dtype=float)[free], axis=0)
    # A side is a step between the means of two windows.
    width = max(3, round(pitch / 3))
    sums = np.concatenate([[0.0], np.cumsum(profile)])
    at = np.arange(MIN_WINDOW_PX, len(profile) - MIN_WINDOW_PX + 1)
    left, right = np.maximum(at - width, 0), np.minimum(at + width, len(profile))
    steps = (sums[right] - sums[at]) / (right - at) - (sums[at] - sums[left]) / (at - left)
    rough = np.diff(profile)
    noise = MAD_TO_SD * float(np.median(np.abs(rough - np.median(rough)))) / np.sqrt(MIN_WINDOW_PX)
    found = []
    for outside, sign in ((at < middles[0] - 0.3 * pitch, 1.0), (at > middles[-1] + 0.3 * pitch, -1.0)):
        here, height = at[outside], sign * steps[outside]
        if len(here) < 3:
            return None
        best = int(height.argmax())
        others = height[np.abs(here - here[best]) > 1.5 * width]
        rival = float(others.max()) if len(others) else 0.0
        ends = best in (0, len(here) - 1)
        if ends or height[best] < MIN_STEP_SDS * noise or rival > MAX_RIVAL * height[best]:
            return None
        found.append(float(here[best]) - 0.5)
    return found[0], found[1]


def match_content(
    fixed: tuple[FloatImage, Layout],
    moving: tuple[FloatImage, Layout],
    *,
    scale: float = 1.0,
    only_strips: bool = False,
    copies: Copies | None = None,
) -> Placement | None:
    """Lay a picture on another by what is on the membrane beside its bands.

    Parameters
    ----------
    fixed, moving : (ndarray, Layout)
        Counts, shape (H, W) and (h, w), bands bright, and what was found of the membrane in them. The rows of the bands
        are masked over the lanes' whole width: where two probes show other rows, their bands and the light around them
        would be matched to each other.
    scale : float
        Pixels of `moving` for one of `fixed`.
    only_strips : bool
        Whether only the part around the layouts' strips is compared: other pieces may lie elsewhere each time.
    copies : dict, optional
        Keeps the small copies from call to call, where the pictures of a membrane are laid on each other in turn; the
        caller keeps their arrays meanwhile.

    Returns
    -------
    Placement or None
        From `fixed` to `moving`; None where no place matches clearly better than all others.

    Notes
    -----
    Copies of `LONGEST_EDGE` pixels are compared, their details on a scale that strong and weak pictures share, less the
    mean of each row: an edge that runs along the rows says nothing about columns. On pictures of one membrane the
    correlation was 0.65 to 0.93 and the best elsewhere at most 0.57 of it; on pictures of unlike membranes it was below
    0.6 or left less than half of the pixels in common.
    """
    found = _match_content(fixed, moving, scale=scale, only_strips=only_strips, copies=copies)
    return None if found is None else found[1]


def match_turned(
    fixed: tuple[FloatImage, Layout],
    moving: tuple[FloatImage, Layout],
    *,
    scale: float = 1.0,
    copies: Copies | None = None,
) -> Placement | None:
    """Lay a picture on another as `match_content` does, turned by as much as its strips lean more.

    Parameters
    ----------
    fixed, moving, scale, copies
        As for `match_content`.

    Notes
    -----
    Of 32 pairs of the sample study's pictures a shift alone lays the ends of lanes 3.5 px off in the median and 20
    at the most; turned, 1.2 and 2.6, and 2 pairs are not laid (`tools/benchmarks/turned_pairs.py`). How far a strip
    leans is known to about half a degree, so pictures that match as they are (`ALIKE`) are not turned. Whether the
    turned copy matches better does not tell: turned by a degree it often matches less well than the one that was
    not.
    """
    signal, layout = moving
    copies = Copies() if copies is None else copies
    shifted = _match_content(fixed, moving, scale=scale, copies=copies)
    turn_deg = turn_between(fixed[1], layout)
    if turn_deg == 0.0 or (shifted is not None and shifted[0] > ALIKE):
        return None if shifted is None else shifted[1]
    # Turned back, only a shift is left to be found; the copies keep alive what they are of.
    turned, there = turn_picture(signal, turn_deg)
    copies["turned", id(turned)] = back = (turned, turn_layout(layout, there))
    found = _match_content(fixed, back, scale=scale, copies=copies)
    if found is None:
        return None
    cols, rows, _ = np.linalg.inv(there) @ (found[1].cols, found[1].rows, 1.0)
    return Placement(rows=float(rows), cols=float(cols), scale=found[1].scale, turn_deg=turn_deg)


def turn_between(fixed: Layout, moving: Layout) -> float:
    """Degrees by which a layout's strips lean more than another's; 0 for less than `LEAST_TURN_DEG`."""
    tilts = [np.median([strip.tilt_deg for strip in of.strips] or [0.0]) for of in (fixed, moving)]
    turn_deg = float(tilts[1] - tilts[0])
    return turn_deg if abs(turn_deg) >= LEAST_TURN_DEG else 0.0


def _match_content(
    fixed: tuple[FloatImage, Layout],
    moving: tuple[FloatImage, Layout],
    *,
    scale: float,
    only_strips: bool = False,
    copies: Copies | None = None,
) -> tuple[float, Placement] | None:
    """The correlation and the place that `match_content` finds."""
    from scipy import fft

    step, copies = max(fixed[0].shape) / LONGEST_EDGE, {} if copies is None else copies
    keys: list[tuple[Any, ...]] = []
    for (signal, layout), per_pixel in ((fixed, step), (moving, step * scale)):
        keys.append((id(signal), id(layout), per_pixel, only_strips))
        if keys[-1] not in copies:
            copies[keys[-1]] = _content_copy(signal, layout, per_pixel, only_strips=only_strips)
    masks = [copies[key][1] for key in keys]
    n_free = min(int(mask.sum()) for mask in masks)
    if n_free < MIN_PIXELS:
        return None
    shape = [max(sizes) for sizes in zip(*(mask.shape for mask in masks), strict=True)]
    padded = tuple(fft.next_fast_len(2 * n - 1, real=True) for n in shape)
    for key in keys:
        if (*key, padded) not in copies:
            detail, mask = copies[key]
            copies[*key, padded] = fft.rfft2(np.array([mask, detail, detail**2], dtype=np.float32), padded)
    first, second = (copies[*key, padded] for key in keys)
    found = _correlate_masked(first, second, padded, least=MIN_OVERLAP * n_free)
    # Shifts below 0 lie at the map's ends.
    row, col = np.unravel_index(int(found.argmax()), found.shape)
    rows, cols = (int(n) - full * (n > full // 2) for n, full in zip((row, col), found.shape, strict=True))
    best = float(found[row, col])
    # Rivals: a pattern that repeats along the rows, such as lanes, is as high one lane further.
    near = [r for r in range(rows - _NEAR_PX, rows + _NEAR_PX + 1, 2) if abs(r) < shape[0]]
    aside = np.arange(-(shape[1] // 2), shape[1] // 2 + 1, 3) + cols
    aside = aside[(np.abs(aside - cols) > _NEAR_PX) & (np.abs(aside) < shape[1])]
    if best < MIN_CORRELATION or float(found[np.ix_(near, aside)].max(initial=0.0)) > MAX_RIVAL * best:
        return None
    unit = step * scale
    half = (scale - 1) / 2
    return best, Placement(rows=rows * unit + half, cols=cols * unit + half, scale=scale)


_NEAR_PX = 6
"""Columns of the copies within which a peak of the correlation is one and the same."""


def _beside_bands(layout: Layout, shape: tuple[int, int], *, only_strips: bool) -> NDArray[np.bool_]:
    """True around the strips, or everywhere, but for their rows of bands over the whole width of the lanes."""
    free = np.full(shape, not only_strips, dtype=bool)
    for strip in layout.strips:
        box, (_, _, room) = bounding_box(strip.outline), _span_of(layout, strip.id)
        free[max(0, box.row_start - room) : max(0, box.row_stop + room)] = True
    for strip in layout.strips:
        left, right, room = _span_of(layout, strip.id)
        for band in (b for lane in layout.lanes_of(strip.id) for b in layout.bands_of(lane.id)):
            more = round(0.8 * (band.box.row_stop - band.box.row_start))
            top, bottom = max(0, band.box.row_start - more), max(0, band.box.row_stop + more)
            free[top:bottom, max(0, left - room // 2) : max(0, right + room // 2)] = False
    return free


def _span_of(layout: Layout, strip: str) -> tuple[int, int, int]:
    """First and last column of a strip's lanes, and the distance of two of them."""
    boxes = [bounding_box(lane.outline) for lane in layout.lanes_of(strip)]
    left, right = min(box.col_start for box in boxes), max(box.col_stop for box in boxes)
    return left, right, (right - left) // len(boxes)


def _content_copy(
    signal: FloatImage, layout: Layout, per_pixel: float, *, only_strips: bool
) -> tuple[Floats, NDArray[np.bool_]]:
    """Edges and marks beside a picture's bands, on a scale that strong and weak ones share; and where they count."""
    from skimage.transform import resize

    size = tuple(max(8, round(n / per_pixel)) for n in signal.shape)
    coarse = resize(np.asarray(signal, dtype=np.float32), size, order=1, anti_aliasing=per_pixel > 1)
    # Whether bands are beside each pixel of the copy: as at its middle.
    middles = [((np.arange(n) + 0.5) * whole / n).astype(int) for n, whole in zip(size, signal.shape, strict=True)]
    mask = _beside_bands(layout, (signal.shape[0], signal.shape[1]), only_strips=only_strips)[np.ix_(*middles)]
    smooth = median_of_nine(coarse)  # a hot pixel belongs to the camera
    detail = ndimage.gaussian_filter(smooth, 1.5) - ndimage.gaussian_filter(smooth, 9.0)
    detail = np.arcsinh(detail / (3 * max(float(np.median(np.abs(detail))), 1e-9))) * mask
    rows = detail.sum(axis=1, keepdims=True) / np.maximum(mask.sum(axis=1, keepdims=True), 1)
    return (detail - rows) * mask, mask


def _correlate_masked(first: Spectra, second: Spectra, shape: tuple[int, ...], *, least: float) -> Floats:
    """Correlation of two masked pictures for every shift of the first over the second.

    Parameters
    ----------
    first, second : ndarray, shape (3, ...)
        Transforms of a picture's mask, of its values inside (0 outside), and of their squares, padded to `shape`.
    shape : tuple of int
        Rows and columns of the map.
    least : float
        Fewest pixels that both must show.

    Returns
    -------
    ndarray
        By shift of rows and columns, negative ones from the end; 0 where too little is shared.

    Notes
    -----
    Padfield's masked correlation. `skimage.registration.phase_cross_correlation` finds the same place, but keeps the
    map, in which the rivals are looked up here, and transforms real pictures as complex ones, both anew for each pair:
    28 pairs of 17 pictures took 2.9 s with it and take 1.0 s. Single precision is enough for a threshold of 0.5.
    """
    from scipy import fft

    pairs = ((0, 0), (1, 0), (0, 1), (2, 0), (0, 2), (1, 1))
    n, x, y, xx, yy, xy = fft.irfft2([first[i].conj() * second[j] for i, j in pairs], shape)
    enough = n > max(least, 1.0) - 0.5
    n = np.where(enough, n, 1.0)
    size = np.sqrt(np.maximum(xx - x * x / n, 0) * np.maximum(yy - y * y / n, 0))
    known = enough & (size > 1e-9)
    return np.where(known, (xy - x * y / n) / np.where(known, size, 1.0), 0.0).astype(float)

"""A picture as a whole: which part of it shows something, the contrast to look at it with, which way its signal runs.

Flat frames, paddings and margins around a picture are no part of what it shows.

Whether bands are brighter or darker than the membrane is judged from the pixels, piece of membrane by piece. Bands are
small beside the membrane, so what is left after taking off a broad background leans to one side: to the bright side for
light on dark, to the dark side for stained or film pictures. A frame, the ground between two pieces of membrane and
white margins would lean too, by far more than any band. So the picture is first divided into its surfaces (flat areas
of one level: membranes, ground, margins), and each surface is judged by itself, with everything else replaced by the
nearest of its own pixels. The energies of all surfaces are added; two surfaces that each lean clearly and to opposite
sides make the answer a doubt.

The file's photometric tag says how to *display* zero, which is another question (some imagers write "white is zero"
over values that already are signal), so it is recorded but not asked.

References
----------
docs/methods.md, section "Polarity".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from blotquant.imaging.robust import levels_of
from blotquant.model.geometry import Box
from blotquant.model.image import Polarity

MARGIN_STEPS = 2.5
"""Range of all but a few pixels of a flat row or column, in steps of the stored counts: a constant, or one in JPEG."""
MARGIN_SHARE = 0.01
"""Of the picture's range, where it has few levels."""
FEW = 2.0
"""Percent of the pixels of a flat row or column, at either end, that may be anything."""
SAMPLES = 500
"""Pixels of a row or column that are looked at, at the most."""
NEAR = 0.05
"""Of the picture's range: how far from its darkest or brightest count a frame or a margin lies at the most."""
ROOM = 0.25
"""Of the height and width that is left: bare membrane that is kept beside it."""

UNCERTAIN_BELOW = 0.8
"""Guesses with less confidence raise `polarity_uncertain`."""

_LONGEST = 140
"""px of the reduced picture's longer side: bands stay wider than a pixel, the median stays cheap."""
_WINDOW = 25
"""px of the reduced picture: more than twice the height of a band, and wider than a lane."""
_NOISE_SDS = 3.0
"""What counts as energy stands this many noise SDs out."""
_STEEPNESS = 2.5
"""How fast the confidence rises with the balance: 0.8 at a quarter of it."""
_FULL_EVIDENCE = 1000
"""px of the reduced picture from which on they prove something, however one-sided."""

_FLAT_STEPS = 2.5
"""Steps between neighbours, in median steps, up to which a pixel is part of a flat area."""
_FLAT_RANGE = 0.05
"""The same in the picture's range: the ground may be much less noisy than the membrane."""
_SMALLEST_SURFACE = 0.008
"""Share of the picture that a surface covers at least."""
_LARGE_SURFACE = 0.1
"""Share of the picture from which on any flat area is a surface."""
_WIDE_SURFACE = 0.35
"""Share of the picture's width that a strip of membrane spans, and a saturated band does not."""
_THIN = 5
"""px of the reduced picture: bands that run together are no higher where they are flat; a strip is."""
_FRAME_SIDES = 0.9
"""Share of the picture's four sides that a frame around it covers."""
_FRAME_RANGE = 0.005
"""Share of the picture's range that a frame varies by, on which no membrane lies."""
_ONE_LEVEL = 0.01
"""Surfaces whose levels differ by this share of the range are one, as are those within four of their own deviations."""
_BLUR = 7
"""px of the reduced picture over which the edge between two surfaces is blurred."""
_TOLERANCE = 0.02
"""Share of the range by which pixels of such an edge lie outside the two levels."""
_CLEAR_LEAN = 0.44
"""Balance from which on a surface is sure (confidence 0.9)."""
_CONTRADICTION = 0.12
"""Share of the energy on surfaces that surely lean the other way which makes the answer a doubt."""
_DOUBT = 0.25
"""Balance that is left of a contradicted answer: confidence 0.78."""

Plane = NDArray[np.float64]
Mask = NDArray[np.bool_]


def content_box(signal: NDArray[np.floating[Any]], levels: NDArray[np.floating[Any]] | None = None) -> Box:
    """Find the part of a picture that is left when flat rows and columns at its edges are cut away.

    Frames and paddings inside each other are all cut. Of a dark margin, which may be bare membrane, some room is kept.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts with bands bright, on any scale.
    levels : ndarray, optional
        Its `blotquant.imaging.robust.levels_of`, where they are known.

    Returns
    -------
    Box
        The whole picture where it has no such edge, or nothing but such.
    """
    box = Box(0, signal.shape[0], 0, signal.shape[1])
    levels = levels_of(signal) if levels is None else levels
    if len(levels) < 2:
        return box
    # Flat is what strays by rounding or JPEG alone; frames and margins are near the darkest or brightest count.
    low, high = float(levels[0]), float(levels[-1])
    flat = min(MARGIN_STEPS * float(np.diff(levels).min()), MARGIN_SHARE * (high - low))
    near = NEAR * (high - low)
    # Margins are taken off from outside inwards until none is left: a frame may lie in a padding.
    while True:
        part = signal[box.slices]
        ends = part[[0, -1]], part[:, [0, -1]].T
        if not any(_is_margin(x, flat, (low + near, high - near)).any() for x in ends):
            break
        lines = part[:, :: max(1, part.shape[1] // SAMPLES)], part[:: max(1, len(part) // SAMPLES)].T
        rows, cols = (np.flatnonzero(~_is_margin(x, flat, (low + near, high - near))) for x in lines)
        if len(rows) == 0 or len(cols) == 0:
            break
        inner = Box(
            box[0] + int(rows[0]), box[0] + int(rows[-1]) + 1, box[2] + int(cols[0]), box[2] + int(cols[-1]) + 1
        )
        if inner == box:
            break
        box = inner
    # Some room is given back where it holds nothing: bands at the edge need it.
    down, across = int(ROOM * (box[1] - box[0])), int(ROOM * (box[3] - box[2]))
    beside_rows, beside_cols = signal[box.slices[0]].T, signal[:, box.slices[1]]
    return Box(
        box[0] - _bare(beside_cols[: box[0]][::-1][:down], low + near),
        box[1] + _bare(beside_cols[box[1] :][:down], low + near),
        box[2] - _bare(beside_rows[: box[2]][::-1][:across], low + near),
        box[3] + _bare(beside_rows[box[3] :][:across], low + near),
    )


def is_mostly_at(signal: NDArray[np.floating[Any]], count: float) -> bool:
    """Whether more than half of a picture reaches a count, frames and margins left out.

    Parameters
    ----------
    signal : ndarray, shape (H, W)
        Counts with bands bright, on any scale.
    count : float
        Such as the detector's ceiling: a black frame around dark bands lies there, and says nothing of them.
    """
    if np.count_nonzero(signal >= count) <= 0.5 * signal.size:
        return False
    part = signal[content_box(signal).slices]
    return bool(np.count_nonzero(part >= count) > 0.5 * part.size)


def _is_margin(lines: NDArray[np.floating[Any]], flat: float, ends: tuple[float, float]) -> NDArray[np.bool_]:
    """Which of some lines are flat, and close to the darkest or brightest count."""
    least, middle, most = np.percentile(lines, [FEW, 50, 100 - FEW], axis=1)
    return np.asarray((most - least <= flat) & ((middle <= ends[0]) | (middle >= ends[1])))


def _bare(lines: NDArray[np.floating[Any]], most: float) -> int:
    """How many lines there are before the first that is brighter than bare membrane."""
    bright = np.flatnonzero(np.median(lines[:, :: max(1, lines.shape[1] // SAMPLES)], axis=1) > most)
    return int(bright[0]) if len(bright) else len(lines)


def contrast_limits(signal: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """First contrast for looking: from the background to the bands, leaving out specks."""
    step = max(1, int(np.sqrt(signal.size / 250_000)))
    seen = signal[::step, ::step]
    seen = seen[np.isfinite(seen)]
    if seen.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(seen, (1.0, 99.7)))
    return (low, high) if high > low else (low, low + 1.0)


def guess_polarity(pixels: NDArray[Any]) -> tuple[Polarity, float]:
    """Guess the direction of the signal.

    Parameters
    ----------
    pixels : ndarray, shape (H, W)
        Stored values of any real type. Not-finite ones are left out.

    Returns
    -------
    polarity : {"bright", "dark"}
        ``"bright"`` if nothing leans either way.
    confidence : float
        0.5 (a coin) to 1. It is the same for a picture times any factor, and the negative of an integer picture gives
        the opposite answer with exactly the same confidence.

    Notes
    -----
    Of 400 plain pictures of one to three pieces on lighter, darker or equal ground, with and without frames and
    margins, 395 are told rightly and 3 wrongly with confidence above 0.8; judged as a whole, 325 and 70
    (``tools/benchmarks/polarity_pieces.py``).
    """
    reduced = _reduce(pixels)
    # One surface is judged as a whole; of several each by itself.
    surfaces = _find_surfaces(reduced)
    if surfaces.max() < 2:
        bright, dark, noise = _energies(_stand_out(reduced))
        lean = _balance(bright, dark, noise)
    else:
        parts = _surface_energies(reduced, surfaces)  # less those of a frame: it is no membrane
        bright, dark, noise = parts.sum(axis=0)
        lean = _balance(bright, dark, noise)
        leans = np.array([_balance(*part) for part in parts])
        energy = parts[:, :2].sum(axis=1)
        # Surfaces that surely lean to opposite sides make the answer a doubt.
        sure = [float(energy[side].sum()) for side in (leans > _CLEAR_LEAN, leans < -_CLEAR_LEAN)]
        if min(sure) > _CONTRADICTION * (bright + dark):
            lean = float(np.clip(lean, -_DOUBT, _DOUBT))
    lean *= min(1.0, reduced.size / _FULL_EVIDENCE)
    confidence = round(0.5 * (1.0 + float(np.tanh(_STEEPNESS * abs(lean)))), 3)
    return ("dark" if lean < 0 else "bright"), confidence


def _reduce(pixels: NDArray[Any]) -> Plane:
    """Shrink by summing blocks: exact for integers, so that a picture and its negative stay exact opposites."""
    factor = max(1, min(-(-max(pixels.shape) // _LONGEST), min(pixels.shape) // 40))
    rows, cols = (size // factor for size in pixels.shape)
    blocks = pixels[: rows * factor, : cols * factor].reshape(rows, factor, cols, factor)
    if np.issubdtype(pixels.dtype, np.integer):
        if pixels.dtype.itemsize <= 2:  # rows first, in a type that vectorizes: the same sums in a fifth of the time
            blocks = blocks.sum(axis=1, dtype=np.int32, keepdims=True)
        return np.asarray(blocks.sum(axis=(1, 3), dtype=np.int64), np.float64)
    sums = np.asarray(blocks.sum(axis=(1, 3), dtype=np.float64))
    if np.isfinite(sums).all():
        return sums
    finite = np.isfinite(pixels)
    fill = float(np.median(pixels[finite])) if finite.any() else 0.0
    return np.asarray(np.where(np.isfinite(blocks), blocks, fill).sum(axis=(1, 3), dtype=np.float64))


def _find_surfaces(reduced: Plane) -> NDArray[np.intp]:
    """Number the flat areas of a picture by level, darkest first; 0 where there is none.

    A surface is large, or as wide as a strip, or holds islands (bands), or lies along a side of the picture. Areas of
    one level share a number: bands may divide a strip into an upper and a lower part.
    """
    low, high = np.percentile(reduced, [0.5, 99.5])
    steps = ndimage.maximum_filter(reduced, 3) - ndimage.minimum_filter(reduced, 3)
    # Areas without steps: paper, frame, membrane.
    labels, n_areas = ndimage.label(steps <= max(_FLAT_STEPS * float(np.median(steps)), _FLAT_RANGE * (high - low)))
    height, width = reduced.shape
    found = []
    for k, (rows, cols) in enumerate(ndimage.find_objects(labels), 1):
        own = labels[rows, cols] == k
        area = int(np.count_nonzero(own))
        if area < _SMALLEST_SURFACE * reduced.size:
            continue
        # An area is a surface when it is large, long, fills a side of the picture, or encloses what lies on it.
        sides = [own[0].mean() * own.shape[1] / width] if rows.start == 0 else []
        sides += [own[-1].mean() * own.shape[1] / width] if rows.stop == height else []
        sides += [own[:, 0].mean() * own.shape[0] / height] if cols.start == 0 else []
        sides += [own[:, -1].mean() * own.shape[0] / height] if cols.stop == width else []
        is_strip = own.shape[1] >= _WIDE_SURFACE * width and own.shape[0] >= _THIN
        if (
            area >= _LARGE_SURFACE * reduced.size
            or is_strip
            or max(sides, default=0.0) >= 0.5
            or ndimage.label(ndimage.binary_fill_holes(own) & ~own)[1] >= 2
        ):
            values = reduced[rows, cols][own]
            level = float(np.median(values))
            found.append((level, float(np.median(np.abs(values - level))), k))
    # Surfaces of about one level are one.
    numbers = np.zeros(n_areas + 1, dtype=np.intp)
    before = None
    for level, deviation, k in sorted(found):
        alike = before is not None and level - before[0] <= max(
            4 * max(deviation, before[1]), _ONE_LEVEL * (high - low)
        )
        numbers[k] = numbers.max() + (0 if alike else 1)
        before = level, deviation
    return np.asarray(numbers[labels])


def _surface_energies(reduced: Plane, surfaces: NDArray[np.intp]) -> Plane:
    """Bright, dark and noise energy of each piece of each surface, shape (n, 3).

    What lies on no surface (a band) belongs to the nearest one, unless it is an edge: a pixel near two surfaces with a
    value between their levels, or a drawn frame.
    """
    nearest = ndimage.distance_transform_edt(surfaces == 0, return_distances=False, return_indices=True)
    home = surfaces[tuple(nearest)]
    flat = surfaces > 0
    highest = ndimage.maximum_filter(np.where(flat, reduced, -np.inf), _BLUR)
    lowest = ndimage.minimum_filter(np.where(flat, reduced, np.inf), _BLUR)
    most = ndimage.maximum_filter(surfaces, _BLUR)
    least = ndimage.minimum_filter(np.where(flat, surfaces, surfaces.max() + 1), _BLUR)
    slack = _TOLERANCE * float(np.subtract(*np.percentile(reduced, [99.5, 0.5])))
    edge = ~flat & (most > least) & (reduced <= highest + slack) & (reduced >= lowest - slack)
    islands, _ = ndimage.label(~flat & ~edge, np.ones((3, 3)))
    for k, box in enumerate(ndimage.find_objects(islands), 1):
        own = islands[box] == k
        # A line around something: as high and as wide as much of the picture, and empty.
        if own.shape[0] > 0.5 * reduced.shape[0] and own.shape[1] > 0.5 * reduced.shape[1] and own.mean() < 0.5:
            edge |= islands == k
    energies = []
    for number in range(1, int(surfaces.max()) + 1):
        if _is_frame(reduced, surfaces == number):
            continue
        own = (home == number) & ~edge
        filled = ndimage.distance_transform_edt(~own, return_distances=False, return_indices=True)
        residual = _stand_out(reduced[tuple(filled)])
        pieces, n_pieces = ndimage.label(own)
        sizes = np.bincount(pieces.ravel())
        large = [k for k in range(1, n_pieces + 1) if sizes[k] >= 0.01 * reduced.size]
        energies += [_energies(residual[pieces == k]) for k in large]
    return np.asarray(energies, dtype=np.float64).reshape(-1, 3)


def _is_frame(reduced: Plane, own: Mask) -> bool:
    """Whether a surface is a flat frame: along most of the picture's sides, and nothing small lies on it."""
    sides = np.concatenate([own[0], own[-1], own[:, 0], own[:, -1]])
    if sides.mean() < _FRAME_SIDES:
        return False
    # Bands are small holes in a membrane; a frame encloses pieces of membrane alone.
    holes = np.bincount(ndimage.label(ndimage.binary_fill_holes(own) & ~own)[0].ravel())[1:]
    if len(holes) == 0 or holes.min() < _LARGE_SURFACE * own.size:
        return False
    most = float(np.subtract(*np.percentile(reduced, [99.5, 0.5])))
    return float(np.subtract(*np.percentile(reduced[own], [98, 2]))) <= _FRAME_RANGE * most


def _stand_out(reduced: Plane) -> Plane:
    """Take off a broad background and lone specks.

    What stands out both from its column and from its wider surroundings is kept, by the lesser amount: together the
    two see neither membrane corners nor straight frames as bands.
    """
    # Only odd windows have a middle value, which keeps the filter exactly symmetric under negation.
    height, width = (max(3, int(min(0.6 * size, _WINDOW)) // 2 * 2 + 1) for size in reduced.shape)
    column = _running_median(reduced.T, height).T
    around = _running_median(column, width)
    from_column, from_around = reduced - column, reduced - around
    agreed = np.where(from_column * from_around > 0, np.minimum(np.abs(from_column), np.abs(from_around)), 0.0)
    return median_of_nine(np.copysign(agreed, from_column))


def median_of_nine(image: Plane) -> Plane:
    """Median of each pixel and its eight neighbours, the edge repeated.

    Notes
    -----
    What `scipy.ndimage.median_filter` gives, in a tenth of the time: the median of the greatest least, the middle
    middle and the least greatest of sorted columns of three.
    """
    high, wide = image.shape
    padded = np.pad(image, 1, mode="edge")
    low, middle, top = _sorted_three(*(padded[k : k + high] for k in range(3)))
    lows, middles, tops = ([part[:, k : k + wide] for k in range(3)] for part in (low, middle, top))
    return _sorted_three(_sorted_three(*lows)[2], _sorted_three(*middles)[1], _sorted_three(*tops)[0])[1]


def _sorted_three(a: Plane, b: Plane, c: Plane) -> tuple[Plane, Plane, Plane]:
    """The least, the middle and the greatest of three images, pixel by pixel."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.minimum(low, c), np.maximum(low, np.minimum(high, c)), np.maximum(high, c)


def _running_median(lines: Plane, window: int) -> Plane:
    """Median along each row, ends repeated: all rows in one line, which scipy filters far faster than a plane."""
    reach = window // 2
    padded = np.pad(lines, ((0, 0), (reach, reach)), mode="edge")
    filtered = ndimage.median_filter(padded.ravel(), size=window, mode="nearest")
    return np.asarray(filtered.reshape(padded.shape)[:, reach:-reach])


def _energies(residual: Plane) -> tuple[float, float, float]:
    """Energy beyond the noise on the bright and on the dark side, and that which keeps a blank at a coin's odds."""
    # What stands out by less than the noise does is no energy.
    noise = 1.4826 * float(np.median(np.abs(residual)))
    beyond = np.maximum(np.abs(residual) - _NOISE_SDS * noise, 0.0) ** 2
    # Noise alone puts about 0.001 of its energy beyond the threshold; ten times that is added to the whole.
    return float(beyond[residual > 0].sum()), float(beyond[residual < 0].sum()), 0.01 * residual.size * noise**2


def _balance(bright: float, dark: float, noise: float) -> float:
    """Balance of bright against dark energy, -1 to 1; about 0 where only noise is left."""
    total = bright + dark + noise
    return float((bright - dark) / total) if total > 0 else 0.0

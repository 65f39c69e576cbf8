"""Light that is no band: membranes against their frame, haze, grain, the smears of whole lanes, and debris.

Debris of the bench are specks, scratches, bubbles, folds, hot pixels and numbers written by hand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from blotquant.model.geometry import Polygon, polygon
from blotquant.synthetic.spec import BlotSpec, DebrisSpec, StripSpec

Floats = NDArray[np.float64]
Grid = tuple[Floats, Floats]

_MASSES = ("100", "75", "50", "37", "25", "20", "15", "10")
# Corners of the strokes of each digit in a unit box, (down, right).
_DIGITS: dict[str, list[tuple[float, float]]] = {
    "0": [(0, 0.5), (0.3, 0), (0.7, 0), (1, 0.5), (0.7, 1), (0.3, 1), (0, 0.5)],
    "1": [(0.2, 0.3), (0, 0.6), (1, 0.6)],
    "2": [(0.2, 0), (0, 0.5), (0.3, 1), (1, 0), (1, 1)],
    "3": [(0, 0), (0, 1), (0.4, 0.4), (0.7, 1), (1, 0.4), (0.9, 0)],
    "4": [(1, 0.7), (0, 0.7), (0.65, 0), (0.65, 1)],
    "5": [(0, 1), (0, 0), (0.45, 0), (0.5, 0.8), (0.85, 0.9), (1, 0)],
    "6": [(0, 0.8), (0.4, 0.1), (0.9, 0.1), (1, 0.8), (0.6, 1), (0.5, 0.2)],
    "7": [(0, 0), (0, 1), (1, 0.3)],
    "8": [(0.45, 0.5), (0.2, 0), (0, 0.5), (0.2, 1), (0.7, 0), (1, 0.5), (0.7, 1), (0.45, 0.5)],
}


def pixel_grid(shape: tuple[int, int]) -> Grid:
    """Row and column of every pixel's centre."""
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    return rows, cols


def pixels_of(window: tuple[slice, slice]) -> Grid:
    """Row and column of every pixel of a window."""
    rows, cols = np.mgrid[window].astype(np.float64)
    return rows, cols


def strip_outline(strip: StripSpec, rng: np.random.Generator) -> Polygon:
    """Corners of a strip as it was cut, clockwise from the top left, in the picture; half of them lack a corner."""
    top, bottom, left, right = strip.box
    corners = np.array([(top, left), (top, right), (bottom, right), (bottom, left)], dtype=float) - 0.5
    corners += strip.ragged_px * rng.uniform(-1, 1, (4, 2))
    cut = strip.ragged_px * rng.uniform(0, 5)
    if cut > 2 and rng.random() < 0.5:  # marks which way up the membrane was
        corners = np.vstack([corners[0] + (cut, 0), corners[0] + (0, cut), corners[1:]])
    return polygon(np.column_stack(strip.to_picture(corners[:, 0], corners[:, 1])))


def inside(outline: Polygon, grid: Grid, *, soft_px: float = 0.7) -> Floats:
    """Cover of each pixel by a convex outline, 0 to 1, with a soft edge."""
    corners = np.asarray(outline)
    cover = np.ones(grid[0].shape)
    for (r0, c0), (r1, c1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = float(np.hypot(r1 - r0, c1 - c0))
        depth = ((grid[0] - r0) * (c1 - c0) - (grid[1] - c0) * (r1 - r0)) / length
        cover *= 1 / (1 + np.exp(-np.clip(depth / soft_px, -50, 50)))
    return cover


def clouds(shape: tuple[int, int], length_px: float, rng: np.random.Generator) -> Floats:
    """Smooth random field of mean 0 and SD 1, correlated over `length_px`."""
    # Drawn on a coarse grid, as fine as the clouds ask for, and interpolated.
    step = max(int(length_px // 4), 1)
    coarse = tuple(int(np.ceil(n / step)) + 8 for n in shape)
    field = gaussian_filter(rng.standard_normal(coarse), length_px / step, mode="reflect")
    field = (field - field.mean()) / max(float(field.std()), 1e-12)
    if step == 1:
        return np.asarray(field[4 : shape[0] + 4, 4 : shape[1] + 4])
    rows = 4 + np.arange(shape[0]) / step
    cols = 4 + np.arange(shape[1]) / step
    along = np.array([np.interp(rows, np.arange(field.shape[0]), column) for column in field.T]).T
    return np.array([np.interp(cols, np.arange(field.shape[1]), line) for line in along])


def render_surface(spec: BlotSpec, covers: list[Floats], rng: np.random.Generator) -> Floats:
    """Light of everything but bands and debris, counts per second.

    Parameters
    ----------
    spec : BlotSpec
        The scene.
    covers : list of ndarray
        Cover of the picture by each strip, 0 to 1.
    rng : Generator
        Draws clouds and grain.
    """
    surface = spec.surface
    rows, cols = pixel_grid(spec.shape)
    # A slope over the whole picture; haze and grain on the membranes alone.
    down, right = rows / max(spec.shape[0] - 1, 1) - 0.5, cols / max(spec.shape[1] - 1, 1) - 0.5
    light = surface.base + surface.gradient[0] * down + surface.gradient[1] * right
    haze = surface.haze * clouds(spec.shape, surface.haze_px, rng) if surface.haze > 0 else np.zeros(spec.shape)
    grain = 1 + surface.texture * clouds(spec.shape, surface.texture_px, rng)
    for strip, cover in zip(spec.strips, covers, strict=True):
        light = light + cover * ((strip.level + haze) * grain + _smears(spec, strip, rng))
    return np.maximum(light, 0.0)


def _smears(spec: BlotSpec, strip: StripSpec, rng: np.random.Generator) -> Floats:
    """Unspecific light of each lane of a strip, uneven along it."""
    light = np.zeros(spec.shape)
    if not any(lane.smear for lane in strip.lanes):
        return light
    rows, cols = pixel_grid(spec.shape)
    y, x = strip.to_upright(rows, cols)
    # Unevenness that all lanes share, as unspecific proteins have one height in all.
    shared = rng.standard_normal(64)
    for lane in strip.lanes:
        near = np.abs(x - strip.lane_center(lane, y)) < lane.width / 2 + 60
        depth = lane.width / 2 - np.abs(x[near] - strip.lane_center(lane, y[near]))
        cover = np.asarray(1 / (1 + np.exp(-np.clip(depth / 2.5, -50, 50))))
        light[near] += lane.smear * cover * _uneven(y[near], shared, spec.surface.smear_px, rng)
    return light


def _uneven(y: Floats, shared: Floats, length_px: float, rng: np.random.Generator) -> Floats:
    """Factor around 1 along the lane: mostly shared by all lanes, as unspecific proteins are.

    Heights a length apart are joined by half a cosine wave each: nothing in it is as sharp as a band.
    """
    heights = np.clip(1 + 0.35 * shared + 0.12 * rng.standard_normal(len(shared)), 0.1, None)
    place = np.clip(y / length_px + 8, 0, len(heights) - 1.001)
    first = place.astype(int)
    ease = (1 - np.cos(np.pi * (place - first))) / 2
    return np.asarray(heights[first] * (1 - ease) + heights[first + 1] * ease)


def render_debris(spec: BlotSpec, covers: list[Floats], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Light that debris adds (counts per second), and the share of surface light that it lets through.

    Debris darkens the surface only: the light of the bands stays exactly what the truth says.
    """
    debris, grid = spec.debris, pixel_grid(spec.shape)
    added, through = np.zeros(spec.shape), np.ones(spec.shape)
    for _ in range(debris.specks):
        size, height = rng.uniform(0.7, 2.2), debris.strength * rng.lognormal(0, 0.7)
        place = _place(spec, rng)
        window = tuple(slice(max(int(v) - 16, 0), int(v) + 17) for v in place)
        near = (grid[0][window], grid[1][window])
        added[window] += height * np.exp(-_distance2(near, place) / (2 * size**2))
    for _ in range(debris.scratches):
        added += debris.strength * rng.uniform(0.3, 1) * _line(grid, _place(spec, rng), rng.uniform(20, 90), rng)
    for _ in range(debris.bubbles):
        size = rng.uniform(4, 14)
        edge = (np.sqrt(_distance2(grid, _place(spec, rng))) - size) / 1.2
        disc = 1 / (1 + np.exp(np.clip(edge, -50, 50)))
        through *= 1 - rng.uniform(0.3, 0.8) * disc
    for _ in range(debris.folds):
        added += rng.uniform(0.02, 0.12) * debris.strength * _half_plane(grid, _place(spec, rng), rng)
    _write_numbers(spec, covers, through, rng)
    return added, through


def render_hot_pixels(shape: tuple[int, int], debris: DebrisSpec, rng: np.random.Generator) -> Floats:
    """Single pixels that are too bright by the same counts whatever the exposure."""
    light = np.zeros(shape)
    rows, cols = rng.integers(0, shape[0], debris.dust), rng.integers(0, shape[1], debris.dust)
    light[rows, cols] = debris.hot * rng.lognormal(0, 0.8, debris.dust)
    return light


def _place(spec: BlotSpec, rng: np.random.Generator) -> tuple[float, float]:
    return float(rng.uniform(0, spec.shape[0])), float(rng.uniform(0, spec.shape[1]))


def _distance2(grid: Grid, place: tuple[float, float]) -> Floats:
    return (grid[0] - place[0]) ** 2 + (grid[1] - place[1]) ** 2


def _line(grid: Grid, start: tuple[float, float], length: float, rng: np.random.Generator) -> Floats:
    angle = rng.uniform(0, 2 * np.pi)
    along = (grid[0] - start[0]) * np.sin(angle) + (grid[1] - start[1]) * np.cos(angle)
    across = (grid[1] - start[1]) * np.sin(angle) - (grid[0] - start[0]) * np.cos(angle)
    return np.where((along > 0) & (along < length), np.exp(-(across**2) / 1.5), 0.0)


def _half_plane(grid: Grid, place: tuple[float, float], rng: np.random.Generator) -> Floats:
    angle = rng.choice([0.0, np.pi / 2, np.pi, -np.pi / 2]) + rng.normal(0, 0.1)
    depth = (grid[0] - place[0]) * np.sin(angle) + (grid[1] - place[1]) * np.cos(angle)
    return np.asarray(1 / (1 + np.exp(-np.clip(depth / 1.2, -50, 50))))


def _write_numbers(spec: BlotSpec, covers: list[Floats], through: Floats, rng: np.random.Generator) -> None:
    """Darken strokes and hand-written numbers beside the outer lanes, where masses are noted."""
    for strip, cover in zip(spec.strips, covers, strict=True):
        if not strip.lanes:
            continue
        left = min(lane.center - 0.5 * lane.width for lane in strip.lanes)
        right = max(lane.center + 0.5 * lane.width for lane in strip.lanes)
        on_left = rng.random() < 0.5
        for row, text in _marks(strip, spec.debris.pencil, rng):
            col = left - rng.uniform(30, 38) if on_left else right + rng.uniform(12, 20)
            mark = _written(spec.shape, strip, (row, float(col)), text, rng)
            through *= 1 - 0.6 * np.clip(mark, 0, 1) * cover


def _marks(strip: StripSpec, count: int, rng: np.random.Generator) -> list[tuple[float, str]]:
    """Rows and numbers to write: masses of the strip's own ladder, or of one that was cut off."""
    ladder = [(row.row, f"{row.mw_kda:g}") for row in strip.rows if row.target == "ladder" and row.mw_kda]
    if ladder:
        chosen = rng.choice(len(ladder), min(count, len(ladder)), replace=False)
        return [ladder[k] for k in sorted(chosen)]
    rows = np.sort(rng.uniform(strip.box[0] + 10, strip.box[1] - 10, count))
    return [(float(row), _MASSES[k % len(_MASSES)]) for k, row in enumerate(rows)]


def _written(
    shape: tuple[int, int], strip: StripSpec, place: tuple[float, float], text: str, rng: np.random.Generator
) -> Floats:
    """A number with a stroke under or beside it, in a shaky hand."""
    size, lean = rng.uniform(6, 9), rng.normal(0, 0.15)
    points = []
    for k, digit in enumerate(text):
        corners = np.array(_DIGITS[digit], dtype=float) + rng.normal(0, 0.08, (len(_DIGITS[digit]), 2))
        # Points closer than a pixel along the line through the corners.
        at = np.linspace(0, len(corners) - 1, 25 * len(corners))
        y, x = (np.interp(at, np.arange(len(corners)), axis) for axis in corners.T)
        points.append(np.column_stack([place[0] + size * (y - 0.5), place[1] + size * (0.75 * k + 0.5 * x - lean * y)]))
    if rng.random() < 0.6:
        across = np.linspace(-4, 22, 90)
        points.append(np.column_stack([place[0] + size + 1 + 0.08 * across * rng.normal(), place[1] + across]))
    y, x = np.vstack(points).T
    rows, cols = strip.to_picture(y, x)
    r, c = np.round(rows).astype(int), np.round(cols).astype(int)
    # What runs beyond the picture is cut off.
    keep = (r >= 0) & (r < shape[0]) & (c >= 0) & (c < shape[1])
    mark = np.zeros(shape)
    mark[r[keep], c[keep]] = 1.0
    return gaussian_filter(mark, 0.7) * 2.2

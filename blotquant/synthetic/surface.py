"""Light that is no band: membranes against their frame, haze, grain, smears, and the debris of the bench."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from blotquant.geometry import Polygon, polygon
from blotquant.synthetic.bands import Frame
from blotquant.synthetic.spec import BlotSpec, DebrisSpec, LaneSpec, StripSpec

Floats = NDArray[np.float64]
Grid = tuple[Floats, Floats]


def pixel_grid(shape: tuple[int, int]) -> Grid:
    """Row and column of every pixel's centre."""
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    return rows, cols


def strip_outline(strip: StripSpec, rng: np.random.Generator) -> Polygon:
    """Corners of a strip as it was cut, clockwise from the top left, in the picture."""
    top, bottom, left, right = strip.box
    corners = np.array([(top, left), (top, right), (bottom, right), (bottom, left)], dtype=float) - 0.5
    corners += strip.ragged_px * rng.uniform(-1, 1, (4, 2))
    return polygon(np.column_stack(Frame(strip).picture(corners[:, 0], corners[:, 1])))


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
    step = max(int(length_px // 4), 1)
    coarse = tuple(int(np.ceil(n / step)) + 8 for n in shape)
    field = gaussian_filter(rng.standard_normal(coarse), length_px / step, mode="reflect")
    field = (field - field.mean()) / max(float(field.std()), 1e-12)
    if step == 1:
        return np.asarray(field[4 : shape[0] + 4, 4 : shape[1] + 4])
    rows = 4 + np.arange(shape[0]) / step
    cols = 4 + np.arange(shape[1]) / step
    return _bilinear(field, rows, cols)


def _bilinear(field: Floats, rows: Floats, cols: Floats) -> Floats:
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
    down, right = rows / max(spec.shape[0] - 1, 1) - 0.5, cols / max(spec.shape[1] - 1, 1) - 0.5
    light = surface.base + surface.gradient[0] * down + surface.gradient[1] * right
    haze = (
        surface.haze * clouds(spec.shape, surface.haze_px, rng) if surface.haze > 0 else np.zeros(spec.shape)
    )
    grain = 1 + surface.texture * clouds(spec.shape, surface.texture_px, rng)
    for strip, cover in zip(spec.strips, covers, strict=True):
        light = light + cover * ((strip.level + haze) * grain + _smears(spec, strip, rng))
    return np.maximum(light, 0.0)


def _smears(spec: BlotSpec, strip: StripSpec, rng: np.random.Generator) -> Floats:
    """Unspecific light of each lane of a strip, uneven along it."""
    light = np.zeros(spec.shape)
    if not any(lane.smear for lane in strip.lanes):
        return light
    frame, (rows, cols) = Frame(strip), pixel_grid(spec.shape)
    y, x = frame.upright(rows, cols)
    shared = rng.standard_normal(64)
    for lane in strip.lanes:
        light += lane.smear * _lane_cover(frame, lane, y, x) * _uneven(y, shared, spec.surface.smear_px, rng)
    return light


def _lane_cover(frame: Frame, lane: LaneSpec, y: Floats, x: Floats) -> Floats:
    depth = lane.width / 2 - np.abs(x - frame.lane_center(lane, y))
    return np.asarray(1 / (1 + np.exp(-np.clip(depth / 2.5, -50, 50))))


def _uneven(y: Floats, shared: Floats, length_px: float, rng: np.random.Generator) -> Floats:
    """Factor around 1 along the lane: mostly shared by all lanes, as unspecific proteins are."""
    heights = np.clip(1 + 0.35 * shared + 0.12 * rng.standard_normal(len(shared)), 0.1, None)
    return np.interp(np.clip(y, 0, None) / length_px * 2, np.arange(len(shared)), heights)


def render_debris(spec: BlotSpec, covers: list[Floats], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Light that debris adds (counts per second), and the share of surface light that it lets through.

    Debris darkens the surface only: the light of the bands stays exactly what the truth says.
    """
    debris, grid = spec.debris, pixel_grid(spec.shape)
    added, through = np.zeros(spec.shape), np.ones(spec.shape)
    for _ in range(debris.specks):
        size, height = rng.uniform(0.7, 2.2), debris.strength * rng.lognormal(0, 0.7)
        added += height * np.exp(-_distance2(grid, _place(spec, rng)) / (2 * size**2))
    for _ in range(debris.scratches):
        added += (
            debris.strength * rng.uniform(0.3, 1) * _line(grid, _place(spec, rng), rng.uniform(20, 90), rng)
        )
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
    """Darken strokes and scribbled digits beside the outer lanes, where kDa marks are written by hand."""
    for strip, cover in zip(spec.strips, covers, strict=True):
        if not strip.lanes:
            continue
        left = min(lane.center - 0.9 * lane.width for lane in strip.lanes)
        right = max(lane.center + 0.9 * lane.width for lane in strip.lanes)
        for k in range(spec.debris.pencil):
            side = left - rng.uniform(6, 40) if k % 2 == 0 else right + rng.uniform(6, 40)
            row = rng.uniform(strip.box[0] + 6, strip.box[1] - 6)
            mark = np.clip(_scribble(spec.shape, Frame(strip), row, float(side), rng), 0, 1)
            through *= 1 - 0.6 * mark * cover


def _scribble(
    shape: tuple[int, int], frame: Frame, row: float, col: float, rng: np.random.Generator
) -> Floats:
    """One pen mark: a thick stroke or two to three digit-like loops."""
    mark = np.zeros(shape)
    if rng.random() < 0.5:
        y = row + rng.normal(0, 1, 120).cumsum() * 0.08
        x = np.linspace(col - rng.uniform(6, 20), col + rng.uniform(6, 20), 120)
    else:
        turn = np.linspace(0, rng.integers(2, 4) * 2 * np.pi, 240)
        y, x = row + 4 * np.sin(turn * rng.uniform(0.7, 1.3)), col + 1.6 * turn + 2.2 * np.cos(turn)
    rows, cols = frame.picture(np.asarray(y, dtype=float), np.asarray(x, dtype=float))
    r, c = np.round(rows).astype(int), np.round(cols).astype(int)
    keep = (r >= 0) & (r < shape[0]) & (c >= 0) & (c < shape[1])
    mark[r[keep], c[keep]] = 1.0
    return gaussian_filter(mark, 0.9) * 3.5

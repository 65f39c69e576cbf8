"""Light that is no band: membranes against their frame, haze, grain and the smears of whole lanes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from blotquant.model.geometry import Polygon, polygon
from blotquant.synthetic.spec import BlotSpec, StripSpec

Floats = NDArray[np.float64]
Grid = tuple[Floats, Floats]


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

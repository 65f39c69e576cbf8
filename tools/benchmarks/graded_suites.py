"""Graded suites of random synthetic blots: from a clean teaching blot to the worst that comes from a real bench."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from blotquant.synthetic import (
    BlotSpec,
    CameraSpec,
    DebrisSpec,
    LaneSpec,
    RowSpec,
    StripSpec,
    SurfaceSpec,
    SyntheticBlot,
    make_blot,
)

Floats = NDArray[np.float64]
Difficulty = Literal["easy", "medium", "hard"]
DIFFICULTIES: tuple[Difficulty, ...] = ("easy", "medium", "hard")


@dataclass(frozen=True, kw_only=True)
class Grade:
    """How bad a scene of one difficulty can get: upper ends of uniform draws, or chances."""

    lanes: tuple[int, int]
    uneven: float
    tilt_deg: float
    smile_px: float
    downhill: float
    fan: float
    decades: float
    empty: float
    ladder: float
    fused: float
    doublet: float
    two_strips: float
    frame: float
    haze: float
    texture: float
    glow: float
    debris: float
    irregular: float
    tail: float
    dark: float


GRADES: dict[Difficulty, Grade] = {
    "easy": Grade(
        lanes=(3, 12), uneven=0.06, tilt_deg=1.0, smile_px=1.0, downhill=0.0, fan=0.0, decades=1.0, empty=0.02,
        ladder=0.2, fused=0.0, doublet=0.0, two_strips=0.0, frame=0.3, haze=0.02, texture=0.01, glow=0.02, debris=0.0,
        irregular=0.3, tail=0.2, dark=0.2,
    ),
    "medium": Grade(
        lanes=(3, 16), uneven=0.15, tilt_deg=3.0, smile_px=5.0, downhill=0.2, fan=0.01, decades=1.5, empty=0.06,
        ladder=0.35, fused=0.1, doublet=0.2, two_strips=0.15, frame=0.5, haze=0.08, texture=0.02, glow=0.12, debris=0.5,
        irregular=0.7, tail=0.6, dark=0.2,
    ),
    "hard": Grade(
        lanes=(2, 20), uneven=0.3, tilt_deg=6.0, smile_px=12.0, downhill=0.4, fan=0.03, decades=2.0, empty=0.1,
        ladder=0.4, fused=0.25, doublet=0.3, two_strips=0.3, frame=0.7, haze=0.25, texture=0.04, glow=0.25, debris=1.0,
        irregular=1.0, tail=1.0, dark=0.2,
    ),
}  # fmt: skip


def random_spec(difficulty: Difficulty, rng: np.random.Generator) -> BlotSpec:
    """Draw one scene of a difficulty."""
    grade = GRADES[difficulty]
    level = float(rng.lognormal(np.log(300), 0.7))
    strips = [random_strip(grade, level, rng)]
    if rng.random() < grade.two_strips:
        n_lanes = len(strips[0].lanes)  # two halves of one gel as often as not
        same = replace(grade, lanes=(n_lanes, n_lanes)) if rng.random() < 0.5 else grade
        strips.append(below(strips[0], random_strip(same, level, rng)))
    framed = rng.random() < grade.frame
    margin = 25.0 if framed else 0.0
    strips = [moved(strip, margin, margin) for strip in strips]
    tilted = max(abs(np.sin(np.deg2rad(s.tilt_deg))) * (s.box[3] - s.box[2]) / 2 for s in strips) if framed else 0
    strips = [moved(strip, float(tilted), 0) for strip in strips]
    shape = (
        int(max(s.box[1] for s in strips) + margin + tilted),
        int(max(s.box[3] for s in strips) + margin),
    )
    strips = strips if framed else [unframed(strip, shape) for strip in strips]
    return BlotSpec(
        shape=shape,
        strips=tuple(strips),
        surface=random_surface(grade, level, rng),
        debris=random_debris(grade, level, rng),
        camera=random_camera(rng),
        polarity="dark" if rng.random() < grade.dark else "bright",
    )


def random_surface(grade: Grade, level: float, rng: np.random.Generator) -> SurfaceSpec:
    """Light of a membrane of some level that is no band."""
    return SurfaceSpec(
        base=float(rng.uniform(20, 120)),
        gradient=(
            float(rng.normal(0, 0.3) * grade.haze * level),
            float(rng.normal(0, 0.3) * grade.haze * level),
        ),
        haze=level * grade.haze * float(rng.random()),
        haze_px=float(rng.uniform(40, 120)),
        texture=grade.texture * float(rng.random()),
        texture_px=float(rng.uniform(0.6, 1.4)),
        glow=grade.glow * float(rng.random()),
        glow_px=float(rng.uniform(8, 18)),
        smear_px=float(rng.uniform(25, 60)),
    )


def random_camera(rng: np.random.Generator) -> CameraSpec:
    """A camera, good or bad."""
    return CameraSpec(
        offset=float(rng.uniform(60, 600)),
        gain=float(rng.uniform(0.1, 1.5)),
        read_noise=float(np.clip(rng.lognormal(np.log(9), 0.8), 2, 60)),
        noise_px=float(rng.choice([0.0, 0.0, 0.5])),
        ceiling=float(rng.choice([65535, 65535, 16383, 4095])),
    )


def random_strip(grade: Grade, level: float, rng: np.random.Generator) -> StripSpec:
    """A strip with its lanes and rows, its corner at the picture's."""
    n_lanes = int(rng.integers(grade.lanes[0], grade.lanes[1] + 1))
    fused = rng.random() < grade.fused
    pitch, sigma = (
        float(rng.uniform(32, 70) if n_lanes < 13 else rng.uniform(26, 46)),
        float(rng.uniform(2.0, 4.5)),
    )
    centers, widths = _random_pitches(n_lanes, pitch, grade, fused, rng)
    tilt = float(rng.uniform(-1, 1) * grade.tilt_deg)
    width = float(centers[-1] + centers[0])
    front = 2 * grade.smile_px + abs(np.tan(np.deg2rad(tilt))) * width / 2
    height = float(rng.uniform(100, 260) + front)
    ladder = int(rng.choice([0, n_lanes - 1])) if rng.random() < grade.ladder and n_lanes > 3 else None
    empty = _random_empties(n_lanes, ladder, grade, rng)
    smear = level * rng.uniform(0, 0.3) * rng.uniform(0.7, 1.3, n_lanes) * float(rng.choice([1, 1, 1, -0.5]))
    smear *= grade.debris > 0
    fan = float(rng.uniform(-1, 1) * grade.fan)
    lanes = tuple(
        LaneSpec(
            center=float(c),
            width=float(w),
            slope=fan * (2 * c / width - 1),
            curve_px=float(rng.uniform(-1, 1) * 40 * grade.fan),
            role="ladder" if k == ladder else "blank" if empty[k] else "sample",
            smear=0.0 if empty[k] and 0 < k < n_lanes - 1 else float(smear[k]),
        )
        for k, (c, w) in enumerate(zip(centers, widths, strict=True))
    )
    room = (front / 2 + 18, height - front / 2 - 18)
    peak = max(float(rng.lognormal(np.log(3000), 1.0 if grade.decades > 1 else 0.5)), 1.2 * level)
    rows = _random_rows(lanes, room, sigma, peak, replace(grade, decades=0.3) if fused else grade, rng)
    downhill = float(rng.uniform(8, 30)) if rng.random() < grade.downhill else 0.0
    return StripSpec(
        box=(0, height + downhill, 0, width),
        lanes=lanes,
        rows=rows,
        tilt_deg=tilt,
        smile_px=float(rng.uniform(-1, 1) * grade.smile_px),
        downhill_px=downhill,
        downhill_from=float(rng.uniform(-0.6, 0.3)),
        level=level,
        ragged_px=4.0 * grade.irregular,
        irregular=grade.irregular * float(rng.uniform(0.3, 1)),
    )


def _random_pitches(
    n_lanes: int, pitch: float, grade: Grade, fused: bool, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Centres and widths of lanes that never overlap by more than their soft edges."""
    gaps = pitch * (1 + grade.uneven * rng.uniform(-1, 1, n_lanes))
    margin = pitch * rng.uniform(0.8, 1.6)
    centers = margin + np.cumsum(gaps) - gaps[0]
    share = rng.uniform(0.9, 0.97) if fused else rng.uniform(0.6, 0.85)
    room = np.minimum(np.append(gaps[1:], gaps[-1]), gaps)
    return centers, room * share * (1 - grade.uneven * 0.4 * rng.random(n_lanes))


def _random_empties(n_lanes: int, ladder: int | None, grade: Grade, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Lanes without bands; none outermost or side by side, which nothing would tell from bare membrane."""
    empty = rng.random(n_lanes) < grade.empty
    empty[[0, -1]] = False
    empty[1:] &= ~(empty[:-1] | np.append(False, empty[:-2]))
    if ladder is not None:
        empty[[1, -2, ladder]] = False
    return np.asarray(empty & (n_lanes > 3))


def _random_rows(
    lanes: tuple[LaneSpec, ...],
    room: tuple[float, float],
    sigma: float,
    peak: float,
    grade: Grade,
    rng: np.random.Generator,
) -> tuple[RowSpec, ...]:
    """Rows of sample bands, at times a doublet, and the ladder's own bands."""
    n_rows = int(rng.integers(1, 4))
    share = (room[1] - room[0]) / n_rows
    places = room[0] + share * (np.arange(n_rows) + rng.uniform(0.1, 0.9, n_rows))
    places = places[np.append(True, np.diff(places) > 9 * sigma)]
    tail, bow = float(rng.uniform(-0.3, 1) * grade.tail), float(rng.uniform(-1.5, 3.5) * grade.irregular)
    rows = []
    for k, place in enumerate(places):
        decades = grade.decades * rng.uniform(0.3, 1)
        factors = 10 ** -(rng.random(len(lanes)) * decades) * (1 if k == 0 else rng.lognormal(-2.3, 1.2))
        if k == 0:  # nothing would tell a dim outermost lane from bare membrane
            factors[[0, -1]] = np.maximum(factors[[0, -1]], 0.1)
        absent = (rng.random(len(lanes)) < grade.empty) & (k > 0)
        light = peak * factors * np.sqrt(2 * np.pi) * sigma * ~absent
        row = RowSpec(
            target=f"row{k + 1}",
            row=float(place),
            sigma=sigma,
            tail=tail,
            bow_px=bow,
            volumes=_volumes(lanes, light),
            edge=float(rng.uniform(0.8, 2.2)),
            hollow=0.5 if rng.random() < 0.05 * grade.irregular else 0.0,
        )
        rows += _doublet(row, rng) if rng.random() < grade.doublet else [row]
    return (*rows, *_ladder_rows(lanes, room, sigma, peak, rng))


def _volumes(lanes: tuple[LaneSpec, ...], light: Floats) -> tuple[float | None, ...]:
    """Light per px of width to volumes: nothing in blank lanes, no place in the ladder."""
    return tuple(
        None if lane.role == "ladder" else 0.0 if lane.role == "blank" else float(v * lane.width)
        for lane, v in zip(lanes, light, strict=True)
    )


def _doublet(row: RowSpec, rng: np.random.Generator) -> list[RowSpec]:
    """Turn a row into two, 1.2 to 4 SDs apart, the lower 1 to 10 times weaker."""
    apart, ratio = rng.uniform(1.2, 4.0), 10 ** rng.uniform(0, 1)
    minor = tuple(None if v is None else v / ratio * float(rng.lognormal(0, 0.15)) for v in row.volumes)
    simple = replace(row, target=f"{row.target}_major", tail=0.0, hollow=0.0)
    return [
        simple,
        replace(simple, target=f"{row.target}_minor", row=row.row + apart * row.sigma, volumes=minor),
    ]


def _ladder_rows(
    lanes: tuple[LaneSpec, ...],
    room: tuple[float, float],
    sigma: float,
    peak: float,
    rng: np.random.Generator,
) -> list[RowSpec]:
    """Bands of the ladder lane, five to eight, on a log scale of molecular weight."""
    if not any(lane.role == "ladder" for lane in lanes):
        return []
    weights = np.array([180, 130, 100, 70, 55, 40, 35, 25], dtype=float)[: int(rng.integers(5, 9))]
    places = np.interp(np.log(weights), np.log([weights[-1], weights[0]]), [room[1], room[0]])
    places = places[np.append(True, np.diff(places) > 5 * sigma)]
    light = peak * np.sqrt(2 * np.pi) * sigma * rng.uniform(0.15, 0.6, len(places))
    return [
        RowSpec(target="ladder", row=float(place), sigma=sigma, mw_kda=float(kda),
                volumes=tuple(v * lane.width if lane.role == "ladder" else None for lane in lanes))
        for place, v, kda in zip(places, light, weights, strict=False)
    ]  # fmt: skip


def random_debris(grade: Grade, level: float, rng: np.random.Generator) -> DebrisSpec:
    """Specks, scratches and all else that lies on a membrane of some level."""

    def some(most: int) -> int:
        return int(rng.integers(0, int(most * grade.debris) + 1))

    return DebrisSpec(
        specks=some(25),
        dust=some(15),
        bubbles=some(3),
        scratches=some(2),
        pencil=some(6),
        folds=some(2),
        strength=level,
    )


def moved(strip: StripSpec, down: float, right: float) -> StripSpec:
    """The strip elsewhere."""
    top, bottom, first, last = strip.box
    return replace(
        strip,
        box=(top + down, bottom + down, first + right, last + right),
        lanes=tuple(replace(lane, center=lane.center + right) for lane in strip.lanes),
        rows=tuple(replace(row, row=row.row + down) for row in strip.rows),
    )


def unframed(strip: StripSpec, shape: tuple[int, int]) -> StripSpec:
    """The strip; a lone membrane that fills the picture has the picture's own straight edges."""
    fills = strip.box[0] <= 0 and strip.box[1] >= shape[0] - 1
    return replace(strip, ragged_px=0.0) if fills else strip


def below(upper: StripSpec, lower: StripSpec) -> StripSpec:
    """Put a second strip under the first, far enough that their tilts do not make them touch."""
    reach = sum(abs(np.sin(np.deg2rad(s.tilt_deg))) * (s.box[3] - s.box[2]) / 2 for s in (upper, lower))
    return moved(lower, upper.box[1] + float(reach) + 14, 0)


def graded_suite(difficulty: Difficulty, n: int, seed: int) -> Iterator[SyntheticBlot]:
    """Make `n` random blots of one difficulty.

    Parameters
    ----------
    difficulty : {"easy", "medium", "hard"}
        Which of `GRADES`.
    n : int
        How many.
    seed : int
        Blot k depends on `seed` and k alone, so that a longer suite begins with a shorter one.

    Yields
    ------
    SyntheticBlot
        With its truth.
    """
    for k in range(n):
        scene_seed = seed * 100_003 + k
        yield make_blot(random_spec(difficulty, np.random.default_rng([scene_seed, 77])), seed=scene_seed)

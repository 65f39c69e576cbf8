"""Synthetic scenes from which the network of `blotquant.detection.prediction` learns, wider than any graded suite.

Membranes with one to three strips above or beside each other, rows of a gel, narrow and wide lanes, hollow and
frowning bands, and what people do to pictures before they measure them: annotations, borders, contrast, 8 bits, JPEG.
Six in ten are close-ups, in which bands are three to thirty-four coarse rows high; one in five has kDa labels, drawn
marker bars or specks beside its lanes; one in twenty is no blot at all. One in ten is a panel of a figure: strips on
white paper, each with its own contrast. The stored numbers of the network were learnt before close-ups, labels,
specks, uneven light, JPEG, panels and film were among the scenes; a network that was trained on with panels took far
rows of one gel for strips.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.path import Path as Outline
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.transform import resize, resize_local_mean

from blotquant.detection.prediction import blocks_of, channels_of
from blotquant.model.geometry import Lane, Strip
from blotquant.synthetic import SyntheticBlot, make_blot
from blotquant.synthetic.spec import BlotSpec, RowSpec, StripSpec

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))

import graded_suites as scenes

Floats = NDArray[np.float64]
Maps = dict[str, NDArray[np.float16]]
MOST_PIXELS = 900_000
PANELS = 0.1
"""Share of the scenes that are panels of figures."""
SHOWN, HARDLY = 5.0, 2.0
"""SNR from which on a band must be seen, and below which nobody asks."""


@dataclass(frozen=True)
class Coarse:
    """How a scene became the picture that is looked at: scene pixels a coarse row and column, and its first corner."""

    scale: tuple[float, float]
    corner: tuple[float, float] = (0.0, 0.0)

    def rows(self, count: int, step: int) -> Floats:
        """Rows of the scene at the middles of so many runs of `step` coarse rows."""
        return self.corner[0] + (np.arange(count) + 0.5) * step * self.scale[0] - 0.5

    def cols(self, count: int, step: int) -> Floats:
        """Columns likewise."""
        return self.corner[1] + (np.arange(count) + 0.5) * step * self.scale[1] - 0.5


def sample(seed: int) -> tuple[NDArray[np.float16], Maps]:
    """One picture as the network sees it, and the maps that it should answer with."""
    rng = np.random.default_rng([seed, 4712])
    is_panel = rng.random() < PANELS
    blot = None if rng.random() < 0.05 else _blot(rng, panel_spec if is_panel else wide_spec)
    picture = no_blot(rng) if blot is None else blot.image().signal().astype(np.float64).copy()
    if blot is not None and is_panel:
        picture = _laid_out(picture, blot, rng)
    if blot is not None and rng.random() < (0.6 if is_panel else 0.2):
        picture = _beside(picture, blot, rng)
    picture = exported(retouched(picture, rng), rng)
    close = blot is not None and rng.random() < (0.2 if is_panel else 0.6)
    coarse, how = _close_up(picture, blot, rng) if close else _coarse(picture, rng)
    shape = (coarse.shape[0] // 2 * 2, coarse.shape[1] // 2 * 2)
    maps = empty_maps(shape) if blot is None else true_maps(blot, how, shape)
    if blot is not None and rng.random() < 0.12:
        coarse, maps = _wavy(coarse, maps, blot, how, rng)
    views = channels_of(coarse[: shape[0], : shape[1]]).astype(np.float16)
    return views, {name: image.astype(np.float16) for name, image in maps.items()}


def _blot(rng: np.random.Generator, draw: Callable[[np.random.Generator], BlotSpec]) -> SyntheticBlot:
    while True:
        spec = draw(rng)
        if spec.shape[0] * spec.shape[1] <= MOST_PIXELS:
            try:
                return make_blot(spec, seed=int(rng.integers(1 << 30)))
            except ValueError:  # a band beyond the picture's edge
                continue


def panel_spec(rng: np.random.Generator) -> BlotSpec:
    """A panel of a figure: one to five strips of one row or one doublet, the same lanes above each other."""
    grade, level = mixed_grade(rng), float(rng.lognormal(np.log(300), 0.9))
    first = scenes.random_strip(grade, level, rng)
    n, gap, top, left = (
        len(first.lanes),
        float(rng.uniform(3, 25)),
        float(rng.uniform(5, 60)),
        float(rng.uniform(5, 90)),
    )
    strips: list[StripSpec] = []
    for k in range(int(rng.integers(1, 6))):
        drawn = first if k == 0 else scenes.random_strip(replace(grade, lanes=(n, n)), level, rng)
        drawn = _widened(replace(drawn, tilt_deg=0.0, ragged_px=0.0, smile_px=0.3 * drawn.smile_px), rng)
        named = [r for r in drawn.rows if r.target != "ladder" and not r.target.endswith("_minor")]
        chosen = named[int(rng.integers(len(named)))]
        own = [r for r in drawn.rows if r.target in (chosen.target, chosen.target.replace("_major", "_minor"))]
        if len(own) == 1 and rng.random() < 0.4:
            # Two bands of one protein, further apart than those of a doublet that must be divided.
            lower = replace(chosen, row=chosen.row + float(rng.uniform(2.5, 8)) * chosen.sigma)
            own.append(_scaled(lower, float(rng.lognormal(0, 0.6)), target=f"{chosen.target}_minor"))
        half = float(rng.uniform(3.5, 9)) * chosen.sigma + 4
        lanes = tuple(replace(b, center=a.center) for a, b in zip(first.lanes, drawn.lanes, strict=False))
        box = (own[0].row - half, own[-1].row + half, *first.box[2:])
        strip = replace(
            _samples_only(drawn), lanes=_samples_only(replace(drawn, lanes=lanes)).lanes, box=box, rows=tuple(own)
        )
        strips.append(scenes.moved(strip, top - box[0], left - first.box[2]))
        top += box[1] - box[0] + gap
    shape = (int(top + rng.uniform(0, 40)), int(strips[0].box[3] + rng.uniform(5, 90)))
    return BlotSpec(
        shape=shape,
        strips=tuple(strips),
        surface=scenes.random_surface(grade, level, rng),
        debris=replace(scenes.random_debris(grade, level, rng), bubbles=0, folds=0),
        camera=scenes.random_camera(rng),
    )


def _laid_out(picture: Floats, blot: SyntheticBlot, rng: np.random.Generator) -> Floats:
    """Strips as figures show them: on white paper, each with its own contrast, with or without a drawn frame."""
    laid = np.zeros_like(picture)
    cut, framed, line = rng.choice([0.0, 2.0, 20.0]), rng.random() < 0.6, int(rng.integers(1, 3))
    for strip in blot.spec.strips:
        top, bottom, left, right = (round(v) for v in strip.box)
        window = (slice(max(top, 0), bottom), slice(max(left, 0), right))
        part = picture[window]
        low, high = np.percentile(part, [cut, rng.choice([99.5, 100])])
        laid[window] = np.clip((part - low) / max(high - low, 1e-9), 0, 1) + rng.choice([0.0, 0.05, 0.15])
        if framed:
            for side in (slice(None, line), slice(-line, None)):
                laid[window][side] = 1.1
                laid[window][:, side] = 1.1
    return laid * 200 + 20


def _coarse(picture: Floats, rng: np.random.Generator) -> tuple[Floats, Coarse]:
    """The coarse copy as a search would make it, or a little finer, coarser or stretched."""
    fy, fx = (float(n) for n in blocks_of(picture.shape))
    if rng.random() < 0.3 and fy == 1:
        fx = float(rng.integers(1, 3))
    if rng.random() < 0.5:
        fy, fx = np.exp(rng.uniform(-0.35, 0.7, 2)) * (fy, fx)
    return _resized(picture, (0, picture.shape[0]), (0, picture.shape[1]), fy, fx)


def _close_up(picture: Floats, blot: SyntheticBlot, rng: np.random.Generator) -> tuple[Floats, Coarse]:
    """A tight crop of one strip or of all of them, in which bands are three to forty coarse rows high."""
    strips = blot.spec.strips
    own = [strips[int(rng.integers(len(strips)))]] if rng.random() < 0.6 else list(strips)
    boxes = np.array([s.box for s in own])
    sigma = float(np.median([r.sigma for s in own for r in s.rows]))
    pitch = float(np.median([np.diff([x.center for x in s.lanes]).mean() if len(s.lanes) > 1 else s.lanes[0].width * 1.3
                             for s in own]))  # fmt: skip
    loose = rng.random() < 0.5
    room = rng.uniform(-1, 2 if not loose else 12, 4) * sigma * 2
    top, left = (int(max(0, v)) for v in (boxes[:, 0].min() - room[0], boxes[:, 2].min() - room[2]))
    bottom = int(min(picture.shape[0], boxes[:, 1].max() + room[1]))
    right = int(min(picture.shape[1], boxes[:, 3].max() + room[3]))
    # FWHM of the bands in coarse rows, and distance of the lanes in coarse columns.
    tall = float(np.exp(rng.uniform(np.log(3), np.log(34))))
    fy = 2.355 * sigma / tall
    fx = fy * 2 * float(np.exp(rng.normal(0, 0.35)))
    fx = float(np.clip(fx, pitch / 110, pitch / 6))
    many = (bottom - top) * (right - left) / (fy * fx) / 200_000
    if many > 1:
        fy, fx = fy * np.sqrt(many), fx * np.sqrt(many)
    fy, fx = min(fy, (bottom - top) / 24), min(fx, (right - left) / 24)
    return _resized(picture, (top, bottom), (left, right), fy, fx)


def _wavy(
    coarse: Floats, maps: dict[str, NDArray[np.float32]], blot: SyntheticBlot, how: Coarse, rng: np.random.Generator
) -> tuple[Floats, dict[str, NDArray[np.float32]]]:
    """Bands that rise and fall within a lane: each column of the picture and of the maps moved up or down."""
    lanes = [lane.width for strip in blot.spec.strips for lane in strip.lanes]
    sigma = float(np.median([row.sigma for strip in blot.spec.strips for row in strip.rows])) / how.scale[0]
    period = float(np.median(lanes)) / how.scale[1] * rng.uniform(0.5, 3)
    amplitude, phase = sigma * rng.uniform(0.4, 1.8), rng.uniform(0, 2 * np.pi)

    def moved(image: Floats | NDArray[np.float32], step: int, order: int) -> NDArray[np.float64]:
        rows, cols = np.mgrid[: image.shape[0], : image.shape[1]].astype(float)
        shift = amplitude * np.sin(2 * np.pi * (cols + 0.5) * step / period + phase) / step
        return np.asarray(ndimage.map_coordinates(image, [rows + shift, cols], order=order, mode="nearest"))

    steps = {name: 1 if name.startswith("band") else 2 for name in maps}
    return moved(coarse, 1, 1), {name: moved(m, steps[name], 0).astype(np.float32) for name, m in maps.items()}


def _resized(
    picture: Floats, rows: tuple[int, int], cols: tuple[int, int], fy: float, fx: float
) -> tuple[Floats, Coarse]:
    """A part of a picture with `fy` rows and `fx` columns of it in one coarse pixel: averages, or between pixels."""
    part = picture[rows[0] : rows[1], cols[0] : cols[1]]
    shape = (max(24, round(part.shape[0] / fy)), max(24, round(part.shape[1] / fx)))
    scale = (part.shape[0] / shape[0], part.shape[1] / shape[1])
    small = tuple(min(n, m) for n, m in zip(shape, part.shape, strict=True))
    coarse = resize_local_mean(part, small)
    if small != shape:
        coarse = resize(coarse, shape, order=1, mode="edge", anti_aliasing=False)
    return np.asarray(coarse), Coarse(scale, (float(rows[0]), float(cols[0])))


def mixed_grade(rng: np.random.Generator) -> scenes.Grade:
    """A difficulty anywhere between easy and a little worse than hard, each nuisance by itself."""
    easy, hard, how_hard = scenes.GRADES["easy"], scenes.GRADES["hard"], rng.uniform(0, 1.15)
    drawn = {}
    for field in fields(easy):
        if field.name != "lanes":
            a, b = getattr(easy, field.name), getattr(hard, field.name)
            drawn[field.name] = a + (b - a) * float(np.clip(how_hard * rng.uniform(0.3, 1.2), 0, 1.15))
    lanes = (int(rng.integers(2, 6)), int(rng.choice([10, 13, 16, 20, 26])))
    drawn |= {"fused": rng.choice([0.1, 0.3]), "empty": float(rng.choice([0.0, 0.05, 0.12, 0.2])), "two_strips": 0.3}
    return scenes.Grade(lanes=lanes, **{**drawn, "doublet": 0.25, "dark": 0.0})


def wide_spec(rng: np.random.Generator) -> BlotSpec:
    """One scene of one to three strips."""
    grade, level = mixed_grade(rng), float(rng.lognormal(np.log(300), 0.9))
    count = int(rng.choice([1, 1, 1, 1, 2, 2, 3]))
    strips: list[StripSpec] = []
    for _ in range(count):
        n = len(strips[0].lanes) if strips and rng.random() < 0.6 else None
        own = grade if n is None else replace(grade, lanes=(n, n))
        strips.append(_placed(strips, remodelled(scenes.random_strip(own, level, rng), own, rng), rng))
    framed = rng.random() < (0.6 if count == 1 else 0.9)
    margin = float(rng.uniform(10, 80)) if framed else 0.0
    left = -min(*(s.box[2] for s in strips), 0.0)
    tilted = max(abs(np.sin(np.deg2rad(s.tilt_deg))) * (s.box[3] - s.box[2]) / 2 for s in strips) if framed else 0.0
    strips = [scenes.moved(s, margin + float(tilted), margin + left) for s in strips]
    shape = (
        int(max(s.box[1] for s in strips) + margin * rng.uniform(0.5, 1.5) + tilted),
        int(max(s.box[3] for s in strips) + margin * rng.uniform(0.5, 1.5)),
    )
    strips = strips if framed else [scenes.unframed(s, shape) for s in strips]
    strips = [replace(s, level=0.0) for s in strips] if rng.random() < 0.25 else strips
    return BlotSpec(
        shape=shape,
        strips=tuple(strips),
        surface=scenes.random_surface(grade, level, rng),
        debris=scenes.random_debris(grade, level, rng),
        camera=scenes.random_camera(rng),
    )


def _placed(others: list[StripSpec], strip: StripSpec, rng: np.random.Generator) -> StripSpec:
    if not others:
        return strip
    if rng.random() < 0.12:
        return scenes.moved(strip, others[-1].box[0], others[-1].box[3] + float(rng.uniform(15, 60)))
    below = scenes.below(max(others, key=lambda s: s.box[1]), strip)
    aside = float(rng.uniform(-8, 25)) if rng.random() < 0.5 else 0.0
    return scenes.moved(below, float(rng.uniform(-10, 40)), aside)


def remodelled(strip: StripSpec, grade: scenes.Grade, rng: np.random.Generator) -> StripSpec:
    """Another width of lanes and form of bands, and at times a gel of many rows, a cropped row, or higher bands."""
    strip = _widened(strip, rng)
    chance = rng.random()
    if chance < 0.18:
        return _many_rows(strip, grade, rng)
    if chance < 0.30 and not any(r.target.endswith("_minor") for r in strip.rows):
        return _one_row(strip, grade, rng)
    if chance < 0.42:
        return _higher(strip, float(rng.uniform(1.2, 2.5)))
    return strip


def _scaled(like: RowSpec, factor: float, **changes: float) -> RowSpec:
    return replace(like, volumes=tuple(None if v is None else v * factor for v in like.volumes), **changes)


def _widened(strip: StripSpec, rng: np.random.Generator) -> StripSpec:
    """Narrow bands with wide gaps, wide lanes, hollow and frowning bands."""
    first, last = strip.box[2:]
    if rng.random() < 0.3:
        share = float(rng.uniform(0.45, 1.0))
        lanes = tuple(replace(lane, width=lane.width * share) for lane in strip.lanes)
        strip = replace(strip, lanes=lanes, rows=tuple(_scaled(r, share) for r in strip.rows))
    if rng.random() < 0.15 and len(strip.lanes) < 11:
        f = float(rng.uniform(1.3, 2.4))
        lanes = tuple(replace(x, center=first + (x.center - first) * f, width=x.width * f) for x in strip.lanes)
        box = (*strip.box[:3], first + (last - first) * f)
        strip = replace(strip, box=box, lanes=lanes, rows=tuple(_scaled(r, f) for r in strip.rows))
    if rng.random() < 0.22:
        hollow = float(rng.uniform(0.2, 0.75)) if rng.random() < 0.7 else 0.0
        bow = float(rng.uniform(-3, 6) * strip.rows[0].sigma)
        strip = replace(
            strip,
            rows=tuple(
                r
                if r.target == "ladder"
                else replace(r, bow_px=bow, hollow=hollow if rng.random() < 0.75 else r.hollow)
                for r in strip.rows
            ),
        )
    return strip


def _samples_only(strip: StripSpec) -> StripSpec:
    roles = tuple(replace(x, role="sample" if x.role == "ladder" else x.role) for x in strip.lanes)
    return replace(strip, lanes=roles)


def _peak(strip: StripSpec) -> float:
    return max(v or 0.0 for row in strip.rows for v in row.volumes)


def _many_rows(strip: StripSpec, grade: scenes.Grade, rng: np.random.Generator) -> StripSpec:
    """A gel: up to fourteen rows, or twenty-four near each other, of which each lane shows some."""
    height, sigma, peak, like = float(rng.uniform(150, 380)), strip.rows[0].sigma, _peak(strip), strip.rows[0]
    places, y = [], 25.0 + abs(strip.smile_px)
    # A third are ladders all over: up to 24 rows, nearer to each other than those of a probed membrane.
    dense = rng.random() < 0.35
    while y < height - 20 - abs(strip.smile_px):
        places.append(y)
        y += sigma * (rng.uniform(3.6, 7) if dense else rng.uniform(5, 16))
    n, chance, rows = len(strip.lanes), rng.uniform(0.35, 1), []
    for k, place in enumerate(places[: 24 if dense else 14], 1):
        light = 10 ** -(rng.random() * grade.decades * 0.7 + rng.random(n) * grade.decades * 0.5)
        light *= rng.random(n) < (chance if rng.random() < 0.7 else 1)
        volumes = tuple(0.0 if x.role == "blank" else float(peak * v) for x, v in zip(strip.lanes, light, strict=True))
        own = sigma * float(rng.uniform(0.8, 1.3))
        rows.append(replace(like, target=f"row{k}", row=place, sigma=own, hollow=0.0, volumes=volumes))
    box = (strip.box[0], strip.box[0] + height, *strip.box[2:])
    return replace(_samples_only(strip), box=box, rows=tuple(rows))


def _one_row(strip: StripSpec, grade: scenes.Grade, rng: np.random.Generator) -> StripSpec:
    """A strip that was cropped to one row."""
    row = max((r for r in strip.rows if r.target != "ladder"), key=lambda r: sum(v or 0.0 for v in r.volumes))
    front = 2 * abs(strip.smile_px) + abs(np.tan(np.deg2rad(strip.tilt_deg))) * (strip.box[3] - strip.box[2]) / 2
    half, peak, top = float(rng.uniform(4, 12)) * row.sigma + float(front) / 1.5 + 6, _peak(strip), strip.box[0]
    volumes = tuple(peak * 10 ** -float(rng.uniform(0, grade.decades * 0.6)) if v is None else v for v in row.volumes)
    row = replace(row, row=top + half * float(rng.uniform(0.8, 1.2)), volumes=volumes)
    return replace(_samples_only(strip), box=(top, top + 2 * half, *strip.box[2:]), rows=(row,))


def _higher(strip: StripSpec, factor: float) -> StripSpec:
    top, bottom = strip.box[:2]
    rows = tuple(
        _scaled(r, factor, row=top + (r.row - top) * factor, sigma=r.sigma * factor, bow_px=r.bow_px * factor)
        for r in strip.rows
    )
    return replace(strip, box=(top, top + (bottom - top) * factor, *strip.box[2:]), rows=rows)


def retouched(picture: Floats, rng: np.random.Generator) -> Floats:
    """What is done to pictures: annotations, lines, gamma, blur, clipping, 8 bits, a border; each now and then."""
    low, high = np.percentile(picture, [1, 99.7])
    span = max(high - low, 1e-6)
    steps = [
        (0.2, lambda p: _annotated(p, low, span, rng)),
        (0.1, lambda p: _lined(p, low, high, rng)),
        (0.15, lambda p: low + span * np.sign(p - low) * np.abs((p - low) / span) ** rng.uniform(0.6, 1.8)),
        (0.15, lambda p: ndimage.gaussian_filter(p, rng.uniform(0.5, 1.4))),
        (0.12, lambda p: np.minimum(p, low + span * rng.uniform(0.15, 0.9))),
        # Film and long exposures: bands run to full black, up to several times as high as they are, and join.
        (0.08, lambda p: np.minimum(p, low + span * np.exp(rng.uniform(np.log(0.02), np.log(0.15))))),
        (0.08, lambda p: np.maximum(p, low + span * rng.uniform(0, 0.1))),
        (0.2, lambda p: np.rint((p - p.min()) / max(p.max() - p.min(), 1e-9) * 255)),
        (0.12, lambda p: _bordered(p, rng)),
    ]
    for chance, change in steps:
        if rng.random() < chance:
            picture = change(picture)
    return picture


def _beside(picture: Floats, blot: SyntheticBlot, rng: np.random.Generator) -> Floats:
    """What stands beside lanes and is none: kDa labels with ticks, bars of a drawn marker, specks."""
    low, high = np.percentile(picture, [2, 99.5])
    strip = blot.spec.strips[int(rng.integers(len(blot.spec.strips)))]
    top, bottom, left, right = strip.box
    side = left - rng.uniform(4, 30) if rng.random() < 0.6 else right + rng.uniform(4, 30)
    value = rng.choice([low, high, high * 1.2, (low + high) / 2])
    kind = int(rng.integers(3))
    if kind == 2:
        rows, cols = np.mgrid[: picture.shape[0], : picture.shape[1]]
        for _ in range(int(rng.integers(1, 4))):
            y, x, size = rng.uniform(top, bottom), side + rng.normal(0, 8), rng.uniform(1.2, 5)
            picture = np.maximum(
                picture, low + (high - low) * np.exp(-((rows - y) ** 2 + (cols - x) ** 2) / size**2 / 2)
            )
        return picture
    size = rng.uniform(6, 16)
    for y in np.sort(rng.uniform(top, bottom, int(rng.integers(2, 9)))):
        if kind == 1:
            box = (slice(int(max(0, y)), int(max(0, y + rng.uniform(1, 5)))), _span(side, rng.uniform(6, 25)))
            picture[box] = value
            continue
        picture[int(np.clip(y, 0, len(picture) - 1)), _span(side, size * 0.7)] = value
        for k in range(int(rng.integers(2, 4))):
            _letter(picture, y - size / 2, side - size * (2.2 - 0.8 * k), size, value, rng)
    return picture


def _span(start: float, length: float) -> slice:
    return slice(int(max(0, start)), int(max(0, start + max(length, 1))))


def _letter(picture: Floats, y: float, x: float, size: float, value: float, rng: np.random.Generator) -> None:
    """Some strokes in a box of a letter's size, two pixels thick."""
    for _ in range(3):
        a, b = rng.uniform(0, 1, (2, 2)) * (size, size * 0.6) + (y, x)
        at = np.rint(a + np.linspace(0, 1, 40)[:, None] * (b - a)).astype(int)
        inside = (at >= 0).all(axis=1) & (at[:, 0] < picture.shape[0] - 1) & (at[:, 1] < picture.shape[1])
        picture[at[inside, 0], at[inside, 1]] = picture[at[inside, 0] + 1, at[inside, 1]] = value


def exported(picture: Floats, rng: np.random.Generator) -> Floats:
    """Uneven light of a phone or a scanner, 8 bits stretched and clipped, JPEG; each now and then."""
    if rng.random() < 0.12:
        rows, cols = (np.linspace(-1, 1, n) for n in picture.shape)
        tilt = rng.normal(0, 0.25, 3)
        span = float(np.ptp(np.percentile(picture, [2, 99])))
        picture = picture + span * (tilt[0] * rows[:, None] + tilt[1] * cols + tilt[2] * rows[:, None] * cols)
    if rng.random() < 0.25:
        low, high = np.percentile(picture, [rng.choice([0, 1, 20, 50]), rng.choice([97, 99.5, 100])])
        picture = np.rint(np.clip((picture - low) / max(high - low, 1e-9), 0, 1) * 255)
        if rng.random() < 0.6:
            file = BytesIO()
            Image.fromarray(picture.astype(np.uint8)).save(file, "JPEG", quality=int(rng.integers(50, 95)))
            picture = np.asarray(Image.open(file)).astype(np.float64)
    return picture


def _annotated(picture: Floats, low: float, span: float, rng: np.random.Generator) -> Floats:
    """Letters and arrows that are burnt in."""
    height, width = picture.shape
    for _ in range(int(rng.integers(1, 8))):
        y, x, size = rng.uniform(5, height - 10), rng.uniform(0, width), rng.uniform(6, 16)
        value = low + span * rng.choice([0.0, 1.0, 0.5, -0.3])
        for stroke in range(3 * int(rng.integers(1, 6))):
            a, b = rng.uniform(0, 1, (2, 2)) * size + [y, x + stroke // 3 * size * 0.8]
            at = np.rint(a + np.linspace(0, 1, 40)[:, None] * (b - a)).astype(int)
            inside = (at >= 0).all(axis=1) & (at[:, 0] < height - 1) & (at[:, 1] < width)
            picture[at[inside, 0], at[inside, 1]] = picture[at[inside, 0] + 1, at[inside, 1]] = value
    return picture


def _lined(picture: Floats, low: float, high: float, rng: np.random.Generator) -> Floats:
    for _ in range(int(rng.integers(1, 4))):
        line = picture if rng.random() < 0.5 else picture.T
        line[int(rng.uniform(0, len(line)))] = rng.choice([low, high])
    return picture


def _bordered(picture: Floats, rng: np.random.Generator) -> Floats:
    top, bottom, left, right = (int(v) for v in rng.uniform(0, 25, 4))
    value = rng.choice([picture.min(), picture.max(), np.median(picture)])
    inner = picture[top : len(picture) - bottom, left : picture.shape[1] - right]
    framed = np.full_like(picture, value)
    framed[top : len(picture) - bottom, left : picture.shape[1] - right] = inner
    return framed


def no_blot(rng: np.random.Generator) -> Floats:
    """Haze, and on it dots, bars, writing or nothing."""
    shape = (int(rng.uniform(150, 500)), int(rng.uniform(150, 600)))
    haze = ndimage.gaussian_filter(rng.standard_normal(shape), rng.uniform(8, 50)) * 20
    picture = 100 + rng.uniform(0, 300) * haze + rng.normal(0, rng.uniform(2, 20), shape)
    draw = (_dots, _bars, _writing, lambda p, _: p)[int(rng.integers(0, 4))]
    return draw(picture, rng)


def _dots(picture: Floats, rng: np.random.Generator) -> Floats:
    pitch = rng.uniform(25, 60)
    size, (rows, cols) = pitch * rng.uniform(0.2, 0.42), np.mgrid[: picture.shape[0], : picture.shape[1]]
    for y in np.arange(pitch, picture.shape[0] - pitch / 2, pitch):
        for x in np.arange(pitch, picture.shape[1] - pitch / 2, pitch):
            edge = np.clip((np.hypot(rows - y, cols - x) - size) / 1.5, -50, 50)
            picture += 3000 * 10 ** -rng.uniform(0, 1.5) / (1 + np.exp(edge))
    return picture


def _bars(picture: Floats, rng: np.random.Generator) -> Floats:
    height, x = len(picture), 40
    while x < picture.shape[1] - 30:
        width = int(rng.uniform(10, 40))
        picture[int(rng.uniform(20, height - 30)) : height - 25, x : x + width] = rng.choice([2000, 3000, 4000])
        x += width + int(rng.uniform(5, 40))
    picture[height - 25 : height - 23] = 4000
    return picture


def _writing(picture: Floats, rng: np.random.Generator) -> Floats:
    for y in np.arange(15, len(picture) - 10, rng.uniform(12, 24)):
        for x in np.cumsum(rng.uniform(4, 9, 200)) + 10:
            if x < picture.shape[1] - 15 and rng.random() < 0.85:
                picture[int(y) : int(y + rng.uniform(4, 8)), int(x) : int(x + rng.uniform(1, 3))] = 3000
                picture[int(y + rng.uniform(0, 6)), int(x) : int(x + 6)] = 3000
    return picture


def empty_maps(shape: tuple[int, int]) -> dict[str, NDArray[np.float32]]:
    """Maps of a picture without bands: at half the resolution all but ``band`` and ``band_care``."""
    half = (shape[0] // 2, shape[1] // 2)
    maps = {name: np.zeros(half, np.float32) for name in ("region", "cos", "sin", "ratio")}
    return {**maps, "care": np.ones(half, np.float32), "band": np.zeros(shape, np.float32),
            "band_care": np.ones(shape, np.float32)}  # fmt: skip


def true_maps(blot: SyntheticBlot, how: Coarse, shape: tuple[int, int]) -> dict[str, NDArray[np.float32]]:
    """What the network should answer: where lanes and band cores are, and where nobody can say."""
    maps, layout = empty_maps(shape), blot.true_layout()
    rows, cols = how.rows(shape[0] // 2, 2), how.cols(shape[1] // 2, 2)
    for strip in layout.strips:
        _draw_lanes(maps, blot, strip, layout.lanes_of(strip.id), (rows, cols))
    _draw_bands(maps, blot, how, shape)
    return maps


def _draw_lanes(
    maps: dict[str, NDArray[np.float32]],
    blot: SyntheticBlot,
    strip: Strip,
    lanes: tuple[Lane, ...],
    grid: tuple[Floats, Floats],
) -> None:
    rows, cols = grid
    points = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
    inside = Outline(np.asarray(strip.outline)).contains_points(points).reshape(len(rows), len(cols))
    table = blot.truth.bands
    best = table[(table["strip"] == strip.number) & table["present"]].groupby("lane")["snr"].max()
    seen = [k for k, lane in enumerate(lanes) if best.get(lane.number, 0.0) >= SHOWN]
    if not seen:
        maps["care"][inside] = 0
        return
    for i in np.flatnonzero(inside.any(axis=1)):
        centers = np.array([float(x.center_at(rows[i])) for x in lanes])
        widths = np.array([float(x.width_at(rows[i])) for x in lanes])
        gaps = np.diff(centers) if len(lanes) > 1 else widths / 0.8
        known = np.concatenate([[centers[0] - gaps[0]], centers, [centers[-1] + gaps[-1]]])
        place = np.interp(cols, known, np.arange(-1, len(lanes) + 1))
        left, right = centers - widths / 2 - 1, centers + widths / 2 + 1
        own = inside[i] & (cols >= left[0]) & (cols <= right[-1])
        # Nobody can count the lanes beyond the first and the last that show a band.
        blind = own & ((cols < left[seen[0]]) | (cols > right[seen[-1]]))
        nearest = np.clip(np.rint(place), 0, len(lanes) - 1).astype(int)
        share = widths / np.minimum(np.append(gaps, gaps[-1]), np.append(gaps[0], gaps))[: len(lanes)]
        maps["region"][i, own & ~blind], maps["care"][i, blind] = 1, 0
        maps["cos"][i, own], maps["sin"][i, own] = np.cos(2 * np.pi * place[own]), np.sin(2 * np.pi * place[own])
        maps["ratio"][i, own] = share[nearest[own]]


def _draw_bands(maps: dict[str, NDArray[np.float32]], blot: SyntheticBlot, how: Coarse, shape: tuple[int, int]) -> None:
    rows, cols = how.rows(shape[0], 1), how.cols(shape[1], 1)
    snr = dict(zip(blot.band_ids, blot.truth.bands["snr"], strict=True))
    for place in blot.places:
        strength = snr[f"s{place.strip}l{place.lane}r{place.row}"]
        if place.volume <= 0 or strength < HARDLY:
            continue
        outline = np.asarray(place.shape.outline(4, place.shape.width / 2))
        window = tuple(
            slice(*np.searchsorted(axis, [side.min(), side.max()]))
            for axis, side in zip((rows, cols), outline.T, strict=True)
        )
        across, along = place.shape.coordinates(*np.meshgrid(rows[window[0]], cols[window[1]], indexing="ij"))
        half = max(0.8 * place.shape.spread, 0.75 * how.scale[0])
        inside, away = np.abs(across) <= place.shape.width / 2, np.abs(along - place.shape.mode)
        band, care = maps["band"][window], maps["band_care"][window]
        if strength >= SHOWN:
            band[inside & (away <= half)] = 1
            care[inside & (away > half) & (away <= 1.35 * half) & (band == 0)] = 0.2
        else:
            care[inside & (away <= half) & (band == 0)] = 0

"""A second maker of pictures with known truth, apart from `blotquant.synthetic`: nothing of it is imported here.

Every ingredient differs: bands fall off like a hyperbolic secant, steeper on one side, and have raised-cosine sides;
the background is a random field with a power-law spectrum, a corner shading and bands of rows; noise is a camera's
electrons with a pattern fixed to its columns. A method that fits one generator's shapes by accident fails here.

`make_blot` draws a probe picture (rows of bands, doublets, touching lanes, scratches and specks), `make_stain` a
total-protein picture, whose lanes' light is proportional to a known load but for haze that is no protein.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

GRADES = ("clean", "usual", "hard")
CHANCES = {  # a doublet, lanes that touch, a clipped core, a scratch, tilt in degrees, haze (part of a band's peak)
    "clean": (0.0, 0.0, 0.0, 0.0, 0.3, 0.01),
    "usual": (0.35, 0.15, 0.15, 0.3, 1.5, 0.04),
    "hard": (0.45, 0.35, 0.25, 0.7, 3.0, 0.12),
}


@dataclass(frozen=True, eq=False)
class TrueBand:
    """One band: its place, its own light, and what it was given."""

    lane: int
    row: float
    col: float
    volume: float
    height: float  # SD along the lane, px
    width: float  # px
    pair: int = -1  # index of its doublet, -1 for none
    saturated: bool = False
    damaged: bool = False


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels (bands bright, uint16), the truth of bands and lanes, and the light of bands alone.

    `ground` is all other light before the camera, of which `foreign` are glow of the bands, scratches and specks.
    """

    pixels: np.ndarray
    bands: list[TrueBand]
    lanes: np.ndarray  # (n, 3): middle column at the top, at the bottom, width
    light: np.ndarray
    loads: np.ndarray = field(default_factory=lambda: np.zeros(0))
    ceiling: float = 65535.0
    ground: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    foreign: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))


def secant(u: np.ndarray, lean: float) -> np.ndarray:
    """Profile along the lane: 1 / cosh, steeper on one side by exp(2 lean); its SD is about 1 for lean 0."""
    scaled = np.where(u < 0, u * np.exp(lean), u * np.exp(-lean))
    return 1 / np.cosh(np.clip(scaled * np.pi / 2, -300, 300))


def sides(across: np.ndarray, width: float, soft: float, rim: float) -> np.ndarray:
    """Profile across the lane: level with raised-cosine sides; `rim` lifts the sides over the middle."""
    place = np.clip((width / 2 - np.abs(across)) / soft + 0.5, 0, 1)
    return (0.5 - 0.5 * np.cos(np.pi * place)) * (1 + rim * np.clip(2 * across / width, -1, 1) ** 2)


def power_field(shape: tuple[int, int], slope: float, longest: float, rng: np.random.Generator) -> np.ndarray:
    """Random field of SD 1 whose power falls with frequency ** -slope from wavelength `longest` px on."""
    fr, fc = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    power = (np.hypot(fr, fc) + 1 / longest) ** (-slope / 2)
    drawn = rng.normal(size=power.shape) + 1j * rng.normal(size=power.shape)
    out = np.fft.irfft2(drawn * power, shape)
    return (out - out.mean()) / out.std()


def camera(light: np.ndarray, rng: np.random.Generator, *, ceiling: float = 65535.0) -> np.ndarray:
    """Turn light in counts into stored counts: electrons, readout, a pattern of columns, hot pixels."""
    gain = rng.uniform(0.5, 2.5)
    counts = rng.poisson(np.maximum(light, 0) / gain) * gain + rng.normal(0, rng.uniform(3, 9), light.shape)
    counts += rng.normal(0, 1.0, light.shape[1]) + rng.normal(0, 0.7, (light.shape[0], 1)) + rng.uniform(80, 300)
    hot = rng.random(light.shape) < 2e-6
    counts[hot] += rng.exponential(4000, hot.sum())
    return np.clip(np.rint(counts), 0, ceiling).astype(np.uint16)


def shade(shape: tuple[int, int], level: float, haze: float, rng: np.random.Generator) -> np.ndarray:
    """Background: a slope, a darker corner, clouds, and faint bands of rows."""
    r, c = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])[None]
    corner = rng.uniform(-0.25, 0.1) * ((r - rng.uniform(-1, 1)) ** 2 + (c - rng.uniform(-1, 1)) ** 2)
    slope = rng.uniform(-0.15, 0.15) * r + rng.uniform(-0.15, 0.15) * c
    clouds = haze * power_field(shape, 4.0, rng.uniform(0.3, 0.9) * shape[1], rng)
    return level * (1 + corner + slope) + clouds


def place_lanes(n: int, pitch: float, share: float, rng: np.random.Generator) -> np.ndarray:
    """Lanes that lean by a few pixels and differ in width and pitch by a tenth."""
    steps = pitch * rng.uniform(0.93, 1.07, n)
    middle = np.cumsum(steps) + 0.4 * pitch
    lean = rng.normal(0, 1.5) + rng.normal(0, 0.5, n)
    width = share * np.minimum(steps, np.append(steps[1:], steps[-1])) * rng.uniform(0.92, 1.0, n)
    return np.column_stack([middle - lean, middle + lean, width])


def lane_grid(shape: tuple[int, int], lane: np.ndarray) -> np.ndarray:
    """Distance across from a lane's middle of every pixel."""
    rows, cols = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    return cols - (lane[0] + (lane[1] - lane[0]) * rows / shape[0])


def make_blot(grade: str, seed: int, *, n_lanes: int | None = None) -> Picture:
    """Draw a probe picture.

    Parameters
    ----------
    grade : {"clean", "usual", "hard"}
        How crowded, sloping and dirty it is.
    seed : int
        Same seed, same picture.
    n_lanes : int, optional
        Lanes; 5 to 14 when not given.
    """
    rng = np.random.default_rng([seed, GRADES.index(grade)])
    doublet, touching, clipped, scratch, tilt, haze = CHANCES[grade]
    n = n_lanes or int(rng.integers(5, 15))
    pitch, sd = rng.uniform(34, 64), rng.uniform(2.2, 4.2)
    lanes = place_lanes(n, pitch, rng.uniform(0.9, 0.96) if rng.random() < touching else rng.uniform(0.6, 0.82), rng)
    n_rows = int(rng.integers(1, 4))
    shape = (int(90 * n_rows + 70), int(lanes[-1, 0] + 1.4 * pitch))
    peak = float(rng.lognormal(np.log(6000), 0.6))
    cols = np.arange(shape[1])
    front = _front(cols, tilt, rng)
    light, bands, pair = np.zeros(shape), [], -1
    lean, rim, soft = rng.uniform(-0.25, 0.25), rng.uniform(-0.1, 0.2), rng.uniform(1.5, 4.0)
    ceiling = 65535.0
    for row in range(n_rows):
        at = 80.0 + 90 * row + rng.uniform(-12, 12)
        strength = peak * rng.lognormal(-0.4 * row, 0.3)
        is_pair = rng.random() < doublet
        gap, ratio = rng.uniform(1.5, 4.0) * sd, np.exp(rng.uniform(-np.log(10), np.log(10)))
        for k, lane in enumerate(lanes):
            amount = strength * 10 ** (-rng.uniform(0, 1.3)) * (rng.random() > 0.06)
            parts = [(0.0, 1.0)]
            if is_pair:
                pair += 1
                own = ratio * np.exp(rng.normal(0, 0.35))
                parts = [(-gap / 2, own / (1 + own)), (gap / 2, 1 / (1 + own))]
            across = lane_grid(shape, lane)
            flat = sides(across, lane[2], soft, rim) * (1 + rng.uniform(-0.1, 0.1) * np.clip(across / lane[2], -1, 1))
            shift, bow = rng.normal(0, 0.5), rng.normal(0.5, 0.7)
            ridge = at + shift + front + bow * (2 * across / lane[2]) ** 2
            for off, share in parts:
                own_light = amount * share * flat * secant((np.arange(shape[0])[:, None] - ridge - off) / sd, lean)
                light += own_light
                middle = lane[0] + (lane[1] - lane[0]) * at / shape[0]
                place = at + shift + off + float(np.interp(middle, cols, front))
                bands.append(TrueBand(k, place, middle, float(own_light.sum()), sd, lane[2], pair if is_pair else -1))
    glow = _blurred(light, rng.uniform(8, 20)) * rng.uniform(0, 0.12 if grade != "clean" else 0.02)
    ground = shade(shape, rng.lognormal(np.log(500), 0.5), haze * np.median(light.max(axis=0)), rng)
    dirt, hit = _dirt(shape, bands, peak, rng) if rng.random() < scratch else (np.zeros(shape), set())
    total = light + glow + ground + dirt
    if rng.random() < clipped:
        ceiling = float(np.round(rng.uniform(0.5, 0.9) * light.max() + ground.mean()))
    pixels = camera(total, rng, ceiling=ceiling)
    return Picture(pixels, [_marked(b, k, pixels, ceiling, hit) for k, b in enumerate(bands)], lanes, light,
                   ceiling=ceiling, ground=total - light, foreign=glow + dirt)  # fmt: skip


def make_stain(grade: str, seed: int, *, n_lanes: int | None = None) -> Picture:
    """Draw a total-protein picture: many bands and a smear in every lane, all in proportion to its load.

    Haze along each lane is no protein: it is drawn anew for every lane, as broad as a third of the picture.
    """
    rng = np.random.default_rng([seed, 7, GRADES.index(grade)])
    n = n_lanes or int(rng.integers(6, 15))
    pitch = rng.uniform(36, 70)
    lanes = place_lanes(n, pitch, rng.uniform(0.72, 0.9), rng)
    shape = (int(rng.uniform(380, 620)), int(lanes[-1, 0] + 1.4 * pitch))
    rows = np.arange(shape[0])[:, None]
    loads = np.exp(rng.normal(0, rng.uniform(0.15, 0.35), n))
    n_bands = int(rng.integers(14, 40))
    places = np.sort(rng.uniform(0.08, 0.93, n_bands)) * shape[0]
    heights, sds = rng.lognormal(0, 0.8, n_bands), rng.uniform(1.6, 4.0, n_bands)
    peak = float(rng.lognormal(np.log(2500), 0.6))
    smear = 0.25 * peak * np.exp(0.6 * power_field((shape[0], 8), 4.0, shape[0] / 2, rng)[:, :1])
    smear *= np.clip(rows / (0.08 * shape[0]), 0, 1) * np.clip((shape[0] - rows) / (0.06 * shape[0]), 0, 1)
    worse = {"clean": 0.05, "usual": 0.3, "hard": 0.6}[grade]
    smile = rng.uniform(-6, 6)
    light, haze, soft = np.zeros(shape), np.zeros(shape), rng.uniform(1.5, 4.0)
    sums = np.zeros(n)
    for k, lane in enumerate(lanes):
        flat = sides(lane_grid(shape, lane), lane[2], soft, rng.uniform(-0.1, 0.15))
        ridge = smile * (2 * k / max(n - 1, 1) - 1) ** 2 + rng.normal(0, 0.6)
        own = heights * np.exp(rng.normal(0, 0.08, n_bands))
        profile = smear[:, 0] + peak * (own * secant((rows - places - ridge) / sds, 0.1)).sum(axis=1)
        profile *= loads[k] / profile.sum() * 1e3 * peak / 10
        light += profile[:, None] * flat / flat.sum(axis=1).mean()
        sums[k] = profile.sum()
        cloud = power_field((shape[0], 8), 4.0, shape[0] / rng.uniform(1.5, 3), rng)[:, :1]
        haze += worse * np.median(profile) / lane[2] * (1 + cloud) * sides(lane_grid(shape, lane), 1.1 * lane[2], 8, 0)
    typical = float(np.median(light[light > 0.05 * light.max()]))
    ground = shade(shape, rng.uniform(0.3, 2) * typical, worse * typical / 2, rng)
    dirt = np.zeros(shape)
    if grade != "clean":
        dirt, _ = _dirt(shape, [], 4 * typical, rng)
    scale = rng.uniform(8000, 30000) / float(np.quantile(light, 0.999))
    return Picture(camera((light + np.maximum(haze, 0) + ground + dirt) * scale, rng), [], lanes, light * scale, loads)


def _front(cols, tilt, rng):
    """Rows by which the running front lies lower at each column: a fall and a smile."""
    fall = np.tan(np.deg2rad(rng.uniform(-tilt, tilt)))
    smile = rng.uniform(-1, 1) * 3 * tilt
    return fall * (cols - len(cols) / 2) + smile * ((cols / len(cols) - 0.5) * 2) ** 2


def _dirt(shape, bands, peak, rng):
    """Scratches, specks and streaks, and the bands that they lie on."""
    dirt, hit = np.zeros(shape), set()
    rows, cols = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    for _ in range(int(rng.integers(1, 4))):
        r, c, angle = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(0, np.pi)
        across = (rows - r) * np.cos(angle) - (cols - c) * np.sin(angle)
        along = (rows - r) * np.sin(angle) + (cols - c) * np.cos(angle)
        dirt += (
            rng.uniform(0.2, 1.0) * peak * np.exp(-0.5 * (across / 1.2) ** 2) * (np.abs(along) < rng.uniform(20, 90))
        )
    for _ in range(int(rng.integers(2, 9))):
        r, c, size = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(1, 4)
        dirt += rng.uniform(0.2, 2.0) * peak * np.exp(-0.5 * ((rows - r) ** 2 + (cols - c) ** 2) / size**2)
    for k, band in enumerate(bands):
        top, left = max(int(band.row - 3 * band.height), 0), max(int(band.col - band.width / 2), 0)
        part = dirt[top : int(band.row + 3 * band.height), left : int(band.col + band.width / 2)]
        if part.sum() > 0.05 * max(band.volume, 1.0):
            hit.add(k)
    return dirt, hit


def _marked(band: TrueBand, k: int, pixels: np.ndarray, ceiling: float, hit: set[int]) -> TrueBand:
    top, left = max(int(band.row - band.height), 0), max(int(band.col - band.width / 2), 0)
    part = pixels[top : int(band.row + band.height) + 1, left : int(band.col + band.width / 2)]
    full = bool(part.size and (part >= ceiling).any())
    return TrueBand(band.lane, band.row, band.col, band.volume, band.height, band.width, band.pair, full, k in hit)


def _blurred(light: np.ndarray, length: float) -> np.ndarray:
    """Exponential glow of a length, by two passes along either axis."""
    fr, fc = np.fft.fftfreq(2 * light.shape[0])[:, None], np.fft.rfftfreq(2 * light.shape[1])[None]
    kernel = 1 / (1 + (2 * np.pi * length) ** 2 * (fr**2 + fc**2)) ** 1.5
    spread = np.fft.irfft2(np.fft.rfft2(light, [2 * n for n in light.shape]) * kernel, [2 * n for n in light.shape])
    return spread[: light.shape[0], : light.shape[1]]

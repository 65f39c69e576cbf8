"""How often polarity is told rightly where membranes lie on a ground, in frames and margins.

    python tools/benchmarks/polarity_pieces.py [PICTURES]

Draws plain pictures of one to three pieces of membrane (one below the other or side by side) on darker, lighter or
equal ground, with black, white or both frames, and compares the judgement by piece with that of the whole picture.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import ndimage

from blotquant.imaging import polarity


def draw_piece(
    rng: np.random.Generator, shape: tuple[int, int], *, lanes: int, rows: int, level: float, height: float
) -> np.ndarray:
    """Draw a piece of membrane with rows of bands, a tenth of them missing."""
    piece = np.full(shape, level)
    y, x = np.mgrid[: shape[0], : shape[1]]
    pitch, sigma = shape[1] / (lanes + 0.6), rng.uniform(2, 5)
    for row in range(1, rows + 1):
        middle = shape[0] * row / (rows + 1) + rng.normal(0, 1)
        for lane in range(lanes):
            if rng.random() < 0.1:
                continue
            along = np.exp(-((y - middle) ** 2) / 2 / sigma**2)
            across = np.exp(-(((x - pitch * (lane + 0.8)) / (0.35 * pitch)) ** 6))
            piece += height * np.exp(rng.normal(-0.5, 0.6)) * along * across
    return piece + level * 0.03 * np.sin(x / shape[1] * rng.uniform(1, 4))


def draw_picture(seed: int) -> tuple[np.ndarray, str]:
    """Draw a picture with its true polarity."""
    rng = np.random.default_rng(seed)
    height, width = int(rng.integers(300, 900)), int(rng.integers(400, 1000))
    dark = rng.random() < 0.5
    ground = rng.choice(["darker", "lighter", "same"], p=[0.55, 0.3, 0.15])
    n_pieces = int(rng.integers(1, 4))
    level = rng.uniform(25000, 50000) if dark else rng.uniform(4000, 12000)
    factor = {"darker": rng.uniform(0.02, 0.6), "lighter": rng.uniform(1.3, 3), "same": rng.uniform(0.97, 1.03)}[ground]
    picture = np.full((height, width), min(level * factor, 62000))
    signal = -rng.uniform(0.2, 0.9) * level if dark else rng.uniform(0.3, 4) * level
    stacked = rng.random() < 0.75
    for k in range(n_pieces):
        across, down = (1, n_pieces) if stacked else (n_pieces, 1)
        cell_h, cell_w = height / down, width / across
        h = int(cell_h * (rng.uniform(0.45, 0.85) if stacked else rng.uniform(0.4, 0.9)))
        w = int(cell_w * (rng.uniform(0.6, 0.95) if stacked else rng.uniform(0.6, 0.9)))
        top = int(cell_h * (k if stacked else 0) + (cell_h - h) * rng.random())
        left = int(cell_w * (0 if stacked else k) + (cell_w - w) * rng.random())
        lanes = int(rng.integers(4, 13)) if w > 250 else int(rng.integers(3, 6))
        rows = int(rng.integers(1, 4 if h > 150 else 2))
        own = level * rng.uniform(0.85, 1.15)
        picture[top : top + h, left : left + w] = draw_piece(
            rng, (h, w), lanes=lanes, rows=rows, level=own, height=signal
        )
    frame, margin = rng.choice(["none", "black", "white", "both"], p=[0.5, 0.2, 0.15, 0.15]), int(rng.integers(5, 40))
    if frame in ("white", "both"):
        picture = np.pad(picture, margin, constant_values=64000)
    if frame in ("black", "both"):
        picture = np.pad(picture, margin, constant_values=50)
    light = ndimage.gaussian_filter(picture, rng.uniform(0.5, 1.5)).clip(0, 65000)
    noisy = rng.normal(light, np.sqrt(light * rng.uniform(1, 8) + 400))
    return noisy.clip(0, 65535).astype(np.uint16), "dark" if dark else "bright"


def judge_whole(pixels: np.ndarray) -> tuple[str, float]:
    """Judge the picture at once, as if it were one surface."""
    lean = polarity._balance(*polarity._energies(polarity._stand_out(polarity._reduce(pixels))))
    return ("dark" if lean < 0 else "bright"), 0.5 * (1 + float(np.tanh(polarity._STEEPNESS * abs(lean))))


def main() -> None:
    """Print how many of the pictures each way tells rightly, wrongly though sure, and unsurely."""
    n_pictures = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    for name, judge in {"by piece": polarity.guess_polarity, "as a whole": judge_whole}.items():
        right = wrong = unsure = 0
        for seed in range(n_pictures):
            pixels, true = draw_picture(seed)
            guess, confidence = judge(pixels)
            right += guess == true
            wrong += guess != true and confidence >= polarity.UNCERTAIN_BELOW
            unsure += confidence < polarity.UNCERTAIN_BELOW
        print(f"{name}: {right} of {n_pictures} right, {wrong} wrong and sure, {unsure} unsure")


if __name__ == "__main__":
    main()

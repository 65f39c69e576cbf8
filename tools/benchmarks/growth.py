"""How quantification grows with bands a lane and with pixels: processor time and peak memory, outlines stated.

OMP_NUM_THREADS=1 python tools/benchmarks/growth.py
"""

from __future__ import annotations

import numpy as np
from speed import N_LANES, clock, peak_bytes

from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle
from blotquant.model.image import BlotImage
from blotquant.quantification.alternatives import measure_alternatives
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.prepared_image import prepare_image


def stated_blot(n_bands: int, side: int = 2048) -> tuple[BlotImage, Layout]:
    """A picture of 15 straight lanes of so many named bands, whose outlines are stated, not found."""
    rng, rows, pitch, step = (
        np.random.default_rng(0),
        np.arange(side)[:, None],
        side / (N_LANES + 1),
        side / (n_bands + 1),
    )
    sigma, half = min(step / 9, 9.0), 0.35 * pitch
    pixels, lanes, bands = rng.normal(500, 8, (side, side)), [], []
    for k in range(1, N_LANES + 1):
        middle = pitch * k
        ends = ((0.0, middle), (side - 1.0, middle))
        lanes.append(Lane(id=f"l{k}", strip="s", number=k, center=ends, widths=(2 * half, 2 * half)))
        for j in range(1, n_bands + 1):
            row = step * j
            near = slice(int(row - 6 * sigma), int(row + 6 * sigma))
            light = rng.uniform(300, 4000) * np.exp(-0.5 * ((rows[near] - row) / sigma) ** 2)
            pixels[near, int(middle - half) : int(middle + half)] += light
            outline = rectangle(row - 2.6 * sigma, row + 2.6 * sigma, middle - half, middle + half)
            bands.append(Band(id=f"l{k}b{j}", lane=f"l{k}", row=j, target="x", peak=(row, middle), outline=outline))
    strip = Strip(id="s", number=1, outline=rectangle(0, side, 0, side))
    image = BlotImage(pixels=np.clip(np.rint(pixels), 0, 65535).astype(np.uint16))
    return image, Layout(strips=(strip,), lanes=tuple(lanes), bands=tuple(bands))


def growth_table(repeats: int) -> None:
    """Quantification at 5, 15 and 30 bands a lane, and a picture of four times the pixels."""
    print(f"\nGrowth: {N_LANES} lanes, outlines stated; prepare + measure, and alternatives, processor time")
    first = 0.0
    for n_bands, side in ((5, 2048), (15, 2048), (30, 2048), (5, 4096)):
        image, layout = stated_blot(n_bands, side)
        scene = prepare_image(image, layout)
        cpu = clock(lambda: measure_bands(image, layout, scene=prepare_image(image, layout)), repeats)[1]  # noqa: B023
        more = clock(lambda: measure_alternatives(layout, scene), repeats)[1]  # noqa: B023
        peak = peak_bytes(lambda: measure_bands(image, layout, scene=prepare_image(image, layout)))  # noqa: B023
        first = first or cpu
        limit = {(15, 2048): "limit 2.5", (5, 4096): "limit 2.5", (30, 2048): "linear: 6"}.get((n_bands, side), "")
        print(
            f"  {side}², {n_bands:2} bands a lane {1e3 * cpu:8.1f} ms {cpu / first:5.2f} × the first {limit:10}"
            f" alternatives {1e3 * more:8.1f} ms, peak {peak / 2**20:.0f} MB, {peak / (2 * side**2):.1f} × the picture"
        )


if __name__ == "__main__":
    growth_table(5)

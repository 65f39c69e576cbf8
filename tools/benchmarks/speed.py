"""Where the time and the memory go: one picture, one core, stage by stage, other tools, start-up, a whole study.

``OMP_NUM_THREADS=1 python tools/benchmarks/speed.py [--sides 512 2048 4096] [--repeats 9]``. The pictures are
synthetic: 16 bits, 15 lanes × 5 bands. Times are medians of wall time and of processor time (the one to trust on a busy
machine). Beside each stage stands what it cannot go below: reading the file's bytes, one pass over the pixels, and for
finding the network's multiply-adds, as fast as this processor multiplies matrices. Memory is the peak that Python and
numpy took, over the picture's own bytes. ImageJ's gel analyser and a scikit-image pipeline measure the same picture,
where they are installed. What is asked stands in brackets. The first window: `first_window.py`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

N_ROWS, N_LANES = 5, 15
ROOT = Path(__file__).resolve().parents[2]
ASKED_MS = {512: 70, 2048: 160, 4096: 400}
"""Processor time of `measure` by side of the picture."""
SEARCHING = ("bands in known lanes", "strips, lanes, bands", "network alone", "all of measure")
READING = ("tifffile.imread", "read", "checksum alone")
BAND_SIGMA = 14.0
"""Pixels of a 2048² picture."""


def write_picture(path: Path, side: int) -> None:
    import tifffile

    from blotquant.synthetic import make_blot, plain_spec

    scale = side / 2048
    volumes = np.random.default_rng(0).uniform(8e5, 8e6, (N_ROWS, N_LANES)) * scale**2
    blot = make_blot(plain_spec(volumes, shape=(side, side), sigma=BAND_SIGMA * scale), seed=1)
    tifffile.imwrite(path, blot.pixels)


def clock(function: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Median wall and processor seconds of a call, after one that warms up."""
    function()
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def peak_bytes(function: Callable[[], Any]) -> int:
    tracemalloc.start()
    function()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def stages(path: Path, out: Path) -> dict[str, Callable[[], Any]]:
    """The steps of `measure` for one picture, each on the finished work of the steps before it."""
    import tifffile

    from blotquant.analysis import analyze
    from blotquant.detection.picture import detect_bands, find_layout
    from blotquant.detection.prediction import make_search_copy, predict
    from blotquant.doublets.split import resolve_doublets
    from blotquant.io import read_image
    from blotquant.io.files import sha256_of
    from blotquant.quantification.bands import measure_bands
    from blotquant.quantification.lanes import measure_lanes
    from blotquant.quantification.prepared_image import prepare_image
    from blotquant.report.blot import render_blot
    from blotquant.runs.pictures import PictureTask, find_inputs, make_part, measure_picture
    from blotquant.runs.store import Store
    from blotquant.settings import Settings

    image = read_image(path)
    signal = image.signal()
    coarse = make_search_copy(signal).pixels
    layout = find_layout(signal, ceiling=image.ceiling)
    if (len(layout.strips), len(layout.lanes), len(layout.bands)) != (1, N_LANES, N_LANES * N_ROWS):
        sys.exit(f"{path.name} is not found as {N_LANES} lanes × {N_ROWS} bands: figures would be of another layout")
    scene = prepare_image(image, layout)
    analysis = analyze(image)
    part = make_part("picture", "", {"picture.blot.json": ("picture", analysis)})
    task = PictureTask(input=find_inputs([path])[0], settings=Settings(), session_folder=out)
    return {
        "tifffile.imread": lambda: tifffile.imread(path),
        "one pass in float": lambda: float(image.pixels.astype(np.float32).sum()),
        "read": lambda: read_image(path),
        "checksum alone": lambda: sha256_of(path),
        "bands in known lanes": lambda: detect_bands(signal, layout.lanes),
        "strips, lanes, bands": lambda: find_layout(signal, ceiling=image.ceiling),
        "network alone": lambda: predict(coarse),
        "touching rows": lambda: resolve_doublets(signal, layout, ceiling=image.ceiling),
        "background": lambda: prepare_image(image, layout),
        "measure bands": lambda: measure_bands(image, layout, scene=scene),
        "measure lanes": lambda: measure_lanes(image, layout),
        "tables and session": lambda: make_part("p", "", {"p.blot.json": ("p", analysis)}),
        "write": lambda: Store(out).save(part),
        "report": lambda: render_blot(analysis, title="picture", session="p", constants={}),
        "all of measure": lambda: measure_picture(task),
    }


def multiply_adds(rows: int, cols: int) -> float:
    """Multiply-adds of the network for a coarse copy: its matrices, each over the places of its scale."""
    from blotquant.detection.prediction import MULTIPLE, load_network

    places = np.prod([-(-n // MULTIPLE) * MULTIPLE / 2 for n in (rows, cols)])
    total = 0.0
    for name, matrix in load_network().items():
        kind, _, rest = name.partition(".")
        level = int(rest[0]) if rest[0].isdigit() else 0
        scale = {"down": level + 1, "enc": level + 1, "side": level + 1, "dec": level, "mid": 4}.get(kind, 0)
        total += places / 4**scale * (matrix.size if name.endswith(".w") else 0)
    return float(total)


def limits(path: Path) -> dict[str, float]:
    """Seconds for reading the file's bytes, for one pass over its pixels, and for the network's multiply-adds."""
    import tifffile

    from blotquant.detection.prediction import make_search_copy

    pixels = tifffile.imread(path)
    square = np.ones((512, 512), dtype=np.float32)
    _, product = clock(lambda: square @ square, 9)
    copy = make_search_copy(pixels.astype(np.float32)).pixels
    n = multiply_adds(*copy.shape)
    print(f"  a copy of {copy.shape[0]} × {copy.shape[1]}: {n / 1e6:.0f} million multiply-adds of the network")
    return {
        "bytes read": clock(path.read_bytes, 9)[1],
        "one pass": clock(lambda: float(pixels.astype(np.float32).sum()), 9)[1],
        "multiply-adds": product * n / 512**3,
    }


def picture_table(side: int, repeats: int, folder: Path) -> None:
    path = folder / f"{side}.tif"
    write_picture(path, side)
    print(f"\n{side} × {side}, 16 bits, {N_LANES} lanes × {N_ROWS} bands, median of {repeats}")
    steps, least = stages(path, folder / "out"), limits(path)
    for name, step in steps.items():
        wall, cpu = clock(step, repeats)
        parts = ["bytes read" if name in READING else "one pass"]
        parts += ["multiply-adds"] if name in SEARCHING else []
        parts += ["bytes read"] if name == "all of measure" else []
        limit = sum(least[part] for part in parts)
        asked = f" (asked {ASKED_MS[side]})" if name == "all of measure" and side in ASKED_MS else ""
        print(
            f"  {name:22} {1e3 * wall:8.1f} ms wall {1e3 * cpu:8.1f} ms cpu{asked}, "
            f"limit {1e3 * limit:6.1f} ms ({' + '.join(parts)})"
        )
    peak = peak_bytes(steps["all of measure"])
    print(f"  peak memory of measure {peak / 2**20:.0f} MB, {peak / (2 * side * side):.1f} × the picture (asked 6)")


def other_tools(path: Path, folder: Path) -> None:
    """Processor time of ImageJ and of a scikit-image pipeline, told blotquant's lanes and bands."""
    import pandas as pd
    from compare_tools import Picture, tools

    picture = Picture(path=path, truth=pd.DataFrame(), n_lanes=N_LANES)
    print(f"\nother tools on {path.name}; what is left out is named")
    _ = picture.layout  # found once, for all of them
    for name, tool in [(name, tool) for name, tool in tools().items() if name != "blotquant"]:
        before = os.times()
        tool([picture], folder)
        used = [after - b for after, b in zip(os.times()[:4], before[:4], strict=True)]
        print(f"  {name:22} {1e3 * sum(used):8.0f} ms cpu")


def command_seconds(*arguments: str, repeats: int = 1) -> tuple[float, float]:
    """Median wall and processor seconds of the command from a cold start."""
    walls, cpus = [], []
    for _ in range(repeats):
        before, wall = os.times(), time.perf_counter()
        subprocess.run([sys.executable, "-m", "blotquant", *arguments], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        walls.append(time.perf_counter() - wall)
        used = after.children_user + after.children_system - before.children_user - before.children_system
        cpus.append(used)
    return statistics.median(walls), statistics.median(cpus)


def start_up(repeats: int, folder: Path) -> None:
    import tifffile

    from blotquant.synthetic import make_blot, plain_spec

    small = folder / "small.tif"
    volumes = [[40_000, 25_000, 60_000, 15_000, 30_000, 45_000], [30_000] * 6]
    tifffile.imwrite(small, make_blot(plain_spec(volumes), seed=3).pixels)
    study = str(ROOT / "sample_images" / "experiment.toml")
    calls = {
        "blotquant --help": (("--help",), repeats, 0.1),
        "measure, one picture of 240 × 400": (("measure", str(small), "-o", str(folder / "results")), repeats, 0.6),
        "run, the sample study": (("run", study, "-o", str(folder / "study"), "--progress", "none"), 1, 6.0),
    }
    print("\nfrom a cold start")
    for name, (arguments, n, asked) in calls.items():
        wall, cpu = command_seconds(*arguments, repeats=n)
        print(f"  {name:36} {wall:6.2f} s wall {cpu:6.2f} s cpu (asked {asked:g})")


def main() -> None:
    from blotquant.threads import collect_garbage_seldom, keep_freed_memory

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 2048, 4096])
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    # As the command line does.
    keep_freed_memory()
    collect_garbage_seldom()
    with tempfile.TemporaryDirectory() as name:
        start_up(min(options.repeats, 5), Path(name))
        for side in options.sides:
            picture_table(side, options.repeats, Path(name))
        other_tools(Path(name) / f"{options.sides[0]}.tif", Path(name))


if __name__ == "__main__":
    main()

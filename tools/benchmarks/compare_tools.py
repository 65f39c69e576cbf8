"""Measure the same pictures with blotquant, ImageJ's gel analyser, gelpy and a pipeline of scikit-image's rolling ball.

    python tools/benchmarks/compare_tools.py --n 8

The pictures are graded suites of synthetic blots, whose truth is known, and, where the folder of `--real` is there, a
ladder gel with known amounts. All tools are given the same 16-bit files with bright bands. Nothing is downloaded: a
tool that is not installed is named and left out (ImageJ: a folder with ``ij.jar``, Java, and Xvfb where there is no
display; gelpy: its command).

- *blotquant* is given the picture alone.
- *ImageJ, gel analyser* finds nothing by itself. It is given blotquant's lanes as rectangles (of one size, as it
  asks for) and blotquant's bands: a straight line is drawn under each peak, from a quarter of its height beyond either
  end (the valley to a near neighbour), and the wand measures what it encloses in the plot.
- *ImageJ, rolling ball*: Subtract Background with the default radius of 50 px, then the integrated density of the same
  bands' boxes.
- *scikit-image*: blotquant's lanes, `rolling_ball(radius=50)`, peaks of each lane's smoothed profile that stand out
  by 5 % of the strongest, and the sum of counts around them.
- *gelpy* is given the true number of lanes; components of every class it names count. Its areas are shares of a lane,
  so that lanes cannot be compared.

A band counts as found where a tool names one within a band's height and half a lane of its place; bands of SNR >= 5
count. Volumes are compared for bands of SNR >= 10 that are neither saturated, hollow nor part of a doublet, after
one common scale a picture; "all" stands for the bands that every tool of the table measured. Times are processor time.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from graded_suites import DIFFICULTIES, graded_suite
from scipy.optimize import linear_sum_assignment

import blotquant as bq
from blotquant.model.geometry import Band, Lane, Layout

HERE = Path(__file__).parent
REAL = HERE.parent.parent / "shared" / "real"
JARS = (Path("/usr/share/java/ij.jar"), Path("/Applications/ImageJ.app/Contents/Java/ij.jar"))
COLUMNS = ["row", "col", "volume"]


@dataclass
class Picture:
    """One picture on disk with its true bands: `row col height width volume snr clean`."""

    path: Path
    truth: pd.DataFrame
    n_lanes: int
    spent: dict[str, float] = field(default_factory=dict)

    @cached_property
    def analysis(self) -> bq.Analysis:
        """What blotquant makes of it."""
        return bq.analyze(bq.read_image(self.path, polarity="bright"))

    @property
    def layout(self) -> Layout:
        """Lanes and bands as blotquant found them."""
        return self.analysis.layout


def synthetic(difficulty: str, n: int, seed: int, folder: Path) -> Iterator[Picture]:
    """Write pictures of one difficulty, with the truth of their bands."""
    for k, blot in enumerate(graded_suite(difficulty, n, seed)):
        bands = blot.truth.bands[blot.truth.bands["present"]]
        doublet = bands["target"].str.contains("_major|_minor")
        truth = pd.DataFrame(
            {
                "row": bands["peak_row"], "col": bands["peak_col"], "height": 5 * bands["sigma_along"],
                "width": bands["width"], "volume": bands["volume"], "snr": bands["snr"],
                "clean": ~(bands["saturated"] | (bands["hollow"] > 0) | doublet),
            }
        )  # fmt: skip
        yield Picture(write(blot.image(), folder / f"{difficulty}_{k}.tif"), truth, len(blot.truth.lanes))


def ladder_gel(folder: Path) -> Iterator[Picture]:
    """The real gel with known ng per band, in places marked by eye; bands that run together are left out."""
    from real_layouts import marked_pictures
    from real_weighing import LADDER_NG, MERGED

    image, layout = next((i, m) for name, i, m in marked_pictures() if name == "gelgenie_ladder")
    known = np.delete(LADDER_NG, MERGED)
    rows = [
        {"row": band.peak[0], "col": band.peak[1], "height": band.box.row_stop - band.box.row_start,
         "width": band.box.col_stop - band.box.col_start, "volume": ng, "snr": np.inf, "clean": True}
        for lane in layout.lanes for band, ng in zip(layout.bands_of(lane.id), known, strict=True)
    ]  # fmt: skip
    yield Picture(write(image, folder / "ladder_gel.tif"), pd.DataFrame(rows), len(layout.lanes))


def write(image: bq.BlotImage, path: Path) -> Path:
    """Write a picture as 16-bit TIFF with bright bands."""
    tifffile.imwrite(path, np.clip(np.rint(image.signal()), 0, 65535).astype(np.uint16), photometric="minisblack")
    return path


def run_blotquant(pictures: list[Picture], _folder: Path) -> list[pd.DataFrame]:
    """Measure; what is not detected counts as not found."""
    tables = []
    for picture in pictures:
        bands = picture.analysis.bands
        found = bands[bands["status"] == "detected"]
        tables.append(found.rename(columns={"peak_row": "row_", "peak_col": "col"}).rename(columns={"row": "number"})
                      .rename(columns={"row_": "row"})[COLUMNS])  # fmt: skip
    return tables


def run_imagej(jar: Path, kind: str) -> Callable[[list[Picture], Path], list[pd.DataFrame]]:
    """Make the runner of one of ImageJ's two habits; all pictures in one start of the program."""

    def run(pictures: list[Picture], folder: Path) -> list[pd.DataFrame]:
        jobs, places, answer = [str(folder / "imagej.tsv")], [], folder / "imagej.tsv"
        for k, picture in enumerate(pictures):
            jobs += list(_gel_jobs(picture, k) if kind == "gel" else _box_jobs(picture, k))
            places.append({band.id: band.peak for band in picture.layout.bands if band.status == "detected"})
        (folder / "jobs.txt").write_text("\n".join(jobs), encoding="utf-8")
        command = ["java", "-Xmx1g", "-jar", str(jar), "-batch", str(HERE / "imagej_gel.ijm"), str(folder / "jobs.txt")]
        if not os.environ.get("DISPLAY"):
            command = ["xvfb-run", "-a", *command]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
        volumes: list[dict[str, float]] = [{} for _ in pictures]
        with answer.open(encoding="utf-8") as lines:
            for _, name, area in csv.reader(lines, delimiter="\t"):
                k, band = name.split("/", 1)
                volumes[int(k)][band] = float(area)
        return [
            pd.DataFrame([(*place[band], volume) for band, volume in own.items()], columns=COLUMNS)
            for place, own in zip(places, volumes, strict=True)
        ]

    return run


def _gel_jobs(picture: Picture, k: int) -> Iterator[str]:
    for strip in picture.layout.strips:
        lanes = [lane for lane in picture.layout.lanes if lane.strip == strip.id]
        if not lanes:
            continue
        shape = picture.analysis.image.shape
        width = max(3, round(float(np.median([_extent(lane)[1] for lane in lanes]))))
        top, bottom = (round(v) for v in _rows(lanes, picture))
        top = max(0, min(top, bottom - width))  # a lane much wider than high is taken for a horizontal one
        bottom = min(shape[0], max(bottom, top + width))
        boxes = [min(max(0, round(_extent(lane)[0] - width / 2)), shape[1] - width) for lane in lanes]
        yield f"P\t{picture.path}"
        yield from (f"R\t{left}\t{top}\t{width}\t{bottom - top}" for left in boxes)
        yield "G"
        for number, lane in enumerate(lanes):
            bands = [band for band in picture.layout.bands_of(lane.id) if band.status == "detected"]
            for name, *feet, first, second in _feet(bands):
                rows = "\t".join(f"{foot - top:.2f}" for foot in feet)
                yield f"B\t{k}/{name}\t{number}\t{rows}\t{first:d}\t{second:d}"


def _feet(bands: list[Band]) -> Iterator[tuple[str, float, float, float, bool, bool]]:
    """Id, first foot, peak and second foot of a lane's bands, and whether a foot is the valley to a near neighbour."""
    bands = sorted(bands, key=lambda band: band.peak[0])
    for i, band in enumerate(bands):
        start, stop = band.box.row_start, band.box.row_stop
        more = (stop - start) / 4
        before = bands[i - 1] if i and bands[i - 1].box.row_stop > start - 2 * more else None
        after = bands[i + 1] if i + 1 < len(bands) and bands[i + 1].box.row_start < stop + 2 * more else None
        yield (
            band.id,
            before.peak[0] if before else start - more,
            band.peak[0],
            after.peak[0] if after else stop + more,
            before is not None,
            after is not None,
        )


def _box_jobs(picture: Picture, k: int) -> Iterator[str]:
    yield f"P\t{picture.path}"
    yield "S"
    for band in picture.layout.bands:
        if band.status == "detected":
            box = band.box
            size = box.col_stop - box.col_start, box.row_stop - box.row_start
            yield f"D\t{k}/{band.id}\t{box.col_start}\t{box.row_start}\t{size[0]}\t{size[1]}"


def _extent(lane: Lane) -> tuple[float, float]:
    """Column of the lane's middle, and its width there."""
    middle = sum(lane.row_range) / 2
    return float(lane.center_at(middle)), float(lane.width_at(middle))


def _rows(lanes: list[Lane], picture: Picture) -> tuple[float, float]:
    """Rows that all rectangles of a strip cover."""
    height = picture.analysis.image.shape[0]
    return max(0.0, min(lane.row_range[0] for lane in lanes)), min(height, max(lane.row_range[1] for lane in lanes))


def run_rolling_ball(pictures: list[Picture], _folder: Path) -> list[pd.DataFrame]:
    """The pipeline that many a notebook holds."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks, peak_widths
    from skimage.restoration import rolling_ball

    tables = []
    for picture in pictures:
        pixels = tifffile.imread(picture.path).astype(float)
        clean = pixels - rolling_ball(pixels, radius=50)
        rows = []
        for lane in picture.layout.lanes:
            center, width = _extent(lane)
            left, right = max(0, round(center - width / 2)), round(center + width / 2)
            top, bottom = (round(v) for v in _rows([lane], picture))
            profile = gaussian_filter1d(clean[top:bottom, left:right].sum(axis=1), 2.0)
            peaks, _ = find_peaks(profile, prominence=0.05 * max(float(profile.max()), 1.0))
            for peak, half in zip(peaks, peak_widths(profile, peaks)[0], strict=True):
                low, high = max(0, round(peak - 1.1 * half)), round(peak + 1.1 * half) + 1
                rows.append((top + peak, center, float(profile[low:high].sum())))
        tables.append(pd.DataFrame(rows, columns=COLUMNS))
    return tables


def run_gelpy(command: str) -> Callable[[list[Picture], Path], list[pd.DataFrame]]:
    """Make the runner of gelpy's own four steps."""

    def run(pictures: list[Picture], folder: Path) -> list[pd.DataFrame]:
        return [_gelpy_picture(command, picture, folder / f"gelpy_{picture.path.stem}") for picture in pictures]

    return run


def _gelpy_picture(command: str, picture: Picture, run: Path) -> pd.DataFrame:
    import json

    n = str(picture.n_lanes)
    steps = (
        ["init", str(run), str(picture.path), "--n-lanes", n],
        ["lanes", "detect", str(run), "--n-lanes", n, "--apply"],
        ["background", "remove", str(run), "--model", "robust_plane"],
        ["fit", "run", str(run)],
    )
    rows = []
    for step in steps:
        done = subprocess.run([command, *step], capture_output=True, text=True, check=False, timeout=3600)
        if done.returncode:
            return pd.DataFrame(columns=COLUMNS, dtype=float)
        if step[0] == "lanes":
            centers = json.loads(done.stdout)["centers"]
    with (run / "results.csv").open(encoding="utf-8") as lines:
        rows = [
            (float(line["maximum_position"]), centers[int(line["lane_index"])], np.nan)
            for line in csv.DictReader(lines)
            if line["maximum_position"]
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def match(truth: pd.DataFrame, found: pd.DataFrame) -> np.ndarray:
    """Index of the found band for each true one, -1 for none."""
    partner = np.full(len(truth), -1)
    if truth.empty or found.empty:
        return partner
    down = np.abs(truth["row"].to_numpy()[:, None] - found["row"].to_numpy(float)) / truth["height"].to_numpy()[:, None]
    across = np.abs(truth["col"].to_numpy()[:, None] - found["col"].to_numpy(float))
    across = across / (truth["width"].to_numpy()[:, None] / 2)
    cost = np.where((down < 1) & (across < 1), down + across, 1e6)
    for i, j in zip(*linear_sum_assignment(cost), strict=True):
        partner[i] = j if cost[i, j] < 1e6 else -1
    return partner


def errors(picture: Picture, found: pd.DataFrame, partner: np.ndarray) -> np.ndarray:
    """Relative error of each true band's volume after one scale for the picture; NaN where it is not scored."""
    own = np.full(len(partner), np.nan)
    own[partner >= 0] = found["volume"].to_numpy(float)[partner[partner >= 0]]
    truth = picture.truth["volume"].to_numpy(float)
    scored = picture.truth["clean"].to_numpy(bool) & (picture.truth["snr"].to_numpy(float) >= 10) & np.isfinite(own)
    if scored.sum() < 3:
        return np.full(len(partner), np.nan)
    scale = np.median(own[scored] / truth[scored])
    return np.where(scored, own / scale / truth - 1, np.nan) if scale > 0 else np.full(len(partner), np.nan)


def tools() -> dict[str, Callable[[list[Picture], Path], list[pd.DataFrame]]]:
    """Those that are installed; the others are named on stderr."""
    known: dict[str, Callable[[list[Picture], Path], list[pd.DataFrame]]] = {"blotquant": run_blotquant}
    jar = next((path for path in JARS if path.is_file()), None)
    has_screen = os.environ.get("DISPLAY") or shutil.which("xvfb-run")
    if jar and shutil.which("java") and has_screen:
        known["ImageJ, gel analyser"] = run_imagej(jar, "gel")
        known["ImageJ, rolling ball"] = run_imagej(jar, "box")
    else:
        print("left out: ImageJ (needs ij.jar, Java and a display or xvfb-run)", file=sys.stderr)
    try:
        import skimage.restoration  # noqa: F401

        known["scikit-image"] = run_rolling_ball
    except ImportError:
        print("left out: scikit-image (not installed)", file=sys.stderr)
    if command := shutil.which("gelpy"):
        known["gelpy"] = run_gelpy(command)
    else:
        print("left out: gelpy (no such command)", file=sys.stderr)
    return known


def processor_time() -> float:
    """Seconds of this process and of those it has waited for."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def compare(name: str, pictures: list[Picture], folder: Path) -> None:
    """Print one suite's lines, a tool each."""
    scores = {}
    for tool, run in tools().items():
        start = processor_time()
        tables = run(pictures, folder)
        seconds = (processor_time() - start) / len(pictures)
        partners = [match(p.truth, table) for p, table in zip(pictures, tables, strict=True)]
        off = np.concatenate([errors(p, t, m) for p, t, m in zip(pictures, tables, partners, strict=True)])
        found = np.concatenate([m >= 0 for m in partners])
        extra = sum(len(t) - int((m >= 0).sum()) for t, m in zip(tables, partners, strict=True))
        scores[tool] = (found, off, extra / len(pictures), seconds)
    snr = np.concatenate([p.truth["snr"].to_numpy(float) for p in pictures])
    measured = [off for _, off, _, _ in scores.values() if np.isfinite(off).any()]
    everywhere = np.isfinite(measured).all(axis=0)
    for tool, (found, off, extra, seconds) in scores.items():
        by_hand = tool.startswith("ImageJ")
        counts = "   given    given" if by_hand else f"{found[snr >= 5].mean():8.1%}{extra:9.2f}"
        print(f"{name:8}{tool:22}{(snr >= 5).sum():6d}{counts}{_cells(off)}{_cells(off[everywhere])}{seconds:9.2f}")


def _cells(off: np.ndarray) -> str:
    sizes = np.abs(off[np.isfinite(off)])
    if not len(sizes):
        return f"{0:6d}{'-':>9}{'-':>9}"
    return f"{len(sizes):6d}{np.median(sizes):9.1%}{np.quantile(sizes, 0.9):9.1%}"


def main() -> int:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=8, help="synthetic blots of each difficulty")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--real", type=Path, default=REAL, help="folder of real pictures; left out where it is missing")
    parser.add_argument("--suite", choices=(*DIFFICULTIES, "ladder"), action="append", help="only these")
    options = parser.parse_args()
    wanted = options.suite or (*DIFFICULTIES, "ladder")
    print(f"{'':30}{'':>6}{'':17}{'each its own':^24}{'all':^24}{'CPU s':>9}")
    print(
        f"{'suite':8}{'tool':22}{'bands':>6}{'found':>8}{'false':>9}{'n':>6}{'median':>9}{'p90':>9}"
        f"{'n':>6}{'median':>9}{'p90':>9}{'/picture':>9}"
    )
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for difficulty in [name for name in DIFFICULTIES if name in wanted]:
            compare(difficulty, list(synthetic(difficulty, options.n, options.seed, folder)), folder)
        if "ladder" in wanted and options.real.is_dir():
            compare("ladder", list(ladder_gel(folder)), folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

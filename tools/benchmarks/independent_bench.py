"""Quantification on pictures of a simulator that shares no code with the program (`tools/simulator.py`).

    python tools/benchmarks/independent_bench.py --n 20 [--seed 0] [--part lanes bands doublets saturation light]

Outlines are found ones. lanes: total-protein stains with haze that is no protein: R2 of the lanes' volumes against the
true load, error against it on the picture's median scale, stated CV, and the share of loads within 1.96 SD. bands:
volumes of isolated bands and of those within six SDs of another of a tenth of their light, and how many of the wrong
and of the good ones bear a flag of their own. doublets: pairs 1.5 to 4 SD apart, 1:10 to 10:1, rows declared as
doublets: divided, error of the ratio inside a pair, and of the sum, this also by the sum's stated SNR; "least" is the
median error of the best linear estimate for one who knows the pair's exact shape, all other bands, the noise and how
its clouds are correlated; halves: intervals that hold the truth; "false" are single bands of the same pictures that
were divided. saturation: precision and recall of the flag `saturated` against clipped pixels within an SD of a
band's peak; specks are flags that say `saturated_dust` too: a clipped scratch or speck under an outline. light: the
largest excess of the sum of a picture's volumes over the light under its outlines, in SDs of the sum, here and in the
suites of `blotquant.synthetic` (there with the noise): no light may count twice.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from graded_suites import DIFFICULTIES, graded_suite
from simulator import GRADES, Picture, make_blot, make_stain

from blotquant.detection.picture import find_layout
from blotquant.doublets.split import resolve_doublets
from blotquant.model.geometry import Layout, area_weights_of
from blotquant.model.image import BlotImage
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.lanes import measure_lanes

OWN_FLAGS = {
    "saturated", "hollow", "unresolved", "touches_neighbour", "touches_edge", "background_dependent", "debris",
    "outline_cuts_band", "below_lod", "below_loq", "few_background_pixels", "nonlinear_exposure",
}  # fmt: skip


PARTS = ("lanes", "bands", "doublets", "saturation", "light")


def image_of(picture: Picture) -> BlotImage:
    return BlotImage(pixels=picture.pixels, ceiling=picture.ceiling)


def lanes(grade: str, n: int, first: int = 0) -> None:
    r2, errors, inside, cvs, wrong = [], [], [], [], 0
    for seed in range(first, first + n):
        picture = make_stain(grade, seed)
        image = image_of(picture)
        layout = find_layout(image.signal(), ceiling=image.ceiling)
        middles = picture.lanes[:, :2].mean(axis=1)
        place = np.array([lane.center_at(picture.pixels.shape[0] / 2) for lane in layout.lanes])
        if len(layout.strips) != 1 or len(place) != len(middles) or np.abs(place - middles).max() > 8:
            wrong += 1
            continue
        table = measure_lanes(image, layout)
        volumes, sds = table["volume"].to_numpy(), table["volume_sd"].to_numpy()
        scale = np.exp(np.median(np.log(np.maximum(volumes, 1e-9) / picture.loads)))
        r2.append(np.corrcoef(volumes, picture.loads)[0, 1] ** 2)
        errors += list(np.abs(volumes / scale / picture.loads - 1))
        inside += list(np.abs(volumes - scale * picture.loads) < 1.96 * sds)
        cvs += list(sds / volumes)
    print(
        f"lanes    {grade:6} R2 median {np.median(r2):.3f} worst {min(r2):.3f}; error median {np.median(errors):.1%} "
        f"p90 {np.quantile(errors, 0.9):.1%}; CV {np.median(cvs):.1%}; inside {np.mean(inside):.1%}; "
        f"other lanes: {wrong}"
    )


def declared_rows(picture: Picture, layout: Layout) -> list[tuple[str, int]]:
    """Rows of a layout that lie on true doublets in at least half of the lanes."""
    votes: Counter[tuple[str, int]] = Counter()
    strips = {lane.id: lane.strip for lane in layout.lanes}
    for band in layout.bands:
        for true in picture.bands if band.row is not None else ():
            near = abs(true.col - band.peak[1]) < true.width / 2
            if true.pair >= 0 and near and band.box.row_start - 1 <= true.row <= band.box.row_stop + 1:
                votes[strips[band.lane], int(band.row or 0)] += 1
    return [row for row, count in votes.items() if count >= 0.5 * len(layout.lanes)]


def owners_of(picture: Picture, layout: Layout) -> dict[str, list[int]]:
    """True bands whose peaks lie in each found outline; of a divided one the nearest."""
    owners = {}
    for band in layout.bands:
        box = band.box
        own = [
            k for k, true in enumerate(picture.bands)
            if abs(true.col - band.peak[1]) < true.width / 2 and box.row_start - 0.5 <= true.row <= box.row_stop - 0.5
        ]  # fmt: skip
        if band.split and own:
            own = [min(own, key=lambda k: abs(picture.bands[k].row - band.peak[0]))]
        owners[band.id] = own
    return owners


def scale_of(picture: Picture, owners: dict[str, list[int]], volumes: dict[str, float]) -> float:
    """Median of measured / true over single bands, over all where there are few: an outline holds a share of a band."""
    shares: dict[bool, list[float]] = {True: [], False: []}
    for name, own in owners.items():
        true = sum(picture.bands[k].volume for k in own)
        if own and true > 0 and not any(picture.bands[k].saturated or picture.bands[k].damaged for k in own):
            shares[len(own) == 1 and picture.bands[own[0]].pair < 0].append(volumes[name] / true)
    chosen = shares[True] if len(shares[True]) >= 3 else [*shares[True], *shares[False]]
    return float(np.median(chosen)) if chosen else 1.0


def is_clear(picture: Picture, k: int) -> bool:
    band = picture.bands[k]
    return band.volume > 30 * 20 * np.sqrt(band.width * 6 * band.height) and not band.saturated


def least_sd(picture: Picture, upper: int, lower: int, clouds: np.ndarray) -> float:
    """SD of the best linear unbiased estimate of a pair's light, its shape and all statistics being known, as a part.

    `clouds` is the autocovariance of the ground. The lane is looked at six SDs beyond the peaks, in six columns.
    """
    band, rows = picture.bands[upper], [picture.bands[k].row for k in (upper, lower)]
    first, last = min(rows) - 6 * band.height, max(rows) + 6 * band.height
    at = np.arange(max(int(first), 0), min(int(last) + 1, len(picture.light)))
    left = max(int(band.col - band.width / 2), 0)
    columns = np.array_split(np.arange(left, min(int(band.col + band.width / 2) + 1, picture.light.shape[1])), 6)
    light = np.array([[picture.light[row, cols].mean() for cols in columns] for row in at]).ravel()
    places = np.array([[(row, round(cols.mean()), len(cols)) for cols in columns] for row in at]).reshape(-1, 3)
    apart = (places[:, None, :2] - places[None, :, :2]) % clouds.shape
    rest = picture.pixels - picture.light - picture.ground
    noise = 1.4826 * np.median(np.abs(rest - np.median(rest)))
    covariance = clouds[apart[..., 0], apart[..., 1]] + 1e3 * clouds[0, 0]  # the level is not known
    covariance += np.diag(noise**2 / places[:, 2])
    return float(1 / np.sqrt(light @ np.linalg.solve(covariance, light)))


def clouds_of(picture: Picture) -> np.ndarray:
    """Autocovariance of the ground about its plane, scratches and specks cut off."""
    rows, cols = np.meshgrid(*(np.linspace(-1, 1, n) for n in picture.ground.shape), indexing="ij")
    plane = np.column_stack([np.ones(rows.size), rows.ravel(), cols.ravel()])
    rest = picture.ground.ravel() - plane @ np.linalg.lstsq(plane, picture.ground.ravel(), rcond=None)[0]
    most = np.quantile(np.abs(rest), 0.98)
    rest = np.clip(rest, -most, most).reshape(picture.ground.shape)
    return np.fft.irfft2(np.abs(np.fft.rfft2(rest)) ** 2, rest.shape) / rest.size


def doublets(grade: str, n: int, first: int = 0) -> None:
    divided, ratios, sums, least, halves, false, single = [], [], [], [], [], 0, 0
    for seed in range(first, first + n):
        picture = make_blot(grade, seed)
        pairs = defaultdict(list)
        for k, band in enumerate(picture.bands):
            if band.pair >= 0:
                pairs[band.pair].append(k)
        image = image_of(picture)
        layout = resolve_doublets(
            image.signal(), find_layout(image.signal(), ceiling=image.ceiling), ceiling=image.ceiling
        )
        rows = declared_rows(picture, layout)
        layout = resolve_doublets(image.signal(), layout, ceiling=image.ceiling, rows=rows)
        table = measure_bands(image, layout).set_index("band_id")
        volumes, sds = table["volume"].to_dict(), table["volume_sd"].to_dict()
        owners = owners_of(picture, layout)
        scale = scale_of(picture, owners, volumes)
        split = {band.id for band in layout.bands if band.split}
        alone = [name for name, own in owners.items() if len(own) == 1 and picture.bands[own[0]].pair < 0]
        single, false = single + len(alone), false + len(split & set(alone))
        clouds = clouds_of(picture) if pairs else np.zeros((1, 1))
        for pair in pairs.values():
            if not all(is_clear(picture, k) for k in pair):
                continue
            names = [[name for name, own in owners.items() if k in own] for k in pair]
            divided.append(all(len(part) == 1 and part[0] in split for part in names) and names[0] != names[1])
            true = [picture.bands[k].volume for k in pair]
            if divided[-1]:
                found = [max(volumes[part[0]], 1.0) for part in names]
                ratios.append(abs(np.log(found[0] / found[1] / (true[0] / true[1]))))
                halves += [
                    (sds[part[0]] / scale / light, abs(volumes[part[0]] - scale * light) < 1.96 * sds[part[0]])
                    for part, light in zip(names, true, strict=True)
                ]
            held = {name for part in names for name in part}
            found_sum, sd = sum(volumes[name] for name in held), np.hypot.reduce([sds[name] for name in held])
            sums.append((found_sum / sd if held else 0.0, abs(found_sum / scale / sum(true) - 1)))
            least.append(0.6745 * least_sd(picture, *pair, clouds))
    snr, off = np.array(sums).T
    cv, inside = np.array(halves).T
    by_snr = ", ".join(
        f"{np.median(off[part]):.1%} of {part.sum()} at {low}-{high}"
        for low, high in ((0, 5), (5, 10), (10, 15), (15, 25), (25, 9999))
        if (part := (snr >= low) & (snr < high)).any()
    )
    print(
        f"doublets {grade:6} {len(divided):4d} pairs, divided {np.mean(divided):.0%}; "
        f"ratio median {np.median(ratios):.1%} p90 {np.quantile(ratios, 0.9):.1%}; sum median {np.median(off):.1%} "
        f"p90 {np.quantile(off, 0.9):.1%} (least {np.median(least):.1%}); halves: inside {np.mean(inside):.1%}, "
        f"CV {np.median(cv):.1%}; false {false} of {single}\n         sums by SNR: {by_snr}"
    )


def bands(grade: str, n: int, first: int = 0) -> None:
    rows = []
    for seed in range(first, first + n):
        picture = make_blot(grade, seed)
        image = image_of(picture)
        layout = resolve_doublets(
            image.signal(), find_layout(image.signal(), ceiling=image.ceiling), ceiling=image.ceiling
        )
        table = measure_bands(image, layout).set_index("band_id")
        owners = owners_of(picture, layout)
        scale = scale_of(picture, owners, table["volume"].to_dict())
        for name, own in owners.items():
            if not own or any(picture.bands[k].saturated for k in own):
                continue
            true = sum(picture.bands[k].volume for k in own)
            if true < 10 * 20 * np.sqrt(picture.bands[own[0]].width * 6 * picture.bands[own[0]].height):
                continue
            near = sum(
                1 for k, other in enumerate(picture.bands)
                if k not in own and other.lane == picture.bands[own[0]].lane
                and abs(other.row - picture.bands[own[0]].row) < 6 * other.height and other.volume > 0.1 * true
            )  # fmt: skip
            found, sd = table.loc[name, "volume"], table.loc[name, "volume_sd"]
            flags = set(str(table.loc[name, "flags"]).split(";"))
            rows.append(
                (
                    near > 0 or len(own) > 1,
                    (found - scale * true) / sd,
                    found / scale / true - 1,
                    sd / found,
                    bool(OWN_FLAGS & flags),
                    OWN_FLAGS & flags,
                )
            )
    crowded, z, error, cv, flagged = (np.array(column) for column in list(zip(*rows, strict=True))[:5])
    for name, part in (("isolated", ~crowded), ("crowded", crowded)):
        if part.sum() < 5:
            continue
        far, good = part & (np.abs(error) > 0.2), part & (np.abs(error) < 0.05)
        print(
            f"bands    {grade:6} {name:9} {part.sum():4d}  error median {np.median(np.abs(error[part])):.1%} "
            f"p90 {np.quantile(np.abs(error[part]), 0.9):.1%}; CV {np.median(cv[part]):.1%}; "
            f"inside {np.mean(np.abs(z[part]) < 1.96):.1%}; flagged: of {far.sum()} wrong "
            f"{flagged[far].mean() if far.any() else 1:.0%}, "
            f"of {good.sum()} good {flagged[good].mean() if good.any() else 0:.0%}"
        )
    good, sure = np.abs(error) < 0.05, cv < 0.05
    told = Counter(flag for row in rows if abs(row[2]) < 0.05 for flag in row[5])
    print(
        f"bands    {grade:6} all       {len(error):4d}  of {good.sum()} good {flagged[good].mean():.1%} flagged: "
        f"{flagged[good & sure].mean():.1%} of those that state a CV below 5 %, "
        f"{flagged[good & ~sure].mean():.0%} of the others; "
        + ", ".join(f"{flag} {count / good.sum():.1%}" for flag, count in told.most_common())
    )


def saturation(grade: str, n: int, first: int = 0) -> None:
    told: Counter[tuple[bool, bool]] = Counter()
    specks = 0
    for seed in range(first, first + n):
        picture = make_blot(grade, seed)
        image = image_of(picture)
        signal = image.signal()
        layout = resolve_doublets(signal, find_layout(signal, ceiling=image.ceiling), ceiling=image.ceiling)
        flags = measure_bands(image, layout).set_index("band_id")["flags"]
        for name, own in owners_of(picture, layout).items():
            if own:
                here, clipped = set(flags[name].split(";")), any(picture.bands[k].saturated for k in own)
                specks += "saturated_dust" in here and not clipped
                told["saturated" in here and ("saturated_dust" not in here or clipped), clipped] += 1
    right, flagged, clipped = (
        sum(n for key, n in told.items() if is_in(key)) for is_in in (all, lambda k: k[0], lambda k: k[1])
    )
    print(
        f"saturated {grade:6} {sum(told.values()):4d} bands: precision {right / max(flagged, 1):.3f} of {flagged} "
        f"({right / max(flagged + specks, 1):.3f} with {specks} clipped specks), "
        f"recall {right / max(clipped, 1):.3f} of {clipped}"
    )


def light(grade: str, n: int, first: int = 0) -> None:
    excess = []
    for seed in range(first, first + n):
        picture = make_blot(grade, seed)
        excess.append(light_beyond_truth(image_of(picture), picture.light + picture.foreign))
    print(f"light    {grade:6} largest excess {max(excess):+.1f} SD, {np.mean(np.array(excess) > 3):.0%} above 3")


def light_beyond_truth(image: BlotImage, true: np.ndarray) -> float:
    """Sum of all volumes less the light under the outlines, in SDs of the sum."""
    signal = image.signal()
    layout = resolve_doublets(signal, find_layout(signal, ceiling=image.ceiling), ceiling=image.ceiling)
    table = measure_bands(image, layout)
    covered = np.zeros(signal.shape)
    for box, weights in area_weights_of([band.outline for band in layout.bands], signal.shape):
        covered[box.slices] = np.maximum(covered[box.slices], weights)
    sd = np.sqrt((table["volume_sd"] ** 2).sum())
    return float((table["volume"].sum() - (covered * true).sum()) / sd) if len(table) else 0.0


def light_of_suites(n: int) -> None:
    for name in DIFFICULTIES:
        excess = []
        for blot in graded_suite(name, n, seed=100):
            image = blot.image()
            excess.append(light_beyond_truth(image, image.signal() - blot.truth.background))
        print(f"light    {name:6} largest excess {max(excess):+.1f} SD, {np.mean(np.array(excess) > 3):.0%} above 3")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20, help="pictures of each grade")
    parser.add_argument("--seed", type=int, default=0, help="of the first picture")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    for part in options.part:
        for grade in GRADES if part != "doublets" else GRADES[1:]:
            {"lanes": lanes, "bands": bands, "doublets": doublets, "saturation": saturation, "light": light}[part](
                grade, options.n, options.seed
            )
        if part == "light":
            light_of_suites(options.n)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Where volumes go wrong on synthetic blots, term by term against truth, beside the SD that each term is given.

    python tools/benchmarks/error_budget.py --n 12 --seed 100 [--outlines true found]

Measured less true is split exactly: noise of light and camera under the outline; ground, the true background under it
less the estimate that a picture without bands would have left; halo, light of other bands under it less what all
bands add to the estimate; share, what of the band itself the outline holds less the picture's common scale, the median
of measured / true over its clear single bands (pictures without three of them are left out). A found band stands for
the true ones that it holds more than half of; outlines that lie elsewhere are left out. "inside" is the share of true
volumes within 1.96 SD; what follows are the RMS of the terms, and of two stated SDs, in SDs of the volume, and which
term was largest among those outside.
"""

from __future__ import annotations

import argparse
from copy import copy
from dataclasses import replace

import numpy as np
import pandas as pd
from graded_suites import DIFFICULTIES, graded_suite

from blotquant.detection.picture import find_layout
from blotquant.doublets.split import resolve_doublets
from blotquant.model.geometry import Band, Layout, polygon_area
from blotquant.quantification import noise, prepared_image
from blotquant.quantification.apertures import apertures_of
from blotquant.quantification.background import Aperture, Estimate
from blotquant.quantification.bands import measure_apertures, measure_bands
from blotquant.quantification.prepared_image import PreparedImage, prepare_image
from blotquant.synthetic import SyntheticBlot

TERMS = ["noise", "ground", "halo", "share"]
EDGES = [0.0, 1e-9, 3.0, 10.0, 50.0, np.inf]
CLASSES = ["absent", "below 3", "3-10", "10-50", "above 50"]


LIGHTS: dict[tuple[int, str], np.ndarray] = {}


def light_of(blot: SyntheticBlot, band_id: str) -> np.ndarray:
    """Light of one band alone, made once."""
    key = blot.seed, band_id
    if key not in LIGHTS:
        LIGHTS[key] = blot.light_of(band_id).astype(np.float32)
    return LIGHTS[key]


def owners_of(blot: SyntheticBlot, layout: Layout, apertures: list[Aperture], found: bool) -> dict[str, list[str]]:
    """Ids of the true bands that each band of a layout stands for: the outline holds more than half of each.

    Of a divided pair each stands for the true band nearest its peak, and so does a place without light.
    """
    if not found:
        return {band.id: [band.id] for band in layout.bands}
    truth = blot.true_layout()
    owners: dict[str, list[str]] = {}
    for band, aperture in zip(layout.bands, apertures, strict=True):
        tall = max(band.box.row_stop - band.box.row_start, 6)
        near = [
            own for own in truth.bands
            if abs(own.peak[0] - band.peak[0]) < tall
            and abs(own.peak[1] - band.peak[1]) < float(truth.lane(own.lane).width_at(own.peak[0])) / 2
        ]  # fmt: skip
        near.sort(key=lambda own: abs(own.peak[0] - band.peak[0]))
        bright = [own.id for own in near if own.status == "detected"]
        box, w = aperture.box.slices, aperture.weights
        held = [key for key in bright if (w * light_of(blot, key)[box]).sum() > 0.5 * blot.volumes[key]]
        dark = [own.id for own in near if own.status != "detected" and abs(own.peak[0] - band.peak[0]) < tall / 3]
        owners[band.id] = bright[:1] if band.split else held or dark[:1]
    return owners


def is_right(band: Band, aperture: Aperture, owners: list[Band]) -> bool:
    """Whether a found outline lies on its bands and has about their size; others are not weighing's to answer for."""
    top, bottom = min(b.box.row_start for b in owners), max(b.box.row_stop for b in owners)
    tall, wide = float(aperture.weights.sum(axis=0).max()), float(aperture.weights.sum(axis=1).max())
    true_tall = polygon_area(owners[0].outline) / (owners[0].box.col_stop - owners[0].box.col_start)
    true_wide = owners[0].box.col_stop - owners[0].box.col_start
    near = top <= band.peak[0] < bottom
    return near and 0.4 * true_tall < tall < 2.5 * max(true_tall, 0.7 * (bottom - top)) and 0.5 < wide / true_wide < 1.5


def budget(blot: SyntheticBlot, found: bool) -> pd.DataFrame:
    """Errors and SDs of the bands of one picture, in counts on the truth's scale."""
    image = blot.image()
    signal = image.signal()
    layout = find_layout(signal, ceiling=image.ceiling) if found else blot.true_layout()
    layout = resolve_doublets(signal, layout, ceiling=blot.spec.camera.ceiling).sorted()
    scene = prepare_image(image, layout)
    apertures = apertures_of(layout.bands, layout, signal)
    bare = replace(scene.ground, signal=(signal - blot.truth.signal).astype(signal.dtype))
    surface = copy(scene.surface)  # as rough as with bands, and without their light
    surface.ground, surface.near_light = bare, {}
    plain = surface.under_all(apertures)
    owners = owners_of(blot, layout, apertures, found)
    truth = blot.truth.bands.assign(band_id=blot.band_ids).set_index("band_id")
    true_bands = {band.id: band for band in blot.true_layout().bands}
    table = measure_bands(image, layout, scene=scene)[["band_id", "volume", "volume_sd", "flags"]]
    lines = []
    for band, aperture, unlit in zip(layout.bands, apertures, plain, strict=True):
        own = truth.loc[owners[band.id]]
        doublet = bool(own["target"].str.contains("_major|_minor").any())
        if own.empty or own["saturated"].any() or (own["hollow"] > 0).any():
            continue
        if not found and doublet and not band.split:
            continue
        if found and not is_right(band, aperture, [true_bands[key] for key in owners[band.id]]):
            continue
        terms = split_error(blot, scene, aperture, unlit, owners[band.id])
        lines.append({"band_id": band.id, "seed": blot.seed, "volume": own["volume"].sum(), "snr": own["snr"].max(),
                      "doublet": doublet, "split": bool(band.split), **terms})  # fmt: skip
    if not lines:
        return pd.DataFrame()
    out = pd.DataFrame(lines).merge(table.rename(columns={"volume": "measured", "volume_sd": "sd"}), on="band_id")
    clear = (out["snr"] >= 10) & ~out["doublet"] & ~out["flags"].str.contains("touches_neighbour")
    anchors = next((part for part in (out[clear], out[out["snr"] >= 30]) if len(part) >= 3), out[:0])
    if anchors.empty:
        return pd.DataFrame()
    scale = float((anchors["measured"] / anchors["volume"]).median())
    return out.assign(
        share=out["held"] - scale * out["volume"], error=out["measured"] - scale * out["volume"], scale=scale
    )


def split_error(
    blot: SyntheticBlot, scene: PreparedImage, aperture: Aperture, unlit: Estimate, owners: list[str]
) -> dict[str, float]:
    """Terms of one volume's error but its share, and the stated SDs, in counts."""
    box, w = aperture.box.slices, aperture.weights
    estimate = scene.surface.under(aperture)
    bands, dark = blot.truth.signal[box], blot.truth.background[box]
    light = sum(light_of(blot, key)[box] for key in owners)
    return {
        "noise": float((w * (scene.signal[box] - dark - bands)).sum()),
        "ground": float((w * (dark - unlit.values)).sum()),
        "halo": float((w * (bands - light + unlit.values - estimate.values)).sum()),
        "held": float((w * light).sum()),
        "sd_empty": measure_apertures(scene, [aperture], [estimate])[0].empty_sd,
        "sd_model": aperture.area * estimate.model_sd,
    }


def report(name: str, table: pd.DataFrame) -> None:
    table = table.assign(z=table["error"] / table["sd"])
    kind = np.where(table["split"], "divided", np.where(table["doublet"], "undivided", "single"))
    grade = pd.cut(table["snr"].clip(lower=0), EDGES, labels=CLASSES, right=False)
    for (form, level), own in table.groupby([kind, grade], observed=True):
        if len(own) < 5:
            continue
        terms = {t: (own[t] / own["sd"]).pow(2).clip(upper=25).mean() ** 0.5 for t in TERMS}
        sds = {s: (own[s] / own["sd"]).pow(2).mean() ** 0.5 for s in ("sd_empty", "sd_model")}
        outside = own[own["z"].abs() > 1.96]
        blame = outside[TERMS].abs().idxmax(axis=1).value_counts().to_dict()
        cells = " ".join(f"{k} {v:4.2f}" for k, v in {**terms, **sds}.items())
        inside = (own["z"].abs() <= 1.96).mean()
        print(f"{name:14} {form:10} {level:9} {len(own):5d}  inside {inside:6.1%}  {cells}  {blame}")
    single = table[~table["doublet"]]
    for label, low, high in (("SNR>=10", 10, np.inf), ("SNR 3-10", 3, 10)):
        own = single[(single["snr"] >= low) & (single["snr"] < high)]
        part_off = (own["error"] / (own["scale"] * own["volume"])).abs()
        print(
            f"{name:14} {label:20} {len(own):5d}  error median {part_off.median():.2%} p90 {part_off.quantile(0.9):.2%}"
        )
    for label, part in (("SNR>=3+absent", table[(table["snr"] >= 3) | (table["snr"] == 0)]), ("all", table)):
        print(f"{name:14} {label:20} {len(part):5d}  inside {(part['z'].abs() <= 1.96).mean():6.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=12)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--difficulty", choices=DIFFICULTIES, action="append")
    parser.add_argument("--outlines", nargs="+", choices=("true", "found"), default=["true", "found"])
    parser.add_argument("--keep")
    parser.add_argument("--enough", type=int, nargs=2, help="differences and pixels that noise and shot noise are from")
    options = parser.parse_args()
    if options.enough:
        prepared_image.ENOUGH_STEPS, noise.ENOUGH_PIXELS = options.enough
    kept = []
    for difficulty in options.difficulty or DIFFICULTIES:
        tables: dict[str, list[pd.DataFrame]] = {outlines: [] for outlines in options.outlines}
        for blot in graded_suite(difficulty, options.n, options.seed):
            LIGHTS.clear()
            for outlines, parts in tables.items():
                parts.append(budget(blot, outlines == "found"))
        for outlines, parts in tables.items():
            table = pd.concat(parts, ignore_index=True)
            report(f"{difficulty} {outlines}", table)
            kept.append(table.assign(difficulty=difficulty, outlines=outlines))
    if options.keep:
        pd.concat(kept).to_pickle(options.keep)


if __name__ == "__main__":
    main()

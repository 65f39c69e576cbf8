"""Fold changes again for other backgrounds, apertures and scalings."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import small_experiment as small

from blotquant.experiment.design import Comparison
from blotquant.model.geometry import Band
from blotquant.normalization.normalize import normalize
from blotquant.quantification.alternatives import APERTURE_WAYS, BACKGROUND_WAYS, measure_alternatives, scale_height
from blotquant.quantification.bands import measure_bands
from blotquant.quantification.prepared_image import prepare_image
from blotquant.settings import QuantificationSettings
from blotquant.statistics.compare import compare
from blotquant.statistics.sensitivity import claim_ranges, vary_analysis
from blotquant.synthetic import make_blot, plain_spec
from blotquant.tables import ALTERNATIVE_COLUMNS, SENSITIVITY_COLUMNS, make_table

BLOTS = ("1", "2", "3")
TOP = {"1": (100, 210, 50), "2": (130, 240, 70), "3": (80, 170, 36)}
FILES = [("P.tif", "P"), ("T.tif", "T")]


def study(tmp_path, *, blots=BLOTS, top=TOP):
    toml = "".join(small.image(f"{b}_{file}", probe, blot=b) for b in blots for file, probe in FILES)
    toml += small.ratio("P/T", "P", "T") + '[compare]\nreference = "vehicle"\n'
    sheet = "blot,lane,sample,condition,role\n" + "".join(
        f"{b},{k},{name} {b},{name},sample\n"
        for b in blots
        for k, name in enumerate(("vehicle", "drug", "other"), 1)
        if not np.isnan(top[b][k - 1])
    )
    experiment = small.experiment(tmp_path, toml, sheet)
    rows = []
    for b in blots:
        for file, probe in FILES:
            volumes = top[b] if probe == "P" else (1000, 1000, 1000)
            kept = {k: 1e3 * v for k, v in enumerate(volumes, 1) if not np.isnan(top[b][k - 1])}
            rows.append(small.bands(f"{b}_{file}", probe, kept, blot=b))
    bands = small.band_table(*rows)
    bands["band_id"] = [f"{image}/{lane}" for image, lane in zip(bands["image"], bands["lane"], strict=True)]
    lanes = small.lane_table(
        *[
            small.lanes(f"{b}_{file}", probe, dict.fromkeys(range(1, int((~np.isnan(top[b])).sum()) + 1), 1.0), blot=b)
            for b in blots
            for file, probe in FILES
        ]
    )
    return experiment, bands, lanes


def alternatives(bands, factors):
    """Volumes times a factor of background, probe and lane."""
    rows = []
    for row in bands.to_dict("records"):
        for way, factor in factors.items():
            rows.append(
                {name: row[name] for name in ("image", "band_id", "blot", "membrane", "probe")}
                | {"background": way, "aperture": 1.0, "volume": row["volume"] * factor(row)}
            )
    return make_table(rows, ALTERNATIVE_COLUMNS)


def test_scale_height_stretching_keeps_the_middle_and_the_slant():
    band = Band(id="b", lane="l", outline=((10, 0), (14, 40), (20, 40), (16, 0)), peak=(15, 20))
    corners = np.array(scale_height(band, 1.5).outline)
    assert corners == pytest.approx(np.array([(8.5, 0), (12.5, 40), (21.5, 40), (17.5, 0)]))
    assert scale_height(band, 1) is band


@pytest.mark.parametrize("background", ["local", "lane", "rolling_ball"])
def test_alternatives_hold_the_very_volume_that_was_measured(background):
    made = make_blot(plain_spec([[3e5, 5e5]], shape=(120, 160)), seed=1)
    image, layout = made.image(), made.true_layout()
    scene = prepare_image(image, layout, settings=QuantificationSettings(background=background))
    table = measure_alternatives(layout, scene)
    assert len(table) == 2 * len({background, *BACKGROUND_WAYS}) * len(APERTURE_WAYS)
    same = table[(table["background"] == scene.method) & (table["aperture"] == 1)]
    measured = measure_bands(image, layout, scene=scene).set_index("band_id")["volume"]
    assert same.set_index("band_id")["volume"].to_dict() == measured.to_dict()


def test_alternatives_of_a_gaussian_band_follow_the_aperture():
    from math import erf, sqrt

    made = make_blot(plain_spec([[4e6]], shape=(160, 160), sigma=5.0), seed=2)
    layout = made.true_layout(2.0)
    table = measure_alternatives(layout, prepare_image(made.image(), layout))
    (truth,) = made.volumes.values()
    for aperture, rows in table.groupby("aperture"):
        share = erf(2.0 * aperture / sqrt(2))
        assert rows["volume"].to_numpy() / truth == pytest.approx(share, abs=0.02)


def test_measure_alternatives_only_named_bands_are_weighed():
    made = make_blot(plain_spec([[3e5, 5e5]], shape=(120, 160)), seed=1)
    layout = made.true_layout()
    unnamed = dataclasses.replace(layout, bands=tuple(dataclasses.replace(band, target=None) for band in layout.bands))
    table = measure_alternatives(unnamed, prepare_image(made.image(), unnamed))
    assert list(table) == list(ALTERNATIVE_COLUMNS)
    assert len(table) == 0


def test_equal_volumes_give_the_claim_itself(tmp_path):
    experiment, bands, lanes = study(tmp_path)
    table = vary_analysis(experiment, bands, lanes, alternatives(bands, {"local": lambda _: 1, "lane": lambda _: 1}))
    assert list(table) == list(SENSITIVITY_COLUMNS)
    summary = compare(experiment, normalize(experiment, bands, lanes))
    claimed = summary.set_index("condition")["fold_change"]
    for row in table.itertuples():
        assert row.fold_change == pytest.approx(claimed[row.condition], rel=1e-12)


def test_vary_analysis_a_factor_on_one_lane_moves_its_fold_change_by_just_that(tmp_path):
    experiment, bands, lanes = study(tmp_path)
    ways = {"local": lambda _: 1, "lane": lambda row: 1.1 if row["probe"] == "P" and row["lane"] == 2 else 1}
    table = vary_analysis(experiment, bands, lanes, alternatives(bands, ways))
    folds = table.pivot_table(index="condition", columns="background", values="fold_change")
    assert folds.loc["drug", "lane"] / folds.loc["drug", "local"] == pytest.approx(1.1)
    assert folds.loc["other", "lane"] / folds.loc["other", "local"] == pytest.approx(1.0)


def test_vary_analysis_scalings_count_once_where_they_cancel(tmp_path):
    experiment, bands, lanes = study(tmp_path)
    table = vary_analysis(experiment, bands, lanes, alternatives(bands, {"local": lambda _: 1}))
    assert set(table["scaling"]) == {"any"}
    assert len(table) == 2


def test_vary_analysis_scalings_count_where_a_condition_is_missing_on_a_blot(tmp_path):
    top = TOP | {"3": (80, 170, np.nan)}
    experiment, bands, lanes = study(tmp_path, top=top)
    table = vary_analysis(experiment, bands, lanes, alternatives(bands, {"local": lambda _: 1}))
    assert set(table["scaling"]) == {"alignment", "fixed_point", "sum"}
    other = table[table["condition"] == "other"].set_index("scaling")["fold_change"]
    fixed = np.exp(np.mean(np.log([50 / 100, 70 / 130])))
    assert other["fixed_point"] == pytest.approx(fixed)
    summary = compare(experiment, normalize(experiment, bands, lanes)).set_index("condition")["fold_change"]
    assert other["alignment"] == pytest.approx(summary["other"])


def test_vary_analysis_an_aligned_fold_change_is_the_claims_own_number(tmp_path):
    """Conditions missing on two blots: the way that aligns gives the claim, bit for bit."""
    top = TOP | {"3": (80, 170, np.nan), "2": (130, 240, np.nan)}
    experiment, bands, lanes = study(tmp_path, top=top)
    table = vary_analysis(experiment, bands, lanes, alternatives(bands, {"local": lambda _: 1}))
    claimed = compare(experiment, normalize(experiment, bands, lanes)).set_index("condition")["fold_change"]
    aligned = table[table["scaling"] == "alignment"].set_index("condition")["fold_change"]
    assert aligned.to_dict() == {name: claimed[name] for name in ("drug", "other")}


def test_vary_analysis_without_a_reference_there_is_nothing_to_vary(tmp_path):
    experiment, bands, lanes = study(tmp_path)
    experiment = dataclasses.replace(experiment, compare=Comparison())
    table = vary_analysis(experiment, bands, lanes, alternatives(bands, {"local": lambda _: 1}))
    assert list(table) == list(SENSITIVITY_COLUMNS)
    assert table.empty


def test_claim_ranges_claims_are_told_in_one_sentence():
    summary = pd.DataFrame({"ratio": ["R"], "condition": ["drug"], "fold_change": [1.8]})
    ways = pd.DataFrame({"ratio": "R", "condition": "drug", "fold_change": [1.5, 1.7, 2.1]})
    (row,) = claim_ranges(summary, ways).to_dict("records")
    assert row["claim"] == "1.80-fold; 1.50–2.10 over 3 ways of analysing it"
    assert (row["lowest"], row["highest"], row["n_ways"]) == (1.5, 2.1, 3)

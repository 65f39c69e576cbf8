"""Exposure series: counts per second from several pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from blotquant.errors import SheetError
from blotquant.normalization.exposures import fit_exposure_series, fit_rate
from blotquant.tables import BAND_COLUMNS, EXPOSURE_COLUMNS, make_table

TIMES = (1.0, 4.0, 16.0, 64.0)


def frames_of(volumes, *, times=TIMES, sd=1.0, flags=None, lane=1, target="pAKT", **more):
    flags = flags or [""] * len(times)
    return [{"image": f"t{t:g}.tif", "blot": "1", "membrane": "1a", "probe": "pAKT",
             "strip": 1, "lane": lane, "band": 1,
             "band_id": f"b{lane}", "row": 1, "target": target,
             "exposure_s": t, "volume": v, "volume_sd": sd, "flags": f,
             "row_start": 1, "row_stop": 9, "col_start": 2, "col_stop": 8, **more}
            for t, v, f in zip(times, volumes, flags, strict=True)]  # fmt: skip


def fit(*rows):
    return fit_exposure_series(make_table([r for part in rows for r in part], BAND_COLUMNS))


def test_fit_exposure_series_an_exact_line_gives_the_rate():
    result = fit(frames_of([50 * t for t in TIMES]))
    assert list(result.columns) == list(EXPOSURE_COLUMNS)
    row = result.iloc[0]
    assert row["rate"] == pytest.approx(50)
    assert row["rate_sd"] == pytest.approx(1 / np.sqrt(sum(t**2 for t in TIMES)))
    assert row["r2"] == pytest.approx(1)
    assert (row["n_frames"], row["n_used"], row["flags"]) == (4, 4, "")
    assert (row["band_id"], row["row_stop"]) == ("b1", 9)


def test_fit_rate_weights_are_those_of_least_squares():
    rng = np.random.default_rng(1)
    t, sd = np.array(TIMES), np.array([1.0, 2.0, 5.0, 30.0])
    volume = 50 * t + rng.normal(0, sd)
    expected = np.linalg.lstsq((t / sd)[:, None], volume / sd, rcond=None)[0][0]
    assert fit_rate(t, volume, sd)[0] == pytest.approx(expected)


def test_fit_rate_rate_sd_covers_the_truth():
    rng = np.random.default_rng(2)
    t = np.array(TIMES)
    sd = np.sqrt(400 + 50 * t)
    z = [(lambda r: (r[0] - 50) / r[1])(fit_rate(t, 50 * t + rng.normal(0, sd), sd)) for _ in range(400)]
    assert 0.75 < np.std(z) < 1.05


def test_fit_exposure_series_saturated_frames_are_left_out():
    volumes = [50.0, 200.0, 700.0, 900.0]
    row = fit(frames_of(volumes, flags=["", "", "saturated", "saturated"])).iloc[0]
    assert row["rate"] == pytest.approx(50)
    assert (row["n_frames"], row["n_used"], row["flags"]) == (4, 2, "few_frames")


def test_all_saturated_is_a_lower_bound():
    row = fit(frames_of([60.0, 200.0, 700.0, 900.0], flags=["saturated"] * 4)).iloc[0]
    assert row["rate"] == pytest.approx(60)
    assert row["bound"] == "≥"
    assert np.isnan(row["rate_sd"])
    assert (row["n_used"], row["flags"]) == (0, "saturated;few_frames")


@pytest.mark.parametrize(("last", "flag"), [(0.85, "nonlinear_exposure"), (0.95, ""), (1.15, "nonlinear_exposure")])
def test_fit_exposure_series_a_last_frame_off_the_line_is_flagged(last, flag):
    volumes = [50 * t for t in TIMES[:3]] + [50 * TIMES[3] * last]
    assert fit(frames_of(volumes)).iloc[0]["flags"] == flag


def test_noise_is_not_called_nonlinear():
    volumes = [50 * t for t in TIMES[:3]] + [50 * TIMES[3] * 0.8]
    assert fit(frames_of(volumes, sd=500.0)).iloc[0]["flags"] == ""


def test_bands_are_told_apart_and_matched_over_the_frames():
    weak, strong = frames_of(list(TIMES), lane=1), frames_of([300 * t for t in TIMES], lane=2)
    result = fit(strong[::-1], weak)
    assert result["rate"].tolist() == pytest.approx([1, 300])
    unnamed = [
        *frames_of([2 * t for t in TIMES], target=None),
        *frames_of([7 * t for t in TIMES], target=None, row=2),
    ]
    assert fit(unnamed)["rate"].tolist() == pytest.approx([2, 7])


def test_one_frame_is_no_series_and_empty_is_empty():
    assert fit(frames_of([50.0], times=[1.0])).empty
    assert list(fit([]).columns) == list(EXPOSURE_COLUMNS)


def test_fit_exposure_series_what_held_for_all_frames_used_holds_for_the_rate():
    row = fit(frames_of([50 * t for t in TIMES], flags=["film", "film;hollow", "film", "film"])).iloc[0]
    assert row["flags"] == "film"


@pytest.mark.parametrize(("time", "got"), [(None, "none"), (0.0, "0")])
def test_fit_exposure_series_a_missing_time_is_answered_with_the_picture(time, got):
    rows = frames_of([50 * t for t in TIMES])
    rows[2] |= {"exposure_s": time, "image": "odd.tif"}
    with pytest.raises(SheetError, match=rf"odd\.tif: .*above 0 s, got {got}"):
        fit(rows)


def test_input_is_not_changed():
    table = make_table(frames_of([50 * t for t in TIMES]), BAND_COLUMNS)
    before = table.copy()
    fit_exposure_series(table)
    pd.testing.assert_frame_equal(table, before)


def test_fit_exposure_series_two_bands_of_one_target_in_one_lane_stay_apart():
    upper = frames_of([30 * t for t in TIMES], band=3)
    lower = frames_of([5 * t for t in TIMES], band=4)
    result = fit(lower, upper)
    assert result["rate"].tolist() == pytest.approx([30, 5])
    assert result["band"].tolist() == [3, 4]
    assert result["n_frames"].tolist() == [4, 4]
    assert set(result["flags"]) == {""}


@pytest.mark.parametrize("blot", ["1", None])
def test_fit_exposure_series_a_frame_that_shows_one_band_of_two_does_not_mix_them(blot):
    upper = frames_of([30 * t for t in TIMES], band=1, blot=blot)[1:]
    lower = frames_of([5 * t for t in TIMES], band=2, blot=blot)
    lower[0]["band"] = 1
    result = fit(upper, lower)
    assert result["rate"].tolist() == pytest.approx([30, 5])
    assert result["n_used"].tolist() == [3, 3]


@pytest.mark.parametrize(
    ("sd", "flags", "counts"),
    [
        (0.0, [""] * 4, "0 saturated, 4 without"),
        (np.nan, [""] * 4, "0 saturated, 4 without"),
        (np.nan, ["saturated", "saturated", "", ""], "2 saturated, 2 without"),
    ],
)
def test_fit_exposure_series_frames_without_a_known_sd_are_no_bound(sd, flags, counts):
    row = fit(frames_of([50 * t for t in TIMES], sd=sd, flags=flags)).iloc[0]
    assert np.isnan(row["rate"])
    assert np.isnan(row["rate_sd"])
    assert pd.isna(row["bound"])
    assert (row["n_used"], row["flags"]) == (0, "few_frames")
    assert counts in row["reason"]


def test_fit_exposure_series_rests_on_the_linear_part():
    """The longest of four leaves the line: the others carry the rate, and say so."""
    row = fit(frames_of([50 * t for t in TIMES[:3]] + [50 * TIMES[3] * 0.5])).iloc[0]
    assert row["rate"] == pytest.approx(50)
    assert (row["n_used"], row["n_frames"], row["flags"]) == (3, 4, "nonlinear_exposure")


def test_fit_exposure_series_finds_the_first_rate_of_a_fading_band():
    """Substrate with a time constant of 25 s, exposures of 5 to 80 s: no three lie on a line."""
    times = [5.0, 10.0, 20.0, 40.0, 80.0]
    row = fit(frames_of([50 * 25 * (1 - np.exp(-t / 25)) for t in times], times=times)).iloc[0]
    assert row["rate"] == pytest.approx(50, rel=0.05)
    assert "nonlinear_exposure" in row["flags"]

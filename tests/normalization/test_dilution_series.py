"""Dilution series: the best model, and the range in which volume is proportional to load."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from blotquant.errors import SheetError
from blotquant.normalization.dilution import combined_range, fit_dilution_series, flag_out_of_range
from blotquant.normalization.dilution_files import read_fits, write_fits
from blotquant.tables import BAND_COLUMNS, make_table

LOADS = np.array([1.25, 2.5, 5, 10, 20, 40, 80])


def scatter(volume, cv=0.02, seed=0):
    return volume * np.exp(np.random.default_rng(seed).normal(0, cv, len(volume)))


def test_fit_dilution_series_a_proportional_series_is_proportional_throughout():
    fit = fit_dilution_series(LOADS, 300 * LOADS)
    assert fit.model == "proportional"
    assert fit.parameters["a"] == pytest.approx(300)
    assert fit.range is not None
    assert (fit.range.load_low_ug, fit.range.load_high_ug, fit.range.n_levels) == (1.25, 80, 7)
    assert (fit.range.volume_low, fit.range.volume_high) == pytest.approx((375, 24000))
    assert fit.range.log_slope == pytest.approx(1)


@pytest.mark.parametrize("seed", range(5))
def test_fit_dilution_series_a_saturating_series_is_hyperbolic_and_its_foot_is_the_range(seed):
    truth = 60000 * LOADS / (150 + LOADS)
    fit = fit_dilution_series(LOADS, scatter(truth, cv=0.01, seed=seed))
    assert fit.model == "hyperbolic"
    assert fit.parameters["k"] == pytest.approx(150, rel=0.35)
    assert fit.range is not None
    assert fit.range.load_low_ug == 1.25
    assert fit.range.load_high_ug in (20, 40)


def test_fit_dilution_series_the_hyperbola_is_exact_without_noise():
    fit = fit_dilution_series(LOADS, 5000 * LOADS / (12 + LOADS))
    assert fit.model == "hyperbolic"
    assert fit.parameters == pytest.approx({"v_max": 5000, "k": 12}, rel=1e-3)
    np.testing.assert_allclose(fit.predict(LOADS), fit.volume, rtol=1e-4)


def test_fit_dilution_series_an_offset_is_linear_and_has_no_range_at_its_foot():
    fit = fit_dilution_series(LOADS, scatter(300 * LOADS + 2000, cv=0.005))
    assert fit.model == "linear"
    assert fit.parameters == pytest.approx({"a": 300, "b": 2000}, rel=0.05)
    assert fit.range is None
    assert "ug: " in fit.reason


def test_fit_dilution_series_a_power_law_is_not_proportional():
    fit = fit_dilution_series(LOADS, 300 * LOADS**0.8)
    assert fit.range is None


def test_replicates_and_sds_are_taken():
    loads = np.repeat(LOADS, 3)
    volume = scatter(300 * loads, cv=0.03, seed=3)
    fit = fit_dilution_series(loads, volume, 0.02 * volume)
    assert fit.model == "proportional"
    assert fit.range is not None
    assert fit.range.n_levels == 7
    assert fit.range.slope == pytest.approx(300, rel=0.03)


def test_fit_dilution_series_three_levels_give_no_range():
    fit = fit_dilution_series([1, 2, 4], [1, 2, 4])
    assert fit.range is None
    assert fit.reason == "fewer than 4 loads"


def test_read_fits_brings_back_every_field(tmp_path):
    fit = fit_dilution_series(LOADS, scatter(300 * LOADS), 10 * np.ones(7), target="pAKT", exposure_s=30)
    (tmp_path / "dilution.json").write_text(write_fits([fit]), encoding="utf-8")
    assert read_fits(tmp_path / "dilution.json") == {"pAKT": fit}


def test_read_fits_answers_a_damaged_file_by_field(tmp_path):
    path = tmp_path / "dilution.json"
    text = write_fits([fit_dilution_series(LOADS, 300 * LOADS)]).replace('"proportional",', '"cubic",', 1)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SheetError, match=r"dilution\.json: .*model: .*got 'cubic'"):
        read_fits(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(SheetError, match=r"dilution\.json: \(top level\)"):
        read_fits(path)


def band_table(volumes, target="pAKT", exposure_s=None):
    return make_table(
        [{"target": target, "volume": v, "exposure_s": exposure_s, "flags": "hollow"} for v in volumes],
        BAND_COLUMNS,
    )


def test_bands_outside_the_range_are_flagged():
    fit = fit_dilution_series(LOADS, 300 * LOADS, exposure_s=10)
    table = band_table([300, 400, 20000, 25000])
    flagged = flag_out_of_range(table, {"pAKT": fit})
    assert flagged["flags"].tolist() == ["hollow;out_of_range", "hollow", "hollow", "hollow;out_of_range"]
    assert (table["flags"] == "hollow").all()
    assert (flag_out_of_range(table, {"AKT": fit})["flags"] == "hollow").all()
    longer = flag_out_of_range(band_table([300, 25000, 50000], exposure_s=20), {"pAKT": fit})
    assert longer["flags"].tolist() == ["hollow;out_of_range", "hollow", "hollow;out_of_range"]


def test_combined_range_of_target_and_control():
    whole = fit_dilution_series(LOADS, 300 * LOADS)
    foot = fit_dilution_series(LOADS, np.where(LOADS > 20, 300 * 20, 300 * LOADS))
    assert combined_range(whole, foot) == (1.25, 20)
    none = fit_dilution_series([1, 2, 4], [1, 2, 4])
    assert combined_range(whole, none) is None


def test_curve_points():
    fit = fit_dilution_series(LOADS, 300 * LOADS)
    curve = fit.curve(5)
    assert isinstance(curve, pd.DataFrame)
    assert curve["load_ug"].tolist() == [0, 20, 40, 60, 80]
    np.testing.assert_allclose(curve["volume"], curve["proportional"])


def test_fit_dilution_series_wrong_calls():
    with pytest.raises(ValueError, match="equally long"):
        fit_dilution_series([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="above 0 ug"):
        fit_dilution_series([0, 1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="at least 3 different loads"):
        fit_dilution_series([1, 1, 2], [1, 2, 3])

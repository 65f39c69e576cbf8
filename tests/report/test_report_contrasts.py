"""The report's first block: contrasts as a figure and as sentences."""

import numpy as np
import pandas as pd
import pytest
from factorial_study import INTERACTION, WITHIN, two_factors, values
from figure_texts import cut_texts

from blotquant.report.figures import contrast_blocks, plot_contrasts, plot_residuals
from blotquant.statistics.contrasts import compare_contrasts, contrast_points, residual_table


def blocks_of(folder, toml):
    study, ratios = two_factors(folder, toml), values()
    return contrast_blocks(study, {"contrasts": compare_contrasts(study, ratios), "ratios": ratios})


def test_contrast_blocks_put_what_was_asked_before_the_rest(tmp_path):
    [block] = blocks_of(tmp_path, WITHIN + INTERACTION)
    names = [family["name"] for family in block["asked"]["families"]]
    assert names[0].startswith("drug within line (all at once: F(2, 9) = ")
    assert names[1] == "interaction line × drug"
    assert [len(family["sentences"]) for family in block["asked"]["families"]] == [3, 1]
    assert [family["name"].split(" (")[0] for family in block["others"]["families"]] == ["against WT vehicle"]
    assert block["others"]["n"] == 3
    assert block["shown"].endswith(" of 3")
    assert block["asked"]["figure"].startswith("<svg")
    assert block["residuals"].startswith("<svg")
    assert blocks_of(tmp_path, WITHIN + INTERACTION)[0] == block


def test_contrast_blocks_ask_for_the_reference_where_nothing_is_declared(tmp_path):
    [block] = blocks_of(tmp_path, "")
    assert block["asked"]["families"][0]["name"].startswith("against WT vehicle")
    assert block["others"]["families"][0]["name"].startswith("interaction line × drug (not declared")


def test_contrast_blocks_are_none_without_a_comparison(tmp_path):
    study, ratios = two_factors(tmp_path), values()
    assert contrast_blocks(study, {"contrasts": compare_contrasts(study, ratios).iloc[:0], "ratios": ratios}) == []


def test_contrast_points_are_the_blots_own_contrasts(tmp_path):
    ratios = values(skip=(("KO drug", 2),))
    points = contrast_points(two_factors(tmp_path, WITHIN), ratios)
    logs = ratios.pivot(index="blot", columns="condition", values="value")
    mine = points[points["contrast"] == "KO: drug / vehicle"].set_index("block")["fold"]
    pd.testing.assert_series_equal(
        mine, (logs["KO drug"] / logs["KO vehicle"]).dropna(), check_names=False, check_index_type=False
    )


def test_plot_contrasts_marks_a_bound(tmp_path):
    study, ratios = two_factors(tmp_path), values()
    table = compare_contrasts(study, ratios)
    bounded = table.assign(bound="≤", ci_low=float("nan"), simultaneous_ci_low=float("nan"))
    points = contrast_points(study, ratios)
    assert plot_contrasts(table, points) != plot_contrasts(bounded, points)


def test_plot_contrasts_cuts_no_label(tmp_path):
    study, ratios = two_factors(tmp_path, INTERACTION), values()
    table, points = compare_contrasts(study, ratios), contrast_points(study, ratios)
    long = "fulvestrant / vehicle in resistant) / (fulvestrant / vehicle in parental"
    svg = plot_contrasts(table.assign(contrast=f"({long})"), points.assign(contrast=f"({long})"))
    assert svg.count("fulvestrant / vehicle in resistant") == len(table)
    assert cut_texts(svg) == []


def test_residual_table_is_that_of_statsmodels(tmp_path):
    import statsmodels.formula.api as smf

    ratios = values(skip=(("KO drug", 2),))
    table = residual_table(two_factors(tmp_path), ratios)
    frame = pd.DataFrame({"blot": ratios["blot"].tolist(), "c": ratios["condition"].tolist()})
    frame["y"] = np.log(ratios["value"].to_numpy(dtype=float))
    fit = smf.ols("y ~ C(c) + C(blot)", frame).fit()
    mine = table.set_index(["condition", "block"])["residual"]
    for condition, blot, residual in zip(frame["c"], frame["blot"], fit.resid, strict=True):
        assert mine[condition, blot] == pytest.approx(residual, abs=1e-10)
    assert plot_residuals(table).startswith("<svg")


def test_residual_table_is_empty_where_every_value_is_held_back(tmp_path):
    ratios = values().assign(included=False)
    table = residual_table(two_factors(tmp_path), ratios)
    assert table.empty
    assert list(table.columns) == ["ratio", "condition", "block", "residual"]
    assert plot_residuals(table) == ""

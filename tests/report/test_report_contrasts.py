"""The report's first block: contrasts as a figure and as sentences."""

import pandas as pd
from factorial_study import INTERACTION, WITHIN, two_factors, values

from blotquant.report.contrasts import contrast_blocks, plot_contrasts
from blotquant.statistics.contrasts import compare_contrasts, contrast_points


def blocks_of(folder, toml):
    study, ratios = two_factors(folder, toml), values()
    return contrast_blocks(study, {"contrasts": compare_contrasts(study, ratios), "ratios": ratios})


def test_contrast_blocks_put_declared_families_first(tmp_path):
    [block] = blocks_of(tmp_path, WITHIN + INTERACTION)
    assert [family["name"] for family in block["families"]] == [
        "drug within line",
        "interaction line × drug",
        "against WT vehicle",
    ]
    assert [len(family["sentences"]) for family in block["families"]] == [2, 1, 3]
    assert block["figure"].startswith("<svg")
    assert blocks_of(tmp_path, WITHIN + INTERACTION)[0]["figure"] == block["figure"]


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

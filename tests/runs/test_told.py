"""The lines that the command line tells of a study."""

from blotquant.cli.summary_text import contrast_lines, fold_words, summary_lines
from blotquant.io.files import write_table
from blotquant.tables import CONTRAST_COLUMNS, SUMMARY_COLUMNS, make_table

FULL = {"ratio": "R", "condition": "drug", "n": 3, "fold_change": 1.8, "fold_ci_low": 1.2, "fold_ci_high": 2.7,
        "simultaneous_ci_low": 1.1, "simultaneous_ci_high": 3.0, "p_value": 0.005,
        "p_adjusted": 0.012, "test": "t-test on log ratios, paired by blot"}  # fmt: skip
NONE = {"ratio": "R", "condition": "burnt", "n": 0, "test": "no test: no value is left (saturated)"}


def test_summary_lines_a_condition_in_one_line(tmp_path):
    write_table(make_table([FULL, NONE], SUMMARY_COLUMNS), tmp_path / "summary.csv")
    assert summary_lines(tmp_path) == [
        "R  drug: n = 3, 1.8-fold (simultaneous interval 1.1 to 3), adjusted p = 0.012",
        "R  burnt: n = 0; no test: no value is left (saturated)",
    ]
    assert summary_lines(tmp_path / "elsewhere") == []


def test_fold_words_without_a_reference_the_mean_is_told():
    row = make_table([NONE | {"n": 1, "geometric_mean": 0.5581, "test": "no test: no reference"}], SUMMARY_COLUMNS)
    assert fold_words(row.iloc[0].to_dict()) == "R  burnt: n = 1, geometric mean 0.558; no test: no reference"


def test_fold_words_two_blots_say_why_there_is_no_p():
    row = make_table([FULL | {"n": 2, "p_adjusted": None, "test": "no test: n = 2"}], SUMMARY_COLUMNS).iloc[0]
    assert fold_words(row.to_dict()) == "R  drug: n = 2, 1.8-fold (1.2 to 2.7); no test: n = 2"


def test_fold_words_the_reference_is_called_so():
    row = FULL | {"fold_change": 1.0, "fold_ci_low": None, "fold_ci_high": None, "p_adjusted": None}
    row |= {"simultaneous_ci_low": None, "simultaneous_ci_high": None, "p_value": None}
    row |= {"test": "reference: 1 by construction, not tested"}
    told = fold_words(make_table([row], SUMMARY_COLUMNS).iloc[0].to_dict())
    assert told == "R  drug: n = 3, the reference"


def test_fold_words_of_one_comparison_and_of_a_bound():
    alone = make_table([FULL | {"p_adjusted": 0.005}], SUMMARY_COLUMNS).iloc[0].to_dict()
    assert fold_words(alone) == "R  drug: n = 3, 1.8-fold (1.2 to 2.7), p = 0.005"
    bound = FULL | {"bound": "≤", "fold_change": 0.02, "simultaneous_ci_low": None, "simultaneous_ci_high": 0.03}
    told = fold_words(make_table([bound], SUMMARY_COLUMNS).iloc[0].to_dict())
    assert told == "R  drug: n = 3, ≤ 0.02-fold (simultaneous interval up to 0.03), adjusted p = 0.012"


def test_summary_lines_leave_the_bands_of_a_doublet_to_the_tables(tmp_path):
    rows = [FULL | {"ratio": name} for name in ("pERK/ERK", "pERK/ERK (44 kDa)", "p53 (53 kDa)")]
    write_table(make_table(rows, SUMMARY_COLUMNS), tmp_path / "summary.csv")
    told = summary_lines(tmp_path)
    assert [line.split("  ")[0] for line in told[:2]] == ["pERK/ERK", "p53 (53 kDa)"]
    assert told[2:] == ["pERK/ERK (44 kDa): each band of the doublet by itself stands in the tables and the report"]


def test_contrast_lines_of_comparisons_without_a_value(tmp_path):
    row = {"ratio": "R", "family": "against vehicle", "contrast": "drug / vehicle", "quantity": "fold change"}
    write_table(make_table([row], CONTRAST_COLUMNS), tmp_path / "contrasts.csv")
    assert contrast_lines(tmp_path) == []

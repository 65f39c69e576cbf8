"""The workbook and the Prism table."""

# ruff: noqa: E501  (tables of names read better on long lines)
import math

import numpy as np
import openpyxl
import pandas as pd
import pytest
from scipy import stats
from small_experiment import band_table, experiment, image, lane_table, ratio

from blotquant.errors import OutputError
from blotquant.export.workbook import prism_table, replicate_table, write_parquet, write_prism, write_workbook
from blotquant.io.files import write_table
from blotquant.statistics.compare import scaled_units
from blotquant.tables import CARRY_OVER_COLUMNS, EXPOSURE_COLUMNS, RATIO_COLUMNS, SUMMARY_COLUMNS, make_table

NASTY = '=HYPERLINK("http://x")'
VALUES = {
    ("a", "1", "v"): 1.0,
    ("a", "2", "v"): 10.0,
    ("a", "1", "d"): 2.0,
    ("a", "2", "d"): 24.0,
    ("b", "1", "v"): 3.0,
}


@pytest.fixture
def study(tmp_path):
    toml = (
        image("p.tif", "P", blot=1) + image("t.tif", "T", blot=1) + image("q.tif", "P", blot=2) + ratio("a", "P", "T")
    )
    sheet = "blot,lane,condition\n1,1,v\n1,2,d\n2,1,v\n2,2,d\n"
    return experiment(tmp_path, toml + '[compare]\nreference = "v"\nscaling = "fixed_point"\n', sheet)


@pytest.fixture
def tables():
    rows = [
        {"ratio": name, "blot": blot, "lane": 1, "sample": NASTY, "condition": condition, "value": value, "included": True,
         "dose": "007"} for (name, blot, condition), value in VALUES.items()
    ]  # fmt: skip
    rows.append(
        {**rows[0], "condition": "d", "sample": "-1 @home", "value": math.inf, "included": False, "reason": "torn"}
    )
    return {
        "bands": band_table(),
        "lanes": lane_table(),
        "exposures": make_table([], EXPOSURE_COLUMNS),
        "ratios": make_table(rows, RATIO_COLUMNS),
        "summary": make_table([{"ratio": "a", "condition": "v", "n": 2, "p_value": 1e-9}], SUMMARY_COLUMNS),
    }


def written(path, tables, study=None, **more):
    write_workbook(path, tables, experiment=study, **more)
    return openpyxl.load_workbook(path)


def cells(sheet):
    header = [cell.value for cell in sheet[1]]
    return [dict(zip(header, row, strict=True)) for row in sheet.iter_rows(min_row=2)]


def test_write_workbook_has_sheets_and_columns(tmp_path, tables, study):
    book = written(tmp_path / "r.xlsx", tables, study)
    assert book.sheetnames == ["About", "Bands", "Lanes", "Exposures", "Ratios", "Summary", "Prism", "Replicates"]
    assert [cell.value for cell in book["Ratios"][1]] == [*RATIO_COLUMNS, "dose"]
    assert book["Bands"].max_row == 1
    assert book["Summary"]["J2"].value == 1e-9


def test_notes_and_blots_that_take_no_part_stand_on_the_about_sheet(tmp_path, tables):
    toml = (
        image("p.tif", "P", blot=1) + image("t.tif", "T", blot=1) + image("u.tif", "T", blot=2) + ratio("a", "P", "T")
    )
    study = experiment(tmp_path, toml, "blot,lane,condition\n1,1,v\n1,2,V\n2,1,v\n")
    about = written(tmp_path / "r.xlsx", {**tables, "carry_over": make_table([], CARRY_OVER_COLUMNS)}, study)
    told = {row[0].value: row[1].value for row in about["About"].iter_rows()}
    assert told["note"] == study.warnings[0]
    assert told["takes no part"] == "a: blot 2, which has no picture of its numerator"
    assert [cell.value for cell in about["Carry-over"][1]] == list(CARRY_OVER_COLUMNS)


def test_text_stays_text_and_numbers_stay_numbers(tmp_path, tables):
    rows = cells(written(tmp_path / "r.xlsx", tables)["Ratios"])
    assert (rows[0]["sample"].value, rows[0]["sample"].data_type) == (NASTY, "s")
    assert rows[0]["sample"].quotePrefix
    assert rows[-1]["sample"].data_type == "s"
    assert (rows[0]["dose"].value, rows[0]["dose"].data_type) == ("007", "s")
    assert (rows[3]["value"].value, rows[3]["value"].data_type) == (24, "n")
    assert (rows[-1]["value"].value, rows[-1]["included"].value) == ("∞", False)
    assert rows[0]["ci_low"].value is None


def test_write_workbook_a_name_in_the_about_sheet_stays_text_too(tmp_path, tables):
    (tmp_path / NASTY.replace("/", "_")).mkdir()
    study = experiment(tmp_path, f"name = '{NASTY}'\n" + image("p.tif", "P"))
    about = written(tmp_path / "r.xlsx", tables, study, failures={"blot 1": "=1+1"})["About"]
    found = [cell for row in about.iter_rows() for cell in row if cell.value and "HYPERLINK" in str(cell.value)]
    assert found
    assert {cell.data_type for row in about.iter_rows() for cell in row if cell.value} == {"s"}


def test_write_workbook_says_what_was_done_and_left_out(tmp_path, tables, study):
    about = written(tmp_path / "r.xlsx", tables, study, failures={"blot 2": "no lanes"})["About"]
    lines = {(row[0].value, row[1].value) for row in about.iter_rows()}
    assert ("values", "6 in all, 5 used, 1 left out") in lines
    assert ("left out", "1: torn") in lines
    assert ("not measured", "blot 2: no lanes") in lines
    assert ("Ratios", "dose") in lines
    assert any(key == "scaling" and "0.2857" in text for key, text in lines)


def test_write_workbook_the_same_tables_give_the_same_bytes(tmp_path, tables, study):
    for name in ("a.xlsx", "b.xlsx"):
        write_workbook(tmp_path / name, tables, experiment=study)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_write_workbook_long_text_is_cut_to_what_a_cell_holds(tmp_path, tables):
    tables["ratios"].loc[0, "sample"] = "x" * 40_000
    assert len(cells(written(tmp_path / "r.xlsx", tables)["Ratios"])[0]["sample"].value) == 32_767


def test_write_workbook_more_rows_than_a_sheet_holds(tmp_path, tables, monkeypatch):
    monkeypatch.setattr("blotquant.export.workbook.MAX_ROWS", 3)
    with pytest.raises(OutputError, match=r"r\.xlsx: 6 rows where a sheet holds 3; use the csv files, or parquet"):
        write_workbook(tmp_path / "r.xlsx", tables)
    assert not (tmp_path / "r.xlsx").exists()


def test_prism_table_has_conditions_in_rows_and_replicates_in_columns(study, tables):
    table = prism_table(study, tables["ratios"])
    assert list(table.columns) == ["condition", *(f"{r} (scaled by fixed_point): {b}" for r in "ab" for b in (1, 2))]
    assert table["condition"].tolist() == ["v", "d"]
    table.columns = [name.replace(" (scaled by fixed_point)", "") for name in table.columns]
    # Fixed point: every blot divided by its reference.
    assert table["a: 1"].tolist() == pytest.approx([1.0, 2.0])
    assert table["a: 2"].tolist() == pytest.approx([1.0, 2.4])
    assert np.isnan(table["b: 2"]).all()
    gm = stats.gmean(table[["a: 1", "a: 2"]], axis=1)
    assert gm[1] == pytest.approx(math.sqrt(4.8))


def test_prism_table_tells_bounds_in_its_last_column(study, tables):
    ratios = tables["ratios"].copy()
    mine = (ratios["ratio"] == "a") & (ratios["condition"] == "d") & (ratios["blot"] == "2")
    value = ratios.loc[mine, "value"].iloc[0]
    ratios["enters_as_bound"] = mine.to_numpy()
    ratios.loc[mine, "included"] = False
    ratios.loc[mine, "bound"] = "≥"
    table = prism_table(study, ratios)
    assert table.columns[-1] == "a (scaled by fixed_point): bounds"
    assert np.isnan(table["a (scaled by fixed_point): 2"].iloc[1])
    reference = ratios.loc[(ratios["ratio"] == "a") & (ratios["condition"] == "v") & (ratios["blot"] == "2"), "value"]
    assert table.iloc[:, -1].fillna("").tolist() == ["", f"2 ≥ {value / reference.iloc[0]:.4g}"]
    units = replicate_table(study, scaled_units(study, ratios))
    bound = units[units["bound"].notna()].iloc[0]
    assert (bound["bound"], bound["bound_value"]) == ("≥", pytest.approx(value / reference.iloc[0]))
    assert np.isnan(bound["value"])


def test_write_prism_leaves_the_table_as_csv(tmp_path, study, tables):
    write_prism(tmp_path / "prism.csv", study, tables["ratios"])
    assert (
        (tmp_path / "prism.csv")
        .read_text(encoding="utf-8")
        .splitlines()[0]
        .startswith("condition,a (scaled by fixed_point): 1,a (scaled by fixed_point): 2,")
    )
    assert prism_table(study, make_table([], RATIO_COLUMNS)).columns.tolist() == ["condition"]


def test_write_parquet_holds_the_same_table(tmp_path, tables):
    pytest.importorskip("pyarrow")
    write_table(tables["ratios"], tmp_path / "ratios.csv")
    target = write_parquet(tmp_path / "ratios.csv")
    assert target == tmp_path / "ratios.parquet"
    frame = pd.read_parquet(target)
    assert frame["value"].tolist() == tables["ratios"]["value"].tolist()
    assert frame["sample"].tolist() == tables["ratios"]["sample"].tolist()


def test_write_workbook_shows_few_digits_and_keeps_all(tmp_path, tables, study):
    tables["ratios"]["value"] = [1.23456789, 10.5, 2.25, 24.125, 3.0, math.inf]
    tables["ratios"]["dose_nM"] = ["0", "100", "0.5", "0", "100", "10"]
    book = written(tmp_path / "r.xlsx", tables, study)
    row = cells(book["Ratios"])[0]
    assert (row["value"].value, row["value"].number_format) == (1.23456789, "0.000")
    assert (row["dose_nM"].value, row["dose_nM"].data_type) == (0, "n")
    assert (row["dose"].value, row["dose"].data_type) == ("007", "s")  # a code is no number
    assert cells(book["Summary"])[0]["p_value"].number_format == "[<0.0001]0.0E+00;0.0000"
    assert book["Ratios"].freeze_panes == "B2"
    assert book["Ratios"].auto_filter.ref.startswith("A1:")


def test_write_workbook_the_sheet_of_replicates_is_what_the_means_are_made_of(tmp_path, tables, study):
    rows = cells(written(tmp_path / "r.xlsx", tables, study)["Replicates"])
    values = {(r["ratio"].value, r["replicate"].value, r["condition"].value): r["value"].value for r in rows}
    assert values["a", "2", "d"] == pytest.approx(2.4)
    assert rows[0]["ln_value"].value == pytest.approx(math.log(rows[0]["value"].value))
    assert {r["scaling"].value for r in rows} == {"fixed_point"}

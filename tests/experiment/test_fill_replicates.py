"""What is independent: samples, replicates and blots as people write them, and the questions that are left."""

# ruff: noqa: E501  (a message stands on one line, as the user reads it)

import pytest
from small_experiment import experiment, image, ratio, write
from test_experiment import complaints

from blotquant.experiment.read import read_experiment

TWO = (
    image("p.tif", "P", blot=1)
    + image("t.tif", "T", blot=1)
    + image("q.tif", "P", blot=2)
    + image("u.tif", "T", blot=2)
)
TWO += ratio("r", "P", "T")
ONE = image("p.tif", "P") + image("t.tif", "T") + ratio("r", "P", "T")
MICE = "blot,lane,sample,condition\n" + "".join(f"1,{k},m{k},{'c' if k < 5 else 't'}\n" for k in range(1, 9))


def test_fill_replicates_asks_whether_samples_of_one_blot_are_independent(tmp_path):
    [question] = experiment(tmp_path, ONE, MICE).warnings
    assert question.startswith(
        "samples.csv: condition c has 4 samples on blot 1 (m1, m2, m3, m4) and no replicate column: "
    )
    assert "are these independent" in question


@pytest.mark.parametrize(("said", "filled"), [("sample", True), ("blot", False)])
def test_fill_replicates_takes_the_answer(tmp_path, said, filled):
    study = experiment(tmp_path, ONE + f'[compare]\nreplicates = "{said}"\n', MICE)
    assert study.warnings == ()
    assert study.samples["replicate"].notna().all() == filled


def test_fill_replicates_counts_a_sample_on_two_blots_once(tmp_path):
    sheet = "blot,lane,sample,condition\n1,1,m1,c\n1,2,m2,c\n1,3,m3,t\n2,1,m1,c\n2,2,m4,t\n2,3,m3,t\n"
    study = experiment(tmp_path, TWO, sheet)
    assert study.warnings[0].startswith(
        "samples.csv: sample m1 stands on blots 1 and 2: samples are counted by their names"
    )
    assert study.samples["replicate"].tolist() == study.samples["sample"].tolist()


def test_fill_replicates_takes_names_that_stand_on_every_blot_for_labels(tmp_path):
    sheet = "blot,lane,sample,condition\n" + "".join(f"{b},1,ctrl,c\n{b},2,drug,t\n" for b in (1, 2))
    study = experiment(tmp_path, TWO, sheet)
    assert study.warnings == ()
    assert study.samples["replicate"].isna().all()


def test_check_replicates_refuses_one_name_for_two_samples(tmp_path):
    sheet = "blot,lane,sample,condition,replicate\n1,1,m1,c,1\n2,1,m7,c,1\n"
    [line] = complaints(write(tmp_path, TWO, sheet))
    assert line == (
        "samples.csv: replicate '1' of condition c stands on blots 1, 2 as samples m1, m7; give every biological replicate "
        "a name of its own"
    )


def test_check_replicates_takes_one_sample_on_two_blots_and_a_pool(tmp_path):
    sheet = "blot,lane,sample,condition,role,replicate\n"
    sheet += "".join(
        f"{b},1,pool,pool,standard,pool\n{b},2,m1,c,sample,m1\n{b},3,m{b + 1},t,sample,m{b + 1}\n" for b in (1, 2)
    )
    study = experiment(tmp_path, TWO, sheet)
    assert study.warnings == ("samples.csv: replicate m1 stands on blots 1 and 2: it counts once and links them",)


@pytest.mark.parametrize(
    ("a", "b", "asked"),
    [("vehicle", "vehicel", True), ("AnaR, fulvestrant", "AnaR, fulvestrand", True), ("siRNA A", "siRNA B", False),
     ("treated", "untreated", False), ("drug 10", "drug 100", False), ("WT", "KO", False)],
)  # fmt: skip
def test_near_twins_are_asked_about(tmp_path, a, b, asked):
    sheet = f'blot,lane,condition\n1,1,"{a}"\n1,2,"{b}"\n'
    warnings = experiment(tmp_path, ONE, sheet).warnings
    assert any("differ by a letter or two" in text for text in warnings) == asked


def test_find_doubts_sees_a_ratio_that_says_another_protein(tmp_path):
    toml = image("p.tif", "pAKT") + image("t.tif", "AKT") + ratio("pERK/AKT", "pAKT", "AKT")
    [doubt] = experiment(tmp_path, toml, "blot,lane,condition\n1,1,v\n").warnings
    assert doubt == "experiment.toml: ratios: 'pERK/AKT' says pERK, its numerator is pAKT; check the name or the probe"
    fine = image("p.tif", "pAKT") + image("t.tif", "AKT") + ratio("phospho/total", "pAKT", "AKT")
    assert experiment(tmp_path, fine, "blot,lane,condition\n1,1,v\n").warnings == ()


@pytest.mark.parametrize("reference", ["5", '"5"', "5.0"])
def test_read_experiment_takes_numbers_as_names_of_conditions(tmp_path, reference):
    sheet = "blot,lane,condition\n1,1,0\n1,2,5\n1,3,15\n"
    study = experiment(tmp_path, ONE + f"[compare]\nreference = {reference}\n", sheet)
    assert study.compare.reference == "5"


def test_read_experiment_names_title_rows_and_merged_cells(tmp_path):
    import openpyxl

    write(tmp_path, ONE)
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "samples"
    for row in (["Blot of Monday"], ["blot", "lane", "condition"], [1, 1, "v"], [1, 2, None]):
        sheet.append(row)
    sheet.merge_cells("C3:C4")
    book.save(tmp_path / "samples.xlsx")
    toml = (tmp_path / "experiment.toml").read_text(encoding="utf-8").replace("samples.csv", "samples.xlsx")
    (tmp_path / "experiment.toml").write_text(toml, encoding="utf-8")
    lines = complaints(tmp_path / "experiment.toml")
    assert any(
        "row 1: holds a title, 'Blot of Monday', where the columns' names are expected" in line for line in lines
    )
    assert any("cells C3:C4 are merged, and only the first of them holds the text" in line for line in lines)


def test_read_experiment_takes_contrasts_from_a_workbook(tmp_path):
    import openpyxl

    write(tmp_path, ONE)
    book = openpyxl.Workbook()
    sheets = {
        "images": [["file", "blot", "probe"], ["p.tif", 1, "P"], ["t.tif", 1, "T"]],
        "samples": [["blot", "lane", "condition", "line"], [1, 1, "a", "x"], [1, 2, "b", "x"], [1, 3, "c", "y"]],
        "ratios": [["name", "numerator", "denominator"], ["r", "P", "T"]],
        "compare": [["key", "value"], ["reference", "a"], ["factors", "line"]],
        "contrasts": [
            ["name", "pairs", "all_pairs", "within"],
            ["two", "b / a; c / a", None, None],
            ["all", None, "yes", None],
        ],
    }
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    del book["Sheet"]
    book.save(tmp_path / "experiment.xlsx")
    (tmp_path / "experiment.toml").unlink()
    study = read_experiment(tmp_path / "experiment.xlsx")
    assert study.contrasts[0].pairs == (("b", "a"), ("c", "a"))
    assert (study.contrasts[1].all_pairs, study.compare.factors) == (True, ("line",))

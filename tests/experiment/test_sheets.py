"""Sample sheets as spreadsheets write them."""

# ruff: noqa: E501  (a message stands on one line, as the user reads it)
import datetime
import re

import openpyxl
import pytest

from blotquant.errors import SheetError
from blotquant.experiment.design import SHEET_COLUMNS
from blotquant.experiment.sample_sheet import did_you_mean, parse_samples
from blotquant.experiment.sheets import Sheet, cell_text, read_csv_sheet, read_number, read_workbook

TEXT = 'blot,lane,condition,note\n1,1,vehicle,"Müller, β"\n\n1,2,drug,\n'
PLAIN = [("line 2", ["1", "1", "vehicle", "Müller, β"]), ("line 4", ["1", "2", "drug", ""])]


def read(tmp_path, data):
    path = tmp_path / "samples.csv"
    path.write_bytes(data)
    return read_csv_sheet(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_read_csv_sheet_encodings_and_line_ends(tmp_path, encoding, line_end):
    sheet = read(tmp_path, TEXT.replace("\n", line_end).encode(encoding))
    assert sheet.columns == ("blot", "lane", "condition", "note")
    assert [(place, list(cells.values())) for place, cells in sheet.rows.items()] == PLAIN
    assert not sheet.problems


def test_windows_1252(tmp_path):
    sheet = read(tmp_path, "blot,lane,condition\n1,1,Müller 5 µM\n".encode("cp1252"))
    assert next(iter(sheet.rows.values()))["condition"] == "Müller 5 µM"


@pytest.mark.parametrize("separator", [";", "\t"])
def test_read_csv_sheet_other_separators(tmp_path, separator):
    text = f"blot{separator}lane{separator}condition\n1{separator}1{separator}a, b\n"
    assert read(tmp_path, text.encode()).rows == {"line 2": {"blot": "1", "lane": "1", "condition": "a, b"}}


def test_read_csv_sheet_excel_names_its_separator(tmp_path):
    sheet = read(tmp_path, b"sep=;\nblot;lane\n1;2\n")
    assert (sheet.columns, sheet.rows) == (("blot", "lane"), {"line 3": {"blot": "1", "lane": "2"}})


def test_read_csv_sheet_a_shape_that_is_wrong_is_named(tmp_path):
    sheet = read(tmp_path, b"blot,lane,Lane,,x\n1,2,3,4,5,6\n1\n")
    assert sheet.problems == (
        "samples.csv: line 1: column 4 has no name",
        "samples.csv: line 1: column 'Lane' stands there twice",
        "samples.csv: line 2: 6 cells where the header has 5 columns; put text that holds the separator in quotes "
        "(surplus: '6')",
    )
    assert list(sheet.rows.values())[1]["lane"] == ""
    assert read(tmp_path, b"\n,,\n").problems == ("samples.csv: the sheet is empty",)


def test_files_that_are_no_sheet(tmp_path):
    with pytest.raises(SheetError, match=r"samples.csv: not a text file; save the sheet as csv"):
        read(tmp_path, b"PK\x03\x04\0\0")
    with pytest.raises(SheetError, match=r"gone.csv: cannot be read: No such file"):
        read_csv_sheet(tmp_path / "gone.csv")
    with pytest.raises(SheetError, match="neither UTF-8 nor Windows-1252"):
        read(tmp_path, b"blot\x81\xff,lane\n")
    (tmp_path / "x.xlsx").write_bytes(b"no workbook")
    with pytest.raises(SheetError, match=r"x.xlsx: not a readable .xlsx workbook"):
        read_workbook(tmp_path / "x.xlsx")


def test_read_workbook_workbook_cells_become_what_a_person_sees(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "Samples "
    for line in (
        ["blot", "lane", "date"],
        [1.0, 2, datetime.datetime(2026, 3, 4)],
        [None, None, None],
        ["a", 0.5, True],
    ):
        book.active.append(line)
    book.save(tmp_path / "x.xlsx")
    sheet = read_workbook(tmp_path / "x.xlsx")["samples"]
    assert [list(cells.values()) for cells in sheet.rows.values()] == [["1", "2", "2026-03-04"], ["a", "0.5", "true"]]
    assert list(sheet.rows)[1] == "row 4"
    assert cell_text(datetime.datetime(2026, 3, 4, 5)) == "2026-03-04T05:00:00"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("20", 20),
        ("2.5", 2.5),
        ("2,5", 2.5),
        ("-1,25", -1.25),
        ("−3", -3),
        ("1e3", 1000),
        (".5", 0.5),
        ("0,125", 0.125),
    ],
)
def test_read_number_takes_what_people_write(text, number):
    assert read_number(text) == number


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e999", "1.2.3", "1,2,3", "0x10", "1_000"])
def test_read_number_refuses_what_is_none(text):
    with pytest.raises(ValueError, match="is not a number"):
        read_number(text)


@pytest.mark.parametrize(("text", "plain"), [("1.250,5", "1250.5"), ("1,250.5", "1250.5"), ("12 345,6", "12345.6")])
def test_read_number_asks_about_thousands(text, plain):
    with pytest.raises(ValueError, match=rf"is read as no number; write {plain}: one decimal point"):
        read_number(text)


def test_parse_samples_tells_one_mistake_of_many_rows_once_and_asks_about_words_of_other_languages():
    rows = [{"blot": "1", "lane": str(k), "condition": "c", "role": "Probe"} for k in range(1, 6)]
    rows.append({"blot": "1", "lane": "6", "condition": "", "role": "leer"})
    sheet = Sheet(
        "s.csv",
        ("blot", "lane", "condition", "role"),
        {f"line {k}": row for k, row in enumerate(rows, 2)},
    )
    allowed = "allowed: sample, ladder, standard, blank, excluded"
    assert parse_samples(sheet)[1] == [
        f"s.csv: line 2 and 4 more, to line 6: role 'Probe' is not known; did you mean 'sample'? {allowed}",
        f"s.csv: line 7: role 'leer' is not known; did you mean 'blank'? {allowed}",
    ]


def test_one_comma_that_may_mean_thousands_is_refused():
    with pytest.raises(ValueError, match=r"'1,250' may mean 1250 or 1.250"):
        read_number("1,250")


def test_did_you_mean():
    assert did_you_mean("smple", ["sample", "ladder"]) == "did you mean 'sample'? allowed: sample, ladder"
    assert did_you_mean("qqq", ["sample"]) == "allowed: sample"


def samples(text):
    lines = text.strip().splitlines()
    columns = tuple(lines[0].split(","))
    rows = {f"line {k}": dict(zip(columns, line.split(","), strict=True)) for k, line in enumerate(lines[1:], 2)}
    return parse_samples(Sheet("s.csv", columns, rows))


def test_sample_sheet_types_and_defaults():
    rows, problems = samples("Blot,LANE,condition,load_ug,Dose\n1,1,v,20.5,10\n1,2,,,\n".replace("1,2,,,", "1,2,d,,x"))
    assert not problems
    assert list(rows) == [*SHEET_COLUMNS, "Dose"]
    first = rows.iloc[0]
    assert (first["blot"], first["lane"], first["role"], first["sample"], first["load_ug"]) == (
        "1",
        1,
        "sample",
        "v",
        20.5,
    )
    assert rows["Dose"].tolist() == ["10", "x"]
    assert rows["load_ug"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("blot,lane,conditon\n1,1,v", "s.csv: column 'conditon' is not known; did you mean 'condition'?"),
        ("blot,lane,condition,rol\n1,1,v,sample", "s.csv: column 'rol' is not known; did you mean 'role'?"),
        ("blot,lane\n1,1", "s.csv: column 'condition' is missing (columns found: blot, lane; needed: blot, lane, condition)"),
        ("blot,lane,condition,volume\n1,1,v,3", "s.csv: column 'volume' is the name of a result column; call it otherwise"),
        ("blot,lane,condition\n1,1.5,v", "s.csv: line 2: lane '1.5' is not a whole number from 1 to 60"),
        ("blot,lane,condition\n1,0,v", "s.csv: line 2: lane '0' is not a whole number from 1 to 60"),
        ("blot,lane,condition\n,1,v", "s.csv: line 2: blot is empty; give the biological replicate, such as 1"),
        ("blot,lane,condition,role\n1,1,v,smple",
         "s.csv: line 2: role 'smple' is not known; did you mean 'sample'? allowed: sample, ladder, standard, blank, excluded"),
        ("blot,lane,condition\n1,1,",
         "s.csv: line 2: condition is empty in a lane of role sample; name it, or set role to blank, ladder or excluded"),
        ("blot,lane,condition,load_ug\n1,1,v,x", "s.csv: line 2: load_ug: 'x' is not a number"),
        ("blot,lane,condition,load_ug\n1,1,v,-2",
         "s.csv: line 2: load_ug '-2' is negative; give micrograms, or leave it empty"),
        ("blot,lane,condition\n1,1,v\n1,1,w", "s.csv: line 3: lane 1 of blot 1 was given before (line 2)"),
        ("blot,membrane,lane,condition\n1,,1,v\n1,b,1,w",
         "s.csv: line 3: lane 1 of blot 1 was given for all membranes (line 2)"),
        ("blot,lane,condition\n1,1,v\n1,4,w",
         "s.csv: blot 1: lane 2, 3 is not listed; every lane counts from the left: give empty ones the role blank and the "
         "ladder the role ladder"),
    ],
)  # fmt: skip
def test_parse_samples_each_mistake_has_one_line(text, problem):
    assert samples(text)[1] == [problem]


def test_all_mistakes_come_at_once():
    _, problems = samples("blot,lane,conditon,role\n1,x,v,sample\n1,1,,sample\n1,3,v,foo\n")
    assert len(problems) == 5


def test_parse_samples_a_membrane_may_add_lanes_to_those_of_the_blot():
    assert not samples("blot,membrane,lane,condition\n1,,1,v\n1,b,2,w\n")[1]


@pytest.mark.parametrize(
    ("name", "told"), [("Südwest", "'1,1,Südwest' (Mac Roman) or '1,1,SŸdwest' (Windows)"), ("37 °C", "'1,1,37 °C'")]
)
def test_read_csv_sheet_asks_where_letters_may_be_mac_roman(tmp_path, name, told):
    with pytest.raises(SheetError, match=re.escape(told)):
        read(tmp_path, f"blot,lane,condition\r1,1,{name}\r".encode("mac_roman"))


def test_read_csv_sheet_takes_windows_letters_of_many_languages(tmp_path):
    names = ["Größe", "œ'il “x” – y’s", "forêt noire", "señal ±5 µM", "50 °C", "Ålesund", "½ dose"]
    for name in names[:1] + names[2:]:
        sheet = read(tmp_path, f"blot,lane,condition\n1,1,{name}\n".encode("cp1252"))
        assert next(iter(sheet.rows.values()))["condition"] == name


def test_read_workbook_names_formulas_without_a_saved_value(tmp_path):
    """A program that writes formulas without calculating leaves nothing to read: no lane is called ''."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "samples"
    sheet.append(["blot", "lane", "condition"])
    sheet.append([1, 1, "vehicle"])
    sheet.append([1, "=B2+1", "drug"])
    book.save(tmp_path / "study.xlsx")
    (problem,) = read_workbook(tmp_path / "study.xlsx")["samples"].problems
    assert problem.startswith("study.xlsx, sheet samples: 1 formulas without a saved value (B3: =B2+1): open the file")

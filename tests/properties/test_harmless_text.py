"""Names with quotes, line breaks, direction marks, `..`, 300 characters and other scripts, through every door."""

import csv
import io
import re
import unicodedata

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blotquant.errors import BlotQuantError
from blotquant.io.files import read_table, table_to_csv
from blotquant.tables import Column
from blotquant.text import LONGEST_LINE, file_name, free_cell, guard_cell, harmless, message

INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
HOSTILE = [
    '=HYPERLINK("http://x","y")',
    "+cmd|'/c calc'!A0",
    "a \"quoted\", 'name'",
    "two\nlines",
    "right\u202eleft",
    "../../etc/passwd",
    "x" * 300,
    "Прапорець 旗 علم <b>&amp;</b>",
]
word = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(word)
def test_cells_come_back_as_they_were(text):
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    assert free_cell(guard_cell(text)) == plain
    assert not re.match(r"[=@\t]", guard_cell(text))


@pytest.mark.parametrize(
    "text", ["+EGF", "-drug", "- / +", "-/-", "+EGF (10 nM)", "-1.5", "-80 °C", "'quoted'", "a=b", "H3", ""]
)
def test_guard_cell_common_names_stay_as_they_are(text):
    assert guard_cell(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "@SUM(A1)",
        "+SUM(A1:A2)",
        "-cmd|' /c calc'!A0",
        "\t=1",
        "'=1",
        "+H3",
        "-2+AKT1",
        "+'http://x/y.ods'#$Sheet1.A1",
        "+1\n+A1",
        "-{1;2}",
        "＝1+1",
        "＋SUM(A1)",
    ],
)
def test_formulas_are_guarded(text):
    assert guard_cell(text) == "'" + text


@settings(deadline=None, max_examples=50)
@given(st.lists(word.filter(lambda t: "\x00" not in t and t.strip() != ""), min_size=1, max_size=5))
def test_tables_come_back_as_they_were(texts):
    frame = pd.DataFrame({"a": pd.array(texts, "string"), "n": range(len(texts))})
    text = table_to_csv(frame)
    assert len(list(csv.reader(io.StringIO(text, newline="")))) == len(texts) + 1
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_text(text, encoding="utf-8", newline="")
        back = read_table(path, {"a": Column("string", "", ""), "n": Column("Int64", "", "")})
    assert back["a"].tolist() == [t.replace("\r\n", "\n").replace("\r", "\n") for t in texts]


@given(word)
def test_harmless_nothing_invisible_reaches_a_terminal(text):
    assert not {unicodedata.category(c) for c in harmless(text)} & INVISIBLE
    assert harmless(harmless(text)) == harmless(text)


@given(st.text(max_size=200))
def test_messages_are_lines_that_can_be_printed(text):
    lines = str(BlotQuantError(text)).split("\n") if text.strip() else []
    assert all(line == message(line) and len(line) <= LONGEST_LINE for line in lines)
    assert str(BlotQuantError("x" * 5000)).endswith("…")


@given(st.lists(word, min_size=1, max_size=3))
def test_file_name_file_names_are_names_of_files(parts):
    name = file_name(*parts)
    assert name
    assert len(name.encode()) <= 200
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', name)
    assert not name.startswith(".")
    assert not name.endswith((" ", "."))


def test_file_name_different_pictures_have_different_file_names():
    parts = [
        ("a__b",),
        ("a", "b"),
        ("a/b",),
        ("..", "a"),
        ("a",),
        ("A" * 300,),
        ("A" * 299 + "B",),
        ("a:b",),
        ("a?b",),
    ]
    assert len({file_name(*p) for p in parts}) == len(parts)
    assert file_name("blot 1, p-AKT (60 s).tif") == "blot 1, p-AKT (60 s).tif"


def test_verify_folder_hostile_names_travel_through_a_whole_run(tmp_path, capsys):
    from tiny_study import write_tiny_study

    from blotquant.cli import main
    from blotquant.runs.verify import verify_folder
    from blotquant.tables import LANE_COLUMNS

    names = HOSTILE[:6]
    folder = write_tiny_study(
        tmp_path / "in", n_blots=1, names=names, title=HOSTILE[7] + HOSTILE[4],
        file_name="a 'b'; \u202e =1+1 {blot}_{probe} " + "y" * 150 + ".tif",
    )  # fmt: skip
    assert main(["run", str(folder), "-o", str(tmp_path / "out")]) == 0
    captured = capsys.readouterr()
    assert "\u202e" not in captured.out + captured.err
    lanes = read_table(tmp_path / "out" / "lanes.csv", LANE_COLUMNS)
    assert set(lanes["sample"]) == set(names)
    raw = (tmp_path / "out" / "lanes.csv").read_text(encoding="utf-8")
    cells = [cell for row in csv.reader(io.StringIO(raw, newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+cmd"))]
    book = openpyxl.load_workbook(tmp_path / "out" / "results.xlsx")
    values = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value in names]
    assert {cell.value for cell in values} >= {names[0], names[1]}
    assert {cell.data_type for cell in values} == {"s"}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<b>&amp;</b>" not in page
    assert "&lt;b&gt;" in page
    assert "\u202e" not in page
    assert verify_folder(tmp_path / "out").equal

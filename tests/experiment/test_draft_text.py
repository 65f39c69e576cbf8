"""The comparison that `init` proposes from the columns of a sheet that is there already."""

import pytest

from blotquant.errors import OutputError
from blotquant.experiment.draft import write_draft
from blotquant.experiment.draft_text import compare_text
from blotquant.experiment.read import read_experiment


def sheet(folder, rows, columns="condition"):
    lines = [f"blot,lane,{columns}"]
    lines += [f"{blot},{lane},{row}" for blot in (1, 2, 3) for lane, row in enumerate(rows, 1)]
    path = folder / "samples.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


TWO_FACTORS = ["AnaR fulv,AnaR,fulvestrant", "AnaR veh,AnaR,vehicle", "MCF-7 fulv,MCF-7,fulvestrant",
               "MCF-7 veh,MCF-7,vehicle", "MCF-7 letr,MCF-7,letrozole", "AnaR letr,AnaR,letrozole"]  # fmt: skip


def test_compare_text_proposes_two_factors_as_an_experiment_that_can_be_read(tmp_path):
    path = sheet(tmp_path, TWO_FACTORS, "condition,cell_line,drug")
    text = compare_text(path)
    assert 'factors = ["cell_line", "drug"]   # guessed' in text
    toml = 'samples = "samples.csv"\n'
    for blot in (1, 2, 3):
        (tmp_path / f"{blot}.tif").touch()
        toml += f'[[images]]\nfile = "{blot}.tif"\nblot = {blot}\nprobe = "p"\n'
    (tmp_path / "experiment.toml").write_text(toml + text, encoding="utf-8")
    experiment = read_experiment(tmp_path)
    assert experiment.compare.reference == "AnaR veh"
    within, interaction = experiment.contrasts
    assert (within.within, within.reference) == (("cell_line",), ("vehicle",))
    assert interaction.interaction == ("cell_line", "drug")


@pytest.mark.parametrize(
    ("conditions", "reference"),
    [(["DMSO", "drug A"], "DMSO"), (["siAKT", "si-Ctrl", "siERK"], "si-Ctrl"), (["10", "0", "30"], "0"),
     (["WT vehicle", "KO vehicle", "KO drug"], "WT vehicle")],
)  # fmt: skip
def test_compare_text_guesses_the_control_by_its_name(tmp_path, conditions, reference):
    text = compare_text(sheet(tmp_path, conditions))
    assert f'reference = "{reference}"   # guessed' in text
    assert "[[contrasts]]" not in text


def test_compare_text_asks_where_no_name_is_a_controls(tmp_path):
    text = compare_text(sheet(tmp_path, ["young", "old"]))
    assert '# reference = "young"   # which is the control? young, old' in text


def test_compare_text_proposes_a_trend_over_doses(tmp_path):
    rows = [f"d{dose},{dose}" for dose in (0, 1, 10, 100)]
    assert 'trend = "dose_nM"' in compare_text(sheet(tmp_path, rows, "condition,dose_nM"))


def test_compare_text_of_a_drafted_or_broken_sheet_asks(tmp_path):
    asked = compare_text(None)
    assert '# reference = "vehicle"' in asked
    assert compare_text(sheet(tmp_path, ["lane 1", "lane 2"])) == asked
    (tmp_path / "samples.csv").write_bytes(b"\xff\xfe\x00no sheet")
    assert compare_text(tmp_path / "samples.csv") == asked


def test_write_draft_uses_the_sheet_that_is_kept(tmp_path):
    (tmp_path / "blot1_pAKT.tif").touch()
    sheet(tmp_path, TWO_FACTORS, "condition,cell_line,drug")
    write_draft(tmp_path)
    text = (tmp_path / "experiment.toml").read_text(encoding="utf-8")
    assert 'interaction = ["cell_line", "drug"]' in text
    # Both are there now and nothing is written; where the file asks for no contrast, the proposal is told.
    with pytest.raises(OutputError, match="are there already") as told:
        write_draft(tmp_path)
    assert "[[contrasts]]" not in str(told.value)
    (tmp_path / "experiment.toml").write_text(text.split("# guessed from the columns")[0], encoding="utf-8")
    with pytest.raises(OutputError, match=r"columns of samples\.csv show a comparison") as told:
        write_draft(tmp_path)
    assert 'within = "cell_line"' in str(told.value)

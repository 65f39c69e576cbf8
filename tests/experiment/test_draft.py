# ruff: noqa: E501  (tables of names read better on long lines)
import pytest

from blotquant.errors import OutputError, SheetError
from blotquant.experiment.draft import Seen, draft_experiment, look, write_draft
from blotquant.experiment.filenames import parse_name
from blotquant.experiment.read import read_experiment


@pytest.mark.parametrize(
    ("name", "probe"),
    [
        ("pAKT", "pAKT"), ("p-AKT_S473", "pAKT"), ("phospho-ERK", "pERK"), ("tAKT", "AKT"), ("total AKT", "AKT"),
        ("actin", "beta-actin"), ("b-actin", "beta-actin"), ("GAPDH", "GAPDH"), ("Revert", "total_protein"),
        ("Ponceau S", "total_protein"), ("stain-free", "total_protein"), ("total protein", "total_protein"),
        ("pErk1-2", "pERK"), ("P-AKT", "pAKT"), ("pakt", "pAKT"), ("AKT pS473", "pAKT"), ("AKT_Thr308", "pAKT"),
        ("panERK", "ERK"), ("T-AKT", "AKT"), ("p-p38", "pp38"), ("p38", "p38"), ("PTEN", "PTEN"), ("PARP", "PARP"),
        ("pSTAT3", "pSTAT3"), ("STAT3", "STAT3"), ("TRAF2", "TRAF2"), ("Tau", "Tau"), ("HER2", "HER2"), ("blot 1 30s", "unknown"), ("TP53", "TP53"), ("TPSAB1", "TPSAB1"),
    ],
)  # fmt: skip
def test_probes_in_file_names(name, probe):
    assert parse_name(name + ".tif").probe == probe


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("pAKT_30s", 30), ("pAKT 2min", 120), ("pAKT-0.5sec", 0.5), ("pAKT_1,5 min", 90), ("pAKT 500ms", 0.5), ("pAKT_S473", None),
     ("HER2s", None), ("S6", None), ("pS6 10s", 10)],
)  # fmt: skip
def test_exposures_in_file_names(name, seconds):
    assert parse_name(name + ".tif").exposure_s == seconds


@pytest.mark.parametrize(
    ("name", "blot", "membrane"),
    [("blot1_pAKT", "1", ""), ("pAKT rep2", "2", ""), ("n3_pAKT", "3", ""), ("blot3b_pAKT", "3", "3b"), ("exp04 AKT", "4", ""),
     ("pAKT", "", ""), ("AKT_mem1b", "", "1b"), ("B2AR", "", ""), ("replicate 2 pAKT", "2", "")],
)  # fmt: skip
def test_blots_in_file_names(name, blot, membrane):
    parts = parse_name(name + ".tif")
    assert (parts.blot, parts.membrane) == (blot, membrane)


def test_sites_dates_and_reprobed_controls():
    assert parse_name("p-Akt (Ser473) 60s.tif").site == "S473"
    assert parse_name("pERK_T202-Y204.tif").site == "T202Y204"
    assert parse_name("20240312_pAKT.tif").date == "20240312"
    parts = parse_name("June20_B2AR_GAPDH.tif")
    assert (parts.probe, parts.reprobed, parts.date) == ("GAPDH", "B2AR", "June20")
    assert parse_name("blot1 marker.tif").is_no_probe


def draft(folder, names, **kwargs):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    toml, csv = draft_experiment(folder, **kwargs)
    (folder / "experiment.toml").write_text(toml, encoding="utf-8")
    (folder / "samples.csv").write_text(csv, encoding="utf-8")
    return read_experiment(folder), toml


def test_a_draft_is_a_valid_experiment(tmp_path):
    names = [
        f"blot{b}_{x}.tif" for b in (1, 2, 3) for x in ("pAKT_30s", "pAKT_2min", "tAKT", "phospho-ERK", "ERK", "Revert")
    ]
    study, toml = draft(tmp_path, names, inspect=lambda _: Seen((8,)))
    assert study.blots == ("1", "2", "3")
    assert study.n_lanes("2", "2") == 8
    assert [(r.name, r.numerator, r.denominator, r.loading) for r in study.ratios] == [
        ("pAKT/AKT", "pAKT", ("AKT",), ("total_protein",)),
        ("pERK/ERK", "pERK", ("ERK",), ("total_protein",)),
    ]
    assert [i.exposure_s for i in study.images_of(blot="1", probe="pAKT")] == [120, 30]
    assert study.mw_of("pERK") == (44, 42)
    assert study.compare.reference is None
    assert "biological replicate; it is the n of the statistics" in toml


def test_controls_markers_formats_and_doubtful_names(tmp_path):
    names = ["pAKT.scn", "pAKT.tif", "AKT.tif", "HER2.tif", "actin.tif", "marker.jpg", "notes.txt", "AKT copy.tif"]
    study, toml = draft(tmp_path, names)
    assert {i.file for i in study.images} == {"pAKT.scn", "AKT.tif", "HER2.tif", "actin.tif", "AKT copy.tif"}
    assert "# left out: pAKT.tif (same picture as pAKT.scn)" in toml
    assert "# left out: marker.jpg (looks like a marker or merged picture)" in toml
    assert 'probe = "HER2"   # taken from the file name: check' in toml
    assert ("HER2/beta-actin", ("beta-actin",)) in [(r.name, r.denominator) for r in study.ratios]
    assert len({i.probe for i in study.images}) == 5


def test_reprobed_controls_share_the_membrane(tmp_path):
    study, _ = draft(tmp_path, ["June20_B2AR.tif", "June20_B2AR_GAPDH.tif", "July4_B1AR.tif", "July4_B1AR_GAPDH.tif"])
    assert [(blot, {i.probe for i in images}) for blot, _, images in study.membranes()] == [
        ("July4", {"B1AR", "GAPDH"}), ("June20", {"B2AR", "GAPDH"}),
    ]  # fmt: skip
    assert [r.name for r in study.ratios] == ["B1AR/GAPDH", "B2AR/GAPDH"]


def test_subfolders_are_blots_and_strips_are_told(tmp_path):
    study, toml = draft(tmp_path, ["a/pAKT.tif", "a/AKT.tif", "b/pAKT.tif"], inspect=lambda _: Seen((5, 7), 12.0))
    assert study.blots == ("1", "2")
    assert "strip = 1   # the picture shows strip 1 with 5 lanes, strip 2 with 7 lanes" in toml
    assert {i.exposure_s for i in study.images} == {12.0}


def test_two_sites_of_one_protein_stay_apart(tmp_path):
    study, _ = draft(tmp_path, ["p-AKT_S473.tif", "p-AKT_T308.tif", "AKT.tif"])
    assert [r.name for r in study.ratios] == ["pAKT S473/AKT", "pAKT T308/AKT"]


def test_names_that_need_quoting(tmp_path):
    study, _ = draft(tmp_path, ['we"ird #1 [β].tif', "p\\q AKT.tif"])
    assert {i.file for i in study.images} == {'we"ird #1 [β].tif', "p\\q AKT.tif"}


def test_a_draft_never_overwrites(tmp_path):
    (tmp_path / "pAKT.tif").write_bytes(b"no picture")
    (tmp_path / "samples.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=r"samples\.csv is there already and is left as it is"):
        write_draft(tmp_path)
    assert (tmp_path / "samples.csv").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "experiment.toml").exists()


def test_pictures_that_cannot_be_read_are_drafted_by_name(tmp_path):
    (tmp_path / "pAKT.tif").write_bytes(b"no picture")
    assert look(tmp_path / "pAKT.tif") == Seen()
    assert [path.name for path in write_draft(tmp_path)] == ["experiment.toml", "samples.csv"]
    assert read_experiment(tmp_path).n_lanes("1", "1") == 10


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(SheetError, match="no pictures here"):
        draft_experiment(tmp_path)

"""Drafts of an experiment from the names of the files in a folder."""

# ruff: noqa: E501  (tables of names read better on long lines)
import json
import re
import tomllib

import pytest

from blotquant.errors import OutputError, SheetError
from blotquant.experiment.draft import Seen, write_draft
from blotquant.experiment.filenames import parse_name
from blotquant.experiment.read import read_experiment
from blotquant.runs.inspection import look


@pytest.mark.parametrize(
    ("name", "probe"),
    [
        ("pAKT", "pAKT"), ("p-AKT_S473", "pAKT"), ("phospho-ERK", "pERK"), ("tAKT", "AKT"), ("total AKT", "AKT"),
        ("actin", "beta-actin"), ("b-actin", "beta-actin"), ("GAPDH", "GAPDH"), ("Revert", "total_protein"),
        ("Ponceau S", "total_protein"), ("stain-free", "total_protein"), ("total protein", "total_protein"),
        ("pErk1-2", "pERK"), ("P-AKT", "pAKT"), ("pakt", "pAKT"), ("AKT pS473", "pAKT"), ("AKT_Thr308", "pAKT"),
        ("panERK", "ERK"), ("T-AKT", "AKT"), ("p-p38", "pp38"), ("p38", "p38"), ("P65", "p65"), ("Casp3", "caspase-3"), ("Caspase_3", "caspase-3"), ("pP65", "pp65"), ("PTEN", "PTEN"), ("PARP", "PARP"),
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


def test_parse_name_sites_dates_and_reprobed_controls():
    assert parse_name("p-Akt (Ser473) 60s.tif").site == "S473"
    assert parse_name("pERK_T202-Y204.tif").site == "T202Y204"
    assert parse_name("20240312_pAKT.tif").date == "20240312"
    assert parse_name("12.3.24 pAKT.tif").date == "12.3.24"
    assert parse_name("3. März 2024 pAKT.tif").date == "3. Marz 2024"
    assert (parse_name("MARCKS_1.tif").probe, parse_name("MARCKS_1.tif").date) == ("MARCKS", "")
    parts = parse_name("June20_B2AR_GAPDH.tif")
    assert (parts.probe, parts.reprobed, parts.date) == ("GAPDH", "B2AR", "June20")
    assert parse_name("blot1 marker.tif").is_no_probe


def draft(folder, names, **kwargs):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    write_draft(folder, **kwargs)
    return read_experiment(folder), (folder / "experiment.toml").read_text(encoding="utf-8")


def test_write_draft_makes_a_valid_experiment(tmp_path):
    names = [
        f"blot{b}_{x}.tif" for b in (1, 2, 3) for x in ("pAKT_30s", "pAKT_2min", "tAKT", "phospho-ERK", "ERK", "Revert")
    ]
    study, toml = draft(tmp_path, names, look=lambda _: Seen((8,)))
    assert study.blots == ("1", "2", "3")
    assert study.n_lanes("2", "2") == 8
    assert [(r.name, r.numerator, r.denominator, r.loading) for r in study.ratios] == [
        ("pAKT/AKT", "pAKT", ("AKT",), ("total_protein",)),
        ("pERK/ERK", "pERK", ("ERK",), ("total_protein",)),
    ]
    assert [i.exposure_s for i in study.images_of(blot="1", probe="pAKT")] == [120, 30]
    assert study.mw_of("pERK") == (44, 42)
    assert study.compare.reference is None
    assert "the biological replicate; blots are the n of the statistics" in toml


def test_write_draft_controls_markers_formats_and_doubtful_names(tmp_path):
    names = ["pAKT.scn", "pAKT.tif", "AKT.tif", "FOXM1.tif", "actin.tif", "marker.jpg", "notes.txt", "AKT copy.tif"]
    study, toml = draft(tmp_path, names)
    assert {i.file for i in study.images} == {"pAKT.scn", "AKT.tif", "FOXM1.tif", "actin.tif", "AKT copy.tif"}
    assert "# left out: pAKT.tif (same picture as pAKT.scn)" in toml
    assert "# left out: marker.jpg (looks like a marker or merged picture)" in toml
    assert 'probe = "FOXM1"   # taken from the file name: check' in toml
    assert ("FOXM1/beta-actin", ("beta-actin",)) in [(r.name, r.denominator) for r in study.ratios]
    assert len({i.probe for i in study.images}) == 5


def test_write_draft_reprobed_controls_share_the_membrane(tmp_path):
    study, _ = draft(tmp_path, ["June20_B2AR.tif", "June20_B2AR_GAPDH.tif", "July4_B1AR.tif", "July4_B1AR_GAPDH.tif"])
    assert [(blot, {i.probe for i in images}) for blot, _, images in study.membranes()] == [
        ("July4", {"B1AR", "GAPDH"}), ("June20", {"B2AR", "GAPDH"}),
    ]  # fmt: skip
    assert [r.name for r in study.ratios] == ["B1AR/GAPDH", "B2AR/GAPDH"]


def test_write_draft_subfolders_are_blots_and_strips_are_told(tmp_path):
    study, toml = draft(tmp_path, ["a/pAKT.tif", "a/AKT.tif", "b/pAKT.tif"], look=lambda _: Seen((5, 7), 12.0))
    assert study.blots == ("1 strip 1", "1 strip 2", "2 strip 1", "2 strip 2")
    assert "strip = 1   # of 2 in the picture; it shows 5 lanes" in toml
    assert "strip = 2   # of 2 in the picture; it shows 7 lanes" in toml
    assert toml.count("If they are pieces of one membrane") == 1
    assert [study.n_lanes(blot, blot) for blot in study.blots] == [5, 7, 5, 7]
    assert {i.exposure_s for i in study.images} == {12.0}


def test_write_draft_a_scrap_is_no_strip(tmp_path):
    study, toml = draft(tmp_path, ["pAKT.tif"], look=lambda _: Seen((9, 2)))
    assert [(i.blot, i.strip) for i in study.images] == [("1", 1)]
    assert "strip = 1   # of 2 in the picture; it shows 9 lanes" in toml


def test_membranes_of_one_blot_with_other_lanes_have_rows_of_their_own(tmp_path):
    found = {"blot1a_pAKT.tif": 8, "blot1b_AKT.tif": 10}
    study, _ = draft(tmp_path, list(found), look=lambda path: Seen((found[path.name],)))
    assert (study.n_lanes("1", "1a"), study.n_lanes("1", "1b")) == (8, 10)


def test_ladder_and_empty_lanes_are_seen(tmp_path):
    """A lane is blank only where none of the membrane's pictures shows a band in it."""
    roles = {"pAKT.tif": ("ladder", "blank", "sample", "blank"), "AKT.tif": ("ladder", "sample", "sample", "blank")}
    study, _ = draft(tmp_path, list(roles), look=lambda path: Seen((4,), None, (roles[path.name],)))
    assert study.roles_of("1", "1") == {1: "ladder", 2: "sample", 3: "sample", 4: "blank"}


def test_blots_are_counted_not_spelled(tmp_path):
    study, _ = draft(tmp_path, [f"blot{k}_pAKT.tif" for k in (10, 2, 1)])
    assert study.blots == ("1", "2", "10")


def test_pictures_stand_in_the_usual_order_of_probing(tmp_path):
    names = ["AKT.tif", "GAPDH.tif", "Ponceau.tif", "pAKT.tif"]
    study, toml = draft(tmp_path, names)
    assert [i.probe for i in study.images] == ["pAKT", "AKT", "GAPDH", "total_protein"]
    assert "in the order in which it was probed" in toml


def test_write_draft_two_sites_of_one_protein_stay_apart(tmp_path):
    study, _ = draft(tmp_path, ["p-AKT_S473.tif", "p-AKT_T308.tif", "AKT.tif"])
    assert [r.name for r in study.ratios] == ["pAKT S473/AKT", "pAKT T308/AKT"]


def test_write_draft_an_antibody_against_two_forms_is_the_total_of_one(tmp_path):
    study, _ = draft(tmp_path, ["pSmad2 n1.tif", "Smad2-3 n1.tif"])
    assert [(r.numerator, r.denominator) for r in study.ratios] == [("pSMAD2", ("SMAD2/3",))]


def test_write_draft_names_that_need_quoting(tmp_path):
    study, _ = draft(tmp_path, ['we"ird #1 [β].tif', "p\\q AKT.tif"])
    assert {i.file for i in study.images} == {'we"ird #1 [β].tif', "p\\q AKT.tif"}


def test_write_draft_never_overwrites(tmp_path):
    (tmp_path / "pAKT.tif").write_bytes(b"no picture")
    (tmp_path / "samples.csv").write_text("mine", encoding="utf-8")
    written, todo = write_draft(tmp_path)
    assert (tmp_path / "samples.csv").read_text(encoding="utf-8") == "mine"
    assert [path.name for path in written] == ["experiment.toml"]
    assert todo[0] == "samples.csv was there and is kept"
    # What does not fit the sheet that is there is told at once.
    assert any("samples.csv: column 'lane' is missing" in line for line in todo)
    before = (tmp_path / "experiment.toml").read_bytes()
    with pytest.raises(OutputError, match="are there already and are left as they are"):
        write_draft(tmp_path)
    assert (tmp_path / "experiment.toml").read_bytes() == before


def test_write_draft_a_sheet_for_an_experiment_that_is_there(tmp_path):
    (tmp_path / "pAKT.tif").write_bytes(b"no picture")
    mine = 'samples = "samples.csv"\n[[images]]\nfile = "pAKT.tif"\nblot = "A"\nprobe = "pAKT"\n'
    (tmp_path / "experiment.toml").write_text(mine, encoding="utf-8")
    written, _ = write_draft(tmp_path)
    assert [path.name for path in written] == ["samples.csv"]
    assert read_experiment(tmp_path).n_lanes("A", "A") == 10
    assert (tmp_path / "experiment.toml").read_text(encoding="utf-8") == mine


def test_write_draft_what_to_do_next_is_told(tmp_path):
    folder = tmp_path / "my blots"
    folder.mkdir()
    (folder / "pAKT.tif").write_bytes(b"no picture")
    todo = write_draft(folder)[1]
    assert [line for line in todo if line[0] != " "][1].endswith("every guess is marked in it")
    assert todo[0].startswith(f"1. {folder / 'samples.csv'}: write into each row")
    assert todo[-1] == f"3. blotquant run '{folder}' -o '{folder / 'results'}'"


def test_pictures_that_cannot_be_read_are_drafted_by_name(tmp_path):
    (tmp_path / "pAKT.tif").write_bytes(b"no picture")
    assert look(tmp_path / "pAKT.tif") == Seen()
    assert [path.name for path in write_draft(tmp_path)[0]] == ["experiment.toml", "samples.csv"]
    assert read_experiment(tmp_path).n_lanes("1", "1") == 10


def test_write_draft_a_folder_without_pictures(tmp_path):
    with pytest.raises(SheetError, match="no pictures here"):
        write_draft(tmp_path)


TWENTY = {
    # file name: (probe, blot, exposure in s, keys that must be marked as guesses)
    "MCF7 rep1 p-Akt (Ser473) 30 s.tif": ("pAKT", "1", 30, {"exposure_s"}),
    "MCF7 rep1 total Akt 10 s.tif": ("AKT", "1", 10, {"exposure_s"}),
    "MCF7 rep1 β-actin 2 s.tif": ("beta-actin", "1", 2, {"exposure_s"}),
    "MCF7 rep2 p-Akt (Ser473) 30 s.tif": ("pAKT", "2", 30, {"exposure_s"}),
    "MCF7 rep2 total Akt 10 s.tif": ("AKT", "2", 10, {"exposure_s"}),
    "2024-03-12_p-ERK1-2_T202-Y204_n3_exp120s.tif": ("pERK", "3", 120, {"exposure_s"}),
    "2024-03-12_ERK1-2_n3_exp1,5s.tif": ("ERK", "3", 1.5, {"exposure_s"}),
    "20240312_tubulin_n3.tif": ("alpha-tubulin", "3", None, {"probe"}),
    "HeLa EGF 10 min p-EGFR Y1068 blot 3 5s.tif": ("pEGFR", "3", 5, {"exposure_s"}),
    "HeLa EGF 10 min EGFR blot 3 5s.tif": ("EGFR", "3", 5, {"exposure_s"}),
    "phospho-GSK3β biorep2 2min.tif": ("pGSK3beta", "2", 120, {"exposure_s"}),
    "GSK3β biorep2.tif": ("GSK3beta", "2", None, set()),
    "AKT reprobe after pAKT gel 4.tif": ("AKT", "4", None, set()),
    "pAKT473 gel 4 short exp.tif": ("pAKT", "4", None, set()),
    "Ponceau rep1.jpg": ("total_protein", "1", None, set()),
    "FOXM1 rep2 45sec.tif": ("FOXM1", "2", 45, {"probe", "exposure_s"}),
    "Cleaved caspase-3 rep. 2 1min30s.tif": ("Cleaved caspase-3", "2", 90, {"exposure_s"}),
    "Admin 2023-05-12 11hr 23min_Exposure 36.3sec.scn": ("unknown", "2023-05-12", 36.3, {"probe", "blot", "exposure_s"}),
    "ChemiDoc 2023-05-19 14hr 05min 33sec.scn": ("unknown", "2023-05-19", None, {"probe", "blot"}),
    "IMG_0042.tif": ("unknown", "1", None, {"probe", "blot"}),
}  # fmt: skip


def test_write_draft_twenty_realistic_names_are_drafted_and_guesses_marked(tmp_path):
    """What an imager or a person calls pictures: probe, blot and exposure right, and no guess without its mark."""
    _, toml = draft(tmp_path, list(TWENTY))
    blocks = {json.loads(b.split("\n")[1].removeprefix("file = ")): b for b in re.split(r"\n(?=\[\[images)", toml)[1:]}
    for name, (probe, blot, exposure_s, guessed) in TWENTY.items():
        block = blocks[name].split("\n\n")[0]
        entry = tomllib.loads(block)["images"][0]
        assert (entry["probe"], entry["blot"], entry.get("exposure_s")) == (probe, blot, exposure_s), name
        assert {line.split(" = ")[0] for line in block.splitlines() if "   # " in line} == guessed, name
    pairs = {(r["numerator"], r.get("denominator")) for r in tomllib.loads(toml)["ratios"]}
    assert {("pAKT", "AKT"), ("pERK", "ERK"), ("pEGFR", "EGFR"), ("pGSK3beta", "GSK3beta")} <= pairs


OTHERS = {
    # file name: (probe, blot, exposure in s, what is marked as a guess by the name alone)
    "Versuch 3 gesamt AKT Belichtung 10 Sek.tif": ("AKT", "3", 10, set()),
    "KW12 Replikat1 Tubulin 5 Sekunden.tif": ("alpha-tubulin", "1", 5, {"probe"}),
    "Wiederholung 2 β-Aktin 3s.tif": ("beta-actin", "2", 3, set()),
    "cyclinD1 & GAPDH blot2.tif": ("cyclinD1", "2", None, {"probe"}),
    "ER alpha expt 2 30s.tif": ("ERalpha", "2", 30, set()),
    "AKT.scn": ("AKT", "", None, set()),
    "Akt n1 B.tif": ("AKT", "1", None, set()),
    "Aktin n1.tif": ("beta-actin", "1", None, {"probe"}),
    "Kopie von pAKT Blot2 15s.tif": ("pAKT", "2", 15, set()),
    "Überexpression HA-Tag n2 8s.tif": ("HA-TAG", "2", 8, set()),
    "essai 2 ERK totale pose 10s.tif": ("ERK", "2", 10, set()),
    "réplicat 2 pAMPK Thr172 2 minutes.tif": ("pAMPK", "2", 120, set()),
    "réplica 2 fosfo-AKT 30 seg.tif": ("pAKT", "2", 30, set()),
    "Fusion FX7_p-p38 (Thr180-Tyr182)_Exp 00h01m30s000ms_n1.tif": ("pp38", "1", 90, set()),
    "WB 3 - pERK1,2 - T202,Y204 - 10 Sek.tif": ("pERK", "3", 10, set()),
    "techn Rep 1 biol Rep 2 pAKT.tif": ("pAKT", "2", None, {"membrane"}),
    "Lamin B1 nuclear fraction n1 6s.tif": ("Lamin B1", "1", 6, set()),
    "LC3B-II_BafA1_4h_n2_10s.tif": ("LC3B", "2", 10, set()),
    "Anti-FLAG_IP_input_rep2_10s.tif": ("FLAG", "2", 10, set()),
    "pAkt-Ser473-R2-Exp3-12,5s.tif": ("pAKT", "2", 12.5, {"blot"}),
    "Pat12_pAKT_30s.tif": ("pAKT", "12", 30, {"blot"}),
    "mouse liver #7 pACC Ser79 75s.tif": ("pACC", "7", 75, set()),
    "pERK_n2_exp30.tif": ("pERK", "2", 30, {"exposure_s"}),
    "exp 2 n 3 pERK.tif": ("pERK", "3", None, {"blot"}),
    "pERK exp 3.tif": ("pERK", "3", None, {"blot"}),
    "ERK5 rep1 goat anti-mouse 800.tif": ("ERK5", "1", None, set()),
    "PERK n1.tif": ("pERK", "1", None, {"probe"}),
    "user1 2021-06-07 15hr 33min (Chemiluminescence).tif": ("unknown", "", None, set()),
    "Amersham Imager 680_2021-03-15_15.03.22_pSTAT5 n1 30sec.tif": ("pSTAT5", "1", 30, set()),
    "FusionFX_2021.03.15_12h30m45_GAPDH_Blot2.tif": ("GAPDH", "2", None, set()),
    "iBright_2021-03-15_12-30-45_CH1_p-Akt_rep3.TIF": ("pAKT", "3", None, set()),
    "2023-11-07 14h22m05s pERK n2 (2).tif": ("pERK", "2", None, set()),
    "pAKT_R1_E30s.tif": ("pAKT", "1", 30, set()),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_parse_name_reads_imagers_and_other_languages(name):
    parts = parse_name(name)
    found = (parts.probe, parts.blot, parts.exposure_s, {key for key, _ in parts.guesses})
    assert found == OTHERS[name]


@pytest.mark.parametrize(
    ("name", "site"),
    [("pAKT_S473_800", "S473"), ("pAKT-Ser473-01", "S473"), ("pRb S807-811", "S807811"), ("p4E-BP1_Thr37/46", "T3746"),
     ("pERK T202, Y204", "T202,Y204")],
)  # fmt: skip
def test_parse_name_takes_no_channel_for_a_second_residue(name, site):
    assert parse_name(name.replace("/", "-") + ".tif").site == site


def test_lanes_of_two_blots_are_never_pooled_by_their_number(tmp_path):
    study, _ = draft(tmp_path, ["blot1_pAKT.tif", "blot2_pAKT.tif"], look=lambda _: Seen((3,)))
    assert study.samples["condition"].is_unique
    assert list(study.samples["condition"][:2]) == ["blot 1, lane 1", "blot 1, lane 2"]
    # A sample that stands on two blots links them: names that nobody gave must not.
    assert study.samples["sample"].is_unique


def test_write_draft_a_ladder_that_pictures_disagree_about_is_asked_for(tmp_path):
    roles = {"pAKT.tif": ("sample", "sample"), "AKT.tif": ("ladder", "sample")}
    study, toml = draft(tmp_path, list(roles), look=lambda path: Seen((2,), None, (roles[path.name],)))
    assert study.roles_of("1", "1") == {1: "ladder", 2: "sample"}
    assert "# check: blot 1, lane 1: a ladder in AKT.tif, a sample in pAKT.tif; drafted as the ladder" in toml


def test_write_draft_a_stain_says_nothing_of_the_ladder(tmp_path):
    roles = {"AKT.tif": ("ladder", "sample"), "Ponceau.tif": ("sample", "sample")}
    study, toml = draft(tmp_path, list(roles), look=lambda path: Seen((2,), None, (roles[path.name],)))
    assert study.roles_of("1", "1") == {1: "ladder", 2: "sample"}
    assert "# check:" not in toml


def test_write_draft_the_exposure_of_the_file_stands_above_that_of_its_name(tmp_path):
    _, toml = draft(tmp_path, ["pAKT 30s.tif"], look=lambda _: Seen((2,), 36.3))
    assert "exposure_s = 36.3   # as the file itself says; its name says 30 s: check" in toml


def test_write_draft_dates_count_blots_only_where_they_separate_pictures_of_one_probe(tmp_path):
    (tmp_path / "one").mkdir()
    study, _ = draft(tmp_path / "one", ["240312 pAKT.tif", "240313 AKT.tif"])
    assert study.blots == ("1",)  # a membrane that was reprobed the next day
    (tmp_path / "two").mkdir()
    study, _ = draft(tmp_path / "two", ["240312 pAKT.tif", "240312 AKT.tif", "240319 pAKT.tif", "240319 AKT.tif"])
    assert study.blots == ("240312", "240319")


def test_running_numbers_count_no_blots(tmp_path):
    study, _ = draft(tmp_path, ["01_pAKT.tif", "02_AKT.tif", "03_pERK.tif", "04_ERK.tif"])
    assert study.blots == ("1",)


def test_bare_numbers_shared_by_probes_count_blots(tmp_path):
    study, toml = draft(tmp_path, ["pAKT_1.tif", "AKT_1.tif", "pAKT_2.tif", "AKT_2.tif"])
    assert study.blots == ("1", "2")
    assert toml.count("# guessed from the bare number in the file name") == 4


def test_write_draft_a_ratio_that_names_do_not_tell_is_asked_for(tmp_path):
    study, toml = draft(tmp_path, ["pSTAT3.tif"])
    assert study.ratios == ()
    assert "# no picture here is named as total STAT3 or a loading control. Complete this" in toml
    assert '# numerator = "pSTAT3"\n# denominator = "STAT3"' in toml

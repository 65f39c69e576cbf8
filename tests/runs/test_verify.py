"""`verify` finds every change to results, sessions, history, settings and originals, and changes nothing itself."""

import hashlib
import json
import shutil
from dataclasses import replace

import openpyxl
import pytest
import tifffile
from tiny_study import all_bytes, write_tiny_study

from blotquant.errors import SessionError
from blotquant.experiment.read import read_experiment
from blotquant.runs.differences import Finding, compare_files
from blotquant.runs.folder import measure_folder
from blotquant.runs.manifest import MANIFEST, manifest_checksum, manifest_text, read_manifest
from blotquant.runs.pictures import find_inputs
from blotquant.runs.recompute import recompute
from blotquant.runs.study import run_experiment, run_experiments
from blotquant.runs.verify import check_record, compare_again, verify_folder
from blotquant.session.band_edits import delete_band
from blotquant.session.session import load_session, save_session
from blotquant.settings import Settings

WHEN = "2026-01-02T03:04:05Z"
SESSION = "sessions/blot1_AKT.tif.blot.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Run once, with one hand correction; tests work on copies."""
    folder = tmp_path_factory.mktemp("made")
    experiment = read_experiment(write_tiny_study(folder / "in", n_blots=1))
    run_experiment(experiment, folder / "out")
    path = folder / "out" / SESSION
    session = load_session(path)
    gone = session.layout.bands[0].id
    corrected = session.edit(delete_band(session.layout, gone), action="delete", who="Ada", when=WHEN)
    save_session(corrected, path)
    run_experiment(experiment, folder / "out")
    return folder


@pytest.fixture(scope="module")
def again(made, tmp_path_factory):
    """The same folder made again once, for changes that recomputing does not depend on."""
    manifest = read_manifest(made / "out")
    folder = tmp_path_factory.mktemp("again")
    assert recompute(manifest, made / "out", folder) == []
    return folder


@pytest.fixture
def out(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "out"


def reseal(out, **changes):
    """Do what a careful forger does: bring the manifest's checksums in line with the changed files."""
    manifest = read_manifest(out)
    outputs = {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in manifest.outputs}
    (out / MANIFEST).write_text(manifest_text(replace(manifest, outputs=outputs, **changes)), encoding="utf-8")


def change_cell(path, column, line, value):
    lines = path.read_text(encoding="utf-8").split("\n")
    cells = lines[line - 1].split(",")
    cells[lines[0].split(",").index(column)] = value
    lines[line - 1] = ",".join(cells)
    path.write_text("\n".join(lines), encoding="utf-8")


def found(out, **options):
    return [str(finding) for finding in verify_folder(out, **options).differences]


def compared(out, again):
    """What `verify_folder` finds, with the recomputing done before."""
    manifest = read_manifest(out)
    return [str(x) for x in (*check_record(out, manifest), *compare_again(out, manifest, again).differences)]


def test_verify_folder_an_untouched_folder_is_equal_and_stays_as_it_is(out):
    before = all_bytes(out)
    assert found(out) == []
    assert all_bytes(out) == before


@pytest.mark.parametrize("forged", [False, True])
def test_compare_again_an_altered_number_is_named_with_row_column_and_both_values(out, again, forged):
    change_cell(out / "bands.csv", "volume", 4, "123.5")
    if forged:
        reseal(out)
    lines = compared(out, again)
    assert any(
        line.startswith("bands.csv: line 4 (blot1_pAKT.tif, blot 1, strip 1, lane 3") and "column volume" in line
        for line in lines
    )
    assert any("recorded 123.5, recomputed " in line for line in lines)
    assert ("bands.csv: changed since the results were written" in lines) is not forged


@pytest.mark.parametrize("table", ["lanes.csv", "ratios.csv", "summary.csv", "carry_over.csv", "sensitivity.csv"])
def test_compare_again_every_table_is_made_again(out, again, table):
    text = (out / table).read_text(encoding="utf-8")
    (out / table).write_text(text + text.splitlines()[-1] + "\n", encoding="utf-8")
    reseal(out)
    assert any(line.startswith(f"{table}: other number of rows") for line in compared(out, again))


def test_compare_again_a_changed_cell_of_the_workbook_is_named(out, again):
    book = openpyxl.load_workbook(out / "results.xlsx")
    book["Ratios"]["G3"] = 77
    book.save(out / "results.xlsx")
    reseal(out)
    assert any(
        line.startswith("results.xlsx: sheet Ratios, cell G3: different: recorded 77") for line in compared(out, again)
    )


def test_compare_again_a_changed_report_is_named_by_line(out, again):
    path = out / "report.html"
    path.write_text(path.read_text(encoding="utf-8").replace("pAKT/AKT", "pAKT/ERK", 1), encoding="utf-8")
    reseal(out)
    assert any(line.startswith("report.html: line ") for line in compared(out, again))


def test_compare_again_a_changed_figure_is_told(out, again):
    figure = next((out / "figures").glob("*.svg"))
    figure.write_bytes(figure.read_bytes() + b" ")
    assert f"figures/{figure.name}: changed since the results were written" in compared(out, again)
    reseal(out)
    assert any(line.startswith(f"figures/{figure.name}: line ") for line in compared(out, again))


def test_verify_folder_a_changed_edit_breaks_the_chain(out):
    path = out / SESSION
    path.write_text(path.read_text(encoding="utf-8").replace('"who":"Ada"', '"who": "Eve"'), encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace('"who": "Ada"', '"who": "Eve"'), encoding="utf-8")
    reseal(out)
    assert any(
        "history: edit 1 (delete band" in line and "was changed after it was written" in line for line in found(out)
    )


def test_verify_folder_a_removed_edit_changes_the_numbers(out):
    data = json.loads((out / SESSION).read_text(encoding="utf-8"))
    data["history"] = []
    (out / SESSION).write_text(json.dumps(data), encoding="utf-8")
    reseal(out)
    assert any(line.startswith("bands.csv: ") for line in found(out))


def test_verify_folder_a_correction_made_after_the_run_is_told(out):
    session = load_session(out / SESSION)
    changes = delete_band(session.layout, session.layout.bands[0].id)
    save_session(session.edit(changes, action="delete", who="Ada", when=WHEN), out / SESSION)
    lines = found(out)
    assert f"{SESSION}: changed since the results were written" in lines
    assert any(line.startswith("bands.csv: ") for line in lines)


def test_verify_folder_a_changed_automatic_result_is_told(out, again):
    path = out / "sessions" / "blot1_pAKT.tif.blot.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["layout_auto"]["bands"][0]["confidence"] = 0.123
    path.write_text(json.dumps(data), encoding="utf-8")
    reseal(out)
    assert any("layout_auto.bands[" in line and "recorded 0.123" in line for line in compared(out, again))


def test_verify_folder_a_changed_setting_is_told_and_changes_the_numbers(out):
    manifest = read_manifest(out)
    reseal(out, settings={**manifest.settings, "quantification.background": "constant"})
    lines = found(out)
    assert any("column background" in line or "column background_mean" in line for line in lines)
    assert any("settings_at_start.quantification.background: different" in line for line in lines)


def test_verify_folder_knows_the_manifest_by_a_checksum_that_was_kept_elsewhere(out):
    noted = manifest_checksum(out)
    assert verify_folder(out, checksum=noted.upper()).equal
    (out / MANIFEST).write_bytes((out / MANIFEST).read_bytes() + b" ")
    assert verify_folder(out).equal
    (line,) = found(out, checksum=noted)
    assert line == f"{MANIFEST}: is not the manifest whose checksum was noted: recorded {noted}, recomputed " + (
        manifest_checksum(out)
    )


def test_compare_again_tells_missing_files_and_those_that_pass_for_results(out, again):
    (out / "lanes.csv").unlink()
    strangers = ("RATIOS.CSV", "tables/ratios.csv", "report.htm", "figures/more.txt", "sessions/new.tif.blot.json")
    for name in strangers:
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("{}")
    (out / "notes.docx").write_text("a person's own file")
    (out / ".DS_Store").write_text("of the system")
    verdict = compare_again(out, read_manifest(out), again)
    assert [str(x) for x in verdict.differences] == [
        f"{name}: is none of these results: nothing is known about it" for name in sorted(strangers)
    ]
    assert verdict.not_known == ("notes.docx",)
    assert [str(x) for x in check_record(out, read_manifest(out))] == ["lanes.csv: missing"]


@pytest.mark.parametrize("name", ["report.html", "ratios.csv", "figures/panel_pAKT_AKT.svg", SESSION])
def test_compare_again_misses_a_file_that_the_manifest_no_longer_lists(out, again, name):
    (out / name).unlink()
    manifest = read_manifest(out)
    manifest = replace(manifest, outputs={k: v for k, v in manifest.outputs.items() if k != name})
    (out / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")
    assert f"{name}: missing: the originals give such a file" in compared(out, again)


def test_compare_again_compares_a_table_that_the_manifest_no_longer_lists(out, again):
    change_cell(out / "ratios.csv", "value", 2, "9.5")
    manifest = read_manifest(out)
    manifest = replace(manifest, outputs={k: v for k, v in manifest.outputs.items() if k != "ratios.csv"})
    (out / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")
    assert any("ratios.csv: line 2" in line and "recorded 9.5" in line for line in compared(out, again))


def test_compare_again_says_what_other_versions_leave_uncompared(out, again):
    manifest = read_manifest(out)
    manifest = replace(manifest, versions={**manifest.versions, "numpy": "1.0"})
    verdict = compare_again(out, manifest, again)
    assert verdict.equal
    told = [str(x) for x in verdict.not_compared]
    assert "report.html: not compared: it was drawn by other versions (numpy 1.0)" in told
    assert any(line.startswith("figures/panel_pAKT_AKT.tif: not compared") for line in told)
    assert told[-1] == f"{MANIFEST}: written with other versions (numpy 1.0): numbers were compared to within 1e-09"
    assert "bands.csv" in verdict.compared
    assert "report.html" not in verdict.compared


def test_compare_again_compares_parquet(made, out, again):
    pytest.importorskip("pyarrow")
    import pandas as pd

    run_experiment(read_experiment(out.parent / "in"), out, parquet=True)
    manifest = read_manifest(out)
    assert "bands.parquet" in compare_again(out, manifest, again).compared
    assert compared(out, again) == []
    table = pd.read_parquet(out / "bands.parquet")
    table.loc[2, "volume"] = 123.5
    table.to_parquet(out / "bands.parquet")
    reseal(out)
    assert any("bands.parquet: line 4" in line and "recorded 123.5" in line for line in compared(out, again))


def test_verify_folder_tells_parameters_that_are_not_the_defaults(tmp_path):
    folder = write_tiny_study(tmp_path / "in", n_blots=1)
    measure_folder(find_inputs([folder]), tmp_path / "out", settings=Settings(detection={"min_snr": 6}))
    verdict = verify_folder(tmp_path / "out")
    assert verdict.equal
    assert verdict.parameters == {"detection.min_snr": 6.0}


def test_verify_folder_names_a_study_below_that_lost_its_manifest(tmp_path):
    for name in ("one", "two"):
        write_tiny_study(tmp_path / name, n_blots=1, title=name)
    run_experiments([tmp_path / "one", tmp_path / "two"], tmp_path / "out")
    assert verify_folder(tmp_path / "out").equal
    (tmp_path / "out" / "two" / MANIFEST).unlink()
    assert found(tmp_path / "out") == [f"two: has no {MANIFEST}: nothing in it was compared"]


def test_verify_folder_follows_no_link(out):
    (out / "bands.csv").rename(out.parent / "bands.csv")
    (out / "bands.csv").symlink_to(out.parent / "bands.csv")
    assert "bands.csv: is a link, which is not followed" in found(out)


def test_verify_folder_tells_corrections_that_these_results_lack(out):
    beside = out.parent / "in" / "blot1_pAKT.tif.blot.json"
    session = load_session(out / "sessions" / beside.name)
    changes = delete_band(session.layout, session.layout.bands[0].id)
    save_session(session.edit(changes, action="delete", who="Ada", when=WHEN), beside)
    assert any(
        line.startswith(f"sessions/{beside.name}: lacks the hand corrections in {beside.resolve()}")
        for line in found(out)
    )


def test_verify_folder_another_picture_is_told_with_both_checksums(out):
    path = out.parent / "in" / "blot1_pAKT.tif"
    pixels = tifffile.imread(path)
    pixels[40:50, 30:40] += 500
    tifffile.imwrite(path, pixels)
    lines = found(out)
    assert any(
        line.startswith("../in/blot1_pAKT.tif: the original picture is another file: recorded ") for line in lines
    )
    assert any(line.startswith("bands.csv: line ") for line in lines)


def test_verify_folder_another_picture_of_a_corrected_session_is_refused(out):
    path = out.parent / "in" / "blot1_AKT.tif"
    path.write_bytes((out.parent / "in" / "blot1_pAKT.tif").read_bytes())
    assert any("blot 1" in line and "can no longer be measured" in line and "SHA-256" in line for line in found(out))


def test_verify_folder_a_missing_original_is_told(out):
    (out.parent / "in" / "blot1_pAKT.tif").unlink()
    lines = found(out)
    assert "../in/blot1_pAKT.tif: the original is missing; say where it is with --images" in lines
    assert any("nothing could be recomputed" in line for line in lines)


def test_moved_originals_are_found_where_the_user_says(out):
    (out.parent / "in").rename(out.parent / "elsewhere")
    assert any("the original is missing" in line for line in found(out))
    assert found(out, images=out.parent / "elsewhere") == []


def test_verify_folder_a_measured_folder_with_bad_pictures_and_sessions(tmp_path):
    folder = write_tiny_study(tmp_path / "in", n_blots=1)
    (folder / "broken.tif").write_bytes(b"II*\0broken")
    measure_folder(find_inputs([folder]), tmp_path / "out")
    assert found(tmp_path / "out") == []
    measure_folder(find_inputs([tmp_path / "out" / "sessions" / "blot1_AKT.tif.blot.json"]), tmp_path / "again")
    assert found(tmp_path / "again") == []
    (folder / "broken.tif").write_bytes((folder / "blot1_AKT.tif").read_bytes())
    lines = found(tmp_path / "out")
    assert any("broken.tif: could not be measured then, and can be now" in line for line in lines)


def test_verify_folder_a_folder_without_a_manifest_says_so(tmp_path):
    with pytest.raises(SessionError, match=r"has no manifest.json, which would say"):
        verify_folder(tmp_path)


def test_compare_files_numbers_may_differ_by_the_tolerance_only():
    a, b = b"image,volume\nx,1.0\n", b"image,volume\nx,1.0000000001\n"
    assert compare_files("t.csv", a, b, tolerance=1e-9) == []
    assert compare_files("t.csv", a, b) == [
        Finding(
            file="t.csv",
            where="line 2 (x), column volume",
            what="different",
            recorded="1.0",
            recomputed="1.0000000001",
        )
    ]


def test_compare_files_long_lists_of_differences_are_counted():
    rows = [f"x,{k}" for k in range(50)]
    text = "image,volume\n" + "\n".join(rows)
    findings = compare_files("t.csv", text.encode(), text.replace("x,", "x,9").encode())
    assert len(findings) == 6
    assert str(findings[-1]) == "t.csv: 45 more differences"

"""Files, folders, globs and lists become named inputs."""

import pytest

from blotquant.runs.manifest import input_record, make_manifest, publish
from blotquant.runs.pictures import InputError, find_inputs
from blotquant.runs.store import locked


@pytest.fixture
def folder(tmp_path):
    for name in ("b.tif", "a.TIF", "deep/c.scn", "notes.txt", ".hidden.tif", "out/bands.png", "deep/.git/x.tif"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def names(inputs):
    return [item.name for item in inputs]


def test_find_inputs_a_folder_gives_its_pictures_in_order(folder):
    assert names(find_inputs([folder], leave_out=folder / "out")) == ["a.TIF", "b.tif", "deep/c.scn"]


def test_find_inputs_a_file_is_taken_whatever_its_name(folder):
    assert names(find_inputs([folder / "notes.txt"])) == ["notes.txt"]


def test_find_inputs_globs_and_lists_and_no_repeats(folder):
    (folder / "list.txt").write_text("# my blots\nb.tif\n\ndeep\n")
    inputs = find_inputs([f"@{folder / 'list.txt'}", f"{folder}/*.tif", folder / "b.tif"])
    assert names(inputs) == ["b.tif", "deep/c.scn"]


def test_find_inputs_names_do_not_change_when_the_collection_moves(folder, tmp_path_factory):
    before = names(find_inputs([folder / "deep", folder / "b.tif"]))
    moved = tmp_path_factory.mktemp("elsewhere") / "x"
    folder.rename(moved)
    assert names(find_inputs([moved / "deep", moved / "b.tif"])) == before == ["deep/c.scn", "b.tif"]


def test_session_names_keep_folders_apart(folder):
    deep = next(item for item in find_inputs([folder]) if item.name == "deep/c.scn")
    assert deep.session_name == "deep__c.scn.blot.json"


def test_find_inputs_every_name_that_stands_for_nothing_is_listed(folder):
    (folder / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        find_inputs([folder / "nope.tif", folder / "empty", f"{folder}/*.gel", f"@{folder}/no.txt"])
    lines = str(caught.value).split("\n")
    assert len(lines) == 4
    assert "no such file" in lines[0]
    assert "no picture in this folder" in lines[1]
    assert "the list cannot be read" in lines[3]
    assert caught.value.exit_code == 2


def results_beside(pictures, out):
    out.mkdir(parents=True, exist_ok=True)
    with locked(out) as store:
        store.clear_new()
        inputs = [input_record("picture", path, out) for path in pictures]
        publish(store, make_manifest("measure", settings={}, inputs=inputs, units=[], failed={}), sessions=())
    (out / "panel.png").write_bytes(b"")


def test_find_inputs_results_of_an_earlier_run_are_no_pictures(folder, capsys):
    results_beside([folder / "b.tif"], folder / "deep" / "results")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "manifest.json").write_text('{"name": "another program"}')
    (folder / "elsewhere" / "d.tif").write_bytes(b"")
    assert names(find_inputs([folder], leave_out=folder / "out")) == ["a.TIF", "b.tif", "deep/c.scn", "elsewhere/d.tif"]
    said = capsys.readouterr().err
    assert said == f"left out, results of an earlier run: {folder / 'deep' / 'results'}\n"


def test_pictures_that_lie_among_their_own_results_are_measured_again(folder):
    (folder / "figures").mkdir()
    (folder / "figures" / "blot.png").write_bytes(b"")
    results_beside([folder / "b.tif"], folder)
    (folder / "panel.png").unlink()
    assert names(find_inputs([folder], leave_out=folder)) == [
        "a.TIF",
        "b.tif",
        "deep/c.scn",
        "figures/blot.png",
        "out/bands.png",
    ]

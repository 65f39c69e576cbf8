"""Corrections follow their picture wherever it, its session and the experiment file go; nothing is lost unsaid."""

import shutil

import pytest
import tomlkit
from tiny_study import write_tiny_study

from blotquant.experiment.read import read_experiment
from blotquant.io.files import sha256_of
from blotquant.model.geometry import Layout
from blotquant.runs.corrections import Wanted, match_corrections
from blotquant.runs.folder import Workers, measure_folder
from blotquant.runs.manifest import MANIFEST, read_manifest
from blotquant.runs.pictures import find_inputs
from blotquant.runs.study import run_experiment, run_experiments
from blotquant.session.band_edits import delete_band
from blotquant.session.history import Change
from blotquant.session.image_reference import ImageReference
from blotquant.session.session import Session, load_session, save_session

WHEN = "2026-01-02T03:04:05Z"
NAME = "blot1_AKT.tif"


def correct(path, who="Ada"):
    session = load_session(path)
    changes = delete_band(session.layout, session.layout.bands[0].id)
    save_session(session.edit(changes, action="delete", who=who, when=WHEN), path)


def n_edits(out, name=NAME):
    return len(load_session(out / "sessions" / f"{name}.blot.json").history)


@pytest.fixture
def study(tmp_path):
    return write_tiny_study(tmp_path / "in", n_blots=1)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    write_tiny_study(folder / "in", n_blots=1)
    measure_folder(find_inputs([folder / "in"]), folder / "out")
    correct(folder / "out" / "sessions" / f"{NAME}.blot.json")
    return folder


@pytest.fixture
def place(measured, tmp_path):
    """A measured folder with one corrected session, and its pictures."""
    shutil.copytree(measured, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_measure_folder_corrections_follow_a_measure_of_the_folder_above(place, capsys):
    (place / "all").mkdir()
    (place / "in").rename(place / "all" / "in")
    shutil.copy(place / "all" / "in" / "blot1_pAKT.tif", place / "all" / "other.tif")
    measure_folder(find_inputs([place / "all"]), place / "out")
    assert n_edits(place / "out", f"in__{NAME}") == 1
    said = capsys.readouterr().err
    assert f"note: in/{NAME}: takes the hand corrections in sessions/{NAME}.blot.json" in said
    # The sessions under the old names hold nothing more: they are moved aside, and said to be.
    assert (place / "out" / "earlier" / "1" / "sessions" / f"{NAME}.blot.json").is_file()
    assert f"moved to earlier/1: sessions/{NAME}.blot.json" in said


def test_measure_folder_corrections_follow_a_renamed_picture_and_its_session_says_where_it_is(place):
    (place / "in" / NAME).rename(place / "in" / "new name.tif")
    measure_folder(find_inputs([place / "in"]), place / "out")
    session = load_session(place / "out" / "sessions" / "new name.tif.blot.json")
    assert len(session.history) == 1
    assert (session.image.name, session.image.path) == ("new name.tif", "../../in/new name.tif")


def test_measure_folder_two_pictures_that_exchange_names_keep_their_own_corrections(place):
    a, b, c = place / "in" / NAME, place / "in" / "blot1_pAKT.tif", place / "in" / "c"
    correct(place / "out" / "sessions" / "blot1_pAKT.tif.blot.json", who="Bob")
    correct(place / "out" / "sessions" / "blot1_pAKT.tif.blot.json", who="Bob")
    a.rename(c)
    b.rename(a)
    c.rename(b)
    assert measure_folder(find_inputs([place / "in"]), place / "out").failures == {}
    assert n_edits(place / "out", NAME) == 2
    assert n_edits(place / "out", "blot1_pAKT.tif") == 1


def test_measure_folder_corrections_without_a_picture_stay_and_are_told(place, capsys):
    measure_folder(find_inputs([place / "in" / "blot1_pAKT.tif"]), place / "out")
    assert (
        f"hand corrections of {NAME} (sessions/{NAME}.blot.json, 1 edits) belong to no picture of this run; they stay "
        "there" in capsys.readouterr().err
    )
    measure_folder(find_inputs([place / "in"]), place / "out")
    assert n_edits(place / "out") == 1


def test_measure_folder_another_picture_under_a_corrected_name_is_not_measured_unasked(place):
    shutil.copy(place / "in" / "blot1_pAKT.tif", place / "in" / NAME)
    result = measure_folder(find_inputs([place / "in" / NAME]), place / "out")
    assert "is another picture than the one that was corrected: its SHA-256 is" in result.failures[NAME]
    assert n_edits(place / "out") == 1


def test_measure_folder_corrections_beside_the_picture_are_used(study, tmp_path, capsys):
    measure_folder(find_inputs([study]), tmp_path / "first")
    shutil.copy(tmp_path / "first" / "sessions" / f"{NAME}.blot.json", study)
    correct(study / f"{NAME}.blot.json")
    run_experiment(read_experiment(study), tmp_path / "out")
    assert n_edits(tmp_path / "out") == 1
    assert f"note: {NAME}: takes the hand corrections in {study / NAME}.blot.json" in capsys.readouterr().err
    correct(study / f"{NAME}.blot.json")  # the same work, gone on with
    run_experiment(read_experiment(study), tmp_path / "out")
    assert n_edits(tmp_path / "out") == 2
    correct(tmp_path / "out" / "sessions" / f"{NAME}.blot.json", who="Bob")
    correct(study / f"{NAME}.blot.json")
    run_experiment(read_experiment(study), tmp_path / "out")
    assert load_session(tmp_path / "out" / "sessions" / f"{NAME}.blot.json").history.edits[-1].who == "Bob"
    assert "other hand corrections of it" in capsys.readouterr().err


def test_match_corrections_names_those_in_a_neighbouring_results_folder(place):
    """The results folder was renamed, or a new one is begun: nothing is taken from it unasked, nothing is silent."""
    (place / "out").rename(place / "out of May")
    picture = place / "in" / NAME
    wanted = [Wanted(name=NAME, path=picture, session_name=f"{NAME}.blot.json")]
    (note,) = match_corrections(wanted, place / "out").notes
    assert note.startswith(
        f"{NAME}: hand corrections of it, in {place}/out of May/sessions/{NAME}.blot.json, are not used"
    )
    shutil.copy(place / "out of May" / "sessions" / f"{NAME}.blot.json", picture.with_name(f"{NAME}.blot.json"))
    matched = match_corrections(wanted, place / "out")
    assert matched.sessions == {f"{NAME}.blot.json": picture.with_name(f"{NAME}.blot.json")}
    assert not any("are not used" in note for note in matched.notes)


def test_match_corrections_takes_a_name_that_is_too_long_for_a_session_beside_it(tmp_path):
    picture = tmp_path / ("x" * 250 + ".tif")
    picture.write_bytes(b"")
    wanted = [Wanted(name=picture.name, path=picture, session_name="x.blot.json")]
    assert match_corrections(wanted, tmp_path / "out").sessions == {}


@pytest.mark.parametrize("entry", [{"page": 0}, {"strip": 1}])
def test_run_experiment_corrections_follow_an_entry_that_says_more(study, tmp_path, entry):
    out = tmp_path / "out"
    run_experiment(read_experiment(study), out)
    correct(out / "sessions" / f"{NAME}.blot.json")
    file = study / "experiment.toml"
    document = tomlkit.parse(file.read_text())
    document["images"][1].update(entry)
    file.write_text(tomlkit.dumps(document))
    result = run_experiment(read_experiment(study), out)
    assert result.failures == {}
    [name] = [path.name for path in (out / "sessions").glob(f"{NAME}*")]
    assert name != f"{NAME}.blot.json"
    assert len(load_session(out / "sessions" / name).history) == 1


def test_run_experiments_corrections_follow_from_one_study_to_two_and_back(study, tmp_path, capsys):
    second = write_tiny_study(tmp_path / "second", n_blots=1, title="second", file_name="b{blot}_{probe}.tif")
    shutil.copy(second / "b1_AKT.tif", second / "b1_pAKT.tif")
    out = tmp_path / "out"
    run_experiments([study], out)
    correct(out / "sessions" / f"{NAME}.blot.json")
    run_experiments([study, second], out)
    assert n_edits(out / "tiny") == 1
    assert not (out / MANIFEST).exists()
    assert (out / "earlier" / "1" / "ratios.csv").is_file()
    assert (out / "earlier" / "1" / MANIFEST).is_file()
    correct(out / "tiny" / "sessions" / f"{NAME}.blot.json")
    run_experiments([study], out)
    assert n_edits(out) == 2


def test_damaged_and_empty_sessions_cost_their_own_picture_alone(place):
    path = place / "out" / "sessions" / f"{NAME}.blot.json"
    path.write_bytes(b"")
    result = measure_folder(find_inputs([place / "in"]), place / "out")
    assert list(result.failures) == [NAME]
    assert f"sessions/{path.name}: is empty; restore the session from a copy" in result.failures[NAME]
    path.write_text("{")
    assert "damaged" in measure_folder(find_inputs([place / "in"]), place / "out").failures[NAME]
    path.unlink()
    path.symlink_to(place / "in" / NAME)
    assert (
        "is a link, which is not followed" in measure_folder(find_inputs([place / "in"]), place / "out").failures[NAME]
    )
    path.unlink()
    assert measure_folder(find_inputs([place / "in"]), place / "out").failures == {}


def test_run_experiment_what_an_earlier_run_left_is_moved_aside(study, tmp_path, capsys):
    out = tmp_path / "out"
    run_experiment(read_experiment(study), out)
    (out / "notes.csv").write_text("mine")
    changed = out / "ratios.csv"
    changed.write_text(changed.read_text() + "my remark\n")
    measure_folder(find_inputs([study]), out)
    left = {path.relative_to(out).as_posix() for path in out.rglob("*") if ".blotquant" not in path.parts}
    here = {name for name in left if not name.startswith("earlier") and (out / name).is_file()}
    sessions = {f"sessions/{name}.blot.json" for name in (NAME, "blot1_pAKT.tif")}
    assert here == {"bands.csv", "lanes.csv", "manifest.json", "notes.csv", *sessions}
    assert (out / "earlier" / "1" / "ratios.csv").read_text().endswith("my remark\n")
    assert "earlier/1/figures/panel_pAKT_AKT.svg" in left
    assert "of an earlier run, moved to earlier/1: " in capsys.readouterr().err
    assert set(read_manifest(out).outputs) == {"bands.csv", "lanes.csv", *sessions}


def test_measure_folder_keeps_no_file_of_an_earlier_run_twice(study, tmp_path):
    out = tmp_path / "out"
    for name in ("blot1_AKT.tif", "blot1_pAKT.tif", "blot1_AKT.tif", "blot1_pAKT.tif"):
        measure_folder(find_inputs([study / name]), out)
    kept = sorted(path.relative_to(out / "earlier").as_posix() for path in (out / "earlier").rglob("*.*"))
    assert kept == ["1/sessions/blot1_AKT.tif.blot.json", "2/sessions/blot1_pAKT.tif.blot.json"]


def test_measure_folder_resumed_after_a_move_says_where_the_picture_lies_now(study, tmp_path):
    out, resume = tmp_path / "out", Workers(progress="none", resume=True)
    (study / "deep").mkdir()
    (study / "blot1_AKT.tif").rename(study / "deep" / "blot1_AKT.tif")
    measure_folder(find_inputs([study / "deep"]), out, workers=resume)
    (study / "deep" / "blot1_AKT.tif").rename(study / "blot1_AKT.tif")
    measure_folder(find_inputs([study / "blot1_AKT.tif"]), out, workers=resume)
    session = load_session(out / "sessions" / "blot1_AKT.tif.blot.json")
    assert (out / "sessions" / session.image.path).resolve() == (study / "blot1_AKT.tif").resolve()


def test_run_experiment_a_renamed_ratio_leaves_no_old_figure(study, tmp_path):
    out, file = tmp_path / "out", study / "experiment.toml"
    run_experiment(read_experiment(study), out)
    file.write_text(file.read_text().replace('name = "pAKT/AKT"', 'name = "activation"'))
    run_experiment(read_experiment(study), out)
    names = [path.name for path in (out / "figures").iterdir()]
    assert "panel_activation.svg" in names
    assert not [name for name in names if "pAKT_AKT" in name]
    assert (out / "earlier" / "1" / "figures" / "panel_pAKT_AKT.svg").is_file()


def test_match_corrections_believes_no_manifest_that_lists_other_files(study, tmp_path):
    """Whoever wrote the manifest chose the names in it."""
    out = tmp_path / "out"
    measure_folder(find_inputs([study]), out)
    (tmp_path / "precious.csv").write_text("mine")
    (out / "elsewhere").symlink_to(tmp_path)
    text = (out / MANIFEST).read_text()
    forged = text.replace('"bands.csv":', '"../precious.csv": "0", "elsewhere/precious.csv": "0", "bands.csv":')
    (out / MANIFEST).write_text(forged)
    measure_folder(find_inputs([study]), out)
    assert (tmp_path / "precious.csv").read_text() == "mine"


class TestMatchCorrections:
    """Which session a picture takes, with sessions that hold nothing but edits."""

    @pytest.fixture
    def picture(self, tmp_path):
        path = tmp_path / "x.tif"
        path.write_bytes(b"a picture")
        return path

    def write(self, folder, name, picture, *edits, **image):
        reference = ImageReference(path="", name=picture.name, sha256=sha256_of(picture), shape=(9, 9), **image)
        session = Session(image=reference, layout_auto=Layout())
        for k, who in enumerate(edits):
            change = Change("image", "polarity", *(("bright", "dark") if k % 2 == 0 else ("dark", "bright")))
            session = session.edit([change], action="polarity", who=who, when=WHEN)
        path = folder / "sessions" / f"{name}.blot.json"
        save_session(session, path)
        return path

    def wanted(self, picture, name="x.tif", **more):
        return Wanted(name=name, path=picture, session_name=f"{name}.blot.json", **more)

    def test_its_own_name_wins(self, picture, tmp_path):
        mine = self.write(tmp_path, "x.tif", picture, "Ada")
        self.write(tmp_path, "y.tif", picture, "Bob", "Bob")
        matched = match_corrections([self.wanted(picture)], tmp_path)
        assert matched.sessions == {mine.name: mine}
        assert "hand corrections of x.tif (sessions/y.tif.blot.json, 2 edits) belong to no picture" in matched.notes[0]

    def test_more_edits_of_the_same_work_win(self, picture, tmp_path):
        self.write(tmp_path, "x.tif", picture, "Ada")
        more = self.write(tmp_path, "y.tif", picture, "Ada", "Ada")
        matched = match_corrections([self.wanted(picture)], tmp_path)
        assert list(matched.sessions.values()) == [more]

    def test_two_different_ones_are_a_question(self, picture, tmp_path):
        self.write(tmp_path, "y.tif", picture, "Ada")
        self.write(tmp_path, "z.tif", picture, "Bob")
        matched = match_corrections([self.wanted(picture)], tmp_path)
        assert matched.sessions == {}
        assert "different hand corrections of it lie in sessions/" in matched.refused["x.tif.blot.json"]

    @pytest.mark.parametrize(
        ("name", "image", "asked", "fits"),
        [
            ("y.tif", {"page": 0}, {}, True),
            ("y.tif", {"page": None}, {"page": 0}, True),
            ("y.tif", {"page": 1}, {}, False),
            ("y.tif", {"page": 1}, {"page": 1}, True),
            ("y.tif", {"page": 1}, {"page": 2}, False),
            ("y.tif", {"channel": "red"}, {}, True),
            ("y.tif", {"channel": "red"}, {"channel": "red"}, True),
            ("y.tif", {"channel": "red"}, {"channel": "green"}, False),
            ("y.tif__strip2", {}, {"strip": 2}, True),
            ("y.tif__strip2", {}, {"strip": 1}, False),
            ("y.tif__strip2", {}, {}, False),
            ("y.tif", {}, {"strip": 2}, True),
        ],
    )
    def test_page_channel_and_strip_count(self, picture, tmp_path, name, image, asked, fits):
        self.write(tmp_path, name, picture, "Ada", **image)
        matched = match_corrections([self.wanted(picture, **asked)], tmp_path)
        assert bool(matched.sessions) is fits
        if not fits:
            assert "are of another page, channel or strip and are not used" in matched.notes[0]

    def test_both_probes_of_a_picture_take_what_was_corrected_before_they_were_told_apart(self, picture, tmp_path):
        old = self.write(tmp_path, "x.tif", picture, "Ada")
        entries = [self.wanted(picture, "x.tif__pAKT"), self.wanted(picture, "x.tif__AKT")]
        assert list(match_corrections(entries, tmp_path).sessions.values()) == [old, old]

    def test_one_probe_does_not_take_the_others(self, picture, tmp_path):
        mine = self.write(tmp_path, "x.tif__pAKT", picture, "Ada")
        entries = [self.wanted(picture, "x.tif__pAKT"), self.wanted(picture, "x.tif__AKT")]
        assert match_corrections(entries, tmp_path).sessions == {mine.name: mine}

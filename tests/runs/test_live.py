"""A study's ratios while one of its pictures is being corrected."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tiny_study import write_tiny_study

from blotquant.cli import main
from blotquant.runs.live_ratios import OpenStudy, open_study, ratios_with
from blotquant.runs.pictures import open_session_picture
from blotquant.session.band_edits import move_band
from blotquant.session.lane_edits import set_role
from blotquant.session.session import Session, load_session, save_session


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    write_tiny_study(folder / "study", n_blots=2)
    assert main(["run", str(folder / "study"), "-o", str(folder / "results")]) == 0
    return folder / "results"


def opened(study: OpenStudy, number: int = 0):
    picture = study.pictures[number]
    session = load_session(picture.session)
    return picture, open_session_picture(session, picture.session.parent), session


def ratios_of(study: OpenStudy, session: Session | None = None) -> pd.DataFrame:
    picture, image, saved = opened(study)
    return ratios_with(study, picture, image, session or saved)


def of_blot(study: OpenStudy, blot: str) -> pd.DataFrame:
    ratios = study.tables["ratios"]
    return ratios[ratios["blot"] == blot].reset_index(drop=True)


def test_open_study_the_same_study_is_found_from_its_results_its_folder_and_its_file(results: Path) -> None:
    for place in (results, results.parent / "study", results.parent / "study" / "experiment.toml"):
        study = open_study(place)
        assert study is not None
        assert study.out is not None
        assert study.out.resolve() == results.resolve()
        assert [p.session.is_file() for p in study.pictures] == [True] * 4
        assert study.picture_of(None, study.pictures[2].path) == study.pictures[2]
    assert open_study(results.parent) is None


def test_ratios_with_an_uncorrected_picture_gives_the_ratios_of_the_run(results: Path) -> None:
    study = open_study(results)
    assert study is not None
    live, written = ratios_of(study), of_blot(study, "1")
    assert len(live) == 6
    columns = ["lane", "sample", "condition", "value", "ci_low", "ci_high", "flags"]
    pd.testing.assert_frame_equal(live[columns], written[columns], check_dtype=False, rtol=1e-9)


def test_ratios_with_takes_the_other_pictures_from_the_sessions_that_were_saved(results: Path, tmp_path: Path) -> None:
    """p-AKT is corrected and saved, then AKT is opened: its ratios know of the correction."""
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(results.parent, folder)
    study = open_study(folder / "results")
    assert study is not None
    picture, image, session = opened(study)
    other, other_image, other_session = opened(study, 1)
    assert other.entry.blot == picture.entry.blot
    before = ratios_with(study, other, other_image, other_session)
    first = session.layout.bands[0]
    edit = move_band(session.layout, first.id, d_row=3.0)
    session = session.edit(edit, action="move", who="Ada", when="2026-01-02T03:04:05Z")
    expected = ratios_with(study, picture, image, session)
    assert not expected["value"].equals(before["value"])
    save_session(session, picture.session)
    after = ratios_with(study, other, other_image, other_session)
    pd.testing.assert_frame_equal(after, expected, rtol=1e-9)


def test_ratios_with_corrections_change_the_ratios_as_a_new_run_does(results: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(results.parent, folder)
    study = open_study(folder / "results")
    assert study is not None
    picture, image, session = opened(study)
    first = session.layout.bands[0]
    for changes, action in (
        (move_band(session.layout, first.id, d_row=2.0), "move"),
        (set_role(session.layout, session.layout.lanes[4].id, "excluded"), "role"),
    ):
        session = session.edit(changes, action=action, who="Ada", when="2026-01-02T03:04:05Z")
    live = ratios_with(study, picture, image, session)
    assert not live["value"].equals(of_blot(study, "1")["value"])
    save_session(session, picture.session)
    assert main(["run", str(folder / "study"), "-o", str(folder / "results")]) == 0
    again = open_study(folder / "results")
    assert again is not None
    columns = ["lane", "value", "included", "reason"]
    pd.testing.assert_frame_equal(live[columns], of_blot(again, "1")[columns], check_dtype=False, rtol=1e-9)


def test_open_study_without_results_there_are_no_ratios_and_sessions_lie_beside_the_pictures(tmp_path: Path) -> None:
    write_tiny_study(tmp_path / "study", n_blots=1)
    study = open_study(tmp_path / "study")
    assert study is not None
    assert study.out is None
    assert [p.session.parent for p in study.pictures] == [tmp_path / "study"] * 2
    assert study.tables == {}

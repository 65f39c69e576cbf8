"""A picture that lies askew is searched as if turned; everything is measured on its own pixels (L1)."""

from dataclasses import replace

import numpy as np
import pytest
from graded_suites import graded_suite

from blotquant.analysis import Picture, analyze, analyze_membrane, find
from blotquant.detection.picture import detect_bands, find_layout
from blotquant.detection.turned import flip_layout, in_reading_order, leans_left, turn_layout, turn_picture
from blotquant.model.geometry import Lane, Layout, Strip, rectangle
from blotquant.model.image import Orientation
from blotquant.settings import Settings
from blotquant.synthetic.blot import make_blot
from blotquant.synthetic.spec import BlotSpec, LaneSpec, RowSpec, StripSpec, SurfaceSpec


def tilted(tilt_deg, *, flip=None):
    """Eight lanes, two rows, running downhill to the right: truth, and the picture as it is told to lie."""
    rng = np.random.default_rng(2)
    lanes = tuple(LaneSpec(center=140.0 + 40 * k, width=30.0) for k in range(8))
    rows = tuple(
        RowSpec(target=f"t{j}", row=210.0 + 50 * j, sigma=3.4, volumes=tuple(rng.uniform(3e4, 2e5, 8).tolist()))
        for j in range(2)
    )
    strip = StripSpec(box=(150, 320, 95, 465), lanes=lanes, rows=rows, tilt_deg=tilt_deg, level=200.0)
    blot = make_blot(BlotSpec(shape=(480, 560), strips=(strip,), surface=SurfaceSpec(base=80.0)), seed=2)
    image = blot.image()
    if flip:  # the file holds the mirror image, and the entry says so
        image = replace(image, orientation=Orientation(rotate=-tilt_deg, flip=flip))
    return blot, replace(image, orientation=replace(image.orientation, rotate=-tilt_deg if flip else tilt_deg))


def errors(blot, bands):
    """Relative errors of the volumes of the true bands; none where no found band peaks within 8 px of one."""
    found = []
    for band in blot.true_layout().bands:
        away = np.hypot(bands["peak_row"] - band.peak[0], bands["peak_col"] - band.peak[1])
        true = blot.volumes[band.id]
        found.append(float(bands["volume"][away.idxmin()]) / true - 1 if away.min() < 8 else np.nan)
    return np.array(found)


@pytest.mark.parametrize("tilt_deg", [20, -35])
def test_analyze_weighs_a_tilted_blot_to_a_few_percent(tilt_deg):
    blot, image = tilted(tilt_deg)
    done = analyze(image)
    assert len(done.layout.lanes) == 8
    assert done.layout.strips[0].tilt_deg == pytest.approx(tilt_deg, abs=1)
    assert np.nanmax(np.abs(errors(blot, done.bands))) < 0.04
    assert np.isfinite(errors(blot, done.bands)).sum() >= 14
    assert "20" in image.orientation.describe() or "35" in image.orientation.describe()


def test_analyze_turns_a_mirrored_picture_the_other_way():
    """R(a) after a mirror is the mirror after R(-a): the mirror image of a blot that runs uphill runs downhill."""
    blot, image = tilted(20, flip="left-right")
    assert image.orientation.lean_deg == 20
    assert np.nanmax(np.abs(errors(blot, analyze(image).bands))) < 0.04


def test_find_bands_and_find_lanes_keep_what_stands_in_a_turned_picture():
    _, image = tilted(20)
    layout = find(image, Settings())
    again = find(image, Settings(), layout, "bands")
    assert [lane.number for lane in again.lanes] == [lane.number for lane in layout.lanes]
    ours, theirs = (np.array([p for lane in x.lanes for p in lane.center]) for x in (again, layout))
    assert ours == pytest.approx(theirs, abs=0.01)
    assert np.array([b.peak for b in again.bands]) == pytest.approx(np.array([b.peak for b in layout.bands]), abs=2)
    assert len(find(image, Settings(), layout, "lanes").lanes) == 8


def test_analyze_membrane_finds_tilted_pictures_of_one_membrane_together():
    blot, image = tilted(20)
    done = analyze_membrane([Picture(image=image), Picture(image=image)])
    for analysis in done:
        assert np.nanmax(np.abs(errors(blot, analysis.bands))) < 0.04


def test_turn_layout_there_and_back_is_the_same():
    _, there = turn_picture(np.zeros((60, 90)), 25.0)
    lane = Lane(id="a", strip="s", number=1, center=((5.0, 20.0), (50.0, 24.0)), widths=(10.0, 12.0))
    layout = Layout(strips=(Strip(id="s", number=1, outline=rectangle(2, 55, 5, 80)),), lanes=(lane,))
    turned = turn_layout(layout, there)
    assert turned.strips[0].tilt_deg == pytest.approx(-25)
    back = turn_layout(turned, np.linalg.inv(there))
    assert np.array(back.lanes[0].center) == pytest.approx(np.array(lane.center), abs=1e-3)
    assert back.lanes[0].widths == pytest.approx(lane.widths, abs=1e-3)


@pytest.mark.parametrize("blot", list(graded_suite("hard", 3, seed=11)), ids=["a", "b", "c"])
def test_find_layout_of_a_mirror_image_is_exact(blot) -> None:
    signal = blot.image().signal()
    here, there = find_layout(signal), find_layout(np.ascontiguousarray(signal[:, ::-1]))
    back = in_reading_order(flip_layout(there, signal.shape[1]))
    assert [(x.id, x.number, x.flags, x.role) for x in back.lanes] == [
        (x.id, x.number, x.flags, x.role) for x in here.lanes
    ]
    assert [b.id for b in back.bands] == [b.id for b in here.bands]
    for a, b in zip(back.lanes, here.lanes, strict=True):
        assert np.asarray(a.center) == pytest.approx(np.asarray(b.center), abs=1e-3)
    for a, b in zip(back.bands, here.bands, strict=True):
        assert np.asarray(a.outline) == pytest.approx(np.asarray(b.outline), abs=1e-3)


def test_flip_layout_twice_changes_nothing() -> None:
    blot = next(iter(graded_suite("medium", 1, seed=4)))
    layout = find_layout(blot.image().signal())
    again = flip_layout(flip_layout(layout, 300), 300)
    assert [x.id for x in again.lanes] == [x.id for x in layout.lanes]
    assert np.asarray(again.lanes[0].center) == pytest.approx(np.asarray(layout.lanes[0].center), abs=1e-3)


def test_detect_bands_follow_the_flip() -> None:
    blot = next(iter(graded_suite("easy", 1, seed=4)))
    signal = blot.image().signal()
    lanes = find_layout(signal).lanes
    bands = detect_bands(signal, lanes)
    turned = flip_layout(Layout(lanes=lanes, bands=bands, strips=find_layout(signal).strips), signal.shape[1])
    flipped = detect_bands(np.ascontiguousarray(signal[:, ::-1]), turned.lanes)
    assert sorted(b.id for b in flipped) == sorted(b.id for b in turned.bands)


def test_leans_left_for_one_of_two_mirror_images() -> None:
    picture = np.random.default_rng(2).normal(size=(40, 61))
    assert leans_left(picture) != leans_left(picture[:, ::-1])
    assert leans_left(picture * 3 + 100) == leans_left(picture)

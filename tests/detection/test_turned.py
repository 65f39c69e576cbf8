"""A picture that lies askew is searched as if turned; everything is measured on its own pixels (L1)."""

from dataclasses import replace

import numpy as np
import pytest

from blotquant.analysis import Picture, analyze, analyze_membrane, find, find_bands, find_lanes
from blotquant.detection.turned import turn_layout, turn_picture
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
    again = find_bands(image, layout, Settings())
    assert [lane.number for lane in again.lanes] == [lane.number for lane in layout.lanes]
    ours, theirs = (np.array([p for lane in x.lanes for p in lane.center]) for x in (again, layout))
    assert ours == pytest.approx(theirs, abs=0.01)
    assert np.array([b.peak for b in again.bands]) == pytest.approx(np.array([b.peak for b in layout.bands]), abs=2)
    assert len(find_lanes(image, layout, Settings()).lanes) == 8


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

"""The same lanes at every size of a picture, and in every frame (L5a)."""

from dataclasses import replace

import numpy as np
import pytest
from skimage.transform import rescale

from blotquant.detection.picture import find_bands_again, find_layout
from blotquant.detection.prediction import make_search_copy
from blotquant.detection.scales import ScaleReading, find_at_best_scale, lit_light
from blotquant.detection.search import search
from blotquant.settings import DetectionSettings
from blotquant.synthetic.blot import make_blot
from blotquant.synthetic.spec import BlotSpec, CameraSpec, LaneSpec, RowSpec, StripSpec, SurfaceSpec

LANES = 7


@pytest.fixture(scope="module")
def strip():
    """One row of seven bands on a tight crop, and the columns of its lanes."""
    lanes = tuple(LaneSpec(center=22.0 + 34 * k, width=27.0) for k in range(LANES))
    light = tuple(40_000.0 * v for v in (1.0, 0.5, 0.8, 0.1, 0.9, 0.6, 1.2))
    row = RowSpec(target="p", row=30.0, volumes=light, sigma=3.2)
    spec = BlotSpec(
        shape=(60, 248), strips=(StripSpec(box=(0, 60, 0, 248), lanes=lanes, rows=(row,)),),
        surface=SurfaceSpec(), camera=CameraSpec(),
    )  # fmt: skip
    blot = make_blot(spec, seed=3)
    return blot.image().signal().astype(np.float64), np.array([lane.center for lane in lanes])


def columns(layout):
    return [float(np.mean([col for _, col in lane.center])) for lane in layout.lanes]


@pytest.mark.parametrize("factor", [0.5, 1, 2, 3, 5])
def test_find_layout_finds_the_same_lanes_at_every_size(strip, factor):
    signal, centers = strip
    found = find_layout(rescale(signal, factor, order=1, anti_aliasing=factor < 1, preserve_range=True))
    assert len(found.lanes) == LANES, found.flags
    assert columns(found) == pytest.approx((centers + 0.5) * factor - 0.5, abs=3 * factor)
    assert sum(b.status == "detected" for b in found.bands) == LANES


@pytest.mark.parametrize("value", [0.0, 65535.0])
def test_find_layout_finds_the_same_lanes_in_a_frame(strip, value):
    signal, centers = strip
    found = find_layout(np.pad(signal, [(50, 90), (70, 30)], constant_values=value))
    assert columns(found) == pytest.approx(centers + 70, abs=2)


def test_find_bands_again_finds_large_bands_in_their_lanes(strip):
    large = rescale(strip[0], 4, order=1, preserve_range=True)
    layout = find_layout(large)
    again = find_bands_again(large, layout)
    assert np.array([b.peak for b in again.bands]) == pytest.approx(np.array([b.peak for b in layout.bands]), abs=4)


def test_find_at_best_scale_searches_an_easy_picture_once(strip):
    usual, calls = make_search_copy(np.pad(strip[0], 60, mode="edge")), []

    def counted(copy):
        calls.append(copy)
        return search(copy, DetectionSettings(), None)

    found = find_at_best_scale(usual, counted)
    assert ScaleReading(found).is_easy
    assert len(calls) == 1


def test_find_at_best_scale_looks_again_where_a_row_goes_on_beyond_the_last_lane(strip):
    """The network sees all but the last lane and is sure of them: the light of that says that they are not all."""
    settings = DetectionSettings()
    usual = make_search_copy(np.pad(strip[0], 60, mode="edge"))
    whole = search(usual, settings)
    (found,) = whole
    last = len(found.piece.tracks) - 1
    peaks = [p for p in found.peaks if p.lane < last]
    fewer = [replace(found, piece=found.piece.between(0, last - 1), peaks=peaks, spans=found.spans[:last])]
    assert not ScaleReading(whole).leaves_out_lanes
    assert ScaleReading(fewer).leaves_out_lanes
    (chosen,) = find_at_best_scale(usual, lambda copy: fewer if copy is usual else search(copy, settings), settings)
    assert len(chosen.piece.tracks) == last + 1


def test_lit_light_leaves_out_the_ground_between_two_pieces():
    """Dark bands on two white pieces on darker ground: with bands bright, the ground is brighter than most bands."""
    signal = np.random.default_rng(2).normal(10, 2, (300, 400))
    signal[130:170] = np.random.default_rng(3).normal(215, 2, (40, 400))
    for row in (60, 240):
        for left in range(20, 380, 60):
            signal[row - 5 : row + 5, left : left + 35] += 120
    copy = make_search_copy(signal)
    light = lit_light(copy)
    at = copy.row_of([150, 60, 240]).round().astype(int)
    col = int(copy.col_of(37))
    assert np.maximum(light[at[0]], 0).sum() < 0.1 * np.maximum(light[at[1]], 0).sum()
    assert (light[at[1:], col] > 0).all()

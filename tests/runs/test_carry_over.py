"""What the first probe left behind on a membrane that was probed again."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import small_experiment as small

from blotquant.analysis import quantify
from blotquant.detection.lane_ties import LaneIdentity
from blotquant.detection.registration import Placement, place_layout
from blotquant.model.image import BlotImage
from blotquant.normalization.normalize import normalize
from blotquant.runs.carry_over import check_membrane, find_carry_over, flag_carry_over
from blotquant.session.session import make_session
from blotquant.synthetic import make_blot, plain_spec
from blotquant.tables import CARRY_OVER_COLUMNS, make_table

N = 6
STRONG = np.array([3e5, 5e5, 2e5, 4e5, 6e5, 3.5e5])


def probing(pixels, made, probe, *, own):
    """A picture and its true layout; bands of rows other than `own` are nobody's."""
    layout = made.true_layout()
    bands = tuple(b if b.target == own else dataclasses.replace(b, target=None) for b in layout.bands)
    layout = dataclasses.replace(layout, bands=bands)
    return analysed(BlotImage(pixels=pixels, polarity="bright", ceiling=65535, white=0.0, probe=probe), layout)


def analysed(image, layout, placement=None):
    """Measured over this layout, without a search; `placement` is how its lanes were tied to the first picture."""
    analysis = quantify(image, make_session(image, layout))
    return dataclasses.replace(analysis, layout=layout, identity=tied(placement))


def tied(placement):
    return LaneIdentity(n_seen=N, n_lanes=N, placement=placement)


def two_pictures(fraction, *, seed=0):
    """The first shows rows one and two; the second row three, and what was left of the first."""
    first = make_blot(plain_spec([STRONG, STRONG * 0.8], shape=(200, 300), targets=("P", "other")), seed=seed)
    rows = np.full((1, N), 4e5) * np.linspace(0.8, 1.2, N)
    base = plain_spec(rows, shape=(200, 300), targets=("T",))
    strip = base.strips[0]
    moved = dataclasses.replace(strip, rows=tuple(dataclasses.replace(row, row=170.0) for row in strip.rows))
    second = make_blot(base.with_(strips=(moved,)), seed=seed + 1)
    left = np.random.default_rng(seed).poisson(np.maximum(fraction * first.truth.signal, 0))
    return probing(first.pixels, first, "P", own="P"), probing(
        second.pixels + left.astype(np.uint16), second, "T", own="T"
    )


@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.4])
def test_find_carry_over_what_was_left_is_found_and_measured(fraction):
    found = find_carry_over(*two_pictures(fraction))
    assert found["carried_over"] is True
    assert found["fraction"] == pytest.approx(fraction, rel=0.1)
    assert found["n_bands"] == 2 * N


@pytest.mark.parametrize("by", [1, 2])
def test_find_carry_over_follows_the_membrane_where_it_moved_and_was_binned(by):
    """The later picture is shifted by whole and half pixels of its own, which the lanes' placement tells."""
    first, second = two_pictures(0.1)
    down, right = 8, 6
    pixels = np.pad(second.scene.signal, ((down, 0), (right, 0)), mode="edge")
    rows, cols = pixels.shape[0] // by, pixels.shape[1] // by
    pixels = pixels[: rows * by, : cols * by].reshape(rows, by, cols, by).sum(axis=(1, 3))
    half = (1 / by - 1) / 2
    placement = Placement(rows=down / by + half, cols=right / by + half, scale=1 / by)
    layout = place_layout(second.layout, placement)
    image = BlotImage(pixels=pixels.astype(np.uint32), polarity="bright", ceiling=1e9, white=0.0, probe="T")
    found = find_carry_over(dataclasses.replace(first, identity=tied(Placement())), analysed(image, layout, placement))
    assert found["carried_over"] is True
    assert found["fraction"] == pytest.approx(0.1, rel=0.15)


def test_find_carry_over_a_clean_membrane_is_not_accused():
    found = [find_carry_over(*two_pictures(0.0, seed=seed)) for seed in range(0, 20, 2)]
    assert [one["carried_over"] for one in found] == [False] * 10
    assert max(abs(one["fraction"]) for one in found) < 0.01


def test_rows_that_coincide_cannot_be_told():
    first, _ = two_pictures(0.1)
    here = dataclasses.replace(
        first.layout, bands=tuple(dataclasses.replace(b, target="P") for b in first.layout.bands)
    )
    both = dataclasses.replace(first, layout=here)
    found = find_carry_over(both, dataclasses.replace(both, image=both.image.with_(probe="T")))
    assert found["carried_over"] is None
    assert found["reason"] == "0 bands of P lie outside the rows of T, 3 are needed"


def test_pictures_of_different_size_are_not_compared():
    first, _second = two_pictures(0.1)
    made = make_blot(plain_spec([STRONG], shape=(100, 300), targets=("T",)), seed=5)
    other = probing(made.pixels, made, "T", own="T")
    found = find_carry_over(first, other)
    assert found["carried_over"] is None
    assert "cannot be laid on each other" in found["reason"]


@pytest.mark.parametrize(("tilt_deg", "shows"), [(0.0, True), (2.0, None)])
def test_find_carry_over_is_not_told_where_lanes_alone_tie_a_turned_membrane(tilt_deg, shows):
    """Nothing but bands shows, so that neither the frame nor the lanes tell where its rows lie."""
    first, second = two_pictures(0.4)
    strips = tuple(dataclasses.replace(strip, tilt_deg=strip.tilt_deg + tilt_deg) for strip in second.layout.strips)
    later = analysed(second.image, dataclasses.replace(second.layout, strips=strips), Placement())
    found = find_carry_over(analysed(first.image, first.layout, Placement()), later)
    assert found["carried_over"] is shows
    assert (found["reason"] is None) == (shows is not None)


def on_a_membrane(row, volumes, target, *, move=(0, 0), tilt_deg=0.0, seed=0):
    """One row on a membrane whose edges show, moved under the camera."""
    base = plain_spec([volumes], shape=(200, 340), targets=(target,))
    (strip,), (down, right) = base.strips, move
    strip = dataclasses.replace(
        strip,
        box=(12 + down, 184 + down, 14 + right, 318 + right),
        level=300,
        tilt_deg=tilt_deg,
        lanes=tuple(dataclasses.replace(lane, center=lane.center + right) for lane in strip.lanes),
        rows=tuple(dataclasses.replace(one, row=row + down) for one in strip.rows),
    )
    return make_blot(base.with_(strips=(strip,)), seed=seed)


@pytest.mark.parametrize(("fraction", "shows"), [(0.0, False), (0.3, True)])
def test_find_carry_over_looks_where_the_membrane_lies_now(fraction, shows):
    first = on_a_membrane(60, STRONG, "P")
    second = on_a_membrane(130, STRONG[::-1], "T", move=(5, 9), seed=1)
    left = np.roll(fraction * first.truth.signal, (5, 9), axis=(0, 1))
    pixels = second.pixels + left.astype(np.uint16)
    found = find_carry_over(probing(first.pixels, first, "P", own="P"), probing(pixels, second, "T", own="T"))
    assert found["carried_over"] is shows
    assert found["fraction"] == pytest.approx(fraction, abs=0.03)


@pytest.mark.parametrize("turn_deg", [-2.5, 2.5])
def test_find_carry_over_looks_where_a_turned_membrane_lies(turn_deg):
    first = on_a_membrane(60, STRONG, "P")
    second = on_a_membrane(130, STRONG[::-1], "T", move=(5, 9), tilt_deg=turn_deg, seed=1)
    left = on_a_membrane(60, 0.3 * STRONG, "P", move=(5, 9), tilt_deg=turn_deg).truth.signal
    later = probing(second.pixels + left.astype(np.uint16), second, "T", own="T")
    found = find_carry_over(probing(first.pixels, first, "P", own="P"), later)
    assert found["carried_over"] is True
    assert found["fraction"] == pytest.approx(0.3, rel=0.1)


def test_check_membrane_checks_every_pair_of_probes_once_in_order():
    first, second = two_pictures(0.1)
    pictures = [("P.tif", first), ("T.tif", second), ("P_long.tif", first)]
    table = check_membrane(pictures, blot="1", membrane="1a")
    assert list(table) == list(CARRY_OVER_COLUMNS)
    assert table[["first_image", "second_image", "membrane"]].to_numpy().tolist() == [["P.tif", "T.tif", "1a"]]
    together = [("both.tif", first), ("both.tif", second)]
    assert check_membrane(together, blot="1", membrane="1").empty
    assert check_membrane(pictures[:1], blot="1", membrane="1").empty


def test_flag_carry_over_only_ratios_of_that_membrane_are_flagged(tmp_path):
    toml = "".join(small.image(f"{b}{p}.tif", p, blot=b) for b in ("1", "2") for p in ("P", "T"))
    toml += small.ratio("P/T", "P", "T")
    sheet = "blot,lane,sample,condition,role\n1,1,A,a,sample\n1,2,B,b,sample\n2,1,A,a,sample\n2,2,B,b,sample\n"
    experiment = small.experiment(tmp_path, toml, sheet)
    bands = small.band_table(
        *[small.bands(f"{b}{p}.tif", p, {1: 1e4, 2: 2e4}, blot=b) for b in ("1", "2") for p in ("P", "T")]
    )
    ratios = normalize(experiment, bands, small.lane_table())
    row = {"blot": "2", "membrane": "2", "first": "P", "second": "T", "carried_over": True}
    flagged = flag_carry_over(experiment, ratios, make_table([row], CARRY_OVER_COLUMNS))
    told = ["carry_over" in (cell if isinstance(cell, str) else "") for cell in flagged["flags"]]
    assert dict(zip(zip(flagged["blot"], flagged["lane"], strict=True), told, strict=True)) == {
        ("1", 1): False, ("1", 2): False, ("2", 1): True, ("2", 2): True,
    }  # fmt: skip
    clean = flag_carry_over(experiment, ratios, make_table([row | {"carried_over": None}], CARRY_OVER_COLUMNS))
    pd.testing.assert_frame_equal(clean, ratios)

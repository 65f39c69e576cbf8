"""Masses along the membrane's own rows: tilt, smile, several ladders."""

from dataclasses import replace

import numpy as np
import pytest

from blotquant.detection.turned import turn_layout, turn_picture
from blotquant.identification.mass_scale import find_scale, mend_rows, row_course, row_jumps
from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle

LADDER = (200, 100, 50, 25)


def row_at(kda):
    return 100 + 100 * np.log2(200 / np.asarray(kda, dtype=float))


def gel(kda, *, n=9, ladders=(1,), lower=lambda col: 0.0 * col):
    """A gel of `n` lanes, rows of some masses, lying `lower(col)` rows lower at each column."""
    lanes, bands = [], []
    for k in range(1, n + 1):
        col, role = 50.0 * k, "ladder" if k in ladders else "sample"
        lanes.append(Lane(id=f"l{k}", strip="s", number=k, center=((0, col), (599, col)), widths=(40, 40), role=role))
        masses = LADDER if k in ladders else kda
        for i, mass in enumerate(masses, 1):
            row = float(row_at(mass) + lower(col))
            number = 100 + i if k in ladders else i
            bands.append(
                Band(id=f"l{k}b{i}", lane=f"l{k}", outline=rectangle(row - 6, row + 6, col - 20, col + 20),
                     peak=(row, col), row=number)
            )  # fmt: skip
    strip = Strip(id="s", number=1, outline=rectangle(0, 600, 0, 50 * n + 50), tilt_deg=9.6)
    return Layout(strips=(strip,), lanes=tuple(lanes), bands=tuple(bands)).sorted()


def tilted(degrees):
    return lambda col: np.tan(np.deg2rad(degrees)) * col


def smiling(rows):
    return lambda col: rows * (1 - ((col - 250) / 200) ** 2)


@pytest.mark.parametrize("ladders", [(1,), (5,), (9,), (1, 9), (1, 5, 9)])
@pytest.mark.parametrize("lower", [tilted(0), tilted(6), tilted(-6), smiling(20)])
@pytest.mark.parametrize("kda", [(60,), (60, 42), (120, 80, 60, 42, 37)])
def test_find_scale_tells_the_mass_of_a_row_in_every_lane(kda, lower, ladders):
    layout = gel(kda, lower=lower, ladders=ladders)
    scale = find_scale(layout, "s", LADDER)
    for band in layout.bands:
        if band.row < 100:
            assert float(scale.to_kda(*band.peak)) == pytest.approx(kda[band.row - 1], rel=0.01)
            assert float(scale.to_row(kda[band.row - 1], band.peak[1])) == pytest.approx(band.peak[0], abs=1)


def test_find_scale_is_blind_to_the_tilt_of_the_outline_of_the_lanes():
    layout = gel((60,))
    assert row_course(layout, "s") == pytest.approx((0, 0), abs=1e-9)


@pytest.mark.parametrize("degrees", [-30, -6, 6, 20])
def test_find_scale_tells_masses_where_lanes_lean(degrees):
    """A gel that was turned as a whole: lanes lean as rows tilt, and bands are brightest beside their lane's middle."""
    level = gel((150, 60, 30))
    aside = [replace(b, peak=(b.peak[0], b.peak[1] + (9 if k % 2 else -9))) for k, b in enumerate(level.bands)]
    _, there = turn_picture(np.zeros((600, 500)), degrees)
    layout = turn_layout(replace(level, bands=tuple(aside)), there)
    scale = find_scale(layout, "s", LADDER)
    for band in layout.bands:
        if not band.id.startswith("l1b"):
            mass = (150, 60, 30)[int(band.id[-1]) - 1]
            assert float(scale.to_kda(*band.peak)) == pytest.approx(mass, rel=0.005)


def test_find_scale_reads_ladders_that_disagree_between_them():
    layout = gel((60,), ladders=(1, 9))
    stretched = tuple(replace(b, peak=(b.peak[0] + 8, b.peak[1])) if b.lane == "l9" else b for b in layout.bands)
    scale = find_scale(replace(layout, bands=stretched), "s", LADDER)
    place = float(row_at(60))
    near, middle, far = (float(scale.to_kda(place, col)) for col in (50, 250, 450))
    assert near == pytest.approx(60)
    assert middle == pytest.approx((near * far) ** 0.5)
    assert far > 63


def test_error_kda_is_what_the_ladder_misses_when_a_band_is_left_out():
    exact = find_scale(gel((60,)), "s", LADDER)
    assert float(exact.error_kda(float(row_at(60)), 200.0)) == pytest.approx(0, abs=1e-6)
    layout = gel((60,))
    astray = tuple(replace(b, peak=(b.peak[0] + 10, b.peak[1])) if b.id == "l1b3" else b for b in layout.bands)
    scale = find_scale(replace(layout, bands=astray), "s", LADDER)
    # The curve through the others is 100 rows a halving: 10 rows lower it reads 2 ** -0.1 of 50 kDa.
    assert float(scale.error_kda(float(row_at(50)) + 10, 200.0)) == pytest.approx(50 * (1 - 2**-0.1), rel=1e-3)


def test_row_course_is_not_led_astray_by_one_band():
    layout = gel((60, 42))
    stray = tuple(replace(b, peak=(b.peak[0] + 30, b.peak[1])) if b.id == "l9b1" else b for b in layout.bands)
    tilt, bend = row_course(replace(layout, bands=stray), "s")
    assert abs(tilt * 400) < 2
    assert bend == 0


def test_row_course_has_nothing_to_say_of_too_few_lanes():
    assert row_course(gel((60,), n=3), "s") == (0.0, 0.0)


def test_mend_rows_parts_rows_that_jump_to_their_neighbour_across_the_ladder():
    """On a gel turned by 6 degrees the rows of 60 and 50 kDa change places at the ladder in the middle lane."""
    layout = gel((60, 50, 30), lower=tilted(6), ladders=(5,))
    truth = {band.id: band.row for band in layout.bands}
    jumping = replace(layout, bands=tuple(
        replace(b, row=3 - b.row) if b.row in (1, 2) and int(b.lane[1:]) > 5 else b for b in layout.bands))  # fmt: skip
    mended = mend_rows(jumping, "s")
    groups = {}
    for band in (b for b in mended.bands if b.row < 100):
        groups.setdefault(truth[band.id], set()).add(band.row)
    assert all(len(numbers) == 1 for numbers in groups.values())
    assert len(set.union(*groups.values())) == 3


def test_mend_rows_joins_pieces_and_drops_expected_bands_beside_their_row():
    layout = gel((60, 30), lower=tilted(-6), ladders=(5,))
    pieces = [replace(b, row=7) if b.row == 1 and int(b.lane[1:]) > 5 else b for b in layout.bands]
    stray = replace(pieces[0], id="stray", lane="l9", row=1, status="not_detected", origin="expected",
                    peak=(pieces[-3].peak[0] + 40, 450.0))  # fmt: skip
    mended = mend_rows(replace(layout, bands=(*pieces, stray)).sorted(), "s")
    assert {b.row for b in mended.bands if b.row < 100} == {1, 2}
    assert "stray" not in {b.id for b in mended.bands}


@pytest.mark.parametrize("lower", [tilted(0), tilted(6), smiling(20)])
def test_mend_rows_leaves_rows_alone_that_follow_the_membrane(lower):
    layout = gel((60, 42, 30), lower=lower)
    assert mend_rows(layout, "s") == layout


def test_row_jumps_tells_a_row_that_is_two_proteins():
    layout = gel((60, 42, 30), lower=tilted(6))
    assert not any(row_jumps(layout, "s", row) for row in (1, 2, 3))
    mixed = replace(layout, bands=tuple(
        replace(b, row=3 - b.row) if b.row in (1, 2) and int(b.lane[1:]) > 7 else b for b in layout.bands))  # fmt: skip
    assert [row_jumps(mixed, "s", row) for row in (1, 2, 3)] == [True, True, False]

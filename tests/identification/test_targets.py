"""Naming rows: by mass, by place, by consensus, and by hand first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from blotquant.identification.mass_scale import add_kda
from blotquant.identification.targets import Target, assign_targets
from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle
from blotquant.tables import BAND_COLUMNS, make_table

LADDER = (200, 100, 50, 25)  # at rows 100, 200, 300, 400


def row_at(kda):
    return 100 + 100 * np.log2(200 / kda)


def make_layout(rows, *, n_lanes=6, ladder=False, missing=()):
    """Lanes with a band in each of `rows` ({number: place}); `missing` holds (lane, row) without one."""
    lanes = [
        Lane(
            id=f"l{k}",
            strip="s",
            number=k,
            center=((0, 60.0 * k), (499, 60.0 * k)),
            widths=(40, 40),
            role="ladder" if ladder and k == 1 else "sample",
        )
        for k in range(1, n_lanes + 1)
    ]
    bands = []
    for lane in lanes:
        col = lane.center[0][1]
        places = {n: row_at(kda) for n, kda in enumerate(LADDER, 1)} if lane.role == "ladder" else rows
        bands += [
            Band(
                id=f"{lane.id}b{n}",
                lane=lane.id,
                outline=rectangle(place - 6, place + 6, col - 20, col + 20),
                peak=(float(place), col),
                row=None if lane.role == "ladder" else n,
            )
            for n, place in places.items()
            if (lane.number, n) not in missing
        ]
    strip = Strip(id="s", number=1, outline=rectangle(0, 500, 0, 60 * n_lanes + 60))
    return Layout(strips=(strip,), lanes=tuple(lanes), bands=tuple(bands)).sorted()


def named(layout):
    """Target name -> the rows that bear it."""
    found: dict[str, set[int | None]] = {}
    for band in layout.bands:
        if band.target:
            found.setdefault(band.target, set()).add(band.row)
    return found


def table_of(layout, volumes):
    rows = [
        {
            "band_id": b.id,
            "volume": volumes[b.row],
            "strip": 1,
            "lane": layout.lane(b.lane).number,
            "peak_row": b.peak[0],
            "peak_col": b.peak[1],
            "target": b.target,
            "flags": "",
        }
        for b in layout.bands
        if b.row in volumes
    ]
    return make_table(rows, BAND_COLUMNS)


def test_assign_targets_the_row_that_most_lanes_share_is_the_probe():
    layout = make_layout({1: 100, 2: 200, 3: 300}, missing={(k, n) for k in (1, 2, 3, 4) for n in (1, 3)})
    found = assign_targets(layout, [], probe="pAKT")
    assert named(found) == {"pAKT": {2}}
    assert not any(b.flags for b in found.bands)


def test_assign_targets_the_stronger_of_two_shared_rows_is_the_probe():
    layout = make_layout({1: 100, 2: 200})
    found = assign_targets(layout, [], probe="AKT", table=table_of(layout, {1: 100.0, 2: 5000.0}))
    assert named(found) == {"AKT": {2}}
    assert not any(b.flags for b in found.bands)


def test_assign_targets_two_equal_rows_are_a_guess_and_say_so():
    found = assign_targets(make_layout({1: 100, 2: 200}), [], probe="AKT")
    assert all(b.flags == ("target_uncertain",) for b in found.bands if b.target)


def test_assign_targets_mass_wins_over_strength_where_there_is_a_ladder():
    layout = make_layout({1: row_at(120), 2: row_at(60)}, ladder=True)
    found = assign_targets(
        layout, [Target("pAKT", (60,))], probe="pAKT", ladder=LADDER, table=table_of(layout, {1: 9e4, 2: 1e3})
    )
    assert named(found) == {"pAKT": {2}}
    assert not any(b.flags for b in found.bands)


def test_presets_give_the_mass():
    layout = make_layout({1: row_at(60), 2: row_at(37)}, ladder=True)
    assert named(assign_targets(layout, [], probe="GAPDH", ladder=LADDER)) == {"GAPDH": {2}}


def test_assign_targets_a_row_far_from_its_mass_is_flagged():
    layout = make_layout({1: row_at(90)}, ladder=True)
    found = assign_targets(layout, [Target("pAKT", (60,))], probe="pAKT", ladder=LADDER)
    assert all("kda_far" in b.flags for b in found.bands if b.target)
    near = assign_targets(layout, [Target("pAKT", (60,))], probe="pAKT", ladder=LADDER, kda_tolerance=0.6)
    assert not any(b.flags for b in near.bands)


def test_assign_targets_a_ladder_that_does_not_fit_is_said_and_left_out():
    layout = make_layout({1: 100, 2: 200}, ladder=True, missing={(1, 1), (1, 2)})
    found = assign_targets(layout, [], probe="AKT", ladder=LADDER)
    assert found.lane("l1").flags == ("ladder_unused",)
    assert set(named(found)) == {"AKT"}


def test_assign_targets_the_stated_row_is_taken():
    layout = make_layout({1: 100, 2: 200, 3: 300})
    assert named(assign_targets(layout, [Target("AKT", row="3")], probe="AKT")) == {"AKT": {3}}
    assert named(assign_targets(layout, [Target("AKT", row=7)], probe="AKT")) == {}


def test_assign_targets_a_resolved_doublet_takes_two_neighbouring_rows():
    layout = make_layout({1: 100, 2: 200, 3: 215})
    found = assign_targets(layout, [], probe="pERK", table=table_of(layout, {1: 10.0, 2: 900.0, 3: 4000.0}))
    assert named(found) == {"pERK 44": {2}, "pERK 42": {3}}


def test_assign_targets_a_merged_doublet_is_its_sum_and_says_so():
    found = assign_targets(
        make_layout({1: 100, 2: 200}),
        [Target("pERK", (44, 42))],
        probe="pERK",
        table=table_of(make_layout({1: 100, 2: 200}), {1: 10.0, 2: 900.0}),
    )
    assert named(found) == {"pERK": {2}}
    assert all(b.flags == ("unresolved",) for b in found.bands if b.target)


def test_assign_targets_the_parts_of_one_doublet_found_before_are_partners():
    layout = make_layout({1: 200, 2: 250})
    shared = rectangle(190, 260, 0, 400)
    halves = tuple(replace(b, outline=shared, split=((0.0, 1.0), (1.0, 0.0))) for b in layout.bands)
    assert named(assign_targets(replace(layout, bands=halves), [], probe="pERK")) == {
        "pERK 44": {1},
        "pERK 42": {2},
    }
    assert named(assign_targets(layout, [], probe="pERK")) == {"pERK": {1}}


def test_target_names_add_up():
    target = Target("pERK", (42, 44))
    assert target.band_names == ("pERK 44", "pERK 42")
    assert target.members == ("pERK 44", "pERK 42", "pERK")
    assert target.expected_kda("pERK 42") == 42
    assert target.expected_kda("pERK") == pytest.approx((44 * 42) ** 0.5)
    assert Target("x", (10,)).members == ("x",)
    assert Target("x").expected_kda("x") is None


def test_assign_targets_a_lane_without_the_band_gets_an_expected_one():
    layout = make_layout({1: 100, 2: 200}, missing={(3, 2), (1, 1), (2, 1)})
    slanted = replace(
        layout,
        bands=tuple(
            replace(
                b,
                peak=(b.peak[0] + b.peak[1] / 20, b.peak[1]),
                outline=tuple((r + b.peak[1] / 20, c) for r, c in b.outline),
            )
            for b in layout.bands
        ),
    )
    found = assign_targets(slanted, [Target("AKT", row="2")], probe="AKT")
    new = [b for b in found.bands_of("l3") if b.target == "AKT"]
    assert len(new) == 1
    assert (new[0].origin, new[0].status, new[0].row) == ("expected", "not_detected", 2)
    assert new[0].peak == pytest.approx((209.0, 180.0))
    assert new[0].box[:2] == (203, 215)
    assert sum(b.target == "AKT" for b in found.bands) == 6
    assert len({b.id for b in found.bands}) == len(found.bands)


def test_assign_targets_names_by_hand_stay_and_keep_others_off():
    layout = make_layout({1: 100, 2: 200}, missing={(k, 1) for k in (3, 4, 5, 6)})
    hand = replace(layout.band("l1b1"), target="AKT", origin="edited")
    layout = replace(layout, bands=tuple(hand if b.id == hand.id else b for b in layout.bands))
    found = assign_targets(layout, [], probe="AKT")
    assert [b.id for b in found.bands_of("l1") if b.target == "AKT"] == ["l1b1"]
    assert {b.row for b in found.bands if b.target == "AKT" and b.lane != "l1"} == {2}


def test_assign_targets_a_row_named_by_hand_is_the_row():
    layout = make_layout({1: 100, 2: 200})
    layout = replace(
        layout,
        bands=tuple(
            replace(b, target="AKT", origin="edited") if b.row == 2 and b.lane in ("l1", "l2", "l3") else b
            for b in layout.bands
        ),
    )
    assert named(assign_targets(layout, [], probe="AKT")) == {"AKT": {2}}


def test_naming_twice_says_the_same():
    layout = make_layout({1: 100, 2: 200, 3: 215}, missing={(2, 3), (4, 1)})
    once = assign_targets(layout, [], probe="pERK")
    assert assign_targets(once, [], probe="pERK") == once


def test_assign_targets_several_targets_on_one_picture_share_no_row():
    layout = make_layout({1: row_at(60), 2: row_at(42)}, ladder=True)
    found = assign_targets(layout, [Target("AKT", (60,)), Target("actin", (42,))], ladder=LADDER)
    assert named(found) == {"AKT": {1}, "actin": {2}}


def test_masses_and_residuals_in_the_table():
    layout = make_layout({1: row_at(66), 2: 450}, ladder=True)
    layout = assign_targets(layout, [Target("AKT", (60,))], probe="AKT", ladder=LADDER)
    table = table_of(layout, {1: 1.0, 2: 1.0})
    rows = table.to_dict("records")
    before = [dict(row) for row in rows]
    filled = pd.DataFrame(add_kda(rows, layout, targets=[Target("AKT", (60,))], ladder=LADDER))
    assert rows == before
    akt = filled[filled["target"] == "AKT"]
    np.testing.assert_allclose(akt["mw_kda"], 66, rtol=1e-6)
    np.testing.assert_allclose(akt["kda_residual"], 6, rtol=1e-5)
    assert set(filled.loc[filled["target"].isna(), "flags"]) == {"kda_outside_ladder"}
    assert add_kda(rows, layout) == rows


def test_assign_targets_the_nearer_mass_wins_over_a_stronger_row():
    layout = make_layout({1: row_at(67), 2: row_at(60)}, ladder=True)
    strong = table_of(layout, {1: 9000.0, 2: 900.0})
    found = assign_targets(layout, [Target("AKT", (60,))], probe="AKT", ladder=LADDER, table=strong)
    assert named(found) == {"AKT": {2}}


def test_rows_are_chosen_for_all_proteins_of_a_picture_together():
    layout = make_layout({1: row_at(47), 2: row_at(41)}, ladder=True)
    alone = assign_targets(layout, [Target("ERK", (44,))], probe="ERK", ladder=LADDER)
    both = [Target("ERK", (44,)), Target("actin", (42,))]
    for target in both:
        found = assign_targets(layout, both, probe=target.name, ladder=LADDER)
        assert named(found) == {target.name: {1 if target.name == "ERK" else 2}}
    assert set(named(alone)) == {"ERK"}


def test_assign_targets_without_a_ladder_the_order_of_masses_decides():
    layout = make_layout({1: 100, 2: 200, 3: 215})
    both = [Target("pERK", (44, 42)), Target("pAKT", (60,))]
    found = [assign_targets(layout, both, probe=t.name) for t in both]
    assert named(found[0]) == {"pERK 44": {2}, "pERK 42": {3}}
    assert named(found[1]) == {"pAKT": {1}}
    assert not any(b.flags for x in found for b in x.bands)


def test_assign_targets_without_a_ladder_another_number_of_rows_is_a_guess_and_says_so():
    layout = make_layout({1: 100, 2: 200, 3: 300, 4: 400})
    both = [Target("pERK", (44, 42)), Target("pAKT", (60,))]
    found = assign_targets(layout, both, probe="pAKT")
    assert all("target_uncertain" in b.flags for b in found.bands if b.target)


def test_assign_targets_the_row_at_a_place_is_taken():
    layout = make_layout({1: 100, 2: 200, 3: 300})
    found = assign_targets(layout, [Target("AKT", at=(175.0, 296.0))], probe="AKT")
    assert named(found) == {"AKT": {3}}
    assert not any(b.flags for b in found.bands)

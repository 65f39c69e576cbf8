"""The verbs of hand correction against hand-computed geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blotquant.model.geometry import Band, Lane, Layout, Strip, polygon_area, rectangle
from blotquant.session.band_edits import (
    copy_aperture_along_row,
    delete_band,
    draw_band,
    merge_bands,
    move_band,
    resize_band,
    set_band_rows,
    set_target,
    split_band,
)
from blotquant.session.hit_testing import lane_at, lane_profile, snap
from blotquant.session.lane_edits import (
    add_lane,
    draw_lane,
    move_lane,
    remove_lane,
    reshape_lane,
    set_lane_width,
    set_role,
)
from blotquant.session.replay import apply_changes


@pytest.fixture
def layout() -> Layout:
    """Four lanes 20 px wide at columns 30, 60, 90, 120; rows 1 and 2 at rows 40-49 and 70-79; on strip s1."""
    strip = Strip(id="s1", number=1, outline=rectangle(0, 100, 0, 200))
    lanes = tuple(
        Lane(id=f"l{k}", strip="s1", number=k, center=((0.0, 30.0 * k), (99.0, 30.0 * k)), widths=(20.0, 20.0))
        for k in range(1, 5)
    )
    bands = tuple(
        Band(
            id=f"l{k}b{j}",
            lane=f"l{k}",
            outline=rectangle(r, r + 10, 30 * k - 8, 30 * k + 9),
            peak=(r + 4.5, 30.0 * k),
            row=j,
        )
        for k in range(1, 5)
        for j, r in ((1, 40), (2, 70))
    )
    return Layout(strips=(strip,), lanes=lanes, bands=bands).sorted()


def test_move_shifts_outline_and_peak_alone(layout: Layout) -> None:
    after = apply_changes(layout, move_band(layout, "l2b1", d_row=3, d_col=-2)).band("l2b1")
    assert after.outline == rectangle(43, 53, 50, 67)
    assert after.peak == pytest.approx((47.5, 58.0))
    assert (after.origin, after.lane, after.row) == ("edited", "l2", 1)


def test_move_band_a_move_that_moves_nothing_is_no_change(layout: Layout) -> None:
    assert move_band(layout, "l2b1") == []


def test_apply_changes_a_band_moved_into_another_lane_belongs_to_it(layout: Layout) -> None:
    bare = apply_changes(layout, delete_band(layout, "l3b1"))
    after = apply_changes(bare, move_band(bare, "l2b1", d_col=30)).band("l2b1")
    assert (after.lane, after.row) == ("l3", 1)


def test_apply_changes_resize_keeps_the_peaks_place_within(layout: Layout) -> None:
    after = apply_changes(layout, resize_band(layout, "l1b1", rectangle(30, 50, 22, 39))).band("l1b1")
    assert after.peak == pytest.approx((39.5, 30.0))


def test_new_rows_stretch_the_band_along_its_lane(layout: Layout) -> None:
    assert set_band_rows(layout, "l1b1", top=39.5, bottom=49.5) == []
    bent = apply_changes(layout, reshape_lane(layout, "l1", center=[(0, 30), (99, 129)], widths=[20, 20]))
    after = apply_changes(bent, set_band_rows(bent, "l1b1", top=35.5, bottom=55.5)).band("l1b1")
    corners = np.asarray(after.outline)
    assert corners[:, 0] == pytest.approx([35.5, 35.5, 55.5, 55.5])
    lane = bent.lane("l1")
    across = corners[:, 1] - lane.center_at(corners[:, 0])
    assert across == pytest.approx([-8.5, 8.5, 8.5, -8.5], abs=1e-3)
    with pytest.raises(ValueError, match=r"at least 0\.5 px high, got rows 40\.0 to 40\.2"):
        set_band_rows(layout, "l1b1", top=40, bottom=40.2)


def test_unknown_band_raises(layout: Layout) -> None:
    with pytest.raises(KeyError, match="nowhere"):
        delete_band(layout, "nowhere")


def test_apply_changes_a_drawn_band_joins_its_lane_row_and_target(layout: Layout) -> None:
    named = apply_changes(layout, set_target(layout, "l1b2", "pAKT"))
    bare = apply_changes(named, delete_band(named, "l3b2"))
    after = apply_changes(bare, draw_band(bare, rectangle(69, 81, 80, 101)))
    drawn = after.band("hand1")
    assert (drawn.lane, drawn.row, drawn.target, drawn.origin) == ("l3", 2, "pAKT", "drawn")
    assert drawn.peak == pytest.approx((74.5, 90.0))


def test_draw_band_where_there_is_no_row_begins_one_and_the_next_joins_it(layout: Layout) -> None:
    """The other rows keep their numbers: experiments name rows by them."""
    (change,) = draw_band(layout, rectangle(10, 20, 50, 70))
    assert isinstance(change.after, Band)
    assert (change.after.lane, change.after.row, change.after.target) == ("l2", 3, None)
    after = apply_changes(layout, [change])
    after = apply_changes(after, draw_band(after, rectangle(11, 21, 80, 100)))
    assert [(b.lane, b.row) for b in after.bands if b.origin == "drawn"] == [("l2", 3), ("l3", 3)]
    named = apply_changes(after, set_target(after, "hand1", "ERK"))
    assert [b.id for b in named.bands if b.target == "ERK"] == ["hand1", "hand2"]


def test_split_band_gives_the_lower_part_a_row_of_its_own(layout: Layout) -> None:
    after = apply_changes(layout, split_band(layout, "l2b1", row=43.5))
    assert (after.band("l2b1").row, after.band("hand1").row) == (1, 3)
    named = apply_changes(after, set_target(after, "l2b1", "AKT"))
    assert named.band("hand1").target is None, "the name of the upper row is not the lower part's"


def test_draw_band_ids_of_drawn_bands_are_not_used_again(layout: Layout) -> None:
    (change,) = draw_band(layout, rectangle(10, 20, 50, 70), used_ids={"hand1", "hand2"})
    assert change.object_id == "hand3"


def test_draw_band_drawing_without_lanes_says_so() -> None:
    with pytest.raises(ValueError, match="add a lane first"):
        draw_band(Layout(), rectangle(10, 20, 50, 70))


def test_split_conserves_area_and_keeps_the_upper_id(layout: Layout) -> None:
    after = apply_changes(layout, split_band(layout, "l2b1", row=43.5))
    upper, lower = after.band("l2b1"), after.band("hand1")
    assert upper.outline == rectangle(40, 44, 52, 69)
    assert polygon_area(upper.outline) + polygon_area(lower.outline) == pytest.approx(170)
    assert upper.peak[0] <= 43.5 <= lower.peak[0]


def test_split_of_a_tilted_outline_conserves_area(layout: Layout) -> None:
    tilted = ((40.0, 52.0), (44.0, 68.0), (54.0, 68.0), (50.0, 52.0))
    turned = apply_changes(layout, resize_band(layout, "l2b1", tilted))
    after = apply_changes(turned, split_band(turned, "l2b1", row=47.0))
    areas = [polygon_area(after.band(key).outline) for key in ("l2b1", "hand1")]
    assert sum(areas) == pytest.approx(polygon_area(tilted), abs=1e-3)
    assert areas[0] == pytest.approx(areas[1], abs=1e-3)


def test_split_outside_the_band_says_where_it_is(layout: Layout) -> None:
    with pytest.raises(ValueError, match=r"row 60\.0 does not cross band l2b1 \(rows 39\.5 to 49\.5\); click inside"):
        split_band(layout, "l2b1", row=60)


def test_merge_takes_both_and_keeps_the_first(layout: Layout) -> None:
    after = apply_changes(layout, merge_bands(layout, ["l2b1", "l2b2"]))
    assert [b.id for b in after.bands_of("l2")] == ["l2b1"]
    assert polygon_area(after.band("l2b1").outline) == pytest.approx(40 * 17)


@pytest.mark.parametrize("keys", [["l2b1"], ["l2b1", "l2b1"], ["l2b1", "l3b1"]])
def test_merge_needs_two_bands_of_one_lane(layout: Layout, keys: list[str]) -> None:
    with pytest.raises(ValueError, match="two or more bands of one lane"):
        merge_bands(layout, keys)


def test_apply_changes_a_target_goes_to_the_whole_row_of_the_strip(layout: Layout) -> None:
    after = apply_changes(layout, set_target(layout, "l1b2", "pAKT"))
    assert [b.target for b in after.bands if b.row == 2] == ["pAKT"] * 4
    assert [b.target for b in after.bands if b.row == 1] == [None] * 4
    one = apply_changes(after, set_target(after, "l1b2", "AKT", whole_row=False))
    assert [b.target for b in one.bands if b.row == 2] == ["AKT", "pAKT", "pAKT", "pAKT"]
    assert set_target(after, "l2b2", "pAKT") == []


def test_apply_changes_an_aperture_is_copied_along_its_row_about_each_peak(layout: Layout) -> None:
    low = apply_changes(layout, move_band(layout, "l4b1", d_row=5))
    tall = apply_changes(low, resize_band(low, "l2b1", rectangle(38, 52, 50, 71)))
    after = apply_changes(tall, copy_aperture_along_row(tall, "l2b1"))
    assert after.band("l1b1").outline[0] == pytest.approx((37.5 + 44.5 - tall.band("l2b1").peak[0], 19.5))
    heights = {round(b.box.row_stop - b.box.row_start) for b in after.bands if b.row == 1}
    assert len({round(polygon_area(b.outline), 2) for b in after.bands if b.row == 1}) == 1
    assert max(heights) - min(heights) <= 1
    assert after.band("l4b1").peak == low.band("l4b1").peak
    assert after.band("l1b2") == layout.band("l1b2")


def test_apply_changes_a_lane_carries_its_bands(layout: Layout) -> None:
    after = apply_changes(layout, move_lane(layout, "l2", d_col=3))
    assert after.lane("l2").center == ((0.0, 63.0), (99.0, 63.0))
    assert after.band("l2b1").outline == rectangle(40, 50, 55, 72)
    assert after.band("l2b1").origin == "detected"
    assert after.band("l3b1") == layout.band("l3b1")


def test_apply_changes_width_scales_lane_and_bands_about_the_centre(layout: Layout) -> None:
    after = apply_changes(layout, set_lane_width(layout, "l2", width=10))
    assert after.lane("l2").widths == (10.0, 10.0)
    cols = [c for _, c in after.band("l2b1").outline]
    assert (min(cols), max(cols)) == pytest.approx((60 - 8.5 / 2, 60 + 8.5 / 2))
    with pytest.raises(ValueError, match="wider than 0, got 0"):
        set_lane_width(layout, "l2", width=0)


def test_reshape_lane_a_bent_lane_bends_its_bands(layout: Layout) -> None:
    changes = reshape_lane(layout, "l1", center=[(0, 30), (99, 129)], widths=[20, 20])
    after = apply_changes(layout, changes)
    top, bottom = after.band("l1b1").outline[0], after.band("l1b1").outline[3]
    assert bottom[1] - top[1] == pytest.approx(bottom[0] - top[0], abs=1e-3)
    with pytest.raises(ValueError, match="must run down the picture"):
        reshape_lane(layout, "l1", center=[(50, 30), (10, 30)], widths=[20, 20])


def test_apply_changes_an_added_lane_is_numbered_by_place_and_has_its_rows(layout: Layout) -> None:
    after = apply_changes(layout, add_lane(layout, row=50, col=74))
    assert [x.number for x in after.lanes] == [1, 2, 3, 4, 5]
    assert after.lanes[2].id == "hand-lane1"
    assert [(b.row, b.origin) for b in after.bands_of("hand-lane1")] == [(1, "expected"), (2, "expected")]
    assert after.bands_of("hand-lane1")[0].outline == rectangle(40, 50, 66, 83)


def test_apply_changes_the_first_lane_of_an_empty_strip(layout: Layout) -> None:
    bare = Layout(strips=layout.strips)
    after = apply_changes(bare, add_lane(bare, row=50, col=80))
    assert after.lanes[0].center == ((-0.5, 80.0), (99.5, 80.0))
    with pytest.raises(ValueError, match="no strip"):
        add_lane(Layout(), row=5, col=5)


def test_apply_changes_a_removed_lane_takes_its_bands_and_renumbers(layout: Layout) -> None:
    after = apply_changes(layout, remove_lane(layout, "l2"))
    assert [(x.id, x.number) for x in after.lanes] == [("l1", 1), ("l3", 2), ("l4", 3)]
    assert not [b for b in after.bands if b.lane == "l2"]


def test_roles(layout: Layout) -> None:
    assert apply_changes(layout, set_role(layout, "l1", "ladder")).lane("l1").role == "ladder"
    assert set_role(layout, "l1", "sample") == []
    with pytest.raises(ValueError, match="sample, ladder, standard, blank, excluded, got 'marker'"):
        set_role(layout, "l1", "marker")  # type: ignore[arg-type]


# doublets


@pytest.fixture
def doublet(layout: Layout) -> Layout:
    nodes = ((-5.0, 0.9), (5.0, 0.1))
    first = replace(layout.band("l1b1"), split=nodes)
    other = replace(first, id="partner", peak=(47.0, 30.0), split=tuple((o, 1 - s) for o, s in nodes), row=3)
    return replace(layout, bands=(first, other, *layout.bands[1:])).sorted()


def test_doublet_partners_move_together(doublet: Layout) -> None:
    after = apply_changes(doublet, move_band(doublet, "l1b1", d_row=2))
    assert after.band("l1b1").outline == after.band("partner").outline == rectangle(42, 52, 22, 39)
    assert after.band("partner").peak == pytest.approx((49.0, 30.0))
    assert after.band("partner").split == doublet.band("partner").split


def test_apply_changes_a_resized_doublet_keeps_its_shares_at_their_rows(doublet: Layout) -> None:
    after = apply_changes(doublet, resize_band(doublet, "l1b1", rectangle(40, 54, 22, 39)))
    middle_before, middle_after = 44.5, 46.5
    rows_before = [middle_before + offset for offset, _ in doublet.band("l1b1").split]
    rows_after = [middle_after + offset for offset, _ in after.band("l1b1").split]
    assert rows_after == pytest.approx(rows_before)


def test_apply_changes_deleting_one_of_a_doublet_gives_its_signal_to_the_other(doublet: Layout) -> None:
    after = apply_changes(doublet, delete_band(doublet, "l1b1"))
    assert after.band("partner").split == ()


def test_split_band_cuts_a_doublet_into_its_members_and_counts_no_pixel_twice(doublet: Layout) -> None:
    after = apply_changes(doublet, split_band(doublet, "partner", row=45.0))
    assert len(after.bands) == len(doublet.bands)
    upper, lower = after.band("l1b1"), after.band("partner")
    assert (upper.split, lower.split) == ((), ())
    assert upper.outline == rectangle(40, 45.5, 22, 39)
    areas = [polygon_area(band.outline) for band in (upper, lower)]
    assert sum(areas) == pytest.approx(polygon_area(doublet.band("l1b1").outline))


def test_merge_bands_takes_a_doublets_partner_along(doublet: Layout) -> None:
    after = apply_changes(doublet, merge_bands(doublet, ["l1b1", "l1b2"]))
    assert [band.id for band in after.bands_of("l1")] == ["l1b1"]
    assert after.band("l1b1").split == ()
    alone = apply_changes(doublet, merge_bands(doublet, ["partner"]))
    assert [band.id for band in alone.bands_of("l1")] == ["partner", "l1b2"]


def test_copy_aperture_along_row_keeps_a_doublets_members_on_one_outline(doublet: Layout) -> None:
    after = apply_changes(doublet, resize_band(doublet, "l2b1", rectangle(38, 52, 52, 69)))
    after = apply_changes(after, copy_aperture_along_row(after, "l2b1"))
    assert after.band("l1b1").outline == after.band("partner").outline != doublet.band("l1b1").outline


def test_draw_band_joins_the_row_that_its_outline_overlaps(layout: Layout) -> None:
    without = apply_changes(layout, delete_band(layout, "l2b1"))
    drawn = draw_band(without, rectangle(46, 62, 52, 69))
    assert drawn[0].after.row == 3, "it has little in common with the row"
    drawn = draw_band(without, rectangle(44, 58, 52, 69))
    assert drawn[0].after.row == 1


def test_draw_lane_takes_the_width_and_height_that_were_drawn(layout: Layout) -> None:
    after = apply_changes(layout, draw_lane(layout, rectangle(20, 60, 145, 160)))
    lane = after.lanes[-1]
    assert lane.number == 5
    assert lane.row_range == (19.5, 59.5)
    assert set(lane.widths) == {15.0}
    assert lane.center[0][1] == pytest.approx(152.0)
    assert [band.row for band in after.bands_of(lane.id)] == [1]


@pytest.mark.parametrize("col", [60.0, 52.0])
def test_add_lane_refuses_a_lane_inside_a_lane(layout: Layout, col: float) -> None:
    with pytest.raises(ValueError, match="lane 2 is here already; point beside it"):
        add_lane(layout, row=50, col=col)


# snapping


def gaussian_lane(shape: tuple[int, int] = (100, 200), *, row: float = 55.0, sigma: float = 3.0) -> np.ndarray:
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return 100 + 5000 * np.exp(-((rows - row) ** 2) / (2 * sigma**2)) * (np.abs(cols - 60) <= 8)


@pytest.mark.parametrize("click", [47, 55, 63])
def test_snap_a_rough_click_snaps_to_the_band(layout: Layout, click: float) -> None:
    outline, peak = snap(gaussian_lane(), layout.lane("l2"), click)  # type: ignore[misc]
    assert peak == pytest.approx((55.0, 60.0), abs=0.5)
    top, bottom = min(r for r, _ in outline), max(r for r, _ in outline)
    # a Gaussian falls to a tenth at 2.146 sigma
    assert top == pytest.approx(55 - 2.146 * 3, abs=2.0)
    assert bottom == pytest.approx(55 + 2.146 * 3, abs=2.0)


def test_snap_snapping_stops_at_the_valley_before_the_next_band(layout: Layout) -> None:
    both = gaussian_lane(row=50) + gaussian_lane(row=64)
    outline, peak = snap(both, layout.lane("l2"), 50)  # type: ignore[misc]
    assert peak[0] == pytest.approx(50, abs=1)
    assert max(r for r, _ in outline) == pytest.approx(57, abs=1.6)


def test_snap_nothing_to_snap_to(layout: Layout) -> None:
    assert snap(np.full((100, 200), 7.0), layout.lane("l2"), 50) is None
    assert snap(gaussian_lane(), layout.lane("l2"), 500) is None


def test_lane_profile_the_profile_is_the_mean_over_the_lane(layout: Layout) -> None:
    rows, profile = lane_profile(np.repeat(np.arange(100.0)[:, None], 200, axis=1), layout.lane("l2"))
    assert profile == pytest.approx(rows)


def test_lane_at_the_lane_under_a_point(layout: Layout) -> None:
    assert lane_at(layout, 50, 69.9) == layout.lane("l2")
    assert lane_at(layout, 50, 75) is None
    assert lane_at(layout, 150, 60) is None


def test_move_lane_a_move_of_a_straight_lane_stands_on_one_that_bends(layout: Layout) -> None:
    changes = move_lane(layout, "l2", d_col=3.0)
    bent = replace(layout.lane("l2"), center=((0.0, 60.0), (50.0, 61.0), (99.0, 60.0)), widths=(20.0, 20.0, 20.0))
    other = replace(layout, lanes=tuple(bent if lane.id == "l2" else lane for lane in layout.lanes))
    moved = apply_changes(other, changes).lane("l2")
    assert moved.center == ((0.0, 63.0), (99.0, 63.0))
    assert moved.widths == (20.0, 20.0)

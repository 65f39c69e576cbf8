"""The sample sheet against the picture: the ladder's lane and the blanks."""

import numpy as np
import pytest

from blotquant.identification.sheet import find_contradiction, ladder_like
from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle

SIGNAL = np.full((300, 500), 100.0)


def membrane(n=8, *, ladder=1, dark=()):
    """A layout and picture: one row of samples, a ladder lane of five rows of its own."""
    signal = SIGNAL.copy()
    lanes, bands = [], []
    for k in range(1, n + 1):
        col = 50 * k
        lanes.append(Lane(id=f"l{k}", strip="s1", number=k, center=((0.0, col), (299.0, col)), widths=(36.0, 36.0)))
        rows = [(60, 2), (100, 3), (180, 5), (220, 6), (260, 7)] if k == ladder else [(140, 4)]
        for place, row in rows:
            seen = k not in dark
            if seen:
                signal[place - 3 : place + 4, col - 15 : col + 16] += 500
            outline = rectangle(place - 8, place + 9, col - 18, col + 18)
            bands.append(
                Band(id=f"l{k}r{row}", lane=f"l{k}", outline=outline, peak=(float(place), float(col)), row=row,
                     status="detected" if seen else "not_detected")
            )  # fmt: skip
    strip = Strip(id="s1", number=1, outline=rectangle(0, 300, 0, 500))
    return signal, Layout(strips=(strip,), lanes=tuple(lanes), bands=tuple(bands)).sorted()


def roles(n=8, **special):
    return dict.fromkeys(range(1, n + 1), "sample") | {int(k[1:]): role for k, role in special.items()}


def test_ladder_like_finds_the_lane_with_rows_of_its_own_wherever_it_lies() -> None:
    assert ladder_like(membrane(ladder=1)[1]) == [1]
    assert ladder_like(membrane(ladder=4)[1]) == [4]
    assert ladder_like(membrane(ladder=None)[1]) == []


def test_find_contradiction_has_nothing_to_say_of_a_sheet_that_fits() -> None:
    signal, layout = membrane(dark=(5,))
    assert find_contradiction([signal], [layout], roles(_1="ladder", _5="blank")) == ""


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        (roles(_8="ladder"), "ladder in lane 8, but lane 1 looks like the ladder: the picture may be turned"),
        (roles(_2="ladder"), "ladder in lane 2, but lane 1 looks like the ladder"),
        (roles(), "lane 1 looks like the ladder, and the sheet lists none"),
        (roles(_1="ladder", _4="blank"), "calls lane 4 blank, but it shows bands like the samples', while lane 5"),
    ],
)
def test_find_contradiction_names_both_sides(sheet, words) -> None:
    signal, layout = membrane(dark=(5,))
    assert words in find_contradiction([signal], [layout], sheet)


def test_find_contradiction_sees_a_ladder_lane_that_holds_a_sample() -> None:
    signal, layout = membrane(ladder=None, dark=(8,))
    assert "shows the samples' band and none of a ladder" in find_contradiction([signal], [layout], roles(_1="ladder"))

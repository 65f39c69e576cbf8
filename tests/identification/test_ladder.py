"""Molecular weight from the ladder lane."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blotquant.identification.ladder import LadderError, find_ladder, fit_ladder, said_kda
from blotquant.identification.presets import LADDERS_KDA, ladder_kda, target_kda
from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle


def rows_of(kda, *, bend=0.3, jitter=0.0, seed=0):
    """A gel of 600 rows: mobility is log-linear with a bend, heavier masses above."""
    x = np.log10(260 / np.asarray(kda, dtype=float)) / np.log10(260 / 8)
    return 40 + 500 * (x + bend * x * (1 - x)) + np.random.default_rng(seed).normal(0, jitter, np.size(kda))


@pytest.mark.parametrize("name", LADDERS_KDA)
def test_between_the_bands_masses_are_right(name):
    fit = fit_ladder(rows_of(LADDERS_KDA[name]), name, row_start=0, row_stop=600)
    wanted = np.array([60.0, 44.0, 37.0])
    np.testing.assert_allclose(fit.to_kda(rows_of(wanted)), wanted, rtol=0.02)
    np.testing.assert_allclose(fit.to_row(wanted), rows_of(wanted), atol=3)
    assert fit.loo_error_kda < 3


def test_curve_is_monotone_and_goes_through_the_bands():
    fit = fit_ladder(rows_of(LADDERS_KDA["PageRuler"], jitter=5), "PageRuler", row_start=0, row_stop=600)
    np.testing.assert_allclose(fit.to_kda(fit.rows), fit.kda, rtol=1e-9)
    assert (np.diff(fit.to_kda(np.linspace(-50, 700, 400))) < 0).all()
    np.testing.assert_allclose(fit.to_row(fit.to_kda([100.0, 333.3, 580.0])), [100, 333.3, 580], atol=1e-6)


def test_fit_ladder_log_linear_ladder_is_exact_everywhere():
    kda = (200, 100, 50, 25)
    fit = fit_ladder([100, 200, 300, 400], kda, row_start=0, row_stop=500)
    assert fit.to_kda(250) == pytest.approx(50 * 2**0.5, rel=1e-9)
    assert fit.to_kda(450) == pytest.approx(25 / 2**0.5, rel=1e-9)
    np.testing.assert_allclose(fit.loo_kda, 0, atol=1e-9)
    assert fit.is_outside([50, 250, 450]).tolist() == [True, False, True]
    assert fit.rf(250) == pytest.approx(0.5)


def test_leave_one_out_error_is_that_of_the_band_left_out():
    fit = fit_ladder([100, 200, 310, 400, 500], (160, 80, 40, 20, 10), row_start=0, row_stop=600)
    without = fit_ladder([100, 200, 400, 500], (160, 80, 20, 10), row_start=0, row_stop=600)
    assert fit.loo_kda[2] == pytest.approx(float(without.to_kda(310)) - 40)


def test_fit_ladder_a_lane_that_lies_lower_reads_the_same():
    fit = fit_ladder(rows_of(LADDERS_KDA["PageRuler"]), "PageRuler", row_start=0, row_stop=600)
    assert fit.to_kda(308, shift=8) == pytest.approx(float(fit.to_kda(300)))
    assert fit.to_row(50, shift=8) == pytest.approx(float(fit.to_row(50)) + 8)


@pytest.mark.parametrize("name", ["PageRuler", "PageRuler Plus", "Precision Plus Protein"])
@pytest.mark.parametrize("lost", [0, 2, 5, -1])
def test_fit_ladder_a_missing_band_is_found_out(name, lost):
    rows = rows_of(LADDERS_KDA[name], jitter=1.0)
    fit = fit_ladder(np.delete(rows, lost), name, row_start=0, row_stop=600)
    assert fit.unused_kda == (LADDERS_KDA[name][lost],)
    assert fit.unused_rows == ()


@pytest.mark.parametrize("place", [130.0, 333.0, 480.0])
def test_fit_ladder_an_extra_band_is_left_out(place):
    rows = np.append(rows_of(LADDERS_KDA["Precision Plus Protein"], jitter=1.0), place)
    fit = fit_ladder(rows, "Precision Plus Protein", row_start=0, row_stop=600)
    assert fit.unused_rows == (place,)
    assert fit.unused_kda == ()


def test_fit_ladder_what_does_not_fit_is_refused():
    rows = [50, 60, 70, 300, 310, 500, 510, 520, 590]
    with pytest.raises(LadderError, match="do not fit the ladder's 9 masses"):
        fit_ladder(rows, "PageRuler Plus", row_start=0, row_stop=600)
    with pytest.raises(LadderError, match="at least 3 bands, found 2"):
        fit_ladder([10, 20], "PageRuler", row_start=0, row_stop=600)
    with pytest.raises(LadderError, match="shows 4 bands and the ladder holds 10"):
        fit_ladder([10, 20, 40, 80], "PageRuler", row_start=0, row_stop=600)
    with pytest.raises(ValueError, match="end below its start, got rows 600 to 0"):
        fit_ladder([10, 20, 30], (3, 2, 1), row_start=600, row_stop=0)


def test_presets_are_named_forgivingly_and_ordered():
    assert ladder_kda("pageruler-plus") == LADDERS_KDA["PageRuler Plus"]
    assert ladder_kda([10, 250, 50]) == (250, 50, 10)
    with pytest.raises(ValueError, match="did you mean 'PageRuler'"):
        ladder_kda("Page Rule")
    with pytest.raises(ValueError, match="at least 3 different masses"):
        ladder_kda([10, 10, 20])
    assert all(list(kda) == sorted(set(kda), reverse=True) for kda in LADDERS_KDA.values())
    assert target_kda("p-ERK1/2") == (44, 42)
    assert target_kda("β-actin") == (42,)
    assert target_kda("something else") == ()


def ladder_layout(rows, *, role="ladder", tilt=0.0):
    lanes = tuple(
        Lane(
            id=f"l{k}",
            strip="s",
            number=k,
            center=((0, 50.0 * k), (599, 50.0 * k)),
            widths=(30, 30),
            role=role if k == 1 else "sample",
        )
        for k in (1, 2)
    )
    bands = tuple(
        Band(id=f"b{i}", lane="l1", outline=rectangle(r - 5, r + 5, 35, 65), peak=(float(r), 50.0))
        for i, r in enumerate(rows)
    )
    return Layout(
        strips=(Strip(id="s", number=1, outline=rectangle(0, 600, 0, 200), tilt_deg=tilt),),
        lanes=lanes,
        bands=bands,
    )


def test_find_ladder_the_ladder_lane_of_a_strip():
    layout = ladder_layout(rows_of(LADDERS_KDA["PageRuler"]))
    fit = find_ladder(layout, "s", "PageRuler")
    assert fit is not None
    assert fit.kda == LADDERS_KDA["PageRuler"]
    assert find_ladder(ladder_layout([1, 2], role="sample"), "s", "PageRuler") is None
    with pytest.raises(LadderError, match="ladder in lane 1: a ladder needs"):
        find_ladder(ladder_layout([100, 200]), "s", "PageRuler")


def test_fit_ladder_refuses_a_ladder_that_runs_upwards():
    rows = rows_of(LADDERS_KDA["PageRuler"])
    with pytest.raises(LadderError, match="stands on its head"):
        fit_ladder(600 - rows, "PageRuler", row_start=0, row_stop=600)


def named(layout, masses):
    names = [None if mass is None else f"{mass:g} kDa" for mass in masses]
    bands = tuple(replace(b, target=name) for b, name in zip(layout.bands, names, strict=True))
    return replace(layout, bands=bands)


def test_bands_that_a_hand_named_make_the_scale_and_stand_above_the_product():
    layout = named(ladder_layout([100, 200, 300, 400]), [100, 50, None, 25])
    fit = find_ladder(layout, "s", None)
    assert (fit.rows, fit.kda) == ((100.0, 200.0, 400.0), (100.0, 50.0, 25.0))
    assert fit.to_kda(200.0) == pytest.approx(50.0)
    assert find_ladder(layout, "s", "PageRuler") == fit
    assert find_ladder(named(layout, [100, 50, None, None]), "s", None) is None


def test_masses_named_in_the_wrong_order_are_refused():
    layout = named(ladder_layout([100, 200, 300]), [100, 130, 25])
    with pytest.raises(LadderError, match=r"must fall from the top of the lane to its bottom, got 100, 130, 25 kDa"):
        find_ladder(layout, "s", None)


@pytest.mark.parametrize(
    ("name", "mass"), [("55 kDa", 55.0), ("37.5 kDa", 37.5), ("pAKT", None), (None, None), ("0 kDa", None)]
)
def test_said_kda_what_a_hand_said_about_a_mass(name, mass):
    assert said_kda(name) == mass

"""Rows of bands that a search did not find are seen, and the picture is doubted; specks, letters and frames are not."""

from dataclasses import replace

import numpy as np
import pytest
from simple_pictures import ROWS, as_image, gaussians, plain_layout

from blotquant.detection import picture as finding
from blotquant.detection.doubtful_pictures import overlooks_rows
from blotquant.detection.prediction import make_search_copy
from blotquant.runs.verdict import judge


def shown(heights=1.0, seed=2):
    """Four lanes with two rows of bands, 1,000 counts high where `heights` is 1, over noise of 10 counts."""
    noise = np.random.default_rng(seed).normal(200, 10, gaussians(np.ones((4, 2))).shape)
    return noise + gaussians(np.full((4, 2), 1000.0) * heights, sigma=(3.0, 8.0))


def test_overlooks_rows_when_a_row_is_missing():
    copy = make_search_copy(shown())
    assert not overlooks_rows(copy, plain_layout())
    assert overlooks_rows(copy, plain_layout(rows=ROWS[:1]))
    assert not overlooks_rows(copy, replace(plain_layout(), bands=()))


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_overlooks_rows_asks_for_spots_as_bright_as_bands(share):
    copy = make_search_copy(shown(np.array([1.0, share])[None, :]))
    assert overlooks_rows(copy, plain_layout(rows=ROWS[:1])) == (share == 1.0)


def test_overlooks_rows_takes_neither_specks_nor_frames_for_a_row():
    signal = shown(np.array([1.0, 0.0])[None, :])
    signal[128:131, 30:200:24] += 2000  # specks, three rows high and one column wide
    signal[100:102, 5:215] += 2000  # a drawn line
    signal[150:162, 60:63] += 2000  # strokes of a letter
    signal[150:162, 68:71] += 2000
    assert not overlooks_rows(make_search_copy(signal), plain_layout(rows=ROWS[:1]))


def test_find_layout_doubts_a_picture_with_overlooked_rows(monkeypatch):
    drawn = finding._layout
    monkeypatch.setattr(finding, "_layout", lambda *args, **named: without_last_row(drawn(*args, **named)))
    signal = shown(seed=5)
    layout = finding.find_layout(signal)
    assert "bands_overlooked" in layout.flags
    assert all(strip.confidence <= 0.5 for strip in layout.strips)
    verdict = judge(as_image(signal), layout)
    assert verdict.startswith("with care")
    assert "look like bands lie outside of what was found" in verdict


def without_last_row(layout):
    rows = [band.row for band in layout.bands]
    return replace(layout, bands=tuple(band for band in layout.bands if band.row != max(rows)))

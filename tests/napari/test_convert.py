"""Conversion between the core's values and layer data."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from blotquant.flags import flags_in_words
from blotquant.imaging.content import contrast_limits
from blotquant.model.geometry import Lane, polygon, rectangle
from blotquant.session.drawn_shapes import bent, handles, is_same_place, lane_nodes
from blotquant.tables import BAND_COLUMNS, make_table
from napari_blotquant.shapes import (
    COLOURS,
    band_colour,
    band_features,
    lane_colour,
    lane_features,
    lane_label,
    to_vertices,
)

LANE = Lane(id="l1", strip="s1", number=1, center=((0.0, 20.0), (50.0, 24.0), (99.0, 30.0)), widths=(10.0, 12.0, 14.0))


def test_outlines_survive_the_layer_and_its_float32() -> None:
    outline = rectangle(1001, 1013, 1733, 1790)
    kept = to_vertices(outline).astype(np.float32)
    assert polygon(kept) == outline
    assert is_same_place(kept, outline)
    assert not is_same_place(kept + 0.01, outline)
    assert not is_same_place(kept[:3], outline)


def test_a_lane_survives_its_outline() -> None:
    center, widths = lane_nodes(LANE, to_vertices(LANE.outline))
    assert np.allclose(center, LANE.center, atol=1e-3)
    assert widths == pytest.approx(LANE.widths, abs=1e-3)


def test_a_dragged_lane_edge_moves_centre_by_half_and_widens() -> None:
    points = to_vertices(LANE.outline)
    points[3:, 1] += 4  # the right edge
    center, widths = lane_nodes(LANE, points)
    assert [c for _, c in center] == pytest.approx([c + 2 for _, c in LANE.center], abs=1e-3)
    assert widths == pytest.approx([w + 4 for w in LANE.widths], abs=1e-3)


def test_a_lane_with_a_vertex_removed_is_scanned() -> None:
    straight = replace(LANE, center=((0.0, 20.0), (50.0, 20.0), (100.0, 20.0)), widths=(10.0, 10.0, 10.0))
    points = np.delete(to_vertices(straight.outline), 1, axis=0)
    center, widths = lane_nodes(straight, points)
    assert [c for _, c in center] == pytest.approx([20] * 3, abs=1e-6)
    assert widths == pytest.approx([10] * 3, abs=1e-6)


def test_a_lane_turned_on_its_side_is_refused() -> None:
    flat = np.array([[10, 0], [10, 50], [10, 99], [10, 99], [10, 50], [10, 0]], dtype=float)
    with pytest.raises(ValueError, match="must run down the picture"):
        lane_nodes(LANE, flat)


def test_features_follow_the_shapes_order_and_know_unweighed_bands(editor) -> None:
    keys = [band.id for band in editor.layout.bands]
    features = band_features(keys, editor.table.iloc[::-1])
    assert list(features["band_id"]) == keys
    assert features["volume"].notna().all()
    empty = band_features(keys, make_table([], BAND_COLUMNS))
    assert list(empty["band_id"]) == keys
    assert list(band_features([*keys, "new"], editor.table)["volume"].isna()) == [False] * len(keys) + [True]
    assert len(band_features([], editor.table)) == 0


def test_a_bent_centre_line_takes_its_neighbours_along_and_stays_smooth() -> None:
    straight = Lane(id="l", strip="s", number=1, center=tuple((10.0 * k, 20.0) for k in range(11)), widths=(8.0,) * 11)
    points = to_vertices(straight.center).astype(np.float32)
    points[5, 1] += 7
    cols = [col for _, col in bent(straight, points)]
    assert cols[5] == pytest.approx(27)
    assert cols[4] == pytest.approx(20 + 7 * (1 - 10 / 35), abs=1e-3)
    assert cols[:2] == cols[-2:] == [20.0, 20.0]


def test_a_centre_line_may_get_and_lose_nodes_but_must_run_down() -> None:
    points = to_vertices(LANE.center)
    assert bent(LANE, np.vstack([points, [[75.0, 29.0]]])) == ((0.0, 20.0), (50.0, 24.0), (75.0, 29.0), (99.0, 30.0))
    assert bent(LANE, points[[0, 2]]) == ((0.0, 20.0), (99.0, 30.0))
    drawn = handles(LANE)
    assert len(drawn) == 7
    assert np.allclose([col for _, col in drawn], LANE.center_at([row for row, _ in drawn]))
    with pytest.raises(ValueError, match="centre line of lane 1 must run down"):
        bent(LANE, [[5.0, 1.0], [5.0, 9.0]])


def test_blind_labels_tell_nothing() -> None:
    seen, blind = (lane_features([LANE], {"l1": "drug"}, is_blind=is_blind) for is_blind in (False, True))
    assert seen.loc[0, ["label", "sample"]].tolist() == ["1", "drug"]
    assert blind.loc[0, ["label", "sample", "role"]].tolist() == ["", "", ""]


def test_colours_say_what_matters_most(editor) -> None:
    band = editor.layout.bands[0]
    assert band_colour(band) == COLOURS["detected"]
    assert band_colour(replace(band, confidence=0.5)) == COLOURS["doubt"]
    assert band_colour(replace(band, origin="edited", confidence=0.5)) == COLOURS["edited"]
    assert band_colour(replace(band, origin="edited"), "saturated;below_loq") == COLOURS["saturated"]
    assert band_colour(replace(band, status="not_detected")) == COLOURS["expected"]
    # An expected band that measuring shows above its limit is a detected one, and the other way round.
    missed = replace(band, status="not_detected", origin="expected")
    assert band_colour(missed, "", "detected") == COLOURS["detected"]
    assert band_colour(band, "", "not_detected") == COLOURS["expected"]
    assert lane_colour(replace(LANE, confidence=0.2)) == COLOURS["doubt"]
    assert lane_colour(replace(LANE, confidence=0.2, role="ladder")) == COLOURS["ladder"]


def test_lane_labels() -> None:
    assert lane_label(LANE) == "1"
    assert lane_label(replace(LANE, role="ladder")) == "1 L"
    assert lane_label(replace(LANE, confidence=0.4), "vehicle") == "1? vehicle"


def test_contrast_is_finite_and_ordered() -> None:
    assert contrast_limits(np.full((5, 5), 7.0)) == (7.0, 8.0)
    assert contrast_limits(np.full((5, 5), np.nan)) == (0.0, 1.0)
    low, high = contrast_limits(np.arange(10_000.0).reshape(100, 100))
    assert low == pytest.approx(100, abs=2)
    assert high == pytest.approx(9970, abs=2)


def test_flags_come_with_advice() -> None:
    text = flags_in_words("saturated;below_lod")
    assert "at the detector's ceiling" in text
    assert "Treat as not detected" in text
    assert flags_in_words(None) == ""


def test_no_napari_and_no_qt_below_the_layers() -> None:
    code = (
        "import sys, napari_blotquant.shapes, napari_blotquant.editor\n"
        "print([m for m in ('napari', 'qtpy', 'PySide6', 'pyqtgraph', 'vispy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"

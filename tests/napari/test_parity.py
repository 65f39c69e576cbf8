"""The plugin finds and measures what the command line does: the same steps, the same bytes. No window."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from blotquant.analysis import Step, analyze, find, find_again
from blotquant.cli import main
from blotquant.detection.picture import find_layout
from blotquant.errors import ImageError
from blotquant.io import table_to_csv
from blotquant.runs import blots
from blotquant.runs.pictures import open_picture
from blotquant.session import band_edits, lane_edits
from blotquant.session.history import Change
from blotquant.session.session import save_session
from blotquant.settings import Settings
from napari_blotquant.editor import Editor
from napari_blotquant.reader import image_layer

ROOT = Path(__file__).parents[2]
PICTURES = [ROOT / "sample_images" / name for name in ("blot2_ERK.tif", "blot1_AKT.tif")]
PLUGIN = sorted((ROOT / "plugins").rglob("*.py"))
OWN_WAYS = ("blotquant.detection.picture", "blotquant.io", "blotquant.doublets.split")
"""What would find or read in a way of its own."""


def opened(path: Path) -> Editor:
    """The editor that the dock makes for a file, measured."""
    blot = blots.open_blot(path)
    editor = Editor(blot.image, blot.session, path=blot.path, who="Ada", clock=lambda: "2026-01-02T03:04:05Z")
    editor.measure_now()
    return editor


def link(path: Path, folder: Path) -> Path:
    """A copy of a sample picture in a folder of its own."""
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    return copy


def measured(target: Path, out: Path) -> bytes:
    """The band table that the command line writes."""
    assert main(["measure", str(target), "-o", str(out)]) == 0
    return (out / "bands.csv").read_bytes()


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", PICTURES, ids=lambda p: p.stem)
def test_a_new_session_starts_with_what_the_pipeline_finds(path: Path) -> None:
    editor, analysis = opened(path), analyze(open_picture(path, Settings()))
    assert editor.session.layout_auto == analysis.session.layout_auto
    assert table_to_csv(editor.table) == table_to_csv(analysis.bands)
    assert len(editor.table) > 20


def test_rows_that_touch_are_divided_in_the_plugin_too() -> None:
    image = open_picture(PICTURES[0], Settings())
    alone = find_layout(image.signal(), ceiling=image.ceiling)
    assert blots.start(image).session.layout_auto != alone


@pytest.mark.parametrize("path", PICTURES, ids=lambda p: p.stem)
def test_a_new_picture_weighs_the_same_bytes_as_the_command_line(path: Path, tmp_path: Path) -> None:
    assert table_to_csv(opened(path).table).encode() == measured(path, tmp_path / "out")


def test_pixels_that_are_no_number_are_searched_as_on_the_command_line(tmp_path: Path) -> None:
    pixels = tifffile.imread(PICTURES[1]).astype(np.float32)
    pixels[5:9, 5:9] = np.nan
    path = tmp_path / "holes.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack")
    editor = opened(path)
    assert len(editor.layout.lanes) > 5
    assert table_to_csv(editor.table).encode() == measured(path, tmp_path / "out")


def test_a_picture_too_small_for_a_blot_is_refused() -> None:
    image = open_picture(PICTURES[1], Settings())
    tiny, layout = image.with_(pixels=image.pixels[:12]), find(image, Settings())
    with pytest.raises(ImageError, match=r"blot1_AKT\.tif: 640 × 12 pixels are too few"):
        blots.start(tiny)
    with pytest.raises(ImageError, match=r"blot1_AKT\.tif: 640 × 12 pixels are too few"):
        find(tiny, Settings(), layout, "bands")


def test_a_hand_corrected_session_weighs_the_same_bytes_as_the_command_line(tmp_path: Path) -> None:
    editor = opened(link(PICTURES[0], tmp_path))
    untouched = table_to_csv(editor.table)
    first, last = editor.layout.bands[0], editor.layout.bands[-1]
    editor.do(band_edits.move_band(editor.layout, first.id, d_row=2.0, d_col=1.5), "move")
    editor.do(band_edits.set_target(editor.layout, first.id, "ERK"), "target")
    editor.do(band_edits.delete_band(editor.layout, last.id), "delete")
    editor.do(lane_edits.set_role(editor.layout, editor.layout.lanes[0].id, "ladder"), "role")
    editor.do([Change("settings", "quantification.background", "local", "rolling_ball")], "settings")
    editor.undo()
    editor.do(lane_edits.move_lane(editor.layout, editor.layout.lanes[3].id, d_col=1.0), "move_lane")
    editor.measure_now()
    corrected = table_to_csv(editor.table)
    path = editor.save()
    assert corrected != untouched
    assert measured(path, tmp_path / "out").decode() == corrected
    assert table_to_csv(opened(path).table) == corrected


@pytest.mark.parametrize("step", ["strips", "lanes", "bands"])
def test_after_finding_again_the_command_line_weighs_the_same_bytes(step: Step, tmp_path: Path) -> None:
    editor = opened(link(PICTURES[0], tmp_path))
    editor.do(lane_edits.move_lane(editor.layout, editor.layout.lanes[3].id, d_col=3.0), "move_lane")
    editor.do([Change("settings", "detection.min_snr", editor.session.settings.detection.min_snr, 8.0)], "settings")
    settings = editor.session.settings
    found = find_again(editor.image, editor.session, step)
    if step == "strips":
        assert found == analyze(editor.image, settings).session.layout_auto
    else:
        assert found.strips == editor.layout.strips
    if step == "bands":
        assert found == find_again(editor.image, editor.session)  # lanes were corrected: they stand
        assert found.lanes == editor.layout.lanes
    editor.find_again(found)
    editor.measure_now()
    assert measured(editor.save(), tmp_path / "out").decode() == table_to_csv(editor.table)


def test_a_session_of_the_other_polarity_is_read_and_weighed_alike(tmp_path: Path) -> None:
    pixels = tifffile.imread(PICTURES[1])
    path = tmp_path / "dark.tif"
    tifffile.imwrite(path, np.iinfo(pixels.dtype).max - pixels, photometric="minisblack")
    image = open_picture(path, Settings(polarity="bright"))
    session = blots.start(open_picture(path, Settings(polarity="dark"))).session
    editor = Editor(image, blots.start(image).session, who="Ada", clock=lambda: "2026-01-02T03:04:05Z")
    editor.do([Change("image", "polarity", "bright", "dark")], "polarity")
    editor.find_again(find_again(editor.image, editor.session, "strips"))
    editor.measure_now()
    kept = editor.save()
    assert len(editor.layout.lanes) == len(session.layout.lanes)
    assert measured(kept, tmp_path / "out").decode() == table_to_csv(editor.table)
    assert np.array_equal(image_layer(kept)[0], editor.image.signal())


def test_the_settings_name_the_polarity_of_a_picture(tmp_path: Path) -> None:
    path = link(PICTURES[1], tmp_path)
    settings = Settings(polarity="dark")
    blot = blots.open_blot(path, settings)
    assert blot.session.polarity == blot.image.polarity == "dark"
    assert blot.session.layout_auto == find(open_picture(path, settings), settings)
    save_session(blot.session, tmp_path / "other.blot.json")
    assert blots.open_blot(tmp_path / "other.blot.json").image.polarity == "dark"


@pytest.mark.parametrize("path", PLUGIN, ids=lambda p: p.name)
def test_the_plugin_has_no_way_of_its_own_to_find_or_read(path: Path) -> None:
    ways = [name for name in imported(path) if any(f"{name}.".startswith(f"{way}.") for way in OWN_WAYS)]
    assert ways == []

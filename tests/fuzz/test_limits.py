"""Hostile and broken files behind every door: bombs, files without end, links, numbers that are none, entities."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import tifffile
from harness import doors
from originals import session

from blotquant.errors import BlotQuantError, SessionError, SheetError
from blotquant.experiment.read import read_experiment
from blotquant.experiment.sheets import read_csv_sheet, read_workbook
from blotquant.io import atomic_write, read_image, read_table
from blotquant.io.files import parse_toml
from blotquant.runs.manifest import InputRecord, Manifest, manifest_text, read_manifest
from blotquant.runs.pictures import find_inputs
from blotquant.runs.verify import verify_folder
from blotquant.session.image_reference import find_image
from blotquant.session.session import load_session, parse_session
from blotquant.settings import Settings, load_settings
from blotquant.tables import BAND_COLUMNS

DOORS = ("pictures", "session", "experiment", "workbook", "samples", "sheet", "settings", "table", "manifest")


@pytest.fixture
def door(request, tmp_path):
    return next(door for door in doors(folder=tmp_path) if door.name == request.param)


def place_of(door, tmp_path: Path) -> Path:
    path = tmp_path / next(iter(door.originals))
    path.unlink(missing_ok=True)
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in the file system are POSIX")
@pytest.mark.parametrize("door", DOORS, indirect=True)
def test_a_pipe_is_refused_and_not_waited_for(door, tmp_path: Path) -> None:
    path = place_of(door, tmp_path)
    os.mkfifo(path)
    with pytest.raises(BlotQuantError, match=r"not a file|cannot be read|no such file|not a readable"):
        door.open(path)


@pytest.mark.parametrize("door", [name for name in DOORS if name != "pictures"], indirect=True)
def test_a_file_without_end_is_refused(door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("session.session", "runs.manifest", "experiment.read", "experiment.sheets", "settings", "io.files"):
        monkeypatch.setattr(sys.modules[f"blotquant.{module}"], "MAX_BYTES", 5000)
    path = place_of(door, tmp_path)
    path.write_bytes(b" " * 5001)
    with pytest.raises(BlotQuantError, match="larger than 5,000 bytes"):
        door.open(path)


def test_an_endless_picture_is_refused_by_its_size(tmp_path: Path) -> None:
    with (tmp_path / "a.tif").open("wb") as stream:
        stream.write(b"II*\0")
        stream.truncate(1 << 40)  # no byte of it stands on the disk
    with pytest.raises(BlotQuantError, match=r"larger than [\d,]+ bytes; if that is right, raise max_pixels"):
        read_image(tmp_path / "a.tif", max_pixels=1000)


def test_the_pixel_limit_can_be_raised_where_it_is_right(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.arange(12000, dtype="u2").reshape(100, 120))
    with pytest.raises(BlotQuantError, match="120 × 100 pixels, more than the limit of 11,999"):
        read_image(tmp_path / "a.tif", max_pixels=11_999)
    assert read_image(tmp_path / "a.tif", max_pixels=12_000).shape == (100, 120)
    assert Settings.from_toml("max_pixels = 12000").max_pixels == 12_000


# links


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_links_in_place_of_results_are_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "bands.csv").symlink_to(tmp_path / "mine.txt")
    atomic_write(tmp_path / "bands.csv", "new")
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert not (tmp_path / "bands.csv").is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_links_in_a_folder_of_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", np.ones((9, 9), "u2"))
    (folder / "round").symlink_to(folder)
    (folder / "b.tif").symlink_to(folder / "a.tif")
    (folder / "gone.tif").symlink_to(folder / "nowhere.tif")
    names = [item.name for item in find_inputs([folder])]
    assert len(names) == len(set(names)) <= 3
    assert "a.tif" in names
    with pytest.raises(BlotQuantError, match=r"gone\.tif: cannot be opened \(No such file"):
        read_image(folder / "gone.tif")


# zips


def test_a_name_in_a_zip_that_claims_to_be_small(tmp_path: Path) -> None:
    """The sizes that a zip states are believed by nobody: what comes out is counted."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("700.tif", bytes(5_000_000))
    data = stream.getvalue().replace((5_000_000).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(BlotQuantError, match=r"^a\.zip: [^\n]+$"):
        read_image(tmp_path / "a.zip", max_pixels=1000)


def workbook(**parts: bytes) -> bytes:
    """A workbook with some parts replaced; names without folder and ending."""
    book, made = openpyxl.Workbook(), io.BytesIO()
    book.active.title = "samples"
    book.active.append(["blot", "lane"])
    book.save(made)
    changed = io.BytesIO()
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, parts.pop(Path(name).stem, old.read(name)))
        for name, data in parts.items():
            new.writestr(f"xl/{name}.xml", data)
    return changed.getvalue()


SHEET = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s</sheetData></worksheet>'
ENTITIES = b'<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]>'


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"sheet1": SHEET % (b" " * (33 << 20))}, r"unpacks to 34,6[\d,]+ bytes, more than any sample sheet"),
        ({"sheet1": SHEET % (b"<row/>" * 1_500_001)}, "holds more cells or texts than a thousand blots need"),
        ({"sharedStrings": b"<sst>" + b"<si/>" * 100_001 + b"</sst>"}, "holds more cells or texts"),
        ({"sheet1": SHEET % ((b"<row>" + b"<c><v>1</v></c>" * 500 + b"</row>") * 401)}, "more than 200,000 cells"),
        ({"styles": b"<a>" + b" " * (1 << 20) + b"</a>"}, "its part xl/styles.xml unpacks to 1,048,583 bytes"),
        ({"sheet1": ENTITIES + SHEET % b'<row><c t="inlineStr"><is><t>&d;</t></is></c></row>'}, "not a readable .xlsx"),
    ],
    ids=["size", "tags", "texts", "cells", "styles", "entities"],
)
def test_workbooks_that_unfold(tmp_path: Path, parts: dict[str, bytes], message: str) -> None:
    (tmp_path / "a.xlsx").write_bytes(workbook(**parts))
    with pytest.raises(SheetError, match=rf"^a\.xlsx: [^\n]*{message}[^\n]*$"):
        read_workbook(tmp_path / "a.xlsx")


def test_zeros_are_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["a", "b"], [0, None], [None, 0.0], [None, None], [False, None]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    [sheet] = read_workbook(tmp_path / "a.xlsx").values()
    assert [list(cells.values()) for cells in sheet.rows.values()] == [["0", ""], ["", "0"], ["false", ""]]
    assert list(sheet.rows) == ["row 2", "row 3", "row 5"]


# numbers that are none


@pytest.mark.parametrize("wrong", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_are_none_in_the_record(tmp_path: Path, wrong: str) -> None:
    text = session().decode()
    for right in ("12.0", "0.1", 'min_snr": 5.0', "24, 40"):
        assert right in text
        bad = text.replace(right, right[: right.rfind(" ") + 1] + wrong, 1)
        with pytest.raises(SessionError, match=r"^session: damaged[^\n]+$"):
            parse_session(bad)
    manifest = {"schema_version": 1, "command": "run", "settings": {"a": 1}, "versions": {}, "inputs": [], "units": []}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest).replace('"a": 1', f'"a": {wrong}'))
    with pytest.raises(SessionError, match=r"^manifest\.json: damaged"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("wrong", ["nan", "inf", "-inf", "1e999"])
def test_numbers_that_are_none_in_what_a_person_writes(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(SheetError, match=r"detection\.min_snr: "):
        Settings.from_toml(f"[detection]\nmin_snr = {wrong}")
    (tmp_path / "a.tif").touch()
    (tmp_path / "samples.csv").write_text(f"blot,lane,condition,load_ug\n1,1,a,{wrong}\n")
    entry = f'[[images]]\nfile = "a.tif"\nblot = 1\nprobe = "x"\nexposure_s = {wrong}\n'
    (tmp_path / "experiment.toml").write_text(f'samples = "samples.csv"\n{entry}[targets.x]\nmw_kda = [44, {wrong}]\n')
    with pytest.raises(SheetError) as caught:
        read_experiment(tmp_path)
    for place in ("exposure_s", "mw_kda", "load_ug"):
        assert place in str(caught.value)


def test_nesting_without_end(tmp_path: Path) -> None:
    for text in ("[" * 100_000, '{"a":' * 100_000):
        with pytest.raises(SessionError, match="damaged, not valid JSON"):
            parse_session(text)
    (tmp_path / "a.toml").write_text("a = " + "[" * 100_000)
    with pytest.raises(SheetError, match=r"a\.toml: not valid TOML"):
        load_settings(tmp_path / "a.toml")
    with pytest.raises(SheetError, match="not valid TOML"):
        read_experiment(tmp_path / "a.toml")


def test_digits_without_end(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="damaged"):
        parse_session('{"schema_version": ' + "9" * 100_000 + "}")
    (tmp_path / "s.csv").write_text("blot,lane\n1," + "9" * 100_000 + "\n")
    assert len(read_csv_sheet(tmp_path / "s.csv").rows) == 1
    (tmp_path / "t.csv").write_text("lane\n" + "9" * 100_000 + "\n")
    with pytest.raises(SheetError, match=r"t\.csv: column lane"):
        read_table(tmp_path / "t.csv", {"lane": BAND_COLUMNS["lane"]})


def test_a_session_is_whole_before_it_is_believed(tmp_path: Path) -> None:
    """Whatever load_session lets through can be checked, replayed and written again."""
    (tmp_path / "a.blot.json").write_bytes(session())
    loaded = load_session(tmp_path / "a.blot.json")
    assert loaded.history.verify_chain() == ()
    assert len(loaded.layout.bands) == 1


# names that no file system takes

TOO_LONG = ("n" * 300 + ".tif", "n" * 300 + "/a.tif", "/".join(["n" * 260] * 4) + ".tif")


@pytest.mark.parametrize("name", TOO_LONG, ids=["name", "folder", "path"])
def test_names_that_no_file_system_takes_are_names_of_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "samples.csv").write_text("blot,lane,condition\n1,1,a\n")
    entry = f'[[images]]\nfile = "{name}"\nblot = 1\nprobe = "x"\n'
    (tmp_path / "experiment.toml").write_text('samples = "samples.csv"\n' + entry)
    with pytest.raises(SheetError, match="is not there"):
        read_experiment(tmp_path)
    (tmp_path / "experiment.toml").write_text(f'samples = "{name}"\n' + entry)
    with pytest.raises(SheetError, match="cannot be read"):
        read_experiment(tmp_path)
    with pytest.raises(BlotQuantError, match="no such file"):
        find_inputs([name])
    with pytest.raises(SheetError, match="there is no such file"):
        read_experiment(name)
    lost = parse_session(session().decode().replace("../a.tif", name))
    with pytest.raises(SessionError, match="of this session is not at"):
        find_image(lost.image, tmp_path / "nowhere")


def test_a_manifest_of_names_that_no_file_system_takes(tmp_path: Path) -> None:
    inputs = tuple(InputRecord(role="picture", name=n, path=n, sha256="0" * 64) for n in TOO_LONG)
    outputs = {name + ".blot.json": "0" * 64 for name in TOO_LONG}
    made = Manifest(command="measure", settings={}, versions={}, inputs=inputs, units=(), outputs=outputs)
    (tmp_path / "manifest.json").write_text(manifest_text(made))
    found = verify_folder(tmp_path).differences
    # Each name as an original and as a session, and the two tables that any `measure` gives.
    assert sum("missing" in finding.what for finding in found) == 8


def test_parse_toml_bounds_what_a_dotted_key_takes() -> None:
    with pytest.raises(ValueError, match=r"more than 200 full stops in one line \(at line 2\)"):
        parse_toml("a = 1\n" + ".".join("a" * 60_000) + " = 1")
    with pytest.raises(ValueError, match="larger than 1,048,576 characters"):
        parse_toml("a = 1\n" + "#" * (1 << 20))
    assert parse_toml("# " + "." * 500 + "\na.b = 1.5") == {"a": {"b": 1.5}}

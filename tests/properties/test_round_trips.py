"""Whatever is written comes back as it was: pictures, settings, experiments as TOML and workbook, sheets, manifests."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import tifffile
import tomlkit
from drawn import models, words
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from quantity_one_file import scan_1sc

from blotquant.experiment.design import Comparison, ImageEntry, Ratio, TargetEntry
from blotquant.experiment.read import read_experiment
from blotquant.experiment.sheets import read_csv_sheet
from blotquant.io import read_image
from blotquant.model.geometry import ROLES
from blotquant.runs.manifest import InputRecord, Manifest, UnitRecord, manifest_text, read_manifest
from blotquant.runs.store import Part, Store
from blotquant.settings import Settings

quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


# pictures

pixels = st.sampled_from(["u1", "u2", "u4", "i2", "i4", "f4", "f8"]).flatmap(
    lambda kind: arrays.arrays(kind, st.tuples(st.integers(2, 40), st.integers(2, 40)), elements=arrays.from_dtype(
        np.dtype(kind), allow_nan=False, allow_infinity=False,
        **({"min_value": -(2.0**99), "max_value": 2.0**99} if kind[0] == "f" else {})))
)  # fmt: skip
layouts = st.fixed_dictionaries(
    {
        "byteorder": st.sampled_from(["<", ">"]),
        "bigtiff": st.booleans(),
        "photometric": st.sampled_from(["minisblack", "miniswhite"]),
        "compression": st.sampled_from([None, "zlib", "lzw", "packbits", "zstd"]),
        "resolution": st.tuples(st.integers(100, 1200)).map(lambda dpi: dpi * 2),
    },
    optional={"tile": st.sampled_from([(16, 16), (32, 48)]), "rowsperstrip": st.integers(1, 50)},
)


@quick
@given(pixels, layouts, st.floats(0.001, 5000), st.integers(0, 2))
def test_read_image_a_tiff_of_any_making(
    picture: np.ndarray, how: dict[str, object], seconds: float, page: int
) -> None:
    how = dict(how)
    if "tile" in how:
        how.pop("rowsperstrip", None)
    kind = {name: how.pop(name) for name in ("byteorder", "bigtiff")}
    with folder() as place:
        with tifffile.TiffWriter(place / "a.tif", **kind) as tiff:
            for number in range(3):
                told = f"Exposure time = {seconds * (number + 1):.6g} s"
                tiff.write(picture if number == page else picture[::-1], description=told, metadata=None, **how)
        image = read_image(place / "a.tif", page=page, polarity="bright")
    np.testing.assert_array_equal(image.pixels, picture)
    assert (image.pixels.dtype, image.page, image.photometric) == (picture.dtype, page, how["photometric"])
    assert image.exposure_s == pytest.approx(seconds * (page + 1), rel=1e-5)
    assert image.pixel_size_um == pytest.approx(25400 / how["resolution"][0], rel=1e-5)


@quick
@given(pixels, st.sampled_from(["little", "big"]))
def test_read_image_a_vendors_file_of_any_content(picture: np.ndarray, order: str) -> None:
    counts = np.abs(picture.astype("f8")).clip(0, 65535).astype("u2")
    mark = "<" if order == "little" else ">"
    rows, cols = counts.shape
    xml = f'<root><endian>{order}</endian><size_pix width="{cols}" height="{rows}"/></root>'
    raw = counts.astype(f"{mark}u2").tobytes()
    head = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="c"\r\n\r\n'
    data = b"Content-Type: a/b\r\nContent-Description: ImageData\r\nContent-Length: %d\r\n\r\n" % len(raw)
    text = b"Content-Type: text/xml\r\nContent-Description: ImageHeader\r\n\r\n" + xml.encode()
    licor = io.BytesIO()
    with zipfile.ZipFile(licor, "w") as archive:
        stream = io.BytesIO()
        tifffile.imwrite(stream, counts, byteorder=mark, photometric="minisblack")
        archive.writestr("700.tif", stream.getvalue())
    files = {
        "a.scn": head + b"--c\r\n" + data + raw + b"\r\n--c\r\n" + text + b"\r\n--c--\r\n",
        "a.1sc": scan_1sc(counts, order=mark),
        "a.zip": licor.getvalue(),
    }
    with folder() as place:
        for name, content in files.items():
            (place / name).write_bytes(content)
            np.testing.assert_array_equal(read_image(place / name, polarity="bright").pixels, counts, err_msg=name)


# settings


@quick
@given(models(Settings))
def test_settings_as_toml_and_as_dotted_names(value: Settings) -> None:
    assert Settings.from_toml(value.to_toml()) == value
    assert Settings.from_flat(value.flat()) == value
    assert Settings.from_flat(json.loads(json.dumps(value.flat()))) == value


# experiments


def cell(text: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Text as a sheet can hold it: blanks around it and control characters do not survive any editor."""
    return text.map(lambda t: "".join(c for c in t if c.isprintable()).strip(" '=@+-\t")).filter(bool)


name = cell(words()).map(lambda t: f"n{t}")


@st.composite
def experiments(draw: st.DrawFn) -> tuple[dict[str, object], list[list[str]], list[str]]:
    """The content of an experiment file, its sample sheet, and the names of its pictures."""
    probes = draw(st.lists(name.filter(lambda t: not set(t) & set(";,\n")), min_size=2, max_size=3, unique=True))
    probes = [*{p.lower(): p for p in probes}.values(), "other one"]
    blots = draw(st.lists(st.integers(1, 99).map(str), min_size=1, max_size=2, unique=True))
    images = []
    for blot in blots:
        for number, probe in enumerate(probes):
            entry = short(draw(models(ImageEntry)).model_dump(exclude_none=True, exclude={"at", "ladder_image"}))
            file = f"b{blot}_{number}.tif"
            entry |= {"file": file, "blot": blot, "probe": probe}
            entry["membrane"] = draw(st.sampled_from([f"{blot}a", f"{blot}b"]))
            entry["channel"] = draw(st.sampled_from(["red", "green"]))
            images.append(entry)
    conditions = draw(st.lists(name, min_size=2, max_size=3, unique=True))
    extra = draw(st.lists(name.map(lambda t: "x " + t), max_size=2, unique_by=str.lower))
    header = ["blot", "lane", "sample", "condition", "role", "load_ug", "replicate", *extra]
    rows = [header]
    for blot in blots:
        for lane in range(1, draw(st.integers(1, 4)) + 1):
            load = draw(st.sampled_from(["", "20", "0.125"]))
            more = [draw(name | st.just("")) for _ in extra]
            role = "standard" if lane == 1 else draw(st.sampled_from(ROLES))
            rows.append([blot, str(lane), draw(name), draw(st.sampled_from(conditions)), role, load, f"r{blot}", *more])
    used = [row[3] for row in rows[1:] if row[4] in ("sample", "standard")]
    content = {
        "name": draw(name),
        "samples": "samples.csv",
        "ladder": draw(st.sampled_from(["Precision Plus", [250.0, 100.5, 20.0]])),
        "images": images,
        "targets": {probe: draw(targets) for probe in probes},
        "ratios": [{"name": "r/1", "numerator": probes[0], "denominator": probes[1:], "loading": [probes[1]]}],
        # Factors are columns of the sheet; their own tests draw them.
        "compare": short(draw(models(Comparison)).model_dump(exclude_none=True, exclude={"factors"}))
        | {"reference": used[0]},
    }
    return content, rows, [str(entry["file"]) for entry in images]


def short(value: dict[str, object]) -> dict[str, object]:
    """Numbers with the digits that a workbook's writer keeps."""
    return {key: float(f"{part:.12g}") if isinstance(part, float) else part for key, part in value.items()}


kda = st.lists(st.floats(1, 900).map(lambda v: round(v, 3)), min_size=1, max_size=2)
targets = st.fixed_dictionaries({"row": st.integers(1, 9), "stain": st.booleans()}, optional={"mw_kda": kda})


def written(place: Path, content: dict[str, object], rows: list[list[str]], files: list[str]) -> None:
    for file in files:
        (place / file).touch()
    (place / "experiment.toml").write_text(tomlkit.dumps(content), encoding="utf-8")
    with (place / "samples.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    book = openpyxl.Workbook()
    book.remove(book.active)
    lists = {"images": content["images"], "ratios": content["ratios"]}
    lists["targets"] = [{"target": key, **value} for key, value in content["targets"].items()]
    for title, records in lists.items():
        columns = list(dict.fromkeys(key for record in records for key in record))
        book.create_sheet(title).append(columns)
        for record in records:
            book[title].append([as_cell(record.get(column)) for column in columns])
    for title in ("experiment", "compare"):
        pairs = content["compare"] if title == "compare" else {key: content[key] for key in ("name", "ladder")}
        book.create_sheet(title).append(["key", "value"])
        for key, value in pairs.items():
            book[title].append([key, as_cell(value)])
    sheet = book.create_sheet("samples")
    for row in rows:
        sheet.append(row)
    book.save(place / "experiment.xlsx")


def as_cell(value: object) -> object:
    """A value as a person types it into a cell; lists with semicolons."""
    return "; ".join(map(str, value)) + ";" if isinstance(value, list) else value


@quick
@given(experiments())
def test_target_entry_an_experiment_reads_the_same_from_toml_and_workbook(drawn: tuple) -> None:
    content, rows, files = drawn
    with folder() as place:
        written(place, content, rows, files)
        one = read_experiment(place / "experiment.toml")
        other = read_experiment(place / "experiment.xlsx")
    assert [image.model_dump(exclude_none=True) for image in one.images] == content["images"]
    assert one.targets == {key: TargetEntry.model_validate(value) for key, value in content["targets"].items()}
    assert {name for value in content["targets"].values() for name in value} <= TargetEntry.model_fields.keys()
    assert one.ratios == tuple(Ratio.model_validate(ratio) for ratio in content["ratios"])
    assert one.compare == Comparison.model_validate(content["compare"])
    assert one.name == content["name"]
    sheet = [[("" if pd.isna(c) else f"{c:g}" if isinstance(c, float) else str(c)) for c in row]
             for row in one.samples[rows[0]].to_numpy()]  # fmt: skip
    assert sheet == rows[1:]
    assert (other.images, other.targets, other.ratios) == (one.images, one.targets, one.ratios)
    assert (other.name, other.ladder, other.compare) == (one.name, one.ladder, one.compare)
    assert other.extra_columns == one.extra_columns
    pd.testing.assert_frame_equal(other.samples, one.samples)


cells = cell(words()) | st.just("")


@quick
@given(
    st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=5),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_read_csv_sheet_a_sheet_in_any_dialect(rows: list[list[str]], delimiter: str, encoding: str, end: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([["blot", "lane"], *rows])
    with folder() as place:
        (place / "s.csv").write_bytes(text.getvalue().encode(encoding))
        sheet = read_csv_sheet(place / "s.csv")
    assert sheet.columns == ("blot", "lane")
    assert [[cells["blot"], cells["lane"]] for cells in sheet.rows.values()] == [row for row in rows if any(row)]


# the record

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
texts = st.dictionaries(text, text, max_size=3)
manifests = st.builds(
    Manifest,
    command=st.sampled_from(["measure", "run"]),
    settings=models(Settings).map(Settings.flat),
    versions=texts,
    inputs=st.lists(
        st.builds(
            InputRecord,
            role=st.sampled_from(["experiment", "samples", "picture", "session", "picture of session"]),
            name=text,
            path=text,
            sha256=text,
        ),
        max_size=3,
    ).map(tuple),
    units=st.lists(st.builds(UnitRecord, name=text, failed=st.booleans()), max_size=3).map(tuple),
    outputs=texts,
)


@quick
@given(manifests)
def test_manifest_text_a_manifest(value: Manifest) -> None:
    with folder() as place:
        (place / "manifest.json").write_text(manifest_text(value), encoding="utf-8", newline="")
        assert read_manifest(place) == value


scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text
)


@quick
@given(
    text,
    text,
    st.dictionaries(text, st.lists(st.dictionaries(text, scalars, max_size=3), max_size=3), max_size=3),
    texts,
    st.dictionaries(text, scalars | st.lists(scalars, max_size=3), max_size=3),
)
def test_part_a_part(key: str, mark: str, tables: dict, figures: dict, summary: dict) -> None:
    part = Part(key=key, fingerprint=mark, tables=tables, figures=figures, summary=summary)
    drawn = {f.name for f in fields(Part)} - {"sessions", "error"}
    assert drawn == {"key", "fingerprint", "tables", "figures", "summary"}
    with folder() as place:
        Store(place).save(part)
        assert Store(place).load(key, fingerprint=mark) == part

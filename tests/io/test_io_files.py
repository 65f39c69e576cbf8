"""Atomic writes, tables and checksums."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from blotquant.errors import OutputError, SheetError
from blotquant.io import atomic_write, read_table, sha256_of, write_table
from blotquant.tables import BAND_COLUMNS, RATIO_COLUMNS, make_table


def test_atomic_write_replaces_whole_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.txt"
    atomic_write(target, "first ≥\n")
    atomic_write(target, b"second\n")
    assert target.read_bytes() == b"second\n"
    assert [p.name for p in target.parent.iterdir()] == ["a.txt"]


def test_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.txt"
    atomic_write(target, "old")

    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(No space left on device\)"):
        atomic_write(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_atomic_write_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("not a folder")
    with pytest.raises(OutputError, match=r"cannot be written .*choose another output folder"):
        atomic_write(tmp_path / "out" / "a.csv", "x")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_atomic_write_unwritable_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        atomic_write(tmp_path / "a.csv", "x")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_mode_follows_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        atomic_write(tmp_path / "a.csv", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o640


def test_atomic_write_names_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    atomic_write(tmp_path / ("n" * 251 + ".csv"), "x")
    assert len(list(tmp_path.iterdir())) == 1


def test_table_round_trip_is_exact(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2**63, size=200, dtype=np.int64).view(np.float64)
    volumes = bits[np.isfinite(bits)]
    rows = [{"image": 'a "b",\nc', "lane": k, "volume": v, "flags": "hollow;below_lod"} for k, v in enumerate(volumes)]
    frame = make_table([*rows, {"image": "NA", "target": "nan", "volume": 0.1 + 0.2}], BAND_COLUMNS)
    write_table(frame, tmp_path / "bands.csv")
    again = read_table(tmp_path / "bands.csv", BAND_COLUMNS)
    pd.testing.assert_frame_equal(again, frame, check_exact=True)
    assert b"\r" not in (tmp_path / "bands.csv").read_bytes()
    assert b"0.30000000000000004" in (tmp_path / "bands.csv").read_bytes()


def test_write_table_empty_table_and_booleans_round_trip(tmp_path: Path) -> None:
    for rows in ([], [{"included": True}, {"included": False}, {"reason": "weak"}]):
        frame = make_table(rows, RATIO_COLUMNS)
        write_table(frame, tmp_path / "t.csv")
        pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv", RATIO_COLUMNS), frame, check_exact=True)


def test_write_table_further_columns_stay_text(tmp_path: Path) -> None:
    frame = make_table([{"image": "a", "batch": "007"}], BAND_COLUMNS)
    write_table(frame, tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv", BAND_COLUMNS)["batch"].tolist() == ["007"]


def test_missing_column_and_wrong_cell_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image,lane\nx,1\n")
    with pytest.raises(SheetError, match=r"column\(s\) missing: strip, band"):
        read_table(tmp_path / "a.csv", BAND_COLUMNS)
    columns = {"lane": BAND_COLUMNS["lane"]}
    (tmp_path / "a.csv").write_text("lane\nfirst\n")
    with pytest.raises(SheetError, match=r"column lane: .*'first' is not a value of type Int64"):
        read_table(tmp_path / "a.csv", columns)
    with pytest.raises(SheetError, match="not a readable table"):
        read_table(tmp_path / "none.csv", columns)


def test_sha256_of_sha256(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "f").write_bytes(data)
    assert sha256_of(tmp_path / "f") == hashlib.sha256(data).hexdigest()

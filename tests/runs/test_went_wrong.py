"""What docs/reference/what-can-go-wrong.md says and no other test shows; and that each line's test is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tifffile

from blotquant.errors import OutputError
from blotquant.runs.folder import measure_folder
from blotquant.runs.pictures import find_inputs
from blotquant.synthetic import make_blot, plain_spec

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "what-can-go-wrong.md"


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "in" / "a.tif"
    path.parent.mkdir()
    spec = plain_spec([[40_000, 25_000, 60_000, 30_000]], shape=(110, 180))
    tifffile.imwrite(path, make_blot(spec, seed=3).pixels)
    return path


def test_what_can_go_wrong_every_line_of_the_table_names_a_test_that_exists():
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    rows = [line for line in rows if not line.startswith("| what happens")]
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"`((?:tests|tools)/[^`]+)`", row.rsplit("|", 2)[1])
        assert named or "the same" in row, row
        for name in named:
            file, *parts = name.split("::")
            source = (ROOT / file).read_text(encoding="utf-8")
            assert all(re.search(rf"^\s*(?:def|class) {part}\b", source, re.MULTILINE) for part in parts), name


def test_publish_names_a_file_that_cannot_be_replaced(picture, tmp_path, monkeypatch):
    out = tmp_path / "out"
    measure_folder(find_inputs([picture]), out)
    before = (out / "bands.csv").read_bytes()
    replace = Path.replace

    def locked(self, target):
        if Path(target) == out / "bands.csv":
            raise PermissionError(13, "Permission denied")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", locked)
    with pytest.raises(OutputError, match=r"bands\.csv: cannot be written \(Permission denied\); close it where it is"):
        measure_folder(find_inputs([picture]), out)
    monkeypatch.undo()
    assert (out / "bands.csv").read_bytes() == before
    assert measure_folder(find_inputs([picture]), out).failures == {}


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors of POSIX")
@pytest.mark.parametrize("closed", [(2,), (1, 2), (0, 1, 2)])
def test_main_works_with_closed_streams(picture, tmp_path, closed):
    def close():
        for descriptor in closed:
            os.close(descriptor)

    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    command = [sys.executable, "-m", "blotquant", "measure", str(picture), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, preexec_fn=close, env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == 0
    assert (tmp_path / "out" / "manifest.json").read_text().startswith("{")
    assert len((tmp_path / "out" / "bands.csv").read_text().splitlines()) == 5

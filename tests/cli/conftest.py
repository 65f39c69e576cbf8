"""Small synthetic pictures on disk, and the command line called in this process."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import tifffile

from blotquant.cli import main
from blotquant.synthetic import make_blot, plain_spec


@dataclass
class Called:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def blotquant(capsys):
    def call(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def pixels():
    volumes = [[40_000, 25_000, 60_000, 15_000, 30_000, 45_000], [30_000] * 6]
    return make_blot(plain_spec(volumes), seed=3).pixels


@pytest.fixture
def picture(tmp_path, pixels):
    path = tmp_path / "in" / "blot.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, pixels)
    return path


@pytest.fixture
def bad_pictures(tmp_path, pixels):
    folder = tmp_path / "bad"
    folder.mkdir()
    tifffile.imwrite(folder / "a_good.tif", pixels)
    (folder / "b_text.tif").write_text("lane 1 looks great")
    (folder / "c_cut.tif").write_bytes((folder / "a_good.tif").read_bytes()[:3000])
    (folder / "d_empty.tif").write_bytes(b"")
    tifffile.imwrite(folder / "e_blank.tif", np.full((120, 160), 500, np.uint16))
    tifffile.imwrite(folder / "f_white.tif", np.full((120, 160), 65535, np.uint16))
    floats = pixels.astype(np.float32)
    floats[5:9, 5:9] = np.nan
    tifffile.imwrite(folder / "g_nan.tif", floats)
    tifffile.imwrite(folder / "h_tiny.tif", np.arange(9, dtype=np.uint16).reshape(3, 3))
    tifffile.imwrite(folder / "z_good.tif", pixels)
    return folder

"""A folder full of links, pipes, devices, giants and names in three encodings: every picture in it is measured."""

import os
import sys

import pytest
import tifffile

from blotquant.runs.corrections import read_sessions
from blotquant.runs.folder import Workers, measure_folder
from blotquant.runs.inputs import find_inputs
from blotquant.runs.verify import verify_folder
from blotquant.session.edits import delete_band
from blotquant.session.session import load_session, save_session
from blotquant.synthetic import make_blot, plain_spec

pytestmark = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="names of bytes, pipes and devices of Linux"
)

PIXELS = make_blot(plain_spec([[40_000, 25_000, 60_000, 30_000]], shape=(110, 180)), seed=3).pixels
LATIN, SHIFT_JIS = b"bl\xe9t.tif", "ウェスタン.tif".encode("shift_jis")
NFC, NFD = "é.tif".encode(), "e\u0301.tif".encode()


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for k, name in enumerate((b"plain.tif", LATIN, SHIFT_JIS, NFC, NFD, b"sub/line\nbreak.tif", b"sub/\x1b[2J.tif")):
        tifffile.imwrite(os.fsdecode(os.fsencode(folder) + b"/" + name), PIXELS[: 100 + k])
    os.mkfifo(folder / "pipe.tif")
    (folder / "endless.tif").symlink_to("/dev/zero")
    (folder / "nothing.tif").symlink_to("nowhere")
    (folder / "itself.tif").symlink_to("itself.tif")
    (folder / "linked.tif").symlink_to("plain.tif")
    (folder / "sub" / "up").symlink_to("..")
    for name in ("sparse.tif", "sparse.zip"):
        with (folder / name).open("wb") as stream:
            stream.truncate(1 << 40)
    return folder


def test_measure_folder_measures_every_picture_of_a_hostile_tree(tree, tmp_path, capsys):
    out, one = tmp_path / "out", Workers(progress="none")
    result = measure_folder(find_inputs([tree]), out, workers=one)
    assert sorted(result.failures) == ["sparse.tif", "sparse.zip"]
    assert all("larger than 3,200,000,000 bytes" in line for line in result.failures.values())
    names = [unit["pictures"][0]["image"] for unit in result.units]
    assert len(names) == len(set(names)) == 8
    assert r"bl\xe9t.tif" in names
    said = capsys.readouterr().err
    assert f"left out, a link to a folder; name it to have its pictures measured: {tree}/sub/up" in said
    for name in ("endless", "itself", "nothing", "pipe"):
        assert f"{tree}/{name}.tif" in said
    assert len(list((out / "sessions").iterdir())) == 8
    assert verify_folder(out).equal
    again = measure_folder(find_inputs([tree]), out, workers=Workers(progress="none", resume=True))
    assert again.n_kept == 8


def test_corrections_of_a_picture_whose_name_is_no_text_are_kept(tree, tmp_path):
    out, one = tmp_path / "out", Workers(progress="none")
    picture = os.fsdecode(os.fsencode(tree) + b"/" + LATIN)
    measure_folder(find_inputs([picture]), out, workers=one)
    (path,) = (out / "sessions").iterdir()
    session = load_session(path)
    changes = delete_band(session.layout, session.layout.bands[0].id)
    save_session(session.edit(changes, action="delete", who="Ada", when="2026-01-02T03:04:05Z"), path)
    measure_folder(find_inputs([tree]), out, workers=one)
    (corrected,) = read_sessions(out / "sessions")[0].values()
    assert corrected.picture == r"bl\xe9t.tif"
    assert measure_folder(find_inputs([path]), tmp_path / "by session", workers=one).failures == {}

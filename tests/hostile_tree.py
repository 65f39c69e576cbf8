"""A folder full of links, pipes, devices, giants and names in three encodings."""

import os
from pathlib import Path

import tifffile

from blotquant.synthetic import make_blot, plain_spec

LATIN, SHIFT_JIS = b"bl\xe9t.tif", "ウェスタン.tif".encode("shift_jis")
NFC, NFD = "é.tif".encode(), "e\u0301.tif".encode()


def write_hostile_tree(folder: Path) -> Path:
    """Write eight pictures, one of them reached by a link too, among what is none."""
    pixels = make_blot(plain_spec([[40_000, 25_000, 60_000, 30_000]], shape=(110, 180)), seed=3).pixels
    (folder / "sub").mkdir(parents=True)
    for k, name in enumerate((b"plain.tif", LATIN, SHIFT_JIS, NFC, NFD, b"sub/line\nbreak.tif", b"sub/\x1b[2J.tif")):
        tifffile.imwrite(os.fsdecode(os.fsencode(folder) + b"/" + name), pixels[: 100 + k])
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

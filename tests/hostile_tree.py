"""A folder full of links, pipes, devices, giants and names in three encodings."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
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
    if Path("/proc/kmsg").exists():  # a plain file of no size to the system; who reads it waits for ever
        (folder / "kernel.tif").symlink_to("/proc/kmsg")
    (folder / "sub" / "up").symlink_to("..")
    for name in ("sparse.tif", "sparse.zip"):
        with (folder / name).open("wb") as stream:
            stream.truncate(1 << 40)
    return folder


BEGINNINGS = {"tif": b"II*\0\x08\0\0\0", "zip": b"PK\3\4", "png": b"\x89PNG\r\n\x1a\n", "1sc": b"\xaf\xaf"}
TOML = {
    "dotted": "a" + ".a" * 60_000 + " = 1\n",
    "nested": "x = " + "[" * 400_000 + "]" * 400_000 + "\n",
    "tables": "".join(f"[a{k}]\nb = 1\n" for k in range(60_000)),
    "images": "[[images]]\nfile = 'a.tif'\nblot = 1\nprobe = 'p'\n" * 20_000,
    "missing": "".join(f"[[images]]\nfile = 'a{k}.tif'\nblot = {k}\nprobe = 'p'\n" for k in range(20_000)),
}
"""Text of experiment files that are cheap to write and were dear to read."""


def write_giants(folder: Path) -> list[Path]:
    """Write files that are large, or claim to be: sparse ones of 1 GB, a zip bomb, the largest pictures allowed."""
    folder.mkdir()
    for ending, start in BEGINNINGS.items():
        with (folder / f"sparse.{ending}").open("wb") as stream:
            stream.write(start)
            stream.truncate(999_000_000)
    with (
        zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("700.tif", "w") as part,
    ):
        for _ in range(1500):
            part.write(bytes(1 << 20))
    rng = np.random.default_rng(1)
    tifffile.imwrite(folder / "double.tif", rng.normal(1000, 30, (4400, 4500)))
    tifffile.imwrite(folder / "single.tif", rng.normal(1000, 30, (6200, 6300)).astype(np.float32))
    colours = np.tile(rng.integers(0, 5000, (600, 600, 3)).astype(np.uint16), (10, 10, 1))
    tifffile.imwrite(folder / "colour.tif", colours, photometric="rgb", compression="zlib", rowsperstrip=100)
    counts = np.tile(rng.integers(0, 5000, (700, 1400)).astype(np.uint16), (20, 10))
    tifffile.imwrite(folder / "largest.tif", counts, compression="zlib", rowsperstrip=200)
    return sorted(folder.iterdir())


def change_session(text: str, kind: str) -> str:
    """A session with far too much in it."""
    data = json.loads(text)
    lane, band = data["layout_auto"]["lanes"][0], data["layout_auto"]["bands"][0]
    if kind == "corners":
        band["outline"] = [[10 + k % 90, 20 + k * 7 % 80] for k in range(1_500_000)]
    elif kind == "shared corners":
        band["outline"] = [[10 + k % 90, 20 + k * 7 % 80] for k in range(9_000)]
        data["layout_auto"]["bands"] += [band | {"id": f"z{k}"} for k in range(12)]
    elif kind == "bands":
        data["layout_auto"]["bands"] += [band | {"id": f"z{k}"} for k in range(60_000)]
    elif kind == "far outline":
        band["outline"] = [[0, 0], [0, 1e5], [1e5, 1e5], [1e5, 0]]
    elif kind == "far lane":
        lane["center"], lane["widths"] = [[-1e9, 50.0], [1e9, 50.0]], lane["widths"][:2]
    elif kind == "wide lane":
        lane["widths"] = [1e9] * len(lane["widths"])
    return json.dumps(data)


SESSIONS = ("corners", "shared corners", "bands", "far outline", "far lane", "wide lane")

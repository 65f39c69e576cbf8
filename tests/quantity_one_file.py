"""Synthetic `.1sc` files, written by the layout that biorad1sc-reader documents."""

import struct

import numpy as np

POINTERS = (142, 143, 132, 133, 141, 140, 126, 127, 128, 129, 130)  # types of the fields that say where blocks are
START = 4140
SCN, LABEL = 131, 16
DEFAULT_TEXTS = (
    "Scanner Name: ChemiDoc XRS",
    "Number Of Pixels: (x x y)",
    "Image Area: (8.0 mm x 4.8 mm)",
    "New Image Acquired",
    "Quantity One 4.6.8 build 027",
)


def field(kind, key, payload=b""):
    return struct.pack("<HHI", kind, 8 + len(payload), key) + payload


def scan_1sc(pixels, *, order="<", ceiling=65535, texts=DEFAULT_TEXTS, names=("nxpix", "nypix", "data_ceiling")):
    """A file with one picture, bottom row first; `names` are the whole numbers that its scan header states."""
    rows, cols = pixels.shape
    numbers = {"nxpix": (4, "H", cols), "nypix": (4, "H", rows), "data_ceiling": (6, "I", ceiling)}
    record, places, labels = b"", b"", b""
    for key, name in enumerate(names, start=100):
        kind, code, value = numbers[name]
        labels += field(LABEL, key, name.encode() + b"\0")
        size = struct.calcsize(code)
        places += struct.pack("<HHIIIIIIII", kind, key, 1, len(record), key, 0, size, 0, 0, 0)
        record += struct.pack("<" + code, value)
    item = struct.pack("<HHHHIII", SCN, 1, 0, len(names), 50, len(record), 51)
    collection = struct.pack("<HHHHII", 0, 0, 0, 1, 60, 61)
    blocks = [b""] * 11
    blocks[7] = b"".join(field(LABEL, 200 + k, text.encode() + b"\0") for k, text in enumerate(texts))
    blocks[8] = labels + field(LABEL, 51, b"SCN\0") + field(LABEL, 61, b"Scan Header\0")
    blocks[8] += field(102, 70, collection) + field(101, 60, item) + field(100, 50, places)
    blocks[9] = field(SCN, 80, record)
    blocks = [bytes(8) + fields + bytes(8) for fields in blocks[:10]]
    blocks.append(np.ascontiguousarray(pixels[::-1]).astype(f"{order}u2").tobytes())
    header, at = b"", START
    for kind, block in zip(POINTERS, blocks, strict=True):
        header += struct.pack("<HHIIII", kind, 1, 0, at, len(block), 0)
        at += len(block)
    about = b"Intel Format" if order == "<" else b"Mac Format"
    top = b"\xaf\xaf" + bytes(30) + about.ljust(24, b"\0") + b"Bio-Rad Scan File - ID".ljust(80, b"\0")
    top += struct.pack("<IIIIII", 0, 0, 0, START, 0, 0)
    return (top + header).ljust(START, b"\0") + b"".join(blocks)

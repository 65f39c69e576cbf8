"""Small valid files of every format that blotquant reads: what the fuzzer starts from. All pictures are synthetic."""

import io
import zipfile

import numpy as np
import openpyxl
import tifffile
from PIL import Image
from quantity_one_file import scan_1sc

EXPERIMENT = """name = "fuzz"
samples = "samples.csv"
ladder = [250, 150, 100, 75, 50, 37, 25, 20]
[[images]]
file = "a.tif"
blot = 1
membrane = "1a"
probe = "pAKT"
exposure_s = 60
[[images]]
file = "b.tif"
blot = 1
membrane = "1a"
probe = "AKT"
strip = 1
[targets.pAKT]
mw_kda = [44, 42]
[[ratios]]
name = "pAKT/AKT"
numerator = "pAKT"
denominator = "AKT"
loading = ["AKT"]
[compare]
reference = "vehicle"
scaling = "alignment"
[settings.detection]
min_snr = 4
"""
SAMPLES = """blot,lane,sample,condition,role,load_ug,drug
1,1,,,ladder,,
1,2,"A, first",vehicle,sample,20,none
1,3,B,drug,sample,"1.5",x
1,4,"1+1",other,sample,20,y
"""


def counts(shape=(24, 40)):
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    bands = sum(np.exp(-((rows - 12) ** 2) / 8 - ((cols - c) ** 2) / 20) for c in (8, 20, 32))
    noise = np.random.default_rng(1).normal(0, 3, shape)
    return (200 + 5000 * bands + noise).clip(0).astype(np.uint16)


def pictures():
    """File name to bytes."""
    return {
        **_tiffs(),
        **_rasters(),
        "a.scn": _scn(),
        "a.zip": _licor(),
        "a.1sc": scan_1sc(counts()),
    }


def _tiffs():
    grey = counts()
    rgb = np.stack([grey >> 8] * 3, axis=-1).astype(np.uint8)
    tags = [(33445, "I", 1, 2, True), (33446, "2I", 1, (1, 21025), True), (33449, "s", 4, "lab", True)]
    made = {
        "plain.tif": ([grey], {"description": "Exposure time = 3.5 s", "resolution": (300, 300)}),
        "big_endian.tif": ([grey], {"byteorder": ">"}),
        "white_is_zero.tif": ([grey], {"photometric": "miniswhite"}),
        "tiled.tif": ([counts((40, 70))], {"tile": (16, 32)}),
        "strips.tif": ([grey], {"rowsperstrip": 5}),
        "lzw.tif": ([grey], {"compression": "lzw", "predictor": True}),
        "deflate.tif": ([grey], {"compression": "zlib"}),
        "packbits.tif": ([(grey >> 8).astype(np.uint8)], {"compression": "packbits"}),
        "jpeg.tif": ([(grey >> 8).astype(np.uint8)], {"compression": "jpeg"}),
        "float.tif": ([grey.astype(np.float32)], {}),
        "rgb.tif": ([rgb], {"photometric": "rgb"}),
        "palette.tif": (
            [(grey >> 8).astype(np.uint8)],
            {"photometric": "palette", "colormap": np.stack([np.arange(256, dtype=np.uint16) * 257] * 3)},
        ),
        "typhoon.gel": ([grey], {"extratags": tags}),
        "pages.tif": ([grey, grey // 2, grey[:5, :8]], {}),
    }
    files = {name: _tiff(*how) for name, how in made.items()}
    files["big.tif"] = _tiff([grey], {}, bigtiff=True)
    files["ome.tif"] = _tiff([grey], {"metadata": {"axes": "YX", "PhysicalSizeX": 50.0}}, ome=True)
    files["imagej.tif"] = _tiff([grey], {"metadata": {"unit": "um"}}, imagej=True)
    return files


def _tiff(pages, options, **kind):
    buffer = io.BytesIO()
    order = options.pop("byteorder", None)
    with tifffile.TiffWriter(buffer, byteorder=order, **kind) as writer:
        for page in pages:
            writer.write(page, **({"metadata": None} if not kind else {}) | options)
    return buffer.getvalue()


def _rasters():
    grey = counts()
    low = Image.fromarray((grey >> 5).clip(0, 255).astype(np.uint8))
    made = {
        "a.png": (Image.fromarray(grey), "PNG", {"dpi": (300, 300)}),
        "low.png": (low, "PNG", {}),
        "palette.png": (low.convert("P"), "PNG", {}),
        "rgba.png": (low.convert("RGBA"), "PNG", {}),
        "a.jpg": (low, "JPEG", {}),
        "a.gif": (low.convert("P"), "GIF", {}),
        "a.bmp": (low, "BMP", {}),
    }
    files = {}
    for name, (picture, kind, options) in made.items():
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        files[name] = buffer.getvalue()
    return files


def _scn():
    grey = counts()
    header = (
        '<?xml version="1.0" encoding="UTF-8"?><image zero_is="black"><size_pix width="40" height="24"/>'
        '<size_mm width="8.0" height="4.8"/><data_ceiling value="65535"/><endian value="little"/>'
        '<scan_attributes><scanner name="x"/><exposure_time value="3.5"/></scan_attributes></image>'
    )
    parts = [
        b"Content-Type: application/octet-stream\r\nContent-Description: ImageData\r\n"
        b"Content-Length: %d\r\n\r\n" % grey.nbytes + grey.tobytes(),
        b"Content-Type: text/xml\r\nContent-Description: ImageHeader\r\n\r\n" + header.encode(),
    ]
    body = b"".join(b"\r\n--cut\r\n" + part for part in parts) + b"\r\n--cut--\r\n"
    return b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="cut"\r\n\r\n' + body


def _licor():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, pixels in (("scan/700.tif", counts()), ("scan/800.tif", counts() // 2)):
            archive.writestr(zipfile.ZipInfo(name), _tiff([pixels], {}))
        archive.writestr(zipfile.ZipInfo("scan/scan.txt"), "Exposure time: 2.0 s\nResolution: 84")
    return buffer.getvalue()


def workbook():
    book = openpyxl.Workbook()
    book.remove(book.active)
    sheets = {
        "experiment": [["key", "value"], ["name", "fuzz"], ["ladder", "250, 100, 50"]],
        "images": [
            ["file", "blot", "probe", "exposure_s"],
            ["a.tif", 1, "pAKT", 60],
            ["b.tif", 1, "AKT", None],
        ],
        "targets": [["target", "mw_kda"], ["pAKT", "44; 42"]],
        "ratios": [["name", "numerator", "denominator"], ["pAKT/AKT", "pAKT", "AKT"]],
        "compare": [["reference", "vehicle"]],
        "samples": [line.split(",") for line in SAMPLES.replace('"A, first"', "A").replace('"', "").splitlines()],
    }
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def session():
    from dataclasses import replace

    from blotquant.model.geometry import Band, Lane, Layout, Strip, rectangle
    from blotquant.session.history import Change
    from blotquant.session.image_reference import ImageReference
    from blotquant.session.session import Session, session_text

    strip = Strip(id="s1", number=1, outline=rectangle(0, 24, 0, 40), tilt_deg=0.1)
    lane = Lane(id="l1", strip="s1", number=1, center=((0.0, 8.0), (23.0, 8.5)), widths=(6.0, 6.0))
    band = Band(id="b1", lane="l1", outline=rectangle(9, 15, 5, 11), peak=(12.0, 8.0))
    reference = ImageReference(path="../a.tif", name="a.tif", sha256="0" * 64, shape=(24, 40))
    start = Session(image=reference, layout_auto=Layout(strips=(strip,), lanes=(lane,), bands=(band,)))
    who = {"who": "A", "when": "2026-01-02T03:04:05Z"}
    once = start.edit([Change("band", "b1", band, replace(band, target="x"))], action="target", **who)
    twice = once.edit([Change("settings", "detection.min_snr", 5.0, 6.0)], action="settings", **who)
    return session_text(twice.undo(**who)).encode()


def manifest():
    from blotquant.runs.manifest import InputRecord, Manifest, UnitRecord, manifest_text
    from blotquant.settings import Settings

    record = InputRecord(role="picture", name="a.tif", path="../a.tif", sha256="0" * 64)
    made = Manifest(
        command="measure",
        settings=Settings().flat(),
        versions={"blotquant": "0"},
        inputs=(record,),
        units=(UnitRecord(name="a.tif", failed=False),),
        outputs={"bands.csv": "0" * 64},
    )
    return manifest_text(made).encode()

"""Open what a run hands out with other people's readers, and print every warning and every fault.

    python tools/open_figures.py blotquant_demo/results            # exit 1 where a reader complains

SVG: an XML parser, librsvg and LibreOffice Draw. PDF: poppler (every font embedded, text that can be taken out). TIFF
and PNG: tifffile and Pillow with warnings as errors, ImageMagick; 600 dpi in the TIFF. The workbook: openpyxl,
LibreOffice Calc. CSV: R with warnings as errors. A reader that is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

TEXT = "{http://www.w3.org/2000/svg}text"
HARMLESS = re.compile(r"failed to launch javaldx|^convert .* using filter|^Overwriting|^Writing sheet|^\s*$")
"""What LibreOffice says of itself, not of the file."""


def complaints(results: Path) -> Iterator[str]:
    """Every fault of every file, by the readers that are there."""
    figures = sorted((results / "figures").iterdir())
    by_ending = {end: [path for path in figures if path.suffix == end] for end in (".svg", ".pdf", ".tif", ".png")}
    for path in by_ending[".svg"]:
        yield from svg_faults(path)
    for path in by_ending[".pdf"]:
        yield from pdf_faults(path)
    for path in (*by_ending[".tif"], *by_ending[".png"]):
        yield from picture_faults(path)
    yield from workbook_faults(results / "results.xlsx")
    yield from csv_faults(results)
    with tempfile.TemporaryDirectory() as name:
        office = ["soffice", f"-env:UserInstallation=file://{name}/profile", "--headless", "--convert-to"]
        readers = {"pdf": by_ending[".svg"], "ods": [results / "results.xlsx", results / "prism.csv"]}
        for kind, paths in readers.items():
            yield from said([*office, kind, "--outdir", name, *map(str, paths)], "LibreOffice")
            made = [path.stem for path in Path(name).glob(f"*.{kind}")]
            if shutil.which("soffice"):
                yield from (f"{path.name}: LibreOffice opens nothing" for path in paths if path.stem not in made)


def svg_faults(path: Path) -> Iterator[str]:
    """A tree without text elements holds letters that no one can edit."""
    tree = ElementTree.parse(path)
    if not any(True for _ in tree.iter(TEXT)):
        yield f"{path.name}: no text that can be edited"
    yield from said(["rsvg-convert", str(path)], path.name)


def pdf_faults(path: Path) -> Iterator[str]:
    """Fonts that are not embedded or have no way back to letters, and pages without text."""
    yield from said(["pdftotext", str(path), os.devnull], path.name)
    if not shutil.which("pdffonts"):
        return
    listed = subprocess.run(["pdffonts", str(path)], capture_output=True, text=True, check=False)
    yield from (f"{path.name}: {line}" for line in listed.stderr.splitlines())
    fonts = [line.split()[-5:-2] for line in listed.stdout.splitlines()[2:]]
    if not fonts or any(embedded != "yes" or unicode != "yes" for embedded, _, unicode in fonts):
        yield f"{path.name}: text that is no text, or a font that is not embedded"


def picture_faults(path: Path) -> Iterator[str]:
    """Warnings of the pictures' readers, and a TIFF without the resolution that journals ask for."""
    import tifffile
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("tifffile").addHandler(handler)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Image.open(path) as image:
            image.load()
        if path.suffix == ".tif":
            with tifffile.TiffFile(path) as tiff:
                page = tiff.pages.first
                page.asarray()
                resolution = page.tags["XResolution"].value, page.tags["ResolutionUnit"].value
            if resolution != ((600, 1), 2):
                told.append(f"resolution {resolution}")
    logging.getLogger("tifffile").removeHandler(handler)
    yield from (f"{path.name}: {line}" for line in told)
    yield from said(["identify", "-regard-warnings", str(path)], path.name)


def workbook_faults(path: Path) -> Iterator[str]:
    """Warnings of openpyxl, broken parts, and a sheet of values without a frozen header and filters."""
    import openpyxl

    with zipfile.ZipFile(path) as parts:
        if broken := parts.testzip():
            yield f"{path.name}: {broken} is broken"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        book = openpyxl.load_workbook(path)
    for sheet in book.worksheets[1:]:
        if sheet.freeze_panes is None or not (sheet.auto_filter.ref or sheet.tables):
            yield f"{path.name}: sheet {sheet.title} has no frozen header or no filter"


def csv_faults(results: Path) -> Iterator[str]:
    """Warnings of R's own reader; a table has a header and rectangular rows."""
    code = 'options(warn = 2); for (f in commandArgs(TRUE)) stopifnot(ncol(read.csv(f, encoding = "UTF-8")) > 1)'
    yield from said(["Rscript", "-e", code, *map(str, sorted(results.glob("*.csv")))], "R")


def said(command: list[str], name: str) -> Iterator[str]:
    """What a reader says on stderr, and whether it failed; nothing where it is not installed."""
    if shutil.which(command[0]) is None:
        return
    done = subprocess.run(command, capture_output=True, check=False, timeout=600)
    told = done.stderr.decode(errors="replace").splitlines()
    yield from (f"{name}: {command[0]}: {line}" for line in told if not HARMLESS.search(line))
    if done.returncode:
        yield f"{name}: {command[0]}: exit code {done.returncode}"


def main() -> int:
    """Print the complaints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("results", type=Path, help="folder of a run")
    results = parser.parse_args().results
    readers = ("rsvg-convert", "soffice", "pdffonts", "identify", "Rscript")
    print("left out:", ", ".join(name for name in readers if shutil.which(name) is None) or "none")
    found = list(complaints(results))
    print(
        "\n".join(found) or f"{len(list((results / 'figures').iterdir()))} figures, workbook and tables: no complaint"
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

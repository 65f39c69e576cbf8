"""Pictures of the documentation that show the present program's output: report, figure panel, source blots.

    python tools/make_docs_pictures.py [RESULTS]    # a results folder of the demo; made anew where none is given

Needs Chromium for the report's picture and poppler's pdftoppm for that of the PDF.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from blotquant.runs.study import run_demo

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
REPORT_PX = (1280, 1060)
"""Width and height of the report's window."""
PANEL_PX = 1000
"""Width of the panel's picture."""


def main(arguments: list[str]) -> None:
    """Make both pictures."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(arguments[0]) if arguments else Path(folder) / "demo" / "results"
        if not arguments:
            run_demo(Path(folder) / "demo")
        show_report(results / "report.html", IMAGES / "report.png", folder=Path(folder))
        show_page(results / "figures" / "source_blots.pdf", IMAGES / "source_blots.png", folder=Path(folder))
        with Image.open(results / "figures" / "panel_pAKT_AKT_blot_3.tif") as panel:
            save(
                panel.resize((PANEL_PX, round(panel.height * PANEL_PX / panel.width))).convert("L"),
                IMAGES / "panel.png",
            )


def show_report(page: Path, picture: Path, *, folder: Path) -> None:
    """Photograph the top of a page in a headless browser."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        msg = "no Chromium: install it for the report's picture"
        raise SystemExit(msg)
    shot = folder / "shot.png"
    size = ",".join(map(str, REPORT_PX))
    switches = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={size}")
    command = [browser, *switches, f"--screenshot={shot}", page.resolve().as_uri()]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    with Image.open(shot) as image:
        save(image.convert("RGB").quantize(256), picture)


def show_page(pdf: Path, picture: Path, *, folder: Path) -> None:
    """Draw the first page of a PDF with poppler's pdftoppm."""
    name = folder / "page"
    subprocess.run(["pdftoppm", "-r", "80", "-singlefile", "-png", str(pdf), str(name)], check=True)
    with Image.open(name.with_suffix(".png")) as image:
        save(image.convert("RGB").quantize(128), picture)


def save(image: Image.Image, path: Path) -> None:
    """Write a PNG as small as it goes."""
    image.save(path, format="PNG", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The worked example as a page: a script in cells (``# %%``) is run while the site is built, its output shown below.

A line ``<!-- run: FILE -->`` in a page stands for the script of that name beside the page.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PLACE = re.compile(r"^<!-- run: (\S+) -->$", re.MULTILINE)
ROOT = Path(__file__).resolve().parent.parent.parent


def cells(text: str) -> Iterator[tuple[str, str]]:
    """Kind (``code`` or ``markdown``) and text of each cell."""
    for cell in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        head, _, body = cell.partition("\n")
        if "[markdown]" in head:
            yield "markdown", "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines()).strip()
        else:
            yield "code", body.strip()


def run(script: Path) -> str:
    """Run a script's cells in a copy of the sample study, and write them down with what they print and draw.

    Raises
    ------
    Exception
        Whatever a cell raises: the site is not built then.
    """
    import matplotlib as mpl

    mpl.use("svg")
    names: dict[str, Any] = {"__name__": "__main__"}
    parts = []
    with tempfile.TemporaryDirectory() as folder, _inside(Path(folder)), mpl.rc_context({"svg.hashsalt": "blotquant"}):
        shutil.copytree(ROOT / "sample_images", "sample_images")
        for kind, text in cells(script.read_text(encoding="utf-8")):
            if kind == "markdown":
                parts.append(text)
                continue
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
                exec(compile(text, str(script), "exec"), names)
            parts.append(f"```python\n{text}\n```")
            if printed.getvalue().strip():
                parts.append(f"```text\n{printed.getvalue().rstrip()}\n```")
            parts += [f'<div class="figure">{svg}</div>' for svg in _figures()]
    return "\n\n".join(parts)


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _figures() -> Iterator[str]:
    """Every open figure as SVG, without the declarations that only a file of its own needs; it is closed."""
    from matplotlib import pyplot as plt

    for number in plt.get_fignums():
        drawn = io.StringIO()
        plt.figure(number).savefig(drawn, format="svg", metadata={"Date": None})
        plt.close(number)
        svg = drawn.getvalue()
        yield re.sub(r"\n\s*\n", "\n", svg[svg.index("<svg") :])


def setup(app: Any) -> dict[str, bool]:
    """Fill the pages as they are read."""

    def on_read(app: Any, page: str, source: list[str]) -> None:
        folder = Path(app.env.doc2path(page)).parent
        source[0] = PLACE.sub(lambda match: run(folder / match[1]), source[0])

    app.connect("source-read", on_read)
    return {"parallel_read_safe": True}

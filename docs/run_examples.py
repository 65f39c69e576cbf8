"""Run the examples of the README and of every page, and compare what they print with what stands below them.

    python docs/run_examples.py              # run all; exit 1 where one fails or prints something else
    python docs/run_examples.py --write      # put what they print now into the pages
    python docs/run_examples.py README.md    # only this page

Blocks ``sh`` and ``python`` of a page run from top to bottom in one new folder that holds copies of `sample_images`
and `docs/examples`; Python blocks share their names. A ``text`` block right below one holds what it prints on stdout;
without one it may print what it likes. Lines that install are left out, as are blocks that stand below
``<!-- not run: REASON -->``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(
    r"(?P<skip><!-- not run: [^\n]+ -->\n)?^```(?P<kind>sh|python)\n(?P<code>.*?)^```\n"
    r"(?P<answer>\n```text\n(?P<output>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
ENVIRONMENT = re.compile(r"python3 -m venv env && \. env/bin/activate(?: && |\n)")
INSTALLS = re.compile(r"^\s*python -m pip install (?!.*&&).*$", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One block of a page: its language, code and expected output (None where none is shown)."""

    kind: str
    code: str
    output: str | None
    is_run: bool


def pages() -> list[Path]:
    """The README and every page of the site."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def examples(text: str) -> Iterator[Example]:
    """Blocks of one page, in order."""
    for match in BLOCK.finditer(text):
        yield Example(match["kind"], match["code"], match["output"], is_run=match["skip"] is None)


def run_page(text: str) -> list[tuple[Example, str]]:
    """Run a page's examples; what each printed on stdout.

    Raises
    ------
    RuntimeError
        If one fails; the message holds its code and what it said.
    """
    wanted = [example for example in examples(text) if example.is_run]
    if not wanted:
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "sample_images", folder / "sample_images")
        shutil.copytree(ROOT / "docs" / "examples", folder / "docs" / "examples")
        done = []
        for k, example in enumerate(wanted):
            earlier = [one.code for one in wanted[:k] if one.kind == "python"]
            command = _python(example, earlier) if example.kind == "python" else _shell(example)
            result = subprocess.run(
                command, cwd=folder, env=_environment(folder), capture_output=True, text=True, check=False, timeout=900
            )
            if result.returncode:
                msg = f"exit code {result.returncode}:\n{example.code}\n{result.stdout[-2000:]}{result.stderr[-4000:]}"
                raise RuntimeError(msg)
            done.append((example, result.stdout))
    return done


def _shell(example: Example) -> list[str]:
    lines = INSTALLS.sub("", ENVIRONMENT.sub("", example.code)).replace("python -m pip install . && ", "")
    return ["bash", "-euc", lines]


def _python(example: Example, earlier: list[str]) -> list[str]:
    """Earlier blocks run again, silently, so that names carry over and each block has its own output."""
    quiet = "".join(f"exec(compile({code!r}, 'earlier block', 'exec'))\n" for code in earlier)
    text = "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    pass\n"
    text += "".join(f"    {line}\n" for line in quiet.splitlines())
    return [sys.executable, "-c", text + example.code]


def _environment(folder: Path) -> dict[str, str]:
    """The caller's, with ``blotquant`` and ``python`` being those of this interpreter, and no colours."""
    tools = folder / ".tools"
    tools.mkdir(exist_ok=True)
    for name, arguments in (("blotquant", "-m blotquant"), ("python", "")):
        tool = tools / name
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n', encoding="utf-8")
        tool.chmod(0o755)
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": path,
        "NO_COLOR": "1",
        "COLUMNS": "100",
        "MPLBACKEND": "agg",
    }


def differences(done: list[tuple[Example, str]]) -> list[str]:
    """What printed something else than the page shows."""
    return [
        f"{example.code}printed\n{printed}instead of\n{example.output}"
        for example, printed in done
        if example.output is not None and _plain(printed) != _plain(example.output)
    ]


def _plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def rewritten(text: str, done: list[tuple[Example, str]]) -> str:
    """The page with what its examples print now."""
    printed = iter(done)

    def refresh(match: re.Match[str]) -> str:
        if match["skip"] is not None:
            return match[0]
        _, output = next(printed)
        if match["output"] is None:
            return match[0]
        start, end = match.span("output")
        whole = match[0]
        return whole[: start - match.start()] + _plain(output) + "\n" + whole[end - match.start() :]

    return BLOCK.sub(refresh, text)


def main() -> int:
    """Run the pages named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, default=pages())
    parser.add_argument("--write", action="store_true", help="put what the examples print into the pages")
    options = parser.parse_args()
    wrong = 0
    for page in options.pages:
        text = page.read_text(encoding="utf-8")
        done = run_page(text)
        if options.write:
            page.write_text(rewritten(text, done), encoding="utf-8")
            continue
        for difference in differences(done):
            wrong += 1
            sys.stderr.write(f"{page}:\n{difference}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

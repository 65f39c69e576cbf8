"""What the pages tell a person to type works in bash and in PowerShell alike, or Windows' own way stands beside it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINUX_ONLY = {"docs/how-to/cluster.md"}  # Slurm
DEVELOPERS = {"CONTRIBUTING.md", "docs/design.md"}
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if page.relative_to(ROOT).as_posix() not in LINUX_ONLY | DEVELOPERS
]
# The lines that differ, each with what is typed on Windows in its place.
TOLD = {
    "python3 -m venv env && . env/bin/activate && python -m pip install . && blotquant demo": "`py -m venv env`",
    "python3 -m venv env && . env/bin/activate": "`py -m venv env`",
    'python -m pip install -e ".[test]" && python -m pytest -n auto': "(Windows: what stands before and after `&&`",
}
ONLY_BASH = re.compile(
    r"&&|\|\||\\$|<<|\$\(|\bhead\b|\bgrep\b|^\s*export |^\s*\w+=\S|\bmkdir -p|\brm -|\bls -|\bcp (?:\S+ +){2,}\S|\bcp -"
)


def lines_to_type(page):
    text = page.read_text("utf-8")
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_line_is_understood_by_powershell_or_told_for_windows(page):
    odd = [line for line in lines_to_type(page) if ONLY_BASH.search(line)]
    text = " ".join(page.read_text("utf-8").split())
    assert [line for line in odd if TOLD.get(line, "\0") not in text] == []


def test_no_line_of_the_tutorial_needs_more_than_every_terminal_has():
    first, *others = lines_to_type(ROOT / "docs" / "tutorial.md")
    assert first in TOLD
    allowed = r"python -m pip install \.|blotquant [\w./ -]+|mkdir \w+|cp [\w./]+ \w+"
    assert [line for line in others if not re.fullmatch(allowed, line)] == []


def test_powershells_grammar_takes_every_line():
    """A parser of PowerShell's grammar, which knows `&&` (version 7): blocks, and what is told for Windows."""
    grammar = pytest.importorskip("tree_sitter_powershell", reason="no tree-sitter-powershell")
    tree_sitter = pytest.importorskip("tree_sitter", reason="no tree-sitter")
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    assert parser.parse(b"export A=$(").root_node.has_error
    typed = [line for page in PAGES for line in lines_to_type(page)]
    told = r"`((?:py -m|env\\Scripts|Set-ExecutionPolicy)[^`]*)`"
    typed += [line for page in PAGES for line in re.findall(told, page.read_text("utf-8"))]
    assert "env\\Scripts\\activate" in typed
    assert [line for line in typed if parser.parse(line.encode()).root_node.has_error] == []

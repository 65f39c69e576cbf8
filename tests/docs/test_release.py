"""A release is one version everywhere, and what is built starts: tried as far as it goes without a network."""

import hashlib
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SPEC = importlib.util.spec_from_file_location("release", ROOT / "tools" / "release.py")
release = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(release)


def test_check_versions_finds_nothing():
    assert list(release.check_versions(ROOT, release.read_version(ROOT))) == []


def test_check_versions_names_every_place_that_differs():
    told = list(release.check_versions(ROOT, "9.9.9"))
    assert [line.split(":")[0] for line in told] == ["CITATION.cff", "CHANGELOG.md", str(release.RECIPE)]


def test_citation_and_recipe_are_valid_yaml():
    yaml = pytest.importorskip("yaml", reason="no PyYAML")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors", "version", "license"} <= citation.keys()
    recipe = yaml.safe_load((ROOT / release.RECIPE).read_text("utf-8"))
    assert recipe["build"]["noarch"] == "python"
    assert recipe["requirements"]["run"][0] == "python >=3.11"


@pytest.mark.slow
def test_a_release_is_built_and_starts(tmp_path, monkeypatch):
    for needed in ("build", "hatchling"):
        pytest.importorskip(needed, reason=f"no {needed}: it builds the archives")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text((ROOT / release.RECIPE).read_text("utf-8"), encoding="utf-8")
    monkeypatch.setattr(release, "RECIPE", recipe)
    assert release.main(["--no-isolation", "--dist", str(tmp_path / "dist")]) == 0
    (sdist,) = (tmp_path / "dist").glob("*.tar.gz")
    assert all(f"    - {one}\n" in recipe.read_text("utf-8") for one in release.run_requirements(ROOT))
    digest = re.search(r'sha256: "([0-9a-f]{64})"', recipe.read_text("utf-8"))[1]
    assert digest == hashlib.sha256(sdist.read_bytes()).hexdigest()


def test_no_line_of_the_tutorial_needs_more_than_every_terminal_has():
    """bash and PowerShell alike: no pipes, no &&, no head; the one line that differs is told for Windows below it."""
    text = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    first, *others = lines
    assert first == "python3 -m venv env && . env/bin/activate"
    allowed = r"python -m pip install \.|blotquant [\w./ -]+|mkdir \w+|cp [\w./]+ \w+"
    assert [line for line in others if not re.fullmatch(allowed, line)] == []

"""A release is one version everywhere, and what is built starts: tried as far as it goes without a network."""

import hashlib
import importlib.util
import re
import tomllib
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


def test_the_recipe_requires_what_the_package_does():
    yaml = pytest.importorskip("yaml", reason="no PyYAML")
    recipe = yaml.safe_load((ROOT / release.RECIPE).read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert recipe["requirements"]["run"] == release.run_requirements(ROOT)
    host = {requirement.split()[0] for requirement in recipe["requirements"]["host"]}
    assert host == {"python", "pip", *(re.match(r"[\w-]+", one)[0] for one in project["build-system"]["requires"])}
    scripts = [f"{name} = {target}" for name, target in project["project"]["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts
    assert recipe["about"]["license"] == project["project"]["license"]
    assert (ROOT / recipe["about"]["license_file"]).is_file()


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


def test_rattler_build_reads_the_recipe():
    """Rendered by the program that builds conda packages; the build itself needs a channel, so a network."""
    rattler_build = pytest.importorskip("rattler_build", reason="no py-rattler-build")
    read = rattler_build.Stage0Recipe.from_yaml
    with pytest.raises(Exception, match="unknown field"):
        read("package:\n  nam: blotquant\n")
    text = (ROOT / release.RECIPE).read_text("utf-8")
    (rendered,) = read(text).render(rattler_build.VariantConfig(), rattler_build.RenderConfig())
    recipe = rendered.recipe
    assert (str(recipe.package.name), str(recipe.package.version)) == ("blotquant", release.read_version(ROOT))
    assert [str(requirement) for requirement in recipe.requirements.run] == release.run_requirements(ROOT)

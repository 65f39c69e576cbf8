"""Make a release ready: check that it is one version everywhere, build it, try what was built, fill in the recipe.

    python tools/release.py                 # checks, builds into dist/, tries the wheel, writes the conda recipe
    python tools/release.py --check         # the checks alone; nothing is built or written
    python tools/release.py --no-isolation  # build with the installed hatchling: needs no network

Nothing is uploaded and no tag is set: what to type for that is printed at the end, for a person to decide.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECIPE = Path("packaging/conda/recipe.yaml")
CONDA_NAMES = {"matplotlib": "matplotlib-base"}
"""Dependencies that conda-forge calls otherwise than PyPI."""
IN_SDIST = ("sample_images/experiment.toml", "tests/test_architecture.py", "docs/conf.py", "CITATION.cff", "LICENSE")
IN_WHEEL = ("blotquant/cli/commands.py", "blotquant/report/templates/style.css", "napari_blotquant/napari.yaml")
NOT_IN_WHEEL = ("tests/", "tools/", "docs/")


def main(arguments: list[str] | None = None) -> int:
    """Run the checks and, unless only they are asked for, the build; 0 where a person may go on."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="the checks alone")
    parser.add_argument("--no-isolation", action="store_true", help="build with the installed hatchling")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="where the archives go")
    options = parser.parse_args(arguments)
    version = read_version(ROOT)
    problems = list(check_versions(ROOT, version))
    if problems:
        sys.stdout.write("".join(f"not ready: {problem}\n" for problem in problems))
        return 1
    if options.check:
        sys.stdout.write(f"{version}: one version everywhere\n")
        return 0
    sdist, wheel = build(options.dist, version, isolated=not options.no_isolation)
    problems = [*check_archives(sdist, wheel), *try_wheel(wheel, version)]
    if problems:
        sys.stdout.write("".join(f"not ready: {problem}\n" for problem in problems))
        return 1
    (ROOT / RECIPE).write_text(fill_recipe((ROOT / RECIPE).read_text("utf-8"), version, sdist), encoding="utf-8")
    sys.stdout.write(
        f"{sdist}\n{wheel}\nready; now, if everything else is:\n"
        f"  git tag -a v{version} -m 'blotquant {version}'\n"
        f"  python -m twine check {options.dist}/*\n  python -m twine upload {options.dist}/*\n"
        f"  rattler-build build --recipe {RECIPE}\n"
    )
    return 0


def read_version(root: Path) -> str:
    """The version that the package says it has."""
    found = re.search(r'__version__ = "([^"]+)"', (root / "blotquant" / "_version.py").read_text("utf-8"))
    if found is None:
        msg = "blotquant/_version.py: no version found"
        raise SystemExit(msg)
    return found[1]


def check_versions(root: Path, version: str) -> Iterator[str]:
    """Places that speak of another version."""
    citation = (root / "CITATION.cff").read_text("utf-8")
    if f"\nversion: {version}\n" not in citation:
        yield f"CITATION.cff: version is not {version}"
    if not re.search(rf"^## {re.escape(version)}\b", (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE):
        yield f"CHANGELOG.md: no heading for {version}"
    recipe = (root / RECIPE).read_text("utf-8")
    if f'version: "{version}"' not in recipe:
        yield f"{RECIPE}: version is not {version}"


def run_requirements(root: Path) -> list[str]:
    """What the recipe must require: Python and the dependencies of pyproject.toml, in conda's spelling."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [f"python {project['requires-python']}"]
    for dependency in project["dependencies"]:
        name, bounds = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?(.*)", dependency).groups()  # type: ignore[union-attr]
        wanted.append(f"{CONDA_NAMES.get(name, name)} {bounds}".strip())
    return wanted


def build(dist: Path, version: str, *, isolated: bool) -> tuple[Path, Path]:
    """Build the source distribution and the wheel from it."""
    command = [
        sys.executable,
        "-m",
        "build",
        "--outdir",
        str(dist),
        *([] if isolated else ["--no-isolation"]),
        str(ROOT),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return dist / f"blotquant-{version}.tar.gz", next(dist.glob(f"blotquant-{version}-*.whl"))


def check_archives(sdist: Path, wheel: Path) -> Iterator[str]:
    """What the archives lack, or hold too much of."""
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    yield from (f"{sdist.name}: lacks {name}" for name in IN_SDIST if name not in names)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    yield from (f"{wheel.name}: lacks {name}" for name in IN_WHEEL if name not in names)
    yield from (f"{wheel.name}: holds {name}" for name in names if name.startswith(NOT_IN_WHEEL))
    if "Description-Content-Type: text/markdown" not in metadata:
        yield f"{wheel.name}: its description is not declared as Markdown"


def try_wheel(wheel: Path, version: str) -> Iterator[str]:
    """Unpack the wheel beside nothing else of ours and ask it for its version."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        code = "import blotquant, blotquant.cli, sys; print(blotquant.__version__, blotquant.__file__)"
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {folder!r}); {code}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        if done.returncode or done.stdout.split() != [version, str(Path(folder) / "blotquant" / "__init__.py")]:
            yield f"{wheel.name}: does not start: {(done.stdout + done.stderr).strip()[-300:]}"


def fill_recipe(recipe: str, version: str, sdist: Path) -> str:
    """Write version, checksum of the source distribution and its dependencies into the recipe."""
    listed = "".join(f"    - {requirement}\n" for requirement in run_requirements(ROOT))
    recipe = re.sub(r"(^  run:\n)(?:    - .+\n)+", rf"\1{listed}", recipe, count=1, flags=re.MULTILINE)
    digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
    recipe = re.sub(r'^(  version: )"[^"]*"', rf'\1"{version}"', recipe, count=1, flags=re.MULTILINE)
    return re.sub(r'^(  sha256: )"[0-9a-f]{64}"', rf'\1"{digest}"', recipe, count=1, flags=re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main())

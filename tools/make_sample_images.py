"""Write the synthetic sample experiment from its fixed seed; with --check, compare it with what lies there."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from blotquant.synthetic.study_files import write_study

FOLDER = Path(__file__).resolve().parent.parent / "sample_images"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help="where to write (default: sample_images)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file would differ")
    options = parser.parse_args()
    if options.check:
        return check(options.folder)
    files = write_study(options.folder)
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{len(files)} files, {size:.1f} MB, in {options.folder}")
    return 0


def check(folder: Path) -> int:
    with tempfile.TemporaryDirectory() as fresh:
        files = write_study(Path(fresh))
        differing = [f.name for f in files if not _same(f, folder / f.name)]
    for name in differing:
        print(f"differs or is missing: {name}")
    return 1 if differing else 0


def _same(a: Path, b: Path) -> bool:
    return b.is_file() and a.read_bytes() == b.read_bytes()


if __name__ == "__main__":
    sys.exit(main())

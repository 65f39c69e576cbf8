"""Change a finished results folder at random, one byte or one value at a time, and count what `verify` notices.

    python tools/tamper_check.py [--trials 1000] [--recompute 10]

Every trial is made twice. Plain: the file is changed and that is all; the manifest's own checksum was noted elsewhere.
Forged: the manifest's checksums are brought in line with the changed file, so that only the recomputed numbers and the
histories can tell. Changes to originals and to corrected sessions need a recomputation each and are forged in the first
`--recompute` trials only.
The experiment is small and synthetic. Exit code 1 if a change that means something went unnoticed.
"""

import argparse
import hashlib
import json
import random
import sys
import tempfile
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from tiny_study import write_tiny_study  # noqa: E402

from blotquant.experiment.read import read_experiment  # noqa: E402
from blotquant.runs.manifest import MANIFEST, manifest_checksum, manifest_text, read_manifest  # noqa: E402
from blotquant.runs.recompute import recompute  # noqa: E402
from blotquant.runs.study import run_experiment  # noqa: E402
from blotquant.runs.verify import check_record, compare_again, verify_folder  # noqa: E402
from blotquant.session.band_edits import delete_band  # noqa: E402
from blotquant.session.session import load_session, save_session  # noqa: E402

CORRECTED = "sessions/blot1_AKT.tif.blot.json"
KINDS = {
    "table": lambda name: name.endswith(".csv") and "/" not in name,
    "session": lambda name: name.startswith("sessions/") and name != CORRECTED,
    "corrected session": lambda name: name == CORRECTED,
    "workbook": lambda name: name.endswith(".xlsx"),
    "report": lambda name: name.endswith(".html"),
    "manifest": lambda name: name == MANIFEST,
    "picture": lambda name: name.endswith(".tif"),
    "sheet": lambda name: name in ("samples.csv", "experiment.toml"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--recompute", type=int, default=10, help="forged originals and corrected sessions tried")
    parser.add_argument("--seed", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return tamper(Path(folder), options)


def tamper(folder: Path, options: argparse.Namespace) -> int:
    out = make_results(folder)
    manifest = read_manifest(out)
    again, noted = folder / "again", manifest_checksum(out)
    recompute(manifest, out, again)
    tried, noticed, forged, seen = Counter(), Counter(), Counter(), Counter()
    missed: list[str] = []
    rng = random.Random(options.seed)
    files = {kind: files_of(kind, folder) for kind in KINDS}
    for trial in range(options.trials):
        kind = list(KINDS)[trial % len(KINDS)]
        path = rng.choice(files[kind])
        whole = path.read_bytes()
        changed = change(rng, whole, kind)
        path.write_bytes(changed)
        tried[kind] += 1
        if verdict(out, noted):
            noticed[kind] += 1
        else:
            missed.append(f"plain {kind} {path.name}")
        dear = kind in ("corrected session", "picture", "sheet")
        if kind != "manifest" and (not dear or forged[kind] < options.recompute):
            forged[kind] += 1
            found = forge(out, again, dear=dear)
            if found or not means_something(path, whole, changed):
                seen[kind] += 1
            else:
                missed.append(f"forged {kind} {path.name} at byte {first_difference(whole, changed)}")
            (out / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")
        path.write_bytes(whole)
    print("kind: noticed of tried; noticed, or without meaning, of those with forged checksums")
    for kind in KINDS:
        print(f"{kind}: {noticed[kind]} of {tried[kind]}; {seen[kind]} of {forged[kind]}")
    print(f"in all: {sum(noticed.values())} of {sum(tried.values())}; {sum(seen.values())} of {sum(forged.values())}")
    print(*missed, sep="\n")
    return 1 if missed else 0


def make_results(folder: Path) -> Path:
    """Run the small experiment, correct one picture by hand, and run it again."""
    out = folder / "out"
    experiment = read_experiment(write_tiny_study(folder / "in", n_blots=1))
    run_experiment(experiment, out)
    session = load_session(out / CORRECTED)
    changes = delete_band(session.layout, session.layout.bands[0].id)
    when = "2026-01-02T03:04:05Z"
    save_session(session.edit(changes, action="delete", who="Ada", when=when), out / CORRECTED)
    run_experiment(experiment, out)
    assert verify_folder(out).equal
    return out


def files_of(kind: str, folder: Path) -> list[Path]:
    below = folder / ("in" if kind in ("picture", "sheet") else "out")
    found = [p for p in sorted(below.rglob("*")) if p.is_file() and ".blotquant" not in p.parts and p.stat().st_size]
    return [p for p in found if KINDS[kind](p.relative_to(below).as_posix())]


def change(rng: random.Random, data: bytes, kind: str) -> bytes:
    """One byte of any file, or one digit of a text."""
    digits = [k for k, byte in enumerate(data) if 48 <= byte < 58] if kind not in ("picture", "workbook") else []
    if digits and rng.random() < 0.5:
        k = rng.choice(digits)
        return data[:k] + bytes([48 + (data[k] - 48 + rng.randrange(1, 10)) % 10]) + data[k + 1 :]
    k = rng.randrange(len(data))
    return data[:k] + bytes([(data[k] + rng.randrange(1, 256)) % 256]) + data[k + 1 :]


def verdict(out: Path, noted: str) -> list[object]:
    """What verify says without recomputing: the checksums come first."""
    from blotquant.errors import SessionError

    try:
        manifest = read_manifest(out)
    except SessionError:
        return [MANIFEST]
    return check_record(out, manifest) or ([] if manifest_checksum(out) == noted else [MANIFEST])


def forge(out: Path, again: Path, *, dear: bool) -> list[object]:
    """Bring every checksum in line with the files, then ask verify."""
    manifest = read_manifest(out)
    outputs = {name: checksum(out / name) for name in manifest.outputs}
    inputs = tuple(replace(record, sha256=checksum(out / record.path)) for record in manifest.inputs)
    (out / MANIFEST).write_text(manifest_text(replace(manifest, outputs=outputs, inputs=inputs)), encoding="utf-8")
    if dear:
        return list(verify_folder(out).differences)
    forged = read_manifest(out)
    return [*check_record(out, forged), *compare_again(out, forged, again).differences]


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def means_something(path: Path, whole: bytes, changed: bytes) -> bool:
    """Whether a reader of the file could get anything else from it: blank space between JSON's signs means nothing."""
    try:
        if path.suffix == ".json":
            return json.loads(whole) != json.loads(changed)
        if path.suffix == ".xlsx":
            return _members(whole) != _members(changed)
        if path.name == "experiment.toml":
            import tomllib

            return tomllib.loads(whole.decode()) != tomllib.loads(changed.decode())
        if path.suffix == ".tif":
            import io

            import tifffile

            return bool((tifffile.imread(io.BytesIO(whole)) != tifffile.imread(io.BytesIO(changed))).any())
    except (ValueError, zipfile.BadZipFile, tifffile_error()):
        return True
    return True


def tifffile_error() -> type[Exception]:
    import tifffile

    return tifffile.TiffFileError


def _members(data: bytes) -> dict[str, bytes]:
    import io

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def first_difference(a: bytes, b: bytes) -> int:
    return next(k for k, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)


if __name__ == "__main__":
    sys.exit(main())

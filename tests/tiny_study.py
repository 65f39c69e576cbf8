"""A whole experiment of three small synthetic blots on disk, quick to run."""

from pathlib import Path

import tifffile

from blotquant.synthetic import make_blot, plain_spec

VOLUMES = (40_000, 25_000, 60_000, 15_000, 30_000, 45_000)
SHAPE = (90, 220)


def write_tiny_study(
    folder: Path, *, n_blots: int = 3, names=None, file_name="blot{blot}_{probe}.tif", title="tiny"
) -> Path:
    """Write pictures, experiment.toml and samples.csv; `names` are the samples' names, lane by lane."""
    import csv

    import tomlkit

    folder.mkdir(parents=True, exist_ok=True)
    names = names or [f"s{k}" for k in range(1, len(VOLUMES) + 1)]
    document = {"name": title, "samples": "samples.csv", "images": [], "targets": {}, "ratios": []}
    rows = []
    for blot in range(1, n_blots + 1):
        for probe, factor in (("pAKT", 1.0), ("AKT", 1.4)):
            volumes = [v * factor * (1 + 0.1 * blot) for v in VOLUMES]
            file = file_name.format(blot=blot, probe=probe)
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            spec = plain_spec(volumes, shape=SHAPE)
            tifffile.imwrite(folder / file, make_blot(spec, seed=7 * blot + len(probe)).pixels)
            document["images"].append({"file": file, "blot": str(blot), "probe": probe})
        for lane, name in enumerate(names, start=1):
            rows.append([blot, lane, name, "control" if lane % 2 else "drug", "sample", f"note {name}"])
    document["targets"] = {"pAKT": {"row": 1}, "AKT": {"row": 1}}
    document["ratios"] = [{"name": "pAKT/AKT", "numerator": "pAKT", "denominator": "AKT"}]
    document["compare"] = {"reference": "control"}
    (folder / "experiment.toml").write_text(tomlkit.dumps(document), encoding="utf-8")
    with (folder / "samples.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["blot", "lane", "sample", "condition", "role", "note"], *rows])
    return folder


def all_bytes(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, working files and lock aside."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }

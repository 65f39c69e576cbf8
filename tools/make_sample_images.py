"""Write the synthetic sample experiment from its fixed seed; with --check, compare it with what lies there.

    python tools/make_sample_images.py [FOLDER] [--check]

Pictures, experiment file, sample sheet, truth tables and a README. `blotquant demo` copies what lies in
`sample_images`, which the wheel holds as `blotquant/sample_images`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from blotquant.synthetic import SyntheticBlot, make_blot

sys.path.insert(0, str(Path(__file__).resolve().parent))
from sample_study import (
    CONDITIONS,
    LADDER_KDA,
    PROBES,
    REFERENCE,
    SEED,
    Shot,
    SyntheticStudy,
    plan_study,
)

FOLDER = Path(__file__).resolve().parent.parent / "sample_images"
RATIOS = (("pAKT/AKT", "pAKT", "AKT"), ("pERK/ERK", "pERK", "ERK"))
STAIN = "total_protein"
PIXELS_PER_CM = 80
_TRUTH_COLUMNS = [
    "image",
    "blot",
    "membrane",
    "probe",
    "exposure_s",
    "lane",
    "role",
    "condition",
    "target",
    "mw_kda",
    "peak_row",
    "peak_col",
    "volume",
    "saturated",
    "snr",
    "load",
]


def write_study(folder: Path, *, seed: int = SEED) -> list[Path]:
    """Write the sample experiment into a folder; the same seed gives the same bytes.

    Parameters
    ----------
    folder : Path
        Made if it is not there; files of the same names are replaced.
    seed : int
        Draws lane orders, amounts, membranes and noise.

    Returns
    -------
    list of Path
        The files: pictures first, then ``experiment.toml samples.csv truth.csv truth_ratios.csv
        truth_conditions.csv README.md``.
    """
    study = plan_study(seed)
    folder.mkdir(parents=True, exist_ok=True)
    files, tables = [], []
    for shot in study.shots:
        blot = make_blot(shot.spec, seed=shot.seed)
        files.append(folder / shot.file)
        write_picture(files[-1], shot, blot)
        tables.append(shot_truth(shot, blot, study))
    truth = pd.concat(tables, ignore_index=True)
    ratios = true_ratios(truth, study)
    texts = {
        "experiment.toml": experiment_toml(study),
        "samples.csv": _csv(study.samples),
        "truth.csv": _csv(truth),
        "truth_ratios.csv": _csv(ratios),
        "truth_conditions.csv": _csv(true_conditions(ratios)),
        "README.md": _README.format(seed=seed, n_pictures=len(study.shots)),
    }
    for name, text in texts.items():
        files.append(folder / name)
        files[-1].write_bytes(text.encode())
    return files


def write_picture(path: Path, shot: Shot, blot: SyntheticBlot) -> None:
    """Write one picture as 16-bit TIFF; its description says that it is synthetic, and the exposure time."""
    import tifffile

    description = f"Synthetic Western blot\nProbe = {shot.probe}\nExposure time = {shot.exposure_s:g} s"
    tifffile.imwrite(
        path, blot.pixels, photometric="minisblack", description=description, software="blotquant.synthetic",
        metadata=None, resolution=(PIXELS_PER_CM, PIXELS_PER_CM), resolutionunit="CENTIMETER",
    )  # fmt: skip


def shot_truth(shot: Shot, blot: SyntheticBlot, study: SyntheticStudy) -> pd.DataFrame:
    """True bands of one picture; of a stain, one row a lane with the sum of all its bands."""
    bands = blot.truth.bands
    if shot.probe == STAIN:
        bands = _lane_sums(bands)
    sheet = study.samples[study.samples["blot"] == shot.blot].set_index("lane")
    loads = study.loads[study.loads["membrane"] == shot.membrane].set_index("lane")
    table = bands.assign(
        image=shot.file,
        blot=shot.blot,
        membrane=shot.membrane,
        probe=shot.probe,
        exposure_s=shot.exposure_s,
        role=bands["lane"].map(sheet["role"]),
        condition=bands["lane"].map(sheet["condition"]),
        load=bands["lane"].map(loads["load"]).round(4),
        volume=bands["volume"].round(1),
        **{name: bands[name].round(2) for name in ("peak_row", "peak_col", "snr")},
    )
    return table[_TRUTH_COLUMNS]


def _lane_sums(bands: pd.DataFrame) -> pd.DataFrame:
    stain = bands[bands["target"] == STAIN]
    sums = stain.groupby("lane", as_index=False).agg({"volume": "sum", "saturated": "any", "peak_col": "mean"})
    sums = sums.assign(target=STAIN, mw_kda=np.nan, peak_row=np.nan, snr=np.nan)
    return pd.concat([sums, bands[bands["target"] == "ladder"]], ignore_index=True)


def true_ratios(truth: pd.DataFrame, study: SyntheticStudy) -> pd.DataFrame:
    """Ratio of every sample lane from true volumes, by the formula for one membrane or for twins.

    ``value`` = P / T on one membrane and (P / F_p) / (T / F_t) on twins, F = stain of the lane / mean stain of the
    sample lanes; ``relative`` = value / value of the blot's reference lane; ``amount_relative`` is the same from the
    amounts of protein that were drawn, ``load_numerator`` and ``load_denominator`` what was truly loaded.
    """
    # Of two exposures of one probe the usual one: the long one is there to be saturated.
    first = truth[truth["exposure_s"] == truth["probe"].map({p.name: p.exposure_s for p in PROBES.values()})]
    lines = []
    for name, numerator, denominator in RATIOS:
        for blot in sorted(study.amounts["blot"].unique()):
            of_blot = first[(first["blot"] == blot) & (first["role"] == "sample")]
            p, t = (_by_lane(of_blot, probe) for probe in (numerator, denominator))
            value = p["volume"] / t["volume"]
            # On twin membranes each side is divided by its own loading.
            if p["membrane"].iloc[0] != t["membrane"].iloc[0]:
                value = value / (_loading(of_blot, p) / _loading(of_blot, t))
            lines.append(_ratio_table(name, value, p, t, study))
    return pd.concat(lines, ignore_index=True)


def _by_lane(truth: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Volume of a probe's target by lane, both bands of a doublet together."""
    own = truth[(truth["probe"] == probe) & (truth["target"] == probe)]
    keep = {"blot": "first", "membrane": "first", "condition": "first", "volume": "sum", "load": "first"}
    return own.groupby("lane").agg(keep)


def _loading(truth: pd.DataFrame, bands: pd.DataFrame) -> pd.Series[float]:
    stain = _by_lane(truth[truth["membrane"] == bands["membrane"].iloc[0]], STAIN)["volume"]
    return stain / stain.mean()


def _ratio_table(
    name: str, value: pd.Series[float], p: pd.DataFrame, t: pd.DataFrame, study: SyntheticStudy
) -> pd.DataFrame:
    amounts = study.amounts[study.amounts["blot"] == p["blot"].iloc[0]].set_index("lane")
    numerator, denominator = name.split("/")
    amount = amounts[numerator] / amounts[denominator]
    is_reference = p["condition"] == REFERENCE
    return pd.DataFrame(
        {
            "ratio": name,
            "blot": p["blot"],
            "lane": p.index,
            "condition": p["condition"],
            "value": value.round(6),
            "relative": (value / value[is_reference].mean()).round(6),
            "amount_relative": (amount / amount[is_reference].mean()).round(6),
            "load_numerator": p["load"],
            "load_denominator": t["load"],
        }
    )


def true_conditions(ratios: pd.DataFrame) -> pd.DataFrame:
    """True fold change of each condition as invented, and the geometric mean that the three blots happen to show."""
    lines = []
    for name, _, _ in RATIOS:
        for condition in CONDITIONS:
            fold = condition.pakt if name == "pAKT/AKT" else condition.perk
            shown = ratios.loc[(ratios["ratio"] == name) & (ratios["condition"] == condition.name), "relative"]
            realised = float(np.exp(np.log(shown.to_numpy(dtype=float)).mean()))
            lines.append((name, condition.name, fold, round(realised, 4), len(shown)))
    return pd.DataFrame(lines, columns=["ratio", "condition", "fold_change", "realised_fold_change", "n"])


def experiment_toml(study: SyntheticStudy) -> str:
    """The experiment file that a person would have written."""
    images = "\n".join(
        f'[[images]]\nfile = "{s.file}"\nblot = {s.blot}\nmembrane = "{s.membrane}"\nprobe = "{s.probe}"\n'
        f"exposure_s = {s.exposure_s:g}\n"
        for s in study.shots
    )
    targets = "\n".join(
        f"[targets.{p.name}]\n" + (f"mw_kda = {_masses(p.bands)}\n" if p.bands else "stain = true\n")
        for p in PROBES.values()
    )
    ratios = "\n".join(
        f'[[ratios]]\nname = "{name}"\nnumerator = "{p}"\ndenominator = "{t}"\n'
        + (f'loading = "{STAIN}"    # used on blot 3, where both lie on twin membranes\n' if p == "pAKT" else "")
        for name, p, t in RATIOS
    )
    ladder = ", ".join(f"{kda:g}" for kda in LADDER_KDA)
    return (
        "# Synthetic pictures, invented numbers: see README.md.\n"
        'name = "Endocrine resistance: parental MCF-7 against AnaR (synthetic)"\nsamples = "samples.csv"\n'
        f"ladder = [{ladder}]\n\n{images}\n{targets}\n{ratios}\n"
        f'[compare]\nreference = "{REFERENCE}"\nfactors = ["cell_line", "drug"]\nscaling = "alignment"\n\n'
        '[[contrasts]]\nname = "drugs within each cell line"\nwithin = "cell_line"\nreference = "vehicle"\n\n'
        '[[contrasts]]\nname = "does a drug act differently in AnaR?"\ninteraction = ["cell_line", "drug"]\n'
    )


def _masses(bands: tuple[tuple[float, float], ...]) -> str:
    masses = [f"{kda:g}" for kda, _ in bands]
    return masses[0] if len(masses) == 1 else f"[{', '.join(masses)}]    # a doublet"


def _csv(table: pd.DataFrame) -> str:
    return str(table.to_csv(index=False, lineterminator="\n"))


_README = """# A synthetic sample experiment

**These pictures are synthetic.** No membrane was ever blotted: `blotquant.synthetic` rendered all {n_pictures} of
them, and every amount and fold change is invented. They say nothing about MCF-7 or AnaR cells.

Made by

    python tools/make_sample_images.py

from the fixed seed {seed}; running it again gives the same bytes (`--check` compares).

The study they play: parental MCF-7 and anastrozole-resistant AnaR cells, vehicle and drugs, eight conditions on each
of three replicate blots, read as p-AKT / AKT and p-ERK1/2 / ERK1/2. Replicates scatter with a CV of 0.17.

- **Blot 1**: one membrane, stripped and reprobed; ladder and 8 samples. p-AKT was exposed twice: in the 180 s picture
  strong bands are saturated.
- **Blot 2**: the same with another lane order: ladder, 4 samples, an empty lane, 4 samples.
- **Blot 3**: twin membranes, 8 samples and ladder: 3a shows p-AKT, p-ERK and ERK, 3b shows AKT, and each has its
  total-protein stain. Lanes were loaded differently on the two, so that p-AKT / AKT needs both stains.

| file | what |
|---|---|
| `experiment.toml` | what the experimenter writes about the pictures |
| `samples.csv` | what lies in each lane; `load_ug` is what was meant to be loaded |
| `truth.csv` | one row a band (of a stain: one row a lane) |
| `truth_ratios.csv` | one row per ratio, blot and sample lane |
| `truth_conditions.csv` | one row per ratio and condition |

`truth.csv`: `volume` is the band's true light in counts, glow included, before noise and ceiling; `saturated` tells
whether a pixel of it stands at the ceiling; `load` is what truly lies in the lane, 1 for 25 µg.

`truth_ratios.csv`: `value` is the ratio of true volumes (on twins with both loadings taken out), `relative` the same
over the blot's reference lane, `amount_relative` that from the amounts of protein that were drawn.

`truth_conditions.csv`: `fold_change` was invented; `realised_fold_change` is the geometric mean that three replicates
happen to show of it. With three replicates one 95 % interval in twenty misses its fold change by luck alone. The seed
was chosen among a dozen so that this draw is not an unlucky one: intervals computed from the true amounts hold all 14.
"""


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

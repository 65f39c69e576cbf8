"""Plan of the sample experiment: an invented study of endocrine resistance, laid out as a laboratory would run it.

All amounts and fold changes are invented for the sample. Nothing here is a finding about MCF-7 or AnaR cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blotquant.geometry import LaneRole
from blotquant.synthetic.spec import BlotSpec, LaneSpec
from blotquant.synthetic.study_scenes import PROBES, Membrane, compose_scene

Floats = NDArray[np.float64]

SEED = 2025
REFERENCE = "parental, vehicle"
BIOLOGICAL_CV = 0.17


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One treatment and its invented true fold changes of phospho over total against the reference."""

    name: str
    cell_line: str
    drug: str
    dose_nm: int
    pakt: float
    perk: float


CONDITIONS = (
    Condition(name=REFERENCE, cell_line="MCF-7", drug="vehicle", dose_nm=0, pakt=1.0, perk=1.0),
    Condition(name="parental, anastrozole", cell_line="MCF-7", drug="anastrozole", dose_nm=100, pakt=0.7, perk=0.85),
    Condition(name="parental, fulvestrant", cell_line="MCF-7", drug="fulvestrant", dose_nm=100, pakt=0.8, perk=0.6),
    Condition(name="AnaR, vehicle", cell_line="AnaR", drug="vehicle", dose_nm=0, pakt=2.5, perk=1.8),
    Condition(name="AnaR, anastrozole", cell_line="AnaR", drug="anastrozole", dose_nm=100, pakt=2.4, perk=1.9),
    Condition(name="AnaR, letrozole", cell_line="AnaR", drug="letrozole", dose_nm=100, pakt=2.2, perk=1.7),
    Condition(name="AnaR, exemestane", cell_line="AnaR", drug="exemestane", dose_nm=100, pakt=1.9, perk=1.5),
    Condition(name="AnaR, fulvestrant", cell_line="AnaR", drug="fulvestrant", dose_nm=100, pakt=1.3, perk=1.1),
)


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One picture of the study: its file, what it shows and the scene to render."""

    file: str
    blot: int
    membrane: str
    probe: str
    exposure_s: float
    spec: BlotSpec
    seed: int


@dataclass(frozen=True)
class Study:
    """The whole sample experiment.

    Attributes
    ----------
    shots : tuple of Shot
        Every picture.
    samples : DataFrame
        The sample sheet.
    amounts : DataFrame
        One row per blot and sample lane: ``blot lane condition pAKT AKT pERK ERK``, true amounts per µg of lysate.
    loads : DataFrame
        One row per blot, membrane and lane: ``load`` is what truly lies there, 1 for 25 µg.
    """

    shots: tuple[Shot, ...]
    samples: pd.DataFrame
    amounts: pd.DataFrame
    loads: pd.DataFrame


def plan_study(seed: int = SEED) -> Study:
    """Draw the sample experiment: who lies in which lane, true amounts, loads, membranes and pictures."""
    rng = np.random.default_rng(seed)
    samples = pd.concat([_lane_order(blot, rng) for blot in (1, 2, 3)], ignore_index=True)
    amounts = _draw_amounts(samples, rng)
    membranes = [_draw_membrane(blot, name, probes, samples, rng) for blot, name, probes in _MEMBRANES]
    loads = pd.concat([_load_table(membrane) for membrane in membranes], ignore_index=True)
    shots = tuple(shot for membrane in membranes for shot in _shots(membrane, amounts))
    return Study(shots, samples, amounts, loads)


_MEMBRANES = (
    (1, "1", ("pAKT", "AKT", "pERK", "ERK", "total_protein")),
    (2, "2", ("pAKT", "AKT", "pERK", "ERK", "total_protein")),
    (3, "3a", ("pAKT", "pERK", "ERK", "total_protein")),
    (3, "3b", ("AKT", "total_protein")),
)
_SATURATED_EXPOSURE_S = {(1, "pAKT"): 180.0}


def _lane_order(blot: int, rng: np.random.Generator) -> pd.DataFrame:
    """One blot's rows of the sample sheet: the ladder left or right, a blank lane on blot 2, samples shuffled."""
    order = [CONDITIONS[k] for k in (range(8) if blot == 1 else rng.permutation(8))]
    lines: list[dict[str, object]] = [
        {"sample": f"{c.cell_line} {c.drug} {blot}", "condition": c.name, "role": "sample",
         "load_ug": float(rng.choice([20, 22.5, 25, 27.5, 30])), "cell_line": c.cell_line, "drug": c.drug,
         "dose_nM": str(c.dose_nm)}
        for c in order
    ]  # fmt: skip
    ladder: dict[str, object] = {"sample": "ladder", "condition": "", "role": "ladder"}
    blank: dict[str, object] = {"sample": "", "condition": "", "role": "blank"}
    lines = {1: [ladder, *lines], 2: [ladder, *lines[:4], blank, *lines[4:]], 3: [*lines, ladder]}[blot]
    frame = pd.DataFrame(lines)
    frame.insert(0, "lane", range(1, len(frame) + 1))
    frame.insert(0, "blot", blot)
    return frame


def _draw_amounts(samples: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """True amounts of the four proteins per µg; ratios scatter log-normally around the true fold changes."""
    known = {condition.name: condition for condition in CONDITIONS}
    spread = float(np.sqrt(np.log1p(BIOLOGICAL_CV**2)))
    lines = []
    for row in samples[samples["role"] == "sample"].itertuples():
        condition = known[str(row.condition)]
        akt, erk = rng.lognormal(0, 0.1, 2)
        pakt, perk = np.array([condition.pakt, condition.perk]) * rng.lognormal(0, spread, 2) * (akt, erk)
        lines.append((row.blot, row.lane, condition.name, pakt, akt, perk, erk))
    return pd.DataFrame(lines, columns=["blot", "lane", "condition", "pAKT", "AKT", "pERK", "ERK"])


def _draw_membrane(
    blot: int, name: str, probes: tuple[str, ...], samples: pd.DataFrame, rng: np.random.Generator
) -> Membrane:
    sheet = samples[samples["blot"] == blot]
    n_lanes = len(sheet)
    pitch = 48.0 * (1 + 0.06 * rng.uniform(-1, 1, n_lanes))
    centers = 112 + np.cumsum(pitch) - pitch[0]
    widths = 36.0 * (1 + 0.08 * rng.uniform(-1, 1, n_lanes))
    fan = rng.uniform(-0.012, 0.012)
    roles: list[LaneRole] = list(sheet["role"])
    lanes = tuple(
        LaneSpec(center=float(c), width=float(w), role=role, slope=float(fan * (2 * k / n_lanes - 1)))
        for k, (c, w, role) in enumerate(zip(centers, widths, roles, strict=True))
    )
    pipetting = rng.lognormal(0, 0.08 if len(name) == 1 else 0.16, n_lanes)
    load = sheet["load_ug"].fillna(0.0).to_numpy(dtype=float) / 25 * pipetting
    seed = int(rng.integers(1, 2**31))
    return Membrane(blot=blot, name=name, seed=seed, lanes=lanes, load=load, probes=probes)


def _load_table(membrane: Membrane) -> pd.DataFrame:
    lane = np.arange(1, len(membrane.lanes) + 1)
    return pd.DataFrame({"blot": membrane.blot, "membrane": membrane.name, "lane": lane, "load": membrane.load})


def _shots(membrane: Membrane, amounts: pd.DataFrame) -> list[Shot]:
    """Every picture of a membrane; it lies a little differently under the camera each time."""
    shots = []
    for k, name in enumerate(membrane.probes):
        seed = membrane.seed + k
        spec = compose_scene(membrane, PROBES[name], amounts, np.random.default_rng(seed))
        long = _SATURATED_EXPOSURE_S.get((membrane.blot, name))
        for frame, exposure in enumerate([PROBES[name].exposure_s, *([long] if long else [])]):
            of = membrane.name if membrane.name != str(membrane.blot) else str(membrane.blot)
            suffix = f"_{exposure:g}s" if frame else ""
            shots.append(
                Shot(file=f"blot{of}_{name}{suffix}.tif", blot=membrane.blot, membrane=membrane.name, probe=name,
                     exposure_s=exposure, spec=spec.with_(exposure_s=exposure, frame=frame), seed=seed)
            )  # fmt: skip
    return shots

"""Scenes of the sample experiment: what each probe shows on each membrane.

Plan of the sample experiment: an invented study of endocrine resistance, laid out as a laboratory would run it.

All amounts and fold changes are invented for the sample. Nothing here is a finding about MCF-7 or AnaR cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blotquant.model.geometry import LaneRole
from blotquant.synthetic.spec import BlotSpec, CameraSpec, DebrisSpec, LaneSpec, RowSpec, StripSpec, SurfaceSpec

Floats = NDArray[np.float64]


SHAPE = (420, 640)
PATTERN = 20  # draws the lysate's band pattern and the ladder's strengths, the same on all blots
LADDER_KDA = (220.0, 120.0, 100.0, 80.0, 60.0, 50.0, 40.0, 30.0)


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One antibody or stain: where it shows, how brightly, over what background.

    `peak_rate` is the height of a band of one unit of protein, counts per second; `bands` are pairs of kDa and
    share; `faint` pairs of kDa and share of unspecific rows.
    """

    name: str
    bands: tuple[tuple[float, float], ...]
    peak_rate: float
    exposure_s: float
    level: float
    glow: float = 0.10
    faint: tuple[tuple[float, float], ...] = ()


PROBES = {
    probe.name: probe
    for probe in (
        Probe(name="pAKT", bands=((60, 1.0),), peak_rate=200, exposure_s=30, level=9, glow=0.14, faint=((98, 0.03),)),
        Probe(name="AKT", bands=((60, 1.0),), peak_rate=700, exposure_s=10, level=40, glow=0.10, faint=((36, 0.03),)),
        Probe(name="pERK", bands=((44, 0.4), (42, 0.6)), peak_rate=260, exposure_s=30, level=12, glow=0.12),
        Probe(name="ERK", bands=((44, 0.45), (42, 0.55)), peak_rate=1400, exposure_s=8, level=50, glow=0.10,
              faint=((75, 0.02),)),
        Probe(name="total_protein", bands=(), peak_rate=1500, exposure_s=2, level=700, glow=0.04),
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Membrane:
    """One membrane: its lanes, what was really loaded, and the probes it was shown to."""

    blot: int
    name: str
    seed: int
    lanes: tuple[LaneSpec, ...]
    load: Floats
    probes: tuple[str, ...]


def compose_scene(membrane: Membrane, probe: Probe, amounts: pd.DataFrame, rng: np.random.Generator) -> BlotSpec:
    """Compose the picture of one probe on one membrane, at an exposure of one second.

    Parameters
    ----------
    membrane : Membrane
        Lanes and what lies in them.
    probe : Probe
        What makes them shine.
    amounts : DataFrame
        True amounts of protein by ``blot`` and ``lane``, one column a probe.
    rng : Generator
        Draws how the membrane lies under the camera, its surface and debris.
    """
    stain = probe.name == "total_protein"
    # The membrane lies a little elsewhere in every picture.
    down, right = rng.uniform(-8, 8, 2)
    last = max(lane.center for lane in membrane.lanes)
    smear = probe.level * (0.0 if stain else 0.25)
    lanes = tuple(
        replace(lane, center=lane.center + right, smear=float(smear * load * rng.uniform(0.85, 1.15)))
        for lane, load in zip(membrane.lanes, membrane.load, strict=True)
    )
    mw_rows = _stain_rows(membrane, probe, down) if stain else _probe_rows(membrane, probe, amounts, down)
    strip = StripSpec(
        box=(38 + down, 384 + down, 46 + right, min(last + 80, 590) + right),
        lanes=lanes,
        rows=(*mw_rows, *_ladder_rows(membrane, probe, down)),
        tilt_deg=float(rng.uniform(-1.6, 1.6)),
        # The smile belongs to the membrane: the same in all its pictures.
        smile_px=float(np.random.default_rng([membrane.seed, 9]).uniform(-1, 1) * 5.0),
        level=probe.level,
        ragged_px=6.0,
        irregular=0.7,
    )
    return BlotSpec(
        shape=SHAPE,
        strips=(strip,),
        surface=SurfaceSpec(
            base=0.15 * probe.level,
            gradient=(float(rng.normal(0, 0.06)) * probe.level, float(rng.normal(0, 0.06)) * probe.level),
            haze=0.12 * probe.level,
            haze_px=80.0,
            texture=0.025,
            texture_px=0.9,
            glow=probe.glow,
            glow_px=11.0,
            smear_px=36.0,
        ),
        debris=_debris(probe, rng),
        camera=CameraSpec(offset=180.0, gain=1.4, read_noise=20.0, noise_px=0.35),
        probe=probe.name,
        membrane_seed=membrane.seed,
    )


def _row_of(kda: float, down: float) -> float:
    """Row at which a mass runs: nearly linear in its logarithm, a little denser towards the top."""
    share = float(np.log(LADDER_KDA[0] / kda) / np.log(LADDER_KDA[0] / 28.0))
    return 62 + down + 296 * (0.92 * share + 0.08 * share**2)


def _probe_rows(membrane: Membrane, probe: Probe, amounts: pd.DataFrame, down: float) -> tuple[RowSpec, ...]:
    """Rows of the target's bands, and of faint unspecific ones that follow the load alone."""
    of_blot = amounts[amounts["blot"] == membrane.blot].set_index("lane")[probe.name]
    lanes = range(1, len(membrane.lanes) + 1)
    amount = np.array([of_blot.get(lane, 0.0) for lane in lanes]) * membrane.load
    sigma, tail = (2.6, 0.45) if len(probe.bands) == 1 else (2.2, 0.0)
    unit = probe.peak_rate * np.sqrt(2 * np.pi) * sigma * 36
    rows = [
        RowSpec(target=probe.name, mw_kda=kda, row=_row_of(kda, down), sigma=sigma, tail=tail,
                edge=1.6, bow_px=1.0, volumes=_volumes(membrane, amount * share * unit))
        for kda, share in probe.bands
    ]  # fmt: skip
    rows += [
        RowSpec(target="unspecific", mw_kda=kda, row=_row_of(kda, down), sigma=3.0, edge=1.8, bow_px=1.0,
                volumes=_volumes(membrane, membrane.load * share * unit))
        for kda, share in probe.faint
    ]  # fmt: skip
    return tuple(rows)


def _stain_rows(membrane: Membrane, probe: Probe, down: float) -> tuple[RowSpec, ...]:
    """The many bands and broad smears of a total-protein stain; every one follows the load alone."""
    # One pattern of the lysate for all blots: many sharp bands and a few broad smears.
    rng = np.random.default_rng([PATTERN, 5])
    sharp = np.sort(rng.uniform(62, 352, 34))
    unit = probe.peak_rate * np.sqrt(2 * np.pi) * 36
    rows = [(float(row), float(rng.uniform(1.4, 3.2)), float(rng.lognormal(-1.9, 0.8))) for row in sharp]
    rows += [
        (row, 26.0, height) for row, height in ((100.0, 0.25), (160.0, 0.45), (215.0, 0.5), (275.0, 0.35), (320.0, 0.2))
    ]
    return tuple(
        RowSpec(target=probe.name, row=row + down, sigma=sigma, edge=1.8, bow_px=1.0,
                volumes=_volumes(membrane, membrane.load * unit * sigma * height))
        for row, sigma, height in rows
    )  # fmt: skip


def _volumes(membrane: Membrane, light: Floats) -> tuple[float | None, ...]:
    """Volumes by lane: 0 in a blank lane, no place in the ladder's."""
    return tuple(
        None if lane.role == "ladder" else 0.0 if lane.role == "blank" else float(v)
        for lane, v in zip(membrane.lanes, light, strict=True)
    )


def _ladder_rows(membrane: Membrane, probe: Probe, down: float) -> tuple[RowSpec, ...]:
    """A ladder that the antibodies bind: every probe lights it, in its own strength."""
    rng = np.random.default_rng([PATTERN, 6])
    height = 0.55 * probe.peak_rate * rng.uniform(0.5, 1.2, len(LADDER_KDA))
    light = height * np.sqrt(2 * np.pi) * 2.3 * 34
    return tuple(
        RowSpec(target="ladder", mw_kda=kda, row=_row_of(kda, down), sigma=2.3, edge=1.5, bow_px=0.8,
                volumes=tuple(float(v) if lane.role == "ladder" else None for lane in membrane.lanes))
        for kda, v in zip(LADDER_KDA, light, strict=True)
    )  # fmt: skip


def _debris(probe: Probe, rng: np.random.Generator) -> DebrisSpec:
    return DebrisSpec(
        specks=int(rng.integers(20, 60)),
        dust=int(rng.integers(2, 6)),
        bubbles=int(rng.integers(0, 2)),
        scratches=0,
        pencil=int(rng.integers(2, 5)),
        folds=int(rng.integers(0, 3)),
        strength=0.5 * probe.level,
        hot=1500.0,
    )


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
class SyntheticStudy:
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


def plan_study(seed: int = SEED) -> SyntheticStudy:
    """Draw the sample experiment: who lies in which lane, true amounts, loads, membranes and pictures."""
    rng = np.random.default_rng(seed)
    samples = pd.concat([_lane_order(blot, rng) for blot in (1, 2, 3)], ignore_index=True)
    amounts = _draw_amounts(samples, rng)
    membranes = [_draw_membrane(blot, name, probes, samples, rng) for blot, name, probes in _MEMBRANES]
    loads = pd.concat(
        [
            pd.DataFrame({"blot": m.blot, "membrane": m.name, "lane": range(1, len(m.lanes) + 1), "load": m.load})
            for m in membranes
        ],
        ignore_index=True,
    )
    shots = tuple(shot for membrane in membranes for shot in _shots(membrane, amounts))
    return SyntheticStudy(shots, samples, amounts, loads)


_MEMBRANES = (
    (1, "1", ("pAKT", "AKT", "pERK", "ERK", "total_protein")),
    (2, "2", ("pAKT", "AKT", "pERK", "ERK", "total_protein")),
    (3, "3a", ("pAKT", "pERK", "ERK", "total_protein")),
    (3, "3b", ("AKT", "total_protein")),
)
_SATURATED_EXPOSURE_S = {(1, "pAKT"): 180.0}


def _lane_order(blot: int, rng: np.random.Generator) -> pd.DataFrame:
    """One blot's rows of the sample sheet: the ladder left or right, a blank lane on blot 2, samples shuffled."""
    # Blot 1 in the plan's order, the others shuffled, as a laboratory guards against places on the gel.
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
    # What was pipetted is not quite what was meant; the twin membranes differ most.
    pipetting = rng.lognormal(0, 0.08 if len(name) == 1 else 0.16, n_lanes)
    load = sheet["load_ug"].fillna(0.0).to_numpy(dtype=float) / 25 * pipetting
    seed = int(rng.integers(1, 2**31))
    return Membrane(blot=blot, name=name, seed=seed, lanes=lanes, load=load, probes=probes)


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

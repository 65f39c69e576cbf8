"""What an experiment declares: pictures, targets, ratios, the comparison, and the sample sheet."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

from blotquant.identification.presets import target_kda
from blotquant.model.geometry import LaneRole
from blotquant.model.image import Flip, Orientation
from blotquant.session.session import SESSION_SUFFIX
from blotquant.settings import RegionText, Settings, orientation_of
from blotquant.text import file_name

Scaling = Literal["none", "fixed_point", "sum", "control_mean", "interblot_control", "alignment"]
Adjustment = Literal["dunnett", "step_down", "holm", "none"]
Spread = Literal["equal", "unequal"]
ReplicateUnit = Literal["blot", "sample"]


SHEET_COLUMNS = {
    "blot": "string",
    "membrane": "string",
    "lane": "int64",
    "sample": "string",
    "condition": "string",
    "role": "string",
    "load_ug": "float64",
    "replicate": "string",
}
"""Columns of the sample sheet that have a meaning, and their types; what others it has are text."""


def _as_name(value: object) -> object:
    """Blots and membranes are names; a number written for one is its text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return value
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _as_tuple(value: object) -> object:
    if value is None:
        return ()
    return (value,) if isinstance(value, (str, int, float)) else value


Name = Annotated[str, BeforeValidator(_as_name), Field(min_length=1)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_as_tuple)]
Kda = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageEntry(_Part):
    """One picture of the experiment: a probe on a membrane of a blot."""

    file: Name = Field(description="Path of the picture, from the experiment file's folder")
    blot: Name = Field(description="Biological replicate")
    membrane: str = Field("", description="Images of one membrane share their lanes; the blot itself if not given")
    probe: Name = Field(description="Antibody or stain that the picture shows")
    exposure_s: float | None = Field(None, gt=0, allow_inf_nan=False, description="Exposure time in seconds")
    strip: int | None = Field(None, ge=1, description="Strip of the picture, only where it holds several")
    first_lane: int | None = Field(
        None, ge=1, description="Lane of the sheet in which the picture's first lit lane lies, where nothing else tells"
    )
    at: tuple[float, float] | None = Field(
        None,
        description="A place (x, y) on one of the probe's bands, in pixels of the picture, where rows are not told",
    )
    channel: str | None = Field(None, description="Colour channel: red, green or blue")
    page: int | None = Field(None, ge=0, description="Page of a multi-page file, from 0")
    polarity: Literal["auto", "bright", "dark"] = Field("auto", description="How bands stand out")
    ladder_image: str | None = Field(
        None,
        description="Marker picture of the same membrane in the same frame, where this one does not show its ladder: "
        "it tells the masses in tables and figures",
    )
    rotate: float | None = Field(
        None, ge=-360, le=360, allow_inf_nan=False, description="Turn the picture, degrees anticlockwise"
    )
    flip: Flip | None = Field(None, description="Mirror it: left-right or top-bottom, after the turn")
    region: RegionText | None = Field(None, description="Cut it first: [left, top, right, bottom] in px of the file")

    _needs_path: bool = PrivateAttr(default=False)
    _is_shared: bool = PrivateAttr(default=False)

    @property
    def orientation(self) -> Orientation | None:
        """How the entry says that its picture lies; None where it says nothing."""
        if not {"rotate", "flip", "region"} & self.model_fields_set:
            return None
        return orientation_of(self.rotate or 0.0, self.flip, self.region)

    @property
    def base_name(self) -> str:
        """The file's name without folders."""
        return re.split(r"[/\\]", self.file)[-1]

    @property
    def name(self) -> str:
        """As in the `image` column of every table: the file's name, or its path where another file has that name."""
        return self.file if self._needs_path else self.base_name

    @property
    def session_name(self) -> str:
        """File name of the picture's session; strips, pages, channels and probes of one file stay apart."""
        region = None if self.region is None else self.region.replace(",", "-")
        chosen = {"strip": self.strip, "page": self.page, "channel": self.channel, "region": region}
        parts = [f"{name}{value}" for name, value in chosen.items() if value is not None]
        parts += [self.probe] if self._is_shared else []
        folders = [part for part in re.split(r"[/\\]", self.file) if part not in ("", ".")]
        return file_name(*folders, *parts) + SESSION_SUFFIX

    def told_apart(self, *, by_path: bool, is_shared: bool) -> ImageEntry:
        """The same entry, called by its path where another file has its name; shared where it shows several probes."""
        entry = self.model_copy()
        entry._needs_path, entry._is_shared = by_path, is_shared
        return entry

    def describe(self) -> str:
        """Name the picture for messages and formulas: file, strip where it holds several, and exposure where known."""
        strip = "" if self.strip is None else f", strip {self.strip}"
        return self.name + strip + ("" if self.exposure_s is None else f", {self.exposure_s:g} s")


class TargetEntry(_Part):
    """Where a probe's protein is expected."""

    mw_kda: Annotated[tuple[Kda, ...], BeforeValidator(_as_tuple)] = Field(
        (), description="kDa, or a list for a doublet"
    )
    row: Annotated[str, BeforeValidator(_as_name), Field(pattern=r"^[1-9]\d*[ab]?$")] | None = Field(
        None, description="Row of the strip as `inspect` and the tables name it, such as 2 or 5a, where no ladder tells"
    )
    stain: bool | None = Field(None, description="Whether it is a total-protein stain, measured over the whole lane")


class Ratio(_Part):
    """One ratio to compute."""

    name: Name
    numerator: Name
    denominator: Names = ()
    loading: Names = ()


class Contrast(_Part):
    """One family of comparisons beside the one with the reference: its p-values are adjusted together."""

    name: Name | None = Field(None, description="Name of the family, for tables and the report")
    reference: Names = Field(
        (), description="Condition (with within: level of the other factor) to compare with; two for two controls"
    )
    within: Names = Field((), description="Factors inside whose levels is compared")
    pairs: tuple[Annotated[tuple[Name, Name], Field(strict=False)], ...] = Field(
        (), description="Chosen pairs of conditions, each as [condition, compared with]"
    )
    all_pairs: bool = Field(False, description="Every condition with every other")
    interaction: Names = Field(
        (), max_length=2, description="Two factors: does the second act differently by the first?"
    )
    trend: Name | None = Field(None, description="Column of doses or times that the ratio may follow")
    scale: Literal["log", "linear"] = Field("log", description="Scale of the trend: per ten-fold, or per unit")
    adjust: Adjustment | None = Field(None, description="Adjustment of this family; that of [compare] if not given")


class Comparison(_Part):
    """How conditions are compared."""

    reference: Name | None = Field(None, description="Condition that the others are compared with")
    factors: Names = Field(
        (), description="Columns of the sheet that make up the conditions, such as cell line and drug"
    )
    scaling: Scaling = Field("alignment", description="How blots are put on one scale before values are averaged")
    adjust: Adjustment = Field(
        "dunnett", description="Adjustment of p: dunnett (joint t), step_down (Dunnett-Tamhane), holm or none"
    )
    spread: Spread = Field(
        "equal", description="unequal: each comparison by the spread of its own conditions (Welch), adjusted by Holm"
    )
    replicates: ReplicateUnit | None = Field(
        None, description="What is independent where the sheet has no replicate column: each blot, or each sample"
    )
    alpha: float = Field(0.05, gt=0, lt=0.5, description="1 - confidence of intervals over replicates")

    @property
    def level(self) -> str:
        """Confidence of intervals over replicates, in words."""
        return f"{100 * (1 - self.alpha):g} %"


_STAINS = ("totalprotein", "revert", "ponceau", "coomassie", "stainfree", "nostain", "amidoblack", "sypro")
"""How the names of total-protein stains begin; no protein's name does."""
_STAINS_IN_FULL = ("tp", "tps")
_CONTROLS = (
    "actin", "bactin", "betaactin", "βactin", "gapdh", "tubulin", "alphatubulin", "betatubulin", "atubulin", "btubulin",
    "αtubulin", "βtubulin", "vinculin", "laminb1", "histoneh3", "h3", "cofilin", "hsp90", "cox4", "coxiv", "vdac",
    "ran", "tbp", "cyclophilinb", "calnexin",
)  # fmt: skip


def plain(name: str) -> str:
    """Strip a probe's name of case, blanks and signs, so that ``p-AKT`` and ``pAKT`` are one."""
    return re.sub(r"[\W_]+", "", name.lower())


def is_known_control(name: str) -> bool:
    """Whether a probe's name is that of a common loading control."""
    return plain(name) in _CONTROLS


def is_known_stain(name: str) -> bool:
    """Whether a probe's name is that of a common total-protein stain."""
    return plain(name).startswith(_STAINS) or plain(name) in _STAINS_IN_FULL


class Dilution(_Part):
    """Dilution series: those of this experiment, and those of earlier runs that its bands are held to."""

    blots: Names = Field((), description="Blots whose lanes are a dilution series, by load_ug of the sample sheet")
    files: Names = Field((), description="dilution.json of earlier runs, from the experiment file's folder")


@dataclass(frozen=True, eq=False, kw_only=True)
class Experiment:
    """One experiment: what `read_experiment` understood of the files that a person wrote.

    Attributes
    ----------
    path : pathlib.Path
        The file it was read from; pictures are looked for beside it.
    name : str
        Title, for the report.
    images : tuple of ImageEntry
        In the order written.
    samples : DataFrame
        One row per lane: `blot`, `membrane` (missing where the row holds for all membranes of the blot), `lane`,
        `sample`, `condition`, `role`, `load_ug`, `replicate`, and the sheet's further columns as text.
    targets : dict of str to TargetEntry
        By probe.
    ladder : str, tuple of float or None
        Product name or the ladder's kDa values.
    ratios : tuple of Ratio
        In the order written.
    compare : Comparison
        How conditions are compared.
    contrasts : tuple of Contrast
        Families of comparisons beside the one with the reference.
    dilution : Dilution
        Dilution series, and the files of earlier ones.
    settings : Settings
        From the file's `[settings]`, defaults where it has none.
    warnings : tuple of str
        What may be a mistake and is taken as written, one line each.
    """

    path: Path
    name: str
    images: tuple[ImageEntry, ...]
    samples: pd.DataFrame
    targets: dict[str, TargetEntry] = field(default_factory=dict)
    ladder: str | tuple[float, ...] | None = None
    ratios: tuple[Ratio, ...] = ()
    compare: Comparison = field(default_factory=Comparison)
    contrasts: tuple[Contrast, ...] = ()
    dilution: Dilution = field(default_factory=Dilution)
    settings: Settings = field(default_factory=Settings)
    warnings: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where relative paths start."""
        return self.path.parent

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Names of the sheet's further columns; they travel to every table unchanged."""
        return tuple(str(name) for name in self.samples if name not in SHEET_COLUMNS)

    @property
    def blots(self) -> tuple[str, ...]:
        """Blots in the order of the images, then of the sheet."""
        return tuple(dict.fromkeys([*(image.blot for image in self.images), *self.samples["blot"].tolist()]))

    @property
    def probes(self) -> tuple[str, ...]:
        """Probes in the order of the images."""
        return tuple(dict.fromkeys(image.probe for image in self.images))

    def without_dilutions(self) -> Experiment:
        """The experiment without the blots of its dilution series, whose lanes are no samples to compare."""
        if not self.dilution.blots:
            return self
        kept = ~self.samples["blot"].isin(self.dilution.blots)
        images = tuple(image for image in self.images if image.blot not in self.dilution.blots)
        return replace(self, images=images, samples=self.samples[kept].reset_index(drop=True))

    def image_path(self, image: ImageEntry) -> Path:
        """Where the picture's file lies."""
        return self.folder / image.file

    @cached_property
    def _images_by_blot(self) -> dict[str, tuple[ImageEntry, ...]]:
        blots = dict.fromkeys(image.blot for image in self.images)
        return {blot: tuple(image for image in self.images if image.blot == blot) for blot in blots}

    @cached_property
    def _rows_by_blot(self) -> dict[str, pd.DataFrame]:
        return {str(blot): rows for blot, rows in self.samples.groupby("blot", sort=False)}

    @cached_property
    def _membrane_rows(self) -> dict[tuple[str, str], pd.DataFrame]:
        """Rows of each membrane as they are asked for; with hundreds of blots looking them up anew takes minutes."""
        return {}

    @cached_property
    def _lane_records(self) -> dict[tuple[str, str], tuple[dict[str, Any], ...]]:
        return {}

    def images_of(
        self, *, blot: str | None = None, membrane: str | None = None, probe: str | None = None
    ) -> tuple[ImageEntry, ...]:
        """Images of a blot, membrane or probe, in the order written; what is not given does not matter."""
        return tuple(
            image
            for image in (self.images if blot is None else self._images_by_blot.get(blot, ()))
            if membrane in (None, image.membrane) and probe in (None, image.probe)
        )

    def membranes(self) -> Iterator[tuple[str, str, tuple[ImageEntry, ...]]]:
        """Yield every membrane as (blot, membrane, its images): these pictures share their lanes."""
        for blot, membrane in dict.fromkeys((image.blot, image.membrane) for image in self.images):
            yield blot, membrane, self.images_of(blot=blot, membrane=membrane)

    def samples_of(self, blot: str, membrane: str) -> pd.DataFrame:
        """Rows of the sample sheet that hold for one membrane, by lane."""
        if (blot, membrane) not in self._membrane_rows:
            rows = self._rows_by_blot.get(blot, self.samples.iloc[:0])
            holds = (rows["membrane"].isna() | (rows["membrane"] == membrane)).fillna(value=False).astype(bool)
            self._membrane_rows[blot, membrane] = rows[holds].sort_values("lane", kind="stable").reset_index(drop=True)
        return self._membrane_rows[blot, membrane].copy()

    def lane_records(self, blot: str, membrane: str) -> tuple[dict[str, Any], ...]:
        """Rows of `samples_of` as plain values, made once: every ratio goes through them. Not to be changed."""
        if (blot, membrane) not in self._lane_records:
            rows = self.samples_of(blot, membrane).to_dict("records")
            self._lane_records[blot, membrane] = tuple({str(key): cell for key, cell in row.items()} for row in rows)
        return self._lane_records[blot, membrane]

    def n_lanes(self, blot: str, membrane: str) -> int | None:
        """Lanes of a membrane by the sheet, ladder and empty ones included; None where the sheet is silent."""
        return len(self.lane_records(blot, membrane)) or None

    def roles_of(self, blot: str, membrane: str) -> dict[int, LaneRole]:
        """Role of each lane of a membrane by the sheet."""
        return {int(row["lane"]): cast(LaneRole, row["role"]) for row in self.lane_records(blot, membrane)}

    def is_stain(self, probe: str) -> bool:
        """Whether a probe is a total-protein stain: declared so, or known by its name."""
        declared = self.targets[probe].stain if probe in self.targets else None
        return is_known_stain(probe) if declared is None else declared

    def mw_of(self, probe: str) -> tuple[float, ...]:
        """Expected kDa of a probe's target: declared, else the preset of that name; empty where neither knows it."""
        declared = self.targets[probe].mw_kda if probe in self.targets else ()
        return declared or target_kda(probe)

    @property
    def unit(self) -> str:
        """What n counts: blots, or biological replicates where the sheet names them."""
        return "biological replicate" if self.samples["replicate"].notna().any() else "blot"

    def attach_sheet(self, table: pd.DataFrame) -> pd.DataFrame:
        """Add the sheet's `sample`, `condition`, `load_ug` and further columns to a table of bands or lanes.

        Parameters
        ----------
        table : DataFrame
            With `blot`, `membrane` and `lane`; columns that it has already are filled only where they are empty.

        Returns
        -------
        DataFrame
            A new table with the same rows in the same order.
        """
        wanted = ["sample", "condition", "load_ug", *self.extra_columns]
        result = table.copy()
        if table.empty:
            return result.assign(**{name: pd.array([], dtype="string") for name in wanted if name not in result})
        keys = list(zip(table["blot"], table["membrane"], table["lane"], strict=True))
        known = {
            key: {row["lane"]: row for row in self.samples_of(str(key[0]), str(key[1])).to_dict("records")}
            for key in dict.fromkeys(k[:2] for k in keys)
        }
        rows = [known[key[:2]].get(key[2], {}) for key in keys]
        for name in wanted:
            dtype = "float64" if name == "load_ug" else "string"
            cells = [row.get(name, math.nan if name == "load_ug" else pd.NA) for row in rows]
            values = pd.Series(cells, index=table.index, dtype=dtype)
            result[name] = result[name].fillna(values) if name in result else values
        return result

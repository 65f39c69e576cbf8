"""Every parameter of an analysis: default, unit, limits and meaning, once.

The command line's options, the plugin's forms and the methods paragraph are generated from these models; they
travel in every session and read and write TOML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from blotquant.errors import SheetError
from blotquant.io.files import parse_toml, read_bounded
from blotquant.model.image import Flip, Orientation
from blotquant.text import did_you_mean, short_repr

MAX_BYTES = 1 << 20
"""Largest file of settings read."""


def _region_text(value: object) -> object:
    """Four whole numbers as ``left,top,right,bottom``."""
    if isinstance(value, (list, tuple)):
        return ",".join(str(part) for part in value)
    return value.replace(" ", "") if isinstance(value, str) else value


RegionText = Annotated[str, BeforeValidator(_region_text), Field(pattern=r"^[0-9]{1,6}(,[0-9]{1,6}){3}$")]
"""``left,top,right,bottom``; a list of four numbers is read too."""


def orientation_of(rotate: float, flip: Flip | None, region: str | None) -> Orientation:
    """How a person says that a picture lies; the file's own tag is applied before."""
    if region is None:
        return Orientation(tag=None, rotate=rotate, flip=flip)
    left, top, right, bottom = (int(part) for part in region.split(","))
    return Orientation(tag=None, region=(left, top, right, bottom), rotate=rotate, flip=flip)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DetectionSettings(_Section):
    """How strips, lanes and bands are found."""

    n_lanes: Annotated[int | None, Field(ge=1, le=60)] = Field(
        None,
        description="Lanes of each strip, with or without ladder and empty ones; weighed with what the picture shows",
    )
    min_snr: float = Field(
        5.0,
        ge=1,
        le=100,
        description="A band's peak must stand this many local noise SDs above its surroundings",
    )


class QuantificationSettings(_Section):
    """How bands are weighed."""

    background: Literal["local", "lane", "flank", "constant", "none", "rolling_ball"] = Field(
        "local", description="Background method"
    )
    mask_margin: float = Field(
        0.4,
        ge=0,
        le=3,
        description="How far around a strong band no background is taken, in heights of its outline; less if weak",
    )
    optical_density: bool = Field(
        False,
        description="Weigh optical density instead of counts (film and stain scans, light through the picture)",
    )


class IdentificationSettings(_Section):
    """How bands get their protein's name, and when a doublet is taken apart."""

    ladder: str | None = Field(None, description="Ladder on the gel, by product name; see the list of presets")
    kda_tolerance: float = Field(
        0.15, gt=0, le=1, description="A band may lie this part of its target's kDa away before it is flagged"
    )
    min_delta_aicc: float = Field(
        6.0, ge=0, description="Two bands are told apart only if they lower the AICc by more than this"
    )
    min_separation_sigma: float = Field(
        1.5, ge=0.5, le=5, description="Two bands nearer than this many sigma are reported as their sum"
    )
    max_relative_se: float = Field(
        0.5, gt=0, le=1, description="Each band's area must be known better than this part of itself"
    )
    max_residual: float = Field(
        0.05, gt=0, le=1, description="What the fit leaves over may be at most this part of the peak"
    )


EARLIER_SECTIONS = {"weighing": "quantification", "naming": "identification"}
"""Sections as files and commands of version 0.1 name them; read for one release more."""


class Settings(_Section):
    """All parameters of an analysis."""

    polarity: Literal["auto", "bright", "dark"] = Field(
        "auto", description="Whether bands are brighter or darker than the background"
    )
    channel: str | None = Field(None, description="Colour channel of RGB pictures: red, green or blue")
    page: int | None = Field(None, ge=0, description="Page of a multi-page file, from 0")
    rotate: float = Field(
        0.0, ge=-360, le=360, allow_inf_nan=False, description="Turn the picture, degrees anticlockwise"
    )
    flip: Flip | None = Field(None, description="Mirror the picture: left-right or top-bottom, after the turn")
    region: RegionText | None = Field(
        None, description="Cut the picture first: left,top,right,bottom in px of the picture as viewers show it"
    )
    max_pixels: int = Field(200_000_000, ge=1, description="Larger pictures are refused, in px")
    detection: DetectionSettings = DetectionSettings()
    quantification: QuantificationSettings = QuantificationSettings()
    identification: IdentificationSettings = IdentificationSettings()

    @model_validator(mode="before")
    @classmethod
    def _read_earlier_names(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not EARLIER_SECTIONS.keys() & data.keys():
            return data
        renamed: dict[str, Any] = {}
        for name, value in data.items():
            present = EARLIER_SECTIONS.get(str(name), str(name))
            known = renamed.get(present)
            renamed[present] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
        return renamed

    @property
    def orientation(self) -> Orientation:
        """How pictures are laid; the file's own tag is applied before."""
        return orientation_of(self.rotate, self.flip, self.region)

    def to_toml(self) -> str:
        """Write the settings as TOML; parameters that are not set are left out."""
        import tomlkit

        return tomlkit.dumps(self.model_dump(exclude_none=True))

    @classmethod
    def from_toml(cls, text: str, *, where: str = "settings") -> Settings:
        """Read settings from TOML.

        Raises
        ------
        SheetError
            With one line for every mistake: the field, what was found and what is allowed.
        """
        try:
            return cls.model_validate(parse_toml(text))
        except ValidationError as error:
            raise SheetError(explain_validation(error, where=where, model=cls)) from None
        except (ValueError, RecursionError) as error:  # wrong TOML, a number or a nesting without end
            msg = f"{where}: not valid TOML: {error}"
            raise SheetError(msg) from None

    def with_overrides(self, overrides: Sequence[str]) -> Settings:
        """Return the settings with some parameters set from text.

        Parameters
        ----------
        overrides : sequence of str
            ``section.name=value`` each, as on the command line.

        Returns
        -------
        Settings
            Only what was set before or is set here counts as set (`model_fields_set`).

        Raises
        ------
        SheetError
            With one line for every unknown name or value that is not allowed.
        """
        known, given = type(self)().flat(), self.flat(set_only=True)
        for text in overrides:
            name, equals, value = text.partition("=")
            section, dot, last = name.strip().rpartition(".")
            name = EARLIER_SECTIONS.get(section, section) + dot + last
            if not equals or name not in known:
                msg = f"--set {text}: no such parameter; write NAME=VALUE, where NAME is one of {', '.join(known)}"
                raise SheetError(msg)
            # ``none`` is a background method; where a parameter can be unset it does that.
            meant = {"true": True, "false": False} | ({"none": None, "": None} if known[name] is None else {})
            given[name] = meant.get(value.strip().lower(), value.strip())
        try:
            return self.from_flat(given)
        except ValidationError as error:
            raise SheetError(explain_validation(error, where="settings")) from None

    def flat(self, *, set_only: bool = False) -> dict[str, Any]:
        """Parameters by dotted name (``detection.min_snr``) as plain values: all, or those that were set."""
        flat: dict[str, Any] = {}
        # Sections are opened where they stand, so that names come in the order of the fields.
        waiting = list(self.model_dump(mode="json", exclude_unset=set_only).items())
        while waiting:
            name, value = waiting.pop(0)
            if isinstance(value, dict):
                waiting[:0] = [(f"{name}.{key}", inner) for key, inner in value.items()]
            else:
                flat[name] = value
        return flat

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any]) -> Settings:
        """Settings from dotted names; pydantic's `ValidationError` names each wrong one."""
        nested: dict[str, Any] = {}
        for name, value in flat.items():
            *sections, last = name.split(".")
            place = nested
            for section in sections:
                place = place.setdefault(section, {})
            place[last] = value
        return cls.model_validate(nested)


def load_settings(path: Path) -> Settings:
    """Read settings from a TOML file.

    Raises
    ------
    SheetError
        If it cannot be read, or with one line for every mistake in it.
    """
    try:
        text = read_bounded(path, MAX_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name}: the settings cannot be read ({error})"
        raise SheetError(msg) from None
    return Settings.from_toml(text, where=path.name)


def explain_validation(error: ValidationError, *, where: str, model: type[BaseModel] | None = None) -> str:
    """Turn pydantic's findings into one line each: file, field, what is wrong, the value got.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    where : str
        File, or place in it.
    model : type of BaseModel, optional
        What was validated, where a person wrote it: an unknown key is answered with those that are allowed, and
        lists count from 1.
    """
    lines, first = [], 0 if model is None else 1
    for item in error.errors():
        loc = item["loc"]
        place = ".".join(str(part + first) if isinstance(part, int) else str(part) for part in loc) or "(top level)"
        if item["type"] == "extra_forbidden" and model is not None:
            text = f"unknown key; {did_you_mean(str(loc[-1]), _fields_at(model, loc))}"
        elif item["type"] == "missing" and model is not None:
            lines.append(f"{where}: {place} is missing")
            continue
        else:
            words = item["msg"] if model is None else item["msg"].lower()
            text = f"{words} (got {short_repr(item.get('input'))})"
        lines.append(f"{where}: {place}: {text}")
    return "\n".join(lines)


def _fields_at(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    for part in loc[:-1]:
        annotation = model.model_fields[str(part)].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)

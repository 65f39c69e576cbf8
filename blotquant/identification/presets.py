"""What common ladders hold and where common targets run, as apparent masses in SDS-PAGE; a target to look for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

# Prestained ladders: apparent masses in SDS-PAGE, top of the gel first.
LADDERS_KDA: dict[str, tuple[float, ...]] = {
    "PageRuler": (180, 130, 100, 70, 55, 40, 35, 25, 15, 10),
    "PageRuler Plus": (250, 130, 100, 70, 55, 35, 25, 15, 10),
    "PageRuler Unstained": (200, 150, 120, 100, 85, 70, 60, 50, 40, 30, 25, 20, 15, 10),
    "Spectra Multicolor Broad Range": (260, 140, 100, 70, 50, 40, 35, 25, 15, 10),
    "Precision Plus Protein": (250, 150, 100, 75, 50, 37, 25, 20, 15, 10),
    "Chameleon Duo": (260, 160, 125, 90, 70, 50, 38, 30, 25, 15, 8),
    "MagicMark XP": (220, 120, 100, 80, 60, 50, 40, 30, 20),
    "NEB Color Prestained 11-245": (245, 180, 135, 100, 75, 63, 48, 35, 25, 20, 17, 11),
}

# Apparent masses in SDS-PAGE; a doublet lists both bands, the upper one first.
TARGETS_KDA: dict[str, tuple[float, ...]] = {
    "pAKT": (60,),
    "AKT": (60,),
    "pERK": (44, 42),
    "ERK": (44, 42),
    "beta-actin": (42,),
    "GAPDH": (37,),
    "alpha-tubulin": (50,),
    "vinculin": (117,),
}

_ALIASES = {
    "pakt": "pAKT", "phosphoakt": "pAKT", "akt": "AKT", "totalakt": "AKT", "panakt": "AKT",
    "perk": "pERK", "perk12": "pERK", "phosphoerk": "pERK", "pmapk": "pERK", "p44p42phospho": "pERK",
    "erk": "ERK", "erk12": "ERK", "totalerk": "ERK", "mapk": "ERK", "p4442": "ERK",
    "betaactin": "beta-actin", "bactin": "beta-actin", "βactin": "beta-actin", "actin": "beta-actin",
    "actb": "beta-actin",
    "gapdh": "GAPDH",
    "alphatubulin": "alpha-tubulin", "atubulin": "alpha-tubulin", "αtubulin": "alpha-tubulin",
    "tubulin": "alpha-tubulin",
    "vinculin": "vinculin", "vcl": "vinculin",
}  # fmt: skip


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def target_kda(name: str) -> tuple[float, ...]:
    """Masses at which a common target runs, empty if it is not among the presets; spelling is forgiven."""
    return TARGETS_KDA.get(_ALIASES.get(_plain(name), ""), ())


def ladder_kda(ladder: str | Sequence[float]) -> tuple[float, ...]:
    """Masses of a ladder, heaviest first.

    Parameters
    ----------
    ladder : str or sequence of float
        A product name of `LADDERS_KDA` (upper case, spaces and hyphens do not matter) or the masses themselves.

    Raises
    ------
    ValueError
        If the product is not known, or there are fewer than three masses, or one is not above 0.
    """
    if isinstance(ladder, str):
        known = {_plain(name): name for name in LADDERS_KDA}
        if _plain(ladder) not in known:
            near = get_close_matches(_plain(ladder), known, n=1, cutoff=0.5)
            hint = f"; did you mean {known[near[0]]!r}?" if near else ""
            msg = f"no ladder named {ladder!r}{hint} Give its masses in kDa, or one of: {', '.join(LADDERS_KDA)}"
            raise ValueError(msg)
        return LADDERS_KDA[known[_plain(ladder)]]
    masses = tuple(sorted({float(m) for m in ladder}, reverse=True))
    if len(masses) < 3 or masses[-1] <= 0:
        msg = f"a ladder needs at least 3 different masses above 0 kDa, got {list(ladder)}"
        raise ValueError(msg)
    return masses


@dataclass(frozen=True, slots=True)
class Target:
    """A protein to look for.

    Attributes
    ----------
    name : str
        As in the experiment file; the bands' `target`.
    mw_kda : tuple of float
        Expected mass in kDa, or the masses of a doublet, the upper band's first; where empty, the preset of that
        name if there is one.
    row : str or None
        Name of its row (`Layout.row_names`), where the user knows it; of a doublet the row that holds both, or its
        upper half.
    at : (float, float) or None
        A place (x, y) on one of its bands, in pixels of the picture, where the user points at it.
    """

    name: str
    mw_kda: tuple[float, ...] = ()
    row: str | None = None
    at: tuple[float, float] | None = None

    @property
    def masses(self) -> tuple[float, ...]:
        """Expected masses, heaviest first: the given ones or the preset's."""
        return tuple(sorted(self.mw_kda or target_kda(self.name), reverse=True))

    @property
    def band_names(self) -> tuple[str, ...]:
        """What its bands are called: the name itself, or the name and mass of each band of a doublet (``pERK 44``)."""
        if len(self.masses) < 2:
            return (self.name,)
        return tuple(f"{self.name} {mass:g}" for mass in self.masses)

    @property
    def members(self) -> tuple[str, ...]:
        """All `target` values that add up to this protein, the unresolved sum included."""
        return tuple(dict.fromkeys((*self.band_names, self.name)))

    def expected_kda(self, band_name: str) -> float | None:
        """Mass at which the band of that name is expected; of a doublet's sum, the geometric mean."""
        if not self.masses or band_name not in self.members:
            return None
        if band_name in self.band_names:
            return self.masses[self.band_names.index(band_name)]
        return float(np.exp(np.mean(np.log(self.masses))))

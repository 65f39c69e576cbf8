"""The model of one ratio, chosen by the sheet: which values are independent, what pairs them, which are bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blotquant.experiment.design import Comparison
from blotquant.statistics.linear_model import (
    Comparisons,
    censored,
    design_matrix,
    each_by_its_own,
    estimable,
    least_squares,
    mixed,
    widened,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int_]

SIDES = {"": 0, "≤": -1, "≥": 1}
"""Where the true value of a bound lies."""
SPREAD_DRAWS = 2000
"""Draws of the test for unequal spread; its p-value of 0.05 is known to 0.005."""
SPREAD_SEED = 7
SPREAD_ALPHA = 0.05


@dataclass(frozen=True, eq=False, kw_only=True)
class RatioModel:
    """One ratio's values with the model that the sheet asks for.

    Attributes
    ----------
    names : tuple of str
        Conditions that have a value or a bound, in the sheet's order.
    units : DataFrame
        One row for each biological replicate, condition and blot: `condition`, `blot`, `replicate`, `log_value`,
        `bound`.
    standards : DataFrame
        Lanes of the standards, with `condition`, `blot`, `log_value`; they link blots that share nothing else.
    paired : bool
        Whether replicates (or blots) carry several conditions each.
    block_name : str
        What pairs them: ``blot`` or ``replicate``.
    unequal : bool
        Whether each comparison is judged by the spread of its own conditions.
    """

    names: tuple[str, ...]
    units: pd.DataFrame
    standards: pd.DataFrame
    paired: bool
    block_name: str
    unequal: bool

    @cached_property
    def condition(self) -> Ints:
        """Condition of each unit, as in `names`."""
        return np.array([self.names.index(name) for name in self.units["condition"]], dtype=int)

    @cached_property
    def block(self) -> Ints:
        """Block of each unit: what shares a scale, or pairs conditions."""
        return _codes(self.units["replicate" if self.paired else "blot"])

    @cached_property
    def side(self) -> Ints:
        """0 for a value, -1 for an upper, +1 for a lower bound."""
        return np.array([SIDES[cell] for cell in self.units["bound"]], dtype=int)

    def n_of(self, level: int) -> int:
        """Biological replicates of a condition: a sample on several blots counts once."""
        return self._n_by_level[level]

    @cached_property
    def _n_by_level(self) -> Counter[int]:
        return Counter(level for level, _ in set(zip(self.condition.tolist(), self.units["replicate"], strict=True)))

    def n_together(self, levels: Sequence[int]) -> int:
        """Blocks that carry all these conditions, where blocks pair them; else the smallest n among them."""
        if not self.paired and not (self.block_name == "blot" and self._one_each()):
            return min(self.n_of(level) for level in levels)
        condition, block = self.condition, self.block
        return len(set.intersection(*(set(block[condition == level]) for level in levels)))

    def _one_each(self) -> bool:
        return bool((self.units.groupby("blot")["replicate"].nunique() == 1).all())

    @property
    def shared_samples(self) -> bool:
        """Whether one sample lies on several blots."""
        return bool(self.units.duplicated(["condition", "replicate"]).any())

    def describe(self) -> str:
        """Say in words what is compared with what."""
        how = f"paired by {self.block_name}" if self.paired else "blots as blocks"
        if len(self.names) == 2 and self.paired:
            return f"t-test on log ratios, {how}"
        return f"linear model of log ratios, {how}"

    def compare(self, weights: Floats) -> tuple[Comparisons, list[str], str]:
        """Estimate contrasts of the conditions.

        Parameters
        ----------
        weights : ndarray, shape (m, k)
            Over `names`; each row sums to 0.

        Returns
        -------
        comparisons : Comparisons
            NaN where nothing links the conditions of a contrast.
        bounds : list of str
            ``≤`` or ``≥`` for each contrast that is only known to be at most or at least its estimate, ``?`` where it
            is bounded on neither side, else empty.
        how : str
            The model that was fitted, in words.

        Notes
        -----
        Bounds enter the likelihood. Of a condition without enough measured values only the worst case is computed:
        all its values stand at their bounds, and the contrast is a bound itself.
        """
        lost = self._only_bounded()
        kept = ~np.isin(self.condition, list(lost))
        found, how = self._fit(weights, kept) if kept.any() else (None, "")
        # Conditions known as bounds alone: their bounds are taken as values, and the result is a bound.
        worst, words = (
            replace(self, units=self.units.assign(bound=""))._fit(weights, np.ones_like(kept)) if lost else (found, how)
        )
        assert worst is not None
        bounds = []
        # A contrast is a bound if all its bounded conditions push it to one side.
        for row, weight in enumerate(weights):
            of = {int(np.sign(weight[c])) * side for c, side in lost.items() if abs(weight[c]) > 1e-12}
            bounds.append({-1: "≤", 1: "≥"}[of.pop()] if len(of) == 1 else "?" if of else "")
            if not bounds[row] and found is not None:
                for name in ("estimate", "se", "df"):
                    getattr(worst, name)[row] = getattr(found, name)[row]
            elif bounds[row] == "?":
                worst.estimate[row] = worst.se[row] = np.nan
        return worst, bounds, how or words

    def _only_bounded(self) -> dict[int, int]:
        """Conditions that have too few measured values for an estimate, and the side on which they lie.

        0 stands for a condition with bounds on both sides.
        """
        side, condition = self.side, self.condition
        if not side.any():
            return {}
        counts = {c: float(np.mean(side[condition == c] != 0)) for c in range(len(self.names))}
        lost = {c for c, share in counts.items() if share == 1}
        while len(lost) < len(counts):
            rows = (side == 0) & ~np.isin(condition, list(lost))
            design = design_matrix(condition[rows], self._blocks(rows), n_conditions=len(self.names))
            partly = {c: share for c, share in counts.items() if 0 < share < 1 and c not in lost}
            if not partly or rows.sum() - np.linalg.matrix_rank(design, tol=1e-8) >= 1:
                break
            # Too few measured values for a spread: the condition with most bounds is given up first.
            lost.add(max(partly, key=lambda c: partly[c]))
        sides = {c: set(side[(condition == c) & (side != 0)].tolist()) for c in lost}
        return {c: found.pop() if len(found) == 1 else 0 for c, found in sides.items()}

    def _blocks(self, rows: NDArray[np.bool_]) -> list[Ints]:
        """Blocks of some units: blots, and the replicates that pair conditions."""
        blots = _codes(self.units["blot"])[rows]
        return [self.block[rows], blots] if self.paired else [blots]

    def _fit(self, weights: Floats, kept: NDArray[np.bool_]) -> tuple[Comparisons, str]:
        """Fit the units that are kept, by the model that their design asks for, and name it."""
        block = self.block
        if self.side[kept].any():
            measured = np.unique(block[kept & (self.side == 0)])
            kept = kept & np.isin(block, measured)
        y = self.units["log_value"].to_numpy(dtype=float)[kept]
        condition = self.condition[kept]
        design = design_matrix(condition, self._blocks(kept), n_conditions=len(self.names))
        if self.side[kept].any():
            fit, _ = censored(y, self.side[kept], block[kept], design=design, weights=weights)
            return fit, f"{self.describe()}, bounds by their likelihood"
        # Which model: linked by standards, samples on several blots, own spreads, or one error for all.
        linked = estimable(widened(weights, design), np.linalg.pinv(design, rcond=1e-10) @ design)
        if np.isnan(linked).any() and len(self.standards):
            return self._with_standards(weights, kept)
        if self.shared_samples:
            fit = mixed(y, design, weights, self._sample[kept]) or least_squares(y, design, weights)
            return fit, "mixed model of log ratios, samples on several blots counted once"
        if self.unequal:
            own = "paired t" if self.paired or self._one_each() else "Welch"
            fit = each_by_its_own(y, condition, block[kept], weights)
            return fit, f"each comparison of log ratios by the spread of its own conditions ({own})"
        return least_squares(y, design, weights), self.describe()

    @property
    def _sample(self) -> Ints:
        return _codes(self.units["condition"].astype(str) + "\0" + self.units["replicate"].astype(str))

    def _with_standards(self, weights: Floats, kept: NDArray[np.bool_]) -> tuple[Comparisons, str]:
        """Fit with the standards' lanes, each standard a condition of its own that stands on several blots."""
        units, lanes = self.units[kept], self.standards
        names = list(dict.fromkeys(lanes["condition"]))
        condition = np.concatenate(
            [self.condition[kept], [len(self.names) + names.index(name) for name in lanes["condition"]]]
        ).astype(int)
        blot = _codes(pd.concat([units["blot"], lanes["blot"]]))
        y = np.concatenate([units["log_value"], lanes["log_value"]]).astype(float)
        sample = np.concatenate([self._sample[kept], np.full(len(lanes), -1)])
        blocks = [blot]
        if self.paired:
            own = self.block[kept]
            blocks.append(np.concatenate([own, np.full(len(lanes), own.max(initial=0) + 1)]))
        design = design_matrix(condition, blocks)
        how = f"linear model of log ratios, blots linked by {' and '.join(map(str, names))}"
        fit = mixed(y, design, weights, sample)
        if fit is not None:
            return fit, how
        return least_squares(
            y, design, weights
        ), f"{how}, whose error is taken for a sample's: it stands once on a blot"

    def completed(self) -> pd.Series:
        """Log values with each bound replaced by what is to be expected beyond it, or left where that is not known."""
        values = self.units["log_value"].astype(float)
        if not self.side.any():
            return values
        kept = ~np.isin(self.condition, list(self._only_bounded()))
        kept &= np.isin(self.block, np.unique(self.block[kept & (self.side == 0)]))
        if not self.side[kept].any():
            return values
        design = design_matrix(self.condition[kept], self._blocks(kept), n_conditions=len(self.names))
        weights = np.zeros((1, len(self.names)))
        _, filled = censored(values.to_numpy()[kept], self.side[kept], self.block[kept], design=design, weights=weights)
        return values.mask(pd.Series(kept, index=values.index), pd.Series(filled, index=values.index[kept]))

    def residuals(self) -> pd.DataFrame:
        """Residual of every measured value from ``condition + block``, natural logarithm.

        Returns
        -------
        DataFrame
            `condition`, `block`, `residual`; empty where no value was measured.
        """
        kept = self.side == 0
        if not kept.any():
            return pd.DataFrame(columns=["condition", "block", "residual"])
        values = self.units.loc[kept, "log_value"].to_numpy(dtype=float)
        blocks = self.units.loc[kept, "replicate" if self.paired else "blot"].astype(str)
        residual = self._residual_maker(kept) @ values
        return pd.DataFrame({"condition": self.units.loc[kept, "condition"], "block": blocks, "residual": residual})

    def _residual_maker(self, kept: NDArray[np.bool_]) -> Floats:
        """Matrix that takes log values to their residuals."""
        design = design_matrix(self.condition[kept], self._blocks(kept))
        maker: Floats = np.eye(int(kept.sum())) - design @ np.linalg.pinv(design, rcond=1e-10)
        return maker

    def uneven_spread(self) -> str:
        """Say which condition spreads more than the others, where chance alone would seldom show it; else empty.

        Notes
        -----
        The largest share of the residual sum of squares over what equal spread gives to that condition, against the
        same figure in draws of the same design with equal spread.
        """
        kept = self.side == 0
        condition = self.condition[kept]
        if len(set(condition)) < 2:
            return ""
        maker = self._residual_maker(kept)
        given = np.array([np.diag(maker)[condition == c].sum() for c in range(len(self.names))])
        judged = np.flatnonzero(given > 0.5)
        residuals = self.residuals()["residual"].to_numpy(dtype=float)
        if len(judged) < 2 or float(np.abs(residuals).max()) < 1e-12:
            return ""
        # The same figure in draws of this design with equal spread: how often chance gives so much.
        draws = maker @ np.random.default_rng(SPREAD_SEED).normal(size=(len(condition), SPREAD_DRAWS))
        of_condition, given = np.array([condition == c for c in judged], dtype=float), given[judged]
        mine = of_condition @ residuals**2 / given
        drawn = of_condition @ draws**2 / given[:, None]
        largest, own = (drawn / (given @ drawn)).max(axis=0), float((mine / (given @ mine)).max())
        p = (1 + int((largest >= own).sum())) / (1 + SPREAD_DRAWS)
        if p > SPREAD_ALPHA:
            return ""
        worst = int(np.argmax(mine))
        others = (mine @ given - mine[worst] * given[worst]) / (given.sum() - given[worst])
        times = f"{np.sqrt(mine[worst] / others):.1f} times as much as the others" if others > 0 else "alone"
        return f"{self.names[judged[worst]]} spreads {times} (p = {p:.2g} for equal spread)"


def build_model(units: pd.DataFrame, design: Comparison, *, standards: pd.DataFrame) -> RatioModel:
    """Choose the model of one ratio by its units.

    Parameters
    ----------
    units : DataFrame
        From `average_technical`, of one ratio, without standards.
    design : Comparison
        What the experiment declares.
    standards : DataFrame
        Lanes of the standards: `condition`, `blot`, `log_value`.
    """
    carried = units.groupby("replicate")["condition"].nunique()
    paired = bool((carried > 1).any())
    if design.replicates is not None or (units["replicate"] != units["blot"]).any():
        units = units.drop(columns="n_samples", errors="ignore")
    is_blot = not paired or bool((units["replicate"] == units["blot"]).all())
    return RatioModel(
        names=tuple(str(name) for name in dict.fromkeys(units["condition"])),
        units=units.reset_index(drop=True),
        standards=standards.reset_index(drop=True),
        paired=paired,
        block_name="blot" if is_blot else "replicate",
        unequal=design.spread == "unequal",
    )


def _codes(column: pd.Series) -> Ints:
    return np.asarray(pd.factorize(column)[0], dtype=int)

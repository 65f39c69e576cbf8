"""Fold changes: the one place where log values become differences from the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blotquant.comparing.log_model import ModelFit, fit_log_model

Floats = NDArray[np.float64]
Ints = NDArray[np.int_]


@dataclass(frozen=True, eq=False, kw_only=True)
class FoldFit:
    """One ratio's fold changes, with the units that they are made of.

    Attributes
    ----------
    names : tuple of str
        Conditions, the reference first.
    condition, block : ndarray of int, shape (n,)
        Of each unit; conditions count as in `names`.
    is_paired : bool
        Whether blocks hold more than one condition each.
    block_name : str
        What a block is: ``blot`` or ``replicate``.
    model : ModelFit
        Differences from the reference, natural logarithm.
    """

    names: tuple[str, ...]
    condition: Ints
    block: Ints
    is_paired: bool
    block_name: str
    model: ModelFit

    def shared_blocks(self, level: int) -> int:
        """Replicates that carry both this condition and the reference; the smaller n where blocks pair none."""
        if self.is_paired:
            return len(set(self.block[self.condition == level]) & set(self.block[self.condition == 0]))
        return int(min((self.condition == level).sum(), (self.condition == 0).sum()))

    def differences(self) -> Mapping[str, float]:
        """Log fold change by condition, the reference left out; NaN where nothing links it to the reference."""
        return dict(zip(self.names[1:], self.model.difference.tolist(), strict=True))


def fit_folds(units: pd.DataFrame, reference: str, *, scaled: pd.Series | None = None) -> FoldFit:
    """Compare every condition with the reference.

    Parameters
    ----------
    units : DataFrame
        From `average_technical`, of one ratio, without standards; the reference is among its conditions.
    reference : str
        The reference condition.
    scaled : Series, optional
        Log values after blots were put on one scale, in place of the model's own scale for every block; units
        that this leaves without a value do not count.

    Returns
    -------
    FoldFit
        Of ``log value = condition + block``, where a block is the blot, or the biological replicate where the sheet
        pairs conditions by one; of ``scaled value = condition`` where scaled values are given.
    """
    if scaled is not None:
        units = units.assign(log_value=scaled).dropna(subset=["log_value"])
    names = (reference, *(str(name) for name in units["condition"].unique() if name != reference))
    by_replicate = bool((units.groupby("replicate")["condition"].nunique() > 1).any())
    block = units["replicate"] if by_replicate else units["blot"]
    is_blot = not by_replicate or bool((units["replicate"] == units["blot"]).all())
    condition = np.array([names.index(c) for c in units["condition"]], dtype=int)
    blocks = np.asarray(pd.factorize(block)[0], dtype=int)
    used = np.zeros_like(blocks) if scaled is not None else blocks
    return FoldFit(
        names=names,
        condition=condition,
        block=blocks,
        is_paired=by_replicate,
        block_name="blot" if is_blot else "replicate",
        model=fit_log_model(units["log_value"].to_numpy(dtype=float), condition.tolist(), used.tolist()),
    )

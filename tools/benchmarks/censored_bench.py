"""Bias and coverage of fold changes where some values of a condition are only known to lie below a limit.

    python tools/benchmarks/censored_bench.py [--experiments 1000] [--conditions 4] [--cv 0.2]

Two or more conditions on each blot, log-normal values, every blot on a scale of its own. One condition is a quarter of
the reference, and its limit of detection lies so that the stated share of its values falls below it. Judged is the
fold change as the program gives it: an estimate where enough values are measured, else a bound. Printed are the bias of
the estimates (geometric mean over the truth), how often the interval holds the truth (of estimates; of bounds, whose
interval is open below), and how often only a bound is given. Experiments in which a condition's values all lie below
are bounds: to leave them out raises the mean of the others, so the bias is also printed for experiments in which
exactly that share lies below.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from scipy import stats

from blotquant.experiment.design import Comparison
from blotquant.statistics.model import build_model

FOLD = 0.25
BLOTS = (3, 4, 6)
SHARES = (0.1, 0.25, 0.5)
ALPHA = 0.05


def experiment(
    n: int, share: float, rng: np.random.Generator, *, exactly: bool, n_conditions: int, sigma: float
) -> tuple[float, float, float, str]:
    """One experiment: log error of the estimate, its SE and degrees of freedom, and its bound sign."""
    condition, blot = np.tile(range(n_conditions), n), np.repeat(range(n), n_conditions)
    scale = rng.normal(0, 1, n)[blot]
    noise = rng.normal(0, sigma, len(blot))
    own = condition == 1
    at = sigma * stats.norm.ppf(share)
    if exactly:
        k = round(share * n)
        at = float(np.sort(noise[own])[k - 1 : k + 1].mean()) if k else -np.inf
    below = own & (noise < at)
    truth = np.where(own, np.log(FOLD), 0.0) + scale
    units = pd.DataFrame(
        {
            "condition": [f"c{c}" for c in condition],
            "blot": blot.astype(str),
            "replicate": blot.astype(str),
            "log_value": truth + np.where(below, at, noise),
            "bound": np.where(below, "≤", ""),
        }
    )
    model = build_model(units, Comparison(), standards=units.iloc[:0])
    weights = np.zeros((1, n_conditions))
    weights[0, [1, 0]] = 1.0, -1.0
    found, bounds, _ = model.compare(weights)
    return float(found.estimate[0] - np.log(FOLD)), float(found.se[0]), float(found.df[0]), bounds[0]


def bias(log_errors: np.ndarray) -> float:
    """Geometric mean over the truth, less 1, in percent; NaN where there is none."""
    return float(100 * np.expm1(log_errors.mean())) if len(log_errors) else np.nan


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--conditions", type=int, default=4)
    parser.add_argument("--cv", type=float, default=0.2)
    options = parser.parse_args()
    n_experiments, sigma = options.experiments, float(np.sqrt(np.log(1 + options.cv**2)))
    drawn = {"n_conditions": options.conditions, "sigma": sigma}
    print(f"{options.conditions} conditions, CV {options.cv}, {n_experiments} experiments each")
    print(
        "blots  share below    bias %   inside %   only a bound %   its interval holds %   bias % at exactly that share"
    )
    for n in BLOTS:
        for share in SHARES:
            rng = np.random.default_rng([n, round(100 * share)])
            found = [experiment(n, share, rng, exactly=False, **drawn) for _ in range(n_experiments)]
            error, se, df, bound = (np.array(part) for part in zip(*found, strict=True))
            reach = stats.t.isf(ALPHA / 2, df) * se
            whole = bound == ""
            held = np.abs(error) <= reach
            holds = 100 * (error[~whole] + reach[~whole] >= 0).mean() if (~whole).any() else np.nan
            exact = [experiment(n, share, rng, exactly=True, **drawn) for _ in range(n_experiments)]
            of_exact = np.array([one[0] for one in exact if one[3] == ""])
            print(
                f"{n:5d} {share:11.2f} {bias(error[whole]):+10.1f} {100 * held[whole].mean():9.1f} "
                f"{100 * (~whole).mean():14.1f} {holds:20.1f} {bias(of_exact):+20.1f}"
            )


if __name__ == "__main__":
    main()

"""The comparisons against R: lm, emmeans and multcomp on complete, unbalanced and two-factor data.

    python tools/benchmarks/compare_with_r.py

Needs Rscript with the packages emmeans and multcomp (Debian: r-cran-emmeans, r-cran-multcomp). The same log ratios are
compared by this package and by R; the largest difference of each quantity is printed. Estimates, standard errors and
single p are exact in both; adjusted p and simultaneous quantiles of multcomp come from quasi-random integration
(mvtnorm), here with its error asked to be below 1e-5; a quantile of it is known to about 1e-3.
Where a contrast is refused for its n, the others keep the whole family's size, which R does not know: adjusted p is not
compared there.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from blotquant.experiment.design import Comparison, Contrast
from blotquant.experiment.families import Family, resolve_families
from blotquant.statistics.contrasts import judge_family
from blotquant.statistics.model import build_model

LEVELS = pd.DataFrame(
    [(line, drug) for line in ("P", "R") for drug in ("v", "a", "b")],
    columns=["line", "drug"],
    index=[f"{line}.{drug}" for line in ("P", "R") for drug in ("v", "a", "b")],
)
FAMILIES = {
    "one reference (Dunnett)": Contrast(reference=("P.v",)),
    "all pairs (Tukey)": Contrast(all_pairs=True),
    "within levels": Contrast(within=("line",), reference=("v",)),
    "interaction": Contrast(interaction=("line", "drug"), reference=("P.v",)),
}
GONE = {
    "complete, 4 blots": (),
    "unbalanced, 6 blots, 6 values missing": ((0, 1), (1, 2), (2, 0), (3, 5), (4, 3), (5, 4)),
    "two values left of one condition": ((0, 5), (1, 5)),
}
R = """
suppressMessages({library(multcomp); library(emmeans)})
set.seed(1)
d <- read.csv("data.csv", stringsAsFactors = TRUE)
k <- as.matrix(read.csv("weights.csv", check.names = FALSE))
d$condition <- factor(d$condition, levels = colnames(k)); d$blot <- factor(d$blot)
fit <- lm(y ~ 0 + condition + blot, d)
full <- cbind(k, matrix(0, nrow(k), length(coef(fit)) - ncol(k)))
test <- glht(fit, linfct = full)
tight <- mvtnorm::GenzBretz(maxpts = 50000, abseps = 1e-5, releps = 0)
s <- summary(test, test = adjusted("single-step", maxpts = 200000, abseps = 1e-5, releps = 0))$test
one <- summary(test, test = univariate())$test
e <- as.data.frame(contrast(emmeans(fit, "condition"), method = as.list(as.data.frame(t(k)))))
cr <- cov2cor(vcov(test))
crit <- if (nrow(k) > 1) mvtnorm::qmvt(0.95, df = fit$df.residual, corr = cr, tail = "both.tails",
  algorithm = tight, ptol = 1e-4, maxiter = 60)$quantile else qt(0.975, fit$df.residual)
F <- summary(test, test = Ftest())$test
write.csv(data.frame(estimate = one$coefficients, se = one$sigma, p = one$pvalues, p_adjusted = s$pvalues,
  emmeans_estimate = e$estimate, emmeans_se = e$SE, emmeans_p = e$p.value, critical = crit,
  f = as.numeric(F$fstat), f_p = as.numeric(F$pvalue)), "out.csv", row.names = FALSE)
"""


def by_r(units: pd.DataFrame, family: Family, folder: Path) -> pd.DataFrame:
    """Estimates and p of one family by R."""
    units.rename(columns={"log_value": "y"})[["condition", "blot", "y"]].to_csv(folder / "data.csv", index=False)
    pd.DataFrame(family.weights, columns=list(family.conditions)).to_csv(folder / "weights.csv", index=False)
    (folder / "compare.R").write_text(R)
    subprocess.run(["Rscript", "--vanilla", "compare.R"], cwd=folder, check=True, capture_output=True, text=True)
    return pd.read_csv(folder / "out.csv")


def main() -> None:
    """Compare and print."""
    print(f"{'data':38s} {'family':26s} {'estimate':>9s} {'SE':>9s} {'p':>9s} {'emmeans':>9s} "
          f"{'F, its p':>9s} {'adj. p':>9s} {'quantile':>9s}")  # fmt: skip
    for data, gone in GONE.items():
        n = 6 if "6 blots" in data else 4
        rng = np.random.default_rng(n + len(gone))
        rows = [
            {"condition": name, "blot": str(blot), "replicate": str(blot), "bound": "",
             "log_value": rng.normal(0.3 * k, 0.2) + 0.5 * blot}
            for blot in range(n) for k, name in enumerate(LEVELS.index) if (blot, k) not in gone
        ]  # fmt: skip
        units = pd.DataFrame(rows)
        model = build_model(units, Comparison(), standards=units.iloc[:0])
        for name, contrast in FAMILIES.items():
            (family,), problems = resolve_families([contrast], Comparison(reference="P.v"), LEVELS)
            assert not problems, problems
            found = pd.DataFrame(judge_family(model, family, alpha=0.05))
            estimate = np.log(found["estimate_fold"])
            quantile = np.log(found["simultaneous_ci_high"] / found["estimate_fold"]) / found["se_log"]
            with tempfile.TemporaryDirectory() as folder:
                r = by_r(units, family, Path(folder))
            off = [
                np.abs(estimate - r["estimate"]).max(),
                np.abs(found["se_log"] - r["se"]).max(),
                np.abs(found["p_value"] - r["p"]).max(),
                max(np.abs(estimate - r["emmeans_estimate"]).max(), np.abs(found["se_log"] - r["emmeans_se"]).max(),
                    np.abs(found["p_value"] - r["emmeans_p"]).max()),
                np.abs(found["family_p"] - r["f_p"]).max() if "family_p" in found else np.nan,
                np.abs(found["p_adjusted"] - r["p_adjusted"]).max() if found["p_adjusted"].notna().all() else np.nan,
                np.abs(quantile - r["critical"]).max(),
            ]  # fmt: skip
            print(f"{data:38s} {name:26s} " + " ".join(f"{x:9.1e}" for x in off), flush=True)


if __name__ == "__main__":
    main()

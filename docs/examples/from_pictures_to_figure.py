# %% [markdown]
# # From pictures to the figure
#
# A notebook in cells: every line below was run when this page was built, and what it printed and drew stands under it.
# It uses the synthetic sample study; put your own folder in the place of `sample_images`. The script is
# `docs/examples/from_pictures_to_figure.py`; editors that know `# %%` cells (VS Code, Spyder, PyCharm) and Jupyter with
# jupytext open it as a notebook.
#
# ## One picture
#
# `read_image` gives counts as the camera wrote them; `analyze` finds strips, lanes and bands and measures them.

# %%
from pathlib import Path

import blotquant as bq

image = bq.read_image("sample_images/blot1_pAKT.tif")
analysis = bq.analyze(image)
print(image.shape, image.pixels.dtype, "bands are", image.polarity)
print("ceiling", image.ceiling)
table = analysis.bands[["lane", "band", "volume", "volume_sd", "snr", "flags"]]
print(table.head(10).round(1).to_string(index=False))

# %% [markdown]
# Look before believing a number. What was found is geometry over the original pixels.

# %%
import numpy as np
from matplotlib import pyplot as plt

figure, axes = plt.subplots(figsize=(7.2, 3.4))
signal = image.signal()
axes.imshow(signal, cmap="gray_r", vmin=0, vmax=np.percentile(signal, 99.5))
for band in analysis.layout.bands:
    rows, cols = zip(*band.outline, band.outline[0], strict=False)
    color = "tab:orange" if band.status == "detected" else "tab:blue"
    axes.plot(cols, rows, color=color, linewidth=0.8)
axes.set_axis_off()
axes.set_title("blot1_pAKT.tif (synthetic): bands as found", fontsize=9)

# %% [markdown]
# ## The whole study
#
# The pictures, probes, lanes and ratios of a study stand in `experiment.toml` and `samples.csv`. One call does what
# `blotquant run` does and writes the same files.

# %%
experiment = bq.read_experiment(Path("sample_images/experiment.toml"))
study = bq.run_experiment(experiment, Path("results"))
print("failed:", dict(study.failures) or "nothing")
print(*sorted(path.name for path in Path("results").glob("*.*")), sep="\n")

# %% [markdown]
# Each lane's ratio has its interval, its flags and its formula. Nothing is dropped silently: a value that does not
# count says why.

# %%
import pandas as pd

ratios = pd.read_csv("results/ratios.csv")
akt = ratios[ratios["ratio"] == "pAKT/AKT"]
shown = akt[["blot", "lane", "condition", "value", "ci_low", "ci_high", "included"]]
print(shown.head(8).round(3).to_string(index=False))
print()
print(akt["formula"].iloc[0])

# %% [markdown]
# ## The figure
#
# Points are biological replicates, the bar is their geometric mean, the whisker the 95 % interval of the fold change
# against the reference condition. n stands in the table; p is adjusted for comparing seven conditions with one.

# %%
summary = pd.read_csv("results/summary.csv")
claim = summary[summary["ratio"] == "pAKT/AKT"].reset_index(drop=True)
shown = claim[["condition", "n", "fold_change", "fold_ci_low", "fold_ci_high", "p_adjusted"]]
print(shown.round(3).to_string(index=False))

figure, axes = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
for place, row in claim.iterrows():
    own = akt[(akt["condition"] == row["condition"]) & akt["included"]]["relative"]
    axes.scatter(np.linspace(place - 0.15, place + 0.15, len(own)), own, s=18, color="0.55")
    axes.hlines(row["fold_change"], place - 0.25, place + 0.25, color="tab:blue", linewidth=2)
    axes.vlines(place, row["fold_ci_low"], row["fold_ci_high"], color="tab:blue", linewidth=1)
axes.axhline(1, color="0.8", linewidth=0.8, zorder=0)
axes.set_yscale("log")
axes.set_yticks([0.5, 1, 2], ["0.5", "1", "2"])
axes.minorticks_off()
axes.set_xticks(range(len(claim)), claim["condition"].str.replace(", ", "\n"), fontsize=8)
axes.set_ylabel("p-AKT / AKT, fold of parental vehicle", fontsize=9)
axes.set_title("Synthetic study: points are blots, bars fold changes with 95 % CI", fontsize=9)

# %% [markdown]
# ## How far to trust it
#
# `sensitivity.csv` holds each fold change again for every sane choice of background, aperture and scaling. A claim that
# moves a lot with them is weak, whatever its p-value.

# %%
ways = pd.read_csv("results/sensitivity.csv")
ways = ways[(ways["ratio"] == "pAKT/AKT") & (ways["condition"] == "AnaR, vehicle")]
lowest, highest = ways["fold_change"].min(), ways["fold_change"].max()
print(f"AnaR against parental, both vehicle: {lowest:.2f} to {highest:.2f}-fold", end=" ")
print(f"over {len(ways)} ways of analysing it")

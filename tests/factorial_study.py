"""A study of two factors on disk, two lines by two drugs on every blot, and ratio rows to go with it."""

import math

import numpy as np
from small_experiment import experiment, image, ratio

from blotquant.tables import RATIO_COLUMNS, make_table

CELLS = [("WT", "vehicle"), ("WT", "drug"), ("KO", "vehicle"), ("KO", "drug")]


def two_factors(folder, toml="", n_blots=4, *, sheet=None, reference="WT vehicle"):
    lines = ["blot,lane,condition,line,drug"]
    lines += [f"{b},{k},{a} {d},{a},{d}" for b in range(1, n_blots + 1) for k, (a, d) in enumerate(CELLS, 1)]
    images = "".join(image(f"p{b}.tif", "P", blot=b) + image(f"t{b}.tif", "T", blot=b) for b in range(1, n_blots + 1))
    compare = f'[compare]\nreference = "{reference}"\n' if reference else "[compare]\n"
    return experiment(folder, images + ratio("r", "P", "T") + compare + toml, sheet or "\n".join(lines) + "\n")


def values(n_blots=4, *, seed=3, skip=(), effect=(0.0, 0.3, 0.8, 0.2), sd=0.2):
    rng = np.random.default_rng(seed)
    rows = []
    for b in range(1, n_blots + 1):
        scale = rng.normal()
        for k, (a, d) in enumerate(CELLS):
            log = effect[k] + scale + rng.normal(0, sd)
            name = f"{a} {d}"
            if (name, b) not in skip:
                rows.append({"ratio": "r", "blot": str(b), "lane": k + 1, "condition": name, "value": math.exp(log),
                             "included": True, "role": "sample", "line": a, "drug": d})  # fmt: skip
    return make_table(rows, RATIO_COLUMNS)


INTERACTION = '[[contrasts]]\ninteraction = ["line", "drug"]\n'
WITHIN = '[[contrasts]]\nname = "drug within line"\nwithin = "line"\nreference = "vehicle"\n'

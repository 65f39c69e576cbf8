"""Graded suites of random synthetic blots."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from blotquant.synthetic.blot import SyntheticBlot, make_blot
from blotquant.synthetic.random_scenes import Difficulty, random_spec


def graded_suite(difficulty: Difficulty, n: int, seed: int) -> Iterator[SyntheticBlot]:
    """Make `n` random blots of one difficulty.

    Parameters
    ----------
    difficulty : {"easy", "medium", "hard"}
        Which of `GRADES`.
    n : int
        How many.
    seed : int
        Blot k depends on `seed` and k alone, so that a longer suite begins with a shorter one.

    Yields
    ------
    SyntheticBlot
        With its truth.
    """
    for k in range(n):
        scene_seed = seed * 100_003 + k
        yield make_blot(random_spec(difficulty, np.random.default_rng([scene_seed, 77])), seed=scene_seed)

"""Sample data: a synthetic blot."""

from __future__ import annotations

from typing import Any


def make_sample() -> list[tuple[Any, ...]]:
    """Make a synthetic blot and open it in the dock; without a viewer, give the picture alone as a layer."""
    import napari

    from napari_blotquant._convert import contrast_limits

    image = synthetic_image()
    viewer = napari.current_viewer()
    if viewer is None:
        signal = image.signal()
        return [
            (
                signal,
                {"name": "synthetic blot", "colormap": "gray_r", "contrast_limits": contrast_limits(signal)},
                "image",
            )
        ]
    from napari_blotquant._reader import find_dock

    find_dock(viewer).open_image(image)
    return [(None,)]


def synthetic_image() -> Any:
    """The same synthetic picture every time: ten lanes, a phospho row, its total and a loading control."""
    import numpy as np

    from blotquant.synthetic import make_blot, plain_spec

    signalling = np.array([1.0, 1.6, 2.9, 4.1, 0.6, 1.0, 0.0, 1.9, 3.2, 0.3])
    rows = np.array([6e4 * signalling, np.full(10, 1.5e5), np.full(10, 2.2e5)])
    return make_blot(plain_spec(rows, shape=(420, 760), sigma=5.0, targets=("pAKT", "AKT", "GAPDH")), seed=1).image()

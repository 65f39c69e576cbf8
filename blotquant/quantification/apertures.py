"""Pixels that bands are measured over, one aperture a band, and stacks of apertures that are measured together.

A call of NumPy costs more than the arithmetic on one band's few hundred pixels. So apertures of about one size are
filled up to a common one with pixels that no band covers, and each step is one call for all of them. The common size
follows from an aperture's own, so that what else is measured with it changes no bit of a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from blotquant.doublets.overlaps import component_weights, share_light
from blotquant.model.geometry import Band, Layout, area_weights_of
from blotquant.model.image import FloatImage
from blotquant.quantification.background import Aperture, Array, Estimate

STACK_PIXELS = 3 * 2**16
"""Pixels of one stack, 1.5 MB an array: less costs bands of 4096² a twelfth more, more takes more memory."""


def apertures_of(bands: Sequence[Band], layout: Layout, signal: FloatImage) -> list[Aperture]:
    """Pixels and weights that bands are measured over: no pixel counts more than once over all bands of a layout.

    Parameters
    ----------
    bands : sequence of Band
        Those to measure.
    layout : Layout
        Lanes, and all bands of the picture: outlines that overlap share the light between them.
    signal : ndarray, shape (H, W)
        Counts, bands bright.

    Returns
    -------
    list of Aperture
        Exact area weights of each outline: less what another band has of the pixels in both outlines, and the share of
        the common outline for one of a doublet.
    """
    lanes = {lane.id: lane for lane in layout.lanes}
    shape = (signal.shape[0], signal.shape[1])
    # Light under outlines that overlap, of doublets too, is shared out; all other outlines have their own.
    shares = share_light(layout, signal, only={band.id for band in bands})
    covers = area_weights_of([band.outline for band in bands], shape)
    apertures = []
    for band, (box, cover) in zip(bands, covers, strict=True):
        share, weights = shares.get(band.id), cover
        if share is None and band.split:
            box, weights = component_weights(band, shape)
        elif share is not None:
            box, weights = share.box, share.weights
        contested, doubt = (share.contested, share.doubt) if share is not None else (None, 0.0)
        whole = cover if share is None and band.split else None
        lane = lanes.get(band.lane)
        apertures.append(
            Aperture(box=box, weights=weights, lane=lane, contested=contested, doubt=doubt, whole=whole, band=band.id)
        )
    return apertures


class Stack(NamedTuple):
    """Apertures of about one size, one along the first axis; beyond an aperture's own box counts and weights are 0.

    Attributes
    ----------
    boxes, sizes : ndarray of int, shapes (n, 4) and (n, 2)
        The apertures' boxes, and their rows and columns.
    pixels : ndarray, shape (n, height, width)
        Counts.
    weights, whole : ndarray, same shape
        Covered part of each pixel by the aperture, and by the outline that it has in common with the other band of a
        doublet; the same array where no aperture is a doublet's.
    cover, tall : ndarray, shapes (n, height) and (n, width)
        Covered pixels of each row and of each column.
    inside : ndarray of bool, shape (n, height, width)
        Pixels of which the whole outline covers more than half.
    n_inside : ndarray of int, shape (n, width)
        Their number in each column.
    """

    boxes: NDArray[np.intp]
    sizes: NDArray[np.intp]
    pixels: Array
    weights: Array
    whole: Array
    cover: Array
    tall: Array
    inside: NDArray[np.bool_]
    n_inside: NDArray[np.intp]

    def levels(self, estimates: Sequence[Estimate]) -> Array:
        """Background of each pixel, shape (n, height, width); of width 1 where none differs between columns."""
        is_level = all(estimate.values.shape[1:] == (1,) for estimate in estimates)
        levels = np.zeros((*self.cover.shape, 1) if is_level else self.weights.shape)
        for level, (height, width), estimate in zip(levels, self.sizes, estimates, strict=True):
            level[:height, : 1 if is_level else width] = estimate.values
        return levels

    def row_sums(self, levels: Array) -> Array:
        """Weighted sum of the background over each row."""
        return self.cover * levels[..., 0] if levels.shape[2] == 1 else np.vecdot(self.weights, levels)


def stack_apertures(signal: FloatImage, apertures: Sequence[Aperture]) -> Iterator[tuple[list[int], Stack]]:
    """Stacks of apertures, each with its apertures' places in the list."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for k, aperture in enumerate(apertures):
        alike.setdefault(tuple(common_size(n) for n in aperture.shape), []).append(k)
    for (height, width), same in alike.items():
        most = max(STACK_PIXELS // (height * width), 1)
        for members in (same[k : k + most] for k in range(0, len(same), most)):
            pixels, weights = np.zeros((2, len(members), height, width))
            sizes = np.array([apertures[k].shape for k in members])
            for at, (k, (h, w)) in enumerate(zip(members, sizes, strict=True)):
                pixels[at, :h, :w], weights[at, :h, :w] = signal[apertures[k].box.slices], apertures[k].weights
            whole = weights
            if any(apertures[k].whole is not None for k in members):
                whole = weights.copy()
                for at, (k, (h, w)) in enumerate(zip(members, sizes, strict=True)):
                    whole[at, :h, :w] = apertures[k].weights if apertures[k].whole is None else apertures[k].whole
            inside, boxes = whole > 0.5, np.array([apertures[k].box for k in members])
            cover, tall = weights.sum(axis=2), weights.sum(axis=1)
            n_inside = np.add.reduce(inside.view(np.uint8), axis=1, dtype=np.uint16).astype(int)
            yield members, Stack(boxes, sizes, pixels, weights, whole, cover, tall, inside, n_inside)


def common_size(n: int) -> int:
    """Rows or columns of the stack in which an aperture of so many lies: more by a quarter at the most, or by 7."""
    step = max(8, 1 << max(n.bit_length() - 3, 0))
    return max(-(-n // step), 1) * step


def spans(columns: NDArray[np.bool_], rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], ...]:
    """First and last of some columns of each aperture, and the lowest and highest row of an edge over them.

    The last of what is returned tells where neither columns are left out nor the edge slants.
    """
    n, wide = columns.sum(axis=1), columns.shape[1]
    first, last = columns.argmax(axis=1), wide - 1 - columns[:, ::-1].argmax(axis=1)
    low, high = np.where(columns, rows, 2**30).min(axis=1), np.where(columns, rows, -1).max(axis=1)
    return first, last, low, high, (low == high) & (last - first + 1 == n)

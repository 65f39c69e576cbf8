"""How sure a volume is: the noise of the picture, measured from the picture itself, and the variance formula."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blotquant.background.base import Aperture, Array, Estimate
from blotquant.robust import robust_sd

LOD_SDS, LOQ_SDS = 3.0, 10.0
_LAG = 5  # pixels: beyond the reach of binning, demosaicing and interpolation


@dataclass(frozen=True, eq=False, kw_only=True)
class Noise:
    """Noise of one picture.

    Attributes
    ----------
    sigma : float
        SD of one background pixel, in counts.
    correlation : ndarray, shape (2L + 1, 2L + 1)
        Autocorrelation of the noise at lags -L to L in rows and columns; 1 in the middle.
    gain : float or None
        Counts of variance for each count of signal (shot noise); None where the picture does not show it.
    """

    sigma: float
    correlation: Array
    gain: float | None

    @property
    def spread(self) -> float:
        """Variance of a large sum against that of white noise of the same pixel variance."""
        return max(float(self.correlation.sum()), 0.05)


def pixel_sd(signal: NDArray[np.floating[Any]], usable: NDArray[np.bool_]) -> float:
    """SD of one pixel from differences of pixels a few columns apart, which slow gradients leave alone."""
    if signal.shape[1] <= _LAG:
        return 0.0
    both = usable[:, _LAG:] & usable[:, :-_LAG]
    return robust_sd((signal[:, _LAG:] - signal[:, :-_LAG])[both].astype(float)) / np.sqrt(2)


def aperture_spread(noise: Noise, shape: tuple[int, int]) -> float:
    """Variance of a sum over an aperture of this shape against white noise: correlated noise averages out slower."""
    reach = noise.correlation.shape[0] // 2
    lag = np.abs(np.arange(-reach, reach + 1))
    overlap = [np.clip(1 - lag / max(n, 1), 0, None) for n in shape]
    return max(float((noise.correlation * np.outer(*overlap)).sum()), 0.05)


def empty_variance(noise: Noise, sigma: float, aperture: Aperture, estimate: Estimate) -> float:
    """Variance of the volume of this aperture with nothing in it.

    N sigma^2 + N^2 sigma^2 kappa / n_b, both with the noise's correlation, and the part of the background that may
    bend unseen.
    """
    n = float(aperture.weights.sum())
    own = float((aperture.weights**2).sum()) * sigma**2 * aperture_spread(noise, aperture.shape)
    background = n**2 * sigma**2 * estimate.leverage * noise.spread
    return own + background + (n * estimate.model_sd) ** 2

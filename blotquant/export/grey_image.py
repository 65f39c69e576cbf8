"""Grey pictures in vector files: embedded as grey, and once however often they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.image import AxesImage
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backend_bases import RendererBase


class GreyImage(AxesImage):
    """A picture whose pixels a vector file keeps as they are, 0 black and 255 white.

    Parameters
    ----------
    axes : Axes
        Where it is shown.
    pixels : ndarray of uint8
        As the writers of matplotlib take them: for SVG and raster files shape (H, W), the top row first; for PDF shape
        (H, W, 1), the lowest row first. Either way the file holds the picture upright.
    extent : (float, float, float, float)
        Left, right, bottom and top edge in the units of the axes.

    Notes
    -----
    `imshow` turns grey into colours with an opacity: a PDF looks for a palette in them and embeds a picture that stands
    on a page twice twice; an SVG holds four channels. The source blots of the sample study have half the bytes this
    way, drawing a panel as SVG takes half the time.
    """

    def __init__(self, axes: Axes, pixels: NDArray[np.uint8], *, extent: tuple[float, float, float, float]) -> None:
        super().__init__(axes, cmap="gray", interpolation="none", origin="upper", extent=extent)
        self.pixels = pixels
        self.set_data(pixels)
        self.set_clim(0, 255)

    def draw(self, renderer: RendererBase) -> None:
        """Draw it; what cannot place pixels by itself, a raster file, has them drawn as `imshow` would."""
        if not renderer.option_scale_image():
            super().draw(renderer)
            return
        left, right, bottom, top = self.get_extent()
        (x, y), (x_stop, y_stop) = self.axes.transData.transform([(left, bottom), (right, top)])
        context = renderer.new_gc()
        # The matrix takes the unit square, in which an SVG's first row lies lowest, to the picture's place.
        height, y = (y - y_stop, y_stop) if self.pixels.ndim == 2 else (y_stop - y, y)
        renderer.draw_image(context, x, y, self.pixels, Affine2D().scale(x_stop - x, height))
        context.restore()

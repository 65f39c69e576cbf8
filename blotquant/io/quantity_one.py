"""Bio-Rad Quantity One `.1sc`, through the optional package biorad1sc-reader."""

from __future__ import annotations

import io
import re

import numpy as np

from blotquant.io.colour import shown_channel
from blotquant.io.source import DAMAGE, RawPicture, Source, kept

_AREA = re.compile(r"([\d.]+) mm x ([\d.]+) mm")


def read(source: Source) -> RawPicture:
    """Read a `.1sc` scan.

    Raises
    ------
    ImageError
        If the package is not installed or the file is damaged.
    """
    try:
        from biorad1sc_reader import Reader
        from biorad1sc_reader.errors import BioRadInvalidFileError, BioRadParsingError
    except ImportError as error:
        msg = "is a .1sc scan; install the readers for it with: pip install 'blotquant[formats]'"
        raise source.error(msg) from error
    if source.page not in (None, 0) or source.channel is not None:
        asked = f"page {source.page}" if source.channel is None else f"channel {shown_channel(source)}"
        msg = f"has no {asked}: a .1sc holds one grey picture; leave the choice out"
        raise source.error(msg)
    try:
        scan = Reader(io.BytesIO(source.data))
        cols, rows, values = scan.get_img_data()
        summary = {str(k): str(v) for k, v in scan.get_img_summary().items()}
    except (BioRadInvalidFileError, BioRadParsingError, *DAMAGE) as error:
        raise source.damaged(error, ".1sc") from error
    source.check_size(int(rows), int(cols))
    counts = np.asarray(values, np.uint16)
    if counts.size != int(rows) * int(cols):
        msg = f"damaged or incomplete .1sc: {counts.size} pixels do not fit {cols} × {rows}; copy it again"
        raise source.error(msg)
    area = _AREA.search(summary.get("Image Area", ""))
    return RawPicture(
        pixels=counts.reshape(int(rows), int(cols)),
        page=0,
        pixel_size_um=float(f"{1000 * float(area[1]) / int(cols):.6g}") if area else None,
        imager=summary.get("Scanner Name"),
        metadata=kept(sorted(summary.items())),
    )

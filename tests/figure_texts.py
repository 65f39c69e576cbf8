"""Whether a figure cuts any of its texts, from the widths of the font's own outlines."""

import html
import math
import re

from matplotlib.textpath import TextPath

_TEXT = re.compile(
    r'<text x="([^"]*)" y="([^"]*)" font-size="([0-9.]+)px" text-anchor="(\w+)"'
    r'(?: transform="rotate\((\S+) [^"]*\)")?[^>]*>([^<]+)</text>'
)


def cut_texts(svg: str) -> list[str]:
    """Texts of an SVG that begin or end outside it; an error where it has none."""
    width, height = map(float, re.search(r'viewBox="0 0 (\S+) ([^"]+)"', svg).groups())
    found = _TEXT.findall(svg)
    assert found
    cut = []
    for x, y, size, anchor, turn, text in found:
        long = TextPath((0, 0), html.unescape(text), size=float(size), prop="DejaVu Sans").get_extents().width
        angle, back = math.radians(float(turn or 0)), {"start": 0, "middle": 0.5, "end": 1}[anchor]
        ends = [(float(x) + part * long * math.cos(angle), float(y) + part * long * math.sin(angle))
                for part in (-back, 1 - back)]  # fmt: skip
        if not all(-0.1 <= a <= width + 0.1 and -0.1 <= b <= height + 0.1 for a, b in ends):
            cut.append(text)
    return cut

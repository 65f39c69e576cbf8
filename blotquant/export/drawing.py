"""Figures as a list of lines, areas, texts and pictures, which are written as SVG, as PDF or as pixels.

Lengths are points (1/72 inch), from the upper left corner downwards. Text stays text that can be edited: an SVG names
its fonts, a PDF embeds the letters that it shows. The same drawing gives the same bytes.

Notes
-----
Drawn by matplotlib the charts of the sample study's report took 1.1 s of processor time and its figures 2.5 s: text is
placed in several passes, and pictures are resampled at 600 dpi. Drawn here they take 0.1 and 0.7 s: PDFs by reportlab,
pixels by Pillow. matplotlib's font, DejaVu Sans, is measured and drawn with.
"""

from __future__ import annotations

import base64
import io
import math
import struct
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape

from blotquant.text import harmless

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image, ImageDraw, ImageFont
    from reportlab.pdfbase.pdfdoc import PDFStream
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas

Points = Sequence[tuple[float, float]]

DPI = 600
"""Dots per inch of pixels, as journals ask for combined line and half-tone work."""
PNG_LEVEL = 4
"""zlib's: on blots as small as the default, 6, in 0.4 of its time."""
LINE_HEIGHT = 1.2
"""Distance of two lines of text, in sizes of its letters."""
MIDDLE = 0.36
"""Half the height of a capital: how far a text's foot lies below its middle, in sizes of its letters."""
BOLD = 0.045
"""Width of the line around bold letters, in sizes of the letters."""
FONTS = "Arial, Helvetica, 'DejaVu Sans', sans-serif"
"""Fonts of an SVG, the first that a program has; none is wider than the last, which was measured."""
PDF_FONT = "DejaVu Sans"
"""Font of a PDF."""


class Shape(NamedTuple):
    """A line through some points, or the area within it."""

    points: Points
    edge: str
    fill: str
    width: float
    closed: bool


class Disc(NamedTuple):
    """A circle."""

    x: float
    y: float
    radius: float
    edge: str
    fill: str
    width: float


class Text(NamedTuple):
    """A line of text; `x` and `y` are the foot of its start, middle or end, about which it is turned to the left."""

    x: float
    y: float
    text: str
    size: float
    anchor: str
    angle: float
    bold: bool


class Picture(NamedTuple):
    """A grey picture, encoded as PNG."""

    png: bytes
    x: float
    y: float
    width: float
    height: float


class Drawing:
    """A figure that is being drawn; what comes later lies above.

    Parameters
    ----------
    width, height : float
        Size in points.
    font : float
        Usual size of its letters, points.
    """

    def __init__(self, width: float, height: float, font: float) -> None:
        self.width, self.height, self.font = width, height, font
        self.items: list[Shape | Disc | Text | Picture] = []

    def line(self, points: Points, *, colour: str = "#000000", width: float = 0.8) -> None:
        """Draw a line."""
        self.items.append(Shape(points, colour, "", width, closed=False))

    def area(self, points: Points, *, edge: str = "", fill: str = "", width: float = 0.8) -> None:
        """Draw a closed polygon with or without an edge and a filling."""
        self.items.append(Shape(points, edge, fill, width, closed=True))

    def rectangle(self, x: float, y: float, wide: float, tall: float, **style: Any) -> None:
        """Draw a rectangle from its upper left corner, in the style of `area`."""
        self.area([(x, y), (x + wide, y), (x + wide, y + tall), (x, y + tall)], **style)

    def marker(self, kind: str, at: tuple[float, float], size: float, *, edge: str, fill: str, width: float) -> None:
        """Draw a point: ``o`` disc, ``s`` square, ``^ v < >`` triangles, ``D`` diamond, ``P`` plus, ``*`` star."""
        r = size / 2
        if kind == "o":
            self.items.append(Disc(*at, r, edge, fill, width))
        else:
            corners = [(at[0] + r * a, at[1] + r * b) for a, b in _MARKERS[kind]]
            self.area(corners, edge=edge, fill=fill, width=width)

    def text(
        self, at: tuple[float, float], text: str, *, size: float = 0.0, anchor: str = "start", angle: float = 0.0,
        middle: bool = False,
    ) -> None:  # fmt: skip
        """Write one or more lines.

        Parameters
        ----------
        at : (float, float)
            Foot of the first line, or with `middle` the middle of all lines.
        text : str
            Lines; what no eye can see in them becomes visible.
        size : float
            Of the letters, where it is not the usual one.
        anchor : str
            What of a line lies at the place: ``start``, ``middle`` or ``end``.
        angle : float
            Degrees, to the left about the place.
        middle : bool
            As said.
        """
        size = size or self.font
        lines = [harmless(line) for line in text.split("\n")]
        down = MIDDLE * size - (len(lines) - 1) * LINE_HEIGHT * size / 2 if middle else 0.0
        sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
        for k, line in enumerate(lines if text else ()):
            step = down + k * LINE_HEIGHT * size
            self.items.append(Text(at[0] + step * sine, at[1] + step * cosine, line, size, anchor, angle, bold=False))

    def heading(self, at: tuple[float, float], text: str, *, size: float) -> None:
        """Write one line in bold letters."""
        self.items.append(Text(*at, harmless(text), size, "start", 0.0, bold=True))

    def picture(self, png: bytes, x: float, y: float, width: float, height: float) -> None:
        """Show a grey picture, from `encode_png`, within a rectangle; its pixels are neither changed nor smoothed."""
        self.items.append(Picture(png, x, y, width, height))

    def svg(self, *, header: bool = False) -> str:
        """The drawing as an SVG element; with `header`, as a file."""
        out = ['<?xml version="1.0" encoding="utf-8"?>\n'] if header else []
        out.append(
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="{_n(self.width)}pt" height="{_n(self.height)}pt" viewBox="0 0 {_n(self.width)} {_n(self.height)}" '
            f'font-family="{FONTS}" stroke-linejoin="round">\n'
        )
        if header:
            out.append('<rect width="100%" height="100%" fill="#ffffff"/>\n')
        for item in self.items:
            match item:
                case Shape(points, edge, fill, width, closed):
                    way = "L".join(f"{_n(x)},{_n(y)}" for x, y in points)
                    out.append(f'<path d="M{way}{"Z" if closed else ""}"{_paint(edge, fill, width)}/>\n')
                case Disc(x, y, radius, edge, fill, width):
                    out.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}"{_paint(edge, fill, width)}/>\n')
                case Text(x, y, text, size, anchor, angle, bold):
                    turn = f' transform="rotate({_n(-angle)} {_n(x)} {_n(y)})"' if angle else ""
                    turn += ' font-weight="bold"' if bold else ""
                    place = f'x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}px" text-anchor="{anchor}"{turn}'
                    out.append(f"<text {place}>{escape(text)}</text>\n")
                case Picture(png, x, y, width, height):
                    place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
                    data = f"data:image/png;base64,{base64.b64encode(png).decode()}"
                    out.append(f'<image {place} preserveAspectRatio="none" xlink:href="{data}"/>\n')
        return "".join([*out, "</svg>"])

    def tiff(self, *, is_grey: bool = False) -> bytes:
        """The drawing as a 600-dpi TIFF, LZW; one of black, grey and white with one value a pixel in place of three."""
        from PIL import Image, ImageDraw

        scale, fine = DPI / 72, 1 if is_grey else 2
        size = (int(self.width * scale), int(self.height * scale))
        # Coloured marks are drawn twice as fine, for smooth edges; pictures at the file's own pixels.
        image = Image.new("L" if is_grey else "RGB", (size[0] * fine, size[1] * fine), "white")
        pen = ImageDraw.Draw(image)
        for item in self.items:
            _paint_item(image, pen, item, scale * fine)
        buffer = io.BytesIO()
        image = image if fine == 1 else image.reduce(fine)
        image.save(buffer, format="TIFF", compression="tiff_lzw", dpi=(DPI, DPI))
        return buffer.getvalue()


_MARKERS: dict[str, Points] = {
    "s": [(-0.89, -0.89), (0.89, -0.89), (0.89, 0.89), (-0.89, 0.89)],
    "^": [(0, -1), (1, 1), (-1, 1)],
    "v": [(0, 1), (1, -1), (-1, -1)],
    "<": [(-1, 0), (1, -1), (1, 1)],
    ">": [(1, 0), (-1, -1), (-1, 1)],
    "D": [(0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)],
    "P": [(-0.4, -1), (0.4, -1), (0.4, -0.4), (1, -0.4), (1, 0.4), (0.4, 0.4), (0.4, 1), (-0.4, 1), (-0.4, 0.4),
          (-1, 0.4), (-1, -0.4), (-0.4, -0.4)],
    "*": [((1.2, 0.5)[k % 2] * math.sin(k * math.pi / 5), -(1.2, 0.5)[k % 2] * math.cos(k * math.pi / 5))
          for k in range(10)],
}  # fmt: skip
"""Corners of each kind of point, in halves of its size."""


def encode_png(grey: NDArray[np.uint8]) -> bytes:
    """Encode a grey picture, bands dark, for `Drawing.picture` or as a file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, format="PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


@lru_cache(maxsize=4096)
def text_width(text: str, size: float) -> float:
    """Width of the longest line of a text, points."""
    return max(float(_font(1000).getlength(line)) for line in text.split("\n")) * size / 1000


@lru_cache(maxsize=32)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(io.BytesIO(_font_file()), size_px, layout_engine=ImageFont.Layout.BASIC)


@cache
def _font_file() -> bytes:
    # Only its place is asked for: loading matplotlib would take longer than the figures of a study.
    [place] = find_spec("matplotlib").submodule_search_locations  # type: ignore[union-attr,misc]
    return Path(place, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf").read_bytes()


def _n(value: float) -> str:
    """A length with two decimals, short."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _paint(edge: str, fill: str, width: float) -> str:
    return f' fill="{fill or "none"}"' + (f' stroke="{edge}" stroke-width="{_n(width)}"' if edge else "")


def _paint_item(
    image: Image.Image, pen: ImageDraw.ImageDraw, item: Shape | Disc | Text | Picture, scale: float
) -> None:
    """Put one item of a drawing onto pixels, `scale` of them a point."""
    from PIL import Image, ImageDraw

    match item:
        case Shape(points, edge, fill, width, closed):
            corners = [(x * scale, y * scale) for x, y in [*points, *(points[:1] if closed else ())]]
            if fill:
                pen.polygon(corners, fill=fill)
            if edge:
                pen.line(corners, fill=edge, width=max(round(width * scale), 1), joint="curve")
        case Disc(x, y, radius, edge, fill, width):
            r = (radius + (width / 2 if edge else 0)) * scale
            box = (x * scale - r, y * scale - r, x * scale + r, y * scale + r)
            pen.ellipse(box, fill=fill or None, outline=edge or None, width=max(round(width * scale), 1))
        case Text(x, y, text, size, anchor, angle, bold):
            font, line = _font(max(round(size * scale), 1)), round(BOLD * size * scale / 2) if bold else 0
            if not angle:
                kind = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
                pen.text((x * scale, y * scale), text, fill="black", font=font, anchor=kind, stroke_width=line)
                return
            # Turned text is drawn level by itself, turned about its middle and laid so that its anchor is at its place.
            long, high = math.ceil(font.getlength(text)) + 2 * line, 3 * int(font.size)
            level = Image.new("L", (long, high))
            ImageDraw.Draw(level).text((line, 2 * font.size), text, fill=255, font=font, anchor="ls", stroke_width=line)
            turned = level.rotate(angle, resample=Image.Resampling.BILINEAR, expand=True)
            sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
            right = {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * long - long / 2
            down = 2 * font.size - high / 2
            left = x * scale - (right * cosine + down * sine) - turned.width / 2
            top = y * scale - (down * cosine - right * sine) - turned.height / 2
            image.paste("black", (round(left), round(top)), turned)
        case Picture(png, x, y, width, height):
            left, top, right, bottom = (round(v * scale) for v in (x, y, x + width, y + height))
            with Image.open(io.BytesIO(png)) as picture:
                shown = picture.resize((max(right - left, 1), max(bottom - top, 1)), Image.Resampling.NEAREST)
            image.paste(shown, (left, top))


def write_pdf(pages: Sequence[Drawing]) -> bytes:
    """Write drawings as the pages of one PDF; a picture that is shown several times is kept once."""
    from reportlab import rl_config
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfgen.canvas import Canvas

    registerFont(_pdf_font())
    pngs = (item.png for page in pages for item in page.items if isinstance(item, Picture))
    pictures = {png: f"picture{k}" for k, png in enumerate(dict.fromkeys(pngs))}
    buffer, in_letters = io.BytesIO(), rl_config.useA85
    # Packed bytes as they are: as letters (base 85) they are larger by a quarter, and the library takes twice as long.
    rl_config.useA85 = 0
    try:
        canvas = Canvas(buffer, pageCompression=1, invariant=1, initialFontName=PDF_FONT)
        for png, name in pictures.items():
            canvas._doc.addForm(name, _packed_picture(png))
        for page in pages:
            canvas.setPageSize((page.width, page.height))
            canvas.setLineJoin(1)
            for item in page.items:
                _print_item(canvas, item, page.height, pictures)
            canvas.showPage()
        canvas.save()
    finally:
        rl_config.useA85 = in_letters
    return buffer.getvalue()


@cache
def _pdf_font() -> TTFont:
    """The font of PDFs, read once; which of its letters a document shows is kept with the document."""
    from reportlab.pdfbase.ttfonts import TTFont

    return TTFont(PDF_FONT, io.BytesIO(_font_file()))


def _packed_picture(png: bytes) -> PDFStream:
    """A grey PNG for a PDF, packed as it is: packed again, it would take 0.3 s of a study and a sixth more bytes."""
    from reportlab.pdfbase.pdfdoc import PDFDictionary, PDFName, PDFStream

    width, height = struct.unpack(">II", png[16:24])
    packed, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        packed += png[at + 8 : at + 8 + length] if png[at + 4 : at + 8] == b"IDAT" else b""
        at += length + 12
    names = {"Type": "XObject", "Subtype": "Image", "ColorSpace": "DeviceGray", "Filter": "FlateDecode"}
    rows = PDFDictionary({"Predictor": 15, "Colors": 1, "BitsPerComponent": 8, "Columns": width})
    entries = {"Width": width, "Height": height, "BitsPerComponent": 8, "DecodeParms": rows}
    entries |= {key: PDFName(name) for key, name in names.items()}
    return PDFStream(PDFDictionary(entries), packed)


def _print_item(canvas: Canvas, item: Shape | Disc | Text | Picture, height: float, pictures: dict[bytes, str]) -> None:
    """Put one item of a drawing onto a PDF's page of that height."""
    match item:
        case Shape(points, edge, fill, width, closed):
            path = canvas.beginPath()
            for k, (x, y) in enumerate(points):
                (path.lineTo if k else path.moveTo)(x, height - y)
            if closed:
                path.close()
            canvas.drawPath(path, **_ink(canvas, edge, fill, width))
        case Disc(x, y, radius, edge, fill, width):
            canvas.circle(x, height - y, radius, **_ink(canvas, edge, fill, width))
        case Text(x, y, text, size, anchor, angle, bold):
            canvas.saveState()
            canvas.translate(x, height - y)
            canvas.rotate(angle)
            canvas.setFont(PDF_FONT, size)
            _ink(canvas, "#000000", "#000000", BOLD * size)
            write = {"start": canvas.drawString, "middle": canvas.drawCentredString, "end": canvas.drawRightString}
            write[anchor](0, 0, text, mode=2 if bold else 0)
            canvas.restoreState()
        case Picture(png, x, y, width, tall):
            canvas.saveState()
            canvas.transform(width, 0, 0, tall, x, height - y - tall)
            canvas.doForm(pictures[png])
            canvas.restoreState()


def _ink(canvas: Canvas, edge: str, fill: str, width: float) -> dict[str, int]:
    """Set colours and line of what is drawn next on a PDF's page; which of edge and filling it has."""
    if edge:
        canvas.setStrokeColor(edge)
        canvas.setLineWidth(width)
    if fill:
        canvas.setFillColor(fill)
    return {"stroke": int(bool(edge)), "fill": int(bool(fill))}

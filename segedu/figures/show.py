"""Shows a figure with alternative text, small and the same bytes every time."""

import base64
import html
import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

DPI = 110
HIGHEST = 540  # CSS pixels: with its question and code a figure must fit a projected page of 720
STYLE = Path(__file__).with_name("style.mplstyle")
SHORTEST_ALT = 20
_PHOTOGRAPHIC = 6000


def use_style() -> None:
    """Makes `style.mplstyle` the style of every figure drawn from here on.

    >>> use_style()
    >>> matplotlib.rcParams["font.size"]
    12.0
    """
    matplotlib.style.use(STYLE)


def check_alt(alt: str) -> str:
    """Returns `alt` without needless white space; raises `ValueError` when it is too short to describe a picture.

    >>> check_alt("A cup\\n   and a spoon on a wooden table")
    'A cup and a spoon on a wooden table'
    """
    if not isinstance(alt, str):
        raise TypeError(f"alt={alt!r} must be a string that describes the figure")
    text = " ".join(alt.split())
    if len(text) < SHORTEST_ALT:
        raise ValueError(f"alt={alt!r} must describe the figure in at least {SHORTEST_ALT} characters")
    return text


def png_bytes(fig: Figure, dpi: int = DPI) -> bytes:
    """The figure as a PNG without time or software stamps.

    Drawings are reduced to 256 colours when that is smaller; figures of many colours, such as photographs, are left as
    they are.

    >>> from matplotlib.figure import Figure
    >>> png_bytes(Figure(figsize=(1, 1)))[:4]
    b'\\x89PNG'
    """
    raw = io.BytesIO()
    options = {"facecolor": "white", "bbox_inches": "tight", "pad_inches": 0.1}  # tight: no label is ever clipped
    fig.savefig(raw, format="png", dpi=dpi, metadata={"Software": None}, **options)
    image = Image.open(raw).convert("RGB")
    candidates = [_encode(image)]
    if image.getcolors(_PHOTOGRAPHIC) is not None:
        candidates.append(_encode(image.quantize(256, dither=Image.Dither.NONE)))
    return min(candidates, key=len)


def _encode(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def figure_html(fig: Figure, alt: str, width: int | None = None, dpi: int = DPI) -> str:
    """The figure as one `<img>` tag that carries its own PNG and its alternative text.

    `width` is the width on the page in CSS pixels; without it the figure takes its own size, and never more than the
    page.

    >>> from matplotlib.figure import Figure
    >>> tag = figure_html(Figure(figsize=(1, 1)), "An empty square, one inch wide")
    >>> tag.startswith('<img src="data:image/png;base64,'), 'alt="An empty square, one inch wide"' in tag
    (True, True)
    """
    text = html.escape(check_alt(alt), quote=True)
    if width is not None and width < 1:
        raise ValueError(f"width={width} must be at least 1 CSS pixel")
    size = "" if width is None else f"width:{int(width)}px;"
    data = base64.b64encode(png_bytes(fig, dpi)).decode("ascii")
    style = f"{size}max-width:100%;max-height:{HIGHEST}px;background:#ffffff"
    return f'<img src="data:image/png;base64,{data}" alt="{text}" style="{style}">'


def show(fig: Figure, alt: str, width: int | None = None, dpi: int = DPI) -> None:
    """Displays the figure in the notebook with its alternative text, then closes it.

    `alt` says what the figure shows, in at least 20 characters, for those who cannot see it. A smaller `dpi` saves room
    in the notebook where a figure is made of photographs. Needs IPython.

    >>> from matplotlib.figure import Figure
    >>> show(Figure(), "too short")
    Traceback (most recent call last):
    ValueError: alt='too short' must describe the figure in at least 20 characters
    """
    tag = figure_html(fig, alt, width, dpi)
    from IPython.display import HTML, display
    from matplotlib import pyplot

    display(HTML(tag))
    pyplot.close(fig)

"""Draws small arrays with their numbers in the cells."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from segedu.figures.palette import OKABE_ITO, hexadecimal, text_colour

FRAMES = tuple(hexadecimal(OKABE_ITO[i]) for i in (6, 1, 5, 3, 7, 2))
"""Colours of the frames round highlighted windows, in turn."""

MOST_NUMBERS = 14
"""Arrays with more rows or columns than this are drawn without numbers."""

_ODD = (0.90, 0.90, 0.90, 1.0)
_LINE = 13 * 1.25 / 72
_LETTER = 13 * 0.62 / 72


def format_number(value, fmt: str | None = None) -> str:
    """A number as it stands in a cell: −∞ and ∞ as such, NaN as NaN, True as T, whole numbers without a point.

    `fmt` is a format specification such as ".2f"; without it at most two decimals are shown.

    >>> [format_number(v) for v in (3, 2.5, -1.0, float("-inf"), float("nan"), True)]
    ['3', '2.5', '−1', '−∞', 'NaN', 'T']
    >>> format_number(1 / 3, ".3f")
    '0.333'
    """
    if isinstance(value, (bool, np.bool_)):
        return "T" if value else "F"
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    if fmt is not None:
        text = format(value, fmt)
    elif float(value).is_integer() and abs(value) < 1e6:
        text = str(int(value))
    else:
        text = f"{value:.2f}".rstrip("0").rstrip(".") if 0.005 <= abs(value) < 1e4 else f"{value:.0e}"
    return text.replace("-", "−")


def draw_array(
    ax: Axes,
    array,
    title: str | None = None,
    fmt: str | None = None,
    cmap: str = "cividis",
    highlight: Sequence[Sequence[int]] = (),
    vmin: float | None = None,
    vmax: float | None = None,
    palette: np.ndarray | None = None,
    numbers: bool | None = None,
    fontsize: float | None = None,
) -> None:
    """Draws a 2-D array as coloured cells with its numbers, into `ax`.

    A 1-D array is drawn as one row. NaN and infinities have grey cells. `highlight` frames windows: each is (row,
    column) or (row, column, height, width), and may end in a colour. `palette` (uint8 n×3) colours whole numbers 0…n−1
    as classes instead of by `cmap`. `numbers` None writes them up to 14 rows and columns.

    >>> fig, ax = plt.subplots()
    >>> draw_array(ax, np.array([[1.0, -np.inf], [0.5, np.nan]]), highlight=[(0, 0, 1, 2)])
    >>> [text.get_text() for text in ax.texts]
    ['1', '−∞', '0.5', 'NaN']
    >>> plt.close(fig)
    """
    array = _two_dimensional(array)
    rows, columns = array.shape
    colours = _cell_colours(array, cmap, vmin, vmax, palette)
    ax.imshow(colours, interpolation="nearest", aspect="equal")
    numbers = max(rows, columns) <= MOST_NUMBERS if numbers is None else numbers
    if max(rows, columns) <= 48:
        _grid(ax, rows, columns)
    if numbers:
        _write_numbers(ax, array, colours, fmt, fontsize)
    for number, window in enumerate(highlight):
        _frame(ax, window, array.shape, FRAMES[number % len(FRAMES)])
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xlim(-0.58, columns - 0.42)
    ax.set_ylim(rows - 0.42, -0.58)
    if title:
        ax.set_title(title)


def _two_dimensional(array) -> np.ndarray:
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"array has dtype {array.dtype} and must hold bools, whole numbers or floats")
    if array.ndim == 1:
        array = array[None, :]
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"array has shape {array.shape} and must have two dimensions and at least one cell")
    return array


def _cell_colours(array, cmap, vmin, vmax, palette) -> np.ndarray:
    if palette is not None:
        return _class_colours(array, palette)
    values = array.astype(float)
    finite = np.isfinite(values)
    low = values[finite].min(initial=np.inf) if vmin is None else vmin
    high = values[finite].max(initial=-np.inf) if vmax is None else vmax
    if not low < high:
        low, high = (low - 1, low + 1) if np.isfinite(low) else (0, 1)
    colours = matplotlib.colormaps[cmap](Normalize(low, high, clip=True)(np.where(finite, values, low)))
    colours[~finite] = _ODD
    return colours


def _class_colours(array, palette) -> np.ndarray:
    palette = np.asarray(palette)
    if array.dtype.kind not in "biu":
        raise TypeError(f"array has dtype {array.dtype} and must hold whole numbers when a palette is given")
    colours = np.ones((*array.shape, 4))
    inside = (array >= 0) & (array < len(palette))
    colours[inside, :3] = palette[array[inside].astype(int)] / 255
    return colours


def _grid(ax, rows, columns) -> None:
    width = 1.5 if max(rows, columns) <= 16 else 0.5
    segments = [[(x - 0.5, -0.5), (x - 0.5, rows - 0.5)] for x in range(columns + 1)]
    segments += [[(-0.5, y - 0.5), (columns - 0.5, y - 0.5)] for y in range(rows + 1)]
    ax.add_collection(matplotlib.collections.LineCollection(segments, colors="white", linewidths=width))


def _write_numbers(ax, array, colours, fmt, fontsize) -> None:
    texts = [[format_number(value, fmt) for value in row] for row in array]
    longest = max(len(text) for row in texts for text in row)
    if fontsize is None:
        box = ax.get_position()
        inches = min(
            box.width * ax.figure.get_figwidth() / array.shape[1],
            box.height * ax.figure.get_figheight() / array.shape[0],
        )
        fontsize = float(np.clip(72 * inches * min(0.46, 1.25 / longest), 4, 15))
    for y, row in enumerate(texts):
        for x, text in enumerate(row):
            colour = text_colour(colours[y, x])
            ax.text(x, y, text, ha="center", va="center", color=colour, fontsize=fontsize)


def _frame(ax, window, shape, colour) -> None:
    window = list(window)
    if window and isinstance(window[-1], str):
        colour = window.pop()
    if len(window) == 2:
        window += [1, 1]
    if len(window) != 4:
        raise ValueError(f"highlight={tuple(window)} must be (row, column) or (row, column, height, width)")
    row, column, height, width = (int(part) for part in window)
    if height < 1 or width < 1 or not (-height < row < shape[0] and -width < column < shape[1]):
        raise ValueError(f"highlight={(row, column, height, width)} must lie on the array of shape {shape}")
    for edge, thickness in (("white", 6), (colour, 3.5)):
        frame = Rectangle((column - 0.5, row - 0.5), width, height, fill=False, edgecolor=edge, linewidth=thickness)
        frame.set_joinstyle("round")
        frame.set_zorder(5)
        ax.add_patch(frame)


def arrays_row(
    arrays: Sequence,
    titles: Sequence[str | None] | None = None,
    operators: Sequence[str] | None = None,
    captions: Sequence[str | None] | None = None,
    highlights: Sequence[Sequence] | None = None,
    fmt: str | None = None,
    cmap: str | Sequence[str] = "cividis",
    palette: np.ndarray | None = None,
    share_scale: bool = False,
    cell: float | None = None,
    numbers: bool | None = None,
) -> Figure:
    """Small arrays side by side with signs between them, such as "→", "∗", "=", and captions below.

    There is one operator fewer than arrays; with none given, there is only space. `share_scale` gives equal numbers
    equal colours throughout. `cell` is the side of a cell in inches; without it the row is made to fit a slide.

    >>> fig = arrays_row([np.eye(4), np.eye(2)], titles=["x", "max_pool2d(x, 2)"], operators=["→"])
    >>> len(fig.axes), [text.get_text() for text in fig.texts]
    (2, ['x', '→', 'max_pool2d(x, 2)'])
    >>> plt.close(fig)
    """
    arrays = [_two_dimensional(array) for array in arrays]
    count = len(arrays)
    if count == 0:
        raise ValueError("arrays=[] must hold at least one array")
    titles = _as_many("titles", titles, count)
    captions = _as_many("captions", captions, count)
    highlights = [h or () for h in _as_many("highlights", highlights, count)]
    operators = _as_many("operators", operators, count - 1)
    cmaps = [cmap] * count if isinstance(cmap, str) else _as_many("cmap", cmap, count)
    vmin, vmax = _shared_range(arrays) if share_scale else (None, None)
    cell = _cell_size(arrays, operators) if cell is None else cell
    slots = [
        max(cell * a.shape[1], _text_width(t), _text_width(c)) for a, t, c in zip(arrays, titles, captions, strict=True)
    ]
    gaps = [max(0.35, _text_width(sign, 20) + 0.25) for sign in operators]
    tallest = max(a.shape[0] for a in arrays) * cell
    top, bottom = (_lines(titles) * _LINE + 0.12, _lines(captions) * _LINE + 0.12)
    width, height = sum(slots) + sum(gaps) + 0.3, tallest + top + bottom + 0.1
    fig = plt.figure(figsize=(width, height))
    left, middle = 0.15, bottom + 0.05 + tallest / 2
    for i, array in enumerate(arrays):
        centre, wide, high = left + slots[i] / 2, cell * array.shape[1], cell * array.shape[0]
        box = ((centre - wide / 2) / width, (middle - high / 2) / height, wide / width, high / height)
        ax = fig.add_axes(box)
        draw_array(ax, array, None, fmt, cmaps[i], highlights[i], vmin, vmax, palette, numbers)
        _label(fig, centre / width, (middle + high / 2 + 0.08) / height, titles[i], "bottom")
        _label(fig, centre / width, (middle - high / 2 - 0.08) / height, captions[i], "top")
        left += slots[i]
        if i < count - 1:
            if operators[i]:
                fig.text(
                    (left + gaps[i] / 2) / width, middle / height, operators[i], fontsize=20, ha="center", va="center"
                )
            left += gaps[i]
    return fig


def _as_many(name, values, count) -> list:
    values = [None] * count if values is None else list(values)
    if len(values) != count:
        raise ValueError(f"{name} has {len(values)} entries and must have {count}")
    return values


def _shared_range(arrays) -> tuple[float, float]:
    values = np.concatenate([a.astype(float).ravel() for a in arrays])
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)


def _cell_size(arrays, operators) -> float:
    columns = sum(a.shape[1] for a in arrays)
    rows = max(a.shape[0] for a in arrays)
    return float(np.clip(min((11.5 - 0.5 * len(operators)) / columns, 5.0 / rows), 0.06, 0.56))


def _text_width(text, size: float = 13) -> float:
    if not text:
        return 0.0
    return max(len(line) for line in text.split("\n")) * _LETTER * size / 13 + 0.1


def _lines(texts) -> int:
    return max((text.count("\n") + 1 if text else 0) for text in texts)


def _label(fig, x, y, text, va) -> None:
    if text:
        fig.text(x, y, text, ha="center", va=va, fontsize=13, linespacing=1.15)

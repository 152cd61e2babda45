"""Diagrams of networks: layers as blocks, as wide as they have channels and as high as they have rows."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Polygon

from segedu.figures.palette import OKABE_ITO, hexadecimal

BLOCK_COLOUR = hexadecimal(OKABE_ITO[2])
_LETTER = 11 * 0.62 / 72
_LINE = 11 * 1.3 / 72
_SLANT = 0.30


def layer_diagram(
    blocks: Sequence[tuple],
    operations: Sequence[str | None] | None = None,
    colours: Sequence[str] | None = None,
    skips: Sequence[tuple] = (),
    height: float = 2.2,
    columns: int | None = None,
) -> Figure:
    """A network as a row of blocks, each (label, channels, height, width), joined by arrows.

    The front of a block is as high as the layer has rows and as broad as it has channels, its side as deep as it
    has columns, all by square roots so that small ones stay visible. Below each block stand its label and shape, C×H×W.
    `operations` are written above the arrows, one fewer than blocks. `skips` are arrows that run above the blocks, each
    (from, to) or (from, to, text) by block number. `height` is that of the tallest block in inches. More than `columns`
    blocks go on in the next row.

    >>> fig = layer_diagram([("image", 3, 224, 224), ("conv1", 64, 55, 55), ("score", 21, 7, 7)], ["conv 11×11", None])
    >>> "64×55×55" in fig.texts[1].get_text()
    True
    >>> plt.close(fig)
    """
    blocks = [_check_block(i, block) for i, block in enumerate(blocks)]
    if not blocks:
        raise ValueError("blocks=[] must hold at least one (label, channels, height, width)")
    operations = _fill("operations", operations, len(blocks) - 1)
    colours = [BLOCK_COLOUR] * len(blocks) if colours is None else list(colours)
    if len(colours) != len(blocks):
        raise ValueError(f"colours has {len(colours)} entries and must have one for each of the {len(blocks)} blocks")
    columns = len(blocks) if columns is None else columns
    _check_skips(skips, len(blocks), columns)
    shapes = _block_sizes(blocks, height)
    rows = [list(range(start, min(start + columns, len(blocks)))) for start in range(0, len(blocks), columns)]
    return _draw_rows(rows, blocks, shapes, operations, colours, skips, height)


def _check_block(number, block) -> tuple:
    if len(block) != 4:
        raise ValueError(f"blocks[{number}]={block} must be (label, channels, height, width)")
    if min(block[1:]) < 1:
        raise ValueError(f"blocks[{number}]={block} must have channels, height and width of at least 1")
    return tuple(block)


def _check_skips(skips, count, columns) -> None:
    if columns < 1:
        raise ValueError(f"columns={columns} must be at least 1")
    for skip in skips:
        if len(skip) not in (2, 3) or not (0 <= skip[0] < skip[1] < count):
            raise ValueError(
                f"skips holds {skip} and must hold (from, to) or (from, to, text), 0 ≤ from < to < {count}"
            )
        if skip[0] // columns != skip[1] // columns:
            raise ValueError(f"skips holds {skip}, whose blocks stand in different rows of {columns}")


def _fill(name, values, count) -> list:
    values = [None] * count if values is None else list(values)
    if len(values) != count:
        raise ValueError(f"{name} has {len(values)} entries and must have {count}, one fewer than blocks")
    return values


def _block_sizes(blocks, height) -> list[tuple[float, float, float]]:
    """Breadth, height and depth of each block in inches."""
    tallest = max(max(h, w) for _, _, h, w in blocks)
    broadest = max(c for _, c, _, _ in blocks)
    sizes = []
    for _, c, h, w in blocks:
        tall, deep = (max(0.16, height * np.sqrt(v / tallest)) for v in (h, w))
        sizes.append((max(0.09, 0.62 * np.sqrt(c / broadest)), tall, deep * _SLANT))
    return sizes


def _caption(block) -> str:
    label, c, h, w = block
    return f"{label}\n{c}×{h}×{w}".strip()


def _text_size(text, letter=_LETTER) -> float:
    return max((len(line) for line in text.split("\n")), default=0) * letter if text else 0.0


def _draw_rows(rows, blocks, sizes, operations, colours, skips, height) -> Figure:
    slots = [max(b + d, _text_size(_caption(block)) + 0.14) for block, (b, _, d) in zip(blocks, sizes, strict=True)]
    gaps = [_gap(operations[i], i, slots, sizes) for i in range(len(operations))]
    levels = _skip_levels(skips, sizes)
    highest = max([level + 0.32 for level in levels], default=0)
    lead = max(0.2, highest - height * (1 + _SLANT * 0.6) / 2)
    tail = (max(_caption(block).count("\n") for block in blocks) + 1) * _LINE + 0.16
    band = height * (1 + _SLANT * 0.6) + lead + tail
    wide = max(sum(slots[i] for i in row) + sum(gaps[i] for i in row[:-1]) for row in rows) + 0.5
    tall = band * len(rows) + 0.08
    fig = plt.figure(figsize=(wide, tall))
    ax = fig.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, wide), ylim=(0, tall))
    ax.axis("off")
    places = {}
    for number, row in enumerate(rows):
        middle = tall - band * number - lead - height * (1 + _SLANT * 0.6) / 2
        x = 0.25
        for i in row:
            places[i] = (x + slots[i] / 2, middle)
            x += slots[i] + (gaps[i] if i != row[-1] else 0)
    _draw_skips(ax, places, sizes, skips, levels)
    for i, block in enumerate(blocks):
        _draw_block(ax, *places[i], *sizes[i], colours[i])
        below = places[i][1] - height * (1 + _SLANT * 0.6) / 2 - 0.08
        fig.text(
            places[i][0] / wide, below / tall, _caption(block), ha="center", va="top", fontsize=11, linespacing=1.2
        )
    for i, operation in enumerate(operations):
        _draw_arrow(ax, places, sizes, i, operation)
    return fig


def _gap(operation, i, slots, sizes) -> float:
    """Room between two slots, so that the arrow has its length and its text fits above it."""
    spare = sum((slots[j] - sizes[j][0] - sizes[j][2]) / 2 for j in (i, i + 1))
    wanted = max(0.42, _text_size(operation) + 0.16 if operation else 0)
    return max(0.12, wanted - spare)


def _draw_block(ax, x, y, broad, tall, deep, colour) -> None:
    """A box seen from the left: its front, its top and its right side, middle at (x, y)."""
    rise = deep * 0.6
    left, right = x - (broad + deep) / 2, x - (broad + deep) / 2 + broad
    low, high = y - (tall + rise) / 2, y - (tall + rise) / 2 + tall
    faces = (
        ([(left, low), (right, low), (right, high), (left, high)], 1.0),
        ([(left, high), (right, high), (right + deep, high + rise), (left + deep, high + rise)], 1.18),
        ([(right, low), (right + deep, low + rise), (right + deep, high + rise), (right, high)], 0.78),
    )
    for corners, light in faces:
        tone = np.clip(np.array(to_rgb(colour)) * light, 0, 1)
        ax.add_patch(
            Polygon(corners, closed=True, facecolor=tone, edgecolor="#333333", linewidth=0.9, joinstyle="round")
        )


def _draw_arrow(ax, places, sizes, i, operation) -> None:
    (x0, y0), (x1, y1) = places[i], places[i + 1]
    if y0 != y1:
        return
    start, end = x0 + (sizes[i][0] + sizes[i][2]) / 2 + 0.04, x1 - (sizes[i + 1][0] + sizes[i + 1][2]) / 2 - 0.03
    style = {
        "arrowstyle": "-|>",
        "mutation_scale": 12,
        "color": "#333333",
        "linewidth": 1.4,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    ax.add_patch(FancyArrowPatch((start, y0), (end, y0), **style))
    if operation:
        ax.text((start + end) / 2, y0 + 0.08, operation, ha="center", va="bottom", fontsize=11, linespacing=1.1)


def _top(size) -> float:
    """How far a block reaches above its middle."""
    return (size[1] + size[2] * 0.6) / 2


def _skip_levels(skips, sizes) -> list[float]:
    """Height above the middle at which each skip runs: over the blocks between and over the shorter skips inside it."""
    levels = [0.0] * len(skips)
    for i in sorted(range(len(skips)), key=lambda i: skips[i][1] - skips[i][0]):
        start, end = skips[i][:2]
        levels[i] = max(_top(size) for size in sizes[start : end + 1]) + 0.16
        for j, other in enumerate(skips):
            if levels[j] and j != i and other[0] <= end and start <= other[1]:
                levels[i] = max(levels[i], levels[j] + (0.36 if len(other) == 3 else 0.16))
    return levels


def _draw_skips(ax, places, sizes, skips, levels) -> None:
    colour = hexadecimal(OKABE_ITO[6])
    for skip, level in zip(skips, levels, strict=True):
        (x0, y0), (x1, _) = places[skip[0]], places[skip[1]]
        height, start, end = y0 + level, y0 + _top(sizes[skip[0]]) + 0.03, y0 + _top(sizes[skip[1]]) + 0.03
        ax.plot(
            [x0, x0, x1, x1], [start, height, height, end + 0.1], color=colour, linewidth=1.6, solid_joinstyle="round"
        )
        style = {
            "arrowstyle": "-|>",
            "mutation_scale": 12,
            "color": colour,
            "linewidth": 1.6,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        ax.add_patch(FancyArrowPatch((x1, end + 0.14), (x1, end), **style))
        if len(skip) == 3:
            ax.text((x0 + x1) / 2, height + 0.04, skip[2], ha="center", va="bottom", fontsize=11, color=colour)

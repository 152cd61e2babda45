"""Images side by side, label maps in colour, overlays, legends and error maps."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from segedu.figures.palette import VOID_COLOUR, class_palette, hexadecimal, text_colour

_LINE = 13 * 1.3 / 72
_LETTER = 13 * 0.6 / 72


def check_labels(labels, name: str = "labels") -> np.ndarray:
    """Returns `labels` as an array; raises unless it is H×W and holds whole numbers.

    >>> check_labels([[0, 1], [1, 0]]).shape
    (2, 2)
    """
    labels = np.asarray(labels)
    if labels.ndim != 2:
        raise ValueError(f"{name} has shape {labels.shape} and must be H×W")
    if labels.dtype.kind not in "biu":
        raise TypeError(f"{name} has dtype {labels.dtype} and must hold whole numbers")
    return labels


def as_rgb(image) -> np.ndarray:
    """An image as uint8 H×W×3: from H×W, H×W×1 or H×W×3; floats are read as 0 to 1.

    >>> as_rgb(np.full((2, 3), 0.5)).shape
    (2, 3, 3)
    """
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim == 2:
        image = np.repeat(image[:, :, None], 3, axis=2)
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image has shape {image.shape} and must be H×W, H×W×1 or H×W×3")
    if image.dtype.kind == "f":
        return np.round(255 * np.clip(np.nan_to_num(image), 0, 1)).astype(np.uint8)
    if image.dtype == bool:
        return image.astype(np.uint8) * 255
    if image.min() < 0 or image.max() > 255:
        raise ValueError(f"image holds {image.min()} to {image.max()} and must hold 0 to 255, or floats 0 to 1")
    return image.astype(np.uint8)


def colourise(labels, palette, void: int | None = None, void_colour: Sequence[int] = VOID_COLOUR) -> np.ndarray:
    """A label map in colour, uint8 H×W×3: pixel of class k takes row k of `palette`, void pixels take `void_colour`.

    >>> colourise(np.array([[0, 1, 255]]), class_palette(2), void=255).tolist()
    [[[0, 114, 178], [230, 159, 0], [255, 255, 255]]]
    """
    labels, palette = check_labels(labels).astype(np.int64), np.asarray(palette)
    if palette.ndim != 2 or palette.shape[1] != 3:
        raise ValueError(f"palette has shape {palette.shape} and must be n×3")
    ignored = labels == void if void is not None else np.zeros(labels.shape, bool)
    wrong = ~ignored & ((labels < 0) | (labels >= len(palette)))
    if wrong.any():
        raise ValueError(f"labels holds {labels[wrong][0]} and must hold 0 to {len(palette) - 1}, or void={void}")
    colours = palette.astype(np.uint8)[np.where(ignored, 0, labels)]
    colours[ignored] = void_colour
    return colours


def borders(labels, void: int | None = None) -> np.ndarray:
    """bool H×W: pixels whose right or lower neighbour has another label; borders with `void` do not count.

    >>> borders(np.array([[0, 0, 1]])).tolist()
    [[False, True, False]]
    """
    labels = check_labels(labels)
    edge, known = np.zeros(labels.shape, bool), labels != void if void is not None else np.ones(labels.shape, bool)
    edge[:, :-1] |= (labels[:, :-1] != labels[:, 1:]) & known[:, :-1] & known[:, 1:]
    edge[:-1] |= (labels[:-1] != labels[1:]) & known[:-1] & known[1:]
    return edge


def overlay(image, labels, palette, alpha: float = 0.55, void: int | None = None, outline: bool = True) -> np.ndarray:
    """The image with its label map laid over it, uint8 H×W×3. Void pixels show the plain image.

    `alpha` 0 shows the image only, 1 the labels only. `outline` draws the borders between classes in white.

    >>> overlay(np.zeros((1, 2, 3), np.uint8), np.array([[0, 0]]), class_palette(1), alpha=0.5)[0, 0].tolist()
    [0, 57, 89]
    """
    image, labels = as_rgb(image), check_labels(labels)
    if image.shape[:2] != labels.shape:
        raise ValueError(f"labels has shape {labels.shape} and must be as large as the image, {image.shape[:2]}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha={alpha} must lie between 0 and 1")
    mixed = (1 - alpha) * image + alpha * colourise(labels, palette, void)
    mixed = mixed.astype(np.uint8)
    if void is not None:
        mixed[labels == void] = image[labels == void]
    if outline:
        mixed[borders(labels, void)] = 255
    return mixed


CORRECT, WRONG, IGNORED = (225, 225, 225), (213, 94, 0), (255, 255, 255)
"""The colours of `error_map`: grey where right, vermillion where wrong, white where void."""


def error_map(prediction, target, void: int | None = None) -> np.ndarray:
    """Where a prediction is wrong, uint8 H×W×3: grey right, vermillion wrong, white void.

    >>> error_map(np.array([[0, 1]]), np.array([[0, 0]])).tolist()
    [[[225, 225, 225], [213, 94, 0]]]
    """
    prediction, target = check_labels(prediction, "prediction"), check_labels(target, "target")
    if prediction.shape != target.shape:
        raise ValueError(f"prediction has shape {prediction.shape} and must have target's shape {target.shape}")
    colours = np.where((prediction == target)[:, :, None], np.uint8(CORRECT), np.uint8(WRONG))
    if void is not None:
        colours[target == void] = IGNORED
    return colours


def images_row(
    images: Sequence,
    titles: Sequence[str | None] | None = None,
    height: float | None = None,
    columns: int | None = None,
) -> Figure:
    """Images of any sizes side by side, drawn equally high, a title above each.

    Floats are read as 0 to 1; a 2-D array is drawn in grey. `height` is that of one image in inches, `columns` how many
    stand in a row (all, by default). Long titles are broken into lines.

    >>> fig = images_row([np.zeros((4, 4)), np.ones((4, 6, 3))], ["black", "white"])
    >>> [text.get_text() for text in fig.texts]
    ['black', 'white']
    >>> plt.close(fig)
    """
    images = [as_rgb(image) for image in images]
    if not images:
        raise ValueError("images=[] must hold at least one image")
    titles = [None] * len(images) if titles is None else list(titles)
    if len(titles) != len(images):
        raise ValueError(f"titles has {len(titles)} entries and must have one for each of the {len(images)} images")
    columns = len(images) if columns is None else columns
    if columns < 1:
        raise ValueError(f"columns={columns} must be at least 1")
    rows = [range(start, min(start + columns, len(images))) for start in range(0, len(images), columns)]
    aspect = [image.shape[1] / image.shape[0] for image in images]
    broadest = max(sum(aspect[i] for i in row) for row in rows)
    height = min(3.6, (12.2 - 0.15 * columns) / broadest) if height is None else height
    return _place(images, titles, rows, [max(0.2, height * a) for a in aspect], height)


def _place(images, titles, rows, widths, height) -> Figure:
    titles = [_wrap(title, width) for title, width in zip(titles, widths, strict=True)]
    gap, edge = 0.15, 0.08
    heads = [max((titles[i].count("\n") + 1) * _LINE + 0.06 if titles[i] else 0 for i in row) for row in rows]
    slots = [max(width, _width(title)) for width, title in zip(widths, titles, strict=True)]
    total_width = max(sum(slots[i] for i in row) + gap * (len(row) - 1) for row in rows) + 2 * edge
    total_height = sum(heads) + len(rows) * height + gap * (len(rows) - 1) + 2 * edge
    fig = plt.figure(figsize=(total_width, total_height))
    y = total_height - edge
    for row, head in zip(rows, heads, strict=True):
        y -= head + height
        x = edge
        for i in row:
            left = x + (slots[i] - widths[i]) / 2
            ax = fig.add_axes((left / total_width, y / total_height, widths[i] / total_width, height / total_height))
            draw_image(ax, images[i])
            if titles[i]:
                centre, above = (x + slots[i] / 2) / total_width, (y + height + 0.05) / total_height
                fig.text(centre, above, titles[i], ha="center", va="bottom", fontsize=13, linespacing=1.15)
            x += slots[i] + gap
        y -= gap
    return fig


def draw_image(ax: Axes, image, title: str | None = None) -> None:
    """Draws an image into `ax`, without ticks, with a thin grey edge so that white images show where they end.

    >>> fig, ax = plt.subplots()
    >>> draw_image(ax, np.zeros((4, 4, 3)), "black")
    >>> plt.close(fig)
    """
    rgb = as_rgb(image)
    interpolation = "nearest" if max(rgb.shape[:2]) <= 200 else "antialiased"
    ax.imshow(rgb, interpolation=interpolation, aspect="auto" if title is None else "equal")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color("#bbbbbb")
        spine.set_linewidth(0.8)
    if title:
        ax.set_title(title)


def _wrap(title, width) -> str:
    if not title:
        return ""
    letters = max(10, int(width / _LETTER))
    return "\n".join(textwrap.fill(line, letters) for line in title.split("\n"))


def _width(title) -> float:
    return max((len(line) for line in title.split("\n")), default=0) * _LETTER


def legend_handles(classes: Sequence[str], palette, void: bool = False, present=None) -> list[Patch]:
    """One coloured patch a class, for `fig.legend(handles=…)`; `present` keeps the classes of that label map.

    >>> [handle.get_label() for handle in legend_handles(["sky", "road"], class_palette(2), void=True)]
    ['sky', 'road', 'void']
    """
    palette = np.asarray(palette)
    if len(palette) < len(classes):
        raise ValueError(f"palette has {len(palette)} colours and must have one for each of the {len(classes)} classes")
    kept = (
        range(len(classes)) if present is None else [k for k in range(len(classes)) if (np.asarray(present) == k).any()]
    )
    handles = [Patch(facecolor=hexadecimal(palette[k]), edgecolor="#888888", label=classes[k]) for k in kept]
    if void:
        handles.append(Patch(facecolor=hexadecimal(VOID_COLOUR), edgecolor="#888888", label="void"))
    return handles


def label_legend(fig: Figure, classes: Sequence[str], palette, void: bool = False, present=None) -> None:
    """Puts a legend of the classes below the figure, which grows by the lines that it needs.

    >>> fig = images_row([np.zeros((60, 90, 3))])
    >>> label_legend(fig, ["sky", "road"], class_palette(2))
    >>> [text.get_text() for text in fig.legends[0].get_texts()]
    ['sky', 'road']
    >>> plt.close(fig)
    """
    handles = legend_handles(classes, palette, void, present)
    width, height = fig.get_size_inches()
    entry = max(len(handle.get_label()) for handle in handles) * 0.108 + 0.62
    columns = int(np.clip((width - 0.1) // entry, 1, len(handles)))
    columns = -(-len(handles) // -(-len(handles) // columns))
    extra = -(-len(handles) // columns) * 0.25 + 0.12
    fig.set_size_inches(max(width, entry), height + extra)
    _push_up(fig, extra, height)
    options = {"handlelength": 1.2, "handleheight": 1.1, "handletextpad": 0.5, "columnspacing": 1.2, "borderpad": 0.2}
    fig.legend(handles=handles, loc="lower center", ncols=columns, frameon=False, fontsize=12, **options)


def _push_up(fig, extra, height) -> None:
    scale = height / (height + extra)
    for ax in fig.axes:
        box = ax.get_position()
        ax.set_position((box.x0, (box.y0 * height + extra) / (height + extra), box.width, box.height * scale))
    for text in fig.texts:
        x, y = text.get_position()
        text.set_position((x, (y * height + extra) / (height + extra)))


def labels_figure(
    image,
    labels,
    classes: Sequence[str],
    palette,
    void: int | None = None,
    titles: Sequence[str] = ("image", "labels", "both"),
    present_only: bool = True,
) -> Figure:
    """An image, its label map and the two together, with a legend of the classes below.

    `present_only` leaves classes out of the legend that do not occur.

    >>> fig = labels_figure(np.zeros((40, 60, 3)), np.zeros((40, 60), int), ["sky"], class_palette(1))
    >>> len(fig.axes), fig.legends[0].get_texts()[0].get_text()
    (3, 'sky')
    >>> plt.close(fig)
    """
    labels = check_labels(labels)
    colours = colourise(labels, palette, void)
    fig = images_row([image, colours, overlay(image, labels, palette, void=void)], titles)
    has_void = void is not None and bool((labels == void).any())
    label_legend(fig, classes, palette, has_void, labels if present_only else None)
    return fig


def draw_boxes(ax: Axes, boxes, names: Sequence[str] | None = None, colours=None) -> None:
    """Draws boxes (top, left, bottom, right; the last two exclusive) into `ax`, each with its name in a free corner.

    `colours` (uint8 n×3) gives each box its colour. Draw the image first: `draw_image(ax, image)`.

    >>> fig, ax = plt.subplots()
    >>> ax.set(xlim=(0, 10), ylim=(10, 0))  # doctest: +ELLIPSIS
    [...]
    >>> draw_boxes(ax, [(1, 2, 5, 6)], ["cup"])
    >>> ax.texts[0].get_text()
    'cup'
    >>> plt.close(fig)
    """
    colours = class_palette(max(1, len(boxes))) if colours is None else np.asarray(colours)
    taken = []
    for i, (top, left, bottom, right) in enumerate(boxes):
        if bottom <= top or right <= left:
            raise ValueError(
                f"boxes[{i}]={(top, left, bottom, right)} must be (top, left, bottom, right) and not empty"
            )
        colour = colours[i % len(colours)]
        for edge, thickness in (("white", 4.5), (hexadecimal(colour), 2.5)):
            shape = Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, ec=edge, lw=thickness)
            ax.add_patch(shape)
        if names is not None:
            _name_box(ax, boxes[i], names[i], colour, taken)


def _name_box(ax, box, name, colour, taken) -> None:
    """Writes a name into the first corner of a box where it covers no other name."""
    plate = {"facecolor": hexadecimal(colour), "edgecolor": "white", "pad": 2.5, "linewidth": 0.8}
    text = ax.text(0, 0, name, fontsize=12, color=text_colour(colour / 255), bbox=plate, clip_on=True)
    top, left, bottom, right = box
    for (y, va), (x, ha) in (
        (y, x) for y in ((top, "top"), (bottom, "bottom")) for x in ((left, "left"), (right, "right"))
    ):
        text.set(position=(x, y), va=va, ha=ha)
        extent = text.get_window_extent().padded(5)
        inside = ax.bbox.padded(6)
        if not any(extent.overlaps(other) for other in taken) and inside.contains(extent.x0, extent.y0):
            break
    else:
        text.set(position=(left, top), va="top", ha="left")
    taken.append(text.get_window_extent().padded(4))

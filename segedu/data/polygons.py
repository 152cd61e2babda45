"""Masks for three of scikit-image's photographs, from outlines drawn by hand for this course.

An outline is a list of corners (x, y) in pixels of the photograph; things drawn later hide those before them. So every
pixel has exactly one class, and a thing that another one crosses may fall into two pieces and stays one instance.
"""

from dataclasses import dataclass

import numpy as np
from skimage.draw import ellipse, polygon

from segedu.data import colours
from segedu.data.photographs import photograph
from segedu.data.polygon_outlines import ASTRONAUT, COFFEE, COINS

PANOPTIC_BASE = 1000
"""A panoptic label is class · 1000 + instance, as Cityscapes writes them."""


@dataclass(frozen=True)
class Segment:
    """One region of a panoptic map: its instance number (0 for stuff), class, name, box and number of visible pixels.

    `box` is (top, left, bottom, right), the last two exclusive.
    """

    instance: int
    label: int
    name: str
    box: tuple[int, int, int, int]
    area: int


@dataclass(frozen=True)
class PhotographMasks:
    """A photograph with semantic, instance and panoptic labels.

    `image` uint8 H×W×3; `semantic` int64 H×W, rows of `classes`; `instances` int64 H×W, 0 on stuff, else 1, 2, …;
    `things` says for each class whether it can be counted; `palette` uint8 n×3; `segments` in the order of drawing,
    farthest first.
    """

    image: np.ndarray
    semantic: np.ndarray
    instances: np.ndarray
    classes: tuple[str, ...]
    things: tuple[bool, ...]
    palette: np.ndarray
    segments: tuple[Segment, ...]

    @property
    def panoptic(self) -> np.ndarray:
        """int64 H×W: class · 1000 + instance; stuff has instance 0."""
        return self.semantic * PANOPTIC_BASE + self.instances

    @property
    def boxes(self) -> list[tuple[int, int, int, int]]:
        """The boxes of the things, instance 1 first."""
        return [segment.box for segment in self.segments if segment.instance]


def masked_names() -> tuple[str, ...]:
    """The photographs that have masks.

    >>> masked_names()
    ('astronaut', 'coffee', 'coins')
    """
    return tuple(_PHOTOGRAPHS)


def photograph_masks(name: str) -> PhotographMasks:
    """A photograph with its semantic, instance and panoptic labels.

    "astronaut" has a person, a helmet and a model of a space shuttle before stuff; in "coffee" the cup parts the spoon
    into two pieces of one instance; "coins" has 24 things of one class. Raises `ValueError` for any other name.

    >>> masks = photograph_masks("coins")
    >>> masks.classes, masks.things, int(masks.instances.max()), len(masks.boxes)
    (('table', 'coin'), (False, True), 24, 24)
    """
    if name not in _PHOTOGRAPHS:
        raise ValueError(f"name={name!r} must be one of {', '.join(_PHOTOGRAPHS)}")
    classes, palette, outlines = _PHOTOGRAPHS[name]
    image = photograph(name)
    semantic = np.zeros(image.shape[:2], np.int64)
    instances = np.zeros(image.shape[:2], np.int64)
    count = 0
    for label_name, pieces in outlines:
        label = [class_name for class_name, _ in classes].index(label_name)
        count += classes[label][1]
        for piece in pieces:
            pixels = _pixels(piece, semantic.shape)
            semantic[pixels] = label
            instances[pixels] = count if classes[label][1] else 0
    segments = _segments(semantic, instances, classes)
    return PhotographMasks(
        image, semantic, instances, *(tuple(part) for part in zip(*classes, strict=True)), palette, segments
    )


def _pixels(piece, shape):
    """Rows and columns inside an outline, or inside an ellipse given as (cx, cy, rx, ry)."""
    if np.ndim(piece) == 1:
        cx, cy, rx, ry = piece
        return ellipse(cy, cx, ry, rx, shape=shape)
    corners = np.asarray(piece, float)
    return polygon(corners[:, 1], corners[:, 0], shape=shape)


def _segments(semantic, instances, classes) -> tuple[Segment, ...]:
    counts, segments = dict.fromkeys(range(len(classes)), 0), []
    keys = np.unique(semantic * PANOPTIC_BASE + instances)
    for key in sorted(keys.tolist(), key=lambda key: (key % PANOPTIC_BASE, key)):
        label, instance = divmod(key, PANOPTIC_BASE)
        rows, columns = np.nonzero((semantic == label) & (instances == instance))
        box = (int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
        counts[label] += 1
        segments.append((instance, label, box, rows.size, counts[label]))
    return tuple(
        Segment(instance, label, f"{classes[label][0]} {number}" if counts[label] > 1 else classes[label][0], box, area)
        for instance, label, box, area, number in segments
    )


_PHOTOGRAPHS = {
    "astronaut": (
        (("wall", False), ("table", False), ("flag", True), ("person", True), ("helmet", True), ("shuttle", True)),
        colours.palette(
            colours.LIGHT_GREY, colours.PURPLE, colours.BLUE, colours.ORANGE, colours.GREEN, colours.VERMILLION
        ),
        ASTRONAUT,
    ),
    "coffee": (
        (("table", False), ("floor", False), ("saucer", True), ("cup", True), ("coffee", False), ("spoon", True)),
        colours.palette(
            colours.LIGHT_GREY, colours.PURPLE, colours.GREEN, colours.BLUE, colours.ORANGE, colours.YELLOW
        ),
        COFFEE,
    ),
    "coins": ((("table", False), ("coin", True)), colours.palette(colours.LIGHT_GREY, colours.BLUE), COINS),
}

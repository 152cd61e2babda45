"""What a scene with exact labels is made of."""

from dataclasses import dataclass, replace

import numpy as np

VOID = 255
"""The label of pixels that belong to no class in synthetic scenes."""


@dataclass(frozen=True)
class Scene:
    """An image and what every pixel of it belongs to.

    `image` uint8 H×W×3; `labels` int64 H×W, a row of `classes` and `palette` each, or `void`; `instances` int64 H×W, 0
    for none, else 1, 2, … counted through the scene; `palette` uint8 n×3, a colour for each class.
    """

    image: np.ndarray
    labels: np.ndarray
    instances: np.ndarray
    classes: tuple[str, ...]
    palette: np.ndarray
    void: int = VOID

    def with_void(self, width: int) -> "Scene":
        """The scene with pixels nearer than `width` to another class labelled void, as annotators leave borders out."""
        return replace(self, labels=void_borders(self.labels, width, self.void))


def void_borders(labels: np.ndarray, width: int, void: int = VOID) -> np.ndarray:
    """Labels with a void band at every border between classes, `width` pixels to either side; 0 changes nothing.

    >>> void_borders(np.array([[0, 0, 0, 1, 1, 1]]), 1).tolist()
    [[0, 0, 255, 255, 1, 1]]
    """
    if width < 0:
        raise ValueError(f"width={width} must be at least 0")
    band = np.zeros(labels.shape, bool)
    padded = np.pad(labels, width, mode="edge")
    height, wide = labels.shape
    for dy in range(-width, width + 1):
        for dx in range(-width, width + 1):
            if dy * dy + dx * dx <= width * width:
                band |= padded[width + dy : width + dy + height, width + dx : width + dx + wide] != labels
    return np.where(band, void, labels)


def scene_size(size, smallest: int = 32) -> tuple[int, int]:
    """`size` as (height, width); one number means a square.

    >>> scene_size(64), scene_size((48, 64))
    ((64, 64), (48, 64))
    """
    pair = (size, size) if isinstance(size, (int, np.integer)) else tuple(size)
    if len(pair) != 2 or min(pair) < smallest:
        raise ValueError(f"size={size} must be one number or (height, width), each at least {smallest}")
    return int(pair[0]), int(pair[1])

"""Synthetic scenes as a data set of unlimited size: nothing is downloaded, nothing repeats."""

from collections.abc import Callable, Sequence

import numpy as np

from segedu.data.dataset import Dataset
from segedu.data.synthetic import VOID, Scene, cells, street, tabletop

SCENES: dict[str, Callable[..., Scene]] = {"street": street, "tabletop": tabletop, "cells": cells}
"""Name of a data set → what draws its scenes."""


class DrawnScenes(Dataset):
    """Scenes drawn when they are asked for, each with a seed of its own: 0, 3, 6, … train, 1, 4, … val, 2, 5, … test.

    So no split shares a scene with another, however long it is. `length` is how many pairs there are, `size` their
    height and width (one number for a square), `void_width` how many pixels round each border are labelled void (255).
    Cells are grey, H×W×1, as the electron microscope's images are which they stand for. Raises `ValueError` for another
    name or split, and for a length below 1.

    >>> cells = DrawnScenes("cells", "val", length=10, size=(48, 64))
    >>> len(cells), cells[3][0].shape, cells.seed(3), cells.classes
    (10, (48, 64, 1), 10, ('membrane', 'cell'))
    """

    splits = ("train", "val", "test")
    void = VOID

    def __init__(self, name: str, split: str, length: int = 1000, size: int | Sequence[int] = 256, void_width: int = 0):
        if name not in SCENES:
            raise ValueError(f"name={name!r} must be one of {', '.join(SCENES)}")
        if length < 1:
            raise ValueError(f"length={length} must be at least 1")
        self.check_split(split)
        self.name, self.split, self.size, self.void_width = name, split, size, void_width
        self.title, self.in_channels = f"Drawn scenes ({name})", 1 if name == "cells" else 3
        self._indices = range(length)
        first = SCENES[name](self.seed(0), 32)
        self.classes, self.palette = first.classes, first.palette

    @property
    def names(self) -> list[str]:
        """The name of each scene: the data set's and its seed."""
        return [f"{self.name}_{self.seed(i)}" for i in self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def seed(self, index: int) -> int:
        """The seed of a scene of this split."""
        return len(self.splits) * index + self.splits.index(self.split)

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The scene of that number."""
        scene = SCENES[self.name](self.seed(index), self.size, self.void_width)
        return scene.image[:, :, : self.in_channels], scene.labels

"""The small label map with which the topic is usually introduced: a person with a purse, plants, pavement, buildings.

The twelve rows of numbers are those of the lecture notes on which this course builds. There they are ragged, 33 to 36
numbers long; `label_grid` makes them rectangular.
"""

import numpy as np

from segedu.data import colours

CLASSES = ("background", "person", "purse", "plants", "sidewalk", "building")
PALETTE = colours.palette(
    colours.LIGHT_GREY, colours.VERMILLION, colours.YELLOW, colours.GREEN, colours.PURPLE, colours.BLUE
)

RAGGED_ROWS = (
    ((3, 33),),
    ((3, 33),),
    ((3, 33),),
    ((3, 33),),
    ((3, 33),),
    ((3, 33),),
    ((5, 2), (3, 32)),
    ((4, 2), (3, 1), (4, 1), (1, 26), (4, 5)),
    ((4, 2), (3, 1), (4, 1), (1, 26), (4, 5)),
    ((4, 3), (1, 28), (4, 5)),
    ((3, 3), (1, 27), (4, 5)),
    ((3, 3), (1, 1), (2, 2), (1, 24), (4, 5)),
)
"""The rows as they were printed, each a run of (label, how often)."""


def ragged_rows() -> list[list[int]]:
    """The twelve rows as they were printed, of different lengths.

    >>> [len(row) for row in ragged_rows()]
    [33, 33, 33, 33, 33, 33, 34, 35, 35, 36, 35, 35]
    """
    return [[label for label, count in runs for _ in range(count)] for runs in RAGGED_ROWS]


def label_grid() -> np.ndarray:
    """The label map, int64 12×36, made rectangular: each row is continued to the right with its last label.

    No number of the original is changed or left out; 24 of the 432 are added.

    >>> grid = label_grid()
    >>> grid.shape, grid[11, :8].tolist(), grid.size - sum(len(row) for row in ragged_rows())
    ((12, 36), [3, 3, 3, 1, 2, 2, 1, 1], 24)
    """
    rows = ragged_rows()
    width = max(len(row) for row in rows)
    return np.array([row + [row[-1]] * (width - len(row)) for row in rows], dtype=np.int64)

"""Unpooling of one plane, one value at a time."""

import numpy as np


def max_unpool(plane: np.ndarray, indices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Every value at row index // W, column index % W of a plane of zeros; a later value replaces an earlier one."""
    result = np.zeros(size, plane.dtype)
    for i in range(plane.shape[0]):
        for j in range(plane.shape[1]):
            row, column = divmod(int(indices[i, j]), size[1])
            result[row, column] = plane[i, j]
    return result

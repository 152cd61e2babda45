"""Pooling of one plane, one window at a time."""

import math
from collections.abc import Iterator

import numpy as np

Pair = tuple[int, int]


def windows(
    plane: np.ndarray, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = (1, 1)
) -> Iterator[tuple[int, int, list[Pair]]]:
    """(i, j, the coordinates of the elements that lie in the image) of every window."""
    height, width = plane.shape
    for i, top in enumerate(range(-padding[0], height + padding[0] - dilation[0] * (kernel[0] - 1), stride[0])):
        for j, left in enumerate(range(-padding[1], width + padding[1] - dilation[1] * (kernel[1] - 1), stride[1])):
            rows = [top + a * dilation[0] for a in range(kernel[0])]
            columns = [left + b * dilation[1] for b in range(kernel[1])]
            yield i, j, [(r, s) for r in rows for s in columns if 0 <= r < height and 0 <= s < width]


def max_pool(
    plane: np.ndarray, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> dict[Pair, tuple[float, int]]:
    """{(i, j): (maximum, its index)}; the first of equals wins."""
    result = {}
    for i, j, elements in windows(plane, kernel, stride, padding, dilation):
        best, place = -math.inf, None
        for r, s in elements:
            if place is None or plane[r, s] > best:
                best, place = plane[r, s], r * plane.shape[1] + s
        result[i, j] = best, place
    return result


def avg_pool(
    plane: np.ndarray, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool
) -> dict[Pair, float]:
    """{(i, j): mean}."""
    result = {}
    for i, j, elements in windows(plane, kernel, stride, padding):
        count = kernel[0] * kernel[1] if count_include_pad else len(elements)
        result[i, j] = sum(float(plane[r, s]) for r, s in elements) / count
    return result

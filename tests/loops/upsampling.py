"""Interpolation and pixel shuffle of one image, one pixel at a time, in Python's floats."""

import math

import numpy as np


def coordinate(i: int, before: int, after: int, scale: float | None, mode: str, align_corners: bool) -> float:
    """Where output pixel i lies in the input, in input pixels."""
    step = 1 / scale if scale else before / after
    if mode == "nearest":
        return i * step
    if align_corners:
        return i * (before - 1) / (after - 1) if after > 1 else 0.0
    return max((i + 0.5) * step - 0.5, 0.0)


def interpolate(plane, size, scales, mode, align_corners=False):
    """The output; nearest takes the pixel below the coordinate, bilinear the hat function around it."""
    result = np.zeros(size)
    height, width = plane.shape
    for i in range(size[0]):
        for j in range(size[1]):
            v = min(coordinate(i, height, size[0], scales[0], mode, align_corners), height - 1)
            u = min(coordinate(j, width, size[1], scales[1], mode, align_corners), width - 1)
            if mode == "nearest":
                result[i, j] = plane[math.floor(v), math.floor(u)]
                continue
            for r in range(height):
                for s in range(width):
                    result[i, j] += max(0, 1 - abs(r - v)) * max(0, 1 - abs(s - u)) * plane[r, s]
    return result


def pixel_shuffle(image: np.ndarray, r: int) -> np.ndarray:
    channels, height, width = image.shape
    result = np.zeros((channels // r**2, height * r, width * r), image.dtype)
    for c in range(channels // r**2):
        for row in range(height * r):
            for column in range(width * r):
                source = c * r**2 + (row % r) * r + column % r
                result[c, row, column] = image[source, row // r, column // r]
    return result

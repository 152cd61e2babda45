"""A window that slides over images, and the three sums that convolution and its gradients are made of.

With pixels p of an image, windows i, elements a of the window, and p = i·stride + a·dilation − before:

    correlate:        windows[i] = Σ over a of weight[a] · image[p]       convolution; gradient of the transposed one
    spread:           image[p]   = Σ over i, a of weight[a] · windows[i]  transposed convolution; gradient of the other
    weight_gradient:  weight[a]  = Σ over i of image[p] · windows[i]      gradient of both with respect to the filters

`weight` is (channels of windows) × (channels of image / groups) × kH × kW in all three.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from segedu.arguments import Pair

STRIP_BYTES = 4 * 1024 * 1024


class Sliding(NamedTuple):
    """Where the windows lie; everything in (height, width)."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair  # zeros above and left of the image; negative: the windows start inside
    size: Pair  # of the image
    output: Pair  # number of windows

    def tap(self, axis: int, number: int, windows: slice) -> tuple[slice, slice]:
        """Of some windows, those whose element `number` lies in the image, counted from the first, and its pixels."""
        offset, step = number * self.dilation[axis] - self.before[axis], self.stride[axis]
        first = max(windows.start, -(offset // step))
        last = min(windows.stop, (self.size[axis] - 1 - offset) // step + 1)
        if first >= last:
            return slice(0, 0), slice(0, 0)
        pixel = first * step + offset
        return slice(first - windows.start, last - windows.start), slice(
            pixel, pixel + (last - first - 1) * step + 1, step
        )

    @property
    def is_pointwise(self) -> bool:
        """Whether the windows are the pixels themselves."""
        return self.kernel == self.stride == (1, 1) and self.before == (0, 0) and self.output == self.size

    def strips(self, bytes_per_window: int) -> Iterator[slice]:
        """Rows of windows, some at a time."""
        rows = max(1, STRIP_BYTES // max(1, bytes_per_window * self.output[1]))
        for start in range(0, self.output[0], rows):
            yield slice(start, min(start + rows, self.output[0]))


def gather(image: np.ndarray, sliding: Sliding, rows: slice, columns: np.ndarray) -> np.ndarray:
    """im2col: columns[c, a, b, i, j] = image[c, pixel of element (a, b) of window (i, j)], 0 outside the image."""
    for a in range(sliding.kernel[0]):
        to_rows, from_rows = sliding.tap(0, a, rows)
        for b in range(sliding.kernel[1]):
            to_columns, from_columns = sliding.tap(1, b, slice(0, sliding.output[1]))
            target = columns[:, a, b]
            target[:, : to_rows.start] = 0
            target[:, to_rows.stop :] = 0
            target[:, :, : to_columns.start] = 0
            target[:, :, to_columns.stop :] = 0
            target[:, to_rows, to_columns] = image[:, from_rows, from_columns]
    return columns


def scatter(columns: np.ndarray, sliding: Sliding, rows: slice, image: np.ndarray) -> None:
    """col2im: adds every element of `columns` to its pixel of the image. The reverse of `gather`."""
    for a in range(sliding.kernel[0]):
        from_rows, to_rows = sliding.tap(0, a, rows)
        for b in range(sliding.kernel[1]):
            from_columns, to_columns = sliding.tap(1, b, slice(0, sliding.output[1]))
            image[:, to_rows, to_columns] += columns[:, a, b, from_rows, from_columns]


def _columns(image: np.ndarray, sliding: Sliding, groups: int) -> Iterator[tuple[slice, np.ndarray]]:
    """For each strip: the numbers of its windows, and their elements as a matrix, groups × (C·kH·kW) × windows."""
    channels, width = len(image), sliding.output[1]
    taps = sliding.kernel[0] * sliding.kernel[1]
    for rows in sliding.strips(image.itemsize * channels * taps):
        count = rows.stop - rows.start
        columns = np.empty((channels, *sliding.kernel, count, width), image.dtype)
        gather(image, sliding, rows, columns)
        yield slice(rows.start * width, rows.stop * width), columns.reshape(groups, -1, count * width)


def by_group(array: np.ndarray, groups: int) -> np.ndarray:
    """N×C×H×W as N × groups × C/groups × pixels."""
    n, c, h, w = array.shape
    return np.ascontiguousarray(array).reshape(n, groups, c // groups, h * w)


def correlate(image: np.ndarray, weight: np.ndarray, sliding: Sliding, groups: int) -> np.ndarray:
    """windows[i] = Σ over a of weight[a] · image[pixel of element a of window i]."""
    result = np.empty((len(image), len(weight), *sliding.output), image.dtype)
    filters, flat = weight.reshape(groups, len(weight) // groups, -1), by_group(result, groups)
    if sliding.is_pointwise:
        np.matmul(filters, by_group(image, groups), out=flat)
        return result
    for one, out in zip(image, flat, strict=True):
        for windows, columns in _columns(one, sliding, groups):
            np.matmul(filters, columns, out=out[:, :, windows])
    return result


def spread(windows: np.ndarray, weight: np.ndarray, sliding: Sliding, groups: int) -> np.ndarray:
    """image[p] = Σ over windows i and elements a that lie at p of weight[a] · windows[i]."""
    channels = weight.shape[1] * groups
    filters = weight.reshape(groups, len(weight) // groups, -1).swapaxes(1, 2)
    if sliding.is_pointwise:
        return np.matmul(filters, by_group(windows, groups)).reshape(len(windows), channels, *sliding.size)
    result = np.zeros((len(windows), channels, *sliding.size), windows.dtype)
    taps, width = sliding.kernel[0] * sliding.kernel[1], sliding.output[1]
    for one, out in zip(by_group(windows, groups), result, strict=True):
        for rows in sliding.strips(windows.itemsize * channels * taps):
            columns = filters @ one[:, :, rows.start * width : rows.stop * width]
            scatter(columns.reshape(channels, *sliding.kernel, -1, width), sliding, rows, out)
    return result


def weight_gradient(
    image: np.ndarray, windows: np.ndarray, kernel_shape: tuple[int, ...], sliding: Sliding, groups: int
) -> np.ndarray:
    """weight[a] = Σ over windows i of image[pixel of element a of window i] · windows[i]."""
    flat = by_group(windows, groups)
    if sliding.is_pointwise:
        total = (by_group(image, groups) @ flat.swapaxes(2, 3)).sum(0)
    else:
        total = np.zeros((groups, int(np.prod(kernel_shape[1:])), kernel_shape[0] // groups), image.dtype)
        for one, grads in zip(image, flat, strict=True):
            for part, columns in _columns(one, sliding, groups):
                total += columns @ grads[:, :, part].swapaxes(1, 2)
    return np.ascontiguousarray(total.swapaxes(1, 2)).reshape(kernel_shape)

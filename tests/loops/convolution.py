"""Convolution and transposed convolution of one image, one element of one window at a time."""

from collections.abc import Iterator

import numpy as np

Pair = tuple[int, int]


def elements(
    windows: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Iterator[tuple[int, int, int, int, int, int]]:
    """(i, j, a, b, p, q): element (a, b) of window (i, j) lies at pixel (p, q), perhaps outside the image."""
    for i in range(windows[0]):
        for j in range(windows[1]):
            for a in range(kernel[0]):
                for b in range(kernel[1]):
                    p = i * stride[0] + a * dilation[0] - padding[0]
                    q = j * stride[1] + b * dilation[1] - padding[1]
                    yield i, j, a, b, p, q


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    size: Pair,
) -> np.ndarray:
    """C×H×W to K×OH×OW, where `size` is OH×OW: every output pixel sums over its window."""
    filters, depth, *kernel = weight.shape
    _, height, width = x.shape
    y = np.zeros((filters, *size))
    for k in range(filters):
        first = k // (filters // groups) * depth
        y[k] = bias[k]
        for i, j, a, b, p, q in elements(size, kernel, stride, padding, dilation):
            if 0 <= p < height and 0 <= q < width:
                for c in range(depth):
                    y[k, i, j] += weight[k, c, a, b] * x[first + c, p, q]
    return y


def conv_transpose2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    size: Pair,
) -> np.ndarray:
    """C×H×W to K×OH×OW, where `size` is OH×OW: every input pixel adds to its window."""
    channels, depth, *kernel = weight.shape
    y = np.zeros((depth * groups, *size)) + bias[:, None, None]
    for c in range(channels):
        first = c // (channels // groups) * depth
        for i, j, a, b, p, q in elements(x.shape[1:], kernel, stride, padding, dilation):
            if 0 <= p < size[0] and 0 <= q < size[1]:
                for k in range(depth):
                    y[first + k, p, q] += x[c, i, j] * weight[c, k, a, b]
    return y

"""The three sums that convolution, transposed convolution and their gradients are made of.

With windows i over an image, elements a of a window, and pixels p = i·stride + a·dilation − before:

    correlate:        windows[i] = Σ over a of weight[a] · image[p]       convolution; gradient of the transposed one
    spread:           image[p]   = Σ over i, a of weight[a] · windows[i]  transposed convolution; gradient of the other
    weight_gradient:  weight[a]  = Σ over i of image[p] · windows[i]      gradient of both with respect to the filters

`weight` is (channels of windows) × (channels of image / groups) × kH × kW in all three.

Where the kernel is a multiple of the stride, `spread` needs no sums over overlapping windows: a convolution with stride
1 gives, for each cell of stride × stride pixels, all of them as channels, which then go to their places (depth to
space). With stride 1 this is the convolution with the flipped filters. (Shi et al., "Real-time single image and video
super-resolution using an efficient sub-pixel convolutional neural network", 2016; "Is the deconvolution layer the same
as a convolutional layer?", 2016.)
"""

from __future__ import annotations

import numpy as np

from segedu.arguments import Pair
from segedu.numpy_ops._blocks import for_each_block
from segedu.numpy_ops._sliding import Sliding, gather, scatter
from segedu.numpy_ops._strips import Strips

quietly = np.errstate(invalid="ignore", over="ignore")  # ∞ − ∞ is NaN and needs no warning, as in PyTorch


@quietly
def correlate(image: np.ndarray, weight: np.ndarray, sliding: Sliding, groups: int) -> np.ndarray:
    """windows[i] = Σ over a of weight[a] · image[pixel of element a of window i]."""
    result = np.empty((len(image), len(weight), *sliding.output), image.dtype)
    strips = Strips.plan(sliding, groups, image.shape[1], len(weight), len(image))
    filters = strips.filters(weight)
    for part, columns in strips.columns(image):
        out = strips.matrix(result, part)
        strips.sum_of_products(filters, columns, out)
        if not np.may_share_memory(out, result):
            place = result[part.images, :, part.rows].swapaxes(0, 1)
            place[...] = out.reshape(place.shape)
    return result


@quietly
def spread(windows: np.ndarray, weight: np.ndarray, sliding: Sliding, groups: int) -> np.ndarray:
    """image[p] = Σ over windows i and elements a that lie at p of weight[a] · windows[i]."""
    if not sliding.has_phases:
        return spread_by_adding(windows, weight, sliding, groups)
    filters = phase_filters(weight, sliding.stride, groups)
    if sliding.stride == (1, 1):
        return correlate(windows, filters, sliding.windows_of_cells, groups)
    return _spread_by_phases(windows, filters, sliding, groups)


def spread_by_adding(windows: np.ndarray, weight: np.ndarray, sliding: Sliding, groups: int) -> np.ndarray:
    """One product gives all elements of all windows, which are then added to the image (col2im)."""
    channels, taps = weight.shape[1] * groups, sliding.kernel[0] * sliding.kernel[1]
    result = np.zeros((len(windows), channels, *sliding.size), windows.dtype)
    strips = Strips.plan(sliding, groups, channels, len(weight), len(windows))
    filters = np.ascontiguousarray(weight.reshape(groups, len(weight) // groups, -1).swapaxes(1, 2))
    for part in strips.parts(len(windows), channels * taps, windows.itemsize):
        columns = filters @ strips.matrix(windows, part)
        shape = (channels, *sliding.kernel, -1, part.rows.stop - part.rows.start, sliding.output[1])
        scatter(columns.reshape(shape), sliding, part.rows, result[part.images].swapaxes(0, 1), add=True)
    return result


def _spread_by_phases(windows: np.ndarray, filters: np.ndarray, sliding: Sliding, groups: int) -> np.ndarray:
    """A convolution with stride 1, then depth to space."""
    cells, channels = sliding.cells, len(filters) // (sliding.stride[0] * sliding.stride[1])
    result = np.empty((len(windows), channels, *sliding.size), windows.dtype)
    strips = Strips.plan(sliding.windows_of_cells, groups, windows.shape[1], len(filters), len(windows))
    row_filters = strips.filters(filters)
    for part, columns in strips.columns(windows):
        product = np.empty((groups, len(filters) // groups, columns[0].shape[2]), windows.dtype)
        strips.sum_of_products(row_filters, columns, product)
        shape = (channels, *sliding.stride, -1, part.rows.stop - part.rows.start, cells.output[1])
        scatter(product.reshape(shape), cells, part.rows, result[part.images].swapaxes(0, 1), add=False)
    return result


@quietly
def weight_gradient(
    image: np.ndarray, windows: np.ndarray, shape: tuple[int, ...], sliding: Sliding, groups: int
) -> np.ndarray:
    """weight[a] = Σ over windows i of image[pixel of element a of window i] · windows[i]; `shape` is that of weight.

    A product with the columns first is the fastest, but its result lies the other way round; of few windows the product
    costs less than turning the result.
    """
    strips = Strips.plan(sliding, groups, image.shape[1], windows.shape[1], len(image))
    filters, elements = shape[0] // groups, int(np.prod(shape[1:])) // strips.row_products
    few = len(image) * sliding.output[0] * sliding.output[1] <= 2 * filters
    sides = (filters, elements) if few else (elements, filters)
    total = np.zeros((strips.row_products, groups, *sides), image.dtype)
    for part, columns in strips.columns(image):
        grads = strips.matrix(windows, part)
        for sums, column in zip(total, columns, strict=True):
            sums += grads @ column.swapaxes(1, 2) if few else column @ grads.swapaxes(1, 2)
    return strips.weight(total if few else total.swapaxes(2, 3), shape)


@quietly
def correlate_and_weight_gradient(
    image: np.ndarray, windows: np.ndarray, weight: np.ndarray, sliding: Sliding, groups: int
) -> tuple[np.ndarray, np.ndarray]:
    """`correlate` of `image`, and `weight_gradient` of `image` with `windows`: the gradients of `spread`.

    Where `spread` would go by phases, cutting the image into cells (space to depth) once serves both.
    """
    if sliding.stride == (1, 1) or not sliding.has_phases:
        gradient = weight_gradient(image, windows, weight.shape, sliding, groups)
        return correlate(image, weight, sliding, groups), gradient
    filters, inner = phase_filters(weight, sliding.stride, groups), sliding.windows_of_cells
    cells = space_to_depth(image, sliding.cells)
    gradient = weight_gradient(windows, cells, filters.shape, inner, groups)
    return spread_by_adding(cells, filters, inner, groups), from_phase_filters(gradient, weight.shape, groups)


def add_bias(result: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """`result`, N×K×H×W, after bias[k] was added to channel k of it."""
    if bias is not None:
        n, k, h, w = result.shape
        planes, each = result.reshape(n * k, h * w), np.tile(bias, n)[:, None]
        for_each_block(lambda part: np.add(planes[part], each[part], out=planes[part]), n * k, result.itemsize * h * w)
    return result


@quietly
def bias_gradient(grads: np.ndarray, bias: np.ndarray | None) -> np.ndarray | None:
    """The sum of N×K×H×W for each channel k, if there is a bias."""
    return None if bias is None else grads.sum((2, 3)).sum(0)


def space_to_depth(image: np.ndarray, cells: Sliding) -> np.ndarray:
    """N×C×H×W as N × C·sH·sW × (number of cells): the pixels of a cell become channels, 0 beyond the image."""
    n, c, h, w = image.shape
    planes, rows = image.reshape(n * c, h, w), slice(0, cells.output[0])
    result = np.empty((n * c, *cells.kernel, *cells.output), image.dtype)
    for_each_block(lambda part: gather(planes[part], cells, rows, result[part]), n * c, image.itemsize * h * w)
    return result.reshape(n, c * cells.kernel[0] * cells.kernel[1], *cells.output)


def phase_filters(weight: np.ndarray, stride: Pair, groups: int) -> np.ndarray:
    """The filters of each pixel of a cell, for the convolution with stride 1: (C·sH·sW) × K/groups × kH/sH × kW/sW."""
    k, c, height, width = weight.shape
    taps = (height // stride[0], width // stride[1])
    split = weight.reshape(groups, k // groups, c, taps[0], stride[0], taps[1], stride[1])
    flipped = split[:, :, :, ::-1, :, ::-1].transpose(0, 2, 4, 6, 1, 3, 5)
    return np.ascontiguousarray(flipped).reshape(-1, k // groups, *taps)


def from_phase_filters(filters: np.ndarray, shape: tuple[int, ...], groups: int) -> np.ndarray:
    """The reverse of `phase_filters`; `shape` is that of its `weight`."""
    k, c, height, width = shape
    taps = filters.shape[2:]
    split = filters.reshape(groups, c, height // taps[0], width // taps[1], k // groups, *taps)
    return np.ascontiguousarray(split[..., ::-1, ::-1].transpose(0, 4, 1, 5, 2, 6, 3)).reshape(shape)

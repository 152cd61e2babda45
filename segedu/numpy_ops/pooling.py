"""Pooling: the maximum or the mean of small windows (lecture 02).

Both are separable: the best of a window is the best of its rows' best. So each block reduces rows first, where memory
is contiguous, then columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segedu import arguments
from segedu.arguments import IntOrPair, Pair
from segedu.numpy_ops._blocks import for_each_block, planes
from segedu.numpy_ops._places import places_in_block


class _Windows(NamedTuple):
    """Where the windows of a pooling lie: everything in (height, width)."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    size: Pair  # of the input
    output: Pair  # number of windows

    @property
    def extent(self) -> Pair:
        """How much of the padded input the windows cover."""
        return tuple(
            (o - 1) * s + d * (k - 1) + 1
            for o, s, d, k in zip(self.output, self.stride, self.dilation, self.kernel, strict=True)
        )

    def tap(self, axis: int, number: int) -> slice:
        """Element `number` of every window along an axis of the padded input."""
        start = number * self.dilation[axis]
        return slice(start, start + (self.output[axis] - 1) * self.stride[axis] + 1, self.stride[axis])

    def starts(self, axis: int) -> np.ndarray:
        """First input coordinate of every window; negative inside the padding."""
        return np.arange(self.output[axis]) * self.stride[axis] - self.padding[axis]

    def inside(self, axis: int) -> tuple[slice, slice]:
        """Which part of an axis of the padded input is image, and which part of the image that is."""
        start, stop = self.padding[axis], min(self.padding[axis] + self.size[axis], self.extent[axis])
        return slice(start, stop), slice(0, stop - start)

    @property
    def reaches_out(self) -> bool:
        return any(self.padding) or self.extent[0] > self.size[0] or self.extent[1] > self.size[1]

    def padded(self, block: np.ndarray, value: float) -> np.ndarray:
        """A block of planes with `value` around it, as far as the windows reach."""
        if not self.reaches_out:
            return block
        (rows, image_rows), (columns, image_columns) = self.inside(0), self.inside(1)
        result = np.full((len(block), *self.extent), value, block.dtype)
        result[:, rows, columns] = block[:, image_rows, image_columns]
        return result


def _pooling_windows(
    x: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None,
    padding: IntOrPair,
    dilation: IntOrPair,
    ceil_mode: bool,
) -> _Windows:
    kernel = arguments.pair(kernel_size, "kernel_size", minimum=1)
    strides = arguments.stride_pair(stride, kernel)
    pad = arguments.pooling_padding(padding, kernel)
    dilations = arguments.pair(dilation, "dilation", minimum=1)
    output = arguments.windows(x, kernel, strides, pad, dilations, ceil_mode)
    windows = _Windows(kernel, strides, pad, dilations, x.shape[-2:], output)
    _refuse_windows_outside(windows)
    return windows


def _refuse_windows_outside(windows: _Windows) -> None:
    """A dilated window can straddle a small image without meeting it; PyTorch then returns a wrong index."""
    for axis, name in enumerate(("row", "column")):
        elements = windows.starts(axis)[:, None] + np.arange(windows.kernel[axis]) * windows.dilation[axis]
        outside = ~((elements >= 0) & (elements < windows.size[axis])).any(1)
        if outside.any():
            raise ValueError(
                f"dilation={windows.dilation} with padding={windows.padding} leaves the window of output {name} "
                f"{outside.argmax()} without any pixel of the {windows.size[0]}×{windows.size[1]} image; every window "
                "must meet the image"
            )


def _reduce(ufunc: np.ufunc, block: np.ndarray, windows: _Windows, out: np.ndarray) -> None:
    """out = the reduction of every window of a padded block: rows first, then columns."""
    rows = _reduce_axis(ufunc, [block[:, windows.tap(0, i)] for i in range(windows.kernel[0])])
    _reduce_axis(ufunc, [rows[..., windows.tap(1, j)] for j in range(windows.kernel[1])], out)


def _reduce_axis(ufunc: np.ufunc, taps: list[np.ndarray], out: np.ndarray | None = None) -> np.ndarray:
    if len(taps) == 1:
        if out is None:
            return taps[0]
        out[...] = taps[0]
        return out
    out = ufunc(taps[0], taps[1], out=out)
    for tap in taps[2:]:
        ufunc(out, tap, out=out)
    return out


def max_pool2d(
    x: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """The largest value of every window, and where it was.

    y[n, c, i, j] = max over (a, b) of x[n, c, i·stride + a·dilation − padding, j·stride + b·dilation − padding]

    The padding counts as −∞, so it never wins. On a tie the first element of the window in reading order wins; a NaN
    beats every number, and the last NaN of a window wins. (Weng et al., "Cresceptron", 1992, introduced max pooling;
    the indices are the "switches" of Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014.)

    Args:
        x: N×C×H×W or C×H×W, float32 or float64.
        kernel_size: window height and width, in pixels.
        stride: step from window to window; `kernel_size` when None.
        padding: pixels of −∞ on every side, at most half of `kernel_size`.
        dilation: step between the elements of a window.
        ceil_mode: keep windows that reach beyond the far edge, as long as they start inside the image or the padding.
        return_indices: also return the position of every maximum in its plane, row·W + column, int64.

    Returns:
        N×C×OH×OW of the dtype of `x`; with `return_indices` a pair (values, indices).

    Raises:
        TypeError: `x` is no array of float32 or float64, or an argument is no integer.
        ValueError: an argument is out of its range, or no window fits.

    >>> x = np.array([[[1, 5, 2, 0], [3, 4, 7, 7]]], dtype=np.float32)
    >>> values, indices = max_pool2d(x, kernel_size=2, return_indices=True)
    >>> values
    array([[[5., 7.]]], dtype=float32)
    >>> indices
    array([[[1, 6]]])
    """
    x = arguments.images(x)
    windows = _pooling_windows(x, kernel_size, stride, padding, dilation, ceil_mode)
    planes_in, shape = planes(x), (*x.shape[:-2], *windows.output)
    values = np.empty((len(planes_in), *windows.output), x.dtype)
    indices = np.empty(values.shape, np.int64) if return_indices else None

    def work(part: slice) -> None:
        block = windows.padded(planes_in[part], -np.inf)
        _reduce(np.maximum, block, windows, values[part])
        if return_indices:
            _index_of_maximum(block, values[part], windows, indices[part])

    for_each_block(work, len(planes_in), planes_in.itemsize * int(np.prod(windows.extent)))
    return (values.reshape(shape), indices.reshape(shape)) if return_indices else values.reshape(shape)


def _index_of_maximum(block: np.ndarray, maxima: np.ndarray, windows: _Windows, out: np.ndarray) -> None:
    """The first element of each window that equals its maximum, as an index into the plane."""
    kernel_height, kernel_width = windows.kernel
    last = kernel_height * kernel_width - 1
    searching = np.ones(maxima.shape, bool)
    tap = np.zeros(maxima.shape, np.uint8 if last < 256 else np.uint32)
    for number in range(last):
        i, j = divmod(number, kernel_width)
        searching &= block[:, windows.tap(0, i), windows.tap(1, j)] != maxima
        tap += searching
    _correct_special_windows(block, maxima, windows, tap)
    width = windows.size[1]
    offsets = (
        np.arange(kernel_height)[:, None] * windows.dilation[0] * width + np.arange(kernel_width) * windows.dilation[1]
    )
    corners = windows.starts(0)[:, None] * width + windows.starts(1)
    np.add(corners, offsets.ravel()[tap], out=out)


def _correct_special_windows(block: np.ndarray, maxima: np.ndarray, windows: _Windows, tap: np.ndarray) -> None:
    """NaN equals nothing, and −∞ equals the padding: the windows where comparing does not find the maximum."""
    special = np.isnan(maxima)
    if windows.reaches_out:
        special |= maxima == -np.inf
    if not special.any():
        return
    plane, row, column = np.nonzero(special)
    kernel_height, kernel_width = windows.kernel
    rows = row[:, None, None] * windows.stride[0] + np.arange(kernel_height)[:, None] * windows.dilation[0]
    columns = column[:, None, None] * windows.stride[1] + np.arange(kernel_width) * windows.dilation[1]
    rows, columns = np.broadcast_arrays(rows, columns)
    values = block[plane[:, None, None], rows, columns].reshape(len(plane), -1)
    (image_rows, _), (image_columns, _) = windows.inside(0), windows.inside(1)
    in_image = (rows >= image_rows.start) & (rows < image_rows.stop)
    in_image &= (columns >= image_columns.start) & (columns < image_columns.stop)
    first_in_image = in_image.reshape(len(plane), -1).argmax(1)
    last_nan = values.shape[1] - 1 - np.isnan(values[:, ::-1]).argmax(1)
    tap[special] = np.where(np.isnan(maxima[special]), last_nan, first_in_image)


def max_pool2d_backward(grad_output: np.ndarray, indices: np.ndarray, input_shape: tuple[int, ...]) -> np.ndarray:
    """Each gradient goes to the element that won; an element that won several windows gets the sum.

    dx[n, c, m] = Σ over windows whose indices[n, c, i, j] = m of grad_output[n, c, i, j]

    Args:
        grad_output: gradient of the values, N×C×OH×OW or C×OH×OW, float32 or float64.
        indices: from `max_pool2d(…, return_indices=True)`, same shape, int64.
        input_shape: shape of the pooled array, N×C×H×W or C×H×W.

    Raises:
        TypeError: a dtype is wrong.
        ValueError: shapes disagree, or an index lies outside its plane.

    >>> indices = np.array([[[1, 1]]])
    >>> max_pool2d_backward(np.array([[[0.5, 0.25]]]), indices, (1, 1, 3))
    array([[[0.  , 0.75, 0.  ]]])
    """
    grad = _check_max_pool2d_backward(grad_output, indices, input_shape)
    height, width = input_shape[-2:]
    grads, places = planes(grad), planes(indices)
    result = np.empty((len(grads), height, width), grad.dtype)

    def work(part: slice) -> None:
        result[part] = 0
        place = places_in_block(places[part], (height, width))
        np.add.at(result[part].reshape(-1), place.ravel(), grads[part].ravel())

    for_each_block(work, len(grads), grads.itemsize * height * width)
    return result.reshape(input_shape)


def _check_max_pool2d_backward(grad_output: object, indices: np.ndarray, input_shape: tuple[int, ...]) -> np.ndarray:
    grad = arguments.images(grad_output, "grad_output")
    arguments.same_shape(indices, grad.shape, "indices", "grad_output")
    if len(input_shape) != grad.ndim or tuple(input_shape[:-2]) != grad.shape[:-2]:
        raise ValueError(f"input_shape={tuple(input_shape)} must agree with grad_output {grad.shape} but for H and W")
    if indices.dtype != np.int64:
        raise TypeError(f"indices has dtype {indices.dtype}; it must be int64")
    return grad


def avg_pool2d(
    x: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """The mean of every window.

    y[n, c, i, j] = 1/|window| · Σ over (a, b) of x[n, c, i·stride + a − padding, j·stride + b − padding]

    The padding counts as 0. |window| is the number of its elements in the padded image; without `count_include_pad`
    only those in the image; with `divisor_override` that number. (LeCun et al., "Handwritten digit recognition with a
    back-propagation network", 1989: averaging layers.)

    Args:
        x: N×C×H×W or C×H×W, float32 or float64.
        kernel_size, stride, padding, ceil_mode: as for `max_pool2d`, padding with 0.
        count_include_pad: whether the padding counts as elements of the window.
        divisor_override: divide every sum by this instead; not 0.

    Returns:
        N×C×OH×OW of the dtype of `x`.

    Raises:
        TypeError, ValueError: as for `max_pool2d`; `divisor_override` is 0.

    >>> x = np.array([[[1, 5, 2, 0], [3, 3, 4, 2]]], dtype=np.float32)
    >>> avg_pool2d(x, kernel_size=2)
    array([[[3., 2.]]], dtype=float32)
    """
    x = arguments.images(x)
    windows = _pooling_windows(x, kernel_size, stride, padding, 1, ceil_mode)
    divisor = _divisor(windows, count_include_pad, divisor_override, x.dtype)
    planes_in = planes(x)
    result = np.empty((len(planes_in), *windows.output), x.dtype)

    def work(part: slice) -> None:
        _reduce(np.add, windows.padded(planes_in[part], 0), windows, result[part])
        result[part] /= divisor

    for_each_block(work, len(planes_in), planes_in.itemsize * int(np.prod(windows.extent)))
    return result.reshape(*x.shape[:-2], *windows.output)


def _divisor(windows: _Windows, count_include_pad: bool, override: int | None, dtype: np.dtype) -> np.ndarray:
    """What the sum of each window is divided by: one number, or OH×OW of them."""
    if override is not None:
        return np.array(_divisor_override(override), dtype)
    counts = []
    for axis in (0, 1):
        start = windows.starts(axis)
        pad = windows.padding[axis] if count_include_pad else 0
        stop = np.minimum(start + windows.kernel[axis], windows.size[axis] + pad)
        counts.append(stop - np.maximum(start, -pad))
    product = np.outer(*counts).astype(dtype)
    return product[0, 0] if (product == product[0, 0]).all() else product


def _divisor_override(override: int | None) -> int | None:
    if override is None:
        return None
    divisor = arguments.integer(override, "divisor_override")
    if divisor == 0:
        raise ValueError("divisor_override=0 must not be 0")
    return divisor


def avg_pool2d_backward(
    grad_output: np.ndarray,
    input_shape: tuple[int, ...],
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """Each gradient is shared equally among the elements of its window.

    dx[n, c, r, s] = Σ over the windows (i, j) that hold (r, s) of grad_output[n, c, i, j] / |window|

    Args:
        grad_output: gradient of the means, N×C×OH×OW or C×OH×OW, float32 or float64.
        input_shape: shape of the pooled array.
        the others: as they were given to `avg_pool2d`.

    Raises:
        TypeError, ValueError: as for `avg_pool2d`; the shapes of `grad_output` and of the output disagree.

    >>> avg_pool2d_backward(np.array([[[4.0, 8.0]]]), (1, 2, 4), kernel_size=2)
    array([[[1., 1., 2., 2.],
            [1., 1., 2., 2.]]])
    """
    grad = arguments.images(grad_output, "grad_output")
    pooled = arguments.images(np.broadcast_to(grad.dtype.type(0), input_shape), "an array of input_shape")
    windows = _pooling_windows(pooled, kernel_size, stride, padding, 1, ceil_mode)
    arguments.same_shape(grad, (*input_shape[:-2], *windows.output), "grad_output", "the output")
    divisor = _divisor(windows, count_include_pad, divisor_override, grad.dtype)
    grads = planes(grad)
    result = np.empty((len(grads), *windows.size), grad.dtype)

    def work(part: slice) -> None:
        rows = _spread(grads[part] / divisor, windows, 1)
        result[part] = _spread(rows, windows, 0)

    for_each_block(work, len(grads), grads.itemsize * int(np.prod(windows.extent)))
    return result.reshape(input_shape)


def _spread(grads: np.ndarray, windows: _Windows, axis: int) -> np.ndarray:
    """The reverse of adding up windows along one axis: each element goes to all elements of its window."""
    shape = list(grads.shape)
    shape[axis + 1] = max(windows.extent[axis], windows.padding[axis] + windows.size[axis])
    result = np.zeros(shape, grads.dtype)
    along = np.moveaxis(result, axis + 1, 0)
    source = np.moveaxis(grads, axis + 1, 0)
    for number in range(windows.kernel[axis]):
        along[windows.tap(axis, number)] += source
    start = windows.padding[axis]
    return np.moveaxis(along[start : start + windows.size[axis]], 0, axis + 1)


def adaptive_avg_pool2d(x: np.ndarray, output_size: int | tuple[int | None, int | None] | None) -> np.ndarray:
    """Means over windows chosen so that the output has a given size.

    Output pixel i covers the input from ⌊i·H/OH⌋ up to, not including, ⌈(i+1)·H/OH⌉; neighbouring windows overlap
    where H is no multiple of OH. (He et al., "Spatial pyramid pooling", 2015, section 2.3, for windows of this kind.)

    Args:
        x: N×C×H×W or C×H×W, float32 or float64.
        output_size: (height, width) or one integer for both; None keeps the size of the input.

    Returns:
        N×C×OH×OW of the dtype of `x`.

    Raises:
        TypeError, ValueError: `x` is no image batch, or a size is negative or no integer.

    >>> adaptive_avg_pool2d(np.array([[[1.0, 2.0, 6.0]]]), (1, 2))
    array([[[1.5, 4. ]]])
    """
    x = arguments.images(x)
    sizes = _adaptive_sizes(output_size, x.shape[-2:])
    planes_in = planes(x)
    result = np.empty((len(planes_in), *sizes), x.dtype)

    def work(part: slice) -> None:
        rows = np.empty((part.stop - part.start, sizes[0], x.shape[-1]), x.dtype)
        for i, window in enumerate(_adaptive_windows(x.shape[-2], sizes[0])):
            planes_in[part, window].mean(1, out=rows[:, i])
        for j, window in enumerate(_adaptive_windows(x.shape[-1], sizes[1])):
            rows[..., window].mean(2, out=result[part, :, j])

    for_each_block(work, len(planes_in), planes_in.itemsize * x.shape[-2] * x.shape[-1])
    return result.reshape(*x.shape[:-2], *sizes)


def _adaptive_sizes(output_size: object, size: Pair) -> Pair:
    wanted = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    return arguments.pair([s if w is None else w for w, s in zip(wanted, size, strict=False)], "output_size", minimum=0)


def _adaptive_windows(size: int, count: int) -> list[slice]:
    return [slice(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def adaptive_avg_pool2d_backward(grad_output: np.ndarray, input_shape: tuple[int, ...]) -> np.ndarray:
    """Each gradient is shared equally among the elements of its window.

    Args:
        grad_output: gradient of the means, N×C×OH×OW or C×OH×OW, float32 or float64.
        input_shape: shape of the pooled array.

    Raises:
        TypeError, ValueError: the shapes disagree but for H and W.

    >>> adaptive_avg_pool2d_backward(np.array([[[2.0, 4.0]]]), (1, 1, 3))
    array([[[1., 3., 2.]]])
    """
    grad = arguments.images(grad_output, "grad_output", nonempty=False)
    arguments.same_shape(grad, (*input_shape[:-2], *grad.shape[-2:]), "grad_output", "the output")
    grads, (height, width) = planes(grad), input_shape[-2:]
    result = np.zeros((len(grads), height, width), grad.dtype)

    def work(part: slice) -> None:
        rows = np.zeros((part.stop - part.start, grad.shape[-2], width), grad.dtype)
        for j, window in enumerate(_adaptive_windows(width, grad.shape[-1])):
            rows[..., window] += grads[part, :, j : j + 1] / (window.stop - window.start)
        for i, window in enumerate(_adaptive_windows(height, grad.shape[-2])):
            result[part, window] += rows[:, i : i + 1] / (window.stop - window.start)

    for_each_block(work, len(grads), grads.itemsize * height * width)
    return result.reshape(input_shape)

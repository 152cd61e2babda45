"""Pooling in CUDA (lecture 02): a thread for each pixel of the result. Never run on a GPU yet.

Shapes, errors and sources: `segedu.numpy_ops.pooling`.
"""

from __future__ import annotations

import numpy as np

from segedu import arguments
from segedu.arguments import IntOrPair
from segedu.cuda_ops._launch import Kernels, count, empty, operator, over_planes, over_warps, planes, structure, xp
from segedu.numpy_ops import pooling as shared
from segedu.numpy_ops._places import check_places

kernels = Kernels("pooling.cu")


def _windows(windows: shared._Windows) -> np.ndarray:
    """`struct Windows` of pooling.cu."""
    return structure(
        kernel=windows.kernel,
        stride=windows.stride,
        padding=windows.padding,
        dilation=windows.dilation,
        size=windows.size,
        output=windows.output,
    )


@operator
def max_pool2d(
    x: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """The largest value of every window, and where it was. See `numpy_ops.max_pool2d`."""
    x = arguments.images(x)
    windows = shared._pooling_windows(x, kernel_size, stride, padding, dilation, ceil_mode)
    images, shape = planes(x), (*x.shape[:-2], *windows.output)
    values = empty(shape, x.dtype)
    threads = over_planes(len(images), *windows.output)
    if not return_indices:
        kernels("max_pool2d", x.dtype, threads, images, values, _windows(windows), len(images))
        return values
    indices = empty(shape, np.int64)
    kernels("max_pool2d_with_indices", x.dtype, threads, images, values, indices, _windows(windows), len(images))
    return values, indices


@operator
def max_pool2d_backward(grad_output: np.ndarray, indices: np.ndarray, input_shape: tuple[int, ...]) -> np.ndarray:
    """Each gradient goes to the element that won, by atomic addition. See `numpy_ops.max_pool2d_backward`.

    On a GPU the order of the additions is open where windows overlap, so the last digits may differ from run to run.
    """
    grad = shared._check_max_pool2d_backward(grad_output, indices, input_shape)
    check_places(indices, input_shape[-2:])
    result = xp().zeros(input_shape, grad.dtype)
    windows, pixels, number = count(grad.shape[-2:]), count(input_shape[-2:]), count(grad.shape[:-2])
    threads = over_planes(number, 1, windows)
    kernels("max_pool2d_backward", grad.dtype, threads, planes(grad), planes(indices), result, windows, pixels, number)
    return result


@operator
def avg_pool2d(
    x: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """The mean of every window. See `numpy_ops.avg_pool2d`."""
    x = arguments.images(x)
    windows = shared._pooling_windows(x, kernel_size, stride, padding, 1, ceil_mode)
    override = shared._divisor_override(divisor_override)
    images, result = planes(x), empty((*x.shape[:-2], *windows.output), x.dtype)
    threads, number = over_planes(len(images), *windows.output), len(images)
    include = int(bool(count_include_pad))
    kernels("avg_pool2d", x.dtype, threads, images, result, _windows(windows), include, override or 0, number)
    return result


@operator
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
    """Each gradient is shared among its window; every pixel gathers its shares. See `numpy_ops.avg_pool2d_backward`."""
    grad = arguments.images(grad_output, "grad_output")
    pooled = arguments.images(np.broadcast_to(grad.dtype.type(0), input_shape), "an array of input_shape")
    windows = shared._pooling_windows(pooled, kernel_size, stride, padding, 1, ceil_mode)
    arguments.same_shape(grad, (*input_shape[:-2], *windows.output), "grad_output", "the output")
    override = shared._divisor_override(divisor_override)
    grads, result = planes(grad), empty(tuple(input_shape), grad.dtype)
    threads, number = over_planes(len(grads), *windows.size), len(grads)
    include = int(bool(count_include_pad))
    kernels(
        "avg_pool2d_backward", grad.dtype, threads, grads, result, _windows(windows), include, override or 0, number
    )
    return result


@operator
def adaptive_avg_pool2d(x: np.ndarray, output_size: int | tuple[int | None, int | None] | None) -> np.ndarray:
    """Means over windows that give the output its size. See `numpy_ops.adaptive_avg_pool2d`.

    A thread for each window; a warp for each where windows have 64 pixels or more.
    """
    x = arguments.images(x)
    sizes = shared._adaptive_sizes(output_size, x.shape[-2:])
    images, result = planes(x), empty((*x.shape[:-2], *sizes), x.dtype)
    sides = (*x.shape[-2:], *sizes, len(images))
    if count(x.shape[-2:]) < 64 * count(sizes):
        kernels("adaptive_avg_pool2d", x.dtype, over_planes(len(images), *sizes), images, result, *sides)
    else:
        kernels("adaptive_avg_pool2d_by_warp", x.dtype, over_warps(result.size), images, result, *sides)
    return result


@operator
def adaptive_avg_pool2d_backward(grad_output: np.ndarray, input_shape: tuple[int, ...]) -> np.ndarray:
    """Each gradient is shared equally among its window. See `numpy_ops.adaptive_avg_pool2d_backward`."""
    grad = arguments.images(grad_output, "grad_output", nonempty=False)
    arguments.same_shape(grad, (*input_shape[:-2], *grad.shape[-2:]), "grad_output", "the output")
    if grad.size == 0:
        return xp().zeros(input_shape, grad.dtype)
    grads, result = planes(grad), empty(tuple(input_shape), grad.dtype)
    sides = (*input_shape[-2:], *grad.shape[-2:], len(grads))
    threads = over_planes(len(grads), *input_shape[-2:])
    kernels("adaptive_avg_pool2d_backward", grad.dtype, threads, grads, result, *sides)
    return result

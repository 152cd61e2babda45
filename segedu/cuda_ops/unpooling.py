"""Unpooling in CUDA (lecture 03). Never run on a GPU yet. Shapes, errors and sources: `segedu.numpy_ops.unpooling`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segedu import arguments
from segedu.arguments import IntOrPair
from segedu.cuda_ops._launch import Kernels, count, empty, operator, over_planes, planes, xp
from segedu.numpy_ops import unpooling as shared
from segedu.numpy_ops._places import check_places

kernels = Kernels("unpooling.cu")


@operator
def max_unpool2d(
    x: np.ndarray,
    indices: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    output_size: Sequence[int] | None = None,
) -> np.ndarray:
    """Every value goes to the place that its index names. See `numpy_ops.max_unpool2d`.

    First every place learns which value wins it, then it fetches that: the threads' order changes nothing.
    """
    x = arguments.images(x)
    arguments.same_shape(arguments.int64(indices, "indices"), x.shape, "indices", "x")
    size = arguments.unpooled_size(x.shape[-2:], kernel_size, stride, padding, output_size)
    check_places(indices, size)
    number, values, pixels = count(x.shape[:-2]), count(x.shape[-2:]), count(size)
    winners = xp().full((number, pixels), -1, np.int32)
    result = empty((*x.shape[:-2], *size), x.dtype)
    sides = (values, pixels, number)
    kernels("max_unpool2d_winners", x.dtype, over_planes(number, 1, values), planes(indices), winners, *sides)
    kernels("max_unpool2d", x.dtype, over_planes(number, 1, pixels), planes(x), winners, result, *sides)
    return result


@operator
def max_unpool2d_backward(grad_output: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Each value gets the gradient of the place that it went to. See `numpy_ops.max_unpool2d_backward`."""
    grad = shared._check_max_unpool2d_backward(grad_output, indices)
    check_places(indices, grad.shape[-2:])
    number, values, pixels = count(grad.shape[:-2]), count(indices.shape[-2:]), count(grad.shape[-2:])
    result, threads = empty(indices.shape, grad.dtype), over_planes(number, 1, values)
    given = (planes(grad), planes(indices))
    kernels("max_unpool2d_backward", grad.dtype, threads, *given, result, values, pixels, number)
    return result

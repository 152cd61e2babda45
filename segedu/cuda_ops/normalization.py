"""Batch normalisation in CUDA (lecture 11). Never run on a GPU yet.

Shapes, errors and sources: `segedu.numpy_ops.normalization`.
"""

from __future__ import annotations

import numpy as np

from segedu import arguments
from segedu.cuda_ops._launch import (
    THREADS,
    Kernels,
    Threads,
    blocks,
    contiguous,
    count,
    empty,
    operator,
    over_planes,
    over_warps,
)
from segedu.numpy_ops import normalization as shared

kernels = Kernels("normalization.cu")


@operator(updates=("running_mean", "running_var"))
def batch_norm(
    x: np.ndarray,
    running_mean: np.ndarray | None,
    running_var: np.ndarray | None,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> np.ndarray:
    """Normalise every channel, then scale and shift it. See `numpy_ops.batch_norm`; it updates running statistics too.

    Mean and variance take one pass: each thread updates its own (Welford), warps, blocks and grid join them (Chan).
    """
    shared._check(x, running_mean, running_var, weight, bias, training, eps)
    if not x.size:
        return empty(x.shape, x.dtype)
    ready = contiguous(x)
    if not training:
        return _normalize("normalize_by_running", ready, running_mean, running_var, weight, bias, eps)
    mean, variance = _moments(ready)
    result = _normalize("normalize", ready, mean, variance, weight, bias, eps)
    if running_mean is not None:
        values = x.size // x.shape[1]
        shared._move(running_mean, mean, momentum)
        shared._move(running_var, variance * x.dtype.type(values / (values - 1)), momentum)
    return result


def _sides(x: np.ndarray) -> tuple[int, int, int]:
    """Channels, pixels, images."""
    return x.shape[1], count(x.shape[2:]), len(x)


def _blocks_of_channels(x: np.ndarray) -> Threads:
    """Several blocks a channel where channels are few, so that every multiprocessor has work: about 1024 in all."""
    channels, pixels, _ = _sides(x)
    wanted = max(1, 1024 // channels)
    each = blocks(min(wanted, -(-pixels // THREADS)), pixels)
    return each._replace(grid=(each.grid[0], channels, 1))


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and biased variance of every channel."""
    threads, channels = _blocks_of_channels(x), x.shape[1]
    parts = empty((channels, threads.grid[0], 4), x.dtype)
    mean, variance = empty((channels,), x.dtype), empty((channels,), x.dtype)
    kernels("channel_moments", x.dtype, threads, x, parts, *_sides(x))
    kernels("join_moments", x.dtype, over_warps(channels), parts, mean, variance, threads.grid[0], channels)
    return mean, variance


def _normalize(
    kernel: str,
    x: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    eps: float,
) -> np.ndarray:
    channels, pixels, images = _sides(x)
    result, number = empty(x.shape, x.dtype), images * channels
    mean, variance = contiguous(mean), contiguous(variance)
    vectors = [mean if vector is None else contiguous(vector) for vector in (weight, bias)]
    given = [int(vector is not None) for vector in (weight, bias)]
    threads = over_planes(number, 1, pixels)
    kernels(kernel, x.dtype, threads, x, result, mean, variance, *vectors, *given, float(eps), channels, pixels, number)
    return result


@operator
def batch_norm_backward(
    grad_output: np.ndarray,
    x: np.ndarray,
    running_mean: np.ndarray | None,
    running_var: np.ndarray | None,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    training: bool = False,
    eps: float = 1e-5,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Gradients of the input, of the weight and of the bias. See `numpy_ops.batch_norm_backward`."""
    shared._check(x, running_mean, running_var, weight, bias, training, eps)
    arguments.same_shape(arguments.floating(grad_output, "grad_output"), x.shape, "grad_output", "x")
    arguments.same_dtype(x=x, grad_output=grad_output)
    channels, pixels, images = _sides(x)
    result, dtype = empty(x.shape, x.dtype), x.dtype
    if not x.size:
        zeros = [None if vector is None else vector * 0 for vector in (weight, bias)]
        return result, *zeros
    ready, grads, threads = contiguous(x), contiguous(grad_output), _blocks_of_channels(x)
    mean, variance = _moments(ready) if training else (contiguous(running_mean), contiguous(running_var))
    parts, sums = empty((2, channels, threads.grid[0]), dtype), empty((2, channels), dtype)
    kernels("channel_gradient_sums", dtype, threads, grads, ready, mean, parts, *_sides(x))
    kernels("sum_rows", dtype, over_warps(2 * channels), parts, sums, threads.grid[0], 2 * channels)
    scale = mean if weight is None else contiguous(weight)
    has_weight, number, values = int(weight is not None), images * channels, float(images * pixels)
    kernels(
        "batch_norm_backward",
        dtype,
        over_planes(number, 1, pixels),
        *(grads, ready, result, sums, mean, variance, scale, has_weight, int(bool(training)), float(eps), values),
        *(channels, pixels, number),
    )
    grad_weight = None if weight is None else sums[1] * shared._scale(variance, None, eps)
    return result, grad_weight, None if bias is None else sums[0]

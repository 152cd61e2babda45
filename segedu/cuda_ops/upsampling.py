"""Upsampling without weights in CUDA (lecture 03). Never run on a GPU yet.

Shapes, errors and sources: `segedu.numpy_ops.upsampling`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segedu import arguments
from segedu.cuda_ops._launch import Kernels, count, empty, operator, over_planes, planes
from segedu.numpy_ops import upsampling as shared

kernels = Kernels("upsampling.cu")
Scale = float | Sequence[float]


def _nearest_step(size: int, output: int, scale: float | None) -> np.float32:
    """Input pixels per output pixel; where the size stays or doubles, whatever the scale factor."""
    if output in (size, 2 * size):
        return np.float32(size / output)
    return np.float32(1 / scale) if scale else np.float32(size) / np.float32(output)


def _linear_step(size: int, output: int, scale: float | None, align_corners: bool, dtype: np.dtype) -> np.floating:
    number = dtype.type
    if align_corners:
        return number(size - 1) / number(max(output - 1, 1))
    return number(1 / scale) if scale else number(size) / number(output)


def _run(
    direction: str,
    given: np.ndarray,
    input_size: tuple[int, int],
    result_size: tuple[int, int],
    sizes: tuple[int, int],
    scales: tuple[float | None, float | None],
    mode: str,
    align_corners: bool | None,
) -> np.ndarray:
    """One kernel, forward or (with `direction` "_backward") backward, from `given` to an image of `result_size`."""
    dtype, aligned, axes = given.dtype, bool(align_corners), list(zip(input_size, sizes, scales, strict=True))
    if mode == "nearest":
        steps = [_nearest_step(*axis) for axis in axes]
    else:
        steps = [*(_linear_step(*axis, aligned, dtype) for axis in axes), int(aligned)]
    images, result = planes(given), empty((*given.shape[:-2], *result_size), dtype)
    threads, number = over_planes(len(images), *result_size), len(images)
    kernels(f"interpolate_{mode}{direction}", dtype, threads, images, result, *input_size, *sizes, *steps, number)
    return result


@operator
def interpolate(
    x: np.ndarray,
    size: int | Sequence[int] | None = None,
    scale_factor: Scale | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> np.ndarray:
    """Images of another size: every output pixel computes its own coordinate. See `numpy_ops.interpolate`."""
    x = arguments.images(x)
    sizes, scales = arguments.interpolated_size(
        x.shape, size, scale_factor, mode, align_corners, recompute_scale_factor
    )
    return _run("", x, x.shape[-2:], sizes, sizes, scales, mode, align_corners)


@operator
def interpolate_backward(
    grad_output: np.ndarray,
    input_shape: tuple[int, ...],
    size: int | Sequence[int] | None = None,
    scale_factor: Scale | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> np.ndarray:
    """Every input pixel gathers from the output pixels made of it. See `numpy_ops.interpolate_backward`."""
    grad = arguments.images(grad_output, "grad_output")
    x = arguments.images(np.broadcast_to(grad.dtype.type(0), input_shape), "an array of input_shape")
    sizes, scales = arguments.interpolated_size(
        x.shape, size, scale_factor, mode, align_corners, recompute_scale_factor
    )
    arguments.same_shape(grad, (*x.shape[:-2], *sizes), "grad_output", "the output")
    return _run("_backward", grad, x.shape[-2:], x.shape[-2:], sizes, scales, mode, align_corners)


@operator
def pixel_shuffle(x: np.ndarray, upscale_factor: int) -> np.ndarray:
    """Channels become pixels. See `numpy_ops.pixel_shuffle`."""
    x, r = shared._check_pixel_shuffle(x, upscale_factor)
    *batch, channels, height, width = x.shape
    result = empty((*batch, channels // r**2, height * r, width * r), x.dtype)
    if result.size:
        _shuffle("pixel_shuffle", x, result, result.shape, r)
    return result


@operator
def pixel_shuffle_backward(grad_output: np.ndarray, upscale_factor: int) -> np.ndarray:
    """The gradients go the way back: pixels become channels. See `numpy_ops.pixel_shuffle_backward`."""
    grad, r = shared._check_pixel_shuffle_backward(grad_output, upscale_factor)
    *batch, channels, height, width = grad.shape
    result = empty((*batch, channels * r**2, height // r, width // r), grad.dtype)
    if result.size:
        _shuffle("pixel_shuffle_backward", grad, result, grad.shape, r)
    return result


def _shuffle(kernel: str, given: np.ndarray, result: np.ndarray, large: tuple[int, ...], r: int) -> None:
    """`large` is the shape of the array with the larger images."""
    number = count(large[:-2])
    kernels(kernel, given.dtype, over_planes(number, *large[-2:]), planes(given), result, *large[-2:], r, number)

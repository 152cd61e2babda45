"""Upsampling without weights: nearest neighbour, bilinear, pixel shuffle (lecture 03).

Interpolation is separable: columns and rows are interpolated one after the other. Along an axis every output pixel
lies at a source coordinate of the input; `_nearest` and `_linear` say which, and which input pixels are next to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from segedu import arguments
from segedu.numpy_ops._blocks import for_each_block, planes

Scale = float | Sequence[float]


@dataclass(frozen=True, eq=False)
class _Axis:
    """What an axis of the output is made of: Σ over taps of weight·input[index]."""

    size: int  # of the input
    indices: tuple[np.ndarray, ...]  # a tap's input pixel for each output pixel
    weights: tuple[np.ndarray, ...] | None  # None: one tap of weight 1
    doubles: bool = False  # bilinear by 2: the weights are ¼ and ¾ throughout

    @property
    def output(self) -> int:
        return len(self.indices[0])

    @cached_property
    def repeats(self) -> int:
        """k where every input pixel is simply repeated k times, else 0."""
        times, rest = divmod(self.output, self.size)
        if self.weights or rest or not np.array_equal(self.indices[0], np.arange(self.output) // times):
            return 0
        return times

    @cached_property
    def reversed(self) -> _Axis:
        """The axis that takes gradients back: the taps of an input pixel are the output pixels it went to."""
        target = np.concatenate(self.indices)
        order = np.argsort(target, kind="stable")
        count = np.bincount(target, minlength=self.size)
        first = np.cumsum(count) - count
        source = np.tile(np.arange(self.output), len(self.indices))[order]
        weight = np.ones(len(order), np.float32) if self.weights is None else np.concatenate(self.weights)[order]
        indices, weights = [], []
        for number in range(count.max()):  # a pixel that has fewer taps takes its first one again, with weight 0
            place = np.minimum(np.where(number < count, first + number, first), len(order) - 1)
            indices.append(source[place])
            weights.append(np.where(number < count, weight[place], 0).astype(weight.dtype))
        return _Axis(self.output, tuple(indices), tuple(weights))

    def apply(self, block: np.ndarray, dimension: int, out: np.ndarray | None = None) -> np.ndarray:
        """The output of a block of planes along one dimension."""
        if out is None:
            shape = list(block.shape)
            shape[dimension] = self.output
            out = np.empty(shape, block.dtype)
        if self.repeats:
            for phase in _phases(out, dimension, self.repeats):
                phase[...] = block
            return out
        if self.doubles:
            return _double(block, dimension, out)
        block.take(self.indices[0], dimension, out=out, mode="clip")  # "raise" would copy through a buffer
        if self.weights is None:
            return out
        weights = [np.expand_dims(weight, (0, 3 - dimension)) for weight in self.weights]
        out *= weights[0]
        tap = np.empty_like(out) if len(weights) > 1 else out
        for index, weight in zip(self.indices[1:], weights[1:], strict=True):
            block.take(index, dimension, out=tap, mode="clip")
            tap *= weight
            out += tap
        return out

    def collect(self, grads: np.ndarray, dimension: int, out: np.ndarray | None = None) -> np.ndarray:
        """The reverse of `apply`: the sum of the gradients of all output pixels that an input pixel went to."""
        if not self.repeats:
            return self.reversed.apply(grads, dimension, out)
        phases = _phases(grads, dimension, self.repeats)
        if len(phases) == 1:
            out = phases[0] if out is None else np.copyto(out, phases[0])
            return out
        out = np.add(phases[0], phases[1], out=out)
        for phase in phases[2:]:
            out += phase
        return out


def _phases(array: np.ndarray, dimension: int, step: int) -> list[np.ndarray]:
    """Every step-th row (dimension 1) or column (2), starting at 0, 1, …, step − 1."""
    return [array[(slice(None),) * dimension + (slice(phase, None, step),)] for phase in range(step)]


def _double(block: np.ndarray, dimension: int, out: np.ndarray) -> np.ndarray:
    """Bilinear by 2: the products with ¼ and ¾ serve two output pixels each, which halves the work."""
    x, y = np.moveaxis(block, dimension, 0), np.moveaxis(out, dimension, 0)
    quarter, rest = x * x.dtype.type(0.25), x * x.dtype.type(0.75)
    np.add(quarter[:-1], rest[1:], out=y[2::2])
    np.add(rest[:-1], quarter[1:], out=y[1:-1:2])
    np.add(rest[-1], quarter[-1], out=y[-1])
    np.add(x[0], x[min(1, len(x) - 1)] * 0, out=y[0])  # PyTorch's 0·∞ = NaN
    return out


def _nearest(size: int, output: int, scale: float | None) -> _Axis:
    """The input pixel ⌊i·step⌋ for output pixel i, step computed in float32 whatever the dtype.

    Where the size stays or doubles, PyTorch looks at the sizes alone, whatever the scale factor.
    """
    pixel = np.arange(output)
    if output in (size, 2 * size):
        return _Axis(size, (pixel // (output // size),), None)
    step = np.float32(1 / scale) if scale else np.float32(size) / np.float32(output)
    index = np.floor(pixel.astype(np.float32) * step).astype(np.int64)
    return _Axis(size, (np.minimum(index, size - 1),), None)


def _linear(size: int, output: int, scale: float | None, align_corners: bool, dtype: np.dtype) -> _Axis:
    """The two input pixels beside the coordinate of output pixel i: i·step, or (i + ½)·step − ½ but at least 0."""
    number, pixel = dtype.type, np.arange(output, dtype=dtype)
    if output == size:  # whatever the scale factor
        coordinates = pixel
    elif align_corners:
        coordinates = pixel * (number(size - 1) / number(max(output - 1, 1)))
    else:
        step = number(1 / scale) if scale else number(size) / number(output)
        centre = (np.arange(output) + 0.5) * float(step) - 0.5  # rounded once, like a fused multiply-add
        coordinates = np.maximum(centre, 0).astype(dtype)
    left = np.minimum(coordinates.astype(np.int64), size - 1)
    right = left if output == size else np.minimum(left + 1, size - 1)
    share = np.clip(coordinates - left.astype(dtype), 0, 1)
    doubles = output == 2 * size and scale in (None, 2) and not align_corners
    return _Axis(size, (left, right), (1 - share, share), doubles)


def _axes(
    shape: tuple[int, ...],
    size: int | Sequence[int] | None,
    scale_factor: Scale | None,
    mode: str,
    align_corners: bool | None,
    recompute_scale_factor: bool | None,
    dtype: np.dtype,
) -> tuple[_Axis, _Axis]:
    """The rows and the columns of an interpolation of images of this shape."""
    sizes, scales = arguments.interpolated_size(shape, size, scale_factor, mode, align_corners, recompute_scale_factor)
    axes = zip(shape[-2:], sizes, scales, strict=True)
    if mode == "nearest":
        rows, columns = (_nearest(*axis) for axis in axes)
    else:
        rows, columns = (_linear(*axis, bool(align_corners), dtype) for axis in axes)
    return rows, columns


def interpolate(
    x: np.ndarray,
    size: int | Sequence[int] | None = None,
    scale_factor: Scale | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> np.ndarray:
    """Images of another size.

    nearest:   y[n, c, i, j] = x[n, c, ⌊i·step⌋, ⌊j·step⌋]
    bilinear:  y[n, c, i, j] = Σ over the 2×2 pixels around (v, u) of (1 − |r − v|)·(1 − |s − u|)·x[n, c, r, s]

    With `align_corners` the centres of the corner pixels coincide: v = i·(H − 1)/(OH − 1). Without, the outer edges of
    the corner pixels do: v = (i + ½)·step − ½, but at least 0. The step is H/OH, or 1/scale_factor where a scale
    factor is given; the two differ where H·scale_factor is no integer. Pixels beyond the far edge repeat the last one.

    (Keys, "Cubic convolution interpolation for digital image processing", 1981, equation 1, for interpolation by a
    kernel; the coordinates are PyTorch's. Odena et al., "Deconvolution and checkerboard artifacts", 2016, for its use.)

    Args:
        x: N×C×H×W, float32 or float64. One image is x[None]: PyTorch takes C×H×W for N×C×length.
        size: (OH, OW), or one integer for both. Give this or `scale_factor`.
        scale_factor: OH/H and OW/W, or one number for both; OH = ⌊H·scale_factor⌋.
        mode: "nearest" or "bilinear".
        align_corners: see above; only for bilinear, where None means False.
        recompute_scale_factor: use the step H/OH though a scale factor is given.

    Returns:
        N×C×OH×OW of the dtype of `x`.

    Raises:
        TypeError: `x` is no array of float32 or float64, or a size is no integer.
        ValueError: an argument is out of its range, or arguments exclude each other.

    As in PyTorch a weight of 0 times ∞ is NaN. In float64, outputs of more than 128 pixels and nearest neighbours,
    PyTorch itself picks another pixel at a few sizes (3 → 141 is one) than in float32 and in its gradient; this
    function is true to the latter two.

    >>> x = np.array([[[[1, 3]]]], dtype=np.float32)
    >>> interpolate(x, scale_factor=(1, 2))
    array([[[[1., 1., 3., 3.]]]], dtype=float32)
    >>> interpolate(x, size=(1, 4), mode="bilinear")
    array([[[[1. , 1.5, 2.5, 3. ]]]], dtype=float32)
    >>> interpolate(x, size=(1, 5), mode="bilinear", align_corners=True)
    array([[[[1. , 1.5, 2. , 2.5, 3. ]]]], dtype=float32)
    """
    x = arguments.images(x)
    rows, columns = _axes(x.shape, size, scale_factor, mode, align_corners, recompute_scale_factor, x.dtype)
    planes_in = planes(x)
    result = np.empty((len(planes_in), rows.output, columns.output), x.dtype)

    def work(part: slice) -> None:
        rows.apply(columns.apply(planes_in[part], 2), 1, out=result[part])

    for_each_block(
        work, len(planes_in), planes_in.itemsize * max(rows.output * columns.output, rows.size * columns.size)
    )
    return result.reshape(*x.shape[:-2], rows.output, columns.output)


def _larger_plane(rows: _Axis, columns: _Axis) -> int:
    return max(rows.output * columns.output, rows.size * columns.size)


def interpolate_backward(
    grad_output: np.ndarray,
    input_shape: tuple[int, ...],
    size: int | Sequence[int] | None = None,
    scale_factor: Scale | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> np.ndarray:
    """Each gradient goes to the input pixels that its output pixel was made of, times their weights.

    Args:
        grad_output: gradient of the output, N×C×OH×OW, float32 or float64.
        input_shape: shape of the interpolated array.
        the others: as they were given to `interpolate`.

    Raises:
        TypeError, ValueError: as for `interpolate`; the shapes of `grad_output` and of the output disagree.

    An infinite gradient may come back as NaN, as ∞ times a weight of 0 is.

    >>> interpolate_backward(np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), (1, 1, 1, 2), size=(1, 4))
    array([[[[3., 7.]]]])
    >>> interpolate_backward(np.array([[[[4.0, 0.0, 8.0, 0.0]]]]), (1, 1, 1, 2), size=(1, 4), mode="bilinear")
    array([[[[6., 6.]]]])
    """
    grad = arguments.images(grad_output, "grad_output")
    x = arguments.images(np.broadcast_to(grad.dtype.type(0), input_shape), "an array of input_shape")
    rows, columns = _axes(x.shape, size, scale_factor, mode, align_corners, recompute_scale_factor, grad.dtype)
    arguments.same_shape(grad, (*x.shape[:-2], rows.output, columns.output), "grad_output", "the output")
    grads = planes(grad)
    result = np.empty((len(grads), rows.size, columns.size), grad.dtype)

    def work(part: slice) -> None:
        columns.collect(rows.collect(grads[part], 1), 2, out=result[part])

    for_each_block(work, len(grads), grads.itemsize * _larger_plane(rows, columns))
    return result.reshape(input_shape)


def pixel_shuffle(x: np.ndarray, upscale_factor: int) -> np.ndarray:
    """Channels become pixels: r² channels make one channel that is r times as high and as wide.

    y[n, c, h·r + i, w·r + j] = x[n, c·r² + i·r + j, h, w], r = upscale_factor

    (Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural
    network", 2016, equation 4.)

    Args:
        x: …×C·r²×H×W, float32 or float64.
        upscale_factor: r, at least 1.

    Returns:
        …×C×H·r×W·r of the dtype of `x`.

    Raises:
        TypeError: `x` is no array of float32 or float64, or `upscale_factor` is no integer.
        ValueError: `x` has fewer than 3 dimensions, or its channels are no multiple of r².

    >>> pixel_shuffle(np.array([[[1.0, 5.0]], [[2.0, 6.0]], [[3.0, 7.0]], [[4.0, 8.0]]]), 2)
    array([[[1., 2., 5., 6.],
            [3., 4., 7., 8.]]])
    """
    x, r = _check_pixel_shuffle(x, upscale_factor)
    *batch, channels, height, width = x.shape
    count = int(np.prod(batch)) * (channels // r**2)
    source = np.ascontiguousarray(x).reshape(count, r, r, height, width)
    result = np.empty((count, height * r, width * r), x.dtype)

    def work(part: slice) -> None:
        for i in range(r):
            for j in range(r):
                result[part, i::r, j::r] = source[part, i, j]

    for_each_block(work, count, x.itemsize * r * r * height * width)
    return result.reshape(*batch, channels // r**2, height * r, width * r)


def _check_pixel_shuffle(x: object, upscale_factor: int) -> tuple[np.ndarray, int]:
    x = arguments.floating(x, "x")
    r = arguments.integer(upscale_factor, "upscale_factor", minimum=1)
    if x.ndim < 3:
        raise ValueError(f"x has shape {x.shape}; it must have at least 3 dimensions, …×C×H×W")
    channels = x.shape[-3]
    if channels % r**2:
        raise ValueError(f"x has {channels} channels; they must be a multiple of upscale_factor² = {r**2}")
    return x, r


def pixel_shuffle_backward(grad_output: np.ndarray, upscale_factor: int) -> np.ndarray:
    """The gradients go the way back: pixels become channels.

    dx[n, c·r² + i·r + j, h, w] = grad_output[n, c, h·r + i, w·r + j], r = upscale_factor

    Args:
        grad_output: …×C×H·r×W·r, float32 or float64.
        upscale_factor: r, as it was given to `pixel_shuffle`.

    Returns:
        …×C·r²×H×W of the dtype of `grad_output`.

    Raises:
        TypeError, ValueError: as for `pixel_shuffle`; height or width is no multiple of r.

    >>> pixel_shuffle_backward(np.array([[[1.0, 2.0], [3.0, 4.0]]]), 2).ravel()
    array([1., 2., 3., 4.])
    """
    grad, r = _check_pixel_shuffle_backward(grad_output, upscale_factor)
    *batch, channels, height, width = grad.shape
    count = int(np.prod(batch)) * channels
    source = np.ascontiguousarray(grad).reshape(count, height, width)
    result = np.empty((count, r, r, height // r, width // r), grad.dtype)

    def work(part: slice) -> None:
        for i in range(r):
            for j in range(r):
                result[part, i, j] = source[part, i::r, j::r]

    for_each_block(work, count, grad.itemsize * height * width)
    return result.reshape(*batch, channels * r**2, height // r, width // r)


def _check_pixel_shuffle_backward(grad_output: object, upscale_factor: int) -> tuple[np.ndarray, int]:
    grad = arguments.floating(grad_output, "grad_output")
    r = arguments.integer(upscale_factor, "upscale_factor", minimum=1)
    if grad.ndim < 3 or grad.shape[-2] % r or grad.shape[-1] % r:
        raise ValueError(
            f"grad_output has shape {grad.shape}; it must be …×C×H×W, H and W multiples of upscale_factor={r}"
        )
    return grad, r

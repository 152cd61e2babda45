"""Convolution and transposed convolution: matrix products, so operations count besides bytes."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.case import Case, Operator, Shape, differentiable, normal
from segedu import numpy_ops as ops


def conv(
    shape: Shape, rng: np.random.Generator, kernel_size: int, *, filters: int | None = None, **arguments
) -> list[Case]:
    """x, weight and bias; as many filters as channels unless told."""
    channels, groups = shape[1], arguments.get("groups", 1)
    filters = filters or channels
    taps = channels // groups * kernel_size**2
    x = normal(rng, shape)
    weight = normal(rng, (filters, channels // groups, kernel_size, kernel_size)) / np.float32(taps**0.5)
    bias = normal(rng, (filters,))
    return _cases(rng, (x, weight, bias), ops.conv2d, F.conv2d, ops.conv2d_backward, arguments, taps)


def conv_transpose(shape: Shape, rng: np.random.Generator, kernel_size: int, **arguments) -> list[Case]:
    """x, weight and bias; as many output channels as input channels."""
    channels = shape[1]
    x = normal(rng, shape)
    weight = normal(rng, (channels, channels, kernel_size, kernel_size)) / np.float32(channels**0.5)
    bias = normal(rng, (channels,))
    taps = channels * kernel_size**2
    functions = ops.conv_transpose2d, F.conv_transpose2d, ops.conv_transpose2d_backward
    return _cases(rng, (x, weight, bias), *functions, arguments, taps)


def _cases(rng: np.random.Generator, inputs: tuple, ours, pytorch, backward, arguments: dict, taps: int) -> list[Case]:
    """The two cases; every output of a convolution, every input of a transposed one, meets `taps` weights."""
    x, weight, bias = inputs
    output = pytorch_shape(pytorch, inputs, arguments)
    transposed = pytorch is F.conv_transpose2d
    products = x.size * taps if transposed else int(np.prod(output)) * taps
    pixels = int(np.prod(x.shape[2:] if transposed else output[2:]))
    return differentiable(
        rng,
        inputs,
        lambda x, weight, bias: ours(x, weight, bias, **arguments),
        lambda x, weight, bias: pytorch(x, weight, bias, **arguments),
        lambda grad: backward(grad, x, weight, bias, **arguments),
        saved=(x, weight),
        flops=2 * products,
        length=taps,
        gradient_length=max(taps, len(x) * pixels),
    )


def pytorch_shape(function, inputs: tuple, arguments: dict) -> tuple[int, ...]:
    """The shape of the output, computed without its values."""
    return tuple(function(*(torch.empty(array.shape, device="meta") for array in inputs), **arguments).shape)


def fcn_growth(size: int) -> Shape:
    """The input that the ×8 upsampling of FCN-8s turns into size×size."""
    return (1, 21, size // 8, size // 8)


MORE = {"table": False, "growth": None, "shapes": ((4, 64, 64, 64),)}

OPERATORS = [
    Operator("conv 3×3", partial(conv, kernel_size=3, padding=1)),
    Operator("conv 1×1", partial(conv, kernel_size=1)),
    Operator("transposed conv k2 s2", partial(conv_transpose, kernel_size=2, stride=2)),
    Operator("transposed conv k4 s2 p1", partial(conv_transpose, kernel_size=4, stride=2, padding=1)),
    Operator(
        "transposed conv k16 s8 p4 (FCN-8s)",
        partial(conv_transpose, kernel_size=16, stride=8, padding=4),
        shapes=((1, 21, 64, 64),),
        quick=(1, 3, 4, 4),
        growth=fcn_growth,
    ),
    Operator(
        "conv 3×3, image to 64 filters",
        partial(conv, kernel_size=3, padding=1, filters=64),
        shapes=((2, 3, 256, 256),),
        quick=(2, 3, 16, 16),
        table=False,
        growth=None,
    ),
    Operator("conv 3×3 stride 2", partial(conv, kernel_size=3, stride=2, padding=1), **MORE),
    Operator("conv 3×3 dilation 2", partial(conv, kernel_size=3, padding=2, dilation=2), **MORE),
    Operator("conv 3×3 groups 4", partial(conv, kernel_size=3, padding=1, groups=4), **MORE),
    Operator(
        "conv 3×3, odd sizes",
        partial(conv, kernel_size=3, padding=1),
        shapes=((2, 64, 127, 129),),
        quick=(2, 4, 15, 17),
        table=False,
        growth=None,
    ),
]

"""Transposed convolution in CUDA (lecture 04). Never run on a GPU yet.

Shapes, errors and sources: `segedu.numpy_ops.transposed_convolution`.
"""

from __future__ import annotations

import numpy as np

from segedu.arguments import IntOrPair
from segedu.cuda_ops._launch import operator
from segedu.cuda_ops._sums import bias_gradient, correlate, spread, weight_gradient
from segedu.numpy_ops import transposed_convolution as shared
from segedu.numpy_ops.convolution import _check_gradient


@operator
def conv_transpose2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    groups: int = 1,
    dilation: IntOrPair = 1,
) -> np.ndarray:
    """Every output pixel gathers from the windows that cover it. See `numpy_ops.conv_transpose2d`."""
    options = (groups, stride, padding, output_padding, dilation)
    x, weight, bias, sliding, groups = shared._check(x, weight, bias, *options)
    result = spread(x.reshape(-1, *x.shape[-3:]), weight, bias, sliding, groups)
    return result.reshape(*x.shape[:-3], *result.shape[1:])


@operator
def conv_transpose2d_backward(
    grad_output: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    groups: int = 1,
    dilation: IntOrPair = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Gradients of `conv_transpose2d` with respect to x, weight and bias. See `numpy_ops.conv_transpose2d_backward`."""
    options = (groups, stride, padding, output_padding, dilation)
    x, weight, bias, sliding, groups = shared._check(x, weight, bias, *options)
    grad = _check_gradient(grad_output, x, (weight.shape[1] * groups, *sliding.size))
    inputs, grads = x.reshape(-1, *x.shape[-3:]), grad.reshape(-1, *grad.shape[-3:])
    dx = correlate(grads, weight, None, sliding, groups).reshape(x.shape)
    return dx, weight_gradient(grads, inputs, weight.shape, sliding, groups), bias_gradient(grads, bias)

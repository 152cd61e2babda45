"""Convolution in CUDA (lecture 01). Never run on a GPU yet.

Shapes, errors and sources: `segedu.numpy_ops.convolution`.
"""

from __future__ import annotations

import numpy as np

from segedu.arguments import IntOrPair
from segedu.cuda_ops._launch import operator
from segedu.cuda_ops._sums import bias_gradient, correlate, spread, weight_gradient
from segedu.numpy_ops import convolution as shared


@operator
def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair | str = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> np.ndarray:
    """The weighted sum of every window, once for each filter. See `numpy_ops.conv2d`."""
    x, weight, bias, sliding, groups = shared._check(x, weight, bias, stride, padding, dilation, groups)
    result = correlate(x.reshape(-1, *x.shape[-3:]), weight, bias, sliding, groups)
    return result.reshape(*x.shape[:-3], *result.shape[1:])


@operator
def conv2d_backward(
    grad_output: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair | str = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Gradients of `conv2d` with respect to x, weight and bias. See `numpy_ops.conv2d_backward`."""
    x, weight, bias, sliding, groups = shared._check(x, weight, bias, stride, padding, dilation, groups)
    grad = shared._check_gradient(grad_output, x, (len(weight), *sliding.output))
    images, grads = x.reshape(-1, *x.shape[-3:]), grad.reshape(-1, *grad.shape[-3:])
    dx = spread(grads, weight, None, sliding, groups).reshape(x.shape)
    return dx, weight_gradient(images, grads, weight.shape, sliding, groups), bias_gradient(grads, bias)

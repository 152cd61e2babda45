"""Transposed convolution: every input pixel adds a weighted filter to a window of the output (lecture 04).

It is the gradient of a convolution with respect to its input, used forward, to enlarge.
"""

from __future__ import annotations

import numpy as np

from segedu import arguments
from segedu.arguments import IntOrPair
from segedu.numpy_ops._sliding import Sliding
from segedu.numpy_ops._sums import add_bias, bias_gradient, correlate_and_weight_gradient, spread
from segedu.numpy_ops.convolution import _check_gradient


def _sliding(
    x: np.ndarray,
    weight: np.ndarray,
    stride: IntOrPair,
    padding: IntOrPair,
    output_padding: IntOrPair,
    dilation: IntOrPair,
) -> Sliding:
    """The windows lie in the output here, one for each pixel of `x`."""
    kernel, size = weight.shape[-2:], x.shape[-2:]
    strides = arguments.pair(stride, "stride", minimum=1)
    pad = arguments.pair(padding, "padding", minimum=0)
    extra = arguments.pair(output_padding, "output_padding", minimum=0)
    dilations = arguments.pair(dilation, "dilation", minimum=1)
    enlarged = arguments.transposed_size(size, kernel, strides, pad, extra, dilations)
    return Sliding(kernel, strides, dilations, pad, enlarged, size)


def _check(
    x: object,
    weight: object,
    bias: object,
    groups: int,
    stride: IntOrPair,
    padding: IntOrPair,
    output_padding: IntOrPair,
    dilation: IntOrPair,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, Sliding, int]:
    x = arguments.images(x)
    groups = arguments.integer(groups, "groups", minimum=1)
    weight, bias = arguments.convolution_weight(weight, bias, x, groups, transposed=True)
    sliding = _sliding(x, weight, stride, padding, output_padding, dilation)
    return x, weight, bias, sliding, groups


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
    """Every pixel of `x` adds its filters, times its value, to its window of the output.

    y[n, k, p, q] = bias[k] + Σ of weight[c, k, a, b] · x[n, c, i, j] over all c, a, b, i, j with
        p = i·stride + a·dilation − padding and q = j·stride + b·dilation − padding

    (Zeiler et al., "Deconvolutional networks", 2010; Long, Shelhamer and Darrell, "Fully convolutional networks", 2015,
    section 3.3; sizes from Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, chapter 4.)

    Args:
        x: N×C×H×W or C×H×W, float32 or float64.
        weight: the filters, C × K/groups × kH × kW, of the dtype of `x`: input channels first.
        bias: K numbers, or None.
        stride: step from window to window of the output, in pixels: the factor of enlargement.
        padding: pixels cut off on every side of the output.
        output_padding: rows below and columns to the right that are not cut off, smaller than stride or dilation.
        groups: the channels are split into so many groups that do not see each other.
        dilation: step between the elements of a window, in pixels.

    Returns:
        N×K×OH×OW of the dtype of `x`, OH = (H − 1)·stride − 2·padding + dilation·(kH − 1) + output_padding + 1.

    Raises:
        TypeError: a dtype is not float32 or float64, the dtypes differ, or an argument is no integer.
        ValueError: an argument is out of its range, shapes disagree, or no pixel of the output is left.

    >>> x = np.array([[[1, 10]]], dtype=np.float32)
    >>> weight = np.array([[[[1, 2, 3]]]], dtype=np.float32)
    >>> conv_transpose2d(x, weight, stride=(1, 2))
    array([[[ 1.,  2., 13., 20., 30.]]], dtype=float32)
    """
    x, weight, bias, sliding, groups = _check(x, weight, bias, groups, stride, padding, output_padding, dilation)
    result = add_bias(spread(x.reshape(-1, *x.shape[-3:]), weight, sliding, groups), bias)
    return result.reshape(*x.shape[:-3], *result.shape[1:])


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
    """Gradients of `conv_transpose2d` with respect to x, weight and bias.

    dx is the convolution of `grad_output` with the same filters. dweight[c, k, a, b] = Σ over (n, i, j) of
    x[n, c, i, j] times the pixel of `grad_output` at element (a, b) of window (i, j). dbias[k] = Σ over (n, p, q) of
    grad_output[n, k, p, q].

    Args:
        grad_output: gradient of the output, of its shape and the dtype of `x`.
        the others: as they were given to `conv_transpose2d`.

    Returns:
        (dx, dweight, dbias), each of the shape of its input; dbias is None without a bias.

    Raises:
        TypeError, ValueError: as for `conv_transpose2d`; the shapes of `grad_output` and of the output disagree.

    >>> x, weight = np.array([[[1.0, 10.0]]]), np.array([[[[1.0, 2.0]]]])
    >>> dx, dweight, dbias = conv_transpose2d_backward(np.array([[[1.0, 0.0, 1.0]]]), x, weight)
    >>> dx, dweight, dbias
    (array([[[1., 2.]]]), array([[[[ 1., 10.]]]]), None)
    """
    x, weight, bias, sliding, groups = _check(x, weight, bias, groups, stride, padding, output_padding, dilation)
    grad = _check_gradient(grad_output, x, (weight.shape[1] * groups, *sliding.size))
    inputs, grads = x.reshape(-1, *x.shape[-3:]), grad.reshape(-1, *grad.shape[-3:])
    dx, dweight = correlate_and_weight_gradient(grads, inputs, weight, sliding, groups)
    return dx.reshape(x.shape), dweight, bias_gradient(grads, bias)

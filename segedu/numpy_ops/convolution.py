"""Convolution: every output pixel is a weighted sum of a window of the input (lecture 01).

The windows of a strip of rows become the columns of a matrix (im2col), so that one matrix product computes the strip
for all filters at once. (Chellapilla, Puri and Simard, "High performance convolutional neural networks for document
processing", 2006.)
"""

from __future__ import annotations

import numpy as np

from segedu import arguments
from segedu.arguments import IntOrPair
from segedu.numpy_ops._sliding import Sliding
from segedu.numpy_ops._sums import add_bias, bias_gradient, correlate, spread, weight_gradient


def _sliding(
    x: np.ndarray,
    weight: np.ndarray,
    stride: IntOrPair,
    padding: IntOrPair | str,
    dilation: IntOrPair,
) -> Sliding:
    kernel = weight.shape[-2:]
    strides = arguments.pair(stride, "stride", minimum=1)
    dilations = arguments.pair(dilation, "dilation", minimum=1)
    before = arguments.convolution_padding(padding, kernel, strides, dilations)
    output = x.shape[-2:] if padding == "same" else arguments.windows(x, kernel, strides, before, dilations)
    return Sliding(kernel, strides, dilations, before, x.shape[-2:], output)


def _check(
    x: object,
    weight: object,
    bias: object,
    stride: IntOrPair,
    padding: IntOrPair | str,
    dilation: IntOrPair,
    groups: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, Sliding, int]:
    x = arguments.images(x)
    groups = arguments.integer(groups, "groups", minimum=1)
    weight, bias = arguments.convolution_weight(weight, bias, x, groups)
    sliding = _sliding(x, weight, stride, padding, dilation)
    return x, weight, bias, sliding, groups


def _check_gradient(grad_output: object, x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`grad_output` itself if it fits an output of `shape` an image."""
    grad = arguments.floating(grad_output, "grad_output")
    arguments.same_shape(grad, (*x.shape[:-3], *shape), "grad_output", "the output")
    arguments.same_dtype(x=x, grad_output=grad)
    return grad


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair | str = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> np.ndarray:
    """The weighted sum of every window, once for each filter.

    y[n, k, i, j] = bias[k] + Σ over (c, a, b) of
        weight[k, c, a, b] · x[n, c, i·stride + a·dilation − padding, j·stride + b·dilation − padding]

    The padding counts as 0. The filter is not flipped: strictly this is a cross-correlation, as in all deep learning.
    (LeCun et al., "Gradient-based learning applied to document recognition", 1998; sizes from Dumoulin and Visin, "A
    guide to convolution arithmetic for deep learning", 2016; dilation from Yu and Koltun, 2016.)

    Args:
        x: N×C×H×W or C×H×W, float32 or float64.
        weight: the filters, K × C/groups × kH × kW, of the dtype of `x`.
        bias: K numbers, or None.
        stride: step from window to window, in pixels.
        padding: pixels of 0 on every side; 'valid' is 0, 'same' keeps height and width (stride 1 only; of an odd number
            of pixels the last goes below and to the right).
        dilation: step between the elements of a window, in pixels.
        groups: the channels are split into so many groups that do not see each other; C of them: depthwise.

    Returns:
        N×K×OH×OW of the dtype of `x`, OH = ⌊(H + 2·padding − dilation·(kH − 1) − 1) / stride⌋ + 1, OW likewise.

    Raises:
        TypeError: a dtype is not float32 or float64, the dtypes differ, or an argument is no integer.
        ValueError: an argument is out of its range, shapes disagree, or no window fits.

    >>> x = np.array([[[1, 2, 4, 8]]], dtype=np.float32)
    >>> edge = np.array([[[[-1, 1]]]], dtype=np.float32)
    >>> conv2d(x, edge)
    array([[[1., 2., 4.]]], dtype=float32)
    """
    x, weight, bias, sliding, groups = _check(x, weight, bias, stride, padding, dilation, groups)
    result = add_bias(correlate(x.reshape(-1, *x.shape[-3:]), weight, sliding, groups), bias)
    return result.reshape(*x.shape[:-3], len(weight), *sliding.output)


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
    """Gradients of `conv2d` with respect to x, weight and bias.

    dx[n, c, p, q] = Σ of weight[k, c, a, b] · grad_output[n, k, i, j] over all k, a, b, i, j whose window element
    (a, b) lies at (p, q): a transposed convolution. dweight[k, c, a, b] = Σ over (n, i, j) of grad_output[n, k, i, j]
    times the pixel at element (a, b) of window (i, j). dbias[k] = Σ over (n, i, j) of grad_output[n, k, i, j].

    Args:
        grad_output: gradient of the output, of its shape and the dtype of `x`.
        the others: as they were given to `conv2d`.

    Returns:
        (dx, dweight, dbias), each of the shape of its input; dbias is None without a bias.

    Raises:
        TypeError, ValueError: as for `conv2d`; the shapes of `grad_output` and of the output disagree.

    >>> x, weight = np.array([[[1.0, 2.0, 4.0]]]), np.array([[[[-1.0, 1.0]]]])
    >>> dx, dweight, dbias = conv2d_backward(np.array([[[1.0, 10.0]]]), x, weight)
    >>> dx, dweight, dbias
    (array([[[-1., -9., 10.]]]), array([[[[21., 42.]]]]), None)
    """
    x, weight, bias, sliding, groups = _check(x, weight, bias, stride, padding, dilation, groups)
    grad = _check_gradient(grad_output, x, (len(weight), *sliding.output))
    images, grads = x.reshape(-1, *x.shape[-3:]), grad.reshape(-1, *grad.shape[-3:])
    dx = spread(grads, weight, sliding, groups).reshape(x.shape)
    dweight = weight_gradient(images, grads, weight.shape, sliding, groups)
    return dx, dweight, bias_gradient(grads, bias)

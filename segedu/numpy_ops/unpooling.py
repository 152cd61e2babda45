"""Unpooling: values go back to where max pooling found them (lecture 03)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segedu import arguments
from segedu.arguments import IntOrPair
from segedu.numpy_ops._blocks import for_each_block, planes
from segedu.numpy_ops._places import places_in_block


def max_unpool2d(
    x: np.ndarray,
    indices: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    output_size: Sequence[int] | None = None,
) -> np.ndarray:
    """Every value goes to the place that its index names; all other places are 0.

    y[n, c, m] = x[n, c, i, j] where indices[n, c, i, j] = m, else 0

    Where several indices name one place, the last in reading order wins. (Zeiler and Fergus, "Visualizing and
    understanding convolutional networks", 2014, section 2.1; Noh et al., "Learning deconvolution network for semantic
    segmentation", 2015, section 3.2.)

    Args:
        x: N×C×H×W or C×H×W, float32 or float64.
        indices: from `max_pool2d(…, return_indices=True)`: row·OW + column in the output, shape of `x`, int64.
        kernel_size, stride, padding: as they were given to `max_pool2d`. They decide the size of the output only:
            (H − 1)·stride − 2·padding + kernel_size.
        output_size: (OH, OW), or the whole shape of the pooled array, N×C×OH×OW, of which the last two count.
            Pooling gives images of several sizes the same output; this says which it was. Each must differ from the
            size above by less than `stride`.

    Returns:
        N×C×OH×OW or C×OH×OW, of the dtype of `x`.

    Raises:
        TypeError: a dtype is wrong, or an argument is no integer.
        ValueError: shapes disagree, an argument is out of its range, or an index lies outside the output.

    >>> x = np.array([[[5, 7]]], dtype=np.float32)
    >>> max_unpool2d(x, np.array([[[1, 6]]]), kernel_size=2)
    array([[[0., 5., 0., 0.],
            [0., 0., 7., 0.]]], dtype=float32)
    """
    x = arguments.images(x)
    arguments.same_shape(arguments.int64(indices, "indices"), x.shape, "indices", "x")
    size = arguments.unpooled_size(x.shape[-2:], kernel_size, stride, padding, output_size)
    values, places = planes(x), planes(indices)
    result = np.empty((len(values), *size), x.dtype)

    def work(part: slice) -> None:
        result[part] = 0
        place = places_in_block(places[part], size)
        result[part].reshape(-1)[place.ravel()] = values[part].ravel()

    for_each_block(work, len(values), values.itemsize * size[0] * size[1])
    return result.reshape(*x.shape[:-2], *size)


def max_unpool2d_backward(grad_output: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Each value gets the gradient of the place that it went to.

    dx[n, c, i, j] = grad_output[n, c, indices[n, c, i, j]]

    As in PyTorch, values whose indices name one place all get its gradient, though only the last was kept there.

    Args:
        grad_output: gradient of the unpooled array, N×C×OH×OW or C×OH×OW, float32 or float64.
        indices: as they were given to `max_unpool2d`, N×C×H×W or C×H×W, int64.

    Returns:
        The gradient of `x`: shape of `indices`, dtype of `grad_output`.

    Raises:
        TypeError: a dtype is wrong.
        ValueError: shapes disagree but for height and width, or an index lies outside its plane.

    >>> max_unpool2d_backward(np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([[[2]]]))
    array([[[3.]]])
    """
    grad = _check_max_unpool2d_backward(grad_output, indices)
    grads, places = planes(grad), planes(indices)
    result = np.empty(places.shape, grad.dtype)

    def work(part: slice) -> None:
        place = places_in_block(places[part], grad.shape[-2:])
        grads[part].take(place, out=result[part], mode="wrap")  # none is out of range: "raise" would copy once more

    for_each_block(work, len(grads), grads.itemsize * grad.shape[-2] * grad.shape[-1])
    return result.reshape(indices.shape)


def _check_max_unpool2d_backward(grad_output: object, indices: object) -> np.ndarray:
    grad = arguments.images(grad_output, "grad_output")
    arguments.int64(indices, "indices")
    if indices.ndim != grad.ndim or indices.shape[:-2] != grad.shape[:-2]:
        raise ValueError(f"indices has shape {indices.shape}; it must agree with grad_output {grad.shape} but for H, W")
    return grad

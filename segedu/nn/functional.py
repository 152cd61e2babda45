"""The operators on the tape: `torch.nn.functional`'s names and arguments, for `Tensor` in place of arrays (lecture 11).

Each function calls an operator and records its `…_backward`. What an argument means, which values are legal and where
the formula comes from stands in `segedu.numpy_ops`, under the same name.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from segedu.arguments import IntOrPair
from segedu.autograd import Tensor, record


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair | str = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Tensor:
    """N×C×H×W to N×K×OH×OW; filters K × C/groups × kH × kW."""
    arrays = (*_data(x, weight, bias), stride, padding, dilation, groups)
    return record(x.ops.conv2d(*arrays), (x, weight, bias), lambda grad: x.ops.conv2d_backward(grad, *arrays))


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    groups: int = 1,
    dilation: IntOrPair = 1,
) -> Tensor:
    """N×C×H×W to N×K×OH×OW; filters C × K/groups × kH × kW."""
    arrays = (*_data(x, weight, bias), stride, padding, output_padding, groups, dilation)
    y = x.ops.conv_transpose2d(*arrays)
    return record(y, (x, weight, bias), lambda grad: x.ops.conv_transpose2d_backward(grad, *arrays))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """N×C to N×K, weight K×C: a 1×1 convolution over images of one pixel (lecture 05)."""
    y = conv2d(x.reshape(*x.shape, 1, 1), weight.reshape(*weight.shape, 1, 1), bias)
    return y.reshape(*y.shape[:2])


def batch_norm(
    x: Tensor,
    running_mean: np.ndarray | None,
    running_var: np.ndarray | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """N×C×… to the same shape; in training the running statistics, arrays of C numbers, are updated in place."""
    arrays = (x.data, running_mean, running_var, *_data(weight, bias))
    y = x.ops.batch_norm(*arrays, training, momentum, eps)
    return record(y, (x, weight, bias), lambda grad: x.ops.batch_norm_backward(grad, *arrays, training, eps))


def relu(x: Tensor) -> Tensor:
    """max(0, x), any shape."""
    y = _ops(x).relu(*_data(x))
    return record(y, (x,), lambda grad: x.ops.relu_backward(grad, y))


def max_pool2d(
    x: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, np.ndarray]:
    """N×C×H×W to N×C×OH×OW; with `return_indices` also an int64 array of that shape."""
    (array,) = _data(x)
    y, indices = x.ops.max_pool2d(array, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True)
    y = record(y, (x,), lambda grad: x.ops.max_pool2d_backward(grad, indices, x.shape))
    return (y, indices) if return_indices else y


def max_unpool2d(
    x: Tensor,
    indices: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """N×C×H×W to N×C×OH×OW; `indices` as `max_pool2d` returned them."""
    y = _ops(x).max_unpool2d(*_data(x), indices, kernel_size, stride, padding, output_size)
    return record(y, (x,), lambda grad: x.ops.max_unpool2d_backward(grad, indices))


def avg_pool2d(
    x: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """N×C×H×W to N×C×OH×OW."""
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    y = _ops(x).avg_pool2d(*_data(x), *options)
    return record(y, (x,), lambda grad: x.ops.avg_pool2d_backward(grad, x.shape, *options))


def adaptive_avg_pool2d(x: Tensor, output_size: int | tuple[int | None, int | None]) -> Tensor:
    """N×C×H×W to N×C×OH×OW."""
    y = _ops(x).adaptive_avg_pool2d(*_data(x), output_size)
    return record(y, (x,), lambda grad: x.ops.adaptive_avg_pool2d_backward(grad, x.shape))


def interpolate(
    x: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | tuple[float, float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """N×C×H×W to N×C×OH×OW; mode "nearest" or "bilinear"."""
    options = (size, scale_factor, mode, align_corners, recompute_scale_factor)
    y = _ops(x).interpolate(*_data(x), *options)
    return record(y, (x,), lambda grad: x.ops.interpolate_backward(grad, x.shape, *options))


def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """N×C·r²×H×W to N×C×H·r×W·r."""
    y = _ops(x).pixel_shuffle(*_data(x), upscale_factor)
    return record(y, (x,), lambda grad: x.ops.pixel_shuffle_backward(grad, upscale_factor))


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one after the other along an axis; `dim=1` stacks channels."""
    arrays = _data(*tensors)
    shapes, ops = [array.shape for array in arrays], tensors[0].ops
    return record(
        ops.concatenate(arrays, dim), tuple(tensors), lambda grad: ops.concatenate_backward(grad, shapes, dim)
    )


def pad(x: Tensor, pad: Sequence[int]) -> Tensor:
    """Zeros around the images: `pad` is (left, right, top, bottom) in pixels; a negative number cuts off.

    The gradient goes the other way: what was added is cut off, what was cut off is 0.

    >>> pad(Tensor(np.ones((1, 1, 2, 2))), (1, 0, 0, -1)).shape
    (1, 1, 1, 3)
    """
    if len(pad) != 4:
        raise ValueError(f"pad={pad!r} must have four numbers: left, right, top, bottom")
    height, width = x.shape[-2:]
    if min(width + min(0, pad[0]) + min(0, pad[1]), height + min(0, pad[2]) + min(0, pad[3])) <= 0:
        raise ValueError(f"pad={tuple(pad)} cuts off more than an image of {height}×{width} has")
    y = _padded(_data(x)[0], *pad)
    return record(y, (x,), lambda grad: _padded(grad, *(-side for side in pad)))


def _padded(array: np.ndarray, left: int, right: int, top: int, bottom: int) -> np.ndarray:
    height, width = array.shape[-2:]
    result = np.zeros_like(array, shape=(*array.shape[:-2], height + top + bottom, width + left + right))
    inside = array[..., max(0, -top) : height + min(0, bottom), max(0, -left) : width + min(0, right)]
    row, column = max(0, top), max(0, left)
    result[..., row : row + inside.shape[-2], column : column + inside.shape[-1]] = inside
    return result


def dropout(x: Tensor, p: float = 0.5, training: bool = True, generator: np.random.Generator | None = None) -> Tensor:
    """Any shape; `generator` is the source of the random numbers."""
    y, mask = _ops(x).dropout(*_data(x), p, training, generator, return_mask=True)
    return record(y, (x,), lambda grad: x.ops.dropout_backward(grad, mask))


def softmax(x: Tensor, dim: int) -> Tensor:
    """Any shape; the classes lie along `dim`."""
    y = _ops(x).softmax(*_data(x), dim)
    return record(y, (x,), lambda grad: x.ops.softmax_backward(grad, y, dim))


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """Any shape; the classes lie along `dim`."""
    y = _ops(x).log_softmax(*_data(x), dim)
    return record(y, (x,), lambda grad: x.ops.log_softmax_backward(grad, y, dim))


def cross_entropy(
    logits: Tensor,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Logits N×C×H×W and int64 labels N×H×W to one number, or with reduction "none" to N×H×W."""
    options = (*_data(logits), target, weight, ignore_index, reduction, label_smoothing)
    loss = logits.ops.cross_entropy(*options)
    return record(loss, (logits,), lambda grad: logits.ops.cross_entropy_backward(grad, *options))


def dice_loss(
    logits: Tensor, target: np.ndarray, smooth: float = 1.0, ignore_index: int | None = None, per_image: bool = False
) -> Tensor:
    """Logits N×C×H×W and int64 labels N×H×W to one number."""
    options = (*_data(logits), target, smooth, ignore_index, per_image)
    return record(logits.ops.dice_loss(*options), (logits,), lambda g: logits.ops.dice_loss_backward(g, *options))


def jaccard_loss(
    logits: Tensor, target: np.ndarray, smooth: float = 1.0, ignore_index: int | None = None, per_image: bool = False
) -> Tensor:
    """Logits N×C×H×W and int64 labels N×H×W to one number."""
    options = (*_data(logits), target, smooth, ignore_index, per_image)
    return record(logits.ops.jaccard_loss(*options), (logits,), lambda g: logits.ops.jaccard_loss_backward(g, *options))


def lovasz_softmax(
    logits: Tensor,
    target: np.ndarray,
    ignore_index: int | None = None,
    classes: str | Sequence[int] = "present",
    per_image: bool = False,
) -> Tensor:
    """Logits N×C×H×W and int64 labels N×H×W to one number."""
    options = (*_data(logits), target, ignore_index, classes, per_image)
    loss = logits.ops.lovasz_softmax(*options)
    return record(loss, (logits,), lambda grad: logits.ops.lovasz_softmax_backward(grad, *options))


def _ops(x: Tensor) -> ModuleType:
    """The set of operators that computes with `x`."""
    return _tensor(x).ops


def _tensor(x: Tensor) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"a Tensor is needed, not {type(x).__name__}: write Tensor(array)")
    return x


def _data(*tensors: Tensor | None) -> tuple[np.ndarray | None, ...]:
    return tuple(None if tensor is None else _tensor(tensor).data for tensor in tensors)

"""ReLU, softmax, dropout and concatenation: what stands between the convolutions (used from lecture 06 on)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from segedu import arguments
from segedu.numpy_ops import _blocks
from segedu.numpy_ops._blocks import blocks, for_each_block


def relu(x: np.ndarray) -> np.ndarray:
    """y = max(x, 0), element by element. NaN stays NaN.

    (Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010.)

    Args:
        x: any shape, float32 or float64.

    Returns:
        Shape and dtype of `x`.

    Raises:
        TypeError: `x` is no array of float32 or float64.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    x = arguments.floating(x, "x")
    flat = np.ascontiguousarray(x).reshape(-1)
    result = np.empty_like(flat)
    zeros = np.zeros(min(x.size, _blocks.BLOCK_BYTES // x.itemsize), x.dtype)  # four times as fast as one number

    def work(part: slice) -> None:
        np.maximum(flat[part], zeros[: part.stop - part.start], out=result[part])

    for_each_block(work, x.size, x.itemsize)
    return result.reshape(x.shape)


def relu_backward(grad_output: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The gradient passes where x > 0, and where x is NaN; at 0 it does not.

    Args:
        grad_output: gradient of the output, shape and dtype of `x`.
        x: as it was given to `relu`. Its output serves as well.

    Raises:
        TypeError: a dtype is wrong, or the two differ.
        ValueError: the shapes disagree.

    >>> relu_backward(np.array([5.0, 6.0, 7.0]), np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 7.])
    """
    grad, x = _check_relu_backward(grad_output, x)
    flat, grads = np.ascontiguousarray(x).reshape(-1), np.ascontiguousarray(grad).reshape(-1)
    result = np.empty_like(flat)

    def work(part: slice) -> None:
        passes = ~(flat[part] <= 0)
        np.multiply(grads[part], passes, out=result[part])
        if not np.isfinite(grads[part]).all():  # ∞·0 is NaN
            result[part][~passes] = 0

    for_each_block(work, x.size, x.itemsize)
    return result.reshape(x.shape)


def _check_relu_backward(grad_output: object, x: object) -> tuple[np.ndarray, np.ndarray]:
    grad, x = arguments.floating(grad_output, "grad_output"), arguments.floating(x, "x")
    arguments.same_shape(grad, x.shape, "grad_output", "x")
    arguments.same_dtype(x=x, grad_output=grad)
    return grad, x


def _for_each_strip(work: Callable[..., None], dim: int, result: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
    """Call `work(*arrays, out)` for strips A×K×B, K being the whole axis `dim`, that stay in the cache together."""
    shape = result.shape
    outer, length = int(np.prod(shape[:dim])), shape[dim] if shape else 1
    inner = int(np.prod(shape[dim + 1 :]))
    views = [np.ascontiguousarray(array).reshape(outer, length, inner) for array in arrays]
    views.append(result.reshape(outer, length, inner))
    bytes_each = length * result.itemsize
    if inner * bytes_each <= _blocks.BLOCK_BYTES:
        strips = [(part, slice(None)) for part in blocks(outer, inner * bytes_each)]
    else:
        strips = [(slice(n, n + 1), part) for n in range(outer) for part in blocks(inner, bytes_each)]

    def each(part: slice) -> None:
        for rows, columns in strips[part]:
            work(*(view[rows, :, columns] for view in views))

    if result.size:
        for_each_block(each, len(strips), _blocks.BLOCK_BYTES)
    return result


def softmax(x: np.ndarray, dim: int) -> np.ndarray:
    """Scores become probabilities: positive, with the sum 1 along `dim`.

    y[k] = exp(x[k] − m) / Σ over l of exp(x[l] − m), m = max x

    Subtracting the maximum changes nothing but the size of the exponentials, which could overflow. (Bridle,
    "Probabilistic interpretation of feedforward classification network outputs", 1990, section 4.)

    Args:
        x: any shape, float32 or float64.
        dim: the axis of the classes; negative counts from the end.

    Returns:
        Shape and dtype of `x`. All NaN where a score is NaN or +∞, or all are −∞.

    Raises:
        TypeError: `x` is no array of float32 or float64, or `dim` is no integer.
        ValueError: `x` has no such axis.

    >>> softmax(np.log(np.array([1.0, 3.0])), 0)
    array([0.25, 0.75])
    """
    x = arguments.floating(x, "x")

    def work(scores: np.ndarray, out: np.ndarray) -> None:
        np.subtract(scores, scores.max(1, keepdims=True), out=out)
        np.exp(out, out=out)
        out *= 1 / out.sum(1, keepdims=True)

    return _for_each_strip(work, arguments.axis(dim, x.ndim), np.empty(x.shape, x.dtype), x)


def softmax_backward(grad_output: np.ndarray, output: np.ndarray, dim: int) -> np.ndarray:
    """dx[k] = y[k]·(g[k] − Σ over l of g[l]·y[l]).

    Args:
        grad_output: g, the gradient of the output, shape and dtype of `output`.
        output: y, what `softmax` returned.
        dim: as it was given to `softmax`.

    Raises:
        TypeError: a dtype is wrong, or the two differ.
        ValueError: the shapes disagree, or there is no such axis.

    >>> softmax_backward(np.array([1.0, 0.0]), np.array([0.25, 0.75]), 0)
    array([ 0.1875, -0.1875])
    """
    _check_backward(grad_output, output)

    def work(grad: np.ndarray, probabilities: np.ndarray, out: np.ndarray) -> None:
        mean = np.einsum("akb,akb->ab", grad, probabilities)[:, None]
        np.subtract(grad, mean, out=out)
        out *= probabilities

    return _for_each_strip(
        work, arguments.axis(dim, output.ndim), np.empty(output.shape, output.dtype), grad_output, output
    )


def log_softmax(x: np.ndarray, dim: int) -> np.ndarray:
    """The logarithm of `softmax`, without ever computing a probability that could underflow to 0.

    y[k] = x[k] − m − log Σ over l of exp(x[l] − m), m = max x

    Args, returns, raises: as for `softmax`.

    >>> log_softmax(np.array([0.0, -1000.0]), 0)
    array([    0., -1000.])
    """
    x = arguments.floating(x, "x")

    def work(scores: np.ndarray, out: np.ndarray) -> None:
        np.subtract(scores, scores.max(1, keepdims=True), out=out)
        out -= np.log(np.exp(out).sum(1, keepdims=True))

    return _for_each_strip(work, arguments.axis(dim, x.ndim), np.empty(x.shape, x.dtype), x)


def log_softmax_backward(grad_output: np.ndarray, output: np.ndarray, dim: int) -> np.ndarray:
    """dx[k] = g[k] − exp(y[k])·Σ over l of g[l].

    Args:
        grad_output: g, the gradient of the output, shape and dtype of `output`.
        output: y, what `log_softmax` returned.
        dim: as it was given to `log_softmax`.

    Raises:
        TypeError, ValueError: as for `softmax_backward`.

    >>> log_softmax_backward(np.array([1.0, 0.0]), np.log([0.25, 0.75]), 0)
    array([ 0.75, -0.75])
    """
    _check_backward(grad_output, output)

    def work(grad: np.ndarray, logarithms: np.ndarray, out: np.ndarray) -> None:
        np.exp(logarithms, out=out)
        out *= grad.sum(1, keepdims=True)
        np.subtract(grad, out, out=out)

    return _for_each_strip(
        work, arguments.axis(dim, output.ndim), np.empty(output.shape, output.dtype), grad_output, output
    )


def _check_backward(grad_output: np.ndarray, output: np.ndarray) -> None:
    arguments.floating(grad_output, "grad_output")
    arguments.floating(output, "output")
    arguments.same_shape(grad_output, output.shape, "grad_output", "output")
    arguments.same_dtype(output=output, grad_output=grad_output)


def dropout(
    x: np.ndarray,
    p: float = 0.5,
    training: bool = True,
    generator: np.random.Generator | None = None,
    return_mask: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Each element is set to 0 with probability p; the others grow by 1/(1 − p), so that the mean stays.

    y = mask·x, where mask is 0 with probability p, else 1/(1 − p)

    (Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014, sections 4 and 10:
    the scaling is done in training, so that nothing is left to do afterwards.)

    Args:
        x: any shape, float32 or float64.
        p: probability of an element to be dropped, 0…1.
        training: False leaves every element as it is.
        generator: source of the random numbers; a new one, differently seeded at each call, when None.
        return_mask: also return the mask, for `dropout_backward`.

    Returns:
        Shape and dtype of `x`; with `return_mask` a pair (output, mask), both of that shape and dtype.

    Raises:
        TypeError: `x` is no array of float32 or float64, or `generator` no np.random.Generator.
        ValueError: `p` is not between 0 and 1.

    >>> dropout(np.ones(8), p=0.5, generator=np.random.default_rng(0))
    array([2., 2., 2., 0., 0., 0., 0., 0.])
    """
    x = arguments.floating(x, "x")
    p = arguments.probability(p, "p")
    if generator is not None and not isinstance(generator, np.random.Generator):
        raise TypeError(f"generator must be a np.random.Generator, not {type(generator).__name__}")
    mask = np.ones(x.shape, x.dtype)
    if training and p == 1:
        mask[...] = 0
    elif training and p > 0:
        generator = generator or np.random.default_rng()
        kept = generator.random(x.shape, np.float32) >= p
        np.multiply(kept, x.dtype.type(1 / (1 - p)), out=mask)
    with np.errstate(invalid="ignore"):  # ∞ that is dropped is NaN, as in PyTorch
        output = x * mask
    return (output, mask) if return_mask else output


def dropout_backward(grad_output: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """dx = mask·grad_output.

    Args:
        grad_output: gradient of the output, any shape, float32 or float64.
        mask: from `dropout(…, return_mask=True)`, same shape and dtype.

    Raises:
        TypeError: a dtype is wrong, or the two differ.
        ValueError: the shapes disagree.

    >>> dropout_backward(np.array([3.0, 4.0]), np.array([2.0, 0.0]))
    array([6., 0.])
    """
    grad, mask = _check_dropout_backward(grad_output, mask)
    with np.errstate(invalid="ignore"):
        return grad * mask


def _check_dropout_backward(grad_output: object, mask: object) -> tuple[np.ndarray, np.ndarray]:
    grad, mask = arguments.floating(grad_output, "grad_output"), arguments.floating(mask, "mask")
    arguments.same_shape(mask, grad.shape, "mask", "grad_output")
    arguments.same_dtype(grad_output=grad, mask=mask)
    return grad, mask


def concatenate(arrays: Sequence[np.ndarray], dim: int = 0) -> np.ndarray:
    """The arrays one after the other along an axis; for feature maps `dim=1` stacks their channels.

    (Ronneberger et al., "U-Net: convolutional networks for biomedical image segmentation", 2015, figure 1, joins
    encoder and decoder so.)

    Args:
        arrays: at least one, float32 or float64, all of one dtype, shapes equal but for the axis `dim`.
        dim: the axis; negative counts from the end.

    Returns:
        A new array of the same dtype.

    Raises:
        TypeError: something is no array of float32 or float64, or dtypes differ (PyTorch would convert them).
        ValueError: `arrays` is empty, has no such axis, or shapes disagree.

    >>> concatenate([np.zeros((1, 2)), np.ones((1, 3))], dim=1)
    array([[0., 0., 1., 1., 1.]])
    """
    _check_concatenate(arrays, dim)
    return np.concatenate(arrays, arguments.axis(dim, arrays[0].ndim))


def _check_concatenate(arrays: object, dim: int) -> tuple[int, ...]:
    """The shape of the concatenation."""
    if arguments.is_array(arrays) or not isinstance(arrays, Sequence):
        raise TypeError(f"arrays must be a list or tuple of arrays, not {type(arrays).__name__}")
    if not arrays:
        raise ValueError("arrays=[] must hold at least one array")
    named = {f"arrays[{number}]": arguments.floating(a, f"arrays[{number}]") for number, a in enumerate(arrays)}
    arguments.same_dtype(**named)
    return _joined_shape([array.shape for array in arrays], dim, "arrays")


def _joined_shape(shapes: Sequence[tuple[int, ...]], dim: int, name: str) -> tuple[int, ...]:
    """The shape of the arrays' concatenation; refuses shapes that do not fit together."""
    if not shapes[0]:
        raise ValueError(f"{name}[0] has shape (); it must have at least one dimension")
    axis = arguments.axis(dim, len(shapes[0]))
    first = tuple(shapes[0])
    for number, shape in enumerate(shapes):
        if len(shape) != len(first) or (*shape[:axis], *shape[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]):
            raise ValueError(f"{name}[{number}] has shape {tuple(shape)}; it must agree with {first} but for dim={dim}")
    return (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])


def concatenate_backward(
    grad_output: np.ndarray, input_shapes: Sequence[tuple[int, ...]], dim: int = 0
) -> tuple[np.ndarray, ...]:
    """Each array gets its part of the gradient.

    Args:
        grad_output: gradient of the concatenation, float32 or float64.
        input_shapes: the shapes of the concatenated arrays, in their order.
        dim: as it was given to `concatenate`.

    Returns:
        One gradient for each array.

    Raises:
        TypeError: `grad_output` is no array of float32 or float64.
        ValueError: the shapes do not fit together, or not with `grad_output`.

    >>> concatenate_backward(np.array([1.0, 2.0, 3.0]), [(1,), (2,)])
    (array([1.]), array([2., 3.]))
    """
    grad = _check_concatenate_backward(grad_output, input_shapes, dim)
    axis = arguments.axis(dim, grad.ndim)
    ends = np.cumsum([one[axis] for one in input_shapes])
    return tuple(np.ascontiguousarray(part) for part in np.split(grad, ends[:-1], axis))


def _check_concatenate_backward(grad_output: object, input_shapes: Sequence[tuple[int, ...]], dim: int) -> np.ndarray:
    grad = arguments.floating(grad_output, "grad_output")
    if not input_shapes:
        raise ValueError("input_shapes=[] must hold at least one shape")
    shape = _joined_shape(input_shapes, dim, "input_shapes")
    arguments.same_shape(grad, shape, "grad_output", "the concatenation")
    return grad

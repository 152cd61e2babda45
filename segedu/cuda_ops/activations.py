"""ReLU, softmax, dropout and concatenation in CUDA. Never run on a GPU yet.

Shapes, errors and sources: `segedu.numpy_ops.activations`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segedu import arguments
from segedu.cuda_ops._launch import (
    Kernels,
    Threads,
    aligned,
    contiguous,
    count,
    empty,
    operator,
    over,
    over_planes,
    over_warps,
    xp,
)
from segedu.numpy_ops import activations as shared

kernels = Kernels("activations.cu")


def _elementwise(name: str, *given: np.ndarray) -> np.ndarray:
    """A kernel that has a form for four numbers at a time, over arrays of one shape."""
    ready, result = [contiguous(array) for array in given], empty(given[0].shape, given[0].dtype)
    if result.size % 4 == 0 and aligned(*ready, result):
        fours = result.size // 4
        kernels(f"{name}_by_four", result.dtype, over(fours), *ready, result, fours)
    else:
        kernels(name, result.dtype, over(result.size), *ready, result, result.size)
    return result


@operator
def relu(x: np.ndarray) -> np.ndarray:
    """y = max(x, 0). See `numpy_ops.relu`."""
    return _elementwise("relu", arguments.floating(x, "x"))


@operator
def relu_backward(grad_output: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The gradient passes where x > 0. See `numpy_ops.relu_backward`."""
    return _elementwise("relu_backward", *shared._check_relu_backward(grad_output, x))


def _along(name: str, dim: int, *given: np.ndarray) -> np.ndarray:
    """A kernel over outer × length × inner, `length` being the axis `dim`: a thread for each of outer × inner."""
    shape = given[0].shape
    dim = arguments.axis(dim, len(shape))
    length, outer, inner = shape[dim] if shape else 1, count(shape[:dim]), count(shape[dim + 1 :])
    ready, result = [contiguous(array) for array in given], empty(shape, given[0].dtype)
    if not result.size:
        return result
    if inner == 1 and len(given) == 1:
        kernels(f"{name}_by_warp", result.dtype, over_warps(outer), *ready, result, length, outer)
    else:
        kernels(name, result.dtype, over_planes(outer, 1, inner), *ready, result, length, inner, outer)
    return result


@operator
def softmax(x: np.ndarray, dim: int) -> np.ndarray:
    """Scores become probabilities. See `numpy_ops.softmax`."""
    return _along("softmax", dim, arguments.floating(x, "x"))


@operator
def softmax_backward(grad_output: np.ndarray, output: np.ndarray, dim: int) -> np.ndarray:
    """dx[k] = y[k]·(g[k] − Σ over l of g[l]·y[l]). See `numpy_ops.softmax_backward`."""
    shared._check_backward(grad_output, output)
    return _along("softmax_backward", dim, grad_output, output)


@operator
def log_softmax(x: np.ndarray, dim: int) -> np.ndarray:
    """The logarithm of `softmax`. See `numpy_ops.log_softmax`."""
    return _along("log_softmax", dim, arguments.floating(x, "x"))


@operator
def log_softmax_backward(grad_output: np.ndarray, output: np.ndarray, dim: int) -> np.ndarray:
    """dx[k] = g[k] − exp(y[k])·Σ over l of g[l]. See `numpy_ops.log_softmax_backward`."""
    shared._check_backward(grad_output, output)
    return _along("log_softmax_backward", dim, grad_output, output)


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    result = empty(a.shape, a.dtype)
    kernels("multiply", a.dtype, over(a.size), contiguous(a), contiguous(b), result, a.size)
    return result


@operator
def dropout(
    x: np.ndarray,
    p: float = 0.5,
    training: bool = True,
    generator: np.random.Generator | None = None,
    return_mask: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Each element is set to 0 with probability p; the others grow by 1/(1 − p). See `numpy_ops.dropout`.

    The random numbers come from NumPy's generator, so a seed drops the same elements with every set of operators.
    """
    x = arguments.floating(x, "x")
    mask = contiguous(xp().asarray(shared.dropout(np.ones(x.shape, x.dtype), p, training, generator)))
    output = _product(x, mask)
    return (output, mask) if return_mask else output


@operator
def dropout_backward(grad_output: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """dx = mask·grad_output. See `numpy_ops.dropout_backward`."""
    return _product(*shared._check_dropout_backward(grad_output, mask))


@operator
def concatenate(arrays: Sequence[np.ndarray], dim: int = 0) -> np.ndarray:
    """The arrays one after the other along an axis. See `numpy_ops.concatenate`."""
    shape = shared._check_concatenate(arrays, dim)
    result, dim = empty(shape, arrays[0].dtype), arguments.axis(dim, len(shape))
    start, step = 0, count(shape[dim:])
    for array in arrays:
        length = count(array.shape[dim:])
        _copy(contiguous(array), result, length, (0, length), (start, step), count(shape[:dim]))
        start += length
    return result


@operator
def concatenate_backward(
    grad_output: np.ndarray, input_shapes: Sequence[tuple[int, ...]], dim: int = 0
) -> tuple[np.ndarray, ...]:
    """Each array gets its part of the gradient. See `numpy_ops.concatenate_backward`."""
    grad = contiguous(shared._check_concatenate_backward(grad_output, input_shapes, dim))
    dim, results, start = arguments.axis(dim, grad.ndim), [], 0
    for shape in input_shapes:
        results.append(empty(tuple(shape), grad.dtype))
        length = count(shape[dim:])
        _copy(grad, results[-1], length, (start, count(grad.shape[dim:])), (0, length), count(shape[:dim]))
        start += length
    return tuple(results)


def _copy(
    source: np.ndarray, target: np.ndarray, length: int, read: tuple[int, int], write: tuple[int, int], outer: int
) -> None:
    """`read` and `write` are (first number, numbers from piece to piece)."""
    threads: Threads = over_planes(outer, 1, length)
    kernels("copy_pieces", source.dtype, threads, source, target, length, *read, *write, outer)

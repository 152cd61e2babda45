"""Max unpooling equals PyTorch's, forward and backward, puts back what max pooling took, and refuses the rest."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st

from segedu import compare
from tests.loops import unpooling as loops
from tests.values import KINDS, draw

SHAPES = [(2, 3, 7, 8), (3, 9, 5), (0, 2, 6, 6), (1, 1, 1, 1)]


def unpool_agrees(ops, x, indices, *args, **kwargs):
    compare.with_torch(
        ops.max_unpool2d,
        x,
        indices,
        *args,
        backward=lambda grad: ops.max_unpool2d_backward(grad, indices),
        **kwargs,
    ).check()


def distinct_indices(rng, shape, pixels):
    """Indices of which no two in a plane are the same, in any order."""
    planes = [rng.permutation(pixels)[: shape[-2] * shape[-1]] for _ in range(int(np.prod(shape[:-2])))]
    return np.array(planes, np.int64).reshape(shape)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kernel_size", [1, 2, 3, (2, 3), (4, 2)], ids=str)
@pytest.mark.parametrize("stride", [None, 2, (3, 2)], ids=str)
def test_max_unpool2d_equals_pytorch(ops, rng, shape, kernel_size, stride):
    tried = 0
    for padding, kind in itertools.product([0, 1, (1, 0)], KINDS):
        dtype = (np.float32, np.float64)[tried % 2]
        try:
            blank = torch.zeros(1, *shape[-2:])
            size = F.max_unpool2d(blank, blank.long(), kernel_size, stride, padding).shape[-2:]
        except (RuntimeError, ValueError):
            continue
        if size.numel() >= shape[-2] * shape[-1]:
            indices = distinct_indices(rng, shape, size.numel())
            unpool_agrees(ops, draw(rng, shape, kind, dtype), indices, kernel_size, stride, padding)
            tried += 1
    assert tried >= 4 or kernel_size == 1


@given(st.data())
def test_pooling_then_unpooling_equals_pytorch_on_drawn_arguments(ops, data):
    kernel = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)), label="kernel_size")
    stride = tuple(data.draw(st.integers(1, k), label="stride") for k in kernel)
    padding = tuple(data.draw(st.integers(0, k // 2), label="padding") for k in kernel)
    plane = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)), label="plane")
    assume(all(n + 2 * p >= k for n, p, k in zip(plane, padding, kernel, strict=True)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]), label="dtype")
    x = draw(rng, (data.draw(st.integers(0, 2)), 2, *plane), "normal", dtype)
    values, indices = ops.max_pool2d(x, kernel, stride, padding, return_indices=True)
    unpool_agrees(ops, values, indices, kernel, stride, padding, x.shape)


def test_max_unpool2d_equals_the_definition_in_loops(ops, rng):
    x = draw(rng, (1, 3, 4), "normal", np.float64)
    indices = rng.integers(0, 6 * 8, x.shape)
    assert np.array_equal(ops.max_unpool2d(x, indices, 2)[0], loops.max_unpool(x[0], indices[0], (6, 8)))


def test_the_last_value_wins_where_indices_name_one_place(ops):
    x = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    indices = np.array([[[0, 5], [5, 0]]])
    y = ops.max_unpool2d(x, indices, 2)
    assert (y[0, 0, 0], y[0, 1, 1]) == (4, 3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # PyTorch's threads race for one place
    try:
        unpool_agrees(ops, x, indices, 2)
    finally:
        torch.set_num_threads(threads)


def test_unpooling_puts_the_maxima_back_and_pooling_takes_them_again(ops, rng):
    x = 0.1 + rng.random((2, 3, 8, 6))
    values, indices = ops.max_pool2d(x, 2, return_indices=True)
    y = ops.max_unpool2d(values, indices, 2)
    assert np.array_equal(y[y != 0], x[y != 0])
    assert (y != 0).sum() == values.size
    again, same = ops.max_pool2d(y, 2, return_indices=True)
    assert np.array_equal(again, values)
    assert np.array_equal(same, indices)


@pytest.mark.parametrize("plane", [(9, 7), (8, 7), (9, 6)], ids=str)
def test_output_size_gives_odd_sizes_back(ops, rng, plane):
    x = rng.standard_normal((2, 2, *plane))
    values, indices = ops.max_pool2d(x, 2, return_indices=True)
    for output_size in (plane, list(plane), x.shape, (5, 5, *plane)):
        assert ops.max_unpool2d(values, indices, 2, output_size=output_size).shape == x.shape
        unpool_agrees(ops, values, indices, 2, output_size=output_size)


def test_large_planes_are_unpooled_alike(ops, rng):
    x = draw(rng, (2, 3, 257, 300), "special")
    values, indices = ops.max_pool2d(x, 3, 2, 1, return_indices=True)
    values, indices = values[..., ::2, ::2], indices[..., ::2, ::2]  # no overlap; non-contiguous
    unpool_agrees(ops, values, indices, 4, 4, 0, (1, 1, 259, 300))


def test_gradient_equals_finite_differences(ops, rng):
    x = rng.standard_normal((2, 2, 3, 4))
    indices = distinct_indices(rng, x.shape, 7 * 9)
    grad = rng.standard_normal((2, 2, 7, 9))
    compare.with_finite_differences(
        lambda x: ops.max_unpool2d(x, indices, 2, output_size=(7, 9)),
        [x],
        [ops.max_unpool2d_backward(grad, indices)],
        grad_output=grad,
    ).check()


def test_the_gradient_of_unpooling_is_pooling_of_the_gradient_at_the_indices(ops, rng):
    x = rng.standard_normal((1, 2, 6, 6))
    values, indices = ops.max_pool2d(x, 3, return_indices=True)
    assert np.array_equal(ops.max_unpool2d_backward(x, indices), values)


REFUSALS = [
    ({"kernel_size": 2, "output_size": (8, 8)}, ValueError, r"output_size=\(8, 8\) must lie in 3…5 × 5…7"),
    ({"kernel_size": 2, "output_size": (2, 6)}, ValueError, "output_size=.* must lie in"),
    ({"kernel_size": 2, "output_size": (4, 6, 1)}, ValueError, "output_size=.* 2 integers"),
    ({"kernel_size": 2, "output_size": 4}, TypeError, "output_size=4 must be a tuple or list"),
    ({"kernel_size": 2, "output_size": (4, 6.0)}, TypeError, "each of output_size=6.0 must be an integer"),
    ({"kernel_size": 2.0}, TypeError, "kernel_size=2.0 must be an integer"),
    ({"kernel_size": 4, "stride": 1, "padding": 3}, ValueError, "padding=3 leaves -1×0 pixels"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), REFUSALS, ids=str)
def test_max_unpool2d_refuses_what_pytorch_refuses(ops, arguments, error, words):
    indices = np.zeros((1, 2, 3), np.int64)
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        F.max_unpool2d(torch.zeros(1, 2, 3), torch.from_numpy(indices), **arguments)
    with pytest.raises(error, match=words):
        ops.max_unpool2d(np.zeros((1, 2, 3)), indices, **arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kernel_size": 0}, "kernel_size=0 must be at least 1"),
        ({"kernel_size": 2, "stride": 0}, "stride=0 must be at least 1"),
        ({"kernel_size": 2, "padding": -1}, "padding=-1 must be at least 0"),
        ({"kernel_size": 2, "padding": 2}, "padding=2 leaves 0×2 pixels"),
    ],
    ids=str,
)
def test_max_unpool2d_refuses_what_no_pooling_has(ops, arguments, words):
    with pytest.raises(ValueError, match=words):
        ops.max_unpool2d(np.zeros((1, 2, 3)), np.zeros((1, 2, 3), np.int64), **arguments)


@pytest.mark.parametrize("index", [-1, 24, 2**40, -(2**40)])
def test_indices_outside_the_output_are_refused(ops, index):
    indices = np.array([[[0, 1, 2], [3, 4, index]]])
    with pytest.raises(RuntimeError):
        F.max_unpool2d(torch.zeros(1, 2, 3), torch.from_numpy(indices), 2)
    with pytest.raises(ValueError, match=r"indices must lie in 0…23, the pixels of a 4×6 plane"):
        ops.max_unpool2d(np.zeros((1, 2, 3)), indices, 2)
    with pytest.raises(ValueError, match=r"indices must lie in 0…23"):
        ops.max_unpool2d_backward(np.zeros((1, 4, 6)), indices)


@pytest.mark.parametrize("shape", [(4, 4), (1, 1, 1, 4, 4), (1, 0, 4, 4), (1, 1, 0, 4)], ids=str)
def test_what_is_no_batch_of_images_is_refused(ops, shape):
    with pytest.raises(RuntimeError):
        F.max_unpool2d(torch.zeros(shape), torch.zeros(shape).long(), 2)
    with pytest.raises(ValueError, match="x has shape"):
        ops.max_unpool2d(np.zeros(shape), np.zeros(shape, np.int64), 2)


def test_shapes_and_dtypes_that_disagree_are_refused(ops):
    x, indices = np.zeros((1, 2, 2)), np.zeros((1, 2, 2), np.int64)
    with pytest.raises(ValueError, match="indices has shape"):
        ops.max_unpool2d(x, indices[:, :1], 2)
    with pytest.raises(ValueError, match="indices has shape"):
        ops.max_unpool2d_backward(np.zeros((2, 4, 4)), indices)
    with pytest.raises(TypeError, match="indices has dtype int32"):
        ops.max_unpool2d(x, indices.astype(np.int32), 2)
    with pytest.raises(TypeError, match="indices must be a NumPy array"):
        ops.max_unpool2d(x, indices.tolist(), 2)
    with pytest.raises(TypeError, match="x has dtype int64"):
        ops.max_unpool2d(indices, indices, 2)

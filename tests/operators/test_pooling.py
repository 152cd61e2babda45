"""Pooling equals PyTorch's, forward and backward, for every legal argument, and refuses the others."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from segedu import compare
from tests.loops import pooling as loops
from tests.values import KINDS, draw

KERNELS = [1, 2, 3, (2, 3), (3, 1)]
STRIDES = [None, 1, 2, (3, 2)]
SHAPES = [(2, 3, 7, 8), (3, 9, 5), (0, 2, 6, 6), (1, 1, 3, 3)]


def legal(shape, kernel_size, stride, padding, dilation, ceil_mode):
    """Whether PyTorch pools with these arguments, and every window meets the image."""
    try:
        y = F.max_pool2d(torch.zeros(1, 1, *shape[-2:]), kernel_size, stride, padding, dilation, ceil_mode)
    except RuntimeError:
        return False
    return y.numel() > 0 and bool(torch.isfinite(y).all())


def max_pool_agrees(ops, x, **kwargs):
    values, indices = ops.max_pool2d(x, return_indices=True, **kwargs)
    compare.with_torch(
        ops.max_pool2d,
        x,
        return_indices=True,
        backward=lambda grad: ops.max_pool2d_backward(grad, indices, x.shape),
        **kwargs,
    ).check()
    without_indices = ops.max_pool2d(x, **kwargs)
    assert np.array_equal(values, without_indices, equal_nan=True)
    assert indices.dtype == np.int64


def avg_pool_agrees(ops, x, **kwargs):
    compare.with_torch(
        ops.avg_pool2d, x, backward=lambda grad: ops.avg_pool2d_backward(grad, x.shape, **kwargs), **kwargs
    ).check()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("kernel_size", KERNELS, ids=str)
class TestGridOfArguments:
    def test_max_pool2d_equals_pytorch(self, ops, rng, shape, kernel_size, ceil_mode):
        tried = 0
        for stride, padding, dilation in itertools.product(STRIDES, [0, 1, (1, 0)], [1, 2, (1, 3)]):
            if legal(shape, kernel_size, stride, padding, dilation, ceil_mode):
                x = draw(rng, shape, KINDS[tried % len(KINDS)], dtype=(np.float32, np.float64)[tried % 2])
                max_pool_agrees(
                    ops,
                    x,
                    kernel_size=kernel_size,
                    stride=stride,
                    padding=padding,
                    dilation=dilation,
                    ceil_mode=ceil_mode,
                )
                tried += 1
        assert tried >= 4

    def test_avg_pool2d_equals_pytorch(self, ops, rng, shape, kernel_size, ceil_mode):
        tried = 0
        for stride, padding, include in itertools.product(STRIDES, [0, 1, (1, 0)], [True, False]):
            if legal(shape, kernel_size, stride, padding, 1, ceil_mode):
                x = draw(rng, shape, ("normal", "strided")[tried % 2], dtype=(np.float32, np.float64)[tried % 2])
                avg_pool_agrees(
                    ops,
                    x,
                    kernel_size=kernel_size,
                    stride=stride,
                    padding=padding,
                    ceil_mode=ceil_mode,
                    count_include_pad=include,
                    divisor_override=(None, 3, -2)[tried % 3],
                )
                tried += 1
        assert tried >= 8


@given(st.data())
def test_max_pool2d_equals_pytorch_on_drawn_arguments(ops, data):
    x, arguments = drawn_case(data)
    max_pool_agrees(ops, x, **arguments)


@given(st.data())
def test_avg_pool2d_equals_pytorch_on_drawn_arguments(ops, data):
    x, arguments = drawn_case(data)
    del arguments["dilation"]
    if legal(x.shape, arguments["kernel_size"], arguments["stride"], arguments["padding"], 1, arguments["ceil_mode"]):
        include = data.draw(st.booleans(), label="count_include_pad")
        avg_pool_agrees(ops, np.nan_to_num(x, nan=0.5, posinf=2, neginf=-3), count_include_pad=include, **arguments)


def drawn_case(data):
    """A shape, legal arguments and values, all drawn by Hypothesis."""
    from hypothesis import assume

    size = st.integers(1, 3)
    kernel = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)), label="kernel_size")
    arguments = {
        "kernel_size": kernel,
        "stride": data.draw(st.none() | st.tuples(size, size), label="stride"),
        "padding": tuple(data.draw(st.integers(0, k // 2), label="padding") for k in kernel),
        "dilation": data.draw(st.tuples(size, size), label="dilation"),
        "ceil_mode": data.draw(st.booleans(), label="ceil_mode"),
    }
    plane = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)), label="plane")
    shape = (data.draw(st.integers(0, 2), label="batch"), data.draw(st.integers(1, 3), label="channels"), *plane)
    assume(legal(shape, **arguments))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    kind = data.draw(st.sampled_from(KINDS), label="kind")
    return draw(rng, shape, kind, data.draw(st.sampled_from([np.float32, np.float64]))), arguments


def test_max_pool2d_equals_the_definition_in_loops(ops, rng):
    for kernel, stride, padding, dilation in [((2, 2), (2, 2), (0, 0), (1, 1)), ((3, 2), (1, 2), (1, 1), (2, 1))]:
        x = draw(rng, (1, 6, 7), "ties", np.float64)
        values, indices = ops.max_pool2d(x, kernel, stride, padding, dilation, return_indices=True)
        expected = loops.max_pool(x[0], kernel, stride, padding, dilation)
        assert len(expected) == values.size
        for (i, j), (value, index) in expected.items():
            assert (values[0, i, j], indices[0, i, j]) == (value, index)


@pytest.mark.parametrize("include", [True, False])
def test_avg_pool2d_equals_the_definition_in_loops(ops, rng, include):
    x = draw(rng, (1, 7, 6), dtype=np.float64)
    y = ops.avg_pool2d(x, (3, 2), (2, 1), (1, 1), count_include_pad=include)
    expected = loops.avg_pool(x[0], (3, 2), (2, 1), (1, 1), include)
    assert len(expected) == y.size
    for (i, j), value in expected.items():
        assert y[0, i, j] == pytest.approx(value, rel=1e-14)


def test_first_maximum_wins_a_tie(ops):
    _, indices = ops.max_pool2d(np.full((1, 4, 4), 7.0), 3, stride=1, return_indices=True)
    assert indices.tolist() == [[[0, 1], [4, 5]]]


def test_a_nan_beats_every_number_and_the_last_nan_wins(ops):
    x = np.array([[[np.nan, np.inf], [np.nan, 1.0]]])
    values, indices = ops.max_pool2d(x, 2, return_indices=True)
    assert np.isnan(values).all()
    assert indices.item() == 2


def test_padding_never_wins_even_over_minus_infinity(ops):
    x = np.full((1, 2, 2), -np.inf)
    _, indices = ops.max_pool2d(x, 2, stride=1, padding=1, return_indices=True)
    assert indices.tolist() == [[[0, 0, 1], [0, 0, 1], [2, 2, 3]]]


def test_planes_larger_than_a_block_are_pooled_alike(ops, rng):
    max_pool_agrees(ops, draw(rng, (2, 3, 257, 300), "special"), kernel_size=3, stride=2, padding=1)
    avg_pool_agrees(ops, draw(rng, (2, 3, 257, 300)), kernel_size=3, stride=2, padding=1)


@pytest.mark.parametrize("shape", [(2, 3, 7, 8), (3, 5, 11), (0, 1, 4, 4), (1, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("output_size", [1, 3, (2, 5), (None, 2), (9, 1), (3, None)], ids=str)
def test_adaptive_avg_pool2d_equals_pytorch(ops, rng, shape, output_size):
    for kind, dtype in itertools.product(("normal", "strided", "special"), (np.float32, np.float64)):
        x = draw(rng, shape, kind, dtype)
        compare.with_torch(
            ops.adaptive_avg_pool2d,
            x,
            output_size,
            backward=lambda g, x=x: ops.adaptive_avg_pool2d_backward(g, x.shape),
        ).check()


class TestGradientsByFiniteDifferences:
    def test_max_pool2d(self, ops, rng):
        x = rng.permutation(2 * 6 * 7).reshape(1, 2, 6, 7).astype(np.float64)  # no ties: the maximum is smooth nearby
        grad = rng.standard_normal((1, 2, 3, 3))
        _, indices = ops.max_pool2d(x, 3, 2, 1, return_indices=True, ceil_mode=False)
        grad = rng.standard_normal(indices.shape)
        gradient = ops.max_pool2d_backward(grad, indices, x.shape)
        compare.with_finite_differences(lambda x: ops.max_pool2d(x, 3, 2, 1), [x], [gradient], grad_output=grad).check()

    def test_avg_pool2d(self, ops, rng):
        x = rng.standard_normal((2, 2, 6, 5))
        options = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}
        grad = rng.standard_normal(ops.avg_pool2d(x, **options).shape)
        gradient = ops.avg_pool2d_backward(grad, x.shape, **options)
        compare.with_finite_differences(
            lambda x: ops.avg_pool2d(x, **options), [x], [gradient], grad_output=grad
        ).check()

    def test_adaptive_avg_pool2d(self, ops, rng):
        x = rng.standard_normal((1, 2, 7, 5))
        grad = rng.standard_normal((1, 2, 3, 2))
        gradient = ops.adaptive_avg_pool2d_backward(grad, x.shape)
        compare.with_finite_differences(
            lambda x: ops.adaptive_avg_pool2d(x, (3, 2)), [x], [gradient], grad_output=grad
        ).check()


REFUSALS = [
    ({"kernel_size": 4, "padding": 3}, ValueError, "padding=3 must be at most half of kernel_size=4"),
    ({"kernel_size": (4, 2), "padding": (2, 2)}, ValueError, "padding=.* half of kernel_size="),
    ({"kernel_size": 2, "padding": -1}, ValueError, "padding=-1 must be at least 0"),
    ({"kernel_size": 0}, ValueError, "kernel_size=0 must be at least 1"),
    ({"kernel_size": 2, "stride": 0}, ValueError, "stride=0 must be at least 1"),
    ({"kernel_size": 2.0}, TypeError, "kernel_size=2.0 must be an integer"),
    ({"kernel_size": True}, TypeError, "kernel_size=True must be an integer"),
    ({"kernel_size": (1, 2, 3)}, ValueError, "kernel_size=.* two"),
    ({"kernel_size": (2, 0)}, ValueError, "kernel_size=.* at least 1"),
    ({"kernel_size": 9}, ValueError, "kernel_size=.* must fit into the padded input, 8×8"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), REFUSALS, ids=str)
@pytest.mark.parametrize("operator", ["max_pool2d", "avg_pool2d"])
def test_pooling_refuses_what_pytorch_refuses(ops, operator, arguments, error, words):
    with pytest.raises((RuntimeError, TypeError)):
        getattr(F, operator)(torch.zeros(1, 1, 8, 8), **arguments)
    with pytest.raises(error, match=words):
        getattr(ops, operator)(np.zeros((1, 1, 8, 8)), **arguments)


@pytest.mark.parametrize("shape", [(8, 8), (1, 1, 1, 8, 8), (1, 0, 8, 8), (1, 1, 0, 8)], ids=str)
def test_pooling_refuses_what_is_no_batch_of_images(ops, shape):
    for operator in (ops.max_pool2d, ops.avg_pool2d):
        with pytest.raises(ValueError, match="x has shape"):
            operator(np.zeros(shape), 2)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float16, bool])
def test_pooling_refuses_other_dtypes(ops, dtype):
    for operator in (ops.max_pool2d, ops.avg_pool2d, ops.adaptive_avg_pool2d):
        with pytest.raises(TypeError, match=r"x has dtype .* must be float32 or float64"):
            operator(np.zeros((1, 4, 4), dtype), 2)


def test_max_pool2d_refuses_zero_dilation(ops):
    with pytest.raises(ValueError, match="dilation=0 must be at least 1"):
        ops.max_pool2d(np.zeros((1, 4, 4)), 2, dilation=0)


def test_max_pool2d_refuses_a_window_that_misses_the_image(ops):
    values, indices = F.max_pool2d(torch.zeros(1, 2, 1), 2, 1, (0, 1), (1, 2), return_indices=True)
    assert (values.item(), indices.item()) == (
        -np.inf,
        1,
    )  # PyTorch: the pixel of the next row, which the window missed
    with pytest.raises(ValueError, match="every window must meet the image"):
        ops.max_pool2d(np.zeros((1, 2, 1)), 2, 1, (0, 1), (1, 2), return_indices=True)


def test_avg_pool2d_refuses_a_zero_divisor(ops):
    with pytest.raises(ValueError, match="divisor_override=0"):
        ops.avg_pool2d(np.zeros((1, 4, 4)), 2, divisor_override=0)


def test_adaptive_avg_pool2d_refuses_a_negative_size(ops):
    with pytest.raises(ValueError, match=r"output_size=.* at least 0"):
        ops.adaptive_avg_pool2d(np.zeros((1, 4, 4)), (-1, 2))


def test_max_pool2d_backward_refuses_indices_outside_the_plane(ops):
    for index in (-1, 16):
        with pytest.raises(ValueError, match=r"indices must lie in 0…15"):
            ops.max_pool2d_backward(np.ones((1, 1, 1)), np.array([[[index]]]), (1, 4, 4))


def test_backward_refuses_shapes_that_disagree(ops):
    with pytest.raises(ValueError, match="indices has shape"):
        ops.max_pool2d_backward(np.ones((1, 2, 2)), np.zeros((1, 2, 3), np.int64), (1, 4, 4))
    with pytest.raises(ValueError, match="input_shape"):
        ops.max_pool2d_backward(np.ones((1, 2, 2)), np.zeros((1, 2, 2), np.int64), (2, 4, 4))
    with pytest.raises(ValueError, match="grad_output has shape"):
        ops.avg_pool2d_backward(np.ones((1, 2, 3)), (1, 4, 4), 2)

"""Kernels stay inside their arrays at shapes that nobody chose: drawn, and run in check mode."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segedu import compare, cuda_ops, numpy_ops
from tests.cuda.kernels import needs_compiler

pytestmark = needs_compiler
SIDE = st.integers(1, 9)
IMAGES = st.tuples(st.integers(0, 2), st.integers(1, 3), SIDE, SIDE)
ORDERS = st.sampled_from(["forward", "reverse"])


@pytest.fixture(scope="module")
def compiled():
    """The kernels are compiled before the clock of Hypothesis runs."""
    x = np.ones((1, 1, 3, 3), np.float32)
    with cuda_ops.mode("check"):
        cuda_ops.interpolate(x, (2, 2)), cuda_ops.softmax(x, 1), cuda_ops.avg_pool2d(x, 2), cuda_ops.conv2d(x, x)


def agree(name, order, *args, length=100, **options):
    expected = getattr(numpy_ops, name)(*args, **options)
    with cuda_ops.mode("check", order=order):
        result = getattr(cuda_ops, name)(*args, **options)
    for ours, theirs in zip(*(r if isinstance(r, tuple) else (r,) for r in (result, expected)), strict=True):
        if theirs is not None:
            compare.arrays(ours, theirs, length=length).check()


def image(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@given(IMAGES, SIDE, SIDE, st.sampled_from(["nearest", "bilinear"]), ORDERS)
def test_interpolation_to_any_size(compiled, shape, height, width, mode, order):
    agree("interpolate", order, image(shape, 1), (height, width), mode=mode)
    agree("interpolate_backward", order, image((*shape[:2], height, width), 2), shape, (height, width), mode=mode)


@given(IMAGES, st.integers(0, 3), ORDERS)
def test_softmax_over_any_axis(compiled, shape, dim, order):
    agree("softmax", order, image(shape, 3), dim)


@given(IMAGES, st.integers(1, 3), st.integers(1, 3), ORDERS)
def test_pooling_windows_of_any_size(compiled, shape, kernel, stride, order):
    x = image((*shape[:2], shape[2] + 2, shape[3] + 2), 4)
    agree("avg_pool2d", order, x, kernel, stride)
    agree("max_pool2d", order, x, kernel, stride, return_indices=True)


@given(IMAGES, st.integers(1, 20), st.integers(1, 3), st.integers(1, 2), ORDERS)
def test_convolution_with_any_number_of_filters(compiled, shape, filters, kernel, stride, order):
    x, weight = image(shape, 5), image((filters, shape[1], kernel, kernel), 6)
    agree("conv2d", order, x, weight, stride=stride, padding=kernel // 2 + 1)

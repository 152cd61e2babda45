"""Interpolation and pixel shuffle equal PyTorch's, forward and backward, at every size, and refuse the rest."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st

from segedu import compare, numpy_ops
from tests.loops import upsampling as loops
from tests.values import KINDS, draw

MODES = [{"mode": "nearest"}, {"mode": "bilinear", "align_corners": False}, {"mode": "bilinear", "align_corners": True}]
SIZES = [1, 3, (2, 5), (14, 16), (7, 16), (31, 17), (64, 6)]
SCALES = [1, 2, 1.5, 1.1, (2, 3), (0.5, 1.7), (0.7, 0.3), 1.25, 2.9, 1.9999, (2.1, 2), 1 / 3, 8]
NEW_SIZES = [{"size": size} for size in SIZES] + [{"scale_factor": scale} for scale in SCALES]


def agrees(ops, x, **kwargs):
    if ops is not numpy_ops and kwargs.get("mode") == "bilinear" and x.dtype == np.float64:
        # Whether a weight is 0 or 1e-17, so 0·∞ = NaN or ∞, hangs on the rounding of a coordinate. PyTorch rounds in
        # two ways, depending on the shape; the kernels round in one.
        x = np.nan_to_num(x, nan=0.5, posinf=2, neginf=-3)
    compare.with_torch(
        ops.interpolate,
        x,
        backward=None if x.dtype == np.float32 else lambda grad: ops.interpolate_backward(grad, x.shape, **kwargs),
        **kwargs,
    ).check()


def legal(shape, **kwargs):
    try:
        F.interpolate(torch.zeros(shape), **kwargs)
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("shape", [(2, 3, 7, 8), (1, 2, 5, 4), (0, 2, 6, 6), (1, 1, 1, 1), (1, 1, 2, 1)], ids=str)
class TestGridOfArguments:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_interpolate_equals_pytorch(self, ops, rng, shape, mode, dtype):
        for number, kwargs in enumerate(NEW_SIZES):
            if legal(shape, **kwargs, **mode):
                agrees(ops, draw(rng, shape, KINDS[number % len(KINDS)], dtype), **kwargs, **mode)

    def test_interpolate_equals_pytorch_with_recomputed_scale_factors(self, ops, rng, shape, mode):
        for scale in SCALES:
            kwargs = {"scale_factor": scale, "recompute_scale_factor": True}
            if legal(shape, **kwargs, **mode):
                agrees(ops, draw(rng, shape, "normal", np.float64), **kwargs, **mode)


@given(st.data())
def test_interpolate_equals_pytorch_on_drawn_arguments(ops, data):
    mode = data.draw(st.sampled_from(MODES), label="mode")
    plane = data.draw(st.tuples(st.integers(1, 20), st.integers(1, 20)), label="plane")
    sizes = st.tuples(st.integers(1, 40), st.integers(1, 40)).map(lambda size: {"size": size})
    factor = st.floats(0.1, 4) | st.sampled_from([0.5, 1.0, 1.2, 2.0, 3.0])
    scales = st.tuples(factor, factor, st.booleans()).map(
        lambda drawn: {"scale_factor": drawn[:2], "recompute_scale_factor": drawn[2]}
    )
    kwargs = data.draw(sizes | scales, label="new size") | mode
    shape = (data.draw(st.integers(0, 2), label="batch"), data.draw(st.integers(1, 3), label="channels"), *plane)
    assume(legal(shape, **kwargs))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]), label="dtype")
    agrees(ops, draw(rng, shape, data.draw(st.sampled_from(KINDS), label="kind"), dtype), **kwargs)


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("factor", [2, 3, 0.5, 1.7])
def test_planes_larger_than_a_block_are_interpolated_alike(ops, rng, mode, factor):
    for dtype in (np.float32, np.float64):
        agrees(ops, draw(rng, (1, 3, 71, 64), "strided", dtype), scale_factor=factor, **mode)
    agrees(ops, draw(rng, (1, 2, 301, 264), "special"), scale_factor=factor, **mode)


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("size", [(3, 4), (10, 8), (4, 11), (1, 2)], ids=str)
def test_interpolate_equals_the_definition_in_loops(ops, rng, mode, size):
    x = draw(rng, (1, 1, 5, 4), "normal", np.float64)
    expected = loops.interpolate(x[0, 0], size, (None, None), **mode)
    assert np.allclose(ops.interpolate(x, size, **mode)[0, 0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", MODES[:2], ids=str)
def test_a_scale_factor_decides_the_coordinates_itself(ops, rng, mode):
    x = draw(rng, (1, 1, 5, 4), "normal", np.float64)
    expected = loops.interpolate(x[0, 0], (8, 5), (1.7, 1.4), **mode)
    y = ops.interpolate(x, scale_factor=(1.7, 1.4), **mode)
    assert np.allclose(y[0, 0], expected, rtol=1e-12, atol=1e-12)
    assert not np.allclose(y, ops.interpolate(x, size=(8, 5), **mode))


def test_nearest_repeats_pixels_as_np_repeat_does(ops, rng):
    x = draw(rng, (2, 3, 5, 4), "special")
    for rows, columns in [(2, 2), (3, 1), (1, 4), (5, 3)]:
        y = ops.interpolate(x, scale_factor=(rows, columns))
        assert np.array_equal(y, x.repeat(rows, 2).repeat(columns, 3), equal_nan=True)


def test_nearest_takes_the_pixel_of_a_step_in_float32(ops, rng):
    """A step in float64 would name another pixel at these sizes."""
    for size, output in [(26, 22), (14, 46), (45, 39)]:
        for dtype in (np.float32, np.float64):
            agrees(ops, draw(rng, (1, 1, size, 3), "normal", dtype), size=(output, 3))


def test_bilinear_reproduces_a_plane(ops):
    rows, columns = np.mgrid[:5, :6].astype(np.float64)
    y = ops.interpolate((3 * rows - 2 * columns + 1)[None, None], (9, 11), mode="bilinear", align_corners=True)
    rows, columns = np.mgrid[:9, :11] / 2
    assert np.allclose(y[0, 0], 3 * rows - 2 * columns + 1)


def test_bilinear_without_align_corners_keeps_the_mean_of_a_doubled_image(ops, rng):
    x = rng.standard_normal((1, 2, 6, 5))
    assert np.isclose(ops.interpolate(x, scale_factor=2, mode="bilinear").mean(), x.mean())


def test_a_nan_reaches_its_neighbours_only(ops):
    x = np.zeros((1, 1, 9, 9))
    x[0, 0, 4, 4] = np.nan
    y = ops.interpolate(x, size=(27, 23), mode="bilinear", align_corners=False)
    assert 0 < np.isnan(y).sum() < 60
    grad = np.zeros((1, 1, 27, 27))
    grad[0, 0, 13, 13] = np.nan
    assert np.isnan(ops.interpolate_backward(grad, x.shape, (27, 27), mode="bilinear")).sum() <= 4


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("kwargs", [{"size": (7, 3)}, {"scale_factor": 2}, {"scale_factor": (0.6, 2.3)}], ids=str)
def test_gradient_equals_finite_differences(ops, rng, mode, kwargs):
    kwargs = kwargs | mode
    x = rng.standard_normal((1, 2, 5, 4))
    grad = rng.standard_normal(ops.interpolate(x, **kwargs).shape)
    gradient = ops.interpolate_backward(grad, x.shape, **kwargs)
    compare.with_finite_differences(lambda x: ops.interpolate(x, **kwargs), [x], [gradient], grad_output=grad).check()


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_the_gradient_is_the_transposed_interpolation(ops, rng, mode):
    """⟨A x, g⟩ = ⟨x, Aᵀ g⟩, in float32 too."""
    for kwargs in NEW_SIZES:
        x = draw(rng, (1, 2, 7, 8))
        if legal(x.shape, **kwargs):
            y = ops.interpolate(x, **kwargs, **mode)
            grad = draw(rng, y.shape)
            gradient = ops.interpolate_backward(grad, x.shape, **kwargs, **mode)
            assert gradient.dtype == np.float32
            assert np.vdot(y, grad) == pytest.approx(np.vdot(x, gradient), rel=1e-4, abs=1e-3)


REFUSALS = [
    ({}, ValueError, "exactly one"),
    ({"size": 3, "scale_factor": 2}, ValueError, "exactly one"),
    ({"size": 0}, ValueError, "size=0 must be at least 1"),
    ({"size": (3, -1)}, ValueError, "size=.* at least 1"),
    ({"size": 2.5}, TypeError, "size=2.5 must be an integer"),
    ({"size": (3, 3, 3)}, ValueError, "size=.* two"),
    ({"size": (3,)}, ValueError, "size=.* two"),
    ({"scale_factor": (2,)}, ValueError, "scale_factor=.* two"),
    ({"scale_factor": 0.1}, ValueError, "scale_factor=0.1 must leave at least one pixel"),
    ({"scale_factor": 0}, ValueError, "scale_factor=0 must be positive"),
    ({"scale_factor": -1.0}, ValueError, "scale_factor=-1.0 must be positive"),
    ({"scale_factor": float("nan")}, ValueError, "scale_factor=nan must be positive"),
    ({"scale_factor": "2"}, TypeError, "scale_factor='2' must be a number"),
    ({"size": 3, "recompute_scale_factor": True}, ValueError, "recompute_scale_factor=True"),
    ({"size": 3, "align_corners": False}, ValueError, "align_corners=False must be None"),
    ({"size": 3, "align_corners": True}, ValueError, "align_corners=True must be None"),
    ({"size": 3, "mode": "linear"}, ValueError, "mode='linear' must be one of 'nearest', 'bilinear'"),
]


@pytest.mark.parametrize(("arguments", "error", "words"), REFUSALS, ids=str)
def test_interpolate_refuses_what_pytorch_refuses(ops, arguments, error, words):
    with pytest.raises((RuntimeError, TypeError, ValueError, NotImplementedError)):
        F.interpolate(torch.zeros(1, 1, 4, 5), **arguments)
    with pytest.raises(error, match=words):
        ops.interpolate(np.zeros((1, 1, 4, 5)), **arguments)
    with pytest.raises(error, match=words):
        ops.interpolate_backward(np.zeros((1, 1, 4, 5)), (1, 1, 4, 5), **arguments)


def test_interpolate_refuses_other_modes_by_naming_the_two(ops):
    for mode in ("bicubic", "area", "nearest-exact"):
        with pytest.raises(ValueError, match="'nearest', 'bilinear'"):
            ops.interpolate(np.zeros((1, 1, 4, 4)), 2, mode=mode)


@pytest.mark.parametrize("shape", [(4, 4), (1, 0, 4, 4), (1, 1, 0, 4)], ids=str)
def test_what_is_no_batch_of_images_is_refused(ops, shape):
    for mode in ("nearest", "bilinear"):
        with pytest.raises(ValueError, match="x has shape"):
            ops.interpolate(np.zeros(shape), 2, mode=mode)


def test_one_unbatched_image_is_refused(ops):
    with pytest.raises(NotImplementedError):
        F.interpolate(torch.zeros(1, 4, 4), 2, mode="bilinear")
    with pytest.raises(ValueError):  # noqa: PT011 - for PyTorch it is a batch of rows
        F.interpolate(torch.zeros(1, 4, 4), (2, 2))
    for mode in ("nearest", "bilinear"):
        with pytest.raises(ValueError, match=r"4 dimensions, N×C×H×W: one image is x\[None\]"):
            ops.interpolate(np.zeros((1, 4, 4)), 2, mode=mode)


def test_backward_refuses_shapes_that_disagree(ops):
    with pytest.raises(ValueError, match="grad_output has shape"):
        ops.interpolate_backward(np.zeros((1, 1, 4, 4)), (1, 1, 2, 3), scale_factor=2)
    with pytest.raises(TypeError, match="grad_output has dtype int64"):
        ops.interpolate_backward(np.zeros((1, 1, 4, 4), np.int64), (1, 1, 2, 2), scale_factor=2)


class TestPixelShuffle:
    @pytest.mark.parametrize(
        ("shape", "factor"),
        [
            ((2, 12, 3, 5), 2),
            ((9, 4, 3), 3),
            ((0, 4, 2, 2), 2),
            ((1, 4, 1, 1), 1),
            ((2, 3, 8, 3, 2), 2),
            ((1, 0, 2, 3), 2),
            ((3, 16, 61, 70), 4),
        ],
        ids=str,
    )
    def test_equals_pytorch(self, ops, rng, shape, factor):
        for kind, dtype in itertools.product(KINDS, (np.float32, np.float64)):
            x = draw(rng, shape, kind, dtype)
            backward = (lambda grad: ops.pixel_shuffle_backward(grad, factor)) if x.size else None  # PyTorch's fails
            compare.with_torch(ops.pixel_shuffle, x, factor, backward=backward).check()
            assert ops.pixel_shuffle_backward(ops.pixel_shuffle(x, factor), factor).shape == shape

    def test_equals_the_definition_in_loops(self, ops, rng):
        x = draw(rng, (18, 2, 4), "normal", np.float64)
        assert np.array_equal(ops.pixel_shuffle(x, 3), loops.pixel_shuffle(x, 3))

    def test_backward_undoes_it(self, ops, rng):
        x = draw(rng, (2, 8, 3, 5))
        assert np.array_equal(ops.pixel_shuffle_backward(ops.pixel_shuffle(x, 2), 2), x)

    def test_gradient_equals_finite_differences(self, ops, rng):
        x, grad = rng.standard_normal((1, 8, 2, 3)), rng.standard_normal((1, 2, 4, 6))
        compare.with_finite_differences(
            lambda x: ops.pixel_shuffle(x, 2), [x], [ops.pixel_shuffle_backward(grad, 2)], grad_output=grad
        ).check()

    @pytest.mark.parametrize(
        ("shape", "factor", "error", "words"),
        [
            ((1, 5, 2, 3), 2, ValueError, "x has 5 channels; they must be a multiple of upscale_factor² = 4"),
            ((1, 4, 2, 3), 0, ValueError, "upscale_factor=0 must be at least 1"),
            ((1, 4, 2, 3), 2.0, TypeError, "upscale_factor=2.0 must be an integer"),
            ((4, 3), 2, ValueError, "at least 3 dimensions"),
        ],
        ids=str,
    )
    def test_refuses_what_pytorch_refuses(self, ops, shape, factor, error, words):
        with pytest.raises((RuntimeError, TypeError)):
            F.pixel_shuffle(torch.zeros(shape), factor)
        with pytest.raises(error, match=words):
            ops.pixel_shuffle(np.zeros(shape), factor)

    def test_backward_refuses_what_is_no_multiple(self, ops):
        with pytest.raises(ValueError, match="multiples of upscale_factor=2"):
            ops.pixel_shuffle_backward(np.zeros((1, 4, 5)), 2)

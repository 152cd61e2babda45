"""Transposed convolution equals PyTorch's, forward and backward, for every legal argument, and refuses the others."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from segedu import compare
from segedu.numpy_ops import _strips
from tests.loops import convolution as loops
from tests.values import draw

KERNELS = [1, 2, 3, (2, 3), 4, 16]
SHAPES = [(2, 4, 5, 6), (4, 7, 4), (0, 4, 3, 3), (1, 4, 1, 1), (3, 4, 9, 8)]
KINDS = ("normal", "strided", "special")


def as_pair(value):
    return (value, value) if isinstance(value, int) else value


def legal(shape, weight_shape, **kwargs):
    """Whether PyTorch takes these arguments and leaves a pixel. It checks less for an empty batch: ask for one."""
    try:
        y = F.conv_transpose2d(torch.zeros(1, *shape[-3:]), torch.zeros(weight_shape), **kwargs)
    except RuntimeError:
        return False
    return y.numel() > 0


def conv_transpose2d_agrees(ops, x, weight, bias=None, **kwargs):
    """Values and gradients; only values where x is not finite: ∞ times the 0 of a pixel cut off is NaN in PyTorch's
    gradients, in some of its implementations, and left out here."""
    inputs = (x, weight) if bias is None else (x, weight, bias)
    compare.with_torch(
        ops.conv_transpose2d,
        *inputs,
        backward=lambda grad: ops.conv_transpose2d_backward(grad, x, weight, bias, **kwargs)[: len(inputs)],
        gradients=bool(np.isfinite(x).all()),
        **kwargs,
    ).check()


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_conv_transpose2d_equals_pytorch(ops, rng, kernel, groups):
    """Every stride with every padding and dilation; shapes, memory orders, special values and dtypes in turn."""
    agreed = 0
    strides, paddings, dilations = [1, 2, (3, 1), 8], [0, (1, 0), 4], [1, 2, (1, 3)]
    combinations = itertools.product(strides, paddings, [0, (0, 1)], dilations)
    for turn, (stride, padding, extra, dilation) in enumerate(combinations):
        weight_shape, shape = (4, 2, *as_pair(kernel)), SHAPES[turn % len(SHAPES)]
        options = {
            "stride": stride,
            "padding": padding,
            "output_padding": extra,
            "dilation": dilation,
            "groups": groups,
        }
        if legal(shape, weight_shape, **options):
            kind, dtype = KINDS[turn % 3], (np.float32, np.float64)[turn % 2]
            x, weight = (
                draw(rng, shape, kind, dtype),
                draw(rng, weight_shape, ("strided", "normal")[turn // 2 % 2], dtype),
            )
            bias = draw(rng, (2 * groups,), "strided", dtype) if turn % 4 else None
            conv_transpose2d_agrees(ops, x, weight, bias, **options)
            agreed += 1
    assert agreed >= 10


@given(st.data())
def test_conv_transpose2d_equals_pytorch_on_drawn_arguments(ops, data):
    """Shapes, arguments and values are all drawn; what PyTorch refuses is refused here too."""
    shape, weight_shape, options = drawn_case(data)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]), label="dtype")
    x, weight = draw(rng, shape, data.draw(st.sampled_from(KINDS)), dtype), draw(rng, weight_shape, dtype=dtype)
    if not legal(shape, weight_shape, **options):
        with pytest.raises(ValueError, match="padding"):
            ops.conv_transpose2d(x, weight, **options)
    else:
        filters = weight_shape[1] * options["groups"]
        bias = draw(rng, (filters,), dtype=dtype) if data.draw(st.booleans(), label="bias") else None
        conv_transpose2d_agrees(ops, x, weight, bias, **options)


def drawn_case(data):
    """Shapes of x and weight, and arguments; the kernel is often a multiple of the stride."""
    small, pairs = st.integers(1, 3), lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))
    groups, stride = data.draw(small, label="groups"), data.draw(pairs(1, 3), label="stride")
    multiple = data.draw(st.booleans(), label="kernel is a multiple of stride")
    kernel = data.draw(pairs(1, 3 if multiple else 5), label="kernel")
    if multiple:
        kernel = (kernel[0] * stride[0], kernel[1] * stride[1])
    channels = groups * data.draw(small, label="channels")
    shape = (data.draw(st.integers(0, 3), label="batch"), channels, *data.draw(pairs(1, 8), label="plane"))
    options = {
        "stride": stride,
        "padding": data.draw(pairs(0, 4), label="padding"),
        "output_padding": data.draw(pairs(0, 2), label="output_padding"),
        "dilation": data.draw(st.just((1, 1)) | pairs(1, 3), label="dilation"),
        "groups": groups,
    }
    return shape, (channels, data.draw(small, label="filters"), *kernel), options


def test_conv_transpose2d_equals_the_definition_in_loops(ops, rng):
    for stride, padding, dilation in [((2, 2), (1, 0), (1, 1)), ((3, 1), (1, 2), (1, 2)), ((1, 4), (0, 1), (1, 1))]:
        x, weight, bias = rng.standard_normal((4, 3, 5)), rng.standard_normal((4, 3, 2, 4)), rng.standard_normal(6)
        y = ops.conv_transpose2d(x, weight, bias, stride, padding, groups=2, dilation=dilation)
        expected = loops.conv_transpose2d(x, weight, bias, stride, padding, dilation, 2, y.shape[1:])
        compare.arrays(y, expected, length=16).check()


ADJOINTS = [
    ((2, 3, 6, 7), 2, {"padding": 1}),
    ((2, 3, 6, 7), 3, {"stride": 2, "padding": (1, 0)}),
    ((2, 3, 5, 4), 4, {"stride": (2, 4), "padding": 1}),
    ((1, 3, 6, 6), (3, 2), {"stride": 2, "dilation": (2, 1)}),
]


@pytest.mark.parametrize(("shape", "kernel", "options"), ADJOINTS, ids=str)
def test_it_is_the_gradient_of_the_convolution_with_the_same_filters(ops, rng, shape, kernel, options):
    """⟨conv2d(image), windows⟩ = ⟨image, conv_transpose2d(windows)⟩, and the two agree as arrays."""
    windows, weight = rng.standard_normal(shape), rng.standard_normal((3, 2, *as_pair(kernel)))
    image = ops.conv_transpose2d(windows, weight, **options)
    other = rng.standard_normal(image.shape)
    forward = ops.conv2d(other, weight, **options)
    assert forward.shape == windows.shape
    assert np.vdot(forward, windows) == pytest.approx(np.vdot(other, image), rel=1e-12)
    dx, dweight, _ = ops.conv2d_backward(windows, other, weight, **options)
    compare.arrays(image, dx, length=48).check()
    back, dweight_too, _ = ops.conv_transpose2d_backward(other, windows, weight, **options)
    compare.arrays(back, forward, length=48).check()
    compare.arrays(dweight_too, dweight, length=windows.size).check()


def test_neighbouring_windows_add_where_they_overlap(ops):
    x, weight = np.array([[[1.0, 10.0]]]), np.array([[[[1.0, 2.0, 3.0]]]])
    assert ops.conv_transpose2d(x, weight, stride=(1, 2)).tolist() == [[[1, 2, 13, 20, 30]]]


def test_output_padding_adds_pixels_below_and_right_only(ops, rng):
    x, weight = rng.standard_normal((1, 2, 3, 4)), rng.standard_normal((2, 3, 3, 3))
    plain = ops.conv_transpose2d(x, weight, stride=2, padding=1)
    larger = ops.conv_transpose2d(x, weight, stride=2, padding=1, output_padding=1)
    assert larger.shape == (1, 3, 6, 8)
    compare.arrays(larger[..., :-1, :-1], plain, length=18).check()


@pytest.fixture(params=["one window at a time", "rows of elements", "im2col", "several images", "col2im"])
def form(request, monkeypatch):
    """Each way in which the sums are computed, forced."""
    choose = {
        "one window at a time": {"STRIP_BYTES": 1, "SMALL_IMAGE": 0},
        "rows of elements": {"STRIP_BYTES": 2000, "SMALL_IMAGE": 0, "MIN_ROW_ELEMENTS": 1, "MAX_SUM_RATIO": 1e9},
        "im2col": {"STRIP_BYTES": 2000, "SMALL_IMAGE": 0, "MIN_ROW_ELEMENTS": 1e9},
        "several images": {"STRIP_BYTES": 20000, "SMALL_IMAGE": 1e9},
        "col2im": {"STRIP_BYTES": 2000},
    }
    for name, value in choose[request.param].items():
        monkeypatch.setattr(_strips, name, value)
    if request.param == "col2im":
        monkeypatch.setattr("segedu.numpy_ops._sliding.Sliding.has_phases", False)
    return request.param


CASES = [
    ((3, 4, 7, 6), (4, 3, 2, 2), {"stride": 2}),
    ((3, 4, 7, 6), (4, 3, 4, 4), {"stride": 2, "padding": 1, "groups": 2}),
    ((3, 4, 7, 6), (4, 3, 6, 4), {"stride": (2, 4), "padding": (3, 0), "output_padding": (1, 3)}),
    ((3, 4, 3, 4), (4, 3, 16, 16), {"stride": 8, "padding": 4}),
    ((3, 4, 7, 6), (4, 3, 3, 3), {"padding": 1, "dilation": 2}),
    ((3, 4, 7, 6), (4, 3, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 4}),
    ((3, 4, 7, 6), (4, 3, 1, 1), {}),
]


@pytest.mark.parametrize(("shape", "weight_shape", "options"), CASES, ids=str)
def test_every_form_of_the_sums_equals_pytorch(ops, rng, form, shape, weight_shape, options):
    x, weight = draw(rng, shape, dtype=np.float64), draw(rng, weight_shape, dtype=np.float64)
    bias = draw(rng, (weight_shape[1] * options.get("groups", 1),), dtype=np.float64)
    conv_transpose2d_agrees(ops, x, weight, bias, **options)


@pytest.mark.parametrize(("kernel", "padding"), [(2, 0), (3, 1), (4, 1)])
def test_images_larger_than_a_strip_equal_pytorch(ops, rng, kernel, padding):
    x, weight = draw(rng, (2, 16, 129, 67)), draw(rng, (16, 8, kernel, kernel))
    conv_transpose2d_agrees(ops, x, weight, draw(rng, (8,)), stride=2, padding=padding)


@pytest.mark.parametrize("kernel", [(3, 2), (2, 6)], ids=str)
def test_gradients_by_finite_differences(ops, rng, kernel):
    options = {"stride": (2, 3), "padding": (1, 2), "output_padding": (1, 2), "groups": 2}
    x, weight, bias = rng.standard_normal((2, 4, 3, 4)), rng.standard_normal((4, 3, *kernel)), rng.standard_normal(6)
    grad = rng.standard_normal(ops.conv_transpose2d(x, weight, bias, **options).shape)
    gradients = ops.conv_transpose2d_backward(grad, x, weight, bias, **options)
    compare.with_finite_differences(
        lambda *inputs: ops.conv_transpose2d(*inputs, **options), [x, weight, bias], gradients, grad_output=grad
    ).check()


X, WEIGHT = (1, 4, 5, 6), (4, 3, 3, 3)
REFUSALS = [
    (X, WEIGHT, None, {"padding": -1}, ValueError, "padding=-1 must be at least 0"),
    (X, WEIGHT, None, {"padding": "same"}, TypeError, "padding='same' must be an integer"),
    (X, WEIGHT, None, {"padding": True}, TypeError, "padding=True must be an integer"),
    (X, WEIGHT, None, {"padding": 1.0}, TypeError, "padding=1.0 must be an integer"),
    (X, WEIGHT, None, {"padding": 4}, ValueError, r"padding=.* must leave at least one pixel .* it leaves -1×0"),
    (
        X,
        WEIGHT,
        None,
        {"output_padding": 1},
        ValueError,
        r"output_padding=\(1, 1\) must be smaller than stride=\(1, 1\)",
    ),
    (X, WEIGHT, None, {"output_padding": 2, "stride": 2}, ValueError, "output_padding=.* smaller than stride"),
    (X, WEIGHT, None, {"output_padding": 1, "stride": (2, 1)}, ValueError, "output_padding=.* smaller than stride"),
    (X, WEIGHT, None, {"output_padding": -1, "stride": 2}, ValueError, "output_padding=-1 must be at least 0"),
    (X, WEIGHT, None, {"output_padding": True, "stride": 2}, TypeError, "output_padding=True must be an integer"),
    (X, WEIGHT, None, {"stride": 0}, ValueError, "stride=0 must be at least 1"),
    (X, WEIGHT, None, {"dilation": 0}, ValueError, "dilation=0 must be at least 1"),
    (X, WEIGHT, None, {"groups": 0}, ValueError, "groups=0 must be at least 1"),
    (X, WEIGHT, None, {"groups": 3}, ValueError, "groups=3 must divide the first dimension of weight, 4"),
    (X, (3, 3, 3, 3), None, {}, ValueError, "for 3 input channels with groups=1; x has 4 channels"),
    (X, (3, 3, 3), None, {}, ValueError, "weight has shape .* must have 4 dimensions"),
    (X, (4, 0, 3, 3), None, {}, ValueError, "weight has shape .* at least 1"),
    (X, WEIGHT, (3,), {"groups": 2}, ValueError, r"bias has shape \(3,\); .* each output channel, \(6,\)"),
    (X, WEIGHT, (3, 1), {}, ValueError, "bias has shape"),
    ((5, 6), WEIGHT, None, {}, ValueError, "x has shape"),
    ((1, 1, 4, 5, 6), WEIGHT, None, {}, ValueError, "x has shape"),
    ((1, 4, 0, 6), WEIGHT, None, {}, ValueError, "x has shape"),
]


@pytest.mark.parametrize(("x", "weight", "bias", "options", "error", "words"), REFUSALS, ids=str)
def test_conv_transpose2d_refuses_what_pytorch_refuses(ops, x, weight, bias, options, error, words):
    shapes = (x, weight) if bias is None else (x, weight, bias)
    with pytest.raises((RuntimeError, TypeError)):
        F.conv_transpose2d(*(torch.zeros(shape) for shape in shapes), **options)
    with pytest.raises(error, match=words):
        ops.conv_transpose2d(*(np.zeros(shape) for shape in shapes), **options)


@pytest.mark.parametrize("odd", ["x", "weight", "bias"])
def test_conv_transpose2d_refuses_a_mix_of_dtypes(ops, odd):
    """PyTorch refuses them, too, but for a bias in some of its implementations."""
    shapes = {"x": (1, 2, 4, 4), "weight": (2, 3, 3, 3), "bias": (3,)}
    arrays = {name: np.zeros(shape, np.float64 if name == odd else np.float32) for name, shape in shapes.items()}
    if odd != "bias":
        with pytest.raises(RuntimeError):
            F.conv_transpose2d(*map(torch.from_numpy, arrays.values()))
    with pytest.raises(TypeError, match="all must have one dtype"):
        ops.conv_transpose2d(**arrays)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float16, bool])
@pytest.mark.parametrize("odd", ["x", "weight", "bias"])
def test_conv_transpose2d_refuses_other_dtypes(ops, odd, dtype):
    arrays = {"x": np.zeros((1, 2, 4, 4)), "weight": np.zeros((2, 3, 3, 3)), "bias": np.zeros(3)}
    arrays[odd] = arrays[odd].astype(dtype)
    with pytest.raises(TypeError, match=f"{odd} has dtype .* must be float32 or float64"):
        ops.conv_transpose2d(**arrays)


def test_conv_transpose2d_backward_refuses_a_gradient_that_is_not_like_the_output(ops):
    x, weight = np.zeros((1, 2, 4, 4)), np.zeros((2, 3, 3, 3))
    with pytest.raises(ValueError, match=r"grad_output has shape .* the output, \(1, 3, 6, 6\)"):
        ops.conv_transpose2d_backward(np.zeros((1, 3, 6, 5)), x, weight)
    with pytest.raises(TypeError, match="all must have one dtype"):
        ops.conv_transpose2d_backward(np.zeros((1, 3, 6, 6), np.float32), x, weight)
    with pytest.raises(TypeError, match="grad_output has dtype int64"):
        ops.conv_transpose2d_backward(np.zeros((1, 3, 6, 6), np.int64), x, weight)

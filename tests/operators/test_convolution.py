"""Convolution equals PyTorch's, forward and backward, for every legal argument, and refuses the others."""

import itertools
import warnings

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
SHAPES = [(2, 4, 7, 8), (4, 9, 5), (0, 4, 6, 6), (1, 4, 1, 1), (3, 4, 17, 18)]
KINDS = ("normal", "strided", "special")


def as_pair(value):
    return (value, value) if isinstance(value, int) else value


def legal(function, *shapes, **kwargs):
    """Whether PyTorch takes arrays of these shapes with these arguments."""
    try:
        with warnings.catch_warnings():  # of the copy that 'same' padding of an even kernel may need
            warnings.simplefilter("ignore")
            function(*(torch.zeros(shape) for shape in shapes), **kwargs)
    except RuntimeError:
        return False
    return True


def conv2d_agrees(ops, x, weight, bias=None, **kwargs):
    inputs = (x, weight) if bias is None else (x, weight, bias)
    compare.with_torch(
        ops.conv2d,
        *inputs,
        backward=lambda grad: ops.conv2d_backward(grad, x, weight, bias, **kwargs)[: len(inputs)],
        **kwargs,
    ).check()


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_conv2d_equals_pytorch(ops, rng, kernel, groups):
    """Every stride with every padding and dilation; shapes, memory orders, special values and dtypes in turn."""
    agreed = 0
    paddings = [0, (1, 2), 3, "same", "valid", (8, 9)]
    combinations = itertools.product([1, 2, (3, 1), (8, 2)], paddings, [1, 2, (1, 3)])
    for turn, (stride, padding, dilation) in enumerate(combinations):
        weight_shape, shape = (2 * groups, 4 // groups, *as_pair(kernel)), SHAPES[turn % len(SHAPES)]
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        if legal(F.conv2d, shape, weight_shape, **options):
            kind, dtype = KINDS[turn % 3], (np.float32, np.float64)[turn % 2]
            x, weight = (
                draw(rng, shape, kind, dtype),
                draw(rng, weight_shape, ("strided", "normal")[turn // 2 % 2], dtype),
            )
            bias = draw(rng, (2 * groups,), "strided", dtype) if turn % 4 else None
            conv2d_agrees(ops, x, weight, bias, **options)
            agreed += 1
    assert agreed >= 10


@given(st.data())
def test_conv2d_equals_pytorch_on_drawn_arguments(ops, data):
    """Shapes, arguments and values are all drawn; what PyTorch refuses is refused here too."""
    shape, weight_shape, options = drawn_case(data)
    options["padding"] = data.draw(st.sampled_from(["same", "valid", options["padding"]]), label="padding")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]), label="dtype")
    x, weight = draw(rng, shape, data.draw(st.sampled_from(KINDS)), dtype), draw(rng, weight_shape, dtype=dtype)
    if not legal(F.conv2d, shape, weight_shape, **options):
        with pytest.raises(ValueError, match=r"padding|kernel_size"):
            ops.conv2d(x, weight, **options)
    else:
        bias = draw(rng, weight_shape[:1], dtype=dtype) if data.draw(st.booleans(), label="bias") else None
        conv2d_agrees(ops, x, weight, bias, **options)


def drawn_case(data):
    """Shapes of x and weight, and arguments, all drawn by Hypothesis."""
    small = st.integers(1, 3)
    groups = data.draw(small, label="groups")
    shape = (
        data.draw(st.integers(0, 3), label="batch"),
        groups * data.draw(small, label="channels"),
        *data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)), label="plane"),
    )
    kernel = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 5)), label="kernel")
    weight_shape = (groups * data.draw(small, label="filters"), shape[1] // groups, *kernel)
    options = {
        "stride": data.draw(st.tuples(small, small), label="stride"),
        "padding": data.draw(st.tuples(st.integers(0, 5), st.integers(0, 5)), label="padding"),
        "dilation": data.draw(st.tuples(small, small), label="dilation"),
        "groups": groups,
    }
    return shape, weight_shape, options


def test_conv2d_equals_the_definition_in_loops(ops, rng):
    for stride, padding, dilation in [((1, 1), (0, 0), (1, 1)), ((2, 3), (1, 2), (1, 1)), ((1, 2), (2, 1), (2, 1))]:
        x, weight, bias = rng.standard_normal((4, 6, 7)), rng.standard_normal((6, 2, 3, 2)), rng.standard_normal(6)
        y = ops.conv2d(x, weight, bias, stride, padding, dilation, groups=2)
        expected = loops.conv2d(x, weight, bias, stride, padding, dilation, 2, y.shape[1:])
        compare.arrays(y, expected, length=12).check()


def test_the_filter_is_not_flipped(ops):
    x, weight = np.zeros((1, 1, 5)), np.array([[[[1.0, 2.0, 3.0]]]])
    x[0, 0, 2] = 1
    assert ops.conv2d(x, weight, padding="same").tolist() == [[[0, 3, 2, 1, 0]]]


def test_same_padding_puts_the_odd_pixel_below_and_right(ops):
    x, weight = np.array([[[1.0, 2.0], [4.0, 8.0]]]), np.ones((1, 1, 2, 2))
    assert ops.conv2d(x, weight, padding="same").tolist() == [[[15, 10], [12, 8]]]


def test_depthwise_channels_do_not_see_each_other(ops, rng):
    x, weight = rng.standard_normal((1, 3, 5, 5)), rng.standard_normal((3, 1, 3, 3))
    together = ops.conv2d(x, weight, groups=3)
    for c in range(3):
        compare.arrays(together[:, c : c + 1], ops.conv2d(x[:, c : c + 1], weight[c : c + 1]), length=9).check()


@pytest.fixture(params=["one window at a time", "rows of elements", "im2col", "several images"])
def form(request, monkeypatch):
    """Each way in which the sums are cut into matrix products, forced."""
    choose = {
        "one window at a time": {"STRIP_BYTES": 1, "SMALL_IMAGE": 0},
        "rows of elements": {"STRIP_BYTES": 2000, "SMALL_IMAGE": 0, "MIN_ROW_ELEMENTS": 1, "MAX_SUM_RATIO": 1e9},
        "im2col": {"STRIP_BYTES": 2000, "SMALL_IMAGE": 0, "MIN_ROW_ELEMENTS": 1e9},
        "several images": {"STRIP_BYTES": 20000, "SMALL_IMAGE": 1e9},
    }
    for name, value in choose[request.param].items():
        monkeypatch.setattr(_strips, name, value)
    return request.param


CASES = [
    ((3, 4, 9, 11), (6, 2, 3, 3), {"padding": 1, "groups": 2}),
    ((3, 4, 9, 11), (6, 4, 3, 2), {"padding": (2, 3), "dilation": (2, 3)}),
    ((3, 4, 10, 9), (6, 4, 4, 2), {"padding": (1, 0), "stride": 2}),
    ((3, 4, 10, 9), (6, 4, 3, 3), {"padding": 5, "stride": (1, 2)}),
    ((3, 4, 10, 9), (6, 4, 1, 1), {}),
    ((3, 4, 10, 9), (4, 1, 2, 2), {"stride": 2, "groups": 4}),
]


@pytest.mark.parametrize(("shape", "weight_shape", "options"), CASES, ids=str)
def test_every_form_of_the_sums_equals_pytorch(ops, rng, form, shape, weight_shape, options):
    x, weight = draw(rng, shape, dtype=np.float64), draw(rng, weight_shape, dtype=np.float64)
    conv2d_agrees(ops, x, weight, draw(rng, weight_shape[:1], dtype=np.float64), **options)


@pytest.mark.parametrize("stride", [1, 2])
def test_images_larger_than_a_strip_equal_pytorch(ops, rng, stride):
    x, weight = draw(rng, (2, 16, 129, 131)), draw(rng, (8, 16, 3, 3))
    conv2d_agrees(ops, x, weight, draw(rng, (8,)), stride=stride, padding=1)


def test_gradients_by_finite_differences(ops, rng):
    options = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}
    x, weight, bias = rng.standard_normal((2, 4, 6, 5)), rng.standard_normal((6, 2, 3, 2)), rng.standard_normal(6)
    grad = rng.standard_normal(ops.conv2d(x, weight, bias, **options).shape)
    gradients = ops.conv2d_backward(grad, x, weight, bias, **options)
    compare.with_finite_differences(
        lambda *inputs: ops.conv2d(*inputs, **options), [x, weight, bias], gradients, grad_output=grad
    ).check()


def test_without_bias_there_is_no_gradient_of_the_bias(ops, rng):
    x, weight = rng.standard_normal((1, 2, 4, 4)), rng.standard_normal((3, 2, 3, 3))
    assert ops.conv2d_backward(np.ones((1, 3, 2, 2)), x, weight)[2] is None


X, WEIGHT = (1, 4, 8, 9), (6, 4, 3, 3)
REFUSALS = [
    (X, WEIGHT, None, {"padding": -1}, ValueError, "padding=-1 must be at least 0"),
    (X, WEIGHT, None, {"padding": "full"}, ValueError, "padding='full' must be .* 'same' or 'valid'"),
    (X, WEIGHT, None, {"padding": "same", "stride": 2}, ValueError, "padding='same' must go with stride=1"),
    (X, WEIGHT, None, {"padding": "same", "stride": (1, 2)}, ValueError, "padding='same' must go with stride=1"),
    (X, WEIGHT, None, {"padding": (1, 1, 1)}, ValueError, "padding=.* two"),
    (X, WEIGHT, None, {"padding": True}, TypeError, "padding=True must be an integer"),
    (X, WEIGHT, None, {"stride": 0}, ValueError, "stride=0 must be at least 1"),
    (X, WEIGHT, None, {"stride": ()}, ValueError, "stride=.* two"),
    (X, WEIGHT, None, {"stride": 1.0}, TypeError, "stride=1.0 must be an integer"),
    (X, WEIGHT, None, {"dilation": 0}, ValueError, "dilation=0 must be at least 1"),
    (X, WEIGHT, None, {"dilation": 4}, ValueError, "kernel_size=.* 9×9 pixels; it must fit into the padded input, 8×9"),
    (X, (6, 4, 11, 3), None, {"padding": 1}, ValueError, "kernel_size=.* must fit into the padded input, 10×11"),
    (X, WEIGHT, None, {"groups": 0}, ValueError, "groups=0 must be at least 1"),
    (X, WEIGHT, None, {"groups": True}, TypeError, "groups=True must be an integer"),
    (X, (6, 1, 3, 3), None, {"groups": 4}, ValueError, "groups=4 must divide the first dimension of weight, 6"),
    (X, (6, 4, 3, 3), None, {"groups": 2}, ValueError, "for 8 input channels with groups=2; x has 4 channels"),
    (X, (6, 3, 3, 3), None, {}, ValueError, "for 3 input channels with groups=1; x has 4 channels"),
    (X, (4, 3, 3), None, {}, ValueError, "weight has shape .* must have 4 dimensions"),
    (X, (0, 4, 3, 3), None, {}, ValueError, "weight has shape .* at least 1"),
    (X, (6, 4, 0, 3), None, {}, ValueError, "weight has shape .* at least 1"),
    (X, WEIGHT, (5,), {}, ValueError, r"bias has shape \(5,\); it must hold one number for each output channel"),
    (X, WEIGHT, (6, 1), {}, ValueError, "bias has shape"),
    ((8, 9), WEIGHT, None, {}, ValueError, "x has shape"),
    ((1, 1, 4, 8, 9), WEIGHT, None, {}, ValueError, "x has shape"),
    ((1, 4, 0, 9), WEIGHT, None, {"padding": 2}, ValueError, "x has shape"),
]


@pytest.mark.parametrize(("x", "weight", "bias", "options", "error", "words"), REFUSALS, ids=str)
def test_conv2d_refuses_what_pytorch_refuses(ops, x, weight, bias, options, error, words):
    shapes = (x, weight) if bias is None else (x, weight, bias)
    with pytest.raises((RuntimeError, TypeError)):
        F.conv2d(*(torch.zeros(shape) for shape in shapes), **options)
    with pytest.raises(error, match=words):
        ops.conv2d(*(np.zeros(shape) for shape in shapes), **options)


@pytest.mark.parametrize("odd", ["x", "weight", "bias"])
def test_conv2d_refuses_a_mix_of_dtypes(ops, odd):
    shapes = {"x": (1, 2, 4, 4), "weight": (3, 2, 3, 3), "bias": (3,)}
    arrays = {name: np.zeros(shape, np.float64 if name == odd else np.float32) for name, shape in shapes.items()}
    with pytest.raises(RuntimeError):
        F.conv2d(*map(torch.from_numpy, arrays.values()))
    with pytest.raises(TypeError, match="all must have one dtype"):
        ops.conv2d(**arrays)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float16, bool])
@pytest.mark.parametrize("odd", ["x", "weight", "bias"])
def test_conv2d_refuses_other_dtypes(ops, odd, dtype):
    arrays = {"x": np.zeros((1, 2, 4, 4)), "weight": np.zeros((3, 2, 3, 3)), "bias": np.zeros(3)}
    arrays[odd] = arrays[odd].astype(dtype)
    with pytest.raises(TypeError, match=f"{odd} has dtype .* must be float32 or float64"):
        ops.conv2d(**arrays)


def test_conv2d_backward_refuses_a_gradient_that_is_not_like_the_output(ops):
    x, weight = np.zeros((1, 2, 4, 4)), np.zeros((3, 2, 3, 3))
    with pytest.raises(ValueError, match=r"grad_output has shape .* the output, \(1, 3, 2, 2\)"):
        ops.conv2d_backward(np.zeros((1, 3, 2, 3)), x, weight)
    with pytest.raises(TypeError, match="all must have one dtype"):
        ops.conv2d_backward(np.zeros((1, 3, 2, 2), np.float32), x, weight)
    with pytest.raises(TypeError, match="grad_output has dtype int64"):
        ops.conv2d_backward(np.zeros((1, 3, 2, 2), np.int64), x, weight)

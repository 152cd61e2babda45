"""Batch normalisation equals PyTorch's, forward and backward, updates its statistics, and refuses the rest."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from segedu import compare
from tests.loops import normalization as loops
from tests.values import draw

SHAPES = [
    (2, 3, 7, 5),
    (4, 3),
    (3, 2, 9),
    (0, 3, 4, 4),
    (0, 2),
    (1, 3, 2, 2),
    (2, 2, 3, 2, 4),
    (2, 3, 0, 4),
]


def parameters(rng, channels, dtype):
    """(running_mean, running_var, weight, bias)."""
    mean, weight, bias = rng.standard_normal((3, channels)).astype(dtype)
    return mean, rng.uniform(0.5, 2, channels).astype(dtype), weight, bias


def agrees(ops, x, mean, variance, weight, bias, **kwargs):
    """Output, running statistics and gradients are PyTorch's."""
    compare.with_torch(
        ops.batch_norm,
        x,
        *copies(mean, variance),
        weight,
        bias,
        **kwargs,
    ).check()
    ours, theirs = copies(mean, variance), tensors(mean, variance)
    y = ops.batch_norm(x, *ours, weight, bias, **kwargs)
    leaves = [None if a is None else a.double().requires_grad_() for a in tensors(x, weight, bias)]
    F.batch_norm(torch.from_numpy(np.ascontiguousarray(x)), *theirs, *tensors(weight, bias), **kwargs)
    for got, expected in zip(ours, theirs, strict=True):
        if got is not None:
            compare.arrays(got, expected.numpy(), length=max(1, x.size // max(1, x.shape[1]))).check()
    grad = np.random.default_rng(1).standard_normal(y.shape)
    doubled = [None if t is None else t.double() for t in tensors(mean, variance)]
    F.batch_norm(leaves[0], *doubled, *leaves[1:], **kwargs).backward(torch.from_numpy(grad))
    kwargs.pop("momentum", None)
    gradients = ops.batch_norm_backward(grad.astype(x.dtype), x, mean, variance, weight, bias, **kwargs)
    length = max(1, x.size // max(1, x.shape[1]))
    for gradient, leaf in zip(gradients, leaves, strict=True):
        assert (gradient is None) == (leaf is None)
        if leaf is not None:
            compare.arrays(gradient, leaf.grad.numpy().astype(x.dtype), length=length).check()


def copies(*arrays):
    return [None if a is None else a.copy() for a in arrays]


def tensors(*arrays):
    return [None if a is None else torch.from_numpy(np.array(a, order="C")) for a in arrays]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_equals_pytorch(ops, rng, shape, training, dtype):
    for kind, weighted, biased in itertools.product(("normal", "ties", "strided"), [True, False], [True, False]):
        mean, variance, weight, bias = parameters(rng, shape[1], dtype)
        x = draw(rng, shape, kind, dtype)
        arguments = {"training": training, "momentum": 0.3, "eps": 1e-3}
        agrees(ops, x, mean, variance, weight if weighted else None, bias if biased else None, **arguments)


@given(st.data())
def test_batch_norm_equals_pytorch_on_drawn_arguments(ops, data):
    pixels = data.draw(st.lists(st.integers(1, 6), max_size=3), label="pixels")
    shape = (data.draw(st.integers(2, 4), label="batch"), data.draw(st.integers(1, 4), label="channels"), *pixels)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    mean, variance, weight, bias = parameters(rng, shape[1], np.float64)
    arguments = {
        "training": data.draw(st.booleans(), label="training"),
        "momentum": data.draw(st.floats(0, 1), label="momentum"),
        "eps": data.draw(st.floats(1e-3, 1), label="eps"),
    }
    agrees(ops, draw(rng, shape, "normal", np.float64), mean, variance, weight, bias, **arguments)


def test_channels_larger_than_a_block_are_normalised_alike(ops, rng):
    x = draw(rng, (2, 5, 130, 300))
    for training in (True, False):
        agrees(ops, x, *parameters(rng, 5, np.float32), training=training)


def test_a_mean_far_from_zero_costs_no_accuracy(ops, rng):
    x = (1000 + rng.standard_normal((4, 2, 50, 50))).astype(np.float32)
    y = ops.batch_norm(x, None, None, training=True)
    expected = (x - x.mean((0, 2, 3), np.float64, keepdims=True)) / x.std((0, 2, 3), np.float64, keepdims=True)
    assert np.abs(y - expected).max() < 1e-3


@pytest.mark.parametrize("training", [True, False])
def test_nan_and_infinity_stay_in_their_channel(ops, rng, training):
    x = draw(rng, (2, 4, 3, 3))
    x[0, 1, 0, 0], x[1, 2, 2, 2] = np.nan, np.inf
    mean, variance, weight, bias = parameters(rng, 4, np.float32)
    ours, theirs = copies(mean, variance), tensors(mean, variance)
    y = ops.batch_norm(x, *ours, weight, bias, training=training)
    expected = F.batch_norm(torch.from_numpy(x), *theirs, *tensors(weight, bias), training=training)
    compare.arrays(y, expected.numpy(), length=18).check()
    compare.arrays(ours[0], theirs[0].numpy(), length=18).check()
    compare.arrays(ours[1], theirs[1].numpy(), length=18).check()


def test_running_statistics_that_are_not_finite_give_nan_without_a_warning(ops, rng):
    mean, variance = np.array([np.inf, 0.0, np.nan]), np.array([np.inf, -1.0, 1.0])
    x = draw(rng, (2, 3, 4), dtype=np.float64)
    compare.with_torch(ops.batch_norm, x, mean, variance).check()


def test_batch_norm_equals_the_definition_in_loops(ops, rng):
    x, (mean, variance, weight, bias) = draw(rng, (3, 2, 2, 4), dtype=np.float64), parameters(rng, 2, np.float64)
    expected, means, variances = loops.batch_norm(x, weight, bias, 1e-4)
    mean_before, variance_before = copies(mean, variance)
    y = ops.batch_norm(x, mean, variance, weight, bias, training=True, momentum=0.25, eps=1e-4)
    assert np.allclose(y, expected, rtol=1e-12)
    assert np.allclose(mean, 0.75 * mean_before + 0.25 * np.array(means), rtol=1e-12)
    assert np.allclose(variance, 0.75 * variance_before + 0.25 * np.array(variances), rtol=1e-12)


def test_training_leaves_mean_zero_and_variance_one(ops, rng):
    y = ops.batch_norm(3 + 5 * rng.standard_normal((4, 3, 6, 6)), None, None, training=True, eps=1e-12)
    assert np.allclose(y.mean((0, 2, 3)), 0, atol=1e-12)
    assert np.allclose(y.var((0, 2, 3)), 1, rtol=1e-9)


def test_evaluation_leaves_the_running_statistics_alone(ops, rng):
    mean, variance, *_ = parameters(rng, 3, np.float64)
    before = copies(mean, variance)
    ops.batch_norm(rng.standard_normal((2, 3, 4, 4)), mean, variance)
    assert np.array_equal(mean, before[0])
    assert np.array_equal(variance, before[1])


def test_an_empty_batch_leaves_the_running_statistics_alone(ops):
    mean, variance = np.zeros(3), np.ones(3)
    assert ops.batch_norm(np.zeros((0, 3, 2, 2)), mean, variance, training=True).shape == (0, 3, 2, 2)
    assert (mean.tolist(), variance.tolist()) == ([0] * 3, [1] * 3)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 3, 2)], ids=str)
def test_gradients_equal_finite_differences(ops, rng, training, shape):
    x, (mean, variance, weight, bias) = rng.standard_normal(shape), parameters(rng, 3, np.float64)
    grad = rng.standard_normal(shape)
    gradients = ops.batch_norm_backward(grad, x, mean, variance, weight, bias, training=training)
    compare.with_finite_differences(
        lambda x, weight, bias: ops.batch_norm(x, *copies(mean, variance), weight, bias, training=training),
        [x, weight, bias],
        list(gradients),
        grad_output=grad,
    ).check()


REFUSALS = [
    ({"running_mean": None}, "running_mean and running_var must both"),
    ({"running_var": None, "training": True}, "running_mean and running_var must both"),
    ({"running_mean": None, "running_var": None}, "running_mean=None must be an array where training=False"),
    ({"weight": np.ones(2)}, "weight has shape"),
    ({"bias": np.ones(4)}, "bias has shape"),
    ({"running_mean": np.ones(2)}, "running_mean has shape"),
    ({"running_var": np.ones(2)}, "running_var has shape"),
    ({"eps": -1.0}, "eps=-1.0 must be at least 0"),
    ({"eps": 0.0, "training": True}, "eps=0.0 must be more than 0"),
    ({"x": np.ones((1, 3)), "training": True}, "in training each channel must have more than one value"),
    ({"x": np.ones((1, 3, 1, 1)), "training": True}, "in training each channel must have more than one value"),
    ({"x": np.ones(3)}, "x has shape"),
]


@pytest.mark.parametrize(("changes", "words"), REFUSALS, ids=str)
def test_batch_norm_refuses_what_pytorch_refuses(ops, changes, words):
    arguments = {"x": np.ones((2, 3, 2, 2)), "running_mean": np.zeros(3), "running_var": np.ones(3)} | changes
    theirs = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    with pytest.raises((RuntimeError, ValueError)):
        F.batch_norm(theirs.pop("x"), **theirs)
    with pytest.raises(ValueError, match=words):
        ops.batch_norm(**arguments)
    with pytest.raises(ValueError, match=words):
        ops.batch_norm_backward(np.ones(arguments["x"].shape), **arguments)


def test_mixed_dtypes_are_refused(ops):
    x, zeros, ones = np.ones((2, 3), np.float32), np.zeros(3, np.float32), np.ones(3, np.float32)
    with pytest.raises(TypeError, match="x is float32 but weight is float64"):
        ops.batch_norm(x, zeros, ones, np.ones(3))
    with pytest.raises(TypeError, match="x has dtype int64"):
        ops.batch_norm(x.astype(np.int64), zeros, ones)
    with pytest.raises(TypeError, match="x is float32 but grad_output is float64"):
        ops.batch_norm_backward(np.ones((2, 3)), x, zeros, ones)


def test_backward_refuses_a_gradient_of_another_shape(ops):
    with pytest.raises(ValueError, match="grad_output has shape"):
        ops.batch_norm_backward(np.ones((2, 3, 1)), np.ones((2, 3)), np.zeros(3), np.ones(3))

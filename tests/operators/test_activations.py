"""ReLU, softmax, dropout and concatenation: PyTorch's values, gradients and refusals; dropout's statistics."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from segedu import compare
from tests.values import KINDS, draw

SHAPES = [(2, 3, 7, 5), (3, 9, 4), (5,), (0, 2, 3), (2, 0, 3), (1, 1, 1, 1), ()]
SOFTMAXES = ["softmax", "log_softmax"]


class TestRelu:
    @pytest.mark.parametrize("shape", [*SHAPES, (70001,)], ids=str)
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_equals_pytorch(self, ops, rng, shape, kind, dtype):
        if shape == () and kind in ("special", "strided"):
            return
        x = np.asarray(draw(rng, shape, kind, dtype))
        compare.with_torch(ops.relu, x, backward=lambda grad: ops.relu_backward(grad.astype(dtype), x)).check()

    def test_gradient_is_0_at_0_and_passes_at_nan(self, ops):
        x = np.array([0.0, -0.0, np.nan, -np.inf, np.inf])
        assert ops.relu_backward(np.arange(1.0, 6.0), x).tolist() == [0, 0, 3, 0, 5]

    def test_a_gradient_that_is_not_finite_stops_where_x_is_negative(self, ops):
        grad = np.array([np.nan, np.inf, -np.inf, np.nan])
        gradient = ops.relu_backward(grad, np.array([-1.0, -1.0, 1.0, 1.0]))
        assert np.array_equal(gradient, [0, 0, -np.inf, np.nan], equal_nan=True)

    def test_gradient_equals_finite_differences(self, ops, rng):
        x, grad = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 3, 4))
        compare.with_finite_differences(ops.relu, [x], [ops.relu_backward(grad, x)], grad_output=grad).check()

    def test_refuses_integers_and_other_shapes(self, ops):
        with pytest.raises(TypeError, match="x has dtype int64"):
            ops.relu(np.array([1, 2]))
        with pytest.raises(ValueError, match="grad_output has shape"):
            ops.relu_backward(np.ones(3), np.ones(2))
        with pytest.raises(TypeError, match="x is float64 but grad_output is float32"):
            ops.relu_backward(np.ones(2, np.float32), np.ones(2))


@pytest.mark.parametrize("name", SOFTMAXES)
class TestSoftmax:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_equals_pytorch_along_every_axis(self, ops, rng, name, shape, dtype):
        for kind, dim in itertools.product(KINDS if shape else ["normal"], range(-len(shape), max(1, len(shape)))):
            x = np.asarray(draw(rng, shape, kind, dtype))
            agrees(ops, name, x, dim)

    @pytest.mark.parametrize(("shape", "dim"), [((2, 21, 90, 80), 1), ((3000, 50), 1), ((70000, 2), 0)], ids=str)
    def test_arrays_larger_than_a_block(self, ops, rng, name, shape, dim):
        agrees(ops, name, draw(rng, shape, "normal", np.float64), dim)
        agrees(ops, name, draw(rng, shape, "special", np.float32), dim, gradient=False)

    def test_large_scores_do_not_overflow(self, ops, name):
        agrees(ops, name, np.array([[1e4, -1e4, 1e4], [-3e38, 0, 1]], np.float32), 1)

    @pytest.mark.parametrize("row", [[-np.inf, -np.inf], [np.inf, 1], [np.inf, np.inf], [np.nan, 1], [-np.inf, 1]])
    def test_infinities_and_nan_give_what_pytorch_gives(self, ops, name, row):
        agrees(ops, name, np.array(row, np.float32), 0, gradient=False)

    def test_gradient_equals_finite_differences(self, ops, rng, name):
        x, grad = rng.standard_normal((2, 4, 3)), rng.standard_normal((2, 4, 3))
        function, backward = getattr(ops, name), getattr(ops, f"{name}_backward")
        gradient = backward(grad, function(x, 1), 1)
        compare.with_finite_differences(lambda x: function(x, 1), [x], [gradient], grad_output=grad).check()

    @pytest.mark.parametrize(
        ("shape", "dim", "error", "words"),
        [
            ((2, 3), 2, ValueError, "dim=2 must lie in -2…1"),
            ((2, 3), -3, ValueError, "dim=-3 must lie in -2…1"),
            ((), 1, ValueError, "dim=1 must lie in -1…0"),
            ((2, 3), 1.0, TypeError, "dim=1.0 must be an integer"),
            ((2, 3), True, TypeError, "dim=True must be an integer"),
        ],
        ids=str,
    )
    def test_refuses_what_pytorch_refuses(self, ops, name, shape, dim, error, words):
        with pytest.raises((IndexError, TypeError)):
            getattr(F, name)(torch.zeros(shape), dim)
        with pytest.raises(error, match=words):
            getattr(ops, name)(np.zeros(shape), dim)

    def test_refuses_integers_and_other_shapes(self, ops, name):
        with pytest.raises(TypeError, match="x has dtype int64"):
            getattr(ops, name)(np.array([1, 2]), 0)
        with pytest.raises(ValueError, match="grad_output has shape"):
            getattr(ops, f"{name}_backward")(np.ones(3), np.ones(2), 0)


def agrees(ops, name, x, dim, gradient=True):
    function, backward = getattr(ops, name), getattr(ops, f"{name}_backward")
    gradient = gradient and x.dtype == np.float64
    compare.with_torch(
        function, x, dim, backward=(lambda grad: backward(grad, function(x, dim), dim)) if gradient else None
    ).check()


@given(st.data())
def test_softmax_is_a_distribution_and_log_softmax_its_logarithm(ops, data):
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4), label="shape"))
    dim = data.draw(st.integers(-len(shape), len(shape) - 1), label="dim")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    x = rng.normal(0, data.draw(st.sampled_from([1, 30, 1000]), label="spread"), shape)
    y = ops.softmax(x, dim)
    assert (y >= 0).all()
    assert np.allclose(y.sum(dim), 1, rtol=1e-12)
    assert np.allclose(np.exp(ops.log_softmax(x, dim)), y, rtol=1e-9, atol=1e-300)
    assert np.allclose(ops.softmax(x + 5, dim), y, rtol=1e-9, atol=1e-300)


class TestDropout:
    @pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_drops_the_share_p_and_keeps_the_mean(self, ops, rng, p, dtype):
        """The number of dropped elements is binomial; five standard deviations are passed once in two million runs."""
        n = 200_000
        y = ops.dropout(np.ones(n, dtype), p, generator=rng)
        dropped = (y == 0).sum()
        assert abs(dropped - n * p) < 5 * np.sqrt(n * p * (1 - p))
        assert np.allclose(y[y != 0], 1 / (1 - p))
        assert abs(y.mean(dtype=np.float64) - 1) < 5 * np.sqrt(p / (1 - p) / n)
        assert y.var(dtype=np.float64) == pytest.approx(p / (1 - p), rel=0.05)

    def test_elements_are_dropped_independently(self, ops, rng):
        dropped = ops.dropout(np.ones((400, 500)), 0.5, generator=rng) == 0
        for axis in (0, 1):
            neighbours = np.diff(dropped.astype(int), axis=axis) == 0
            assert abs(neighbours.mean() - 0.5) < 5 * 0.5 / np.sqrt(neighbours.size)

    def test_the_generator_decides(self, ops, rng):
        x = rng.standard_normal((3, 50))
        first, again, other = (ops.dropout(x, generator=np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)
        assert not np.array_equal(ops.dropout(x), ops.dropout(x))

    def test_output_is_mask_times_x_and_so_is_the_gradient(self, ops, rng):
        for kind, dtype in itertools.product(("normal", "strided"), (np.float32, np.float64)):
            x = draw(rng, (2, 3, 4), kind, dtype)
            y, mask = ops.dropout(x, 0.3, generator=rng, return_mask=True)
            assert y.dtype == mask.dtype == dtype
            assert set(np.unique(mask)) <= {dtype(0), dtype(1 / 0.7)}
            assert np.array_equal(y, x * mask)
            assert np.array_equal(ops.dropout_backward(x, mask), x * mask)

    def test_gradient_equals_finite_differences(self, ops, rng):
        x, grad = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
        _, mask = ops.dropout(x, generator=np.random.default_rng(3), return_mask=True)
        compare.with_finite_differences(
            lambda x: ops.dropout(x, generator=np.random.default_rng(3)),
            [x],
            [ops.dropout_backward(grad, mask)],
            grad_output=grad,
        ).check()

    @pytest.mark.parametrize(("p", "training"), [(0.0, True), (1.0, True), (0.0, False), (0.7, False), (1.0, False)])
    def test_without_chance_it_equals_pytorch(self, ops, rng, p, training):
        for kind in KINDS:
            compare.with_torch(ops.dropout, draw(rng, (2, 3, 5), kind), p, training).check()

    def test_evaluation_returns_a_copy_and_a_mask_of_ones(self, ops, rng):
        x = rng.standard_normal((2, 3))
        y, mask = ops.dropout(x, training=False, return_mask=True)
        assert np.array_equal(y, x)
        assert not np.shares_memory(y, x)
        assert (mask == 1).all()

    @pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
    def test_refuses_what_is_no_probability(self, ops, p):
        with pytest.raises((ValueError, RuntimeError)):
            F.dropout(torch.ones(2), p)
        with pytest.raises(ValueError, match=r"p=.* must lie between 0 and 1"):
            ops.dropout(np.ones(2), p)

    def test_refuses_wrong_types(self, ops):
        with pytest.raises(TypeError, match="p='a' must be a number"):
            ops.dropout(np.ones(2), "a")
        with pytest.raises(TypeError, match=r"generator must be a np.random.Generator"):
            ops.dropout(np.ones(2), generator=7)
        with pytest.raises(TypeError, match="x has dtype int64"):
            ops.dropout(np.array([1, 2]))
        with pytest.raises(ValueError, match="mask has shape"):
            ops.dropout_backward(np.ones(2), np.ones(3))


class TestConcatenate:
    @pytest.mark.parametrize(
        ("shapes", "dim"),
        [
            ([(2, 3, 4, 5), (2, 1, 4, 5), (2, 6, 4, 5)], 1),
            ([(2, 3), (4, 3)], 0),
            ([(2, 3), (2, 0), (2, 1)], -1),
            ([(0, 2, 3), (0, 1, 3)], 1),
            ([(3,)], 0),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("kind", KINDS)
    def test_equals_pytorch(self, ops, rng, shapes, dim, kind):
        for dtype in (np.float32, np.float64):
            arrays = [draw(rng, shape, kind, dtype) for shape in shapes]
            tensors = [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]
            expected = torch.cat(tensors, dim)
            y = ops.concatenate(arrays, dim)
            compare.arrays(y, expected.detach().numpy()).check()
            grad = draw(rng, y.shape, "strided", dtype)
            expected.backward(torch.from_numpy(grad.copy()))
            gradients = ops.concatenate_backward(grad, shapes, dim)
            assert len(gradients) == len(shapes)
            for gradient, tensor in zip(gradients, tensors, strict=True):
                compare.arrays(gradient, tensor.grad.numpy()).check()
                assert not np.shares_memory(gradient, grad)

    def test_the_first_axis_is_the_default(self, ops):
        assert ops.concatenate((np.zeros((1, 2)), np.ones((3, 2)))).shape == (4, 2)

    @pytest.mark.parametrize(
        ("shapes", "dim", "error", "words"),
        [
            ([], 0, ValueError, "at least one array"),
            ([(2, 3), (2, 3)], 2, ValueError, "dim=2 must lie in -2…1"),
            ([(2, 3), (2, 4)], 0, ValueError, r"arrays\[1\] has shape \(2, 4\); it must agree with \(2, 3\)"),
            ([(2, 3), (6,)], 0, ValueError, r"arrays\[1\] has shape"),
            ([(), ()], 0, ValueError, "at least one dimension"),
            ([(2, 3), (2, 3)], 1.0, TypeError, "dim=1.0 must be an integer"),
        ],
        ids=str,
    )
    def test_refuses_what_pytorch_refuses(self, ops, shapes, dim, error, words):
        with pytest.raises((RuntimeError, IndexError, TypeError, ValueError)):
            torch.cat([torch.zeros(shape) for shape in shapes], dim)
        with pytest.raises(error, match=words):
            ops.concatenate([np.zeros(shape) for shape in shapes], dim)

    def test_refuses_wrong_types(self, ops):
        with pytest.raises(TypeError, match="arrays must be a list or tuple"):
            ops.concatenate(np.zeros((2, 3)))
        with pytest.raises(TypeError, match=r"arrays\[1\] must be a NumPy array"):
            ops.concatenate([np.zeros(2), 1])
        with pytest.raises(TypeError, match="must have one dtype"):
            ops.concatenate([np.zeros(2), np.zeros(2, np.float32)])

    def test_backward_refuses_shapes_that_disagree(self, ops):
        with pytest.raises(ValueError, match="grad_output has shape"):
            ops.concatenate_backward(np.zeros(4), [(1,), (2,)])
        with pytest.raises(ValueError, match="at least one shape"):
            ops.concatenate_backward(np.zeros(4), [])
        with pytest.raises(ValueError, match=r"input_shapes\[1\] has shape"):
            ops.concatenate_backward(np.zeros((4, 2)), [(1, 2), (3, 3)])

"""The tape: gradients of expressions equal PyTorch's and finite differences; a tape serves once; mistakes are named."""

import types

import numpy as np
import pytest
import torch

from segedu import compare, cuda_ops
from segedu.autograd import Tensor, no_grad, record
from tests.operators.conftest import MARKS, SETS


@pytest.fixture(params=[pytest.param(name, marks=MARKS[name]) for name in ("numpy", "cuda", "cuda-gpu")])
def ops(request):
    """The set of operators under test."""
    operators, mode = SETS[request.param]
    with cuda_ops.mode(*(mode or ("auto",))):
        yield operators


def expression(x, y):
    """Each operation of a tensor, several uses of one tensor, numbers on either side."""
    z = x * y + 3
    z = z * z - y / 2 + (-x)
    w = (2 - z) / (y * y + 1.5)
    return (w.reshape(-1) ** 2).sum() + z.mean() * 0.5 + x.sum()


class TestTheSameExpressionTwice:
    """micrograd's own test: written once with our tensors, once with PyTorch's."""

    def test_value_and_gradients_equal_pytorch(self, ops, rng):
        for shapes in (((3, 4), (3, 4)), ((2, 3, 4), (3, 1)), ((3, 1), (1, 4)), ((), (5,))):
            arrays = [rng.standard_normal(shape) for shape in shapes]
            ours = [Tensor(array, requires_grad=True, ops=ops) for array in arrays]
            theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
            expression(*ours).backward()
            expression(*theirs).backward()
            assert expression(*ours).item() == pytest.approx(expression(*theirs).item(), rel=1e-12)
            for a, b in zip(ours, theirs, strict=True):
                compare.arrays(np.asarray(a.grad), b.grad.numpy(), length=20).check()

    def test_gradients_equal_finite_differences(self, ops, rng):
        arrays = [rng.standard_normal((3, 4)), rng.standard_normal((3, 1))]
        tensors = [Tensor(array, requires_grad=True, ops=ops) for array in arrays]
        expression(*tensors).backward()
        compare.with_finite_differences(
            lambda *xs: expression(*(Tensor(x, ops=ops) for x in xs)).data, arrays, [t.grad for t in tensors]
        ).check()


def test_a_tensor_used_many_times_gets_the_sum_of_its_gradients(ops):
    x = Tensor([2.0], requires_grad=True, ops=ops)
    y = x
    for _ in range(60):  # a walk that visited every path would take 2⁶⁰ steps
        y = y + y
    y.backward()
    assert x.grad.tolist() == [2.0**60]


def test_a_chain_of_ten_thousand_operations_needs_no_recursion(ops):
    x = y = Tensor([1.0], requires_grad=True, ops=ops)
    for _ in range(10_000):
        y = y + 1
    y.backward()
    assert x.grad.tolist() == [1.0]


def test_gradients_add_up_over_calls_until_they_are_set_to_none(ops):
    x = Tensor([1.0, 2.0], requires_grad=True, ops=ops)
    for _ in range(3):
        (x * 2).sum().backward()
    assert x.grad.tolist() == [6.0, 6.0]


def test_what_needs_no_gradient_gets_none(ops):
    x, w = Tensor([1.0], ops=ops), Tensor([2.0], requires_grad=True, ops=ops)
    y = x * w
    z = y.detach() * w
    z.backward()
    assert x.grad is None
    assert y.grad is None
    assert w.grad.tolist() == [2.0]


def test_float32_stays_float32(ops, rng):
    x = Tensor(rng.standard_normal((2, 3)).astype(np.float32), requires_grad=True, ops=ops)
    loss = expression(x, x + 1.5)
    loss.backward()
    assert (loss.dtype, x.grad.dtype) == (np.float32, np.float32)


def test_backward_takes_the_gradient_of_a_tensor_of_many_elements(ops):
    x = Tensor([1.0, 2.0], requires_grad=True, ops=ops)
    (x * x).backward(np.array([1.0, 10.0]))
    assert x.grad.tolist() == [2.0, 40.0]


class TestNoGrad:
    def test_nothing_is_recorded_inside_and_everything_after(self, ops):
        x = Tensor([1.0], requires_grad=True, ops=ops)
        with no_grad():
            assert not (x * 2).requires_grad
        assert (x * 2).requires_grad

    def test_it_ends_with_an_exception_too(self, ops):
        with pytest.raises(KeyError), no_grad():
            raise KeyError
        assert (Tensor([1.0], requires_grad=True, ops=ops) * 2).requires_grad

    def test_it_decorates_a_function(self, ops):
        x = Tensor([1.0], requires_grad=True, ops=ops)
        assert not no_grad()(lambda: x * 2)().requires_grad


def test_a_tape_serves_once(ops):
    x = Tensor([1.0], requires_grad=True, ops=ops)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="compute the loss again"):
        y.backward()


def test_a_tape_that_served_holds_no_arrays(ops):
    x = Tensor([1.0], requires_grad=True, ops=ops)
    y = x * x
    y.backward()
    assert y._inputs == ()


def test_tensors_of_different_operators_do_not_mix(ops):
    other = types.ModuleType("other_ops")
    with pytest.raises(ValueError, match=f"different sets of operators: other_ops and {ops.__name__}"):
        Tensor([1.0], ops=ops) + Tensor([1.0], ops=other)


def test_a_function_of_ones_own_goes_on_the_tape(ops, rng):
    array = rng.standard_normal(5)
    x = Tensor(array, requires_grad=True, ops=ops)
    record(np.tanh(x.data), (x,), lambda grad: grad * (1 - np.tanh(x.data) ** 2)).sum().backward()
    compare.with_finite_differences(np.tanh, [array], [x.grad]).check()


REFUSALS = {
    "a list of integers": (lambda x: Tensor([1, 2]), TypeError, "dtype int64"),
    "a tensor of a tensor": (lambda x: Tensor(x), TypeError, "Tensor already"),
    "an array beside a tensor": (lambda x: x + np.ones(2), TypeError, "with a Tensor or a number, not with ndarray"),
    "a tensor beside an array": (lambda x: np.ones(2) + x, TypeError, "not with ndarray"),
    "no gradient for many elements": (
        lambda x: (x * x).backward(),
        ValueError,
        r"one element, this one has shape \(2,\)",
    ),
    "a gradient of another shape": (lambda x: x.backward(np.ones(3)), ValueError, r"grad has shape \(3,\)"),
    "nothing to train": (lambda x: x.detach().sum().backward(), ValueError, "has requires_grad=True"),
}


@pytest.mark.parametrize(("mistake", "error", "words"), REFUSALS.values(), ids=REFUSALS)
def test_mistakes_are_named(ops, mistake, error, words):
    with pytest.raises(error, match=words):
        mistake(Tensor([1.0, 2.0], requires_grad=True, ops=ops))

import functools

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segedu import compare
from segedu.tolerances import tolerance

FLOATS = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5),
    elements=st.floats(width=32, allow_subnormal=False),
)


def conv2d(x, weight, bias=None, stride=1, padding=0):
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    y = np.einsum("nchwij,ocij->nohw", windows, weight)
    return y if bias is None else y + bias[:, None, None]


def max_pool2d(x, kernel_size, return_indices=False):
    k = kernel_size
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))[:, :, ::k, ::k]
    flat = windows.reshape(*windows.shape[:4], -1)
    best = flat.argmax(axis=-1)
    rows, columns = np.arange(flat.shape[2])[:, None] * k + best // k, np.arange(flat.shape[3]) * k + best % k
    return (flat.max(axis=-1), rows * x.shape[3] + columns) if return_indices else flat.max(axis=-1)


def relu(x):
    return np.maximum(x, 0)


# --- the report


def test_report_is_true_where_it_is_ok() -> None:
    assert compare.Report(True, "fine")
    assert not compare.Report(False, "wrong")
    assert str(compare.Report(False, "wrong")) == "wrong"


def test_check_raises_with_the_message_or_returns_the_report() -> None:
    good = compare.Report(True, "fine")
    assert good.check() is good
    with pytest.raises(AssertionError, match="2 of 3"):
        compare.Report(False, "2 of 3 are wrong").check()


def test_report_in_html_is_escaped_and_says_the_outcome_in_words() -> None:
    good, bad = compare.Report(True, "a < b")._repr_html_(), compare.Report(False, "<script>")._repr_html_()
    assert "Correct" in good
    assert "a &lt; b" in good
    assert "Not yet" in bad
    assert "<script>" not in bad


def test_report_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        compare.Report(False, "wrong").ok = True


# --- arrays


@hypothesis.given(FLOATS)
def test_an_array_agrees_with_itself(x: np.ndarray) -> None:
    assert compare.arrays(x.copy(), x).ok


@hypothesis.given(FLOATS, st.data())
def test_any_value_beyond_the_tolerance_is_found(x: np.ndarray, data: st.DataObject) -> None:
    hypothesis.assume(x.size > 0)
    index = data.draw(st.integers(0, x.size - 1))
    changed = x.copy()
    value = changed.reshape(-1)[index]
    changed.reshape(-1)[index] = data.draw(st.floats(width=32, allow_subnormal=False))
    hypothesis.assume(not tolerance(x.dtype).accepts(changed, x).all())
    report = compare.arrays(changed, x)
    assert not report.ok
    assert "1 of " in report.message
    hypothesis.note(f"{value} at {index}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 100, 1_000_000])
def test_one_relative_error_of_a_thousandth_fails(dtype: str, length: int, rng: np.random.Generator) -> None:
    shape = tuple(rng.integers(1, 6, size=4))
    expected = rng.uniform(1, 2, size=shape).astype(dtype)
    actual = expected.copy()
    index = tuple(int(rng.integers(n)) for n in shape)
    actual[index] *= 1.001
    report = compare.arrays(actual, expected, length=length)
    assert not report.ok
    assert f"batch {index[0]}, channel {index[1]}, row {index[2]}, column {index[3]}" in report.message


def test_the_first_difference_and_the_largest_are_named() -> None:
    expected = np.ones((2, 3, 4, 5))
    actual = expected.copy()
    actual[0, 1, 3, 0] = 1.5
    actual[1, 2, 0, 4] = -7.0
    message = compare.arrays(actual, expected, name="conv2d").message
    assert message.startswith("conv2d: 2 of 120 values are wrong.")
    assert "First difference at batch 0, channel 1, row 3, column 0: got 1.5, expected 1." in message
    assert "Largest absolute error: 8 at batch 1, channel 2, row 0, column 4." in message


def test_wrong_shape_is_said_before_anything_else(rng: np.random.Generator) -> None:
    message = compare.arrays(rng.random((2, 3)), rng.random((2, 4))).message
    assert "the shape is (2, 3), expected (2, 4)" in message
    assert "wrong." not in message.splitlines()[0]


def test_wrong_dtype_fails_and_says_where_it_comes_from(rng: np.random.Generator) -> None:
    x = rng.random((2, 3), dtype=np.float32)
    message = compare.arrays(x.astype(np.float64), x).message
    assert "the dtype is float64, expected float32" in message
    assert "dtype=x.dtype" in message
    assert "int64" in compare.arrays(np.zeros(3), np.zeros(3, np.int64)).message
    assert "Fractions are lost" in compare.arrays(np.zeros(3, np.int64), np.zeros(3)).message
    assert not compare.arrays(np.zeros(3, np.int32), np.zeros(3, np.int64))


def test_nan_must_be_where_it_is_expected() -> None:
    with_nan, without = np.array([1.0, np.nan, 3.0]), np.array([1.0, 2.0, 3.0])
    assert compare.arrays(with_nan, with_nan.copy())
    assert "NaN" in compare.arrays(with_nan, without).message
    assert "NaN is missing" in compare.arrays(without, with_nan).message
    assert not compare.arrays(np.array([np.inf]), np.array([-np.inf]))


@pytest.mark.parametrize(
    ("actual", "words"),
    [
        (None, "is a return statement missing"),
        ([1.0, 2.0], "is a list, expected a NumPy array"),
        ("text", "is a str"),
        (torch.ones(2), "is a PyTorch tensor, expected a NumPy array"),
        (3.0, "is a float"),
    ],
)
def test_what_is_no_array_is_named(actual: object, words: str) -> None:
    report = compare.arrays(actual, np.array([1.0, 2.0]))
    assert not report.ok
    assert words in report.message


def test_a_number_or_a_list_leaves_the_dtype_open() -> None:
    assert compare.arrays(0.5, 0.5)
    assert compare.arrays(np.float32(0.5), 0.5)
    assert compare.arrays(np.array([1.0, 2.0]), [1, 2])
    assert not compare.arrays(0.5, 0.501)
    assert not compare.arrays(np.array(["a"]), [1])
    assert not compare.arrays(np.array([1]), [0.5])


def test_a_tensor_may_be_the_expected_value() -> None:
    assert compare.arrays(np.ones(3, np.float32), torch.ones(3, requires_grad=True))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0, 4, 4)])
def test_empty_arrays_agree_when_their_shapes_do(shape: tuple) -> None:
    assert compare.arrays(np.empty(shape), np.empty(shape))
    assert not compare.arrays(np.empty(shape), np.empty((*shape, 1)))


def test_non_contiguous_arrays_are_compared_by_value(rng: np.random.Generator) -> None:
    x = rng.random((4, 6))
    assert compare.arrays(x[::2, ::-3].T, x[::2, ::-3].T.copy())
    assert compare.arrays(x.T.copy(order="F"), x.T)


def test_small_arrays_stand_side_by_side() -> None:
    actual, expected = np.array([[1, 2], [3, 9]]), np.array([[1, 2], [3, 4]])
    lines = compare.arrays(actual, expected).message.splitlines()
    assert [line.split() for line in lines[-2:]] == [["1", "2", "1", "2"], ["3", "9*", "3", "4"]]
    assert "got" in lines[-3]
    assert "expected" in lines[-3]
    large = compare.arrays(np.zeros((7, 7)), np.ones((7, 7))).message
    assert not any(line.split() == ["got", "expected"] for line in large.splitlines())


def test_hints_name_what_the_result_equals() -> None:
    expected = np.array([0.25, 0.5])
    hints = [("the accuracy", np.array([0.7, 0.9])), ("the recall", np.array([0.3, 0.6]))]
    message = compare.arrays(np.array([0.3, 0.6]), expected, hints=hints).message
    assert "Your result equals the recall." in message
    assert "accuracy" not in message
    assert "equals" not in compare.arrays(np.array([0.1, 0.6]), expected, hints=hints).message


def test_an_array_that_compares_equal_to_everything_does_not_pass() -> None:
    class Sly(np.ndarray):
        def __eq__(self, other):
            return np.ones(self.shape, bool)

        def __sub__(self, other):
            return np.zeros(self.shape)

    assert not compare.arrays(np.zeros(3).view(Sly), np.ones(3))


# --- with_torch


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_right_operator_agrees_with_pytorch(dtype: type, rng: np.random.Generator) -> None:
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in ((2, 3, 7, 6), (4, 3, 3, 2), (4,)))
    report = compare.with_torch(conv2d, x, w, b, stride=2, padding=1)
    assert report.ok, report.message
    assert "→" not in report.message
    assert compare.with_torch(max_pool2d, x, 2, return_indices=True)


def test_each_of_several_results_is_compared(rng: np.random.Generator) -> None:
    def wrong(x, kernel_size, return_indices=False):
        values, indices = max_pool2d(x, kernel_size, return_indices)
        return values, indices + 1

    x = rng.standard_normal((1, 2, 4, 6))
    report = compare.with_torch(wrong, x, 2, return_indices=True, reference=torch.nn.functional.max_pool2d)
    assert not report.ok
    assert "wrong, values: all 12 values agree" in report.message
    assert "start at 1" in report.message


def test_a_missing_second_result_is_named(rng: np.random.Generator) -> None:
    def max_pool2d_loops(x, kernel_size, return_indices=False):
        return max_pool2d(x, kernel_size)

    report = compare.with_torch(max_pool2d_loops, rng.random((1, 1, 4, 4)), 2, return_indices=True)
    assert "PyTorch returns 2: values, indices" in report.message


def test_gradients_are_compared_with_autograd(rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 5)).astype(np.float32)
    assert compare.with_torch(relu, x, backward=lambda g: g * (x > 0))
    wrong = compare.with_torch(relu, x, backward=lambda g: g * (x > 0) * np.float32(1.001))
    assert "Gradient of x" in wrong.message
    assert not wrong.ok
    assert compare.with_torch(relu, x, backward=lambda g: g * 2, gradients=False)


def conv2d_backward(g, x, w):
    _n, _, h, width = g.shape
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(h):
        for j in range(width):
            window = np.s_[:, :, i : i + w.shape[2], j : j + w.shape[3]]
            dx[window] += np.einsum("no,ocij->ncij", g[:, :, i, j], w)
            dw += np.einsum("no,ncij->ocij", g[:, :, i, j], x[window])
    return dx, dw, g.sum(axis=(0, 2, 3))


def test_gradients_come_in_the_order_of_the_inputs(rng: np.random.Generator) -> None:
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in ((2, 3, 6, 5), (4, 3, 3, 2), (4,)))
    report = compare.with_torch(conv2d, x, w, b, backward=lambda g: conv2d_backward(g, x, w))
    assert report.ok, report.message
    for name in ("x", "weight", "bias"):
        assert f"Gradient of {name}: all" in report.message
    assert compare.with_torch(conv2d, x, w, backward=lambda g: (*conv2d_backward(g, x, w)[:2], None))
    only_x = compare.with_torch(conv2d, x, w, backward=lambda g: (conv2d_backward(g, x, w)[0], None))
    assert only_x.ok
    assert "weight" not in only_x.message
    swapped = compare.with_torch(conv2d, x, w, backward=lambda g: conv2d_backward(g, x, w)[1::-1])
    assert "Gradient of x: the shape is (4, 3, 3, 2)" in swapped.message
    short = compare.with_torch(conv2d, x, w, b, backward=lambda g: conv2d_backward(g, x, w)[:2])
    assert "one gradient for each of x, weight, bias" in short.message


def test_batch_norm_has_no_gradient_for_its_running_statistics(rng: np.random.Generator) -> None:
    x, mean, var = rng.standard_normal((2, 3, 4, 4)), rng.random(3), rng.random(3) + 0.5
    weight, bias = rng.random(3), rng.random(3)
    factor = 1 / np.sqrt(var + 1e-5)

    def batch_norm(x, running_mean, running_var, weight, bias):
        normal = (x - running_mean[:, None, None]) * (1 / np.sqrt(running_var + 1e-5))[:, None, None]
        return normal * weight[:, None, None] + bias[:, None, None]

    def backward(g):
        normal = (x - mean[:, None, None]) * factor[:, None, None]
        return g * (weight * factor)[:, None, None], (g * normal).sum((0, 2, 3)), g.sum((0, 2, 3))

    report = compare.with_torch(batch_norm, x, mean, var, weight, bias, backward=backward)
    assert report.ok, report.message
    assert "Gradient of bias" in report.message
    assert "running" not in report.message


def test_the_random_gradient_follows_the_seed(rng: np.random.Generator) -> None:
    x, seen = rng.standard_normal(4), []
    for seed in (1, 1, 2):
        compare.with_torch(relu, x, backward=lambda g: seen.append(g) or g * (x > 0), seed=seed)
    assert np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])


def test_an_error_is_reported_with_its_type_and_line(rng: np.random.Generator) -> None:
    def relu(x):
        y = x + 1
        return y[:, 99]

    message = compare.with_torch(relu, rng.random((2, 3))).message
    assert "relu raised IndexError: index 99 is out of bounds" in message
    assert "return y[:, 99]" in message


def test_an_error_in_backward_is_reported(rng: np.random.Generator) -> None:
    message = compare.with_torch(relu, rng.random(3), backward=lambda g: g @ np.ones(7)).message
    assert "raised ValueError" in message


def test_an_error_about_the_machine_is_no_report_on_the_function(rng: np.random.Generator) -> None:
    class MachineError(Exception):
        about_the_machine = True

    def relu(x):
        raise MachineError

    with pytest.raises(MachineError):
        compare.with_torch(relu, rng.random(3))


def test_none_and_not_written_yet_are_said_plainly(rng: np.random.Generator) -> None:
    def nothing(x):
        pass

    def unwritten(x):
        raise NotImplementedError

    def check(f):
        return compare.with_torch(f, rng.random(3), reference=torch.relu).message

    assert check(nothing) == "nothing returned None: is a return statement missing?"
    assert "not written yet" in check(unwritten)
    assert "returned None" in compare.with_torch(relu, rng.random(3), backward=lambda g: None).message


def test_arguments_that_pytorch_refuses_must_be_refused(rng: np.random.Generator) -> None:
    def max_pool2d(x, kernel_size, padding):
        return x

    report = compare.with_torch(max_pool2d, rng.random((1, 1, 4, 4)), 2, padding=5)
    assert not report.ok
    assert "PyTorch refuses these arguments" in report.message


def test_changing_an_input_in_place_is_found(rng: np.random.Generator) -> None:
    def relu(x):
        x[x < 0] = 0
        return x

    assert "changed its argument x in place" in compare.with_torch(relu, rng.standard_normal((4, 5))).message


def test_partial_functions_and_variants_are_found_by_name(rng: np.random.Generator) -> None:
    def relu_loops(x):
        return np.maximum(x, 0)

    x = rng.standard_normal((1, 2, 4, 4))
    assert compare.with_torch(relu_loops, x)
    assert compare.with_torch(functools.partial(max_pool2d, kernel_size=2), x, reference=torch.nn.MaxPool2d(2))
    with pytest.raises(LookupError, match="reference="):
        compare.with_torch(lambda x: x, x)


def test_lists_of_arrays_become_lists_of_tensors(rng: np.random.Generator) -> None:
    def concatenate(x, dim):
        return np.concatenate(x, dim)

    a, b = rng.random((2, 3, 4)), rng.random((2, 1, 4))
    split = compare.with_torch(concatenate, [a, b], 1, backward=lambda g: (g[:, :3], g[:, 3:]))
    assert split.ok, split.message


@pytest.mark.parametrize("shape", [(0, 3, 6, 6), (2, 3, 6, 6)])
def test_empty_batches_and_views_are_compared(shape: tuple, rng: np.random.Generator) -> None:
    x, w = rng.standard_normal(shape)[:, ::-1, :, ::-1], rng.standard_normal((2, 3, 3, 3))
    x.flags.writeable = False
    assert compare.with_torch(conv2d, x, w)


# --- finite differences


def test_right_gradients_agree_with_finite_differences(rng: np.random.Generator) -> None:
    x, w = rng.standard_normal((2, 2, 5, 5)), rng.standard_normal((3, 2, 3, 3))
    g = rng.standard_normal((2, 3, 3, 3))
    dx, dw, _ = conv2d_backward(g, x, w)
    report = compare.with_finite_differences(conv2d, [x, w], [dx, dw], grad_output=g, samples=50)
    assert report.ok, report.message
    assert "50 of 50" in report.message
    assert compare.with_finite_differences(conv2d, [x, w], [None, dw], grad_output=g)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_off_by_a_thousandth_fails(dtype: type, rng: np.random.Generator) -> None:
    x = rng.uniform(1, 2, size=(4, 5)).astype(dtype)
    assert compare.with_finite_differences(np.square, [x], [2 * x])
    wrong = 2 * x
    wrong[2, 3] *= 1.001
    report = compare.with_finite_differences(np.square, [x], [wrong])
    assert not report.ok
    assert "row 2, column 3" in report.message


def test_any_slope_between_both_sides_is_right_at_a_kink() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    for slope in (0.0, 0.5, 1.0):
        assert compare.with_finite_differences(relu, [x], [np.array([0.0, slope, 1.0])])
    assert not compare.with_finite_differences(relu, [x], [np.array([0.0, 1.5, 1.0])])


def test_finite_differences_leave_the_inputs_as_they_are(rng: np.random.Generator) -> None:
    x = rng.random(5)
    before = x.copy()
    compare.with_finite_differences(np.square, [x], [2 * x])
    assert np.array_equal(x, before)


def test_nan_in_a_gradient_fails() -> None:
    assert not compare.with_finite_differences(np.square, [np.ones(3)], [np.array([2.0, np.nan, 2.0])])


def test_finite_differences_explain_a_factor(rng: np.random.Generator) -> None:
    x = rng.random((3, 4)) + 1
    message = compare.with_finite_differences(np.square, [x], [x]).message
    assert "2 times too small" in message


def test_a_gradient_of_the_wrong_shape_is_named() -> None:
    report = compare.with_finite_differences(np.square, [np.ones((2, 3))], [np.ones((3, 2))])
    assert "shape (3, 2), expected an array of shape (2, 3)" in report.message


def test_gradients_and_inputs_must_be_equally_many() -> None:
    with pytest.raises(ValueError, match="gradients has 1 entries, inputs 2"):
        compare.with_finite_differences(np.add, [np.ones(2), np.ones(2)], [np.ones(2)])


# --- refusals


def refuse(kernel_size):
    if kernel_size < 1:
        raise ValueError(f"kernel_size={kernel_size} must be at least 1")
    return np.ones((2, 3))


def test_a_refusal_is_reported() -> None:
    assert compare.raises(refuse, ValueError, 0, mentions=["kernel_size", 0])
    assert compare.raises(refuse, (TypeError, ValueError), 0)
    assert compare.raises(refuse, ValueError, 0, mentions=["Kernel_Size"])  # as in "Window too large" for "window"


def test_a_missing_refusal_is_named() -> None:
    message = compare.raises(refuse, ValueError, 2).message
    assert "should be refused with ValueError" in message
    assert "it returned an array of shape (2, 3)" in message


def test_another_error_is_named() -> None:
    message = compare.raises(refuse, ValueError, "two").message
    assert "TypeError" in message
    assert "Expected was ValueError" in message


def test_a_refusal_must_say_why() -> None:
    report = compare.raises(refuse, ValueError, 0, mentions=["padding"])
    assert not report.ok
    assert "should mention padding" in report.message
    assert "kernel_size=0 must be at least 1" in report.message

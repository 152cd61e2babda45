"""The cases: random inputs, honest bytes and operations, every operator of the course."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cases
from benchmarks.case import WrongResultError
from segedu import numpy_ops

# The answers of dropout are random: nothing to compare them with before timing them.
# PyTorch's gradient of concatenating is a view, so there is no work to compare with.
# The backward of a loss is what its "with gradient" computes.
NOT_MEASURED = {"dropout", "dropout_backward", "concatenate_backward"} | {
    f"{loss}_backward" for loss in ("cross_entropy", "dice_loss", "jaccard_loss", "lovasz_softmax")
}


def case_of(name, shape, direction):
    (operator,) = [one for one in cases.OPERATORS if one.name == name]
    return next(case for case in operator.cases(shape, seed=1) if case.direction == direction)


@pytest.mark.parametrize("operator", cases.OPERATORS, ids=lambda operator: operator.name)
class TestEveryOperator:
    def test_inputs_are_never_constant(self, operator):
        for case in operator.cases(operator.quick, seed=5):
            assert case.reads
            for array in case.reads:
                assert array.size < 2 or len(np.unique(array)) > 1

    def test_inputs_depend_on_the_seed(self, operator):
        first, same, other = (operator.cases(operator.quick, seed)[0].reads[0] for seed in (5, 5, 6))
        assert np.array_equal(first, same)
        assert not np.array_equal(first, other)

    def test_agrees_with_pytorch_at_the_quick_shape(self, operator):
        for case in operator.cases(operator.quick, seed=7):
            assert case.check() > 0


def test_names_are_unique():
    names = [operator.name for operator in cases.OPERATORS]
    assert len(set(names)) == len(names)


def measured():
    """The functions of the course that the cases call."""
    source = "".join(path.read_text() for path in Path(inspect.getfile(cases)).parent.glob("*.py"))
    return set(re.findall(r"\bops\.(\w+)", source))


def test_every_operator_with_a_gradient_is_measured():
    everything = set(numpy_ops.__all__)
    gradients = {name for name in everything if name.endswith("_backward")}
    operators = gradients | {name.removesuffix("_backward") for name in gradients}
    missing = operators - NOT_MEASURED - measured()
    assert not missing, f"add cases for {sorted(missing)} to benchmarks/cases/"


def test_the_metrics_that_count_pixels_are_measured():
    assert measured() >= {"confusion_matrix", "iou", "class_dice", "top_k_accuracy"}


def test_max_pool_moves_input_values_and_indices():
    # 2·3·8·8 floats in; 2·3·4·4 floats and as many int64 indices out
    assert case_of("max pool 2×2 with indices", (2, 3, 8, 8), "forward").check() == 384 * 4 + 96 * 4 + 96 * 8


def test_max_pool_gradient_moves_gradients_and_indices():
    assert case_of("max pool 2×2 with indices", (2, 3, 8, 8), "gradient").check() == 96 * 4 + 96 * 8 + 384 * 4


def test_convolution_counts_multiplications_and_additions():
    forward = case_of("conv 3×3", (2, 3, 8, 8), "forward")
    assert forward.flops == 2 * (2 * 3 * 8 * 8) * (3 * 3 * 3)
    assert forward.check() == 4 * (384 + 3 * 3 * 9 + 3 + 384)


def test_gradient_of_a_convolution_takes_two_products():
    assert case_of("conv 3×3", (2, 3, 8, 8), "gradient").flops == 2 * 2 * (2 * 3 * 8 * 8) * (3 * 3 * 3)


def test_groups_divide_the_operations():
    assert case_of("conv 3×3 groups 4", (2, 4, 8, 8), "forward").flops == 2 * (2 * 4 * 8 * 8) * 9


def test_transposed_convolution_counts_from_its_input():
    # each of 3·4·4 inputs meets 3·16·16 weights
    case = case_of("transposed conv k16 s8 p4 (FCN-8s)", (1, 3, 4, 4), "forward")
    assert case.flops == 2 * (3 * 4 * 4) * (3 * 16 * 16)


def test_only_chooses_by_regular_expression():
    assert [operator.name for operator in cases.chosen("^conv 1×1$")] == ["conv 1×1"]
    assert cases.chosen() == cases.OPERATORS


def test_a_training_step_with_a_slightly_wrong_gradient_is_refused(monkeypatch):
    right = numpy_ops.relu_backward
    monkeypatch.setattr(numpy_ops, "relu_backward", lambda grad, x: right(grad, x) * grad.dtype.type(1.01))
    with pytest.raises(WrongResultError):
        case_of("U-Net step", (2, 3, 16, 16), "step").check()

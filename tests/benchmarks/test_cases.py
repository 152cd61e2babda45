"""The cases: random inputs, honest bytes and operations, every operator of the course."""

import inspect
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cases
from segedu import numpy_ops

# Each answer of dropout is random, so there is nothing to compare it with before timing it.
NOT_MEASURED = {"dropout", "dropout_backward"}


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


def test_every_function_on_images_is_measured():
    source = "".join(path.read_text() for path in Path(inspect.getfile(cases)).parent.glob("*.py"))
    images = {
        name
        for name in numpy_ops.__all__
        if inspect.getmodule(getattr(numpy_ops, name)).__name__.split(".")[-1] != "metrics"
    }
    images = {name for name in images if inspect.isfunction(getattr(numpy_ops, name))}
    assert {name for name in images if f"ops.{name}" not in source} <= NOT_MEASURED


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

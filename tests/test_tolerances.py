import math

import numpy as np
import pytest

from segedu.tolerances import tolerance

LENGTHS = [1, 2, 9, 27, 100, 576, 1000, 4608, 10_000, 100_000, 1_000_000]
FLOATS = ["float32", "float64"]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_relative_error_of_a_thousandth_fails(dtype: str, length: int, sign: int, rng: np.random.Generator) -> None:
    for scale in (1, math.sqrt(length), 255.0):
        expected = (scale * rng.uniform(1, 4, size=100) * rng.choice([-1, 1], size=100)).astype(dtype)
        assert not tolerance(dtype, length).accepts(expected * (1 + sign * 1e-3), expected).any()


@pytest.mark.parametrize("length", LENGTHS)
def test_honest_float32_sums_pass(length: int, rng: np.random.Generator) -> None:
    terms = rng.standard_normal((max(2, min(200, 2_000_000 // length)), length)).astype("float32")
    assert tolerance("float32", length).accepts(terms.sum(axis=1), terms.astype("float64").sum(axis=1)).all()


@pytest.mark.parametrize("length", [length for length in LENGTHS if length <= 4608])
def test_honest_float32_sums_one_term_after_the_other_pass(length: int, rng: np.random.Generator) -> None:
    terms = rng.standard_normal((100, length)).astype("float32")
    assert tolerance("float32", length).accepts(terms.cumsum(axis=1)[:, -1], terms.astype("float64").sum(axis=1)).all()


@pytest.mark.parametrize("length", LENGTHS)
def test_honest_float32_dot_products_pass(length: int, rng: np.random.Generator) -> None:
    rows = max(2, min(200, 2_000_000 // length))
    a, b = rng.standard_normal((rows, length)).astype("float32"), rng.standard_normal(length).astype("float32")
    assert tolerance("float32", length).accepts(a @ b, a.astype("float64") @ b.astype("float64")).all()


@pytest.mark.parametrize("length", LENGTHS)
def test_honest_float64_sums_pass(length: int, rng: np.random.Generator) -> None:
    terms = rng.standard_normal((3, length))
    exact = np.array([math.fsum(row) for row in terms])
    assert tolerance("float64", length).accepts(terms.sum(axis=1), exact).all()


def test_float32_digits_fail_in_float64(rng: np.random.Generator) -> None:
    exact = rng.uniform(1, 2, size=100)
    assert not tolerance("float64", 1).accepts(exact.astype("float32").astype("float64"), exact).all()


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
def test_integers_and_booleans_must_be_equal(dtype: str) -> None:
    assert tolerance(dtype, 1000) == tolerance("int64")
    assert tolerance(dtype).rtol == tolerance(dtype).atol == 0


def test_large_integers_are_told_apart() -> None:
    large = np.array([2**62 + 1])
    assert not tolerance("int64").accepts(large, large - 1).any()


def test_tolerance_grows_with_the_length() -> None:
    rtols = [tolerance("float32", length).rtol for length in LENGTHS]
    assert rtols == sorted(rtols)
    assert rtols[0] < rtols[-1]


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_equals_nan_and_infinities_go_by_sign(dtype: str) -> None:
    a = np.array([np.nan, np.inf, -np.inf, np.nan, 1.0, np.inf, 1.0], dtype)
    b = np.array([np.nan, np.inf, -np.inf, 1.0, np.nan, -np.inf, np.inf], dtype)
    assert tolerance(dtype).accepts(a, b).tolist() == [True] * 3 + [False] * 4


def test_one_outlier_does_not_hide_other_errors(rng: np.random.Generator) -> None:
    expected = rng.uniform(1, 2, size=20).astype("float32")
    expected[0] = 1e30
    actual = expected.copy()
    actual[5] *= 1.001
    assert np.flatnonzero(~tolerance("float32").accepts(actual, expected)).tolist() == [5]


@pytest.mark.parametrize("dtype", ["float16", "complex64", "U3"])
def test_other_dtypes_have_no_tolerance(dtype: str) -> None:
    with pytest.raises(TypeError, match="float32 and float64"):
        tolerance(dtype)

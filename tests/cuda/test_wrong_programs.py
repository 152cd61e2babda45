"""Every wrong program is caught, with the message that is meant for it."""

import re

import pytest

from segedu.cuda.compiler import find_compiler
from tests.cuda.kernels import error_of, launched, needs_compiler
from tests.cuda.wrong import ALL, Wrong

pytestmark = needs_compiler


@pytest.mark.parametrize("wrong", ALL, ids=lambda wrong: wrong.name.replace(" ", "-"))
def test_the_mistake_is_named(wrong: Wrong):
    if wrong.needs_gcc and find_compiler()[0] != "g++":
        pytest.skip("only g++ shows this")
    error = error_of(
        launched, wrong.source, wrong.grid, wrong.block, wrong.arguments(), wrong.shared_mem, **wrong.limits
    )
    print(error)
    assert error.problem == wrong.problem
    assert error.line in wrong.lines
    assert error.kernel == "k"
    assert re.sub(r"0x[0-9a-f]{8}\b", "", str(error)).count("0x") == 0  # masks, but no addresses
    for text in wrong.says:
        assert text in str(error)
    if wrong.array is not None:
        assert error.array == wrong.array
    if wrong.index is not None:
        assert error.index == wrong.index

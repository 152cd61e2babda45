"""Every test here states a fact about an operator, whichever set of operators computes it."""

from collections.abc import Iterator
from types import ModuleType

import pytest

import segedu.cuda_ops
import segedu.numpy_ops
from tests.cuda.kernels import needs_compiler

# name: (operators, mode and order of threads)
SETS = {
    "numpy": (segedu.numpy_ops, None),
    "cuda": (segedu.cuda_ops, ("fast", "forward")),
    "cuda-checked": (segedu.cuda_ops, ("check", "forward")),
    "cuda-checked-reverse": (segedu.cuda_ops, ("check", "reverse")),
    "cuda-gpu": (segedu.cuda_ops, ("gpu", "forward")),
}
MARKS = {
    "numpy": [],
    "cuda": [needs_compiler],
    "cuda-checked": [needs_compiler, pytest.mark.slow],
    "cuda-checked-reverse": [needs_compiler, pytest.mark.slow],
    "cuda-gpu": [pytest.mark.gpu],
}


@pytest.fixture(scope="module", params=[pytest.param(name, marks=marks) for name, marks in MARKS.items()])
def ops(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The set of operators under test. One for the whole module, so that Hypothesis may use it."""
    operators, mode = SETS[request.param]
    if mode is None:
        yield operators
        return
    with segedu.cuda_ops.mode(*mode):
        yield operators

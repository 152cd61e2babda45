"""Every test here states a fact about an operator, whichever set of operators computes it."""

import re
from collections.abc import Iterator
from types import ModuleType

import pytest

import segedu.cuda_ops
import segedu.numpy_ops
from segedu.numpy_ops import _blocks
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
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_blocks, "BLOCK_BYTES", 4096)  # so that the tests' small arrays make several blocks
            yield operators
        return
    with segedu.cuda_ops.mode(*mode):
        yield operators


# Kernels run on the CPU one thread after another: these cases wait for --all, where each costs more than a few seconds.
LONG = re.compile(r"conv(_transpose)?2d_equals_pytorch\[cuda-(16-|.*-[14]\])|\[cuda.*\(5000, 10\)")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if LONG.search(item.nodeid):
            item.add_marker(pytest.mark.slow)

"""Every operator runs over a stand-in for CuPy, which refuses what CuPy refuses, and equals NumPy's."""

import sys

import numpy as np
import pytest

from segedu import compare, cuda_ops, numpy_ops
from tests.cuda import fake_cupy
from tests.cuda.kernels import needs_compiler
from tests.cuda_ops.test_checked import CALLS

pytestmark = needs_compiler


@pytest.fixture(autouse=True)
def cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.MODULE)
    cuda_ops._launch._module.cache_clear()
    cuda_ops._launch._kernel.cache_clear()
    with cuda_ops.mode("gpu"):
        yield fake_cupy.MODULE
    cuda_ops._launch._module.cache_clear()
    cuda_ops._launch._kernel.cache_clear()


def moved(value, how):
    if isinstance(value, (list, tuple)):
        return type(value)(moved(item, how) for item in value)
    return how(value) if isinstance(value, np.ndarray) else value


def fetched(result):
    return result.get() if isinstance(result, fake_cupy.ndarray) else np.asarray(result)


@pytest.mark.parametrize("given", ["cupy", "numpy", "mixed"])
@pytest.mark.parametrize(("name", "args", "options"), CALLS, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(CALLS)])
def test_an_operator_runs_through_cupy(cupy, name, args, options, given):
    expected = getattr(numpy_ops, name)(*moved(args, np.copy), **options)
    ready = moved(args, cupy.asarray if given == "cupy" else np.copy)
    if given == "mixed":
        first = next(i for i, value in enumerate(ready) if isinstance(value, (np.ndarray, list)))
        ready = (*ready[:first], moved(ready[first], cupy.asarray), *ready[first + 1 :])
    result = getattr(cuda_ops, name)(*ready, **options)
    pairs = zip(result, expected, strict=True) if isinstance(expected, tuple) else [(result, expected)]
    for ours, theirs in pairs:
        if theirs is not None:
            if np.ndim(theirs):
                assert type(ours) is (np.ndarray if given == "numpy" else cupy.ndarray)
            compare.arrays(fetched(ours), np.asarray(theirs), length=150).check()

"""Tests look at NumPy's arrays, also on a machine with a GPU: there `cuda.empty` would give them CuPy's."""

import sys

import pytest

from segedu.cuda import arrays
from tests.cuda import fake_cupy


@pytest.fixture(autouse=True)
def empty_is_numpys(request, monkeypatch):
    if request.node.path.name != "test_gpu.py":
        monkeypatch.setattr(arrays, "gpu_available", lambda: False)


@pytest.fixture
def cupy(monkeypatch):
    """The stand-in for CuPy in the place of the real one."""
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.MODULE)
    return fake_cupy.MODULE

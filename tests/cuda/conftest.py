"""Tests of kernels on the CPU mean the CPU, also on a machine with a GPU: `cuda.empty` gives them NumPy's arrays."""

import sys

import pytest

from segedu.cuda import arrays
from tests.cuda import fake_cupy


@pytest.fixture(autouse=True)
def on_the_cpu(request, monkeypatch):
    if not request.node.get_closest_marker("gpu"):
        monkeypatch.setattr(arrays, "gpu_available", lambda: False)


@pytest.fixture
def cupy(monkeypatch):
    """The stand-in for CuPy in the place of the real one."""
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.MODULE)
    return fake_cupy.MODULE

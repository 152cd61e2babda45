"""Every test here states a fact about an operator, whichever set of operators computes it."""

from types import ModuleType

import pytest

import segedu.numpy_ops


@pytest.fixture(params=["numpy"])
def ops(request: pytest.FixtureRequest) -> ModuleType:
    """The set of operators under test."""
    return {"numpy": segedu.numpy_ops}[request.param]

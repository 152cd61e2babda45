"""Every operator has wrong copies, and every wrong copy turns a test red."""

import importlib
import pkgutil
from collections import Counter

import pytest

import segedu.numpy_ops
import tests.mutants

SUBJECTS = [m.name for m in pkgutil.iter_modules(tests.mutants.__path__) if m.name != "mutant"]
MUTANTS = [mutant for name in SUBJECTS for mutant in importlib.import_module(f"tests.mutants.{name}").MUTANTS]


def test_every_operator_has_at_least_three_wrong_copies():
    counts = Counter(mutant.operator for mutant in MUTANTS)
    few = {name: counts[name] for name in segedu.numpy_ops.__all__ if counts[name] < 3}
    assert few == {}


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_wrong_copy_differs_in_one_place(mutant):
    compile(mutant.source(), mutant.file, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_wrong_copy_is_caught(mutant, tmp_path):
    assert mutant.is_caught(tmp_path), f"no test of {mutant.tests} notices: {mutant}"

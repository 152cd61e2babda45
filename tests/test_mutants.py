"""Every operator has wrong copies, and every wrong copy turns a test red."""

import importlib
import pkgutil
from collections import Counter
from dataclasses import replace

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


def test_every_wrong_copy_has_a_name_of_its_own():
    assert [name for name, count in Counter(map(str, MUTANTS)).items() if count > 1] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "mutant", {mutant.tests: mutant for mutant in MUTANTS}.values(), ids=lambda mutant: mutant.tests
)
def test_an_unchanged_copy_passes(mutant, tmp_path):
    assert not replace(mutant, new=mutant.old).is_caught(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_wrong_copy_is_caught(mutant, tmp_path):
    assert mutant.is_caught(tmp_path), f"no test of {mutant.tests} notices: {mutant}"

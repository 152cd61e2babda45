"""Every kernel of the course has wrong copies, and each is caught with the message that is meant for its mistake."""

import importlib
import pkgutil
from collections import Counter

import pytest

import tests.mutants_cuda
from segedu.cuda.source import find_kernels
from segedu.cuda_ops import _launch
from tests.cuda.kernels import needs_compiler
from tests.mutants_cuda.mutant import ORDERS, checked

FILES = [m.name for m in pkgutil.iter_modules(tests.mutants_cuda.__path__) if m.name != "mutant"]
MUTANTS = [mutant for name in FILES for mutant in importlib.import_module(f"tests.mutants_cuda.{name}").MUTANTS]
CALLS = {mutant.call: mutant for mutant in MUTANTS}


def test_every_kernel_has_a_wrong_copy_and_every_file_three():
    files = sorted(path.name for path in _launch.FOLDER.glob("*.cu"))
    kernels = {(file, kernel) for file in files for kernel in find_kernels(_launch.source(file))}
    assert kernels - {(mutant.file, mutant.kernel) for mutant in MUTANTS} == set()
    counts = Counter(mutant.file for mutant in MUTANTS)
    assert [file for file in files if counts[file] < 3] == []


def test_every_wrong_copy_has_a_name_of_its_own():
    assert [name for name, count in Counter(map(str, MUTANTS)).items() if count > 1] == []


def test_a_wrong_copy_differs_in_one_place():
    assert all(mutant.source() != _launch.source(mutant.file) for mutant in MUTANTS)


@needs_compiler
@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{CALLS[call].file}-{call.__name__}")
def test_the_right_kernels_are_silent_on_the_same_calls(call):
    for order in ORDERS:
        checked(call, order).check()


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_wrong_copy_is_caught_with_its_message(mutant):
    for order in mutant.orders:
        report = mutant.report(order)
        print(report)
        assert not report, f"nothing notices, threads {order}: {mutant}"
        assert ("raised" in report.message) == bool(mutant.says)
        assert [words for words in (*mutant.says, mutant.hint) if words not in report.message] == []

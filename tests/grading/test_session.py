"""What goes wrong in a check is the answer's fault only where the answer had a part in it."""

import copy
import importlib.util
import time

import pytest

from segedu.grading import results, session
from segedu.grading.cells import question, role
from segedu.grading.graft import graft
from segedu.grading.own import Here
from segedu.grading.results import SubmissionResult
from segedu.grading.session import Session
from tests.grading.submissions import perfect, solution


def outcome(check, answer="def double(x):\n    return 2 * x"):
    """How a check of `double` ends, the answer in this process."""
    master = solution()
    names = {}
    exec(answer, names)
    cell = copy.deepcopy(next(c for c in master.cells if role(c) == "check" and question(c) == "double"))
    cell.source = check
    one = Session(graft(master, perfect()), master, SubmissionResult("ada", "hw.ipynb"), lambda cells: Here(names), "")
    one.lane.seconds, one.result.answers["double"] = 1.0, answer
    return one.run(cell)


def test_a_package_that_a_check_lacks_is_no_fault_of_the_answer():
    assert importlib.util.find_spec("no_such_package") is None
    with pytest.raises(ImportError, match="no_such_package"):
        outcome("import no_such_package")


def test_a_file_that_a_check_lacks_is_no_fault_of_the_answer():
    with pytest.raises(FileNotFoundError):
        outcome("open('/no/such/file')")


@pytest.mark.parametrize("raised", ["ImportError", "OSError", "FileNotFoundError", "ValueError"])
def test_what_the_answer_raises_is_its_error(raised):
    check = outcome("double(1)", f"def double(x):\n    raise {raised}('mine')")
    assert (check.status, check.message.split("\n")[0]) == (results.ERROR, f"{raised}: mine")


def test_what_a_check_cannot_compute_with_a_result_is_an_error_of_the_answer():
    assert outcome("double(1).shape", "def double(x):\n    return None").status == results.ERROR


def test_a_check_that_a_result_sends_on_an_endless_way_is_stopped(monkeypatch):
    monkeypatch.setattr(session, "CHECK_SECONDS", 0.2)
    started = time.monotonic()
    check = outcome("n = double(1)\nwhile n:\n    n += 1")
    assert check.status == results.TIMEOUT
    assert "took longer than 0.2 seconds" in check.message
    assert time.monotonic() - started < 30

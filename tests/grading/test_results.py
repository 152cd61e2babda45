"""A result is written whole or not at all, and is read back as it was."""

import errno
import json

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from segedu.grading import results
from segedu.grading.results import CheckResult, SubmissionResult

checks = st.builds(
    CheckResult,
    st.text(),
    st.text(),
    st.floats(0, 100),
    st.sampled_from(["passed", "failed"]),
    st.text(),
    st.booleans(),
)
texts = st.dictionaries(st.text(), st.text(st.characters()), max_size=3)  # halves of characters among them
found = st.builds(
    SubmissionResult, *[st.text()] * 5, checks=st.lists(checks, max_size=3), warnings=st.lists(st.text(), max_size=3),
    answers=texts, output=texts
)  # fmt: skip
ADA = SubmissionResult("Ada", "hw.ipynb", checks=[CheckResult("c", "q", 2.0, results.PASSED)])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found)
def test_a_result_is_read_back_as_it_was(tmp_path, result):
    results.write(result, tmp_path / "a" / "r.json")
    assert results.read(tmp_path / "a" / "r.json") == result


def test_a_write_that_fails_leaves_the_old_result_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "r.json"
    results.write(ADA, path)

    def full(content, file, **how):
        file.write('{"half": ')
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(json, "dump", full)
    with pytest.raises(OSError, match="No space left"):
        results.write(SubmissionResult("Ada", "newer.ipynb"), path)
    assert results.read(path) == ADA
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"checks": 3}', '{"checks": [{"cell": 1}]}', "\ufeff\x00"])
def test_what_is_no_result_is_none_and_is_graded_again(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    assert results.read(tmp_path / "r.json") is None
    assert results.read(tmp_path / "absent.json") is None


def test_half_a_result_is_none_wherever_it_was_cut(tmp_path):
    path = tmp_path / "r.json"
    results.write(ADA, path)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        assert results.read(path) is None


@pytest.mark.parametrize("status", [results.FAILED, results.ERROR, results.TIMEOUT, results.CRASHED, results.MISSING])
def test_only_what_passed_has_points(status):
    assert CheckResult("c", "q", 2.0, status).earned == 0
    assert CheckResult("c", "q", 2.0, results.PASSED).earned == 2

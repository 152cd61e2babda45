"""No answer breaks or fools the grader: a class in which each submission tries something else, graded at once."""

import psutil
import pytest

from segedu.grading import results
from segedu.grading.grade import grade
from segedu.grading.hostile import ATTACKS
from segedu.grading.sandbox import find_sandbox
from tests.grading.submissions import TINY, perfect, put, question_of, with_answer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_sandbox().is_safe, reason=f"needs a sandbox: {find_sandbox().reason}"),
]
each_attack = pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: f"{a.number} {a.name}")


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Every attack in the second question of its own submission, between two honest answers."""
    folder = tmp_path_factory.mktemp("class")
    for i, attack in enumerate(ATTACKS):
        source = attack.source("def quadruple(x):\n    return double(double(x))", "quadruple")
        put(folder, f"student {i:02}", with_answer(perfect(), "quadruple", source))
    found = grade(folder, tmp_path_factory.mktemp("report"), solutions=TINY)
    return {ATTACKS[int(result.student.split()[1])]: result for result in found}


@each_attack
def test_the_attack_ends_as_it_must(graded, attack):
    checks = question_of(graded[attack], "quadruple")
    assert {check.status for check in checks} <= attack.ends, [check.message for check in checks]
    earned = sum(check.earned for check in checks)
    assert earned == (2 if attack.ends == {results.PASSED} else 0) or (
        results.PASSED in attack.ends and earned in (0, 2)
    )


@pytest.mark.parametrize("attack", [a for a in ATTACKS if not a.harms_itself], ids=lambda a: f"{a.number} {a.name}")
def test_the_other_questions_are_graded(graded, attack):
    for name, points in (("double", 3), ("half", 1)):
        assert sum(check.earned for check in question_of(graded[attack], name)) == points


@each_attack
def test_what_an_instructor_should_know_is_said(graded, attack):
    assert attack.warns in " ".join(graded[attack].warnings)


@pytest.mark.usefixtures("graded")
def test_no_process_of_a_submission_is_left():
    running = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in running if "segedu-orphan" in line and "pytest" not in line]

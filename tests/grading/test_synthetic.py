"""A class with known marks is graded with exactly these, whatever is handed in; and a wrong mark would be noticed."""

import dataclasses

import pytest

from benchmarks import grading
from segedu.grading import results
from segedu.grading.grade import grade
from segedu.grading.release import SOLUTIONS, read_solution
from segedu.grading.sandbox import Sandbox
from segedu.grading.synthetic import SHARES, SyntheticClass
from segedu.grading.wrong_answers import wrong_answers

SOURCES = sorted(SOLUTIONS.glob("[0-9]*.py"))
PASSIVE = {kind: share for kind, share in SHARES.items() if kind != "hostile"}


def class_of(source, seed=0):
    solution = read_solution(source)
    return SyntheticClass(solution, wrong_answers(SOLUTIONS / "wrong" / f"{source.stem}.toml", solution), seed)


def handed_in(students, folder, source):
    for student in students:
        student.write(folder, source.stem)
    return {student.identifier: student for student in students}


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_grader_tells_right_from_wrong_in_every_exercise(source, tmp_path):
    """The solution, and one wrong answer to each question, by way of graft, sandbox and proxy."""
    made = class_of(source)
    first = {wrong.question: wrong.source for wrong in reversed(made.wrong)}
    (perfect,) = made.make(1, {"perfect": 1})
    wrong = dataclasses.replace(perfect, identifier="2", content=made._content(first))
    handed_in([perfect, wrong], tmp_path / "class", source)
    found = {result.identifier: result for result in grade(tmp_path / "class", tmp_path / "report", workers=2)}
    assert perfect.difference(found[perfect.identifier]) == "", [c.message for c in found[perfect.identifier].checks]
    for name, checks in found["2"].by_question().items():
        assert sum(check.earned for check in checks) < made.full[name]


@pytest.mark.slow
def test_a_class_is_graded_with_its_known_marks(tmp_path, capsys):
    assert grading.main(["--students", "16", "--seed", "3", "--kinds", *PASSIVE, "--interrupt", "4"]) == 0
    shown = capsys.readouterr().out
    assert "interrupted: " in shown
    assert "16 of 16 have exactly the known marks" in shown


@pytest.mark.slow
def test_the_same_seed_makes_the_same_class():
    source = SOLUTIONS / "02_pooling.py"
    first, again = ([(s.what, s.marks) for s in class_of(source, 5).make(6)] for _ in range(2))
    assert first == again


def test_a_mark_that_is_not_the_known_one_is_noticed():
    (student,) = class_of(SOLUTIONS / "02_pooling.py").make(1, {"perfect": 1})
    checks = [results.CheckResult("c", name, points, results.PASSED) for name, points in student.marks.items()]
    result = results.SubmissionResult(student.student, "file", checks=checks)
    assert student.difference(result) == ""
    checks[0].status = results.FAILED
    assert "it must get" in student.difference(result)
    assert "unreadable" in dataclasses.replace(student, status=results.UNREADABLE).difference(result)


def test_an_exercise_that_does_not_exist_is_named_beside_those_that_do(capsys):
    assert grading.main(["--exercise", "99_nothing"]) == 1
    assert "02_pooling" in capsys.readouterr().err


def test_no_hostile_answer_runs_without_a_sandbox(monkeypatch, capsys):
    monkeypatch.setattr(grading, "find_sandbox", lambda: Sandbox("none", "there is none"))
    handed_in = []
    monkeypatch.setattr(grading, "_hand_in", lambda options, *_: handed_in.extend(options.kinds) or [])
    monkeypatch.setattr(grading, "_grade", lambda *_: {"results": []})
    monkeypatch.setattr(grading, "lines", lambda found: [])
    assert grading.main(["--students", "4"]) == 0
    assert set(handed_in) == set(PASSIVE)
    assert "No hostile answers" in capsys.readouterr().err


def test_the_library_is_no_secret_where_an_exercise_leaves_it_open():
    made = class_of(SOLUTIONS / "13_unet.py")
    list(made.make(1, {"hostile": 1}))
    assert made.solution.metadata["segedu"]["allowed"] == ["numpy_ops"]
    assert made._attacks
    assert not any(attack.wants_library for attack in made._attacks)

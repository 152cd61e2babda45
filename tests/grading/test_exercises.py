"""Every exercise: its solution has full marks, its stub none, every wrong answer of its catalogue is rejected."""

import atexit
import symtable
from collections import Counter
from functools import cache

import pytest

from segedu.grading import results
from segedu.grading.cells import has_to_define, is_cuda, names_defined, question, questions, role, stub
from segedu.grading.release import SOLUTIONS, drift, exercise, read_solution
from segedu.grading.trial import Trial, run_all
from segedu.grading.wrong_answers import wrong_answers

SOURCES = sorted(SOLUTIONS.glob("[0-9]*.py"))
FEWEST_WRONG_ANSWERS = 3

each_exercise = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


@cache
def solution_of(source):
    return read_solution(source)


def catalogue(source):
    return wrong_answers(SOLUTIONS / "wrong" / f"{source.stem}.toml", solution_of(source))


@each_exercise
def test_the_notebooks_agree_with_their_source(source):
    assert drift(source) is None


def assigned(source):
    """The names that a cell puts into the notebook."""
    if is_cuda(source):
        return {name for name, _ in names_defined(source)}
    lines = "\n".join(line for line in source.split("\n") if not line.startswith("%"))
    names = symtable.symtable(lines, "<cell>", "exec").get_symbols()
    return {name.get_name() for name in names if name.is_assigned() or name.is_imported()}


@each_exercise
def test_what_answers_define_is_still_there_in_the_last_cell(source):
    cells = exercise(solution_of(source)).cells
    answers = Counter(name for cell in cells if role(cell) == "answer" for name in has_to_define(cell))
    assert [name for name, count in answers.items() if count > 1] == [], "several answers define it"
    for cell in cells:
        if role(cell) in ("setup", "tools", "show", "check"):
            assert not assigned(cell.source) & set(answers), cell.source


@each_exercise
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_solution_has_full_marks_with_any_seed(source, seed):
    found = run_all(solution_of(source), seed=seed)
    assert [(check.question, check.message) for check in found if check.status != results.PASSED] == []


@each_exercise
def test_what_is_handed_out_holds_no_solution_and_no_hidden_check(source):
    cells = exercise(solution_of(source)).cells
    assert not any("SOLUTION" in cell.source or role(cell) == "hidden" for cell in cells)
    for cell in solution_of(source).cells:
        if role(cell) == "answer":
            handed_out = next(c for c in cells if role(c) == "answer" and question(c) == question(cell))
            assert handed_out.source == stub(cell.source, question(cell)) != cell.source


@each_exercise
def test_an_untouched_exercise_has_no_points(source):
    stubs = {question(c): stub(c.source, question(c)) for c in solution_of(source).cells if role(c) == "answer"}
    assert [check.question for check in run_all(solution_of(source), stubs) if check.status == results.PASSED] == []


@each_exercise
def test_every_question_has_visible_and_hidden_points_and_wrong_answers(source):
    listed = Counter(wrong.question for wrong in catalogue(source))
    kinds = {(question(cell), role(cell)) for cell in solution_of(source).cells}
    for name in questions(solution_of(source)):
        assert listed[name] >= FEWEST_WRONG_ANSWERS, f"{name} has {listed[name]} wrong answers"
        assert (name, "check") in kinds, f"{name} has no visible check"


@pytest.mark.parametrize(
    ("source", "wrong"),
    [pytest.param(s, w, id=f"{s.stem}-{w.question}-{w.name}") for s in SOURCES for w in catalogue(s)],
)
def test_a_wrong_answer_is_rejected_with_the_hint_meant_for_it(source, wrong):
    found = run_all(solution_of(source), {wrong.question: wrong.source}, seed=5)
    messages = [check.message for check in found if check.question == wrong.question and check.status != "passed"]
    assert messages, f"the wrong answer {wrong.name!r} passes every check"
    assert any(wrong.says in message for message in messages), messages


def test_a_trial_leaves_nothing_for_the_end_of_the_process(monkeypatch):
    """Shells that are kept until then make a process that has tried a catalogue end minutes late."""
    waiting = []
    monkeypatch.setattr(atexit, "register", waiting.append)
    monkeypatch.setattr(atexit, "unregister", waiting.remove)
    trial = Trial()
    assert waiting == [trial.shell.atexit_operations]
    trial.close()
    assert waiting == []

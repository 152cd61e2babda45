"""A student's own check says what is right, what is not, and what nobody has tried, by the visible checks alone."""

import nbformat
import numpy as np
import pytest

import segedu
from segedu.grading import check, own, results
from segedu.grading.cells import question, role
from segedu.grading.own import CannotCheckError, of_file, of_names, released
from segedu.grading.release import RELEASED, exercise, untouched
from segedu.grading.wire import LARGEST
from tests.grading.submissions import perfect, solution, with_answer


def double(x):
    return 2 * x


def quadruple(x):
    return double(double(x))


@pytest.fixture(autouse=True)
def course(tmp_path, monkeypatch):
    """A student's folder, the present one, with one exercise as it was released; returns the folder."""
    (tmp_path / RELEASED).mkdir()
    nbformat.write(untouched(solution()), tmp_path / RELEASED / "01_tiny.ipynb")
    monkeypatch.setattr(own, "EXERCISES", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def statuses(outcome):
    return {name: [check.status for check in outcome.of(name)] for name in outcome.points}


def test_an_exercise_knows_what_its_answers_define_also_where_a_name_is_part_of_the_answer():
    defined = {question(c): c.metadata["segedu"]["defines"] for c in exercise(solution()).cells if role(c) == "answer"}
    assert defined == {"double": {"double": True}, "quadruple": {"quadruple": True}, "half": {"half": False}}


def test_what_is_released_holds_no_output_and_no_hidden_check():
    cells = released("01_tiny", [own.EXERCISES]).cells
    assert not any(role(cell) == "hidden" or cell.get("outputs") for cell in cells)


def test_the_last_cell_of_an_exercise_calls_the_check_of_that_exercise(monkeypatch):
    called = []
    monkeypatch.setattr(segedu, "check", called.append)
    exec(exercise(solution()).cells[-1].source, {})
    assert called == ["01_tiny"]


def test_visible_checks_pass_on_right_names_and_leave_the_notebook_s_own_alone():
    names = {"double": double, "quadruple": quadruple, "half": 0.5, "np": None, "compare": None, "rng": 3}
    before = dict(names)
    outcome = of_names("01_tiny", names)
    assert outcome.passed
    assert outcome.points == {"double": 1, "quadruple": 1, "half": 1}
    assert names == before


def test_a_notebook_without_answers_has_attempted_nothing():
    outcome = of_names("01_tiny", {})
    assert statuses(outcome) == {name: [results.NOT_ATTEMPTED] for name in outcome.points}
    assert not outcome.passed


def test_what_is_wrong_is_said_in_the_words_of_the_comparison():
    def raises(x):
        raise IndexError("no such row")

    outcome = of_names("01_tiny", {"double": lambda x: x + 1, "quadruple": raises, "half": 2})
    assert statuses(outcome) == {"double": [results.FAILED], "quadruple": [results.ERROR], "half": [results.FAILED]}
    says = " ".join(c.message for c in outcome.result.checks)
    for part in ("First difference at", "got 3, expected 4", "IndexError: no such row", "that is not one half"):
        assert part in says


def test_an_answer_that_overwrites_its_input_is_told_so():
    def in_place(x):
        x *= 2
        return x

    (found,) = of_names("01_tiny", {"double": in_place}).of("double")
    assert found.status == results.FAILED
    assert "in place: work on a copy" in found.message


def test_a_result_that_is_no_array_is_named_and_one_too_large_refused():
    for result, says in ((object(), "a object cannot be compared"), (np.zeros(LARGEST // 8 + 1), "too large")):
        (found,) = of_names("01_tiny", {"double": lambda x, result=result: result}).of("double")
        assert says in found.message


@pytest.mark.parametrize("interrupted", ["in an answer", "between answers"])
def test_an_interruption_keeps_what_was_found(interrupted):
    def stops(x):
        raise KeyboardInterrupt

    def progress(name):
        if name == "quadruple" and interrupted == "between answers":
            raise KeyboardInterrupt

    outcome = of_names("01_tiny", {"double": double, "quadruple": stops, "half": 0.5}, progress)
    assert outcome.stopped
    assert not outcome.passed
    assert statuses(outcome) == {"double": [results.PASSED], "quadruple": [], "half": []}


def test_without_a_notebook_the_function_names_the_command():
    with pytest.raises(RuntimeError, match=r"python -m segedu check my\.ipynb"):
        segedu.check("01_tiny")


def test_an_exercise_that_is_not_there_is_named_beside_those_that_are():
    with pytest.raises(CannotCheckError, match="no exercise '02_none'; it has 01_tiny"):
        of_names("02_none", {})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{not json", "no notebook that can be read"),
        (nbformat.writes(nbformat.v4.new_notebook()), "none of the course's exercises"),
        (None, "cannot be read"),
    ],
    ids=["no notebook", "a foreign one", "no file"],
)
def test_what_cannot_be_checked_is_said_and_is_exit_code_2(course, capsys, content, says):
    if content is not None:
        (course / "my.ipynb").write_text(content)
    assert check.main(["my.ipynb"]) == 2
    assert says in " ".join(capsys.readouterr().out.split())


def test_a_limit_must_be_above_0(capsys):
    with pytest.raises(SystemExit) as stop:
        check.main(["my.ipynb", "--seconds", "0"])
    assert stop.value.code == 2
    assert "--seconds 0 must be above 0" in capsys.readouterr().err


def test_a_folder_without_exercises_is_said_to_be_one(course, capsys):
    nbformat.write(nbformat.v4.new_notebook(), course / "foreign.ipynb")
    assert check.main(["."]) == 2
    assert "None of the course's exercises is there" in capsys.readouterr().out


@pytest.mark.slow
def test_a_perfect_notebook_passes_whatever_its_name_and_whatever_became_of_its_checks(course, capsys):
    notebook = perfect()
    for cell in notebook.cells:
        if role(cell) == "check":
            cell.source = "assert False, 'edited'"
    nbformat.write(notebook, course / "hw (1).ipynb")
    assert check.main(["hw (1).ipynb"]) == 0
    said = capsys.readouterr().out
    assert said.count("visible checks passed") == 3
    assert "3 of 3" in said
    assert "the check of half was changed or deleted; the original was used" in said
    assert "Hidden checks" in said
    assert "all passed" not in said


@pytest.mark.slow
def test_every_question_of_a_folder_is_judged_by_itself(course, capsys):
    broken = with_answer(perfect(), "double", "def double(x):\n    return (2 * x")
    broken = with_answer(broken, "quadruple", "def quadruple(x):\n    while True:\n        pass")
    broken.metadata["segedu"]["release"] = "an old one"
    nbformat.write(with_answer(broken, "half", "half = 1 / 0"), course / "broken.ipynb")
    nbformat.write(exercise(solution()), course / "untouched.ipynb")
    assert check.main(["--seconds", "0.5", str(course)]) == 1
    broken, new = capsys.readouterr().out.split("untouched.ipynb\n")[:2]
    for part in (
        "\n  It happened in line 2: return (2 * x",
        "a call ran longer than 0.5 seconds",
        "ZeroDivisionError: division by zero\n  It happened in line 1: half = 1 / 0",
        "another release of this exercise (an old one)",
        "0 of 3",
    ):
        assert part in "\n".join(line.rstrip() for line in broken.split("\n"))
    assert new.count("not attempted") == 3


@pytest.mark.slow
def test_an_error_in_a_call_says_the_line(course):
    source = "def double(x):\n    y = 2 * x\n    return y[7]"
    nbformat.write(with_answer(perfect(), "double", source), course / "my.ipynb")
    (found,) = of_file(course / "my.ipynb").of("double")
    assert found.message.endswith("It happened in double, line 3: return y[7]")


def test_an_interruption_of_the_command_is_exit_code_130(course, monkeypatch):
    def interrupted(path, seconds, progress):
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "of_file", interrupted)
    nbformat.write(perfect(), course / "my.ipynb")
    assert check.main(["my.ipynb"]) == 130

"""What happens to notebooks between a student and an instructor costs nothing that was not lost."""

import copy
import json

import nbformat
import pytest

from segedu.grading import results
from segedu.grading.cells import question, role
from segedu.grading.grade import grade, main
from segedu.grading.hostile import RANDOM
from segedu.grading.release import exercise
from tests.grading.submissions import TINY, perfect, put, question_of, solution, with_answer

FULL = 6


def index_of(notebook, kind, name):
    return next(i for i, cell in enumerate(notebook.cells) if role(cell) == kind and question(cell) == name)


def untouched(notebook):
    return exercise(solution())


def without_answer(notebook):
    del notebook.cells[index_of(notebook, "answer", "quadruple")]


def check_deleted(notebook):
    del notebook.cells[index_of(notebook, "check", "double")]


def check_edited(notebook):
    notebook.cells[index_of(notebook, "check", "double")].source = "print('all passed')"


def answer_twice(notebook):
    at = index_of(notebook, "answer", "double")
    second = copy.deepcopy(notebook.cells[at])
    second.source, second.id = "def double(x):\n    return 0", "second"
    notebook.cells.insert(at + 1, second)


def reordered(notebook):
    notebook.cells.reverse()


def answer_turned_into_text(notebook):
    cell = notebook.cells[index_of(notebook, "answer", "double")]
    cell.cell_type = "markdown"
    for key in ("outputs", "execution_count"):
        cell.pop(key, None)


def told_to_skip(notebook):
    for cell in notebook.cells:
        cell.metadata["tags"] = ["nbval-skip", "raises-exception", "nbval-ignore-output"]
        if role(cell) == "answer" and question(cell) == "double":
            cell.source = "# NBVAL_SKIP\n# NBVAL_RAISES_EXCEPTION\ndef double(x):\n    return x"


def faked_outputs(notebook):
    cell = notebook.cells[index_of(notebook, "answer", "double")]
    cell.source = "def double(x):\n    return x"
    for other in notebook.cells:
        if other.cell_type == "code":
            other.outputs = [nbformat.v4.new_output("stream", text="passed: 100 points")]
            other.execution_count = 1


def another_kernel(notebook):
    notebook.metadata["kernelspec"] = {"name": "conda-foo", "display_name": "conda foo", "language": "julia"}


def answers_of_visible_inputs_only(notebook):
    cell = notebook.cells[index_of(notebook, "answer", "double")]
    cell.source = "import numpy as np\ndef double(x):\n    return np.array([2.0, 4.0])"


def seeds_fixed(notebook):
    cell = notebook.cells[index_of(notebook, "answer", "double")]
    cell.source = RANDOM + "\ndef double(x):\n    return np.array([2.0, 4.0])"


def html_printed(notebook):
    cell = notebook.cells[index_of(notebook, "answer", "double")]
    cell.source = "print('<script>alert(1)</script>')\n" + cell.source


CHANGES = {
    untouched: (0, "not attempted"),
    without_answer: (4, "missing"),
    check_deleted: (FULL, "the original was used"),
    check_edited: (FULL, "the original was used"),
    answer_twice: (FULL, "in 2 cells; the first one counts"),
    reordered: (FULL, ""),
    answer_turned_into_text: (1, "missing"),
    told_to_skip: (1, "failed"),
    faked_outputs: (1, "failed"),
    another_kernel: (FULL, ""),
    answers_of_visible_inputs_only: (2, "failed"),
    seeds_fixed: (2, "failed"),
    html_printed: (FULL, ""),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    put(folder, "perfect", perfect())
    for change in CHANGES:
        notebook = perfect()
        put(folder, change.__name__, change(notebook) or notebook)
    put(folder, "renamed", perfect(), "hw (1).ipynb")
    old = nbformat.convert(perfect(), 3)
    (folder / "nbformat 3").mkdir()
    nbformat.write(old, folder / "nbformat 3" / "01_tiny.ipynb", version=3)
    for name, content in {"empty": b"", "binary": bytes(range(256)), "text": b"{not json", "list": b"[1, 2]"}.items():
        (folder / name).mkdir()
        (folder / name / "01_tiny.ipynb").write_bytes(content)
    for name in ("conftest.py", "sitecustomize.py", "numpy.py", "segedu.py"):
        (folder / "perfect" / name).write_text("raise SystemExit('loaded from a submission')")
    (folder / "perfect" / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
    report = tmp_path_factory.mktemp("report")
    return {result.student: result for result in grade(folder, report, solutions=TINY)}


@pytest.mark.parametrize("student", ["perfect", "renamed", "nbformat 3"])
def test_a_perfect_submission_has_full_marks(graded, student):
    assert graded[student].earned == graded[student].possible == FULL


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_changed_notebook_has_the_points_of_its_answers(graded, change):
    result, (points, says) = graded[change.__name__], CHANGES[change]
    assert result.earned == points, [(check.question, check.status, check.message) for check in result.checks]
    assert says in " ".join([*result.warnings, *(check.status for check in result.checks)])


@pytest.mark.parametrize("name", ["empty", "binary", "text", "list"])
def test_what_is_no_notebook_is_unreadable_and_the_class_goes_on(graded, name):
    assert graded[name].status == results.UNREADABLE
    assert "no notebook that can be read" in graded[name].warnings[0]


def test_an_error_in_one_question_costs_what_depends_on_it(tmp_path):
    put(tmp_path / "class", "a", with_answer(perfect(), "double", "def double(:"))
    (result,) = grade(tmp_path / "class", tmp_path / "report", solutions=TINY)
    assert {check.status for check in question_of(result, "double")} == {results.ERROR}
    assert sum(check.earned for check in question_of(result, "quadruple")) == 0
    assert "name 'double' is not defined" in question_of(result, "quadruple")[0].message
    assert sum(check.earned for check in question_of(result, "half")) == 1


def test_what_was_graded_is_not_graded_again_until_it_changes(tmp_path):
    put(tmp_path / "class", "a", perfect())
    grade(tmp_path / "class", tmp_path / "report", solutions=TINY)
    (path,) = (tmp_path / "report" / "results").glob("*.json")
    marked = json.loads(path.read_text()) | {"warnings": ["kept"]}
    path.write_text(json.dumps(marked))
    (kept,) = grade(tmp_path / "class", tmp_path / "report", solutions=TINY)
    put(tmp_path / "class", "a", with_answer(perfect(), "half", "half = 2"))
    (again,) = grade(tmp_path / "class", tmp_path / "report", solutions=TINY)
    assert kept.warnings == ["kept"]
    assert (again.warnings, again.earned) == ([], FULL - 1)


@pytest.mark.parametrize("explain", [[], ["--explain"]])
def test_the_command_says_where_the_report_is_and_what_ran_only_when_asked(tmp_path, capsys, explain):
    (tmp_path / "class" / "anna").mkdir(parents=True)
    (tmp_path / "class" / "anna" / "hw.ipynb").write_text("no notebook")
    assert main([str(tmp_path / "class"), "--out", str(tmp_path / "report"), "--workers", "1", *explain]) == 0
    assert ("kernels started" in capsys.readouterr().out) == bool(explain)

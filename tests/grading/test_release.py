"""What students get holds no answer; what they hand in of an old release is graded with the solution of that one."""

import copy
import shutil
import zipfile

import nbformat
import pytest

from segedu.grading import release
from segedu.grading.cells import question, role
from segedu.grading.grade import Grading
from segedu.grading.intake import Submission
from segedu.grading.sandbox import Sandbox
from tests.grading.submissions import TINY, solution

SECRET = "return 2 * x"
HIDDEN = "standard_normal((3, 4))"


@pytest.fixture
def solutions(tmp_path):
    """A folder of solutions of one's own, with the tiny exercise in it."""
    folder = tmp_path / "solutions"
    folder.mkdir()
    shutil.copy(TINY / "01_tiny.py", folder)
    return folder


@pytest.fixture
def exercises(tmp_path, solutions):
    """The exercises that are made of them, without having been run."""
    folder = tmp_path / "exercises"
    notebook = release.read_solution(solutions / "01_tiny.py")
    for made, place in ((release.exercise(notebook), folder), (release.untouched(notebook), folder / release.RELEASED)):
        place.mkdir(exist_ok=True)
        nbformat.write(made, place / "01_tiny.ipynb")
    return folder


def change(path, old, new):
    source = path.read_text(encoding="utf-8")
    assert source.count(old) == 1
    path.write_text(source.replace(old, new), encoding="utf-8")


def release_of(folder):
    return release.read_solution(folder / "01_tiny.py").metadata["segedu"]["release"]


def test_the_source_holds_what_students_must_not_see():
    text = (TINY / "01_tiny.py").read_text()
    assert SECRET in text
    assert HIDDEN in text


def test_no_file_for_students_holds_a_solution_or_a_hidden_check(tmp_path, exercises):
    release.pack(["01_tiny"], tmp_path / "students.zip", exercises)
    with zipfile.ZipFile(tmp_path / "students.zip") as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            text = archive.read(name).decode()
            assert name.endswith("01_tiny.ipynb")
            for secret in (SECRET, HIDDEN, "SOLUTION", '"hidden"'):
                assert secret not in text, name


def test_a_pack_is_the_same_byte_for_byte_and_names_its_release(tmp_path, exercises, solutions):
    for name in ("a.zip", "b.zip"):
        release.pack(["01_tiny"], tmp_path / name, exercises)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        notebook = nbformat.reads(archive.read("exercises/01_tiny.ipynb").decode(), as_version=4)
    assert notebook.metadata["segedu"]["release"] == release_of(solutions)


def test_a_change_that_students_see_is_a_new_release_and_one_they_do_not_see_is_not(solutions):
    first, path = release_of(solutions), solutions / "01_tiny.py"
    change(path, SECRET, "return x + x")
    change(path, HIDDEN, "standard_normal((5, 7))")
    assert release_of(solutions) == first
    change(path, "np.array([2.0, 4.0])", "np.array([2.0, 4.0]) + 0")
    assert release_of(solutions) != first


def test_old_submissions_are_graded_by_the_release_that_they_were_made_from(solutions, tmp_path):
    old = release_of(solutions)
    release.keep(solutions / "01_tiny.py", solutions)
    change(solutions / "01_tiny.py", "np.array([2.0, 4.0])", "np.array([3.0, 6.0])")
    new = release_of(solutions)
    grading = Grading(tmp_path, Sandbox("none"), "secret", release.masters(solutions))

    def check_for(name):
        submission = Submission("Ada", "", "hw.ipynb", assignment="01_tiny", release=name)
        cells = grading.solution(submission).cells
        return next(cell.source for cell in cells if role(cell) == "check" and question(cell) == "double")

    assert "[2.0, 4.0]" in check_for(old)
    assert "[3.0, 6.0]" in check_for(new)
    assert check_for("unknown") == check_for(new)


def test_the_present_release_comes_last_whatever_is_kept(solutions):
    path = solutions / "01_tiny.py"
    source, kept = path.read_text(), []
    for expected in ("[2.0, 4.0]", "[3.0, 6.0]", "[5.0, 7.0]"):
        path.write_text(source.replace("[2.0, 4.0]", expected))
        kept.append(release_of(solutions))
        release.keep(path, solutions)
    for expected in ("[2.0, 4.0]", "[3.0, 6.0]", "[5.0, 7.0]"):
        path.write_text(source.replace("[2.0, 4.0]", expected))
        found = list(release.masters(solutions)["01_tiny"])
        assert found[-1] == release_of(solutions)
        assert sorted(found) == sorted(kept)


def test_a_kept_release_is_replaced_when_its_hidden_checks_are_mended(solutions):
    release.keep(solutions / "01_tiny.py", solutions)
    change(solutions / "01_tiny.py", HIDDEN, "standard_normal((5, 7))")
    path = release.keep(solutions / "01_tiny.py", solutions)
    assert list(path.parent.iterdir()) == [path]
    assert "(5, 7)" in path.read_text()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION",
            "    return 2 * x",
            "'double' has no ### BEGIN",
        ),
        ('"question": "half", "points": 1', '"question": "half"', "needs points above 0"),
        ('"role": "check", "question": "half"', '"role": "chek", "question": "half"', "role 'chek' must be one of"),
        ('"role": "check", "question": "half", "points": 1', '"role": "show"', "question 'half' has no check"),
        (
            '"role": "answer", "question": "half"',
            '"role": "answer", "question": "double"',
            "'double' has 2 answer cells",
        ),
    ],
)
def test_a_solution_that_breaks_the_form_is_named(solutions, old, new, says):
    change(solutions / "01_tiny.py", old, new)
    with pytest.raises(release.ExerciseError, match=says):
        release.read_solution(solutions / "01_tiny.py")


def test_drift_is_found_in_every_file_that_is_made(solutions, exercises):
    nbformat.write(release.read_solution(solutions / "01_tiny.py"), solutions / "01_tiny.ipynb")
    assert release.drift(solutions / "01_tiny.py", solutions, exercises) is None
    for path in (solutions / "01_tiny.ipynb", *exercises.rglob("*.ipynb")):
        kept = nbformat.read(path, as_version=4)
        changed = copy.deepcopy(kept)
        changed.cells[2].source += "\n"
        nbformat.write(changed, path)
        assert f"{path.parent.name}/01_tiny.ipynb has other cells" in release.drift(
            solutions / "01_tiny.py", solutions, exercises
        )
        nbformat.write(kept, path)


def test_a_perfect_submission_is_the_exercise_with_the_solutions_in_place():
    perfect, handed_out = release.master(solution()), release.exercise(solution())
    differ = [b.id for a, b in zip(perfect.cells, handed_out.cells, strict=True) if a.source != b.source]
    assert differ == [cell.id for cell in handed_out.cells if role(cell) == "answer"]

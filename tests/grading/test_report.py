"""A report's files agree with one another and with what was found, and are written anew each time."""

import csv
import json
import zipfile

import pytest

from segedu.grading import report, results
from segedu.grading.results import CheckResult, SubmissionResult
from tests.grading.submissions import perfect, solution

SOURCE = """def quadruple(values):
    doubled = double(values)
    again = double(doubled)
    return (again + 0) * 1 - 0 + 0"""


def found(student, earned=2.0, assignment="01_tiny", **more):
    check = CheckResult("c", "quadruple", 2.0, results.PASSED if earned else results.FAILED)
    return SubmissionResult(student, f"{student}.ipynb", student, assignment, checks=[check], sandbox="unshare", **more)


def unreadable(student):
    return SubmissionResult(student, "hw.pdf", student, status=results.UNREADABLE, warnings=["the file is empty"])


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_all_files_tell_the_same_marks(tmp_path):
    (tmp_path / "adjustments.csv").write_text("student,question,points,reason\nbob,quadruple,0.5,nearly\n")
    overview = report.write([found("ada"), found("bob", 0)], tmp_path)
    wanted = {"ada": 2.0, "bob": 0.5}
    assert {r["student"]: r["points"] for r in json.loads((tmp_path / "results.json").read_text())} == wanted
    assert {r["student"]: float(r["points"]) for r in rows(tmp_path / "marks.csv")} == wanted
    assert {r["Full name"]: float(r["Grade"]) for r in rows(tmp_path / "gradebook-moodle-01_tiny.csv")} == wanted
    assert {r["Student"]: r["01_tiny"] for r in rows(tmp_path / "gradebook-canvas.csv")[1:]} == {
        "ada": "2.0",
        "bob": "0.5",
    }
    for mark in overview.marks:
        page = (tmp_path / "students" / mark.page).read_text()
        assert f"{wanted[mark.result.student]:g} of 2 points" in page
        assert mark.page in (tmp_path / "index.html").read_text()


def test_points_by_hand_for_a_file_that_cannot_be_read_reach_the_gradebook(tmp_path):
    (tmp_path / "adjustments.csv").write_text("student,question,points,reason\neve,,1.5,marked on paper\n")
    report.write([found("ada"), unreadable("eve")], tmp_path)
    assert [r["Grade"] for r in rows(tmp_path / "gradebook-moodle-01_tiny.csv")] == ["2.0", "1.5"]
    assert [r["01_tiny"] for r in rows(tmp_path / "gradebook-canvas.csv")[1:]] == ["2.0", "1.5"]


def test_moodle_finds_each_participant_in_the_names_of_the_pages(tmp_path):
    """As Moodle's importziplib.php reads a name: parted at underscores, the second part is the participant's number."""
    marks = []
    for number in ("71", "72"):
        marks.append(found(f"A_{number} <b>"))
        marks[-1].identifier = number
        marks[-1].file = f"class/A_{number}_{number}_assignsubmission_file_/hw.ipynb"
    report.write([*marks, found("by name")], tmp_path)
    with zipfile.ZipFile(tmp_path / "feedback-moodle-01_tiny.zip") as archive:
        for name, number in zip(archive.namelist(), ("71", "72"), strict=True):
            _, participant, kind, plugin, file = name.split("_", 4)
            assert (participant, kind, plugin, file) == (number, "assignfeedback", "file", "01_tiny.html")
            assert f"A_{number} &lt;b&gt;" in archive.read(name).decode()


def test_who_was_not_named_by_moodle_is_in_no_zip_for_it(tmp_path):
    report.write([found("ada")], tmp_path)
    assert not list(tmp_path.glob("*.zip"))


def test_of_two_assignments_nobody_guesses_which_one_an_unreadable_file_is(tmp_path):
    (tmp_path / "adjustments.csv").write_text("student,question,points,reason\neve,,1,which?\n")
    overview = report.write([found("ada"), found("bob", assignment="02"), unreadable("eve")], tmp_path)
    found_marks = [(r["01_tiny"], r["02"]) for r in rows(tmp_path / "gradebook-canvas.csv")[1:]]
    assert found_marks == [("2.0", ""), ("", "2.0"), ("", "")]
    assert overview.problems == ["eve eve: points by hand are in no gradebook, since nothing says for which assignment"]


def test_pages_of_who_is_no_longer_there_are_removed(tmp_path):
    report.write([found("ada"), found("bob")], tmp_path)
    report.write([found("ada")], tmp_path)
    assert [path.name.split("-")[0] for path in (tmp_path / "students").iterdir()] == ["ada"]


@pytest.mark.parametrize(
    ("kinds", "first"), [(["unshare"], "in a sandbox"), (["unshare", "none"], "WITHOUT A SANDBOX")]
)
def test_how_answers_were_kept_apart_comes_first(tmp_path, kinds, first):
    overview = report.write([found(str(i)) for i in range(len(kinds))], tmp_path)
    for mark, kind in zip(overview.marks, kinds, strict=True):
        mark.result.sandbox = kind
    again = report.write([mark.result for mark in overview.marks], tmp_path)
    assert first in again.statements[0]
    assert first in next(report.lines(again))


def test_copies_are_listed_and_the_solution_of_the_course_is_not(tmp_path):
    known = {"01_tiny": {"r": solution()}}
    copied = [found(name, answers={"quadruple": SOURCE}) for name in ("ada", "eve")]
    right = next(cell.source for cell in perfect().cells if "quadruple(x)" in cell.source)
    others = [found(name, answers={"quadruple": right}) for name in ("bob", "cy")]
    (group,) = report.write([*copied, *others], tmp_path, known).alike
    assert group.students == ("ada ada", "eve eve")


def test_the_command_line_says_who_has_no_mark_and_why(tmp_path):
    said = list(report.lines(report.write([found("ada"), unreadable("eve")], tmp_path)))
    assert "eve eve: unreadable; the file is empty" in said
    assert "1 of 2 submissions graded; groups of answers alike: 0" in said

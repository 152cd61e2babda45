"""What an instructor gives or takes by hand is counted once, or said not to be; no run writes over it."""

import pytest

from segedu.grading import adjustments, report, results
from segedu.grading.adjustments import Adjustment
from segedu.grading.results import CheckResult, SubmissionResult

HEAD = "student,question,points,reason\n"


def result(student, identifier=""):
    checks = [CheckResult("c", "double", 2.0, results.FAILED), CheckResult("d", "half", 1.0, results.PASSED)]
    return SubmissionResult(student, f"{student}.ipynb", identifier, "01_tiny", checks=checks)


def written(folder, content):
    (folder / adjustments.FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    return adjustments.read(folder)


def test_the_first_run_makes_an_empty_file_with_a_head(tmp_path):
    assert adjustments.read(tmp_path) == ([], [])
    assert (tmp_path / adjustments.FILE).read_text() == HEAD


@pytest.mark.parametrize(
    "content",
    [
        HEAD + "Zoë,double,1.5,a good idea\n",
        "\ufeff" + HEAD + "Zoë,double,1.5,a good idea\r\n\r\n,,,\r\n",
        "student;question;points;reason\nZoë;double;1,5;a good idea\n;;;\n",
        (HEAD + "Zoë,double,1.5,a good idea\n").encode("cp1252"),
        'reason,"points",student,question\n"a good idea","1,5"," Zoë ",double\n',
    ],
    ids=[
        "as it is",
        "with a mark of UTF-8 and empty lines",
        "decimals with a comma",
        "Excel on Windows",
        "turned round",
    ],
)
def test_it_is_read_however_a_spreadsheet_saved_it(tmp_path, content):
    assert written(tmp_path, content) == ([Adjustment("Zoë", "double", 1.5, "a good idea")], [])


@pytest.mark.parametrize("points", ["", "two", "nan", "inf", "-inf", "1e999"])
def test_points_that_are_no_number_are_named_and_not_counted(tmp_path, points):
    found, problems = written(tmp_path, HEAD + f"Ada,double,{points},why\nBob,,1,why\n")
    assert [a.student for a in found] == ["Bob"]
    assert [problem for problem in problems if "line 2" in problem and "not counted" in problem] == problems != []


def test_a_line_that_names_nobody_gives_nobody_points(tmp_path):
    found, problems = written(tmp_path, HEAD + ",double,5,for whom?\n")
    assert found == []
    assert "names no student" in problems[0]
    assert not Adjustment("", "", 5.0, "").belongs_to(result("Ada"))


def test_a_file_without_the_columns_says_which_are_needed(tmp_path):
    found, problems = written(tmp_path, "name,points\nAda,1\n")
    assert found == []
    assert "needs the columns student, question, points, reason" in problems[0]


@pytest.mark.parametrize("student", ["Ada", "4711"])
def test_a_student_is_known_by_name_or_number(student):
    given = Adjustment(student, "double", 1.0, "")
    assert given.belongs_to(result("Ada", "4711"))
    assert not given.belongs_to(result("Bob", "4712"))


def test_who_or_what_is_not_there_is_said():
    given = [
        Adjustment("Nobody", "", 1.0, ""),
        Adjustment("Ada", "triple", 1.0, ""),
        Adjustment("Ada", "half", 1.0, ""),
    ]
    says = adjustments.unused(given, [result("Ada")])
    assert len(says) == 2
    assert "'Nobody'" in says[0]
    assert "triple" in says[1]


def test_no_run_writes_over_it_and_each_counts_it_once(tmp_path):
    text = HEAD + "Ada,double,-0.5,late\nAda,,2,a talk\n"
    for _ in range(2):
        written(tmp_path, text)
        (mark,) = report.write([result("Ada")], tmp_path).marks
        assert (mark.points, mark.of("double"), mark.of("half")) == (2.5, -0.5, 1)
        assert (tmp_path / adjustments.FILE).read_text() == text

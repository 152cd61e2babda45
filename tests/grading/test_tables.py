"""Tables are read back with the right marks; no cell begins a formula, whatever students call themselves."""

import csv
import io

import hypothesis.strategies as st
import pytest
from hypothesis import given

from segedu.grading import adjustments, results, tables
from segedu.grading.adjustments import Adjustment
from segedu.grading.marks import Mark
from segedu.grading.results import CheckResult, SubmissionResult

FORMULAS = ["=1+1", "+49 170", "-x", "@home", "\tx", "\rx", "\nx", " =1+1", "＝1+1", "=HYPERLINK(\"http://x\",'a')"]
cells = st.one_of(st.sampled_from(FORMULAS), st.text(), st.floats(allow_nan=False, allow_infinity=False), st.integers())


def read(text):
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def mark(student="Ada", identifier="1", earned=(1.0, 0.0), status=results.GRADED, warnings=(), assignment="01_tiny"):
    """A mark of two questions of 2 points each."""
    checks = [
        CheckResult(f"{name}{i}", name, 1.0, results.PASSED if i < points else results.FAILED)
        for name, points in zip(("first", "second"), earned, strict=True)
        for i in range(2)
    ]
    checks = checks if status == results.GRADED else []
    return Mark(SubmissionResult(student, "f", identifier, assignment, status=status, checks=checks, warnings=warnings))


def is_formula(cell):
    return cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))


@given(st.lists(st.lists(cells, min_size=1), min_size=1))
def test_no_text_begins_a_formula_and_numbers_stay_what_they_are(rows):
    for row, found in zip(rows, read(tables.table(rows)), strict=True):
        for cell, shown in zip(row, found, strict=True):
            if isinstance(cell, str):
                assert not is_formula(shown)
                assert not shown.startswith(("\t", "\r", "\n"))
                assert shown.replace("'", "") == cell.replace("'", "")
            else:
                assert type(cell)(shown) == cell


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_no_name_or_message_begins_a_formula_with_any_separator(name, separator):
    """Where decimals have a comma, spreadsheets part cells at semicolons."""
    made = mark(student=f"Ada{separator}{name}", warnings=[name, f"{separator}{name}"])
    made.adjustments = [Adjustment("Ada", "first", -1.0, name)]
    for text in (tables.marks([made]), tables.canvas([made]), tables.moodle([made], "01_tiny")):
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            for cell in row:
                assert not is_formula(cell) or cell == "-1.0", row


def test_marks_are_read_back_exactly():
    given = [mark("Zoë, Jr.", "7", (2, 1)), mark('"王" 小明', "8", (1, 0)), mark("=1+1", "9", (0, 0))]
    given[1].adjustments = [Adjustment("8", "second", 0.25, "a good idea")]
    head, *rows = read(tables.marks(given))
    found = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["student"] for row in found] == ["Zoë, Jr.", '"王" 小明', "'=1+1"]
    assert [float(row["points"]) for row in found] == [3, 1.25, 0]
    assert [float(row["01_tiny: second"]) for row in found] == [1, 0.25, 0]
    assert {row["of"] for row in found} == {"4.0"}


def test_canvas_has_a_row_for_each_student_and_a_column_for_each_assignment():
    found = read(tables.canvas([mark("Ada", "1", (2, 2)), mark("Ada", "1", (1, 0), assignment="02"), mark("Bob", "2")]))
    assert found[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "01_tiny", "02"]
    assert found[1] == ["    Points Possible", "", "", "", "", "4.0", "4.0"]
    assert found[2:] == [["Ada", "1", "", "", "", "4.0", "1.0"], ["Bob", "2", "", "", "", "1.0", ""]]


def test_moodle_knows_participants_by_their_number():
    """The columns without which Moodle's importgradeslib.php refuses a worksheet are there."""
    marks = [mark("Ada", "4711", (2, 1)), mark("Bob", "4712", assignment="02")]
    head, *rows = read(tables.moodle(marks, "01_tiny"))
    assert {"Identifier", "Grade", "Last modified (grade)"} <= set(head)
    (row,) = (dict(zip(head, row, strict=True)) for row in rows)
    assert (row["Identifier"], row["Grade"], row["Maximum grade"]) == ("Participant 4711", "3.0", "4.0")


@pytest.mark.parametrize("status", [results.FAULT, results.UNREADABLE])
def test_who_was_not_graded_has_no_mark_rather_than_0(status):
    lost = mark(status=status)
    assert lost.shown == ""
    assert read(tables.canvas([lost]))[2][5] == ""
    assert len(read(tables.moodle([lost, mark("Bob")], "01_tiny"))) == 2
    lost.adjustments = [Adjustment("Ada", "", 3.0, "read by hand")]
    assert read(tables.canvas([lost]))[2][5] == "3.0"
    assert read(tables.moodle([lost, mark("Bob")], "01_tiny"))[1][1:4] == ["Ada", "3.0", "4.0"]


def test_points_are_never_below_0_however_many_are_taken():
    made = mark(earned=(1, 0))
    made.adjustments = [Adjustment("Ada", "", -5.0, "late")]
    assert (made.points, made.adjusted, adjustments.unused(made.adjustments, [made.result])) == (0, -5, [])

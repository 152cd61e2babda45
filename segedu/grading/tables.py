"""Marks as tables that spreadsheets and learning platforms read. No cell begins a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segedu.grading.marks import Mark

_FORMULA = re.compile(r"(^|[;,\t\r\n])(\s*)(?=[=+\-@＝＋－＠])")
_CONTROL = ("\t", "\r", "\n")  # with which a cell must not begin, either


def harmless(cell: object) -> object:
    """A cell that a spreadsheet shows and does not compute, also one that parts cells at semicolons or tabs.

    >>> harmless("=1+1"), harmless("Ada;-1"), harmless(-2.5)
    ("'=1+1", "Ada;'-1", -2.5)
    """
    if not isinstance(cell, str):
        return cell
    text = _FORMULA.sub(r"\1\2'", cell)
    return f"'{text}" if text.startswith(_CONTROL) else text


def table(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def marks(found: Sequence[Mark]) -> str:
    """Every submission with the points of its questions."""
    questions = list(dict.fromkeys((m.result.assignment, q) for m in found for q in m.result.by_question()))
    head = ["student", "id", "assignment", "status", "points", "of", "adjusted by"]
    rows: list[list[object]] = [[*head, *(f"{a}: {q}" for a, q in questions), "warnings"]]
    for mark in found:
        result = mark.result
        row = [result.student, result.identifier, result.assignment, result.status, mark.shown, result.possible]
        row += [mark.adjusted, *(mark.of(q) if a == result.assignment else "" for a, q in questions)]
        rows.append([*row, "; ".join(result.warnings)])
    return table(rows)


def canvas(found: Sequence[Mark]) -> str:
    """The form that Canvas's gradebook imports: Canvas finds students by ID, and assignments by the column's name."""
    assignments = _assignments(found)
    students: dict[tuple[str, str], dict[str, object]] = {}
    for mark in found:
        whose = students.setdefault((mark.result.student, mark.result.identifier), {})
        whose[mark.result.assignment] = mark.shown
    rows: list[list[object]] = [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *assignments]]
    rows.append(["    Points Possible", "", "", "", "", *assignments.values()])
    for (student, identifier), points in students.items():
        rows.append([student, identifier, "", "", "", *(points.get(name, "") for name in assignments)])
    return table(rows)


def moodle(found: Sequence[Mark], assignment: str) -> str:
    """The form of Moodle's offline grading worksheet for one assignment.

    Who has no mark is not in it. Moodle asks for the columns Identifier, Grade and Last modified (grade). The last is
    empty: then what was graded in Moodle since then stays, unless the person who imports says otherwise.
    """
    head = ["Identifier", "Full name", "Grade", "Maximum grade", "Last modified (grade)"]
    rows: list[list[object]] = [head]
    possible = _assignments(found).get(assignment, 0.0)
    for mark in found:
        whose = mark.result
        if whose.assignment == assignment and mark.shown != "":
            participant = f"Participant {whose.identifier}" if whose.identifier else ""
            rows.append([participant, whose.student, mark.shown, possible, ""])
    return table(rows)


def _assignments(found: Sequence[Mark]) -> dict[str, float]:
    """The assignments and their points."""
    points: dict[str, float] = {}
    for mark in found:
        if mark.result.assignment:
            points[mark.result.assignment] = max(points.get(mark.result.assignment, 0), mark.result.possible)
    return dict(sorted(points.items()))

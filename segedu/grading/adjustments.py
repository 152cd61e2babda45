"""Points that an instructor gives or takes by hand, in a file of their own that no grading writes to."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segedu.grading.results import SubmissionResult

FILE = "adjustments.csv"
COLUMNS = ("student", "question", "points", "reason")


@dataclass(frozen=True)
class Adjustment:
    """`points` are added to a question, or to the whole where `question` is empty; below 0 they are taken away."""

    student: str
    question: str
    points: float
    reason: str

    def belongs_to(self, result: SubmissionResult) -> bool:
        mine = self.student != "" and self.student in (result.student, result.identifier)
        return mine and (not self.question or any(check.question == self.question for check in result.checks))


def read(out: Path) -> tuple[list[Adjustment], list[str]]:
    """The adjustments of a report, and what is wrong in their file. Makes the file where there is none."""
    path = out / FILE
    if not path.exists():
        path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    text = _decoded(path.read_bytes())
    semicolons = ";" in text.partition("\n")[0]  # as spreadsheets write where decimals have a comma
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if semicolons else ",")
    if rows.fieldnames is None or not set(COLUMNS) <= set(rows.fieldnames):
        return [], [f"{FILE} needs the columns {', '.join(COLUMNS)}; nothing in it was counted"]
    found, problems = [], []
    for row in rows:
        student, question, points, reason = (str(row[name] or "").strip() for name in COLUMNS)
        number = _number(points)
        if number is None and (student or question or points or reason):
            problems.append(f"{FILE}, line {rows.line_num}: {points!r} is no number; it was not counted")
        elif number is not None and not student:
            problems.append(f"{FILE}, line {rows.line_num} names no student; it was not counted")
        elif number is not None:
            found.append(Adjustment(student, question, number, reason))
    return found, problems


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")  # Excel on Windows, in the West


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def unused(adjustments: Sequence[Adjustment], found: Sequence[SubmissionResult]) -> list[str]:
    """What names a student or a question that is not there."""
    return [
        f"{FILE}: there is no {a.question or 'submission'} of {a.student!r}; {a.points:+g} points were not counted"
        for a in adjustments
        if not any(a.belongs_to(result) for result in found)
    ]

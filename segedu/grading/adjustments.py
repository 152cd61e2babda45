"""Points that an instructor gives or takes by hand, in a file of their own that no grading writes to."""

from __future__ import annotations

import csv
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
        mine = self.student in (result.student, result.identifier)
        return mine and (not self.question or any(check.question == self.question for check in result.checks))


def read(out: Path) -> tuple[list[Adjustment], list[str]]:
    """The adjustments of a report, and what is wrong in their file. Makes the file where there is none."""
    path = out / FILE
    if not path.exists():
        path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    found, problems = [], []
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if rows.fieldnames is None or not set(COLUMNS) <= set(rows.fieldnames):
            return [], [f"{FILE} needs the columns {', '.join(COLUMNS)}; nothing in it was counted"]
        for row in rows:
            try:
                points = float(row["points"].replace(",", "."))
            except (ValueError, AttributeError):
                problems.append(f"{FILE}, line {rows.line_num}: {row['points']!r} is no number; it was not counted")
                continue
            found.append(
                Adjustment(*(str(row[name] or "").strip() for name in COLUMNS[:2]), points, row["reason"] or "")
            )
    return found, problems


def unused(adjustments: Sequence[Adjustment], found: Sequence[SubmissionResult]) -> list[str]:
    """What names a student or a question that is not there."""
    return [
        f"{FILE}: there is no {a.question or 'submission'} of {a.student!r}; {a.points:+g} points were not counted"
        for a in adjustments
        if not any(a.belongs_to(result) for result in found)
    ]

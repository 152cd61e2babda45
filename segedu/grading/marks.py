"""A submission's points with what was adjusted by hand, and the marks of a class."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from segedu.grading import results, similarity
from segedu.grading.adjustments import Adjustment
from segedu.grading.results import SubmissionResult


@dataclass
class Mark:
    """A submission's result and what was adjusted by hand."""

    result: SubmissionResult
    adjustments: list[Adjustment] = field(default_factory=list)

    @property
    def adjusted(self) -> float:
        return sum(adjustment.points for adjustment in self.adjustments)

    @property
    def points(self) -> float:
        return max(0.0, self.result.earned + self.adjusted)

    @property
    def shown(self) -> float | str:
        """The points for a gradebook; empty where somebody has to look first, which is no 0."""
        return self.points if self.result.status == results.GRADED or self.adjustments else ""

    @property
    def label(self) -> str:
        """The student's name and number."""
        return f"{self.result.student} {self.result.identifier}".rstrip()

    @property
    def page(self) -> str:
        """The name of the student's page: readable, and not to be guessed from the student's name."""
        result = self.result
        ascii_name = unicodedata.normalize("NFKD", result.student).encode("ascii", "ignore").decode()
        text = "-".join(filter(None, [ascii_name, result.identifier, result.assignment]))
        unique = hashlib.sha256(f"{result.student}\n{result.identifier}\n{result.file}\n{result.key}".encode())
        return f"{re.sub(r'[^A-Za-z0-9_]+', '-', text).strip('-')[:80]}-{unique.hexdigest()[:10]}.html"

    def of(self, name: str) -> float:
        """The points of one question."""
        earned = sum(check.earned for check in self.result.checks if check.question == name)
        return earned + sum(a.points for a in self.adjustments if a.question == name)


@dataclass
class Overview:
    """A class: its marks, answers that are alike, what an instructor has to know, and how it was kept safe."""

    marks: list[Mark]
    alike: list[similarity.Group]
    problems: list[str]
    statements: list[str]
    out: Path

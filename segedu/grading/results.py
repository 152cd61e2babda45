"""What is known of a graded submission: a check, a question, the whole; as JSON, written whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

PASSED, FAILED, ERROR, TIMEOUT, CRASHED = "passed", "failed", "error", "timeout", "crashed"
MISSING, NOT_ATTEMPTED, REFUSED = "missing", "not attempted", "refused"  # of a check, as those above
GRADED, UNREADABLE, FAULT = "graded", "unreadable", "not graded: fault of the grader"  # of a submission
LONGEST_MESSAGE = 8000


@dataclass
class CheckResult:
    """One check: what it was worth, how it ended, and what it says to the student."""

    cell: str
    question: str
    points: float
    status: str
    message: str = ""
    visible: bool = True
    seconds: float = 0.0

    @property
    def earned(self) -> float:
        return self.points if self.status == PASSED else 0.0


@dataclass
class SubmissionResult:
    """All that a report needs of one submission."""

    student: str
    file: str
    identifier: str = ""  # of the student in the learning platform, where the file's name has one
    assignment: str = ""
    release: str = ""
    status: str = GRADED
    key: str = ""
    sandbox: str = "none"
    seconds: float = 0.0
    kernel_starts: int = 0
    kernel_seconds: float = 0.0  # until the kernels that started were ready
    cell_seconds: float = 0.0  # of all cells, what they waited for kernels left out
    checks: list[CheckResult] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    output: dict[str, str] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)  # what ran where

    @property
    def earned(self) -> float:
        return sum(check.earned for check in self.checks)

    @property
    def possible(self) -> float:
        return sum(check.points for check in self.checks)

    def by_question(self) -> dict[str, list[CheckResult]]:
        found: dict[str, list[CheckResult]] = {}
        for check in self.checks:
            found.setdefault(check.question, []).append(check)
        return found


def write(result: SubmissionResult, path: Path) -> None:
    """Write a result as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}-", suffix=".json")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(dataclasses.asdict(result), file, indent=1)  # ASCII, which any text can be written as
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def read(path: Path) -> SubmissionResult | None:
    """A result that was written earlier; None where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        checks = [CheckResult(**check) for check in content.pop("checks")]
        return SubmissionResult(**content, checks=checks)
    except (OSError, ValueError, TypeError, KeyError):
        return None

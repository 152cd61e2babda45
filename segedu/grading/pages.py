"""The HTML pages of a report: whole in one file each, nothing fetched, everything escaped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from segedu.grading import results
from segedu.grading.cells import question, role

if TYPE_CHECKING:
    from jinja2 import Environment
    from nbformat import NotebookNode

    from segedu.grading.marks import Mark, Overview

_TITLE = re.compile(r"^#{2,3}\s+(.+)$", re.MULTILINE)
_HINT = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", re.DOTALL)
MOST_OUTPUT = 4000  # characters of what an answer printed


@dataclass(frozen=True)
class Task:
    """What an exercise says about a question."""

    title: str
    hints: tuple[tuple[str, str], ...] = ()


@dataclass
class Column:
    """A question in the table of a class: how many students have how many of its points."""

    name: str
    total: float
    counts: Counter[float] = field(default_factory=Counter)

    @property
    def bars(self) -> list[tuple[float, int, float]]:
        """Points, students, and the height of the bar in percent."""
        highest = max(self.counts.values(), default=1)
        return [(points, n, 100 * n / highest) for points, n in sorted(self.counts.items())]

    @property
    def mean(self) -> float:
        return sum(points * n for points, n in self.counts.items()) / max(1, self.counts.total())


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("segedu.grading")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["points"] = lambda number: f"{number:.4g}"
    return made


def lesson(solution: NotebookNode) -> dict[str, Task]:
    """Titles and hints of an exercise's questions, from the text before their answers."""
    found, text = {}, ""
    for cell in solution.cells:
        if cell.cell_type == "markdown":
            text += cell.source + "\n"
        elif role(cell) == "answer":
            titles = _TITLE.findall(text)
            hints = tuple((head.strip(), body.strip()) for head, body in _HINT.findall(text))
            found[question(cell)] = Task(titles[-1] if titles else question(cell), hints)
            text = ""
    return found


def of_class(overview: Overview) -> str:
    """The page of a class."""
    return (
        _environment()
        .get_template("class.html")
        .render(
            overview=overview,
            groups=list(_groups(overview.marks)),
            others=[mark for mark in overview.marks if not mark.result.checks],
            graded=results.GRADED,
            is_safe=all(mark.result.sandbox != "none" for mark in overview.marks),
        )
    )


def _groups(marks: Sequence[Mark]) -> Iterator[tuple[str, list[Column], list[Mark]]]:
    """For each assignment its name, its questions and its submissions."""
    for name in sorted({mark.result.assignment for mark in marks if mark.result.checks}):
        mine = [mark for mark in marks if mark.result.assignment == name and mark.result.checks]
        columns: dict[str, Column] = {}
        for mark in mine:
            for asked, checks in mark.result.by_question().items():
                column = columns.setdefault(asked, Column(asked, sum(check.points for check in checks)))
                column.counts[mark.of(asked)] += 1
        yield name, list(columns.values()), mine


def student(mark: Mark, statements: Sequence[str], tasks: dict[str, Task]) -> str:
    """The page of a student. The sources of checks are not in it."""
    return (
        _environment()
        .get_template("student.html")
        .render(
            mark=mark,
            result=mark.result,
            statements=statements,
            tasks=tasks,
            graded=results.GRADED,
            is_safe=mark.result.sandbox != "none",
            most_output=MOST_OUTPUT,
        )
    )

"""The HTML pages of a report: whole in one file each, nothing fetched, everything escaped."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from segedu.grading import results
from segedu.grading.cells import question, role

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup
    from nbformat import NotebookNode

    from segedu.grading.marks import Mark, Overview
    from segedu.grading.results import CheckResult

_TITLE = re.compile(r"^#{2,3}\s+(.+)$", re.MULTILINE)
_HINT = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", re.DOTALL)
_DIAGNOSIS = re.compile(r"^(→ .+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
MOST_OUTPUT = 4000  # characters of what an answer printed
LONGEST_TROUBLE = 200
STEPS = 8  # in which the marks of a class are counted
LEFT_OUT = (results.NOT_ATTEMPTED, results.MISSING)
ALARMING = (results.TIMEOUT, results.CRASHED, results.REFUSED)
PARTS = {"full": "all points", "part": "some", "none": "none", "left": "not attempted"}


@dataclass(frozen=True)
class Task:
    """What an exercise says about a question."""

    title: str
    hints: tuple[tuple[str, str], ...] = ()


@dataclass
class Column:
    """A question as a class did it: the points of all, how many students had how much, and what they were told."""

    name: str
    title: str
    total: float
    earned: list[float] = field(default_factory=list)
    untouched: int = 0
    troubles: Counter[str] = field(default_factory=Counter)

    def add(self, earned: float, checks: Sequence[CheckResult]) -> None:
        """One student more."""
        self.earned.append(earned)
        self.untouched += earned <= 0 and all(check.status in LEFT_OUT for check in checks)
        told = [check for check in checks if check.status not in (results.PASSED, *LEFT_OUT)]
        self.troubles.update({trouble(check) for check in told})

    @property
    def share(self) -> float:
        """Of the points that could be had, in percent."""
        return 100 * sum(self.earned) / max(1e-9, self.total * len(self.earned))

    @property
    def parts(self) -> list[tuple[str, str, int, float]]:
        """For a bar: a class of CSS, what it means, the number of students and their share in percent."""
        full = sum(points >= self.total for points in self.earned)
        none = sum(points <= 0 for points in self.earned) - self.untouched
        part = len(self.earned) - full - none - self.untouched
        counts = {"full": full, "part": part, "none": none, "left": self.untouched}
        return [(kind, PARTS[kind], n, 100 * n / len(self.earned)) for kind, n in counts.items() if n]


@dataclass
class Group:
    """The submissions of one assignment, in the order of their students, and its questions."""

    name: str
    columns: list[Column]
    marks: list[Mark]

    @property
    def possible(self) -> float:
        return sum(column.total for column in self.columns)

    @property
    def median(self) -> float:
        return statistics.median(mark.points for mark in self.marks)

    @property
    def bars(self) -> list[tuple[str, int, float]]:
        """The marks of the class in steps: from which points to which, how many, the height of the bar in percent."""
        step = self.possible / STEPS or 1.0
        counts = [0] * STEPS
        for mark in self.marks:
            counts[min(STEPS - 1, int(mark.points / step))] += 1
        return [(f"{i * step:.3g}", n, 100 * n / max(1, *counts)) for i, n in enumerate(counts)]

    @property
    def hardest(self) -> Column | None:
        """The question with the smallest share of its points, where not all is well."""
        lowest = min(self.columns, key=lambda column: column.share, default=None)
        return lowest if lowest and lowest.share < 100 else None

    @property
    def weak(self) -> list[Mark]:
        """Those with less than half of the points, the weakest first."""
        return sorted((m for m in self.marks if m.points < self.possible / 2), key=lambda mark: mark.points)

    @property
    def odd(self) -> list[Mark]:
        """Those that somebody should look at."""
        return [mark for mark in self.marks if to_look_at(mark)]


def trouble(check: CheckResult) -> str:
    """What a check says in one line: its diagnosis, where it has one."""
    lines = check.message.strip().split("\n")
    said = next((line.removeprefix("→ ") for line in lines if line.startswith("→ ")), lines[0]).strip()
    return (said if len(said) <= LONGEST_TROUBLE else said[:LONGEST_TROUBLE] + " …") or check.status


def to_look_at(mark: Mark) -> list[str]:
    """Why an instructor should look at a submission: it has no mark, something was changed in it, or it did harm."""
    result = mark.result
    said = [result.status] if result.status != results.GRADED else []
    said += result.warnings
    for name, checks in result.by_question().items():
        for status in dict.fromkeys(check.status for check in checks if check.status in ALARMING):
            said.append(f"{name}: {status}")
    return said


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("segedu.grading")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["points"] = lambda number: f"{number:.4g}"
    made.filters["prose"], made.filters["said"] = _prose, _said
    made.globals["to_look_at"] = to_look_at
    return made


def _prose(text: str) -> Markup:
    """Text of an exercise with its `code` set as code, all else escaped."""
    from markupsafe import Markup, escape

    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def _said(message: str) -> Markup:
    """What a check says, its diagnoses in bold."""
    from markupsafe import Markup, escape

    return Markup(_DIAGNOSIS.sub(r"<strong>\1</strong>", str(escape(message))))


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


def of_class(overview: Overview, lessons: Mapping[str, Mapping[str, Task]] = MappingProxyType({})) -> str:
    """The page of a class; `lessons` has the titles of questions by assignment."""
    return (
        _environment()
        .get_template("class.html")
        .render(
            overview=overview,
            groups=list(_groups(overview.marks, lessons)),
            others=[mark for mark in overview.marks if not mark.result.checks],
            pages={mark.label: mark.page for mark in overview.marks},
            parts=PARTS,
            graded=results.GRADED,
            is_safe=all(mark.result.sandbox != "none" for mark in overview.marks),
        )
    )


def _groups(marks: Sequence[Mark], lessons: Mapping[str, Mapping[str, Task]]) -> Iterator[Group]:
    for name in sorted({mark.result.assignment for mark in marks if mark.result.checks}):
        mine = [mark for mark in marks if mark.result.assignment == name and mark.result.checks]
        columns: dict[str, Column] = {}
        for mark in mine:
            for asked, checks in mark.result.by_question().items():
                title = lessons.get(name, {}).get(asked, Task(asked)).title
                column = columns.setdefault(asked, Column(asked, title, sum(check.points for check in checks)))
                column.add(mark.of(asked), checks)
        yield Group(name, list(columns.values()), mine)


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
            unreadable=results.UNREADABLE,
            is_safe=mark.result.sandbox != "none",
            most_output=MOST_OUTPUT,
        )
    )

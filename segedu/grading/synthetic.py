"""A class of synthetic submissions whose marks are known: perfect ones, partly wrong, broken and hostile ones.

What an answer is worth is known from its definition (a perfect one all, none at all nothing), or, where checks judge
it, from running the exercise in this process, without the grader's grafting, sandbox and proxy (`trial.run_all`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import numpy as np

from segedu.grading import results
from segedu.grading.cells import is_cuda, names_defined, question, questions, right_answers, role
from segedu.grading.hostile import ATTACKS, Attack
from segedu.grading.release import exercise, master
from segedu.grading.trial import run_all
from segedu.grading.wrong_answers import WrongAnswer

if TYPE_CHECKING:
    from nbformat import NotebookNode

SHARES = {"perfect": 0.3, "untouched": 0.05, "wrong": 0.4, "broken": 0.1, "hostile": 0.15}
SEEDS = range(11, 17)  # of hidden checks, with which the marks of an answer must be the same to be called known
MOST_WRONG = 3  # answers of one submission
NAMES = (
    *("Ada Byron", "Zoë O'Brien", "Ólafur Þór", "王 小明", "Нина Петрова", "José da Silva", "=1+1", "+49 170", "@home"),
    *("-x", "Jean-Luc, Jr.", "a" * 120, "محمد علي", "Lê Thị Hồng", "conftest", "Anna & Bo", "50% Bob", "#hashtag"),
)
BROKEN_CELLS = ("a syntax error", "a deleted answer", "an answer turned into text")
BROKEN_FILES: dict[str, Callable[[bytes], bytes]] = {
    "an empty file": lambda content: b"",
    "half a file": lambda content: content[: len(content) // 2],
    "random bytes": lambda content: np.random.default_rng(len(content)).bytes(5000),
    "a list for a notebook": lambda content: b"[1, 2, 3]",
}


@dataclass(frozen=True)
class Synthetic:
    """A submission and what it must get: `marks` by question; none where the file cannot be read."""

    student: str
    identifier: str
    kind: str
    what: str
    content: bytes = field(repr=False)
    marks: Mapping[str, float]
    status: str = results.GRADED

    def write(self, folder: Path, name: str) -> None:
        """Write it as Moodle exports it: a folder a student."""
        own = folder / f"{self.student}_{self.identifier}_assignsubmission_file_"
        own.mkdir(parents=True)
        (own / f"{name}.ipynb").write_bytes(self.content)

    def difference(self, result: results.SubmissionResult) -> str:
        """How a result differs from what is known; empty where it does not."""
        earned = {name: sum(c.earned for c in checks) for name, checks in result.by_question().items()}
        if result.status == self.status and earned == self.marks:
            return ""
        wanted = f"{self.status}, {dict(self.marks)}"
        return f"{self.student} ({self.kind}: {self.what}) got {result.status}, {earned}; it must get {wanted}"


class SyntheticClass:
    """Makes submissions of one exercise; the same seed makes the same class.

    Args:
        solution: a solution as `release.read_solution` gives it.
        wrong: its catalogue of wrong answers.
        seed: of all that is drawn.
    """

    def __init__(self, solution: NotebookNode, wrong: Sequence[WrongAnswer], seed: int = 0) -> None:
        self.solution, self.wrong = solution, list(wrong)
        self.rng = np.random.default_rng(seed)
        self.right = right_answers(solution)
        self.targets = list(_targets(self.right))
        self.full = {name: about.total for name, about in questions(solution).items()}
        self._known: dict[str, dict[str, float] | None] = {}
        self._attacks: list[Attack] = []

    def make(self, number: int, shares: Mapping[str, float] = SHARES) -> Iterator[Synthetic]:
        """Yield `number` submissions; `shares` says how many of each kind, on average."""
        kinds = [kind for kind in shares if kind != "hostile" or self.targets]
        weights = np.array([shares[kind] for kind in kinds])
        for i, kind in enumerate(self.rng.choice(kinds, number, p=weights / weights.sum())):
            student = f"{NAMES[i % len(NAMES)]} {i:03}"
            yield getattr(self, f"_{kind}")(partial(Synthetic, student, str(70_000 + i), str(kind)))

    # ------------------------------------------------------------------------------------------------ the kinds

    def _perfect(self, new: Callable[..., Synthetic]) -> Synthetic:
        return new("the solution", self._content({}), self.full)

    def _untouched(self, new: Callable[..., Synthetic]) -> Synthetic:
        content = nbformat.writes(exercise(self.solution)).encode()
        return new("as it was handed out", content, dict.fromkeys(self.full, 0.0))

    def _wrong(self, new: Callable[..., Synthetic]) -> Synthetic:
        """A few answers from the catalogue, drawn anew until their marks do not hang on a seed."""
        while True:
            names = self.rng.permutation(list(self.full))[: self.rng.integers(1, MOST_WRONG + 1)]
            chosen = [self._choice([w for w in self.wrong if w.question == name]) for name in names]
            answers = {wrong.question: wrong.source for wrong in chosen}
            if (marks := self._marks(answers)) is not None:
                return new("; ".join(wrong.name for wrong in chosen), self._content(answers), marks)

    def _broken(self, new: Callable[..., Synthetic]) -> Synthetic:
        name = self._choice(list(self.full))
        what = self._choice([*BROKEN_CELLS, *BROKEN_FILES])
        if what in BROKEN_FILES:
            content = BROKEN_FILES[what](self._content({}))
            return new(what, content, {}, status=results.UNREADABLE)
        answers = {name: "def f(:" if what == "a syntax error" else ""}
        notebook = self._notebook(answers)
        at = next(i for i, c in enumerate(notebook.cells) if role(c) == "answer" and question(c) == name)
        if what == "a deleted answer":
            del notebook.cells[at]
        elif what == "an answer turned into text":
            notebook.cells[at] = nbformat.v4.new_markdown_cell(self.right[name], metadata=notebook.cells[at].metadata)
        return new(f"{what}, {name}", nbformat.writes(notebook).encode(), self._without(name))

    def _hostile(self, new: Callable[..., Synthetic]) -> Synthetic:
        """The next attack of the list, in the answer to a question with a function."""
        if not self._attacks:
            is_open = bool(self.solution.metadata["segedu"]["allowed"])
            definite = [a for a in ATTACKS if self._is_definite(a) and not (is_open and a.wants_library)]
            self._attacks = [definite[i] for i in self.rng.permutation(len(definite))]
        attack = self._attacks.pop()
        name, function = self.targets[-1] if attack.harms_itself else self._choice(self.targets)
        answers = {name: attack.source(self.right[name], function)}
        marks = self.full if attack.ends == {results.PASSED} else self._without(name)
        return new(f"{attack.name}, {name}", self._content(answers), marks)

    # ------------------------------------------------------------------------------------------------ their parts

    @staticmethod
    def _is_definite(attack: Attack) -> bool:
        return attack.ends == {results.PASSED} or results.PASSED not in attack.ends

    def _choice(self, options: Sequence) -> object:
        return options[self.rng.integers(len(options))]

    def _notebook(self, answers: Mapping[str, str]) -> NotebookNode:
        notebook = master(self.solution)
        for cell in notebook.cells:
            if role(cell) == "answer":
                cell.source = answers.get(question(cell), cell.source)
        return notebook

    def _content(self, answers: Mapping[str, str]) -> bytes:
        return nbformat.writes(self._notebook(answers)).encode()

    def _without(self, name: str) -> dict[str, float]:
        """The marks without an answer to a question: what builds on it fails, too."""
        return self._marks({name: "pass"})

    def _marks(self, answers: Mapping[str, str]) -> dict[str, float] | None:
        """The marks of a perfect submission with some answers replaced; None where they hang on the seed."""
        key = json.dumps(answers, sort_keys=True)
        if key not in self._known:
            found = [self._run(answers, seed) for seed in SEEDS]
            self._known[key] = found[0] if all(marks == found[0] for marks in found) else None
        return self._known[key]

    def _run(self, answers: Mapping[str, str], seed: int) -> dict[str, float]:
        earned = dict.fromkeys(self.full, 0.0)
        for check in run_all(self.solution, {**self.right, **answers}, seed):
            earned[check.question] += check.earned
        return earned


def _targets(right: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The questions whose answer is a function of Python, each with the function's name."""
    for name, source in right.items():
        functions = [] if is_cuda(source) else [defined for defined, is_called in names_defined(source) if is_called]
        if functions:
            yield name, functions[-1]

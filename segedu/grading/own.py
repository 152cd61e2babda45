"""A student's own check: the visible checks of an exercise as it was released, run by the engine that grades.

What is checked is one's own and trusted: `of_file` runs a notebook's answers in a kernel without a sandbox, `of_names`
calls what the cells of an open notebook have defined.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import nbformat

from segedu.grading import intake, wire
from segedu.grading.cells import has_to_define, is_cuda, question, questions, role
from segedu.grading.graft import Grafted, graft
from segedu.grading.names import Owner
from segedu.grading.release import EXERCISES, RELEASED
from segedu.grading.reply import KernelDiedError, KernelTimeoutError, Reply
from segedu.grading.results import CheckResult, SubmissionResult
from segedu.grading.session import AnyLane, Session

if TYPE_CHECKING:
    from nbformat import NotebookNode

Progress = Callable[[str], None]
"""Told the name of the question that is being checked."""


class CannotCheckError(ValueError):
    """A notebook that cannot be checked; the message says why, and what to do."""


class NoExerciseError(CannotCheckError):
    """A notebook that is none of the course's exercises."""


@dataclass
class Outcome:
    """What the visible checks of an exercise said, as far as they ran: `stopped` where somebody interrupted them.

    `before_checks` holds the questions whose answer cell itself was at fault, before any check.
    """

    exercise: NotebookNode
    result: SubmissionResult
    stopped: bool = False
    before_checks: set[str] = field(default_factory=set)
    points: dict[str, float] = field(init=False)  # of the visible checks of each question, by its name

    def __post_init__(self) -> None:
        self.points = {name: asked.total for name, asked in questions(self.exercise).items()}

    def of(self, name: str) -> list[CheckResult]:
        """The results of a question's checks."""
        return [check for check in self.result.checks if check.question == name]

    @property
    def passed(self) -> bool:
        return not self.stopped and self.result.earned == sum(self.points.values())


def released(assignment: str, places: Sequence[Path] = (EXERCISES,)) -> NotebookNode:
    """An exercise as it was handed out, from the first of these folders of exercises that has it.

    Raises:
        CannotCheckError: there is none; the message names those that there are.
    """
    found: dict[str, Path] = {}
    for place in places:
        for path in sorted((place / RELEASED).glob("*.ipynb")):
            found.setdefault(path.stem, path)
    if not found:
        raise CannotCheckError(
            f"There are no released exercises in {places[-1]}: run this in a complete copy of the course."
        )
    if assignment not in found:
        raise CannotCheckError(
            f"Your copy of the course has no exercise {assignment[:80]!r}; it has {', '.join(found)}. Is it up to date?"
        )
    return nbformat.read(found[assignment], as_version=4)


def of_file(path: Path, seconds: float | None = None, progress: Progress = lambda name: None) -> Outcome:
    """Run the answers of a notebook in a kernel of their own, and the visible checks of its exercise.

    Args:
        path: the notebook; its name does not matter, the exercise is named inside.
        seconds: of processor time that an answer, and each call of it, may take; by default what the exercise says.
        progress: called whenever a question begins.

    Raises:
        CannotCheckError: it is no notebook, or none of an exercise of the course, or the exercise does not run here.
    """
    submission = intake.read(intake.File(PurePosixPath(path.name), _content(path)), Owner("you"))
    if submission.notebook is None:
        raise CannotCheckError(f"{submission.problem[:1].upper()}{submission.problem[1:]}.")
    if not submission.assignment:
        raise NoExerciseError("This is none of the course's exercises: those say inside which one they are.")
    exercise = released(submission.assignment, (path.parent, EXERCISES))
    for cell in exercise.cells:
        if seconds and role(cell) == "answer":
            cell.metadata["segedu"]["seconds"] = seconds
    grafted = graft(exercise, submission.notebook)
    if submission.release != (ours := exercise.metadata["segedu"]["release"]):
        grafted.warnings = [
            f"Your notebook was made from another release of this exercise ({submission.release or 'unknown'}) than "
            f"the one in your copy of the course ({ours}), whose checks were used. Update the one that is older; your "
            "answers fit where a question is the same."
        ]
    with tempfile.TemporaryDirectory(prefix="segedu-", ignore_cleanup_errors=True) as scratch:
        return _run(Outcome(exercise, SubmissionResult("you", path.name)), grafted, _lanes(exercise, scratch), progress)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CannotCheckError(f"This cannot be read: {error.strerror or error}.") from None


def _lanes(exercise: NotebookNode, scratch: str) -> Callable[[Sequence[str]], AnyLane]:
    from segedu.grading.lane import Lane
    from segedu.grading.sandbox import Sandbox, compile_cuda_runtime, open_course

    allowed = exercise.metadata["segedu"]["allowed"]
    course = open_course(Path(scratch), allowed)
    if any(role(cell) == "answer" and is_cuda(cell.source) for cell in exercise.cells):
        compile_cuda_runtime(course)
    return partial(Lane, Sandbox("own"), course, allowed)


class Here:
    """The lane of an open notebook: its cells have run already, and the checks call what they defined."""

    where = "the notebook"
    starts, start_seconds, seconds = 0, 0.0, 0.0

    def __init__(self, names: dict[str, object]) -> None:
        self.names = names

    def run(self, source: str) -> Reply:
        return Reply()

    def remember(self, source: str) -> None:
        pass

    def forget(self, source: str) -> None:
        pass

    def ask(self, request: str) -> str:
        response = wire.answer(request, self.names)
        if json.loads(response).get("error", {}).get("type") == "KeyboardInterrupt":
            raise KeyboardInterrupt
        return response

    def close(self) -> None:
        pass


def of_names(assignment: str, names: dict[str, object], progress: Progress = lambda name: None) -> Outcome:
    """Run the visible checks of an exercise on what an open notebook has defined.

    Raises:
        CannotCheckError: there is no such exercise, or it does not run here.
    """
    exercise = released(assignment, (Path.cwd(), EXERCISES))
    grafted = Grafted(exercise)
    for cell in exercise.cells:
        if role(cell) == "answer" and not any(name in names for name in has_to_define(cell)):
            grafted.untouched.add(question(cell))
    return _run(Outcome(exercise, SubmissionResult("you", "")), grafted, lambda cells: Here(names), progress)


def _run(outcome: Outcome, grafted: Grafted, lanes: Callable[[Sequence[str]], AnyLane], progress: Progress) -> Outcome:
    outcome.result.warnings = list(grafted.warnings)
    session = Session(grafted, outcome.exercise, outcome.result, lanes, secret="")
    try:
        for cell in grafted.notebook.cells:
            if role(cell) == "answer":
                progress(question(cell))
            with contextlib.redirect_stdout(io.StringIO()):  # what checks print is for the cell below an answer
                session.run(cell)
            if role(cell) == "answer" and question(cell) in session.verdicts:
                outcome.before_checks.add(question(cell))
    except KeyboardInterrupt:
        outcome.stopped = True
    except (Exception, KernelTimeoutError, KernelDiedError) as error:  # an answer's never gets here
        what = f"{type(error).__name__}: {error}"
        raise CannotCheckError(f"The exercise itself does not run on this machine ({what}).") from error
    finally:
        session.close()
    return outcome

"""`python -m segedu check` and `segedu.check(…)`: what the visible checks say of a student's answers, in words."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from segedu.grading import results
from segedu.grading.cells import role
from segedu.grading.own import CannotCheckError, NoExerciseError, Outcome, of_file, of_names
from segedu.grading.pages import lesson

PASSED, NOT_YET, NOT_CHECKED, STOPPED = 0, 1, 2, 130  # exit codes
WORDS = {
    results.PASSED: "visible checks passed",
    results.NOT_ATTEMPTED: "not attempted",
    results.MISSING: "its answer cell is missing",
    results.FAILED: "not right yet",
    results.ERROR: "ends in an error",
    results.TIMEOUT: "takes too long",
    results.CRASHED: "ends Python",
    results.REFUSED: "uses what it may not",
}
COLOURS = {results.PASSED: "green", results.NOT_ATTEMPTED: "dim"}
MISSING = (
    "There is no answer cell of this question. Copy it from a fresh copy of the exercise: a new cell does not say "
    "which question it answers."
)
AFTERWARDS = (
    "Points are those of the visible checks. Hidden checks, with inputs of other sizes and values, follow when a "
    "notebook is graded."
)
AFRESH = (
    "This is what the cells of this notebook have defined so far. In a terminal, python -m segedu check runs the "
    "answers afresh, as grading does."
)
DESCRIPTION = """Run the answers in your notebooks with the visible checks of their exercises, and say for each
question whether it is right, and if not, where to look. Which exercise it is stands inside a notebook: its name does
not matter, and an edited check does not count. Answers run as in grading, without PyTorch and the course's own
operators. An error, an endless loop or a crash in one answer does not stop the others. Nothing is sent anywhere."""
EPILOGUE = """Exit status: 0 if all visible checks passed, 1 if not, 2 if a notebook could not be checked. Points are
those of the visible checks; hidden checks follow when a notebook is graded. In the notebook itself,
segedu.check("02_pooling") does the same, quicker, with what its cells have defined."""
_POINTS = re.compile(r"\s*\([\d.]+ points?\)$")  # in a title: hidden checks count there
_NOTEBOOK_WIDTH = 100


def shown(outcome: Outcome) -> Iterator[RenderableType]:
    """An outcome for a terminal or a notebook: a table, then what is wrong, question by question."""
    titles = _titles(outcome)
    table = Table("question", "visible checks", box=None, pad_edge=False, header_style="bold")
    table.add_column("points", justify="right", no_wrap=True)
    for name, points in outcome.points.items():
        earned = sum(check.earned for check in outcome.of(name))
        table.add_row(titles[name], _how(outcome, name), f"{earned:.4g} of {points:.4g}")
    table.add_row("", "", Text(points_of(outcome), "bold"))
    yield from (Text(warning, "yellow") for warning in outcome.result.warnings)
    yield table
    said: dict[str, str] = {}
    for name in outcome.points:
        if wrong := list(_wrong(outcome, name, said)):
            yield Text.assemble("\n", (titles[name].plain, "bold"))
            yield from (Padding(part, (0, 0, 0, 2)) for part in wrong)
    if outcome.stopped:
        yield Text("\nStopped: what follows was not checked.", "yellow")


def points_of(outcome: Outcome) -> str:
    """The points of the visible checks that passed, of all."""
    return f"{outcome.result.earned:.4g} of {sum(outcome.points.values()):.4g}"


def _titles(outcome: Outcome) -> dict[str, Text]:
    return {name: Text(_POINTS.sub("", task.title)) for name, task in lesson(outcome.exercise).items()}


def _how(outcome: Outcome, name: str) -> Text:
    """How the checks of a question ended."""
    statuses = [check.status for check in outcome.of(name)]
    if not statuses:
        return Text("not checked", "dim")
    first = next((status for status in statuses if status != results.PASSED), results.PASSED)
    passed = statuses.count(results.PASSED)
    some = f"; {passed} of {len(statuses)} visible checks passed" if 0 < passed < len(statuses) else ""
    return Text(WORDS[first] + some, COLOURS.get(first, "red"))


def _wrong(outcome: Outcome, name: str, said: dict[str, str]) -> Iterator[Text]:
    """What the checks of a question say, those that passed left out, each message once: `said` is where it was."""
    sources = {cell.id: cell.source for cell in outcome.exercise.cells if role(cell) == "check"}
    for check in outcome.of(name):
        message = MISSING if check.status == results.MISSING else check.message
        if said.get(message, name) != name:
            message = f"The same as in {_titles(outcome)[said[message]]}."
        if check.status in (results.PASSED, results.NOT_ATTEMPTED) or said.get(message) == name:
            continue
        said[message] = name
        first, _, _ = sources[check.cell].partition("\n")
        if first.startswith("#") and name not in outcome.before_checks:
            yield Text(f"Check: {first.removeprefix('#').strip()}", "italic")
        yield Text(message)


def here(name: str) -> None:
    """Show what the visible checks say of the names in this notebook; see `segedu.check`."""
    from IPython import get_ipython

    shell, console = get_ipython(), Console(width=_NOTEBOOK_WIDTH)
    if shell is None:
        raise RuntimeError("segedu.check is for notebooks; in a terminal write: python -m segedu check my.ipynb")
    try:
        outcome = of_names(name, shell.user_ns)
    except CannotCheckError as error:
        console.print(Text(str(error), "red"))
    else:
        console.print(Group(*shown(outcome), Text(f"\n{AFTERWARDS} {AFRESH}")))


class _Command:
    """One call of `python -m segedu check`."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self.console = seconds, Console(highlight=False)
        self.outcomes: dict[Path, Outcome] = {}
        self.failed = 0

    def check(self, path: Path, is_named: bool) -> None:
        """Check one notebook; one that is no exercise is passed over where it was not named."""
        try:
            with Console(stderr=True).status(f"reading {path.name}") as status:
                outcome = of_file(path, self.seconds, lambda name: status.update(f"{path.name}: checking {name}"))
        except CannotCheckError as error:
            if isinstance(error, NoExerciseError) and not is_named:
                return
            self.failed += 1
            self.console.print(Text(str(path), "bold cyan"), soft_wrap=True)
            self.console.print(Text(str(error), "red"), "", sep="\n")
        else:
            self.outcomes[path] = outcome
            self.console.print(Text(str(path), "bold cyan"), soft_wrap=True)
            self.console.print(Group(*shown(outcome), ""))

    def close(self, stopped: bool) -> int:
        """Say what is to be said of all; returns the exit code."""
        if len(self.outcomes) > 1:
            table = Table("notebook", box=None, pad_edge=False, header_style="bold")
            table.add_column("points", justify="right", no_wrap=True)
            for path, outcome in self.outcomes.items():
                table.add_row(Text(str(path)), points_of(outcome))
            self.console.print(table, "")
        if self.outcomes:
            self.console.print(AFTERWARDS)
        elif not self.failed and not stopped:
            self.console.print("None of the course's exercises is there. Name your notebook, or its folder.")
        if stopped:
            return STOPPED
        if self.failed or not self.outcomes:
            return NOT_CHECKED
        return PASSED if all(outcome.passed for outcome in self.outcomes.values()) else NOT_YET


def _notebooks(places: Sequence[Path]) -> dict[Path, bool]:
    """The notebooks that are named and those below the folders that are, each with whether it was named itself."""
    found: dict[Path, bool] = {}
    for place in places:
        if not place.is_dir():
            found[place] = True
            continue
        for path in sorted(place.rglob("*.ipynb")):
            if not any(part.startswith(".") for part in path.relative_to(place).parts):
                found.setdefault(path, False)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Check the answers in notebooks by the visible checks: `python -m segedu check my.ipynb`."""
    parser = argparse.ArgumentParser(prog="python -m segedu check", description=DESCRIPTION, epilog=EPILOGUE)
    parser.add_argument("notebooks", nargs="+", type=Path, help="your notebooks, or folders of them")
    parser.add_argument(
        "--seconds", type=float, help="processor time an answer, and each call of it, may take (default: as in grading)"
    )
    options = parser.parse_args(argv)
    if options.seconds is not None and not options.seconds > 0:
        parser.error(f"--seconds {options.seconds:g} must be above 0")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # where output goes to a file, Windows cannot write every character
    command, stopped = _Command(options.seconds), False
    try:
        for path, is_named in _notebooks(options.notebooks).items():
            command.check(path, is_named)
            if stopped := path in command.outcomes and command.outcomes[path].stopped:
                break
    except KeyboardInterrupt:
        stopped = True
    return command.close(stopped)

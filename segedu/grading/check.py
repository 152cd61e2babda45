"""`python -m segedu check` and `segedu.check(…)`: what a student's answers are, by the visible checks, in words."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from segedu.grading import results
from segedu.grading.cells import role
from segedu.grading.own import CannotCheckError, Outcome, of_file, of_names
from segedu.grading.pages import lesson

if TYPE_CHECKING:
    from rich.console import RenderableType

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
_POINTS = re.compile(r"\s*\(\d+ points?\)$")  # in a title: hidden checks count there
AFTERWARDS = "Hidden checks, with inputs of other sizes and values, follow when your notebook is graded."
DESCRIPTION = """Run the answers in your notebooks with the visible checks of their exercises, and say for each
question whether it is right, and if not, where to look. Which exercise it is stands inside a notebook: its name does
not matter, and an edited check does not count. Answers run as in grading, without PyTorch and the course's own
operators. An error, an endless loop or a crash in one answer does not stop the others. Nothing is sent anywhere."""
EPILOGUE = """Exit status: 0 if all visible checks passed, 1 if not, 2 if something could not be checked. Points are
those of the visible checks; hidden checks follow when a notebook is graded. In the notebook itself,
segedu.check("02_pooling") does the same, quicker, with what its cells have defined."""


def words(outcome: Outcome, name: str) -> tuple[str, str]:
    """How the checks of a question ended, and the colour of it."""
    checks = outcome.of(name)
    if not checks:
        return "not checked", "dim"
    statuses = [check.status for check in checks]
    first = next((status for status in statuses if status != results.PASSED), results.PASSED)
    text, passed = WORDS[first], statuses.count(results.PASSED)
    some = f"; {passed} of {len(checks)} visible checks passed" if 0 < passed < len(checks) else ""
    return text + some, COLOURS.get(first, "red")


def shown(outcome: Outcome) -> Iterator[RenderableType]:
    """An outcome for the terminal or a notebook: a table, then what is wrong, question by question."""
    titles = {name: _POINTS.sub("", task.title) for name, task in lesson(outcome.exercise).items()}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("question", "visible checks"):
        table.add_column(heading)
    table.add_column("points", justify="right", no_wrap=True)
    for name, points in outcome.points.items():
        text, colour = words(outcome, name)
        earned = sum(check.earned for check in outcome.of(name))
        table.add_row(Text(titles[name]), Text(text, colour), f"{earned:.4g} of {points:.4g}")
    table.add_section()
    total = sum(outcome.points.values())
    table.add_row("", "", Text(f"{outcome.result.earned:.4g} of {total:.4g}", "bold"))
    yield from (Text(warning, "yellow") for warning in outcome.result.warnings)
    yield table
    for name in outcome.points:
        if wrong := list(_wrong(outcome, name)):
            yield Text(f"\n{titles[name]}", "bold")
            yield from (Padding(part, (0, 0, 0, 2)) for part in wrong)
    yield Text("")
    if outcome.stopped:
        yield Text("Stopped: what follows was not checked.", "yellow")
    yield Text(f"Visible checks passed. {AFTERWARDS}" if outcome.passed else AFTERWARDS)


def _wrong(outcome: Outcome, name: str) -> Iterator[Text]:
    """What the checks of a question say, those that passed left out, each message once."""
    said: set[str] = set()
    titles = {cell.id: _title(cell.source) for cell in outcome.exercise.cells if role(cell) == "check"}
    for check in outcome.of(name):
        if check.status in (results.PASSED, results.NOT_ATTEMPTED, results.MISSING) or check.message in said:
            continue
        said.add(check.message)
        if titles[check.cell] and check.status not in (results.REFUSED,):
            yield Text(f"Check: {titles[check.cell]}", "italic")
        yield Text(check.message)


def _title(source: str) -> str:
    """What the first line of a check says that it is about."""
    first = source.strip().split("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def here(name: str) -> None:
    """Show what the visible checks say of the names in this notebook; see `segedu.check`."""
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise RuntimeError("segedu.check is for notebooks; in a terminal use: python -m segedu check my.ipynb")
    console = Console(width=100) if sys.stdout else Console()
    try:
        console.print(Group(*shown(of_names(name, shell.user_ns))))
    except CannotCheckError as error:
        console.print(Text(str(error), "red"))


def notebooks_at(places: Iterable[Path]) -> list[Path]:
    """The notebooks that are named, and those below the folders that are; hidden ones left out."""
    found: dict[Path, None] = {}
    for place in places:
        inside = (path for path in sorted(place.rglob("*.ipynb")) if not _is_hidden(path.relative_to(place)))
        found.update(dict.fromkeys(inside if place.is_dir() else [place]))
    return list(found)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m segedu check", description=DESCRIPTION, epilog=EPILOGUE)
    parser.add_argument("notebooks", nargs="+", type=Path, help="your notebooks, or folders of them")
    parser.add_argument(
        "--seconds", type=float, help="processor time an answer, and each call of it, may take (default: as in grading)"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Check your own answers: `python -m segedu check my.ipynb`."""
    options = _parser().parse_args(argv)
    console, paths, worst = Console(highlight=False), notebooks_at(options.notebooks), PASSED
    if not paths:
        console.print("There are no notebooks (files that end in .ipynb) there.")
        return NOT_CHECKED
    for path in paths:
        console.print(Text(str(path), "bold cyan"))
        try:
            with Console(stderr=True).status("…") as status:
                outcome = of_file(path, options.seconds, lambda name, s=status: s.update(f"checking {name}"))
        except CannotCheckError as error:
            console.print(Text(str(error), "red"))
            worst = max(worst, NOT_CHECKED)
            continue
        console.print(Group(*shown(outcome)))
        if outcome.stopped:
            return STOPPED
        worst = max(worst, PASSED if outcome.passed else NOT_YET)
    return worst

"""`python -m segedu release`: solutions/NN_name.py → solutions/NN_name.ipynb → exercises/NN_name.ipynb, and a zip."""

from __future__ import annotations

import argparse
import copy
import hashlib
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segedu import notebooks
from segedu.grading.cells import ExerciseError, has_to_define, question, questions, right_answers, role, stub

if TYPE_CHECKING:
    from nbformat import NotebookNode

SOLUTIONS, EXERCISES = notebooks.ROOT / "solutions", notebooks.ROOT / "exercises"
RELEASES = "releases"  # the folder below solutions/ with what was handed out
RELEASED = ".released"  # the folder below exercises/ that a student's own check goes by: no answers are written there
OWN_CHECK = (
    "## All visible checks\n\n"
    "The last cell runs the visible checks of all your answers at once; `python -m segedu check {name}.ipynb` does so "
    "in a terminal. Hidden checks, with inputs of other sizes and values, follow when your notebook is graded."
)


def read_solution(path: Path) -> NotebookNode:
    """The notebook of a solution's source, checked for its form, with its assignment and release in the metadata.

    Raises:
        ExerciseError: the form is broken, see `segedu.grading.cells`.
    """
    notebook = notebooks.read_lecture(path)
    names = list(questions(notebook))
    for cell in notebook.cells:
        if role(cell) == "answer":
            stub(cell.source, question(cell))
    if not names:
        raise ExerciseError(f"{path.name} has no question")
    notebook.metadata["segedu"] = {"assignment": path.stem, "allowed": _allowed(notebook)}
    notebook.metadata["segedu"]["release"] = _release(notebook)
    return notebook


def _release(notebook: NotebookNode) -> str:
    """Names what students get: better hidden checks or another solution are the same release."""
    text = "\n".join(f"{role(cell)} {question(cell)}\n{cell.source}" for cell in exercise(notebook).cells)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _allowed(notebook: NotebookNode) -> list[str]:
    """Modules of segedu that the setup cells declare open to answers."""
    found: set[str] = set()
    for cell in notebook.cells:
        found.update(cell.get("metadata", {}).get("segedu", {}).get("allowed", ()))
    return sorted(found)


def exercise(solution: NotebookNode) -> NotebookNode:
    """What students get: answers replaced by stubs, hidden checks gone; visible checks keep their output.

    An answer cell says in its metadata what it has to define, and a last cell runs all visible checks.
    """
    handed_out = copy.deepcopy(solution)
    handed_out.cells = [cell for cell in handed_out.cells if role(cell) != "hidden"]
    for cell in handed_out.cells:
        if role(cell) == "answer":
            cell.metadata["segedu"]["defines"] = has_to_define(cell)
            cell.source = stub(cell.source, question(cell))
            cell.outputs, cell.execution_count = [], None
    handed_out.cells += _own_check(solution.metadata["segedu"]["assignment"])
    return handed_out


def _own_check(name: str) -> list[NotebookNode]:
    from nbformat.v4 import new_code_cell, new_markdown_cell

    source, about = f'import segedu\n\nsegedu.check("{name}")', {"segedu": {"role": "show"}}
    return [
        new_markdown_cell(OWN_CHECK.format(name=name), id="all-visible-checks"),
        new_code_cell(source, id="own-check", metadata=about),
    ]


def untouched(solution: NotebookNode) -> NotebookNode:
    """An exercise without outputs: what a student's own check goes by."""
    handed_out = exercise(solution)
    for cell in handed_out.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return handed_out


def master(solution: NotebookNode) -> NotebookNode:
    """A perfect submission: the solution without marks and hidden checks."""
    perfect = exercise(solution)
    answers = right_answers(solution)
    for cell in perfect.cells:
        if role(cell) == "answer":
            cell.source = answers[question(cell)]
    return perfect


def build(source: Path, solutions: Path = SOLUTIONS, exercises: Path = EXERCISES) -> None:
    """Run a solution and write its notebook and its exercise, each whole or not at all.

    Raises:
        ExerciseError: its form is broken.
        nbclient.exceptions.CellExecutionError: a cell of it raised, a check among them.
    """
    solution = read_solution(source)
    about = solution.metadata["segedu"]
    notebooks.run(solution, source.parent)
    solution.metadata["segedu"] = about
    for notebook, folder in _built(solution, solutions, exercises):
        folder.mkdir(parents=True, exist_ok=True)
        notebooks.write(notebook, folder / f"{source.stem}.ipynb")


def _built(solution: NotebookNode, solutions: Path, exercises: Path) -> list[tuple[NotebookNode, Path]]:
    """What is made of a solution, and the folders in which it lies."""
    return [(solution, solutions), (exercise(solution), exercises), (untouched(solution), exercises / RELEASED)]


def drift(source: Path, solutions: Path = SOLUTIONS, exercises: Path = EXERCISES) -> str | None:
    """How the notebooks of a solution differ from its source; None where they do not."""
    import nbformat

    want = read_solution(source)
    for expected, path in _built(want, solutions, exercises):
        built = path / f"{source.stem}.ipynb"
        if not built.exists():
            return f"{built.name} was never built in {path.name}/"
        have = nbformat.read(built, as_version=4)
        if have.metadata.get("segedu") != want.metadata["segedu"]:
            return f"{path.name}/{built.name} is of another release than {source.name}"
        if [_kept(cell) for cell in have.cells] != [_kept(cell) for cell in expected.cells]:
            return f"{path.name}/{built.name} has other cells than {source.name}"
        if any(output.output_type == "error" for cell in have.cells for output in cell.get("outputs", [])):
            return f"{path.name}/{built.name} holds an error"
    return None


def _kept(cell: NotebookNode) -> tuple[str, str, object]:
    """What of a cell must agree with its source: outputs may differ."""
    return cell.id, cell.source, cell.metadata.get("segedu")


def keep(source: Path, solutions: Path = SOLUTIONS) -> Path:
    """Keep the solution of what is handed out: solutions/releases/NN_name-RELEASE.ipynb; a later one replaces it.

    Submissions made from this release are then graded with it, also when the exercise has changed.
    """
    solution = read_solution(source)
    path = solutions / RELEASES / f"{source.stem}-{solution.metadata['segedu']['release']}.ipynb"
    path.parent.mkdir(exist_ok=True)
    notebooks.write(solution, path)
    return path


def masters(solutions: Path = SOLUTIONS) -> dict[str, dict[str, NotebookNode]]:
    """The solutions by assignment and release; of each assignment the present one is the last."""
    import nbformat

    found: dict[str, dict[str, NotebookNode]] = {}
    for path in sorted((solutions / RELEASES).glob("*.ipynb")):
        kept = nbformat.read(path, as_version=4)
        found.setdefault(kept.metadata["segedu"]["assignment"], {})[kept.metadata["segedu"]["release"]] = kept
    for path in sorted(solutions.glob("[0-9]*.py")):
        present = read_solution(path)
        releases = found.setdefault(path.stem, {})
        releases.pop(present.metadata["segedu"]["release"], None)
        releases[present.metadata["segedu"]["release"]] = present
    return found


def pack(names: Sequence[str], target: Path, exercises: Path = EXERCISES) -> None:
    """Zip exercises for students. Two packs of the same exercises are equal byte for byte."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            for file in (f"{name}.ipynb", f"{RELEASED}/{name}.ipynb"):
                entry = zipfile.ZipInfo(f"exercises/{file}", (2020, 1, 1, 0, 0, 0))
                archive.writestr(entry, (exercises / file).read_bytes(), zipfile.ZIP_DEFLATED)


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m segedu release`: builds the solutions' notebooks and the exercises; --zip packs them for students."""
    parser = argparse.ArgumentParser(prog="python -m segedu release", description=main.__doc__)
    parser.add_argument("names", nargs="*", help="exercises, such as 02_pooling (default: all)")
    parser.add_argument("--check", action="store_true", help="build nothing; say what differs from its source")
    parser.add_argument("--all", action="store_true", help="build unchanged ones, too")
    parser.add_argument("--zip", type=Path, help="write the exercises to this file, and keep their solutions")
    options = parser.parse_args(argv)
    sources = {path.stem: path for path in sorted(SOLUTIONS.glob("[0-9]*.py"))}
    unknown = set(options.names) - set(sources)
    if unknown:
        print(f"no such exercise: {', '.join(sorted(unknown))}; there are {', '.join(sources)}", file=sys.stderr)
        return 2
    chosen = [sources[name] for name in options.names or sources]
    try:
        failed = _check(chosen) if options.check else _build(chosen, options.all or bool(options.names))
    except ExerciseError as error:
        print(error, file=sys.stderr)
        return 1
    if options.zip and not failed:
        pack([path.stem for path in chosen], options.zip)
        for path in chosen:
            keep(path)
        print(
            f"{options.zip}: {len(chosen)} exercises for students; their solutions are kept in {SOLUTIONS / RELEASES}"
        )
    return failed


def _check(sources: Sequence[Path]) -> int:
    found = [difference for source in sources if (difference := drift(source))]
    print("\n".join(found) or f"{len(sources)} exercises agree with their solutions")
    return 1 if found else 0


def _build(sources: Sequence[Path], unchanged_too: bool) -> int:
    from nbclient.exceptions import CellExecutionError

    failed = 0
    for number, source in enumerate(sources, start=1):
        if not unchanged_too and drift(source) is None:
            continue
        print(f"[{number}/{len(sources)}] {source.stem} … ", end="", flush=True)
        try:
            build(source)
            print("solution and exercise written")
        except CellExecutionError as error:
            failed = 1
            print(f"a cell raised:\n{error}", file=sys.stderr)
    return failed

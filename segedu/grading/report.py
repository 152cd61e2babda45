"""What a grading found, for people: JSON, tables, a page for the class and one for each student."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from segedu.grading import adjustments, pages, results, similarity, tables
from segedu.grading.cells import handed_out, question, role, without_marks
from segedu.grading.marks import Mark, Overview
from segedu.grading.names import MOODLE
from segedu.grading.results import SubmissionResult
from segedu.grading.sandbox import Sandbox, find_sandbox

if TYPE_CHECKING:
    from nbformat import NotebookNode


def write(
    found: Sequence[SubmissionResult], out: Path, solutions: Mapping[str, Mapping[str, NotebookNode]] | None = None
) -> Overview:
    """Write all files of a report and return what is in them. `adjustments.csv` is read, never written over."""
    out.mkdir(parents=True, exist_ok=True)
    found = _of_the_only_assignment(found)
    given, problems = adjustments.read(out)
    marks = [Mark(result, [a for a in given if a.belongs_to(result)]) for result in found]
    problems += adjustments.unused(given, found)
    problems += [
        f"{mark.label}: points by hand are in no gradebook, since nothing says for which assignment"
        for mark in marks
        if mark.adjustments and not mark.result.assignment
    ]
    present = {name: list(releases.values())[-1] for name, releases in (solutions or {}).items()}
    overview = Overview(marks, _alike(marks, present), problems, _statements(found), out)
    _write(out / "results.json", json.dumps([_record(mark) for mark in marks], indent=1))
    _write(out / "marks.csv", "\ufeff" + tables.marks(marks))  # the mark by which spreadsheets know UTF-8
    _write(out / "gradebook-canvas.csv", tables.canvas(marks))
    assignments = sorted({result.assignment for result in found if result.assignment})
    for assignment in assignments:
        _write(out / f"gradebook-moodle-{assignment}.csv", tables.moodle(marks, assignment))
    lessons = {name: pages.lesson(solution) for name, solution in present.items()}
    (out / "students").mkdir(exist_ok=True)
    for old in (out / "students").glob("*.html"):
        old.unlink()
    for mark in marks:
        lesson = lessons.get(mark.result.assignment, {})
        _write(out / "students" / mark.page, pages.student(mark, overview.statements, lesson))
    for assignment in assignments:
        _feedback([mark for mark in marks if mark.result.assignment == assignment], out, assignment)
    _write(out / "index.html", pages.of_class(overview, lessons))
    return overview


def _feedback(marks: Sequence[Mark], out: Path, assignment: str) -> None:
    """The students' pages as Moodle takes them in at once: it finds participants by the number in a file's name."""
    path = out / f"feedback-moodle-{assignment}.zip"
    path.unlink(missing_ok=True)
    known = [mark for mark in marks if any(map(MOODLE.match, PurePosixPath(mark.result.file).parts))]
    if known:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for mark in known:
                name = f"participant_{mark.result.identifier}_assignfeedback_file_{assignment}.html"
                archive.write(out / "students" / mark.page, name)


def _of_the_only_assignment(found: Sequence[SubmissionResult]) -> list[SubmissionResult]:
    """What cannot be read does not say what it answers: where all others are of one assignment, it is, too."""
    names = {result.assignment for result in found if result.assignment}
    only = names.pop() if len(names) == 1 else ""
    return [result if result.assignment else dataclasses.replace(result, assignment=only) for result in found]


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "replace"))


def _record(mark: Mark) -> dict:
    record = dataclasses.asdict(mark.result) | {"earned": mark.result.earned, "possible": mark.result.possible}
    return record | {"adjustments": [dataclasses.asdict(a) for a in mark.adjustments], "points": mark.shown}


def _statements(found: Sequence[SubmissionResult]) -> list[str]:
    """How each submission was kept apart: usually one sentence; the warning first where there was no sandbox."""
    kinds = sorted({result.sandbox for result in found}, key=lambda kind: kind != "none")
    here = find_sandbox()
    return [(here if here.kind == kind else Sandbox(kind, "there was none")).statement for kind in kinds]


def _alike(marks: Sequence[Mark], present: Mapping[str, NotebookNode]) -> list[similarity.Group]:
    known: dict[str, list[str]] = {}
    for solution in present.values():
        for cell in solution.cells:
            if role(cell) == "answer":
                name = question(cell)
                known.setdefault(name, []).extend([without_marks(cell.source), handed_out(cell.source, name)])
    answers = [(mark.result.assignment, mark.label, mark.result.answers) for mark in marks]
    return similarity.groups(similarity.pairs(answers, known))


def lines(overview: Overview, explained: Sequence[str] = ()) -> Iterator[str]:
    """What the command line says; with `explained`, names of students, what ran where."""
    yield from overview.statements
    for mark in overview.marks:
        if mark.result.student in explained or mark.result.identifier in explained:
            yield f"\n{mark.result.student} {mark.result.identifier}".rstrip() + f", {mark.result.file}"
            yield f"  made from release {mark.result.release or 'unknown'}, {mark.result.kernel_starts} kernels started"
            yield from (f"  {line}" for line in [*mark.result.warnings, *mark.result.trace])
    yield from overview.problems
    for mark in overview.marks:
        if mark.result.status != results.GRADED:
            yield f"{mark.label}: {'; '.join([mark.result.status, *mark.result.warnings])}"
    graded = [mark for mark in overview.marks if mark.result.status == results.GRADED]
    yield f"{len(graded)} of {len(overview.marks)} submissions graded; groups of answers alike: {len(overview.alike)}"
    yield f"The report: {overview.out / 'index.html'}"
    yield f"For the gradebook: {', '.join(path.name for path in sorted(overview.out.glob('gradebook-*.csv')))}"

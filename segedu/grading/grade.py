"""`python -m segedu grade`: a folder or zip of submissions in, a report out."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

from segedu.grading import pool, report, results
from segedu.grading.cells import ExerciseError, is_cuda, role
from segedu.grading.graft import graft
from segedu.grading.intake import IntakeError, Submission, submissions
from segedu.grading.release import SOLUTIONS, masters
from segedu.grading.results import SubmissionResult
from segedu.grading.sandbox import Sandbox, compile_cuda_runtime, find_sandbox, open_course

if TYPE_CHECKING:
    from nbformat import NotebookNode

Progress = Callable[[int, int], None]
"""Told how many submissions are done, of how many."""


@dataclass
class Grading:
    """A class being graded: where its results go, and what every submission's result depends on."""

    out: Path
    sandbox: Sandbox
    secret: str
    solutions: dict[str, dict[str, NotebookNode]]
    masters: dict[int, str] = field(default_factory=dict)

    def solution(self, submission: Submission) -> NotebookNode | None:
        """The solution of the submission's own release, where it is kept; else the present one."""
        releases = self.solutions.get(submission.assignment)
        if not releases:
            return None
        return releases.get(submission.release, list(releases.values())[-1])

    def result_path(self, submission: Submission) -> Path:
        whose = submission.assignment or submission.file
        name = hashlib.sha256(f"{submission.student}\n{submission.identifier}\n{whose}".encode()).hexdigest()[:16]
        return self.out / "results" / f"{name}.json"

    def key(self, submission: Submission, solution: NotebookNode) -> str:
        """What a result depends on: graded again only where this differs."""
        cells = hashlib.sha256("\0".join(f"{c.metadata}{c.source}" for c in solution.cells).encode()).hexdigest()
        text = f"{submission.digest} {submission.file} {cells} {self.secret} {self.sandbox.kind}"
        return hashlib.sha256(text.encode()).hexdigest()

    def beginning(self, submission: Submission, **more: object) -> SubmissionResult:
        """A result of which nothing is known yet but whose it is."""
        return SubmissionResult(
            submission.student,
            submission.file,
            submission.identifier,
            submission.assignment,
            submission.release,
            sandbox=self.sandbox.kind,
            **more,
        )


def secret_of(out: Path) -> str:
    """The secret of a report's folder, from which the seeds of hidden checks are made; drawn at the first run."""
    path = out / "secret.txt"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(secrets.token_hex(16), encoding="ascii")
        path.chmod(0o600)
    return path.read_text(encoding="ascii").strip()


def grade(
    place: Path,
    out: Path,
    workers: int = 2,
    solutions: Path = SOLUTIONS,
    only: Sequence[str] = (),
    regrade: bool = False,
    progress: Progress = lambda done, of: None,
) -> list[SubmissionResult]:
    """Grade every submission at `place` that has no up-to-date result in `out`, and return all results.

    Args:
        place: a folder or zip of submissions.
        out: the report's folder. Each result is written there as soon as it is known.
        workers: how many submissions are graded at the same time.
        solutions: the folder of the solutions' sources.
        only: students, by name or number, whose submissions alone are graded; the others keep their results.
        regrade: also where the result is up to date.
        progress: called whenever a submission is done.

    Raises:
        IntakeError: nothing at `place` can be graded, or there is none of the students `only` names.
    """
    grading = Grading(out, find_sandbox(), secret_of(out), masters(solutions))
    found = submissions(place)
    chosen = _chosen(found, only)
    waiting = [s for s in chosen if _is_waiting(grading, s, regrade)]
    done = len(chosen) - len(waiting)
    progress(done, len(chosen))

    def one_more(_: dict) -> None:
        nonlocal done
        done += 1
        progress(done, len(chosen))

    if waiting:
        with tempfile.TemporaryDirectory(prefix="segedu-", ignore_cleanup_errors=True) as scratch:
            _grade(grading, waiting, Path(scratch), workers, one_more)
    return [result for s in found if (result := results.read(grading.result_path(s))) is not None]


def _chosen(found: Sequence[Submission], only: Sequence[str]) -> list[Submission]:
    unknown = [name for name in only if not any(name in (s.student, s.identifier) for s in found)]
    if unknown:
        raise IntakeError(f"no submission is by {', '.join(unknown)}; there are {', '.join(s.student for s in found)}")
    return [s for s in found if not only or s.student in only or s.identifier in only]


def _is_waiting(grading: Grading, submission: Submission, regrade: bool) -> bool:
    """Whether a submission has to be graded; writes the result of one that cannot be."""
    solution = grading.solution(submission)
    if solution is None or submission.notebook is None:
        problem = submission.problem or (
            f"there is no exercise {submission.assignment!r}: it was not made from this course"
            if submission.assignment
            else "it was not made from an exercise of this course: its metadata name none"
        )
        result = grading.beginning(submission, status=results.UNREADABLE, warnings=[problem, *submission.warnings])
        results.write(result, grading.result_path(submission))
        return False
    known = results.read(grading.result_path(submission))
    up_to_date = known is not None and known.key == grading.key(submission, solution) and known.status == results.GRADED
    return regrade or not up_to_date


def _grade(
    grading: Grading, waiting: Sequence[Submission], scratch: Path, workers: int, done: Callable[[dict], None]
) -> None:
    courses: dict[str, str] = {}
    tasks, whose = [], {}
    for number, submission in enumerate(_slowest_first(grading, waiting)):
        solution = _prepared(grading.solution(submission), scratch, courses)
        tasks.append(_task(grading, submission, solution, scratch / f"{number:04}.ipynb"))
        whose[tasks[-1]["notebook"]] = submission
    job = {"secret": grading.secret, "sandbox": asdict(grading.sandbox), "courses": courses, "submissions": tasks}
    for task in pool.grade_all(job, scratch, workers, done):
        log = _keep_logs(grading.out, scratch)
        result = replace(grading.beginning(whose[task["notebook"]]), status=results.FAULT, key="")
        result.warnings = [f"the grader failed twice; see {log}, then run the same command again"]
        results.write(result, Path(task["result"]))
        done(task)


def _slowest_first(grading: Grading, waiting: Sequence[Submission]) -> list[Submission]:
    """Those that took long the last time come first, so that none is left over at the end."""

    def seconds(submission: Submission) -> float:
        return getattr(results.read(grading.result_path(submission)), "seconds", 0.0)

    return sorted(waiting, key=seconds, reverse=True)


def _prepared(solution: NotebookNode, scratch: Path, courses: dict[str, str]) -> tuple[Path, NotebookNode]:
    """A solution written where the workers find it, and the course that its kernels may import."""
    about = solution.metadata["segedu"]
    path = scratch / f"{about['assignment']}-{about['release']}.master"
    if str(path) not in courses:
        nbformat.write(solution, path)
        course = open_course(path.with_suffix(".course"), about["allowed"])
        if any(role(cell) == "answer" and is_cuda(cell.source) for cell in solution.cells):
            compile_cuda_runtime(course)
        courses[str(path)] = str(course)
    return path, solution


def _task(grading: Grading, submission: Submission, solution: tuple[Path, NotebookNode], path: Path) -> dict:
    master_path, master = solution
    grafted = graft(master, submission.notebook)
    nbformat.write(grafted.notebook, path)
    warnings = [*submission.warnings, *grafted.warnings]
    if submission.release != master.metadata["segedu"]["release"]:
        warnings.append(
            f"made from release {submission.release or 'unknown'}, which is not kept: graded as "
            f"{master.metadata['segedu']['release']}, the present one"
        )
    about = grading.beginning(submission, key=grading.key(submission, master), warnings=warnings)
    result = grading.result_path(submission)
    result.unlink(missing_ok=True)
    task = {"notebook": str(path), "master": str(master_path), "result": str(result), "about": asdict(about)}
    return task | {"missing": sorted(grafted.missing), "untouched": sorted(grafted.untouched)}


def _keep_logs(out: Path, scratch: Path) -> Path:
    target = out / "faults.log"
    logs = sorted(scratch.glob("attempt-*/*.log"))
    text = "\n".join(f"==== {log.parent.name}, {log.name}\n{log.read_text(errors='replace')[-20_000:]}" for log in logs)
    target.write_text(text, encoding="utf-8")
    return target


@contextlib.contextmanager
def _bar() -> Iterator[Progress]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=not sys.stdout.isatty()) as bar:
        task = bar.add_task("grading", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m segedu grade", description=main.__doc__)
    parser.add_argument(
        "submissions", type=Path, help="a folder or zip of notebooks, as a learning platform exports it"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder of the report")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2, help="how many are graded at the same time")
    parser.add_argument("--only", action="append", default=[], metavar="STUDENT", help="grade this student's alone")
    parser.add_argument("--regrade", action="store_true", help="grade again what has an up-to-date result")
    parser.add_argument("--explain", action="store_true", help="say for each submission what ran where")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Grade a folder or zip of submissions and write a report: run it again to go on or to take in late ones."""
    options = _parser().parse_args(argv)
    try:
        with _bar() as progress:
            found = grade(
                options.submissions,
                options.out,
                max(1, options.workers),
                only=options.only,
                regrade=options.regrade,
                progress=progress,
            )
        overview = report.write(found, options.out, masters())
    except (IntakeError, ExerciseError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"Stopped: {error}. Results so far are kept in {options.out}; when that is mended, run the same command "
            "again to go on.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        known = len(list((options.out / "results").glob("[0-9a-f]*.json")))
        print(f"\nStopped. {known} results are kept in {options.out}; run the same command again to go on.")
        return 130
    explained = (options.only or [result.student for result in found]) if options.explain else ()
    print("\n".join(report.lines(overview, explained)))
    return 0

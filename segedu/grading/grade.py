"""`python -m segedu grade`: a folder or zip of submissions in, a report out."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

from segedu.grading import results
from segedu.grading.cells import is_cuda, role
from segedu.grading.graft import graft
from segedu.grading.intake import IntakeError, Submission, submissions
from segedu.grading.release import SOLUTIONS, read_solution
from segedu.grading.results import SubmissionResult
from segedu.grading.sandbox import Sandbox, compile_cuda_runtime, find_sandbox, open_course

if TYPE_CHECKING:
    from nbformat import NotebookNode

A_WORKERS_SHARE = 10  # submissions that one pytest grades before the next is started


@dataclass
class Grading:
    """A class being graded: where its results go, and what every submission's result depends on."""

    out: Path
    sandbox: Sandbox
    secret: str

    def result_path(self, submission: Submission) -> Path:
        name = hashlib.sha256(f"{submission.student}\n{submission.file}".encode()).hexdigest()[:16]
        return self.out / "results" / f"{name}.json"

    def key(self, submission: Submission, master: NotebookNode) -> str:
        """What a result depends on: graded again only where this differs."""
        release = master.metadata["segedu"]["release"]
        return hashlib.sha256(f"{submission.digest} {release} {self.secret} {self.sandbox}".encode()).hexdigest()


def secret_of(out: Path) -> str:
    """The secret of a report's folder, from which the seeds of hidden checks are made; drawn at the first run."""
    path = out / "secret.txt"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(secrets.token_hex(16), encoding="ascii")
        path.chmod(0o600)
    return path.read_text(encoding="ascii").strip()


def masters(folder: Path = SOLUTIONS) -> dict[str, NotebookNode]:
    """The solutions by the name of their assignment."""
    return {path.stem: read_solution(path) for path in sorted(folder.glob("[0-9]*.py"))}


def grade(place: Path, out: Path, workers: int = 2, solutions: Path = SOLUTIONS) -> list[SubmissionResult]:
    """Grade every submission at `place` that has no up-to-date result in `out`, and return all results.

    Raises:
        IntakeError: nothing at `place` can be graded.
    """
    grading = Grading(out, find_sandbox(), secret_of(out))
    known = masters(solutions)
    found = submissions(place)
    waiting: dict[str, list[Submission]] = {}
    for submission in found:
        master = known.get(submission.assignment)
        if master is None:
            results.write(_unreadable(submission), grading.result_path(submission))
        elif getattr(results.read(grading.result_path(submission)), "key", "") != grading.key(submission, master):
            waiting.setdefault(submission.assignment, []).append(submission)
    with tempfile.TemporaryDirectory(prefix="segedu-grade-") as scratch:
        for assignment, group in waiting.items():
            _grade_group(grading, group, known[assignment], Path(scratch, assignment), workers)
    return [result for s in found if (result := results.read(grading.result_path(s))) is not None]


def _unreadable(submission: Submission) -> SubmissionResult:
    problem = submission.problem or f"there is no exercise {submission.assignment!r}: it was not made from this course"
    return SubmissionResult(submission.student, submission.file, status=results.UNREADABLE, warnings=[problem])


def _grade_group(
    grading: Grading, group: Sequence[Submission], master: NotebookNode, scratch: Path, workers: int
) -> None:
    scratch.mkdir(parents=True)
    nbformat.write(master, scratch / "master.ipynb")
    course = open_course(scratch / "course", master.metadata["segedu"]["allowed"])
    if any(role(cell) == "answer" and is_cuda(cell.source) for cell in master.cells):
        compile_cuda_runtime(course)
    tasks = [_task(grading, submission, master, scratch / f"{i:04}.ipynb") for i, submission in enumerate(group)]
    shares = [tasks[i : i + A_WORKERS_SHARE] for i in range(0, len(tasks), A_WORKERS_SHARE)]
    running: list[subprocess.Popen] = []
    for number, share in enumerate(shares):
        job = {"master": str(scratch / "master.ipynb"), "secret": grading.secret, "course": str(course)}
        job |= {"sandbox": asdict(grading.sandbox), "submissions": share}
        path = scratch / f"job-{number}.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        while len(running) >= workers:
            running = [process for process in running if process.poll() is None]
            time.sleep(0.05)
        running.append(_start(path, [task["notebook"] for task in share], scratch))
    for process in running:
        process.wait()


def _task(grading: Grading, submission: Submission, master: NotebookNode, path: Path) -> dict:
    grafted = graft(master, submission.notebook)
    nbformat.write(grafted.notebook, path)
    about = SubmissionResult(
        submission.student,
        submission.file,
        submission.assignment,
        submission.release,
        key=grading.key(submission, master),
        warnings=grafted.warnings,
    )
    task = {"notebook": str(path), "result": str(grading.result_path(submission)), "about": asdict(about)}
    return task | {"missing": sorted(grafted.missing), "untouched": sorted(grafted.untouched)}


def _start(job: Path, grafted: Sequence[str], scratch: Path) -> subprocess.Popen:
    """A pytest with nbval and our plugin, which reads no configuration but its own."""
    own = scratch / "own.ini"
    own.write_text("[pytest]\n", encoding="ascii")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "segedu.grading.plugin", "--segedu-job", str(job)]
    command += [
        "--noconftest",
        "-c",
        str(own),
        "--rootdir",
        str(scratch),
        "-p",
        "no:cacheprovider",
        "--tb=no",
        *grafted,
    ]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": "1"}
    command[3:3] = ["-p", "nbval.plugin"]
    log = open(job.with_suffix(".log"), "wb")  # noqa: SIM115 (the process has it)
    return subprocess.Popen(command, cwd=scratch, env=environment, stdout=log, stderr=subprocess.STDOUT)


def _table(found: Sequence[SubmissionResult]) -> Iterator[str]:
    for result in found:
        marks = ", ".join(
            f"{name} {sum(c.earned for c in checks):g}/{sum(c.points for c in checks):g} "
            f"({'/'.join(dict.fromkeys(c.status for c in checks))})"
            for name, checks in result.by_question().items()
        )
        yield f"{result.student:<24} {result.earned:g}/{result.possible:g}  {result.status}  {marks} {result.warnings}"


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m segedu grade`: grades a folder or zip of submissions."""
    parser = argparse.ArgumentParser(prog="python -m segedu grade", description=main.__doc__)
    parser.add_argument("submissions", type=Path, help="a folder or zip of notebooks")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the report")
    parser.add_argument("--workers", type=int, default=2, help="how many are graded at the same time")
    options = parser.parse_args(argv)
    try:
        found = grade(options.submissions, options.out, options.workers)
    except IntakeError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(_table(found)))
    return 0

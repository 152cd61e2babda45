"""`python -m segedu grade-check`: grade a synthetic class whose marks are known; compare them, measure the grader."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks import machine, record
from segedu.grading import results
from segedu.grading.grade import grade
from segedu.grading.release import SOLUTIONS, read_solution
from segedu.grading.sandbox import find_sandbox
from segedu.grading.synthetic import SHARES, Synthetic, SyntheticClass
from segedu.grading.wrong_answers import wrong_answers

EXERCISE = "02_pooling"
SAMPLE_SECONDS = 0.5
LIMIT = 2.0  # times the sum of kernel starts and cells, divided by the workers


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m segedu grade-check", description=__doc__.partition(": ")[2])
    result.add_argument("--students", type=int, default=20, help="how many submissions (20)")
    result.add_argument("--exercise", default=EXERCISE, metavar="NN_NAME", help=f"of which exercise ({EXERCISE})")
    result.add_argument("--workers", type=int, default=2, help="how many are graded at the same time (2)")
    result.add_argument("--seed", type=int, default=0, help="of what the class hands in (0)")
    result.add_argument("--kinds", nargs="+", choices=SHARES, default=list(SHARES), help="of submissions (all)")
    result.add_argument("--interrupt", type=float, metavar="SECONDS", help="stop once after so long, then go on")
    result.add_argument("--keep", type=Path, metavar="FOLDER", help="where the class and its report stay")
    result.add_argument("--json", type=Path, help="write a record there")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 where a mark is not the known one."""
    options = parser().parse_args(arguments)
    source = SOLUTIONS / f"{options.exercise}.py"
    if not source.is_file():
        known = ", ".join(path.stem for path in sorted(SOLUTIONS.glob("[0-9]*.py")))
        print(f"there is no exercise {options.exercise!r}; there are {known}", file=sys.stderr)
        return 1
    if "hostile" in options.kinds and not find_sandbox().is_safe:
        options.kinds = [kind for kind in options.kinds if kind != "hostile"] or ["perfect"]
        print(f"No hostile answers, which could harm this machine: {find_sandbox().reason}.", file=sys.stderr)
    with _folder(options.keep) as folder:
        students = _hand_in(options, source, folder / "class")
        measured = _grade(options, folder)
        wrong = _wrong_marks(students, measured.pop("results"))
    found = {"format": record.FORMAT, **measured, "wrong_marks": wrong}
    print("\n".join(lines(found)))
    if options.json:
        record.write(found, options.json)
    return 1 if wrong else 0


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="segedu-class-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    else:
        for part in ("class", "report"):
            shutil.rmtree(keep / part, ignore_errors=True)
        yield keep


def _hand_in(options: argparse.Namespace, source: Path, folder: Path) -> list[Synthetic]:
    solution = read_solution(source)
    catalogue = wrong_answers(SOLUTIONS / "wrong" / f"{source.stem}.toml", solution)
    shares = {kind: SHARES[kind] for kind in options.kinds}
    students = list(SyntheticClass(solution, catalogue, options.seed).make(options.students, shares))
    for student in students:
        student.write(folder, source.stem)
    kinds = Counter(student.kind for student in students)
    print(f"{len(students)} submissions: {', '.join(f'{number} {kind}' for kind, number in kinds.items())}", flush=True)
    return students


def _grade(options: argparse.Namespace, folder: Path) -> dict:
    """Grade the class, once interrupted if asked for; time and memory, and where the time went."""
    interrupted_at, seconds = None, 0.0
    _same_seeds(folder / "report", options.seed)
    if options.interrupt:
        seconds, interrupted_at = _interrupted(options, folder)
    peak = _Peak()
    started = time.monotonic()
    with peak:
        found = grade(folder / "class", folder / "report", options.workers, progress=_progress)
    seconds += time.monotonic() - started
    kernels, cells = sum(r.kernel_seconds for r in found), sum(r.cell_seconds for r in found)
    least = (kernels + cells) / options.workers
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python -m segedu grade-check", *_given(options)]),
        "machine": machine.describe(),
        "versions": machine.versions(),
        "load_after": machine.load(),
        "sandbox": find_sandbox().kind,
        "exercise": options.exercise,
        "students": options.students,
        "workers": options.workers,
        "seconds": seconds,
        "kernel_starts": sum(r.kernel_starts for r in found),
        "kernel_start_s": kernels,
        "cells_s": cells,
        "own_s": seconds * options.workers - kernels - cells,
        "least_s": least,
        "peak_bytes": peak.bytes,
        "graded_before_the_interruption": interrupted_at,
        "results": found,
    }


def _same_seeds(report: Path, seed: int) -> None:
    """The same class meets the same hidden inputs whenever it is graded."""
    report.mkdir(parents=True, exist_ok=True)
    (report / "secret.txt").write_text(f"grade-check {seed}", encoding="ascii")


def _given(options: argparse.Namespace) -> list[str]:
    plain = vars(parser().parse_args([]))
    changed = {name: value for name, value in vars(options).items() if value != plain[name]}
    for name in ("keep", "json"):
        changed.pop(name, None)
    return [f"--{name} {' '.join(value) if isinstance(value, list) else value}" for name, value in changed.items()]


def _interrupted(options: argparse.Namespace, folder: Path) -> tuple[float, int]:
    """Press Ctrl-C after a while: the seconds until everything had ended, and how many results were kept."""
    started = time.monotonic()

    def stop(done: int, of: int) -> None:
        _progress(done, of)
        if time.monotonic() - started > options.interrupt:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        grade(folder / "class", folder / "report", options.workers, progress=stop)
    kept = len([r for path in (folder / "report" / "results").glob("[0-9a-f]*.json") if (r := results.read(path))])
    print(f"\ninterrupted: {kept} results are kept", flush=True)
    return time.monotonic() - started, kept


def _progress(done: int, of: int) -> None:
    end = "\n" if done == of else ""
    print(f"\r{done} of {of} graded", end=end, flush=True)


def _wrong_marks(students: Sequence[Synthetic], found: Sequence[results.SubmissionResult]) -> list[str]:
    by_number = {result.identifier: result for result in found}
    lost = [f"{s.student} has no result" for s in students if s.identifier not in by_number]
    return lost + [d for s in students if s.identifier in by_number and (d := s.difference(by_number[s.identifier]))]


class _Peak:
    """The most memory that this process and all it started held at a time, looked at twice a second.

    Memory that processes share counts once where the system tells (Linux: the proportional set size), else in each.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            own = psutil.Process(os.getpid())
            self.bytes = max(self.bytes, sum(map(_memory, [own, *own.children(recursive=True)])))


def _memory(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return getattr(process.memory_full_info(), "pss", 0) or process.memory_info().rss
    return 0


def lines(found: dict) -> Iterator[str]:
    """What the command says."""
    busy = found["workers"] * found["seconds"]
    yield (
        f"{found['students']} submissions in {found['seconds']:.0f} s with {found['workers']} workers "
        f"(sandbox: {found['sandbox']}), at most {found['peak_bytes'] / 2**30:.1f} GiB"
    )
    for key, what in (
        ("kernel_start_s", f"{found['kernel_starts']} kernels' starts"),
        ("cells_s", "cells: answers, checks and the sandbox between them"),
        ("own_s", "all else: pytest, nbval, ends of kernels, writing, waiting for the last one"),
    ):
        yield f"  {found[key]:7.1f} s, {found[key] / busy:4.0%} of the workers' time: {what}"
    yield (
        f"  {found['seconds'] / found['least_s']:.2f} times starts and cells divided by {found['workers']} "
        f"(limit: {LIMIT:g})"
    )
    yield from found["wrong_marks"]
    right = found["students"] - len(found["wrong_marks"])
    yield f"{right} of {found['students']} have exactly the known marks"

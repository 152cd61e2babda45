"""Grades many notebooks with several pytests at a time, which share one list and never wait for one another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from segedu.notebooks import ROOT

POLL_SECONDS = 0.1
ATTEMPTS = 2  # that a submission gets before its failure is called the grader's
LONGEST = 3600.0  # seconds after which a worker that is still at one submission is taken for lost
SECONDS_TO_STOP = 20


def grade_all(job: dict, scratch: Path, workers: int, done: Callable[[dict], None] = lambda task: None) -> list[dict]:
    """Grade the submissions of a job; returns those without a result after two attempts.

    Args:
        job: see `plugin.Job`; its submissions are graded in this order.
        scratch: an empty folder.
        workers: how many pytests run at the same time.
        done: called with each submission that has a result.
    """
    waiting = job["submissions"]
    for attempt in range(1, ATTEMPTS + 1):
        folder = scratch / f"attempt-{attempt}"
        folder.mkdir()
        waiting = _attempt(job | {"submissions": waiting}, folder, min(workers, len(waiting)), done)
        if not waiting:
            break
    return waiting


def _attempt(job: dict, folder: Path, workers: int, done: Callable[[dict], None]) -> list[dict]:
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    (folder / "own.ini").write_text("[pytest]\n", encoding="ascii")
    for task in job["submissions"]:
        Path(f"{task['notebook']}.claim").unlink(missing_ok=True)
    waiting = {task["notebook"]: task for task in job["submissions"]}
    running = [_start(path, list(waiting), folder, number) for number in range(workers)]
    try:
        while True:
            ended = all(process.poll() is not None for process in running)
            for notebook in [name for name, task in waiting.items() if Path(task["result"]).exists()]:
                done(waiting.pop(notebook))
            if ended:
                return list(waiting.values())
            _end_the_lost(waiting, running)
            time.sleep(POLL_SECONDS)
    finally:
        _stop(running)


def _end_the_lost(waiting: dict[str, dict], running: Sequence[subprocess.Popen]) -> None:
    """Kill a worker that has been at one submission for too long."""
    for notebook in waiting:
        claim = Path(f"{notebook}.claim")
        if claim.exists() and time.time() - claim.stat().st_mtime > LONGEST:
            for process in running:
                if process.poll() is None and str(process.pid) == claim.read_text():
                    process.kill()


def _stop(running: Sequence[subprocess.Popen]) -> None:
    for process in running:
        if process.poll() is None:
            process.terminate()
    for process in running:
        try:
            process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(job: Path, notebooks: Sequence[str], folder: Path, number: int) -> subprocess.Popen:
    """A pytest with nbval and our plugin, which reads no configuration but its own and none of the user's Ctrl-C."""
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "nbval.plugin", "-p", "segedu.grading.plugin"]
    command += ["--segedu-job", str(job), "--noconftest", "-c", str(folder / "own.ini"), "--rootdir", str(folder)]
    command += ["-p", "no:cacheprovider", "--tb=short", *notebooks]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment.pop("PYTEST_ADDOPTS", None)
    with open(folder / f"worker-{number}.log", "wb") as log:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )

"""Grading goes on where it stopped, whatever stopped it, and a fault that is not the student's is never a 0."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from segedu.grading import report, results
from segedu.grading.grade import Grading, grade, secret_of
from segedu.grading.intake import Submission
from segedu.grading.release import masters
from segedu.grading.sandbox import Sandbox
from segedu.notebooks import ROOT
from tests.grading.submissions import TINY, perfect, put, solution, with_answer

FULL = 6
COMMAND = """
import sys
from functools import partial
from pathlib import Path
from segedu.grading import grade, release
tiny = Path(sys.argv[1])
grade.grade, grade.masters = partial(grade.grade, solutions=tiny), lambda *where: release.masters(tiny)
sys.exit(grade.main(sys.argv[2:]))"""


@pytest.fixture
def folder():
    """A folder with a short name: sockets have no long ones."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp" if os.name == "posix" else None) as name:
        yield Path(name)


def command(folder, *more):
    """The command line `grade`, of the tiny exercises."""
    where = [TINY, folder / "class", "--out", folder / "report", "--workers", 1, *more]
    return [sys.executable, "-c", COMMAND, *map(str, where)]


def environment(folder):
    return {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}


def kept(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "report" / "results").glob("[0-9a-f]*.json")}


def test_a_result_hangs_on_the_answers_the_solution_the_secret_and_the_sandbox(tmp_path):
    master = solution()
    first = Grading(tmp_path, Sandbox("bubblewrap"), "secret", {})
    ada = Submission("Ada", "1", "hw.ipynb", digest="d")
    mended = solution()
    mended.cells[5].source += "\n"
    others = {
        first.key(dataclasses.replace(ada, digest="e"), master),
        first.key(ada, mended),
        dataclasses.replace(first, secret="other").key(ada, master),
        dataclasses.replace(first, sandbox=Sandbox("none")).key(ada, master),
    }
    assert first.key(ada, master) == first.key(dataclasses.replace(ada, newness=(9,)), solution())
    assert len(others | {first.key(ada, master)}) == 5


def test_the_seeds_of_a_report_stay_and_nobody_else_reads_their_secret(tmp_path):
    secret = secret_of(tmp_path / "report")
    assert len(secret) == 32
    assert secret_of(tmp_path / "report") == secret != secret_of(tmp_path / "another")
    assert os.name == "nt" or (tmp_path / "report" / "secret.txt").stat().st_mode & 0o077 == 0


def test_two_students_of_one_name_have_results_of_their_own(tmp_path):
    grading = Grading(tmp_path, Sandbox("none"), "secret", {})
    same = [
        Submission("Ada", number, "hw.ipynb", assignment=name) for number, name in (("1", "a"), ("2", "a"), ("1", "b"))
    ]
    assert len({grading.result_path(submission) for submission in same}) == 3


@pytest.mark.slow
def test_a_fault_of_the_grader_is_no_0_and_is_gone_when_it_is_mended(folder):
    solutions = folder / "solutions"
    solutions.mkdir()
    source = (TINY / "01_tiny.py").read_text()
    (solutions / "01_tiny.py").write_text(
        source.replace("import numpy as np", "import numpy as np\nnp.no_such_name", 1)
    )
    put(folder / "class", "ada", perfect())
    (result,) = grade(folder / "class", folder / "report", workers=1, solutions=solutions)
    assert result.status == results.FAULT
    assert "no_such_name" in (folder / "report" / "faults.log").read_text()
    overview = report.write([result], folder / "report", masters(solutions))
    assert overview.marks[0].shown == ""
    assert "fault of the grader" in (folder / "report" / "index.html").read_text()
    assert any(line.startswith("ada: not graded: fault of the grader; ") for line in report.lines(overview))
    shutil.copy(TINY / "01_tiny.py", solutions)
    (result,) = grade(folder / "class", folder / "report", workers=1, solutions=solutions)
    assert (result.status, result.earned) == (results.GRADED, FULL)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent in another way on Windows")
def test_ctrl_c_loses_no_result_and_leaves_no_process(folder):
    for student, seconds in {"a": 0, "b": 8, "c": 8}.items():
        slow = with_answer(perfect(), "half", f"import time\ntime.sleep({seconds})\nhalf = 0.5")
        put(folder / "class", student, slow)
    running = subprocess.Popen(command(folder), env=environment(folder), stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not kept(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    first = kept(folder)
    assert 0 < len(first) < 3
    assert f"Stopped. {len(first)} results are kept" in said
    assert running.returncode == 130
    left = [
        p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or ())
    ]
    assert left == []
    done = subprocess.run(command(folder), env=environment(folder), capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "3 of 3 submissions graded" in done.stdout
    assert len(kept(folder)) == 3
    assert first.items() <= kept(folder).items()


@pytest.mark.slow
def test_a_full_disk_is_said_to_be_full_and_grading_goes_on_when_there_is_room(folder):
    """The report's folder is a disk of two pages, then of many."""
    (folder / "report").mkdir()
    for student in "abc":
        put(folder / "class", student, perfect())
    script = f"""mount -t tmpfs -o size=8k none {folder}/report || exit 99
        "$@"; echo "ended with $?"; mount -o remount,size=16m {folder}/report; "$@" """
    user = [] if os.name == "posix" and os.geteuid() == 0 else ["--user", "--map-root-user"]
    run = ["unshare", *user, "--mount", "sh", "-c", script, "sh", *command(folder)]
    try:
        done = subprocess.run(run, env=environment(folder), capture_output=True, text=True, timeout=300)
    except FileNotFoundError:
        pytest.skip("needs unshare")
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr}")
    assert "No space left on device" in done.stderr
    assert "run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    assert "ended with 1" in done.stdout
    assert "3 of 3 submissions graded" in done.stdout


@pytest.mark.slow
def test_no_file_that_lies_beside_a_submission_is_run(folder):
    put(folder / "class", "ada", perfect())
    put(folder / "class", "conftest", perfect(), "conftest.ipynb")
    trap = f"open({str(folder / 'loaded')!r}, 'a').write(__file__)"
    for place in (folder / "class", folder / "class" / "ada", folder / "class" / "conftest"):
        for name in ("conftest", "sitecustomize", "usercustomize", "numpy", "segedu", "nbval", "pytest"):
            (place / f"{name}.py").write_text(trap)
        for name in ("pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml"):
            (place / name).write_text("[pytest]\naddopts = --collect-only\n[tool.pytest.ini_options]\nbroken")
    found = grade(folder / "class", folder / "report", solutions=TINY)
    assert {result.student: result.earned for result in found} == {"ada": FULL, "conftest": FULL}
    assert not (folder / "loaded").exists()

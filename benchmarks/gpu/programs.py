"""Kernels that are right, and kernels that are wrong: what the GPU, and NVIDIA's own checker, make of them.

A wrong kernel poisons the context of its process, so each has a process of its own:
`python -m benchmarks.gpu.programs NAME MODE`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from benchmarks.gpu.setting import Setting

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 4  # processes
TIME_LIMIT = 30.0  # of a wrong program, some of which never end
UNNOTICED = "noticed by nobody"
TOLD = "gpu-check says: "
UNPOOLED = "SEGEDU_UNPOOLED"  # every array lies alone, so that a checker sees where it ends


# ---------------------------------------------------------------- pytest
def right_programs(s: Setting) -> dict:
    """The right programs of tests/cuda, run by pytest; in a dry run some of them."""
    which = ["-k", "fast and forward and reduction"] if s.dry else ["-m", "gpu"]
    return _pytest(
        s, ["tests/cuda/test_right_programs.py", "tests/cuda/test_module.py", "tests/cuda/test_gpu.py", *which]
    )


def operator_tests(s: Setting) -> dict:
    """The grids of tests/operators: every legal argument, refusals, ties, NaN; in a dry run some of them.

    Each file has a process of its own, several at once; what an illegal access ruins ends with its file.
    """
    files = sorted(path.name for path in (ROOT / "tests" / "operators").glob("test_*.py") if s.wants(path.name))
    which = ["-k", "first_maximum and not checked"] if s.dry else ["-m", "gpu"]

    def run(name: str) -> dict | None:
        found = _pytest(s, [f"tests/operators/{name}", *which]) if s.left > 0 else None
        if found:
            s.say(f"  {name}: " + (found.get("why") or f"{found['passed']} passed, {len(found['failed'])} failed"))
        return found

    names = ["test_pooling.py"] if s.dry else files
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(names, pool.map(run, names), strict=True))
    ran = {name: part for name, part in found.items() if part}
    left_out = [name for name, part in found.items() if not part or not part["complete"]]
    return {
        "passed": sum(part.get("passed", 0) for part in ran.values()),
        "failed": [failure for part in ran.values() for failure in part.get("failed", ())],
        "files": ran,
        "left_out": left_out,
        "ok": bool(ran) and all(part["ok"] for part in ran.values()),
        "complete": not left_out,
    }


def _pytest(s: Setting, arguments: Sequence[str]) -> dict:
    missing = [name for name in ("pytest", "hypothesis") if importlib.util.find_spec(name) is None]
    if missing:
        return {"ok": False, "complete": False, "why": f"this Python lacks {', '.join(missing)}"}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        # Plugins that happen to be installed stay out, and with them options that they would change.
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--junitxml",
            str(report),
            *arguments,
        ]
        environment = _environment() | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
                timeout=max(30.0, min(s.left, 1e6)),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"ok": False, "complete": False, "why": "the time was up; raise --time, or run this stage alone"}
        return _counts(report, done.stdout + done.stderr)


def _counts(report: Path, output: str) -> dict:
    if not report.is_file():
        return {"ok": False, "complete": False, "why": output[-2000:]}
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    failed = [(case, note) for case in cases for note in case if note.tag in ("failure", "error")]
    skipped = sum(any(note.tag == "skipped" for note in case) for case in cases)
    names = [f"{case.get('classname')}::{case.get('name')}" for case, _ in failed]
    return {
        "passed": len(cases) - len(set(names)) - skipped,
        "failed": [
            {"test": name, "what": (note.get("message") or "")[:300]}
            for name, (_, note) in zip(names, failed, strict=True)
        ],
        "skipped": skipped,
        "ok": not failed and len(cases) > skipped,
        "complete": True,
    }


# ---------------------------------------------------------------- wrong programs
SURELY = {"assertion": "assert", "misaligned": "misaligned", "too much shared memory": ""}
FEW = ("null pointer", "an assertion", "a barrier missing in a reduction", "division by zero")


def wrong_programs(s: Setting) -> dict:
    """What becomes of each wrong program: an error of the GPU, nothing that one would notice, or no end.

    Failed assertions, misaligned addresses and too much shared memory are surely refused; of the others one learns what
    a GPU lets pass.
    """
    names = [w.name for w in _wrong() if s.wants(w.name) and (not s.dry or w.name in FEW)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(lambda name: _outcome(s, name), names))
    for row in rows:
        s.say(f"  {row['program']}: {row['outcome']}")
    unexpected = [row["program"] for row in rows if not s.dry and _is_unexpected(row)]
    left_out = [row["program"] for row in rows if row["outcome"] == "left out"]
    return {"programs": rows, "unexpected": unexpected, "ok": not unexpected, "complete": not left_out}


def _is_unexpected(row: dict) -> bool:
    says = SURELY.get(row["problem"])
    return says is not None and (says not in row["outcome"].lower() or row["outcome"] == UNNOTICED)


def _outcome(s: Setting, name: str) -> dict:
    wrong = next(w for w in _wrong() if w.name == name)
    row = {"program": name, "problem": wrong.problem}
    if s.left < 0:
        return row | {"outcome": "left out"}
    code, output = _child([sys.executable, "-m", "benchmarks.gpu.programs", name, s.mode], limit=TIME_LIMIT)
    told = [line.removeprefix(TOLD) for line in output.splitlines() if line.startswith(TOLD)]
    if told:
        outcome = json.loads(told[-1])
    elif code is None:
        outcome = f"did not end within {TIME_LIMIT:.0f} s"
    else:
        outcome = f"ended the process (exit code {code}): {output[-200:].strip()}"
    return row | {"outcome": outcome}


def _child(command: Sequence[str], more: dict | None = None, *, limit: float) -> tuple[int | None, str]:
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=_environment() | (more or {}), capture_output=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired as error:
        return None, (error.stdout or b"").decode(errors="replace")
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"}


def _wrong() -> list:
    from tests.cuda.wrong import ALL

    return ALL


def run_wrong(name: str, mode: str) -> str:
    """Run a wrong program in this process, and say what one would notice."""
    from segedu.cuda import RawModule

    wrong = next(w for w in _wrong() if w.name == name)
    if mode == "gpu" and os.environ.get(UNPOOLED):
        import cupy

        cupy.cuda.set_allocator(None)
    try:
        kernel = RawModule(wrong.source, mode=mode).get_function("k")
        kernel(wrong.grid, wrong.block, wrong.arguments(), shared_mem=wrong.shared_mem, time_limit=5.0)
        if mode == "gpu":
            import cupy

            cupy.cuda.runtime.deviceSynchronize()
    except Exception as error:  # that something is raised is the finding
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return UNNOTICED


# ---------------------------------------------------------------- NVIDIA's checker
TOOLS = {
    "out of bounds": "memcheck",
    "misaligned": "memcheck",
    "uninitialised": "initcheck",
    "race": "racecheck",
    "returned before barrier": "synccheck",
    "different barriers": "synccheck",
}
ERRORS_FOUND = 86


def sanitizer(s: Setting) -> dict:
    """compute-sanitizer over all operators, which must be clean, and over the wrong programs that it knows of."""
    program = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    if s.dry or program is None:
        why = "a dry run has no GPU" if s.dry else "compute-sanitizer is not installed"
        return {"ok": True, "complete": not s.dry, "left_out": why}
    clean = _sanitized(program, "memcheck", ["operators"], limit=max(30.0, min(s.left, 300.0)))
    s.say(f"  all operators under memcheck: {'no error' if clean['found'] is False else clean}")
    wrong = [w for w in _wrong() if w.problem in TOOLS and s.wants(w.name)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(lambda w: _sanitized_wrong(s, program, w), wrong))
    for row in rows:
        s.say(f"  {row['program']} under {row['tool']}: {row['found']}")
    complete = all(row["found"] != "left out" for row in rows)
    return {"operators": clean, "programs": rows, "ok": clean["found"] is False, "complete": complete}


def _sanitized_wrong(s: Setting, program: str, wrong) -> dict:
    row = {"program": wrong.name, "problem": wrong.problem, "tool": TOOLS[wrong.problem]}
    if s.left < 0:
        return row | {"found": "left out"}
    return row | _sanitized(program, TOOLS[wrong.problem], [wrong.name, "gpu"], limit=120.0)


def _sanitized(program: str, tool: str, arguments: Sequence[str], limit: float) -> dict:
    command = [program, "--tool", tool, "--error-exitcode", str(ERRORS_FOUND), sys.executable, "-m"]
    code, output = _child([*command, "benchmarks.gpu.programs", *arguments], {UNPOOLED: "1"}, limit=limit)
    if code is None:
        return {"found": "no end"}
    lines = [line for line in output.splitlines() if line.startswith("=========")]
    found = True if code == ERRORS_FOUND else False if code == 0 else f"exit code {code}"
    return {
        "found": found,
        "says": [line.removeprefix("=========").strip() for line in lines[1:4]],
        "end": output[-300:],
    }


def run_operators() -> str:
    """Every operator once, at its smallest shape, without CuPy's pool of memory."""
    import cupy

    from benchmarks.gpu.operators import compare_all
    from benchmarks.gpu.setting import Setting

    cupy.cuda.set_allocator(None)
    return json.dumps(compare_all(Setting(dry=False, seconds=1e9, small=True))["wrong"])


if __name__ == "__main__":
    print(TOLD + (run_operators() if sys.argv[1] == "operators" else json.dumps(run_wrong(*sys.argv[1:3]))), flush=True)

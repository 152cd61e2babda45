"""Peak memory of a call, the same way for both sides: how far the resident set rises above what it was before.

Each operator runs in a fresh process, because a process keeps what earlier cases left behind. There every call runs
once to warm up, malloc gives free memory back, the system's high-water mark is reset, and the call runs again. The
result counts; the inputs, and what the forward saved for the gradient, do not. Linux keeps the mark; elsewhere there is
no number.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import machine, timing
from benchmarks.case import Operator, Shape

ROOT = Path(__file__).resolve().parent.parent
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def available() -> bool:
    """Whether this system tells how much memory a process had at most."""
    return machine.is_glibc() and os.access(CLEAR, os.W_OK)


def in_fresh_process(operator: Operator, shape: Shape, threads: int, seed: int) -> dict[str, dict[str, int]]:
    """Bytes at the peak for each direction: {"forward": {"ours": …, "pytorch": …}, …}.

    Raises:
        RuntimeError: the process failed.
    """
    request = json.dumps({"operator": operator.name, "shape": shape, "threads": threads, "seed": seed})
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {k: v for k, v in os.environ.items() if k not in machine.KEEP_MEMORY}
    # malloc gives every block of 64 KiB and more back at once, so that the mark shows what is in use
    environment |= {"PYTHONPATH": path, "MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", request], env=environment, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return json.loads(done.stdout)


def peak_growth(call: Callable[[], object]) -> int:
    """How many bytes the resident set rises while `call` runs, its result included."""
    call()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    CLEAR.write_text("5")  # resets the high-water mark
    before = _kibibytes("VmHWM")
    result = call()
    peak = _kibibytes("VmHWM")
    del result
    return (peak - before) * 1024


def _kibibytes(field: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1])


def add_to(result: dict, operators: list[Operator], report: Callable[[dict], None]) -> None:
    """Measure every case of `result`, a record, and put "memory" into it."""
    by_name = {operator.name: operator for operator in operators}
    found: dict[tuple, dict] = {}
    try:
        for case in result["cases"]:
            what = case["operator"], tuple(case["shape"])
            if what not in found:
                found[what], trouble = _attempt(by_name[what[0]], what[1], result)
                report({"memory_of": what[0], "shape": what[1], "trouble": trouble})
            case["memory"] = found[what].get(case["direction"])
    except KeyboardInterrupt:
        result["complete"] = False
        report({"interrupted": True})


def _attempt(operator: Operator, shape: Shape, result: dict) -> tuple[dict, str]:
    try:
        return in_fresh_process(operator, shape, result["threads"], result["seeds"][0]), ""
    except RuntimeError as error:
        return {}, str(error)


def main(request: str) -> None:
    """Measure one operator at one shape and print JSON."""
    from benchmarks import cases

    wanted = json.loads(request)
    operator = next(one for one in cases.OPERATORS if one.name == wanted["operator"])
    with timing.threads(wanted["threads"]):
        peaks = {
            case.direction: {"ours": peak_growth(case.ours), "pytorch": peak_growth(case.pytorch)}
            for case in operator.cases(tuple(wanted["shape"]), wanted["seed"])
        }
    print(json.dumps(peaks))


if __name__ == "__main__":
    main(sys.argv[1])

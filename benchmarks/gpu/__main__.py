"""`python -m segedu gpu-check`: run everything on a GPU that can only be known there, and write a record."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORDS = ROOT / "benchmarks" / "records"
FORMAT = 1
NO_GPU = 3  # exit code
GRACE = 60.0  # seconds after the time is up in which a stage may end by itself
SOURCES = ("segedu/cuda", "segedu/cuda_ops", "benchmarks/gpu")
STOPPED = 130


# ---------------------------------------------------------------- the stages
def stage(module: str, function: str) -> Callable:
    """A stage by name: its module is imported where the stage runs, so that a missing package stops one alone."""

    def run(setting) -> dict:
        return getattr(importlib.import_module(f"benchmarks.gpu.{module}"), function)(setting)

    return run


# A stage takes a Setting and returns a dictionary with "ok" (nothing wrong was found) and "complete" (it was not cut
# short). It asks `setting.left` before it begins something long. It runs in a process of its own, since one wrong
# kernel makes a process useless for all that follow; where it notices that, it returns "poisoned", and goes on in a new
# process with what it had "left_out". A new stage is a line here and a module beside this one.
STAGES: dict[str, tuple[str, Callable]] = {
    "operators": ("every operator against PyTorch on the same machine", stage("operators", "compare_all")),
    "right": ("the right programs of tests/cuda", stage("programs", "right_programs")),
    "bench": ("how fast, beside PyTorch", stage("operators", "time_all")),
    "wrong": ("the wrong programs, each in a process of its own", stage("programs", "wrong_programs")),
    "sanitizer": ("NVIDIA's compute-sanitizer", stage("programs", "sanitizer")),
    "compiling": ("how long compiling and checking takes", stage("compiling", "measure")),
    "training": ("U-Net and FCN-8s, the same steps by our kernels and by PyTorch", stage("training", "train_all")),
    "tests": ("the grids of tests/operators", stage("programs", "operator_tests")),
}


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = argparse.ArgumentParser(prog="python -m segedu gpu-check", description=__doc__.partition(": ")[2])
    names = ", ".join(STAGES)
    result.add_argument("--only", action="append", choices=STAGES, metavar="STAGE", help=f"one of: {names}; repeatable")
    result.add_argument("--time", type=float, default=1e9, metavar="SECONDS", help="begin nothing new after so long")
    result.add_argument("--resume", action="store_true", help="leave out what the record holds of this source")
    result.add_argument("--json", type=Path, metavar="PATH", help="the record; else benchmarks/records/gpu-check-…")
    result.add_argument(
        "--dry-run", action="store_true", help="every stage on the CPU, small; records with --json only"
    )
    result.add_argument(
        "--items", metavar="REGEX", help="of each stage only the operators, programs or files that match"
    )
    result.add_argument("--repeat", type=int, default=7, metavar="N", help="samples of each call that is timed")
    result.add_argument("--runs", type=Path, metavar="FOLDER", help="for checkpoints of training; else runs/gpu-check")
    result.add_argument("--worker", choices=STAGES, help=argparse.SUPPRESS)
    result.add_argument("--begun", type=float, default=0.0, help=argparse.SUPPRESS)
    result.add_argument("--skip", default="[]", help=argparse.SUPPRESS)
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    0: all is well. 1: something is wrong. 3: there is no GPU, or a package is missing. 130: stopped by Ctrl-C.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(argv)
    problem = obstacle(options.dry_run)
    if problem:
        print(problem, file=sys.stderr)
        return NO_GPU
    if options.worker:
        return work(options)
    if options.runs is None and not options.dry_run:
        options.runs = ROOT / "runs" / "gpu-check"
    if options.runs:
        options.runs = options.runs.resolve() / fingerprint()
        if not options.resume:
            shutil.rmtree(options.runs, ignore_errors=True)
    record = new_record(argv, options.dry_run)
    path = options.json or (None if options.dry_run else RECORDS / f"gpu-check-{slug(record['device']['name'])}.json")
    record["stages"] = earlier(path, record)
    return run(record, path, options)


def obstacle(dry: bool) -> str | None:
    """Why there is nothing to check, and what helps; None where there is."""
    if importlib.util.find_spec("torch") is None:
        return "gpu-check compares with PyTorch, which this Python lacks: python -m pip install torch"
    if dry:
        return None
    import torch

    if not torch.cuda.is_available():
        return (
            "No NVIDIA GPU was found that PyTorch can use, so there is nothing to check. Run this on a machine with one"
            " (`nvidia-smi` lists them), with a PyTorch built for CUDA; --dry-run goes through all stages on the CPU."
        )
    if importlib.util.find_spec("cupy") is None:
        major = (torch.version.cuda or "12").partition(".")[0]
        return f"The GPU is there, and CuPy, which runs our kernels, is not: python -m pip install cupy-cuda{major}x"
    from segedu import cuda

    if not cuda.gpu_available():
        return "PyTorch finds the GPU, and CuPy does not: `python -c 'import cupy; cupy.show_config()'` says why."
    return None


def run(record: dict, path: Path | None, options: argparse.Namespace) -> int:
    """All chosen stages, whatever becomes of one of them; the record is written after each."""
    begun = time.monotonic()
    chosen = [name for name in STAGES if not options.only or name in options.only]
    if options.resume:
        chosen = [name for name in chosen if not is_done(record, name)]
    for number, name in enumerate(chosen, 1):
        head = f"{number}/{len(chosen)} {name}"
        if time.monotonic() - begun > options.time:
            say(begun, f"{head}: no time left; --resume goes on here.")
            continue
        say(begun, f"{head}: {STAGES[name][0]} ...")
        try:
            done = in_processes(name, options, begun)
        except KeyboardInterrupt:
            say(begun, "Stopped. What was finished is in the record; --resume goes on.")
            return STOPPED
        record["stages"][name] = done | {"source": record["source"]}
        verdict = ("ok" if done["ok"] else "FAILED") + ("" if done["complete"] else ", not complete")
        say(begun, f"{head}: {verdict} in {done['seconds']:.0f} s" + (f": {done['why']}" if "why" in done else ""))
        if path:
            write(record, path)
    if path:
        say(begun, f"Record: {path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path}")
    return 0 if all(record["stages"].get(name, {"ok": True})["ok"] for name in chosen) else 1


def say(begun: float, text: str) -> None:
    """One line of progress."""
    print(f"[gpu-check {time.monotonic() - begun:5.0f} s] {text}", flush=True)


def in_processes(name: str, options: argparse.Namespace, begun: float) -> dict:
    """A stage in a process of its own; in another one, with what was left out, where a kernel has made that useless."""
    started, date, whole = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds"), {}
    skipped: list[str] = []
    while True:
        part = in_process(name, options, begun, skipped)
        whole = {key: whole[key] + value if isinstance(value, list) and key in whole else value
                 for key, value in part.items()} | {"ok": part["ok"] and whole.get("ok", True)}  # fmt: skip
        whole["left_out"] = part.get("left_out", [])
        if not part.get("poisoned"):
            return {"date": date, "seconds": round(time.monotonic() - started, 1), **whole}
        skipped += part["done"]
        say(begun, f"  {part['poisoned']} has made this process useless: going on in a new one")


def in_process(name: str, options: argparse.Namespace, begun: float, skipped: list[str]) -> dict:
    """What a stage's process has to say; where it says nothing, how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.gpu", "--worker", name, "--json", str(path), "--time"]
        command += [str(options.time), "--begun", str(begun), "--repeat", str(options.repeat)]
        command += ["--skip", json.dumps(skipped), *(["--items", options.items] if options.items else [])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        command += ["--runs", str(options.runs)] if options.runs else []
        process = subprocess.Popen(command + ["--dry-run"] * options.dry_run, cwd=ROOT, env=environment)
        left = min(options.time - (time.monotonic() - begun), 1e6)
        try:
            code = process.wait(timeout=max(0.0, left) + GRACE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as stop:
            process.kill()
            process.wait()
            if isinstance(stop, KeyboardInterrupt):
                raise
            code = f"none: it was ended {GRACE:.0f} s after the time was up"
        if path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
        return {"ok": False, "complete": False, "why": f"its process ended without a result (exit code {code})"}


def work(options: argparse.Namespace) -> int:
    """What a stage's process does."""
    from benchmarks.gpu.setting import Setting

    repeat = 1 if options.dry_run else options.repeat
    setting = Setting(options.dry_run, options.time, repeat=repeat, started=options.begun)
    setting.runs = options.runs
    setting.skip, setting.items = set(json.loads(options.skip)), options.items
    write(outcome(setting, STAGES[options.worker][1]), options.json)
    return 0


def outcome(setting, function: Callable) -> dict:
    """A stage's result; where it raises, what and where."""
    try:
        result = function(setting)
        setting.wait()
    except Exception as error:  # one stage's failure is recorded, and the rest still run
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        return {"ok": False, "complete": False, "why": f"{type(error).__name__}: {error} ({place})"[:1000]}
    return result


# ---------------------------------------------------------------- the record
def new_record(argv: Sequence[str], dry: bool) -> dict:
    """What was checked, on what, with which versions."""
    return {
        "format": FORMAT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "segedu", "gpu-check", *_shown(argv)]),
        "dry_run": dry,
        "device": device(dry),
        "versions": versions(dry),
        "source": fingerprint(),
    }


def _shown(argv: Sequence[str]) -> list[str]:
    """The arguments without where things go."""
    shown = list(argv)
    for option in ("--json", "--runs"):
        if option in shown:
            at = shown.index(option)
            del shown[at : at + 2]
    return shown


def device(dry: bool) -> dict:
    """The GPU's name and size."""
    if dry:
        return {"name": f"none, {platform.machine()}"}
    import torch

    facts = torch.cuda.get_device_properties(0)
    return {
        "name": facts.name,
        "compute_capability": f"{facts.major}.{facts.minor}",
        "multiprocessors": facts.multi_processor_count,
        "memory_gib": round(facts.total_memory / 2**30, 1),
    }


def versions(dry: bool) -> dict:
    """Of all that takes part."""
    import numpy as np
    import torch

    result = {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
    if not dry:
        import cupy

        result |= {
            "cupy": cupy.__version__,
            "cuda_of_torch": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "nvrtc": ".".join(map(str, cupy.cuda.nvrtc.getVersion())),
            "driver": cupy.cuda.runtime.driverGetVersion(),
        }
    return result


def fingerprint() -> str:
    """A number that changes with the kernels and with what runs them."""
    content = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".cu", ".cuh", ".h", ".cpp"):
                content.update(path.read_bytes())
    return content.hexdigest()[:16]


def slug(name: str) -> str:
    """A device's name for a file.

    >>> slug("NVIDIA H200")
    'nvidia-h200'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def earlier(path: Path | None, record: dict) -> dict:
    """The stages of the record that is there, if it is one of the same device."""
    if path is None or not path.is_file():
        return {}
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
        return there["stages"] if there["device"] == record["device"] and there["format"] == FORMAT else {}
    except (ValueError, KeyError):
        return {}


def is_done(record: dict, name: str) -> bool:
    """Whether the record holds the stage, complete, well, and of this source."""
    known = record["stages"].get(name)
    return bool(known and known["ok"] and known["complete"] and known["source"] == record["source"])


def write(record: dict, path: Path) -> None:
    """Write the record as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(record), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(main())

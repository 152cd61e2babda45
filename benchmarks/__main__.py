"""`python -m segedu bench`: time every operator beside PyTorch's, and write a record."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("torch", "rich", "psutil", "threadpoolctl")
REMOVED = "SEGEDU_BENCH_REMOVED"  # what --tuned-malloc took out of the environment, for the record


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    result = argparse.ArgumentParser(prog="python -m segedu bench", description=__doc__.partition(": ")[2])
    result.add_argument("--threads", type=_positive, metavar="N", help="threads of both sides; by default one a core")
    result.add_argument("--only", type=_pattern, metavar="REGEX", help="only operators whose name matches")
    result.add_argument("--repeat", type=int, default=7, metavar="N", help="samples of each call, at least 7")
    result.add_argument("--inputs", type=_positive, default=1, metavar="N", help="random input sets (seeds)")
    result.add_argument("--processes", type=_positive, default=1, metavar="K", help="medians over K processes")
    result.add_argument("--quick", action="store_true", help="small shapes, a few seconds: a smoke test")
    result.add_argument("--growth", action="store_true", help="also from 64×64 to 1024×1024")
    result.add_argument("--memory", action="store_true", help="also the peak memory, each operator in a fresh process")
    result.add_argument("--tuned-malloc", action="store_true", help="let malloc keep memory; unforced BLAS kernels")
    result.add_argument(
        "--processor-time",
        action="store_true",
        help="with --threads 1, for a busy machine: leave out waiting for a core",
    )
    result.add_argument("--json", type=Path, metavar="PATH", help="where the record goes")
    result.add_argument("--table", action="store_true", help="print the newest record as Markdown, measure nothing")
    result.add_argument("--update-readme", action="store_true", help="put that table into README.md, measure nothing")
    result.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    result.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return result


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return number


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 1 where a result was refused, 130 where the run was broken off."""
    argv = list(sys.argv[1:] if argv is None else argv)
    options_parser = parser()
    options = options_parser.parse_args(argv)
    if options.repeat < 7:
        options_parser.error(f"--repeat {options.repeat}: medians need at least 7 samples")
    if options.processor_time and options.threads != 1:
        options_parser.error("--processor-time needs --threads 1: with more it would count threads that wait")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise SystemExit(
            f"The benchmark needs {', '.join(missing)}: python -m pip install {' '.join(missing)} "
            "(or everything at once: python -m pip install -e '.[course,bench]')"
        )
    if options.table or options.update_readme:
        return _write_table(options)
    if options.tuned_malloc:
        _restart_tuned(argv)
    try:
        return _measure(options, argv)
    except KeyboardInterrupt:  # before the first case; later ones are kept, see run.py
        print("Broken off: nothing was measured.", file=sys.stderr)
        return 130


def _write_table(options: argparse.Namespace) -> int:
    from benchmarks import record, table

    try:
        newest = record.read(options.json) if options.json else record.newest()
        if options.update_readme:
            changed = table.update(ROOT / "README.md", newest)
            print("README.md: the table is " + ("replaced." if changed else "up to date."))
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(f"No table: {error}") from None
    if options.table:
        print(table.markdown(newest))
    return 0


def _restart_tuned(argv: list[str]) -> None:
    """Start this process again with malloc keeping memory and no BLAS kernel forced, unless that is so already."""
    from benchmarks import machine

    if not machine.is_glibc():
        raise SystemExit("--tuned-malloc steers glibc's malloc, on Linux; leave it out here")
    removed = {name: os.environ[name] for name in machine.FORCED_KERNELS if name in os.environ}
    if not removed and machine.malloc_setting() == "keeps memory":
        return
    environment = {k: v for k, v in os.environ.items() if k not in removed} | machine.KEEP_MEMORY
    if removed:
        environment[REMOVED] = json.dumps(removed)
        settings = ", ".join(f"{name}={value}" for name, value in removed.items())
        print(
            f"{settings}: taken out of the environment. "
            "Kernels not made for this CPU can halve the speed of NumPy's matrix products."
        )
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *argv], _with_root(environment))


def _with_root(environment: dict[str, str]) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    return environment | {"PYTHONPATH": path}


def _measure(options: argparse.Namespace, argv: list[str]) -> int:
    from rich.console import Console

    from benchmarks import cases, memory, record, table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    operators = cases.chosen(options.only)
    if not operators:
        names = "\n  ".join(operator.name for operator in cases.OPERATORS)
        raise SystemExit(f"--only {options.only}: no operator matches. There are:\n  {names}")
    if not options.worker:
        _warn(console)

    def report(event: dict) -> None:
        console.print(table.line(event), soft_wrap=True)

    result = _in_processes(options, argv) if options.processes > 1 else _here(options, argv, operators, report)
    if options.memory and not options.worker:
        if memory.available():
            memory.add_to(result, operators, report)
        else:
            console.print("--memory: this system does not tell the peak of a process; left out.")
    partial = options.quick or options.only or options.processor_time
    path = options.json or (None if partial else record.default_path(result))
    if not options.worker:
        table.show(result, console)
    if path:
        record.write(result, path)
        if not options.worker:
            console.print(f"Record: {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}", soft_wrap=True)
    return (1 if result["refused"] else 0) if result["complete"] else 130


def _here(options: argparse.Namespace, argv: list[str], operators: list, report) -> dict:
    from benchmarks import record, run, timing

    clock = "processor" if options.processor_time else "wall"
    effort = replace(timing.QUICK if options.quick else timing.Effort(), repeat=options.repeat, clock=clock)
    threads = options.threads or _cores()
    removed = json.loads(os.environ.get(REMOVED, "{}"))
    seeds = range(options.seed, options.seed + options.inputs)
    with timing.threads(threads):
        empty = record.new(_command(argv), threads, effort, seeds, removed, options.quick)
    return run.run(operators, empty, effort, quick=options.quick, with_growth=options.growth, report=report)


def _in_processes(options: argparse.Namespace, argv: list[str]) -> dict:
    """The run in several processes, one after the other, each with its own threads and random numbers."""
    from benchmarks import record

    done = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.processes):
            print(f"Process {number + 1} of {options.processes}", flush=True)
            path = Path(folder) / f"{number}.json"
            growth = [] if number else ["--growth"] * options.growth
            seed = str(options.seed + number * options.inputs)
            arguments = ["--worker", "--json", str(path), "--seed", seed, *growth, *_shared(options)]
            if not _finished(arguments) and not path.is_file():
                break
            done.append(record.read(path))
            if not done[-1]["complete"]:
                break
    if not done:
        raise SystemExit("No process finished: nothing was measured.")
    merged = record.merged(done)
    merged["complete"] = merged["complete"] and len(done) == options.processes
    return merged | {"command": _command(argv)}


def _finished(arguments: list[str]) -> bool:
    """Run a worker; False where Ctrl-C ended it. The worker gets the Ctrl-C, too, and writes what it has."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks", *arguments], env=_with_root(dict(os.environ)))
    try:
        return process.wait() == 0
    except KeyboardInterrupt:
        process.wait()
        return False


def _shared(options: argparse.Namespace) -> list[str]:
    arguments = ["--repeat", str(options.repeat), "--inputs", str(options.inputs), "--threads", str(_threads(options))]
    arguments += ["--only", options.only] if options.only else []
    return arguments + ["--quick"] * options.quick + ["--processor-time"] * options.processor_time


def _threads(options: argparse.Namespace) -> int:
    return options.threads or _cores()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _command(argv: Sequence[str]) -> str:
    """The command as the record names it, without where its output goes."""
    shown = list(argv)
    if "--json" in shown:
        at = shown.index("--json")
        del shown[at : at + 2]
    return shlex.join(["python", "-m", "segedu", "bench", *shown])


def _warn(console) -> None:
    from benchmarks import machine

    forced = machine.blas()["forced"]
    if forced:
        settings = ", ".join(f"{name}={value}" for name, value in forced.items())
        console.print(
            f"{settings} is set: the BLAS under NumPy does not choose its kernels by this CPU, "
            "which can halve its speed. --tuned-malloc takes it out.",
            style="yellow",
        )
    load = machine.load()
    if load and load > 0.5:
        console.print(
            f"{load:.1f} other processes were running in the last minute: times will be noisy.", style="yellow"
        )


if __name__ == "__main__":
    sys.exit(main())

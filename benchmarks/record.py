"""A record: what was measured, on what, when and how, as JSON."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine
from benchmarks.case import FORWARD
from benchmarks.timing import CLOCKS, Effort

FORMAT = 1
RECORDS = Path(__file__).resolve().parent / "records"
TARGETS = {"geometric_mean": 0.9, "forward": 1.6, "gradient": 3.0}


def new(command: str, threads: int, effort: Effort, seeds: Sequence[int], removed: dict[str, str], quick: bool) -> dict:
    """A record without results: the machine, its speed at best, the versions and the settings."""
    clock = CLOCKS[effort.clock]
    return {
        "format": FORMAT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "quick": quick,
        "machine": machine.describe(),
        "versions": machine.versions(),
        "blas": machine.blas() | {"removed": removed},
        "load_before": machine.load(),
        "threads": threads,
        "malloc": machine.malloc_setting(),
        "repeat": effort.repeat,
        "clock": effort.clock,
        "processes": 1,
        "seeds": list(seeds),
        "layout": "PyTorch's default, NCHW; float32",
        "copy_bytes_per_s": machine.copy_bandwidth(threads, clock, megabytes=16 if quick else 256),
        "sgemm_flops_per_s": machine.sgemm_rate(clock, size=512 if quick else 2048),
        "complete": False,
        "cases": [],
        "refused": [],
        "growth": [],
    }


def entry(operator: str, shape: Sequence[int], direction: str, table: bool) -> dict:
    """The part of a result that says what was measured."""
    return {"operator": operator, "shape": list(shape), "direction": direction, "table": table}


def key(result: dict) -> tuple:
    """What was measured, for looking results up."""
    return result["operator"], tuple(result["shape"]), result["direction"]


def timed(what: dict, ours_s: Sequence[float], pytorch_s: Sequence[float], moved: int, flops: int, roof: dict) -> dict:
    """A result: the medians, their ratio, and how near our time comes to this machine's best.

    `copy_fraction` is the rate at which the bytes that must be moved are moved, over the rate of a copy. It can pass 1
    where the arrays fit in the caches. `sgemm_fraction` is the like for floating-point operations; None without any.
    """
    result = what | {"bytes": moved, "flops": flops}
    return summarised(result, [statistics.median(ours_s)], [statistics.median(pytorch_s)], roof)


def summarised(result: dict, ours_runs: list[float], pytorch_runs: list[float], roof: dict) -> dict:
    """`result` with the medians over processes (one number each in `…_runs_s`) and what follows from them."""
    ours, pytorch = statistics.median(ours_runs), statistics.median(pytorch_runs)
    flops = result["flops"]
    return result | {
        "ours_s": ours,
        "pytorch_s": pytorch,
        "ratio": ours / pytorch,
        "ours_runs_s": ours_runs,
        "pytorch_runs_s": pytorch_runs,
        "copy_fraction": result["bytes"] / ours / roof["copy_bytes_per_s"],
        "sgemm_fraction": flops / ours / roof["sgemm_flops_per_s"] if flops else None,
    }


def geometric_mean(numbers: Iterable[float]) -> float | None:
    """The n-th root of the product of n numbers; None of none.

    >>> geometric_mean([0.5, 2.0, 8.0])
    2.0
    """
    logarithms = [math.log(number) for number in numbers]
    return round(math.exp(math.fsum(logarithms) / len(logarithms)), 12) if logarithms else None


def finished(record: dict, complete: bool) -> dict:
    """The record with its geometric mean over the published table, and whether all of it was measured."""
    ratios = [case["ratio"] for case in record["cases"] if case["table"]]
    return record | {"complete": complete, "geometric_mean": geometric_mean(ratios), "targets": TARGETS}


def merged(records: Sequence[dict]) -> dict:
    """One record of several processes: for each case the medians of their medians."""
    first = records[0]
    runs: dict[tuple, list[dict]] = {}
    for record in records:
        for case in record["cases"]:
            runs.setdefault(key(case), []).append(case)
    roof = {name: statistics.median(r[name] for r in records) for name in ("copy_bytes_per_s", "sgemm_flops_per_s")}
    cases = [
        summarised(group[0], [c["ours_s"] for c in group], [c["pytorch_s"] for c in group], roof)
        for group in runs.values()
    ]
    refused = {(*key(r), r["reason"]): r for record in records for r in record["refused"]}
    growth = next((record["growth"] for record in records if record["growth"]), [])
    result = first | roof | {"processes": len(records), "cases": cases, "growth": growth}
    result |= {"refused": list(refused.values()), "seeds": [seed for record in records for seed in record["seeds"]]}
    return finished(result, all(record["complete"] for record in records))


def over_target(record: dict) -> list[dict]:
    """The cases of the published table that are slower, beside PyTorch, than the targets allow; of a quick run none."""
    if record["quick"]:
        return []
    return [case for case in record["cases"] if case["table"] and case["ratio"] > limit(case["direction"])]


def limit(direction: str) -> float:
    """The largest ratio that the targets allow."""
    return TARGETS["forward" if direction == FORWARD else "gradient"]


def default_path(record: dict) -> Path:
    """Where a full run writes its record: benchmarks/records/cpu-<CPU>-<threads>[-as-it-comes].json."""
    slug = re.sub(r"[^a-z0-9]+", "-", record["machine"]["cpu"].lower()).strip("-")
    malloc = "" if record["malloc"] == "keeps memory" else "-malloc-as-it-comes"
    count = record["threads"]
    return RECORDS / f"cpu-{slug}-{count}-thread{'s' if count > 1 else ''}{malloc}.json"


def write(record: dict, path: Path) -> None:
    """Write the record as JSON, numbers of four digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_rounded(record), indent=1, ensure_ascii=False)
    # lists of numbers on one line; a line break inside brackets is never part of a string
    text = re.sub(r"\[\n[^\[\]{}]*\]", lambda found: re.sub(r"\n *", " ", found[0]).replace("[ ", "[")[:-2] + "]", text)
    path.write_text(text + "\n", encoding="utf-8")


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def read(path: Path) -> dict:
    """Read a record.

    Raises:
        ValueError: the file is no record of this format.
    """
    record = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ValueError(f"{path.name} is no benchmark record of format {FORMAT}")
    return record


def newest(folder: Path = RECORDS) -> dict:
    """The record of a full run that was made last.

    Raises:
        FileNotFoundError: there is none.
    """
    records = [read(path) for path in sorted(folder.glob("cpu-*.json"))]
    records = [record for record in records if record["complete"] and not record["quick"]]
    if not records:
        raise FileNotFoundError(
            f"no record cpu-*.json of a full run in {folder.name}/: run `python -m segedu bench` first"
        )
    return max(records, key=lambda record: record["date"])

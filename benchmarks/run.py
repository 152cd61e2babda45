"""One run: check each case, time it, and keep what was measured even when the run is broken off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from benchmarks import growth, record, timing
from benchmarks.case import Case, Operator, Shape

Report = Callable[[dict], None]


def run(
    operators: Sequence[Operator],
    result: dict,
    effort: timing.Effort,
    *,
    quick: bool = False,
    with_growth: bool = False,
    report: Report = lambda _: None,
) -> dict:
    """Measure all cases of `operators` and return `result`, a record, filled in.

    Ctrl-C ends the run; the record then holds what was measured, and `complete` is False.

    Args:
        report: is told every result as it comes, and every refusal.
    """
    complete = False
    try:
        with timing.threads(result["threads"]):
            for operator in operators:
                for shape in (operator.quick,) if quick else operator.shapes:
                    _measure(operator, shape, result, effort, report)
            if with_growth:
                growth.measure(operators, result, effort, quick=quick, report=report)
        complete = True
    except KeyboardInterrupt:
        report({"interrupted": True})
    return record.finished(result, complete)


def _measure(operator: Operator, shape: Shape, result: dict, effort: timing.Effort, report: Report) -> None:
    samples: dict[str, tuple[list, list]] = {}
    facts: dict[str, tuple[int, int]] = {}
    refused = set()
    for seed in result["seeds"]:
        for direction, case, moved in checked(operator, shape, seed, result, report, refused):
            ours, theirs = timing.interleaved([case.ours, case.pytorch], effort)
            facts[direction] = moved, case.flops
            for kept, new in zip(samples.setdefault(direction, ([], [])), (ours, theirs), strict=True):
                kept.extend(new)
    for direction, (ours, theirs) in samples.items():
        if refused & {direction, "all"}:
            continue
        what = record.entry(operator.name, shape, direction, operator.table)
        done = record.timed(what, ours, theirs, *facts[direction], result)
        result["cases"].append(done)
        report(done)


def checked(
    operator: Operator, shape: Shape, seed: int, result: dict, report: Report, refused: set[str]
) -> Iterator[tuple[str, Case, int]]:
    """The cases whose results agree with PyTorch's: direction, case, bytes moved. The others are refused, with why."""

    def refuse(direction: str, error: Exception) -> None:
        refused.add(direction)
        what = record.entry(operator.name, shape, direction, operator.table)
        result["refused"].append(what | {"reason": f"{type(error).__name__}: {error}"})
        report(result["refused"][-1])

    try:
        cases = operator.cases(shape, seed)
    except Exception as error:  # whatever an operator raises, the others are still measured
        return refuse("all", error)
    for case in cases:
        try:
            moved = case.check()
        except Exception as error:
            refuse(case.direction, error)
            continue
        yield case.direction, case, moved

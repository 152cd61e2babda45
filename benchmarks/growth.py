"""How cost grows from 64×64 to 1024×1024: the exponent of the time, as a power of the number of pixels."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

from benchmarks import timing
from benchmarks.case import Case, Operator

SIZES = (64, 128, 256, 512, 1024)
QUICK_SIZES = (16, 32)


def measure(
    operators: Sequence[Operator],
    result: dict,
    effort: timing.Effort,
    *,
    quick: bool,
    report: Callable[[dict], None],
) -> None:
    """Append a curve for each direction of each operator of the table to `result["growth"]`."""
    sizes = QUICK_SIZES if quick else SIZES
    refused = {(one["operator"], one["direction"]) for one in result["refused"]}
    for operator in operators:
        if operator.growth is None or not operator.table or (operator.name, "all") in refused:
            continue
        curves: dict[str, dict] = {}
        for size in sizes:
            for case in operator.cases(operator.growth(size), result["seeds"][0]):
                if (operator.name, case.direction) not in refused:
                    _add_point(curves, operator, size, case, effort)
        for curve in curves.values():
            curve["ours_exponent"] = exponent(curve["sizes"], curve["ours_s"])
            curve["pytorch_exponent"] = exponent(curve["sizes"], curve["pytorch_s"])
            result["growth"].append(curve)
            report(curve)


def _add_point(curves: dict[str, dict], operator: Operator, size: int, case: Case, effort: timing.Effort) -> None:
    what = {"operator": operator.name, "direction": case.direction, "sizes": [], "ours_s": [], "pytorch_s": []}
    curve = curves.setdefault(case.direction, what)
    ours, theirs = timing.interleaved([case.ours, case.pytorch], effort)
    curve["sizes"].append(size)
    curve["ours_s"].append(statistics.median(ours))
    curve["pytorch_s"].append(statistics.median(theirs))


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The slope of log time over log pixels, by least squares: 1 where twice the pixels take twice the time.

    >>> exponent([64, 128, 256], [1.0, 4.0, 16.0])
    1.0
    """
    x, y = [2 * math.log(size) for size in sizes], [math.log(s) for s in seconds]
    return round(statistics.linear_regression(x, y).slope, 3)

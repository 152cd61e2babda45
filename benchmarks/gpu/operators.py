"""All operators against PyTorch on the same machine, and how fast both are."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from benchmarks.gpu.cases import ITEMS, Case, Item
from benchmarks.gpu.setting import Setting, without_tf32
from segedu import compare, cuda_ops
from segedu.tolerances import tolerance

SETS_OF_INPUTS = 3
SAMPLE_S = 0.02


def compare_all(s: Setting) -> dict:
    """Each operator at odd shapes in float32 and float64, and at its large shape."""

    def look(item: Item) -> tuple[list, list]:
        wrong = [fault for shape, dtype in _shapes(s, item) for fault in _faults(s, item, shape, dtype)]
        s.say(f"  {item.name}: " + (f"WRONG: {wrong[0]['what']}" if wrong else "agrees with PyTorch"))
        return [item.name], wrong

    return _through(s, ITEMS, look, "compared", "wrong")


def _through(s: Setting, items: Sequence[Item], look: Callable, good: str, bad: str) -> dict:
    """All items, until the time is up or a kernel has made the process useless."""
    found: dict[str, list] = {good: [], bad: []}
    done, left_out = [], [item.name for item in items if s.wants(item.name)]
    while left_out and s.left > 0:
        item = next(item for item in items if item.name == left_out[0])
        for name, more in zip((good, bad), look(item), strict=True):
            found[name] += more
        done.append(left_out.pop(0))
        if s.is_poisoned:
            break
    poisoned = {"poisoned": done[-1], "done": done} if done and s.is_poisoned else {}
    return {**found, "left_out": left_out, "ok": not found[bad], "complete": not left_out, **poisoned}


def _shapes(s: Setting, item: Item) -> Iterator[tuple[tuple[int, ...], torch.dtype]]:
    for shape in item.odd[-1:] if s.small else item.odd:
        yield shape, torch.float32
        if item.float64:
            yield shape, torch.float64
    if not s.small:
        yield item.large, torch.float32


def _faults(s: Setting, item: Item, shape: Sequence[int], dtype: torch.dtype) -> list[dict]:
    """What is wrong, as it will be read in the record."""
    where = {"item": item.name, "shape": list(shape), "dtype": str(dtype).removeprefix("torch.")}
    try:
        with _everything_on(s):
            cases = item.build(s, s.generator(1, *shape), tuple(shape), dtype)
            found = [(case.direction, _difference(s, case)) for case in cases]
    except Exception as error:  # whatever one operator raises, the others still run
        return [where | {"what": f"{type(error).__name__}: {error}"[:400]}]
    return [where | {"direction": direction, "what": what} for direction, what in found if what]


def _difference(s: Setting, case: Case) -> str | None:
    """What a comparison says against the case; None where the results agree."""
    ours, theirs = _several(case.ours()), _several(case.pytorch())
    if len(ours) != len(theirs):
        return f"{len(ours)} results, PyTorch returns {len(theirs)}"
    for number, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if _agrees_there(s, a, b, case.length):
            continue
        actual, expected = s.host(a), s.host(b)
        if expected.dtype.kind == "f" and not expected.ndim:  # a number may be more precise than PyTorch's
            actual = actual.astype(expected.dtype)
        if actual.dtype.kind in "iu" and expected.dtype.kind in "iu":
            actual = actual.astype(expected.dtype)
        report = compare.arrays(np.asarray(actual), np.asarray(expected), length=case.length, name=f"result {number}")
        if not report:
            return " ".join(report.message.splitlines()[:2])
    return None


def _agrees_there(s: Setting, ours: object, theirs: torch.Tensor, length: int) -> bool:
    """Whether the results agree, found on the machine itself, which is quick; what differs is then looked at in words.

    The policy of `segedu.tolerances`, at its strictest: the scale of the values counts as 1.
    """
    if isinstance(ours, (np.generic, float)) or str(ours.dtype) != str(theirs.dtype).removeprefix("torch."):
        return False
    ours, allowed = s.tensor(ours), tolerance(str(ours.dtype), length)
    if ours.shape != theirs.shape:
        return False
    return torch.allclose(ours, theirs.detach(), rtol=allowed.rtol, atol=allowed.atol, equal_nan=True)


def _several(result: object) -> list:
    return [r for r in (result if isinstance(result, (tuple, list)) else [result]) if r is not None]


@contextlib.contextmanager
def _everything_on(s: Setting) -> Iterator[None]:
    """Both sides on the machine of the setting, and PyTorch without TF32: float32 means float32."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(cuda_ops.mode(s.mode))
        stack.enter_context(torch.device(s.device))
        stack.enter_context(without_tf32())
        stack.callback(setattr, torch.backends.cudnn, "benchmark", torch.backends.cudnn.benchmark)
        torch.backends.cudnn.benchmark = not s.dry  # PyTorch takes its fastest form
        yield


# ---------------------------------------------------------------- how fast
def time_all(s: Setting) -> dict:
    """Medians of both sides, in turn, over several sets of random inputs whose results agree."""
    with _everything_on(s):
        roof = {"copy_bytes_per_s": copy_bandwidth(s), "sgemm_flops_per_s": sgemm_rate(s)}
        copies, multiplies = roof["copy_bytes_per_s"] / 1e9, roof["sgemm_flops_per_s"] / 1e12
        s.say(f"  copies {copies:.0f} GB/s, multiplies matrices at {multiplies:.2f} TFLOP/s")
        items = [item for item in ITEMS if item.timed]
        found = _through(s, items, lambda item: _time(s, item, roof), "timed", "refused")
    return roof | {"sets_of_inputs": SETS_OF_INPUTS, "repeat": s.repeat} | found


def _time(s: Setting, item: Item, roof: dict) -> tuple[list[dict], list[dict]]:
    shape = item.odd[-1] if s.dry else (item.large[0] * s.times, *item.large[1:])
    what = {"item": item.name, "shape": list(shape)}
    try:
        sets = [
            item.build(s, s.generator(seed, *shape), shape, torch.float32)
            for seed in range(2 if s.dry else SETS_OF_INPUTS)
        ]
        rows, faults = [], []
        for cases in zip(*sets, strict=True):
            here = what | {"direction": cases[0].direction}
            wrong = next(filter(None, (_difference(s, case) for case in cases)), None)
            if wrong:
                faults.append(here | {"what": wrong})
                s.say(f"  {item.name}, {cases[0].direction}: REFUSED: {wrong}")
                continue
            rows.append(here | _row(s, cases, roof))
            _say_row(s, rows[-1])
    except Exception as error:
        s.say(f"  {item.name}: REFUSED: {type(error).__name__}: {error}"[:300])
        return [], [what | {"what": f"{type(error).__name__}: {error}"[:400]}]
    return rows, faults


def _row(s: Setting, cases: Sequence[Case], roof: dict) -> dict:
    """The floor, bytes and operations per call, and how near both sides come to it."""
    first = cases[0]
    moved = sum(array.nbytes for array in (*first.reads, *_several(first.ours())))
    ours, theirs = _interleaved(s, [[case.ours for case in cases], [case.pytorch for case in cases]])
    seconds, asked = statistics.median(t for t, _ in ours), statistics.median(t for _, t in ours)
    pytorch_s = statistics.median(t for t, _ in theirs)
    floor = max(moved / roof["copy_bytes_per_s"], first.flops / roof["sgemm_flops_per_s"])
    return {
        "bytes": moved,
        "flops": first.flops,
        "floor_s": floor,
        "ours_s": seconds,
        "ours_samples_s": [t for t, _ in ours],
        "ours_asking_s": asked,
        "pytorch_s": pytorch_s,
        "ratio": seconds / pytorch_s,
        "copy_fraction": moved / seconds / roof["copy_bytes_per_s"],
        "sgemm_fraction": first.flops / seconds / roof["sgemm_flops_per_s"] if first.flops else None,
    }


def _say_row(s: Setting, row: dict) -> None:
    part = row["sgemm_fraction"] or row["copy_fraction"]
    of = "sgemm" if row["sgemm_fraction"] else "copy"
    s.say(
        f"  {row['item']}, {row['direction']}: {row['ours_s'] * 1e3:.3f} ms, PyTorch {row['pytorch_s'] * 1e3:.3f} ms,"
        f" ratio {row['ratio']:.2f}, {part:.0%} of {of}"
    )


def _interleaved(s: Setting, sides: Sequence[list]) -> list[list[tuple[float, float]]]:
    """Samples of all sides in turn: what slows the machine for a moment slows every side."""
    rounds = []
    for calls in sides:
        s.sample(calls, 1)  # warm
        seconds = 1.0 if s.dry else s.sample(calls, 1)[0]
        rounds.append(max(1, min(100, round(SAMPLE_S / max(seconds * len(calls), 1e-7)))))
    samples: list[list] = [[] for _ in sides]
    for _ in range(s.repeat):
        for calls, number, kept in zip(sides, rounds, samples, strict=True):
            kept.append(s.sample(calls, number))
    return samples


def copy_bandwidth(s: Setting) -> float:
    """Bytes a second that a copy reads and writes, arrays far larger than the caches; the best of `repeat`."""
    source = torch.randn(2**18 if s.dry else 2**28)
    target = torch.empty_like(source)
    samples = _interleaved(s, [[lambda: target.copy_(source)]])[0]
    return 2 * source.nbytes / min(seconds for seconds, _ in samples)


def sgemm_rate(s: Setting) -> float:
    """Floating-point operations a second of PyTorch's float32 matrix product, without TF32; the best of `repeat`."""
    size = 128 if s.dry else 8192
    a, b = torch.randn(2, size, size)
    samples = _interleaved(s, [[lambda: a @ b]])[0]
    return 2 * size**3 / min(seconds for seconds, _ in samples)

"""How long two calls take, measured in turn: what slows the machine for a moment slows both."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from threadpoolctl import threadpool_limits

from segedu.numpy_ops import _blocks

CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


@dataclass(frozen=True)
class Effort:
    """How carefully to measure.

    Args:
        repeat: number of samples of each call, at least 7.
        sample_s: a sample repeats a call until it lasts about this long, in seconds.
        pause_s: rest before each sample. The threads of OpenBLAS and OpenMP spin for a while after their work,
            in the hope of more; without the rest they would take the cores from the other side.
        clock: "wall", or "processor" for the time the cores worked for this process. The latter is for one thread on
            a busy machine: it leaves out waiting for a core, but with several threads would count their spinning.
    """

    repeat: int = 7
    sample_s: float = 0.02
    pause_s: float = 0.03
    clock: str = "wall"

    def __post_init__(self) -> None:
        if self.repeat < 7:
            raise ValueError(f"repeat={self.repeat} must be at least 7")
        if self.clock not in CLOCKS:
            raise ValueError(f"clock={self.clock!r} must be one of {', '.join(CLOCKS)}")


QUICK = Effort(sample_s=0.0005, pause_s=0.0)


def interleaved(calls: Sequence[Callable[[], object]], effort: Effort) -> list[list[float]]:
    """Seconds per call: for each of `calls`, `effort.repeat` samples, taken in turn.

    Before each sample the call runs once untimed, so that its memory and threads are warm.
    """
    clock = CLOCKS[effort.clock]
    counts = [_calls_in_a_sample(call, effort.sample_s, clock) for call in calls]
    samples: list[list[float]] = [[] for _ in calls]
    with _no_garbage_collection():
        for _ in range(effort.repeat):
            for call, count, seconds in zip(calls, counts, samples, strict=True):
                time.sleep(effort.pause_s)
                call()
                seconds.append(_sample(call, count, clock))
    return samples


def _calls_in_a_sample(call: Callable[[], object], sample_s: float, clock: Callable[[], float]) -> int:
    call()
    return max(1, min(1000, math.ceil(sample_s / max(_sample(call, 1, clock), 1e-7))))


def _sample(call: Callable[[], object], count: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(count):
        call()
    return (clock() - start) / count


@contextmanager
def _no_garbage_collection():
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def threads(number: int):
    """Both sides on `number` threads: our blocks, the BLAS under NumPy, and PyTorch."""
    ours, theirs = _blocks.get_num_threads(), torch.get_num_threads()
    _blocks.set_num_threads(number)
    torch.set_num_threads(number)
    try:
        with threadpool_limits(number, user_api="blas"):
            yield
    finally:
        _blocks.set_num_threads(ours)
        torch.set_num_threads(theirs)

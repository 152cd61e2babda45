"""Work in blocks of planes that stay in the cache, on all cores: the blocking, written once.

A whole-array expression such as `np.maximum(a, b)` sends every intermediate through main memory. The operators
instead take a few planes (H×W images of one channel) at a time, so that intermediates of about 2 MiB stay in the
cache, and write into a result that was allocated once. NumPy lets go of the interpreter lock inside its loops, so
blocks run on several threads.

Between two loops a thread needs the lock again, and may have to wait for it longer than a short loop takes. On two
cores blocks of 2 MiB therefore beat those of 256 KiB, which would stay in the L2 cache, up to twofold. `np.add.at` and
`np.bincount` keep the lock. Products of matrices (`@`) do not belong into a block: BLAS has threads of its own, and two
callers wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

import numpy as np

BLOCK_BYTES = 2 * 1024 * 1024
BUFFER_ELEMENTS = 1024  # NumPy's 8192 make it copy what it broadcasts to shorter rows, which takes as long as the work

T = TypeVar("T")


def _default_threads() -> int:
    return int(
        os.environ.get("OMP_NUM_THREADS")
        or len(getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0))
    )


_threads = _default_threads()
_tasks: SimpleQueue | None = None  # what the helping threads are to run; None: there are no such threads


def get_num_threads() -> int:
    """How many threads the operators' blocks run on: OMP_NUM_THREADS, else the cores of this machine.

    >>> get_num_threads() >= 1
    True
    """
    return _threads


def set_num_threads(number: int) -> None:
    """Run blocks on `number` threads from now on. The results do not depend on it."""
    global _threads
    _dismiss_helpers()
    _threads = max(1, int(number))


def _ask_helpers(task: Callable[[], None], number: int) -> None:
    """Run `task` on so many threads besides this one. A ThreadPoolExecutor would take ten times as long to begin."""
    global _tasks
    if number > 0 and _tasks is None:
        _tasks = SimpleQueue()
        for _ in range(_threads - 1):
            Thread(target=_help, args=(_tasks,), name="segedu", daemon=True).start()
    for _ in range(number):
        _tasks.put(task)


def _help(tasks: SimpleQueue) -> None:
    while task := tasks.get():
        task()
        del task  # and with it the arrays it works on


def _dismiss_helpers() -> None:
    global _tasks
    for _ in range(_threads - 1 if _tasks else 0):
        _tasks.put(None)
    _tasks = None


def _forget_helpers() -> None:
    global _tasks
    _tasks = None


if hasattr(os, "register_at_fork"):  # a forked child has no threads of its parent
    os.register_at_fork(after_in_child=_forget_helpers)


def planes(array: np.ndarray) -> np.ndarray:
    """…×H×W as (planes)×H×W, contiguous: a view where that is possible, else a copy.

    >>> planes(np.zeros((2, 3, 4, 5))).shape
    (6, 4, 5)
    """
    height, width = array.shape[-2:]
    count = int(np.prod(array.shape[:-2]))
    return np.ascontiguousarray(array).reshape(count, height, width)


def blocks(count: int, bytes_each: int) -> Iterator[slice]:
    """Slices of 0…count whose items take about BLOCK_BYTES together, at least one item each.

    >>> list(blocks(5, BLOCK_BYTES // 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(1, BLOCK_BYTES // max(1, bytes_each))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def for_each_block(work: Callable[[slice], T], count: int, bytes_each: int) -> list[T]:
    """Call `work(slice)` for every block of 0…count; the results in order.

    Blocks must be independent of each other: they may run at the same time. Infinities and NaN pass without a warning.

    >>> for_each_block(lambda s: s.stop - s.start, 5, BLOCK_BYTES // 2)
    [2, 2, 1]
    """
    parts = list(blocks(count, bytes_each))
    results: list[T | None] = [None] * len(parts)
    waiting = iter(enumerate(parts))  # shared: each thread takes the next block when it is done with one
    done: SimpleQueue[Exception | None] = SimpleQueue()

    def run() -> None:
        with np.errstate(invalid="ignore", over="ignore"):
            np.setbufsize(BUFFER_ELEMENTS)  # until the end of `errstate`
            for number, part in waiting:
                try:
                    results[number] = work(part)
                except Exception as error:
                    done.put(error)
                else:
                    done.put(None)

    _ask_helpers(run, min(_threads, len(parts)) - 1)
    run()
    for error in [done.get() for _ in parts]:
        if error:
            raise error
    return results

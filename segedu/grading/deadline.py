"""A limit on the clock for code of this process that a value of a submission may send on an endless way."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def deadline(seconds: float, error: BaseException) -> Iterator[None]:
    """Raises `error` inside when so many seconds have passed; only in the main thread, and not on Windows.

    >>> with deadline(60, TimeoutError("too long")):
    ...     print(sum(range(10)))
    45
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

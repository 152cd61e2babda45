"""What can stop a run, explained; and a stop that was asked for."""

from __future__ import annotations

import contextlib
import errno
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class TrainingError(RuntimeError):
    """A run cannot go on; the message says why, what is kept, and what to do."""


class StoppedEarly(Exception):  # noqa: N818 - it is no error
    """A validation was left, because someone asked to stop."""


class Stop:
    """Whether someone asked to stop, by Ctrl-C or by the signal with which clusters end a run."""

    asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        with contextlib.suppress(RuntimeError):  # the signal may come in the middle of another line
            print("\nStopping after this step. Once more stops at once, in the middle of it.", flush=True)


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """Inside, Ctrl-C sets a flag, so that a step is never left half done. (In a thread there are no signals.)"""
    stop, before = Stop(), {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def not_a_number(step: int, loss: float, settings: object, kept: str) -> str:
    """What to do about a loss of NaN or infinity."""
    return (
        f"The loss of step {step} is {loss}: the weights have left the range in which the network computes. "
        f"Most often the learning rate is too high (lr={settings.lr:g}; try {settings.lr / 10:g}); "
        f"else look for images or labels that are broken. {kept}"
    )


def out_of_memory(step: int, settings: object, error: BaseException, kept: str) -> str:
    """What to do about full memory."""
    size = "whole images" if settings.crop is None else f"crops of {settings.crop[0]}×{settings.crop[1]}"
    return (
        f"Memory was full in step {step}, with batch={settings.batch} and {size}. Make the batch or the crop smaller, "
        f"or the network narrower (width). The error was: {_first_line(error)}. {kept}"
    )


def out_of_memory_at_validation(step: int, error: BaseException, kept: str) -> str:
    return (
        f"Memory was full at the validation after step {step}, which takes whole images, one at a time. Give it "
        f"smaller images or none, or make the network narrower (width). The error was: {_first_line(error)}. {kept}"
    )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def disk_is_full(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT)

"""What the processes of a kernel take together, and the end of those that outlive it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from segedu.grading.sandbox import MEMORY

MOST_PROCESSES = 200
DISK = 256 << 20
MOST_FILES = 2000


@dataclass(frozen=True)
class Usage:
    """Seconds of processor time, and what of its limits a kernel exceeds; empty where nothing."""

    processor: float = 0.0
    excess: str = ""


class Processor:
    """Processor time since the first measurement, which is made when a cell does not end at once."""

    def __init__(self) -> None:
        self.first: float | None = None

    def used(self, usage: Usage) -> float:
        self.first = usage.processor if self.first is None else self.first
        return usage.processor - self.first


def usage(pid: int | None, home: Path) -> Usage:
    """What a kernel's process and all that it started use now; `home` is the only folder they can write to."""
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.Error:
        return Usage()
    seconds, memory = 0.0, 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            seconds += sum(process.cpu_times()[:4])  # with those of children that have ended
            memory += process.memory_info().rss
    if len(processes) > MOST_PROCESSES:
        return Usage(seconds, f"more than {MOST_PROCESSES} processes")
    if memory > MEMORY:
        return Usage(seconds, f"more than {MEMORY >> 30} GiB of memory in all its processes")
    return Usage(seconds, _excess_of_files(home))


def _excess_of_files(home: Path) -> str:
    size = number = 0
    for folder, _, files in os.walk(home):
        for name in files:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(folder, name)).st_blocks * 512 if os.name != "nt" else 0
            number += 1
        if size > DISK or number > MOST_FILES:
            return f"more than {DISK >> 20} MiB or {MOST_FILES} files"
    return ""


def family(pid: int | None, home: Path) -> list[psutil.Process]:
    """A kernel's processes, those among them that have left their parent: they are known by their HOME."""
    found: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.Error):
        found.update((process.pid, process) for process in psutil.Process(pid).children(recursive=True))
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get("HOME") == str(home):
                found[process.pid] = process
    return [process for process in found.values() if process.pid != os.getpid()]


def end(processes: Sequence[psutil.Process]) -> None:
    """Kill what still runs."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()

"""What is seen of a run while it runs: a bar in a terminal, a live curve in a notebook, lines in a log, or nothing."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator


class Watcher:
    """Is told of every step; this one shows nothing. `with` it around the run."""

    def __init__(self, trainer: object, last: int) -> None:
        self.trainer, self.last = trainer, last

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def step(self, record: dict[str, float]) -> None:
        """After every step."""

    def validating(self, done: int, total: int) -> None:
        """After every validation image."""


class Lines(Watcher):
    """A line now and then: at every validation, and every ten seconds."""

    printed = -10.0

    def step(self, record: dict[str, float]) -> None:
        now = time.monotonic()
        if "val_miou" in record or now - self.printed >= 10:
            self.printed = now
            print(f"step {record['step']}/{self.last}: {in_words(record)}", flush=True)


class Bar(Watcher):
    """A bar in the terminal: step, loss, mean IoU, time left."""

    def __init__(self, trainer: object, last: int) -> None:
        super().__init__(trainer, last)
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[said]}{task.fields[validation]}"),
            TimeRemainingColumn(compact=True),
        )
        self.bar = Progress(*columns, refresh_per_second=4)
        self.task = self.bar.add_task("", total=last, completed=trainer.step, said="…", validation="")

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def step(self, record: dict[str, float]) -> None:
        fields = {"said": in_words({name: record.get(name) for name in ("loss", "miou")})}
        if "val_miou" in record:
            fields["validation"] = f", validation {percent(record['val_miou'])}"
        self.bar.update(self.task, completed=record["step"], **fields)

    def validating(self, done: int, total: int) -> None:
        self.bar.update(self.task, validation=f", validating {done}/{total}")


@contextlib.contextmanager
def advancing(what: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A bar for work on a known number of images; what it gives is called with the number done and the total."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn(what), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, _: bar.update(task, completed=done)


def in_words(record: dict[str, float]) -> str:
    """
    >>> in_words({"step": 3, "loss": 0.51234, "miou": 0.25, "val_miou": None})
    'loss 0.512, mIoU 25.0 %, validation –'
    """
    words = [f"loss {record['loss']:.3f}", f"mIoU {percent(record.get('miou'))}"]
    return ", ".join([*words, *([f"validation {percent(record['val_miou'])}"] if "val_miou" in record else [])])


def percent(value: float | None) -> str:
    return "–" if value is None or value != value else f"{100 * value:.1f} %"

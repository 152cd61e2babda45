"""What is seen of a run while it runs: a bar in a terminal, a live curve in a notebook, or nothing."""

from __future__ import annotations

import contextlib
import sys
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

    def stopped(self) -> None:
        """After a stop that was asked for."""


class Bar(Watcher):
    """A bar in the terminal: step, loss, mean IoU, time left."""

    def __init__(self, trainer: object, last: int) -> None:
        super().__init__(trainer, last)
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("loss {task.fields[loss]}  mIoU {task.fields[miou]}  {task.fields[validation]}"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, refresh_per_second=4)
        self.task = self.bar.add_task("", total=last, completed=trainer.step, loss="…", miou="…", validation="")

    def __enter__(self) -> Bar:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def step(self, record: dict[str, float]) -> None:
        fields = {"loss": f"{record['loss']:.3f}", "miou": percent(record.get("miou"))}
        if record.get("val_miou") is not None:
            fields["validation"] = f"validation {percent(record['val_miou'])}"
        self.bar.update(self.task, completed=record["step"], **fields)

    def validating(self, done: int, total: int) -> None:
        self.bar.update(self.task, validation=f"validating {done}/{total}")


@contextlib.contextmanager
def advancing(what: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """A bar for work on a known number of images; what it gives is called with the number done and the total."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn(what), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, _: bar.update(task, completed=done)


def percent(value: float | None) -> str:
    return "–" if value is None or value != value else f"{100 * value:.1f} %"


def watcher(trainer: object, last: int, show: bool | None) -> Watcher:
    """What suits the place where Python runs."""
    if show is False or trainer.machine.rank:
        return Watcher(trainer, last)
    return Bar(trainer, last) if show or sys.stderr.isatty() else Watcher(trainer, last)

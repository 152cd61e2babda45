"""Who watches a run: what suits the place where Python runs."""

from __future__ import annotations

import sys

from segedu.training.progress import Bar, Lines, Watcher


def in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def watcher(trainer: object, last: int, show: bool | None) -> Watcher:
    """What suits the place where Python runs; `show=True` wants at least lines."""
    if show is False or trainer.machine.rank:
        return Watcher(trainer, last)
    if in_notebook():
        from segedu.training.live import Live

        return Live(trainer, last)
    if sys.stdout.isatty():
        return Bar(trainer, last)
    return Lines(trainer, last) if show else Watcher(trainer, last)

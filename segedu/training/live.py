"""A learning curve that grows in the notebook while the network learns."""

from __future__ import annotations

import time
from pathlib import Path

import anywidget
import traitlets
from IPython.display import HTML, display

from segedu.training.progress import Watcher, in_words

EVERY, EVERYTHING_EVERY, MOST = 0.25, 5.0, 500
"""Seconds between messages; between those that hold the whole curve; how many points it is then thinned to."""


class Curve(anywidget.AnyWidget):
    """The curve in the page. New points come as messages; `points` is the curve so far, for a page that opens late."""

    _esm = Path(__file__).with_name("live.js")
    points = traitlets.List().tag(sync=True)
    last = traitlets.Int().tag(sync=True)


class Live(Watcher):
    """Sends the new points four times a second, however fast the steps are; at the end leaves a picture."""

    def __init__(self, trainer: object, last: int) -> None:
        super().__init__(trainer, last)
        self.curve = Curve(points=thinned(trainer.history.records), last=last)
        self.fresh: list[list] = []
        self.sent = self.sent_all = time.monotonic()

    def __enter__(self) -> Live:
        self.handle = display(self.curve, display_id=True)
        return self

    def step(self, record: dict[str, float]) -> None:
        now = time.monotonic()
        self.fresh.append(point(record))
        if now - self.sent_all >= EVERYTHING_EVERY:
            self.curve.points = thinned(self.trainer.history.records)
            self.sent_all = now
        if now - self.sent >= EVERY:
            self.send(f"step {record['step']} of {self.last}: {in_words(record)}{self._left()}")
            self.sent = now

    def validating(self, done: int, total: int) -> None:
        if time.monotonic() - self.sent >= EVERY:
            self.send(f"step {self.trainer.step} of {self.last}: validating, image {done} of {total}")
            self.sent = time.monotonic()

    def send(self, text: str) -> None:
        self.curve.send({"points": self.fresh, "text": text})
        self.fresh = []

    def _left(self) -> str:
        records = self.trainer.history.records[-20:]
        pace = (records[-1]["seconds"] - records[0]["seconds"]) / max(1, len(records) - 1)
        left = round(pace * (self.last - records[-1]["step"]))
        return f", {left // 60}:{left % 60:02} left" if len(records) > 1 else ""

    def __exit__(self, *error: object) -> None:
        """The widget lives as long as the page; what stays in the notebook is a picture of the curve."""
        self.send("drawing the picture that stays")
        self.handle.update(HTML(self._picture()))
        self.curve.close()

    def _picture(self) -> str:
        records = self.trainer.history.records
        if not records:
            return "no step was done"
        from matplotlib import pyplot

        from segedu.figures import figure_html, learning_curve

        fig = learning_curve(self.trainer.history)
        alt = f"Learning curve of {len(records)} steps; after step {records[-1]['step']}: {in_words(records[-1])}."
        picture = figure_html(fig, alt)
        pyplot.close(fig)
        return picture


def point(record: dict[str, float]) -> list:
    """What the page draws of a step."""
    return [record["step"], record["loss"], record.get("miou"), record.get("val_miou")]


def thinned(records: list[dict[str, float]]) -> list[list]:
    """At most about `MOST` points; those with a validation stay.

    >>> len(thinned([{"step": step, "loss": 1.0} for step in range(5001)]))
    455
    """
    keep = -(-len(records) // MOST)
    return [point(r) for number, r in enumerate(records) if number % max(1, keep) == 0 or "val_miou" in r]

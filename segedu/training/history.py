"""What happened in a run: one record a step, kept in memory and as a line of JSON in a file."""

from __future__ import annotations

import json
import math
from pathlib import Path

from segedu.training.checkpoints import replace
from segedu.training.problems import TrainingError, disk_is_full


class History:
    """The learning curve: `records` are dictionaries, one a step.

    step: from 1. epoch: how often all images were seen. loss. lr: of this step. seconds: of training so far. miou: of
    this step's batch, before the step, where it was counted. val_miou, val_accuracy: of the validation images, after
    the step, where they were looked at.

    >>> history = History()
    >>> history.add({"step": 1, "loss": 0.7})
    >>> history.add({"step": 2, "loss": 0.5, "miou": 0.25})
    >>> history.curve("loss"), history.curve("miou"), history.last("loss")
    (([1, 2], [0.7, 0.5]), ([2], [0.25]), 0.5)
    """

    def __init__(self, path: str | Path | None = None) -> None:
        """`path`: the file that is continued; None keeps no file."""
        self.path = None if path is None else Path(path)
        self.records: list[dict[str, float]] = []

    def __len__(self) -> int:
        return len(self.records)

    def add(self, record: dict[str, float]) -> None:
        """Keep a record; numbers that JSON does not know (NaN) become None.

        Raises:
            TrainingError: the disk is full.
        """
        record = {name: value if math.isfinite(value) else None for name, value in record.items()}
        self.records.append(record)
        if self.path is not None:
            try:
                with open(self.path, "a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
            except OSError as error:
                if not disk_is_full(error):
                    raise
                raise TrainingError(
                    f"The disk is full: {self.path} takes no more lines. The last checkpoint beside it is complete; "
                    "make room, then go on from there."
                ) from error

    def curve(self, name: str) -> tuple[list[int], list[float]]:
        """The steps at which a value is known, and the value."""
        known = [(r["step"], r[name]) for r in self.records if r.get(name) is not None]
        return [step for step, _ in known], [value for _, value in known]

    def last(self, name: str) -> float | None:
        """The newest value that is known, or None."""
        values = self.curve(name)[1]
        return values[-1] if values else None

    def rewind(self, step: int) -> None:
        """Forget what came after a step: a run that goes on from there writes it anew."""
        self.records = [record for record in self.records if record["step"] <= step]
        if self.path is not None and self.path.exists():
            replace(self.path, "".join(json.dumps(record) + "\n" for record in self.records).encode())

    @classmethod
    def read(cls, path: str | Path) -> History:
        """The history in a file; a last line that was not finished is left out.

        Raises:
            FileNotFoundError: there is no such file.
        """
        history = cls(path)
        for line in Path(path).read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                history.records.append(json.loads(line))
        return history

"""The catalogue of wrong answers: typical mistakes, each of which a check has to reject with the hint meant for it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segedu.grading.cells import ExerciseError, right_answers

if TYPE_CHECKING:
    from nbformat import NotebookNode


@dataclass(frozen=True)
class WrongAnswer:
    """A mistake in the answer to a question; `says` is a piece of the message that a student has to get."""

    question: str
    name: str
    source: str
    says: str


def wrong_answers(path: Path, solution: NotebookNode) -> list[WrongAnswer]:
    """Read solutions/wrong/NN_name.toml; an entry has an `answer`, or a list `replace` of [what, by what].

    Raises:
        ExerciseError: an entry names no question, or replaces what its solution does not hold exactly once.
    """
    right = right_answers(solution)
    found = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["wrong"]:
        name = entry["question"]
        if name not in right:
            raise ExerciseError(f"{path.name}: there is no question {name!r}")
        source = entry.get("answer", right[name])
        for old, new in entry.get("replace", ()):
            if source.count(old) != 1:
                raise ExerciseError(
                    f"{path.name}, {entry['name']!r}: {old!r} stands {source.count(old)} times, not once"
                )
            source = source.replace(old, new)
        found.append(WrongAnswer(name, entry["name"], source, entry["says"]))
    return found

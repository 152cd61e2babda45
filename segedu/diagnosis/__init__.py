"""What a wrong result equals instead: each mistake that beginners make is recognised by one small function.

A recogniser takes (actual, expected, context) and returns sentences, or none where the mistake does not explain *every*
wrong value. The most telling come first, and the first that recognises something has the word.
The strongest calls PyTorch again with one argument changed (`alternatives` holds the table).
"""

from collections.abc import Callable, Iterable

import numpy as np

from segedu.diagnosis import calls, indices, places, reference, shapes, values, words

Recogniser = Callable[[np.ndarray, np.ndarray, dict], Iterable[str]]

_MOST = 2  # sentences; more would not be read


def _hints(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterable[str]:
    for description, array in context.get("hints", ()):
        if values.explains(np.asarray(array), actual, expected, context):
            yield words.sentence(f"Your result equals {description}")


RECOGNISERS: tuple[Recogniser, ...] = (
    _hints,
    calls.one_change,
    *indices.RECOGNISERS,
    calls.two_changes,
    *shapes.RECOGNISERS,
    *values.RECOGNISERS,
    *places.RECOGNISERS,
    *values.LAST_RESORT,
)


def explain(actual: np.ndarray, expected: np.ndarray, context: dict | None = None) -> list[str]:
    """Sentences about what `actual` equals instead of `expected`; an empty list when nothing is recognised.

    Args:
        actual, expected: arrays of any shape and dtype.
        context: what is known about `expected`, all of it optional: `operator` (its name), `args` and `kwargs` (NumPy),
            `output` (which of several results), `gradient` and `grad_output` (the gradient of which float input),
            `length` (of the sum), `hints` (pairs of description and array), `loose` (a relative tolerance).

    >>> explain(np.array([[3.0, 4.0], [1.0, 2.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    ['Your result is flipped vertically: its rows come in reverse order.']
    """
    actual, expected, context = np.asarray(actual), np.asarray(expected), context or {}
    if values.equal(actual, expected, context):
        return []
    for recogniser in RECOGNISERS:
        found = _tried(recogniser, actual, expected, context)
        if found:
            return found[:_MOST]
    return []


def _tried(recogniser: Recogniser, actual: np.ndarray, expected: np.ndarray, context: dict) -> list[str]:
    try:
        with np.errstate(all="ignore"), reference.quiet():
            return list(recogniser(actual, expected, context))
    except Exception:  # a diagnosis that fails must never hide the report itself
        return []

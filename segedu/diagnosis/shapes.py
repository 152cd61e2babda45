"""Results of the wrong shape."""

from collections.abc import Iterator

import numpy as np

from segedu.diagnosis.values import axis_orders, same

_SIZE = "look at how the output size is computed (floor or ceil, + 1, padding)."
_LETTERS = {4: "NCHW", 3: "CHW", 2: "HW"}


def axes_swapped(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """The right values with the axes in another order, for example channels last."""
    if actual.ndim != expected.ndim or not 2 <= actual.ndim <= 4 or actual.shape == expected.shape:
        return
    letters = _LETTERS[actual.ndim]
    for order in axis_orders(expected.shape):
        if np.all(same(actual, expected.transpose(order), context)):
            yield (
                f"The values are right, the axes are in the order {', '.join(letters[k] for k in order)}: "
                f"expected is {', '.join(letters)}."
            )
            return
    if actual.shape[:-2] + actual.shape[:-3:-1] == expected.shape:
        yield "Height and width are swapped: an array's shape is (…, height, width), rows first."


def reshaped(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """The right values with axes missing, added or merged."""
    if actual.shape == expected.shape or actual.size != expected.size or actual.size == 0:
        return
    if np.all(same(actual.reshape(-1), expected.reshape(-1), context)):
        if actual.ndim > expected.ndim and actual.squeeze().shape == expected.squeeze().shape:
            yield "The values are right; there is an axis of size 1 too many."
        elif actual.ndim < expected.ndim and actual.squeeze().shape == expected.squeeze().shape:
            yield "The values are right; an axis of size 1 is missing: keepdims=True or [None] keeps it."
        else:
            yield f"The values are right and in the right order: reshape to {expected.shape}."


def cut(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """Some rows or columns too few or too many; the others agree."""
    if actual.ndim != expected.ndim or actual.ndim < 2 or actual.shape[:-2] != expected.shape[:-2]:
        return
    if actual.shape == expected.shape:
        return
    rows, columns = (actual.shape[k] - expected.shape[k] for k in (-2, -1))
    h, w = (min(actual.shape[k], expected.shape[k]) for k in (-2, -1))
    if h * w == 0:
        return
    changes = [_amount(rows, "row"), _amount(columns, "column")]
    text = " and ".join(c for c in changes if c)
    for where, a, e in (
        ("at the end", actual[..., :h, :w], expected[..., :h, :w]),
        ("at the beginning", actual[..., -h:, -w:], expected[..., -h:, -w:]),
        ("around", _centre(actual, h, w), _centre(expected, h, w)),
    ):
        if np.all(same(a, e, context)):
            yield f"{text} {where}, the rest agrees: {_SIZE}"
            return
    if max(abs(rows), abs(columns)) == 1:
        yield f"{text}: {_SIZE}"


def _amount(difference: int, noun: str) -> str:
    if difference == 0:
        return ""
    return f"{abs(difference)} {noun}{'s' if abs(difference) > 1 else ''} too {'many' if difference > 0 else 'few'}"


def _centre(array: np.ndarray, h: int, w: int) -> np.ndarray:
    top, left = (array.shape[-2] - h) // 2, (array.shape[-1] - w) // 2
    return array[..., top : top + h, left : left + w]


RECOGNISERS = (axes_swapped, reshaped, cut)

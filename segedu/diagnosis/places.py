"""Results that are right except in one place: the border, the last row, one channel, where windows overlap."""

import itertools
from collections.abc import Iterator

import numpy as np

from segedu.diagnosis import words
from segedu.diagnosis.alternatives.changes import pair
from segedu.diagnosis.calls import arguments
from segedu.diagnosis.values import same


def unwritten(wrong: np.ndarray, actual: np.ndarray, context: dict) -> Iterator[str]:
    """Zero where it is wrong."""
    if np.any(actual[wrong] != 0):
        return
    some = words.count(int(wrong.sum()), "value is 0", "values are 0")
    lines = list(one_line(wrong, actual, context)) or [""]
    yield f"{some} and should not be, the others are right: were they ever written? {lines[0]}".strip()


def border(wrong: np.ndarray, actual: np.ndarray, context: dict) -> Iterator[str]:
    """Wrong on all four sides of the border only."""
    if wrong.ndim < 2:
        return
    plane = wrong.reshape(-1, *wrong.shape[-2:]).any(axis=0)
    h, w = plane.shape
    rows, columns = np.nonzero(plane)
    sides = (rows.min() == 0, rows.max() == h - 1, columns.min() == 0, columns.max() == w - 1)
    depth = int(np.minimum(np.minimum(rows, h - 1 - rows), np.minimum(columns, w - 1 - columns)).max()) + 1
    if sum(sides) >= 3 and 2 * depth < min(h, w) and plane.sum() > 2:
        yield (
            f"Only the border differs ({words.count(depth, 'pixel')} deep), the interior is right: "
            "look at the padding and the value it is filled with."
        )


def one_line(wrong: np.ndarray, actual: np.ndarray, context: dict) -> Iterator[str]:
    """Wrong in one row, column, channel or image only."""
    if wrong.ndim == 0 or wrong.sum() < 2:
        return
    names = words.AXES.get(wrong.ndim) or ()
    for axis, noun in zip(range(wrong.ndim), names, strict=False):
        others = tuple(k for k in range(wrong.ndim) if k != axis)
        where = np.flatnonzero(wrong.any(axis=others))
        if len(where) == 1 and wrong.shape[axis] > (1 if wrong.ndim - axis > 2 else 2):
            last = f" (the last {noun})" if where[0] == wrong.shape[axis] - 1 else ""
            yield f"Only {noun} {where[0]}{last} is wrong."


def last_lines(wrong: np.ndarray, actual: np.ndarray, context: dict) -> Iterator[str]:
    """Wrong in the last row and the last column, or in the first ones, only."""
    if wrong.ndim < 2 or min(wrong.shape[-2:]) < 3 or wrong.sum() < 2:
        return
    for name, inside in (("last", wrong[..., :-1, :-1]), ("first", wrong[..., 1:, 1:])):
        if not inside.any():
            yield f"Only the {name} row and column are wrong: look at what happens at the edge."


def overlaps(wrong: np.ndarray, actual: np.ndarray, context: dict) -> Iterator[str]:
    """Wrong only where windows overlap."""
    if context.get("operator") not in ("conv_transpose2d", "avg_pool2d", "conv2d", "max_pool2d"):
        return
    shared = _shared(context, wrong.shape)
    if shared is not None and shared.any() and not shared.all() and not wrong[..., ~shared].any():
        yield "Only where windows overlap it is wrong: contributions must be added up (+=), not overwritten (=)."


def _shared(context: dict, shape: tuple[int, ...]) -> np.ndarray | None:
    """Where more than one window writes: (height, width) of booleans."""
    p = arguments(context)
    gradient = context.get("gradient") == 0
    if (context["operator"] == "conv_transpose2d") == gradient or (not gradient and "gradient" in context):
        return None
    size = p["weight"].shape[-2:] if "weight" in p else pair(p["kernel_size"])
    stride = pair(p.get("stride") or (1 if "weight" in p else p["kernel_size"]))
    padding = p.get("padding", 0)
    if isinstance(padding, str) or p.get("dilation", 1) not in (1, (1, 1)):
        return None
    windows = context["grad_output"].shape[-2:] if gradient else p["x"].shape[-2:]
    counts = [_counts(*five) for five in zip(shape[-2:], windows, size, stride, pair(padding), strict=True)]
    return np.outer(*counts) > 1


def _counts(length: int, windows: int, size: int, stride: int, padding: int) -> np.ndarray:
    count = np.zeros(length, int)
    for k in range(windows):
        start = k * stride - padding
        count[max(0, start) : max(0, start + size)] += 1
    return count


def somewhere(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """Right in some places and wrong in others: where?"""
    if actual.shape != expected.shape or actual.size == 0:
        return
    wrong = ~same(actual, expected, context)
    if wrong.any() and not wrong.all():
        found = (sentence for place in PLACES for sentence in place(wrong, actual, context))
        yield from itertools.islice(found, 1)


PLACES = (unwritten, overlaps, one_line, last_lines, border)
RECOGNISERS = (somewhere,)

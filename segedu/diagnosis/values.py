"""Results of the right shape with wrong values: flipped, shifted, scaled, rounded, in another order."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np

from segedu.diagnosis import words
from segedu.tolerances import Tolerance, tolerance


def same(a: np.ndarray, b: np.ndarray, context: dict) -> np.ndarray:
    """Element by element: equal within the tolerance of the comparison. A single False where the shapes differ."""
    if a.shape != b.shape:
        return np.array(False)
    if "loose" in context:
        return Tolerance(context["loose"], context["loose"]).accepts(a, b)
    floats = [x.dtype for x in (a, b) if x.dtype.kind == "f"]
    dtype = min(floats, key=lambda d: d.itemsize) if floats else a.dtype
    return tolerance(dtype, context.get("length", 1)).accepts(a, b)


def equal(a: np.ndarray, b: np.ndarray, context: dict) -> bool:
    """Equal everywhere; a sample decides first where the arrays are large."""
    if a.shape != b.shape:
        return False
    if a.size > 50_000:
        few, others = (x.reshape(-1)[:: x.size // 500].astype(np.float64) for x in (a, b))
        if not np.allclose(few, others, rtol=1e-2, atol=1e-2 * np.nanmax(np.abs(others)), equal_nan=True):
            return False
    return bool(np.all(same(a, b, context)))


def explains(alternative: np.ndarray, actual: np.ndarray, expected: np.ndarray, context: dict) -> bool:
    """Does `alternative` equal `actual` everywhere, and differ from `expected` so that this says something?"""
    return actual.size > 0 and equal(actual, alternative, context) and not equal(alternative, expected, context)


def flipped(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """Rows or columns in reverse order, or swapped."""
    if expected.ndim < 2:
        if expected.ndim == 1 and explains(expected[::-1], actual, expected, context):
            yield "Your result comes in reverse order."
        return
    square = expected.shape[-1] == expected.shape[-2]
    confusion = expected.ndim == 2 and expected.dtype.kind in "iu" and square
    note = ": for a confusion matrix, targets index the rows and predictions the columns" if confusion else ""
    for sentence, alternative in (
        ("flipped vertically: its rows come in reverse order", expected[..., ::-1, :]),
        ("flipped horizontally: its columns come in reverse order", expected[..., ::-1]),
        ("flipped both ways: rows and columns come in reverse order", expected[..., ::-1, ::-1]),
        ("transposed: rows and columns are swapped" + note, np.swapaxes(expected, -1, -2)),
        ("transposed about the other diagonal", np.swapaxes(expected, -1, -2)[..., ::-1, ::-1]),
        ("turned by a quarter", np.rot90(expected, 1, (-2, -1))),
        ("turned by a quarter", np.rot90(expected, 3, (-2, -1))),
    ):
        if explains(alternative, actual, expected, context):
            yield f"Your result is {sentence}."


def shifted(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """Off by one row or column; only the part that both share is compared."""
    if expected.ndim < 2 or expected.shape != actual.shape or min(expected.shape[-2:]) < 2:
        return
    for dy, dx in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)):
        a, e = actual[_part(dy, dx)], expected[_part(-dy, -dx)]
        if a.size > 3 and explains(e, a, expected[_part(dy, dx)], context):
            down, right = {1: "down", -1: "up"}.get(dy), {1: "to the right", -1: "to the left"}.get(dx)
            direction = " and ".join(f"one {unit} {way}" for unit, way in (("row", down), ("column", right)) if way)
            yield f"Your result is shifted by {direction}: look for an index that is off by one."
            return


def _part(dy: int, dx: int) -> tuple:
    cut = {1: slice(1, None), 0: slice(None), -1: slice(None, -1)}
    return (..., cut[dy], cut[dx])


def reordered(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """Channels or batch entries in another order."""
    for axis, noun in ((-3, "channels"), (-4, "images of the batch")):
        if expected.ndim < -axis or expected.shape != actual.shape or not 2 <= expected.shape[axis] <= 64:
            continue
        a, e = np.moveaxis(actual, axis, 0), np.moveaxis(expected, axis, 0)
        order = [next((k for k in range(len(e)) if equal(plane, e[k], context)), -1) for plane in a]
        if -1 in order or order == list(range(len(e))):
            continue
        if order == list(range(len(e)))[::-1]:
            yield f"The {noun} come in reverse order."
        else:
            missing = "" if len(set(order)) == len(order) else ": some come twice, others are missing"
            yield f"The {noun} come in the order {order}{missing}."


def scaled(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """Everything too large or too small by one factor; the sign; the base of a logarithm."""
    usable = np.isfinite(expected) & (np.abs(expected) > 1e-6 * np.max(np.abs(expected), initial=0))
    if usable.sum() < 2 or expected.shape != actual.shape or np.ptp(expected[usable]) == 0:
        return
    ratio = float(np.median(actual[usable].astype(np.float64) / expected[usable]))
    if not np.isfinite(ratio) or ratio == 0:
        return
    ratio = _rounded_factor(ratio)
    if explains(expected.astype(np.float64) * ratio, actual.astype(np.float64), expected, context):
        yield _factor(ratio, actual.size)


def _rounded_factor(ratio: float) -> float:
    for candidate in (float(np.round(ratio)), 1 / float(np.round(1 / ratio)) if abs(ratio) < 1 else ratio):
        if candidate and abs(ratio / candidate - 1) < 1e-5:
            return candidate
    return ratio


def _factor(ratio: float, size: int) -> str:
    for base, name in ((1 / np.log(2), "2"), (1 / np.log(10), "10")):
        if abs(ratio / base - 1) < 1e-5:
            return f"Your result is the logarithm to base {name}; the natural one is expected: np.log."
    if abs(ratio + 1) < 1e-5:
        return "Every value has the wrong sign."
    sign = ", with the wrong sign" if ratio < 0 else ""
    ratio = abs(ratio)
    if ratio > 1:
        reason = ": a sum where a mean is expected?" if abs(ratio - round(ratio)) < 1e-5 * ratio else "."
        return f"Every value is {words.number(ratio)} times too large{sign}{reason}"
    part = f"{words.number(1 / ratio)} times too small"
    whole = abs(1 / ratio - round(1 / ratio)) < 1e-5 / ratio
    return (
        f"Every value is {part}{sign}{': divided once too often, or a mean where a sum is expected?' if whole else '.'}"
    )


def offset(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """Everything too large or too small by one summand."""
    usable = np.isfinite(expected)
    if usable.sum() < 2 or expected.shape != actual.shape:
        return
    exact = expected.dtype.kind in "iu"
    delta = (actual[usable] - expected[usable]) if exact else actual[usable].astype(np.float64) - expected[usable]
    shift = np.median(delta)
    if np.isfinite(shift) and explains(expected + (int(shift) if exact else shift), actual, expected, context):
        note = ": counting starts at 0" if exact and shift == 1 else ""
        yield f"Every value is {words.number(abs(shift))} too {'large' if shift > 0 else 'small'}{note}."


def per_channel(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """Each channel has its own summand, or its own factor."""
    if expected.ndim != 4 or expected.shape != actual.shape or expected.shape[1] < 2 or expected.dtype.kind != "f":
        return
    if expected.shape[0] * expected.shape[2] * expected.shape[3] < 3 or not np.isfinite(actual).all():
        return
    a, e = actual.astype(np.float64), expected.astype(np.float64)
    if explains(e + np.median(a - e, axis=(0, 2, 3), keepdims=True), a, e, context):
        yield "Each channel is off by a constant of its own: look at the bias."
    elif explains(e * np.median(a / e, axis=(0, 2, 3), keepdims=True), a, e, context):
        yield "Each channel is off by a factor of its own: look at what is multiplied per channel."


def transformed(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """A function of the expected value: rounded, cut off, squared, its logarithm, its complement."""
    wide = expected.astype(np.float64)
    whole = expected.dtype.kind in "iu"
    fractions = not whole and np.nanmin(wide, initial=1) >= 0 and np.nanmax(wide, initial=0) <= 1
    for sentence, alternative, applies in (
        (
            "Each value is counted at most once: `counts[i] += 1` counts repeated indices once; np.add.at or bincount "
            "counts them all",
            np.minimum(wide, 1),
            whole,
        ),
        ("The fractions are cut off: look for int, // or an integer array", np.trunc(wide), not whole),
        ("The values are rounded to whole numbers", np.round(wide), not whole),
        ("The values are the absolute values of the expected ones", np.abs(wide), True),
        ("Negative values became 0", np.maximum(wide, 0), True),
        ("The values are squares of the expected ones: a square root is missing", wide**2, not whole),
        ("The values are the square roots of the expected ones", np.sqrt(wide), not whole),
        ("The values are the exponentials of the expected ones: the logarithm is missing", np.exp(wide), not whole),
        ("The values are the logarithms of the expected ones", np.log(wide), not whole),
        ("The values are 1 minus the expected ones", 1 - wide, fractions),
        ("These are Dice scores, 2·IoU / (1 + IoU)", 2 * wide / (1 + wide), fractions),
        ("These are IoU (Jaccard) scores, Dice / (2 − Dice)", wide / (2 - wide), fractions),
    ):
        if applies and explains(alternative, actual.astype(np.float64), expected, context):
            yield f"{sentence}."


def lost_nan(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """NaN where numbers are expected, or numbers where NaN is expected; the same for infinities."""
    if actual.dtype.kind != "f" or expected.shape != actual.shape:
        return
    lost = np.isnan(expected) & ~np.isnan(actual)
    if lost.any():
        zero = " (it is 0)" if np.all(actual[lost] == 0) else ""
        many = words.count(int(lost.sum()), "NaN is", "NaN are")
        yield f"{many} missing{zero}: what is undefined stays NaN."
    new = np.isnan(actual) & ~np.isnan(expected)
    if new.any():
        yield f"{words.count(int(new.sum()), 'value is', 'values are')} NaN: look for 0/0, inf − inf or np.empty."
    infinite = np.isinf(actual) & np.isfinite(expected)
    if infinite.any():
        many = words.count(int(infinite.sum()), "value is", "values are")
        yield f"{many} infinite: look for a division by 0, log(0), exp of a large number."


def constant(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """The same number everywhere."""
    if actual.size > 1 and actual.shape == expected.shape and np.all(actual == actual.flat[0]):
        if actual.flat[0] == 0:
            yield "Every value is 0: was the result ever written to?"
        else:
            yield f"Every value is {words.number(actual.flat[0])}."


def single_precision(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """float64 with the digits of float32."""
    if actual.dtype == expected.dtype == np.float64 and actual.size > 0 and "loose" not in context:
        single = tolerance(np.float32, context.get("length", 1))
        if np.all(single.accepts(actual, expected)) and not equal(actual, expected, context):
            yield "It agrees to about 7 digits only: something was computed in float32 on the way."


def permuted(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """The right values in the wrong places."""
    if not 2 < actual.size <= 1_000_000 or actual.size != expected.size:
        return
    ends = [np.array([x.min(), x.max()]) for x in (actual, expected)]
    if equal(*ends, context) and equal(np.sort(actual, axis=None), np.sort(expected, axis=None), context):
        yield "The values are right but in the wrong places: look at the order of axes, loops or a reshape."


def axis_orders(shape: tuple[int, ...]) -> Iterable[tuple[int, ...]]:
    """All orders of the axes but the given one."""
    return (p for p in itertools.permutations(range(len(shape))) if p != tuple(range(len(shape))))


RECOGNISERS = (constant, flipped, reordered, scaled, offset, per_channel, transformed, shifted, lost_nan)
LAST_RESORT = (single_precision, permuted)

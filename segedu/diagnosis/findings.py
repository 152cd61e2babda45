"""What a comparison finds, in words: the wrong type, the wrong dtype, the wrong values."""

import numpy as np

from segedu.diagnosis import words


def wrong_type(actual: object, name: str, number_allowed: bool) -> str:
    """A sentence where `actual` is not an array at all, else an empty string."""
    if actual is None:
        return f"{name} is None: is a return statement missing?"
    if isinstance(actual, np.ndarray | np.generic) or (
        hasattr(actual, "__cuda_array_interface__") and hasattr(actual, "get")
    ):
        return ""
    if number_allowed and isinstance(actual, int | float):
        return ""
    return f"{name} is {words.kind(actual)}, expected a NumPy array."


def same_dtype(result: np.ndarray, target: np.ndarray, open_dtype: bool) -> bool:
    """Equal dtypes; where the dtype is open, floats may also stand for integers, not the reverse."""
    if open_dtype:
        return result.dtype.kind == "f" or (result.dtype.kind in "iub" and target.dtype.kind in "iub")
    return result.dtype == target.dtype


def wrong_dtype(result: np.ndarray, target: np.ndarray, name: str) -> str:
    """Both dtypes, and where a wrong one usually comes from."""
    text = f"{name}: the dtype is {result.dtype}, expected {target.dtype}."
    if result.dtype == np.float64 and target.dtype == np.float32:
        text += "\nfloat32 stays float32: look for np.zeros without dtype=x.dtype, or a float64 array in a product."
    if result.dtype.kind == "f" and target.dtype.kind == "i":
        text += "\nIndices and labels are int64: np.zeros and np.empty make float64 unless dtype=np.int64 is given."
    if result.dtype.kind in "iu" and target.dtype.kind == "f":
        text += "\nFractions are lost in an integer array: give the array dtype=x.dtype."
    return text


def differences(result: np.ndarray, target: np.ndarray, close: np.ndarray, name: str, axes: tuple | None) -> list[str]:
    """How many values are wrong, the first one, and the largest errors."""
    wrong = int(close.size - close.sum())
    first = np.unravel_index(int(np.argmin(close)), close.shape)
    lines = [
        f"{name}: {wrong} of {words.count(close.size, 'value')} {'is' if wrong == 1 else 'are'} wrong.",
        f"First difference at {words.position(first, axes)}: "
        f"got {words.number(result[first])}, expected {words.number(target[first])}.",
    ]
    with np.errstate(all="ignore"):
        error = np.abs(result.astype(np.float64) - target.astype(np.float64))
        relative = error / np.abs(target)
    for title, errors in (("absolute", error), ("relative", relative)):
        errors = np.where(np.isfinite(errors) & ~close, errors, -1.0)
        worst = np.unravel_index(int(np.argmax(errors)), errors.shape)
        if errors[worst] > 0:
            lines.append(f"Largest {title} error: {errors[worst]:.3g} at {words.position(worst, axes)}.")
    return lines

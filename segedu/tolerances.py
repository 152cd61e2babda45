"""How far two honest computations of the same number may lie apart: the one policy of the course.

Rounding errors grow with the number of terms that are summed. For a sum of `length` terms of size about 1 the relative
part grows like √length, the absolute part (for sums whose terms cancel) like length, up to a bound. The bound keeps the
policy strict: an error of one part in a thousand fails for every dtype and every length up to a million.
Integers and booleans must be equal.
"""

from dataclasses import dataclass

import numpy as np

NETWORK_LOGITS, NETWORK_GRADIENT, NETWORK_FLOAT32 = 1e-10, 1e-9, 1e-3
"""How far two engines may lie apart after a whole network, relative to the largest logit or gradient.

In float64 each operator agrees to about 1e-15 of its values. A network stacks up to a hundred layers, and batch
normalisation divides small maps by their small deviations: measured differences between "numpy" or "cuda" and "torch"
reach 6e-13 of the logits and 5e-11 of a parameter's largest gradient. The bounds are twenty times that and more, and
still a million times smaller than the smallest mistake that matters (1e-3). In float32 the same amplification meets
roundings of 6e-8: `NETWORK_FLOAT32`, of the largest logit.
"""

_BASE = {"float32": 2e-6, "float64": 1e-12}  # a few roundings, exp and log included
_LONGEST_CANCELLATION = 1000  # in units of the eps of the dtype: 1.2e-4 for float32


@dataclass(frozen=True)
class Tolerance:
    """Relative and absolute tolerance: `|actual - expected| <= atol * scale + rtol * |expected|`.

    `scale` is the median of `|expected|`, at least 1: values up to 255 round more coarsely than values up to 1.
    """

    rtol: float
    atol: float

    def accepts(self, actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Element by element: is `actual` close enough? NaN equals NaN, an infinity equals itself. Boolean array.

        >>> Tolerance(1e-6, 1e-6).accepts(np.array([1.0, 2.0, np.nan]), np.array([1.0, 2.1, np.nan])).tolist()
        [True, False, True]
        """
        actual, expected = np.asarray(actual), np.asarray(expected)
        if actual.dtype.kind in "iub" and expected.dtype.kind in "iub":
            return np.asarray(actual == expected)
        with np.errstate(all="ignore"):
            a, e = actual.astype(np.float64), expected.astype(np.float64)
            allowed = self.atol * _scale(e) + self.rtol * np.abs(e)
            close = (np.abs(a - e) <= allowed) & np.isfinite(e)
        return np.asarray(close | (a == e) | (np.isnan(a) & np.isnan(e)))


def tolerance(dtype: np.typing.DTypeLike, length: int = 1) -> Tolerance:
    """The tolerance for values of `dtype` that are sums of `length` terms.

    Args:
        dtype: float32, float64, or any integer or boolean dtype (which must agree exactly).
        length: number of terms summed, for example `channels * kernel_height * kernel_width` for conv2d.

    Raises:
        TypeError: another dtype; the course computes in float32 and float64.

    >>> tolerance("int64")
    Tolerance(rtol=0.0, atol=0.0)
    >>> tolerance("float32", length=27).rtol < 1e-5
    True
    """
    dtype = np.dtype(dtype)
    if dtype.kind in "iub":
        return Tolerance(0.0, 0.0)
    if dtype.name not in _BASE:
        raise TypeError(f"dtype={dtype.name} has no tolerance: the course computes in float32 and float64")
    base, eps, length = _BASE[dtype.name], float(np.finfo(dtype).eps), max(1, int(length))
    return Tolerance(base + eps * length**0.5, base + eps * min(length, _LONGEST_CANCELLATION))


def _scale(expected: np.ndarray) -> float:
    finite = np.abs(expected[np.isfinite(expected)])
    return max(1.0, float(np.median(finite))) if finite.size else 1.0

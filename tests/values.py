"""Random arrays that catch what smooth numbers hide: ties, NaN, infinities, strided memory."""

from collections.abc import Sequence

import numpy as np

KINDS = ("normal", "ties", "special", "strided")


def draw(
    rng: np.random.Generator,
    shape: Sequence[int],
    kind: str = "normal",
    dtype: type = np.float32,
    infinities: bool = True,
) -> np.ndarray:
    """Random numbers: normal, ties (a few integers), special (with NaN and ±∞) or strided (non-contiguous)."""
    if kind == "strided":
        doubled = rng.standard_normal([2 * size for size in reversed(shape)]).astype(dtype)
        return doubled[tuple(slice(None, None, 2) for _ in shape)].T
    if kind == "ties":
        return rng.integers(-2, 3, shape).astype(dtype)
    values = rng.standard_normal(shape).astype(dtype)
    if kind == "special":
        for special in (np.nan, -np.inf, np.inf)[: 3 if infinities else 1]:
            values[rng.random(shape) < 0.08] = special
    return values

"""Arrays for kernels: on a GPU CuPy's, else NumPy's, and arrays of which the checker knows that nothing is in them
yet."""

from __future__ import annotations

import weakref
from functools import lru_cache

import numpy as np

POISON = 0xCB
_empty: dict[int, weakref.ref] = {}


@lru_cache(maxsize=1)
def gpu_available() -> bool:
    """Whether CuPy is installed and finds a GPU."""
    try:
        import cupy

        return cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:  # CuPy without a driver raises one of several errors
        return False


def xp():
    """CuPy on a GPU, else NumPy."""
    if gpu_available():
        import cupy

        return cupy
    return np


def empty(shape, dtype=np.float32):
    """An array for a kernel to fill. In check mode, reading an element before something is written there is an error.

    On a GPU it is CuPy's, of which the checker knows nothing; `marked` is what it is elsewhere.
    """
    if gpu_available():
        import cupy

        return cupy.empty(shape, dtype)
    return marked(shape, dtype)


def marked(shape, dtype=np.float32) -> np.ndarray:
    """An array of NumPy for a kernel to fill, of which the checker knows that it is empty.

    It is filled with a pattern that no computation gives; arrays of one- and two-byte items count as filled as soon as
    anything in them differs from the pattern.
    """
    array = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[...] = POISON
    key = id(array)
    _empty[key] = weakref.ref(array, lambda _: _empty.pop(key, None))
    return array


def written(array: np.ndarray) -> np.ndarray | None:
    """A flag for each element: whether it holds a value. None where the array does not come from `empty`."""
    owner = array
    while isinstance(owner, np.ndarray):
        known = _empty.get(id(owner))
        if known is not None and known() is owner:
            break
        owner = owner.base
    else:
        return None
    item = array.dtype.itemsize
    flags = (array.reshape(-1).view(np.uint8).reshape(-1, item) != POISON).any(axis=1)
    if item <= 2 and flags.any():
        flags[...] = True
    return flags.astype(np.uint8)

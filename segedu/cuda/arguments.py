"""Checks the arguments of a launch against the kernel's parameters, in the order in which they are written."""

from __future__ import annotations

import ctypes as c
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

CODES = {
    "?": (np.bool_, c.c_bool),
    "b": (np.int8, c.c_int8),
    "B": (np.uint8, c.c_uint8),
    "h": (np.int16, c.c_int16),
    "H": (np.uint16, c.c_uint16),
    "i": (np.int32, c.c_int32),
    "I": (np.uint32, c.c_uint32),
    "q": (np.int64, c.c_int64),
    "Q": (np.uint64, c.c_uint64),
    "f": (np.float32, c.c_float),
    "d": (np.float64, c.c_double),
}
LIMITS = {
    code: (int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for code, (kind, _) in CODES.items() if code in "bBhHiIqQ"
}


@dataclass(frozen=True)
class Parameter:
    """One parameter: `kind` is 'P' (pointer), 'C' (pointer to const) or 'V' (value); `code` its NumPy letter, or
    'x'."""

    name: str
    kind: str
    code: str
    lanes: int = 1
    size: int = 0

    @property
    def is_pointer(self) -> bool:
        return self.kind in "PC"

    @cached_property
    def dtype(self) -> np.dtype | None:
        return np.dtype(CODES[self.code][0]) if self.code in CODES else None


def check_count(kernel: str, parameters: Sequence[Parameter], arguments: Sequence) -> None:
    """Raises TypeError where too few or too many arguments are given, naming the parameters."""
    if len(arguments) == len(parameters):
        return
    names = ", ".join(parameter.name for parameter in parameters)
    what = f"{kernel} takes {len(parameters)} arguments ({names}), and {len(arguments)} are given"
    raise TypeError(f"{what}; a single argument is written (x,)" if len(parameters) == 1 else what)


def check_array(kernel: str, number: int, parameter: Parameter, value) -> None:
    """Raises TypeError or ValueError where `value` is no array that the pointer may point to."""
    if type(value) is np.ndarray and value.flags.carray and value.dtype == parameter.dtype and parameter.lanes == 1:
        return  # nearly always; the messages below cost more than a launch
    where = f"{kernel}: argument {number} ({parameter.name})"
    if not all(hasattr(value, name) for name in ("dtype", "strides", "nbytes")) or isinstance(value, np.generic):
        raise TypeError(f"{where} is a pointer: pass an array, not {_kind(value)}")
    if parameter.dtype is not None and value.dtype != parameter.dtype:
        name = parameter.dtype.name
        raise TypeError(
            f"{where} points to {name}, and the array holds {value.dtype.name}: the kernel would take its bits for"
            f" {name}s. Convert it with x.astype(np.{name}), or change the kernel's type"
        )
    if parameter.lanes > 1 and value.size % parameter.lanes:
        raise ValueError(f"{where} is read {parameter.lanes} numbers at a time, and the array holds {value.size}")
    if not value.flags.c_contiguous:
        raise ValueError(
            f"{where} is not contiguous (shape {value.shape}, strides {value.strides}): the kernel sees memory in"
            " order, not this view. Pass np.ascontiguousarray(x)"
        )
    if parameter.kind == "P" and hasattr(value.flags, "writeable") and not value.flags.writeable:
        raise ValueError(f"{where} may be written to, and the array is read-only. Pass a copy, or make it const")


def scalar(kernel: str, number: int, parameter: Parameter, value):
    """The value as C holds it.

    Raises:
        TypeError: it is of another type. CuPy would hand over its bits unchanged: 1.0 for an int would arrive as 0.
        ValueError: it does not fit.
    """
    if type(value) is int and parameter.code in LIMITS and parameter.lanes == 1:
        low, high = LIMITS[parameter.code]
        if low <= value <= high:  # nearly always
            return CODES[parameter.code][1](value)
    where = f"{kernel}: argument {number} ({parameter.name})"
    if parameter.code not in CODES or parameter.lanes > 1:
        return _bytes(where, parameter, value)
    dtype, kind = CODES[parameter.code]
    name = np.dtype(dtype).name
    if hasattr(value, "nbytes") and getattr(value, "ndim", 0):
        raise TypeError(f"{where} is one {name}: pass a number, not an array of shape {value.shape}")
    if parameter.code in "fd":
        good = isinstance(value, dtype) or (parameter.code == "d" and isinstance(value, float))
    elif parameter.code == "?":
        good = isinstance(value, (bool, np.bool_))
    else:
        good = isinstance(value, dtype) or (isinstance(value, int) and not isinstance(value, bool))
    if not good:
        plain = value.item() if hasattr(value, "item") else value
        raise TypeError(
            f"{where} is {name}: pass np.{name}({plain!r}), not {_kind(value)}, whose bits mean another number"
        )
    if np.dtype(dtype).kind in "iu" and not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
        raise ValueError(f"{where}={value} does not fit into {name}")
    return kind(value.item() if isinstance(value, np.generic) else value)


def _bytes(where: str, parameter: Parameter, value):
    data = value.tobytes() if hasattr(value, "tobytes") else value if isinstance(value, bytes) else None
    if data is None or len(data) != parameter.size:
        raise TypeError(f"{where} is a structure of {parameter.size} bytes: pass an array or bytes of that size")
    return (c.c_char * parameter.size).from_buffer_copy(data)


def _kind(value) -> str:
    if isinstance(value, np.generic):
        return f"np.{type(value).__name__}"
    return (
        f"the {type(value).__name__} {value!r}"
        if isinstance(value, (int, float, bool))
        else f"a {type(value).__name__}"
    )


def triple(name: str, value) -> tuple[int, int, int]:
    """A grid or block as three numbers.

    >>> triple("block", (16, 16))
    (16, 16, 1)
    """
    sizes = (value,) if isinstance(value, (int, np.integer)) else tuple(value)
    if not 1 <= len(sizes) <= 3 or not all(isinstance(size, (int, np.integer)) for size in sizes):
        raise TypeError(f"{name}={value!r} must be one, two or three whole numbers")
    if min(sizes) < 1:
        raise ValueError(f"{name}={value!r} has a size below 1: nothing would run")
    return (*map(int, sizes), 1, 1)[:3]


def check_sizes(grid: tuple[int, int, int], block: tuple[int, int, int], shared_mem: int) -> None:
    """Raises ValueError where a GPU would refuse the launch."""
    threads = block[0] * block[1] * block[2]
    if threads > 1024:
        raise ValueError(
            f"block={block} has {threads} threads, and a block may have at most 1024: use more, smaller blocks"
        )
    if block[2] > 64:
        raise ValueError(f"block={block} is {block[2]} deep, and may be at most 64 deep in z")
    if grid[0] > 2**31 - 1 or grid[1] > 65535 or grid[2] > 65535:
        raise ValueError(f"grid={grid} is too large: at most (2147483647, 65535, 65535) blocks")
    if not 0 <= shared_mem <= 48 * 1024:
        raise ValueError(f"shared_mem={shared_mem} bytes must be between 0 and 49152, what every GPU has")

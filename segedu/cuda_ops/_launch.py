"""From an operator to its kernels: which machine, which module, how many threads. Written once, for all operators."""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from segedu import arguments, cuda
from segedu.cuda.arrays import marked
from segedu.cuda.source import find_kernels

MODES = ("auto", "gpu", "check", "fast")
FOLDER = Path(__file__).parent
TYPES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
THREADS = 256  # of a block: enough to hide latencies on every GPU, few enough to fill small ones

_mode: ContextVar[str] = ContextVar("mode", default="auto")
_order: ContextVar[str] = ContextVar("order", default="forward")


# ---------------------------------------------------------------- which machine
@contextlib.contextmanager
def mode(name: str, order: str = "forward") -> Iterator[None]:
    """Within the block, operators run in this mode.

    "auto" is the GPU where there is one, else "fast" (of a `cuda.RawModule` it is "check"); "gpu"; "fast", on the CPU,
    unchecked; "check", on the CPU, every access checked, threads one after the other in this `order`, "forward" or
    "reverse".

    Raises:
        ValueError: there is no such mode.

    >>> with mode("check", order="reverse"):
    ...     print(current_mode())
    check
    """
    arguments.one_of(name, MODES, "mode")
    tokens = _mode.set(name), _order.set(order)
    try:
        yield
    finally:
        _mode.reset(tokens[0])
        _order.reset(tokens[1])


def current_mode() -> str:
    """The mode that operators run in now: "gpu", "fast" or "check"."""
    chosen = _mode.get()
    return chosen if chosen != "auto" else "gpu" if cuda.gpu_available() else "fast"


def xp() -> Any:
    """The array module of the machine that operators run on now: CuPy, or NumPy."""
    if current_mode() == "gpu":
        import cupy

        return cupy
    return np


def operator(function: Callable | None = None, *, updates: Sequence[str] = ()) -> Callable:
    """An operator that takes arrays of NumPy or CuPy and returns the same kind, whichever its machine works with.

    Where both are given, the first array says which kind is returned. `updates` names the arguments that it changes
    in place.
    """
    if function is None:
        return functools.partial(operator, updates=updates)
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: object, **kwargs: object) -> object:
        given = [value for value in _flat((*args, *kwargs.values())) if arguments.is_array(value)]
        if all(_home(array) == xp().__name__ for array in given):
            return function(*args, **kwargs)
        before = signature.bind(*args, **kwargs).arguments
        moved = {name: _each(_here, value) for name, value in before.items()}
        result = _each(_kind_of(given[0]), function(**moved))
        for name in updates:
            if before.get(name) is not moved.get(name):
                before[name][...] = _kind_of(before[name])(moved[name])
        return result

    return call


def on_host(function: Callable) -> Callable:
    """A function of NumPy arrays that takes CuPy's, too: for results so small that no kernel is worth it."""

    @functools.wraps(function)
    def call(*args: object, **kwargs: object) -> object:
        return function(*_each(_to_numpy, args), **{name: _each(_to_numpy, value) for name, value in kwargs.items()})

    return call


def _flat(values: object) -> Iterator[object]:
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from _flat(value)
        else:
            yield value


def _each(move: Callable, value: object) -> object:
    """`value` with every array in it moved; tuples stay tuples and lists lists."""
    if isinstance(value, (tuple, list)):
        return type(value)(_each(move, item) for item in value)
    return move(value) if arguments.is_array(value) or isinstance(value, np.generic) else value


def _here(array: object) -> object:
    """The array on the machine that operators run on."""
    if isinstance(array, np.generic):
        return array
    return xp().asarray(array) if xp() is not np else _to_numpy(array)


def _home(array: object) -> str:
    """The package that an array belongs to: "numpy" or "cupy"."""
    return type(array).__module__.partition(".")[0]


def _kind_of(array: object) -> Callable:
    """What makes another array one of the same kind."""
    return _to_cupy if _home(array) == "cupy" else _to_numpy


def _to_numpy(array: object) -> object:
    if isinstance(array, (np.ndarray, np.generic)):
        return array
    return array.get() if array.ndim else array.get()[()]


def _to_cupy(array: object) -> object:
    import cupy

    return cupy.asarray(array)


# ---------------------------------------------------------------- arrays
def asarray(array: np.ndarray) -> np.ndarray:
    """The array where operators run now: CuPy's on the GPU, else NumPy's; itself where it is there already.

    >>> with mode("fast"):
    ...     asarray(np.ones(2))
    array([1., 1.])
    """
    return xp().asarray(array) if xp() is not np else np.asarray(_to_numpy(array))


def empty(shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> np.ndarray:
    """An array for a kernel to fill; in check mode, reading what nothing was written to is an error."""
    return marked(shape, dtype) if current_mode() == "check" else xp().empty(shape, dtype)


def contiguous(array: np.ndarray, dtype: np.typing.DTypeLike = None) -> np.ndarray:
    """The array in reading order in memory, as kernels see it: itself where it is, else a copy."""
    return xp().ascontiguousarray(array, dtype)


def aligned(*arrays: np.ndarray, size: int = 16) -> bool:
    """Whether all arrays begin at a multiple of `size` bytes, so that a thread can read so many at once."""
    return all(_address(array) % size == 0 for array in arrays)


def _address(array: np.ndarray) -> int:
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr


def planes(array: np.ndarray) -> np.ndarray:
    """…×H×W as (planes)×H×W, contiguous."""
    return contiguous(array).reshape(count(array.shape[:-2]), *array.shape[-2:])


def structure(**fields: tuple[int, int]) -> np.ndarray:
    """A C structure of pairs of `Index`, in this order, to be passed to a kernel by value."""
    return np.array(tuple(fields.values()), [(name, np.int64, 2) for name in fields])


def count(shape: tuple[int, ...]) -> int:
    """The product of a shape, as a Python integer: it does not overflow.

    >>> count((2, 3)), count(())
    (6, 1)
    """
    return functools.reduce(lambda a, b: a * int(b), shape, 1)


# ---------------------------------------------------------------- how many threads
class Threads(NamedTuple):
    """A grid of blocks, each axis written (x, y, z): x runs along memory."""

    grid: tuple[int, int, int]
    block: tuple[int, int, int]


def over(items: int, per_thread: int = 1, threads: int = THREADS) -> Threads:
    """A thread for each item, or for `per_thread` of them; a kernel must step on by the size of the grid.

    >>> over(1000)
    Threads(grid=(4, 1, 1), block=(256, 1, 1))
    """
    block = min(threads, _power_of_two(items))
    return Threads((min(-(-items // (block * per_thread)), 2**31 - 1), 1, 1), (block, 1, 1))


def over_planes(planes: int, height: int, width: int, threads: int = THREADS) -> Threads:
    """A thread for each pixel: x along rows of pixels, y down them, z over planes (step on by the size of the grid).

    A warp reads 32 neighbours of a row; small planes share a block.

    >>> over_planes(10, 100, 100), over_planes(10, 7, 7)
    (Threads(grid=(4, 13, 10), block=(32, 8, 1)), Threads(grid=(1, 1, 3), block=(8, 8, 4)))
    """
    columns = min(32, _power_of_two(width))
    rows = min(threads // columns, _power_of_two(height), 8 if columns == 32 else threads)
    deep = min(threads // (columns * rows), _power_of_two(planes), 64)
    grid = (-(-width // columns), -(-height // rows), min(-(-planes // deep), 65535))
    return Threads(grid, (columns, rows, deep))


def over_warps(items: int, warps: int = 8) -> Threads:
    """A warp for each item, blocks of (32, warps) threads; a kernel must step on by the size of the grid.

    >>> over_warps(100)
    Threads(grid=(13, 1, 1), block=(32, 8, 1))
    """
    rows = min(warps, _power_of_two(items))
    return Threads((min(-(-items // rows), 2**31 - 1), 1, 1), (32, rows, 1))


def blocks(items: int, numbers: int) -> Threads:
    """A block for each item, to add up `numbers` numbers: whole warps, as many as have work, at most THREADS threads.

    >>> blocks(10, 40)
    Threads(grid=(10, 1, 1), block=(64, 1, 1))
    """
    return Threads((items, 1, 1), (min(THREADS, max(32, _power_of_two(numbers))), 1, 1))


def _power_of_two(number: int) -> int:
    """The smallest power of two that is not below `number`."""
    return 1 << max(0, int(number) - 1).bit_length()


# ---------------------------------------------------------------- kernels
class Kernels:
    """The kernels of one source file, compiled when first needed: once for each dtype and mode."""

    def __init__(self, file: str):
        self.file = file

    def __call__(
        self, name: str, dtype: np.typing.DTypeLike, threads: Threads, *args: object, shared_mem: int = 0
    ) -> None:
        """Launch kernel `name`, a template's instance for `dtype` or a plain one; an empty grid launches nothing.

        Python floats become numbers of `dtype`. Integers are `long long` in every kernel.
        """
        if 0 in threads.grid:
            return
        dtype = np.dtype(dtype)
        ready = [dtype.type(value) if type(value) is float else value for value in args]
        kernel = _kernel(self.file, name, TYPES.get(dtype, "float"), current_mode())
        kernel(threads.grid, threads.block, tuple(ready), shared_mem=shared_mem, order=_order.get())


@functools.cache
def source(file: str) -> str:
    """A kernel source, after common.cuh and what its first line names: `// Uses tiles.cuh.`"""
    text = (FOLDER / file).read_text(encoding="utf-8")
    used = re.findall(r"\w+\.cuh", text.partition("\n")[0])
    return "\n".join([*((FOLDER / name).read_text(encoding="utf-8") for name in ("common.cuh", *used)), text])


def instances(file: str, ctype: str) -> tuple[str, ...]:
    """The name expressions of a source's templates for a type, "float" or "double"."""
    return tuple(f"{kernel.name}<{ctype}>" for kernel in find_kernels(source(file)).values() if kernel.is_template)


@functools.cache
def _module(file: str, ctype: str, machine: str) -> tuple[cuda.RawModule, tuple[str, ...]]:
    names = instances(file, ctype)
    return cuda.RawModule(source(file), name_expressions=names, mode=machine), names


@functools.cache
def _kernel(file: str, name: str, ctype: str, machine: str) -> Callable:
    module, names = _module(file, ctype, machine)
    full = f"{name}<{ctype}>"
    return module.get_function(full if full in names else name)

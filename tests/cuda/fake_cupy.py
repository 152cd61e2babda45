"""A stand-in for CuPy 14 that runs kernels on the CPU and takes no more than CuPy does.

It keeps CuPy's refusals, by which code that ran with NumPy alone fails on a GPU: no NumPy array where one of CuPy is
meant, no conversion that is not asked for, signatures with their keywords, scalars handed over byte by byte as they
are. Arrays lie where NumPy cannot reach them but by `get` and `set`. Taken from cupy/_core/core.pyx, raw.pyx,
_scalar.pyx and cupy/cuda/function.pyx of version 14.
"""

from __future__ import annotations

import ctypes as c
import functools
import types

import numpy as np

from segedu.cuda.launcher import CpuModule
from segedu.cuda.native import PROBLEMS, Fault, GlobalArray, Launch

SCALARS = (bool, int, float, complex, np.generic)
FUNCTIONS = [
    "all",
    "any",
    "arange",
    "argsort",
    "array_equal",
    "ascontiguousarray",
    "asarray",
    "bincount",
    "broadcast_to",
    "concatenate",
    "cumsum",
    "diff",
    "divide",
    "empty",
    "empty_like",
    "exp",
    "expand_dims",
    "eye",
    "flip",
    "full",
    "isfinite",
    "isnan",
    "log",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "moveaxis",
    "ndim",
    "nonzero",
    "ones",
    "ones_like",
    "prod",
    "repeat",
    "reshape",
    "round",
    "searchsorted",
    "shape",
    "size",
    "sort",
    "squeeze",
    "stack",
    "sum",
    "take",
    "transpose",
    "unique",
    "where",
    "zeros",
    "zeros_like",
    "count_nonzero",
]


class MemoryPointer:
    """Where an array begins."""

    def __init__(self, ptr: int):
        self.ptr = ptr


class Flags:
    """CuPy's flags: there is no `writeable`."""

    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata


class ndarray:  # noqa: N801 - its name in CuPy
    """An array on the GPU that is none."""

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        if memptr is None:
            self._host = np.empty(shape, dtype, order)
            return
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        self._host = np.frombuffer((c.c_char * size).from_address(memptr.ptr), dtype).reshape(shape)

    # what may be asked
    shape, dtype, ndim, size, itemsize, nbytes, strides = (
        property(lambda self, name=name: getattr(self._host, name))
        for name in ("shape", "dtype", "ndim", "size", "itemsize", "nbytes", "strides")
    )
    flags = property(lambda self: Flags(self._host.flags))
    data = property(lambda self: MemoryPointer(self._host.ctypes.data))
    T = property(lambda self: wrapped(self._host.T))
    __len__ = lambda self: len(self._host)  # noqa: E731
    __bool__ = lambda self: bool(self._host)  # noqa: E731
    __int__ = lambda self: int(self._host)  # noqa: E731
    __float__ = lambda self: float(self._host)  # noqa: E731

    def item(self):
        return self._host.item()

    def get(self, stream=None, order="C", out=None, blocking=True) -> np.ndarray:
        return self._host.copy(order)

    def set(self, arr: np.ndarray, stream=None) -> None:
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype or arr.shape != self.shape:
            raise ValueError("Shape or dtype mismatch")
        self._host[...] = arr

    # what is refused
    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        for value in inputs:
            if isinstance(value, np.ndarray) and value.ndim:
                raise TypeError(f"Unsupported type {type(value)}")
        target = tuple(bare(o) for o in out) if out is not None else None
        result = getattr(ufunc, method)(*map(bare, inputs), **kwargs, **({"out": target} if target else {}))
        return out[0] if out is not None else wrapped(result)

    def __array_function__(self, func, types_, args, kwargs):
        found = getattr(MODULE, func.__name__, None)
        return NotImplemented if found is None else found(*args, **kwargs)

    # indices and methods
    def __getitem__(self, index):
        return wrapped(self._host[bare(index)])

    def __setitem__(self, index, value):
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError(f"Unsupported type {type(value)}")
        self._host[bare(index)] = bare(value)


def _operator(name: str):
    def method(self, *others):
        if any(isinstance(other, np.ndarray) and other.ndim for other in others):
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        result = getattr(self._host, name)(*map(bare, others))
        return self if name.startswith("__i") and name not in ("__invert__",) else wrapped(result)

    return method


def _method(name: str):
    def method(self, *args, **kwargs):
        return wrapped(getattr(self._host, name)(*map(bare, args), **{k: bare(v) for k, v in kwargs.items()}))

    return method


for _name in ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift"]:
    for _kind in ("", "r", "i"):
        setattr(ndarray, f"__{_kind}{_name}__", _operator(f"__{_kind}{_name}__"))
for _name in ["eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "abs", "invert"]:
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
for _name in [
    "astype",
    "reshape",
    "ravel",
    "flatten",
    "sum",
    "max",
    "min",
    "any",
    "all",
    "copy",
    "argmax",
    "mean",
    "prod",
    "cumsum",
    "transpose",
    "squeeze",
    "view",
    "nonzero",
]:
    setattr(ndarray, _name, _method(_name))
ndarray.__module__ = "cupy"
ndarray.__hash__ = None


def bare(value):
    """The NumPy array behind a fake one, in tuples and lists, too."""
    if isinstance(value, (tuple, list)):
        return type(value)(bare(item) for item in value)
    return value._host if isinstance(value, ndarray) else value


def wrapped(value):
    """Every result that NumPy gives is an array on the GPU: a sum is one of no dimensions."""
    if isinstance(value, tuple):
        return tuple(wrapped(item) for item in value)
    if isinstance(value, (np.ndarray, np.generic)):
        array = ndarray.__new__(ndarray)
        array._host = np.asarray(value)
        return array
    return value


def _function(name: str):
    numpys = getattr(np, name)
    creates = name in ("asarray", "ascontiguousarray")

    @functools.wraps(numpys)
    def call(*args, **kwargs):
        if not creates and any(isinstance(a, np.ndarray) and a.ndim for a in args):
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        if creates and isinstance(args[0], np.ndarray):  # a copy: the GPU has a memory of its own
            return wrapped(np.array(args[0], *args[1:], **kwargs, order="C"))
        return wrapped(numpys(*bare(args), **{key: bare(value) for key, value in kwargs.items()}))

    return call


# ---------------------------------------------------------------- kernels
class CompileException(Exception):  # noqa: N818 - its name in CuPy
    """What NVRTC says."""


class CUDADriverError(RuntimeError):
    """A name that a module lacks."""


class RawModule:
    """As in raw.pyx: keywords alone, tuples, compiled when first needed."""

    def __init__(self, *, code: str, options: tuple = (), name_expressions=None):
        if type(code) is not str or type(options) is not tuple:
            raise TypeError("Argument 'code' has to be str, and 'options' tuple")
        self._code, self._options = code, options
        self._names = None if name_expressions is None else tuple(name_expressions)
        self._compiled = None

    def compile(self, log_stream=None) -> None:
        if "nvrtc: refuse" in self._code:
            raise CompileException('/tmp/x/3f.cubin.cu(3): error: identifier "two" is undefined\n    *y = two;\n')
        self._compiled = CpuModule(self._code, self._names or (), self._options, "fast")

    def get_function(self, name: str) -> RawKernel:
        if self._compiled is None:
            self.compile()
        if name not in self._compiled.numbers:
            raise CUDADriverError("CUDA_ERROR_NOT_FOUND: named symbol not found")
        return RawKernel(self._compiled, name)

    def get_global(self, name: str) -> MemoryPointer:
        found = self._compiled.library.variables().get(name)
        if found is None:
            raise CUDADriverError("CUDA_ERROR_NOT_FOUND: named symbol not found")
        return MemoryPointer(found.address)


class RawKernel:
    """As in function.pyx: what is given is handed over byte by byte, and nothing is looked at."""

    def __init__(self, module: CpuModule, name: str):
        self._module, self._call = module, module.library.address_of(f"segedu_call_{module.numbers[name]}")

    def __call__(self, grid: tuple, block: tuple, args: tuple, *, shared_mem: int = 0, stream=None) -> None:
        if not all(type(value) is tuple for value in (grid, block)):
            raise TypeError("Argument 'grid' has incorrect type (expected tuple)")
        kept = [self._pointer(value) for value in args]
        pointers = (c.c_void_p * max(1, len(kept)))(*[c.addressof(value) for value in kept])
        fault, table = Fault(), GlobalArray()
        launch = Launch(
            call=self._call,
            arguments=c.addressof(pointers),
            grid=(c.c_uint32 * 3)(*(*grid, 1, 1)[:3]),
            block=(c.c_uint32 * 3)(*(*block, 1, 1)[:3]),
            dynamic_bytes=shared_mem,
            max_steps=10**8,
            arrays=c.addressof(table),
            fault=c.addressof(fault),
        )
        self._module.library.launch(launch)
        assert PROBLEMS[fault.problem] == "none"

    @staticmethod
    def _pointer(value) -> c.Array | c.c_void_p:
        if value is None:
            return c.c_void_p(0)
        if isinstance(value, (ndarray, MemoryPointer)):
            return c.c_void_p((value.data if isinstance(value, ndarray) else value).ptr)
        if isinstance(value, np.ndarray):
            if value.size != 1:
                raise TypeError(f"You are trying to pass a numpy.ndarray of shape {value.shape} as a kernel parameter")
            data = value.tobytes()
        elif isinstance(value, np.generic):
            data = value.tobytes()
        elif type(value) in (bool, int, float):
            data = np.array(value, {bool: np.bool_, int: np.int64, float: np.float64}[type(value)]).tobytes()
        else:
            raise TypeError(f"Unsupported type {type(value)}")
        return (c.c_char * max(8, len(data))).from_buffer_copy(data.ljust(8, b"\xcb"))


# ---------------------------------------------------------------- the module
MODULE = types.ModuleType("cupy")
for _name in FUNCTIONS:
    setattr(MODULE, _name, _function(_name))
MODULE.ndarray, MODULE.RawModule = ndarray, RawModule
MODULE.cuda = types.SimpleNamespace(
    compiler=types.SimpleNamespace(CompileException=CompileException),
    driver=types.SimpleNamespace(CUDADriverError=CUDADriverError),
    runtime=types.SimpleNamespace(getDeviceCount=lambda: 1),
)

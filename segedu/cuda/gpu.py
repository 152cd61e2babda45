"""`RawModule` on a GPU: CuPy's, with NumPy arguments copied there and back, and arguments checked as on the CPU.

CuPy hands arguments over as they are: a Python float is 8 bytes, which a `float` would misread, and the strides of a
view are lost. What can be read from the source (plain types, those of a template's instance, `typedef`s) is therefore
checked first. Kernels run in CuPy's current stream, on its current device, and a launch does not wait for its end
unless NumPy arrays have to be copied back: mistakes, and what printf writes, show when something waits.
CuPy compiles with -ftz=true: float32 numbers below 1.2e-38 count as zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from segedu.cuda.arguments import Parameter, check_array, check_count, check_sizes, scalar, triple
from segedu.cuda.compiler import explain
from segedu.cuda.launcher import missing_kernel, overlapping
from segedu.cuda.source import KernelSource, base_name, find_kernels, template_arguments, without_comments

TYPES = {"bool": "?", "char": "b", "short": "h", "int": "i", "long long": "q", "float": "f", "double": "d", "void": "v"}
TYPES |= {"signed char": "b", "unsigned char": "B", "unsigned short": "H", "unsigned": "I", "unsigned int": "I"}
TYPES |= {"unsigned long long": "Q", "size_t": "Q", "long long int": "q"}
VECTOR = re.compile(r"(u?)(char|short|int|longlong|float|double)([1-4])$")
TYPEDEF = re.compile(r"\btypedef\s+([\w\s]+?)\s+(\w+)\s*;|\busing\s+(\w+)\s*=\s*([\w\s]+?)\s*;")


def parameters_of(kernel: KernelSource, name: str = "", code: str = "") -> list[Parameter]:
    """What can be read from the source of the kernel called `name`; a type that is not understood has code "x".

    >>> source = "template <typename T> __global__ void fill(T* y, T value) {}"
    >>> [parameter.code for parameter in parameters_of(find_kernels(source)["fill"], "fill<double>", source)]
    ['d', 'd']
    """
    meaning = {a or d: b or c for b, a, d, c in TYPEDEF.findall(without_comments(code))}
    meaning |= dict(zip(kernel.template, template_arguments(name), strict=False))
    pairs = zip(kernel.parameters, kernel.types, strict=True)
    return [_parameter(parameter, kind, meaning) for parameter, kind in pairs]


def _parameter(name: str, kind: str, meaning: dict[str, str]) -> Parameter:
    words = kind.rstrip("* ").split()
    plain = " ".join(word for word in words if word not in ("const", "volatile"))
    is_const = "const" in words
    if not kind.endswith("*"):
        return Parameter(name, "V", TYPES.get(meaning.get(plain, plain), "x"))
    code, lanes = _pointed(meaning.get(plain, plain)) if kind.count("*") == 1 else ("x", 1)
    return Parameter(name, "C" if is_const else "P", code, lanes)


def _pointed(kind: str) -> tuple[str, int]:
    """The NumPy letter of a type, and how many of them it is: ("f", 4) for float4."""
    vector = VECTOR.match(kind)
    if not vector:
        return TYPES.get(kind, "x"), 1
    unsigned, base, lanes = vector.groups()
    name = {"longlong": "long long", "char": "signed char"}.get(base, base)
    return TYPES[f"unsigned {name.removeprefix('signed ')}" if unsigned else name], int(lanes)


class GpuModule:
    """A source compiled by NVRTC through CuPy."""

    def __init__(self, code: str, name_expressions: Sequence[str] = (), options: Sequence[str] = ()):
        import cupy

        options = tuple(options) if any("std=" in option for option in options) else ("-std=c++17", *options)
        self.code, self.kernels = code, find_kernels(code)
        self.module = cupy.RawModule(
            code=without_comments(code),  # CuPy writes it to a file in the system's encoding, which may lack letters
            options=options,
            name_expressions=tuple(name_expressions) or None,
        )
        try:
            self.module.compile()
        except cupy.cuda.compiler.CompileException as error:
            raise explain(str(error), code) from None

    def get_function(self, name: str) -> GpuKernel:
        import cupy

        kernel = self.kernels.get(base_name(name))
        try:
            function = self.module.get_function(name)
        except cupy.cuda.driver.CUDADriverError as error:
            raise KeyError(missing_kernel(name, self.kernels)) from error
        return GpuKernel(function, name, parameters_of(kernel, name, self.code) if kernel else None)

    def get_global(self, name: str) -> GpuVariable:
        import cupy

        try:
            return GpuVariable(self.module.get_global(name), name, self.code)
        except cupy.cuda.driver.CUDADriverError as error:
            raise KeyError(f"no __constant__ or __device__ variable {name!r}") from error


class GpuKernel:
    """A kernel on the GPU; call it as `kernel(grid, block, args, shared_mem=0)`. NumPy arrays are copied there and
    back. `parameters` is None where the source does not show them, as of a kernel that a macro makes."""

    def __init__(self, function, name: str, parameters: list[Parameter] | None):
        self.function, self.name, self.parameters = function, name, parameters

    def __call__(self, grid, block, args, *, shared_mem: int = 0, order=None, max_steps=None, time_limit=None) -> None:
        """Launch the kernel; `order`, `max_steps` and `time_limit` mean something on the CPU only."""
        grid, block = triple("grid", grid), triple("block", block)
        check_sizes(grid, block, shared_mem)
        if self.parameters is not None:
            self._check(args)
        copies = Copies(host for host, kind in self._with_kinds(args) if kind != "V" and isinstance(host, np.ndarray))
        ready = tuple(
            _by_value(value) if kind == "V" else copies.on_the_gpu(value) for value, kind in self._with_kinds(args)
        )
        self.function(grid, block, ready, shared_mem=shared_mem)
        copies.fetch(value for value, kind in self._with_kinds(args) if kind == "P")

    def _with_kinds(self, args: Sequence) -> Iterator[tuple[object, str]]:
        """Each argument and whether it is a pointer ("P"), one to const ("C") or a value ("V")."""
        for i, value in enumerate(args):
            if self.parameters is not None:
                yield value, self.parameters[i].kind
            else:  # an array is passed by pointer, a structure by value
                yield value, "P" if getattr(value, "ndim", 0) and value.dtype.names is None else "V"

    def _check(self, args: Sequence) -> None:
        check_count(self.name, self.parameters, args)
        for i, (parameter, value) in enumerate(zip(self.parameters, args, strict=True)):
            if parameter.is_pointer:
                check_array(self.name, i, parameter, value)
            elif parameter.code != "x":
                scalar(self.name, i, parameter, value)


def _by_value(value: object) -> object:
    """As CuPy takes a number or a structure: an array of one element, of as many bytes."""
    if isinstance(value, bytes) or (isinstance(value, np.ndarray) and (value.size != 1 or value.dtype.names is None)):
        data = value if isinstance(value, bytes) else value.tobytes()
        return np.frombuffer(data, np.dtype((np.void, len(data))))
    return value


class Copies:
    """The NumPy arrays of one launch on the GPU: an array that is passed twice is one array there, too.

    Raises:
        ValueError: two arrays share a part of their memory, which separate copies cannot.
    """

    def __init__(self, hosts: Iterator[np.ndarray]):
        self._copies: dict[tuple, tuple[np.ndarray, object]] = {}
        for host in hosts:
            self._copies.setdefault(self._key(host), (host, None))
        different = [host for host, _ in self._copies.values() if host.nbytes]
        if len(overlapping(different)) < len(different):
            raise ValueError(
                "two of the NumPy arrays share memory, and on the GPU they would be copies that do not:"
                " pass a copy of one (x.copy()), or slices of one CuPy array"
            )

    def on_the_gpu(self, value: object) -> object:
        """The array's copy; any other argument, a CuPy array or None, as it is."""
        if not isinstance(value, np.ndarray):
            return value
        import cupy

        host, copy = self._copies[self._key(value)]
        if copy is None:
            copy = cupy.asarray(value)
            self._copies[self._key(value)] = host, copy
        return copy

    def fetch(self, values: Iterator[object]) -> None:
        """Bring back what the kernel may have written; this waits for its end."""
        for value in values:
            if isinstance(value, np.ndarray) and value.flags.writeable:
                value[...] = self.on_the_gpu(value).get()

    @staticmethod
    def _key(host: np.ndarray) -> tuple:
        return host.ctypes.data, host.dtype.str, host.shape


class GpuVariable:
    """A `__constant__` or `__device__` variable on the GPU: `set` gives it values, `get` reads them."""

    def __init__(self, pointer, name: str, code: str):
        self._pointer, self._name = pointer, name
        self._declared = self._declaration(without_comments(code))

    def _declaration(self, code: str) -> tuple[tuple[int, ...], np.dtype] | None:
        """Shape and dtype, where the declaration gives them as plain numbers and a plain type."""
        match = re.search(rf"([\w ]+?)\s+{re.escape(self._name)}\s*((?:\[\s*\d+\s*\]\s*)*)\s*[;=]", code)
        dropped = ("const", "static", "volatile", "extern")
        words = [w for w in match.group(1).split() if not w.startswith("__") and w not in dropped] if match else []
        kind = TYPES.get(" ".join(words), "v")
        return (tuple(map(int, re.findall(r"\d+", match.group(2)))), np.dtype(kind)) if kind != "v" else None

    def set(self, values) -> None:
        """Give the variable these values.

        Raises:
            ValueError: the declaration says another type or size.
        """
        import cupy

        values = np.ascontiguousarray(values)
        if self._declared is not None:
            shape, dtype = self._declared
            if values.dtype != dtype or values.size != int(np.prod(shape)):
                have, want = f"{values.dtype.name} {values.shape}", f"{dtype.name} {shape}"
                raise ValueError(f"the variable is {want}, and the values are {have}")
        data = np.frombuffer(values.tobytes(), np.uint8)  # structures, too
        cupy.ndarray(data.shape, np.uint8, self._pointer).set(data)

    def get(self) -> np.ndarray:
        """Its values.

        Raises:
            ValueError: the declaration does not give type and sizes plainly.
        """
        import cupy

        if self._declared is None:
            raise ValueError(f"type and size of {self._name} cannot be read from its declaration")
        shape, dtype = self._declared
        return cupy.ndarray(shape, dtype, self._pointer).get()

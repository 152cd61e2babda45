"""`RawModule` on a GPU: CuPy's, with NumPy arguments copied there and back."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from segedu.cuda.arguments import Parameter, check_array, check_count, check_sizes, scalar, triple
from segedu.cuda.launcher import missing_kernel
from segedu.cuda.source import KernelSource, find_kernels, without_comments

TYPES = {"bool": "?", "char": "b", "short": "h", "int": "i", "long long": "q", "float": "f", "double": "d", "void": "v"}
TYPES |= {"signed char": "b", "unsigned char": "B", "unsigned short": "H", "unsigned": "I", "unsigned int": "I"}
TYPES |= {"unsigned long long": "Q", "size_t": "Q"}


def parameters_of(kernel: KernelSource) -> list[Parameter]:
    """What can be read from the source; a type that is no plain one (a template's, a structure) has code "x"."""
    return [_parameter(name, kind) for name, kind in zip(kernel.parameters, kernel.types, strict=True)]


def _parameter(name: str, kind: str) -> Parameter:
    pointer = kind.endswith("*")
    words = kind.rstrip("* ").split()
    code = TYPES.get(" ".join(word for word in words if word not in ("const", "volatile")), "x")
    return Parameter(name, ("C" if "const" in words else "P") if pointer else "V", code)


class GpuModule:
    """A source compiled by NVRTC through CuPy."""

    def __init__(self, code: str, name_expressions: Sequence[str] = (), options: Sequence[str] = ()):
        import cupy

        options = tuple(options) if any("std=" in option for option in options) else ("-std=c++17", *options)
        self.code, self.kernels = code, find_kernels(code)
        self.module = cupy.RawModule(code=code, options=options, name_expressions=tuple(name_expressions) or None)

    def get_function(self, name: str) -> GpuKernel:
        base = name.replace(" ", "").split("<")[0].split("::")[-1]
        kernel = self.kernels.get(base)
        try:
            return GpuKernel(self.module.get_function(name), name, parameters_of(kernel) if kernel else None)
        except Exception as error:
            if kernel is None or ("<" not in name and (kernel.is_template or not kernel.is_extern_c)):
                raise KeyError(missing_kernel(name, self.kernels)) from error
            raise

    def get_global(self, name: str) -> GpuVariable:
        return GpuVariable(self.module, name, self.code)


class GpuKernel:
    """A kernel on the GPU; call it as `kernel(grid, block, args, shared_mem=0)`. NumPy arrays are copied there and
    back."""

    def __init__(self, function, name: str, parameters: list[Parameter] | None):
        self.function, self.name, self.parameters = function, name, parameters

    def __call__(self, grid, block, args, *, shared_mem: int = 0, **only_on_the_cpu) -> None:
        import cupy

        grid, block = triple("grid", grid), triple("block", block)
        check_sizes(grid, block, shared_mem)
        if self.parameters is not None:
            self._check(args)
        device = [cupy.asarray(value) if _is_host_array(value) else value for value in args]
        self.function(grid, block, tuple(device), shared_mem=shared_mem)
        cupy.cuda.get_current_stream().synchronize()
        for i, (value, copy) in enumerate(zip(args, device, strict=True)):
            constant = self.parameters is not None and self.parameters[i].kind == "C"
            if _is_host_array(value) and value.flags.writeable and not constant:
                value[...] = copy.get()

    def _check(self, args: Sequence) -> None:
        check_count(self.name, self.parameters, args)
        for i, (parameter, value) in enumerate(zip(self.parameters, args, strict=True)):
            if parameter.is_pointer:
                check_array(self.name, i, parameter, value)
            elif parameter.code != "x":
                scalar(self.name, i, parameter, value)


def _is_host_array(value) -> bool:
    """Whether it has to be copied to the GPU. A structure, passed by value, is an array too: CuPy takes it as it is."""
    return isinstance(value, np.ndarray) and value.dtype.names is None


class GpuVariable:
    """A `__constant__` or `__device__` variable on the GPU: `set` gives it values, `get` reads them."""

    def __init__(self, module, name: str, code: str):
        self._pointer, self._name, self._code = module.get_global(name), name, code

    def set(self, values) -> None:
        import cupy

        values = np.ascontiguousarray(values)
        cupy.ndarray(values.shape, values.dtype, self._pointer)[...] = cupy.asarray(values)

    def get(self) -> np.ndarray:
        """Its values, where the declaration gives the sizes as plain numbers."""
        import cupy

        clean = without_comments(self._code)
        match = re.search(rf"([\w ]+?)\s+{re.escape(self._name)}\s*((?:\[\s*\d+\s*\]\s*)*)\s*[;=]", clean)
        if not match:
            raise ValueError(f"the size of {self._name} cannot be read from its declaration")
        words = [
            w
            for w in match.group(1).split()
            if not w.startswith("__") and w not in ("const", "static", "volatile", "extern")
        ]
        shape = tuple(int(n) for n in re.findall(r"\d+", match.group(2)))
        return cupy.ndarray(shape, np.dtype(TYPES[" ".join(words)]), self._pointer).get()

"""`RawModule`: one call syntax for the GPU and for the CPU."""

from __future__ import annotations

from collections.abc import Sequence

from segedu.cuda.arrays import gpu_available

MODES = ("auto", "gpu", "check", "fast")


class RawModule:
    """CUDA C source, compiled: on a GPU by CuPy, else by the machine's C++ compiler.

    `mode` is "auto" (the GPU where there is one, else "check"; for the operators of `segedu.cuda_ops` it is "fast"),
    "gpu", "check" (on the CPU, mistakes are found and explained) or "fast" (on the CPU, unchecked). `name_expressions`
    names the instances of templates, `options` are the compiler's (`-DTILE=16`).

    Raises:
        CompileError: the source is wrong; the message names the line.
        CompilerNotFound, CacheError: see there.

    >>> import numpy as np
    >>> module = RawModule('extern "C" __global__ void twice(float* x) { x[threadIdx.x] *= 2; }', mode="check")
    >>> x = np.array([1, 2, 3], np.float32)
    >>> module.get_function("twice")((1,), (3,), (x,))
    >>> x.tolist()
    [2.0, 4.0, 6.0]
    """

    def __init__(
        self, code: str, name_expressions: Sequence[str] = (), options: Sequence[str] = (), mode: str = "auto"
    ):
        if mode not in MODES:
            raise ValueError(f"mode={mode!r} must be one of {', '.join(MODES)}")
        self.code, self._names = code, tuple(name_expressions or ())
        self.mode = mode if mode != "auto" else "gpu" if gpu_available() else "check"
        if self.mode == "gpu":
            from segedu.cuda.gpu import GpuModule

            self._module = GpuModule(code, self._names, options)
        else:
            from segedu.cuda.launcher import CpuModule

            self._module = CpuModule(code, self._names, options, self.mode)

    def get_function(self, name: str):
        """The kernel of that name. Call it as `kernel(grid, block, args, shared_mem=0)`.

        NumPy arrays hold its results afterwards. On the CPU it also takes `order` ("forward" or "reverse": in which
        order the threads run), `max_steps` (of one thread, before it counts as endless) and `time_limit` in seconds.

        Raises:
            KeyError: there is no such kernel, or it is a template, or its name is a C++ name.
        """
        return self._module.get_function(name)

    @property
    def kernel_names(self) -> list[str]:
        """The names that `get_function` knows."""
        kernels = self._module.kernels.values()
        return [kernel.name for kernel in kernels if kernel.is_extern_c and not kernel.is_template] + list(self._names)

    def get_global(self, name: str):
        """A `__constant__` or `__device__` variable, with `set(values)` and `get()`.

        Raises:
            KeyError: there is no such variable.
        """
        return self._module.get_global(name)

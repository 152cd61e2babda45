"""Runs CUDA C: on an NVIDIA GPU through CuPy, and without one on the CPU, where mistakes are found and explained.

    module = cuda.RawModule(source)                      # the GPU where there is one, else mode="check"
    y = cuda.empty((16, 16))                             # NumPy's or CuPy's; the checker knows it is empty
    module.get_function("pool")((2, 2), (8, 8), (x, y))  # grid, block, arguments: as in CuPy

**What is the same.** The source, unmodified, and the call are CuPy's. NumPy arrays are copied to the GPU and back. The
GPU path checks count, types and layout of the arguments first, which CuPy does not.

**How the CPU runs a kernel.** The machine's C++ compiler (g++, clang++ or the `ziglang` wheel) compiles the source
against `runtime/shim.h`, which sees no system header, as NVRTC sees none. One CPU thread runs the blocks one after
another, and the threads of a block one after another until one has to wait for the others: at a barrier, in a warp
operation.

**What mode="check" finds**, always with kernel, thread, block, line and, where there is one, array and index:

* accesses outside of global, shared and constant memory, `__device__` variables and local arrays
* vector accesses at misaligned addresses (with g++; clang loads such vectors one number at a time)
* reads of what nobody wrote: shared memory, arrays from `cuda.empty`, local variables (when compiling)
* data races within a block and between blocks; a barrier, `__syncwarp()`, or `__threadfence()` with an atomic, orders
* barriers and warp operations that not all threads reach, wrong masks, shuffles from lanes that take no part
* integer division by zero, failed assertions, endless loops, stack overflow, writes to constant arrays
* wrong counts, types, layouts and sizes of arguments, blocks and shared memory

The compiler calls the checker before each load and store (`-fsanitize=thread`, whose library is replaced by ours), and
each call is given the number of its source line (`assembly.py`). The checker remembers of each element who wrote it and
who read it last, and when.

**What it cannot know.** It sees one order of threads at a time: `order="reverse"` shows another, and a race is found in
any order in which both accesses happen. Pointers past a local array are not followed, only its indices. A block that
waits for a later block waits for ever. Two threads that write the same value to an element count as a race. Speed,
caches, half precision, cooperative groups, tensor cores, dynamic allocation and streams are not modelled; `__expf` and
its kin are exact. `mode="fast"` checks nothing.

**Tested** on Linux and x86-64 with g++ 12 and zig 0.17. For macOS, Windows and Linux on aarch64 kernels and runtime
compile and link, and never ran; on Windows a crash is not guarded against. The GPU path was not run either. `profile`
counts loads, stores, sectors and bank conflicts; `%load_ext segedu.cuda` gives notebooks the `%%cuda` magic. Compiled
kernels are kept in the user's cache, or in $SEGEDU_CACHE; $SEGEDU_CXX names another compiler.
"""

from segedu.cuda.arrays import empty, gpu_available
from segedu.cuda.errors import CacheError, CompileError, CompilerNotFound, CudaError, KernelError
from segedu.cuda.module import RawModule

__all__ = [
    "CacheError",
    "CompileError",
    "CompilerNotFound",
    "CudaError",
    "KernelError",
    "RawModule",
    "empty",
    "gpu_available",
    "profile",
    "xp",
]


def __getattr__(name: str):
    """`xp` asks for a GPU, and `profile` is rarely needed: both wait until they are used."""
    if name == "xp":
        from segedu.cuda.arrays import xp

        return xp()
    if name == "profile":
        import importlib

        return importlib.import_module("segedu.cuda.profiling").profile
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load_ipython_extension(ipython) -> None:
    """What `%load_ext segedu.cuda` calls."""
    from segedu.cuda.magic import register

    register(ipython)

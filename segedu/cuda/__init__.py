"""Runs CUDA C: on an NVIDIA GPU through CuPy, and without one on the CPU, where mistakes are found and explained."""

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
    "xp",
]


def __getattr__(name: str):
    if name == "xp":
        from segedu.cuda.arrays import xp

        return xp()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

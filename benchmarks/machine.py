"""What this machine is, and how fast it can be at best: the roof that the operators are compared with."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import torch
from threadpoolctl import threadpool_info

Clock = Callable[[], float]

# glibc keeps memory that was freed instead of giving it back to the system page by page: fair to both sides.
KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
    "MALLOC_TOP_PAD_": str(64 * 2**20),
}
FORCED_KERNELS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def is_glibc() -> bool:
    """Whether malloc is glibc's, which the variables of KEEP_MEMORY steer."""
    return platform.system() == "Linux" and platform.libc_ver()[0] == "glibc"


def malloc_setting(environment: Mapping[str, str] = os.environ) -> str:
    """How malloc treats freed memory: "keeps memory" (tuned) or "as it comes"."""
    return "keeps memory" if is_glibc() and KEEP_MEMORY.items() <= environment.items() else "as it comes"


def cpu_name() -> str:
    """The model name of the CPU."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def describe() -> dict:
    """The machine, without its name: CPU, cores, memory, system."""
    return {
        "cpu": cpu_name(),
        "architecture": platform.machine(),
        "cores": psutil.cpu_count(logical=False) or os.cpu_count(),
        "logical_cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
    }


def versions() -> dict:
    """Versions of what was compared."""
    return {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}


def blas(environment: Mapping[str, str] = os.environ) -> dict:
    """The BLAS under NumPy and the kernels it picked for this CPU, and which variables forced or would force them."""
    np.ones((2, 2)) @ np.ones((2, 2))  # loads the library
    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    library = next((one for one in found if "numpy" in one["filepath"]), found[0] if found else {})
    return {
        "library": library.get("internal_api"),
        "version": library.get("version"),
        "kernel": library.get("architecture"),
        "forced": {name: environment[name] for name in FORCED_KERNELS if name in environment},
    }


def load() -> float | None:
    """How many processes ran at a time, on average over the last minute; None where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def copy_bandwidth(threads: int, clock: Clock = time.perf_counter, megabytes: int = 256, repeat: int = 7) -> float:
    """Bytes a second that a copy reads and writes, arrays far larger than the caches; the best of `repeat`."""
    source = np.random.default_rng(0).standard_normal(megabytes * 2**20 // 4, dtype=np.float32)
    target = np.empty_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:
        seconds = _fastest(lambda: list(pool.map(lambda pair: np.copyto(*pair), parts)), repeat, clock)
    return 2 * source.nbytes / seconds


def sgemm_rate(clock: Clock = time.perf_counter, size: int = 2048, repeat: int = 7) -> float:
    """Floating-point operations a second of NumPy's float32 matrix product; the best of `repeat`."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, size, size), dtype=np.float32)
    return 2 * size**3 / _fastest(lambda: a @ b, repeat, clock)


def _fastest(call: Callable[[], object], repeat: int, clock: Clock) -> float:
    call()
    seconds = []
    for _ in range(repeat):
        start = clock()
        call()
        seconds.append(clock() - start)
    return min(seconds)

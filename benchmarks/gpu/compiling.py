"""How long it takes from a source to a kernel, and to check a convolution on the CPU."""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.gpu.setting import Setting
from segedu import cuda

SMALL = 'extern "C" __global__ void k(float* y, int n) { int i = threadIdx.x; if (i < n) y[i] *= 2; }'
CONVOLUTION = """
extern "C" __global__ void k(const float* x, const float* w, float* y, int channels, int H, int W) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, r = blockIdx.y * blockDim.y + threadIdx.y, o = blockIdx.z;
    float sum = 0;
    for (int k = 0; k < channels; ++k)
        for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 3; ++j) {
                int row = r + i - 1, column = c + j - 1;
                if (row >= 0 && row < H && column >= 0 && column < W)
                    sum += x[(k * H + row) * W + column] * w[((o * channels + k) * 3 + i) * 3 + j];
            }
    y[(o * H + r) * W + c] = sum;
}"""


def measure(s: Setting) -> dict:
    """Seconds to compile a small kernel that no cache knows, and to take it from the cache; in every mode there is.

    On the CPU also those of a checked 3×3 convolution, 16 channels to 16 of 64×64 pixels.
    """
    modes = ["check", "fast"] + ([] if s.dry else ["gpu"])
    cuda.RawModule(SMALL, mode="check"), cuda.RawModule(SMALL, mode="fast")  # the runtime is compiled once for all
    rows = []
    for mode in modes:
        first = [_seconds(lambda mode=mode: _compiled(SMALL + _unique(), mode)) for _ in range(s.repeat)]
        known = SMALL + _unique()
        _compiled(known, mode)
        again = [_seconds(lambda mode=mode, known=known: _compiled(known, mode)) for _ in range(s.repeat)]
        rows.append({"mode": mode, "compile_s": statistics.median(first), "cached_s": statistics.median(again)})
        s.say(f"  mode {mode}: {rows[-1]['compile_s']:.3f} s to compile, {rows[-1]['cached_s']:.4f} s from the cache")
    checked = checked_convolution(1 if s.dry else 3)
    s.say(f"  a checked convolution: {checked:.3f} s")
    return {"compiler": _compiler(), "modes": rows, "checked_convolution_s": checked, "ok": True, "complete": True}


def checked_convolution(repeat: int = 3) -> float:
    """Seconds of processor time, the best of `repeat`."""
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape, dtype=np.float32) for shape in ((16, 64, 64), (16, 16, 3, 3)))
    kernel = cuda.RawModule(CONVOLUTION, mode="check").get_function("k")
    y = np.zeros((16, 64, 64), np.float32)
    run = lambda: kernel((4, 4, 16), (16, 16), (x, w, y, 16, 64, 64))  # noqa: E731
    return min(_seconds(run, time.process_time) for _ in range(repeat))


def _compiled(source: str, mode: str) -> None:
    cuda.RawModule(source, mode=mode).get_function("k")


def _unique() -> str:
    """What makes a source one that no cache knows."""
    return f"\n__device__ inline int unique_{secrets.token_hex(8)}() {{ return 0; }}\n"


def _seconds(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    call()
    return clock() - started


def _compiler() -> str:
    from segedu.cuda.compiler import find_compiler

    return " ".join(find_compiler()).rpartition("/")[2]

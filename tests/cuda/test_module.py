"""A kernel from source to result: compiled, launched, checked."""

import subprocess
import sys

import numpy as np
import pytest

from segedu import cuda
from segedu.cuda import RawModule
from tests.cuda.kernels import both_orders, error_of, every_mode, floats, needs_compiler

pytestmark = needs_compiler

POOL = """
extern "C" __global__ void max_pool(const float* x, float* y, int height, int width) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    int row = blockIdx.y * blockDim.y + threadIdx.y;
    float best = x[2 * row * width + 2 * column];
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j)
            best = fmaxf(best, x[(2 * row + i) * width + 2 * column + j]);
    y[row * (width / 2) + column] = best;
}
"""


@every_mode
@both_orders
def test_a_pooling_kernel_finds_the_maxima(rng, mode, order):
    x, y = floats(rng, 32, 48), cuda.empty((16, 24))
    RawModule(POOL, mode=mode).get_function("max_pool")((3, 2), (8, 8), (x, y, 32, 48), order=order)
    np.testing.assert_array_equal(y, x.reshape(16, 2, 24, 2).max(axis=(1, 3)))


def test_an_index_past_the_end_is_named_with_thread_block_array_and_line(rng):
    x, y = floats(rng, 32, 32), cuda.empty((16, 16))
    error = error_of(RawModule(POOL, mode="check").get_function("max_pool"), (2, 2), (8, 9), (x, y, 32, 32))
    assert (error.problem, error.kernel, error.line, error.array, error.index) == (
        "out of bounds",
        "max_pool",
        5,
        "x",
        1024,
    )
    assert (error.thread, error.block) == ((0, 7, 0), (0, 1, 0))
    assert "float best = x[2 * row * width + 2 * column];" in str(error)
    assert "Test the index first" in str(error)


def test_the_input_is_never_changed(rng):
    x, y = floats(rng, 32, 32), cuda.empty((16, 16))
    before = x.copy()
    RawModule(POOL, mode="check").get_function("max_pool")((2, 2), (8, 8), (x, y, 32, 32))
    np.testing.assert_array_equal(x, before)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="mode='slow' must be one of"):
        RawModule(POOL, mode="slow")


def test_a_kernel_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(KeyError, match="no kernel 'pool' in this source; there are: max_pool"):
        RawModule(POOL, mode="check").get_function("pool")


def test_the_package_is_imported_without_cupy_compiler_and_ipython():
    code = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"cupy", "IPython", "matplotlib", "ziglang"}:
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
from segedu import cuda
print(cuda.xp.__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PATH": ""}, check=False)
    assert done.stdout.strip() in ("numpy", "cupy"), done.stderr

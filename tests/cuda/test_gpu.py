"""The same kernels on a real GPU, through CuPy."""

import numpy as np
import pytest

from segedu import cuda
from segedu.cuda import RawModule
from tests.cuda.kernels import floats
from tests.cuda.test_module import POOL
from tests.cuda.test_right_programs import LAST_BLOCK

pytestmark = pytest.mark.gpu


def test_numpy_arrays_are_copied_there_and_back(rng):
    x, y = floats(rng, 32, 48), np.zeros((16, 24), np.float32)
    RawModule(POOL).get_function("max_pool")((3, 2), (8, 8), (x, y, 32, 48))
    np.testing.assert_array_equal(y, x.reshape(16, 2, 24, 2).max(axis=(1, 3)))


def test_cupy_arrays_stay_there(rng):
    x, y = cuda.xp.asarray(floats(rng, 32, 48)), cuda.empty((16, 24))
    RawModule(POOL).get_function("max_pool")((3, 2), (8, 8), (x, y, 32, 48))
    np.testing.assert_array_equal(y.get(), x.get().reshape(16, 2, 24, 2).max(axis=(1, 3)))


def test_the_checker_runs_beside_the_gpu_on_cupy_arrays(rng):
    x, y = cuda.xp.asarray(floats(rng, 32, 48)), cuda.xp.zeros((16, 24), np.float32)
    RawModule(POOL, mode="check").get_function("max_pool")((3, 2), (8, 8), (x, y, 32, 48))
    np.testing.assert_array_equal(y.get(), x.get().reshape(16, 2, 24, 2).max(axis=(1, 3)))


def test_the_last_block_adds_up_what_the_others_left(rng):
    x, part, y = floats(rng, 9, 32), np.zeros(9, np.float32), np.zeros(1, np.float32)
    RawModule(LAST_BLOCK).get_function("k")((9,), (32,), (x, part, y))
    np.testing.assert_allclose(y[0], x.sum(), rtol=1e-4, atol=1e-4)


def test_constant_memory_takes_values(rng):
    source = '__constant__ float w[4]; extern "C" __global__ void k(float* y) { y[threadIdx.x] = w[threadIdx.x]; }'
    module, w, y = RawModule(source), floats(rng, 4), np.zeros(4, np.float32)
    module.get_global("w").set(w)
    module.get_function("k")((1,), (4,), (y,))
    np.testing.assert_array_equal(y, w)
    np.testing.assert_array_equal(module.get_global("w").get(), w)


def test_arguments_are_checked_before_they_reach_the_gpu():
    kernel = RawModule(POOL).get_function("max_pool")
    with pytest.raises(TypeError, match="points to float32, and the array holds float64"):
        kernel((1,), (1,), (np.ones(4), np.zeros(1, np.float32), 2, 2))

"""What is handed to CuPy: the lines that run on a GPU, over a stand-in that refuses what CuPy refuses."""

import numpy as np
import pytest

from segedu.cuda import CompileError, RawModule
from tests.cuda.kernels import floats, needs_compiler
from tests.cuda.test_module import POOL

pytestmark = [needs_compiler, pytest.mark.usefixtures("cupy")]

SCALE = """
template <typename T, int N>
__global__ void scale(const T* x, T* y, T factor, int n) {
    for (int i = threadIdx.x; i < n; i += N) y[i] = factor * x[i];
}"""


def gpu(source: str, name: str = "k", names: tuple = ()):
    return RawModule(source, names, mode="gpu").get_function(name)


def test_numpy_arrays_come_back_and_cupy_arrays_stay(rng, cupy):
    x, y = floats(rng, 32, 48), np.zeros((16, 24), np.float32)
    expected = x.reshape(16, 2, 24, 2).max(axis=(1, 3))
    pool = gpu(POOL, "max_pool")
    pool((3, 2), (8, 8), (x, y, 32, 48))
    np.testing.assert_array_equal(y, expected)
    there = cupy.zeros((16, 24), np.float32)
    pool((3, 2), (8, 8), (cupy.asarray(x), there, 32, 48))
    np.testing.assert_array_equal(there.get(), expected)


def test_nothing_waits_unless_numpy_arrays_must_come_back(rng, cupy, monkeypatch):
    fetched = []
    monkeypatch.setattr(cupy.ndarray, "get", lambda self: fetched.append(self) or self._host.copy())
    x, y = cupy.asarray(floats(rng, 32, 48)), cupy.zeros((16, 24), np.float32)
    gpu(POOL, "max_pool")((3, 2), (8, 8), (x, y, 32, 48))
    assert fetched == []
    gpu(POOL, "max_pool")((3, 2), (8, 8), (x.get(), y, 32, 48))
    assert len(fetched) == 1, "the const input is not fetched, only asked for here"


def test_an_array_that_is_passed_twice_is_one_array_there_too():
    x = np.arange(8, dtype=np.float32)
    gpu('extern "C" __global__ void k(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x] + 1; }')(
        (1,), (8,), (x, x)
    )
    np.testing.assert_array_equal(x, np.arange(1, 9))


def test_arrays_that_share_a_part_of_their_memory_are_refused():
    x = np.zeros(8, np.float32)
    kernel = gpu('extern "C" __global__ void k(float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; }')
    with pytest.raises(ValueError, match=r"share memory.*x\.copy\(\)"):
        kernel((1,), (4,), (x[:6], x[2:]))


def test_the_arguments_of_a_templates_instance_are_checked(rng):
    x, y = rng.standard_normal(50), np.zeros(50)
    kernel = gpu(SCALE, "scale<double, 32>", ("scale<float, 32>", "scale<double, 32>"))
    kernel((1,), (32,), (x, y, 3.0, 50))
    np.testing.assert_array_equal(y, 3 * x)
    with pytest.raises(TypeError, match="points to float64, and the array holds float32"):
        kernel((1,), (32,), (np.float32(x), y, 3.0, 50))
    with pytest.raises(TypeError, match=r"factor.*is float32: pass np\.float32\(3\.0\)"):
        gpu(SCALE, "scale<float, 32>", ("scale<float, 32>",))((1,), (32,), (np.float32(x), np.float32(y), 3.0, 50))


@pytest.mark.parametrize(
    ("parameters", "args", "says"),
    [
        ("Index n", (1.0,), "is int64: pass np.int64"),
        ("const Index* n", (np.zeros(3, np.int32),), "points to int64, and the array holds int32"),
        ("const float4* x", (np.zeros(6, np.float32),), "read 4 numbers at a time"),
        ("const float4* x", (np.zeros(8),), "points to float32"),
        ("const uchar2* x", (np.zeros(8, np.int8),), "points to uint8"),
        ("float* x", (np.zeros((4, 4), np.float32).T,), "not contiguous"),
        ("float* x", (3,), "pass an array"),
        ("float* x, int n", (np.zeros(1, np.float32),), "takes 2 arguments"),
    ],
)
def test_what_would_be_misread_is_refused(parameters, args, says):
    kernel = gpu(f'typedef long long Index; extern "C" __global__ void k({parameters}) {{}}')
    with pytest.raises((TypeError, ValueError), match=says):
        kernel((1,), (1,), args)


def test_a_view_of_a_cupy_array_is_refused(cupy):
    kernel = gpu('extern "C" __global__ void k(float* x) {}')
    with pytest.raises(ValueError, match="not contiguous"):
        kernel((1,), (1,), (cupy.zeros((4, 6), np.float32).T,))


@pytest.mark.parametrize("given", ["array", "bytes", "numbers"])
def test_a_structure_is_passed_by_value(given):
    source = 'struct Size { int h, w; }; extern "C" __global__ void k(int* y, Size s) { y[0] = s.h; y[1] = s.w; }'
    size = np.array((3, 4), [("h", "i4"), ("w", "i4")])
    forms = {"array": size, "bytes": size.tobytes(), "numbers": np.array([3, 4], np.int32)}
    y = np.zeros(2, np.int32)
    gpu(source)((1,), (1,), (y, forms[given]))
    assert y.tolist() == [3, 4]


def test_variables_take_values_and_give_them_back(rng):
    source = (
        '__constant__ float w[2][3]; extern "C" __global__ void k(float* y) { y[threadIdx.x] = w[1][threadIdx.x]; }'
    )
    module, w, y = RawModule(source, mode="gpu"), floats(rng, 2, 3), np.zeros(3, np.float32)
    module.get_global("w").set(w)
    module.get_function("k")((1,), (3,), (y,))
    np.testing.assert_array_equal(y, w[1])
    np.testing.assert_array_equal(module.get_global("w").get(), w)
    with pytest.raises(ValueError, match=r"the variable is float32 \(2, 3\), and the values are float64 \(2, 3\)"):
        module.get_global("w").set(np.float64(w))
    with pytest.raises(KeyError, match="no __constant__ or __device__ variable 'v'"):
        module.get_global("v")


def test_the_reasons_why_a_kernel_is_not_there_are_those_of_the_cpu():
    module = RawModule(SCALE + "__global__ void hidden() {}", mode="gpu")
    for name, says in {
        "scale": "is a template",
        "hidden": 'write extern "C"',
        "other": "there are: scale, hidden",
    }.items():
        with pytest.raises(KeyError, match=says):
            module.get_function(name)


def test_a_mistake_in_the_source_is_shown_with_its_line():
    source = 'extern "C" __global__ void k(int* y) {\n  const char* s = "nvrtc: refuse";\n  *y = two;\n}'
    with pytest.raises(CompileError, match=r'line 3: identifier "two" is undefined\n    \*y = two;') as caught:
        RawModule(source, mode="gpu")
    assert caught.value.line == 3


def test_only_plain_letters_reach_cupys_source_file():
    module = RawModule('// Σ of the windows\nextern "C" __global__ void k() {} /* ½ */', mode="gpu")
    assert module._module.module._code.isascii()


def test_what_only_the_cpu_knows_is_taken_and_a_misspelt_option_is_not():
    kernel = gpu('extern "C" __global__ void k() {}')
    kernel((1,), (1,), (), order="reverse", max_steps=5, time_limit=1.0)
    with pytest.raises(TypeError, match="shared_memory"):
        kernel((1,), (1,), (), shared_memory=4)

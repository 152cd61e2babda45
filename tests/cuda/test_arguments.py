"""Wrong arguments are named before anything runs."""

import numpy as np
import pytest

from segedu.cuda import RawModule
from segedu.cuda.gpu import parameters_of
from segedu.cuda.source import find_kernels
from tests.cuda.kernels import needs_compiler

SOURCE = """
template <class T> __global__ void any(T* x) { *x = 1; }
__global__ void cpp(float* x) { *x = 1; }
extern "C" __global__ void k(const float* x, float* y, long long n, float s, double d, bool b, const float4* v) {
    if (threadIdx.x < n && b) y[threadIdx.x] = x[threadIdx.x] * s + d + v[0].x;
}"""
GOOD = (np.ones(4, np.float32), np.zeros(4, np.float32), 4, np.float32(2), 1.0, True, np.zeros(8, np.float32))


@pytest.fixture(scope="module")
def kernel():
    return RawModule(SOURCE, mode="check").get_function("k")


def changed(number: int, value) -> tuple:
    return (*GOOD[:number], value, *GOOD[number + 1 :])


@needs_compiler
def test_good_arguments_are_taken(kernel):
    kernel((1,), (4,), GOOD)
    assert GOOD[1].tolist() == [3, 3, 3, 3]


READ_ONLY = np.zeros(4, np.float32)
READ_ONLY.flags.writeable = False
WRONG = [
    (
        changed(0, np.ones(4)),
        TypeError,
        r"argument 0 \(x\) points to float32, and the array holds float64.*astype\(np.float32\)",
    ),
    (changed(0, 3), TypeError, r"argument 0 \(x\) is a pointer: pass an array, not the int 3"),
    (changed(0, np.float32(3)), TypeError, r"pass an array, not np.float32"),
    (changed(0, [1.0, 2.0]), TypeError, r"not a list"),
    (
        changed(0, np.ones((4, 4), np.float32)[:, ::2]),
        ValueError,
        r"not contiguous \(shape \(4, 2\), strides \(16, 8\)\)",
    ),
    (changed(0, np.ones((4, 4), np.float32).T), ValueError, "ascontiguousarray"),
    (changed(1, READ_ONLY), ValueError, r"argument 1 \(y\) may be written to, and the array is read-only"),
    (changed(2, 4.0), TypeError, r"argument 2 \(n\) is int64: pass np.int64\(4.0\), not the float 4.0"),
    (changed(2, np.int32(4)), TypeError, r"pass np.int64\(4\), not np.int32"),
    (changed(2, 2**63), ValueError, "does not fit into int64"),
    (changed(3, 2.0), TypeError, r"argument 3 \(s\) is float32: pass np.float32\(2.0\), not the float 2.0"),
    (changed(3, 2), TypeError, r"np.float32\(2\)"),
    (changed(3, np.ones(3, np.float32)), TypeError, r"pass a number, not an array of shape \(3,\)"),
    (changed(4, 1), TypeError, r"np.float64\(1\)"),
    (changed(5, 1), TypeError, r"argument 5 \(b\) is bool"),
    (changed(6, np.ones(6, np.float32)), ValueError, r"read 4 numbers at a time, and the array holds 6"),
    (GOOD[:-1], TypeError, r"k takes 7 arguments \(x, y, n, s, d, b, v\), and 6 are given"),
    ((*GOOD, 1), TypeError, "and 8 are given"),
]


@needs_compiler
@pytest.mark.parametrize(("arguments", "error", "says"), WRONG, ids=[says[:40] for _, _, says in WRONG])
def test_a_wrong_argument_is_named_with_its_remedy(kernel, arguments, error, says):
    with pytest.raises(error, match=says):
        kernel((1,), (4,), arguments)


@needs_compiler
@pytest.mark.parametrize(
    ("grid", "block", "shared_mem", "error", "says"),
    [
        ((1,), (33, 32), 0, ValueError, r"block=\(33, 32, 1\) has 1056 threads, and a block may have at most 1024"),
        ((1,), (1, 1, 65), 0, ValueError, "at most 64 deep"),
        ((1, 70000), (1,), 0, ValueError, r"grid=\(1, 70000, 1\) is too large"),
        ((1,), (4,), 50000, ValueError, "shared_mem=50000 bytes must be between 0 and 49152"),
        ((0,), (4,), 0, ValueError, r"grid=\(0,\) has a size below 1"),
        ((1,), (4.0,), 0, TypeError, r"block=\(4.0,\) must be one, two or three whole numbers"),
        ((1, 1, 1, 1), (4,), 0, TypeError, "one, two or three"),
    ],
)
def test_a_launch_that_a_gpu_would_refuse_is_refused(kernel, grid, block, shared_mem, error, says):
    with pytest.raises(error, match=says):
        kernel(grid, block, GOOD, shared_mem=shared_mem)


@needs_compiler
def test_an_unknown_order_is_refused(kernel):
    with pytest.raises(ValueError, match="order='backward' must be one of forward, reverse"):
        kernel((1,), (4,), GOOD, order="backward")


@needs_compiler
def test_why_a_kernel_is_not_found():
    module = RawModule(SOURCE, mode="check")
    with pytest.raises(KeyError, match="any is a template: pass name_expressions"):
        module.get_function("any")
    with pytest.raises(KeyError, match='cpp has a C\\+\\+ name, which cannot be found: write extern "C"'):
        module.get_function("cpp")
    with pytest.raises(KeyError, match="no __constant__ or __device__ variable 'w'; there are: none"):
        module.get_global("w")


@needs_compiler
def test_a_variable_takes_values_of_its_type_and_size():
    module = RawModule('__constant__ float w[2][3]; extern "C" __global__ void k() {}', mode="check")
    with pytest.raises(ValueError, match=r"the variable is float32 \(2, 3\), and the values are float64 \(2, 3\)"):
        module.get_global("w").set(np.ones((2, 3)))
    module.get_global("w").set(np.arange(6, dtype=np.float32))
    assert module.get_global("w").get().tolist() == [[0, 1, 2], [3, 4, 5]]


def test_the_parameters_are_read_from_the_source_too():
    found = [(p.name, p.kind, p.code) for p in parameters_of(find_kernels(SOURCE)["k"])]
    plain = [("x", "C", "f"), ("y", "P", "f"), ("n", "V", "q"), ("s", "V", "f"), ("d", "V", "d"), ("b", "V", "?")]
    assert found == [*plain, ("v", "C", "f")]


@needs_compiler
def test_both_readings_of_the_parameters_agree():
    source = """extern "C" __global__ void k(float* __restrict__ a, const unsigned char *b, unsigned int c, size_t d,
    unsigned long long* e,
        short f, signed char* g, const bool h[], volatile int* i, void* j, float const* l, char m) { }"""
    compiled = RawModule(source, mode="fast").get_function("k").parameters
    read = parameters_of(find_kernels(source)["k"])
    assert [(p.name, p.kind, p.code) for p in read] == [(p.name, p.kind, p.code) for p in compiled]

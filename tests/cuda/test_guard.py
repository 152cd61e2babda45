"""What stops a kernel that runs away, and that Python survives it."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from segedu.cuda import KernelError, RawModule
from tests.cuda.kernels import both_modes, error_of, launched, needs_compiler

pytestmark = [needs_compiler, pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")]
ENDLESS = 'extern "C" __global__ void k(volatile int* y) { while (y[threadIdx.x] == 0) { } }'
RECURSION = """
__device__ int down(int n, volatile int* p) {
    volatile int big[64];
    big[n & 63] = n;
    return down(n + 1, big) + big[3] + p[0];
}
extern "C" __global__ void k(int* y) { volatile int p[1] = {0}; y[threadIdx.x] = down(threadIdx.x, p); }"""


@both_modes
def test_a_time_limit_stops_a_kernel(mode):
    started = time.perf_counter()
    error = error_of(
        launched, ENDLESS, (1,), (4,), (np.zeros(4, np.int32),), mode=mode, time_limit=0.3, max_steps=10**15
    )
    assert error.problem == "time over"
    assert time.perf_counter() - started < 20


@both_modes
def test_a_time_limit_never_interrupts_python_itself(mode):
    """The limit and the kernel's end may come at the same moment: the signal must not reach Python's handler."""
    kernel = RawModule(ENDLESS, mode=mode).get_function("k")
    y = np.zeros(4, np.int32)
    for _ in range(150):
        assert error_of(kernel, (1,), (4,), (y,), time_limit=0.005, max_steps=10**15).problem == "time over"


@both_modes
def test_a_limit_that_passes_before_the_kernel_begins_stops_it_too(mode):
    kernel = RawModule(ENDLESS, mode=mode).get_function("k")
    for _ in range(5):
        error = error_of(kernel, (1,), (4,), (np.zeros(4, np.int32),), time_limit=0.0, max_steps=10**15)
        assert error.problem == "time over"


@both_modes
def test_control_c_stops_a_kernel(mode):
    module = RawModule(ENDLESS, mode=mode)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        module.get_function("k")((1,), (4,), (np.zeros(4, np.int32),), max_steps=10**15)
    timer.join()


@both_modes
def test_a_stack_that_overflows_is_survived_again_and_again(mode):
    kernel = RawModule(RECURSION, mode=mode).get_function("k")
    for _ in range(3):
        assert error_of(kernel, (1,), (4,), (np.zeros(4, np.int32),)).problem == "stack overflow"


def test_a_crash_in_fast_mode_is_survived():
    source = 'extern "C" __global__ void k(long long address) { *(int*)address = 1; }'
    error = error_of(launched, source, (1,), (1,), (8,), mode="fast")
    assert error.problem == "crash"
    assert 'mode="check"' in str(error)


def test_a_division_by_zero_in_fast_mode_is_survived():
    source = 'extern "C" __global__ void k(int* y, int n) { y[0] = y[1] / n; }'
    error = error_of(launched, source, (1,), (1,), (np.ones(2, np.int32), 0), mode="fast")
    assert error.problem == "division by zero"


def test_what_was_written_before_the_mistake_is_there_afterwards():
    source = 'extern "C" __global__ void k(int* y) { y[threadIdx.x] = 7; }'
    y = np.zeros(3, np.int32)
    error_of(launched, source, (1,), (4,), (y,))
    assert y.tolist() == [7, 7, 7]


def test_pythons_own_handlers_are_back_after_a_launch():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background programs without it
    try:
        launched('extern "C" __global__ void k() { }', (1,), (1,), ())
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_kernels_may_be_launched_from_several_threads():
    source = 'extern "C" __global__ void k(int* y, int v) { __syncthreads(); y[threadIdx.x] = v; }'
    kernel = RawModule(source, mode="check").get_function("k")
    results = [np.zeros(64, np.int32) for _ in range(4)]
    threads = [threading.Thread(target=kernel, args=((1,), (64,), (y, i))) for i, y in enumerate(results)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [set(y.tolist()) for y in results] == [{0}, {1}, {2}, {3}]


def test_an_error_does_not_spoil_the_next_launch():
    body = "__syncthreads(); if (threadIdx.x < n) y[threadIdx.x] = n; __syncthreads();"
    source = f'extern "C" __global__ void k(int* y, int n) {{ {body} }}'
    kernel, y = RawModule(source, mode="check").get_function("k"), np.zeros(4, np.int32)
    for _ in range(3):
        with pytest.raises(KernelError):
            kernel((1,), (8,), (y, 8))
        kernel((1,), (8,), (y, 4))
        assert y.tolist() == [4, 4, 4, 4]


def test_stacks_are_not_given_back_under_a_launch():
    """A module of the same source shares the library; Python may let go of it at any time, in any thread."""
    source = 'extern "C" __global__ void k(int* y) { __syncthreads(); y[threadIdx.x] = threadIdx.x; }'
    over = threading.Event()

    def let_go():
        while not over.is_set():
            RawModule(source, mode="fast").get_function("k")

    other = threading.Thread(target=let_go)
    other.start()
    try:
        for _ in range(50):
            y = np.zeros(1024, np.int32)
            RawModule(source, mode="fast").get_function("k")((1,), (1024,), (y,))
            np.testing.assert_array_equal(y, np.arange(1024))
    finally:
        over.set()
        other.join()

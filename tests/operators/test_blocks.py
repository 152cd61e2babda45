"""Blocks cover everything once, on any number of threads, and leave nothing behind."""

import gc
import os
import threading
import time
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from segedu.numpy_ops import _blocks
from segedu.numpy_ops._blocks import BLOCK_BYTES, for_each_block, get_num_threads, set_num_threads


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = get_num_threads()
    set_num_threads(request.param)
    yield request.param
    set_num_threads(before)


def span(part: slice) -> tuple[int, int]:
    return part.start, part.stop


@pytest.mark.parametrize("count", [0, 1, 3, 40])
@pytest.mark.parametrize("each", [BLOCK_BYTES // 3, BLOCK_BYTES, 3 * BLOCK_BYTES])
def test_results_come_in_order_and_cover_everything_once(threads, count, each):
    parts = for_each_block(span, count, each)
    assert [index for start, stop in parts for index in range(start, stop)] == list(range(count))


def test_the_error_of_a_block_is_raised_and_the_next_call_works(threads):
    def fail(part: slice) -> None:
        if part.start == 7:
            raise ValueError("block 7")

    with pytest.raises(ValueError, match="block 7"):
        for_each_block(fail, 9, BLOCK_BYTES)
    assert for_each_block(span, 3, BLOCK_BYTES) == [(0, 1), (1, 2), (2, 3)]


def test_blocks_may_have_blocks_inside(threads):
    inner = for_each_block(lambda part: for_each_block(span, 4, BLOCK_BYTES), 6, BLOCK_BYTES)
    assert inner == [[(0, 1), (1, 2), (2, 3), (3, 4)]] * 6


def test_so_many_threads_work_as_were_asked_for(threads):
    all_here = threading.Barrier(threads, timeout=30)
    for_each_block(lambda part: all_here.wait(), threads, BLOCK_BYTES)


def test_infinities_pass_without_a_warning_in_every_thread(threads, recwarn):
    for_each_block(lambda part: np.float32(np.inf) - np.array(np.inf, np.float32), 20, BLOCK_BYTES)
    assert not recwarn.list


def test_arrays_are_free_after_the_call(threads):
    def call() -> weakref.ref:
        array = np.zeros(12)
        for_each_block(lambda part: (time.sleep(0.001), array[part].sum())[1], 12, BLOCK_BYTES)
        return weakref.ref(array)

    freed = call()
    deadline = time.monotonic() + 10
    while freed() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert freed() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system copies no processes")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(threads):
    for_each_block(span, 5, BLOCK_BYTES)
    child = os.fork()
    if not child:
        all_here = threading.Barrier(threads, timeout=30)
        try:
            for_each_block(lambda part: all_here.wait(), threads, BLOCK_BYTES)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_helpers_leave_when_the_number_changes(threads):
    def helpers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "segedu"]

    for_each_block(span, 5, BLOCK_BYTES)
    started = helpers()
    assert len(started) >= threads - 1
    set_num_threads(1)
    for thread in started:
        thread.join(30)
    assert helpers() == []
    assert _blocks._tasks is None


def test_blocks_leave_numpys_settings_as_the_caller_has_them():
    before = np.getbufsize(), np.geterr()
    _blocks.for_each_block(lambda part: None, 2, _blocks.BLOCK_BYTES)
    assert (np.getbufsize(), np.geterr()) == before

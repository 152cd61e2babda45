"""The launcher: same names and signatures as in NumPy, modes, arrays that live elsewhere."""

import inspect
import sys
import types

import numpy as np
import pytest

from segedu import cuda_ops, numpy_ops
from segedu.cuda_ops import _launch
from tests.cuda.kernels import needs_compiler


def test_both_sets_have_the_same_operators():
    assert set(cuda_ops.__all__) == {*numpy_ops.__all__, "asarray", "mode", "current_mode"}


@pytest.mark.parametrize("name", [name for name in numpy_ops.__all__ if name[0].islower()])
def test_an_operator_has_numpys_signature(name):
    ours, theirs = (inspect.signature(getattr(ops, name)).parameters for ops in (cuda_ops, numpy_ops))
    assert [(p.name, p.default, p.kind) for p in ours.values()] == [
        (p.name, p.default, p.kind) for p in theirs.values()
    ]


def test_a_mode_lasts_as_long_as_its_block():
    before = cuda_ops.current_mode()
    with cuda_ops.mode("check"):
        assert cuda_ops.current_mode() == "check"
        with cuda_ops.mode("fast"):
            assert cuda_ops.current_mode() == "fast"
        assert cuda_ops.current_mode() == "check"
    assert cuda_ops.current_mode() == before


def test_an_unknown_mode_is_refused():
    with (
        pytest.raises(ValueError, match="mode='quick' must be one of 'auto', 'gpu', 'check', 'fast'"),
        cuda_ops.mode("quick"),
    ):
        pass


def test_modes_are_those_of_the_modules():
    from segedu.cuda.module import MODES

    assert set(_launch.MODES) == set(MODES)


@pytest.fixture
def elsewhere(monkeypatch):
    """A stand-in for CuPy: arrays of another type, which have to be fetched."""

    class Elsewhere(np.ndarray):
        def get(self):
            return np.array(self)

    Elsewhere.__module__ = "cupy"
    module = types.ModuleType("cupy")
    module.asarray = lambda array: np.array(array).view(Elsewhere)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


@needs_compiler
@pytest.mark.usefixtures("fast")
class TestArraysOfCupyOnTheCpu:
    def test_what_was_given_comes_back(self, elsewhere):
        x = elsewhere.asarray([[[1.0, 5.0], [3.0, 2.0]]])
        values, indices = cuda_ops.max_pool2d(x, kernel_size=2, return_indices=True)
        assert type(values).__module__ == type(indices).__module__ == "cupy"
        assert (values.get().item(), indices.get().item()) == (5, 1)

    def test_arrays_in_lists_are_fetched(self, elsewhere):
        joined = cuda_ops.concatenate([elsewhere.asarray([1.0]), elsewhere.asarray([2.0])])
        assert type(joined).__module__ == "cupy"
        assert joined.get().tolist() == [1, 2]

    def test_running_statistics_are_updated_where_they_are(self, elsewhere):
        x, mean, variance = (elsewhere.asarray(a) for a in ([[1.0], [3.0]], [0.0], [1.0]))
        cuda_ops.batch_norm(x, mean, running_var=variance, training=True)
        assert (mean.item(), variance.item()) == pytest.approx((0.2, 1.1))

    def test_refusals_are_the_same(self, elsewhere):
        with pytest.raises(ValueError, match="padding=3 must be at most half of kernel_size=4"):
            cuda_ops.max_pool2d(elsewhere.asarray(np.zeros((1, 8, 8))), 4, padding=3)


@pytest.fixture
def fast():
    with cuda_ops.mode("fast"):
        yield


@pytest.mark.parametrize(
    ("planes", "height", "width"), [(1, 1, 1), (3, 5, 7), (70000, 1, 1), (2, 1, 10**6), (5, 300, 33)]
)
def test_a_grid_over_planes_covers_every_pixel(planes, height, width):
    (x, y, z), (bx, by, bz) = _launch.over_planes(planes, height, width)
    assert x * bx >= width
    assert y * by >= height
    assert bx * by * bz <= 256
    assert z * bz >= min(planes, 65535)


def test_nothing_is_launched_over_nothing():
    for threads in (_launch.over(0), _launch.over_planes(0, 3, 3), _launch.over_planes(3, 0, 3), _launch.blocks(0, 5)):
        assert 0 in threads.grid
        _launch.Kernels("no such file.cu")("nothing", np.float32, threads)


def test_cuda_operators_are_imported_without_cupy_and_pytorch():
    from tests.test_import_alone import run_blocked

    assert run_blocked("from segedu import cuda_ops; print(callable(cuda_ops.conv2d))") == "True"

"""Training on engine "cuda": as on the others, also where arrays are CuPy's (see `tests.cuda.fake_cupy`)."""

import sys

import numpy as np
import pytest

from segedu import cuda_ops, models, training
from tests.cuda import fake_cupy
from tests.cuda.kernels import needs_compiler
from tests.training.conftest import weights_of

pytestmark = [needs_compiler, pytest.mark.slow]


def run(streets, folder=None, engine="cuda"):
    model = models.create("segnet", len(streets.classes), width=1 / 64, engine=engine)
    options = {"steps": 2, "batch": 2, "crop": 32, "lr": 0.01, "class_weights": "median", "schedule": "cosine"}
    return training.Trainer(model, streets, training.kept.Kept(streets, 1), folder, every=1, **options)


@pytest.fixture
def on_cupy(monkeypatch):
    """Inside, operators run on the stand-in for CuPy."""
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.MODULE)
    caches = cuda_ops._launch._module, cuda_ops._launch._kernel
    for cache in caches:
        cache.cache_clear()
    with cuda_ops.mode("gpu"):
        yield
    for cache in caches:
        cache.cache_clear()


def test_engine_cuda_learns_as_engine_numpy_does(streets):
    with cuda_ops.mode("fast"):
        ours = run(streets).fit()
    numpys = run(streets, engine="numpy").fit()
    np.testing.assert_allclose(ours.curve("loss")[1], numpys.curve("loss")[1], rtol=1e-4)


def test_a_run_on_cupys_arrays_is_saved_and_goes_on_exactly(streets, tmp_path, on_cupy):
    whole = run(streets)
    whole.fit()
    run(streets, tmp_path).fit(1)
    resumed = run(streets, tmp_path)
    resumed.resume()
    assert resumed.fit().curve("loss") == whole.history.curve("loss")
    for name, array in weights_of(whole).items():
        np.testing.assert_array_equal(weights_of(resumed)[name], array)
    assert type(next(resumed.model.parameters()).data) is fake_cupy.ndarray


def test_a_loss_that_is_no_number_leaves_cupys_statistics_as_they_were(streets, on_cupy, monkeypatch):
    stopped = run(streets)
    stopped.fit(1)
    before, whole = weights_of(stopped), stopped.machine.tensor
    monkeypatch.setattr(
        stopped.machine, "tensor", lambda a: whole(a * np.float32("nan") if a.dtype == np.float32 else a)
    )
    with pytest.raises(training.TrainingError, match="The loss of step 2 is nan"):
        stopped.fit()
    for name, array in weights_of(stopped).items():
        np.testing.assert_array_equal(array, before[name])

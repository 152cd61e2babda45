"""On engine "cuda" everything stays on the GPU between the images and the loss, seen on a stand-in for CuPy.

The stand-in refuses what CuPy refuses (see `tests.cuda.fake_cupy`) and runs the kernels on the CPU, so training on it
gives the very numbers of mode "fast". That networks train on a GPU it does not say.
"""

import copy
import sys

import numpy as np
import pytest

from segedu import cuda_ops, engines, models, nn, numpy_ops
from segedu.autograd import Tensor, to_numpy
from tests.cuda import fake_cupy
from tests.cuda.kernels import needs_compiler
from tests.models.conftest import loss_of, scene
from tests.test_autograd import expression

pytestmark = needs_compiler


@pytest.fixture
def gpu(monkeypatch):
    """Inside `with gpu():` operators run on the stand-in."""
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.MODULE)
    caches = cuda_ops._launch._module, cuda_ops._launch._kernel
    for cache in caches:
        cache.cache_clear()
    yield lambda: cuda_ops.mode("gpu")
    for cache in caches:
        cache.cache_clear()


def begin(name, kind, seed=1, **options):
    model = models.create(name, 4, width=1 / 64, engine="cuda", seed=seed)
    optimizer = getattr(model.nn.optim, kind)(model.parameters(), lr=0.01, weight_decay=1e-3, **options)
    return model, optimizer, model.nn.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=9)


def train(model, optimizer, schedule, steps=2):
    images, labels = scene((32, 33))
    losses = []
    for _ in range(steps):
        losses.append(float(loss_of(model, images.astype(np.float32), labels)[1]))
        model.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        schedule.step()
    return losses


NETWORKS = [
    ("unet", "AdamW", {}),
    pytest.param("segnet", "SGD", {"momentum": 0.9}, marks=pytest.mark.slow),
    pytest.param("fcn8s", "SGD", {"momentum": 0.9, "nesterov": True}, marks=pytest.mark.slow),
    pytest.param("deeplabv3plus", "Adam", {}, marks=pytest.mark.slow),
    pytest.param("hypercolumns", "SGD", {}, marks=pytest.mark.slow),
    pytest.param("alexnet", "SGD", {}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "kind", "options"), NETWORKS, ids=str)
def test_training_on_cupys_arrays_gives_the_same_losses(gpu, name, kind, options):
    with cuda_ops.mode("fast"):
        expected = train(*begin(name, kind, **options))
    with gpu():
        assert train(*begin(name, kind, **options)) == expected


def test_a_saved_state_holds_numpys_arrays_and_goes_on_with_either(gpu):
    with gpu():
        training = begin("unet", "AdamW")
        train(*training)
        states = [part.state_dict() for part in training]
        expected = train(*training, steps=1)
    moments = [value for state in states[1]["state"].values() for name, value in state.items() if name != "step"]
    assert {type(array) for array in [*states[0].values(), *moments]} == {np.ndarray}
    for mode, kind in ((gpu, fake_cupy.ndarray), (lambda: cuda_ops.mode("fast"), np.ndarray)):
        with mode():
            resumed = begin("unet", "AdamW", seed=2)
            for part, state in zip(resumed, states, strict=True):
                part.load_state_dict(state)
            assert train(*resumed, steps=1) == expected
            assert type(resumed[0].score.weight.data) is kind


def test_networks_there_are_copied_predicted_with_and_printed(gpu, rng):
    images = rng.standard_normal((1, 3, 20, 17)).astype(np.float32)
    with cuda_ops.mode("fast"):
        expected = models.predict(begin("unet", "SGD")[0], images)
    with gpu():
        model, _, _ = begin("unet", "SGD")
        assert np.array_equal(models.predict(copy.deepcopy(model), images), expected)
        assert repr(model.nn.tensor(np.array([1.0, 2.0]))) == "Tensor([1., 2.])"


def test_an_expression_of_tensors_there_has_the_same_value_and_gradients(gpu, rng):
    arrays, results = [rng.standard_normal((3, 4)), rng.standard_normal((3, 1))], []
    for mode in (lambda: cuda_ops.mode("fast"), gpu):
        with mode():
            tensors = [Tensor(cuda_ops.asarray(array), requires_grad=True, ops=cuda_ops) for array in arrays]
            value = expression(*tensors)
            value.backward()
            results.append([to_numpy(array) for array in (value.data, *(tensor.grad for tensor in tensors))])
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_a_module_moves_to_the_gpu_and_back(gpu):
    with gpu():
        layer = nn.BatchNorm2d(3).to(ops=engines.get("cuda").ops)
        assert {type(layer.weight.data), type(layer.running_mean)} == {fake_cupy.ndarray}
        layer.to(ops=numpy_ops)
        assert {type(layer.weight.data), type(layer.running_mean)} == {np.ndarray}

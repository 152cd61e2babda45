"""The same network twice: on an engine under test, and on PyTorch."""

import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from segedu import cuda_ops, models
from tests.cuda.kernels import needs_compiler

# Kernels run on the CPU one thread after another: on engine "cuda" all but these wait for --all.
FAST = re.compile(r"\[cuda-patch_classifier\]|(training|evaluation|weights).*\[cuda-unet\]")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/models" in item.nodeid and re.search(r"\[cuda[-\]]", item.nodeid) and not FAST.search(item.nodeid):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(
    params=["numpy", pytest.param("cuda", marks=needs_compiler), pytest.param("cuda/gpu", marks=pytest.mark.gpu)]
)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The engine under test; "cuda" runs on the CPU, unchecked, and "cuda/gpu" on a GPU."""
    name, _, machine = request.param.partition("/")
    with cuda_ops.mode(machine or "fast"):
        yield name


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: these maps are too small to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def pair(engine: str, rng: np.random.Generator) -> Callable:
    """`pair(name, num_classes, **options)`: the network on the engine and on PyTorch, in float64, weights the same.

    Dropout, which draws other numbers on each engine, drops nothing. The weights are random everywhere: no layer begins
    as zero or as the identity, so that no mistake hides behind it.
    """

    def make(name: str, num_classes: int = 4, width: float = 1 / 32, **options: object) -> tuple:
        ours, theirs = (
            models.create(name, num_classes, width=width, engine=e, **options).double() for e in (engine, "torch")
        )
        for model in (ours, theirs):
            without_dropout(model)
        state = {key: drawn(rng, key, value) for key, value in ours.state_dict().items()}
        ours.load_state_dict(state)
        theirs.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in state.items()})
        return ours, theirs

    return make


def without_dropout(model: object) -> None:
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0


def drawn(rng: np.random.Generator, key: str, value: np.ndarray) -> np.ndarray:
    """Values for a parameter or buffer that keep the maps of a deep network at about size 1."""
    if value.dtype.kind == "i":
        return value
    if value.ndim > 1:
        return rng.standard_normal(value.shape) * (2 / np.prod(value.shape[1:])) ** 0.5
    positive = key.endswith("running_var") or key.endswith("weight")
    return rng.uniform(0.5, 1.5, value.shape) if positive else 0.3 * rng.standard_normal(value.shape)


def loss_of(model: object, images: np.ndarray, labels: np.ndarray) -> tuple:
    """(logits, loss) of a network on any engine, both as NumPy arrays; the gradients are in the parameters then."""
    nn = model.nn
    model.zero_grad()
    logits = model(nn.tensor(images))
    loss = nn.CrossEntropyLoss(ignore_index=255)(logits, nn.tensor(labels))
    loss.backward()
    return nn.array(logits), nn.array(loss)


def gradients(model: object) -> dict[str, np.ndarray]:
    """The gradient of every parameter as a NumPy array."""
    return {name: model.nn.array(parameter.grad) for name, parameter in model.named_parameters()}


def scene(size: tuple[int, int], seeds: tuple[int, ...] = (0, 1)) -> tuple[np.ndarray, np.ndarray]:
    """Tabletops as images N×3×H×W, float64 of about size 1, and labels N×H×W of four classes, with void 255."""
    from segedu.data.synthetic import tabletop

    scenes = [tabletop(seed, size, void_width=1) for seed in seeds]
    images = np.stack([s.image.transpose(2, 0, 1) / 64 - 2 for s in scenes])
    labels = np.stack([np.where(s.labels == 255, 255, s.labels % 4) for s in scenes])
    return images, labels

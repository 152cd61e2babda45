"""Every network computes the same on our engines and on PyTorch: logits, loss, every gradient, ten steps of training.

The tolerances are those of `segedu.tolerances` for networks, which says why. A bias before a batch normalisation has
gradient 0 but for rounding: what is small beside the largest gradient of the network is compared with that one.

Ten steps are taken with running statistics (evaluation mode): differences stay at 1e-15. With the statistics of a batch
of two, small, deep networks are chaotic: the last digit of one weight changes the loss of the sixth step by a
hundredth, in PyTorch alone too. There a slow test says that we stay as near to PyTorch as PyTorch does to itself.
"""

import numpy as np
import pytest
import torch

from segedu import models
from segedu.tolerances import NETWORK_FLOAT32, NETWORK_GRADIENT, NETWORK_LOGITS
from tests.models.conftest import gradients, loss_of, scene, without_dropout

BIG = pytest.mark.slow
NAMES = [pytest.param(name, marks=BIG) if name == "hrnet_w48" else name for name in models.names()]
OPTIONS = [
    ("fcn32s", {"padding": "published"}),
    ("fcn16s", {"padding": "published"}),
    ("fcn8s", {"padding": "published"}),
    ("pspnet", {"output_stride": 32}),
    ("deeplabv3", {"output_stride": 8}),
    ("deeplabv3plus", {"output_stride": 8}),
    ("deeplabv3", {"output_stride": 32}),
    ("refinenet", {"depth": 50}),
]


def close(actual, expected, relative, scale=0.0):
    """|actual − expected| ≤ relative · (the largest expected value, at least `scale`)."""
    __tracebackhide__ = True
    assert actual.shape == expected.shape
    assert abs(actual - expected).max() <= relative * max(abs(expected).max(), scale)


def agrees(ours, theirs, images, labels, alive=True, gradient=NETWORK_GRADIENT):
    logits, loss = loss_of(ours, images, labels)
    expected, expected_loss = loss_of(theirs, images, labels)
    close(logits, expected, NETWORK_LOGITS)
    assert loss == pytest.approx(expected_loss, rel=NETWORK_LOGITS)
    ours, theirs = gradients(ours), gradients(theirs)
    assert list(ours) == list(theirs)
    largest = max(abs(grad).max() for grad in theirs.values())
    for name, grad in theirs.items():
        assert grad.any() or not alive, f"{name} has no gradient: the test would see nothing"
        close(ours[name], grad, gradient, scale=1e-2 * largest)


@pytest.mark.parametrize("name", NAMES)
def test_logits_loss_and_gradients_in_training(pair, name):
    agrees(*pair(name), *scene((33, 46)))


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=str)
def test_logits_loss_and_gradients_with_options(pair, name, options):
    agrees(*pair(name, **options), *scene((32, 45)))


def test_logits_loss_and_gradients_of_unet_without_padding(pair):
    images, labels = scene((197, 190))
    agrees(*pair("unet", padding="valid"), images, labels[:, 92:-92, 92:-92])


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (31, 64), (65, 40), (97, 129)], ids=str)
@pytest.mark.parametrize("name", models.names())
def test_logits_loss_and_gradients_at_more_sizes_and_widths(pair, rng, name, size):
    images = rng.standard_normal((3, 2, *size))
    labels = rng.integers(0, 3, (3, *size))
    large = max(size) > 16  # else the statistics of a batch are those of three values, and some ReLUs let nothing pass
    networks = (model.train(large) for model in pair(name, num_classes=3, width=1 / 16, in_channels=2))
    # maps of a single value average no rounding: seen at 1.6 times the tolerance of larger images
    agrees(*networks, images, labels, alive=large, gradient=NETWORK_GRADIENT * (1 if large else 10))


@pytest.mark.parametrize("name", NAMES)
def test_running_statistics_and_evaluation(pair, name):
    ours, theirs = pair(name)
    images, _ = scene((32, 35))
    for model in (ours, theirs):
        with model.nn.no_grad():
            model(model.nn.tensor(images))
    state = ours.state_dict()
    for key, value in theirs.state_dict().items():
        close(state[key], value.numpy(), NETWORK_LOGITS)
    logits, expected = (model.nn.array(model.eval()(model.nn.tensor(images))) for model in (ours, theirs))
    close(logits, expected, NETWORK_LOGITS)
    narrow, expected = (
        model.float().nn.array(model(model.nn.tensor(images.astype(np.float32)))) for model in (ours, theirs)
    )
    assert narrow.dtype == np.float32
    close(narrow, expected, NETWORK_FLOAT32)


def losses(name, engine, training, change=0.0):
    """Of ten steps of SGD from the same first weights; `change`: relative, drawn, to every weight."""
    images, labels = scene((32, 33))
    model = models.create(name, 4, width=1 / 32, engine=engine, seed=3).double().train(training)
    without_dropout(model)
    if change:
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter *= 1 + change * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    optimizer = model.nn.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    curve = []
    for _ in range(10):
        curve.append(float(loss_of(model, images, labels)[1]))
        optimizer.step()
    return np.array(curve)


@pytest.mark.parametrize("name", NAMES)
def test_ten_steps_follow_the_same_losses(engine, name):
    ours = losses(name, engine, training=False)
    assert ours == pytest.approx(losses(name, "torch", training=False), rel=1e-12)
    assert ours[-1] < ours[0]


@pytest.mark.parametrize("name", ["segnet", "pyramid"])
def test_ten_steps_with_the_statistics_of_the_batch_follow_the_same_losses(engine, name):
    ours = losses(name, engine, training=True)
    assert ours == pytest.approx(losses(name, "torch", training=True), rel=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_chaotic_networks_stay_as_near_to_pytorch_as_pytorch_to_itself(engine, name):
    expected = losses(name, "torch", training=True)
    ours = abs(losses(name, engine, training=True) - expected)
    theirs = abs(losses(name, "torch", training=True, change=1e-15) - expected)
    assert (ours <= 100 * np.maximum.accumulate(theirs) + 1e-12).all()


@pytest.mark.parametrize("name", models.names())
def test_names_shapes_and_first_weights_are_the_same_on_every_engine(engine, name):
    ours, theirs = (models.create(name, 5, in_channels=2, width=1 / 16, engine=e, seed=7) for e in (engine, "torch"))
    assert [key for key, _ in ours.named_parameters()] == [key for key, _ in theirs.named_parameters()]
    a, b = ours.state_dict(), theirs.state_dict()
    assert list(a) == list(b)
    for key, value in b.items():
        assert a[key].dtype == value.numpy().dtype
        assert np.array_equal(a[key], value.numpy()), key

"""Every layer has torch.nn's arguments, names and shapes of parameters, output and gradients."""

import numpy as np
import pytest
import torch

from segedu import compare, nn
from segedu.nn.parameter import shapes_only, uniform

LAYERS = [
    ("Conv2d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}),
    ("Conv2d", (4, 5, (3, 2)), {"dilation": 2, "bias": False, "padding": "same"}),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}),
    ("ConvTranspose2d", (4, 5, 2), {"stride": 2, "bias": False}),
    ("BatchNorm2d", (4,), {}),
    ("BatchNorm2d", (4,), {"eps": 1e-3, "momentum": 0.3, "affine": False}),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}),
    ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "count_include_pad": False}),
    ("AdaptiveAvgPool2d", ((2, 3),), {}),
    ("Upsample", (), {"scale_factor": 2, "mode": "bilinear", "align_corners": True}),
    ("Upsample", (), {"size": (3, 11)}),
    ("ReLU", (), {}),
    ("Identity", (), {}),
    ("Dropout", (0.0,), {}),
]


def both(name, arguments, options):
    """The layer and torch.nn's, in float64, with the same weights."""
    ours, theirs = getattr(nn, name)(*arguments, **options), getattr(torch.nn, name)(*arguments, **options)
    a, b = ours.state_dict(), theirs.state_dict()
    assert [(key, value.shape) for key, value in a.items()] == [(key, tuple(value.shape)) for key, value in b.items()]
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in a.items()})
    return ours.double(), theirs.double()


@pytest.mark.parametrize(("name", "arguments", "options"), LAYERS, ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_a_layer_equals_pytorch_s(rng, name, arguments, options, training):
    ours, theirs = both(name, arguments, options)
    ours.train(training)
    theirs.train(training)
    array = rng.standard_normal((2, 4, 7, 8))
    x, z = nn.Tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    y, expected = ours(x), theirs(z)
    grad = rng.standard_normal(y.shape)
    y.backward(grad)
    expected.backward(torch.from_numpy(grad))
    compare.arrays(y.data, expected.detach().numpy(), length=64).check()
    compare.arrays(x.grad, z.grad.numpy(), length=64).check()
    for (key, parameter), (_, other) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        compare.arrays(parameter.grad, other.grad.numpy(), length=64, name=key).check()
    for key, value in theirs.state_dict().items():
        compare.arrays(ours.state_dict()[key], value.numpy(), length=64, name=key).check()


def test_linear_equals_pytorch_s(rng):
    ours, theirs = both("Linear", (5, 3), {})
    x = rng.standard_normal((4, 5))
    compare.arrays(ours(nn.Tensor(x)).data, theirs(torch.from_numpy(x)).detach().numpy(), length=5).check()


def test_pooling_hands_its_indices_to_unpooling(rng):
    array = rng.standard_normal((2, 3, 7, 9))
    results = []
    for layers, x in ((nn, nn.Tensor(array)), (torch.nn, torch.from_numpy(array))):
        values, indices = layers.MaxPool2d(2, return_indices=True)(x)
        results.append(np.asarray(layers.MaxUnpool2d(2)(values, indices, output_size=array.shape).data))
    assert np.array_equal(*results)


def test_the_loss_equals_pytorch_s(rng):
    logits, target, weight = rng.standard_normal((2, 3, 4, 5)), rng.integers(0, 3, (2, 4, 5)), rng.uniform(1, 2, 3)
    target[0, 0] = 255
    options = {"ignore_index": 255, "label_smoothing": 0.1}
    ours = nn.CrossEntropyLoss(weight, **options)(nn.Tensor(logits), target)
    theirs = torch.nn.CrossEntropyLoss(torch.from_numpy(weight), **options)(
        torch.from_numpy(logits), torch.from_numpy(target)
    )
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)


class TestFirstWeights:
    @pytest.mark.parametrize(
        ("name", "arguments"), [("Conv2d", (64, 96, 3)), ("ConvTranspose2d", (64, 96, 3)), ("Linear", (300, 400))]
    )
    def test_they_fill_the_same_range_as_pytorch_s(self, name, arguments):
        torch.manual_seed(0)
        ours = getattr(nn, name)(*arguments, generator=np.random.default_rng(0))
        theirs = getattr(torch.nn, name)(*arguments)
        for key, value in theirs.state_dict().items():
            array = ours.state_dict()[key]
            assert array.dtype == np.float32
            assert abs(array).max() == pytest.approx(float(abs(value).max()), rel=0.05)
            assert array.std() == pytest.approx(float(value.std()), rel=0.15)
            assert abs(array.mean()) < 3 * array.std() / array.size**0.5

    def test_a_generator_decides_them(self):
        a, b, c = (nn.Conv2d(3, 4, 3, generator=np.random.default_rng(seed)).weight.data for seed in (1, 1, 2))
        assert np.array_equal(a, b)
        assert not np.array_equal(a, c)

    def test_without_a_generator_every_layer_differs(self):
        assert not np.array_equal(nn.Conv2d(3, 4, 3).weight.data, nn.Conv2d(3, 4, 3).weight.data)

    def test_inside_shapes_only_they_take_no_memory(self):
        with shapes_only():
            layer = nn.Linear(100_000, 100_000)  # 40 GB
        assert layer.weight.shape == (100_000, 100_000)
        assert nn.Linear(3, 2).weight.data.flags.writeable

    def test_weights_are_symmetric_about_zero(self):
        weight, _ = uniform((100, 100), 100, np.random.default_rng(0))
        assert -1 <= 10 * weight.min() < -0.99
        assert 0.99 < 10 * weight.max() <= 1


class TestBatchNorm:
    def test_evaluation_leaves_the_statistics_alone(self, rng):
        layer = nn.BatchNorm2d(3).eval()
        before = layer.state_dict()
        layer(nn.Tensor(rng.standard_normal((2, 3, 4, 4)).astype(np.float32)))
        assert all(np.array_equal(value, before[key]) for key, value in layer.state_dict().items())

    def test_training_counts_batches(self, rng):
        layer = nn.BatchNorm2d(3)
        for _ in range(3):
            layer(nn.Tensor(rng.standard_normal((2, 3, 4, 4)).astype(np.float32)))
        assert layer.state_dict()["num_batches_tracked"] == 3
        assert layer.state_dict()["num_batches_tracked"].dtype == np.int64


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels=3 must be divisible by groups=2"),
        (lambda: nn.Conv2d(0, 4, 3), ValueError, "in_channels=0 must be at least 1"),
        (lambda: nn.Conv2d(3, 4, 0), ValueError, "kernel_size=0 must be at least 1"),
        (lambda: nn.ConvTranspose2d(4, 3, 2, groups=2), ValueError, "out_channels=3 must be divisible by groups=2"),
        (lambda: nn.Dropout(1.5), ValueError, "p=1.5"),
        (lambda: nn.Conv2d(3, 4, 3)(np.zeros((1, 3, 5, 5))), TypeError, "a Tensor is needed, not ndarray"),
        (lambda: nn.Conv2d(3, 4, 3)(nn.Tensor(np.zeros((1, 2, 5, 5), np.float32))), ValueError, "weight has shape"),
    ],
)
def test_mistakes_are_named(mistake, error, words):
    with pytest.raises(error, match=words):
        mistake()

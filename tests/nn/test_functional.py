"""Every function on the tape equals torch.nn.functional's, in values and in gradients; float32 stays float32."""

import numpy as np
import pytest
import torch
import torch.nn.functional as TF

from segedu import compare, cuda_ops
from segedu.autograd import Tensor
from segedu.nn import functional as F
from tests.operators.conftest import MARKS, SETS


@pytest.fixture(params=[pytest.param(name, marks=marks) for name, marks in MARKS.items()])
def ops(request):
    """The set of operators under test."""
    operators, mode = SETS[request.param]
    with cuda_ops.mode(*(mode or ("auto",))):
        yield operators


LABELS = np.array([[[0, 2, 1], [255, 1, 1]]])
WEIGHT = np.array([0.5, 1.0, 2.0])

# name: shapes of the tensors, further arguments, keywords
CASES = {
    "conv2d": [
        ([(2, 4, 7, 6), (6, 2, 3, 2), (6,)], (), {"stride": (2, 1), "padding": 1, "dilation": (1, 2), "groups": 2}),
        ([(1, 3, 5, 5), (2, 3, 3, 3), None], (), {"padding": "same"}),
    ],
    "conv_transpose2d": [
        ([(2, 4, 3, 4), (4, 3, 3, 3), (6,)], (), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}),
        ([(1, 3, 3, 3), (3, 2, 2, 2), None], (), {"stride": 2, "dilation": 2}),
    ],
    "linear": [([(4, 5), (3, 5), (3,)], (), {}), ([(4, 5), (3, 5), None], (), {})],
    "relu": [([(2, 3, 4)], (), {})],
    "max_pool2d": [([(2, 3, 7, 6)], (3,), {"stride": 2, "padding": 1, "dilation": 1, "ceil_mode": True})],
    "avg_pool2d": [
        ([(2, 3, 7, 6)], (3,), {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
        ([(2, 3, 7, 6)], (2,), {"divisor_override": 3}),
    ],
    "adaptive_avg_pool2d": [([(2, 3, 7, 6)], ((2, 5),), {})],
    "interpolate": [
        ([(2, 3, 4, 5)], (), {"size": (7, 9)}),
        ([(2, 3, 4, 5)], (), {"scale_factor": 1.7, "mode": "bilinear", "align_corners": True}),
        ([(2, 3, 4, 5)], (), {"size": (3, 11), "mode": "bilinear"}),
    ],
    "pixel_shuffle": [([(2, 12, 3, 4)], (2,), {})],
    "pad": [([(2, 3, 4, 5)], ((1, 2, 0, 3),), {}), ([(2, 3, 4, 5)], ((-1, 2, 1, -2),), {})],
    "dropout": [([(2, 3, 4)], (), {"p": 0.7, "training": False})],
    "softmax": [([(2, 3, 4)], (), {"dim": 1})],
    "log_softmax": [([(2, 3, 4)], (), {"dim": 1})],
    "cross_entropy": [
        ([(1, 3, 2, 3)], (LABELS,), {"ignore_index": 255}),
        ([(1, 3, 2, 3)], (LABELS,), {"ignore_index": 255, "weight": WEIGHT, "label_smoothing": 0.1}),
        ([(1, 3, 2, 3)], (LABELS,), {"ignore_index": 255, "reduction": "none"}),
        ([(1, 3, 2, 3)], (LABELS,), {"ignore_index": 255, "reduction": "sum"}),
    ],
}
ALL = [(name, *case) for name, cases in CASES.items() for case in cases]


def both(function, reference, shapes, arguments, keywords, rng, ops, dtype=np.float64):
    """The results and the gradients of the same call, ours and PyTorch's, as pairs of arrays."""
    arrays = [None if shape is None else rng.standard_normal(shape).astype(dtype) for shape in shapes]
    ours = [None if a is None else Tensor(a, requires_grad=True, ops=ops) for a in arrays]
    theirs = [None if a is None else torch.tensor(a, requires_grad=True) for a in arrays]

    def tensors(value):
        return torch.from_numpy(value) if isinstance(value, np.ndarray) else value

    keywords = {k: v.astype(dtype) if isinstance(v, np.ndarray) else v for k, v in keywords.items()}
    y = function(*ours, *arguments, **keywords)
    z = reference(*theirs, *map(tensors, arguments), **{k: tensors(v) for k, v in keywords.items()})
    grad = rng.standard_normal(y.shape).astype(dtype)
    y.backward(np.asarray(grad))
    z.backward(torch.from_numpy(np.asarray(grad)))
    pairs = [(y.data, z.detach().numpy())]
    return pairs + [(a.grad, b.grad.numpy()) for a, b in zip(ours, theirs, strict=True) if a is not None]


@pytest.mark.parametrize(("name", "shapes", "arguments", "keywords"), ALL, ids=[case[0] for case in ALL])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_and_gradients_equal_pytorch(ops, rng, name, shapes, arguments, keywords, dtype):
    function, reference = getattr(F, name), getattr(TF, name)
    for actual, expected in both(function, reference, shapes, arguments, keywords, rng, ops, dtype):
        assert actual.dtype == dtype
        compare.arrays(np.asarray(actual), expected, length=64).check()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_equals_pytorch_and_moves_the_running_statistics(ops, rng, training, affine):
    mean, var = rng.standard_normal(3), rng.uniform(0.5, 2, 3)
    statistics = (mean.copy(), var.copy()), (torch.tensor(mean), torch.tensor(var))
    shapes = [(2, 3, 4, 5), *([(3,), (3,)] if affine else [None, None])]
    pairs = both(
        lambda x, w, b: F.batch_norm(x, *statistics[0], w, b, training, 0.3),
        lambda x, w, b: TF.batch_norm(x, *statistics[1], w, b, training, 0.3),
        shapes, (), {}, rng, ops,
    )  # fmt: skip
    for actual, expected in [*pairs, *zip(statistics[0], (s.numpy() for s in statistics[1]), strict=True)]:
        compare.arrays(actual, expected, length=64).check()


def test_cat_equals_pytorch(ops, rng):
    shapes = [(2, 3, 4), (2, 1, 4), (2, 2, 4)]
    for actual, expected in both(
        lambda *xs: F.cat(xs, dim=1), lambda *xs: torch.cat(xs, dim=1), shapes, (), {}, rng, ops
    ):
        compare.arrays(actual, expected).check()


def test_pooling_and_unpooling_with_indices_equal_pytorch(ops, rng):
    def ours(x):
        y, indices = F.max_pool2d(x, 2, return_indices=True)
        return F.max_unpool2d(y, indices, 2, output_size=x.shape)

    def theirs(x):
        y, indices = TF.max_pool2d(x, 2, return_indices=True)
        return TF.max_unpool2d(y, indices, 2, output_size=x.shape)

    for actual, expected in both(ours, theirs, [(2, 3, 7, 5)], (), {}, rng, ops):
        compare.arrays(actual, expected).check()


@pytest.mark.parametrize("name", ["dice_loss", "jaccard_loss", "lovasz_softmax"])
def test_region_losses_equal_finite_differences(ops, rng, name):
    loss, array = getattr(F, name), rng.standard_normal((1, 3, 2, 3))
    x = Tensor(array, requires_grad=True, ops=ops)
    (loss(x, LABELS, ignore_index=255) * 3).backward()
    compare.with_finite_differences(
        lambda a: 3 * loss(Tensor(a, ops=ops), LABELS, ignore_index=255).data, [array], [x.grad]
    ).check()


class TestDropout:
    def test_what_is_dropped_gets_no_gradient_and_the_rest_grows(self, ops):
        x = Tensor(np.ones(1000), requires_grad=True, ops=ops)
        y = F.dropout(x, 0.25, generator=np.random.default_rng(0))
        y.sum().backward()
        assert set(np.unique(y.data)) == {0, 4 / 3}
        assert np.array_equal(x.grad, y.data)
        assert 0.2 < (y.data == 0).mean() < 0.3

    def test_the_same_generator_drops_the_same(self, ops):
        x = Tensor(np.ones(1000), ops=ops)
        a, b = (F.dropout(x, generator=np.random.default_rng(5)).data for _ in range(2))
        assert np.array_equal(a, b)


def test_weights_that_are_frozen_get_no_gradient(ops, rng):
    x, w = (Tensor(rng.standard_normal((1, 1, 3, 3)), requires_grad=r, ops=ops) for r in (True, False))
    F.conv2d(x, w).sum().backward()
    assert x.grad is not None
    assert w.grad is None


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        (lambda x: F.relu(x.data), TypeError, r"a Tensor is needed, not ndarray: write Tensor\(array\)"),
        (lambda x: F.pad(x, (1, 2)), ValueError, r"pad=\(1, 2\) must have four numbers"),
        (lambda x: F.pad(x, (-3, -3, 0, 0)), ValueError, r"pad=\(-3, -3, 0, 0\) cuts off more than .* 5×5"),
        (lambda x: F.conv2d(x, Tensor(np.ones((2, 4, 3, 3)))), ValueError, "weight"),
        (lambda x: F.conv2d(x, Tensor(np.ones((2, 3, 3, 3), np.float32))), TypeError, "float32"),
        (lambda x: F.cross_entropy(x, np.full((1, 5, 5), 3)), ValueError, "target"),
    ],
)
def test_mistakes_are_named(mistake, error, words):
    with pytest.raises(error, match=words):
        mistake(Tensor(np.ones((1, 3, 5, 5))))

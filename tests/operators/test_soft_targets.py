"""Cross-entropy against probabilities of the classes equals PyTorch's."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from segedu import compare
from tests.values import draw

SHAPES = [(2, 5, 4, 3), (3, 4), (4,), (2, 3, 7), (0, 3, 4, 4), (1, 1, 2, 2)]


def draw_target(rng, shape, dtype):
    axis = min(1, len(shape) - 1)
    shares = rng.uniform(0.01, 1, shape)
    return (shares / shares.sum(axis, keepdims=True)).astype(dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_against_probabilities_equals_pytorch(ops, rng, shape, reduction):
    grid = itertools.product([False, True], [0.0, 0.2], [np.float32, np.float64], ["normal", "strided"])
    for weighted, smoothing, dtype, kind in grid:
        x, t = draw(rng, shape, kind, dtype), draw_target(rng, shape, dtype)
        classes = shape[min(1, len(shape) - 1)]
        options = {"reduction": reduction, "label_smoothing": smoothing}
        if weighted:
            options["weight"] = rng.uniform(0.2, 3, classes).astype(dtype)
        report = compare.with_torch(ops.cross_entropy, x, t, gradients=False, **options)
        report.check()
        logits = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        wide = {k: torch.tensor(v).double() if isinstance(v, np.ndarray) else v for k, v in options.items()}
        loss = F.cross_entropy(logits, torch.tensor(t, dtype=torch.float64), **wide)
        grad = rng.standard_normal(loss.shape).astype(dtype)
        (expected,) = torch.autograd.grad(loss, logits, torch.tensor(grad, dtype=torch.float64))
        gradient = ops.cross_entropy_backward(grad, x, t, **options)
        compare.arrays(gradient, expected.numpy().astype(dtype), length=classes).check()


def test_one_pass_gives_both(ops, rng):
    x, t = draw(rng, (2, 4, 3, 3), dtype=np.float64), draw_target(rng, (2, 4, 3, 3), np.float64)
    loss, gradient = ops.cross_entropy_with_gradient(x, t)
    assert loss == ops.cross_entropy(x, t)
    compare.with_finite_differences(lambda x: ops.cross_entropy(x, t), [x], [gradient]).check()


def test_one_hot_probabilities_equal_labels(ops, rng):
    x, labels = draw(rng, (2, 4, 3, 3), dtype=np.float64), rng.integers(0, 4, (2, 3, 3))
    one_hot = np.moveaxis(np.eye(4)[labels], -1, 1)
    compare.arrays(ops.cross_entropy(x, one_hot), ops.cross_entropy(x, labels), length=72).check()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"target": np.ones((2, 2, 4))}, ValueError, "target has shape"),
        ({"ignore_index": 255}, ValueError, "ignore_index=255 must be negative"),
        ({"target": np.ones((2, 3, 4), np.float32)}, TypeError, "one dtype"),
        ({"reduction": "average"}, ValueError, "reduction"),
        ({"label_smoothing": 1.5}, ValueError, "label_smoothing"),
    ],
    ids=str,
)
def test_what_has_no_meaning_is_refused(ops, change, error, words):
    arguments = {"logits": np.zeros((2, 3, 4)), "target": np.full((2, 3, 4), 1 / 3), **change}
    with pytest.raises(error, match=words):
        ops.cross_entropy(**arguments)

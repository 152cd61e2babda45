"""Optimisers and schedules take the same steps as torch.optim's."""

import numpy as np
import pytest
import torch

from segedu import compare, optim
from segedu.autograd import Tensor

OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-2}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-2}),
    ("Adam", {}),
    ("Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.3}),
]
SCHEDULES = [
    ("PolynomialLR", {"total_iters": 8, "power": 0.9}),
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("CosineAnnealingLR", {"T_max": 10}),
    ("CosineAnnealingLR", {"T_max": 10, "eta_min": 0.01}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_ten_steps_equal_pytorch(rng, name, options, dtype):
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in ((3, 4), (5,))]
    ours = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    a, b = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for step in range(10):
        for x, y in zip(ours, theirs, strict=True):
            grad = rng.standard_normal(x.shape).astype(dtype)
            x.grad, y.grad = (None, None) if step == 4 and x.ndim == 1 else (grad, torch.tensor(grad))
        a.step()
        b.step()
    for x, y in zip(ours, theirs, strict=True):
        compare.arrays(x.data, y.detach().numpy(), length=10).check()


@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=str)
def test_schedules_equal_pytorch(name, options):
    ours = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.3)
    theirs = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.3)
    a, b = (getattr(o.lr_scheduler, name)(x, **options) for o, x in ((optim, ours), (torch.optim, theirs)))
    for _ in range(10):
        theirs.step()
        a.step()
        b.step()
        assert ours.lr == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-9, abs=1e-15)


def test_a_step_changes_the_array_in_place_and_leaves_the_gradient(rng):
    x = Tensor(rng.standard_normal(3), requires_grad=True)
    array, x.grad = x.data, rng.standard_normal(3)
    grad = x.grad.copy()
    for optimizer in (optim.SGD([x], 0.1, momentum=0.9, weight_decay=0.1, nesterov=True), optim.Adam([x])):
        optimizer.step()
        optimizer.step()
    assert x.data is array
    assert np.array_equal(x.grad, grad)
    optimizer.zero_grad()
    assert x.grad is None


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda x: optim.SGD([], 0.1), "parameters is empty"),
        (lambda x: optim.SGD([x], -0.1), "lr=-0.1 must be at least 0"),
        (lambda x: optim.SGD([x], 0.1, nesterov=True), "nesterov=True needs"),
        (lambda x: optim.Adam([x], betas=(1.0, 0.9)), "betas="),
        (lambda x: optim.AdamW([x], weight_decay=-1), "weight_decay=-1"),
        (lambda x: optim.PolynomialLR(optim.SGD([x], 0.1), 0), "total_iters=0 must be at least 1"),
    ],
)
def test_illegal_numbers_are_named(mistake, words):
    with pytest.raises(ValueError, match=words):
        mistake(Tensor([1.0], requires_grad=True))

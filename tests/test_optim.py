"""Optimisers and schedules take the same steps as torch.optim's."""

import copy
import pickle

import numpy as np
import pytest
import torch

from segedu import compare, nn, optim
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


def parameters(rng, dtype=np.float64):
    """A matrix and a vector, ours and PyTorch's."""
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in ((3, 4), (5,))]
    return [Tensor(a.copy(), requires_grad=True) for a in arrays], [torch.tensor(a, requires_grad=True) for a in arrays]


def ten_steps(rng, ours, theirs, *steppers):
    """The same random gradients for both; in the fifth step the vector has none."""
    for step in range(10):
        for x, y in zip(ours, theirs, strict=True):
            grad = rng.standard_normal(x.shape).astype(x.dtype)
            x.grad, y.grad = (None, None) if step == 4 and x.ndim == 1 else (grad, torch.tensor(grad))
        for stepper in steppers:
            stepper.step()


def are_equal(ours, theirs):
    for x, y in zip(ours, theirs, strict=True):
        compare.arrays(x.data, y.detach().numpy(), length=10).check()


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_ten_steps_equal_pytorch(rng, name, options, dtype):
    ours, theirs = parameters(rng, dtype)
    ten_steps(rng, ours, theirs, getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options))
    are_equal(ours, theirs)


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=str)
def test_gradients_without_bound_do_what_they_do_in_pytorch(rng, name, options):
    ours, theirs = parameters(rng, np.float32)
    for x, y in zip(ours, theirs, strict=True):
        x.grad = rng.standard_normal(x.shape).astype(np.float32)
        x.grad[..., :3] = [np.nan, np.inf, 1e30]
        y.grad = torch.tensor(x.grad)
    for stepper in (getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)):
        stepper.step()
        stepper.step()
    are_equal(ours, theirs)


def test_groups_have_options_of_their_own_and_share_the_schedule(rng):
    ours, theirs = parameters(rng)
    steppers = []
    for library, (matrix, vector) in ((optim, ours), (torch.optim, theirs)):
        groups = [{"params": [matrix], "lr": 0.3, "momentum": 0.5}, {"params": [vector], "weight_decay": 0.0}]
        optimizer = library.SGD(groups, lr=0.1, momentum=0.9, weight_decay=0.2)
        steppers += [optimizer, library.lr_scheduler.CosineAnnealingLR(optimizer, T_max=12, eta_min=0.02)]
    ten_steps(rng, ours, theirs, *steppers)
    are_equal(ours, theirs)
    assert steppers[1].get_last_lr() == pytest.approx(steppers[3].get_last_lr())


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=str)
def test_training_that_was_saved_goes_on_as_if_it_had_not_stopped(rng, name, options):
    def both(tensors):
        optimizer = getattr(optim, name)(tensors, **options)
        return optimizer, optim.lr_scheduler.PolynomialLR(optimizer, total_iters=40, power=0.9)

    ours, theirs = parameters(rng)
    optimizer, schedule = both(ours)
    ten_steps(rng, ours, theirs, optimizer, schedule)
    saved = pickle.loads(pickle.dumps((optimizer.state_dict(), schedule.state_dict())))
    copies = [Tensor(x.data.copy(), requires_grad=True) for x in ours]
    resumed, resumed_schedule = both(copies)
    resumed.load_state_dict(saved[0])
    resumed_schedule.load_state_dict(saved[1])
    for seed in range(3):
        for a, b in zip(ours, copies, strict=True):
            a.grad = b.grad = np.random.default_rng(seed).standard_normal(a.shape)
        for stepper in (optimizer, schedule, resumed, resumed_schedule):
            stepper.step()
    assert all(np.array_equal(a.data, b.data) for a, b in zip(ours, copies, strict=True))
    assert schedule.get_last_lr() == resumed_schedule.get_last_lr()


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=str)
def test_training_that_pytorch_began_goes_on_here(rng, name, options):
    _, theirs = parameters(rng)
    optimizer = getattr(torch.optim, name)(theirs, **options)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
    ten_steps(rng, [Tensor(np.zeros(y.shape)) for y in theirs], theirs, optimizer, schedule)
    ours = [Tensor(y.detach().numpy().copy(), requires_grad=True) for y in theirs]
    resumed = getattr(optim, name)(ours, lr=7.0)
    resumed.load_state_dict(optimizer.state_dict())
    resumed_schedule = optim.lr_scheduler.StepLR(resumed, step_size=1)
    resumed_schedule.load_state_dict(schedule.state_dict())
    ten_steps(rng, ours, theirs, optimizer, schedule, resumed, resumed_schedule)
    are_equal(ours, theirs)


def test_a_saved_state_does_not_change_with_the_next_step(rng):
    ours, theirs = parameters(rng)
    optimizer = optim.Adam(ours)
    ten_steps(rng, ours, theirs, optimizer)
    saved = optimizer.state_dict()
    before = copy.deepcopy(saved)
    ten_steps(rng, ours, theirs, optimizer)
    optimizer.param_groups[0]["lr"] = 5.0
    assert saved["param_groups"] == before["param_groups"]
    assert all(np.array_equal(saved["state"][0][key], value) for key, value in before["state"][0].items())


def test_gradients_are_clipped_as_pytorch_clips_them(rng):
    ours, theirs = parameters(rng)
    for value, longest in ((1.0, 2.0), (1.0, 1e3), (np.nan, 2.0), (1e200, 2.0)):
        for x, y in zip(ours, theirs, strict=True):
            x.grad = value * rng.standard_normal(x.shape)
            y.grad = torch.tensor(x.grad)
        expected = torch.nn.utils.clip_grad_norm_(theirs, longest).item()
        assert nn.utils.clip_grad_norm_(iter(ours), longest) == pytest.approx(expected, nan_ok=True)
        for x, y in zip(ours, theirs, strict=True):
            compare.arrays(x.grad, y.grad.numpy()).check()


@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=str)
def test_schedules_equal_pytorch(name, options):
    ours = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.3)
    theirs = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.3)
    a, b = (getattr(o.lr_scheduler, name)(x, **options) for o, x in ((optim, ours), (torch.optim, theirs)))
    for _ in range(10):
        theirs.step()
        a.step()
        b.step()
        assert a.get_last_lr() == pytest.approx(b.get_last_lr(), rel=1e-9, abs=1e-15)


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
        (lambda x: optim.SGD([{"params": [x], "rate": 0.1}]), "SGD has no option rate"),
        (lambda x: optim.Adam([x]).load_state_dict(optim.SGD([x]).state_dict()), "not one of Adam: missing betas, eps"),
        (lambda x: optim.Adam([x, x]).load_state_dict(optim.Adam([x]).state_dict()), r"groups of \[1\] parameters"),
        (
            lambda x: optim.lr_scheduler.StepLR(optim.SGD([x]), 3).load_state_dict({"last_epoch": 2}),
            "StepLR: missing base_lrs",
        ),
        (lambda x: optim.SGD([], 0.1), "parameters is empty"),
        (lambda x: optim.SGD([x], -0.1), "lr=-0.1 must be at least 0"),
        (lambda x: optim.SGD([x], 0.1, nesterov=True), "nesterov=True needs"),
        (lambda x: optim.Adam([x], betas=(1.0, 0.9)), "betas="),
        (lambda x: optim.AdamW([x], weight_decay=-1), "weight_decay=-1"),
        (lambda x: optim.lr_scheduler.PolynomialLR(optim.SGD([x], 0.1), 0), "total_iters=0 must be at least 1"),
    ],
)
def test_illegal_numbers_are_named(mistake, words):
    with pytest.raises(ValueError, match=words):
        mistake(Tensor([1.0], requires_grad=True))

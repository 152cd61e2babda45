"""Optimisers and schedules with the names and formulas of torch.optim (lecture 11)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import SimpleNamespace

import numpy as np

from segedu.autograd import Tensor


class Optimizer:
    """Changes parameters in place, each by its gradient; `lr` is the learning rate and may be set at any time."""

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("parameters is empty: there is nothing to train")
        self.lr = _at_least_0(lr, "lr")
        self.state: list[dict[str, np.ndarray]] = [{} for _ in self.parameters]

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """One step for every parameter that has a gradient."""
        for parameter, state in zip(self.parameters, self.state, strict=True):
            if parameter.grad is not None:
                parameter.data -= self.change(parameter.data, parameter.grad, state)

    def change(self, data: np.ndarray, grad: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
        """What to subtract from `data`; `state` keeps what the next step needs. All arrays have one shape."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with momentum m and weight decay λ.

    g ← g + λ·θ;  v ← m·v + (1 − dampening)·g, in the first step v = g;  θ ← θ − lr·v
    with Nesterov:  θ ← θ − lr·(g + m·v)

    (Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; Sutskever et al., "On the
    importance of initialization and momentum in deep learning", 2013, for Nesterov's.)

    >>> x = Tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([x], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (x * x).sum().backward()
    ...     optimizer.step()
    >>> x
    Tensor([0.46])
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr)
        self.momentum, self.weight_decay = _at_least_0(momentum, "momentum"), _at_least_0(weight_decay, "weight_decay")
        self.dampening, self.nesterov = dampening, nesterov
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError(f"nesterov=True needs momentum={momentum} above 0 and dampening={dampening} of 0")

    def change(self, data: np.ndarray, grad: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
        if self.weight_decay:
            grad = grad + self.weight_decay * data
        if self.momentum:
            first = "velocity" not in state
            state["velocity"] = grad if first else self.momentum * state["velocity"] + (1 - self.dampening) * grad
            grad = grad + self.momentum * state["velocity"] if self.nesterov else state["velocity"]
        return self.lr * grad


class Adam(Optimizer):
    """Steps divided by the usual size of the gradient.

    g ← g + λ·θ;  m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;  θ ← θ − lr · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + eps)

    (Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1.)
    """

    decoupled = False

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas={betas} must both be at least 0 and below 1")
        self.betas, self.eps, self.weight_decay = betas, eps, _at_least_0(weight_decay, "weight_decay")

    def change(self, data: np.ndarray, grad: np.ndarray, state: dict[str, np.ndarray]) -> np.ndarray:
        decay = self.weight_decay * data
        grad = grad if self.decoupled else grad + decay
        t = state["t"] = state.get("t", 0) + 1
        for name, beta, value in zip(("mean", "square"), self.betas, (grad, grad * grad), strict=True):
            state[name] = beta * state.get(name, 0.0) + (1 - beta) * value
        mean, square = (state[n] / (1 - beta**t) for n, beta in zip(("mean", "square"), self.betas, strict=True))
        step = mean / (np.sqrt(square) + self.eps)
        return self.lr * (step + decay if self.decoupled else step)


class AdamW(Adam):
    """Adam with weight decay beside the gradient, θ ← θ − lr·λ·θ, not in it.

    (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.)
    """

    decoupled = True

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)


class Scheduler:
    """Sets the optimiser's learning rate to `first rate × factor(t)`; t counts the calls of `step`."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.first, self.t = optimizer, optimizer.lr, 0

    def step(self) -> None:
        self.t += 1
        self.optimizer.lr = self.first * self.factor(self.t)

    def factor(self, t: int) -> float:
        raise NotImplementedError


class PolynomialLR(Scheduler):
    """(1 − t/total_iters)^power, then 0: "poly", with power 0.9 in DeepLab (Chen et al., 2018, section 4.1)."""

    def __init__(self, optimizer: Optimizer, total_iters: int, power: float = 1.0) -> None:
        super().__init__(optimizer)
        self.total_iters, self.power = _at_least_1(total_iters, "total_iters"), power

    def factor(self, t: int) -> float:
        return (1 - min(t, self.total_iters) / self.total_iters) ** self.power


class StepLR(Scheduler):
    """Times gamma at every step_size-th step."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        super().__init__(optimizer)
        self.step_size, self.gamma = _at_least_1(step_size, "step_size"), gamma

    def factor(self, t: int) -> float:
        return self.gamma ** (t // self.step_size)


class CosineAnnealingLR(Scheduler):
    """Half a cosine from the first rate down to eta_min at T_max (Loshchilov and Hutter, "SGDR", 2017, equation 5)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        super().__init__(optimizer)
        self.T_max, self.eta_min = _at_least_1(T_max, "T_max"), eta_min

    def factor(self, t: int) -> float:
        low = self.eta_min / self.first if self.first else 0.0
        return low + (1 - low) * (1 + math.cos(math.pi * t / self.T_max)) / 2


lr_scheduler = SimpleNamespace(PolynomialLR=PolynomialLR, StepLR=StepLR, CosineAnnealingLR=CosineAnnealingLR)
"""Where PyTorch keeps its schedules: `optim.lr_scheduler.StepLR`."""


def _at_least_0(value: float, name: str) -> float:
    if not value >= 0:
        raise ValueError(f"{name}={value} must be at least 0")
    return value


def _at_least_1(value: int, name: str) -> int:
    if not value >= 1:
        raise ValueError(f"{name}={value} must be at least 1")
    return value

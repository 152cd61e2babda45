"""Schedules of the learning rate, with the names and formulas of torch.optim.lr_scheduler (lecture 11)."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

from segedu.optim.optimizers import Optimizer
from segedu.optim.saved import same_names


class Scheduler:
    """Sets each group's learning rate to `rate(t, its first rate)`; t counts the calls of `step`."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.last_epoch = optimizer, 0
        self.base_lrs = self.get_last_lr()

    def step(self) -> None:
        self.last_epoch += 1
        for group, first in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.rate(self.last_epoch, first)

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def rate(self, t: int, first: float) -> float:
        raise NotImplementedError

    def state_dict(self) -> dict[str, object]:
        """All but the optimiser, whose own `state_dict` holds the rates: plain numbers."""
        return {name: copy.copy(value) for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, saved: Mapping[str, object]) -> None:
        """Go on from a `state_dict`, ours or that of PyTorch's schedule of the same name.

        Raises:
            ValueError: it is that of another schedule, or of an optimiser with another number of groups.
        """
        own = self.state_dict()
        same_names(self, own, saved)
        if len(saved["base_lrs"]) != len(self.base_lrs):
            raise ValueError(f"the state has {len(saved['base_lrs'])} groups, this schedule has {len(self.base_lrs)}")
        vars(self).update({name: copy.copy(saved[name]) for name in own})


class PolynomialLR(Scheduler):
    """Times (1 − t/total_iters)^power, then 0: "poly", with power 0.9 in DeepLab (Chen et al., 2018, section 4.1)."""

    def __init__(self, optimizer: Optimizer, total_iters: int, power: float = 1.0) -> None:
        super().__init__(optimizer)
        self.total_iters, self.power = _at_least_1(total_iters, "total_iters"), power

    def rate(self, t: int, first: float) -> float:
        return first * (1 - min(t, self.total_iters) / self.total_iters) ** self.power


class StepLR(Scheduler):
    """Times gamma at every step_size-th step."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        super().__init__(optimizer)
        self.step_size, self.gamma = _at_least_1(step_size, "step_size"), gamma

    def rate(self, t: int, first: float) -> float:
        return first * self.gamma ** (t // self.step_size)


class CosineAnnealingLR(Scheduler):
    """Half a cosine from the first rate down to eta_min at T_max (Loshchilov and Hutter, "SGDR", 2017, equation 5)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        super().__init__(optimizer)
        self.T_max, self.eta_min = _at_least_1(T_max, "T_max"), eta_min

    def rate(self, t: int, first: float) -> float:
        return self.eta_min + (first - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


def _at_least_1(value: int, name: str) -> int:
    if not value >= 1:
        raise ValueError(f"{name}={value} must be at least 1")
    return value

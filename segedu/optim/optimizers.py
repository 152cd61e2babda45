"""Gradient descent in three forms, with the names and formulas of torch.optim (lecture 11)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import numpy as np

from segedu.autograd import Tensor, to_numpy
from segedu.optim.saved import restored, same_names


class Optimizer:
    """Changes parameters in place, each by its gradient.

    `param_groups`: a dictionary for each group of parameters, with "params", a list of tensors, and the options by
    which they are changed, such as "lr", the learning rate; options may be set at any time.
    """

    def __init__(self, parameters: Iterable[Tensor] | Iterable[dict], **options: object) -> None:
        """`parameters`: tensors, or groups `{"params": tensors, "lr": 0.1}` whose options go before `options`."""
        groups = list(parameters)
        if not groups:
            raise ValueError("parameters is empty: there is nothing to train")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        self.param_groups = [{**options, **group, "params": list(group["params"])} for group in groups]
        for group in self.param_groups:
            if unknown := group.keys() - options.keys() - {"params"}:
                raise ValueError(f"{type(self).__name__} has no option {', '.join(sorted(unknown))}")
            _at_least_0(group["lr"], "lr")
            _at_least_0(group["weight_decay"], "weight_decay")
            self.check(group)
        self.state: list[dict[str, object]] = [{} for _ in self.parameters]

    @property
    def parameters(self) -> list[Tensor]:
        """The parameters of all groups, in order."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def check(self, group: Mapping[str, object]) -> None:
        """Refuse illegal options."""

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    @np.errstate(over="ignore", invalid="ignore")  # a loss that grows without bound is for the user to see
    def step(self) -> None:
        """One step for every parameter that has a gradient."""
        parameters = [(parameter, group) for group in self.param_groups for parameter in group["params"]]
        for (parameter, group), state in zip(parameters, self.state, strict=True):
            if parameter.grad is not None:
                self.change(parameter.data, parameter.grad, state, group)

    def change(self, data: np.ndarray, grad: np.ndarray, state: dict[str, object], group: Mapping[str, object]) -> None:
        """Change `data`; `state` keeps what the next step needs. All arrays have one shape."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, object]:
        """All that the next steps depend on, in PyTorch's form: copies, as NumPy arrays and plain numbers.

        "state": for the number of each parameter that took a step, its momenta; "param_groups": the options, and under
        "params" the numbers of the parameters.

        >>> x = Tensor([1.0], requires_grad=True)
        >>> optimizer = SGD([x], lr=0.1, momentum=0.9)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> state = optimizer.state_dict()
        >>> state["state"], state["param_groups"][0]["lr"], state["param_groups"][0]["params"]
        ({0: {'momentum_buffer': array([2.])}}, 0.1, [0])
        """
        numbers = iter(range(len(self.state)))
        groups = [{**group, "params": [next(numbers) for _ in group["params"]]} for group in self.param_groups]
        states = {
            number: {name: value if name == "step" else to_numpy(value).copy() for name, value in state.items()}
            for number, state in enumerate(self.state)
            if state
        }
        return {"state": states, "param_groups": groups}

    def load_state_dict(self, saved: Mapping[str, object]) -> None:
        """Go on from a `state_dict`, ours or that of PyTorch's optimiser of the same name.

        Raises:
            ValueError: it is that of another optimiser, or of other parameters. Nothing is loaded then.
        """
        groups = saved["param_groups"]
        sizes, expected = ([len(group["params"]) for group in g] for g in (groups, self.param_groups))
        if sizes != expected:
            raise ValueError(f"the state has groups of {sizes} parameters, this optimiser has {expected}")
        for group, new in zip(self.param_groups, groups, strict=True):
            same_names(self, group, new)
        states = [saved["state"].get(number, {}) for number in range(len(self.state))]
        self.state = [restored(state, like) for state, like in zip(states, self.parameters, strict=True)]
        for group, new in zip(self.param_groups, groups, strict=True):
            group.update({name: copy.copy(new[name]) for name in group if name != "params"})


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
        parameters: Iterable[Tensor] | Iterable[dict],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        options = {"momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(parameters, lr=lr, **options)

    def check(self, group: Mapping[str, object]) -> None:
        momentum, dampening = _at_least_0(group["momentum"], "momentum"), group["dampening"]
        if group["nesterov"] and (momentum == 0 or dampening != 0):
            raise ValueError(f"nesterov=True needs momentum={momentum} above 0 and dampening={dampening} of 0")

    def change(self, data: np.ndarray, grad: np.ndarray, state: dict[str, object], group: Mapping[str, object]) -> None:
        momentum = group["momentum"]
        if group["weight_decay"]:
            grad = grad + group["weight_decay"] * data
        if momentum and not state:
            state["momentum_buffer"] = grad.copy()
        elif momentum:
            state["momentum_buffer"] *= momentum
            state["momentum_buffer"] += (1 - group["dampening"]) * grad if group["dampening"] else grad
        if momentum:
            velocity = state["momentum_buffer"]
            grad = grad + momentum * velocity if group["nesterov"] else velocity
        data -= group["lr"] * grad


class Adam(Optimizer):
    """Steps divided by the usual size of the gradient.

    g ← g + λ·θ;  m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;  θ ← θ − lr · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + eps)

    (Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1.)
    """

    decoupled = False

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def check(self, group: Mapping[str, object]) -> None:
        if not all(0 <= beta < 1 for beta in group["betas"]):
            raise ValueError(f"betas={group['betas']} must both be at least 0 and below 1")

    def change(self, data: np.ndarray, grad: np.ndarray, state: dict[str, object], group: Mapping[str, object]) -> None:
        lr, decay, (beta1, beta2) = group["lr"], group["weight_decay"], group["betas"]
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(data), exp_avg_sq=np.zeros_like(data))
        state["step"] += 1
        if decay and self.decoupled:
            data *= 1 - lr * decay
        elif decay:
            grad = grad + decay * data
        mean, square, t = state["exp_avg"], state["exp_avg_sq"], state["step"]
        mean *= beta1
        mean += (1 - beta1) * grad
        square *= beta2
        square += (1 - beta2) * grad * grad
        size = (square / (1 - beta2**t)) ** 0.5
        size += group["eps"]
        data -= lr / (1 - beta1**t) * mean / size


class AdamW(Adam):
    """Adam with weight decay beside the gradient, θ ← θ − lr·λ·θ, not in it.

    (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.)
    """

    decoupled = True

    def __init__(
        self,
        parameters: Iterable[Tensor] | Iterable[dict],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)


def _at_least_0(value: float, name: str) -> float:
    if not value >= 0:
        raise ValueError(f"{name}={value} must be at least 0")
    return value

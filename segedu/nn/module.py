"""Modules: parameters, buffers and other modules under one roof, as in torch.nn (lecture 11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Self

import numpy as np

from segedu.autograd import Tensor, to_numpy
from segedu.nn.parameter import Parameter


class Module:
    """A part of a network: it finds the parameters and modules among its attributes, in the order they were set.

    A subclass sets them in `__init__` and computes in `forward`.

    >>> class Twice(Module):
    ...     def __init__(self):
    ...         self.weight = Parameter(np.array([2.0]))
    ...     def forward(self, x):
    ...         return x * self.weight
    >>> model = Sequential(Twice(), Twice())
    >>> model(Tensor([1.0, 3.0])), [name for name, _ in model.named_parameters()]
    (Tensor([ 4., 12.]), ['0.weight', '1.weight'])
    """

    training = True
    _buffers: tuple[str, ...] = ()

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *inputs: object, **options: object) -> object:
        return self.forward(*inputs, **options)

    # --- what is inside -------------------------------------------------------------------------

    def register_buffer(self, name: str, array: np.ndarray | None) -> None:
        """An array that belongs to the state and is not trained, such as a running mean."""
        setattr(self, name, array)
        self._buffers += (name,)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        yield from ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module, under the name `prefix`, and all below it, from top to bottom."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        yield from (module for _, module in self.named_modules())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter once, with its full name: "encoder.0.weight"."""
        seen = set()
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{prefix}.{name}" if prefix else name, value

    def parameters(self) -> Iterator[Parameter]:
        yield from (parameter for _, parameter in self.named_parameters())

    # --- what is set for all of them ------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Batch normalisation uses the batch, dropout drops; `eval` is the opposite."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        return self.train(False)

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad = None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """False freezes: no gradient is kept for the parameters."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def to(self, dtype: np.typing.DTypeLike | None = None, ops: ModuleType | None = None) -> Self:
        """Parameters and buffers in another dtype, or for another set of operators, where its `asarray` puts them."""
        for module in self.modules():
            for name, value in module._state():
                array = value.data if isinstance(value, Parameter) else value
                array = getattr(ops, "asarray", to_numpy)(array) if ops else array
                array = array.astype(dtype or array.dtype, copy=False) if array.dtype.kind == "f" else array
                if isinstance(value, Parameter):
                    value.data, value.grad, value.ops = array, None, ops or value.ops
                else:
                    setattr(module, name, array)
        return self

    def float(self) -> Self:
        return self.to("float32")

    def double(self) -> Self:
        return self.to("float64")

    # --- the state ------------------------------------------------------------------------------

    def _state(self) -> Iterator[tuple[str, Parameter | np.ndarray]]:
        """Own parameters, then own buffers, as PyTorch orders them."""
        own = [(name, value) for name, value in vars(self).items() if isinstance(value, Parameter)]
        buffers = [(name, getattr(self, name)) for name in self._buffers]
        yield from own + [(name, value) for name, value in buffers if value is not None]

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers, as NumPy arrays by their full names: PyTorch's names and shapes."""
        state = {}
        for prefix, module in self.named_modules():
            for name, value in module._state():
                state[f"{prefix}.{name}" if prefix else name] = to_numpy(value).copy()
        return state

    def load_state_dict(self, state: Mapping[str, object], strict: bool = True) -> None:
        """Take the values of parameters and buffers from `state`: arrays or tensors, also PyTorch's.

        Args:
            state: names as in `state_dict`; values are converted to the dtype of the module.
            strict: all names must be there, and no others. False takes those that are there.

        Raises:
            ValueError: names are missing or unknown, or shapes differ; the message lists them. Nothing is loaded then.
        """
        places = {
            f"{prefix}.{name}" if prefix else name: (module, name, value)
            for prefix, module in self.named_modules()
            for name, value in module._state()
        }
        check_state({name: value.shape for name, (_, _, value) in places.items()}, state, strict)
        for full, (module, name, value) in places.items():
            if full in state:
                array = np.array(to_numpy(state[full]), value.dtype)
                if isinstance(value, Parameter):
                    value.data = np.asarray(array, like=value.data)  # CuPy's, where that is
                else:
                    setattr(module, name, np.asarray(array, like=value))

    def __repr__(self) -> str:
        """The modules, one in a line, indented by what they are part of."""
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        inside = "\n  " + "\n  ".join(lines) + "\n" if lines else self.extra_repr()
        return f"{type(self).__name__}({inside})"

    def extra_repr(self) -> str:
        return ""


def check_state(shapes: Mapping[str, tuple[int, ...]], state: Mapping[str, object], strict: bool = True) -> None:
    """Refuse a state whose names or shapes are not those of `shapes`, and say which.

    >>> check_state({"weight": (1,)}, {"wieght": np.zeros(1)})
    Traceback (most recent call last):
    ValueError: the state does not fit: missing weight; unknown wieght
    """
    missing = [name for name in shapes if name not in state]
    unknown = [name for name in state if name not in shapes]
    wrong = [
        f"{name} has shape {tuple(state[name].shape)}, expected {tuple(shape)}"
        for name, shape in shapes.items()
        if name in state and tuple(state[name].shape) != tuple(shape)
    ]
    trouble = [_listed("missing", missing), _listed("unknown", unknown)] if strict else []
    trouble = [part for part in [*trouble, _listed("", wrong)] if part]
    if trouble:
        raise ValueError(f"the state does not fit: {'; '.join(trouble)}")


def _listed(title: str, names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{title} {', '.join(names[:most])}{more}".strip() if names else ""


class Sequential(Module):
    """Modules one after the other; `model[0]`, `len(model)` and a loop over it give them."""

    def __init__(self, *modules: Module) -> None:
        for number, module in enumerate(modules):
            setattr(self, str(number), module)

    def forward(self, x: Tensor) -> Tensor:
        for module in self:
            x = module(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return iter([child for _, child in self.named_children()])

    def __len__(self) -> int:
        return len(list(self.named_children()))

    def __getitem__(self, number: int | slice) -> Module:
        chosen = list(self)[number]
        return type(self)(*chosen) if isinstance(number, slice) else chosen


class ModuleList(Sequential):
    """A list of modules, whose parameters are found; it computes nothing itself."""

    def __init__(self, modules: list[Module] | tuple[Module, ...] = ()) -> None:
        super().__init__(*modules)

    def append(self, module: Module) -> Self:
        setattr(self, str(len(self)), module)
        return self

    def __getitem__(self, number: int | slice) -> Module:
        chosen = list(self)[number]
        return ModuleList(chosen) if isinstance(number, slice) else chosen

    def forward(self, x: Tensor) -> Tensor:
        raise TypeError("a ModuleList is not called; call the modules in it")

"""What an entry of the table is made of: a description and a change of the arguments."""

from collections.abc import Callable
from dataclasses import dataclass

from segedu.diagnosis import reference

Entry = tuple[str, Callable]


@dataclass(frozen=True)
class Change:
    """Changes named arguments: takes and returns a dictionary; None where there is nothing to change."""

    function: Callable[[dict], dict | None]

    def __call__(self, p: dict) -> dict | None:
        return self.function(p)


def put(**new: object) -> Change:
    """These arguments instead."""
    return Change(lambda p: p | new)


def edit(name: str, function: Callable) -> Change:
    """`function` applied to one argument that was given."""
    return Change(lambda p: p | {name: function(p[name])} if p.get(name) is not None else None)


def run(operator: str, p: dict, **new: object) -> object:
    """PyTorch's function called with the named arguments, some of them new."""
    p = p | new
    rest = {k: v for k, v in p.items() if k not in ("x", "grad_output")}
    rest |= {k: rest[k].clone() for k in ("running_mean", "running_var") if rest.get(k) is not None}
    return reference.find(operator)(p["x"], **rest)


def functional() -> object:
    """`torch.nn.functional`."""
    import torch

    return torch.nn.functional


def pair(value: object) -> tuple:
    """A number twice, a pair as it is."""
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def swap(value: object) -> tuple:
    """A pair in reverse order."""
    return pair(value)[::-1]


def exchange(first: str, second: str, default: object = 1) -> Change:
    """Two arguments, each in place of the other."""
    return Change(lambda p: p | {first: p.get(second, default), second: p.get(first, default)})


def padded(mode: str, value: float = 0.0) -> Change:
    """The padding filled differently."""

    def change(p: dict) -> dict:
        top, left = pair(p["padding"])
        kind = {"mode": mode} if mode != "constant" else {"value": value}
        return p | {"x": functional().pad(p["x"], (left, left, top, top), **kind), "padding": 0}

    return Change(change)


SWAPPED = " with height and width swapped: (height, width) is the order"

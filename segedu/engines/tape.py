"""Our tape over a set of operators, as an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType

import numpy as np

import segedu.numpy_ops
import segedu.optim
from segedu import nn
from segedu.autograd import Tensor, to_numpy
from segedu.engines.base import Engine


class Tape(Engine):
    """segedu.nn's layers; tensors are computed with by the set of operators `ops`.

    Arrays are NumPy's, unless the operators have a function `asarray`: it puts them where they are wanted. Layers
    belong to the NumPy operators until `segedu.models.create` or `module.to(ops=engine.ops)` moves them.

    >>> def relu(x):
    ...     print("my own relu")
    ...     return np.maximum(x, 0)
    >>> mine = Tape("mine", operators(relu=relu))
    >>> mine.array(mine.relu(mine.tensor(np.array([-1.0, 2.0]))))
    my own relu
    array([0., 2.])
    """

    optim = segedu.optim

    def __init__(self, name: str, ops: ModuleType) -> None:
        self.name, self.ops = name, ops
        self._there = getattr(ops, "asarray", to_numpy)

    def __getattr__(self, name: str) -> object:
        return getattr(nn, name)

    def tensor(self, array: np.ndarray) -> Tensor | np.ndarray:
        array = self._there(array)
        return Tensor(array, ops=self.ops) if array.dtype.kind == "f" else array

    def array(self, tensor: Tensor | np.ndarray) -> np.ndarray:
        return to_numpy(tensor)

    def assign(self, module: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
        for name, array in arrays.items():
            value = getattr(module, name)
            if isinstance(value, nn.Parameter):
                value.data, value.ops = self._there(np.array(array)), self.ops
            else:
                setattr(module, name, self._there(np.array(array)))

    def generator(self, module: nn.Dropout, rng: np.random.Generator) -> None:
        module.generator = rng


def operators(name: str = "mine", **functions: Callable) -> ModuleType:
    """The operators in NumPy, but for those that are given: a set of operators, for trying out one's own.

    Raises:
        ValueError: there is no operator of that name.
    """
    ops = ModuleType(name)
    for operator in segedu.numpy_ops.__all__:
        setattr(ops, operator, functions.pop(operator, getattr(segedu.numpy_ops, operator)))
    if functions:
        raise ValueError(f"{', '.join(functions)}: no such operator in segedu.numpy_ops")
    return ops

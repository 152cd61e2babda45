"""Our tape over a set of operators, as an engine."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import numpy as np

from segedu import nn
from segedu.autograd import Tensor


class Tape:
    """segedu.nn's layers; tensors are computed with by the set of operators `ops`.

    Arrays go where the operators want them: `ops.asarray(array)` puts them there, where the operators have one.
    """

    def __init__(self, name: str, ops: ModuleType) -> None:
        self.name, self.ops = name, ops
        self._there = getattr(ops, "asarray", np.asarray)

    def __getattr__(self, name: str) -> object:
        return getattr(nn, name)

    def tensor(self, array: np.ndarray) -> Tensor | np.ndarray:
        array = self._there(array)
        return Tensor(array, ops=self.ops) if array.dtype.kind == "f" else array

    def array(self, tensor: Tensor | np.ndarray) -> np.ndarray:
        data = tensor.data if isinstance(tensor, Tensor) else tensor
        return data.get() if hasattr(data, "get") else np.asarray(data)  # CuPy's way to NumPy is `get`

    def assign(self, module: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
        for name, array in arrays.items():
            value = getattr(module, name)
            if isinstance(value, nn.Parameter):
                value.data, value.ops = self._there(np.array(array)), self.ops
            else:
                setattr(module, name, self._there(np.array(array)))

    def generator(self, module: nn.Dropout, rng: np.random.Generator) -> None:
        module.generator = rng

"""Parameters and their first values: PyTorch's defaults, from an explicit source of random numbers."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from types import ModuleType

import numpy as np

import segedu.numpy_ops
from segedu.autograd import Tensor

_shapes_only = False


class Parameter(Tensor):
    """A tensor that is trained: a module finds it among its attributes."""

    def __init__(self, data: np.ndarray, requires_grad: bool = True, ops: ModuleType = segedu.numpy_ops) -> None:
        super().__init__(data, requires_grad, ops)


@contextlib.contextmanager
def shapes_only() -> Iterator[None]:
    """Layers made inside have parameters of the right shape that take no memory: for counting, or before loading.

    Each is one 0 that is shown at every place; `segedu.nn.initialise` or `load_state_dict` puts values there.
    """
    global _shapes_only
    before, _shapes_only = _shapes_only, True
    try:
        yield
    finally:
        _shapes_only = before


def constant(value: float, *shape: int) -> np.ndarray:
    """An array of one value, float32; inside `shapes_only` it takes no memory."""
    return np.broadcast_to(np.float32(0), shape) if _shapes_only else np.full(shape, value, np.float32)


def weight_and_bias(
    shape: tuple[int, ...], outputs: int, bias: bool, generator: np.random.Generator | None
) -> tuple[Parameter, Parameter | None]:
    """What a convolution or a linear layer begins with; drawn by a new, unseeded generator when None is given."""
    arrays = constant(0, *shape), constant(0, outputs)
    if not _shapes_only:
        arrays = uniform(shape, outputs, generator or np.random.default_rng())
    return Parameter(arrays[0]), Parameter(arrays[1]) if bias else None


def uniform(shape: tuple[int, ...], outputs: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Weight of `shape` and bias of `outputs` numbers, all uniform in ±1/√n, n = product of shape[1:]; float32.

    PyTorch's default for Conv2d, ConvTranspose2d and Linear. It is called Kaiming's with a = √5 there (He et al.,
    "Delving deep into rectifiers", 2015), which comes to √(6 / ((1 + 5)·n)) = 1/√n.

    >>> weight, bias = uniform((8, 3, 3, 3), 8, np.random.default_rng(0))
    >>> bool(abs(weight).max() < 27**-0.5), bias.shape
    (True, (8,))
    """
    bound = np.float32(1 / math.sqrt(math.prod(shape[1:])))
    return tuple(bound * (2 * generator.random(s, np.float32) - 1) for s in (shape, (outputs,)))

"""What is measured: an operator at a shape gives cases, each one of our calls beside PyTorch's.

Both sides read the same memory: the tensors are views of the arrays. PyTorch uses its default NCHW layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from segedu import compare

Shape = tuple[int, ...]

FORWARD, GRADIENT, WITH_GRADIENT, STEP = "forward", "gradient", "with gradient", "step"


@dataclass(frozen=True)
class Case:
    """One thing to time: our call and PyTorch's, which must return the same.

    Args:
        direction: "forward"; "gradient", the backward alone; "with gradient", the result and its gradient together;
            "step", of training.
        ours: returns one array, a number, or a tuple of them.
        pytorch: returns the same as tensors.
        reads: the arrays that any implementation has to read, each once.
        flops: additions and multiplications of the matrix products in it; 0 where memory is all that counts.
        length: how many terms are summed for one element of the result, see `segedu.tolerances`.
    """

    direction: str
    ours: Callable[[], object]
    pytorch: Callable[[], object]
    reads: tuple[np.ndarray, ...]
    flops: int = 0
    length: int = 1

    def check(self) -> int:
        """Compare the two results and return the bytes moved at least: all that is read and written, once.

        Raises:
            WrongResultError: the results differ.
        """
        actual, expected = _several(self.ours()), _several(self.pytorch())
        if len(actual) != len(expected):
            raise WrongResultError(f"{len(actual)} results, PyTorch returns {len(expected)}")
        for number, (a, e) in enumerate(zip(actual, expected, strict=True)):
            report = compare.arrays(np.asarray(a), np.asarray(e), length=self.length, name=f"result {number}")
            if not report:
                raise WrongResultError(" ".join(report.message.splitlines()[:2]))
        return sum(array.nbytes for array in self.reads) + sum(np.asarray(a).nbytes for a in actual)


class WrongResultError(AssertionError):
    """Our result differs from PyTorch's, so its time says nothing."""


def _several(result: object) -> list:
    results = result if isinstance(result, (tuple, list)) else [result]
    return [r.detach().numpy() if isinstance(r, torch.Tensor) else r for r in results if r is not None]


@dataclass(frozen=True)
class Operator:
    """An operator with fixed arguments, and the shapes it is measured at.

    Args:
        name: as the table prints it.
        build: draws random inputs of a shape and returns the cases.
        shapes: of the first input.
        quick: a shape for a smoke test.
        table: whether the published table and its geometric mean hold this operator.
        growth: the shape for an image of size×size; None leaves the operator out of the growth curves.
    """

    name: str
    build: Callable[[Shape, np.random.Generator], list[Case]]
    shapes: tuple[Shape, ...] = ((4, 64, 64, 64), (2, 64, 256, 256))
    quick: Shape = (2, 4, 16, 16)
    table: bool = True
    growth: Callable[[int], Shape] | None = field(default=lambda size: (1, 16, size, size))

    def cases(self, shape: Shape, seed: int) -> list[Case]:
        """The cases at a shape, with random inputs that `seed` decides."""
        return self.build(shape, np.random.default_rng([seed, *shape]))


def normal(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Random float32 numbers, never constant: zeros are faster to add and hide wrong results."""
    return rng.standard_normal(shape, dtype=np.float32)


def differentiable(
    rng: np.random.Generator,
    inputs: Sequence[np.ndarray],
    ours: Callable,
    pytorch: Callable,
    backward: Callable[[np.ndarray], object],
    *,
    saved: Sequence[np.ndarray] = (),
    flops: int = 0,
    length: int = 1,
    gradient_length: int | None = None,
) -> list[Case]:
    """The forward case and the gradient case of one function of float arrays.

    PyTorch's gradient is `torch.autograd.grad` over a graph that is kept, so the backward alone is timed.

    Args:
        inputs: the float arrays; `ours` takes them as arrays and `pytorch` as tensors.
        backward: `backward(grad_output)` returns the gradients of all inputs, in their order.
        saved: the arrays that the gradient has to read besides `grad_output`.
        flops, length: of the forward; the gradients of n inputs take n times the operations.
        gradient_length: how many terms are summed in the gradients; by default `length`.
    """
    tensors = [torch.from_numpy(x) for x in inputs]
    leaves = [t.detach().requires_grad_() for t in tensors]
    output = pytorch(*leaves)
    output = output[0] if isinstance(output, tuple) else output
    grad_output = normal(rng, tuple(output.shape))
    grad_tensor = torch.from_numpy(grad_output)

    def pytorch_forward() -> object:
        with torch.no_grad():
            return pytorch(*tensors)

    products = sum(x.ndim > 1 for x in inputs)  # a bias has no product
    return [
        Case(FORWARD, lambda: ours(*inputs), pytorch_forward, tuple(inputs), flops, length),
        Case(
            GRADIENT,
            lambda: backward(grad_output),
            lambda: torch.autograd.grad(output, leaves, grad_tensor, retain_graph=True),
            (grad_output, *saved),
            flops * products,
            gradient_length or length,
        ),
    ]

"""Losses on logits of 21 classes, as in Pascal VOC; one pixel in ten is void where the loss ignores void.

Our losses compute the gradient together with the value, so PyTorch's time is that of forward and backward.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.case import FORWARD, WITH_GRADIENT, Case, Operator, Shape, normal
from segedu import numpy_ops as ops

VOID = 255
VOC: tuple[Shape, ...] = ((4, 21, 512, 512),)


def labels(rng: np.random.Generator, shape: Shape, void: float) -> np.ndarray:
    """A random class for every pixel of N×C×H×W logits, int64; the share `void` of them is VOID."""
    result = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    result[rng.random(result.shape) < void] = VOID
    return result


def loss_cases(
    logits: np.ndarray,
    target: np.ndarray,
    ours: Callable,
    ours_with_gradient: Callable,
    pytorch: Callable,
    pytorch_for_gradient: Callable | None = None,
) -> list[Case]:
    """The value alone, then the value and its gradient; each function takes logits and target.

    `pytorch_for_gradient` is the form of `pytorch` that is quicker where the gradient is needed, too.
    """
    logits_tensor, target_tensor = torch.from_numpy(logits), torch.from_numpy(target)
    leaf = logits_tensor.detach().requires_grad_()

    def pytorch_forward() -> torch.Tensor:
        with torch.no_grad():
            return pytorch(logits_tensor, target_tensor)

    def pytorch_with_gradient() -> tuple[torch.Tensor, torch.Tensor]:
        loss = (pytorch_for_gradient or pytorch)(leaf, target_tensor)
        return loss, torch.autograd.grad(loss, leaf)[0]

    reads = (logits, target)
    return [
        Case(FORWARD, lambda: ours(logits, target), pytorch_forward, reads, length=target.size),
        Case(
            WITH_GRADIENT, lambda: ours_with_gradient(logits, target), pytorch_with_gradient, reads, length=target.size
        ),
    ]


def cross_entropy(shape: Shape, rng: np.random.Generator) -> list[Case]:
    """The mean over the pixels that are not void."""
    return loss_cases(
        normal(rng, shape),
        labels(rng, shape, void=0.1),
        lambda x, t: ops.cross_entropy(x, t, ignore_index=VOID),
        lambda x, t: ops.cross_entropy_with_gradient(x, t, ignore_index=VOID),
        lambda x, t: F.cross_entropy(x, t, ignore_index=VOID),
    )


def dice(shape: Shape, rng: np.random.Generator) -> list[Case]:
    """The soft Dice loss over all pixels of the batch."""
    return loss_cases(
        normal(rng, shape),
        labels(rng, shape, void=0),
        ops.dice_loss,
        ops.dice_loss_with_gradient,
        dice_by_gathering,
        dice_by_one_hot,
    )


def dice_by_gathering(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """PyTorch has no Dice loss. This form picks the probability of the true class: the quickest value found."""
    probability, labels = logits.softmax(1), target.reshape(-1)
    picked = probability.gather(1, target[:, None]).reshape(-1)
    shared = torch.zeros(logits.shape[1]).scatter_add(0, labels, picked)
    counts = torch.bincount(labels, minlength=logits.shape[1])
    return 1 - ((2 * shared + 1) / (probability.sum((0, 2, 3)) + counts + 1)).mean()


def dice_by_one_hot(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The same with labels one-hot: the quickest with its gradient."""
    probability = logits.softmax(1)
    truth = torch.zeros_like(probability).scatter_(1, target[:, None], 1.0)
    shared = (probability * truth).sum((0, 2, 3))
    return 1 - ((2 * shared + 1) / (probability.sum((0, 2, 3)) + truth.sum((0, 2, 3)) + 1)).mean()


def growth(size: int) -> Shape:
    """One image of 21 classes."""
    return (1, 21, size, size)


OPERATORS = [
    Operator("cross-entropy with void", cross_entropy, shapes=VOC, growth=growth),
    Operator("soft Dice loss", dice, shapes=VOC, growth=growth),
]

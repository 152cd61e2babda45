"""Losses on logits of 21 classes, as in Pascal VOC; one pixel in ten is void where the loss ignores void.

Our losses compute the gradient together with the value, so PyTorch's time is that of forward and backward.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.case import FORWARD, WITH_GRADIENT, Case, Operator, Shape, differentiable, normal
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


def jaccard(shape: Shape, rng: np.random.Generator) -> list[Case]:
    """The soft Jaccard loss over all pixels of the batch."""
    return loss_cases(
        normal(rng, shape),
        labels(rng, shape, void=0),
        ops.jaccard_loss,
        ops.jaccard_loss_with_gradient,
        pytorch_jaccard,
    )


def pytorch_jaccard(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """PyTorch has none: softmax and labels one-hot."""
    probability = logits.softmax(1)
    truth = torch.zeros_like(probability).scatter_(1, target[:, None], 1.0)
    shared = (probability * truth).sum((0, 2, 3))
    either = probability.sum((0, 2, 3)) + truth.sum((0, 2, 3)) - shared
    return 1 - ((shared + 1) / (either + 1)).mean()


def lovasz(shape: Shape, rng: np.random.Generator) -> list[Case]:
    """The Lovász-softmax loss over all pixels of the batch, the classes that are present."""
    functions = ops.lovasz_softmax, ops.lovasz_softmax_with_gradient, pytorch_lovasz
    return loss_cases(normal(rng, shape), labels(rng, shape, void=0), *functions)


def pytorch_lovasz(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """PyTorch has none. Algorithm 1 of Berman, Triki and Blaschko, 2018, in the form of their own code."""
    probability = logits.softmax(1).movedim(1, 0).flatten(1)
    losses = []
    for label, scores in enumerate(probability):
        truth = (target.reshape(-1) == label).float()
        errors, order = torch.sort((truth - scores).abs(), descending=True)
        truth = truth[order]
        shared = truth.sum() - truth.cumsum(0)
        steps = 1 - shared / (truth.sum() + (1 - truth).cumsum(0))
        steps[1:] -= steps[:-1].clone()
        losses.append(torch.dot(errors, steps))
    return torch.stack(losses).mean()


def nll(shape: Shape, rng: np.random.Generator) -> list[Case]:
    """The mean of minus the log-probability of the true class, and its gradient."""
    logits = torch.from_numpy(normal(rng, shape))
    log_probs = logits.log_softmax(1).numpy()
    target = labels(rng, shape, void=0.1)
    tensor = torch.from_numpy(target)
    return differentiable(
        rng,
        [log_probs],
        lambda x: ops.nll_loss(x, target, ignore_index=VOID),
        lambda x: F.nll_loss(x, tensor, ignore_index=VOID),
        lambda grad: ops.nll_loss_backward(grad, log_probs, target, ignore_index=VOID),
        saved=[target],
        length=target.size,
    )


def growth(size: int) -> Shape:
    """One image of 21 classes."""
    return (1, 21, size, size)


OPERATORS = [
    Operator("cross-entropy with void", cross_entropy, shapes=VOC, growth=growth),
    Operator("soft Dice loss", dice, shapes=VOC, growth=growth),
    Operator("soft Jaccard loss", jaccard, shapes=VOC, table=False),
    Operator("Lovász-softmax loss", lovasz, shapes=((1, 21, 256, 256),), table=False),
    Operator("negative log-likelihood with void", nll, shapes=VOC, table=False),
]

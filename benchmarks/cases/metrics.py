"""Metrics on label maps of 21 classes; one pixel in ten of the target is void."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks.case import FORWARD, Case, Operator, Shape, normal
from benchmarks.cases.losses import VOID, labels
from segedu import numpy_ops as ops

CLASSES = 21


def counted(shape: Shape, rng: np.random.Generator, ours: Callable, pytorch: Callable) -> list[Case]:
    """Count the confusion matrix of N×H×W label maps, then compute a score from it."""
    logits = (shape[0], CLASSES, *shape[1:])
    target, prediction = labels(rng, logits, void=0.1), labels(rng, logits, void=0)
    target_tensor, prediction_tensor = torch.from_numpy(target), torch.from_numpy(prediction)
    return [
        Case(
            FORWARD,
            lambda: ours(ops.confusion_matrix(prediction, target, CLASSES, ignore_index=VOID)),
            lambda: pytorch(pytorch_confusion_matrix(prediction_tensor, target_tensor)),
            (prediction, target),
        )
    ]


def pytorch_confusion_matrix(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """PyTorch has none. The quickest form found: no mask, void falls into rows that are cut off. It checks no label."""
    pairs = target * CLASSES + prediction
    counts = torch.bincount(pairs.reshape(-1), minlength=(VOID + 1) * CLASSES)
    return counts[: CLASSES * CLASSES].reshape(CLASSES, CLASSES)


def matrix_itself(matrix):
    """No score: the counts."""
    return matrix


def pytorch_iou(matrix: torch.Tensor) -> torch.Tensor:
    """Intersection over union of each class."""
    hits = matrix.diagonal().double()
    return hits / (matrix.sum(0) + matrix.sum(1) - hits)


def pytorch_dice(matrix: torch.Tensor) -> torch.Tensor:
    """Dice of each class."""
    return 2 * matrix.diagonal().double() / (matrix.sum(0) + matrix.sum(1))


def top_k(shape: Shape, rng: np.random.Generator, k: int = 5) -> list[Case]:
    """The share of pixels whose true class is among the k best logits."""
    logits, target = normal(rng, shape), labels(rng, shape, void=0)
    k = min(k, shape[1] - 1)
    logits_tensor, target_tensor = torch.from_numpy(logits), torch.from_numpy(target)

    def pytorch() -> torch.Tensor:
        best = logits_tensor.topk(k, dim=1, sorted=False).indices
        return (best == target_tensor[:, None]).any(1).double().mean()

    return [Case(FORWARD, lambda: ops.top_k_accuracy(logits, target, k), pytorch, (logits, target))]


def growth(size: int) -> Shape:
    """One label map."""
    return (1, size, size)


def metric(name: str, ours: Callable, pytorch: Callable) -> Operator:
    """A score counted from label maps."""
    build = partial(counted, ours=ours, pytorch=pytorch)
    return Operator(name, build, shapes=((4, 512, 512),), quick=(2, 64, 64), growth=growth)


OPERATORS = [
    metric("confusion matrix", matrix_itself, matrix_itself),
    metric("IoU of each class", lambda matrix: ops.iou(matrix), pytorch_iou),
    metric("Dice of each class", lambda matrix: ops.class_dice(matrix), pytorch_dice),
    Operator("top-5 accuracy", top_k, shapes=((4, 21, 512, 512),), table=False, growth=None),
]

"""The losses of regions for PyTorch's tensors: a network trains with them wherever PyTorch computes.

Logits N×C×H×W and int64 labels N×H×W to one number. What the losses mean, and where the formulas come from, stands in
`segedu.numpy_ops`, under the same names.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def dice_loss(
    logits: torch.Tensor, labels: torch.Tensor, ignore_index: int | None = None, smooth: float = 1.0
) -> torch.Tensor:
    p, y = _of_pixels(logits, labels, ignore_index)
    return 1 - ((2 * (p * y).sum(0) + smooth) / (p.sum(0) + y.sum(0) + smooth)).mean()


def jaccard_loss(
    logits: torch.Tensor, labels: torch.Tensor, ignore_index: int | None = None, smooth: float = 1.0
) -> torch.Tensor:
    p, y = _of_pixels(logits, labels, ignore_index)
    both = (p * y).sum(0)
    return 1 - ((both + smooth) / (p.sum(0) + y.sum(0) - both + smooth)).mean()


def lovasz_softmax(logits: torch.Tensor, labels: torch.Tensor, ignore_index: int | None = None) -> torch.Tensor:
    """The mean over the classes that are in the labels."""
    p, y = _of_pixels(logits, labels, ignore_index)
    present = y.sum(0) > 0
    if not present.any():
        return 0 * logits.sum()
    p, y = p[:, present], y[:, present]
    errors, order = (y - p).abs().sort(dim=0, descending=True, stable=True)
    truth = y.gather(0, order)
    jaccard = 1 - (truth.sum(0) - truth.cumsum(0)) / (truth.sum(0) + (1 - truth).cumsum(0))
    return (errors * jaccard.diff(dim=0, prepend=torch.zeros_like(jaccard[:1]))).sum(0).mean()


def _of_pixels(
    logits: torch.Tensor, labels: torch.Tensor, ignore_index: int | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities and one-hot labels of the pixels that count, both P×C."""
    scores, labels = logits.movedim(1, -1).flatten(0, -2), labels.flatten()
    if ignore_index is not None:
        scores, labels = scores[labels != ignore_index], labels[labels != ignore_index]
    return scores.softmax(1), F.one_hot(labels, logits.shape[1]).to(scores.dtype)

"""Cross-entropy, pixel by pixel (lecture 06).

The loss of a pixel needs the logarithm of one sum over the classes and one picked logit. Loss and gradient share the
exponentials, so one pass over strips of pixels gives both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segedu import arguments
from segedu.numpy_ops._pixels import Pixels, Strip, pixels_of
from segedu.numpy_ops._soft_targets import is_soft, soft_cross_entropy

REDUCTIONS = ("mean", "sum", "none")


class _Problem(NamedTuple):
    """A checked loss: what is added up, with which weights, divided by what."""

    pixels: Pixels
    weight: np.ndarray | None  # C
    smoothing: float
    reduction: str
    shape: tuple[int, ...]  # of the target

    @property
    def dtype(self) -> np.dtype:
        return self.pixels.scores.dtype

    def spread(self) -> np.ndarray:
        """What label smoothing gives to each class: ε/C · w[c]."""
        share = self.dtype.type(self.smoothing / self.pixels.classes)
        return np.full(self.pixels.classes, share) if self.weight is None else share * self.weight

    def divisor(self) -> np.float64:
        """What the sum over pixels is divided by: for the mean, the sum of the pixels' weights."""
        if self.reduction != "mean":
            return np.float64(1)
        valid = self.pixels.valid()
        if self.weight is None:
            return np.float64(np.count_nonzero(valid))
        counts = np.bincount(self.pixels.labels[valid], minlength=self.pixels.classes)
        return counts @ self.weight.astype(np.float64)

    def reduce(self, losses: list, divisor: np.float64) -> np.ndarray | np.floating:
        """The strips' results, sums or losses of pixels, as the loss."""
        if self.reduction == "none":
            return losses.reshape(self.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.dtype.type(np.sum(losses, dtype=np.float64) / divisor)

    def scale(self, grad_output: object, divisor: np.float64) -> np.ndarray:
        """What the gradient of each pixel's loss is multiplied by, N×P."""
        grad, labels = np.asarray(grad_output), self.pixels.labels
        arguments.same_shape(grad, self.shape if self.reduction == "none" else (), "grad_output", "the loss")
        if self.reduction == "none":
            arguments.same_dtype(logits=self.pixels.scores, grad_output=grad)
            return grad.reshape(labels.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.broadcast_to(self.dtype.type(grad / divisor), labels.shape)


def _problem(
    scores: object,
    target: object,
    weight: object,
    ignore_index: int,
    reduction: str,
    smoothing: float = 0.0,
    name: str = "logits",
) -> _Problem:
    arguments.one_of(reduction, REDUCTIONS, "reduction")
    smoothing = arguments.probability(smoothing, "label_smoothing")
    arguments.integer(ignore_index, "ignore_index")
    pixels = pixels_of(scores, target, ignore_index, name)
    weight = arguments.class_weights(weight, scores, name)
    return _Problem(pixels, weight, smoothing, reduction, np.shape(target))


def cross_entropy(
    logits: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> np.ndarray | np.floating:
    """How unlikely the network holds the true class of every pixel: softmax, logarithm, minus, mean.

    loss(i) = −w[t] · log p[t] with p = softmax of the logits of pixel i, t its label

    log p[t] = (x[t] − m) − log Σ_c exp(x[c] − m), with m the largest logit, so nothing overflows. The mean divides by
    Σ w[t] over the pixels that are not ignored, not by their number. With smoothing ε, a part of the target is spread
    over all C classes: loss(i) = −(1 − ε) · w[t] · log p[t] − ε/C · Σ_c w[c] · log p[c] (Szegedy et al., "Rethinking
    the Inception architecture", 2016, section 7). Pixel-wise: Long, Shelhamer and Darrell, "Fully convolutional
    networks for semantic segmentation", 2015, section 4.

    Args:
        logits: N×C×H×W, or N×C with any further axes, or C for one pixel; float32 or float64.
        target: int64 labels, N×H×W (the shape of `logits` without its class axis); or probabilities of the classes, of
            the shape and dtype of `logits`: then loss(i) = −Σ_c w[c] · t[c] · log p[c], and the mean divides by the
            number of pixels.
        weight: one number for each class, of the dtype of `logits`; 1 when None.
        ignore_index: pixels with this label do not count; it may lie outside the classes.
        reduction: "mean", "sum" or "none".
        label_smoothing: ε, between 0 and 1.

    Returns:
        One number of the dtype of `logits`; with reduction "none" the losses of the pixels, in the shape of `target`,
        0 where ignored. The mean of no pixel is NaN, as in PyTorch.

    Raises:
        TypeError: a dtype is wrong.
        ValueError: shapes disagree, a label names no class, or an argument is out of its range.

    >>> logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]))
    >>> losses = cross_entropy(logits, np.array([0, 1]), reduction="none")
    >>> np.exp(-losses).round(6)
    array([0.7, 0.3])
    >>> cross_entropy(logits, np.array([0, 255]), ignore_index=255).round(4)  # −log 0.7
    np.float64(0.3567)
    """
    if is_soft(target, logits):
        return _soft(logits, target, weight, ignore_index, reduction, label_smoothing)[0]
    problem = _problem(logits, target, weight, ignore_index, reduction, label_smoothing)
    return _run(problem)[0]


def _soft(
    logits: object,
    target: np.ndarray,
    weight: object,
    ignore_index: int,
    reduction: str,
    smoothing: float,
    grad_output: object = None,
) -> tuple:
    arguments.one_of(reduction, REDUCTIONS, "reduction")
    smoothing = arguments.probability(smoothing, "label_smoothing")
    return soft_cross_entropy(logits, target, weight, ignore_index, reduction, smoothing, grad_output)


def cross_entropy_backward(
    grad_output: np.ndarray,
    logits: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> np.ndarray:
    """The gradient of `cross_entropy` with respect to the logits: probabilities minus the target, weighted.

    dx[c] = g · (w[t] · (p[c] − [c = t])) / Σ w[t], and 0 for ignored pixels

    Args:
        grad_output: gradient of the loss: one number, or with reduction "none" the shape of `target`.
        the others: as they were given to `cross_entropy`.

    Raises:
        TypeError, ValueError: as for `cross_entropy`; `grad_output` has not the shape of the loss.

    >>> logits = np.log(np.array([[0.7, 0.2, 0.1]]))
    >>> cross_entropy_backward(1.0, logits, np.array([0])).round(6)
    array([[-0.3,  0.2,  0.1]])
    """
    if is_soft(target, logits):
        return _soft(logits, target, weight, ignore_index, reduction, label_smoothing, grad_output)[1]
    problem = _problem(logits, target, weight, ignore_index, reduction, label_smoothing)
    return _run(problem, grad_output, loss=False)[1].reshape(logits.shape)


def cross_entropy_with_gradient(
    logits: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> tuple[np.ndarray | np.floating, np.ndarray]:
    """`cross_entropy` and its gradient with respect to the logits, in one pass.

    With reduction "none" the gradient is that of the sum of the losses. Arguments and errors as for `cross_entropy`.

    >>> loss, gradient = cross_entropy_with_gradient(np.zeros((1, 2)), np.array([1]))
    >>> loss.round(4), gradient  # log 2
    (np.float64(0.6931), array([[ 0.5, -0.5]]))
    """
    if is_soft(target, logits):
        return _soft(logits, target, weight, ignore_index, reduction, label_smoothing)
    problem = _problem(logits, target, weight, ignore_index, reduction, label_smoothing)
    grad_output = np.ones(problem.shape if reduction == "none" else (), logits.dtype)
    loss, gradient = _run(problem, grad_output)
    return loss, gradient.reshape(logits.shape)


def _run(problem: _Problem, grad_output: object = None, loss: bool = True) -> tuple:
    """(loss, gradient) over all strips; None for what is not wanted."""
    scores, labels = problem.pixels.scores, problem.pixels.labels
    divisor = problem.divisor()
    scale = None if grad_output is None else problem.scale(grad_output, divisor)
    gradient = None if grad_output is None else np.empty_like(scores)
    each = np.empty(labels.shape, scores.dtype) if loss and problem.reduction == "none" else None

    def work(strip: Strip) -> float:
        losses = _strip(problem, strip, loss, scale, gradient)
        if each is not None:
            each[strip] = losses
        return losses.sum(dtype=np.float64) if loss else 0.0

    sums = problem.pixels.for_each_strip(work)
    total = problem.reduce(sums if each is None else each, divisor) if loss else None
    return total, gradient


def _strip(
    problem: _Problem, strip: Strip, loss: bool, scale: np.ndarray | None, gradient: np.ndarray | None
) -> np.ndarray | None:
    """The losses of a strip of pixels, if wanted; writes its part of `gradient`, if that is given."""
    pixels, smoothing, one = problem.pixels, problem.smoothing, problem.dtype.type(1)
    valid, label, index = pixels.truth(strip)
    part = (strip[0], slice(None), strip[1])
    maxima = pixels.scores[part].max(1)
    shifted = np.subtract(pixels.scores[part], maxima[:, None], out=None if gradient is None else gradient[part])
    spread = problem.spread()
    smooth = np.einsum("c,ncp->np", spread, shifted) if smoothing and loss else None  # Σ_c ε/C · w[c] · (x[c] − m)
    exponentials = np.exp(shifted, out=shifted)
    total = exponentials.sum(1)
    weight = (one - smoothing) * (one if problem.weight is None else problem.weight[label])
    losses = None
    if loss:
        log_total = np.log(total)
        losses = (log_total - (pixels.scores.reshape(-1)[index] - maxima)) * weight
        if smoothing:
            losses += spread.sum() * log_total - smooth
        losses[~valid] = 0
    if gradient is not None:
        scale = np.where(valid, scale[strip], problem.dtype.type(0))
        of_truth = scale * weight
        exponentials *= ((of_truth + scale * spread.sum()) / total)[:, None]
        if smoothing:
            exponentials -= spread[:, None] * scale[:, None]
        gradient.reshape(-1)[index] -= of_truth
    return losses


def nll_loss(
    log_probs: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> np.ndarray | np.floating:
    """The negative logarithm of the true class's probability: `cross_entropy` for what is a log-softmax already.

    loss(i) = −w[t] · log p[t]; the mean divides by Σ w[t] over the pixels that are not ignored

    Args:
        log_probs: logarithms of probabilities, N×C×…, or C for one pixel; float32 or float64.
        the others: as for `cross_entropy`.

    Returns:
        One number of the dtype of `log_probs`, or with reduction "none" an array of the shape of `target`.

    Raises:
        TypeError, ValueError: as for `cross_entropy`.

    >>> nll_loss(np.log(np.array([[0.5, 0.5], [0.75, 0.25]])), np.array([0, 1]), reduction="sum").round(4)  # log 8
    np.float64(2.0794)
    """
    problem = _problem(log_probs, target, weight, ignore_index, reduction, name="log_probs")
    pixels = problem.pixels
    each = np.empty(pixels.labels.shape, problem.dtype) if reduction == "none" else None

    def work(strip: Strip) -> np.float64:
        valid, label, index = pixels.truth(strip)
        losses = -pixels.scores.reshape(-1)[index]
        if weight is not None:
            losses *= weight[label]
        losses[~valid] = 0
        if each is not None:
            each[strip] = losses
        return losses.sum(dtype=np.float64)

    sums = pixels.for_each_strip(work)
    return problem.reduce(sums if each is None else each, problem.divisor())


def nll_loss_backward(
    grad_output: np.ndarray,
    log_probs: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> np.ndarray:
    """The gradient of `nll_loss`: −g · w[t] / Σ w[t] at the true class of every pixel that counts, 0 elsewhere.

    Args:
        grad_output: gradient of the loss: one number, or with reduction "none" the shape of `target`.
        the others: as they were given to `nll_loss`.

    Raises:
        TypeError, ValueError: as for `nll_loss`; `grad_output` has not the shape of the loss.

    >>> nll_loss_backward(1.0, np.log(np.array([[0.5, 0.5], [0.75, 0.25]])), np.array([0, 1]))
    array([[-0.5,  0. ],
           [ 0. , -0.5]])
    """
    problem = _problem(log_probs, target, weight, ignore_index, reduction, name="log_probs")
    pixels, scale = problem.pixels, problem.scale(grad_output, problem.divisor())
    gradient = np.empty_like(pixels.scores)

    def work(strip: Strip) -> None:
        gradient[strip[0], :, strip[1]] = 0
        valid, label, index = pixels.truth(strip)
        of_truth = scale[strip] if weight is None else scale[strip] * weight[label]
        gradient.reshape(-1)[index[valid]] = -of_truth[valid]

    pixels.for_each_strip(work)
    return gradient.reshape(log_probs.shape)

"""Cross-entropy in CUDA (lecture 06). Never run on a GPU yet. Shapes, errors and sources: `segedu.numpy_ops.losses`."""

from __future__ import annotations

import numpy as np

from segedu import arguments
from segedu.cuda_ops._launch import contiguous, count, empty, operator, xp
from segedu.cuda_ops._scores import losses as kernels
from segedu.cuda_ops._scores import sizes, sum_of_weights, threads_of
from segedu.numpy_ops import losses as shared
from segedu.numpy_ops._pixels import Pixels
from segedu.numpy_ops._soft_targets import check_soft, is_soft


def _divisor(problem: shared._Problem) -> np.ndarray | np.floating:
    """What the sum over pixels is divided by."""
    return sum_of_weights(problem.pixels, problem.weight) if problem.reduction == "mean" else np.float64(1)


def _scale(problem: shared._Problem, grad_output: object, divisor: np.ndarray | np.floating) -> tuple[np.ndarray, int]:
    """What the gradient of each pixel's loss is multiplied by: (numbers, step from pixel to pixel)."""
    grad = grad_output if arguments.is_array(grad_output) else np.asarray(grad_output)
    arguments.same_shape(grad, problem.shape if problem.reduction == "none" else (), "grad_output", "the loss")
    if problem.reduction == "none":
        arguments.same_dtype(logits=problem.pixels.scores, grad_output=grad)
        return contiguous(grad).reshape(-1), 1
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp().asarray(grad / divisor).astype(problem.dtype).reshape(1), 0


def _loss(problem: shared._Problem, each: np.ndarray, parts: np.ndarray, divisor: object) -> np.ndarray | np.floating:
    if problem.reduction == "none":
        return each.reshape(problem.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = parts.sum() / divisor
    return problem.dtype.type(total) if xp() is np else total.astype(problem.dtype)


def _weight(problem: shared._Problem) -> tuple[np.ndarray, int]:
    """The weights of the classes, and whether there are any."""
    none = problem.weight is None
    return xp().ones(1, problem.dtype) if none else contiguous(problem.weight), int(not none)


def _problem(
    logits: object,
    target: object,
    weight: object,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> shared._Problem:
    """A checked loss. Probabilities as a target take the place of the labels, N×C×P."""
    if not is_soft(target, logits):
        return shared._problem(logits, target, weight, ignore_index, reduction, smoothing)
    arguments.one_of(reduction, shared.REDUCTIONS, "reduction")
    smoothing = arguments.probability(smoothing, "label_smoothing")
    x, weight = check_soft(logits, target, weight, ignore_index)
    shape = (1, *x.shape) if x.ndim == 1 else x.shape
    scores, shares = (contiguous(array).reshape(*shape[:2], count(shape[2:])) for array in (x, target))
    losses = x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()
    return shared._Problem(Pixels(scores, shares, None), weight, smoothing, reduction, losses)


def _run(problem: shared._Problem, grad_output: object = None) -> tuple:
    """(loss, gradient); the gradient is None without `grad_output`."""
    if problem.pixels.labels.ndim == 3:
        return _run_kernel("soft_cross_entropy", problem, _pixel_count(problem), grad_output)
    return _run_kernel("cross_entropy", problem, _divisor(problem), grad_output)


def _pixel_count(problem: shared._Problem) -> np.float64:
    images, _, pixels = problem.pixels.scores.shape
    return np.float64(images * pixels if problem.reduction == "mean" else 1)


def _run_kernel(name: str, problem: shared._Problem, divisor: object, grad_output: object) -> tuple:
    pixels, dtype, threads = problem.pixels, problem.dtype, threads_of(problem.pixels)
    wants_gradient, wants_losses = grad_output is not None, problem.reduction == "none"
    scale, step = _scale(problem, grad_output, divisor) if wants_gradient else (xp().ones(1, dtype), 0)
    gradient = empty(pixels.scores.shape if wants_gradient else (1,), dtype)
    each = empty(pixels.scores[:, 0].shape if wants_losses else (1,), dtype)
    parts, (weight, has_weight) = empty(threads.grid[:1], np.float64), _weight(problem)
    share = float(problem.smoothing / pixels.classes)
    kernels(
        *(name, dtype, threads, pixels.scores, pixels.labels, weight, scale, each, gradient, parts),
        *(sizes(pixels), has_weight, step, int(wants_losses), int(wants_gradient), float(problem.smoothing), share),
    )
    return _loss(problem, each, parts, divisor), gradient if wants_gradient else None


@operator
def cross_entropy(
    logits: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> np.ndarray | np.floating:
    """Softmax, logarithm, minus, mean. See `numpy_ops.cross_entropy`."""
    return _run(_problem(logits, target, weight, ignore_index, reduction, label_smoothing))[0]


@operator
def cross_entropy_backward(
    grad_output: np.ndarray,
    logits: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> np.ndarray:
    """Probabilities minus the target, weighted. See `numpy_ops.cross_entropy_backward`."""
    problem = _problem(logits, target, weight, ignore_index, reduction, label_smoothing)
    return _run(problem, grad_output)[1].reshape(logits.shape)


@operator
def cross_entropy_with_gradient(
    logits: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> tuple[np.ndarray | np.floating, np.ndarray]:
    """Loss and gradient from one kernel. See `numpy_ops.cross_entropy_with_gradient`."""
    problem = _problem(logits, target, weight, ignore_index, reduction, label_smoothing)
    loss, gradient = _run(problem, xp().ones(problem.shape if reduction == "none" else (), problem.dtype))
    return loss, gradient.reshape(logits.shape)


@operator
def nll_loss(
    log_probs: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> np.ndarray | np.floating:
    """−w[t] · log p[t]. See `numpy_ops.nll_loss`."""
    problem = shared._problem(log_probs, target, weight, ignore_index, reduction, name="log_probs")
    pixels, threads, wants = problem.pixels, threads_of(problem.pixels), int(reduction == "none")
    parts, each = empty(threads.grid[:1], np.float64), empty(pixels.labels.shape if wants else (1,), problem.dtype)
    vector, has_weight = _weight(problem)
    given = (pixels.scores, pixels.labels, vector, each, parts, sizes(pixels), has_weight, wants)
    kernels("nll_loss", problem.dtype, threads, *given)
    return _loss(problem, each, parts, _divisor(problem))


@operator
def nll_loss_backward(
    grad_output: np.ndarray,
    log_probs: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> np.ndarray:
    """−g · w[t] / Σ w[t] at the true class, 0 elsewhere. See `numpy_ops.nll_loss_backward`."""
    problem = shared._problem(log_probs, target, weight, ignore_index, reduction, name="log_probs")
    scale, step = _scale(problem, grad_output, _divisor(problem))
    pixels, (vector, has_weight) = problem.pixels, _weight(problem)
    gradient = empty(pixels.scores.shape, problem.dtype)
    given = (pixels.labels, vector, scale, gradient, sizes(pixels), has_weight, step)
    kernels("nll_loss_backward", problem.dtype, threads_of(pixels), *given)
    return gradient.reshape(log_probs.shape)

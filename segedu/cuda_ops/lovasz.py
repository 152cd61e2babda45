"""The Lovász-softmax loss in CUDA (lecture 06). Never run on a GPU yet.

Shapes, errors and sources: `segedu.numpy_ops.lovasz`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segedu import arguments
from segedu.cuda_ops._launch import THREADS, Kernels, Threads, empty, operator, over_planes, xp
from segedu.cuda_ops._scores import softmax_of_pixels, void_of
from segedu.cuda_ops.activations import _along
from segedu.numpy_ops import lovasz as shared
from segedu.numpy_ops._pixels import Pixels, pixels_of

kernels = Kernels("lovasz.cu")


def _loss_of_group(
    pixels: Pixels, p: np.ndarray, group: slice, chosen: np.ndarray | None, gradient: np.ndarray | None
) -> object:
    """The mean of the classes' losses over a group of images; writes dL/dp to `gradient`."""
    labels, own = pixels.labels[group].reshape(-1), p[group]
    known = labels if pixels.ignore_index is None else labels[labels != pixels.ignore_index]
    chosen = xp().unique(known) if chosen is None else xp().asarray(chosen)
    rows, count, classes = len(chosen), labels.size, p.shape[1]
    if not rows or not known.size:
        return 0.0
    size = 1 << (count - 1).bit_length()
    errors, order = empty((rows, size), p.dtype), empty((rows, size), np.int64)
    threads, sides = over_planes(rows, 1, size), (*void_of(pixels), classes, p.shape[2], count, size, rows)
    kernels("lovasz_errors", p.dtype, threads, own, labels, chosen, errors, order, *sides)
    _sort(errors, order, threads)
    losses, wants = empty((rows,), np.float64), int(gradient is not None)
    slopes = gradient[group] if wants else xp().zeros(1, p.dtype)
    given = (errors, order, labels, chosen, losses, slopes, wants, *sides)
    kernels("lovasz_of_class", p.dtype, Threads((rows, 1, 1), (THREADS, 1, 1)), *given)
    return losses.sum() / rows


def _sort(errors: np.ndarray, order: np.ndarray, threads: Threads) -> None:
    """Every row falling, equal errors in reading order."""
    rows, size = errors.shape
    run = 2
    while run <= size:
        apart = run // 2
        while apart:
            kernels("bitonic_step", errors.dtype, threads, errors, order, run, apart, size, rows)
            apart //= 2
        run *= 2


def _lovasz(
    logits: np.ndarray,
    target: np.ndarray,
    ignore_index: int | None,
    classes: str | Sequence[int],
    per_image: bool,
    grad_output: object = None,
) -> tuple[np.floating, np.ndarray | None]:
    """(loss, gradient); no gradient without `grad_output`."""
    pixels = pixels_of(logits, target, ignore_index)
    if grad_output is not None:
        arguments.gradient_of_number(grad_output)
    chosen, p = shared._chosen_classes(classes, pixels.classes), softmax_of_pixels(pixels)
    gradient = None if grad_output is None else xp().zeros(p.shape, p.dtype)
    groups = [slice(n, n + 1) for n in range(len(p))] if per_image else [slice(0, len(p))]
    loss = sum(_loss_of_group(pixels, p, group, chosen, gradient) for group in groups) / max(1, len(groups))
    if gradient is not None:
        gradient *= p.dtype.type(float(grad_output) / max(1, len(groups)))
        gradient = _along("softmax_backward", 1, gradient, p).reshape(logits.shape)
    return p.dtype.type(float(loss)), gradient


@operator
def lovasz_softmax(
    logits: np.ndarray,
    target: np.ndarray,
    ignore_index: int | None = None,
    classes: str | Sequence[int] = "present",
    per_image: bool = False,
) -> np.floating:
    """The Lovász extension of the Jaccard loss: sort, then walk along. See `numpy_ops.lovasz_softmax`."""
    return _lovasz(logits, target, ignore_index, classes, per_image)[0]


@operator
def lovasz_softmax_backward(
    grad_output: np.ndarray,
    logits: np.ndarray,
    target: np.ndarray,
    ignore_index: int | None = None,
    classes: str | Sequence[int] = "present",
    per_image: bool = False,
) -> np.ndarray:
    """The gradient with respect to the logits. See `numpy_ops.lovasz_softmax_backward`."""
    return _lovasz(logits, target, ignore_index, classes, per_image, grad_output)[1]


@operator
def lovasz_softmax_with_gradient(
    logits: np.ndarray,
    target: np.ndarray,
    ignore_index: int | None = None,
    classes: str | Sequence[int] = "present",
    per_image: bool = False,
) -> tuple[np.floating, np.ndarray]:
    """Loss and gradient; softmax and sorting are done once. See `numpy_ops.lovasz_softmax_with_gradient`."""
    return _lovasz(logits, target, ignore_index, classes, per_image, 1.0)

"""Soft Dice and soft Jaccard in CUDA (lecture 06). Never run on a GPU yet.

Shapes, errors and sources: `segedu.numpy_ops.region_losses`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from segedu.cuda_ops._launch import THREADS, Kernels, blocks, contiguous, empty, operator, xp
from segedu.cuda_ops._scores import softmax_of_pixels, threads_of, void_of
from segedu.numpy_ops import region_losses as shared
from segedu.numpy_ops._pixels import Pixels

kernels = Kernels("region_losses.cu")


def _overlap(pixels: Pixels, p: np.ndarray, per_image: bool) -> shared._Overlap:
    """The sums of every class over its pixels."""
    images, classes, count = p.shape
    groups = images if per_image else 1
    if not p.size:
        return shared._Overlap(*xp().zeros((3, groups, classes)))
    chunks = min(-(-count // (4 * THREADS)), 65535)
    threads, parts = blocks(1, count), empty((3, groups, classes, chunks), np.float64)
    threads = threads._replace(grid=(classes, chunks, groups))
    kernels("class_sums", p.dtype, threads, p, pixels.labels, parts, *void_of(pixels), count, images // groups)
    return shared._Overlap(*parts.sum(3))


def _region_loss(
    score: Callable,
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float,
    ignore_index: int | None,
    per_image: bool,
    grad_output: object = None,
) -> tuple[np.ndarray | np.floating, np.ndarray | None]:
    """(loss, gradient); no gradient without `grad_output`."""
    pixels = shared._check(logits, target, smooth, ignore_index, grad_output)
    p = softmax_of_pixels(pixels)
    result = score(_overlap(pixels, p, per_image), float(smooth))
    loss = p.dtype.type(1 - shared._mean(result.value))
    if grad_output is None:
        return loss, None
    factor = -np.float64(float(grad_output)) / max(1, result.value.size)
    shape, count = p.shape[:2], pixels.labels.size
    a, b = (
        contiguous(xp().broadcast_to(factor * d, shape).astype(p.dtype))
        for d in (result.by_probability, result.by_intersection)
    )
    kernels("gradient_of_scores", p.dtype, threads_of(pixels), p, pixels.labels, a, b, shape[1], p.shape[2], count)
    return loss, p.reshape(logits.shape)


@operator
def dice_loss(
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float = 1.0,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> np.floating:
    """One minus the soft Dice coefficient. See `numpy_ops.dice_loss`."""
    return _region_loss(shared._dice, logits, target, smooth, ignore_index, per_image)[0]


@operator
def dice_loss_backward(
    grad_output: np.ndarray,
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float = 1.0,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> np.ndarray:
    """The gradient with respect to the logits. See `numpy_ops.dice_loss_backward`."""
    return _region_loss(shared._dice, logits, target, smooth, ignore_index, per_image, grad_output)[1]


@operator
def dice_loss_with_gradient(
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float = 1.0,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> tuple[np.floating, np.ndarray]:
    """Loss and gradient; the softmax is computed once. See `numpy_ops.dice_loss_with_gradient`."""
    return _region_loss(shared._dice, logits, target, smooth, ignore_index, per_image, 1.0)


@operator
def jaccard_loss(
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float = 1.0,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> np.floating:
    """One minus the soft Jaccard index. See `numpy_ops.jaccard_loss`."""
    return _region_loss(shared._jaccard, logits, target, smooth, ignore_index, per_image)[0]


@operator
def jaccard_loss_backward(
    grad_output: np.ndarray,
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float = 1.0,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> np.ndarray:
    """The gradient with respect to the logits. See `numpy_ops.jaccard_loss_backward`."""
    return _region_loss(shared._jaccard, logits, target, smooth, ignore_index, per_image, grad_output)[1]


@operator
def jaccard_loss_with_gradient(
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float = 1.0,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> tuple[np.floating, np.ndarray]:
    """Loss and gradient; the softmax is computed once. See `numpy_ops.jaccard_loss_with_gradient`."""
    return _region_loss(shared._jaccard, logits, target, smooth, ignore_index, per_image, 1.0)

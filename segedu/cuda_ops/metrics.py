"""Counting in CUDA (lecture 07): the confusion matrix and top-k hits. Never run on a GPU yet.

What is computed from a confusion matrix, C×C numbers, and panoptic quality stay on the host: `segedu.numpy_ops`.
"""

from __future__ import annotations

import numpy as np

from segedu.cuda_ops._launch import Kernels, Threads, blocks, contiguous, count, empty, on_host, operator, xp
from segedu.cuda_ops._scores import BLOCKS, threads_of, void_of
from segedu.numpy_ops import confusion as shared
from segedu.numpy_ops import metrics, panoptic

kernels = Kernels("metrics.cu")
NAMES = "pixel_accuracy class_accuracy mean_accuracy iou mean_iou micro_iou frequency_weighted_iou class_dice mean_dice"
(
    pixel_accuracy,
    class_accuracy,
    mean_accuracy,
    iou,
    mean_iou,
    micro_iou,
    frequency_weighted_iou,
    class_dice,
    mean_dice,
) = (on_host(getattr(metrics, name)) for name in NAMES.split())
panoptic_quality = on_host(panoptic.panoptic_quality)  # unique pairs of labels, of one image after another
SHARED_BYTES = 48 * 1024  # what a block has on every GPU


@operator
def confusion_matrix(
    prediction: np.ndarray,
    target: np.ndarray,
    num_classes: int,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> np.ndarray:
    """How many pixels of each true class were predicted as each class. See `numpy_ops.confusion_matrix`."""
    classes, guess, truth = shared._check_maps(prediction, target, num_classes, ignore_index, per_image)
    shared._check_labels(guess, truth, classes, ignore_index)
    images = len(truth) if per_image else 1
    pixels = count(truth.shape) // max(1, images)
    matrices = xp().zeros((images, classes, classes), np.uint64)
    given = [contiguous(labels, np.int64).reshape(-1) for labels in (guess, truth)]
    void = (0, 0) if ignore_index is None else (1, ignore_index)
    each = blocks(1, pixels)
    threads = Threads((min(BLOCKS // 4, -(-pixels // each.block[0])), images, 1), each.block)
    small = classes * classes * 4 <= SHARED_BYTES
    kernels(
        *("confusion_matrix" if small else "large_confusion_matrix", np.float32, threads, *given, matrices),
        *(classes, *void, pixels),
        shared_mem=classes * classes * 4 if small else 0,
    )
    result = matrices.astype(np.int64)
    return result if per_image else result[0]


@operator
def top_k_accuracy(logits: np.ndarray, target: np.ndarray, k: int = 5, ignore_index: int | None = None) -> np.float64:
    """The share of pixels whose true class is among the k highest scores. See `numpy_ops.top_k_accuracy`."""
    pixels = metrics._check_top_k(logits, target, k, ignore_index)
    threads = threads_of(pixels)
    parts = empty((2, threads.grid[0]), np.int64)
    sides = (*void_of(pixels), *pixels.scores.shape[1:], pixels.labels.size)
    kernels("top_k_hits", pixels.scores.dtype, threads, pixels.scores, pixels.labels, parts, k, *sides)
    hits, counted = (int(number) for number in parts.sum(1))
    return np.float64(hits / counted if counted else np.nan)

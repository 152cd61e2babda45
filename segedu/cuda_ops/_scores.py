"""What the kernels of losses share: sizes, partial sums, the softmax."""

from __future__ import annotations

import numpy as np

from segedu.cuda_ops._launch import Kernels, Threads, blocks, contiguous, empty, structure, xp
from segedu.numpy_ops._pixels import Pixels

losses, regions = Kernels("losses.cu"), Kernels("region_losses.cu")
BLOCKS = 2048  # partial sums at most; each block takes one pixel a thread after another


def sizes(pixels: Pixels) -> np.ndarray:
    """`struct Sizes` of losses.cu and region_losses.cu."""
    images, classes, count = pixels.scores.shape
    return structure(classes_pixels=(classes, count), ignored=void_of(pixels), images_=(images, 0))


def threads_of(pixels: Pixels) -> Threads:
    """A thread a pixel, at most BLOCKS blocks; whole warps, so that they can add up."""
    images, _, count = pixels.scores.shape
    threads = blocks(1, images * count)
    return threads._replace(grid=(min(BLOCKS, -(-images * count // threads.block[0])), 1, 1))


def sum_of_weights(pixels: Pixels, weight: np.ndarray | None) -> np.ndarray:
    """Σ of the weights of the pixels that count, in float64."""
    threads = threads_of(pixels)
    parts = empty(threads.grid[:1], np.float64)
    vector = xp().ones(1, pixels.scores.dtype) if weight is None else contiguous(weight)
    given = (pixels.labels, vector, parts, int(weight is not None), *void_of(pixels), pixels.labels.size)
    losses("sum_of_weights", pixels.scores.dtype, threads, *given)
    return parts.sum()


def void_of(pixels: Pixels) -> tuple[int, int]:
    """Whether there is a void label, and which."""
    return (0, 0) if pixels.ignore_index is None else (1, pixels.ignore_index)


def softmax_of_pixels(pixels: Pixels) -> np.ndarray:
    """The probabilities of every pixel, 0 where it does not count."""
    p, (_, classes, count) = empty(pixels.scores.shape, pixels.scores.dtype), pixels.scores.shape
    given = (pixels.scores, pixels.labels, p, *void_of(pixels), classes, count, pixels.labels.size)
    regions("softmax_of_pixels", p.dtype, threads_of(pixels), *given)
    return p

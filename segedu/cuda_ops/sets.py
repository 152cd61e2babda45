"""Overlap of two sets of pixels in CUDA (lecture 07). Never run on a GPU yet. See `segedu.numpy_ops.sets`."""

from __future__ import annotations

import numpy as np

from segedu.cuda_ops._launch import Kernels, blocks, contiguous, empty, on_host, operator
from segedu.cuda_ops._scores import BLOCKS
from segedu.numpy_ops import sets as shared

kernels = Kernels("sets.cu")
box_iou = on_host(shared.box_iou)
jaccard_to_dice, dice_to_jaccard = shared.jaccard_to_dice, shared.dice_to_jaccard


def _set_sizes(a: np.ndarray, b: np.ndarray) -> tuple[int, int, int]:
    """|A|, |B|, |A ∩ B|."""
    shared._check_masks(a, b)
    each = blocks(1, a.size)
    threads = each._replace(grid=(min(BLOCKS, -(-a.size // each.block[0])), 1, 1))
    parts = empty((3, threads.grid[0]), np.int64)
    kernels("set_sizes", np.float32, threads, contiguous(a), contiguous(b), parts, a.size)
    return tuple(int(number) for number in parts.sum(1))


@operator
def jaccard(a: np.ndarray, b: np.ndarray, empty: float = np.nan) -> np.float64:
    """|A ∩ B| / |A ∪ B|. See `numpy_ops.jaccard`."""
    size_a, size_b, both = _set_sizes(a, b)
    return np.float64(both / (size_a + size_b - both) if size_a + size_b else empty)


@operator
def dice(a: np.ndarray, b: np.ndarray, empty: float = np.nan) -> np.float64:
    """2·|A ∩ B| / (|A| + |B|). See `numpy_ops.dice`."""
    size_a, size_b, both = _set_sizes(a, b)
    return np.float64(2 * both / (size_a + size_b) if size_a + size_b else empty)


@operator
def cosine_coefficient(a: np.ndarray, b: np.ndarray, empty: float = np.nan) -> np.float64:
    """|A ∩ B| / √(|A|·|B|). See `numpy_ops.cosine_coefficient`."""
    size_a, size_b, both = _set_sizes(a, b)
    if not (size_a and size_b):
        return np.float64(0.0 if size_a or size_b else empty)
    return np.float64(both / (size_a * size_b) ** 0.5)

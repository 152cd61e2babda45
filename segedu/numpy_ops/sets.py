"""Overlap of two sets: masks of pixels, and boxes (lecture 07)."""

from __future__ import annotations

import numpy as np

from segedu import arguments


def jaccard(a: np.ndarray, b: np.ndarray, empty: float = np.nan) -> np.float64:
    """Jaccard index of two sets of pixels: |A ∩ B| / |A ∪ B| (Jaccard, 1901), the IoU of two masks.

    Args:
        a, b: boolean masks of one shape, for example `prediction == 3` and `target == 3`.
        empty: the score of two empty sets.

    Raises:
        TypeError: a mask is not boolean.
        ValueError: the shapes disagree.

    >>> a, b = np.arange(9) < 6, np.arange(9) >= 3  # |A| = |B| = 6, |A ∩ B| = 3
    >>> jaccard(a, b).round(6), dice(a, b), cosine_coefficient(a, b)
    (np.float64(0.333333), np.float64(0.5), np.float64(0.5))
    """
    size_a, size_b, both = _set_sizes(a, b)
    return np.float64(both / (size_a + size_b - both) if size_a + size_b else empty)


def dice(a: np.ndarray, b: np.ndarray, empty: float = np.nan) -> np.float64:
    """Dice coefficient of two sets of pixels: 2·|A ∩ B| / (|A| + |B|) (Dice, 1945). Arguments as for `jaccard`.

    >>> a, b = np.arange(9) < 4, np.arange(9) < 9  # A ⊂ B
    >>> dice(a, b).round(6)  # 8/13
    np.float64(0.615385)
    """
    size_a, size_b, both = _set_sizes(a, b)
    return np.float64(2 * both / (size_a + size_b) if size_a + size_b else empty)


def cosine_coefficient(a: np.ndarray, b: np.ndarray, empty: float = np.nan) -> np.float64:
    """Cosine (Ochiai) coefficient of two sets of pixels: |A ∩ B| / √(|A|·|B|). Arguments as for `jaccard`.

    It is 0 if just one of the sets is empty.

    >>> a, b = np.arange(9) < 4, np.arange(9) < 9  # A ⊂ B
    >>> cosine_coefficient(a, b).round(6)
    np.float64(0.666667)
    """
    size_a, size_b, both = _set_sizes(a, b)
    if not (size_a and size_b):
        return np.float64(0.0 if size_a or size_b else empty)
    return np.float64(both / (size_a * size_b) ** 0.5)


def _set_sizes(a: np.ndarray, b: np.ndarray) -> tuple[int, int, int]:
    """|A|, |B|, |A ∩ B|."""
    _check_masks(a, b)
    return int(np.count_nonzero(a)), int(np.count_nonzero(b)), int(np.count_nonzero(a & b))


def _check_masks(a: object, b: object) -> None:
    for name, mask in (("a", a), ("b", b)):
        if not arguments.is_array(mask) or mask.dtype != bool:
            kind = f"dtype {mask.dtype}" if arguments.is_array(mask) else f"type {type(mask).__name__}"
            raise TypeError(f"{name} has {kind}; a set of pixels is a boolean mask, such as prediction == 3")
    arguments.same_shape(b, a.shape, "b", "a")


def jaccard_to_dice(j: float | np.ndarray) -> float | np.ndarray:
    """Dice from Jaccard: D = 2J / (1 + J).

    >>> jaccard_to_dice(1 / 3)
    0.5
    """
    return 2 * j / (1 + j)


def dice_to_jaccard(d: float | np.ndarray) -> float | np.ndarray:
    """Jaccard from Dice: J = D / (2 − D).

    >>> round(dice_to_jaccard(0.5), 6)
    0.333333
    """
    return d / (2 - d)


def box_iou(boxes_a: np.ndarray, boxes_b: np.ndarray) -> np.ndarray:
    """Intersection over union of every box of one list with every box of another, as in detection.

    Args:
        boxes_a, boxes_b: N×4 and M×4 numbers, (left, top, right, bottom) with left ≤ right and top ≤ bottom; the area
            is (right − left)·(bottom − top), in pixels².

    Returns:
        N×M float64; NaN for two boxes without area.

    Raises:
        ValueError: a list has another shape, or a box is inside out.

    >>> box_iou([[0, 0, 4, 4]], [[2, 0, 6, 4], [4, 4, 5, 5]]).round(6)
    array([[0.333333, 0.      ]])
    """
    a, b = (_boxes(boxes, name) for boxes, name in ((boxes_a, "boxes_a"), (boxes_b, "boxes_b")))
    corner, opposite = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = (opposite - corner).clip(0).prod(2)
    area_a, area_b = ((boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (a, b))
    either = area_a[:, None] + area_b - both
    return np.divide(both, either, out=np.full(both.shape, np.nan), where=either != 0)


def _boxes(boxes: object, name: str) -> np.ndarray:
    array = np.asarray(boxes, np.float64)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"{name} has shape {array.shape}; it must be N×4, (left, top, right, bottom)")
    if (array[:, :2] > array[:, 2:]).any():
        raise ValueError(f"{name} must hold (left, top, right, bottom) with left ≤ right and top ≤ bottom")
    return array

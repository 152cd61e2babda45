"""The confusion matrix: how many pixels of each class were predicted as which (lecture 07)."""

from __future__ import annotations

import numpy as np

from segedu import arguments
from segedu.numpy_ops._blocks import for_each_block


def confusion_matrix(
    prediction: np.ndarray,
    target: np.ndarray,
    num_classes: int,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> np.ndarray:
    """How many pixels of each true class (rows) were predicted as each class (columns).

    n[i, j] = |{pixels with target i and prediction j}|. Matrices of several batches may be added up.

    Args:
        prediction: labels of any integer dtype and any shape, H×W or N×H×W for example.
        target: true labels of the same shape, any integer dtype.
        num_classes: C; labels are 0…C−1.
        ignore_index: pixels with this target are not counted, whatever is predicted there; None counts all.
        per_image: one matrix for each entry of the first axis.

    Returns:
        C×C, int64; with `per_image` N×C×C.

    Raises:
        TypeError: labels are no integers.
        ValueError: shapes disagree, or a label names no class.

    >>> confusion_matrix(np.array([0, 1, 1, 0]), np.array([0, 0, 1, 255]), num_classes=2, ignore_index=255)
    array([[1, 1],
           [0, 1]])
    """
    classes, guess, truth = _check_maps(prediction, target, num_classes, ignore_index, per_image)
    if per_image:
        pairs = zip(guess, truth, strict=True)
        matrices = [confusion_matrix(*pair, classes, ignore_index) for pair in pairs]
        return np.array(matrices, np.int64).reshape(-1, classes, classes)
    _check_labels(guess, truth, classes, ignore_index)
    return _count_pairs(guess.reshape(-1), truth.reshape(-1), classes, ignore_index)


def _check_maps(
    prediction: object, target: object, num_classes: int, ignore_index: int | None, per_image: bool
) -> tuple[int, np.ndarray, np.ndarray]:
    """(number of classes, prediction, target)."""
    classes = arguments.integer(num_classes, "num_classes", minimum=1)
    truth = arguments.label_map(target, "target", any_integer=True)
    guess = arguments.label_map(prediction, "prediction", any_integer=True)
    arguments.same_shape(guess, truth.shape, "prediction", "target")
    if ignore_index is not None:
        arguments.integer(ignore_index, "ignore_index")
    if per_image and truth.ndim == 0:
        raise ValueError("per_image=True needs images along the first axis, but target has no axis")
    return classes, guess, truth


def _check_labels(guess: np.ndarray, truth: np.ndarray, classes: int, ignore_index: int | None) -> None:
    arguments.label_range(truth, classes, ignore_index)
    _check_prediction(guess, truth, classes, ignore_index)


def _check_prediction(guess: np.ndarray, truth: np.ndarray, classes: int, ignore_index: int | None) -> None:
    """Refuses predictions that name no class, but for void pixels."""
    if guess.size and not 0 <= guess.min() <= guess.max() < classes:
        counted = guess if ignore_index is None else guess[truth != ignore_index]
        arguments.label_range(counted, classes, None, "prediction")


def _count_pairs(guess: np.ndarray, truth: np.ndarray, classes: int, ignore_index: int | None) -> np.ndarray:
    """The matrix by counting target·C + prediction; void pixels are counted in one cell behind it, cut off."""
    cells = classes * classes

    def work(part: slice) -> np.ndarray:
        pair = truth[part].astype(np.int64)
        void = None if ignore_index is None else pair == ignore_index
        pair *= classes
        pair += guess[part].astype(np.int64, copy=False)
        if void is not None:
            pair[void] = cells
        return np.bincount(pair, minlength=cells + 1)[:cells]

    counts = for_each_block(work, len(truth), np.dtype(np.int64).itemsize)
    return np.sum(counts, 0, np.int64).reshape(classes, classes) if counts else np.zeros((classes, classes), np.int64)

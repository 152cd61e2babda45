"""The confusion matrix: how many pixels of each class were predicted as which (lecture 07)."""

from __future__ import annotations

import numpy as np

from segedu import arguments
from segedu.arguments import Pair
from segedu.numpy_ops._blocks import for_each_block

MOST_LABELS = 256  # a label map of bytes has no more, void included
COUNTED_AT_ONCE = 1024 * 1024  # pixels: np.bincount lets no other thread run, so all pairs are made before


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
    """The matrix by counting target·C + prediction. Targets that name no class fall into rows that are cut off."""
    rows = np.zeros((max(classes, MOST_LABELS) + 1, classes), np.int64)  # the last one for all labels beyond
    for start in range(0, len(truth), COUNTED_AT_ONCE):
        some = slice(start, start + COUNTED_AT_ONCE)
        pairs = _pairs(guess[some], truth[some], rows.shape, ignore_index)
        rows += np.bincount(pairs, minlength=rows.size).reshape(rows.shape)
    if ignore_index is not None and 0 <= ignore_index < len(rows) - 1:
        rows[ignore_index] = 0
    if rows[classes:].any():  # void beyond the rows, or labels to refuse
        arguments.label_range(truth, classes, ignore_index)
    return rows[:classes]


def _pairs(guess: np.ndarray, truth: np.ndarray, shape: Pair, ignore_index: int | None) -> np.ndarray:
    """target·C + prediction of every pixel, the place in a matrix of this shape."""
    result = np.empty(len(truth), np.int64)

    def work(part: slice) -> None:
        row, column = _unsigned(truth[part]), _unsigned(guess[part])
        if row.max() >= shape[0]:
            row = np.minimum(row, shape[0] - 1)
        if column.max() >= shape[1]:
            _check_labels(guess, truth, shape[1], ignore_index)
            column = np.where(truth[part] == ignore_index, 0, column)
        pair = np.multiply(row, shape[1], out=_unsigned(result[part]))
        pair += column

    for_each_block(work, len(truth), result.itemsize)
    return result


def _unsigned(labels: np.ndarray) -> np.ndarray:
    """Labels as uint64: negative ones become huge, so that one comparison finds all that name no class."""
    return labels.astype(np.int64, copy=False).view(np.uint64)

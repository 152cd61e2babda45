"""Metrics of segmentations, counted from a confusion matrix (lecture 07).

A metric is a number only together with its conventions. Here they are arguments:

* void label: `ignore_index` of `confusion_matrix`; such pixels of the target are left out of every count.
* absent class: `absent`, the score of a class that has no pixel. NaN leaves it out of means; never silently 0.
  `present_in="either"` calls a class present if it is in the target or in the prediction, "target" only in the target.
* several images: `average`. "dataset" adds up the matrices of all images, "image" averages classes then images,
  "class" averages images then classes; the last two need one matrix for each image.
* classes: functions named `mean_…` are macro averages, each class counts alike; `micro_…` add up all classes first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from segedu import arguments
from segedu.numpy_ops._pixels import Pixels, Strip, pixels_of

AVERAGES = ("dataset", "image", "class")


def pixel_accuracy(matrix: np.ndarray, average: str = "dataset") -> np.float64:
    """The share of pixels that are right: Σ_i n_ii / Σ_i t_i, with t_i the pixels of class i.

    Long, Shelhamer and Darrell, "Fully convolutional networks for semantic segmentation", 2015, section 5.

    Args:
        matrix: C×C from `confusion_matrix` (rows = truth), or N×C×C.
        average: "dataset" adds up all pixels; "image" takes the mean over images that have any. NaN without pixels.

    Raises:
        ValueError: `matrix` is no confusion matrix, or there is no matrix for each image where one is needed.

    >>> pixel_accuracy(np.array([[50, 5, 5], [10, 20, 0], [2, 3, 5]]))
    np.float64(0.75)
    """
    arguments.one_of(average, AVERAGES[:2], "average")
    counts = _counts(matrix, average)
    return _mean(_ratio(counts.trace(axis1=1, axis2=2), counts.sum((1, 2))))


def class_accuracy(matrix: np.ndarray, absent: float = np.nan, average: str = "dataset") -> np.ndarray:
    """The share of each class's pixels that are right (recall): n_ii / t_i.

    Args:
        matrix: C×C from `confusion_matrix` (rows = truth), or N×C×C.
        absent: the accuracy of a class without pixels in the target.
        average: "dataset" gives C numbers for all images together, "image" N×C, one row an image.

    >>> class_accuracy(np.array([[50, 5, 5], [10, 20, 0], [2, 3, 5]])).round(6)
    array([0.833333, 0.666667, 0.5     ])
    """
    return _per_class(_recall, matrix, absent, "target", average)


def mean_accuracy(matrix: np.ndarray, absent: float = np.nan, average: str = "dataset") -> np.float64:
    """The mean of the classes' accuracies: 1/C · Σ_i n_ii / t_i (Long et al., 2015, section 5).

    Arguments as for `mean_iou`; a class is present if it is in the target.

    >>> mean_accuracy(np.array([[50, 5, 5], [10, 20, 0], [2, 3, 5]])).round(6)
    np.float64(0.666667)
    """
    return _macro(_recall, matrix, absent, "target", average)


def iou(matrix: np.ndarray, absent: float = np.nan, present_in: str = "either", average: str = "dataset") -> np.ndarray:
    """Intersection over union of each class: n_ii / (t_i + Σ_j n_ji − n_ii) = TP / (TP + FP + FN).

    Args:
        matrix: C×C from `confusion_matrix` (rows = truth), or N×C×C.
        absent: the score of a class that is not present; NaN, 0 or 1 are in use.
        present_in: "either", present in the target or the prediction; "target", in the target.
        average: "dataset" gives C numbers for all images together, "image" N×C, one row an image.

    Raises:
        ValueError: `matrix` is no confusion matrix, or there is no matrix for each image where one is needed.

    >>> iou(np.array([[50, 5, 5], [10, 20, 0], [2, 3, 5]])).round(6)
    array([0.694444, 0.526316, 0.333333])
    >>> iou(np.array([[3, 1, 0], [0, 0, 0], [0, 0, 0]]))  # class 1 only predicted, class 2 nowhere
    array([0.75, 0.  ,  nan])
    >>> iou(np.array([[3, 1, 0], [0, 0, 0], [0, 0, 0]]), present_in="target")
    array([0.75,  nan,  nan])
    """
    return _per_class(_iou, matrix, absent, present_in, average)


def mean_iou(
    matrix: np.ndarray, absent: float = np.nan, present_in: str = "either", average: str = "dataset"
) -> np.float64:
    """The mean of the classes' IoU: 1/C · Σ_i n_ii / (t_i + Σ_j n_ji − n_ii) (Long et al., 2015, section 5).

    Args:
        matrix: C×C from `confusion_matrix` (rows = truth), or N×C×C.
        absent: the score of a class that is not present; NaN leaves the class out of the mean.
        present_in: "either", present in the target or the prediction; "target", in the target.
        average: "dataset" adds up the matrices first, as PASCAL VOC, Cityscapes and CamVid are scored; "image" takes
            the mean over classes in each image, then over images; "class" the mean over images for each class, then
            over classes (mIoU^D, mIoU^I, mIoU^C of Wang et al., "Revisiting evaluation metrics for semantic
            segmentation", 2023). Images or classes without any score are left out.

    Returns:
        One float64; NaN where there is nothing to average.

    Raises:
        ValueError: `matrix` is no confusion matrix, or there is no matrix for each image where one is needed.

    >>> mean_iou(np.array([[50, 5, 5], [10, 20, 0], [2, 3, 5]])).round(6)
    np.float64(0.518031)
    >>> [mean_iou(np.diag([3, 1, 0]), absent=score).round(4) for score in (np.nan, 0, 1)]
    [np.float64(1.0), np.float64(0.6667), np.float64(1.0)]
    """
    return _macro(_iou, matrix, absent, present_in, average)


def micro_iou(matrix: np.ndarray, average: str = "dataset") -> np.float64:
    """Intersection over union of all classes together: Σ TP / Σ (TP + FP + FN); large classes count more.

    `average` as for `pixel_accuracy`.

    >>> micro_iou(np.array([[50, 5, 5], [10, 20, 0], [2, 3, 5]]))  # 75 / (72 + 38 + 15)
    np.float64(0.6)
    """
    arguments.one_of(average, AVERAGES[:2], "average")
    above, below = _iou(_counts(matrix, average))
    return _mean(_ratio(above.sum(1), below.sum(1)))


def frequency_weighted_iou(matrix: np.ndarray, average: str = "dataset") -> np.float64:
    """The mean of the classes' IoU, weighted with their pixels in the target: Σ t_i·IoU_i / Σ t_i (Long et al., 2015).

    A class that is not in the target has weight 0. `average` as for `pixel_accuracy`.

    >>> frequency_weighted_iou(np.array([[50, 5, 5], [10, 20, 0], [2, 3, 5]])).round(6)
    np.float64(0.607895)
    """
    arguments.one_of(average, AVERAGES[:2], "average")
    counts = _counts(matrix, average)
    pixels = counts.sum(2)
    scores = np.where(pixels > 0, _ratio(*_iou(counts)), 0)
    return _mean(_ratio((pixels * scores).sum(1), pixels.sum(1)))


def class_dice(
    matrix: np.ndarray, absent: float = np.nan, present_in: str = "either", average: str = "dataset"
) -> np.ndarray:
    """Dice coefficient (F1) of each class: 2·n_ii / (t_i + Σ_j n_ji) = 2·TP / (2·TP + FP + FN). Arguments as for `iou`.

    >>> class_dice(np.array([[50, 5, 5], [10, 20, 0], [2, 3, 5]])).round(6)
    array([0.819672, 0.689655, 0.5     ])
    """
    return _per_class(_dice, matrix, absent, present_in, average)


def mean_dice(
    matrix: np.ndarray, absent: float = np.nan, present_in: str = "either", average: str = "dataset"
) -> np.float64:
    """The mean of the classes' Dice coefficients. Arguments as for `mean_iou`.

    >>> mean_dice(np.array([[50, 5, 5], [10, 20, 0], [2, 3, 5]])).round(6)
    np.float64(0.669776)
    """
    return _macro(_dice, matrix, absent, present_in, average)


Fraction = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # of counts: what is divided by what, G×C


def _recall(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return counts.diagonal(axis1=1, axis2=2), counts.sum(2)


def _iou(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    right = counts.diagonal(axis1=1, axis2=2)
    return right, counts.sum(1) + counts.sum(2) - right


def _dice(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return 2 * counts.diagonal(axis1=1, axis2=2), counts.sum(1) + counts.sum(2)


def _counts(matrix: np.ndarray, average: str) -> np.ndarray:
    """Confusion matrices G×C×C: one of the data set, or those of the images."""
    counts = np.asarray(matrix)
    if counts.ndim not in (2, 3) or counts.shape[-1] != counts.shape[-2] or counts.dtype.kind not in "iuf":
        raise ValueError(f"matrix has shape {counts.shape} and dtype {counts.dtype}; it must hold counts, C×C or N×C×C")
    if average == "dataset":
        return counts[None] if counts.ndim == 2 else counts.sum(0, keepdims=True)
    if counts.ndim == 2:
        raise ValueError(
            f"average={average!r} needs a matrix for each image, N×C×C: confusion_matrix(…, per_image=True)"
        )
    return counts


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below in float64, NaN where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below != 0)


def _scores(fraction: Fraction, matrix: np.ndarray, absent: float, present_in: str, average: str) -> np.ndarray:
    """G×C scores, `absent` where the class is not present."""
    arguments.one_of(present_in, ("either", "target"), "present_in")
    counts = _counts(matrix, average)
    present = counts.sum(2) > 0
    if present_in == "either":
        present = present | (counts.sum(1) > 0)
    return np.where(present, _ratio(*fraction(counts)), absent)


def _per_class(fraction: Fraction, matrix: np.ndarray, absent: float, present_in: str, average: str) -> np.ndarray:
    arguments.one_of(average, AVERAGES[:2], "average")
    scores = _scores(fraction, matrix, absent, present_in, average)
    return scores[0] if average == "dataset" else scores


def _macro(fraction: Fraction, matrix: np.ndarray, absent: float, present_in: str, average: str) -> np.float64:
    arguments.one_of(average, AVERAGES, "average")
    scores = _scores(fraction, matrix, absent, present_in, average)
    inner = _mean(scores, 0 if average == "class" else 1)
    return _mean(inner)


def _mean(values: np.ndarray, axis: int | None = None) -> np.ndarray | np.float64:
    """The mean of what is not NaN; NaN where nothing is left."""
    known = ~np.isnan(values)
    result = _ratio(np.where(known, values, 0).sum(axis), known.sum(axis))
    return np.float64(result) if axis is None else result


def top_k_accuracy(logits: np.ndarray, target: np.ndarray, k: int = 5, ignore_index: int | None = None) -> np.float64:
    """The share of pixels whose true class is among the k highest scores (top-1, top-5).

    Of equal scores the lower class number ranks first, as for argmax, so k=1 is the accuracy of `logits.argmax(1)`. A
    pixel whose true class scores NaN is wrong. (The top-5 error of Russakovsky et al., "ImageNet", 2015, section 4.1.)

    Args:
        logits: N×C×H×W, or N×C with any further axes, or C for one pixel; float32 or float64.
        target: labels of the shape of `logits` without its class axis, any integer dtype.
        k: between 1 and C.
        ignore_index: pixels with this target are not counted; None counts all.

    Returns:
        One float64; NaN where no pixel counts.

    Raises:
        TypeError: a dtype is wrong.
        ValueError: shapes disagree, a label names no class, or k is larger than C.

    >>> logits = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])
    >>> top_k_accuracy(logits, np.array([1, 0]), k=1), top_k_accuracy(logits, np.array([1, 0]), k=2)
    (np.float64(0.5), np.float64(1.0))
    """
    pixels = _check_top_k(logits, target, k, ignore_index)
    classes = np.arange(pixels.classes)[:, None]

    def work(strip: Strip) -> tuple[int, int]:
        scores = pixels.scores[strip[0], :, strip[1]]
        valid, label, index = pixels.truth(strip)
        true_score = pixels.scores.reshape(-1)[index][:, None]
        ahead = (scores > true_score) | ((scores == true_score) & (classes < label[:, None]))
        hit = valid & (ahead.sum(1) < k) & ~np.isnan(true_score[:, 0])
        return np.count_nonzero(hit), np.count_nonzero(valid)

    hits, count = np.sum([(0, 0), *pixels.for_each_strip(work)], 0)
    return _mean(_ratio(hits, count))


def _check_top_k(logits: object, target: object, k: int, ignore_index: int | None) -> Pixels:
    pixels = pixels_of(logits, target, ignore_index, any_integer=True)
    if arguments.integer(k, "k", minimum=1) > pixels.classes:
        raise ValueError(f"k={k} must be at most the number of classes, {pixels.classes}")
    return pixels

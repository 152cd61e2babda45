"""Metrics of segmentations, counted from a confusion matrix, and of sets of pixels (lecture 07).

A metric is a number only together with its conventions. Here they are arguments:

* void label: `ignore_index` of `confusion_matrix`; such pixels of the target are left out of every count.
* absent class: `absent`, the score of a class that has no pixel. NaN leaves it out of means; never silently 0.
  `present_in="either"` calls a class present if it is in the target or in the prediction, "target" only in the target.
* several images: `average`. "dataset" adds up the matrices of all images, "image" averages classes then images,
  "class" averages images then classes; the last two need one matrix for each image.
* classes: functions named `mean_…` are macro averages, each class counts alike; `micro_…` add up all classes first.
"""

from __future__ import annotations

import numpy as np

from segedu import arguments
from segedu.numpy_ops._blocks import for_each_block
from segedu.numpy_ops._pixels import Strip, pixels_of

AVERAGES = ("dataset", "image", "class")


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
    classes = arguments.integer(num_classes, "num_classes", minimum=1)
    truth = arguments.label_map(target, "target", any_integer=True)
    guess = arguments.label_map(prediction, "prediction", any_integer=True)
    arguments.same_shape(guess, truth.shape, "prediction", "target")
    if ignore_index is not None:
        arguments.integer(ignore_index, "ignore_index")
    if per_image:
        if truth.ndim == 0:
            raise ValueError("per_image=True needs images along the first axis, but target has no axis")
        pairs = zip(guess, truth, strict=True)
        matrices = [confusion_matrix(*pair, classes, ignore_index) for pair in pairs]
        return np.array(matrices, np.int64).reshape(-1, classes, classes)
    arguments.label_range(truth, classes, ignore_index)
    _check_prediction(guess, truth, classes, ignore_index)
    return _count_pairs(guess.reshape(-1), truth.reshape(-1), classes, ignore_index)


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


Fraction = tuple[np.ndarray, np.ndarray]  # what is divided by what, G×C


def _recall(counts: np.ndarray) -> Fraction:
    return counts.diagonal(axis1=1, axis2=2), counts.sum(2)


def _iou(counts: np.ndarray) -> Fraction:
    right = counts.diagonal(axis1=1, axis2=2)
    return right, counts.sum(1) + counts.sum(2) - right


def _dice(counts: np.ndarray) -> Fraction:
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


def _scores(fraction: object, matrix: np.ndarray, absent: float, present_in: str, average: str) -> np.ndarray:
    """G×C scores, `absent` where the class is not present."""
    arguments.one_of(present_in, ("either", "target"), "present_in")
    counts = _counts(matrix, average)
    present = counts.sum(2) > 0
    if present_in == "either":
        present = present | (counts.sum(1) > 0)
    return np.where(present, _ratio(*fraction(counts)), absent)


def _per_class(fraction: object, matrix: np.ndarray, absent: float, present_in: str, average: str) -> np.ndarray:
    arguments.one_of(average, AVERAGES[:2], "average")
    scores = _scores(fraction, matrix, absent, present_in, average)
    return scores[0] if average == "dataset" else scores


def _macro(fraction: object, matrix: np.ndarray, absent: float, present_in: str, average: str) -> np.float64:
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
    pixels = pixels_of(logits, target, ignore_index, any_integer=True)
    if arguments.integer(k, "k", minimum=1) > pixels.classes:
        raise ValueError(f"k={k} must be at most the number of classes, {pixels.classes}")
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
    for name, mask in (("a", a), ("b", b)):
        if not isinstance(mask, np.ndarray) or mask.dtype != bool:
            kind = f"dtype {mask.dtype}" if isinstance(mask, np.ndarray) else f"type {type(mask).__name__}"
            raise TypeError(f"{name} has {kind}; a set of pixels is a boolean mask, such as prediction == 3")
    arguments.same_shape(b, a.shape, "b", "a")
    return int(np.count_nonzero(a)), int(np.count_nonzero(b)), int(np.count_nonzero(a & b))


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
    return _ratio(both, area_a[:, None] + area_b - both)


def _boxes(boxes: object, name: str) -> np.ndarray:
    array = np.asarray(boxes, np.float64)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"{name} has shape {array.shape}; it must be N×4, (left, top, right, bottom)")
    if (array[:, :2] > array[:, 2:]).any():
        raise ValueError(f"{name} must hold (left, top, right, bottom) with left ≤ right and top ≤ bottom")
    return array

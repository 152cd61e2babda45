"""Panoptic quality: how well segments, things and stuff alike, are found and outlined (lectures 00 and 07)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from segedu import arguments

LabelMaps = tuple[np.ndarray, np.ndarray]  # (class of every pixel, instance of every pixel)


class PanopticQuality(NamedTuple):
    """Per class; NaN for a class without any segment in prediction and target."""

    pq: np.ndarray  # Σ IoU of the matches / (TP + ½·FP + ½·FN) = SQ·RQ, float64
    sq: np.ndarray  # segmentation quality: mean IoU of the matches; 0 without a match
    rq: np.ndarray  # recognition quality: TP / (TP + ½·FP + ½·FN)
    true_positives: np.ndarray  # matched pairs of segments, int64
    false_positives: np.ndarray  # predicted segments without a match
    false_negatives: np.ndarray  # true segments without a match

    @property
    def mean(self) -> tuple[np.float64, np.float64, np.float64]:
        """(PQ, SQ, RQ) averaged over the classes that are not NaN; NaN if there is none."""
        known = ~np.isnan(self.pq)
        if not known.any():
            return (np.float64(np.nan),) * 3
        return tuple(quality[known].mean() for quality in (self.pq, self.sq, self.rq))


def panoptic_quality(
    prediction: LabelMaps,
    target: LabelMaps,
    num_classes: int,
    ignore_index: int | None = None,
    stuff: Sequence[int] = (),
) -> PanopticQuality:
    """Panoptic, segmentation and recognition quality of every class.

    PQ = Σ IoU over matched pairs / (TP + ½·FP + ½·FN) = mean IoU of the pairs · TP / (TP + ½·FP + ½·FN)

    A segment is all pixels of one image with the same class and instance. A predicted and a true segment match if they
    are of one class and their IoU is greater than ½; there can be no second match then. Counts are added up over all
    images. Kirillov et al., "Panoptic segmentation", 2019, sections 4.1 and 4.2. Void, as there: pixels that are void
    in the target are taken out of the predicted segments; a predicted segment that is unmatched and more than half
    void is no false positive. A predicted void pixel belongs to no segment.

    Args:
        prediction: (classes, instances), each H×W or N×H×W of any integer dtype.
        target: the same for the truth.
        num_classes: C; classes are 0…C−1.
        ignore_index: the class that stands for void; None for no void.
        stuff: classes whose instance numbers are ignored: one segment an image.

    Returns:
        A `PanopticQuality`; its arrays hold C numbers. SQ is 0 for a class with segments but without a match.

    Raises:
        TypeError: maps are no integers, or `prediction` or `target` is no pair.
        ValueError: shapes disagree, or a class is out of its range.

    >>> classes = np.array([[0, 0, 0, 1, 1, 1]])  # sky is stuff, then two balls
    >>> target, prediction = (classes, np.array([[0, 0, 0, 1, 2, 2]])), (classes, np.array([[0, 0, 0, 1, 1, 1]]))
    >>> result = panoptic_quality(prediction, target, num_classes=2, stuff=[0])
    >>> result.pq.round(4), result.sq.round(4), result.rq.round(4)  # one match of IoU 2/3, one ball missed
    (array([1.    , 0.4444]), array([1.    , 0.6667]), array([1.    , 0.6667]))
    """
    classes = arguments.integer(num_classes, "num_classes", minimum=1)
    things_only = np.array([arguments.integer(c, "stuff", minimum=0) for c in stuff], np.int64)
    if ignore_index is not None:
        arguments.integer(ignore_index, "ignore_index")
    maps = [
        _checked(pair, name, classes, ignore_index) for pair, name in ((prediction, "prediction"), (target, "target"))
    ]
    arguments.same_shape(np.asarray(prediction[0]), np.shape(target[0]), "prediction", "target")
    iou, counts = np.zeros(classes), np.zeros((3, classes), np.int64)
    for image in zip(*maps[0], *maps[1], strict=True):
        guess, truth = (_segments(*pair, things_only) for pair in (image[:2], image[2:]))
        _match(guess, truth, ignore_index, iou, counts)
    return _qualities(iou, counts)


def _checked(pair: LabelMaps, name: str, classes: int, ignore_index: int | None) -> list[np.ndarray]:
    """Both maps as N×H×W."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"{name} must be a pair, (classes, instances)")
    maps = [
        arguments.label_map(labels, f"{name} {part}", any_integer=True)
        for labels, part in zip(pair, ("classes", "instances"), strict=True)
    ]
    if maps[0].ndim not in (2, 3):
        raise ValueError(f"{name} classes have shape {maps[0].shape}; they must be H×W or N×H×W")
    arguments.same_shape(maps[1], maps[0].shape, f"{name} instances", "its classes")
    arguments.label_range(maps[0], classes, ignore_index, f"{name} classes")
    return [labels.reshape(-1, *labels.shape[-2:]) for labels in maps]


class _Segments(NamedTuple):
    number: np.ndarray  # of every pixel's segment, 0…S−1
    label: np.ndarray  # class of every segment, S


def _segments(labels: np.ndarray, instances: np.ndarray, stuff: np.ndarray) -> _Segments:
    """The segments of one image: pixels with the same class and instance."""
    labels, instances = labels.ravel().astype(np.int64), instances.ravel().astype(np.int64)
    instances = np.where(np.isin(labels, stuff), 0, instances)
    pairs, number = np.unique(np.stack([labels, instances]), axis=1, return_inverse=True)
    return _Segments(number.ravel(), pairs[0])


def _match(guess: _Segments, truth: _Segments, ignore_index: int | None, iou: np.ndarray, counts: np.ndarray) -> None:
    """Adds one image's matches to `iou`, and its TP, FP, FN to the rows of `counts`."""
    shape = len(truth.label), len(guess.label)
    overlap = np.bincount(truth.number * shape[1] + guess.number, minlength=shape[0] * shape[1]).reshape(shape)
    is_void = [
        np.zeros(len(s.label), bool) if ignore_index is None else s.label == ignore_index for s in (truth, guess)
    ]
    area_of_truth, area_of_guess = overlap.sum(1), overlap.sum(0)
    void_in_guess = overlap[is_void[0]].sum(0)
    union = area_of_truth[:, None] + area_of_guess - overlap - void_in_guess
    alike = (truth.label[:, None] == guess.label) & ~is_void[0][:, None] & ~is_void[1]
    match = alike & (2 * overlap > union)
    rows, columns = np.nonzero(match)
    np.add.at(iou, truth.label[rows], overlap[rows, columns] / union[rows, columns])
    np.add.at(counts[0], truth.label[rows], 1)
    np.add.at(counts[1], guess.label[~match.any(0) & ~is_void[1] & (2 * void_in_guess <= area_of_guess)], 1)
    np.add.at(counts[2], truth.label[~match.any(1) & ~is_void[0]], 1)


def _qualities(iou: np.ndarray, counts: np.ndarray) -> PanopticQuality:
    true, false_positive, false_negative = counts
    size = true + (false_positive + false_negative) / 2
    seen = size > 0
    pq, rq = (np.divide(above, size, out=np.full(len(iou), np.nan), where=seen) for above in (iou, true))
    sq = np.where(seen, np.divide(iou, true, out=np.zeros(len(iou)), where=true > 0), np.nan)
    return PanopticQuality(pq, sq, rq, *counts)

"""Losses on the overlap of regions: soft Dice and soft Jaccard (lecture 06).

Dice and Jaccard need three sums for each class: of the probabilities P, of the labels Y and of their product I. So does
their gradient, whatever the formula: dL/dp[c] = dL/dP[c] + y[c] · dL/dI[c].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from segedu import arguments
from segedu.numpy_ops._pixels import Pixels, Strip, pixels_of, softmax_of_strip


class _Overlap(NamedTuple):
    """Sums over the pixels of each class, G×C in float64: G images, or one group of all images."""

    intersection: np.ndarray  # Σ p·y
    probability: np.ndarray  # Σ p
    label: np.ndarray  # Σ y


class _Score(NamedTuple):
    """A score of every group and class, and its derivatives."""

    value: np.ndarray
    by_intersection: np.ndarray
    by_probability: np.ndarray


def _dice(sums: _Overlap, smooth: float) -> _Score:
    above, below = 2 * sums.intersection + smooth, sums.probability + sums.label + smooth
    with np.errstate(divide="ignore", invalid="ignore"):
        return _Score(above / below, 2 / below, -above / below**2)


def _jaccard(sums: _Overlap, smooth: float) -> _Score:
    above = sums.intersection + smooth
    below = sums.probability + sums.label - sums.intersection + smooth
    with np.errstate(divide="ignore", invalid="ignore"):
        return _Score(above / below, 1 / below + above / below**2, -above / below**2)


def dice_loss(
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float = 1.0,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> np.floating:
    """One minus the soft Dice coefficient, averaged over the classes.

    L = 1 − 1/C · Σ_c (2 Σ p[c]·y[c] + s) / (Σ p[c] + Σ y[c] + s)

    p = softmax of the logits, y = the labels one-hot, s = `smooth`. The sums run over all pixels of all images that are
    not ignored; with `per_image` over those of one image, and the losses of the images are averaged. A class that is
    in no label still counts: its term is s / (Σ p[c] + s). Where no pixel counts the loss is 0 (NaN for smooth=0).
    After Milletari, Navab and Ahmadi, "V-Net", 2016, section 3; they square the terms of the denominator, here it is
    plain as in Sudre et al., "Generalised Dice overlap", 2017, equation 2, with s above and below.

    Args:
        logits: N×C×H×W, or N×C with any further axes, or C for one pixel; float32 or float64.
        target: int64 labels, N×H×W (the shape of `logits` without its class axis).
        smooth: added above and below the fraction; not negative.
        ignore_index: pixels with this label do not count; None counts all.
        per_image: sums over each image instead of over the batch; the mean over an empty batch is NaN.

    Returns:
        One number of the dtype of `logits`.

    Raises:
        TypeError: a dtype is wrong.
        ValueError: shapes disagree, a label names no class, or `smooth` is negative.

    >>> logits = np.log(np.array([[[0.75, 0.5], [0.25, 0.5]]]))  # two pixels
    >>> dice_loss(logits, np.array([[0, 1]]), smooth=0).round(4)  # 1 − ½·(2·0.75/2.25 + 2·0.5/1.75)
    np.float64(0.381)
    """
    return _region_loss(_dice, logits, target, smooth, ignore_index, per_image)[0]


def dice_loss_backward(
    grad_output: np.ndarray,
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float = 1.0,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> np.ndarray:
    """The gradient of `dice_loss` with respect to the logits.

    dL/dx[k] = p[k] · (g[k] − Σ_c p[c]·g[c]) with g[c] = dL/dp[c], and 0 for ignored pixels

    Args:
        grad_output: gradient of the loss, one number.
        the others: as they were given to `dice_loss`.

    Raises:
        TypeError, ValueError: as for `dice_loss`; `grad_output` is no single number.

    >>> dice_loss_backward(1.0, np.zeros((1, 2)), np.array([1]), smooth=0).round(3)
    array([[ 0.111, -0.111]])
    """
    return _region_loss(_dice, logits, target, smooth, ignore_index, per_image, grad_output)[1]


def dice_loss_with_gradient(
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float = 1.0,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> tuple[np.floating, np.ndarray]:
    """`dice_loss` and its gradient with respect to the logits; the softmax is computed once.

    >>> loss, gradient = dice_loss_with_gradient(np.zeros((1, 2)), np.array([1]), smooth=0)
    >>> loss.round(4), gradient.round(3)
    (np.float64(0.6667), array([[ 0.111, -0.111]]))
    """
    return _region_loss(_dice, logits, target, smooth, ignore_index, per_image, 1.0)


def jaccard_loss(
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float = 1.0,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> np.floating:
    """One minus the soft Jaccard index (intersection over union), averaged over the classes.

    L = 1 − 1/C · Σ_c (Σ p[c]·y[c] + s) / (Σ p[c] + Σ y[c] − Σ p[c]·y[c] + s)

    Everything else as for `dice_loss`. (Rahman and Wang, "Optimizing intersection-over-union in deep neural networks",
    2016, equation 5, with s added.)

    >>> logits = np.log(np.array([[[0.75, 0.5], [0.25, 0.5]]]))  # two pixels
    >>> jaccard_loss(logits, np.array([[0, 1]]), smooth=0).round(4)  # 1 − ½·(0.75/1.5 + 0.5/1.25)
    np.float64(0.55)
    """
    return _region_loss(_jaccard, logits, target, smooth, ignore_index, per_image)[0]


def jaccard_loss_backward(
    grad_output: np.ndarray,
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float = 1.0,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> np.ndarray:
    """The gradient of `jaccard_loss` with respect to the logits; arguments and errors as for `dice_loss_backward`.

    >>> jaccard_loss_backward(1.0, np.zeros((1, 2)), np.array([1]), smooth=0)
    array([[ 0.125, -0.125]])
    """
    return _region_loss(_jaccard, logits, target, smooth, ignore_index, per_image, grad_output)[1]


def jaccard_loss_with_gradient(
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float = 1.0,
    ignore_index: int | None = None,
    per_image: bool = False,
) -> tuple[np.floating, np.ndarray]:
    """`jaccard_loss` and its gradient with respect to the logits; the softmax is computed once.

    >>> jaccard_loss_with_gradient(np.zeros((1, 2)), np.array([1]), smooth=0)
    (np.float64(0.75), array([[ 0.125, -0.125]]))
    """
    return _region_loss(_jaccard, logits, target, smooth, ignore_index, per_image, 1.0)


def _region_loss(
    score: Callable[[_Overlap, float], _Score],
    logits: np.ndarray,
    target: np.ndarray,
    smooth: float,
    ignore_index: int | None,
    per_image: bool,
    grad_output: object = None,
) -> tuple[np.floating, np.ndarray | None]:
    """(loss, gradient) of a loss that is one minus the mean of a score; no gradient without `grad_output`."""
    pixels = _check(logits, target, smooth, ignore_index, grad_output)
    probabilities = None if grad_output is None else np.empty_like(pixels.scores)
    result = score(_overlap(pixels, per_image, probabilities), float(smooth))
    loss = pixels.scores.dtype.type(1 - _mean(result.value))
    if grad_output is None:
        return loss, None
    factor = -np.float64(grad_output) / max(1, result.value.size)
    _to_logits(pixels, probabilities, factor * result.by_probability, factor * result.by_intersection)
    return loss, probabilities.reshape(logits.shape)


def _check(logits: object, target: object, smooth: float, ignore_index: int | None, grad_output: object) -> Pixels:
    pixels = pixels_of(logits, target, ignore_index)
    if not smooth >= 0:
        raise ValueError(f"smooth={smooth!r} must be at least 0")
    if grad_output is not None:
        arguments.gradient_of_number(grad_output)
    return pixels


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan


def _overlap(pixels: Pixels, per_image: bool, probabilities: np.ndarray | None) -> _Overlap:
    """The sums of every class; keeps the probabilities if there is an array for them."""
    images, classes = pixels.scores.shape[:2]

    def work(strip: Strip) -> tuple[slice, np.ndarray]:
        out = None if probabilities is None else probabilities[strip[0], :, strip[1]]
        p = softmax_of_strip(pixels, strip, out)
        valid, label, _ = pixels.truth(strip)
        group = (np.arange(len(label))[:, None] * classes + label).ravel()
        of_truth = np.take_along_axis(p, label[:, None], 1)

        def by_class(values: np.ndarray) -> np.ndarray:
            return np.bincount(group, values.ravel(), len(label) * classes).reshape(-1, classes)

        return strip[0], np.stack([by_class(of_truth), p.sum(2), by_class(valid)])

    total = np.zeros((3, images, classes))
    for part, sums in pixels.for_each_strip(work):
        total[:, part] += sums
    return _Overlap(*(total if per_image else total.sum(1, keepdims=True)))


def _to_logits(
    pixels: Pixels, probabilities: np.ndarray, by_probability: np.ndarray, by_intersection: np.ndarray
) -> None:
    """Turns the probabilities into the gradient, in place: dx[k] = p[k] · (g[k] − Σ_c p[c]·g[c]), g = a + b·y."""
    shape = pixels.scores.shape[:2]
    a, b = (np.broadcast_to(d, shape).astype(probabilities.dtype) for d in (by_probability, by_intersection))
    flat = probabilities.reshape(-1)

    def work(strip: Strip) -> None:
        p = probabilities[strip[0], :, strip[1]]
        _, label, index = pixels.truth(strip)
        of_truth = flat[index] * np.take_along_axis(b[strip[0]], label, 1)  # b·p at the true class
        mean = np.einsum("nc,ncp->np", a[strip[0]], p) + of_truth  # Σ_c p[c]·g[c]
        p *= a[strip[0], :, None] - mean[:, None]
        flat[index] += of_truth

    pixels.for_each_strip(work)

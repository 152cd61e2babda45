"""Losses on the overlap of regions: soft Dice, soft Jaccard, Lovász-softmax (lecture 06).

Dice and Jaccard need three sums for each class: of the probabilities P, of the labels Y and of their product I. So does
their gradient, whatever the formula: dL/dp[c] = dL/dP[c] + y[c] · dL/dI[c].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from segedu import arguments
from segedu.numpy_ops._blocks import for_each_block
from segedu.numpy_ops._pixels import Pixels, Strip, pixels_of


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
    pixels = pixels_of(logits, target, ignore_index)
    if not smooth >= 0:
        raise ValueError(f"smooth={smooth!r} must be at least 0")
    probabilities = None
    if grad_output is not None:
        arguments.same_shape(np.asarray(grad_output), (), "grad_output", "the loss")
        probabilities = np.empty_like(pixels.scores)
    result = score(_overlap(pixels, per_image, probabilities), float(smooth))
    loss = pixels.scores.dtype.type(1 - _mean(result.value))
    if grad_output is None:
        return loss, None
    factor = -np.float64(grad_output) / max(1, result.value.size)
    _to_logits(pixels, probabilities, factor * result.by_probability, factor * result.by_intersection)
    return loss, probabilities.reshape(logits.shape)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan


def softmax_strip(pixels: Pixels, strip: Strip, out: np.ndarray | None = None) -> np.ndarray:
    """The probabilities of a strip, 0 at ignored pixels."""
    x = pixels.scores[strip[0], :, strip[1]]
    with np.errstate(invalid="ignore"):  # ±∞ and NaN in the logits go their way, as in PyTorch
        out = np.subtract(x, x.max(1, keepdims=True), out=out)
        np.exp(out, out=out)
        out *= 1 / out.sum(1, keepdims=True)
    if pixels.ignore_index is not None:
        np.copyto(out, 0, where=~pixels.valid(strip)[:, None])
    return out


def _overlap(pixels: Pixels, per_image: bool, probabilities: np.ndarray | None) -> _Overlap:
    """The sums of every class; keeps the probabilities if there is an array for them."""
    images, classes = pixels.scores.shape[:2]

    def work(strip: Strip) -> tuple[slice, np.ndarray]:
        out = None if probabilities is None else probabilities[strip[0], :, strip[1]]
        p = softmax_strip(pixels, strip, out)
        valid, label, _ = pixels.truth(strip)
        sums = np.empty((3, len(label), classes))
        for n in range(len(label)):
            truth = label[n]
            picked = p[n][truth, np.arange(len(truth))]
            sums[0, n] = np.bincount(truth, picked, classes)
            sums[1, n] = p[n].sum(1)
            sums[2, n] = np.bincount(truth, valid[n], classes)
        return strip[0], sums

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
        mean = (a[strip[0], None] @ p)[:, 0] + of_truth  # Σ_c p[c]·g[c]
        p *= a[strip[0], :, None] - mean[:, None]
        flat[index] += of_truth

    pixels.for_each_strip(work)


def lovasz_softmax(
    logits: np.ndarray,
    target: np.ndarray,
    ignore_index: int | None = None,
    classes: str | Sequence[int] = "present",
    per_image: bool = False,
) -> np.floating:
    """The Lovász extension of the Jaccard loss, averaged over the classes: tight where IoU itself has no gradient.

    m_i = |y_i[c] − p_i[c]|, sorted: m_π1 ≥ m_π2 ≥ …;  L_c = Σ_i m_πi · (Δ{π1…πi} − Δ{π1…π(i−1)})

    Δ(M) = |M| / |{y = c} ∪ M| is the Jaccard loss when exactly the pixels of M are wrong. Berman, Rannen Triki and
    Blaschko, "The Lovász-Softmax loss", 2018, equations 8, 9, 11 and algorithm 1. The order of equal errors does not
    change the loss; the gradient then takes equal errors in reading order.

    Args:
        logits: N×C×H×W, or N×C with any further axes, or C for one pixel; float32 or float64.
        target: int64 labels, N×H×W (the shape of `logits` without its class axis).
        ignore_index: pixels with this label do not count; None counts all.
        classes: the mean is over the classes "present" in the labels, over "all", or over those listed.
        per_image: a loss for each image, then their mean, instead of one loss for the batch.

    Returns:
        One number of the dtype of `logits`; 0 where no class or no pixel counts, as in the authors' code.

    Raises:
        TypeError: a dtype is wrong.
        ValueError: shapes disagree, or a label or an entry of `classes` names no class.

    >>> logits = np.log(np.array([[[0.75, 0.5], [0.25, 0.5]]]))  # two pixels
    >>> lovasz_softmax(logits, np.array([[0, 1]]))  # class 0: 0.5·½ + 0.25·½, class 1: 0.5·1 + 0.25·0
    np.float64(0.4375)
    """
    return _lovasz(logits, target, ignore_index, classes, per_image)[0]


def lovasz_softmax_backward(
    grad_output: np.ndarray,
    logits: np.ndarray,
    target: np.ndarray,
    ignore_index: int | None = None,
    classes: str | Sequence[int] = "present",
    per_image: bool = False,
) -> np.ndarray:
    """The gradient of `lovasz_softmax` with respect to the logits (where errors are equal: one of the subgradients).

    Args:
        grad_output: gradient of the loss, one number.
        the others: as they were given to `lovasz_softmax`.

    Raises:
        TypeError, ValueError: as for `lovasz_softmax`; `grad_output` is no single number.

    >>> lovasz_softmax_backward(1.0, np.zeros((1, 2)), np.array([1]))
    array([[ 0.25, -0.25]])
    """
    return _lovasz(logits, target, ignore_index, classes, per_image, grad_output)[1]


def lovasz_softmax_with_gradient(
    logits: np.ndarray,
    target: np.ndarray,
    ignore_index: int | None = None,
    classes: str | Sequence[int] = "present",
    per_image: bool = False,
) -> tuple[np.floating, np.ndarray]:
    """`lovasz_softmax` and its gradient with respect to the logits; softmax and sorting are done once.

    >>> lovasz_softmax_with_gradient(np.zeros((1, 2)), np.array([1]))
    (np.float64(0.5), array([[ 0.25, -0.25]]))
    """
    return _lovasz(logits, target, ignore_index, classes, per_image, 1.0)


def _lovasz(
    logits: np.ndarray,
    target: np.ndarray,
    ignore_index: int | None,
    classes: str | Sequence[int],
    per_image: bool,
    grad_output: object = None,
) -> tuple[np.floating, np.ndarray | None]:
    """(loss, gradient); no gradient without `grad_output`."""
    pixels = pixels_of(logits, target, ignore_index)
    if grad_output is not None:
        arguments.same_shape(np.asarray(grad_output), (), "grad_output", "the loss")
    chosen = _chosen_classes(classes, pixels.classes)
    p = np.empty_like(pixels.scores)
    pixels.for_each_strip(lambda strip: softmax_strip(pixels, strip, p[strip[0], :, strip[1]]))
    gradient = None if grad_output is None else np.zeros_like(p)
    images = len(p)
    groups = [slice(n, n + 1) for n in range(images)] if per_image else [slice(0, images)]
    loss = 0.0
    for group in groups:
        loss += _lovasz_of_group(pixels, p, group, chosen, gradient) / len(groups)
    if gradient is not None:
        gradient *= p.dtype.type(np.float64(grad_output) / max(1, len(groups)))
        _softmax_backward(pixels, p, gradient)
        gradient = gradient.reshape(logits.shape)
    return p.dtype.type(loss), gradient


def _chosen_classes(classes: str | Sequence[int], number: int) -> np.ndarray | None:
    """The classes to average over; None for those that are present."""
    if isinstance(classes, str):
        return None if arguments.one_of(classes, ("present", "all"), "classes") == "present" else np.arange(number)
    chosen = [arguments.integer(c, "classes") for c in classes]
    if any(not 0 <= c < number for c in chosen):
        raise ValueError(f"classes={classes!r} must lie in 0…{number - 1}")
    return np.array(chosen, np.int64)


def _lovasz_of_group(
    pixels: Pixels, p: np.ndarray, group: slice, chosen: np.ndarray | None, gradient: np.ndarray | None
) -> float:
    """The mean of the classes' losses over a group of images; writes dL/dp to `gradient`."""
    valid = pixels.valid((group, slice(None)))
    labels = pixels.labels[group][valid]
    if chosen is None:
        chosen = np.unique(labels)
    if not len(chosen) or not len(labels):
        return 0.0

    def work(part: slice) -> float:
        return sum(_lovasz_of_class(c) for c in chosen[part])

    def _lovasz_of_class(c: int) -> float:
        truth = labels == c
        errors = np.abs(truth - p[group, c][valid])
        order = np.argsort(-errors, kind="stable")
        steps = jaccard_steps(truth[order])
        if gradient is not None:
            slopes = np.empty(len(errors), p.dtype)
            slopes[order] = steps / len(chosen)
            gradient[group, c][valid] = np.where(truth, -slopes, slopes)
        return float(errors[order] @ steps)

    return sum(for_each_block(work, len(chosen), p.itemsize * labels.size)) / len(chosen)


def jaccard_steps(truth: np.ndarray) -> np.ndarray:
    """How much the Jaccard loss of a class grows as the pixels become wrong one after another: float64.

    Args:
        truth: whether each pixel is of the class, in the order of falling errors, boolean.

    >>> jaccard_steps(np.array([False, True, True]))  # losses 1/3, 2/3, 1
    array([0.33333333, 0.33333333, 0.33333333])
    """
    wrong = np.arange(1, len(truth) + 1)
    union = np.count_nonzero(truth) + np.cumsum(~truth)
    return np.diff(wrong / union, prepend=0.0)


def _softmax_backward(pixels: Pixels, p: np.ndarray, gradient: np.ndarray) -> None:
    """dL/dp becomes dL/dx, in place: dx[k] = p[k] · (g[k] − Σ_c p[c]·g[c])."""

    def work(strip: Strip) -> None:
        part = (strip[0], slice(None), strip[1])
        product = gradient[part] * p[part]
        gradient[part] = product - p[part] * product.sum(1, keepdims=True)

    pixels.for_each_strip(work)

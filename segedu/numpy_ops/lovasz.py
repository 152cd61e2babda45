"""The Lovász-softmax loss (lecture 06): the Jaccard loss of a class, made continuous by sorting the errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segedu import arguments
from segedu.numpy_ops._blocks import for_each_block
from segedu.numpy_ops._pixels import Pixels, Strip, pixels_of, softmax_of_strip


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
        arguments.gradient_of_number(grad_output)
    chosen = _chosen_classes(classes, pixels.classes)
    p = np.empty_like(pixels.scores)
    pixels.for_each_strip(lambda strip: softmax_of_strip(pixels, strip, p[strip[0], :, strip[1]]))
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
        return float(np.einsum("p,p", errors[order], steps))

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

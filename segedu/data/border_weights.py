"""The weights with which U-Net learns the thin borders between touching cells."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects
from skimage.measure import label as connected

REACH = 6
"""How many σ from a cell its distance still counts: beyond, the weight is below w0·exp(−18) = 1.5e-7 for w0 = 10."""


def border_weights(
    labels: np.ndarray,
    w0: float = 10.0,
    sigma: float = 5.0,
    class_weights: Sequence[float] = (1.0, 1.0),
    instances: np.ndarray | None = None,
) -> np.ndarray:
    """The weight of each pixel in U-Net's loss, float32 H×W.

    w(x) = w_c(x) + w0·exp(−(d1(x) + d2(x))² / 2σ²) for the pixels between cells, where d1 and d2 are the distances to
    the nearest and the second nearest cell, in pixels; w_c weighs the classes against each other (Ronneberger, Fischer,
    Brox, "U-Net", MICCAI 2015, equation 2, with its w0 = 10 and σ = 5).

    Args:
        labels: whole numbers H×W, 1 in cells and 0 between them.
        w0: weight of a border without width.
        sigma: how fast the weight falls as cells lie farther apart, in pixels.
        class_weights: w_c of the labels 0 and 1.
        instances: whole numbers H×W, a number for each cell and 0 between; else cells are what is connected in
            `labels` along rows and columns.

    Raises:
        ValueError: where labels are not 0 and 1, shapes differ, or w0 is below 0 or σ not above 0.

    >>> row = np.array([[1, 1, 0, 1, 1, 0, 0, 0, 0]])
    >>> print(border_weights(row).round(2))
    [[ 1.    1.   10.23  1.    1.    7.07  4.75  2.98  1.89]]
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or not np.isin(labels, (0, 1)).all():
        raise ValueError(f"labels of shape {labels.shape} must be H×W and hold 0 and 1 only")
    if w0 < 0 or sigma <= 0:
        raise ValueError(f"w0={w0} must be at least 0 and sigma={sigma} above 0")
    if instances is None:
        instances = connected(labels, connectivity=1)
    if instances.shape != labels.shape:
        raise ValueError(f"instances of shape {instances.shape} must have the labels' shape {labels.shape}")
    first, second = _two_nearest(instances, reach=int(np.ceil(REACH * sigma)))
    border = w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2))
    return (np.asarray(class_weights, float)[labels] + np.where(labels == 0, border, 0)).astype(np.float32)


def _two_nearest(instances: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each pixel to the nearest and the second nearest cell; beyond `reach` pixels it may be infinite."""
    first, second = np.full((2, *instances.shape), np.inf)
    for number, box in enumerate(find_objects(instances), start=1):
        if box is None:
            continue
        near = tuple(slice(max(0, side.start - reach), side.stop + reach) for side in box)
        distance = distance_transform_edt(instances[near] != number)
        second[near] = np.minimum(second[near], np.maximum(first[near], distance))
        first[near] = np.minimum(first[near], distance)
    return first, second

"""Losses one pixel at a time, from their definitions."""

import math

import numpy as np


def softmax(scores: np.ndarray) -> list[float]:
    """Probabilities of one pixel's classes."""
    largest = max(float(s) for s in scores)
    powers = [math.exp(float(s) - largest) for s in scores]
    return [power / sum(powers) for power in powers]


def cross_entropy(
    logits: np.ndarray, target: np.ndarray, weight: np.ndarray, ignore_index: int, label_smoothing: float
) -> float:
    """The mean over the pixels of N×C×H×W logits."""
    total = divisor = 0.0
    for n, i, j in np.ndindex(target.shape):
        t = target[n, i, j]
        if t == ignore_index:
            continue
        p = softmax(logits[n, :, i, j])
        for c, probability in enumerate(p):
            wanted = (1 - label_smoothing) * (c == t) + label_smoothing / len(p)
            total -= weight[c] * wanted * math.log(probability)
        divisor += weight[t]
    return total / divisor


def overlap_sums(logits: np.ndarray, target: np.ndarray, ignore_index: int | None) -> list[tuple[float, float, float]]:
    """(Σ p·y, Σ p, Σ y) of every class of N×C×H×W logits."""
    sums = [(0.0, 0.0, 0.0)] * logits.shape[1]
    for n, i, j in np.ndindex(target.shape):
        if target[n, i, j] == ignore_index:
            continue
        for c, p in enumerate(softmax(logits[n, :, i, j])):
            y = float(target[n, i, j] == c)
            sums[c] = (sums[c][0] + p * y, sums[c][1] + p, sums[c][2] + y)
    return sums


def dice_loss(logits: np.ndarray, target: np.ndarray, smooth: float, ignore_index: int | None) -> float:
    """One minus the mean of (2 Σ p·y + s) / (Σ p + Σ y + s)."""
    sums = overlap_sums(logits, target, ignore_index)
    return 1 - sum((2 * both + smooth) / (p + y + smooth) for both, p, y in sums) / len(sums)


def jaccard_loss(logits: np.ndarray, target: np.ndarray, smooth: float, ignore_index: int | None) -> float:
    """One minus the mean of (Σ p·y + s) / (Σ p + Σ y − Σ p·y + s)."""
    sums = overlap_sums(logits, target, ignore_index)
    return 1 - sum((both + smooth) / (p + y - both + smooth) for both, p, y in sums) / len(sums)


def lovasz_of_class(errors: list, truth: list[bool]) -> object:
    """The Lovász extension of Δ(M) = |M| / |truth ∪ M| as an integral of Δ({i: errors[i] ≥ t}) over thresholds t.

    The set changes only where t passes an error, so the integral is a finite sum. Nothing is sorted by pixel, no
    cumulative sums: that is Choquet's definition, not Berman's algorithm 1. Works for numbers and for tensors.
    """
    thresholds = sorted(errors, key=float, reverse=True)
    total = 0.0
    for k, threshold in enumerate(thresholds):
        below = thresholds[k + 1] if k + 1 < len(thresholds) else 0.0
        wrong = {i for i, error in enumerate(errors) if float(error) >= float(threshold)}
        union = wrong | {i for i, is_class in enumerate(truth) if is_class}
        total = total + (threshold - below) * (len(wrong) / len(union))
    return total

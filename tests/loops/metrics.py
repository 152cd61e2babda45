"""Metrics one pixel and one segment at a time."""

from fractions import Fraction

import numpy as np


def confusion_matrix(prediction: np.ndarray, target: np.ndarray, classes: int, ignore_index: int | None) -> list:
    """Rows are the truth."""
    matrix = [[0] * classes for _ in range(classes)]
    for p, t in zip(prediction.ravel().tolist(), target.ravel().tolist(), strict=True):
        if t != ignore_index:
            matrix[t][p] += 1
    return matrix


def top_k_hits(logits: np.ndarray, target: np.ndarray, k: int, ignore_index: int | None) -> Fraction:
    """Sorts the classes of every pixel of N×C×H×W logits; of equal scores the lower class comes first."""
    hits = []
    for n, i, j in np.ndindex(target.shape):
        if target[n, i, j] != ignore_index:
            scores = logits[n, :, i, j]
            best = sorted(range(len(scores)), key=lambda c: (-scores[c], c))[:k]
            hits.append(target[n, i, j] in best)
    return Fraction(sum(hits), len(hits))


def panoptic_counts(prediction: tuple, target: tuple, classes: int, ignore_index: int | None) -> list[tuple]:
    """(Σ IoU, TP, FP, FN) of every class of one image, with sets of pixels (Kirillov et al., 2019, section 4)."""
    guesses, truths = segments(*prediction, ignore_index), segments(*target, ignore_index)
    void = {place for place, label in np.ndenumerate(target[0]) if label == ignore_index}
    result = []
    for c in range(classes):
        ours = [pixels for (label, _), pixels in guesses.items() if label == c]
        theirs = [pixels for (label, _), pixels in truths.items() if label == c]
        scores = [[Fraction(len(g & t), len((g - void) | t)) for t in theirs] for g in ours]
        matched = [(i, j) for i, row in enumerate(scores) for j, score in enumerate(row) if score > Fraction(1, 2)]
        lonely = [g for i, g in enumerate(ours) if i not in {i for i, _ in matched}]
        false_positives = sum(Fraction(len(g & void), len(g)) <= Fraction(1, 2) for g in lonely)
        total = sum((scores[i][j] for i, j in matched), Fraction(0))
        result.append((total, len(matched), false_positives, len(theirs) - len(matched)))
    return result


def segments(labels: np.ndarray, instances: np.ndarray, ignore_index: int | None) -> dict[tuple, set]:
    """{(class, instance): the places of its pixels} without void."""
    result = {}
    for place, label in np.ndenumerate(labels):
        if label != ignore_index:
            result.setdefault((int(label), int(instances[place])), set()).add(place)
    return result

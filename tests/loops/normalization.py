"""Batch normalisation, one channel and one value at a time."""

import math

import numpy as np


def batch_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float) -> tuple[np.ndarray, list, list]:
    """(output, means, unbiased variances) in training."""
    result, means, variances = np.empty_like(x), [], []
    for c in range(x.shape[1]):
        values = [float(value) for value in x[:, c].ravel()]
        mean = sum(values) / len(values)
        squares = sum((value - mean) ** 2 for value in values)
        for place in np.ndindex(x[:, c].shape):
            centred = x[:, c][place] - mean
            result[:, c][place] = weight[c] * centred / math.sqrt(squares / len(values) + eps) + bias[c]
        means.append(mean)
        variances.append(squares / (len(values) - 1))
    return result, means, variances

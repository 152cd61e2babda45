"""Cross-entropy against class probabilities instead of labels: what `cross_entropy` does with a floating target."""

from __future__ import annotations

import numpy as np

from segedu import arguments
from segedu.numpy_ops.activations import log_softmax


def is_soft(target: object, logits: object) -> bool:
    """Whether a target holds probabilities of the classes: floats, with a class axis."""
    return arguments.is_array(target) and target.dtype in arguments.FLOATS and target.ndim == np.ndim(logits)


def check_soft(
    logits: object, target: np.ndarray, weight: object, ignore_index: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """(logits, weight), if they fit the target."""
    x = arguments.class_scores(logits, "logits")
    arguments.same_shape(target, x.shape, "target", "logits")
    arguments.same_dtype(logits=x, target=target)
    if arguments.integer(ignore_index, "ignore_index") >= 0:
        raise ValueError(f"ignore_index={ignore_index} must be negative: probabilities name no class to ignore")
    return x, arguments.class_weights(weight, x)


def soft_cross_entropy(
    logits: object,
    target: np.ndarray,
    weight: object,
    ignore_index: int,
    reduction: str,
    smoothing: float,
    grad_output: object = None,
) -> tuple[np.ndarray | np.floating, np.ndarray]:
    """(loss, gradient of the logits) of loss(i) = −Σ_c w[c] · t[c] · log p[c]; the mean divides by the pixels.

    `grad_output` None stands for ones. Arguments and errors as for `cross_entropy`; the target has the shape and the
    dtype of the logits.
    """
    x, weight = check_soft(logits, target, weight, ignore_index)
    axis = min(1, x.ndim - 1)
    count = x.size // x.shape[axis]
    per_class = [1] * x.ndim
    per_class[axis] = -1
    w = np.ones(x.shape[axis], x.dtype) if weight is None else weight
    t = ((1 - smoothing) * target + smoothing / x.shape[axis]).astype(x.dtype) * w.reshape(per_class)
    log_p = log_softmax(x, axis)
    losses = -(t * log_p).sum(axis)
    divisor = x.dtype.type(count if reduction == "mean" else 1)
    grad = np.ones(losses.shape if reduction == "none" else (), x.dtype) if grad_output is None else grad_output
    grad = np.asarray(grad)
    arguments.same_shape(grad, losses.shape if reduction == "none" else (), "grad_output", "the loss")
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = losses if reduction == "none" else x.dtype.type(losses.sum(dtype=np.float64) / divisor)
        scale = np.expand_dims(grad, axis) if reduction == "none" else grad / divisor
    gradient = (scale * (t.sum(axis, keepdims=True) * np.exp(log_p) - t)).astype(x.dtype)
    return loss, gradient

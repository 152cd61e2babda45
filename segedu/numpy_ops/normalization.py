"""Batch normalisation: every channel to mean 0 and variance 1, then to a learned mean and scale (lecture 11)."""

from __future__ import annotations

import numpy as np

from segedu import arguments
from segedu.numpy_ops._blocks import for_each_block


def batch_norm(
    x: np.ndarray,
    running_mean: np.ndarray | None,
    running_var: np.ndarray | None,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> np.ndarray:
    """Normalise every channel, then scale and shift it.

    y[n, c, …] = weight[c]·(x[n, c, …] − μ[c]) / √(σ²[c] + eps) + bias[c]

    In training μ and σ² are the mean and the (biased) variance of the channel over the batch and all pixels, and the
    running statistics are updated **in place**: running ← (1 − momentum)·running + momentum·new, where the new
    variance is the unbiased one, m/(m − 1)·σ² of m values. Otherwise μ and σ² are the running statistics.
    (Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate shift",
    2015, algorithms 1 and 2.) An empty batch leaves the running statistics alone.

    Args:
        x: N×C, N×C×H×W or N×C×… with any number of dimensions, float32 or float64.
        running_mean, running_var: C each, dtype of `x`; both or neither. Needed outside training.
        weight, bias: C each, dtype of `x`; None means 1 and 0.
        training: see above.
        momentum: share of the new statistics, 0.1 by default.
        eps: added to the variance; more than 0 in training, at least 0 otherwise.

    Returns:
        Shape and dtype of `x`.

    Raises:
        TypeError: a dtype is wrong, or dtypes differ.
        ValueError: shapes disagree; running statistics are missing; `eps` is out of its range; in training a channel
            has only one value, which has no variance.

    >>> x = np.array([[1.0], [3.0]])
    >>> mean, variance = np.zeros(1), np.ones(1)
    >>> batch_norm(x, mean, variance, training=True, eps=1e-12)
    array([[-1.],
           [ 1.]])
    >>> mean, variance
    (array([0.2]), array([1.1]))
    """
    _check(x, running_mean, running_var, weight, bias, training, eps)
    channels = _by_channel(x)
    result = np.empty(channels.shape, x.dtype)
    if x.size == 0:
        return result.reshape(x.shape)
    if training:
        mean, variance = _normalize(channels, weight, bias, eps, out=result)
        if running_mean is not None:
            count = _count(channels)
            _move(running_mean, mean, momentum)
            _move(running_var, variance * x.dtype.type(count / (count - 1)), momentum)
        return result.reshape(x.shape)

    scale = _scale(running_var, weight, eps)[:, None]
    with np.errstate(invalid="ignore"):
        shift = (0 if bias is None else bias[:, None]) - running_mean[:, None] * scale

    def work(part: slice) -> None:
        np.multiply(channels[:, part], scale[part], out=result[:, part])
        result[:, part] += shift[part]

    for_each_block(work, x.shape[1], x.nbytes // x.shape[1])
    return result.reshape(x.shape)


def _normalize(
    channels: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, eps: float, out: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Normalise channels by their own mean and (biased) variance, and return these."""
    mean, variance = np.empty((2, channels.shape[1]), channels.dtype)

    def work(part: slice) -> None:
        block, centred = channels[:, part], out[:, part]
        mean[part] = _channel_mean(block)
        np.subtract(block, mean[part, None], out=centred)
        variance[part] = _channel_dot(centred, centred) / block.dtype.type(_count(block))
        centred *= _scale(variance[part], None if weight is None else weight[part], eps)[:, None]
        if bias is not None:
            centred += bias[part, None]

    for_each_block(work, channels.shape[1], channels.nbytes // channels.shape[1])
    return mean, variance


def _by_channel(x: np.ndarray) -> np.ndarray:
    """N×C×… as N×C×pixels, contiguous."""
    return np.ascontiguousarray(x).reshape(*x.shape[:2], int(np.prod(x.shape[2:])))


def _count(block: np.ndarray) -> int:
    return block.shape[0] * block.shape[2]


def _scale(variance: np.ndarray, weight: np.ndarray | None, eps: float) -> np.ndarray:
    """weight/√(σ² + eps) of some channels."""
    with np.errstate(divide="ignore", invalid="ignore"):  # a variance of 0 or below gives ∞ or NaN, as in PyTorch
        scale = 1 / np.sqrt(variance + variance.dtype.type(eps))
    return scale if weight is None else scale * weight


def _channel_mean(block: np.ndarray) -> np.ndarray:
    """Mean over the batch and the pixels: pixels first, so that NumPy adds pairwise and errors stay small."""
    return block.sum(2).sum(0) / block.dtype.type(_count(block))


def _channel_dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ over the batch and the pixels of a·b."""
    return np.vecdot(a, b).sum(0)


def _move(running: np.ndarray, new: np.ndarray, momentum: float) -> None:
    dtype = running.dtype.type
    with np.errstate(invalid="ignore", over="ignore"):
        running *= dtype(1 - momentum)
        running += dtype(momentum) * new


def _check(
    x: np.ndarray,
    running_mean: np.ndarray | None,
    running_var: np.ndarray | None,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    training: bool,
    eps: float,
) -> None:
    arguments.floating(x, "x")
    if x.ndim < 2:
        raise ValueError(f"x has shape {x.shape}; it must have at least 2 dimensions, N×C×…")
    vectors = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, vector in vectors.items():
        if vector is not None:
            arguments.floating(vector, name)
            arguments.same_shape(vector, x.shape[1:2], name, "the channels of x")
    arguments.same_dtype(x=x, **vectors)
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must both be given, or both be None")
    if not training and running_mean is None:
        raise ValueError("running_mean=None must be an array where training=False")
    if not (eps > 0 or (eps == 0 and not training)):
        raise ValueError(f"eps={eps!r} must be {'more than' if training else 'at least'} 0")
    if training and x.shape[0] * int(np.prod(x.shape[2:])) == 1:
        raise ValueError(f"x has shape {x.shape}; in training each channel must have more than one value")


def batch_norm_backward(
    grad_output: np.ndarray,
    x: np.ndarray,
    running_mean: np.ndarray | None,
    running_var: np.ndarray | None,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    training: bool = False,
    eps: float = 1e-5,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Gradients of the input, of the weight and of the bias.

    With x̂ = (x − μ)/√(σ² + eps) and sums over the m values of a channel (batch and pixels):

    dbias = Σ g,  dweight = Σ g·x̂
    training:  dx = weight/√(σ² + eps) · (g − dbias/m − x̂·dweight/m), since μ and σ² depend on x
    otherwise: dx = weight/√(σ² + eps) · g

    (Ioffe and Szegedy, 2015, section 3.)

    Args:
        grad_output: g, shape and dtype of `x`.
        the others: as they were given to `batch_norm`. In training the running statistics are not used.

    Returns:
        (dx, dweight, dbias); None for a weight or bias that was not given.

    Raises:
        TypeError, ValueError: as for `batch_norm`; `grad_output` does not have the shape of `x`.

    >>> x, g = np.array([[1.0], [3.0]]), np.array([[1.0], [0.0]])
    >>> batch_norm_backward(g, x, np.zeros(1), np.full(1, 4.0), np.ones(1), eps=0)
    (array([[0.5], [0. ]]), array([0.5]), None)
    """
    _check(x, running_mean, running_var, weight, bias, training, eps)
    arguments.same_shape(arguments.floating(grad_output, "grad_output"), x.shape, "grad_output", "x")
    arguments.same_dtype(x=x, grad_output=grad_output)
    channels, grads = _by_channel(x), _by_channel(grad_output)
    result = np.empty(channels.shape, x.dtype)
    grad_weight, grad_bias = np.zeros(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)

    def work(part: slice) -> None:
        block, grad, out = channels[:, part], grads[:, part], result[:, part]
        count = x.dtype.type(_count(block))
        mean = _channel_mean(block) if training else running_mean[part]
        centred = block - mean[:, None]
        variance = _channel_dot(centred, centred) / count if training else running_var[part]
        normalize = _scale(variance, None, eps)
        scale = normalize if weight is None else normalize * weight[part]
        grad_bias[part] = grad.sum(2).sum(0)
        grad_weight[part] = _channel_dot(grad, centred) * normalize
        if training:
            centred *= (normalize * grad_weight[part] / count)[:, None]
            np.subtract(grad, centred, out=out)
            out -= (grad_bias[part] / count)[:, None]
            out *= scale[:, None]
        else:
            np.multiply(grad, scale[:, None], out=out)

    if x.size:
        for_each_block(work, x.shape[1], x.nbytes // x.shape[1])
    return (
        result.reshape(x.shape),
        None if weight is None else grad_weight,
        None if bias is None else grad_bias,
    )

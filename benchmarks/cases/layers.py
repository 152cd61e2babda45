"""Normalisation, activations, and joining arrays."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.case import FORWARD, Case, Operator, Shape, differentiable, normal
from segedu import numpy_ops as ops


def batch_norm(shape: Shape, rng: np.random.Generator) -> list[Case]:
    """Training: the statistics are those of the batch, and gradients flow through them."""
    x, weight, bias = normal(rng, shape), normal(rng, shape[1:2]), normal(rng, shape[1:2])
    return differentiable(
        rng,
        [x, weight, bias],
        lambda x, weight, bias: ops.batch_norm(x, None, None, weight, bias, training=True),
        lambda x, weight, bias: F.batch_norm(x, None, None, weight, bias, training=True),
        lambda grad: ops.batch_norm_backward(grad, x, None, None, weight, bias, training=True),
        saved=[x, weight],
        length=x.size // shape[1],
    )


def relu(shape: Shape, rng: np.random.Generator) -> list[Case]:
    """max(x, 0)."""
    x = normal(rng, shape)
    return differentiable(rng, [x], ops.relu, F.relu, lambda grad: ops.relu_backward(grad, x), saved=[x])


def softmax(shape: Shape, rng: np.random.Generator) -> list[Case]:
    """Over the classes of every pixel."""
    x = normal(rng, shape)
    output = ops.softmax(x, 1)
    return differentiable(
        rng,
        [x],
        lambda x: ops.softmax(x, 1),
        lambda x: F.softmax(x, 1),
        lambda grad: ops.softmax_backward(grad, output, 1),
        saved=[output],
        length=shape[1],
    )


def log_softmax(shape: Shape, rng: np.random.Generator) -> list[Case]:
    """Its logarithm, over the classes of every pixel."""
    x = normal(rng, shape)
    output = ops.log_softmax(x, 1)
    return differentiable(
        rng,
        [x],
        lambda x: ops.log_softmax(x, 1),
        lambda x: F.log_softmax(x, 1),
        lambda grad: ops.log_softmax_backward(grad, output, 1),
        saved=[output],
        length=shape[1],
    )


def concatenate(shape: Shape, rng: np.random.Generator) -> list[Case]:
    """Two arrays along the channels, as in U-Net. PyTorch's gradient is a view: nothing to time."""
    pair = [normal(rng, shape), normal(rng, shape)]
    tensors = [torch.from_numpy(array) for array in pair]
    return [Case(FORWARD, lambda: ops.concatenate(pair, 1), lambda: torch.cat(tensors, 1), tuple(pair))]


OPERATORS = [
    Operator("batch norm, training", batch_norm, table=False),
    Operator("ReLU", relu, table=False),
    Operator("softmax over channels", softmax, shapes=((4, 21, 512, 512),), table=False),
    Operator("log-softmax over channels", log_softmax, shapes=((4, 21, 512, 512),), table=False),
    Operator("concatenate channels", concatenate, table=False),
]

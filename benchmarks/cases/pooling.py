"""Pooling and its reverse."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch.nn.functional as F

from benchmarks.case import Case, Operator, Shape, differentiable, normal
from segedu import numpy_ops as ops

ODD: Shape = (2, 64, 127, 129)


def max_pool(shape: Shape, rng: np.random.Generator, **arguments) -> list[Case]:
    """Values and indices forward; each gradient to the element that won backward."""
    x = normal(rng, shape)
    _, indices = ops.max_pool2d(x, return_indices=True, **arguments)
    return differentiable(
        rng,
        [x],
        lambda x: ops.max_pool2d(x, return_indices=True, **arguments),
        lambda x: F.max_pool2d(x, return_indices=True, **arguments),
        lambda grad: ops.max_pool2d_backward(grad, indices, shape),
        saved=[indices],
    )


def max_pool_values(shape: Shape, rng: np.random.Generator, **arguments) -> list[Case]:
    """The values alone, as for inference. PyTorch computes the indices in any case."""
    cases = differentiable(
        rng,
        [normal(rng, shape)],
        lambda x: ops.max_pool2d(x, **arguments),
        lambda x: F.max_pool2d(x, **arguments),
        lambda grad: grad,
    )
    return cases[:1]


def avg_pool(shape: Shape, rng: np.random.Generator, **arguments) -> list[Case]:
    """Means of windows, and their gradient."""
    return differentiable(
        rng,
        [normal(rng, shape)],
        lambda x: ops.avg_pool2d(x, **arguments),
        lambda x: F.avg_pool2d(x, **arguments),
        lambda grad: ops.avg_pool2d_backward(grad, shape, **arguments),
        length=9,
    )


def adaptive_pool(shape: Shape, rng: np.random.Generator, output_size: int) -> list[Case]:
    """Means of windows chosen by the output's size, and their gradient."""
    return differentiable(
        rng,
        [normal(rng, shape)],
        lambda x: ops.adaptive_avg_pool2d(x, output_size),
        lambda x: F.adaptive_avg_pool2d(x, output_size),
        lambda grad: ops.adaptive_avg_pool2d_backward(grad, shape),
        length=shape[-1] * shape[-2],
    )


OPERATORS = [
    Operator("max pool 2×2 with indices", partial(max_pool, kernel_size=2)),
    Operator("max pool 3×3 s2 p1 with indices", partial(max_pool, kernel_size=3, stride=2, padding=1)),
    Operator("average pool 2×2", partial(avg_pool, kernel_size=2)),
    Operator("max pool 2×2, values alone", partial(max_pool_values, kernel_size=2), table=False),
    Operator(
        "max pool 3×3 s2 p1, odd sizes",
        partial(max_pool, kernel_size=3, stride=2, padding=1, ceil_mode=True),
        shapes=(ODD,),
        quick=(2, 4, 15, 17),
        table=False,
        growth=None,
    ),
    Operator(
        "average pool 3×3 s2 p1, odd sizes",
        partial(avg_pool, kernel_size=3, stride=2, padding=1),
        shapes=(ODD,),
        quick=(2, 4, 15, 17),
        table=False,
        growth=None,
    ),
    Operator("adaptive average pool to 7×7", partial(adaptive_pool, output_size=7), table=False),
]

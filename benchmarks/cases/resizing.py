"""Unpooling and interpolation: small images become large ones."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.case import Case, Operator, Shape, differentiable, normal
from segedu import numpy_ops as ops


def max_unpool(shape: Shape, rng: np.random.Generator) -> list[Case]:
    """The reverse of 2×2 max pooling of `shape`, with the indices of a real pooling."""
    pooled, indices = F.max_pool2d(torch.from_numpy(normal(rng, shape)), 2, return_indices=True)
    places = indices.numpy()
    forward, gradient = differentiable(
        rng,
        [pooled.numpy()],
        lambda x: ops.max_unpool2d(x, places, 2),
        lambda x: F.max_unpool2d(x, indices, 2),
        lambda grad: ops.max_unpool2d_backward(grad, places),
    )
    # both read the indices; the gradient reads of grad_output only where they point
    return [
        Case(forward.direction, forward.ours, forward.pytorch, (*forward.reads, places)),
        Case(gradient.direction, gradient.ours, gradient.pytorch, (pooled.numpy(), places)),
    ]


def interpolate(shape: Shape, rng: np.random.Generator, **arguments) -> list[Case]:
    """Twice the height and the width, or the size in `arguments`, and the gradient."""
    arguments = arguments if "size" in arguments else arguments | {"scale_factor": 2}
    return differentiable(
        rng,
        [normal(rng, shape)],
        lambda x: ops.interpolate(x, **arguments),
        lambda x: F.interpolate(x, **arguments),
        lambda grad: ops.interpolate_backward(grad, shape, **arguments),
        length=16,
    )


def pixel_shuffle(shape: Shape, rng: np.random.Generator) -> list[Case]:
    """Four channels become one of twice the height and width."""
    return differentiable(
        rng,
        [normal(rng, shape)],
        lambda x: ops.pixel_shuffle(x, 2),
        lambda x: F.pixel_shuffle(x, 2),
        lambda grad: ops.pixel_shuffle_backward(grad, 2),
    )


OPERATORS = [
    Operator("max unpool 2×2", max_unpool),
    Operator("nearest ×2", partial(interpolate, mode="nearest")),
    Operator("bilinear ×2", partial(interpolate, mode="bilinear", align_corners=False)),
    Operator("bilinear ×2 align_corners", partial(interpolate, mode="bilinear", align_corners=True)),
    Operator("pixel shuffle ×2", pixel_shuffle, table=False),
    Operator(
        "bilinear to 360×480",
        partial(interpolate, mode="bilinear", align_corners=False, size=(360, 480)),
        shapes=((2, 21, 45, 60),),
        quick=(1, 2, 45, 60),
        table=False,
        growth=None,
    ),
]

"""The first values of a network's parameters: the same on every engine for the same seed."""

from __future__ import annotations

import numpy as np

from segedu import arguments
from segedu.models.blocks import Block
from segedu.nn.parameter import uniform

LAYERS = ("Conv2d", "ConvTranspose2d", "Linear")


GAINS = {"pytorch": 1.0, "he": 6**0.5}
"""By what PyTorch's first weights, of variance 1/3n, are multiplied; He's have the variance 2/n."""


def initialise(model: Block, rng: np.random.Generator, first_weights: str = "pytorch") -> Block:
    """Give every parameter its first value, in the order of the modules.

    Convolutions begin uniform in ±1/√n, as PyTorch's do by default (see `segedu.nn.parameter.uniform`); with
    `first_weights="he"` √6 times as large, so that maps keep their size through many layers with ReLU and without
    normalisation (He et al., "Delving deep into rectifiers", 2015). Batch normalisation begins as the identity. A block
    with a method `initialise` may then change its own. Dropout draws from a generator spawned by `rng`.
    """
    arguments.one_of(first_weights, tuple(GAINS), "first_weights")
    dropping = rng.spawn(1)[0]
    for module in model.modules():
        arrays = first_values(module, rng)
        if type(module).__name__ in LAYERS:
            arrays["weight"] *= np.float32(GAINS[first_weights])
        model.nn.assign(module, arrays)
        if type(module).__name__ == "Dropout":
            model.nn.generator(module, dropping)
    for module in model.modules():
        if hasattr(module, "initialise"):
            module.initialise()
    return model


def first_values(module: object, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The arrays of one layer by their names; empty for a module that has none of its own."""
    kind = type(module).__name__
    if kind in LAYERS:
        outputs = 0 if module.bias is None else module.bias.shape[0]
        weight, bias = uniform(tuple(module.weight.shape), outputs, rng)
        return {"weight": weight} if module.bias is None else {"weight": weight, "bias": bias}
    if kind == "BatchNorm2d":
        zeros, ones = (np.full(tuple(module.weight.shape), value, np.float32) for value in (0, 1))
        statistics = {"running_mean": zeros, "running_var": ones, "num_batches_tracked": np.array(0)}
        return {"weight": ones, "bias": zeros, **statistics}
    return {}


def bilinear_kernel(channels: int, size: int) -> np.ndarray:
    """A transposed convolution that begins as bilinear interpolation, each channel for itself: K×K×size×size, float32.

    (Long, Shelhamer and Darrell, "Fully convolutional networks for semantic segmentation", 2015, section 3.3.)

    >>> bilinear_kernel(1, 4)[0, 0, 0] / bilinear_kernel(1, 4)[0, 0, 0, 0]
    array([1., 3., 3., 1.], dtype=float32)
    """
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    line = 1 - abs(np.arange(size) - centre) / factor
    return (np.eye(channels)[:, :, None, None] * np.outer(line, line)).astype(np.float32)

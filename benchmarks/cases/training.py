"""A whole step of training: forward, loss, backward, optimiser."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.case import STEP, Case, Operator, Shape, normal
from segedu import models

WIDTH, CLASSES = 1 / 4, 12  # U-Net with 16 channels first; CamVid's classes and one more
HE = 6**0.5  # from PyTorch's first weights to those of He et al., 2015


def step_case(
    engine: str, shape: Shape = (2, 3, 128, 128), seed: int = 0, device: str | None = None
) -> Callable[[], object]:
    """A function that takes one step of U-Net and returns the loss, as a tensor of its engine.

    The same images, labels and first weights on every engine; SGD with momentum. Nothing waits for a GPU: who measures
    one does. `device`: where PyTorch computes.
    """
    rng = np.random.default_rng([seed, *shape])
    model = models.create("unet", CLASSES, in_channels=shape[1], width=WIDTH, engine=engine, seed=seed)
    nn, model.dropout.p = model.nn, 0.0
    for parameter in model.parameters():  # maps keep their size through all layers, so that every gradient counts
        parameter.data *= HE
    inputs = nn.tensor(normal(rng, shape)), nn.tensor(rng.integers(0, CLASSES, (shape[0], *shape[2:])))
    if device is not None:
        model, inputs = model.to(device), tuple(array.to(device) for array in inputs)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion, (images, labels) = nn.CrossEntropyLoss(), inputs

    def step() -> object:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def unet_step(shape: Shape, rng: np.random.Generator) -> list[Case]:
    """Two steps are taken before the compared one, so that its loss depends on all gradients and momenta."""
    seed = int(rng.integers(2**31))
    ours, pytorch = (step_case(engine, shape, seed) for engine in ("numpy", "torch"))
    for _ in range(2):
        ours(), pytorch()
    images = normal(np.random.default_rng([seed, *shape]), shape)
    return [Case(STEP, lambda: ours().data, pytorch, (images,), length=64)]


OPERATORS = [
    Operator("U-Net step", unet_step, shapes=((2, 3, 128, 128),), quick=(2, 3, 16, 16), table=False, growth=None)
]

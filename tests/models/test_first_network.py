"""The smallest fully convolutional network trains on a drawn scene, step by step as PyTorch's does."""

import numpy as np
import pytest
import torch

from segedu import engines, nn
from segedu.models.blocks import Block
from segedu.models.initial import initialise
from tests.models.conftest import scene


class TinyFCN(Block):
    """Two convolutions, a pooling, a score for each class, enlarged again."""

    def __init__(self, nn, num_classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.score = nn.Conv2d(8, num_classes, 1)
        self.relu = nn.ReLU()

    def forward(self, x):
        maps = self.pool(self.relu(self.conv1(x)))
        scores = self.score(self.relu(self.conv2(maps)))
        return self.nn.interpolate(scores, size=tuple(x.shape[-2:]), mode="bilinear")


def test_sixty_steps_follow_the_same_losses_and_learn_the_scene(engine):
    images, labels = scene((32, 40))
    rngs = np.random.default_rng(1), np.random.default_rng(1)
    ours, theirs = (
        initialise(TinyFCN(engines.get(name), 4), rng).double()
        for name, rng in zip((engine, "torch"), rngs, strict=True)
    )
    curves = []
    for model in (ours, theirs):  # one loop for every engine
        optimizer, losses = model.nn.optim.SGD(model.parameters(), lr=0.2, momentum=0.9), []
        schedule = model.nn.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=80)
        for _ in range(60):
            optimizer.zero_grad()
            tensors = model.nn.tensor(images), model.nn.tensor(labels)
            loss = model.nn.CrossEntropyLoss(ignore_index=255)(model(tensors[0]), tensors[1])
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        curves.append(losses)
    assert curves[0] == pytest.approx(curves[1], rel=1e-9)
    assert curves[0][-1] < 0.7 * curves[0][0]


def test_a_block_is_a_module_of_its_engine_and_of_itself():
    ours, theirs = (TinyFCN(engines.get(name), 2) for name in ("numpy", "torch"))
    assert isinstance(ours, TinyFCN)
    assert isinstance(ours, nn.Module)
    assert isinstance(theirs, torch.nn.Module)
    assert type(ours) is type(TinyFCN(engines.get("numpy"), 3))


def test_a_block_can_be_copied_and_pickled():
    import copy
    import pickle

    for name in ("numpy", "torch"):
        model = TinyFCN(engines.get(name), 2)
        x = model.nn.tensor(np.ones((1, 3, 8, 8), np.float32))
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert other.conv1.weight is not model.conv1.weight
            assert np.array_equal(model.nn.array(other(x)), model.nn.array(model(x)))


def test_an_unknown_engine_lists_the_engines():
    with pytest.raises(ValueError, match="engine='jax' must be one of numpy, cuda, torch"):
        engines.get("jax")

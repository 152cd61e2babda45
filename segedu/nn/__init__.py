"""Layers with the names of torch.nn, over a tape and a set of operators (lecture 11).

>>> import numpy as np
>>> from segedu import nn
>>> rng = np.random.default_rng(0)
>>> model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, generator=rng), nn.ReLU(), nn.Conv2d(8, 2, 1, generator=rng))
>>> logits = model(nn.Tensor(np.ones((1, 3, 4, 4), np.float32)))
>>> loss = nn.CrossEntropyLoss()(logits, np.zeros((1, 4, 4), int))
>>> loss.backward()
>>> [(name, parameter.grad.shape) for name, parameter in model.named_parameters()][:2]
[('0.weight', (8, 3, 3, 3)), ('0.bias', (8,))]
"""

from segedu.autograd import Tensor, no_grad
from segedu.nn import functional, utils
from segedu.nn.functional import cat, interpolate, pad, relu
from segedu.nn.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    CrossEntropyLoss,
    Dropout,
    Identity,
    Linear,
    MaxPool2d,
    MaxUnpool2d,
    ReLU,
    Upsample,
)
from segedu.nn.module import Module, ModuleList, Sequential
from segedu.nn.parameter import Parameter, shapes_only

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "Dropout",
    "Identity",
    "Linear",
    "MaxPool2d",
    "MaxUnpool2d",
    "Module",
    "ModuleList",
    "Parameter",
    "ReLU",
    "Sequential",
    "Tensor",
    "Upsample",
    "cat",
    "functional",
    "interpolate",
    "no_grad",
    "pad",
    "relu",
    "shapes_only",
    "utils",
]

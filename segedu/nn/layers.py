"""torch.nn's layers by their names: parameters and options, kept for a call of `segedu.nn.functional` (lecture 11).

Arguments and shapes are those of the function of the same name; the `generator` draws the first values of parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segedu import arguments
from segedu.arguments import IntOrPair
from segedu.autograd import Tensor
from segedu.nn import functional as F
from segedu.nn.module import Module
from segedu.nn.parameter import Parameter, constant, weight_and_bias


class Conv2d(Module):
    """Convolution; `weight` out_channels × in_channels/groups × kH × kW, `bias` out_channels or None.

    >>> layer = Conv2d(3, 8, kernel_size=3, padding=1, generator=np.random.default_rng(0))
    >>> layer(Tensor(np.zeros((1, 3, 5, 7), np.float32))).shape
    (1, 8, 5, 7)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: IntOrPair | str = 0,
        dilation: IntOrPair = 1,
        groups: int = 1,
        bias: bool = True,
        generator: np.random.Generator | None = None,
    ) -> None:
        _check_groups(in_channels, out_channels, groups)
        kernel = arguments.pair(kernel_size, "kernel_size", minimum=1)
        shape = (out_channels, in_channels // groups, *kernel)
        self.weight, self.bias = weight_and_bias(shape, out_channels, bias, generator)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        k, c, *kernel = self.weight.shape
        return f"{c * self.groups}, {k}, kernel_size={tuple(kernel)}, stride={self.stride}"


class ConvTranspose2d(Module):
    """Transposed convolution; `weight` in_channels × out_channels/groups × kH × kW, `bias` out_channels or None.

    >>> layer = ConvTranspose2d(8, 4, kernel_size=2, stride=2, generator=np.random.default_rng(0))
    >>> layer(Tensor(np.zeros((1, 8, 5, 7), np.float32))).shape
    (1, 4, 10, 14)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: IntOrPair = 0,
        output_padding: IntOrPair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: IntOrPair = 1,
        generator: np.random.Generator | None = None,
    ) -> None:
        _check_groups(in_channels, out_channels, groups)
        kernel = arguments.pair(kernel_size, "kernel_size", minimum=1)
        shape = (in_channels, out_channels // groups, *kernel)
        self.weight, self.bias = weight_and_bias(shape, out_channels, bias, generator)
        self.options = (stride, padding, output_padding, groups, dilation)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.weight, self.bias, *self.options)

    def extra_repr(self) -> str:
        c, k, *kernel = self.weight.shape
        return f"{c}, {k * self.options[3]}, kernel_size={tuple(kernel)}, stride={self.options[0]}"


class Linear(Module):
    """Every output is a weighted sum of all inputs; `weight` out_features × in_features, `bias` out_features or None.

    >>> Linear(4, 2, generator=np.random.default_rng(0))(Tensor(np.zeros((3, 4), np.float32))).shape
    (3, 2)
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, generator: np.random.Generator | None = None
    ) -> None:
        self.weight, self.bias = weight_and_bias((out_features, in_features), out_features, bias, generator)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}"


class BatchNorm2d(Module):
    """Batch normalisation; `weight` and `bias` of num_features, and the running statistics as buffers."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True) -> None:
        self.weight = Parameter(constant(1, num_features)) if affine else None
        self.bias = Parameter(constant(0, num_features)) if affine else None
        self.register_buffer("running_mean", constant(0, num_features))
        self.register_buffer("running_var", constant(1, num_features))
        self.register_buffer("num_batches_tracked", np.array(0))
        self.eps, self.momentum = eps, momentum

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.num_batches_tracked += 1
        running, affine = (self.running_mean, self.running_var), (self.weight, self.bias)
        return F.batch_norm(x, *running, *affine, self.training, self.momentum, self.eps)

    def extra_repr(self) -> str:
        return f"{len(self.running_mean)}"


class MaxPool2d(Module):
    """Max pooling; with `return_indices` a pair (values, indices)."""

    def __init__(
        self,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        padding: IntOrPair = 0,
        dilation: IntOrPair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.options = (kernel_size, stride, padding, dilation, ceil_mode, return_indices)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, np.ndarray]:
        return F.max_pool2d(x, *self.options)

    def extra_repr(self) -> str:
        return f"kernel_size={self.options[0]}, stride={self.options[1] or self.options[0]}"


class MaxUnpool2d(Module):
    """Unpooling: `layer(values, indices, output_size)`."""

    def __init__(self, kernel_size: IntOrPair, stride: IntOrPair | None = None, padding: IntOrPair = 0) -> None:
        self.options = (kernel_size, stride, padding)

    def forward(self, x: Tensor, indices: np.ndarray, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool2d(x, indices, *self.options, output_size)


class AvgPool2d(Module):
    """Average pooling."""

    def __init__(
        self,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        padding: IntOrPair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, *self.options)


class AdaptiveAvgPool2d(Module):
    """Average pooling to a given size."""

    def __init__(self, output_size: int | tuple[int | None, int | None]) -> None:
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        return f"{self.output_size}"


class Upsample(Module):
    """Interpolation to a size or by a factor."""

    def __init__(
        self,
        size: IntOrPair | None = None,
        scale_factor: float | tuple[float, float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        self.options = (size, scale_factor, mode, align_corners)

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, *self.options)


class ReLU(Module):
    """max(0, x)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


class Dropout(Module):
    """In training each element is 0 with probability p; `generator` draws, a new, unseeded one when None."""

    def __init__(self, p: float = 0.5, generator: np.random.Generator | None = None) -> None:
        self.p, self.generator = arguments.probability(p, "p"), generator or np.random.default_rng()

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training, self.generator) if self.training else x

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Identity(Module):
    """What comes in goes out."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class CrossEntropyLoss(Module):
    """Cross-entropy of logits N×C×H×W and int64 labels N×H×W; `weight` is an array of C numbers."""

    def __init__(
        self,
        weight: np.ndarray | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        self.options = (weight, ignore_index, reduction, label_smoothing)

    def forward(self, logits: Tensor, target: np.ndarray) -> Tensor:
        return F.cross_entropy(logits, target, *self.options)


def _check_groups(in_channels: int, out_channels: int, groups: int) -> None:
    arguments.integer(in_channels, "in_channels", minimum=1)
    arguments.integer(out_channels, "out_channels", minimum=1)
    arguments.integer(groups, "groups", minimum=1)
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"{name}={channels} must be divisible by groups={groups}")

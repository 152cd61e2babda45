"""What a network is written with: `Block`, a module on any engine, and `Network`, which takes images of any size."""

from __future__ import annotations

import numpy as np


class Block:
    """A part of a network, written once for every engine.

    A subclass is written as a module of torch.nn, but for one thing: its first argument is the engine, and layers come
    from there. Calling the class with an engine makes a class that is a Module of that engine, too.

    >>> import numpy as np
    >>> from segedu import engines
    >>> class Up(Block):
    ...     def __init__(self, nn, channels):
    ...         super().__init__()
    ...         self.conv = nn.Conv2d(channels, channels // 2, kernel_size=1)
    ...     def forward(self, x):
    ...         return self.nn.interpolate(self.conv(x), scale_factor=2)
    >>> nn = engines.get("numpy")
    >>> Up(nn, 4)(nn.tensor(np.zeros((1, 4, 3, 5), np.float32))).shape
    (1, 2, 6, 10)
    """

    nn = None
    _classes: dict[tuple[type, object], type] = {}  # noqa: RUF012 (one table for all blocks is meant)

    def __new__(cls, nn: object = None, *arguments: object, **options: object) -> Block:
        return super().__new__(cls if cls.nn is not None else _with_engine(cls, nn))

    def __init__(self) -> None:
        super().__init__()

    def __reduce__(self) -> tuple:
        kind = next(base for base in type(self).__mro__ if issubclass(base, Block) and base.nn is None)
        return _empty, (kind, self.nn), self.__dict__


def _with_engine(cls: type[Block], nn: object) -> type[Block]:
    """The subclass that is a module of the engine; the same one every time."""
    key = cls, nn
    if key not in Block._classes:
        Block._classes[key] = type(cls.__name__, (cls, nn.Module), {"nn": nn, "__module__": cls.__module__})
    return Block._classes[key]


def _empty(cls: type[Block], nn: object) -> Block:
    """For copies and pickles: a block without its attributes."""
    return object.__new__(_with_engine(cls, nn))


class Network(Block):
    """A network for images of any size: `forward` returns logits N×num_classes×H×W for images N×in_channels×H×W.

    A subclass computes them in `logits`, for images whose height and width are multiples of `multiple` and at least
    `smallest`. Other images are filled up with zeros below and to the right, and the logits are cut back.

    Attributes:
        margin: by how many pixels the logits are lower and narrower than the image; 0 but for U-Net without padding.
    """

    multiple = 1
    smallest = 1
    margin = 0

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.num_classes, self.in_channels = num_classes, in_channels

    def logits(self, x: object) -> object:
        raise NotImplementedError(f"{type(self).__name__} computes no logits")

    def forward(self, x: object) -> object:
        if len(x.shape) != 4 or x.shape[1] != self.in_channels:
            name, wanted = type(self).__name__, f"N×{self.in_channels}×H×W"
            raise ValueError(f"x has shape {tuple(x.shape)}; this {name} was created for images {wanted}")
        height, width = x.shape[-2:]
        if min(height, width) <= self.margin:
            raise ValueError(f"x is {height}×{width}; both must be above {self.margin}, which the edges cost")
        y = self.logits(crop_or_pad(self.nn, x, self.fitting(height), self.fitting(width)))
        return crop_or_pad(self.nn, y, height - self.margin, width - self.margin)

    def fitting(self, pixels: int) -> int:
        """The smallest height or width from `pixels` on that `logits` takes."""
        return max(self.smallest, -(-pixels // self.multiple) * self.multiple)


def mirrored(model: Network, images: np.ndarray) -> np.ndarray:
    """Images that are mirrored at their edges where a network's logits would not cover them, up to a size that fits.

    (Ronneberger, Fischer and Brox, 2015, figure 2.) The logits begin at the first pixel of `images`; cut off what they
    have more.
    """
    before = model.margin // 2
    edges = [(before, model.fitting(n + model.margin) - n - before) for n in images.shape[-2:]] if before else []
    return np.pad(images, [(0, 0)] * (images.ndim - len(edges)) + edges, mode="reflect")


def crop_or_pad(nn: object, x: object, height: int, width: int) -> object:
    """Images of another size: rows below and columns to the right are cut off, or added as zeros."""
    below, right = height - x.shape[-2], width - x.shape[-1]
    return nn.pad(x, (0, right, 0, below)) if below or right else x


def resize(nn: object, x: object, like: object) -> object:
    """Bilinear interpolation to the height and width of `like`."""
    size = tuple(like.shape[-2:])
    return x if tuple(x.shape[-2:]) == size else nn.interpolate(x, size=size, mode="bilinear", align_corners=False)


def conv_bn_relu(
    nn: object, inputs: int, outputs: int, kernel_size: int = 3, stride: int = 1, dilation: int = 1, relu: bool = True
) -> object:
    """Convolution without bias, batch normalisation, ReLU; at stride 1 height and width stay."""
    padding = dilation * (kernel_size // 2)
    conv = nn.Conv2d(inputs, outputs, kernel_size, stride, padding, dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), *([nn.ReLU()] if relu else []))


def scaled(channels: int, width: float) -> int:
    """A number of channels times the width of the network: rounded, at least 1.

    >>> [scaled(64, width) for width in (1.0, 0.5, 0.001)]
    [64, 32, 1]
    """
    return max(1, int(channels * width + 0.5))

"""RefineNet: coarse maps refined by finer ones, step by step, along short ways for the gradient (lecture 14).

(Lin, Milan, Shen and Reid, "RefineNet: multi-path refinement networks for high-resolution semantic segmentation", 2017,
figures 2 (c) and 3.)
"""

from __future__ import annotations

import itertools

from segedu.models.blocks import Block, Network, resize, scaled
from segedu.models.resnet_v2 import ResNetV2


class ResidualConvUnit(Block):
    """ReLU-3×3-ReLU-3×3 and a way round: a residual block without batch normalisation."""

    def __init__(self, nn: object, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: object) -> object:
        relu = self.nn.relu
        return x + self.conv2(relu(self.conv1(relu(x))))


class Fusion(Block):
    """Multi-resolution fusion: each map to the fewest channels by a 3×3, then to the largest size, then their sum."""

    def __init__(self, nn: object, channels: list[int]) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(c, min(channels), 3, padding=1) for c in channels])

    def forward(self, maps: list) -> object:
        """The first of the maps is the largest."""
        total, *others = (conv(x) for conv, x in zip(self.convs, maps, strict=True))
        for other in others:
            total = total + resize(self.nn, other, total)
        return total


class ChainedResidualPooling(Block):
    """ReLU, then twice: 5×5 max pooling of stride 1 and a 3×3 of what came before, each added to the sum."""

    def __init__(self, nn: object, channels: int, links: int = 2) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.convs = nn.ModuleList([nn.Conv2d(channels, channels, 3, padding=1) for _ in range(links)])

    def forward(self, x: object) -> object:
        total = link = self.nn.relu(x)
        for conv in self.convs:
            link = conv(self.pool(link))
            total = total + link
        return total


class Refine(Block):
    """A RefineNet block: two residual units on each map, fusion, chained residual pooling, one residual unit."""

    def __init__(self, nn: object, channels: list[int]) -> None:
        super().__init__()
        units = [nn.Sequential(ResidualConvUnit(nn, c), ResidualConvUnit(nn, c)) for c in channels]
        self.adapt = nn.ModuleList(units)
        self.fuse = Fusion(nn, channels) if len(channels) > 1 else nn.Identity()
        self.pool = ChainedResidualPooling(nn, min(channels))
        self.out = ResidualConvUnit(nn, min(channels))

    def forward(self, maps: list) -> object:
        maps = [unit(x) for unit, x in zip(self.adapt, maps, strict=True)]
        return self.out(self.pool(self.fuse(maps) if len(maps) > 1 else maps[0]))


class RefineNet(Network):
    """Four RefineNet blocks over a pre-activation ResNet: 512 channels at 1/32, 256 at 1/16, 1/8 and 1/4.

    Two more residual units, then the scores, interpolated to the size of the image: any size.
    """

    def __init__(
        self, nn: object, num_classes: int, in_channels: int = 3, width: float = 1.0, depth: int = 101
    ) -> None:
        super().__init__(num_classes, in_channels)
        self.backbone = ResNetV2(nn, in_channels, width, depth)
        channels = [scaled(c, width) for c in (256, 256, 256, 512)]
        self.reduce = nn.ModuleList(
            [nn.Conv2d(a, b, 1, bias=False) for a, b in zip(self.backbone.channels, channels, strict=True)]
        )
        paths = [list(pair) for pair in itertools.pairwise(channels)] + [channels[-1:]]
        self.refine = nn.ModuleList([Refine(nn, path) for path in paths])
        units = [ResidualConvUnit(nn, channels[0]) for _ in range(2)]
        self.head = nn.Sequential(*units, nn.Conv2d(channels[0], num_classes, 3, padding=1))

    def logits(self, x: object) -> object:
        maps = [conv(level) for conv, level in zip(self.reduce, self.backbone(x), strict=True)]
        y = self.refine[3]([maps[3]])
        for number in (2, 1, 0):
            y = self.refine[number]([maps[number], y])
        return resize(self.nn, self.head(y), x)

"""HRNet: the finest map is never given up; coarser ones run beside it and are exchanged (lecture 14).

(Sun et al., "High-resolution representations for labeling pixels and regions", 2019, figures 1 and 2: HRNetV2; Wang et
al., "Deep high-resolution representation learning for visual recognition", 2021.)
"""

from __future__ import annotations

from segedu.models.blocks import Block, Network, conv_bn_relu, resize, scaled
from segedu.models.resnet import BasicBlock, Bottleneck

MODULES = (1, 4, 3)
"""Modules in stages 2, 3 and 4, which have two, three and four resolutions."""


class Fuse(Block):
    """Every resolution becomes the sum of all: finer maps by 3×3 convolutions of stride 2, coarser ones enlarged."""

    def __init__(self, nn: object, channels: list[int]) -> None:
        super().__init__()
        rows = [[self._way(a, b, b - a, channels) for a in range(len(channels))] for b in range(len(channels))]
        self.ways = nn.ModuleList([nn.ModuleList(row) for row in rows])

    def _way(self, a: int, b: int, steps: int, channels: list[int]) -> object:
        """From resolution a to resolution b, `steps` times half the size."""
        if steps <= 0:
            same = steps == 0
            return self.nn.Identity() if same else conv_bn_relu(self.nn, channels[a], channels[b], 1, relu=False)
        halves = [conv_bn_relu(self.nn, channels[a], channels[a], stride=2) for _ in range(steps - 1)]
        return self.nn.Sequential(*halves, conv_bn_relu(self.nn, channels[a], channels[b], stride=2, relu=False))

    def forward(self, maps: list) -> list:
        return [self.nn.relu(self._sum(ways, maps, like)) for ways, like in zip(self.ways, maps, strict=True)]

    def _sum(self, ways: object, maps: list, like: object) -> object:
        first, *others = (resize(self.nn, way(x), like) for way, x in zip(ways, maps, strict=True))
        for other in others:
            first = first + other
        return first


class Exchange(Block):
    """A module of HRNet: four basic blocks at each resolution, then the exchange."""

    def __init__(self, nn: object, channels: list[int]) -> None:
        super().__init__()
        branches = [nn.Sequential(*[BasicBlock(nn, c, c) for _ in range(4)]) for c in channels]
        self.branches = nn.ModuleList(branches)
        self.fuse = Fuse(nn, channels)

    def forward(self, maps: list) -> list:
        return self.fuse([branch(x) for branch, x in zip(self.branches, maps, strict=True)])


class HRNet(Network):
    """A stem of two 3×3 convolutions of stride 2, four stages at 1/4 … 1/32, all maps joined at 1/4 (HRNetV2).

    Any size: coarser maps are interpolated to the size of finer ones, and the scores to the image's.

    Args:
        channels: of the finest of the four maps: 18, 32 or 48 in HRNetV2-W18, W32, W48; each coarser one has twice as
            many.
    """

    def __init__(
        self, nn: object, num_classes: int, in_channels: int = 3, width: float = 1.0, channels: int = 18
    ) -> None:
        super().__init__(num_classes, in_channels)
        stem, bottleneck = scaled(64, width), Bottleneck.expansion * scaled(64, width)
        self.stem = nn.Sequential(conv_bn_relu(nn, in_channels, stem, stride=2), conv_bn_relu(nn, stem, stem, stride=2))
        first = [Bottleneck(nn, stem if number == 0 else bottleneck, scaled(64, width)) for number in range(4)]
        self.stage1 = nn.Sequential(*first)
        widths = [scaled(channels * 2**number, width) for number in range(4)]
        self.enter = conv_bn_relu(nn, bottleneck, widths[0])
        sources = [bottleneck, *widths[1:3]]
        self.coarser = nn.ModuleList(
            [conv_bn_relu(nn, a, b, stride=2) for a, b in zip(sources, widths[1:], strict=True)]
        )
        stages = [[Exchange(nn, widths[: n + 2]) for _ in range(modules)] for n, modules in enumerate(MODULES)]
        self.stages = nn.ModuleList([nn.ModuleList(stage) for stage in stages])
        total = sum(widths)
        self.head = nn.Sequential(
            nn.Conv2d(total, total, 1), nn.BatchNorm2d(total), nn.ReLU(), nn.Conv2d(total, num_classes, 1)
        )

    def logits(self, x: object) -> object:
        y = self.stage1(self.stem(x))
        maps = [self.enter(y)]
        for coarser, stage in zip(self.coarser, self.stages, strict=True):
            maps.append(coarser(maps[-1] if len(maps) > 1 else y))
            for module in stage:
                maps = module(maps)
        joined = self.nn.cat([resize(self.nn, level, maps[0]) for level in maps], dim=1)
        return resize(self.nn, self.head(joined), x)

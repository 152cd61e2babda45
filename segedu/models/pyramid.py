"""The pyramid network of the course's first document: a ResNet-v2 to 1/4, and coarser maps beside it (lecture 14).

The document fixes: a ResNet-v2 backbone that pools twice to 1/4; then successive Conv2D(strides=2)-BN-ReLU to 1/8, 1/16
and 1/32; each level convolved once more, as in PSPNet, the first one too; all enlarged to the first and concatenated;
two transposed convolutions of stride 2; a transposed convolution of 1×1 to the (4) categories. Numbers of blocks and
channels, the 4×4 kernels (divisible by their stride: no checkerboard, lecture 04) and bilinear enlarging are ours.
"""

from __future__ import annotations

from segedu.models.blocks import Block, Network, conv_bn_relu, resize, scaled
from segedu.models.resnet_v2 import bn_relu, stage

BLOCKS = 3
CHANNELS = 256


class Backbone(Block):
    """3×3 convolution, pooling, three blocks, pooling, three blocks: a map of 256 channels at 1/4 of the image."""

    def __init__(self, nn: object, in_channels: int, width: float) -> None:
        super().__init__()
        first, second, self.channels = scaled(32, width), 4 * scaled(32, width), 4 * scaled(64, width)
        self.first = conv_bn_relu(nn, in_channels, first)
        self.pool = nn.MaxPool2d(2)
        self.stage1 = stage(nn, first, second // 4, BLOCKS)
        self.stage2 = stage(nn, second, self.channels // 4, BLOCKS)
        self.end = bn_relu(nn, self.channels)

    def forward(self, x: object) -> object:
        x = self.stage1(self.pool(self.first(x)))
        return self.end(self.stage2(self.pool(x)))


class Pyramid(Network):
    """Four levels at 1/4 … 1/32, joined at 1/4, enlarged by transposed convolutions.

    Images are filled up to a multiple of 4; coarser levels may be of odd size, they are interpolated to the first.
    """

    multiple = 4

    def __init__(self, nn: object, num_classes: int, in_channels: int = 3, width: float = 1.0) -> None:
        super().__init__(num_classes, in_channels)
        channels = scaled(CHANNELS, width)
        self.backbone = Backbone(nn, in_channels, width)
        inputs = [self.backbone.channels, channels, channels]
        self.coarser = nn.ModuleList([conv_bn_relu(nn, c, channels, stride=2) for c in inputs])
        self.levels = nn.ModuleList([conv_bn_relu(nn, c, channels) for c in [*inputs, channels]])
        self.enlarge = nn.Sequential(*self._twice(4 * channels, channels), *self._twice(channels, channels))
        self.score = nn.ConvTranspose2d(channels, num_classes, 1)

    def _twice(self, inputs: int, outputs: int) -> list:
        nn = self.nn
        return [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    def logits(self, x: object) -> object:
        maps = [self.backbone(x)]
        for coarser in self.coarser:
            maps.append(coarser(maps[-1]))
        maps = [level(one) for level, one in zip(self.levels, maps, strict=True)]
        joined = self.nn.cat([resize(self.nn, one, maps[0]) for one in maps], dim=1)
        return self.score(self.enlarge(joined))

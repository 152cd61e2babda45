"""PSPNet: the scene as a whole, in quarters, in ninths and in thirty-sixths beside every pixel (lecture 14).

(Zhao, Shi, Qi, Wang and Jia, "Pyramid scene parsing network", 2017, figure 3.)
"""

from __future__ import annotations

from segedu.models.blocks import Block, conv_bn_relu, resize
from segedu.models.resnet import SegmentingResNet, scores

BINS = (1, 2, 3, 6)


class PyramidPooling(Block):
    """The map, and its means over 1×1, 2×2, 3×3 and 6×6 parts, each with a quarter of the channels, enlarged.

    In training the 1×1 mean needs a batch of at least 2: batch normalisation sees one value of each image.
    """

    def __init__(self, nn: object, inputs: int) -> None:
        super().__init__()
        part = max(1, inputs // len(BINS))
        self.channels = inputs + len(BINS) * part
        pooled = [nn.Sequential(nn.AdaptiveAvgPool2d(bins), *conv_bn_relu(nn, inputs, part, 1)) for bins in BINS]
        self.levels = nn.ModuleList(pooled)

    def forward(self, x: object) -> object:
        return self.nn.cat([x, *(resize(self.nn, level(x), x) for level in self.levels)], dim=1)


class PSPNet(SegmentingResNet):
    """A ResNet dilated to 1/8, pyramid pooling, a convolution, scores, bilinear interpolation to the image's size.

    The ResNet is the plain one, with a 7×7 convolution first where the authors' has three of 3×3; their auxiliary loss
    in training is left out.
    """

    def __init__(
        self,
        nn: object,
        num_classes: int,
        in_channels: int = 3,
        width: float = 1.0,
        depth: int = 50,
        output_stride: int = 8,
    ) -> None:
        super().__init__(nn, num_classes, in_channels, width, depth, output_stride)
        inputs = self.backbone.channels[-1]
        pyramid = PyramidPooling(nn, inputs)
        self.classifier = nn.Sequential(pyramid, *scores(nn, pyramid.channels, max(1, inputs // 4), num_classes))

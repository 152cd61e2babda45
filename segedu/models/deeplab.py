"""Atrous convolution on a dilated ResNet: FCN-ResNet, DeepLab v3 and v3+ (lecture 14).

Names of layers are those of torchvision's `fcn_resnet50` and `deeplabv3_resnet50`.
"""

from __future__ import annotations

from segedu.models.blocks import Block, conv_bn_relu, resize, scaled
from segedu.models.resnet import SegmentingResNet, scores

RATES = {8: (12, 24, 36), 16: (6, 12, 18), 32: (3, 6, 9)}
"""Dilations of the pyramid by output stride: the same windows in the image at each."""


class FCNResNet(SegmentingResNet):
    """A dilated ResNet and a small convolutional head, enlarged by bilinear interpolation (torchvision's FCN).

    Any size: the scores are interpolated to the size of the image.
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
        self.classifier = nn.Sequential(*scores(nn, inputs, max(1, inputs // 4), num_classes))


class ASPP(Block):
    """Atrous spatial pyramid pooling: one map seen through windows of several widths, and as a whole.

    A 1×1 convolution, three 3×3 with dilations `rates`, and the mean of the map; concatenated, and joined by a 1×1.
    (Chen et al., "Rethinking atrous convolution for semantic image segmentation", 2017, figure 5.) In training the mean
    of the map needs a batch of at least 2: batch normalisation sees one value of each image.
    """

    def __init__(self, nn: object, inputs: int, outputs: int, rates: tuple[int, ...]) -> None:
        super().__init__()
        whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_bn_relu(nn, inputs, outputs, 1))
        atrous = [conv_bn_relu(nn, inputs, outputs, dilation=rate) for rate in rates]
        self.convs = nn.ModuleList([conv_bn_relu(nn, inputs, outputs, 1), *atrous, whole])
        joined = conv_bn_relu(nn, len(self.convs) * outputs, outputs, 1)
        self.project = nn.Sequential(*joined, nn.Dropout(0.5))

    def forward(self, x: object) -> object:
        return self.project(self.nn.cat([resize(self.nn, conv(x), x) for conv in self.convs], dim=1))


class DeepLabV3(SegmentingResNet):
    """A dilated ResNet, atrous spatial pyramid pooling, scores, bilinear interpolation to the size of the image.

    Args:
        depth: of the ResNet: 50, 101 or 152.
        output_stride: 16 as in the paper's training, 8 as in its testing and in torchvision, 32: without dilation.
    """

    def __init__(
        self,
        nn: object,
        num_classes: int,
        in_channels: int = 3,
        width: float = 1.0,
        depth: int = 50,
        output_stride: int = 16,
    ) -> None:
        super().__init__(nn, num_classes, in_channels, width, depth, output_stride)
        channels = scaled(256, width)
        self.classifier = nn.Sequential(
            ASPP(nn, self.backbone.channels[-1], channels, RATES[output_stride]),
            *conv_bn_relu(nn, channels, channels),
            nn.Conv2d(channels, num_classes, 1),
        )


class DeepLabV3Plus(SegmentingResNet):
    """DeepLab v3 with a decoder: the pyramid, enlarged, beside the first layer's map at 1/4, refined by convolutions.

    (Chen et al., "Encoder-decoder with atrous separable convolution for semantic image segmentation", 2018, figure 2
    and section 4.1: 48 channels of the finer map, two 3×3 convolutions of 256. Their convolutions after the backbone
    may be separable; these are plain, on a ResNet.)
    """

    def __init__(
        self,
        nn: object,
        num_classes: int,
        in_channels: int = 3,
        width: float = 1.0,
        depth: int = 50,
        output_stride: int = 16,
    ) -> None:
        super().__init__(nn, num_classes, in_channels, width, depth, output_stride)
        channels, finer = scaled(256, width), scaled(48, width)
        self.aspp = ASPP(nn, self.backbone.channels[-1], channels, RATES[output_stride])
        self.finer = conv_bn_relu(nn, self.backbone.channels[0], finer, 1)
        self.decoder = nn.Sequential(
            conv_bn_relu(nn, channels + finer, channels),
            conv_bn_relu(nn, channels, channels),
            nn.Conv2d(channels, num_classes, 1),
        )

    def logits(self, x: object) -> object:
        first, *_, last = self.backbone(x)
        finer = self.finer(first)
        coarse = resize(self.nn, self.aspp(last), finer)
        return resize(self.nn, self.decoder(self.nn.cat([coarse, finer], dim=1)), x)

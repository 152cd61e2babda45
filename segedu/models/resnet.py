"""ResNet, with strides replaced by dilation where finer maps are wanted (lecture 14).

(He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016, table 1; dilation: Chen et al.,
"DeepLab", 2018, section 3.1.) Names of layers are torchvision's.
"""

from __future__ import annotations

from segedu.models.blocks import Block, Network, conv_bn_relu, resize, scaled

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks in each of the four layers."""


class BasicBlock(Block):
    """Two 3×3 convolutions and a way round them."""

    expansion = 1

    def __init__(self, nn: object, inputs: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = shortcut(nn, inputs, channels, stride)

    def forward(self, x: object) -> object:
        relu = self.nn.relu
        y = relu(self.bn1(self.conv1(x)))
        return relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(Block):
    """1×1 to fewer channels, 3×3, 1×1 to four times as many, and a way round them; the stride is the 3×3's."""

    expansion = 4

    def __init__(self, nn: object, inputs: int, channels: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        outputs = self.expansion * channels
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = shortcut(nn, inputs, outputs, stride)

    def forward(self, x: object) -> object:
        relu = self.nn.relu
        y = relu(self.bn1(self.conv1(x)))
        y = relu(self.bn2(self.conv2(y)))
        return relu(self.bn3(self.conv3(y)) + self.downsample(x))


def shortcut(nn: object, inputs: int, outputs: int, stride: int) -> object:
    """The way round a block: a 1×1 convolution where the shape changes."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return conv_bn_relu(nn, inputs, outputs, 1, stride, relu=False)


class ResNet(Block):
    """ResNet of bottlenecks without its classifier.

    Args:
        depth: 50, 101 or 152.
        output_stride: of the last map: 32 as published; at 16 the last layer has dilation 2 in place of a stride, at 8
            the last two have dilation 2 and 4. In a dilated layer the first block keeps the dilation before it.
    """

    def __init__(
        self, nn: object, in_channels: int = 3, width: float = 1.0, depth: int = 50, output_stride: int = 32
    ) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"depth={depth} must be one of {', '.join(map(str, DEPTHS))}")
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride={output_stride} must be 8, 16 or 32")
        inputs = scaled(64, width)
        self.conv1 = nn.Conv2d(in_channels, inputs, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.channels, reached, dilation = [], 4, 1
        for number, blocks in enumerate(DEPTHS[depth]):
            channels, stride, before = scaled(64 * 2**number, width), 1 if number == 0 else 2, dilation
            if reached * stride > output_stride:
                stride, dilation = 1, dilation * 2
            reached *= stride
            layer = [Bottleneck(nn, inputs, channels, stride, before)]
            inputs = Bottleneck.expansion * channels
            layer += [Bottleneck(nn, inputs, channels, 1, dilation) for _ in range(blocks - 1)]
            setattr(self, f"layer{number + 1}", nn.Sequential(*layer))
            self.channels.append(inputs)

    def forward(self, x: object) -> list:
        """The maps after each of the four layers."""
        x = self.maxpool(self.nn.relu(self.bn1(self.conv1(x))))
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps


class SegmentingResNet(Network):
    """A ResNet, a classifier of its last map, bilinear interpolation of the scores to the size of the image.

    A subclass sets `classifier`, or replaces `logits`.
    """

    def __init__(
        self, nn: object, num_classes: int, in_channels: int, width: float, depth: int, output_stride: int
    ) -> None:
        super().__init__(num_classes, in_channels)
        self.backbone = ResNet(nn, in_channels, width, depth, output_stride)

    def logits(self, x: object) -> object:
        return resize(self.nn, self.classifier(self.backbone(x)[-1]), x)


def scores(nn: object, inputs: int, hidden: int, num_classes: int) -> list:
    """The layers that end a classifier: to fewer channels, Dropout, a score for each class."""
    return [*conv_bn_relu(nn, inputs, hidden), nn.Dropout(0.1), nn.Conv2d(hidden, num_classes, 1)]

"""ResNet with pre-activation ("v2"): batch normalisation and ReLU before each convolution (lecture 14).

(He, Zhang, Ren and Sun, "Identity mappings in deep residual networks", 2016, figure 1 b.)
"""

from __future__ import annotations

from segedu.models.blocks import Block, scaled
from segedu.models.resnet import DEPTHS


class PreActivation(Block):
    """BN-ReLU-1×1, BN-ReLU-3×3, BN-ReLU-1×1 to four times the channels, and a way round with nothing on it.

    Where the shape changes the way round is a 1×1 convolution of the first BN-ReLU.
    """

    expansion = 4

    def __init__(self, nn: object, inputs: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        outputs = self.expansion * channels
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(channels), nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn3, self.conv3 = nn.BatchNorm2d(channels), nn.Conv2d(channels, outputs, 1, bias=False)
        self.changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if self.changes else nn.Identity()

    def forward(self, x: object) -> object:
        relu = self.nn.relu
        y = relu(self.bn1(x))
        around = self.shortcut(y if self.changes else x)
        y = self.conv2(relu(self.bn2(self.conv1(y))))
        return self.conv3(relu(self.bn3(y))) + around


def stage(nn: object, inputs: int, channels: int, blocks: int, stride: int = 1) -> object:
    """Several blocks, the first with the stride; 4·channels come out."""
    rest = [PreActivation(nn, PreActivation.expansion * channels, channels) for _ in range(blocks - 1)]
    return nn.Sequential(PreActivation(nn, inputs, channels, stride), *rest)


def bn_relu(nn: object, channels: int) -> object:
    """What a map of a pre-activation network needs before it is used elsewhere."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())


class ResNetV2(Block):
    """The four stages at 1/4, 1/8, 1/16 and 1/32, after a 7×7 convolution of stride 2 and a max pooling."""

    def __init__(self, nn: object, in_channels: int = 3, width: float = 1.0, depth: int = 50) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"depth={depth} must be one of {', '.join(map(str, DEPTHS))}")
        inputs = scaled(64, width)
        self.conv = nn.Conv2d(in_channels, inputs, 7, 2, 3, bias=False)
        self.pool = nn.MaxPool2d(3, 2, 1)
        stages, self.channels = [], []
        for number, blocks in enumerate(DEPTHS[depth]):
            channels = scaled(64 * 2**number, width)
            stages.append(stage(nn, inputs, channels, blocks, 1 if number == 0 else 2))
            inputs = PreActivation.expansion * channels
            self.channels.append(inputs)
        self.stages = nn.ModuleList(stages)
        self.ends = nn.ModuleList([bn_relu(nn, channels) for channels in self.channels])

    def forward(self, x: object) -> list:
        """The maps after each of the four stages."""
        x, maps = self.pool(self.conv(x)), []
        for layer, end in zip(self.stages, self.ends, strict=True):
            x = layer(x)
            maps.append(end(x))
        return maps

"""VGG16's convolutions, and VGG16 made convolutional: what FCN, hypercolumns and SegNet begin with."""

from __future__ import annotations

from segedu.models.blocks import Block, scaled

CHANNELS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Output channels of the 13 convolutions, in five groups; a pooling follows each group."""


def vgg_features(
    nn: object, in_channels: int, width: float, first_padding: int = 1, batch_norm: bool = False, **pooling: bool
) -> object:
    """The 13 convolutions and five poolings in one Sequential, numbered as torchvision's `features`.

    (Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015, table 1,
    column D.) `pooling` goes to MaxPool2d.
    """
    layers, inputs = [], in_channels
    for group in CHANNELS:
        for channels in group:
            outputs = scaled(channels, width)
            layers.append(nn.Conv2d(inputs, outputs, 3, padding=1 if layers else first_padding))
            layers += [nn.BatchNorm2d(outputs), nn.ReLU()] if batch_norm else [nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2, 2, **pooling))
    return nn.Sequential(*layers)


class VGG16(Block):
    """The 13 convolutions of VGG16, and its two hidden fully connected layers as convolutions of 7×7 and 1×1.

    (Made convolutional by Long, Shelhamer and Darrell, "Fully convolutional networks", 2015, section 3.1.) Layers are
    numbered as torchvision's.

    Args:
        first_padding: zeros round the image, 1 in VGG16; 100 in FCN as published.
        same: the 7×7 convolution keeps height and width; else it takes 6 off each.
    """

    def __init__(
        self, nn: object, in_channels: int = 3, width: float = 1.0, first_padding: int = 1, same: bool = True
    ) -> None:
        super().__init__()
        self.features = vgg_features(nn, in_channels, width, first_padding, ceil_mode=True)
        self.channels = [scaled(group[-1], width) for group in CHANNELS] + [scaled(4096, width)]
        last, hidden = self.channels[-2:]
        self.classifier = nn.Sequential(
            nn.Conv2d(last, hidden, 7, padding=3 if same else 0),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(),
            nn.Dropout(0.5),
        )

    def forward(self, x: object) -> list:
        """The maps after each of the five poolings (1/2 … 1/32 of the image), and after the upper layers."""
        maps = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, self.nn.MaxPool2d):
                maps.append(x)
        return [*maps, self.classifier(x)]

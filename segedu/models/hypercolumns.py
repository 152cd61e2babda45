"""Hypercolumns: all that the network knows of a pixel, from edges to objects, in one vector (lecture 14).

(Hariharan, Arbeláez, Girshick and Malik, "Hypercolumns for object segmentation and fine-grained localization", 2015,
figure 3 and section 3.)
"""

from __future__ import annotations

from segedu.models.blocks import Network, resize
from segedu.models.vgg import VGG16

LEVELS = (1, 3, 5)
"""Of VGG16's maps: after the second and the fourth pooling, and after the upper layers (pool2, pool4, fc7)."""


class Hypercolumns(Network):
    """A linear classifier on each pixel's hypercolumn: its features at three depths of VGG16, enlarged and stacked.

    The classifier is applied to each map before it is enlarged, and the scores are added: enlarging and a 1×1
    convolution are linear and may change places, so the scores are the same, and no map of thousands of channels is
    made (section 3.2 of the paper). `hypercolumn` makes that map, for looking at.

    The paper stacks pool2, conv4 and fc7 and classifies a 50×50 window round a detected box, with a classifier for each
    of K×K places; here whole images are segmented, with one classifier. Any size: images are filled up to 32.
    """

    multiple = 32

    def __init__(self, nn: object, num_classes: int, in_channels: int = 3, width: float = 1.0) -> None:
        super().__init__(num_classes, in_channels)
        self.vgg = VGG16(nn, in_channels, width)
        channels = [self.vgg.channels[level] for level in LEVELS]
        self.score = nn.ModuleList(
            [nn.Conv2d(c, num_classes, 1, bias=number == 0) for number, c in enumerate(channels)]
        )

    def hypercolumn(self, x: object) -> object:
        """The features of every pixel, N × (128 + 512 + 4096 at width 1) × H × W."""
        maps = self.vgg(x)
        return self.nn.cat([resize(self.nn, maps[level], x) for level in LEVELS], dim=1)

    def logits(self, x: object) -> object:
        maps = self.vgg(x)
        total = None
        for level, score in zip(LEVELS, self.score, strict=True):
            enlarged = resize(self.nn, score(maps[level]), x)
            total = enlarged if total is None else total + enlarged
        return total

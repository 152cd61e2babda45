"""SegNet: unpooling with the encoder's own indices (lectures 03 and 14).

(Badrinarayanan, Kendall and Cipolla, "SegNet: a deep convolutional encoder-decoder architecture for image
segmentation", 2017, figure 2.)
"""

from __future__ import annotations

from segedu.models.blocks import Network, scaled
from segedu.models.vgg import vgg_features

DECODER = ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64,))
"""Output channels of the decoder's convolutions but for the scores, in five groups; an unpooling precedes each."""


class SegNet(Network):
    """VGG16 with batch normalisation down, its mirror image up; each pooling hands its indices to an unpooling.

    Unpooling returns to exactly the size before the pooling, so every size from 32 on fits; smaller images are filled
    up to 32. There is no batch normalisation on the scores.
    """

    smallest = 32

    def __init__(self, nn: object, num_classes: int, in_channels: int = 3, width: float = 1.0) -> None:
        super().__init__(num_classes, in_channels)
        self.features = vgg_features(nn, in_channels, width, batch_norm=True, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2, 2)
        groups, inputs = [], scaled(512, width)
        for group in DECODER:
            layers = []
            for channels in group:
                outputs = scaled(channels, width)
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
                inputs = outputs
            groups.append(nn.Sequential(*layers))
        self.decoder = nn.ModuleList(groups)
        self.score = nn.Conv2d(inputs, num_classes, 3, padding=1)

    def logits(self, x: object) -> object:
        pooled = []
        for layer in self.features:
            if isinstance(layer, self.nn.MaxPool2d):
                size = tuple(x.shape[-2:])
                x, indices = layer(x)
                pooled.append((indices, size))
            else:
                x = layer(x)
        for group in self.decoder:
            indices, size = pooled.pop()
            x = group(self.unpool(x, indices, output_size=size))
        return self.score(x)

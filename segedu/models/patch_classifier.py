"""The early way: a small network classifies the patch round each pixel (lecture 01), here for all pixels at once.

(Ciresan, Giusti, Gambardella and Schmidhuber, "Deep neural networks segment neuronal membranes in electron microscopy
images", 2012, network N4: patches of 95×95.)
"""

from __future__ import annotations

from segedu.models.blocks import Network, scaled

KERNELS = (4, 5, 4, 4)
"""Of the convolutions, 48 channels each; a 2×2 pooling follows each of them."""


def layers(nn: object, num_classes: int, in_channels: int, width: float = 1.0, slid: bool = False) -> object:
    """The classifier of one window, N×C×95×95 to N×num_classes×1×1; or slid over an image, one pixel at a time.

    To share the work of overlapping windows, each pooling moves by one pixel, not two, and what follows it takes every
    second (fourth, eighth, sixteenth) pixel: dilation. Every pixel gets exactly the scores that its window alone would
    get. (Giusti et al., "Fast image scanning with deep max-pooling convolutional neural networks", 2013.)
    """
    parts, channels, step = [], in_channels, 1
    maps, hidden = scaled(48, width), scaled(200, width)
    for kernel in KERNELS:
        pool = nn.MaxPool2d(2, 1, dilation=step) if slid else nn.MaxPool2d(2, 2)
        parts += [nn.Conv2d(channels, maps, kernel, dilation=step), nn.ReLU(), pool]
        channels, step = maps, 2 * step if slid else 1
    parts += [nn.Conv2d(channels, hidden, 3, dilation=step), nn.ReLU(), nn.Conv2d(hidden, num_classes, 1)]
    return nn.Sequential(*parts)


class PatchClassifier(Network):
    """Four convolutions with 2×2 poolings, a hidden layer of 200, a score for each class, at every pixel of the image.

    The window of 95×95 lies round the pixel; beyond its edges the image is 0, where the paper mirrors it.
    """

    window = 95

    def __init__(self, nn: object, num_classes: int, in_channels: int = 3, width: float = 1.0) -> None:
        super().__init__(num_classes, in_channels)
        self.layers = layers(nn, num_classes, in_channels, width, slid=True)

    def logits(self, x: object) -> object:
        return self.layers(self.nn.pad(x, (self.window // 2,) * 4))

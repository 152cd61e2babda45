"""AlexNet, made convolutional: a classifier that takes any image and gives a map of scores (lecture 05).

(Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks", 2012, in the form
of torchvision: Krizhevsky, "One weird trick", 2014. Convolutional: Long, Shelhamer and Darrell, 2015, section 3.1.)
"""

from __future__ import annotations

from segedu.models.blocks import Network, resize, scaled


class AlexNet(Network):
    """Layers 1 to 5 as they were; 6, 7 and 8 are convolutions of 6×6, 1×1 and 1×1 with 4096, 4096 and num_classes.

    `scores` is the classifier slid over the image: 1×1 for 223 to 254 pixels, one more for every 32. For logits at the
    size of the image its last map is bordered with zeros, so that the scores cover the image, and interpolated.
    Images below 64 are filled up to 64. Layers are numbered as torchvision's.
    """

    smallest = 64

    def __init__(self, nn: object, num_classes: int, in_channels: int = 3, width: float = 1.0) -> None:
        super().__init__(num_classes, in_channels)
        c1, c2, c3, c4, hidden = (scaled(c, width) for c in (64, 192, 384, 256, 4096))
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, c1, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(c1, c2, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(c2, c3, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c3, c4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c4, c4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Conv2d(c4, hidden, 6),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, num_classes, 1),
        )

    def scores(self, x: object) -> object:
        """Scores of whole windows, 32 pixels apart: N × num_classes × (⌊(H − 223)/32⌋ + 1) × …; H, W at least 223."""
        return self.classifier(self.features(x))

    def logits(self, x: object) -> object:
        maps = self.nn.pad(self.features(x), (2, 3, 2, 3))
        return resize(self.nn, self.classifier(maps), x)

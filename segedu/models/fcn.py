"""FCN-32s, FCN-16s and FCN-8s (lecture 12).

(Long, Shelhamer and Darrell, "Fully convolutional networks for semantic segmentation", 2015, figure 3 and section 4.2.)
"""

from __future__ import annotations

from segedu.models.blocks import Network
from segedu.models.initial import bilinear_kernel
from segedu.models.vgg import VGG16

FIRST_ROWS = {32: [19], 16: [5, 27], 8: [5, 9, 31]}
"""With 100 zeros round the image: where the scores of pool4, of pool3 and at last of the image are cut, in pixels."""


class FCN(Network):
    """VGG16, a score for each class at 1/32, enlarged by transposed convolutions, with the scores of finer maps added.

    Args:
        stride: of the finest map that is scored: 32, 16 (pool4) or 8 (pool4 and pool3).
        padding: "same": images are filled up to a multiple of 32, and every enlargement is exact. "published": 100
            zeros round the image, the 7×7 convolution without padding, and every map cut where it lies over the next.
    """

    def __init__(
        self,
        nn: object,
        num_classes: int,
        in_channels: int = 3,
        width: float = 1.0,
        stride: int = 8,
        padding: str = "same",
    ) -> None:
        super().__init__(num_classes, in_channels)
        if padding not in ("same", "published"):
            raise ValueError(f"padding={padding!r} must be 'same' or 'published'")
        if stride not in FIRST_ROWS:
            raise ValueError(f"stride={stride} must be 8, 16 or 32")
        self.stride, self.same = stride, padding == "same"
        self.multiple = 32 if self.same else 1
        self.vgg = VGG16(nn, in_channels, width, first_padding=1 if self.same else 100, same=self.same)
        *_, pool3, pool4, _, hidden = self.vgg.channels
        finer = {32: [], 16: [pool4], 8: [pool4, pool3]}[stride]
        self.score = nn.Conv2d(hidden, num_classes, 1)
        self.score_finer = nn.ModuleList([nn.Conv2d(channels, num_classes, 1) for channels in finer])
        self.enlarge = nn.ModuleList([self._enlarge(factor) for factor in [2] * len(finer) + [stride]])

    def _enlarge(self, factor: int) -> object:
        """A transposed convolution that multiplies height and width by `factor`."""
        padding = factor // 2 if self.same else 0
        classes = self.num_classes
        return self.nn.ConvTranspose2d(classes, classes, 2 * factor, factor, padding, bias=False)

    def initialise(self) -> None:
        """Every enlargement begins as bilinear interpolation."""
        for layer in self.enlarge:
            self.nn.assign(layer, {"weight": bilinear_kernel(self.num_classes, layer.weight.shape[-1])})

    def logits(self, x: object) -> object:
        *_, pool3, pool4, _, hidden = self.vgg(x)
        *firsts, last = [0, 0, 0] if self.same else FIRST_ROWS[self.stride]
        scores = self.score(hidden)
        for score, enlarge, maps, first in zip(self.score_finer, self.enlarge, (pool4, pool3), firsts, strict=False):
            scores = enlarge(scores)
            scores = scores + cut(self.nn, score(maps), scores, first)
        return cut(self.nn, self.enlarge[-1](scores), x, last)


def cut(nn: object, x: object, like: object, first: int) -> object:
    """Of `x` the rows and columns from `first` on, as many as `like` has."""
    beyond = [b - a - first for a, b in zip(like.shape[-2:], x.shape[-2:], strict=True)]
    return nn.pad(x, (-first, -beyond[1], -first, -beyond[0])) if first or any(beyond) else x

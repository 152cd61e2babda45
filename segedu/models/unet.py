"""U-Net (lecture 13).

(Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015, figure 1.)
"""

from __future__ import annotations

import itertools

from segedu.models.blocks import Block, Network, scaled

CHANNELS = (64, 128, 256, 512, 1024)


class DoubleConv(Block):
    """Two 3×3 convolutions, each with ReLU; without padding they take 4 off height and width."""

    def __init__(self, nn: object, inputs: int, outputs: int, padding: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=padding)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=padding)

    def forward(self, x: object) -> object:
        return self.nn.relu(self.conv2(self.nn.relu(self.conv1(x))))


class Up(Block):
    """Twice as large with half the channels; the skip, cut to this size, goes before it; then a double convolution."""

    def __init__(self, nn: object, inputs: int, outputs: int, padding: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
        self.conv = DoubleConv(nn, 2 * outputs, outputs, padding)

    def forward(self, x: object, skip: object) -> object:
        x = self.up(x)
        return self.conv(self.nn.cat([centre(self.nn, skip, x), x], dim=1))


def centre(nn: object, x: object, like: object) -> object:
    """The middle of `x`, of the height and width of `like`."""
    rows, columns = (a - b for a, b in zip(x.shape[-2:], like.shape[-2:], strict=True))
    top, left = rows // 2, columns // 2
    return nn.pad(x, (-left, left - columns, -top, top - rows)) if rows or columns else x


class UNet(Network):
    """Four times down and four times up; every step up sees the map of the step down.

    Args:
        padding: "same": convolutions keep the size, images are filled up to a multiple of 16. "valid": as published,
            no padding; the logits are 184 pixels smaller than the image (572 to 388), whose size is filled up to
            16·k + 12. `segedu.models.predict` then mirrors the image at its edges, the paper's overlap-tile (figure 2).
    """

    def __init__(
        self, nn: object, num_classes: int, in_channels: int = 3, width: float = 1.0, padding: str = "same"
    ) -> None:
        super().__init__(num_classes, in_channels)
        if padding not in ("same", "valid"):
            raise ValueError(f"padding={padding!r} must be 'same' or 'valid'")
        self.multiple, pad = 16, int(padding == "same")
        self.margin = 0 if pad else 184
        channels = [scaled(c, width) for c in CHANNELS]
        self.down = nn.ModuleList([DoubleConv(nn, a, b, pad) for a, b in itertools.pairwise([in_channels, *channels])])
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.5)
        upwards = channels[::-1]
        self.up = nn.ModuleList([Up(nn, a, b, pad) for a, b in itertools.pairwise(upwards)])
        self.score = nn.Conv2d(channels[0], num_classes, 1)

    def fitting(self, pixels: int) -> int:
        return super().fitting(pixels) if not self.margin else max(188, -(-(pixels - 12) // 16) * 16 + 12)

    def logits(self, x: object) -> object:
        skips = []
        for conv in self.down:
            x = conv(self.pool(x) if skips else x)
            skips.append(x)
        x = self.dropout(skips.pop())
        for up in self.up:
            x = up(x, skips.pop())
        return self.score(x)

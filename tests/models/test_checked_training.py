"""One training step through each kind of block in check mode: no kernel has a fault, and the weights become NumPy's."""

import numpy as np
import pytest

from segedu import compare, cuda_ops, engines
from segedu.models.blocks import Block, conv_bn_relu, resize
from segedu.models.initial import initialise
from tests.cuda.kernels import needs_compiler

pytestmark = needs_compiler


class Pooled(Block):
    """Convolution, batch normalisation, ReLU, pooling; scores enlarged bilinearly."""

    def __init__(self, nn):
        super().__init__()
        self.layers = nn.Sequential(conv_bn_relu(nn, 2, 4), nn.MaxPool2d(2), nn.Conv2d(4, 3, 1))

    def forward(self, x):
        return resize(self.nn, self.layers(x), x)


class Unpooled(Block):
    """As in SegNet."""

    def __init__(self, nn):
        super().__init__()
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
        self.before, self.after = conv_bn_relu(nn, 2, 3), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        x = self.before(x)
        y, indices = self.pool(x)
        return self.after(self.unpool(y, indices, output_size=x.shape))


class Transposed(Block):
    """As in FCN: scores of the pooled image, enlarged by a transposed convolution with overlap, cut to size."""

    def __init__(self, nn):
        super().__init__()
        self.conv, self.up = nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.ConvTranspose2d(3, 3, 4, stride=2, padding=1)

    def forward(self, x):
        y = self.up(self.nn.relu(self.conv(x)))
        return self.nn.pad(y, (0, x.shape[-1] - y.shape[-1], 0, x.shape[-2] - y.shape[-2]))


class Skipped(Block):
    """As in U-Net: enlarged maps beside finer ones; and once more, enlarged without weights."""

    def __init__(self, nn):
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 2, 3, padding=1)
        self.pool, self.up, self.nearest = nn.AvgPool2d(2), nn.ConvTranspose2d(2, 2, 2, 2), nn.Upsample(scale_factor=2)
        self.last = nn.Conv2d(7, 3, 3, padding=1)

    def forward(self, x):
        fine = self.nn.relu(self.fine(x))
        coarse = self.coarse(self.pool(fine))
        return self.last(self.nn.cat([fine, self.up(coarse), self.nearest(coarse)], dim=1))


class Dilated(Block):
    """As in DeepLab: dilated convolutions, the mean of the whole map, and a way round them."""

    def __init__(self, nn):
        super().__init__()
        self.dilated, self.whole = conv_bn_relu(nn, 2, 3, dilation=2), nn.AdaptiveAvgPool2d(1)
        self.dropout, self.score = nn.Dropout(0.3), nn.Conv2d(3, 3, 1)

    def forward(self, x):
        y = self.dilated(x)
        return self.score(self.dropout(y + resize(self.nn, self.whole(y), y)))


def step(block, engine):
    """One step of training from fixed weights: the loss, then all parameters and buffers."""
    nn, rng = engines.get(engine), np.random.default_rng(0)
    network = initialise(block(nn), rng)
    network.load_state_dict({key: value + 0.1 for key, value in network.state_dict().items()})
    images = rng.standard_normal((2, 2, 8, 6)).astype(np.float32)
    labels = np.where(rng.random((2, 8, 6)) < 0.1, 255, rng.integers(0, 3, (2, 8, 6)))
    loss = nn.CrossEntropyLoss(weight=np.float32([1, 2, 3]), ignore_index=255)(network(nn.tensor(images)), labels)
    loss.backward()
    nn.optim.SGD(network.parameters(), lr=0.5).step()
    return {"loss": nn.array(loss), **network.state_dict()}


BLOCKS = [Pooled, Unpooled, Transposed, Skipped, Dilated]


@pytest.mark.parametrize("order", ["forward", "reverse"])
@pytest.mark.parametrize("block", BLOCKS)
def test_a_step_through_a_block_is_free_of_faults(block, order):
    with cuda_ops.mode("check", order=order):
        ours = step(block, "cuda")
    theirs = step(block, "numpy")
    assert list(ours) == list(theirs)
    for name, expected in theirs.items():
        compare.arrays(ours[name], expected, length=500, name=name).check()

# %% [markdown]
# # Lecture 14 · The family
#
# FCN and U-Net are two of many. Every network of this lecture answers the same question in its own way: how does a pixel learn what lies round it, without losing where it is? Each
# has one or two blocks of its own; you build those, and the library's networks are made of them.
#
# After this lecture you can
#
# 1. slide a patch classifier over an image in one go, and stack hypercolumns,
# 2. unpool with indices as SegNet does,
# 3. pool a pyramid as PSPNet does, and build a whole pyramid network,
# 4. build RefineNet's blocks: residual units, fusion, chained residual pooling,
# 5. convolve with holes, go deeper without losing resolution, and build DeepLab v3 and v3+,
# 6. exchange maps between resolutions as HRNet does,
# 7. read a table of quality, size and speed with care.
#
# About 100 minutes. You need lectures 02 to 05 and 11; FCN and U-Net are lectures 12 and 13.
#
# | network | year | how it sees far | how it knows where |
# |---|---|---|---|
# | patch classifier | 2012 | a large window | one window for each pixel |
# | hypercolumns | 2015 | deep maps | shallow maps, stacked |
# | SegNet | 2015 | pooling | indices of pooling |
# | PSPNet | 2017 | means of the whole scene | a map kept at 1/8 |
# | pyramid network | – | maps at 1/8, 1/16, 1/32 | a map at 1/4, stacked |
# | RefineNet | 2017 | chained pooling | finer maps, added step by step |
# | DeepLab v3 | 2017 | convolution with holes | a map kept at 1/16 or 1/8 |
# | DeepLab v3+ | 2018 | the same | a map at 1/4 in its decoder |
# | HRNet | 2019 | coarser maps beside | the map at 1/4, never given up |

# %%
import json

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt

from segedu import compare, data, engines, figures, models, numpy_ops, training
from segedu.models import hrnet, refinenet, weights
from segedu.models.blocks import Block, Network
from segedu.models.initial import initialise
from segedu.notebooks import ROOT

figures.use_style()
rng = np.random.default_rng(14)
nn = engines.get("numpy")

# %% [markdown]
# On a CPU this lecture trains one small network for some seconds. With `full = True` and a GPU the same cells train it at its full width; that has not been run yet.

# %%
full = False
if full:
    engine, width, size, pictures, batch, steps = "torch", 1.0, 256, 1000, 8, 5000
else:
    engine, width, size, pictures, batch, steps = "numpy", 1 / 16, 64, 40, 4, 100

# %% [markdown]
# ## 1 · Three tools
#
# A block is built twice, on our tape and on PyTorch, with the same weights. Outputs and all gradients are compared, in evaluation mode, where batch normalisation is a fixed factor. The loss
# is the mean of the squares of the output.

# %%
def forward_backward(block, images):
    """Outputs and gradients; `images` is an array, or a list for a block that takes several."""
    several, nn = isinstance(images, list), block.eval().nn
    y = block([nn.tensor(x) for x in images] if several else nn.tensor(images))
    outputs = y if isinstance(y, list) else [y]
    loss = 0
    for output in outputs:
        loss = (output * output).mean() + loss
    loss.backward()
    return [nn.array(o) for o in outputs], [nn.array(p.grad) for p in block.parameters()]


def all_close(ours, theirs):
    pairs = zip(ours, theirs, strict=True)
    return all(abs(a - b).max() <= 1e-3 * abs(b).max() for a, b in pairs)

# %% [markdown]
# The second tool puts the weights of your block into the library's, layer by layer in the same order, and compares again.

# %%
def check(make, images, library=None):
    """make(nn) builds the student's block on an engine, library(nn) the library's."""
    ours, theirs = make(nn), make(engines.get("torch"))
    arrays = weights.arrays(initialise(ours, np.random.default_rng(0)))
    weights.load(theirs, arrays)
    (y, grads), (y2, grads2) = (forward_backward(block, images) for block in (ours, theirs))
    print("output", " ".join("×".join(map(str, one.shape)) for one in y), end=": ")
    print("agrees with PyTorch", all_close(y, y2), end=", ")
    print(len(grads), "gradients", all_close(grads, grads2))
    if library is not None:
        known = initialise(library(nn), np.random.default_rng(1))
        weights.load(known, dict(zip(known.state_dict(), arrays.values(), strict=True)))
        same = all_close(forward_backward(known, images)[0], y)
        print("the library's block with our weights:", same)

# %% [markdown]
# The third asks a network of published width for its shapes. PyTorch's *meta* tensors have a shape and no numbers, so nothing is computed and no memory is needed.

# %%
def shapes(model, parts, image=(3, 256, 256)):
    """[(label, C, H, W), …] for `parts`, a dictionary from label to the name of a submodule."""
    found = {}
    for label, part in parts.items():
        def note(module, inputs, output, label=label):
            output = output[0] if isinstance(output, tuple) else output
            found[label] = (label, *output.shape[1:])
        model.get_submodule(part).register_forward_hook(note)
    model.eval()(torch.empty(1, *image, device="meta"))
    return [("image", *image), *(found[label] for label in parts)]


def published(name, num_classes=21, **options):
    return models.build(name, num_classes, engine="torch", **options)

# %% [markdown]
# ## 2 · The patch classifier (2012)
#
# Lecture 01 began with it: a network that classifies the *centre* of a window, asked once for every pixel. Windows of neighbouring pixels overlap, so most of the work is done many
# times. Convolutions share it. But a pooling of stride 2 answers for every second pixel only.
#
# The remedy (Giusti and others, 2013): pool with **stride 1**, and let all that follows take every *second* pixel: dilation 2; after two poolings, 4.

# %%
class Classifier(Block):
    """Scores of 9 classes for a window of 15×15; or, slid, for every window of an image."""

    def __init__(self, nn, slid=False, channels=8):
        super().__init__()
        step = 2 if slid else 1
        pools = [nn.MaxPool2d(2, 1, dilation=d) if slid else nn.MaxPool2d(2) for d in (1, step)]
        self.layers = nn.Sequential(
            nn.Conv2d(3, channels, 4), nn.ReLU(), pools[0],
            nn.Conv2d(channels, channels, 3, dilation=step), nn.ReLU(), pools[1],
            nn.Conv2d(channels, 9, 2, dilation=step**2),
        )

    def forward(self, x):
        return self.layers(x)

# %% [markdown]
# **Predict, then run.** An image of 20×24 holds how many windows of 15×15? Is the slid network equal to asking for each window, or only close? (`length` says how many products a number sums up,
# roughly: rounding errors grow with it.)

# %%
window = initialise(Classifier(nn), np.random.default_rng(0))
slid = initialise(Classifier(nn, slid=True), np.random.default_rng(0))  # the same weights
image = rng.standard_normal((1, 3, 20, 24), dtype=np.float32)
loops = np.empty((1, 9, 6, 10), np.float32)
for i in range(6):
    for j in range(10):
        patch = image[:, :, i : i + 15, j : j + 15]
        loops[:, :, i, j] = nn.array(window(nn.tensor(patch)))[:, :, 0, 0]
compare.arrays(nn.array(slid(nn.tensor(image))), loops, length=300)

# %%
check(lambda nn: Classifier(nn, slid=True), image)

# %% [markdown]
# **What sharing saves.** A convolution multiplies $k^2 A B$ numbers for each pixel of its result, from $A$ to $B$ channels.
#
# **Predict, then run.** Products for the window alone, times 256·256 pixels, over products of the slid network: about 2, 10 or 100?

# %%
window_products = 12**2 * 16 * 3 * 8 + 4**2 * 9 * 8 * 8 + 4 * 8 * 9
slid_products = 16 * 3 * 8 + 9 * 8 * 8 + 4 * 8 * 9  # for each pixel, edges left out
print(f"{window_products:,} against {slid_products:,}: {window_products / slid_products:.0f} times")

# %% jupyter={"source_hidden": true}
# Figure: N4 of 2012 on its window
with torch.device("meta"):
    n4 = models.patch_classifier.layers(engines.get("torch"), num_classes=2, in_channels=1)
parts = {"conv 4×4\npool": "2", "conv 5×5\npool": "5", "conv 4×4\npool ": "8",
         "conv 4×4\npool  ": "11", "conv 3×3": "12", "score": "14"}
fig = figures.layer_diagram(shapes(n4, parts, (1, 95, 95)), height=1.6)
figures.show(
    fig, alt="Blocks from a window of 95 by 95 pixels, ever smaller: 46, 21, 9, 3 and 1 pixel "
    "wide, with 48 channels, then 200, then 2 scores.",
    dpi=80,
)

# %% [markdown]
# **Counted.** The network N4 of the paper (Ciresan and others, 2012): four convolutions of 48 maps, a hidden layer of 200, two classes.

# %%
layers = [(4, 1, 48), (5, 48, 48), (4, 48, 48), (4, 48, 48), (3, 48, 200), (1, 200, 2)]
by_hand = sum((k * k * A + 1) * B for k, A, B in layers)
library = models.count_parameters(models.build("patch_classifier", 2, in_channels=1))
print(f"by hand {by_hand:,}, library {library:,}")

# %% [markdown]
# ## 3 · Hypercolumns (2015)
#
# The last map of a classifier knows *what*, its first maps know *where*. Why choose? Enlarge maps of several depths to the size of the image and stack them: the numbers that stand on
# one pixel are its **hypercolumn**. A linear classifier, a 1×1 convolution, reads it.

# %%
def hypercolumns_numpy(maps, height, width):
    """Maps N×C×h×w of several depths to N×(sum of C)×height×width."""
    size = (height, width)
    return np.concatenate([numpy_ops.interpolate(m, size, mode="bilinear") for m in maps], axis=1)


def reference(maps, height, width):
    return torch.cat([F.interpolate(m, (height, width), mode="bilinear") for m in maps], dim=1)


maps = [rng.standard_normal((1, c, n, n), dtype=np.float32) for c, n in ((4, 16), (8, 8), (16, 2))]
columns = hypercolumns_numpy(maps, 32, 32)
compare.arrays(columns, reference(list(map(torch.from_numpy, maps)), 32, 32).numpy())

# %% [markdown]
# With VGG16 a hypercolumn has 128 + 512 + 4096 numbers, for every pixel. But both steps are linear, so they may change places: classify each map first, enlarge the few *scores*, and add.
#
# **Predict, then run.** Equal up to rounding, or only roughly equal?

# %%
w = rng.standard_normal((3, 4 + 8 + 16, 1, 1), dtype=np.float32)  # 3 classes
pieces = np.split(w, [4, 12], axis=1)
scores = [numpy_ops.conv2d(m, piece) for m, piece in zip(maps, pieces, strict=True)]
enlarged = [numpy_ops.interpolate(s, (32, 32), mode="bilinear") for s in scores]
compare.arrays(sum(enlarged), numpy_ops.conv2d(columns, w), length=100)

# %% jupyter={"source_hidden": true}
# Figure: hypercolumns over VGG16
parts = {"pool2": "vgg.features.9", "pool4": "vgg.features.23", "fc7": "vgg.classifier"}
blocks = shapes(published("hypercolumns"), parts)
fig = figures.layer_diagram([*blocks, ("stacked", 4736, 256, 256), ("score", 21, 256, 256)],
    [None, None, None, "enlarge", "1×1"], skips=[(1, 4), (2, 4)], height=1.7)
figures.show(
    fig, alt="The image, maps of 128 channels at a quarter, 512 at a sixteenth and 4096 at a "
    "thirty-second of its size, all led to one stack of 4736 channels, then 21 scores.",
    dpi=80,
)

# %%
vgg16, last_layer = 138_357_544, 4096 * 1000 + 1000  # published; its 1000 classes go
ours = models.count_parameters(models.build("hypercolumns", 21))
print(f"{ours:,} = VGG16 without its last layer + {ours - (vgg16 - last_layer):,}")
print(f"the linear classifier: {(128 + 512 + 4096) * 21 + 21:,}")

# %% [markdown]
# ## 4 · SegNet (2015)
#
# Going down, each max pooling keeps its **indices**. Going up, an unpooling puts every value back where the maximum was (lecture 03), and convolutions fill the gaps. Only indices are
# handed over, not features.

# %%
def max_unpool_numpy(x, indices, size):
    y = np.zeros((*x.shape[:2], size[0] * size[1]), x.dtype)
    flat = indices.reshape(*x.shape[:2], -1)
    np.put_along_axis(y, flat, x.reshape(flat.shape), axis=2)
    return y.reshape(*x.shape[:2], *size)


x = rng.standard_normal((2, 3, 7, 6), dtype=np.float32)
pooled, indices = numpy_ops.max_pool2d(x, 2, return_indices=True)
theirs = F.max_unpool2d(torch.from_numpy(pooled), torch.from_numpy(indices), 2, output_size=(7, 6))
compare.arrays(max_unpool_numpy(pooled, indices, (7, 6)), theirs.numpy())

# %% [markdown]
# **Predict, then run.** `x` has 7 rows, `pooled` has 3. How many rows has the unpooled map if nobody says 7?

# %%
[numpy_ops.max_unpool2d(pooled, indices, 2, output_size=size).shape for size in (None, (7, 6))]

# %% [markdown]
# One level of SegNet: down, and up again to *exactly* the size before, also where it was odd. `conv_bn_relu` is the triple that most of the family is made of.

# %%
def conv_bn_relu(nn, inputs, outputs, kernel_size=3, stride=1, dilation=1):
    padding = dilation * (kernel_size // 2)
    conv = nn.Conv2d(inputs, outputs, kernel_size, stride, padding, dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class SegNetLevel(Block):
    def __init__(self, nn, inputs, outputs):
        super().__init__()
        self.down = conv_bn_relu(nn, inputs, outputs)
        self.pool = nn.MaxPool2d(2, 2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2, 2)
        self.up = conv_bn_relu(nn, outputs, inputs)

    def forward(self, x):
        y = self.down(x)
        pooled, indices = self.pool(y)
        return self.up(self.unpool(pooled, indices, output_size=tuple(y.shape[-2:])))


check(lambda nn: SegNetLevel(nn, 3, 6), x)

# %% jupyter={"source_hidden": true}
# Figure: SegNet, every second level
parts = {"pool1": "features.6", "pool3": "features.23", "pool5": "features.43",
         "up5": "decoder.0", "up3": "decoder.2", "up1": "decoder.4", "score": "score"}
fig = figures.layer_diagram(shapes(published("segnet"), parts), height=1.7,
    skips=[(3, 4, "indices"), (2, 5, "indices"), (1, 6, "indices")])
figures.show(
    fig, alt="Blocks shrink from the image to 512 by 8 by 8 and grow back to 64 by 256 by 256 "
    "and the scores; three arrows named indices lead from the way down to the way up.",
    dpi=80,
)

# %% [markdown]
# The decoder mirrors VGG16's thirteen convolutions; a score layer takes the place of its last. Published: 29,455,125 parameters for 21 classes, batch normalisation included.

# %%
print(f"{models.count_parameters(published('segnet')):,}")

# %% [markdown]
# ## 5 · PSPNet (2017)
#
# A boat or a car? Ask what else is in the scene. **Pyramid pooling** takes the mean of the last map over the whole image, over quarters, ninths and thirty-sixths, enlarges the means and
# stacks them beside the map. Part $i$ of $b$ covers rows $\lfloor iH/b \rfloor$ up to, not including, $\lceil (i+1)H/b \rceil$.
#
# **Predict, then run.** 7 rows in 3 parts: which rows belong to the middle part?

# %%
def adaptive_avg_pool_loops(x, b):
    """x N×C×H×W to N×C×b×b."""
    edges = [[(i * n // b, -(-(i + 1) * n // b)) for i in range(b)] for n in x.shape[-2:]]
    y = np.empty((*x.shape[:2], b, b), x.dtype)
    for i, (top, bottom) in enumerate(edges[0]):
        for j, (left, right) in enumerate(edges[1]):
            y[..., i, j] = x[..., top:bottom, left:right].mean((-2, -1))
    return y


print([(i * 7 // 3, -(-(i + 1) * 7 // 3) - 1) for i in range(3)])
x = rng.standard_normal((2, 8, 7, 10), dtype=np.float32)
compare.with_torch(adaptive_avg_pool_loops, x, 3, reference=F.adaptive_avg_pool2d)

# %% [markdown]
# Rows 2 to 4: neighbouring parts overlap where $b$ does not divide $H$. Each level has a 1×1 convolution to a quarter of the channels, so that the scene does not outweigh the pixel.

# %%
class PyramidPooling(Block):
    def __init__(self, nn, inputs, bins=(1, 2, 3, 6)):
        super().__init__()
        quarter = inputs // len(bins)
        self.levels = nn.ModuleList([
            nn.Sequential(nn.AdaptiveAvgPool2d(b), *conv_bn_relu(nn, inputs, quarter, 1))
            for b in bins
        ])

    def forward(self, x):
        size = tuple(x.shape[-2:])
        means = [self.nn.interpolate(level(x), size, mode="bilinear") for level in self.levels]
        return self.nn.cat([x, *means], dim=1)


check(lambda nn: PyramidPooling(nn, 8), x, library=lambda nn: models.pspnet.PyramidPooling(nn, 8))

# %%
scene = data.synthetic.street(seed=4, size=(256, 384))
picture = scene.image.transpose(2, 0, 1)[None].astype(np.float32) / 255
means = [adaptive_avg_pool_loops(picture, b) for b in (1, 2, 3, 6)]

# %% jupyter={"source_hidden": true}
# Figure: a street, and its means
grown = [m.repeat(252 // m.shape[2], 2).repeat(378 // m.shape[3], 3) for m in means]
fig = figures.images_row([scene.image, *(m[0].transpose(1, 2, 0) for m in grown)],
    titles=["street", "whole", "quarters", "ninths", "thirty-sixths"], columns=3)
figures.show(
    fig, alt="A drawn street, and its mean colours: one flat grey, then 2 by 2, 3 by 3 and 6 by "
    "6 flat rectangles, bluish above and darker below.",
    dpi=80,
)

# %% jupyter={"source_hidden": true}
# Figure: PSPNet
parts = {"block 1": "backbone.layer1", "block 2": "backbone.layer2", "block 4": "backbone.layer4",
         "pyramid": "classifier.0", "3×3": "classifier.3", "score": "classifier.5"}
fig = figures.layer_diagram(shapes(published("pspnet"), parts), height=1.7)
figures.show(
    fig, alt="The image, ResNet's maps at a quarter and an eighth of its size, 4096 channels "
    "after the pyramid, 512 after a convolution, and 21 scores at an eighth.",
    dpi=80,
)

# %% [markdown]
# The ResNet stays at 1/8 by dilation, which section 8 explains. Its parameters and the pyramid's, by the paper's figure 3:

# %%
resnet50 = 23_508_032  # torchvision's, without its last layer
pyramid = 4 * (2048 * 512 + 2 * 512)
head = 4096 * 512 * 9 + 2 * 512 + 512 * 21 + 21
library = models.count_parameters(published("pspnet"))
print(f"by hand {resnet50 + pyramid + head:,}, library {library:,}")

# %% [markdown]
# ## 6 · A whole pyramid network
#
# This network comes from the course's own first document. A ResNet-v2 pools twice, to 1/4. Then Conv-BN-ReLU of stride 2 give 1/8, 1/16, 1/32. Each level is convolved, enlarged to the first,
# and concatenated; two transposed convolutions of stride 2 lead back to the image; a transposed convolution of 1×1 gives the scores.
#
# **ResNet-v2** (He and others, 2016): batch normalisation and ReLU come *before* each convolution. Nothing stands on the way round, so gradients pass unchanged.

# %%
class PreActivation(Block):
    def __init__(self, nn, inputs, channels):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, inputs, 1, bias=False)

    def forward(self, x):
        relu = self.nn.relu
        y = self.conv1(relu(self.bn1(x)))
        y = self.conv2(relu(self.bn2(y)))
        return x + self.conv3(relu(self.bn3(y)))


x = rng.standard_normal((2, 8, 6, 5), dtype=np.float32)
check(lambda nn: PreActivation(nn, 8, 2), x, lambda nn: models.resnet_v2.PreActivation(nn, 8, 2))

# %% [markdown]
# The backbone stacks three such blocks after each of two poolings; we take the library's. The rest is yours. The kernels of 4 are divisible by their stride 2, so that every pixel is
# reached equally often (lecture 04).

# %%
class Pyramid(Network):
    multiple = 4  # images are filled up to a multiple of 4

    def __init__(self, nn, num_classes, in_channels=3, width=1.0):
        super().__init__(num_classes, in_channels)
        c = round(256 * width)
        self.backbone = models.pyramid.Backbone(nn, in_channels, width)  # c channels, too
        self.coarser = nn.ModuleList([conv_bn_relu(nn, c, c, stride=2) for _ in range(3)])
        self.levels = nn.ModuleList([conv_bn_relu(nn, c, c) for _ in range(4)])
        self.enlarge = nn.Sequential(*twice(nn, 4 * c, c), *twice(nn, c, c))
        self.score = nn.ConvTranspose2d(c, num_classes, 1)

    def logits(self, x):
        maps = [self.backbone(x)]
        for coarser in self.coarser:
            maps.append(coarser(maps[-1]))
        maps = [level(one) for level, one in zip(self.levels, maps, strict=True)]
        return self.score(self.enlarge(stack(self.nn, maps)))


def twice(nn, inputs, outputs):
    up = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
    return [up, nn.BatchNorm2d(outputs), nn.ReLU()]

# %%
def stack(nn, maps):
    """All maps at the size of the first, one behind the other."""
    size = tuple(maps[0].shape[-2:])
    return nn.cat([maps[0], *(nn.interpolate(m, size, mode="bilinear") for m in maps[1:])], dim=1)


x = rng.standard_normal((2, 3, 40, 52), dtype=np.float32)
check(lambda nn: Pyramid(nn, 4, width=1 / 64), x,
      lambda nn: models.pyramid.Pyramid(nn, 4, width=1 / 64))

# %% jupyter={"source_hidden": true}
# Figure: the pyramid network
parts = {"backbone": "backbone", "1/8": "levels.1", "1/16": "levels.2", "1/32": "levels.3",
         "twice": "enlarge.2", "twice ": "enlarge.5", "score": "score"}
blocks = shapes(published("pyramid", 4), parts)
blocks.insert(5, ("stacked", 1024, 64, 64))
fig = figures.layer_diagram(blocks, height=1.6, skips=[(3, 5), (2, 5), (1, 5)])
figures.show(
    fig, alt="The image, maps of 256 channels at a quarter to a thirty-second of its size, "
    "arrows from them to a stack of 1024 channels at a quarter, then two enlargements "
    "and 4 scores.",
    dpi=80,
)

# %% [markdown]
# **A 1×1 transposed convolution** scatters each number to one place only. **Predict, then run.** How does it differ from a 1×1 convolution?

# %%
x = rng.standard_normal((1, 5, 4, 6), dtype=np.float32)
w = rng.standard_normal((5, 3, 1, 1), dtype=np.float32)
as_convolution = numpy_ops.conv2d(x, w.transpose(1, 0, 2, 3))
compare.arrays(numpy_ops.conv_transpose2d(x, w), as_convolution, length=5)

# %% [markdown]
# Only its weights are stored the other way round. Now train it: drawn tables with a soda can, as in the document, and whatever else stands there.

# %%
tables = data.open_dataset("tabletop", "train", length=pictures, size=size)
new_tables = data.open_dataset("tabletop", "test", length=20, size=size)
ours = Pyramid(engines.get(engine), len(tables.classes), width=width)
initialise(ours, np.random.default_rng(0))
trainer = training.Trainer(ours, tables, steps=steps, batch=batch, lr=0.01, schedule="poly")
history = trainer.fit(show=False)
print(f"{models.count_parameters(ours):,} parameters")
print(f"full width, 4 categories: {models.count_parameters(published('pyramid', 4)):,}")

# %%
scores = trainer.evaluate(new_tables)
print("mean IoU on new tables above 35%:", scores.miou > 0.35)

# %% tags=["nbval-ignore-output"]
print(scores)

# %% jupyter={"source_hidden": true}
# Figure: tables that the network has not seen
rows = []
for image, labels in (new_tables[3], new_tables[5]):
    guess = training.predict(ours, image)
    rows += [image, *(figures.colourise(one, tables.palette) for one in (labels, guess))]
fig = figures.images_row(
    rows, columns=3, titles=["new tables", "labels", "predicted", "", "", ""])
figures.label_legend(fig, tables.classes, tables.palette)
figures.show(
    fig, alt="Two small drawn tables with a can, mugs, books and plants; their labels; and what "
    "the network predicts: wall, table, cans and plants, with uneven outlines, and dotted mugs.",
    dpi=80,
)

# %% [markdown]
# **Look closely at the blue**, where the network says *mug*: it is full of holes, at regular distances. Equal overlap does not forbid checkerboards: a learnt kernel can still weigh its places differently (lecture 04). Count how often
# *mug* is predicted, by row and column modulo 4, the step of the two enlargements.
#
# **Predict, then run.** Without a checkerboard, what would the 16 numbers be?

# %%
mug = np.stack([training.predict(ours, image) for image, _ in new_tables]) == 3
counts = np.array([[mug[:, i::4, j::4].sum() for j in range(4)] for i in range(4)])
print("largest over smallest above 2:", counts.max() > 2 * counts.min())

# %% tags=["nbval-ignore-output"]
print(counts)

# %% [markdown]
# They would be nearly equal. Enlarging by interpolation makes them so: exercise 6.

# %% [markdown]
# ## 7 · RefineNet (2017)
#
# A pre-activation ResNet gives maps at 1/4 to 1/32. RefineNet goes from the coarsest to the finest, and joins one more map at each step. Every block has four parts. First the **residual
# convolution unit** (RCU): a residual block *without* batch normalisation.

# %%
class RCU(Block):
    def __init__(self, nn, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        relu = self.nn.relu
        return x + self.conv2(relu(self.conv1(relu(x))))


x = rng.standard_normal((2, 6, 9, 7), dtype=np.float32)
check(lambda nn: RCU(nn, 6), x, lambda nn: refinenet.ResidualConvUnit(nn, 6))

# %% [markdown]
# **Multi-resolution fusion**: each map gets a 3×3 convolution to the fewest channels among them, is enlarged to the largest size, and all are *added*.

# %%
class Fusion(Block):
    def __init__(self, nn, channels):
        super().__init__()
        fewest = min(channels)
        self.convs = nn.ModuleList([nn.Conv2d(c, fewest, 3, padding=1) for c in channels])

    def forward(self, maps):
        fine, coarse = (conv(x) for conv, x in zip(self.convs, maps, strict=True))
        return fine + self.nn.interpolate(coarse, tuple(fine.shape[-2:]), mode="bilinear")


coarse = rng.standard_normal((2, 8, 5, 4), dtype=np.float32)
check(lambda nn: Fusion(nn, [6, 8]), [x, coarse], lambda nn: refinenet.Fusion(nn, [6, 8]))

# %% [markdown]
# **Chained residual pooling**: pool 5×5 with stride 1, convolve, add; pool *that* again, convolve, add. Context from a large region, without making the map smaller:
#
# $$y = u + c_1 + c_2, \qquad u = \text{relu}(x), \quad c_1 = \text{conv}_1(\text{pool}(u)), \quad c_2 = \text{conv}_2(\text{pool}(c_1))$$
#
# **Predict, then run.** A row of zeros with a single 1; suppose the convolutions change nothing. What are the numbers?

# %%
def chained_residual_pooling_numpy(x, kernels):
    total = link = np.maximum(x, 0)
    for kernel in kernels:
        pooled = numpy_ops.max_pool2d(link, 5, stride=1, padding=2)
        link = numpy_ops.conv2d(pooled, kernel, padding=kernel.shape[-1] // 2)
        total = total + link
    return total


row = np.zeros((1, 1, 1, 13), np.float32)
row[..., 6] = 1
chained_residual_pooling_numpy(row, [np.ones((1, 1, 1, 1), np.float32)] * 2)[0, 0]

# %% [markdown]
# One link reaches 2 pixels to each side, two links 4. As a block:

# %%
class ChainedResidualPooling(Block):
    def __init__(self, nn, channels):
        super().__init__()
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.convs = nn.ModuleList([nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2)])

    def forward(self, x):
        total = link = self.nn.relu(x)
        for conv in self.convs:
            link = conv(self.pool(link))
            total = total + link
        return total


check(lambda nn: ChainedResidualPooling(nn, 6), x,
      lambda nn: refinenet.ChainedResidualPooling(nn, 6))

# %% [markdown]
# And the whole: two units on each map, fusion, chained pooling, one unit more (the **output RCU**).

# %%
class Refine(Block):
    def __init__(self, nn, channels):
        super().__init__()
        self.adapt = nn.ModuleList([nn.Sequential(RCU(nn, c), RCU(nn, c)) for c in channels])
        self.fuse = Fusion(nn, channels)
        self.pool = ChainedResidualPooling(nn, min(channels))
        self.out = RCU(nn, min(channels))

    def forward(self, maps):
        maps = [units(x) for units, x in zip(self.adapt, maps, strict=True)]
        return self.out(self.pool(self.fuse(maps)))


check(lambda nn: Refine(nn, [6, 8]), [x, coarse], lambda nn: refinenet.Refine(nn, [6, 8]))

# %% jupyter={"source_hidden": true}
# Figure: RefineNet
parts = {"block 1": "backbone.ends.0", "block 2": "backbone.ends.1", "block 3": "backbone.ends.2",
         "block 4": "backbone.ends.3", "refine 4": "refine.3", "refine 3": "refine.2",
         "refine 2": "refine.1", "refine 1": "refine.0"}
blocks = shapes(published("refinenet"), parts)[1:]
fig = figures.layer_diagram(blocks, height=1.5, skips=[(2, 5), (1, 6), (0, 7)])
figures.show(
    fig, alt="Four maps of ResNet from a quarter to a thirty-second of the image; four "
    "RefineNet blocks lead back to a quarter; three arrows bring the finer maps.",
    dpi=80,
)

# %% [markdown]
# We know of no published number of parameters. Counted from its figures, the four blocks and the last two units, without ResNet-101:

# %%
def rcu(c):
    return 2 * (9 * c * c + c)


def refine_parameters(channels):
    c = min(channels)
    fuse = sum(9 * a * c + c for a in channels) if len(channels) > 1 else 0
    return sum(2 * rcu(a) for a in channels) + fuse + 2 * (9 * c * c + c) + rcu(c)


network = models.build("refinenet", 21)
by_hand = sum(map(refine_parameters, [[512], [256, 512], [256, 256], [256, 256]])) + 2 * rcu(256)
parts = [*network.refine, *list(network.head)[:2]]
print(f"by hand {by_hand:,}, library {sum(map(models.count_parameters, parts)):,}")

# %% [markdown]
# ## 8 · Convolution with holes
#
# Dilation has a second name, **atrous** convolution (French *à trous*, with holes). With **rate** $r$ the window's elements lie $r$ pixels apart:
#
# $$y_{kij} = \sum_c \sum_{a,b} w_{kcab}\; x_{c,\; i + ra,\; j + rb}$$

# %%
def atrous_loops(x, w, dilation):
    """x C×H×W, w K×C×k×k."""
    K, C, k, _ = w.shape
    reach = dilation * (k - 1)
    y = np.zeros((K, x.shape[1] - reach, x.shape[2] - reach), x.dtype)
    for out, i, j in np.ndindex(*y.shape):
        for c, a, b in np.ndindex(C, k, k):
            y[out, i, j] += w[out, c, a, b] * x[c, i + dilation * a, j + dilation * b]
    return y

# %% [markdown]
# With whole arrays: $k^2$ shifted images, each mixed by one $K \times C$ matrix. Backward, the same shifts the other way.

# %%
def shifts(x, k, dilation):
    reach = dilation * (k - 1)
    h, w = x.shape[-2] - reach, x.shape[-1] - reach
    for a, b in np.ndindex(k, k):
        yield (a, b), np.s_[..., dilation * a : dilation * a + h, dilation * b : dilation * b + w]


def atrous_numpy(x, w, dilation):
    return sum(np.einsum("kc,...chw->...khw", w[:, :, a, b], x[place])
               for (a, b), place in shifts(x, w.shape[-1], dilation))


def atrous_backward_numpy(grad, x, w, dilation):
    grad_x, grad_w = np.zeros_like(x), np.zeros_like(w)
    for (a, b), place in shifts(x, w.shape[-1], dilation):
        grad_x[place] += np.einsum("kc,nkhw->nchw", w[:, :, a, b], grad)
        grad_w[:, :, a, b] = np.einsum("nkhw,nchw->kc", grad, x[place])
    return grad_x, grad_w

# %%
x = rng.standard_normal((2, 3, 12, 11), dtype=np.float32)
w = rng.standard_normal((4, 3, 3, 3), dtype=np.float32)
print(compare.arrays(atrous_numpy(x[0], w, 2), atrous_loops(x[0], w, 2), length=27))
compare.with_torch(atrous_numpy, x, w, dilation=2, reference=F.conv2d,
    backward=lambda g: atrous_backward_numpy(g, *(z.astype(g.dtype) for z in (x, w)), 2))

# %% [markdown]
# **A wrong answer.** A textbook writes convolution with minus signs: $x_{c,\, i - ra,\, j - rb}$. Somebody follows it, and so has flipped the kernel.

# %%
compare.with_torch(lambda x, w, dilation: atrous_numpy(x, w[..., ::-1, ::-1], dilation), x, w,
    dilation=2, reference=F.conv2d)

# %% [markdown]
# **Why holes?** A trained ResNet ends at 1/32. Take the stride out of one layer, and the map after it is twice as fine; but the weights that follow were learnt for pixels twice as far apart.
# Rate 2 keeps them apart.
#
# **Predict, then run.** Convolve every second pixel; or convolve all pixels with rate 2, then take every second result. Equal?

# %%
every_second = numpy_ops.conv2d(x[..., ::2, ::2], w)
with_holes = atrous_numpy(x, w, dilation=2)[..., ::2, ::2]
compare.arrays(with_holes, every_second, length=27)

# %% [markdown]
# The dilated layer computes those results, and the ones between them: a finer map, with the same weights.

# %% [markdown]
# ## 9 · DeepLab v3 (2017): going deeper
#
# Suppose blocks 5, 6 and 7 are copies of block 4, to see more. Without atrous convolution each halves the map. With it, the **output stride** (size of the image over size of the map) is held at 16: from block 4 on, the rate is
# doubled where the stride would have been.
#
# **Predict, then run.** How large is the map after block 7, for an image of 512 pixels, without holes? Which rate has block 7 with them?

# %%
def going_deeper(output_stride=None):
    """(block, stride of its map, rate) of blocks 1 to 7."""
    stride, rate, rows = 4, 1, [(1, 4, 1)]
    for block in range(2, 8):
        if output_stride is not None and 2 * stride > output_stride:
            rate *= 2
        else:
            stride *= 2
        rows.append((block, stride, rate))
    return rows


for (block, plain, _), (_, stride, rate) in zip(going_deeper(), going_deeper(16), strict=True):
    print(f"block {block}: 1/{plain:<3} = {512 // plain:3} pixels", end="     ")
    print(f"1/{stride:<2} = {512 // stride:3} pixels, rate {rate}")

# %% jupyter={"source_hidden": true}
# Figure: going deeper without and with atrous convolution
fig, axes = plt.subplots(2, 1, figsize=(9.6, 5.0))
titles = ("(a) without atrous convolution", "(b) with atrous convolution, output stride 16")
for ax, rows, title in zip(axes, (going_deeper(), going_deeper(16)), titles, strict=True):
    for block, stride, rate in rows:
        high = (512 // stride) ** 0.5 / 9
        ax.add_patch(plt.Rectangle((block - 0.3, -high / 2), 0.6, high, fc="#56B4E9", ec="#333333"))
        note = f"1/{stride}" + (f"\nrate {rate}" if rate > 1 else "")
        ax.text(block, -0.75, f"block {block}\n{note}", ha="center", va="top")
        if block < 7:
            style = {"arrowstyle": "-|>", "color": "#333333"}
            ax.annotate("", (block + 0.69, 0), (block + 0.31, 0), arrowprops=style)
    ax.set(xlim=(0.5, 7.5), ylim=(-1.65, 0.8))
    ax.set_title(title, loc="left")
    ax.axis("off")
figures.show(
    fig, alt="Two rows of seven blocks. Above, each block is lower than the one before, down to "
    "1/256. Below, from block 3 on all are equally high, 1/16, with rates 2, 4, 8, 16.",
    dpi=80,
)

# %% [markdown]
# The same layers on a real map, 8×8 at stride 16. A 3×3 convolution of stride 2, or of rate $r$ with padding $r$, has the same number of weights.

# %%
x = rng.standard_normal((1, 2, 8, 8), dtype=np.float32)
w = rng.standard_normal((2, 2, 3, 3), dtype=np.float32)
plain = holes = x
for rate in (2, 4, 8):
    plain = numpy_ops.conv2d(plain, w, stride=2, padding=1)
    holes = numpy_ops.conv2d(holes, w, padding=rate, dilation=rate)
    print(f"stride 2: {plain.shape[2:]}    rate {rate}: {holes.shape[2:]}")

# %% [markdown]
# **Too large a rate** wastes weights. **Predict, then run.** A map of 32×32 and rate 31: how many of the nine weights meet the map, on average over its pixels?

# %%
ones, nine = np.ones((1, 1, 32, 32), np.float32), np.ones((1, 1, 3, 3), np.float32)
for rate in (1, 6, 12, 18, 24, 31, 32):
    met = numpy_ops.conv2d(ones, nine, padding=rate, dilation=rate)
    print(f"rate {rate:2}: {met.mean():.2f} of 9")

# %% [markdown]
# At rate 32 only the middle one is left: a 1×1 convolution. And a large rate alone sees no neighbours.
#
# So DeepLab v3 looks with several rates at once, **atrous spatial pyramid pooling** (ASPP): 1×1, 3×3 of rates 6, 12, 18 (at output stride 16), and the mean of the map; stacked, then a 1×1.

# %%
class ASPP(Block):
    def __init__(self, nn, inputs, outputs, rates):
        super().__init__()
        whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_bn_relu(nn, inputs, outputs, 1))
        atrous = [conv_bn_relu(nn, inputs, outputs, dilation=rate) for rate in rates]
        self.ways = nn.ModuleList([conv_bn_relu(nn, inputs, outputs, 1), *atrous, whole])
        self.project = conv_bn_relu(nn, 5 * outputs, outputs, 1)

    def forward(self, x):
        return self.project(stack(self.nn, [way(x) for way in self.ways]))


x = rng.standard_normal((2, 6, 9, 8), dtype=np.float32)
rates = (1, 2, 3)
check(lambda nn: ASPP(nn, 6, 4, rates), x, lambda nn: models.deeplab.ASPP(nn, 6, 4, rates))

# %% jupyter={"source_hidden": true}
# Figure: DeepLab v3
parts = {"block 1": "backbone.layer1", "block 2": "backbone.layer2", "block 3": "backbone.layer3",
         "block 4, rate 2": "backbone.layer4", "ASPP": "classifier.0", "3×3": "classifier.3",
         "score": "classifier.4"}
fig = figures.layer_diagram(shapes(published("deeplabv3"), parts), height=1.6)
figures.show(
    fig, alt="The image, ResNet's maps at a quarter, an eighth and a sixteenth of its size, the "
    "fourth block at a sixteenth, too, 256 channels after ASPP, and 21 scores.",
    dpi=80,
)

# %% [markdown]
# Rates change no count. Torchvision's DeepLab v3 on ResNet-50, 21 classes, without its auxiliary head, has 39,638,869 parameters.

# %%
for stride in (32, 16, 8):
    print(stride, f"{models.count_parameters(published('deeplabv3', output_stride=stride)):,}")

# %% [markdown]
# ## 10 · DeepLab v3+ (2018)
#
# At 1/16 outlines are coarse. v3+ adds a small **decoder**: enlarge ASPP's map to 1/4, stack it with block 1's map, thinned to 48 channels, two 3×3 convolutions, scores.

# %%
class Decoder(Block):
    def __init__(self, nn, fine, coarse, num_classes, thin=48):
        super().__init__()
        self.thin = conv_bn_relu(nn, fine, thin, 1)
        self.conv1 = conv_bn_relu(nn, coarse + thin, coarse)
        self.conv2 = conv_bn_relu(nn, coarse, coarse)
        self.score = nn.Conv2d(coarse, num_classes, 1)

    def forward(self, maps):
        fine, coarse = maps
        joined = stack(self.nn, [self.thin(fine), coarse])
        return self.score(self.conv2(self.conv1(joined)))


fine = rng.standard_normal((2, 5, 16, 12), dtype=np.float32)
coarse = rng.standard_normal((2, 6, 4, 3), dtype=np.float32)
check(lambda nn: Decoder(nn, 5, 6, num_classes=3, thin=2), [fine, coarse])

# %% jupyter={"source_hidden": true}
# Figure: DeepLab v3+
parts = {"block 1": "backbone.layer1", "block 4": "backbone.layer4", "ASPP": "aspp",
         "3×3": "decoder.0", "3×3 ": "decoder.1", "score": "decoder.2"}
blocks = shapes(published("deeplabv3plus"), parts)
blocks.insert(4, ("stacked", 304, 64, 64))
fig = figures.layer_diagram(blocks, [None, None, None, "enlarge", None, None, None],
    height=1.6, skips=[(1, 4, "1×1 to 48")])
figures.show(
    fig, alt="The image, maps at a quarter and a sixteenth, ASPP's 256 channels at a sixteenth; "
    "block 1 thinned to 48 channels; both joined at a quarter, then 21 scores.",
    dpi=80,
)

# %% [markdown]
# **Predict, then run.** Both networks have a 3×3 convolution to 256 channels and a layer of scores. How many parameters does v3+ have more?

# %%
more = (256 * 48 + 2 * 48) + (304 * 256 * 9 + 2 * 256)  # the thin 1×1; the first 3×3
plus, plain = (models.count_parameters(published(name)) for name in ("deeplabv3plus", "deeplabv3"))
print(f"by hand {more:,}, library {plus:,} − {plain:,} = {plus - plain:,}")

# %% [markdown]
# ## 11 · HRNet (2019)
#
# The others give up the fine map at first. HRNet never gives up the fine map: a **stem** of two 3×3 convolutions of stride 2, then four **stages**. Each stage adds one coarser map beside the
# others, and repeats blocks that work on every resolution and then **exchange**: each map becomes the sum of all, brought to its size.

# **Predict, then run.** Three maps become three maps. How many ways lead from map to map, and how many of them have nothing to learn?

# %%
class Exchange(Block):
    """Finer maps come by 3×3 convolutions of stride 2, coarser ones by a 1×1, enlarged."""

    def __init__(self, nn, channels):
        super().__init__()
        count = range(len(channels))
        self.ways = nn.ModuleList([
            nn.ModuleList([way(nn, channels[a], channels[b], b - a) for a in count]) for b in count
        ])

    def forward(self, maps):
        return [self.nn.relu(total(self.nn, ways, maps, like))
                for ways, like in zip(self.ways, maps, strict=True)]

# %%
def way(nn, inputs, outputs, halvings):
    if halvings == 0:
        return nn.Identity()
    if halvings < 0:
        return conv_bn_relu(nn, inputs, outputs, 1)[:2]  # without its ReLU
    first = [conv_bn_relu(nn, inputs, inputs, stride=2) for _ in range(halvings - 1)]
    return nn.Sequential(*first, conv_bn_relu(nn, inputs, outputs, stride=2)[:2])


def total(nn, ways, maps, like):
    size, y = tuple(like.shape[-2:]), None
    for one, x in zip(ways, maps, strict=True):
        part = one(x)
        if tuple(part.shape[-2:]) != size:
            part = nn.interpolate(part, size, mode="bilinear")
        y = part if y is None else y + part
    return y

# %%
maps = [rng.standard_normal((2, c, h, w), dtype=np.float32)
        for c, h, w in ((3, 16, 8), (6, 8, 4), (12, 4, 2))]
check(lambda nn: Exchange(nn, [3, 6, 12]), maps, lambda nn: hrnet.Fuse(nn, [3, 6, 12]))
ways = [one for row in Exchange(nn, [3, 6, 12]).ways for one in row]
print(len(ways), "ways,", sum(type(one).__name__ == "Identity" for one in ways), "of them nothing")

# %% jupyter={"source_hidden": true}
# Figure: the four stages
fig, ax = plt.subplots(figsize=(9.6, 4.6))
columns = [("stem", 0.3, 1), ("stage 1", 1.5, 1), ("stage 2", 3.0, 2),
           ("stage 3", 4.7, 3), ("stage 4", 6.4, 4)]
before = [(None, None, 0), *columns[:-1]]
repeats = ["2 convs", "4 blocks", "1 exchange", "4 exchanges", "3 exchanges"]
for (name, x, count), (_, left, sources), text in zip(columns, before, repeats, strict=True):
    ax.text(x + 0.4, 0.75, f"{name}\n{text}", ha="center", va="bottom")
    for k in range(count):
        high = 0.9 / 2 ** (k / 2)
        ax.add_patch(plt.Rectangle((x, -k - high / 2), 0.8, high, fc="#56B4E9", ec="#333333"))
        for a in range(sources):
            colour = ("#333333", "#D55E00", "#009E73")[(k > a) + 2 * (k < a)]
            arrow = {"arrowstyle": "-|>", "color": colour}
            ax.annotate("", (x, -k), (left + 0.8, -a), arrowprops=arrow)
for k in range(4):
    ax.text(7.4, -k, f"1/{4 * 2**k}: {18 * 2**k} channels (W18)", va="center")
ax.set(xlim=(0.2, 9.9), ylim=(-3.6, 1.5))
ax.axis("off")
figures.show(
    fig, alt="Columns for the stem and four stages, with one, one, two, three and four blocks "
    "below each other, the lower ones smaller; arrows lead from every block to every "
    "block of the next column.",
    dpi=80,
)

# %% [markdown]
# Black arrows keep the size, orange ones halve it once or more, green ones enlarge. Before each exchange stand four residual blocks for each map. At the end the four maps are enlarged to 1/4 and stacked (HRNetV2). Published for 19 classes: 9,641,119 parameters for W18
# and 65,859,379 for W48.

# %%
for name in ("hrnet_w18", "hrnet_w48"):
    print(name, f"{models.count_parameters(published(name, 19)):,}")

# %% [markdown]
# ## 12 · All of them, trained alike
#
# `python -m segedu family` trains every network of the library with the same pictures, steps and learning rate, scores each once on test pictures, and times it. The record below is such a
# run: drawn streets of 64×64, an **eighth** of the published channels, 150 steps, one seed, on one thread of a CPU that had other work, too. Milliseconds are processor time: of one image forward, and of a
# training step with four. *Full width*: the parameters with all channels, for the nine classes of these streets.

# %%
path = ROOT / "benchmarks" / "records" / "family-street-amd-epyc.json"
record = json.loads(path.read_text(encoding="utf-8"))
print(record["command"], "·", record["hardware"], "·", record["date"][:10])
print(record["settings"]["steps"], "steps; images:", record["images"], end="; ")
print("processes running before:", record["load_before"])
print(f"the commonest class everywhere: mean IoU {record['commonest_class']:.1%}\n")
heads = ("mean IoU", "parameters", "full width", "image, ms", "step, ms")
print(f"{'network':18}{heads[0]:>9}{heads[1]:>12}{heads[2]:>14}{heads[3]:>11}{heads[4]:>10}")
runs = sorted(record["runs"], key=lambda run: -run["mean_iou"])
for run in runs:
    print(f"{run['network']:18}{run['mean_iou']:9.1%}{run['parameters']:12,}", end="")
    print(f"{run['parameters_published_width']:14,}", end="")
    print(f"{1e3 * run['forward_s']:11.1f}{1e3 * run['step_s']:10.1f}")

# %% [markdown]
# **Predict, then run.** Does the network with most parameters score highest? Is the one with fewest the fastest?

# %%
by = {key: sorted(runs, key=lambda run: run[key]) for key in ("parameters", "mean_iou", "step_s")}
for key, row in by.items():
    print(f"{key:10} least {row[0]['network']:17} most {row[-1]['network']}")

# %% jupyter={"source_hidden": true}
# Figure: quality, size and speed
fig, axes = plt.subplots(1, 3, figsize=(10, 5.4), sharey=True)
names = [run["network"] for run in runs][::-1]
for ax, key, title, scale in zip(
    axes, ("mean_iou", "parameters", "step_s"),
    ("mean IoU, %", "parameters, thousands", "one training step, ms"), (100, 1e-3, 1e3),
    strict=True,
):
    ax.barh(names, [scale * run[key] for run in runs][::-1], color="#56B4E9", edgecolor="#333333")
    ax.set_title(title)
axes[1].set_xscale("log")
fig.tight_layout()
figures.show(
    fig, alt="Bars for sixteen networks, sorted by mean IoU from 48 down to 4 per cent, beside "
    "their parameters and the time of a step, which follow no such order.",
    dpi=80,
)

# %% [markdown]
# A table measures a recipe as much as a network. All began with PyTorch's first weights, none with weights learnt on a million photographs, as most of the papers did. Look at U-Net's row, class
# by class.

# %%
unet = next(run for run in runs if run["network"] == "unet")
print([f"{name} {iou:.2f}" for name, iou in unet["iou"].items() if iou > 0.01])

# %% [markdown]
# AlexNet is where the commonest class is, and U-Net found two classes. Lecture 13 showed a reason: with those first weights the image hardly reaches the scores of a network without batch normalisation. He's are $\sqrt 6$ times as
# large. **Predict, then run.** The same U-Net, pictures and steps with larger weights: does its score change by points, or by a factor?

# %%
streets = data.open_dataset("street", "train", length=40, size=64)
again = models.create("unet", len(streets.classes), width=1 / 8, engine="torch")
for module in again.modules():
    if type(module).__name__ == "Conv2d":
        module.weight.data *= 6**0.5
trainer = training.Trainer(again, streets, steps=150, lr=3e-3, schedule="poly")
trainer.fit(show=False)
larger = trainer.evaluate(data.open_dataset("street", "test", length=40, size=64)).miou
print("more than one and a half times as much:", larger > 1.5 * unet["mean_iou"])

# %% tags=["nbval-ignore-output"]
print(f"PyTorch's first weights {unet['mean_iou']:.1%}, larger ones {larger:.1%}")

# %% [markdown]
# So distrust a ranking by a few points, one seed, one recipe. Published figures, each with its own recipe, are in lectures 12, 13 and 15. With a GPU, `python -m segedu family --help` shows how
# to fill the table at full width on CamVid; that has not been run yet. Records of other machines, if there are any:

# %% tags=["nbval-ignore-output"]
others = [other for other in sorted(path.parent.glob("family-*.json")) if other != path]
for other in others:
    found = json.loads(other.read_text(encoding="utf-8"))
    print(found["hardware"], found["date"][:10], found["command"])
    for run in found["runs"]:
        print(f"  {run['network']:18}{run['mean_iou']:7.1%}{1e3 * run['step_s']:9.1f} ms a step")
if not others:
    print("None recorded: no GPU has trained the family yet.")

# %% [markdown]
# ## 13 · Real streets
#
# If the CamVid data set is on this machine, the pyramid network learns a little of it, from crops of 128×160 pixels of forty frames.

# %% tags=["real-data"]
from segedu.data import camvid
from segedu.training.kept import Kept

if camvid.available():
    frames = data.open_dataset("camvid", "train")
    small = Pyramid(engines.get("torch"), len(frames.classes), width=1 / 16)
    initialise(small, np.random.default_rng(0))
    some = Kept(frames, 40)
    learner = training.Trainer(small, some, crop=(128, 160), steps=120, lr=0.01, schedule="poly")
    learner.fit(show=False)
    test_image, test_labels = data.open_dataset("camvid", "test")[0]
    guess = training.predict(small, test_image)
    known = test_labels != frames.void
    print(f"right pixels of one test frame: {(guess == test_labels)[known].mean():.0%}")
else:
    print("CamVid is not on this machine; the tables above stand for it.")

# %% tags=["real-data"] jupyter={"source_hidden": true}
# Figure: a real street
if camvid.available():
    fig = figures.images_row(
        [test_image, figures.overlay(test_image, guess, frames.palette)],
        titles=["CamVid test", "predicted"],
    )
    figures.label_legend(fig, frames.classes, frames.palette)
    figures.show(
        fig, alt="A frame of CamVid beside the same frame with the predicted classes in "
        "colours.",
        dpi=80,
    )

# %% [markdown]
# ## 14 · Try it yourself (at home)
#
# Which pixels of the input does one result of two atrous convolutions see? Move both rates. Where do holes remain?

# %% tags=["nbval-ignore-output"]
import ipywidgets


def seen(first=2, second=2):
    """How often each pixel of a 41×41 map is used by the middle result."""
    x, k = np.zeros((1, 1, 41, 41), np.float32), np.ones((1, 1, 3, 3), np.float32)
    x[..., 20, 20] = 1
    for rate in (first, second):
        x = numpy_ops.conv2d(x, k, padding=rate, dilation=rate)
    fig, ax = plt.subplots(figsize=(4.2, 4.2))
    ax.imshow(x[0, 0], cmap="cividis")
    ax.set(title=f"rates {first} and {second}", xticks=[], yticks=[])
    figures.show(fig, alt=f"Pixels seen by one result after rates {first} and {second}.")


ipywidgets.interact(seen, first=(1, 9), second=(1, 9));

# %% [markdown]
# A still picture, for readers without a running kernel: rates 2 and 2, where only every second row and column is ever seen.

# %% jupyter={"source_hidden": true}
# Figure: rates 2 and 2
seen(2, 2)

# %% [markdown]
# ## Common mistakes
#
# * **Padding that does not grow with the rate.** A 3×3 convolution keeps the size with padding $r$, not 1.
# * **A stride left in a dilated block.** Then the map shrinks *and* the weights see pixels too far apart.
# * **Unpooling to twice the size.** Odd maps come back one row short; hand over `output_size`.
# * **Batch normalisation over a 1×1 mean with a batch of one.** One value has no spread: it is refused. Train with at least two images.
# * **Adding maps of different channels or sizes.** First a convolution to equal channels, then enlarge, then add.
# * **Concatenating where a sum was meant.** Shapes after it differ; so does the number of parameters.
# * **Comparing published tables.** Other pictures, sizes, first weights, augmentation and splits: see section 12.

# %% [markdown]
# ## Summary
#
# * Patch classifier: dilation in place of stride shares the work of overlapping windows. Hypercolumns: enlarging and classifying change places.
# * SegNet hands over indices; PSPNet means of the scene; the pyramid network and RefineNet coarse maps joined with finer ones.
# * Atrous convolution gives a finer map with the same weights; DeepLab looks with several rates at once, and v3+ decodes with a fine map.
# * HRNet keeps the fine map throughout and exchanges with coarser ones.
# * Every count agrees with the published one, where there is one. A ranking belongs to its recipe.

# %% [markdown]
# ## Exercises
#
# 1. The window of 95×95: with kernels 4, 5, 4, 4 and a last one of 3, and a 2×2 pooling after each of the first four, check that one pixel is left.
# 2. How many indices does SegNet hand over for an image of 256×256? And how many numbers, if it handed over the maps before each pooling?
# 3. Write chained residual pooling with three links. How far does it reach?
# 4. Which output stride and rates does `going_deeper(8)` give for block 4? Which does ASPP need there to see the same windows in the image as at 16?
# 5. How many ways has the exchange of stage 4, and how many 3×3 convolutions of stride 2 are among them?
# 6. Let `twice` enlarge by `nn.Upsample(scale_factor=2)` and a 3×3 convolution, and train again. What happens to the 16 numbers of section 6?
#
# <details><summary>Answers</summary>
#
# 1. 95 → 92 → 46 → 42 → 21 → 18 → 9 → 6 → 3 → 1.
# 2. 64·16384 + 128·4096 + 256·1024 + 512·256 + 512·64 = 1,998,848 indices; four times as many numbers, 7,995,392.
# 3. Three kernels in the list; 6 pixels to each side, 13 in all.
# 4. Stride 8: block 3 has rate 2, block 4 rate 4. ASPP needs 12, 24 and 36: a pixel of the map is half as wide.
# 5. 4·4 = 16 ways, four of them nothing. Towards coarser maps: three ways of one halving, two of two, one of three: 3 + 4 + 3 = 10 convolutions.
# 6. They become nearly equal: on our machine between 308 and 340. Each pixel then comes from the same kernel.
#
# </details>
#
# ## Sources
#
# * D. Ciresan et al., *Deep neural networks segment neuronal membranes in electron microscopy images*, NIPS 2012 (N4).
# * A. Giusti et al., *Fast image scanning with deep max-pooling convolutional neural networks*, ICIP 2013.
# * B. Hariharan et al., *Hypercolumns for object segmentation and fine-grained localization*, CVPR 2015.
# * V. Badrinarayanan, A. Kendall, R. Cipolla, *SegNet*, IEEE TPAMI 2017.
# * H. Zhao et al., *Pyramid scene parsing network*, CVPR 2017.
# * K. He et al., *Identity mappings in deep residual networks*, ECCV 2016.
# * G. Lin et al., *RefineNet*, CVPR 2017.
# * L.-C. Chen et al., *Rethinking atrous convolution for semantic image segmentation*, 2017 (v3, figure 3: going deeper), and *Encoder-decoder with atrous separable convolution*, ECCV 2018 (v3+).
# * K. Sun et al., *High-resolution representations for labeling pixels and regions*, 2019; J. Wang et al., IEEE TPAMI 2021 (HRNet).

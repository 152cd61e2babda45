# %% [markdown]
# # Exercises 05 · From fully connected to fully convolutional
#
# You turn fully connected layers into convolutions, first on paper, then by program, write the 1×1 convolution as one matrix product, work out the size of the score map for any input, and find the
# rows that a score sees. You need lecture 05. Write in the cells that say `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

rng = np.random.default_rng(5)

# Layers are listed as (kernel size, stride, padding, round_up). These are the convolutional AlexNet of the lecture, and
# that of the authors of the method, whose first layer has no padding and whose poolings round sizes up.
ALEXNET = [(11, 4, 2, False), (3, 2, 0, False), (5, 1, 2, False), (3, 2, 0, False), (3, 1, 1, False), (3, 1, 1, False),
           (3, 1, 1, False), (3, 2, 0, False), (6, 1, 0, False), (1, 1, 0, False), (1, 1, 0, False)]
AUTHORS = [(11, 4, 0, False), (3, 2, 0, True), (5, 1, 2, False), (3, 2, 0, True), (3, 1, 1, False), (3, 1, 1, False),
           (3, 1, 1, False), (3, 2, 0, True), (6, 1, 0, False), (1, 1, 0, False), (1, 1, 0, False)]

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks and the figures need
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from segedu import compare, figures
from segedu.data.photographs import as_chw, photograph

figures.use_style()


def derivatives(weight, sizes, order):
    """PyTorch's layer on a flattened map, differentiated: the weight that each number of the map meets, M×C×H×W."""
    axes = ["CHW".index(letter) for letter in order]
    layer = torch.from_numpy(weight)
    empty = torch.zeros(sizes, dtype=layer.dtype)
    return torch.autograd.functional.jacobian(lambda x: F.linear(x.permute(axes).flatten(), layer), empty).numpy()


def check_kernel(weight, sizes, order):
    """Compare fc_to_conv with what the fully connected layer does."""
    right = derivatives(weight, sizes, order)
    hints = [("the weights in the order in which they come: in another order than CHW the axes have to be moved",
              derivatives(weight, sizes, "CHW"))]
    if len(set(sizes)) == 1:
        back = {"HWC": "WCH", "WCH": "HWC"}.get(order, order)
        hints += [
            ("the weights with the axes moved the wrong way round: transpose wants, for each axis of the result, its place now",
             derivatives(weight, sizes, back)),
            ("the kernels with rows and columns swapped", right.swapaxes(2, 3)),
        ]
    axes = ("output", "channel", "kernel row", "kernel column")
    return compare.arrays(fc_to_conv(weight, sizes, order), right, name="fc_to_conv", hints=hints, axes=axes).check()


def check_conv1x1(x, weight, bias, stride):
    """Compare conv1x1 with PyTorch's conv2d; knows how pictures and channels get mixed up."""
    maps, kernels, frame = (torch.from_numpy(a) for a in (x, weight, bias))
    seen = maps[:, :, ::stride[0], ::stride[1]]
    mixed = seen.reshape(seen.shape[1], len(seen), *seen.shape[2:]).movedim(0, 1)

    def mixed_out(y, biased):
        y = F.conv2d(y, kernels, frame if biased else None)
        y = y.movedim(1, 0).reshape(y.shape)
        return y if biased else y + frame[:, None, None]

    hints = [("the maps with pictures and channels mixed up on the way in: before x becomes a matrix, its channels have to be the first axis",
              F.conv2d(mixed, kernels, frame))]
    for biased in (True, False):
        hints += [
            ("the maps with pictures and channels mixed up on the way out: the product has its channels first, then come the pictures",
             mixed_out(seen, biased)),
            ("the maps with pictures and channels mixed up on the way in and on the way out: move the axis of the channels before you reshape",
             mixed_out(mixed, biased)),
        ]
    hints = [(text, tensor.numpy()) for text, tensor in hints]
    context = {"operator": "conv2d", "args": (x, weight, bias, stride), "reference": F.conv2d}
    right = F.conv2d(maps, kernels, frame, stride).numpy()
    got = conv1x1(x, weight, bias, stride)
    return compare.arrays(got, right, length=x.shape[1], name="conv1x1", hints=hints, context=context).check()


def windows(size, layers):
    """How many windows PyTorch finds, layer by layer: (k, s, padding before, padding after, round_up)."""
    y = torch.empty(1, 1, *size, device="meta")  # shapes without numbers
    for k, s, before, after, round_up in layers:
        y = F.max_pool2d(F.pad(y, (before, after) * 2), k, s, ceil_mode=round_up)
    return tuple(y.shape[2:])


def true_size(size, layers):
    """The size that PyTorch's layers give."""
    return windows(size, [(k, s, p, p, round_up) for k, s, p, round_up in layers])


def size_hints(size, layers):
    """Sizes as typical slips give them."""
    slips = {
        "the sizes with every layer rounded down: layers with round_up round up": lambda k, s, p, up: (k, s, p, p, False),
        "the sizes with every layer rounded up: only layers with round_up are": lambda k, s, p, up: (k, s, p, p, True),
        "the sizes with a window more for every round_up: 4/2 is 2, rounded down or up": lambda k, s, p, up: (k, s, p, p + s * up, False),
        "the size divided by the strides: count windows instead": lambda k, s, p, up: (s, s, 0, 0, False),
        "the sizes without the padding": lambda k, s, p, up: (k, s, 0, 0, up),
        "the sizes with padding on one side only: it is added on both": lambda k, s, p, up: (k, s, p, 0, up),
        "the sizes with the number of steps for each layer: there is one window more": lambda k, s, p, up: (k + s, s, p, p, up),
    }
    hints = [("the sizes with rows and columns exchanged", true_size(size, layers)[::-1])]
    for text, slip in slips.items():
        try:
            hints.append((text, windows(size, [slip(*layer) for layer in layers])))
        except RuntimeError:  # a map too small
            hints.append((text, (0, 0)))
    return hints


def granted(size, layers):
    """What score_map_size says of a picture that is large enough."""
    try:
        got = score_map_size(size, layers)
    except ValueError as error:
        raise AssertionError(
            f"{size[0]}×{size[1]} is large enough for all layers, also where there is room for exactly one window. "
            f"Or is a size before it wrong? Section 9 of the lecture prints those of AlexNet for 224. Your function raised ValueError: {error}"
        ) from None
    if np.asarray(got).dtype.kind == "f":
        whole = np.equal(got, np.round(got)).all()
        raise AssertionError(
            f"{size[0]}×{size[1]} gave {tuple(map(float, got))}: "
            + ("a size is an int, and these are floats. `//` keeps ints, `int(…)` makes them" if whole else "each layer rounds its fraction")
        )
    return got


def check_sizes(cases):
    """Compare score_map_size with PyTorch on pairs of size and layers."""
    got, right = (np.array([function(*case) for case in cases]) for function in (granted, true_size))
    slips = [size_hints(*case) for case in cases]
    hints = [(name, np.array([dict(slip)[name] for slip in slips])) for name, _ in slips[0]]
    return compare.arrays(got, right, name="sizes", hints=hints, axes=("case", "axis")).check()


def check_refused(size, layers, number):
    """score_map_size has to refuse the size, and to name the layer that has no room."""
    where = f"{size[0]}×{size[1]} through {'ALEXNET' if layers == ALEXNET else layers}"
    try:
        got = score_map_size(size, layers)
    except ValueError as error:
        told = str(error)
        assert f"layer {number}" in told.lower(), f"{where}: ValueError is right, but its message has to name layer {number}. It says: {told}"
    else:
        raise AssertionError(f"{where}: layer {number} has no room for a window, so a ValueError is due. The answer was {got}")


def network(length):
    """Layers as they occur: windows that overlap or touch, padding up to half a window, some poolings that round up."""
    layers = []
    for _ in range(length):
        k = int(rng.integers(1, 6))
        s, up = int(rng.integers(1, min(k, 3) + 1)), bool(k > 1 and rng.random() < 0.5)
        layers.append((k, s, 0 if up else int(rng.integers(0, k // 2 + 1)), up))
    return layers


def measured(i, layers):
    """The first and last row whose gradient from score i is not 0, measured in the middle of a tall picture."""
    picture = torch.zeros(1, 1, 6000, dtype=torch.float64, requires_grad=True)
    y = picture
    for k, s, p, _ in layers:
        y = F.conv1d(y, torch.ones(1, 1, k, dtype=torch.float64) / k, stride=s, padding=p)
    middle = y.shape[2] // 2
    ends = []
    for j in (middle, middle + 1):
        (gradient,) = torch.autograd.grad(y[0, 0, j], picture, retain_graph=True)
        rows = gradient[0, 0].nonzero()[:, 0]
        ends.append((int(rows[0]), int(rows[-1])))
    step = ends[1][0] - ends[0][0]
    return tuple(end + (i - middle) * step for end in ends[0])


def row_hints(i, layers):
    """First and last rows as typical slips give them."""
    first, last = measured(i, layers)
    width = last - first
    kernels, strides, paddings, _ = zip(*layers, strict=True)
    without, _ = measured(i, [(k, s, 0, False) for k, s, _, _ in layers])
    beyond = int(np.dot(paddings, np.cumprod(strides)))
    late = [(1, strides[0], 0, False), *zip(kernels, [*strides[1:], 1], paddings, [False] * len(layers), strict=True)]
    return [
        ("the first row and the one after the last: the last row is the last that is seen", (first, last + 1)),
        ("the rows with the padding left out", (without, without + width)),
        ("the rows with padding left out of the last row: it moves both rows", (first, without + width)),
        ("the rows with padding added up as it is: a place of padding is as wide as the step there",
         (without - sum(paddings), without - sum(paddings) + width)),
        ("the rows with the step multiplied by a layer's stride before its padding is counted: the padding comes first",
         (without - beyond, without - beyond + width)),
        ("the rows with the step multiplied by a layer's stride before its kernel is counted: the kernel comes first",
         measured(i, late)),
        ("the rows with windows of k + 1 places: the last place of a window comes k − 1 after its first",
         measured(i, [(k + 1, s, p, False) for k, s, p, _ in layers])),
        ("the rows with kernel sizes added up without the step", (first, first + sum(kernels) - len(kernels))),
        ("the rows with the layers in the wrong order: forward begins at the first layer, backward at the last",
         measured(i, layers[::-1])),
        ("the rows cut off at the edge of the picture: rows below 0 are meant as well", (max(first, 0), last)),
        ("the rows of score 0: the field moves on by the step for every score", measured(0, layers)),
    ]


def check_rows(cases):
    """Compare rows_seen with the measured rows on pairs of score and layers."""
    got, right = (np.array([function(*case) for case in cases]) for function in (rows_seen, measured))
    slips = [dict(row_hints(*case)) for case in cases]
    hints = [(name, np.array([slip[name] for slip in slips])) for name in slips[0]]
    hints = [hint for hint in hints if sum(np.array_equal(hint[1], other) for _, other in hints) == 1]  # those that tell
    return compare.arrays(got, right, name="rows", hints=hints, axes=("case", "number")).check()

# %% [markdown]
# ## 1 · Shapes by hand (3 points)
#
# A network that classifies has a last feature map of 128 channels, 5 rows and 7 columns. The map is flattened, and two fully connected layers follow: the first gives 500 numbers, the second makes 21 scores
# of them. Both become convolutions that do the same. Which shapes do their weights have, as (outputs, channels, rows, columns)? And how many parameters, weights and biases together, has the first? Write
# `first = …` and `second = …`, four numbers each in brackets, and `parameters = …`. Let Python multiply if you like.
#
# Example: a map of 2 channels, 2 rows and 3 columns, flattened, and one layer of 4 outputs, as in section 3 of the lecture: the weight is (4, 2, 2, 3), and there are 52 parameters.

# %% segedu={"role": "answer", "question": "shapes"}
### BEGIN SOLUTION
first = (500, 128, 5, 7)
second = (21, 500, 1, 1)
parameters = 500 * 128 * 5 * 7 + 500
### END SOLUTION

# %% segedu={"role": "check", "question": "shapes", "points": 1}
# the weight of the first layer
last_map = torch.empty(128, 5, 7, device="meta")  # shapes without numbers
assert len(first) == 4, "a weight has four axes: outputs, channels, rows, columns. What the layer gives has three"
assert first[0] == 500, "the outputs come first: how many numbers does the layer give?"
assert first[1] == len(last_map), "not right: the layer saw all channels of the map, and no others"
assert tuple(first[2:]) != (1, 1), "a kernel of 1×1 sees one place of the map; this layer saw the whole map at once"
assert tuple(first[2:]) != last_map.mT.shape[1:], "rows and columns are swapped: rows come first"
assert tuple(first[2:]) == last_map.shape[1:], "rows and columns are not right: the kernel is as large as the map"
print("the weight of the first layer is right")

# %% segedu={"role": "check", "question": "shapes", "points": 1}
# the weight of the second layer
layer = torch.nn.Linear(500, 21, device="meta")
assert len(second) == 4, "a weight has four axes: outputs, channels, rows, columns. What the layer gives has three"
assert tuple(second[:2]) != layer.weight.T.shape, "outputs and channels are swapped: the outputs come first"
assert second[0] == layer.out_features, "the outputs come first: how many scores does the layer give?"
assert second[1] != 128, "that is the number of channels of the map; the second layer sees what the first one gives"
assert tuple(second[2:]) != (5, 7), "5×7 is the map before the first layer; the first one leaves a single place of it"
assert second[1] == layer.in_features, "the channels are not right: how many numbers come in from the first layer?"
assert np.prod(second) == layer.weight.numel(), "rows and columns are not right: how large is the map that the first layer gives?"
print("the weight of the second layer is right")

# %% segedu={"role": "check", "question": "shapes", "points": 1}
# the parameters of the first layer
layer = torch.nn.Linear(128 * 5 * 7, 500, device="meta")  # as many as before: only their shape is another
assert parameters != layer.weight.numel(), "those are the weights alone: there is a bias for every output"
assert parameters != layer.weight.numel() + 1, "one bias in all? There is a bias for every output"
assert parameters != 500 * 128 + 500, "those are the parameters of kernels of 1×1"
assert parameters == sum(a.numel() for a in layer.parameters()), "not right: how many numbers has the shape of the weight?"
print("the number of parameters is right")

# %% [markdown]
# ## 2 · From a matrix to kernels (4 points)
#
# `fc_to_conv(weight, sizes, order)` takes the weight of a fully connected layer, M×(C·H·W), and returns that of the convolution that does the same, M×C×H×W. `sizes` is (C, H, W).
# The map was flattened in an order that the string `order` tells: its last letter moves fastest.
#
# * "CHW" is the order of the lecture: channel by channel, in a channel row by row.
# * "HWC" goes row by row, in a row pixel by pixel, and takes all channels of a pixel together.
# * Any of the six orders of these three letters may come.
#
# Example: `sizes` (2, 1, 3) and `order` "HWC". A row of the weight, 1 2 3 4 5 6, becomes a kernel of two channels, with 1 3 5 in channel 0 and 2 4 6 in channel 1.
#
# <details><summary>Hint 1</summary>In the order "CHW" a reshape does it. In another one, reshape to the three lengths in the order in which they come; then move the axes.</details>
# <details><summary>Hint 2</summary>With `length = dict(zip("CHW", sizes))`, `length[letter]` is the length of an axis. Take them letter by letter from `order`.</details>
# <details><summary>Hint 3</summary>`transpose` wants for each axis of the result the place where it stands now. `order.index("C")` is where the channels stand, plus 1 for the outputs in front.</details>

# %% segedu={"role": "answer", "question": "fc_to_conv"}
def fc_to_conv(weight, sizes, order):
    """weight: M×(C·H·W), sizes: C, H, W, order: such as "HWC". Returns M×C×H×W."""
    ### BEGIN SOLUTION
    length = dict(zip("CHW", sizes, strict=True))
    kernels = weight.reshape(len(weight), *(length[letter] for letter in order))
    return kernels.transpose(0, *(1 + order.index(letter) for letter in "CHW"))
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "fc_to_conv"}
# Figure: a detector of red discs, flattened with channels last, on a whole photograph
coffee = as_chw(photograph("coffee", size=(96, 144)))[None]
offset = np.arange(15) - 7
disc = offset[:, None] ** 2 + offset**2 <= 49
row = (disc[..., None] * np.array([1.0, -1.0, 0.0]) / disc.sum()).reshape(1, -1).astype(np.float32)
try:
    pair = [function(row, (3, 15, 15), "HWC") for function in (fc_to_conv, derivatives)]
    maps = [F.conv2d(torch.from_numpy(coffee), torch.from_numpy(kernel.copy()))[0, 0] for kernel in pair]
    pictures = [coffee[0].transpose(1, 2, 0), *(np.clip(1.5 * z.numpy(), 0, 1) for z in maps)]
    fig = figures.images_row(pictures, ["photograph", "score map of your kernel", "as it should be"])
    figures.show(fig, alt="A cup on a red saucer; the score map of your kernel, and as it should be, bright on the saucer.")
except NotImplementedError:
    print("Write the answer first; then this cell shows it on a photograph.")

# %% segedu={"role": "check", "question": "fc_to_conv", "points": 1}
# the order of the lecture
check_kernel(rng.standard_normal((4, 24)).astype(np.float32), (2, 3, 4), "CHW")

# %% segedu={"role": "check", "question": "fc_to_conv", "points": 1}
# the example, with two rows of weights
check_kernel(np.arange(1.0, 13).reshape(2, 6), (2, 1, 3), "HWC")

# %% segedu={"role": "hidden", "question": "fc_to_conv", "points": 1}
# every order, sizes that differ
for order in ("HWC", "WHC", "CWH", "WCH", "HCW", "CHW"):
    sizes = tuple(int(n) for n in rng.permutation([2, 3, 5]))
    check_kernel(rng.standard_normal((3, 30)), sizes, order)

# %% segedu={"role": "hidden", "question": "fc_to_conv", "points": 1}
# as many channels as rows and columns: the shapes do not tell
for order in ("HWC", "WCH", "CWH", "WHC", "HCW"):
    check_kernel(rng.standard_normal((2, 27)).astype(np.float32), (3, 3, 3), order)

# %% [markdown]
# ## 3 · 1×1: one matrix product (5 points)
#
# `conv1x1(x, weight, bias, stride)` takes maps of N×C×H×W, a weight of M×C×1×1 and M biases, and returns N×M×rows×columns in the dtype of x. The stride is a pair $(s, t)$:
#
# $$y_{noij} = b_o + \sum_c w_{oc}\; x_{\,n,\, c,\, is,\, jt}$$
#
# The lecture multiplied picture by picture, with a product of stacks. Here it shall be one product of two matrices: M×C times C×P, with a column for each of the P places of *all* pictures that are looked at.
# Write no loop; with loops over channels and pixels the last check takes longer than it may, 5 seconds.
#
# Example: x is one row of three pixels with two channels, 1 2 3 and 10 20 30; the weight is 2, 1; the bias 100; the stride (1, 2). The result is the row 112, 136.
#
# <details><summary>Hint 1</summary>Leave out first what is never looked at: a slice with steps. Rows and columns are then those of the slice.</details>
# <details><summary>Hint 2</summary>A reshape never moves numbers past each other. For a row for each channel, the channels have to be the first axis before you reshape: `np.moveaxis` or `swapaxes`.</details>
# <details><summary>Hint 3</summary>The product is M×P. Reshape it to M×N×rows×columns, and move the first axis back to where it belongs. Then the bias: `bias[:, None, None]`.</details>

# %% segedu={"role": "answer", "question": "conv1x1", "seconds": 5}
def conv1x1(x, weight, bias, stride):
    """x: N×C×H×W, weight: M×C×1×1, bias: M, stride: a pair. Returns N×M×rows×columns."""
    ### BEGIN SOLUTION
    s, t = stride
    seen = np.moveaxis(x[:, :, ::s, ::t], 1, 0)
    y = weight[:, :, 0, 0] @ seen.reshape(len(seen), -1)
    y = y.reshape(len(weight), *seen.shape[1:])
    return np.moveaxis(y, 0, 1) + bias[:, None, None]
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "conv1x1"}
# Figure: three weighted sums of the colours of two photographs
two = np.stack([as_chw(photograph(name, size=(96, 144))) for name in ("coffee", "chelsea")])
sums = np.array([[1 / 3, 1 / 3, 1 / 3], [1, -1, 0], [1 / 2, 1 / 2, -1]], np.float32)[:, :, None, None]
shift = np.array([0, 0.2, 0.2], np.float32)
try:
    target = F.conv2d(*(torch.from_numpy(a) for a in (two, sums, shift)), stride=2).numpy()
    both = conv1x1(two, sums, shift, (2, 2)), target
    titles = [f"{whose} {name}" for whose in ("yours:", "PyTorch's:") for name in ("mean", "red − green", "yellow − blue")]
    rows = [np.concatenate(maps[:, k], axis=1) for maps in both for k in range(3)]
    fig = figures.images_row([np.clip(row, 0, 1) for row in rows], titles, columns=3, height=1.2)
    figures.show(fig, alt="A cup and a cat in grey: mean, red minus green, yellow minus blue; yours above, PyTorch's below.")
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "conv1x1", "points": 1}
# one picture, stride 1
x, weight, bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((1, 3, 4, 5), (4, 3, 1, 1), 4))
compare.with_torch(conv1x1, x, weight, bias, (1, 1), reference=F.conv2d).check()

# %% segedu={"role": "check", "question": "conv1x1", "points": 1}
# several pictures; then with every second column only
x, weight, bias = (rng.standard_normal(shape) for shape in ((2, 3, 4, 5), (4, 3, 1, 1), 4))
check_conv1x1(x, weight, bias, (1, 1))
check_conv1x1(x, weight, bias, (1, 2))

# %% segedu={"role": "hidden", "question": "conv1x1", "points": 1}
# strides, any size, several pictures
for stride in [(2, 1), (1, 3), (3, 2)]:
    shape = (3, 2, *rng.permutation(np.arange(5, 10))[:2])
    check_conv1x1(rng.standard_normal(shape), rng.standard_normal((5, 2, 1, 1)), rng.standard_normal(5), stride)

# %% segedu={"role": "hidden", "question": "conv1x1", "points": 1}
# as many outputs as inputs, float32: the weight must not be transposed, and the dtype stays
for channels in (3, 4):
    shape = (2, channels, *rng.permutation(np.arange(3, 8))[:2])
    x, weight, bias = (rng.standard_normal(z).astype(np.float32) for z in (shape, (channels, channels, 1, 1), channels))
    check_conv1x1(x, weight, bias, (1, 2))

# %% segedu={"role": "hidden", "question": "conv1x1", "points": 1}
# two larger maps of many channels: a matrix product, no loops over channels and pixels
x, weight, bias = (rng.standard_normal(z).astype(np.float32) for z in ((2, 48, 90, 120), (64, 48, 1, 1), 64))
check_conv1x1(x, weight, bias, (1, 1))

# %% [markdown]
# ## 4 · The size of the score map, for any input (4 points)
#
# `score_map_size(size, layers)` takes the size of a picture, a pair (rows, columns), and a list of layers, each (kernel size $k$, stride $s$, padding $p$, round_up), the same for rows and columns. It returns the
# size of the score map, such a pair. A layer turns $n$ rows into
#
# $$\frac{n + 2p - k}{s} + 1$$
#
# with the fraction rounded down, or up where round_up is True. (That is `ceil_mode` of lecture 02. Its exception never applies here: layers that round up have no padding, and their windows overlap or touch.)
# Where a layer gets a map so small that not one window fits into it, padding included, raise a `ValueError` whose message says which, such as *layer 3*, also if it rounds up. Layers are counted from 0.
#
# Example: 9×12 pixels. Layer 0, (3, 2, 1, False), makes 5×6 of them: the fractions are 8/2 and 11/2, rounded down 4 and 5. Layer 1, (2, 2, 0, True), makes 3×3 of these: 3/2 is rounded
# up to 2, and 4/2 is 2. With a third layer, (5, 1, 0, False), there is no size: *layer 2* has no room for a window of 5 rows.
#
# The setup cell holds two networks to try: for 500×500 the lecture found 9×9 for `ALEXNET` and 10×10 for `AUTHORS`.
#
# <details><summary>Hint 1</summary>Go from layer to layer and keep a size; the single formula of the lecture holds only where all layers round down.</details>
# <details><summary>Hint 2</summary>`a // s` rounds down. Rounding up is `-(-a // s)`.</details>
# <details><summary>Hint 3</summary>`for number, (k, s, p, round_up) in enumerate(layers)` counts the layers. A window fits where n + 2p − k is 0 or more.</details>

# %% segedu={"role": "answer", "question": "score_map_size"}
def score_map_size(size, layers):
    """size: (rows, columns), layers: a list of (k, s, p, round_up). Returns (rows, columns) of the score map."""
    ### BEGIN SOLUTION
    for number, (k, s, p, round_up) in enumerate(layers):
        rooms = [n + 2 * p - k for n in size]
        if min(rooms) < 0:
            raise ValueError(f"layer {number}: no room for a window of {k} on {size[0]}×{size[1]} with padding {p}")
        size = [(-(-room // s) if round_up else room // s) + 1 for room in rooms]
    return tuple(size)
    ### END SOLUTION

# %% segedu={"role": "check", "question": "score_map_size", "points": 1}
# the lecture's AlexNet: all layers round down
check_sizes([(size, ALEXNET) for size in [(224, 224), (480, 480), (500, 333), (223, 1000)]])

# %% segedu={"role": "check", "question": "score_map_size", "points": 1}
# the example, too small a picture, and the authors' AlexNet, whose poolings round up
three = [(3, 2, 1, False), (2, 2, 0, True), (5, 1, 0, False)]
check_refused((9, 12), three, 2)
check_sizes([((9, 12), three[:2]), *((size, AUTHORS) for size in [(500, 500), (227, 227), (333, 640)])])

# %% segedu={"role": "hidden", "question": "score_map_size", "points": 1}
# thirty networks and pictures
cases = [(tuple(int(n) for n in rng.integers(250, 500, 2)), network(int(rng.integers(2, 5)))) for _ in range(30)]
check_sizes(cases)

# %% segedu={"role": "hidden", "question": "score_map_size", "points": 1}
# room for exactly one window; a picture too small, along either axis, also where later padding or rounding up would hide it
check_sizes([((223, 223), ALEXNET), ((224, 254), ALEXNET)])
check_refused((300, 222), ALEXNET, 8)
check_refused((8, 300), ALEXNET, 1)
check_refused((11, 30), [(3, 2, 0, False), (6, 1, 0, False), (3, 1, 2, False)], 1)
check_refused((9, 2), [(3, 1, 1, False), (3, 2, 0, True)], 1)

# %% [markdown]
# ## 5 · The rows that a score sees (3 points)
#
# `rows_seen(i, layers)` returns the first and the last row of the picture that score $i$ (counted from 0) depends on. The layers are those of question 4; whether they round up does not matter here. Rows below 0
# or below the picture are padding; name them all the same.
#
# Example: layers (3, 2, 1, False) and (3, 1, 1, False). Score 0 sees places −1 to 1 of the map between the layers, and these see rows −3 to 3 of the picture: (−3, 3). Score 1 sees (−1, 5).
#
# <details><summary>Hint 1</summary>Section 12 of the lecture has r, t and e; section 13 says how the rows of a score follow from them.</details>
# <details><summary>Hint 2</summary>Or go backward, as the example does. Window i of a layer begins at place i · s − p and has k places. Which rows do the first and the last of several windows reach?</details>

# %% segedu={"role": "answer", "question": "rows_seen"}
def rows_seen(i, layers):
    """layers: a list of (k, s, p, round_up). Returns (first, last) row of the picture that score i sees."""
    ### BEGIN SOLUTION
    r, t, e = 1, 1, 0
    for k, s, p, _ in layers:
        r, e, t = r + (k - 1) * t, e + p * t, t * s
    return i * t - e, i * t - e + r - 1
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "rows_seen"}
# Figure: the field of score (7, 3) of AlexNet, yours and measured
try:
    fields = [[function(i, ALEXNET) for i in (7, 3)] for function in (rows_seen, measured)]
    fig, ax = plt.subplots(figsize=(4.6, 5.0), layout="constrained")
    ax.imshow(photograph("astronaut", size=480), extent=(0, 480, 480, 0))
    looks = [dict(ec="#D55E00", ls="-", label="yours"), dict(ec="#0072B2", ls=":", label="measured")]
    for ((top, bottom), (left, right)), look in zip(fields, looks, strict=True):
        ax.add_patch(plt.Rectangle((left, top), right + 1 - left, bottom + 1 - top, fill=False, lw=3, **look))
    ax.set(xlim=(-70, 550), ylim=(550, -70), facecolor="#DDDDDD", title="what score (7, 3) of AlexNet sees")
    fig.legend(loc="outside lower center", ncols=2)
    figures.show(fig, alt="A photograph with two frames: the field of a score, yours and measured.")
except NotImplementedError:
    print("Write the answer first; then this cell shows it on a photograph.")

# %% segedu={"role": "check", "question": "rows_seen", "points": 1}
# the example
check_rows([(i, [(3, 2, 1, False), (3, 1, 1, False)]) for i in (0, 1)])

# %% segedu={"role": "check", "question": "rows_seen", "points": 1}
# both AlexNets
check_rows([(i, layers) for i in (0, 3, 8) for layers in (ALEXNET, AUTHORS)])

# %% segedu={"role": "hidden", "question": "rows_seen", "points": 1}
# the lecture's network at the edge of the picture, and twelve others
others = [(int(rng.integers(0, 20)), network(int(rng.integers(2, 6)))) for _ in range(12)]
check_rows([(int(rng.integers(0, 3)), ALEXNET), *others])

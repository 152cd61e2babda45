# %% [markdown]
# # Exercises 04 · Transposed convolution
#
# You stamp on paper, write the transposed convolution, count where stamps overlap, choose a kernel that leaves no checkerboard, and build bilinear weights. You need lecture 04. Its programs had
# square kernels, and the same stride and padding for rows and columns; here kernels have any height and width, and the rest comes in pairs: (for rows, for columns). Write in the cells that say
# `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

rng = np.random.default_rng(4)

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks need
import torch
import torch.nn.functional as F
from segedu import compare, figures
from segedu.data.photographs import as_chw, photograph

figures.use_style()


def counted(size, kernel_size, stride, padding):
    """PyTorch's stamps of ones, on ones: how many touch each pixel."""
    ones = torch.ones(1, 1, *size, dtype=torch.float64), torch.ones(1, 1, *kernel_size, dtype=torch.float64)
    return F.conv_transpose2d(*ones, stride=stride, padding=padding)[0, 0].numpy().round().astype(np.int64)


def check_overlaps(size, kernel_size, stride, padding):
    """Compare overlap_map with PyTorch's stamps."""
    right = counted(size, kernel_size, stride, padding)
    rows, columns = (counted((n, 1), (k, 1), (s, 1), (p, 0))[:, 0]
                     for n, k, s, p in zip(size, kernel_size, stride, padding, strict=True))
    every = kernel_size[0] // stride[0] * (kernel_size[1] // stride[1])
    hints = [
        ("the sum of the counts of row and column: each touch in one meets each in the other, a product", rows[:, None] + columns),
        ("a count of 1 wherever a stamp touches: count every stamp (+=)", np.minimum(right, 1)),
        ("k // s everywhere: at the edges stamps are missing", np.full_like(right, every)),
    ]
    return compare.arrays(overlap_map(size, kernel_size, stride, padding), right, name="overlap_map", hints=hints).check()


def stamp(*stride):
    """PyTorch's bilinear enlargement of a single 1: the weights that it was blended with."""
    single = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    single[..., 2, 2] = 1
    large = F.interpolate(single, scale_factor=stride, mode="bilinear", align_corners=False)[0, 0].numpy()
    rows, columns = (slice(2 * s - s // 2, 2 * s - s // 2 + 2 * s - s % 2) for s in stride)
    return large[rows, columns]


def moved_stamp(*stride):
    """The same with the 1 on a pixel, where `align_corners=True` puts it, not between two."""
    single = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    single[..., 1, 1] = 1
    size = [2 * s + 1 for s in stride]
    large = F.interpolate(single, size, mode="bilinear", align_corners=True)[0, 0].numpy()
    return large[stride[0] % 2 : -1, stride[1] % 2 : -1]


def wide_stamp(height, width):
    """The middle of a stamp that is made for a stride as large as the kernel."""
    rows, columns = (slice(k // 2, k // 2 + k) for k in (height, width))
    return stamp(height, width)[rows, columns]


def check_weight(channels, stride):
    """Compare bilinear_weight with PyTorch's bilinear enlargement."""
    one = stamp(*stride)
    diagonal = np.eye(channels)[:, :, None, None]
    sizes = one.shape
    moved, wide = moved_stamp(*stride), wide_stamp(*sizes)
    hints = [
        ("the stamp between all channels: between different ones every weight is 0", np.broadcast_to(one, (channels, channels, *sizes))),
        ("weights around the centre k // 2: the centre of 0 … k − 1 is (k − 1) / 2", moved * diagonal),
        ("weights that fall off over k pixels: divide the distance by the stride", wide * diagonal),
        ("weights that add up to 1 in all: here they add up to 1 in each phase", one / one.sum() * diagonal),
    ]
    hints = [(text, array.astype(np.float32)) for text, array in hints]
    right = (one * diagonal).astype(np.float32)
    axes = ("input channel", "output channel", "kernel row", "kernel column")
    got = bilinear_weight(channels, stride)
    return compare.arrays(got, right, name="bilinear_weight", hints=hints, axes=axes).check()

# %% [markdown]
# ## 1 · Stamps by hand (2 points)
#
# The input is the row 2, 5, 1, the kernel the row 1, 3, 2, 4, the stride 3, the padding 1. How many numbers has the output, and which is its number 5 (counted from 0)? Write
# `length, number = …`.

# %% segedu={"role": "answer", "question": "stamps"}
### BEGIN SOLUTION
length, number = 8, 21
### END SOLUTION

# %% segedu={"role": "check", "question": "stamps", "points": 1}
# the length of the output
x, w = torch.tensor([[[2.0, 5.0, 1.0]]]), torch.tensor([[[1.0, 3.0, 2.0, 4.0]]])
right = F.conv_transpose1d(x, w, stride=3, padding=1)[0, 0]
assert length != len(right) + 2, "that is the canvas: padding 1 cuts one number off at either end"
assert length != len(right) + 4, "padding cuts off; it does not make the output larger"
assert length == len(right), "the length is not right: where does the last stamp begin, and how long is it?"
print("the length is right")

# %% segedu={"role": "check", "question": "stamps", "points": 1}
# one number of the output
canvas = F.conv_transpose1d(x, w, stride=3)[0, 0]
assert number != canvas[5], "that is number 5 of the canvas: where the first is cut off, the others move up"
alone = x[0, 0, 2] * w[0, 0, 0], x[0, 0, 1] * w[0, 0, 3]
assert number not in alone, "only one stamp: two stamps touch this number, and they add up"
flipped = F.conv_transpose1d(x, w.flip(2), stride=3, padding=1)[0, 0]
assert number != flipped[5], "that is the kernel flipped: a stamp is laid down as it is"
assert number == right[5], "the number is not right: write the three stamps below each other, three places apart"
print("the number is right")

# %% [markdown]
# ## 2 · Transposed convolution (6 points)
#
# `conv_transpose2d(x, weight, bias, stride, padding, output_padding)` takes pictures of N×C×H×W, weights of C×M×h×w (input channels first) and M biases, and returns
# N×M×rows×columns in the dtype of x. With $(s, t)$ the stride, every input number stamps the kernel on a canvas of zeros,
#
# $$y_{\,n,\; m,\; is + a,\; jt + b} \mathrel{{+}{=}} x_{ncij}\, w_{cmab}$$
#
# The canvas has $(H-1)\,s + h + o$ rows, with $o$ the output padding for rows, and likewise columns. From it `padding[0]` rows are cut off above and below, `padding[1]` columns left and right; then the
# bias is added to every pixel.
#
# Example: x is one row 1, 2, the kernel one row 1, 10, 100, stride (1, 2), bias 0: the result is 1, 10, 102, 20, 200; with padding (0, 1) it is 10, 102, 20.
#
# <details><summary>Hint 1</summary>The canvas first: zeros of the right shape and dtype. How many channels has it?</details>
# <details><summary>Hint 2</summary>Element (a, b) of all stamps at once is one slice of the canvas, with steps: `canvas[:, :, a : a + s * H : s, b : b + t * W : t]`.</details>
# <details><summary>Hint 3</summary>What is added there: `np.einsum("ncij,cm->nmij", x, weight[:, :, a, b])`. When you cut, mind that `p : -p` is empty where p is 0.</details>

# %% segedu={"role": "answer", "question": "conv_transpose2d"}
def conv_transpose2d(x, weight, bias, stride, padding, output_padding):
    """x: N×C×H×W, weight: C×M×h×w, bias: M; the rest are pairs. Returns N×M×rows×columns."""
    ### BEGIN SOLUTION
    (s, t), (top, left), (h, w) = stride, padding, weight.shape[2:]
    rows, columns = x.shape[2:]
    height = (rows - 1) * s + h + output_padding[0]
    width = (columns - 1) * t + w + output_padding[1]
    canvas = np.zeros((len(x), weight.shape[1], height, width), x.dtype)
    for a in range(h):
        for b in range(w):
            element = canvas[:, :, a : a + s * rows : s, b : b + t * columns : t]
            element += np.einsum("ncij,cm->nmij", x, weight[:, :, a, b])
    return canvas[:, :, top : height - top, left : width - left] + bias[:, None, None]
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "conv_transpose2d"}
# Figure: a photograph enlarged by random stamps of 3×3 and stride 2
small = as_chw(photograph("camera", size=(48, 48)))[None, :1]
weight = np.random.default_rng(0).uniform(0.5, 1.5, (1, 1, 3, 3)).astype(np.float32)
settings = np.zeros(1, np.float32), (2, 2), (1, 1), (1, 1)
try:
    yours = conv_transpose2d(small, weight, *settings)[0, 0]
    target = F.conv_transpose2d(*(torch.from_numpy(a) for a in (small, weight, settings[0])), *settings[1:])[0, 0]
    pictures = [small[0, 0], yours / yours.max(), (target / target.max()).numpy()]
    fig = figures.images_row(pictures, ["48×48 pixels", "yours", "PyTorch's"])
    figures.show(fig, alt="A small photograph; enlarged, with a grid over it, by your function and by PyTorch's.")
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "conv_transpose2d", "points": 1}
# one channel, stride 2, stamps that overlap
x, weight, bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((1, 1, 3, 4), (1, 1, 3, 3), 1))
compare.with_torch(conv_transpose2d, x, weight, bias, (2, 2), (0, 0), (0, 0), reference=F.conv_transpose2d).check()

# %% segedu={"role": "check", "question": "conv_transpose2d", "points": 1}
# several channels, padding and output padding
x, weight, bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 3, 4, 4), (3, 2, 3, 3), 2))
compare.with_torch(conv_transpose2d, x, weight, bias, (2, 2), (1, 1), (1, 1), reference=F.conv_transpose2d).check()

# %% segedu={"role": "hidden", "question": "conv_transpose2d", "points": 2}
# kernels, strides and paddings that differ between rows and columns, any size
for (h, w), stride, padding, more in [((3, 2), (1, 2), (2, 0), (0, 1)), ((4, 3), (3, 2), (0, 1), (1, 0)), ((2, 5), (2, 1), (1, 2), (0, 0))]:
    x = rng.standard_normal((2, 3, *rng.permutation(np.arange(4, 9))[:2]))
    weight, bias = rng.standard_normal((3, 4, h, w)), rng.standard_normal(4)
    compare.with_torch(conv_transpose2d, x, weight, bias, stride, padding, more, reference=F.conv_transpose2d).check()

# %% segedu={"role": "hidden", "question": "conv_transpose2d", "points": 2}
# as many input as output channels, and holes between the stamps
x = rng.standard_normal((1, 3, *rng.permutation(np.arange(4, 9))[:2]))
for stride, padding in [((1, 1), (1, 0)), ((3, 4), (0, 1))]:
    weight, bias = rng.standard_normal((3, 3, 2, 3)), rng.standard_normal(3)
    compare.with_torch(conv_transpose2d, x, weight, bias, stride, padding, (0, 0), reference=F.conv_transpose2d).check()

# %% [markdown]
# ## 3 · Counting overlaps (4 points)
#
# `overlap_map(size, kernel_size, stride, padding)` takes four pairs (rows, columns) and returns an array in int64: how many stamps touch each pixel of the result, that is of the canvas
# after padding has been cut off. `size` is that of the input.
#
# Example: size (1, 4), kernel (1, 3), stride (1, 2), padding (0, 1). The counts on the canvas are 1 1 2 1 2 1 2 1 1, so the result is the one row 1 2 1 2 1 2 1.
#
# <details><summary>Hint 1</summary>Count along one axis first. The stamp of pixel i covers the places i · s up to i · s + k, without the last.</details>
# <details><summary>Hint 2</summary>In two dimensions a stamp touches a pixel if it touches its row and its column. So the count is a product: `np.outer`.</details>

# %% segedu={"role": "answer", "question": "overlap_map"}
def overlap_map(size, kernel_size, stride, padding):
    """All arguments are pairs (rows, columns). Returns how many stamps touch each pixel, int64."""
    ### BEGIN SOLUTION
    counts = []
    for n, k, s, p in zip(size, kernel_size, stride, padding, strict=True):
        row = np.zeros((n - 1) * s + k, np.int64)
        for i in range(n):
            row[i * s : i * s + k] += 1
        counts.append(row[p : len(row) - p])
    return np.outer(*counts)
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "overlap_map"}
# Figure: your counts beside PyTorch's
try:
    pair = [count((5, 5), (3, 4), (2, 2), (1, 1)) for count in (overlap_map, counted)]
    titles = ["yours: kernel 3×4, stride 2, padding 1", "PyTorch's"]
    fig = figures.arrays_row(pair, titles=titles, share_scale=True, cell=0.4)
    figures.show(fig, alt="Two maps of counts: yours and PyTorch's.")
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "overlap_map", "points": 1}
# the example, and a square
check_overlaps((1, 4), (1, 3), (1, 2), (0, 1))
check_overlaps((3, 3), (3, 3), (2, 2), (0, 0))

# %% segedu={"role": "check", "question": "overlap_map", "points": 1}
# rows and columns that differ
check_overlaps((3, 4), (4, 3), (2, 3), (1, 0))

# %% segedu={"role": "hidden", "question": "overlap_map", "points": 2}
# stamps larger than the input; any size, padding, and holes between the stamps
check_overlaps((2, 3), (5, 8), (1, 2), (1, 0))
for _ in range(4):
    size, kernel_size, stride = (tuple(int(n) for n in rng.integers(*limits, 2)) for limits in ((2, 7), (1, 6), (1, 5)))
    check_overlaps(size, kernel_size, stride, tuple(int(rng.integers(0, (k + 1) // 2)) for k in kernel_size))

# %% [markdown]
# ## 4 · A kernel without a checkerboard (3 points)
#
# A layer is to enlarge by 5: of 12×12 pixels it makes exactly 60×60, with stride 5, a square kernel, and no output padding. Its stamps shall overlap, so the kernel is larger than 5. Away from the
# edges every pixel shall be touched equally often. Choose kernel and padding, on paper: `kernel_size, padding = …`, two numbers. Your `overlap_map` may help to test them.

# %% segedu={"role": "answer", "question": "choose"}
### BEGIN SOLUTION
kernel_size, padding = 15, 5
### END SOLUTION

# %% segedu={"role": "check", "question": "choose", "points": 1}
# stamps overlap, and the size is exactly 60×60
assert np.ndim(kernel_size) == np.ndim(padding) == 0, "write two numbers: rows and columns have the same"
assert all(number == int(number) and number >= 0 for number in (kernel_size, padding)), "both must be whole numbers"
assert kernel_size > 5, "the stamps do not overlap: the kernel must be larger than the stride"
assert kernel_size < 60, "as large as the whole result: there are much smaller kernels"
assert 2 * padding < 12 * 5, "so much padding leaves nothing"
rows = counted((12, 12), (int(kernel_size),) * 2, (5, 5), (int(padding),) * 2).shape[0]
assert rows == 60, f"12 rows become {rows}, not 60: k and p must fit together, see the formula of section 4 of the lecture"
print("kernel and padding give 60×60 pixels")

# %% segedu={"role": "check", "question": "choose", "points": 2}
# stamps overlap, and away from the edges every pixel is touched equally often
assert np.ndim(kernel_size) == np.ndim(padding) == 0, "write two numbers: rows and columns have the same"
assert kernel_size > 5, "the stamps do not overlap: the kernel must be larger than the stride"
assert kernel_size < 60, "as large as the whole result: there are much smaller kernels"
counts = counted((40, 1), (int(kernel_size), 1), (5, 1), (0, 0))[80:105, 0]
some = " ".join(map(str, counts[:10]))
assert counts.min() == counts.max(), f"counts along a row, far from the edges: {some} … That is a checkerboard"
print("every pixel is touched equally often")

# %% [markdown]
# ## 5 · Bilinear weights (4 points)
#
# `bilinear_weight(channels, stride)` returns the weight of a transposed convolution that enlarges every channel by bilinear interpolation, by the two factors of the pair `stride`. It has the
# shape channels × channels × k × l in float32. Along each axis, with $s$ the stride for that axis,
#
# $$w_a = 1 - \frac{|a - a_0|}{s}, \qquad a_0 = \frac{k - 1}{2}, \qquad k = 2s - (s \bmod 2)$$
#
# and in the plane the weight is the product of both. No channel sees another: between different channels all weights are 0.
#
# Example: one channel, stride (2, 1): k is 4 and l is 1, and the weights are ¼, ¾, ¾, ¼ below each other.
#
# <details><summary>Hint 1</summary>One axis first: `np.arange(k)`, the distance to the centre, and the formula. Then `np.outer`.</details>
# <details><summary>Hint 2</summary>Zeros of the whole shape; then `weight[c, c] = …` for each channel.</details>

# %% segedu={"role": "answer", "question": "bilinear_weight"}
def bilinear_weight(channels, stride):
    """stride: a pair. Returns channels×channels×k×l, float32."""
    ### BEGIN SOLUTION
    tents = []
    for s in stride:
        k = 2 * s - s % 2
        tents.append(1 - np.abs(np.arange(k) - (k - 1) / 2) / s)
    weight = np.zeros((channels, channels, len(tents[0]), len(tents[1])), np.float32)
    for c in range(channels):
        weight[c, c] = np.outer(*tents)
    return weight
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "bilinear_weight"}
# Figure: a photograph enlarged by 4 with your weights
small = torch.from_numpy(as_chw(photograph("coffee", size=(24, 36)))[None])
try:
    weight = torch.from_numpy(np.asarray(bilinear_weight(3, (4, 4)), np.float32))
    yours = F.conv_transpose2d(small, weight, stride=4, padding=2)
    target = F.interpolate(small, scale_factor=4, mode="bilinear", align_corners=False)
    pictures = [z[0].clamp(0, 1).numpy().transpose(1, 2, 0) for z in (small, yours, target)]
    fig = figures.images_row(pictures, ["24×36 pixels", "with your weights", "PyTorch's interpolation"])
    alt = "A cup of coffee in large pixels; smooth with your weights, dark at the edge; smooth by interpolation."
    figures.show(fig, alt=alt)
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "bilinear_weight", "points": 1}
# one channel: the FCN's kernel of 4×4, and the example
check_weight(1, (2, 2))
check_weight(1, (2, 1))

# %% segedu={"role": "check", "question": "bilinear_weight", "points": 1}
# two channels
check_weight(2, (2, 2))

# %% segedu={"role": "hidden", "question": "bilinear_weight", "points": 2}
# odd strides, and rows and columns that differ
for channels, stride in zip(rng.permutation([1, 2, 3]), [(3, 3), (2, 5), (int(rng.integers(3, 9)), 2)], strict=True):
    check_weight(int(channels), stride)

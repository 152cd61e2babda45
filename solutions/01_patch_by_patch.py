# %% [markdown]
# # Exercises 01 · Patch by patch
#
# You compute a convolution on paper, then its output size, then write it for whole arrays, and at last its three gradients. You need lecture 01. Its programs had square kernels, and the same
# stride and padding for rows and columns; here kernels have any height and width, and stride and padding are pairs: (for rows, for columns). Write in the cells that say
# `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

rng = np.random.default_rng(1)

# A picture of two channels, one filter, and its bias
picture = np.array([[[1, 0, 2],
                     [3, 1, 0],
                     [0, 2, 4]],
                    [[0, 1, 1],
                     [2, 0, 1],
                     [1, 3, 0]]], dtype=np.float32)
kernel = np.array([[[1, 2],
                    [0, -1]],
                   [[0, 1],
                    [3, 0]]], dtype=np.float32)
bias_of_kernel = 5.0

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks need
import torch
import torch.nn.functional as F
from segedu import compare, figures
from segedu.data.photographs import as_chw, photograph

figures.use_style()


def convolved(flip=False, channels=2, bias=bias_of_kernel):
    """PyTorch's convolution of the setup's picture."""
    w = torch.from_numpy(kernel[None, :channels])
    w = w.flip(2, 3) if flip else w
    return F.conv2d(torch.from_numpy(picture[None, :channels]), w)[0, 0].numpy() + bias


def true_size(size, kernel_size, stride, padding, dilation):
    """The size of what PyTorch returns."""
    arrays = torch.zeros(1, 1, *size), torch.zeros(1, 1, *kernel_size)
    return tuple(F.conv2d(*arrays, None, stride, padding, dilation).shape[2:])


def size_hints(size, kernel_size, stride, padding, dilation):
    """PyTorch's sizes for arguments changed as typical slips change them."""
    def slip(more=0, padding=padding, dilation=dilation):
        larger = [int(n) for n in np.add(size, more)]
        return np.array(true_size(larger, kernel_size, stride, padding, dilation))

    none, beyond = (0, 0), np.subtract(dilation, 1)
    return [
        ("rows and columns exchanged", slip()[::-1]),
        ("the number of steps: there is one window more", slip() - 1),
        ("the size with padding on one side only: it is added on both", slip(padding, padding=none)),
        ("the size without the padding", slip(padding=none)),
        ("the size for dilation 1: a dilated window reaches over d(k − 1) + 1 pixels", slip(dilation=(1, 1))),
        ("the size for windows that reach over d·k pixels: d(k − 1) + 1 is right", slip(-beyond)),
        ("the size rounded up: a window that does not fit does not count", slip(np.subtract(stride, 1))),
    ]


def forward(x, weight, bias, stride, padding):
    """PyTorch's convolution, for the comparison of gradients."""
    return F.conv2d(*(torch.from_numpy(a) for a in (x, weight, bias)), stride, padding).numpy()


def three(found):
    """What conv2d_backward returned, if that is three arrays."""
    assert isinstance(found, tuple | list), "return three arrays: dx, dweight, dbias"
    assert len(found) == 3, f"return three arrays, dx, dweight and dbias, not {len(found)}"
    return found


def gradient(number, x, weight, stride, padding):
    """Compare one of the three gradients: 0 of x, 1 of the weight, 2 of the bias."""
    def backward(grad_output):
        found = three(conv2d_backward(grad_output, x, weight, stride, padding))
        return tuple(g if n == number else None for n, g in enumerate(found))

    bias = np.zeros(len(weight), x.dtype)
    arguments = {"stride": stride, "padding": padding, "reference": F.conv2d, "backward": backward}
    report = compare.with_torch(forward, x, weight, bias, **arguments)
    assert report.ok, report.message.split("\n", 1)[-1]  # the first line is about `forward`, which is PyTorch's own

# %% [markdown]
# ## 1 · One number by hand (2 points)
#
# The setup cell holds a `picture` of two channels and 3×3 pixels, one filter, `kernel`, of 2×2×2 weights, and its bias 5. The next cell draws them. With stride 1 and no padding the result has
# 2×2 numbers. Which number stands in row 1, column 0? (Both are counted from 0.) Write `number = …`.

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "by_hand"}
# Figure: picture and filter
fig = figures.arrays_row(
    [*picture, *kernel],
    titles=["picture, channel 0", "channel 1", "kernel, channel 0", "channel 1"],
    operators=["", "∗", ""],
    share_scale=True,
)
figures.show(fig, alt="The two channels of a picture of 3 by 3 numbers and the two channels of a 2 by 2 kernel.")

# %% segedu={"role": "answer", "question": "by_hand"}
### BEGIN SOLUTION
number = 11
### END SOLUTION

# %% segedu={"role": "check", "question": "by_hand", "points": 2}
assert number != convolved()[0, 1], "that is row 0, column 1: rows are counted downwards, and come first"
assert number != convolved(bias=0)[1, 0], "the bias is missing"
assert number != convolved(bias=2 * bias_of_kernel)[1, 0], "the bias is added once for a filter, not once for a channel"
assert number != convolved(channels=1)[1, 0], "that is channel 0 alone: the products of all channels add up"
assert number != convolved(flip=True)[1, 0], "that is the kernel flipped: a network lays it on the picture as it is"
assert number == convolved()[1, 0], "not right: lay the kernel's corner on row 1, column 0, in both channels"
print("the number is right")

# %% [markdown]
# ## 2 · The size of the result (4 points)
#
# `output_size(size, kernel_size, stride, padding, dilation)` takes five pairs (rows, columns) and returns such a pair. Along each axis
#
# $$n_{\text{out}} = \left\lfloor \frac{n + 2p - d(k-1) - 1}{s} \right\rfloor + 1$$
#
# Where the padded picture has no room for a single window, along either axis, raise a `ValueError` with a message that contains the word *window*.
#
# Example: 5×8 pixels, kernel 3×2, stride (2, 3), no padding, dilation 1: windows begin in rows 0, 2 and in columns 0, 3, 6. The result is (2, 3).
#
# <details><summary>Hint 1</summary>Write it for one axis as a function of five numbers and call it twice.</details>
# <details><summary>Hint 2</summary>How many pixels does a dilated window reach over, and how many has the padded picture? `//` rounds down, also below 0; `int(a / b)` does not.</details>

# %% segedu={"role": "answer", "question": "output_size"}
def output_size(size, kernel_size, stride, padding, dilation):
    """All arguments are pairs (rows, columns). Returns (rows, columns) of the result."""
    ### BEGIN SOLUTION
    result = []
    for n, k, s, p, d in zip(size, kernel_size, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        if room < 0:
            raise ValueError(f"a window of {k} with dilation {d} does not fit into {n} pixels with padding {p}")
        result.append(room // s + 1)
    return tuple(result)
    ### END SOLUTION

# %% segedu={"role": "check", "question": "output_size", "points": 1}
# the example, and the same with padding and dilation
for settings in [((5, 8), (3, 2), (2, 3), (0, 0), (1, 1)), ((9, 7), (3, 2), (2, 1), (1, 2), (2, 3))]:
    hints = size_hints(*settings)
    compare.arrays(np.array(output_size(*settings)), np.array(true_size(*settings)), name="size", hints=hints).check()
print("both sizes agree")

# %% segedu={"role": "check", "question": "output_size", "points": 1}
# no room for a window
compare.raises(output_size, ValueError, (3, 9), (4, 2), (1, 1), (0, 0), (1, 1), mentions=["window"]).check()

# %% segedu={"role": "hidden", "question": "output_size", "points": 1}
# forty drawn cases
cases = [tuple(tuple(int(n) for n in rng.integers(*limits, 2)) for limits in ((12, 20), (1, 5), (1, 4), (0, 4), (1, 4)))
         for _ in range(40)]
got, right = (np.array([function(*case) for case in cases]) for function in (output_size, true_size))
names = [name for name, _ in size_hints(*cases[0])]
hints = [(name, np.array([dict(size_hints(*case))[name] for case in cases])) for name in names]
compare.arrays(got, right, name="40 sizes", hints=hints, axes=("case", "axis")).check()

# %% segedu={"role": "hidden", "question": "output_size", "points": 1}
# exactly room for one window, and a column too little
try:
    one = output_size((5, 4), (3, 3), (2, 4), (0, 1), (2, 2))
except ValueError:
    raise AssertionError("there is room for exactly one window: that is enough and must not be refused") from None
assert tuple(one) == (1, 1), "where there is room for exactly one window the size is (1, 1)"
compare.raises(output_size, ValueError, (9, 4), (3, 3), (3, 3), (0, 0), (2, 2), mentions=["window"]).check()

# %% [markdown]
# ## 3 · Convolution (6 points)
#
# `conv2d(x, weight, bias, stride, padding)` takes pictures of N×C×H×W, filters of M×C×h×w and M biases, and returns N×M×rows×columns in the dtype of x. With
# $(s, t)$ the stride and a frame of zeros, `padding[0]` rows above and below, `padding[1]` columns left and right:
#
# $$y_{nmij} = \text{bias}_m + \sum_c \sum_{0 \le a < h} \sum_{0 \le b < w} w_{mcab}\; x_{\,n,\; c,\; is + a,\; jt + b}$$
#
# Loops over the h·w places of the kernel are welcome. With loops over pixels, too, the last check takes longer than it may, 5 seconds.
#
# Example: x is one row 1, 2, 3, 4, the kernel one row 10, 1, bias 0, stride (1, 2): the result is 12, 34.
#
# <details><summary>Hint 1</summary>Put the frame round first, with `np.pad`; then there is no padding any more.</details>
# <details><summary>Hint 2</summary>For one place (a, b) of the kernel, take the pixel that it meets in every window: `padded[:, :, a : a + s * rows : s, b : b + t * columns : t]`, an array of N×C×rows×columns.</details>
# <details><summary>Hint 3</summary>`np.einsum("mc,ncij->nmij", weight[:, :, a, b], pixel)` mixes the channels of every pixel. Add up over (a, b).</details>

# %% segedu={"role": "answer", "question": "conv2d", "seconds": 5}
def conv2d(x, weight, bias, stride, padding):
    """x: N×C×H×W, weight: M×C×h×w, bias: M; stride, padding: pairs. Returns N×M×rows×columns."""
    ### BEGIN SOLUTION
    (s, t), (top, left), (h, w) = stride, padding, weight.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
    rows, columns = (padded.shape[2] - h) // s + 1, (padded.shape[3] - w) // t + 1
    y = np.zeros((len(x), len(weight), rows, columns), x.dtype)
    for a in range(h):
        for b in range(w):
            pixel = padded[:, :, a : a + s * rows : s, b : b + t * columns : t]
            y += np.einsum("mc,ncij->nmij", weight[:, :, a, b], pixel)
    return y + bias[:, None, None]
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "conv2d"}
# Figure: upright and level edges of a photograph by your function, and PyTorch's
camera = as_chw(photograph("camera", size=(128, 128)))[None, :1]
upright = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
filters, zeros = np.stack([upright, upright.T])[:, None], np.zeros(2, np.float32)
try:
    yours = conv2d(camera, filters, zeros, (1, 1), (1, 1))[0]
    target = forward(camera, filters, zeros, (1, 1), (1, 1))[0]
    titles = ["photograph", "yours: left to right", "top to bottom", "PyTorch's: left to right", "top to bottom"]
    fig = figures.images_row([camera[0, 0], *(0.5 + z / 4 for z in (*yours, *target))], titles, height=1.9)
    figures.show(fig, alt="A man with a camera; its upright and level edges, by your function and by PyTorch's.")
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "conv2d", "points": 1}
# one channel, one filter of 2×3, stride 1, no padding
x, weight, bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((1, 1, 5, 6), (1, 1, 2, 3), 1))
compare.with_torch(conv2d, x, weight, bias, (1, 1), (0, 0), reference=F.conv2d).check()

# %% segedu={"role": "check", "question": "conv2d", "points": 1}
# several channels and filters, stride 2, padding 1
x, weight, bias = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 3, 6, 6), (4, 3, 3, 3), 4))
compare.with_torch(conv2d, x, weight, bias, (2, 2), (1, 1), reference=F.conv2d).check()

# %% segedu={"role": "hidden", "question": "conv2d", "points": 2}
# kernels, strides and paddings that differ between rows and columns, any size
for (h, w), stride, padding in [((3, 2), (1, 2), (2, 0)), ((1, 4), (3, 1), (0, 3)), ((2, 2), (3, 2), (1, 2))]:
    x = rng.standard_normal((2, 3, *rng.permutation(np.arange(6, 12))[:2]))
    weight, bias = rng.standard_normal((4, 3, h, w)), rng.standard_normal(4)
    compare.with_torch(conv2d, x, weight, bias, stride, padding, reference=F.conv2d).check()

# %% segedu={"role": "hidden", "question": "conv2d", "points": 2}
# a picture of 300×400: whole arrays, no loops over pixels
x, weight = rng.standard_normal((1, 3, 300, 400), dtype=np.float32), rng.standard_normal((8, 3, 3, 3), dtype=np.float32)
bias = rng.standard_normal(8, dtype=np.float32)
compare.with_torch(conv2d, x, weight, bias, (1, 1), (1, 1), reference=F.conv2d).check()

# %% [markdown]
# ## 4 · The three gradients (6 points)
#
# `conv2d_backward(grad_output, x, weight, stride, padding)` gets $g = \partial L/\partial y$, an array as large as y, and what `conv2d` got. It returns three arrays: the gradients of x, of the
# weight and of the bias, each as large as its namesake and of its dtype. In $y_{nmij} = \dots + w_{mcab}\, x_{n,\,c,\,is+a,\,jt+b} + \dots$ every product gives
#
# * to the weight $w_{mcab}$: $g_{nmij}$ times the pixel that it met,
# * to that pixel: $g_{nmij}$ times the weight that it met. Windows overlap, so contributions add up.
#
# Each bias gets the sum of all $g$ of its filter. What falls on the frame of zeros is cut off at the end.
#
# Example: x is the row 1, 2, 3, the kernel the row 10, 1, $g$ the row 1, 100. The gradient of x is 10, 1001, 100, that of the weight 201, 302, that of the bias 101.
#
# <details><summary>Hint 1</summary>Begin with the bias: a sum over three of the four axes.</details>
# <details><summary>Hint 2</summary>Copy your loop over (a, b). Forward, "mc,ncij->nmij" makes y from w and pixel. Which letters go in and which come out when the weight is to be made from g and pixel?</details>
# <details><summary>Hint 3</summary>For x, add to an array as large as the padded picture, at the same slice: `grad_padded[:, :, a : …, b : …] += …`. Then cut off the frame; mind that `p : -p` is empty where p is 0.</details>

# %% segedu={"role": "answer", "question": "conv2d_backward"}
def conv2d_backward(grad_output, x, weight, stride, padding):
    """grad_output: N×M×rows×columns, the rest as for conv2d. Returns (dx, dweight, dbias)."""
    ### BEGIN SOLUTION
    (s, t), (top, left), (h, w) = stride, padding, weight.shape[2:]
    rows, columns = grad_output.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
    grad_padded, grad_weight = np.zeros_like(padded), np.zeros_like(weight)
    for a in range(h):
        for b in range(w):
            place = np.s_[:, :, a : a + s * rows : s, b : b + t * columns : t]
            grad_weight[:, :, a, b] = np.einsum("nmij,ncij->mc", grad_output, padded[place])
            grad_padded[place] += np.einsum("mc,nmij->ncij", weight[:, :, a, b], grad_output)
    height, width = x.shape[2:]
    grad_x = grad_padded[:, :, top : top + height, left : left + width]
    return grad_x, grad_weight, grad_output.sum(axis=(0, 2, 3))
    ### END SOLUTION

# %% segedu={"role": "check", "question": "conv2d_backward", "points": 1}
# the example
numbers = (np.array(row).reshape(1, 1, 1, -1) for row in ([1.0, 100.0], [1.0, 2.0, 3.0], [10.0, 1.0]))
dx, dweight, dbias = three(conv2d_backward(*numbers, (1, 1), (0, 0)))
hints = [
    ("overlapping windows overwritten: add up (+=)", np.array([[[[10.0, 1000.0, 100.0]]]])),
    ("overlapping windows overwritten: add up (+=)", np.array([[[[10.0, 1.0, 100.0]]]])),
    ("the kernel flipped: backward, too, each weight goes back to the pixel that it met", np.array([[[[1.0, 110.0, 1000.0]]]])),
]
compare.arrays(dx, np.array([[[[10.0, 1001.0, 100.0]]]]), name="gradient of x", hints=hints).check()
compare.arrays(dweight, np.array([[[[201.0, 302.0]]]]), name="gradient of the weight").check()
compare.arrays(dbias, np.array([101.0]), name="gradient of the bias").check()

# %% segedu={"role": "hidden", "question": "conv2d_backward", "points": 2}
# dX: the gradient of the picture, in both dtypes
settings = [((2, 3, 6, 7), (1, 1), (0, 0)), ((1, 2, 8, 5), (2, 1), (1, 2)), ((2, 2, 9, 8), (2, 3), (0, 1))]
for (shape, stride, padding), dtype in zip(settings, (np.float64, np.float64, np.float32), strict=True):
    x, weight = (rng.standard_normal(size).astype(dtype) for size in (shape, (4, shape[1], 3, 2)))
    gradient(0, x, weight, stride, padding)

# %% segedu={"role": "hidden", "question": "conv2d_backward", "points": 2}
# dW: the gradient of the weight, added up over the pictures of a batch, in both dtypes
for shape, stride, padding, dtype in [((1, 3, 6, 7), (1, 1), (0, 0), np.float32), ((3, 2, 8, 5), (2, 1), (1, 2), np.float64)]:
    x, weight = (rng.standard_normal(size).astype(dtype) for size in (shape, (4, shape[1], 3, 2)))
    gradient(1, x, weight, stride, padding)

# %% segedu={"role": "hidden", "question": "conv2d_backward", "points": 1}
# db: the gradient of the bias, in float32
for shape in [(1, 2, 5, 6), (3, 1, 4, 7)]:
    weight = rng.standard_normal((3, shape[1], 2, 2)).astype(np.float32)
    gradient(2, rng.standard_normal(shape).astype(np.float32), weight, (1, 1), (0, 0))

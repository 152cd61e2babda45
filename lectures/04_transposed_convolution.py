# %% [markdown]
# # Lecture 04 · Transposed convolution
#
# Lecture 03 made pictures larger by fixed rules. **Transposed convolution** makes them larger with weights that a network can learn. Used carelessly, it draws a
# chequered pattern over the result.
#
# After this lecture you can
#
# 1. compute a transposed convolution in three ways: by *scattering*, by *gathering*, and as a matrix,
# 2. work out its output size, and explain `stride`, `padding`, `output_padding` and `dilation`,
# 3. derive and program its gradient,
# 4. say why "deconvolution" and "fractionally strided convolution" are poor names for it,
# 5. predict where a checkerboard appears, from kernel size and stride alone, and find it in a spectrum and in learned weights,
# 6. use four cures: a kernel divisible by the stride, a bilinear start, resize and convolve, pixel shuffle.
#
# About 100 minutes without the parts marked *at home*, and 10 more for section 15 after lecture 08; a good place for a break is after section 10. You need lectures 01 (convolution) and 03 (interpolation).

# %%
import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, figures
from segedu.data.photographs import as_chw, photograph
from segedu.data.synthetic import street
from segedu.numpy_ops import avg_pool2d, conv2d, conv_transpose2d

figures.use_style()
rng = np.random.default_rng(4)

# %% jupyter={"source_hidden": true}
# Figure helper: rows of cells below each other, each with its name on the left
def rows_figure(rows, names, starts=None, highlights=None, cell=0.5, **options):
    starts, highlights = starts or [0] * len(rows), highlights or [[]] * len(rows)
    known = np.concatenate([np.ravel(row) for row in rows])
    columns = max(start + len(row) for start, row in zip(starts, rows, strict=True))
    width, height = 3.4 + cell * columns + 0.2, (cell + 0.14) * len(rows) + 0.2
    fig = plt.figure(figsize=(width, height))
    for n, row in enumerate(rows):
        bottom = height - 0.1 - (n + 1) * (cell + 0.14) + 0.07
        left, edge = 3.4 + cell * starts[n], 0.08 * cell  # draw_array leaves an edge for frames
        box = [left - edge, bottom - edge, cell * len(row) + 2 * edge, cell + 2 * edge]
        box = np.divide(box, [width, height, width, height])
        figures.draw_array(
            fig.add_axes(box), row, vmin=known.min(), vmax=known.max(), highlight=highlights[n],
            **options,
        )
        fig.text(3.25 / width, (bottom + cell / 2) / height, names[n], ha="right", va="center")
    return fig


# %% [markdown]
# Images are arrays of channels × height × width (C×H×W); a batch of $N$ images is N×C×H×W, as in PyTorch.

# %% [markdown]
# ## 1 · Two ways to make a picture larger
#
# A small photograph is enlarged to twice its height and width, twice in a row, by transposed convolution. The weights are random, but all nearly equal. On the left the
# kernels are 3×3, on the right 4×4.
#
# **Predict, then run.** What difference will it make? Both blurred alike? One sharper? One with a pattern that is not in the photograph?

# %%
def random_kernel(k, seed):
    weight = np.random.default_rng(seed).uniform(0.8, 1.2, (1, 1, k, k)).astype(np.float32)
    return weight * 4 / weight.sum()  # so that the brightness stays the same on average


small = as_chw(photograph("coffee", size=(72, 108)))[:, None]  # each colour an image of its own
enlarged = {3: small, 4: small}
for seed in (0, 1):
    enlarged = {
        k: conv_transpose2d(x, random_kernel(k, seed), stride=2, padding=1, output_padding=4 - k)
        for k, x in enlarged.items()
    }

# %% jupyter={"source_hidden": true}
# Figure: enlarged with 3×3 and with 4×4 kernels
fig = figures.images_row(
    [image[:, 0, 90:230, 170:370].transpose(1, 2, 0) for image in enlarged.values()],
    titles=["3×3 kernels, stride 2", "4×4 kernels, stride 2"],
    height=3.5,
)
figures.show(
    fig,
    alt="Part of a cup, enlarged by four. With 3 by 3 kernels a regular grid of light and "
    "dark dots lies over everything; with 4 by 4 kernels the picture is blurred, its grid"
    " hardly visible.",
    dpi=80,
)

# %% [markdown]
# The grid on the left is not in the photograph, and hardly there on the right. It comes from the *size* of the kernel. Sections 11 to 14 find out how, and what to do.

# %% [markdown]
# ## 2 · By hand: stamps
#
# Think of the kernel as a stamp. Every input number presses it once on the output, times its own value. The *stride* $s$ is the step from one stamp to the next **in the
# output**. Where stamps overlap, they add.
#
# **Predict, then run.** Input 3, 1, 2, kernel 1, 2, 4, stride 2. How long is the output? What is its third number?

# %%
x = np.array([3.0, 1.0, 2.0])
w = np.array([1.0, 2.0, 4.0])
stamps = [number * w for number in x]

y = np.zeros(7)
for i, stamp in enumerate(stamps):
    y[2 * i : 2 * i + 3] += stamp
y

# %% jupyter={"source_hidden": true}
# Figure: three stamps and their sum
fig = rows_figure(
    [*stamps, y],
    ["3 × (1, 2, 4)", "1 × (1, 2, 4)", "2 × (1, 2, 4)", "sum"],
    starts=[0, 2, 4, 0],
    highlights=[[], [], [], [(0, 2), (0, 4)]],
)
figures.show(
    fig,
    alt="Three stamps of three numbers, each two places to the right of the one before, and their "
    "sum 3, 6, 13, 2, 6, 4, 8; the two sums of two numbers, 13 and 6, are framed.",
)

# %% [markdown]
# The framed numbers are sums of two stamps: 12 + 1 and 4 + 2.
#
# In two dimensions the stamp is a square. **Predict, then run.** Every stamp below has a 1 in each corner. What does the centre of the output hold?

# %%
def conv_transpose_loops(x, w, s):
    k = len(w)
    y = np.zeros(((x.shape[0] - 1) * s + k, (x.shape[1] - 1) * s + k))
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for a in range(k):
                for b in range(k):
                    y[i * s + a, j * s + b] += x[i, j] * w[a, b]
    return y


x2 = np.array([[1.0, 2.0], [3.0, 4.0]])
w2 = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 1.0, 1.0]])
y2 = conv_transpose_loops(x2, w2, s=2)

# %% jupyter={"source_hidden": true}
# Figure: four stamps in two dimensions
fig = figures.arrays_row(
    [x2, w2, y2],
    titles=["x", "kernel w", "y, stride 2"],
    operators=["", "→"],
    highlights=[
        [(0, 0), (0, 1), (1, 0), (1, 1)],
        [],
        [(0, 0, 3, 3), (0, 2, 3, 3), (2, 0, 3, 3), (2, 2, 3, 3)],
    ],
    share_scale=True,
)
figures.show(
    fig,
    alt="A 2 by 2 input 1, 2, 3, 4, a 3 by 3 kernel of ones with 2 in its centre, and the 5 by 5 "
    "output with four overlapping framed stamps; its centre is 10.",
)

# %% [markdown]
# Each framed cell of `x` pressed the window with the same frame. In the centre all four stamps meet: 1 + 2 + 3 + 4 = 10.

# %% [markdown]
# ## 3 · Scattering: the definition
#
# `conv_transpose_loops` above *is* the definition. It is called **scattering**: each input number hands its products out to many places of the output.
#
# $$y_{\,i s + a,\; j s + b} \mathrel{{+}{=}} x_{ij}\, w_{ab} \qquad \text{for all } i, j \text{ and } 0 \le a, b < k$$
#
# A convolution with stride $s$ *reads* a $k{\times}k$ window for each output. A transposed convolution with stride $s$ *writes* a $k{\times}k$ window for each input. The last
# stamp starts at $(H-1)\,s$ and is $k$ long, so the output has
#
# $$H_{\text{out}} = (H - 1)\, s + k$$
#
# **Predict, then run.** 2 input rows, kernel 3. How many output rows for strides 1, 2 and 4? What happens between stamps when the stride is 4?

# %%
outputs = [conv_transpose_loops(x2, w2, s) for s in (1, 2, 4)]
[y.shape for y in outputs]

# %% jupyter={"source_hidden": true}
# Figure: stride 1, 2, 4
fig = figures.arrays_row(
    outputs, titles=[f"stride {s}" for s in (1, 2, 4)], share_scale=True, cell=0.46
)
figures.show(
    fig,
    alt="The same four stamps with stride 1, heavily overlapping, 4 by 4; with stride 2, 5 by 5; "
    "with stride 4, 7 by 7, where a row and a column of zeros separate the stamps.",
)

# %% [markdown]
# A stride larger than the kernel leaves holes.

# %% [markdown]
# ## 4 · Output size: padding, output padding, dilation
#
# **Padding** $p$ means the opposite of what it meant for convolution: $p$ rows and columns are *cut off* on every side.
#
# Why? A convolution with padding $p$ reads $H + 2p$ rows. The way back leads to $H + 2p$ rows, and the frame of $p$ rows is taken off again.
#
# **Predict, then run.** A convolution with kernel 3, stride 2, padding 1 makes 4 rows of 7. How many rows does the transposed convolution make of those 4? And starting from 8?

# %%
def output_size(size, kernel_size, stride=1, padding=0, output_padding=0, dilation=1):
    canvas = (size - 1) * stride + dilation * (kernel_size - 1) + 1 + output_padding
    return canvas - 2 * padding


def conv_size(size, kernel_size, stride=1, padding=0):
    return (size + 2 * padding - kernel_size) // stride + 1


for size in (7, 8):
    coarse = conv_size(size, 3, stride=2, padding=1)
    back = output_size(coarse, 3, stride=2, padding=1)
    print(f"{size} rows → convolution → {coarse} rows → transposed convolution → {back} rows")

# %% [markdown]
# A convolution with stride 2 gives 4 rows from 7 and from 8, because its size is rounded down. The way back is ambiguous. **Output padding** $o$ chooses: so many
# rows more, at the bottom and at the right only.
#
# **Predict, then run.** With `output_padding=1` there is one row more. Is that row filled with zeros?

# %%
for o in (0, 1):
    print(f"padding 1, output padding {o}:")
    print(conv_transpose2d(x2[None], w2[None, None], stride=2, padding=1, output_padding=o)[0])

# %% jupyter={"source_hidden": true}
# Figure: what padding cuts off
wider = np.pad(y2, [(0, 1), (0, 1)])
fig = figures.arrays_row(
    [y2, y2, wider],
    titles=["padding 0", "padding 1", "padding 1,\noutput padding 1"],
    highlights=[[(0, 0, 5, 5)], [(1, 1, 3, 3)], [(1, 1, 4, 4)]],
    share_scale=True,
)
figures.show(
    fig,
    alt="The 5 by 5 output with a frame round all of it; with a frame round the inner 3 by 3; and "
    "with a row and a column of zeros added, a frame round the 4 by 4 numbers after the first row.",
)

# %% [markdown]
# The whole array is the **canvas** on which the stamps lie; the frame is the result. Output padding makes the canvas larger by a row at the far side, then $p$ rows are cut off as
# before. So the row that appears is one that had been cut off: 3, 7, 4, 4. Only where $o > p$ do rows appear that no stamp reaches.

# %% [markdown]
# **Dilation** $d$ spreads the stamp: its numbers lie $d$ pixels apart, so it reaches over $d(k-1)+1$ pixels.
#
# **Predict, then run.** A 3×3 stamp with dilation 2: how many rows does it cover? What stands between its numbers?

# %%
single, kernel = np.ones((1, 1, 1)), np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
dilated = [conv_transpose2d(single, kernel, dilation=d)[0] for d in (1, 2)]

# %% jupyter={"source_hidden": true}
# Figure: dilation
fig = figures.arrays_row(
    dilated,
    titles=["stamp, dilation 1", "stamp, dilation 2"],
    share_scale=True,
)
figures.show(
    fig,
    alt="The stamp 1 to 9 as a 3 by 3 square, and spread over 5 by 5 cells with zeros between its "
    "numbers.",
)

# %% [markdown]
# All together, and this is what `output_size` above computes:
#
# $$H_{\text{out}} = (H - 1)\, s + d(k - 1) + 1 + o - 2p$$
#
# $o$ has to be smaller than $s$ or $d$, otherwise the functions refuse. Let us check sizes against PyTorch.
#
# **Predict, then run.** Stride 2, from 10 rows. Which of these four double the number of rows exactly? `k=3`; `k=4, p=1`; `k=3, p=1`; `k=3, p=1, o=1`.

# %%
import torch
import torch.nn.functional as F

for k, p, o in [(3, 0, 0), (4, 1, 0), (3, 1, 0), (3, 1, 1)]:
    x10, kernel = torch.zeros(1, 1, 10, 10), torch.zeros(1, 1, k, k)
    theirs = F.conv_transpose2d(x10, kernel, stride=2, padding=p, output_padding=o)
    assert theirs.shape[-1] == output_size(10, k, 2, p, o)
    print(f"10 rows, k={k}, p={p}, o={o}: {theirs.shape[-1]} rows")

# %% [markdown]
# Two recipes for doubling: $k = 4, p = 1$, and $k = 3, p = 1, o = 1$. They are not equally good; section 11 says why.

# %% [markdown]
# ## 5 · Gathering: the same, asked from the output
#
# Turn the question round. Which products end up in output number $u$? Those with $i s + a = u$, so $a$ must leave the same remainder as $u$ when divided by $s$:
#
# $$y_u = \sum_{a \,\equiv\, u \;(\mathrm{mod}\; s)} w_a \; x_{(u - a)/s}$$
#
# where $x$ counts as 0 outside. This is **gathering**. Every output is written once, by one sum. Lecture 09 returns to this.

# %%
def gather_loops(x, w, s):
    y = np.zeros((len(x) - 1) * s + len(w))
    for u in range(len(y)):
        for a in range(u % s, len(w), s):
            i = (u - a) // s
            if 0 <= i < len(x):
                y[u] += x[i] * w[a]
    return y


gather_loops(x, w, s=2)

# %% [markdown]
# The same numbers as by stamping. Now look at the remainder $r = u \bmod s$, the **phase** of an output pixel. All outputs of one phase use the same few weights,
# $w_r, w_{r+s}, w_{r+2s}, \dots$, and outputs of another phase never see them.
#
# **Predict, then run.** Kernel 1, 2, 4, stride 2. Which weights make the even outputs? Which the odd ones?

# %%
even = np.convolve(x, w[0::2])  # NumPy's convolve: stamps with stride 1
odd = np.convolve(x, w[1::2])

woven = np.zeros(7)
woven[0::2], woven[1::2] = even, odd
print("weights", w[0::2], "make the even outputs", even)
print("weights", w[1::2], "make the odd outputs ", odd)
print("woven together:", woven)

# %% jupyter={"source_hidden": true}
# Figure: two phases woven together
fig = rows_figure(
    [w, x, even, odd, woven],
    ["kernel", "x", "even: x with (1, 4)", "odd: x with (2)", "woven"],
    highlights=[
        [(0, 0, 1, 1, "#D55E00"), (0, 2, 1, 1, "#D55E00"), (0, 1, 1, 1, "#0072B2")],
        [],
        [(0, 0, 1, 4, "#D55E00")],
        [(0, 0, 1, 3, "#0072B2")],
        [(0, u, 1, 1, ("#D55E00", "#0072B2")[u % 2]) for u in range(7)],
    ],
)
figures.show(
    fig,
    alt="The kernel 1, 2, 4 with its first and last weight framed in orange and its middle one in "
    "blue; four even outputs in orange, three odd ones in blue, and both woven alternately.",
)

# %% [markdown]
# So a transposed convolution with stride $s$ is $s$ small convolutions (in two dimensions $s^2$), woven together like threads. Remember this picture: the checkerboard and its cures
# follow from it.

# %% [markdown]
# ## 6 · Whole arrays, channels, and all the options
#
# In NumPy, scattering is short: for each position $(a, b)$ of the kernel, element $(a, b)$ of *all* stamps is one slice with step $s$. We add to it.
#
# Channels: every input channel $c$ has one stamp for every output channel $m$, and the stamps of all input channels add up. PyTorch's `weight` has the shape *input channels ×
# output channels × k × k*.
#
# **Predict, then run.** A layer leads from 3 channels to 2, with 4×4 kernels. Which shape has its weight? And if it were a convolution?

# %%
print("transposed: ", tuple(torch.nn.ConvTranspose2d(3, 2, kernel_size=4).weight.shape))
print("convolution:", tuple(torch.nn.Conv2d(3, 2, kernel_size=4).weight.shape))

# %% [markdown]
# Input channels first: the other way round than for a convolution. In the code, `einsum` sums over the input channels $c$; kernels are square, to keep it short.

# %%
def taps(canvas, shape, k, s, d):
    """Element (a, b) of all stamps, as a view into the canvas."""
    height, width = shape
    for a in range(k):
        for b in range(k):
            rows = slice(a * d, a * d + (height - 1) * s + 1, s)
            columns = slice(b * d, b * d + (width - 1) * s + 1, s)
            yield a, b, canvas[..., rows, columns]


def conv_transpose2d_numpy(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, dilation=1
):
    k, p = weight.shape[-1], padding
    sizes = [output_size(n, k, stride, 0, output_padding, dilation) for n in x.shape[-2:]]
    canvas = np.zeros((len(x), weight.shape[1], *sizes), x.dtype)
    for a, b, tap in taps(canvas, x.shape[-2:], k, stride, dilation):
        tap += np.einsum("nchw,cm->nmhw", x, weight[:, :, a, b])
    y = canvas[..., p : sizes[0] - p, p : sizes[1] - p]
    return y if bias is None else y + bias[:, None, None]


# %%
compare.arrays(conv_transpose2d_numpy(x2[None, None], w2[None, None], stride=2)[0, 0], y2)

# %% [markdown]
# ## 7 · The matrix: where the name comes from
#
# A convolution is linear: each output is a weighted sum of inputs. So it is a matrix $C$ times the input. With kernel 1, 2, 4, stride 2 and 7 inputs, $C$ has 3 rows of 7.
#
# **Predict, then run.** $C$ turns 7 numbers into 3. What does its transpose $C^\top$ turn into what? Compare `C.T @ x` with section 2.

# %%
C = np.zeros((3, 7))
for i in range(3):
    C[i, 2 * i : 2 * i + 3] = w

print("C.T @ x =", C.T @ x)

# %% jupyter={"source_hidden": true}
# Figure: C and its transpose
fig = figures.arrays_row(
    [C, C.T, x[:, None], (C.T @ x)[:, None]],
    titles=["C: convolution", "Cᵀ: transposed", "x", "Cᵀ x"],
    operators=["", "·", "="],
    highlights=[
        [(i, 2 * i, 1, 3) for i in range(3)],
        [(2 * i, i, 3, 1) for i in range(3)],
        [(0, 0), (1, 0), (2, 0)],
        [],
    ],
    share_scale=True,
)
figures.show(
    fig,
    alt="The 3 by 7 matrix C with 1, 2, 4 in each row, two places further right each time; its "
    "transpose with 1, 2, 4 in each column; times 3, 1, 2 it gives 3, 6, 13, 2, 6, 4, 8.",
)

# %% [markdown]
# Read $C^\top x$ by **columns**: 3 times the first column, plus 1 times the second, plus 2 times the third. These are the stamps, *scattering*. Read it by **rows**: each output is
# the product of one row with $x$, *gathering*. Three views, one matrix.
#
# The same in two dimensions. To find the matrix of any linear operator, feed it unit pictures, all zeros and a single one: each answer is a column.

# %%
def convolution_matrix(weight, stride, size):
    units = np.eye(size * size).reshape(-1, 1, size, size)
    return conv2d(units, weight, stride=stride).reshape(size * size, -1).T


C2 = convolution_matrix(w2[None, None], stride=2, size=5)
print("shape of the matrix:", C2.shape)
compare.arrays((C2.T @ x2.ravel()).reshape(5, 5), y2)

# %% jupyter={"source_hidden": true}
# Figure: the matrix in two dimensions
fig = figures.arrays_row(
    [C2], titles=["the 3×3 kernel of section 2 as a matrix: 5×5 pixels in, 2×2 out"], cell=0.36,
    numbers=True,
)
figures.show(
    fig,
    alt="A matrix of 4 rows and 25 columns; each row holds the nine kernel numbers in three groups "
    "of three, at other places in each row, and zeros elsewhere.",
)

# %% [markdown]
# *At home.* Nobody builds this matrix for real pictures: it is almost all zeros. **Predict, then run.** How many of the numbers of $C$ are zero for 64×64 inputs, 4×4 kernel, stride 2,
# padding 1: half, nine tenths, or more?

# %%
inputs, outputs, per_output = 64 * 64, 32 * 32, 4 * 4
print(f"{outputs} × {inputs} numbers, {1 - per_output / inputs:.2%} or more of them zero")

# %% [markdown]
# ## 8 · Two poor names
#
# **"Deconvolution"** is what the FCN paper and many programs say. In mathematics, deconvolution *undoes* a convolution. $C^\top$ does not: it only has the right shape.

# %%
z = np.array([1.0, 0, 2, 5, 1, 3, 4])
print("z        ", z)
print("C z      ", C @ z)
print("Cᵀ C z   ", C.T @ (C @ z))

# %% [markdown]
# Not $z$, nor a multiple of it. Seven numbers cannot be recovered from three.
#
# **Predict, then run.** A photograph is blurred by a convolution with a 9×9 kernel, stride 1. Then a transposed convolution with the same kernel is applied. Sharper, or more
# blurred?

# %%
sharp = as_chw(photograph("camera", size=192), dtype=np.float64)[:1]
decay = 0.7 ** np.abs(np.arange(-4, 5))
blur = (np.outer(decay, decay) / decay.sum() ** 2)[None, None]

blurred = conv2d(np.pad(sharp, [(0, 0), (4, 4), (4, 4)], mode="wrap"), blur)
transposed = conv_transpose2d(blurred, blur, padding=4)

around = np.zeros_like(sharp)  # the kernel, with its centre moved to pixel (0, 0)
around[0, :9, :9] = blur
around = np.roll(around, (-4, -4), axis=(1, 2))
undone = np.fft.ifft2(np.fft.fft2(blurred) / np.fft.fft2(around)).real

inside = np.s_[:, 8:-8, 8:-8]  # without the edge, where stamps are missing
for name, picture in [("blurred", blurred), ("transposed", transposed), ("undone", undone)]:
    distance = np.abs(picture - sharp)[inside].mean()
    print(f"{name:10}  mean distance from the photograph {distance:.3f}")

# %% jupyter={"source_hidden": true}
# Figure: transposed convolution does not undo
fig = figures.images_row(
    [picture[0] for picture in (sharp, blurred, transposed, undone)],
    titles=["photograph", "blurred", "blurred, transposed", "blurred, undone"],
    height=2.6,
)
figures.show(
    fig,
    alt="A photographer, sharp; blurred; after the transposed convolution more blurred still; and "
    "after dividing the spectra sharp again.",
    dpi=90,
)

# %% [markdown]
# More blurred: the kernel is symmetric, so its transpose blurs again. What undoes the blur is a division of spectra, and that *is* deconvolution. (A wrap-around border and numbers
# without noise make it exact here.)
#
# **"Fractionally strided convolution"** describes one way to compute it: put $s-1$ zeros between the inputs, then convolve with stride 1. One step of the output is then
# $1/s$ of a step of the input.

# %%
spread = np.zeros(5)
spread[::2] = x
print("with zeros between:", spread)
print("convolved:         ", np.convolve(spread, w))

# %% [markdown]
# The same numbers as in section 2. Correct, but wasteful: most products have an inserted zero as a factor. **Predict, then run.** For stride 2 in two dimensions, which share of the products is useful?

# %%
def useful_share(n, k, s):
    every = ((n - 1) * s + k) ** 2 * k**2  # each output pixel: k² products
    useful = n**2 * k**2  # each input pixel: k² products
    return useful / every


for k, s in [(4, 2), (8, 4), (64, 32)]:
    print(f"kernel {k:2}, stride {s:2}: {useful_share(64, k, s):.2%} of the products are useful")

# %% [markdown]
# About $1/s^2$ of the products are useful. The phases of section 5 do the same without the rest. So this course says *transposed convolution*, the name of what it is.

# %% [markdown]
# ## 9 · The gradient
#
# Let $g = \partial L / \partial y$ be the gradient of the loss $L$ for the output. From $y = C^\top x$ follows $\partial L/\partial x = C\, g$: **an ordinary convolution** with the
# same weights and stride. The two operators are each other's gradient.
#
# A weight $w_{ab}$ met every input pixel once, and put the product at element $(a, b)$ of its stamp. So with $g$ on the whole canvas,
#
# $$\frac{\partial L}{\partial x_{ij}} = \sum_{a, b} w_{ab}\; g_{\,is+a,\;js+b} \qquad\qquad
# \frac{\partial L}{\partial w_{ab}} = \sum_{i, j} x_{ij}\; g_{\,is+a,\;js+b}$$
#
# What padding cut off got no gradient: put zeros there. A bias was added to every output pixel, so its gradient is the sum of $g$.

# %%
def conv_transpose2d_backward_numpy(
    g, x, weight, stride=1, padding=0, output_padding=0, dilation=1
):
    p = padding
    canvas = np.pad(g, [(0, 0), (0, 0), (p, p), (p, p)])
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    for a, b, tap in taps(canvas, x.shape[-2:], weight.shape[-1], stride, dilation):
        dx += np.einsum("nmhw,cm->nchw", tap, weight[:, :, a, b])
        dweight[:, :, a, b] = np.einsum("nchw,nmhw->cm", x, tap)
    return dx, dweight, g.sum((0, 2, 3))


# %% [markdown]
# By hand first. **Predict, then run.** One input row 3, 1, 2 and kernel 1, 2, 4 as before. Only the third output has a gradient, 10. Which inputs and which weights get some of it?

# %%
g = np.array([0, 0, 10.0, 0, 0, 0, 0])
dx = [sum(w[a] * g[2 * i + a] for a in range(3)) for i in range(3)]
dw = [sum(x[i] * g[2 * i + a] for i in range(3)) for a in range(3)]
print("gradient of x:", np.array(dx), "   C g =", C @ g)
print("gradient of w:", np.array(dw))

# %% [markdown]
# The third output was $4 \cdot 3 + 1 \cdot 1$, from the first two inputs and the last and first weight. Each gets the gradient times its partner.

# %% [markdown]
# ## 10 · Are we right? Ask PyTorch
#
# Two images, three input channels, two output channels, unequal sides, overlapping stamps, every option that our function has.

# %%
images = rng.standard_normal((2, 3, 5, 4), dtype=np.float32)
weight = rng.standard_normal((3, 2, 3, 3), dtype=np.float32)
bias = rng.standard_normal(2, dtype=np.float32)
options = dict(stride=2, padding=1, output_padding=1, dilation=2)
compare.with_torch(
    conv_transpose2d_numpy, images, weight, bias, reference=F.conv_transpose2d, **options,
    backward=lambda g: conv_transpose2d_backward_numpy(g, images, weight, **options),
)

# %% [markdown]
# The loops and the gathering too:

# %%
def gather2d_loops(x, w, s):
    height, width = ((n - 1) * s + len(w) for n in x.shape)
    y = np.zeros((height, width))
    for u, v in np.ndindex(height, width):
        for a in range(u % s, len(w), s):
            for b in range(v % s, len(w), s):
                i, j = (u - a) // s, (v - b) // s
                if 0 <= i < x.shape[0] and 0 <= j < x.shape[1]:
                    y[u, v] += x[i, j] * w[a, b]
    return y


x4, w4 = rng.standard_normal((5, 4)), rng.standard_normal((3, 3))
theirs = F.conv_transpose2d(torch.tensor(x4)[None, None], torch.tensor(w4)[None, None], stride=2)
compare.arrays(gather2d_loops(x4, w4, s=2), theirs[0, 0])

# %%
compare.arrays(conv_transpose_loops(x4, w4, s=2), theirs[0, 0])

# %% [markdown]
# The library's function takes `groups` too: the channels are split into groups that do not see each other. With as many groups as channels, every channel is enlarged alone.

# %%
grouped = rng.standard_normal((3, 1, 4, 4), dtype=np.float32)
compare.with_torch(conv_transpose2d, images, grouped, stride=2, padding=1, groups=3)

# %% [markdown]
# And when it is wrong? A common slip: stamps that *replace* what is there, `=` instead of `+=`.
#
# **Predict, then run.** Kernel 3, stride 2. Will all values be wrong, or only some? Read what the comparison says.

# %%
def conv_transpose2d_replaced(x, weight, stride):
    k = weight.shape[-1]
    sizes = [output_size(n, k, stride) for n in x.shape[-2:]]
    y = np.zeros((len(x), weight.shape[1], *sizes), x.dtype)
    for i, j in np.ndindex(*x.shape[-2:]):
        stamp = np.einsum("nc,cmab->nmab", x[:, :, i, j], weight)
        y[:, :, i * stride : i * stride + k, j * stride : j * stride + k] = stamp
    return y


compare.with_torch(
    conv_transpose2d_replaced, images, weight, stride=2, reference=F.conv_transpose2d
)

# %% [markdown]
# Only where stamps overlap.
#
# *At home.* The gradient without PyTorch, by finite differences.

# %%
w5 = rng.standard_normal((1, 1, 3, 3))
g5 = rng.standard_normal((1, 1, 11, 9))
dx5, dw5, _ = conv_transpose2d_backward_numpy(g5, x4[None, None], w5, stride=2)
compare.with_finite_differences(
    lambda x, w: conv_transpose2d_numpy(x, w, stride=2), [x4[None, None], w5], [dx5, dw5],
    grad_output=g5,
)

# %% [markdown]
# ## 11 · The overlap-count map
#
# How many stamps touch each output pixel? Count: stamp with a kernel of ones, on an input of ones.
#
# **Predict, then run.** Kernel 3 and stride 2, along one row: every pixel once, every pixel twice, or in turn? And kernel 4?

# %%
def overlap_row(k, s, n=8):
    row = np.zeros((n - 1) * s + k)
    for i in range(n):
        row[i * s : i * s + k] += 1
    return row


def overlap_map(k, s, n=8):
    ones = np.ones((1, 1, n, n))
    return conv_transpose2d_numpy(ones, np.ones((1, 1, k, k)), stride=s)[0, 0]


rows = {(k, s): overlap_row(k, s) for k, s in [(2, 2), (3, 2), (4, 2), (4, 3), (6, 3)]}

# %% jupyter={"source_hidden": true}
# Figure: overlaps along a row
fig = rows_figure(
    [row[:14] for row in rows.values()],
    [f"kernel {k}, stride {s}" for k, s in rows],
    cell=0.46,
)
figures.show(
    fig,
    alt="Overlap counts along a row. Kernel 2, stride 2: all 1. Kernel 3, stride 2: 1, 1, 2, 1, 2, "
    "1. Kernel 4, stride 2: 2 after the edge. Kernel 4, stride 3: 2, 1, 1. Kernel 6, stride 3: 2.",
)

# %% [markdown]
# Section 5 explains it. A pixel of phase $r$ is touched once for each of its weights $w_r, w_{r+s}, \dots$ The $k$ weights are dealt out to the $s$ phases like cards. They come out
# even (the same number for each phase) exactly when $s$ divides $k$:
#
# $$k \bmod s = 0 \iff \text{away from the edges every pixel is touched equally often}$$
#
# One sometimes reads that stamps must not overlap. That is more than needed: with kernel 4 and stride 2 they overlap everywhere, and evenly.

# %% [markdown]
# In two dimensions the count is the product of the counts of row and column.
#
# **Predict, then run.** Kernel 3, stride 2. Which four counts appear away from the edges?

# %%
map3, map4 = overlap_map(3, 2, n=5), overlap_map(4, 2, n=5)
row = overlap_row(3, 2, n=5)
assert (map3 == np.outer(row, row)).all()

# %% jupyter={"source_hidden": true}
# Figure: overlap maps with their numbers
fig = figures.arrays_row(
    [map3, map4],
    titles=["kernel 3, stride 2", "kernel 4, stride 2"],
    highlights=[[(4, 4, 2, 2)], [(4, 4, 2, 2)]],
    share_scale=True,
    cell=0.34,
)
figures.show(
    fig,
    alt="Overlap maps. Kernel 3: an 11 by 11 board on which 4, 2, 2 and 1 alternate. Kernel "
    "4: 12 by 12, 4 everywhere but in a frame two pixels wide.",
)

# %% [markdown]
# A checkerboard, drawn by counting alone: 4, 2, 2, 1. If all weights were equal, one pixel in four would come out four times as bright as its diagonal neighbour. Here are
# more kernels and strides; each map has its own scale, dark blue for 0 and yellow for its largest count.
#
# **Predict, then run.** Which of the 24 will be flat, of one colour?

# %% jupyter={"source_hidden": true}
# Figure: overlap maps over kernel and stride
strides, kernels = (2, 3, 4), range(1, 9)
fig, axes = plt.subplots(len(strides), len(kernels), figsize=(12, 4.9))
for s, line in zip(strides, axes, strict=True):
    for k, ax in zip(kernels, line, strict=True):
        middle = overlap_map(k, s, n=10)[2 * s + 2 : 5 * s + 2, 2 * s + 2 : 5 * s + 2]
        figures.draw_array(ax, middle, vmin=0, vmax=middle.max(), numbers=False)
        even = np.ptp(middle) == 0
        ax.set_title(f"k={k}, flat" if even else f"k={k}", fontweight="bold" if even else "normal")
    line[0].set_ylabel(f"stride {s}", fontsize=13)
fig.tight_layout()
figures.show(
    fig,
    alt="Overlap maps for strides 2, 3, 4 and kernels 1 to 8. Where the stride divides the "
    "kernel the map has one colour; elsewhere there are stripes crossing, and holes where"
    " k is below s.",
)

# %% [markdown]
# ## 12 · Its spectrum, and stacked layers
#
# A pattern that repeats every $s$ pixels has a sharp **spectrum**: peaks at the frequencies $1/s, 2/s, \dots$ cycles per pixel, and nothing between. So it can be found
# where the eye misses it.
#
# Networks enlarge several times. What does a second layer make of the first one's pattern?
#
# **Predict, then run.** Two layers with kernel 3 and stride 2, all weights 1. One layer has counts 1 and 2. The largest over the smallest count of two layers: still 2, or 3, or 4?

# %%
def stacked_row(weights, s, layers, n=400):
    row = np.ones(n)
    for _ in range(layers):
        canvas = np.zeros((len(row) - 1) * s + len(weights))
        for a, weight in enumerate(weights):
            canvas[a : a + (len(row) - 1) * s + 1 : s] += weight * row
        row = canvas
    start = len(row) // 2 // s**layers * s**layers  # far from the edges
    return row[start : start + 144]


rows = {layers: stacked_row(np.ones(3), 2, layers)[:8] for layers in (1, 2, 3)}
for layers, row in rows.items():
    ratio = row.max() / row.min()
    print(f"layers {layers}: counts {row.astype(int)}, ratio {ratio:.0f}, in 2-D {ratio**2:.0f}")

# %% jupyter={"source_hidden": true}
# Figure: overlap maps of one, two and three layers
fig = figures.arrays_row(
    [np.outer(row, row) for row in rows.values()],
    titles=["one layer", "two layers", "three layers"],
    share_scale=True,
    cell=0.4,
)
figures.show(
    fig,
    alt="Overlap maps of 8 by 8 pixels for one, two and three layers of kernel 3, stride 2: counts "
    "from 1 to 4, to 9 and to 25, the pattern coarser and stronger with each layer.",
)

# %% [markdown]
# 3 for two layers, 5 for three: it grows with every layer, and longer periods appear.
#
# **Predict, then run.** Now the spectra. A row 2, 1, 2, 1, … repeats every 2 pixels. At which frequency is its peak? And which of the five cases below have none?

# %%
cases = {
    "k=3, s=2": stacked_row(np.ones(3), 2, 1),
    "k=4, s=2": stacked_row(np.ones(4), 2, 1),
    "k=5, s=3": stacked_row(np.ones(5), 3, 1),
    "k=3, s=2, twice": stacked_row(np.ones(3), 2, 2),
    "k=4, s=2, twice": stacked_row(np.ones(4), 2, 2),
}
frequencies = np.fft.rfftfreq(144)
spectra = {name: np.abs(np.fft.rfft(row - row.mean())) / 144 for name, row in cases.items()}
for name, spectrum in spectra.items():
    peaks = frequencies[spectrum > 1e-9]
    print(f"{name:16} peaks: {', '.join(f'{f:.3f}' for f in peaks) or 'none'}")

# %% jupyter={"source_hidden": true}
# Figure: counts and their spectra
fig, axes = plt.subplots(2, 5, figsize=(10.5, 4.4), sharey="row")
for column, (name, row) in zip(axes.T, cases.items(), strict=True):
    column[0].step(range(24), row[:24], where="mid")
    column[0].set(title=name, ylim=(0, 4.6), xlabel="pixel")
    column[1].plot(frequencies, spectra[name])
    column[1].set(ylim=(0, 0.85), xlabel="cycles per pixel", xticks=[0, 0.25, 0.5])
axes[0, 0].set_ylabel("overlap count")
axes[1, 0].set_ylabel("spectrum")
fig.tight_layout()
figures.show(
    fig,
    alt="Above, counts along a row; below, their spectra. Kernel 3 has one peak at 0.5; "
    "kernel 5 with stride 3 at 0.33; two layers of kernel 3 at 0.25 and 0.5; the kernels "
    "of 4 are flat, no peak.",
)

# %% [markdown]
# The control, $k \bmod s = 0$, is flat: no peak, with one layer or two.
#
# *At home.* And in two dimensions? The framed 2×2 cell of section 11 repeats; its four numbers give the mean and three peaks: for the change from column to column, from row to row,
# and from diagonal to diagonal.

# %%
cell = map3[4:6, 4:6]
print("cell:\n", cell)
print("spectrum: mean, columns, rows, diagonal:", (np.abs(np.fft.fft2(cell)) / 4).ravel())

# %% [markdown]
# *At home.* The same pattern appears in a *gradient*. The gradient of a convolution is a transposed convolution (section 9), so a convolution with kernel 3 and stride 2 trains its
# input pixels unevenly:

# %%
from segedu.numpy_ops import conv2d_backward

picture, ones = np.ones((1, 1, 11, 11)), np.ones((1, 1, 3, 3))
dx, _, _ = conv2d_backward(np.ones((1, 1, 5, 5)), picture, ones, stride=2)
compare.arrays(dx[0, 0], map3)

# %% [markdown]
# ## 13 · Learned kernels still show it
#
# "The weights are learned, so the network will smooth it out." Will it? Let us train one layer and look.
#
# The task is the last step of a segmentation network: from coarse scores to a score for each pixel. The coarse input says which share of each 2×2 block is building, from −1 (none)
# to 1 (all). The layer has to say which *pixels* are. Five drawn streets: four to train, the fifth to look at.

# %%
scenes = [street(seed=seed, size=(96, 128)) for seed in range(5)]
building = scenes[0].classes.index("building")
target = np.stack([scene.labels == building for scene in scenes])[:, None].astype(np.float64)
coarse = 2 * avg_pool2d(target, 2) - 1

# %% jupyter={"source_hidden": true}
# Figure: the task
fig = figures.images_row(
    [scenes[4].image, (coarse[4, 0] + 1) / 2, target[4, 0]],
    titles=["picture (not used here)", "coarse input, 48×64", "target, 96×128"],
    height=2.5,
)
figures.show(
    fig,
    alt="A drawn street; the coarse input, the share of building in blocks of four pixels, "
    "white on black with grey steps at the outlines; the target, the same with sharp "
    "outlines.",
)

# %% [markdown]
# The loss is the cross-entropy of lecture 06; all we need of it here is its gradient for a score: *probability minus target*. With our own forward and backward functions, training
# is plain gradient descent, one picture a step.

# %%
def train(weight, steps, rate=5.0, **options):
    weight, bias, gains = weight.copy(), np.zeros(1), []
    for step in range(steps + 1):
        gains.append(phase_gains(weight[0, 0], 2))
        x, t = coarse[[step % 4]], target[[step % 4]]
        score = conv_transpose2d_numpy(x, weight, bias, stride=2, **options)
        grad = (1 / (1 + np.exp(-score)) - t) / t.size
        _, dweight, dbias = conv_transpose2d_backward_numpy(grad, x, weight, stride=2, **options)
        weight -= rate * dweight
        bias -= rate * dbias
    return weight, bias, gains


def phase_gains(w, s):
    return np.array([[w[r::s, q::s].sum() for q in range(s)] for r in range(s)])


# %% [markdown]
# What to look at? Inside a building the input is 1 everywhere. There an output pixel is the *sum of the weights of its phase* (and the bias). Call that sum the phase's
# **gain**. Equal gains: no pattern. With weights of 1 the gains are the overlap counts.
#
# **Predict, then run.** The weights start at 0, so at first all gains are equal. The phases of kernel 3 have 4, 2, 2 and 1 weights. Do their gains stay equal while it learns? And
# those of kernel 4, where each phase has 4?

# %%
three, four = dict(padding=1, output_padding=1), dict(padding=1)
learned = {
    3: train(np.zeros((1, 1, 3, 3)), 400, **three),
    4: train(np.zeros((1, 1, 4, 4)), 400, **four),
}
for k, (_, _, gains) in learned.items():
    for step in (0, 1, 10, 100, 400):
        print(f"kernel {k}, step {step:3}: gains", gains[step].ravel().round(2))

# %% jupyter={"source_hidden": true}
# Figure: the learned scores, seen closely
fig, axes = plt.subplots(2, 3, figsize=(11, 4.9), width_ratios=[1, 1.4, 1.4])
for (left, middle, right), (k, options) in zip(axes, ((3, three), (4, four)), strict=True):
    weight, bias, gains = learned[k]
    score = conv_transpose2d_numpy(coarse[[4]], weight, bias, stride=2, **options)[0, 0]
    title = f"learned {k}×{k} weights"
    figures.draw_array(left, weight[0, 0], title, fmt=".1f", vmin=0, vmax=6)
    level = gains[-1].max() + bias[0]
    middle.imshow(score[20:52, 4:50], vmin=level - 4, vmax=level)
    middle.set(title="scores of a building", xticks=[], yticks=[])
    spectrum = np.abs(np.fft.rfft(score - score.mean(), axis=1)).mean(0) / score.shape[1]
    right.plot(np.fft.rfftfreq(score.shape[1]), spectrum)
    right.set(title="spectrum, mean of the rows", yscale="log", ylim=(0.004, 5))
    right.set(xticks=[0, 0.25, 0.5])
axes[1, 2].set_xlabel("cycles per pixel")
fig.tight_layout()
figures.show(
    fig,
    alt="Kernel 3: the scores inside a building show a fine regular grid, and the spectrum "
    "ends in a peak at 0.5. Kernel 4: the scores look even and the spectrum falls, with a"
    " tiny rise at 0.5.",
)

# %% [markdown]
# Training gave kernel 3 a checkerboard that was not there at the start. After the first step its gains are nearly as 4 : 2 : 2 : 1, because every weight has moved by about the same
# amount. But the difference *stays*. A pixel with one weight sees one coarse pixel, a pixel with four sees four. If all four are building, it can be surer of its answer, so the loss is
# smaller with different scores.
#
# *At home, to the end of the section.* Does it depend on where training starts? **Predict, then run.** Three random starts instead of zeros.

# %%
def pattern(gains):
    """0: equal gains. The nearer to 1, the more pattern and the less level."""
    return np.std(gains) / np.sqrt(np.mean(np.square(gains)))


for seed in range(3):
    for k, options in ((3, three), (4, four)):
        start = np.random.default_rng(seed).normal(0, 0.3, (1, 1, k, k))
        _, _, gains = train(start, 400, **options)
        steps = ", ".join(f"{step}: {pattern(gains[step]):.2f}" for step in (0, 20, 400))
        print(f"kernel {k}, start {seed}, pattern at step {steps}")

# %% [markdown]
# Both kernels start with much pattern, for random weights have unequal sums. Kernel 4 unlearns it. Kernel 3 keeps the same amount from every start.
#
# **Predict, then run.** Kernels 2 to 6, started at 0. Which keep a pattern?

# %%
for k in range(2, 7):
    p = (k - 1) // 2
    _, _, gains = train(np.zeros((1, 1, k, k)), 400, padding=p, output_padding=2 + 2 * p - k)
    one, last = pattern(gains[1]), pattern(gains[400])
    print(f"kernel {k}: pattern {one:.2f} after one step, {last:.2f} after 400")

# %% [markdown]
# The odd ones. Kernel 5, with 9, 6, 6 and 4 weights in its phases, less than kernel 3. Training shrinks the pattern of the counts, but here it does not remove it.

# %% [markdown]
# ## 14 · Four cures
#
# **First cure: a kernel divisible by the stride.** For an exact enlargement by $s$ we need $k + o - 2p = s$ (put $H_{\text{out}} = sH$ into the formula of section 4). Search:

# %%
def clean_choices(s, largest=9):
    """(kernel, padding) for an exact enlargement by s, evenly touched, no output padding."""
    return [(k, (k - s) // 2) for k in range(s, largest + 1, s) if (k - s) % 2 == 0]


for s in (2, 3, 4):
    choices = clean_choices(s)
    assert all(output_size(10, k, s, p) == 10 * s for k, p in choices)
    print(f"stride {s}: kernel and padding", choices)

# %% [markdown]
# U-Net doubles with kernel 2, the FCN with kernel 4.
#
# **Second cure: begin with bilinear weights.** Bilinear interpolation *is* a transposed convolution: each input pixel stamps a tent. Its weights fall off linearly from the centre
# $a_0$ of the kernel,
#
# $$w_a = 1 - \frac{|a - a_0|}{s}, \qquad a_0 = \frac{k - 1}{2}, \qquad k = 2s - (s \bmod 2)$$
#
# **Predict, then run.** Stride 2, so kernel 4 and $a_0 = 1.5$. Compute the four weights before you look.

# %%
def bilinear_kernel(s):
    k = 2 * s - s % 2
    tent = 1 - np.abs(np.arange(k) - (k - 1) / 2) / s
    return np.outer(tent, tent)


tent = 1 - np.abs(np.arange(4) - 1.5) / 2
fcn = bilinear_kernel(2)
print("tent:", tent, "  gains:", phase_gains(fcn, 2).ravel())

# %% jupyter={"source_hidden": true}
# Figure: the bilinear kernel
fig = figures.arrays_row(
    [tent[:, None], tent[None], fcn, bilinear_kernel(3)],
    titles=["tent", "tent", "outer product:\nthe FCN's kernel", "for stride 3"],
    operators=["·", "=", ""],
    share_scale=True,
    fmt=".2f",
    cell=0.6,
)
figures.show(
    fig,
    alt="The column .25, .75, .75, .25 times the same row gives the 4 by 4 kernel with .06 in the "
    "corners and .56 in the centre; for stride 3 a 5 by 5 kernel with 1 in the centre.",
)

# %% [markdown]
# All gains are 1: a flat input stays flat. The FCN starts its transposed convolutions with these weights; all but the last then learn.
#
# **Predict, then run.** For stride 3 the kernel is 5, and $5 \bmod 3 \ne 0$. Does it draw a checkerboard?

# %%
for s in (2, 3, 4, 8):
    kernel = bilinear_kernel(s)
    spread = np.ptp(phase_gains(kernel, s))  # largest minus smallest
    print(f"stride {s}, kernel {len(kernel):2}: gains differ by {spread:.6f}")

# %% [markdown]
# No: the counts are uneven, but the *weights* make up for it (the differences are 0 up to rounding). What counts is the sum of the weights of each phase. Counting is the special case of equal weights.
#
# Is it the interpolation of lecture 03? Inside, yes. At the edge stamps are missing: nothing outside stamps, where interpolation repeats the last pixel.

# %%
def upsample_bilinear(x, s):
    channels = x.shape[1]
    weight = np.zeros((channels, channels, 2 * s - s % 2, 2 * s - s % 2), x.dtype)
    weight[range(channels), range(channels)] = bilinear_kernel(s)  # no channel sees another
    return conv_transpose2d_numpy(x, weight, stride=s, padding=s // 2)


images = rng.standard_normal((2, 3, 5, 6))
ours = upsample_bilinear(images, 2)
theirs = F.interpolate(
    torch.tensor(images), scale_factor=2, mode="bilinear", align_corners=False
).numpy()
compare.arrays(ours[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1], name="inside")

# %% [markdown]
# **Predict, then run.** The same comparison with the edge, for one channel of 10×12. How many values differ?

# %%
compare.arrays(ours[0, 0], theirs[0, 0], name="with the edge")

# %% [markdown]
# All on the frame one pixel deep: $2 \cdot 12 + 2 \cdot 8 = 40$.

# %% [markdown]
# **Third cure: resize, then convolve.** Enlarge by a fixed rule, here nearest neighbour, and let an ordinary convolution with stride 1 do the learning. Every output pixel then
# uses the same weights, all of them.
#
# **Predict, then run.** Together the two steps are one transposed convolution. Nearest neighbour by 2 is a 2×2 stamp of ones; the convolution has kernel 3. How large is the kernel
# of both together?

# %%
def resize_convolve(x, weight, s):
    larger = x.repeat(s, axis=-2).repeat(s, axis=-1)
    return conv2d(larger, weight, padding=weight.shape[-1] // 2)


def as_one_kernel(weight, s):
    """The answer to a single 1 is the stamp."""
    single = np.zeros((1, 1, 3, 3))
    single[..., 1, 1] = 1
    return resize_convolve(single, weight, s)[0, 0, s - 1 : 2 * s + 1, s - 1 : 2 * s + 1]


w3 = rng.standard_normal((1, 1, 3, 3))
stamp = as_one_kernel(w3, 2)
print("together:", stamp.shape, "  gains:", phase_gains(stamp, 2).ravel().round(4))
compare.arrays(
    conv_transpose2d_numpy(x4[None, None], stamp[None, None], stride=2, padding=1),
    resize_convolve(x4[None, None], w3, 2),
)

# %% [markdown]
# A 4×4 kernel, divisible by the stride, and its gains are equal *for any* nine weights: each phase adds up all nine. Its price: the
# convolution works on the large picture. Here 9 products for each output pixel; a transposed convolution with kernel 4 and stride 2 needs 4 (section 5: four weights in each phase).

# %% [markdown]
# **Fourth cure: pixel shuffle.** Compute $s^2$ channels at the *small* size by an ordinary convolution, then weave them: channel $r s + q$ gives the pixels with row phase $r$ and
# column phase $q$. It is section 5's picture, made into a layer.

# %%
def pixel_shuffle_numpy(x, upscale_factor):
    s = upscale_factor
    n, channels, height, width = x.shape
    parts = x.reshape(n, channels // s**2, s, s, height, width)
    return parts.transpose(0, 1, 4, 2, 5, 3).reshape(n, channels // s**2, height * s, width * s)


numbers = np.arange(16.0).reshape(1, 4, 2, 2)
shuffled = pixel_shuffle_numpy(numbers, 2)
compare.with_torch(pixel_shuffle_numpy, rng.standard_normal((2, 18, 4, 5)), 3,
                   reference=F.pixel_shuffle)

# %% jupyter={"source_hidden": true}
# Figure: four channels woven into one
colours = ["#D55E00", "#0072B2", "#009E73", "#CC79A7"]
fig = figures.arrays_row(
    [*numbers[0], shuffled[0, 0]],
    titles=[f"channel {c}" for c in range(4)] + ["pixel_shuffle(x, 2)"],
    operators=["", "", "", "→"],
    highlights=[
        *([(0, 0, 1, 1, c), (0, 1, 1, 1, c), (1, 0, 1, 1, c), (1, 1, 1, 1, c)] for c in colours),
        [(u, v, 1, 1, colours[2 * (u % 2) + v % 2]) for u in range(4) for v in range(4)],
    ],
    share_scale=True,
)
figures.show(
    fig,
    alt="Four channels of 2 by 2 numbers, framed in four colours, and the 4 by 4 result in "
    "which the colours alternate: 0, 4, 1, 5 in the first row and 8, 12, 9, 13 in the "
    "second.",
)

# %% [markdown]
# **Predict, then run.** A transposed convolution with kernel 6 and stride 2 has four phases of 3×3 weights. Can a convolution with those four as its filters, and a shuffle, give
# exactly the same?

# %%
w6 = rng.standard_normal((1, 1, 6, 6))
phases = [w6[0, :, r::2, q::2] for r in range(2) for q in range(2)]
filters = np.stack([phase[:, ::-1, ::-1] for phase in phases])  # conv2d does not flip, stamps do
compare.arrays(
    pixel_shuffle_numpy(conv2d(x4[None, None], filters, padding=2), 2),
    conv_transpose2d_numpy(x4[None, None], w6, stride=2),
)

# %% [markdown]
# Yes. So a convolution with pixel shuffle is a transposed convolution with a divisible kernel, the first cure in another form. Its phases are independent filters: random ones have
# unequal sums. The remedy (called ICNR) starts all $s^2$ filters with *the same* weights.
#
# *At home, to the end of the section.* Now compare them all. A flat input, random weights of mean 0, as at the start of training; 20 draws each.
#
# **Predict, then run.** Which of the six start without any pattern?

# %%
def median_pattern(kernel_of, draws=20):
    generators = (np.random.default_rng(seed) for seed in range(draws))
    return np.median([pattern(phase_gains(kernel_of(g), 2)) for g in generators])


def shuffled_kernel(g, same):
    filters = g.standard_normal((1 if same else 4, 3, 3))
    return pixel_shuffle_numpy(np.broadcast_to(filters, (4, 3, 3))[None], 2)[0, 0]


ways = {
    "kernel 3": lambda g: g.standard_normal((3, 3)),
    "kernel 4": lambda g: g.standard_normal((4, 4)),
    "kernel 4, bilinear start": lambda g: bilinear_kernel(2),
    "resize, convolve": lambda g: as_one_kernel(g.standard_normal((1, 1, 3, 3)), 2),
    "pixel shuffle": lambda g: shuffled_kernel(g, same=False),
    "pixel shuffle, equal filters": lambda g: shuffled_kernel(g, same=True),
}
for name, kernel_of in ways.items():
    print(f"{name:30} pattern {median_pattern(kernel_of):.2f}")

# %% [markdown]
# Three do. A divisible kernel alone does not promise equal gains at the *start*. It gives every phase equally many weights, and with them training ended with nearly equal gains in
# section 13. Of these ways, only resize and convolve keeps them equal whatever it learns.

# %% [markdown]
# ## 15 · The kernel in CUDA C (after lecture 08)
#
# *Leave this section out at first, and come back after [lecture 08](08_first_kernels.ipynb), which explains how such kernels are written; or watch it being shown. Nothing below
# needs it.* No GPU is needed either. Where there is no C++ compiler, the cells of this section say so, and the rest of the lecture runs without them.

# %% tags=["raises-exception"]
from segedu import cuda, cuda_ops

# %load_ext segedu.cuda

# %% [markdown]
# Section 5's gathering suits a GPU, which runs thousands of threads at once: each thread owns one output number and collects what belongs there. Here $(u, v)$ is its place on the canvas,
# $p$ further down and to the right than in the result.
#
# $$y_{uv} = \sum_{a \,\equiv\, u} \; \sum_{b \,\equiv\, v} \; \sum_c \; w_{cab}\; x_{c,\,(u-a)/s,\,(v-b)/s} \qquad (\mathrm{mod}\; s)$$

# %% language="cuda" magic_args="--quiet --module transposed" tags=["raises-exception"]
# extern "C" __global__ void gather(const float* x, const float* w, float* y,
#                                   int C, int H, int W, int M, int k, int s, int p,
#                                   int out_H, int out_W) {
#     int row = blockIdx.y * blockDim.y + threadIdx.y, column = blockIdx.x * blockDim.x + threadIdx.x;
#     if (row >= out_H || column >= out_W) return;
#     int n = blockIdx.z / M, m = blockIdx.z % M, u = row + p, v = column + p;
#     float sum = 0;
#     for (int a = u % s; a < k; a += s)
#         for (int b = v % s; b < k; b += s) {
#             int i = (u - a) / s, j = (v - b) / s;
#             if (i < 0 || i >= H || j < 0 || j >= W) continue;
#             for (int c = 0; c < C; ++c)
#                 sum += w[((c * M + m) * k + a) * k + b] * x[((n * C + c) * H + i) * W + j];
#         }
#     y[((n * M + m) * out_H + row) * out_W + column] = sum;
# }

# %% [markdown]
# Scattering, a thread for each input number, would need atomic additions, because stamps overlap; lecture 09 does both and compares.

# %%
def conv_transpose2d_cuda(x, weight, stride=1, padding=0, output_padding=0, kernel=None, **limits):
    (N, C, H, W), (_, M, k, _) = x.shape, weight.shape
    out = [output_size(size, k, stride, padding, output_padding) for size in (H, W)]
    y = np.empty((N, M, *out), np.float32)
    grid = -(-out[1] // 16), -(-out[0] // 16), N * M  # rounded up
    args = x, weight, y, C, H, W, M, k, stride, padding, *out
    (kernel or gather)(grid, (16, 16), args, **limits)
    return y

# %% [markdown]
# Ask PyTorch, with unequal sides, several channels, and overlapping stamps.

# %% tags=["raises-exception"]
draw = np.random.default_rng(15)
samples = draw.standard_normal((2, 3, 5, 4), dtype=np.float32)
filters = draw.standard_normal((3, 2, 3, 3), dtype=np.float32)
options = dict(stride=2, padding=1, output_padding=1, reference=F.conv_transpose2d)
compare.with_torch(conv_transpose2d_cuda, samples, filters, **options)

# %% [markdown]
# The photograph of section 1, enlarged by 2; the judge is our own whole-array function.

# %% tags=["raises-exception"]
stamp = random_kernel(4, seed=0)
ours = conv_transpose2d_cuda(small, stamp, stride=2, padding=1)
compare.arrays(ours, conv_transpose2d_numpy(small, stamp, stride=2, padding=1), name="coffee")

# %% [markdown]
# **Break it.** One character is missing: `a + s` instead of `a += s`. C computes the sum and throws it away, without a word.
#
# **Predict, then run.** What does the thread do? And what would a program do that waits for it?

# %% tags=["raises-exception"]
source = transposed.code.replace("a += s", "a + s")
careless = cuda.RawModule(source, mode="check").get_function("gather")


def careless_conv_transpose2d(x, weight, stride):
    return conv_transpose2d_cuda(x, weight, stride, kernel=careless, max_steps=10**6)


compare.with_torch(
    careless_conv_transpose2d, samples, filters, stride=2, reference=F.conv_transpose2d
)

# %% [markdown]
# It goes round for ever, and whoever waits for it waits as long. The checker counts the steps of each thread; we allowed a million. (By default it is a hundred million.)
#
# The library's `cuda_ops.conv_transpose2d` has the signature of `numpy_ops.conv_transpose2d`, with every option; `mode("check")` has every access checked.

# %% tags=["raises-exception"]
with cuda_ops.mode("check"):
    report = compare.with_torch(
        cuda_ops.conv_transpose2d, samples, grouped, stride=2, padding=1, groups=3
    )
report

# %% [markdown]
# **Won and lost.** No atomics, each output is written once, and the sum has the same order in every run; but neighbouring threads are of different phases, so they need different weights and read
# from different places. Its gradient for $x$ is an ordinary convolution (section 9), so lecture 01 has that kernel.

# %% [markdown]
# ## 16 · On real pictures
#
# Four ways to enlarge a photograph twice by 2, so by 4. Where weights are random, they are nearly equal, as in section 1.
#
# **Predict, then run.** Kernel 3 leaves peaks in the spectrum. At which two frequencies? (Section 12 had the same two layers.)

# %%
def enlarge(x, way, seed):
    if way == "resize, convolve":
        return resize_convolve(x, random_kernel(3, seed) / 4, 2)
    if way == "bilinear":
        return upsample_bilinear(x, 2)
    k = int(way[-1])
    return conv_transpose2d(x, random_kernel(k, seed), stride=2, padding=1, output_padding=4 - k)


cat = as_chw(photograph("chelsea", size=(64, 96)))[:, None]
pictures = {
    way: enlarge(enlarge(cat, way, 0), way, 1)
    for way in ("kernel 3", "kernel 4", "bilinear", "resize, convolve")
}

# %% jupyter={"source_hidden": true}
# Figure: four ways to enlarge, and their spectra
fig, axes = plt.subplots(2, 4, figsize=(10.5, 4.4), sharey="row", height_ratios=[1.25, 1])
for (above, below), (way, picture) in zip(axes.T, pictures.items(), strict=True):
    figures.draw_image(above, picture[:, 0, 80:144, 120:216].transpose(1, 2, 0), way)
    grey = picture.mean((0, 1))
    spectrum = np.abs(np.fft.rfft((grey - grey.mean()) * np.hanning(384), axis=1)).mean(0) / 384
    below.plot(np.fft.rfftfreq(384), spectrum)
    below.set(yscale="log", ylim=(1e-6, 1), xticks=[0, 0.25, 0.5], xlabel="cycles per pixel")
axes[1, 0].set_ylabel("spectrum of the rows")
fig.tight_layout()
figures.show(
    fig,
    alt="A cat enlarged four ways. Kernel 3: a grid over it, and peaks in its spectrum at 0.25 and "
    "0.5. Kernel 4: a faint grid and two smaller peaks. The last two: blurred, no grid, no sharp "
    "peaks; their curves fall at 0.25 and 0.5.",
    dpi=90,
)

# %% [markdown]
# At 0.25 and 0.5. Kernel 4 has smaller peaks at the same places: its random weights are only *nearly* equal, and so are its gains. Bilinear weights, and resize and convolve, have
# no peak there.

# %% [markdown]
# Now the last layer of an FCN. A network gives scores for each class at stride 8, and a transposed convolution enlarges them by 8. Suppose its scores are perfect: the share of each
# class in each 8×8 cell. Lecture 03 enlarged such shares by `interpolate`: 93.0% of the pixels were right with nearest neighbour, 95.6% with bilinear interpolation. Here the 8×8 stamp
# of ones does the former and the bilinear 16×16 stamp the latter.
#
# **Predict, then run.** At the edge of the picture the bilinear stamps give smaller scores than interpolation. Does that change the labels?

# %%
def label_pixels(labels, num_classes, kernel):
    shares = avg_pool2d(np.eye(num_classes, dtype=np.float32)[labels].transpose(2, 0, 1), 8)
    weight = np.broadcast_to(kernel.astype(np.float32), (num_classes, 1, *kernel.shape))
    padding = (len(kernel) - 8) // 2
    scores = conv_transpose2d(shares, weight, stride=8, padding=padding, groups=num_classes)
    return scores.argmax(0)


stamps = {"ones, 8×8": np.ones((8, 8)), "bilinear, 16×16": bilinear_kernel(8)}
scene = street(seed=4, size=(256, 384))
classes = len(scene.classes)
enlarged = {name: label_pixels(scene.labels, classes, stamp) for name, stamp in stamps.items()}
for name, labels in enlarged.items():
    right = labels == scene.labels
    pole = right[scene.labels == scene.classes.index("pole")].mean()
    print(f"{name:16} right: all {right.mean():.1%}   pole {pole:.1%}")

# %% jupyter={"source_hidden": true}
# Figure: labels enlarged by 8
part = np.s_[60:188, 190:382]
label_maps = [labels[part] for labels in (scene.labels, *enlarged.values())]
fig = figures.images_row(
    [figures.colourise(labels, scene.palette) for labels in label_maps],
    titles=["labels", *enlarged],
    height=2.5,
)
figures.label_legend(fig, scene.classes, scene.palette)
figures.show(
    fig,
    alt="Part of a street's label map; enlarged by stamps of ones, its outlines are steps of eight "
    "pixels; enlarged bilinearly, they are smooth curves; thin poles are mostly gone in both.",
)

# %% [markdown]
# The same percentages: at the edge the scores of *all* classes shrink by the same factor, so the largest stays the largest. Outlines are smoother and more pixels are right; most of
# what is thinner than a cell stays lost. The FCN therefore also uses finer layers (lecture 12).
#
# The next cell does the same on real street scenes if the CamVid data set is on this machine. Otherwise it says so.

# %% tags=["real-data"]
from segedu.data import camvid

if camvid.available():
    frames = camvid.camvid("test")
    for name, stamp in stamps.items():
        right = total = 0
        for number in range(0, len(frames), 40):
            _, labels = frames[number]
            known = labels != camvid.VOID
            right += (label_pixels(labels, 12, stamp) == labels)[known].sum()
            total += known.sum()
        print(f"CamVid test, every 40th frame, {name:16} right: {right / total:.1%}")
else:
    print("CamVid is not on this machine; the synthetic street above stands for it.")

# %% [markdown]
# ## 17 · Try it yourself (at home)
#
# Move the sliders: kernel, stride, one layer or two. The weights can be all ones, random, or the bilinear tent.

# %% tags=["nbval-ignore-output"]
import ipywidgets


def explore(kernel_size=3, stride=2, layers=1, weights="ones"):
    tent = 1 - np.abs(np.arange(kernel_size) - (kernel_size - 1) / 2) / stride
    v = {"ones": np.ones(kernel_size), "tent": np.maximum(tent, 0),
         "random": np.random.default_rng(0).uniform(0.5, 1.5, kernel_size)}[weights]
    row = stacked_row(v, stride, layers)
    spectrum = np.abs(np.fft.rfft(row - row.mean())) / 144
    fig, axes = plt.subplots(1, 3, figsize=(11, 3.5), width_ratios=[1.2, 1.3, 1.3])
    gains = np.outer(row[:9], row[:9])
    figures.draw_array(axes[0], gains, f"{kernel_size} mod {stride} = {kernel_size % stride}",
                       fmt=".3g", vmin=0, vmax=max(gains.max(), 1e-9))
    axes[1].step(range(24), row[:24], where="mid")
    axes[1].set(title="along a row", xlabel="pixel", ylim=(0, 1.1 * max(row.max(), 1)))
    axes[2].plot(np.fft.rfftfreq(144), spectrum)
    axes[2].set(title="spectrum", xlabel="cycles per pixel", ylim=(0, max(1, spectrum.max())))
    fig.tight_layout()
    figures.show(fig, alt=f"Kernel {kernel_size}, stride {stride}: gains as map, row, spectrum.")


ipywidgets.interact(
    explore, kernel_size=(1, 9), stride=(1, 4), layers=(1, 2), weights=["ones", "random", "tent"]
);

# %% [markdown]
# A still picture, for readers without a running notebook: kernel 5, stride 3. **Predict:** along a row, which count comes once in every three pixels?

# %% jupyter={"source_hidden": true}
# Figure: kernel 5, stride 3
explore(kernel_size=5, stride=3)

# %% [markdown]
# ## Common mistakes
#
# * **`=` instead of `+=`.** Overlapping stamps add up.
# * **Weights of shape outputs × inputs.** For a transposed convolution the *input* channels come first.
# * **Padding that makes the output larger.** It cuts off.
# * **Output padding as a frame of zeros.** It keeps a row that padding would have cut off, at the bottom and right only.
# * **Flipping the stamp.** Scattering does not flip; the convolution behind "fractionally strided" does, if written with `conv2d`.
# * **Kernel 3 with stride 2**, because the sizes fit. The pattern comes with it.
# * **Testing with $k = s$ only.** Without overlap, `=` and `+=` agree.
# * **Expecting it to undo a convolution.** It has the right shape, no more.

# %% [markdown]
# ## Summary
#
# * Every input pixel stamps the kernel on the output, times its value; stamps add. Scattering, gathering and $C^\top$ are three views of it.
# * $H_{\text{out}} = (H-1)\,s + d(k-1) + 1 + o - 2p$.
# * Its gradient for the input is the ordinary convolution, and the other way round.
# * Each phase of the output has its own weights. Their sums are the gains; unequal gains are the checkerboard.
# * With equal weights the gains are equal exactly when $k \bmod s = 0$. In our training, kernels not divisible by the stride kept a pattern; divisible ones kept hardly any.
# * Cures: divisible kernels, bilinear start, resize and convolve, pixel shuffle (with equal filters at the start).

# %% [markdown]
# ## Exercises
#
# 1. The last layer of some networks is a transposed convolution with kernel 1, stride 1 and as many output channels as classes. What does it do? Write it as a `conv2d`.
# 2. A network's maps have 15 rows; a pooling makes 7 rows of them. Find $k, p, o$ with stride 2 that lead from 7 back to exactly 15, with $k$ even and $o = 0$ or $1$.
# 3. A layer with kernel 3, stride 2 and weights 1 is followed by 2×2 average pooling with stride 1. What does the overlap map become? Why?
# 4. Set $o = 2$, $p = 1$, $k = 3$, $s = 3$. Which output rows does no stamp reach? What do they hold when there is a bias?
# 5. Which $k \le 16$ and $p$ enlarge by 8 exactly and evenly without output padding?
# 6. Without overlap ($k = s$), whole-array transposed convolution needs no loop: a product, a reshape and a transpose. Write it.
#
# <details><summary>Answers</summary>
#
# 1. Each pixel stamps one pixel: a 1×1 convolution, `conv2d(x, weight.swapaxes(0, 1))`. Nothing overlaps and nothing is enlarged.
# 2. $6 \cdot 2 + k + o - 2p = 15$, so $k + o - 2p = 3$: with $k$ even, $o = 1$; for example $k = 4, p = 1, o = 1$, or $k = 2, p = 0, o = 1$.
# 3. It becomes 2.25 everywhere away from the edges. Averaging two neighbours turns 2, 1, 2, 1 into 1.5. Kernel 3 and the two-pixel mean together are a kernel of 4, and
#    $4 \bmod 2 = 0$.
# 4. The stamps of $H$ rows cover $3H$ rows, the canvas has $3H + 2$. After cutting one row on either side, the last row of the output is reached by none. It holds the bias.
# 5. $k = 8, p = 0$ and $k = 16, p = 4$.
# 6. `np.einsum("nchw,cmab->nmhawb", x, weight).reshape(n, m, h * s, w * s)`.
#
# </details>
#
# ## Sources
#
# * J. Long, E. Shelhamer, T. Darrell, *Fully convolutional networks for semantic segmentation*, CVPR 2015, sections 3.3 and 4.3 (bilinear start).
# * M. D. Zeiler, D. Krishnan, G. W. Taylor, R. Fergus, *Deconvolutional networks*, CVPR 2010 (where the name comes from).
# * V. Dumoulin, F. Visin, *A guide to convolution arithmetic for deep learning*, arXiv:1603.07285, chapter 4 (sizes).
# * A. Odena, V. Dumoulin, C. Olah, *Deconvolution and checkerboard artifacts*, Distill 2016 (overlap counts, resize and convolve).
# * W. Shi et al., *Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network*, CVPR 2016 (pixel shuffle).
# * W. Shi et al., *Is the deconvolution layer the same as a convolutional layer?*, arXiv:1609.07009.
# * A. Aitken et al., *Checkerboard artifact free sub-pixel convolution: a note on sub-pixel convolution, resize convolution and convolution resize*, arXiv:1707.02937 (ICNR).
# * O. Ronneberger, P. Fischer, T. Brox, *U-Net: convolutional networks for biomedical image segmentation*, MICCAI 2015 (2×2 up-convolution).
# * PyTorch documentation, `torch.nn.functional.conv_transpose2d` and `pixel_shuffle`.

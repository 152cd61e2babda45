# %% [markdown]
# # Lecture 02 · Pooling
#
# Most networks make the picture smaller on their way, to see more of it at once. **Pooling** does that: it replaces every small window by one number.
#
# After this lecture you can
#
# 1. compute max and average pooling by hand, with loops, and with whole-array NumPy,
# 2. explain `stride`, `padding`, `dilation`, `ceil_mode` and `count_include_pad`,
# 3. say what the *indices* of max pooling are, and who wins a tie,
# 4. derive and program both gradients, overlapping windows included,
# 5. say what a network pays for pooling (resolution) and what it gets (receptive field).
#
# About 50 minutes without the parts marked *at home*, and 10 more for section 10 after lecture 08. You need lecture 01 (sliding windows) and some NumPy slicing.

# %%
import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, figures
from segedu.data.photographs import as_chw, photograph
from segedu.data.synthetic import street
from segedu.numpy_ops import avg_pool2d, max_pool2d

figures.use_style()
rng = np.random.default_rng(2)

# %% [markdown]
# Images are arrays of channels × height × width here, as in PyTorch. `as_chw` turns a photograph into one, with numbers from 0 to 1.

# %% [markdown]
# ## 1 · Why make a picture smaller?
#
# One photograph, and the same photograph after pooling once, three times and five times. Each time, every 2×2 window became its mean.
#
# **Predict, then run.** At which size do you stop seeing *where* the cup ends? At which size do you stop seeing *that* it is a cup?

# %%
coffee = as_chw(photograph("coffee", size=(384, 576)))
smaller = [coffee]
for _ in range(5):
    smaller.append(avg_pool2d(smaller[-1], kernel_size=2))

[image.shape for image in smaller]

# %% jupyter={"source_hidden": true}
# Figure: the photograph at four sizes
chosen = [smaller[k] for k in (0, 1, 3, 5)]
fig = figures.images_row(
    [image.transpose(1, 2, 0) for image in chosen],
    titles=[f"{image.shape[1]}×{image.shape[2]} pixels" for image in chosen],
    columns=2,
)
figures.show(
    fig,
    alt="A cup of coffee at four sizes: sharp, at half the size, at an eighth, and at a "
    "thirty-second of the size, where only patches of colour are left.",
    dpi=80,
)

# %% [markdown]
# *That* it is a cup survives longer than *where* it ends. Classification needs only the first; segmentation needs both. This tension runs through the whole course:
# this lecture gives resolution up, lectures 03 and 04 win it back.

# %% [markdown]
# ## 2 · By hand
#
# Take a 4×4 array. Cut it into 2×2 windows that do not overlap. Write down the largest number of each window, then the mean of each.
#
# **Predict, then run.** What is in the upper right corner of each result?

# %%
x = np.array(
    [[1, 5, 2, 0],
     [3, 4, 7, 7],
     [0, 2, 9, 1],
     [6, 0, 3, 3]], dtype=np.float32)
image = x[None]  # one channel: 1×4×4
largest = max_pool2d(image, kernel_size=2)[0]
mean = avg_pool2d(image, kernel_size=2)[0]

# %% jupyter={"source_hidden": true}
# Figure: windows and results
windows = [(0, 0, 2, 2), (0, 2, 2, 2), (2, 0, 2, 2), (2, 2, 2, 2)]
cells = [(0, 0), (0, 1), (1, 0), (1, 1)]
fig = figures.arrays_row(
    [x, largest, mean],
    titles=["x", "max_pool2d(x, 2)", "avg_pool2d(x, 2)"],
    operators=["→", ""],
    highlights=[windows, cells, cells],
    share_scale=True,
)
figures.show(
    fig,
    alt="A 4 by 4 array with four framed 2 by 2 windows, the four maxima 5, 7, 6, 9, and the four "
    "means 3.25, 4, 2, 4.",
)

# %% [markdown]
# Each framed window on the left becomes the cell with the same frame on the right. In an image of several channels the same happens in every channel by itself:
# pooling never mixes channels.

# %% [markdown]
# ## 3 · The definition, as loops
#
# With window size $k$ and step (*stride*) $s$, the maximum and the mean are
#
# $$y_{ij} = \max_{0 \le a, b < k} x_{\,i s + a,\; j s + b} \qquad\qquad y_{ij} = \frac{1}{k^2} \sum_{0 \le a, b < k} x_{\,i s + a,\; j s + b}$$
#
# The code reads like the formula.

# %%
def pool_loops(x, k, s, reduce):
    height = (x.shape[0] - k) // s + 1
    width = (x.shape[1] - k) // s + 1
    y = np.empty((height, width), x.dtype)
    for i in range(height):
        for j in range(width):
            y[i, j] = reduce([x[i * s + a, j * s + b] for a in range(k) for b in range(k)])
    return y


print(pool_loops(x, k=2, s=2, reduce=max))
print(pool_loops(x, k=2, s=2, reduce=np.mean))

# %% [markdown]
# How many windows fit? The last one must start at or before $H - k$, and they start every $s$ pixels:
#
# $$H_{\text{out}} = \left\lfloor \frac{H - k}{s} \right\rfloor + 1$$
#
# **Predict, then run.** `x` has 4 rows. How many rows does a 3×3 window with stride 1 give? And with stride 2?

# %%
[pool_loops(x, k=3, s=s, reduce=max).shape for s in (1, 2)]

# %% [markdown]
# With $k=3$ and $s=2$ the last row and the last column of `x` were never looked at. Section 5 returns to this.

# %% [markdown]
# ## 4 · Whole arrays instead of loops
#
# Python loops are slow. Turn them inside out: loop over the *few* positions $(a, b)$ inside a window, and let NumPy handle all windows at once.
# `x[a::2, b::2]` is "element $(a, b)$ of every window".

# %%
a, b, c, d = x[0::2, 0::2], x[0::2, 1::2], x[1::2, 0::2], x[1::2, 1::2]
y = np.maximum(np.maximum(a, b), np.maximum(c, d))

# %% jupyter={"source_hidden": true}
# Figure: element (a, b) of every window
fig = figures.arrays_row(
    [a, b, c, d, y],
    titles=["x[0::2, 0::2]", "x[0::2, 1::2]", "x[1::2, 0::2]", "x[1::2, 1::2]", "largest"],
    operators=["", "", "", "→"],
    share_scale=True,
)
figures.show(
    fig,
    alt="Four 2 by 2 arrays, the upper left, upper right, lower left and lower right elements of "
    "every window, and their elementwise maximum.",
)

# %% [markdown]
# The same for any window and stride: $k^2$ array operations, whatever the size of the picture. `taps` gives element $(a, b)$ of every window in turn.

# %%
def taps(x, k, s):
    height = (x.shape[-2] - k) // s + 1
    width = (x.shape[-1] - k) // s + 1
    for a in range(k):
        for b in range(k):
            yield x[..., a : a + s * height : s, b : b + s * width : s]


def max_pool_numpy(x, k, s):
    return np.maximum.reduce(list(taps(x, k, s)))


def avg_pool_numpy(x, k, s):
    return sum(taps(x, k, s)) / k**2

# %%
compare.arrays(max_pool_numpy(x, k=3, s=1), pool_loops(x, k=3, s=1, reduce=max))

# %%
compare.arrays(avg_pool_numpy(x, k=3, s=1), pool_loops(x, k=3, s=1, reduce=np.mean))

# %% [markdown]
# *At home.* How much faster is that? A 256×256 image, median of five.

# %% tags=["nbval-ignore-output"]
from time import perf_counter

picture = rng.standard_normal((256, 256), dtype=np.float32)


def milliseconds(function):
    times = []
    for _ in range(5):
        started = perf_counter()
        function()
        times.append(1000 * (perf_counter() - started))
    return np.median(times)


print(f"loops:  {milliseconds(lambda: pool_loops(picture, 2, 2, max)):8.2f} ms")
print(f"arrays: {milliseconds(lambda: max_pool_numpy(picture, 2, 2)):8.2f} ms")

# %% [markdown]
# The library's `max_pool2d` does the same with a few images at a time, so that what it computes in between stays small. Read `segedu/numpy_ops/pooling.py` when you are curious.

# %% [markdown]
# ## 5 · The edge: padding, dilation, `ceil_mode`
#
# **Padding** puts a frame of $p$ pixels round the image, so that windows can start outside. **Dilation** $d$ spreads a window: its elements lie $d$ pixels apart.

# %% jupyter={"source_hidden": true}
# Figure: padding and dilation
grid = np.zeros((7, 7))
framed = np.full((7, 7), np.nan)
framed[1:6, 1:6] = 0
fig = figures.arrays_row(
    [framed, grid, grid],
    titles=["padding 1", "dilation 1", "dilation 2"],
    highlights=[
        [(0, 0, 3, 3)],
        [(a, b, 1, 1, "#D55E00") for a in range(3) for b in range(3)],
        [(a, b, 1, 1, "#D55E00") for a in range(0, 5, 2) for b in range(0, 5, 2)],
    ],
    numbers=False,
)
figures.show(
    fig,
    alt="Left: a 5 by 5 image in a light frame of one pixel, the first 3 by 3 window starts in the "
    "frame. Middle: nine neighbouring cells. Right: nine cells two pixels apart.",
)

# %% [markdown]
# A dilated window reaches over $d(k-1)+1$ pixels, and the padded image has $H + 2p$. Together:
#
# $$H_{\text{out}} = \left\lfloor \frac{H + 2p - d(k-1) - 1}{s} \right\rfloor + 1$$
#
# **Predict, then run.** 7 pixels, a window of 3: how many windows with stride 2? With stride 2 and padding 1? With stride 1 and dilation 2?

# %%
def output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1


print("stride 2:            ", output_size(7, 3, stride=2))
print("stride 2, padding 1: ", output_size(7, 3, stride=2, padding=1))
print("stride 1, dilation 2:", output_size(7, 3, dilation=2))

# %% [markdown]
# What should the frame contain? **Predict, then run.** All numbers of `negative` lie below zero. Suppose the frame is filled with 0. What would max pooling return?

# %%
negative = -rng.integers(1, 10, (3, 3)).astype(np.float32)
with_zeros = max_pool_numpy(np.pad(negative, 1), k=3, s=2)
with_infinity = max_pool_numpy(np.pad(negative, 1, constant_values=-np.inf), k=3, s=2)

# %% jupyter={"source_hidden": true}
# Figure: what the frame contains
fig = figures.arrays_row(
    [negative, with_zeros, with_infinity],
    titles=["negative", "padded with 0", "padded with −∞"],
    operators=["→", ""],
    share_scale=True,
)
figures.show(
    fig,
    alt="A 3 by 3 array of negative numbers. Pooled after padding with zeros every result is 0; "
    "after padding with minus infinity each result is a number of the array.",
)

# %% [markdown]
# Zeros that nobody measured won every window. So max pooling pads with $-\infty$, which never wins. Average pooling pads with 0, and then there is a question: does the
# frame *count*? `count_include_pad` decides.

# %%
ones = np.ones((1, 5, 5), np.float32)
counted = avg_pool2d(ones, 3, stride=2, padding=1)
not_counted = avg_pool2d(ones, 3, stride=2, padding=1, count_include_pad=False)

# %% jupyter={"source_hidden": true}
# Figure: counting the frame
fig = figures.arrays_row(
    [ones[0], counted[0], not_counted[0]],
    titles=["ones", "count_include_pad\n=True", "count_include_pad\n=False"],
    operators=["→", ""],
    share_scale=True,
)
figures.show(
    fig,
    alt="Ones, pooled with padding 1. Counting the frame gives 0.44 in the corners and 0.67 along "
    "the edges; not counting it gives 1 everywhere.",
)

# %% [markdown]
# In a corner, 4 of the 9 elements lie in the image. Counting the frame darkens the edges of a picture; PyTorch counts it unless told otherwise.
#
# **`ceil_mode`** rounds the number of windows up, so that the last row and column are not lost. One exception: a window that would start in the frame on the far side is
# dropped.
#
# **Predict, then run.** 5 columns, window 2, stride 2. What does the third window see?

# %%
row = np.array([[[3, 1, 4, 1, 5]]], dtype=np.float32)
for ceil_mode in (False, True):
    print(f"ceil_mode={ceil_mode!s:5}", max_pool2d(row, (1, 2), ceil_mode=ceil_mode).ravel())

# %% [markdown]
# Without `ceil_mode` the largest number of the row, 5, was never seen.

# %% [markdown]
# ## 6 · The indices: where was the maximum?
#
# Max pooling throws away *where* the maximum was. `return_indices=True` keeps it. An index counts the pixels of the **plane** (one channel of one image) in reading order:
# row · W + column. Zeiler and Fergus call them *switches*. Lecture 03 needs them to undo pooling, and the gradient needs them now.
#
# **Predict, then run.** In the upper right window of `x` both 7s are largest. Which index will the code below give, 6 or 7?

# %%
def max_pool_indices_loops(x, k, s):
    values = pool_loops(x, k, s, max)
    indices = np.empty(values.shape, np.int64)
    for i, j in np.ndindex(*values.shape):
        best = -np.inf
        for r in range(i * s, i * s + k):
            for c in range(j * s, j * s + k):
                if x[r, c] > best:
                    best, indices[i, j] = x[r, c], r * x.shape[1] + c
    return values, indices


values, indices = max_pool_indices_loops(x, k=2, s=2)
indices

# %% jupyter={"source_hidden": true}
# Figure: values, plane, indices
plane = np.arange(16).reshape(4, 4)
winners = [(int(m) // 4, int(m) % 4) for m in indices.ravel()]
fig = figures.arrays_row(
    [x, values, plane, indices],
    titles=["x", "values", "number of\neach pixel", "indices"],
    operators=["→", "", "→"],
    highlights=[winners, cells, winners, cells],
    cmap=["cividis", "cividis", "Greys", "Greys"],
    share_scale=True,
)
figures.show(
    fig,
    alt="The array x with its four winners framed, the pooled values, the numbers 0 to 15 of the "
    "pixels with the same four framed, and the indices 1, 6, 12, 10.",
)

# %% [markdown]
# **A tie.** In the upper right window two elements are 7. The first in reading order wins, index 6, not 7: `>` does not let an equal replace it. This is a convention, but it
# matters, because only the winner gets the gradient.
#
# **NaN.** A broken value should not be hidden. In PyTorch and in `np.maximum` a NaN beats every number; among several NaNs PyTorch takes the last. But `>`, `<` and `==` with
# a NaN are always false, so our loops can lose it.
#
# **Predict, then run.** Which of the three results is not NaN?

# %%
broken = np.array([[8, np.nan], [1, 2]], dtype=np.float32)
print("library:   ", max_pool2d(broken[None], 2).item())
print("np.maximum:", max_pool_numpy(broken, 2, 2).item())
print("loops:     ", pool_loops(broken, 2, 2, max).item())

# %% [markdown]
# ## 7 · The gradient of max pooling
#
# Training needs $\partial L/\partial x$, the gradient of the loss $L$, given $\partial L/\partial y$. Move one element of a window a little: only if it is the winner does $y$
# move, and then by the same amount. With $m$ the index of a pixel,
#
# $$\frac{\partial L}{\partial x_m} = \sum_{(i,j)\,:\,\text{index}_{ij} = m} \frac{\partial L}{\partial y_{ij}}$$
#
# Each gradient travels back to the element that won.
#
# **Predict, then run.** Where does the 20 of the upper right window land?

# %%
def max_pool_backward_numpy(grad_output, indices, shape):
    grad_x = np.zeros(shape, grad_output.dtype)
    for plane in np.ndindex(*shape[:-2]):
        np.add.at(grad_x[plane].reshape(-1), indices[plane].ravel(), grad_output[plane].ravel())
    return grad_x


grad_output = np.array([[10, 20], [30, 40]], dtype=np.float32)
grad_x = max_pool_backward_numpy(grad_output, indices, x.shape)

# %% jupyter={"source_hidden": true}
# Figure: each gradient returns to its winner
fig = figures.arrays_row(
    [grad_output, indices, grad_x],
    titles=["gradient of y", "indices", "gradient of x"],
    operators=["", "→"],
    highlights=[cells, cells, winners],
    cmap=["cividis", "Greys", "cividis"],
    share_scale=True,
)
figures.show(
    fig,
    alt="Gradients 10, 20, 30, 40, the indices 1, 6, 12, 10, and the gradient of x: 10, 20, 30 and "
    "40 at the four winners and 0 elsewhere.",
)

# %% [markdown]
# **Overlapping windows.** With $k=3$, $s=1$ one element can win several windows. It gets the *sum*.
#
# **Predict, then run.** Below, one element is the largest of all four windows, and each gradient is 1. The last two lines look alike. What does each give?

# %%
peak = np.zeros((4, 4))
peak[1, 1] = 9
_, places = max_pool_indices_loops(peak, k=3, s=1)

wrong, right = np.zeros(16), np.zeros(16)
wrong[places.ravel()] += 1
np.add.at(right, places.ravel(), 1)
print("wrong:", wrong[5], "  right:", right[5])

# %% [markdown]
# `wrong[places] += 1` reads the old values once, adds, and writes: of four additions to the same cell one survives. `np.add.at` adds every time. This is a common mistake
# with this gradient, and it cannot be seen as long as windows do not overlap.

# %% [markdown]
# ## 8 · The gradient of average pooling
#
# Every element of a window has the same share in its mean, so every element gets the same share of the gradient, and overlaps add up again:
#
# $$\frac{\partial L}{\partial x_{rc}} = \frac{1}{k^2} \sum_{(i,j)\,:\,(r,c) \in \text{window}_{ij}} \frac{\partial L}{\partial y_{ij}}$$
#
# `taps` shows element $(a, b)$ of every window. Forward we read those views; backward we add to them.

# %%
def avg_pool_backward_numpy(grad_output, shape, k, s):
    grad_x = np.zeros(shape, grad_output.dtype)
    for tap in taps(grad_x, k, s):
        tap += grad_output / k**2
    return grad_x


shared = avg_pool_backward_numpy(grad_output, (4, 4), k=2, s=2)
holding = avg_pool_backward_numpy(np.full((3, 3), 9.0), (5, 5), k=3, s=1)

# %% jupyter={"source_hidden": true}
# Figure: every gradient shared out
fig = figures.arrays_row(
    [grad_output, shared],
    titles=["gradient of y", "gradient of x, 2×2"],
    operators=["→"],
    share_scale=True,
)
figures.show(
    fig,
    alt="Gradients 10, 20, 30 and 40; each is spread over the four elements of its window, in "
    "quarters: 2.5, 5, 7.5 and 10.",
)

# %% [markdown]
# In `holding` every gradient of $y$ is 9, so that every 3×3 window hands out exactly 1 to each of its pixels: `holding` counts the windows that hold a pixel.
#
# **Predict, then run.** Which pixel of the 5×5 is held by all nine windows? How many hold a corner?

# %% jupyter={"source_hidden": true}
# Figure: how many windows hold each pixel
fig = figures.arrays_row([holding], titles=["windows that hold each pixel"])
figures.show(
    fig,
    alt="How many 3 by 3 windows with stride 1 hold each pixel of a 5 by 5 array: 1 in the "
    "corners, 3 in the middle of each edge, 9 in the centre.",
)

# %% [markdown]
# Pixels near the edge are in fewer windows, and so get less of the gradient.

# %% [markdown]
# ## 9 · Are we right? Ask PyTorch
#
# `compare.with_torch` calls our function and PyTorch's with the same arguments, and compares shape, dtype, values and gradients. Random numbers, odd sizes and overlapping
# windows: easy inputs prove little.

# %%
import torch.nn.functional as F

z = rng.standard_normal((2, 3, 11, 7), dtype=np.float32)


def our_max_pool2d(x, kernel_size, stride):
    return max_pool_numpy(x, kernel_size, stride)


_, where = max_pool2d(z, 3, stride=2, return_indices=True)
compare.with_torch(
    our_max_pool2d, z, kernel_size=3, stride=2, reference=F.max_pool2d,
    backward=lambda grad: max_pool_backward_numpy(grad, where, z.shape),
)

# %%
def our_avg_pool2d(x, kernel_size, stride):
    return avg_pool_numpy(x, kernel_size, stride)


compare.with_torch(
    our_avg_pool2d, z, kernel_size=3, stride=2, reference=F.avg_pool2d,
    backward=lambda grad: avg_pool_backward_numpy(grad, z.shape, k=3, s=2),
)

# %% [markdown]
# The library takes every option at once: padding, dilation, `ceil_mode`, indices.

# %%
options = dict(kernel_size=3, stride=2, padding=1, dilation=2, ceil_mode=True)
compare.with_torch(max_pool2d, z, return_indices=True, **options)

# %% [markdown]
# And when it is wrong? Here is the mistake of section 5, zeros for padding. Read what the comparison says.

# %%
def pool_with_zeros(x, kernel_size, stride, padding):
    frame = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
    return max_pool_numpy(np.pad(x, frame), kernel_size, stride)


compare.with_torch(
    pool_with_zeros, z - 2, kernel_size=3, stride=2, padding=1, reference=F.max_pool2d
)

# %% [markdown]
# *At home.* A second opinion needs no PyTorch: nudge an input by a tiny amount and watch the output. This is a *finite difference*.

# %%
w = rng.standard_normal((7, 7))
grad_output = rng.standard_normal((3, 3))
gradient = avg_pool_backward_numpy(grad_output, w.shape, k=3, s=2)
compare.with_finite_differences(
    lambda w: avg_pool_numpy(w, k=3, s=2), [w], [gradient], grad_output=grad_output
)

# %% [markdown]
# ## 10 · The kernel in CUDA C (after lecture 08)
#
# *Leave this section out at first, and come back after [lecture 08](08_first_kernels.ipynb), which explains how such kernels are written; or watch it being shown. Nothing below
# needs it.* No GPU is needed either. Where there is no C++ compiler, the cells of this section say so, and the rest of the lecture runs without them.

# %% tags=["raises-exception"]
from segedu import cuda, cuda_ops

# %load_ext segedu.cuda

# %% [markdown]
# Forward: a thread for each number of $y$. The two loops are those of section 6, and NaN wins, as in PyTorch.

# %% language="cuda" magic_args="--quiet" tags=["raises-exception"]
# extern "C" __global__ void max_pool(const float* x, float* y, long long* indices,
#                                     int H, int W, int k, int s, int out_H, int out_W) {
#     int i = blockIdx.y * blockDim.y + threadIdx.y, j = blockIdx.x * blockDim.x + threadIdx.x;
#     if (i >= out_H || j >= out_W) return;
#     int plane = blockIdx.z;
#     x += plane * H * W;
#     int best = i * s * W + j * s;
#     for (int a = 0; a < k; ++a)
#         for (int b = 0; b < k; ++b) {
#             int m = (i * s + a) * W + j * s + b;
#             if (x[m] > x[best] || isnan(x[m])) best = m;
#         }
#     int window = (plane * out_H + i) * out_W + j;
#     y[window] = x[best];
#     indices[window] = best;
# }

# %% [markdown]
# Backward: a thread for each pixel $m$ of $x$, at row $r$ and column $c$. It adds up the sum of section 7 by itself: it asks each window that holds the pixel, $i s \le r < i s + k$ and
# $j s \le c < j s + k$, whether $m$ is its winner.

# %% language="cuda" magic_args="--quiet --module gradient" tags=["raises-exception"]
# extern "C" __global__ void max_pool_backward(const float* grad, const long long* indices, float* dx,
#                                 int H, int W, int k, int s, int out_H, int out_W) {
#     int r = blockIdx.y * blockDim.y + threadIdx.y, c = blockIdx.x * blockDim.x + threadIdx.x;
#     if (r >= H || c >= W) return;
#     int m = r * W + c, plane = blockIdx.z, windows = out_H * out_W;
#     grad += plane * windows, indices += plane * windows, dx += plane * H * W;
#     float sum = 0;
#     for (int i = max(0, (r - k + s) / s); i * s <= r && i < out_H; ++i)
#         for (int j = max(0, (c - k + s) / s); j * s <= c && j < out_W; ++j)
#             if (indices[i * out_W + j] == m) sum += grad[i * out_W + j];
#     dx[m] = sum;
# }

# %% [markdown]
# This is a **gather**: every thread writes one number of its own. Lecture 08 writes the same gradient as a *scatter*, a thread for each window, which adds to the winner with
# `atomicAdd`, because two windows may share a winner.
#
# In Python, make room for the results, and launch.

# %%
def launch(kernel, shape, *args):
    """A thread for each element of planes × height × width, in blocks of 16×16."""
    *planes, height, width = shape
    grid = -(-width // 16), -(-height // 16), int(np.prod(planes))
    kernel(grid, (16, 16), args)


def max_pool_cuda(x, k, s):
    H, W = x.shape[-2:]
    out = (H - k) // s + 1, (W - k) // s + 1
    y = np.empty((*x.shape[:-2], *out), np.float32)
    indices = np.empty(y.shape, np.int64)
    launch(max_pool, y.shape, x, y, indices, H, W, k, s, *out)
    return y, indices


def max_pool_backward_cuda(grad, indices, shape, k, s):
    dx = np.empty(shape, np.float32)
    launch(max_pool_backward, shape, grad, indices, dx, *shape[-2:], k, s, *grad.shape[-2:])
    return dx

# %% [markdown]
# `-(-width // 16)` rounds up. Then ask PyTorch, with the odd sizes and overlapping windows of section 9, and with small whole numbers, which have ties.

# %% tags=["raises-exception"]
def our_kernels(x, kernel_size, stride, return_indices):
    return max_pool_cuda(x, kernel_size, stride)


ties = np.round(z)
_, first = max_pool2d(ties, 3, stride=2, return_indices=True)
compare.with_torch(
    our_kernels, ties, kernel_size=3, stride=2, return_indices=True, reference=F.max_pool2d,
    backward=lambda grad: max_pool_backward_cuda(grad, first, z.shape, 3, 2),
)

# %% [markdown]
# The photograph of section 1, with our whole-array function as the judge.

# %% tags=["raises-exception"]
compare.arrays(max_pool_cuda(coffee, 3, 2)[0], max_pool_numpy(coffee, 3, 2), name="coffee")

# %% [markdown]
# **Break it.** Somebody saves the variable `sum` and adds to `dx[m]` at once. `cuda.empty` gives new memory, as `np.empty` does, and the checker knows that nothing is in it yet.
#
# **Predict, then run.** What will the checker complain about? Who meets it first: thread 0, or the first thread whose pixel won a window?

# %% tags=["raises-exception"]
source = gradient.code.replace("sum += grad", "dx[m] += grad").replace("dx[m] = sum;", "")
careless = cuda.RawModule(source, mode="check").get_function("max_pool_backward")


def careless_backward(grad):
    dx = cuda.empty(z.shape)
    launch(careless, z.shape, grad, first, dx, *z.shape[-2:], 3, 2, *grad.shape[-2:])
    return dx


compare.with_torch(
    max_pool2d, ties, kernel_size=3, stride=2, return_indices=True, backward=careless_backward
)

# %% [markdown]
# The first that won: `dx[m] += …` reads before it writes, and only winners come to this line. A GPU would have added to whatever lay in the memory. The message names two
# remedies; the variable `sum` is the first.
#
# The library's `cuda_ops.max_pool2d` has the signature of `numpy_ops.max_pool2d`, padding and all. `mode("check")` has every access checked.

# %% tags=["raises-exception"]
options = dict(kernel_size=3, stride=2, padding=1, dilation=2, ceil_mode=True)
with cuda_ops.mode("check"):
    report = compare.with_torch(cuda_ops.max_pool2d, z, return_indices=True, **options)
report

# %% [markdown]
# **Won and lost.** The gather needs no atomics, and it adds in the same order in every run; but each pixel has to ask all the windows that hold it, up to four here, where the scatter carries each
# gradient just once.

# %% [markdown]
# ## 11 · On a real photograph
#
# **Predict, then run.** A cat, pooled at stride 8 by the maximum, the mean and the minimum. Which one loses the dark stripes? Which one loses the glint in the eye?

# %%
cat = as_chw(photograph("chelsea", size=(288, 432)))
pooled = [cat, max_pool2d(cat, 8), avg_pool2d(cat, 8), -max_pool2d(-cat, 8)]

# %% jupyter={"source_hidden": true}
# Figure: the cat pooled three ways
fig = figures.images_row(
    [image.transpose(1, 2, 0) for image in pooled],
    titles=["photograph", "largest of 8×8", "mean of 8×8", "smallest of 8×8"],
    columns=2,
)
figures.show(
    fig,
    alt="A cat: the photograph; pooled by the maximum, lighter, its dark stripes faded; by the "
    "mean, blurred; by the minimum, darker, the light in its eyes gone.",
    dpi=80,
)

# %% [markdown]
# The maximum keeps highlights and swallows thin dark lines; the minimum does the opposite. The channels are pooled separately, so colours appear that were nowhere in the
# photograph.

# %% [markdown]
# ## 12 · What resolution costs
#
# Suppose a network gives one label per 8×8 cell, and gives the right one: the commonest label of the cell. Enlarge that map again. How many pixels are right?
#
# Finding the commonest label is itself an average pooling: pool the one-hot label map, then take the largest share.

# %%
def commonest_label(labels, stride, num_classes):
    one_hot = np.eye(num_classes)[labels].transpose(2, 0, 1)
    coarse = avg_pool2d(one_hot, stride, ceil_mode=True).argmax(0)
    return coarse.repeat(stride, 0).repeat(stride, 1)[: labels.shape[0], : labels.shape[1]]


scene = street(seed=4, size=(256, 384))
classes = len(scene.classes)
coarse = {stride: commonest_label(scene.labels, stride, classes) for stride in (4, 8, 16, 32)}

# %% jupyter={"source_hidden": true}
# Figure: the commonest label at four strides
label_maps = [scene.labels, *coarse.values()]
fig = figures.images_row(
    [scene.image] + [figures.colourise(labels, scene.palette) for labels in label_maps],
    titles=["image", "labels"] + [f"stride {stride}" for stride in coarse],
    columns=3,
)
figures.label_legend(fig, scene.classes, scene.palette)
figures.show(
    fig,
    alt="A drawn street, its label map, and the commonest label of each cell at strides 4, 8, 16 "
    "and 32: outlines turn into steps, then poles and people disappear.",
)

# %% [markdown]
# **Predict, then run.** At stride 16, which share of all pixels is right? Of the road? Of the poles?

# %%
for stride, labels in coarse.items():
    right = labels == scene.labels
    print(f"stride {stride:2}: all {right.mean():6.1%}", end="")
    for name in ("road", "building", "pole"):
        print(f"   {name} {right[scene.labels == scene.classes.index(name)].mean():6.1%}", end="")
    print()

# %% [markdown]
# Roads hardly suffer; thin things vanish. The overall share hides it, which is why lecture 07 counts class by class. One constant label per cell cannot do better than this;
# smoother upsampling can, and lecture 03 shows how.
#
# The next cell does the same on real street scenes if the CamVid data set is on this machine. Otherwise it says so.

# %% tags=["real-data"]
from segedu.data import camvid

if camvid.available():
    frames = camvid.camvid("test")
    for stride in (2, 4, 8, 16, 32):
        right = total = 0
        for number in range(0, len(frames), 40):
            _, labels = frames[number]
            known = labels != camvid.VOID
            right += (commonest_label(labels, stride, 12) == labels)[known].sum()
            total += known.sum()
        print(f"CamVid test, every 40th frame, stride {stride:2}: {right / total:.1%}")
else:
    print("CamVid is not on this machine; the synthetic street above stands for it.")

# %% [markdown]
# ## 13 · What the receptive field gains
#
# The **receptive field** of a unit is the patch of the image that it can see. Write $r$ for its width, and $t$ for the step between neighbouring units, both in pixels of the
# image. A layer with window $k$ and stride $s$ gives
#
# $$r \leftarrow r + (k - 1)\, t, \qquad t \leftarrow t\, s$$
#
# After a pooling with stride 2, every later layer widens the field by twice as much.
#
# **Predict, then run.** 15 layers of 3×3 convolutions see how many pixels? And with every third layer a 2×2 pooling: 31, 60 or 150?

# %%
def receptive_fields(layers):
    r, t, fields = 1, 1, []
    for kernel_size, stride in layers:
        r, t = r + (kernel_size - 1) * t, t * stride
        fields.append(r)
    return fields


plain = receptive_fields([(3, 1)] * 15)
pooled = receptive_fields([(3, 1), (3, 1), (2, 2)] * 5)
needed = (pooled[-1] - 1) // 2 + 1
print("15 layers, 3×3 convolutions only:          ", plain[-1], "pixels")
print("15 layers, every third a 2×2 pooling:      ", pooled[-1], "pixels")
print("convolutions needed for that without pooling:", needed)

# %% jupyter={"source_hidden": true}
# Figure: receptive fields
fig, ax = plt.subplots(figsize=(7, 3.6))
ax.plot(range(1, 16), plain, "o-", label="3×3 convolutions only")
ax.plot(range(1, 16), pooled, "s-", label="every third layer a 2×2 pooling")
ax.set(xlabel="layer", ylabel="receptive field, pixels", yscale="log")
ax.set_yticks([3, 10, 30, 100], ["3", "10", "30", "100"])
ax.minorticks_off()
ax.legend()
figures.show(
    fig,
    alt="Receptive field over 15 layers: with convolutions only it grows by 2 pixels a layer to "
    "31; with pooling it grows ever faster, to 156 pixels.",
)

# %% [markdown]
# That is the bargain. Pooling buys context cheaply and pays with resolution.

# %% [markdown]
# ## 14 · Try it yourself (at home)
#
# Move the sliders. Watch which elements win, and how large the output is.

# %% tags=["nbval-ignore-output"]
import ipywidgets


def explore(kernel_size=2, stride=2, padding=0, dilation=1):
    padding = min(padding, kernel_size // 2)  # more is refused
    y, places = max_pool2d(z[:1, 0], kernel_size, stride, padding, dilation, return_indices=True)
    winners = {(int(m) // 7, int(m) % 7, 1, 1, "#D55E00") for m in places.ravel()}
    fig = figures.arrays_row(
        [z[0, 0], y[0]],
        titles=[f"x, padding {padding}, winners framed", f"y, {y.shape[1]}×{y.shape[2]}"],
        operators=["→"],
        fmt=".1f",
        highlights=[sorted(winners), []],
        share_scale=True,
    )
    figures.show(fig, alt=f"An 11 by 7 array, its winners framed, and its {y.shape[1:]} maxima.")


ipywidgets.interact(explore, kernel_size=(1, 4), stride=(1, 4), padding=(0, 2), dilation=(1, 2));

# %% [markdown]
# A still picture, for readers without a running kernel: window 3, stride 2, padding 1.

# %% jupyter={"source_hidden": true}
# Figure: window 3, stride 2, padding 1
explore(kernel_size=3, stride=2, padding=1)

# %% [markdown]
# ## Common mistakes
#
# * **Zeros for padding in max pooling.** They win wherever the image is negative. Use $-\infty$.
# * **Indices that count inside the window.** PyTorch's count in the whole plane: row · W + column.
# * **Indices over the whole batch.** They start again at 0 in every channel of every image.
# * **The last of equals.** The first wins; `>=` instead of `>` picks the last.
# * **`grad[indices] += g`.** With overlapping windows only one of the gradients survives. Use `np.add.at`.
# * **Dividing by $k^2$ at the edge** when `count_include_pad=False`.
# * **Testing on `arange`.** Then the last element always wins, and half of these mistakes pass.

# %% [markdown]
# ## Summary
#
# * Pooling replaces each window by its maximum or its mean, in each channel by itself.
# * $H_{\text{out}} = \lfloor (H + 2p - d(k-1) - 1)/s \rfloor + 1$; `ceil_mode` rounds up.
# * Max pooling pads with $-\infty$; its indices say where each maximum was; the first of equals wins.
# * Backwards, the maximum sends its gradient to the winner, the mean shares it out; overlaps add.
# * Pooling widens the receptive field and loses thin things.

# %% [markdown]
# ## Exercises
#
# 1. Change one character of `max_pool_indices_loops` so that the *last* of equals wins. Would a comparison on `z` notice? Why not?
# 2. Pool with $k=3$, $s=2$, $p=1$ a picture of 224×224. How large is the result? And of 225×225?
# 3. `-max_pool2d(-x, k)` is min pooling. What does its padding count as?
# 4. Write `avg_pool2d` as a convolution. Which weights, which `groups`?
# 5. Two 2×2 poolings after each other: equal to one 4×4 pooling? For the maximum, for the mean? And at size 7 with `ceil_mode=True`?
#
# <details><summary>Answers</summary>
#
# 1. `>=` for `>`. Not on `z`: random floats have no ties. Test with small integers.
# 2. 112×112, and 113×113.
# 3. $+\infty$: the padding of $-x$ is $-\infty$, and its negative is $+\infty$.
# 4. All weights $1/k^2$, `stride=k`, and as many groups as channels.
# 5. Equal for both where the size is a multiple of 4. At size 7 the maximum is still equal; the mean is not, because the smaller windows at the edge count like full ones in
#    the second pooling.
#
# </details>
#
# ## Sources
#
# * J. Weng, N. Ahuja, T. S. Huang, *Cresceptron: a self-organizing neural network which grows adaptively*, IJCNN 1992 (max pooling).
# * Y. LeCun et al., *Handwritten digit recognition with a back-propagation network*, NIPS 1989 (averaging layers).
# * M. D. Zeiler, R. Fergus, *Visualizing and understanding convolutional networks*, ECCV 2014 (switches).
# * V. Dumoulin, F. Visin, *A guide to convolution arithmetic for deep learning*, arXiv:1603.07285 (output sizes).
# * A. Araujo, W. Norris, J. Sim, *Computing receptive fields of convolutional neural networks*, Distill 2019.
# * PyTorch documentation, `torch.nn.functional.max_pool2d` and `avg_pool2d`.

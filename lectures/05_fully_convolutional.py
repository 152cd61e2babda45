# %% [markdown]
# # Lecture 05 · From fully connected to fully convolutional
#
# A network that classifies gives one answer for a whole picture. Give its last layers another shape, not one weight more, and the same network answers for every place of a picture
# of any size. With
# this step Long, Shelhamer and Darrell turned classifiers into segmentation networks in 2015.
#
# After this lecture you can
#
# 1. write a fully connected layer as a convolution, and show that both give the same numbers,
# 2. program a 1×1 convolution and its gradient as matrix products,
# 3. make AlexNet fully convolutional, and count its parameters layer by layer,
# 4. work out the size of the score map for any input, and which pixels each score sees,
# 5. say, and measure, why the score map is coarse,
# 6. count the multiplications that this saves, compared with sliding the classifier,
# 7. train a classifier of small patches and let it segment a whole scene at once.
#
# About 80 minutes without the parts marked *at home*, and 10 more for section 8 after lecture 08; a good place for a break is after section 7. You need lectures 01 (convolution), 02 (pooling, receptive field) and 03 (bilinear interpolation).

# %%
import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, figures
from segedu.data.photographs import as_chw, photograph
from segedu.data.synthetic import street
from segedu.numpy_ops import avg_pool2d, conv2d, interpolate, max_pool2d, relu

figures.use_style()
rng = np.random.default_rng(5)

# %% [markdown]
# Images are arrays of channels × height × width here (C×H×W), as in PyTorch.

# %% [markdown]
# ## 1 · One score, or a map of scores?
#
# Here is a detector of coins with 841 weights, set by hand: positive on a disc, negative around it. It is a **fully connected layer** with one output: it multiplies each pixel of a
# patch of 29×29 by a weight of its own and adds everything up. Bright disc on dark ground: large score.

# %%
coins = avg_pool2d(as_chw(photograph("coins"))[:1], 2)  # the photograph is grey: one channel
offset = np.arange(29) - 14
disc = offset[:, None] ** 2 + offset**2 <= 11**2
detector = np.where(disc, 1 / disc.sum(), -1 / (~disc).sum()).astype(np.float32)

print("photograph:", coins.shape, " detector:", detector.shape)
print("score of a patch with a coin:  ", (detector * coins[0, 49:78, 8:37]).sum().round(2))
print("score of a patch between coins:", (detector * coins[0, 32:61, 24:53]).sum().round(2))

# %% [markdown]
# The layer cannot take the whole photograph: that has 151×192 pixels, and there are only 841 weights. But the same weights can be the kernel of a convolution.
#
# **Predict, then run.** The photograph shows 24 coins. What will the result look like: one number, 24 numbers, or a picture? (The second line below counts bright spots: pixels that
# are the largest of their 15×15 neighbourhood, and above 0.15.)

# %%
score = conv2d(coins, detector[None, None])[0]
peak = (score == max_pool2d(score[None], 15, stride=1, padding=7)[0]) & (score > 0.15)
print("score map:", score.shape, "  highest points above 0.15:", peak.sum())

# %% jupyter={"source_hidden": true}
# Figure: coins, detector, score map
rows, columns = np.nonzero(peak)
fig, axes = plt.subplots(1, 3, figsize=(12, 3.6), width_ratios=[192, 60, 164])
axes[0].imshow(coins[0], cmap="gray")
axes[1].imshow(detector, cmap="gray")
axes[2].imshow(score)
axes[2].plot(columns, rows, "o", mec="#D55E00", mfc="none", mew=2, clip_on=False)
titles = ["photograph, 151×192", "29×29 weights", "score map, 123×164"]
for ax, title in zip(axes, titles, strict=True):
    ax.set(title=title, xticks=[], yticks=[])
fig.tight_layout()
figures.show(
    fig,
    alt="A photograph of 24 coins in four rows; the weights, a light disc on a dark square; the "
    "score map with bright spots in four rows of six, and a ring in each.",
)

# %% [markdown]
# A picture: one score for each place where the patch fits. The fully connected layer says *whether* there is a coin; its answer carries no coordinates. The convolution says *where*
# as well. Not a single weight has changed.

# %% [markdown]
# ## 2 · By hand
#
# The same in small numbers. The weights look for a plus sign: +1 on the plus, −1 in the corners.
#
# **Predict, then run.** Compute the score of the 3×3 patch. Then find the places of the larger picture that give the same score.

# %%
plus = np.array(
    [[-1, 1, -1],
     [ 1, 1,  1],
     [-1, 1, -1]], dtype=np.float32)
patch = np.array(
    [[0, 2, 0],
     [2, 2, 2],
     [0, 2, 1]], dtype=np.float32)
scene = np.zeros((5, 8), np.float32)
scene[1:4, 0:3] = patch
scene[0:3, 5:8] = patch

one = (plus * patch).sum()
many = conv2d(scene[None], plus[None, None])[0]

# %% jupyter={"source_hidden": true}
# Figure: one score, and a map of scores
fig = figures.arrays_row(
    [patch, plus, np.array([[one]]), scene, many],
    titles=["patch", "weights", "score", "larger picture", "score map"],
    operators=["·", "=", "", "→"],
    highlights=[
        [(0, 0, 3, 3)], [], [(0, 0)], [(1, 0, 3, 3), (0, 5, 3, 3)], [(1, 0), (0, 5)]
    ],
    share_scale=True,
)
figures.show(
    fig,
    alt="A 3 by 3 patch times the weights gives the score 9. A 5 by 8 picture holds that patch "
    "twice, framed; its 3 by 6 score map has 9 at row 1, column 0 and at row 0, column 5.",
)

# %% [markdown]
# Two plus signs, two nines. Move a sign by one pixel, and its nine moves by one.

# %% [markdown]
# ## 3 · The same sum, written twice
#
# A fully connected layer (PyTorch calls it `linear`) takes a vector $x$ of $M$ numbers and gives one number for each output $o$:
#
# $$y_o = b_o + \sum_{m=0}^{M-1} A_{om}\, x_m$$
#
# If $x$ was a **feature map** (what the layer before it gives) of $C \times H \times W$ numbers, it was *flattened* first: channel by channel, row by row. Element $(c, u, v)$ stands
# at
#
# $$m = (c\,H + u)\,W + v$$
#
# Now write the same sum over $c$, $u$, $v$, and call the weights $w_{ocuv} = A_{om}$:
#
# $$y_o = b_o + \sum_{c, u, v} w_{ocuv}\, x_{cuv}$$
#
# This is a convolution whose kernel is as large as its input. It fits in exactly one place.

# %%
def linear_loops(x, weight, bias):
    y = bias.copy()
    for o in range(len(weight)):
        for m in range(x.size):
            y[o] += weight[o, m] * x.ravel()[m]
    return y


def fc_to_conv(weight, channels, height, width):
    return weight.reshape(len(weight), channels, height, width)

# %% [markdown]
# A small feature map of 2 channels × 2 rows × 3 columns, and 4 outputs.
#
# **Predict, then run.** Each row of `A` has 12 weights. Which of them meets element $(1, 0, 2)$: channel 1, row 0, column 2?

# %%
x = rng.integers(-9, 10, (2, 2, 3)).astype(np.float32)
A = rng.integers(-9, 10, (4, 12)).astype(np.float32)
b = rng.integers(-9, 10, 4).astype(np.float32)
kernels = fc_to_conv(A, 2, 2, 3)

print("m =", (1 * 2 + 0) * 3 + 2)
print("weight in A:", A[0, 8], "  weight in the kernel:", kernels[0, 1, 0, 2])

# %% jupyter={"source_hidden": true}
# Figure: one row of A becomes one kernel
fig = figures.arrays_row(
    [A[0], kernels[0, 0], kernels[0, 1]],
    titles=["row 0 of A", "kernel, channel 0", "kernel, channel 1"],
    operators=["→", ""],
    highlights=[[(0, 0, 1, 6), (0, 6, 1, 6), (0, 8, 1, 1, "#000000")], [(0, 0, 2, 3)],
                [(0, 0, 2, 3, "#E69F00"), (0, 2, 1, 1, "#000000")]],
    share_scale=True,
)
figures.show(
    fig,
    alt="A row of 12 numbers with two frames of six, beside the two 2 by 3 arrays that hold the "
    "same numbers; element 8 of the row and element (0, 2) of the second array are framed.",
)

# %% [markdown]
# Now both, on the same input.

# %%
as_linear = linear_loops(x, A, b)
as_convolution = conv2d(x, kernels, b)
print("fully connected:", as_linear.shape, as_linear)
print("convolution:    ", as_convolution.shape, as_convolution.ravel())
print("largest difference:", np.abs(as_linear - as_convolution.ravel()).max())

# %% [markdown]
# Equal to the last digit, because whole numbers are added without rounding. Fractions are rounded, and the two may add in another order. In double precision that is a difference
# somewhere behind the twelfth digit:

# %%
x64, A64, b64 = rng.standard_normal((2, 2, 3)), rng.standard_normal((4, 12)), np.zeros(4)
difference = linear_loops(x64, A64, b64) - conv2d(x64, fc_to_conv(A64, 2, 2, 3), b64).ravel()
print("largest difference, rounded to 12 digits:", np.abs(difference).max().round(12))

# %% [markdown]
# The result of the convolution keeps two axes of length 1. They wait for a larger input.

# %% [markdown]
# **A wrong answer.** Some libraries flatten with the channels *last*: row, column, channel. Weights from there need `reshape(4, 2, 3, 2)` and then `transpose(0, 3, 1, 2)`. What
# if one forgets this? `hints` tells the comparison which mistakes to look for.

# %%
channels_last = kernels.transpose(0, 2, 3, 1).reshape(4, 12)  # how such a library stores them
forgotten = conv2d(x, fc_to_conv(channels_last, 2, 2, 3), b)
read_back = channels_last.reshape(4, 2, 3, 2).transpose(0, 3, 1, 2)

wrong_order = linear_loops(x, channels_last, b)[:, None, None]
mistake = ("the scores of weights flattened row, column, channel", wrong_order)
compare.arrays(forgotten, as_convolution, name="scores", hints=[mistake])

# %%
compare.arrays(conv2d(x, read_back, b), as_convolution, name="scores")

# %% [markdown]
# Shape and size are right in both cases, so nothing fails loudly. Only a comparison on random numbers finds it.

# %% [markdown]
# ## 4 · A larger input, a map of vectors
#
# Now give the convolution more than it was made for: 4 rows and 6 columns in place of 2 and 3.
#
# **Predict, then run.** What is the shape of the result?

# %%
large = rng.integers(-9, 10, (2, 4, 6)).astype(np.float32)
scores = conv2d(large, kernels, b)

by_hand = np.empty_like(scores)
for i, j in np.ndindex(3, 4):
    by_hand[:, i, j] = linear_loops(large[:, i : i + 2, j : j + 3], A, b)

print(scores.shape, "  largest difference:", np.abs(scores - by_hand).max())

# %% [markdown]
# Each of the 3×4 places holds the vector of 4 scores that the fully connected layer gives for the patch there. Not almost: the difference is 0.
#
# As whole-array NumPy: `sliding_window_view` gives all windows of $H \times W$ at once, `tensordot` sums over $c$, $u$, $v$. This is im2col of lecture 01 in two lines.

# %%
from numpy.lib.stride_tricks import sliding_window_view


def fc_conv_numpy(x, weight, bias):
    windows = sliding_window_view(x, weight.shape[2:], axis=(2, 3))  # N, C, rows, columns, H, W
    y = np.tensordot(windows, weight, axes=[(1, 4, 5), (1, 2, 3)])  # N, rows, columns, O
    return y.transpose(0, 3, 1, 2) + bias[:, None, None]


compare.arrays(fc_conv_numpy(large[None], kernels, b), scores[None])

# %% [markdown]
# **Where is it?** A fully connected layer *over the whole picture* has one weight for every pixel, and gives a vector without coordinates. Shift the picture by one column: every pixel
# meets another weight.
#
# **Predict, then run.** What does the shift do to the 4 outputs of a fully connected layer? What to the score map?

# %%
wide = rng.integers(-9, 10, (2, 4, 9)).astype(np.float32)
here, shifted = wide[:, :, 1:8], wide[:, :, 0:7]  # the same picture, one column further right
everywhere = rng.integers(-9, 10, (4, here.size)).astype(np.float32)

print("fully connected:", everywhere @ here.ravel(), "→", everywhere @ shifted.ravel())
before, after = conv2d(here, kernels, b), conv2d(shifted, kernels, b)
print("score map moved along:", np.array_equal(after[:, :, 1:], before[:, :, :-1]))

# %% [markdown]
# Unrelated numbers here; the same map, one column further on, there. The fully connected layer must learn every place anew. The convolution has learned all places at once.

# %% [markdown]
# ## 5 · 1×1: one matrix product
#
# Once the map is 1×1, the next fully connected layer sees a vector of $C$ numbers. As a convolution its kernel is $C \times 1 \times 1$. On a map of any size it treats the vector at
# every place in the same way:
#
# $$y_{oij} = b_o + \sum_{c} w_{oc}\, x_{cij}$$
#
# A fully connected layer classifies one vector. A **1×1 convolution** classifies every vector of the map.
#
# First as loops, then as whole arrays. Write the map as a matrix $X$ with a row for each channel and a column for each pixel: without the bias it is $A X$.

# %%
def conv1x1_loops(x, weight, bias):
    images, channels, height, width = x.shape
    y = np.zeros((images, len(weight), height, width), x.dtype) + bias[:, None, None]
    for n, o, i, j in np.ndindex(*y.shape):
        for c in range(channels):
            y[n, o, i, j] += weight[o, c, 0, 0] * x[n, c, i, j]
    return y


def conv1x1_numpy(x, weight, bias):
    images, channels, height, width = x.shape
    y = weight[:, :, 0, 0] @ x.reshape(images, channels, height * width)
    return y.reshape(images, -1, height, width) + bias[:, None, None]


z = rng.standard_normal((2, 3, 5, 7), dtype=np.float32)
weight = rng.standard_normal((4, 3, 1, 1), dtype=np.float32)
bias = rng.standard_normal(4, dtype=np.float32)
compare.arrays(conv1x1_numpy(z, weight, bias), conv1x1_loops(z, weight, bias), length=3)

# %% [markdown]
# **On a photograph.** A pixel is a vector of 3 numbers: red, green, blue. A 1×1 convolution with 3 outputs makes 3 new ones.
#
# **Predict, then run.** The rows of the matrix are: the mean; red minus green; the mean of red and green, minus blue. Which one shows the saucer brightest? Which one the
# coffee?

# %%
coffee = as_chw(photograph("coffee", size=(192, 288)))
matrix = np.array([[1 / 3, 1 / 3, 1 / 3], [1, -1, 0], [1 / 2, 1 / 2, -1]], np.float32)
mixed = conv1x1_numpy(coffee[None], matrix[:, :, None, None], np.zeros(3, np.float32))[0]

# %% jupyter={"source_hidden": true}
# Figure: three weighted sums of colours
fig = figures.images_row(
    [coffee.transpose(1, 2, 0)] + [(m - m.min()) / np.ptp(m) for m in mixed],
    titles=["photograph", "mean", "red − green", "yellow − blue"],
    columns=2, height=1.95,
)
figures.show(
    fig,
    alt="A cup of coffee on a red saucer, and three grey pictures: the mean; red minus green, with "
    "the saucer nearly white; yellow minus blue, with the coffee in the cup white.",
    dpi=80,
)

# %% [markdown]
# ## 6 · The gradients
#
# For one image the layer is $Y = A X + b$, so its gradients are two matrix products and a sum. With $G$ for the gradient of $Y$:
#
# $$\frac{\partial L}{\partial X} = A^\top G, \qquad \frac{\partial L}{\partial A} = G X^\top, \qquad \frac{\partial L}{\partial b_o} = \sum_{ij} G_{oij}$$
#
# For a batch, the last two add up over the images.

# %%
def conv1x1_backward_numpy(grad_output, x, weight):
    images, channels = x.shape[:2]
    g = grad_output.reshape(images, len(weight), -1)
    flat = x.reshape(images, channels, -1)
    dx = weight[:, :, 0, 0].T @ g
    dweight = (g @ flat.transpose(0, 2, 1)).sum(0)
    return dx.reshape(x.shape), dweight[:, :, None, None], g.sum((0, 2))

# %% [markdown]
# *At home.* For the $H \times W$ kernel the product is taken at every window, and added. The gradient for a weight is the sum over all places, because all places share it.
#
# $$\frac{\partial L}{\partial w_{ocuv}} = \sum_{ij} G_{oij}\, x_{c,\,i+u,\,j+v} \qquad\qquad \frac{\partial L}{\partial x_{c,\,i+u,\,j+v}} \mathrel{+}= \sum_o w_{ocuv}\, G_{oij}$$

# %%
def fc_conv_backward_numpy(grad_output, x, weight):
    windows = sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    dweight = np.tensordot(grad_output, windows, axes=[(0, 2, 3), (0, 2, 3)])
    dx = np.zeros(x.shape, x.dtype)
    rows, columns = grad_output.shape[2:]
    for u, v in np.ndindex(*weight.shape[2:]):
        share = np.tensordot(weight[:, :, u, v], grad_output, axes=[0, 1]).swapaxes(0, 1)
        dx[:, :, u : u + rows, v : v + columns] += share
    return dx, dweight, grad_output.sum((0, 2, 3))

# %% [markdown]
# **Predict, then run.** All gradients of the scores are 1. The input is exactly as large as the kernel; then 3 rows and 4 columns larger. By what does `db` grow?

# %%
for extra in (0, 0), (3, 4):
    shape = (1, 2, 2 + extra[0], 3 + extra[1])
    ones = np.ones((1, 4, 1 + extra[0], 1 + extra[1]), np.float32)
    _, _, db = fc_conv_backward_numpy(ones, np.ones(shape, np.float32), kernels)
    print("input", shape, "  places", ones[0, 0].size, "  db", db)

# %% [markdown]
# ## 7 · Are we right? Ask PyTorch
#
# Values and gradients, random numbers, odd sizes.

# %%
import torch.nn.functional as F

compare.with_torch(
    conv1x1_numpy, z, weight, bias, reference=F.conv2d,
    backward=lambda grad: conv1x1_backward_numpy(grad, z, weight),
)

# %%
wide_weight = rng.standard_normal((4, 3, 2, 3), dtype=np.float32)
compare.with_torch(
    fc_conv_numpy, z, wide_weight, bias, reference=F.conv2d,
    backward=lambda grad: fc_conv_backward_numpy(grad, z, wide_weight),
)

# %% [markdown]
# And directly: PyTorch's *fully connected* layer against our convolution.

# %%
def linear_as_conv(x, weight, bias):
    kernel = fc_to_conv(weight, channels=3, height=5, width=7)
    return fc_conv_numpy(x, kernel, bias)[:, :, 0, 0]


def linear_of_torch(x, weight, bias):
    return F.linear(x.flatten(1), weight, bias)


matrix = rng.standard_normal((4, 105), dtype=np.float32)
compare.with_torch(linear_as_conv, z, matrix, bias, reference=linear_of_torch)

# %% [markdown]
# The library's `conv2d` takes what ours left out: stride, padding, dilation, groups.

# %%
grouped = rng.standard_normal((6, 1, 2, 3), dtype=np.float32)
compare.with_torch(conv2d, z, grouped, stride=2, padding=(1, 2), dilation=(2, 1), groups=3)

# %% [markdown]
# **A wrong answer** for the 1×1 convolution: one letter too much, the `.T` of the gradient. With as many outputs as inputs all shapes are right.
#
# **Predict, then run.** What will the comparison name as the cause?

# %%
def conv1x1_transposed(x, weight, bias):
    images, channels, height, width = x.shape
    y = weight[:, :, 0, 0].T @ x.reshape(images, channels, height * width)
    return y.reshape(images, -1, height, width) + bias[:, None, None]


compare.with_torch(conv1x1_transposed, z, weight[:3], bias[:3], reference=F.conv2d)

# %% [markdown]
# ## 8 · The kernel in CUDA C (after lecture 08)
#
# *Leave this section out at first, and come back after [lecture 08](08_first_kernels.ipynb), which explains how such kernels are written; or watch it being shown. Nothing below
# needs it.* No GPU is needed either. Where there is no C++ compiler, the cells of this section say so, and the rest of the lecture runs without them.

# %% tags=["raises-exception"]
from segedu import cuda_ops

# %load_ext segedu.cuda

# %% [markdown]
# The 1×1 convolution is the matrix product $A X$ plus $b$. Number the pixels of the map in reading order, $p = 0, 1, \dots, P - 1$. Each thread computes one number of the result:
#
# $$y_{op} = b_o + \sum_{c} A_{oc}\, X_{cp}$$

# %% language="cuda" magic_args="--quiet" tags=["raises-exception"]
# extern "C" __global__ void conv1x1(const float* A, const float* X, const float* b, float* y,
#                                    int O, int C, int P) {
#     int p = blockIdx.x * blockDim.x + threadIdx.x, o = blockIdx.y, n = blockIdx.z;
#     if (p >= P) return;
#     float sum = b[o];
#     for (int c = 0; c < C; ++c)
#         sum += A[o * C + c] * X[(n * C + c) * P + p];
#     y[(n * O + o) * P + p] = sum;
# }

# %%
def product_cuda(A, x, b):
    (outputs, C), (N, _, H, W) = A.shape, x.shape
    y = np.empty((N, outputs, H, W), np.float32)
    grid = -(-H * W // 128), outputs, N  # the pixels in blocks of 128, rounded up
    conv1x1(grid, (128,), (A, x, b, y, outputs, C, H * W))
    return y


def conv1x1_cuda(x, weight, bias):
    return product_cuda(weight[:, :, 0, 0], x, bias)

# %% [markdown]
# The gradient for $X$ is $A^\top G$ (section 6): the same kernel with the transposed matrix and no bias.
#
# **Break it.** `.T` does not move any number in memory; NumPy only reads the same numbers in another order.
#
# **Predict, then run.** A kernel gets no more than the place in memory where an array begins. What should happen to `A.T`?

# %% tags=["raises-exception"]
def careless_backward(grad):
    return product_cuda(weight[:, :, 0, 0].T, grad, np.zeros(3, np.float32)), None, None


compare.with_torch(
    conv1x1_cuda, z, weight, bias, reference=F.conv2d, backward=careless_backward
)

# %% [markdown]
# The result is right; the gradient was never computed, because the arguments are checked before the launch. CuPy itself would launch, and the kernel would read $A$ untransposed. With as many outputs as
# inputs all shapes fit, and the wrong answer is the one of section 7.
#
# `np.ascontiguousarray` copies the numbers into the order in which they are read.

# %% tags=["raises-exception"]
def backward_cuda(grad):
    transposed = np.ascontiguousarray(weight[:, :, 0, 0].T)
    return product_cuda(transposed, grad, np.zeros(3, np.float32)), None, None


compare.with_torch(conv1x1_cuda, z, weight, bias, reference=F.conv2d, backward=backward_cuda)

# %% [markdown]
# The photograph of section 5 and its three weighted sums; the judge is our own whole-array function.

# %% tags=["raises-exception"]
sums = np.array([[1 / 3, 1 / 3, 1 / 3], [1, -1, 0], [1 / 2, 1 / 2, -1]], np.float32)
ours = product_cuda(sums, coffee[None], np.zeros(3, np.float32))
compare.arrays(ours[0], mixed, length=3, name="coffee")

# %% [markdown]
# In the library a 1×1 convolution is `cuda_ops.conv2d`, with the signature of `numpy_ops.conv2d`; `mode("check")` has every access checked.

# %% tags=["raises-exception"]
with cuda_ops.mode("check"):
    report = compare.with_torch(cuda_ops.conv2d, z, weight, bias)
report

# %% [markdown]
# **Won and lost.** No copy of the input, and neighbouring threads read neighbouring pixels; but each number of $A$ is fetched once for every pixel, and each pixel once for every output.
# Lecture 09 takes this product up four rungs, until threads share what they fetched.

# %% [markdown]
# ## 9 · AlexNet, layer by layer
#
# AlexNet won the ImageNet competition of 2012. It classifies: one picture of 224×224 in, 1000 scores out. We use the form that PyTorch's `torchvision` has. Each line below is a
# layer: name, kernel size, stride, padding, channels out. Poolings have no weights and keep the channels (`None`).

# %%
trunk = [
    ("conv1", 11, 4, 2, 64), ("pool1", 3, 2, 0, None),
    ("conv2", 5, 1, 2, 192), ("pool2", 3, 2, 0, None),
    ("conv3", 3, 1, 1, 384), ("conv4", 3, 1, 1, 256), ("conv5", 3, 1, 1, 256),
    ("pool5", 3, 2, 0, None),
]
head = [("fc6", 4096), ("fc7", 4096), ("fc8", 1000)]


def walk(layers, size, channels=3):
    """Name and shape after each layer, for a square input."""
    shapes = [("image", channels, size)]
    for name, k, s, p, out in layers:
        size, channels = (size + 2 * p - k) // s + 1, out or channels
        shapes.append((name, channels, size))
    return shapes

# %%
for name, channels, size in walk(trunk, 224):
    print(f"{name:6} {channels:4} × {size} × {size}")

# %% jupyter={"source_hidden": true}
# Figure: AlexNet with its fully connected layers
def draw_alexnet(layers, size, operations):
    shapes = walk(layers, size)
    blocks = [(shapes[n][0], *shapes[n][1:], shapes[n][2]) for n in (0, 2, 4, 8)]
    blocks += [(name, c, n, n) for name, c, n in shapes[9:]]
    operations = ["conv1,\npool", "conv2,\npool", "conv3, 4, 5,\npool", *operations]
    colours = ["#56B4E9"] * 4 + ["#E69F00"] * 3
    return figures.layer_diagram(blocks, operations, colours, height=1.7)


as_vectors = [("fc6", 6, 1, 0, 4096), ("fc7", 1, 1, 0, 4096), ("fc8", 1, 1, 0, 1000)]
figures.show(
    draw_alexnet([*trunk, *as_vectors], 224, ["flatten,\nmatrix", "matrix", "matrix"]),
    alt="AlexNet as a row of blocks: the image of 3 by 224 by 224, feature maps that shrink to "
    "256 by 6 by 6, then three vectors of 4096, 4096 and 1000 numbers in another colour.",
)

# %% [markdown]
# Layers 1 to 5 are convolutions and layers 6, 7 and 8 are fully connected. The last feature map, 256×6×6, is flattened: 9216 numbers.
#
# **Predict, then run.** How many parameters (weights and biases) does it have, and which share of them belongs to the three fully connected layers: a tenth, a half, nine tenths?

# %%
def parameters(layers, channels):
    """Weights and biases of each layer: kernels are k × k × channels in."""
    counts = {}
    for name, k, _, _, out in layers:
        if out is not None:
            counts[name] = out * channels * k * k + out
            channels = out
    return counts


counts = parameters(trunk, 3)
inputs = 256 * 6 * 6
for name, out in head:
    counts[name] = out * inputs + out
    inputs = out

# %%
for name, count in counts.items():
    print(f"{name:6} {count:12,}")
print(f"total  {sum(counts.values()):12,}")
print(f"fully connected: {sum(counts[name] for name, _ in head) / sum(counts.values()):.1%}")

# %% [markdown]
# *At home.* PyTorch counts the same. (On the device "meta" it keeps only shapes, no numbers.)

# %%
from torch import nn

sizes = [(3, 64, 11), (64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3)]
layers = [nn.Conv2d(*size, device="meta") for size in sizes]
layers += [nn.Linear(9216, 4096, device="meta"), nn.Linear(4096, 4096, device="meta")]
layers += [nn.Linear(4096, 1000, device="meta")]
total = sum(array.numel() for layer in layers for array in layer.parameters())
print(f"{total:,}", total == sum(counts.values()))

# %% [markdown]
# ## 10 · AlexNet made convolutional
#
# Layer 6 sees a map of 256×6×6. So its kernel is 256×6×6, and there are 4096 of them. Layers 7 and 8 see a map of 1×1, so their kernels are 4096×1×1. The trained matrices are reshaped as
# in section 3: 4096×9216 becomes 4096×256×6×6.

# %%
convolutional = [
    *trunk, ("conv6", 6, 1, 0, 4096), ("conv7", 1, 1, 0, 4096), ("conv8", 1, 1, 0, 1000)
]
converted = parameters(convolutional, 3)
print("before:", f"{sum(counts.values()):,}", "  after:", f"{sum(converted.values()):,}")
for name, channels, size in walk(convolutional, 224)[-3:]:
    print(f"at 224, {name}: {channels} × {size} × {size}")

# %% jupyter={"source_hidden": true}
# Figure: AlexNet made convolutional, on a larger picture
figures.show(
    draw_alexnet(convolutional, 480, ["6×6 kernel", "1×1", "1×1"]),
    alt="The convolutional AlexNet on an image of 480 by 480: its last three blocks are now maps "
    "of 9 by 9 places with 4096, 4096 and 1000 channels.",
)

# %% [markdown]
# The same 61,100,840 numbers, in another shape. At 224×224 the result is 1000×1×1, one vector of scores. At 480×480 it is a **score map**: 1000 scores for each of 9×9 places.
#
# **A slip one meets.** Sometimes one reads that the kernels of the three layers have the shapes (4096, 1, 1), (4096, 1, 1) and (1000, 1, 1). Those are the shapes of the
# *outputs* at 224×224.
#
# **Predict, then run.** Give layer 6 kernels of 1×1. How many parameters does it have? What is the shape of its output?

# %%
slip = [*trunk, ("conv6", 1, 1, 0, 4096)]
for kernel, layers in (("6×6", convolutional), ("1×1", slip)):
    _, channels, size = walk(layers, 224)[9]
    count = parameters(layers, 3)["conv6"]
    print(f"{kernel} kernels: {count:10,} parameters, output {channels} × {size} × {size}")

# %% [markdown]
# That would be another layer. It has no place for the weights that were trained, and its output is 4096×6×6. For layers 7 and 8 the 1×1 kernel is right: one kernel is 4096×1×1,
# because layers 6 and 7 give 4096 channels.

# %% [markdown]
# ## 11 · Run it
#
# With all its channels our network would have to hold 61 million numbers. For shapes and equality an eighth of the channels will do, with random weights.

# %%
thin = [(name, k, s, p, out and out // 8) for name, k, s, p, out in convolutional]


def random_weights(layers, channels=3):
    weights = {}
    for name, k, _, _, out in layers:
        if out is not None:
            spread = (2 / (channels * k * k)) ** 0.5  # the numbers keep their size
            w = spread * rng.standard_normal((out, channels, k, k), dtype=np.float32)
            weights[name] = w, 0.1 * rng.standard_normal(out, dtype=np.float32)
            channels = out
    return weights


def forward(x, layers, weights):
    for name, k, s, p, out in layers:
        if out is None:
            x = max_pool2d(x, k, s, p)
        else:
            x = conv2d(x, *weights[name], stride=s, padding=p)
            x = x if name == "conv8" else relu(x)
    return x

# %% [markdown]
# The fully connected form takes the *same* weights as matrices.

# %%
def forward_connected(x, weights):
    features = forward(x, thin[:8], weights)
    vector = features.ravel()
    for name in ("conv6", "conv7", "conv8"):
        weight, bias = weights[name]
        vector = weight.reshape(len(weight), -1) @ vector + bias
        vector = vector if name == "conv8" else relu(vector)
    return vector


weights = random_weights(thin)
photo = as_chw(photograph("astronaut", size=480)) - 0.5
crop = photo[:, :224, :224].copy()
vector, score_map = forward_connected(crop, weights), forward(crop, thin, weights)
print(vector.shape, score_map.shape)
print("equal up to rounding:", np.allclose(vector, score_map.ravel(), rtol=1e-4, atol=1e-4))

# %% [markdown]
# **Predict, then run.** Now the whole photograph, 480×480. What does each form say?

# %%
try:
    forward_connected(photo, weights)
except ValueError as error:
    print("fully connected: refused,", type(error).__name__)
print("convolutional:  ", forward(photo, thin, weights).shape)

# %% [markdown]
# ## 12 · The score map's size, for any input
#
# Lecture 02 followed two numbers through the layers: the width $r$ of the receptive field and the step $t$ from one field to the next. Padding adds a third: the first field starts
# $e$ pixels *outside* the picture. All three start at $r = 1$, $t = 1$, $e = 0$. A layer with kernel size $k$, stride $s$, padding $p$ gives, in this order,
#
# $$r \leftarrow r + (k - 1)\,t \qquad e \leftarrow e + p\,t \qquad t \leftarrow t\,s$$

# %%
def fields(layers):
    """Width of the field, step, and how far the first one starts outside: after each layer."""
    r, t, e, rows = 1, 1, 0, []
    for name, k, s, p, _ in layers:
        r, e, t = r + (k - 1) * t, e + p * t, t * s
        rows.append((name, r, t, e))
    return rows


for name, r, t, e in fields(convolutional):
    print(f"{name:6} field {r:4}   step {t:3}   starts {e:3} outside")

# %% [markdown]
# So, as far as sizes go, the whole network is *one* layer with kernel $r = 355$, stride $t = 32$ and padding $e = 66$. For a picture of height $H$ the score map has
# $H_{\text{out}}$ rows:
#
# $$H_{\text{out}} = \left\lfloor \frac{H + 2e - r}{t} \right\rfloor + 1 = \left\lfloor \frac{H - 223}{32} \right\rfloor + 1$$
#
# **Predict, then run.** How large is the score map for a side of 224? 254? 255? 500? What is the smallest side?

# %%
def score_map_size(size, layers):
    _, r, t, e = fields(layers)[-1]
    return (size + 2 * e - r) // t + 1


for size in (222, 223, 224, 254, 255, 480, 500):
    print(f"side {size}: {score_map_size(size, convolutional)}")


def walked(size):
    return walk(convolutional, size)[-1][2]


agree = [score_map_size(n, convolutional) == walked(n) for n in range(223, 1000)]
print("equal to walking layer by layer, sides 223 to 999:", all(agree))

# %% [markdown]
# That one formula replaces eleven roundings is no accident: dividing by 4, rounding down, dividing by 8 and rounding down again is the same as dividing by 32 and rounding down
# once.
#
# Height and width are independent of each other, so the picture need not be square. PyTorch agrees; here, too, the device "meta" keeps shapes only.

# %%
import torch

image = torch.empty(1, 3, 500, 333, device="meta")
for _, k, s, p, out in convolutional:
    if out is None:
        image = F.max_pool2d(image, k, s, p)
    else:
        kernel = torch.empty(out, image.shape[1], k, k, device="meta")
        image = F.conv2d(image, kernel, stride=s, padding=p)
print("PyTorch:", tuple(image.shape), " formula:", [score_map_size(n, thin) for n in (500, 333)])

# %% [markdown]
# ## 13 · Why it is coarse
#
# Two numbers make it coarse. There is one score every $t = 32$ pixels, and each score has looked at $r = 355$ pixels.
#
# **Predict, then run.** Two neighbouring scores look at 355 rows each, 32 apart. Which share of the rows do they have in common?

# %%
_, r, t, e = fields(convolutional)[-1]
print(f"rows in common: {(r - t) / r:.0%}")
for i in (0, 4, 8):
    print(f"score {i}: rows {i * t - e} to {i * t - e + r - 1}, middle {i * t - e + (r - 1) // 2}")

# %% [markdown]
# Rows below 0 are padding. The first field reaches from row −66 to row 288.
#
# Is that true? **Measure it.** Add noise to a single row of the photograph, and see whether score (4, 4) changes. Its field should be rows 62 to 416.
#
# **Predict, then run.** Which of the rows 61, 62, 416 and 417 make a difference?

# %%
scores = forward(photo, thin, weights)
for row in (61, 62, 240, 416, 417):
    disturbed = photo.copy()
    disturbed[:, row] += 5 * rng.standard_normal((3, 480), dtype=np.float32)
    change = np.abs(forward(disturbed, thin, weights) - scores)[:, 4, 4].max()
    print(f"row {row}: score (4, 4)", "changes" if change > 0 else "stays the same")

# %% [markdown]
# Exact to the pixel. But do all rows of the field count alike? Follow the gradient of one score back to the picture. To see the *shape* of the field, and not one random network, we
# make every kernel a mean and every pooling too. Then each pixel's gradient is the share of paths that lead from it to the score.

# %%
from segedu.numpy_ops import conv2d_backward


def path_shares(layers, size, i, j):
    sizes = [n for _, _, n in walk(layers, size)]
    grad = np.zeros((1, sizes[-1], sizes[-1]))
    grad[0, i, j] = 1
    for (_, k, s, p, _), n in zip(reversed(layers), reversed(sizes[:-1]), strict=True):
        mean = np.full((1, 1, k, k), 1 / k**2)
        grad, _, _ = conv2d_backward(grad, np.zeros((1, n, n)), mean, stride=s, padding=p)
    return grad[0]


share = path_shares(convolutional, 480, 4, 4)
neighbour = path_shares(convolutional, 480, 4, 5)
seen = np.nonzero(share.any(axis=1))[0]
half = share[240 - 89 : 240 + 89, 240 - 89 : 240 + 89]
print("rows with a gradient:", seen[0], "to", seen[-1], " number:", len(seen))
print(f"middle square of half the width: {half.size / r**2:.0%} of the field,", end=" ")
print(f"{half.sum() / share.sum():.0%} of the gradient")

# %% jupyter={"source_hidden": true}
# Figure: the field of one score, and of its neighbour
fig, axes = plt.subplots(1, 2, figsize=(11.5, 4.3), width_ratios=[1, 1.5])
axes[0].imshow(share)
axes[0].set(title="share of each pixel in score (4, 4)", xticks=[], yticks=[])
for style, label, one in (("-", "score (4, 4)", share), ("--", "score (4, 5)", neighbour)):
    axes[1].plot(np.convolve(one.sum(0), np.ones(32) / 32, "same"), style, label=label)
axes[1].set(title="each column, mean of 32 neighbours", xlabel="column of the picture")
axes[1].set(ylabel="share of the score")
axes[1].legend(loc="upper left")
fig.tight_layout()
figures.show(
    fig,
    alt="Left: a bright blob in the middle of a square that fades to its edges. Right: two bell-"
    "shaped curves of the same form, the second 32 columns further right.",
)

# %% [markdown]
# The field has no sharp edge: the middle counts most. (The fine grid on the left is the uneven overlap of lecture 04: kernel 11 with stride 4, kernel 3 with stride 2. On the right it
# is smoothed away.)
#
# And neighbours overlap almost entirely. One score for 32×32 pixels cannot say where among them a border runs.

# %% [markdown]
# ## 14 · What it saves
#
# The alternative is lecture 01's: cut out a window of 224×224 every 32 pixels, and classify each with the fully connected network. Count the multiplications.
#
# **Predict, then run.** For 10×10 scores: which part of the multiplications remains in one run over the whole picture? About a twentieth, a tenth or an eighth?

# %%
def multiplications(layers, height, width=None):
    """One number for each layer that has weights."""
    rows, columns = walk(layers, height)[1:], walk(layers, width or height)[1:]
    counts, channels = [], 3
    for (_, k, _, _, out), (_, _, n), (_, _, m) in zip(layers, rows, columns, strict=True):
        if out is not None:
            counts.append(out * channels * k * k * n * m)
            channels = out
    return np.array(counts)


def in_billions(counts):
    return f"{counts[:5].sum() / 1e9:12.1f} {counts[5:].sum() / 1e9:10.1f}"


print("         sliding: layers 1–5  layers 6–8   at once: layers 1–5  layers 6–8   ratio")
for side in (1, 2, 5, 10, 20, 50):
    sliding = side**2 * multiplications(convolutional, 224)
    at_once = multiplications(convolutional, 224 + 32 * (side - 1))
    print(f"{side:2}×{side:<2} {in_billions(sliding):>32}{in_billions(at_once):>33}", end="")
    print(f"{sliding.sum() / at_once.sum():8.1f}")

# %% [markdown]
# The numbers are billions of multiplications. Overlapping windows share the convolutions: for 10×10 scores, 3.6 in place of 65.6. Layers 6, 7 and 8 save nothing, because each
# score needs its own: 5.9 in both. So about an eighth remains. The more scores, the more of the work lies in these three layers.
#
# *At home.* The authors of the method report times on "a typical GPU": 1.2 ms for one window of 227×227, 22 ms for 10×10 scores of a 500×500 picture (Long et al., section 3.1).
# We found 9×9 for that size; their AlexNet has no padding in conv1, and its poolings round sizes up (`ceil_mode`, lecture 02).

# %%
window = multiplications(convolutional, 224)
print(f"one window: {window.sum() / 1e6:.0f} million multiplications,", end=" ")
print(f"{window[5:].sum() / 1e6:.0f} million of them in layers 6 to 8")
print(f"measured by Long et al.: {100 * 1.2 / 22:.1f} times less time")
side = (500 - 11) // 4 + 1  # conv1; conv2 to conv5 keep the size
for _ in range(3):
    side = -((3 - side) // 2) + 1  # a pooling, rounded up
print("their score map for 500:", side - 5)

# %% [markdown]
# And here, with the thin network: 5×5 scores of a picture of 352×352.

# %% tags=["nbval-ignore-output"]
from time import perf_counter

part = photo[:, :352, :352].copy()
started = perf_counter()
slid = np.empty((125, 5, 5), np.float32)
for i, j in np.ndindex(5, 5):
    window = part[:, 32 * i : 32 * i + 224, 32 * j : 32 * j + 224].copy()
    slid[:, i, j] = forward_connected(window, weights)
halfway = perf_counter()
whole = forward(part, thin, weights)
finished = perf_counter()
print(f"sliding: {1000 * (halfway - started):5.0f} ms")
print(f"at once: {1000 * (finished - halfway):5.0f} ms")

# %% [markdown]
# **Predict, then run.** Do the two give the same scores? Think of what a window sees beyond its edge.

# %%
print("equal:", np.allclose(slid, whole, rtol=1e-3, atol=1e-3))
print(f"correlation: {np.corrcoef(slid.ravel(), whole.ravel())[0, 1]:.2f}")

# %% [markdown]
# Similar, but not the same, though one often reads that they are. AlexNet pads. A window that was cut out sees zeros beyond its edge; in the whole picture the same layer sees the neighbouring pixels. The field of 355 pixels
# is wider than the window of 224: the rest was padding.
#
# Layers 6 to 8 are the same in both forms. In a network without padding *everything* is the same, as the next section shows.

# %% [markdown]
# ## 15 · From a classifier of patches to a segmentation
#
# Now with training, from end to end. The task: say what lies in the middle of a patch of 34×34 pixels. The network: two convolutions, two poolings, two fully connected layers, no
# padding.

# %%
small = [
    ("conv1", 4, 2, 0, 12), ("pool1", 2, 2, 0, None),
    ("conv2", 3, 1, 0, 24), ("pool2", 2, 2, 0, None),
    ("fc3", 3, 1, 0, 48), ("fc4", 1, 1, 0, 9),
]
print("shapes:", *(f"{name} {c}×{n}×{n}" for name, c, n in walk(small, 34)), sep="  ")
print("field, step, outside:", *fields(small)[-1][1:])

# %% [markdown]
# Field 34, step 8, nothing outside. For training, layers 3 and 4 are *fully connected*: matrices of 48×216 and 9×48. The patches come from 24 drawn streets, 250 from each, with the
# label of their middle pixel (the 18th row and column of 34).

# %%
def patches(image, labels, number, void=255):
    i, j = np.nonzero(labels != void)
    chosen = rng.choice(len(i), number, replace=False)
    padded = np.pad(as_chw(image, np.float64) - 0.5, ((0, 0), (17, 17), (17, 17)), mode="edge")
    cut = [padded[:, r : r + 34, c : c + 34] for r, c in zip(i[chosen], j[chosen], strict=True)]
    return np.stack(cut), labels[i[chosen], j[chosen]]


rng = np.random.default_rng(14)
streets = [street(seed=seed, size=(128, 192)) for seed in range(24)]
parts = [patches(one.image, one.labels, 250) for one in streets]
inputs, targets = (np.concatenate(part) for part in zip(*parts, strict=True))
print(inputs.shape, targets.shape)

# %% [markdown]
# Forward: the two convolutions give 24×3×3 features. They are flattened, and two matrices make 9 scores of them.

# %%
def features(x, w):
    a1 = conv2d(x, w["w1"], w["b1"], stride=2)
    y1, k1 = max_pool2d(relu(a1), 2, return_indices=True)
    a2 = conv2d(y1, w["w2"], w["b2"])
    y2, k2 = max_pool2d(relu(a2), 2, return_indices=True)
    return y2, (a1, y1, k1, a2, k2)


def connected_head(y2, w):
    flat = y2.reshape(len(y2), -1)
    a3 = flat @ w["A3"].T + w["b3"]
    return relu(a3) @ w["A4"].T + w["b4"], flat, a3

# %% [markdown]
# Backward: each line undoes one line of the forward pass, with the gradients of lectures 01 and 02. The loss is the cross-entropy, the subject of lecture 06: it is small when the
# right class has the highest score by far.

# %%
from segedu.numpy_ops import cross_entropy_with_gradient, max_pool2d_backward, relu_backward


def gradients(x, target, w):
    y2, (a1, y1, k1, a2, k2) = features(x, w)
    scores, flat, a3 = connected_head(y2, w)
    loss, g = cross_entropy_with_gradient(scores, target)
    d = {"A4": g.T @ relu(a3), "b4": g.sum(0)}
    g = relu_backward(g @ w["A4"], a3)
    d["A3"], d["b3"] = g.T @ flat, g.sum(0)
    g = max_pool2d_backward((g @ w["A3"]).reshape(y2.shape), k2, a2.shape)
    g, d["w2"], d["b2"] = conv2d_backward(relu_backward(g, a2), y1, w["w2"], w["b2"])
    g = max_pool2d_backward(g, k1, a1.shape)
    _, d["w1"], d["b1"] = conv2d_backward(relu_backward(g, a1), x, w["w1"], w["b1"], stride=2)
    return loss, d

# %%
def start(num_classes):
    shapes = dict(w1=(12, 3, 4, 4), w2=(24, 12, 3, 3), A3=(48, 216), A4=(num_classes, 48))
    weights = {}
    for name, shape in shapes.items():
        weights[name] = np.sqrt(2 / np.prod(shape[1:])) * rng.standard_normal(shape)
        weights["b" + name[1]] = np.zeros(shape[0])
    return weights


def train(inputs, targets, num_classes, steps=400, rate=0.05):
    w = start(num_classes)
    velocity, losses = {name: 0 * array for name, array in w.items()}, []
    for step in range(steps):
        batch = rng.integers(len(inputs), size=48)
        loss, d = gradients(inputs[batch], targets[batch], w)
        for name in w:  # gradient descent with momentum; the steps get smaller
            velocity[name] = 0.9 * velocity[name] + d[name]
            w[name] -= rate * (1 - step / steps) * velocity[name]
        losses.append(loss)
    return w, losses

# %% [markdown]
# *At home.* Are the gradients right? Finite differences, for both kinds of weights.

# %%
w, few = start(9), slice(0, 4)
_, d = gradients(inputs[few], targets[few], w)
compare.with_finite_differences(
    lambda w1, A3: gradients(inputs[few], targets[few], w | {"w1": w1, "A3": A3})[0],
    [w["w1"], w["A3"]], [d["w1"], d["A3"]], samples=40,
)

# %% [markdown]
# Now train: 400 steps, each on 48 patches drawn at random.

# %%
net, losses = train(inputs, targets, num_classes=9)
print("mean loss of 50 steps:", np.reshape(losses, (8, 50)).mean(1).round(2))

# %% [markdown]
# **Now convert the head.** Two reshapes.

# %%
def prepare(image):
    frame = ((0, 0), (13, 13), (13, 13))
    return np.pad(as_chw(image, np.float64) - 0.5, frame, mode="edge")


def score_whole(image, w):
    y2, _ = features(prepare(image)[None], w)
    hidden = relu(conv2d(y2, fc_to_conv(w["A3"], 24, 3, 3), w["b3"]))
    return conv2d(hidden, fc_to_conv(w["A4"], 48, 1, 1), w["b4"])

# %% [markdown]
# The frame of 13 pixels puts the middle of score $(i, j)$ into the middle of an 8×8 cell: $8i - 13 + 16.5 = 8i + 3.5$.
#
# A street that it has never seen, and twice as wide as those in training: 128×384. **Predict, then run.** What is the shape of the score map? Is each score *equal* to what the patch
# classifier says about the 34×34 patch there?

# %%
scene = street(seed=101, size=(128, 384))
scores = score_whole(scene.image, net)

padded = prepare(scene.image)
corners = [(i, j) for i in range(0, 128, 8) for j in range(0, 384, 8)]
windows = np.stack([padded[:, i : i + 34, j : j + 34] for i, j in corners])
one_by_one, _, _ = connected_head(features(windows, net)[0], net)
one_by_one = one_by_one.T.reshape(9, 16, 48)

print("score map:", scores.shape, "  patches:", len(windows))
print("largest difference:", np.abs(scores[0] - one_by_one).max().round(9))

# %% [markdown]
# Equal, all 768 patches: without padding *inside* the network there is nothing that a patch sees differently.
#
# PyTorch agrees. There the whole network is four lines, all of them convolutions and poolings.

# %%
t = {name: torch.from_numpy(array) for name, array in net.items()}
y = torch.from_numpy(padded)[None]
y = F.max_pool2d(F.conv2d(y, t["w1"], t["b1"], stride=2).relu(), 2)
y = F.max_pool2d(F.conv2d(y, t["w2"], t["b2"]).relu(), 2)
y = F.conv2d(y, t["A3"].reshape(48, 24, 3, 3), t["b3"]).relu()
y = F.conv2d(y, t["A4"][:, :, None, None], t["b4"])
compare.arrays(scores, y, length=216)

# %% [markdown]
# **Predict, then run.** Neighbouring patches have 26 of 34 columns in common. How many times fewer multiplications does it take at once: about 2, 7 or 26?

# %%
sliding, at_once = 768 * multiplications(small, 34), multiplications(small, 154, 410)
print(f"768 patches: {sliding.sum() / 1e6:6.1f} million multiplications")
print(f"at once:     {at_once.sum() / 1e6:6.1f} million")
print("times fewer:", (sliding.sum() / at_once.sum()).round(1), end="")
print(", layer by layer:", (sliding / at_once).round(1))

# %% tags=["nbval-ignore-output"]
def seconds(function):
    started = perf_counter()
    function()
    return perf_counter() - started


by_patches = seconds(lambda: connected_head(features(windows, net)[0], net))
as_a_whole = seconds(lambda: score_whole(scene.image, net))
print(f"768 patches: {1000 * by_patches:5.0f} ms")
print(f"at once:     {1000 * as_a_whole:5.0f} ms")

# %% [markdown]
# ## 16 · Look at it
#
# Each class has its own score map of 16×48. For the picture, `softmax` (lecture 06) turns the nine scores of each place into shares between 0 (dark blue) and 1 (yellow).
#
# Bilinear interpolation (lecture 03) makes the score maps eight times larger, and each pixel takes the class with the highest score.
#
# **Predict, then run.** Which classes will be well found, which hardly ever? Think of what is smaller than a cell.

# %%
from segedu.numpy_ops import softmax

shares = softmax(scores, dim=1)[0]
coarse = scores[0].argmax(0)
labels = interpolate(scores, scale_factor=8, mode="bilinear")[0].argmax(0)

# %% jupyter={"source_hidden": true}
# Figure: score maps of four classes
chosen = [scene.classes.index(name) for name in ("sky", "building", "road", "car")]
fig, axes = plt.subplots(3, 2, figsize=(8.6, 5.2))
panels = [scene.image, figures.colourise(coarse, scene.palette), *shares[chosen]]
titles = ["picture, 128×384", "highest score, 16×48"]
titles += [f"share of {scene.classes[k]}" for k in chosen]
for ax, panel, title in zip(axes.flat, panels, titles, strict=True):
    ax.imshow(panel, vmin=0, vmax=1)
    ax.set(title=title, xticks=[], yticks=[])
fig.tight_layout()
figures.label_legend(fig, scene.classes, scene.palette)
figures.show(
    fig,
    alt="A drawn street; a label map of 16 by 48 squares with sky, buildings, road and cars; the "
    "shares of sky, building, road and car, each bright where the class lies.",
)

# %% jupyter={"source_hidden": true}
# Figure: enlarged, and compared with the labels
fig = figures.images_row(
    [
        figures.overlay(scene.image, labels, scene.palette),
        figures.colourise(labels, scene.palette),
        figures.error_map(labels, scene.labels),
        figures.colourise(scene.labels, scene.palette),
    ],
    ["picture and result", "result", "wrong pixels", "true labels"],
    columns=2,
)
figures.label_legend(fig, scene.classes, scene.palette)
figures.show(
    fig,
    alt="The result laid over the street, and alone: large regions with rounded outlines, no pole, "
    "hardly a sign or a person. Wrong pixels lie along outlines and on poles, signs and people.",
    dpi=90,
)

# %%
nearest = coarse.repeat(8, 0).repeat(8, 1)
for name, guess in (("nearest", nearest), ("bilinear", labels)):
    print(f"{name:9} right: {(guess == scene.labels).mean():.1%}")

# %% [markdown]
# Two things can be at fault: the coarse grid, and the classifier. Separate them as in lecture 02: label each 8×8 cell with its commonest *true* label. That is what a faultless
# classifier would give on this grid.
#
# **Predict, then run.** How many of the pixels of poles would a faultless classifier find, how many of the pixels of people?

# %%
one_hot = np.eye(9)[scene.labels].transpose(2, 0, 1)
faultless = avg_pool2d(one_hot, 8).argmax(0).repeat(8, 0).repeat(8, 1)
print(f"faultless on this grid: {(faultless == scene.labels).mean():.1%}")
print("class        result   faultless   share of the training patches")
for k, name in enumerate(scene.classes):
    found, possible = ((guess == k)[scene.labels == k].mean() for guess in (labels, faultless))
    print(f"{name:11} {found:7.0%} {possible:11.0%} {(targets == k).mean():18.1%}")

# %% [markdown]
# Sky, road and buildings come close to the faultless classifier. (Road and building even pass it: bilinear outlines are not bound to cells, and who says "road" too often
# finds more of it. Lecture 07 has fairer measures.)
#
# Poles are lost to the grid: even a faultless classifier with one label for each cell would find 12 % of them. Signs and
# people are lost mainly by our classifier, for the grid would leave two thirds of their pixels. They are rare among the training patches, so the loss hardly asks for them.
#
# Lecture 06 gives rare classes more weight. Lecture 12 adds the scores of layers with a smaller step.
#
# *At home.* The same on real streets, if the CamVid data set is on this machine: train on patches of every third training frame at half size, segment test frames at once.

# %% tags=["real-data"]
from segedu.data import camvid


def half(image, labels):
    small = avg_pool2d(as_chw(image, np.float64), 2)[:, :176]  # 176 rows: a multiple of 8
    return (255 * small.transpose(1, 2, 0)).astype(np.uint8), labels[:352:2, ::2]


if camvid.available():
    frames, tests = camvid.camvid("train"), camvid.camvid("test")
    halves = [half(*frames[n]) for n in range(0, len(frames), 9)]
    parts = [patches(image, labels, 50, void=camvid.VOID) for image, labels in halves]
    real_net, _ = train(*(np.concatenate(part) for part in zip(*parts, strict=True)), 11)
    right = total = 0
    for image, truth in [half(*tests[n]) for n in range(0, len(tests), 20)]:
        guess = interpolate(score_whole(image, real_net), scale_factor=8, mode="bilinear")
        right += (guess[0].argmax(0) == truth)[truth != camvid.VOID].sum()
        total += (truth != camvid.VOID).sum()
    print(f"CamVid, every 20th test frame: {right / total:.1%} of the labelled pixels right")
else:
    print("CamVid is not on this machine; the drawn street above stands for it.")

# %% [markdown]
# ## 17 · Try it yourself (at home)
#
# Choose a picture height and a score. The frame is what the score sees; the dots are the middles of all scores of the convolutional AlexNet.

# %% tags=["nbval-ignore-output"]
import ipywidgets


def explore(height=480, i=4, j=4):
    image = photograph("astronaut", size=(height, 480))
    rows, columns = (score_map_size(n, convolutional) for n in (height, 480))
    i, j = min(i, rows - 1), min(j, columns - 1)
    fig, ax = plt.subplots(figsize=(5.2, 4.6))
    ax.imshow(image, extent=(0, 480, height, 0))
    y, x = 32 * np.arange(rows) + 111.5, 32 * np.arange(columns) + 111.5
    ax.plot(*(grid.ravel() for grid in np.meshgrid(x, y)), ".", color="white", mec="black")
    box = plt.Rectangle((32 * j - 66, 32 * i - 66), 355, 355, fill=False, ec="#D55E00", lw=3)
    ax.add_patch(box)
    ax.set(title=f"height {height}: {rows}×{columns} scores; score ({i}, {j})")
    ax.set(xlim=(-70, 550), ylim=(550, -70))
    figures.show(fig, alt=f"A photograph with {rows} by {columns} dots and a frame of 355 pixels.")


ipywidgets.interact(explore, height=(224, 480, 32), i=(0, 8), j=(0, 8));

# %% [markdown]
# A still picture, for readers without a running kernel: score (0, 8), in the upper right corner. A good part of its field is padding.

# %% jupyter={"source_hidden": true}
# Figure: the field of score (0, 8)
explore(i=0, j=8)

# %% [markdown]
# ## Common mistakes
#
# * **The wrong order of flattening.** Reshape to (outputs, channels, height, width) if the map was flattened channel by channel; otherwise transpose first. The shapes do not tell.
# * **A 1×1 kernel for layer 6.** It is as large as the map it used to flatten: 6×6 for AlexNet. Only layers 7 and 8 are 1×1.
# * **(4096, 1, 1) as a kernel.** That is an output. A layer of 4096 kernels on 4096 channels has weights 4096×4096×1×1.
# * **A transposed weight** in the 1×1 convolution. With as many outputs as inputs nothing fails.
# * **Forgetting the bias,** or adding it along the wrong axis: it belongs to the channels.
# * **Expecting that a padded network gives the same scores on a crop.** Only a network without padding does.
# * **Dividing the size by 32 to get the score map.** 224 gives 1, not 7; 480 gives 9, not 15. Use the formula.
# * **Upsampling labels bilinearly.** Upsample the scores, then take the largest.
# * **Comparing on constant inputs.** Then the order of the weights does not matter, and nothing is found.
#
# ## Summary
#
# * A fully connected layer on a $C \times H \times W$ map is a convolution with kernels $C \times H \times W$: the same sum, the same parameters.
# * The next ones are 1×1 convolutions: one matrix product over all pixels.
# * AlexNet has 61,100,840 parameters in either form, 96 % of them in layers 6, 7 and 8.
# * The score map of the convolutional AlexNet has $\lfloor (H - 223)/32 \rfloor + 1$ rows; each score sees 355 pixels, and there is one every 32.
# * One run over the whole picture saves what windows share: the convolutions, not layers 6 to 8.
# * The result is a coarse segmentation: right in large regions, blind for what is narrow.
#
# ## Exercises
#
# 1. VGG16 ends in a map of 512×7×7, then fully connected layers of 4096, 4096 and 1000. Give the kernel shapes of the three convolutions, and the number of their parameters.
# 2. The AlexNet of 2012 had 96, 256, 384, 384 and 256 channels, and conv2, conv4 and conv5 in two groups (lecture 01). How many parameters?
# 3. Pad the *picture* by 100 pixels on every side before the convolutional AlexNet. How large is the score map for 224? For 500?
# 4. Write `conv1x1` for stride 2. Which pixels of the input does it never look at?
# 5. Set the stride of `pool5` to 1. What do field and step become? Do the weights of layer 6 still see what they were trained for?
# 6. A score map of the small network at *every* pixel needs 49,152 patches. Shift the picture by 0 to 7 pixels in both directions, run it at once each time, and interleave. How many
#    runs are that, and how many multiplications are saved?
#
# <details><summary>Answers</summary>
#
# 1. 4096×512×7×7, 4096×4096×1×1, 1000×4096×1×1; 102,764,544 + 16,781,312 + 4,097,000 = 123,642,856.
# 2. 60,965,224. In two groups the kernels of conv2, conv4 and conv5 see half of the channels; layers 6 to 8 do not change.
# 3. 7×7 and 15×15: the sides become 424 and 700.
# 4. `conv1x1_numpy(x[:, :, ::2, ::2], weight, bias)`. It never looks at a pixel in an odd row or an odd column: three of four.
# 5. Step 16 and field 275. No: the elements of its 6×6 kernel now lie 16 pixels apart, they were trained for 32. With `dilation=2` they lie right again: field 355, step 16, and every
#    second score of every second row is the old one. Lecture 14 builds on this.
# 6. 8×8 = 64 runs, 1.7 billion multiplications in place of 12.4 billion: 7.3 times fewer, as before. The method is called *shift and stitch*.
#
# </details>
#
# ## Sources
#
# * J. Long, E. Shelhamer, T. Darrell, *Fully convolutional networks for semantic segmentation*, CVPR 2015, arXiv:1411.4038 (section 3.1).
# * A. Krizhevsky, I. Sutskever, G. E. Hinton, *ImageNet classification with deep convolutional neural networks*, NIPS 2012.
# * A. Krizhevsky, *One weird trick for parallelizing convolutional neural networks*, arXiv:1404.5997 (the form with 64, 192, 384, 256, 256 channels).
# * P. Sermanet et al., *OverFeat: integrated recognition, localization and detection using convolutional networks*, ICLR 2014, arXiv:1312.6229 (dense sliding windows).
# * M. Lin, Q. Chen, S. Yan, *Network in network*, ICLR 2014, arXiv:1312.4400 (1×1 convolutions).
# * W. Luo et al., *Understanding the effective receptive field in deep convolutional neural networks*, NIPS 2016, arXiv:1701.04128.
# * A. Araujo, W. Norris, J. Sim, *Computing receptive fields of convolutional neural networks*, Distill 2019.
# * PyTorch documentation, `torch.nn.functional.linear` and `conv2d`.

# %% [markdown]
# # Lecture 09 · Convolution on the GPU
#
# Lecture 08 made kernels that are *right*. This one asks what they cost. A GPU computes faster than it can fetch numbers, so the question is: how many bytes does a kernel move, and can it
# use each of them more often?
#
# After this lecture you can
#
# 1. write a transposed convolution as a scatter with atomics and as a gather without, and say why the order of additions matters,
# 2. find a data race or a missing barrier from its message, and mend it,
# 3. count what a kernel asks of memory: loads, sectors of 32 bytes, bank conflicts,
# 4. write a 1×1 convolution as a matrix product four times: naive, coalesced, with tiles in shared memory, with tiles in registers,
# 5. place a kernel on a roofline, and say what limits it.
#
# About 75 minutes without the parts marked *at home*. You need lectures 04, 05 and 08. **You need no GPU.** Nothing here measures time: everything is counted.

# %%
import textwrap

import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, cuda, figures
from segedu.data.photographs import as_chw, photograph
from segedu.numpy_ops import conv_transpose2d

# %load_ext segedu.cuda
figures.use_style()
rng = np.random.default_rng(9)

# %% [markdown]
# All CUDA cells begin with `%%cuda --mode check`: they run on the CPU, every access is watched and can be counted, on a machine with a GPU too. Leave the option out, and the same
# cell runs on the GPU where there is one.

# %% [markdown]
# ## 1 · A picture that lost additions
#
# Lecture 04 enlarged pictures with stamps: each input pixel adds its 4×4 stamp, times its value, to the output. On a GPU each input pixel gets a thread, and nobody promises an order. An
# addition is three steps: read, add, write.
#
# **Predict, then run.** With stride 2 four stamps meet at nearly every pixel. Let all threads read before any of them writes. How much brightness is left?

# %%
small = as_chw(photograph("coffee", size=(96, 144)))  # channels × height × width
bilinear = np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25]).astype(np.float32)
stamps = small[:, :, None, :, None] * bilinear[:, None, :]  # 3 × 96 × 4 × 144 × 4
rows, columns = (2 * np.arange(n)[:, None] + np.arange(4) for n in (96, 144))
places = (slice(None), rows[:, :, None, None], columns)

added, lost = np.zeros((2, 3, 194, 290), np.float32)
np.add.at(added, places, stamps)  # every addition counts
lost[places] += stamps  # NumPy reads everything first, then writes
print(f"{lost.sum() / added.sum():.0%} of the brightness is left")

# %% jupyter={"source_hidden": true}
# Figure: added stamps and lost stamps
fig = figures.images_row(
    [np.clip(picture, 0, 1).transpose(1, 2, 0) for picture in (small, added, lost)],
    titles=["photograph", "all stamps added", "all read, then all write"],
    height=2.2,
)
figures.show(
    fig,
    alt="A cup of coffee; the same enlarged; and enlarged with lost additions: dark, with a fine "
    "regular pattern.",
    dpi=90,
)

# %% [markdown]
# A quarter: of the four stamps one survives, that of the last writer. This picture was computed by NumPy; it is one outcome that nothing forbids. Sections 2 to 5 are about writing the kernel
# so that it cannot happen.

# %% [markdown]
# ## 2 · Scatter, and its race
#
# The input of lecture 04: four pixels, a 3×3 stamp, stride 2. Four threads, one for each input pixel; each adds its nine products.
#
# $$y_{\,i s + a,\; j s + b} \mathrel{{+}{=}} x_{ij}\, w_{ab}$$

# %% language="cuda" magic_args="--mode check --quiet"
# extern "C" __global__ void scatter(const float* x, const float* w, float* y,
#                                    int W, int k, int s, int W_out) {
#     int i = threadIdx.y, j = threadIdx.x;
#     for (int a = 0; a < k; ++a)
#         for (int b = 0; b < k; ++b)
#             y[(i * s + a) * W_out + j * s + b] += x[i * W + j] * w[a * k + b];
# }

# %% [markdown]
# Two helpers: `attempt` prints the message of a launch that fails, and `changed` compiles the same kernel with one piece of its source replaced.

# %%
def attempt(kernel, grid, block, args, **options):
    try:
        kernel(grid, block, args, **options)
        print("no complaint")
    except cuda.KernelError as error:
        for line in str(error).splitlines():
            print(textwrap.fill(line, 96))


def changed(kernel, old="", new="", mode="check"):
    source = kernel.module.code
    assert old in source, f"{old!r} is not in the source"
    return cuda.RawModule(source.replace(old, new), mode=mode).get_function(kernel.name)

# %% [markdown]
# **Predict, then run.** In lecture 04 the centre was 10. `mode="fast"` runs the threads one after another and checks nothing. What is the centre now?

# %%
x2 = np.array([[1, 2], [3, 4]], np.float32)
w2 = np.array([[1, 1, 1], [1, 2, 1], [1, 1, 1]], np.float32)
y2 = np.zeros((5, 5), np.float32)
changed(scatter, mode="fast")((1,), (2, 2), (x2, w2, y2, 2, 3, 2, 5))
print(y2)

# %% [markdown]
# 10, and all is right: one thread after another loses nothing. **Predict, then run.** Now in check mode. At which cell will the checker stop? Thread (x=0, y=0) comes first.

# %%
y2 = np.zeros((5, 5), np.float32)
attempt(scatter, (1,), (2, 2), (x2, w2, y2, 2, 3, 2, 5))

# %% [markdown]
# Read it: line 6 of the cell (line 1 is `%%cuda`). Thread (x=0, y=0) stamped rows 0 to 2 and columns 0 to 2. Thread (x=1, y=0) stamps columns 2 to 4, and its first cell, `y[0, 2]`, belongs to both.
# Nothing orders the two.
#
# The remedy fits: several threads *are* to add. `atomicAdd` reads, adds and writes in one step.

# %% language="cuda" magic_args="--mode check --quiet"
# extern "C" __global__ void scatter_atomic(const float* x, const float* w, float* y,
#                                           int C, int H, int W, int M, int k, int s,
#                                           int padding, int H_out, int W_out) {
#     int j = blockIdx.x * blockDim.x + threadIdx.x, i = blockIdx.y * blockDim.y + threadIdx.y;
#     int c = blockIdx.z;
#     if (i >= H || j >= W) return;
#     for (int m = 0; m < M; ++m)
#         for (int a = 0; a < k; ++a)
#             for (int b = 0; b < k; ++b) {
#                 int u = i * s + a - padding, v = j * s + b - padding;
#                 if (u < 0 || u >= H_out || v < 0 || v >= W_out) continue;
#                 float product = x[(c * H + i) * W + j] * w[((c * M + m) * k + a) * k + b];
#                 atomicAdd(&y[(m * H_out + u) * W_out + v], product);
#             }
# }

# %% [markdown]
# This is the whole layer: `C` input channels, `M` output channels, padding. `blockIdx.z` is the input channel, so threads of different channels meet as well.

# %%
def blocks_for(items, threads):
    return (items + threads - 1) // threads


def prepare_transposed(x, weight, stride, padding, per_output):
    """The grid, the block and the arguments, for a thread per input or per output pixel."""
    (C, H, W), (_, M, k, _) = x.shape, weight.shape
    H_out, W_out = ((n - 1) * stride + k - 2 * padding for n in (H, W))
    y = np.zeros((M, H_out, W_out), np.float32)
    planes, height, width = (M, H_out, W_out) if per_output else (C, H, W)
    grid = (blocks_for(width, 32), blocks_for(height, 4), planes)
    return grid, (32, 4), (x, weight, y, C, H, W, M, k, stride, padding, H_out, W_out)


def conv_transpose2d_atomic(x, weight, stride, padding, order="forward"):
    grid, block, args = prepare_transposed(x, weight, stride, padding, per_output=False)
    scatter_atomic(grid, block, args, order=order)
    return args[2]

# %% [markdown]
# Ask PyTorch: odd sizes, three channels in, two out, overlapping stamps.

# %%
import torch.nn.functional as F

z = rng.standard_normal((3, 13, 37), dtype=np.float32)
weight = rng.standard_normal((3, 2, 3, 3), dtype=np.float32)
options = dict(stride=2, padding=1, reference=F.conv_transpose2d)
compare.with_torch(conv_transpose2d_atomic, z, weight, **options)

# %% [markdown]
# ## 3 · The order of additions
#
# An atomic addition loses nothing, but it comes when it comes. Does the order matter?
#
# **Predict, then run.** float32 keeps about 7 digits. What are these two sums of the same three numbers?

# %%
big, one = np.float32(1e8), np.float32(1)
print("(big + one) - big =", (big + one) - big)
print("(big - big) + one =", (big - big) + one)

# %% [markdown]
# After each addition the sum is rounded. $10^8 + 1$ needs 9 digits, so the 1 is lost. Check mode can run the threads in reverse order.
#
# **Predict, then run.** Will the two results agree in every bit? In most pixels?

# %%
forward = conv_transpose2d_atomic(z, weight, 2, 1)
reverse = conv_transpose2d_atomic(z, weight, 2, 1, order="reverse")
print(f"different in some bit: {(forward != reverse).mean():.0%} of the pixels")
print("by less than a millionth everywhere:", np.abs(forward - reverse).max() < 1e-6)

# %% [markdown]
# Both are right, as far as float32 goes. But on a GPU two runs of the same program may give different bits. PyTorch's documentation warns of this for several operators, among them
# `ConvTranspose2d`. Training amplifies such differences, and then a run cannot be repeated exactly.

# %% [markdown]
# ## 4 · Gather: each thread owns its pixel
#
# Ask from the output (lecture 04, section 5). Which products end up in pixel $(u, v)$? Those with $i s + a - p = u$, where $p$ is the padding: $a$ leaves the same remainder by $s$ as
# $u + p$.
#
# $$y_{uv} = \sum_{a \,\equiv\, u+p} \; \sum_{b \,\equiv\, v+p} \; \sum_c \; w_{c a b}\; x_{c,\,(u+p-a)/s,\,(v+p-b)/s} \qquad (\mathrm{mod}\; s)$$

# %% language="cuda" magic_args="--mode check --quiet"
# extern "C" __global__ void gather(const float* x, const float* w, float* y,
#                                   int C, int H, int W, int M, int k, int s,
#                                   int padding, int H_out, int W_out) {
#     int v = blockIdx.x * blockDim.x + threadIdx.x, u = blockIdx.y * blockDim.y + threadIdx.y;
#     int m = blockIdx.z;
#     if (u >= H_out || v >= W_out) return;
#     float sum = 0;
#     for (int a = (u + padding) % s; a < k; a += s)
#         for (int b = (v + padding) % s; b < k; b += s) {
#             int i = (u + padding - a) / s, j = (v + padding - b) / s;
#             if (i < 0 || i >= H || j < 0 || j >= W) continue;
#             for (int c = 0; c < C; ++c)
#                 sum += x[(c * H + i) * W + j] * w[((c * M + m) * k + a) * k + b];
#         }
#     y[(m * H_out + u) * W_out + v] = sum;
# }

# %%
def conv_transpose2d_gather(x, weight, stride, padding, order="forward", kernel=gather):
    grid, block, args = prepare_transposed(x, weight, stride, padding, per_output=True)
    kernel(grid, block, args, order=order)
    return args[2]


compare.with_torch(conv_transpose2d_gather, z, weight, **options)

# %% [markdown]
# **Predict, then run.** Forward and reverse again. In how many pixels do the bits differ now?

# %%
forward = conv_transpose2d_gather(z, weight, 2, 1)
reverse = conv_transpose2d_gather(z, weight, 2, 1, order="reverse")
print("different pixels:", (forward != reverse).sum())

# %% [markdown]
# None: each sum is made by one thread, in one order.
#
# And a wrong one. **Predict, then run.** Someone writes `a = 0; …; ++a` as in a convolution, and lets the integer division round. Too large, too small, or shifted?

# %%
every_tap = changed(gather, "a = (u + padding) % s; a < k; a += s", "a = 0; a < k; ++a")


def conv_transpose2d_every_tap(x, weight, stride, padding):
    return conv_transpose2d_gather(x, weight, stride, padding, kernel=every_tap)


compare.with_torch(conv_transpose2d_every_tap, z, weight, **options)

# %% [markdown]
# ## Common mistakes
#
# * to come
#
# ## Summary
#
# * to come
#
# ## Exercises
#
# 1. to come
#
# ## Sources
#
# * to come

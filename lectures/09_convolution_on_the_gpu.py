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
# A quarter: of the four stamps one survives, that of the last writer. This picture was computed by NumPy; it is one outcome that nothing forbids. Sections 2 to 4 are about writing the kernel
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
# Read it: line 7 of the cell (line 1 is `%%cuda`). Thread (x=0, y=0) stamped rows 0 to 2 and columns 0 to 2. Thread (x=1, y=0) stamps columns 2 to 4, and its first cell, `y[0, 2]`, belongs to both.
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
# Ask PyTorch: odd sizes, three channels in, two out, overlapping stamps. The kernel runs in check mode, so a race would be reported, too.

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
# **Predict, then run.** Will the two results agree in every bit?

# %%
forward = conv_transpose2d_atomic(z, weight, 2, 1)
reverse = conv_transpose2d_atomic(z, weight, 2, 1, order="reverse")
print(f"different in some bit: {(forward != reverse).mean():.0%} of the pixels")
print("by less than 0.00001 everywhere:", np.abs(forward - reverse).max() < 1e-5)

# %% [markdown]
# Both are right, as far as float32 goes. But on a GPU two runs of the same program may give different bits, and then a training cannot be repeated exactly. PyTorch's documentation of
# `conv_transpose2d` warns that it may use such algorithms on a GPU.

# %% [markdown]
# ## 4 · Gather: each thread owns its pixel
#
# Ask from the output (lecture 04, section 5). Which products end up in pixel $(u, v)$? Those with $i s + a - p = u$, where $p$ is the padding: $a$ leaves the same remainder by $s$ as
# $u + p$.
#
# $$y_{m u v} = \sum_{a \,\equiv\, u+p} \; \sum_{b \,\equiv\, v+p} \; \sum_c \; w_{c m a b}\; x_{c,\,(u+p-a)/s,\,(v+p-b)/s}$$
#
# Here $\equiv$ means *the same remainder by* $s$, and $x$ counts as 0 outside.

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
# And a wrong one: the kernel flipped, as some textbooks' formula of convolution has it.
#
# **Predict, then run.** Kernel 3, stride 2. Which pixels are right all the same, and about which share of them?

# %%
flipped = changed(gather, "k + a) * k + b]", "k + k - 1 - a) * k + k - 1 - b]")


def conv_transpose2d_flipped(x, weight, stride, padding):
    return conv_transpose2d_gather(x, weight, stride, padding, kernel=flipped)


compare.with_torch(conv_transpose2d_flipped, z, weight, **options)

# %% [markdown]
# About a quarter: those that are reached by the centre of the stamp alone, which stays where it is.
#
# Who touches which pixel of the output? `cuda.profile` runs a kernel in check mode and remembers every access.
#
# **Predict, then run.** 4×4 pixels, stamp 3×3, stride 2. How many atomics meet at pixel (2, 2) of the output? How many stores does the gather make there?

# %%
x4, w4 = np.ones((1, 4, 4), np.float32), np.ones((1, 1, 3, 3), np.float32)
scattered = cuda.profile(scatter_atomic, *prepare_transposed(x4, w4, 2, 0, per_output=False))
gathered = cuda.profile(gather, *prepare_transposed(x4, w4, 2, 0, per_output=True))


def touches(profile, array, shape):
    return np.bincount(profile.touched(array)["index"], minlength=np.prod(shape)).reshape(shape)


atomics, stores = touches(scattered, "y", (9, 9)), touches(gathered, "y", (9, 9))

# %% jupyter={"source_hidden": true}
# Figure: how often each output pixel is touched
fig = figures.arrays_row(
    [atomics, stores],
    titles=["scatter: atomics on each pixel", "gather: stores to each pixel"],
    highlights=[[(2, 2, 3, 3)], [(2, 2)]],
    share_scale=True,
    cell=0.4,
)
figures.show(
    fig,
    alt="Two 9 by 9 arrays. Scatter: 1, 2 and 4 in a regular pattern, the 3 by 3 window of one "
    "thread framed. Gather: 1 everywhere, the pixel of one thread framed.",
)

# %% [markdown]
# Framed is what *one* thread touches: nine pixels in the scatter, which it shares with its neighbours, and one pixel in the gather, which is its own.

# %% [markdown]
# ## 5 · What a warp asks for
#
# Is the gather cheaper, too? For that we need to know how a GPU asks its memory.
#
# Threads run in groups of 32 with consecutive numbers, called **warps**; the threads of a warp are its **lanes**. If a warp reads, its 32 reads are *one request*. Memory comes in **sectors** of 32 bytes: 8 numbers of
# float32. A request takes every sector in which one of its numbers lies, wholly, however few of its bytes are used.

# %% language="cuda" magic_args="--mode check --quiet"
# extern "C" __global__ void copy(const float* x, float* y, int step) {
#     y[threadIdx.x] = x[threadIdx.x * step];
# }

# %% [markdown]
# **Predict, then run.** One warp; its threads read every number, every second, every eighth, every 32nd, and finally all the same. How many sectors does it take each time?

# %%
long_row = np.zeros(1024, np.float32)
touched = {}
for step in (1, 2, 8, 32, 0):
    profile = cuda.profile(copy, (1,), (32,), (long_row, np.empty(32, np.float32), step))
    touched[step] = profile.touched("x")["index"]
    print(f"step {step:2}: {profile.total('sectors', 'global', 'load'):2} sectors")

# %% jupyter={"source_hidden": true}
# Figure: sectors of a request
from matplotlib.colors import ListedColormap

fig, axes = plt.subplots(1, 3, figsize=(8, 4.4), layout="constrained")
colours = ListedColormap(["#f2f2f2", "#F0E442", "#0072B2"])
for ax, step in zip(axes, (1, 2, 8), strict=True):
    used = np.isin(np.arange(256), touched[step]).reshape(32, 8)
    fetched = used.any(axis=1, keepdims=True) + used * 1
    ax.imshow(fetched, cmap=colours, vmin=0, vmax=2, aspect="auto")
    ax.hlines(np.arange(31) + 0.5, -0.5, 7.5, color="white", lw=1.5)
    ax.set_title(f"step {step}: {used.any(axis=1).sum()} sectors")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
axes[0].set_ylabel("sectors of 8 numbers")
handles = [plt.Rectangle((0, 0), 1, 1, fc=colours(i)) for i in (2, 1)]
fig.legend(handles, ["used", "fetched in vain"], loc="outside lower center", ncols=2)
figures.show(
    fig,
    alt="Memory as 32 rows of 8 numbers, a row for each sector. Step 1: four rows, wholly used. "
    "Step 2: eight rows, half used. Step 8: all 32 rows, one number of each used.",
    dpi=90,
)

# %% [markdown]
# Neighbours that read neighbours: 4 sectors, every byte used. Such a request is called **coalesced**. From step 8 on each number costs a whole sector, 32 bytes for 4. All the same: one sector.
#
# Now the two kernels, on a layer of 4 → 4 channels, kernel 4, stride 2, 8×32 → 16×64 pixels. **Predict, then run.** How many atomics does the scatter do, how many stores the gather?

# %%
layer = rng.standard_normal((4, 8, 32), dtype=np.float32)
filters = rng.standard_normal((4, 4, 4, 4), dtype=np.float32)
scattered = cuda.profile(scatter_atomic, *prepare_transposed(layer, filters, 2, 1, False))
gathered = cuda.profile(gather, *prepare_transposed(layer, filters, 2, 1, True))


def moved(profile, kind=None):
    return 32 * profile.total("sectors", "global", kind)


for name, profile in (("scatter", scattered), ("gather", gathered)):
    for kind in ("load", "atomic", "store"):
        accesses = profile.total("accesses", "global", kind)
        print(f"{name:8}{kind:7}{accesses:9,} accesses,{moved(profile, kind):9,} bytes")
print(f"the scatter moves {moved(scattered) / moved(gathered):.1f} times the bytes of the gather")

# %% [markdown]
# Both multiply the same pairs. But the scatter touches `y` once for each *product* (those that fall outside are left out), the gather once for each *pixel*: $4 \cdot 16 \cdot 64 = 4096$. Bytes are counted in whole
# sectors. And an atomic has to read as well as write, which is not even counted here.
#
# Printed whole, a profile is a table with a row for each line of the kernel that touches memory:

# %%
gathered

# %% [markdown]
# *requests* are those of warps, *lanes* says how many of the 32 took part on average, *sectors/request* is 4 where each lane reads the next number. *turns/request* is for shared memory, section 8.

# %% [markdown]
# ## 6 · A 1×1 convolution is a matrix product
#
# From lecture 05: a 1×1 convolution treats each pixel alike. With $M$ output channels, $C$ input channels and $N$ pixels it is the product of an $M \times C$ and a $C \times N$ matrix:
#
# $$y_{mn} = \sum_{c} w_{mc}\, x_{cn}$$
#
# **By hand.** A thread for each $y_{mn}$ reads $C$ weights and $C$ inputs. Each product takes 2 operations (multiply, add) and 8 bytes. So: a quarter of an operation per byte. That number is the
# **intensity**. And at best, if each number were moved once?

# %%
M, C, N = 64, 64, 128
operations = 2 * M * C * N
read_each_time = 4 * (2 * M * C * N + M * N)
read_once = 4 * (M * C + C * N + M * N)
print(f"{operations:,} operations")
for how, count in (("read each time", read_each_time), ("read once", read_once)):
    print(f"{how:15}{count:10,} bytes, {operations / count:5.2f} operations a byte")

# %% [markdown]
# A factor of about fifty lies between the two. Four kernels climb it, rung by rung. All have the same arguments; `prepare` makes them, and the launch.

# %%
def prepare(x, weight, side=None):
    """Grid, block, arguments: a thread a result, or 16×16 threads for side×side results."""
    (M, C), N = weight.shape[:2], x[0].size
    y = np.empty((M, *x.shape[1:]), np.float32)
    grid, block = (blocks_for(M * N, 256),), (256,)
    if side is not None:
        grid, block = (blocks_for(N, side), blocks_for(M, side)), (16, 16)
    return grid, block, (weight, x, y, M, C, N)


def conv1x1_cuda(kernel, x, weight, side=None):
    grid, block, args = prepare(x, weight, side)
    kernel(grid, block, args)
    return args[2]

# %% [markdown]
# ### Rung 1: naive
#
# Thread $t$ takes channel $m = t \bmod M$ of pixel $n = t / M$, rounded down.

# %% language="cuda" magic_args="--mode check --quiet"
# extern "C" __global__ void naive(const float* w, const float* x, float* y,
#                                  int M, int C, int N) {
#     int t = blockIdx.x * blockDim.x + threadIdx.x;
#     if (t >= M * N) return;
#     int m = t % M, n = t / M;
#     float sum = 0;
#     for (int c = 0; c < C; ++c) {
#         float left = w[m * C + c];
#         float right = x[c * N + n];
#         sum += left * right;
#     }
#     y[m * N + n] = sum;
# }

# %% [markdown]
# Ask PyTorch, with odd sizes: 37 channels to 21, on 7×13 pixels.

# %%
def conv1x1_naive(x, weight):
    return conv1x1_cuda(naive, x, weight)


z = rng.standard_normal((37, 7, 13), dtype=np.float32)
weight = rng.standard_normal((21, 37, 1, 1), dtype=np.float32)
compare.with_torch(conv1x1_naive, z, weight, reference=F.conv2d)

# %% [markdown]
# **Predict, then run.** The 32 threads of a warp have 32 consecutive $m$ and the same $n$. How many sectors does a request take in the line of `left`? In that of `right`? In that of `y`?

# %%
image = rng.standard_normal((C, 8, 16), dtype=np.float32)  # N = 128 pixels
matrix = rng.standard_normal((M, C, 1, 1), dtype=np.float32)
profiles = {"naive": cuda.profile(naive, *prepare(image, matrix))}
profiles["naive"]

# %% [markdown]
# `left`: 32 rows of the matrix, 32 sectors; of each 32 bytes 4 are used. `right`: all the same number, one sector. `y`: 32 rows again.

# %% [markdown]
# ### Rung 2: coalesced
#
# One line changes: $m = t / N$ and $n = t \bmod N$, so that neighbouring threads have neighbouring *pixels*.

# %% language="cuda" magic_args="--mode check --quiet"
# extern "C" __global__ void coalesced(const float* w, const float* x, float* y,
#                                      int M, int C, int N) {
#     int t = blockIdx.x * blockDim.x + threadIdx.x;
#     if (t >= M * N) return;
#     int m = t / N, n = t % N;
#     float sum = 0;
#     for (int c = 0; c < C; ++c) {
#         float left = w[m * C + c];
#         float right = x[c * N + n];
#         sum += left * right;
#     }
#     y[m * N + n] = sum;
# }

# %%
def conv1x1_coalesced(x, weight):
    return conv1x1_cuda(coalesced, x, weight)


compare.with_torch(conv1x1_coalesced, z, weight, reference=F.conv2d)

# %% [markdown]
# **Predict, then run.** The same three lines: how many sectors now?

# %%
profiles["coalesced"] = cuda.profile(coalesced, *prepare(image, matrix))
profiles["coalesced"]

# %% [markdown]
# 1, 4 and 4. Accesses and bytes are as before: the same work, asked for in a better order. How much traffic is that, in whole sectors?

# %%
for name, profile in profiles.items():
    intensity = operations / moved(profile)
    print(f"{name:10} {moved(profile):11,} bytes moved, {intensity:5.2f} operations a byte")

# %% [markdown]
# From now on *bytes moved* means whole sectors. (For `left` a warp fetches one sector and uses 4 of its bytes, but all 32 lanes use them: 1 byte for each. That is why 0.40 is more than the quarter computed by hand.)

# %% [markdown]
# ### Rung 3: tiles in shared memory
#
# Each weight is still fetched by many blocks of threads, each input too. A block can keep numbers in **shared memory**, which all of its threads see, and which lies on the chip. So: fetch a tile of 16×16 weights
# and a tile of 16×16 inputs *together*, one number of each per thread; then each number is used 16 times. Go on with the next tiles.

# %% jupyter={"source_hidden": true}
# Figure: a tile of the result, and what it needs
fig, axes = plt.subplots(1, 3, figsize=(10, 3.4), width_ratios=[64, 128, 128], layout="constrained")
sizes = {"w: M × C": (64, 64), "x: C × N": (64, 128), "y: M × N": (64, 128)}
bands = [(16, 0, 16, 64), (0, 48, 64, 16), (16, 48, 16, 16)]
tiles_now = [(16, 32, 16, 16), (32, 48, 16, 16), None]
for ax, (title, (height, width)), band, tile in zip(
    axes, sizes.items(), bands, tiles_now, strict=True
):
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal", title=title)
    ax.set_xticks(np.arange(0, width + 1, 16), [])
    ax.set_yticks(np.arange(0, height + 1, 16), [])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(True)
    ax.grid(True, color="0.75")
    for place, colour in ((band, "#56B4E9"), (tile, "#D55E00")):
        if place:
            row, column, rows, columns = place
            ax.add_patch(plt.Rectangle((column, row), columns, rows, fc=colour, ec="black"))
figures.show(
    fig,
    alt="Three matrices cut into tiles of 16 by 16. One tile of y is coloured; it needs a band of "
    "rows of w and a band of columns of x. In each band one tile is orange.",
    dpi=90,
)

# %% [markdown]
# A block computes the blue tile of `y`. It walks along the blue bands of `w` and `x`; the orange tiles are in shared memory at one moment. `__syncthreads()` is a **barrier**: no thread of the block goes on
# before all have come. (`#define T 16` puts 16 for each `T`; `test ? p : q` is `p` where the test holds, else `q`.)

# %% language="cuda" magic_args="--mode check --quiet"
# #define T 16
# extern "C" __global__ void tiles(const float* w, const float* x, float* y,
#                                  int M, int C, int N) {
#     __shared__ float a[T][T], b[T][T];
#     int tx = threadIdx.x, ty = threadIdx.y;
#     int m = blockIdx.y * T + ty, n = blockIdx.x * T + tx;
#     float sum = 0;
#     for (int first = 0; first < C; first += T) {
#         a[ty][tx] = m < M && first + tx < C ? w[m * C + first + tx] : 0;
#         b[ty][tx] = first + ty < C && n < N ? x[(first + ty) * N + n] : 0;
#         __syncthreads();  // all numbers are there
#         for (int d = 0; d < T; ++d)
#             sum += a[ty][d] * b[d][tx];
#         __syncthreads();  // all numbers are used
#     }
#     if (m < M && n < N) y[m * N + n] = sum;
# }

# %% [markdown]
# A number outside of the matrix counts as 0, which adds nothing. **Predict, then run.** Each number that is fetched is used 16 times. By which factor do the *accesses* to global memory fall, compared with rung 2?

# %%
def conv1x1_tiles(x, weight):
    return conv1x1_cuda(tiles, x, weight, side=16)


compare.with_torch(conv1x1_tiles, z, weight, reference=F.conv2d)

# %%
profiles["tiles"] = cuda.profile(tiles, *prepare(image, matrix, side=16))
loads = [profiles[name].total("accesses", "global", "load") for name in ("coalesced", "tiles")]
print(f"{loads[0]:,} / {loads[1]:,} = {loads[0] / loads[1]:.0f}")
profiles["tiles"]

# %% [markdown]
# **Predict, then run.** One thread, that of the result in row 20 and column 53. How many weights and inputs does it fetch *itself* in `coalesced`? How many in `tiles`?

# %%
def fetched(name, block, thread, array, shape):
    touched = profiles[name].touched(array)
    own = touched["index"][(touched["block"] == block) & (touched["thread"] == thread)]
    return np.isin(np.arange(np.prod(shape)), own).reshape(shape)


where = {"coalesced": divmod(20 * N + 53, 256), "tiles": (1 * 8 + 3, 4 * 16 + 5)}
masks = {
    (name, array): fetched(name, *where[name], array, shape)
    for name in where for array, shape in (("w", (M, C)), ("x", (C, N)))
}
print({key: int(mask.sum()) for key, mask in masks.items()})

# %% jupyter={"source_hidden": true}
# Figure: what one thread fetches
fig, axes = plt.subplots(
    1, 4, figsize=(10.5, 2.6), width_ratios=[64, 128, 64, 128], layout="constrained"
)
for ax, ((name, array), mask) in zip(axes, masks.items(), strict=True):
    rows, columns = mask.nonzero()
    ax.scatter(columns, rows, s=12, marker="s", color="#D55E00")
    ax.set(xlim=(-0.5, mask.shape[1] - 0.5), ylim=(mask.shape[0] - 0.5, -0.5), facecolor="#eeeeee")
    ax.set_title(f"{name}: {array}")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
figures.show(
    fig,
    alt="What one thread fetches. In coalesced: a row of w and a column of x. In tiles: "
    "four single numbers of that row and four of that column.",
    dpi=90,
)

# %% [markdown]
# The rest of its row and its column is fetched by the 255 other threads of its block, and found in shared memory.

# %% [markdown]
# ## 7 · Break the barriers
#
# Why two barriers? Take the first one out.
#
# **Predict, then run.** Which thread will read a number that another one wrote, and in which line?

# %%
without_first = changed(tiles, "__syncthreads();  // all numbers are there", "")
attempt(without_first, *prepare(image, matrix, side=16))

# %% [markdown]
# On a GPU one warp of a block may run ahead of another: it would multiply numbers that the other has not fetched yet. The message names both lines and the remedy, a barrier between them.
#
# Now without the second one, which stands *behind* the multiplication. **Predict, then run.** Which two lines will the message name?

# %%
without_second = changed(tiles, "__syncthreads();  // all numbers are used", "")
attempt(without_second, *prepare(image, matrix, side=16))

# %% [markdown]
# The same two, though the barrier of line 12 stands between them. But after line 14 the loop goes back to line 10: a fast thread fetches the *next* tile over numbers that a slow one still needs. In a loop a
# barrier has to stand on both ways: from writing to reading, and from reading to the next writing.
#
# **Predict, then run.** The same broken kernel with only 16 channels. Will the checker complain?

# %%
attempt(without_second, *prepare(image[:16].copy(), matrix[:, :16].copy(), side=16))

# %% [markdown]
# No: there is one round, and nothing is overwritten. A test needs more than one tile, and sizes that tiles do not divide.
#
# A third mistake. In lecture 08 threads outside of the array returned at once. **Predict, then run.** Put that line into `tiles`. With 7×13 = 91 pixels, blocks of 16 columns cover 96. Which block will be the
# first in trouble?

# %%
GUARD = "if (m >= M || n >= N) return;\n    float sum"
early = changed(tiles, "float sum", GUARD)
attempt(early, *prepare(z, weight, side=16))

# %% [markdown]
# The sixth block, number 5, in which 5 of 16 columns lie outside: 5 · 16 = 80 threads. They will never come to the barrier, and they are needed: each fetches numbers for the others. Mended, it is the kernel above:
# all threads fetch and wait, and only the *last* line asks whether there is something to write.
#
# Does a barrier help the scatter of section 2? **Predict, then run.** A barrier before each `+=`; first four threads in one block, then four blocks of one thread each.

# %%
barrier = changed(scatter, "            y[", "            __syncthreads(), y[")
across = changed(barrier, "threadIdx.y, j = threadIdx.x", "blockIdx.y, j = blockIdx.x")
args = (x2, w2, np.zeros((5, 5), np.float32), 2, 3, 2, 5)
attempt(barrier, (1,), (2, 2), args)
print("centre:", args[2][2, 2], "\n")
attempt(across, (2, 2), (1,), args)

# %% [markdown]
# Within a block it does: all threads are at the same $(a, b)$ between two barriers, and then no two of them have the same pixel. But a barrier ends at the border of the block, and a picture has many blocks. The two ways
# out that the message offers are those of sections 2 and 4: atomics, or the gather, where each element belongs to one thread.

# %% [markdown]
# ## 8 · Rung 4: tiles in registers
#
# Look at the table of `tiles` again: each product reads shared memory twice. That is fast, but not free. The next rung repeats the trick once more. A thread computes 4×4 results, which it keeps in
# **registers**, its own fastest memory. For that it reads 4 + 4 numbers from shared memory and uses each four times. The block's tile grows to 64×64.

# %% language="cuda" magic_args="--mode check --quiet"
# const int T = 16, R = 4;
# extern "C" __global__ void registers(const float* w, const float* x, float* y,
#                                      int M, int C, int N) {
#     __shared__ float a[T][R * T], b[T][R * T];
#     int tx = threadIdx.x, ty = threadIdx.y;
#     int m = blockIdx.y * R * T + ty, n = blockIdx.x * R * T + tx;
#     float sums[R][R] = {}, left[R], right[R];
#     for (int first = 0; first < C; first += T) {
#         for (int i = 0; i < R * T; i += T) {
#             a[tx][ty + i] = m + i < M && first + tx < C ? w[(m + i) * C + first + tx] : 0;
#             b[ty][tx + i] = first + ty < C && n + i < N ? x[(first + ty) * N + n + i] : 0;
#         }
#         __syncthreads();
#         for (int d = 0; d < T; ++d) {
#             for (int i = 0; i < R; ++i) left[i] = a[d][ty + i * T], right[i] = b[d][tx + i * T];
#             for (int i = 0; i < R; ++i)
#                 for (int j = 0; j < R; ++j) sums[i][j] += left[i] * right[j];
#         }
#         __syncthreads();
#     }
#     for (int i = 0; i < R; ++i)
#         for (int j = 0; j < R; ++j)
#             if (m + i * T < M && n + j * T < N) y[(m + i * T) * N + n + j * T] = sums[i][j];
# }

# %% [markdown]
# The tile of weights lies in `a` with rows and columns exchanged: a row for each $d$. A thread's results are 16 rows and 16 columns apart, so that neighbours still write neighbours.

# %%
def conv1x1_registers(x, weight):
    return conv1x1_cuda(registers, x, weight, side=64)


compare.with_torch(conv1x1_registers, z, weight, reference=F.conv2d)

# %% [markdown]
# **Predict, then run.** A thread makes 16 products from 4 + 4 numbers, where it made 1 from 1 + 1. By which factor do the loads from shared memory fall?

# %%
profiles["registers"] = cuda.profile(registers, *prepare(image, matrix, side=64))
loads = [profiles[name].total("accesses", "shared", "load") for name in ("tiles", "registers")]
print(f"{loads[0]:,} / {loads[1]:,} = {loads[0] / loads[1]:.0f}")
profiles["registers"]

# %% [markdown]
# By 4. But look at *turns/request*: storing into `a` takes 16 turns.

# %% [markdown]
# ### Bank conflicts
#
# Shared memory has 32 **banks**: word number $i$ (4 bytes) lies in bank $i \bmod 32$, and each bank gives one word a turn. If lanes of a warp want different words of the same bank, they wait for each other. The same
# word goes to all in one turn.
#
# **By hand.** Storing `a[tx][ty + i]`, the lanes of a warp have `tx` from 0 to 15 and two values of `ty`. With rows of 64 words, in which bank is `a[tx][0]`, for each `tx`?

# %%
tx = np.arange(16)
for width in (64, 65, 66):
    print(f"rows of {width} words, banks of a[tx][0] and a[tx][1]:")
    print("   ", tx * width % 32, "\n   ", (tx * width + 1) % 32)

# %% [markdown]
# With 64 all sixteen in one bank. **Predict, then run.** How many turns will the store take with rows of 64, 65 and 66 words?

# %%
for pad in (0, 1, 2):
    padded = changed(registers, "a[T][R * T]", f"a[T][R * T + {pad}]")
    profiles["padded"] = cuda.profile(padded, *prepare(image, matrix, side=64))
    store = profiles["padded"].rows[1]  # the second row of the table: a[tx][ty + i] = …
    print(f"rows of {64 + pad} words: turns a {store.kind} = {store.turns_per_request:.0f}")

# %% [markdown]
# Two words more in each row, which nobody uses, and the conflict is gone. (One word more is right where the 32 lanes of a warp go down one column. Here they go down two.)
#
# ### The ladder
#
# All in one table. A block works on one multiprocessor of the GPU, so the number of blocks is worth a look, too.

# %%
def print_row(name, bytes_moved, turns, blocks):
    intensity = operations / bytes_moved
    print(f"{name:11} {bytes_moved:11,} {intensity:10.2f} {turns:13} {blocks:7}")


print("rung        bytes moved    op/byte  shared turns  blocks")
for name, profile in profiles.items():
    blocks = len(np.unique(profile.touched("y")["block"]))
    print_row(name, moved(profile), profile.total("turns", "shared"), blocks)
print_row("read once", read_once, "", "")

# %% [markdown]
# **Check by hand.** With tiles of $S \times S$ results, each block fetches $S$ rows of weights and $S$ columns of inputs, $C$ numbers each. There are $MN/S^2$ blocks:
#
# $$\text{bytes moved} = 4 \left( \frac{2\,M C N}{S} + M N \right)$$

# %%
def tile_bytes(M, C, N, side):
    return 4 * (2 * M * C * N // side + M * N)


for name, side in (("tiles", 16), ("padded", 64)):
    print(f"{name:7} formula {tile_bytes(M, C, N, side):,}, counted {moved(profiles[name]):,}")

# %% [markdown]
# ## 9 · The roofline
#
# What does intensity buy? Let a GPU do $P$ operations a second and move $B$ bytes a second. With $I$ operations a byte, it can do at most
#
# $$\min(P,\; B I) \text{ operations a second.}$$
#
# Left of the **ridge** $I = P / B$ a kernel waits for memory, right of it for arithmetic. Drawn on logarithmic axes this is a sloping roof that becomes flat (Williams, Waterman and Patterson, 2009).
#
# Shared memory has a limit of its own: one turn a clock for each multiprocessor. The numbers below are NVIDIA's, for the A100 with 40 GB. TFLOP/s are $10^{12}$ operations a second.
#
# **Predict, then run.** Where is the ridge? Which of the rungs reach it?

# %%
peak, bandwidth = 19.5e12, 1555e9  # P and B of the A100's data sheet; float32
turns_a_second = 108 * 1.41e9  # multiprocessors, clocks a second

print(f"ridge at {peak / bandwidth:.1f} operations a byte\n")
print("TFLOP/s     by memory  by shared memory  by arithmetic   at most")
limits = {}
for name, profile in profiles.items():
    turns = profile.total("turns", "shared")
    by_shared = turns_a_second * operations / turns if turns else np.inf
    rates = bandwidth * operations / moved(profile), by_shared, peak
    limits[name] = min(rates)
    memory, shared, arithmetic = (rate / 1e12 for rate in rates)
    print(f"{name:11}{memory:10.2f}{shared:18.2f}{arithmetic:15.2f}{min(rates) / 1e12:10.2f}")

# %% jupyter={"source_hidden": true}
# Figure: the roofline with the five kernels
def draw_roofline(points, floor, peak=peak, bandwidth=bandwidth):
    fig, ax = plt.subplots(figsize=(9, 4.8), layout="constrained")
    axis = np.geomspace(0.02, 300, 400)
    ax.loglog(axis, np.minimum(peak, bandwidth * axis) / 1e12, color="black", lw=2)
    ax.axvline(floor, color="0.5", ls="--")
    ax.text(floor * 0.9, 0.04, "each number\nmoved once", ha="right")
    for (name, (intensity, rate)), marker in zip(points.items(), "osD^v", strict=False):
        roof = min(peak, bandwidth * intensity)
        ax.plot([intensity] * 2, [rate / 1e12, roof / 1e12], color="0.4", lw=1.5)
        ax.plot(intensity, rate / 1e12, marker, ms=8, label=name)
    ax.set(xlabel="operations per byte moved", ylabel="TFLOP/s at most", ylim=(0.03, 60))
    ax.set_title("computed from counts and a data sheet, not measured")
    ax.legend(loc="upper left")
    return fig


points = {name: (operations / moved(profiles[name]), rate) for name, rate in limits.items()}
alt = """A roof that rises and turns flat. From left to right on its slope: naive, then coalesced; a
little below it tiles; near the bend registers, below the roof, and padded on it. A dashed line
where each number is moved once stands at the bend."""
figures.show(draw_roofline(points, operations / read_once), alt=" ".join(alt.split()), dpi=90)

# %% [markdown]
# No rung reaches the ridge. From left to right: *naive* and *coalesced* lie on the slope; memory is what they wait for. *tiles* and *registers* hang **below** the roof, for their limit is shared memory: that is why rung 4 was worth climbing, and why bank
# conflicts count. *padded* is back on the slope. In so small a layer even moving each number once leads only just past the ridge.
#
# **What the figure is not.** It is no measurement. Caches are left out: they can serve part of the requests, and then a kernel may be faster than its point. And no kernel reaches its limit by itself: a
# GPU needs many blocks at a time, and this layer gives two to the last rung, for 108 multiprocessors.

# %% [markdown]
# ### Was it measured?
#
# Where the course has been timed on a GPU, a record lies in `benchmarks/records/`. The next cell shows what is there.

# %% tags=["nbval-ignore-output"]
import json
from pathlib import Path


def entries(value):
    """Every dictionary in a record that speaks of a convolution."""
    if isinstance(value, dict):
        if "conv" in f"{value.get('operator')} {value.get('name')}":
            yield value
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from entries(item)


records = sorted(Path("../benchmarks/records").glob("gpu-check-*.json"))
for path in records:
    print("Recorded, not measured here:", path.name)
    for entry in entries(json.loads(path.read_text(encoding="utf-8"))):
        print({key: item for key, item in entry.items() if isinstance(item, str | int | float)})
if not records:
    print("No GPU time has been recorded: these kernels were counted, never timed.")

# %% [markdown]
# ## 10 · On a real photograph
#
# The picture of section 1 again: our gather enlarges it, and `registers` mixes its colours, each pixel a vector of red, green and blue.
#
# **Predict, then run.** The gather's result and NumPy's sum of all stamps: do they agree? (Padding 1 cuts a frame of one pixel off.)

# %%
each_channel = np.zeros((3, 3, 4, 4), np.float32)
each_channel[range(3), range(3)] = bilinear  # channel c of the input stamps channel c only
large = conv_transpose2d_gather(small, each_channel, stride=2, padding=1)
compare.arrays(large, added[:, 1:-1, 1:-1], name="conv_transpose2d_gather", length=4)

# %% [markdown]
# Three new colours from three old ones: each output is twice the old colour, less the mean of all three.

# %%
vivid = 2 * np.eye(3, dtype=np.float32) - np.float32(1 / 3)
mixed = conv1x1_registers(large, vivid[:, :, None, None])
compare.with_torch(conv1x1_registers, large, vivid[:, :, None, None], reference=F.conv2d)

# %% jupyter={"source_hidden": true}
# Figure: enlarged and mixed by our kernels
fig = figures.images_row(
    [np.clip(picture, 0, 1).transpose(1, 2, 0) for picture in (small, large, mixed)],
    titles=["photograph", "enlarged by gather", "colours by registers"],
    height=2.2,
)
figures.show(
    fig,
    alt="A cup of coffee; the same enlarged, smooth and bright; and with stronger colours.",
    dpi=90,
)

# %% [markdown]
# ## 11 · What the library does more
#
# `segedu/cuda_ops/tiles.cuh` is rung 4 for *every* convolution; you can read it now. Where ours looks up `x[c * N + n]`, it asks the problem at hand for the place:
#
# * **3×3 and larger kernels** have $C k^2$ terms instead of $C$. The windows are never written to memory; their numbers are looked up while a tile is fetched (*implicit im2col*).
# * **Transposed convolution** is one product for each phase (lecture 04): pixels with equal remainders by the stride share their taps, so no time is spent on zeros.
# * `R` is 4 or 8, numbers are float or double (templates), indices have 64 bits; groups, dilation, bias and any size are handled.
#
# **Predict, then run.** All options at once, every access checked. Does it agree with PyTorch?

# %%
from segedu import cuda_ops

z = rng.standard_normal((2, 16, 9, 11), dtype=np.float32)
weight = rng.standard_normal((16, 16, 3, 3), dtype=np.float32)  # groups × 16 output channels
options = dict(stride=2, padding=1, output_padding=1, groups=2, dilation=2)
with cuda_ops.mode("check"):
    report = compare.with_torch(cuda_ops.conv_transpose2d, z, weight, **options)
report

# %% [markdown]
# There are rungs beyond the fourth: loading the next tile while the last is multiplied, reading four numbers at once (`float4`), the matrix units of newer GPUs (tensor cores). Lecture 10 goes another way: adding up across
# threads.

# %% [markdown]
# ## 12 · Try it yourself (at home)
#
# A larger layer, 256 → 256 channels on 64×64 pixels; the formula of section 8 gives its traffic. Choose the side of the tile. From which side on is arithmetic the limit? Move the sliders to your own GPU: its data
# sheet has both numbers.

# %% tags=["nbval-ignore-output"]
import ipywidgets


def explore(side=64, tera_operations=19.5, gigabytes=1555):
    M, C, N = 256, 256, 64 * 64
    operations, once = 2 * M * C * N, 4 * (M * C + C * N + M * N)
    intensity = operations / tile_bytes(M, C, N, side)
    peak, bandwidth = tera_operations * 1e12, gigabytes * 1e9
    rate = min(peak, bandwidth * intensity)
    point = {f"tile of {side}×{side}": (intensity, rate)}
    fig = draw_roofline(point, operations / once, peak, bandwidth)
    alt = f"Tile of {side} by {side}: {intensity:.1f} operations a byte, {rate / 1e12:.1f} TFLOP/s."
    figures.show(fig, alt=alt, dpi=80)


ipywidgets.interact(
    explore, side=[1, 2, 4, 8, 16, 32, 64, 128], tera_operations=(1.0, 100.0), gigabytes=(100, 5000)
);

# %% [markdown]
# A still picture, for readers without a running kernel: tiles of 64×64.

# %% jupyter={"source_hidden": true}
# Figure: tiles of 64×64 on a larger layer
explore(side=64)

# %% [markdown]
# ## Common mistakes
#
# * **`+=` where threads meet.** Right on the CPU, in order; a data race on a GPU. `atomicAdd`, or a gather.
# * **Expecting equal bits from atomics.** The order of additions changes from run to run. Compare with a tolerance.
# * **A barrier only on the way down.** In a loop the next round comes after this one: a second barrier.
# * **`return` before a barrier.** All threads of a block have to come. Guard the store, not the thread.
# * **Testing with one tile**, or with sizes that tiles divide.
# * **A barrier against other blocks.** It ends at the border of the block.
# * **Neighbouring threads on neighbouring rows.** Each number then costs a sector. Let `threadIdx.x` run along the last axis.
# * **Weights of a transposed convolution are $C \times M$**, those of a convolution $M \times C$. With $C = M$ nothing fails.
#
# ## Summary
#
# * Scatter: threads meet, atomics needed, the order of additions is left open. Gather: each thread owns its pixel, one sum in one order.
# * A race is two accesses, one of them a write, that nothing orders. A barrier orders threads of one block.
# * A warp's request takes whole sectors of 32 bytes: 4 if coalesced, up to 32 if not.
# * A tile of side $S$ divides the traffic by $S$: first in shared memory, then in registers.
# * Shared memory has 32 banks; a little padding spreads a column over them.
# * Roofline: at most $\min(P, B I)$ operations a second. Count before you tune, and measure before you claim.
#
# ## Exercises
#
# Write kernels in a new cell that begins with `%%cuda --mode check`.
#
# 1. *By hand.* 1-D, stride 2, kernel 4, 5 input pixels. Which threads of a scatter meet at output pixel 5? Which taps does a gather use there?
# 2. *By hand.* A warp reads `x[2 * t + 1]` for $t = 0 \dots 31$. How many sectors? And `x[t + 1]`?
# 3. *By hand.* A block of 32×32 threads, one result each: how many operations a byte do its tiles give, without the stores? From which side on is that more than the ridge of the A100?
# 4. *By hand.* `tile[32][32]`, a warp reads a column. How many turns? With `tile[32][33]`?
# 5. *Gather kernel.* Write max unpooling (lecture 08) of 2×2 windows with stride 2 as a gather, a thread for each *large* pixel, that looks at one index only.
# 6. *A tile with barriers.* Write `transpose`, $y_{ji} = x_{ij}$, so that loads and stores are both coalesced: through a tile of 32×32 in shared memory. Check `sectors/request` and `turns/request`.
# 7. *Find and mend the race.* The kernel below is to replace each number by the mean of itself and its right neighbour. Run it, read, mend it twice: within one block, and for any number of blocks.
#
#    ```
#    extern "C" __global__ void smooth(float* x, int n) {
#        int i = blockIdx.x * blockDim.x + threadIdx.x;
#        if (i + 1 < n) x[i] = (x[i] + x[i + 1]) / 2;
#    }
#    ```
#
# 8. Give `b` of `registers` rows that need one turn for each store, too.
#
# <details><summary>Answers</summary>
#
# 1. $2i + a = 5$ with $0 \le a < 4$: threads $i = 1$ ($a = 3$) and $i = 2$ ($a = 1$). The gather uses taps 1 and 3.
# 2. Numbers 1 to 63, every second: bytes 4 to 255, 8 sectors. Numbers 1 to 32: bytes 4 to 131, 5 sectors, one more than aligned ones.
# 3. $2MCN$ operations and $8MCN/32$ bytes: 8. In general $S/4$; $S/4 > 12.5$ from $S = 51$ on, so 64.
# 4. 32, and 1.
# 5. With pixel $(u, v)$ and small pixel $(u/2, v/2)$: `y[u * W + v] = indices[small] == u * W + v ? x[small] : 0;`. No two threads write the same pixel, and `y` needs no zeros before.
# 6. Grid $(\lceil W/32 \rceil, \lceil H/32 \rceil)$, blocks $(32, 32)$. With `int i = blockIdx.y * 32 + threadIdx.y, j = blockIdx.x * 32 + threadIdx.x;`
#    `if (i < H && j < W) tile[threadIdx.y][threadIdx.x] = x[i * W + j];` then `__syncthreads();` then, with the block's place exchanged,
#    `i = blockIdx.y * 32 + threadIdx.x, j = blockIdx.x * 32 + threadIdx.y;` and `if (i < H && j < W) y[j * H + i] = tile[threadIdx.x][threadIdx.y];`. Declared as `tile[32][33]`: with $H$ and $W$ divisible by 32, 4 sectors and 1 turn everywhere.
# 7. Thread $i$ writes `x[i]`, which thread $i - 1$ reads. In one block: `float mean = 0; if (i + 1 < n) mean = (x[i] + x[i + 1]) / 2; __syncthreads(); if (i + 1 < n) x[i] = mean;`. For any number of blocks: write to a second
#    array `y`.
# 8. The two rows of 16 words that a warp stores must lie in different halves of the banks: `b[T][R * T + 16]`.
#
# </details>
#
# ## Sources
#
# * S. Williams, A. Waterman, D. Patterson, *Roofline: an insightful visual performance model for multicore architectures*, Communications of the ACM 52(4), 2009.
# * NVIDIA, *A100 Tensor Core GPU data sheet* (19.5 TFLOP/s, 1555 GB/s for 40 GB) and *NVIDIA A100 Tensor Core GPU architecture*, 2020 (108 multiprocessors, 1410 MHz).
# * NVIDIA, *CUDA C++ Programming Guide* (coalesced access, 32 banks of shared memory, one 32-bit word a clock each, atomic functions, `__syncthreads`).
# * D. Goldberg, *What every computer scientist should know about floating-point arithmetic*, ACM Computing Surveys 23(1), 1991.
# * V. Volkov, J. Demmel, *Benchmarking GPUs to tune dense linear algebra*, SC 2008 (results kept in registers).
# * S. Chetlur et al., *cuDNN: efficient primitives for deep learning*, arXiv:1410.0759 (convolution as a product in tiles, without writing the windows).
# * PyTorch documentation, *Reproducibility*, and `torch.nn.ConvTranspose2d` (nondeterministic algorithms).

# %% [markdown]
# # Lecture 08 · Your first CUDA kernels
#
# A graphics card (GPU) runs thousands of small programs at once, one for each number of a result, say. Such a program is called a **kernel**, and CUDA C is the language
# it is written in. In this lecture you write kernels, run them, break them, and read what the checker says.
#
# After this lecture you can
#
# 1. say which thread computes which element: threads, blocks, grids, and the index made from them,
# 2. launch a kernel with enough threads for an array of any size, and stop the threads that are too many,
# 3. write max pooling with indices and max unpooling in CUDA C, and check them against NumPy and PyTorch,
# 4. read a message about an access out of bounds, a wrong dtype or a data race, and mend the kernel,
# 5. say what a run on the CPU tells about a run on the GPU, and what it does not.
#
# About 60 minutes without the parts marked *at home*. You need lectures 02 and 03. **You need no GPU**: without one, the same kernels are compiled for the CPU.

# %%
import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, cuda, figures
from segedu.data.photographs import as_chw, photograph
from segedu.numpy_ops import max_pool2d, max_pool2d_backward, max_unpool2d

# %load_ext segedu.cuda
figures.use_style()
rng = np.random.default_rng(8)

# %% [markdown]
# The line with `%load_ext` gives the notebook the command `%%cuda`: a cell that begins with it holds CUDA C instead of Python.

# %% [markdown]
# ## 1 · One thread for each pixel
#
# Pooling a photograph with windows of 2×2 takes as many maxima as the result has numbers. None of them needs another. A loop computes them one after another; a GPU can
# give each to a worker of its own, a **thread**.
#
# **Predict, then run.** The photograph has 3 channels of 384×576 pixels, the result 3 of 192×288, and each number gets a thread. How many threads is that? In blocks of 16×16
# threads, how many blocks does one channel take?

# %%
coffee = as_chw(photograph("coffee", size=(384, 576)))  # channels × height × width
pooled = max_pool2d(coffee, kernel_size=2)
channels, height, width = pooled.shape
print(channels * height * width, "threads, one for each number of the result")
print(height // 16, "×", width // 16, "=", (height // 16) * (width // 16), "blocks a channel")

# %% jupyter={"source_hidden": true}
# Figure: a picture cut into blocks of threads
fig, axes = plt.subplots(1, 2, figsize=(10, 4.2), width_ratios=[1.5, 1], layout="constrained")
axes[0].imshow(pooled.transpose(1, 2, 0))
axes[0].hlines(np.arange(16, height, 16) - 0.5, -0.5, width - 0.5, color="white", lw=0.8)
axes[0].vlines(np.arange(16, width, 16) - 0.5, -0.5, height - 0.5, color="white", lw=0.8)
axes[0].add_patch(plt.Rectangle((175.5, 63.5), 16, 16, fill=False, ec="#D55E00", lw=4))
axes[0].set_title("the grid: 12 × 18 blocks")
axes[1].imshow(pooled[:, 64:80, 176:192].transpose(1, 2, 0))
axes[1].hlines(np.arange(15) + 0.5, -0.5, 15.5, color="white", lw=0.8)
axes[1].vlines(np.arange(15) + 0.5, -0.5, 15.5, color="white", lw=0.8)
axes[1].set_title("one block: 16 × 16 threads")
for ax in axes:
    ax.set_axis_off()
figures.show(
    fig,
    alt="Left: a cup of coffee under a net of 12 by 18 squares, one framed. Right: that square "
    "enlarged, a net of 16 by 16 pixels.",
    dpi=80,
)

# %% [markdown]
# Threads come in **blocks** of equal size, at most 1024 threads each, and the blocks form a **grid**. Every thread runs the same kernel. The only difference between two
# threads is where they stand.

# %% [markdown]
# ## 2 · By hand: which thread has which element?
#
# Ten numbers, blocks of four threads. A thread knows three things: `blockIdx.x`, the number of its block, `threadIdx.x`, its number in the block, and `blockDim.x`, the
# size of a block. Its element is
#
# $$i = \text{blockIdx.x} \cdot \text{blockDim.x} + \text{threadIdx.x}$$
#
# **Predict, then run.** Which element has thread 2 of block 1? How many blocks do ten numbers need? Which threads have nothing to do?

# %%
threads, n = 4, 10
blocks = (n + threads - 1) // threads  # n / threads, rounded up
block_idx = np.arange(blocks * threads) // threads
thread_idx = np.arange(blocks * threads) % threads
i = block_idx * threads + thread_idx

# %% jupyter={"source_hidden": true}
# Figure: element i of every thread
idle = [(0, k, 1, 1, "#D55E00") for k in range(n, blocks * threads)]
fig, axes = plt.subplots(3, 1, figsize=(9, 3.2), layout="constrained")
rows = {"blockIdx.x": block_idx, "threadIdx.x": thread_idx, "i": i}
for ax, (name, row) in zip(axes, rows.items(), strict=True):
    figures.draw_array(ax, row, cmap="Greys", highlight=idle if name == "i" else ())
    ax.set_ylabel(name, rotation=0, ha="right", va="center")
figures.show(
    fig,
    alt="Twelve threads in a row: block numbers 0 to 2, four times each; thread numbers 0 to 3, "
    "three times; elements 0 to 11, of which 10 and 11 are framed.",
)

# %% [markdown]
# Thread 2 of block 1 has element $1 \cdot 4 + 2 = 6$. Three blocks are needed, and the last two threads stand outside of the array (framed). They run all the same, so
# **the kernel has to test its index**.

# %% [markdown]
# ## 3 · A launch, as loops
#
# What happens when a kernel is launched? Written as Python loops, this:

# %%
def launch_loops(kernel, grid, block, args):
    for blockIdx in range(grid):
        for threadIdx in range(block):
            kernel(blockIdx, threadIdx, block, *args)


def square_python(blockIdx, threadIdx, blockDim, x, y, n):
    i = blockIdx * blockDim + threadIdx
    if i < n:
        y[i] = x[i] * x[i]


x = np.arange(10, dtype=np.float32)
y = np.zeros_like(x)
launch_loops(square_python, 3, 4, (x, y, 10))
y

# %% [markdown]
# The kernel returns nothing: it writes into an array that it was given. On a GPU the two loops are gone. The threads run side by side, in an order that nobody promises.
#
# Here is the same kernel in CUDA C. `__global__` says that it can be launched, `extern "C"` keeps its name as it is, and `float*` is where an array of float32 begins;
# `const` says that the kernel only reads it. C declares the type of each name, and ends each statement with a semicolon.

# %% language="cuda" magic_args="--quiet"
# extern "C" __global__ void square(const float* x, float* y, int n) {
#     int i = blockIdx.x * blockDim.x + threadIdx.x;
#     if (i < n) y[i] = x[i] * x[i];
# }

# %% [markdown]
# The cell was compiled. Now `square` is a Python name. A launch takes three things, as in CuPy: the grid, the block, and the tuple of arguments.
#
# **Predict, then run.** With 3 blocks all ten numbers are squared. What stands in `y` after a launch with 2 blocks?

# %%
for blocks in (3, 2):
    y = np.zeros_like(x)
    square((blocks,), (4,), (x, y, 10))
    print(blocks, "blocks:", y)

# %% [markdown]
# Too few blocks: the last elements were never touched, and nobody complains. Rounding *down* the number of blocks is a common mistake. So write it once:

# %%
def blocks_for(items, threads):
    return (items + threads - 1) // threads


[(items, items // 4, blocks_for(items, 4)) for items in (8, 9, 11, 12, 13)]

# %% [markdown]
# The columns are: items, rounded down, rounded up. They agree only where the size is a multiple of 4.

# %% [markdown]
# ## 4 · Break it, and read the message
#
# Without a GPU kernels run in **check mode**: every access to memory is watched. With a GPU, `mode="check"` asks for it. `attempt` prints the message without
# the traceback.

# %%
import textwrap


def checked(source, name):
    return cuda.RawModule(source, mode="check").get_function(name)


def attempt(kernel, grid, block, args):
    try:
        kernel(grid, block, args)
        print("no complaint")
    except (cuda.KernelError, TypeError, ValueError) as error:
        for line in str(error).splitlines():
            print(textwrap.fill(line, 96))

# %% [markdown]
# `cuda.RawModule(source)` is what `%%cuda` calls: the source is a Python string. That is handy here, because a string can be changed.
#
# **Predict, then run.** The test is taken out. There are 12 threads and 10 numbers; threads run in order here. Which thread of which block goes wrong first?

# %%
SQUARE = r"""
extern "C" __global__ void square(const float* x, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] * x[i];
}"""
careless = checked(SQUARE.replace("if (i < n) ", ""), "square")
attempt(careless, (3,), (4,), (x, y, 10))

# %% [markdown]
# Read it line by line:
#
# * **what and where**: kernel `square`, line 4 of the source (line 1 is empty), an access out of bounds,
# * **the line itself**,
# * **who did what**: thread 2 of block 2, so $i = 2 \cdot 4 + 2 = 10$; it read `x[10]`, and `x` ends at 9,
# * **what to do about it**.
#
# A GPU says none of this. It reads, or overwrites, what happens to lie behind the array; if nothing may be read there, the launch fails.
# (NVIDIA's tool *compute-sanitizer* looks for such accesses on a GPU.)

# %% [markdown]
# The facts of the message are also attributes of the error: `thread`, `block`, `array`, `index`, `line`.
#
# **Predict, then run.** The test is there, but says `<=`. Which index is wrong now? And `x[i - 1]` instead of `x[i]`: which thread?

# %%
for old, new in (("i < n", "i <= n"), ("x[i] * x[i]", "x[i] * x[i - 1]")):
    try:
        checked(SQUARE.replace(old, new), "square")((3,), (4,), (x, y, 10))
    except cuda.KernelError as e:
        print(f"{new:15}  thread {e.thread[0]} of block {e.block[0]}: {e.array}[{e.index}]")

# %% [markdown]
# **Predict, then run.** A guard whose `return` was forgotten. The source compiles. Which of the two messages above will it give?

# %%
forgotten = SQUARE.replace("if (i < n) y", "if (i >= n) { }\n    y")
attempt(checked(forgotten, "square"), (3,), (4,), (x, y, 10))

# %% [markdown]
# The first: a guard that does nothing is no guard. Right would be `if (i >= n) return;`.
#
# Some mistakes are found before any thread runs. NumPy's own dtype is float64, the kernel's `float` is float32. C would take the bits of one for the other.
#
# **Predict, then run.** Three launches, three mistakes. What is each?

# %%
good = checked(SQUARE, "square")
attempt(good, (3,), (4,), (np.arange(10.0), y, 10))
print()
attempt(good, (3,), (4,), (x[::2], y, 5))
print()
attempt(good, (1,), (2048,), (x, y, 10))

# %% [markdown]
# A wrong dtype; a view with gaps (every second element), whereas a kernel sees memory without gaps; and a block that is too large. CuPy itself checks neither of the first two.
#
# And if a semicolon is missing? Then the compiler speaks, and its words depend on the compiler.

# %% tags=["nbval-ignore-output"]
try:
    checked(SQUARE.replace("x[i];", "x[i]"), "square")
except cuda.CompileError as error:
    print(error)

# %% [markdown]
# ## 5 · Two dimensions
#
# Pictures have rows and columns, and so can blocks and grids. By custom `.x` runs along the columns and `.y` down the rows. Memory itself is one long row: pixel (row, column) lies at
# $\text{row} \cdot W + \text{column}$, as the indices of lecture 02.
#
# Let each thread write who it is.

# %% language="cuda" magic_args="--quiet"
# extern "C" __global__ void who(int* block, int* thread, int height, int width) {
#     int column = blockIdx.x * blockDim.x + threadIdx.x;
#     int row = blockIdx.y * blockDim.y + threadIdx.y;
#     if (row >= height || column >= width) return;
#     block[row * width + column] = blockIdx.y * gridDim.x + blockIdx.x;
#     thread[row * width + column] = threadIdx.y * blockDim.x + threadIdx.x;
# }

# %% [markdown]
# **Predict, then run.** A picture of 5 rows and 7 columns; blocks 4 wide and 2 high, written `(4, 2)`. How many blocks, across and down? How many threads are idle?

# %%
height, width = 5, 7
grid = (blocks_for(width, 4), blocks_for(height, 2))
block, thread = np.full((2, height, width), -1, np.int32)
who(grid, (4, 2), (block, thread, height, width))
print("grid", grid, "  idle:", grid[0] * grid[1] * 4 * 2 - height * width, "threads")

# %% jupyter={"source_hidden": true}
# Figure: block and thread of every pixel
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
figures.draw_array(axes[0], block, title="block", palette=figures.class_palette(6))
figures.draw_array(axes[1], thread, title="thread of the block", cmap="Greys")
figures.show(
    fig,
    alt="Two 5 by 7 arrays. The blocks 0 and 1, 2 and 3, 4 and 5 cover two rows each, four and "
    "three columns; the last row has only one row of its blocks. In every block the threads count "
    "0 to 3 in the first row and 4 to 7 in the second.",
)

# %% [markdown]
# Grids and blocks are written *(x, y)*, width first; NumPy's shapes are *(rows, columns)*, height first. Mixing them up is easy.
#
# **Predict, then run.** `row * height + column` instead of `row * width + column`: is that out of bounds in an array of 5×7?

# %%
SWAPPED = r"""
extern "C" __global__ void swapped(int* y, int height, int width) {
    int column = threadIdx.x, row = threadIdx.y;
    if (row < height && column < width) y[row * height + column] = column;
}"""
attempt(checked(SWAPPED, "swapped"), (1,), (7, 5), (np.zeros((5, 7), np.int32), 5, 7))

# %% [markdown]
# No. It stays inside of the array: the largest index is $4 \cdot 5 + 6 = 26$ of 35. But pixel (0, 5) and pixel (1, 0) get the same place. Two threads write one element, and
# whichever comes last is seen. That is a **data race**: no order is promised, so no result is.

# %% [markdown]
# ## 6 · Max pooling in CUDA C
#
# One thread for each number of the result; `blockIdx.z` is the plane (one channel of one image). Each thread looks through its own window:
#
# $$y_{ij} = \max_{0 \le a, b < k} x_{\,i s + a,\; j s + b}$$

# %%
POOL = r"""
extern "C" __global__ void max_pool(const float* x, float* y, long long* indices, int height,
                                    int width, int k, int s, int out_height, int out_width) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    int row = blockIdx.y * blockDim.y + threadIdx.y;
    if (row >= out_height || column >= out_width) return;
    x += blockIdx.z * height * width;

    int best = row * s * width + column * s;
    for (int a = 0; a < k; ++a)
        for (int b = 0; b < k; ++b) {
            int place = (row * s + a) * width + column * s + b;
            if (x[place] > x[best]) best = place;
        }

    int out = (blockIdx.z * out_height + row) * out_width + column;
    y[out] = x[best];
    indices[out] = best;
}"""
max_pool = cuda.RawModule(POOL).get_function("max_pool")

# %% [markdown]
# `x += …` moves the beginning of the array to the thread's plane, so that indices count in the plane, as PyTorch's do. `long long` is int64. `>` and not `>=`: the first of
# equals wins.
#
# **Predict, then run.** The array of lecture 02. Its four maxima were 5, 7, 6 and 9. What is the index of the 9?

# %%
x = np.array(
    [[1, 5, 2, 0],
     [3, 4, 7, 7],
     [0, 2, 9, 1],
     [6, 0, 3, 3]], dtype=np.float32)
y, indices = np.empty((2, 2), np.float32), np.empty((2, 2), np.int64)
max_pool((1, 1, 1), (2, 2), (x, y, indices, 4, 4, 2, 2, 2, 2))
print(y, indices, sep="\n")

# %% [markdown]
# Which thread touched which cell? `cuda.profile` runs a kernel in check mode and remembers. We ask for a window of 2 with stride 2, and a window of 3 with stride 1.
#
# **Predict, then run.** Four threads each time. In which of the two does more than one thread read a cell? How many read the cell in the middle, row 1, column 1?

# %%
def readers(k, s):
    y, indices = np.empty((2, 2), np.float32), np.empty((2, 2), np.int64)
    args = (x, y, indices, 4, 4, k, s, 2, 2)
    touched = cuda.profile(checked(POOL, "max_pool"), (1, 1, 1), (2, 2), args).touched("x")
    pairs = set(zip(touched["thread"].tolist(), touched["index"].tolist(), strict=True))
    return [sorted(t for t, place in pairs if place == p) for p in range(16)]


apart, overlapping = readers(k=2, s=2), readers(k=3, s=1)
counts = np.array([len(who_read) for who_read in overlapping]).reshape(4, 4)

# %% jupyter={"source_hidden": true}
# Figure: who reads which cell
fig, axes = plt.subplots(1, 2, figsize=(8, 3.9), layout="constrained")
owner = np.array([threads[0] for threads in apart]).reshape(4, 4)
palette = figures.class_palette(4)
figures.draw_array(axes[0], owner, title="k = 2, s = 2: the thread that reads", palette=palette)
figures.draw_array(axes[1], counts, title="k = 3, s = 1: how many threads read")
figures.show(
    fig,
    alt="Two 4 by 4 arrays. With window 2 and stride 2 threads 0, 1, 2 and 3 read a quarter each. "
    "With window 3 and stride 1 the four cells in the middle are read by four threads, the edges "
    "by two, the corners by one.",
)

# %% [markdown]
# Reading together is harmless. Each thread *writes* only its own number. A kernel in which every thread collects what it needs, and writes one element of its own, is called
# a **gather**. It has no races.

# %% [markdown]
# ## 7 · From kernel to function
#
# A kernel does not know shapes. A Python function computes them, makes room for the result, and launches.

# %%
def max_pool_cuda(x, kernel_size, stride, return_indices=False, kernel=max_pool):
    height, width = x.shape[-2:]
    out = (height - kernel_size) // stride + 1, (width - kernel_size) // stride + 1
    y = np.empty((*x.shape[:-2], *out), np.float32)
    indices = np.empty(y.shape, np.int64)
    planes = int(np.prod(x.shape[:-2]))
    grid = (blocks_for(out[1], 16), blocks_for(out[0], 16), planes)
    kernel(grid, (16, 16), (x, y, indices, height, width, kernel_size, stride, *out))
    return (y, indices) if return_indices else y

# %% [markdown]
# Ask PyTorch, with random numbers, odd sizes, several planes, and windows that overlap.

# %%
import torch.nn.functional as F

z = rng.standard_normal((2, 3, 37, 43), dtype=np.float32)
options = dict(kernel_size=3, stride=2, return_indices=True, reference=F.max_pool2d)
compare.with_torch(max_pool_cuda, z, **options)

# %% [markdown]
# And when it is wrong? Exchange `>` for `>=`, and pool small whole numbers, which have many ties.
#
# **Predict, then run.** Which of the two results differs, the values or the indices?

# %%
last = cuda.RawModule(POOL.replace("> x[best]", ">= x[best]")).get_function("max_pool")
ties = rng.integers(0, 3, (2, 9, 9)).astype(np.float32)


def last_of_equals(x, kernel_size, stride, return_indices):
    return max_pool_cuda(x, kernel_size, stride, return_indices, kernel=last)


compare.with_torch(last_of_equals, ties, **options)

# %% [markdown]
# Only the indices: whichever of the equals wins, the value is the same.
#
# The library's kernel takes every option at once: padding, dilation, `ceil_mode`. It is in `segedu/cuda_ops/pooling.cu`, worth reading after this lecture.

# %%
from segedu import cuda_ops

options = dict(kernel_size=3, stride=2, padding=1, dilation=2, ceil_mode=True)
with cuda_ops.mode("check"):
    report = compare.with_torch(cuda_ops.max_pool2d, z, return_indices=True, **options)
report

# %% [markdown]
# **Predict, then run.** Now the bounds check of `max_pool` is forgotten. The toy array, 2×2 results, a block of 4×4 threads. One would expect an access out of bounds.
# Where does thread 2 of the first row (column 2, row 0) write?

# %%
GUARD = "    if (row >= out_height || column >= out_width) return;\n"
y, indices = np.empty((2, 2), np.float32), np.empty((2, 2), np.int64)
unguarded = checked(POOL.replace(GUARD, ""), "max_pool")
attempt(unguarded, (1, 1, 1), (4, 4), (x, y, indices, 4, 4, 2, 2, 2, 2))

# %% [markdown]
# It writes to element $0 \cdot 2 + 2 = 2$: **past the end of a row begins the next row**, which belongs to another thread. The checker met this race before the first
# access outside of the array. The thread numbers in messages are *(x, y)*, column first.

# %% [markdown]
# ## 8 · Max unpooling in CUDA C
#
# Unpooling goes the other way: a thread for each *small* number, which it carries to the place that its index names. The rest stays 0. Such a kernel is called a **scatter**.

# %% language="cuda" magic_args="--quiet"
# extern "C" __global__ void max_unpool(const float* x, const long long* indices, float* y,
#                                       int values, int pixels) {
#     int i = blockIdx.x * blockDim.x + threadIdx.x;
#     if (i >= values) return;
#     int plane = blockIdx.y;
#     y[plane * pixels + indices[plane * values + i]] = x[plane * values + i];
# }

# %% [markdown]
# `values` and `pixels` are the numbers of a plane, before and after. The shape of the plane does not matter here: an index counts the pixels in reading order.

# %%
def max_unpool_cuda(x, indices, kernel_size, stride):
    size = [(n - 1) * stride + kernel_size for n in x.shape[-2:]]
    y = np.zeros((*x.shape[:-2], *size), np.float32)
    planes, values = int(np.prod(x.shape[:-2])), x.shape[-2] * x.shape[-1]
    grid = (blocks_for(values, 128), planes)
    max_unpool(grid, (128,), (x, indices, y, values, size[0] * size[1]))
    return y


u = rng.standard_normal((2, 3, 36, 42), dtype=np.float32)
values, where = max_pool_cuda(u, 2, 2, return_indices=True)
compare.with_torch(
    max_unpool_cuda, values, where, kernel_size=2, stride=2, reference=F.max_unpool2d
)

# %% [markdown]
# A scatter writes where it is told. If the data say something impossible, no test of `i` helps.
#
# **Predict, then run.** An index of 16 for a plane of 4×4. What will the message call the array, and which index?

# %%
UNPOOL = r"""
extern "C" __global__ void max_unpool(const float* x, const long long* indices, float* y) {
    y[indices[threadIdx.x]] = x[threadIdx.x];
}"""
places = np.array([1, 6, 12, 16])
unpool = checked(UNPOOL, "max_unpool")
attempt(unpool, (1,), (4,), (np.ones(4, np.float32), places, np.zeros(16, np.float32)))

# %% [markdown]
# The line that failed is as it should be; the data are not. The message names them, because the line shows where the index comes from.

# %% [markdown]
# ## 9 · Two threads, one cell
#
# A scatter is in danger where two indices are equal. The gradient of max pooling is such a case: an element that won several windows gets the *sum* of their gradients
# (lecture 02, section 7).
#
# **Predict, then run.** One element won four windows; each gradient is 1. In `mode="fast"` the CPU runs the threads one after another and checks nothing. What is the sum?

# %%
BACKWARD = r"""
extern "C" __global__ void backward(const float* grad, const long long* indices, float* dx,
                                    int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) dx[indices[i]] += grad[i];
}"""
ones, winner, dx = np.ones(4, np.float32), np.full(4, 5), np.zeros(16, np.float32)
fast = cuda.RawModule(BACKWARD, mode="fast").get_function("backward")
fast((1,), (4,), (ones, winner, dx, 4))
print("dx[5] =", dx[5])

# %% [markdown]
# 4, and that is right. Is the kernel right, then? `dx[…] += g` is three steps: read, add, write. On a GPU all four threads may read 0 before any of them writes, and then 1 remains,
# as with `wrong[places] += 1` in lecture 02. The order of the CPU hid it.
#
# **Predict, then run.** Check mode runs the threads one after another, too. Does it notice?

# %%
attempt(checked(BACKWARD, "backward"), (1,), (4,), (ones, winner, np.zeros(16, np.float32), 4))

# %% [markdown]
# It does. The checker looks not at the result but at who read and wrote what, and whether anything *orders* the two. Nothing does.
#
# The remedy is in the message. `atomicAdd` reads, adds and writes in one step, which no other thread can interrupt.

# %%
ATOMIC = BACKWARD.replace("dx[indices[i]] += grad[i]", "atomicAdd(&dx[indices[i]], grad[i])")
backward = cuda.RawModule(ATOMIC).get_function("backward")


def max_pool_backward_cuda(grad, indices, shape):
    dx = np.zeros(shape, np.float32)
    backward((blocks_for(grad.size, 128),), (128,), (grad, indices, dx, grad.size))
    return dx


_, where = max_pool_cuda(ties[0], 3, 1, return_indices=True)
grad = rng.integers(-9, 10, where.shape).astype(np.float32)
ours = max_pool_backward_cuda(grad, where, (9, 9))
expected = max_pool2d_backward(grad[None], where[None], (1, 9, 9))[0]
compare.arrays(ours, expected, name="max_pool_backward_cuda")

# %% [markdown]
# `&dx[…]` is the address of an element, "where it lies". Lecture 09 compares such a scatter with a gather that needs no atomic.

# %% [markdown]
# ## 10 · On a real photograph
#
# Pool the photograph with our kernel, then unpool it with the other.
#
# **Predict, then run.** Which share of the numbers of the unpooled picture is 0, at least?

# %%
values, where = max_pool_cuda(coffee, 2, 2, return_indices=True)
unpooled = max_unpool_cuda(values, where, 2, 2)
print("as numpy_ops:", np.array_equal(values, max_pool2d(coffee, 2)), end=" ")
print(np.array_equal(unpooled, max_unpool2d(values, where, 2)))
print(f"{(unpooled == 0).mean():.1%} of the numbers are 0")

# %% jupyter={"source_hidden": true}
# Figure: a photograph pooled and unpooled by our kernels
part = np.s_[:, 96:224, 256:448]
half = np.s_[:, 48:112, 128:224]
fig = figures.images_row(
    [image.transpose(1, 2, 0) for image in (coffee[part], values[half], unpooled[part])],
    titles=["photograph (part)", "max_pool", "max_unpool"],
    height=2.1,
)
figures.show(
    fig,
    alt="The rim of a cup of coffee: the photograph, the pooled picture, brighter and coarser, and "
    "the unpooled one, dark with bright dots.",
    dpi=90,
)

# %% [markdown]
# Three quarters: of each window, four numbers, only one is carried back. The rest stays 0.

# %% [markdown]
# ## 11 · What this stands for: the plain CuPy launch
#
# On a machine with an NVIDIA GPU, `cuda.RawModule` hands the source to CuPy. Without segedu, you would write the cell below. **Without a GPU it does not run**: it prints a
# sentence instead.

# %% tags=["nbval-ignore-output"]
if cuda.gpu_available():
    import cupy

    x_gpu = cupy.asarray(x)  # copied to the memory of the GPU
    y_gpu, indices_gpu = cupy.empty((2, 2), cupy.float32), cupy.empty((2, 2), cupy.int64)
    kernel = cupy.RawModule(code=POOL).get_function("max_pool")
    sizes = [np.int32(size) for size in (4, 4, 2, 2, 2, 2)]  # int32, as the kernel says
    kernel((1, 1, 1), (2, 2), (x_gpu, y_gpu, indices_gpu, *sizes))
    print(y_gpu.get())  # copied back
else:
    print("No GPU here: nothing was launched.")

# %% [markdown]
# Three things are different from our launches. The arrays have to be copied to the GPU's own memory, and back. The numbers should be NumPy scalars of the kernel's type, because
# CuPy hands over their bits as they are. And nobody checks types or layouts.
#
# **Why does the same source run on a CPU?** A kernel says what *one* thread does. CUDA C is C++ with a few more names: `threadIdx` and `blockIdx` are variables, `__global__` is
# a mark, `atomicAdd` a function. segedu declares these names, lets the C++ compiler of the machine compile the unchanged source, and calls the kernel for each thread, as
# `launch_loops` did. In check mode the compiler also puts a call to the checker before each access to memory.
#
# **What the CPU cannot tell.** How long a kernel takes on a GPU. And the checker sees one order of threads at a time.
#
# **Predict, then run.** The race of section 9 again, threads in reverse order. Which thread will be the first to complain?

# %%
for order in ("forward", "reverse"):
    try:
        args = (ones, winner, np.zeros(16, np.float32), 4)
        checked(BACKWARD, "backward")((1,), (4,), args, order=order)
    except cuda.KernelError as e:
        first, second = e.other_thread[0], e.thread[0]
        print(f"{order}: thread {second} after thread {first}, {e.array}[{e.index}]")

# %% [markdown]
# The same race in either order: it is found whenever both accesses happen. A branch that is taken in one order only is seen in that order only.

# %% [markdown]
# ## 12 · Try it yourself (at home)
#
# Move the sliders. Each row is a block; idle threads are framed.

# %% tags=["nbval-ignore-output"]
import ipywidgets


def explore(items=10, threads=4):
    blocks = blocks_for(items, threads)
    elements = np.arange(blocks * threads).reshape(blocks, threads)
    idle = [(*divmod(i, threads), 1, 1, "#D55E00") for i in range(items, blocks * threads)]
    title = f"{items} items, {blocks} blocks of {threads} threads, {len(idle)} idle"
    fig = figures.arrays_row([elements], [title], highlights=[idle], cmap="Greys", cell=0.4)
    figures.show(fig, alt=f"Elements of {blocks} blocks of {threads} threads, {len(idle)} framed.")


ipywidgets.interact(explore, items=(1, 40), threads=(4, 12));

# %% [markdown]
# A still picture, for readers without a running kernel: 30 items, blocks of 8.

# %% jupyter={"source_hidden": true}
# Figure: 30 items in blocks of 8 threads
explore(items=30, threads=8)

# %% [markdown]
# ## Common mistakes
#
# * **No bounds check.** The last blocks have more threads than there are elements. In two dimensions this may show as a data race.
# * **Rounding down the number of blocks.** The last elements are never computed, and nobody complains.
# * **Rows and columns exchanged.** Launches say (x, y), shapes say (rows, columns); the step from row to row is the *width*.
# * **float64 for `float*`.** NumPy's default dtype is not the kernel's.
# * **A view with gaps.** `x[::2]`, `x.T`: pass `np.ascontiguousarray(x)`.
# * **`+=` where two threads may meet.** Use `atomicAdd`, or let each thread write one element of its own.
# * **"It gave the right numbers."** On one machine, in one order. Run it in check mode, too.

# %% [markdown]
# ## Summary
#
# * A kernel says what one thread does; a launch gives the grid, the block and the arguments.
# * $i = \text{blockIdx.x} \cdot \text{blockDim.x} + \text{threadIdx.x}$; as many blocks as $n / \text{threads}$, rounded up; then test $i < n$.
# * Gather: each thread collects and writes its own element. Scatter: each thread carries its element somewhere, and two may meet.
# * A message names kernel, line, thread, block, array and index. Compute the index by hand and compare.
# * A right result in one order proves nothing about races.

# %% [markdown]
# ## Exercises
#
# Write your kernels in a new cell that begins with `%%cuda --mode check`, and launch them in the next one.
#
# 1. A picture of 100×150 (height × width), blocks of `(32, 8)`. Which grid? How many threads are idle?
# 2. Thread (3, 1) of block (2, 5), blocks of `(32, 8)`, width 150. Which row, which column, which place in memory?
# 3. Turn `max_pool` into average pooling `avg_pool` (without indices). Compare with `F.avg_pool2d`.
# 4. Give `max_pool` a padding. Which line would read out of bounds, and what does the message say if you forget the test?
# 5. Write `max_unpool` as a gather: a thread for each *large* pixel looks whether some index names it. Why has it no race, and why is it slow?
# 6. All threads of `y[0] = 7.0f` write the same number. Does the checker complain? Should it?
# 7. Put a NaN into `z`. Where does `max_pool` differ from PyTorch? Mend it.
#
# <details><summary>Answers</summary>
#
# 1. `(5, 13)`: $\lceil 150/32 \rceil = 5$ across, $\lceil 100/8 \rceil = 13$ down. $5 \cdot 13 \cdot 256 = 16640$ threads, 15000 pixels: 1640 idle.
# 2. Column $2 \cdot 32 + 3 = 67$, row $5 \cdot 8 + 1 = 41$, place $41 \cdot 150 + 67 = 6217$.
# 3. `float sum = 0;` before the loops, `sum += x[place];` inside, `y[out] = sum / (k * k);` after.
# 4. With `int r = row * s + a - padding` (and `c` likewise) the line that reads `x[place]`. Thread (0, 0) of block (0, 0) reads *before* the beginning of the array. The message
#    says so, and also that padding is often the reason. Test `r >= 0 && r < height && c >= 0 && c < width` first. Begin with
#    `bool found = false;` and take the first pixel inside: `if (!found || x[place] > x[best]) { best = place; found = true; }`.
# 5. Each thread writes its own pixel only. But each of the large pixels looks through all indices of its plane: work that grows with the product of both sizes. (If the windows
#    do not overlap, looking at the one window that holds the pixel is enough.)
# 6. It does: two threads write one element, and nothing orders them. The result would be the same, so this race is harmless; but the next change of the line may not be.
#    `if (i == 0) y[0] = 7.0f;` says what is meant.
# 7. `NaN > best` is never true, so a NaN is passed over unless it is the first of its window; in PyTorch NaN wins. `if (x[place] > x[best] || isnan(x[place]))`.
#
# </details>
#
# ## Sources
#
# * J. Nickolls, I. Buck, M. Garland, K. Skadron, *Scalable parallel programming with CUDA*, ACM Queue 6(2), 2008 (threads, blocks, grids).
# * NVIDIA, *CUDA C++ Programming Guide* (thread hierarchy, atomic functions).
# * CuPy documentation, *User-defined kernels* (`RawModule`).
# * M. D. Zeiler, R. Fergus, *Visualizing and understanding convolutional networks*, ECCV 2014 (unpooling with switches).
# * PyTorch documentation, `torch.nn.functional.max_pool2d` and `max_unpool2d`.

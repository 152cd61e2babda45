# %% [markdown]
# # Exercises 09 · Convolution on the GPU
#
# You count what a warp asks for, on paper and by program, write a gather, then a matrix product with tiles and barriers, and mend a kernel that has races. You need lecture 09. **You need no GPU**: the
# CUDA cells begin with `%%cuda --mode check`, so they run on the CPU, and every access is watched. Write in the cells that say `raise NotImplementedError` or `// your code here`, run the check below
# each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

# %load_ext segedu.cuda
rng = np.random.default_rng(9)

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
import textwrap

import torch
import torch.nn.functional as F
from segedu import compare, cuda, figures
from segedu.data.photographs import as_chw, photograph

figures.use_style()
EMPTY = "the NaN with which the array came: nothing was written, or something was added to it"


def blocks_for(items, threads):
    return (items + threads - 1) // threads


def attempt(kernel, grid, block, args):
    try:
        kernel(grid, block, args)
        print("no complaint")
    except cuda.KernelError as error:
        for line in str(error).splitlines():
            print(textwrap.fill(line, 96))


def launch(kernel, grid, block, args, **options):
    """Launch a kernel; what the checker finds is the message of the check."""
    try:
        kernel(grid, block, args, **options)
    except cuda.KernelError as error:
        raise AssertionError(str(error)) from None

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What a request takes, counted by the checker
READ = r"""
extern "C" __global__ void read(const int* index, const float* x, float* y) {
    __shared__ float s[2048];
    int t = threadIdx.x, i = index[t];
    if (t == 0) for (int k = 0; k < 2048; ++k) s[k] = k;
    __syncthreads();
    float far = x[i];
    float near = s[i];
    y[t] = far + near;
}"""
read = cuda.RawModule(READ, mode="check").get_function("read")


def profiled(index):
    """The sectors and the turns of a request in which each lane reads its element of index."""
    args = np.asarray(index, np.int32), np.zeros(2048, np.float32), np.empty(len(index), np.float32)
    rows = {row.line: row for row in cuda.profile(read, (1,), (len(index),), args).rows}
    return rows[7].sectors, rows[8].turns

# %% [markdown]
# ## 1 · By hand: who meets, and what it costs (3 points)
#
# 1. A transposed convolution in one dimension: 6 input pixels, a kernel of 4, stride 2, padding 1. A scatter has a thread for each input pixel. Two threads add to output pixel 5 (counted from 0).
#    Which? Write the smaller number as `first`, the larger as `second`.
# 2. Lane t of a warp reads `x[3 * t + 7]`, for t from 0 to 31; `x` is an array of float, and `x[0]` begins a sector. How many `sectors` does the request take?
# 3. `__shared__ float tile[32][40];` and lane t of a warp reads `tile[t][5]`. How many `turns` does that take?

# %% segedu={"role": "answer", "question": "by_hand"}
### BEGIN SOLUTION
first, second = 2, 3
sectors = 13
turns = 8
### END SOLUTION

# %% segedu={"role": "check", "question": "by_hand", "points": 1}
# the threads that meet at pixel 5
touched = F.conv_transpose1d(torch.eye(6)[:, None], torch.ones(1, 1, 4), stride=2, padding=1)[:, 0, 5]
given = {int(first), int(second)}
assert given != {1, 2}, "those two meet at another pixel: on the canvas, before the padding is cut off, pixel 5 has another number"
assert given != {1, 3}, "a kernel of 4 has the taps 0 to 3: one of the two does not reach so far"
assert given == set(touched.nonzero()[:, 0].tolist()), "not right. For which i is there a tap a, from 0 to 3, with 2 i + a − 1 = 5?"
assert first < second, "the right two; write the smaller number first"
print("these two meet")

# %% segedu={"role": "check", "question": "by_hand", "points": 1}
# the sectors of a request
right, _ = profiled([3 * t + 7 for t in range(32)])
assert sectors != 32, "not a sector for each lane: neighbours are 3 numbers apart, and a sector holds 8"
assert sectors != 4, "4 would be neighbours that read neighbours; here two numbers in three are fetched in vain"
assert sectors != right - 1, "nearly: the first number does not lie at the beginning of its sector"
assert sectors == right, f"{sectors}: not right. In which sectors do the first and the last number lie? Is one in between left out?"
print("the sectors are right")

# %% segedu={"role": "check", "question": "by_hand", "points": 1}
# the turns of a request to shared memory
_, right = profiled([40 * t + 5 for t in range(32)])
assert turns != 32, "32 would be rows of 32 words: then all lanes want the same bank. Here the rows have 40"
assert turns != 1, "1 would need 32 different banks: in which banks are tile[0][5], tile[1][5], … tile[4][5]?"
assert turns != 4, "that is the number of banks that are used: how many lanes want different words of one of them?"
assert turns == right, f"{turns}: not right. Word number i lies in bank i mod 32, and tile[t][5] is word 40 t + 5"
print("the turns are right")

# %% [markdown]
# ## 2 · Count for any request (4 points)
#
# `index` holds, for each lane of one warp, the number of the float that it reads; it may have fewer than 32 lanes. Write two functions:
#
# * `sectors_of(index)`: how many sectors of 32 bytes the request takes, if this is global memory. Number 0 begins a sector.
# * `turns_of(index)`: how many turns it takes, if this is shared memory. Word i lies in bank i mod 32; a bank gives one word a turn, and the *same* word goes to all lanes that want it at once.
#
# Example: the lanes read 0, 1, 8, 32, 32. These are 3 sectors (0 and 1 share one), and 2 turns (0 and 32 lie in the same bank).
#
# <details><summary>Hint 1</summary>In which sector does number i lie? `np.unique` leaves each sector once.</details>
# <details><summary>Hint 2</summary>For the turns: first each word once, then its bank. `np.bincount` says how often a bank is wanted. All banks work at the same time.</details>

# %% segedu={"role": "answer", "question": "count"}
def sectors_of(index):
    """index: the number that each lane reads, int64. Returns the number of sectors."""
    ### BEGIN SOLUTION
    return len(np.unique(index // 8))
    ### END SOLUTION


def turns_of(index):
    """index: the word that each lane reads, int64. Returns the number of turns."""
    ### BEGIN SOLUTION
    return np.bincount(np.unique(index) % 32).max()
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks of question 2 use
def answered(function, requests):
    """What the function says about each request."""
    found = [function(index) for index in requests]
    kinds = {type(number).__name__ for number in found if np.ndim(number) or number is None}
    assert not kinds, f"the function must return one number, not {kinds.pop()}"
    return np.array([int(number) for number in found])


def check_sectors(requests):
    got = answered(sectors_of, requests)
    between = [index.max() // 8 - index.min() // 8 + 1 for index in requests]
    numbers = [len(set(index.tolist())) for index in requests]
    large = [len(set((index // 32).tolist())) for index in requests]
    hints = [
        ("all sectors from the first to the last: count only those in which a number lies", np.array(between)),
        ("the numbers of each request: a sector counts once, however many lanes read in it", np.array(numbers)),
        ("the sectors if each held 32 numbers: a sector is 32 bytes, and a float takes 4", np.array(large)),
    ]
    compare.arrays(got, np.array([profiled(index)[0] for index in requests]), name="sectors of each request", hints=hints).check()


def check_turns(requests):
    got = answered(turns_of, requests)
    banks = [len(set((index % 32).tolist())) for index in requests]
    each = [np.bincount(index % 32).max() for index in requests]
    words = [len(set(index.tolist())) for index in requests]
    hints = [
        ("the lanes that want one bank, all counted: the same word goes to all that want it in one turn", np.array(each)),
        ("the number of banks: they work at the same time, the one that is wanted most decides", np.array(banks)),
        ("the number of different words: words of different banks come in the same turn", np.array(words)),
    ]
    compare.arrays(got, np.array([profiled(index)[1] for index in requests]), name="turns of each request", hints=hints).check()

# %% segedu={"role": "check", "question": "count", "points": 1}
# sectors: the example, and steps of 1, 2, 8, 0 from one lane to the next
check_sectors([np.array([0, 1, 8, 32, 32]), *(step * np.arange(32) for step in (1, 2, 8, 0))])

# %% segedu={"role": "check", "question": "count", "points": 1}
# turns: the example, and columns of tiles with rows of 32, 33 and 40 words
check_turns([np.array([0, 1, 8, 32, 32]), *(width * np.arange(24) for width in (32, 33, 40))])

# %% segedu={"role": "hidden", "question": "count", "points": 1}
# sectors of any request
check_sectors([rng.integers(0, top, rng.integers(1, 33)) for top in (40, 300, 1000)])

# %% segedu={"role": "hidden", "question": "count", "points": 1}
# turns of any request
check_turns([rng.integers(0, top, rng.integers(1, 33)) for top in (40, 300, 1000)] + [rng.integers(0, 30, 20) * 32])
check_turns([rng.permutation(np.r_[32 * np.arange(n), 40 + np.arange(n)]) for n in (5, 16)])  # a bank wanted more than others

# %% [markdown]
# ## 3 · The gradient of max pooling as a gather (4 points)
#
# Lecture 08 brought the gradients of max pooling back by a scatter with atomics, a thread for each window. Write it as a gather: a thread for each pixel $(u, v)$ of the input. Window $(i, j)$ of
# $k \times k$ pixels, with stride $s$ and padding $p$, covers the rows $i s + a - p$ and the columns $j s + b - p$, with $0 \le a, b < k$. With $g$ for `grad`,
#
# $$dx_{uv} = \sum_{a \,\equiv\, u + p} \; \sum_{b \,\equiv\, v + p} g_{ij} \; [\,\text{indices}_{ij} = u W + v\,] \qquad\text{with}\quad i = \frac{u + p - a}{s}, \;\; j = \frac{v + p - b}{s}$$
#
# Here $\equiv$ means *the same remainder by* $s$, as in the lecture. Windows outside of the `rows` × `columns` of the pooled picture do not exist, and `indices` count within a plane. `blockIdx.z` is the
# plane; blocks are 16 wide and 8 high, and the grid covers a plane, with threads to spare. The array `dx` comes filled with NaN: each thread *writes* its pixel, also where the sum is 0.
#
# Example: one row of the pixels 1, 3, 2, windows of 2 with stride 1. Both windows took pixel 1. With the gradients 10 and 20, `dx` is 0, 30, 0.
#
# <details><summary>Hint 1</summary>The kernel `gather` of the lecture has the loops; here each product is replaced by a gradient that counts or does not.</details>
# <details><summary>Hint 2</summary>Planes: `grad` and `indices` have rows · columns numbers each, `dx` has H · W. `grad += blockIdx.z * rows * columns;` moves the beginning.</details>
# <details><summary>Hint 3</summary>`for (int a = (u + padding) % s; a < k; a += s)`: then u + padding − a can be divided by s, and `if (i < 0 || i >= rows || …) continue;`.</details>

# %% language="cuda" magic_args="--mode check --quiet" segedu={"role": "answer", "question": "gather"}
# extern "C" __global__ void max_pool_gather(const float* grad, const long long* indices, float* dx,
#                                            int H, int W, int rows, int columns,
#                                            int k, int s, int padding) {
#     int v = blockIdx.x * blockDim.x + threadIdx.x, u = blockIdx.y * blockDim.y + threadIdx.y;
#     // ### BEGIN SOLUTION
#     if (u >= H || v >= W) return;
#     grad += blockIdx.z * rows * columns;
#     indices += blockIdx.z * rows * columns;
#     float sum = 0;
#     for (int a = (u + padding) % s; a < k; a += s)
#         for (int b = (v + padding) % s; b < k; b += s) {
#             int i = (u + padding - a) / s, j = (v + padding - b) / s;
#             if (i < 0 || i >= rows || j < 0 || j >= columns) continue;
#             if (indices[i * columns + j] == u * W + v) sum += grad[i * columns + j];
#         }
#     dx[(blockIdx.z * H + u) * W + v] = sum;
#     // ### END SOLUTION
# }

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "gather"}
# Figure: how many windows each pixel won
picture = np.random.default_rng(1).integers(0, 10, (1, 6, 8)).astype(np.float32)
pooled, winners = F.max_pool2d(torch.from_numpy(picture), 3, 1, return_indices=True)
wins = np.zeros((1, 6, 8), np.float32)
args = np.ones(pooled.shape, np.float32), winners.numpy(), wins, 6, 8, 4, 6, 3, 1, 0
try:
    max_pool_gather((1, 1, 1), (16, 8), args)
    target = winners.reshape(-1).bincount(minlength=48).reshape(6, 8).numpy()
    fig = figures.arrays_row([picture[0], wins[0], target], ["x", "yours", "windows that each pixel won"], cell=0.36)
    alt = "A picture of small numbers; how many 3 by 3 windows each pixel won: by your kernel, and as it should be."
    figures.show(fig, alt=alt, dpi=80)
except cuda.KernelError as error:
    print(error)

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks of question 3 use
ALONE = "the gradient of one window for each pixel: a pixel that won several gets the sum"


def check_gather(x, k, s, padding):
    """Compare max_pool_gather with PyTorch's gradient."""
    (planes, H, W), x = x.shape, torch.from_numpy(x).requires_grad_()
    pooled, indices = F.max_pool2d(x, k, s, padding, return_indices=True)
    grad = rng.standard_normal(tuple(pooled.shape), dtype=np.float32)
    pooled.backward(torch.from_numpy(grad))
    dx, (rows, columns) = np.full((planes, H, W), np.nan, np.float32), grad.shape[1:]
    grid = blocks_for(W, 16), blocks_for(H, 8), planes
    where = indices.numpy()
    launch(max_pool_gather, grid, (16, 8), (grad, where.copy(), dx, H, W, rows, columns, k, s, padding))

    target = x.grad.numpy()
    flat = where.reshape(planes, -1), grad.reshape(planes, -1)
    one = np.zeros((2, planes, H * W), np.float32)  # the last window of each pixel, and the first
    for step, alone in zip((1, -1), one, strict=True):
        np.put_along_axis(alone, *(numbers[:, ::step].copy() for numbers in flat), axis=1)
    later = np.zeros_like(target)
    later[0] = target[0]
    first = np.repeat(target[:1], planes, axis=0)
    i, j = np.mgrid[:rows, :columns] * s
    a, b = where // W - i, where % W - j
    inside = (a >= 0) & (a < k) & (b >= 0) & (b < k)
    unmoved, one_grad, one_where = np.zeros((3, planes, H * W), np.float32)
    plane = np.arange(planes)[:, None, None]
    np.add.at(unmoved, (plane, where), grad * inside)
    np.add.at(one_grad, (plane, where), grad[:1])
    np.add.at(one_where, (plane, where[:1]), grad)
    hints = [
        ("the NaN with which dx came, or added to it: write every pixel, `dx[…] = sum`", np.full_like(target, np.nan)),
        *((ALONE, alone.reshape(target.shape)) for alone in one),
        ("the first plane in every plane: the numbers of the next begin rows · columns further on", first),
        ("0 in all planes but the first: indices count within their own plane", later),
        ("the gradient with the padding left out: window (i, j) begins at row i·s − padding", unmoved.reshape(target.shape)),
        ("the gradients of the first plane at the places of each: grad must be moved to the plane, too", one_grad.reshape(target.shape)),
        ("the gradients at the places of the first plane: indices must be moved to the plane, too", one_where.reshape(target.shape)),
        ("the right one, but NaN wherever the sum is 0: every pixel is written", np.where(target == 0, np.nan, target)),
    ]
    compare.arrays(dx, target, length=k * k, name="dx", hints=hints, axes=("plane", "row", "column")).check()

# %% segedu={"role": "check", "question": "gather", "points": 1}
# one plane, windows apart, no padding; then windows that overlap
check_gather(rng.standard_normal((1, 10, 20), dtype=np.float32), 2, 2, 0)
check_gather(rng.standard_normal((1, 10, 20), dtype=np.float32), 3, 1, 0)

# %% segedu={"role": "check", "question": "gather", "points": 1}
# three planes, padding
check_gather(rng.standard_normal((3, 11, 19), dtype=np.float32), 3, 2, 1)

# %% segedu={"role": "hidden", "question": "gather", "points": 2}
# any size, windows that overlap, gaps between the windows
for settings in [(3, 2, 1), (4, 1, 2), (2, 3, 1), (5, 3, 0)]:
    check_gather(rng.standard_normal((2, *rng.permutation(np.arange(9, 24))[:2]), dtype=np.float32), *settings)

# %% [markdown]
# ## 4 · A tile with barriers: the gradient of the weights (4 points)
#
# The gradient of a 1×1 convolution with respect to its weights is a matrix product, too. With the gradient $g$ of the output ($M \times N$), the input $x$ ($C \times N$) and $N$ pixels,
#
# $$dw_{mc} = \sum_n g_{mn}\, x_{cn}$$
#
# Both matrices have the pixels along their rows. Write it with tiles in shared memory: a block of 16×16 threads computes 16×16 numbers of $dw$, thread (tx, ty) the one in row m and column c. The block
# walks along the pixels; in each round it fetches 16×16 numbers of $g$ into `a` and 16×16 of $x$ into `b`, one of each per thread, so that neighbours fetch neighbours. A number outside of a matrix
# counts as 0. `M`, `C` and `N` may be of any size. `dw` comes filled with NaN.
#
# Example: g is one row 1 2 3, x has the rows 1 1 1 and 0 1 2. Then dw is one row 6 8.
#
# <details><summary>Hint 1</summary>`tiles` of the lecture is the model. What is different: here the walk is along the columns of *both* matrices.</details>
# <details><summary>Hint 2</summary>`b[ty][tx]` holds row `blockIdx.x * T + ty` of x, at pixel `first + tx`. Which row of the tile belongs to the thread's own c?</details>
# <details><summary>Hint 3</summary>Two barriers in each round; all threads come to both. Only the last line asks whether there is something to write.</details>

# %% language="cuda" magic_args="--mode check --quiet" segedu={"role": "answer", "question": "tile"}
# #define T 16
# extern "C" __global__ void weight_gradient(const float* g, const float* x, float* dw,
#                                            int M, int C, int N) {
#     __shared__ float a[T][T + 1], b[T][T + 1];
#     int tx = threadIdx.x, ty = threadIdx.y;
#     int m = blockIdx.y * T + ty, c = blockIdx.x * T + tx;
#     // ### BEGIN SOLUTION
#     float sum = 0;
#     for (int first = 0; first < N; first += T) {
#         int n = first + tx, row = blockIdx.x * T + ty;
#         a[ty][tx] = m < M && n < N ? g[m * N + n] : 0;
#         b[ty][tx] = row < C && n < N ? x[row * N + n] : 0;
#         __syncthreads();  // all numbers are there
#         for (int d = 0; d < T; ++d)
#             sum += a[ty][d] * b[tx][d];
#         __syncthreads();  // all numbers are used
#     }
#     if (m < M && c < C) dw[m * C + c] = sum;
#     // ### END SOLUTION
# }

# %% [markdown]
# The checks see results, races and barriers. They cannot see whether you used the tiles; the cell below counts that, for 32 × 48 weights and 64 pixels. Why has a row of the tiles 17 words? Try 16,
# and look at the turns.

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "tile"}
# What your kernel asks of memory
g, x = np.ones((32, 64), np.float32), np.ones((48, 64), np.float32)
args = g, x, np.zeros((32, 48), np.float32), 32, 48, 64
try:
    counts = cuda.profile(weight_gradient, (3, 2), (16, 16), args)
    loads, stores = (counts.total("accesses", "global", kind) for kind in ("load", "store"))
    print(f"{loads:,} loads from global memory, {stores:,} stores; without tiles {2 * 32 * 48 * 64:,} loads")
    for row in counts.rows:
        if row.memory == "shared":
            print(f"line {row.line}, shared {row.kind}: {row.turns_per_request:.1f} turns a request")
        else:
            print(f"line {row.line}, global {row.kind}: {row.sectors_per_request:.1f} sectors a request")
except cuda.KernelError as error:
    print(error)

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks of question 4 use
def check_tiles(M, C, N):
    """Compare weight_gradient with PyTorch's gradient of a 1×1 convolution."""
    g, x = (rng.standard_normal((rows, N), dtype=np.float32) for rows in (M, C))
    dw = np.full((M, C), np.nan, np.float32)
    launch(weight_gradient, (blocks_for(C, 16), blocks_for(M, 16)), (16, 16), (g, x, dw, M, C, N))
    weight = torch.zeros(M, C, 1, requires_grad=True)
    F.conv1d(torch.from_numpy(x), weight).backward(torch.from_numpy(g))
    target = weight.grad[:, :, 0].numpy()

    whole, last = N // 16 * 16, (N - 1) // 16 * 16
    padded_g = np.pad(g, ((0, 0), (0, -N % 16))).reshape(M, -1, 16)
    padded_x = np.pad(x, ((0, -C % 16), (0, -N % 16))).reshape(-1, 16, padded_g.shape[1], 16)
    cut = "the product without the last pixels, which fill no whole tile: they are fetched too, with 0 beside them"
    turned = np.einsum("mfd,bdft->mbt", padded_g, padded_x).reshape(M, -1)[:, :C]
    diagonal = np.einsum("mfd,bdfd->mb", padded_g, padded_x).repeat(16, axis=1)[:, :C]
    hints = [
        (EMPTY, np.full_like(dw, np.nan)),
        ("a product with b's rows and columns exchanged: the thread's own c is row tx of the tile, b[tx][d]", turned),
        ("a product with row c of x fetched into b[ty]: the row that a thread fetches is blockIdx.x * T + ty", diagonal),
        (cut, g[:, :whole] @ x[:, :whole].T),
        ("the product of the last tile alone: sum must go on from tile to tile", g[:, last:] @ x[:, last:].T),
    ]
    compare.arrays(dw, target, length=N, name="dw", hints=hints, axes=("m", "c")).check()

# %% segedu={"role": "check", "question": "tile", "points": 1}
# sizes that the tiles divide, two rounds
check_tiles(16, 32, 32)

# %% segedu={"role": "check", "question": "tile", "points": 1}
# sizes that the tiles do not divide
check_tiles(5, 21, 37)

# %% segedu={"role": "hidden", "question": "tile", "points": 2}
# any size, fewer pixels than a tile is wide
for _ in range(2):
    check_tiles(*rng.permutation(np.arange(3, 40))[:2].tolist(), int(rng.integers(65, 200)))
check_tiles(int(rng.integers(17, 32)), int(rng.integers(2, 16)), int(rng.integers(1, 16)))

# %% [markdown]
# ## 5 · Find and mend the races (4 points)
#
# A scanner draws its pictures row by row, and some rows come out too bright. The kernel below is to subtract from each row its mean. A block does one row (`blockIdx.x`); its threads share one number,
# `total`. They walk along the row, because a row may be longer than the block, or shorter.

# %% language="cuda" magic_args="--mode check --quiet" segedu={"role": "show", "question": "mend"}
# extern "C" __global__ void level_broken(const float* x, float* y, int W) {
#     __shared__ float total;
#     int t = threadIdx.x, row = blockIdx.x;
#     if (t == 0) total = 0;
#     for (int j = t; j < W; j += blockDim.x) total += x[row * W + j];
#     for (int j = t; j < W; j += blockDim.x) y[row * W + j] = x[row * W + j] - total / W;
# }

# %% [markdown]
# **Predict, then run.** A row of four numbers, four threads. Which thread will be named, and which line (line 1 is `%%cuda`)?

# %% segedu={"role": "show", "question": "mend"}
row = np.array([[3, 1, 2, 6]], np.float32)
attempt(level_broken, (1,), (4,), (row, np.zeros_like(row), 4))

# %% [markdown]
# Copy the five lines of its body into the cell below, and mend them. Behind the first race there are others: the checker stops at the first one that it meets, so mend that, run the check,
# and read again. When you have finished, every thread of the block still works.
#
# Example: the row 3 1 2 6 has the mean 3, and becomes 0 −2 −1 3.
#
# <details><summary>Hint 1</summary>Three things have to be put in order: setting to 0 before the first addition, additions with each other, and all additions before the first use.</details>
# <details><summary>Hint 2</summary>A barrier orders what stands before it and what stands behind it. Several threads that add to one number need something else; it works on shared memory, too.</details>
# <details><summary>Hint 3</summary>Threads make different numbers of rounds, if W is no multiple of the block. Where may a barrier not stand, therefore?</details>

# %% language="cuda" magic_args="--mode check --quiet" segedu={"role": "answer", "question": "mend"}
# extern "C" __global__ void level(const float* x, float* y, int W) {
#     // ### BEGIN SOLUTION
#     __shared__ float total;
#     int t = threadIdx.x, row = blockIdx.x;
#     if (t == 0) total = 0;
#     __syncthreads();  // total is 0
#     for (int j = t; j < W; j += blockDim.x) atomicAdd(&total, x[row * W + j]);
#     __syncthreads();  // total is complete
#     for (int j = t; j < W; j += blockDim.x) y[row * W + j] = x[row * W + j] - total / W;
#     // ### END SOLUTION
# }

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks of question 5 use
def check_level(x, threads, order="forward"):
    """Compare level with NumPy's means."""
    H, W = x.shape
    y = np.full_like(x, np.nan)
    launch(level, (H,), (threads,), (x, y, W), order=order)
    wide = x.astype(np.float64)
    own = np.stack([wide[:, j % threads :: threads].sum(axis=1) for j in range(W)], axis=1)
    every = wide.sum(axis=1, keepdims=True)
    hints = [
        (EMPTY, np.full_like(x, np.nan)),
        ("x less what each thread has added up by itself: one total for the block, in shared memory", wide - own / W),
        ("x less the sum of its row: divide it by W", wide - every),
        ("x less the sum divided by the number of threads: a mean is divided by W", wide - every / threads),
    ]
    hints = [(what, z.astype(x.dtype)) for what, z in hints]
    target = torch.from_numpy(x) - torch.from_numpy(x).mean(dim=1, keepdim=True)
    compare.arrays(y, target, length=W, name="y", hints=hints, axes=("row", "column")).check()

# %% segedu={"role": "check", "question": "mend", "points": 1}
# a single row, a thread for each number
check_level(np.array([[3, 1, 2, 6]], np.float32), 4)

# %% segedu={"role": "check", "question": "mend", "points": 1}
# rows longer and shorter than the block
check_level(rng.random((3, 50), dtype=np.float32), 32)
check_level(rng.random((2, 13), dtype=np.float32), 32)

# %% segedu={"role": "hidden", "question": "mend", "points": 2}
# any size, several warps, threads in reverse order
for order in ("forward", "reverse"):
    check_level(rng.random((rng.integers(2, 20), rng.integers(65, 200)), dtype=np.float32), 64, order)
    check_level(rng.random((rng.integers(2, 20), rng.integers(2, 60)), dtype=np.float32), 64, order)
check_level(rng.random((3, 1), dtype=np.float32), 32)

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "mend"}
# Figure: a picture with rows of different brightness, levelled
grey = as_chw(photograph("camera", size=(96, 96)))[0]
striped = np.ascontiguousarray(grey + 0.35 * np.random.default_rng(0).standard_normal((96, 1)), np.float32)
levelled = np.zeros_like(striped)
try:
    level((96,), (32,), (striped, levelled, 96))
    target = striped - striped.mean(axis=1, keepdims=True)
    pictures = [np.clip(z, 0, 1) for z in (striped, levelled + 0.5, target + 0.5)]
    fig = figures.images_row(pictures, ["scanned", "yours", "NumPy's"])
    figures.show(fig, alt="A photograph with bright and dark rows; levelled by your kernel; levelled by NumPy.", dpi=90)
except cuda.KernelError as error:
    print(error)

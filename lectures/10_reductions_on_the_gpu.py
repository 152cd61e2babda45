# %% [markdown]
# # Lecture 10 · Reductions on the GPU
#
# A loss is one number made of millions: one for each pixel. A confusion matrix is a few numbers made of millions. Whatever makes few numbers out of many is called a **reduction**.
# On a GPU thousands of threads then want to write to the same few places. This lecture shows how they can do that without spoiling each other's work.
#
# After this lecture you can
#
# 1. add up an array with atomics, as a tree in shared memory, with warp shuffles, and in one launch by the last block,
# 2. read the messages about a missing barrier, a barrier in a branch, a wrong warp mask and a missing fence, and mend the kernel,
# 3. say why the order of additions changes a float32 sum, and by how much,
# 4. write softmax cross-entropy and its gradient as one kernel, with a thread or with a warp for each pixel,
# 5. write a confusion matrix as a histogram in shared memory, and compute IoU and Dice from it,
# 6. count the memory traffic of a kernel, and say what fusing saves.
#
# About 75 minutes without the parts marked *at home*; a good place for a break is after section 6. You need lectures 06, 07 and 08; what lecture 09 said of warps,
# sectors and banks is repeated in a sentence. **You need no GPU.**

# %%
import math
import textwrap

import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, cuda, figures, numpy_ops as ops
from segedu.data.polygons import photograph_masks
from segedu.data.synthetic import street

# %load_ext segedu.cuda
figures.use_style()
rng = np.random.default_rng(10)

# %% [markdown]
# Helpers, as in lectures 08 and 09: `checked` compiles a kernel for check mode, `changed` does so after replacing a piece of its source, `attempt` prints a message without the traceback,
# `blocks_for` rounds up.

# %%
def checked(source, name):
    return cuda.RawModule(source, mode="check").get_function(name)


def changed(kernel, old, new):
    assert old in kernel.module.code, f"{old!r} is not in the source"
    return checked(kernel.module.code.replace(old, new), kernel.name)


def attempt(kernel, grid, block, args, **options):
    try:
        kernel(grid, block, args, **options)
        print("no complaint")
    except (cuda.KernelError, TypeError, ValueError) as error:
        for line in str(error).splitlines():
            print(textwrap.fill(line, 96))


def blocks_for(items, threads):
    return (items + threads - 1) // threads

# %% [markdown]
# ## 1 · Many numbers, one result
#
# A street, and a made-up network: the true labels, blurred and with noise. Its cross-entropy is a number for each pixel, but a loss has to be *one* number. Pixels near to borders
# are void (255) and cost nothing.

# %%
scene = street(seed=4, size=(128, 192)).with_void(2)
classes = len(scene.classes)
known = np.where(scene.labels == scene.void, 0, scene.labels)
one_hot = np.eye(classes, dtype=np.float32)[known].transpose(2, 0, 1)
blurred = ops.avg_pool2d(one_hot, 15, stride=1, padding=7)
noise = rng.standard_normal(blurred.shape, dtype=np.float32)
logits = (2 * np.log(blurred + 0.02) + 0.3 * noise)[None]  # 1 × classes × height × width
labels = scene.labels[None]
losses = ops.cross_entropy(logits, labels, ignore_index=255, reduction="none")
print("scores", logits.shape, "  losses", losses.shape, "  numbers to add up:", losses.size)

# %% jupyter={"source_hidden": true}
# Figure: a street, its labels, and the loss of each pixel
fig, axes = plt.subplots(1, 3, figsize=(12, 3), layout="constrained")
axes[0].imshow(scene.image)
axes[1].imshow(figures.colourise(scene.labels, scene.palette, void=255))
shown = axes[2].imshow(losses[0], cmap="cividis", vmax=2)
for ax, title in zip(axes, ("street", "labels, void in white", "loss of each pixel"), strict=True):
    ax.set_title(title)
    ax.set_axis_off()
fig.colorbar(shown, ax=axes[2], extend="max", ticks=[0, 1, 2])
figures.show(
    fig,
    alt="A drawn street; its label map with white bands at all borders; the loss of each pixel, "
    "small in the middle of large things and large at thin ones.",
    dpi=80,
)

# %% [markdown]
# In lecture 08 each thread had an element of its own to write. Now all threads want to add to one and the same number.

# %% language="cuda" magic_args="--mode check --quiet"
# extern "C" __global__ void add_all(const float* x, float* total, int n) {
#     int i = blockIdx.x * blockDim.x + threadIdx.x;
#     if (i < n) total[0] += x[i];
# }

# %% [markdown]
# **Predict, then run.** What will the checker call this? Which two threads will it name?

# %%
x = np.array([3, 1, 7, 0, 4, 1, 6, 2], np.float32)
attempt(add_all, (2,), (4,), (x, np.zeros(1, np.float32), 8))

# %% [markdown]
# **`+=` is three steps**: read, add, write. `atomicAdd` makes them one, as in lecture 08.
#
# **Predict, then run.** Each atomic is one request to one place in memory. How many requests do the 24576 losses make?

# %%
atomic_sum = changed(add_all, "total[0] += x[i]", "atomicAdd(&total[0], x[i])")
flat = losses.ravel()
total = np.zeros(1, np.float32)
counts = cuda.profile(atomic_sum, (blocks_for(flat.size, 256),), (256,), (flat, total, flat.size))
print(f"sum {total[0]:.2f}, NumPy {flat.sum():.2f}")
print("atomics:", counts.total("accesses", "global", "atomic"))

# %% [markdown]
# The sum is right. But an atomic lets nobody else in while it works, and here everybody wants to go to the same place: 24576 additions, one after another. The threads run side by
# side, the additions do not. The rest of this lecture is about adding up *first*, in company, and troubling the common place rarely.

# %% [markdown]
# ## 2 · A tree, by hand
#
# Eight numbers, four threads. In each round every thread adds one number to another, and then half of the numbers are left. Thread $t$ adds the number `half` places further on:
#
# $$s_t \leftarrow s_t + s_{t + \text{half}} \qquad \text{for } t < \text{half}$$
#
# **By hand, then run.** How many rounds do 8 numbers take? And 1024? What stands in the first place after the first round?

# %%
def tree_loops(x):
    s, rounds = x.copy(), [x.copy()]
    half = len(s) // 2
    while half > 0:
        for t in range(half):  # on a GPU: all at once
            s[t] = s[t] + s[t + half]
        rounds.append(s.copy())
        half //= 2
    return rounds


rounds = tree_loops(x)
print("sum", rounds[-1][0], "after", len(rounds) - 1, "rounds;  1024 numbers:", int(np.log2(1024)))

# %% jupyter={"source_hidden": true}
# Figure: eight numbers added up in three rounds
fig, axes = plt.subplots(4, 1, figsize=(8, 3.4), layout="constrained")
for k, (ax, row) in enumerate(zip(axes, rounds, strict=True)):
    left = [(0, 0, 1, len(row) >> k, "#D55E00")] if k else ()
    figures.draw_array(ax, row, highlight=left, vmin=0, vmax=24)
    ax.set_ylabel(f"round {k}" if k else "x", rotation=0, ha="right", va="center")
figures.show(
    fig,
    alt="Four rows of eight numbers. Below 3 1 7 0 4 1 6 2 the first four become 7 2 13 2, then "
    "the first two 20 4, then the first 24; what is still of use is framed.",
)

# %% [markdown]
# Three rounds instead of seven additions one after another; 1024 numbers take ten. The number of additions is the same, but within a round all happen at the same time.

# %% [markdown]
# ## 3 · The tree in shared memory
#
# Each block has a small memory of its own, **shared memory**, which all of its threads can read and write, and no other block. `__syncthreads()` is a **barrier**: no thread
# passes it before all threads of the block have come.

# %% language="cuda" magic_args="--mode check --quiet"
# extern "C" __global__ void block_sums(const float* x, float* sums, int n) {
#     __shared__ float s[256];
#     int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
#     s[t] = i < n ? x[i] : 0;
#     __syncthreads();
#     for (int half = blockDim.x / 2; half > 0; half /= 2) {
#         if (t < half) s[t] += s[t + half];
#         __syncthreads();
#     }
#     if (t == 0) sums[blockIdx.x] = s[0];
# }

# %% [markdown]
# Read it: `__shared__` declares the array of the block. `condition ? a : b` is `a` where the condition holds, else `b`. Each thread brings one number; then half of the threads add, then a
# quarter, and so on (`half /= 2`). Thread 0 writes the result. The block must have a power of two of threads, at most 256.

# %%
sums = np.empty(1, np.float32)
block_sums((1,), (8,), (x, sums, 8))
print(sums)

# %% [markdown]
# **Predict, then run.** The barrier in the loop is taken out. What may a thread read before it is finished? Which array will the message name?

# %%
no_barrier = changed(block_sums, "        __syncthreads();\n    }", "    }")
attempt(no_barrier, (1,), (8,), (x, sums, 8))

# %% [markdown]
# Thread 0 reads `s[1]` in its last round, thread 1 writes `s[1]` in its first one, and without a barrier thread 0 may be rounds ahead. A **missing barrier is a data
# race**, here between rounds.
#
# **By hand, then run.** `mode="fast"` checks nothing and runs one thread after another until a barrier: thread 0 makes all of its rounds before thread 1 begins. Which sum comes out instead
# of 24?

# %%
unchecked = cuda.RawModule(no_barrier.module.code, mode="fast").get_function("block_sums")
unchecked((1,), (8,), (x, sums, 8))
print(sums)

# %% [markdown]
# $3 + 4 + 7 + 1 = 15$: thread 0 adds $s_4$, $s_2$ and $s_1$ as they were at the beginning. The barrier must stand where *all* threads pass.
#
# **Predict, then run.** Only threads that add have something to wait for. Why not put the barrier into the `if`?

# %%
in_branch = changed(
    block_sums,
    "if (t < half) s[t] += s[t + half];\n        __syncthreads();",
    "if (t < half) { s[t] += s[t + half]; __syncthreads(); }",
)
attempt(in_branch, (1,), (8,), (x, sums, 8))

# %% [markdown]
# A barrier waits for *every* thread of the block. Threads 4 to 7 skip the `if` in every round and return. A GPU may hang, or go on with wrong numbers.
#
# **Predict, then run.** Six numbers, eight threads, and nobody puts zeros into the two empty places. What do they hold?

# %%
no_zeros = changed(block_sums, "s[t] = i < n ? x[i] : 0;", "if (i < n) s[t] = x[i];")
attempt(no_zeros, (1,), (8,), (x[:6].copy(), sums, 6))

# %% [markdown]
# Whatever was there before. A thread without a number puts in what changes nothing: 0 for a sum, $-\infty$ for a maximum. This is the **neutral element** of the operation.
#
# Now all losses: 96 blocks make 96 sums, and one more block adds those.

# %%
def tree_sum_cuda(x, kernel=block_sums):
    while x.size > 1:
        sums = np.empty(blocks_for(x.size, 256), np.float32)
        kernel((sums.size,), (256,), (x, sums, x.size))
        x = sums
    return x[0]


compare.arrays(tree_sum_cuda(flat), flat.sum(), length=flat.size)

# %% [markdown]
# **Partners near or far?** Instead of halving the distance one can double it: neighbours first, then every second one, and so on.

# %% language="cuda" magic_args="--mode check --quiet"
# extern "C" __global__ void near_sums(const float* x, float* sums, int n) {
#     __shared__ float s[256];
#     int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
#     s[t] = i < n ? x[i] : 0;
#     __syncthreads();
#     for (int apart = 1; apart < blockDim.x; apart *= 2) {
#         int k = 2 * apart * t;
#         if (k + apart < blockDim.x) s[k] += s[k + apart];
#         __syncthreads();
#     }
#     if (t == 0) sums[blockIdx.x] = s[0];
# }

# %% [markdown]
# Shared memory comes in 32 **banks**, and element $k$ lies in bank $k \bmod 32$. In one turn a bank gives one word of 4 bytes. The 32 threads of a **warp**, its **lanes**, ask together;
# if they want different words of one bank, they wait: a **bank conflict**.
#
# **Predict, then run.** In its second round thread $t$ reads element $4t$. How many different banks hold 0, 4, 8, …, 124? Which version needs more turns?

# %%
print("banks:", len({4 * t % 32 for t in range(32)}))
for name, kernel in (("far", block_sums), ("near", near_sums)):
    sums = np.empty(1, np.float32)
    counts = cuda.profile(kernel, (1,), (256,), (flat[:256].copy(), sums, 256))
    requests, turns = (counts.total(what, "shared") for what in ("requests", "turns"))
    print(f"{name:4}  sum {sums[0]:.2f}   requests {requests}   turns {turns}")

# %% [markdown]
# `cuda.profile` runs a kernel in check mode and counts what it does to memory. A *request* is what a warp asks for at once. Partners far away need one turn for each request, partners nearby several. Same sum,
# same number of additions, other places in memory.

# %% [markdown]
# ## 4 · Warp shuffles: 32 threads that look at each other's numbers
#
# The 32 threads of a warp run together. A thread's own variables are kept in **registers**, which no other thread can reach, with one exception: a lane can read a variable of another lane
# of its warp, without shared memory and without a barrier.
#
# `__shfl_down_sync(mask, value, apart)` gives lane $k$ the `value` of lane $k + \text{apart}$. Past the end a lane gets its own.
#
# `mask` has a bit for each lane that takes part. `0xffffffff` is all 32.
#
# **By hand, then run.** Eight lanes, apart 4, then 2, then 1. What does lane 0 hold at the end? Is what lane 5 holds of any use?

# %%
def shuffle_down_loops(values, apart):
    lanes = len(values)
    return np.array([values[k + apart] if k + apart < lanes else values[k] for k in range(lanes)])


value, lanes = x.copy(), [x.copy()]
for apart in (4, 2, 1):
    value = value + shuffle_down_loops(value, apart)
    lanes.append(value)

# %% jupyter={"source_hidden": true}
# Figure: eight lanes add up by shuffles
fig, axes = plt.subplots(4, 1, figsize=(8, 3.4), layout="constrained")
for ax, row, title in zip(axes, lanes, ("value", "apart 4", "apart 2", "apart 1"), strict=True):
    figures.draw_array(ax, row, vmin=0, vmax=48)
    ax.set_ylabel(title, rotation=0, ha="right", va="center")
figures.show(
    fig,
    alt="Four rows of eight numbers, one a lane: 3 1 7 0 4 1 6 2, then 7 2 13 2 8 2 12 4, and so "
    "on; lane 0 ends with 24.",
)

# %% [markdown]
# Lane 0 holds the sum, 24. The other lanes added too, and hold numbers of no use. That costs nothing: they would have waited. In the kernel below, `__device__` marks a function that
# kernels call.

# %% language="cuda" magic_args="--mode check --quiet"
# __device__ float warp_sum(float value) {
#     for (int apart = 16; apart > 0; apart /= 2)
#         value += __shfl_down_sync(0xffffffff, value, apart);
#     return value;
# }
# extern "C" __global__ void warp_sums(const float* x, float* sums, int n) {
#     int i = blockIdx.x * blockDim.x + threadIdx.x;
#     float value = warp_sum(i < n ? x[i] : 0);
#     if (threadIdx.x % 32 == 0) sums[i / 32] = value;
# }

# %%
forty = flat[:40].copy()
sums = np.empty(2, np.float32)
warp_sums((1,), (64,), (forty, sums, 40))
print(sums.round(2), " NumPy:", forty[:32].sum().round(2), forty[32:].sum().round(2))

# %% [markdown]
# Again threads without a number bring 0. Whoever learned in lecture 08 to begin with `if (i >= n) return;` will be tempted here, too.
#
# **Predict, then run.** Which lanes of the second warp are missed?

# %%
returns = changed(warp_sums, "float value = warp_sum(i < n ? x[i] : 0);",
                  "if (i >= n) return;\n    float value = warp_sum(x[i]);")
attempt(returns, (1,), (64,), (forty, sums, 40))

# %% [markdown]
# The second warp has numbers for lanes 0 to 7. Lane 0 (thread 32) asks for the number of lane 16, the mask says that all take part, and lane 8 is the first of those that have left. On
# a GPU the result is undefined.
#
# **Predict, then run.** A wrong mask: `0x0000ffff` names lanes 0 to 15. Whom does lane 0 ask first?

# %%
half_mask = changed(warp_sums, "0xffffffff", "0x0000ffff")
attempt(half_mask, (1,), (64,), (forty, sums, 40))
print()
attempt(half_mask, (1,), (64,), (forty, sums, 40), order="reverse")

# %% [markdown]
# Two views of the same mistake: lane 0 asks somebody who takes no part; in the other order of threads a lane notices that its own bit is missing. `0xffffffff`, and all 32
# lanes present, is right nearly always.

# %% [markdown]
# ## 5 · A whole block, and then one launch
#
# A block has up to 32 warps. Each adds up its numbers by shuffles; its lane 0 leaves the sum in shared memory; after *one* barrier the first warp adds up those.

# %%
BLOCK_SUM = r"""
__device__ float warp_sum(float value) {
    for (int apart = 16; apart > 0; apart /= 2)
        value += __shfl_down_sync(0xffffffff, value, apart);
    return value;
}
__device__ float block_sum(float value) {  // the result is in thread 0
    __shared__ float of_warp[32];
    int t = threadIdx.x;
    value = warp_sum(value);
    if (t % 32 == 0) of_warp[t / 32] = value;
    __syncthreads();
    if (t / 32 == 0) value = warp_sum(t < blockDim.x / 32 ? of_warp[t] : 0);
    return value;
}
"""

# %% jupyter={"source_hidden": true}
# Figure: a block of 256 threads adds up in two steps
warps = flat[4096:4352].reshape(8, 32)
drawn = [warps, warps.sum(axis=1, keepdims=True), warps.sum(keepdims=True)]
titles = ["256 losses: a row for each warp", "of_warp", "thread 0"]
fig, axes = plt.subplots(1, 3, figsize=(10, 3.2), width_ratios=[20, 3, 3], layout="constrained")
for ax, array, title, top in zip(axes, drawn, titles, (None, 40, 40), strict=True):
    options = dict(fmt=".1f", numbers=array.size < 9, fontsize=13, vmin=0, vmax=top)
    figures.draw_array(ax, array, title, **options)
    ax.set_aspect("auto")
figures.show(
    fig,
    alt="An array of 8 rows and 32 columns; beside it a column of 8 sums, one for each row; beside "
    "that a single number, their sum.",
    dpi=85,
)

# %% [markdown]
# Several kernels need `block_sum`, so it is kept as a Python string, and each kernel's source is put behind it.

# %%
SUMS = BLOCK_SUM + r"""
extern "C" __global__ void block_sums(const float* x, float* sums, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    float value = block_sum(i < n ? x[i] : 0);
    if (threadIdx.x == 0) sums[blockIdx.x] = value;
}"""
by_shuffles = checked(SUMS, "block_sums")
compare.arrays(tree_sum_cuda(flat, by_shuffles), flat.sum(), length=flat.size)

# %% [markdown]
# **Predict, then run.** The tree touches shared memory in every round. How many accesses to shared memory does each of the two make for 256 numbers?

# %%
for name, kernel in (("tree", block_sums), ("shuffles", by_shuffles)):
    p = cuda.profile(kernel, (1,), (256,), (flat[:256].copy(), np.empty(1, np.float32), 256))
    print(f"{name:9} loads {p.total('accesses', 'shared', 'load'):4}", end="")
    print(f"   stores {p.total('accesses', 'shared', 'store'):4}")

# %% [markdown]
# **One launch instead of two.** The sums of the blocks are added up by a second launch, because blocks cannot wait for each other. But one of them is the last to finish, and it can
# do the rest. Each block writes its sum, then raises a counter by an atomic; who finds the counter full is last.
#
# `__threadfence()` stands in between. It says: what I have written before is seen by others before anything I write later. `volatile` says: really read it from memory.

# %%
LAST = BLOCK_SUM + r"""
extern "C" __global__ void sum_at_once(const float* x, volatile float* sums, unsigned* done,
                                       float* total, int n) {
    __shared__ bool last;
    int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    float value = block_sum(i < n ? x[i] : 0);
    if (t == 0) {
        sums[blockIdx.x] = value;
        __threadfence();
        last = atomicInc(done, gridDim.x - 1) == gridDim.x - 1;  // counts, then begins at 0 again
    }
    __syncthreads();
    if (!last) return;
    value = 0;
    for (int b = t; b < gridDim.x; b += blockDim.x) value += sums[b];
    value = block_sum(value);
    if (t == 0) total[0] = value;
}"""
sum_at_once = cuda.RawModule(LAST).get_function("sum_at_once")

# %% [markdown]
# The counter outlives the launch, so it must be 0 again at its end: `atomicInc(done, top)` counts up, and after `top` begins at 0. `if (!last) return;` is harmless before the barriers of
# `block_sum`: the whole block returns, or nobody.

# %%
def sum_at_once_cuda(x, kernel=sum_at_once):
    blocks, total = blocks_for(x.size, 256), np.zeros(1, np.float32)
    sums, done = np.empty(blocks, np.float32), np.zeros(1, np.uint32)
    kernel((blocks,), (256,), (x, sums, done, total, x.size))
    return total[0]


compare.arrays(sum_at_once_cuda(flat), flat.sum(), length=flat.size)

# %% [markdown]
# **Predict, then run.** The fence is taken out. On the CPU the blocks run one after another, and the sum would be right. Does the checker notice?

# %%
no_fence = checked(LAST.replace("        __threadfence();\n", ""), "sum_at_once")
sums, done, total = np.empty(2, np.float32), np.zeros(1, np.uint32), np.zeros(1, np.float32)
attempt(no_fence, (2,), (256,), (flat[:512].copy(), sums, done, total, 512))

# %% [markdown]
# It does. A GPU may carry out two writes of one thread in another order, as others see them. Without the fence the counter can be seen before the sum is.
#
# **Predict, then run.** `last` lives in shared memory. Which barrier makes it safe to read, and what if that is missing?

# %%
no_wait = LAST.replace("    __syncthreads();\n    if (!last)", "    if (!last)")
hasty = checked(no_wait, "sum_at_once")
attempt(hasty, (2,), (256,), (flat[:512].copy(), sums, done, total, 512))

# %% [markdown]
# ## 6 · The order of additions
#
# Float32 keeps 24 binary digits. Each sum is rounded to those, so $(a + b) + c$ and $a + (b + c)$ may differ (lecture 09). Threads arrive at an atomic in any order.
#
# **Predict, then run.** 24576 numbers between 0 and 1, threads forward and in reverse. Does the atomic sum of section 1 depend on the order? Does the sum of the last block?

# %%
def sum_in_order(kernel, x, order):
    total, done, sums = np.zeros(1, np.float32), np.zeros(1, np.uint32), np.empty(96, np.float32)
    between = (sums, done) if kernel.name == "sum_at_once" else ()
    kernel((96,), (256,), (x, *between, total, x.size), order=order)
    return total[0]


many = rng.random(2**20, dtype=np.float32)
for name, kernel in (("atomics", atomic_sum), ("last block", checked(LAST, "sum_at_once"))):
    there, back = (sum_in_order(kernel, many[:24576], order) for order in ("forward", "reverse"))
    print(f"{name:10}  forward {there:.4f}   reverse {back:.4f}")

# %% [markdown]
# The tree adds the same pairs, whoever comes first: the same result in every run. On a GPU the atomic sum may change from run to run, in its last digits. Then a training run cannot be
# repeated exactly.
#
# **How far off?** A rounding error is at most half a unit in the last place of the *sum so far*. One after another, $n$ numbers suffer $n$ of them, and the sum so far is large nearly
# all the time. In a tree each number passes through $\log_2 n$ additions only.
#
# **Predict, then run.** A million numbers between 0 and 1. How many digits are right, one after another and in pairs?

# %%
def in_pairs(x):
    while len(x) > 1:
        half = len(x) // 2
        x = x[:half] + x[half:]
    return x[0]


exact = math.fsum(many.tolist())
one_by_one = many.cumsum(dtype=np.float32)[-1]
print(f"exact              {exact:.1f}")
for name, total in (("one after another", one_by_one), ("in pairs", in_pairs(many))):
    print(f"{name:18} {total:.1f}   relative error {abs(total - exact) / exact:.0e}")

# %% [markdown]
# One after another five digits are right; in pairs seven, all that float32 has. For the few numbers that remain at the end, float64 costs hardly anything: the loss below is added up in `double`.
#
# **Predict, then run.** Counting in float32: 1 is added to $2^{24} = 16777216$. What comes out?

# %%
for dtype in (np.float32, np.int32):
    print(dtype.__name__, int(dtype(2**24) + dtype(1)))

# %% [markdown]
# Float32 cannot count the pixels of a data set. Count in whole numbers.

# %% [markdown]
# ## 7 · Cross-entropy in one pass
#
# Now the loss itself. Lecture 06: with scores $x_0 \dots x_{C-1}$ of a pixel, its true class $y$, and the largest score $m$,
#
# $$\ell = m + \log \sum_c e^{x_c - m} - x_y \qquad\qquad \frac{\partial \ell}{\partial x_c} = \frac{e^{x_c - m}}{\sum_k e^{x_k - m}} - [c = y]$$
#
# In NumPy that takes one sweep over the classes for $m$, and another for the sum. Both fit into one. Keep the largest score *so far*, $m$, and the sum $s$ that belongs to it. If a
# score $x$ is larger than $m$, the sum was taken with the wrong $m$, and a factor corrects it:
#
# $$m' = \max(m, x) \qquad\qquad s' = s \cdot e^{m - m'} + e^{x - m'}$$
#
# **By hand, then run.** Scores $\log 1$, $\log 3$, $\log 6$, in this order. What are $m$ (as $\log$ of something) and $s$ after each?

# %%
def log_sum_exp_loops(scores):
    m, s = -3.4e38, 0.0  # below every score
    for x in scores:
        larger = max(m, x)
        s = s * math.exp(m - larger) + math.exp(x - larger)
        m = larger
        print(f"m = log {math.exp(m):.0f}   s = {s:.4f}   m + log s = log {math.exp(m) * s:.0f}")
    return m + math.log(s)


by_hand = log_sum_exp_loops(np.log([1, 3, 6]))
print("loss if the last class is true:", round(by_hand - math.log(6), 4))

# %% [markdown]
# After each score $m + \log s$ is the logarithm of the sum so far: 1, 4, 10. The class with 6 of 10 has the loss $-\log 0.6 = 0.5108$, as in lecture 06.
#
# And the kernel. A thread computes one pixel; the threads of a warp add up their losses by shuffles, so that one atomic serves 32 pixels.

# %%
LOSS = r"""
__device__ void add_up(double loss, double* total) {
    for (int apart = 16; apart > 0; apart /= 2)
        loss += __shfl_down_sync(0xffffffff, loss, apart);
    if (threadIdx.x % 32 == 0) atomicAdd(total, loss);
}
__device__ void include(float x, float& m, float& s) {
    float larger = fmaxf(m, x);
    s = s * expf(m - larger) + expf(x - larger);
    m = larger;
}
"""

# %% [markdown]
# `float& m` is a *reference*: the function changes the variable of its caller. The scores are images × classes × pixels, as in PyTorch; `first` is where class 0 of the pixel lies, and the
# next class lies `pixels` further on.

# %%
PER_PIXEL = LOSS + r"""
extern "C" __global__ void cross_entropy(const float* scores, const long long* labels, float* dx,
        double* total, int classes, int pixels, int count, long long ignored, float scale) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    double loss = 0;
    if (i < count) {
        int first = i / pixels * classes * pixels + i % pixels;
        const float* x = scores + first;
        float m = -3.4e38f, s = 0;
        for (int c = 0; c < classes; ++c) include(x[c * pixels], m, s);

        long long label = labels[i];
        bool counts = label != ignored;
        if (counts) loss = m + logf(s) - x[label * pixels];
        for (int c = 0; c < classes; ++c) {
            float p = expf(x[c * pixels] - m) / s;
            dx[first + c * pixels] = counts ? scale * (p - (c == label)) : 0;
        }
    }
    add_up(loss, total);
}"""
per_pixel = cuda.RawModule(PER_PIXEL).get_function("cross_entropy")

# %% [markdown]
# A void pixel has no loss and no gradient. `scale` is 1 / (number of pixels that count), so that `dx` is the gradient of the *mean*. Note that `add_up` stands outside of the `if`: every
# lane of the warp has to come.

# %%
def cross_entropy_cuda(logits, target, ignore_index=-100, kernel=per_pixel):
    classes = logits.shape[1]
    valid = int((target != ignore_index).sum())
    dx, total = np.empty_like(logits), np.zeros(1)
    sizes = (classes, target[0].size, target.size, ignore_index, np.float32(1 / valid))
    kernel((blocks_for(target.size, 128),), (128,), (logits, target, dx, total, *sizes))
    return np.float32(total[0] / valid), dx


loss, dx = cross_entropy_cuda(logits, labels, ignore_index=255)
print("loss   ", loss.round(4))
print("library", ops.cross_entropy(logits, labels, ignore_index=255).round(4))

# %% [markdown]
# Beside the NumPy of lecture 06, and PyTorch: random numbers, odd sizes, several images, void pixels.

# %%
import torch.nn.functional as F


def cross_entropy_void_numpy(logits, target, ignore_index=-100):  # from lecture 06
    valid = target != ignore_index
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    label = np.where(valid, target, 0)
    return -np.take_along_axis(log_p, label[:, None], axis=1)[:, 0][valid].mean()


z = 3 * rng.standard_normal((2, 7, 19, 23), dtype=np.float32)
y = rng.integers(0, 7, (2, 19, 23))
y[rng.random(y.shape) < 0.1] = 255
loss, dx = cross_entropy_cuda(z, y, ignore_index=255)
expected = cross_entropy_void_numpy(z, y, ignore_index=255)
compare.arrays(loss, expected, name="loss", length=7 * y.size)

# %%
def loss_cuda(logits, target, ignore_index):
    return cross_entropy_cuda(logits, target, ignore_index)[0]


compare.with_torch(
    loss_cuda, z, y, ignore_index=255, reference=F.cross_entropy, backward=lambda g: g * dx
)

# %% [markdown]
# And when it is wrong? Here the mean is taken over *all* pixels.
#
# **Predict, then run.** Will the loss be too large or too small?

# %%
def divided_by_all(logits, target, ignore_index):
    loss, _ = cross_entropy_cuda(logits, target, ignore_index)
    return np.float32(loss * (target != ignore_index).mean())


compare.with_torch(divided_by_all, z, y, ignore_index=255, reference=F.cross_entropy)

# %% [markdown]
# **Predict, then run.** The test for void is forgotten, and the score of class 11 is read, CamVid's void label. There are 7 classes. What happens with one image? With two, if only
# the first has a void pixel?

# %%
no_void = checked(PER_PIXEL.replace("if (counts) loss", "loss"), "cross_entropy")
y11 = rng.integers(0, 7, (2, 19, 23))
y11[0, 5, 5] = 11
for images in (1, 2):
    dx, total = np.empty_like(z[:images]), np.zeros(1)
    sizes = (7, 19 * 23, images * 19 * 23, 11, np.float32(1))
    print(f"{images} image(s): ", end="")
    attempt(no_void, (7,), (128,), (z[:images].copy(), y11[:images].copy(), dx, total, *sizes))

# %% [markdown]
# With one image the read is outside of the array. With two it is *inside*: what would be class 11 of the first image is class 4 of the second. Nobody complains, and the loss is wrong.
# The message asks for the labels, and rightly so: they name a class that does not exist.

# %% [markdown]
# ## 8 · Many classes: a warp for each pixel
#
# Lecture 05 made AlexNet convolutional: 1000 classes, and a score map of a few dozen pixels. With a thread for each pixel, 4×8 pixels keep 32 threads busy, one warp, each with a loop of 1000.
# A GPU has room for thousands of threads. So let the 32 lanes of a warp share a pixel: lane 0 takes classes 0, 32, 64, …, lane 1 takes 1, 33, 65, …
#
# At the end each lane has an $m$ and an $s$ of its own classes. Two such pairs become one by the same rule as before:
#
# $$m' = \max(m_1, m_2) \qquad\qquad s' = s_1 \cdot e^{m_1 - m'} + s_2 \cdot e^{m_2 - m'}$$
#
# For the gradient *every* lane needs the result. `__shfl_xor_sync(mask, value, apart)` gives lane $k$ the value of lane $k \oplus \text{apart}$: partners exchange.
# ($\oplus$ flips the binary digits of $k$ that are 1 in `apart`: $5 \oplus 4 = 101_2 \oplus 100_2 = 001_2 = 1$, and $1 \oplus 4 = 5$.)
#
# **By hand, then run.** Eight lanes, apart 4, 2, 1. Which lanes hold the sum at the end?

# %%
value, lanes = x.copy(), [x.copy()]
for apart in (4, 2, 1):
    value = value + value[np.arange(8) ^ apart]
    lanes.append(value)

# %% jupyter={"source_hidden": true}
# Figure: eight lanes exchange and add
fig, axes = plt.subplots(4, 1, figsize=(8, 3.4), layout="constrained")
for ax, row, title in zip(axes, lanes, ("value", "apart 4", "apart 2", "apart 1"), strict=True):
    figures.draw_array(ax, row, vmin=0, vmax=48)
    ax.set_ylabel(title, rotation=0, ha="right", va="center")
figures.show(
    fig,
    alt="Four rows of eight numbers. 3 1 7 0 4 1 6 2 become 7 2 13 2 7 2 13 2, then 20 and 4 by "
    "turns, and at last 24 in every lane.",
)

# %% [markdown]
# All of them. In the kernel `threadIdx.x` is the lane and `threadIdx.y` counts the warps of a block, so a pixel is `blockIdx.x * blockDim.y + threadIdx.y`. Here the scores are pixels ×
# classes: the classes of a pixel lie side by side.

# %%
PER_WARP = LOSS + r"""
extern "C" __global__ void cross_entropy(const float* scores, const long long* labels, float* dx,
        double* total, int classes, int count, long long ignored, float scale) {
    int i = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
    if (i >= count) return;  // all 32 lanes, or none
    const float* x = scores + i * classes;
    float m = -3.4e38f, s = 0;
    for (int c = lane; c < classes; c += 32) include(x[c], m, s);
    for (int apart = 16; apart > 0; apart /= 2) {
        float other_m = __shfl_xor_sync(0xffffffff, m, apart);
        float other_s = __shfl_xor_sync(0xffffffff, s, apart);
        float larger = fmaxf(m, other_m);
        s = s * expf(m - larger) + other_s * expf(other_m - larger);
        m = larger;
    }
    long long label = labels[i];
    bool counts = label != ignored;
    if (counts && lane == 0) atomicAdd(total, (double)(m + logf(s) - x[label]));
    for (int c = lane; c < classes; c += 32)
        dx[i * classes + c] = counts ? scale * (expf(x[c] - m) / s - (c == label)) : 0;
}"""
per_warp = cuda.RawModule(PER_WARP).get_function("cross_entropy")

# %% [markdown]
# Here `if (i >= count) return;` may stand before the shuffles: all lanes of a warp have the same `i`, so a warp returns as a whole.

# %%
def cross_entropy_warp_cuda(logits, target, ignore_index=-100, kernel=per_warp):
    count, classes = logits.shape
    valid = int((target != ignore_index).sum())
    dx, total = np.empty_like(logits), np.zeros(1)
    args = (logits, target, dx, total, classes, count, ignore_index, np.float32(1 / valid))
    kernel((blocks_for(count, 4),), (32, 4), args)
    return np.float32(total[0] / valid), dx


# %% [markdown]
# Beside PyTorch: 32 pixels, 1000 classes, every seventh pixel void.

# %%
many_z = 3 * rng.standard_normal((32, 1000), dtype=np.float32)
many_y = rng.integers(0, 1000, 32)
many_y[::7] = -100
loss, dx = cross_entropy_warp_cuda(many_z, many_y)


def loss_warp_cuda(logits, target):
    return cross_entropy_warp_cuda(logits, target)[0]


compare.with_torch(
    loss_warp_cuda, many_z, many_y, reference=F.cross_entropy, backward=lambda g: g * dx
)

# %% [markdown]
# **Predict, then run.** Memory is fetched in **sectors** of 32 bytes, 8 numbers. Lanes of a warp that read neighbouring numbers share sectors: 32 numbers, 4 sectors. How many sectors
# does a request take if each lane reads its own pixel, 1000 numbers from the next?

# %%
def reading_scores(source, grid, block, array, target, *sizes):
    dx, total = np.empty_like(array), np.zeros(1)
    args = (array, target, dx, total, *sizes, target.size, -100, np.float32(1))
    counts = cuda.profile(checked(source, "cross_entropy"), grid, block, args)
    line = 1 + source[: source.index("include(x")].count("\n")
    row = next(row for row in counts.rows if row.line == line)
    sectors = row.sectors_per_request
    return f"{row.requests} requests of {row.lanes:.1f} lanes, {sectors:.1f} sectors"


turned = many_z.T.copy()  # classes × pixels, as in images × classes × height × width
for what, *given in (
    ("thread per pixel, pixels × classes", PER_PIXEL, (1,), (32,), many_z, many_y, 1000, 1),
    ("thread per pixel, classes × pixels", PER_PIXEL, (1,), (32,), turned, many_y, 1000, 32),
    ("warp per pixel,   pixels × classes", PER_WARP, (8,), (32, 4), many_z, many_y, 1000),
):
    print(f"{what}: {reading_scores(*given)}")

# %% [markdown]
# 32 sectors for 32 numbers is 8 times as much as need be. And the thousand requests of the first two lines are made by *one* warp, one after another, those of the last by 32 warps.
#
# **Predict, then run.** A warp for each pixel, but only 9 classes, as in the street. How many lanes have work?

# %%
few_z, few_y = many_z[:, :9].copy(), rng.integers(0, 9, 32)
print(reading_scores(PER_WARP, (8,), (32, 4), few_z, few_y, 9))

# %% [markdown]
# 9 of 32. So it is a question of layout as much as of the number of classes. A thread for each pixel goes with classes × pixels, and with many pixels: segmentation. A warp for each pixel goes
# with pixels × classes, few pixels and many classes: classification. (The caches of a GPU soften the difference; the counts do not model them.)

# %% [markdown]
# ## 9 · Fused or one step after another: the traffic
#
# NumPy computes a loss in steps, and each step writes an array that the next one reads. On a GPU the same can be done with a kernel for each step. **Fusing** means one kernel that keeps
# what lies between in registers. What does it save? Here are the steps, for one image. Each begins like this, and has a thread for each pixel:

# %%
STEPS = r"""
#define PIXEL(i) int i = blockIdx.x * blockDim.x + threadIdx.x; if (i >= pixels) return;

extern "C" __global__ void largest(const float* x, float* m, int classes, int pixels) {
    PIXEL(i)
    float best = x[i];
    for (int c = 1; c < classes; ++c) best = fmaxf(best, x[c * pixels + i]);
    m[i] = best;
}
extern "C" __global__ void exponentials(const float* x, const float* m, float* e, int classes,
                                        int pixels) {
    PIXEL(i)
    float largest = m[i];
    for (int c = 0; c < classes; ++c) e[c * pixels + i] = expf(x[c * pixels + i] - largest);
}
extern "C" __global__ void add_classes(const float* e, float* s, int classes, int pixels) {
    PIXEL(i)
    float sum = 0;
    for (int c = 0; c < classes; ++c) sum += e[c * pixels + i];
    s[i] = sum;
}
"""

# %% [markdown]
# `#define` gives a piece of text a name; here the line that every kernel begins with. Two more steps, the losses and the gradient:

# %%
STEPS += r"""
extern "C" __global__ void pick(const float* x, const float* m, const float* s, float* losses,
                                const long long* labels, long long ignored, int pixels) {
    PIXEL(i)
    long long label = labels[i];
    losses[i] = label == ignored ? 0 : m[i] + logf(s[i]) - x[label * pixels + i];
}
extern "C" __global__ void gradient(const float* e, const float* s, const long long* labels,
                                    float* dx, long long ignored, float scale, int classes,
                                    int pixels) {
    PIXEL(i)
    long long label = labels[i];
    float sum = s[i], g = label == ignored ? 0 : scale;
    for (int c = 0; c < classes; ++c)
        dx[c * pixels + i] = g * (e[c * pixels + i] / sum - (c == label));
}
"""
steps = cuda.RawModule(STEPS, mode="check")

# %% [markdown]
# We count on a part of the street, 32×64 pixels, with a profile for each step:

# %%
part, part_labels = logits[:, :, 64:96, 64:128].copy(), labels[:, 64:96, 64:128].copy()
pixels = part_labels.size
scale = np.float32(1 / (part_labels != 255).sum())
m, s, each = (np.empty(pixels, np.float32) for _ in range(3))
e, dx_steps = np.empty_like(part), np.empty_like(part)
arguments = {
    "largest": (part, m, classes, pixels),
    "exponentials": (part, m, e, classes, pixels),
    "add_classes": (e, s, classes, pixels),
    "pick": (part, m, s, each, part_labels, 255, pixels),
    "gradient": (e, s, part_labels, dx_steps, 255, scale, classes, pixels),
}
grid = (blocks_for(pixels, 128),)
traffic = {
    name: cuda.profile(steps.get_function(name), grid, (128,), args)
    for name, args in arguments.items()
}

# %% [markdown]
# And the fused kernel. Both must give the same gradient, or there is nothing to compare.

# %%
dx_fused, total = np.empty_like(part), np.zeros(1)
args = (part, part_labels, dx_fused, total, classes, pixels, pixels, 255, scale)
fused = cuda.profile(checked(PER_PIXEL, "cross_entropy"), grid, (128,), args)
compare.arrays(dx_steps, dx_fused, name="gradient by steps", length=classes)

# %% [markdown]
# **Predict, then run.** Take the scores' size as 1. The fused kernel reads them twice and writes the gradient: 3. What do the steps read and write together?

# %%
def times_the_scores(counts, kind):
    return counts.total("bytes", "global", kind) / part.nbytes


for name, counts in (*traffic.items(), ("fused", fused)):
    read, written = (times_the_scores(counts, kind) for kind in ("load", "store"))
    print(f"{name:13} reads {read:.2f}   writes {written:.2f}")
by_steps = sum(times_the_scores(c, kind) for c in traffic.values() for kind in ("load", "store"))
at_once = sum(times_the_scores(fused, kind) for kind in ("load", "store"))
print(f"steps {by_steps:.2f}, fused {at_once:.2f}: a factor of {by_steps / at_once:.1f}")
print(f"scores once, gradient once, labels once: {2 + part_labels.nbytes / part.nbytes:.2f}")

# %% jupyter={"source_hidden": true}
# Figure: bytes moved by the steps, by the fused kernel, and at least
moved = {name: times_the_scores(c, "load") + times_the_scores(c, "store")
         for name, c in traffic.items()}
rows = [moved, {"": at_once}, {"": 2 + part_labels.nbytes / part.nbytes}]
colours = figures.OKABE_ITO[[4, 1, 2, 3, 7]] / 255
fig, ax = plt.subplots(figsize=(10, 2.9), layout="constrained")
for k, row in enumerate(rows):
    left = 0
    for (name, width), colour in zip(row.items(), colours, strict=False):
        ax.barh(k, width, left=left, color=colour if name else "#999999", edgecolor="white")
        ax.text(left + width / 2, k, name.replace("add_", "add_\n"), ha="center", va="center")
        left += width
    ax.text(left + 0.05, k, f"{left:.2f}", va="center", fontsize=13)
ax.set(yticks=range(3), yticklabels=["steps", "fused", "floor"], xlim=(0, 8))
ax.invert_yaxis()
ax.set_xlabel("bytes read and written, as multiples of the scores")
figures.show(
    fig,
    alt="Three bars. The steps: 7.25, made of the five kernels. The fused kernel: 3.31, less than "
    "half. The floor: 2.22.",
    dpi=88,
)

# %% [markdown]
# A loss computes little with each number that it fetches, so what it fetches decides. The last line is the **floor**: what any kernel must move. The fused kernel reads the scores twice, for
# the sum and for the gradient. On a GPU the second read may come from a cache; the counts are those of the source.
#
# Printed whole, a profile has a row for each line of the kernel. **Predict, then run.** Which line reads the scores for the second time? How many sectors does a request to the labels take,
# 8 bytes each?

# %%
fused

# %% [markdown]
# Line 27. A request to the labels takes 8 sectors, because 32 labels are 256 bytes. And line 5, in `add_up`: 64 atomics for 2048 pixels, one for each warp.

# %% [markdown]
# ## 10 · The confusion matrix: a histogram
#
# Entry $(t, p)$ of the matrix counts the pixels of true class $t$ that were predicted as $p$ (lecture 07). A pixel names its cell and adds 1 to it: a **histogram**. As in lecture 07, the
# coffee photograph, and a prediction by colour. The outermost pixels of every thing become void.

# %%
from segedu.data.scenes.scene import void_borders

coffee = photograph_masks("coffee")
target = void_borders(coffee.semantic, 2)  # 255 is void
colours = coffee.image / 255
means = [colours[coffee.semantic == c].mean(axis=0) for c in range(6)]
prediction = np.stack([-((colours - mean) ** 2).sum(axis=2) for mean in means]).argmax(axis=0)
right, void = (prediction == target).mean(), (target == 255).mean()
print(target.shape, f"  void {void:.1%}   right {right:.1%}")

# %% language="cuda" magic_args="--mode check --quiet"
# extern "C" __global__ void confusion_global(
#         const long long* prediction, const long long* target, unsigned* matrix, int classes,
#         int pixels, int ignored) {
#     int i = blockIdx.x * blockDim.x + threadIdx.x;
#     if (i < pixels && target[i] != ignored)
#         atomicAdd(&matrix[target[i] * classes + prediction[i]], 1u);
# }


# %% [markdown]
# Beside the NumPy of lecture 07:

# %%
def confusion_void_numpy(prediction, target, num_classes, void):
    known = target != void
    pair = target[known] * num_classes + prediction[known]
    counts = np.bincount(pair, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def confusion_global_cuda(prediction, target, num_classes, ignore_index):
    matrix = np.zeros((num_classes, num_classes), np.uint32)
    args = (prediction, target, matrix, num_classes, target.size, ignore_index)
    confusion_global((blocks_for(target.size, 256),), (256,), args)
    return matrix.astype(np.int64)


expected_matrix = confusion_void_numpy(prediction, target, 6, 255)
compare.arrays(confusion_global_cuda(prediction, target, 6, 255), expected_matrix)

# %% [markdown]
# **Predict, then run.** The matrix has 36 cells, so one would think that the 32 lanes of a warp rarely meet. How many lanes of a warp want the same cell, on average?

# %%
matrix = np.zeros((6, 6), np.uint32)
args = (prediction, target, matrix, 6, target.size, 255)
counts = cuda.profile(confusion_global, (blocks_for(target.size, 256),), (256,), args)
touched = counts.touched("matrix")
print("atomics on the matrix:", len(touched))

cell_of = np.full(target.size, -1)
cell_of[touched["block"].astype(int) * 256 + touched["thread"]] = touched["index"]


def most_wanted(cells):  # how many lanes want the commonest cell of their warp
    warps = cells.reshape(-1, 32)
    return np.array([np.bincount(warp[warp >= 0], minlength=1).max() for warp in warps])


waiting = most_wanted(cell_of)
print(f"lanes that want one cell: {waiting.mean():.1f} on average, {waiting.max()} at most")

# %% jupyter={"source_hidden": true}
# Figure: how many lanes of each warp want the same cell
fig, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
axes[0].imshow(coffee.image)
axes[0].set_title("photograph")
lanes_map = np.repeat(waiting, 32).reshape(target.shape)
shown = axes[1].imshow(lanes_map, vmin=0, vmax=32, cmap="cividis")
axes[1].set_title("lanes that want the same cell")
for ax in axes:
    ax.set_axis_off()
fig.colorbar(shown, ax=axes[1], ticks=[0, 8, 16, 24, 32])
figures.show(
    fig,
    alt="A cup of coffee, and a map of short horizontal dashes: bright, near 32, on the even parts "
    "of the picture, darker where classes change.",
    dpi=80,
)

# %% [markdown]
# Neighbouring pixels mostly show the same thing. That is what makes pictures easy to look at, and histograms of them hard: most of a warp wants one cell, and its additions happen one after
# another.
#
# **A histogram for each block.** Each block counts in shared memory, and adds its counts to the matrix at the end. `extern __shared__` is shared memory whose size the launch says:
# `shared_mem=`, in bytes. A thread walks over many pixels, so that a few blocks are enough.

# %% language="cuda" magic_args="--mode check --quiet"
# extern "C" __global__ void confusion(
#         const long long* prediction, const long long* target, unsigned* matrix, int classes,
#         int pixels, int ignored) {
#     extern __shared__ unsigned counts[];
#     int cells = classes * classes, step = gridDim.x * blockDim.x;
#     for (int k = threadIdx.x; k < cells; k += blockDim.x) counts[k] = 0;
#     __syncthreads();
#     for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < pixels; i += step)
#         if (target[i] != ignored) atomicAdd(&counts[target[i] * classes + prediction[i]], 1u);
#     __syncthreads();
#     for (int k = threadIdx.x; k < cells; k += blockDim.x)
#         if (counts[k] > 0) atomicAdd(&matrix[k], counts[k]);
# }


# %%
def confusion_cuda(prediction, target, num_classes, ignore_index, kernel=confusion):
    matrix = np.zeros((num_classes, num_classes), np.uint32)
    args = (prediction, target, matrix, num_classes, target.size, ignore_index)
    kernel((32,), (256,), args, shared_mem=4 * num_classes**2)
    return matrix.astype(np.int64)


def torch_confusion(prediction, target, num_classes, ignore_index):
    known = target != ignore_index
    pair = target[known] * num_classes + prediction[known]
    return pair.bincount(minlength=num_classes**2).reshape(num_classes, num_classes)


options = dict(num_classes=6, ignore_index=255, reference=torch_confusion)
compare.with_torch(confusion_cuda, prediction, target, **options)

# %% [markdown]
# **Predict, then run.** 32 blocks, 36 cells. How many atomics go to the matrix now, at most?

# %%
matrix = np.zeros((6, 6), np.uint32)
args = (prediction, target, matrix, 6, target.size, 255)
counts = cuda.profile(confusion, (32,), (256,), args, shared_mem=144)
for memory in ("shared", "global"):
    print(f"atomics in {memory} memory: {counts.total('accesses', memory, 'atomic')}")

# %% [markdown]
# A wrong one: rows and columns exchanged, as some libraries have them.
#
# **Predict, then run.** Which numbers stay right?

# %%
pair = "target[i] * classes + prediction[i]"
swapped = changed(confusion, pair, "prediction[i] * classes + target[i]")


def confusion_swapped(prediction, target, num_classes, ignore_index):
    return confusion_cuda(prediction, target, num_classes, ignore_index, kernel=swapped)


compare.with_torch(confusion_swapped, prediction, target, **options)

# %% [markdown]
# The diagonal stays, and two zeros that face each other. IoU and Dice of the next section would not even notice: they treat rows and columns alike. Accuracy of a class would.
#
# **Break it: predict, then run.** First the zeros are forgotten, then the first barrier. What will each message name?

# %%
zeros = "    for (int k = threadIdx.x; k < cells; k += blockDim.x) counts[k] = 0;\n"
attempt(changed(confusion, zeros, ""), (32,), (256,), args, shared_mem=144)
print()
no_barrier = changed(confusion, "= 0;\n    __syncthreads();", "= 0;")
attempt(no_barrier, (32,), (256,), args, shared_mem=144)

# %% [markdown]
# An atomic reads before it writes, so counting from garbage is a read of what nobody wrote. And an atomic orders itself among *atomics* only: a plain `= 0` of another thread may come later, and
# wipe out what has been counted. Such mistakes may go unnoticed on a GPU for long, because memory is often 0, and because threads often come in time.
#
# **Predict, then run.** `shared_mem` is forgotten. Then the test for void: which cell does a void pixel with prediction 1 name?

# %%
attempt(confusion, (32,), (256,), args)
print()
no_void = changed(confusion, "if (target[i] != ignored) ", "")
attempt(no_void, (32,), (256,), args, shared_mem=144)

# %% [markdown]
# The second message points at the data, and rightly so: $255 \cdot 6 + 1 = 1531$. The index must come out from 0 to 35. It is made of two labels: each of them must be from 0
# to 5, or void and left out.

# %% [markdown]
# ## 11 · IoU and Dice from the matrix
#
# $$\text{IoU}_c = \frac{n_{cc}}{t_c + p_c - n_{cc}} \qquad\qquad \text{Dice}_c = \frac{2\, n_{cc}}{t_c + p_c}$$
#
# $n_{cc}$ is on the diagonal, $t_c$ the sum of row $c$ (truth), $p_c$ that of column $c$. A lane for each class; the mean over the classes that are there is one more reduction. The lanes
# vote: `__ballot_sync` gives a number with a bit for each lane that says yes, `__popc` counts the bits.

# %% language="cuda" magic_args="--mode check --quiet"
# __device__ double warp_sum(double value) {
#     for (int apart = 16; apart > 0; apart /= 2)
#         value += __shfl_down_sync(0xffffffff, value, apart);
#     return value;
# }
# extern "C" __global__ void iou_and_dice(const unsigned* matrix, double* iou, double* dice,
#                                         double* mean, int classes) {
#     int c = threadIdx.x;  // one warp: at most 32 classes
#     double hits = 0, truth = 0, guess = 0;
#     for (int k = 0; c < classes && k < classes; ++k) {
#         truth += matrix[c * classes + k];
#         guess += matrix[k * classes + c];
#         if (k == c) hits = matrix[c * classes + c];
#     }
#     bool there = truth + guess > 0;
#     if (c < classes) iou[c] = hits / (truth + guess - hits);  // 0 / 0 is NaN: an absent class
#     if (c < classes) dice[c] = 2 * hits / (truth + guess);
#     int present = __popc(__ballot_sync(0xffffffff, there));
#     double sum = warp_sum(there ? hits / (truth + guess - hits) : 0);
#     if (c == 0) mean[0] = sum / present;
# }

# %%
def iou_and_dice_cuda(matrix):
    classes = len(matrix)
    iou, dice, mean = np.empty(classes), np.empty(classes), np.empty(1)
    iou_and_dice((1,), (32,), (matrix.astype(np.uint32), iou, dice, mean, classes))
    return iou, dice, mean[0]


by_hand = np.array([[50, 5, 5], [10, 20, 0], [2, 3, 5]])
iou, dice, mean = iou_and_dice_cuda(by_hand)
print("IoU", iou.round(6), "  Dice", dice.round(6), "  mean IoU", mean.round(6))

# %% [markdown]
# By hand, class 0: $t = 60$, $p = 62$, so IoU is $50 / 72 = 0.694$ and Dice $100 / 122 = 0.820$. Now the photograph.
#
# **Predict, then run.** Which class will have the smallest IoU? Can Dice be smaller than IoU?

# %%
matrix = confusion_cuda(prediction, target, 6, 255)
iou, dice, mean = iou_and_dice_cuda(matrix)
for name, j, d in zip(coffee.classes, iou, dice, strict=True):
    print(f"{name:8} IoU {j:.3f}   Dice {d:.3f}")
print(f"mean IoU {mean:.4f}   library {ops.mean_iou(matrix):.4f}")
compare.arrays(np.array([iou, dice]), np.array([ops.iou(matrix), ops.class_dice(matrix)]))

# %% jupyter={"source_hidden": true}
# Figure: photograph, target, prediction, and the scores of each class
fig, axes = plt.subplots(2, 2, figsize=(10, 6.2), layout="constrained")
maps = [coffee.image, figures.colourise(target, coffee.palette, void=255),
        figures.colourise(prediction, coffee.palette)]
titles = ("photograph", "target", "prediction")
for ax, picture, title in zip(axes.flat[:3], maps, titles, strict=True):
    ax.imshow(picture)
    ax.set_title(title)
    ax.set_axis_off()
places = np.arange(6)
axes[1, 1].bar(places - 0.2, iou, 0.4, color=coffee.palette / 255, edgecolor="black", label="IoU")
axes[1, 1].bar(places + 0.2, dice, 0.4, color=coffee.palette / 255, edgecolor="black", hatch="//",
               label="Dice")
axes[1, 1].set_xticks(places, coffee.classes)
axes[1, 1].legend()
figures.label_legend(fig, coffee.classes, coffee.palette, void=True)
figures.show(
    fig,
    alt="A cup of coffee, its label map with white void borders, a speckled prediction by colour, "
    "and two bars for each of six classes; the Dice bar is higher than the IoU bar everywhere.",
    dpi=80,
)

# %% [markdown]
# $\text{Dice} = 2J / (1 + J)$ with $J$ for IoU is never below $J$ (lecture 07). The counts stay whole numbers until the last division, so the order of the atomics changes nothing here.

# %% [markdown]
# ## 12 · The library, and a GPU
#
# `segedu/cuda_ops/losses.cu` and `metrics.cu` hold the library's kernels: class weights, label smoothing, float64 and other reductions in one kernel, and the histogram of section 13.

# %%
from segedu import cuda_ops

w = rng.uniform(0.5, 2, 7).astype(np.float32)
options = dict(weight=w, ignore_index=255, label_smoothing=0.1)
with cuda_ops.mode("check"):
    loss, dx = cuda_ops.cross_entropy_with_gradient(z, y, **options)
    matrix = cuda_ops.confusion_matrix(prediction, target, 6, 255)
print("confusion matrix as expected:", np.array_equal(matrix, expected_matrix))


def library_loss(logits, target, **options):
    return loss


compare.with_torch(
    library_loss, z, y, **options, reference=F.cross_entropy, backward=lambda g: g * dx
)

# %% [markdown]
# Counts say what a kernel asks of memory. How long it takes only a GPU can say. `python -m segedu gpu-check` measures that on a machine that has one, and writes a record: the library's
# kernels beside PyTorch, and how near they come to the speed at which the GPU copies memory. The next cell shows the records of this course, or says that there are none.

# %% tags=["nbval-ignore-output"]
import json
from pathlib import Path

records = sorted(Path("../benchmarks/records").glob("gpu-check-*.json"))
for path in records:
    record = json.loads(path.read_text(encoding="utf-8"))
    print("Recorded, not measured here:", record["device"]["name"], record["date"][:10])
    for row in record["stages"].get("bench", {}).get("timed", []):
        if row["item"] in ("cross-entropy with void", "confusion matrix"):
            times = [f"{1e3 * row[key]:.3f} ms" for key in ("ours_s", "pytorch_s")]
            print(row["item"], row["direction"], row["shape"], "ours", times[0], end="")
            print(f", PyTorch {times[1]}, {row['copy_fraction']:.0%} of the speed of copying")
if not records:
    print("No times on a GPU have been recorded.")

# %% [markdown]
# ## 13 · One addition for all who want the same (at home)
#
# In shared memory, too, 23 lanes of a warp wait for each other. But the lanes can ask who wants the same cell: `__match_any_sync(mask, cell)` gives each lane a number with a bit for each
# lane of the same value. The first of them (`__ffs` finds the lowest bit) adds for all.

# %% language="cuda" magic_args="--mode check --quiet"
# extern "C" __global__ void confusion_match(
#         const long long* prediction, const long long* target, unsigned* matrix, int classes,
#         int pixels, int ignored) {
#     extern __shared__ unsigned counts[];
#     int cells = classes * classes, step = gridDim.x * blockDim.x;
#     for (int k = threadIdx.x; k < cells; k += blockDim.x) counts[k] = 0;
#     __syncthreads();
#     for (int first = blockIdx.x * blockDim.x; first < pixels; first += step) {
#         int i = first + threadIdx.x, cell = -1;  // -1: no pixel, or a void one
#         if (i < pixels && target[i] != ignored) cell = target[i] * classes + prediction[i];
#         unsigned same = __match_any_sync(0xffffffff, cell);
#         if (cell >= 0 && threadIdx.x % 32 == __ffs(same) - 1)
#             atomicAdd(&counts[cell], __popc(same));
#     }
#     __syncthreads();
#     for (int k = threadIdx.x; k < cells; k += blockDim.x)
#         if (counts[k] > 0) atomicAdd(&matrix[k], counts[k]);
# }

# %% [markdown]
# **Predict, then run.** The loop runs over `first`, not over `i`. Why? And by which factor do the atomics become fewer?

# %%
matrix = np.zeros((6, 6), np.uint32)
args = (prediction, target, matrix, 6, target.size, 255)
counts = cuda.profile(confusion_match, (32,), (256,), args, shared_mem=144)
print("as before:", np.array_equal(matrix, expected_matrix), end="   ")
print("atomics in shared memory:", counts.total("accesses", "shared", "atomic"))

# %% [markdown]
# All lanes of a warp must make equally many rounds, because each round has a warp operation. `first` is the same for all threads of a block.

# %% [markdown]
# ## 14 · Try it yourself (at home)
#
# Choose how many numbers there are, and the round. Framed: what is still of use. Near partners leave gaps, far partners keep the rest together.

# %% tags=["nbval-ignore-output"]
import ipywidgets


def explore(logarithm=4, after=2, partners="far"):
    n = 2**logarithm
    s, useful = np.ones(n, int), n
    for k in range(min(after, logarithm)):
        apart = n >> (k + 1) if partners == "far" else 1 << k
        first = np.arange(n >> (k + 1)) * (1 if partners == "far" else 2 * apart)
        s[first] += s[first + apart]
        useful = first
    framed = [(0, int(t), 1, 1, "#D55E00") for t in np.atleast_1d(useful) if t < n]
    title = f"{partners} partners, after round {after}"
    fig = figures.arrays_row([s], [title], highlights=[framed], cell=0.35, numbers=True)
    figures.show(fig, alt=f"{n} ones after round {after} of a tree with {partners} partners.")


ipywidgets.interact(explore, logarithm=(2, 5), after=(0, 5), partners=["far", "near"]);

# %% [markdown]
# A still picture, for readers without a running kernel: 16 ones, near partners, after two rounds.

# %% jupyter={"source_hidden": true}
# Figure: a tree with near partners after two rounds
explore(logarithm=4, after=2, partners="near")

# %% [markdown]
# ## Common mistakes
#
# * **`total += x` by many threads.** Use an atomic, but first add up in company.
# * **No barrier between two rounds of a tree**, or a barrier inside of an `if`. The first is a race, the second waits for ever.
# * **A block that is no power of two.** Halving loses the odd one out.
# * **`return` before a shuffle or a barrier.** Bring the neutral element instead: 0 for a sum, $-\infty$ for a maximum.
# * **A mask that names lanes which are not there**, or leaves out some that are.
# * **Shared memory and counters that nobody set to 0.** Also before the *second* launch.
# * **No `__threadfence()` before the counter** of the last block.
# * **Counting in float32.** Beyond $2^{24}$ adding 1 changes nothing.
# * **Void as an index.** It reads the scores of somebody else, or counts in a cell that does not exist.
# * **Divided by all pixels.** A mean leaves void out above *and* below the line.

# %% [markdown]
# ## Summary
#
# * A reduction makes few numbers of many. Add up in registers (warp shuffles), then in shared memory, and go to global memory once for each block.
# * A barrier orders the threads of a block, a shuffle the lanes of a warp, a fence with an atomic counter the blocks.
# * A tree of additions has $\log_2 n$ rounds, gives the same result in every run, and a smaller rounding error than one addition after another.
# * Softmax, log-sum-exp, loss and gradient fit into one kernel: one pass for $m$ and $s$, a second for the gradient.
# * A thread for each pixel where pixels lie side by side; a warp for each pixel where classes do, and are many.
# * A histogram first counts in shared memory. Neighbouring pixels want the same cell.

# %% [markdown]
# ## Exercises
#
# Write your kernels in a new cell that begins with `%%cuda --mode check`, and launch them in the next one.
#
# 1. By hand: a tree over 16 numbers, far partners. How many rounds, how many additions in each? Between which elements does thread 1 add in round 2?
# 2. Take the *first* barrier of `block_sums` away. Which two lines will the message name? Predict, then run.
# 3. By hand: eight lanes hold 3 1 7 0 4 1 6 2 and shuffle down by 4, 2, 1 as in section 4. What does lane 5 hold at the end?
# 4. Write `block_max`, the largest number of each block. What do threads without a number bring? Try 0, and an array of negative numbers.
# 5. By hand: $2^{25}$ ones are added up in float32, one after another. What comes out? And in pairs?
# 6. *Loss kernel.* Give `cross_entropy` class weights, as `F.cross_entropy(…, weight=w)` has them. What is the mean divided by?
# 7. *Histogram kernel.* Count the grey values 0 to 255 of a photograph: 256 cells in shared memory. Compare with `np.bincount`.
# 8. Classes 0 and 1 are ruled out by scores of $-\infty$. What does `cross_entropy` give if it starts with `m = x[0], s = 1` and goes on from class 1? Why does
#    $-3.4 \cdot 10^{38}$ help?
# 9. By hand: scores of 19 classes, 1024×2048 pixels, labels of 8 bytes. How many bytes must a loss with gradient move at least? How long does that take at 1000 GB/s?
# 10. ADE20K has 150 classes. How many bytes has a confusion matrix in shared memory? A block has 48 KiB. What could one do?
#
# <details><summary>Answers</summary>
#
# 1. 4 rounds of 8, 4, 2, 1 additions. Round 2 has `half` 4: $s_1 \leftarrow s_1 + s_5$.
# 2. Line 5, where a thread writes its number, and the line with `s[t] += s[t + half]`, where another reads it: thread 0 may add `s[4]` before thread 4 has put it there.
# 3. After 4: $1 + 1 = 2$ (past the end: its own). After 2: lane 7 has $2 + 2 = 4$, so $2 + 4 = 6$. After 1: lane 6 holds $12 + 12 = 24$, so $6 + 24 = 30$. Of no use.
# 4. In `block_sums`, `fmaxf(s[t], s[t + half])` in place of the sum, and $-\infty$ for threads without a number: `-__int_as_float(0x7f800000)`,
#    or nearly that, `-3.4e38f`. With 0, a block of negative numbers that is not full has the maximum 0, which is not among them.
# 5. $2^{24} = 16777216$: from there on adding 1 changes nothing. In pairs $2^{25}$, exactly: every sum is a power of two.
# 6. `loss = w[label] * (…)`, and `scale * w[label] * (p - (c == label))`. The mean is divided by the sum of `w[label]` over the pixels that count, so `scale` is 1 over that sum.
# 7. `confusion` with `cells = 256` and `counts[image[i]]`, `image` as `const unsigned char*`, `shared_mem=1024`.
# 8. NaN: at class 1, $m = m' = -\infty$, and $e^{m - m'} = e^{-\infty + \infty}$ is NaN; it stays. With $-3.4 \cdot 10^{38}$ (nearly the lowest float32) $m$ is never infinite, and the
#    class adds $e^{-\infty} = 0$. PyTorch agrees.
# 9. $1024 \cdot 2048 \cdot (19 \cdot 4 \cdot 2 + 8) = 335{,}544{,}320$ bytes; 0.34 ms.
# 10. $150^2 \cdot 4 = 90000$ bytes, too many. Count in global memory (the library does), or give each block some rows of the matrix.
#
# </details>
#
# ## Sources
#
# * M. Harris, *Optimizing parallel reduction in CUDA*, NVIDIA, 2007 (the tree, near and far partners, bank conflicts).
# * NVIDIA, *CUDA C++ Programming Guide* (warp shuffle functions, memory fence functions: the last block).
# * M. Milakov, N. Gimelshein, *Online normalizer calculation for softmax*, arXiv:1805.02867, 2018 (one pass).
# * N. J. Higham, *The accuracy of floating point summation*, SIAM J. Sci. Comput. 14(4), 1993.
# * PyTorch documentation, `torch.nn.functional.cross_entropy`.

# %% [markdown]
# # Exercises 10 · Reductions on the GPU
#
# You follow a tree, a shuffle and a loss on paper, write one round of a log-sum-exp, let a warp find the best class of a pixel, write a loss with its gradient as one kernel, and count what IoU and Dice
# need. You need lectures 07 and 10. **You need no GPU**: the CUDA cells begin with `%%cuda --mode check`, so they run on the CPU, and every access is watched. Write in the cells that say
# `raise NotImplementedError` or `// your code here`, run the check below each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

# %load_ext segedu.cuda
rng = np.random.default_rng(10)

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
import torch
import torch.nn.functional as F
from segedu import compare, cuda, figures
from segedu.data.synthetic import street

figures.use_style()
LOWEST = np.float32(-3.4e38)  # below every score
EMPTY = "what stood there before: nothing was written"


def blocks_for(items, threads):
    return (items + threads - 1) // threads


def launch(kernel, grid, block, args, **options):
    """Launch a kernel; what the checker finds is the message of the check."""
    try:
        kernel(grid, block, args, **options)
    except cuda.KernelError as error:
        raise AssertionError(str(error)) from None

# %% [markdown]
# ## 1 · By hand: a tree, a warp, a loss (3 points)
#
# 1. A tree adds up 64 numbers with far partners: in round 1 thread t adds element t + 32 to element t. Which element does thread 5 add in round 3? Write it as `partner`.
# 2. Eight lanes hold 2 0 5 1 3 4 1 6. They exchange and add with `__shfl_xor_sync`, first 4 apart, then 2 apart. What does lane 6 hold then? (Lanes count from 0.) Write it as `lane_6`.
# 3. The scores of a pixel are log 2, log 6, log 4. They are taken in this order, with the largest score so far, $m$, and the sum that belongs to it, $s$. What is $s$ after the second score, and after
#    the third? Write `s_second` and `s_third`.

# %% segedu={"role": "answer", "question": "by_hand"}
### BEGIN SOLUTION
partner = 13
lane_6 = 11
s_second, s_third = 4 / 3, 2
### END SOLUTION

# %% segedu={"role": "check", "question": "by_hand", "points": 1}
# the partner in round 3 of a tree
left = torch.arange(64)[: 64 // 4]  # the elements that are still of use after two rounds
right = left.chunk(2)[1][5].item()
assert partner != 5 + 32, "that is round 1: half of the elements are left after each round"
assert partner != 5 + 16, "that is round 2, if the first is round 1"
assert partner != 5 + 4, "that is round 4: round 1 adds elements that are 32 apart"
assert partner != 25, "those would be near partners; here the distance is halved in each round"
assert partner == right, f"{partner}: not right. How far apart are partners in round 1, in round 2, in round 3?"
print("the partner is right")

# %% segedu={"role": "check", "question": "by_hand", "points": 1}
# what lane 6 holds after two exchanges
value = torch.tensor([2, 0, 5, 1, 3, 4, 1, 6])
lanes = torch.arange(8)
first = value + value[lanes ^ 4]
assert lane_6 != first[6], "that is after the first exchange: one more follows"
assert lane_6 != 4, "that would be __shfl_down_sync, which takes from lanes further on; XOR exchanges: 6 and 2, 6 and 4"
assert lane_6 != value.sum(), "that is what all lanes hold after a third exchange, 1 apart"
right = (first + first[lanes ^ 2])[6]
assert lane_6 == right, f"{lane_6}: not right. Lane k gets the value of lane k XOR 4; 6 is 110 in binary, and becomes 010"
print("lane 6 is right")

# %% segedu={"role": "check", "question": "by_hand", "points": 1}
# the running sum of a log-sum-exp
x = torch.log(torch.tensor([2.0, 6.0, 4.0], dtype=torch.float64))
right = [torch.exp(x[:n] - x[:n].max()).sum().item() for n in (2, 3)]
given = [float(s_second), float(s_third)]
assert given[0] != 8, "second: 8 is the sum of the exponentials themselves. s belongs to m: each is divided by the largest"
assert given[0] != 4, "second: 4 comes with the factor upside down. The old sum is corrected by exp(m − m'), and m' is larger"
assert given[0] != 2, "second: the old sum was made with another m; correct it before you add"
assert abs(given[0] - right[0]) < 0.01, "second: not right. The old sum is 1 and belongs to log 2; the new largest is log 6"
assert abs(given[1] - 3) > 0.01, "third: that would be right if 4 were the largest so far"
assert abs(given[1] - right[1]) < 0.01, "third: not right. Is m another one than before? What does log 4 add to the sum?"
print("both sums are right")

# %% [markdown]
# ## 2 · One round of a log-sum-exp (3 points)
#
# A pair $(m, s)$ stands for some classes of a pixel: their largest score, and $\sum_c e^{x_c - m}$. Write one round of a tree with far partners, in NumPy: `merge_round(m, s)` takes two arrays of $n$ rows (a row
# for each pair, a column for each pixel) and returns the `m` and `s` of $h = \lceil n/2 \rceil$ rows: row $t$ is merged with row $t + h$. With an odd $n$, row $h - 1$ has no partner and stays as it is. Two pairs
# become one by the rule of the lecture:
#
# $$m' = \max(m_1, m_2) \qquad\qquad s' = s_1 \, e^{m_1 - m'} + s_2 \, e^{m_2 - m'}$$
#
# Scores may be large: $e^{1000}$ is infinite, and no number that you compute may be. The arguments are left as they are, and the dtype stays.
#
# Example: one pixel, three rows with $m$ = log 2, log 3, log 4 and $s$ = 1, 1, 1. Rows 0 and 2 become log 4 and 1.5, row 1 stays: log 3 and 1. After one more round there is one row, log 4 and 2.25:
# $4 \cdot 2.25 = 2 + 3 + 4$.
#
# <details><summary>Hint 1</summary>`h = (n + 1) // 2`; the partners of the first n − h rows are the rows from h on.</details>
# <details><summary>Hint 2</summary>Copy the first h rows, and change the first n − h of them. Every exponent that occurs is 0 or negative.</details>

# %% segedu={"role": "answer", "question": "merge_round"}
def merge_round(m, s):
    """m, s: n×N, with n ≥ 2. Returns (m, s) of half as many rows, rounded up."""
    ### BEGIN SOLUTION
    half = (len(m) + 1) // 2
    pairs = len(m) - half
    larger = np.maximum(m[:pairs], m[half:])
    new_m, new_s = m[:half].copy(), s[:half].copy()
    new_m[:pairs] = larger
    new_s[:pairs] = s[:pairs] * np.exp(m[:pairs] - larger) + s[half:] * np.exp(m[half:] - larger)
    return new_m, new_s
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks of question 2 use
def merged(m, s):
    """One round in PyTorch, in float64, and what typical mistakes make of it."""
    half = (len(m) + 1) // 2
    rows = [torch.stack([torch.from_numpy(z[t : t + 1 + half : half].astype(np.float64)) for z in (m, s)], 1) for t in range(half)]
    new_m = torch.stack([row[:, 0].max(dim=0).values for row in rows])
    total = torch.stack([torch.logsumexp(row[:, 0] + row[:, 1].log(), dim=0) for row in rows])
    new_s = torch.exp(total - new_m)
    near = torch.stack([torch.from_numpy(m[2 * t : 2 * t + 2].astype(np.float64)).max(dim=0).values for t in range(half)])
    plain = torch.stack([row[:, 1].sum(dim=0) for row in rows])
    return new_m.numpy(), new_s.numpy(), near.numpy(), plain.numpy()


def check_merge(m, s):
    """Compare one round of merge_round with PyTorch's logsumexp."""
    before = m.copy(), s.copy()
    with np.errstate(all="ignore"):
        found = merge_round(m, s)
    assert isinstance(found, tuple | list), "return two arrays: m and s"
    assert len(found) == 2, f"return two arrays, m and s, not {len(found)}"
    new_m, new_s, near, plain = (z.astype(m.dtype) for z in merged(*before))
    hints = [("what neighbours give: row t belongs to row t + h", near), ("s: return m first, then s", new_s)]
    compare.arrays(found[0], new_m, name="m", hints=hints, axes=("row", "pixel")).check()
    hints = [("the sums added as they are: each was made with an m of its own, correct it by exp(m − m')", plain)]
    compare.arrays(found[1], new_s, length=4, name="s", hints=hints, axes=("row", "pixel")).check()
    kept = np.array_equal(m, before[0]) and np.array_equal(s, before[1])
    assert kept, "m or s was changed in place: work on copies"

# %% segedu={"role": "check", "question": "merge_round", "points": 1}
# an even number of rows
check_merge(np.log([[2.0], [4.0]]), np.ones((2, 1)))
check_merge(rng.standard_normal((6, 5), dtype=np.float32), 1 + rng.random((6, 5), dtype=np.float32))

# %% segedu={"role": "check", "question": "merge_round", "points": 1}
# the example: an odd number of rows
check_merge(np.log([[2.0], [3.0], [4.0]]), np.ones((3, 1)))

# %% segedu={"role": "hidden", "question": "merge_round", "points": 1}
# large scores, rows that stand for no class, all rounds down to one row
m = 900 * rng.standard_normal((7, 4))
check_merge(m, 1 + rng.random((7, 4)))
check_merge(np.array([[5, -5], [LOWEST, LOWEST]], np.float32), np.array([[2, 3], [0, 0]], np.float32))
x = 50 * rng.standard_normal((int(rng.integers(9, 30)), 3))
m, s = x, np.ones_like(x)
while len(m) > 1:
    m, s = merge_round(m, s)
compare.arrays(m[0] + np.log(s[0]), torch.logsumexp(torch.from_numpy(x), dim=0), length=len(x), name="m + log s after all rounds").check()

# %% [markdown]
# ## 3 · A warp finds the best class (4 points)
#
# A classifier has many classes and few pixels, so a warp works on each pixel, as in section 8 of the lecture: `threadIdx.x` is the lane, `threadIdx.y` counts the warps of a block. The scores are
# pixels × classes. Lane k looks at the classes k, k + 32, k + 64, …; then the lanes put together what they found. Write to `labels` the class with the largest score, and to `best` that score. Of equal scores
# the *smaller class* counts. There may be fewer than 32 classes, and more warps than pixels; all scores may be negative, none is below −3.4·10³⁸.
#
# Example: 3 classes with the scores −2, −1, −1. The label is 1, best is −1.
#
# <details><summary>Hint 1</summary>Each lane keeps a score and its class. What does a lane without a class bring, so that it never wins?</details>
# <details><summary>Hint 2</summary>Two shuffles a round: one for the score, one for the class. All 32 lanes come to both; then each lane decides which of the two pairs to keep.</details>
# <details><summary>Hint 3</summary>At equal scores compare the classes. Lane 5 may hold class 37, and lane 21 class 21.</details>

# %% language="cuda" magic_args="--mode check --quiet" segedu={"role": "answer", "question": "best_class"}
# extern "C" __global__ void best_class(const float* scores, long long* labels, float* best,
#                                       int classes, int count) {
#     int i = blockIdx.x * blockDim.y + threadIdx.y, lane = threadIdx.x;
#     // ### BEGIN SOLUTION
#     if (i >= count) return;  // all 32 lanes, or none
#     float m = -3.4e38f;
#     int label = 0;
#     for (int c = lane; c < classes; c += 32) {
#         float x = scores[i * classes + c];
#         if (x > m) m = x, label = c;
#     }
#     for (int apart = 16; apart > 0; apart /= 2) {
#         float other_m = __shfl_down_sync(0xffffffff, m, apart);
#         int other = __shfl_down_sync(0xffffffff, label, apart);
#         if (other_m > m || (other_m == m && other < label)) m = other_m, label = other;
#     }
#     if (lane == 0) labels[i] = label, best[i] = m;
#     // ### END SOLUTION
# }

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks of question 3 use
def check_best(scores):
    """Compare best_class with PyTorch's argmax and max."""
    count, classes = scores.shape
    labels, best = np.full(count, -1), np.full(count, np.nan, np.float32)
    launch(best_class, (blocks_for(count, 4),), (32, 4), (scores, labels, best, classes, count))
    target, largest = torch.from_numpy(scores).argmax(dim=1), torch.from_numpy(scores).max(dim=1).values
    first_lane, half_warp = scores[:, ::32], np.where(np.arange(classes) % 32 < 16, scores, -np.inf)
    above_0 = np.maximum(scores.max(axis=1), 0)
    hints = [
        (EMPTY, np.full(count, np.nan, np.float32)),
        ("the best of lane 0 alone, classes 0, 32, 64, …: the lanes have to put together what they found", first_lane.max(axis=1)),
        ("the best of lanes 0 to 15: the first partner is 16 apart", half_warp.max(axis=1)),
        ("0 where all scores are negative: a lane without a class brings something below every score", above_0),
    ]
    compare.arrays(best, largest, name="best", hints=hints, axes=("pixel",)).check()
    last = classes - 1 - np.argmax(scores[:, ::-1], axis=1)
    met = [(int(f"{c % 32:05b}"[::-1], 2), c) for c in range(classes)]  # when lane 0 hears of class c
    tied = [np.flatnonzero(row == row.max()) for row in scores]
    last_of_lane = [min(same[same % 32 == lane].max() for lane in same % 32) for same in tied]
    first_met = [min(met[c] for c in range(classes) if row[c] == row.max())[1] for row in scores]
    hints = [
        (EMPTY, np.full(count, -1)),
        ("the last class of equal scores: the smaller one counts", last),
        ("the class of equal scores that lane 0 met first: compare the classes", np.array(first_met)),
        ("the last of the equal scores that one lane has: a lane, too, keeps the first", np.array(last_of_lane)),
    ]
    compare.arrays(labels, target, name="labels", hints=hints, axes=("pixel",)).check()

# %% segedu={"role": "check", "question": "best_class", "points": 1}
# 100 classes
check_best(rng.standard_normal((8, 100), dtype=np.float32))

# %% segedu={"role": "check", "question": "best_class", "points": 1}
# the example: few classes, negative and equal scores; more warps than pixels
check_best(np.array([[-2, -1, -1], [-3, -3, -3]], np.float32))

# %% segedu={"role": "hidden", "question": "best_class", "points": 2}
# any number of classes, many equal scores
for classes in (int(rng.integers(129, 200)), int(rng.integers(4, 32)), 64):
    count = int(rng.integers(5, 14))
    check_best(rng.standard_normal((count, classes), dtype=np.float32))
    check_best(rng.integers(-9, -5, (count, classes)).astype(np.float32))
check_best(rng.integers(-9, -5, (6, 40)).astype(np.float32) * 1e37)

# %% [markdown]
# ## 4 · A loss with a weight for each pixel (5 points)
#
# Some pixels matter more than others: those at borders between cells, say. The loss of pixel $i$ with the true class $y$ gets a weight $w_i$:
#
# $$\ell_i = w_i \left( m + \log \sum_c e^{x_c - m} - x_y \right) \qquad\qquad \frac{\partial \ell_i}{\partial x_c} = w_i \left( \frac{e^{x_c - m}}{\sum_k e^{x_k - m}} - [c = y] \right)$$
#
# Write loss and gradient as one kernel, with a thread for each pixel. The scores are images × classes × pixels: class 0 of pixel `i` lies at `first`, and the next class `pixels` further on. A pixel whose label is
# `ignored` is void: it has no loss, and its gradient is 0, whatever its weight. `total` gets the sum of all losses added; `dx` the gradient, times `scale`. `dx` comes filled with NaN. Blocks have
# 64 threads, and there may be more threads than pixels.
#
# `include` and `add_up` are the lecture's and stand in the cell: `include(x, m, s)` takes a score into $m$ and $s$, and `add_up(loss, total)` adds up the losses of a warp by shuffles.
#
# Example: one pixel, scores 0 and log 3, label 1, weight 2, scale 1. Then p is ¼ and ¾, the loss is 2 · log(4/3) ≈ 0.575, and the gradient 0.5 and −0.5.
#
# <details><summary>Hint 1</summary>Start from the kernel `cross_entropy` of the lecture: where does the weight enter?</details>
# <details><summary>Hint 2</summary>The label of a void pixel is no class. Read the score of the label only after asking.</details>
# <details><summary>Hint 3</summary>`add_up` has a shuffle: every thread must come, also those beyond `count`. What do they bring?</details>

# %% language="cuda" magic_args="--mode check --quiet" segedu={"role": "answer", "question": "weighted_loss"}
# __device__ void include(float x, float& m, float& s) {
#     float larger = fmaxf(m, x);
#     s = s * expf(m - larger) + expf(x - larger);
#     m = larger;
# }
# __device__ void add_up(double loss, double* total) {  // all 32 lanes of a warp have to come
#     for (int apart = 16; apart > 0; apart /= 2)
#         loss += __shfl_down_sync(0xffffffff, loss, apart);
#     if (threadIdx.x % 32 == 0) atomicAdd(total, loss);
# }
# extern "C" __global__ void weighted_loss(
#         const float* scores, const long long* labels, const float* weights, float* dx,
#         double* total, int classes, int pixels, int count, long long ignored, float scale) {
#     int i = blockIdx.x * blockDim.x + threadIdx.x;
#     int first = i / pixels * classes * pixels + i % pixels;
#     // ### BEGIN SOLUTION
#     double loss = 0;
#     if (i < count) {
#         const float* x = scores + first;
#         float m = -3.4e38f, s = 0;
#         for (int c = 0; c < classes; ++c) include(x[c * pixels], m, s);
#         bool counts = labels[i] != ignored;
#         if (counts) loss = weights[i] * (m + logf(s) - x[labels[i] * pixels]);
#         for (int c = 0; c < classes; ++c) {
#             float p = expf(x[c * pixels] - m) / s;
#             dx[first + c * pixels] = counts ? scale * weights[i] * (p - (c == labels[i])) : 0;
#         }
#     }
#     add_up(loss, total);
#     // ### END SOLUTION
# }

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks of question 4 use
def weighted(x, labels, weights, part):
    """Loss and gradient in PyTorch. `part` leaves something out, as typical mistakes do."""
    weights = np.where(labels == 255, np.float32(0), weights)  # whatever they were
    x, labels = torch.from_numpy(x).requires_grad_(), torch.from_numpy(labels)
    losses = torch.from_numpy(weights) * F.cross_entropy(x, labels, ignore_index=255, reduction="none")
    losses.sum().backward()
    gradient = x.grad.numpy()
    if part == "p":  # the [c = y] is missing
        known = F.one_hot(labels.where(labels != 255, 0), x.shape[1]).permute(0, 3, 1, 2) * (labels != 255)[:, None]
        gradient = gradient + known.numpy() * weights[:, None]
    return np.float32(losses.sum().item()), gradient.astype(np.float32)


def check_loss(x, labels, weights, scale=1.0):
    """Compare weighted_loss with PyTorch's cross_entropy."""
    _, classes, *size = x.shape
    dx, total = np.full_like(x, np.nan), np.zeros(1)
    args = x, labels, weights, dx, total, classes, size[0] * size[1], labels.size, 255, np.float32(scale)
    launch(weighted_loss, (blocks_for(labels.size, 64),), (64,), args)

    why = "exp(200) is too large for float32, and exp(−200) is 0. Take the largest score away first, as include does"
    if not np.isfinite(weights).all():
        why = "a void pixel has no loss, whatever its weight, and 0 · NaN is NaN"
    assert np.isfinite(total[0]), f"total is {total[0]}: {why}"
    ones = np.ones_like(weights)
    loss, gradient = weighted(x, labels, weights, "")
    unweighted, plain = weighted(x, labels, ones, "")
    valid = (labels != 255).sum()
    hints = [
        ("0, as it came: nothing was added to total", np.float32(0)),
        ("the loss without weights", unweighted),
        ("a mean over the pixels: the sum is asked for", np.float32(loss / valid)),
        ("the loss times scale: that belongs to the gradient alone", np.float32(loss * scale)),
    ]
    compare.arrays(np.float32(total[0]), loss, length=classes * labels.size, name="total", hints=hints).check()
    void = np.where(labels == 255, np.nan, 0)[:, None].astype(np.float32)
    hints = [
        ("the NaN with which dx came: nothing was written", np.full_like(dx, np.nan)),
        ("the gradient without weights", scale * plain),
        ("the gradient without scale", gradient),
        ("the probabilities: at the label, 1 is taken away", scale * weighted(x, labels, weights, "p")[1]),
        ("the right one but for void pixels, to which nothing was written: their gradient is 0", scale * gradient + void),
        ("the gradient divided by the number of pixels that count: scale has that", (scale * gradient / valid).astype(np.float32)),
    ]
    compare.arrays(dx, np.float32(scale) * gradient, length=classes, name="dx", hints=hints).check()

# %% segedu={"role": "check", "question": "weighted_loss", "points": 1}
# the example; then one image, a block for its pixels
check_loss(np.log([[[[1.0]], [[3.0]]]]).astype(np.float32), np.array([[[1]]]), np.full((1, 1, 1), 2, np.float32))
check_loss(rng.standard_normal((1, 3, 8, 8), dtype=np.float32), rng.integers(0, 3, (1, 8, 8)), rng.random((1, 8, 8), dtype=np.float32))

# %% segedu={"role": "check", "question": "weighted_loss", "points": 2}
# two images, void pixels, threads to spare, a scale
labels = rng.integers(0, 4, (2, 5, 9))
labels[:, 1, 2:6] = 255
check_loss(rng.standard_normal((2, 4, 5, 9), dtype=np.float32), labels, 2 * rng.random((2, 5, 9), dtype=np.float32), scale=0.25)

# %% segedu={"role": "hidden", "question": "weighted_loss", "points": 2}
# any size and number of classes, large scores
for size, shift in ((1, 0), (200, 0), (1, -150)):
    images, classes, height, width = rng.integers((1, 2, 3, 4), (4, 9, 12, 14)).tolist()
    labels = rng.integers(0, classes, (images, height, width))
    labels[rng.random(labels.shape) < 0.2] = 255
    x = shift + size * rng.standard_normal((images, classes, height, width), dtype=np.float32)
    check_loss(x, labels, 3 * rng.random(labels.shape, dtype=np.float32), scale=1 / labels.size)
weights = np.where(labels == 255, np.float32(np.nan), rng.random(labels.shape, dtype=np.float32))
check_loss(x, labels, weights)

# %% [markdown]
# ## 5 · Count what IoU and Dice need (5 points)
#
# A confusion matrix of 150 classes does not fit into the shared memory of a block. IoU and Dice need less: for each class the pixels that are hit (prediction and target agree), those of the target, and those of the
# prediction: in the lecture's letters $n_{cc}$, $t_c$ and $p_c$. That is $3 \cdot \text{classes}$ cells.
#
# $$\text{IoU}_c = \frac{n_{cc}}{t_c + p_c - n_{cc}} \qquad\qquad \text{Dice}_c = \frac{2\, n_{cc}}{t_c + p_c}$$
#
# Write `class_counts` as the lecture's `confusion`: each block counts in shared memory, then adds its counts to `areas`, which has 3 × classes numbers, rows hits, target, prediction, and comes filled with 0. A
# pixel whose *target* is `ignored` is void and counts nowhere, not in the prediction either. There may be fewer threads than pixels, and fewer than cells. The launch gives `shared_mem=12 * classes`.
#
# Example: the target 0 1 1 void and the prediction 0 1 0 1, two classes. Hits 1 1, target 1 2, prediction 2 1.
#
# <details><summary>Hint 1</summary>Three parts, with a barrier between each two: set the cells to 0, count, add to `areas`. Which threads do the first and the last?</details>
# <details><summary>Hint 2</summary>A thread walks over the pixels i, i + step, i + 2 · step, …, where `step` is the number of all threads.</details>
# <details><summary>Hint 3</summary>Cell c holds the hits of class c, cell classes + c its target, cell 2 · classes + c its prediction.</details>

# %% language="cuda" magic_args="--mode check --quiet" segedu={"role": "answer", "question": "class_counts"}
# extern "C" __global__ void class_counts(const long long* prediction, const long long* target,
#                                         unsigned* areas, int classes, int pixels, int ignored) {
#     extern __shared__ unsigned counts[];
#     int cells = 3 * classes, step = gridDim.x * blockDim.x;
#     // ### BEGIN SOLUTION
#     for (int k = threadIdx.x; k < cells; k += blockDim.x) counts[k] = 0;
#     __syncthreads();  // all cells are 0
#     for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < pixels; i += step) {
#         if (target[i] == ignored) continue;
#         if (prediction[i] == target[i]) atomicAdd(&counts[target[i]], 1u);
#         atomicAdd(&counts[classes + target[i]], 1u);
#         atomicAdd(&counts[2 * classes + prediction[i]], 1u);
#     }
#     __syncthreads();  // all pixels are counted
#     for (int k = threadIdx.x; k < cells; k += blockDim.x) atomicAdd(&areas[k], counts[k]);
#     // ### END SOLUTION
# }

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks of question 5 use
def counted(prediction, target, classes):
    """Hits, target and prediction of each class in PyTorch."""
    p, t = (torch.from_numpy(z).reshape(-1) for z in (prediction, target))
    return torch.stack([z.bincount(minlength=classes)[:classes] for z in (t[p == t], t[t != 255], p[t != 255])]).numpy()


def check_counts(prediction, target, classes, blocks=2, threads=32):
    """Compare class_counts with PyTorch's bincount."""
    areas = np.zeros((3, classes), np.uint32)
    args = prediction, target, areas, classes, target.size, 255
    launch(class_counts, (blocks,), (threads,), args, shared_mem=12 * classes)

    expected, flat = counted(prediction, target, classes), (prediction.reshape(-1), target.reshape(-1))
    void_too = expected.copy()
    void_too[2] = np.bincount(prediction.reshape(-1), minlength=classes)
    short_step = sum(counted(*(z[b * threads :] for z in flat), classes) for b in range(blocks))
    first_round = counted(*(z[: blocks * threads] for z in flat), classes)
    hints = [
        ("0, as it came: nothing was added to areas", np.zeros_like(expected)),
        ("the counts with void pixels in the prediction: they count nowhere", void_too),
        ("the counts of one pixel for each thread: a thread goes on with i + step", first_round),
        ("the counts if every block counts every pixel: a block begins at its own pixels", blocks * expected),
        ("the counts if a thread goes on with i + blockDim.x: step is the number of all threads", short_step),
        ("the counts with target and prediction exchanged", expected[[0, 2, 1]]),
        ("the counts with a hit for every pixel: only where prediction and target agree", expected[[1, 1, 2]]),
    ]
    compare.arrays(areas.astype(np.int64), expected, name="areas", hints=hints, axes=("row", "class")).check()

# %% segedu={"role": "check", "question": "class_counts", "points": 1}
# the example; then one block, no void
check_counts(np.array([0, 1, 0, 1]), np.array([0, 1, 1, 255]), 2)
check_counts(rng.integers(0, 4, (6, 9)), rng.integers(0, 4, (6, 9)), 4, blocks=1)

# %% segedu={"role": "check", "question": "class_counts", "points": 2}
# several blocks, more cells than threads, void pixels
target = rng.integers(0, 40, (15, 20))
prediction = np.where(rng.random(target.shape) < 0.5, target, rng.integers(0, 40, target.shape))
target[::4] = 255
check_counts(prediction, target, 40, blocks=3)

# %% segedu={"role": "hidden", "question": "class_counts", "points": 2}
# any size, any number of blocks, 150 classes, absent classes
for classes in (150, int(rng.integers(2, 12))):
    target = rng.integers(0, classes, rng.integers(14, 20, 2))  # more pixels than threads
    prediction = np.where(rng.random(target.shape) < 0.6, target, rng.integers(0, classes, target.shape))
    target[rng.random(target.shape) < 0.2] = 255
    check_counts(prediction, target, classes, blocks=int(rng.integers(2, 4)), threads=64)

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "class_counts"}
# Figure: IoU and Dice of a street, from your counts
from matplotlib import pyplot as plt

scene = street(seed=4, size=(128, 192)).with_void(1)
known = np.where(scene.labels == 255, 0, scene.labels)
moved, classes = np.roll(known, (2, 3), axis=(0, 1)).astype(np.int64), len(scene.classes)
areas = np.zeros((3, classes), np.uint32)
args = moved, scene.labels.astype(np.int64), areas, classes, moved.size, 255
try:
    class_counts((8,), (64,), args, shared_mem=12 * classes)
    hits, truth, guess = areas.astype(float)
    if areas.any():
        fig, ax = plt.subplots(figsize=(9, 3.2), layout="constrained")
        with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: an absent class has no bar
            pair = hits / (truth + guess - hits), 2 * hits / (truth + guess)
        for shift, scores, hatch in zip((-0.2, 0.2), pair, ("", "//"), strict=True):
            ax.bar(np.arange(classes) + shift, scores, 0.4, color=scene.palette / 255, edgecolor="black", hatch=hatch)
        ax.set_xticks(np.arange(classes), scene.classes)
        ax.set_ylim(0, 1)
        ax.set_title("a street moved by 2 rows and 3 columns: IoU, and Dice hatched")
        figures.show(fig, alt="Two bars for each class that is hit in a street; the Dice bar is higher than the IoU bar.", dpi=80)
    else:
        print("Write the answer first; then this cell shows IoU and Dice.")
except cuda.KernelError as error:
    print(error)

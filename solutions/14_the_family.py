# %% [markdown]
# # Exercises 14 · The family
#
# You count what convolutions with holes see, write such a convolution, build pyramid pooling from matrices, and chain residual poolings. You need lecture 14. Everything is plain NumPy, on
# arrays; no network is needed. Write in the cells that say `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

rng = np.random.default_rng(14)


def enlarge(x, height, width):
    """Bilinear interpolation, align_corners=False: N×C×h×w to N×C×height×width. For question 4."""
    for axis, size in ((2, height), (3, width)):
        old = np.moveaxis(x, axis, -1)
        last = old.shape[-1] - 1
        place = np.clip((np.arange(size) + 0.5) * (last + 1) / size - 0.5, 0, last)
        left = place.astype(int)
        share = place - left
        new = (1 - share) * old[..., left] + share * old[..., np.minimum(left + 1, last)]
        x = np.moveaxis(new, -1, axis)
    return x

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks need
import torch
import torch.nn.functional as F
from segedu import compare, figures
from segedu.data.photographs import as_chw, photograph

figures.use_style()


def check_atrous(x, weight, rate):
    """Compare atrous with PyTorch's conv2d."""
    padding = tuple(r * (k // 2) for r, k in zip(rate, weight.shape[2:], strict=True))
    arguments = x, weight, None, 1, padding, rate
    x, weight = torch.from_numpy(x), torch.from_numpy(weight)
    right = F.conv2d(x, weight, padding=padding, dilation=rate)
    exchanged = F.conv2d(x, weight, padding="same", dilation=rate[::-1]).numpy()
    plain = F.conv2d(x, weight, padding="same").numpy()
    hints = [
        ("a convolution with the rates exchanged: the first is for rows", exchanged),
        ("a convolution without holes: neighbouring weights meet pixels that lie r (or s) apart", plain),
    ]
    about = {"operator": "conv2d", "args": arguments, "kwargs": {}, "reference": F.conv2d}
    got = atrous(arguments[0].copy(), arguments[1].copy(), rate)
    return compare.arrays(got, right, length=weight[0].numel(), name="atrous", hints=hints, context=about).check()


def averages(n, b):
    """PyTorch's means of b parts, as a matrix."""
    return F.adaptive_avg_pool1d(torch.eye(n, dtype=torch.float64), b).numpy().T


def apart(n, b):
    """The same for parts without the rows that the next part has, too."""
    parts = averages(n, b) > 0
    parts[:-1] &= ~parts[1:].copy()
    return parts / np.maximum(parts.sum(1, keepdims=True), 1)


def check_matrix(n, b):
    """Compare averaging_matrix with PyTorch's adaptive pooling of the unit matrix."""
    right, size = averages(n, b), n // b
    even = np.zeros((b, n))
    even[:, : b * size] = np.kron(np.eye(b), np.full(size, 1 / max(size, 1)))
    shared = np.kron(np.eye(b), np.ones(n)).reshape(b, n, b).mean(axis=2) * b / n
    hints = [
        ("sums in place of means: each row adds up to 1", np.sign(right)),
        ("the matrix transposed: it has a row for each part", right.T),
        ("parts that end at ⌊(i + 1)n/b⌋: round up at the end", apart(n, b)),
        ("parts that begin at ⌈in/b⌉: round down at the beginning", apart(n, b)[::-1, ::-1]),
        ("parts of n // b rows each: some rows at the end belong to no part", even),
        ("parts of n/b rows that share a row between them: it counts in both as a whole one", shared),
        ("means with the divisor n/b everywhere: count the rows of each part", np.sign(right) * b / n),
    ]
    got = averaging_matrix(n, b)
    return compare.arrays(got, right, name="averaging_matrix", hints=hints, axes=("part", "row of the map")).check()


def pyramid(x, weights, bins, pool=F.adaptive_avg_pool2d, mode="bilinear", after=lambda level: level):
    """PyTorch's levels of the pyramid, the map itself first."""
    x, levels = torch.from_numpy(x), [torch.from_numpy(x)]
    for weight, b in zip(weights, bins, strict=True):
        level = after(F.conv2d(pool(x, b), torch.from_numpy(weight)[:, :, None, None]))
        levels.append(F.interpolate(level, x.shape[2:], mode=mode))
    return [level.numpy() for level in levels]


def disjoint(x, b):
    """Means over parts that end where the next one begins."""
    rows, columns = (torch.from_numpy(apart(n, b)) for n in x.shape[2:])
    return torch.einsum("ai,ncij,bj->ncab", rows, x, columns)


def check_pyramid(x, weights, bins):
    """Compare pyramid_pooling with PyTorch."""
    first, *levels = pyramid(x, weights, bins)
    hints = [
        ("the levels without the map: it comes first", levels),
        ("the map behind its levels: it comes first", [*levels, first]),
        ("the levels in reverse order", [first, *levels[::-1]]),
        ("levels enlarged by repeating pixels: blend them, with enlarge", pyramid(x, weights, bins, mode="nearest")),
        ("means of parts that never overlap: round the end of a part up", pyramid(x, weights, bins, disjoint)),
        ("the maximum of each part in place of its mean", pyramid(x, weights, bins, F.adaptive_max_pool2d)),
        ("the first matrix at every level: each has its own", pyramid(x, weights[:1] * len(bins), bins)),
        ("levels with a ReLU: there is none here", pyramid(x, weights, bins, after=F.relu)),
    ]
    hints = [(text, np.concatenate(maps, axis=1)) for text, maps in hints]
    right = np.concatenate([first, *levels], axis=1)
    got = pyramid_pooling(x, weights, bins)
    return compare.arrays(got, right, length=x[0].size, name="pyramid_pooling", hints=hints).check()


def chained(x, weights, k, first=F.relu, between=lambda c: c, source="link", fill=-np.inf):
    """PyTorch's chained residual pooling: the sum, the map it began with and the last link."""
    u = total = link = first(torch.from_numpy(x))
    for weight in weights:
        pooled_from = {"link": link, "u": u, "total": total}[source]
        pooled = F.max_pool2d(F.pad(pooled_from, (k // 2,) * 4, value=fill), k, stride=1)
        link = between(torch.einsum("dc,nchw->ndhw", torch.from_numpy(weight), pooled))
        total = total + link
    return total.numpy(), u.numpy(), link.numpy()


def convolved_first(x, weights, k):
    """The sum with pooling and convolution exchanged."""
    total = link = F.relu(torch.from_numpy(x))
    for weight in weights:
        link = F.max_pool2d(torch.einsum("dc,nchw->ndhw", torch.from_numpy(weight), link), k, 1, k // 2)
        total = total + link
    return total.numpy()


def check_chain(x, weights, k):
    """Compare chained_residual_pooling with PyTorch."""
    right, u, last = chained(x, weights, k)
    hints = [
        ("the sum without the first ReLU", chained(x, weights, k, first=lambda x: x)[0]),
        ("the sum with every link pooled from u: each pools the link before", chained(x, weights, k, source="u")[0]),
        ("the sum with every link pooled from the sum so far: each pools the link before",
         chained(x, weights, k, source="total")[0]),
        ("the last link alone: add up u and all links", last),
        ("the sum of the links without u", right - u),
        ("the sum with the padding counted as 0: a link may be negative, so fill it with −∞",
         chained(x, weights, k, fill=0)[0]),
        ("the sum with a ReLU after every link: there is one only, at the beginning",
         chained(x, weights, k, between=F.relu)[0]),
        ("the sum with links that are convolved before they are pooled: pool first", convolved_first(x, weights, k)),
        ("the sum with every matrix transposed: its rows belong to the results", chained(x, [w.T for w in weights], k)[0]),
    ]
    got = chained_residual_pooling(x, weights, k)
    return compare.arrays(got, right, length=3 * len(weights), name="chained_residual_pooling", hints=hints).check()

# %% [markdown]
# ## 1 · What holes see (3 points)
#
# Two 3×3 convolutions follow each other, both of rate 3 and stride 1. Look along one row of the map, through the middle of one result.
#
# * How many pixels wide is the stretch from the first to the last pixel that this result depends on? Count both.
# * On how many pixels of that stretch does it depend?
#
# Another layer is a 5×5 convolution of rate 6.
#
# * Which padding, on each side, keeps the size of the map?
#
# Work it out by hand; write `width, used, padding = …`.

# %% segedu={"role": "answer", "question": "holes"}
### BEGIN SOLUTION
width, used, padding = 13, 5, 12
### END SOLUTION

# %% segedu={"role": "check", "question": "holes", "points": 1}
# the width of what is seen
row = torch.zeros(1, 1, 1, 41, dtype=torch.float64)
row[..., 20] = 1
for _ in range(2):
    row = F.conv2d(row, torch.ones(1, 1, 1, 3, dtype=torch.float64), padding=(0, 3), dilation=(1, 3))
seen = np.flatnonzero(row[0, 0, 0])
assert width != 7, "that is one layer: the second one reaches further"
assert width != 5, "that is the width without holes: a weight at rate r lies r pixels from its neighbour"
assert width != 14, "two stretches side by side: the second layer adds to the first what it reaches beyond its middle"
assert width == seen[-1] - seen[0] + 1, "width: not right. How far, to each side, does each layer reach?"
print("the width is right")

# %% segedu={"role": "check", "question": "holes", "points": 1}
# the pixels that count
assert used != seen[-1] - seen[0] + 1, "that is all of the stretch: some pixels in it are never touched"
assert used != 9, "3 · 3 ways lead to pixels, but some ways end at the same one: write down where each ends"
assert used != 3, "that is one layer; the second one takes three results of the first"
assert used == len(seen), "used: not right. From each weight of the second layer, where do those of the first lie?"
print("the number of pixels is right")

# %% segedu={"role": "check", "question": "holes", "points": 1}
# the padding
assert padding != 6, "the rate is the padding of a 3×3 kernel; this one is wider"
assert padding != 2, "that is the padding without holes"
assert padding != 24, "that is both sides together"
assert padding == int(padding) >= 0, "padding is a whole number of pixels"
size = F.conv2d(torch.zeros(1, 1, 50, 50), torch.zeros(1, 1, 5, 5), padding=int(padding), dilation=6).shape[2]
assert size == 50, f"padding: 50 rows become {size}. How far from the middle weight lies the first one?"
print("the padding is right")

# %% [markdown]
# ## 2 · Convolution with holes (5 points)
#
# The lecture's programs make the map smaller. Yours keeps its size, has kernels of any odd height and width, and a rate for rows and one for columns. `atrous(x, weight, rate)` takes maps of
# N×C×H×W, weights of K×C×h×w with odd h and w, and the pair rate = (r, s), and returns N×K×H×W in the dtype of x:
#
# $$y_{nkij} = \sum_{c,a,b} w_{kcab}\; x_{n,\,c,\; i + r(a - \lfloor h/2 \rfloor),\; j + s(b - \lfloor w/2 \rfloor)}$$
#
# Outside the map x is 0. A rate may be larger than the map.
#
# Example: the row 1, 2, 3, 4, 5 with the weights 1, 10, 100 and rate (1, 2) becomes 310, 420, 531, 42, 53.
#
# <details><summary>Hint 1</summary>Put zeros round the map first: how many rows does the sum reach above it, how many columns to its left?</details>
# <details><summary>Hint 2</summary>In the larger map, what weight (a, b) meets is one slice of H×W numbers. Where does it begin?</details>
# <details><summary>Hint 3</summary>Add up, over all (a, b): `np.einsum("kc,ncij->nkij", weight[:, :, a, b], slice)`.</details>

# %% segedu={"role": "answer", "question": "atrous"}
def atrous(x, weight, rate):
    """x: N×C×H×W, weight: K×C×h×w, rate: a pair. Returns N×K×H×W."""
    ### BEGIN SOLUTION
    (r, s), (h, w), (height, width) = rate, weight.shape[2:], x.shape[2:]
    top, left = r * (h // 2), s * (w // 2)
    padded = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
    y = np.zeros((len(x), len(weight), height, width), x.dtype)
    for a in range(h):
        for b in range(w):
            met = padded[:, :, r * a : r * a + height, s * b : s * b + width]
            y += np.einsum("kc,ncij->nkij", weight[:, :, a, b], met)
    return y
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "atrous"}
# Figure: the difference to the left and right neighbour, at two rates
camera = as_chw(photograph("camera", size=(96, 144)))[None, :1]
slope = np.array([[[[-1.0, 0.0, 1.0]]]], np.float32)
try:
    pictures = []
    for rate in ((1, 1), (1, 6)):
        yours = atrous(camera, slope, rate)
        settings = {"padding": (0, rate[1]), "dilation": rate}
        target = F.conv2d(torch.from_numpy(camera), torch.from_numpy(slope), **settings).numpy()
        pictures += [camera[0, 0], *(np.clip(0.5 + y[0, 0] / 2, 0, 1) for y in (yours, target))]
    titles = ["photograph", "yours, rate (1, 1)", "PyTorch's", "photograph", "yours, rate (1, 6)", "PyTorch's"]
    fig = figures.images_row(pictures, titles, columns=3)
    alt = "A cameraman; his edges as thin lines, then as wide double lines: by your function and by PyTorch's."
    figures.show(fig, alt=alt)
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "atrous", "points": 1}
# the example: one channel, one row
check_atrous(np.array([[[[1.0, 2, 3, 4, 5]]]]), np.array([[[[1.0, 10, 100]]]]), (1, 2))

# %% segedu={"role": "check", "question": "atrous", "points": 1}
# several channels, 3×3, rate 2, float32
x, weight = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 3, 7, 7), (4, 3, 3, 3)))
check_atrous(x, weight, (2, 2))

# %% segedu={"role": "hidden", "question": "atrous", "points": 2}
# kernels and rates that differ between rows and columns, any size
for h, w, rate in [(3, 5, (2, 1)), (1, 3, (3, 2)), (5, 3, (1, 3))]:
    x, weight = rng.standard_normal((2, 3, *rng.permutation(np.arange(7, 12))[:2])), rng.standard_normal((2, 3, h, w))
    check_atrous(x, weight, rate)

# %% segedu={"role": "hidden", "question": "atrous", "points": 1}
# a rate larger than the map: only the weights of the middle row or column are left
x, weight = rng.standard_normal((1, 2, 4, 6)), rng.standard_normal((3, 2, 3, 3))
check_atrous(x, weight, (9, 2))
check_atrous(x, weight, (1, 13))

# %% [markdown]
# ## 3 · Means as a matrix (3 points)
#
# Pyramid pooling cuts a map into b parts along each axis. Along one axis of n rows, that is a product with a matrix: `averaging_matrix(n, b)` returns it, b×n in float64. Row $i$ of
# it takes the mean of part $i$, which covers rows $\lfloor in/b \rfloor$ up to, not including, $\lceil (i+1)n/b \rceil$. There may be more parts than rows.
#
# Example: n = 5 and b = 2 give ⅓ ⅓ ⅓ 0 0 and 0 0 ⅓ ⅓ ⅓: the middle row belongs to both parts.
#
# <details><summary>Hint 1</summary>Zeros first; then fill row i from its first to its last column with 1 over their number.</details>
# <details><summary>Hint 2</summary>Rounded down: `i * n // b`. Rounded up: `-(-k // b)`. Whole numbers stay exact; multiples of `n / b` need not.</details>

# %% segedu={"role": "answer", "question": "averaging_matrix"}
def averaging_matrix(n, b):
    """Returns b×n, float64: row i takes the mean of part i of n rows."""
    ### BEGIN SOLUTION
    matrix = np.zeros((b, n))
    for i in range(b):
        start, stop = i * n // b, -(-(i + 1) * n // b)
        matrix[i, start:stop] = 1 / (stop - start)
    return matrix
    ### END SOLUTION

# %% segedu={"role": "check", "question": "averaging_matrix", "points": 1}
# the example, and parts that do not overlap
check_matrix(5, 2)
check_matrix(6, 3)

# %% segedu={"role": "hidden", "question": "averaging_matrix", "points": 1}
# any number of rows and of parts
for b in (3, 4, 6):
    check_matrix(int(rng.integers(b + 1, 20)), b)
check_matrix(29, 7)  # rounded up, (i + 1) · (29 / 7) is one too many for some part

# %% segedu={"role": "hidden", "question": "averaging_matrix", "points": 1}
# more parts than rows
for n, b in [(2, 3), (4, 6), (1, 5)]:
    check_matrix(n, b)

# %% [markdown]
# ## 4 · Pyramid pooling (4 points)
#
# `pyramid_pooling(x, weights, bins)` takes a map of N×C×H×W, and for each number b in the list `bins` a matrix of Q×C in the list `weights`. Each level is made so: the means of x over b×b parts;
# the matrix, as a 1×1 convolution (no batch normalisation, no ReLU); enlarged to H×W by bilinear interpolation. The result is x itself, then the levels in their order, stacked
# as channels. All numbers are float64. `enlarge(x, height, width)`, from the first cell of this notebook, does the interpolation; you may call it.
#
# Example: the map has two equal rows 1, 3, 5, 7, the only matrix is 10, bins is [2]. The means are 2 and 6, twice; times 10 that makes 20 and 60; enlarged, 20, 30, 50, 60. The result has two channels: the
# map, and 20, 30, 50, 60 in both rows.
#
# <details><summary>Hint 1</summary>With the matrices A of question 3 for rows and B for columns, all means at once: `np.einsum("ai,ncij,bj->ncab", A, x, B)`. Two loops over the parts do it, too.</details>
# <details><summary>Hint 2</summary>A 1×1 convolution is `np.einsum("qc,ncij->nqij", weight, means)`.</details>
# <details><summary>Hint 3</summary>`np.concatenate(maps, axis=1)` stacks channels.</details>

# %% segedu={"role": "answer", "question": "pyramid_pooling"}
def pyramid_pooling(x, weights, bins):
    """x: N×C×H×W; weights: a list of Q×C; bins: a list of numbers. Returns N×(C + sum of Q)×H×W."""
    ### BEGIN SOLUTION
    height, width = x.shape[2:]
    maps = [x]
    for weight, b in zip(weights, bins, strict=True):
        rows, columns = averaging_matrix(height, b), averaging_matrix(width, b)
        means = np.einsum("ai,ncij,bj->ncab", rows, x, columns)
        maps.append(enlarge(np.einsum("qc,ncij->nqij", weight, means), height, width))
    return np.concatenate(maps, axis=1)
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "pyramid_pooling"}
# Figure: the levels of a photograph
coffee = as_chw(photograph("coffee", size=(96, 144)))[None].astype(float)
settings = [np.eye(3)] * 4, [1, 2, 3, 6]
try:
    yours = np.split(pyramid_pooling(coffee, *settings), 5, axis=1)
    pictures = [np.clip(level[0], 0, 1).transpose(1, 2, 0) for level in (*yours, *pyramid(coffee, *settings))]
    names = ["whole", "quarters", "ninths", "thirty-sixths"]
    titles = ["photograph", "yours: whole", *names[1:], "photograph", "PyTorch's: whole", *names[1:]]
    fig = figures.images_row(pictures, titles, columns=5)
    alt = "A cup of coffee; its mean colour, and blurred means of 4, 9 and 36 parts: yours above, PyTorch's below."
    figures.show(fig, alt=alt)
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "pyramid_pooling", "points": 1}
# the example
check_pyramid(np.array([[[[1.0, 3, 5, 7]] * 2]]), [np.array([[10.0]])], [2])

# %% segedu={"role": "check", "question": "pyramid_pooling", "points": 1}
# two levels, several channels
check_pyramid(rng.standard_normal((2, 4, 6, 6)), list(rng.standard_normal((2, 2, 4))), [1, 3])

# %% segedu={"role": "hidden", "question": "pyramid_pooling", "points": 2}
# four levels, and sizes that no level divides
for size in [(7, 10), tuple(int(n) for n in rng.integers(7, 14, 2))]:
    check_pyramid(rng.standard_normal((2, 4, *size)), list(rng.standard_normal((4, 3, 4))), [1, 2, 3, 6])

# %% [markdown]
# ## 5 · Chained residual pooling (4 points)
#
# A lighter RefineNet (Nekrasov and others, 2018) has 1×1 convolutions in its chain. `chained_residual_pooling(x, weights, k)` takes maps of N×C×H×W, a list of L matrices C×C and an odd k, and returns
# N×C×H×W, all in float64:
#
# $$y = u + \sum_{l=1}^{L} c_l, \qquad u = \text{relu}(x), \quad c_1 = W_1\, \text{pool}(u), \quad c_l = W_l\, \text{pool}(c_{l-1})$$
#
# *pool* is max pooling over k×k with stride 1; padding keeps the size, and never wins. $W_l$ multiplies the channels of every pixel: row $d$ of the matrix gives channel $d$ of the result.
#
# Example: one channel, k = 3, the matrices 1 and 10, and x one row −3, 0, 2, 0, 0, 0, 0. Then u is 0 0 2 0 0 0 0, the first link 0 2 2 2 0 0 0, the second
# 20 20 20 20 20 0 0, and the result 20, 22, 24, 22, 20, 0, 0.
#
# <details><summary>Hint 1</summary>Pooling with stride 1: pad with −∞; then the maximum over k² slices of the padded map, each of H×W. `np.maximum(a, b)` is the larger one, pixel by pixel.</details>
# <details><summary>Hint 2</summary>Or all windows at once: `np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(2, 3))`, and `.max` over the last two axes.</details>
# <details><summary>Hint 3</summary>Two variables: the sum so far, and the last link. Both begin as u.</details>

# %% segedu={"role": "answer", "question": "chained_residual_pooling"}
def chained_residual_pooling(x, weights, k):
    """x: N×C×H×W; weights: a list of C×C; k: odd. Returns N×C×H×W."""
    ### BEGIN SOLUTION
    p = k // 2
    total = link = np.maximum(x, 0)
    for weight in weights:
        padded = np.pad(link, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=-np.inf)
        pooled = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(2, 3)).max((-2, -1))
        link = np.einsum("dc,ncij->ndij", weight, pooled)
        total = total + link
    return total
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "chained_residual_pooling"}
# Figure: two pixels, and what becomes of them
dots = np.zeros((1, 1, 24, 36))
dots[0, 0, 8, 10], dots[0, 0, 14, 24] = 1, 2
try:
    links = [np.array([[1.0]])] * 2
    pictures = [dots[0, 0], chained_residual_pooling(dots, links, 5)[0, 0], chained(dots, links, 5)[0][0, 0]]
    fig = figures.images_row([z / 6 for z in pictures], ["two pixels", "yours: two links of 5×5", "PyTorch's"])
    alt = "Two dots on black; squares in squares round each, brightest in the middle: yours and PyTorch's."
    figures.show(fig, alt=alt)
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "chained_residual_pooling", "points": 1}
# the example
check_chain(np.array([[[[-3.0, 0, 2, 0, 0, 0, 0]]]]), [np.array([[1.0]]), np.array([[10.0]])], 3)

# %% segedu={"role": "check", "question": "chained_residual_pooling", "points": 1}
# two links, several channels
check_chain(rng.standard_normal((2, 3, 6, 6)), list(rng.standard_normal((2, 3, 3))), 3)

# %% segedu={"role": "hidden", "question": "chained_residual_pooling", "points": 2}
# one to four links, other windows, any size
for links, k, size in [(1, 5, 1), (3, 3, 1), (2, 3, 1e9), (4, 5, 1)]:
    x, weights = rng.standard_normal((2, 3, *rng.permutation(np.arange(5, 11))[:2])), rng.standard_normal((links, 3, 3))
    check_chain(x, list(weights if size == 1 else -size * abs(weights)), k)  # then links are far below 0

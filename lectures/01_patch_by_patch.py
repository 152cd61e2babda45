# %% [markdown]
# # Lecture 01 · Patch by patch
#
# The early way to segment a picture: slide a window over it, ask a classifier what lies in the middle of the window, write one pixel. It works, and it wastes work. The cure is
# **convolution**, the operation on which all later lectures build.
#
# After this lecture you can
#
# 1. label a picture window by window with a small classifier, and count what that costs,
# 2. say which work neighbouring windows share, and why doing it once is a convolution,
# 3. program `conv2d` in three ways: by loops, by *im2col*, and as shifted matrix products,
# 4. explain `stride`, `padding`, `dilation` and `groups`, and work out the size of the output,
# 5. recognise a flipped kernel,
# 6. derive and program the gradients for the input, the weights and the bias, and find edges in a photograph.
#
# About 90 minutes without the parts marked *at home*, and 10 more for section 19 after lecture 08; a good place for a break is after section 9. You need lecture 00 and some NumPy slicing. You need to know nothing about networks.

# %%
import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, figures
from segedu.data.photographs import as_chw, photograph
from segedu.data.synthetic import street
from segedu.numpy_ops import conv2d

figures.use_style()
rng = np.random.default_rng(1)

# %% [markdown]
# Images are arrays of channels × height × width here (C×H×W), as in PyTorch: first all red numbers, then all green, then all blue. `as_chw` turns a picture into such an array,
# with numbers from 0 to 1. For the classifier we subtract ½, so that they lie around 0.

# %% [markdown]
# ## 1 · One window, one label
#
# In lecture 00 a single pixel did not know what it was. So let each pixel see what lies around it: a **window** (or *patch*) of 13×13 pixels with that pixel at its centre.
#
# Near the edge a window would reach out of the picture. We continue the picture by 6 pixels on each side, by repeating its outermost pixels. Then every pixel has a full window.

# %%
def prepare(image):
    return np.pad(as_chw(image, np.float64) - 0.5, ((0, 0), (6, 6), (6, 6)), mode="edge")


def window_at(padded, i, j):
    return padded[:, i : i + 13, j : j + 13]


scene = street(seed=101, size=(96, 144))
padded = prepare(scene.image)
print("picture", scene.image.shape, "  padded", padded.shape)
print("window ", window_at(padded, 40, 70).shape)

places = [(16, 62), (34, 24), (57, 84), (45, 105)]  # rows and columns of four pixels

# %% [markdown]
# **Predict, then run.** Here are four windows from a drawn street. Say for each what lies at its centre, *before* you scroll to the answer.

# %% jupyter={"source_hidden": true}
# Figure: four windows
patches = [window_at(padded, i, j).transpose(1, 2, 0) + 0.5 for i, j in places]
fig = figures.images_row(patches, ["window 1", "window 2", "window 3", "window 4"], height=2.2)
for ax in fig.axes:
    ax.add_patch(plt.Rectangle((5.5, 5.5), 1, 1, fill=False, ec="white", lw=2))
figures.show(
    fig,
    alt="Four small windows of 13 by 13 pixels, so large that each pixel is a square; the pixel "
    "at each centre is framed in white.",
)

# %%
for number, (i, j) in enumerate(places, start=1):
    print(f"window {number}: row {i}, column {j}:", scene.classes[scene.labels[i, j]])

# %% jupyter={"source_hidden": true}
# Figure: where the four windows lie
fig = figures.images_row(
    [scene.image, figures.colourise(scene.labels, scene.palette)], ["image", "labels"]
)
boxes = [(i - 6, j - 6, i + 7, j + 7) for i, j in places]
for ax in fig.axes:
    figures.draw_boxes(ax, boxes, ["1", "2", "3", "4"], np.zeros((4, 3), np.uint8))
figures.label_legend(fig, scene.classes, scene.palette)
figures.show(
    fig,
    alt="A drawn street and its label map, each with four numbered frames: on sky, on a tree, on "
    "a car and on a building.",
)

# %% [markdown]
# ## 2 · A small classifier
#
# Our classifier works in two steps. Each is a *layer*: numbers in, numbers out.
#
# **First layer.** Take 12 small **filters** of 3×5×5 numbers. Lay each filter on every place of the window where it fits: 9×9 places. At each place multiply number by number and add
# everything up. A sum below 0 becomes 0. This gives 12×9×9 *hidden* numbers.
#
# **Second layer.** Each class has one weight for each hidden number. The weighted sum is the score of the class; the class with the highest score is the answer.

# %% jupyter={"source_hidden": true}
# Figure: the classifier
fig = figures.layer_diagram(
    [("window", 3, 13, 13), ("hidden numbers", 12, 9, 9), ("scores", 9, 1, 1)],
    ["12 filters 5×5,\nnegative → 0", "weighted sums"],
)
figures.show(
    fig,
    alt="Three blocks joined by arrows: a window of 3 by 13 by 13 numbers, 12 by 9 by 9 hidden "
    "numbers, and 9 scores.",
)

# %% [markdown]
# `sliding_window_view` gives all 5×5 pieces of the window at once; the rest does what the text says. Replacing negative numbers by 0 has a name, **ReLU**.
#
# The filters are drawn at random, once, and stay as they are. That is a crude choice, but an honest one: they are not made for streets.

# %%
from numpy.lib.stride_tricks import sliding_window_view

filters = rng.standard_normal((12, 3, 5, 5)) / np.sqrt(75)


def first_layer(window):
    pieces = sliding_window_view(window, (5, 5), axis=(1, 2))  # 3 × 9 × 9 × 5 × 5
    pieces = pieces.transpose(1, 2, 0, 3, 4).reshape(81, 75)
    hidden = pieces @ filters.reshape(12, 75).T
    return np.maximum(hidden, 0).T.reshape(12, 9, 9)


first_layer(window_at(padded, 40, 70)).shape

# %% [markdown]
# The second layer must be fitted to examples. From sixteen streets we take 500 windows each, at random places, with the label of their centre.

# %%
def examples(image, labels, number, void=255):
    padded, rows = prepare(image), []
    i, j = np.nonzero(labels != void)
    chosen = rng.choice(len(i), number, replace=False)
    for n in chosen:
        rows.append(first_layer(window_at(padded, i[n], j[n])).ravel())
    return np.array(rows), labels[i[chosen], j[chosen]]


streets = [street(seed=seed, size=(96, 144)) for seed in range(16)]
parts = [examples(one.image, one.labels, 500) for one in streets]
hidden, targets = (np.concatenate(part) for part in zip(*parts, strict=True))
print("hidden numbers:", hidden.shape, "  labels:", targets.shape)

# %% [markdown]
# We want weights $A$ such that the scores come close to the one-hot vectors of lecture 00: 1 for the right class, 0 for the others. That is *least squares*, as when one draws a
# straight line through points. With $Z$ the hidden numbers (one row an example, and a 1 at its end for a constant) and $Y$ the one-hot vectors, the weights solve
#
# $$(Z^\top Z + \lambda I)\, A = Z^\top Y$$
#
# The number $\lambda$, here 10, keeps the weights small. The details of the fit are not important today; from lecture 11 on we train by gradients instead.
#
# **Predict, then run.** Nine classes: how many weights has the second layer?

# %%
def fit(hidden, targets, num_classes, strength=10.0):
    z = np.hstack([hidden, np.ones((len(hidden), 1))])
    y = np.eye(num_classes)[targets]
    a = np.linalg.solve(z.T @ z + strength * np.eye(z.shape[1]), z.T @ y)
    return a[:-1].T, a[-1]  # weights: classes × 972, constant: classes


second, constant = fit(hidden, targets, num_classes=9)
print(*second.shape, "=", second.size, "weights, and", constant.size, "constants")

# %% [markdown]
# ## 3 · Slide it
#
# The early method, complete: for every pixel cut out its window, classify it, write one label. In goes a picture of 3×H×W numbers, out comes a label map of H×W. The street below
# was not among the sixteen.
#
# **Predict, then run.** The picture has 96×144 pixels. How many windows will be classified?

# %%
def classify(window):
    scores = second @ first_layer(window).ravel() + constant
    return scores.argmax()


def label_by_sliding(image):
    padded = prepare(image)
    labels = np.empty(image.shape[:2], np.int64)
    for i, j in np.ndindex(*labels.shape):
        labels[i, j] = classify(window_at(padded, i, j))
    return labels


slid = label_by_sliding(scene.image)
print(slid.size, "windows")

# %% jupyter={"source_hidden": true}
# Figure: pixel by pixel
fig = figures.images_row(
    [
        scene.image,
        figures.colourise(slid, scene.palette),
        figures.colourise(scene.labels, scene.palette),
        figures.error_map(slid, scene.labels),
    ],
    ["image", "by sliding window", "true labels", "wrong pixels"],
    height=2.05, columns=2,
)
figures.label_legend(fig, scene.classes, scene.palette)
figures.show(
    fig,
    alt="A drawn street; the label map by sliding window, with large parts right and ragged "
    "edges; the true labels; the wrong pixels, mainly along borders, on pavement, cars and the "
    "white line of the road.",
)

# %% [markdown]
# Is that good? Compare with the classifier of lecture 00, which sees one pixel only and takes the class whose mean colour is nearest.
#
# **Predict, then run.** What does a window of 13×13 pixels gain over a single pixel?

# %%
colours = np.concatenate([one.image.reshape(-1, 3) for one in streets]) / 255
labels = np.concatenate([one.labels.ravel() for one in streets])
means = np.stack([colours[labels == k].mean(0) for k in range(9)])
distance = ((scene.image[:, :, None] / 255 - means) ** 2).sum(-1)

for name, guess in (("one pixel", distance.argmin(-1)), ("13×13 window", slid)):
    print(f"{name:12}  right: {(guess == scene.labels).mean():4.0%}", end="")
    for k in (0, 1, 2, 7):
        print(f"   {scene.classes[k]} {(guess == k)[scene.labels == k].mean():4.0%}", end="")
    print()
print(f"poles among the examples: {(targets == 7).mean():.1%}")

# %% [markdown]
# The window finds buildings and roads, which the colour alone could not. Thin poles are lost. They are rare among the examples, and in
# doubt least squares leans towards the common classes. Lecture 06 returns to rare classes.

# %% [markdown]
# ## 4 · What it costs
#
# Count the multiplications of one window: the first layer has 12 filters of 75 weights, each at 81 places; the second layer has 9 classes with 972 weights.
#
# **Predict, then run.** Which of the two layers does most of the work? How many multiplications does the whole picture need: a million, a hundred million, or a billion?

# %%
first_cost, second_cost = 12 * 75 * 81, 9 * 972
cost = first_cost + second_cost
print(f"one window:  {first_cost:,} + {second_cost:,} = {cost:,}")
print(f"one picture: {cost * slid.size:,}")

# %% [markdown]
# More than a billion, for a picture of 96×144 pixels. And measured:

# %% tags=["nbval-ignore-output"]
from time import perf_counter

started = perf_counter()
label_by_sliding(scene.image)
sliding_seconds = perf_counter() - started
print(f"sliding window: {sliding_seconds:.2f} s")

# %% [markdown]
# ## 5 · Shared work, hence convolution
#
# Now look at two neighbouring windows. They overlap, all but one column. At each place *inside* the overlap the same filters meet the same pixels.
#
# **Predict, then run.** Of the 81 places of the right window, at how many have the sums been computed before, for the left one?

# %%
left = first_layer(window_at(padded, 40, 70))
right = first_layer(window_at(padded, 40, 71))
compare.arrays(right[:, :, :-1], left[:, :, 1:], name="columns 0 to 7 of the right window")

# %% jupyter={"source_hidden": true}
# Figure: two windows and what they share
fig, axes = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
crop = scene.image[30:52, 60:84]
for ax, title in zip(axes, ("two windows of 13×13 pixels", "their 9×9 places"), strict=True):
    figures.draw_image(ax, crop // 2 + 110, title)
for j, colour in ((70, "#0072B2"), (71, "#D55E00")):
    for ax, half in ((axes[0], 6.5), (axes[1], 4.5)):
        corner = (j - 60 - half, 40 - 30 - half)
        ax.add_patch(plt.Rectangle(corner, 2 * half, 2 * half, fill=False, ec=colour, lw=3))
axes[1].add_patch(plt.Rectangle((6.5, 5.5), 8, 9, fc="#F0E442", alpha=0.6))
axes[1].text(10.5, 10, "72 shared", ha="center", va="center", fontsize=13)
figures.show(
    fig,
    alt="Left: two frames of 13 by 13 pixels, one column apart. Right: the two frames of 9 by 9 "
    "places in which a filter fits; the 8 by 9 places that both have are filled.",
)

# %% [markdown]
# 72 of 81, and the windows above, below and further away share with it, too. So turn the work round: lay each filter on every place of the *picture*, once, and keep the numbers.
# Sliding a filter over a whole picture like this is called **convolution**. The library's `conv2d` does it; from section 6 on we build our own.
#
# **Predict, then run.** Do the hidden numbers of one window now stand somewhere in the big array? Where?

# %%
everywhere = np.maximum(conv2d(padded, filters), 0)
print("hidden numbers of the whole picture:", everywhere.shape)

i, j = 40, 70
compare.arrays(
    everywhere[:, i : i + 9, j : j + 9], first_layer(window_at(padded, i, j)), length=75
)

# %% [markdown]
# They are a 9×9 piece of it. And the second layer? It lays its 12×9×9 weights of each class on such a piece, then on the next. That is sliding a filter, too: a second convolution,
# with 9 filters (one a class) of 12×9×9 numbers.

# %%
def label_by_convolution(image, second, constant):
    hidden = np.maximum(conv2d(prepare(image), filters), 0)
    scores = conv2d(hidden, second.reshape(-1, 12, 9, 9), constant)
    return scores.argmax(axis=0)


compare.arrays(label_by_convolution(scene.image, second, constant), slid, name="labels")

# %% [markdown]
# The same labels, all of them. **Predict, then run.** By which factor does the first layer become cheaper in multiplications: 9, 81 or 144? And the second?

# %%
places_in_picture = everywhere[0].size
print(f"first layer, sliding:     {first_cost * slid.size:13,}")
print(f"first layer, convolution: {12 * 75 * places_in_picture:13,}")
print(f"second layer, either way: {second_cost * slid.size:13,}")

# %% tags=["nbval-ignore-output"]
started = perf_counter()
label_by_convolution(scene.image, second, constant)
seconds = perf_counter() - started
print(f"sliding window: {sliding_seconds:.3f} s")
print(f"convolution:    {seconds:.3f} s")

# %% [markdown]
# Nearly 81 times fewer in the first layer (not quite, because the continued picture is a little larger). In the second layer nothing is saved: its weights lie on each place of
# the window once only. The measured gain also comes from fewer and larger steps in NumPy.
#
# Now it costs little to look at more than one picture. **Predict, then run.** Was our street an easy one or a hard one, among six that the classifier has never seen?

# %%
for seed in range(100, 106):
    other = street(seed=seed, size=(96, 144))
    guess = label_by_convolution(other.image, second, constant)
    print(f"street {seed}: {(guess == other.labels).mean():.0%} of the pixels right")

# %% [markdown]
# One of the easier ones. In 2012 a network of this kind, deeper and trained, won a challenge on microscope pictures of nerve cells (Cireşan et al.). It was slow, for it did
# the work of overlapping windows again and again; and a large window sees more context, but a small one localises better (Ronneberger et al.). Lectures 12 and 13 get both.

# %% [markdown]
# ## 6 · Convolution by hand
#
# One channel, one filter. Lay the 2×2 filter $w$ on the upper left corner of $x$, multiply number by number, add up. Then move one step to the right.
#
# **Predict, then run.** What is in the upper right corner of $y$? Compute it on paper.

# %%
x = np.array(
    [[1, 2, 0, 3],
     [0, 1, 4, 1],
     [2, 0, 1, 0],
     [3, 1, 0, 2]], dtype=np.float32)
w = np.array(
    [[1, 2],
     [0, -1]], dtype=np.float32)
y = conv2d(x[None], w[None, None])[0]

# %% jupyter={"source_hidden": true}
# Figure: one window, one sum
fig = figures.arrays_row(
    [x, w, y],
    titles=["x", "w", "y"],
    operators=["∗", "="],
    highlights=[[(0, 2, 2, 2)], [(0, 0, 2, 2)], [(0, 2)]],
    captions=[None, None, "0·1 + 3·2 + 4·0 − 1·1 = 5"],
    share_scale=True,
)
figures.show(
    fig,
    alt="A 4 by 4 array x with its upper right 2 by 2 window framed, the filter w with rows 1, 2 "
    "and 0, −1, and the 3 by 3 result y with the upper right cell 5 framed.",
)

# %% [markdown]
# A filter is also called a **kernel**, and its output a **feature map**. What a kernel responds to depends on its weights; section 20 shows two that find edges.
#
# ## 7 · The definition, as loops
#
# A picture has several channels, and a layer has several filters. A filter has its own 2-D kernel for each channel, and adds up over all of them. With $M$ filters of $C \times k
# \times k$ weights, and one number more for each filter, the **bias**:
#
# $$y_{mij} = \text{bias}_m + \sum_{c} \sum_{0 \le a, b < k} w_{mcab}\; x_{\,c,\; i + a,\; j + b}$$
#
# $m$ counts filters, $c$ channels; $(i, j)$ is a place in the output, $(a, b)$ a place in the kernel. The code reads like the formula.

# %%
def conv2d_loops(x, weight, bias):
    M, C, k, _ = weight.shape
    y = np.empty((M, x.shape[1] - k + 1, x.shape[2] - k + 1), x.dtype)
    for m, i, j in np.ndindex(*y.shape):
        total = bias[m]
        for c, a, b in np.ndindex(C, k, k):
            total += weight[m, c, a, b] * x[c, i + a, j + b]
        y[m, i, j] = total
    return y


conv2d_loops(x[None], w[None, None], np.zeros(1, np.float32))[0]

# %% [markdown]
# **Predict, then run.** A photograph of 3×20×30 numbers meets 8 filters of 3×3. Which shape do the weights have? Which shape does the output have?

# %%
photo = rng.standard_normal((3, 20, 30), dtype=np.float32)
weight = rng.standard_normal((8, 3, 3, 3), dtype=np.float32)
bias = rng.standard_normal(8, dtype=np.float32)
print("weights", weight.shape, "  output", conv2d_loops(photo, weight, bias).shape)

# %% [markdown]
# The channels of the input are summed away; the output has as many channels as there are filters. Pictures may have any number of channels: the hidden numbers of section 5 are a picture of
# 12 channels.
#
# Are we right? Ask PyTorch. `compare.with_torch` calls our function and PyTorch's `conv2d` with the same arguments and compares shape, dtype and values. Random numbers and odd sizes: easy
# inputs prove little.

# %%
from torch.nn import functional as F

compare.with_torch(conv2d_loops, photo, weight, bias, reference=F.conv2d)

# %% [markdown]
# ## 8 · Whole arrays: *im2col*
#
# Six nested loops (`np.ndindex` does three in one line) are slow in Python. The first way out: write every window as a *column* of a matrix, every filter as a *row* of another. Row times column is the sum of products that
# we need, so one matrix product does everything.
#
# **Predict, then run.** $x$ has 9 windows of 2×2. Which shape has the matrix of columns?

# %%
def element(x, a, b, k):
    """Element (a, b) of every k×k window."""
    height, width = x.shape[-2] - k + 1, x.shape[-1] - k + 1
    return x[..., a : a + height, b : b + width]


def im2col(x, k):
    rows = [element(x, a, b, k) for a in range(k) for b in range(k)]
    return np.stack(rows, axis=1).reshape(len(x) * k * k, -1)


columns = im2col(x[None], k=2)
columns.shape

# %% jupyter={"source_hidden": true}
# Figure: filters as rows, windows as columns
row = w.reshape(1, 4)
fig = figures.arrays_row(
    [row, columns, row @ columns],
    titles=["w as a row", "every window of x as a column", "y as a row"],
    operators=["@", "="],
    highlights=[[(0, 0, 1, 4)], [(0, 2, 4, 1)], [(0, 2)]],
    share_scale=True,
)
figures.show(
    fig,
    alt="The row 1, 2, 0, −1 times a matrix of 4 rows and 9 columns gives a row of 9 numbers; the"
    " third column 0, 3, 4, 1 and the third result 5 are framed.",
)

# %%
def conv2d_im2col(x, weight, bias):
    M, C, k, _ = weight.shape
    rows = weight.reshape(M, C * k * k)
    y = rows @ im2col(x, k) + bias[:, None]
    return y.reshape(M, x.shape[1] - k + 1, x.shape[2] - k + 1)


compare.with_torch(conv2d_im2col, photo, weight, bias)

# %% [markdown]
# The name means "image to columns". It costs memory: every pixel stands in up to $k^2$ columns.

# %% [markdown]
# ## 9 · Whole arrays: shifted matrix products
#
# The second way needs one shifted picture at a time, not $k^2$ of them. Hold one place $(a, b)$ of the kernel fixed. Its weights form an $M \times C$ matrix $W_{ab}$, and it meets `element(x, a, b, k)`: the
# picture shifted by $(a, b)$. So
#
# $$y = \text{bias} + \sum_{0 \le a, b < k} W_{ab} \cdot \text{shifted}_{ab}(x)$$
#
# $k^2$ matrix products, each of which mixes the channels of every pixel. On our small example there is one channel, and each $W_{ab}$ is a single number.
#
# **Predict, then run.** Which of the four shifted pictures does not matter for $y$?

# %%
shifted = [element(x, a, b, k=2) for a in range(2) for b in range(2)]

# %% jupyter={"source_hidden": true}
# Figure: four shifted pictures
fig = figures.arrays_row(
    [*shifted, y],
    titles=["shifted by (0, 0)", "by (0, 1)", "by (1, 0)", "by (1, 1)", "y"],
    captions=["times 1", "times 2", "times 0", "times −1", None],
    operators=["+", "+", "+", "="],
    share_scale=True,
)
figures.show(
    fig,
    alt="Four 3 by 3 parts of x, shifted against each other, to be multiplied by 1, 2, 0 and −1 "
    "and added, and their sum y.",
)

# %%
def mix(matrix, image):
    """Multiply the C numbers of every pixel by an M×C matrix: …×C×H×W → …×M×H×W."""
    *batch, channels, height, width = image.shape
    flat = image.reshape(*batch, channels, height * width)
    return (matrix @ flat).reshape(*batch, len(matrix), height, width)


def conv2d_shifts(x, weight, bias):
    k = weight.shape[-1]
    y = bias[:, None, None]
    for a in range(k):
        for b in range(k):
            y = y + mix(weight[:, :, a, b], element(x, a, b, k))
    return y


compare.with_torch(conv2d_shifts, photo, weight, bias, reference=F.conv2d)

# %% [markdown]
# Three programs, one result. *At home.* **Predict, then run.** For the small photograph above: how much slower are the loops? And for a larger picture: which of the other two is faster?

# %% tags=["nbval-ignore-output"]
def milliseconds(function, *arguments, repeat=5):
    times = []
    for _ in range(repeat):
        started = perf_counter()
        function(*arguments)
        times.append(1000 * (perf_counter() - started))
    return np.median(times)


large = rng.standard_normal((32, 128, 128), dtype=np.float32)
large_weight = rng.standard_normal((32, 32, 3, 3), dtype=np.float32)
large_bias = rng.standard_normal(32, dtype=np.float32)
print(f"small, loops:  {milliseconds(conv2d_loops, photo, weight, bias, repeat=1):8.2f} ms")
for function in (conv2d_im2col, conv2d_shifts, conv2d):
    small = milliseconds(function, photo, weight, bias)
    big = milliseconds(function, large, large_weight, large_bias)
    print(f"{function.__name__:13}: small {small:8.2f} ms   large {big:8.2f} ms")

# %%
print("input of the large picture:", large.nbytes // 1024, "KiB")
print("its columns:               ", im2col(large, 3).nbytes // 1024, "KiB")

# %% [markdown]
# The order of the last three depends on the machine and on the sizes. The library's `conv2d` is *im2col* again, a strip of rows at a time, so that the columns stay in the processor's
# cache; read `segedu/numpy_ops/convolution.py` when you are curious.

# %% [markdown]
# ## 10 · Stride
#
# The **stride** $s$ is the step of the window. With stride 2, every other place is skipped, in both directions.
#
# **Predict, then run.** Nothing new is computed. How do you get the result with stride 2 from the result with stride 1?

# %%
grid = rng.integers(-3, 4, (1, 7, 7)).astype(np.float32)
kernel = np.array([[[[0, 1, 0], [1, -4, 1], [0, 1, 0]]]], dtype=np.float32)
step1 = conv2d(grid, kernel)
step2 = conv2d(grid, kernel, stride=2)
compare.arrays(step2, step1[:, ::2, ::2])

# %% jupyter={"source_hidden": true}
# Figure: stride 2
corners = [(i, j) for i in (0, 2, 4) for j in (0, 2, 4)]
colour = "#D55E00"
fig = figures.arrays_row(
    [grid[0], step1[0], step2[0]],
    titles=["x and its first two\nwindows with stride 2", "stride 1", "stride 2"],
    operators=["→", ""],
    highlights=[
        [(0, 0, 3, 3), (0, 2, 3, 3)],
        [(*place, 1, 1, colour) for place in corners],
        [(i // 2, j // 2, 1, 1, colour) for i, j in corners],
    ],
    share_scale=True,
)
figures.show(
    fig,
    alt="A 7 by 7 array with two overlapping 3 by 3 windows, two columns apart; the 5 by 5 result"
    " with stride 1, every other number framed; the 3 by 3 result with stride 2, those "
    "numbers.",
)

# %% [markdown]
# ## 11 · Padding
#
# Without **padding** the output is smaller than the input: a 3×3 kernel takes away one pixel on each side. Padding $p$ puts a frame of $p$ pixels round the picture first, filled with zeros.
#
# **Predict, then run.** A white picture, all ones, is blurred by the mean of 3×3, with padding 1. What stands in the corners?

# %%
white = np.ones((1, 5, 5), np.float32)
blur = np.full((1, 1, 3, 3), 1 / 9, np.float32)
no_frame = conv2d(white, blur)
framed = conv2d(white, blur, padding=1)

# %% jupyter={"source_hidden": true}
# Figure: padding 1
fig = figures.arrays_row(
    [np.pad(white[0], 1), no_frame[0], framed[0]],
    titles=["ones, with the frame", "padding=0", "padding=1"],
    operators=["→", ""],
    highlights=[[(1, 1, 5, 5)], [], [(0, 0)]],
    share_scale=True,
)
figures.show(
    fig,
    alt="A 5 by 5 array of ones in a frame of zeros; blurred without padding, 3 by 3 ones; "
    "blurred with padding, 5 by 5 numbers: 0.44 in the corners, 0.67 at the edges, 1 inside.",
)

# %% [markdown]
# The size is kept, but the edge darkens: zeros are numbers, too. A kernel of odd size $k$ keeps the size with $p = (k-1)/2$; `padding="same"` works that out.

# %% [markdown]
# ## 12 · Dilation
#
# **Dilation** $d$ spreads the kernel: its elements meet pixels that lie $d$ apart. The kernel sees more, with the same number of weights. Another name is *atrous* (with holes).
#
# **Predict, then run.** The same result comes from an ordinary kernel of 5×5. How many of its 25 weights are not 0?

# %%
kernel_2d = np.arange(1, 10, dtype=np.float32).reshape(3, 3)
spread = np.zeros((5, 5), np.float32)
spread[::2, ::2] = kernel_2d

dilated = conv2d(grid, kernel_2d[None, None], dilation=2)
print("not 0:", np.count_nonzero(spread))
compare.arrays(dilated, conv2d(grid, spread[None, None]), length=9)

# %% jupyter={"source_hidden": true}
# Figure: dilation 2
fig = figures.arrays_row(
    [kernel_2d, spread, grid[0], grid[0]],
    titles=["kernel", "the same\nwith holes", "dilation 1\nmeets these", "dilation 2\nmeets these"],
    operators=["", "", ""],
    highlights=[
        [], [],
        [(a, b, 1, 1, colour) for a in range(3) for b in range(3)],
        [(a, b, 1, 1, colour) for a in (0, 2, 4) for b in (0, 2, 4)],
    ],
    share_scale=True,
)
figures.show(
    fig,
    alt="A 3 by 3 kernel; the same in a 5 by 5 array with zeros between; nine neighbouring cells "
    "of a picture framed; nine cells two apart framed.",
)

# %% [markdown]
# ## 13 · Groups
#
# So far every filter sees every channel. With **groups** $G$ the channels are divided into $G$ equal parts, the filters too, and each part of the filters sees its own part of the
# channels only.
#
# **Predict, then run.** Four channels of one pixel hold 1, 10, 100 and 1000. Four filters of 1×1 have all weights 1. What do they give with 1, 2 and 4 groups?

# %%
pixel = np.array([1, 10, 100, 1000], dtype=np.float32).reshape(4, 1, 1)
for groups in (1, 2, 4):
    ones = np.ones((4, 4 // groups, 1, 1), np.float32)
    result = conv2d(pixel, ones, groups=groups).ravel()
    print(f"groups={groups}: weights {ones.shape}, result {result}")

# %% [markdown]
# The weights now have the shape $M \times C/G \times k \times k$: groups save weights and multiplications. With as many groups as channels it is called *depthwise*: no channel sees another, as in
# the pooling of lecture 02.

# %% [markdown]
# ## 14 · How large is the output?
#
# A dilated window reaches over $d(k-1) + 1$ pixels; the padded picture has $H + 2p$. The window starts at 0, $s$, $2s$, … as long as it fits:
#
# $$H_{\text{out}} = \left\lfloor \frac{H + 2p - d(k-1) - 1}{s} \right\rfloor + 1$$
#
# **Predict, then run.** A picture of 224 rows. A 7×7 kernel with stride 2 and padding 3: how many rows come out? A 3×3 kernel with padding 2 and dilation 2?

# %%
def output_size(size, k, stride=1, padding=0, dilation=1):
    return (size + 2 * padding - dilation * (k - 1) - 1) // stride + 1


print("7×7, stride 2, padding 3:  ", output_size(224, 7, stride=2, padding=3))
print("3×3, padding 2, dilation 2:", output_size(224, 3, padding=2, dilation=2))

# %% [markdown]
# *At home.* A formula may be off by one. Ask PyTorch, for all sizes from 7 to 12 with many options.

# %%
import torch

wrong = tried = 0
for case in np.ndindex(6, 3, 3, 3, 2):
    size, k, s, p, d = np.add(case, (7, 1, 1, 0, 1)).tolist()
    expected = F.conv2d(torch.zeros(1, size, size), torch.zeros(1, 1, k, k), None, s, p, d)
    wrong += output_size(size, k, s, p, d) != expected.shape[-1]
    tried += 1
print(tried, "cases,", wrong, "wrong")

# %% [markdown]
# ## 15 · All options in one program
#
# Section 9's program needs three additions: `element` takes steps of `stride` and begins at $(a \cdot d,\, b \cdot d)$; a frame of zeros comes first; each group is computed by itself.
# It also takes a **batch**, $N$ pictures at once: N×C×H×W.

# %%
def element(x, a, b, k, stride=1, dilation=1):
    """Element (a, b) of every window."""
    height, width = (output_size(size, k, stride, 0, dilation) for size in x.shape[-2:])
    top, left = a * dilation, b * dilation
    return x[..., top : top + height * stride : stride, left : left + width * stride : stride]


def frame(x, p):
    return np.pad(x, [(0, 0)] * (x.ndim - 2) + [(p, p), (p, p)])


def conv2d_numpy(x, weight, bias, stride=1, padding=0, dilation=1, groups=1):
    k, parts = weight.shape[-1], []
    channels = np.split(frame(x, padding), groups, axis=-3)
    for part, w in zip(channels, np.split(weight, groups), strict=True):
        parts.append(sum(
            mix(w[:, :, a, b], element(part, a, b, k, stride, dilation))
            for a, b in np.ndindex(k, k)
        ))
    return np.concatenate(parts, axis=-3) + bias[:, None, None]

# %%
z = rng.standard_normal((2, 6, 13, 10), dtype=np.float32)
v = rng.standard_normal((4, 6, 3, 3), dtype=np.float32)
v_half = rng.standard_normal((4, 3, 3, 3), dtype=np.float32)
u = rng.standard_normal(4, dtype=np.float32)

for options in (dict(stride=2), dict(padding=1), dict(dilation=2), dict(groups=2)):
    weights = v_half if "groups" in options else v
    print(options, bool(compare.with_torch(conv2d_numpy, z, weights, u, **options)))

# %% [markdown]
# And all together. **Predict, then run.** `z` has 13 rows and 10 columns. Work out the size of the result from the formula of section 14.

# %%
options = dict(stride=2, padding=2, dilation=2, groups=2)
compare.with_torch(conv2d_numpy, z, v_half, u, **options)

# %% [markdown]
# *At home.* The library's `conv2d` takes the same options, and also pairs, one number for rows and one for columns, and `padding="same"`.

# %%
pairs = dict(stride=(2, 1), padding=(0, 3), dilation=(1, 2))
compare.with_torch(conv2d, z, v, u, **pairs)

# %% [markdown]
# ## 16 · Not flipped
#
# **Predict, then run.** A picture is 0 everywhere except for a single 1 in its centre. The kernel holds 1 to 9 in reading order. What stands in the upper left of the result?

# %%
spot = np.zeros((1, 5, 5), np.float32)
spot[0, 2, 2] = 1
answer = conv2d(spot, kernel_2d[None, None])[0]
turned = conv2d(spot, kernel_2d[None, None, ::-1, ::-1])[0]

# %% jupyter={"source_hidden": true}
# Figure: the answer to a single spot
fig = figures.arrays_row(
    [spot[0], kernel_2d, answer, turned],
    titles=["x", "w", "conv2d(x, w)", "conv2d(x, w flipped)"],
    operators=["", "→", ""],
    share_scale=True,
)
figures.show(
    fig,
    alt="A 5 by 5 array with a single 1 in its centre; a kernel of 1 to 9; the result, 9 to 1 in "
    "reading order; with the kernel flipped in rows and columns the result is 1 to 9.",
)

# %% [markdown]
# The kernel comes out turned by half a turn. In mathematics, *convolution* is defined with minus signs, which flips the kernel, so that a spot is answered by the kernel itself:
#
# $$\text{convolution: } \sum_{a, b} w_{ab}\, x_{i - a,\, j - b} \qquad\qquad \text{cross-correlation: } \sum_{a, b} w_{ab}\, x_{i + a,\, j + b}$$
#
# What deep learning calls convolution is really a **cross-correlation**: nothing is flipped. For learned weights it makes no difference; a network would simply learn them the other way
# round. For weights that come from elsewhere it matters. NumPy has both:

# %%
signal, kernel_1d = np.array([0, 0, 1, 0, 0]), np.array([1, 2, 3])
print("np.convolve: ", np.convolve(signal, kernel_1d, mode="valid"))
print("np.correlate:", np.correlate(signal, kernel_1d, mode="valid"))

# %% [markdown]
# Suppose somebody flips. **Predict, then run.** Two tests follow: one with a blur kernel, all weights equal, and one with random weights. Which of them notices?

# %%
def conv2d_mistaken(x, weight, bias):
    return conv2d_numpy(x, weight[:, :, ::-1, ::-1], bias)


whole = rng.integers(-5, 6, (2, 1, 8, 7)).astype(np.float32)  # whole numbers: no rounding
zero = np.zeros(1, np.float32)
compare.with_torch(conv2d_mistaken, whole, 9 * blur, zero, reference=F.conv2d)

# %%
uneven = rng.integers(-5, 6, (1, 1, 3, 3)).astype(np.float32)
compare.with_torch(conv2d_mistaken, whole, uneven, zero, reference=F.conv2d)

# %% [markdown]
# The comparison tried a list of usual mistakes and found the one that gives exactly these numbers. A kernel that looks the same after half a turn can never show this one.

# %% [markdown]
# ## 17 · The gradient
#
# Training a network means: change its weights a little so that a *loss* $L$, one number that says how wrong it is, becomes smaller. For this we must know how $L$ changes with every weight:
# the **gradient** $\partial L / \partial w$. To pass the question on to the layer before, we need $\partial L / \partial x$, too.
#
# Given is $g = \partial L / \partial y$, one number for each number of the output. In the definition each product occurs once:
#
# $$y_{mij} = \dots + w_{mcab}\; x_{c,\,i+a,\,j+b} + \dots$$
#
# Move $w_{mcab}$ by a little $\varepsilon$: $y_{mij}$ moves by $x_{c,\,i+a,\,j+b}\,\varepsilon$, and $L$ by $g_{mij}$ times that. Move $x_{c,\,i+a,\,j+b}$: $y_{mij}$ moves by
# $w_{mcab}\,\varepsilon$. Every product contributes, and all contributions add up.

# %%
def conv2d_backward_loops(g, x, weight):
    grad_x, grad_weight = np.zeros_like(x), np.zeros_like(weight)
    grad_bias = np.zeros(len(weight), x.dtype)
    for m, i, j in np.ndindex(*g.shape):
        grad_bias[m] += g[m, i, j]
        for c, a, b in np.ndindex(*weight.shape[1:]):
            grad_weight[m, c, a, b] += g[m, i, j] * x[c, i + a, j + b]
            grad_x[c, i + a, j + b] += g[m, i, j] * weight[m, c, a, b]
    return grad_x, grad_weight, grad_bias

# %% [markdown]
# By hand, on $x$ and $w$ of section 6. Suppose only two neighbouring outputs matter, with gradients 10 and 100.
#
# **Predict, then run.** The first row of $w$ is 1, 2. What is the gradient of $x$ in its upper row, third column, where both windows meet?

# %%
g = np.zeros((1, 3, 3), np.float32)
g[0, 0, 1:] = 10, 100
grad_x, grad_w, grad_bias = conv2d_backward_loops(g, x[None], w[None, None])
print("gradient of the bias:", grad_bias)

# %% jupyter={"source_hidden": true}
# Figure: the gradients of input and weights
fig = figures.arrays_row(
    [g[0], w, grad_x[0], x, grad_w[0, 0]],
    titles=["g", "w", "gradient of x", "x", "gradient of w"],
    operators=["", "→", "", "→"],
    highlights=[[(0, 1), (0, 2)], [], [(0, 1, 2, 2), (0, 2, 2, 2)],
                [(0, 1, 2, 2), (0, 2, 2, 2)], []],
    share_scale=True,
    cell=0.52,
)
figures.show(
    fig,
    alt="The gradient g with 10 and 100 in its upper row; w; the gradient of x with 10, 120, 200 "
    "in its first and 0, −10, −100 in its second row; x with two windows framed; the gradient"
    " of w: 20, 300, 410, 140.",
)

# %% [markdown]
# Read the picture like this. Each output **stamps** the kernel, times its gradient, on the window that it saw; overlapping stamps add: $10 \cdot 2 + 100 \cdot 1 = 120$. The
# gradient of $w$ is the sum of the two framed windows, the first times 10, the second times 100. As formulas:
#
# $$\frac{\partial L}{\partial x_{cuv}} = \sum_{m} \sum_{\substack{i + a = u \\ j + b = v}} w_{mcab}\, g_{mij}
# \qquad \frac{\partial L}{\partial w_{mcab}} = \sum_{i, j} g_{mij}\; x_{c,\,i+a,\,j+b}
# \qquad \frac{\partial L}{\partial\, \text{bias}_m} = \sum_{i, j} g_{mij}$$
#
# In a batch, weights and bias add up over the pictures. The first is called *dX*, the second *dW*, the third *db*.

# %% [markdown]
# With whole arrays: forward, $W_{ab}$ mixes the channels of `element(x, a, b, k)`. Backward, $W_{ab}^\top$ mixes the channels of $g$, and the result is added to the same element of
# the gradient. `element` returns a view, so `+=` writes into the big array.

# %%
def conv2d_backward_numpy(g, x, weight, stride=1, padding=0, dilation=1):
    k, padded = weight.shape[-1], frame(x, padding)
    grad_padded, grad_weight = np.zeros_like(padded), np.zeros_like(weight)
    for a, b in np.ndindex(k, k):
        seen = element(padded, a, b, k, stride, dilation)
        grad_weight[:, :, a, b] = np.einsum("nmij,ncij->mc", g, seen)
        stamped = element(grad_padded, a, b, k, stride, dilation)
        stamped += mix(weight[:, :, a, b].T, g)
    height, width = x.shape[-2:]
    grad_x = grad_padded[..., padding : padding + height, padding : padding + width]
    return grad_x, grad_weight, g.sum(axis=(0, 2, 3))


batch = x[None, None]  # one picture, one channel
ours = conv2d_backward_numpy(g[None], batch, w[None, None])
print("gradient of x:", bool(compare.arrays(ours[0][0], grad_x)))
print("gradient of w:", bool(compare.arrays(ours[1], grad_w)))

# %% [markdown]
# PyTorch computes gradients by itself. The comparison draws a random $g$ and checks all three.

# %%
options = dict(stride=2, padding=1, dilation=2)
compare.with_torch(
    conv2d_numpy, z, v, u, **options,
    backward=lambda g: conv2d_backward_numpy(g, z, v, **options),
)

# %% [markdown]
# *At home.* A second opinion needs no PyTorch: nudge one weight by a tiny amount and watch the output. This is a *finite difference*.

# %%
pictures, weights = z[:, :, :5, :4].astype(float), v.astype(float)
g = rng.standard_normal((2, 4, 3, 2))
grad_x, grad_w, grad_bias = conv2d_backward_numpy(g, pictures, weights)
compare.with_finite_differences(
    conv2d_numpy, [pictures, weights, u.astype(float)], [grad_x, grad_w, grad_bias], grad_output=g
)

# %% [markdown]
# ## 18 · What the gradient is good for: finding a kernel
#
# Somebody has filtered a noisy picture and shows us the picture and the result, but not the kernel. We start with a kernel of zeros and take small steps against the gradient of
# $L = \frac{1}{2n} \sum (y - \text{target})^2$, with $n$ the number of outputs. Then $\partial L/\partial y = (y - \text{target})/n$.
#
# **Predict, then run.** Nine unknown weights and 20 steps: will we see the kernel?

# %%
secret = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=float)[None, None]
noise = rng.standard_normal((1, 1, 40, 40))
no_bias = np.zeros(1)
target = conv2d_numpy(noise, secret, no_bias)

guess, history, losses = np.zeros_like(secret), [], []
for _ in range(20):
    error = conv2d_numpy(noise, guess, no_bias) - target
    losses.append((error**2).mean() / 2)
    history.append(guess[0, 0].copy())
    guess -= 0.5 * conv2d_backward_numpy(error / error.size, noise, guess)[1]
print(f"loss: {losses[0]:.2f} at the start, {losses[5]:.4f} after 5 steps")
print(np.round(guess[0, 0], 2) + 0.0)  # + 0.0 turns −0 into 0

# %% jupyter={"source_hidden": true}
# Figure: the kernel appears
fig = figures.arrays_row(
    [np.round(history[n], 2) + 0.0 for n in (0, 1, 3, 19)] + [secret[0, 0]],
    titles=["start", "after 1 step", "after 3", "after 19", "the secret"],
    operators=["→", "→", "→", ""],
    fmt=".2f",
    share_scale=True,
)
figures.show(
    fig,
    alt="Five 3 by 3 kernels: zeros; about half of the secret kernel; nearly the secret one; "
    "after 19 steps equal to it in two decimals; the secret kernel.",
)

# %% [markdown]
# This is how a network learns its filters, only with more layers and more weights. Lecture 11 builds that.

# %% [markdown]
# ## 19 · The kernel in CUDA C (after lecture 08)
#
# *Leave this section out at first, and come back after [lecture 08](08_first_kernels.ipynb), which explains how such kernels are written; or watch it being shown. Nothing below
# needs it.* No GPU is needed either. Where there is no C++ compiler, the cells of this section say so, and the rest of the lecture runs without them.

# %% tags=["raises-exception"]
from segedu import cuda, cuda_ops

# %load_ext segedu.cuda

# %% [markdown]
# A GPU runs one small program in thousands of threads at once. Here each thread computes one number of the result, $y_{mij}$, with the loops of section 7. Instead of putting a frame round
# the picture it tests whether pixel $(r, q)$ lies inside: outside there would only be zeros to add.

# %% language="cuda" magic_args="--quiet --module convolution" tags=["raises-exception"]
# extern "C" __global__ void conv(const float* x, const float* w, const float* bias, float* y,
#                                 int C, int H, int W, int k, int s, int p,
#                                 int M, int out_H, int out_W) {
#     int i = blockIdx.y * blockDim.y + threadIdx.y, j = blockIdx.x * blockDim.x + threadIdx.x;
#     if (i >= out_H || j >= out_W) return;
#     int n = blockIdx.z / M, m = blockIdx.z % M;
#     float sum = bias[m];
#     for (int c = 0; c < C; ++c)
#         for (int a = 0; a < k; ++a)
#             for (int b = 0; b < k; ++b) {
#                 int r = i * s + a - p, q = j * s + b - p;
#                 if (r >= 0 && r < H && q >= 0 && q < W)
#                     sum += w[((m * C + c) * k + a) * k + b] * x[((n * C + c) * H + r) * W + q];
#             }
#     y[((n * M + m) * out_H + i) * out_W + j] = sum;
# }

# %% [markdown]
# Memory is one long row, so $x_{ncrq}$ lies at $((n C + c) H + r) W + q$. The grid has a layer (`blockIdx.z`) for each filter $m$ of each picture $n$.

# %%
def conv2d_cuda(x, weight, bias, stride=1, padding=0, kernel=None):
    (N, C, H, W), (M, _, k, _) = x.shape, weight.shape
    out_H, out_W = (output_size(size, k, stride, padding) for size in (H, W))
    y = np.empty((N, M, out_H, out_W), np.float32)
    grid = -(-out_W // 16), -(-out_H // 16), N * M  # rounded up
    sizes = C, H, W, k, stride, padding, M, out_H, out_W
    (kernel or conv)(grid, (16, 16), (x, weight, bias, y, *sizes))
    return y

# %% tags=["raises-exception"]
compare.with_torch(conv2d_cuda, z, v, u, stride=2, padding=1)

# %% [markdown]
# The photograph of the next section and its upright edges; the judge is our own whole-array function.
#
# **Predict, then run.** 254×254 threads read 9 pixels each. How often is a pixel of the 256×256 read on average?

# %% tags=["raises-exception"]
camera = as_chw(photograph("camera", size=(256, 256)))[None, :1]
upright = secret.astype(np.float32)
ours = conv2d_cuda(camera, upright, zero)
print(f"each pixel is read {9 * ours.size / camera.size:.2f} times")
compare.arrays(ours, conv2d_numpy(camera, upright, zero), length=9, name="camera")

# %% [markdown]
# **Break it.** Somebody forgets the test: the `if` before `sum` goes. `z` has 13 rows and 10 columns, the padding is 1.
#
# **Predict, then run.** Thread (0, 0) begins with $a = b = 0$. Which place of `x` does it ask for?

# %% tags=["raises-exception"]
source = convolution.code.replace("if (r >= 0 && r < H && q >= 0 && q < W)", "")
careless = cuda.RawModule(source, mode="check").get_function("conv")


def careless_conv2d(x, weight, bias, stride, padding):
    return conv2d_cuda(x, weight, bias, stride, padding, kernel=careless)


compare.with_torch(careless_conv2d, z, v, u, stride=2, padding=1, reference=F.conv2d)

# %% [markdown]
# $r = q = -1$, so $(-1) \cdot 10 - 1 = -11$. Most other edges would give no alarm: left of a row lies the end of the row above, which is in the array, and wrong. Here the very first pixel
# gave it away.
#
# The library's `cuda_ops.conv2d` has the signature of `numpy_ops.conv2d`, with every option; `mode("check")` has every access checked.

# %% tags=["raises-exception"]
with cuda_ops.mode("check"):
    report = compare.with_torch(cuda_ops.conv2d, z, v, u, **pairs)
report

# %% [markdown]
# **Won and lost.** No frame, no copies of windows as in *im2col*, and no thread waits for another; but neighbours ask for the same pixels again and again. Lecture 09 lets the
# threads of a block share them.

# %% [markdown]
# ## 20 · Edges in a photograph
#
# The secret kernel has a name. It subtracts what lies left from what lies right: large numbers where a picture becomes lighter from left to right. It is the *Sobel* filter, and its
# transpose does the same from top to bottom. Together they measure how steep the picture is at each pixel: $\sqrt{y_0^2 + y_1^2}$.
#
# **Predict, then run.** The legs of a tripod stand nearly upright. Which of the two filters sees them?

# %%
camera = as_chw(photograph("camera", size=(256, 256)))[:1]  # grey: one channel is enough
sobel = np.stack([secret[0], secret[0].transpose(0, 2, 1)]).astype(np.float32)
edges = conv2d_numpy(camera, sobel, np.zeros(2, np.float32))
steepness = np.sqrt((edges**2).sum(axis=0))
print("photograph", camera.shape, "  filters", sobel.shape, "  edges", edges.shape)

tripod = np.abs(edges[:, 150:230, 110:180]).mean(axis=(1, 2))
print("mean size at the tripod: left to right {:.2f}, top to bottom {:.2f}".format(*tripod))

# %% jupyter={"source_hidden": true}
# Figure: edges of a photograph
fig = figures.images_row(
    [camera[0], 0.5 + edges[0] / 4, 0.5 + edges[1] / 4, steepness / 2],
    ["photograph", "left to right", "top to bottom", "steepness"],
    height=2.45,
)
figures.show(
    fig,
    alt="A man with a camera on a tripod; edges from left to right, the upright ones light or "
    "dark; edges from top to bottom, the level ones; the steepness, outlines light on black.",
)

# %% [markdown]
# The first filter sees upright edges, the second level ones. The legs are a little slanted, so the second sees something of them, too.

# %% [markdown]
# ## 21 · Real streets (at home)
#
# The same classifier, the same random filters, now fitted to photographs: the CamVid data set, every fourth pixel of every fourth row. If the data set is not on this
# machine, the cell says so.
#
# **Predict, then run.** On drawn streets 66 to 82 % of the pixels were right. More or fewer on real ones?

# %% tags=["real-data"]
from segedu.data import camvid

if camvid.available():
    frames = [camvid.camvid("train")[n] for n in range(0, 367, 23)]
    parts = [examples(a[::4, ::4], t[::4, ::4], 500, camvid.VOID) for a, t in frames]
    real = fit(*(np.concatenate(part) for part in zip(*parts, strict=True)), num_classes=11)
    tests = [camvid.camvid("test")[n] for n in range(0, 233, 40)]
    right = total = 0
    for image, labels in tests:
        guess, truth = label_by_convolution(image[::4, ::4], *real), labels[::4, ::4]
        known = truth != camvid.VOID
        right, total = right + (guess == truth)[known].sum(), total + known.sum()
    print(f"CamVid test, every 40th frame: {right / total:.1%} of the pixels right")
else:
    print("CamVid is not on this machine; the drawn street of section 3 stands for it.")

# %% [markdown]
# ## 22 · Try it yourself (at home)
#
# Choose a kernel and move the sliders. Watch the size of the output and its edge.
#
# **Predict, then run.** With dilation 4, which padding keeps the size?

# %% tags=["nbval-ignore-output"]
import ipywidgets

cat = as_chw(photograph("chelsea", size=(120, 180))).mean(axis=0, keepdims=True)
kernels = {
    "left to right": secret[0, 0], "top to bottom": secret[0, 0].T,
    "blur": np.full((3, 3), 1 / 9),
    "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
}


def explore(kernel="left to right", stride=1, padding=1, dilation=1):
    weight = kernels[kernel][None, None].astype(np.float32)
    y = conv2d_numpy(cat, weight, np.zeros(1, np.float32), stride, padding, dilation)[0]
    shown = 0.5 + y / 2 if weight.sum() < 0.5 else y
    title = f"{kernel}, stride {stride}, padding {padding}, dilation {dilation}: {y.shape}"
    fig = figures.images_row([cat[0], shown], [f"x: {cat[0].shape}", title], height=3)
    figures.show(fig, alt=f"A photograph of a cat, and what the kernel “{kernel}” makes of it.")


ipywidgets.interact(explore, kernel=list(kernels), stride=(1, 4), padding=(0, 8), dilation=(1, 8));

# %% [markdown]
# A still picture, for readers without a running kernel: edges from left to right, with stride 2.

# %% jupyter={"source_hidden": true}
# Figure: left to right, stride 2
explore(stride=2)

# %% [markdown]
# ## Common mistakes
#
# * **Flipping the kernel**, or borrowing a function that does, such as `np.convolve`.
# * **Channels last.** Networks want C×H×W; a photograph comes as H×W×C. `transpose(2, 0, 1)`, not `reshape`.
# * **Forgetting the sum over channels.** One filter gives one channel, however many channels go in.
# * **One bias for each pixel or each weight.** It is one for each filter.
# * **A range that ends one too early.** $H - k$ windows in place of $H - k + 1$.
# * **`=` for `+=` in the gradient of the input.** Stamps overlap and must be added.
# * **Forgetting to cut off the frame** from the gradient of a padded input.
# * **Testing with symmetric kernels or constant pictures.** Then half of these mistakes pass.

# %% [markdown]
# ## Summary
#
# * A sliding window turns any classifier of patches into a segmenter, at the price of one run for each pixel.
# * Neighbouring windows share most of their first layer. Done once for the whole picture, it is a convolution, and the numbers stay equal.
# * $y_{mij} = \text{bias}_m + \sum_{cab} w_{mcab}\, x_{c,\,i+a,\,j+b}$: a cross-correlation, not flipped.
# * *im2col*: windows as columns, one matrix product. Shifts: $k^2$ matrix products.
# * $H_{\text{out}} = \lfloor (H + 2p - d(k-1) - 1)/s \rfloor + 1$.
# * Backwards, every output stamps the kernel on its window: dX. The windows, weighted by $g$, add up to dW; $g$ adds up to db.

# %% [markdown]
# ## Exercises
#
# 1. A photograph of 480×640 pixels, windows of 33×33, a first layer of 16 filters of 3×5×5. How many multiplications does the first layer take by sliding windows, how many by convolution?
# 2. Leave `np.maximum` out of the classifier and fit again. How many pixels are right? Why would one convolution now do for both layers, and of which size?
# 3. Which padding keeps the size for $k = 3$ and $d = 4$, with stride 1? And in general, for odd $k$?
# 4. How many weights has a layer of 3×3 from 64 to 128 channels? With `groups=64`?
# 5. Write a 3×3 kernel that moves a picture one pixel to the left, with padding 1.
# 6. In `conv2d_backward_numpy` write `stamped[...] =` for `stamped +=`, and compare with PyTorch without options (`options = {}`). What does the comparison say? With which stride does nobody notice?
# 7. One picture, one channel, one filter, stride 1: compute dW by calling `conv2d` itself.
#
# <details><summary>Answers</summary>
#
# 1. $16 \cdot 75 \cdot 29^2$ for each of $480 \cdot 640$ windows: 310,026,240,000. By convolution $16 \cdot 75$ at each of $508 \cdot 668$ places of the continued picture:
#    407,212,800, about 761 times fewer.
# 2. 72 % in place of 78 %. Without it both layers are sums of products, and so is one after the other: a single convolution with 9 filters of 3×13×13 gives the same scores.
# 3. 4; in general $p = d(k-1)/2$.
# 4. $128 \cdot 64 \cdot 9 = 73728$; with 64 groups $128 \cdot 1 \cdot 9 = 1152$.
# 5. All zeros, and a 1 in the middle row on the right: $y_{ij} = x_{i,\,j+1}$.
# 6. "Only where windows overlap it is wrong: contributions must be added up (+=), not overwritten (=)." With stride 3 or more the 3×3 windows do not overlap.
# 7. `conv2d(x[None], g[None])`, with `g` of shape 1×3×3: the gradient takes the place of the kernel.
#
# </details>
#
# ## Sources
#
# * D. C. Cireşan, A. Giusti, L. M. Gambardella, J. Schmidhuber, *Deep neural networks segment neuronal membranes in electron microscopy images*, NIPS 2012 (a label for the centre of each window).
# * A. Giusti et al., *Fast image scanning with deep max-pooling convolutional neural networks*, ICIP 2013 (sharing work between windows).
# * Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, *Gradient-based learning applied to document recognition*, Proceedings of the IEEE 1998 (convolutional networks).
# * K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun, *What is the best multi-stage architecture for object recognition?*, ICCV 2009 (random filters).
# * K. Chellapilla, S. Puri, P. Simard, *High performance convolutional neural networks for document processing*, Workshop on Frontiers in Handwriting Recognition (IWFHR) 2006 (im2col).
# * A. Krizhevsky, I. Sutskever, G. E. Hinton, *ImageNet classification with deep convolutional neural networks*, NIPS 2012 (groups, ReLU).
# * O. Ronneberger, P. Fischer, T. Brox, *U-Net: convolutional networks for biomedical image segmentation*, MICCAI 2015 (what sliding windows cost).
# * F. Yu, V. Koltun, *Multi-scale context aggregation by dilated convolutions*, ICLR 2016.
# * V. Dumoulin, F. Visin, *A guide to convolution arithmetic for deep learning*, arXiv:1603.07285 (output sizes).
# * R. O. Duda, P. E. Hart, *Pattern classification and scene analysis*, Wiley 1973 (the Sobel filter).
# * PyTorch documentation, `torch.nn.functional.conv2d`.

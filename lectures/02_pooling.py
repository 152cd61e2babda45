# %% [markdown]
# # Lecture 02 · Pooling
#
# A network that sees the whole picture must make it smaller first. **Pooling** does that: it replaces every small window by one number.
#
# After this lecture you can
#
# 1. compute max and average pooling by hand, with loops, and with whole-array NumPy,
# 2. explain `stride`, `padding`, `dilation`, `ceil_mode` and `count_include_pad`,
# 3. say what the *indices* of max pooling are, and who wins a tie,
# 4. derive and program the gradients, overlapping windows included,
# 5. say what a network pays for pooling (resolution) and what it gets (receptive field).
#
# About 50 minutes. You need lecture 01 (sliding windows) and some NumPy slicing.

# %%
import numpy as np
import torch.nn.functional as F
from matplotlib import pyplot as plt

from segedu import compare, figures
from segedu.data.photographs import as_chw, photograph
from segedu.data.synthetic import street
from segedu.numpy_ops import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward

figures.use_style()
rng = np.random.default_rng(2)


def height_width_channels(x):
    """Channels last, as matplotlib draws images."""
    return np.moveaxis(x, 0, -1)

# %% [markdown]
# ## 1 · Why make a picture smaller?
#
# One photograph, and the same photograph after pooling once, three times and five times. Each time, every 2×2 window became its mean.
#
# **Predict, then run.** At which size do you stop seeing *where* the cup ends, and at which size do you stop seeing *that* it is a cup?

# %%
coffee = as_chw(photograph("coffee", size=(384, 576)))
smaller = [coffee]
for _ in range(5):
    smaller.append(avg_pool2d(smaller[-1], kernel_size=2))

[image.shape for image in smaller]

# %% jupyter={"source_hidden": true}
chosen = [smaller[k] for k in (0, 1, 3, 5)]
fig = figures.images_row(
    [height_width_channels(image) for image in chosen],
    titles=[f"{image.shape[1]}×{image.shape[2]} pixels" for image in chosen],
)
figures.show(
    fig,
    alt="A cup of coffee at four sizes: sharp, half the size, an eighth, and a thirty-second "
    "of the size, where only patches of colour are left.",
)

# %% [markdown]
# *That* it is a cup survives longer than *where* it ends. Classification needs only the first; segmentation needs both. This tension runs through the whole course:
# lectures 02 to 04 give resolution up and then win it back.

# %% [markdown]
# ## 2 · By hand
#
# Take a 4×4 array. Cut it into 2×2 windows that do not overlap. Write down the largest number of each window, then the mean of each.

# %%
x = np.array(
    [[1, 5, 2, 0],
     [3, 4, 7, 7],
     [0, 2, 9, 1],
     [6, 0, 3, 3]], dtype=np.float32)

# %% [markdown]
# **Predict, then run.** What is in the upper right corner of each result?

# %%
largest = max_pool2d(x[None], kernel_size=2)[0]
mean = avg_pool2d(x[None], kernel_size=2)[0]

# %% jupyter={"source_hidden": true}
windows = [(0, 0, 2, 2), (0, 2, 2, 2), (2, 0, 2, 2), (2, 2, 2, 2)]
cells = [(0, 0), (0, 1), (1, 0), (1, 1)]
fig = figures.arrays_row(
    [x, largest, mean],
    titles=["x", "max_pool2d(x, 2)", "avg_pool2d(x, 2)"],
    operators=["→", ""],
    highlights=[windows, cells, cells],
)
figures.show(
    fig,
    alt="A 4 by 4 array with four framed 2 by 2 windows, the four maxima 5, 7, 6, 9, and the "
    "four means 3.25, 4, 2, 4.",
)

# %% [markdown]
# Each coloured window on the left becomes the cell of the same colour on the right. For images of several channels the same happens in every channel separately:
# pooling never mixes channels.

# %% [markdown]
# ## 3 · The definition, as loops
#
# With window size $k$ and step (*stride*) $s$,
#
# $$y_{ij} = \max_{0 \le a < k,\; 0 \le b < k} x_{\,i s + a,\; j s + b}$$
#
# The code reads like the formula.

# %%
def max_pool_loops(x, k, s):
    height = (x.shape[0] - k) // s + 1
    width = (x.shape[1] - k) // s + 1
    y = np.empty((height, width), x.dtype)
    for i in range(height):
        for j in range(width):
            y[i, j] = max(x[i * s + a, j * s + b] for a in range(k) for b in range(k))
    return y


max_pool_loops(x, k=2, s=2)

# %% [markdown]
# How many windows fit? The last one must start at or before $H - k$, and they start every $s$ pixels:
#
# $$H_{\text{out}} = \left\lfloor \frac{H - k}{s} \right\rfloor + 1$$
#
# **Predict, then run.** `x` has 4 rows. How many rows does a 3×3 window with stride 1 give? And with stride 2?

# %%
[max_pool_loops(x, k=3, s=s).shape for s in (1, 2)]

# %% [markdown]
# With $k=3$ and $s=2$ the last row and the last column of `x` were never looked at. Remember this; section 5 returns to it.

# %% [markdown]
# ## 4 · Whole arrays instead of loops
#
# Python loops are slow. Turn the loops inside out: loop over the *few* positions $(a, b)$ inside a window, and let NumPy handle all windows at once.
# `x[a::2, b::2]` is "element $(a, b)$ of every window".

# %%
a, b, c, d = x[0::2, 0::2], x[0::2, 1::2], x[1::2, 0::2], x[1::2, 1::2]
y = np.maximum(np.maximum(a, b), np.maximum(c, d))

# %% jupyter={"source_hidden": true}
fig = figures.arrays_row(
    [a, b, c, d, y],
    titles=["x[0::2, 0::2]", "x[0::2, 1::2]", "x[1::2, 0::2]", "x[1::2, 1::2]", "largest"],
    operators=["", "", "", "→"],
    share_scale=True,
)
figures.show(
    fig,
    alt="Four 2 by 2 arrays, the upper left, upper right, lower left and lower right elements"
    " of every window, and their elementwise maximum.",
)

# %% [markdown]
# The same for any window and stride: $k^2$ array operations, whatever the size of the picture.

# %%
def max_pool_arrays(x, k, s):
    height = (x.shape[-2] - k) // s + 1
    width = (x.shape[-1] - k) // s + 1
    y = np.full((*x.shape[:-2], height, width), -np.inf, x.dtype)
    for a in range(k):
        for b in range(k):
            np.maximum(y, x[..., a : a + s * height : s, b : b + s * width : s], out=y)
    return y


compare.arrays(max_pool_arrays(x, k=2, s=2), max_pool_loops(x, k=2, s=2))

# %% [markdown]
# The slice must not run past the last window. `a + s * height` is a safe end: it stops after `height` steps of `s`. A shorter way to the same windows is NumPy's
# `sliding_window_view`, which shows every window without copying anything.

# %%
from numpy.lib.stride_tricks import sliding_window_view

views = sliding_window_view(x, (2, 2))[::2, ::2]
views.shape, views.max(axis=(2, 3))

# %% [markdown]
# How much faster? A 256×256 image, loops against arrays.

# %% tags=["nbval-ignore-output"]
from time import perf_counter

image = rng.standard_normal((256, 256), dtype=np.float32)
for function in (max_pool_loops, max_pool_arrays):
    started = perf_counter()
    function(image, k=2, s=2)
    print(f"{function.__name__:16} {1000 * (perf_counter() - started):8.2f} ms")

# %% [markdown]
# The library's `max_pool2d` does the same, a few images at a time, so that what it computes in between stays in the processor's cache. That is another factor of two;
# read `segedu/numpy_ops/pooling.py` when you are curious.

# %% [markdown]
# ## 5 · The edge: padding, dilation, `ceil_mode`
#
# **Padding** puts a frame of $p$ pixels round the image, so that the windows can start outside. **Dilation** $d$ spreads a window: its elements lie $d$ pixels apart,
# and it reaches over $d(k-1)+1$ pixels. Together:
#
# $$H_{\text{out}} = \left\lfloor \frac{H + 2p - d(k-1) - 1}{s} \right\rfloor + 1$$

# %%
def output_size(size, kernel_size, stride, padding=0, dilation=1):
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1


[output_size(7, 3, 2), output_size(7, 3, 2, padding=1), output_size(7, 3, 1, dilation=2)]

# %% [markdown]
# What should the frame contain? **Predict, then run.** All numbers of `negative` lie below zero. Suppose the frame is filled with 0. What would max pooling return?

# %%
negative = -1 - np.arange(9, dtype=np.float32).reshape(3, 3)
with_zeros = max_pool_arrays(np.pad(negative, 1), k=3, s=2)
with_infinity = max_pool_arrays(np.pad(negative, 1, constant_values=-np.inf), k=3, s=2)

# %% jupyter={"source_hidden": true}
fig = figures.arrays_row(
    [negative, with_zeros, with_infinity],
    titles=["negative", "padded with 0", "padded with −∞"],
    operators=["→", ""],
)
figures.show(
    fig,
    alt="A 3 by 3 array of negative numbers; pooled after padding with zeros every result is "
    "0; padded with minus infinity the results are −1, −2, −4, −5.",
)

# %% [markdown]
# Zeros that nobody measured won every window. So max pooling pads with $-\infty$, which never wins. Average pooling pads with 0, and then there is a question: does the
# frame *count*? `count_include_pad` decides.

# %%
ones = np.ones((1, 4, 4), np.float32)
counted = avg_pool2d(ones, 3, stride=2, padding=1, count_include_pad=True)[0]
not_counted = avg_pool2d(ones, 3, stride=2, padding=1, count_include_pad=False)[0]

# %% jupyter={"source_hidden": true}
fig = figures.arrays_row(
    [ones[0], counted, not_counted],
    titles=["ones", "count_include_pad=True", "count_include_pad=False"], operators=["→", ""],
)
figures.show(
    fig,
    alt="Ones, pooled with padding 1. Counting the frame gives 0.44 in the upper left corner,"
    " four ninths; not counting it gives 1 everywhere.",
)

# %% [markdown]
# In the corner, 4 of 9 elements lie in the image. Counting the frame darkens the edges of a picture; PyTorch does it unless told otherwise.
#
# **`ceil_mode`** rounds the number of windows up, so that the last row and column are not lost. A window that would *start* beyond the image and its left padding is dropped.
#
# **Predict, then run.** 5 columns, window 2, stride 2: what does the third window see?

# %%
row = np.array([[[3, 1, 4, 1, 5]]], dtype=np.float32)
[max_pool2d(row, (1, 2), ceil_mode=mode).ravel().tolist() for mode in (False, True)]

# %% [markdown]
# Without `ceil_mode` the largest number of the row, 5, was never seen.

# %% [markdown]
# ## 6 · The indices: where was the maximum?
#
# Max pooling throws away *where* the maximum was. `return_indices=True` keeps it. An index counts the pixels of the **plane** in reading order: row · W + column. Zeiler and
# Fergus call them *switches*. Lecture 03 needs them to undo pooling, and the gradient needs them now.

# %%
values, indices = max_pool2d(x[None], kernel_size=2, return_indices=True)
values.tolist(), indices.tolist()

# %% jupyter={"source_hidden": true}
plane = np.arange(16).reshape(4, 4)
winners = [(int(m) // 4, int(m) % 4, 1, 1) for m in indices.ravel()]
fig = figures.arrays_row(
    [x, values[0], plane, indices[0]],
    titles=["x", "values", "number of\neach pixel", "indices"],
    operators=["→", "", "→"],
    highlights=[winners, cells, winners, cells],
)
figures.show(
    fig,
    alt="The array x with its four winners framed, the pooled values, the numbers 0 to 15 of "
    "the pixels with the same four framed, and the indices 1, 6, 12, 10.",
)

# %% [markdown]
# **A tie.** In the upper right window two elements are 7. The first in reading order wins, index 6, not 7. It matters: only the winner gets the gradient.
#
# **NaN.** A NaN beats every number, so that a broken value is not hidden. Comparisons with NaN are always false, so code that only asks `x > best` loses it.

# %%
broken = np.array([[[np.nan, 8.0], [1.0, 2.0]]], dtype=np.float32)
print("library:", max_pool2d(broken, 2).item())
print("loops:  ", max_pool_loops(broken[0], k=2, s=2).item())
print("swapped:", max_pool_loops(broken[0][:, ::-1], k=2, s=2).item())

# %% [markdown]
# Python's `max` keeps the NaN only when it comes first. NumPy's `np.maximum` always keeps it.

# %% [markdown]
# ## 7 · The gradient of max pooling
#
# Training needs $\partial L/\partial x$, given $\partial L/\partial y$. Move one element of a window a little: only if it is the winner does $y$ move, and then by the same amount. So
#
# $$\frac{\partial L}{\partial x_m} = \sum_{(i,j)\,:\,\text{index}_{ij} = m} \frac{\partial L}{\partial y_{ij}}$$
#
# Each gradient travels back to the element that won.

# %%
grad_output = np.array([[[10, 20], [30, 40]]], dtype=np.float32)
grad_x = max_pool2d_backward(grad_output, indices, x[None].shape)

# %% jupyter={"source_hidden": true}
fig = figures.arrays_row(
    [grad_output[0], indices[0], grad_x[0]],
    titles=["gradient of y", "indices", "gradient of x"],
    operators=["", "→"],
    highlights=[cells, cells, winners],
)
figures.show(
    fig,
    alt="Gradients 10, 20, 30, 40, the indices 1, 6, 12, 10, and the gradient of x: 10, 20, "
    "30 and 40 at the four winners and 0 elsewhere.",
)

# %% [markdown]
# **Overlapping windows.** With $k=3$, $s=1$ one element can win several windows. It gets the *sum*.
#
# **Predict, then run.** Below, the element in row 1, column 1 is the largest of all four windows. Each gradient is 1. The two lines look alike. Which one is right?

# %%
peak = np.zeros((1, 4, 4))
peak[0, 1, 1] = 9
_, places = max_pool2d(peak, 3, stride=1, return_indices=True)
assigned, added = np.zeros(16), np.zeros(16)
assigned[places.ravel()] = 1
np.add.at(added, places.ravel(), 1)
print("assigned:", assigned[5], "  added:", added[5])

# %% [markdown]
# `assigned[places] = 1` writes four times into the same cell, and `assigned[places] += 1` would do no better. `np.add.at` adds every time. This is the commonest mistake with
# this gradient, and it is invisible as long as windows do not overlap.

# %%
def max_pool_backward_arrays(grad_output, indices, shape):
    grad_x = np.zeros((*shape[:-2], shape[-2] * shape[-1]), grad_output.dtype)
    for plane in np.ndindex(*shape[:-2]):
        np.add.at(grad_x[plane], indices[plane].ravel(), grad_output[plane].ravel())
    return grad_x.reshape(shape)

# %% [markdown]
# ## 8 · The gradient of average pooling
#
# Every element of a window has the same share in its mean, so every element gets the same share of the gradient: $\frac{1}{k^2}\,\partial L/\partial y_{ij}$. Overlaps add up again.

# %%
grad_x = avg_pool2d_backward(grad_output, (1, 4, 4), kernel_size=2)
overlap = avg_pool2d_backward(np.ones((1, 3, 3)), (1, 5, 5), kernel_size=3, stride=1) * 9

# %% jupyter={"source_hidden": true}
fig = figures.arrays_row(
    [grad_output[0], grad_x[0], overlap[0]],
    titles=["gradient of y", "gradient of x, 2×2", "how many 3×3 windows\nhold each pixel (stride 1)"],
    operators=["→", ""],
)
figures.show(
    fig,
    alt="Gradients 10 to 40 spread over 2 by 2 windows as quarters, and a map of how many 3 "
    "by 3 windows hold each pixel: 1 in the corners, 9 in the centre.",
)

# %% [markdown]
# ## 9 · Are we right? Ask PyTorch
#
# `compare.with_torch` calls our function and PyTorch's with the same arguments and compares shape, dtype, values and gradients. Random odd shapes, a stride that is no
# divisor, padding and dilation: easy inputs prove little.

# %%
z = rng.standard_normal((2, 3, 11, 8), dtype=np.float32)
options = dict(kernel_size=3, stride=2, padding=1, ceil_mode=True)
_, places = max_pool2d(z, **options, return_indices=True)


def backward(grad_output):
    return max_pool_backward_arrays(grad_output, places, z.shape)


compare.with_torch(max_pool2d, z, return_indices=True, backward=backward, **options)

# %%
def backward(grad_output):
    return avg_pool2d_backward(grad_output, z.shape, **options)


compare.with_torch(avg_pool2d, z, backward=backward, **options)

# %% [markdown]
# And when it is wrong? Here is the mistake of section 5, zeros for padding. Read what the comparison says.

# %%
def pool_with_zeros(x, kernel_size, stride, padding):
    frame = [(0, 0)] * (x.ndim - 2) + [(padding, padding)] * 2
    return max_pool_arrays(np.pad(x, frame), kernel_size, stride)


compare.with_torch(pool_with_zeros, z - 2, reference=F.max_pool2d, kernel_size=3, stride=2, padding=1)

# %% [markdown]
# A second opinion needs no PyTorch: nudge an input by a tiny amount and watch the output. This is a *finite difference*.

# %%
def pool(w):
    return avg_pool2d(w, kernel_size=3, stride=2)


w = rng.standard_normal((1, 2, 7, 7))
g = rng.standard_normal(pool(w).shape)
gradient = avg_pool2d_backward(g, w.shape, kernel_size=3, stride=2)
compare.with_finite_differences(pool, [w], [gradient], grad_output=g)

# %% [markdown]
# ## 10 · On a real photograph
#
# Max pooling keeps what is bright and sharp, average pooling keeps the local mean. Both at stride 8.

# %%
cat = as_chw(photograph("chelsea", size=(288, 432)))
pooled = [cat, max_pool2d(cat, 8), avg_pool2d(cat, 8), -max_pool2d(-cat, 8)]

# %% jupyter={"source_hidden": true}
fig = figures.images_row(
    [height_width_channels(image) for image in pooled],
    titles=["photograph", "largest of 8×8", "mean of 8×8", "smallest of 8×8"],
    columns=2,
)
figures.show(
    fig,
    alt="A cat: the photograph, then pooled by the maximum, which is lighter and keeps the "
    "whiskers, by the mean, which is blurred, and by the minimum, which is darker.",
)

# %% [markdown]
# ## 11 · What resolution costs
#
# Suppose a network gives one label per 8×8 cell, and gives it perfectly: the commonest label of the cell. Scale that up again. How many pixels are right?
#
# The commonest label of a cell is itself an average pooling: pool the one-hot label map, take the largest.

# %%
def best_possible(labels, stride, num_classes):
    one_hot = np.eye(num_classes)[labels].transpose(2, 0, 1)
    coarse = avg_pool2d(one_hot, stride, ceil_mode=True).argmax(0)
    return coarse.repeat(stride, 0).repeat(stride, 1)[: labels.shape[0], : labels.shape[1]]


scene = street(seed=4, size=(256, 384))
classes = len(scene.classes)
coarse = {stride: best_possible(scene.labels, stride, classes) for stride in (4, 8, 16, 32)}

# %% jupyter={"source_hidden": true}
label_maps = [scene.labels, *coarse.values()]
fig = figures.images_row(
    [scene.image] + [figures.colourise(labels, scene.palette) for labels in label_maps],
    titles=["image", "labels"] + [f"stride {stride}" for stride in coarse],
    columns=3,
)
figures.label_legend(fig, scene.classes, scene.palette)
figures.show(
    fig,
    alt="The label map of a street scene, and the best maps possible at strides 4, 8, 16 and "
    "32: the outlines turn into steps, then poles and people disappear.",
)

# %%
for stride, labels in coarse.items():
    right = labels == scene.labels
    pole = scene.labels == scene.classes.index("pole")
    print(f"stride {stride:2}: {right.mean():6.1%} of all pixels are right", end="")
    print(f", {right[pole].mean():6.1%} of the pole pixels")

# %% [markdown]
# Large regions hardly suffer. Thin things vanish. Average accuracy hides it, which is why lecture 07 counts class by class.
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
            right += (best_possible(labels, stride, 12) == labels)[known].sum()
            total += known.sum()
        print(f"CamVid test, every 40th frame, stride {stride:2}: {right / total:.1%}")
else:
    print("CamVid is not on this machine; the synthetic street above stands for it.")

# %% [markdown]
# ## 12 · What the receptive field gains
#
# The **receptive field** of a unit is the patch of the image that it can see. Write $r$ for its width, and $j$ for how many image pixels lie between neighbouring units.
# A layer with window $k$ and stride $s$ gives
#
# $$r \leftarrow r + (k - 1)\, j, \qquad j \leftarrow j\, s$$
#
# So after every pooling, all later layers grow the field twice as fast.

# %%
def receptive_fields(layers):
    r, j, fields = 1, 1, []
    for kernel_size, stride in layers:
        r, j = r + (kernel_size - 1) * j, j * stride
        fields.append(r)
    return fields


stage = [(3, 1), (3, 1)]
plain = receptive_fields(stage * 5)
pooled = receptive_fields((stage + [(2, 2)]) * 5)
print("ten 3×3 convolutions:              ", plain[-1], "pixels")
print("the same with a pooling every two: ", pooled[-1], "pixels")

# %% jupyter={"source_hidden": true}
fig, ax = plt.subplots(figsize=(7, 3.6))
ax.plot(range(1, 11), plain, "o-", label="3×3 convolutions only")
ax.plot(range(1, 16), pooled, "s-", label="with 2×2 pooling after every two")
ax.set(xlabel="layer", ylabel="receptive field, pixels", yscale="log")
ax.legend()
figures.show(
    fig,
    alt="Receptive field over the layers: without pooling it grows by 2 pixels a layer to 21;"
    " with pooling it grows ever faster, to 156 pixels.",
)

# %% [markdown]
# That is the bargain. Pooling buys context cheaply and pays with resolution.

# %% [markdown]
# ## 13 · Try it yourself
#
# Move the sliders. Watch the framed window, the output size and the edge.

# %% tags=["nbval-ignore-output"]
import ipywidgets


def explore(kernel_size=2, stride=2, padding=0, dilation=1):
    if 2 * padding > kernel_size:
        return print(f"padding={padding} must be at most half of kernel_size={kernel_size}")
    y, places = max_pool2d(z[:1, 0], kernel_size, stride, padding, dilation, return_indices=True)
    winners = {(int(m) // 8, int(m) % 8, 1, 1, "#D55E00") for m in places.ravel()}
    fig = figures.arrays_row(
        [z[0, 0], y[0]],
        titles=["x, winners framed", f"y, {y.shape[1]}×{y.shape[2]}"],
        operators=["→"],
        fmt=".1f",
        highlights=[sorted(winners), []],
    )
    figures.show(fig, alt=f"An 11 by 8 array, its winners framed, and its {y.shape[1:]} maxima.")


ipywidgets.interact(explore, kernel_size=(1, 4), stride=(1, 4), padding=(0, 2), dilation=(1, 2));

# %% [markdown]
# A still picture, for readers without a running kernel: window 3, stride 2, padding 1.

# %% jupyter={"source_hidden": true}
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
# 1. Change one character of `max_pool_loops` so that the *last* of equals wins when you also record the place. Which comparison in this lecture notices?
# 2. Pool with $k=3$, $s=2$, $p=1$ a picture of 224×224. How large is the result? And of 225×225?
# 3. `-max_pool2d(-x, k)` is min pooling. What must its padding be?
# 4. Write `avg_pool2d` as a convolution. Which weights, which `groups`?
# 5. Two 2×2 poolings after each other: equal to one 4×4 pooling? For the maximum? For the mean? At odd sizes?
#
# ## Sources
#
# * J. Weng, N. Ahuja, T. S. Huang, *Cresceptron: a self-organizing neural network which grows adaptively*, IJCNN 1992 (max pooling).
# * Y. LeCun et al., *Handwritten digit recognition with a back-propagation network*, NIPS 1989 (averaging layers).
# * M. D. Zeiler, R. Fergus, *Visualizing and understanding convolutional networks*, ECCV 2014 (switches).
# * V. Dumoulin, F. Visin, *A guide to convolution arithmetic for deep learning*, arXiv:1603.07285 (output sizes).
# * A. Araujo, W. Norris, J. Sim, *Computing receptive fields of convolutional neural networks*, Distill 2019.
# * PyTorch documentation, `torch.nn.functional.max_pool2d` and `avg_pool2d`.

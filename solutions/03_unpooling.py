# %% [markdown]
# # Exercises 03 · Unpooling and interpolation
#
# You interpolate on paper, write max unpooling, send pictures through pooling and back, and double their size by bilinear interpolation, with its gradient. You need lecture 03. Write in the
# cells that say `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

rng = np.random.default_rng(3)

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks need
import torch
import torch.nn.functional as F
from segedu import compare, figures
from segedu.data.photographs import as_chw, photograph

figures.use_style()


def pooled(x, *settings):
    """PyTorch's maxima and indices of NumPy's x."""
    return [a.numpy() for a in F.max_pool2d(torch.from_numpy(x), *settings, return_indices=True)]


def there_and_back(x, kernel_size):
    """PyTorch's pooling and unpooling of a tensor."""
    values, indices = F.max_pool2d(x, kernel_size, return_indices=True)
    return F.max_unpool2d(values, indices, kernel_size, output_size=x.shape[2:])


def twice(x):
    """PyTorch's enlargement by two of NumPy's x."""
    return F.interpolate(torch.from_numpy(x), scale_factor=2, mode="bilinear", align_corners=False).numpy()


def check_twice(x):
    """Compare bilinear_twice with PyTorch's interpolate."""
    def yours(x, size, scale_factor, mode, align_corners):
        return bilinear_twice(x)

    yours.__name__ = "bilinear_twice"
    return compare.with_torch(yours, x, None, 2, "bilinear", False, reference=F.interpolate).check()


def check_gradient(x):
    """Compare bilinear_twice_backward with PyTorch's gradient."""
    x = torch.from_numpy(x).requires_grad_()
    y = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    grad_output = rng.standard_normal(tuple(y.shape)).astype(y.detach().numpy().dtype)
    y.backward(torch.from_numpy(grad_output))
    blocks = grad_output.reshape(*x.shape[:3], 2, x.shape[3], 2).sum((3, 5))
    corners = torch.from_numpy(grad_output)[:, :, ::2, ::2].numpy()
    average = F.interpolate(torch.from_numpy(grad_output), x.shape[2:], mode="bilinear", align_corners=False).numpy()
    hints = [
        ("the gradient of nearest neighbour: a sum over each 2×2 window", blocks),
        ("the gradient of the bed of nails: one number of each window", corners),
        ("the gradient made smaller by interpolation: the weights of one old pixel add up to 4, not to 1", average),
    ]
    return compare.arrays(bilinear_twice_backward(grad_output), x.grad, length=16, name="gradient", hints=hints).check()

# %% [markdown]
# ## 1 · Between two pixels (2 points)
#
# The row 6, 2, 10 is enlarged from three to six numbers by linear interpolation. Which number does new pixel 4 get (the last but one; counted from 0) with `align_corners=False`, and which with
# `align_corners=True`? Work out by hand where it lies among the old pixels, then blend; write `corners_false, corners_true = …`.

# %% segedu={"role": "answer", "question": "between"}
### BEGIN SOLUTION
corners_false, corners_true = 8, 6.8
### END SOLUTION

# %% segedu={"role": "check", "question": "between", "points": 2}
row = torch.tensor([[[6.0, 2.0, 10.0]]], dtype=torch.float64)
first, second = (F.interpolate(row, size=6, mode="linear", align_corners=c)[0, 0, 4].item() for c in (False, True))
given = np.array([corners_false, corners_true], float)
assert not np.allclose(given, (second, first), atol=0.01), "right numbers, in the wrong order: False comes first"
assert abs(given[0] - 10) > 0.01, "False: that is the last old pixel itself: are both halves of (c + ½)·W/W_out − ½ there?"
assert abs(given[0] - 4) > 0.01, "False: the shares are exchanged: the nearer old pixel has the larger one"
assert abs(given[0] - first) < 0.01, "False: not right. Where does new pixel 4 lie, measured in old pixels?"
assert abs(given[1] - 5.2) > 0.01, "True: the shares are exchanged: the nearer old pixel has the larger one"
assert abs(given[1] - second) < 0.01, "True: not right. Pixels are points here: 0 lies on 0, and 5 lies on 2"
print("both numbers are right")

# %% [markdown]
# ## 2 · Max unpooling (6 points)
#
# `max_unpool2d(x, indices, kernel_size, stride, padding, output_size)` puts every value of x in the place that its index names, row · W + column in the *large* plane; all other places are
# 0. x and indices are N×C×H×W, each plane has indices of its own. `output_size` is (rows, columns); where it is `None`, the size is, for rows and columns alike,
#
# $$n_{\text{out}} = (n - 1)\, s + k - 2p$$
#
# Where an index lies outside the large plane, below 0, too, raise a `ValueError` whose message contains the word *index*. Windows of pooling may have overlapped: then several values, all equal, have the same
# index, and the value stands there once.
#
# Example: the values 5, 7 with the indices 1, 6, kernel 2, stride 2, no padding. The large plane has 2×4 pixels: 0 5 0 0 and 0 0 7 0. With `output_size=(2, 5)` its rows are 0 5 0 0 0 and
# 0 7 0 0 0.
#
# <details><summary>Hint 1</summary>Lay out each large plane as one row of pixels: zeros of N×C×(rows · columns). Reshape at the end.</details>
# <details><summary>Hint 2</summary>`np.put_along_axis(array, places, values, axis)` writes each row of values to its own places. Or loop over the planes.</details>

# %% segedu={"role": "answer", "question": "max_unpool2d"}
def max_unpool2d(x, indices, kernel_size, stride, padding, output_size):
    """x, indices: N×C×H×W; output_size: (rows, columns) or None. Returns N×C×rows×columns, of the dtype of x."""
    ### BEGIN SOLUTION
    if output_size is None:
        output_size = [(n - 1) * stride + kernel_size - 2 * padding for n in x.shape[2:]]
    height, width = output_size
    if indices.min() < 0 or indices.max() >= height * width:
        raise ValueError(f"an index lies outside a plane of {height}×{width} pixels")
    planes = x.shape[:2]
    y = np.zeros((*planes, height * width), x.dtype)
    np.put_along_axis(y, indices.reshape(*planes, -1), x.reshape(*planes, -1), axis=2)
    return y.reshape(*planes, height, width)
    ### END SOLUTION

# %% segedu={"role": "check", "question": "max_unpool2d", "points": 1}
# one plane, no size given
x = np.array([[[[5.0, 7.0]]]], dtype=np.float32)
compare.with_torch(max_unpool2d, x, np.array([[[[1, 6]]]]), 2, 2, 0, None).check()
values, indices = pooled(rng.standard_normal((1, 1, 6, 4)).astype(np.float32), 2)
compare.with_torch(max_unpool2d, values, indices, 2, 2, 0, None).check()

# %% segedu={"role": "check", "question": "max_unpool2d", "points": 1}
# a size that is given, and several planes
x = np.array([[[[5.0, 7.0]]]], dtype=np.float32)
compare.with_torch(max_unpool2d, x, np.array([[[[1, 6]]]]), 2, 2, 0, (2, 5)).check()
values, indices = pooled(rng.standard_normal((2, 3, 6, 9)), 2)
first = np.zeros((6, 54))
first[0, indices.ravel()] = values.ravel()
hints = [("all planes written into the first: an index counts within its own plane", first.reshape(2, 3, 6, 9))]
got = max_unpool2d(values, indices, 2, 2, 0, (6, 9))
target = F.max_unpool2d(torch.from_numpy(values), torch.from_numpy(indices), 2, output_size=(6, 9))
compare.arrays(got, target, name="max_unpool2d", hints=hints).check()

# %% segedu={"role": "hidden", "question": "max_unpool2d", "points": 2}
# any size, windows that overlap, padding
for settings in [(2, 2, 0), (3, 3, 1), (3, 2, 1)]:
    x = rng.standard_normal((2, 3, *rng.permutation(np.arange(7, 13))[:2]))
    values, indices = pooled(x, *settings)
    compare.with_torch(max_unpool2d, values, indices, *settings, x.shape[2:]).check()

# %% segedu={"role": "hidden", "question": "max_unpool2d", "points": 1}
# no size given, with padding
x = rng.standard_normal((1, 2, 7, 10)).astype(np.float32)
values, indices = pooled(x, 3, 3, 1)
compare.with_torch(max_unpool2d, values, indices, 3, 3, 1, None).check()

# %% segedu={"role": "hidden", "question": "max_unpool2d", "points": 1}
# an index outside the large plane: too large in the last of several planes, the first that is too large, below 0
values, indices = pooled(np.arange(65.0).reshape(1, 1, 5, 13), 2)
compare.raises(max_unpool2d, ValueError, values, indices, 2, 2, 0, (4, 11), mentions=["index"]).check()
x, indices = rng.random((2, 3, 2, 2)), np.zeros((2, 3, 2, 2), np.int64)
for index in (16, -1):
    indices[1, 2, 1, 1] = index
    compare.raises(max_unpool2d, ValueError, x, indices, 2, 2, 0, (4, 4), mentions=["index"]).check()

# %% [markdown]
# ## 3 · There and back (4 points)
#
# `round_trip(x, kernel_size)` does max pooling with windows of k×k and stride k, and max unpooling to the size that x had, in one: the largest number of each window stays where it is, every other
# becomes 0. Of equal numbers the first stays, row by row. Rows and columns at the end that fill no whole window become 0.
#
# Example: with k = 2, the rows 1 5 9 and 5 2 9 become 0 5 0 and 0 0 0.
#
# <details><summary>Hint 1</summary>Cut off the rest first: how many whole windows are there in each direction? Then `reshape` to N×C×rows×k×columns×k.</details>
# <details><summary>Hint 2</summary>Exchange axes so that k and k stand last and beside each other, and make them one axis of k². `argmax` along it finds the first of the largest.</details>
# <details><summary>Hint 3</summary>`np.arange(k * k) == winner[..., None]` is true at the winner of each window. Then the same way back.</details>

# %% segedu={"role": "answer", "question": "round_trip"}
def round_trip(x, kernel_size):
    """x: N×C×H×W. Returns an array like x: the maxima of the windows in their places, 0 elsewhere."""
    ### BEGIN SOLUTION
    k, planes = kernel_size, x.shape[:2]
    rows, columns = x.shape[2] // k, x.shape[3] // k
    whole = x[:, :, : rows * k, : columns * k].reshape(*planes, rows, k, columns, k)
    windows = whole.swapaxes(3, 4).reshape(*planes, rows, columns, k * k)
    wins = np.arange(k * k) == windows.argmax(axis=-1)[..., None]
    kept = np.where(wins, windows, 0).reshape(*planes, rows, columns, k, k).swapaxes(3, 4)
    y = np.zeros_like(x)
    y[:, :, : rows * k, : columns * k] = kept.reshape(*planes, rows * k, columns * k)
    return y
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "round_trip"}
# Figure: a cat there and back, brightened
cat = as_chw(photograph("chelsea", size=(96, 144)))[None]
try:
    pair = round_trip(cat, 2)[0], there_and_back(torch.from_numpy(cat), 2)[0].numpy()
    pictures = [np.clip(z, 0, 1).transpose(1, 2, 0) for z in (cat[0], *(2 * y for y in pair))]
    fig = figures.images_row(pictures, ["photograph", "yours, brightened", "PyTorch's, brightened"])
    figures.show(fig, alt="A cat; the same with three pixels in four black, by your function and by PyTorch's.")
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "round_trip", "points": 1}
# windows that fill the picture
x = rng.random((1, 2, 4, 6)).astype(np.float32)
compare.with_torch(round_trip, x, 2, reference=there_and_back).check()

# %% segedu={"role": "check", "question": "round_trip", "points": 1}
# the example: equal numbers, and a column that is left over
x = np.array([[[[1.0, 5.0, 9.0], [5.0, 2.0, 9.0]]]])
hints = [
    ("every largest number kept: of equal ones only the first stays", np.array([[[[0.0, 5, 0], [5, 0, 0]]]])),
    ("the last of equal numbers kept: the first stays", np.array([[[[0.0, 0, 0], [5, 0, 0]]]])),
    ("the maximum everywhere in its window: it stays at its own place only", np.array([[[[5.0, 5, 0], [5, 5, 0]]]])),
    ("the numbers that fill no window kept: they become 0", np.array([[[[0.0, 5, 9], [0, 0, 9]]]])),
]
compare.arrays(round_trip(x, 2), np.array([[[[0.0, 5, 0], [0, 0, 0]]]]), name="round_trip", hints=hints).check()

# %% segedu={"role": "hidden", "question": "round_trip", "points": 2}
# a row and a column that fill no window, equal and negative numbers
for k in (2, 3):
    x = rng.integers(-6, 3, (2, 3, *(k * rng.permutation([2, 3, 4])[:2] + 1))).astype(np.float64)
    compare.with_torch(round_trip, x, k, reference=there_and_back).check()

# %% [markdown]
# ## 4 · Bilinear, twice as large (4 points)
#
# `bilinear_twice(x)` enlarges N×C×H×W to N×C×2H×2W by bilinear interpolation with `align_corners=False`. For this one factor no coordinates are needed: along each axis every old pixel $x_j$
# makes two new ones,
#
# $$y_{2j} = \tfrac14\, x_{j-1} + \tfrac34\, x_j \qquad\qquad y_{2j+1} = \tfrac34\, x_j + \tfrac14\, x_{j+1}$$
#
# and beyond either end the last pixel counts once more.
#
# Example: the row 4, 8 becomes 4, 5, 7, 8.
#
# <details><summary>Hint 1</summary>Work along one axis, then along the other. `np.moveaxis` or `swapaxes` saves writing it twice.</details>
# <details><summary>Hint 2</summary>All left neighbours at once: `np.concatenate([x[..., :1], x[..., :-1]], axis=-1)`.</details>
# <details><summary>Hint 3</summary>An array of zeros, twice as wide; then `y[..., 0::2] = …` and `y[..., 1::2] = …`. Mind the dtype.</details>

# %% segedu={"role": "answer", "question": "bilinear_twice"}
def bilinear_twice(x):
    """x: N×C×H×W. Returns N×C×2H×2W, of the dtype of x."""
    ### BEGIN SOLUTION
    for axis in (2, 3):
        old = np.moveaxis(x, axis, -1)
        before = np.concatenate([old[..., :1], old[..., :-1]], axis=-1)
        after = np.concatenate([old[..., 1:], old[..., -1:]], axis=-1)
        new = np.zeros((*old.shape[:-1], 2 * old.shape[-1]), x.dtype)
        new[..., 0::2] = (before + 3 * old) / 4
        new[..., 1::2] = (3 * old + after) / 4
        x = np.moveaxis(new, -1, axis)
    return x
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "bilinear_twice"}
# Figure: three times twice as large
small = as_chw(photograph("coffee", size=(24, 36)))[None]
try:
    yours, target = small, small
    for _ in range(3):
        yours, target = bilinear_twice(yours), twice(target)
    pictures = [np.clip(z[0], 0, 1).transpose(1, 2, 0) for z in (small, yours, target)]
    fig = figures.images_row(pictures, ["24×36 pixels", "yours: three times doubled", "PyTorch's"])
    figures.show(fig, alt="A cup of coffee in large pixels; smooth, by your function; smooth, by PyTorch's.")
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "bilinear_twice", "points": 1}
# the example
hints = [
    ("the shares exchanged: three quarters come from the nearer old pixel", np.array([[[[4.0, 7, 5, 8]] * 2]])),
    ("zeros beyond the ends: the last pixel counts once more there", 0.75 * np.array([[[[3.0, 5, 7, 6]] * 2]])),
]
got = bilinear_twice(np.array([[[[4.0, 8.0]]]]))
compare.arrays(got, np.array([[[[4.0, 5, 7, 8]] * 2]]), name="bilinear_twice", hints=hints).check()

# %% segedu={"role": "check", "question": "bilinear_twice", "points": 1}
# a square, in float32
check_twice(rng.standard_normal((1, 1, 4, 4)).astype(np.float32))

# %% segedu={"role": "hidden", "question": "bilinear_twice", "points": 2}
# any size and both dtypes, a single row, a single pixel
for dtype in (np.float32, np.float64):
    check_twice(rng.standard_normal((2, 3, *rng.permutation(np.arange(3, 9))[:2])).astype(dtype))
check_twice(rng.standard_normal((1, 2, 1, 5)))
check_twice(rng.standard_normal((1, 1, 1, 1)))

# %% [markdown]
# ## 5 · Its gradient (4 points)
#
# `bilinear_twice_backward(grad_output)` gets the gradient of the large array, N×C×2H×2W, and returns that of the small one, N×C×H×W. Every old pixel collects the gradients of all new pixels
# that it went into, each times its weight there.
#
# Example: along a row of two old pixels with the gradients 100, 10, 1, 1000 of the new ones, the first old pixel gets $1 \cdot 100 + \tfrac34 \cdot 10 + \tfrac14 \cdot 1 = 107.75$, the second
# $\tfrac14 \cdot 10 + \tfrac34 \cdot 1 + 1 \cdot 1000 = 1003.25$.
#
# <details><summary>Hint 1</summary>Into which four new pixels of a row does old pixel j go, and with which weights? The two formulas of question 4 say it; read each for what it takes from $x_j$.</details>
# <details><summary>Hint 2</summary>With `even, odd = g[..., 0::2], g[..., 1::2]`: the first share is `3 * (even + odd) / 4`. The others come from one place further to the right, or to the left.</details>
# <details><summary>Hint 3</summary>The pixels at the ends stood in for their missing neighbours, so they get those quarters, too. In all each row of gradients keeps its sum: use that as a test.</details>

# %% segedu={"role": "answer", "question": "bilinear_twice_backward"}
def bilinear_twice_backward(grad_output):
    """grad_output: N×C×2H×2W. Returns the gradient of x, N×C×H×W, of the same dtype."""
    ### BEGIN SOLUTION
    for axis in (2, 3):
        g = np.moveaxis(grad_output, axis, -1)
        even, odd = g[..., 0::2], g[..., 1::2]
        old = 3 * (even + odd) / 4
        old[..., :-1] += even[..., 1:] / 4
        old[..., 1:] += odd[..., :-1] / 4
        old[..., 0] += even[..., 0] / 4
        old[..., -1] += odd[..., -1] / 4
        grad_output = np.moveaxis(old, -1, axis)
    return grad_output
    ### END SOLUTION

# %% segedu={"role": "check", "question": "bilinear_twice_backward", "points": 1}
# the example, in two equal rows of half the size, which add up to it
g = np.array([[[[100.0, 10, 1, 1000]] * 2]]) / 2
hints = [
    ("the quarters of the missing neighbours lost at the ends", 0.75 * np.array([[[[82.75, 753.25]]]])),
    ("quarters from the wrong side: even ones come from the right, odd ones from the left", np.array([[[[357.5, 1025.75]]]])),
]
compare.arrays(bilinear_twice_backward(g), np.array([[[[107.75, 1003.25]]]]), name="gradient", hints=hints).check()

# %% segedu={"role": "hidden", "question": "bilinear_twice_backward", "points": 3}
# any size and both dtypes, a single column
for dtype in (np.float32, np.float64):
    check_gradient(rng.standard_normal((2, 3, *rng.permutation(np.arange(3, 9))[:2])).astype(dtype))
check_gradient(rng.standard_normal((1, 2, 4, 1)))

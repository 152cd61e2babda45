# %% [markdown]
# # Exercises 02 · Pooling
#
# You write max pooling with its indices, average pooling, and the gradient of max pooling where windows overlap. You need lecture 02. Write in the cells that say
# `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

rng = np.random.default_rng(2)

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks need
import torch
import torch.nn.functional as F
from segedu import compare, figures
from segedu.data.photographs import as_chw, photograph

figures.use_style()


def pool(x, kernel_size, stride, padding):
    """PyTorch's max pooling, which returns the indices as well."""
    return F.max_pool2d(x, kernel_size, stride, padding, return_indices=True)

# %% [markdown]
# ## 1 · The size of the result (2 points)
#
# A picture of 13×18 pixels is pooled with windows of 3×3, stride 2 and padding 1. How many rows and columns has the result? Work it out by hand; then write `rows, columns = …` with both numbers.

# %% segedu={"role": "answer", "question": "output_size"}
### BEGIN SOLUTION
rows, columns = 7, 9
### END SOLUTION

# %% segedu={"role": "check", "question": "output_size", "points": 2}
pooled = F.max_pool2d(torch.zeros(1, 1, 13, 18), kernel_size=3, stride=2, padding=1)
right = tuple(pooled.shape[2:])
assert (columns, rows) != right, "rows and columns are swapped: 13 is the number of rows"
assert rows == right[0], f"{rows} rows: not right. Where does the last window begin, padding included?"
assert columns == right[1], f"{columns} columns: not right. The last window may not begin in the padding"
print("rows and columns are right")

# %% [markdown]
# ## 2 · Max pooling with indices (6 points)
#
# `max_pool2d(x, kernel_size, stride, padding)` takes an array of N×C×H×W and returns two arrays: the maxima, and for each the index of its place in its H×W plane,
# row · W + column, in int64. Padding is −∞ and never wins. Of equal values the first counts, row by row.
#
# Example: of the picture 1 5 / 5 2 with $k = 2$ the maximum is 5 and its index 1: the 5 in the first row comes before the other.
#
# <details><summary>Hint 1</summary>Start with the maxima alone: fill a padded copy with −∞ and loop over the pixels of a window, not over the windows.</details>
# <details><summary>Hint 2</summary>`padded[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride]` holds pixel (i, j) of every window.</details>
# <details><summary>Hint 3</summary>Where that pixel is greater than the best so far, its index is (r · stride + i − padding) · W + c · stride + j − padding.</details>

# %% segedu={"role": "answer", "question": "max_pool2d"}
def max_pool2d(x, kernel_size, stride, padding):
    """x: N×C×H×W. Returns (values, indices), both N×C×rows×columns; values of the dtype of x."""
    ### BEGIN SOLUTION
    height, width = x.shape[2:]
    rows = (height + 2 * padding - kernel_size) // stride + 1
    columns = (width + 2 * padding - kernel_size) // stride + 1
    frame = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    padded = np.pad(x, frame, constant_values=-np.inf)
    values = np.full((*x.shape[:2], rows, columns), -np.inf, x.dtype)
    indices = np.zeros(values.shape, np.int64)
    top = np.arange(rows)[:, None] * stride - padding
    left = np.arange(columns) * stride - padding
    for i in range(kernel_size):
        for j in range(kernel_size):
            pixel = padded[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride]
            greater = pixel > values
            values = np.where(greater, pixel, values)
            indices = np.where(greater, (top + i) * width + left + j, indices)
    return values, indices
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "max_pool2d"}
# Figure: your result beside PyTorch's
cat = as_chw(photograph("chelsea", size=(96, 144)))[None]
target = pool(torch.from_numpy(cat), 5, 5, 0)[0][0].numpy()
try:
    yours = max_pool2d(cat, 5, 5, 0)[0][0]
    pictures = [z.transpose(1, 2, 0) for z in (yours, target)]
    fig = figures.images_row(pictures, titles=["yours", "PyTorch's"])
    figures.show(fig, alt="A cat's face in large pixels, twice: your result and PyTorch's.")
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "max_pool2d", "points": 2}
# values and indices where windows do not overlap
x = rng.standard_normal((1, 2, 6, 6)).astype(np.float32)
compare.with_torch(max_pool2d, x, 2, 2, 0, reference=pool).check()

# %% segedu={"role": "hidden", "question": "max_pool2d", "points": 2}
# overlap, stride and padding, odd and unequal sizes
for settings in [(3, 2, 1), (3, 3, 0), (2, 1, 1)]:
    x = rng.standard_normal((2, 3, *rng.permutation(np.arange(5, 12))[:2]))
    compare.with_torch(max_pool2d, x, *settings, reference=pool).check()

# %% segedu={"role": "hidden", "question": "max_pool2d", "points": 2}
# ties, and a picture that is negative everywhere: padding must not win
x = rng.integers(0, 3, (2, 2, 7, 9)).astype(np.float32)
compare.with_torch(max_pool2d, x, 3, 2, 1, reference=pool).check()
x = -1e12 * (1 + rng.random((1, 1, 5, 5)))
compare.with_torch(max_pool2d, x, 3, 2, 1, reference=pool).check()

# %% [markdown]
# ## 3 · Average pooling (4 points)
#
# `avg_pool2d(x, kernel_size, stride, padding, count_include_pad)` takes the mean of each window. Padding is 0. With `count_include_pad=True` every window is divided by
# $k^2$; with `False` by the number of its pixels that lie in the picture.
#
# Example: the 2×2 picture of ones, $k = 2$, stride 1, padding 1. The window at the upper left corner holds one pixel: its mean is 1/4, or 1.
#
# <details><summary>Hint 1</summary>Sum up the pixels of a window in the same loop over (i, j) as before.</details>
# <details><summary>Hint 2</summary>How many pixels of a window lie in the picture? Sum up the windows of a picture of ones, padded with 0.</details>

# %% segedu={"role": "answer", "question": "avg_pool2d"}
def avg_pool2d(x, kernel_size, stride, padding, count_include_pad):
    """x: N×C×H×W. Returns N×C×rows×columns, of the dtype of x."""
    ### BEGIN SOLUTION
    def window_sums(picture):
        padded = np.pad(picture, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        rows = (padded.shape[2] - kernel_size) // stride + 1
        columns = (padded.shape[3] - kernel_size) // stride + 1
        total = np.zeros((*picture.shape[:2], rows, columns), x.dtype)
        for i in range(kernel_size):
            for j in range(kernel_size):
                total += padded[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride]
        return total

    count = kernel_size**2 if count_include_pad else window_sums(np.ones_like(x[:1, :1]))
    return window_sums(x) / count
    ### END SOLUTION

# %% segedu={"role": "check", "question": "avg_pool2d", "points": 1}
# no padding
x = rng.standard_normal((1, 2, 6, 6)).astype(np.float32)
compare.with_torch(avg_pool2d, x, 2, 2, 0, count_include_pad=True).check()

# %% segedu={"role": "check", "question": "avg_pool2d", "points": 1}
# padding, counted and not counted, on ones
for counted in (True, False):
    compare.with_torch(avg_pool2d, np.ones((1, 1, 2, 2)), 2, 1, 1, count_include_pad=counted).check()
print("both ways of counting agree")

# %% segedu={"role": "hidden", "question": "avg_pool2d", "points": 2}
# any size, both ways of counting, both dtypes, numbers that are 0
for dtype, counted in [(np.float32, True), (np.float64, False), (np.float32, False)]:
    x = rng.standard_normal((2, 3, *rng.permutation(np.arange(5, 12))[:2])).astype(dtype)
    x[:, :, ::2, 1::2] = 0
    compare.with_torch(avg_pool2d, x, 3, 2, 1, count_include_pad=counted).check()

# %% [markdown]
# ## 4 · The gradient of max pooling, where windows overlap (4 points)
#
# Each output took one input pixel, the one its index names. `max_pool2d_backward(grad_output, indices, height, width)` brings the gradient of every output back to that
# pixel; a pixel that won several windows gets the sum.
#
# Example: the pixels are 1, 3, 2 in one row, the windows (1, 3) and (3, 2). Both have index 1. With gradients 10 and 20 the result is 0, 30, 0.
#
# <details><summary>Hint 1</summary>`gradient[indices] += grad_output` is not enough: of several equal indices only the last counts. NumPy has `np.add.at`.</details>
# <details><summary>Hint 2</summary>Write into an array of N×C×(H·W), a plane a row, and reshape at the end. Which row does each output belong to?</details>

# %% segedu={"role": "answer", "question": "max_pool2d_backward"}
def max_pool2d_backward(grad_output, indices, height, width):
    """grad_output, indices: N×C×rows×columns. Returns the gradient of x: N×C×height×width, of grad_output's dtype."""
    ### BEGIN SOLUTION
    batch, channels = grad_output.shape[:2]
    gradient = np.zeros((batch * channels, height * width), grad_output.dtype)
    plane = np.arange(batch * channels)[:, None]
    flat = (batch * channels, -1)
    np.add.at(gradient, (plane, indices.reshape(flat)), grad_output.reshape(flat))
    return gradient.reshape(batch, channels, height, width)
    ### END SOLUTION

# %% segedu={"role": "check", "question": "max_pool2d_backward", "points": 1}
# the example: two windows that share their largest pixel
row = max_pool2d_backward(np.array([[[[10.0, 20.0]]]]), np.array([[[[1, 1]]]]), 1, 3)
last = np.array([[[[0.0, 20.0, 0.0]]]])
hints = [("only the last gradient of each pixel: a pixel that won several windows gets the sum", last)]
compare.arrays(row, np.array([[[[0.0, 30.0, 0.0]]]]), name="gradient", hints=hints).check()

# %% segedu={"role": "hidden", "question": "max_pool2d_backward", "points": 2}
# PyTorch's gradient, windows of 3×3 with stride 2
x = torch.from_numpy(rng.standard_normal((2, 3, *rng.permutation(np.arange(6, 12))[:2]))).requires_grad_()
values, indices = pool(x, 3, 2, 1)
grad_output = rng.standard_normal(tuple(values.shape))
values.backward(torch.from_numpy(grad_output))
got = max_pool2d_backward(grad_output, indices.numpy(), *x.shape[2:])
first = np.zeros((6, x[0, 0].numel()))
first[0] = np.bincount(indices.numpy().ravel(), grad_output.ravel(), first.shape[1])
last = np.zeros((2, 3, x[0, 0].numel()))
np.put_along_axis(last, indices.numpy().reshape(2, 3, -1), grad_output.reshape(2, 3, -1), axis=2)
hints = [
    ("all gradients in the first plane: indices count within a plane", first.reshape(x.shape)),
    ("only the last gradient of each pixel: a pixel that won several windows gets the sum", last.reshape(x.shape)),
]
compare.arrays(got, x.grad.numpy(), length=9, name="gradient", hints=hints).check()

# %% segedu={"role": "hidden", "question": "max_pool2d_backward", "points": 1}
# what goes in comes out: the sum of each plane, in float32
indices = rng.integers(0, 35, (2, 2, 4, 3))
grad_output = rng.standard_normal(indices.shape).astype(np.float32)
got = max_pool2d_backward(grad_output, indices, 5, 7)
name = "sum of each plane's gradients"
compare.arrays(got.sum((2, 3)), grad_output.sum((2, 3)), length=12, name=name).check()

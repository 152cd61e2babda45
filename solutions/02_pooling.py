# %% [markdown]
# # Exercises 02 · Pooling
#
# You write max pooling with its indices, average pooling, and the gradient of max pooling where windows overlap. You need lecture 02. Write in the cells that say
# `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

# %% segedu={"role": "tools"}
import torch
import torch.nn.functional as F
from segedu import compare

rng = np.random.default_rng(2)

# %% [markdown]
# ## 1 · The size of the result (2 points)
#
# A picture of 13×18 pixels is pooled with windows of 3×3, stride 2 and padding 1. How many rows and columns has the result? Work it out by hand; then give both numbers.

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

# %% [markdown]
# ## 2 · Max pooling with indices (6 points)
#
# `max_pool2d(x, kernel_size, stride, padding)` takes an array of N×C×H×W and returns two arrays: the maxima, and for each the index of its place in its H×W plane,
# row · W + column, in int64. Padding is −∞ and never wins. Of equal values the first counts, row by row.
#
# <details><summary>Hint 1</summary>Start with the maxima alone: fill a padded copy with −∞ and loop over the pixels of a window, not over the windows.</details>
# <details><summary>Hint 2</summary>`padded[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride]` holds pixel (i, j) of every window.</details>
# <details><summary>Hint 3</summary>Where that pixel is greater than the best so far, its index is (r · stride + i − padding) · W + c · stride + j − padding.</details>

# %% segedu={"role": "answer", "question": "max_pool2d"}
def max_pool2d(x, kernel_size, stride, padding):
    """x: N×C×H×W. Returns (values, indices), both N×C×rows×columns."""
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

# %% segedu={"role": "check", "question": "max_pool2d", "points": 2}
x = rng.standard_normal((1, 2, 6, 6)).astype(np.float32)
settings = dict(kernel_size=2, stride=2, padding=0)
pool = lambda x, **settings: F.max_pool2d(x, **settings, return_indices=True)
compare.with_torch(max_pool2d, x, **settings, reference=pool).check()

# %% segedu={"role": "hidden", "question": "max_pool2d", "points": 2}
for kernel_size, stride, padding in [(3, 2, 1), (3, 3, 0), (2, 1, 1)]:
    x = rng.standard_normal((2, 3, *rng.integers(5, 12, 2)))
    settings = dict(kernel_size=kernel_size, stride=stride, padding=padding)
    compare.with_torch(max_pool2d, x, **settings, reference=pool).check()

# %% segedu={"role": "hidden", "question": "max_pool2d", "points": 2}
x = rng.integers(0, 3, (2, 2, 7, 9)).astype(np.float32)  # many ties
compare.with_torch(max_pool2d, x, kernel_size=3, stride=2, padding=1, reference=pool).check()
x = -1 - rng.random((1, 1, 5, 5))  # zeros for padding would win
compare.with_torch(max_pool2d, x, kernel_size=3, stride=2, padding=1, reference=pool).check()

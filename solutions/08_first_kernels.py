# %% [markdown]
# # Exercises 08 · Your first CUDA kernels
#
# You find threads on paper, mend a kernel by what its message says, and write max pooling, max unpooling and the gradient of average pooling in CUDA C. You need lecture 08, and lectures 02 and 03.
# You need no GPU: all kernels run in check mode, on the CPU, and are graded like that.
#
# Write your kernels where the cells say `// your code here`, between the braces; leave the first lines as they are. Run the check below each, and read what it says. Line 1 of a message is the
# line with `%%cuda`. Work out which row and column the thread of a message has: is there such a pixel? Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

# %load_ext segedu.cuda

rng = np.random.default_rng(8)

# %% [markdown]
# These functions launch your kernels; call them with arrays of your own, if you like. Results are filled with NaN and −1 before the launch, so that a number that no thread writes is noticed. A
# launch may run the threads in reverse order: a right kernel does not mind.

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
import torch
import torch.nn.functional as F
from segedu import compare, cuda, figures
from segedu.data.photographs import as_chw, photograph

figures.use_style()


def launch(kernel, plane, planes, block, args, order="forward"):
    """A thread for each pixel of a plane (rows, columns), and blocks along z for the planes."""
    rows, columns = plane
    grid = -(-columns // block[0]), -(-rows // block[1]), planes  # rounded up
    try:
        kernel(grid, block, args, order=order)
    except cuda.KernelError as error:
        raise AssertionError(str(error)) from None


def mirrored(x, block=(16, 8), order="forward"):
    y = np.full_like(x, np.nan)
    launch(mirror, x.shape, 1, block, (x, y, *x.shape), order)
    return y


def pooled(x, k, s, p, block=(16, 16), order="forward"):
    (*planes, height, width) = x.shape
    rows, columns = ((n + 2 * p - k) // s + 1 for n in (height, width))
    y = np.full((*planes, rows, columns), np.nan, np.float32)
    indices = np.full(y.shape, -1)
    args = x, y, indices, height, width, k, s, p, rows, columns
    launch(max_pool2d, (rows, columns), int(np.prod(planes)), block, args, order)
    return y, indices


def unpooled(x, indices, k, size, block=(16, 16), order="forward"):
    (*planes, rows, columns) = x.shape
    y = np.full((*planes, *size), np.nan, np.float32)
    launch(max_unpool2d, size, int(np.prod(planes)), block, (x, indices, y, rows, columns, k, *size), order)
    return y


def averaged_backward(grad, k, s, size, block=(16, 16), order="forward"):
    (*planes, rows, columns) = grad.shape
    dx = np.zeros((*planes, *size), np.float32)
    args = grad, dx, *size, k, s, rows, columns
    launch(avg_pool2d_backward, (rows, columns), int(np.prod(planes)), block, args, order)
    return dx

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks compare with
FAULTY = r"""
extern "C" __global__ void mirror(const float* x, float* y, int height, int width) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    int row = blockIdx.y * blockDim.y + threadIdx.y;
    if (column >= width) return;
    y[row * width + column] = x[row * width + width - column];
}"""


def check_written(y):
    """Whether every number was written."""
    empty = np.isnan(y)
    assert not empty.all(), "no number of y was written: is the kernel still empty, or does every thread return?"
    if empty.any():
        first = ", ".join(str(int(i)) for i in np.argwhere(empty)[0])
        raise AssertionError(
            f"{empty.sum()} of the {y.size} numbers of y were never written; the first is y[{first}]. There are enough "
            "threads. Which pixel has each of them (.x runs along the columns), and does it always write?"
        )


def check_mirrored(x, **options):
    """Compare mirror with NumPy's reversed rows."""
    y = mirrored(x, **options)
    check_written(y)
    hints = [("the picture upside down: mirror the columns, not the rows", x[::-1]), ("the picture itself", x)]
    return compare.arrays(y, np.ascontiguousarray(x[:, ::-1]), name="y", hints=hints).check()


def check_pooled(x, k, s, p, **options):
    """Compare max_pool2d with PyTorch's."""
    found = pooled(x, k, s, p, **options)
    check_written(found[0])
    target = [z.numpy() for z in F.max_pool2d(torch.from_numpy(x), k, s, p, return_indices=True)]
    width, shape = x.shape[-1], target[0].shape
    apart = F.max_pool2d(torch.from_numpy(x), k, 1, p)[..., : shape[-2], : shape[-1]].numpy()
    first = x[:, :1, :1]
    hints = (
        [
            ("the maxima of the first plane in all planes: x must be moved to the plane of the thread",
             0 * target[0] + target[0][:1]),
            ("the maxima of a search that begins at pixel 0, in the window or not", np.maximum(target[0], first)),
            ("the maxima of windows one pixel apart: the stride is missing", apart),
        ],
        [
            ("the places in the padded plane: they count without padding",
             (target[1] // width + p) * (width + 2 * p) + target[1] % width + p),
            ("the places of a search that begins at pixel 0, in the window or not", np.where(first >= target[0], 0, target[1])),
        ],
    )
    context = {"operator": "max_pool2d", "args": (x, k, s, p), "reference": F.max_pool2d}
    for number, name in enumerate(("y", "indices")):
        about = context | {"kwargs": {"return_indices": True}, "output": number}
        report = compare.arrays(found[number], target[number], name=name, hints=hints[number], context=about).check()
    return report


def enlarged(array, k, size, rest):
    """Every element over its window, and `rest` where no window is."""
    large = array.repeat(k, axis=-2).repeat(k, axis=-1)
    ends = [(0, n - m) for n, m in zip(size, large.shape[-2:], strict=True)]
    return np.pad(large, [(0, 0), *ends], constant_values=rest)


def check_unpooled(shape, k, **options):
    """Compare max_unpool2d with PyTorch's, on what PyTorch has pooled."""
    size, x = shape[-2:], torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    values, indices = F.max_pool2d(x, k, return_indices=True)
    found = unpooled(values.numpy(), indices.numpy(), k, size, **options)
    check_written(found)
    target = F.max_unpool2d(values, indices, k, output_size=size).numpy()
    large, where = enlarged(values.numpy(), k, size, 0), enlarged(indices.numpy(), k, size, -1)
    row, column, plane = *np.indices(size), np.arange(shape[0])[:, None, None]
    named = where == row * size[1] + column
    hints = [
        ("the first plane in all planes: where does the plane of the thread begin?", 0 * target + target[:1]),
        ("pixels counted as row · height + column: the step is the width", np.where(where == row * size[0] + column, large, 0)),
        ("the right one in the first plane alone: an index counts within its own plane", np.where(plane == 0, target, 0)),
        ("the maxima of the first plane in all planes: x must be moved to the plane of the thread, too", np.where(named, large[:1], 0)),
        ("the places of the first plane in all planes: indices must be moved, too", np.where(named[:1], large, 0)),
        ("the maximum everywhere in its window: only the pixel that the index names gets it", large),
    ]
    args = values.numpy(), indices.numpy(), k, k, 0, size
    context = {"operator": "max_unpool2d", "args": args, "kwargs": {}, "reference": F.max_unpool2d}
    return compare.arrays(found, target, name="y", hints=hints, context=context).check()


def average_gradient(grad, k, s, size):
    """PyTorch's gradient of average pooling."""
    x = torch.zeros(*grad.shape[:-2], *size, requires_grad=True)
    F.avg_pool2d(x, k, s).backward(torch.from_numpy(grad))
    return x.grad.numpy()


def check_gradient(shape, k, s, **options):
    """Compare avg_pool2d_backward with PyTorch's gradient for an input of this shape."""
    rows, columns = ((n - k) // s + 1 for n in shape[-2:])
    grad = rng.standard_normal((*shape[:-2], rows, columns), dtype=np.float32)
    corners = np.zeros(shape, np.float32)
    corners[..., : rows * s : s, : columns * s : s] = grad / k**2
    target = average_gradient(grad, k, s, shape[-2:])
    together = np.zeros(shape, np.float32)
    together[0] = target.sum(axis=0)
    hints = [
        ("the shares of all planes in the first: where does the plane of the thread begin?", together),
        ("a share for the first pixel of each window alone: every pixel of the window gets one", corners),
        ("zeros. Is anything added to dx? In C, 1 / (k * k) is a whole number, 0", np.zeros(shape, np.float32)),
    ]
    found = averaged_backward(grad, k, s, shape[-2:], **options)
    return compare.arrays(found, target, length=k * k, name="dx", hints=hints).check()

# %% [markdown]
# ## 1 · Where is the thread? (2 points)
#
# A picture has 70 rows and 90 columns. Each pixel gets a thread, in blocks of `(16, 8)`. Which grid do you need? And at which place in memory, row · W + column, lies the pixel of thread (5, 2) of
# block (3, 4)? Work it out by hand; then write `grid = (…, …)` and `place = …`.
#
# Example: a picture of 5 rows and 7 columns in blocks of `(4, 2)` needs the grid `(2, 3)`. Thread (2, 1) of block (1, 0) has row 1 and column 6, place 13.

# %% segedu={"role": "answer", "question": "where"}
### BEGIN SOLUTION
grid = (6, 9)
place = (4 * 8 + 2) * 90 + 3 * 16 + 5
### END SOLUTION

# %% segedu={"role": "check", "question": "where", "points": 1}
# the grid
across, down = len(range(0, 90, 16)), len(range(0, 70, 8))
assert np.size(grid) == 2, "a grid for a picture has two numbers: grid = (…, …)"
assert tuple(grid) != (down, across), "the numbers are exchanged: grids are written (x, y), x along the columns"
assert tuple(grid) != (90 // 16, 70 // 8), "rounded down: the last columns and rows have no thread"
assert tuple(grid) != (len(range(0, 70, 16)), len(range(0, 90, 8))), "the picture has 90 columns, and a block is 16 wide"
assert tuple(grid) == (across, down), f"{tuple(grid)}: not right. How many blocks of 16 cover 90 columns, and how many of 8 cover 70 rows?"
print("the grid is right")

# %% segedu={"role": "check", "question": "where", "points": 1}
# the place in memory
places, square, narrow = (np.arange(rows * step).reshape(rows, step) for rows, step in ((70, 90), (90, 90), (70, 70)))
assert np.size(place) == 1, "one number is asked for: row · W + column"
assert place != square[3 * 16 :, 4 * 8 :][5, 2], "row and column are exchanged: (5, 2) is x = 5 and y = 2"
assert place != narrow[4 * 8 :, 3 * 16 :][2, 5], "the step from row to row is the width, not the height"
assert place != places[4 * 16 :, 3 * 8 :][2, 5], "a block of (16, 8) is 16 wide and 8 high"
assert place != places[2, 5], "that is the place in block (0, 0): where does block (3, 4) begin?"
assert place == places[4 * 8 :, 3 * 16 :][2, 5], f"{place}: not right. Which column has the thread, and which row?"
print("the place is right")

# %% [markdown]
# ## 2 · Read the message, mend the kernel (3 points)
#
# This kernel is meant to mirror a picture, left to right: $y_{r,c} = x_{r,\,W-1-c}$. So the row 1 2 3 becomes 3 2 1. Two things are wrong with it.
#
# ```
# 1
# 2   extern "C" __global__ void mirror(const float* x, float* y, int height, int width) {
# 3       int column = blockIdx.x * blockDim.x + threadIdx.x;
# 4       int row = blockIdx.y * blockDim.y + threadIdx.y;
# 5       if (column >= width) return;
# 6       y[row * width + column] = x[row * width + width - column];
# 7   }
# ```
#
# Run the next cell: it launches the kernel for a picture of 5×6 in blocks of `(4, 2)`, and prints the message. Then write it without mistakes.
#
# <details><summary>Hint 1</summary>Which row and column has the thread of the message? Is that a pixel of the picture? If it is, the test of the index is not to blame.</details>
# <details><summary>Hint 2</summary>Mend the index and run the check: now another thread complains. Which row and column has that one?</details>
# <details><summary>Hint 3</summary>Column 0 gets what stood in the last column, width − 1.</details>

# %% segedu={"role": "show", "question": "mirror"}
x = np.arange(30, dtype=np.float32).reshape(5, 6)
try:
    cuda.RawModule(FAULTY, mode="check").get_function("mirror")((2, 3), (4, 2), (x, np.zeros_like(x), 5, 6))
except cuda.KernelError as error:
    print(error)

# %% language="cuda" magic_args="--quiet --mode check" segedu={"role": "answer", "question": "mirror"}
# extern "C" __global__ void mirror(const float* x, float* y, int height, int width) {
#     // ### BEGIN SOLUTION
#     int column = blockIdx.x * blockDim.x + threadIdx.x;
#     int row = blockIdx.y * blockDim.y + threadIdx.y;
#     if (row >= height || column >= width) return;
#     y[row * width + column] = x[row * width + width - 1 - column];
#     // ### END SOLUTION
# }

# %% segedu={"role": "check", "question": "mirror", "points": 1}
# a picture that the blocks fill
check_mirrored(np.arange(24, dtype=np.float32).reshape(4, 6), block=(3, 2))

# %% segedu={"role": "check", "question": "mirror", "points": 1}
# the picture of the message
check_mirrored(np.arange(30, dtype=np.float32).reshape(5, 6), block=(4, 2))

# %% segedu={"role": "hidden", "question": "mirror", "points": 1}
# any picture that any block does not fill, in either order
for order in ("forward", "reverse"):
    block = rng.integers(3, 12, 2)
    columns, rows = block * rng.integers(1, 4, 2) + rng.integers(1, block)
    check_mirrored(rng.standard_normal((rows, columns), dtype=np.float32), block=tuple(block.tolist()), order=order)

# %% [markdown]
# ## 3 · Max pooling with padding (7 points)
#
# `max_pool2d` gets planes x of height×width, and writes the maxima to y and their places to indices, both out_height×out_width in each plane. Windows are k×k with stride s; p rows and columns of
# padding lie around each plane. Padding never wins. Indices count in the plane of x, *without* padding, row · width + column. Of equal numbers the first wins, row by row.
#
# `blockIdx.z` is the number of the plane; a block has threads along x and y. No thread may read outside of its plane of x.
#
# Example: the plane 1 5 / 5 2, k = 2, s = 1, p = 1. The result is 3×3. Its first row is 1 5 5 with the indices 0 1 1, its last row is 5 5 2 with the indices 2 2 3.
#
# <details><summary>Hint 1</summary>Begin with the kernel of the lecture. Pixel (a, b) of the window is row `row * s + a - p` of the plane, and the column likewise.</details>
# <details><summary>Hint 2</summary>`continue;` in a loop goes on with the next round. Skip what lies outside: four comparisons.</details>
# <details><summary>Hint 3</summary>With which place does the search begin? The first pixel of the window may be padding. Begin with `int best = -1;`, none found yet, and take the first pixel that is inside.</details>

# %% language="cuda" magic_args="--quiet --mode check" segedu={"role": "answer", "question": "max_pool2d"}
# extern "C" __global__ void max_pool2d(const float* x, float* y, long long* indices, int height, int width,
#                                       int k, int s, int p, int out_height, int out_width) {
#     // ### BEGIN SOLUTION
#     int column = blockIdx.x * blockDim.x + threadIdx.x;
#     int row = blockIdx.y * blockDim.y + threadIdx.y;
#     if (row >= out_height || column >= out_width) return;
#     x += blockIdx.z * height * width;
#     int best = -1;
#     for (int a = 0; a < k; ++a)
#         for (int b = 0; b < k; ++b) {
#             int r = row * s + a - p, c = column * s + b - p;
#             if (r < 0 || r >= height || c < 0 || c >= width) continue;
#             if (best < 0 || x[r * width + c] > x[best]) best = r * width + c;
#         }
#     int out = (blockIdx.z * out_height + row) * out_width + column;
#     y[out] = x[best];
#     indices[out] = best;
#     // ### END SOLUTION
# }

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "max_pool2d"}
# Figure: your result beside PyTorch's
cat = as_chw(photograph("chelsea", size=(96, 144)))
try:
    yours = pooled(cat, 5, 4, 2)[0]
    target = F.max_pool2d(torch.from_numpy(cat), 5, 4, 2).numpy()
    if np.isnan(yours).all():
        print("Write the answer first; then this cell shows it beside PyTorch's.")
    else:
        pictures = [np.nan_to_num(z).transpose(1, 2, 0) for z in (yours, target)]
        fig = figures.images_row(pictures, titles=["yours", "PyTorch's"])
        figures.show(fig, alt="A cat's face in large pixels, twice: your result and PyTorch's.")
except AssertionError as error:
    print(error)

# %% segedu={"role": "check", "question": "max_pool2d", "points": 1}
# one plane, no padding, a block for the whole result
check_pooled(rng.standard_normal((1, 6, 8), dtype=np.float32), 2, 2, 0, block=(4, 3))

# %% segedu={"role": "check", "question": "max_pool2d", "points": 1}
# a result that the blocks do not fill; two planes
check_pooled(rng.standard_normal((2, 9, 11), dtype=np.float32), 3, 2, 0, block=(4, 3))

# %% segedu={"role": "check", "question": "max_pool2d", "points": 1}
# the example: padding
check_pooled(np.array([[[1, 5], [5, 2]]], np.float32), 2, 1, 1, block=(4, 4))

# %% segedu={"role": "hidden", "question": "max_pool2d", "points": 2}
# any size, window and block, several planes, in either order
for (k, s, p), order in (((3, 2, 1), "forward"), ((5, 3, 2), "reverse"), ((2, 3, 1), "forward")):
    x = rng.standard_normal((3, *rng.permutation(np.arange(7, 30))[:2]), dtype=np.float32)
    check_pooled(x, k, s, p, block=tuple(int(n) for n in rng.integers(2, 4, 2)), order=order)

# %% segedu={"role": "hidden", "question": "max_pool2d", "points": 2}
# equal numbers, and planes that are negative everywhere, beside one that is not
check_pooled(rng.integers(0, 3, (2, *rng.permutation(np.arange(8, 20))[:2])).astype(np.float32), 3, 2, 1)
x = -1 - rng.random((2, *rng.permutation(np.arange(8, 20))[:2]), dtype=np.float32)
x[1] += 2
check_pooled(x, 3, 2, 1)
check_pooled(-1e20 * (1 + rng.random((2, 9, 8), dtype=np.float32)), 3, 2, 1)

# %% [markdown]
# ## 4 · Max unpooling as a gather (4 points)
#
# The lecture's `max_unpool` had a thread for each *small* number, which it carried away, and the large planes had to be 0 before. Now each thread has one pixel of the *large* plane, and writes it
# whatever it is: the kernel gets y full of anything.
#
# The maxima x and their indices, rows×columns in each plane, come from max pooling with windows of k×k and stride k, without padding. A pixel of the large plane, height×width, lies in one window.
# If the index of that window names the pixel, the pixel gets the maximum; otherwise it gets 0. Rows and columns at the end that belong to no window are 0. `blockIdx.z` is the plane.
#
# Example: x is 5 7 with the indices 1 7, k = 2, and the large plane has 2×5 pixels. It becomes 0 5 0 0 0 / 0 0 7 0 0.
#
# <details><summary>Hint 1</summary>In C a whole number divided by a whole number is rounded down: `row / k` is the row of the window that holds the pixel.</details>
# <details><summary>Hint 2</summary>With 5 columns and k = 2 there are two windows in a row; column 4 has `column / k` = 2, and there is no window 2. Test that before you read.</details>
# <details><summary>Hint 3</summary>Begin with `float value = 0;`, change it where it has to be changed, and write it in the last line, which every thread inside of the plane comes to.</details>

# %% language="cuda" magic_args="--quiet --mode check" segedu={"role": "answer", "question": "max_unpool2d"}
# extern "C" __global__ void max_unpool2d(const float* x, const long long* indices, float* y,
#                                         int rows, int columns, int k, int height, int width) {
#     // ### BEGIN SOLUTION
#     int column = blockIdx.x * blockDim.x + threadIdx.x;
#     int row = blockIdx.y * blockDim.y + threadIdx.y;
#     if (row >= height || column >= width) return;
#     int plane = blockIdx.z;
#     float value = 0;
#     if (row / k < rows && column / k < columns) {
#         int window = (plane * rows + row / k) * columns + column / k;
#         if (indices[window] == row * width + column) value = x[window];
#     }
#     y[(plane * height + row) * width + column] = value;
#     // ### END SOLUTION
# }

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "max_unpool2d"}
# Figure: the cat pooled and unpooled
cat = as_chw(photograph("chelsea", size=(96, 144)))
values, indices = (z.numpy() for z in F.max_pool2d(torch.from_numpy(cat), 2, return_indices=True))
try:
    yours = unpooled(values, indices, 2, cat.shape[1:])
    target = F.max_unpool2d(torch.from_numpy(values), torch.from_numpy(indices), 2).numpy()
    if np.isnan(yours).all():
        print("Write the answer first; then this cell shows it beside PyTorch's.")
    else:
        pictures = [np.nan_to_num(z).clip(0, 1).transpose(1, 2, 0) for z in (values, yours, target)]
        fig = figures.images_row(pictures, titles=["pooled", "yours", "PyTorch's"])
        figures.show(fig, alt="A cat's face, pooled; unpooled it is dark with bright dots, yours and PyTorch's.")
except AssertionError as error:
    print(error)

# %% segedu={"role": "check", "question": "max_unpool2d", "points": 1}
# one plane, full windows, blocks that fill it
check_unpooled((1, 4, 6), 2, block=(3, 2))

# %% segedu={"role": "check", "question": "max_unpool2d", "points": 1}
# two planes, a row and a column that belong to no window, blocks that do not fill them
check_unpooled((2, 7, 9), 2, block=(4, 4))

# %% segedu={"role": "hidden", "question": "max_unpool2d", "points": 2}
# any size, window and block, in either order
for k, order in ((3, "forward"), (2, "reverse"), (4, "forward")):
    shape = 3, *(k * int(n) + k - 1 for n in (rng.integers(min(2, k - 1), k), rng.integers(2, 7)))  # height / rows is not k
    check_unpooled(shape, k, block=tuple(int(n) for n in rng.integers(2, 16, 2)), order=order)

# %% [markdown]
# ## 5 · The gradient of average pooling (4 points)
#
# Average pooling with windows of k×k and stride s, without padding, gave rows×columns numbers in each plane. `avg_pool2d_backward` has a thread for each of them. It divides its gradient by $k^2$,
# and every pixel of its window gets this share; a pixel of several windows gets the sum. dx, height×width in each plane, is 0 before the launch. `blockIdx.z` is the plane.
#
# Example, along one row of 5 pixels: windows of 3 with stride 2, gradients 3 and 6. The shares are 1 and 2, and the pixels get 1 1 3 2 2. In the plane a window of 3×3 shares out ninths.
#
# <details><summary>Hint 1</summary>Windows overlap where s < k. Two threads then add to one pixel, and the lecture says what to use.</details>
# <details><summary>Hint 2</summary>The share is a float divided by a whole number: `grad_output[…] / (k * k)`. But `1 / (k * k)` is a whole number divided by a whole number, 0.</details>

# %% language="cuda" magic_args="--quiet --mode check" segedu={"role": "answer", "question": "avg_pool2d_backward"}
# extern "C" __global__ void avg_pool2d_backward(const float* grad_output, float* dx, int height, int width,
#                                                int k, int s, int rows, int columns) {
#     // ### BEGIN SOLUTION
#     int column = blockIdx.x * blockDim.x + threadIdx.x;
#     int row = blockIdx.y * blockDim.y + threadIdx.y;
#     if (row >= rows || column >= columns) return;
#     int plane = blockIdx.z;
#     float share = grad_output[(plane * rows + row) * columns + column] / (k * k);
#     for (int a = 0; a < k; ++a)
#         for (int b = 0; b < k; ++b)
#             atomicAdd(&dx[(plane * height + row * s + a) * width + column * s + b], share);
#     // ### END SOLUTION
# }

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "avg_pool2d_backward"}
# Figure: the gradient where every output has the gradient 9, windows of 3×3 and stride 2
grad = np.full((1, 3, 4), 9, np.float32)
try:
    yours = averaged_backward(grad, 3, 2, (7, 9))
    if not yours.any():
        print("Write the answer first; then this cell shows it beside PyTorch's.")
    else:
        pair = yours[0], average_gradient(grad, 3, 2, (7, 9))[0]
        fig = figures.arrays_row(pair, titles=["yours", "PyTorch's"], share_scale=True, cell=0.4)
        figures.show(fig, alt="Two arrays of 7 by 9: mostly 1, 2 where two windows meet, 4 where four do.")
except AssertionError as error:
    print(error)

# %% segedu={"role": "check", "question": "avg_pool2d_backward", "points": 1}
# windows that do not overlap
check_gradient((1, 6, 8), 2, 2, block=(4, 3))

# %% segedu={"role": "check", "question": "avg_pool2d_backward", "points": 1}
# windows that overlap; two planes; a result that the blocks do not fill
check_gradient((2, 9, 11), 3, 2, block=(4, 3))

# %% segedu={"role": "hidden", "question": "avg_pool2d_backward", "points": 2}
# any size, window and block, in either order
for (k, s), order in (((3, 1), "forward"), ((4, 3), "reverse"), ((2, 3), "forward")):
    shape = 3, *(int(n) for n in rng.integers(7, 24, 2))
    check_gradient(shape, k, s, block=tuple(int(n) for n in rng.integers(2, 16, 2)), order=order)

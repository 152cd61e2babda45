# %% [markdown]
# # Lecture 03 · Unpooling and interpolation
#
# Segmentation needs an answer at every pixel, but pooling made the picture small. **Upsampling** makes it large again. What stood between
# the pixels is gone; every method fills the gaps in its own way.
#
# After this lecture you can
#
# 1. enlarge an array by nearest neighbour, bed of nails and max unpooling: by hand, with loops, with whole-array NumPy,
# 2. explain why max unpooling needs `output_size`, and what goes wrong without it,
# 3. compute bilinear interpolation by hand, with either `align_corners`,
# 4. write each method as a matrix product, and read its gradient off the matrix,
# 5. say which method is right for a photograph, for a label map, for shares of classes.
#
# About 75 minutes without the parts marked *at home*, and 10 more for section 11 after lecture 08; a good place for a break is after section 7. You need lecture 02 (pooling and its indices).

# %%
import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, figures
from segedu.data.photographs import as_chw, photograph
from segedu.data.synthetic import street
from segedu.numpy_ops import avg_pool2d, interpolate, max_pool2d, max_unpool2d

figures.use_style()
rng = np.random.default_rng(3)

# %% [markdown]
# ## 1 · What belongs in the gaps?
#
# A photograph was pooled to the means of windows of 8×8, so one pixel in 64 is left. Three ways to bring the old size back:
#
# * leave the gaps empty,
# * repeat each pixel,
# * blend neighbouring pixels.
#
# **Predict, then run.** In which of them can you follow the rim of the cup most easily?

# %%
coffee = as_chw(photograph("coffee", size=(384, 576)))  # channels × height × width
small = avg_pool2d(coffee, kernel_size=8)

empty = np.zeros_like(coffee)
empty[:, ::8, ::8] = small
repeated = small.repeat(8, axis=1).repeat(8, axis=2)
blended = interpolate(small[None], scale_factor=8, mode="bilinear")[0]

small.shape, blended.shape

# %% jupyter={"source_hidden": true}
# Figure: a pooled photograph brought back in three ways
part = np.s_[:, 96:224, 256:448]
fig = figures.images_row(
    [image[part].transpose(1, 2, 0) for image in (coffee, empty, repeated, blended)],
    titles=["photograph", "gaps left empty", "pixels repeated", "pixels blended"],
    columns=2,
    height=2.0,
)
figures.show(
    fig,
    alt="The rim of a cup of coffee four times: sharp; as single dots of colour on black; as large "
    "squares; and smooth but blurred.",
    dpi=90,
)

# %% [markdown]
# The blended one, for most of us. All three are made from the same 48 · 72 = 3456 pixels, `small`, and nothing else. No method brings back what pooling threw away. They differ in
# what they *guess*.

# %% [markdown]
# ## 2 · By hand: three ways from 2×2 to 4×4
#
# Here is the array of lecture 02, its four maxima and their indices. An index counts the pixels in reading order, row · width + column.

# %%
picture = np.array(
    [[1, 5, 2, 0],
     [3, 4, 7, 7],
     [0, 2, 9, 1],
     [6, 0, 3, 3]], dtype=np.float32)
values, indices = max_pool2d(picture[None], kernel_size=2, return_indices=True)
values, indices = values[0], indices[0]
print(values)
print(indices)

# %% [markdown]
# Take a sheet of paper and enlarge `values` to 4×4:
#
# * **nearest neighbour**: every value fills its 2×2 window,
# * **bed of nails**: every value goes to the upper left corner of its window, the rest is 0,
# * **max unpooling**: every value goes to the place that its index names, the rest is 0.
#
# **Predict, then run.** Where does the 9 stand in each of the three?

# %%
nearest = values.repeat(2, axis=0).repeat(2, axis=1)
nails = np.zeros_like(picture)
nails[::2, ::2] = values
unpooled = max_unpool2d(values[None], indices[None], kernel_size=2)[0]

# %% jupyter={"source_hidden": true}
# Figure: three ways from 2×2 to 4×4
four = [(0, 0), (0, 1), (1, 0), (1, 1)]
corners = [(0, 0), (0, 2), (2, 0), (2, 2)]
windows = [(r, c, 2, 2) for r, c in corners]
winners = [(int(m) // 4, int(m) % 4) for m in indices.ravel()]
fig = figures.arrays_row(
    [picture, values, nearest, nails, unpooled],
    titles=["picture", "values", "nearest", "bed of nails", "max unpooling"],
    operators=["→", "→", "", ""],
    highlights=[winners, four, windows, corners, winners],
    share_scale=True,
)
figures.show(
    fig,
    alt="The picture with its four maxima framed; the values 5, 7, 6, 9; nearest repeats each in a "
    "2 by 2 window; the bed of nails sets each in the upper left of its window; max unpooling sets "
    "each where it stood in the picture.",
)

# %% [markdown]
# Only max unpooling puts the 9, and every other value, back where it came from. The price: the indices must be kept from the pooling layer until they are needed.

# %% [markdown]
# ## 3 · The definitions, as loops
#
# Let $x$ be the small array, $y$ the large one, $s$ the factor, and $m_{ij}$ the index kept for cell $(i, j)$.
#
# * Nearest neighbour: $\; y_{rc} = x_{\lfloor r/s \rfloor,\, \lfloor c/s \rfloor}$
# * Bed of nails: $\; y_{is,\,js} = x_{ij}$, and 0 elsewhere
# * Max unpooling: $\; y_{m_{ij}} = x_{ij}$, and 0 elsewhere, where $y$ is read as one long row of pixels
#
# Nearest neighbour asks, for each pixel of the *result*, where its value comes from. The other two ask, for each pixel of the *input*, where its value goes.

# %%
def nearest_loops(x, s):
    y = np.empty((s * x.shape[0], s * x.shape[1]), x.dtype)
    for r, c in np.ndindex(*y.shape):
        y[r, c] = x[r // s, c // s]
    return y


def nails_loops(x, s):
    y = np.zeros((s * x.shape[0], s * x.shape[1]), x.dtype)
    for i, j in np.ndindex(*x.shape):
        y[i * s, j * s] = x[i, j]
    return y

# %% [markdown]
# **Predict, then run.** The 7 has index 6, and the result has 4 columns. Which row and which column is that? `divmod` gives quotient and remainder.

# %%
def max_unpool_loops(x, indices, shape):
    y = np.zeros(shape, x.dtype)
    for i, j in np.ndindex(*x.shape):
        row, column = divmod(indices[i, j], shape[1])
        y[row, column] = x[i, j]
    return y


print(divmod(6, 4))
print(max_unpool_loops(values, indices, shape=(4, 4)))

# %%
compare.arrays(nearest_loops(values, s=2), nearest, name="nearest_loops")

# %%
compare.arrays(nails_loops(values, s=2), nails, name="nails_loops")

# %%
compare.arrays(max_unpool_loops(values, indices, (4, 4)), unpooled, name="max_unpool_loops")

# %% [markdown]
# ## 4 · Whole arrays instead of loops
#
# Section 2 had the first two already: `repeat` twice, and an assignment to every $s$-th row and column. `...` stands for the axes before height and width, so both work for
# any number of channels and images.

# %%
def nearest_numpy(x, s):
    return x.repeat(s, axis=-2).repeat(s, axis=-1)


def nails_numpy(x, s):
    y = np.zeros((*x.shape[:-2], s * x.shape[-2], s * x.shape[-1]), x.dtype)
    y[..., ::s, ::s] = x
    return y

# %% [markdown]
# Max unpooling is one assignment too, once a plane (one channel of one image) is laid out as a row of pixels. An index counts the pixels of *its own plane*.
#
# **Predict, then run.** Two channels of 4×4 are pooled to 2×2 and unpooled. How many of the 32 numbers of the result are not 0?

# %%
def max_unpool_numpy(x, indices, shape):
    y = np.zeros((*x.shape[:-2], shape[0] * shape[1]), x.dtype)
    for plane in np.ndindex(*x.shape[:-2]):
        y[plane][indices[plane].ravel()] = x[plane].ravel()
    return y.reshape(*x.shape[:-2], *shape)


twice = np.stack([picture, picture.T])
y = max_unpool_numpy(*max_pool2d(twice, 2, return_indices=True), shape=(4, 4))
print(np.count_nonzero(y), "of", y.size)

# %% [markdown]
# Eight values came in, eight come out: the places are distinct and no value is 0. Three quarters of the result stay empty. A network that unpools, such as SegNet, lets convolutions
# fill these gaps afterwards.

# %% [markdown]
# ## 5 · One small array, several large ones
#
# Which size should the result have? Pooling rounds down, so several sizes become the same.
#
# **Predict, then run.** Windows of 2, stride 2. Which sizes become 3?

# %%
def pooled_size(size, k, s):
    return (size - k) // s + 1


[(size, pooled_size(size, k=2, s=2)) for size in range(4, 10)]

# %% [markdown]
# 6 and 7 both become 3. Unpooling cannot know which it was. Unless told, `max_unpool2d` takes the smallest size that is pooled to $H$ rows, with none left over (kernel $k$, stride $s$):
#
# $$H_{\text{out}} = (H - 1)\, s + k \qquad \text{(less } 2p \text{ after padding } p \text{)}$$
#
# **Predict, then run.** The array below has 5 columns; the last one is lost in pooling. Index 7 names the 8 in column 2. Where does `max_unpool2d` put the 8 when it believes
# that there are 4 columns?

# %%
wide = np.array([[1, 3, 0, 2, 9], [4, 0, 8, 0, 0]], dtype=np.float32)
maxima, where = max_pool2d(wide[None], 2, return_indices=True)
guessed = max_unpool2d(maxima, where, 2)
told = max_unpool2d(maxima, where, 2, output_size=(2, 5))

# %% jupyter={"source_hidden": true}
# Figure: with and without output_size
fig = figures.arrays_row(
    [wide, maxima[0], where[0], guessed[0], told[0]],
    titles=["wide", "maxima", "indices", "size guessed", "output_size=(2, 5)"],
    operators=["→", "", "→", ""],
    highlights=[[(1, 0), (1, 2)], four[:2], four[:2], [(1, 1), (1, 3)], [(1, 0), (1, 2)]],
    cmap=["cividis", "cividis", "Greys", "cividis", "cividis"],
    share_scale=True,
)
figures.show(
    fig,
    alt="A 2 by 5 array with its maxima 4 and 8 framed in columns 0 and 2, the indices 5 and 7; "
    "with the guessed size of 2 by 4 they land in columns 1 and 3, with output_size in 0 and 2.",
)

# %% [markdown]
# No error, only values in the wrong columns. So keep the size along with the indices, and pass it as `output_size`. It may differ from the guess by less than one stride;
# the library refuses anything else.
#
# *At home, to the end of the section.* How bad is it on a picture? A cat of 288×433 pixels, pooled once.
#
# **Predict, then run.** The guess is one column too narrow. What becomes of the indices of the last rows?

# %%
cat = as_chw(photograph("chelsea", size=(288, 433)))
maxima, where = max_pool2d(cat, 2, return_indices=True)
try:
    max_unpool2d(maxima, where, 2)
except ValueError as error:
    print(error)

right = max_unpool2d(maxima, where, 2, output_size=cat.shape[-2:])
print(f"with output_size, {(right == cat).mean():.1%} of the numbers are the photograph's own")

# %% [markdown]
# The last indices lie outside the smaller plane, and the library says so.
#
# **Predict, then run.** What would the picture look like if we silenced the error and dropped those values? Each row of 433 numbers is written into rows of 432.

# %%
pixels = 288 * 432
sheared = np.zeros((3, pixels), np.float32)
for channel in range(3):
    fits = where[channel] < pixels
    sheared[channel][where[channel][fits]] = maxima[channel][fits]
sheared = sheared.reshape(3, 288, 432)

# %% jupyter={"source_hidden": true}
# Figure: the size guessed and told
# Brightened, and averaged over 3×3, because three quarters of the pixels are black.
bright = [np.clip(4 * avg_pool2d(image, 3, 1, 1), 0, 1) for image in (sheared, right)]
fig = figures.images_row(
    [image.transpose(1, 2, 0) for image in bright],
    titles=["size guessed (brightened)", "output_size given (brightened)"],
    height=2.8,
)
figures.show(
    fig,
    alt="Left: the picture of a cat sheared to the right, wrapped round and cut in two. Right: "
    "the cat as it was, a little grainy.",
    dpi=75,
)

# %% [markdown]
# Every row begins one pixel further to the right than the row above it.

# %% [markdown]
# ## 6 · Bilinear interpolation along a row
#
# Blending two neighbours, the nearer with the larger share, is **linear interpolation**; along rows and then columns it is **bilinear**. It needs to know where each new pixel lies
# *between* the old ones. Its place, measured in old pixels, is its **source coordinate** $u$. There are two conventions. With $W$ old and $W_{\text{out}}$ new pixels, new pixel $c$
# lies at
#
# $$u = \left(c + \tfrac12\right) \frac{W}{W_{\text{out}}} - \tfrac12 \quad \text{(align\_corners=False)} \qquad\qquad u = c\, \frac{W - 1}{W_{\text{out}} - 1} \quad \text{(align\_corners=True)}$$
#
# `False`: pixels are little squares, and both rows of squares cover the same length. `True`: pixels are points, and the first and last points of both rows coincide.
#
# **Predict, then run.** 3 old and 6 new pixels. Where does new pixel 0 lie, by either formula? And new pixel 5?

# %% jupyter={"source_hidden": true}
# Figure: the two conventions
def draw_pixels(ax, centres, y, colour):
    width = centres[1] - centres[0]
    for centre in centres:
        ax.add_patch(
            plt.Rectangle((centre - width / 2, y), width, 0.6, fc=colour, ec="white", lw=2)
        )
    ax.plot(centres, np.full(len(centres), y + 0.3), "o", color="black", ms=6)


fig, axes = plt.subplots(1, 2, figsize=(9, 2.5), layout="constrained")
new_centres = {"False": (np.arange(6) + 0.5) / 2 - 0.5, "True": np.arange(6) * 2 / 5}
for ax, (align, centres) in zip(axes, new_centres.items(), strict=True):
    draw_pixels(ax, np.arange(3), 1, "#56B4E9")
    draw_pixels(ax, centres, 0, "#E69F00")
    ax.set(xlim=(-0.7, 2.7), ylim=(-0.1, 1.7), xticks=[0, 1, 2], xlabel="source coordinate u")
    ax.set_yticks([0.3, 1.3], ["new", "old"])
    ax.set_title(f"align_corners={align}")
    ax.grid(axis="x")
figures.show(
    fig,
    alt="Three old pixels as wide squares above six new ones, centres marked. With False both rows "
    "are equally long; with True the first and last centres lie below each other, and the new row "
    "is shorter.",
)

# %%
def coordinates(size, output_size, align_corners):
    c = np.arange(output_size)
    if align_corners:
        return c * (size - 1) / (output_size - 1)
    return np.clip((c + 0.5) * size / output_size - 0.5, 0, size - 1)


for align_corners in (False, True):
    print(f"{align_corners!s:5}", coordinates(3, 6, align_corners))

# %% [markdown]
# With `False`, new pixels 0 and 5 would lie at −¼ and 2¼, outside the old centres, as in the left figure. `np.clip` moves them to 0 and 2: they take the value of the nearest old pixel.
#
# Between two old pixels the value changes evenly. With $\alpha = u - \lfloor u \rfloor$, the way from the left neighbour,
#
# $$y_c = (1 - \alpha)\, x_{\lfloor u \rfloor} + \alpha\, x_{\lfloor u \rfloor + 1}$$
#
# On the last old pixel $\alpha = 0$, and the right neighbour, which is not there, does not count; the code takes the last pixel in its place.
#
# **Predict, then run.** The row is 4, 8, 0, and `align_corners=False`. New pixel 1 lies at $u = \frac14$: three quarters of the 4 and one quarter of the 8. What is its value?

# %%
row = np.array([4, 8, 0], dtype=np.float32)


def linear_loops(row, output_size, align_corners):
    y = np.empty(output_size, row.dtype)
    for c, u in enumerate(coordinates(len(row), output_size, align_corners)):
        left = int(u)
        right = min(left + 1, len(row) - 1)
        alpha = u - left
        y[c] = (1 - alpha) * row[left] + alpha * row[right]
    return y


for align_corners in (False, True):
    print(f"{align_corners!s:5}", linear_loops(row, 6, align_corners))

# %% jupyter={"source_hidden": true}
# Figure: where the new pixels lie
def draw_coordinates(ax, row, output_size, align_corners):
    u = coordinates(len(row), output_size, align_corners)
    y = linear_loops(row, output_size, align_corners)
    ax.plot(range(len(row)), row, color="#999999", zorder=1)
    ax.plot(range(len(row)), row, "s", color="#0072B2", ms=14, label="old pixels")
    ax.vlines(u, -1.5, y, color="#D55E00", lw=1, zorder=0)
    ax.plot(u, y, "o", color="#D55E00", ms=8, label="new pixels")
    ax.set(xlim=(-0.6, len(row) - 0.4), ylim=(-1.5, row.max() + 1.5), xlabel="source coordinate u")
    ax.set(xticks=range(len(row)), title=f"align_corners={align_corners}")


fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for ax, align_corners in zip(axes, (False, True), strict=True):
    draw_coordinates(ax, row, 6, align_corners)
axes[0].set_ylabel("value")
axes[1].legend(loc="upper right")
figures.show(
    fig,
    alt="The values 4, 8, 0 of three old pixels joined by straight lines, and six new pixels on "
    "these lines: without aligned corners in pairs a quarter beside each inner old pixel, two of "
    "them on the end pixels; with aligned corners evenly from the first to the last.",
)

# %% [markdown]
# Doubling with `False`, every new pixel inside takes ¾ of the nearer and ¼ of the farther old pixel. With `True` the shares change from pixel to pixel, and depend on the size of the
# picture: two pictures of different size are enlarged differently.
#
# **Predict, then run.** Enlarge rows of 3 and of 5 pixels twofold. What is the distance between two new pixels, in old ones?

# %%
for size in (3, 5, 50):
    steps = [np.diff(coordinates(size, 2 * size, align))[1] for align in (False, True)]
    print(f"{size:2} pixels: distance {steps[0]:.3f} with False, {steps[1]:.3f} with True")

# %% [markdown]
# With `True`, twice the size is not twice the distance. PyTorch's default is `False`. A network trained with one and run with the other gets shifted maps, with no error message.

# %% [markdown]
# ## 7 · Bilinear in the plane
#
# In the plane: first along every row, then along every column. A new pixel blends *four* old ones. Count $\alpha$ to the right and $\beta$ downwards from the upper left one of
# them:
#
# $$y = (1-\beta)(1-\alpha)\, x_{00} + (1-\beta)\,\alpha\, x_{01} + \beta\,(1-\alpha)\, x_{10} + \beta\,\alpha\, x_{11}$$
#
# **Predict, then run.** $\alpha = \beta = \frac14$: which four weights? They must add up to 1. Multiply them with 0, 16, 32, 64.

# %%
weights = np.outer([3, 1], [3, 1])
square = np.array([[0, 16], [32, 64]], dtype=np.float32)
print(weights, "/ 16")
print((weights / 16 * square).sum())

# %%
def bilinear_loops(x, shape, align_corners):
    y = np.empty(shape, x.dtype)
    for r, v in enumerate(coordinates(x.shape[0], shape[0], align_corners)):
        for c, u in enumerate(coordinates(x.shape[1], shape[1], align_corners)):
            i, j = int(v), int(u)
            beta, alpha = v - i, u - j
            below, right = min(i + 1, x.shape[0] - 1), min(j + 1, x.shape[1] - 1)
            upper = (1 - alpha) * x[i, j] + alpha * x[i, right]
            lower = (1 - alpha) * x[below, j] + alpha * x[below, right]
            y[r, c] = (1 - beta) * upper + beta * lower
    return y


squares = [bilinear_loops(square, (4, 4), align_corners) for align_corners in (False, True)]

# %% jupyter={"source_hidden": true}
# Figure: 2×2 to 4×4, bilinear
fig = figures.arrays_row(
    [square, *squares],
    titles=["square", "align_corners=False", "align_corners=True"],
    operators=["→", ""],
    highlights=[[(0, 0)], [(1, 1)], [(1, 1)]],
    fmt=".3g",
    share_scale=True,
)
figures.show(
    fig,
    alt="The array 0, 16, 32, 64 enlarged to 4 by 4: 13 in the framed cell without aligned "
    "corners, 17.8 with aligned corners; the four corners are 0, 16, 32 and 64 in both.",
)

# %% [markdown]
# Whole arrays: fetch the left neighbours of all new columns at once, then the right ones, and blend. The same for the rows.

# %%
def linear_numpy(x, output_size, align_corners):
    u = coordinates(x.shape[-1], output_size, align_corners)
    left = u.astype(int)
    right = np.minimum(left + 1, x.shape[-1] - 1)
    alpha = (u - left).astype(x.dtype)
    return (1 - alpha) * x[..., left] + alpha * x[..., right]


def bilinear_numpy(x, shape, align_corners):
    wide = linear_numpy(x, shape[1], align_corners)
    return linear_numpy(wide.swapaxes(-1, -2), shape[0], align_corners).swapaxes(-1, -2)

# %%
z = rng.standard_normal((5, 3), dtype=np.float32)
compare.arrays(bilinear_numpy(z, (7, 8), False), bilinear_loops(z, (7, 8), False), length=4)

# %% [markdown]
# ## 8 · One form for all: matrix products
#
# Each new row is a weighted sum of old rows. Write the weights as a matrix $A$ with one row for each *new* row and one column for each *old* row; $B$ does the same for the columns:
#
# $$Y = A\, X\, B^{\mathsf T}$$
#
# Nearest neighbour, bed of nails and bilinear interpolation differ in the matrices only. Column $j$ of $A$ is what becomes of a row that is 1 at place $j$ and 0 elsewhere; so we
# enlarge the rows of an identity matrix and transpose. Nearest neighbour takes old row $\lfloor r H / H_{\text{out}} \rfloor$ for new row $r$, also where $H_{\text{out}}$ is no multiple of $H$.
#
# **Predict, then run.** Six new rows from three old ones. What do the rows of $A$ add up to, for each method?

# %%
def axis_matrix(size, output_size, mode, align_corners=None):
    identity = np.eye(size)
    if mode == "nearest":
        return identity[np.arange(output_size) * size // output_size]
    if mode == "nails":
        A = np.zeros((output_size, size))
        A[:: output_size // size] = identity
        return A
    return linear_numpy(identity, output_size, bool(align_corners)).T


modes = [("nearest",), ("nails",), ("bilinear", False), ("bilinear", True)]
matrices = [axis_matrix(3, 6, *mode) for mode in modes]
for mode, A in zip(modes, matrices, strict=True):
    print(f"{mode!s:22}", A.sum(axis=1).round(3))

# %% jupyter={"source_hidden": true}
# Figure: four matrices
fig = figures.arrays_row(
    matrices,
    titles=["nearest", "bed of nails"]
    + [f"bilinear,\nalign_corners={align}" for align in (False, True)],
    share_scale=True,
)
figures.show(
    fig,
    alt="Four 6 by 3 matrices. Nearest: each row has a single 1, each old row occurs twice. Bed of "
    "nails: ones in every second row, zeros between. Bilinear: quarters and three quarters, or "
    "multiples of 0.2.",
)

# %% [markdown]
# Rows that add up to 1 keep a constant picture constant. The bed of nails does not: every second row of $A$ is empty.
#
# With the matrices, interpolation is one line. Its arguments are named as in PyTorch, so that we can compare later.

# %%
def matrices_for(shape, size, mode, align_corners, dtype):
    return [
        axis_matrix(old, new, mode, align_corners).astype(dtype)
        for old, new in zip(shape[-2:], size, strict=True)
    ]


def interpolate_numpy(x, size, mode="nearest", align_corners=None):
    A, B = matrices_for(x.shape, size, mode, align_corners, x.dtype)
    return A @ x @ B.T


compare.arrays(interpolate_numpy(values, (4, 4), "nails"), nails_loops(values, 2))

# %% [markdown]
# Most entries of $A$ are 0, so this form is for understanding. The library computes with the few weights that are not.
#
# *At home.* Max unpooling is linear too once the indices are fixed, but has no $A$ and $B$: the places depend on the indices. Its matrix acts on the pixels of the plane in one row, and has a 1 in
# row $m_{ij}$ of column $(i, j)$.

# %%
M = np.eye(16)[:, indices.ravel()]
print("shape:", M.shape)
compare.arrays((M @ values.ravel()).reshape(4, 4), unpooled.astype(float))

# %% [markdown]
# ## 9 · The gradients
#
# Let $G = \partial L/\partial Y$ be the gradient of the loss for the large array. What a matrix spreads, its transpose collects:
#
# $$Y = A X B^{\mathsf T} \quad\Longrightarrow\quad \frac{\partial L}{\partial X} = A^{\mathsf T} G\, B$$
#
# Every old pixel gets the gradients of all new pixels that it went into, times its weights there.
#
# **Predict, then run.** $G$ holds the numbers 1 to 16. What is the upper left gradient for nearest, and for the bed of nails?

# %%
def interpolate_backward_numpy(grad_output, shape, mode="nearest", align_corners=None):
    size = grad_output.shape[-2:]
    A, B = matrices_for(shape, size, mode, align_corners, grad_output.dtype)
    return A.T @ grad_output @ B


def max_unpool_backward_numpy(grad_output, indices):
    grad_x = np.empty(indices.shape, grad_output.dtype)
    for plane in np.ndindex(*indices.shape[:-2]):
        grad_x[plane] = grad_output[plane].reshape(-1)[indices[plane]]
    return grad_x


G = np.arange(1.0, 17).reshape(4, 4)
collected = [interpolate_backward_numpy(G, (2, 2), *mode) for mode in modes[:3]]
collected.append(max_unpool_backward_numpy(G, indices))

# %% jupyter={"source_hidden": true}
# Figure: gradients collected
fig = figures.arrays_row(
    [G, *collected],
    titles=["G", "nearest", "bed of nails", "bilinear,\nalign_corners\n=False", "max unpooling"],
    operators=["→", "", "", ""],
    highlights=[windows, four, four, [], []],
    share_scale=True,
)
figures.show(
    fig,
    alt="G holds 1 to 16. The gradients are 14, 22, 46, 54 for nearest; 1, 3, 9, 11 for the bed of "
    "nails; 2 by 2 numbers for bilinear; and 2, 7, 13, 11 for max unpooling.",
)

# %% [markdown]
# * **Nearest**: the sum over each window. That is average pooling times $s^2$.
# * **Bed of nails**: the upper left element of each window.
# * **Max unpooling**: the element that the index names. Nothing else gets through.
#
# Compare lecture 02: max pooling sends its gradient back by the indices, as max unpooling sends values. Each is the other's gradient, as long as windows do not overlap.

# %%
from segedu.numpy_ops import max_pool2d_backward

back = max_pool2d_backward(values[None], indices[None], (1, 4, 4))[0]
compare.arrays(back, unpooled, name="gradient of max pooling = max unpooling")

# %% [markdown]
# Does every pixel learn equally? Let every gradient be 1 and enlarge 3×3 to 6×6.
#
# **Predict, then run.** How much does each old pixel get, with either `align_corners`?

# %%
influence = [
    interpolate_backward_numpy(np.ones((6, 6)), (3, 3), "bilinear", align_corners)
    for align_corners in (False, True)
]

# %% jupyter={"source_hidden": true}
# Figure: how much every old pixel counts
fig = figures.arrays_row(
    influence, titles=["align_corners=False", "align_corners=True"], share_scale=True
)
figures.show(
    fig,
    alt="Two 3 by 3 arrays: without aligned corners every pixel gets 4; with aligned corners 3.24 "
    "in the corners, 4.32 at the edges and 5.76 in the centre.",
)

# %% [markdown]
# Doubling with `False`, each old pixel goes into new ones with a total weight of $2 \cdot 2 = 4$, border or not. With `True` the pixels in the middle count more than those at the border.

# %% [markdown]
# ## 10 · Are we right? Ask PyTorch
#
# Random numbers, several images and channels, sizes that do not divide each other, values and gradients.

# %%
import torch.nn.functional as F

z = rng.standard_normal((2, 3, 5, 4), dtype=np.float32)
compare.with_torch(
    interpolate_numpy, z, size=(12, 7), mode="nearest", reference=F.interpolate,
    backward=lambda grad: interpolate_backward_numpy(grad, z.shape, "nearest"),
)

# %%
compare.with_torch(
    interpolate_numpy, z, size=(12, 7), mode="bilinear", align_corners=False,
    reference=F.interpolate,
    backward=lambda grad: interpolate_backward_numpy(grad, z.shape, "bilinear", False),
)

# %%
compare.with_torch(
    interpolate_numpy, z, size=(12, 7), mode="bilinear", align_corners=True,
    reference=F.interpolate,
    backward=lambda grad: interpolate_backward_numpy(grad, z.shape, "bilinear", True),
)

# %% [markdown]
# Max unpooling: pool an odd size, so that `output_size` is needed.

# %%
photo = rng.standard_normal((2, 3, 11, 7), dtype=np.float32)
maxima, where = max_pool2d(photo, 2, return_indices=True)


def max_unpool2d_numpy(x, indices, kernel_size, output_size):
    return max_unpool_numpy(x, indices, output_size)


compare.with_torch(
    max_unpool2d_numpy, maxima, where, kernel_size=2, output_size=(11, 7),
    reference=F.max_unpool2d,
    backward=lambda grad: max_unpool_backward_numpy(grad, where),
)

# %% [markdown]
# *At home.* The library takes what PyTorch takes: stride and padding for max unpooling, a scale factor that is no whole number for interpolation.

# %%
options = {"kernel_size": 3, "stride": 3, "padding": 1}
maxima, where = max_pool2d(photo, return_indices=True, **options)
compare.with_torch(max_unpool2d, maxima, where, output_size=(11, 7), **options)

# %%
compare.with_torch(interpolate, z, scale_factor=(2.5, 1.7), mode="bilinear", align_corners=False)

# %% [markdown]
# And when it is wrong? A common slip is the other `align_corners`.
#
# **Predict, then run.** 2 images of 3 channels are doubled to 10×8. Some of the 480 numbers are right in spite of the slip. Which, and how many?

# %%
def bilinear_slip(x, size, mode, align_corners):
    return bilinear_numpy(x, size, align_corners=True)


compare.with_torch(
    bilinear_slip, z, size=(10, 8), mode="bilinear", align_corners=False, reference=F.interpolate
)

# %% [markdown]
# Right are the four corners of each plane: $4 \cdot 2 \cdot 3 = 24$.
#
# *At home.* PyTorch has no bed of nails by that name. But a transposed convolution with a 1×1 kernel of 1 is one, and lecture 04 shows why. So we can compare after all.

# %%
import torch


def nails_torch(x, s):
    one = torch.ones(1, 1, 1, 1, dtype=x.dtype)
    return F.conv_transpose2d(x, one, stride=s, output_padding=s - 1)


compare.with_torch(
    nails_numpy, z[:, :1], 2, reference=nails_torch, backward=lambda grad: grad[..., ::2, ::2]
)

# %% [markdown]
# ## 11 · The kernel in CUDA C (after lecture 08)
#
# *Leave this section out at first, and come back after [lecture 08](08_first_kernels.ipynb), which explains how such kernels are written; or watch it being shown. Nothing below
# needs it.* No GPU is needed either. Where there is no C++ compiler, the cells of this section say so, and the rest of the lecture runs without them.

# %% tags=["raises-exception"]
from segedu import cuda_ops

# %load_ext segedu.cuda

# %% [markdown]
# Max unpooling asks where each *small* number goes: a **scatter**, a thread for each number of $x$. Bilinear interpolation asks where each *large* one comes from: a **gather**, a thread for each
# pixel $(r, c)$ of $y$, with the formulas of sections 6 and 7. `step` is the distance of two new pixels, counted in old ones: ½ when the picture is doubled.

# %% language="cuda" magic_args="--quiet" tags=["raises-exception"]
# extern "C" __global__ void max_unpool(const float* x, const long long* indices, float* y,
#                                       int values, int pixels) {
#     int i = blockIdx.x * blockDim.x + threadIdx.x, plane = blockIdx.y;
#     if (i < values) y[plane * pixels + indices[plane * values + i]] = x[plane * values + i];
# }
#
# extern "C" __global__ void bilinear(const float* x, float* y, int H, int W,
#                                     int out_H, int out_W, float step) {
#     int r = blockIdx.y * blockDim.y + threadIdx.y, c = blockIdx.x * blockDim.x + threadIdx.x;
#     if (r >= out_H || c >= out_W) return;
#     x += blockIdx.z * H * W, y += blockIdx.z * out_H * out_W;
#     float v = fmaxf((r + 0.5f) * step - 0.5f, 0), u = fmaxf((c + 0.5f) * step - 0.5f, 0);
#     int i = v, j = u, below = min(i + 1, H - 1), right = min(j + 1, W - 1);
#     float beta = v - i, alpha = u - j;
#     float upper = (1 - alpha) * x[i * W + j] + alpha * x[i * W + right];
#     float lower = (1 - alpha) * x[below * W + j] + alpha * x[below * W + right];
#     y[r * out_W + c] = (1 - beta) * upper + beta * lower;
# }

# %% [markdown]
# `int i = v` cuts off what is behind the point. Max unpooling writes only some numbers, so its `y` begins as zeros; bilinear interpolation writes all of them.

# %%
def max_unpool2d_cuda(x, indices, kernel_size, output_size):
    planes, values = int(np.prod(x.shape[:-2])), x.shape[-2] * x.shape[-1]
    y = np.zeros((*x.shape[:-2], *output_size), np.float32)
    grid = -(-values // 128), planes  # the numbers of a plane in blocks of 128, rounded up
    max_unpool(grid, (128,), (x, indices, y, values, output_size[0] * output_size[1]))
    return y


def interpolate_cuda(x, scale_factor, mode, align_corners, number=np.float32):
    *planes, H, W = x.shape
    out = H * scale_factor, W * scale_factor
    y = np.empty((*planes, *out), np.float32)
    grid = -(-out[1] // 16), -(-out[0] // 16), int(np.prod(planes))
    bilinear(grid, (16, 16), (x, y, H, W, *out, number(1 / scale_factor)))
    return y

# %% tags=["raises-exception"]
maxima, where = max_pool2d(photo, 2, return_indices=True)
compare.with_torch(max_unpool2d_cuda, maxima, where, kernel_size=2, output_size=(11, 7))

# %% tags=["raises-exception"]
double = dict(scale_factor=2, mode="bilinear", align_corners=False)
compare.with_torch(interpolate_cuda, z, **double)

# %% [markdown]
# The photograph of section 1, halved and doubled; the judge is our own whole-array function.

# %% tags=["raises-exception"]
half = avg_pool2d(coffee, 2)
ours = interpolate_cuda(half, **double)
compare.arrays(ours, bilinear_numpy(half, (384, 576), False), length=4, name="coffee")

# %% [markdown]
# **Break it.** Why `np.float32(1 / scale_factor)`? Python's own numbers have 8 bytes, the kernel's `float` has 4. The kernel would take the first 4 of the 8.
#
# **Predict, then run.** Which number are the first 4 bytes of ½? What would become of the picture? And what will the checker say to a plain `float`?

# %% tags=["raises-exception"]
def careless_interpolate(x, scale_factor, mode, align_corners):
    return interpolate_cuda(x, scale_factor, mode, align_corners, number=float)


print("the bytes of ½ as two float32:", np.array([1 / 2]).view(np.float32))
compare.with_torch(careless_interpolate, z, **double, reference=F.interpolate)

# %% [markdown]
# 0. With a step of 0 every new pixel would show the upper left old one. The arguments are checked before the launch; CuPy itself would launch, and not complain.
#
# The library's `cuda_ops` has `max_unpool2d` and `interpolate` with the signatures of `numpy_ops`; `mode("check")` has every access checked.

# %% tags=["raises-exception"]
with cuda_ops.mode("check"):
    report = compare.with_torch(
        cuda_ops.interpolate, z, scale_factor=(2.5, 1.7), mode="bilinear", align_corners=False
    )
report

# %% [markdown]
# **Won and lost.** One launch, and no array in between, where our NumPy function has the rows enlarged first and then the columns; but each thread computes its weights anew, although whole columns share
# them.

# %% [markdown]
# ## 12 · What is lost on a photograph
#
# Pool the cat with windows of 4×4, bring it back, and measure how far each pixel is off. The **root-mean-square error** squares all errors, takes their mean, and the root of
# that; here in steps of brightness from 0 to 255.
#
# **Predict, then run.** Order the five: maxima on nails, maxima unpooled, maxima repeated, means repeated, means blended.

# %%
cat = as_chw(photograph("chelsea", size=(288, 432)))


def rms(restored, original):
    return 255 * np.sqrt(np.mean((restored - original) ** 2))


def there_and_back(image, k):
    maxima, where = max_pool2d(image, k, return_indices=True)
    means = avg_pool2d(image, k)
    return {
        "maxima on nails": nails_numpy(maxima, k),
        "maxima unpooled": max_unpool2d(maxima, where, k, output_size=image.shape[-2:]),
        "maxima repeated": nearest_numpy(maxima, k),
        "means repeated": nearest_numpy(means, k),
        "means blended": interpolate(means[None], scale_factor=k, mode="bilinear")[0],
    }


restored = there_and_back(cat, k=4)
for name, image in restored.items():
    print(f"{name:16} {rms(image, cat):6.1f}   exactly right: {(image == cat).mean():5.1%}")

# %% jupyter={"source_hidden": true}
# Figure: an eye of the cat, restored, and the errors
eye = np.s_[..., 76:148, 96:204]
fig, axes = plt.subplots(2, 5, figsize=(10.6, 3.2), layout="constrained")
for (name, image), column in zip(restored.items(), axes.T, strict=True):
    figures.draw_image(column[0], image[eye].transpose(1, 2, 0), title=name)
    error = 255 * np.abs(image - cat).mean(axis=0)[eye]
    picture = column[1].imshow(error, vmin=0, vmax=60)
    column[1].set_axis_off()
fig.colorbar(picture, ax=axes[1], shrink=0.9, label="error", ticks=[0, 30, 60], extend="max")
figures.show(
    fig,
    alt="Above, an eye of the cat restored in five ways: twice dots on black, light squares, "
    "squares, and blurred. Below, their errors: large nearly everywhere for the dots, large along "
    "the outlines for the light squares, small for the means.",
)

# %% [markdown]
# Max unpooling gets 1 number in 16 exactly right and leaves the others 0. Its dots are coloured because each of the three channels has its maximum at a place of its own. A photograph
# is smooth nearly everywhere, so blending guesses well.
#
# Why then does anyone use it? Because feature maps are not photographs. After a convolution and $\max(0, \cdot)$ many numbers are 0, and a few mark *where* something is. Here is such a
# map: places where the cat's picture gets lighter to the right by more than 0.05.
#
# **Predict, then run.** Which of the five now has the smallest error?

# %%
grey = cat.mean(axis=0, keepdims=True)
features = np.maximum(np.diff(grey, axis=2, append=grey[:, :, -1:]) - 0.05, 0)
print(f"not 0: {(features > 0).mean():.1%}")
for name, image in there_and_back(features, k=2).items():
    print(f"{name:16} {rms(image, features):6.2f}")

# %% jupyter={"source_hidden": true}
# Figure: a feature map, there and back
restored_features = there_and_back(features, k=2)
fig = figures.images_row(
    [np.clip(8 * image[0][eye], 0, 1) for image in (features, *restored_features.values())],
    titles=["feature map", *restored_features],
    columns=3,
    height=1.9,
)
figures.show(
    fig,
    alt="A map of a few bright lines round the cat's eye; on nails, the lines in dots; unpooled, "
    "nearly the same lines with small gaps; repeated maxima, thick lines; repeated and blended "
    "means, faint thick lines.",
)

# %% [markdown]
# Max unpooling. Thin lines stay thin and stay in place. SegNet's decoder unpools for this reason: the indices carry the position of each edge past the small maps in the middle of the
# network.

# %% [markdown]
# ## 13 · Round trips: pool what was unpooled
#
# Does pooling undo unpooling? Pool, enlarge, pool again with the same window.
#
# **Predict, then run.** Two of these five do not come back exactly. Which, and why?

# %%
def report(name, before, after):
    print(f"{name:34} {(before == after).mean():6.1%} come back exactly")


noise = rng.standard_normal((1, 288, 432), dtype=np.float32)
maxima, means = max_pool2d(cat, 2), avg_pool2d(cat, 2)
blended = interpolate(means[None], scale_factor=2, mode="bilinear")[0]
report("cat, maxima, repeated, maxima", maxima, max_pool2d(nearest_numpy(maxima, 2), 2))
report("cat, means, repeated, means", means, avg_pool2d(nearest_numpy(means, 2), 2))
report("cat, means, blended, means", means, avg_pool2d(blended, 2))
for name, image in (("cat", cat), ("noise", noise)):
    maxima, where = max_pool2d(image, 2, return_indices=True)
    again = max_pool2d(max_unpool2d(maxima, where, 2), 2)
    report(f"{name}, maxima, unpooled, maxima", maxima, again)

# %% [markdown]
# The third and the last. Blending mixes cells, so it moves their means. And unpooling fills gaps with 0: where all four numbers of a window are negative, that 0 wins the second pooling. For noise around 0
# this is about one window in $2^4 = 16$, or 6.25%. After $\max(0, \cdot)$ no number is negative, and the trip is exact.

# %% [markdown]
# ## 14 · Label maps: nearest, never bilinear
#
# The labels of the drawn street are numbers: 0 sky, 1 building, 2 road, 3 pavement, 4 tree, and so on. A label map has to be enlarged.
#
# **Predict, then run.** A row of sky, sky, tree, tree is doubled. Which *classes* does each method give at the border?

# %%
labels = np.array([[0, 0, 4, 4]])
by_nearest = nearest_numpy(labels, 2)[:1]
by_bilinear = bilinear_numpy(labels.astype(np.float32), (1, 8), False).astype(int)
print(by_nearest, by_bilinear)

# %% jupyter={"source_hidden": true}
# Figure: a row of labels doubled
scene = street(seed=4, size=(256, 384))
fig, axes = plt.subplots(3, 1, figsize=(7.2, 2.6), layout="constrained")
pictures = {"labels": labels, "nearest": by_nearest, "bilinear": by_bilinear}
for ax, (title, array) in zip(axes, pictures.items(), strict=True):
    figures.draw_array(ax, array, palette=scene.palette, fontsize=14)
    ax.set_ylabel(title, rotation=0, ha="right", va="center", labelpad=10)
figures.label_legend(fig, scene.classes[:5], scene.palette)
figures.show(
    fig,
    alt="A row of sky, sky, tree, tree. Doubled by nearest it stays sky and tree; bilinear puts a "
    "building and pavement between them.",
)

# %% [markdown]
# Bilinear interpolation finds a building and a pavement between the sky and the tree. The numbers of classes are *names*; the mean of two names has no meaning.
#
# On a whole street: the commonest label of every 8×8 cell, enlarged by either method, the bilinear one rounded to whole numbers. **Predict, then run.** Where will the errors lie?

# %%
def cell_shares(labels, stride, num_classes):
    one_hot = np.eye(num_classes, dtype=np.float32)[labels].transpose(2, 0, 1)
    return avg_pool2d(one_hot, stride, ceil_mode=True)


shares = cell_shares(scene.labels, 8, len(scene.classes))
coarse = shares.argmax(axis=0)
by_nearest = nearest_numpy(coarse, 8)
blend = interpolate(coarse[None, None].astype(np.float32), scale_factor=8, mode="bilinear")
by_bilinear = np.rint(blend[0, 0]).astype(int)
for name, labels in (("nearest", by_nearest), ("bilinear", by_bilinear)):
    print(f"{name:8} {(labels == scene.labels).mean():.1%} of the pixels are right")

# %% jupyter={"source_hidden": true}
# Figure: a street's labels enlarged by either method
fig = figures.images_row(
    [
        figures.colourise(by_nearest, scene.palette),
        figures.colourise(by_bilinear, scene.palette),
        figures.error_map(by_nearest, scene.labels),
        figures.error_map(by_bilinear, scene.labels),
    ],
    titles=["nearest", "bilinear, rounded", "errors of nearest", "errors of bilinear"],
    columns=2,
    height=1.9,
)
figures.label_legend(fig, scene.classes, scene.palette)
figures.show(
    fig,
    alt="A street's label map enlarged by nearest, with steps at the outlines, and bilinearly, "
    "with bands of foreign colours along the outlines; the errors of the latter are wider.",
)

# %% [markdown]
# Outlines get a fringe of classes that are not there, except where the two numbers follow each other, as sky 0 and building 1 do. A void label of 255 would be worse: most of its
# blends with other labels name no class at all.
#
# So when an image and its label map are resized together, in training for instance, resize the image bilinearly and the label map by nearest neighbour.

# %% [markdown]
# ## 15 · Shares of classes may be blended
#
# Lecture 02 gave every cell one constant label, its commonest, and lost thin things and outlines. But the pooled one-hot map knows more: the *share* of each class in the cell.
# Shares are quantities; their means have a meaning. So enlarge the shares first, and choose the largest afterwards.
#
# **Predict, then run.** Eight pixels, the border after the third, cells of four. Class 1 has a quarter of the first cell and all of the second. Which pixels does each way give to class 1?

# %%
truth = np.array([0, 0, 0, 1, 1, 1, 1, 1])
share = truth.reshape(2, 4).mean(axis=1)
large = linear_loops(share, 8, align_corners=False)
print("shares of class 1:", share)
print("enlarged shares:  ", large.round(2))
print("truth:            ", truth)
print("constant:         ", (share > 0.5).astype(int).repeat(4))
print("blended:          ", (large > 0.5).astype(int))

# %% [markdown]
# The border was found *inside* a cell: a quarter in one cell and everything in the next place it three quarters of the way. Now the street, at four strides.
#
# **Predict, then run.** At stride 8, what happens to the share of right pixels? And to the poles?

# %%
def enlarge(shares, stride, shape, mode, align_corners=None):
    large = interpolate(
        shares[None], scale_factor=stride, mode=mode, align_corners=align_corners
    )
    return large[0, :, : shape[0], : shape[1]].argmax(axis=0)


blended = {}
print("stride       all pixels            poles\n         constant  blended   constant  blended")
for stride in (4, 8, 16, 32):
    shares = cell_shares(scene.labels, stride, len(scene.classes))
    constant = enlarge(shares, stride, scene.labels.shape, "nearest")
    blended[stride] = enlarge(shares, stride, scene.labels.shape, "bilinear")
    pole = scene.labels == scene.classes.index("pole")
    right = [labels == scene.labels for labels in (constant, blended[stride])]
    row = [r.mean() for r in right] + [r[pole].mean() for r in right]
    print(f"{stride:6}  " + "  ".join(f"{value:8.1%}" for value in row))

# %% jupyter={"source_hidden": true}
# Figure: constant labels and blended shares at stride 16
shares = cell_shares(scene.labels, 16, len(scene.classes))
constant = enlarge(shares, 16, scene.labels.shape, "nearest")
maps = [scene.labels, constant, blended[16]]
fig = figures.images_row(
    [scene.image, *(figures.colourise(m, scene.palette) for m in maps[1:])]
    + [figures.colourise(scene.labels, scene.palette)]
    + [figures.error_map(m, scene.labels) for m in maps[1:]],
    titles=["image", "constant, stride 16", "blended, stride 16", "labels", "errors", "errors"],
    columns=3,
    height=1.7,
)
figures.label_legend(fig, scene.classes, scene.palette)
figures.show(
    fig,
    alt="A drawn street and its labels; at stride 16 the constant labels form large steps, the "
    "blended shares smooth outlines; errors are fewer with the latter, but poles and people are "
    "wrong in both.",
)

# %% [markdown]
# From the same numbers, more pixels are right at every stride. Poles gain at stride 4 only; at 8 a few fewer of them are right, and at 16 and 32 none. A thin thing has a small share of
# every cell that it touches and rarely wins, however smoothly the shares are enlarged. That needs finer features; lecture 12 brings them in.
#
# *At home.* Does the convention matter? **Predict, then run.** The same with `align_corners=True`: better or worse?

# %%
for stride in (4, 8, 16, 32):
    shares = cell_shares(scene.labels, stride, len(scene.classes))
    stretched = enlarge(shares, stride, scene.labels.shape, "bilinear", align_corners=True)
    right = [(labels == scene.labels).mean() for labels in (blended[stride], stretched)]
    print(f"stride {stride:2}:  False {right[0]:.1%}   True {right[1]:.1%}")

# %% [markdown]
# Our cells are squares that tile the picture, as `False` assumes. `True` moves the outermost centres to the border, and everything else with them.
#
# Real street scenes, if the CamVid data set is on this machine. **Predict, then run.** Will blending win at every stride here too?

# %% tags=["real-data"]
from segedu.data import camvid

if camvid.available():
    frames = camvid.camvid("test")
    chosen = [frames[number][1] for number in range(0, len(frames), 40)]
    known = [labels != camvid.VOID for labels in chosen]
    for stride in (4, 8, 16, 32):
        for mode in ("nearest", "bilinear"):
            right = 0
            for labels, counted in zip(chosen, known, strict=True):
                large = enlarge(cell_shares(labels, stride, 12), stride, labels.shape, mode)
                right += (large == labels)[counted].sum()
            print(f"stride {stride:2}, {mode:8}: {right / sum(map(np.sum, known)):.1%}")
else:
    print("CamVid is not on this machine; the drawn street above stands for it.")

# %% [markdown]
# ## 16 · Try it yourself (at home)
#
# Move the sliders. With which sizes do all old pixels have a new one exactly on them? With which do several new pixels lie at one place?

# %% tags=["nbval-ignore-output"]
import ipywidgets

heights = np.array([4, 8, 0, 6, 5, 1], dtype=np.float32)


def explore(old=3, new=6, align_corners=False):
    fig, axes = plt.subplots(
        1, 2, figsize=(9, 3.8), layout="constrained", width_ratios=[2, 1]
    )
    draw_coordinates(axes[0], heights[:old], new, align_corners)
    A = axis_matrix(old, new, "bilinear", align_corners)
    figures.draw_array(axes[1], A, "weights A", vmin=0, vmax=1, fontsize=9)
    figures.show(fig, alt=f"{old} old and {new} new pixels on a line, and the matrix of weights.")


ipywidgets.interact(explore, old=(2, 6), new=(2, 12), align_corners=False);

# %% [markdown]
# A still picture, for readers without a running kernel: six old and nine new pixels.

# %% jupyter={"source_hidden": true}
# Figure: six old and nine new pixels
explore(old=6, new=9)

# %% [markdown]
# With `True` from 3 to 5, for instance: the new ones lie at 0, ½, 1, 1½, 2. With `False`, an odd factor does it, from 3 to 9 for instance; then two new pixels lie on each end.

# %% [markdown]
# ## Common mistakes
#
# * **Unpooling without `output_size`.** After an odd width, values land in wrong columns, or an index lies outside.
# * **Indices of another layer.** They count pixels in the plane that *their* pooling read.
# * **The half pixel forgotten**: $u = c\,W/W_{\text{out}}$ shifts everything by up to half an old pixel.
# * **Negative coordinates not clipped.** The border is then extrapolated.
# * **Trained with one `align_corners`, run with the other.**
# * **Labels interpolated bilinearly.** Classes that are not there appear at the borders.
# * **Choosing the largest class before enlarging**, when the shares were still there.
# * **Testing on constant pictures.** Any weights that add up to 1 pass.

# %% [markdown]
# ## Summary
#
# * Nearest repeats, the bed of nails leaves gaps, max unpooling puts each value where its maximum was.
# * Several sizes pool to the same one: keep indices *and* size.
# * Bilinear: find the source coordinate, blend the two neighbours, along rows and then columns. Doubling with `align_corners=False` gives ¾ and ¼.
# * All are linear: $Y = A X B^{\mathsf T}$, with gradient $A^{\mathsf T} G B$. Max unpooling's gradient reads by index.
# * Photographs: blend. Sparse feature maps: unpool. Label maps: nearest. Shares of classes: blend, then take the largest.

# %% [markdown]
# ## Exercises
#
# 1. Enlarge the row 2, 6 fourfold by bilinear interpolation, by hand, with either `align_corners`.
# 2. A frame has 360 rows and is pooled five times (window 2, stride 2), then unpooled five times. Which unpooling needs `output_size`, and which size?
# 3. Take the bed of nails of the row 4, 8, 0 and convolve it (`np.convolve`) with ¼, ¾, ¾, ¼. Of the nine numbers, leave out the first and the last two. Compare with bilinear ×2.
#    Where do they differ, and why?
# 4. Why can no picture with one colour for each cell have a smaller root-mean-square error than the cells' means?
# 5. `there_and_back` with `photograph("rocket", size=(256, 384))` and $k=2$: does blending win?
# 6. *At home.* Max pooling with window 3 and stride 1 can name one place several times. What does `max_unpool2d` do there? Compare `max_unpool2d_backward` with finite
#    differences. Who is right?
#
# <details><summary>Answers</summary>
#
# 1. `False`: 2, 2, 2.5, 3.5, 4.5, 5.5, 6, 6. `True`: steps of 4/7, that is 2, 2.57, 3.14, 3.71, 4.29, 4.86, 5.43, 6.
# 2. 360, 180, 90, 45, 22, 11. Only the second unpooling, from 22: it would guess 44 and needs 45.
# 3. 3, 5, 7, 6, 2, 0 against 4, 5, 7, 6, 2, 0: only the first differs. The convolution takes the outside as 0, bilinear interpolation repeats the border. At the other end the old pixel is
#    0, so nothing shows.
# 4. In each cell, the sum of squared distances to one number is smallest for the mean: its derivative is 0 there and nowhere else.
# 5. No: 7.8 against 7.6 for the repeated means. The cat went the other way; it depends on the picture.
# 6. In our library the last in reading order stays. Finite differences give the gradient to that one alone; the library gives it to all, as PyTorch does. The finite differences
#    are right. With repeated indices PyTorch does not say which value stays, and it may change from run to run.
#
# </details>
#
# ## Sources
#
# * M. D. Zeiler, R. Fergus, *Visualizing and understanding convolutional networks*, ECCV 2014 (unpooling with switches).
# * H. Noh, S. Hong, B. Han, *Learning deconvolution network for semantic segmentation*, ICCV 2015 (unpooling in a decoder).
# * V. Badrinarayanan, A. Kendall, R. Cipolla, *SegNet: a deep convolutional encoder-decoder architecture for image segmentation*, PAMI 2017.
# * A. Dosovitskiy, J. T. Springenberg, T. Brox, *Learning to generate chairs with convolutional neural networks*, CVPR 2015 (unpooling to a fixed corner, a bed of nails).
# * J. Long, E. Shelhamer, T. Darrell, *Fully convolutional networks for semantic segmentation*, CVPR 2015 (bilinear upsampling of class scores).
# * PyTorch documentation, `torch.nn.functional.interpolate` and `max_unpool2d`.

# %% [markdown]
# # Exercises 13 · U-Net
#
# You find a size that fits, join maps that do not, assemble an up-block, weigh the borders between cells, and segment a picture that is too large for the memory, tile by tile. You need lecture 13.
# Write in the cells that say `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.
#
# The operators of earlier lectures are yours to use here: the setup cell has `conv2d`, `conv_transpose2d` and `max_pool2d` from `segedu.numpy_ops`.

# %% segedu={"role": "setup", "allowed": ["numpy_ops"]}
import numpy as np
from segedu.numpy_ops import conv2d, conv_transpose2d, max_pool2d

rng = np.random.default_rng(13)

# A small U-Net with one pooling and fixed weights, on a machine with little memory (question 5)
EDGE = 8  # rows and columns that its result lacks on each side
SHAPES = [(4, 1, 3, 3), (4, 4, 3, 3), (6, 4, 3, 3), (6, 6, 3, 3), (6, 4, 2, 2), (4, 8, 3, 3), (4, 4, 3, 3), (1, 4, 1, 1)]
WEIGHTS = [np.random.default_rng(0).normal(0, np.sqrt(2 / np.prod(s[1:])), s) for s in SHAPES]


def network(x):
    """A picture H×W, both even, to scores (H - 16)×(W - 16)."""
    if x.shape[0] % 2 or x.shape[1] % 2:
        raise ValueError(f"{x.shape[0]}×{x.shape[1]}: the pooling wants even numbers of rows and columns")
    if x.shape[0] > 50 or x.shape[1] > 70:
        raise ValueError(f"{x.shape[0]}×{x.shape[1]} pixels do not fit into the memory, which holds 50×70 at most")
    x = x[None, None]
    for weight in WEIGHTS[:2]:
        x = np.maximum(conv2d(x, weight), 0)
    skip, x = x, max_pool2d(x, 2)
    for weight in WEIGHTS[2:4]:
        x = np.maximum(conv2d(x, weight), 0)
    x = np.concatenate([skip[:, :, 4:-4, 4:-4], conv_transpose2d(x, WEIGHTS[4], stride=2)], axis=1)
    for weight in WEIGHTS[5:7]:
        x = np.maximum(conv2d(x, weight), 0)
    return conv2d(x, WEIGHTS[7])[0, 0]

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks need
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from scipy.ndimage import distance_transform_cdt, distance_transform_edt
from scipy.spatial import KDTree
from segedu import compare, data, engines, figures
from segedu.data.border_weights import border_weights as with_scipy
from segedu.data.photographs import photograph
from segedu.models import unet
from skimage.measure import label as connected

figures.use_style()
with_torch = engines.get("torch")
three_cells = np.zeros((14, 20), np.int64)
three_cells[1:6, 1:7], three_cells[2:8, 8:16], three_cells[10:13, 3:15] = 1, 2, 3


def rows_left(n, depth):
    """Rows of a U-Net's result for n rows, by layers of PyTorch that hold no numbers; None where they do not fit."""
    x, weight = torch.empty(1, 1, n, 1, device="meta"), torch.empty(1, 1, 3, 1, device="meta")
    if n < 12 * 2**depth - 7:
        return None
    for _ in range(depth):
        x = F.conv2d(F.conv2d(x, weight), weight)
        if x.shape[2] % 2:
            return None
        x = F.max_pool2d(x, (2, 1))
    x = F.conv2d(F.conv2d(x, weight), weight)
    for _ in range(depth):
        x = F.conv_transpose2d(x, torch.empty(1, 1, 2, 1, device="meta"), stride=(2, 1))
        x = F.conv2d(F.conv2d(x, weight), weight)
    return x.shape[2]


def filled(x, size):
    """x in the middle of zeros: what the gradient of the library's crop makes of it."""
    large = torch.zeros(*x.shape[:2], *size, dtype=torch.float64, requires_grad=True)
    unet.centre(with_torch, large, x).backward(torch.from_numpy(x).double())
    return large.grad.numpy().astype(x.dtype)


def check_join(skip, x):
    """Compare join_filled with the gradient of the library's crop."""
    size, channels = skip.shape[2:], x.shape[1]
    rows, columns = (a - b for a, b in zip(size, x.shape[2:], strict=True))
    middle = filled(x, size)
    right = np.concatenate([skip, middle], axis=1)
    corner = F.pad(torch.from_numpy(x), (0, columns, 0, rows)).numpy()
    lower = np.roll(middle, (rows % 2, columns % 2), axis=(2, 3))
    hints = [
        ("x before skip: skip comes first", np.roll(right, channels, axis=1)),
        ("x at the upper left corner: put it in the middle", np.concatenate([skip, corner], axis=1)),
        ("one zero more above or on the left: where the difference is odd, below and right get it",
         np.concatenate([skip, lower], axis=1)),
    ]
    hints = [(text, a) for text, a in hints if not np.array_equal(a, right)]
    cut = unet.centre(with_torch, torch.from_numpy(skip), x).numpy()
    hints.append(("what the lecture's network does, which cuts skip: here x grows", np.concatenate([cut, x], axis=1)))
    return compare.arrays(join_filled(skip, x), right, name="joined", hints=hints).check()


def check_join_gradient(skip, x, number, rng):
    """Compare one gradient of join_filled: 0 of skip, 1 of x."""
    channels, size = skip.shape[1], x.shape[2:]
    grad = rng.standard_normal((len(x), channels + x.shape[1], *skip.shape[2:])).astype(x.dtype)
    found = join_filled_backward(grad, channels, size)
    assert isinstance(found, tuple | list), "return two arrays: the gradients of skip and of x"
    assert len(found) == 2, "return two arrays: the gradients of skip and of x"
    of_skip, rest = np.split(grad, [channels], axis=1)
    if number == 0:
        return compare.arrays(found[0], of_skip, name="gradient of skip").check()
    hints = [("the gradient of the whole of it: zeros have no gradient, cut them off", rest)]
    hints.append(("the upper left corner of the gradient: x lies in the middle", rest[:, :, : size[0], : size[1]]))
    target = unet.centre(with_torch, torch.from_numpy(rest), x).numpy()
    return compare.arrays(found[1], target, name="gradient of x", hints=hints).check()


def drawn_block(rng, inputs, outputs, dtype=np.float64):
    """Random parameters of an up-block, named as in the lecture."""
    shapes = {
        "up.weight": (inputs, outputs, 2, 2), "up.bias": (outputs,),
        "conv.conv1.weight": (outputs, 2 * outputs, 3, 3), "conv.conv1.bias": (outputs,),
        "conv.conv2.weight": (outputs, outputs, 3, 3), "conv.conv2.bias": (outputs,),
    }
    return {name: (0.5 * rng.standard_normal(shape)).astype(dtype) for name, shape in shapes.items()}


def library_block(x, skip, p, padding, without=(), relu_too=False):
    """The library's up-block over PyTorch. `without`: the 3×3 convolutions (1, 2) that have no ReLU behind them."""
    block = unet.Up(with_torch, *p["up.weight"].shape[:2], padding).to(torch.from_numpy(x).dtype)
    block.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in p.items()})
    seen = {}
    block.conv.conv1.register_forward_hook(lambda _, given, y: seen.update({1: y}))
    block.conv.conv2.register_forward_hook(lambda _, given, y: seen.update({2: y}))
    if 1 in without:
        block.conv.conv2.register_forward_pre_hook(lambda _, given: (seen[1],))
    if relu_too:
        block.up.register_forward_hook(lambda _, given, y: F.relu(y))
    with torch.no_grad():
        y = block(torch.from_numpy(x), torch.from_numpy(np.ascontiguousarray(skip)))
    return (seen[2] if 2 in without else y).numpy()


def check_block(rng, inputs, outputs, size, skip_size, padding, batch=2, dtype=np.float64):
    """Compare up_block with the library's."""
    x = rng.standard_normal((batch, inputs, *size)).astype(dtype)
    skip = rng.standard_normal((batch, outputs, *skip_size)).astype(dtype)
    p = drawn_block(rng, inputs, outputs, dtype)
    right = library_block(x, skip, p, padding)
    rows, columns = (a - 2 * b for a, b in zip(skip_size, size, strict=True))
    one, no_bias = skip[:, :, rows % 2 :, columns % 2 :], {name: 0 * a for name, a in p.items() if "bias" in name}
    corner = skip[:, :, : skip_size[0] - rows, : skip_size[1] - columns]
    other_order = {"conv.conv1.weight": np.roll(p["conv.conv1.weight"], outputs, axis=1)}
    up_bias = {"up.bias": no_bias.pop("up.bias")}
    relu = "each 3×3 convolution has one behind it"
    slips = [
        ("what comes where skip is cut at its upper left corner: take its middle", corner, {}, {}),
        ("what comes where the upper side and the left lose one more: the lower and the right do", one, {}, {}),
        ("what comes with x before skip: skip comes first", skip, other_order, {}),
        ("what comes with a ReLU behind the transposed convolution: there is none", skip, {}, {"relu_too": True}),
        (f"what comes without the last ReLU: {relu}", skip, {}, {"without": (2,)}),
        (f"what comes without the first ReLU: {relu}", skip, {}, {"without": (1,)}),
        (f"what comes without any ReLU: {relu}", skip, {}, {"without": (1, 2)}),
        ("what comes without the biases", skip, no_bias | up_bias, {}),
        ("what comes without the bias of the transposed convolution", skip, up_bias, {}),
        ("what comes without the biases of the 3×3 convolutions", skip, no_bias, {}),
    ]
    hints = [(text, library_block(x, other, p | new, padding, **change)) for text, other, new, change in slips]
    hints = [(text, a) for text, a in hints if not np.array_equal(a, right)]
    try:
        got = up_block(x, skip, p, padding)
    except ValueError as error:
        raise AssertionError(
            f"up_block raised ValueError: {error}\nx grows first, then skip is cut to the size of x, "
            "then both are joined, channel behind channel."
        ) from None
    return compare.arrays(got, right, length=1000, name="result", hints=hints).check()


def distances(cells):
    """By SciPy: each pixel's distance to each cell, nearest cell first."""
    return np.sort([distance_transform_edt(cells != k) for k in np.unique(cells[cells > 0])], axis=0)


def balance(cells):
    """The weights of pixels between cells and in cells."""
    counts = torch.bincount(torch.from_numpy(cells > 0).long().ravel(), minlength=2)
    return (cells.size / (2 * counts.clamp(min=1).double())).numpy()


def check_borders(cells, w0, sigma):
    """Compare border_weights with the library's, which lets SciPy compute the distances."""
    labels, share = (cells > 0).astype(int), balance(cells)

    def other(weights=share, w0=w0, sigma=sigma):
        return with_scipy(labels, w0, sigma, tuple(weights), cells)

    def with_distance(distance, everywhere=False):
        border = w0 * torch.exp(-(torch.from_numpy(distance) ** 2) / (2 * sigma**2))
        weights = torch.from_numpy(share)[labels] + (border if everywhere else border * torch.from_numpy(1 - labels))
        return weights.float().numpy()

    right, away = other(), distances(cells)
    hints = [
        ("the border's term alone: the weight of the class is added", (right - share[labels]).astype(np.float32)),
        ("what comes with a weight of 1 for both classes", other((1.0, 1.0))),
        ("what comes with N / N_c for the classes: take half of it", other(2 * share)),
        ("what comes with the weights of the two classes exchanged", other(share[::-1])),
        ("the weights of the classes alone: the term of the border is missing", other(w0=0.0)),
        ("what comes with σ² in place of 2σ²", other(sigma=sigma / np.sqrt(2))),
        ("what comes with σ in place of σ²", other(sigma=np.sqrt(sigma))),
        ("what comes with the distance to the nearest cell alone: d₁ + d₂", with_distance(away[0])),
        ("what comes with the nearest cell counted twice: d₂ belongs to another cell", with_distance(2 * away[0])),
    ]
    if len(away) > 1:
        in_cells, pixels = (np.stack(np.nonzero(a), axis=1) for a in (cells, np.ones_like(cells)))
        two = KDTree(in_cells).query(pixels, k=2)[0].sum(1).reshape(cells.shape)
        steps = np.sort([distance_transform_cdt(cells != k, "taxicab") for k in np.unique(cells[cells > 0])], axis=0)
        hints += [
            ("what comes with d₁² + d₂²: add first, then square", with_distance(np.hypot(away[0], away[1]))),
            ("what comes with the term in the cells, too: it belongs to pixels between them",
             with_distance(away[0] + away[1], True)),
            ("what comes with the farthest cell for d₂: the second nearest one", with_distance(away[0] + away[-1])),
            ("what comes with the two nearest pixels: d₂ belongs to another cell", with_distance(two)),
            ("what comes with rows and columns added up: a distance is a straight line",
             with_distance(1.0 * (steps[0] + steps[1]))),
        ]
    hints = [(text, a) for text, a in hints if not np.allclose(a, right)]
    try:
        got = border_weights(cells, w0, sigma)
    except ValueError as error:
        gaps = "The numbers of the cells may have gaps, and there may be fewer than two."
        raise AssertionError(f"border_weights raised ValueError: {error}\n{gaps}") from None
    assert getattr(got, "dtype", None) != np.float64, "the weights are float64: return them in float32"
    return compare.arrays(got, right, length=100, name="weights", hints=hints).check()


def drawn_cells(rng, size, amount):
    """A picture of cells, some of which touch; their numbers have gaps."""
    cells = np.zeros(size, np.int64)
    for k in range(amount):
        top, left = (int(rng.integers(0, n - 3)) for n in size)
        cells[top : top + int(rng.integers(2, 9)), left : left + int(rng.integers(2, 9))] = 3 * k + 2
    return cells


def torch_network(x):
    """The network of the setup cell on a machine with more memory."""
    weights, x = [torch.from_numpy(w) for w in WEIGHTS], torch.from_numpy(np.ascontiguousarray(x))[None, None]
    skip = F.relu(F.conv2d(F.relu(F.conv2d(x, weights[0])), weights[1]))
    x = F.relu(F.conv2d(F.relu(F.conv2d(F.max_pool2d(skip, 2), weights[2])), weights[3]))
    x = torch.cat([skip[:, :, 4:-4, 4:-4], F.conv_transpose2d(x, weights[4], stride=2)], dim=1)
    return F.conv2d(F.relu(F.conv2d(F.relu(F.conv2d(x, weights[5])), weights[6])), weights[7])[0, 0].numpy()


def at_once(image, mode="reflect"):
    """The scores of the whole picture: its edges mirrored, an odd size filled up and cut back."""
    height, width = image.shape
    frame = [(EDGE, EDGE + height % 2), (EDGE, EDGE + width % 2)]
    return torch_network(np.pad(image, frame, mode=mode))[:height, :width]


def moved_inwards(image, tile):
    """What comes where the last tiles begin so that they end with the image, in odd rows or columns, too."""
    mirrored = np.pad(image, [(EDGE, EDGE + 2)] * 2, mode="reflect")
    scores = {}
    for a, b in np.ndindex(2, 2):
        part = mirrored[a:, b:]
        part = torch_network(part[: len(part) // 2 * 2, : part.shape[1] // 2 * 2])
        scores[a, b] = np.pad(part, [(a, 0), (b, 0)])[: image.shape[0], : image.shape[1]]
    (height, width), (rows, columns) = image.shape, tile
    last_row = (np.arange(height) >= height - rows) * (height - rows) % 2
    last_column = (np.arange(width) >= width - columns) * (width - columns) % 2
    return sum(scores[a, b] * np.outer(last_row == a, last_column == b) for a, b in scores)


def check_tiles(image, tile):
    """Compare by_tiles with the scores of the whole picture."""
    right, (height, width), (rows, columns) = at_once(image), image.shape, tile
    shifted = np.pad(image, [(0, 2 * EDGE)] * 2, mode="reflect")
    shifted = torch_network(shifted[: height + 2 * EDGE - height % 2, : width + 2 * EDGE - width % 2])
    rest = right.copy()
    rest[height // rows * rows :] = 0
    rest[:, width // columns * columns :] = 0
    bands = np.split(image, np.arange(rows, height, rows))
    parts = [np.split(band, np.arange(columns, width, columns), axis=1) for band in bands]
    tiles = np.block([[at_once(part) for part in band] for band in parts])
    hints = [
        ("what comes with zeros round the picture: mirror it", at_once(image, "constant")),
        ("what comes with the last row repeated round the picture: mirror it", at_once(image, "edge")),
        ('what comes with mode="symmetric": mode="reflect" does not repeat the last pixel', at_once(image, "symmetric")),
        ("what comes where each tile is mirrored by itself: mirror the picture, then cut tiles out of it", tiles),
        ("zeros at the end: the last tiles, which stick out, are missing", rest),
        ("0 everywhere", np.zeros_like(right)),
        ("what comes where some tiles begin in odd rows or columns: the pooling pairs other pixels there",
         moved_inwards(image, tile)),
    ]
    if shifted.shape == right.shape:
        hints.append(("the scores, shifted: a tile's picture begins EDGE above and left of the tile", shifted))
    hints = [(text, a) for text, a in hints if not np.allclose(a, right)]
    try:
        got = by_tiles(image, tile)
    except ValueError as error:
        more = "For one tile, network gets as many rows and columns as the tile has, and EDGE more on each side."
        raise AssertionError(f"by_tiles raised ValueError: {error}\n{more}") from None
    return compare.arrays(got, right, length=10_000, name=f"scores of {height}×{width} pixels", hints=hints).check()

# %% [markdown]
# ## 1 · Which size fits? (2 points)
#
# A U-Net without padding has three poolings. Its result is to have at least 110 rows. How many rows has the smallest image that fits, and how many has its result? Work it out by hand; then write
# `image, result = …` with both numbers.

# %% segedu={"role": "answer", "question": "size"}
### BEGIN SOLUTION
image, result = 204, 116
### END SOLUTION

# %% segedu={"role": "check", "question": "size", "points": 2}
smallest = next(n for n in range(400) if (rows_left(n, 3) or 0) >= 110)
assert (result, image) != (smallest, rows_left(smallest, 3)), "the two are exchanged: the image comes first"
assert (image, result) == (int(image), int(result)), "both are whole numbers"
assert image - result != 184, "those are sizes for four poolings"
fits = rows_left(int(image), 3)
assert fits is not None, f"an image of {image} rows does not fit: follow it down, and some pooling meets an odd number"
assert fits >= 110, f"an image of {image} rows fits, but its result has fewer than 110"
assert image == smallest, f"an image of {image} rows fits, but a smaller one does, too"
assert result == fits, f"an image of {image} rows is right; its result is not. What is the margin of three poolings?"
print("both numbers are right")

# %% [markdown]
# ## 2 · The other way to join (4 points)
#
# The lecture cuts `skip` to the size of `x`. Many programs do the opposite: they put zeros round `x` until it is as large as `skip`, and concatenate then, `skip` first. Where the difference
# of the sizes is odd, below and on the right comes one zero more.
#
# `join_filled(skip, x)` does that for N×C×H×W and N×C′×H′×W′. If `x` has more rows or more columns than `skip`, raise a `ValueError` with a message that contains the word *larger*.
#
# `join_filled_backward(grad, channels, size)` gets the gradient of the result, how many channels `skip` had, and the size (H′, W′) of `x`. It returns the gradients of skip and of x. Both functions keep the dtype.
#
# Example: skip is one row 1 2 3 4, x is one row 8. The result has two channels, 1 2 3 4 and 0 8 0 0. Where its gradient is 5 6 7 8 and 10 20 30 40, that of skip is 5 6 7 8, and that of x is 20.
#
# <details><summary>Hint 1</summary>Above come ⌊(H − H′) / 2⌋ rows, on the left ⌊(W − W′) / 2⌋ columns. Write x into the middle of zeros, or use `np.pad`.</details>
# <details><summary>Hint 2</summary>Backward, each gradient returns to where its number came from. The zeros came from nowhere.</details>

# %% segedu={"role": "answer", "question": "join_filled"}
def join_filled(skip, x):
    """skip: N×C×H×W, x: N×C′×H′×W′, not larger. Returns N×(C + C′)×H×W."""
    ### BEGIN SOLUTION
    rows, columns = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
    if rows < 0 or columns < 0:
        raise ValueError(f"x of {x.shape[2:]} is larger than skip of {skip.shape[2:]}")
    top, left = rows // 2, columns // 2
    frame = (0, 0), (0, 0), (top, rows - top), (left, columns - left)
    return np.concatenate([skip, np.pad(x, frame)], axis=1)
    ### END SOLUTION


def join_filled_backward(grad, channels, size):
    """grad: N×(C + C′)×H×W. Returns the gradients of skip, N×C×H×W, and of x, N×C′×H′×W′."""
    ### BEGIN SOLUTION
    rows, columns = size
    top, left = (grad.shape[2] - rows) // 2, (grad.shape[3] - columns) // 2
    return grad[:, :channels], grad[:, channels:, top : top + rows, left : left + columns]
    ### END SOLUTION

# %% segedu={"role": "check", "question": "join_filled", "points": 1}
# forward: the example, and a picture
check_join(np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), np.array([[[[8.0]]]]))
check_join(rng.standard_normal((2, 3, 6, 8)), rng.standard_normal((2, 2, 4, 4)))

# %% segedu={"role": "check", "question": "join_filled", "points": 1}
# the gradient of x, for the example and for a picture
check_join_gradient(np.array([[[[1.0, 2.0, 3.0, 4.0]]]]), np.array([[[[8.0]]]]), 1, rng)
check_join_gradient(rng.standard_normal((2, 3, 6, 8)), rng.standard_normal((2, 2, 4, 5)), 1, rng)

# %% segedu={"role": "hidden", "question": "join_filled", "points": 1}
# any size, odd differences, none; float32; a map x that is larger
for _ in range(4):
    height, width = (int(n) for n in rng.integers(3, 9, 2))
    x_size = [int(n - rng.integers(0, 3)) for n in (height, width)]
    check_join(*(rng.standard_normal(s).astype(np.float32) for s in ((2, 3, height, width), (2, 4, *x_size))))
for size in ((2, 7), (7, 2)):
    report = compare.raises(join_filled, ValueError, np.zeros((1, 2, 5, 5)), np.zeros((1, 2, *size)), mentions=["larger"])
    report.check()

# %% segedu={"role": "hidden", "question": "join_filled", "points": 1}
# both gradients, any size
for number in (0, 1):
    height, width = (int(n) for n in rng.integers(4, 9, 2))
    x_shape = (2, 4, height - int(rng.integers(2, 4)), width - int(rng.integers(2, 4)))
    check_join_gradient(*(rng.standard_normal(s).astype(np.float32) for s in ((2, 3, height, width), x_shape)), number, rng)

# %% [markdown]
# ## 3 · An up-block (5 points)
#
# `up_block(x, skip, p, padding)` is the lecture's `Up`, with arrays in place of layers: x grows by a 2×2 transposed convolution of stride 2; the middle of `skip` is cut out, as large as x is then; both
# are joined, `skip` first; two 3×3 convolutions follow with this `padding`, each with a ReLU behind it. The dtype stays that of x.
#
# `p` is a dictionary of parameters under the lecture's names: `"up.weight"`, `"up.bias"`, `"conv.conv1.weight"`, `"conv.conv1.bias"`, `"conv.conv2.weight"`, `"conv.conv2.bias"`. Where the size of skip
# less that of x is odd, the lower side and the right lose one more.
#
# Example of sizes: x is 1×8×5×6, skip 1×4×17×15. The transposed convolution makes 1×4×10×12 of x; rows 3 to 12 and columns 1 to 12 of skip stay; joined they have 8 channels; without padding the result is
# 1×4×6×8.
#
# <details><summary>Hint 1</summary>`conv_transpose2d(x, weight, bias, stride=2)` and `conv2d(x, weight, bias, padding=padding)`.</details>
# <details><summary>Hint 2</summary>With `rows, columns = x.shape[2:]` after the growth, the middle begins in row `(skip.shape[2] - rows) // 2`.</details>
# <details><summary>Hint 3</summary>`np.concatenate([…, …], axis=1)` joins channels; `np.maximum(…, 0)` is ReLU.</details>

# %% segedu={"role": "answer", "question": "up_block"}
def up_block(x, skip, p, padding):
    """x: N×C′×h×w, skip: N×C×H×W. Returns N×C×rows×columns."""
    ### BEGIN SOLUTION
    x = conv_transpose2d(x, p["up.weight"], p["up.bias"], stride=2)
    rows, columns = x.shape[2:]
    top, left = (skip.shape[2] - rows) // 2, (skip.shape[3] - columns) // 2
    x = np.concatenate([skip[:, :, top : top + rows, left : left + columns], x], axis=1)
    for layer in ("conv.conv1", "conv.conv2"):
        x = np.maximum(conv2d(x, p[f"{layer}.weight"], p[f"{layer}.bias"], padding=padding), 0)
    return x
    ### END SOLUTION

# %% segedu={"role": "check", "question": "up_block", "points": 2}
# one picture without padding; skip is larger by an even number
check_block(rng, 6, 3, (5, 6), (14, 18), padding=0, batch=1)

# %% segedu={"role": "check", "question": "up_block", "points": 1}
# with padding, skip as large as x and larger by one
check_block(rng, 4, 2, (3, 4), (6, 8), padding=1)
check_block(rng, 4, 2, (3, 4), (7, 9), padding=1)

# %% segedu={"role": "hidden", "question": "up_block", "points": 2}
# any size, odd differences, another number of channels from below, float32
for padding, dtype in [(0, np.float64), (1, np.float32), (0, np.float32)]:
    size = [int(n) for n in rng.integers(3, 7, 2)]
    skip_size = [2 * n + int(rng.integers(0, 6)) for n in size]
    check_block(rng, int(rng.integers(1, 8)), int(rng.integers(1, 5)), size, skip_size, padding, dtype=dtype)

# %% [markdown]
# ## 4 · The weight of a border (4 points)
#
# `border_weights(cells, w0, sigma)` gets whole numbers H×W: a number above 0 for each cell, the same in all its pixels, and 0 between cells. It returns the weight of each pixel in the loss, in float32. There are two classes, *cell* and *between*.
#
# $$w = w_c + w_0 \exp\left( -\frac{(d_1 + d_2)^2}{2 \sigma^2} \right), \qquad w_c = \frac{N}{2 N_c}$$
#
# $w_c$ makes up for a class that is rare: $N$ is the number of all pixels, $N_c$ that of the pixel's own class. The second term is added between cells only; $d_1$ and $d_2$ are the distances from the pixel to
# the nearest pixel of the nearest cell and of the second nearest *cell*. Where a picture has fewer than two cells, there is no second term. The numbers of the cells may have gaps.
#
# Example: the row 5 5 0 2 0 0, w₀ = 10, σ = 5. Three pixels of six lie in cells, so $w_c$ is 1 everywhere. The first 0 has $d_1 = d_2 = 1$ and weighs $1 + 10\,e^{-4/50} = 10.23$; the last two have $d_1 + d_2 = 1 + 3$ and
# $2 + 4$, and weigh 8.26 and 5.87.
#
# <details><summary>Hint 1</summary>For each cell: its distance to all pixels between cells. `rows, columns = np.nonzero(cells == number)` are its pixels.</details>
# <details><summary>Hint 2</summary>`np.hypot(i[:, None] - rows, j[:, None] - columns)` holds the distances of all pixels (i, j) to all pixels of the cell. Which number of each row is the distance to the cell?</details>
# <details><summary>Hint 3</summary>Stack the distances of all cells and sort them along the axis of the cells: the first two are $d_1$ and $d_2$. `np.unique(cells[cells > 0])` are the numbers of the cells.</details>

# %% segedu={"role": "answer", "question": "border_weights"}
def border_weights(cells, w0, sigma):
    """cells: whole numbers H×W, 0 between cells. Returns weights H×W, float32."""
    ### BEGIN SOLUTION
    between = cells == 0
    own_class = np.where(between, between.sum(), (~between).sum())
    weight = cells.size / (2 * own_class)
    i, j = np.nonzero(between)
    distances = []
    for number in np.unique(cells[cells > 0]):
        rows, columns = np.nonzero(cells == number)
        distances.append(np.hypot(i[:, None] - rows, j[:, None] - columns).min(axis=1))
    if len(distances) > 1:
        first, second = np.sort(distances, axis=0)[:2]
        weight[between] += w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2))
    return weight.astype(np.float32)
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "border_weights"}
# Figure: a drawn slice, your weights, and the library's
slice_, labels = (a[40:120, 60:140] for a in data.open_dataset("cells", "train", length=1, size=256)[0])
cells = connected(labels, connectivity=1)
try:
    pictures = [border_weights(cells, 10, 5), with_scipy(labels, 10, 5, tuple(balance(cells)), cells)]
    fig, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
    axes[0].imshow(slice_, cmap="gray")
    for ax, picture in zip(axes[1:], pictures, strict=True):
        shown = ax.imshow(picture, cmap="cividis", vmin=0, vmax=14)
    for ax, title in zip(axes, ("a drawn slice", "yours", "the library's"), strict=True):
        ax.set(title=title, xticks=[], yticks=[])
    fig.colorbar(shown, ax=axes, shrink=0.85, label="weight")
    alt = "A drawn slice of cells; its weights by your function and by the library's: bright along borders."
    figures.show(fig, alt=alt)
except NotImplementedError:
    print("Write the answer first; then this cell shows your weights beside the library's.")

# %% segedu={"role": "check", "question": "border_weights", "points": 1}
# the example, and three cells of which two are near
check_borders(np.array([[5, 5, 0, 2, 0, 0]]), 10, 5)
check_borders(three_cells, 10, 3)

# %% segedu={"role": "check", "question": "border_weights", "points": 1}
# a single cell; none; nothing between
check_borders(np.where(three_cells == 2, 1, 0), 10, 5)
got = border_weights(np.zeros((4, 5), np.int64), 10, 5)
compare.arrays(got, np.full((4, 5), 0.5, np.float32), name="weights without a cell").check()
check_borders(np.array([[1, 1, 2], [1, 2, 2]]), 10, 5)

# %% segedu={"role": "hidden", "question": "border_weights", "points": 2}
# any cells, numbers with gaps, cells in several pieces, other w0 and σ
for amount in (2, 4, 7):
    size = [int(n) for n in rng.integers(12, 25, 2)]
    check_borders(drawn_cells(rng, size, amount), float(rng.integers(1, 20)), float(rng.uniform(1, 6)))

# %% [markdown]
# ## 5 · Tile by tile (4 points)
#
# The setup cell has `network`, a small U-Net with one pooling. It takes a picture H×W with an even number of rows and of columns, and its scores have 16 rows and 16 columns fewer: `EDGE`, 8, on each side. Its
# memory holds at most 50 rows and 70 columns; more, and it raises a `ValueError`.
#
# `by_tiles(image, tile)` computes the scores of an image of any size, as many as it has pixels. `tile`, a pair of even numbers, is how many rows and columns of the *result* are computed in
# one call of `network`. What lies outside the image is mirrored, as by `np.pad(…, mode="reflect")`. The result is what `network` would give for the whole mirrored image if its memory were larger.
#
# Example of sizes: an image of 50×30 pixels in tiles of 20×20. Tiles begin in rows 0, 20, 40 and in columns 0, 20; `network` gets six pictures of 36×36. Of the last ones' scores only the part that lies in the image counts.
#
# <details><summary>Hint 1</summary>Mirror the image once, at the beginning, by `EDGE` on each side; below and on the right by more, so that there are enough pixels for the last tiles.</details>
# <details><summary>Hint 2</summary>In the mirrored image all places are moved by `EDGE`. In which row of it does the picture for the tile begin whose result begins in row r? Walk in steps of whole tiles: they begin in even rows then, as the pooling wants it.</details>
# <details><summary>Hint 3</summary>`target = result[r : r + rows, c : c + columns]` ends at the edge of the result by itself; then `target[:] = scores[: target.shape[0], : target.shape[1]]`.</details>

# %% segedu={"role": "answer", "question": "by_tiles"}
def by_tiles(image, tile):
    """image: H×W, tile: a pair (rows, columns). Returns the scores, H×W, float64."""
    ### BEGIN SOLUTION
    (height, width), (rows, columns) = image.shape, tile
    mirrored = np.pad(image, [(EDGE, EDGE + rows), (EDGE, EDGE + columns)], mode="reflect")
    result = np.zeros(image.shape)
    for r in range(0, height, rows):
        for c in range(0, width, columns):
            scores = network(mirrored[r : r + rows + 2 * EDGE, c : c + columns + 2 * EDGE])
            target = result[r : r + rows, c : c + columns]
            target[:] = scores[: target.shape[0], : target.shape[1]]
    return result
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "by_tiles"}
# Figure: scores of a photograph, tile by tile and at once
grey = photograph("coins", size=(90, 120))[:, :, 0] / 255 - 0.5
try:
    pair = by_tiles(grey, (30, 30)), at_once(grey)
    low, high = pair[1].min(), pair[1].max()
    apart = abs(pair[0] - pair[1])
    scores = [np.clip((z - low) / (high - low), 0, 1) for z in pair]
    pictures = [grey + 0.5, *scores, np.clip(apart / (high - low), 0, 1)]
    titles = ["photograph", "yours, in tiles of 30×30", "at once", "difference: black is 0"]
    fig = figures.images_row(pictures, titles, columns=2, height=2)
    figures.show(fig, alt="A photograph of coins, its scores by your tiles, its scores at once, and their difference.")
except NotImplementedError:
    print("Write the answer first; then this cell shows your scores beside those of the whole picture.")

# %% segedu={"role": "check", "question": "by_tiles", "points": 1}
# an image that tiles fill
check_tiles(rng.standard_normal((40, 60)), (20, 20))

# %% segedu={"role": "check", "question": "by_tiles", "points": 1}
# an image that tiles do not fill, and tiles that are no squares
check_tiles(rng.standard_normal((51, 64)), (20, 40))

# %% segedu={"role": "hidden", "question": "by_tiles", "points": 2}
# any size, odd ones too, smaller than a tile in one direction
for tile in [(12, 20), (10, 50), (34, 6)]:
    check_tiles(rng.standard_normal(tuple(int(n) for n in rng.integers(21, 60, 2))), tile)
check_tiles(rng.standard_normal((17, 51)), (30, 30))

# %% [markdown]
# # Lecture 12 · FCN-32s, 16s, 8s
#
# The deep end of a network knows *what* it sees, but only every 32 pixels. Its shallow end knows *where* things end, but not what they are. The **fully convolutional network** (FCN) of Long,
# Shelhamer and Darrell (2015) gives both a vote for every class, and adds the votes.
#
# After this lecture you can
#
# 1. say what a coarse grid costs in mean IoU, and why the answer is a guide and no strict bound,
# 2. program the skip fusion, forward and backward: enlarge coarse scores, add finer ones,
# 3. start a transposed convolution as bilinear interpolation,
# 4. make VGG16 fully convolutional, and count the parameters of FCN-32s, FCN-16s and FCN-8s,
# 5. assemble the three networks, and check them against PyTorch,
# 6. train the three alike, and compare them by the four measures of the paper's table.
#
# About 75 minutes. You need lectures 04 (transposed convolution), 05 (fully convolutional), 07 (metrics) and 11 (networks on a tape).

# %%
import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, data, engines, figures, models, training
from segedu.data import camvid
from segedu.models import weights
from segedu.models.blocks import Block, Network
from segedu.models.initial import initialise
from segedu.numpy_ops import confusion_matrix, interpolate, iou, mean_iou

figures.use_style()
rng = np.random.default_rng(12)

# %% [markdown]
# On a CPU this lecture trains three small networks on drawn streets. With `full = True`, PyTorch and a GPU, the same cells train networks of the published size (we have never run
# that).

# %%
full = False
published = {"channels": (64, 128, 256, 512, 512), "convs": (2, 2, 3, 3, 3), "hidden": 4096, "kernel": 7}
small = {"channels": (12, 24, 32, 48, 64), "convs": (1, 1, 1, 1, 1), "hidden": 64, "kernel": 3}
if full:
    engine, shape, size, crop, scenes = "torch", published, (384, 576), (352, 480), 2000
    settings = {"batch": 8, "steps": 20_000, "lr": 3e-4, "schedule": "poly"}
else:
    engine, shape, size, crop, scenes = "numpy", small, (128, 192), (96, 128), 60
    settings = {"batch": 4, "steps": 250, "lr": 3e-3, "schedule": "poly"}

# %% [markdown]
# ## 1 · What a coarse grid costs
#
# Give a network no faults but its grid: one label for each cell of $r \times r$ pixels ($r$ is its **output stride**), and let that label be the commonest *true* label in the cell.
#
# **Predict, then run.** Poles are two pixels wide here. At which of the strides 8, 16 and 32 is a pole still to be seen?

# %%
train = data.open_dataset("street", "train", length=scenes, size=size)
test = data.open_dataset("street", "test", length=16, size=size)
classes, C = train.classes, len(train.classes)


def cells(labels, r, fill):
    """Rows × columns of cells, each with its r·r labels; cells that stick out are filled up."""
    frame = [(0, -n % r) for n in labels.shape]
    padded = np.pad(labels, frame, constant_values=fill)
    rows, columns = (n // r for n in padded.shape)
    return padded.reshape(rows, r, columns, r).swapaxes(1, 2).reshape(rows, columns, r * r)


def majority(labels, r, num_classes):
    """The commonest class of each cell, as a label map H×W; labels from num_classes on are void."""
    inside = cells(labels, r, fill=num_classes)
    counts = np.stack([(inside == k).sum(-1) for k in range(num_classes)])
    best = counts.argmax(0).repeat(r, 0).repeat(r, 1)
    return best[: labels.shape[0], : labels.shape[1]]


shown = 4  # the picture that is shown
image, truth = test[shown]

# %% jupyter={"source_hidden": true}
# Figure: the commonest label of each cell
fig = figures.images_row(
    [image] + [figures.colourise(m, test.palette)
               for m in (truth, *(majority(truth, r, C) for r in (4, 8, 16, 32)))],
    ["picture", "labels"] + [f"stride {r}" for r in (4, 8, 16, 32)],
    columns=3, height=1.7,
)
figures.label_legend(fig, classes, test.palette)
figures.show(
    fig,
    alt="A drawn street, its labels, and the commonest label of each cell of 4, 8, 16 and 32 pixels: "
    "larger and larger squares, without poles from 8 on.",
    dpi=85,
)

# %% [markdown]
# Now the mean IoU of such label maps over 16 streets (lecture 07), and the IoU of a large and two small classes.

# %%
def score(predict, dataset, ignore_index=None):
    """Confusion matrix of label maps predict(labels) over a data set."""
    num_classes = len(dataset.classes)
    return sum(
        confusion_matrix(predict(labels), labels, num_classes, ignore_index)
        for _, labels in dataset[:]
    )


def table_row(name, matrix, chosen=("road", "car", "sign", "pole")):
    each = "".join(f"{100 * iou(matrix)[classes.index(k)]:8.1f}" for k in chosen)
    print(f"{name:12}{100 * mean_iou(matrix):10.1f}{each}")


print("stride        mean IoU    road     car    sign    pole")
for r in (2, 4, 8, 16, 32):
    table_row(r, score(lambda labels, r=r: majority(labels, r, C), test))

# %% [markdown]
# Stride 32 is what VGG16 has, and no training helps against the grid. But a class loses by its width, not by its importance: roads stay, poles go.
#
# **Is it a bound?** No network that gives one label to each cell gets more *pixels* right: the commonest label is the best guess in each cell. But mean IoU is not pixel accuracy.
#
# **Predict, then run.** 4 rows and 32 columns of ground, with a pole in column 1; cells of 4×4. The first cell holds 4 pixels of pole and 12 of ground, so its commonest label is
# ground. Call it *pole* instead: what happens to the pixel accuracy, what to the mean IoU?

# %%
ground_and_pole = np.zeros((4, 32), int)
ground_and_pole[:, 1] = 1
commonest = np.zeros((4, 32), int)
generous = commonest.copy()
generous[:, :4] = 1

for name, guess in (("ground", commonest), ("pole", generous)):
    matrix = confusion_matrix(guess, ground_and_pole, 2)
    right = np.diag(matrix).sum() / matrix.sum()
    print(f"first cell {name:7} pixels right {right:.1%}   mean IoU {mean_iou(matrix):.1%}")

# %% [markdown]
# Fewer pixels right, yet a higher mean IoU: the commonest label is not what mean IoU asks for.
#
# There is a second way round it. A network has *scores* for each cell, and enlarges these, not labels. Let its scores be the true share of each class in the cell, and enlarge them
# bilinearly (lecture 03).

# %%
def shares(labels, r):
    inside = cells(labels, r, fill=C)
    return np.stack([(inside == k).mean(-1) for k in range(C)])


def enlarged_shares(labels, r):
    large = interpolate(shares(labels, r)[None], scale_factor=r, mode="bilinear")[0].argmax(0)
    return large[: labels.shape[0], : labels.shape[1]]


print("mean IoU      commonest   shares, bilinear")
for r in (4, 8, 16, 32):
    both = [mean_iou(score(lambda labels, f=f, r=r: f(labels, r), test))
            for f in (lambda labels, r: majority(labels, r, C), enlarged_shares)]
    print(f"stride {r:2} {100 * both[0]:11.1f} {100 * both[1]:15.1f}")

# %% [markdown]
# Nothing but the grid is known, and yet the mean IoU is higher: outlines are no longer bound to cells. So the commonest label per cell is **a guide, not a strict bound**: it says at
# which stride a class begins to be lost.
#
# **CamVid.** The same on the 233 test frames of CamVid (360×480, 11 classes; void is not counted) gives, at the strides 2, 4, 8, 16 and 32, a mean IoU of 93.7, 88.6, 80.8, 71.0 and
# 58.5. The next cell recomputes it where CamVid is present. The counts of a cell are the sums of the counts of its four quarters, so one pass does all five strides.

# %% tags=["real-data"]
def pyramid_of_counts(labels, num_classes, strides=(2, 4, 8, 16, 32)):
    """For each stride the label map of the commonest classes; height and width are filled up to 32."""
    padded = np.pad(labels, [(0, -n % 32) for n in labels.shape], constant_values=num_classes)
    counts = (padded == np.arange(num_classes)[:, None, None]).astype(np.int16)
    for r in strides:
        rows = counts[:, 0::2] + counts[:, 1::2]
        counts = rows[:, :, 0::2] + rows[:, :, 1::2]
        best = counts.argmax(0).repeat(r, 0).repeat(r, 1)
        yield r, best[: labels.shape[0], : labels.shape[1]]


if camvid.available():
    frames, found = camvid.camvid("test"), {}
    for n in range(len(frames)):
        labels = frames.labels_of(n)
        for r, guess in pyramid_of_counts(labels, 11):
            found[r] = found.get(r, 0) + confusion_matrix(guess, labels, 11, camvid.VOID)
    print("CamVid, test:", {r: round(100 * float(mean_iou(m)), 1) for r, m in found.items()})
else:
    print("CamVid is not on this machine; the drawn streets above stand for it.")

# %% [markdown]
# ## 2 · The skip fusion, by hand
#
# So the network must say something on a finer grid. Its shallower maps are finer. Ask them, too: a 1×1 convolution on a finer map gives scores there. Enlarge the coarse scores
# to the same size, and **add**.
#
# Here the score of one class, *pole*; above 0 means pole. The coarse scores say: somewhere in the right half. The fine ones, from a shallow map that sees little around: a bright line.
#
# **Predict, then run.** Which columns are pole by the coarse scores alone? By the fine ones alone? By the sum?

# %%
coarse = np.array([[-2, 1], [-2, 1]], np.float32)
fine = np.array([[1, -1, 1, -2]] * 4, np.float32)
enlarged = coarse.repeat(2, 0).repeat(2, 1)
fused = enlarged + fine

# %% jupyter={"source_hidden": true}
# Figure: coarse scores, enlarged, and finer scores added
column = [(0, 2, 4, 1)]
fig = figures.arrays_row(
    [coarse, enlarged, fine, fused],
    titles=["coarse", "enlarged", "fine", "sum"],
    operators=["→", "+", "="],
    highlights=[[], [], [], column],
    share_scale=True,
)
figures.show(
    fig,
    alt="Coarse scores -2 and 1, enlarged to 4 by 4; fine scores 1, -1, 1, -2 in each row; their sum "
    "is above 0 in the third column only, which is framed.",
)

# %% [markdown]
# The fine map alone sees two lines, one of them no pole. The coarse map alone sees a pole two pixels wide. The sum has one pole, one pixel wide.

# %% [markdown]
# ## 3 · The definition, as loops
#
# Coarse scores $s$ of $K$ classes at half the size; a fine map $f$ of $F$ channels. Let $T$ be the kernel of the transposed convolution that enlarges (4×4, stride 2, padding 1), $W$ and
# $b$ the weights of the 1×1 convolution. For class $k$ at $(i, j)$
#
# $$y_{kij} = \underbrace{\sum_{l} \; \sum_{2u + a - 1 = i} \; \sum_{2v + c - 1 = j} T_{lkac}\, s_{luv}}_{\text{enlarged}} \;+\; \underbrace{b_k + \sum_{m} W_{km}\, f_{mij}}_{\text{scored}}$$

# %%
def fuse_loops(s, f, T, W, b):
    """s K×h×w, f F×2h×2w, T K×K×4×4, W K×F, b K to K×2h×2w."""
    K, h, w = s.shape
    y = np.zeros((K, 2 * h, 2 * w), s.dtype)
    for k, i, j in np.ndindex(*y.shape):
        y[k, i, j] = b[k] + sum(W[k, m] * f[m, i, j] for m in range(len(f)))
        for l, u, v in np.ndindex(K, h, w):
            a, c = i - 2 * u + 1, j - 2 * v + 1
            if 0 <= a < 4 and 0 <= c < 4:
                y[k, i, j] += T[l, k, a, c] * s[l, u, v]
    return y

# %% [markdown]
# With whole arrays: each of the 16 places $(a, c)$ of the kernel stamps all coarse scores at once (lecture 04).

# %%
def stamp(s, T):
    """Transposed convolution, stride 2, kernel 4, padding 1: N×K×h×w to N×K×2h×2w."""
    N, K, h, w = s.shape
    y = np.zeros((N, T.shape[1], 2 * h + 2, 2 * w + 2), s.dtype)
    for a in range(4):
        for c in range(4):
            y[:, :, a : a + 2 * h : 2, c : c + 2 * w : 2] += np.einsum("lk,nluv->nkuv", T[:, :, a, c], s)
    return y[:, :, 1:-1, 1:-1]


def fuse_numpy(s, f, T, W, b):
    return stamp(s, T) + np.einsum("km,nmij->nkij", W, f) + b[:, None, None]


s = rng.standard_normal((2, 3, 4, 5))
f = rng.standard_normal((2, 6, 8, 10))
T, W, b = rng.standard_normal((3, 3, 4, 4)), rng.standard_normal((3, 6)), rng.standard_normal(3)
compare.arrays(fuse_numpy(s, f, T, W, b)[0], fuse_loops(s[0], f[0], T, W, b))

# %% [markdown]
# ## 4 · The gradient
#
# A sum hands its gradient $g$ to both sides, unchanged. So the deep and the shallow end of the network learn from the same error, and the shallow end by a short way: that is why skips
# are easy to train. Each side then is a gradient that we know: of a transposed convolution (a convolution), and of a 1×1 convolution.
#
# $$\frac{\partial L}{\partial s_{luv}} = \sum_{k, a, c} T_{lkac}\; g_{k,\,2u+a-1,\,2v+c-1} \qquad \frac{\partial L}{\partial f_{mij}} = \sum_k W_{km}\, g_{kij}$$

# %%
def fuse_backward_numpy(g, s, f, T, W):
    """The gradients of s, f, T, W and b."""
    h, w = s.shape[2:]
    framed = np.pad(g, [(0, 0), (0, 0), (1, 1), (1, 1)])
    grad_s, grad_T = np.zeros_like(s), np.zeros_like(T)
    for a in range(4):
        for c in range(4):
            part = framed[:, :, a : a + 2 * h : 2, c : c + 2 * w : 2]
            grad_s += np.einsum("lk,nkuv->nluv", T[:, :, a, c], part)
            grad_T[:, :, a, c] = np.einsum("nluv,nkuv->lk", s, part)
    grad_f, grad_W = np.einsum("km,nkij->nmij", W, g), np.einsum("nkij,nmij->km", g, f)
    return grad_s, grad_f, grad_T, grad_W, g.sum((0, 2, 3))

# %%
import torch.nn.functional as F


def fuse(s, f, T, W, b):
    return F.conv_transpose2d(s, T, stride=2, padding=1) + F.conv2d(f, W[:, :, None, None], b)


compare.with_torch(
    fuse_numpy, s, f, T, W, b, reference=fuse,
    backward=lambda g: fuse_backward_numpy(g, s, f, T, W),
)

# %% [markdown]
# **A wrong answer.** Somebody swaps the classes of $T$: input class and output class. For a kernel that keeps every class for itself nothing changes, so the mistake sleeps until $T$ has
# learned.

# %%
swapped = fuse_numpy(s, f, T.swapaxes(0, 1), W, b)
hint = ("T with input and output classes swapped", swapped)
compare.arrays(swapped, fuse_numpy(s, f, T, W, b), name="fused scores", hints=[hint])

# %% [markdown]
# ## 5 · Bilinear to begin with
#
# Before it has learned anything, the enlargement should at least not destroy the coarse scores. The FCN begins with bilinear interpolation (lecture 04). For factor $r$ and kernel $2r$ the
# weights fall off linearly from the middle, and each class keeps to itself:
#
# $$T_{lkac} = [\,l = k\,] \; t_a\, t_c, \qquad t_a = 1 - \frac{|a - (r - \tfrac12)|}{r}$$
#
# **Predict, then run.** Compute the four weights $t$ for $r = 2$.

# %%
def bilinear_numpy(num_classes, r):
    t = 1 - abs(np.arange(2 * r) - (r - 0.5)) / r
    return np.eye(num_classes)[:, :, None, None] * np.outer(t, t)


print(bilinear_numpy(1, 2)[0, 0])
print("t =", np.sqrt(np.diag(bilinear_numpy(1, 2)[0, 0])))

# %%
inside = np.s_[:, :, 1:-1, 1:-1]  # at the edge, stamps are missing
compare.arrays(
    stamp(s, bilinear_numpy(3, 2))[inside], interpolate(s, scale_factor=2, mode="bilinear")[inside]
)

# %% [markdown]
# In the paper these weights are only a start: the enlargements by 2 learn, the last one stays bilinear. In our networks all of them learn.

# %% [markdown]
# ## 6 · VGG16, made convolutional
#
# VGG16 has 13 convolutions of 3×3 in five groups, each ending in a pooling, then three fully connected layers. Lecture 05 made those convolutional: 7×7 on 512 channels, then twice 1×1. The last
# one, to 1000 classes, goes; in its place comes a **score layer**, a 1×1 convolution to our classes.
#
# A `Block` is a module that takes the engine `nn` first. `norm` puts batch normalisation behind each convolution: without it and without pretrained weights a deep VGG hardly
# learns.

# %%
def group(nn, inputs, outputs, convs, norm):
    layers = []
    for _ in range(convs):
        layers.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=not norm))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU()] if norm else [nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*layers, nn.MaxPool2d(2))


class VGG(Block):
    def __init__(self, nn, channels, convs, hidden, kernel, norm):
        super().__init__()
        sizes = zip((3, *channels), channels, convs, strict=False)
        self.groups = nn.ModuleList([group(nn, i, o, n, norm) for i, o, n in sizes])
        self.upper = nn.Sequential(
            nn.Conv2d(channels[-1], hidden, kernel, padding=kernel // 2), nn.ReLU(),
            nn.Conv2d(hidden, hidden, 1), nn.ReLU(),
        )

    def forward(self, x):
        maps = []
        for layers in self.groups:
            x = layers(x)
            maps.append(x)
        return [*maps, self.upper(x)]

# %% [markdown]
# The paper also silences half of the 4096 channels at random in training (dropout), twice; the library's network has it.
#
# **Predict, then run.** VGG16 for 1000 classes has 138,357,544 parameters. How many are left without the last layer, 4096 to 1000?

# %%
nn = engines.get("numpy")
with nn.shapes_only():  # layers whose numbers take no memory
    vgg = VGG(nn, **published, norm=False)
convolutional = models.count_parameters(vgg)
print(f"{convolutional:,} and the last layer, {4096 * 1000 + 1000:,}")
print(f"together {convolutional + 4096 * 1000 + 1000:,}")

# %% [markdown]
# Now the maps. How large are they for a picture of 384×512? The small VGG has them at the same places, with fewer channels.

# %%
little = initialise(VGG(nn, **small, norm=True), rng)
maps = [m.shape[1:] for m in little(nn.tensor(np.zeros((1, 3, 384, 512), np.float32)))]
for name, m, wide in zip(
    ("pool1", "pool2", "pool3", "pool4", "pool5", "upper"), maps, (*published["channels"], 4096), strict=True
):
    print(f"{name}: {m[1]:3}×{m[2]:3}, stride {384 // m[1]:2}, {wide:4} channels; here {m[0]}")

# %% [markdown]
# ## 7 · Three networks: assemble the fusion
#
# **FCN-32s** enlarges the scores of stride 32 by 32 at once. **FCN-16s** enlarges them by 2, adds scores of `pool4` (stride 16), enlarges by 16. **FCN-8s** adds the scores of `pool3`
# (stride 8) as well, and enlarges by 8.
#
# **Your turn.** You have `scores` (stride 32), the layers `enlarge[0]`, `enlarge[1]`, … and `score_finer[0]`, `score_finer[1]`, and the maps `pool4`, `pool3`. Write the loop on paper, with one line
# in it. Then read `logits`.

# %%
class FCN(Network):
    multiple = 32  # other sizes are filled up with zeros, and the logits cut back

    def __init__(self, nn, num_classes, stride, channels, convs, hidden, kernel, norm=False):
        super().__init__(num_classes, in_channels=3)
        self.vgg = VGG(nn, channels, convs, hidden, kernel, norm)
        self.score = nn.Conv2d(hidden, num_classes, 1)
        finer = {32: [], 16: [channels[3]], 8: [channels[3], channels[2]]}[stride]
        self.score_finer = nn.ModuleList([nn.Conv2d(c, num_classes, 1) for c in finer])
        factors = [2] * len(finer) + [stride]
        self.enlarge = nn.ModuleList([
            nn.ConvTranspose2d(num_classes, num_classes, 2 * r, stride=r, padding=r // 2, bias=False)
            for r in factors])

    def initialise(self):
        for layer in self.enlarge:
            kernel = bilinear_numpy(self.num_classes, layer.weight.shape[-1] // 2)
            self.nn.assign(layer, {"weight": kernel.astype(np.float32)})

    def logits(self, x):
        _, _, pool3, pool4, _, upper = self.vgg(x)
        scores = self.score(upper)
        for finer, enlarge, pool in zip(self.score_finer, self.enlarge, (pool4, pool3), strict=False):
            scores = enlarge(scores) + finer(pool)
        return self.enlarge[-1](scores)

# %% jupyter={"source_hidden": true}
# Figure: FCN-8s
blocks = [
    ("image", 3, 384, 512), ("pool3", 256, 48, 64), ("pool4", 512, 24, 32), ("pool5", 512, 12, 16),
    ("upper", 4096, 12, 16), ("score", 21, 12, 16), ("+", 21, 24, 32), ("+", 21, 48, 64),
    ("logits", 21, 384, 512),
]
fig = figures.layer_diagram(
    blocks, ["", "", "", "7×7, 1×1", "1×1", "×2", "×2", "×8"],
    skips=[(2, 6, "1×1"), (1, 7, "1×1")], height=1.5,
)
figures.show(
    fig,
    alt="FCN-8s as a row of blocks: the image, pool3, pool4, pool5, the upper layers, scores, and two "
    "sums that grow to the logits; an arrow leads from pool4 to the first sum, one from pool3 to the second.",
)

# %% [markdown]
# **Count** them for the 21 classes of PASCAL VOC. **Predict, then run.** FCN-8s has more layers than FCN-32s. Does it have more parameters?

# %%
for stride, name in ((32, "fcn32s"), (16, "fcn16s"), (8, "fcn8s")):
    with nn.shapes_only():
        ours = FCN(nn, 21, stride, **published)
    library = models.build(name, num_classes=21)
    print(f"{name:6} ours {models.count_parameters(ours):,}   library {models.count_parameters(library):,}")

# %% [markdown]
# Fewer: the last enlargement has $21 \cdot 21 \cdot (2r)^2$ weights, and $r$ falls from 32 to 8. Enlarging by 32 at once costs 1,806,336 of them; they hold 21 tents and zeros at the
# start.

# %%
for r in (2, 8, 16, 32):
    print(f"enlarge by {r:2}: {21 * 21 * (2 * r) ** 2:9,}")
print(f"score pool4: {512 * 21 + 21:,}   score pool3: {256 * 21 + 21:,}")

# %% [markdown]
# ## 8 · Agreement with PyTorch
#
# The same class over PyTorch is a `torch.nn.Module`. Give both the same weights, and compare logits, loss, and the gradient of each parameter.

# %%
def logits_and_gradients(engine, state):
    nn = engines.get(engine)
    model = initialise(FCN(nn, 5, 8, (3, 4, 5, 6, 7), (1,) * 5, 8, 3, norm=True), np.random.default_rng(0))
    weights.load(model, state)
    logits = model(nn.tensor(pictures))
    loss = nn.CrossEntropyLoss()(logits, nn.tensor(labels))
    loss.backward()
    grads = {name: nn.array(p.grad) for name, p in model.named_parameters()}
    return nn.array(logits), loss.item(), grads


pictures = rng.standard_normal((2, 3, 70, 90), dtype=np.float32)
labels = rng.integers(0, 5, (2, 70, 90))
tiny = FCN(nn, 5, 8, (3, 4, 5, 6, 7), (1,) * 5, 8, 3, norm=True)
state = weights.arrays(initialise(tiny, np.random.default_rng(0)))
our_logits, our_loss, our_grads = logits_and_gradients("numpy", state)
logits, loss, grads = logits_and_gradients("torch", state)
compare.arrays(our_logits, logits, length=1000, name="logits")

# %%
apart = {name: abs(our_grads[name] - grads[name]).max() / abs(grads[name]).max() for name in grads}
print(f"{len(apart)} gradients, each within 1e-3 of its largest number:", max(apart.values()) < 1e-3)
print("loss within 1e-5:", abs(our_loss - loss) < 1e-5)

# %% [markdown]
# The library's FCN has its layers in the same order, under other names. Our weights fit into it.

# %%
narrow = {"channels": (1, 2, 4, 8, 8), "convs": published["convs"], "hidden": 64, "kernel": 7}
ours = initialise(FCN(nn, 21, 8, **narrow), np.random.default_rng(1))
theirs = models.create("fcn8s", 21, width=1 / 64).eval()
weights.load(theirs, dict(zip(theirs.state_dict(), weights.arrays(ours).values(), strict=True)))
x = nn.tensor(pictures)
compare.arrays(nn.array(ours(x)), nn.array(theirs(x)), length=1000, name="logits")

# %% [markdown]
# ## 9 · The three, trained alike
#
# Same streets, same order, same steps, same first weights where they have the same layers. The network is fully convolutional: it learns from crops and labels whole pictures.
#
# (The paper trained them in turn: FCN-32s from a VGG16 that had learned on ImageNet, then FCN-16s from FCN-32s, with the scores of `pool4` beginning at 0, then FCN-8s from FCN-16s. Ours all begin at random.)

# %%
def train_alike(stride):
    model = FCN(engines.get(engine), C, stride, **shape, norm=True)
    initialise(model, np.random.default_rng(0))
    trainer = training.Trainer(model, streets, crop=crop, **settings)
    return model, trainer.fit(show=False), trainer.evaluate(test)


streets = training.trainer.Kept(train)  # each is drawn once
trained = {stride: train_alike(stride) for stride in (32, 16, 8)}
matrices = {stride: scores.matrix for stride, (_, _, scores) in trained.items()}

# %% jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
# Figure: learning curves
fig = figures.learning_curve(*(h for _, h, _ in trained.values()), names=["32s", "16s", "8s"])
figures.show(
    fig,
    alt="Learning curves of the three networks: all losses fall; that of FCN-8s ends lowest and its "
    "mean IoU highest, that of FCN-32s the other way round.",
)

# %% [markdown]
# **The paper's table.** Pixel accuracy, mean accuracy, mean IoU, frequency-weighted IoU (lecture 07), in percent. First the published one, on PASCAL VOC 2011 (Long, Shelhamer, Darrell 2015,
# table 2):
#
# | | pixel acc. | mean acc. | mean IU | f.w. IU |
# |---|--:|--:|--:|--:|
# | FCN-32s | 89.1 | 73.3 | 59.4 | 81.4 |
# | FCN-16s | 90.0 | 75.7 | 62.4 | 83.0 |
# | FCN-8s | 90.3 | 75.9 | 62.7 | 83.2 |
#
# **Predict, then run.** There, `pool4` brings 3 points of mean IU, and `pool3` 0.3. Our streets have poles. Will the second step be as small here?

# %% tags=["nbval-ignore-output"]
from segedu.numpy_ops import frequency_weighted_iou, mean_accuracy, pixel_accuracy

measures = (pixel_accuracy, mean_accuracy, mean_iou, frequency_weighted_iou)
print("ours, 16 drawn streets   pixel acc.  mean acc.   mean IU   f.w. IU")
for stride, matrix in matrices.items():
    print(f"FCN-{stride}s".ljust(22), "".join(f"{100 * m(matrix):11.1f}" for m in measures))

# %%
ious = [float(mean_iou(matrices[stride])) for stride in (32, 16, 8)]
print("each skip raises mean IoU by more than 3 points:", min(np.diff(ious)) > 0.03)
print("FCN-8s above 55:", ious[-1] > 0.55)

# %% [markdown]
# ## 10 · Large classes and thin ones
#
# **Predict, then run.** Which class gains most from the skips: road, car, sign or pole?

# %% tags=["nbval-ignore-output"]
print("              mean IoU    road     car    sign    pole")
for stride, matrix in matrices.items():
    table_row(f"FCN-{stride}s", matrix)

# %%
gain = iou(matrices[8]) - iou(matrices[32])
print("gains most:", classes[gain.argmax()])
print("gain of road below 5 points:", gain[classes.index("road")] < 0.05)
print("IoU of pole below 20 even in FCN-8s:", iou(matrices[8])[classes.index("pole")] < 0.2)

# %% jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
# Figure: one street, three networks
guesses = {stride: training.predict(model, image) for stride, (model, _, _) in trained.items()}
fig = figures.images_row(
    [image, *(figures.colourise(g, test.palette) for g in guesses.values()),
     figures.colourise(truth, test.palette), *(figures.error_map(g, truth) for g in guesses.values())],
    ["picture", "FCN-32s", "FCN-16s", "FCN-8s", "labels", *["wrong pixels"] * 3],
    columns=4, height=1.6,
)
figures.label_legend(fig, classes, test.palette)
figures.show(
    fig,
    alt="A street, and the labels of the three networks: from FCN-32s to FCN-8s outlines grow "
    "sharper and fewer pixels are wrong.",
    dpi=85,
)

# %% [markdown]
# ## Common mistakes
#
# * **Adding without scoring first.** `pool4` has 512 channels, the scores have 21: the 1×1 convolution comes before the sum.
# * **Adding probabilities.** Scores are added; the softmax comes once, at the end.
# * **A kernel as large as the stride** with bilinear weights. Bilinear needs $2r$.
# * **Input and output classes of the transposed convolution swapped.** Its weight is input × output; a bilinear start hides it.
# * **Reading the commonest label per cell as a bound.** It bounds pixel accuracy with one label a cell, not mean IoU.
#
# ## Summary
#
# * A coarse grid costs thin classes first. The commonest label per cell says how much, as a guide.
# * The skip fusion: enlarge coarse scores by 2, add the scores of the finer map.
# * Transposed convolutions begin as bilinear interpolation and then learn.
# * FCN-32s, 16s and 8s have 136,152,917, 134,815,994 and 134,489,759 parameters for 21 classes.
# * Trained alike, each skip raised the mean IoU; classes of small things gained, roads hardly.
#
# ## Exercises
#
# 1. Write FCN-4s: which map does it score, and how many parameters has it for 21 classes?
#
# <details><summary>Answers</summary>
#
# 1. `pool2`, 128 channels at stride 4.
#
# </details>
#
# ## Sources
#
# * J. Long, E. Shelhamer, T. Darrell, *Fully convolutional networks for semantic segmentation*, CVPR 2015, arXiv:1411.4038 (sections 3.3, 4.2 and 4.3, table 2).
# * K. Simonyan, A. Zisserman, *Very deep convolutional networks for large-scale image recognition*, ICLR 2015, arXiv:1409.1556.
# * G. J. Brostow, J. Fauqueur, R. Cipolla, *Semantic object classes in video*, Pattern Recognition Letters 2009 (CamVid).
# * V. Badrinarayanan, A. Kendall, R. Cipolla, *SegNet*, PAMI 2017 (CamVid's 11 classes at 360×480).

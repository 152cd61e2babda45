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
# About 80 minutes without the parts marked *at home*. You need lectures 04 (transposed convolution), 05 (fully convolutional), 07 (metrics) and 11 (networks on a tape).

# %%
import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, data, engines, figures, models, training
from segedu.data import camvid
from segedu.models import weights
from segedu.models.blocks import Block, Network
from segedu.models.initial import initialise
from segedu.numpy_ops import confusion_matrix, interpolate, iou, mean_iou
from segedu.training.kept import Kept

figures.use_style()
rng = np.random.default_rng(12)

# %% [markdown]
# On a CPU this lecture trains three small networks on drawn streets. With `full = True`, PyTorch and a GPU, the same cells train networks of the published size (we have never run
# that).

# %%
full = False
published = {
    "channels": (64, 128, 256, 512, 512), "convs": (2, 2, 3, 3, 3), "hidden": 4096, "kernel": 7
}
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
# **Predict, then run.** At which of the strides 4, 8, 16 and 32 are poles still to be seen? And cars?

# %%
train = Kept(data.open_dataset("street", "train", length=scenes, size=size))  # drawn once each
test = Kept(data.open_dataset("street", "test", length=16, size=size))
classes, C = train.classes, len(train.classes)
image, truth = test[4]  # the one that is shown

# %%
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
    alt="A drawn street, its labels, and the commonest label of each cell of 4, 8, 16 and 32 "
    "pixels: larger and larger squares, without poles from 8 on.",
    dpi=85,
)

# %% [markdown]
# Now the mean IoU of such label maps over 16 streets (lecture 07), and the IoU of four classes.

# %%
def score(guess):
    """The confusion matrix of the label maps guess(labels) over all test streets."""
    truths = (test[n][1] for n in range(len(test)))
    return sum(confusion_matrix(guess(labels), labels, C) for labels in truths)


def table_row(name, matrix, chosen=("road", "car", "sign", "pole")):
    each = "".join(f"{100 * iou(matrix)[classes.index(k)]:8.1f}" for k in chosen)
    print(f"{name:10}{100 * mean_iou(matrix):10.1f}{each}")


print("            mean IoU    road     car    sign    pole")
for r in (2, 4, 8, 16, 32):
    table_row(f"stride {r}", score(lambda labels, r=r: majority(labels, r, C)))

# %% [markdown]
# Stride 32 is what VGG16 has. A class loses by its width: roads stay, poles go.
#
# **Is it a bound?** With one label for each cell, nobody gets more *pixels* right: the commonest label is the best guess in each cell. But mean IoU is not pixel accuracy.
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
    one = mean_iou(score(lambda labels, r=r: majority(labels, r, C)))
    two = mean_iou(score(lambda labels, r=r: enlarged_shares(labels, r)))
    print(f"stride {r:2} {100 * one:11.1f} {100 * two:15.1f}")

# %% [markdown]
# The same grid, and yet a higher mean IoU: outlines are no longer bound to cells. So the commonest label per cell is **a guide, not a strict bound**: it says at which stride a class begins
# to be lost. Section 12 measures what trained networks make of it.
#
# **CamVid.** The same on the 233 test frames of CamVid (360×480, 11 classes; void is not counted) gives, at the strides 2, 4, 8, 16 and 32, a mean IoU of 93.7, 88.6, 80.8, 71.0 and
# 58.5. The next cell recomputes it where CamVid is present. The counts of a cell are the sums of the counts of its four quarters, so one pass does all five strides.

# %% tags=["real-data"]
def pyramid_of_counts(labels, num_classes, strides=(2, 4, 8, 16, 32)):
    """For each stride the label map of the commonest classes; sizes are filled up to 32."""
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
    alt="Coarse scores -2 and 1, enlarged to 4 by 4; fine scores 1, -1, 1, -2 in each row; their "
    "sum is above 0 in the third column only, which is framed.",
)

# %% [markdown]
# The fine map alone sees two lines, one of them no pole. The coarse map alone sees a pole two pixels wide. The sum has one pole, one pixel wide.

# %% [markdown]
# ## 3 · The definition, as loops
#
# Coarse scores $s$ of $K$ classes at half the size; a fine map $f$ of $M$ channels. Let $T$ be the kernel of the transposed convolution that enlarges (4×4, stride 2, padding 1), $W$ and
# $b$ the weights of the 1×1 convolution. For class $k$ at $(i, j)$
#
# $$y_{kij} = \underbrace{\sum_{q} \; \sum_{2u + a - 1 = i} \; \sum_{2v + c - 1 = j} T_{qkac}\, s_{quv}}_{\text{enlarged}} \;+\; \underbrace{b_k + \sum_{m} W_{km}\, f_{mij}}_{\text{scored}}$$

# %%
def fuse_loops(s, f, T, W, b):
    """s K×h×w, f M×2h×2w, T K×K×4×4, W K×M, b K to K×2h×2w."""
    K, h, w = s.shape
    y = np.zeros((K, 2 * h, 2 * w), s.dtype)
    for k, i, j in np.ndindex(*y.shape):
        y[k, i, j] = b[k] + sum(W[k, m] * f[m, i, j] for m in range(len(f)))
        for q, u, v in np.ndindex(K, h, w):
            a, c = i - 2 * u + 1, j - 2 * v + 1
            if 0 <= a < 4 and 0 <= c < 4:
                y[k, i, j] += T[q, k, a, c] * s[q, u, v]
    return y

# %% [markdown]
# With whole arrays: each of the 16 places $(a, c)$ of the kernel stamps all coarse scores at once (lecture 04).

# %%
def stamp(s, T):
    """Transposed convolution, stride 2, kernel 4, padding 1: N×K×h×w to N×K×2h×2w."""
    N, _, h, w = s.shape
    y = np.zeros((N, T.shape[1], 2 * h + 2, 2 * w + 2), s.dtype)
    for a in range(4):
        for c in range(4):
            part = np.einsum("qk,nquv->nkuv", T[:, :, a, c], s)
            y[:, :, a : a + 2 * h : 2, c : c + 2 * w : 2] += part
    return y[:, :, 1:-1, 1:-1]


def fuse_numpy(s, f, T, W, b):
    return stamp(s, T) + np.einsum("km,nmij->nkij", W, f) + b[:, None, None]


s = rng.standard_normal((2, 3, 4, 5))
f = rng.standard_normal((2, 6, 8, 10))
T, W, b = rng.standard_normal((3, 3, 4, 4)), rng.standard_normal((3, 6)), rng.standard_normal(3)
compare.arrays(fuse_numpy(s, f, T, W, b)[0], fuse_loops(s[0], f[0], T, W, b))

# %% [markdown]
# **Predict, then run.** How many coarse values reach the corner of $y$? An edge? The inside? Stamps of ones count them.

# %%
stamp(np.ones((1, 1, 3, 3)), np.ones((1, 1, 4, 4)))[0, 0]

# %% [markdown]
# ## 4 · The gradient
#
# A sum hands its gradient $g$ to both sides, unchanged. So the deep and the shallow end of the network learn from the same error, and the shallow end by a short way.
# Each side then is a gradient that we know: of a transposed convolution (a convolution), and of a 1×1 convolution.
#
# $$\frac{\partial L}{\partial s_{quv}} = \sum_{k, a, c} T_{qkac}\; g_{k,\,2u+a-1,\,2v+c-1} \qquad \frac{\partial L}{\partial f_{mij}} = \sum_k W_{km}\, g_{kij}$$

# The gradients of $T$, $W$ and $b$ sum over all places where they were used. **Predict, then run.** Which of the five gradients can be computed without knowing $s$ and $f$?

# %%
def fuse_backward_numpy(g, s, f, T, W):
    """The gradients of s, f, T, W and b."""
    h, w = s.shape[2:]
    framed = np.pad(g, [(0, 0), (0, 0), (1, 1), (1, 1)])
    grad_s, grad_T = np.zeros_like(s), np.zeros_like(T)
    for a in range(4):
        for c in range(4):
            part = framed[:, :, a : a + 2 * h : 2, c : c + 2 * w : 2]
            grad_s += np.einsum("qk,nkuv->nquv", T[:, :, a, c], part)
            grad_T[:, :, a, c] = np.einsum("nquv,nkuv->qk", s, part)
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
# Those of $s$, $f$ and $b$: they need $g$ and the weights only.
#
# **A wrong answer.** Somebody swaps the classes of $T$: input class and output class. For a kernel that keeps every class for itself nothing changes, so the mistake sleeps until $T$ has
# learned.

# %%
def fuse_swapped(s, f, T, W, b):
    return fuse_numpy(s, f, T.swapaxes(0, 1), W, b)


own_class = np.eye(3)[:, :, None, None] * T  # each class for itself
unseen = np.allclose(fuse_swapped(s, f, own_class, W, b), fuse_numpy(s, f, own_class, W, b))
print("unseen where each class keeps to itself:", unseen)

suspects = [
    ("T turned round in its plane", fuse_numpy(s, f, T[:, :, ::-1, ::-1], W, b)),
    ("T with its first two axes swapped", fuse_numpy(s, f, T.swapaxes(0, 1), W, b)),
]
compare.arrays(
    fuse_swapped(s, f, T, W, b), fuse_numpy(s, f, T, W, b), name="fused scores", hints=suspects
)

# %% [markdown]
# ## 5 · Bilinear to begin with
#
# Before it has learned anything, the enlargement should at least not destroy the coarse scores. The FCN begins with bilinear interpolation (lecture 04). For factor $r$ and kernel $2r$ the
# weights fall off linearly from the middle, and each class keeps to itself:
#
# $$T_{qkac} = [\,q = k\,] \; t_a\, t_c, \qquad t_a = 1 - \frac{|a - (r - \tfrac12)|}{r}$$
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
# A `Block` is a module that takes the engine `nn` first. `norm` puts batch normalisation (lecture 11) behind each convolution. VGG16 has none; the paper's
# began with weights that had learned on ImageNet, ours begin at random.

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
        sizes = zip((3, *channels[:-1]), channels, convs, strict=True)
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
names = ("pool1", "pool2", "pool3", "pool4", "pool5", "upper")
for name, m, wide in zip(names, maps, (*published["channels"], 4096), strict=True):
    print(f"{name}: {m[1]:3}×{m[2]:3}, stride {384 // m[1]:2}, {wide:4} channels; here {m[0]}")

# %% [markdown]
# ## 7 · Three networks: assemble the fusion
#
# **FCN-32s** enlarges the scores of stride 32 by 32 at once. **FCN-16s** enlarges them by 2, adds scores of `pool4` (stride 16), enlarges by 16. **FCN-8s** adds the scores of `pool3`
# (stride 8) as well, and enlarges by 8.
#
# **Your turn.** You have `scores` of stride 32, and three lists, coarsest first: the maps `pools` (`pool4`, `pool3`), the layers `score_finer` that score them, and the layers `enlarge`, one more,
# whose last enlarges to the size of the image. On paper, assemble the logits: a loop with one line in it, and one line after it.

# %%
def assemble(scores, pools, score_finer, enlarge):
    for pool, score_pool, larger in zip(pools, score_finer, enlarge, strict=False):
        scores = larger(scores) + score_pool(pool)
    return enlarge[-1](scores)

# %% [markdown]
# The lists may be empty but for the last enlargement: that is FCN-32s. The rest of the network makes the layers.

# %%
class FCN(Network):
    multiple = 32  # other sizes are filled up with zeros, and the logits cut back

    def __init__(self, nn, num_classes, stride, channels, convs, hidden, kernel, norm=False):
        super().__init__(num_classes, in_channels=3)
        self.vgg = VGG(nn, channels, convs, hidden, kernel, norm)
        self.score = nn.Conv2d(hidden, num_classes, 1)
        finer = {32: [], 16: [channels[3]], 8: [channels[3], channels[2]]}[stride]
        self.score_finer = nn.ModuleList([nn.Conv2d(c, num_classes, 1) for c in finer])
        self.enlarge = nn.ModuleList([
            nn.ConvTranspose2d(num_classes, num_classes, 2 * r, r, padding=r // 2, bias=False)
            for r in [2] * len(finer) + [stride]])

    def initialise(self):
        for layer in self.enlarge:
            kernel = bilinear_numpy(self.num_classes, layer.weight.shape[-1] // 2)
            self.nn.assign(layer, {"weight": kernel.astype(np.float32)})

    def logits(self, x):
        _, _, pool3, pool4, _, upper = self.vgg(x)
        return assemble(self.score(upper), (pool4, pool3), self.score_finer, self.enlarge)

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
    alt="FCN-8s as a row of blocks: the image, pool3, pool4, pool5, the upper layers, scores, and "
    "two sums that grow to the logits; an arrow leads from pool4 to the first sum, another from "
    "pool3 to the second.",
)

# %% [markdown]
# Is a fusion made of layers the one of section 3? Take the layers of a small FCN-16s, and random maps.

# %%
layers = initialise(FCN(nn, 3, 16, **small), rng)
s32 = rng.standard_normal((2, 3, 4, 5), dtype=np.float32)
pool4 = rng.standard_normal((2, 48, 8, 10), dtype=np.float32)
T = nn.array(layers.enlarge[0].weight)
W, b = (nn.array(getattr(layers.score_finer[0], name)) for name in ("weight", "bias"))
by_layers = assemble(
    nn.tensor(s32), [nn.tensor(pool4)], layers.score_finer, [layers.enlarge[0], nn.Identity()]
)
compare.arrays(nn.array(by_layers), fuse_numpy(s32, pool4, T, W[:, :, 0, 0], b), length=100)

# %% [markdown]
# **Count** them for the 21 classes of PASCAL VOC. **Predict, then run.** FCN-8s has more layers than FCN-32s. Does it have more parameters?

# %%
for stride, name in ((32, "fcn32s"), (16, "fcn16s"), (8, "fcn8s")):
    with nn.shapes_only():
        ours = FCN(nn, 21, stride, **published)
    counts = [models.count_parameters(m) for m in (ours, models.build(name, num_classes=21))]
    print(f"{name:6} ours {counts[0]:,}   library {counts[1]:,}")

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
#
# **Predict, then run.** Five convolutions, each with batch normalisation, two upper layers, three score layers, three enlargements without bias. How many gradients are there to compare?

# %%
def logits_and_gradients(engine, state):
    nn = engines.get(engine)
    model = FCN(nn, 5, 8, **tiny, norm=True)
    weights.load(model, state)
    logits = model(nn.tensor(pictures))
    loss = nn.CrossEntropyLoss()(logits, nn.tensor(labels))
    loss.backward()
    grads = {name: nn.array(p.grad) for name, p in model.named_parameters()}
    return nn.array(logits), loss.item(), grads


pictures = rng.standard_normal((2, 3, 70, 90), dtype=np.float32)
labels = rng.integers(0, 5, (2, 70, 90))
tiny = {"channels": (3, 4, 5, 6, 7), "convs": (1,) * 5, "hidden": 8, "kernel": 3}
state = weights.arrays(initialise(FCN(nn, 5, 8, **tiny, norm=True), np.random.default_rng(0)))
our_logits, our_loss, our_grads = logits_and_gradients("numpy", state)
logits, loss, grads = logits_and_gradients("torch", state)
compare.arrays(our_logits, logits, length=1000, name="logits")

# %%
apart = {name: abs(our_grads[name] - grads[name]).max() / abs(grads[name]).max() for name in grads}
print(f"{len(apart)} gradients, each within 1e-3 of its largest:", max(apart.values()) < 1e-3)
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
# ## 9 · Where a score lies (at home)
#
# Our VGG keeps every map aligned: 3×3 with padding 1, 7×7 with padding 3, sizes that are multiples of 32. The published network instead puts 100 zeros round the image, has no padding at the 7×7, and
# *cuts* each map where it lies over the next one. The cuts are 19 for FCN-32s; 5 and 27 for FCN-16s; 5, 9 and 31 for FCN-8s. **Predict, then run.** Is each of them a whole number by
# calculation, too, or rounded?
#
# Follow the middle of the first value of each map, in pixels of the image, and the step to the next: a 2×2 pooling moves the first middle by half a step and doubles the step; a $k \times k$ convolution
# with padding $p$ moves it by $(k-1)/2 - p$ steps; an enlargement by $r$ with kernel $2r$ divides the step by $r$, and moves it back by $r - \frac12$ of the new steps.

# %%
first, step = 1 - 100, 1  # after the first convolution, 3×3 with padding 100
place = {}
for pool in range(1, 6):
    first, step = first + step / 2, 2 * step
    place[pool] = first, step
top = first + 3 * step, step  # 7×7, no padding


def place_of_enlarged(place, r):
    first, step = place
    return first - (r - 0.5) * step / r, step / r


def cut(one, other):
    """How many values of one map lie before the first of the other; the steps are equal."""
    return (other[0] - one[0]) / one[1]


image_place = 0, 1
second = place_of_enlarged(top, 2)
third = place_of_enlarged(second, 2)
last = [place_of_enlarged(*args) for args in ((top, 32), (second, 16), (third, 8))]
print("FCN-32s:", cut(last[0], image_place))
print("FCN-16s:", cut(place[4], second), cut(last[1], image_place))
print("FCN-8s: ", cut(place[4], second), cut(place[3], third), cut(last[2], image_place))

# %% [markdown]
# Whole numbers, and those published. `models.create("fcn8s", 21, padding="published")` builds that form. A cut that is off by one moves all finer scores by 8 or 16 pixels, and nothing fails: the
# shapes still fit.

# %% [markdown]
# ## 10 · The three, trained alike
#
# Same streets, same order, same steps, same first weights where they have the same layers. The network is fully convolutional: it learns from crops and labels whole pictures.
#
# (The paper trained them in turn: FCN-32s from a VGG16 that had learned on ImageNet, then FCN-16s from FCN-32s, with the scores of `pool4` beginning at 0, then FCN-8s from FCN-16s. Ours all begin at random.)

# %%
def train_alike(stride, dataset):
    model = FCN(engines.get(engine), len(dataset.classes), stride, **shape, norm=True)
    initialise(model, np.random.default_rng(0))
    trainer = training.Trainer(model, dataset, crop=crop, **settings)
    return model, trainer.fit(show=False)


trained = {stride: train_alike(stride, train) for stride in (32, 16, 8)}
fcn = {stride: model for stride, (model, _) in trained.items()}
matrices = {stride: training.evaluate(model, test).matrix for stride, model in fcn.items()}

# %% jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
# Figure: learning curves
histories = [history for _, history in trained.values()]
fig = figures.learning_curve(*histories, names=["32s", "16s", "8s"])
figures.show(
    fig,
    alt="Learning curves of the three networks: all losses fall; that of FCN-8s ends lowest and "
    "its mean IoU highest, that of FCN-32s the other way round.",
)

# %% [markdown]
# **The paper's table.** Pixel accuracy, mean accuracy, mean IoU, frequency-weighted IoU (lecture 07), in percent. First the published one, on a part of PASCAL VOC 2011's validation
# images (Long, Shelhamer, Darrell 2015, table 2):
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
# The order is the paper's. The steps are not comparable: other pictures, small networks from random weights, and one run of each.

# %% [markdown]
# ## 11 · Large classes and thin ones
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
guesses = {stride: training.predict(model, image) for stride, model in fcn.items()}
fig = figures.images_row(
    [image, *(figures.colourise(g, test.palette) for g in guesses.values()),
     figures.colourise(truth, test.palette),
     *(figures.error_map(g, truth) for g in guesses.values())],
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
# Large regions are there from the start; the skips sharpen their outlines and bring back signs. Poles are hardly found by any of the three. Section 1 foretold it: at stride 8, even the
# faultless label keeps few of them.

# %% [markdown]
# ## 12 · Against the guide
#
# Section 1 had a mean IoU for a faultless label per cell. **Predict, then run.** Do our trained networks, which are not faultless, stay below it?

# %%
for stride, matrix in matrices.items():
    guide = score(lambda labels, r=stride: majority(labels, r, C))
    print(f"FCN-{stride}s above the guide of stride {stride}:", mean_iou(matrix) > mean_iou(guide))

# %% tags=["nbval-ignore-output"]
print("            mean IoU    road     car    sign    pole")
for stride, matrix in matrices.items():
    table_row(f"stride {stride}", score(lambda labels, r=stride: majority(labels, r, C)))
    table_row(f"FCN-{stride}s", matrix)

# %% [markdown]
# All three pass it. Two reasons are known from section 1: mean IoU is not pixel accuracy, and enlarged scores are not bound to cells. A third is the enlargement itself, which learned:
# FCN-32s has 64×64 weights for each pair of classes, and with them it can draw *shapes*.
#
# **Predict, then run.** Put bilinear weights back into the last layer of FCN-32s. Is its mean IoU still above the guide's 31.9 by 10 points?

# %% tags=["nbval-ignore-output"]
state = weights.arrays(fcn[32])
bilinear = bilinear_numpy(C, 32).astype(np.float32)
weights.load(fcn[32], state | {"enlarge.0.weight": bilinear})
with_tents = training.evaluate(fcn[32], test).matrix
weights.load(fcn[32], state)

print("            mean IoU    road     car    sign    pole")
table_row("learned", matrices[32])
table_row("bilinear", with_tents)

# %%
print("bilinear loses more than 10 points:", mean_iou(matrices[32]) - mean_iou(with_tents) > 0.1)

# %% [markdown]
# No. (A network that is trained with bilinear weights could make up for part of it.) So the guide does not bound a network. What it foretells is which classes suffer: those that it loses
# at a stride are those that the network of that stride finds least.

# %% [markdown]
# ## 13 · What each vote adds
#
# Enlargements are linear and have no bias. So the logits of FCN-8s are a sum of three parts that can be looked at one by one: from stride 32, from `pool4`, from `pool3`.

# %%
def votes(model, image):
    """The parts of the logits that come from stride 32, from pool4 and from pool3; each C×H×W."""
    nn, (first, second, last) = model.nn, model.enlarge
    with nn.no_grad():
        x = nn.input_of(model, training.as_input(image)[None])
        _, _, pool3, pool4, _, upper = model.eval().vgg(x)
        deep = last(second(first(model.score(upper))))
        middle = last(second(model.score_finer[0](pool4)))
        fine = last(model.score_finer[1](pool3))
    return [model.nn.array(part)[0] for part in (deep, middle, fine)]


parts = votes(fcn[8], image)
with nn.no_grad():
    whole = fcn[8].nn.array(fcn[8](fcn[8].nn.input_of(fcn[8], training.as_input(image)[None])))
compare.arrays(sum(parts), whole[0], length=1000, name="sum of the votes")

# %% [markdown]
# Below: the labels by the first vote alone, by two, by all three; and each vote for *car*. A number added to all classes of a pixel changes no label, so each map shows the score of *car* less
# the mean of all classes.

# %% jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
# Figure: three votes, and what they add up to
fig, axes = plt.subplots(2, 4, figsize=(9.6, 3.9), layout="constrained")
label_maps = [part.argmax(0) for part in np.cumsum(parts, axis=0)]
titles = ["stride 32 alone", "and pool4", "and pool3: all", "true labels"]
for ax, labels, title in zip(axes[0], [*label_maps, truth], titles, strict=True):
    ax.imshow(figures.colourise(labels, test.palette))
    ax.set(title=title, xticks=[], yticks=[])
cars = [part[classes.index("car")] - part.mean(0) for part in (*parts, sum(parts))]
limit = max(abs(score_map).max() for score_map in cars)
titles = ["car: stride 32", "+ pool4", "+ pool3", "= sum"]
for ax, score_map, title in zip(axes[1], cars, titles, strict=True):
    drawn = ax.imshow(score_map, cmap="cividis", vmin=-limit, vmax=limit)
    ax.set(title=title, xticks=[], yticks=[])
fig.colorbar(drawn, ax=axes[1], shrink=0.9)
figures.show(
    fig,
    alt="Above: labels from stride 32 alone, ragged regions; with pool4; with pool3, near to the "
    "true labels. Below: the votes for car, broad, finer, finest, and their sum.",
    dpi=90,
)

# %% [markdown]
# **Predict, then run.** Switch the votes of `pool3` off, then those of `pool4` as well. Is what remains as good as FCN-16s and FCN-32s, which were trained without them?

# %%
def mean_iou_with(chosen):
    matrix = np.zeros((C, C), np.int64)
    for n in range(len(test)):
        logits = sum(all_votes[n][k] for k in chosen)
        matrix += confusion_matrix(logits.argmax(0), test[n][1], C)
    return 100 * mean_iou(matrix)


all_votes = [votes(fcn[8], test[n][0]) for n in range(len(test))]
remains = {chosen: mean_iou_with(chosen) for chosen in ((0, 1, 2), (0, 1), (0,), (2,))}
print("without pool3 worse than FCN-16s: ", remains[0, 1] < 100 * mean_iou(matrices[16]))
print("stride 32 alone worse than FCN-32s:", remains[0,] < 100 * mean_iou(matrices[32]))

# %% tags=["nbval-ignore-output"]
names = ("stride 32", "pool4", "pool3")
for chosen, value in remains.items():
    print(f"{value:5.1f}  {' + '.join(names[k] for k in chosen)}")

# %% [markdown]
# Far worse. The three votes were trained together and share the work: none of them alone says what the network says.

# %% [markdown]
# ## 14 · Real streets
#
# The same FCN-8s on CamVid, every second pixel of each row and column, where CamVid is present. (At half size, so these numbers cannot be compared with published ones.)
#
# **Predict, then run.** Which of the 11 classes will have an IoU near 0 after so few steps?

# %% tags=["real-data"]
class Half(data.Dataset):
    """Every `step`-th frame, every second pixel."""

    def __init__(self, frames, step=1):
        self.frames, self.step, self.names = frames, step, frames.names[::step]
        self.classes, self.palette, self.void = frames.classes, frames.palette, frames.void

    def pair(self, index):
        image, labels = self.frames[index * self.step]
        return (image, labels) if full else (image[::2, ::2], labels[::2, ::2])


if camvid.available():
    real, _ = train_alike(8, Kept(Half(camvid.camvid("train"))))
    tests = Kept(Half(camvid.camvid("test"), 1 if full else 8))
    print(training.evaluate(real, tests))
else:
    print("CamVid is not on this machine; the drawn streets above stand for it.")

# %% jupyter={"source_hidden": true} tags=["real-data"]
# Figure: three test frames of CamVid
if camvid.available():
    rows = [(street, labels, training.predict(real, street))
            for street, labels in (tests[len(tests) * n // 8] for n in (1, 4, 6))]
    pictures = [street for street, _, _ in rows]
    pictures += [figures.colourise(g, tests.palette) for _, _, g in rows]
    pictures += [figures.colourise(labels, tests.palette, tests.void) for _, labels, _ in rows]
    titles = ["test frame"] * 3 + ["FCN-8s"] * 3 + ["labels"] * 3
    fig = figures.images_row(pictures, titles, columns=3, height=1.45)
    figures.label_legend(fig, tests.classes, tests.palette)
    figures.show(fig, alt="Three test frames of CamVid, FCN-8s's labels, the true labels.", dpi=85)

# %% [markdown]
# ## 15 · Try it yourself (at home)
#
# Switch votes on and off, on one street after the other.

# %% tags=["nbval-ignore-output"]
import ipywidgets


def explore(street=4, stride_32=True, pool4=True, pool3=True):
    on = (stride_32, pool4, pool3)
    logits = sum(part * switch for part, switch in zip(all_votes[street], on, strict=True))
    picture, labels = test[street]
    fig = figures.images_row(
        [picture, figures.colourise(logits.argmax(0), test.palette),
         figures.colourise(labels, test.palette)],
        ["picture", "labels by the votes", "true labels"], height=1.8,
    )
    figures.show(fig, alt="A street, its labels by the chosen votes, and its true labels.", dpi=80)


ipywidgets.interact(explore, street=(0, len(test) - 1));

# %% [markdown]
# A still picture, for readers without a running kernel: without stride 32.

# %% jupyter={"source_hidden": true} tags=["nbval-ignore-output"]
# Figure: a street labelled by pool4 and pool3
explore(stride_32=False)

# %% [markdown]
# ## Common mistakes
#
# * **Adding without scoring first.** `pool4` has 512 channels, the scores have 21: the 1×1 convolution comes before the sum.
# * **Adding probabilities.** Scores are added; the softmax comes once, at the end.
# * **A kernel as large as the stride** with bilinear weights. Bilinear needs $2r$.
# * **A cut that is off by one** between an enlarged map and a finer one. Nothing fails; count the places as in section 9.
# * **Enlarging labels.** Enlarge scores, then take the largest.
# * **Judging a skip by pixel accuracy.** Thin classes are few pixels; look at the IoU of each class.
# * **Input and output classes of the transposed convolution swapped.** Its weight is input × output; a bilinear start hides it.
# * **Reading the commonest label per cell as a bound.** It bounds pixel accuracy with one label a cell, not mean IoU.
#
# ## Summary
#
# * A coarse grid costs thin classes first. The commonest label per cell says how much, as a guide.
# * The skip fusion: enlarge coarse scores by 2, add the scores of the finer map.
# * Transposed convolutions begin as bilinear interpolation and then learn.
# * FCN-32s, 16s and 8s have 136,152,917, 134,815,994 and 134,489,759 parameters for 21 classes.
# * Trained alike on drawn streets, each skip raised the mean IoU; signs gained most, roads hardly, and poles stayed lost.
# * The logits are a sum of votes; the votes of a trained network share the work.
#
# ## Exercises
#
# 1. FCN-4s: which map does it score, and how many parameters has it for 21 classes? Build it by changing one line of `FCN` and one of `logits`.
# 2. How many parameters has FCN-8s for CamVid's 11 classes?
# 3. The FCN scores first and then enlarges. Enlarge the 4096 channels bilinearly first and score then: does the result differ? How many times as many numbers are enlarged, for 21 classes?
# 4. How large are the maps of the published FCN-16s (100 zeros round the image) for an image of 500×500: each pooling, the scores of stride 32, the two enlargements before they are cut? Poolings round up.
# 5. Begin FCN-16s as the paper did: all weights of our trained FCN-32s but the enlargement, the scores of `pool4` zero, both enlargements bilinear. In how many pixels do the two agree before any further
#    step? Why not in all?
# 6. Train FCN-8s with `class_weights="median"` (lecture 06). What do poles gain, what does it cost?
#
# <details><summary>Answers</summary>
#
# 1. `pool2`, 128 channels; 134,414,852. `finer` gets the entry `4: [channels[3], channels[2], channels[1]]`, and `logits` hands `(pool4, pool3, pool2)` to `assemble`, which ignores what is too
#    much.
# 2. 134,348,929.
# 3. Inside, no: one works on channels, the other on places, both are linear. At the edge the bias differs, because stamps are missing there. $4096 / 21$, about 195 times as many.
# 4. 349, 175, 88, 44, 22; 16; 34 and 560. The cuts 5 and 27 leave 34 and 500.
# 5. In about 82 of 100, and the mean IoU falls from 47 to 29: our FCN-32s *learned* its enlargement by 32, which is lost. In the paper the last enlargement was kept bilinear. Put bilinear weights into our
#    FCN-32s, too, and the two agree in 96 of 100: bilinear by 2 and then by 16 is not quite bilinear by 32.
# 6. With our run: poles from 4 to 13, pedestrians to 32; signs from 51 to 46, all pixels from 91.6 to 85.9, mean IoU from 64 to 62. Everything small is found more often, and too often.
#
# </details>
#
# ## Sources
#
# * J. Long, E. Shelhamer, T. Darrell, *Fully convolutional networks for semantic segmentation*, CVPR 2015, arXiv:1411.4038 (sections 3.3, 4.2 and 4.3, table 2).
# * K. Simonyan, A. Zisserman, *Very deep convolutional networks for large-scale image recognition*, ICLR 2015, arXiv:1409.1556.
# * G. J. Brostow, J. Fauqueur, R. Cipolla, *Semantic object classes in video*, Pattern Recognition Letters 2009 (CamVid).
# * V. Badrinarayanan, A. Kendall, R. Cipolla, *SegNet*, PAMI 2017 (CamVid's 11 classes at 360×480).

# %% [markdown]
# # Lecture 06 · Losses
#
# A network learns by making one number smaller: the **loss**. Which number that is decides what the network cares about, and what it overlooks.
#
# After this lecture you can
#
# 1. compute pixel-wise cross-entropy by hand, with loops, and with whole-array NumPy that does not overflow,
# 2. leave void pixels out, and say what happens if you do not,
# 3. weight classes, and compute weights by median-frequency balancing,
# 4. derive and program its gradient, probabilities minus target, and read it as a map over a picture,
# 5. compute soft Dice, soft Jaccard and Lovász by hand and in NumPy, with the gradients of Dice and Lovász,
# 6. say why IoU itself cannot be trained,
# 7. predict what each loss does to a rare class, and check it.
#
# About 90 minutes without the parts marked *at home*, and 10 more for section 11 after lecture 08; a good place for a break is after section 8. You need lecture 00 (one-hot vectors) and derivatives of $\log$, $e^x$ and
# fractions.

# %%
import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, figures
from segedu.data.photographs import as_chw
from segedu.data.polygons import photograph_masks
from segedu.data.synthetic import street
from segedu.numpy_ops import avg_pool2d, confusion_matrix, iou
from segedu.numpy_ops import cross_entropy, dice_loss, jaccard_loss, lovasz_softmax
from segedu.numpy_ops import cross_entropy_with_gradient, dice_loss_with_gradient
from segedu.numpy_ops import lovasz_softmax_with_gradient

figures.use_style()
rng = np.random.default_rng(6)

# %% jupyter={"source_hidden": true}
# Helper for figures: maps side by side with one scale of colours
def maps_figure(maps, titles, label, cmap="cividis", low=0.0, high=1.0, height=3.0):
    width = height * maps[0].shape[1] / maps[0].shape[0]
    size = (len(maps) * width + 1.2, height + 0.4)
    fig, axes = plt.subplots(1, len(maps), figsize=size, layout="constrained", squeeze=False)
    for ax, values, title in zip(axes[0], maps, titles, strict=True):
        drawn = ax.imshow(values, cmap=cmap, vmin=low, vmax=high)
        ax.set_title(title)
        ax.set_axis_off()
    fig.colorbar(drawn, ax=axes[0], label=label, fraction=0.05, pad=0.02)
    return fig


# %% [markdown]
# The network's output has one number for each class and pixel: an array of classes × height × width (C×H×W), or N×C×H×W for a batch of N images, as in PyTorch.
# Labels are whole numbers, H×W or N×H×W.

# %% [markdown]
# ## 1 · Right is not enough
#
# Two networks look at the same street. For each pixel each gives one probability for every class, and predicts the class with the largest. Here we make up both: the true
# labels, blurred, as a network with a coarse view would see them. A power of the probabilities makes one network hesitant (0.5 evens them out) and the other sure of itself
# (4 pushes them towards 0 and 1).
#
# **Predict, then run.** Which of the two has more pixels right?

# %%
scene = street(seed=4, size=(128, 192))
num_classes = len(scene.classes)
one_hot = np.eye(num_classes)[scene.labels].transpose(2, 0, 1)
blurred = avg_pool2d(one_hot, 9, stride=1, padding=4, count_include_pad=False)


def with_confidence(p, power):
    q = (p + 0.01) ** power
    return q / q.sum(axis=0)


networks = {"hesitant": with_confidence(blurred, 0.5), "sure": with_confidence(blurred, 4)}
of_truth = {
    name: np.take_along_axis(p, scene.labels[None], axis=0)[0] for name, p in networks.items()
}
for name, p in networks.items():
    print(f"{name:8}  right: {np.mean(p.argmax(0) == scene.labels):.2%}")

# %% jupyter={"source_hidden": true}
# Figure: the probability that each network gives to the true class
fig = maps_figure(
    [scene.image, *of_truth.values()],
    ["the street", *(f"{name} network" for name in of_truth)],
    "probability\nof the true class",
    height=1.9,
)
figures.show(
    fig,
    alt="A drawn street and two maps of it. The hesitant network gives the true class middling "
    "probabilities everywhere; the sure one gives almost 1 inside things, little at borders.",
)

# %% [markdown]
# They predict the same label everywhere, so they have the same pixels right. Yet they are not equally good, and a network on its way from one to the other must be told which
# way is down. *The share of right pixels* cannot tell: it does not move until some pixel changes its label.
#
# A loss looks at the probability of the true class. The one used most, **cross-entropy**, takes minus its logarithm, averaged over all pixels.
#
# **Predict, then run.** Which network has the smaller cross-entropy?

# %%
for name, p in of_truth.items():
    wrong = networks[name].argmax(0) != scene.labels
    each = -np.log(p)
    print(f"{name:8}  all {each.mean():.3f}   right pixels {each[~wrong].mean():.3f}", end="")
    print(f"   wrong pixels {each[wrong].mean():.2f}")

# %% [markdown]
# The sure network pays almost nothing where it is right and a lot where it is wrong.

# %% [markdown]
# ## 2 · One pixel, by hand
#
# For one pixel the network computes a **score** for each class. Scores are also called **logits**; they can be any numbers. **Softmax** makes probabilities of them: it takes
# $e$ to the power of each, so that they are positive, and divides by the sum, so that they add up to 1.
#
# $$p_j = \frac{e^{x_j}}{\sum_k e^{x_k}}$$
#
# **Predict, then run.** The scores below are $\log 6$, $\log 3$ and $\log 1$. Which probabilities come out?

# %%
scores = np.log([6.0, 3.0, 1.0])
exponentials = np.exp(scores)
p = exponentials / exponentials.sum()
t = np.array([1.0, 0.0, 0.0])  # the truth, one-hot: class 0
terms = -t * np.log(p)
print("cross-entropy of this pixel:", terms.sum().round(4))

# %% jupyter={"source_hidden": true}
# Figure: from scores to the loss of one pixel
fig = figures.arrays_row(
    [a[:, None] for a in (scores, exponentials, p, t, terms)],
    titles=["scores x", "exp(x)", "p", "target t", "−t·log p"],
    operators=["→", "→", "", "→"],
    share_scale=True,
)
figures.show(
    fig,
    alt="One pixel: scores 1.79, 1.1 and 0, their exponentials 6, 3, 1, probabilities 0.6, 0.3, "
    "0.1, the target 1, 0, 0, and the terms 0.51, 0, 0.",
)

# %% [markdown]
# The target is zero except at the true class, so only one term of the sum survives: **the loss of a pixel is $-\log$ of the probability of its true class.**
#
# **Predict, then run.** What is the loss if the truth is class 2, which got 0.1? If a probability falls from 0.1 to 0.05, by how much does the loss grow?

# %%
for p_true in (0.6, 0.1, 0.05, 0.001):
    print(f"p = {p_true:<6}  loss = {-np.log(p_true):.3f}")

# %% jupyter={"source_hidden": true}
# Figure: minus the logarithm
fig, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
probability = np.linspace(0.002, 1, 500)
ax.plot(probability, -np.log(probability))
for p_true in (0.6, 0.1, 0.05):
    ax.plot(p_true, -np.log(p_true), "o", color="#D55E00")
    ax.annotate(f"{p_true}", (p_true, -np.log(p_true)), (7, 3), textcoords="offset points")
ax.set(xlabel="probability of the true class", ylabel="loss", xlim=(0, 1.02), ylim=(0, 6.3))
figures.show(
    fig,
    alt="The curve of minus log p: 0 at probability 1, about 0.5 at 0.6, 2.3 at 0.1, 3 at 0.05, "
    "rising without bound towards probability 0.",
)

# %% [markdown]
# Halving the probability always adds $\log 2 \approx 0.693$. Being sure of the wrong thing costs without limit.

# %% [markdown]
# ## 3 · The definition, as loops
#
# Repeat that for every pixel, and average. With $i$ running over the $HW$ pixels and $j$ over the classes ($N_{\text{classes}}$ is the C of C×H×W),
#
# $$\ell_{\text{CE}}(\mathbf{p}, \mathbf{t}) = -\frac{1}{HW} \sum_{i=1}^{HW} \sum_{j=1}^{N_{\text{classes}}} t_{ij} \log p_{ij}$$
#
# The picture below has 2×3 pixels and 3 classes. The three numbers `tenths[:, r, c]` of a pixel add up to 10, and the scores are
# their logarithms, so the probabilities can be read off: 6 means 0.6.

# %%
tenths = np.array(
    [[[6, 1, 2], [8, 3, 1]],   # class 0, two rows of three pixels
     [[3, 7, 2], [1, 3, 1]],   # class 1
     [[1, 2, 6], [1, 4, 8]]])  # class 2
logits = np.log(tenths)
labels = np.array([[0, 1, 2], [0, 1, 2]])


def cross_entropy_loops(logits, labels):
    classes, height, width = logits.shape
    loss = 0.0
    for r in range(height):
        for c in range(width):
            total = sum(np.exp(logits[k, r, c]) for k in range(classes))
            for j in range(classes):
                t = 1 if labels[r, c] == j else 0
                loss -= t * np.log(np.exp(logits[j, r, c]) / total)
    return loss / (height * width)

# %% jupyter={"source_hidden": true}
# Figure: probabilities, labels and the loss of each pixel
probabilities = tenths / 10
p_true = np.take_along_axis(probabilities, labels[None], 0)[0]
fig = figures.arrays_row(
    [*probabilities, labels, -np.log(p_true)],
    titles=["p, class 0", "p, class 1", "p, class 2", "labels", "loss"],
    operators=["", "", "", "→"],
    highlights=[[(int(r), int(c), "#D55E00") for r, c in zip(*np.where(labels == k), strict=True)]
                for k in range(3)] + [[], []],
    cmap=["cividis"] * 3 + ["Greys", "cividis"],
    share_scale=True,
)
figures.show(
    fig,
    alt="Probabilities of three classes over 2 by 3 pixels, those of the true class framed: 0.6, "
    "0.7, 0.6, 0.8, 0.3, 0.8; the labels; and the losses, the largest 1.2 in the lower middle.",
)

# %% [markdown]
# Of each pixel only the framed probability counts. **Predict, then run.** Only one pixel is labelled wrongly (the lower middle: class 2 has 0.4, class 1 only 0.3). Do the
# other five cost nothing?

# %%
losses = -np.log([0.6, 0.7, 0.6, 0.8, 0.3, 0.8])
print("pixel by pixel:", losses.round(3))
print("mean by hand:  ", losses.mean().round(4))
print("loops:         ", cross_entropy_loops(logits, labels).round(4))

# %% [markdown]
# Right pixels cost something too: cross-entropy is never satisfied before the probability is 1.

# %% [markdown]
# ## 4 · Whole arrays, and numbers that overflow
#
# One-hot vectors need not be built. `np.take_along_axis` picks the probability of the true class of every pixel at once. First as the formulas stand:

# %%
def cross_entropy_naive(logits, target):
    exponentials = np.exp(logits)
    p = exponentials / exponentials.sum(axis=1, keepdims=True)
    return -np.log(np.take_along_axis(p, target[:, None], axis=1)).mean()


compare.arrays(cross_entropy_naive(logits[None], labels[None]), cross_entropy_loops(logits, labels))

# %% [markdown]
# Correct. Now add 1000 to all scores of the pixel of section 2. On paper nothing changes: $e^{x+1000} = e^{1000} e^{x}$, and the factor cancels.
#
# **Predict, then run.** What does the computer say? And what for one wrong pixel that has score 0 where another class has 200, in float32?

# %%
one_pixel = scores[None, :, None, None]
class_0 = np.zeros((1, 1, 1), np.int64)
surely_wrong = np.array([0, 200, 0], np.float32)[None, :, None, None]
with np.errstate(all="ignore"):
    print("the pixel:   ", cross_entropy_naive(one_pixel, class_0).round(4))
    print("plus 1000:   ", cross_entropy_naive(one_pixel + 1000, class_0))
    print("surely wrong:", cross_entropy_naive(surely_wrong, class_0))
    print("float32: exp(88), exp(89):  ", *(f"{np.exp(np.float32(x)):.3g}" for x in (88, 89)))
    print("float64: exp(709), exp(710):", *(f"{np.exp(x):.3g}" for x in (709.0, 710.0)))

# %% [markdown]
# $e^{89}$ is larger than any float32, $e^{710}$ larger than any float64. They become infinite, and ∞/∞ is NaN ("not a number"). One NaN makes the whole mean NaN, and with it
# the next step of training. The wrong pixel has the opposite trouble: its probability, $e^{-200}$, becomes 0, and $-\log 0$ is infinite.
#
# The cure never forms the ratio. Take the logarithm on paper, and pull the largest score $m$ out of the sum:
#
# $$\log p_j = x_j - \log \sum_k e^{x_k} \qquad\qquad \log \sum_k e^{x_k} = m + \log \sum_k e^{x_k - m}, \quad m = \max_k x_k$$
#
# This is the **log-sum-exp trick**. The largest exponent is now 0: nothing can overflow, and the sum is at least 1, so its logarithm is harmless.

# %%
shifted = (scores + 1000) - (scores + 1000).max()
log_sum = np.log(np.exp(shifted).sum())
log_p = shifted - log_sum
print("log of the sum:", log_sum.round(4), "  p:", np.exp(log_p).round(4))

# %% jupyter={"source_hidden": true}
# Figure: log-sum-exp on scores above 1000
fig = figures.arrays_row(
    [a[:, None] for a in (scores + 1000, shifted, np.exp(shifted), log_p)],
    titles=["x + 1000", "minus m", "exp", "log p"],
    operators=["→", "→", "→"],
    cell=0.72,
)
figures.show(
    fig,
    alt="Scores near 1000; minus their largest: 0, −0.69, −1.79; exponentials 1, 0.5, 0.17; "
    "logarithms of the probabilities −0.51, −1.2, −2.3.",
)

# %% [markdown]
# Now for all pixels. This is the version to keep.

# %%
def log_softmax_numpy(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy_numpy(logits, target):
    log_p = log_softmax_numpy(logits)
    return -np.take_along_axis(log_p, target[:, None], axis=1).mean()


print("plus 1000:   ", cross_entropy_numpy(one_pixel + 1000, class_0).round(4))
print("surely wrong:", cross_entropy_numpy(surely_wrong, class_0))
print("surely wrong, probability clipped at 1e-7:", -np.log(np.clip(0.0, 1e-7, 1)).round(2))

# %%
compare.arrays(cross_entropy_numpy(logits[None], labels[None]), cross_entropy_loops(logits, labels))

# %% [markdown]
# That is why loss functions take **logits**, not probabilities. Whoever applies softmax first and then the logarithm gets the infinities back. Whoever clips the probability
# at $10^{-7}$ caps the loss at 16.12; beyond the cap its derivative is 0, and the worst pixels stop teaching.

# %% [markdown]
# ## 5 · Void: pixels that nobody labelled
#
# Annotators leave pixels out: borders where two things mix, objects of no class. Such pixels carry a **void** label, often 255. They must not count, neither in the sum nor in
# the number of pixels it is divided by.
#
# **Predict, then run.** Two labelled pixels with losses 0.51 and 2.30, and one void pixel. Which mean is right?

# %%
p_row = np.array([[0.6, 0.5, 0.1], [0.3, 0.3, 0.3], [0.1, 0.2, 0.6]])  # class × pixel
row_target = np.array([[0, 255, 0]])
pixel_losses = -np.log(p_row[0, [0, 2]])
print("losses:", pixel_losses.round(3))
print("divided by 3:", (pixel_losses.sum() / 3).round(4))
print("divided by 2:", (pixel_losses.sum() / 2).round(4))
print("library:     ", cross_entropy(np.log(p_row)[None], row_target, ignore_index=255).round(4))

# %% [markdown]
# Dividing by two is right: the void pixel is not there. In our function, void pixels get any legal label so that they can be looked up, and are taken out of the mean afterwards.

# %%
def cross_entropy_void_numpy(logits, target, ignore_index=-100):
    valid = target != ignore_index
    label = np.where(valid, target, 0)
    log_p = log_softmax_numpy(logits)
    losses = -np.take_along_axis(log_p, label[:, None], axis=1)[:, 0]
    return losses[valid].mean()


compare.arrays(
    cross_entropy_void_numpy(np.log(p_row)[None], row_target, ignore_index=255),
    cross_entropy(np.log(p_row)[None], row_target, ignore_index=255),
)

# %% [markdown]
# A tempting mistake: forget `valid`, and train void as class 0. Below, the street with two void pixels on either side of each border, and what a network would then be taught.
# Class 0 is sky.
#
# **Predict, then run.** Suppose a network learns these labels perfectly, and is compared with the exact ones. Which loses most: road, building or pole? All true sky is still
# taught as sky: is its IoU 1?

# %%
with_void = scene.with_void(2).labels
taught = np.where(with_void == 255, 0, with_void)
print(f"void: {np.mean(with_void == 255):.1%} of all pixels\n")
scores_taught = iou(confusion_matrix(taught, scene.labels, num_classes))
for name in ("road", "building", "sky", "car", "pole"):
    called_sky = np.mean(taught[scene.labels == scene.classes.index(name)] == 0)
    score = scores_taught[scene.classes.index(name)]
    print(f"{name:9} taught as sky: {called_sky:6.1%}   IoU of a perfect learner: {score:.2f}")

# %% jupyter={"source_hidden": true}
# Figure: exact labels, void borders, void trained as class 0
fig = figures.images_row(
    [
        figures.colourise(scene.labels, scene.palette),
        figures.colourise(with_void, scene.palette, void=255),
        figures.colourise(taught, scene.palette),
    ],
    titles=["exact labels", "void at the borders (white)", "void trained as class 0, sky"],
)
figures.label_legend(fig, scene.classes, scene.palette, void=True)
figures.show(
    fig,
    alt="Three label maps of a street: exact; with white void bands at all borders; and with those "
    "bands in the colour of sky, so that thin things are sky all over.",
)

# %% [markdown]
# IoU is the overlap divided by the union; section 12 recalls it. Large things lose their rims. Thin things *are* rim: whoever learns these labels calls poles
# sky. And sky gains so many false pixels that only half of the union is overlap.
#
# No error is raised, and the loss falls as it should. Two more ways to miss it: CamVid's void is 11, and a network with 12 outputs accepts that as a twelfth class. And a void
# label of −1 is, for NumPy, a legal index.
#
# **Predict, then run.** Which class does NumPy read for label −1?

# %%
log_p = log_softmax_numpy(np.log(p_row)[None])
picked = np.take_along_axis(log_p, np.array([[-1, -1, -1]])[:, None], axis=1)
print("picked for label −1:", np.exp(picked.ravel()).round(2))

# %% [markdown]
# The last one, silently. The library refuses such labels unless `ignore_index` names them.

# %% [markdown]
# ## 6 · Class weights
#
# In a street there is far more road than pole. A **weight** $w_j$ for each class makes its pixels count more. Writing $y_i$ for the label of pixel $i$ (the $j$ with
# $t_{ij} = 1$),
#
# $$\ell = \frac{\sum_i w_{y_i} \cdot \left(-\log p_{i\,y_i}\right)}{\sum_i w_{y_i}}$$
#
# It is a weighted mean, so it is divided by the sum of the *weights*, not by the number of pixels.
#
# **Predict, then run.** Losses 0.51 (class 0, weight 1) and 1.20 (class 1, weight 3). The weighted mean?

# %%
weight = np.array([1.0, 3.0, 1.0])
target = np.array([[0, 1]])
two_pixels = np.log(p_row[:, [0, 1]])[None]
two_losses = -np.log([0.6, 0.3])
print("by hand:", ((1 * two_losses[0] + 3 * two_losses[1]) / (1 + 3)).round(4))
print("library:", cross_entropy(two_pixels, target, weight=weight).round(4))

# %%
def cross_entropy_full_numpy(logits, target, weight=None, ignore_index=-100):
    valid = target != ignore_index
    label = np.where(valid, target, 0)
    log_p = log_softmax_numpy(logits)
    losses = -np.take_along_axis(log_p, label[:, None], axis=1)[:, 0]
    w = valid.astype(logits.dtype) if weight is None else valid * weight[label]
    return (w * losses).sum() / w.sum()


compare.arrays(
    cross_entropy_full_numpy(two_pixels, target, weight),
    cross_entropy(two_pixels, target, weight=weight),
)

# %% [markdown]
# Which weights? **Median-frequency balancing** (Eigen and Fergus, 2015): the frequency $f_j$ of a class is its pixels, divided by all pixels of those pictures *in which it
# occurs*; and $w_j = \text{median}(f) / f_j$. The class in the middle gets weight 1, rarer ones more, commoner ones less.

# %%
def median_frequency_weights(label_maps, num_classes):
    counts = [np.bincount(m[m < num_classes], minlength=num_classes) for m in label_maps]
    counts = np.array(counts)  # picture × class; void is above num_classes and left out
    pixels_where_present = ((counts > 0) * counts.sum(axis=1, keepdims=True)).sum(axis=0)
    frequency = counts.sum(axis=0) / pixels_where_present
    return np.median(frequency) / frequency, counts.sum(axis=0) / counts.sum()

# %% [markdown]
# By hand first: two pictures of ten pixels. Class 0 has 8 and 9 of them, class 1 has 2 and 0, class 2 has 0 and 1. **Predict, then run.** $f_1$ is 2/10 or 2/20?

# %%
tiny = [np.repeat([0, 1], [8, 2]), np.repeat([0, 2], [9, 1])]
tiny_weights, tiny_shares = median_frequency_weights(tiny, 3)
print("weights:", tiny_weights.round(3))
print("f, as median / weight, with median 0.2:", (0.2 / tiny_weights).round(3))

# %% [markdown]
# 2/10: the second picture has no pixel of class 1, so it is not counted. Now sixteen drawn streets. **Predict, then run.** Roughly how many times rarer than road is the rarest
# class: 4, 40 or 400 times?

# %%
streets = [street(seed, size=(96, 144)) for seed in range(16)]
street_weights, shares = median_frequency_weights([s.labels for s in streets], num_classes)
for j in np.argsort(-shares):
    print(f"{scene.classes[j]:11} share {shares[j]:6.2%}   weight {street_weights[j]:6.2f}")
print(f"\nroad / rarest: {shares.max() / shares.min():.0f}")

# %% [markdown]
# Real streets are like that too. The next cell counts CamVid's training labels, if the data set is on this machine, and puts beside them the weights in SegNet's published
# training file.

# %% tags=["real-data"]
from segedu.data import camvid

SEGNET = [0.2595, 0.1826, 4.5640, 0.1417, 0.9051, 0.3826, 9.6446, 1.8418, 0.6823, 6.2478, 7.3614]
if camvid.available():
    label_maps = [labels for _, labels in camvid.camvid("train")]
    camvid_weights, camvid_shares = median_frequency_weights(label_maps, camvid.VOID)
    print("CamVid, training split      share    weight   SegNet's file")
    for j in np.argsort(-camvid_shares):
        print(f"{camvid.CLASSES[j]:24} {camvid_shares[j]:9.2%} {camvid_weights[j]:9.3f}", end="")
        print(f"{SEGNET[j]:14.3f}")
else:
    print("CamVid is not on this machine. Weights in SegNet's training file:")
    for name, value in zip(camvid.CLASSES, SEGNET, strict=True):
        print(f"{name:12} {value:.3f}")

# %% [markdown]
# Where the two columns differ, another definition of the frequency, or another version of the labels, may be the reason. Weights are a choice: report yours.
#
# *At home:* **label smoothing** in a sentence. With $\varepsilon = 0.1$ the target is not 1 for the true class, but 0.9 plus a share of 0.1 that is spread evenly over all classes, so that
# the network is not rewarded for being ever more sure.

# %%
epsilon = 0.1
smooth_target = (1 - epsilon) * np.array([1, 0, 0]) + epsilon / 3
print("target:  ", smooth_target.round(4))
print("by hand: ", -(smooth_target * np.log([0.6, 0.3, 0.1])).sum().round(4))
print("library: ", cross_entropy(scores[None], np.array([0]), label_smoothing=epsilon).round(4))

# %% [markdown]
# ## 7 · The gradient: probabilities minus target
#
# How should each score change? Take one pixel with label $y$. By the log-sum-exp form its loss is $\ell = \log \sum_k e^{x_k} - x_y$. Differentiate the two parts:
#
# $$\frac{\partial}{\partial x_j} \log \sum_k e^{x_k} = \frac{e^{x_j}}{\sum_k e^{x_k}} = p_j, \qquad \frac{\partial x_y}{\partial x_j} = t_j
# \qquad\Longrightarrow\qquad \frac{\partial \ell}{\partial x_j} = p_j - t_j$$
#
# **Predict, then run.** $p = (0.6, 0.3, 0.1)$. What is the gradient if the truth is class 0? Class 2? What is the sum of its three numbers?

# %%
p = np.array([0.6, 0.3, 0.1])
gradients = [p - np.eye(3)[truth] for truth in (0, 2)]
print("truth 0:", gradients[0].round(2), "  truth 2:", gradients[1].round(2))

# %% jupyter={"source_hidden": true}
# Figure: p minus t for two truths
fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.0), sharey=True, layout="constrained")
for ax, gradient, truth in zip(axes, gradients, (0, 2), strict=True):
    colours = ["#0072B2" if value < 0 else "#D55E00" for value in gradient]
    bars = ax.bar(range(3), gradient, color=colours)
    ax.bar_label(bars, [f"{value:+.1f}".replace("-", "−") for value in gradient], padding=2)
    ax.axhline(0, color="#444444", linewidth=1)
    ax.set(title=f"truth: class {truth}", xlabel="class", xticks=range(3), ylim=(-1.15, 0.85))
axes[0].set_ylabel("gradient p − t")
figures.show(
    fig,
    alt="Bars of the gradient. Truth class 0: −0.4, +0.3, +0.1. Truth class 2: +0.6, +0.3, −0.9. "
    "Only the bar of the true class points down.",
)

# %% [markdown]
# Training moves against the gradient: the true score goes up, all others go down, and the numbers add up to 0. A pixel that is right and sure gets almost nothing; the largest
# pull there is, 1, comes from a pixel that is sure and wrong.
#
# For the whole picture: weights, void and the divisor come along.

# %%
def cross_entropy_backward_numpy(grad_output, logits, target, weight=None, ignore_index=-100):
    valid = target != ignore_index
    label = np.where(valid, target, 0)
    w = valid.astype(logits.dtype) if weight is None else valid * weight[label]
    p = np.exp(log_softmax_numpy(logits))
    t = np.moveaxis(np.eye(logits.shape[1])[label], -1, 1)
    return (grad_output * w[:, None] / w.sum() * (p - t)).astype(logits.dtype)


small = rng.standard_normal((2, 3, 2, 4))
small_target = rng.integers(0, 3, (2, 2, 4))
small_target[0, 0, 1] = 255
arguments = dict(weight=weight, ignore_index=255)
gradient = cross_entropy_backward_numpy(1.0, small, small_target, **arguments)
print("gradient of the void pixel:", np.abs(gradient[0, :, 0, 1]))
compare.with_finite_differences(
    lambda x: cross_entropy_full_numpy(x, small_target, **arguments), [small], [gradient]
)

# %% [markdown]
# Finite differences nudge each score a little and watch the loss. The void pixel gets 0 in every class, as it should.

# %% [markdown]
# ## 8 · Are we right? Ask PyTorch
#
# Random scores, odd sizes, void and weights at once.

# %%
import torch
import torch.nn.functional as F

z = 3 * rng.standard_normal((2, 5, 7, 9), dtype=np.float32)
z_target = rng.integers(0, 5, (2, 7, 9))
z_target[rng.random(z_target.shape) < 0.2] = 255
z_weight = rng.uniform(0.2, 5, 5).astype(np.float32)
options = dict(weight=z_weight, ignore_index=255)
z64, options64 = z.astype(np.float64), dict(weight=z_weight.astype(np.float64), ignore_index=255)

compare.with_torch(
    cross_entropy_full_numpy, z, z_target, **options, reference=F.cross_entropy,
    backward=lambda g: cross_entropy_backward_numpy(g, z, z_target, **options),
)

# %% [markdown]
# The library takes label smoothing as well, and the losses of single pixels with `reduction="none"`.

# %%
compare.with_torch(
    cross_entropy, z, z_target, **options, label_smoothing=0.1, reduction="none"
)

# %% [markdown]
# And when it is wrong? Three common slips. Read what the comparison says. First: void trained as class 0.

# %%
def void_as_class_0(logits, target, ignore_index):
    return cross_entropy_numpy(logits, np.where(target == ignore_index, 0, target))


compare.with_torch(void_as_class_0, z64, z_target, ignore_index=255, reference=F.cross_entropy)

# %% [markdown]
# Second: a weighted sum divided by the number of pixels.

# %%
def divided_by_pixels(logits, target, weight, ignore_index):
    sum_of_weights = weight[target[target != ignore_index]].sum()
    loss = cross_entropy_full_numpy(logits, target, weight, ignore_index)
    return loss * sum_of_weights / (target != ignore_index).sum()


compare.with_torch(divided_by_pixels, z64, z_target, **options64, reference=F.cross_entropy)

# %% [markdown]
# Third: softmax before a loss that takes logits.

# %%
def softmax_twice(logits, target, ignore_index):
    p = np.exp(log_softmax_numpy(logits))
    return cross_entropy_full_numpy(p, target, ignore_index=ignore_index)


compare.with_torch(softmax_twice, z64, z_target, ignore_index=255, reference=F.cross_entropy)

# %% [markdown]
# The third slip raises no error in training either. But probabilities, between 0 and 1, are poor scores: the loss cannot come near 0. **Predict, then run.** Five classes, and the network is perfectly
# sure and right. What is the smallest loss that "softmax twice" can show?

# %%
print("p = 1, 0, 0, 0, 0 read as scores:", -np.log(np.e / (np.e + 4)).round(4))

# %% [markdown]
# ## 9 · On a real photograph
#
# A cup of coffee with labels that we drew by hand. And a very small network: each pixel has 21 numbers, which are the constant 1, its colour and place (5 numbers), and the 15
# products of two of these five. One matrix makes of them one score for each class. That is a 1×1 convolution (lecture 05). We train it on this one picture by going against the gradient, with our own functions.

# %%
masks = photograph_masks("coffee")
photo, coffee_labels = masks.image[::5, ::5], masks.semantic[::5, ::5]
height, width = coffee_labels.shape


def colour_and_place(image):
    rows, columns = np.mgrid[-1 : 1 : image.shape[0] * 1j, -1 : 1 : image.shape[1] * 1j]
    basic = [*(2 * as_chw(image, np.float64) - 1), rows, columns]
    products = [a * b for k, a in enumerate(basic) for b in basic[k:]]
    return np.stack([np.ones_like(rows), *basic, *products])


features = colour_and_place(photo)
matrix = np.zeros((len(masks.classes), len(features)))
features.shape, matrix.shape

# %% [markdown]
# `einsum` multiplies and adds as its letters say: `"jk,khw->jhw"` sums over the features $k$, for every class $j$ and pixel $(h, w)$.
#
# With a matrix of zeros every class gets the score 0. **Predict, then run.** What is the loss at the start, with 6 classes?

# %%
history, maps = [], {}
for step in range(121):
    coffee_logits = np.einsum("jk,khw->jhw", matrix, features)[None]
    history.append(cross_entropy_numpy(coffee_logits, coffee_labels[None]))
    gradient = cross_entropy_backward_numpy(1.0, coffee_logits, coffee_labels[None])[0]
    if step in (0, 120):
        maps[step] = gradient * height * width  # p − t
    matrix -= 4.0 * np.einsum("jhw,khw->jk", gradient, features)
print("loss at steps 0, 40, 80, 120:", np.round(history[::40], 3), "  log 6 =", np.log(6).round(3))

# %% jupyter={"source_hidden": true}
# Figure: photograph, labels, prediction, loss of each pixel
prediction = coffee_logits[0].argmax(0)
log_p = log_softmax_numpy(coffee_logits)
pixel_loss = -np.take_along_axis(log_p, coffee_labels[None, None], axis=1)[0, 0]
drawn_loss = plt.get_cmap("magma")(np.clip(pixel_loss / 4, 0, 1))[..., :3]
fig = figures.images_row(
    [photo, figures.colourise(coffee_labels, masks.palette),
     figures.colourise(prediction, masks.palette), drawn_loss],
    titles=["photograph", "labels", "prediction", "loss (white: 4 or more)"],
)
figures.label_legend(fig, masks.classes, masks.palette)
figures.show(
    fig,
    alt="A cup of coffee, its labels, a prediction that gets table, saucer and coffee roughly "
    "right, and the loss of each pixel, bright on the handle of the cup and the spoon's far end.",
)

# %% [markdown]
# A model this small can hardly tell the red outside of the cup from the red saucer. The map of losses shows where it pays.
#
# The gradient is a map as well, one for each class. **Predict, then run.** At step 0 all probabilities are 1/6. Which two numbers does the map for *cup* hold then?

# %%
cup = masks.classes.index("cup")
print("step 0:  ", np.unique(maps[0][cup].round(4)))
print("step 120:", "from", maps[120][cup].min().round(1), "to", maps[120][cup].max().round(1))
quiet = np.abs(maps[120]).max(axis=0) < 0.1
print(f"pixels whose gradient is below 0.1 in every class: {quiet.mean():.0%}")

# %% jupyter={"source_hidden": true}
# Figure: the gradient for the class cup, before and after training
fig = maps_figure(
    [maps[0][cup], maps[120][cup]],
    ["p − t of the class cup, step 0", "step 120"],
    "raise the score ← → lower it",
    cmap="RdBu_r",
    low=-1,
    high=1,
    height=3.0,
)
figures.show(
    fig,
    alt="Gradient maps of the class cup. At the start the cup is one blue patch on pale red. After "
    "training most of the picture is near white, with blue left on parts of the cup.",
)

# %% [markdown]
# Blue says "raise the score of cup here", red "lower it". What is learned turns white and falls silent.

# %% [markdown]
# ## 10 · Who pulls hardest?
#
# Every pixel has the same say. So at the start a class pulls in proportion to its number of pixels. **Predict, then run.** The spoon covers about 3 % of the picture. Which
# share of the whole gradient comes from its pixels?

# %%
start = np.abs(maps[0]).sum(axis=0)  # over the classes
for k, name in enumerate(masks.classes):
    mine = coffee_labels == k
    part = start[mine].sum() / start.sum()
    print(f"{name:7} pixels {mine.mean():6.1%}   gradient at the start {part:6.1%}")

# %% [markdown]
# The same share as of the pixels. The signs of section 6, with less than 1 % of the pixels, have less than 1 % of the say. Class weights are one answer. The other is to count
# *overlap* in place of pixels.

# %% [markdown]
# ## 11 · The kernel in CUDA C (after lecture 08)
#
# *Leave this section out at first, and come back after [lecture 08](08_first_kernels.ipynb), which explains how such kernels are written; or watch it being shown. Nothing below
# needs it.* No GPU is needed either. Where there is no C++ compiler, the cells of this section say so, and the rest of the lecture runs without them.

# %% tags=["raises-exception"]
from segedu import cuda, cuda_ops

# %load_ext segedu.cuda

# %% [markdown]
# Loss and gradient need the same exponentials, so one kernel computes both. A thread takes one pixel and walks over its classes. They lie $P$ numbers apart in memory, $P$ being the pixels of an image:
# `x[k * P]` is the score of class $k$. `share` is one divided by the number of labelled pixels.
#
# $$m = \max_k x_k \qquad s = \sum_k e^{x_k - m} \qquad \ell = \log s - (x_y - m) \qquad \frac{\partial \ell}{\partial x_k} = \frac{e^{x_k - m}}{s} - t_k$$

# %% language="cuda" magic_args="--quiet --module entropy" tags=["raises-exception"]
# extern "C" __global__ void pixel_losses(const float* x, const long long* labels, float* loss,
#                                       float* dx, int classes, int P, int pixels,
#                                       long long ignore_index, float share) {
#     int i = blockIdx.x * blockDim.x + threadIdx.x;
#     if (i >= pixels) return;
#     int first = i / P * classes * P + i % P;
#     x += first, dx += first;
#     long long y = labels[i];
#     bool is_void = y == ignore_index;
#     assert(is_void || (0 <= y && y < classes));
#     float m = x[0], s = 0;
#     for (int k = 1; k < classes; ++k) m = fmaxf(m, x[k * P]);
#     for (int k = 0; k < classes; ++k) s += expf(x[k * P] - m);
#     loss[i] = is_void ? 0 : logf(s) - (x[y * P] - m);
#     for (int k = 0; k < classes; ++k)
#         dx[k * P] = is_void ? 0 : (expf(x[k * P] - m) / s - (k == y)) * share;
# }

# %% [markdown]
# In C, `a ? b : c` is Python's `b if a else c`. `assert` stops a kernel where something is false that must be true: here, that a label is void or names a class. The losses are added up in
# NumPy.

# %%
def cross_entropy_cuda(logits, target, ignore_index=-100, kernel=None):
    labelled = (target != ignore_index).sum()
    losses, dx = np.empty(target.shape, np.float32), np.empty_like(logits)
    sizes = logits.shape[1], target[0].size, target.size
    args = logits, target, losses, dx, *sizes, ignore_index, np.float32(1 / labelled)
    (kernel or pixel_losses)((-(-target.size // 128),), (128,), args)
    return losses.sum() / np.float32(labelled), dx


def loss_cuda(logits, target, ignore_index=-100, kernel=None):
    return cross_entropy_cuda(logits, target, ignore_index, kernel)[0]

# %% tags=["raises-exception"]
compare.with_torch(
    loss_cuda, z, z_target, ignore_index=255, reference=F.cross_entropy,
    backward=lambda g: g * cross_entropy_cuda(z, z_target, 255)[1],
)

# %% [markdown]
# The photograph of section 9 after its training; the judges are our own whole-array functions. Its labels are a view, every fifth pixel of a larger map. A kernel needs numbers without gaps,
# hence `np.ascontiguousarray`.

# %% tags=["raises-exception"]
trained = np.ascontiguousarray(coffee_logits, np.float32)
truth = np.ascontiguousarray(coffee_labels[None])
loss, gradient = cross_entropy_cuda(trained, truth)
print(f"loss: {loss:.4f}, in NumPy {cross_entropy_numpy(trained, truth):.4f}")
expected = cross_entropy_backward_numpy(1.0, trained, truth)
compare.arrays(gradient, expected, name="gradient on the photograph")

# %% [markdown]
# **Break it.** The kernel is right; somebody calls it without `ignore_index`, and void is 255 in `z_target`.
#
# **Predict, then run.** Without the assertion, what would `x[y * P]` read? The cell also prints the place of the first void pixel: which thread complains first?

# %% tags=["raises-exception"]
checked = cuda.RawModule(entropy.code, mode="check").get_function("pixel_losses")


def loss_without_void(logits, target):
    return loss_cuda(logits, target, kernel=checked)


print("first void pixel:", np.flatnonzero(z_target == 255)[0])
compare.with_torch(loss_without_void, z, z_target, reference=F.cross_entropy)

# %% [markdown]
# A number $255 \cdot 63$ places further on, far behind the 5 classes of this pixel. PyTorch's own CUDA kernel asserts the same: where it says
# *device-side assert triggered*, look for a label that is neither void nor a class.
#
# The library's `cuda_ops.cross_entropy` has the signature of `numpy_ops.cross_entropy`, with weights and smoothing; `mode("check")` has every access checked.

# %% tags=["raises-exception"]
with cuda_ops.mode("check"):
    report = compare.with_torch(cuda_ops.cross_entropy, z, z_target, **options, label_smoothing=0.1)
report

# %% [markdown]
# **Won and lost.** One pass, and no arrays for $\log p$, $p$ and $t$, each as large as the scores; but every exponential is computed twice, and the sum over the pixels is left over. Lecture 10 does such sums on
# the GPU.

# %% [markdown]
# ## 12 · Overlap as a loss: soft Dice and soft Jaccard
#
# Let $A$ be the pixels predicted as some class, $B$ those that truly are. Two measures of how well they overlap:
#
# $$\text{Jaccard} = \text{IoU} = \frac{|A \cap B|}{|A \cup B|} \qquad\qquad \text{Dice} = \frac{2\,|A \cap B|}{|A| + |B|}$$
#
# Neither counts the pixels outside both, so it does not matter how large the background is. **Predict, then run.** Below both sets have 6 pixels, 3 of them shared. Jaccard?
# Dice?

# %%
A = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]])
B = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0]])
both = (A * B).sum()
print("Jaccard:", (both / (A.sum() + B.sum() - both)).round(4))
print("Dice:   ", (2 * both / (A.sum() + B.sum())).round(4))

# %% jupyter={"source_hidden": true}
# Figure: two sets and their overlap
fig = figures.arrays_row(
    [A, B, A * B, np.maximum(A, B)],
    titles=["A, predicted", "B, true", "A ∩ B", "A ∪ B"],
    operators=["", "→", ""],
    cmap="Greys",
)
figures.show(
    fig,
    alt="Two sets of 6 pixels in a 3 by 4 picture, A in the two left columns, B in the two middle "
    "ones; they share a column of 3 pixels and together cover 9.",
)

# %% [markdown]
# The code already holds the trick: for zeros and ones, $|A \cap B| = \sum_i a_i b_i$ and $|A| = \sum_i a_i$. Put probabilities $p_i$ in place of the zeros and ones of $A$, and
# the measures become **soft**:
#
# $$D = \frac{2 \sum_i p_i t_i}{\sum_i p_i + \sum_i t_i} \qquad\qquad J = \frac{\sum_i p_i t_i}{\sum_i p_i + \sum_i t_i - \sum_i p_i t_i}$$
#
# **Predict, then run.** Four pixels; the first two belong to the class. Which is larger, soft Dice or soft Jaccard?

# %%
truth = np.array([1, 1, 0, 0])
p_class = np.array([0.9, 0.4, 0.7, 0.2])
both = (p_class * truth).sum()
print("Σpt =", both, "  Σp =", p_class.sum().round(1), "  Σt =", truth.sum())
print("soft Dice:   ", (2 * both / (p_class.sum() + truth.sum())).round(4))
print("soft Jaccard:", (both / (p_class.sum() + truth.sum() - both)).round(4))

# %% [markdown]
# A loss should fall when things get better, so take $1 - D$ and average over the classes. One gap is left: a class that is nowhere, neither predicted nor true, would give 0/0.
# A number $s$ (`smooth`, often 1) above and below the fraction fills it:
#
# $$L_{\text{Dice}} = 1 - \frac{1}{C} \sum_{j=1}^{C} \frac{2 \sum_i p_{ij} t_{ij} + s}{\sum_i p_{ij} + \sum_i t_{ij} + s}$$

# %%
def dice_loss_loops(logits, labels, smooth=1.0):
    p = np.exp(log_softmax_numpy(logits[None]))[0]
    total = 0.0
    for j in range(len(p)):
        both = p_sum = t_sum = 0.0
        for r, c in np.ndindex(*labels.shape):
            t = 1 if labels[r, c] == j else 0
            both, p_sum, t_sum = both + p[j, r, c] * t, p_sum + p[j, r, c], t_sum + t
        total += (2 * both + smooth) / (p_sum + t_sum + smooth)
    return 1 - total / len(p)


print("Dice loss of the 2×3 picture:", dice_loss_loops(logits, labels).round(4))

# %% [markdown]
# Whole arrays: three sums for each class. Jaccard needs the same three.

# %%
def three_sums(logits, target):
    p = np.exp(log_softmax_numpy(logits))
    t = np.moveaxis(np.eye(logits.shape[1], dtype=logits.dtype)[target], -1, 1)
    axes = (0, 2, 3)  # all pixels of all images
    return (p * t).sum(axes), p.sum(axes), t.sum(axes)


def dice_loss_numpy(logits, target, smooth=1.0):
    both, p_sum, t_sum = three_sums(logits, target)
    return 1 - ((2 * both + smooth) / (p_sum + t_sum + smooth)).mean()


def jaccard_loss_numpy(logits, target, smooth=1.0):
    both, p_sum, t_sum = three_sums(logits, target)
    return 1 - ((both + smooth) / (p_sum + t_sum - both + smooth)).mean()


compare.arrays(dice_loss_numpy(logits[None], labels[None]), dice_loss_loops(logits, labels))

# %% [markdown]
# What does `smooth` do to a class that is not there? The picture gets a fourth class; nobody has it, but the network gives it a little probability everywhere.
#
# **Predict, then run.** What is the loss of that class alone, without smoothing?

# %%
four = np.concatenate([logits, np.full((1, 2, 3), -3.0)])
both, p_sum, t_sum = three_sums(four[None], labels[None])
for s in (0, 0.01, 1):
    score = (2 * both[3] + s) / (p_sum[3] + t_sum[3] + s)
    print(f"smooth={s:<5} Σp={p_sum[3]:.3f}   loss of the absent class {1 - score:.3f}")

# %% [markdown]
# Without smoothing it is 1, however small the probabilities: for absent classes the loss is useless. Also, the sums run over the whole batch here; the library's `per_image=True`
# sums over each image; and V-Net (2016) squares the terms below the fraction bar. Two papers with "Dice loss" may mean different numbers: say which.

# %% [markdown]
# ## 13 · Why not IoU itself?
#
# IoU is what segmentation is judged by. Why not train it? Take eight pixels, four of the class. Each has a score $x$ for the class, and score 0 for the rest. It is predicted as
# the class if $x > 0$; softmax gives the class $e^x / (e^x + 1) = 1 / (1 + e^{-x})$. Now move *one* score, that of a pixel that belongs to the class.
#
# **Predict, then run.** How many different values can IoU take while that score goes from −6 to 6?

# %%
truth8 = np.array([1, 1, 1, 1, 0, 0, 0, 0])
scores8 = np.array([3.0, 1.0, 0.4, -1.6, 1.5, -0.6, -1.9, -3.0])


def hard_and_soft_iou(scores):
    result = []
    for a in (scores > 0, 1 / (1 + np.exp(-scores))):  # predicted labels, then probabilities
        both = (a * truth8).sum()
        result.append(both / (a.sum() + truth8.sum() - both))
    return result


moved = np.arange(-5.99, 6, 0.02)
one_score = [hard_and_soft_iou(np.where(np.arange(8) == 3, x, scores8)) for x in moved]
all_scores = [hard_and_soft_iou(scores8 + x) for x in moved]
print("IoU, one score moved:", np.unique(np.round(one_score, 3)[:, 0]))
print("IoU, all moved:      ", np.unique(np.round(all_scores, 3)[:, 0]))

# %% jupyter={"source_hidden": true}
# Figure: IoU jumps, soft Jaccard does not
fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.7), sharey=True, layout="constrained")
for ax, values, label in zip(
    axes, (one_score, all_scores), ("score of one pixel", "added to all eight scores"), strict=True
):
    hard, soft = np.array(values).T
    jumps = np.flatnonzero(np.diff(hard)) + 1
    for part, number in zip(np.split(np.arange(len(moved)), jumps), range(99), strict=False):
        ax.plot(moved[part], hard[part], color="#D55E00", label=None if number else "IoU")
    ax.plot(moved, soft, color="#0072B2", linestyle="--", label="soft Jaccard")
    ax.set(xlabel=label, ylim=(0, 1))
axes[0].set_ylabel("overlap")
axes[0].legend(loc="lower right")
figures.show(
    fig,
    alt="IoU against a score. Moving one score, it is flat, jumps once at 0, and is flat again; "
    "moving all, it has flat steps. Soft Jaccard is a smooth dashed curve in both.",
)

# %% [markdown]
# IoU is made of steps. On a step its derivative is 0: no direction is downhill. At a jump it has none. Gradient descent would never move. Soft Jaccard has a slope everywhere.
#
# The price: it is another function. **Predict, then run.** In the right-hand picture, is the best shift the same for both?

# %%
hard, soft = np.array(all_scores).T
best = moved[hard == hard.max()]
print(f"IoU is largest, {hard.max():.2f}, for shifts from {best.min():.2f} to {best.max():.2f}")
print(f"soft Jaccard is largest, {soft.max():.2f}, at {moved[soft.argmax()]:.2f}", end="")
print(f"; IoU is {hard[soft.argmax()]:.2f} there")

# %% [markdown]
# Near it, but not the same: whoever climbs soft Jaccard to the top passes the best IoU. Such a loss is called a **surrogate**: it stands in for what we want. Section 15 has
# another.

# %% [markdown]
# ## 14 · The gradient of Dice
#
# Write $I = \sum_i p_i t_i$ and $S = \sum_i p_i + \sum_i t_i$ for one class, and leave $s$ out for a moment. Move one $p_i$: the numerator $2I$ changes by $2t_i$, the
# denominator $S$ by 1. By the quotient rule
#
# $$\frac{\partial D}{\partial p_i} = \frac{2 t_i}{S} - \frac{2 I}{S^2}$$
#
# **Predict, then run.** How many different numbers does this gradient have over the whole picture?

# %%
p_sum, t_sum, both = p_class.sum(), truth.sum(), (p_class * truth).sum()
S = p_sum + t_sum
gradient = 2 * truth / S - 2 * both / S**2
print("p:", p_class, "  t:", truth)
print("dD/dp:", gradient.round(4))

# %% [markdown]
# Two: one for all pixels of the class, one for all others. A pixel's own probability does not enter. It comes back with the softmax, whose derivative is $\partial p_k / \partial
# x_j = p_k([k = j] - p_j)$, where $[k = j]$ is 1 if $k = j$ and 0 otherwise. So a gradient $g$ with respect to $p$ becomes, pixel by pixel,
#
# $$\frac{\partial L}{\partial x_j} = p_j \left( g_j - \sum_k p_k\, g_k \right)$$

# %%
def softmax_backward_numpy(g, p):
    return p * (g - (p * g).sum(axis=1, keepdims=True))


def dice_loss_backward_numpy(grad_output, logits, target, smooth=1.0):
    num_classes = logits.shape[1]
    p = np.exp(log_softmax_numpy(logits))
    t = np.moveaxis(np.eye(num_classes)[target], -1, 1)
    both, p_sum, t_sum = (sums[:, None, None] for sums in three_sums(logits, target))
    above, below = 2 * both + smooth, p_sum + t_sum + smooth
    g = -grad_output / num_classes * (2 * t / below - above / below**2)
    return softmax_backward_numpy(g, p)

# %% [markdown]
# PyTorch has no Dice loss, so we write it down with tensors and let PyTorch find the gradient. Comparing the two checks our derivation.

# %%
def dice_torch(logits, target, smooth=1.0):
    p = logits.softmax(1)
    t = F.one_hot(target, logits.shape[1]).movedim(-1, 1)
    both, p_sum, t_sum = (a.sum((0, 2, 3)) for a in (p * t, p, t))
    return 1 - ((2 * both + smooth) / (p_sum + t_sum + smooth)).mean()


full_target = np.where(z_target == 255, 3, z_target)  # no void
compare.with_torch(
    dice_loss_numpy, z64, full_target, reference=dice_torch,
    backward=lambda g: dice_loss_backward_numpy(g, z64, full_target),
)

# %% [markdown]
# *At home.* The library's `dice_loss` and `jaccard_loss` also take `ignore_index` and `per_image`. Is our Jaccard the library's, and PyTorch's?

# %%
def jaccard_torch(logits, target, smooth=1.0):
    p = logits.softmax(1)
    t = F.one_hot(target, logits.shape[1]).movedim(-1, 1)
    both, either = (a.sum((0, 2, 3)) for a in (p * t, p + t - p * t))
    return 1 - ((both + smooth) / (either + smooth)).mean()


compare.with_torch(jaccard_loss_numpy, z64, full_target, reference=jaccard_torch)

# %%
ours = [f(z64, full_target) for f in (dice_loss_numpy, jaccard_loss_numpy)]
compare.arrays(np.array(ours), np.array([f(z64, full_target) for f in (dice_loss, jaccard_loss)]))

# %% [markdown]
# The factor $p_j$ in front has a consequence. **Predict, then run.** A pixel of the class is thoroughly wrong: its score is −6. Under which loss does it still pull at nearly
# full strength?

# %%
def pull(score):  # on the score of one pixel of the class; all others stay as they are
    of_class = np.where(np.arange(8) == 3, score, scores8)
    two_classes = np.stack([np.zeros(8), of_class])[None, :, None]
    arguments = two_classes, truth8[None, None]
    entropy = cross_entropy_backward_numpy(1.0, *arguments)[0, 1, 0, 3]
    return -entropy, -dice_loss_backward_numpy(1.0, *arguments, smooth=0.0)[0, 1, 0, 3]


pulls = np.array([pull(x) for x in moved])
largest = pulls.max(axis=0)
for x in (-6, -3, 0, 3):
    entropy, dice = pull(x) / largest
    print(f"score {x:2}: cross-entropy {entropy:6.1%} of its largest pull, Dice {dice:6.1%}")

# %% jupyter={"source_hidden": true}
# Figure: how hard one pixel pulls
fig, ax = plt.subplots(figsize=(6.8, 3.5), layout="constrained")
ax.plot(moved, pulls[:, 0] / largest[0], label="cross-entropy")
ax.plot(moved, pulls[:, 1] / largest[1], "--", label="soft Dice")
ax.set(xlabel="score of a pixel that belongs to the class", ylabel="pull, largest = 1")
ax.set_ylim(0, 1.1)
ax.legend(loc="upper right")
figures.show(
    fig,
    alt="How hard one pixel pulls against its score: cross-entropy is near 1 for negative scores "
    "and falls to 0; soft Dice is a bump that is nearly 0 at −6 and at 6.",
)

# %% [markdown]
# Dice lets go of pixels that are hopelessly wrong; cross-entropy pulls hardest just there. nnU-Net, a widely used method for medical images, trains on the sum of both (Isensee
# and others, 2021).

# %% [markdown]
# ## 15 · Lovász: joining the dots
#
# Where all probabilities are 0 or 1, soft Jaccard (without $s$) is IoU; in between, its formula simply goes on. The **Lovász** loss starts from the same values of IoU and joins
# them with straight pieces.
#
# Give IoU's loss to a *set of wrong pixels* $M$. Every wrong pixel of the class is missing from the overlap, every wrong pixel outside enlarges the union. With $B$ the true
# pixels of the class,
#
# $$\Delta(M) = 1 - \text{IoU} = \frac{|M|}{|B \cup M|}$$
#
# **Predict, then run.** Four pixels, the first two of the class. What is $\Delta$ if only pixel 2 (the third) is wrong? If pixels 1 and 2 are?

# %%
def jaccard_loss_of_set(wrong, truth):
    wrong, truth = np.asarray(wrong, bool), np.asarray(truth, bool)
    return wrong.sum() / (truth | wrong).sum()


for wrong in ([0, 0, 1, 0], [0, 1, 1, 0], [0, 1, 1, 1], [1, 1, 1, 1]):
    print(wrong, round(jaccard_loss_of_set(wrong, truth), 4))

# %% [markdown]
# Errors of a network are not 0 or 1 but $d_i = |t_i - p_i|$. So: **sort the errors, the largest first. Let the pixels become wrong in that order, one by one. Each costs its
# error times the growth of $\Delta$.**
#
# $$L = \sum_{k} d_{\pi_k} \left[ \Delta\{\pi_1 \dots \pi_k\} - \Delta\{\pi_1 \dots \pi_{k-1}\} \right], \qquad d_{\pi_1} \ge d_{\pi_2} \ge \dots$$
#
# **Predict, then run.** $p = (0.9, 0.4, 0.7, 0.2)$ and $t = (1, 1, 0, 0)$. Which pixel comes first?

# %%
def lovasz_loops(p, truth):
    errors = [abs(t - q) for t, q in zip(truth, p, strict=True)]
    order = sorted(range(len(p)), key=lambda i: -errors[i])
    wrong, before, loss = np.zeros(len(p), bool), 0.0, 0.0
    for i in order:
        wrong[i] = True
        after = jaccard_loss_of_set(wrong, truth)
        loss += errors[i] * (after - before)
        print(f"pixel {i}: error {errors[i]:.1f}, Δ grows from {before:.4f} to {after:.4f}")
        before = after
    return loss


print("loss:", round(lovasz_loops(p_class, truth), 4))

# %% jupyter={"source_hidden": true}
# Figure: the loss as the area under the sorted errors
errors = np.abs(truth - p_class)
order = np.argsort(-errors)
ends = [jaccard_loss_of_set(np.isin(np.arange(4), order[: k + 1]), truth) for k in range(4)]
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for k, i in enumerate(order):
    start = ends[k - 1] if k else 0.0
    kind = "#0072B2" if truth[i] else "#E69F00"
    ax.bar(start, errors[i], ends[k] - start, align="edge", color=kind, edgecolor="white")
    ax.text(start + 0.01, errors[i] + 0.015, f"pixel {i}", ha="left", va="bottom")
ax.bar(0, 0, color="#0072B2", label="of the class")
ax.bar(0, 0, color="#E69F00", label="not of the class")
ax.set(xlabel="Δ, the Jaccard loss of the pixels so far", ylabel="error")
ax.set(xlim=(0, 1), ylim=(0, 0.85))
ticks = [0, *ends]
ax.set_xticks(ticks, [f"{end:.2f}" for end in ticks])
ax.legend()
figures.show(
    fig,
    alt="Four bars in order of falling error: pixels 2, 1, 3, 0 with heights 0.7, 0.6, 0.2 and 0.1 "
    "and widths 0.33, 0.33, 0.08 and 0.25. Their area is the loss.",
)

# %% [markdown]
# The loss is the area of the bars. Now the claim: if every error is 0 or 1, it *is* $1 - \text{IoU}$. There are 16 ways to be wrong on four pixels; try them all. A sort and a
# running sum replace the loop.

# %%
def jaccard_steps_numpy(truth):  # truth in the order of falling errors
    wrong = np.arange(1, len(truth) + 1)
    union = truth.sum() + np.cumsum(1 - truth)  # true pixels, and the wrong ones outside
    return np.diff(wrong / union, prepend=0.0)


def lovasz_numpy(p, truth):
    errors = np.abs(truth - p)
    order = np.argsort(-errors, kind="stable")
    return errors[order] @ jaccard_steps_numpy(truth[order])


print("our example:", lovasz_numpy(p_class, truth).round(4))
all_sets = [np.array(bits) for bits in np.ndindex(2, 2, 2, 2)]
exact = [jaccard_loss_of_set(wrong, truth) for wrong in all_sets]
extended = [lovasz_numpy(np.abs(truth - wrong), truth) for wrong in all_sets]
compare.arrays(np.array(extended), np.array(exact))

# %% [markdown]
# In between it is linear, one piece for each order of the errors: the **Lovász extension** of $\Delta$ (Lovász, 1983; as a loss, Berman and others, 2018). With two pixels
# it can be drawn.

# %% jupyter={"source_hidden": true}
# Figure: the Lovász extension over the errors of two pixels
grid = np.linspace(0, 1, 61)
pair = np.array([1, 0])  # pixel 0 of the class, pixel 1 not
surface = [[lovasz_numpy(np.abs(pair - np.array([a, b])), pair) for a in grid] for b in grid]
fig, ax = plt.subplots(figsize=(5.2, 4.2), layout="constrained")
drawn = ax.contourf(grid, grid, surface, levels=np.linspace(0, 1, 11), cmap="cividis")
ax.plot([0, 1], [0, 1], color="white", linestyle=":")
for a, b in np.ndindex(2, 2):
    ax.annotate(
        f"Δ = {jaccard_loss_of_set([a, b], pair):g}", (a, b), (10 - 20 * a, 14 - 28 * b),
        textcoords="offset points", ha="right" if a else "left", va="center",
        bbox=dict(facecolor="white", edgecolor="none", pad=2.5),
    )
ax.set(xlabel="error of a pixel of the class", ylabel="error of a pixel outside")
fig.colorbar(drawn, label="Lovász loss")
figures.show(
    fig,
    alt="Contours of the Lovász loss over two errors: 0 where both are 0, 1 where the class pixel "
    "is wrong, 0.5 where only the other is, straight lines between, a kink on the diagonal.",
)

# %% [markdown]
# The corners are IoU's own values. The lines are straight on each side of the diagonal, where the order changes.
#
# Soft Jaccard has the same four corners. **Predict, then run.** The pixel of the class is right, the one outside half wrong. Half of its $\Delta = 0.5$ is 0.25. Which of the two
# losses says 0.25?

# %%
def soft_jaccard_of_errors(errors, truth):
    p = np.abs(truth - errors)
    return 1 - (p * truth).sum() / (p + truth - p * truth).sum()


one_of_two = np.array([1, 0])
for error in (0, 0.25, 0.5, 0.75, 1):
    p = np.array([1, error])
    soft = soft_jaccard_of_errors(np.array([0, error]), one_of_two)
    print(f"error {error:<4}  Lovász {lovasz_numpy(p, one_of_two):.3f}   soft Jaccard {soft:.3f}")

# %% [markdown]
# Lovász goes up in a straight line; soft Jaccard bulges above it. The Lovász loss is **convex** in the errors (Berman and others, 2018): between two of its points it never bulges
# above the straight line that joins them.

# %% [markdown]
# For a network: softmax first, one such loss for every class present in the labels, then the mean. The gradient needs no more work: as long as the order stays, the loss is
# linear in the errors, and its slopes are the steps of $\Delta$.

# %%
def lovasz_softmax_numpy(logits, target):
    p = np.moveaxis(np.exp(log_softmax_numpy(logits)), 1, 0).reshape(logits.shape[1], -1)
    present = np.unique(target)
    losses = [lovasz_numpy(p[j], (target == j).ravel().astype(float)) for j in present]
    return np.mean(losses)


def lovasz_softmax_backward_numpy(grad_output, logits, target):
    p = np.exp(log_softmax_numpy(logits))
    g, present = np.zeros_like(p), np.unique(target)
    for j in present:
        truth = (target == j).astype(float)
        order = np.argsort(-np.abs(truth - p[:, j]), axis=None, kind="stable")
        slopes = np.empty(truth.size)
        slopes[order] = jaccard_steps_numpy(truth.ravel()[order])
        g[:, j] = np.where(truth == 1, -1, 1) * slopes.reshape(truth.shape) / len(present)
    return grad_output * softmax_backward_numpy(g, p)

# %% [markdown]
# *At home.* PyTorch has no Lovász loss either. Again tensors, again PyTorch's own gradient.

# %%
def lovasz_torch(logits, target):
    p, losses = logits.softmax(1), []
    for j in target.unique():
        truth = (target == j).to(p.dtype).flatten()
        errors, order = (truth - p[:, j].flatten()).abs().sort(descending=True)
        union = truth.sum() + (1 - truth[order]).cumsum(0)
        delta = torch.arange(1, len(truth) + 1) / union
        losses.append((errors * delta.diff(prepend=delta.new_zeros(1))).sum())
    return torch.stack(losses).mean()


compare.with_torch(
    lovasz_softmax_numpy, z64, full_target, reference=lovasz_torch,
    backward=lambda g: lovasz_softmax_backward_numpy(g, z64, full_target),
)

# %% [markdown]
# The library's version also leaves void out and lets you choose the classes.

# %%
compare.arrays(lovasz_softmax_numpy(z64, full_target), lovasz_softmax(z64, full_target))

# %% [markdown]
# ## 16 · A rare class under four losses
#
# Now the same small model under each loss. Task: find one rare class in drawn streets, everything else is "other". From each pixel come 33 numbers: colour, place, products of
# these, mean colours around it, and how far it differs from them. One matrix makes two scores of them.
#
# Two rare classes. **Signs** have colours of their own. **Poles** are grey and thin like much else: from these 33 numbers they can hardly be told.

# %%
def pixel_features(image):
    x = as_chw(image, np.float64)
    means = []
    for k in (3, 9):
        padded = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2)), mode="edge")
        means += [*avg_pool2d(padded, k, stride=1)]
    differences = np.abs(np.array(means) - np.concatenate([x, x]))
    return np.concatenate([colour_and_place(image), means, differences])


def streets_with(rare, seeds):
    scenes = [street(seed, size=(48, 72)) for seed in seeds]
    inputs = np.concatenate([pixel_features(s.image).reshape(33, -1) for s in scenes], axis=1)
    is_rare = np.concatenate([(s.labels == s.classes.index(rare)).ravel() for s in scenes])
    return inputs, is_rare.astype(np.int64)

# %% [markdown]
# Losses have gradients of different size. To be fair, every step gets the same length, whatever the loss, with some momentum, and steps shrink towards the end.

# %%
def train(loss_with_gradient, inputs, target, steps=80):
    matrix = np.zeros((2, len(inputs)))
    velocity = np.zeros_like(matrix)
    for step in range(1, steps + 1):
        logits = np.einsum("jk,kn->jn", matrix, inputs)
        _, gradient = loss_with_gradient(logits[None], target[None])
        gradient = np.einsum("jn,kn->jk", gradient[0], inputs)
        velocity = 0.9 * velocity + gradient / np.linalg.norm(gradient)
        matrix -= 0.2 * (1 - step / steps) * velocity
    return matrix


def found_right_iou(called, target):
    rare = target == 1
    both = (called & rare).sum()
    return both / rare.sum(), both / max(1, called.sum()), both / (called | rare).sum()

# %% [markdown]
# *Found* (recall): which share of the class's pixels was found. *Right* (precision): which share of the pixels called so are it. Lecture 07 has more of these. Weights are those of section 6: with two classes, median over
# frequency. Each loss is trained on four streets and tested on four others; three such draws.
#
# **Predict, then run.** Poles: which loss finds fewest, which calls far too much a pole?

# %%
def four_streets_and_four_others(rare, draw):
    inputs, target = streets_with(rare, range(100 * draw, 100 * draw + 4))
    test_inputs, test_target = streets_with(rare, range(100 * draw + 50, 100 * draw + 54))
    middle, spread = inputs.mean(axis=1)[:, None], inputs.std(axis=1)[:, None]
    middle[0], spread[0] = 0, 1  # the constant stays as it is
    return (inputs - middle) / spread, target, (test_inputs - middle) / spread, test_target


def train_under_each_loss(inputs, target):
    share = np.bincount(target) / len(target)
    weight = np.median(share) / share
    losses = {
        "cross-entropy": cross_entropy_with_gradient,
        "weighted cross-entropy": lambda x, t: cross_entropy_with_gradient(x, t, weight=weight),
        "soft Dice": dice_loss_with_gradient,
        "Lovász": lovasz_softmax_with_gradient,
    }
    matrices = {name: train(loss, inputs, target) for name, loss in losses.items()}
    return {name: rows[1] - rows[0] for name, rows in matrices.items()}  # rare minus other

# %%
draws = range(3)
keys = [(rare, d) for rare in ("sign", "pole") for d in draws]
sets = {key: four_streets_and_four_others(*key) for key in keys}
models = {key: train_under_each_loss(*values[:2]) for key, values in sets.items()}


def on_test_streets(rare, name):
    rows = []
    for d in draws:
        _, _, test_inputs, test_target = sets[rare, d]
        rows.append(found_right_iou(models[rare, d][name] @ test_inputs > 0, test_target))
    return np.array(rows)

# %%
for rare in ("sign", "pole"):
    share = np.mean([sets[rare, d][1].mean() for d in draws])
    print(f"{rare}: {share:.1%} of the training pixels; mean ± spread of")
    print("                          found         right         IoU")
    for name in models[rare, 0]:
        table = on_test_streets(rare, name)
        cells = zip(table.mean(axis=0), table.std(axis=0, ddof=1), strict=True)
        print(f"  {name:22}", "   ".join(f"{mean:.2f} ± {std:.2f}" for mean, std in cells))

# %% jupyter={"source_hidden": true}
# Figure: found and right under each loss
fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.9), sharey=True, layout="constrained")
for ax, rare in zip(axes, ("sign", "pole"), strict=True):
    for name, mark in zip(models[rare, 0], ("o", "s", "^", "D"), strict=True):
        found, right, _ = on_test_streets(rare, name).T
        ax.plot(found, right, mark, markersize=9, label=name, alpha=0.85)
    ax.set(title=rare, xlabel="found (recall)", xlim=(-0.02, 1.02), ylim=(-0.02, 1.05))
axes[0].set_ylabel("right (precision)")
fig.get_layout_engine().set(wspace=0.06)
handles, names = axes[0].get_legend_handles_labels()
fig.legend(handles, names, loc="outside lower center", ncols=4)
figures.show(
    fig,
    alt="Right against found for three draws. Signs: weighted cross-entropy lies low, the other "
    "losses lie high. Poles: cross-entropy lies at the left, Dice and Lovász further right and "
    "lower, weighted cross-entropy at the lower right.",
)

# %% [markdown]
# Read the table honestly.
#
# * *Signs*: plain cross-entropy finds them as well as Dice and Lovász do, although they are under 1 % of the pixels. Rare is not the same as hard.
# * *Poles*: where the inputs do not tell the classes apart, cross-entropy bets on the common class and finds few. Dice and Lovász find some, at the price of false ones.
# * *Weights* find the most and are right the least: they ask for found pixels, and get them.
# * No loss makes poles well visible to this model. That takes better inputs, which is what networks are for.
#
# Three draws are few, and the spread between draws is larger than many differences between losses.

# %% [markdown]
# One more competitor costs nothing: keep plain cross-entropy, and lower the **threshold**: so far a pixel was called rare where the score of the rare
# class was the larger one. Now let it be rare where the difference exceeds some negative number, chosen on the training streets, by IoU.
#
# **Predict, then run.** Does that reach the IoU of Dice and Lovász on poles?

# %%
thresholds = np.linspace(-4, 1, 26)
for rare in ("sign", "pole"):
    rows = []
    for d in draws:
        inputs, target, test_inputs, test_target = sets[rare, d]
        row = models[rare, d]["cross-entropy"]
        margin = row @ inputs  # score of the rare class minus that of the other
        chosen = max(thresholds, key=lambda h: found_right_iou(margin > h, target)[2])
        rows.append([chosen, *found_right_iou(row @ test_inputs > chosen, test_target)])
    chosen, found, right, overlap = np.mean(rows, axis=0)
    print(f"{rare}: threshold {chosen:.1f}   found {found:.2f}   right {right:.2f}", end="")
    print(f"   IoU {overlap:.2f}")

# %% [markdown]
# It does. On signs, where plain cross-entropy had found most, there was nothing to gain: 0.55 against 0.60. Try a threshold before you change the loss.

# %% [markdown]
# ## 17 · Try it yourself (at home)
#
# Three scores of one pixel and its truth. Watch probabilities, loss and gradient. Make it sure and right, then sure and wrong.

# %% tags=["nbval-ignore-output"]
import ipywidgets


def explore(x0=1.8, x1=1.1, x2=0.0, truth=0):
    log_p = log_softmax_numpy(np.array([[x0, x1, x2]]))[0]
    values = [np.exp(log_p), np.exp(log_p) - np.eye(3)[truth]]
    fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.0), layout="constrained")
    titles = [f"p, loss {-log_p[truth]:.2f}", "gradient p − t"]
    for ax, bars, title, low in zip(axes, values, titles, (0, -1.35), strict=True):
        colours = ["#0072B2" if k == truth else "#999999" for k in range(3)]
        drawn = ax.bar(range(3), bars, color=colours)
        ax.bar_label(drawn, [f"{b:.2f}".replace("-", "−") for b in bars], padding=2)
        ax.axhline(0, color="#444444", linewidth=1)
        ax.set(title=title, xlabel="class", xticks=range(3), ylim=(low, 1.35))
    p0, p1, p2 = values[0]
    figures.show(fig, alt=f"Probabilities {p0:.2f}, {p1:.2f}, {p2:.2f}, and their gradient.")


ipywidgets.interact(explore, x0=(-5.0, 5.0), x1=(-5.0, 5.0), x2=(-5.0, 5.0), truth=(0, 2));

# %% [markdown]
# A still picture, for readers without a running kernel: sure and wrong.

# %% jupyter={"source_hidden": true}
# Figure: sure and wrong
explore(x0=-2.0, x1=4.0, x2=0.0, truth=0)

# %% [markdown]
# ## Common mistakes
#
# * **Void trained as class 0**, or as one more class. Use `ignore_index`, in the loss and in the metric.
# * **Softmax before a loss that takes logits.** No error is raised, and the loss cannot come near 0.
# * **`np.log(softmax(x))`.** Infinite or NaN for large scores. Use log-sum-exp.
# * **Softmax over the wrong axis.** Classes are axis 1 of N×C×H×W.
# * **Dividing a weighted loss by the number of pixels.** The mean divides by the sum of the weights.
# * **Weights counted on all pictures, test included.** They belong to the training set.
# * **Dice on the predicted labels.** `argmax` has no gradient; the sums need probabilities.
# * **Dice for an absent class without `smooth`**: its loss is 1, whatever the network does.
# * **Judging by the loss.** Losses of different kinds cannot be compared; lecture 07 has the metrics.

# %% [markdown]
# ## Summary
#
# * Cross-entropy is minus the logarithm of the true class's probability, averaged over the pixels that have a label.
# * $\log p_j = (x_j - m) - \log \sum_k e^{x_k - m}$ with $m$ the largest score never overflows.
# * Its gradient is $p - t$, divided by the number of pixels (or the sum of weights); void gets 0.
# * Every pixel has the same say; class weights change that: median-frequency weights are median over frequency.
# * IoU is made of steps. Soft Dice and soft Jaccard put probabilities into its sums; Lovász joins its values by straight pieces.
# * A rare class that can be told apart is found under every loss here. One that cannot is traded: found against right.

# %% [markdown]
# ## Exercises
#
# 1. Scores (0, 0, 0, 0). Loss and gradient for truth 3?
# 2. Two classes with scores $x_0$, $x_1$. Show that $p_1$ depends on $x_1 - x_0$ only. What is the name of that function?
# 3. A picture that is all void. What does the mean give, in our function and in PyTorch? What should a training loop do about it?
# 4. Derive the gradient of soft Jaccard with respect to $p_i$, program it, and check it with `compare.with_finite_differences`.
# 5. A constant network gives every pixel the same probabilities. Which are best under cross-entropy, if 70 % of the pixels are class 0 and 30 % class 1? And with weights 3/7
#    and 1?
# 6. Lovász: labels (1, 0, 0), probabilities (0.5, 0.8, 0.1). By hand, then with `lovasz_numpy`.
# 7. Run section 16 for `"car"` in place of `"sign"`, and print `on_test_streets("car", name)[:, 2]`. Does the same loss reach the largest IoU in each draw?
#
# <details><summary>Answers</summary>
#
# 1. $\log 4 = 1.386$; gradient (0.25, 0.25, 0.25, −0.75).
# 2. $p_1 = e^{x_1}/(e^{x_0} + e^{x_1}) = 1/(1 + e^{-(x_1 - x_0)})$, the logistic sigmoid. Section 13 uses it.
# 3. NaN in both: a mean of nothing. Skip the picture; otherwise one NaN spoils every weight.
# 4. With $U = \sum p + \sum t - I + s$: $\partial J/\partial p_i = t_i / U - (1 - t_i)(I + s)/U^2$.
#    The loss of $C$ classes takes $-1/C$ of it, then the softmax step of section 14.
# 5. (0.7, 0.3), the shares themselves: there the mean of $p - t$ is 0. With the weights, (0.5, 0.5).
# 6. Errors 0.5, 0.8, 0.1. Order: pixel 1, 0, 2. $\Delta$: 1/2, 2/2, 3/3. Loss $0.8 \cdot 0.5 + 0.5 \cdot 0.5 + 0.1 \cdot 0 = 0.65$.
# 7. No. We got the largest IoU with soft Dice in draw 0, and with Lovász, 0.03 or less above plain cross-entropy, in draws 1 and 2.
#
# </details>
#
# ## Sources
#
# * J. Long, E. Shelhamer, T. Darrell, *Fully convolutional networks for semantic segmentation*, CVPR 2015 (loss pixel by pixel).
# * D. Eigen, R. Fergus, *Predicting depth, surface normals and semantic labels with a common multi-scale convolutional architecture*, ICCV 2015 (median-frequency balancing).
# * V. Badrinarayanan, A. Kendall, R. Cipolla, *SegNet: a deep convolutional encoder-decoder architecture for image segmentation*, PAMI 2017; class weights: `segnet_train.prototxt` of github.com/alexgkendall/SegNet-Tutorial.
# * G. J. Brostow, J. Fauqueur, R. Cipolla, *Semantic object classes in video: a high-definition ground truth database*, Pattern Recognition Letters 2009 (CamVid).
# * C. Szegedy et al., *Rethinking the Inception architecture for computer vision*, CVPR 2016 (label smoothing).
# * F. Milletari, N. Navab, S.-A. Ahmadi, *V-Net*, 3DV 2016; C. H. Sudre et al., *Generalised Dice overlap as a deep learning loss function*, DLMIA 2017 (soft Dice).
# * M. A. Rahman, Y. Wang, *Optimizing intersection-over-union in deep neural networks for image segmentation*, ISVC 2016 (soft Jaccard).
# * L. Lovász, *Submodular functions and convexity*, Mathematical Programming: The State of the Art, 1983.
# * M. Berman, A. Rannen Triki, M. B. Blaschko, *The Lovász-Softmax loss: a tractable surrogate for the optimization of the intersection-over-union measure in neural networks*, CVPR 2018.
# * F. Isensee et al., *nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation*, Nature Methods 2021.
# * PyTorch documentation, `torch.nn.functional.cross_entropy`.

# %% [markdown]
# # Lecture 07 · Metrics
#
# A network has labelled every pixel. How good is its answer? Everybody wants one number, and there are many ways to make one. This lecture builds the usual ones, and shows how far
# apart they lie for one and the same answer.
#
# After this lecture you can
#
# 1. compute accuracy, top-1 and top-5 accuracy,
# 2. compute IoU (Jaccard), Dice and cosine of two masks, turn one into another, and say how IoU of boxes differs from IoU of masks,
# 3. build a confusion matrix by loops and without, and read true positives, false positives and false negatives from it,
# 4. compute pixel accuracy, mean accuracy, mean IoU and frequency-weighted IoU from it,
# 5. treat void pixels, absent classes and several images on purpose, and say which convention a number was made with.
#
# About 75 minutes without the parts marked *at home*, and 10 more for section 9 after lecture 08; a good place for a break is after section 5. You need lecture 00 (label maps, one-hot vectors) and some NumPy.

# %%
import itertools

import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, figures, numpy_ops as ops
from segedu.data.polygons import photograph_masks
from segedu.data.synthetic import street

figures.use_style()
rng = np.random.default_rng(7)

# %% [markdown]
# A label map is an array of rows × columns that holds a class number for each pixel. **Target** is what people have labelled, **prediction** what a program says.

# %% [markdown]
# ## 1 · Right pixels are not enough
#
# The plainest measure is **accuracy**: the share of pixels that are right. Below, two predictions for one street. The first one *overlooks everything small*: cars, people, poles
# and signs got the label of the nearest other pixel. The second one *is three pixels off*, down and to the right.
#
# **Predict, then run.** Which one would you trust to drive? Which one has the higher accuracy?

# %%
from skimage.segmentation import expand_labels

scene = street(seed=4, size=(256, 384))
target = scene.labels
small_classes = ("car", "pedestrian", "pole", "sign")
small = np.isin(target, [scene.classes.index(name) for name in small_classes])
# the small things become holes, and each hole takes the nearest label
overlooked = expand_labels(np.where(small, 0, target + 1), distance=200) - 1
three_off = np.pad(target, ((3, 0), (3, 0)), mode="edge")[:-3, :-3]

two_predictions = {"small things overlooked": overlooked, "three pixels off": three_off}
for name, prediction in two_predictions.items():
    print(f"{name:24} accuracy {(prediction == target).mean():.1%}")

# %% jupyter={"source_hidden": true}
# Figure: a street, its labels, two predictions and their errors
rows = []
for truth_or_image, (name, prediction) in zip(
    ((scene.image, "image"), (figures.colourise(target, scene.palette), "target")),
    two_predictions.items(), strict=True,
):
    rows.append(truth_or_image)
    rows.append((figures.colourise(prediction, scene.palette), name))
    rows.append((figures.error_map(prediction, target), "wrong pixels"))
fig = figures.images_row(*zip(*rows, strict=True), columns=3, height=1.9)
figures.label_legend(fig, scene.classes, scene.palette)
figures.show(
    fig,
    alt="A drawn street and its label map. One prediction without cars, people, poles and signs, "
    "wrong exactly there; another with everything, wrong along all outlines.",
    dpi=90,
)

# %% [markdown]
# Accuracy prefers the prediction that sees no car and no person, because small things have few pixels. We need measures that ask class by class; in section 7 they judge the same two predictions.

# %% [markdown]
# ## 2 · Accuracy, top-1 and top-5
#
# First a step back, to whole pictures with one class each. A classifier gives a score for each class. If its highest score belongs to the true class, the picture is **top-1** right. If
# the true class is among the five highest, it is **top-5** right. The ImageNet challenge counted top-5, because a picture may show several things and has only one label.
#
# $$\text{top-}k = \frac{\text{pictures whose true class is among the } k \text{ highest scores}}{\text{pictures}}$$
#
# Four pictures, seven classes; the score of the true class is framed.

# %%
scores = np.array(
    [[9, 1, 4, 2, 0, 3, 5],
     [6, 2, 8, 7, 1, 0, 3],
     [5, 4, 3, 2, 1, 7, 6],
     [0, 9, 2, 8, 3, 4, 1]], dtype=np.float64)
truth = np.array([0, 3, 4, 2])

# %% jupyter={"source_hidden": true}
# Figure: scores of four pictures
fig, ax = plt.subplots(figsize=(6, 3.3))
framed = [(n, int(t), 1, 1, "#D55E00") for n, t in enumerate(truth)]
figures.draw_array(ax, scores, highlight=framed)
ax.set_xticks(range(7), [f"class {c}" for c in range(7)], fontsize=11)
ax.set_yticks(range(4), [f"picture {n}" for n in range(4)])
ax.xaxis.tick_top()
ax.tick_params(length=0)
figures.show(
    fig,
    alt="Scores of four pictures for seven classes. The framed scores of the true classes are 9, "
    "7, 1 and 2; in their rows they are the first, second, sixth and fifth highest.",
)

# %% [markdown]
# **By hand, then run.** How large are top-1 and top-5?

# %%
def top_k_loops(scores, truth, k):
    hits = 0
    for s, t in zip(scores, truth, strict=True):
        ranking = sorted(range(len(s)), key=lambda c: -s[c])  # highest first
        hits += t in ranking[:k]
    return hits / len(truth)


print("top-1:", top_k_loops(scores, truth, k=1), "  top-5:", top_k_loops(scores, truth, k=5))

# %% [markdown]
# With whole arrays nothing needs sorting. A true class is among the $k$ highest if fewer than $k$ scores are *ahead* of it.
#
# PyTorch has `topk`, which returns the $k$ highest scores and their positions. From it we write a reference.

# %%
import torch.nn.functional as F


def top_k_numpy(scores, truth, k):
    own = np.take_along_axis(scores, truth[:, None], axis=1)
    return ((scores > own).sum(axis=1) < k).mean()


def torch_top_k(scores, truth, k):
    return (scores.topk(k, dim=1).indices == truth[:, None]).any(1).double().mean()


many_scores, many_truths = rng.standard_normal((500, 20)), rng.integers(0, 20, 500)
compare.with_torch(top_k_numpy, many_scores, many_truths, k=5, reference=torch_top_k)

# %% [markdown]
# In segmentation each pixel is a picture of its own, and top-1 is the accuracy of section 1. The scores are then an array of classes × rows × columns, C×H×W as in PyTorch.
#
# For a real photograph we take the simplest segmenter of lecture 00: a pixel's score for a class is high if its colour is near to the mean colour of that class. (The mean colours
# come from the target itself; that is cheating, but we only need a prediction with honest errors.)

# %%
coffee = photograph_masks("coffee")
pixels = coffee.image / 255
means = [pixels[coffee.semantic == c].mean(axis=0) for c in range(len(coffee.classes))]
score_maps = np.stack([-((pixels - mean) ** 2).sum(axis=2) for mean in means])
coffee_prediction = score_maps.argmax(axis=0)
print("scores:", score_maps.shape, "  labels:", coffee_prediction.shape)

# %% jupyter={"source_hidden": true}
# Figure: photograph, target and prediction
colours = [figures.colourise(m, coffee.palette) for m in (coffee.semantic, coffee_prediction)]
fig = figures.images_row([coffee.image, *colours], ["photograph", "target", "prediction"])
figures.label_legend(fig, coffee.classes, coffee.palette)
figures.show(
    fig,
    alt="A cup of coffee on a saucer; its label map with six classes; the prediction by colour, in "
    "which the table is speckled with other classes and the lower cup is taken for floor.",
    dpi=80,
)

# %% [markdown]
# **Predict, then run.** There are six classes. How large is top-6? Is top-5 nearer to 60 % or to 100 %?

# %%
per_pixel = score_maps.reshape(6, -1).T
for k in (1, 2, 3, 5, 6):
    print(f"top-{k}: {top_k_numpy(per_pixel, coffee.semantic.ravel(), k):.1%}", end="   ")
print()
ours = top_k_numpy(per_pixel, coffee.semantic.ravel(), k=5)
compare.arrays(ours, ops.top_k_accuracy(score_maps[None], coffee.semantic[None], k=5))

# %% [markdown]
# With as many tries as classes everybody is right. Among ImageNet's thousand classes top-5 says something, among six hardly anything.
#
# *At home: equal scores.* When two scores are equal, which one is ahead? `topk` does not promise an order; the library's `top_k_accuracy` lets the lower class number win, as `argmax`
# does. Our `top_k_numpy` lets *every* equal one count as right.
#
# **Predict, then run.** All scores are 0. What is top-1 of each function?

# %%
flat, labels = np.zeros((4, 7)), np.array([0, 1, 2, 3])
print("ours: ", top_k_numpy(flat, labels, k=1))
print("loops:", top_k_loops(flat, labels, k=1))
print("library:", ops.top_k_accuracy(flat, labels, k=1))

# %% [markdown]
# A network that says nothing would be perfect by ours. Test metrics with ties, too.

# %% [markdown]
# ## 3 · One class at a time
#
# Back to label maps. Look at one class only, say *tree*: the prediction is a mask, the target is a mask. Each pixel then is one of four:
#
# | | predicted: tree | predicted: no tree |
# |---|---|---|
# | **target: tree** | TP, true positive | FN, false negative: missed |
# | **target: no tree** | FP, false positive: invented | TN, true negative |

# %%
toy_target = np.array(
    [[0, 0, 0, 0, 0, 0],
     [0, 0, 0, 1, 1, 0],
     [2, 2, 0, 1, 1, 0],
     [2, 2, 2, 1, 1, 2]])
toy_prediction = np.array(
    [[0, 0, 0, 0, 0, 0],
     [0, 0, 1, 1, 0, 0],
     [2, 2, 1, 1, 0, 0],
     [2, 2, 1, 1, 2, 0]])
names = ("sky", "tree", "house")
palette = figures.class_palette(3)

# %% jupyter={"source_hidden": true}
# Figure: prediction and target of a toy label map
fig = figures.arrays_row(
    [toy_prediction, toy_target], ["prediction", "target"], palette=palette, cell=0.5
)
figures.label_legend(fig, names, palette)
figures.show(
    fig,
    alt="Two label maps of four rows and six columns with sky above, a tree of two columns and a "
    "house around it. In the prediction the tree stands one column further left.",
)

# %% [markdown]
# **By hand, then run.** How many pixels of *tree* are TP, FP, FN, TN?

# %%
tree_predicted, tree_true = toy_prediction == 1, toy_target == 1  # two masks


def four_counts_loops(prediction, target, c):
    tp = fp = fn = tn = 0
    for row, column in np.ndindex(*target.shape):
        predicted, true = prediction[row, column] == c, target[row, column] == c
        tp += predicted and true
        fp += predicted and not true
        fn += true and not predicted
        tn += not predicted and not true
    return tp, fp, fn, tn


for c, name in enumerate(names):
    tp, fp, fn, tn = map(int, four_counts_loops(toy_prediction, toy_target, c))
    print(f"{name:6} TP {tp:2}   FP {fp}   FN {fn}   TN {tn:2}")

# %% jupyter={"source_hidden": true}
# Figure: one class of prediction and target side by side
BLUE, VERMILLION, YELLOW = figures.OKABE_ITO[[5, 6, 4]]
outcomes = np.array([(225, 225, 225), VERMILLION, YELLOW, BLUE])  # TN, FP, FN, TP


def outcome(predicted, true):
    return predicted + 2 * true


fig = figures.arrays_row(
    [4 * tree_predicted, 4 * tree_true, outcome(tree_predicted, tree_true)],
    ["prediction: tree", "target: tree", "both"],
    palette=np.vstack([outcomes, [[40] * 3]]), numbers=False, cell=0.5,
)
figures.label_legend(fig, ("TN", "FP", "FN", "TP"), outcomes)
figures.show(
    fig,
    alt="The mask of the tree in the prediction, in the target, and both together: three pixels "
    "of TP in the middle, three of FP left of them, three of FN right of them.",
)

# %% [markdown]
# The measure that has become usual is **intersection over union**, IoU: pixels that are in both masks, divided by pixels that are in at least one. It is also called the **Jaccard
# index**. With $A$ the predicted and $B$ the true mask, and bars for "number of pixels",
#
# $$J(A, B) = \frac{|A \cap B|}{|A \cup B|} = \frac{\text{TP}}{\text{TP} + \text{FP} + \text{FN}}$$
#
# **By hand, then run.** What is the IoU of tree?

# %%
def iou_loops(prediction, target, c):
    tp, fp, fn, _ = four_counts_loops(prediction, target, c)
    return tp / (tp + fp + fn)


def iou_numpy(a, b):
    return (a & b).sum() / (a | b).sum()


for c, name in enumerate(names):
    print(f"IoU of {name}: {iou_loops(toy_prediction, toy_target, c):.4f}")
compare.arrays(iou_numpy(tree_predicted, tree_true), iou_loops(toy_prediction, toy_target, 1))

# %% [markdown]
# PyTorch has no such function. scikit-learn has, under the name `jaccard_score`; it wants flat arrays, the *truth first*.

# %%
import sklearn.metrics

cup = coffee.classes.index("cup")
cup_predicted, cup_true = coffee_prediction == cup, coffee.semantic == cup
theirs = sklearn.metrics.jaccard_score(cup_true.ravel(), cup_predicted.ravel())
compare.arrays(iou_numpy(cup_predicted, cup_true), theirs, name="IoU of the cup")

# %% jupyter={"source_hidden": true}
# Figure: the cup in prediction and target
fig = figures.images_row(
    [coffee.image, cup_predicted, cup_true, outcomes[outcome(cup_predicted, cup_true)]],
    ["photograph", "prediction: cup", "target: cup", "both"], columns=2, height=2.1,
)
figures.label_legend(fig, ("TN", "FP", "FN", "TP"), outcomes)
figures.show(
    fig,
    alt="A cup of coffee. Prediction of the class cup: part of the cup and much of the table. "
    "Target: the cup. Together: table in vermillion, part of the cup in yellow, the rest in blue.",
    dpi=80,
)

# %% [markdown]
# **Why is TN left out?** We put the tree into more and more sky, which both label maps call sky.
#
# **Predict, then run.** The errors stay the same. What happens to the accuracy of "tree or not"? To the IoU?

# %%
for frame in (0, 2, 10, 50):
    a, b = np.pad(tree_predicted, frame), np.pad(tree_true, frame)
    print(f"{a.size:6} pixels   accuracy {(a == b).mean():.4f}   IoU {iou_numpy(a, b):.4f}")

# %% [markdown]
# Half of the tree is missed, and the accuracy goes to 1, because all that sky is right. IoU looks only where one of the two sees a tree.

# %% [markdown]
# ## 4 · IoU of boxes, IoU of masks
#
# Detection compares boxes instead of masks, with the same formula: area of the intersection divided by the area of the union. No pixel needs to be counted. A box is written as (left, top,
# right, bottom) here, as torchvision does; lecture 00 had the rows first: (top, left, bottom, right).
#
# Two boxes $A$ and $B$ meet in a box again. Its left edge is the larger of the two left edges, its right edge the smaller of the two right ones. With $w$ and $h$ for its width and height,
#
# $$w = \min(\text{right}_A, \text{right}_B) - \max(\text{left}_A, \text{left}_B), \qquad h = \min(\text{bottom}_A, \text{bottom}_B) - \max(\text{top}_A, \text{top}_B)$$
#
# $$|A \cap B| = w \cdot h \qquad\qquad |A \cup B| = |A| + |B| - |A \cap B|$$
#
# **By hand, then run.** The boxes round the toy trees are (2, 1, 4, 4) and (3, 1, 5, 4). What is their IoU?

# %%
def box_iou_numpy(a, b):
    left, top = np.maximum(a[:2], b[:2])
    right, bottom = np.minimum(a[2:], b[2:])
    both = max(right - left, 0) * max(bottom - top, 0)
    area_a, area_b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return both / (area_a + area_b - both)


first, second = np.array([2, 1, 4, 4]), np.array([3, 1, 5, 4])  # the toy trees
print(f"IoU of the two boxes: {box_iou_numpy(first, second):.4f}")

# %% [markdown]
# Why the two `max(…, 0)`? **Predict, then run.** Two boxes lie far apart, one above left, one below right. What is $w$, what is $h$, what is their product?

# %%
apart = np.array([[0, 0, 4, 4], [6, 7, 9, 9]])
w, h = np.minimum(*apart[:, 2:]) - np.maximum(*apart[:, :2])
print(f"w = {w}, h = {h}, w · h = {w * h};  IoU with max: {box_iou_numpy(*apart)}")

# %% [markdown]
# Two negative lengths make a positive area. Without `max`, boxes that never meet would overlap.
#
# *At home.* Are we right? Paint each box as a mask and count pixels. The library's `box_iou` takes two *lists* of boxes and returns a table of all pairs.

# %%
def painted(box, size=32):
    mask = np.zeros((size, size), bool)
    left, top, right, bottom = box
    mask[top:bottom, left:right] = True
    return mask


edges = np.sort(rng.integers(0, 32, (2, 6, 2, 2)), axis=2)  # two lists, six boxes
boxes_a, boxes_b = edges.reshape(2, 6, 4) + np.array([0, 0, 1, 1])  # no box is empty
table = np.array([[box_iou_numpy(a, b) for b in boxes_b] for a in boxes_a])
counted = np.array([[iou_numpy(painted(a), painted(b)) for b in boxes_b] for a in boxes_a])
print(compare.arrays(table, counted, name="painted and counted"))
compare.arrays(table, ops.box_iou(boxes_a, boxes_b), name="the library's table")

# %% [markdown]
# For things that are no boxes the two can disagree. Three predictions for the spoon in the photograph: *its whole box*; the spoon *moved* by 8 pixels; the spoon and *one stray
# pixel* far away.
#
# **Predict, then run.** For which is the IoU of boxes 1? For which is the IoU of masks nearly 1?

# %%
def box_of(mask):
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


spoon = coffee.semantic == coffee.classes.index("spoon")
left, top, right, bottom = box_of(spoon)
whole_box, stray = np.zeros_like(spoon), spoon.copy()
whole_box[top:bottom, left:right] = True
stray[380, 60] = True
spoons = {"its whole box": whole_box, "moved": np.roll(spoon, 8, axis=1), "stray pixel": stray}
for name, mask in spoons.items():
    boxes = box_iou_numpy(box_of(mask), box_of(spoon))
    print(f"{name:14} IoU of boxes {boxes:.3f}   of masks {iou_numpy(mask, spoon):.3f}")

# %% jupyter={"source_hidden": true}
# Figure: three predictions of a spoon
def over_photograph(mask):
    colours = outcomes[outcome(mask, spoon)]
    return np.where((mask | spoon)[:, :, None], colours, 0.35 * coffee.image + 165).astype(np.uint8)


drawn = [over_photograph(mask) for mask in spoons.values()]
fig = figures.images_row(drawn, list(spoons), height=2.55)
for ax, mask in zip(fig.axes, spoons.values(), strict=True):
    for shape, style in ((spoon, {"ec": "white", "lw": 3}), (mask, {"ec": "black", "ls": "--"})):
        x0, y0, x1, y1 = box_of(shape)
        ax.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, **style))
figures.label_legend(fig, ("FP", "FN", "TP"), outcomes[1:])
figures.show(
    fig,
    alt="The spoon in three predictions with its boxes. The whole box: much false. Moved: yellow "
    "and vermillion edges, boxes nearly equal. Stray pixel: the box reaches far to the left.",
    dpi=80,
)

# %% [markdown]
# White: the box of the target; dashed: the box of the prediction. A box knows the outermost pixels and nothing else. The spoon fills a quarter of its box, so "the whole box" is perfect for one and poor for
# the other. One stray pixel is nothing to the mask and ruins the box.

# %% [markdown]
# ## 5 · Jaccard, Dice, cosine
#
# The notes behind this course list three coefficients for two sets:
#
# | | formula | answers |
# |---|---|---|
# | Jaccard | $J = \dfrac{\lvert A \cap B\rvert}{\lvert A\rvert + \lvert B\rvert - \lvert A \cap B\rvert}$ | what share of everything marked is marked twice? |
# | Dice | $D = \dfrac{2\,\lvert A \cap B\rvert}{\lvert A\rvert + \lvert B\rvert}$ | the overlap against the mean size |
# | cosine | $\cos = \dfrac{\lvert A \cap B\rvert}{\sqrt{\lvert A\rvert}\,\sqrt{\lvert B\rvert}}$ | the overlap against the geometric mean of the sizes |
#
# All three need the same three numbers: two sizes and the overlap.
#
# **By hand, then run.** The toy tree: $|A| = |B| = 6$, $|A \cap B| = 3$. And a small mask inside a larger one: $|A| = 4$, $|B| = 9$, $|A \cap B| = 4$.

# %%
def sizes(a, b):
    return a.sum(), b.sum(), (a & b).sum()


def jaccard_numpy(a, b):
    size_a, size_b, both = sizes(a, b)
    return both / (size_a + size_b - both)


def dice_numpy(a, b):
    size_a, size_b, both = sizes(a, b)
    return 2 * both / (size_a + size_b)


def cosine_numpy(a, b):
    size_a, size_b, both = sizes(a, b)
    return both / np.sqrt(size_a * size_b)

# %%
from fractions import Fraction

inner, outer = np.zeros((3, 3), bool), np.ones((3, 3), bool)
inner[:2, :2] = True
for a, b in ((tree_predicted, tree_true), (inner, outer)):
    print(*map(int, sizes(a, b)), end=":  ")
    for coefficient in (jaccard_numpy, dice_numpy, cosine_numpy):
        value = coefficient(a, b)
        fraction = Fraction(float(value)).limit_denominator(100)
        print(f"{coefficient.__name__[:-6]} {fraction} = {value:.6f}", end="   ")
    print()

# %% jupyter={"source_hidden": true}
# Figure: two pairs of masks
fig = figures.arrays_row(
    [outcome(tree_predicted, tree_true), outcome(inner, outer)],
    ["sizes 6 and 6,\noverlap 3", "sizes 4 and 9,\noverlap 4"],
    palette=outcomes, numbers=False, cell=0.5,
)
figures.label_legend(fig, ("neither", "only A", "only B", "both"), outcomes)
figures.show(
    fig,
    alt="Left: two masks of six pixels that share three. Right: a 2 by 2 mask inside a 3 by 3 "
    "mask, four pixels in both and five only in the larger.",
)

# %% [markdown]
# Are we right? scikit-learn calls Dice the *F1 score*. And PyTorch has the cosine: it is the cosine of the angle between the two masks, read as vectors of zeros and ones. Their scalar product
# is $|A \cap B|$, their lengths are $\sqrt{|A|}$ and $\sqrt{|B|}$.

# %%
a, b = rng.random((2, 40, 30)) < 0.3
their_jaccard = sklearn.metrics.jaccard_score(b.ravel(), a.ravel())
their_dice = sklearn.metrics.f1_score(b.ravel(), a.ravel())
print(compare.arrays(jaccard_numpy(a, b), their_jaccard, name="Jaccard"))
print(compare.arrays(dice_numpy(a, b), their_dice, name="Dice"))


def torch_cosine(a, b):
    return F.cosine_similarity(a.flatten().double(), b.flatten().double(), dim=0)


compare.with_torch(cosine_numpy, a, b, reference=torch_cosine)

# %% [markdown]
# **From Jaccard to Dice and back.** Together the two masks have $|A| + |B| = |A \cup B| + |A \cap B|$ pixels: the shared ones are counted twice. Divide by $|A \cup B|$, and $1 + J$ is left. So
#
# $$D = \frac{2 J}{1 + J} \qquad\qquad J = \frac{D}{2 - D}$$
#
# **By hand, then run.** A paper reports Dice 0.9, another IoU 0.8. Which one is better?

# %%
def dice_from_jaccard(j):
    return 2 * j / (1 + j)


def jaccard_from_dice(d):
    return d / (2 - d)


print(f"Dice 0.9 is IoU {jaccard_from_dice(0.9):.4f}")
print(f"IoU 0.8 is Dice {dice_from_jaccard(0.8):.4f}")
compare.arrays(dice_from_jaccard(jaccard_numpy(a, b)), dice_numpy(a, b))

# %% [markdown]
# As Dice, the two are 0.9 and 0.8889: the first is a little better. Dice is never smaller than Jaccard, so a number needs its name.
#
# **Predict, then run.** A thousand random pairs of masks, each a dot: $J$ to the right, Dice and cosine upwards. Which of the two kinds of dots lies on one curve?

# %%
size_a, size_b = rng.integers(1, 100, (2, 1000))
both = rng.integers(0, np.minimum(size_a, size_b) + 1)
j = both / (size_a + size_b - both)
d = 2 * both / (size_a + size_b)
cosine = both / np.sqrt(size_a * size_b)
print("J ≤ D ≤ cos for all pairs:", bool((j <= d).all() and (d <= cosine + 1e-12).all()))

# %% jupyter={"source_hidden": true}
# Figure: Dice and cosine over Jaccard
fig, ax = plt.subplots(figsize=(5.6, 4))
ax.plot(j, cosine, ".", color="#56B4E9", label="cosine")
ax.plot(j, d, ".", color="#D55E00", label="Dice")
ax.plot([0, 1], [0, 1], color="#888888", lw=1, label="Jaccard itself")
ax.set(xlabel="Jaccard", ylabel="coefficient")
ax.legend()
figures.show(
    fig,
    alt="Over the Jaccard index, the Dice dots lie on one curve above the diagonal; the cosine "
    "dots lie on that curve or above it, spread out.",
)

# %% [markdown]
# Dice follows from Jaccard alone. The cosine does not: its dots spread, because it also depends on how unequal the two masks are.
#
# On one mask Dice and Jaccard always agree which of two predictions is better: the curve only rises. On the *mean* of several they may not.
#
# **Predict, then run.** System one has $J = 0.5$ on both of two images; system two has 1 and 0.1. Which is better by the mean of $J$? By the mean of Dice?

# %%
for name, j in (("one", np.array([0.5, 0.5])), ("two", np.array([1.0, 0.1]))):
    d = dice_from_jaccard(j)
    print(f"system {name}: mean Jaccard {j.mean():.3f}   mean Dice {d.mean():.3f}")

# %% [markdown]
# By the mean of Jaccard system two is better, by the mean of Dice system one.
#
# *At home.* To compute **the cosine** from $D$ we must know how unequal the masks are, $r = |A|/|B|$. And if $A$ is the prediction, **precision** $u = |A \cap B|/|A|$ and **recall**
# $v = |A \cap B|/|B|$ give all three:
#
# $$\cos = \frac{D}{2}\left(\sqrt r + \frac{1}{\sqrt r}\right), \qquad \frac{1}{D} = \frac12\left(\frac1u + \frac1v\right), \qquad \cos = \sqrt{u v}, \qquad \frac1J = \frac1u + \frac1v - 1$$
#
# Dice is the harmonic mean of precision and recall, the cosine their geometric mean.

# %%
for a, b in ((tree_predicted, tree_true), (inner, outer)):
    size_a, size_b, both = sizes(a, b)
    u, v, r = both / size_a, both / size_b, size_a / size_b
    print(f"J {1 / (1 / u + 1 / v - 1):.4f} = {jaccard_numpy(a, b):.4f}", end="   ")
    print(f"D {2 / (1 / u + 1 / v):.4f} = {dice_numpy(a, b):.4f}", end="   ")
    cosine = dice_numpy(a, b) / 2 * (np.sqrt(r) + 1 / np.sqrt(r))
    print(f"cos {np.sqrt(u * v):.4f} = {cosine:.4f} = {cosine_numpy(a, b):.4f}")

# %% [markdown]
# ## 6 · The confusion matrix
#
# Three classes need three times TP, FP and FN. One table holds them all: the **confusion matrix**
#
# $$n_{ij} = \text{number of pixels of true class } i \text{ that were predicted as class } j$$
#
# Rows are the truth here, columns the prediction. Some books have it the other way round; ask before you read one.
#
# **By hand, then run.** Fill in the row of *tree* for the toy label maps of section 3.

# %%
def confusion_loops(prediction, target, num_classes):
    n = np.zeros((num_classes, num_classes), np.int64)
    for row, column in np.ndindex(*target.shape):
        n[target[row, column], prediction[row, column]] += 1
    return n


n = confusion_loops(toy_prediction, toy_target, num_classes=3)
n

# %% jupyter={"source_hidden": true}
# Figure: how a confusion matrix is drawn
def draw_confusion(ax, matrix, names, fmt=None, highlight=(), fontsize=None, **options):
    figures.draw_array(ax, matrix, cmap="Blues", fmt=fmt, highlight=highlight,
                       numbers=True, fontsize=fontsize, **options)
    turned = 30 if max(map(len, names)) * len(names) > 24 else 0
    ax.set_xticks(range(len(names)), names, rotation=turned, ha="left" if turned else "center")
    ax.set_yticks(range(len(names)), names)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_xlabel("prediction", labelpad=8)
    ax.xaxis.set_label_position("top")
    ax.set_ylabel("truth")

# %% jupyter={"source_hidden": true}
# Figure: TP, FP and FN of one class in the matrix
fig, ax = plt.subplots(figsize=(5.2, 3.8))
tints = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in (BLUE, VERMILLION, YELLOW)]
draw_confusion(ax, n, names, highlight=[
    (0, 1, 1, 1, tints[1]), (2, 1, 1, 1, tints[1]),
    (1, 0, 1, 1, tints[2]), (1, 2, 1, 1, tints[2]), (1, 1, 1, 1, tints[0])])
figures.label_legend(fig, ("TP of tree", "FP of tree", "FN of tree"), [BLUE, VERMILLION, YELLOW])
figures.show(
    fig,
    alt="A 3 by 3 confusion matrix with the rows 10, 2, 0; 2, 3, 1; and 1, 1, 4. For tree the "
    "middle 3 is framed as TP, the rest of its column as FP, the rest of its row as FN.",
)

# %% [markdown]
# The diagonal is what is right. For class $i$: TP is the diagonal element, FN the rest of its *row*, FP the rest of its *column*.
#
# **Whole arrays.** Give each pair (truth $i$, prediction $j$) its own number, $i \cdot C + j$ with $C$ classes, and count how often each number occurs. `np.bincount` does that in one pass.
#
# **By hand, then run.** $C = 3$. Which number has "truth tree, predicted house"?

# %%
def confusion_numpy(prediction, target, num_classes):
    pair = target.ravel() * num_classes + prediction.ravel()
    counts = np.bincount(pair, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def tp_fp_fn_numpy(n):
    tp = n.diagonal()
    return tp, n.sum(axis=0) - tp, n.sum(axis=1) - tp


print("truth tree, predicted house:", 1 * 3 + 2)
print("TP, FP, FN of sky, tree, house:", *tp_fp_fn_numpy(n))
compare.arrays(confusion_numpy(toy_prediction, toy_target, 3), n)

# %% [markdown]
# Are we right? PyTorch has no confusion matrix, but one can be written as a matrix product. Put the one-hot vectors of all pixels below each other, $T$ for the truth and $P$ for the prediction, each pixels ×
# classes. Then $n = T^\mathsf{T} P$: row $i$ of $T^\mathsf{T}$ marks the pixels of true class $i$.

# %%
def torch_confusion(prediction, target, num_classes):
    T, P = (F.one_hot(labels.flatten(), num_classes) for labels in (target, prediction))
    return T.T @ P


compare.with_torch(
    confusion_numpy, coffee_prediction, coffee.semantic, num_classes=6, reference=torch_confusion
)

# %% [markdown]
# And scikit-learn, once more with the truth first. `labels` names the classes; without it, a class that occurs nowhere would have no row.

# %%
theirs = sklearn.metrics.confusion_matrix(
    coffee.semantic.ravel(), coffee_prediction.ravel(), labels=range(6)
)
matrix = confusion_numpy(coffee_prediction, coffee.semantic, num_classes=6)
print(compare.arrays(matrix, theirs, name="scikit-learn's"))
compare.arrays(matrix, ops.confusion_matrix(coffee_prediction, coffee.semantic, num_classes=6))

# %% [markdown]
# And when it is wrong? Two common slips. First: truth and prediction exchanged.

# %%
def confusion_swapped(prediction, target, num_classes):
    return confusion_numpy(target, prediction, num_classes)


compare.with_torch(
    confusion_swapped, coffee_prediction, coffee.semantic, num_classes=6, reference=torch_confusion
)

# %% [markdown]
# Second: `n[target, prediction] += 1` with whole arrays, instead of `np.bincount` or `np.add.at`.
#
# **Predict, then run.** 240000 pixels are counted. What is the largest number in the matrix?

# %%
def confusion_once(prediction, target, num_classes):
    n = np.zeros((num_classes, num_classes), np.int64)
    n[target, prediction] += 1
    return n


compare.with_torch(
    confusion_once, coffee_prediction, coffee.semantic, num_classes=6, reference=torch_confusion
)

# %% [markdown]
# *At home.* What does `bincount` save? Median of three, the label maps of the photograph.

# %% tags=["nbval-ignore-output"]
from time import perf_counter


def milliseconds(function):
    times = []
    for _ in range(3):
        started = perf_counter()
        function(coffee_prediction, coffee.semantic, 6)
        times.append(1000 * (perf_counter() - started))
    return np.median(times)


for function in (confusion_loops, confusion_numpy, ops.confusion_matrix):
    print(f"{function.__name__:18} {milliseconds(function):8.2f} ms")

# %% [markdown]
# Now read one. The photograph's matrix, each row divided by its sum: what became of the pixels of each true class?
#
# **Predict, then run.** Look at the photograph in section 2. Which class loses the largest share to one other class?

# %%
shares = matrix / matrix.sum(axis=1, keepdims=True)
mistakes = np.where(np.eye(6, dtype=bool), 0, shares)
i, j = np.unravel_index(mistakes.argmax(), mistakes.shape)
print(f"{mistakes[i, j]:.0%} of the pixels of {coffee.classes[i]} were called {coffee.classes[j]}")

# %% jupyter={"source_hidden": true}
# Figure: the confusion matrix of the photograph
fig, ax = plt.subplots(figsize=(6.4, 4.6))
draw_confusion(ax, shares, coffee.classes, fmt=".0%", fontsize=13)
figures.show(
    fig,
    alt="A 6 by 6 confusion matrix in per cent. On the diagonal table 38, floor 93, saucer 64, cup "
    "58, coffee 69, spoon 18; in the row of spoon 37 under floor and 32 under cup.",
)

# %% [markdown]
# Read a row: 37 % of the spoon's pixels were called floor, 32 % cup, and 18 % spoon. Colour alone does not tell them apart.

# %% [markdown]
# ## 7 · From the matrix to one number
#
# Write $t_i = \sum_j n_{ij}$ for the true pixels of class $i$, and $C$ for the number of classes. The paper on fully convolutional networks reports four numbers:
#
# $$\text{pixel accuracy} = \frac{\sum_i n_{ii}}{\sum_i t_i} \qquad \text{mean accuracy} = \frac1C \sum_i \frac{n_{ii}}{t_i}$$
#
# $$\text{mean IoU} = \frac1C \sum_i \text{IoU}_i \qquad \text{frequency-weighted IoU} = \frac{\sum_i t_i\, \text{IoU}_i}{\sum_i t_i} \qquad \text{IoU}_i = \frac{n_{ii}}{t_i + \sum_j n_{ji} - n_{ii}}$$
#
# The accuracy of one class, $n_{ii}/t_i$, is its recall.
#
# **By hand, then run.** The matrix below, rows are the truth. Start with TP, FP and FN of each class.

# %%
worked = np.array(
    [[50, 5, 5],
     [10, 20, 0],
     [2, 3, 5]])


def four_metrics_loops(n):
    C = len(n)
    t = [sum(n[i][j] for j in range(C)) for i in range(C)]
    guessed = [sum(n[j][i] for j in range(C)) for i in range(C)]
    iou = [n[i][i] / (t[i] + guessed[i] - n[i][i]) for i in range(C)]
    pixel_accuracy = sum(n[i][i] for i in range(C)) / sum(t)
    mean_accuracy = sum(n[i][i] / t[i] for i in range(C)) / C
    mean_iou = sum(iou) / C
    weighted = sum(t[i] * iou[i] for i in range(C)) / sum(t)
    return np.array([pixel_accuracy, mean_accuracy, mean_iou, weighted])

# %%
tp, fp, fn = tp_fp_fn_numpy(worked)
print("TP", tp, "  FP", fp, "  FN", fn)
print("accuracy of each class", np.round(tp / (tp + fn), 6))
print("IoU of each class     ", np.round(tp / (tp + fp + fn), 6))
print("Dice of each class    ", np.round(2 * tp / (2 * tp + fp + fn), 6))
titles = ("pixel accuracy", "mean accuracy", "mean IoU", "frequency-weighted IoU")
for title, value in zip(titles, four_metrics_loops(worked), strict=True):
    print(f"{title:22} {value:.6f}")

# %% [markdown]
# Mean accuracy .67 and mean IoU .52, for the same pixels. IoU is stricter: it counts every wrong pixel twice, once as FN of its true class and once as FP of the predicted one.
#
# With whole arrays the sums need no loops, and each formula is a line of code.

# %%
def four_metrics_numpy(n):
    tp, fp, fn = tp_fp_fn_numpy(n)
    t = n.sum(axis=1)
    iou = tp / (tp + fp + fn)
    pixel_accuracy = tp.sum() / t.sum()
    mean_accuracy = (tp / t).mean()
    mean_iou = iou.mean()
    weighted = (t * iou).sum() / t.sum()
    return np.array([pixel_accuracy, mean_accuracy, mean_iou, weighted])


print(compare.arrays(four_metrics_numpy(worked), four_metrics_loops(worked)))
library = [ops.pixel_accuracy, ops.mean_accuracy, ops.mean_iou, ops.frequency_weighted_iou]
compare.arrays(four_metrics_numpy(matrix), np.array([metric(matrix) for metric in library]))

# %% [markdown]
# **Macro and micro.** A mean over classes in which each counts alike is a **macro** average: mean IoU. The other way is to add up all TP, all FP, all FN first and divide once: a **micro** average.
# The frequency-weighted mean is a third way: a mean over classes, in which large ones count more.
#
# **By hand, then run.** What is the micro IoU of the worked matrix? And the micro Dice: which number of this section does it equal?

# %%
def micro_iou_numpy(n):
    tp, fp, fn = (counts.sum() for counts in tp_fp_fn_numpy(n))
    return tp / (tp + fp + fn)


tp, fp, fn = (counts.sum() for counts in tp_fp_fn_numpy(worked))
print(f"micro IoU {tp} / ({tp} + {fp} + {fn}) = {micro_iou_numpy(worked)}")
print(f"micro Dice {2 * tp / (2 * tp + fp + fn)}")

# %% [markdown]
# Micro Dice is pixel accuracy under another name: each wrong pixel is one FP and one FN, so $2\,\text{TP} + \text{FP} + \text{FN}$ is twice the number of pixels.
#
# *At home.* scikit-learn calls the three averages `"macro"`, `"weighted"` and `"micro"`. It wants pixels, so we turn the matrix back into 100 of them.

# %%
true_labels = np.repeat([0, 0, 0, 1, 1, 1, 2, 2, 2], worked.ravel())
predicted_labels = np.repeat([0, 1, 2, 0, 1, 2, 0, 1, 2], worked.ravel())
theirs = [
    sklearn.metrics.jaccard_score(true_labels, predicted_labels, average=average)
    for average in ("macro", "weighted", "micro")
]
ours = np.array([*four_metrics_numpy(worked)[2:], micro_iou_numpy(worked)])
print(np.round(ours, 6))
compare.arrays(ours, np.array(theirs))

# %% [markdown]
# Now section 1 again: the prediction that overlooks small things, and the one that is three pixels off.
#
# **Predict, then run.** Which of the five numbers prefer the second?

# %%
print(" " * 24 + "pixel acc.  mean acc.  mean IoU  freq. w.  micro IoU")
for name, prediction in two_predictions.items():
    m = confusion_numpy(prediction, target, len(scene.classes))
    values = [*four_metrics_numpy(m), micro_iou_numpy(m)]
    print(f"{name:24}" + "".join(f"{value:10.3f}" for value in values))

# %% [markdown]
# The two macro averages turn the order round; whatever counts pixels does not. That is one reason why segmentation papers report mean IoU.
#
# *At home: why not train with it?* Nudge the scores a little: no `argmax` changes, no count changes, the IoU stays. Its gradient is 0 wherever it exists.

# %%
few_scores = rng.standard_normal((3, 4, 6))


def mean_iou_of_scores(scores):
    return four_metrics_numpy(confusion_numpy(scores.argmax(axis=0), toy_target, 3))[2]


print(f"mean IoU {mean_iou_of_scores(few_scores):.4f}, its gradient is 0:")
compare.with_finite_differences(mean_iou_of_scores, [few_scores], [np.zeros((3, 4, 6))])

# %% [markdown]
# A gradient of 0 teaches nothing. IoU is for evaluation; lecture 06 trains with smooth relatives of it. And none of these measures counts objects: for that there is the panoptic quality of
# lecture 00.

# %% [markdown]
# ## 8 · Void: pixels that do not count
#
# Where annotators could not decide, at blurred borders or for things outside the list, they write **void**, often the number 255. Such pixels are left out of *every* count,
# whatever is predicted there.

# %%
VOID = 255
with_void = toy_target.copy()
with_void[:3, 2] = with_void[1:3, 5] = VOID


def confusion_void_numpy(prediction, target, num_classes, void=VOID):
    known = target != void
    return confusion_numpy(prediction[known], target[known], num_classes)


print(confusion_void_numpy(toy_prediction, with_void, 3))

# %% jupyter={"source_hidden": true}
# Figure: a target with void pixels
fig = figures.arrays_row(
    [toy_prediction, with_void], ["prediction", "target with void"], palette=palette, cell=0.5
)
for text in fig.axes[1].texts:
    if text.get_text() == str(VOID):
        text.set_fontsize(12)
figures.label_legend(fig, names, palette, void=True)
figures.show(
    fig,
    alt="The toy prediction, and the toy target in which five pixels are white and hold 255: three "
    "in the third column and two in the last.",
)

# %% [markdown]
# The library calls it `ignore_index`, as PyTorch's losses do.

# %%
library = ops.confusion_matrix(toy_prediction, with_void, 3, ignore_index=VOID)
compare.arrays(confusion_void_numpy(toy_prediction, with_void, 3), library)

# %% [markdown]
# **The mistake.** Masks make it easy to forget void: `prediction == c` is true on void pixels, too. There `target == c` is false, so they count as FP.
#
# **Predict, then run.** Do the scores rise or fall when void is counted like that? Of which classes?

# %%
def iou_forgetting_void(prediction, target, num_classes):
    return np.array([iou_numpy(prediction == c, target == c) for c in range(num_classes)])


correct = ops.iou(library)
wrong = iou_forgetting_void(toy_prediction, with_void, 3)
print("void left out:  ", np.round(correct, 4))
print("void forgotten: ", np.round(wrong, 4))

# %% [markdown]
# Sky and tree fall: they were predicted on void pixels. House was not, and stays.
#
# What does a comparison say? Give it, as `hints`, what you suspect: here the two usual mistakes, void counted as FP and void counted as class 0.

# %%
four_classes = ops.confusion_matrix(toy_prediction, np.where(with_void == VOID, 3, with_void), 4)
as_class_0 = ops.confusion_matrix(toy_prediction, np.where(with_void == VOID, 0, with_void), 3)
suspects = [
    ("the IoU with void pixels counted as false positives", ops.iou(four_classes)[:3]),
    ("the IoU with void pixels counted as class 0", ops.iou(as_class_0)),
]
compare.arrays(wrong, correct, name="IoU", hints=suspects)

# %% [markdown]
# ## 9 · The kernel in CUDA C (after lecture 08)
#
# *Leave this section out at first, and come back after [lecture 08](08_first_kernels.ipynb), which explains how such kernels are written; or watch it being shown. Nothing below
# needs it.* No GPU is needed either. Where there is no C++ compiler, the cells of this section say so, and the rest of the lecture runs without them.

# %% tags=["raises-exception"]
from segedu import cuda, cuda_ops

# %load_ext segedu.cuda

# %% [markdown]
# A thread for each pixel adds 1 to the element $n_{ij}$ of its pair, truth $i$ and prediction $j$. Thousands of pixels belong to the same pair, so the addition has to be **atomic**: reading, adding and
# writing in one step, which no other thread can interrupt.

# %% language="cuda" magic_args="--quiet --module counting" tags=["raises-exception"]
# extern "C" __global__ void count_pairs(const long long* prediction, const long long* target,
#                                        int* n, int classes, int pixels, long long ignore_index) {
#     int p = blockIdx.x * blockDim.x + threadIdx.x;
#     if (p >= pixels || target[p] == ignore_index) return;
#     long long i = target[p], j = prediction[p];
#     atomicAdd(&n[i * classes + j], 1);
# }

# %%
def confusion_cuda(prediction, target, num_classes, ignore_index=VOID, kernel=None):
    n = np.zeros((num_classes, num_classes), np.int32)
    grid = (-(-target.size // 128),)  # the pixels in blocks of 128, rounded up
    args = prediction, target, n, num_classes, target.size, ignore_index
    (kernel or count_pairs)(grid, (128,), args)
    return n.astype(np.int64)

# %% [markdown]
# The toy maps with their void pixels; then the photograph of section 2, all 240000 pixels. Each number must be equal: counts have no rounding.

# %% tags=["raises-exception"]
ours = confusion_cuda(toy_prediction, with_void, 3)
compare.arrays(ours, confusion_void_numpy(toy_prediction, with_void, 3), name="toy")

# %% tags=["raises-exception"]
maps = [np.ascontiguousarray(labels) for labels in (coffee_prediction, coffee.semantic)]
compare.with_torch(confusion_cuda, *maps, num_classes=6, reference=torch_confusion)

# %% [markdown]
# **Break it.** `n[…] += 1` instead of `atomicAdd`. With NumPy, in section 6, the largest number was then 1. Without a GPU the threads run one after another.
#
# **Predict, then run.** Does the CPU count wrongly, too? Does the checker complain? `mode="fast"` checks nothing.

# %% tags=["raises-exception"]
source = counting.code.replace("atomicAdd(&n[i * classes + j], 1)", "n[i * classes + j] += 1")
fast = cuda.RawModule(source, mode="fast").get_function("count_pairs")


def racing_unchecked(prediction, target, num_classes):
    return confusion_cuda(prediction, target, num_classes, kernel=fast)


toy_maps = toy_prediction, toy_target
compare.with_torch(racing_unchecked, *toy_maps, num_classes=3, reference=torch_confusion)

# %% tags=["raises-exception"]
checked = cuda.RawModule(source, mode="check").get_function("count_pairs")


def racing_checked(prediction, target, num_classes):
    return confusion_cuda(prediction, target, num_classes, kernel=checked)


compare.with_torch(racing_checked, *toy_maps, num_classes=3, reference=torch_confusion)

# %% [markdown]
# The CPU counts correctly, because nobody interrupts a thread there. On a GPU two threads may read the same old count, and one of the additions is lost. The checker looks not at the result but at who read and
# wrote what.
#
# The library's `cuda_ops.confusion_matrix` has the signature of `numpy_ops.confusion_matrix`; `cuda_ops.iou` and the other scores take its matrix.

# %% tags=["raises-exception"]
with cuda_ops.mode("check"):
    counted = cuda_ops.confusion_matrix(toy_prediction, with_void, 3, ignore_index=VOID)
compare.arrays(counted, library, name="cuda_ops.confusion_matrix")

# %% [markdown]
# **Won and lost.** One pass over the pixels, no array of pairs in between, and the counts are exact in any order; but all threads queue for the same few elements. In lecture 10 each block first counts for itself.

# %% [markdown]
# ## 10 · Absent classes: 0, 1, or no score?
#
# A class that has no pixel in the prediction and none in the target: TP, FP and FN are 0, and IoU is 0/0. There are three answers in use. 0: not found. 1: nothing was wrong. **NaN**,
# "not a number": there is nothing to score, so leave it out of the mean.
#
# **Predict, then run.** We add a fourth class, *car*, to the toy maps, where no car is. Which answer moves the mean, and in which direction?

# %%
def class_iou_numpy(n, absent=np.nan):
    tp, fp, fn = tp_fp_fn_numpy(n)
    union = tp + fp + fn
    return np.where(union > 0, tp / np.maximum(union, 1), absent)


with_car = confusion_numpy(toy_prediction, toy_target, num_classes=4)
for absent in (np.nan, 0, 1):
    scores_of_classes = class_iou_numpy(with_car, absent)
    print(f"absent={absent!s:4}", np.round(scores_of_classes, 4), end="")
    print(f"   mean {np.nanmean(scores_of_classes):.4f}")

# %% [markdown]
# `np.nanmean` is the mean of what is not NaN. With 0, the mean falls because of a car that nobody saw, and that was not there; with 1, it rises because of it. The comparison knows this mistake:

# %%
compare.arrays(class_iou_numpy(with_car, absent=0), ops.iou(with_car), name="IoU")

# %% [markdown]
# *At home.* What does scikit-learn say? **Predict, then run.** Without being told, which of the three answers does it take?

# %%
import warnings

flat_maps = toy_target.ravel(), toy_prediction.ravel()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    theirs = sklearn.metrics.jaccard_score(*flat_maps, labels=range(4), average=None)
print(np.round(theirs, 4), "and a warning:", bool(caught))

# %% [markdown]
# Read what your tool does before you compare its numbers with others.
#
# **Half absent** is another case: *predicted somewhere, but nowhere in the target*. Then FP > 0 and IoU is 0, a real mistake. The library counts it by default; one can also score only the classes that the
# target has, with `present_in="target"`.
#
# **Predict, then run.** A prediction sees a car in one pixel of sky. What is the mean IoU by either rule?

# %%
one_car = toy_prediction.copy()
one_car[0, 0] = 3
m = ops.confusion_matrix(one_car, toy_target, num_classes=4)
for rule in ("either", "target"):
    print(f"present_in={rule:8}", np.round(ops.iou(m, present_in=rule), 4), end="")
    print(f"   mean {ops.mean_iou(m, present_in=rule):.4f}")

# %% [markdown]
# One pixel, and the mean loses a quarter of its value; or the false car costs nothing but the pixel of sky.

# %% [markdown]
# ## 11 · Several images
#
# Three ways to make one number from many images:
#
# * **data set**: add up the confusion matrices, then mean IoU. PASCAL VOC and Cityscapes are scored like this, and usually CamVid.
# * **image**: mean over classes in each image, then mean over images. Every image counts alike.
# * **class**: for each class the mean over images, then mean over classes.
#
# **By hand, then run.** One class, two images. A near tree: TP 90, FP 5, FN 5. A far tree, overlooked: FN 10. What is the IoU of the data set? The mean over images?

# %%
near, far = (90, 5, 5), (0, 0, 10)
iou_of = [tp / (tp + fp + fn) for tp, fp, fn in (near, far)]
tp, fp, fn = np.add(near, far)
print("each image:", iou_of, "  mean over images:", np.mean(iou_of))
print(f"data set: {tp / (tp + fp + fn):.4f}")

# %% [markdown]
# Adding up lets large objects speak for small ones. Averaging over images lets every image speak alike, but one image with a few pixels of a class can give that class a 0.
#
# Here are all conventions in one function. Read it slowly: each line belongs to section 10 or 11.

# %%
def mean_iou_numpy(matrices, absent=np.nan, present_in="either", average="dataset"):
    n = matrices.sum(axis=0, keepdims=True) if average == "dataset" else matrices
    tp, truth, guessed = n.diagonal(axis1=1, axis2=2), n.sum(axis=2), n.sum(axis=1)
    present = truth > 0 if present_in == "target" else truth + guessed > 0
    union = np.maximum(truth + guessed - tp, 1)
    scores = np.where(present, tp / union, absent)  # images × classes
    inner = np.nanmean(scores, axis=0 if average == "class" else 1)
    return np.nanmean(inner)

# %% [markdown]
# ## 12 · One prediction, every convention
#
# Twelve test images: the left and right halves of six streets, so that some of them lack a class. Borders are void, one pixel to each side.
#
# The predictor is learned, from twelve other streets, in the simplest way: it looks up which class was commonest for a pixel's colour and height in the picture. Its table is counted like a
# confusion matrix. A colour that it has never met at that height gets class 0, sky.

# %%
def kind_of(image):
    """A number for each pixel: its colour in 16×16×16 steps, its row in 16 steps."""
    colour = image.astype(np.int64) // 16 @ [256, 16, 1]
    return colour * 16 + (np.arange(len(image)) * 16 // len(image))[:, None]


counts = np.zeros((16**4, 9), np.int64)
for seed in range(100, 112):
    lesson = street(seed, size=(128, 192))
    np.add.at(counts, (kind_of(lesson.image), lesson.labels), 1)


def predict(image):
    return counts[kind_of(image)].argmax(axis=-1)

# %%
tests = [street(seed, size=(128, 192), void_width=1) for seed in range(6)]
halves = [np.s_[:, :96], np.s_[:, 96:]]
targets = np.array([test.labels[half] for test in tests for half in halves])
predictions = np.array([predict(test.image)[half] for test in tests for half in halves])
matrices = np.array([
    confusion_void_numpy(p, t, num_classes=9) for p, t in zip(predictions, targets, strict=True)
])
lacking = (matrices.sum(axis=2) == 0).sum(axis=0)
print("void:", f"{(targets == VOID).mean():.0%} of the pixels")
for name, number in zip(tests[0].classes, lacking, strict=True):
    if number:
        print(f"{number} of 12 targets have no pixel of {name}")

# %% jupyter={"source_hidden": true}
# Figure: four of the twelve test images, their targets and predictions
chosen = (0, 3, 4, 11)
kinds = tests[0].classes, tests[0].palette
pictures = []
for number in chosen:
    pictures.append(tests[number // 2].image[halves[number % 2]])
    pictures.append(figures.colourise(targets[number], kinds[1], void=VOID))
    pictures.append(figures.colourise(predictions[number], kinds[1]))
heads = ["image", "target", "prediction"] * 2 + [None] * 6
fig = figures.images_row(pictures, heads, columns=6, height=1.9)
figures.label_legend(fig, *kinds, void=True)
figures.show(
    fig,
    alt="Four half streets, each with its target, whose borders are white for void, and its "
    "prediction: large areas right, houses and cars mixed with grains of other classes.",
    dpi=90,
)

# %% [markdown]
# First: does our function agree with the library, under *all* its conventions?

# %%
averages = ("dataset", "image", "class")
choices = list(itertools.product((np.nan, 0, 1), ("either", "target"), averages))
ours = np.array([mean_iou_numpy(matrices, *choice) for choice in choices])
theirs = np.array([ops.mean_iou(matrices, *choice) for choice in choices])
compare.arrays(ours, theirs, name=f"mean IoU under {len(choices)} conventions")

# %% [markdown]
# Now one prediction, scored in every way of this lecture. Two rows treat void wrongly, as in section 8. Two others have a tenth class in the list, *bicyclist*, which occurs nowhere.
#
# **Predict, then run.** How far is the largest mean IoU from the smallest: about 2 points, 10, or 20? (A point is 0.01.)

# %%
all_of = predictions.ravel(), targets.ravel()
as_sky = confusion_numpy(all_of[0], np.where(all_of[1] == VOID, 0, all_of[1]), 9)
as_error = confusion_numpy(all_of[0], np.where(all_of[1] == VOID, 9, all_of[1]), 10)
ten = np.pad(matrices, ((0, 0), (0, 1), (0, 1)))
total = matrices.sum(axis=0)
results = {
    "pixel accuracy": four_metrics_numpy(total)[0],
    "frequency-weighted IoU": four_metrics_numpy(total)[3],
    "micro IoU": micro_iou_numpy(total),
    "mean accuracy": four_metrics_numpy(total)[1],
    "mean Dice": dice_from_jaccard(class_iou_numpy(total)).mean(),
    "mean IoU: data set": mean_iou_numpy(matrices),
    "… void forgotten": class_iou_numpy(as_error)[:9].mean(),
    "… void as class 0": class_iou_numpy(as_sky).mean(),
    "… a tenth class, absent = NaN": mean_iou_numpy(ten),
    "… a tenth class, absent = 0": mean_iou_numpy(ten, absent=0),
}

# %%
for mean in ("image", "class"):
    results[f"mean IoU: {mean}"] = mean_iou_numpy(matrices, average=mean)
    results[f"… {mean}, absent = 0"] = mean_iou_numpy(matrices, 0, average=mean)
    results[f"… {mean}, absent = 1"] = mean_iou_numpy(matrices, 1, average=mean)
    results[f"… {mean}, present in target"] = mean_iou_numpy(matrices, np.nan, "target", mean)
    results[f"… {mean}, target, absent = 1"] = mean_iou_numpy(matrices, 1, "target", mean)

for name, value in results.items():
    print(f"{name:32} {value:.3f}")
ious = [value for name, value in results.items() if "IoU: " in name or name.startswith("…")]
print(f"mean IoU from {min(ious):.3f} to {max(ious):.3f}")
left_out = set(ious) - {results["… void forgotten"], results["… void as class 0"]}
print(f"with void left out: from {min(left_out):.3f} to {max(left_out):.3f}")

# %% jupyter={"source_hidden": true}
# Figure: one prediction under every convention
fig, ax = plt.subplots(figsize=(9.6, 5.6))
for place, (name, value) in enumerate(results.items()):
    kind = "#0072B2" if "mean IoU" in name or name.startswith("…") else "#E69F00"
    ax.plot(value, place, "o", color=kind)
    ax.text(value + 0.006, place, f"{value:.3f}", va="center", fontsize=10)
ax.axvline(results["mean IoU: data set"], color="#888888", lw=1, zorder=0)
ax.set_yticks(range(len(results)), results, fontsize=11)
ax.set(xlim=(0.5, 1), ylim=(len(results) - 0.4, -0.6), xlabel="score of the same prediction")
ax.grid(axis="y", alpha=0.3)
figures.show(
    fig,
    alt="Dots for twenty scores of one prediction: pixel accuracy on the far right; the scores "
    "called mean IoU spread from left to right around that of the data set.",
    dpi=80,
)

# %% [markdown]
# Nothing was predicted anew, and even with void treated rightly mean IoU spans ten points. A mean IoU without its convention cannot be compared with another one. State: void, absent classes, which classes are averaged, data set or image.
#
# Behind each of these numbers stand nine classes, and they lie further apart still:

# %%
for name, value in zip(tests[0].classes, class_iou_numpy(total), strict=True):
    print(f"{name:11} IoU {value:.3f}  " + "▪" * round(40 * value))

# %% [markdown]
# ## 13 · Real streets (at home)
#
# What do numbers on a real data set look like for predictors that do not look at the picture at all? On CamVid, 11 classes and void: the commonest class of the training set everywhere; the
# commonest class of the training set *at each position*; and, for comparison, the commonest true label of each 8×8 cell, which knows the answer.
#
# The next cell needs CamVid on this machine; otherwise it says so.

# %% tags=["real-data"]
from segedu.data import camvid


def commonest_per_cell(labels, stride):
    one_hot = np.eye(12)[labels].transpose(2, 0, 1)
    coarse = ops.avg_pool2d(one_hot, stride, ceil_mode=True)[:11].argmax(axis=0)
    return coarse.repeat(stride, 0).repeat(stride, 1)[: labels.shape[0], : labels.shape[1]]


if camvid.available():
    position = np.zeros((360, 480, 12), np.int64)
    for _, labels in camvid.camvid("train")[::3]:
        position[(*np.indices(labels.shape), labels)] += 1
    everywhere = np.full((360, 480), position.sum((0, 1))[:11].argmax())
    per_position = position[:, :, :11].argmax(axis=2)
    print("commonest class:", camvid.CLASSES[everywhere[0, 0]])
else:
    print("CamVid is not on this machine; section 12 shows the same on drawn streets.")

# %% [markdown]
# **Predict, then run.** *Road everywhere* has some pixel accuracy. What fraction of it is its mean IoU? And will the three predictors come in the same order on val and test?

# %% tags=["real-data"]
if camvid.available():
    print(" " * 27 + "pixel acc.  mean acc.  mean IoU  freq. w.")
    for split in ("val", "test"):
        sums = np.zeros((3, 11, 11), np.int64)
        for _, labels in camvid.camvid(split)[::2]:  # every second frame
            known = everywhere, per_position, commonest_per_cell(labels, 8)
            for m, p in zip(sums, known, strict=True):
                m += confusion_void_numpy(p, labels, 11, void=camvid.VOID)
        for name, m in zip(("road everywhere", "per position", "8×8 cells"), sums, strict=True):
            row = four_metrics_numpy(m)
            print(f"{split:5} {name:18}" + "".join(f"{value:10.1%}" for value in row))
else:
    print("CamVid is not on this machine.")

# %% [markdown]
# For *road everywhere* the IoU of road is road's share of the pixels, which is the pixel accuracy; the ten other classes have 0. So the mean is an eleventh. The order of the three is the same on both splits, the numbers are not: name the split, too.

# %% [markdown]
# ## 14 · Try it yourself (at home)
#
# Move the predicted spoon, and make it thicker (by max pooling). Watch which numbers react.

# %% tags=["nbval-ignore-output"]
import ipywidgets


def explore(right=0, down=0, thicker=0):
    mask = np.roll(spoon, (down, right), axis=(0, 1))
    grown = ops.max_pool2d(mask[None].astype(np.float32), 2 * thicker + 1, 1, thicker)[0] > 0
    title = f"accuracy {(grown == spoon).mean():.3f}   Jaccard {jaccard_numpy(grown, spoon):.3f}\n"
    title += f"Dice {dice_numpy(grown, spoon):.3f}   cosine {cosine_numpy(grown, spoon):.3f}"
    boxes = box_iou_numpy(box_of(grown), box_of(spoon))
    title += f"   IoU of boxes {boxes:.3f}"
    fig = figures.images_row([over_photograph(grown)], [title], height=3.6)
    figures.label_legend(fig, ("FP", "FN", "TP"), outcomes[1:])
    figures.show(fig, alt=f"The spoon moved by {right} and {down} pixels. {title}", dpi=80)


ipywidgets.interact(explore, right=(-30, 30), down=(-30, 30), thicker=(0, 10));

# %% [markdown]
# A still picture, for readers without a running kernel: 4 pixels to the right, 5 pixels thicker all round.

# %% jupyter={"source_hidden": true}
# Figure: the spoon moved and thicker
explore(right=4, thicker=5)

# %% [markdown]
# ## Common mistakes
#
# * **Judging by accuracy alone.** Large classes hide small ones.
# * **The confusion matrix transposed.** scikit-learn takes the truth first; many functions take the prediction first.
# * **`n[target, prediction] += 1`.** Repeated pairs are counted once. Use `np.bincount` or `np.add.at`.
# * **Void as class 0, or forgotten.** It must leave every count: TP, FP and FN.
# * **An absent class scored 0.** NaN, and leave it out of the mean; or say what you did.
# * **Dice beside IoU in one table.** Convert one of them first.
# * **Boxes without `max(…, 0)`.** Boxes that never meet can get a positive intersection.
# * **Averaging the mean IoU of batches.** That is neither the data set's nor the image's. Add up matrices.
#
# ## Summary
#
# * Accuracy is the share of right pixels; top-$k$ asks whether the true class is among the $k$ highest scores.
# * IoU = Jaccard = TP / (TP + FP + FN). Dice $= 2J/(1+J)$. The cosine also depends on how unequal the masks are.
# * The confusion matrix holds everything: rows are the truth, and it is one `bincount`.
# * Mean IoU is a macro average: every class counts alike. Pixel accuracy, micro and frequency-weighted averages let large classes speak.
# * Void leaves every count; absent classes are NaN; the usual number of a data set comes from its summed matrix.
# * A score needs its convention. The same prediction got very different ones.
#
# ## Exercises
#
# 1. Show that Dice is never smaller than Jaccard. When are they equal?
# 2. A prediction is *sky* everywhere, for the toy target. What are pixel accuracy, mean accuracy, mean IoU, frequency-weighted IoU and micro IoU?
# 3. Mend `top_k_numpy` so that of equal scores the lower class number is ahead. Test it with scores that are small whole numbers.
# 4. Write `confusion_numpy` for a batch, $N \times H \times W$ in, $N \times C \times C$ out, with one `bincount`.
# 5. Compute the frequency-weighted mean of the classes' *accuracies*. Which number of section 7 is it, and why?
# 6. Two masks do not meet. What are $J$, $D$ and the cosine? And if both masks are empty?
# 7. In `three_off`, let each of the four small classes grow by 3 pixels to all sides (max pooling of its mask). Which of the four metrics rises? Is the prediction better now?
# 8. Somebody computes mean IoU batch by batch and averages. Do it with the twelve matrices of section 12, in batches of 1, 2, 3, 4, 6 and 12 images. Which two numbers of the table do you meet?
#
# <details><summary>Answers</summary>
#
# 1. $D - J = \frac{2J}{1+J} - J = \frac{J(1-J)}{1+J} \ge 0$. Equal for $J = 0$ and $J = 1$ only.
# 2. Pixel accuracy 12/24 = 0.5; mean accuracy (1 + 0 + 0)/3 = 1/3; mean IoU (0.5 + 0 + 0)/3 = 1/6; frequency-weighted IoU 0.5 · 0.5 = 0.25; micro IoU 12/(12 + 12 + 12) = 1/3.
# 3. `ahead = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < truth[:, None]))`, then `(ahead.sum(axis=1) < k).mean()`. Compare with `ops.top_k_accuracy`.
# 4. Give each image its own range of numbers: `pair = (np.arange(N)[:, None, None] * C + target) * C + prediction`, then
#    `np.bincount(pair.ravel(), minlength=N * C * C).reshape(N, C, C)`. Compare with `ops.confusion_matrix(…, per_image=True)`.
# 5. Pixel accuracy: in $\sum_i t_i \cdot \frac{n_{ii}}{t_i} / \sum_i t_i$ the $t_i$ cancel. For the worked matrix 0.75.
# 6. All 0. If both are empty it is 0/0; the library's `jaccard`, `dice` and `cosine_coefficient` give NaN unless the argument `empty` says otherwise.
# 7. Only mean accuracy rises, from 0.763 to 0.859; the other three fall a little. It asks only what share of a class was found, and hardly notices false pixels: they cost large classes little.
# 8. 0.674, 0.714, 0.715, 0.724, 0.726, 0.726: with one image a batch it is the mean over images, with all in one batch that of the data set. In between it depends on the batch size.
#
# </details>
#
# ## Sources
#
# * J. Long, E. Shelhamer, T. Darrell, *Fully convolutional networks for semantic segmentation*, CVPR 2015 (the four metrics of section 7).
# * P. Jaccard, *Étude comparative de la distribution florale dans une portion des Alpes et des Jura*, Bull. Soc. Vaudoise Sci. Nat. 37, 1901; L. R. Dice, *Measures of the amount of ecologic association between species*, Ecology 26, 1945;
#   A. Ochiai, *Zoogeographical studies on the soleoid fishes found in Japan and its neighbouring regions II*, Bull. Jap. Soc. Sci. Fish. 22, 1957 (the cosine coefficient).
# * O. Russakovsky et al., *ImageNet large scale visual recognition challenge*, IJCV 2015 (top-5).
# * M. Everingham et al., *The PASCAL visual object classes challenge: a retrospective*, IJCV 2015 (IoU over the data set, void borders).
# * M. Cordts et al., *The Cityscapes dataset for semantic urban scene understanding*, CVPR 2016 (IoU over the data set, and per instance).
# * Z. Wang et al., *Revisiting evaluation metrics for semantic segmentation: optimization and evaluation of fine-grained intersection over union*, NeurIPS 2023, Datasets and Benchmarks (data set, image and class averages).
# * G. Brostow, J. Fauqueur, R. Cipolla, *Semantic object classes in video*, Pattern Recognition Letters 2009; V. Badrinarayanan, A. Kendall, R. Cipolla, *SegNet: a deep convolutional encoder-decoder architecture for image segmentation*, PAMI 2017 (CamVid with 11 classes).
# * scikit-learn documentation, `confusion_matrix`, `jaccard_score`, `f1_score`; PyTorch documentation, `torch.topk`, `cosine_similarity`.

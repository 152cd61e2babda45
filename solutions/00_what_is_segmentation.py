# %% [markdown]
# # Exercises 00 · What is segmentation?
#
# You count classifiers, turn label maps into one-hot vectors and scores back into label maps, and compute panoptic quality, first on paper, then by program. You need lecture 00.
# Write in the cells that say `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

rng = np.random.default_rng(0)

# An orchard: the apples of the truth and of somebody's answer; 0 is meadow.
truth = np.array([[0, 1, 1, 1, 0, 0, 0, 2, 2, 0],
                  [0, 1, 1, 1, 0, 0, 0, 2, 2, 0],
                  [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                  [0, 3, 3, 3, 3, 0, 0, 4, 4, 0],
                  [0, 0, 0, 0, 0, 0, 0, 4, 4, 0]])
answer = np.array([[0, 7, 7, 7, 0, 0, 0, 2, 0, 0],
                   [0, 7, 7, 0, 0, 0, 0, 2, 0, 0],
                   [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                   [0, 1, 1, 1, 0, 0, 0, 0, 0, 0],
                   [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]])

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks need
import torch
import torch.nn.functional as F
from segedu import compare, figures, numpy_ops
from segedu.data.polygons import photograph_masks

figures.use_style()
VOID = 255


def one_hot_by_torch(labels, num_classes):
    """PyTorch's vectors with one class more for void, which is then left out."""
    vectors = F.one_hot(labels.clamp(max=num_classes), num_classes + 1)
    return vectors[..., :num_classes].permute(0, 3, 1, 2).float()


def judged(guess, truth):
    """What the library says of the things numbered in `guess` and `truth`."""
    found = numpy_ops.panoptic_quality(((guess > 0) * 1, guess), ((truth > 0) * 1, truth), num_classes=2)
    return np.array(found)[:, 1]


def quality(guess, truth):
    """PQ, SQ and RQ."""
    return judged(guess, truth)[:3]


def counts(guess, truth):
    """True positives, false positives, false negatives."""
    return judged(guess, truth)[3:]


def block(number, top, left, bottom, right):
    """A picture of 9×11 pixels with one thing in it."""
    picture = np.zeros((9, 11), np.int64)
    picture[top:bottom, left:right] = number
    return picture


def check_quality(guess, truth, expected=None, hints=()):
    """Compare panoptic_quality with the library's, or with what is expected."""
    found = panoptic_quality(guess.copy(), truth.copy())
    assert np.shape(found) == (3,) and None not in list(found), "panoptic_quality returns three numbers: PQ, SQ, RQ"
    expected = quality(guess, truth) if expected is None else expected
    return compare.arrays(np.array(found, float), expected, name="PQ, SQ, RQ", hints=hints).check()


# %% [markdown]
# ## 1 · Classifiers and their outputs (2 points)
#
# A photograph of 300 rows and 500 columns is segmented semantically. Its categories are 4 of stuff (sky, road, grass, water) and 6 of things. One classifier works for each pixel and
# gives a one-hot vector. How many classifiers are there, and how many numbers do they give in all? Write `classifiers, outputs = …` with both numbers, or let Python multiply.
#
# Example: a picture of 2×4 pixels with three classes has 8 classifiers and 24 outputs.

# %% segedu={"role": "answer", "question": "classifiers"}
### BEGIN SOLUTION
classifiers, outputs = 300 * 500, 300 * 500 * (4 + 6)
### END SOLUTION

# %% segedu={"role": "check", "question": "classifiers", "points": 1}
# one classifier for each pixel
assert classifiers != outputs, "both numbers are the same: a classifier has more outputs than one"
assert classifiers != 10, "that is one classifier for each class; the lecture has one for each pixel"
vectors = np.zeros((10, 300, 500))  # a vector at each pixel
assert classifiers == vectors[0].size, "not right: how many pixels has the picture?"
print("the number of classifiers is right")

# %% segedu={"role": "check", "question": "classifiers", "points": 1}
# one output for each class of each classifier
vectors = np.zeros((10, 300, 500))  # a vector at each pixel
each = outputs / vectors[0].size
assert each != 4, "those are the outputs for stuff alone: things are categories, too"
assert each != 6, "those are the outputs for things alone: stuff has categories, too"
assert outputs == vectors.size, f"{outputs} outputs: not right. How long is one one-hot vector, and how many are there?"
print("the number of outputs is right")

# %% [markdown]
# ## 2 · From labels to one-hot vectors (4 points)
#
# `one_hot(labels, num_classes)` takes label maps of N×H×W and returns N×K×H×W in float32, with
#
# $$y_{nkij} = \begin{cases} 1 & \text{if } \ell_{nij} = k \\ 0 & \text{otherwise} \end{cases}$$
#
# A pixel that the annotators left out has the label 255, void. Its vector is 0 everywhere: it belongs to no class.
#
# Example: with three classes the labels 2, 0, 255 of one row give the three planes 0 1 0, 0 0 0 and 1 0 0.
#
# <details><summary>Hint 1</summary>Forget void at first. Compare the label maps with each class number: `labels == k` is plane k.</details>
# <details><summary>Hint 2</summary>All at once: `labels[:, None]` has the shape N×1×H×W. Which shape must the class numbers have, so that comparing gives N×K×H×W?</details>
# <details><summary>Hint 3</summary>255 equals none of the class numbers. What does the comparison give there?</details>

# %% segedu={"role": "answer", "question": "one_hot"}
def one_hot(labels, num_classes):
    """labels: N×H×W, whole numbers. Returns N×num_classes×H×W, float32."""
    ### BEGIN SOLUTION
    classes = np.arange(num_classes)[:, None, None]
    return (labels[:, None] == classes).astype(np.float32)
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "one_hot"}
# Figure: your planes of a photograph beside PyTorch's
coffee = photograph_masks("coffee")
labels, count = coffee.semantic[None, ::4, ::4].astype(np.int64), len(coffee.classes)
try:
    rows = one_hot(labels, count)[0], one_hot_by_torch(torch.from_numpy(labels), count)[0].numpy()
    titles = [f"{whose} {name}" for whose in ("yours:", "PyTorch's:") for name in coffee.classes]
    fig = figures.images_row([plane for planes in rows for plane in planes], titles, height=1.1, columns=count)
    figures.show(fig, alt="The mask of each class of a photograph: yours above, PyTorch's below.")
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "one_hot", "points": 1}
# one label map without void
labels = rng.integers(0, 3, (1, 4, 5))
compare.with_torch(one_hot, labels, 3, reference=one_hot_by_torch).check()

# %% segedu={"role": "check", "question": "one_hot", "points": 1}
# the example: void belongs to no class
planes = one_hot(np.array([[[2, 0, VOID]]]), 3)
target = np.float32([[[[0, 1, 0]], [[0, 0, 0]], [[1, 0, 0]]]])
hints = [("void made one of the classes", target + np.float32([0, 0, 1]) * np.float32([0, 0, 1])[:, None, None])]
compare.arrays(planes, target, name="one_hot", hints=hints).check()

# %% segedu={"role": "hidden", "question": "one_hot", "points": 2}
# several label maps of any size, some pixels void, a class that does not occur
for num_classes in (4, 7):
    labels = rng.integers(0, num_classes - 1, (3, *rng.permutation(np.arange(3, 9))[:2]))
    labels[rng.random(labels.shape) < 0.2] = VOID
    compare.with_torch(one_hot, labels, num_classes, reference=one_hot_by_torch).check()

# %% [markdown]
# ## 3 · From scores to labels (4 points)
#
# `decode(scores, least)` takes scores of N×K×H×W and returns label maps of N×H×W in int64: at each pixel the class of the largest score; of equal scores the first class counts. Where the
# largest score is smaller than `least` no classifier is sure, and the label is 255, void.
#
# Example: with `least = 0.5` the scores 0.2, 0.7, 0.1 of a pixel give class 1; 0.4, 0.3, 0.3 give 255; and 0.5, 0.5, 0 give class 0.
#
# <details><summary>Hint 1</summary>`argmax` along an axis gives the place of the largest number along it, the first of equal ones. Which axis are the classes?</details>
# <details><summary>Hint 2</summary>`max` along the same axis gives the score itself. `np.where(condition, a, b)` chooses pixel by pixel.</details>

# %% segedu={"role": "answer", "question": "decode"}
def decode(scores, least):
    """scores: N×K×H×W. Returns the labels, N×H×W, int64, with 255 where no score reaches `least`."""
    ### BEGIN SOLUTION
    labels = scores.argmax(axis=1)
    return np.where(scores.max(axis=1) < least, 255, labels)
    ### END SOLUTION

# %% segedu={"role": "check", "question": "decode", "points": 1}
# no pixel is void
scores = rng.standard_normal((1, 3, 4, 5))
compare.arrays(decode(scores, -100.0), torch.from_numpy(scores).argmax(1), name="labels").check()

# %% segedu={"role": "check", "question": "decode", "points": 1}
# the example: a sure pixel, an unsure one, and two scores that are equal and large enough
scores = np.array([[0.2, 0.7, 0.1], [0.4, 0.3, 0.3], [0.5, 0.5, 0.0]]).T[None, :, None]
hints = [
    ("the last of equal scores taken: the first counts", np.array([[[1, VOID, 1]]])),
    ("void where the score equals `least`: only smaller ones are void", np.array([[[1, VOID, VOID]]])),
    ("the class everywhere: where no score reaches `least` it is 255", np.array([[[1, 0, 0]]])),
]
compare.arrays(decode(scores, 0.5), np.array([[[1, VOID, 0]]]), name="labels", hints=hints).check()

# %% segedu={"role": "hidden", "question": "decode", "points": 2}
# equal scores, scores that equal the least, negative ones, any size
for kind, least in [(np.float32, 2), (np.float64, -3)]:
    scores = rng.integers(-5, 4, (2, 4, *rng.permutation(np.arange(3, 9))[:2])).astype(kind)
    scores[0, :, 0, 0] = 3  # all equal
    best, first = (part.numpy() for part in torch.from_numpy(scores).max(1))
    expected = np.where(best < least, VOID, first)
    last = scores.shape[1] - 1 - scores[:, ::-1].argmax(1)
    hints = [
        ("the last of equal scores taken: the first counts", np.where(best < least, VOID, last)),
        ("void where the score equals `least`: only smaller ones are void", np.where(best <= least, VOID, first)),
    ]
    compare.arrays(decode(scores, least), expected, name="labels", hints=hints).check()

# %% [markdown]
# ## 4 · Panoptic quality on paper (4 points)
#
# The setup cell holds an orchard, `truth`, and somebody's `answer`; the next cell draws them. Look at the class *apple* only. Which apples match? The numbers of the two need not agree:
# a match is a matter of pixels. Work out by hand the true positives, false positives, false negatives and the panoptic quality, and write `tp, fp, fn, pq = …`. The quality may be a
# fraction or rounded to three decimals.

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "orchard"}
# Figure: the orchard
fig = figures.arrays_row([truth, answer], titles=["truth", "answer"], cmap="Greys", cell=0.44)
figures.show(fig, alt="Two arrays of 5 rows and 10 columns with numbered apples: those of the truth and of the answer.")

# %% segedu={"role": "answer", "question": "orchard"}
### BEGIN SOLUTION
tp, fp, fn = 2, 1, 2
pq = (5 / 6 + 3 / 4) / (2 + 1 / 2 + 2 / 2)
### END SOLUTION

# %% segedu={"role": "check", "question": "orchard", "points": 2}
# the three counts
found, here, there = tp + fp, len(np.unique(answer)) - 1, len(np.unique(truth)) - 1
assert found == here, "every apple of the answer is a TP or an FP: the two must add up to their number"
assert tp + fn == there, "every true apple is a TP or an FN: the two must add up to their number"
right = counts(answer, truth)[0]
assert tp != right + 1, "one match too many: is each IoU greater than ½, or does one only equal it?"
assert tp == right, "TP is not right: count the pixels of each pair, whatever its numbers"
print("TP, FP and FN are right")

# %% segedu={"role": "check", "question": "orchard", "points": 2}
# panoptic quality
right, sq, rq = quality(answer, truth)
assert abs(pq - sq) > 0.001, "that is the segmentation quality, SQ: what was missed does not count in it"
assert abs(pq - rq) > 0.001, "that is the recognition quality, RQ: how well is outlined what was found?"
hits, false, missed = counts(answer, truth)
assert abs(pq - sq * hits / (hits + false + missed)) > 0.001, "false positives and false negatives count one half each"
assert abs(pq - right) < 0.001, "not right: add up the IoU of the matches, then divide by TP + FP/2 + FN/2"
print("the panoptic quality is right")

# %% [markdown]
# ## 5 · Panoptic quality by program (6 points)
#
# `panoptic_quality(guess, truth)` takes two arrays of H×W that number the things of one class; 0 is no thing. It returns the three numbers PQ, SQ and RQ:
#
# $$\mathrm{SQ} = \frac{\sum_{\text{TP}} \mathrm{IoU}}{|\text{TP}|}, \qquad \mathrm{RQ} = \frac{|\text{TP}|}{|\text{TP}| + \tfrac12 |\text{FP}| + \tfrac12 |\text{FN}|}, \qquad \mathrm{PQ} = \mathrm{SQ} \cdot \mathrm{RQ}$$
#
# A pair matches if its IoU is greater than ½. Any numbers may occur, in any order: a thing may be 7 in one array and 2 in the other. Without a match all three are 0. Where neither array
# has a thing they are undefined: return `np.nan` three times.
#
# Example: one true thing of four pixels, and three of them found. IoU is ¾, nothing is false or missed: PQ ¾, SQ ¾, RQ 1.
#
# <details><summary>Hint 1</summary>`np.unique(guess)` gives the numbers that occur; leave out 0. `guess == n` is the mask of thing n.</details>
# <details><summary>Hint 2</summary>Try every predicted mask with every true mask and keep each IoU greater than ½. How many you kept is TP. What are FP and FN then?</details>
# <details><summary>Hint 3</summary>`max(tp, 1)` avoids a division by 0 in SQ.</details>

# %% segedu={"role": "answer", "question": "panoptic_quality"}
def panoptic_quality(guess, truth):
    """guess, truth: H×W, whole numbers, 0 for no thing. Returns (pq, sq, rq)."""
    ### BEGIN SOLUTION
    guesses = [guess == n for n in np.unique(guess) if n != 0]
    truths = [truth == n for n in np.unique(truth) if n != 0]
    if not guesses and not truths:
        return np.nan, np.nan, np.nan
    ious = [(p & g).sum() / (p | g).sum() for p in guesses for g in truths]
    matches = [iou for iou in ious if iou > 1 / 2]
    tp = len(matches)
    fp, fn = len(guesses) - tp, len(truths) - tp
    sq = sum(matches) / max(tp, 1)
    rq = tp / (tp + fp / 2 + fn / 2)
    return sq * rq, sq, rq
    ### END SOLUTION

# %% segedu={"role": "check", "question": "panoptic_quality", "points": 1}
# the example, and a false thing beside it
hints = [("a score in which FP and FN count fully: they count one half each", [0.375, 0.75, 0.5])]
g, t = block(1, 0, 0, 1, 3), block(1, 0, 0, 1, 4)
check_quality(g, t)
g = g + block(2, 5, 5, 8, 8)
check_quality(g, t, hints=hints)

# %% segedu={"role": "check", "question": "panoptic_quality", "points": 1}
# an IoU of exactly ½ is no match
g, t = block(1, 0, 0, 1, 3) + block(2, 5, 5, 6, 7), block(1, 0, 0, 1, 4) + block(2, 5, 5, 6, 9)
hints = [("a score with IoU = ½ taken for a match: it must be greater", [0.625, 0.625, 1.0])]
check_quality(g, t, hints=hints)

# %% segedu={"role": "hidden", "question": "panoptic_quality", "points": 2}
# numbers in any order and with gaps, and pictures with no background
t = block(1, 0, 0, 3, 4) + block(2, 5, 0, 9, 3) + block(9, 0, 6, 4, 11)
g = block(2, 0, 0, 3, int(rng.integers(3, 5))) + block(30, 5, 0, 9, 3) + block(1, 0, 6, int(rng.integers(3, 5)), 11)
hints = [("a score of things paired by their numbers: the numbers need not agree", [0.0, 0.0, 0.0])]
check_quality(g, t, hints=hints)
places = [(0, 0), (0, 4), (0, 8), (5, 0), (5, 4), (5, 8)]
for _ in range(3):
    numbers = rng.permutation(40)[:12] + 1
    t = sum(block(n, i, j, i + 3, j + 3) for n, (i, j) in zip(numbers[:5], places[:5], strict=True))
    g = sum(block(n, i, j, i + rng.integers(1, 5), j + 3) for n, (i, j) in zip(numbers[6:11], places[1:], strict=True))
    check_quality(g, t)
edge = int(rng.choice([4, 7, 8]))
t, g = block(4, 0, 0, 9, 6) + block(8, 0, 6, 9, 11), block(3, 0, 0, 9, edge) + block(5, 0, edge, 9, 11)
lost = quality(np.where(g == 3, 0, g), np.where(t == 4, 0, t))
check_quality(g, t, hints=[("a score without the smallest number of each array: it is a thing where no pixel is 0", lost)])

# %% segedu={"role": "hidden", "question": "panoptic_quality", "points": 1}
# nothing matches: 0 three times
g, t = block(1, 0, 0, 3, 3), block(1, 5, 5, 8, 8) + block(2, 0, 5, 2, 8)
for pair in [(g, t), (t, g), (0 * g, t), (g, 0 * t)]:
    check_quality(*pair, np.zeros(3))

# %% segedu={"role": "hidden", "question": "panoptic_quality", "points": 1}
# no thing anywhere: NaN three times
nothing = block(0, 0, 0, 1, 1)
hints = [("0 three times: with nothing to find the quality is undefined, NaN", np.zeros(3))]
undefined = np.full(3, np.nan)
check_quality(nothing, nothing, undefined, hints=hints)

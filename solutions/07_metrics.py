# %% [markdown]
# # Exercises 07 · Metrics
#
# You read a confusion matrix on paper, bring scores of different names into one table, count confusion matrices of a whole batch, and write mean IoU with void and absent classes. You need
# lecture 07, without its section on CUDA. Write in the cells that say `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

rng = np.random.default_rng(7)
VOID = 255

# Two small pictures of different sizes, for question 4: 0 is sky, 1 tree, 2 house; car, 3, is in neither.
targets = [np.array([[0, 0, 0, 0, 0, 0],
                     [0, 0, 255, 1, 1, 0],
                     [2, 2, 255, 1, 1, 0],
                     [2, 2, 2, 1, 1, 0]]),
           np.array([[0, 0, 0, 255, 0],
                     [0, 1, 1, 255, 0],
                     [0, 1, 1, 255, 0]])]
predictions = [np.array([[0, 0, 0, 0, 0, 0],
                         [0, 0, 1, 1, 0, 0],
                         [2, 2, 1, 1, 0, 0],
                         [2, 2, 1, 1, 2, 0]]),
               np.array([[0, 0, 0, 0, 0],
                         [0, 0, 1, 1, 0],
                         [0, 0, 1, 1, 1]])]

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks need
import torch
import torch.nn.functional as F
from segedu import compare, figures, numpy_ops
from segedu.data.polygons import photograph_masks

figures.use_style()


def by_one_hot(prediction, target, num_classes, void):
    """The confusion matrix of each image, from PyTorch's one-hot vectors: TᵀP."""
    matrices = []
    for p, t in zip(prediction, target, strict=True):
        vectors = [F.one_hot(torch.from_numpy(labels[t != void].astype(np.int64)), num_classes) for labels in (t, p)]
        matrices.append((vectors[0].T @ vectors[1]).numpy())
    return np.array(matrices)


def in_bytes(matrices):
    """The confusion matrices where the numbers of pairs wrap round at 256."""
    number = np.arange(matrices[0].size) % 256
    return np.array([np.bincount(number, m.ravel(), m.size).reshape(m.shape) for m in matrices]).astype(np.int64)


def check_matrices(prediction, target, num_classes, void=VOID):
    """Compare confusion_matrix with PyTorch's one-hot vectors."""
    right, known, nothing = by_one_hot(prediction, target, num_classes, void), target != void, -1
    seen = np.minimum(prediction, num_classes - 1)
    as_sky = by_one_hot(seen, np.where(known, target, 0), num_classes, nothing)
    as_right = by_one_hot(seen, np.where(known, target, seen), num_classes, nothing)
    hints = [
        ("the matrices transposed: rows are the truth, columns the prediction", right.swapaxes(1, 2)),
        ("void counted as class 0: leave those pixels out", as_sky),
        ("void counted as if the prediction were right there: leave those pixels out", as_right),
        ("one matrix of all images: each image has its own", right.sum(axis=0)),
        ("the numbers of pairs wrapped round at 256: labels of uint8 stay uint8 when they are multiplied", in_bytes(right)),
        ("every pair counted once: `n[target, prediction] += 1` forgets repeated pairs", np.minimum(right, 1)),
    ]
    try:
        got = confusion_matrix(np.array(prediction), np.array(target), num_classes, void)
    except (ValueError, IndexError) as error:
        text = f"confusion_matrix raised {type(error).__name__}: {error}"
        if not known.all():
            text += f"\nHere some targets are {void}, void: leave those pixels out before you count."
        raise AssertionError(text) from None
    return compare.arrays(got, right, name="confusion_matrix", hints=hints, axes=("image", "truth", "prediction")).check()


def check_table(jaccard, is_dice, want_dice):
    """Compare mean_scores with the library's Dice of each Jaccard score; some systems report the one, some the other."""
    to_dice, to_jaccard = numpy_ops.jaccard_to_dice, numpy_ops.dice_to_jaccard
    dice, rows = to_dice(jaccard), is_dice[:, None]
    wanted, scores = dice if want_dice else jaccard, np.where(rows, dice, jaccard)
    mean = np.nanmean(scores, axis=1)
    lower, higher = np.where(rows, dice, to_jaccard(jaccard)), np.where(rows, to_dice(dice), jaccard)
    means = [to_jaccard(m) if d else m for m, d in zip(mean, is_dice, strict=True)]
    hints = [
        ("no row converted: some are not as wanted", mean),
        ("the means converted: convert every score, then take the mean", to_dice(np.array(means)) if want_dice else means),
        ("the formulas exchanged: Dice is never smaller than Jaccard", np.nanmean(lower if want_dice else higher, axis=1)),
        ("every row converted: some are as wanted already", np.nanmean((to_dice if want_dice else to_jaccard)(scores), axis=1)),
        ("just those rows converted that are as wanted already", np.nanmean(higher if want_dice else lower, axis=1)),
        ("an absent class counted as 0: leave it out of the mean", np.nansum(wanted, axis=1) / wanted.shape[1]),
        ("the mean of each class over the systems: take that of each system over its classes", np.ma.masked_invalid(wanted).mean(axis=0).filled(np.nan)),
        ("the means with NaN in them: np.nanmean leaves NaN out", wanted.mean(axis=1)),
    ]
    got, right = mean_scores(scores, np.array(is_dice), want_dice), np.nanmean(wanted, axis=1)
    return compare.arrays(got, right, name="mean_scores", hints=hints, axes=("system",)).check()


def conventions(predictions, targets, num_classes, average):
    """Mean IoU, and what other conventions make of it."""
    def matrices(targets, classes=num_classes):
        return np.array([numpy_ops.confusion_matrix(p, t, classes, VOID) for p, t in zip(predictions, targets, strict=True)])

    def one(matrices, **options):
        return numpy_ops.mean_iou(matrices, **{"average": average} | options)

    n = matrices(targets)
    extra = matrices([np.where(t == VOID, num_classes, t) for t in targets], num_classes + 1)
    false = np.array([numpy_ops.iou(m)[:num_classes] for m in (extra if average == "image" else [extra.sum(axis=0)])])
    hints = [
        ("the mean IoU with void counted as class 0: leave void out", one(matrices([np.where(t == VOID, 0, t) for t in targets]))),
        ("the mean IoU with void pixels counted as false positives: leave them out of the prediction, too",
         np.nanmean(np.nanmean(false, axis=1))),
        ("the mean IoU with 0 for absent classes: leave them out of the mean", one(n, absent=0)),
        ("the mean IoU with 1 for absent classes: leave them out of the mean", one(n, absent=1)),
        ("the mean over the classes of the target alone: a class that is only predicted has IoU 0, and counts",
         one(n, present_in="target")),
        ("the micro IoU: all classes in one fraction", numpy_ops.micro_iou(n, average=average)),
        ("the mean accuracy of the classes: their false positives are missing", numpy_ops.mean_accuracy(n, average=average)),
        ("the mean Dice", numpy_ops.mean_dice(n, average=average)),
        ("the mean of TP divided by both sizes: the overlap is counted twice in them", numpy_ops.mean_dice(n, average=average) / 2),
    ]
    if average == "dataset":
        return one(n), [("the mean over images: for the data set add up the matrices first", one(n, average="image")), *hints]
    with_all = one(n) * np.mean([m.any() for m in n])
    return one(n), [
        ("the mean over images with 0 for one that is all void: it has no score", with_all),
        ("the mean IoU of the data set: take the mean of each image first", one(n, average="dataset")),
        ("the mean over images first, then over classes: first over the classes of each image", one(n, average="class")),
        *hints,
    ]


def check_mean_iou(predictions, targets, num_classes, both=True):
    """Compare mean_iou with the library's: the number of the data set, and that of the images."""
    got = mean_iou([np.array(p) for p in predictions], [np.array(t) for t in targets], num_classes, VOID)
    assert np.shape(got) == (2,), "mean_iou returns two numbers: dataset, image"
    for number, average, name in zip(got, ("dataset", "image"), ("of the data set", "over images"), strict=True):
        if average == "dataset" or both:
            right, hints = conventions(predictions, targets, num_classes, average)
            report = compare.arrays(number, float(right), name=f"mean IoU {name}", hints=hints).check()
    return report

# %% [markdown]
# ## 1 · Read a matrix (3 points)
#
# A drone has photographed a field. Below is the confusion matrix of a program that tells soil, crop and weed apart; rows are the truth, columns the prediction.
#
# | | soil | crop | weed |
# |---|---|---|---|
# | **soil** | 40 | 4 | 6 |
# | **crop** | 9 | 12 | 3 |
# | **weed** | 2 | 4 | 20 |
#
# For *crop*: how many false positives and false negatives are there, how large is IoU (Jaccard), how large Dice? Work it out by hand; then write `fp, fn, iou, dice = …`. You may write fractions
# such as `3 / 7`, or three decimals.
#
# Example: for *soil* these are 11, 10, 40 / 61 and 80 / 101.

# %% segedu={"role": "answer", "question": "read_matrix"}
### BEGIN SOLUTION
fp, fn, iou, dice = 8, 12, 12 / 32, 24 / 44
### END SOLUTION

# %% segedu={"role": "check", "question": "read_matrix", "points": 1}
# FP and FN of crop
field = np.array([[40, 4, 6], [9, 12, 3], [2, 4, 20]])
column, row = field[:, 1].sum(), field[1].sum()
right = column - field[1, 1], row - field[1, 1]
assert (fn, fp) != right, "FP and FN are exchanged: rows are the truth, columns the prediction"
assert (fp, fn) != (column, row), "those are whole sums: what is on the diagonal is right, neither FP nor FN"
assert fp == right[0], f"{fp} false positives: not right. Which pixels were called crop and are something else?"
assert fn == right[1], f"{fn} false negatives: not right. Which pixels are crop and were called something else?"
print("FP and FN are right")

# %% segedu={"role": "check", "question": "read_matrix", "points": 2}
# IoU and Dice of crop
field = np.array([[40, 4, 6], [9, 12, 3], [2, 4, 20]])
right = numpy_ops.iou(field)[1], numpy_ops.class_dice(field)[1]
given, tp, row, column = np.array([iou, dice], float), field[1, 1], field[1].sum(), field[:, 1].sum()
others = field.sum() - row - column + tp
assert not np.allclose(given, right[::-1], atol=1e-3), "IoU and Dice are exchanged: Dice is never smaller"
assert abs(given[0] - tp / row) > 1e-3, "IoU: that is the recall of crop. Where are the false positives?"
assert abs(given[0] - tp / column) > 1e-3, "IoU: that is the precision of crop. Where are the false negatives?"
assert abs(given[0] - (tp + others) / field.sum()) > 1e-3, "IoU: that is an accuracy: true negatives do not count"
assert abs(given[0] - right[0]) < 1e-3, "IoU: not right. TP, divided by all pixels that are crop in either of the two"
assert abs(given[1] - right[1]) < 1e-3, "Dice: not right. It follows from the IoU, see section 5 of the lecture"
print("IoU and Dice are right")

# %% [markdown]
# ## 2 · One table for Dice and Jaccard (4 points)
#
# You collect results: `scores` has a row for each system and a column for each class. Some papers give Dice, others Jaccard: `is_dice` is an array with True or False for each system. A class that
# a paper had no pixels of is NaN.
#
# `mean_scores(scores, is_dice, want_dice)` returns one number for each system: the mean over its classes, of Dice scores where `want_dice` is True, else of Jaccard scores. NaN is left out.
#
# Example: one system with the Jaccard scores 0.5 and 1. As Dice they are 2/3 and 1, so with `want_dice=True` its mean is 5/6. (Dice made of the mean, 0.75, would be 6/7: another number.)
#
# <details><summary>Hint 1</summary>Bring every score to Jaccard first. Then either you are done, or bring all of them to Dice.</details>
# <details><summary>Hint 2</summary>`np.where(is_dice[:, None], …, …)` chooses row by row: the first for rows in which `is_dice` is True.</details>
# <details><summary>Hint 3</summary>Which function takes a mean of what is not NaN? Along which axis?</details>

# %% segedu={"role": "answer", "question": "mean_scores"}
def mean_scores(scores, is_dice, want_dice):
    """scores: systems×classes; is_dice: one bool a system; want_dice: bool. Returns an array, the mean of each system."""
    ### BEGIN SOLUTION
    jaccard = np.where(is_dice[:, None], scores / (2 - scores), scores)
    wanted = 2 * jaccard / (1 + jaccard) if want_dice else jaccard
    return np.nanmean(wanted, axis=1)
    ### END SOLUTION

# %% segedu={"role": "check", "question": "mean_scores", "points": 1}
# every system reports the same, both ways; the example
check_table(np.array([[0.5, 1.0]]), np.array([False]), True)
check_table(np.array([[0.3, 0.8, 0.9], [0.5, 0.6, 0.9]]), np.array([True, True]), False)

# %% segedu={"role": "check", "question": "mean_scores", "points": 1}
# some systems report Dice, others Jaccard
check_table(np.array([[0.3, 0.8, 0.9], [0.5, 0.6, 0.9]]), np.array([True, False]), False)
check_table(np.array([[0.3, 0.8, 0.9], [0.5, 0.6, 0.9]]), np.array([True, False]), True)

# %% segedu={"role": "hidden", "question": "mean_scores", "points": 2}
# any table, with absent classes, and classes of 0 and of 1
for want_dice in (True, False):
    scores = rng.random((5, rng.integers(6, 9))).round(3)
    scores[:, 0], scores[0, 1], scores[1, 1] = np.nan, 0, 1
    scores[2, rng.integers(1, 6)] = np.nan
    check_table(scores, rng.permutation([True, True, False, False, False]), want_dice)

# %% [markdown]
# ## 3 · Confusion matrices of a batch (5 points)
#
# `confusion_matrix(prediction, target, num_classes, void)` takes label maps of N×H×W and returns a matrix for *each* image, N×C×C in int64: rows are the truth, columns the prediction. Pixels whose
# target is `void` are not counted, whatever was predicted there; `void` may be any number, also that of a class. Labels come in int64, or in uint8, as they stand in files; uint8 goes from 0 to 255
# and then begins again at 0.
#
# Example: one image of one row, prediction 1 1 0 1, target 1 0 0 255, two classes. The matrix has the rows 1 1 and 0 1: the last pixel is void.
#
# <details><summary>Hint 1</summary>One image at a time is fine: `confusion_numpy` of the lecture, on the pixels that are not void.</details>
# <details><summary>Hint 2</summary>`labels.astype(np.int64)` before you multiply.</details>
# <details><summary>Hint 3</summary>All images in one `np.bincount`: give each image a range of numbers of its own, (n · C + i) · C + j.</details>

# %% segedu={"role": "answer", "question": "confusion_matrix"}
def confusion_matrix(prediction, target, num_classes, void):
    """prediction, target: N×H×W, int64 or uint8. Returns an array of N×C×C, int64."""
    ### BEGIN SOLUTION
    N, C = len(target), num_classes
    known = target != void
    image = np.arange(N)[:, None, None]
    pair = (image * C + target.astype(np.int64)) * C + prediction
    counts = np.bincount(pair[known], minlength=N * C * C)
    return counts.reshape(N, C, C)
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "confusion_matrix"}
# Figure: a photograph, classified by colour, and your matrix of it
coffee = photograph_masks("coffee")
pixels = coffee.image / 255
means = [pixels[coffee.semantic == c].mean(axis=0) for c in range(len(coffee.classes))]
guess = np.stack([((pixels - mean) ** 2).sum(axis=2) for mean in means]).argmin(axis=0)
truth = np.where(figures.borders(coffee.semantic), VOID, coffee.semantic)
try:
    both = guess[None], truth[None].astype(np.int64)
    matrices = [matrix[0] for matrix in (confusion_matrix(*both, 6, VOID), by_one_hot(*both, 6, VOID))]
    pictures = [figures.colourise(guess, coffee.palette), figures.colourise(truth, coffee.palette, void=VOID)]
    fig = figures.images_row(pictures, ["prediction", "target, borders void"])
    figures.label_legend(fig, coffee.classes, coffee.palette, void=True)
    figures.show(fig, alt="A cup of coffee classified by colour, with grains; its label map, with thin white borders.")
    shares = [100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1) for matrix in matrices]
    titles = ["yours, per cent of each row", "from PyTorch's one-hot vectors"]
    fig = figures.arrays_row(shares, titles, cmap="Blues", share_scale=True, fmt=".0f", cell=0.55)
    figures.show(fig, alt="Two 6 by 6 matrices in per cent of each row, darkest on the diagonal: yours and PyTorch's.")
except NotImplementedError:
    print("Write the answer first; then this cell shows its matrix beside one made by PyTorch.")

# %% segedu={"role": "check", "question": "confusion_matrix", "points": 1}
# one image, no void
check_matrices(rng.integers(0, 3, (1, 4, 5)), rng.integers(0, 3, (1, 4, 5)), 3)

# %% segedu={"role": "check", "question": "confusion_matrix", "points": 1}
# the example, and two images with void pixels
check_matrices(np.array([[[1, 1, 0, 1]]]), np.array([[[1, 0, 0, 255]]]), 2)
prediction, target = rng.integers(0, 3, (2, 2, 4, 5))
target[:, :, 3] = VOID
check_matrices(prediction, target, 3)

# %% segedu={"role": "hidden", "question": "confusion_matrix", "points": 1}
# any batch; the last classes occur nowhere; an image that is all void; another label for void
count = int(rng.integers(4, 8))
prediction, target = rng.integers(0, count - 2, (2, 3, *rng.permutation(np.arange(9, 20))[:2]))
target[rng.random(target.shape) < 0.1] = VOID
target[1] = VOID
check_matrices(prediction, target, count)
check_matrices(*rng.integers(0, 3, (2, 2, 5, 7)), 3, void=0)

# %% segedu={"role": "hidden", "question": "confusion_matrix", "points": 2}
# labels of uint8, with many classes, with many pixels of a class; void predicted where the target is void
prediction, target = rng.integers(0, 21, (2, 2, *rng.permutation(np.arange(20, 30))[:2])).astype(np.uint8)
target[rng.random(target.shape) < 0.1] = VOID
prediction[target == VOID] = VOID
check_matrices(prediction, target, 21)
check_matrices(*rng.integers(0, 2, (2, 1, 50, 60)).astype(np.uint8), 2)

# %% [markdown]
# ## 4 · Mean IoU with void and absent classes (6 points)
#
# `mean_iou(predictions, targets, num_classes, void)` takes two lists of label maps, H×W each, of different sizes, and returns two numbers:
#
# * `dataset`: count all images together; then the IoU of each class, then the mean over classes.
# * `image`: the IoU of each class in one image, then the mean over its classes, then the mean over images.
#
# These conventions hold: void pixels count nowhere. A class with no pixel, neither in the prediction nor in the target, has no score and is left out of the mean; "no pixel" means in all images
# for `dataset`, and in that image for `image`. A class that was predicted and is nowhere in the target has IoU 0, and counts. An image in which every pixel is void has no score either.
#
# Example: image one has the target 0 1 and the prediction 0 1, image two the target 0 0 1 255 and the prediction 0 1 0 0; two classes. In image two the IoU of class 0 is 1/3 and that of class 1
# is 0, so `image` is (1 + 1/6)/2 = 7/12. Counted together the two classes have 2/4 and 1/3, so `dataset` is 5/12.
#
# <details><summary>Hint 1</summary>Make a confusion matrix for each image, with your function or with masks. Adding them up gives that of the data set.</details>
# <details><summary>Hint 2</summary>Write one function that makes a mean IoU of a single matrix. Then call it for the sum, and for every image.</details>
# <details><summary>Hint 3</summary>`np.where(union > 0, tp / np.maximum(union, 1), np.nan)` divides nowhere by 0. And an image that is all void has a matrix of zeros: `matrix.any()` is False.</details>

# %% segedu={"role": "answer", "question": "mean_iou"}
def mean_iou(predictions, targets, num_classes, void):
    """predictions, targets: lists of H×W. Returns two numbers: dataset, image."""
    ### BEGIN SOLUTION
    def mean(matrix):
        tp = matrix.diagonal()
        union = matrix.sum(axis=0) + matrix.sum(axis=1) - tp
        return np.nanmean(np.where(union > 0, tp / np.maximum(union, 1), np.nan))

    matrices = []
    for prediction, target in zip(predictions, targets, strict=True):
        known = target != void
        pair = target[known].astype(np.int64) * num_classes + prediction[known]
        matrices.append(np.bincount(pair, minlength=num_classes**2).reshape(num_classes, num_classes))
    return mean(sum(matrices)), np.mean([mean(matrix) for matrix in matrices if matrix.any()])
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "mean_iou"}
# Figure: the two pictures of the checks, and your numbers
palette = figures.class_palette(3)
titles = ["prediction 1", "target 1", "prediction 2", "target 2"]
fig = figures.arrays_row([predictions[0], targets[0], predictions[1], targets[1]], titles, palette=palette, cell=0.38)
for ax in fig.axes:
    for text in ax.texts:
        text.set_fontsize(9)
figures.label_legend(fig, ("sky", "tree", "house"), palette, void=True)
figures.show(fig, alt="Two predictions and their targets, with sky, a tree and a house; a few pixels are void.")
try:
    dataset, image = mean_iou(predictions, targets, 4, VOID)
    print(f"yours: data set {dataset:.4f}, over images {image:.4f}")
except NotImplementedError:
    print("Write the answer first; then this cell prints its numbers for the two pictures.")

# %% segedu={"role": "check", "question": "mean_iou", "points": 1}
# the number of the data set: no void, three classes that are in both pictures
labels = [np.array([[0, 1, 1], [2, 2, 0]]), np.array([[0, 1], [0, 2], [0, 0], [1, 1]])]
guesses = [np.array([[0, 1, 0], [2, 1, 0]]), np.array([[0, 1], [0, 2], [2, 2], [1, 0]])]
check_mean_iou(guesses, labels, 3, both=False)

# %% segedu={"role": "check", "question": "mean_iou", "points": 1}
# both numbers: the two pictures with void, where a class is absent from one, or from both
check_mean_iou(predictions, targets, 3)
check_mean_iou(predictions, targets, 4)

# %% segedu={"role": "hidden", "question": "mean_iou", "points": 2}
# any sizes; void; absent classes; classes that are only predicted
for _ in range(2):
    sizes = rng.integers(5, 12, (3, 2))
    truths = [rng.integers(0, 4, size) for size in sizes]
    guesses = [np.where(rng.random(size) < 0.6, t, rng.integers(0, 4, size)) for size, t in zip(sizes, truths, strict=True)]
    truths[0][truths[0] == 3] = guesses[0][guesses[0] == 3] = 1  # absent from the first image
    truths[1][truths[1] == 2] = 0  # only predicted in the second
    guesses[1][0] = 2
    for t in truths:
        t[rng.random(t.shape) < 0.15] = VOID
    check_mean_iou(guesses, truths, 6)

# %% segedu={"role": "hidden", "question": "mean_iou", "points": 1}
# a class that is in no target, and is predicted
truths = [rng.integers(0, 2, (4, 7)), rng.integers(0, 2, (6, 3))]
guesses = [t.copy() for t in truths]
guesses[0][rng.integers(0, 4), :3] = 2
check_mean_iou(guesses, truths, 4)

# %% segedu={"role": "hidden", "question": "mean_iou", "points": 1}
# an image that is all void, and one that is all wrong: its score is 0, and counts
truths = [rng.integers(0, 3, rng.integers(4, 9, 2)) for _ in range(3)]
guesses = [np.where(rng.random(t.shape) < 0.7, t, (t + 1) % 3) for t in truths]
truths[1][...] = VOID
guesses[2] = (truths[2] + 1) % 3
check_mean_iou(guesses, truths, 3)

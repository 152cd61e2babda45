# %% [markdown]
# # Exercises 15 · Capstone: train and report
#
# You work out a report by hand, score an epoch, train a small network in pieces that go on exactly where they stopped, report several seeds honestly, and write the lines of a leaderboard. You need
# lecture 15, and of lecture 11 the optimiser and the schedule. No marks depend on a GPU: the long runs are the lecture's. Write in the cells that say `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

rng = np.random.default_rng(15)

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks need
import statistics

import torch
import torch.nn.functional as F
from segedu import compare, data, figures, numpy_ops

figures.use_style()


def unpacked(name, got, *parts):
    """What a function returned, if it is as many things as it should be."""
    listed = ", ".join(parts)
    row = isinstance(got, np.ndarray) and got.ndim == 1
    assert row or isinstance(got, tuple | list), f"{name} has to return {len(parts)} things ({listed}), not one"
    assert len(got) == len(parts), f"{name} has to return {len(parts)} things ({listed}), not {len(got)}"
    return got


def as_number(name, value):
    """A value as float, if it is a number."""
    is_one = np.ndim(value) == 0 and np.asarray(value).dtype.kind in "fiu"
    assert is_one, f"{name} has to be a number, not {value!r}"
    return float(value)


def scene(num_classes, height, width, void=None):
    """Scores of a network that is often right, and labels."""
    labels = rng.integers(0, num_classes, (height, width))
    logits = rng.standard_normal((num_classes, height, width)) + 2 * np.moveaxis(np.eye(num_classes)[labels], -1, 0)
    if void is not None:
        labels[rng.random(labels.shape) < 0.2] = void
    return logits, labels


def check_epoch(logits, targets, void=255):
    """Compare epoch_scores with the library's confusion matrix and mean IoU."""
    classes = len(logits[0])
    predictions = [z.argmax(0) for z in logits]
    pairs = list(zip(predictions, targets, strict=True))
    matrices = np.stack([numpy_ops.confusion_matrix(p, t, classes, ignore_index=void) for p, t in pairs])
    right = matrices.sum(0)
    as_first, as_last = (
        sum(numpy_ops.confusion_matrix(p, np.where(t == void, label, t), classes) for p, t in pairs)
        for label in (0, classes - 1)
    )
    of_last = sum(
        numpy_ops.confusion_matrix(classes - 1 - z[::-1].argmax(0), t, classes, ignore_index=void)
        for z, t in zip(logits, targets, strict=True)
    )
    got = epoch_scores([z.copy() for z in logits], [t.copy() for t in targets], void)
    matrix, mean = unpacked("epoch_scores", got, "the matrix", "the mean IoU")
    hints = [
        ("the matrix of the last image alone: add up all images", matrices[-1]),
        ("the matrix of the first image alone: add up all images", matrices[0]),
        ("the matrix with the last of equally large scores: take the first", of_last),
        ("the matrix with void pixels counted as class 0", as_first),
        ("the matrix with void pixels counted as the last class: index −1 is the last", as_last),
    ]
    axes = ("true class", "predicted class")
    compare.arrays(matrix, right, name="matrix", hints=hints, axes=axes).check()
    in_labels = numpy_ops.mean_iou(right, present_in="target")
    hints = [
        ("the mean of the images' mean IoUs: add up the matrices first", numpy_ops.mean_iou(matrices, average="image")),
        ("the mean with IoU 0 for classes that occur nowhere: leave them out", numpy_ops.mean_iou(right, absent=0)),
        ("the mean with IoU 1 for classes that occur nowhere: leave them out", numpy_ops.mean_iou(right, absent=1)),
        ("the mean over classes in the labels only: a class that is only predicted has IoU 0", in_labels),
        ("the share of right pixels", numpy_ops.pixel_accuracy(right)),
        ("the mean of the classes' accuracies, not of their IoUs", numpy_ops.mean_accuracy(right)),
        ("the IoU of all classes counted together", numpy_ops.micro_iou(right)),
        ("the mean Dice coefficient: the union counts right pixels once", numpy_ops.mean_dice(right)),
        ("the mean IoU in percent: return it as a share", 100 * numpy_ops.mean_iou(right)),
    ]
    hints = [(text, float(value)) for text, value in hints]
    return compare.arrays(as_number("mean IoU", mean), float(numpy_ops.mean_iou(right)), name="mean IoU", hints=hints).check()


def poly(t, T):
    return (1 - t / T) ** 0.9


def loss_of(scores, labels):
    return F.cross_entropy(scores, labels, ignore_index=255)


def trained(weight, velocity, images, labels, order, start, stop, lr,
            rate=poly, picked=lambda t: t, momentum=0.9, dampening=0, nesterov=False, inside=False, loss_of=loss_of):
    """The same steps by PyTorch's SGD; the last arguments change them."""
    weight = torch.from_numpy(weight).clone().requires_grad_()
    optimizer = torch.optim.SGD([weight], lr=1.0, momentum=momentum, dampening=dampening, nesterov=nesterov)
    optimizer.state[weight]["momentum_buffer"] = torch.from_numpy(velocity).clone()
    losses = []
    for t in range(start, stop):
        eta = lr * rate(t, len(order))
        optimizer.param_groups[0]["lr"] = 1 if inside else eta
        x, y = (torch.from_numpy(a[order[picked(t)]])[None] for a in (images, labels))
        loss = loss_of(torch.einsum("kc,nchw->nkhw", weight, x), y)
        optimizer.zero_grad()
        (loss * eta if inside else loss).backward()
        optimizer.step()
        losses.append(loss.item())
    return weight.detach().numpy(), optimizer.state[weight]["momentum_buffer"].numpy(), np.array(losses)


def slips(weight, velocity, images, labels, order, start, stop, lr):
    """What typical mistakes compute."""
    def added_up(scores, y):
        return F.cross_entropy(scores, y, ignore_index=255, reduction="sum")

    def void_in_the_mean(scores, y):
        return added_up(scores, y) / y.numel()

    def with_gradient_of(other):
        """The right loss with another one's gradient."""
        return lambda scores, y: loss_of(scores, y).detach() + (found := other(scores, y)) - found.detach()

    def void_as_class_0(scores, y):
        return F.cross_entropy(scores, torch.where(y == 255, 0, y))

    changes = [
        ("that of a run whose schedule begins anew in every piece: t counts the steps of the whole run",
         {"rate": lambda t, T: poly(t - start, T)}),
        ("that of a run whose schedule ends with the piece: T is the length of the whole run",
         {"rate": lambda t, T: poly(t - start, stop - start)}),
        ("that of a run whose T is stop: T is the length of the whole run", {"rate": lambda t, T: poly(t, stop)}),
        ("that of a run whose schedule is one step ahead: step 0 has the whole rate", {"rate": lambda t, T: poly(t + 1, T)}),
        ("that of a run without a schedule: the learning rate falls", {"rate": lambda t, T: 1}),
        ("that of a run whose T is one step too short: T is len(order)", {"rate": lambda t, T: poly(t, max(T - 1, 1))}),
        ("that of a run with a linear schedule: the power 0.9 is missing", {"rate": lambda t, T: 1 - t / T}),
        ("that of a run that goes uphill: subtract the velocity", {"rate": lambda t, T: -poly(t, T)}),
        ("that of a run whose order begins anew in every piece: step t takes image order[t]", {"picked": lambda t: t - start}),
        ("that of a run without momentum: the velocity keeps 0.9 of itself", {"momentum": 1e-300}),
        ("that of a run whose velocity takes 0.1 of the gradient: it takes all of it", {"dampening": 0.9}),
        ("that of a run with the learning rate in the velocity: it multiplies v in the step", {"inside": True}),
        ("that of a run with Nesterov's momentum: subtract the velocity itself", {"nesterov": True}),
        ("that of a run with void pixels in the mean: divide by the number of the others", {"loss_of": void_in_the_mean}),
        ("that of a run with the gradient of this mean: divide by the number of pixels that are not void",
         {"loss_of": with_gradient_of(void_in_the_mean)}),
        ("that of a run with the gradient of a sum: L is a mean", {"loss_of": with_gradient_of(added_up)}),
        ("that of a run with void pixels counted as class 0: leave them out", {"loss_of": void_as_class_0}),
    ]
    rest = images, labels, order, start, stop, lr
    yield from ((text, trained(weight, velocity, *rest, **change)) for text, change in changes)
    yield "that of a run whose velocity begins anew: go on from the one that was given", trained(weight, 0 * velocity, *rest)
    as_they_lie = np.arange(len(order)) % len(images)
    yield ("that of a run through the images as they lie: step t takes image order[t]",
           trained(weight, velocity, images, labels, as_they_lie, start, stop, lr))


def check_training(given):
    """Compare train with PyTorch."""
    copies = [np.array(a, copy=True) if isinstance(a, np.ndarray) else a for a in given]
    got, right = unpacked("train", train(*copies), "weight", "velocity", "losses"), trained(*given)
    for k, name in ((2, "losses"), (1, "velocity"), (0, "weight")):
        options = {"length": 1000, "name": name, "axes": ("class", "channel") if k < 2 else ("step",)}
        if not compare.arrays(got[k], right[k], **options):
            finite = not isinstance(got[k], np.ndarray) or np.isfinite(got[k]).all()
            about = "Does exp overflow? Subtract each pixel's largest score, and do not take the log of p (hint 2)"
            assert finite, f"{name}: inf or NaN in it. {about}"
            hints = [(text, found[k]) for text, found in slips(*given)]
            hints += [("the weight: the order is weight, velocity, losses", right[0])] if k == 1 else []
            compare.arrays(got[k], right[k], hints=hints, **options).check()
    for name, before, after in zip(("weight", "velocity"), given, copies, strict=False):
        assert np.array_equal(before, after), f"train changed its argument {name} in place: make a new array"
    print("losses, velocity and weight agree; number of steps:", len(right[2]))


def street(number):
    """A drawn street: for each pixel its colour, its row and a 1, as channels; and its labels."""
    image, labels = streets[number]
    rows = np.broadcast_to(np.linspace(0, 1, len(image))[:, None], labels.shape)
    return np.stack([*np.moveaxis(image / 255.0, -1, 0), rows, np.ones(labels.shape)]), labels.astype(int)


streets = data.open_dataset("street", "train", length=9, size=48)


def check_report(validation, test, part):
    """Compare the mean (part 0) or the spread (part 1) of report with PyTorch's."""
    got = unpacked("report", report(validation.copy(), test.copy()), "the mean", "the spread")
    v, t = torch.from_numpy(validation), torch.from_numpy(test)
    best = v.max(1)
    chosen = t.gather(1, best.indices[:, None])[:, 0]
    latest = v.shape[1] - 1 - v.flip(1).max(1).indices
    sets = [
        ("on the last checkpoints: choose by validation", t[:, -1]),
        ("on the checkpoints that are best on test: choose by validation", t.amax(1)),
        ("on validation: report test", best.values),
        ("on the last of equally good checkpoints: take the first", t.gather(1, latest[:, None])[:, 0]),
        ("on one checkpoint for all seeds: each seed has its own best", t[:, v.mean(0).max(0).indices]),
    ]
    if part == 0:
        hints = [
            *((f"the mean of scores {text}", z.mean().item()) for text, z in sets),
            ("the best seed alone: take the mean of all", chosen.max().item()),
            ("the seed that is best on validation: take the mean of all", chosen[best.values.max(0).indices].item()),
            ("the median: take the mean", statistics.median(chosen.tolist())),
        ]
        compare.arrays(as_number("the mean", got[0]), chosen.mean().item(), name="mean", hints=hints).check()
    elif len(t) == 1:
        assert np.isnan(as_number("the spread", got[1])), f"one seed has no spread: return NaN, not {got[1]:g}"
    else:
        right = chosen.std().item()
        hints = [
            *((f"the spread of scores {text}", z.std().item()) for text, z in sets),
            ("the deviation with n: divide by n − 1", chosen.std(correction=0).item()),
            ("the variance: take its root", right**2),
            ("the spread over √n, that of the mean: asked for is that of the seeds", right / len(t) ** 0.5),
            ("the largest minus the smallest", (chosen.max() - chosen.min()).item()),
        ]
        compare.arrays(as_number("the spread", got[1]), right, name="spread", hints=hints).check()


def record(name, seed, mean_iou, pictures="camvid", split="test", by="torch"):
    """What `evaluate --json` writes, shortened."""
    about = {"data": pictures, "split": split, "trained_by": by}
    return about | {"network": {"name": name}, "settings": {"seed": seed}, "mean_iou": mean_iou}


def check_board(records, right, hints=()):
    """Compare the lines of leaderboard with the right ones."""
    got = leaderboard(records)
    assert isinstance(got, list), "leaderboard has to return a list"
    assert all(isinstance(line, str) for line in got), "leaderboard has to return a list of strings"
    both = "\n".join(["yours:", *got, "expected:", *right])
    for text, lines in hints:
        assert got != lines, f"your lines are those {text}.\n{both}"
    assert len(got) == len(right), f"a line for each data set, network and engine with test scores is expected.\n{both}"
    moved = got != right and sorted(got) == sorted(right)
    assert not moved, f"the lines are right, their order is not: data sets by name, then the largest mean first.\n{both}"
    for yours, line in zip(got, right, strict=True):
        assert yours == line, f"a line is not right:\nyours:    {yours}\nexpected: {line}"
    print(*got, sep="\n")

# %% [markdown]
# ## 1 · A report by hand (3 points)
#
# * Three seeds gave 56, 62 and 65 percent on the test images. What are the mean and the spread, to two decimals?
# * Of twelve slices of tissue, 0 to 11, the block 4 to 7 is held out; all others are for training. How many of the four held-out slices touch a training slice, that is, have its number plus or minus 1?
# * A run has 6,500 steps of 0.4 s. A piece lasts nine minutes, of which 48 s go to the start, to validation and to checkpoints. How many pieces are needed?
#
# Write `mean, spread, touching, pieces = …`.

# %% segedu={"role": "answer", "question": "by_hand"}
### BEGIN SOLUTION
mean, spread, touching, pieces = 61, 4.58, 2, 6
### END SOLUTION

# %% segedu={"role": "check", "question": "by_hand", "points": 1}
# mean and spread
seeds = [56, 62, 65]
assert abs(mean - statistics.median(seeds)) > 0.01, "that is the median, the number in the middle"
assert abs(mean - statistics.mean(seeds)) < 0.01, "the mean is not right: the sum over 3"
assert abs(spread - statistics.pstdev(seeds)) > 0.01, "divided by n: divide by n − 1"
assert abs(spread - statistics.variance(seeds)) > 0.01, "that is the variance: take its root"
assert min(abs(spread - 4.5), abs(spread - 9)) > 0.01, "every seed counts, not only two"
about = "the spread is not right: square what each differs from the mean, add up, divide, take the root"
assert abs(spread - statistics.stdev(seeds)) < 0.01, about
print("mean and spread are right")

# %% segedu={"role": "check", "question": "by_hand", "points": 1}
# the slices that touch
held_out = {4, 5, 6, 7}
assert touching != 1, "one end of the block: slices 8 to 11 are for training, too"
assert touching != 4, "all four: slice 5 has 4 and 6 beside it, and both are held out"
right = sum({k - 1, k + 1} - held_out != set() for k in held_out)
assert touching == right, "touching is not right: write down the two neighbours of each of the four"
print("the number of slices is right")

# %% segedu={"role": "check", "question": "by_hand", "points": 1}
# the pieces
room = 9 * 60 - 48
needed = 6500 * 0.4 / room
assert pieces == int(pieces), "a piece that is begun counts as a whole one"
assert pieces != int(needed), "not enough: 48 s of each piece are not for steps, and a piece that is begun counts"
assert pieces == int(needed) + 1, "pieces: not right. Seconds of steps in all, over the seconds for steps in one piece"
print("the number of pieces is right")

# %% [markdown]
# ## 2 · Scores of an epoch (4 points)
#
# `epoch_scores(logits, targets, void)` takes two lists, one entry an image: scores K×H×W, and labels H×W. Images may differ in size. A pixel is given the class with the largest score, of equal ones the
# first. Pixels with the label `void` count nowhere; void may be any number that is no class, 255 or −1. It returns
#
# * one confusion matrix for all images together, K×K in int64: rows are true classes, columns predicted ones;
# * the mean IoU of that matrix, over the classes that occur in the labels or in the predictions.
#
# Example: one image of one row with the labels 0, 0, 1, 255, predicted as 0, 1, 1, 2; K is 4. The matrix has 1 1 0 0 in its first row, 0 1 0 0 in its second, and is 0 elsewhere. Class 0 has IoU 1/2, class 1 as well,
# and classes 2 and 3 do not occur (the 2 stands on void): the mean is 1/2.
#
# <details><summary>Hint 1</summary>`argmax` along the first axis; then one array of booleans that says where the label is known, for both.</details>
# <details><summary>Hint 2</summary>`np.add.at(matrix, (labels, predictions), 1)` counts all pairs, repeated ones, too.</details>
# <details><summary>Hint 3</summary>Right pixels of each class are on the diagonal; the union is row sum + column sum − diagonal. Divide only where it is above 0.</details>

# %% segedu={"role": "answer", "question": "epoch_scores"}
def epoch_scores(logits, targets, void):
    """logits: a list of K×H×W; targets: a list of H×W. Returns (matrix K×K, mean IoU)."""
    ### BEGIN SOLUTION
    classes = len(logits[0])
    matrix = np.zeros((classes, classes), np.int64)
    for scores, labels in zip(logits, targets, strict=True):
        known = labels != void
        np.add.at(matrix, (labels[known], scores.argmax(0)[known]), 1)
    right = np.diag(matrix)
    union = matrix.sum(0) + matrix.sum(1) - right
    return matrix, (right[union > 0] / union[union > 0]).mean()
    ### END SOLUTION

# %% segedu={"role": "check", "question": "epoch_scores", "points": 1}
# one image, three classes, no void
check_epoch(*([a] for a in scene(3, 5, 6)))

# %% segedu={"role": "check", "question": "epoch_scores", "points": 1}
# three images of different sizes, no void
check_epoch(*map(list, zip(*(scene(4, *size) for size in ((4, 6), (7, 5), (3, 3))), strict=True)))

# %% segedu={"role": "hidden", "question": "epoch_scores", "points": 1}
# void pixels, 255 and −1
for void in (255, -1):
    check_epoch(*map(list, zip(*(scene(4, *rng.permutation(np.arange(6, 12))[:2], void) for _ in range(2)), strict=True)), void)

# %% segedu={"role": "hidden", "question": "epoch_scores", "points": 1}
# a class that occurs nowhere, one that is only predicted, and equal scores
logits, labels = scene(3, 6, 8, void=255)
never, only_predicted = np.full((1, 6, 8), -99.0), np.full((1, 6, 8), -99.0)
only_predicted[0, 1:3, 2:6] = 99
labels[1, 2] = 0  # a known pixel among those of the class that is only predicted
logits = np.concatenate([np.round(logits), never, only_predicted])
check_epoch([logits, logits[:, :4]], [labels, labels[:4]])

# %% [markdown]
# ## 3 · Train, in pieces (6 points)
#
# The network is one 1×1 convolution without bias: a matrix W of K×C turns the C numbers of each pixel into K scores. `train(weight, velocity, images, labels, order, start, stop, lr)` does steps
# `start` up to, not including, `stop` of a run of $T$ steps, $T$ = `len(order)`:
#
# * Step $t$ takes one image, number `order[t]`. Its loss $L$ is the mean cross-entropy over the pixels whose label is not 255; $g$ is the gradient of $L$.
# * $v \leftarrow 0.9\, v + g$ and then $W \leftarrow W - \eta_t\, v$, with the *poly* schedule $\eta_t = \texttt{lr}\, (1 - t/T)^{0.9}$.
#
# `weight` and `velocity` are K×C, `images` N×C×H×W, all float64; `labels` are N×H×W, `order` has T numbers. It returns three arrays, the new weight, the new velocity and the losses of its steps (stop − start numbers),
# and leaves those that it was given as they are. Hand what one piece returned to the next, and both together equal one long run. Scores may be in the thousands: `exp` of them must not overflow.
#
# Example: C = 1, K = 2, one image of one pixel 3 with label 0, weight and velocity 0, one step of a run of one, lr 0.1. Both classes have p = ½ and the loss is log 2 = 0.693. The gradient is 3 times p − 1 for the true class and 3 times p for the other, that is −1.5
# and 1.5; so is the velocity, and the weight becomes 0.15, −0.15.
#
# <details><summary>Hint 1</summary>`x = images[k][:, known]` with known of H×W has C×n numbers, a column for each pixel that counts. The scores are `weight @ x`.</details>
# <details><summary>Hint 2</summary>Lecture 06: subtract each pixel's largest score; then log p = z − log Σ exp z. The loss is the mean of −log p of the true classes: `log_p[target, np.arange(n)]`.</details>
# <details><summary>Hint 3</summary>The gradient by the scores is (p − 1 at the true class) / n; times `x.T` it is that of the matrix.</details>
# <details><summary>Hint 4</summary>`velocity = 0.9 * velocity + …` makes a new array; `velocity *= 0.9` changes the one that was given.</details>

# %% segedu={"role": "answer", "question": "train"}
def train(weight, velocity, images, labels, order, start, stop, lr):
    """Steps start … stop − 1 of len(order). Returns (weight K×C, velocity K×C, losses)."""
    ### BEGIN SOLUTION
    losses = []
    for t in range(start, stop):
        known = labels[order[t]] != 255
        x, target = images[order[t]][:, known], labels[order[t]][known]
        z = weight @ x
        z = z - z.max(axis=0)
        log_p = z - np.log(np.exp(z).sum(axis=0))
        pixels = np.arange(len(target))
        losses.append(-log_p[target, pixels].mean())
        p = np.exp(log_p)
        p[target, pixels] -= 1
        velocity = 0.9 * velocity + p @ x.T / len(target)
        weight = weight - lr * (1 - t / len(order)) ** 0.9 * velocity
    return weight, velocity, np.array(losses)
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "train"}
# Figure: a street that was not in training, after 200 steps on eight others
pixels, labels = map(np.stack, zip(*(street(k) for k in range(8)), strict=True))
order = np.random.default_rng(0).integers(0, 8, 200)
begin = np.zeros((len(streets.classes), 5)), np.zeros((len(streets.classes), 5))
new, truth = street(8)
try:
    runs = [run(*begin, pixels, labels, order, 0, 200, 0.5) for run in (train, trained)]
    guesses = [np.einsum("kc,chw->khw", found[0], new).argmax(0) for found in runs]
    maps = [figures.colourise(z, streets.palette) for z in (truth, *guesses)]
    fig = figures.images_row([streets[8][0], *maps], ["new street", "labels", "yours", "PyTorch's"])
    figures.label_legend(fig, streets.classes, streets.palette, present=truth)
    figures.show(fig, alt="A drawn street, its labels, and labels found by colour and row alone: yours and PyTorch's.")
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "train", "points": 1}
# the example, and one step with more classes
zero = np.zeros((2, 1))
check_training((zero, zero, np.full((1, 1, 1, 1), 3.0), np.zeros((1, 1, 1), int), np.array([0]), 0, 1, 0.1))
images, labels = rng.standard_normal((2, 3, 4, 5)), rng.integers(0, 4, (2, 4, 5))
check_training((rng.standard_normal((4, 3)), np.zeros((4, 3)), images, labels, np.array([1]), 0, 1, 0.5))

# %% segedu={"role": "check", "question": "train", "points": 1}
# a run of six steps
images, labels = rng.standard_normal((2, 3, 4, 5)), rng.integers(0, 4, (2, 4, 5))
check_training((np.zeros((4, 3)), np.zeros((4, 3)), images, labels, np.array([1, 0, 0, 1, 1, 0]), 0, 6, 0.5))

# %% segedu={"role": "hidden", "question": "train", "points": 2}
# void pixels, and scores in the thousands
images, labels = rng.standard_normal((3, 4, *rng.permutation(np.arange(4, 9))[:2])), None
labels = rng.integers(0, 5, (3, *images.shape[2:]))
labels[rng.random(labels.shape) < 0.3] = 255
order = rng.integers(0, 3, 8)
check_training((rng.standard_normal((5, 4)), np.zeros((5, 4)), images, labels, order, 0, 8, 0.3))
check_training((1000 * rng.standard_normal((5, 4)), np.zeros((5, 4)), images, labels, order, 0, 8, 0.3))

# %% segedu={"role": "hidden", "question": "train", "points": 2}
# pieces that go on where the one before stopped
images, labels = rng.standard_normal((3, 4, 5, 7)), rng.integers(0, 5, (3, 5, 7))
order, weight = rng.integers(0, 3, 12), rng.standard_normal((5, 4))
check_training((weight, rng.standard_normal((5, 4)), images, labels, order, 4, 9, 0.3))
begin = weight, np.zeros((5, 4))
pieces = train(*begin, images, labels, order, 0, 5, 0.3)
pieces = train(*pieces[:2], images, labels, order, 5, 12, 0.3)
whole = trained(*begin, images, labels, order, 0, 12, 0.3)
compare.arrays(pieces[0], whole[0], length=1000, name="weight after 5 + 7 steps, beside 12 at once").check()
compare.arrays(pieces[2], whole[2][5:], length=1000, name="losses of the second piece").check()

# %% [markdown]
# ## 4 · Several seeds, honestly (3 points)
#
# For each seed a run kept some checkpoints, and all were scored. `report(validation, test)` takes two arrays of seeds × checkpoints, mean IoU in percent. Each seed takes its own checkpoint, the one that is best on
# *validation* (of equal ones the first), and contributes that one's *test* score. Return the mean and the spread of these scores, with $n - 1$:
#
# $$\bar m = \frac{1}{n} \sum_{i=1}^{n} m_i \qquad\qquad s = \sqrt{\frac{1}{n-1} \sum_{i=1}^{n} (m_i - \bar m)^2}$$
#
# One seed has a mean, but no spread: return NaN for it.
#
# Example: three seeds, three checkpoints.
#
# | seed | validation | test | chosen | counts |
# |--:|---|---|---|--:|
# | 0 | 50, 58, 55 | 48, 52, 55 | the second | 52 |
# | 1 | 61, 60, 57 | 57, 60, 58 | the first | 57 |
# | 2 | 52, 54, 59 | 50, 51, 53 | the last | 53 |
#
# The mean is 54, the spread √7 = 2.65.
#
# <details><summary>Hint 1</summary>`validation.argmax(axis=1)` finds the first of the largest in each row.</details>
# <details><summary>Hint 2</summary>`test[np.arange(n), best]` takes one number of each row. For the spread see `ddof` of `np.std`, or use the formula.</details>

# %% segedu={"role": "answer", "question": "report"}
def report(validation, test):
    """validation, test: seeds × checkpoints. Returns (mean, spread) of the chosen test scores."""
    ### BEGIN SOLUTION
    scores = test[np.arange(len(test)), validation.argmax(axis=1)]
    mean, n = scores.mean(), len(scores)
    spread = np.sqrt(((scores - mean) ** 2).sum() / (n - 1)) if n > 1 else np.nan
    return mean, spread
    ### END SOLUTION

# %% segedu={"role": "check", "question": "report", "points": 1}
# the example: the mean, then the spread
validation = np.array([[50.0, 58, 55], [61, 60, 57], [52, 54, 59]])
test = np.array([[48.0, 52, 55], [57, 60, 58], [50, 51, 53]])
check_report(validation, test, part=0)
check_report(validation, test, part=1)
print("mean and spread agree")

# %% segedu={"role": "hidden", "question": "report", "points": 1}
# the mean: any number of seeds and checkpoints, equal scores on validation
for seeds, checkpoints in [(3, 5), (4, 4), (1, 6)]:
    check_report(rng.integers(50, 54, (seeds, checkpoints)).astype(float), rng.uniform(40, 60, (seeds, checkpoints)), part=0)

# %% segedu={"role": "hidden", "question": "report", "points": 1}
# the spread: several seeds, and one
for seeds in (3, 5, 1):
    check_report(rng.uniform(40, 60, (seeds, 4)), rng.uniform(40, 60, (seeds, 4)), part=1)

# %% [markdown]
# ## 5 · The lines of a leaderboard (4 points)
#
# A record is a dictionary, as `evaluate --json` writes it; this much of it is used here:
#
#     {"data": "camvid", "split": "test", "network": {"name": "unet"},
#      "trained_by": "torch", "settings": {"seed": 0}, "mean_iou": 0.5613}
#
# `leaderboard(records)` takes a list of them, in any order, and returns a list of strings. Each line joins the seeds of one network on one data set by one engine:
#
#     camvid unet torch: 57.1 ± 2.6 (n = 3)
#
# * Only records of the split "test" count.
# * Percent, with one decimal; the spread with $n - 1$. Fewer than three seeds get no spread: `camvid unet cuda: 55.0 (n = 2)`.
# * Data sets come in the order of their names; within one, the line with the largest mean first.
# * If two test records of one line have the same seed, somebody looked twice: raise a `ValueError` whose message contains the word *seed*.
#
# With `json.loads` you can read real records from `benchmarks/records`, and give this function those that have a `mean_iou`.
#
# <details><summary>Hint 1</summary>A dictionary from (data, network, engine) to another one, from seed to score: `found.setdefault(key, {})`.</details>
# <details><summary>Hint 2</summary>`f"{number:.1f}"` has one decimal. `statistics.stdev` divides by n − 1; so does `np.std` with `ddof=1`.</details>
# <details><summary>Hint 3</summary>`sorted(…, key=lambda line: (line[0], -line[1]))` sorts by a name, then by a number from the largest down.</details>

# %% segedu={"role": "answer", "question": "leaderboard"}
def leaderboard(records):
    """records: a list of dictionaries. Returns a list of lines."""
    ### BEGIN SOLUTION
    found = {}
    for record in records:
        if record["split"] == "test":
            scores = found.setdefault((record["data"], record["network"]["name"], record["trained_by"]), {})
            seed = record["settings"]["seed"]
            if seed in scores:
                raise ValueError(f"seed {seed} was scored twice on the test images")
            scores[seed] = 100 * record["mean_iou"]
    rows = [(name, np.mean(list(scores.values())), list(scores.values())) for name, scores in found.items()]
    lines = []
    for name, mean, scores in sorted(rows, key=lambda row: (row[0][0], -row[1])):
        spread = f" ± {np.std(scores, ddof=1):.1f}" if len(scores) > 2 else ""
        lines.append(f"{' '.join(name)}: {mean:.1f}{spread} (n = {len(scores)})")
    return lines
    ### END SOLUTION

# %% segedu={"role": "check", "question": "leaderboard", "points": 1}
# one network, three seeds; then one of two seeds
three = [record("unet", seed, score) for seed, score in enumerate((0.5613, 0.5509, 0.6008))]
hints = [
    ("of shares: multiply by 100", ["camvid unet torch: 0.6 ± 0.0 (n = 3)"]),
    ("with a spread divided by n: divide by n − 1", ["camvid unet torch: 57.1 ± 2.1 (n = 3)"]),
]
check_board(three, ["camvid unet torch: 57.1 ± 2.6 (n = 3)"], hints)
two = [record("unet", seed, score, by="cuda") for seed, score in ((1, 0.5402), (4, 0.5598))]
hints = [("with a spread of two seeds: fewer than three get none", ["camvid unet cuda: 55.0 ± 1.4 (n = 2)"])]
check_board(two, ["camvid unet cuda: 55.0 (n = 2)"], hints)

# %% segedu={"role": "check", "question": "leaderboard", "points": 1}
# two networks, and validation
mixed = [*three, record("fcn8s", 0, 0.6112), record("fcn8s", 0, 0.7205, split="val")]
right = ["camvid fcn8s torch: 61.1 (n = 1)", "camvid unet torch: 57.1 ± 2.6 (n = 3)"]
hints = [("with validation counted: only the split \"test\" counts", ["camvid fcn8s torch: 66.6 (n = 2)", right[1]]),
         ("with validation counted: only the split \"test\" counts", ["camvid fcn8s torch: 72.0 (n = 1)", right[1]])]
check_board(mixed, right, hints)

# %% segedu={"role": "hidden", "question": "leaderboard", "points": 1}
# several data sets, networks, engines and splits, in any order
means, records, lines = {}, [], {}
runs = ("unet", "torch", 3), ("unet", "cuda", 1), ("fcn8s", "torch", 5), ("segnet", "cuda", 2)
for pictures in ("isbi2012", "camvid"):
    for (name, by, n), place in zip(runs, rng.permutation(4), strict=True):
        scores = 0.2 + 0.06 * place + 0.002 * rng.integers(0, 25, n)  # no two means are alike, none ends in 5
        percent = [100 * float(score) for score in scores]
        spread = f" ± {statistics.stdev(percent):.1f}" if n > 2 else ""
        key = pictures, -statistics.mean(percent)
        lines[key] = f"{pictures} {name} {by}: {statistics.mean(percent):.1f}{spread} (n = {n})"
        records += [record(name, k, float(score), pictures, by=by) for k, score in enumerate(scores)]
        records += [record(name, k, float(rng.random()), pictures, split, by) for k in range(3) for split in ("val", "train")]
by_mean = [lines[key] for key in sorted(lines, key=lambda key: key[1])]
hints = [("sorted by the mean alone: scores of different data sets cannot be compared", by_mean)]
check_board([records[k] for k in rng.permutation(len(records))], [lines[key] for key in sorted(lines)], hints)

# %% segedu={"role": "hidden", "question": "leaderboard", "points": 1}
# a seed that was scored twice, on test or elsewhere
once = [record("unet", seed, score) for seed, score in enumerate((0.5004, 0.5104, 0.5214))]
elsewhere = [record("unet", 0, 0.6, split="val"), record("unet", 0, 0.61, split="val"), record("unet", 0, 0.55, "isbi2012"), record("fcn8s", 0, 0.2)]
check_board([*once, *elsewhere], ["camvid unet torch: 51.1 ± 1.1 (n = 3)", "camvid fcn8s torch: 20.0 (n = 1)", "isbi2012 unet torch: 55.0 (n = 1)"])
for seed in (0, 1):
    compare.raises(leaderboard, ValueError, [*once, record("unet", seed, 0.58)], mentions=["seed"]).check()

# %% [markdown]
# # Exercises 06 · Losses
#
# You compute cross-entropy, plain and weighted, on paper, then write it so that it never overflows and leaves void out, with label smoothing and its gradient, write the soft Dice loss picture by picture, and
# take the Lovász loss by hand. You need lecture 06. Write in the cells that say `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

rng = np.random.default_rng(6)

# Question 1: the probabilities of three classes (rows) at three pixels (columns), the labels, and weights of the classes
probabilities = np.array([[0.5, 0.2, 0.3],
                          [0.4, 0.2, 0.3],
                          [0.1, 0.6, 0.4]])
labels = np.array([1, 2, 255])
class_weights = np.array([1.0, 3.0, 2.0])

# Question 5: the probabilities of one class at four pixels, and which of them belong to it
p_class = np.array([0.3, 0.4, 0.6, 0.8])
truth = np.array([1, 0, 0, 1])

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks and the figures need
import warnings

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from segedu import compare, figures, numpy_ops
from segedu.data.photographs import as_chw
from segedu.data.polygons import photograph_masks

figures.use_style()


def near(a, b):
    """Equal to three decimals."""
    return abs(a - b) < 0.001


def costs(order, grown=True):
    """Errors times Δ, or times its growth, where the pixels of question 5 become wrong in that order."""
    errors, total, before = np.abs(truth - p_class), 0, 0
    for k, pixel in enumerate(order, start=1):
        after = k / (truth.astype(bool) | np.isin(range(len(truth)), order[:k])).sum()
        total, before = total + errors[pixel] * (after - before), after if grown else 0
    return total


def row_loss(ignore_index=255, **options):
    """PyTorch's cross-entropy of the row of question 1, its labels as they are or changed."""
    given = torch.from_numpy(np.log(probabilities)).T, torch.from_numpy(options.pop("labels", labels))
    return F.cross_entropy(*given, ignore_index=ignore_index, **options).item()


def row_slopes():
    """PyTorch's derivatives of that loss with respect to the scores, class × pixel."""
    scores = torch.from_numpy(np.log(probabilities)).T.requires_grad_()
    F.cross_entropy(scores, torch.from_numpy(labels), ignore_index=255).backward()
    return scores.grad.T.numpy()


def tensors(logits, target):
    """In double precision, for what mistakes give."""
    return torch.from_numpy(logits).double(), torch.from_numpy(target)


def smoothed(logits, target, ignore_index, own, others):
    """Cross-entropy where the true class has the share `own`, and every other class the share `others`."""
    x, y = tensors(logits, target)
    log_p, valid = x.log_softmax(1), y != ignore_index
    of_truth = log_p.gather(1, y.where(valid, 0)[:, None])[:, 0]
    losses = -own * of_truth - others * (log_p.sum(1) - of_truth)
    return losses[valid].mean()


def loss_hints(logits, target, ignore_index, epsilon):
    """What typical slips give."""
    count = logits.shape[1]
    each = epsilon / count
    x, y = tensors(logits, target)
    options = {"ignore_index": ignore_index, "label_smoothing": epsilon}
    capped = F.cross_entropy(x, y, ignore_index=ignore_index, reduction="none")[y != ignore_index]
    of_pictures = torch.stack([F.cross_entropy(*picture, **options) for picture in zip(x[:, None], y[:, None], strict=True)])
    shares = [
        ("the loss without label smoothing", 1, 0),
        ("the loss with ε shared by the other classes only: it is spread over all classes", 1 - epsilon, epsilon / (count - 1)),
        ("the loss with ε for every class: ε is spread over the classes, each gets ε / C", 1, epsilon),
        ("the loss with the share of the true class not lowered to 1 − ε", 1 + each, each),
        ("the loss with the share that is spread over all classes left out", 1 - epsilon, 0),
    ]
    hints = [(text, smoothed(logits, target, ignore_index, own, others)) for text, own, others in shares]
    hints += [
        ("the loss with a mean for each picture first: the mean runs over all labelled pixels at once", of_pictures.mean()),
        ("the loss with void pixels in the part that is spread over all classes: they are left out of it, too",
         (1 - epsilon) * F.cross_entropy(x, y, ignore_index=ignore_index) - epsilon * x.log_softmax(1).mean()),
    ]
    if not epsilon:
        for least in 10.0 ** -np.arange(6, 17):
            hints += [
                (f"the loss with probabilities clipped at {least:g}: never form the probability itself", capped.clamp(max=-np.log(least)).mean()),
                (f"the loss with {least:g} added to the probabilities: never form the probability itself", -((-capped).exp() + least).log().mean()),
            ]
    return [(text, value.numpy().astype(logits.dtype)) for text, value in hints]


ANY_SIZE = "Scores of any size are legal: subtract the largest score of each pixel before you take exponentials"


def refuse_nan(got, name, about=ANY_SIZE):
    """Say what is behind a number that is NaN or infinite."""
    if isinstance(got, np.ndarray | np.floating | float) and not np.isfinite(got).all():
        what = "NaN" if np.isnan(got).any() else "infinite"
        raise AssertionError(f"{name}: {what if np.ndim(got) == 0 else 'some values are ' + what}. {about}.")


def check_unchanged(given, before):
    """The scores must be after the call what they were before."""
    if not np.array_equal(given, before):
        raise AssertionError("the scores were changed: work on a copy. `logits - …` makes a new array, `logits -= …` overwrites the one given")


def check_loss(logits, target, ignore_index=-100, label_smoothing=0.0, about=ANY_SIZE):
    """Compare cross_entropy with PyTorch's."""
    options = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
    right = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(target), **options).numpy()
    hints = loss_hints(logits, target, ignore_index, label_smoothing)
    context = {"operator": "cross_entropy", "args": (logits, target), "kwargs": options, "reference": F.cross_entropy}
    given = logits.copy()
    got = cross_entropy(given, target.copy(), ignore_index, label_smoothing)
    check_unchanged(given, logits)
    if np.isfinite(right):
        refuse_nan(got, "cross_entropy", about)
    elif isinstance(got, np.ndarray | np.floating | float) and np.isfinite(got).all():
        raise AssertionError(f"cross_entropy: {got}, where no pixel is labelled. The loss is NaN there, a mean of nothing")
    length = logits.size + int(np.abs(logits).max())  # m + log(…) rounds as coarsely as the scores do
    return compare.arrays(got, right, length=length, name="cross_entropy", hints=hints, context=context).check()


def gradient_hints(grad_output, logits, target, ignore_index, epsilon):
    """What typical slips give."""
    x, y = tensors(logits, target)
    valid = (y != ignore_index)[:, None].double()
    t = F.one_hot(y.where(y != ignore_index, 0), x.shape[1]).movedim(-1, 1).double()
    smooth = (1 - epsilon) * t + epsilon / x.shape[1]
    p, n = x.softmax(1), valid.sum()
    right = grad_output * valid * (p - smooth) / n
    of_picture = valid.sum((1, 2, 3), keepdim=True) * len(x)
    others = (1 - epsilon) * t + epsilon / (x.shape[1] - 1) * (1 - t)
    reshaped = (1 - epsilon) * t.movedim(1, -1).reshape(x.shape) + epsilon / x.shape[1]
    hints = [
        ("the gradient without label smoothing", grad_output * valid * (p - t) / n),
        ("the gradient with void trained as class 0: its gradient is 0", grad_output * (p - smooth) / n),
        ("the gradient with void trained as class 0, divided by all pixels", grad_output * (p - smooth) / y.numel()),
        ("the gradient with p left at void pixels: not the target but the whole gradient is 0 there",
         grad_output * (p - smooth * valid) / n),
        ("the gradient divided by the number of all pixels: void ones do not count", right * n / y.numel()),
        ("the gradient of the sum: the loss is a mean, divide by the number of labelled pixels", right * n),
        ("the gradient divided by the number of pictures only", right * n / len(x)),
        ("the gradient of a mean for each picture: n is the number of all labelled pixels", right * n / of_picture),
        ("the gradient with ε shared by the other classes only: it is spread over all classes", grad_output * valid * (p - others) / n),
        ("the gradient with ε for every class: ε is spread over the classes, each gets ε / C",
         grad_output * valid * (p - (1 - epsilon) * t - epsilon) / n),
        ("the gradient with one-hot vectors that were reshaped: move their last axis to axis 1, `reshape` moves none",
         grad_output * valid * (p - reshaped) / n),
        ("target minus probabilities: the sign is wrong", -right),
        ("the gradient without the factor grad_output", right / grad_output),
        ("the probabilities alone: the target is to be subtracted", grad_output * valid * p / n),
    ]
    hints += [(f"the gradient with softmax over axis {k}: the classes are axis 1",
               grad_output * valid * (x.softmax(k) - smooth) / n) for k in (0, 2, 3)]
    return [(text, array.numpy().astype(logits.dtype)) for text, array in hints]


def true_gradient(grad_output, logits, target, ignore_index, label_smoothing):
    """PyTorch's own."""
    x = torch.from_numpy(logits).clone().requires_grad_()
    options = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
    (grad_output * F.cross_entropy(x, torch.from_numpy(target), **options)).backward()
    return x.grad.numpy()


def check_gradient(grad_output, logits, target, ignore_index=-100, label_smoothing=0.0):
    """Compare cross_entropy_backward with PyTorch's gradient."""
    arguments = grad_output, logits, target, ignore_index, label_smoothing
    given = logits.copy()
    got = cross_entropy_backward(grad_output, given, target.copy(), ignore_index, label_smoothing)
    hints = gradient_hints(*arguments)
    check_unchanged(given, logits)
    if isinstance(got, np.ndarray) and got.shape != logits.shape:
        raise AssertionError(
            f"gradient: the shape is {got.shape}, that of the scores is {logits.shape}. "
            "Do the one-hot vectors have their classes in axis 1? `np.eye` puts them last"
        )
    refuse_nan(got, "gradient")
    return compare.arrays(got, true_gradient(*arguments), name="gradient", hints=hints).check()


def dice_hints(logits, target, ignore_index, smooth):
    """What typical slips give."""
    x, y = tensors(logits, target)
    valid = (y != ignore_index)[:, None].double()
    label = y.where(y != ignore_index, 0)
    all_t = F.one_hot(label, x.shape[1]).movedim(-1, 1)
    t = all_t * valid
    p = x.softmax(1)

    def scores(p, t, above=smooth, below=smooth, factor=2, power=1, axes=(2, 3)):
        both, p_sum, t_sum = ((a).sum(axes) for a in (p * t, p**power, t**power))
        return (factor * both + above) / (p_sum + t_sum + below)

    def loss(*arguments, **options):
        return 1 - scores(*arguments, **options).mean()

    right = loss(p * valid, t)
    each = scores(p * valid, t)
    hard = F.one_hot(x.argmax(1), x.shape[1]).movedim(-1, 1)
    own = loss(p * valid, (y[:, None] == torch.arange(x.shape[1])[:, None, None]).double())
    both, either = (p * t).sum((2, 3)), (p * valid + t - p * t).sum((2, 3))
    hints = [
        ("the loss with the probabilities of void pixels counted: they enter none of the three sums", loss(p, t)),
        ("the loss with void trained as class 0", loss(p, all_t)),
        ("the loss with void pixels counted among those of its class: t is 0 there, whatever the void label's number", own),
        ("the loss with void pixels counted in t: p is 0 there, but t has to be 0, too", loss(p * valid, all_t)),
        ("the loss with sums over the whole batch: each picture has sums of its own", loss(p * valid, t, axes=(0, 2, 3))),
        ("the loss with sums over all classes together: each class has sums of its own", loss(p * valid, t, axes=(1, 2, 3))),
        ("the loss with the mean over the classes that a picture has: absent ones count as well", 1 - each[t.sum((2, 3)) > 0].mean()),
        ("the loss without pictures that are all void: they count, with D = s/s = 1", 1 - each[valid.any(3).any(2)[:, 0]].mean()),
        ("the loss without the factor 2", loss(p * valid, t, factor=1)),
        ("the loss without smooth", loss(p * valid, t, above=0, below=0)),
        ("the loss with smooth above the fraction bar only", loss(p * valid, t, below=0)),
        ("the loss with smooth below the fraction bar only", loss(p * valid, t, above=0)),
        ("the loss with twice smooth above the fraction bar", loss(p * valid, t, above=2 * smooth)),
        ("the loss with squares below the fraction bar, V-Net's form", loss(p * valid, t, power=2)),
        ("the loss of the predicted labels, which has no gradient: the sums need probabilities", loss(hard * valid, t)),
        ("the loss of the scores: softmax makes probabilities of them first", loss(x * valid, t)),
        ("the soft Jaccard loss", 1 - ((both + smooth) / (either + smooth)).mean()),
        ("the mean score: the loss is 1 minus it", 1 - right),
        *((f"the loss with softmax over axis {k}: the classes are axis 1", loss(x.softmax(k) * valid, t)) for k in (0, 2, 3)),
    ]
    hints = [hint for k, hint in enumerate(hints) if not any(torch.isclose(hint[1], other) for _, other in hints[:k])]
    return [(text, value.numpy().astype(logits.dtype)) for text, value in hints]  # where two agree, the likelier one


def true_dice(logits, target, ignore_index, smooth):
    """The library's."""
    return np.asarray(numpy_ops.dice_loss(logits, target, smooth, ignore_index, per_image=True))


def check_dice(logits, target, ignore_index, smooth):
    """Compare dice_loss with the library's."""
    right = true_dice(logits, target, ignore_index, smooth)
    hints = dice_hints(logits, target, ignore_index, smooth)
    given = logits.copy()
    got = dice_loss(given, target.copy(), ignore_index, smooth)
    check_unchanged(given, logits)
    refuse_nan(got, "dice_loss", ANY_SIZE + "; and smooth, above and below the fraction bar, keeps 0/0 away")
    return compare.arrays(got, right, length=logits.size, name="dice_loss", hints=hints).check()


def drawn(rng, shape, void, dtype=np.float64):
    """Scores, and labels of which some are void."""
    logits = (3 * rng.standard_normal(shape)).astype(dtype)
    target = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    target[rng.random(target.shape) < 0.25] = void
    target[0, 0, :2] = void, (void == 0) * 1
    return logits, target


def draw_curves(mine, its, reach):
    """A loss against the score of one pixel's true class, yours and the right one."""
    scores = np.linspace(-reach, reach, 61).astype(np.float32)
    x = np.zeros((61, 1, 2, 1, 2), np.float32)
    x[:, 0, 0, 0, 0], x[:, 0, 1, 0, 1] = scores, 1
    target = np.array([[[0, 1]]])
    with np.errstate(all="ignore"):
        yours = [mine(one.copy(), target) for one in x]
    fig, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    ax.plot(scores, yours, label="yours")
    ax.plot(scores, [its(one, target) for one in x], ":", linewidth=3, label="as it should be")
    ax.set(xlabel="score of the true class of one of two pixels", ylabel="loss")
    ax.legend()
    figures.show(fig, alt="The loss against a score, two curves: yours and the right one.")

# %% [markdown]
# ## 1 · Three pixels by hand (3 points)
#
# A network gives three pixels these probabilities of three classes. The label 255 means void.
#
# | | pixel 0 | pixel 1 | pixel 2 |
# |---|---|---|---|
# | class 0 | 0.5 | 0.2 | 0.3 |
# | class 1 | 0.4 | 0.2 | 0.3 |
# | class 2 | 0.1 | 0.6 | 0.4 |
# | **label** | 1 | 2 | 255 |
#
# Work out
#
# * `loss`, the mean cross-entropy of the labelled pixels,
# * `weighted`, the same with the class weights 1, 3, 2 for the classes 0, 1, 2,
# * `slope`, the derivative of `loss` with respect to the score of class 1 at pixel 0.
#
# Python may be your calculator: `np.log` is the natural logarithm. Three decimals will do.

# %% segedu={"role": "answer", "question": "by_hand"}
### BEGIN SOLUTION
loss = -(np.log(0.4) + np.log(0.6)) / 2
weighted = -(3 * np.log(0.4) + 2 * np.log(0.6)) / (3 + 2)
slope = (0.4 - 1) / 2
### END SOLUTION

# %% segedu={"role": "check", "question": "by_hand", "points": 1}
# the mean loss
assert not near(loss, -row_loss()), "the sign is wrong: the loss is minus the logarithm"
assert not near(loss, row_loss() / np.log(10)), "that is with the logarithm to base 10: take the natural one"
assert not near(loss, row_loss() / np.log(2)), "that is with the logarithm to base 2: take the natural one"
assert not near(loss, row_loss(reduction="sum")), "that is the sum: divide by the number of labelled pixels"
assert not near(loss, row_loss(reduction="sum") / 3), "a void pixel counts neither in the sum nor in the number of pixels"
assert not near(loss, row_loss(labels=labels % 255)), "the void pixel is trained as class 0: leave it out"
assert near(loss, row_loss()), "not right: of each labelled pixel only the probability of its label counts"
print("the loss is right")

# %% segedu={"role": "check", "question": "by_hand", "points": 1}
# the weighted mean
weights = torch.from_numpy(class_weights)
right, total = row_loss(weight=weights), row_loss(weight=weights, reduction="sum")
assert not near(weighted, total), "that is the weighted sum: a mean is divided by the sum of the weights"
assert not near(weighted, total / 2), "a weighted mean is divided by the sum of weights, not by the number of pixels"
assert not near(weighted, total / 3), "a weighted mean is divided by the sum of the weights; void pixels have none"
assert not near(weighted, total / class_weights.sum()), "those are the weights of all classes: add up those of the labelled pixels"
assert not near(weighted, row_loss(weight=weights.roll(1))), "other classes have these weights: classes are counted from 0"
assert near(weighted, right), "not right: each labelled pixel has the weight of its class, above and below the bar"
print("the weighted loss is right")

# %% segedu={"role": "check", "question": "by_hand", "points": 1}
# the derivative
right = row_slopes()[1, 0]
assert not near(slope, 2 * right), "that is the derivative of pixel 0's own loss: how much of the mean is it?"
assert not near(slope, 2 / 3 * right), "divided by the number of all pixels: void ones do not count"
assert not near(slope, -right), "the sign is wrong: a larger score of the true class makes the loss smaller"
assert not near(slope, probabilities[1, 0] / 2), "the target is missing: probabilities minus target"
assert not near(slope, row_slopes()[0, 0]), "that is class 0: the classes are counted from 0"
assert not near(slope, -1 / probabilities[1, 0] / 2), "that is with respect to the probability: the score is meant"
assert near(slope, right), "not right: probabilities minus target, as a part of the mean"
print("the derivative is right")

# %% [markdown]
# ## 2 · Cross-entropy that never overflows (5 points)
#
# `cross_entropy(logits, target, ignore_index, label_smoothing)` takes scores of N×C×H×W and labels of N×H×W, and returns one number in the dtype of the scores. Pixels with the label `ignore_index` are void; it
# may be any whole number, also that of a class.
# With label smoothing (section 6 of the lecture), $\varepsilon$ for short, the target of a pixel $i$ with label $y_i$ is not one-hot: $\varepsilon$ of it is spread evenly over all C classes,
#
# $$q_{ij} = (1 - \varepsilon)\, t_{ij} + \frac{\varepsilon}{C}, \qquad t_{ij} = \begin{cases} 1 & \text{if } j = y_i \\ 0 & \text{otherwise} \end{cases}$$
#
# and the loss is the mean over the $n$ labelled pixels:
#
# $$\ell = -\frac{1}{n} \sum_{i \text{ labelled}} \; \sum_j q_{ij} \log p_{ij}$$
#
# It shall be right for scores of any size, such as 1000 or −1000. Where no pixel is labelled it is NaN, a mean of nothing. Scores and labels must not be changed.
#
# Example: one pixel with the scores log 3 and 0 has the probabilities ¾ and ¼. With label 0 its loss is −log ¾ = 0.288. With $\varepsilon = 0.2$ its target is 0.9, 0.1, and its loss 0.9 · 0.288 + 0.1 · 1.386 = 0.398.
#
# <details><summary>Hint 1</summary>First log p for all classes, with the log-sum-exp trick: `axis=1, keepdims=True` for the maximum and for the sum.</details>
# <details><summary>Hint 2</summary>Leave label smoothing out at first. Give void pixels some legal label, take log p of the labels with `np.take_along_axis`, and choose the labelled ones with a mask at the end.</details>
# <details><summary>Hint 3</summary>The sum over the classes is (1 − ε) times log p of the label plus ε times the mean of log p over the classes.</details>
# <details><summary>Hint 4</summary>The mean of an array of float32 is float32. A float32 divided by an integer of NumPy's, such as `mask.sum()`, is float64.</details>

# %% segedu={"role": "answer", "question": "cross_entropy"}
def cross_entropy(logits, target, ignore_index, label_smoothing):
    """logits: N×C×H×W, target: N×H×W. Returns the mean loss of the labelled pixels, of the dtype of logits."""
    ### BEGIN SOLUTION
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    valid = target != ignore_index
    label = np.where(valid, target, 0)
    of_label = np.take_along_axis(log_p, label[:, None], axis=1)[:, 0]
    losses = -(1 - label_smoothing) * of_label - label_smoothing * log_p.mean(axis=1)
    return losses[valid].mean()
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "cross_entropy"}
# Figure: the loss of two pixels in float32, one of them from sure and wrong to sure and right
try:
    draw_curves(lambda x, y: cross_entropy(x, y, 255, 0.0), numpy_ops.cross_entropy, reach=150)
except NotImplementedError:
    print("Write the answer first; then this cell shows it as a curve.")

# %% segedu={"role": "check", "question": "cross_entropy", "points": 1}
# no void, no smoothing; then the example
check_loss(rng.standard_normal((1, 3, 2, 4)), rng.integers(0, 3, (1, 2, 4)))
check_loss(np.log([3.0, 1.0])[None, :, None, None], np.zeros((1, 1, 1), np.int64), label_smoothing=0.2)

# %% segedu={"role": "check", "question": "cross_entropy", "points": 1}
# large scores in float32: all near 1000; sure and wrong; one pixel near 1000 and one near 0
cases = [
    ([[1001, 1000, 999]], "In float32 exp(89) is infinite already: subtract the largest score first"),
    ([[0, 300, 0]], "The label's probability is too small for float32: take the logarithm on paper, not of p"),
    ([[1001, 1000, 999], [1, 2, 3]], "One pixel has scores near 1000, one near 0: each has a largest of its own"),
]
for pixels, about in cases:
    scores = np.array(pixels, np.float32).T[None, :, None]
    report = check_loss(scores, np.zeros((1, 1, len(pixels)), np.int64), about=about)
report

# %% segedu={"role": "check", "question": "cross_entropy", "points": 1}
# void pixels
check_loss(*drawn(rng, (2, 4, 3, 3), 255), ignore_index=255)

# %% segedu={"role": "hidden", "question": "cross_entropy", "points": 1}
# any size, void labels of several kinds, also one that is the number of a class, with smoothing
for void, epsilon in [(255, 0.1), (-1, 0.3), (0, 0.0), (2, 0.2)]:
    shape = (int(rng.integers(2, 4)), int(rng.integers(3, 6)), *rng.permutation(np.arange(3, 9))[:2])
    check_loss(*drawn(rng, shape, void), ignore_index=void, label_smoothing=epsilon)

# %% segedu={"role": "hidden", "question": "cross_entropy", "points": 1}
# scores far above and far below 0 in both dtypes; nothing labelled
for dtype, size in [(np.float32, 500), (np.float64, 5000)]:
    logits, target = drawn(rng, (2, 3, *rng.permutation(np.arange(3, 7))[:2]), 255, dtype)
    for scores in (size * logits, logits + dtype(size), logits - dtype(size)):
        check_loss(scores, target, ignore_index=255)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a mean of nothing
    check_loss(logits, np.full_like(target, 255), ignore_index=255)

# %% [markdown]
# ## 3 · Its gradient (4 points)
#
# `cross_entropy_backward(grad_output, logits, target, ignore_index, label_smoothing)` returns the gradient of question 2's loss with respect to the scores, times the number `grad_output`, $d$. It has the shape
# and the dtype of the scores. The $q_{ij}$ of a pixel add up to 1, so it is still probabilities minus target:
#
# $$g_{ij} = \begin{cases} d \cdot \dfrac{p_{ij} - q_{ij}}{n} & \text{if pixel } i \text{ is labelled} \\ 0 & \text{if it is void} \end{cases}$$
#
# At least one pixel is labelled. The scores may be of any size here, too. Scores and labels must not be changed.
#
# Example: the pixel of question 2, with the probabilities ¾ and ¼ and the label 0. The gradient is −¼, ¼; with $\varepsilon = 0.2$ it is −0.15, 0.15. If there is a second pixel with a label, both numbers
# are halved; if that one is void, they are not, and its own numbers are 0.
#
# <details><summary>Hint 1</summary>Softmax of the shifted scores is safe: the largest exponent is 0, and the sum at least 1.</details>
# <details><summary>Hint 2</summary>One-hot vectors of all pixels: `np.eye(C)[label]` is N×H×W×C; `np.moveaxis(…, -1, 1)` brings the classes where they belong.</details>
# <details><summary>Hint 3</summary>A mask N×H×W meets N×C×H×W as `valid[:, None]`. `np.eye` is float64; `.astype(logits.dtype)` at the end gives the dtype back.</details>

# %% segedu={"role": "answer", "question": "cross_entropy_backward"}
def cross_entropy_backward(grad_output, logits, target, ignore_index, label_smoothing):
    """grad_output: a number, the rest as for cross_entropy. Returns the gradient of logits, of their dtype."""
    ### BEGIN SOLUTION
    classes = logits.shape[1]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    valid = target != ignore_index
    label = np.where(valid, target, 0)
    t = np.moveaxis(np.eye(classes)[label], -1, 1)
    q = (1 - label_smoothing) * t + label_smoothing / classes
    g = grad_output * valid[:, None] * (p - q) / valid.sum()
    return g.astype(logits.dtype)
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "cross_entropy_backward"}
# Figure: the gradient of the class saucer, for scores that are the photograph's redness, void around the picture
masks = photograph_masks("coffee")
red = as_chw(masks.image[::4, ::4], np.float64)
picked = masks.semantic[None, ::4, ::4].astype(np.int64)
picked[:, :6], picked[:, -6:], picked[..., :6], picked[..., -6:] = (255,) * 4
saucer = masks.classes.index("saucer")
guess = np.zeros((1, len(masks.classes), *red.shape[1:]))
guess[0, saucer] = 6 * (red[0] - red[1]) - 1
try:
    pair = [function(1.0, guess, picked, 255, 0.0)[0, saucer] for function in (cross_entropy_backward, true_gradient)]
    pixels = (picked != 255).sum()
    fig, axes = plt.subplots(1, 3, figsize=(9.6, 2.5), layout="constrained")
    axes[0].imshow(masks.image)
    for ax, plane in zip(axes[1:], pair, strict=True):
        drawing = ax.imshow(plane * pixels, cmap="RdBu_r", vmin=-1, vmax=1)
    for ax, title in zip(axes, ("photograph", "yours", "PyTorch's"), strict=True):
        ax.set_title(title)
        ax.set_axis_off()
    fig.colorbar(drawing, ax=axes, label="raise ← → lower", fraction=0.03, shrink=0.8)
    figures.show(fig, alt="A cup on a red saucer, and the gradient of the class saucer, yours and PyTorch's.")
except NotImplementedError:
    print("Write the answer first; then this cell shows it beside PyTorch's.")

# %% segedu={"role": "check", "question": "cross_entropy_backward", "points": 1}
# the example, plain and with smoothing, alone and beside a void pixel
two = np.log([[3.0, 1.0], [1.0, 1.0]]).T[None, :, None]
check_gradient(1.0, two[..., :1], np.array([[[0]]]))
check_gradient(1.0, two[..., :1], np.array([[[0]]]), label_smoothing=0.2)
check_gradient(1.0, two, np.array([[[0, 255]]]), ignore_index=255)

# %% segedu={"role": "check", "question": "cross_entropy_backward", "points": 1}
# several pictures in float32, no void, a grad_output that is not 1
check_gradient(2.5, rng.standard_normal((2, 3, 2, 3)).astype(np.float32), rng.integers(0, 3, (2, 2, 3)))

# %% segedu={"role": "hidden", "question": "cross_entropy_backward", "points": 1}
# any size, void labels of several kinds, also one that is the number of a class, with smoothing
for void, epsilon in [(255, 0.0), (-100, 0.1), (0, 0.0), (1, 0.3)]:
    shape = (int(rng.integers(2, 4)), int(rng.integers(3, 6)), *rng.permutation(np.arange(3, 9))[:2])
    check_gradient(float(rng.uniform(0.5, 3)), *drawn(rng, shape, void), ignore_index=void, label_smoothing=epsilon)

# %% segedu={"role": "hidden", "question": "cross_entropy_backward", "points": 1}
# scores far above and far below 0, in both dtypes; void in one picture only
for dtype, size in [(np.float32, 500), (np.float64, 5000)]:
    logits, target = drawn(rng, (2, 3, *rng.permutation(np.arange(3, 7))[:2]), 255, dtype)
    target[1] = rng.integers(0, 3, target[1].shape)
    for scores in (size * logits, logits + dtype(size), logits - dtype(size)):
        check_gradient(1.5, scores, target, ignore_index=255)

# %% [markdown]
# ## 4 · Soft Dice, picture by picture (4 points)
#
# `dice_loss(logits, target, ignore_index, smooth)` takes scores of N×C×H×W and labels of N×H×W, and returns one number in the dtype of the scores. The lecture's sums ran over the whole batch. Here each picture
# has sums of its own, and void pixels enter none of the three: for picture $k$ and class $j$
#
# $$D_{kj} = \frac{2 \sum_i p_{ij} t_{ij} + s}{\sum_i p_{ij} + \sum_i t_{ij} + s} \qquad\qquad L = 1 - \frac{1}{NC} \sum_{k=1}^{N} \sum_{j=1}^{C} D_{kj}$$
#
# where $i$ runs over the labelled pixels of picture $k$, and $s$ is `smooth`, a number above 0. A picture that is all void has $D_{kj} = s / s = 1$. The scores may be of any size. Scores and labels must not be changed.
#
# Example: one picture of two pixels, both with the probabilities ¾ and ¼, the labels 0 and 255 (void), $s = 1$. Class 0: (2 · ¾ + 1) / (¾ + 1 + 1) = 0.909. Class 1: (0 + 1) / (¼ + 0 + 1) = 0.8. The loss is 0.145.
#
# <details><summary>Hint 1</summary>Start with p, by the safe softmax, and the one-hot t, both N×C×H×W.</details>
# <details><summary>Hint 2</summary>Multiply both by the mask of the labelled pixels: then void adds nothing to any sum.</details>
# <details><summary>Hint 3</summary>Sum over axes 2 and 3: each sum is N×C. Then the fraction, and the mean of all.</details>
# <details><summary>Hint 4</summary>Mind the dtype of t: float32 together with integers makes float64.</details>

# %% segedu={"role": "answer", "question": "dice_loss"}
def dice_loss(logits, target, ignore_index, smooth):
    """logits: N×C×H×W, target: N×H×W. Returns the loss, a number of the dtype of logits."""
    ### BEGIN SOLUTION
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    valid = (target != ignore_index)[:, None]
    classes = np.arange(logits.shape[1])[:, None, None]
    t = (valid & (target[:, None] == classes)).astype(logits.dtype)
    p = valid * p
    both, p_sum, t_sum = (a.sum(axis=(2, 3)) for a in (p * t, p, t))
    return 1 - ((2 * both + smooth) / (p_sum + t_sum + smooth)).mean()
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "dice_loss"}
# Figure: the Dice loss of two pixels in float32, one of them from sure and wrong to sure and right
try:
    draw_curves(lambda x, y: dice_loss(x, y, 255, 1.0), lambda x, y: true_dice(x, y, 255, 1.0), reach=8)
except NotImplementedError:
    print("Write the answer first; then this cell shows it as a curve.")

# %% segedu={"role": "check", "question": "dice_loss", "points": 1}
# one picture without void, in float32
check_dice(rng.standard_normal((1, 3, 4, 5)).astype(np.float32), rng.integers(0, 3, (1, 4, 5)), 255, 1.0)

# %% segedu={"role": "check", "question": "dice_loss", "points": 1}
# the example, then two pictures with void
check_dice(np.log([[3.0, 1.0], [3.0, 1.0]]).T[None, :, None], np.array([[[0, 255]]]), 255, 1.0)
check_dice(*drawn(rng, (2, 3, 3, 4), 255), 255, 1.0)

# %% segedu={"role": "hidden", "question": "dice_loss", "points": 1}
# any number of pictures, large enough for all classes, void labels of several kinds, several smooths
for void, smooth in [(255, 0.1), (-1, 1.0), (255, 3.0)]:
    shape = (int(rng.integers(2, 4)), int(rng.integers(3, 6)), *rng.permutation(np.arange(8, 13))[:2])
    check_dice(*drawn(rng, shape, void), void, smooth)

# %% segedu={"role": "hidden", "question": "dice_loss", "points": 1}
# void that is the number of a class, a class that is absent, a picture that is all void, large scores
for dtype, void in [(np.float32, 0), (np.float64, 2)]:
    logits, target = drawn(rng, (3, 4, *rng.permutation(np.arange(3, 7))[:2]), void, dtype)
    target[1] = void
    target[target == 3] = 1
    check_dice(logits, target, void, 1.0)
    check_dice(400 * logits, target, void, 0.5)

# %% [markdown]
# ## 5 · Lovász by hand (2 points)
#
# A picture of four pixels; pixels 0 and 3 belong to a class, pixels 1 and 2 do not. A network gives the class the probabilities 0.3, 0.4, 0.6 and 0.8 there. In which order do the pixels become wrong, and what is the
# Lovász loss of the class? Write `order = …`, the four numbers of the pixels in brackets, and `lovasz = …`, a fraction or three decimals.
#
# <details><summary>Hint 1</summary>Errors first: how far is each probability from the truth, 1 or 0? The largest comes first.</details>
# <details><summary>Hint 2</summary>Δ is the number of wrong pixels so far, divided by the number of pixels that are true or wrong. Each pixel costs its error times the growth of Δ.</details>

# %% segedu={"role": "answer", "question": "lovasz"}
### BEGIN SOLUTION
order = (0, 2, 1, 3)
lovasz = 0.7 * 1 / 2 + 0.6 * (2 / 3 - 1 / 2) + 0.4 * (3 / 4 - 2 / 3) + 0.2 * (4 / 4 - 3 / 4)
### END SOLUTION

# %% segedu={"role": "check", "question": "lovasz", "points": 1}
# the order of the pixels
errors = np.abs(truth - p_class)
assert sorted(order) == [0, 1, 2, 3], "each of the pixels 0 to 3 has to stand there once"
assert list(order) != list(np.argsort(-p_class)), "that is the order of the probabilities: the errors are meant"
assert list(order) != list(np.argsort(errors)), "the other way round: the largest error comes first"
assert (np.diff(errors[list(order)]) < 0).all(), "not right: the error of a pixel of the class is 1 − p, of another one p"
print("the order is right")

# %% segedu={"role": "check", "question": "lovasz", "points": 1}
# the loss
scores = np.log(np.stack([1 - p_class, p_class], axis=1))
right = float(numpy_ops.lovasz_softmax(scores, truth, classes=[1]))
errors = np.abs(truth - p_class)
both = (p_class * truth).sum()
assert not near(lovasz, costs(np.argsort(-errors), grown=False)), "a pixel costs its error times the growth of Δ, not times Δ"
assert not near(lovasz, errors.mean()), "that is the mean error: Δ does not grow by ¼ each time"
assert not near(lovasz, costs(np.argsort(errors))), "that is with the smallest error first: begin with the largest"
assert not near(lovasz, costs(np.argsort(-p_class))), "that is in the order of the probabilities: take the errors"
assert not near(lovasz, 1 - both / (p_class.sum() + truth.sum() - both)), "that is the soft Jaccard loss"
assert near(lovasz, right), "not right: write down Δ after each pixel of your order, then how much it grew"
print("the loss is right")

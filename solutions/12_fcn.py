# %% [markdown]
# # Exercises 12 · FCN-32s, 16s, 8s
#
# You fuse scores on paper, count parameters, assemble the FCN's head for any number of skips, take its logits apart into votes, and send a gradient back through all of it. You need lecture 12.
# Write in the cells that say `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.
#
# The operators of earlier lectures are yours to use here: the setup cell has `conv2d` and `conv2d_backward` from `segedu.numpy_ops`, and `enlarge`, the transposed convolution as the FCN uses it.

# %% segedu={"role": "setup", "allowed": ["numpy_ops"]}
import numpy as np
from segedu.numpy_ops import conv2d, conv2d_backward, conv_transpose2d, conv_transpose2d_backward

rng = np.random.default_rng(12)

# Parameters of VGG16, made convolutional, without its last layer; and the channels of its poolings by their stride
VGG = 134_260_544
CHANNELS = {32: 512, 16: 512, 8: 256, 4: 128, 2: 64}
HIDDEN = 4096


def enlarge(scores, weight):
    """scores N×K×h×w, weight K×K×2r×2r; by the factor r: N×K×rh×rw."""
    r = weight.shape[-1] // 2
    return conv_transpose2d(scores, weight, stride=r, padding=r // 2)


def enlarge_backward(grad, scores, weight):
    """The gradients of scores and weight; grad is that of the enlarged scores."""
    r = weight.shape[-1] // 2
    return conv_transpose2d_backward(grad, scores, weight, stride=r, padding=r // 2)[:2]

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks and the figures need
import re

import torch
import torch.nn.functional as F
from segedu import compare, data, figures, models

figures.use_style()
ARGUMENTS = ("scores", "pools", "score_weights", "score_biases", "enlarge_weights")
AXES = {
    "score_weights": ("class", "channel", "kernel row", "kernel column"),
    "enlarge_weights": ("input class", "output class", "kernel row", "kernel column"),
}
EXAMPLE = (
    np.array([[[[4.0]]]]),
    [np.array([[[[1.0, 2.0], [3.0, 4.0]]]])],
    [np.array([[[[10.0]]]])],
    [np.array([-1.0])],
    [np.ones((1, 1, 4, 4)), np.ones((1, 1, 4, 4))],
)


def parameters_of(num_classes, stride):
    """The published networks from the library; strides below 8 from layers of PyTorch that hold no numbers."""
    if stride >= 8:
        return models.count_parameters(models.build(f"fcn{stride}s", num_classes=num_classes))
    with torch.device("meta"):
        layers = [torch.nn.Conv2d(HIDDEN, num_classes, 1)]
        for channels in [c for s, c in CHANNELS.items() if stride <= s < 32]:
            layers.append(torch.nn.Conv2d(channels, num_classes, 1))
            layers.append(torch.nn.ConvTranspose2d(num_classes, num_classes, 4, bias=False))
        layers.append(torch.nn.ConvTranspose2d(num_classes, num_classes, 2 * stride, bias=False))
    return VGG + sum(p.numel() for layer in layers for p in layer.parameters())


def check_count(num_classes, stride):
    """Compare fcn_parameters with the library's networks and PyTorch's layers."""
    right, C = parameters_of(num_classes, stride), num_classes
    skips = (5 - np.log2(stride)).astype(int)
    maps = sum(c for s, c in CHANNELS.items() if stride <= s < 32)
    hints = [
        ("the number without the score layers' biases", right - C * (skips + 1)),
        ("the number with a bias for each enlargement: they have none", right + C * (skips + 1)),
        ("the number without the score layer of stride 32", right - HIDDEN * C - C),
        ("the number without the score layers of the finer maps", right - maps * C - skips * C),
        ("the number without the enlargements by 2", right - 16 * C * C * skips),
        ("the number without the last enlargement", right - 4 * C * C * stride**2),
        (
            "the number for kernels as large as the factor: an enlargement by r has 2r×2r",
            right - 12 * C * C * skips - 3 * C * C * stride**2,
        ),
        (
            "the number for one kernel a class: there is one for each pair of classes",
            right - (C * C - C) * (16 * skips + 4 * stride**2),
        ),
        ("the number for a last enlargement by 32: it is by the stride", right + 4 * C * C * (32**2 - stride**2)),
        ("the number with pool5 scored as well: the scores of stride 32 are made of HIDDEN", right + 512 * C + C + 16 * C * C),
        ("the number with the last skip alone: each stride on the way adds one",
         right - (maps - CHANNELS[stride]) * C - (skips - 1) * (C + 16 * C * C) if skips else right),
        ("the number for enlargements between the maps by other factors than 2",
         right + sum(4 * C * C * (s * s - 4) for s in CHANNELS if stride <= s < 32)),
        ("the number with one skip too few", right - (CHANNELS[stride] * C + C + 16 * C * C if stride < 32 else 0)),
    ]
    hints = [(text, value) for text, value in hints if value != right]
    name = f"FCN-{stride}s, {C} classes"
    return compare.arrays(fcn_parameters(num_classes, stride), int(right), name=name, hints=hints).check()


def head(scores, pools, score_weights, score_biases, enlarge_weights, only=None, fuse=torch.add):
    """PyTorch's head. `only` silences all votes but one; `fuse` joins two maps."""
    def larger(x, weight):
        r = weight.shape[-1] // 2
        return F.conv_transpose2d(x, weight, stride=r, padding=r // 2)

    scores = scores if only in (None, 0) else 0 * scores
    for n, (pool, weight, bias) in enumerate(zip(pools, score_weights, score_biases, strict=True)):
        scored = F.conv2d(pool, weight, bias)
        scores = fuse(larger(scores, enlarge_weights[n]), scored if only in (None, n + 1) else 0 * scored)
    return larger(scores, enlarge_weights[-1])


def drawn(rng, classes=3, channels=(5, 4), size=(2, 3), batch=2, last=8, dtype=np.float64):
    """Random arguments for a head with as many skips as there are channels."""
    def random(*shape):
        return rng.standard_normal(shape).astype(dtype)

    sizes = [[n * 2 ** (k + 1) for n in size] for k in range(len(channels))]
    return (
        random(batch, classes, *size),
        [random(batch, m, *s) for m, s in zip(channels, sizes, strict=True)],
        [random(classes, m, 1, 1) for m in channels],
        [random(classes) for _ in channels],
        [*(random(classes, classes, 4, 4) for _ in channels), random(classes, classes, 2 * last, 2 * last)],
    )


def tensors(arguments):
    """The same for PyTorch."""
    return [[torch.from_numpy(a) for a in x] if isinstance(x, list) else torch.from_numpy(x) for x in arguments]


def terms(arguments):
    """How many products a number of the logits sums up, roughly."""
    classes, maps = arguments[0].shape[1], sum(p.shape[1] for p in arguments[1])
    return 16 * classes * (16 * classes + maps)


FORWARD = "Scores are enlarged by 2 before each sum; the coarsest map comes first."
BACKWARD = (
    "Going back, a gradient passes through the enlargement before it meets the coarser map; "
    "enlarge_backward takes the scores from before it."
)


def fits(function, *arguments, advice=FORWARD):
    """function(*arguments); a mismatch of sizes in words."""
    try:
        return function(*arguments)
    except ValueError as error:
        sizes = set(re.findall(r"\(\d+, ?\d+, ?\d+, ?\d+\)", str(error)))
        lines = [f"{function.__name__} raised ValueError: {error}", *getattr(error, "__notes__", ())]
        raise AssertionError("\n".join(lines + [advice] * (len(sizes) > 1))) from None


def check_logits(arguments):
    """Compare fcn_logits with PyTorch's head."""
    scores, pools, weights, biases, larger = tensors(arguments)
    right = head(scores, pools, weights, biases, larger)
    silent, none = [0 * w for w in weights], [0 * b for b in biases]

    def other(weights=weights, biases=biases, larger=larger, fuse=torch.add):
        return head(scores, pools, weights, biases, larger, fuse=fuse)

    hints = [
        ("the logits without the score layers' biases", other(biases=none)),
        ("the enlarged scores alone: the scores of the finer maps are added", other(silent, none)),
        ("what comes with a ReLU behind each sum: there is none", other(fuse=lambda a, b: F.relu(a + b))),
        ("the product in place of the sum", other(fuse=torch.mul)),
        ("the mean of both in place of the sum", other(fuse=lambda a, b: (a + b) / 2)),
        ("what comes with one enlargement's weights for all", other(larger=[larger[0]] * len(pools) + larger[-1:])),
    ]
    if pools:
        before = head(scores, pools[:-1], weights[:-1], biases[:-1], larger[:-1])
        fused = before + F.conv2d(pools[-1], weights[-1], biases[-1])
        hints.append(("the last sum: the enlargement to the size of the image is missing", fused))
    if pools and all(w.shape[0] == w.shape[1] for w in weights):
        alone = [torch.eye(len(w), dtype=w.dtype)[:, :, None, None] for w in weights]
        hints.append(("what comes with the finer maps as they are: score them first", other(alone, none)))
    hints = [(text, array.numpy()) for text, array in hints if not torch.equal(array, right)]
    got = fits(fcn_logits, *arguments)
    return compare.arrays(got, right.numpy(), length=terms(arguments), name="logits", hints=hints).check()


def check_votes(arguments):
    """Compare votes with PyTorch's head in which all other votes are silent."""
    given = tensors(arguments)
    _, pools, weights, biases, larger = given
    right = [head(*given, only=n).numpy() for n in range(len(pools) + 1)]
    unbiased = given[0], pools, weights, [0 * b for b in biases], larger
    without = [head(*unbiased, only=n).numpy() for n in range(len(pools) + 1)]
    of_biases = sum(a - b for a, b in zip(right, without, strict=True))
    whole = head(*given).numpy()
    found = fits(votes, *arguments)
    assert isinstance(found, list | tuple), "return a list of votes"
    assert len(found) == len(right), f"there are {len(right)} votes, one of the scores and one of each map, not {len(found)}"
    for n, (got, target) in enumerate(zip(found, right, strict=True)):
        if np.shape(got) != target.shape:
            raise AssertionError(f"vote {n}: the shape is {np.shape(got)}, expected {target.shape}. A vote goes through all enlargements after its sum")
        hints = [
            ("the whole logits: each vote stands by itself", whole),
            ("the votes so far, added up: each vote stands by itself", sum(right[: n + 1])),
            ("the vote without its bias", without[n]),
            ("all biases in one vote: each belongs to the vote of its map", without[n] + of_biases),
            ("the votes in reverse order: the coarsest comes first", right[-1 - n]),
        ]
        hints = [(text, array) for text, array in hints if not np.allclose(array, target)]
        report = compare.arrays(got, target, length=terms(arguments), name=f"vote {n}", hints=hints).check()
    return report


def torch_gradients(arguments, grad):
    """PyTorch's gradients of the five arguments, each as a list."""
    given = tensors(arguments)
    leaves = [x if isinstance(x, list) else [x] for x in given]
    for leaf in (a for x in leaves for a in x):
        leaf.requires_grad_()
    head(*given).backward(torch.from_numpy(grad))
    return {name: [a.grad.numpy() for a in x] for name, x in zip(ARGUMENTS, leaves, strict=True)}


def check_backward(arguments, names, rng):
    """Compare some of the gradients of fcn_backward with PyTorch's."""
    shape = head(*tensors(arguments)).shape
    grad = rng.standard_normal(tuple(shape)).astype(arguments[0].dtype)
    right = torch_gradients(arguments, grad)
    scores, pools, weights, biases, larger = arguments
    unfused = torch_gradients((scores, [0 * a for a in pools], weights, [0 * a for a in biases], larger), grad)
    kept = "what comes where the scores were kept without the finer maps: keep the sums"
    found = fits(fcn_backward, grad, *arguments, advice=BACKWARD)
    assert isinstance(found, dict), "return a dictionary: the name of an argument, its gradient or gradients"
    for name in names:
        assert name in found, f"the gradient of {name} is missing"
        got = [found[name]] if name == "scores" else found[name]
        assert isinstance(got, list | tuple), f"{name}: a list of gradients is expected, as the argument is a list"
        assert len(got) == len(right[name]), f"{name}: {len(right[name])} gradients are expected, not {len(got)}"
        for n, target in enumerate(right[name]):
            hints = [] if name != "enlarge_weights" or n == 0 else [(kept, unfused[name][n])]
            if not np.array_equal(right[name][-1 - n], target):
                hints.append(("that of another one: the lists begin with the coarsest", right[name][-1 - n]))
            title = "gradient of scores" if name == "scores" else f"gradient of {name}[{n}]"
            length = terms(arguments) * (grad[:, 0].size if "weight" in name or "bias" in name else 64)
            axes = AXES.get(name)
            report = compare.arrays(got[n], target, length=length, name=title, hints=hints, axes=axes).check()
    return report

# %% [markdown]
# ## 1 · A fusion by hand (2 points)
#
# One class, and one row. The coarse scores are 12, −4. They are enlarged by 2: the kernel is the row ¼, ¾, ¾, ¼, the stride 2, the padding 1. The finer map has two channels,
#
#     1  3  0  2
#     2  0  1  1
#
# Its score layer has the weights 2, −1 and the bias 2. The enlarged scores and those of the finer map are added. What are the first two of the four fused scores? Write `first, second = …`.

# %% segedu={"role": "answer", "question": "by_hand"}
### BEGIN SOLUTION
first, second = 11, 16
### END SOLUTION

# %% segedu={"role": "check", "question": "by_hand", "points": 2}
coarse, kernel = torch.tensor([[[12.0, -4.0]]]), torch.tensor([[[0.25, 0.75, 0.75, 0.25]]])
fine, weight = torch.tensor([[[1.0, 3.0, 0.0, 2.0], [2.0, 0.0, 1.0, 1.0]]]), torch.tensor([[[2.0], [-1.0]]])
scored = F.conv1d(fine, weight.reshape(1, 2, 1), torch.tensor([2.0]))[0, 0]
stamps = F.conv_transpose1d(coarse, kernel, stride=2)[0, 0]
right = stamps[1:-1] + scored
given = torch.tensor([first, second], dtype=torch.float32)
assert not torch.equal(given, right[:2] - 2), "the bias of the score layer is missing"
assert not torch.equal(given, stamps[:2] + scored[:2]), "padding 1 cuts off one number of the canvas on either side"
assert not torch.equal(given, stamps[1:3] + fine[0, 0, :2]), "the finer map is added as it is: its score layer comes first"
assert not torch.equal(given, stamps[1:3]), "those are the enlarged scores alone: the finer scores are added"
assert not torch.equal(given, scored[:2]), "those are the finer scores alone: the enlarged ones are added"
assert first != 12 + scored[0], "first: at the edge a stamp is missing, and nothing stands in for it"
assert first == right[0], "first: not right. Which number of the first stamp lies there?"
assert second != 12 + scored[1], "second: that is the coarse score as it is. Two stamps overlap there"
assert second != 9 + scored[1], "second: only one stamp. Two overlap there, and they add up"
assert second == right[1], "second: not right. Which number of each of the two stamps lies there?"
print("both scores are right")

# %% [markdown]
# ## 2 · How many parameters (3 points)
#
# `fcn_parameters(num_classes, stride)` returns the number of parameters of an FCN on VGG16. Strides of 32, 16 and 8 are the published networks; 4 and 2 go on in the same way: each halving of the
# stride scores one more pooling, and enlarges by 2 once more. At the end the scores are enlarged to the size of the image, by the stride.
#
# The setup cell has what VGG16 itself has (`VGG`), how many channels the scores of stride 32 are made of (`HIDDEN`), and those of the pooling at each stride (`CHANNELS`). Score layers are 1×1 convolutions
# with a bias. An enlargement by r has a kernel of 2r×2r for each pair of classes, and no bias.
#
# Example: 21 classes and stride 32: `VGG` + 4096 · 21 + 21 + 21 · 21 · 64 · 64 = 136,152,917.
#
# <details><summary>Hint 1</summary>Begin with VGG16, the score layer of stride 32, and the last enlargement.</details>
# <details><summary>Hint 2</summary>Then a loop over the strides 16, 8, … down to the one asked for: each adds a score layer and an enlargement by 2.</details>

# %% segedu={"role": "answer", "question": "count"}
def fcn_parameters(num_classes, stride):
    """stride: 32, 16, 8, 4 or 2. Returns a whole number."""
    ### BEGIN SOLUTION
    total = VGG + HIDDEN * num_classes + num_classes
    total += num_classes**2 * (2 * stride) ** 2
    finer = 16
    while finer >= stride:
        total += CHANNELS[finer] * num_classes + num_classes
        total += num_classes**2 * 4 * 4
        finer //= 2
    return total
    ### END SOLUTION

# %% segedu={"role": "check", "question": "count", "points": 1}
# FCN-32s, for 21 classes and for 11
check_count(21, 32)
check_count(11, 32)

# %% segedu={"role": "check", "question": "count", "points": 1}
# FCN-16s and FCN-8s
check_count(21, 16)
check_count(11, 8)

# %% segedu={"role": "hidden", "question": "count", "points": 1}
# any number of classes, all strides
for stride in (32, 16, 8, 4, 2):
    check_count(int(rng.integers(2, 60)), stride)

# %% [markdown]
# ## 3 · Assemble the skips (5 points)
#
# `fcn_logits(scores, pools, score_weights, score_biases, enlarge_weights)` is the head of an FCN with any number of skips, as the lecture's `assemble`, but with arrays in place of layers:
#
# * `scores` N×K×h×w, those of stride 32,
# * `pools`, a list of finer maps, the coarsest first, N×M×2h×2w and so on; M may differ from map to map,
# * `score_weights` and `score_biases`, as many: K×M×1×1, and K,
# * `enlarge_weights`, one more: K×K×4×4 for each enlargement by 2, and at last K×K×2r×2r, to the size of the image.
#
# It returns the logits. An FCN-32s has empty lists, and a single enlargement. `enlarge(scores, weight)` of the setup cell enlarges by half the size of the kernel.
#
# Example: one class, one coarse score 4, and one pool of one channel, 1 2 / 3 4, with score weight 10 and bias −1. Both enlargements are by 2 and have ones as weights. The pool's scores are
# 9 19 / 29 39, the sum is 13 23 / 33 43, and the logits are 4×4 numbers with the first row 13, 36, 36, 23.
#
# <details><summary>Hint 1</summary>A loop over the skips with one line in it: what are the scores after a skip, made of the scores before?</details>
# <details><summary>Hint 2</summary>`conv2d(pool, weight, bias)` scores a map. `zip` of lists of different lengths ends with the shortest.</details>

# %% segedu={"role": "answer", "question": "fcn_logits"}
def fcn_logits(scores, pools, score_weights, score_biases, enlarge_weights):
    """scores: N×K×h×w; four lists, the last with one array more. Returns N×K×H×W."""
    ### BEGIN SOLUTION
    for pool, weight, bias, larger in zip(pools, score_weights, score_biases, enlarge_weights, strict=False):
        scores = enlarge(scores, larger) + conv2d(pool, weight, bias)
    return enlarge(scores, enlarge_weights[-1])
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "fcn_logits"}
# Figure: a drawn street, from coarse scores alone, with one finer map, and with two
street = data.open_dataset("street", "test", length=5, size=(128, 192))
labels, C = street[4][1], len(street.classes)


def shares(r):
    """The share of each class in each cell of r·r pixels, 1×K×rows×columns."""
    one_hot = torch.from_numpy(np.eye(C)[labels].transpose(2, 0, 1)[None])
    return F.avg_pool2d(one_hot, r).numpy()


def tents(r):
    """Bilinear weights."""
    t = 1 - abs(np.arange(2 * r) - (r - 0.5)) / r
    return np.eye(C)[:, :, None, None] * np.outer(t, t)


try:
    score = np.eye(C)[:, :, None, None]
    arguments = shares(32), [shares(16), shares(8)], [score] * 2, [np.zeros(C)] * 2
    pictures = []
    for skips in range(3):
        scores, *lists = [x if k == 0 else x[:skips] for k, x in enumerate(arguments)]
        logits = fcn_logits(scores, *lists, [tents(2)] * skips + [tents(32 // 2**skips)])
        pictures.append(figures.colourise(logits[0].argmax(0), street.palette))
    titles = ["stride 32 alone", "and a map of stride 16", "and one of stride 8", "true labels"]
    fig = figures.images_row([*pictures, figures.colourise(labels, street.palette)], titles, columns=2, height=1.7)
    figures.label_legend(fig, street.classes, street.palette)
    figures.show(fig, alt="Labels of a street by your function: very coarse; finer; still finer; and the true labels.")
except NotImplementedError:
    print("Write the answer first; then this cell shows a street with no skip, one, and two.")

# %% segedu={"role": "check", "question": "fcn_logits", "points": 1}
# the example
check_logits(EXAMPLE)

# %% segedu={"role": "check", "question": "fcn_logits", "points": 1}
# FCN-16s and FCN-8s with random weights
check_logits(drawn(rng, channels=(5,), last=16))
check_logits(drawn(rng))

# %% segedu={"role": "check", "question": "fcn_logits", "points": 1}
# FCN-32s: empty lists
check_logits(drawn(rng, channels=(), last=32))

# %% segedu={"role": "hidden", "question": "fcn_logits", "points": 2}
# any size and any number of skips, as many channels as classes, float32
cases = [(3, (3, 3, 3), 4, np.float64), (2, (4, 1, 2, 5), 2, np.float32), (5, (2,), 4, np.float32)]
for classes, channels, last, dtype in cases:
    size = tuple(int(n) for n in rng.integers(1, 5, 2))
    check_logits(drawn(rng, classes, channels, size, batch=int(rng.integers(1, 4)), last=last, dtype=dtype))

# %% [markdown]
# ## 4 · Votes (3 points)
#
# Enlargements are linear and have no bias. So the logits are a sum of **votes**, one of `scores` and one of each finer map. `votes(…)`, with the arguments of question 3, returns them as a list, the
# coarsest first, each as large as the logits. The bias of a score layer belongs to the vote of its map.
#
# Example: in the example above the two votes begin with the rows 4, 8, 8, 4 and 9, 28, 28, 19.
#
# <details><summary>Hint 1</summary>Which enlargements does the vote of `scores` go through? Which does that of the first finer map?</details>
# <details><summary>Hint 2</summary>Score all maps first. Then part n goes through `enlarge_weights[n:]`, one after the other.</details>

# %% segedu={"role": "answer", "question": "votes"}
def votes(scores, pools, score_weights, score_biases, enlarge_weights):
    """As fcn_logits. Returns a list of N×K×H×W, one more than there are pools."""
    ### BEGIN SOLUTION
    parts = [scores, *(conv2d(*layer) for layer in zip(pools, score_weights, score_biases, strict=True))]
    for n, part in enumerate(parts):
        for larger in enlarge_weights[n:]:
            part = enlarge(part, larger)
        parts[n] = part
    return parts
    ### END SOLUTION

# %% segedu={"role": "check", "question": "votes", "points": 1}
# the example, and FCN-8s with random weights
check_votes(EXAMPLE)
check_votes(drawn(rng))

# %% segedu={"role": "hidden", "question": "votes", "points": 2}
# any size and any number of skips; none
for channels in ((), (3, 3, 3), (4, 1)):
    check_votes(drawn(rng, 3, channels, tuple(int(n) for n in rng.integers(1, 4, 2)), last=4))

# %% [markdown]
# ## 5 · The way back (5 points)
#
# `fcn_backward(grad, …)` gets the gradient of the logits, then the arguments of question 3. It returns a dictionary with the gradients of all five, under their names: `"scores"` an array, the
# others lists in the order of the arguments.
#
# A sum hands its gradient to both sides, unchanged. `enlarge_backward(grad, scores, weight)` returns the gradients of scores and weight, and `conv2d_backward(grad, x, weight, bias)` those of x, weight and bias.
#
# Example: with the numbers above and a gradient of ones everywhere, each of the four fused scores reaches 9 logits: its gradient is 9. So that of the bias is 36, that of the coarse score, which
# goes into four sums, is 36 as well, and that of the score weight is 9 · (1 + 2 + 3 + 4) = 90.
#
# <details><summary>Hint 1</summary>Go forward first and keep the scores from before each enlargement: `enlarge_backward` needs them.</details>
# <details><summary>Hint 2</summary>Then back: the last enlargement first. With the gradient of a sum: the score layer's three gradients, and on through the enlargement before it.</details>
# <details><summary>Hint 3</summary>`for n in reversed(range(len(pools)))` walks back. Lists that are filled from behind: begin with `[None] * len(pools)` and write to place n.</details>

# %% segedu={"role": "answer", "question": "fcn_backward"}
def fcn_backward(grad, scores, pools, score_weights, score_biases, enlarge_weights):
    """grad: N×K×H×W. Returns a dictionary: the name of an argument, its gradient or gradients."""
    ### BEGIN SOLUTION
    skips, kept = len(pools), [scores]
    for pool, weight, bias, larger in zip(pools, score_weights, score_biases, enlarge_weights, strict=False):
        kept.append(enlarge(kept[-1], larger) + conv2d(pool, weight, bias))
    of_layers, of_enlarging = [None] * skips, [None] * (skips + 1)
    grad, of_enlarging[-1] = enlarge_backward(grad, kept[-1], enlarge_weights[-1])
    for n in reversed(range(skips)):
        of_layers[n] = conv2d_backward(grad, pools[n], score_weights[n], score_biases[n])
        grad, of_enlarging[n] = enlarge_backward(grad, kept[n], enlarge_weights[n])
    names = "pools", "score_weights", "score_biases"
    lists = {name: [layer[k] for layer in of_layers] for k, name in enumerate(names)}
    return {"scores": grad, "enlarge_weights": of_enlarging, **lists}
    ### END SOLUTION

# %% segedu={"role": "check", "question": "fcn_backward", "points": 1}
# the gradient of the scores, and of the enlargements' weights, in FCN-32s
check_backward(drawn(rng, channels=(), last=8), ("scores", "enlarge_weights"), rng)

# %% segedu={"role": "check", "question": "fcn_backward", "points": 1}
# what comes in by the finer maps, in FCN-16s and in FCN-8s
check_backward(drawn(rng, channels=(5,), last=4), ("pools", "score_weights", "score_biases"), rng)
check_backward(drawn(rng, last=4), ("pools", "score_weights", "score_biases"), rng)

# %% segedu={"role": "hidden", "question": "fcn_backward", "points": 1}
# the scores and the enlargements, with two skips and three
for channels in ((2, 4), (3, 3, 3)):
    check_backward(drawn(rng, 3, channels, (2, int(rng.integers(1, 4))), last=4), ("scores", "enlarge_weights"), rng)

# %% segedu={"role": "hidden", "question": "fcn_backward", "points": 2}
# the finer maps, with two skips and three, in float32
for channels in ((2, 4), (3, 3, 3)):
    arguments = drawn(rng, 3, channels, (2, int(rng.integers(1, 4))), last=4, dtype=np.float32)
    check_backward(arguments, ("pools", "score_weights", "score_biases"), rng)

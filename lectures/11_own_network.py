# %% [markdown]
# # Lecture 11 · A network from our own kernels
#
# We have operators, each with a gradient: in NumPy since lecture 01, in CUDA C since lecture 08. To train a network somebody must remember which operator came after which, and
# call their gradients in the opposite order. That is the **tape**, and it is short.
#
# After this lecture you can
#
# 1. write a tape: tensors that remember how they were computed, and `backward`,
# 2. put any operator with a gradient on it, and make layers of operators,
# 3. compute batch normalisation in training and in evaluation, and its gradient,
# 4. choose first weights with which a signal neither dies nor explodes,
# 5. check a gradient by finite differences, and choose the step,
# 6. program SGD with momentum, Adam, and a schedule of the learning rate,
# 7. train one network on NumPy, on our CUDA kernels and on PyTorch, and compare the losses step by step.
#
# About 100 minutes without the parts marked *at home*. You need lectures 01 to 03 and 06 to 08. You need no GPU.

# %%
import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, cuda_ops, data, engines, figures, nn
from segedu.models.blocks import Block
from segedu.models.initial import initialise
from segedu.numpy_ops import batch_norm, confusion_matrix, conv2d, conv2d_backward, iou, mean_iou

figures.use_style()
rng = np.random.default_rng(11)

# %% [markdown]
# On a CPU this lecture trains a network of a few thousand parameters in seconds. With `full = True` and a GPU the same cells train a larger one by our kernels; that has not
# been run yet.

# %%
full = False
if full:
    engine, channels, size, steps, pictures = "cuda", (32, 64, 128), 256, 2000, 400
else:
    engine, channels, size, steps, pictures = "numpy", (8, 16, 32), 64, 200, 40

# %% [markdown]
# ## 1 · What is to be learnt
#
# A program draws streets, with the exact label of every pixel. At the end of this lecture a network of our own labels streets that it has not seen before.

# %%
train = data.open_dataset("street", "train", length=pictures, size=size)
val = data.open_dataset("street", "val", length=8, size=size)


def arrays_of(dataset):
    """Images N×3×H×W, float32 from −1 to 1, and labels N×H×W."""
    pairs = [dataset[i] for i in range(len(dataset))]
    images = np.stack([image for image, _ in pairs]).transpose(0, 3, 1, 2)
    return images / np.float32(127.5) - 1, np.stack([labels for _, labels in pairs])


images, labels = arrays_of(train)
val_images, val_labels = arrays_of(val)
classes = len(train.classes)
print(images.shape, images.dtype, labels.shape, labels.dtype, classes, "classes")

# %% jupyter={"source_hidden": true}
# Figure: four streets and their labels
label_maps = [figures.colourise(val_labels[i], val.palette) for i in range(4)]
fig = figures.images_row([val[i][0] for i in range(4)] + label_maps, columns=4)
figures.label_legend(fig, val.classes, val.palette)
figures.show(
    fig,
    alt="Four small drawn streets with sky, houses, trees and cars; below each its label map in "
    "flat colours.",
    dpi=80,
)

# %% [markdown]
# Images are arrays N×C×H×W: number of images, channels, height, width.

# %% [markdown]
# ## 2 · A gradient by hand
#
# One number $x$, a weight $w$, a bias $b$, a target $z$. The loss is the square of the difference $d$:
#
# $$d = w x + b - z, \qquad L = d \cdot d$$
#
# With $x = 2$, $w = 3$, $b = 1$, $z = 5$ we have $d = 2$ and $L = 4$. Going backward, each step multiplies by its own derivative: the chain rule.
#
# **Predict, then run.** $L = d \cdot d$ uses $d$ twice; each use has the derivative $d$. How large is $\partial L / \partial w$?

# %%
x, w, b, z = 2.0, 3.0, 1.0, 5.0
d = w * x + b - z
grad_d = d + d  # one part from each use
grad_w, grad_b, grad_x = grad_d * x, grad_d, grad_d * w
print(f"d = {d}, L = {d * d}, dL/dd = {grad_d}, dL/dw = {grad_w}, dL/db = {grad_b}")

# %% jupyter={"source_hidden": true}
# Figure: values forward, gradients backward
nodes = {  # name: (x, y, value, gradient)
    "x": (0, 2, x, grad_x), "w": (0, 1, w, grad_w), "b − z": (1.6, 0, b - z, grad_b),
    "w·x": (1.6, 1.5, w * x, grad_d), "d": (3.2, 0.9, d, grad_d), "L": (5.2, 0.9, d * d, 1.0),
}  # fmt: skip
arrows = [("x", "w·x", 0), ("w", "w·x", 0), ("w·x", "d", 0), ("b − z", "d", 0)]
arrows += [("d", "L", 0.25), ("d", "L", -0.25)]
fig, ax = plt.subplots(figsize=(9.2, 3.4))
ax.set(xlim=(-0.6, 5.9), ylim=(-0.6, 2.6))
ax.axis("off")
for start, end, bend in arrows:
    style = {"arrowstyle": "-|>", "lw": 1.8, "color": "#555555", "shrinkA": 40, "shrinkB": 52,
             "mutation_scale": 18, "connectionstyle": f"arc3,rad={bend}"}
    ax.annotate("", nodes[end][:2], nodes[start][:2], arrowprops=style)
for name, (column, row, value, grad) in nodes.items():
    box = {"boxstyle": "round,pad=0.35", "fc": "#DCEBF5", "ec": "#0072B2"}
    text = f"{name} = {value:g}\ngradient {grad:g}"
    ax.text(column, row, text, ha="center", va="center", bbox=box, fontsize=13)
figures.show(
    fig,
    alt="A graph from x, w and b minus z over w times x and d to L. Values: 6, 2 and 4; gradients: "
    "4 at d, 8 at w, 12 at x. Two arrows lead from d to L.",
)

# %% [markdown]
# Two rules do all the work: **multiply** by the derivative of the operation, and **add** the parts that come back from several uses.

# %% [markdown]
# ## 3 · Your own tape
#
# A `Tensor` holds an array, the tensors that it was computed from (`inputs`), and a function `send`: from the gradient of the result to the gradients of the inputs.

# %%
class Tensor:
    def __init__(self, data, inputs=(), send=None):
        self.data, self.inputs, self.send = np.asarray(data), inputs, send
        self.grad = 0.0

    def __add__(self, other):
        return Tensor(self.data + other.data, (self, other), lambda g: (g, g))

    def __mul__(self, other):
        a, b = self.data, other.data
        return Tensor(a * b, (self, other), lambda g: (g * b, g * a))

# %% [markdown]
# `backward` must not send the gradient of $d$ on before *both* its parts have arrived. So it puts the tensors in order, inputs first, and walks from the end to the beginning.

# %%
def in_order(tensor, done):
    """`done` and all that `tensor` was computed from, inputs first, then `tensor`."""
    if tensor not in done:
        for source in tensor.inputs:
            in_order(source, done)
        done.append(tensor)
    return done


def backward(result):
    result.grad = np.ones_like(result.data)
    for tensor in reversed(in_order(result, [])):
        if tensor.send is not None:
            for source, part in zip(tensor.inputs, tensor.send(tensor.grad), strict=True):
                source.grad = source.grad + part

# %%
x, w, b, minus_z = Tensor(2.0), Tensor(3.0), Tensor(1.0), Tensor(-5.0)
d = w * x + b + minus_z
L = d * d
backward(L)
print(f"L = {L.data}, dL/dw = {w.grad}, dL/db = {b.grad}, dL/dx = {x.grad}")

# %% [markdown]
# As by hand. **A wrong answer**: the last line of `backward` with `source.grad = part`, which forgets what had arrived before.
#
# **Predict, then run.** Which factor is wrong then?

# %%
def backward_forgetful(result):
    result.grad = np.ones_like(result.data)
    for tensor in reversed(in_order(result, [])):
        if tensor.send is not None:
            for source, part in zip(tensor.inputs, tensor.send(tensor.grad), strict=True):
                source.grad = part


right = np.stack([w.grad, b.grad, x.grad])
backward_forgetful(L)
compare.arrays(np.stack([w.grad, b.grad, x.grad]), right, name="gradients of w, b, x")

# %% [markdown]
# ## 4 · Four operators, and a first network
#
# Arrays instead of numbers. A matrix product (rows: pixels; columns: features), a bias, ReLU, and the mean cross-entropy of lecture 06. Each says what it computes, and how a gradient goes back.
#
# **Predict, then run.** A bias has one number a column, and is added to each of $P$ rows. What must its gradient do with the $P$ parts?

# %%
def matmul(a, b):
    return Tensor(a.data @ b.data, (a, b), lambda g: (g @ b.data.T, a.data.T @ g))


def add_bias(a, b):
    return Tensor(a.data + b.data, (a, b), lambda g: (g, g.sum(0)))


def relu(a):
    return Tensor(np.maximum(a.data, 0), (a,), lambda g: (g * (a.data > 0),))


def cross_entropy(logits, target):
    rows = np.arange(len(target))
    p = np.exp(logits.data - logits.data.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    one_hot = np.eye(p.shape[1])[target]
    loss = -np.log(p[rows, target]).mean()
    return Tensor(loss, (logits,), lambda g: (g * (p - one_hot) / len(target),))

# %% [markdown]
# It adds them up: `g.sum(0)`. Two layers, and their gradients beside PyTorch's:

# %%
import torch
import torch.nn.functional as F

target = rng.integers(0, 4, 6)


def network(x, w1, b1, w2, b2):
    return add_bias(matmul(relu(add_bias(matmul(x, w1), b1)), w2), b2)


def loss_numpy(*arrays):
    return cross_entropy(network(*map(Tensor, arrays)), target).data


def loss_torch(x, w1, b1, w2, b2):
    return F.cross_entropy(torch.relu(x @ w1 + b1) @ w2 + b2, torch.from_numpy(target))


def gradients_numpy(*arrays):
    tensors = [Tensor(array) for array in arrays]
    backward(cross_entropy(network(*tensors), target))
    return tuple(tensor.grad for tensor in tensors)

# %%
arrays = [rng.standard_normal(shape) for shape in ((6, 3), (3, 5), (5,), (5, 4), (4,))]
compare.with_torch(
    loss_numpy, *arrays, reference=loss_torch,
    backward=lambda g: tuple(g * part for part in gradients_numpy(*arrays)),
)

# %% [markdown]
# Now let it learn something: the class of a pixel **from its colour alone**. 4000 pixels of our streets, three numbers each; 16 **features**, numbers computed on the way; 9 classes. Each step moves every
# parameter a little against its gradient: $\theta \leftarrow \theta - \eta\, \partial L/\partial \theta$, with the **learning rate** $\eta$ (eta).

# %%
colours = images.transpose(0, 2, 3, 1).reshape(-1, 3).astype(np.float64)
some = rng.choice(len(colours), 4000, replace=False)
parameters = [
    Tensor(rng.normal(0, 0.8, (3, 16))), Tensor(np.zeros(16)),
    Tensor(rng.normal(0, 0.3, (16, classes))), Tensor(np.zeros(classes)),
]
for step in range(301):
    loss = cross_entropy(network(Tensor(colours[some]), *parameters), labels.reshape(-1)[some])
    if step % 100 == 0:
        print(f"step {step:3}, loss {loss.data:.3f}")
    for parameter in parameters:
        parameter.grad = 0.0
    backward(loss)
    for parameter in parameters:
        parameter.data = parameter.data - 0.5 * parameter.grad

# %% [markdown]
# **Predict, then run.** Sky, road, house, car, person: which classes can be told by their colour alone?

# %%
def scores_of(prediction):
    """IoU of each class over all validation pixels, and their mean (lecture 07)."""
    matrix = confusion_matrix(prediction, val_labels, classes)
    return iou(matrix), mean_iou(matrix)


val_colours = Tensor(val_images.transpose(0, 2, 3, 1).reshape(-1, 3).astype(np.float64))
by_colour = network(val_colours, *parameters).data.argmax(1).reshape(val_labels.shape)
colour_scores, colour_mean = scores_of(by_colour)
for name, score in zip(val.classes, colour_scores, strict=True):
    print(f"{name:12} IoU {score:.2f}")
print(f"{'mean':12} IoU {colour_mean:.2f}")

# %% jupyter={"source_hidden": true}
# Figure: what colour alone tells
shown, titles = [], ["image", "labels", "by colour alone"]
for i in (0, 1):
    maps = [figures.colourise(m[i], val.palette) for m in (val_labels, by_colour)]
    shown += [val[i][0], *maps]
fig = figures.images_row(shown, titles=titles + [None] * 3, columns=3)
figures.label_legend(fig, val.classes, val.palette)
figures.show(
    fig,
    alt="Two streets, their labels, and labels from colour alone: sky and road come out roughly, "
    "houses are speckled with other classes.",
    dpi=80,
)

# %% [markdown]
# This tape trains a network. What the network lacks is a look at the neighbours of a pixel: convolutions.

# %% [markdown]
# ## 5 · The library's tape
#
# Open `segedu/autograd.py`. It is yours, with what practice asks for:
#
# | yours | the library's | why |
# |---|---|---|
# | `Tensor(data, inputs, send)` | `record(data, inputs, backward)` | results of any operator get on the tape by one function |
# | `in_order` | every tensor has a number; the newest goes first | no recursion, however deep the network |
# | `source.grad` of every tensor | `grad` of the leaves only | a leaf is a tensor that was not computed, such as a weight |
# | – | `requires_grad`, `no_grad()` | nothing is remembered where no gradient is wanted |
# | – | a tape serves once | arrays in between are freed |
# | – | `ops` | which operators compute: NumPy's or our CUDA kernels |
#
# Here is its heart. *Find the two rules*: which line multiplies by a derivative, which one adds?

# %% tags=["nbval-ignore-output"]
import inspect

print(inspect.getsource(nn.Tensor._send))
loop = inspect.getsource(nn.Tensor.backward).partition("grads, waiting")
print("        " + loop[1] + loop[2])

# %% [markdown]
# `self._backward(grad)` multiplies: it is what an operator recorded. The last line adds. `heapq` keeps the newest of the waiting tensors in front.
#
# **Predict, then run.** Two calls of `backward` on one loss: twice the gradient, or an error? And in PyTorch?

# %%
for weight in (nn.Tensor([3.0], requires_grad=True), torch.tensor([3.0], requires_grad=True)):
    d = weight * 2.0 + 1.0 - 5.0
    L = (d * d).sum()
    L.backward()
    print("dL/dw =", weight.grad, end="; again: ")
    try:
        L.backward()
    except RuntimeError as error:
        print("RuntimeError:", str(error)[:48], "…")

# %% [markdown]
# An error in both: what was kept for the gradient is gone. Compute the loss again before the next `backward`.

# %% [markdown]
# ## 6 · A layer
#
# To get an operator on the tape: call it, and record its gradient. Here for the convolution of lecture 01, 3×3 with padding 1.

# %%
from segedu.autograd import record


def conv_on_tape(x, weight, bias):
    arrays = x.data, weight.data, bias.data
    y = conv2d(*arrays, padding=1)
    return record(y, (x, weight, bias), lambda grad: conv2d_backward(grad, *arrays, padding=1))

# %% [markdown]
# A **layer** is an operator together with its parameters. `nn.Module` finds every `nn.Parameter` among the attributes, by name.

# %%
class Conv3x3(nn.Module):
    def __init__(self, inputs, outputs, rng):
        deviation = np.sqrt(2 / (9 * inputs))  # section 8 says why
        weight = rng.normal(0, deviation, (outputs, inputs, 3, 3))
        self.weight = nn.Parameter(weight.astype(np.float32))
        self.bias = nn.Parameter(np.zeros(outputs, np.float32))

    def forward(self, x):
        return conv_on_tape(x, self.weight, self.bias)


layer = Conv3x3(3, 8, rng)
[(name, parameter.shape) for name, parameter in layer.named_parameters()]

# %% [markdown]
# The names are PyTorch's, so the weights move over by `state_dict`, a dictionary of arrays. Forward, then backward from a random gradient:

# %%
theirs = torch.nn.Conv2d(3, 8, 3, padding=1)
theirs.load_state_dict({name: torch.from_numpy(a) for name, a in layer.state_dict().items()})

small = rng.standard_normal((2, 3, 7, 5), dtype=np.float32)
our_y, their_y = layer(nn.Tensor(small)), theirs(torch.from_numpy(small))
grad_y = rng.standard_normal(our_y.shape, dtype=np.float32)
our_y.backward(grad_y)
their_y.backward(torch.from_numpy(grad_y))
compare.arrays(layer.weight.grad, theirs.weight.grad, length=70, name="gradient of weight")

# %%
compare.arrays(our_y.data, their_y, length=27, name="result")

# %% [markdown]
# `length` says how many products a number sums up; rounding errors grow with it. All layers of `segedu.nn` are made like this one. A network may be layers in a row:

# %%
stack = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 4, 1))
print(stack)
print(stack(nn.Tensor(small)).shape)

# %% [markdown]
# ## 7 · Batch normalisation
#
# Features of very different sizes are hard to train. **Batch normalisation** brings every channel to mean 0 and variance 1, measured over all images and pixels of the batch, then
# lets the network choose another scale $\gamma$ and mean $\beta$ (`weight` and `bias`). With the $m$ values $x_k$ of a channel:
#
# $$\mu = \frac1m \sum_k x_k, \qquad \sigma^2 = \frac1m \sum_k (x_k - \mu)^2, \qquad \hat x_k = \frac{x_k - \mu}{\sqrt{\sigma^2 + \varepsilon}}, \qquad y_k = \gamma\, \hat x_k + \beta$$
#
# **Predict, then run.** A channel holds 1, 3, 5, 7. What are $\mu$ and $\sigma^2$? Which sign have the first two $\hat x$?

# %%
channel = np.array([1.0, 3.0, 5.0, 7.0])
mu, var = channel.mean(), channel.var()
print(f"mean {mu}, variance {var}, normalised {((channel - mu) / np.sqrt(var)).round(3)}")

# %% [markdown]
# $\varepsilon = 10^{-5}$ keeps a constant channel from dividing by 0. For images, one channel after the other, then all at once:

# %%
def normalise_loops(x, weight, bias, eps=1e-5):
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        mu, var = x[:, c].mean(), x[:, c].var()
        y[:, c] = weight[c] * (x[:, c] - mu) / np.sqrt(var + eps) + bias[c]
    return y


def normalised(x, eps=1e-5):
    """x̂, and 1/√(σ² + ε) of every channel."""
    mu, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    return (x - mu) / np.sqrt(var + eps), 1 / np.sqrt(var + eps)


def normalise_numpy(x, weight, bias):
    return weight[:, None, None] * normalised(x)[0] + bias[:, None, None]

# %%
x = 5 + 2 * rng.standard_normal((4, 3, 6, 5))
gamma, beta = rng.standard_normal((2, 3))
compare.arrays(normalise_numpy(x, gamma, beta), normalise_loops(x, gamma, beta), length=120)

# %% [markdown]
# **The gradient.** Write $g_k$ for $\partial L/\partial y_k$. Each $x_k$ moves its own $y_k$, but also $\mu$ and $\sigma^2$, and so all the others. Differentiating both gives
#
# $$\frac{\partial L}{\partial \beta} = \sum_k g_k, \qquad \frac{\partial L}{\partial \gamma} = \sum_k g_k \hat x_k, \qquad \frac{\partial L}{\partial x_k} = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \left( g_k - \frac1m \sum_l g_l - \hat x_k\, \frac1m \sum_l g_l \hat x_l \right)$$

# %%
def normalise_backward_numpy(grad, x, weight):
    x_hat, scale = normalised(x)
    axes, m = (0, 2, 3), x.size / x.shape[1]
    grad_bias, grad_weight = grad.sum(axes), (grad * x_hat).sum(axes)
    inside = grad - (grad_bias[:, None, None] + x_hat * grad_weight[:, None, None]) / m
    return weight[:, None, None] * scale * inside, grad_weight, grad_bias


def in_training(x, weight, bias):
    return F.batch_norm(x, None, None, weight, bias, training=True)

# %%
compare.with_torch(
    normalise_numpy, x, gamma, beta, reference=in_training,
    backward=lambda grad: normalise_backward_numpy(grad, x, gamma),
)

# %% [markdown]
# **A wrong answer.** Somebody treats $\mu$ and $\sigma^2$ as fixed numbers: only the first term in the bracket.
#
# **Predict, then run.** What do the right gradients of a channel add up to?

# %%
grad = rng.standard_normal(x.shape)
right = normalise_backward_numpy(grad, x, gamma)[0]
fixed = gamma[:, None, None] * normalised(x)[1] * grad
print("right ones add up to 0:", np.allclose(right.sum((0, 2, 3)), 0))
suspects = [("the gradient for fixed mean and variance: they depend on x, too", fixed)]
compare.arrays(fixed, right, hints=suspects, name="gradient of x", length=120)

# %% [markdown]
# To 0: adding one number to a whole channel changes nothing, because the mean is subtracted again.

# %% [markdown]
# **Training and evaluation.** In training the result for one image depends on the others in its batch. To label a single image later, the layer keeps **running averages** of both
# statistics and uses them in evaluation. The share of the new batch, 0.1, is called `momentum` here; it has nothing to do with section 10.
#
# $$\bar\mu \leftarrow 0.9\, \bar\mu + 0.1\, \mu, \qquad \bar\sigma^2 \leftarrow 0.9\, \bar\sigma^2 + 0.1\, \frac{m}{m-1} \sigma^2$$
#
# The factor $m/(m-1)$ makes the average an unbiased estimate of the variance.

# %%
class BatchNorm:
    """Without γ and β; statistics of a batch in training, running averages in evaluation."""

    def __init__(self, channels):
        self.mean, self.var, self.training = np.zeros(channels), np.ones(channels), True

    def __call__(self, x):
        if self.training:
            m = x.size / x.shape[1]
            mu, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
            self.mean = 0.9 * self.mean + 0.1 * mu
            self.var = 0.9 * self.var + 0.1 * var * m / (m - 1)
        else:
            mu, var = self.mean, self.var
        return (x - mu[:, None, None]) / np.sqrt(var[:, None, None] + 1e-5)

# %% [markdown]
# **Predict, then run.** Every channel has mean 5, and $\bar\mu$ starts at 0. After one batch, what is $\bar\mu$, about? After how many is it above 4.5?

# %%
ours, theirs, library = BatchNorm(3), torch.nn.BatchNorm2d(3).double(), nn.BatchNorm2d(3).double()
means = [0.0]
for _ in range(40):
    batch = 5 + 2 * rng.standard_normal((4, 3, 6, 5))
    ours(batch), theirs(torch.from_numpy(batch)), library(nn.Tensor(batch))
    means.append(ours.mean[0])
print(f"after 1 batch {means[1]:.2f}; above 4.5 after", int(np.argmax(np.array(means) > 4.5)))

# %%
ours.training = False
print("library agrees:", np.allclose(ours.mean, library.running_mean), end=", ")
print(np.allclose(ours.var, library.running_var))
compare.arrays(ours(x), theirs.eval()(torch.from_numpy(x)), length=120, name="evaluation")

# %% jupyter={"source_hidden": true}
# Figure: a running mean
fig, ax = plt.subplots(figsize=(7.5, 3.3))
ax.plot(means, "o", ms=5, label="running mean of channel 0")
ax.plot(5 * (1 - 0.9 ** np.arange(41)), color="#D55E00", label="5·(1 − 0.9ᵗ)")
ax.axhline(5, color="#999999", ls="--", lw=1)
ax.set(xlabel="batches t", ylabel="running mean")
ax.legend()
figures.show(
    fig,
    alt="A running mean rises from 0 towards 5 along the curve 5 times 1 minus 0.9 to the t; after "
    "40 batches it lies close below 5.",
)

# %% [markdown]
# After a few batches the averages are still far off. A network that is evaluated then sees other features than in training; give it some dozens of steps.
#
# **Predict, then run.** Four images go through the layer; then the second one is made three times as bright. Does the result for the *first* image change in training? In evaluation?

# %%
brighter = x.copy()
brighter[1] *= 3
for training in (True, False):
    library.train(training)
    first, other = (library(nn.Tensor(two)).data[0] for two in (x, brighter))
    print(f"training {training!s:5}: changed {not np.allclose(first, other, atol=1e-6)}")

# %% [markdown]
# ## 8 · The first weights
#
# **All zero?** Then all features of a layer are equal, get equal gradients, and stay equal. The same holds for any constant.
#
# **Predict, then run.** Sixteen features start with equal weights. How many different ones are there after 50 steps?

# %%
def different_features(w1, steps=50):
    constants = np.zeros(16), np.full((16, classes), 0.1), np.zeros(classes)
    parts = [Tensor(array) for array in (w1, *constants)]
    for _ in range(steps):
        for part in parts:
            part.grad = 0.0
        backward(cross_entropy(network(Tensor(colours[some]), *parts), labels.reshape(-1)[some]))
        for part in parts:
            part.data = part.data - 0.5 * part.grad
    return len(np.unique(parts[0].data.round(6), axis=1).T)


print("equal weights: ", different_features(np.full((3, 16), 0.1)))
print("random weights:", different_features(rng.normal(0, 0.1, (3, 16))))

# %% [markdown]
# So weights are drawn at random. **How large?** A result is a sum of $n$ products ($n = 9A$ for a 3×3 convolution of $A$ channels). With independent weights of mean 0 and variance
# $\operatorname{var} w$, and ReLU, which drops half of the numbers, the mean square of the features goes from layer to layer like
#
# $$\overline{y^2} = n \operatorname{var} w \;\overline{x^2}, \qquad \text{after ReLU:} \quad \tfrac12\, n \operatorname{var} w \;\overline{x^2}$$
#
# With $\operatorname{var} w = 2/n$ it stays (He and others, 2015). PyTorch's default, uniform in $\pm 1/\sqrt n$, has $\operatorname{var} w = 1/(3n)$.
#
# **Predict, then run.** By which factor does PyTorch's default change the size (the root of the mean square) in each layer?

# %%
def sizes(deviation, layers=12, channels=16, batch_norm_too=False):
    """The root of the mean square of the features after each layer."""
    x, found = rng.standard_normal((1, channels, 24, 24)), []
    for _ in range(layers):
        x = conv2d(x, rng.normal(0, deviation, (channels, channels, 3, 3)), padding=1)
        x = np.maximum(normalised(x)[0] if batch_norm_too else x, 0)
        found.append(np.sqrt((x**2).mean()))
    return np.array(found)


n = 9 * 16
found = {
    "0.01": sizes(0.01),
    "PyTorch's, 1/√(3n)": sizes(np.sqrt(1 / (3 * n))),
    "He's, √(2/n)": sizes(np.sqrt(2 / n)),
    "0.3": sizes(0.3),
    "PyTorch's, with batch norm": sizes(np.sqrt(1 / (3 * n)), batch_norm_too=True),
}
factor = (found["PyTorch's, 1/√(3n)"][-1] / found["PyTorch's, 1/√(3n)"][0]) ** (1 / 11)
print(f"measured {factor:.2f}, expected {np.sqrt(1 / 6):.2f}")

# %% jupyter={"source_hidden": true}
# Figure: the size of the features through twelve layers
fig, ax = plt.subplots(figsize=(8.5, 3.7))
for (name, values), mark in zip(found.items(), "osD^v", strict=True):
    ax.plot(range(1, 13), values, mark + "-", label=name)
ax.set(xlabel="layer", ylabel="size of the features", yscale="log")
ax.legend(title="standard deviation", loc="center left", bbox_to_anchor=(1, 0.5))
figures.show(
    fig,
    alt="Five curves over twelve layers, logarithmic: with 0.01 and with PyTorch's weights the "
    "size falls steadily, with 0.3 it rises, with He's and with batch norm it stays.",
)

# %% [markdown]
# The expectation is an average over many weights; one draw of sixteen channels comes near it. Batch normalisation repairs the size after each layer, whatever
# the first weights.

# %% [markdown]
# ## 9 · Is the gradient right?
#
# A wrong gradient may train, too, only worse (section 11 tries it). So it is checked: move one number $\theta$ a little to both sides, and look at the loss. This **central difference** costs two forward
# passes for each number, hence it serves for checking only.
#
# $$\frac{\partial L}{\partial \theta} \approx \frac{L(\theta + h) - L(\theta - h)}{2h}$$

# %%
def slope(loss, array, place, h):
    value = array[place]
    array[place] = value + h
    above = loss()
    array[place] = value - h
    below = loss()
    array[place] = value
    return (above - below) / (2 * h)


numbers = np.array([3.0, 4.0])
print("d(x² + y²)/dx at x = 3:", slope(lambda: (numbers**2).sum(), numbers, 0, h=1e-6).round(6))

# %% [markdown]
# The network that we shall train looks at three sizes of a picture: fine, a half, a quarter. It is a `Block`: a module that takes the **engine** `nn` first, which is NumPy, our CUDA
# kernels, or PyTorch. So it is written once.

# %%
class ConvBN(Block):
    def __init__(self, nn, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.nn.relu(self.bn(self.conv(x)))


class PixelNet(Block):
    def __init__(self, nn, channels, num_classes):
        super().__init__()
        a, b, c = channels
        self.fine, self.middle = ConvBN(nn, 3, a), ConvBN(nn, a, b)
        self.coarse, self.pool = ConvBN(nn, b, c), nn.MaxPool2d(2)
        self.score = nn.Conv2d(a + b + c, num_classes, 1)

    def forward(self, x):
        nn, size = self.nn, tuple(x.shape[-2:])
        fine = self.fine(x)
        middle = self.middle(self.pool(fine))
        coarse = self.coarse(self.pool(middle))
        up = [nn.interpolate(m, size=size, mode="bilinear") for m in (middle, coarse)]
        return self.score(nn.cat([fine, *up], dim=1))

# %% jupyter={"source_hidden": true}
# Figure: the network
a, b, c = channels
side = size
blocks = [
    ("image", 3, side, side), ("fine", a, side, side), ("middle", b, side // 2, side // 2),
    ("coarse", c, side // 4, side // 4), ("joined", a + b + c, side, side),
    ("scores", classes, side, side),
]
fig = figures.layer_diagram(
    blocks,
    ["conv 3×3", "pool, conv", "pool, conv", "bilinear", "conv 1×1"],
    skips=[(1, 4), (2, 4, "bilinear")],
)
figures.show(
    fig,
    alt="Six blocks: an image, features at full, half and a quarter of its size, all joined at "
    "full size, and scores. Skips lead from the first two features to the join.",
)

# %% [markdown]
# The convolutions have no bias: batch normalisation would subtract it again.
#
# The check, in float64 and training mode. From each parameter three numbers at random; the difference is measured relative to that parameter's largest gradient.

# %%
def tiny_net(engine="numpy", dtype="float64"):
    """A PixelNet of few channels, and its loss on two small random images."""
    own_rng, nn = np.random.default_rng(9), engines.get(engine)
    model = initialise(PixelNet(nn, (2, 3, 4), 4), own_rng).to(dtype)
    x = own_rng.standard_normal((2, 3, 8, 8)).astype(dtype)
    truth = own_rng.integers(0, 4, (2, 8, 8))
    return model, lambda: nn.CrossEntropyLoss()(model(nn.tensor(x)), truth)


def check_gradients(engine="numpy"):
    model, loss = tiny_net(engine)
    loss().backward()
    with nn.no_grad():
        for name, parameter in model.named_parameters():
            places = [tuple(rng.integers(0, parameter.shape)) for _ in range(3)]
            slopes = [slope(lambda: loss().item(), parameter.data, p, 1e-6) for p in places]
            apart = max(abs(parameter.grad[p] - s) for p, s in zip(places, slopes, strict=True))
            print(f"{name:20}", "right" if apart < 1e-6 * abs(parameter.grad).max() else "WRONG")


check_gradients()

# %% [markdown]
# **Find the fault.** The engine below uses the wrong gradient of section 7 in every batch normalisation: mean and variance taken as fixed.
#
# **Predict, then run.** The scores come last in the network. Which parameters get wrong gradients: `score`, `coarse.bn`, `coarse.conv`, `fine.conv`?

# %%
def fixed_statistics(grad, x, running_mean, running_var, weight, bias, training=False, eps=1e-5):
    x_hat, scale = normalised(x, eps)
    gamma = weight[:, None, None]
    return gamma * scale * grad, (grad * x_hat).sum((0, 2, 3)), grad.sum((0, 2, 3))


wrong = engines.Tape("wrong", engines.operators(batch_norm_backward=fixed_statistics))
check_gradients(wrong)

# %% [markdown]
# Everything *before* the last faulty layer. Read such a list from the output back to the input: the fault lies between the last right one and the first wrong one. `score` and
# `coarse.bn` (its $\gamma$ and $\beta$) are right, `coarse.conv` is not: the fault is in the gradient that batch normalisation sends to its input.

# %% [markdown]
# **Which step $h$?** A long step does not see the slope at the point; for a short one, rounding swamps the difference of two losses that are almost equal.
#
# **Predict, then run.** In float32, with about seven digits: is $h = 10^{-6}$ a good step?

# %% tags=["nbval-ignore-output"]
def errors(dtype, hs, place=(1, 2, 0, 1)):
    """How far slopes of the loss in `dtype` lie from the gradient in float64, relative to it."""
    exact_model, exact_loss = tiny_net()
    exact_loss().backward()
    exact = exact_model.fine.conv.weight.grad[place]
    model, loss = tiny_net(dtype=dtype)
    array = model.fine.conv.weight.data
    slopes = [slope(lambda: loss().item(), array, place, array.dtype.type(h)) for h in hs]
    return abs(np.array(slopes) / exact - 1)


hs = 10.0 ** np.arange(-10, 0.5, 0.5)
apart = {dtype: errors(dtype, hs) for dtype in ("float32", "float64")}
for dtype, values in apart.items():
    print(f"{dtype}: smallest error {values.min():.0e} at h = {hs[values.argmin()]:.0e}")

# %% jupyter={"source_hidden": true}
# Figure: the error of a slope over the step
fig, ax = plt.subplots(figsize=(7.5, 3.5))
for (dtype, values), mark in zip(apart.items(), "os", strict=True):
    ax.plot(hs, np.maximum(values, 1e-12), mark + "-", label=dtype)
ax.set(xlabel="step h", ylabel="relative error", xscale="log", yscale="log")
ax.legend()
figures.show(
    fig,
    alt="Two V-shaped curves, logarithmic: the error is large for tiny steps and for long ones. In "
    "float64 the valley lies lower and at a smaller step than in float32.",
)

# %% [markdown]
# No: there the error is as large as the gradient, or larger. Check in float64, with a step near $10^{-6}$. Two more traps: at a kink (ReLU at 0, a tie of max pooling) the slope to the left and
# to the right differ, and a network with dropout must drop the same features each time. `compare.with_finite_differences` knows of kinks.

# %%
def batch_norm_of(x, weight, bias):
    return batch_norm(x, None, None, weight, bias, training=True)


x = 5 + 2 * rng.standard_normal((2, 3, 4, 3))
grad = rng.standard_normal(x.shape)
compare.with_finite_differences(
    batch_norm_of, (x, gamma, beta), normalise_backward_numpy(grad, x, gamma), grad_output=grad
)

# %% [markdown]
# ## 10 · Optimisers
#
# The gradient says where down is; the **optimiser** says how far to go. Take a long narrow valley with its lowest point at the origin:
#
# $$f(\theta) = \tfrac12 \left( \theta_0^2 + 25\, \theta_1^2 \right), \qquad \nabla f = (\theta_0,\; 25\, \theta_1)$$
#
# Plain descent, $\theta \leftarrow \theta - \eta g$, multiplies $\theta_1$ by $1 - 25\eta$ in each step.
#
# **Predict, then run.** What happens to $\theta_1$ at $\eta = 0.07$? At $\eta = 0.08$? At $0.09$?

# %%
def gradient(theta):
    return np.array([1.0, 25.0]) * theta


for lr in (0.07, 0.08, 0.09):
    theta = np.array([-4.0, 1.0])
    for _ in range(20):
        theta = theta - lr * gradient(theta)
    print(f"learning rate {lr}: after 20 steps {theta.round(2)}")

# %% [markdown]
# The steep direction limits the learning rate, and the flat one then creeps. **Momentum** $\rho$ (rho) lets steps add up: a ball that keeps some of its velocity $v$.
#
# $$v \leftarrow \rho\, v + g, \qquad \theta \leftarrow \theta - \eta\, v$$
#
# Across the valley the parts cancel, along it they add up to $1/(1-\rho)$ times the step. (In its first step PyTorch sets $v = g$, which is the same if $v$ starts at 0.)

# %%
def sgd_numpy(theta, steps, lr, momentum=0.0):
    path, v = [theta], np.zeros_like(theta)
    for _ in range(steps):
        v = momentum * v + gradient(theta)
        theta = theta - lr * v
        path.append(theta)
    return np.array(path)

# %% [markdown]
# **Adam** (Kingma and Ba, 2015) gives each parameter a step of its own. It keeps a running average $u$ of the gradient and one, $s$, of its square, and divides:
#
# $$u \leftarrow \beta_1 u + (1-\beta_1)\, g, \qquad s \leftarrow \beta_2 s + (1-\beta_2)\, g^2, \qquad \theta \leftarrow \theta - \eta\, \frac{u / (1-\beta_1^t)}{\sqrt{s / (1-\beta_2^t)} + \varepsilon}$$
#
# Both averages start at 0. The divisors $1-\beta^t$, $t$ the number of the step, make up for that; $\beta_1 = 0.9$, $\beta_2 = 0.999$, $\varepsilon = 10^{-8}$.
#
# **Predict, then run.** How long is Adam's first step in each direction, whatever the gradient?

# %%
def adam_numpy(theta, steps, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    path, u, s = [theta], np.zeros_like(theta), np.zeros_like(theta)
    for t in range(1, steps + 1):
        g = gradient(theta)
        u = beta1 * u + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * g**2
        theta = theta - lr * (u / (1 - beta1**t)) / (np.sqrt(s / (1 - beta2**t)) + eps)
        path.append(theta)
    return np.array(path)


start = np.array([-4.0, 1.0])
print("first step:", (adam_numpy(start, 1, lr=0.3)[1] - start).round(6))

# %% [markdown]
# $\eta$, against the sign of the gradient: then $u/\sqrt s$ is $g/|g|$. Forty steps beside PyTorch's optimisers:

# %%
def torch_path(optimizer, steps, **options):
    theta = torch.tensor(start, requires_grad=True)
    optimizer, path = optimizer([theta], **options), [start]
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * (theta[0] ** 2 + 25 * theta[1] ** 2)).backward()
        optimizer.step()
        path.append(theta.detach().numpy().copy())
    return np.array(path)


momentum_path = sgd_numpy(start, 40, lr=0.04, momentum=0.7)
compare.arrays(momentum_path, torch_path(torch.optim.SGD, 40, lr=0.04, momentum=0.7), length=40)

# %%
adam_path = adam_numpy(start, 40, lr=0.3)
compare.arrays(adam_path, torch_path(torch.optim.Adam, 40, lr=0.3), length=40)

# %% jupyter={"source_hidden": true}
# Figure: three ways down a valley
def draw_path(ax, path, title):
    rows, columns = np.mgrid[-1.6:1.6:80j, -4.5:4.5:220j]
    heights = 0.5 * (columns**2 + 25 * rows**2)
    ax.contour(columns, rows, heights, levels=np.geomspace(0.1, 40, 9), colors="#BBBBBB")
    ax.plot(*path.T, "o-", ms=4, lw=1.5, color="#0072B2")
    ax.plot(0, 0, "*", ms=14, color="#D55E00")
    away = np.hypot(*path[-1])
    ax.set_title(f"{title}\n{len(path) - 1} steps, {away:.3f} away")
    ax.set(xlim=(-4.5, 2), ylim=(-1.6, 1.6))


fig, axes = plt.subplots(1, 3, figsize=(11, 3.5), sharey=True, layout="constrained")
draw_path(axes[0], sgd_numpy(start, 40, lr=0.07), "plain, η = 0.07")
draw_path(axes[1], momentum_path, "momentum 0.7, η = 0.04")
draw_path(axes[2], adam_path, "Adam, η = 0.3")
figures.show(
    fig,
    alt="Three paths over the contours of a narrow valley to a star: plain descent zigzags across "
    "it, momentum swings and closes in, Adam runs along a curve and overshoots a little.",
)

# %% [markdown]
# **A schedule** lowers the learning rate while training: long steps first, short ones at the end. With $T$ steps in all:
#
# $$\text{poly: } \eta_t = \eta_0 \left(1 - \tfrac tT\right)^{0.9} \qquad \text{cosine: } \eta_t = \tfrac12 \eta_0 \left(1 + \cos \tfrac{\pi t}{T}\right) \qquad \text{step: } \eta_t = 0.1^{\lfloor 3t/T \rfloor}\, \eta_0$$

# %%
T, t = 60, np.arange(60)
rates = {
    "PolynomialLR": 0.1 * (1 - t / T) ** 0.9,
    "CosineAnnealingLR": 0.05 * (1 + np.cos(np.pi * t / T)),
    "StepLR": 0.1 * 0.1 ** (3 * t // T),
}
options = {
    "PolynomialLR": {"total_iters": T, "power": 0.9}, "CosineAnnealingLR": {"T_max": T},
    "StepLR": {"step_size": T // 3, "gamma": 0.1},
}
for name, expected in rates.items():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    schedule, got = getattr(torch.optim.lr_scheduler, name)(optimizer, **options[name]), []
    for _ in range(T):
        got += schedule.get_last_lr()
        optimizer.step()
        schedule.step()
    print(f"{name:18} agrees: {np.allclose(got, expected)}")

# %% jupyter={"source_hidden": true}
# Figure: three schedules
fig, ax = plt.subplots(figsize=(7, 3.0))
for (name, values), line in zip(rates.items(), ("-", "--", ":"), strict=True):
    ax.plot(t, values, line, lw=2.5, label=name)
ax.set(xlabel="step t", ylabel="learning rate")
ax.legend()
figures.show(
    fig,
    alt="The learning rate over 60 steps: a nearly straight line down to 0, half a cosine down to "
    "0, and stairs from 0.1 to 0.01 to 0.001.",
)

# %% [markdown]
# `segedu.optim` has optimisers and schedules under PyTorch's names. Now everything is together.

# %% [markdown]
# ## 11 · One network, three engines
#
# **Predict, then run.** A 3×3 convolution from $A$ to $B$ channels without bias has $9AB$ parameters, a batch normalisation $2B$, the 1×1 layer of scores $(a+b+c)\,C + C$. How many has our
# network: hundreds, thousands, or millions?

# %%
def count(a, b, c, C):
    return 9 * (3 * a + a * b + b * c) + 2 * (a + b + c) + (a + b + c) * C + C


print("formula:", count(*channels, classes))
for name in ("numpy", "torch"):
    model = PixelNet(engines.get(name), channels, classes)
    print(f"{name}:  ", sum(np.prod(tuple(p.shape)) for p in model.parameters()))

# %% [markdown]
# First one gradient. The engine "cuda" runs the kernels of `segedu/cuda_ops`: on a GPU where there is one, here compiled for the CPU, which the first run does. Random first weights from NumPy go into the network on every engine by `state_dict`; then one loss on two images, and one `backward`.
#
# **Predict, then run.** Three convolutions without bias, three batch normalisations, and the scores: how many gradients are there to compare?

# %%
from segedu.models import weights


def narrow_net(engine, seed=0):
    nn = engines.get(engine)
    return initialise(PixelNet(nn, (4, 8, 8), classes), np.random.default_rng(seed))


def gradients_of(engine, state):
    model = narrow_net(engine, seed=None)  # random weights, replaced in the next line
    weights.load(model, state)
    nn, x, truth = model.nn, images[:2, :, :48:2, ::2], labels[:2, :48:2, ::2]
    nn.CrossEntropyLoss()(model(nn.tensor(x)), nn.tensor(truth)).backward()
    return {name: nn.array(p.grad) for name, p in model.named_parameters()}


first = narrow_net("numpy").state_dict()
expected = gradients_of("torch", first)
for name in ("numpy", "cuda"):
    got = gradients_of(name, first)
    apart = [abs(got[key] - g).max() / abs(g).max() for key, g in expected.items()]
    print(f"{name:5} and torch: {len(apart)} gradients, each within 1e-4: {max(apart) < 1e-4}")

# %% [markdown]
# One training step: clear the gradients, scores, loss, backward, step of the optimiser. It says nothing of NumPy, CUDA or PyTorch: the engine `nn` decides.

# %%
def training_step(model, optimizer, x, truth):
    nn = model.nn
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(model(nn.tensor(x)), nn.tensor(truth))
    loss.backward()
    optimizer.step()
    return loss.item()


def losses_of(engine, count=20, dtype="float32"):
    model = narrow_net(engine)
    model = model.double() if dtype == "float64" else model
    optimizer = model.nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for step in range(count):
        part = np.arange(2 * step, 2 * step + 2) % len(images)  # two images a step
        x, truth = images[part, :, :48:2, ::2].astype(dtype), labels[part, :48:2, ::2]
        losses.append(training_step(model, optimizer, x, truth))
    return np.array(losses)

# %% [markdown]
# The same first weights, the same batches, 20 steps of SGD with momentum on each engine. Float32, as above.
#
# **Predict, then run.** After how many steps do the losses differ in the fourth digit: 1, 10, or not at all in these 20?

# %%
curves = {name: losses_of(name) for name in engines.NAMES}
for name in ("numpy", "cuda"):
    apart = abs(curves[name] / curves["torch"] - 1)
    print(f"{name:5} and torch: each of {len(apart)} losses within 1e-4:", bool(apart.max() < 1e-4))

# %% tags=["nbval-ignore-output"]
print("step    " + "".join(f"{name:>12}" for name in curves))
for step in (0, 1, 2, 3, 4, 9, 14, 19):
    print(f"{step + 1:4}    " + "".join(f"{losses[step]:12.6f}" for losses in curves.values()))
print(f"numpy differs by up to {abs(curves['numpy'] / curves['torch'] - 1).max():.0e} of the loss")

# %% [markdown]
# They hardly differ. But why at all? Each engine adds the products of a sum in another order, and each addition rounds. The steps pass these differences on.
#
# **Predict, then run.** In float64, with 16 digits, instead of float32 with 7: about how far apart?

# %%
exact = {name: losses_of(name, dtype="float64") for name in engines.NAMES}
for name in ("numpy", "cuda"):
    apart = abs(exact[name] / exact["torch"] - 1)
    print(f"{name:5} and torch in float64: within 1e-11:", bool(apart.max() < 1e-11))

# %% [markdown]
# Would a mistake show? Two engines with NumPy operators and one fault each: the gradient of every convolution too large by a thousandth; and the wrong batch normalisation of
# section 9.
#
# **Predict, then run.** Does the network train with the wrong batch normalisation? Does the bound of $10^{-4}$ catch the thousandth?

# %%
def conv2d_backward_off(*arguments):
    parts = conv2d_backward(*arguments)
    return tuple(None if part is None else part * part.dtype.type(1.001) for part in parts)


off = engines.Tape("off", engines.operators(conv2d_backward=conv2d_backward_off))
faulty = {"a thousandth": losses_of(off), "batch norm": losses_of(wrong)}
for name, losses in faulty.items():
    apart = abs(losses / curves["torch"] - 1)
    print(f"{name:12}: trains {losses[-1] < losses[0] / 2}, caught {bool(apart.max() > 1e-4)}")

# %%
lines = {
    "wrong batch norm": (faulty["batch norm"], curves, ":k"),
    "off by a thousandth": (faulty["a thousandth"], curves, ":"),
}
for dtype, found, line in (("float32", curves, "-"), ("float64", exact, "--")):
    lines |= {f"{name}, {dtype}": (found[name], found, line) for name in ("numpy", "cuda")}

# %% tags=["nbval-ignore-output"] jupyter={"source_hidden": true}
# Figure: losses step by step, and how far apart they are
fig, axes = plt.subplots(1, 2, figsize=(10.8, 3.9), layout="constrained", width_ratios=[1, 1.5])
left, right = axes
number = np.arange(1, 21)
for (name, losses), mark in zip(curves.items(), ("o", "x", "-"), strict=True):
    left.plot(number, losses, mark, ms=8, mew=2, mfc="none", label=name)
left.plot(number, faulty["batch norm"], ":", color="#000000", label="wrong batch norm")
left.set(xlabel="step", ylabel="loss")
left.set_ylim(bottom=0)
left.legend(fontsize=11)
for name, (losses, others, style) in lines.items():
    largest = np.maximum.accumulate(abs(losses / others["torch"] - 1))
    right.plot(number, np.maximum(largest, 1e-17), style, ms=6, label=name)
right.set(xlabel="step", ylabel="largest difference so far", yscale="log")
right.set_title("from PyTorch's loss")
right.legend(fontsize=11, loc="center left", bbox_to_anchor=(1, 0.5))
figures.show(
    fig,
    alt="Left: three loss curves lie on each other and fall, a dotted one lies a little higher. "
    "Right: differences from PyTorch, tiny in float64, small in float32, far larger with a fault.",
)

# %% [markdown]
# One network, three programs, one curve. A loss that falls proves little; equal curves prove much.
#
# One step more, in **check mode** (lecture 08): each access to memory of each thread is checked, for bounds and for races.

# %%
def one_step(engine):
    nn = engines.get(engine)
    model = initialise(PixelNet(nn, (2, 3, 2), classes), np.random.default_rng(0))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return training_step(model, optimizer, images[:2, :, ::8, ::8], labels[:2, ::8, ::8])


with cuda_ops.mode("check"):
    checked = one_step("cuda")
print("no fault found; loss as on NumPy:", abs(checked / one_step("numpy") - 1) < 1e-5)

# %% [markdown]
# ## 12 · It learns
#
# Now with all channels, Adam and the *poly* schedule. Each step takes four random images, mirrored at random.

# %%
nn = engines.get(engine)
model = initialise(PixelNet(nn, channels, classes), np.random.default_rng(0))
optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
schedule = nn.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=steps, power=0.9)
draw, losses = np.random.default_rng(1), []
for _ in range(steps):
    part, mirror = draw.choice(len(images), 4, replace=False), draw.choice([-1, 1])
    x, truth = images[part][..., ::mirror], labels[part][..., ::mirror]
    losses.append(training_step(model, optimizer, x, truth))
    schedule.step()
print("last ten losses below a fifth of the first:", np.mean(losses[-10:]) < losses[0] / 5)

# %% tags=["nbval-ignore-output"] jupyter={"source_hidden": true}
# Figure: the learning curve
fig, ax = plt.subplots(figsize=(8, 3.2))
ax.plot(losses, color="#56B4E9", lw=1, label="loss of a batch")
smooth = np.convolve(losses, np.ones(10) / 10, "valid")
ax.plot(np.arange(9, len(losses)), smooth, color="#0072B2", lw=2.5, label="mean of ten")
ax.set(xlabel="step", ylabel="loss")
ax.set_ylim(bottom=0)
ax.legend()
figures.show(
    fig,
    alt="The loss falls fast in the first twenty steps, then slowly and with less and less noise.",
)

# %% [markdown]
# To label the validation streets, the network goes into evaluation: batch normalisation uses its running averages.
#
# **Predict, then run.** Which classes gain most from looking at neighbours: sky, cars, pavement, poles?

# %%
def predict(model, x):
    """The class with the highest score, for each pixel."""
    model.eval()
    with model.nn.no_grad():
        return model.nn.array(model(model.nn.tensor(x))).argmax(1)


learnt = predict(model, val_images)
net_scores, net_mean = scores_of(learnt)
print("mean IoU above 0.5:", net_mean > 0.5, " above colour alone:", net_mean > colour_mean + 0.1)

# %% tags=["nbval-ignore-output"]
print(f"{'':12} colour  network")
for name, before, after in zip(val.classes, colour_scores, net_scores, strict=True):
    print(f"{name:12} {before:6.2f}  {after:6.2f}")
print(f"{'mean':12} {colour_mean:6.2f}  {net_mean:6.2f}")

# %% tags=["nbval-ignore-output"] jupyter={"source_hidden": true}
# Figure: streets that the network had not seen
shown = []
for i in (0, 1, 3):
    maps = [figures.colourise(m[i], val.palette) for m in (val_labels, by_colour, learnt)]
    shown += [val[i][0], *maps]
titles = ["image", "labels", "by colour alone", "by our network"]
fig = figures.images_row(shown, titles=titles + [None] * 8, columns=4)
figures.label_legend(fig, val.classes, val.palette)
figures.show(
    fig,
    alt="Three streets with their labels, labels by colour alone, full of specks, and by our "
    "network: calmer, with whole houses and roads, blurred at thin things.",
    dpi=80,
)

# %% [markdown]
# Poles and people cover few pixels, and a mean over pixels hardly hears them: lecture 06 has weights for that. `segedu.training.Trainer` is this loop with validation, checkpoints and a live curve; the networks of
# lectures 12 to 14 are blocks like `PixelNet`, only larger.

# %% [markdown]
# *At home.* The same network on real streets, if the CamVid data set is on this machine: every fourth pixel of every sixth frame, 11 classes. Pixels whose class is unknown get the label
# −100, which the loss leaves out.

# %% tags=["real-data"]
from segedu.data import camvid


def real_frames(split, every):
    frames = camvid.camvid(split)
    pairs = [frames[i] for i in range(0, len(frames), every)]
    x = np.stack([image[::4, ::4] for image, _ in pairs]).transpose(0, 3, 1, 2)
    truth = np.stack([labels[::4, ::4] for _, labels in pairs])
    return x / np.float32(127.5) - 1, np.where(truth == camvid.VOID, -100, truth)


# %% tags=["real-data"]
if camvid.available():
    real = initialise(PixelNet(nn, channels, 11), np.random.default_rng(0))
    optimizer = nn.optim.Adam(real.parameters(), lr=0.01)
    schedule = nn.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=120, power=0.9)
    x, truth = real_frames("train", 6)
    for _ in range(120):
        part = draw.choice(len(x), 4, replace=False)
        training_step(real, optimizer, x[part], truth[part])
        schedule.step()
    x, truth = real_frames("val", 10)
    guess, known = predict(real, x), truth >= 0
    commonest = np.bincount(truth[known]).max() / known.sum()
    print(f"validation pixels right: {(guess == truth)[known].mean():.2f}")
    print(f"the commonest class everywhere: {commonest:.2f}")
else:
    print("CamVid is not on this machine; the drawn streets above stand for it.")

# %% tags=["real-data"] jupyter={"source_hidden": true}
# Figure: real streets
if camvid.available():
    maps, shown = [np.where(truth < 0, 255, truth), guess], []
    for i in (0, 5):
        shown.append(((x[i] + 1) / 2).transpose(1, 2, 0))
        shown += [figures.colourise(m[i], camvid.PALETTE, void=255) for m in maps]
    titles = ["image", "labels", "by our network", None, None, None]
    fig = figures.images_row(shown, titles=titles, columns=3)
    alt = "Two real streets, their labels beside them, and beside those the labels of our network."
    figures.label_legend(fig, camvid.CLASSES, camvid.PALETTE)
    figures.show(fig, alt=alt, dpi=80)

# %% [markdown]
# ## 13 · Try it yourself (at home)
#
# Plain descent is momentum 0. Find a learning rate at which the ball flies off; then one at which momentum 0.9 still rolls in.

# %% tags=["nbval-ignore-output"]
import ipywidgets


def explore(momentum=0.7, learning_rate=0.04):
    fig, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
    path = sgd_numpy(start, 40, learning_rate, momentum)
    draw_path(ax, path, f"momentum {momentum:g}, η = {learning_rate:g}")
    ax.set(xlim=(-4.5, 4.5))
    figures.show(fig, alt="A path of 40 steps over the contours of a narrow valley.")


ipywidgets.interact(explore, momentum=(0, 0.99, 0.01), learning_rate=(0.005, 0.16, 0.005));

# %% [markdown]
# A still picture, for readers without a running kernel: momentum 0.95 swings round the lowest point.

# %% jupyter={"source_hidden": true}
# Figure: too much momentum
explore(momentum=0.95, learning_rate=0.04)

# %% [markdown]
# ## Common mistakes
#
# * **`grad = part` in place of `grad + part`.** A tensor that is used twice loses a part.
# * **Sending a gradient on before it is complete.** The newest tensor goes first.
# * **No `zero_grad`.** Gradients of all steps so far add up.
# * **Evaluation in training mode**, or training in evaluation mode: batch normalisation uses the other statistics.
# * **A gradient check in float32**, or with a step near the last digit.
# * **Constants for first weights.** Equal features stay equal.
# * **A bias before batch normalisation.** Its mean is subtracted again; its gradient is 0.
#
# ## Summary
#
# * A tape remembers inputs and how gradients go back; `backward` walks it from the newest tensor to the oldest, multiplies and adds.
# * An operator gets on the tape by one line: its result, its inputs, its `…_backward`. A layer is an operator with its parameters.
# * Batch normalisation uses the batch in training and running averages in evaluation; its gradient has two terms more than a fixed scale.
# * First weights of variance $2/n$ keep the size of the features through layers with ReLU.
# * Gradients are checked by central differences in float64.
# * Momentum adds up steps, Adam divides them by the usual size of the gradient, a schedule shortens them.
# * NumPy, our CUDA kernels and PyTorch: the same losses, up to rounding.

# %% [markdown]
# ## Exercises
#
# 1. **Backward of one layer.** Write `scale_shift(x, weight, bias)`, $y_c = w_c\, x_c + b_c$ for each channel $c$ of N×C×H×W, on the library's tape (`record`), with its three gradients. Check it with
#    `compare.with_torch`.
# 2. **SGD with momentum.** Write a class with `step()` for any parameters: momentum, weight decay ($g \leftarrow g + \lambda \theta$), parameters without a gradient left alone. Compare five steps with `torch.optim.SGD`.
# 3. In section 3, replace `reversed(in_order(…))` by sending each gradient on as soon as it arrives. For which graphs is the result still right? How often is `send` called for $d_{k+1} = d_k + d_k$, 20 times over?
# 4. Why is the gradient of a bias before batch normalisation 0? Check it with `slope`.
# 5. What happens to a batch of one image of 1×1 pixel in batch normalisation, in training?
#
# <details><summary>Answers</summary>
#
# 1.
#
# ```python
# def scale_shift(x, weight, bias):
#     w = weight.data[:, None, None]
#     def back(grad):
#         return grad * w, (grad * x.data).sum((0, 2, 3)), grad.sum((0, 2, 3))
#     return record(x.data * w + bias.data[:, None, None], (x, weight, bias), back)
# ```
#
# 2.
#
# ```python
# class Momentum:
#     def __init__(self, parameters, lr, momentum=0.9, weight_decay=0.0):
#         self.parameters, self.options = list(parameters), (lr, momentum, weight_decay)
#         self.v = [np.zeros_like(p.data) for p in self.parameters]
#     def step(self):
#         lr, momentum, decay = self.options
#         for p, v in zip(self.parameters, self.v, strict=True):
#             if p.grad is not None:
#                 v *= momentum
#                 v += p.grad + decay * p.data
#                 p.data -= lr * v
# ```
#
# 3. The sum is right for every graph, if only the part that has just arrived is sent on. But every path is walked: a tensor that is used twice is visited twice, and so on. $2^{20} - 1$ calls, about a million, for
#    the last one; in order, 20.
# 4. Adding $b$ to a channel adds $b$ to its mean, which is subtracted: $L$ does not depend on $b$. In `slope` only rounding is left.
# 5. Each channel has a single value. Its variance is 0, $\hat x$ is 0, and what follows does not see the input. Our layer and PyTorch's refuse with a `ValueError`.
#
# </details>
#
# ## Sources
#
# * S. Linnainmaa, *Taylor expansion of the accumulated rounding error*, BIT 16, 1976 (reverse accumulation).
# * D. E. Rumelhart, G. E. Hinton, R. J. Williams, *Learning representations by back-propagating errors*, Nature 323, 1986.
# * A. Karpathy, *micrograd*, 2020 (a tape in two files).
# * S. Ioffe, C. Szegedy, *Batch normalization: accelerating deep network training by reducing internal covariate shift*, ICML 2015.
# * K. He, X. Zhang, S. Ren, J. Sun, *Delving deep into rectifiers*, ICCV 2015 (first weights).
# * B. T. Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964 (momentum).
# * D. P. Kingma, J. Ba, *Adam: a method for stochastic optimization*, ICLR 2015.
# * L.-C. Chen et al., *DeepLab*, PAMI 2018 (the *poly* schedule); I. Loshchilov, F. Hutter, *SGDR*, ICLR 2017 (cosine).

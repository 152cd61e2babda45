# %% [markdown]
# # Lecture 11 · A network from our own kernels
#
# We have operators, each with a gradient: in NumPy since lecture 01, in CUDA C since lecture 08. A network needs one thing more: somebody who remembers which operator came after
# which, and calls the gradients in the opposite order. That is the **tape**, and it is short.
#
# After this lecture you can
#
# 1. write a tape: tensors that remember how they were computed, and `backward`,
# 2. put any operator with a gradient on it, and make layers of operators,
# 3. compute batch normalisation in training and in evaluation, and its gradient,
# 4. choose first weights with which a signal neither dies nor explodes,
# 5. check a gradient by finite differences, and choose the step,
# 6. program SGD with momentum and Adam, and change the learning rate by a schedule,
# 7. train one network on NumPy, on our CUDA kernels and on PyTorch, and compare the losses step by step.
#
# About 100 minutes without the parts marked *at home*. You need lectures 01, 02 and 06; the CUDA kernels run on the CPU here.

# %%
import numpy as np
from matplotlib import pyplot as plt

from segedu import compare, cuda_ops, data, engines, figures, nn
from segedu.models.blocks import Block
from segedu.models.initial import initialise
from segedu.numpy_ops import confusion_matrix, conv2d, conv2d_backward, mean_iou, pixel_accuracy

figures.use_style()
rng = np.random.default_rng(11)

# %% [markdown]
# On a CPU this lecture trains a network of a few thousand parameters in seconds. With `full = True` and a GPU the same cells train a larger one with our kernels; this has
# not been run yet.

# %%
full = False
if full:
    engine, channels, size, steps, pictures = "cuda", (32, 64, 128), 256, 2000, 400
else:
    engine, channels, size, steps, pictures = "numpy", (8, 16, 32), 64, 120, 40

# %% [markdown]
# ## 1 · What is to be learnt
#
# Streets that a program draws, and the exact label of every pixel. At the end of this lecture a network of our own labels streets that it has never seen.

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
print(images.shape, images.dtype, labels.shape, labels.dtype)

# %% jupyter={"source_hidden": true}
# Figure: four streets and their labels
shown = [val[i][0] for i in range(4)] + [
    figures.colourise(val_labels[i], val.palette) for i in range(4)
]
fig = figures.images_row(shown, columns=4)
figures.label_legend(fig, val.classes, val.palette)
figures.show(
    fig,
    alt="Four small drawn streets with sky, houses, trees and cars; below each its label map in "
    "flat colours.",
    dpi=80,
)

# %% [markdown]
# ## 2 · A gradient by hand
#
# One number $x$, a weight $w$, a bias $b$, a target $t$. The loss is the square of the difference $d$:
#
# $$d = w x + b - t, \qquad L = d \cdot d$$
#
# With $x = 2$, $w = 3$, $b = 1$, $t = 5$: $d = 2$ and $L = 4$. Going backward, each step multiplies by its own derivative (the chain rule).
#
# **Predict, then run.** $L = d \cdot d$ uses $d$ twice, and each use has the derivative $d$. How large is $\partial L / \partial w$?

# %%
x, w, b, t = 2.0, 3.0, 1.0, 5.0
d = w * x + b - t
L = d * d
grad_d = d + d  # one part from each use
grad_w, grad_b = grad_d * x, grad_d
print(f"d = {d}, L = {L}, dL/dd = {grad_d}, dL/dw = {grad_w}, dL/db = {grad_b}")

# %% [markdown]
# Two rules did all the work: **multiply** by the derivative of the operation, and **add** the parts that come back from several uses.

# %% [markdown]
# ## 3 · Your own tape
#
# A `Tensor` holds an array, the tensors that it was computed from, and a function `send`: from the gradient of the result to the gradients of those inputs.

# %%
class Tensor:
    def __init__(self, data, inputs=(), send=None):
        self.data, self.inputs, self.send = np.asarray(data), inputs, send
        self.grad = 0.0

    def __add__(self, other):
        return Tensor(self.data + other.data, (self, other), lambda grad: (grad, grad))

    def __mul__(self, other):
        parts = self.data, other.data
        return Tensor(parts[0] * parts[1], (self, other), lambda g: (g * parts[1], g * parts[0]))

# %% [markdown]
# `backward` must not send the gradient of $d$ on before *both* parts have arrived. So it goes through the tensors in order: a tensor comes only after all that were computed from it.

# %%
def in_order(tensor, done):
    """All that `tensor` was computed from, inputs first, then `tensor`."""
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
x, w, b, t = Tensor(2.0), Tensor(3.0), Tensor(1.0), Tensor(-5.0)
d = w * x + b + t
L = d * d
backward(L)
print(f"L = {L.data}, dL/dw = {w.grad}, dL/db = {b.grad}, dL/dx = {x.grad}")

# %% [markdown]
# The same numbers as by hand, and $\partial L/\partial x$ as a present.

# %% [markdown]
# ## 10 · The network, on three engines
#
# A **block** takes the engine `nn` first: NumPy, our CUDA kernels, or PyTorch. It is written once.

# %%
class PixelNet(Block):
    def __init__(self, nn, channels, num_classes):
        super().__init__()
        a, b, c = channels
        self.conv1, self.bn1 = nn.Conv2d(3, a, 3, padding=1, bias=False), nn.BatchNorm2d(a)
        self.conv2, self.bn2 = nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b)
        self.conv3, self.bn3 = nn.Conv2d(b, c, 3, padding=1, bias=False), nn.BatchNorm2d(c)
        self.pool, self.score = nn.MaxPool2d(2), nn.Conv2d(a + b + c, num_classes, 1)

    def forward(self, x):
        nn, size = self.nn, tuple(x.shape[-2:])
        fine = nn.relu(self.bn1(self.conv1(x)))
        middle = nn.relu(self.bn2(self.conv2(self.pool(fine))))
        coarse = nn.relu(self.bn3(self.conv3(self.pool(middle))))
        up = [nn.interpolate(m, size=size, mode="bilinear") for m in (middle, coarse)]
        return self.score(nn.cat([fine, *up], dim=1))

# %%
def losses_of(engine, count=12, batch=2):
    nn = engines.get(engine)
    model = initialise(PixelNet(nn, (4, 8, 8), len(train.classes)), np.random.default_rng(0))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for step in range(count):
        part = np.arange(step * batch, step * batch + batch) % len(images)
        optimizer.zero_grad()
        logits = model(nn.tensor(images[part, :, ::2, ::2]))
        loss = nn.CrossEntropyLoss()(logits, nn.tensor(labels[part, ::2, ::2]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


curves = {name: losses_of(name) for name in engines.NAMES}

# %%
for name in ("numpy", "cuda"):
    apart = abs(curves[name] / curves["torch"] - 1).max()
    print(f"{name} and PyTorch, {len(curves[name])} losses, each within 1e-4:", bool(apart < 1e-4))

# %% [markdown]
# ## Common mistakes
#
# * **`grad = part`** instead of adding: a tensor that is used twice loses one part.
#
# ## Summary
#
# * A tape remembers inputs and gradients; `backward` walks it from the newest to the oldest.
#
# ## Exercises
#
# 1. Write the gradient of one layer.
#
# ## Sources
#
# * S. Linnainmaa, *The representation of the cumulative rounding error of an algorithm as a Taylor expansion of the local rounding errors*, 1970.

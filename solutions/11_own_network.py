# %% [markdown]
# # Exercises 11 · A network from our own kernels
#
# You send a gradient back on paper, write a layer with its gradients, the way back along a tape, SGD with momentum, and the check of a gradient. You need lecture 11. Write in the cells that say
# `raise NotImplementedError`, run the check below each, and read what it says. Hand in this notebook.

# %% segedu={"role": "setup"}
import numpy as np

rng = np.random.default_rng(11)


# What a tape holds, and how a gradient goes back through one operation (question 3)
def compute(operation, *inputs):
    """The result of an operation, by its name."""
    if operation == "add":
        return inputs[0] + inputs[1]
    if operation == "mul":
        return inputs[0] * inputs[1]
    if operation == "matmul":
        return inputs[0] @ inputs[1]
    if operation == "relu":
        return np.maximum(inputs[0], 0)
    return inputs[0].sum(keepdims=True)  # "sum"


def send(operation, grad, *inputs):
    """A gradient for each input, from the gradient of the result."""
    if operation == "add":
        return grad, grad
    if operation == "mul":
        return grad * inputs[1], grad * inputs[0]
    if operation == "matmul":
        return grad @ inputs[1].T, inputs[0].T @ grad
    if operation == "relu":
        return (grad * (inputs[0] > 0),)
    return (grad * np.ones_like(inputs[0]),)  # "sum"


def run(tape, leaves):
    """All values: those given, and those that the tape computes."""
    values = dict(leaves)
    for operation, result, inputs in tape:
        values[result] = compute(operation, *(values[name] for name in inputs))
    return values


# The function whose gradient is to be checked (question 5)
def loss(theta):
    """A number, from an array of any shape."""
    return (theta**4).sum() / 4 + (theta[:-1] * theta[1:]).sum()

# %% jupyter={"source_hidden": true} segedu={"role": "tools"}
# What the checks and the figures need
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from segedu import compare, figures

figures.use_style()


def check_prelu_gradient(number, x, slope):
    """Compare one gradient of prelu with PyTorch's: 0 of x, 1 of the slope."""
    tx, ts = (torch.from_numpy(a).requires_grad_() for a in (x, slope))
    y = F.prelu(tx, ts)
    g = np.random.default_rng(x.size).standard_normal(x.shape).astype(x.dtype)
    y.backward(torch.from_numpy(g))
    found = prelu_backward(g.copy(), x, slope)
    assert isinstance(found, tuple | list), "return two arrays: the gradients of x and of the slope"
    assert len(found) == 2, "return two arrays: the gradients of x and of the slope"
    upstream = torch.from_numpy(g)
    by_slope, all_pixels = (d.numpy() for d in torch.autograd.grad(ts[:, None, None] * tx, (tx, ts), upstream))
    (by_relu,) = (d.numpy() for d in torch.autograd.grad(F.relu(tx), tx, upstream))
    below = ts.grad.numpy()
    hints = [
        [
            ("the slope everywhere: for x > 0 the derivative is 1", by_slope),
            ("the gradient of ReLU: below 0 the derivative is the slope, not 0", by_relu),
            ("the gradient passed on unchanged: below 0 the derivative is the slope", g),
            ("what passes where x ≥ 0: at 0 itself the second case holds", np.where(x == 0, g, tx.grad.numpy())),
        ],
        [
            ("the sum over all pixels: those above 0 do not touch the slope", all_pixels),
            ("the sum over the pixels above 0: the slope is used below", all_pixels - below),
            ("the mean in place of the sum: every use of the slope adds its part", below / x[:, 0].size),
        ],
    ]
    target, name = ((tx, "gradient of x"), (ts, "gradient of slope"))[number]
    length = 1 if number == 0 else x[:, 0].size
    return compare.arrays(found[number], target.grad.numpy(), length=length, name=name, hints=hints[number]).check()


def torch_gradients(tape, leaves):
    """PyTorch's gradient of the last result by every name that it depends on."""
    values = {name: torch.from_numpy(a).clone().requires_grad_() for name, a in leaves.items()}
    operators = {"add": torch.add, "mul": torch.mul, "matmul": torch.matmul, "relu": torch.relu}
    for operation, result, inputs in tape:
        given = [values[name] for name in inputs]
        values[result] = operators[operation](*given) if operation != "sum" else given[0].sum().reshape(1, 1)
        values[result].retain_grad()
    values[tape[-1][1]].backward(torch.ones_like(values[tape[-1][1]]))
    return {name: value.grad.numpy() for name, value in values.items() if value.grad is not None}


def gradients_of(tape, leaves):
    """What `backward` returns, with what stops it in words."""
    values, last = run(tape, leaves), tape[-1][1]
    try:
        found = backward(tape, values)
    except KeyError as error:
        name = str(error).strip("\"'")
        why = f"the tape has no such name. The last result is that of the last entry, here {last!r}"
        if name in values:
            why = "has this name got a gradient when you ask for it? Begin at the last entry. Not every value leads to the result"
        raise AssertionError(f"backward stops with KeyError {name!r}: {why}") from None
    assert isinstance(found, dict), "return a dictionary: a name, its gradient"
    return found


def check_gradient(found, name, target, length=1, hints=()):
    """Compare one of the gradients that `backward` returned."""
    assert name in found, f"the gradient of {name} is missing"
    compare.arrays(found[name], target, length=length, name=f"gradient of {name}", hints=hints).check()


def sgd_path(parameters, gradients, rates, **options):
    """PyTorch's parameters and velocities after each step; a gradient None leaves a parameter out."""
    tensors = [torch.from_numpy(p).clone().requires_grad_() for p in parameters]
    optimizer, path = torch.optim.SGD(tensors, lr=1.0, **options), []
    for lr, grads in zip(rates, gradients, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        for tensor, g in zip(tensors, grads, strict=True):
            tensor.grad = None if g is None else torch.from_numpy(g).clone()
        optimizer.step()
        buffers = [optimizer.state[t].get("momentum_buffer") for t in tensors]
        velocities = [torch.zeros_like(t) if v is None else v for t, v in zip(tensors, buffers, strict=True)]
        path.append([t.detach().numpy().copy() for t in (*tensors, *velocities)])
    return path


def check_sgd(parameters, gradients, rates, momentum=0.0, weight_decay=0.0, nesterov=False):
    """Compare steps of sgd_step with PyTorch's SGD."""
    options = {"momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
    right, amount = sgd_path(parameters, gradients, rates, **options), len(parameters)
    slips = [("what steps uphill give: a step goes against the gradient", [-lr for lr in rates], {})]
    if weight_decay:
        slips.append(("what comes without weight decay", rates, {"weight_decay": 0.0}))
    if nesterov:
        slips.append(("what comes without nesterov, or with the old v in g + ρ v", rates, {"nesterov": False}))
    elif momentum:
        slips.append(("what comes with nesterov", rates, {"nesterov": True}))
        slips.append(("what comes without momentum", rates, {"momentum": 0.0}))
        shorter = [lr * (1 - momentum) for lr in rates]
        slips.append(("what comes of v ← ρv + (1 − ρ)g: the gradient comes in whole", shorter, {}))
    slips = [(text, sgd_path(parameters, gradients, other, **options | new)) for text, other, new in slips]
    zeros = [[0 * p if g is None else g for p, g in zip(parameters, grads, strict=True)] for grads in gradients]
    slips.append((
        "what a gradient of zeros gives: None leaves parameter and velocity as they are",
        sgd_path(parameters, zeros, rates, **options),
    ))
    now, velocities = parameters, [np.zeros_like(p) for p in parameters]
    for step, grads in enumerate(gradients):
        found = sgd_step(now, grads, velocities, rates[step], momentum, weight_decay, nesterov)
        assert isinstance(found, tuple | list), "return two lists: the new parameters, the new velocities"
        assert len(found) == 2, "return two lists: the new parameters, the new velocities"
        before, (now, velocities) = now, found
        assert len(now) == len(velocities) == amount, "return a parameter and a velocity for each that was given"
        for k in range(2 * amount if momentum else amount):
            name = f"parameter {k}" if k < amount else f"velocity {k - amount}"
            hints = [(text, path[step][k]) for text, path in slips]
            more = rates[step] * weight_decay * before[k] if k < amount else 0
            if weight_decay and step == 0 and k < amount:
                plain = sgd_path(parameters, gradients, rates, **options | {"weight_decay": 0.0})
                hints.append(("what comes with λθ taken from θ alone: it goes into g first, and so into v", plain[0][k] - more))
            if nesterov and k < amount:
                old = "what comes with the old g in nesterov's step: the new one, with weight decay, belongs there"
                hints.append((old, right[step][k] + more))
            if k >= amount:
                inside = "the velocity times the learning rate: that belongs to the step of θ alone"
                hints.append((inside, rates[step] * right[step][k]))
            got, name = [*now, *velocities][k], f"step {step + 1}, {name}"
            report = compare.arrays(got, right[step][k], length=4 * (step + 1), name=name, hints=hints).check()
    return report


def central(theta, h):
    """What central differences of `loss` have to give: its gradient by PyTorch, and what a step of h adds for θ⁴."""
    t = torch.tensor(theta, dtype=torch.float64).requires_grad_()
    loss(t).backward()
    return t.grad.numpy() + h**2 * t.detach().numpy()

# %% [markdown]
# ## 1 · A gradient by hand (2 points)
#
# The network has one weight $w$, and the weight is used twice: in $d = w x + b$, and in a penalty for large weights that is added to the loss,
#
# $$L = d \cdot d + 3\, w$$
#
# With $x = 3$, $w = 2$, $b = -4$: which numbers are $\partial L / \partial w$ and $\partial L / \partial x$? Write `grad_w, grad_x = …`.

# %% segedu={"role": "answer", "question": "by_hand"}
### BEGIN SOLUTION
grad_w, grad_x = 15, 8
### END SOLUTION

# %% segedu={"role": "check", "question": "by_hand", "points": 2}
x, w, b = (torch.tensor(v, requires_grad=True) for v in (3.0, 2.0, -4.0))
d = w * x + b
(d * d + 3 * w).backward()
by_d = (2 * d * x).item()
assert (grad_x, grad_w) != (w.grad, x.grad), "the two are exchanged: the weight comes first"
assert grad_w != by_d, "w: that is the way through d alone; w is used once more"
assert grad_w != 3, "w: that is the way through the penalty alone; the other one is added"
assert grad_w != by_d / 2 + 3, "w: d stands twice in d · d, and each use sends a part"
assert grad_w == w.grad, "w: not right. Multiply along each way from L to w, then add the ways"
assert grad_x != (d * w).item(), "x: d stands twice in d · d, and each use sends a part"
assert grad_x != by_d, "x: that is 2 d · x; the derivative of w x by x is another number"
assert grad_x == x.grad, "x: not right. Multiply along the way from L through d to x"
print("both gradients are right")

# %% [markdown]
# ## 2 · A layer and its gradients (5 points)
#
# PReLU is a ReLU that learns what it does below 0: each channel $c$ has a slope $a_c$, a parameter of the layer (He and others, 2015).
#
# $$y_{ncij} = \begin{cases} x_{ncij} & x_{ncij} > 0 \\ a_c\, x_{ncij} & \text{else} \end{cases}$$
#
# Write `prelu(x, slope)`, and `prelu_backward(grad_output, x, slope)`, which returns the gradients of `x` and of `slope`, in this order. Both keep the dtype.
#
# Example: one channel with slope 0.1 and the pixels −2, 3 gives −0.2, 3. With the gradients 10, 20 of the result, that of x is 1, 20 and that of the slope −20.
#
# <details><summary>Hint 1</summary>`slope[:, None, None]` stands beside N×C×H×W as one number for each channel. `np.where` chooses.</details>
# <details><summary>Hint 2</summary>Two rules: multiply by the derivative, add the parts of several uses. By what does y change when x changes a little? When the slope does? How often is a slope used?</details>
# <details><summary>Hint 3</summary>Where x ≤ 0, the derivative by the slope is x itself; elsewhere it is 0. The slope of a channel collects from all pictures and all pixels.</details>

# %% segedu={"role": "answer", "question": "prelu"}
def prelu(x, slope):
    """x: N×C×H×W, slope: C. Returns N×C×H×W."""
    ### BEGIN SOLUTION
    return np.where(x > 0, x, slope[:, None, None] * x)
    ### END SOLUTION


def prelu_backward(grad_output, x, slope):
    """grad_output, x: N×C×H×W, slope: C. Returns the gradients of x and of slope."""
    ### BEGIN SOLUTION
    grad_x = np.where(x > 0, grad_output, slope[:, None, None] * grad_output)
    grad_slope = np.where(x > 0, 0, grad_output * x).sum(axis=(0, 2, 3))
    return grad_x, grad_slope
    ### END SOLUTION

# %% segedu={"role": "check", "question": "prelu", "points": 1}
# forward, with a slope below 0 and one above 1, too
x, slope = rng.standard_normal((2, 3, 4, 5)), np.array([-0.5, 0.25, 1.5])
compare.with_torch(prelu, x, slope, reference=F.prelu).check()

# %% segedu={"role": "check", "question": "prelu", "points": 1}
# the gradient of x
x, slope = rng.standard_normal((2, 3, 4, 5)), rng.uniform(-0.5, 0.5, 3)
check_prelu_gradient(0, x, slope)

# %% segedu={"role": "check", "question": "prelu", "points": 1}
# the gradient of the slope
x, slope = rng.standard_normal((2, 3, 4, 5)), rng.uniform(-0.5, 0.5, 3)
check_prelu_gradient(1, x, slope)

# %% segedu={"role": "hidden", "question": "prelu", "points": 2}
# any size, pixels that are exactly 0, slopes above 1, as many channels as rows or columns; float32 stays float32
for shape in [(3, 4, *rng.permutation(np.arange(3, 9))[:2]), (1, 3, 3, 3), (4, 1, 2, 5)]:
    x = (rng.integers(-2, 3, shape) * rng.random(shape)).astype(np.float32)
    slope = rng.uniform(-1, 1, shape[1]).astype(np.float32)
    slope[-1] += 2
    compare.with_torch(prelu, x, slope, reference=F.prelu).check()
    check_prelu_gradient(0, x, slope)
    check_prelu_gradient(1, x, slope)

# %% [markdown]
# ## 3 · Back along a tape (5 points)
#
# A tape is a list of what was computed, first things first: `(operation, result, inputs)`, all by name. $L = \sum (w x + w)^2$ for arrays is
#
#     tape = [("mul", "p", ("w", "x")), ("add", "d", ("p", "w")),
#             ("mul", "s", ("d", "d")), ("sum", "L", ("s",))]
#
# The setup cell knows the operations: `run(tape, leaves)` returns the values of all names, and `send(operation, grad, *inputs)` a gradient for each input of one operation, from that of its result and
# from the values of its inputs.
#
# Write `backward(tape, values)`. It returns a dictionary with the gradient of the *last* result by each name that it depends on, itself included (ones, of its shape). A name from which no way
# leads to the last result does not stand in it. Values stay unchanged.
#
# Example: with w = 2, x = 3 in arrays of one number each, d is 8 and L is 64. The gradients are 1 for L and s, 16 for d and p, 32 for x, and 64 for w: 48 by way of p, and 16 straight from d.
#
# <details><summary>Hint 1</summary>Walk along `reversed(tape)`. When you meet the entry that computed a name, all the entries that used the name are behind you: its gradient is complete.</details>
# <details><summary>Hint 2</summary>`zip(inputs, parts)` brings names and parts together. Has the name no gradient yet, the part is its gradient; else it is the sum of both.</details>
# <details><summary>Hint 3</summary>`send` may return one array twice. What does `grads[name] += part` do to that array, and to all names that hold it?</details>

# %% segedu={"role": "answer", "question": "backward"}
def backward(tape, values):
    """tape: a list of (operation, result, inputs); values: name → array. Returns name → gradient."""
    ### BEGIN SOLUTION
    last = tape[-1][1]
    grads = {last: np.ones_like(values[last])}
    for operation, result, inputs in reversed(tape):
        if result not in grads:
            continue
        parts = send(operation, grads[result], *(values[name] for name in inputs))
        for name, part in zip(inputs, parts, strict=True):
            grads[name] = grads[name] + part if name in grads else part
    return grads
    ### END SOLUTION

# %% segedu={"role": "check", "question": "backward", "points": 1}
# a chain: every name is used once
tape = [("matmul", "a", ("x", "w")), ("relu", "h", ("a",)), ("mul", "m", ("h", "z")), ("sum", "L", ("m",))]
leaves = {name: rng.standard_normal(shape) for name, shape in (("x", (4, 3)), ("w", (3, 5)), ("z", (4, 5)))}
found = gradients_of(tape, leaves)
for name, target in torch_gradients(tape, leaves).items():
    check_gradient(found, name, target, length=20)
print("all gradients agree")

# %% segedu={"role": "check", "question": "backward", "points": 1}
# names that are used twice
tape = [("mul", "p", ("w", "x")), ("add", "d", ("p", "w")), ("mul", "s", ("d", "d")), ("sum", "L", ("s",))]
found = gradients_of(tape, {"w": np.array([[2.0]]), "x": np.array([[3.0]])})
alone = "the last part alone: parts of several uses are added"
shared = "what += makes of an array that several names hold"
wrong = {"d": [(alone, 8.0), (shared, 64.0)], "w": [(alone, 48.0)]}
for name, target in {"L": 1.0, "s": 1.0, "d": 16.0, "p": 16.0, "x": 32.0, "w": 64.0}.items():
    hints = [(text, np.array([[value]])) for text, value in wrong.get(name, ())]
    check_gradient(found, name, np.array([[target]]), hints=hints)
print("all gradients agree")

# %% segedu={"role": "check", "question": "backward", "points": 1}
# names that get the same array; the last result has another name
tape = [("add", "e", ("a", "b")), ("add", "y", ("e", "a"))]
found = gradients_of(tape, {"a": np.array([[5.0]]), "b": np.array([[7.0]])})
hints = [("the sum that belongs to a: += changes an array that several names hold", np.array([[2.0]]))]
for name, target in {"y": 1.0, "e": 1.0, "b": 1.0, "a": 2.0}.items():
    check_gradient(found, name, np.array([[target]]), hints=hints)
print("all gradients agree")

# %% segedu={"role": "hidden", "question": "backward", "points": 1}
# values from which no way leads to the result, and one whose gradient is all 0
tape = [
    ("matmul", "a", ("x", "w")), ("relu", "lost", ("a",)), ("mul", "m", ("a", "a")), ("relu", "dead", ("below",)),
    ("sum", "L", ("lost",)), ("add", "n", ("m", "a")), ("add", "both", ("n", "dead")), ("sum", "end", ("both",)),
]
n, m = rng.integers(2, 6, 2)
leaves = {"x": rng.standard_normal((n, 3)), "w": rng.standard_normal((3, m)), "below": -rng.random((n, m)) - 0.1}
found, right = gradients_of(tape, leaves), torch_gradients(tape, leaves)
extra = sorted(set(found) - set(right))
assert not extra, f"no way leads from {extra[0]} to the last result: it has no gradient"
for name, target in right.items():
    check_gradient(found, name, target, length=20)

# %% segedu={"role": "hidden", "question": "backward", "points": 1}
# a deep network in which every feature is used twice or three times
tape, features = [], "x"
for layer in range(6):
    a, h, s = (letter + str(layer) for letter in "ahs")
    tape += [("matmul", a, (features, "w")), ("relu", h, (a,)), ("add", s, (h, features))]
    features = s
tape += [("add", "two", (features, features)), ("mul", "square", ("two", features)), ("sum", "L", ("square",))]
leaves = {"x": rng.standard_normal((4, 3)), "w": 0.5 * rng.standard_normal((3, 3))}
found = gradients_of(tape, leaves)
for name, target in reversed(torch_gradients(tape, leaves).items()):
    check_gradient(found, name, target, length=1000)

# %% [markdown]
# ## 4 · SGD with momentum (4 points)
#
# `sgd_step(parameters, gradients, velocities, lr, momentum, weight_decay, nesterov)` takes three lists of arrays, and returns two new lists: the parameters after one step, and the velocities. For
# each parameter θ with gradient g and velocity v,
#
# $$g \leftarrow g + \lambda\, \theta, \qquad v \leftarrow \rho\, v + g, \qquad \theta \leftarrow \begin{cases} \theta - \eta\, v & \\ \theta - \eta\, (g + \rho\, v) & \text{with nesterov (an argument, True or False)} \end{cases}$$
#
# η is `lr`, ρ `momentum`, λ `weight_decay`; on the right of the last formula g and v are the new ones. *Nesterov's* form looks ahead: it goes as far as the next step would go if the gradient stayed. Where a gradient is `None`,
# parameter and velocity stay as they are. The arrays that were given stay unchanged, and float32 stays float32.
#
# Example: θ = 4, g = 1, v = 2, lr = 0.5, momentum = 0.5, weight decay 0.25. The new g is 2, the new v is 3; θ becomes 2.5, and with nesterov 4 − 0.5 · (2 + 1.5) = 2.25.
#
# <details><summary>Hint 1</summary>Go through the three lists together with `zip`, and append to two new lists.</details>
# <details><summary>Hint 2</summary>`v = momentum * v + g` makes a new array; `v *= momentum` would change the one that was given.</details>

# %% segedu={"role": "answer", "question": "sgd_step"}
def sgd_step(parameters, gradients, velocities, lr, momentum, weight_decay, nesterov):
    """Three lists of arrays; a gradient may be None. Returns new parameters and new velocities."""
    ### BEGIN SOLUTION
    new_parameters, new_velocities = [], []
    for theta, g, v in zip(parameters, gradients, velocities, strict=True):
        if g is not None:
            g = g + weight_decay * theta
            v = momentum * v + g
            theta = theta - lr * (g + momentum * v if nesterov else v)
        new_parameters.append(theta)
        new_velocities.append(v)
    return new_parameters, new_velocities
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "sgd_step"}
# Figure: forty steps into the lecture's valley, yours on PyTorch's
scale, nesterov_or_not = np.array([1.0, 25.0]), (False, True)


def yours(nesterov):
    theta, v = np.array([-4.0, 1.0]), np.zeros(2)
    path = [theta]
    for _ in range(40):
        (theta,), (v,) = sgd_step([theta], [scale * theta], [v], 0.03, 0.8, 0.0, nesterov)
        path.append(theta)
    return np.array(path)


def theirs(nesterov):
    theta = torch.tensor([-4.0, 1.0], dtype=torch.float64)
    optimizer, path = torch.optim.SGD([theta], lr=0.03, momentum=0.8, nesterov=nesterov), [theta.numpy().copy()]
    for _ in range(40):
        theta.grad = torch.from_numpy(scale) * theta
        optimizer.step()
        path.append(theta.numpy().copy())
    return np.array(path)


try:
    paths = [yours(nesterov) for nesterov in nesterov_or_not]
    fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.4), sharey=True, layout="constrained")
    y, x = np.mgrid[-1.6:1.6:80j, -4.5:2:160j]
    for ax, path, nesterov in zip(axes, paths, nesterov_or_not, strict=True):
        ax.contour(x, y, (x**2 + 25 * y**2) / 2, levels=np.geomspace(0.1, 40, 9), colors="#CCCCCC")
        ax.plot(*theirs(nesterov).T, lw=2, color="#E69F00", label="PyTorch's")
        ax.plot(*path.T, "o", ms=4, color="#0072B2", label="yours")
        ax.set_title("momentum 0.8" + ", nesterov" * nesterov)
    axes[0].legend(loc="lower right")
    figures.show(fig, alt="Two paths over the contours of a narrow valley: dots for your steps, lines for PyTorch's.")
except NotImplementedError:
    print("Write the answer first; then this cell shows its way into a valley.")

# %% segedu={"role": "check", "question": "sgd_step", "points": 1}
# momentum alone, three steps of two parameters
start, *grads = [[rng.standard_normal(shape) for shape in ((2, 3), (4,))] for _ in range(4)]
check_sgd(start, grads, [0.1] * 3, momentum=0.9)

# %% segedu={"role": "check", "question": "sgd_step", "points": 1}
# weight decay and nesterov, and a learning rate that falls
start, *grads = [[rng.standard_normal(shape) for shape in ((2, 3), (4,))] for _ in range(4)]
check_sgd(start, grads, [0.1, 0.05, 0.025], weight_decay=0.3)
check_sgd(start, grads, [0.1, 0.05, 0.025], momentum=0.9, weight_decay=0.3, nesterov=True)

# %% segedu={"role": "hidden", "question": "sgd_step", "points": 2}
# all together, in float32, and a parameter that has a gradient in every other step only
shapes = [(3,), (2, 3), (1, 2, 2)]
start = [rng.standard_normal(s).astype(np.float32) for s in shapes]
grads = [[rng.standard_normal(s).astype(np.float32) for s in shapes] for _ in range(6)]
for step in (0, 2, 4):
    grads[step][1] = None
for nesterov in (False, True):
    check_sgd(start, grads, (0.2 * rng.random(6)).tolist(), momentum=0.8, weight_decay=0.1, nesterov=nesterov)

# %% [markdown]
# ## 5 · The check of a gradient (4 points)
#
# The setup cell has a function `loss` of an array θ of any shape, without a gradient. `slopes(theta, h)` estimates its gradient by central differences, one number of θ at a time:
#
# $$\frac{\partial L}{\partial \theta} \approx \frac{L(\theta + h) - L(\theta - h)}{2h}$$
#
# It returns an array of the shape of `theta` in float64, and it computes in float64 whatever dtype `theta` has. `theta` stays unchanged.
#
# Example: θ = 1, 2. The loss is (1 + 16)/4 + 1·2. With h = 1, moving the first number to 2 and to 0 gives losses of 12 and 4, so its slope is 4. The slope of the second is 11.
#
# <details><summary>Hint 1</summary>`np.array(theta, dtype=np.float64)` makes a copy that you may change. `np.ndindex(*shape)` goes through all places of an array of any shape.</details>
# <details><summary>Hint 2</summary>Put the old number back before you go to the next one.</details>

# %% segedu={"role": "answer", "question": "slopes"}
def slopes(theta, h):
    """theta: any shape. Returns the central differences of `loss`, of the same shape, float64."""
    ### BEGIN SOLUTION
    theta = np.array(theta, dtype=np.float64)
    result = np.zeros(theta.shape)
    for place in np.ndindex(*theta.shape):
        value = theta[place]
        theta[place] = value + h
        above = loss(theta)
        theta[place] = value - h
        result[place] = (above - loss(theta)) / (2 * h)
        theta[place] = value
    return result
    ### END SOLUTION

# %% jupyter={"source_hidden": true} segedu={"role": "show", "question": "slopes"}
# Figure: how far your slopes lie from the gradient, over the step
theta, steps = np.array([0.7, -1.3, 2.1]), 10.0 ** np.arange(-11, 0.5, 0.5)
try:
    apart = [abs(slopes(theta, h) - central(theta, 0)).max() for h in steps]
    fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
    ax.plot(steps, np.maximum(apart, 1e-16), "o-")
    ax.set(xlabel="step h", ylabel="largest error", xscale="log", yscale="log")
    figures.show(fig, alt="The largest error of the slopes over the step: it falls to a lowest point and rises again.")
except NotImplementedError:
    print("Write the answer first; then this cell shows how its error depends on the step.")

# %% segedu={"role": "check", "question": "slopes", "points": 1}
# a row of numbers, with a step so long that forward differences would show
theta, h = np.array([1.0, 2.0, -1.5, 0.5]), 0.5
right = central(theta, h)
forward = right + 1.5 * theta**2 * h + h**3 / 4
moved = right - h * (np.arange(4) > 0)
hints = [
    ("the forward difference: move the number to both sides", forward),
    ("the backward difference: move the number to both sides", 2 * right - forward),
    ("the difference divided by h: the two losses lie 2h apart", 2 * right),
    ("what comes where a number that was moved stays moved: put it back before the next", moved),
    ("the slopes with the opposite sign", -right),
    ("the exact gradient of this loss: take the formula, which goes for any loss", central(theta, 0)),
]
compare.arrays(slopes(theta, h), right, length=10, name="slopes", hints=hints).check()

# %% segedu={"role": "check", "question": "slopes", "points": 1}
# two axes
theta = rng.standard_normal((3, 2))
right = central(theta, 0.25)
rows = right.sum(1, keepdims=True).repeat(2, axis=1)
flat = central(theta.ravel(), 0.25).reshape(3, 2)
hints = [
    ("what comes where a whole row moves: move one number at a time", rows),
    ("the slopes for a flat θ: give `loss` an array of the shape of θ", flat),
]
compare.arrays(slopes(theta, 0.25), right, length=100, name="slopes", hints=hints).check()

# %% segedu={"role": "hidden", "question": "slopes", "points": 2}
# any shape; float32 and whole numbers give slopes in float64; θ is not changed
def in_its_own_dtype(theta, h):
    result = np.zeros(theta.shape)
    for place in np.ndindex(*theta.shape):
        above, below = theta.copy(), theta.copy()
        above[place], below[place] = theta[place] + h, theta[place] - h
        result[place] = (loss(above) - loss(below)) / (2 * h)
    return result


for shape in [(4,), tuple(rng.integers(2, 5, 3))]:
    for theta in (rng.standard_normal(shape).astype(np.float32), rng.integers(-3, 4, shape)):
        before = theta.copy()
        hints = [(f"what comes where θ stays {theta.dtype}: make it float64 first", in_its_own_dtype(theta, 1 / 64))]
        got = slopes(theta, 1 / 64)
        assert np.array_equal(theta, before), "slopes changed θ: work on a copy"
        compare.arrays(got, central(before, 1 / 64), length=1000, name=f"slopes for {theta.dtype}", hints=hints).check()

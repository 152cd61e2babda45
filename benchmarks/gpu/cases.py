"""Every operator of `segedu.cuda_ops` beside PyTorch on the same machine, with bytes and operations per call.

PyTorch has no Dice, Jaccard and Lovász loss and no confusion matrix; the forms of `benchmarks.cases` stand for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F

from benchmarks.cases import losses, metrics
from benchmarks.gpu.setting import Setting
from segedu import cuda_ops as ops

Shape = tuple[int, ...]
VOID = losses.VOID


@dataclass(frozen=True)
class Case:
    """One call of ours and PyTorch's, which must return the same.

    Args:
        direction: "forward", "gradient", or "with gradient" for both together.
        reads: the arrays that any implementation reads, each once; what it writes are the results.
        flops: additions and multiplications of the matrix products in it; 0 where memory is all that counts.
        length: how many terms are summed for one element of the result.
    """

    direction: str
    ours: Callable[[], object]
    pytorch: Callable[[], object]
    reads: tuple
    flops: int = 0
    length: int = 1


@dataclass(frozen=True)
class Item:
    """An operator with fixed arguments.

    Args:
        operators: the names in `cuda_ops` that its cases call.
        build: `build(setting, rng, shape, dtype)` returns the cases.
        large: the shape that is timed, arrays larger than the caches of a GPU.
        odd: shapes that fit no tile, no vector and no block; and the large one is compared, too.
        timed: whether it is timed.
        float64: whether PyTorch's side takes float64, too.
    """

    name: str
    operators: tuple[str, ...]
    build: Callable[[Setting, torch.Generator, Shape, torch.dtype], list[Case]]
    large: Shape = (8, 64, 256, 256)
    odd: tuple[Shape, ...] = ((3, 5, 127, 129), (1, 3, 7, 9))
    timed: bool = True
    float64: bool = True


def differentiable(
    s: Setting, rng, inputs: Sequence, ours: Callable, pytorch: Callable, backward: Callable, *, saved=(), flops=0,
    length=1, gradient_length=None,
) -> list[Case]:  # fmt: skip
    """The forward and the gradient of a function of float arrays; PyTorch's graph is kept, its backward alone runs."""
    tensors = [s.tensor(x) for x in inputs]
    leaves = [t.detach().clone().requires_grad_() for t in tensors]
    output = pytorch(*leaves)
    output = output[0] if isinstance(output, tuple) else output
    grad = s.normal(rng, output.shape, output.dtype)
    grad_tensor = s.tensor(grad)

    def forward() -> object:
        with torch.no_grad():
            return pytorch(*tensors)

    products = sum(x.ndim > 1 for x in inputs)
    return [
        Case("forward", lambda: ours(*inputs), forward, tuple(inputs), flops, length),
        Case(
            "gradient",
            lambda: backward(grad),
            lambda: torch.autograd.grad(output, leaves, grad_tensor, retain_graph=True),
            (grad, *saved),
            flops * products,
            gradient_length or length,
        ),
    ]


# ---------------------------------------------------------------- images
def max_pool(s: Setting, rng, shape: Shape, dtype, **arguments) -> list[Case]:
    x = s.normal(rng, shape, dtype)
    _, indices = ops.max_pool2d(x, return_indices=True, **arguments)
    return differentiable(
        s, rng, [x],
        lambda x: ops.max_pool2d(x, return_indices=True, **arguments),
        lambda x: F.max_pool2d(x, return_indices=True, **arguments),
        lambda grad: ops.max_pool2d_backward(grad, indices, shape),
        saved=[indices], length=9,
    )  # fmt: skip


def avg_pool(s: Setting, rng, shape: Shape, dtype, **arguments) -> list[Case]:
    return differentiable(
        s, rng, [s.normal(rng, shape, dtype)],
        lambda x: ops.avg_pool2d(x, **arguments),
        lambda x: F.avg_pool2d(x, **arguments),
        lambda grad: ops.avg_pool2d_backward(grad, shape, **arguments),
        length=9,
    )  # fmt: skip


def adaptive_pool(s: Setting, rng, shape: Shape, dtype, output_size: int) -> list[Case]:
    return differentiable(
        s, rng, [s.normal(rng, shape, dtype)],
        lambda x: ops.adaptive_avg_pool2d(x, output_size),
        lambda x: F.adaptive_avg_pool2d(x, output_size),
        lambda grad: ops.adaptive_avg_pool2d_backward(grad, shape),
        length=shape[-1] * shape[-2],
    )  # fmt: skip


def max_unpool(s: Setting, rng, shape: Shape, dtype) -> list[Case]:
    """The reverse of a 2×2 pooling; the rows and columns that it left out are not restored."""
    x = s.tensor(s.normal(rng, (*shape[:-2], shape[-2] // 2 * 2, shape[-1] // 2 * 2), dtype))
    pooled, places = F.max_pool2d(x, 2, return_indices=True)
    values, indices = s.array(pooled), s.array(places)
    return differentiable(
        s, rng, [values],
        lambda x: ops.max_unpool2d(x, indices, 2),
        lambda x: F.max_unpool2d(x, places, 2),
        lambda grad: ops.max_unpool2d_backward(grad, indices),
        saved=[indices],
    )  # fmt: skip


def interpolate(s: Setting, rng, shape: Shape, dtype, **arguments) -> list[Case]:
    arguments = arguments if "size" in arguments else {"scale_factor": 2, **arguments}
    return differentiable(
        s, rng, [s.normal(rng, shape, dtype)],
        lambda x: ops.interpolate(x, **arguments),
        lambda x: F.interpolate(x, **arguments),
        lambda grad: ops.interpolate_backward(grad, shape, **arguments),
        length=16,
    )  # fmt: skip


def pixel_shuffle(s: Setting, rng, shape: Shape, dtype) -> list[Case]:
    shape = (shape[0], shape[1] * 4, *shape[2:])
    return differentiable(
        s, rng, [s.normal(rng, shape, dtype)],
        lambda x: ops.pixel_shuffle(x, 2),
        lambda x: F.pixel_shuffle(x, 2),
        lambda grad: ops.pixel_shuffle_backward(grad, 2),
    )  # fmt: skip


# ---------------------------------------------------------------- products
def conv(s: Setting, rng, shape: Shape, dtype, kernel_size: int, filters: int | None = None, **arguments) -> list[Case]:
    channels, groups = shape[1], arguments.get("groups", 1)
    weight = s.normal(rng, (filters or channels, channels // groups, kernel_size, kernel_size), dtype)
    output = F.conv2d(torch.empty(shape, device="meta"), torch.empty(weight.shape, device="meta"), **arguments).shape
    taps = channels // groups * kernel_size**2
    return _products(s, rng, shape, dtype, weight, ops.conv2d, F.conv2d, ops.conv2d_backward, arguments,
                     taps, output.numel() * taps, output[2:].numel())  # fmt: skip


def conv_transpose(s: Setting, rng, shape: Shape, dtype, kernel_size: int, **arguments) -> list[Case]:
    channels = shape[1]
    weight = s.normal(rng, (channels, channels, kernel_size, kernel_size), dtype)
    taps = channels * kernel_size**2
    functions = ops.conv_transpose2d, F.conv_transpose2d, ops.conv_transpose2d_backward
    pixels = shape[2] * shape[3]
    products = shape[0] * channels * pixels * taps
    return _products(s, rng, shape, dtype, weight, *functions, arguments, taps, products, pixels)


def _products(s, rng, shape, dtype, weight, ours, pytorch, backward, arguments, taps, products, pixels) -> list[Case]:
    x = s.normal(rng, shape, dtype)
    weight /= taps**0.5
    bias = s.normal(rng, (weight.shape[0 if pytorch is F.conv2d else 1],), dtype)
    return differentiable(
        s, rng, (x, weight, bias),
        lambda x, weight, bias: ours(x, weight, bias, **arguments),
        lambda x, weight, bias: pytorch(x, weight, bias, **arguments),
        lambda grad: backward(grad, x, weight, bias, **arguments),
        saved=(x, weight), flops=2 * products, length=taps, gradient_length=max(taps, shape[0] * pixels),
    )  # fmt: skip


# ---------------------------------------------------------------- layers
def batch_norm(s: Setting, rng, shape: Shape, dtype, training: bool = True) -> list[Case]:
    x, weight, bias, mean = (s.normal(rng, size, dtype) for size in (shape, *[shape[1:2]] * 3))
    statistics = (None, None) if training else (mean, mean * mean + 1)
    given = (None, None) if training else tuple(map(s.tensor, statistics))
    return differentiable(
        s, rng, [x, weight, bias],
        lambda x, weight, bias: ops.batch_norm(x, *statistics, weight, bias, training=training),
        lambda x, weight, bias: F.batch_norm(x, *given, weight, bias, training=training),
        lambda grad: ops.batch_norm_backward(grad, x, *statistics, weight, bias, training=training),
        saved=[x, weight], length=int(s.tensor(x).numel() // shape[1]),
    )  # fmt: skip


def relu(s: Setting, rng, shape: Shape, dtype) -> list[Case]:
    x = s.normal(rng, shape, dtype)
    return differentiable(s, rng, [x], ops.relu, F.relu, lambda grad: ops.relu_backward(grad, x), saved=[x])


def softmax(s: Setting, rng, shape: Shape, dtype, name: str, dim: int = 1) -> list[Case]:
    x, ours, backward = s.normal(rng, shape, dtype), getattr(ops, name), getattr(ops, f"{name}_backward")
    output = ours(x, dim)
    return differentiable(
        s, rng, [x],
        lambda x: ours(x, dim),
        lambda x: getattr(F, name)(x, dim),
        lambda grad: backward(grad, output, dim),
        saved=[output], length=shape[dim],
    )  # fmt: skip


def dropout(s: Setting, rng, shape: Shape, dtype) -> list[Case]:
    """NumPy's generator decides, and PyTorch multiplies by the same mask."""
    x = s.normal(rng, shape, dtype)
    _, mask = ops.dropout(x, 0.3, return_mask=True)
    masked = s.tensor(mask)
    return differentiable(
        s, rng, [x],
        lambda x: ops.dropout_backward(x, mask),
        lambda x: x * masked,
        lambda grad: ops.dropout_backward(grad, mask),
        saved=[mask],
    )  # fmt: skip


def concatenate(s: Setting, rng, shape: Shape, dtype) -> list[Case]:
    half = (shape[0], shape[1] + 1, *shape[2:])
    return differentiable(
        s, rng, [s.normal(rng, size, dtype) for size in (shape, half)],
        lambda a, b: ops.concatenate([a, b], 1),
        lambda a, b: torch.cat([a, b], 1),
        lambda grad: ops.concatenate_backward(grad, [shape, half], 1),
    )  # fmt: skip


# ---------------------------------------------------------------- losses and metrics
def loss(s: Setting, rng, shape: Shape, dtype, name: str, pytorch: Callable, for_gradient=None, void=0.0) -> list[Case]:
    logits, target = s.normal(rng, shape, dtype), s.labels(rng, shape[1], (shape[0], *shape[2:]), void)
    options = {"ignore_index": VOID} if void else {}
    truth, leaf = s.tensor(target), s.tensor(logits).clone().requires_grad_()

    def forward() -> torch.Tensor:
        with torch.no_grad():
            return pytorch(leaf, truth)

    def with_gradient() -> tuple[torch.Tensor, torch.Tensor]:
        value = (for_gradient or pytorch)(leaf, truth)
        return value, torch.autograd.grad(value, leaf)[0]

    ours, fused = getattr(ops, name), getattr(ops, f"{name}_with_gradient")
    backward = getattr(ops, f"{name}_backward")
    reads, length = (logits, target), truth.numel()
    return [
        Case("forward", lambda: ours(logits, target, **options), forward, reads, length=length),
        Case("with gradient", lambda: fused(logits, target, **options), with_gradient, reads, length=length),
        Case("gradient", lambda: backward(1.0, logits, target, **options), lambda: with_gradient()[1], reads,
             length=length),
    ]  # fmt: skip


def nll(s: Setting, rng, shape: Shape, dtype) -> list[Case]:
    scores = s.array(s.tensor(s.normal(rng, shape, dtype)).log_softmax(1))
    target = s.labels(rng, shape[1], (shape[0], *shape[2:]), 0.1)
    truth = s.tensor(target)
    return differentiable(
        s, rng, [scores],
        lambda x: ops.nll_loss(x, target, ignore_index=VOID),
        lambda x: F.nll_loss(x, truth, ignore_index=VOID),
        lambda grad: ops.nll_loss_backward(grad, scores, target, ignore_index=VOID),
        saved=[target], length=truth.numel(),
    )  # fmt: skip


def confusion(s: Setting, rng, shape: Shape, dtype) -> list[Case]:
    target, prediction = s.labels(rng, metrics.CLASSES, shape, 0.1), s.labels(rng, metrics.CLASSES, shape)
    tensors = s.tensor(prediction), s.tensor(target)
    return [
        Case(
            "forward",
            lambda: ops.confusion_matrix(prediction, target, metrics.CLASSES, ignore_index=VOID),
            lambda: metrics.pytorch_confusion_matrix(*tensors),
            (prediction, target),
        )
    ]


def top_k(s: Setting, rng, shape: Shape, dtype, k: int = 3) -> list[Case]:
    logits, target = s.normal(rng, shape, dtype), s.labels(rng, shape[1], (shape[0], *shape[2:]))
    scores, truth = s.tensor(logits), s.tensor(target)

    def pytorch() -> torch.Tensor:
        best = scores.topk(k, dim=1, sorted=False).indices
        return (best == truth[:, None]).any(1).double().mean()

    return [Case("forward", lambda: ops.top_k_accuracy(logits, target, k), pytorch, (logits, target))]


def overlap(s: Setting, rng, shape: Shape, dtype, name: str, pytorch: Callable) -> list[Case]:
    """A score of two sets of pixels."""
    a, b = (s.array(s.tensor(s.normal(rng, shape, dtype)) > 0) for _ in range(2))
    x, y = s.tensor(a), s.tensor(b)
    sizes = lambda: (x.sum().double(), y.sum().double(), (x & y).sum().double())  # noqa: E731
    return [Case("forward", lambda: getattr(ops, name)(a, b), lambda: pytorch(*sizes()), (a, b))]


def both(name: str) -> tuple[str, str]:
    return name, f"{name}_backward"


def of_loss(name: str) -> tuple[str, str, str]:
    return name, f"{name}_backward", f"{name}_with_gradient"


VOC = {"large": (8, 21, 512, 512), "odd": ((2, 7, 37, 41), (3, 2, 1, 5))}
MAPS = {"large": (16, 1024, 1024), "odd": ((3, 37, 41), (1, 5, 7))}
SMALLER = {"large": (8, 64, 128, 128)}
ITEMS = [
    Item("max pool 2×2 with indices", both("max_pool2d"), partial(max_pool, kernel_size=2)),
    Item("max pool 3×3 s2 p1", both("max_pool2d"), partial(max_pool, kernel_size=3, stride=2, padding=1)),
    Item("max pool 3×3 s1 d2, ceil", both("max_pool2d"),
         partial(max_pool, kernel_size=3, stride=1, dilation=2, ceil_mode=True), timed=False),
    Item("average pool 2×2", both("avg_pool2d"), partial(avg_pool, kernel_size=2)),
    Item("average pool 3×3 s2 p1", both("avg_pool2d"),
         partial(avg_pool, kernel_size=3, stride=2, padding=1, count_include_pad=False), timed=False),
    Item("adaptive average pool to 7×7", both("adaptive_avg_pool2d"), partial(adaptive_pool, output_size=7)),
    Item("global average pool", both("adaptive_avg_pool2d"), partial(adaptive_pool, output_size=1)),
    Item("max unpool 2×2", both("max_unpool2d"), max_unpool),
    Item("nearest ×2", both("interpolate"), partial(interpolate, mode="nearest"), (8, 64, 128, 128)),
    Item("nearest to 61×67", both("interpolate"), partial(interpolate, mode="nearest", size=(61, 67)), timed=False),
    Item("bilinear ×2", both("interpolate"), partial(interpolate, mode="bilinear", align_corners=False),
         (8, 64, 128, 128)),
    Item("bilinear ×2 align_corners", both("interpolate"), partial(interpolate, mode="bilinear", align_corners=True),
         (8, 64, 128, 128)),
    Item("bilinear to 61×67", both("interpolate"),
         partial(interpolate, mode="bilinear", align_corners=False, size=(61, 67)), timed=False),
    Item("pixel shuffle ×2", both("pixel_shuffle"), pixel_shuffle, (8, 16, 256, 256)),
    Item("ReLU", both("relu"), relu),
    Item("softmax over channels", both("softmax"), partial(softmax, name="softmax"), **VOC),
    Item("log-softmax over channels", both("log_softmax"), partial(softmax, name="log_softmax"), **VOC),
    Item("softmax over rows", both("softmax"), partial(softmax, name="softmax", dim=-1), (4096, 4096), ((33, 1000),)),
    Item("log-softmax over rows", both("log_softmax"), partial(softmax, name="log_softmax", dim=-1), (4096, 4096),
         ((33, 1000),), timed=False),
    Item("dropout's product", both("dropout"), dropout, timed=False, large=(4, 64, 128, 128)),
    Item("concatenate channels", both("concatenate"), concatenate),
    Item("batch norm, training", both("batch_norm"), batch_norm),
    Item("batch norm, evaluation", both("batch_norm"), partial(batch_norm, training=False), timed=False),
    Item("conv 3×3", both("conv2d"), partial(conv, kernel_size=3, padding=1), **SMALLER),
    Item("conv 3×3, 256 channels", both("conv2d"), partial(conv, kernel_size=3, padding=1), (8, 256, 64, 64),
         ((1, 33, 19, 23),)),
    Item("conv 1×1", both("conv2d"), partial(conv, kernel_size=1), **SMALLER),
    Item("conv 3×3 s2", both("conv2d"), partial(conv, kernel_size=3, stride=2, padding=1, filters=17), timed=False,
         large=(4, 64, 128, 128)),
    Item("conv 3×3 d2", both("conv2d"), partial(conv, kernel_size=3, dilation=2, padding=2), timed=False,
         large=(4, 64, 64, 64)),
    Item("conv 3×3, 2 groups", both("conv2d"), partial(conv, kernel_size=3, padding=1, groups=2), timed=False,
         large=(4, 64, 64, 64), odd=((3, 6, 37, 41),)),
    Item("depthwise 3×3", both("conv2d"), lambda s, rng, shape, dtype: conv(s, rng, shape, dtype, 3, padding=1,
         groups=shape[1]), **SMALLER),
    Item("transposed conv k2 s2", both("conv_transpose2d"), partial(conv_transpose, kernel_size=2, stride=2),
         (8, 64, 64, 64)),
    Item("transposed conv k4 s2 p1", both("conv_transpose2d"),
         partial(conv_transpose, kernel_size=4, stride=2, padding=1), (8, 64, 64, 64)),
    Item("transposed conv k3 s2, padded out", both("conv_transpose2d"),
         partial(conv_transpose, kernel_size=3, stride=2, padding=1, output_padding=1), timed=False,
         large=(4, 64, 64, 64), odd=((3, 5, 17, 19),)),
    Item("transposed conv k16 s8 p4 (FCN-8s)", both("conv_transpose2d"),
         partial(conv_transpose, kernel_size=16, stride=8, padding=4), (2, 21, 64, 64), ((1, 3, 3, 5),)),
    Item("cross-entropy with void", of_loss("cross_entropy"),
         partial(loss, name="cross_entropy", pytorch=partial(F.cross_entropy, ignore_index=VOID), void=0.1), **VOC),
    Item("soft Dice loss", of_loss("dice_loss"),
         partial(loss, name="dice_loss", pytorch=losses.dice_by_gathering, for_gradient=losses.dice_by_one_hot), **VOC,
         float64=False),
    Item("soft Jaccard loss", of_loss("jaccard_loss"),
         partial(loss, name="jaccard_loss", pytorch=losses.pytorch_jaccard), **VOC),
    Item("Lovász-softmax loss", of_loss("lovasz_softmax"),
         partial(loss, name="lovasz_softmax", pytorch=losses.pytorch_lovasz), (2, 21, 256, 256), VOC["odd"],
         float64=False),
    Item("negative log-likelihood with void", both("nll_loss"), nll, **VOC),
    Item("confusion matrix", ("confusion_matrix",), confusion, **MAPS),
    Item("top-3 accuracy", ("top_k_accuracy",), top_k, (8, 21, 512, 512), ((2, 7, 37, 41),)),
    Item("Dice of two sets", ("dice",), partial(overlap, name="dice", pytorch=lambda a, b, ab: 2 * ab / (a + b)),
         **MAPS),
    Item("Jaccard of two sets", ("jaccard",),
         partial(overlap, name="jaccard", pytorch=lambda a, b, ab: ab / (a + b - ab)), timed=False, **MAPS),
    Item("cosine of two sets", ("cosine_coefficient",),
         partial(overlap, name="cosine_coefficient", pytorch=lambda a, b, ab: ab / (a * b) ** 0.5),
         timed=False, **MAPS),
]  # fmt: skip

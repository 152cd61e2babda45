"""What an operator accepts: checked before any work, each refusal naming the argument, its value and the rule.

This room knows shapes and integers only. Every set of operators (NumPy, CUDA) asks the same questions here, so all of
them refuse the same arguments in the same words.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
Pair = tuple[int, int]
IntOrPair = int | Sequence[int]


def integer(value: object, name: str, minimum: int | None = None) -> int:
    """`value` as an int of at least `minimum`. Floats and booleans are refused, as PyTorch refuses them.

    >>> integer(3, "stride", minimum=1)
    3
    >>> integer(0, "stride", minimum=1)
    Traceback (most recent call last):
    ValueError: stride=0 must be at least 1
    """
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}={value!r} must be an integer, not {type(value).__name__}")
    number = operator.index(value)
    if minimum is not None and number < minimum:
        raise ValueError(f"{name}={value!r} must be at least {minimum}")
    return number


def pair(value: IntOrPair, name: str, minimum: int | None = None) -> Pair:
    """`value` for height and width: one integer serves both, a sequence holds (height, width).

    >>> pair(2, "kernel_size"), pair((3, 5), "kernel_size")
    ((2, 2), (3, 5))
    """
    if not isinstance(value, (tuple, list)):
        number = integer(value, name, minimum)
        return number, number
    if len(value) not in (1, 2):
        raise ValueError(f"{name}={value!r} must be one integer or two, (height, width)")
    numbers = []
    for item in value:
        try:
            numbers.append(integer(item, name, minimum))
        except (TypeError, ValueError) as error:
            rule = str(error).split(" must be ", 1)[1]
            raise type(error)(f"{name}={value!r} must hold integers, each {rule}") from None
    return numbers[0], numbers[-1]


def stride_pair(stride: IntOrPair | None, kernel_size: Pair) -> Pair:
    """The stride of a pooling: `kernel_size` when it is None (or empty, as PyTorch has it).

    >>> stride_pair(None, (2, 3))
    (2, 3)
    """
    if stride is None or (isinstance(stride, (tuple, list)) and not stride):
        return kernel_size
    return pair(stride, "stride", minimum=1)


def is_array(value: object) -> bool:
    """Whether `value` is an array of NumPy, or of CuPy, which follows the same protocol on a GPU.

    >>> is_array(np.zeros(3)), is_array([0.0, 0.0])
    (True, False)
    """
    return isinstance(value, np.ndarray) or type(value).__module__.partition(".")[0] == "cupy"


def floating(array: object, name: str) -> np.ndarray:
    """`array` itself if it is a NumPy array of float32 or float64.

    >>> floating(np.zeros(3, dtype=np.int64), "x")
    Traceback (most recent call last):
    TypeError: x has dtype int64; it must be float32 or float64: convert it with x.astype(np.float32)
    """
    if not is_array(array):
        raise TypeError(f"{name} must be a NumPy array, not {type(array).__name__}")
    if array.dtype not in FLOATS:
        raise TypeError(
            f"{name} has dtype {array.dtype}; it must be float32 or float64: convert it with {name}.astype(np.float32)"
        )
    return array


def images(array: object, name: str = "x", *, nonempty: bool = True) -> np.ndarray:
    """`array` itself if it is a batch of images, N×C×H×W, or one image, C×H×W. The batch may be empty.

    With `nonempty`, C, H and W must each be at least 1.

    >>> images(np.zeros((4, 4), np.float32))
    Traceback (most recent call last):
    ValueError: x has shape (4, 4); it must have 3 dimensions, C×H×W, or 4, N×C×H×W
    """
    x = floating(array, name)
    if x.ndim not in (3, 4):
        raise ValueError(f"{name} has shape {x.shape}; it must have 3 dimensions, C×H×W, or 4, N×C×H×W")
    if nonempty and 0 in x.shape[-3:]:
        raise ValueError(f"{name} has shape {x.shape}; channels, height and width must each be at least 1")
    return x


def same_dtype(**arrays: np.ndarray | None) -> None:
    """Refuses arrays of different dtypes; None is passed over.

    >>> same_dtype(x=np.zeros(1, np.float32), weight=np.zeros(1, np.float64))
    Traceback (most recent call last):
    TypeError: x is float32 but weight is float64; all must have one dtype
    """
    given = [(name, array.dtype) for name, array in arrays.items() if array is not None]
    first, expected = given[0]
    for name, dtype in given[1:]:
        if dtype != expected:
            raise TypeError(f"{first} is {expected} but {name} is {dtype}; all must have one dtype")


def same_shape(array: np.ndarray, shape: Sequence[int], name: str, like: str) -> None:
    """Refuses an array whose shape is not `shape`; `like` says whose shape that is.

    >>> same_shape(np.zeros((2, 3)), (2, 2), "grad_output", "the output")
    Traceback (most recent call last):
    ValueError: grad_output has shape (2, 3); it must have the shape of the output, (2, 2)
    """
    if tuple(array.shape) != tuple(shape):
        raise ValueError(f"{name} has shape {tuple(array.shape)}; it must have the shape of {like}, {tuple(shape)}")


def gradient_of_number(grad_output: object) -> None:
    """Refuses a gradient that is no single number, for a loss that is one; arrays may lie on a GPU.

    >>> gradient_of_number(np.ones(2))
    Traceback (most recent call last):
    ValueError: grad_output has shape (2,); it must have the shape of the loss, ()
    """
    same_shape(np.broadcast_to(0, np.shape(grad_output)), (), "grad_output", "the loss")


def window_count(size: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil_mode: bool = False) -> int:
    """How many windows fit along an axis: ⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1.

    `ceil_mode` rounds up instead, but drops a last window that would start in the padding on the far side.
    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), relationship 6;
    dilation as in section 5.1.

    >>> window_count(5, kernel=2, stride=2, padding=0), window_count(5, 2, 2, 0, ceil_mode=True)
    (2, 3)
    """
    free = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return free // stride + 1
    count = -(-free // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


def windows(x: np.ndarray, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool = False) -> Pair:
    """Output (height, width) of sliding windows over images; refuses an output without any pixel."""
    rows, columns = (
        window_count(size, k, s, p, d, ceil_mode)
        for size, k, s, p, d in zip(x.shape[-2:], kernel, stride, padding, dilation, strict=True)
    )
    if rows < 1 or columns < 1:
        reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
        raise ValueError(
            f"kernel_size={kernel} reaches over {reach[0]}×{reach[1]} pixels; it must fit into the padded input, "
            f"{x.shape[-2] + 2 * padding[0]}×{x.shape[-1] + 2 * padding[1]}"
        )
    return rows, columns


def pooling_padding(padding: IntOrPair, kernel_size: Pair) -> Pair:
    """The padding of a pooling: at most half a window, so that every window meets the image.

    >>> pooling_padding(3, (4, 4))
    Traceback (most recent call last):
    ValueError: padding=3 must be at most half of kernel_size=4
    """
    p = pair(padding, "padding", minimum=0)
    if any(2 * one > k for one, k in zip(p, kernel_size, strict=True)):
        k = kernel_size[0] if kernel_size[0] == kernel_size[1] else kernel_size
        raise ValueError(f"padding={padding!r} must be at most half of kernel_size={k}")
    return p


def convolution_weight(
    weight: object, bias: object, x: np.ndarray, groups: int, transposed: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """The filters and the bias of a convolution, if they fit `x` and `groups`.

    `weight` is K×C/groups×kH×kW for C input and K output channels; `transposed` swaps the roles: C×K/groups×kH×kW.

    >>> x = np.zeros((1, 4, 5, 5))
    >>> convolution_weight(np.zeros((2, 3, 3, 3)), None, x, groups=1)
    Traceback (most recent call last):
    ValueError: weight has shape (2, 3, 3, 3), for 3 input channels with groups=1; x has 4 channels
    """
    w = floating(weight, "weight")
    if w.ndim != 4 or 0 in w.shape:
        order = "in_channels × out_channels/groups" if transposed else "out_channels × in_channels/groups"
        raise ValueError(f"weight has shape {w.shape}; it must have 4 dimensions of at least 1, {order} × kH × kW")
    if w.shape[0] % groups:
        raise ValueError(f"groups={groups} must divide the first dimension of weight, {w.shape[0]}")
    expected = w.shape[0] if transposed else w.shape[1] * groups
    channels = x.shape[-3]
    if channels != expected:
        raise ValueError(
            f"weight has shape {w.shape}, for {expected} input channels with groups={groups}; x has {channels} channels"
        )
    b = None if bias is None else floating(bias, "bias")
    outputs = w.shape[1] * groups if transposed else w.shape[0]
    if b is not None and b.shape != (outputs,):
        raise ValueError(f"bias has shape {b.shape}; it must hold one number for each output channel, ({outputs},)")
    same_dtype(x=x, weight=w, bias=b)
    return w, b


def convolution_padding(padding: IntOrPair | str, kernel: Pair, stride: Pair, dilation: Pair) -> Pair:
    """Pixels of zeros above and left of the image. 'same' keeps the size: an odd pixel goes below and right.

    >>> convolution_padding("same", (3, 4), (1, 1), (1, 1))
    (1, 1)
    """
    if not isinstance(padding, str):
        return pair(padding, "padding", minimum=0)
    if padding not in ("same", "valid"):
        raise ValueError(f"padding={padding!r} must be an integer, two integers, 'same' or 'valid'")
    if padding == "valid":
        return 0, 0
    if stride != (1, 1):
        raise ValueError(f"padding='same' must go with stride=1, not stride={stride}: a stride changes the size")
    return dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2


def transposed_size(
    size: Pair, kernel: Pair, stride: Pair, padding: Pair, output_padding: Pair, dilation: Pair
) -> Pair:
    """Output (height, width) of a transposed convolution; refuses an output without any pixel.

    (size − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1 (Dumoulin and Visin, relationship 14).

    >>> transposed_size((2, 3), (4, 4), (2, 2), (1, 1), (0, 0), (1, 1))
    (4, 6)
    """
    for extra, s, d in zip(output_padding, stride, dilation, strict=True):
        if extra >= max(s, d):
            raise ValueError(
                f"output_padding={output_padding} must be smaller than stride={stride} or dilation={dilation}"
            )
    rows, columns = (
        (n - 1) * s - 2 * p + d * (k - 1) + extra + 1
        for n, k, s, p, extra, d in zip(size, kernel, stride, padding, output_padding, dilation, strict=True)
    )
    if rows < 1 or columns < 1:
        raise ValueError(f"padding={padding} must leave at least one pixel of the output; it leaves {rows}×{columns}")
    return rows, columns


def one_of(value: object, choices: Sequence[str], name: str) -> str:
    """`value` itself if it is one of `choices`.

    >>> one_of("max", ("mean", "sum", "none"), "reduction")
    Traceback (most recent call last):
    ValueError: reduction='max' must be one of 'mean', 'sum', 'none'
    """
    if value not in choices:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(map(repr, choices))}")
    return value


def label_map(array: object, name: str = "target", *, any_integer: bool = False) -> np.ndarray:
    """`array` itself if it is a NumPy array of int64 labels; with `any_integer`, of any integer dtype.

    >>> label_map(np.zeros(3, np.uint8))
    Traceback (most recent call last):
    TypeError: target has dtype uint8; labels must be int64: convert them with target.astype(np.int64)
    """
    if not is_array(array) and not isinstance(array, np.integer):
        raise TypeError(f"{name} must be a NumPy array, not {type(array).__name__}")
    labels = array if is_array(array) else np.asarray(array)
    if labels.dtype.kind not in "iu" or not (any_integer or labels.dtype == np.int64):
        rule = "integers" if any_integer else "int64"
        raise TypeError(
            f"{name} has dtype {labels.dtype}; labels must be {rule}: convert them with {name}.astype(np.int64)"
        )
    return labels


def label_range(labels: np.ndarray, classes: int, ignore_index: int | None, name: str = "target") -> None:
    """Refuses labels that name no class and are not `ignore_index`; None ignores nothing.

    >>> label_range(np.array([0, 255, 11]), 11, ignore_index=255)
    Traceback (most recent call last):
    ValueError: target holds 11; labels must lie in 0…10 or equal ignore_index=255
    """
    if not labels.size or 0 <= labels.min() <= labels.max() < classes:
        return
    wrong = (labels < 0) | (labels >= classes)
    if ignore_index is not None:
        wrong &= labels != ignore_index
    if wrong.any():
        also = "" if ignore_index is None else f" or equal ignore_index={ignore_index}"
        raise ValueError(f"{name} holds {labels[wrong].flat[0]}; labels must lie in 0…{classes - 1}{also}")


def class_scores(array: object, name: str = "logits") -> np.ndarray:
    """`array` itself if it holds scores of classes: C of one pixel, N×C, or N×C×… with any further axes.

    >>> class_scores(np.zeros((2, 0, 4)))
    Traceback (most recent call last):
    ValueError: logits has shape (2, 0, 4); it must be C, N×C or N×C×… with at least 1 class
    """
    scores = floating(array, name)
    if scores.ndim == 0 or scores.shape[min(1, scores.ndim - 1)] == 0:
        raise ValueError(f"{name} has shape {scores.shape}; it must be C, N×C or N×C×… with at least 1 class")
    return scores


def labels_of(
    scores: np.ndarray, target: object, ignore_index: int | None, name: str = "logits", *, any_integer: bool = False
) -> np.ndarray:
    """`target` itself if it holds one label for each pixel of `scores`, N×… for N×C×….

    >>> labels_of(np.zeros((3, 4, 4)), np.zeros((4, 4), np.int64), None)
    Traceback (most recent call last):
    ValueError: target has shape (4, 4); for logits (3, 4, 4), N×C×…, it must be (3, 4). One image needs a batch axis: \
logits[None], target[None]
    """
    labels = label_map(target, any_integer=any_integer)
    expected = scores.shape[:1] + scores.shape[2:] if scores.ndim > 1 else ()
    if labels.shape != expected:
        remedy = ""
        if labels.shape == scores.shape[1:]:
            remedy = f". One image needs a batch axis: {name}[None], target[None]"
        raise ValueError(
            f"target has shape {labels.shape}; for {name} {scores.shape}, N×C×…, it must be {expected}{remedy}"
        )
    if ignore_index is not None:
        integer(ignore_index, "ignore_index")
    label_range(labels, scores.shape[min(1, scores.ndim - 1)], ignore_index)
    return labels


def class_weights(weight: object, scores: np.ndarray, name: str = "logits") -> np.ndarray | None:
    """`weight` itself if it is None or holds one number for each class, of the dtype of `scores`.

    >>> class_weights(np.ones(2), np.ones((1, 3)))
    Traceback (most recent call last):
    ValueError: weight has shape (2,); it must hold one number for each class, (3,)
    """
    if weight is None:
        return None
    floating(weight, "weight")
    same_dtype(**{name: scores, "weight": weight})
    classes = scores.shape[min(1, scores.ndim - 1)]
    if weight.shape != (classes,):
        raise ValueError(f"weight has shape {weight.shape}; it must hold one number for each class, ({classes},)")
    return weight


def int64(array: object, name: str) -> np.ndarray:
    """`array` itself if it is a NumPy array of int64.

    >>> int64(np.zeros(2, np.int32), "indices")
    Traceback (most recent call last):
    TypeError: indices has dtype int32; it must be int64: convert it with indices.astype(np.int64)
    """
    if not is_array(array):
        raise TypeError(f"{name} must be a NumPy array, not {type(array).__name__}")
    if array.dtype != np.int64:
        raise TypeError(f"{name} has dtype {array.dtype}; it must be int64: convert it with {name}.astype(np.int64)")
    return array


def axis(dim: object, ndim: int) -> int:
    """`dim` as an axis 0…ndim − 1; a negative one counts from the end. An array without axes takes 0 and −1.

    >>> axis(-1, 4)
    3
    >>> axis(4, 4)
    Traceback (most recent call last):
    ValueError: dim=4 must lie in -4…3
    """
    number, count = integer(dim, "dim"), max(ndim, 1)
    if not -count <= number < count:
        raise ValueError(f"dim={number} must lie in {-count}…{count - 1}")
    return number % count


def probability(value: object, name: str) -> float:
    """`value` as a float between 0 and 1.

    >>> probability(1.5, "p")
    Traceback (most recent call last):
    ValueError: p=1.5 must lie between 0 and 1
    """
    if not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}={value!r} must be a number, not {type(value).__name__}")
    if not 0 <= value <= 1:
        raise ValueError(f"{name}={value!r} must lie between 0 and 1")
    return float(value)


def unpooled_size(
    size: Pair,
    kernel_size: IntOrPair,
    stride: IntOrPair | None,
    padding: IntOrPair,
    output_size: Sequence[int] | None,
) -> Pair:
    """Height and width before a max pooling that left `size`; `output_size` chooses one of the possible ones.

    >>> unpooled_size((2, 3), 2, None, 0, None), unpooled_size((2, 3), 2, None, 0, (5, 7))
    ((4, 6), (5, 7))
    >>> unpooled_size((2, 3), 2, None, 0, (8, 6))
    Traceback (most recent call last):
    ValueError: output_size=(8, 6) must lie in 3…5 × 5…7, less than one stride from (4, 6)
    """
    kernel = pair(kernel_size, "kernel_size", minimum=1)
    strides = stride_pair(stride, kernel)
    pad = pair(padding, "padding", minimum=0)
    default = tuple((n - 1) * s - 2 * p + k for n, s, p, k in zip(size, strides, pad, kernel, strict=True))
    if output_size is None:
        if min(default) < 1:
            raise ValueError(f"padding={padding!r} leaves {default[0]}×{default[1]} pixels; there must be at least one")
        return default
    if not isinstance(output_size, (tuple, list)):
        raise TypeError(f"output_size={output_size!r} must be a tuple or list of integers")
    if len(output_size) not in (2, 4):
        raise ValueError(f"output_size={output_size!r} must hold 2 integers, (height, width), or 4, a whole shape")
    chosen = tuple(integer(one, "each of output_size") for one in output_size[-2:])
    if any(one < 1 or not d - s < one < d + s for one, d, s in zip(chosen, default, strides, strict=True)):
        ranges = " × ".join(f"{max(1, d - s + 1)}…{d + s - 1}" for d, s in zip(default, strides, strict=True))
        raise ValueError(f"output_size={chosen} must lie in {ranges}, less than one stride from {default}")
    return chosen


def interpolated_size(
    shape: Sequence[int],
    new_size: int | Sequence[int] | None,
    scale_factor: float | Sequence[float] | None,
    mode: str,
    align_corners: bool | None,
    recompute_scale_factor: bool | None,
) -> tuple[Pair, tuple[float | None, float | None]]:
    """(height, width) after an interpolation of images of a shape, and the scale factors that coordinates follow.

    The scale factors are None where coordinates follow the sizes instead.

    >>> interpolated_size((1, 3, 5, 5), None, 1.5, "nearest", None, None)
    ((7, 7), (1.5, 1.5))
    """
    one_of(mode, ("nearest", "bilinear"), "mode")
    if len(shape) != 4:  # PyTorch refuses C×H×W too, or takes it for N×C×length
        raise ValueError(f"x has shape {tuple(shape)}; it must have 4 dimensions, N×C×H×W: one image is x[None]")
    if mode == "nearest" and align_corners is not None:
        raise ValueError(f"align_corners={align_corners!r} must be None for mode='nearest'")
    if (new_size is None) == (scale_factor is None):
        raise ValueError(f"size={new_size!r} and scale_factor={scale_factor!r}: exactly one of them must be given")
    if new_size is not None:
        if recompute_scale_factor:
            raise ValueError(f"recompute_scale_factor={recompute_scale_factor!r} must not be set where size is given")
        if isinstance(new_size, (tuple, list)) and len(new_size) != 2:
            raise ValueError(f"size={new_size!r} must be one integer or two, (height, width)")
        return pair(new_size, "size", minimum=1), (None, None)
    scales = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor, scale_factor)
    if len(scales) != 2:
        raise ValueError(f"scale_factor={scale_factor!r} must be one number or two, (height, width)")
    for scale in scales:
        if isinstance(scale, (bool, np.bool_)) or not isinstance(scale, (int, float, np.integer, np.floating)):
            raise TypeError(f"scale_factor={scale_factor!r} must be a number, or two of them")
        if not 0 < scale < float("inf"):
            raise ValueError(f"scale_factor={scale_factor!r} must be positive and finite")
    sizes = tuple(int(n * float(scale)) for n, scale in zip(shape[-2:], scales, strict=True))
    if min(sizes) < 1:
        raise ValueError(f"scale_factor={scale_factor!r} must leave at least one pixel of {shape[-2]}×{shape[-1]}")
    return sizes, (None, None) if recompute_scale_factor else (float(scales[0]), float(scales[1]))

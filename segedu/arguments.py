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


def floating(array: object, name: str) -> np.ndarray:
    """`array` itself if it is a NumPy array of float32 or float64.

    >>> floating(np.zeros(3, dtype=np.int64), "x")
    Traceback (most recent call last):
    TypeError: x has dtype int64; it must be float32 or float64: convert it with x.astype(np.float32)
    """
    if not isinstance(array, np.ndarray):
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

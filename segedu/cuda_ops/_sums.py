"""The three sums that convolution, transposed convolution and their gradients are made of, as in `numpy_ops/_sums.py`.

Each has a kernel that is its definition, and one that is a matrix product in tiles of 64×64 or 128×128 numbers.
"""

from __future__ import annotations

from contextvars import ContextVar

import numpy as np

from segedu.cuda_ops._launch import (
    THREADS,
    Kernels,
    Threads,
    blocks,
    contiguous,
    count,
    empty,
    over,
    over_planes,
    planes,
    structure,
)
from segedu.numpy_ops._sliding import Sliding

convolution, transposed = Kernels("convolution.cu"), Kernels("transposed_convolution.cu")

FORMS = ("auto", "definition", "tiled_4", "tiled_8")
form: ContextVar[str] = ContextVar("form", default="auto")  # which kernel; "auto" chooses by size
BLOCKS = 1024  # that keep a GPU busy: several for each of about 100 multiprocessors


def correlate(
    image: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, sliding: Sliding, groups: int
) -> np.ndarray:
    """windows[i] = Σ over a of weight[a] · image[pixel of element a of window i], plus bias."""
    result = empty((len(image), len(weight), *sliding.output), image.dtype)
    given = [planes(image), contiguous(weight), contiguous(weight if bias is None else bias), result]
    chosen = _form(len(weight) // groups, weight[0].size, len(image) * count(sliding.output))
    if chosen == "definition":
        threads, name = over_planes(count(result.shape[:2]), *sliding.output), "conv2d"
    else:
        threads = _tiles(chosen, len(weight) // groups, len(image) * count(sliding.output), groups)
        name = f"conv2d_{chosen}"
    shapes = _structure(sliding, len(image), groups, weight.shape)
    convolution(name, image.dtype, threads, *given, shapes, int(bias is not None))
    return result


def spread(
    windows: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, sliding: Sliding, groups: int
) -> np.ndarray:
    """image[p] = Σ over windows i and elements a that lie at p of weight[a] · windows[i], plus bias."""
    channels, phases = weight.shape[1] * groups, count(sliding.stride)
    result = empty((len(windows), channels, *sliding.size), windows.dtype)
    given = [planes(windows), contiguous(weight), contiguous(weight if bias is None else bias), result]
    largest = [-(-size // stride) for size, stride in zip(sliding.size, sliding.stride, strict=True)]
    depth = len(weight) // groups * count(weight.shape[2:]) // phases
    chosen = _form(weight.shape[1], depth, len(windows) * count(largest))
    if chosen == "definition":
        threads, name = over_planes(count(result.shape[:2]), *sliding.size), "conv_transpose2d"
    else:
        threads = _tiles(chosen, weight.shape[1], len(windows) * count(largest), groups * phases)
        name = f"conv_transpose2d_{chosen}"
    shapes = _structure(sliding, len(windows), groups, weight.shape)
    transposed(name, windows.dtype, threads, *given, shapes, int(bias is not None))
    return result


def weight_gradient(
    image: np.ndarray, windows: np.ndarray, shape: tuple[int, ...], sliding: Sliding, groups: int
) -> np.ndarray:
    """weight[a] = Σ over windows i of image[pixel of element a of window i] · windows[i]; `shape` is that of weight."""
    result, dtype = empty(tuple(shape), image.dtype), image.dtype
    if not image.size:
        result[...] = 0
        return result
    given, shapes = (planes(image), planes(windows)), _structure(sliding, len(image), groups, shape)
    terms, columns = len(image) * count(sliding.output), count(shape[1:])
    chosen = _form(shape[0] // groups, terms, columns)
    if chosen == "definition" and count(sliding.output) < 32:  # a warp
        convolution("conv2d_weight_gradient_of_few", dtype, over(result.size), *given, result, shapes, result.size)
        return result
    if chosen == "definition":
        threads = blocks(result.size, count(sliding.output))
        convolution("conv2d_weight_gradient", dtype, threads, *given, result, shapes)
        return result
    tiles = _tiles(chosen, shape[0] // groups, columns, groups)
    parts = max(1, min(BLOCKS // count(tiles.grid), terms // 256))
    sums = empty((parts, *shape), dtype)
    threads = tiles._replace(grid=(*tiles.grid[:2], groups * parts))
    convolution(f"conv2d_weight_gradient_{chosen}", dtype, threads, *given, sums, shapes, parts)
    if parts == 1:
        return sums[0]
    convolution("add_parts", dtype, over(result.size), sums, result, result.size, parts)
    return result


def bias_gradient(grads: np.ndarray, bias: np.ndarray | None) -> np.ndarray | None:
    """The sum of N×K×H×W for each channel k, if there is a bias."""
    if bias is None:
        return None
    images, channels, pixels = len(grads), grads.shape[1], count(grads.shape[2:])
    result, threads = empty(bias.shape, grads.dtype), blocks(channels, pixels)
    convolution("bias_gradient", grads.dtype, threads, planes(grads), result, channels, pixels, images)
    return result


def _form(rows: int, depth: int, columns: int) -> str:
    """Which kernel computes a product of (rows × depth) and (depth × columns)."""
    if form.get() != "auto":
        return form.get()
    if rows < 16 or depth < 16 or columns < 64:
        return "definition"  # a tile would be mostly empty
    return "tiled_8" if rows >= 128 and -(-rows // 128) * -(-columns // 128) >= BLOCKS // 4 else "tiled_4"


def _tiles(chosen: str, rows: int, columns: int, products: int) -> Threads:
    side = 16 * int(chosen[-1])
    return Threads((-(-columns // side), -(-rows // side), products), (THREADS, 1, 1))


def _structure(sliding: Sliding, images: int, groups: int, weight: tuple[int, ...]) -> np.ndarray:
    """`struct Sliding` of sliding.cuh."""
    return structure(
        kernel=sliding.kernel,
        stride=sliding.stride,
        dilation=sliding.dilation,
        before=sliding.before,
        size=sliding.size,
        output=sliding.output,
        images_groups=(images, groups),
        channels=(weight[0] // groups, weight[1]),
    )

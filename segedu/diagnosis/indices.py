"""Indices of max pooling counted otherwise: PyTorch counts `row * width + column` within each plane of the input."""

from collections.abc import Iterator

import numpy as np

from segedu.diagnosis.alternatives.changes import pair
from segedu.diagnosis.calls import arguments
from segedu.diagnosis.values import explains


def counted_otherwise(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """Where `expected` holds plane indices: does `actual` count in the window, in the batch, with padding …?"""
    if expected.dtype.kind not in "iu" or context.get("operator") != "max_pool2d" or "gradient" in context:
        return
    for sentence, alternative in _countings(expected, arguments(context)):
        if explains(alternative, actual, expected, context):
            yield sentence


def _countings(expected: np.ndarray, p: dict) -> Iterator[tuple[str, np.ndarray]]:
    height, width = p["x"].shape[-2:]
    row, column = expected // width, expected % width
    (kh, kw), (top, left) = pair(p["kernel_size"]), pair(p.get("padding", 0))
    (sy, sx), (dy, dx) = pair(p.get("stride") or (kh, kw)), pair(p.get("dilation", 1))
    in_row = (row - np.arange(expected.shape[-2])[:, None] * sy + top) // dy
    in_column = (column - np.arange(expected.shape[-1]) * sx + left) // dx
    plane = np.arange(expected[..., 0, 0].size).reshape(*expected.shape[:-2], 1, 1)
    channels = expected.shape[-3]
    yield "The indices count within each window: PyTorch's count within the whole plane.", in_row * kw + in_column
    yield "The indices are column·height + row: PyTorch's are row·width + column.", column * height + row
    everything = "The indices run on over the whole batch: they start again at 0 in every plane."
    yield everything, expected + plane * height * width
    one = "The indices run on over the channels of an image: they start again at 0 in every plane."
    yield one, expected + plane % channels * height * width
    padded = (
        "The indices count in the padded plane: subtract the padding from row and column, and use the input's width."
    )
    yield padded, (row + top) * (width + 2 * left) + column + left
    yield "The padding is not subtracted from the row and column.", (row + top) * width + column + left
    yield (
        "The indices use the padded width: row·width + column with the input's width.",
        row * (width + 2 * left) + column,
    )
    yield (
        "The indices use the width of the output: row·width + column with the input's width.",
        (row * expected.shape[-1] + column),
    )
    yield "The indices use the height in place of the width: row·width + column.", row * height + column
    yield "The indices start at 1: counting starts at 0.", expected + 1
    yield "The indices are rows only: PyTorch's are row·width + column.", row
    yield "The indices are columns only: PyTorch's are row·width + column.", column
    yield "The row is counted in the window, not in the plane: add the window's start.", in_row * width + column
    yield "The column is counted in the window, not in the plane: add the window's start.", row * width + in_column


def last_of_a_tie(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """Another maximum of the same value in the same window."""
    if expected.dtype.kind not in "iu" or context.get("operator") != "max_pool2d" or "gradient" in context:
        return
    p = arguments(context)
    height, width = p["x"].shape[-2:]
    if actual.shape != expected.shape or actual.min() < 0 or actual.max() >= height * width:
        return
    flat = p["x"].reshape(*p["x"].shape[:-2], height * width)
    shape = (*expected.shape[:-2], -1)
    mine, first = (np.take_along_axis(flat, i.reshape(shape), -1) for i in (actual, expected))
    if np.array_equal(mine, first, equal_nan=True) and np.any(actual != expected) and np.all(actual >= expected):
        yield "Where a window holds its maximum several times, the first one wins; yours is a later one (> or >=?)."


RECOGNISERS = (counted_otherwise, last_of_a_tie)

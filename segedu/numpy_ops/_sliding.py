"""Where the windows lie that slide over an image, and the copies between images and windows (im2col, col2im)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segedu.arguments import Pair


class Sliding(NamedTuple):
    """Windows over an image: element a of window i lies at pixel i·stride + a·dilation − before.

    Everything in (height, width).
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair  # zeros above and left of the image; negative: the windows start inside
    size: Pair  # of the image
    output: Pair  # number of windows

    def tap(self, axis: int, number: int, windows: slice) -> tuple[slice, slice]:
        """Of some windows, those whose element `number` lies in the image, counted from the first, and its pixels."""
        offset, step = number * self.dilation[axis] - self.before[axis], self.stride[axis]
        first = max(windows.start, -(offset // step))
        last = min(windows.stop, (self.size[axis] - 1 - offset) // step + 1)
        if first >= last:
            return slice(0, 0), slice(0, 0)
        pixel = first * step + offset
        pixels = slice(pixel, pixel + (last - first - 1) * step + 1, step)
        return slice(first - windows.start, last - windows.start), pixels

    @property
    def is_pointwise(self) -> bool:
        """Whether the windows are the pixels themselves."""
        return self.kernel == self.stride == (1, 1) and self.before == (0, 0) and self.output == self.size

    @property
    def has_phases(self) -> bool:
        """Whether all pixels are seen by equally many windows: kernel a multiple of stride. See `cells`."""
        whole = all(k % s == 0 for k, s in zip(self.kernel, self.stride, strict=True))
        return whole and (self.stride == (1, 1) or self.dilation == (1, 1))

    @property
    def cells(self) -> Sliding:
        """The image cut into cells of stride × stride pixels, the first of which begins where a window begins."""
        before = tuple(b % s for b, s in zip(self.before, self.stride, strict=True))
        count = tuple((b + n - 1) // s + 1 for b, n, s in zip(before, self.size, self.stride, strict=True))
        return Sliding(self.stride, self.stride, (1, 1), before, self.size, count)

    @property
    def windows_of_cells(self) -> Sliding:
        """The same sums seen from the cells: which windows each cell lies in, as a window over the windows."""
        kernel = tuple(k // s for k, s in zip(self.kernel, self.stride, strict=True))
        before = tuple(
            d * (k - 1) - b // s for d, k, b, s in zip(self.dilation, kernel, self.before, self.stride, strict=True)
        )
        return Sliding(kernel, (1, 1), self.dilation, before, self.output, self.cells.output)


def gather(image: np.ndarray, sliding: Sliding, rows: slice, columns: np.ndarray) -> None:
    """im2col: columns[c, a, b, …, i, j] = image[c, …, pixel of element (a, b) of window (i, j)], 0 outside the image.

    `columns` holds the windows of the given rows only.
    """
    for a in range(sliding.kernel[0]):
        to_rows, from_rows = sliding.tap(0, a, rows)
        for b in range(sliding.kernel[1]):
            to_columns, from_columns = sliding.tap(1, b, slice(0, sliding.output[1]))
            target = columns[:, a, b]
            target[..., : to_rows.start, :] = 0
            target[..., to_rows.stop :, :] = 0
            target[..., to_rows, : to_columns.start] = 0
            target[..., to_rows, to_columns.stop :] = 0
            target[..., to_rows, to_columns] = image[..., from_rows, from_columns]


def scatter(columns: np.ndarray, sliding: Sliding, rows: slice, image: np.ndarray, add: bool) -> None:
    """col2im: adds every element of `columns` to its pixel of `image`, or writes it there. The reverse of `gather`."""
    for a in range(sliding.kernel[0]):
        from_rows, to_rows = sliding.tap(0, a, rows)
        for b in range(sliding.kernel[1]):
            from_columns, to_columns = sliding.tap(1, b, slice(0, sliding.output[1]))
            source, target = columns[:, a, b, ..., from_rows, from_columns], image[..., to_rows, to_columns]
            if add:
                target += source
            else:
                target[...] = source

"""Sums over windows as matrix products, a strip of the image at a time: small enough for the cache, for any size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from segedu.numpy_ops._sliding import Sliding, gather

STRIP_BYTES = 4 * 1024 * 1024  # of columns, or of products if these are larger
SMALL_IMAGE = 1024  # pixels; smaller images are worked on several at a time
MIN_ROW_ELEMENTS = 24  # fewer make a matrix product too flat to be fast
MAX_SUM_RATIO = 2  # of output channels to elements of a row: with more, adding up products costs more than copies


class Part(NamedTuple):
    """Some rows of windows of some images."""

    images: slice
    rows: slice


class Strips(NamedTuple):
    """How a sum over windows is cut into parts and matrix products.

    The columns of a part hold all elements of its windows (im2col), for one product. Or, where windows are one row
    apart and `row_products` is kH, they hold one row of elements, kW copies instead of kH·kW, for a product each: the
    next row of elements is the same columns, further on.
    """

    sliding: Sliding
    groups: int
    window_channels: int
    row_products: int
    images: int  # at a time

    @classmethod
    def plan(cls, sliding: Sliding, groups: int, image_channels: int, window_channels: int, batch: int) -> Strips:
        """One product for each row of elements where that saves more copies than adding up the products costs."""
        kernel_height, kernel_width = sliding.kernel
        small = sliding.output[0] * sliding.output[1] < SMALL_IMAGE and batch > 1
        elements = image_channels // groups * kernel_width
        worth = elements >= MIN_ROW_ELEMENTS and window_channels // groups <= MAX_SUM_RATIO * elements
        split = worth and not small and kernel_height > 1 and sliding.stride[0] == 1
        return cls(sliding, groups, window_channels, kernel_height if split else 1, batch if small else 1)

    def parts(self, batch: int, elements: int, itemsize: int) -> Iterator[Part]:
        """The images a few at a time, or one strip of rows after the other; `elements` are those of a window."""
        height, width = self.sliding.output
        fitting = max(1, STRIP_BYTES // (max(elements, self.window_channels) * itemsize * width))
        images, rows = min(self.images, max(1, fitting // height)), min(fitting, height)
        for n in range(0, batch, images):
            for start in range(0, height, rows):
                yield Part(slice(n, min(n + images, batch)), slice(start, min(start + rows, height)))

    @property
    def gathered(self) -> Sliding:
        """The windows whose elements are copied: all elements, or those of one row, enough for all products."""
        if self.row_products == 1:
            return self.sliding
        (height, width), beyond = self.sliding.output, self.sliding.dilation[0] * (self.row_products - 1)
        return self.sliding._replace(kernel=(1, self.sliding.kernel[1]), output=(height + beyond, width))

    def filters(self, weight: np.ndarray) -> np.ndarray:
        """`weight`, K × C/groups × kH × kW, as row_products × groups × K/groups × elements."""
        k, c, height, width = weight.shape
        rows = weight.reshape(k, c, self.row_products, height // self.row_products, width)
        rows = np.ascontiguousarray(rows.transpose(2, 0, 1, 3, 4))
        return rows.reshape(self.row_products, self.groups, k // self.groups, -1)

    def weight(self, filters: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The reverse of `filters`."""
        k, c, height, width = shape
        rows = filters.reshape(self.row_products, k, c, height // self.row_products, width)
        return np.ascontiguousarray(rows.transpose(1, 2, 0, 3, 4)).reshape(shape)

    def columns(self, images: np.ndarray) -> Iterator[tuple[Part, list[np.ndarray]]]:
        """For each part: groups × elements × windows, once for each product. Valid until the next part."""
        gathered, channels, width = self.gathered, images.shape[1], self.sliding.output[1]
        beyond, step = gathered.output[0] - self.sliding.output[0], self.sliding.dilation[0] * width
        elements, buffer = channels * gathered.kernel[0] * gathered.kernel[1], np.empty(0)
        for part in self.parts(len(images), elements, images.itemsize):
            if self.sliding.is_pointwise and self.images == 1:
                yield part, [self.matrix(images, part)]
                continue
            some, rows = images[part.images], part.rows.stop - part.rows.start
            shape = (channels, *gathered.kernel, len(some), rows + beyond, width)
            if buffer.shape != shape:
                buffer = np.empty(shape, images.dtype)
            gather(some.swapaxes(0, 1), gathered, slice(part.rows.start, part.rows.stop + beyond), buffer)
            flat, count = buffer.reshape(self.groups, elements // self.groups, -1), len(some) * rows * width
            yield part, [flat[:, :, i * step : i * step + count] for i in range(self.row_products)]

    def matrix(self, windows: np.ndarray, part: Part) -> np.ndarray:
        """A part of N×K×H×W as groups × K/groups × pixels; a view where N is 1 and the memory contiguous."""
        some = windows[part.images, :, part.rows].swapaxes(0, 1)
        return some.reshape(self.groups, len(some) // self.groups, -1)

    def sum_of_products(self, filters: np.ndarray, columns: list[np.ndarray], out: np.ndarray) -> None:
        """out = Σ of filters[i] @ columns[i]."""
        np.matmul(filters[0], columns[0], out=out)
        for one, column in zip(filters[1:], columns[1:], strict=True):
            out += one @ column

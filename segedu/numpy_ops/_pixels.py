"""Scores and labels of pixels, whatever their shape, and strips of pixels that stay in the L2 cache.

Every loss sees N×C×P: N images, C classes, P pixels of an image. A strip holds all classes of a few thousand pixels,
since a softmax needs all classes of a pixel at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np

from segedu import arguments
from segedu.numpy_ops import _blocks
from segedu.numpy_ops._blocks import for_each_block

T = TypeVar("T")
Strip = tuple[slice, slice]  # (images, pixels)


class Pixels(NamedTuple):
    """Scores and labels in one layout; both contiguous."""

    scores: np.ndarray  # N×C×P
    labels: np.ndarray  # N×P
    ignore_index: int | None

    @property
    def classes(self) -> int:
        return self.scores.shape[1]

    def valid(self, strip: Strip = (slice(None), slice(None))) -> np.ndarray:
        """Which pixels of a strip count: those whose label is not `ignore_index`."""
        labels = self.labels[strip]
        return np.ones(labels.shape, bool) if self.ignore_index is None else labels != self.ignore_index

    def truth(self, strip: Strip = (slice(None), slice(None))) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(valid, label, index): `scores.ravel()[index]` is the score of the true class; class 0 where not valid."""
        valid = self.valid(strip)
        label = np.where(valid, self.labels[strip], 0)
        size = self.labels.shape[1]
        images, pixels = (
            np.arange(*part.indices(length)) for part, length in zip(strip, self.labels.shape, strict=True)
        )
        index = label * size
        index += images[:, None] * (self.classes * size) + pixels
        return valid, label, index

    def for_each_strip(self, work: Callable[[Strip], T]) -> list[T]:
        """`work(strip)` for all strips, on several threads; the results in order."""
        strips = self._strips()
        return for_each_block(lambda part: work(strips[part.start]), len(strips), _blocks.BLOCK_BYTES)

    def _strips(self) -> list[Strip]:
        images, pixels = self.labels.shape
        length = max(64, _blocks.BLOCK_BYTES // (self.scores.itemsize * self.classes))
        step = max(1, length // max(1, pixels))
        return [
            (slice(n, n + step), slice(p, p + length)) for n in range(0, images, step) for p in range(0, pixels, length)
        ]


def pixels_of(
    scores: object, target: object, ignore_index: int | None, name: str = "logits", *, any_integer: bool = False
) -> Pixels:
    """Checked scores (C, N×C or N×C×…) and labels (their shape without C) as N×C×P and N×P."""
    scores = arguments.class_scores(scores, name)
    labels = arguments.labels_of(scores, target, ignore_index, name, any_integer=any_integer)
    images, classes = (1, len(scores)) if scores.ndim == 1 else scores.shape[:2]
    count = int(np.prod(scores.shape[2:]))
    return Pixels(
        scores.astype(scores.dtype, order="C", copy=False).reshape(images, classes, count),
        labels.astype(np.int64, order="C", copy=False).reshape(images, count),
        ignore_index,
    )


def softmax_of_strip(pixels: Pixels, strip: Strip, out: np.ndarray | None = None) -> np.ndarray:
    """The probabilities of a strip, 0 at ignored pixels."""
    x = pixels.scores[strip[0], :, strip[1]]
    out = np.subtract(x, x.max(1, keepdims=True), out=out)
    np.exp(out, out=out)
    total = out.sum(1)
    if pixels.ignore_index is None:
        out *= (1 / total)[:, None]
        return out
    valid = pixels.valid(strip)
    out *= (valid / total)[:, None]
    images, ignored = np.nonzero(np.isnan(total) & ~valid)
    out[images, :, ignored] = 0  # 0·NaN is NaN
    return out

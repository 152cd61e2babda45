"""Augmentation: an image and its labels, changed alike by chance, so that a few pictures are worth many.

A transform is called as `transform(image, labels, rng)`; image uint8 H×W×C, labels int64 H×W, of any size; it returns a
new pair and changes nothing in place. The same `rng` state gives the same pair. Labels are never mixed: a new label is
that of the nearest old pixel. Where pixels are needed from outside the picture, the image is reflected, as U-Net does,
and their labels are `void`, the data set's own number for pixels that do not count; with `void=None`, for data sets
that have none, the labels are reflected too.

>>> rng = np.random.default_rng(0)
>>> image, labels = rng.integers(0, 256, (40, 50, 3), np.uint8), rng.integers(0, 5, (40, 50))
>>> change = Compose([Scale(0.5, 2.0), Crop(32, void=255), Flip(), Colour()])
>>> image, labels = change(image, labels, rng)
>>> image.shape, image.dtype.name, labels.shape, labels.dtype.name
((32, 32, 3), 'uint8', (32, 32), 'int64')
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from skimage.transform import warp

Pair = tuple[np.ndarray, np.ndarray]
Transform = Callable[[np.ndarray, np.ndarray, np.random.Generator], Pair]


@dataclass(frozen=True)
class Compose:
    """One transform after the other."""

    transforms: Sequence[Transform]

    def __post_init__(self):
        object.__setattr__(self, "transforms", tuple(self.transforms))

    def __call__(self, image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Pair:
        for transform in self.transforms:
            image, labels = transform(image, labels, rng)
        return image, labels


@dataclass(frozen=True)
class Flip:
    """Mirrors left and right with probability `horizontal`, top and bottom with probability `vertical`."""

    horizontal: float = 0.5
    vertical: float = 0.0

    def __post_init__(self):
        for name in ("horizontal", "vertical"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)} must be from 0 to 1")

    def __call__(self, image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Pair:
        check_pair(image, labels)
        chances = rng.random(2)
        axes = [axis for axis, limit in enumerate((self.vertical, self.horizontal)) if chances[axis] < limit]
        return np.flip(image, axes).copy(), np.flip(labels, axes).copy()


@dataclass(frozen=True)
class Scale:
    """Resizes by one factor for both sides, drawn between `smallest` and `largest` evenly on a logarithmic scale.

    The image is interpolated bilinearly (and smoothed where it shrinks), the labels are those of the nearest pixel.
    """

    smallest: float = 0.5
    largest: float = 2.0

    def __post_init__(self):
        if not 0 < self.smallest <= self.largest:
            raise ValueError(f"smallest={self.smallest} must be above 0 and at most largest={self.largest}")

    def __call__(self, image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Pair:
        check_pair(image, labels)
        factor = np.exp(rng.uniform(np.log(self.smallest), np.log(self.largest)))
        height, width = (max(1, round(size * factor)) for size in labels.shape)
        planes = [Image.fromarray(plane).resize((width, height), Image.BILINEAR) for plane in np.moveaxis(image, 2, 0)]
        rows, columns = (_nearest(new, old) for new, old in zip((height, width), labels.shape, strict=True))
        return np.stack(planes, axis=2), labels[rows[:, None], columns]


@dataclass(frozen=True)
class Crop:
    """Cuts out a part of `size` (height, width; one number for a square) at a random place.

    A picture smaller than that is first extended evenly on both sides.
    """

    size: int | tuple[int, int]
    void: int | None

    def __post_init__(self):
        pair = (self.size, self.size) if isinstance(self.size, (int, np.integer)) else tuple(self.size)
        if len(pair) != 2 or min(pair) < 1:
            raise ValueError(f"size={self.size} must be one number or (height, width), each at least 1")
        object.__setattr__(self, "size", (int(pair[0]), int(pair[1])))

    def __call__(self, image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Pair:
        check_pair(image, labels)
        image, labels = self._extended(image, labels)
        tops = [rng.integers(0, have - want + 1) for have, want in zip(labels.shape, self.size, strict=True)]
        window = tuple(slice(top, top + want) for top, want in zip(tops, self.size, strict=True))
        return image[window].copy(), labels[window].copy()

    def _extended(self, image, labels) -> Pair:
        missing = [max(0, want - have) for have, want in zip(labels.shape, self.size, strict=True)]
        if not any(missing):
            return image, labels
        margins = [(lack // 2, lack - lack // 2) for lack in missing]
        image = np.pad(image, [*margins, (0, 0)], mode="symmetric")
        if self.void is None:
            return image, np.pad(labels, margins, mode="symmetric")
        return image, np.pad(labels, margins, constant_values=self.void)


@dataclass(frozen=True)
class Colour:
    """Changes brightness, contrast and saturation by factors drawn from 1 − amount to 1 + amount. Labels stay.

    Brightness multiplies every value; contrast stretches them about their mean; saturation about each pixel's own grey
    (the mean of its channels), so grey images have none to change. Values beyond 0 to 255 are cut off.
    """

    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3

    def __post_init__(self):
        for name in ("brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)} must be from 0 to 1")

    def __call__(self, image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Pair:
        check_pair(image, labels)
        amounts = np.array([self.brightness, self.contrast, self.saturation])
        brightness, contrast, saturation = (1 + amounts * rng.uniform(-1, 1, 3)).astype(np.float32)
        values = image * brightness
        values = values.mean() + contrast * (values - values.mean())
        grey = values.mean(axis=2, keepdims=True)
        values = grey + saturation * (values - grey)
        return np.clip(np.rint(values), 0, 255).astype(np.uint8), labels.copy()


@dataclass(frozen=True)
class Elastic:
    """Bends the picture smoothly, as tissue bends.

    Each point of a coarse `grid` × `grid` over the picture is moved by a random amount, normal with standard deviation
    `sigma` pixels in either direction; between them the movement is interpolated bicubically (Ronneberger, Fischer,
    Brox, "U-Net", MICCAI 2015, section 3.1: a 3×3 grid and 10 pixels). The image is sampled bilinearly.
    """

    void: int | None
    sigma: float = 10.0
    grid: int = 3

    def __post_init__(self):
        if self.sigma < 0:
            raise ValueError(f"sigma={self.sigma} must be at least 0")
        if self.grid < 2:
            raise ValueError(f"grid={self.grid} must be at least 2")

    def __call__(self, image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Pair:
        check_pair(image, labels)
        places = np.indices(labels.shape) + self.displacements(labels.shape, rng)
        values = [
            warp(plane, places, order=1, mode="symmetric", preserve_range=True) for plane in np.moveaxis(image, 2, 0)
        ]
        return np.rint(np.stack(values, axis=2)).astype(np.uint8), self._bent(labels, places)

    def displacements(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """How far from each pixel its new value is fetched: float64 2×H×W, rows and columns, in pixels.

        The outermost points of the grid lie on the outermost pixels.
        """
        coarse = rng.normal(0.0, self.sigma, (2, self.grid, self.grid))
        down, across = (_bicubic(self.grid, n) for n in size)
        return down @ coarse @ across.T

    def _bent(self, labels, places) -> np.ndarray:
        rows, columns = (_reflected(np.rint(p).astype(int), n) for p, n in zip(places, labels.shape, strict=True))
        bent = labels[rows, columns]
        if self.void is not None:
            limits = np.array(labels.shape)[:, None, None] - 0.5
            bent[((places < -0.5) | (places >= limits)).any(axis=0)] = self.void
        return bent


def check_pair(image: np.ndarray, labels: np.ndarray) -> None:
    """Raises unless image is uint8 H×W×C and labels are whole numbers H×W, equally large and not empty."""
    if image.ndim != 3 or image.dtype != np.uint8:
        raise TypeError(f"image is {image.dtype} of shape {image.shape} and must be uint8 H×W×C")
    if labels.shape != image.shape[:2] or labels.dtype.kind not in "iu":
        raise TypeError(
            f"labels are {labels.dtype} of shape {labels.shape} and must be whole numbers of the image's "
            f"shape {image.shape[:2]}"
        )
    if labels.size == 0:
        raise ValueError(f"image has no pixels: its shape is {image.shape}")


def _nearest(new: int, old: int) -> np.ndarray:
    """The old pixel in which the middle of each new pixel lies."""
    return ((np.arange(new) + 0.5) * old / new).astype(int)


def _reflected(index: np.ndarray, size: int) -> np.ndarray:
    """Indices beyond the border, reflected at it: …, 1, 0 | 0, 1, …, n-1 | n-1, …"""
    index = index % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


def _bicubic(old: int, new: int, a: float = -0.75) -> np.ndarray:
    """The matrix new×old that interpolates `old` values at `new` places, the first and last of which coincide.

    Keys, "Cubic convolution interpolation for digital image processing", 1981, equation 4, with PyTorch's a; beyond the
    ends the last value is repeated.
    """
    place = np.linspace(0, old - 1, new)[:, None]
    nearest = np.floor(place).astype(int) + np.arange(-1, 3)
    t = np.abs(place - nearest)
    weights = np.where(t <= 1, (a + 2) * t**3 - (a + 3) * t**2 + 1, a * (t**3 - 5 * t**2 + 8 * t - 4))
    matrix = np.zeros((new, old))
    np.add.at(matrix, (np.arange(new)[:, None], nearest.clip(0, old - 1)), weights)
    return matrix

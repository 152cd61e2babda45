"""Which images make a batch, and how they become arrays: both depend on the seed and the step alone.

So a run goes on after a pause with the same batches and the same augmentation, without anything to remember but the
number of the step, and however many threads prepare them.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the three channels; pretrained encoders expect them."""

Transform = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def as_input(image: np.ndarray) -> np.ndarray:
    """An image uint8 H×W×C as what a network sees: float32 C×H×W, about 0 on average and of size 1.

    >>> as_input(np.full((2, 3, 1), 255, np.uint8)).shape
    (1, 2, 3)
    """
    mean, std = (np.float32(values).reshape(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    if image.shape[2] != 3:
        mean, std = mean.mean(), std.mean()
    values = image.transpose(2, 0, 1).astype(np.float32, order="C")
    values /= 255 * std
    values -= mean / std
    return values


class Batches:
    """An endless row of batches: all images in a random order, then all in another, and so on.

    `batches[step]` is (images float32 N×C×H×W, labels int64 N×H×W). Process `rank` of `world` takes its part of each.

    >>> from segedu.data import open_dataset
    >>> batches = Batches(open_dataset("street", "train", length=3, size=32), size=2)
    >>> images, labels = batches[0]
    >>> images.shape, labels.shape, [batches.index(position) for position in range(6)]
    ((2, 3, 32, 32), (2, 32, 32), [2, 0, 1, 1, 2, 0])
    """

    def __init__(
        self,
        dataset: Sequence,
        size: int,
        augment: Transform | None = None,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if len(dataset) == 0:
            raise ValueError("dataset is empty: there is nothing to train on")
        if size % world:
            raise ValueError(f"batch={size} must be divisible by the number of processes, {world}")
        self.dataset, self.size, self.augment, self.seed = dataset, size, augment, seed
        self.mine = range(rank * size // world, (rank + 1) * size // world)
        self.order = lru_cache(4)(lambda epoch: np.random.default_rng((seed, 0, epoch)).permutation(len(dataset)))

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        positions = [step * self.size + place for place in self.mine]
        images, labels = zip(*(self.pair(position) for position in positions), strict=True)
        if len({image.shape for image in images}) > 1:
            sizes = ", ".join(sorted({f"{image.shape[1]}×{image.shape[2]}" for image in images}))
            raise ValueError(
                f"the images of a batch have different sizes, {sizes}: crop=(height, width) makes them equal"
            )
        return np.stack(images), np.stack(labels)

    def epoch(self, step: int) -> float:
        """How often all images have been seen after that many steps."""
        return step * self.size / len(self.dataset)

    def index(self, position: int) -> int:
        """The number of the image at that place of the endless row."""
        epoch, place = divmod(position, len(self.dataset))
        return int(self.order(epoch)[place])

    def pair(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        image, labels = self.dataset[self.index(position)]
        if self.augment is not None:
            image, labels = self.augment(image, labels, np.random.default_rng((self.seed, 1, position)))
        return as_input(image), labels


THREADS = min(8, max(2, (os.cpu_count() or 2) // 2))
"""How many prepare batches: with fewer a GPU waits for them, with more they are in the way of a network on the CPU."""


def prepared(make: Callable[[int], object], numbers: Iterable[int], threads: int = THREADS) -> Iterator[object]:
    """`make(number)` for each number, in their order; threads work ahead while the caller is busy.

    >>> list(prepared(lambda number: number**2, range(4)))
    [0, 1, 4, 9]
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque = deque()
        try:
            for number in numbers:
                waiting.append(pool.submit(make, number))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def median_frequency_weights(dataset: Sequence, num_classes: int, void: int | None = None) -> np.ndarray:
    """For each class the median of all classes' frequencies, divided by its own: rare classes count more; float64 C.

    The frequency of a class is its pixels divided by all pixels of the images in which it is. A class that is in no
    image has weight 0. (Eigen and Fergus, "Predicting depth, surface normals and semantic labels with a common
    multi-scale convolutional architecture", 2015, section 6.3.2.)

    >>> two = [(None, np.array([[0, 0, 0, 1]])), (None, np.array([[0, 0, 0, 0]]))]
    >>> median_frequency_weights(two, 3).round(3)
    array([0.643, 2.25 , 0.   ])
    """
    pixels, seen = np.zeros(num_classes), np.zeros(num_classes)
    for _, labels in (dataset[i] for i in range(len(dataset))):
        counts = np.bincount(labels[labels != (-1 if void is None else void)].ravel(), minlength=num_classes)
        pixels += counts
        seen += counts.sum() * (counts > 0)
    present = pixels > 0
    frequency = pixels[present] / seen[present]
    weights = np.zeros(num_classes)
    weights[present] = np.median(frequency) / frequency
    return weights

"""A data set whose pairs are kept in memory once they were read, or its first ones only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MOST_BYTES = 2**30


class Kept(Sequence):
    """The pairs of `dataset`, each read or drawn once, as long as they fit into `most_bytes`; the rest is read anew.

    `length` takes the first so many only. Everything else, such as `classes`, is that of the data set.

    >>> from segedu.data import open_dataset
    >>> street = Kept(open_dataset("street", "train", length=9, size=32), length=2)
    >>> len(street), street[1][0].shape, street.classes[0]
    (2, (32, 32, 3), 'sky')
    """

    def __init__(self, dataset: Sequence, length: int | None = None, most_bytes: int = MOST_BYTES) -> None:
        self.dataset, self.free = dataset, most_bytes
        self.length = len(dataset) if length is None else min(length, len(dataset))
        self.pairs: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def __getattr__(self, name: str) -> object:
        if name == "dataset":  # asked for by copy and pickle before there is one
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < self.length:
            raise IndexError(f"index={index} must be at least 0 and below {self.length}")
        if index not in self.pairs:
            image, labels = self.dataset[index]
            size = image.nbytes + labels.size * 2
            if size > self.free:
                return image, labels
            self.free -= size
            self.pairs[index] = image, labels.astype(np.int16)
        image, labels = self.pairs[index]
        return image, labels.astype(np.int64)

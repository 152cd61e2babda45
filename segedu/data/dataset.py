"""What a data set is: pairs of an image and its labels, with names for its classes; and how local copies are found."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import platformdirs

from segedu.data.images import DataError, check_labels, check_same_size, read_image, read_labels, size_of

__all__ = ["ENVIRONMENT", "DataError", "Dataset", "FolderDataset", "cache_folder", "places"]

ENVIRONMENT = "SEGEDU_DATA"
"""The environment variable that names the folder of local copies."""


class Dataset(Sequence):
    """One split of a data set: `dataset[i]` is (image uint8 H×W×3 or H×W×1, labels int64 H×W).

    `name` of the data set, `split`, `classes` (label k is `classes[k]`), `palette` uint8 n×3 (a colour for each class),
    `void` (the label of pixels that do not count, or None where there are none), `names` (one a sample), `in_channels`
    of the images, `note` (what a reader should know). A slice gives a list of pairs.
    """

    name: str
    title: str
    splits: ClassVar[tuple[str, ...]]
    split: str
    classes: tuple[str, ...]
    palette: np.ndarray
    void: int | None = None
    in_channels: int = 3
    names: Sequence[str]
    note: str = ""

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The pair of that number, 0 ≤ index < len(self)."""
        raise NotImplementedError

    def size_of(self, index: int) -> tuple[int, int]:
        """Height and width of a sample, without reading more than has to be read."""
        return self[index][1].shape

    def problems(self) -> list[str]:
        """What is wrong with the files, a message a sample that cannot be used. Reads all of them: before long runs."""
        found = []
        for index in range(len(self)):
            try:
                self.pair(index)
            except DataError as error:
                found.append(str(error))
        return found

    def describe(self) -> str:
        """One sentence: what it is, how many pairs, which classes."""
        void = "" if self.void is None else f" and void ({self.void})"
        note = f"; {self.note}" if self.note else ""
        return f"{self.title}, {self.split}: {len(self)} images, {len(self.classes)} classes{void}{note}."

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self.pair(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"index={index} must be at least {-len(self)} and below {len(self)}")
        return self.pair(index % len(self))

    @classmethod
    def check_split(cls, split: str) -> None:
        """Raises `ValueError` where there is no such split."""
        if split not in cls.splits:
            raise ValueError(f"split={split!r} must be one of {', '.join(cls.splits)}")


class FolderDataset(Dataset):
    """A data set whose files lie in a folder: looked for in `root`, else in `SEGEDU_DATA`, else in the user's cache.

    A subclass says under which names its folder goes (`folders`; each place may be the folder itself or hold it), how
    it is recognised (`holds`) and how it is fetched (`fetch`).
    """

    folders: ClassVar[tuple[str, ...]]

    def __init__(self, split: str, folder: str | Path):
        self.check_split(split)
        self.split, self.folder = split, Path(folder)

    def image_path(self, index: int) -> Path:
        """The image file of a sample."""
        raise NotImplementedError

    def label_path(self, index: int) -> Path:
        """The label file of a sample."""
        raise NotImplementedError

    def labels_of(self, index: int) -> np.ndarray:
        """The labels of a sample, int64 H×W, as its file has them."""
        return read_labels(self.label_path(index))

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image and labels of that number; raises `DataError`, which names the file, where they do not fit."""
        image, labels = read_image(self.image_path(index), self.in_channels), self.labels_of(index)
        check_same_size(image, labels, self.image_path(index), self.label_path(index))
        check_labels(labels, len(self.classes), self.void, self.label_path(index))
        return image, labels

    def size_of(self, index: int) -> tuple[int, int]:
        """Height and width of a sample, from the header of its image."""
        return size_of(self.image_path(index))

    @staticmethod
    def holds(folder: Path) -> bool:
        """Whether the data set lies in this folder."""
        raise NotImplementedError

    @classmethod
    def fetch(cls, root: Path) -> Path:
        """Downloads the data set into `root` and returns its folder."""
        raise NotImplementedError

    @classmethod
    def find(cls, root: str | Path | None = None) -> Path | None:
        """The folder of the data set, or None. With `root` given, only that is looked at."""
        for place in places(root):
            for folder in (place, *(place / name for name in cls.folders)):
                if cls.holds(folder):
                    return folder
        return None

    @classmethod
    def open(cls, split: str, root: str | Path | None = None, download: bool = False, **options) -> "FolderDataset":
        """A split; `download=True` fetches the data set where it is not found, else `FileNotFoundError` says where."""
        cls.check_split(split)
        folder = cls.find(root)
        if folder is None and download:
            folder = cls.fetch(Path(root) if root else cache_folder())
        if folder is None:
            raise FileNotFoundError(
                f"{cls.title} was not found in {', '.join(str(place) for place in places(root))}. "
                f"Call open_dataset({cls.name!r}, {split!r}, download=True), "
                f"or let the environment variable {ENVIRONMENT} name its folder."
            )
        return cls(split, folder, **options)


def places(root: str | Path | None = None) -> list[Path]:
    """Where local copies are looked for, in this order."""
    if root is not None:
        return [Path(root)]
    named = os.environ.get(ENVIRONMENT)
    return ([Path(named)] if named else []) + [cache_folder()]


def cache_folder() -> Path:
    """Where downloads go: the user's cache."""
    return Path(platformdirs.user_cache_dir("segedu"))

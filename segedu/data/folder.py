"""Your own pictures: a folder `images` and a folder `labels`, matched by the names of the files.

Label maps may be grey or palette images, whose numbers are the classes, or images in which each class has its colour.
A file `classes.json` beside the two folders names the classes; every entry but "classes" may be missing:

    {"classes": ["ground", "plant"], "palette": [[0, 0, 0], [0, 158, 115]], "values": [0, 255], "void": 128}

`palette` are the classes' colours, by which labels in colour are read; `values` the numbers by which grey labels are
(0, 1, 2, … where it is missing); `void` the number or colour of the pixels that do not count. Without the file all
labels are read, and the values that they hold are the classes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segedu.data import label_values
from segedu.data.dataset import FolderDataset
from segedu.data.images import DataError, images_by_name, listed_names, read_label_file
from segedu.data.label_values import VOID

PARTS = {"train": (0, 70), "val": (70, 85), "test": (85, 100), "all": (0, 100)}
"""Where a split begins and ends in the sorted names, in per cent, where nobody has said otherwise."""


class Folder(FolderDataset):
    """One split: (image uint8 H×W×3, or H×W×1 with `grey=True`; labels int64 H×W, 0, 1, … and void 255).

    Splits, in this order: folders `train/images` and `train/labels` (`val`, `test` likewise); lists of names in
    `train.txt`, `val.txt`, `test.txt`; else the sorted names are divided, the first 70 % to train, the next 15 % to
    validate, the last 15 % to test: blocks, because neighbouring pictures are often nearly alike. "all" is everything
    in `images`.

    `void`, the number or colour of pixels that do not count, may be given in place of `classes.json`. Images without
    labels and labels without an image raise `DataError`, which names them.
    """

    name, splits, folders, void = "folder", tuple(PARTS), (), VOID

    def __init__(self, split: str, folder: str | Path, void: int | Sequence[int] | None = None, grey: bool = False):
        super().__init__(split, folder)
        self.title, self.in_channels = f"Folder {self.folder}", 1 if grey else 3
        own = (self.folder / split / "images").is_dir()
        if not own and not (self.folder / "images").is_dir():
            raise DataError(f"{self.folder} holds neither {split}/images nor images")
        self.images, self.label_files = _matched(self.folder / split if own else self.folder)
        self.names, how = (list(self.images), "its own folder") if own else self._chosen()
        if not self.names:
            raise DataError(f"{self.folder} has {len(self.images)} images and none for split={split!r}")
        self.values, self.palette, found = self._values(void)
        self.classes = self.values.classes
        self.note = f"split: {how}{found}"

    @staticmethod
    def holds(folder: Path) -> bool:
        """Whether the folder holds images and labels, for itself or for a split to train."""
        return any(
            all((place / part).is_dir() for part in ("images", "labels")) for place in (folder, folder / "train")
        )

    @classmethod
    def open(cls, split: str, root: str | Path | None = None, download: bool = False, **options) -> "Folder":
        """A split of the folder `root`, which must be given; there is nothing to download."""
        cls.check_split(split)
        if root is None:
            raise ValueError("root must name your folder, which holds the folders images and labels")
        if not cls.holds(Path(root)):
            raise FileNotFoundError(f"{root} must hold the folders images and labels, or train/images and train/labels")
        return cls(split, root, **options)

    def image_path(self, index: int) -> Path:
        """The image file of a sample."""
        return self.images[self.names[index]]

    def label_path(self, index: int) -> Path:
        """The label file of a sample."""
        return self.label_files[self.names[index]]

    def labels_of(self, index: int) -> np.ndarray:
        """The labels of a sample: the numbers of its classes, 255 for void."""
        path = self.label_path(index)
        return self.values.labels(read_label_file(path), path)

    def _chosen(self) -> tuple[list[str], str]:
        """The names of this split, and how they were chosen."""
        listed = self.folder / f"{self.split}.txt"
        if listed.exists():
            names = [Path(name).stem if Path(name).suffix else name for name in listed_names(listed)]
            missing = [name for name in names if name not in self.images]
            if missing:
                raise DataError(f"{listed} lists {_some(missing)}, which {self.folder / 'images'} does not hold")
            return names, listed.name
        begin, end = (len(self.images) * percent // 100 for percent in PARTS[self.split])
        return list(self.images)[begin:end], f"images {begin + 1} to {end} of {len(self.images)} in the order of names"

    def _values(self, void) -> tuple[label_values.LabelValues, np.ndarray, str]:
        """What label values mean, the palette, and what a reader should know of it."""
        described = self.folder / "classes.json"
        if described.exists():
            coloured = read_label_file(self.label_path(0)).ndim == 3
            return *label_values.from_file(described, coloured, void), ""
        places = [self.folder, *(self.folder / split for split in PARTS)]
        files = [
            f for place in places if (place / "labels").is_dir() for f in images_by_name(place / "labels").values()
        ]
        return *label_values.from_labels(files, void), "; without classes.json the classes are the values found"


def _matched(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Images and labels by name, each having the other."""
    images, labels = images_by_name(folder / "images"), images_by_name(folder / "labels")
    for part, have, want in (("labels", labels, images), ("images", images, labels)):
        if missing := [name for name in want if name not in have]:
            raise DataError(
                f"{folder / part} has no file for {_some(missing)}; names must be the same but for the ending"
            )
    return images, labels


def _some(names: Sequence[str], limit: int = 5) -> str:
    """The first few of many names."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more

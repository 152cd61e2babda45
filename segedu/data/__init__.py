"""Photographs, synthetic scenes and data sets to train on, one file a data set, all opened alike.

>>> from segedu import data
>>> scenes = data.open_dataset("street", "train", length=2, size=(48, 64))
>>> image, labels = scenes[0]
>>> image.shape, labels.shape
((48, 64, 3), (48, 64))
"""

import inspect
from pathlib import Path

from segedu.data.camvid import CamVid
from segedu.data.dataset import DataError, Dataset, FolderDataset
from segedu.data.drawn import SCENES, DrawnScenes
from segedu.data.folder import Folder
from segedu.data.isbi2012 import ISBI2012
from segedu.data.pet import Pet
from segedu.data.voc2012 import VOC2012

__all__ = ["DataError", "Dataset", "names", "open_dataset", "options_of", "splits"]

IN_FOLDERS: dict[str, type[FolderDataset]] = {
    "camvid": CamVid,
    "isbi2012": ISBI2012,
    "voc2012": VOC2012,
    "pet": Pet,
    "folder": Folder,
}


def names() -> list[str]:
    """The names of all data sets.

    >>> "camvid" in names() and "cells" in names()
    True
    """
    return [*IN_FOLDERS, *SCENES]


def splits(name: str) -> tuple[str, ...]:
    """The splits of a data set.

    >>> splits("camvid")
    ('train', 'val', 'test')
    """
    _check(name)
    return IN_FOLDERS.get(name, DrawnScenes).splits


def options_of(name: str) -> tuple[str, ...]:
    """The options of a data set itself, which `open_dataset` takes by name.

    >>> options_of("pet"), options_of("camvid")
    (('target', 'leave_out'), ())
    """
    _check(name)
    known = inspect.signature(IN_FOLDERS.get(name, DrawnScenes)).parameters
    return tuple(option for option in known if option not in ("name", "split", "folder"))


def open_dataset(
    name: str, split: str, root: str | Path | None = None, download: bool = False, **options: object
) -> Dataset:
    """A split of a data set: a sequence of pairs (image uint8 H×W×C, labels int64 H×W); see `Dataset`.

    Args:
        name: one of `names()`.
        split: one of `splits(name)`.
        root: where its files lie; else the folder that `SEGEDU_DATA` names, else the user's cache. Scenes need none.
        download: fetch it where it is not found.
        **options: of the data set itself, as `length`, `size` and `void_width` of drawn scenes; its class names them.

    Raises:
        ValueError: where `name`, `split` or an option is not among those that there are.
        FileNotFoundError: where the data set is not found; says where it was looked for and what to do.
        DataError: where a file of it is missing or broken.
    """
    _check(name)
    if unknown := [option for option in options if option not in options_of(name)]:
        takes = f"takes {', '.join(options_of(name))}" if options_of(name) else "takes none"
        raise ValueError(f"option {unknown[0]!r} is unknown: data set {name!r} {takes}")
    if name in SCENES:
        return DrawnScenes(name, split, **options)
    return IN_FOLDERS[name].open(split, root, download, **options)


def _check(name) -> None:
    if name not in names():
        raise ValueError(f"name={name!r} must be one of {', '.join(names())}")

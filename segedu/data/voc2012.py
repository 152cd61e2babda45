"""PASCAL VOC 2012: photographs with 20 kinds of things and background; the data on which FCN was shown.

Everingham, Van Gool, Williams, Winn, Zisserman, "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 88(2), 2010;
lists of VOC 2012: 1464 images to train, 1449 to validate. The labels of its test images were never published: results
are reported on "val", or by the challenge's server.

Where it is looked for, in this order: the argument `root`; the folder named by the environment variable `SEGEDU_DATA`;
the user's cache. The reader and the download were tried on small archives of the same form, made for the tests; the
original, 2 GB large, we have never fetched.
"""

from pathlib import Path

import numpy as np

from segedu.data.dataset import FolderDataset
from segedu.data.downloads import Archive, DownloadError, fetch_folder
from segedu.data.images import listed_names

ARCHIVE = Archive(
    "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
    "md5:6cd6e144f989b92b3379bac3b3de84fd",
)
"""The checksum is that of torchvision's `datasets/voc.py`."""

SPLITS = {"train": 1464, "val": 1449, "trainval": 2913}
"""How many images each split has, as published."""

CLASSES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dining table",
    "dog",
    "horse",
    "motorbike",
    "person",
    "potted plant",
    "sheep",
    "sofa",
    "train",
    "tv/monitor",
)
VOID = 255


def colour_map(count: int = 256) -> np.ndarray:
    """The colours of PASCAL VOC's labels, uint8 count×3, as the challenge's development kit makes them.

    The bits of the label are dealt out in turn to red, green and blue, from their highest bits down.

    >>> colour_map(3).tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    """
    labels = np.arange(count)[:, None]
    bits = [((labels >> (3 * i + np.arange(3))) & 1) << (7 - i) for i in range(8)]
    return np.sum(bits, axis=0).astype(np.uint8)


PALETTE = colour_map(len(CLASSES))


class VOC2012(FolderDataset):
    """One split: (image uint8 H×W×3, labels int64 H×W with 0 background, 1–20 and void 255 at the borders of things).

    The splits are the lists of `ImageSets/Segmentation`. Images differ in size, the longer side is about 500 pixels.
    """

    name, title = "voc2012", "PASCAL VOC 2012"
    splits = tuple(SPLITS)
    folders = ("voc2012", "VOC2012", "VOCdevkit/VOC2012")
    classes, palette, void = CLASSES, PALETTE, VOID

    def __init__(self, split: str, folder: str | Path):
        super().__init__(split, folder)
        self.names = listed_names(_list(self.folder, split))

    @classmethod
    def check_split(cls, split: str) -> None:
        """Raises `ValueError` where there is no such split."""
        if split == "test":
            raise ValueError("split='test' of PASCAL VOC 2012 has no published labels; report 'val'")
        super().check_split(split)

    @staticmethod
    def holds(folder: Path) -> bool:
        """Whether the folder holds PASCAL VOC's images, labels and lists."""
        return all((folder / part).is_dir() for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"))

    @classmethod
    def fetch(cls, root: Path) -> Path:
        """Downloads PASCAL VOC 2012."""
        return download_voc2012(root)

    def image_path(self, index: int) -> Path:
        """The photograph."""
        return self.folder / "JPEGImages" / f"{self.names[index]}.jpg"

    def label_path(self, index: int) -> Path:
        """The labels, a palette image."""
        return self.folder / "SegmentationClass" / f"{self.names[index]}.png"


def download_voc2012(root: str | Path, archive: Archive = ARCHIVE, complete: bool = True) -> Path:
    """Fetches the archive (2 GB) and unpacks what segmentation needs of it to `root`/voc2012; returns that folder.

    `complete` demands that each list has as many names as was published. Raises `DownloadError` where the archive
    cannot be fetched or is not as expected, and then leaves nothing half-made behind.
    """

    def check(folder: Path) -> None:
        for split, wanted in SPLITS.items():
            path = _list(folder, split)
            count = len(listed_names(path)) if path.exists() else 0
            if not count or (complete and count != wanted):
                raise DownloadError(f"{archive.url} lists {count} images to {split} and must list {wanted}")

    return fetch_folder("PASCAL VOC 2012", [archive], Path(root) / "voc2012", _place, check)


def _list(folder: Path, split: str) -> Path:
    return folder / "ImageSets" / "Segmentation" / f"{split}.txt"


def _place(name: str) -> str | None:
    """`VOCdevkit/VOC2012/<what is needed>` goes to `<what is needed>`."""
    inside = name.partition("VOC2012/")[2]
    return inside if inside.startswith(("JPEGImages/", "SegmentationClass/", "ImageSets/Segmentation/")) else None

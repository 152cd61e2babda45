"""CamVid: street scenes filmed from a car in Cambridge, 11 classes, 480×360 pixels.

Brostow, Fauqueur, Cipolla, "Semantic Object Classes in Video", Pattern Recognition Letters 2009, in the version of
Badrinarayanan, Kendall, Cipolla, "SegNet", PAMI 2017: 367 images to train, 101 to validate, 233 to test.

The pictures are for research and personal use and are not part of this course. Where they are looked for, in this
order: the argument `root`; the folder named by the environment variable `SEGEDU_DATA`; the user's cache. Each may be
the CamVid folder itself or hold one called `camvid` or `CamVid`. In it, `train`, `val` and `test` hold images (PNG or
JPEG), `trainannot`, `valannot` and `testannot` their labels (8-bit PNG, same names).
"""

from pathlib import Path

import numpy as np

from segedu.data.camvid_download import SPLITS, download_camvid
from segedu.data.dataset import FolderDataset
from segedu.data.images import DataError, images_by_name
from segedu.data.synthetic import street

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
PALETTE = np.array(
    [
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ],
    dtype=np.uint8,
)
"""The colours in which CamVid's labels are usually printed, one a class."""

VOID = 11


class CamVid(FolderDataset):
    """One split: `len(split)` pairs, `split[i]` is (image uint8 H×W×3, labels int64 H×W with 0–10 and void 11).

    Files are read when asked for. `names[i]` is the name of the i-th image without its ending.
    """

    name, title = "camvid", "CamVid"
    splits = tuple(SPLITS)
    folders = ("camvid", "CamVid")
    classes, palette, void = CLASSES, PALETTE, VOID

    def __init__(self, split: str, folder: str | Path):
        super().__init__(split, folder)
        self.images = images_by_name(self.folder / split)
        listed = self.folder / f"{split}.txt"
        self.names = _listed_names(listed) if listed.exists() else list(self.images)
        if not self.names:
            raise DataError(f"{self.folder / split} holds no images")

    @staticmethod
    def holds(folder: Path) -> bool:
        """Whether the folder holds CamVid's training images and labels."""
        return all((folder / part).is_dir() for part in ("train", "trainannot"))

    @classmethod
    def fetch(cls, root: Path) -> Path:
        """Downloads CamVid, see `segedu.data.camvid_download`."""
        return download_camvid(root)

    def image_path(self, index: int) -> Path:
        """The image file of a sample, PNG or JPEG."""
        name = self.names[index]
        if name not in self.images:
            raise DataError(f"image is missing: {self.folder / self.split / name}.png")
        return self.images[name]

    def label_path(self, index: int) -> Path:
        """The label file of a sample."""
        return self.folder / f"{self.split}annot" / f"{self.names[index]}.png"


def camvid(split: str, root: str | Path | None = None, download: bool = False) -> CamVid:
    """A split of CamVid, "train", "val" or "test", from `root`, from `SEGEDU_DATA` or from the user's cache.

    `download=True` fetches it into the cache when it is not found (see `segedu.data.camvid_download`). Otherwise
    `FileNotFoundError` says where it was looked for. Errors of single files are raised as `DataError` when they are
    read.

    >>> camvid("training")
    Traceback (most recent call last):
    ValueError: split='training' must be one of train, val, test
    """
    return CamVid.open(split, root, download)


def load(
    split: str, root: str | Path | None = None, download: bool = False, limit: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The first `limit` pairs of a split (all, by default) as arrays: images uint8 N×H×W×3 and labels int64 N×H×W."""
    dataset = camvid(split, root, download)
    pairs = dataset[: len(dataset) if limit is None else limit]
    sizes = {image.shape for image, _ in pairs}
    if len(sizes) > 1:
        raise DataError(f"the images of {dataset.folder / split} have different sizes: {sorted(sizes)}")
    return np.stack([image for image, _ in pairs]), np.stack([labels for _, labels in pairs])


def available(root: str | Path | None = None) -> bool:
    """Whether CamVid is on this machine.

    >>> available("/nowhere") in (True, False)
    True
    """
    return find(root) is not None


def find(root: str | Path | None = None) -> Path | None:
    """The CamVid folder, or None. With `root` given, only that is looked at.

    >>> find("/nowhere") is None
    True
    """
    return CamVid.find(root)


def camvid_or_street(split: str = "train", index: int = 0, root: str | Path | None = None, size=(360, 480)):
    """A CamVid pair, or a drawn street where CamVid is not on this machine: lectures run either way and say which.

    Returns (image uint8 H×W×3, labels int64 H×W, classes, palette, void, description). Nothing is downloaded.

    >>> image, labels, classes, palette, void, description = camvid_or_street(index=3, root="/nowhere", size=(48, 64))
    >>> image.shape, description
    ((48, 64, 3), 'a drawn street (seed 3); CamVid is not on this machine')
    """
    CamVid.check_split(split)
    if available(root):
        dataset = camvid(split, root)
        index %= len(dataset)
        description = f"CamVid, {split} split, {dataset.names[index]}"
        return *dataset[index], CLASSES, PALETTE, VOID, description
    seed = list(SPLITS).index(split) * 1_000_000 + index
    scene = street(seed, size)
    description = f"a drawn street (seed {seed}); CamVid is not on this machine"
    return scene.image, scene.labels, scene.classes, scene.palette, scene.void, description


def _listed_names(path: Path) -> list[str]:
    """Names from a list of one image a line; SegNet's lists hold "image label" paths, ours the bare name."""
    return [Path(line.split()[0]).stem for line in path.read_text().splitlines() if line.strip()]

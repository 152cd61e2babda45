"""CamVid: street scenes filmed from a car in Cambridge, 11 classes, 480×360 pixels.

Brostow, Fauqueur, Cipolla, "Semantic Object Classes in Video", Pattern Recognition Letters 2009, in the version of
Badrinarayanan, Kendall, Cipolla, "SegNet", PAMI 2017: 367 images to train, 101 to validate, 233 to test.

The pictures are for research and personal use and are not part of this course. Where they are looked for, in this
order: the argument `root`; the folder named by the environment variable `SEGEDU_DATA`; the user's cache. Each may be
the CamVid folder itself or hold one called `camvid` or `CamVid`. In it, `train`, `val` and `test` hold images (PNG or
JPEG), `trainannot`, `valannot` and `testannot` their labels (8-bit PNG, same names).
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import platformdirs
from PIL import Image, UnidentifiedImageError

from segedu.data.camvid_download import SPLITS, download_camvid
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
ENVIRONMENT = "SEGEDU_DATA"
_FOLDERS = ("camvid", "CamVid")
_IMAGES = (".png", ".jpg", ".jpeg")


class CamVidError(ValueError):
    """A file of the data set is missing or broken; the message names it."""


class CamVid(Sequence):
    """One split: `len(split)` pairs, `split[i]` is (image uint8 H×W×3, labels int64 H×W with 0–10 and void 11).

    Files are read when asked for. `names[i]` is the name of the i-th image without its ending.
    """

    def __init__(self, split: str, folder: Path):
        _check_split(split)
        self.split, self.folder = split, Path(folder)
        self.images = _images_by_name(self.folder / split)
        listed = self.folder / f"{split}.txt"
        self.names = _listed_names(listed) if listed.exists() else sorted(self.images)
        if not self.names:
            raise CamVidError(f"{self.folder / split} holds no images")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        name = self.names[index]
        if name not in self.images:
            raise CamVidError(f"image is missing: {self.folder / self.split / name}.png")
        image_path, label_path = self.images[name], self.folder / f"{self.split}annot" / f"{name}.png"
        image, labels = _read(image_path, "RGB"), _read_labels(label_path)
        if image.shape[:2] != labels.shape:
            raise CamVidError(
                f"{image_path} is {image.shape[0]}×{image.shape[1]} and its labels {label_path} are "
                f"{labels.shape[0]}×{labels.shape[1]}; they must be equally large"
            )
        return image, labels


def camvid(split: str, root: str | Path | None = None, download: bool = False) -> CamVid:
    """A split of CamVid, "train", "val" or "test", from `root`, from `SEGEDU_DATA` or from the user's cache.

    `download=True` fetches it into the cache when it is not found (see `segedu.data.camvid_download`). Otherwise
    `FileNotFoundError` says where it was looked for. Errors of single files are raised as `CamVidError` when they are
    read.

    >>> camvid("training")
    Traceback (most recent call last):
    ValueError: split='training' must be one of train, val, test
    """
    _check_split(split)
    folder = find(root)
    if folder is None and download:
        folder = download_camvid(root or cache_folder())
    if folder is None:
        raise FileNotFoundError(
            f"CamVid was not found in {', '.join(str(place) for place in _places(root))}. "
            f"Call camvid({split!r}, download=True), or let the environment variable {ENVIRONMENT} name its folder."
        )
    return CamVid(split, folder)


def load(
    split: str, root: str | Path | None = None, download: bool = False, limit: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The first `limit` pairs of a split (all, by default) as arrays: images uint8 N×H×W×3 and labels int64 N×H×W."""
    dataset = camvid(split, root, download)
    pairs = dataset[: len(dataset) if limit is None else limit]
    sizes = {image.shape for image, _ in pairs}
    if len(sizes) > 1:
        raise CamVidError(f"the images of {dataset.folder / split} have different sizes: {sorted(sizes)}")
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
    for place in _places(root):
        for folder in (place, *(place / name for name in _FOLDERS)):
            if all((folder / part).is_dir() for part in ("train", "trainannot")):
                return folder
    return None


def cache_folder() -> Path:
    """Where downloads go: the user's cache."""
    return Path(platformdirs.user_cache_dir("segedu"))


def camvid_or_street(split: str = "train", index: int = 0, root: str | Path | None = None, size=(360, 480)):
    """A CamVid pair, or a drawn street where CamVid is not on this machine: lectures run either way and say which.

    Returns (image uint8 H×W×3, labels int64 H×W, classes, palette, void, description). Nothing is downloaded.

    >>> image, labels, classes, palette, void, description = camvid_or_street(index=3, root="/nowhere", size=(48, 64))
    >>> image.shape, description
    ((48, 64, 3), 'a drawn street (seed 3); CamVid is not on this machine')
    """
    _check_split(split)
    if available(root):
        dataset = camvid(split, root)
        index %= len(dataset)
        description = f"CamVid, {split} split, {dataset.names[index]}"
        return *dataset[index], CLASSES, PALETTE, VOID, description
    seed = list(SPLITS).index(split) * 1_000_000 + index
    scene = street(seed, size)
    description = f"a drawn street (seed {seed}); CamVid is not on this machine"
    return scene.image, scene.labels, scene.classes, scene.palette, scene.void, description


def _check_split(split) -> None:
    if split not in SPLITS:
        raise ValueError(f"split={split!r} must be one of {', '.join(SPLITS)}")


def _places(root) -> list[Path]:
    if root is not None:
        return [Path(root)]
    named = os.environ.get(ENVIRONMENT)
    return ([Path(named)] if named else []) + [cache_folder()]


def _images_by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise CamVidError(f"folder is missing: {folder}")
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in _IMAGES}


def _listed_names(path: Path) -> list[str]:
    """Names from a list of one image a line; SegNet's lists hold "image label" paths, ours the bare name."""
    return [Path(line.split()[0]).stem for line in path.read_text().splitlines() if line.strip()]


def _read(path: Path, mode: str) -> np.ndarray:
    try:
        with Image.open(path) as file:
            return np.array(file.convert(mode)) if mode == "RGB" else np.array(file)
    except FileNotFoundError:
        raise CamVidError(f"file is missing: {path}") from None
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
        raise CamVidError(f"{path} cannot be read as an image: {error}") from error


def _read_labels(path: Path) -> np.ndarray:
    if not path.exists():
        raise CamVidError(f"labels are missing: {path}")
    labels = _read(path, "L")
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise CamVidError(
            f"{path} must be an 8-bit image of one channel, and is {labels.dtype} of shape {labels.shape}"
        )
    if labels.max(initial=0) > VOID:
        wrong = int(labels.max())
        raise CamVidError(f"{path} holds the label {wrong}; labels must be 0 to {VOID - 1}, or {VOID} for void")
    return labels.astype(np.int64)

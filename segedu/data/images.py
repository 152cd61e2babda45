"""Reads the files of data sets; whatever is missing or broken is named."""

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from segedu.data.dataset import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
"""Files that count as images."""

_BROKEN = (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError)


def images_by_name(folder: Path) -> dict[str, Path]:
    """The images of a folder by their names without ending, sorted; raises `DataError` without the folder, and where
    two files have the same name."""
    if not folder.is_dir():
        raise DataError(f"folder is missing: {folder}")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in ENDINGS and not path.name.startswith("."):
            if path.stem in found:
                raise DataError(f"{found[path.stem]} and {path} have the same name; one of them must go")
            found[path.stem] = path
    return found


def read_image(path: Path, mode: str = "RGB") -> np.ndarray:
    """An image file as uint8 H×W×3 ("RGB") or H×W×1 ("L")."""
    pixels = _read(path, mode)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def read_labels(path: Path) -> np.ndarray:
    """A label file as int64 H×W: the numbers of an 8-bit grey image, or the indices of a palette image."""
    if not path.exists():
        raise DataError(f"labels are missing: {path}")
    labels = _read(path)
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise DataError(f"{path} must be an 8-bit image of one channel, and is {labels.dtype} of shape {labels.shape}")
    return labels.astype(np.int64)


def size_of(path: Path) -> tuple[int, int]:
    """Height and width of an image file; only its header is read."""
    try:
        with Image.open(path) as file:
            return file.height, file.width
    except FileNotFoundError:
        raise DataError(f"file is missing: {path}") from None
    except _BROKEN as error:
        raise DataError(f"{path} cannot be read as an image: {error}") from error


def check_same_size(image: np.ndarray, labels: np.ndarray, image_path: Path, label_path: Path) -> None:
    """Raises `DataError` unless image and labels are equally large."""
    if image.shape[:2] != labels.shape:
        raise DataError(
            f"{image_path} is {image.shape[0]}×{image.shape[1]} and its labels {label_path} are "
            f"{labels.shape[0]}×{labels.shape[1]}; they must be equally large"
        )


def check_labels(labels: np.ndarray, count: int, void: int | None, path: Path) -> None:
    """Raises `DataError` where a label is neither below `count` nor `void`."""
    wrong = labels[(labels >= count) & (labels != (-1 if void is None else void))]
    if wrong.size:
        also = "" if void is None else f", or {void} for void"
        raise DataError(f"{path} holds the label {wrong.max()}; labels must be 0 to {count - 1}{also}")


def _read(path: Path, mode: str | None = None) -> np.ndarray:
    try:
        with Image.open(path) as file:
            return np.array(file.convert(mode) if mode else file)
    except FileNotFoundError:
        raise DataError(f"file is missing: {path}") from None
    except _BROKEN as error:
        raise DataError(f"{path} cannot be read as an image: {error}") from error

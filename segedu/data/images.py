"""Reads the files of data sets; whatever is missing or broken is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
"""Files that count as images."""

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, UnidentifiedImageError, Image.DecompressionBombError)


class DataError(ValueError):
    """A file of a data set is missing or broken; the message names it."""


def images_by_name(folder: Path) -> dict[str, Path]:
    """The images of a folder by their names without ending, sorted.

    Hidden files are left out. Raises `DataError` without the folder, and where two files have the same name.
    """
    if not folder.is_dir():
        raise DataError(f"folder is missing: {folder}")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in ENDINGS and not path.name.startswith("."):
            if path.stem in found:
                raise DataError(f"{found[path.stem]} and {path} have the same name; remove one of them")
            found[path.stem] = path
    return found


def listed_names(path: Path) -> list[str]:
    """The names that a text file lists, the first word of each line; empty lines and lines with # are left out."""
    if not path.exists():
        raise DataError(f"list is missing: {path}")
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return [words[0] for words in lines if words and not words[0].startswith("#")]


def read_image(path: Path, channels: int = 3) -> np.ndarray:
    """An image file as uint8 H×W×3 or, with `channels=1`, as grey H×W×1.

    More than 8 bits a channel raise `DataError`: nobody but you knows which part of their range is the picture.
    """
    pixels = _read(path, "L" if channels == 1 else "RGB")
    return pixels.reshape(*pixels.shape[:2], channels)


def read_labels(path: Path) -> np.ndarray:
    """A label file as int64 H×W: the numbers of an 8-bit grey image, or the indices of a palette image."""
    labels = read_label_file(path)
    if labels.ndim != 2:
        raise DataError(f"{path} must be an 8-bit image of one channel, and is {labels.dtype} of shape {labels.shape}")
    return labels.astype(np.int64)


def read_label_file(path: Path) -> np.ndarray:
    """A label file as it is: uint8 H×W (1-bit, grey, palette) or H×W×3 (colours); an alpha channel is left out."""
    if not path.exists():
        raise DataError(f"labels are missing: {path}")
    labels = _read(path)
    if labels.dtype == bool:
        labels = labels.astype(np.uint8)
    if labels.dtype != np.uint8:
        raise DataError(f"{path} must be an 8-bit image of one channel, and is {labels.dtype} of shape {labels.shape}")
    if labels.ndim == 3:
        return labels[:, :, 0] if labels.shape[2] == 2 else labels[:, :, :3]
    return labels


def size_of(path: Path) -> tuple[int, int]:
    """Height and width of an image file; only its header is read."""
    with _opened(path) as file:
        return file.height, file.width


def check_same_size(image: np.ndarray, labels: np.ndarray, image_path, label_path) -> None:
    """Raises `DataError` unless image and labels are equally large."""
    if image.shape[:2] != labels.shape:
        raise DataError(
            f"{image_path} is {image.shape[0]}×{image.shape[1]} and its labels {label_path} are "
            f"{labels.shape[0]}×{labels.shape[1]}; they must be equally large"
        )


def check_labels(labels: np.ndarray, count: int, void: int | None, path) -> None:
    """Raises `DataError` where a label is neither below `count` nor `void`."""
    if labels.max(initial=0) < count:
        return
    wrong = labels[(labels >= count) & (labels != (-1 if void is None else void))]
    if wrong.size:
        also = "" if void is None else f", or {void} for void"
        raise DataError(f"{path} holds the label {wrong.max()}; labels must be 0 to {count - 1}{also}")


def stack_size(path: Path) -> int:
    """How many pages a TIFF stack has."""
    with _opened(path) as file:
        return getattr(file, "n_frames", 1)


def read_page(path: Path, page: int) -> np.ndarray:
    """One page of a TIFF stack, grey: uint8 H×W×1."""
    return _read(path, "L", page)[:, :, None]


def _read(path: Path, mode: str | None = None, page: int = 0) -> np.ndarray:
    with _opened(path) as file:
        if page:
            file.seek(page)
        if mode and file.mode[0] in "IF":
            raise DataError(f"{path} has more than 8 bits a channel (mode {file.mode}); convert it to an 8-bit image")
        return np.array(file.convert(mode) if mode else file)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The opened file; whatever goes wrong with it names it."""
    try:
        with Image.open(path) as file:
            yield file
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"file is missing: {path}") from None
    except _BROKEN as error:
        raise DataError(f"{path} cannot be read as an image: {error}") from error

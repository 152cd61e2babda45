"""Photographs that come with scikit-image, so nothing is downloaded."""

from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

FILES = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "cell": "cell.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble": "hubble_deep_field.jpg",
    "immunohistochemistry": "ihc.png",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
}
"""Name of a photograph → its file in scikit-image."""


def names() -> tuple[str, ...]:
    """The photographs there are.

    >>> "astronaut" in names() and "coffee" in names()
    True
    """
    return tuple(FILES)


def photograph(name: str, size: int | tuple[int, int] | None = None) -> np.ndarray:
    """A photograph, uint8 H×W×3; grey ones hold three equal channels.

    `size` is (height, width), or one number for a square: the largest middle part of that shape is cut out and resized.
    Raises `ValueError` for a name that is not among `names()`, and for a size below 1. The photographs are those of
    scikit-image (van der Walt et al., PeerJ 2014), which says in its `data/README.txt` where each comes from.

    >>> photograph("coffee").shape, photograph("chelsea", size=(90, 120)).shape
    ((400, 600, 3), (90, 120, 3))
    """
    if name not in FILES:
        raise ValueError(f"name={name!r} must be one of {', '.join(FILES)}")
    path = Path(skimage.data.__file__).with_name(FILES[name])
    with Image.open(path) as file:
        image = file.convert("RGB")
    if size is not None:
        image = _cut_and_resize(image, *_pair(size))
    return np.array(image)


def _pair(size) -> tuple[int, int]:
    pair = (size, size) if isinstance(size, (int, np.integer)) else tuple(size)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"size={size} must be one number or (height, width), each at least 1")
    return int(pair[0]), int(pair[1])


def _cut_and_resize(image: Image.Image, height: int, width: int) -> Image.Image:
    scale = min(image.width / width, image.height / height)
    left, top = max(0.0, (image.width - scale * width) / 2), max(0.0, (image.height - scale * height) / 2)
    box = (left, top, min(image.width, left + scale * width), min(image.height, top + scale * height))
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box)


def as_chw(image: np.ndarray, dtype=np.float32) -> np.ndarray:
    """An image as networks take it: uint8 H×W×3 → 3×H×W in [0, 1], C-contiguous. H×W gives 1×H×W.

    >>> x = as_chw(photograph("coffee"))
    >>> x.shape, x.dtype.name, float(x.max()) <= 1
    ((3, 400, 600), 'float32', True)
    """
    image = np.asarray(image)
    if image.dtype != np.uint8:
        raise TypeError(f"image has dtype {image.dtype} and must be uint8")
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"image has shape {image.shape} and must be H×W, H×W×1 or H×W×3")
    return np.ascontiguousarray(image.transpose(2, 0, 1)).astype(dtype) / np.dtype(dtype).type(255)

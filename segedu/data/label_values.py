"""What the pixels of label files mean: numbers or colours on one side, classes 0, 1, 2, … and void on the other."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segedu.data.images import DataError, read_label_file
from segedu.data.voc2012 import colour_map

VOID = 255
"""The label of pixels that do not count, whatever their number or colour in the files."""

_COLOUR = 1 << 24


@dataclass(frozen=True)
class LabelValues:
    """The pixel values of each class: `values[k]`, a number or a colour (red, green, blue), means label k.

    `void` is the value of pixels that do not count, or None.

    >>> masks = LabelValues(classes=("ground", "plant"), values=(0, 255))
    >>> masks.labels(np.array([[0, 255], [255, 0]], np.uint8), "a.png").tolist()
    [[0, 1], [1, 0]]
    """

    classes: tuple[str, ...]
    values: Sequence[int | Sequence[int]]
    void: int | Sequence[int] | None = None

    def labels(self, pixels: np.ndarray, path: str | Path) -> np.ndarray:
        """A label file's pixels, uint8 H×W or H×W×3, as labels int64 H×W; `DataError` names a value of no class."""
        meanings = {code(value): label for label, value in enumerate(self.values)}
        if self.void is not None:
            meanings[code(self.void)] = VOID
        codes, known = codes_of(pixels), np.array(sorted(meanings))
        places = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        wrong = np.argwhere(known[places] != codes)
        if len(wrong):
            row, column = wrong[0]
            raise DataError(
                f"{path} holds {described(codes[row, column])} in row {row}, column {column}; "
                f"the classes are {', '.join(described(number) for number in known)}"
            )
        return np.array([meanings[number] for number in known.tolist()])[places]


def from_file(path: Path, coloured: bool, void: int | Sequence[int] | None) -> tuple[LabelValues, np.ndarray]:
    """The values and the palette that a `classes.json` says; `coloured` where the labels are images in colour."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        classes = tuple(map(str, content["classes"]))
        palette = np.array(content.get("palette", colour_map(len(classes))), np.uint8).reshape(-1, 3)
        numbers = [int(value) for value in content.get("values", range(len(classes)))]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise DataError(f'{path} must be like {{"classes": ["ground", "plant"], …}}: {error!r}') from error
    if coloured and "palette" not in content:
        raise DataError(f'{path} needs an entry "palette", the colour of each class, because the labels are in colour')
    if not len(classes) == len(numbers) == len(palette) <= VOID:
        raise DataError(
            f"{path} has {len(classes)} classes, {len(numbers)} values and {len(palette)} colours; "
            f"there must be as many of each, and at most {VOID}"
        )
    void = content.get("void") if void is None else void
    return LabelValues(classes, palette.tolist() if coloured else numbers, void), palette


def from_labels(files: Iterable[Path], void: int | Sequence[int] | None) -> tuple[LabelValues, np.ndarray]:
    """The values that label files hold, in rising order, each a class; the files are all read."""
    found = set()
    for path in files:
        found.update(np.unique(codes_of(read_label_file(path))).tolist())
        if len(found) > VOID + 1:
            raise DataError(f"{path} and the labels before it hold more than {VOID} values; are they label maps?")
    codes = sorted(found - {None if void is None else code(void)})
    if not codes:
        raise DataError("the labels hold nothing but void")
    values = tuple(value_of(number) for number in codes)
    coloured = all(isinstance(value, tuple) for value in values)
    palette = np.array(values, np.uint8) if coloured else colour_map(len(values))
    return LabelValues(tuple(described(number) for number in codes), values, void), palette


def codes_of(pixels: np.ndarray) -> np.ndarray:
    """One number a pixel: 0 to 255 for grey ones, above that for colours; int64 H×W."""
    if pixels.ndim == 2:
        return pixels.astype(np.int64)
    red, green, blue = np.moveaxis(pixels.astype(np.int64), 2, 0)
    return _COLOUR + (red << 16) + (green << 8) + blue


def code(value: int | Sequence[int]) -> int:
    """The number that `codes_of` gives a pixel of this value."""
    numbers = np.atleast_1d(value)
    if numbers.size not in (1, 3) or numbers.dtype.kind not in "iu" or not ((numbers >= 0) & (numbers <= 255)).all():
        raise ValueError(f"{value} must be a number from 0 to 255 or a colour of three such")
    pixels = numbers.astype(np.uint8).reshape((1, 1, 3) if numbers.size == 3 else (1, 1))
    return int(codes_of(pixels)[0, 0])


def value_of(number: int) -> int | tuple[int, int, int]:
    """The value that has this code.

    >>> value_of(code((0, 158, 115))), value_of(code(7))
    ((0, 158, 115), 7)
    """
    return number if number < _COLOUR else ((number >> 16) & 255, (number >> 8) & 255, number & 255)


def described(number: int) -> str:
    """A value in words."""
    value = value_of(int(number))
    return f"colour {value}" if isinstance(value, tuple) else f"value {value}"

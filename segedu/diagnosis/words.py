"""Numbers, positions and small arrays in words."""

import numpy as np

AXES = {
    1: ("position",),
    2: ("row", "column"),
    3: ("plane", "row", "column"),
    4: ("batch", "channel", "row", "column"),
}
WEIGHT_AXES = ("first axis", "second axis", "kernel row", "kernel column")


def position(index: tuple[int, ...], axes: tuple[str, ...] | None = None) -> str:
    """An index in words.

    >>> position((0, 1, 3, 0))
    'batch 0, channel 1, row 3, column 0'
    """
    if not index:
        return "the only element"
    axes = axes or AXES.get(len(index)) or tuple(f"axis {k}:" for k in range(len(index)))
    return ", ".join(f"{axis} {int(i)}" for axis, i in zip(axes, index, strict=True))


def number(value: object) -> str:
    """A number as short as it stays readable.

    >>> number(np.float32(0.1)), number(np.int64(12)), number(2.0)
    ('0.1', '12', '2')
    """
    value = np.asarray(value)
    if value.dtype.kind in "iu":
        return str(int(value))
    if value.dtype.kind != "f":
        return str(value.item())
    return f"{float(value):.7g}"


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun.

    >>> count(1, "row"), count(2, "row")
    ('1 row', '2 rows')
    """
    return f"{amount} {noun if amount == 1 else plural or noun + 's'}"


def sentence(text: str) -> str:
    """A text with the full stop that it lacks.

    >>> sentence("It is flipped"), sentence("Is it flipped?")
    ('It is flipped.', 'Is it flipped?')
    """
    return text if text.endswith(("?", ".", "!")) else f"{text}."


def kind(value: object) -> str:
    """What a value is, for a message: `a list`, `a PyTorch tensor`, `an array of shape (2, 3)`."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if type(value).__module__.split(".")[0] == "torch":
        return "a PyTorch tensor"
    name = type(value).__name__
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def side_by_side(actual: np.ndarray, expected: np.ndarray) -> str:
    """Two small arrays beside each other, an asterisk behind what differs; empty where they are larger than 6×6."""
    planes = [a.reshape(a.shape[-2:]) if _is_plane(a) else np.atleast_2d(a) for a in (actual, expected)]
    if any(p.ndim != 2 or p.size == 0 or max(p.shape) > 6 for p in planes):
        return ""
    left, right = (_cells(p) for p in planes)
    if planes[0].shape == planes[1].shape:
        different = ~_equal_looking(*planes)
        left = [
            [c + ("*" if d else " ") for c, d in zip(*row, strict=True)] for row in zip(left, different, strict=True)
        ]
    left, right = _block("got", left), _block("expected", right)
    width = max(map(len, left))
    rows = max(len(left), len(right))
    left, right = (block + [""] * (rows - len(block)) for block in (left, right))
    return "\n".join(f"  {a:<{width}}   {b}".rstrip() for a, b in zip(left, right, strict=True))


def _is_plane(array: np.ndarray) -> bool:
    return array.ndim >= 2 and all(n == 1 for n in array.shape[:-2])


def _cells(plane: np.ndarray) -> list[list[str]]:
    return [[f"{float(v):.4g}" if plane.dtype.kind == "f" else str(v) for v in row] for row in plane]


def _equal_looking(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind in "iub" and b.dtype.kind in "iub":
        return a == b
    return np.isclose(a.astype(float), b.astype(float), rtol=1e-5, atol=1e-6, equal_nan=True)


def _block(title: str, cells: list[list[str]]) -> list[str]:
    width = max(len(c) for row in cells for c in row)
    return [title] + [" ".join(c.rjust(width) for c in row) for row in cells]

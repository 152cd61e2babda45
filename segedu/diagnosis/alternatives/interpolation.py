"""interpolate computed otherwise."""

from collections.abc import Callable

import numpy as np

from segedu.diagnosis.alternatives.changes import SWAPPED, Change, Entry, edit, put, run, swap


def _mode(mode: str, align: bool | None = None) -> Change:
    return put(mode=mode, align_corners=align)


def _index(places: np.ndarray) -> object:
    import torch

    return torch.from_numpy(places)


def _bilinear_at(half: float, lowest: float | None) -> Callable:
    """Bilinear, where output pixel i lies at (i + half)·in / out − half, and at `lowest` or above."""

    def compute(p: dict) -> object:
        if p.get("mode") != "bilinear" or p.get("align_corners"):
            return None
        x, size = p["x"], run("interpolate", p).shape[-2:]
        for dim, output in ((-2, size[0]), (-1, size[1])):
            pixels = x.shape[dim]
            u = ((np.arange(output) + half) * (pixels / output) - half).clip(min=lowest)
            left = np.maximum(np.floor(u), 0).astype(np.int64)
            share = x.new_tensor(u - left)
            share = share[:, None] if dim == -2 else share
            right = x.index_select(dim, _index(np.minimum(left + 1, pixels - 1)))
            x = (1 - share) * x.index_select(dim, _index(left)) + share * right
        return x

    return compute


INTERPOLATE: tuple[Entry, ...] = (
    (
        "with align_corners=True",
        Change(lambda p: p | {"align_corners": True} if p.get("mode") in ("bilinear", "bicubic") else None),
    ),
    (
        "with align_corners=False: pixel centres lie at (i + 0.5)·scale − 0.5",
        Change(lambda p: p | {"align_corners": False} if p.get("align_corners") else None),
    ),
    (
        "with coordinates i·in / out: the half pixel is missing, (i + 0.5)·in / out − 0.5",
        _bilinear_at(half=0, lowest=0),
    ),
    ("with coordinates below 0 left as they are: clip them to 0", _bilinear_at(half=0.5, lowest=None)),
    ("with mode='nearest'", _mode("nearest")),
    ("with mode='nearest-exact': 'nearest' takes floor(i·in / out), it does not round", _mode("nearest-exact")),
    ("with mode='bilinear'", _mode("bilinear", False)),
    ("with mode='bilinear' and align_corners=True", _mode("bilinear", True)),
    ("with mode='bicubic'", _mode("bicubic", False)),
    ("with mode='area': each value is the mean of what it covers", _mode("area")),
    ("with size" + SWAPPED, edit("size", swap)),
    ("with scale_factor" + SWAPPED, edit("scale_factor", swap)),
    ("with the scale computed from the sizes: a given scale_factor is used as it is", put(recompute_scale_factor=True)),
)

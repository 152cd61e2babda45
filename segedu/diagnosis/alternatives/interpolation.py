"""interpolate computed otherwise."""

from segedu.diagnosis.alternatives.changes import SWAPPED, Change, Entry, edit, put, swap


def _mode(mode: str, align: bool | None = None) -> Change:
    return put(mode=mode, align_corners=align)


INTERPOLATE: tuple[Entry, ...] = (
    (
        "with align_corners=True",
        Change(lambda p: p | {"align_corners": True} if p.get("mode") in ("bilinear", "bicubic") else None),
    ),
    (
        "with align_corners=False: pixel centres lie at (i + 0.5)·scale − 0.5",
        Change(lambda p: p | {"align_corners": False} if p.get("align_corners") else None),
    ),
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

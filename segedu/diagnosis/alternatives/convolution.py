"""conv2d and conv_transpose2d computed otherwise."""

from segedu.diagnosis.alternatives.changes import (
    SWAPPED,
    Change,
    Entry,
    edit,
    exchange,
    functional,
    padded,
    pair,
    put,
    run,
    swap,
)


def _same_before(p: dict) -> dict | None:
    """padding='same' with the odd row on top and the odd column at the left."""
    if p.get("padding") != "same":
        return None
    steps = pair(p.get("dilation", 1))
    extra = [d * (k - 1) for d, k in zip(steps, p["weight"].shape[-2:], strict=True)]
    (top, bottom), (left, right) = ((e - e // 2, e // 2) for e in extra)
    return p | {"x": functional().pad(p["x"], (left, right, top, bottom)), "padding": 0}


def _one_input_channel(k: int) -> Change:
    def change(p: dict) -> dict | None:
        if p.get("groups", 1) != 1 or p["weight"].shape[1] < 2:
            return None
        channel = slice(k, None) if k < 0 else slice(k, k + 1)
        return p | {"x": p["x"][..., channel, :, :], "weight": p["weight"][:, channel]}

    return Change(change)


def _first_group(p: dict) -> dict:
    return p | {"x": p["x"][..., : p["weight"].shape[1], :, :], "groups": 1}


def _without_tap(axis: int) -> Change:
    def change(p: dict) -> dict | None:
        size = p["weight"].shape[axis]
        keep = p["weight"].new_ones(size)
        keep[-1] = 0
        return p | {"weight": p["weight"] * (keep if axis == -1 else keep[:, None])} if size > 1 else None

    return Change(change)


_KERNEL: tuple[Entry, ...] = (
    ("with the kernel's rows reversed", edit("weight", lambda w: w.flip(-2))),
    ("with the kernel's columns reversed", edit("weight", lambda w: w.flip(-1))),
    ("with the kernel's rows and columns swapped", edit("weight", lambda w: w.transpose(-1, -2))),
    ("with the weight's input and output channels swapped", edit("weight", lambda w: w.transpose(0, 1))),
    ("without the kernel's last row: does a range end one too early?", _without_tap(-2)),
    ("without the kernel's last column: does a range end one too early?", _without_tap(-1)),
    ("with padding=0: the padding is left out", put(padding=0)),
    ("with padding" + SWAPPED, edit("padding", swap)),
    ("with stride=1: the stride is ignored", put(stride=1)),
    ("with stride" + SWAPPED, edit("stride", swap)),
    ("with dilation=1: the dilation is ignored", put(dilation=1)),
    ("with dilation" + SWAPPED, edit("dilation", swap)),
    ("with stride and dilation exchanged", exchange("stride", "dilation")),
    ("with bias=None: the bias is not added", put(bias=None)),
    ("with the bias added twice", edit("bias", lambda b: 2 * b)),
    ("with the bias subtracted", edit("bias", lambda b: -b)),
    ("with the bias of the channels reversed", edit("bias", lambda b: b.flip(0))),
    ("with the first bias for every channel", edit("bias", lambda b: b[:1].expand(len(b)))),
)
CONV2D: tuple[Entry, ...] = (
    (
        "with the kernel flipped, rows and columns reversed: conv2d is a cross-correlation, it does not flip",
        edit("weight", lambda w: w.flip(-2, -1)),
    ),
    *_KERNEL,
    ("with the padding filled by copies of the border, not by zeros", padded("replicate")),
    ("with the padding filled by mirroring, not by zeros", padded("reflect")),
    (
        "with the odd row of padding='same' on top and at the left: it belongs to the bottom and right",
        Change(_same_before),
    ),
    ("of the first input channel only: the sum over input channels is missing", _one_input_channel(0)),
    (
        "of the last input channel only: add the input channels up (+=), each overwrote the one before",
        _one_input_channel(-1),
    ),
    ("with the first group's channels for every group: the groups are ignored", Change(_first_group)),
)


def overwritten_transpose(p: dict) -> object:
    """Each window written over the earlier ones: assignment in place of addition."""
    n, _, h, w = p["x"].shape
    (_, channels, kh, kw), (sy, sx), (py, px) = p["weight"].shape, pair(p.get("stride", 1)), pair(p.get("padding", 0))
    oy, ox = pair(p.get("output_padding", 0))
    if h * w > 4096 or p.get("groups", 1) != 1 or pair(p.get("dilation", 1)) != (1, 1):
        return None
    out = p["x"].new_zeros(n, channels, (h - 1) * sy + kh + oy, (w - 1) * sx + kw + ox)
    for i in range(h):
        for j in range(w):
            out[:, :, i * sy : i * sy + kh, j * sx : j * sx + kw] = (
                p["x"][:, :, i, j].matmul(p["weight"].flatten(1)).view(n, channels, kh, kw)
            )
    out = out[:, :, py : out.shape[2] - py, px : out.shape[3] - px]
    return out if p.get("bias") is None else out + p["bias"][:, None, None]


CONV_TRANSPOSE2D: tuple[Entry, ...] = (
    (
        "with the kernel flipped, rows and columns reversed: each input value stamps the kernel as it is",
        edit("weight", lambda w: w.flip(-2, -1)),
    ),
    *_KERNEL,
    ("with output_padding=0: it is left out", put(output_padding=0)),
    ("with overlapping stamps overwritten: add them up (+=)", overwritten_transpose),
    ("replaced by conv2d: rows and columns must be stamped, not gathered", lambda p: run("conv2d", p)),
)

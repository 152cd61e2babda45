"""Pooling and unpooling computed otherwise."""

from collections.abc import Callable

from segedu.diagnosis.alternatives.changes import SWAPPED, Change, Entry, edit, functional, padded, pair, put, run, swap


def _smaller_windows(operator: str) -> Callable:
    def compute(p: dict) -> object:
        kh, kw = pair(p["kernel_size"])
        stride = p.get("stride") or (kh, kw)
        full = run(operator, p, return_indices=False) if operator == "max_pool2d" else run(operator, p)
        out = run(operator, p, kernel_size=(max(1, kh - 1), max(1, kw - 1)), stride=stride)
        cut = (..., slice(full.shape[-2]), slice(full.shape[-1]))
        return tuple(o[cut] for o in out) if isinstance(out, tuple) else out[cut]

    return compute


def _minimum(p: dict) -> object:
    out = run("max_pool2d", p, x=-p["x"])
    return (-out[0], out[1]) if isinstance(out, tuple) else -out


def _without_indices(operator: str, p: dict) -> object:
    return run(operator, {k: v for k, v in p.items() if k not in ("return_indices", "dilation")})


_WINDOW: tuple[Entry, ...] = (
    ("with padding=0: the padding is left out", put(padding=0)),
    ("with stride=1: the stride is ignored", put(stride=1)),
    ("with stride=kernel_size: the stride is ignored", put(stride=None)),
    (
        "with the other ceil_mode: floor where ceil is asked for, or the reverse",
        Change(lambda p: p | {"ceil_mode": not p.get("ceil_mode", False)}),
    ),
    ("with kernel_size" + SWAPPED, edit("kernel_size", swap)),
    ("with stride" + SWAPPED, edit("stride", swap)),
    ("with padding" + SWAPPED, edit("padding", swap)),
)
MAX_POOL2D: tuple[Entry, ...] = (
    ("with the padding filled by 0: fill it with -inf, which never wins", padded("constant")),
    *_WINDOW,
    ("with dilation=1: the dilation is ignored", put(dilation=1)),
    ("with dilation" + SWAPPED, edit("dilation", swap)),
    ("with the minimum in place of the maximum", _minimum),
    ("replaced by avg_pool2d: the mean in place of the maximum", lambda p: _without_indices("avg_pool2d", p)),
    (
        "with NaN passed over: a window with NaN gives NaN",
        edit("x", lambda x: x.nan_to_num(nan=float("-inf"), posinf=float("inf"), neginf=float("-inf"))),
    ),
    ("with windows one row and one column smaller: does a range end too early?", _smaller_windows("max_pool2d")),
)
AVG_POOL2D: tuple[Entry, ...] = (
    (
        "with the other count_include_pad: do padded zeros count in the mean?",
        Change(lambda p: p | {"count_include_pad": not p.get("count_include_pad", True)}),
    ),
    ("with divisor_override left out", put(divisor_override=None)),
    ("without its division: each value is the sum of its window", put(divisor_override=1)),
    (
        "divided by the whole kernel's size everywhere",
        Change(lambda p: p | {"divisor_override": pair(p["kernel_size"])[0] * pair(p["kernel_size"])[1]}),
    ),
    *_WINDOW,
    (
        "replaced by max_pool2d",
        lambda p: run(
            "max_pool2d", {k: p[k] for k in ("x", "kernel_size", "stride", "padding", "ceil_mode") if k in p}
        ),
    ),
    ("with windows one row and one column smaller: does a range end too early?", _smaller_windows("avg_pool2d")),
)


def _even_windows(p: dict) -> object:
    (h, w), (oh, ow) = p["x"].shape[-2:], pair(p["output_size"])
    size = (h // oh, w // ow)
    return functional().avg_pool2d(p["x"], size, size)[..., :oh, :ow]


def _disjoint_windows(p: dict) -> object:
    import torch

    (h, w), (oh, ow) = p["x"].shape[-2:], pair(p["output_size"])
    rows = [p["x"][..., i * h // oh : (i + 1) * h // oh, :].mean(-2, keepdim=True) for i in range(oh)]
    x = torch.cat(rows, -2)
    return torch.cat([x[..., j * w // ow : (j + 1) * w // ow].mean(-1, keepdim=True) for j in range(ow)], -1)


ADAPTIVE_AVG_POOL2D: tuple[Entry, ...] = (
    ("with output_size" + SWAPPED, edit("output_size", swap)),
    ("with windows that all have the size floor(in / out)", _even_windows),
    ("with windows that end at floor((i + 1)·in / out): they end at the ceiling and may overlap", _disjoint_windows),
    ("with the maximum in place of the mean", lambda p: functional().adaptive_max_pool2d(p["x"], p["output_size"])),
)


def _added_unpooling(p: dict) -> object:
    out = run("max_unpool2d", p)
    flat = out.new_zeros(*out.shape[:-2], out.shape[-2] * out.shape[-1])
    return flat.scatter_add(-1, p["indices"].flatten(-2), p["x"].flatten(-2)).view(out.shape)


def _swapped_indices(p: dict) -> object:
    h, w = run("max_unpool2d", p).shape[-2:]
    return run("max_unpool2d", p, indices=p["indices"] % w * h + p["indices"] // w)


MAX_UNPOOL2D: tuple[Entry, ...] = (
    ("with stride=kernel_size: the stride is ignored", put(stride=None)),
    ("with padding=0: the padding is left out", put(padding=0)),
    ("with output_size left out", put(output_size=None)),
    ("with repeated indices added up: the last one is kept", _added_unpooling),
    ("with rows and columns of the indices swapped: index = row·width + column", _swapped_indices),
    ("with each value repeated over its window: only the place of the maximum gets it", lambda p: _repeated(p)),
)


def _repeated(p: dict) -> object:
    kh, kw = pair(p["kernel_size"])
    return p["x"].repeat_interleave(kh, -2).repeat_interleave(kw, -1)

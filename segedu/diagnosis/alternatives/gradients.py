"""Gradients computed otherwise: overwritten in place of added, shared otherwise in a tie."""

import numpy as np

from segedu.diagnosis.alternatives.changes import Entry, pair, run
from segedu.diagnosis.alternatives.convolution import overwritten_transpose


def _overwritten_pooling(p: dict) -> object:
    """The gradient of max pooling, assigned in place of added where windows share a maximum."""
    p = dict(p)
    g = p.pop("grad_output")
    p["return_indices"] = True
    indices = run("max_pool2d", p)[1].numpy()
    out = np.zeros((*p["x"].shape[:-2], p["x"].shape[-2] * p["x"].shape[-1]), g.numpy().dtype)
    flat = out.reshape(-1, out.shape[-1])
    rows = np.arange(len(flat))[:, None]
    flat[rows, indices.reshape(len(flat), -1)] = g.numpy().reshape(len(flat), -1)
    return flat.reshape(p["x"].shape)


def _every_maximum(p: dict) -> object:
    """The gradient of max pooling given to every maximum of a window, not to the first only (disjoint windows)."""
    g = p["grad_output"]
    kh, kw = pair(p["kernel_size"])
    if p.get("stride") not in (None, p["kernel_size"], (kh, kw)) or p.get("padding", 0) not in (0, (0, 0)):
        return None
    out = run("max_pool2d", p, return_indices=False)
    h, w = out.shape[-2] * kh, out.shape[-1] * kw
    grow = [t.repeat_interleave(kh, -2).repeat_interleave(kw, -1) for t in (out, g)]
    gradient = p["x"].new_zeros(p["x"].shape)
    gradient[..., :h, :w] = (p["x"].detach()[..., :h, :w] == grow[0]) * grow[1]
    return gradient.detach().numpy()


def _overwritten_average(p: dict) -> object:
    """The gradient of average pooling, assigned in place of added where windows overlap."""
    g, (kh, kw) = p["grad_output"], pair(p["kernel_size"])
    kernel = g.new_ones(1, 1, kh, kw) / (p.get("divisor_override") or kh * kw)
    rest = {"stride": p.get("stride") or (kh, kw), "padding": p.get("padding", 0)}
    return _stamped(p, {"x": g.reshape(-1, 1, *g.shape[-2:]), "weight": kernel, **rest})


def _overwritten_convolution(p: dict) -> object:
    """The gradient of conv2d for its input, assigned in place of added where windows overlap."""
    if p.get("groups", 1) != 1:
        return None
    rest = {k: p[k] for k in ("stride", "padding") if k in p}
    return _stamped(p, {"x": p["grad_output"], "weight": p["weight"], **rest})


def _stamped(p: dict, stamps: dict) -> object:
    small = overwritten_transpose(stamps | {"output_padding": 0, "padding": 0})
    if small is None:
        return None
    top, left = pair(stamps.get("padding", 0))
    h, w = p["x"].shape[-2:]
    full = small.new_zeros(*small.shape[:2], max(h + 2 * top, small.shape[2]), max(w + 2 * left, small.shape[3]))
    full[..., : small.shape[2], : small.shape[3]] = small
    return full[..., top : top + h, left : left + w].reshape(p["x"].shape).detach().numpy()


_OVERLAP = "with overlapping windows overwritten: add their contributions up (+=, np.add.at)"
GRADIENTS: dict[str, tuple[Entry, ...]] = {
    "max_pool2d": (
        ("with shared maxima overwritten: add their contributions up (np.add.at)", _overwritten_pooling),
        ("with the gradient given to every maximum of a tie: the first one gets it all", _every_maximum),
    ),
    "avg_pool2d": ((_OVERLAP, _overwritten_average),),
    "conv2d": ((_OVERLAP, _overwritten_convolution),),
}

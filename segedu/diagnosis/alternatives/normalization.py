"""Batch normalisation computed otherwise."""

from collections.abc import Callable

from segedu.diagnosis.alternatives.changes import Entry, exchange, put


def _normalised(
    axes: tuple[int, ...], *, unbiased: bool = False, outside: bool = False, centre: bool = True
) -> Callable:
    """Batch normalisation with its statistics taken otherwise."""

    def compute(p: dict) -> object:
        x, eps, training = p["x"], p.get("eps", 1e-5), p.get("training", False)
        shape = (1, -1) + (1,) * (x.ndim - 2)
        mean = x.mean(axes, keepdim=True) if training else p["running_mean"].view(shape)
        var = x.var(axes, unbiased=unbiased, keepdim=True) if training else p["running_var"].view(shape)
        y = (x - mean if centre else x) / (var.sqrt() + eps if outside else (var + eps).sqrt())
        y = y * p["weight"].view(shape) if p.get("weight") is not None else y
        return y + p["bias"].view(shape) if p.get("bias") is not None else y

    return compute


BATCH_NORM: tuple[Entry, ...] = (
    ("with training=True: the statistics of the batch in place of the running ones", put(training=True)),
    ("with training=False: the running statistics in place of those of the batch", put(training=False)),
    ("with weight=None: the scale is left out", put(weight=None)),
    ("with bias=None: the shift is left out", put(bias=None)),
    ("with eps=0: it is left out", put(eps=0.0)),
    ("with the unbiased variance: divide by n, not by n − 1", _normalised((0, 2, 3), unbiased=True)),
    ("with eps outside the square root", _normalised((0, 2, 3), outside=True)),
    ("without subtracting the mean", _normalised((0, 2, 3), centre=False)),
    ("with statistics per image (instance norm): take them over the batch too", _normalised((2, 3))),
    ("with statistics over the channels too (layer norm)", _normalised((1, 2, 3))),
    ("with one mean and variance for all channels", _normalised((0, 1, 2, 3))),
    ("with statistics per position: take them over rows and columns too", _normalised((0,))),
    ("with the mean's and the variance's running values exchanged", exchange("running_mean", "running_var", None)),
)

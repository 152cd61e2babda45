"""The table: for each operator, what beginners compute instead, as PyTorch computes it.

An entry is a description, which continues "Your result equals PyTorch's conv2d …", and either a `Change` of the named
arguments or a function that computes the output from them. Arguments are tensors; all of it is differentiable, so the
table serves gradients too. An entry that fails for the arguments at hand is skipped.
"""

from segedu.diagnosis.alternatives.changes import Change, Entry, edit, put
from segedu.diagnosis.alternatives.convolution import CONV2D, CONV_TRANSPOSE2D
from segedu.diagnosis.alternatives.gradients import GRADIENTS
from segedu.diagnosis.alternatives.interpolation import INTERPOLATE
from segedu.diagnosis.alternatives.losses import CROSS_ENTROPY, LOG_SOFTMAX, SOFTMAX, losses
from segedu.diagnosis.alternatives.normalization import BATCH_NORM
from segedu.diagnosis.alternatives.pooling import ADAPTIVE_AVG_POOL2D, AVG_POOL2D, MAX_POOL2D, MAX_UNPOOL2D

__all__ = ["ALTERNATIVES", "GRADIENTS", "Change"]

ALTERNATIVES: dict[str, tuple[Entry, ...]] = {
    "conv2d": CONV2D,
    "conv_transpose2d": CONV_TRANSPOSE2D,
    "max_pool2d": MAX_POOL2D,
    "avg_pool2d": AVG_POOL2D,
    "adaptive_avg_pool2d": ADAPTIVE_AVG_POOL2D,
    "max_unpool2d": MAX_UNPOOL2D,
    "interpolate": INTERPOLATE,
    "cross_entropy": CROSS_ENTROPY,
    "nll_loss": losses("nll_loss"),
    "softmax": SOFTMAX,
    "log_softmax": LOG_SOFTMAX,
    "batch_norm": BATCH_NORM,
    "relu": (
        ("with negative values kept: nothing has changed", lambda p: p["x"]),
        ("of the absolute value", lambda p: p["x"].abs()),
        ("of minus x", edit("x", lambda x: -x)),
        ("replaced by 1 where x is positive", lambda p: (p["x"] > 0).to(p["x"].dtype)),
    ),
    "linear": (
        ("with the weight transposed", edit("weight", lambda w: w.T)),
        ("with bias=None: the bias is not added", put(bias=None)),
        ("with the bias added twice", edit("bias", lambda b: 2 * b)),
    ),
    "cat": (
        *((f"with dim={k}", put(dim=k)) for k in range(4)),
        ("with the arrays in reverse order", edit("x", lambda arrays: list(arrays)[::-1])),
    ),
}

"""The operators in CUDA C, one module a lecture: names and signatures of `segedu.numpy_ops`, NumPy or CuPy arrays.

`pooling.cu` holds the kernels of `pooling.py`, and so on. They run on the GPU where there is one and on the CPU
elsewhere; see `mode`. The same tests state the same facts about both sets of operators.
"""

from segedu.cuda_ops._launch import current_mode, mode
from segedu.cuda_ops.activations import (
    concatenate,
    concatenate_backward,
    dropout,
    dropout_backward,
    log_softmax,
    log_softmax_backward,
    relu,
    relu_backward,
    softmax,
    softmax_backward,
)
from segedu.cuda_ops.convolution import conv2d, conv2d_backward
from segedu.cuda_ops.normalization import batch_norm, batch_norm_backward
from segedu.cuda_ops.pooling import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from segedu.cuda_ops.transposed_convolution import conv_transpose2d, conv_transpose2d_backward
from segedu.cuda_ops.unpooling import max_unpool2d, max_unpool2d_backward
from segedu.cuda_ops.upsampling import interpolate, interpolate_backward, pixel_shuffle, pixel_shuffle_backward

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "concatenate",
    "concatenate_backward",
    "conv2d",
    "conv2d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "current_mode",
    "dropout",
    "dropout_backward",
    "interpolate",
    "interpolate_backward",
    "log_softmax",
    "log_softmax_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_unpool2d",
    "max_unpool2d_backward",
    "mode",
    "pixel_shuffle",
    "pixel_shuffle_backward",
    "relu",
    "relu_backward",
    "softmax",
    "softmax_backward",
]

"""The operators in NumPy, one module a lecture, with the names and signatures of `torch.nn.functional`."""

from segedu.numpy_ops.activations import (
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
from segedu.numpy_ops.convolution import conv2d, conv2d_backward
from segedu.numpy_ops.normalization import batch_norm, batch_norm_backward
from segedu.numpy_ops.pooling import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from segedu.numpy_ops.transposed_convolution import conv_transpose2d, conv_transpose2d_backward
from segedu.numpy_ops.unpooling import max_unpool2d, max_unpool2d_backward
from segedu.numpy_ops.upsampling import interpolate, interpolate_backward, pixel_shuffle, pixel_shuffle_backward

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
    "pixel_shuffle",
    "pixel_shuffle_backward",
    "relu",
    "relu_backward",
    "softmax",
    "softmax_backward",
]

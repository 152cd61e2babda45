"""The operators in CUDA C, one module a lecture: names and signatures of `segedu.numpy_ops`, NumPy or CuPy arrays.

`pooling.cu` holds the kernels of `pooling.py`, and so on. They run on the GPU where there is one and on the CPU
elsewhere; see `mode`. The same tests state the same facts about both sets of operators.
"""

from segedu.cuda_ops._launch import current_mode, mode
from segedu.cuda_ops.pooling import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "avg_pool2d",
    "avg_pool2d_backward",
    "current_mode",
    "max_pool2d",
    "max_pool2d_backward",
    "mode",
]

"""The operators in CUDA C, one module a lecture: names and signatures of `segedu.numpy_ops`, NumPy or CuPy arrays.

`pooling.cu` holds the kernels of `pooling.py`, and so on. They run on the GPU where there is one and on the CPU
elsewhere, unchecked: tested kernels need no checker, unlike a student's in a `cuda.RawModule`, whose "auto" means
"check" there. `with mode("check"):` checks these, too. The same tests state the same facts about both sets.
"""

from segedu.cuda_ops._launch import asarray, current_mode, mode
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
from segedu.cuda_ops.convolution import (
    conv2d,
    conv2d_backward,
)
from segedu.cuda_ops.losses import (
    cross_entropy,
    cross_entropy_backward,
    cross_entropy_with_gradient,
    nll_loss,
    nll_loss_backward,
)
from segedu.cuda_ops.lovasz import (
    lovasz_softmax,
    lovasz_softmax_backward,
    lovasz_softmax_with_gradient,
)
from segedu.cuda_ops.metrics import (
    class_accuracy,
    class_dice,
    confusion_matrix,
    frequency_weighted_iou,
    iou,
    mean_accuracy,
    mean_dice,
    mean_iou,
    micro_iou,
    panoptic_quality,
    pixel_accuracy,
    top_k_accuracy,
)
from segedu.cuda_ops.normalization import (
    batch_norm,
    batch_norm_backward,
)
from segedu.cuda_ops.pooling import (
    adaptive_avg_pool2d,
    adaptive_avg_pool2d_backward,
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from segedu.cuda_ops.region_losses import (
    dice_loss,
    dice_loss_backward,
    dice_loss_with_gradient,
    jaccard_loss,
    jaccard_loss_backward,
    jaccard_loss_with_gradient,
)
from segedu.cuda_ops.sets import (
    box_iou,
    cosine_coefficient,
    dice,
    dice_to_jaccard,
    jaccard,
    jaccard_to_dice,
)
from segedu.cuda_ops.transposed_convolution import (
    conv_transpose2d,
    conv_transpose2d_backward,
)
from segedu.cuda_ops.unpooling import (
    max_unpool2d,
    max_unpool2d_backward,
)
from segedu.cuda_ops.upsampling import (
    interpolate,
    interpolate_backward,
    pixel_shuffle,
    pixel_shuffle_backward,
)
from segedu.numpy_ops import PanopticQuality

__all__ = [
    "PanopticQuality",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_backward",
    "asarray",
    "avg_pool2d",
    "avg_pool2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "box_iou",
    "class_accuracy",
    "class_dice",
    "concatenate",
    "concatenate_backward",
    "confusion_matrix",
    "conv2d",
    "conv2d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "cosine_coefficient",
    "cross_entropy",
    "cross_entropy_backward",
    "cross_entropy_with_gradient",
    "current_mode",
    "dice",
    "dice_loss",
    "dice_loss_backward",
    "dice_loss_with_gradient",
    "dice_to_jaccard",
    "dropout",
    "dropout_backward",
    "frequency_weighted_iou",
    "interpolate",
    "interpolate_backward",
    "iou",
    "jaccard",
    "jaccard_loss",
    "jaccard_loss_backward",
    "jaccard_loss_with_gradient",
    "jaccard_to_dice",
    "log_softmax",
    "log_softmax_backward",
    "lovasz_softmax",
    "lovasz_softmax_backward",
    "lovasz_softmax_with_gradient",
    "max_pool2d",
    "max_pool2d_backward",
    "max_unpool2d",
    "max_unpool2d_backward",
    "mean_accuracy",
    "mean_dice",
    "mean_iou",
    "micro_iou",
    "mode",
    "nll_loss",
    "nll_loss_backward",
    "panoptic_quality",
    "pixel_accuracy",
    "pixel_shuffle",
    "pixel_shuffle_backward",
    "relu",
    "relu_backward",
    "softmax",
    "softmax_backward",
    "top_k_accuracy",
]

"""Mistakes in normalization.cu."""

from functools import partial

import numpy as np

from segedu import compare, cuda_ops, numpy_ops
from tests.mutants_cuda.mutant import Mutant, image

mutant = partial(Mutant, "normalization.cu")
X, FAR = image(2, 3, 17, 19), image(2, 3, 17, 19, seed=1) + np.float32(1000)  # two blocks a channel
WEIGHT, BIAS = image(3, seed=2), image(3, seed=3)
MEAN, VARIANCE = image(3, seed=4), np.abs(image(3, seed=5)) + np.float32(0.5)


def training():
    return compare.with_torch(cuda_ops.batch_norm, X, MEAN.copy(), VARIANCE.copy(), WEIGHT, BIAS, training=True)


def training_far_from_0():
    return compare.with_torch(cuda_ops.batch_norm, FAR, None, None, training=True)


def running():
    return compare.with_torch(cuda_ops.batch_norm, X, MEAN.copy(), VARIANCE.copy(), WEIGHT, BIAS)


def gradients():
    def backward(grad):
        dx, dweight, dbias = cuda_ops.batch_norm_backward(grad, X, None, None, WEIGHT, BIAS, training=True)
        return dx, dweight, dbias

    return compare.with_torch(numpy_ops.batch_norm, X, None, None, WEIGHT, BIAS, training=True, backward=backward)


BARRIER = "shared[96 + warp] = m.sum;\n  __syncthreads();"

MUTANTS = [
    mutant("channel_moments", "moments are read too early", training, BARRIER, BARRIER.replace("\n  __syncthreads();", ""), ("data race", "shared", "Put __syncthreads() between"), "moments_of_block"),
    mutant("channel_moments", "moments nobody wrote", training, "if (lane < warps) part", "part", ("uninitialised", "shared[", "no thread of its block has written there"), "moments_of_block"),
    mutant("channel_moments", "all blocks write the first part", training, "(channel * gridDim.x + blockIdx.x) * 4", "channel * gridDim.x * 4", ("data race", "Blocks run in any order")),
    mutant("channel_moments", "the old mean twice", training_far_from_0, "m.squares += apart * (plane[p] - m.mean)", "m.squares += apart * apart"),
    mutant("channel_moments", "a pixel too many", training, "p < pixels", "p <= pixels", ("out of bounds", "reads x[")),
    mutant("join_moments", "means apart are left out", training, "a.squares + b.squares + apart * apart * a.count * share", "a.squares + b.squares", inside="together"),
    mutant("join_moments", "variance without Bessel's correction undone", training, "m.squares / m.count", "m.squares / (m.count - 1)"),
    mutant("join_moments", "a part too many", training, "i < count", "i <= count", ("out of bounds", "reads parts[")),
    mutant("join_moments", "every lane writes", training, "if (threadIdx.x == 0) {", "{", ("data race", "Let one thread write")),
    mutant("normalize", "channels are counted wrong", training, "c = plane % channels", "c = plane / channels"),
    mutant("normalize", "eps is left out and the root, too", training, "1 / sqrt(variance[channel] + eps)", "1 / (variance[channel] + eps)", inside="scale_of"),
    mutant("normalize", "the bias is left out", training, "has_bias ? scaled + bias[c] : scaled", "scaled"),
    mutant("normalize_by_running", "the shift is added before the scale", running, " - mean[c] * scale", " - mean[c]"),
    mutant("normalize_by_running", "channels beyond the last", running, "c = plane % channels", "c = plane", ("out of bounds", "has 3 elements")),
    mutant("normalize_by_running", "all planes write the first", running, "y[plane * pixels + pixel] = ", "y[pixel] = ", ("data race",)),
    mutant("channel_gradient_sums", "partial sums are used again too early", gradients, "  if (warp == 0) value = warp_sum(value);\n  __syncthreads();", "  if (warp == 0) value = warp_sum(value);", ("data race", "this part runs again"), "block_sum"),
    mutant("channel_gradient_sums", "the mean is left out", gradients, "(x[plane + p] - mean[channel])", "x[plane + p]"),
    mutant("channel_gradient_sums", "both sums to one place", gradients, "(channels + channel) * gridDim.x + blockIdx.x", "channel * gridDim.x + blockIdx.x", ("uninitialised", "reads parts[1, 0, 0]")),
    mutant("sum_rows", "the lanes are not added up", gradients, "sum = warp_sum(sum);", ""),
    mutant("sum_rows", "the last row twice", gradients, "row < rows", "row <= rows", ("out of bounds", "reads parts[")),
    mutant("sum_rows", "a row of the warp's own", gradients, "sum = warp_sum(sum);", "if (threadIdx.x < count) sum = warp_sum(sum);", ("wrong warp mask",)),
    mutant("batch_norm_backward", "the mean of gradients is left out", gradients, "result -= sums[c] / values;", ""),
    mutant("batch_norm_backward", "sums of other channels", gradients, "sums[channels + c]", "sums[channels + c + 1]", ("out of bounds", "reads sums[6]")),
    mutant("batch_norm_backward", "added to what is empty", gradients, "dx[i] = ", "dx[i] += ", ("uninitialised", "dx[")),
]  # fmt: skip

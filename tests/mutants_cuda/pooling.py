"""Mistakes in pooling.cu."""

from functools import partial

import numpy as np

from segedu import compare, cuda_ops, numpy_ops
from tests.mutants_cuda.mutant import Mutant, as_numpy, image

mutant = partial(Mutant, "pooling.cu")
ONE, TIES, NAN = image(1, 1, 5, 6), image(2, 3, 5, 6, kind="ties"), image(1, 2, 5, 6, seed=1, kind="special")
LARGE, WIDE = image(1, 2, 9, 9, seed=2), image(1, 1, 1, 50_000, seed=3)
SHARED = np.arange(64).reshape(1, 1, 8, 8)
SHARED[0, 0, 5, 0] = 3  # windows 3 and 40, of different blocks
TO_SHARED = image(1, 1, 8, 8, seed=4)


def max_pool():
    return compare.with_torch(cuda_ops.max_pool2d, ONE, 3, stride=2, padding=1)


def max_pool_of_nan():
    return compare.with_torch(cuda_ops.max_pool2d, NAN, 3, stride=2, padding=1)


def indices():
    return compare.with_torch(cuda_ops.max_pool2d, TIES, 3, stride=(2, 1), padding=1, return_indices=True)


def max_gradient():
    return as_numpy("max_pool2d_backward", TO_SHARED, SHARED, (1, 1, 8, 8))


def average():
    return compare.with_torch(cuda_ops.avg_pool2d, ONE, 3, stride=2, padding=1)


def average_gradient():
    backward = partial(cuda_ops.avg_pool2d_backward, input_shape=ONE.shape, kernel_size=3, stride=2, padding=1)
    return compare.with_torch(numpy_ops.avg_pool2d, ONE, 3, stride=2, padding=1, backward=backward)


def adaptive():
    return compare.with_torch(cuda_ops.adaptive_avg_pool2d, ONE, (2, 4))


def adaptive_of_many():
    return compare.with_torch(cuda_ops.adaptive_avg_pool2d, WIDE, (1, 50_000))


def adaptive_by_warp():
    return compare.with_torch(cuda_ops.adaptive_avg_pool2d, LARGE, 1)


def adaptive_gradient():
    backward = partial(cuda_ops.adaptive_avg_pool2d_backward, input_shape=ONE.shape)
    return compare.with_torch(numpy_ops.adaptive_avg_pool2d, ONE, (2, 4), backward=backward)


BOUND, NO_ROWS = "if (row >= w.output[0] || column >= w.output[1]) return;", "if (column >= w.output[1]) return;"

MUTANTS = [
    mutant("max_pool2d", "threads below the image", max_pool, BOUND, NO_ROWS, ("out of bounds", "writes y[", "Test the index first")),
    mutant("max_pool2d", "padding above is read", max_pool, "if (r < 0 || r >= w.size[0])", "if (r >= w.size[0])", ("out of bounds", "before its beginning", "Padding"), "best_of_window"),
    mutant("max_pool2d", "NaN is passed over", max_pool_of_nan, " || isnan(value)", "", inside="best_of_window"),
    mutant("max_pool2d", "added to what is empty", max_pool, "y[place] = ", "y[place] += ", ("uninitialised", "instead of `y[i] += …`")),
    mutant("max_pool2d_with_indices", "the last of equals wins", indices, "value > best.value", "value >= best.value", inside="best_of_window", hint="the first one wins; yours is a later one"),
    mutant("max_pool2d_with_indices", "indices count over the batch", indices, "indices[place] = best.index", "indices[place] = plane * w.size[0] * w.size[1] + best.index"),
    mutant("max_pool2d_with_indices", "the stride of rows for columns", indices, "left = column * w.stride[1]", "left = column * w.stride[0]", inside="best_of_window"),
    mutant("max_pool2d_backward", "added without an atomic", max_gradient, "atomicAdd(&dx[plane * pixels + indices[plane * windows + window]], grad[plane * windows + window]);", "dx[plane * pixels + indices[plane * windows + window]] += grad[plane * windows + window];", ("data race", "dx[0, 0, 0, 3]", "atomicAdd")),
    mutant("max_pool2d_backward", "the windows of a thread too many", max_gradient, "if (window >= windows) return;", "if (window >= windows) return;\n  ++window;", ("out of bounds", "reads grad[64]")),
    mutant("max_pool2d_backward", "assigned instead of added", max_gradient, "atomicAdd(&dx[plane * pixels + indices[plane * windows + window]], grad[plane * windows + window]);", "atomicExch(&dx[plane * pixels + indices[plane * windows + window]], grad[plane * windows + window]);"),
    mutant("avg_pool2d", "the window leaves the image below", average, "r < smaller(top + w.kernel[0], w.size[0])", "r < top + w.kernel[0]", ("out of bounds", "reads x[")),
    mutant("avg_pool2d", "the window leaves the image above", average, "Index r = larger(top, 0)", "Index r = top", ("out of bounds", "before its beginning")),
    mutant("avg_pool2d", "padding does not count", average, "count_include_pad ? w.padding[axis] : 0", "0", inside="counted", hint="count_include_pad"),
    mutant("avg_pool2d_backward", "a window too many", average_gradient, "smaller((pixel + w.padding[axis]) / w.stride[axis], w.output[axis] - 1)", "(pixel + w.padding[axis]) / w.stride[axis]", ("out of bounds", "reads grad["), "last_window"),
    mutant("avg_pool2d_backward", "a window too few", average_gradient, "pixel + w.padding[axis] - w.kernel[axis] + 1", "pixel + w.padding[axis] - w.kernel[axis] + 2", inside="first_window"),
    mutant("avg_pool2d_backward", "added to what is empty", average_gradient, "+ column] = sum", "+ column] += sum", ("uninitialised", "dx")),
    mutant("adaptive_avg_pool2d", "windows end early", adaptive, "ceil_divide((i + 1) * size, output)", "(i + 1) * size / output", inside="adaptive_stop"),
    mutant("adaptive_avg_pool2d", "windows end late", adaptive, "ceil_divide((i + 1) * size, output)", "ceil_divide((i + 1) * size, output) + 1", ("out of bounds", "reads x[30]"), "adaptive_stop"),
    mutant("adaptive_avg_pool2d", "32 bits", adaptive_of_many, "(i + 1) * size", "(int)((i + 1) * size)", inside="adaptive_stop", orders=("forward",)),
    mutant("adaptive_avg_pool2d_by_warp", "the lanes are not added up", adaptive_by_warp, "sum = warp_sum(sum);", ""),
    mutant("adaptive_avg_pool2d_by_warp", "every lane writes", adaptive_by_warp, "if (lane == 0) y[window]", "y[window]", ("data race", "Let one thread write")),
    mutant("adaptive_avg_pool2d_by_warp", "only lanes with a column add up", adaptive_by_warp, "sum = warp_sum(sum);", "if (left + lane < right) sum = warp_sum(sum);", ("mask",)),
    mutant("adaptive_avg_pool2d_backward", "a window too many", adaptive_gradient, "ceil_divide((row + 1) * out_height, height) - 1", "ceil_divide((row + 1) * out_height, height)", ("out of bounds", "reads grad[")),
    mutant("adaptive_avg_pool2d_backward", "no division", adaptive_gradient, " / (T)(tall * wide)", ""),
]  # fmt: skip

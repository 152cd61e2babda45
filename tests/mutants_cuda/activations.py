"""Mistakes in activations.cu."""

from functools import partial

import numpy as np

from segedu import compare, cuda_ops, numpy_ops
from tests.mutants_cuda.mutant import Mutant, as_numpy, image

mutant = partial(Mutant, "activations.cu")
ODD, EVEN, TIES = image(601, seed=1), image(304, seed=2), image(301, seed=3, kind="ties")
TIES_BY_FOUR, NAN = image(304, seed=4, kind="ties"), image(301, seed=5, kind="special")
CLASSES, LONG, HUGE = image(1, 4, 3, 3, seed=6), image(3, 40, seed=7), image(2, 4, 3, seed=8) * np.float32(500)
HUGE_ROWS = image(3, 40, seed=9) * np.float32(500)
PAIR = image(2, 4, 3, 3, seed=10)
OUTPUT, LOG_OUTPUT = numpy_ops.softmax(CLASSES, 1), numpy_ops.log_softmax(CLASSES, 1)


def relu():
    return compare.with_torch(cuda_ops.relu, ODD)


def relu_of_nan():
    return compare.with_torch(cuda_ops.relu, NAN)


def relu_by_four():
    return compare.with_torch(cuda_ops.relu, EVEN)


def relu_gradient():
    return compare.with_torch(numpy_ops.relu, TIES, backward=lambda g: cuda_ops.relu_backward(g, TIES))


def relu_gradient_by_four():
    return compare.with_torch(numpy_ops.relu, TIES_BY_FOUR, backward=lambda g: cuda_ops.relu_backward(g, TIES_BY_FOUR))


def product():
    return as_numpy("dropout_backward", ODD, ODD[::-1].copy())


def softmax():
    return compare.with_torch(cuda_ops.softmax, CLASSES, 1)


def softmax_of_huge():
    return compare.with_torch(cuda_ops.softmax, HUGE, 1)


def log_softmax():
    return compare.with_torch(cuda_ops.log_softmax, CLASSES, 1)


def softmax_of_rows():
    return compare.with_torch(cuda_ops.softmax, LONG, 1)


def softmax_of_huge_rows():
    return compare.with_torch(cuda_ops.softmax, HUGE_ROWS, 1)


def log_softmax_of_rows():
    return compare.with_torch(cuda_ops.log_softmax, LONG, 1)


def softmax_gradient():
    backward = partial(cuda_ops.softmax_backward, output=OUTPUT, dim=1)
    return compare.with_torch(numpy_ops.softmax, CLASSES, 1, backward=backward)


def log_softmax_gradient():
    backward = partial(cuda_ops.log_softmax_backward, output=LOG_OUTPUT, dim=1)
    return compare.with_torch(numpy_ops.log_softmax, CLASSES, 1, backward=backward)


def pieces():
    return compare.with_torch(cuda_ops.concatenate, [PAIR[:, :3].copy(), PAIR], 1)


COLUMNS = "if (column >= inner) return;"

MUTANTS = [
    mutant("relu", "an element too many", relu, "i < count", "i <= count", ("out of bounds", "reads x[601]", "Test the index first")),
    mutant("relu", "a step of one block", relu, "i += thread_step()", "i += blockDim.x", ("data race", "Blocks run in any order")),
    mutant("relu", "NaN becomes 0", relu_of_nan, "x <= 0 ? (T)0 : x", "x > 0 ? x : (T)0", inside="positive"),
    mutant("relu_by_four", "as many steps as numbers", relu_by_four, "i < fours", "i < 4 * fours", ("out of bounds",)),
    mutant("relu_by_four", "a number twice", relu_by_four, "positive(v.c), positive(v.d)", "positive(v.c), positive(v.c)"),
    mutant("relu_by_four", "the sign of one of four", relu_by_four, "positive(v.b)", "positive(-v.b)"),
    mutant("relu_backward", "the slope at 0 is 1", relu_gradient, "x <= 0 ? (T)0 : grad", "x < 0 ? (T)0 : grad", inside="passing"),
    mutant("relu_backward", "an element too many", relu_gradient, "i < count", "i <= count", ("out of bounds", "[301]")),
    mutant("relu_backward_by_four", "gradients of neighbours", relu_gradient_by_four, "passing(g.a, v.a), passing(g.b, v.b)", "passing(g.b, v.a), passing(g.a, v.b)"),
    mutant("relu_backward_by_four", "a four too many", relu_gradient_by_four, "i < fours", "i <= fours", ("out of bounds", "reads ")),
    mutant("multiply", "squared", product, "a[i] * b[i]", "a[i] * a[i]"),
    mutant("multiply", "into what is empty", product, "product[i] = ", "product[i] += ", ("uninitialised", "product[")),
    mutant("softmax", "without the largest score", softmax_of_huge, "largest = max(largest, scores[k * inner])", "largest = 0"),
    mutant("softmax", "threads beyond the pixels", softmax, COLUMNS, "", ("out of bounds", "reads x[", "Test the index first")),
    mutant("softmax", "no division", softmax, " / sum", ""),
    mutant("log_softmax", "the logarithm is missing", log_softmax, "log_sum = log(sum)", "log_sum = sum"),
    mutant("log_softmax", "classes side by side", log_softmax, "result[k * inner] = scores[k * inner]", "result[k] = scores[k * inner]", ("data race",)),
    mutant("softmax_by_warp", "the sum only in lane 0", softmax_of_rows, "from_lane_0(warp_sum(sum))", "warp_sum(sum)"),
    mutant("softmax_by_warp", "each lane its own largest score", softmax_of_huge_rows, "largest = warp_max(largest);", ""),
    mutant("softmax_by_warp", "only lanes with a number join", softmax_of_rows, "largest = warp_max(largest);", "if (threadIdx.x + 32 < length) largest = warp_max(largest);", ("warp",)),
    mutant("softmax_by_warp", "a mask of half a warp", softmax_of_rows, "__shfl_sync(0xffffffff", "__shfl_sync(0x0000ffff", ("wrong warp mask", "is lane"), "from_lane_0"),
    mutant("log_softmax_by_warp", "a step of half a warp", log_softmax_of_rows, "k += 32) y[", "k += 16) y[", ("data race", "Let one thread write")),
    mutant("log_softmax_by_warp", "a number too many", log_softmax_of_rows, "k < length; k += 32) sum", "k <= length; k += 32) sum", ("out of bounds", "reads x[120]")),
    mutant("log_softmax_by_warp", "16 lanes are added up", log_softmax_of_rows, "int apart = 16", "int apart = 8", inside="warp_sum"),
    mutant("softmax_backward", "the mean is missing", softmax_gradient, " - mean)", ")"),
    mutant("softmax_backward", "the mean begins with garbage", softmax_gradient, "dx[first + k * inner] = y[first", "dx[first + k * inner] += y[first", ("uninitialised", "dx")),
    mutant("log_softmax_backward", "the exponential is missing", log_softmax_gradient, "exp(y[first + k * inner]) * sum", "y[first + k * inner] * sum"),
    mutant("log_softmax_backward", "threads beyond the pixels", log_softmax_gradient, COLUMNS, "", ("out of bounds", "reads grad[")),
    mutant("copy_pieces", "a number too many", pieces, "i >= length", "i > length", ("out of bounds", "reads source[")),
    mutant("copy_pieces", "all pieces to the first place", pieces, "target_start + n * target_step", "target_start", ("data race", "target[")),
    mutant("copy_pieces", "the step of the source for the target", pieces, "n * target_step", "n * source_step"),
]  # fmt: skip

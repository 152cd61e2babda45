"""Mistakes in unpooling.cu."""

from functools import partial

import numpy as np

from segedu import compare, cuda_ops, numpy_ops
from tests.mutants_cuda.mutant import Mutant, as_numpy, image

mutant = partial(Mutant, "unpooling.cu")
X = image(2, 3, 5, 6)
VALUES, INDICES = numpy_ops.max_pool2d(X, 2, return_indices=True)
ONE = image(1, 1, 3, 3, seed=1)
SAME = np.array([7, 1, 7, 3, 7, 5, 6, 0, 8]).reshape(1, 1, 3, 3)  # three values for one place


def unpool():
    return compare.with_torch(cuda_ops.max_unpool2d, VALUES, INDICES, 2, output_size=(5, 6))


def unpool_same():
    return as_numpy("max_unpool2d", ONE, SAME, 2, stride=2, output_size=(5, 5))


def gradient_of_one():
    return as_numpy("max_unpool2d_backward", image(1, 1, 5, 5), SAME)


def gradient():
    return as_numpy("max_unpool2d_backward", X, INDICES)


MUTANTS = [
    mutant("max_unpool2d_winners", "compared and set without an atomic", unpool_same, "atomicMax(&winners[plane * pixels + indices[plane * values + number]], (int)number);", "{\n      int* winner = &winners[plane * pixels + indices[plane * values + number]];\n      if (*winner < number) *winner = number;\n    }", ("data race", "winners[0, 7]")),
    mutant("max_unpool2d_winners", "the first value wins", unpool_same, "atomicMax(&winners[plane * pixels + indices[plane * values + number]], (int)number);", "atomicCAS(&winners[plane * pixels + indices[plane * values + number]], -1, (int)number);", orders=("forward",)),
    mutant("max_unpool2d_winners", "threads without a value", unpool_same, "if (number >= values) return;", "", ("out of bounds", "reads indices[", "Test the index first")),
    mutant("max_unpool2d_winners", "all planes share their winners", unpool, "&winners[plane * pixels + indices[", "&winners[indices["),
    mutant("max_unpool2d", "places that nobody won", unpool_same, "winner < 0 ? (T)0 : x[plane * values + winner]", "x[plane * values + winner]", ("out of bounds", "reads x[-1]", "computed from data, winners")),
    mutant("max_unpool2d", "places that nobody won stay empty", unpool_same, "y[plane * pixels + pixel] = winner", "if (winner >= 0) y[plane * pixels + pixel] = winner"),
    mutant("max_unpool2d", "the values of the first plane for all", unpool, "x[plane * values + winner]", "x[winner]"),
    mutant("max_unpool2d_backward", "all planes read the first", gradient, "grad[plane * pixels + indices", "grad[indices"),
    mutant("max_unpool2d_backward", "threads without a value", gradient_of_one, "if (number >= values) return;", "", ("out of bounds", "reads indices[")),
    mutant("max_unpool2d_backward", "added to what is empty", gradient, "+ number] = grad", "+ number] += grad", ("uninitialised", "dx[0, 0, 0, 0]")),
]  # fmt: skip

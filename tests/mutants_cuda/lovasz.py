"""Mistakes in lovasz.cu."""

from functools import partial

import numpy as np

from tests.mutants_cuda.mutant import Mutant, as_numpy, image

mutant = partial(Mutant, "lovasz.cu")
LOGITS = image(2, 4, 11, 18)  # 396 pixels: two rounds of 256 threads
LABELS = np.random.default_rng(1).integers(0, 5, (2, 11, 18))
LABELS[LABELS == 4] = 255
TIES = np.zeros((1, 2, 4, 4), np.float32)  # every error is a half
FEW_LABELS = np.random.default_rng(3).integers(0, 2, (1, 4, 4))


def lovasz():
    return as_numpy("lovasz_softmax_with_gradient", LOGITS, LABELS, ignore_index=255)


def lovasz_of_ties():
    return as_numpy("lovasz_softmax_with_gradient", TIES, FEW_LABELS)


MUTANTS = [
    mutant("lovasz_errors", "what does not count is not written", lovasz, "T error = -1;", "if (i >= count) continue;\n    T error = -1;", ("uninitialised", "cuda.empty()")),
    mutant("lovasz_errors", "pixels that do not exist", lovasz, "i < count && ", "", ("out of bounds", "reads labels[396]", "Test the index first"), orders=("forward",)),
    mutant("lovasz_errors", "the sign of errors", lovasz, "fabs(", "("),
    mutant("bitonic_step", "both threads of a pair exchange", lovasz, "if (i >= size || other < i) return;", "if (i >= size) return;", ("data race", "Put __syncthreads() between")),
    mutant("bitonic_step", "all runs fall", lovasz, "bool falling = (i & run) == 0;", "bool falling = true;"),
    mutant("bitonic_step", "equal errors in any order", lovasz_of_ties, "a > b || (a == b && i < j)", "a > b", inside="comes_first"),
    mutant("bitonic_step", "the pixels do not move along", lovasz, "e[i] = e[other], o[i] = o[other];", "e[i] = e[other];", ("data race", "gradient[")),
    mutant("lovasz_of_class", "sums are added before they are read", lovasz, "0;\n    __syncthreads();\n    shared", "0;\n    shared", ("data race", "shared"), "running_sum"),
    mutant("lovasz_of_class", "the next round begins too early", lovasz, "shared[threadIdx.x] += before;\n    __syncthreads();", "shared[threadIdx.x] += before;", ("data race", "shared"), "running_sum"),
    mutant("lovasz_of_class", "sums are overwritten while others read them", lovasz, "      }\n    }\n    __syncthreads();", "      }\n    }", ("data race", "shared")),
    mutant("lovasz_of_class", "totals are read too early", lovasz, "totals[1] = of_class;\n  __syncthreads();", "totals[1] = of_class;", ("data race", "totals", "Put __syncthreads() between")),
    mutant("lovasz_of_class", "each warp counts for itself", lovasz, "valid = totals[0], of_class = totals[1];", "valid = totals[0];"),
    mutant("lovasz_of_class", "threads without a pixel leave", lovasz, "bool is_truth = i < valid", "if (i >= valid) break;\n    bool is_truth = i < valid", ("deadlock", "waits at __syncthreads()")),
]  # fmt: skip

"""Mistakes in metrics.cu."""

from functools import partial

import numpy as np

from tests.mutants_cuda.mutant import Mutant, as_numpy, image

mutant = partial(Mutant, "metrics.cu")
RNG = np.random.default_rng(1)
GUESS, TRUTH = RNG.integers(0, 4, (2, 11, 13)), RNG.integers(0, 4, (2, 11, 13))
VOID = np.where(RNG.random(TRUTH.shape) < 0.2, 255, TRUTH)
LOGITS, TIES = image(2, 4, 11, 13), image(2, 4, 11, 13, kind="ties")


def confusion():
    return as_numpy("confusion_matrix", GUESS, VOID, 4, ignore_index=255)


def confusion_of_each():
    return as_numpy("confusion_matrix", GUESS, VOID, 4, ignore_index=255, per_image=True)


def large_confusion():
    return as_numpy("confusion_matrix", GUESS, VOID, 200, ignore_index=255)


def top_k():
    return as_numpy("top_k_accuracy", TIES, VOID, 2, ignore_index=255)


ADD = "atomicAdd(&counts[cell], (unsigned)__popc(same));"
ADD_ALL = "atomicAdd(&matrices[image * cells + cell], (unsigned long long)counts[cell]);"
ADD_ONE = "atomicAdd(&matrices[(image * classes + truth) * classes + prediction[image * pixels + i]], 1ull);"

MUTANTS = [
    mutant("confusion_matrix", "counted without an atomic", confusion, ADD, "counts[cell] += __popc(same);", ("data race", "counts", "reads, adds and writes back", "atomicAdd(&counts[…], value)", "__syncthreads()")),
    mutant("confusion_matrix", "added up without an atomic", confusion, ADD_ALL, "matrices[image * cells + cell] += counts[cell];", ("data race", "matrices", "Blocks run in any order", "atomicAdd(&matrices[…], value)")),
    mutant("confusion_matrix", "counted before all is 0", confusion, "counts[cell] = 0;\n  __syncthreads();", "counts[cell] = 0;", ("data race", "counts", "protects only against other atomics")),
    mutant("confusion_matrix", "counts begin with garbage", confusion, "for (int cell = threadIdx.x; cell < cells; cell += blockDim.x) counts[cell] = 0;", "", ("uninitialised", "counts[")),
    mutant("confusion_matrix", "a cell too many", confusion, "cell < cells; cell += blockDim.x) counts", "cell <= cells; cell += blockDim.x) counts", ("out of bounds", "writes counts[16]", "shared_mem=68 or more bytes")),
    mutant("confusion_matrix", "void pixels count", confusion, "if (!has_void || truth != ignored) cell", "cell", ("out of bounds", "counts[", "computed from data")),
    mutant("confusion_matrix", "only lanes with a pixel meet", confusion, "unsigned same = __match_any_sync(0xffffffff, cell);", "unsigned same = i < pixels ? __match_any_sync(0xffffffff, cell) : 0;", ("deadlock", "waits for threads of its warp")),
    mutant("confusion_matrix", "every lane adds for all", confusion, "cell >= 0 && lane == __ffs(same) - 1", "cell >= 0"),
    mutant("confusion_matrix", "transposed", confusion, "(int)(truth * classes + prediction[image * pixels + i])", "(int)(prediction[image * pixels + i] * classes + truth)", hint="rows and columns are swapped"),
    mutant("confusion_matrix", "all images in the first matrix", confusion_of_each, "&matrices[image * cells + cell]", "&matrices[cell]"),
    mutant("large_confusion_matrix", "without an atomic", large_confusion, ADD_ONE, "matrices[(image * classes + truth) * classes + prediction[image * pixels + i]] += 1;", ("data race", "atomicAdd(&matrices[…], value)")),
    mutant("large_confusion_matrix", "void pixels count", large_confusion, "if (!has_void || truth != ignored)", "", ("out of bounds", "computed from data")),
    mutant("large_confusion_matrix", "a pixel too many", large_confusion, "i < pixels", "i <= pixels", ("out of bounds", "[286]")),
    mutant("top_k_hits", "ties are ahead", top_k, "c < label)", "c != label)"),
    mutant("top_k_hits", "partial sums are used again too early", top_k, "  if (warp == 0) value = warp_sum(value);\n  __syncthreads();", "  if (warp == 0) value = warp_sum(value);", ("data race", "partial", "this part runs again", "Put a second __syncthreads()"), "block_sum"),
    mutant("top_k_hits", "void pixels are read", top_k, "if (has_void && label == ignored) continue;", "", ("out of bounds", "data, labels")),
]  # fmt: skip

"""Mistakes in losses.cu."""

from functools import partial

import numpy as np

from segedu import compare, cuda_ops, numpy_ops
from tests.mutants_cuda.mutant import Mutant, image

mutant = partial(Mutant, "losses.cu")
LOGITS, WEIGHT = image(2, 4, 9, 11), np.array([0.5, 2, 1, 3], np.float32)
LABELS = np.random.default_rng(1).integers(0, 5, (2, 9, 11))
LABELS[LABELS == 4] = 255
HUGE, LOG_PROBS = LOGITS * np.float32(500), numpy_ops.log_softmax(LOGITS, 1)
SHARES = numpy_ops.softmax(image(2, 4, 9, 11, seed=2), 1)
OPTIONS = {"weight": WEIGHT, "ignore_index": 255}


def cross_entropy():
    options = OPTIONS | {"label_smoothing": 0.1}

    def backward(grad):
        return cuda_ops.cross_entropy_backward(grad, LOGITS, LABELS, **options)

    return compare.with_torch(cuda_ops.cross_entropy, LOGITS, LABELS, **options, backward=backward)


def cross_entropy_of_huge():
    return compare.with_torch(cuda_ops.cross_entropy, HUGE, LABELS, **OPTIONS)


def losses():
    return compare.with_torch(cuda_ops.cross_entropy, LOGITS, LABELS, **OPTIONS, reduction="none")


def nll_loss():
    def backward(grad):
        return cuda_ops.nll_loss_backward(grad, LOG_PROBS, LABELS, **OPTIONS)

    return compare.with_torch(cuda_ops.nll_loss, LOG_PROBS, LABELS, **OPTIONS, backward=backward)


def against_shares():
    def backward(grad):
        return cuda_ops.cross_entropy_backward(grad, LOGITS, SHARES, weight=WEIGHT), None

    return compare.with_torch(cuda_ops.cross_entropy, LOGITS, SHARES, weight=WEIGHT, backward=backward)


FIRST_BARRIER = "  __syncthreads();\n  value = threadIdx.x < blockDim.x / 32 ? partial[lane] : (T)0;"

MUTANTS = [
    mutant("sum_of_weights", "void pixels have a weight", cross_entropy, "!has_void || labels[i] != ignored", "true", ("out of bounds", "read from data, labels", "weight has 4 elements")),
    mutant("sum_of_weights", "weights are left out", cross_entropy, "has_weight ? (double)weight[labels[i]] : 1.0", "1.0"),
    mutant("sum_of_weights", "a pixel too many", cross_entropy, "i < count", "i <= count", ("out of bounds", "reads labels[198]", "Test the index first")),
    mutant("cross_entropy", "void pixels name a class", cross_entropy, "label = counts ? labels[i] : 0;", "label = labels[i];", ("out of bounds", "data, labels")),
    mutant("cross_entropy", "without the largest score", cross_entropy_of_huge, "largest = max(largest, x[c * s.pixels()])", "largest = 0"),
    mutant("cross_entropy", "void pixels count", cross_entropy, "if (!counts) loss = 0;", ""),
    mutant("cross_entropy", "partial sums are read too early", cross_entropy, FIRST_BARRIER, FIRST_BARRIER.replace("  __syncthreads();\n", ""), ("data race", "partial", "Put __syncthreads() between"), "block_sum"),
    mutant("cross_entropy", "each warp writes the sum", cross_entropy, "if (threadIdx.x == 0) parts", "if (threadIdx.x % 32 == 0) parts", ("data race", "Let one thread write"), "write_sum"),
    mutant("cross_entropy", "losses of void pixels are not written", losses, "if (wants_losses) losses[i] = loss;", "if (wants_losses && counts) losses[i] = loss;"),
    mutant("cross_entropy", "the gradient lacks the label", cross_entropy, "c == label ? slope - g * own : slope", "slope"),
    mutant("cross_entropy", "pixels of the second image", cross_entropy, "i / s.pixels() * s.classes() * s.pixels() + i % s.pixels()", "i"),
    mutant("nll_loss", "the sign", nll_loss, "loss = -scores", "loss = scores"),
    mutant("nll_loss", "classes side by side", nll_loss, "scores[first + label * s.pixels()]", "scores[first + label]"),
    mutant("nll_loss", "void pixels are read", nll_loss, "if (s.counts(label)) loss", "loss", ("out of bounds", "past its end")),
    mutant("nll_loss_backward", "only the label is written", nll_loss, "for (Index c = 0; c < s.classes(); ++c) gradient[first + c * s.pixels()] = 0;", ""),
    mutant("nll_loss_backward", "void pixels are written", nll_loss, "if (counts) gradient", "gradient", ("out of bounds", "data, labels")),
    mutant("nll_loss_backward", "added to what is empty", nll_loss, "for (Index c = 0; c < s.classes(); ++c) gradient[first + c * s.pixels()] = 0;", "for (Index c = 0; c < s.classes(); ++c) gradient[first + c * s.pixels()] += 0;", ("uninitialised", "gradient[")),
    mutant("soft_cross_entropy", "the shares do not sum to 1", against_shares, "/ total * all - wanted", "/ total - wanted"),
    mutant("soft_cross_entropy", "a class too many", against_shares, "for (Index c = 0; c < s.classes(); ++c) total", "for (Index c = 0; c <= s.classes(); ++c) total", ("out of bounds", "reads scores[")),
    mutant("soft_cross_entropy", "all pixels to the first place", against_shares, "gradient[first + c * s.pixels()] =", "gradient[c * s.pixels()] =", ("data race", "two threads have the same")),
]  # fmt: skip

"""Mistakes in region_losses.cu."""

from functools import partial

import numpy as np

from tests.mutants_cuda.mutant import Mutant, as_numpy, image

mutant = partial(Mutant, "region_losses.cu")
LOGITS = image(2, 4, 9, 11)
LABELS = np.random.default_rng(1).integers(0, 5, (2, 9, 11))
LABELS[LABELS == 4] = 255
LARGE, LARGE_LABELS = image(1, 2, 40, 60, seed=2), np.random.default_rng(3).integers(0, 2, (1, 40, 60))


def dice():
    return as_numpy("dice_loss_with_gradient", LOGITS, LABELS, ignore_index=255)


def dice_of_huge():
    return as_numpy("dice_loss_with_gradient", LOGITS * np.float32(500), LABELS, ignore_index=255)


def dice_of_large():
    return as_numpy("dice_loss", LARGE, LARGE_LABELS)


def jaccard_of_each():
    return as_numpy("jaccard_loss_with_gradient", LOGITS, LABELS, ignore_index=255, per_image=True)


LAST_BARRIER = "  if (warp == 0) value = warp_sum(value);\n  __syncthreads();"

MUTANTS = [
    mutant("softmax_of_pixels", "void pixels count", dice, "counts ? exp(x[c * pixels] - largest) / total : (T)0", "exp(x[c * pixels] - largest) / total"),
    mutant("softmax_of_pixels", "without the largest score", dice_of_huge, "largest = max(largest, x[c * pixels])", "largest = 0"),
    mutant("softmax_of_pixels", "a pixel too many", dice, "i < count", "i <= count", ("out of bounds", "Test the index first")),
    mutant("softmax_of_pixels", "a class too many", dice, "c < classes; ++c) p[", "c <= classes; ++c) p[", ("out of bounds", "reads scores["), orders=("reverse",)),
    mutant("class_sums", "partial sums are used again too early", dice, LAST_BARRIER, "  if (warp == 0) value = warp_sum(value);", ("data race", "partial", "this part runs again"), "block_sum"),
    mutant("class_sums", "all blocks write the first part", dice_of_large, "* gridDim.y + blockIdx.y, step", "* gridDim.y, step", ("data race", "Blocks run in any order")),
    mutant("class_sums", "blocks do not step on", dice_of_large, "i += (Index)gridDim.y * blockDim.x", "i += blockDim.x"),
    mutant("class_sums", "images of other groups", jaccard_of_each, "n < (group + 1) * images", "n <= (group + 1) * images", ("out of bounds", "reads ")),
    mutant("class_sums", "partial sums nobody wrote", dice, "threadIdx.x < blockDim.x / 32 ? partial[lane]", "threadIdx.x < 32 ? partial[lane]", ("uninitialised", "partial[", "no thread of its block has written there"), "block_sum"),
    mutant("gradient_of_scores", "the mean is missing", dice, "p[c * pixels] *= g - mean", "p[c * pixels] *= g"),
    mutant("gradient_of_scores", "the factors of the first image", jaccard_of_each, "Index image = i / pixels, label", "Index image = 0, label", ("data race",)),
    mutant("gradient_of_scores", "the label is left out", dice, "T g = a[image * classes + c] + (c == label ? b[image * classes + c] : (T)0);\n      mean", "T g = a[image * classes + c];\n      mean"),
]  # fmt: skip

"""Mistakes in upsampling.cu."""

from functools import partial

from segedu import compare, cuda_ops, numpy_ops
from tests.mutants_cuda.mutant import Mutant, as_numpy, image

mutant = partial(Mutant, "upsampling.cu")
X, ONE = image(2, 3, 5, 6), image(1, 1, 5, 6, seed=1)
CHANNELS, SHUFFLED = image(1, 8, 2, 3, seed=2), image(1, 2, 4, 6, seed=3)


def nearest():
    return compare.with_torch(cuda_ops.interpolate, ONE, size=(7, 9))


def nearest_gradient():
    backward = partial(cuda_ops.interpolate_backward, input_shape=ONE.shape, size=(7, 9))
    return compare.with_torch(numpy_ops.interpolate, ONE, size=(7, 9), backward=backward)


def bilinear():
    return compare.with_torch(cuda_ops.interpolate, X, size=(7, 9), mode="bilinear")


def aligned():
    return compare.with_torch(cuda_ops.interpolate, ONE, size=(7, 9), mode="bilinear", align_corners=True)


def bilinear_gradient():
    backward = partial(cuda_ops.interpolate_backward, input_shape=ONE.shape, size=(7, 9), mode="bilinear")
    return compare.with_torch(numpy_ops.interpolate, ONE, size=(7, 9), mode="bilinear", backward=backward)


def shuffle():
    return compare.with_torch(cuda_ops.pixel_shuffle, CHANNELS, 2)


def shuffle_to_odd():
    return compare.with_torch(cuda_ops.pixel_shuffle, image(1, 9, 1, 2), 3)


def shuffle_gradient():
    return as_numpy("pixel_shuffle_backward", SHUFFLED, 2)


BOUND, NO_ROWS = "if (row >= out_height || column >= out_width) return;", "if (column >= out_width) return;"
BACK_BOUND, NO_BACK_ROWS = "if (row >= height || column >= width) return;", "if (column >= width) return;"

MUTANTS = [
    mutant("interpolate_nearest", "threads below the image", nearest, BOUND, NO_ROWS, ("out of bounds", "writes y[", "Test the index first")),
    mutant("interpolate_nearest", "centres of pixels", nearest, "floorf((float)i * step)", "floorf(((float)i + 0.5f) * step)", inside="nearest", hint="nearest-exact"),
    mutant("interpolate_nearest", "rows are as long as the image is high", nearest, "nearest(row, row_step, height) * width", "nearest(row, row_step, height) * height"),
    mutant("interpolate_nearest_backward", "the first row too late", nearest_gradient, "if (r <= 0) return 0;", "if (r <= 0) return 1;", inside="first_showing"),
    mutant("interpolate_nearest_backward", "a row too many", nearest_gradient, "if (r >= size) return output;", "if (r >= size) return output + 1;", ("out of bounds", "reads grad["), "first_showing"),
    mutant("interpolate_nearest_backward", "overlaps overwrite", nearest_gradient, "++j) sum += grad", "++j) sum = grad"),
    mutant("interpolate_bilinear", "the half pixel is missing", bilinear, "fma((T)i + (T)0.5, step, (T)-0.5)", "(T)i * step", inside="centre", hint="the half pixel is missing"),
    mutant("interpolate_bilinear", "below 0", bilinear, "if (coordinate < 0) coordinate = 0;", "", inside="place_of", hint="below 0 left as they are"),
    mutant("interpolate_bilinear", "corners are not aligned", aligned, "align_corners ? (T)i * step : centre(i, step)", "centre(i, step)", inside="place_of"),
    mutant("interpolate_bilinear", "the row below the last", aligned, "smaller(first + 1, size - 1)", "first + 1", ("out of bounds", "reads x["), "place_of"),
    mutant("interpolate_bilinear", "shares exchanged", bilinear, "above * (1 - v.share) + below * v.share", "above * v.share + below * (1 - v.share)"),
    mutant("interpolate_bilinear_backward", "only the upper left pixel is served", bilinear_gradient, "(place.first == r ? 1 - place.share : (T)0) + (place.second == r ? place.share : (T)0)", "place.first == r ? 1 - place.share : (T)0", inside="weight_in"),
    mutant("interpolate_bilinear_backward", "a row too many", bilinear_gradient, "for (Index i = top; i <= bottom; ++i) {", "for (Index i = top; i <= bottom + 9; ++i) {\n      if (i > bottom) sum += grad[i * out_width];", ("out of bounds", "reads grad[")),
    mutant("interpolate_bilinear_backward", "added to what is empty", bilinear_gradient, "+ column] = sum", "+ column] += sum", ("uninitialised", "dx")),
    mutant("pixel_shuffle", "rows and columns of the channels exchanged", shuffle, "row % r * r + column % r", "column % r * r + row % r"),
    mutant("pixel_shuffle", "threads below the image", shuffle_to_odd, BACK_BOUND, NO_BACK_ROWS, ("out of bounds", "y[")),
    mutant("pixel_shuffle_backward", "all planes write the first", shuffle_gradient, "dx[plane * height * width + channel", "dx[channel", ("data race", "Let one thread write")),
    mutant("pixel_shuffle_backward", "r is counted twice", shuffle_gradient, "+ channel * (height / r) * (width / r) + pixel] =", "+ channel * height * width + pixel] =", ("out of bounds", "writes dx[")),
]  # fmt: skip

"""Mistakes in convolution.cu, and in the product in tiles of tiles.cuh."""

from functools import partial

from segedu import compare, cuda_ops, numpy_ops
from tests.mutants_cuda.mutant import Mutant, image, in_form

mutant = partial(Mutant, "convolution.cu")
tiles = partial(mutant, inside="tiled_product")
X, W, B = image(1, 2, 5, 6), image(3, 2, 3, 3, seed=1), image(3, seed=2)
GROUPED = image(6, 1, 3, 3, seed=3)
DEEP, FILTERS = image(2, 4, 5, 6, seed=4), image(5, 4, 3, 3, seed=5)  # 36 terms: three rounds of 16
MANY, FEW_FILTERS = image(12, 2, 8, 8, seed=6), image(3, 2, 3, 3, seed=7)  # 768 windows: three parts
OPTIONS = {"stride": (2, 1), "padding": 1}


def definition():
    return in_form("definition", partial(compare.with_torch, cuda_ops.conv2d, X, W, B, **OPTIONS))()


def dilated():
    run = partial(compare.with_torch, cuda_ops.conv2d, X, W, B, dilation=(1, 2), padding=2)
    return in_form("definition", run)()


def groups():
    run = partial(compare.with_torch, cuda_ops.conv2d, X, GROUPED, padding=1, groups=2)
    return in_form("definition", run)()


def one_filter():
    return in_form("definition", partial(compare.with_torch, cuda_ops.conv2d, X, W[:1], **OPTIONS))()


def tiled_1x1():
    return in_form("tiled_4", partial(compare.with_torch, cuda_ops.conv2d, X, W[:, :, :1, :1].copy()))()


def tiled_4():
    return in_form("tiled_4", partial(compare.with_torch, cuda_ops.conv2d, DEEP, FILTERS, padding=1))()


def tiled_8():
    return in_form(
        "tiled_8", partial(compare.with_torch, cuda_ops.conv2d, DEEP, FILTERS, image(5, seed=8), padding=1)
    )()


def gradients(x, weight, bias=None):
    """dx is NumPy's: here it is the gradients of filters and bias that matter."""

    def backward(grad):
        _, dweight, dbias = cuda_ops.conv2d_backward(grad, x, weight, bias, padding=1)
        dx = numpy_ops.conv2d_backward(grad, x, weight, bias, padding=1)[0]
        return (dx, dweight) if bias is None else (dx, dweight, dbias)

    given = (x, weight) if bias is None else (x, weight, bias)
    return compare.with_torch(numpy_ops.conv2d, *given, padding=1, backward=backward)


def weight_gradient():
    return in_form("definition", partial(gradients, MANY[:2], FEW_FILTERS))()


def weight_gradient_of_few():
    return in_form("definition", partial(gradients, X, W))()


def weight_gradient_tiled_4():
    return in_form("tiled_4", partial(gradients, MANY, FEW_FILTERS))()


def weight_gradient_tiled_8():
    return in_form("tiled_8", partial(gradients, MANY, FEW_FILTERS))()


def bias_gradient():
    return in_form("definition", partial(gradients, MANY[:2], FEW_FILTERS, B))()


FETCH = "    __syncthreads();\n    for (int i = t; i < SIDE * DEPTH; i += 256) {\n      int d = i % DEPTH"
FULL = "    __syncthreads();\n#pragma unroll\n    for (int d = 0; d < DEPTH; ++d) {"
WARP_0 = "  value = threadIdx.x < blockDim.x / 32 ? partial[lane] : (T)0;"

MUTANTS = [
    mutant("conv2d", "filters are flipped", definition, "filter[a * s.kernel[1] + b]", "filter[s.taps() - 1 - a * s.kernel[1] - b]", hint="kernel flipped"),
    mutant("conv2d", "the bias is left out", definition, "has_bias ? sum + bias[k] : sum", "sum", hint="the bias is not added"),
    mutant("conv2d", "dilation of columns is left out", dilated, "left + b * s.dilation[1]", "left + b"),
    mutant("conv2d", "the first group for all", groups, "group = k / s.window_channels()", "group = 0", hint="the groups are ignored"),
    mutant("conv2d", "padding above is read", definition, "if (r < 0 || r >= s.size[0])", "if (r >= s.size[0])", ("out of bounds", "before its beginning", "Padding")),
    mutant("conv2d", "a column beyond the image", definition, "q < s.size[1]", "q <= s.size[1]", ("out of bounds", "reads x[60]")),
    mutant("conv2d", "threads below the result", one_filter, "row >= s.output[0] || ", "", ("out of bounds", "writes y[")),
    tiles("conv2d_tiled_4", "places are used before they are there", tiled_4, FETCH, FETCH.replace("__syncthreads();", ""), ("data race", "depths", "Put __syncthreads() between")),
    tiles("conv2d_tiled_4", "tiles are used before they are full", tiled_4, FULL, FULL.replace("__syncthreads();", ""), ("data race", "Put __syncthreads() between")),
    tiles("conv2d_tiled_4", "every thread fetches a place", tiled_4, "if (t < DEPTH && first", "if (first", ("out of bounds", "depths")),
    tiles("conv2d_tiled_4", "rows above the image", tiled_4, "row >= 0 && row < problem.height", "row < problem.height", ("out of bounds", "before its beginning")),
    tiles("conv2d_tiled_4", "rows of the tile without a filter", tiled_4, "if (m < problem.rows) result", "result", ("out of bounds", "writes y[")),
    tiles("conv2d_tiled_4", "depth that does not exist", tiled_1x1, "first_row + m < problem.rows && first + d < problem.depth", "first_row + m < problem.rows", ("uninitialised", "reads depths[")),
    tiles("conv2d_tiled_8", "rows and columns of the tile exchanged", tiled_8, "left[i] * right[j]", "left[j] * right[i]"),
    tiles("conv2d_tiled_8", "threads outside return before the barrier", tiled_8, "T sums[R][R];", "if (!is_inside) return;\n  T sums[R][R];", ("barrier that not all threads reach", "has returned", "if (…) return;")),
    tiles("conv2d_tiled_8", "a column of the tile too many", tiled_8, "b[d][t % SIDE] = value", "b[d][t % SIDE + 1] = value", ("out of bounds", "index 128")),
    tiles("conv2d_tiled_8", "only what is inside is written", tiled_8, "b[d][t % SIDE] = value", "if (is_inside) b[d][t % SIDE] = value", ("uninitialised", "reads b[", "no thread of its block has written there")),
    mutant("conv2d_weight_gradient", "partial sums are read too early", weight_gradient, "  __syncthreads();\n" + WARP_0, WARP_0, ("data race", "partial", "Put __syncthreads() between"), "block_sum"),
    mutant("conv2d_weight_gradient", "every thread writes", weight_gradient, "if (threadIdx.x == 0) dweight", "dweight", ("data race", "Let one thread write")),
    mutant("conv2d_weight_gradient", "rows below the image", weight_gradient, "r < s.size[0] && ", "", ("out of bounds", "reads x["), "weight_gradient_over"),
    mutant("conv2d_weight_gradient", "windows of other blocks, too", weight_gradient, "window += step", "window += 1", inside="weight_gradient_over"),
    mutant("conv2d_weight_gradient_of_few", "a number too many", weight_gradient_of_few, "number < numbers", "number <= numbers", ("out of bounds",)),
    mutant("conv2d_weight_gradient_of_few", "the sign of padding", weight_gradient_of_few, "across = tap % s.kernel[1] * s.dilation[1] - s.before[1]", "across = tap % s.kernel[1] * s.dilation[1] + s.before[1]", inside="weight_gradient_over"),
    mutant("conv2d_weight_gradient_tiled_4", "all parts write the first", weight_gradient_tiled_4, "(part * s.groups() + group)", "group", ("data race", "Blocks run in any order"), "WeightGradient"),
    mutant("conv2d_weight_gradient_tiled_4", "every part begins at the first window", weight_gradient_tiled_4, "begin = smaller(part * length, all)", "begin = 0", inside="WeightGradient"),
    mutant("conv2d_weight_gradient_tiled_8", "taps of rows and columns exchanged", weight_gradient_tiled_8, "int row = (int)(tap / s.kernel[1] * s.dilation[0]), column = (int)(tap % s.kernel[1] * s.dilation[1]);", "int row = (int)(tap % s.kernel[1] * s.dilation[0]), column = (int)(tap / s.kernel[1] * s.dilation[1]);", inside="WeightGradient"),
    mutant("conv2d_weight_gradient_tiled_8", "a part too long", weight_gradient_tiled_8, "depth = smaller(length, all - begin)", "depth = length + 1", ("out of bounds", "reads grad["), "WeightGradient"),
    mutant("add_parts", "parts lie side by side", weight_gradient_tiled_4, "sums[part * count + i]", "sums[part + i * parts]"),
    mutant("add_parts", "a number too many", weight_gradient_tiled_4, "i < count", "i <= count", ("out of bounds", "reads sums[")),
    mutant("add_parts", "into what is empty", weight_gradient_tiled_4, "total[i] = sum", "total[i] += sum", ("uninitialised", "total[")),
    mutant("bias_gradient", "a pixel too many", bias_gradient, "p < pixels", "p <= pixels", ("out of bounds", "reads grad[")),
    mutant("bias_gradient", "every thread adds to the result", bias_gradient, "sum = block_sum(sum, partial);\n  if (threadIdx.x == 0) dbias[channel] = sum;", "dbias[channel] = 0;\n  __syncthreads();\n  dbias[channel] += sum;", ("data race",)),
    mutant("bias_gradient", "images and channels exchanged", bias_gradient, "(n * channels + channel)", "(channel * images + n)"),
]  # fmt: skip

"""Mistakes in transposed_convolution.cu."""

from functools import partial

from segedu import compare, cuda_ops
from tests.mutants_cuda.mutant import Mutant, image, in_form

mutant = partial(Mutant, "transposed_convolution.cu")
X, W, B = image(1, 3, 4, 5), image(3, 2, 3, 3, seed=1), image(2, seed=2)
GROUPED = image(2, 4, 3, 4, seed=3), image(4, 3, 3, 3, seed=4)
DEEP, FILTERS = image(2, 9, 4, 5, seed=5), image(9, 4, 3, 3, seed=6)


def definition():
    return in_form("definition", partial(compare.with_torch, cuda_ops.conv_transpose2d, X, W, B, stride=2, padding=1))()


def unpadded():
    run = partial(compare.with_torch, cuda_ops.conv_transpose2d, X, W[:, :1].copy(), stride=2)
    return in_form("definition", run)()


def grouped():
    run = partial(compare.with_torch, cuda_ops.conv_transpose2d, *GROUPED, stride=(2, 1), groups=2)
    return in_form("definition", run)()


def tiled_4():
    run = partial(compare.with_torch, cuda_ops.conv_transpose2d, DEEP, FILTERS, stride=2, padding=1)
    return in_form("tiled_4", run)()


def tiled_8():
    run = partial(
        compare.with_torch, cuda_ops.conv_transpose2d, DEEP, FILTERS, stride=(2, 3), padding=1, output_padding=1
    )
    return in_form("tiled_8", run)()


MUTANTS = [
    mutant("conv_transpose2d", "filters are flipped", definition, "tap = a * s.kernel[1] + b;", "tap = s.taps() - 1 - a * s.kernel[1] - b;", hint="kernel flipped"),
    mutant("conv_transpose2d", "the bias is left out", definition, "has_bias ? sum + bias[channel] : sum", "sum", hint="the bias is not added"),
    mutant("conv_transpose2d", "windows below the last", unpadded, " || i / s.stride[0] >= s.output[0]", "", ("out of bounds", "reads windows[")),
    mutant("conv_transpose2d", "pixels between the windows", definition, "i % s.stride[0] || ", ""),
    mutant("conv_transpose2d", "windows above the first", unpadded, "if (i < 0 || i % s.stride[0] || ", "if (i % s.stride[0] || ", ("out of bounds", "before its beginning")),
    mutant("conv_transpose2d", "threads below the image", unpadded, "if (row >= s.size[0] || column >= s.size[1]) return;", "if (column >= s.size[1]) return;", ("out of bounds", "writes image[")),
    mutant("conv_transpose2d", "the filters of the first group for all", grouped, "group * s.window_channels() * s.image_channels() + channel", "channel"),
    mutant("conv_transpose2d_tiled_4", "all phases write the first", tiled_4, "(row * s.stride[0] + phase[0])", "(row * s.stride[0])", ("data race", "Blocks run in any order"), "Phase"),
    mutant("conv_transpose2d_tiled_4", "a tap too few", tiled_4, "ceil_divide(s.kernel[axis] - a, period)", "(s.kernel[axis] - a) / period", inside="taps_of_phase"),
    mutant("conv_transpose2d_tiled_4", "taps go forward", tiled_4, "down.shift - line * down.back", "down.shift + line * down.back", inside="Phase"),
    mutant("conv_transpose2d_tiled_8", "a row too many in every phase", tiled_8, "ceil_divide(s.size[axis] - phase[axis], s.stride[axis])", "ceil_divide(s.size[axis], s.stride[axis])", ("out of bounds", "writes image["), "Phase", orders=("reverse",)),
    mutant("conv_transpose2d_tiled_8", "padding is left out", tiled_8, "phase + s.before[axis] - a * dilation", "phase - a * dilation", inside="taps_of_phase", hint="shifted by one row down and one column to the right"),
    mutant("conv_transpose2d_tiled_8", "tiles are used before they are full", tiled_8, "    __syncthreads();\n#pragma unroll", "#pragma unroll", ("data race", "Put __syncthreads() between"), "tiled_product"),
]  # fmt: skip

"""Mistakes in transposed convolution."""

from functools import partial

from tests.mutants.mutant import Mutant

FILE = "numpy_ops/transposed_convolution.py"
mutant = partial(Mutant, tests="operators/test_transposed_convolution.py")
forward = partial(mutant, "conv_transpose2d", file=FILE, inside="conv_transpose2d")
backward = partial(mutant, "conv_transpose2d_backward", file=FILE, inside="conv_transpose2d_backward")
window = partial(mutant, "conv_transpose2d", file=FILE, inside="_sliding")
sums = partial(mutant, file="numpy_ops/_sums.py")
strips = partial(mutant, file="numpy_ops/_strips.py", inside="Strips")
sliding = partial(mutant, file="numpy_ops/_sliding.py")
size = partial(mutant, "conv_transpose2d", file="arguments.py", inside="transposed_size")

MUTANTS = [
    forward("filter flipped", old="weight, sliding, groups)", new="weight[:, :, ::-1, ::-1], sliding, groups)"),
    forward("bias left out", old=", bias)\n    return", new=", None)\n    return"),
    forward("output channels of the groups mixed", old="result.reshape(*x.shape[:-3], *result.shape[1:])", new="result.reshape(len(result), groups, weight.shape[1], *sliding.size).swapaxes(1, 2).reshape(*x.shape[:-3], *result.shape[1:])"),
    forward("output channels first in the weight", old="weight, sliding, groups)", new="weight.swapaxes(0, 1).reshape(weight.shape), sliding, groups)"),
    window("output_padding ignored", old="pad, extra, dilations)", new="pad, (0, 0), dilations)"),
    window("output_padding above and to the left", old="dilations, pad, enlarged, size)", new="dilations, (pad[0] + extra[0], pad[1] + extra[1]), enlarged, size)"),
    window("output_padding of rows used for columns", old="pad, extra, dilations)", new="pad, (extra[0], extra[0]), dilations)"),
    window("padding ignored", old="strides, pad, extra", new="strides, (0, 0), extra"),
    window("padding cut off below and to the right only", old="dilations, pad, enlarged, size)", new="dilations, (0, 0), enlarged, size)"),
    window("stride of rows used for columns", old="Sliding(kernel, strides,", new="Sliding(kernel, (strides[0], strides[0]),"),
    window("dilation ignored", old="Sliding(kernel, strides, dilations,", new="Sliding(kernel, strides, (1, 1),"),
    window("dilation of rows used for columns", old="Sliding(kernel, strides, dilations,", new="Sliding(kernel, strides, (dilations[0], dilations[0]),"),
    size("one stride too large", old="(n - 1) * s", new="n * s"),
    size("padding taken off once", old="2 * p", new="p"),
    size("dilation forgotten in the size", old="d * (k - 1) + extra", new="(k - 1) + extra"),
    size("output_padding may be one stride", old="extra >= max(s, d)", new="extra > max(s, d)"),
    sums("conv_transpose2d", "overlapping windows overwrite each other", inside="spread_by_adding", old="add=True", new="add=False"),
    sums("conv_transpose2d", "elements of a window in wrong order", inside="phase_filters", old="split[:, :, :, ::-1, :, ::-1]", new="split"),
    sums("conv_transpose2d", "rows and columns of a cell exchanged", inside="phase_filters", old="split = weight.reshape(", new="split = weight.swapaxes(2, 3).reshape("),
    sliding("conv_transpose2d", "cells begin where the image does", inside="cells", old="tuple(b % s for b, s in zip(self.before, self.stride, strict=True))", new="(0, 0)"),
    sliding("conv_transpose2d", "the last cell is left out", inside="cells", old="(b + n - 1) // s + 1", new="(b + n) // s"),
    strips("conv_transpose2d", "only the first row of elements", old="zip(filters[1:], columns[1:], strict=True)", new="zip(filters[1:2], columns[1:2], strict=True)"),
    backward("filter flipped in dx", old="inputs, weight, sliding, groups)", new="inputs, weight[:, :, ::-1, ::-1], sliding, groups)"),
    backward("sign of dx", old="return dx.reshape", new="return -dx.reshape"),
    backward("the gradient of the weight flipped", old="dx.reshape(x.shape), dweight,", new="dx.reshape(x.shape), dweight[:, :, ::-1, ::-1],"),
    backward("the gradient of the weight is a mean", old="dx.reshape(x.shape), dweight,", new="dx.reshape(x.shape), dweight / max(1, len(inputs)),"),
    backward("the gradient of the bias from the input", old="bias_gradient(grads, bias)", new="bias_gradient(inputs, bias)"),
    sums("conv_transpose2d_backward", "the gradient of the bias is a mean over images", old="grads.sum((2, 3)).sum(0)", new="grads.sum((2, 3)).sum(0) / max(1, len(grads))"),
    sums("conv_transpose2d_backward", "elements of the gradient in wrong order", inside="from_phase_filters", old="split[..., ::-1, ::-1]", new="split"),
    sums("conv_transpose2d_backward", "groups exchanged in the gradient", inside="from_phase_filters", old="split[..., ::-1, ::-1]", new="split[::-1, ..., ::-1, ::-1]"),
    sums("conv_transpose2d_backward", "only the last strip for the weight", old="sums += grads @ column", new="sums[...] = grads @ column"),
    sliding("conv_transpose2d_backward", "cells before the image are not 0", inside="gather", old="target[..., to_rows, : to_columns.start] = 0", new="target[..., to_rows, : to_columns.start] = 1"),
]  # fmt: skip

"""Mistakes in convolution."""

from functools import partial

from tests.mutants.mutant import Mutant

mutant = partial(Mutant, tests="operators/test_convolution.py")
forward = partial(mutant, "conv2d", file="numpy_ops/convolution.py", inside="conv2d")
backward = partial(mutant, "conv2d_backward", file="numpy_ops/convolution.py", inside="conv2d_backward")
window = partial(mutant, "conv2d", file="numpy_ops/convolution.py", inside="_sliding")
sums = partial(mutant, file="numpy_ops/_sums.py")
strips = partial(mutant, file="numpy_ops/_strips.py", inside="Strips")
sliding = partial(mutant, file="numpy_ops/_sliding.py")
arguments = partial(mutant, "conv2d", file="arguments.py")
SHUFFLED = (
    "{0}.reshape(-1, {0}.shape[-3] // groups, groups, *{0}.shape[-2:]).swapaxes(1, 2).reshape(-1, *{0}.shape[-3:])"
)

MUTANTS = [
    forward("filter flipped", old="weight, sliding, groups)", new="weight[:, :, ::-1, ::-1], sliding, groups)"),
    forward("channels of the groups mixed", old="x.reshape(-1, *x.shape[-3:])", new=SHUFFLED.format("x")),
    forward("bias left out", old=", bias)\n    return", new=", None)\n    return"),
    forward("bias taken off", old=", bias)\n    return", new=", None if bias is None else -bias)\n    return"),
    forward("rows and columns of the filter exchanged", old="weight, sliding, groups)", new="weight.swapaxes(2, 3).reshape(weight.shape), sliding, groups)"),
    window("padding below and to the right only", old="dilations, before, x.shape", new="dilations, (0, 0), x.shape"),
    window("padding of rows used for columns", old="dilations, before, x.shape", new="dilations, (before[0], before[0]), x.shape"),
    window("stride of rows used for columns", old="Sliding(kernel, strides,", new="Sliding(kernel, (strides[0], strides[0]),"),
    window("stride ignored", old="Sliding(kernel, strides,", new="Sliding(kernel, (1, 1),"),
    window("dilation ignored", old="strides, dilations, before, x.shape", new="strides, (1, 1), before, x.shape"),
    window("dilation and stride exchanged", old="Sliding(kernel, strides, dilations,", new="Sliding(kernel, dilations, strides,"),
    arguments("the odd pixel of 'same' above and to the left", inside="convolution_padding", old="dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2", new="(dilation[0] * (kernel[0] - 1) + 1) // 2, (dilation[1] * (kernel[1] - 1) + 1) // 2"),
    arguments("dilation forgotten in 'same'", inside="convolution_padding", old="dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2", new="(kernel[0] - 1) // 2, (kernel[1] - 1) // 2"),
    arguments("'valid' is 'same'", inside="convolution_padding", old='padding == "valid"', new='padding == ""'),
    sliding("conv2d", "the padding counts as 1", inside="gather", old="target[..., to_rows, : to_columns.start] = 0", new="target[..., to_rows, : to_columns.start] = 1"),
    sliding("conv2d", "the padding repeats the edge", inside="gather", old="target[..., to_rows, to_columns.stop :] = 0", new="target[..., to_rows, to_columns.stop :] = image[..., from_rows, -1:]"),
    sliding("conv2d", "the last window that fits is left out", inside="tap", old="(self.size[axis] - 1 - offset) // step + 1", new="(self.size[axis] - 1 - offset) // step"),
    strips("conv2d", "dilation forgotten between rows of elements", old="self.sliding.dilation[0] * width", new="width"),
    strips("conv2d", "only the first row of elements", old="zip(filters[1:], columns[1:], strict=True)", new="zip(filters[1:2], columns[1:2], strict=True)"),
    strips("conv2d", "strips begin at the first row", old="slice(part.rows.start, part.rows.stop + beyond)", new="slice(0, rows + beyond)"),
    strips("conv2d", "batch and channels exchanged", old="gather(some.swapaxes(0, 1),", new="gather(some.reshape(channels, len(some), *some.shape[2:]),"),
    backward("filter flipped in dx", old="spread(grads, weight, sliding", new="spread(grads, weight[:, :, ::-1, ::-1], sliding"),
    backward("sign of dx", old="dx = spread(", new="dx = -spread("),
    backward("the gradient of the weight flipped", old="return dx, dweight,", new="return dx, dweight[:, :, ::-1, ::-1],"),
    backward("the gradient of the weight is a mean", old="return dx, dweight,", new="return dx, dweight / max(1, len(images)),"),
    backward("channels of the groups mixed", old="dweight = weight_gradient(images,", new=f"dweight = weight_gradient({SHUFFLED.format('images')},"),
    sums("conv2d_backward", "the gradient of the bias is a mean over pixels", old="grads.sum((2, 3)).sum(0)", new="grads.mean((2, 3)).sum(0)"),
    sums("conv2d_backward", "a gradient of the bias though there is none", old="None if bias is None else grads", new="grads"),
    sums("conv2d_backward", "only the last strip for the weight", old="sums += grads @ column", new="sums[...] = grads @ column"),
    sums("conv2d_backward", "overlapping windows overwrite each other", inside="spread_by_adding", old="add=True", new="add=False"),
    sums("conv2d_backward", "elements of a window in wrong order", inside="phase_filters", old="split[:, :, :, ::-1, :, ::-1]", new="split"),
    sums("conv2d_backward", "rows and columns of a cell exchanged", inside="phase_filters", old="transpose(0, 2, 4, 6, 1, 3, 5)", new="transpose(0, 2, 6, 4, 1, 3, 5)"),
    sliding("conv2d_backward", "padding forgotten in the first cell", inside="windows_of_cells", old=" - b // s for", new=" for"),
]  # fmt: skip

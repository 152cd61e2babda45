"""Mistakes in pooling."""

from functools import partial

from tests.mutants.mutant import Mutant

mutant = partial(Mutant, file="numpy_ops/pooling.py", tests="operators/test_pooling.py")

MUTANTS = [
    mutant("max_pool2d", "zeros for padding", old="windows.padded(planes_in[part], -np.inf)", new="windows.padded(planes_in[part], 0)"),
    mutant("max_pool2d", "the minimum", old="_reduce(np.maximum, block", new="_reduce(np.minimum, block"),
    mutant("max_pool2d", "the last of equals wins", old="tap += searching", new="tap[block[:, windows.tap(0, (number + 1) // kernel_width), windows.tap(1, (number + 1) % kernel_width)] == maxima] = number + 1"),
    mutant("max_pool2d", "indices per window", old="np.add(corners, offsets.ravel()[tap], out=out)", new="out[...] = tap"),
    mutant("max_pool2d", "padding forgotten in the indices", old="* self.stride[axis] - self.padding[axis]", new="* self.stride[axis]"),
    mutant("max_pool2d", "the first NaN wins", old="values.shape[1] - 1 - np.isnan(values[:, ::-1]).argmax(1)", new="np.isnan(values).argmax(1)"),
    mutant("max_pool2d", "dilation ignored", old="start = number * self.dilation[axis]", new="start = number"),
    mutant("max_pool2d", "stride of rows used for columns", old="self.stride[axis])\n\n    def starts", new="self.stride[0])\n\n    def starts"),
    mutant("max_pool2d_backward", "assigned instead of added", old="np.add.at(result[part].reshape(-1), place.ravel(), grads[part].ravel())", new="result[part].reshape(-1)[place.ravel()] = grads[part].ravel()"),
    mutant("max_pool2d_backward", "sign", old="grads[part].ravel())", new="-grads[part].ravel())"),
    mutant("max_pool2d_backward", "always to the first pixel", old="places_in_block(places[part], (height, width))", new="places_in_block(places[part] * 0, (height, width))"),
    mutant("avg_pool2d", "the sum", old="        result[part] /= divisor\n", new=""),
    mutant("avg_pool2d", "the frame never counts", old="pad = windows.padding[axis] if count_include_pad else 0", new="pad = 0"),
    mutant("avg_pool2d", "the frame always counts", old="pad = windows.padding[axis] if count_include_pad else 0", new="pad = windows.padding[axis]"),
    mutant("avg_pool2d", "divisor_override ignored", old="    if override is not None:", new="    if override == 0:"),
    mutant("avg_pool2d_backward", "no division", old="_spread(grads[part] / divisor, windows, 1)", new="_spread(grads[part] * 1, windows, 1)"),
    mutant("avg_pool2d_backward", "overlaps overwrite", old="along[windows.tap(axis, number)] += source", new="along[windows.tap(axis, number)] = source"),
    mutant("avg_pool2d_backward", "padding not taken off", old="start = windows.padding[axis]\n    return", new="start = 0\n    return"),
    mutant("adaptive_avg_pool2d", "windows end one early", old="-(-(i + 1) * size // count)", new="max((i + 1) * size // count, i * size // count + 1)"),
    mutant("adaptive_avg_pool2d", "windows start one early", old="slice(i * size // count,", new="slice(max(0, i * size // count - 1),"),
    mutant("adaptive_avg_pool2d", "the largest instead of the mean", old="planes_in[part, window].mean(1, out=rows[:, i])", new="planes_in[part, window].max(1, out=rows[:, i])"),
    mutant("adaptive_avg_pool2d_backward", "overlaps overwrite", old="result[part, window] += rows", new="result[part, window] = rows"),
    mutant("adaptive_avg_pool2d_backward", "sign", old="result[part, window] += rows", new="result[part, window] -= rows"),
    mutant("adaptive_avg_pool2d_backward", "columns not shared", old="grads[part, :, j : j + 1] / (window.stop - window.start)", new="grads[part, :, j : j + 1] / 1"),
]  # fmt: skip

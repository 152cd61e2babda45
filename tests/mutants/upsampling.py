"""Mistakes in interpolation and pixel shuffle."""

from functools import partial

from tests.mutants.mutant import Mutant

mutant = partial(Mutant, file="numpy_ops/upsampling.py", tests="operators/test_upsampling.py")
nearest, linear, double = (partial(mutant, inside=name) for name in ("_nearest", "_linear", "_double"))
size = partial(Mutant, file="arguments.py", tests="operators/test_upsampling.py", inside="interpolated_size")
shuffle, shuffle_back = (partial(mutant, inside=name) for name in ("pixel_shuffle", "pixel_shuffle_backward"))

MUTANTS = [
    nearest("interpolate", "nearest rounds", old="np.floor(", new="np.rint("),
    nearest("interpolate", "nearest from the centre of the pixel", old="pixel.astype(np.float32) * step", new="(pixel.astype(np.float32) + np.float32(0.5)) * step"),
    nearest("interpolate", "nearest in float64", old="pixel.astype(np.float32) * step", new="pixel * (1 / scale if scale else size / output)"),
    nearest("interpolate", "nearest ignores the scale factor", old="np.float32(1 / scale) if scale else ", new=""),
    nearest("interpolate", "nearest follows the scale factor though the size doubles", old="in (size, 2 * size)", new="== size"),
    nearest("interpolate", "nearest follows the scale factor though the size stays", old="in (size, 2 * size)", new="== 2 * size"),
    linear("interpolate", "corners aligned where they should not be", old="elif align_corners:", new="elif not align_corners:"),
    linear("interpolate", "step of aligned corners by pixels, not by gaps", old="number(size - 1) / number(max(output - 1, 1))", new="number(size) / number(output)"),
    linear("interpolate", "no half pixel", old="(np.arange(output) + 0.5) * float(step) - 0.5", new="np.arange(output) * float(step)"),
    linear("interpolate", "half a pixel not taken off again", old="* float(step) - 0.5", new="* float(step)"),
    linear("interpolate", "bilinear ignores the scale factor", old="number(1 / scale) if scale else ", new=""),
    linear("interpolate", "bilinear follows the scale factor though the size stays", old="if output == size:  #", new="if output == size and scale is None:  #"),
    linear("interpolate", "weights exchanged", old="(1 - share, share)", new="(share, 1 - share)"),
    linear("interpolate", "the far edge is the near one", old="np.minimum(left + 1, size - 1)", new="(left + 1) % size"),
    linear("interpolate", "the next but one pixel", old="np.minimum(left + 1, size - 1)", new="np.minimum(left + 2, size - 1)"),
    linear("interpolate", "doubling ignores align_corners", old=" and not align_corners", new=""),
    linear("interpolate", "doubling ignores the scale factor", old="and scale in (None, 2) ", new=""),
    double("interpolate", "a quarter and three quarters exchanged", old="x.dtype.type(0.25), x * x.dtype.type(0.75)", new="x.dtype.type(0.75), x * x.dtype.type(0.25)"),
    double("interpolate", "zeros beyond the far edge", old="np.add(rest[-1], quarter[-1], out=y[-1])", new="y[-1] = rest[-1]"),
    size("interpolate", "the size is rounded up", old="int(n * float(scale))", new="-int(-n * float(scale) // 1)"),
    size("interpolate", "recompute_scale_factor ignored", old="(None, None) if recompute_scale_factor else ", new=""),
    size("interpolate", "one scale factor for rows and columns", old="(float(scales[0]), float(scales[1]))", new="(float(scales[0]), float(scales[0]))"),
    mutant("interpolate_backward", "interpolated back", inside="interpolate_backward", old="    grads = planes(grad)\n", new="    return interpolate(grad, x.shape[-2:], mode=mode, align_corners=align_corners)\n    grads = planes(grad)\n"),
    mutant("interpolate_backward", "only the first gradient of a pixel", old="range(count.max())", new="range(1)"),
    mutant("interpolate_backward", "the last of repeated pixels forgotten", old="in phases[2:]:", new="in phases[2:-1]:"),
    mutant("interpolate_backward", "the mean of repeated pixels", old="for phase in phases[2:]:\n            out += phase\n", new="for phase in phases[2:]:\n            out += phase\n        out /= len(phases)\n"),
    mutant("interpolate_backward", "weights forgotten", old="np.concatenate(self.weights)[order]", new="np.ones(len(order), self.weights[0].dtype)"),
    mutant("interpolate_backward", "some gradients twice", old="np.where(number < count, weight[place], 0)", new="weight[place]"),
    mutant("interpolate_backward", "sign", inside="interpolate_backward", old="rows.collect(grads[part], 1)", new="-rows.collect(grads[part], 1)"),
    shuffle("pixel_shuffle", "rows and columns of the factor exchanged", old="source[part, i, j]", new="source[part, j, i]"),
    shuffle("pixel_shuffle", "small images side by side", old="result[part, i::r, j::r]", new="result[part, i * height : (i + 1) * height, j * width : (j + 1) * width]"),
    shuffle("pixel_shuffle", "the channel counts fastest", old="np.ascontiguousarray(x).reshape(", new="x.reshape(int(np.prod(batch)), r, r, channels // r**2, height, width).transpose(0, 3, 1, 2, 4, 5).reshape("),
    shuffle("pixel_shuffle", "only the last two axes are the plane", old="*batch, channels, height, width = x.shape", new="*batch, channels, width, height = x.shape"),
    shuffle_back("pixel_shuffle_backward", "rows and columns of the factor exchanged", old="result[part, i, j]", new="result[part, j, i]"),
    shuffle_back("pixel_shuffle_backward", "the image cut into tiles", old="source[part, i::r, j::r]", new="source[part, i * height // r : (i + 1) * height // r, j * width // r : (j + 1) * width // r]"),
    shuffle_back("pixel_shuffle_backward", "only reshaped", old="    for_each_block(work, count, grad.itemsize * height * width)\n", new="    result = source\n"),
    shuffle_back("pixel_shuffle_backward", "sign", old="= source[part, i::r, j::r]", new="= -source[part, i::r, j::r]"),
]  # fmt: skip

// Uses sliding.cuh, tiles.cuh.
// Transposed convolution (lecture 04), which is the gradient of a convolution for its input:
//
// image[n, c, p] = bias[c] + Σ over filters k, windows i and taps a with p = i·stride + a·dilation − before of
//                  weight[k, c, a] · windows[n, k, i]
//
// Written as it is read, every window adds to the pixels it covers, which needs atomics. Here every pixel gathers from the
// windows that cover it: the same sums, always in the same order.

// ---------------------------------------------------------------- the definition, a thread for each pixel of the image
// Operations: 2·K·kH·kW/(stride height · stride width) for each of N·C·H·W pixels.
template <typename T>
__global__ void conv_transpose2d(const T* windows, const T* weight, const T* bias, T* image, Sliding s, Index has_bias) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= s.size[0] || column >= s.size[1]) return;
  Index channels = s.groups() * s.image_channels();
  for (Index plane = plane_of_thread(); plane < s.images() * channels; plane += plane_step()) {
    Index n = plane / channels, channel = plane % channels, group = channel / s.image_channels();
    const T* filters = weight + (group * s.window_channels() * s.image_channels() + channel % s.image_channels()) * s.taps();
    const T* sources = windows + (n * s.groups() + group) * s.window_channels() * s.windows();
    T sum = 0;
    for (Index a = 0; a < s.kernel[0]; ++a) {
      Index i = row + s.before[0] - a * s.dilation[0];  // stride · the window's row
      if (i < 0 || i % s.stride[0] || i / s.stride[0] >= s.output[0]) continue;
      for (Index b = 0; b < s.kernel[1]; ++b) {
        Index j = column + s.before[1] - b * s.dilation[1];
        if (j < 0 || j % s.stride[1] || j / s.stride[1] >= s.output[1]) continue;
        Index window = i / s.stride[0] * s.output[1] + j / s.stride[1], tap = a * s.kernel[1] + b;
        for (Index k = 0; k < s.window_channels(); ++k)
          sum += filters[k * s.image_channels() * s.taps() + tap] * sources[k * s.windows() + window];
      }
    }
    image[(plane * s.size[0] + row) * s.size[1] + column] = has_bias ? sum + bias[channel] : sum;
  }
}

// ---------------------------------------------------------------- as a matrix product in tiles
// Pixels whose rows and columns leave the same remainders by the stride, a phase, are covered by the same taps. Each phase
// is a product of its own, so no time is spent on zeros.

// The taps of one axis that reach the pixels q·stride + phase: first, first + period, …; `count` of them. Tap number t
// reaches them from window q + shift − t·back.
struct Taps {
  Index first, period, count, shift, back;
};

__device__ Taps taps_of_phase(const Sliding& s, int axis, Index phase) {
  Index stride = s.stride[axis], dilation = s.dilation[axis], period = 1;
  while (period * dilation % stride) ++period;
  Taps taps = {0, period, 0, 0, period * dilation / stride};
  for (Index a = 0; a < smaller(period, s.kernel[axis]); ++a) {
    Index distance = phase + s.before[axis] - a * dilation;
    if (distance % stride) continue;
    taps.first = a, taps.shift = distance / stride, taps.count = ceil_divide(s.kernel[axis] - a, period);
  }
  return taps;
}

// rows m: channels of the image in a group; columns n: pixels of a phase, of all images; depth d: (filter, tap of the phase).
// blockIdx.z is (group, phase).
struct Phase {
  Sliding s;
  Index group, phase[2], across[2], rows, columns, depth, matrix_step, result_step;
  Taps down, right;
  int height, width;

  __device__ Phase(const Sliding& sliding) : s(sliding) {
    Index phases = s.stride[0] * s.stride[1], number = blockIdx.z % phases;
    group = blockIdx.z / phases, phase[0] = number / s.stride[1], phase[1] = number % s.stride[1];
    for (int axis = 0; axis < 2; ++axis)
      across[axis] = phase[axis] < s.size[axis] ? ceil_divide(s.size[axis] - phase[axis], s.stride[axis]) : 0;
    down = taps_of_phase(s, 0, phase[0]), right = taps_of_phase(s, 1, phase[1]);
    rows = s.image_channels(), columns = s.images() * across[0] * across[1];
    depth = s.window_channels() * down.count * right.count;
    matrix_step = s.taps(), result_step = s.pixels();
    height = (int)s.output[0], width = (int)s.output[1];
  }
  __device__ Depth at(Index d) const {
    Index number = d % right.count, line = d / right.count % down.count, filter = d / right.count / down.count;
    Index tap = (down.first + line * down.period) * s.kernel[1] + right.first + number * right.period;
    int row = (int)(down.shift - line * down.back), column = (int)(right.shift - number * right.back);
    Index channel = group * s.window_channels() + filter;
    return {channel * rows * s.taps() + tap, {channel * s.windows() + row * s.output[1] + column, row, column}};
  }
  __device__ Place column(Index n) const {
    Index image = n / (across[0] * across[1]), row = n / across[1] % across[0], column = n % across[1];
    Index plane = image * s.groups() * s.window_channels() * s.windows();
    return {plane + row * s.output[1] + column, (int)row, (int)column};
  }
  __device__ Index result(Index n) const {
    Index image = n / (across[0] * across[1]), row = n / across[1] % across[0], column = n % across[1];
    Index pixel = (row * s.stride[0] + phase[0]) * s.size[1] + column * s.stride[1] + phase[1];
    return (image * s.groups() + group) * rows * s.pixels() + pixel;
  }
};

// Operations: 2·K·kH·kW/(stride height · stride width) for each of N·C·H·W pixels; bytes as for conv2d_tiled.
template <typename T>
__global__ void __launch_bounds__(256)
conv_transpose2d_tiled_4(const T* windows, const T* weight, const T* bias, T* image, Sliding s, Index has_bias) {
  Phase problem(s);
  tiled_product<T, 4>(weight, windows, has_bias ? bias + problem.group * problem.rows : (const T*)0, image, problem);
}
template <typename T>
__global__ void __launch_bounds__(256)
conv_transpose2d_tiled_8(const T* windows, const T* weight, const T* bias, T* image, Sliding s, Index has_bias) {
  Phase problem(s);
  tiled_product<T, 8>(weight, windows, has_bias ? bias + problem.group * problem.rows : (const T*)0, image, problem);
}

// Uses sliding.cuh, tiles.cuh.
// Convolution (lecture 01), and the gradient of its filters. Its gradient for the input is in transposed_convolution.cu.
//
// y[n, k, i, j] = bias[k] + Σ over (c, a, b) of weight[k, c, a, b] · x[n, c, i·stride + a·dilation − before, …]

// ---------------------------------------------------------------- the definition, a thread for each output pixel
// Operations: 2·C·kH·kW for each of N·K·OH·OW outputs. Read from memory at least: x and weight, once; this kernel asks for
// C·kH·kW numbers of each for every output, which only the caches make bearable.
template <typename T>
__global__ void conv2d(const T* x, const T* weight, const T* bias, T* y, Sliding s, Index has_bias) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= s.output[0] || column >= s.output[1]) return;
  Index filters = s.groups() * s.window_channels(), top = row * s.stride[0] - s.before[0];
  Index left = column * s.stride[1] - s.before[1];
  for (Index plane = plane_of_thread(); plane < s.images() * filters; plane += plane_step()) {
    Index n = plane / filters, k = plane % filters, group = k / s.window_channels();
    T sum = 0;
    for (Index c = 0; c < s.image_channels(); ++c) {
      const T* image = x + ((n * s.groups() + group) * s.image_channels() + c) * s.pixels();
      const T* filter = weight + (k * s.image_channels() + c) * s.taps();
      for (Index a = 0; a < s.kernel[0]; ++a) {
        Index r = top + a * s.dilation[0];
        if (r < 0 || r >= s.size[0]) continue;
        for (Index b = 0; b < s.kernel[1]; ++b) {
          Index q = left + b * s.dilation[1];
          if (q >= 0 && q < s.size[1]) sum += filter[a * s.kernel[1] + b] * image[r * s.size[1] + q];
        }
      }
    }
    y[(plane * s.output[0] + row) * s.output[1] + column] = has_bias ? sum + bias[k] : sum;
  }
}

// ---------------------------------------------------------------- as a matrix product in tiles
// rows m: filters of a group; columns n: windows of all images; depth d: (channel, tap).
// blockIdx.z is the group.
struct Correlation {
  Sliding s;
  Index group, rows, columns, depth, matrix_step, result_step;
  int height, width;

  __device__ Correlation(const Sliding& sliding) : s(sliding) {
    group = blockIdx.z;
    rows = s.window_channels(), columns = s.images() * s.windows(), depth = s.image_channels() * s.taps();
    matrix_step = depth, result_step = s.windows();
    height = (int)s.size[0], width = (int)s.size[1];
  }
  __device__ Depth at(Index d) const {
    Index channel = d / s.taps(), tap = d % s.taps();
    int row = (int)(tap / s.kernel[1] * s.dilation[0]), column = (int)(tap % s.kernel[1] * s.dilation[1]);
    Index offset = (group * s.image_channels() + channel) * s.pixels() + row * s.size[1] + column;
    return {group * rows * depth + d, {offset, row, column}};
  }
  __device__ Place column(Index n) const {
    Index image = n / s.windows(), window = n % s.windows();
    int row = (int)(window / s.output[1] * s.stride[0] - s.before[0]);
    int column = (int)(window % s.output[1] * s.stride[1] - s.before[1]);
    return {image * s.groups() * s.image_channels() * s.pixels() + row * s.size[1] + column, row, column};
  }
  __device__ Index result(Index n) const {
    return (n / s.windows() * s.groups() + group) * rows * s.windows() + n % s.windows();
  }
};

// Operations: 2·C·kH·kW for each of N·K·OH·OW outputs. A tile of 16·R × 16·R reads 16·R + 16·R numbers for 2·(16·R)²
// operations: 16·R/4 operations a byte of float32, 16 for R = 4, 32 for R = 8.
template <typename T>
__global__ void __launch_bounds__(256) conv2d_tiled_4(const T* x, const T* weight, const T* bias, T* y, Sliding s, Index has_bias) {
  Correlation problem(s);
  tiled_product<T, 4>(weight, x, has_bias ? bias + problem.group * problem.rows : (const T*)0, y, problem);
}
template <typename T>
__global__ void __launch_bounds__(256) conv2d_tiled_8(const T* x, const T* weight, const T* bias, T* y, Sliding s, Index has_bias) {
  Correlation problem(s);
  tiled_product<T, 8>(weight, x, has_bias ? bias + problem.group * problem.rows : (const T*)0, y, problem);
}

// ---------------------------------------------------------------- gradient of the filters
// dweight[k, c, a, b] = Σ over windows (n, i, j) of grad[n, k, i, j] · x[n, c, pixel (a, b) of the window]
//
// The sum for one number over the windows first, first + step, first + 2·step … of every image.
template <typename T>
__device__ T weight_gradient_over(const T* x, const T* grad, const Sliding& s, Index number, Index first, Index step) {
  Index tap = number % s.taps(), c = number / s.taps() % s.image_channels();
  Index k = number / s.taps() / s.image_channels(), group = k / s.window_channels();
  Index down = tap / s.kernel[1] * s.dilation[0] - s.before[0], across = tap % s.kernel[1] * s.dilation[1] - s.before[1];
  T sum = 0;
  for (Index n = 0; n < s.images(); ++n) {
    const T* image = x + ((n * s.groups() + group) * s.image_channels() + c) * s.pixels();
    const T* grads = grad + (n * s.groups() * s.window_channels() + k) * s.windows();
    for (Index window = first; window < s.windows(); window += step) {
      Index r = window / s.output[1] * s.stride[0] + down, q = window % s.output[1] * s.stride[1] + across;
      if (r >= 0 && r < s.size[0] && q >= 0 && q < s.size[1]) sum += grads[window] * image[r * s.size[1] + q];
    }
  }
  return sum;
}

// The definition, a block for each number. Operations: 2·N·OH·OW for each of K·C/groups·kH·kW numbers.
template <typename T>
__global__ void conv2d_weight_gradient(const T* x, const T* grad, T* dweight, Sliding s) {
  __shared__ T partial[32];
  T sum = weight_gradient_over(x, grad, s, blockIdx.x, threadIdx.x, blockDim.x);
  sum = block_sum(sum, partial);
  if (threadIdx.x == 0) dweight[blockIdx.x] = sum;
}

// A thread for each number: of few windows, of which a block would leave most threads without work.
template <typename T>
__global__ void conv2d_weight_gradient_of_few(const T* x, const T* grad, T* dweight, Sliding s, Index numbers) {
  for (Index number = column_of_thread(); number < numbers; number += thread_step())
    dweight[number] = weight_gradient_over(x, grad, s, number, 0, 1);
}

// rows m: filters of a group; columns n: (channel, tap); depth d: windows of all images, cut into `parts`, whose results are
// added afterwards, always in the same order. blockIdx.z is (group, part).
struct WeightGradient {
  Sliding s;
  Index group, part, rows, columns, depth, begin, matrix_step, result_step;
  int height, width;

  __device__ WeightGradient(const Sliding& sliding, Index parts) : s(sliding) {
    group = blockIdx.z / parts, part = blockIdx.z % parts;
    rows = s.window_channels(), columns = s.image_channels() * s.taps();
    Index all = s.images() * s.windows(), length = ceil_divide(all, parts);
    begin = smaller(part * length, all), depth = smaller(length, all - begin);
    matrix_step = s.windows(), result_step = columns;
    height = (int)s.size[0], width = (int)s.size[1];
  }
  __device__ Depth at(Index d) const {
    Index image = (begin + d) / s.windows(), window = (begin + d) % s.windows();
    int row = (int)(window / s.output[1] * s.stride[0] - s.before[0]);
    int column = (int)(window % s.output[1] * s.stride[1] - s.before[1]);
    Index offset = image * s.groups() * s.image_channels() * s.pixels() + row * s.size[1] + column;
    return {(image * s.groups() + group) * rows * s.windows() + window, {offset, row, column}};
  }
  __device__ Place column(Index n) const {
    Index channel = n / s.taps(), tap = n % s.taps();
    int row = (int)(tap / s.kernel[1] * s.dilation[0]), column = (int)(tap % s.kernel[1] * s.dilation[1]);
    return {(group * s.image_channels() + channel) * s.pixels() + row * s.size[1] + column, row, column};
  }
  __device__ Index result(Index n) const { return (part * s.groups() + group) * rows * columns + n; }
};

// `sums` is parts × (shape of weight). Operations: as above.
template <typename T>
__global__ void __launch_bounds__(256)
conv2d_weight_gradient_tiled_4(const T* x, const T* grad, T* sums, Sliding s, Index parts) {
  WeightGradient problem(s, parts);
  tiled_product<T, 4>(grad, x, (const T*)0, sums, problem);
}
template <typename T>
__global__ void __launch_bounds__(256)
conv2d_weight_gradient_tiled_8(const T* x, const T* grad, T* sums, Sliding s, Index parts) {
  WeightGradient problem(s, parts);
  tiled_product<T, 8>(grad, x, (const T*)0, sums, problem);
}

// total[i] = Σ over parts of sums[part, i]. Floor: reads parts · count numbers, writes count.
template <typename T>
__global__ void add_parts(const T* sums, T* total, Index count, Index parts) {
  for (Index i = column_of_thread(); i < count; i += thread_step()) {
    T sum = 0;
    for (Index part = 0; part < parts; ++part) sum += sums[part * count + i];
    total[i] = sum;
  }
}

// dbias[k] = Σ over images and pixels of grad[n, k, pixel], a block for each k. Floor: reads N·K·P numbers. Memory-bound.
template <typename T>
__global__ void bias_gradient(const T* grad, T* dbias, Index channels, Index pixels, Index images) {
  __shared__ T partial[32];
  Index channel = blockIdx.x;
  T sum = 0;
  for (Index n = 0; n < images; ++n)
    for (Index p = threadIdx.x; p < pixels; p += blockDim.x) sum += grad[(n * channels + channel) * pixels + p];
  sum = block_sum(sum, partial);
  if (threadIdx.x == 0) dbias[channel] = sum;
}

// Pooling (lecture 02). One thread computes one pixel of the result, for one plane after another.
//
// Neighbouring threads own neighbouring columns, so a warp reads neighbouring addresses. Windows that overlap read a
// pixel several times; only the first time it comes from memory, then from the cache.

// Everything about the windows, rows first, then columns.
//   kernel, stride, padding, dilation: of the window; size: of the input; output: of the result
struct Windows {
  Index kernel[2], stride[2], padding[2], dilation[2], size[2], output[2];
};

template <typename T>
struct Best {
  T value;
  Index index;
};

// The largest element of a window and its place in the plane. The first of equals wins, the last NaN beats all.
template <typename T>
__device__ Best<T> best_of_window(const T* plane, const Windows& w, Index row, Index column) {
  Index top = row * w.stride[0] - w.padding[0], left = column * w.stride[1] - w.padding[1];
  Best<T> best = {-infinity<T>(), -1};
  for (Index a = 0; a < w.kernel[0]; ++a) {
    Index r = top + a * w.dilation[0];
    if (r < 0 || r >= w.size[0]) continue;
    for (Index b = 0; b < w.kernel[1]; ++b) {
      Index c = left + b * w.dilation[1];
      if (c < 0 || c >= w.size[1]) continue;
      T value = plane[r * w.size[1] + c];
      if (best.index < 0 || value > best.value || isnan(value)) best = {value, r * w.size[1] + c};
    }
  }
  return best;
}

// Floor: reads N·C·H·W numbers, writes N·C·OH·OW; kernel height × width comparisons each. Memory-bound.
template <typename T>
__global__ void max_pool2d(const T* x, T* y, Windows w, Index planes) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= w.output[0] || column >= w.output[1]) return;
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step()) {
    Index place = (plane * w.output[0] + row) * w.output[1] + column;
    y[place] = best_of_window(x + plane * w.size[0] * w.size[1], w, row, column).value;
  }
}

// Floor: as above, and 8 bytes more written for each window.
template <typename T>
__global__ void max_pool2d_with_indices(const T* x, T* y, Index* indices, Windows w, Index planes) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= w.output[0] || column >= w.output[1]) return;
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step()) {
    Index place = (plane * w.output[0] + row) * w.output[1] + column;
    Best<T> best = best_of_window(x + plane * w.size[0] * w.size[1], w, row, column);
    y[place] = best.value;
    indices[place] = best.index;
  }
}

// Each gradient goes to the pixel that won. Where windows overlap, several go to one pixel, hence the atomic addition:
// in which order they are added is left open, so the last digits may differ from run to run. dx is 0 beforehand.
// Floor: reads N·C·OH·OW gradients and as many 8-byte indices, writes N·C·H·W zeros, then N·C·OH·OW sums.
template <typename T>
__global__ void max_pool2d_backward(const T* grad, const Index* indices, T* dx, Index windows, Index pixels, Index planes) {
  Index window = column_of_thread();
  if (window >= windows) return;
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step())
    atomicAdd(&dx[plane * pixels + indices[plane * windows + window]], grad[plane * windows + window]);
}

// How many pixels a window has along an axis that count in the mean: those of the image, or of the padded image.
__device__ Index counted(const Windows& w, int axis, Index window, bool count_include_pad) {
  Index pad = count_include_pad ? w.padding[axis] : 0;
  Index start = window * w.stride[axis] - w.padding[axis];
  return smaller(start + w.kernel[axis], w.size[axis] + pad) - larger(start, -pad);
}

// What the sum of a window is divided by. `override` is used instead unless it is 0.
template <typename T>
__device__ T divisor_of(const Windows& w, Index row, Index column, Index count_include_pad, Index override) {
  if (override) return (T)override;
  return (T)(counted(w, 0, row, count_include_pad) * counted(w, 1, column, count_include_pad));
}

// Floor: reads N·C·H·W numbers, writes N·C·OH·OW; kernel height × width additions each. Memory-bound.
template <typename T>
__global__ void avg_pool2d(const T* x, T* y, Windows w, Index count_include_pad, Index override, Index planes) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= w.output[0] || column >= w.output[1]) return;
  Index top = row * w.stride[0] - w.padding[0], left = column * w.stride[1] - w.padding[1];
  T divisor = divisor_of<T>(w, row, column, count_include_pad, override);
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step()) {
    const T* image = x + plane * w.size[0] * w.size[1];
    T sum = 0;
    for (Index r = larger(top, 0); r < smaller(top + w.kernel[0], w.size[0]); ++r)
      for (Index c = larger(left, 0); c < smaller(left + w.kernel[1], w.size[1]); ++c) sum += image[r * w.size[1] + c];
    y[(plane * w.output[0] + row) * w.output[1] + column] = sum / divisor;
  }
}

// The windows along an axis that hold a pixel: first, first + 1, …, last.
__device__ Index first_window(const Windows& w, int axis, Index pixel) {
  Index beyond = pixel + w.padding[axis] - w.kernel[axis] + 1;
  return beyond > 0 ? ceil_divide(beyond, w.stride[axis]) : 0;
}
__device__ Index last_window(const Windows& w, int axis, Index pixel) {
  return smaller((pixel + w.padding[axis]) / w.stride[axis], w.output[axis] - 1);
}

// A thread for each pixel of the input gathers from the windows that hold it: no atomics, always the same order.
// Floor: reads N·C·OH·OW numbers, writes N·C·H·W. Memory-bound.
template <typename T>
__global__ void avg_pool2d_backward(const T* grad, T* dx, Windows w, Index count_include_pad, Index override, Index planes) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= w.size[0] || column >= w.size[1]) return;
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step()) {
    const T* grads = grad + plane * w.output[0] * w.output[1];
    T sum = 0;
    for (Index i = first_window(w, 0, row); i <= last_window(w, 0, row); ++i)
      for (Index j = first_window(w, 1, column); j <= last_window(w, 1, column); ++j)
        sum += grads[i * w.output[1] + j] / divisor_of<T>(w, i, j, count_include_pad, override);
    dx[(plane * w.size[0] + row) * w.size[1] + column] = sum;
  }
}

// Adaptive windows: window i of an axis covers ⌊i·size/output⌋ up to, not including, ⌈(i + 1)·size/output⌉.
__device__ Index adaptive_start(Index i, Index size, Index output) { return i * size / output; }
__device__ Index adaptive_stop(Index i, Index size, Index output) { return ceil_divide((i + 1) * size, output); }

// Floor: reads N·C·H·W numbers, writes N·C·OH·OW. Memory-bound; a thread a window, so slow for few large windows.
template <typename T>
__global__ void adaptive_avg_pool2d(const T* x, T* y, Index height, Index width, Index out_height, Index out_width, Index planes) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= out_height || column >= out_width) return;
  Index top = adaptive_start(row, height, out_height), bottom = adaptive_stop(row, height, out_height);
  Index left = adaptive_start(column, width, out_width), right = adaptive_stop(column, width, out_width);
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step()) {
    T sum = 0;
    for (Index r = top; r < bottom; ++r) {
      T sum_of_row = 0;  // sums of sums: rounding errors stay small
      for (Index c = left; c < right; ++c) sum_of_row += x[(plane * height + r) * width + c];
      sum += sum_of_row;
    }
    y[(plane * out_height + row) * out_width + column] = sum / (T)((bottom - top) * (right - left));
  }
}

// The same with a warp for each window, whose lanes read 32 neighbours of a row: for windows of many pixels.
template <typename T>
__global__ void adaptive_avg_pool2d_by_warp(
    const T* x, T* y, Index height, Index width, Index out_height, Index out_width, Index planes) {
  int lane = threadIdx.x;
  Index windows = out_height * out_width * planes, step = (Index)gridDim.x * blockDim.y;
  for (Index window = (Index)blockIdx.x * blockDim.y + threadIdx.y; window < windows; window += step) {
    Index column = window % out_width, row = window / out_width % out_height, plane = window / out_width / out_height;
    Index top = adaptive_start(row, height, out_height), bottom = adaptive_stop(row, height, out_height);
    Index left = adaptive_start(column, width, out_width), right = adaptive_stop(column, width, out_width);
    T sum = 0;
    for (Index r = top; r < bottom; ++r)
      for (Index c = left + lane; c < right; c += 32) sum += x[(plane * height + r) * width + c];
    sum = warp_sum(sum);
    if (lane == 0) y[window] = sum / (T)((bottom - top) * (right - left));
  }
}

// A thread for each pixel of the input gathers from the windows that hold it.
// Floor: reads N·C·OH·OW numbers, writes N·C·H·W. Memory-bound.
template <typename T>
__global__ void adaptive_avg_pool2d_backward(
    const T* grad, T* dx, Index height, Index width, Index out_height, Index out_width, Index planes) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= height || column >= width) return;
  Index first_row = row * out_height / height, last_row = ceil_divide((row + 1) * out_height, height) - 1;
  Index first_column = column * out_width / width, last_column = ceil_divide((column + 1) * out_width, width) - 1;
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step()) {
    T sum = 0;
    for (Index i = first_row; i <= last_row; ++i) {
      Index tall = adaptive_stop(i, height, out_height) - adaptive_start(i, height, out_height);
      for (Index j = first_column; j <= last_column; ++j) {
        Index wide = adaptive_stop(j, width, out_width) - adaptive_start(j, width, out_width);
        sum += grad[(plane * out_height + i) * out_width + j] / (T)(tall * wide);
      }
    }
    dx[(plane * height + row) * width + column] = sum;
  }
}

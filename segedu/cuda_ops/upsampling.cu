// Upsampling without weights (lecture 03): a thread for each pixel of the result, forward and backward.
//
// Backward, an input pixel asks which output pixels were made of it. It computes where they can lie and then asks each of
// them, with the same function as forward, so both agree to the last bit and no atomics are needed.

// ---------------------------------------------------------------- nearest
// The step is float32 whatever the dtype, as in PyTorch.
__device__ Index nearest(Index i, float step, Index size) { return smaller((Index)floorf((float)i * step), size - 1); }

// Floor: writes N·C·OH·OW numbers, reads N·C·H·W (of those that are used). Memory-bound.
template <typename T>
__global__ void interpolate_nearest(
    const T* x, T* y, Index height, Index width, Index out_height, Index out_width, float row_step, float column_step,
    Index planes) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= out_height || column >= out_width) return;
  Index source = nearest(row, row_step, height) * width + nearest(column, column_step, width);
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step())
    y[(plane * out_height + row) * out_width + column] = x[plane * height * width + source];
}

// The first output pixel that shows an input pixel r or a later one: near r/step, and then exactly.
__device__ Index first_showing(Index r, float step, Index size, Index output) {
  if (r <= 0) return 0;
  if (r >= size) return output;
  Index i = smaller((Index)ceilf((float)r / step), output);
  while (i > 0 && nearest(i - 1, step, size) >= r) --i;
  while (i < output && nearest(i, step, size) < r) ++i;
  return i;
}

// Floor: reads N·C·OH·OW numbers, writes N·C·H·W. Memory-bound.
template <typename T>
__global__ void interpolate_nearest_backward(
    const T* grad, T* dx, Index height, Index width, Index out_height, Index out_width, float row_step,
    float column_step, Index planes) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= height || column >= width) return;
  Index top = first_showing(row, row_step, height, out_height);
  Index bottom = first_showing(row + 1, row_step, height, out_height);
  Index left = first_showing(column, column_step, width, out_width);
  Index right = first_showing(column + 1, column_step, width, out_width);
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step()) {
    T sum = 0;
    for (Index i = top; i < bottom; ++i)
      for (Index j = left; j < right; ++j) sum += grad[(plane * out_height + i) * out_width + j];
    dx[(plane * height + row) * width + column] = sum;
  }
}

// ---------------------------------------------------------------- bilinear
// Between which input pixels an output pixel lies, and how far from the first of them.
template <typename T>
struct Place {
  Index first, second;
  T share;  // of the second
};

// (i + ½)·step − ½, rounded once, as PyTorch rounds it.
template <typename T>
__device__ T centre(Index i, T step) { return fma((T)i + (T)0.5, step, (T)-0.5); }

template <typename T>
__device__ Place<T> place_of(Index i, Index size, Index output, T step, Index align_corners) {
  if (output == size) return {i, i, 0};
  T coordinate = align_corners ? (T)i * step : centre(i, step);
  if (coordinate < 0) coordinate = 0;
  Index first = smaller((Index)coordinate, size - 1);
  T share = coordinate - (T)first;
  return {first, smaller(first + 1, size - 1), share > 1 ? (T)1 : share};
}

// Floor: reads N·C·H·W numbers, writes N·C·OH·OW; 6 multiplications and 3 additions each. Memory-bound.
template <typename T>
__global__ void interpolate_bilinear(
    const T* x, T* y, Index height, Index width, Index out_height, Index out_width, T row_step, T column_step,
    Index align_corners, Index planes) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= out_height || column >= out_width) return;
  Place<T> v = place_of(row, height, out_height, row_step, align_corners);
  Place<T> u = place_of(column, width, out_width, column_step, align_corners);
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step()) {
    const T* upper = x + (plane * height + v.first) * width;
    const T* lower = x + (plane * height + v.second) * width;
    T above = upper[u.first] * (1 - u.share) + upper[u.second] * u.share;
    T below = lower[u.first] * (1 - u.share) + lower[u.second] * u.share;
    y[(plane * out_height + row) * out_width + column] = above * (1 - v.share) + below * v.share;
  }
}

// The output pixels that lie less than one input pixel from input pixel r; one more on both sides for rounding.
template <typename T>
__device__ void near_pixel(Index r, Index size, Index output, T step, Index align_corners, Index* first, Index* last) {
  *first = 0, *last = output - 1;
  if (output == size) *first = *last = r;
  if (output == size || step <= 0) return;
  T shift = align_corners ? (T)0 : (T)0.5;
  T low = ((T)(r - 1) + shift) / step - shift, high = ((T)(r + 1) + shift) / step - shift;
  if (r > 0) *first = larger((Index)floor(low) - 1, 0);
  if (r < size - 1) *last = smaller((Index)ceil(high) + 1, output - 1);
}

template <typename T>
__device__ T weight_in(const Place<T>& place, Index r, bool* is_in) {
  *is_in = place.first == r || place.second == r;
  return (place.first == r ? 1 - place.share : (T)0) + (place.second == r ? place.share : (T)0);
}

// Floor: reads N·C·OH·OW numbers, writes N·C·H·W. Memory-bound: places and weights are computed once for all planes.
template <typename T>
__global__ void interpolate_bilinear_backward(
    const T* grad, T* dx, Index height, Index width, Index out_height, Index out_width, T row_step, T column_step,
    Index align_corners, Index planes) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= height || column >= width) return;
  Index top, bottom, left, right;
  near_pixel(row, height, out_height, row_step, align_corners, &top, &bottom);
  near_pixel(column, width, out_width, column_step, align_corners, &left, &right);
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step()) {
    T sum = 0;
    for (Index i = top; i <= bottom; ++i) {
      bool is_in;
      T row_weight = weight_in(place_of(i, height, out_height, row_step, align_corners), row, &is_in);
      if (!is_in) continue;
      for (Index j = left; j <= right; ++j) {
        T column_weight = weight_in(place_of(j, width, out_width, column_step, align_corners), column, &is_in);
        if (is_in) sum += row_weight * column_weight * grad[(plane * out_height + i) * out_width + j];
      }
    }
    dx[(plane * height + row) * width + column] = sum;
  }
}

// ---------------------------------------------------------------- pixel shuffle
// y[p, h·r + i, w·r + j] = x[p, i, j, h, w], p = image and channel of the result. height, width: of the result.
// Floor: reads and writes N·C·H·W numbers. Reads of neighbouring threads lie apart by a plane, writes side by side.
template <typename T>
__global__ void pixel_shuffle(const T* x, T* y, Index height, Index width, Index r, Index planes) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= height || column >= width) return;
  Index channel = row % r * r + column % r, pixel = row / r * (width / r) + column / r;
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step())
    y[(plane * height + row) * width + column] = x[plane * height * width + channel * (height / r) * (width / r) + pixel];
}

// The same with both sides exchanged.
template <typename T>
__global__ void pixel_shuffle_backward(const T* grad, T* dx, Index height, Index width, Index r, Index planes) {
  Index column = column_of_thread(), row = row_of_thread();
  if (row >= height || column >= width) return;
  Index channel = row % r * r + column % r, pixel = row / r * (width / r) + column / r;
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step())
    dx[plane * height * width + channel * (height / r) * (width / r) + pixel] = grad[(plane * height + row) * width + column];
}

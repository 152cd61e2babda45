// Batch normalisation (lecture 11). x is N × C × P; everything is computed for each of the C channels.

// ---------------------------------------------------------------- mean and variance in one pass
// Welford's method: mean and sum of squared differences from it, updated number by number; no large sums of squares
// whose difference would lose its digits.
template <typename T>
struct Moments {
  T count, mean, squares, sum;  // squares: Σ (x − mean)²; the plain sum gives the mean where something is infinite
};

// Two sets of numbers together (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing
// sample variances", 1979).
template <typename T>
__device__ Moments<T> together(const Moments<T>& a, const Moments<T>& b) {
  T count = a.count + b.count;
  if (count == 0) return a;
  T apart = b.mean - a.mean, share = b.count / count;
  return {count, a.mean + apart * share, a.squares + b.squares + apart * apart * a.count * share, a.sum + b.sum};
}

template <typename T>
__device__ Moments<T> moments_of_warp(Moments<T> m) {
  for (int apart = 16; apart > 0; apart /= 2) {
    Moments<T> other = {
        __shfl_down_sync(0xffffffff, m.count, apart), __shfl_down_sync(0xffffffff, m.mean, apart),
        __shfl_down_sync(0xffffffff, m.squares, apart), __shfl_down_sync(0xffffffff, m.sum, apart)};
    m = together(m, other);
  }
  return m;
}

// In thread 0. `shared` holds 4 · 32 numbers.
template <typename T>
__device__ Moments<T> moments_of_block(Moments<T> m, T* shared) {
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  m = moments_of_warp(m);
  if (lane == 0) shared[warp] = m.count, shared[32 + warp] = m.mean, shared[64 + warp] = m.squares, shared[96 + warp] = m.sum;
  __syncthreads();
  if (warp == 0) {
    Moments<T> part = {0, 0, 0, 0};
    if (lane < warps) part = {shared[lane], shared[32 + lane], shared[64 + lane], shared[96 + lane]};
    m = moments_of_warp(part);
  }
  return m;
}

// A block takes every gridDim.x-th piece of blockDim.x numbers of channel blockIdx.y; `parts` is C × gridDim.x × 4.
// Floor: reads N·C·P numbers; about 5 operations and a division each. Memory-bound.
template <typename T>
__global__ void channel_moments(const T* x, T* parts, Index channels, Index pixels, Index images) {
  __shared__ T shared[128];
  Index channel = blockIdx.y;
  Moments<T> m = {0, 0, 0, 0};
  for (Index n = 0; n < images; ++n) {
    const T* plane = x + (n * channels + channel) * pixels;
    for (Index p = column_of_thread(); p < pixels; p += thread_step()) {
      T apart = plane[p] - m.mean;
      m.count += 1;
      m.sum += plane[p];
      m.mean += apart / m.count;
      m.squares += apart * (plane[p] - m.mean);
    }
  }
  m = moments_of_block(m, shared);
  if (threadIdx.x == 0) {
    T* part = parts + (channel * gridDim.x + blockIdx.x) * 4;
    part[0] = m.count, part[1] = m.mean, part[2] = m.squares, part[3] = m.sum;
  }
}

// A warp for each channel puts its parts together: mean[c] and variance[c] (biased).
template <typename T>
__global__ void join_moments(const T* parts, T* mean, T* variance, Index count, Index channels) {
  Index step = (Index)gridDim.x * blockDim.y;
  for (Index channel = (Index)blockIdx.x * blockDim.y + threadIdx.y; channel < channels; channel += step) {
    Moments<T> m = {0, 0, 0, 0};
    for (Index i = threadIdx.x; i < count; i += 32) {
      const T* part = parts + (channel * count + i) * 4;
      Moments<T> next = {part[0], part[1], part[2], part[3]};
      m = together(m, next);
    }
    m = moments_of_warp(m);
    if (threadIdx.x == 0) {
      mean[channel] = isfinite(m.mean) ? m.mean : m.sum / m.count;
      variance[channel] = m.squares / m.count;
    }
  }
}

// ---------------------------------------------------------------- forward
// 1/√(σ² + eps), times the weight where there is one (has_weight).
template <typename T>
__device__ T scale_of(const T* variance, const T* weight, Index channel, Index has_weight, T eps) {
  T scale = 1 / sqrt(variance[channel] + eps);
  return has_weight ? scale * weight[channel] : scale;
}

// y = (x − mean)·scale + bias. Planes are images × channels. Floor: reads and writes N·C·P numbers; memory-bound.
template <typename T>
__global__ void normalize(
    const T* x, T* y, const T* mean, const T* variance, const T* weight, const T* bias, Index has_weight, Index has_bias,
    T eps, Index channels, Index pixels, Index planes) {
  Index pixel = column_of_thread();
  if (pixel >= pixels) return;
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step()) {
    Index c = plane % channels;
    T scaled = (x[plane * pixels + pixel] - mean[c]) * scale_of(variance, weight, c, has_weight, eps);
    y[plane * pixels + pixel] = has_bias ? scaled + bias[c] : scaled;
  }
}

// Outside training: y = x·scale + (bias − mean·scale), one multiplication and one addition a pixel.
template <typename T>
__global__ void normalize_by_running(
    const T* x, T* y, const T* mean, const T* variance, const T* weight, const T* bias, Index has_weight, Index has_bias,
    T eps, Index channels, Index pixels, Index planes) {
  Index pixel = column_of_thread();
  if (pixel >= pixels) return;
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step()) {
    Index c = plane % channels;
    T scale = scale_of(variance, weight, c, has_weight, eps);
    T shift = (has_bias ? bias[c] : (T)0) - mean[c] * scale;
    y[plane * pixels + pixel] = x[plane * pixels + pixel] * scale + shift;
  }
}

// ---------------------------------------------------------------- backward
// Parts of Σ g and Σ g·(x − mean); `parts` is 2 × C × gridDim.x. Floor: reads 2·N·C·P numbers; memory-bound.
template <typename T>
__global__ void channel_gradient_sums(
    const T* grad, const T* x, const T* mean, T* parts, Index channels, Index pixels, Index images) {
  __shared__ T shared[32];
  Index channel = blockIdx.y;
  T sum = 0, dot = 0;
  for (Index n = 0; n < images; ++n) {
    Index plane = (n * channels + channel) * pixels;
    for (Index p = column_of_thread(); p < pixels; p += thread_step()) {
      sum += grad[plane + p];
      dot += grad[plane + p] * (x[plane + p] - mean[channel]);
    }
  }
  sum = block_sum(sum, shared);
  dot = block_sum(dot, shared);
  if (threadIdx.x == 0) {
    parts[channel * gridDim.x + blockIdx.x] = sum;
    parts[(channels + channel) * gridDim.x + blockIdx.x] = dot;
  }
}

// A warp for each of `rows` sums the `count` numbers of a row.
template <typename T>
__global__ void sum_rows(const T* parts, T* sums, Index count, Index rows) {
  Index step = (Index)gridDim.x * blockDim.y;
  for (Index row = (Index)blockIdx.x * blockDim.y + threadIdx.y; row < rows; row += step) {
    T sum = 0;
    for (Index i = threadIdx.x; i < count; i += 32) sum += parts[row * count + i];
    sum = warp_sum(sum);
    if (threadIdx.x == 0) sums[row] = sum;
  }
}

// sums: Σ g of every channel, then Σ g·(x − mean). In training
//   dx = weight/√(σ² + eps) · (g − Σ g/m − (x − mean)·Σ g·(x − mean)/((σ² + eps)·m)), m values a channel;
// otherwise dx = weight/√(σ² + eps) · g. Floor: reads 2·N·C·P numbers (otherwise 1), writes N·C·P. Memory-bound.
template <typename T>
__global__ void batch_norm_backward(
    const T* grad, const T* x, T* dx, const T* sums, const T* mean, const T* variance, const T* weight, Index has_weight,
    Index training, T eps, T values, Index channels, Index pixels, Index planes) {
  Index pixel = column_of_thread();
  if (pixel >= pixels) return;
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step()) {
    Index c = plane % channels, i = plane * pixels + pixel;
    T scale = scale_of(variance, weight, c, has_weight, eps), result = grad[i];
    if (training) {
      T inverse = 1 / sqrt(variance[c] + eps);
      result -= (x[i] - mean[c]) * (inverse * (sums[channels + c] * inverse) / values);
      result -= sums[c] / values;
    }
    dx[i] = result * scale;
  }
}

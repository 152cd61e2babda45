// ReLU, softmax, dropout, concatenation (from lecture 06 on).

// ---------------------------------------------------------------- element by element
// Four numbers at a time where memory allows: one instruction of 16 bytes instead of four of 4.
template <typename T>
struct __align__(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) Four {
  T a, b, c, d;
};

template <typename T>
__device__ T positive(T x) { return x <= 0 ? (T)0 : x; }  // NaN stays NaN
template <typename T>
__device__ T passing(T grad, T x) { return x <= 0 ? (T)0 : grad; }

// Floor: reads and writes every number once, one comparison each. Memory-bound.
template <typename T>
__global__ void relu(const T* x, T* y, Index count) {
  for (Index i = column_of_thread(); i < count; i += thread_step()) y[i] = positive(x[i]);
}
// `fours`: count / 4; both arrays begin at a multiple of 16 bytes.
template <typename T>
__global__ void relu_by_four(const Four<T>* x, Four<T>* y, Index fours) {
  for (Index i = column_of_thread(); i < fours; i += thread_step()) {
    Four<T> v = x[i];
    y[i] = {positive(v.a), positive(v.b), positive(v.c), positive(v.d)};
  }
}

// Floor: reads two numbers and writes one for each element. Memory-bound.
template <typename T>
__global__ void relu_backward(const T* grad, const T* x, T* dx, Index count) {
  for (Index i = column_of_thread(); i < count; i += thread_step()) dx[i] = passing(grad[i], x[i]);
}
template <typename T>
__global__ void relu_backward_by_four(const Four<T>* grad, const Four<T>* x, Four<T>* dx, Index fours) {
  for (Index i = column_of_thread(); i < fours; i += thread_step()) {
    Four<T> g = grad[i], v = x[i];
    dx[i] = {passing(g.a, v.a), passing(g.b, v.b), passing(g.c, v.c), passing(g.d, v.d)};
  }
}

// For dropout. Floor: reads two numbers and writes one for each element. Memory-bound.
template <typename T>
__global__ void multiply(const T* a, const T* b, T* product, Index count) {
  for (Index i = column_of_thread(); i < count; i += thread_step()) product[i] = a[i] * b[i];
}

// ---------------------------------------------------------------- softmax
// x is outer × length × inner; a softmax runs over `length`. With inner > 1 (classes of pixels) a thread computes one
// softmax: neighbouring threads read neighbouring pixels of one class after another. With inner = 1 the numbers of a
// softmax lie side by side, and a warp computes it together.
//
// Floor: reads and writes every number once (it is read again for the sum and the result, but from the cache), one
// exponential each, two for `softmax`. Memory-bound.
template <typename T>
__global__ void softmax(const T* x, T* y, Index length, Index inner, Index outer) {
  Index column = column_of_thread();
  if (column >= inner) return;
  for (Index row = plane_of_thread(); row < outer; row += plane_step()) {
    const T* scores = x + row * length * inner + column;
    T* result = y + row * length * inner + column;
    T largest = scores[0], sum = 0;
    for (Index k = 1; k < length; ++k) largest = max(largest, scores[k * inner]);
    for (Index k = 0; k < length; ++k) sum += exp(scores[k * inner] - largest);
    for (Index k = 0; k < length; ++k) result[k * inner] = exp(scores[k * inner] - largest) / sum;
  }
}

template <typename T>
__global__ void log_softmax(const T* x, T* y, Index length, Index inner, Index outer) {
  Index column = column_of_thread();
  if (column >= inner) return;
  for (Index row = plane_of_thread(); row < outer; row += plane_step()) {
    const T* scores = x + row * length * inner + column;
    T* result = y + row * length * inner + column;
    T largest = scores[0], sum = 0;
    for (Index k = 1; k < length; ++k) largest = max(largest, scores[k * inner]);
    for (Index k = 0; k < length; ++k) sum += exp(scores[k * inner] - largest);
    T log_sum = log(sum);
    for (Index k = 0; k < length; ++k) result[k * inner] = scores[k * inner] - largest - log_sum;
  }
}

// The same for inner = 1: lane 0 reads numbers 0, 32, 64, …, lane 1 numbers 1, 33, …; blocks are 32 × (warps).
template <typename T>
__global__ void softmax_by_warp(const T* x, T* y, Index length, Index outer) {
  Index step = (Index)gridDim.x * blockDim.y;
  for (Index row = (Index)blockIdx.x * blockDim.y + threadIdx.y; row < outer; row += step) {
    const T* scores = x + row * length;
    T largest = -infinity<T>(), sum = 0;
    for (Index k = threadIdx.x; k < length; k += 32) largest = max(largest, scores[k]);
    largest = warp_max(largest);
    for (Index k = threadIdx.x; k < length; k += 32) sum += exp(scores[k] - largest);
    sum = from_lane_0(warp_sum(sum));
    for (Index k = threadIdx.x; k < length; k += 32) y[row * length + k] = exp(scores[k] - largest) / sum;
  }
}

template <typename T>
__global__ void log_softmax_by_warp(const T* x, T* y, Index length, Index outer) {
  Index step = (Index)gridDim.x * blockDim.y;
  for (Index row = (Index)blockIdx.x * blockDim.y + threadIdx.y; row < outer; row += step) {
    const T* scores = x + row * length;
    T largest = -infinity<T>(), sum = 0;
    for (Index k = threadIdx.x; k < length; k += 32) largest = max(largest, scores[k]);
    largest = warp_max(largest);
    for (Index k = threadIdx.x; k < length; k += 32) sum += exp(scores[k] - largest);
    T log_sum = log(from_lane_0(warp_sum(sum)));
    for (Index k = threadIdx.x; k < length; k += 32) y[row * length + k] = scores[k] - largest - log_sum;
  }
}

// dx[k] = y[k]·(g[k] − Σ g·y). Floor: reads two numbers, writes one; memory-bound.
template <typename T>
__global__ void softmax_backward(const T* grad, const T* y, T* dx, Index length, Index inner, Index outer) {
  Index column = column_of_thread();
  if (column >= inner) return;
  for (Index row = plane_of_thread(); row < outer; row += plane_step()) {
    Index first = row * length * inner + column;
    T mean = 0;
    for (Index k = 0; k < length; ++k) mean += grad[first + k * inner] * y[first + k * inner];
    for (Index k = 0; k < length; ++k) dx[first + k * inner] = y[first + k * inner] * (grad[first + k * inner] - mean);
  }
}

// dx[k] = g[k] − exp(y[k])·Σ g. Floor: reads two numbers, writes one; memory-bound.
template <typename T>
__global__ void log_softmax_backward(const T* grad, const T* y, T* dx, Index length, Index inner, Index outer) {
  Index column = column_of_thread();
  if (column >= inner) return;
  for (Index row = plane_of_thread(); row < outer; row += plane_step()) {
    Index first = row * length * inner + column;
    T sum = 0;
    for (Index k = 0; k < length; ++k) sum += grad[first + k * inner];
    for (Index k = 0; k < length; ++k) dx[first + k * inner] = grad[first + k * inner] - exp(y[first + k * inner]) * sum;
  }
}

// ---------------------------------------------------------------- concatenation
// Copies `outer` pieces of `length` numbers: piece n from source + n·source_step to target + n·target_step.
// Floor: reads and writes every number once.
template <typename T>
__global__ void copy_pieces(
    const T* source, T* target, Index length, Index source_start, Index source_step, Index target_start,
    Index target_step, Index outer) {
  Index i = column_of_thread();
  if (i >= length) return;
  for (Index n = plane_of_thread(); n < outer; n += plane_step())
    target[target_start + n * target_step + i] = source[source_start + n * source_step + i];
}

// The Lovász-softmax loss (lecture 06). For each chosen class (a row) the errors are sorted, and one block walks along them.

// Errors |y − p| of a row's class and the pixels they belong to; behind them what does not count, so that it sorts last.
// probabilities: images × classes × pixels; errors, order: rows × size, size a power of two.
// Floor: reads a number and a label for each row and pixel, writes a number and 8 bytes.
template <typename T>
__global__ void lovasz_errors(
    const T* probabilities, const Index* labels, const Index* chosen, T* errors, Index* order, Index has_void, Index ignored,
    Index classes, Index pixels, Index count, Index size, Index rows) {
  Index i = column_of_thread();
  if (i >= size) return;
  for (Index row = plane_of_thread(); row < rows; row += plane_step()) {
    T error = -1;
    if (i < count && !(has_void && labels[i] == ignored)) {
      T p = probabilities[(i / pixels * classes + chosen[row]) * pixels + i % pixels];
      error = fabs((labels[i] == chosen[row] ? (T)1 : (T)0) - p);
    }
    errors[row * size + i] = error;
    order[row * size + i] = i;
  }
}

// NaN comes after all numbers, before what does not count.
template <typename T>
__device__ bool comes_first(T a, Index i, T b, Index j) {
  a = isnan(a) ? (T)-0.5 : a, b = isnan(b) ? (T)-0.5 : b;
  return a > b || (a == b && i < j);
}

// One step of a bitonic sort (Batcher, "Sorting networks and their applications", 1968), falling, equal errors in reading
// order: element i is compared with element i ^ apart. Runs of `run` elements alternate in direction.
// Floor of a sort of n: log₂n·(log₂n + 1)/2 steps, each reads and writes all n errors and 8-byte numbers.
template <typename T>
__global__ void bitonic_step(T* errors, Index* order, Index run, Index apart, Index size, Index rows) {
  Index i = column_of_thread(), other = i ^ apart;
  if (i >= size || other < i) return;
  for (Index row = plane_of_thread(); row < rows; row += plane_step()) {
    T* e = errors + row * size;
    Index* o = order + row * size;
    bool falling = (i & run) == 0;
    if (comes_first(e[other], o[other], e[i], o[i]) == falling) {
      T error = e[i];
      Index number = o[i];
      e[i] = e[other], o[i] = o[other];
      e[other] = error, o[other] = number;
    }
  }
}

// Inclusive sums along a block's threads; `shared` holds blockDim.x numbers. (Hillis and Steele, 1986.)
__device__ Index running_sum(Index value, Index* shared) {
  shared[threadIdx.x] = value;
  __syncthreads();
  for (int apart = 1; apart < blockDim.x; apart *= 2) {
    Index before = threadIdx.x >= apart ? shared[threadIdx.x - apart] : 0;
    __syncthreads();
    shared[threadIdx.x] += before;
    __syncthreads();
  }
  return shared[threadIdx.x];
}

// A block of 256 threads for each row. With the errors in falling order, Δ after i + 1 of them is
// (i + 1) / (pixels of the class + those among them that are not of the class); losses[row] = Σ error·(Δ_i − Δ_{i−1}).
// gradient: dL/dp, images × classes × pixels, 0 beforehand; each slope is divided by `rows`.
// Floor: reads a number, 8 bytes and a label for each row and pixel, writes a number. One block a row: latency-bound.
template <typename T>
__global__ void lovasz_of_class(
    const T* errors, const Index* order, const Index* labels, const Index* chosen, double* losses, T* gradient,
    Index wants_gradient, Index has_void, Index ignored, Index classes, Index pixels, Index count, Index size, Index rows) {
  __shared__ Index shared[256];
  __shared__ Index partial[32];
  __shared__ double partial_losses[32];
  __shared__ Index totals[2];
  Index row = blockIdx.x, c = chosen[row], of_class = 0, valid = 0;
  for (Index i = threadIdx.x; i < count; i += blockDim.x) {
    bool counts = !(has_void && labels[i] == ignored);
    valid += counts, of_class += counts && labels[i] == c;
  }
  valid = block_sum(valid, partial);
  of_class = block_sum(of_class, partial);
  if (threadIdx.x == 0) totals[0] = valid, totals[1] = of_class;
  __syncthreads();
  valid = totals[0], of_class = totals[1];

  Index others_before = 0;
  double loss = 0;
  for (Index first = 0; first < valid; first += blockDim.x) {
    Index i = first + threadIdx.x, pixel = i < valid ? order[row * size + i] : 0;
    bool is_truth = i < valid && labels[pixel] == c;
    Index others = others_before + running_sum(i < valid && !is_truth, shared);
    others_before += shared[blockDim.x - 1];
    if (i < valid) {
      Index previous = others - !is_truth;
      double step = (double)(i + 1) / (double)(of_class + others);
      if (i > 0) step -= (double)i / (double)(of_class + previous);
      loss += (double)errors[row * size + i] * step;
      if (wants_gradient) {
        T slope = (T)(step / (double)rows);
        gradient[(pixel / pixels * classes + c) * pixels + pixel % pixels] = is_truth ? -slope : slope;
      }
    }
    __syncthreads();
  }
  loss = block_sum(loss, partial_losses);
  if (threadIdx.x == 0) losses[row] = loss;
}

// Losses on the overlap of regions (lecture 06). Scores are N × C × P: N images, C classes, P pixels.

// The softmax of every pixel, 0 where it does not count: a thread a pixel. Floor: reads and writes N·C·P numbers, reads 8
// bytes a pixel. Memory-bound.
template <typename T>
__global__ void softmax_of_pixels(
    const T* scores, const Index* labels, T* probabilities, Index has_void, Index ignored, Index classes, Index pixels,
    Index count) {
  for (Index i = column_of_thread(); i < count; i += thread_step()) {
    Index first = i / pixels * classes * pixels + i % pixels;
    const T* x = scores + first;
    T* p = probabilities + first;
    T largest = x[0], total = 0;
    for (Index c = 1; c < classes; ++c) largest = max(largest, x[c * pixels]);
    for (Index c = 0; c < classes; ++c) total += exp(x[c * pixels] - largest);
    bool counts = !has_void || labels[i] != ignored;
    for (Index c = 0; c < classes; ++c) p[c * pixels] = counts ? exp(x[c * pixels] - largest) / total : (T)0;
  }
}

// Parts of the sums of one class (blockIdx.x) over pixels of a group of images (blockIdx.z): Σ p·y, Σ p, Σ y. Classes come
// first in the grid, so blocks that run together read the same labels. parts is 3 × groups × C × gridDim.y.
// Floor: reads N·C·P numbers and N·P labels of 8 bytes (C times, mostly from the cache). Memory-bound.
template <typename T>
__global__ void class_sums(
    const T* probabilities, const Index* labels, double* parts, Index has_void, Index ignored, Index pixels, Index images) {
  __shared__ double partial[32];
  Index c = blockIdx.x, classes = gridDim.x, group = blockIdx.z;
  double both = 0, sum = 0, truth = 0;
  for (Index n = group * images; n < (group + 1) * images; ++n) {
    const T* p = probabilities + (n * classes + c) * pixels;
    for (Index i = (Index)blockIdx.y * blockDim.x + threadIdx.x; i < pixels; i += (Index)gridDim.y * blockDim.x) {
      Index label = labels[n * pixels + i];
      bool is_truth = label == c && (!has_void || label != ignored);
      sum += p[i];
      if (is_truth) both += p[i], truth += 1;
    }
  }
  both = block_sum(both, partial);
  sum = block_sum(sum, partial);
  truth = block_sum(truth, partial);
  if (threadIdx.x == 0) {
    Index place = (group * classes + c) * gridDim.y + blockIdx.y, step = (Index)gridDim.z * classes * gridDim.y;
    parts[place] = both, parts[place + step] = sum, parts[place + 2 * step] = truth;
  }
}

// dx[k] = p[k]·(g[k] − Σ_c p[c]·g[c]) with g[c] = a[c] + b[c]·[c is the label], in place of p. a, b are N × C.
// Floor: reads and writes N·C·P numbers, reads 8 bytes a pixel. Memory-bound.
template <typename T>
__global__ void gradient_of_scores(
    T* probabilities, const Index* labels, const T* a, const T* b, Index classes, Index pixels, Index count) {
  for (Index i = column_of_thread(); i < count; i += thread_step()) {
    Index image = i / pixels, label = labels[i];
    T* p = probabilities + image * classes * pixels + i % pixels;
    T mean = 0;
    for (Index c = 0; c < classes; ++c) {
      T g = a[image * classes + c] + (c == label ? b[image * classes + c] : (T)0);
      mean += p[c * pixels] * g;
    }
    for (Index c = 0; c < classes; ++c) {
      T g = a[image * classes + c] + (c == label ? b[image * classes + c] : (T)0);
      p[c * pixels] *= g - mean;
    }
  }
}

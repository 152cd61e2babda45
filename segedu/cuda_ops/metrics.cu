// Counting (lecture 07).

// Pairs (truth, prediction) of the pixels of image blockIdx.y. Each block counts in shared memory, then adds its counts to the
// matrix. Neighbouring pixels mostly show the same pair, and 32 additions to one place would wait for each other: so the lanes
// of a warp that hold the same pair elect one that adds for all. matrices: N × C × C, 0 beforehand; C·C·4 bytes of shared memory.
// Floor: reads two labels of 8 bytes a pixel. Memory-bound.
extern "C" __global__ void confusion_matrix(
    const Index* prediction, const Index* target, unsigned long long* matrices, Index classes, Index has_void, Index ignored,
    Index pixels) {
  extern __shared__ unsigned counts[];
  int cells = (int)(classes * classes), lane = threadIdx.x % 32;
  for (int cell = threadIdx.x; cell < cells; cell += blockDim.x) counts[cell] = 0;
  __syncthreads();
  Index image = blockIdx.y, step = thread_step(), rounds = ceil_divide(pixels, step);
  for (Index round = 0; round < rounds; ++round) {  // as many for all lanes
    Index i = round * step + column_of_thread();
    int cell = -1;
    if (i < pixels) {
      Index truth = target[image * pixels + i];
      if (!has_void || truth != ignored) cell = (int)(truth * classes + prediction[image * pixels + i]);
    }
    unsigned same = __match_any_sync(0xffffffff, cell);
    if (cell >= 0 && lane == __ffs(same) - 1) atomicAdd(&counts[cell], (unsigned)__popc(same));
  }
  __syncthreads();
  for (int cell = threadIdx.x; cell < cells; cell += blockDim.x)
    if (counts[cell]) atomicAdd(&matrices[image * cells + cell], (unsigned long long)counts[cell]);
}

// The same where a matrix does not fit into shared memory: every pixel adds to the matrix itself.
extern "C" __global__ void large_confusion_matrix(
    const Index* prediction, const Index* target, unsigned long long* matrices, Index classes, Index has_void, Index ignored,
    Index pixels) {
  Index image = blockIdx.y;
  for (Index i = column_of_thread(); i < pixels; i += thread_step()) {
    Index truth = target[image * pixels + i];
    if (!has_void || truth != ignored)
      atomicAdd(&matrices[(image * classes + truth) * classes + prediction[image * pixels + i]], 1ull);
  }
}

// Hits and pixels that count, parts: 2 × gridDim.x. A pixel is a hit if fewer than k classes are ahead of its own.
// Floor: reads N·C·P numbers and 8 bytes a pixel. Memory-bound.
template <typename T>
__global__ void top_k_hits(
    const T* scores, const Index* labels, Index* parts, Index k, Index has_void, Index ignored, Index classes, Index pixels,
    Index count) {
  __shared__ Index partial[32];
  Index hits = 0, counted = 0;
  for (Index i = column_of_thread(); i < count; i += thread_step()) {
    Index label = labels[i], ahead = 0;
    if (has_void && label == ignored) continue;
    const T* x = scores + i / pixels * classes * pixels + i % pixels;
    T own = x[label * pixels];
    for (Index c = 0; c < classes; ++c) ahead += x[c * pixels] > own || (x[c * pixels] == own && c < label);
    hits += ahead < k && !isnan(own), ++counted;
  }
  hits = block_sum(hits, partial);
  counted = block_sum(counted, partial);
  if (threadIdx.x == 0) parts[blockIdx.x] = hits, parts[gridDim.x + blockIdx.x] = counted;
}

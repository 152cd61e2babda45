// Overlap of sets of pixels and of boxes (lecture 07).

// |A|, |B|, |A ∩ B|, parts: 3 × gridDim.x. Floor: reads two bytes a pixel.
extern "C" __global__ void set_sizes(const bool* a, const bool* b, Index* parts, Index count) {
  __shared__ Index partial[32];
  Index in_a = 0, in_b = 0, in_both = 0;
  for (Index i = column_of_thread(); i < count; i += thread_step()) in_a += a[i], in_b += b[i], in_both += a[i] && b[i];
  in_a = block_sum(in_a, partial);
  in_b = block_sum(in_b, partial);
  in_both = block_sum(in_both, partial);
  if (threadIdx.x == 0)
    parts[blockIdx.x] = in_a, parts[gridDim.x + blockIdx.x] = in_b, parts[2 * gridDim.x + blockIdx.x] = in_both;
}

// Unpooling (lecture 03). Two values may name the same place; the last in reading order wins, whichever thread comes first.

// winners[place] = the number of the last value that goes there; -1 beforehand, which stands for none.
// Floor: reads N·C·H·W 8-byte indices, N·C·H·W atomic maxima on the N·C·OH·OW 4-byte winners.
extern "C" __global__ void max_unpool2d_winners(
    const Index* indices, int* winners, Index values, Index pixels, Index planes) {
  Index number = column_of_thread();
  if (number >= values) return;
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step())
    atomicMax(&winners[plane * pixels + indices[plane * values + number]], (int)number);
}

// A thread for each place of the output fetches what won it.
// Floor: reads N·C·OH·OW 4-byte winners and N·C·H·W values, writes N·C·OH·OW values. Memory-bound.
template <typename T>
__global__ void max_unpool2d(const T* x, const int* winners, T* y, Index values, Index pixels, Index planes) {
  Index pixel = column_of_thread();
  if (pixel >= pixels) return;
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step()) {
    int winner = winners[plane * pixels + pixel];
    y[plane * pixels + pixel] = winner < 0 ? (T)0 : x[plane * values + winner];
  }
}

// Floor: reads N·C·H·W 8-byte indices and as many gradients (of N·C·OH·OW), writes N·C·H·W. Memory-bound.
template <typename T>
__global__ void max_unpool2d_backward(
    const T* grad, const Index* indices, T* dx, Index values, Index pixels, Index planes) {
  Index number = column_of_thread();
  if (number >= values) return;
  for (Index plane = plane_of_thread(); plane < planes; plane += plane_step())
    dx[plane * values + number] = grad[plane * pixels + indices[plane * values + number]];
}

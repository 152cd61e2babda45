// A matrix product in tiles, for convolutions that never write their windows to memory (implicit im2col).
//
//   result[m, n] = Σ over d of a[m, d] · b[d, n]
//
// A block of 16 × 16 threads computes a tile of 16·R × 16·R of the result, each thread R × R of it in registers. For DEPTH
// values of d at a time the block fetches the numbers it needs into shared memory, where each is used 16·R times.
//
// What a and b are, a problem says. Both are found by adding two places, one of d and one of m or n:
//
//   a[m, d] = matrix[depth(d).matrix + m · problem.matrix_step]
//   b[d, n] = image[depth(d).place + column(n)], and 0 where row or column lie outside the image
//
// `bias` is null or holds a number to add for each m.
// So the divisions that turn d into (channel, row, column) are done once for a tile, those for n once in all.

struct Place {
  Index offset;
  int row, column;
};

struct Depth {
  Index matrix;
  Place place;
};

template <typename T, int R, class Problem>
__device__ void tiled_product(const T* matrix, const T* image, const T* bias, T* result, const Problem& problem) {
  constexpr int SIDE = 16 * R, DEPTH = 16;
  __shared__ T a[DEPTH][SIDE + 1], b[DEPTH][SIDE];  // + 1: neighbours of a column of a lie in different banks
  __shared__ Depth depths[DEPTH];
  int t = threadIdx.x, tx = t % 16, ty = t / 16;
  Index first_row = (Index)blockIdx.y * SIDE, first_column = (Index)blockIdx.x * SIDE;
  if (first_column >= problem.columns) return;

  // SIDE divides the 256 threads, so each of them always fetches numbers of the same column of b.
  Index own_column = first_column + t % SIDE;
  bool is_inside = own_column < problem.columns;
  Place own = {0, 0, 0};
  if (is_inside) own = problem.column(own_column);

  T sums[R][R];
#pragma unroll
  for (int i = 0; i < R; ++i)
#pragma unroll
    for (int j = 0; j < R; ++j) sums[i][j] = 0;

  for (Index first = 0; first < problem.depth; first += DEPTH) {
    if (t < DEPTH && first + t < problem.depth) depths[t] = problem.at(first + t);
    __syncthreads();
    for (int i = t; i < SIDE * DEPTH; i += 256) {
      int d = i % DEPTH, m = i / DEPTH;
      bool exists = first_row + m < problem.rows && first + d < problem.depth;
      a[d][m] = exists ? matrix[depths[d].matrix + (first_row + m) * problem.matrix_step] : (T)0;
    }
    for (int i = t; i < SIDE * DEPTH; i += 256) {
      int d = i / SIDE;
      T value = 0;
      if (is_inside && first + d < problem.depth) {
        int row = own.row + depths[d].place.row, column = own.column + depths[d].place.column;
        if (row >= 0 && row < problem.height && column >= 0 && column < problem.width)
          value = image[own.offset + depths[d].place.offset];
      }
      b[d][t % SIDE] = value;
    }
    __syncthreads();
#pragma unroll
    for (int d = 0; d < DEPTH; ++d) {
      T left[R], right[R];
#pragma unroll
      for (int i = 0; i < R; ++i) left[i] = a[d][ty + 16 * i];
#pragma unroll
      for (int j = 0; j < R; ++j) right[j] = b[d][tx + 16 * j];
#pragma unroll
      for (int i = 0; i < R; ++i)
#pragma unroll
        for (int j = 0; j < R; ++j) sums[i][j] += left[i] * right[j];
    }
    __syncthreads();
  }

#pragma unroll
  for (int j = 0; j < R; ++j) {
    Index n = first_column + tx + 16 * j;
    if (n >= problem.columns) continue;
    Index place = problem.result(n);
#pragma unroll
    for (int i = 0; i < R; ++i) {
      Index m = first_row + ty + 16 * i;
      if (m < problem.rows) result[place + m * problem.result_step] = sums[i][j] + (bias ? bias[m] : (T)0);
    }
  }
}

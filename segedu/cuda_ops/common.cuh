// What all kernels share. It stands before each of them when it is compiled.

// Every index and size: H·W·C·N may exceed 2³¹.
typedef long long Index;

template <typename T>
__device__ T infinity() {
  return (T)__int_as_float(0x7f800000);
}

// Numbers are not negative in either.
__device__ Index ceil_divide(Index a, Index b) { return (a + b - 1) / b; }
__device__ Index smaller(Index a, Index b) { return a < b ? a : b; }
__device__ Index larger(Index a, Index b) { return a > b ? a : b; }

// The place of this thread in a grid that covers planes of pixels; planes are stepped through by `plane_step`.
__device__ Index column_of_thread() { return (Index)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ Index row_of_thread() { return (Index)blockIdx.y * blockDim.y + threadIdx.y; }
__device__ Index plane_of_thread() { return (Index)blockIdx.z * blockDim.z + threadIdx.z; }
__device__ Index plane_step() { return (Index)gridDim.z * blockDim.z; }
__device__ Index thread_step() { return (Index)gridDim.x * blockDim.x; }

// The sum over the 32 lanes of a warp, in lane 0. Every lane must come here.
template <typename T>
__device__ T warp_sum(T value) {
  for (int apart = 16; apart > 0; apart /= 2) value += __shfl_down_sync(0xffffffff, value, apart);
  return value;
}

// The sum over all threads of a block, in thread 0. The block is one row of threads, a multiple of 32; `partial` is
// shared memory for 32 numbers, free again afterwards.
template <typename T>
__device__ T block_sum(T value, T* partial) {
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  value = warp_sum(value);
  if (lane == 0) partial[warp] = value;
  __syncthreads();
  value = threadIdx.x < blockDim.x / 32 ? partial[lane] : (T)0;
  if (warp == 0) value = warp_sum(value);
  __syncthreads();
  return value;
}

// The largest of a warp's values, in every lane. NaN is passed over.
template <typename T>
__device__ T warp_max(T value) {
  for (int apart = 16; apart > 0; apart /= 2) value = max(value, __shfl_xor_sync(0xffffffff, value, apart));
  return value;
}

template <typename T>
__device__ T from_lane_0(T value) {
  return __shfl_sync(0xffffffff, value, 0);
}

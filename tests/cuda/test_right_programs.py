"""Right programs of every pattern that the course uses: right results, and no alarm, in every mode and both orders."""

import math

import numpy as np
import pytest

from segedu import cuda
from segedu.cuda import RawModule
from tests.cuda.kernels import both_orders, every_mode, floats, needs_compiler

pytestmark = [needs_compiler, every_mode, both_orders]


def run(source, mode, order, grid, block, args, name="k", shared_mem=0, names=()):
    RawModule(source, names, mode=mode).get_function(name)(grid, block, args, shared_mem=shared_mem, order=order)


def test_indices_in_three_dimensions(mode, order):
    source = """
extern "C" __global__ void k(int* y) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, width = gridDim.x * blockDim.x;
    int r = blockIdx.y * blockDim.y + threadIdx.y, height = gridDim.y * blockDim.y;
    int z = blockIdx.z * blockDim.z + threadIdx.z;
    y[(z * height + r) * width + x] = 100 * z + 10 * r + x;
}"""
    y = cuda.empty((4, 6, 8), np.int32)
    run(source, mode, order, (2, 3, 2), (4, 2, 2), (y,))
    z, r, x = np.indices(y.shape)
    np.testing.assert_array_equal(y, 100 * z + 10 * r + x)


def test_a_grid_stride_loop(rng, mode, order):
    source = """
extern "C" __global__ void k(const float* x, float* y, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) y[i] = 2 * x[i];
}"""
    x, y = floats(rng, 1000), cuda.empty(1000)
    run(source, mode, order, (3,), (64,), (x, y, 1000))
    np.testing.assert_array_equal(y, 2 * x)


def test_the_gradient_of_pooling_scatters_with_atomics(rng, mode, order):
    source = """
extern "C" __global__ void k(const float* grad, const long long* index, float* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(&out[index[i]], grad[i]);
}"""
    grad, index, out = floats(rng, 500), rng.integers(0, 40, 500), np.zeros(40, np.float32)
    run(source, mode, order, (4,), (128,), (grad, index, out, 500))
    np.testing.assert_allclose(out, np.bincount(index, grad, 40), rtol=1e-4, atol=1e-4)


def test_a_tile_with_a_halo(rng, mode, order):
    source = """
#define TILE 8
#define HALO 1
#define SIDE (TILE + 2 * HALO)
extern "C" __global__ void __launch_bounds__(64) k(const float* __restrict__ x, const float* __restrict__ w, float* y,
int H, int W) {
    __shared__ float tile[SIDE][SIDE + 1];  // one more column, against bank conflicts
    int row = blockIdx.y * TILE + threadIdx.y, column = blockIdx.x * TILE + threadIdx.x;
    for (int i = threadIdx.y * TILE + threadIdx.x; i < SIDE * SIDE; i += TILE * TILE) {
        int r = blockIdx.y * TILE + i / SIDE - HALO, c = blockIdx.x * TILE + i % SIDE - HALO;
        tile[i / SIDE][i % SIDE] = (r >= 0 && r < H && c >= 0 && c < W) ? x[r * W + c] : 0.0f;
    }
    __syncthreads();
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) sum += tile[threadIdx.y + i][threadIdx.x + j] * w[i * 3 + j];
    if (row < H && column < W) y[row * W + column] = sum;
}"""
    x, w, y = floats(rng, 19, 21), floats(rng, 3, 3), cuda.empty((19, 21))
    run(source, mode, order, (3, 3), (8, 8), (x, w, y, 19, 21))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, 1), (3, 3))
    np.testing.assert_allclose(y, (windows * w).sum((2, 3)), rtol=1e-5, atol=1e-5)


def test_a_matrix_product_in_tiles_from_a_template(rng, mode, order):
    source = """
template <typename T, int TILE>
__global__ void product(const T* A, const T* B, T* C, int M, int N, int K) {
    __shared__ T a[TILE][TILE], b[TILE][TILE + 1];
    int row = blockIdx.y * TILE + threadIdx.y, column = blockIdx.x * TILE + threadIdx.x;
    T sum = 0;
    for (int k0 = 0; k0 < K; k0 += TILE) {
        a[threadIdx.y][threadIdx.x] = row < M && k0 + threadIdx.x < K ? A[row * K + k0 + threadIdx.x] : T(0);
        b[threadIdx.y][threadIdx.x] = column < N && k0 + threadIdx.y < K ? B[(k0 + threadIdx.y) * N + column] : T(0);
        __syncthreads();
        for (int k = 0; k < TILE; ++k) sum += a[threadIdx.y][k] * b[k][threadIdx.x];
        __syncthreads();
    }
    if (row < M && column < N) C[row * N + column] = sum;
}"""
    names = ("product<float, 8>", "product<double,4>")
    A, B = rng.standard_normal((13, 9)), rng.standard_normal((9, 17))
    C = cuda.empty((13, 17), np.float64)
    run(source, mode, order, (5, 4), (4, 4), (A, B, C, 13, 17, 9), names[1], names=names)
    np.testing.assert_allclose(C, A @ B, rtol=1e-12)
    C = cuda.empty((13, 17))
    run(source, mode, order, (3, 2), (8, 8), (np.float32(A), np.float32(B), C, 13, 17, 9), names[0], names=names)
    np.testing.assert_allclose(C, A @ B, rtol=1e-4, atol=1e-5)


def test_a_block_reduction_in_shared_memory(rng, mode, order):
    source = """
extern "C" __global__ void k(const float* x, float* y, int n) {
    extern __shared__ float part[];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    part[threadIdx.x] = i < n ? x[i] : 0;
    __syncthreads();
    for (int s = blockDim.x / 2; s > 0; s /= 2) {
        if (threadIdx.x < s) part[threadIdx.x] += part[threadIdx.x + s];
        __syncthreads();
    }
    if (threadIdx.x == 0) atomicAdd(y, part[0]);
}"""
    x, y = floats(rng, 1000), np.zeros(1, np.float32)
    run(source, mode, order, (8,), (128,), (x, y, 1000), shared_mem=512)
    np.testing.assert_allclose(y[0], x.sum(), rtol=1e-4, atol=1e-4)


def test_a_reduction_with_warp_shuffles(rng, mode, order):
    source = """
__device__ __forceinline__ float warp_sum(float v) {
    for (int offset = 16; offset > 0; offset >>= 1) v += __shfl_down_sync(0xffffffffu, v, offset);
    return v;
}
__inline__ __device__ float warp_max(float v) {
    for (int mask = warpSize / 2; mask; mask >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffff, v, mask));
    return v;
}
extern "C" __global__ void k(const float* x, float* y) {
    __shared__ float part[32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float v = warp_sum(x[threadIdx.x]);
    if (lane == 0) part[warp] = v;
    __syncthreads();
    if (warp == 0) {
        v = lane < blockDim.x / 32 ? part[lane] : 0;
        v = warp_sum(v);
        if (lane == 0) y[0] = v;
    }
    float m = warp_max(x[threadIdx.x]);
    if (lane == 5) y[1 + warp] = m;
}"""
    x, y = floats(rng, 128), cuda.empty(5)
    run(source, mode, order, (1,), (128,), (x, y))
    np.testing.assert_allclose(y[0], x.sum(), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(y[1:], x.reshape(4, 32).max(axis=1))


def test_warp_votes_masks_and_widths(mode, order):
    source = """
extern "C" __global__ void k(const int* x, unsigned* y) {
    int i = threadIdx.x, v = x[i];
    y[i] = __ballot_sync(0xffffffff, v > 0);
    y[32 + i] = __any_sync(~0u, v > 0) + 2 * __all_sync(~0u, v > 0);
    y[64 + i] = __shfl_up_sync(~0u, v, 1);
    y[96 + i] = __shfl_sync(~0u, v, 3, 8);
    unsigned mask = __ballot_sync(~0u, i % 2);
    if (i % 2) y[128 + i / 2] = __shfl_sync(mask, v, 31);
    y[144 + i] = __match_any_sync(~0u, v);
    y[176 + i] = __popc(__activemask());
    __syncwarp();
}"""
    x = (np.arange(32) % 5 - 2).astype(np.int32)
    y = cuda.empty(208, np.uint32)
    run(source, mode, order, (1,), (32,), (x, y))
    ballot = sum(1 << i for i in range(32) if x[i] > 0)
    assert (y[:32] == ballot).all()
    assert (y[32:64] == 1).all()
    np.testing.assert_array_equal(y[64:96].astype(np.int32), x[[0, *range(31)]])
    np.testing.assert_array_equal(y[96:128].astype(np.int32), x[np.arange(32) // 8 * 8 + 3])
    assert (y[128:144].astype(np.int32) == x[31]).all()
    np.testing.assert_array_equal(y[144:176], [sum(1 << j for j in range(32) if x[j] == v) for v in x])
    assert (y[176:] == 32).all()


def test_votes_of_a_block(mode, order):
    source = """
extern "C" __global__ void k(const int* x, int* y) {
    int v = x[threadIdx.x];
    y[3 * threadIdx.x] = __syncthreads_count(v);
    y[3 * threadIdx.x + 1] = __syncthreads_and(v);
    y[3 * threadIdx.x + 2] = __syncthreads_or(v);
}"""
    x, y = np.array([1, 0, 2] * 16, np.int32), cuda.empty((48, 3), np.int32)
    run(source, mode, order, (1,), (48,), (x, y))
    assert (y == [32, 0, 1]).all()


def test_a_histogram_of_each_block_added_up(rng, mode, order):
    source = """
extern "C" __global__ void k(const int* prediction, const int* target, int* matrix, int n, int classes, int ignore) {
    extern __shared__ int counts[];
    for (int i = threadIdx.x; i < classes * classes; i += blockDim.x) counts[i] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        if (target[i] != ignore) atomicAdd(&counts[target[i] * classes + prediction[i]], 1);
    __syncthreads();
    for (int i = threadIdx.x; i < classes * classes; i += blockDim.x)
        if (counts[i]) atomicAdd(&matrix[i], counts[i]);
}"""
    prediction, target = rng.integers(0, 5, (2, 2000)).astype(np.int32)
    target[:50] = 255
    matrix = np.zeros((5, 5), np.int32)
    run(source, mode, order, (4,), (96,), (prediction, target, matrix, 2000, 5, 255), shared_mem=100)
    expected = np.zeros((5, 5), int)
    np.add.at(expected, (target[50:], prediction[50:]), 1)
    np.testing.assert_array_equal(matrix, expected)


LAST_BLOCK = """
__device__ unsigned done;
extern "C" __global__ void k(const float* x, float* part, float* y) {
    __shared__ float sums[32];
    __shared__ bool last;
    sums[threadIdx.x] = x[blockIdx.x * 32 + threadIdx.x];
    __syncthreads();
    for (int s = 16; s > 0; s /= 2) {
        if (threadIdx.x < s) sums[threadIdx.x] += sums[threadIdx.x + s];
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        part[blockIdx.x] = sums[0];
        __threadfence();
        last = atomicInc(&done, gridDim.x - 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x < 32) {
        float v = threadIdx.x < gridDim.x ? part[threadIdx.x] : 0;
        for (int s = 16; s > 0; s /= 2) v += __shfl_down_sync(~0u, v, s);
        if (threadIdx.x == 0) *y = v;
    }
}"""


def test_the_last_block_adds_up_what_the_others_left(rng, mode, order):
    x, part, y = floats(rng, 9, 32), cuda.empty(9), cuda.empty(1)
    run(LAST_BLOCK, mode, order, (9,), (32,), (x, part, y))
    np.testing.assert_allclose(y[0], x.sum(), rtol=1e-4, atol=1e-4)


def test_the_last_block_where_every_thread_fences(rng, mode, order):
    source = """
__device__ unsigned done;
extern "C" __global__ void k(const float* x, float* part, float* y) {
    int i = blockIdx.x * 32 + threadIdx.x;
    part[i] = 2 * x[i];
    __threadfence();
    __syncthreads();
    __shared__ bool last;
    if (threadIdx.x == 0) last = atomicAdd(&done, 1) == gridDim.x - 1;
    __syncthreads();
    if (last) {
        float sum = 0;
        for (int b = 0; b < gridDim.x; ++b) sum += part[b * 32 + threadIdx.x];
        y[threadIdx.x] = sum;
    }
}"""
    x, part, y = floats(rng, 5, 32), cuda.empty((5, 32)), cuda.empty(32)
    run(source, mode, order, (5,), (32,), (x, part, y))
    np.testing.assert_allclose(y, 2 * x.sum(axis=0), rtol=1e-4, atol=1e-5)


def test_a_lock(mode, order):
    source = """
__device__ int lock;
extern "C" __global__ void k(int* y) {
    bool done = false;
    while (!done) {
        if (atomicCAS(&lock, 0, 1) == 0) {
            __threadfence();
            y[0] = y[0] + 1;
            __threadfence();
            atomicExch(&lock, 0);
            done = true;
        }
    }
}"""
    y = np.zeros(1, np.int32)
    run(source, mode, order, (3,), (16,), (y,))
    assert y[0] == 48


def test_a_maximum_of_floats_with_compare_and_swap(rng, mode, order):
    source = """
__device__ float atomic_max(float* address, float value) {
    int* bits = (int*)address;
    int old = *bits, expected;
    do {
        expected = old;
        old = atomicCAS(bits, expected, __float_as_int(fmaxf(value, __int_as_float(expected))));
    } while (old != expected);
    return __int_as_float(old);
}
extern "C" __global__ void k(const float* x, float* y) {
    __shared__ float best;
    if (threadIdx.x == 0) best = -3.402823466e38f;
    __syncthreads();
    int* bits = (int*)&best;
    int seen = atomicAdd(bits, 0);
    while (__int_as_float(seen) < x[threadIdx.x]) {
        int before = atomicCAS(bits, seen, __float_as_int(x[threadIdx.x]));
        if (before == seen) break;
        seen = before;
    }
    __syncthreads();
    if (threadIdx.x == 0) y[0] = best;
}"""
    x, y = floats(rng, 64), cuda.empty(1)
    run(source, mode, order, (1,), (64,), (x, y))
    assert y[0] == x.max()


def test_every_atomic(mode, order):
    source = """
extern "C" __global__ void k(int* y, unsigned* u, unsigned long long* q, float* f, double* d) {
    int i = threadIdx.x;
    atomicAdd(&y[0], i); atomicSub(&y[1], i); atomicMax(&y[2], i); atomicMin(&y[3], -i);
    atomicAnd(&y[4], ~(1 << i)); atomicOr(&y[5], 1 << i); atomicXor(&y[6], 1 << i); atomicExch(&y[7], 5);
    atomicInc(&u[0], 9); atomicDec(&u[1], 9); atomicAdd(&u[2], 2u); atomicMax(&u[3], (unsigned)i);
    atomicAdd(&q[0], 1ull << 33); atomicMax(&q[1], (unsigned long long)i); atomicCAS(&q[2], 0ull, 7ull);
    atomicAdd(f, 0.5f); atomicAdd(d, 0.25);
}"""
    y, u, q = np.zeros(8, np.int32), np.zeros(4, np.uint32), np.zeros(3, np.uint64)
    y[4] = -1
    f, d = np.zeros(1, np.float32), np.zeros(1)
    run(source, mode, order, (1,), (32,), (y, u, q, f, d))
    assert y.tolist() == [496, -496, 31, -31, 0, -1, -1, 5]
    assert u.tolist() == [2, 8, 64, 31]
    assert q.tolist() == [32 << 33, 31, 7]
    assert (f[0], d[0]) == (16, 8)


def test_constant_and_device_variables(rng, mode, order):
    source = """
__constant__ float weights[3][3];
__constant__ int bias = 4;
__device__ const float table[2] = {1.5f, 2.5f};
__device__ int launches;
extern "C" __global__ void k(float* y) {
    int i = threadIdx.x;
    y[i] = weights[i / 3][i % 3] + bias + table[i % 2];
    if (i == 0) launches += 1;
}"""
    module = RawModule(source, mode=mode)
    weights, y = floats(rng, 3, 3), cuda.empty(9)
    module.get_global("weights").set(weights)
    for _ in range(2):
        module.get_function("k")((1,), (9,), (y,), order=order)
    np.testing.assert_allclose(y, weights.reshape(-1) + 4 + np.array([1.5, 2.5] * 5, np.float32)[:9], rtol=1e-6)
    np.testing.assert_array_equal(module.get_global("weights").get(), weights)
    assert module.get_global("launches").get() == 2
    assert RawModule(source, mode=mode).get_global("launches").get() == 0, "each module has variables of its own"


def test_vector_types(rng, mode, order):
    source = """
extern "C" __global__ void k(const float4* x, const uchar4* pixels, float4* y, int3* z, float2 scale) {
    int i = threadIdx.x;
    float4 a = x[i];
    uchar4 p = pixels[i];
    y[i] = make_float4(a.x * scale.x, a.y * scale.y, a.z + p.x, a.w + p.w);
    z[i] = make_int3(i, p.y, p.z);
}"""
    x, pixels = floats(rng, 8, 4), rng.integers(0, 255, (8, 4)).astype(np.uint8)
    y, z = cuda.empty((8, 4)), cuda.empty((8, 3), np.int32)
    run(source, mode, order, (1,), (8,), (x, pixels, y, z, np.array([2, 3], np.float32)))
    np.testing.assert_array_equal(
        y, np.stack([x[:, 0] * 2, x[:, 1] * 3, x[:, 2] + pixels[:, 0], x[:, 3] + pixels[:, 3]], 1)
    )
    np.testing.assert_array_equal(z, np.stack([np.arange(8), pixels[:, 1], pixels[:, 2]], 1))


def test_mathematics(rng, mode, order):
    source = """
extern "C" __global__ void k(const float* x, float* y, int n) {
    int i = threadIdx.x;
    float v = x[i];
    float r[] = {expf(v), __expf(v), logf(fabsf(v)), sqrtf(fabsf(v)), rsqrtf(fabsf(v)), sinf(v), cosf(v), tanhf(v),
    floorf(v), ceilf(v),
                 rintf(v), fmaxf(v, 0.f), fminf(v, 0.f), powf(fabsf(v), 1.5f), fmaf(v, v, 1.f), erff(v),
                 log1pf(fabsf(v)), abs(v),
                 max(v, 0.5f), (float)min(i, 3), __saturatef(v), copysignf(2.f, v), hypotf(v, 1.f), __fdividef(v, 2.f)};
    for (int j = 0; j < 24; ++j) y[j * n + i] = r[j];
    if (isnan(v) || isinf(v) || !isfinite(v)) y[i] = -1;
}"""
    x = floats(rng, 40)
    y, a = cuda.empty((24, 40)), np.abs(x)
    run(source, mode, order, (1,), (40,), (x, y, 40))
    expected = [
        np.exp(x),
        np.exp(x),
        np.log(a),
        np.sqrt(a),
        1 / np.sqrt(a),
        np.sin(x),
        np.cos(x),
        np.tanh(x),
        np.floor(x),
    ]
    expected += [
        np.ceil(x),
        np.rint(x),
        np.maximum(x, 0),
        np.minimum(x, 0),
        a**1.5,
        x * x + 1,
        np.vectorize(math.erf)(x),
        np.log1p(a),
        a,
    ]
    expected += [
        np.maximum(x, 0.5),
        np.minimum(np.arange(40), 3),
        x.clip(0, 1),
        np.copysign(2, x),
        np.hypot(x, 1),
        x / 2,
    ]
    np.testing.assert_allclose(y, expected, rtol=2e-5, atol=1e-6)


def test_bits(mode, order):
    source = """
extern "C" __global__ void k(const unsigned* x, int* y) {
    unsigned v = x[threadIdx.x];
    int* r = y + 6 * threadIdx.x;
    r[0] = __popc(v); r[1] = __clz(v); r[2] = __ffs(v); r[3] = __brev(v); r[4] = __umulhi(v, 1 << 16); r[5] =
    __float_as_int(__uint_as_float(v));
}"""
    x, y = np.array([1, 6, 0x80000000], np.uint32), cuda.empty((3, 6), np.int32)
    run(source, mode, order, (1,), (3,), (x, y))
    first = [[1, 31, 1, -(2**31)], [2, 29, 2, 0x60000000], [1, 0, 32, 1]]
    np.testing.assert_array_equal(y[:, :4], first)
    np.testing.assert_array_equal(y[:, 4], x >> 16)
    np.testing.assert_array_equal(y[:, 5], x.view(np.int32))


def test_small_types_and_booleans(rng, mode, order):
    source = """
extern "C" __global__ void k(const unsigned char* image, const bool* mask, short* y, unsigned char* z, bool invert,
double scale, long long shift) {
    int i = threadIdx.x;
    bool on = mask[i] != invert;
    y[i] = on ? (short)(image[i] * scale + shift) : -1;
    z[i] = on;
}"""
    image, mask = rng.integers(0, 256, 50).astype(np.uint8), rng.random(50) < 0.5
    y, z = cuda.empty(50, np.int16), cuda.empty(50, np.uint8)
    run(source, mode, order, (1,), (50,), (image, mask, y, z, True, 2.0, -7))
    np.testing.assert_array_equal(y, np.where(~mask, image.astype(int) * 2 - 7, -1))
    np.testing.assert_array_equal(z, ~mask)


def test_views_of_dynamic_shared_memory(rng, mode, order):
    source = """
extern __shared__ __align__(16) unsigned char memory[];
extern "C" __global__ void k(const float* x, float* y, int n) {
    float* values = reinterpret_cast<float*>(memory);
    int* order = (int*)(values + n);
    int i = threadIdx.x;
    values[i] = x[i];
    order[i] = n - 1 - i;
    __syncthreads();
    y[i] = values[order[i]];
}"""
    x, y = floats(rng, 32), cuda.empty(32)
    run(source, mode, order, (1,), (32,), (x, y, 32), shared_mem=256)
    np.testing.assert_array_equal(y, x[::-1])


def test_several_shared_arrays_structures_and_a_warp_at_a_time(rng, mode, order):
    source = """
struct Best { float value; int index; };
__device__ Best better(Best a, Best b) { return a.value >= b.value ? a : b; }
extern "C" __global__ void k(const float* x, float* y, int* where) {
    __shared__ Best best[32]; __shared__ volatile int count, total[2];
    int i = threadIdx.x;
    best[i] = Best{x[i], i};
    if (i < 2) total[i] = 3;
    if (i == 0) count = 0;
    __syncwarp();
    for (int s = 16; s; s >>= 1) {
        Best b;
        if (i < s) b = better(best[i], best[i + s]);
        __syncwarp();
        if (i < s) best[i] = b;
        __syncwarp();
    }
    if (i == 0) { *y = best[0].value; *where = best[0].index + count + total[1] - 3; }
}"""
    x, y, where = floats(rng, 32), cuda.empty(1), cuda.empty(1, np.int32)
    run(source, mode, order, (1,), (32,), (x, y, where))
    assert (y[0], where[0]) == (x.max(), x.argmax())


def test_the_same_array_may_be_read_and_written_by_its_own_threads(rng, mode, order):
    source = 'extern "C" __global__ void k(const float* a, float* b) { b[threadIdx.x] = a[threadIdx.x] + 1; }'
    x = floats(rng, 32)
    expected = x + 1
    run(source, mode, order, (1,), (32,), (x, x))
    np.testing.assert_array_equal(x, expected)


def test_views_of_one_array(rng, mode, order):
    source = 'extern "C" __global__ void k(const float* a, float* b) { b[threadIdx.x] = a[threadIdx.x]; }'
    x = floats(rng, 2, 32)
    run(source, mode, order, (1,), (32,), (x[0], x[1]))
    np.testing.assert_array_equal(x[0], x[1])


def test_printf(capsys, mode, order):
    if mode == "gpu":
        pytest.skip("what a GPU prints goes past Python")
    line = 'printf("thread %d: %.2f %s\\n", threadIdx.x, x, "ok");'
    source = f'extern "C" __global__ void k(float x) {{ if (threadIdx.x == 1) {line} }}'
    run(source, mode, order, (1,), (4,), (np.float32(1.5),))
    assert capsys.readouterr().out == "thread 1: 1.50 ok\n"


def test_empty_arrays_and_blocks_of_one_thread(mode, order):
    source = 'extern "C" __global__ void k(const float* x, float* y, int n) { if (threadIdx.x < n) y[0] = x[0]; }'
    run(source, mode, order, (2, 2, 2), (1,), (np.empty(0, np.float32), np.empty(0, np.float32), 0))


def test_namespaces_lambdas_and_function_templates(rng, mode, order):
    source = """
namespace layers {
template <class F> __device__ void each(float* x, int n, F f) { for (int i = 0; i < n; ++i) x[i] = f(x[i]); }
template <int N> __device__ float dot(const float (&a)[N], const float* b) {
    float sum = 0;
    for (int i = 0; i < N; ++i) sum += a[i] * b[i];
    return sum;
}
}
extern "C" {
__global__ void k(const float* x, float* y) {
    float local[4] = {1, 2, 3, 4};
    layers::each(local, 4, [=](float v) { return v * x[0]; });
    if (threadIdx.x == 0) *y = layers::dot(local, x);
}
}"""
    x, y = floats(rng, 4), cuda.empty(1)
    run(source, mode, order, (1,), (2,), (x, y))
    np.testing.assert_allclose(y[0], (np.arange(1, 5) * x[0] * x).sum(), rtol=1e-4)


def test_structures_as_arguments_and_in_constant_memory(rng, mode, order):
    source = """
struct Size { int h, w; float scale; };
__constant__ Size everywhere;
extern "C" __global__ void k(const float* x, float* y, Size here) {
    int i = threadIdx.x;
    y[i] = x[i] * here.scale + everywhere.w * here.h;
}"""
    kind = np.dtype([("h", "i4"), ("w", "i4"), ("scale", "f4")])
    module, x, y = RawModule(source, mode=mode), floats(rng, 8), cuda.empty(8)
    module.get_global("everywhere").set(np.array([(1, 5, 0)], kind))
    module.get_function("k")((1,), (8,), (x, y, np.array((3, 4, 2), kind)), order=order)
    np.testing.assert_allclose(y, 2 * x + 15, rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 7, 31, 32, 33, 1000, 1024])
def test_any_number_of_threads_meets_at_a_barrier(rng, mode, order, threads):
    source = """
extern "C" __global__ void k(const float* x, float* y) {
    extern __shared__ float part[];
    part[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
    __syncthreads();
    y[blockIdx.x * blockDim.x + threadIdx.x] = part[blockDim.x - 1 - threadIdx.x];
}"""
    x, y = floats(rng, 2, threads), cuda.empty((2, threads))
    run(source, mode, order, (2,), (threads,), (x, y), shared_mem=4 * threads)
    np.testing.assert_array_equal(y, x[:, ::-1])

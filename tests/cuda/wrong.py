# ruff: noqa: E501 - a program in few lines reads as a table
"""Wrong programs, each with the mistake that the checker must name: the line is marked with `// here`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from segedu import cuda


@dataclass
class Wrong:
    """A kernel `k`, its launch, and what must be said about it."""

    name: str
    source: str
    problem: str
    arguments: Callable[[], tuple]
    says: tuple[str, ...] = ()
    array: str | None = None
    index: object = None
    grid: tuple = (1,)
    block: tuple = (32,)
    shared_mem: int = 0
    limits: dict = field(default_factory=dict)
    needs_gcc: bool = False  # clang loads the four numbers one by one, which is legal

    @property
    def lines(self) -> list[int | None]:
        """The lines that may be named; of a race, which of the two comes second depends on the order of threads."""
        return [i for i, line in enumerate(self.source.splitlines(), start=1) if "// here" in line] or [None]


def ones(*shape: int, dtype=np.float32) -> np.ndarray:
    return np.ones(shape, dtype)


def one(*shape: int, dtype=np.float32) -> Callable[[], tuple]:
    return lambda: (ones(*shape, dtype=dtype),)


def y_kernel(body: str, before: str = "") -> str:
    return f'{before}extern "C" __global__ void k(float* y) {{\n  int i = threadIdx.x;\n{body}\n}}\n'


BOUNDS = [
    Wrong("read past the end of a global array", y_kernel("  float v = y[i + 1]; // here\n  __syncthreads();\n  y[i] = v;"),
          "out of bounds", one(32), ("reads y[32]", "1 past its end", "Test the index first"), "y", 32),
    Wrong("write past the end of a global array", y_kernel("  y[2 * i] = 1; // here"),
          "out of bounds", one(32), ("writes y[32]",), "y", 32),
    Wrong("atomic past the end of a global array", y_kernel("  atomicAdd(&y[i + 8], 1.f); // here"),
          "out of bounds", one(32), ("does an atomic operation on y[32]",), "y", 32),
    Wrong("negative index", y_kernel("  float v = y[i - 1]; // here\n  y[i] = v;"),
          "out of bounds", one(32), ("reads y[-1]", "1 before its beginning", "Padding"), "y", -1),
    Wrong("index of a matrix", 'extern "C" __global__ void k(const float* x, float* y, int width) {\n'
          "  float v = x[threadIdx.y * width + threadIdx.x]; // here\n  if (v < 0) *y = v;\n}",
          "out of bounds", lambda: (ones(4, 8), ones(32), np.int32(9)), ("x has 32 elements, shape (4, 8)",), "x", 32, block=(8, 4)),
    Wrong("a thread too many in the second block", 'extern "C" __global__ void k(float* y, int n) {\n'
          "  int i = blockIdx.x * blockDim.x + threadIdx.x;\n  y[i] = 1; // here\n}",
          "out of bounds", lambda: (ones(40), 40), ("Thread 8 of block 1 writes y[40]",), "y", 40, grid=(2,)),
    Wrong("an index that comes nearer to another array", 'extern "C" __global__ void k(const float* x, float* y) {\n'
          "  int i = threadIdx.x;\n  y[i] = x[i < 31 ? i : 1600]; // here\n}",
          "out of bounds", lambda: tuple(ones(2, 32)), ("reads x[1600], 1569 past its end",), "x", 1600),
    Wrong("an index from data", 'extern "C" __global__ void k(const float* x, const int* where, float* y) {\n'
          "  int to = where[threadIdx.x];\n  y[to] = x[threadIdx.x]; // here\n}",
          "out of bounds", lambda: (ones(32), np.arange(1, 33, dtype=np.int32), ones(32)),
          ("read from data, where", "from 0 to 31", "where.min() and where.max()"), "y", 32),
    Wrong("an index from data in the brackets", 'extern "C" __global__ void k(const int* where, float* y) {\n'
          "  y[where[threadIdx.x]] = 1; // here\n}",
          "out of bounds", lambda: (np.arange(32, dtype=np.int32) - 1, ones(32)), ("read from data, where",), "y", -1),
    Wrong("an index computed from data", 'extern "C" __global__ void k(const int* where, float* y) {\n'
          "  y[4 * where[threadIdx.x] + 1] = 1; // here\n}",
          "out of bounds", lambda: (np.arange(32, dtype=np.int32), ones(32)), ("computed from data, where", "come out from 0 to 31"), "y", 33),
    Wrong("a variable computed from data", 'extern "C" __global__ void k(const int* label, float* y, int classes) {\n'
          "  int i = threadIdx.x, cell = i % 2 * classes + label[i], other = 0;\n  atomicAdd(&y[cell], 1.f); // here\n}",
          "out of bounds", lambda: (np.full(32, 3, np.int32), ones(4), np.int32(2)), ("computed from data, label", "Look at label.min() and label.max() before"), "y"),
    Wrong("a pointer moved by a label", 'extern "C" __global__ void k(const float* scores, const int* labels, float* y) {\n'
          "  const float* x = scores + threadIdx.x;\n  int label = labels[threadIdx.x];\n  y[threadIdx.x] = 1;\n  float v = x[label * 32]; // here\n  if (v < 0) y[0] = v;\n}",
          "out of bounds", lambda: (ones(4, 32), np.full(32, 4, np.int32), ones(32)), ("computed from data, labels",), "scores", 128),
    Wrong("an index from an array that is no data", 'extern "C" __global__ void k(float* y, int width) {\n'
          "  int size[2] = {4, width};\n  y[threadIdx.y * size[1] + threadIdx.x] = 1; // here\n}",
          "out of bounds", lambda: (ones(4, 8), np.int32(9)), ("Test the index first",), "y", 32, block=(8, 4)),
    Wrong("two numbers at once at the end", 'extern "C" __global__ void k(const float2* x, float* y) {\n'
          "  float2 v = x[threadIdx.x]; // here\n  y[threadIdx.x] = v.x + v.y;\n}",
          "out of bounds", lambda: (ones(62), ones(32)), ("reads x[62]",), "x", 62),
    Wrong("bytes", 'extern "C" __global__ void k(const unsigned char* x, unsigned char* y) {\n'
          "  y[threadIdx.x] = x[threadIdx.x + 1]; // here\n}",
          "out of bounds", lambda: (ones(32, dtype=np.uint8), ones(32, dtype=np.uint8)), ("uint8",), "x", 32),
    Wrong("null pointer", 'extern "C" __global__ void k(float* y, long long p) {\n  y[threadIdx.x] = ((float*)p)[3]; // here\n}',
          "out of bounds", lambda: (ones(32), 0), ("near the address 0", "pointer is null")),
    Wrong("an index far outside", 'extern "C" __global__ void k(float* y, long long n) {\n  y[threadIdx.x * n + n] = 1; // here\n}',
          "out of bounds", lambda: (ones(32), 1 << 50), ("far from every array", "long long")),
    Wrong("static shared memory by a pointer", y_kernel("  __shared__ float tile[32];\n  float* p = tile;\n  p[i + 1] = y[i]; // here\n  y[i] = 0;"),
          "out of bounds", one(32), ("writes tile[32]", "declared in line 3", "halo"), "tile", 32),
    Wrong("static shared memory by an index", y_kernel("  __shared__ float tile[32];\n  tile[i + 1] = y[i]; // here\n  y[i] = 0;"),
          "out of bounds", one(32), ("index 32 on tile", "between 0 and 31"), "tile", 32),
    Wrong("a column of shared memory", y_kernel("  __shared__ float tile[4][8];\n  tile[1][i] = y[i]; // here\n  y[i] = 0;"),
          "out of bounds", one(32), ("index 8 on tile", "between 0 and 7"), "tile", 8),
    Wrong("read before shared memory", y_kernel("  __shared__ float tile[32];\n  tile[i] = 1;\n  __syncthreads();\n  float* p = tile;\n  y[i] = p[i - 1]; // here"),
          "out of bounds", one(32), ("reads tile[-1]",), "tile", -1),
    Wrong("dynamic shared memory", y_kernel("  extern __shared__ float tile[];\n  tile[i] = y[i]; // here\n  y[i] = 0;"),
          "out of bounds", one(32), ("writes tile[16]", "64 bytes at launch", "shared_mem="), "tile", 16, shared_mem=64),
    Wrong("a negative index on dynamic shared memory", y_kernel("  extern __shared__ float tile[];\n  tile[i - 1] = y[i]; // here\n  y[i] = 0;"),
          "out of bounds", one(32), ("writes tile[-1]", "makes the index negative", "tile[i + halo]"), "tile", -1, shared_mem=128),
    Wrong("dynamic shared memory that was forgotten", y_kernel("  extern __shared__ float tile[];\n  tile[i] = y[i]; // here\n  y[i] = 0;"),
          "out of bounds", one(32), ("tile", "shared_mem=")),
    Wrong("atomic beyond shared memory", y_kernel("  __shared__ int bins[8];\n  if (i < 8) bins[i] = 0;\n  __syncthreads();\n  int* p = bins;\n  atomicAdd(&p[i], 1); // here"),
          "out of bounds", one(32), ("atomic operation on bins[8]",), "bins", 8),
    Wrong("constant memory by an index", y_kernel("  y[i] = weights[i]; // here", "__constant__ float weights[9];\n"),
          "out of bounds", one(32), ("index 9 on weights", "between 0 and 8"), "weights", 9),
    Wrong("constant memory by a pointer", y_kernel("  const float* w = weights;\n  y[i] = w[i]; // here", "__constant__ float weights[9];\n"),
          "out of bounds", one(32), ("reads weights[9]", "__constant__ weights has 9 elements"), "weights", 9),
    Wrong("a device variable by a pointer", y_kernel("  float* p = table;\n  p[i] = 1; // here\n  y[i] = 1;", "__device__ float table[16];\n"),
          "out of bounds", one(32), ("writes table[16]", "__device__"), "table", 16),
    Wrong("a local array", y_kernel("  float part[4] = {0, 0, 0, 0};\n  part[i] = y[i]; // here\n  y[i] = part[0];"),
          "out of bounds", one(32), ("index 4 on part",), "part", 4),
    Wrong("inside a device function", "__device__ float at(const float* x, int i) {\n  return x[i]; // here\n}\n"
          + y_kernel("  float v = at(y, i + 4);\n  __syncthreads();\n  y[i] = v;"),
          "out of bounds", one(32), ("reads y[32]",), "y", 32),
    Wrong("write to an input", 'extern "C" __global__ void k(const float* x, float* y) {\n  ((float*)x)[threadIdx.x] = 1; // here\n  y[0] = 1;\n}',
          "read only", lambda: (ones(32), ones(32)), ("passed as const",), "x", 0),
    Wrong("write to constant memory", y_kernel("  float* w = (float*)weights;\n  w[i % 9] = 1; // here\n  y[i] = 0;", "__constant__ float weights[9];\n"),
          "read only", one(32), ("cannot change __constant__ memory",), "weights", 0),
    Wrong("four numbers at an odd place", y_kernel("  float4 v = *(float4*)(y + i); // here\n  if (v.x + v.y + v.z + v.w < 0) y[i] = 0;"),
          "misaligned", one(64), ("16 bytes at once", "multiple of 16"), "y", 1, needs_gcc=True),
]  # fmt: skip

UNINITIALISED = [
    Wrong("adding to what is empty", y_kernel("  y[i] += 1; // here"), "uninitialised", lambda: (cuda.empty(32),), ("cuda.empty()", "y[i] ="), "y", 0),
    Wrong("an element that was left out", 'extern "C" __global__ void k(const float* x, float* y) {\n  y[threadIdx.x] = x[threadIdx.x]; // here\n}',
          "uninitialised", lambda: (cuda.empty((4, 8)), ones(32)), ("reads x[0, 0]",), "x", (0, 0)),
    Wrong("empty bytes", 'extern "C" __global__ void k(const unsigned char* x, float* y) {\n  y[threadIdx.x] = x[threadIdx.x]; // here\n}',
          "uninitialised", lambda: (cuda.empty(32, np.uint8), ones(32)), (), "x", 0),
    Wrong("an atomic on what is empty", y_kernel("  atomicAdd(y, 1.f); // here"), "uninitialised", lambda: (cuda.empty(32),), (), "y", 0),
    Wrong("shared memory that nobody wrote", y_kernel("  __shared__ float tile[64];\n  tile[i] = y[i];\n  __syncthreads();\n  y[i] = tile[i + 1]; // here"),
          "uninitialised", one(32), ("reads tile[32]", "no thread of its block has written"), "tile", 32),
    Wrong("dynamic shared memory that nobody wrote", y_kernel("  extern __shared__ float tile[];\n  y[i] = tile[i]; // here"),
          "uninitialised", one(32), ("tile[0]",), "tile", 0, shared_mem=128),
    Wrong("a shared counter without a zero", y_kernel("  __shared__ int count;\n  atomicAdd(&count, 1); // here\n  y[i] = 0;"),
          "uninitialised", one(32), ("count",), "count"),
    Wrong("shared memory of the block before", y_kernel("  __shared__ float tile[32];\n  if (blockIdx.x == 0) tile[i] = 1;\n  __syncthreads();\n  y[blockIdx.x * 32 + i] = tile[i]; // here"),
          "uninitialised", one(64), ("block 1",), "tile", 0, grid=(2,)),
]  # fmt: skip

RACES = [
    Wrong("all threads write one element", y_kernel("  y[0] = i; // here"), "race", one(32), ("in the same line", "nothing says which comes first", "Let one thread write"), "y", 0),
    Wrong("adding up without an atomic", y_kernel("  y[0] += i; // here"), "race", one(32), (), "y", 0),
    Wrong("two blocks write one element", y_kernel("  if (i == 0) y[0] = blockIdx.x; // here"), "race", one(32),
          ("Blocks run in any order", "atomicAdd"), "y", 0, grid=(2,)),
    Wrong("two blocks add up", y_kernel("  if (i == 0) y[0] += 1; // here"), "race", one(32),
          ("Blocks run in any order", "reads, adds and writes back", "atomicAdd(&y[…], value)"), "y", 0, grid=(2,)),
    Wrong("blocks that smooth in place", 'extern "C" __global__ void k(float* y) {\n  int j = blockIdx.x + threadIdx.x;\n  y[j] = y[j + 1]; // here\n}',
          "race", one(8), ("Split the work into two kernels",), "y", grid=(4,), block=(1,)),
    Wrong("a histogram in shared memory", y_kernel("  __shared__ int counts[4];\n  if (i < 4) counts[i] = 0;\n  __syncthreads();\n  counts[i % 4]++; // here\n  y[i] = 0;"),
          "race", one(32), ("reads, adds and writes back", "atomicAdd(&counts[…], value)", "__syncthreads()"), "counts"),
    Wrong("reading what another block writes", y_kernel("  int j = blockIdx.x * 32 + i;\n  float left = j ? y[j - 1] : 0; // here\n  __syncthreads();\n  y[j] = left;"),
          "race", one(64), ("two kernels",), "y", 31, grid=(2,)),
    Wrong("a barrier missing after the tile is filled", y_kernel("  __shared__ float tile[32];\n  tile[i] = y[i];\n  y[i] = tile[i ^ 1]; // here"),
          "race", one(32), ("Put __syncthreads() between lines 4 and 5",), "tile"),
    Wrong("a barrier missing before the tile is filled again",
          y_kernel("  __shared__ float tile[32];\n  for (int r = 0; r < 2; ++r) {\n    tile[i] = y[i]; // here\n    __syncthreads();\n    float v = tile[31 - i]; // here\n    if (v < 0) y[i] = 0;\n  }"),
          "race", one(32), ("__syncthreads() of line 6 stands between them", "the loop goes back", "a second __syncthreads() after line 7"), "tile"),
    Wrong("a barrier missing after a function that is called twice",
          "__device__ float from_next(float v, float* part) {\n  part[threadIdx.x] = v; // here\n  __syncthreads();\n  return part[31 - threadIdx.x]; // here\n}\n"
          + y_kernel("  __shared__ float part[32];\n  float v = from_next(y[i], part);\n  y[i] = from_next(v, part);"),
          "race", one(32), ("this part runs again", "a second __syncthreads() after line 4"), "part"),
    Wrong("a barrier missing in dynamic memory", y_kernel("  extern __shared__ float tile[];\n  tile[i] = y[i];\n  y[i] = tile[31 - i]; // here"),
          "race", one(32), ("tile",), "tile", shared_mem=128),
    Wrong("a barrier missing in a reduction",
          y_kernel("  __shared__ float part[64];\n  part[i] = y[i];\n  __syncthreads();\n  for (int s = 32; s > 0; s /= 2)\n    if (i < s)\n      part[i] += part[i + s]; // here\n  if (i == 0) y[0] = part[0];"),
          "race", one(64), ("part",), "part", block=(64,)),
    Wrong("a warp without __syncwarp", y_kernel("  __shared__ float part[32];\n  part[i] = y[i];\n  __syncwarp();\n  for (int s = 16; s > 0; s /= 2)\n    if (i < s) part[i] += part[i + s]; // here\n  if (i == 0) y[0] = part[0];"),
          "race", one(32), ("part",), "part"),
    Wrong("reading beside an atomic", y_kernel("  atomicAdd(&y[0], 1.f); // here\n  y[i + 1] = y[0]; // here"), "race", one(64),
          ("protects only against other atomics",), "y", 0),
    Wrong("an atomic in shared memory, read without a barrier",
          y_kernel("  __shared__ int count;\n  if (i == 0) count = 0;\n  __syncthreads();\n  atomicAdd(&count, 1); // here\n  y[i] = count; // here"),
          "race", one(32), ("count",), "count"),
    Wrong("a zero without a barrier before atomics, the writer's own among them",
          y_kernel("  __shared__ int count;\n  if (i == 0) count = 0; // here\n  atomicAdd(&count, 1); // here\n  __syncthreads();\n  y[i] = count;"),
          "race", one(32), ("protects only against other atomics",), "count"),
    Wrong("a device variable", y_kernel("  total += 1; // here\n  y[i] = 0;", "__device__ int total;\n"), "race", one(32), ("atomicAdd(&total, value)",), "total"),
    Wrong("the last block without a fence",
          "__device__ unsigned done;\n"
          'extern "C" __global__ void k(float* part, float* y) {\n'
          "  if (threadIdx.x == 0) part[blockIdx.x] = blockIdx.x;\n"
          "  __shared__ bool last;\n"
          "  if (threadIdx.x == 0) last = atomicInc(&done, gridDim.x) == gridDim.x - 1;\n"
          "  __syncthreads();\n"
          "  if (last && threadIdx.x == 0) {\n"
          "    float sum = 0;\n"
          "    for (int b = 0; b < gridDim.x; ++b) sum += part[b]; // here\n"
          "    *y = sum;\n"
          "  }\n}",
          "race", lambda: (ones(4), ones(1)), ("__threadfence()",), "part", 0, grid=(4,)),
    Wrong("scatter into shared targets", 'extern "C" __global__ void k(const int* to, float* y) {\n  y[to[threadIdx.x]] += 1; // here\n}',
          "race", lambda: (np.arange(32, dtype=np.int32) // 2, ones(32)), ("atomicAdd",), "y", 0),
    Wrong("bytes of one word", 'extern "C" __global__ void k(unsigned char* y) {\n  y[threadIdx.x / 2] = 1; // here\n}',
          "race", one(32, dtype=np.uint8), (), "y", 0),
]  # fmt: skip

BARRIERS = [
    Wrong("some threads return before a barrier", y_kernel("  if (i >= 20) return;\n  __syncthreads(); // here\n  y[i] = 0;"),
          "returned before barrier", one(32), ("12 of the block's threads never come", "has returned", "if (…) return;")),
    Wrong("a barrier in one branch", y_kernel("  if (i < 16) __syncthreads(); // here\n  y[i] = 0;"), "returned before barrier", one(32)),
    Wrong("different barriers", y_kernel("  if (i < 16)\n    __syncthreads(); // here\n  else\n    __syncthreads();\n  y[i] = 0;"),
          "different barriers", one(32), ("line 6", "move it out of the `if`")),
    Wrong("different numbers of rounds", y_kernel("  for (int r = 0; r <= i / 16; ++r)\n    __syncthreads(); // here\n  y[i] = 0;"),
          "returned before barrier", one(32)),
    Wrong("a vote in a branch", y_kernel("  if (i < 16) y[i] = __syncthreads_count(1); // here"), "returned before barrier", one(32)),
    Wrong("a barrier against a warp operation", y_kernel("  if (i < 16)\n    __syncthreads();\n  else\n    __syncwarp(); // here\n  y[i] = 0;"),
          "deadlock", one(32), ("waits at __syncthreads() in line 4",)),
]  # fmt: skip

WARPS = [
    Wrong("a lane outside of its mask", y_kernel("  y[i] = __shfl_sync(0x0000ffff, y[i], 0); // here"), "not in own mask", one(32),
          ("lane 16", "0x0000ffff", "__ballot_sync")),
    Wrong("a mask names a thread that returned", y_kernel("  if (i == 31) return;\n  y[i] = __shfl_down_sync(~0u, y[i], 1); // here"),
          "mask names returned", one(32), ("lane 31", "neutral value")),
    Wrong("a shuffle in a branch", y_kernel("  if (i < 16)\n    y[i] = __shfl_xor_sync(~0u, y[i], 1); // here\n  else\n    y[i] = __shfl_xor_sync(~0u, y[i], 2); // here"),
          "warp diverged", one(32), ("at that of line",)),
    Wrong("a ballot in a branch", y_kernel("  if (i < 16) y[i] = __ballot_sync(~0u, 1); // here"), "mask names returned", one(32)),
    Wrong("a value from nobody", y_kernel("  unsigned m = 0x0000ffff;\n  if (i < 16) y[i] = __shfl_sync(m, y[i], 20); // here"),
          "shuffle source", one(32), ("lane 20", "undefined")),
    Wrong("half a warp", y_kernel("  y[i] = __shfl_down_sync(~0u, y[i], 16); // here"), "shuffle source", one(16), ("multiple of 32",), block=(16,)),
    Wrong("width 12", y_kernel("  y[i] = __shfl_sync(~0u, y[i], 0, 12); // here"), "shuffle width", one(32), ("1, 2, 4, 8, 16 or 32",)),
    Wrong("__syncwarp in a branch", y_kernel("  if (i < 8) __syncwarp(); // here\n  y[i] = 0;"), "mask names returned", one(32)),
]  # fmt: skip

OTHERS = [
    Wrong("division by zero", 'extern "C" __global__ void k(float* y, int n) {\n  y[threadIdx.x] = 7 / n; // here\n}',
          "division by zero", lambda: (ones(32), 0), ("divides an integer by zero",)),
    Wrong("remainder of zero", 'extern "C" __global__ void k(float* y, int n) {\n  y[threadIdx.x] = 7 % n; // here\n}',
          "division by zero", lambda: (ones(32), 0)),
    Wrong("unsigned division by zero", 'extern "C" __global__ void k(float* y, unsigned n) {\n  y[threadIdx.x] = threadIdx.x / n; // here\n}',
          "division by zero", lambda: (ones(32), 0)),
    Wrong("an endless loop with memory", y_kernel("  while (y[i] > 0) { // here\n    y[i] += 1; // here\n  }"), "too long", one(32), ("loop without end",),
          limits={"max_steps": 10**6}),
    Wrong("an endless loop without memory", y_kernel("  volatile int j = 0;\n  while (true) { if (j == 1) break; } // here\n  y[i] = j;"),
          "too long", one(32), ("goes on",), limits={"max_steps": 10**6}),
    Wrong("an endless loop of barriers", y_kernel("  while (true) __syncthreads(); // here"), "too long", one(32), limits={"max_steps": 10**4}),
    Wrong("a lock that nobody opens", y_kernel("  while (atomicCAS(&lock, 0, 1) != 0) { } // here\n  y[0] += 1;", "__device__ int lock;\n"),
          "too long", one(32), ("a lock that nobody opens",), limits={"max_steps": 10**5}),
    Wrong("a wait for a later block", 'extern "C" __global__ void k(int* flag) {\n'
          "  if (blockIdx.x == 1) atomicExch(flag, 1);\n  else while (atomicAdd(flag, 0) == 0) { } // here\n}",
          "too long", lambda: (np.zeros(1, np.int32),), ("waits for another block",), grid=(2,), block=(1,), limits={"max_steps": 10**6}),
    Wrong("an assertion", y_kernel("  assert(y[i] < 1); // here"), "assertion", one(32), ("`y[i] < 1` is false",)),
    Wrong("a trap", y_kernel("  if (i == 3) __trap(); // here"), "trap", one(32), ("Thread 3",)),
    Wrong("too much static shared memory", y_kernel("  __shared__ float tile[128][128]; // here\n  tile[0][i] = 0;\n  y[i] = 0;"),
          "too much shared memory", one(32), ("65536 bytes", "49152")),
    Wrong("too much shared memory together", y_kernel("  __shared__ float tile[64]; // here\n  tile[i] = 0;\n  y[i] = 0;"),
          "too much shared memory", one(32), ("49152 dynamic bytes",), shared_mem=49152),
    Wrong("recursion without end", "__device__ int down(int n, volatile int* p) {\n  volatile int big[64];\n  big[n & 63] = n;\n  return down(n + 1, big) + big[3] + p[0];\n}\n"
          + y_kernel("  volatile int p[1] = {0};\n  y[i] = down(i, p);"), "stack overflow", one(32), ("256 KiB",)),
]  # fmt: skip

ALL = BOUNDS + UNINITIALISED + RACES + BARRIERS + WARPS + OTHERS

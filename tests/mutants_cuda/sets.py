"""Mistakes in sets.cu, and in what all kernels share: common.cuh."""

from functools import partial

from tests.mutants_cuda.mutant import Mutant, as_numpy, image

mutant = partial(Mutant, "sets.cu", "set_sizes")
A, B = image(700) > 0, image(700, seed=1) > 0.5  # three blocks


def dice():
    return as_numpy("dice", A, B)


LAST_BARRIER = "  if (warp == 0) value = warp_sum(value);\n  __syncthreads();"
FIRST_BARRIER = "if (lane == 0) partial[warp] = value;\n  __syncthreads();"

MUTANTS = [
    mutant("a pixel too many", dice, "i < count", "i <= count", ("out of bounds", "reads a[700]", "Test the index first")),
    mutant("both sets are one", dice, "a[i] && b[i]", "a[i] || b[i]"),
    mutant("all blocks write the first part", dice, "parts[blockIdx.x] = in_a", "parts[0] = in_a", ("data race", "Blocks run in any order")),
    mutant("beyond the last part", dice, "parts[2 * gridDim.x + blockIdx.x]", "parts[3 * gridDim.x + blockIdx.x]", ("out of bounds", "writes parts[9]"), orders=("forward",)),
    mutant("a step of one block", dice, "i += thread_step()", "i += blockDim.x"),
    mutant("partial sums are read too early", dice, FIRST_BARRIER, "if (lane == 0) partial[warp] = value;", ("data race", "partial", "Put __syncthreads() between"), "block_sum"),
    mutant("partial sums are used again too early", dice, LAST_BARRIER, "  if (warp == 0) value = warp_sum(value);", ("data race", "partial", "this part runs again"), "block_sum"),
    mutant("the first warp does not wait", dice, LAST_BARRIER, "  if (warp == 0) return warp_sum(value);\n  __syncthreads();", ("barrier that not all threads reach",), "block_sum"),
    mutant("only one lane adds up", dice, "if (warp == 0) value", "if (threadIdx.x == 0) value", ("warp",), "block_sum"),
    mutant("half of the lanes are named", dice, "__shfl_down_sync(0xffffffff", "__shfl_down_sync(0x0000ffff", ("wrong warp mask", "__ballot_sync"), "warp_sum", orders=("reverse",)),
    mutant("half of the lanes are added up", dice, "int apart = 16", "int apart = 8", inside="warp_sum"),
    mutant("every warp keeps its own sum", dice, "partial[warp] = value", "partial[0] = value", ("data race", "partial[0]", "two threads have the same"), "block_sum"),
]  # fmt: skip

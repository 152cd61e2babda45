# %% [markdown]
# # A tiny exercise in CUDA C for tests of the grader

# %% segedu={"role": "setup"}
import numpy as np

# %load_ext segedu.cuda

# %% segedu={"role": "tools"}
from segedu import compare

rng = np.random.default_rng(1)


def check_sums(x):
    out = np.full(-(-len(x) // 32), np.nan, np.float32)
    sums((len(out),), (32,), (x, out, len(x)))
    compare.arrays(out, np.array([sum(x[i : i + 32]) for i in range(0, len(x), 32)], np.float32), length=32).check()


# %% language="cuda" magic_args="--mode check --quiet" segedu={"role": "answer", "question": "sums", "seconds": 5}
# extern "C" __global__ void sums(const float* x, float* out, int n) {
#     // ### BEGIN SOLUTION
#     __shared__ float part[32];
#     int t = threadIdx.x, i = blockIdx.x * 32 + t;
#     part[t] = i < n ? x[i] : 0;
#     for (int half = 16; half > 0; half /= 2) {
#         __syncthreads();
#         if (t < half) part[t] += part[t + half];
#     }
#     if (t == 0) out[blockIdx.x] = part[0];
#     // ### END SOLUTION
# }

# %% segedu={"role": "check", "question": "sums", "points": 1}
check_sums(np.ones(64, np.float32))

# %% segedu={"role": "hidden", "question": "sums", "points": 2}
check_sums(rng.standard_normal(70, dtype=np.float32))


# %% segedu={"role": "answer", "question": "warps"}
def warps(threads):
    ### BEGIN SOLUTION
    return -(-threads // 32)
    ### END SOLUTION


# %% segedu={"role": "check", "question": "warps", "points": 1}
assert [warps(n) for n in (1, 32, 33)] == [1, 1, 2], "a warp that is begun counts"

"""The counters against numbers that can be worked out by hand."""

import re

import numpy as np
import pytest

from segedu import cuda
from segedu.cuda import KernelError, RawModule
from segedu.cuda.profiling import joined
from tests.cuda.kernels import floats, needs_compiler

pytestmark = needs_compiler


def profile_of(source, grid, block, args, **keywords):
    return cuda.profile(RawModule(source, mode="check").get_function("k"), grid, block, args, **keywords)


COPY = """
extern "C" __global__ void k(const {type}* x, {type}* y, int stride) {{
    {type} v = x[(blockIdx.x * blockDim.x + threadIdx.x) * stride];
    y[blockIdx.x * blockDim.x + threadIdx.x] = v;
}}"""


@pytest.mark.parametrize(
    ("kind", "dtype", "stride", "sectors"),
    [
        *[("float", "f4", 1, 4), ("float", "f4", 2, 8), ("float", "f4", 8, 32), ("float", "f4", 32, 32)],
        *[("float", "f4", 0, 1), ("double", "f8", 1, 8), ("unsigned char", "u1", 1, 1), ("short", "i2", 1, 2)],
    ],
)
def test_a_warp_takes_as_many_sectors_as_its_addresses_span(kind, dtype, stride, sectors):
    x, y = np.ones(32 * 2 * 33, dtype), cuda.empty(64, dtype)
    counts = profile_of(COPY.format(type=kind), (2,), (32,), (x, y, stride))
    load = next(row for row in counts.rows if row.kind == "load")
    assert (load.requests, load.sectors_per_request, load.line, load.accesses) == (2, sectors, 3, 64)
    assert counts.total("bytes", "global") == 2 * 64 * np.dtype(dtype).itemsize


@pytest.mark.parametrize(("width", "turns"), [(32, 32), (33, 1), (34, 2), (36, 4), (48, 16)])
def test_a_column_of_a_tile_needs_as_many_turns_as_banks_are_shared(rng, width, turns):
    source = f"""
extern "C" __global__ void k(const float* x, float* y) {{
    __shared__ float tile[32][{width}];
    tile[threadIdx.y][threadIdx.x] = x[threadIdx.y * 32 + threadIdx.x];
    __syncthreads();
    y[threadIdx.y * 32 + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}}"""
    x, y = floats(rng, 32, 32), cuda.empty((32, 32))
    counts = profile_of(source, (1,), (32, 32), (x, y))
    np.testing.assert_array_equal(y, x.T)
    rows = {(row.memory, row.kind): row for row in counts.rows}
    assert rows["shared", "load"].turns_per_request == turns
    assert rows["shared", "store"].turns_per_request == 1
    assert rows["global", "load"].sectors_per_request == 4


def test_all_lanes_may_have_the_same_word_at_once(rng):
    source = """
extern "C" __global__ void k(const double* x, double* y) {
    __shared__ double tile[32];
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = tile[3] + tile[threadIdx.x];
}"""
    counts = profile_of(source, (1,), (32,), (rng.random(32), cuda.empty(32, np.float64)))
    loads = next(row for row in counts.rows if (row.memory, row.kind) == ("shared", "load"))
    assert (loads.requests, loads.turns) == (2, 4)  # 8 bytes a lane take two turns, of half a warp each


def test_a_convolution_loads_each_weight_and_neighbour_once_a_pixel(rng):
    source = """
extern "C" __global__ void k(const float* x, const float* w, float* y, int W) {
    int c = threadIdx.x, r = threadIdx.y;
    float sum = 0;
    for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) sum += x[(r + i) * W + c + j] * w[i * 3 + j];
    y[r * blockDim.x + c] = sum;
}"""
    counts = profile_of(source, (1,), (8, 8), (floats(rng, 10, 10), floats(rng, 3, 3), cuda.empty((8, 8)), 10))
    assert counts.total("accesses", "global", "load") == 8 * 8 * 9 * 2
    assert counts.total("accesses", "global", "store") == 64


def test_lanes_that_take_no_part_are_counted():
    source = 'extern "C" __global__ void k(float* y) { if (threadIdx.x % 4 == 0) y[threadIdx.x] = 1; }'
    (row,) = profile_of(source, (1,), (64,), (cuda.empty(64),)).rows
    assert (row.lanes, row.requests, row.accesses) == (8, 2, 16)


def test_atomics_are_counted_by_themselves():
    source = 'extern "C" __global__ void k(int* y) { atomicAdd(&y[threadIdx.x % 2], 1); }'
    (row,) = profile_of(source, (1,), (32,), (np.zeros(2, np.int32),)).rows
    assert (row.kind, row.accesses, row.sectors) == ("atomic", 32, 1)


@pytest.mark.parametrize(("words", "turns"), [(1, 32), (2, 16), (32, 1)])
def test_atomics_on_one_word_of_shared_memory_take_turns(words, turns):
    source = f"""
extern "C" __global__ void k(int* y) {{
    __shared__ int counts[32];
    counts[threadIdx.x] = 0;
    __syncthreads();
    atomicAdd(&counts[threadIdx.x % {words}], 1);
    __syncthreads();
    y[threadIdx.x] = counts[0];
}}"""
    rows = {(row.memory, row.kind): row for row in profile_of(source, (1,), (32,), (cuda.empty(32, np.int32),)).rows}
    assert rows["shared", "atomic"].turns_per_request == turns
    assert rows["shared", "load"].turns_per_request == 1


def test_joined_numbers_are_equal_where_all_columns_are(rng):
    columns = [rng.choice([0, 1, 2**31, 2**33 - 1], 200) for _ in range(4)]  # 2^132 places: more than a number holds
    _, expected = np.unique(np.stack(columns, 1), axis=0, return_inverse=True)
    _, found = np.unique(joined(*columns), return_inverse=True)
    pairs = set(zip(expected.reshape(-1).tolist(), found.tolist(), strict=True))
    assert len(pairs) == len(set(expected.reshape(-1).tolist())) == len(set(found.tolist()))


def test_who_touched_which_element(rng):
    counts = profile_of(COPY.format(type="float"), (2,), (4,), (floats(rng, 16), cuda.empty(8), 2))
    reads, writes = counts.touched("x"), counts.touched("y")
    assert reads["index"].tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert reads["block"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert reads["thread"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert set(reads["access"]) == {0}
    assert set(writes["access"]) == {1}
    assert set(writes["line"]) == {4}
    with pytest.raises(KeyError, match="there are: x, y"):
        counts.touched("z")


def test_the_table_shows_each_line_beside_its_counts(rng):
    counts = profile_of(COPY.format(type="float"), (1,), (32,), (floats(rng, 64), cuda.empty(32), 2))
    head, load, store = str(counts).splitlines()
    assert head.split() == [
        "line",
        "memory",
        "kind",
        "accesses",
        "bytes",
        "requests",
        "lanes",
        "sectors/request",
        "turns/request",
        "source",
    ]
    assert load.split()[:8] == ["3", "global", "load", "32", "128", "1", "32.0", "8.0"]
    assert "y[blockIdx.x" in store
    page = counts._repr_html_()
    assert page.count("<tr>") == 3
    rows = [re.findall(r'<t[dh] style="text-align: (\w+)">', row) for row in page.split("</tr>")]
    assert rows[0] == rows[1] == rows[2] == ["right", "left", "left", *["right"] * 6, "left"]


def test_too_large_a_launch_is_refused_with_its_remedy(rng):
    kernel = RawModule(COPY.format(type="float"), mode="check").get_function("k")
    with pytest.raises(KernelError, match="Profile a smaller grid"):
        cuda.profile(kernel, (1,), (32,), (floats(rng, 32), cuda.empty(32), 1), limit=20)


def test_only_checked_kernels_are_counted():
    with pytest.raises(TypeError, match='mode="check"'):
        cuda.profile(RawModule(COPY.format(type="float"), mode="fast").get_function("k"), (1,), (1,), ())

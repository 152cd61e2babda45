"""The sources of these tests are CUDA: NVIDIA's compiler takes what ours takes, and refuses what ours refuses."""

import ast
import inspect
import re

import pytest

from segedu import notebooks
from segedu.cuda import CompileError, RawModule
from segedu.cuda.compiler import explain
from tests.cuda import nvrtc, test_right_programs
from tests.cuda.kernels import needs_compiler
from tests.cuda.wrong import ALL

needs_nvrtc = pytest.mark.skipif(nvrtc.library() is None, reason="needs the wheel nvidia-cuda-nvrtc")
CONSTANTS = (
    node.value for node in ast.walk(ast.parse(inspect.getsource(test_right_programs))) if isinstance(node, ast.Constant)
)
TEXTS = [text for text in CONSTANTS if isinstance(text, str) and "__global__" in text and text.endswith("}")]
LESSONS = [
    path
    for folder in ("lectures", "solutions")
    for path in sorted((notebooks.ROOT / folder).glob("*.py"))
    if 'language="cuda"' in path.read_text("utf-8")
]
NAMES = {"product": ("product<float, 8>", "product<double,4>")}


@needs_nvrtc
@pytest.mark.parametrize("architecture", [75, 80, 86, 89, 90, 100, 120])
def test_every_right_program_compiles_for_the_gpus_of_the_course(architecture):
    if architecture not in nvrtc.architectures():
        pytest.skip(f"this NVRTC does not know sm_{architecture}")
    assert len(TEXTS) > 20
    for source in TEXTS:
        names = NAMES["product"] if "void product" in source else ()
        assert nvrtc.complaint(source, architecture, names) is None, source


@needs_nvrtc
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_kernels_of_lectures_and_exercises_compile_for_a_gpu(lesson):
    cells = [cell.source for cell in notebooks.read_lecture(lesson).cells if cell.source.startswith("%%cuda")]
    assert cells
    for cell in cells:
        assert nvrtc.complaint(cell.partition("\n")[2]) is None, cell


@needs_nvrtc
@pytest.mark.parametrize(
    "wrong", [w for w in ALL if w.name != "too much static shared memory"], ids=lambda w: w.name.replace(" ", "-")
)
def test_a_wrong_program_is_one_that_the_gpus_compiler_takes(wrong):
    assert nvrtc.complaint(wrong.source) is None


TAKEN = """assert(*p > 0); | printf("%f", *p); | if (p == NULL) *q = 1; | *q = warpSize; | atomicMax(ll, 1ll);
| atomicAdd(d, 1.0);
| *q = max(*q, *u); | *p = max(*p, 1.0); | *p = abs(*p); | *ll = abs(*ll); | *q = isnan(*p); | *ll = clock64();
| memcpy(p, q, 4); | memset(p, 0, 4); | auto f = [](float x) { return x * 2; }; *p = f(*p); | static int c; *q = c++;
| *q = __CUDA_ARCH__; | *q = signbit(*p); | size_t a = 1; *q = a; | *p = __ldg(p); | *p = exp10f(*p);
| *d = __shfl_down_sync(~0u, *d, 1); | unsigned char c = __shfl_sync(~0u, 1, 0); *q = c;
| *ll = __shfl_sync(~0u, *ll, 0);
| *ull = __shfl_sync(~0u, (size_t)*ull, 0); | *u = __match_any_sync(~0u, *q); | *(float4*)p = make_float4(1, 2, 3, 4);
| *q = printf("a"); | int3 a = make_int3(1, 2, 3); *q = a.x; | uchar4 c = make_uchar4(1, 2, 3, 4); *q = c.x;
| dim3 a(1, 2); *q = a.z; | dim3 b = blockIdx; *q = b.x; | *u = min(*u, 3); | __nanosleep(10); | __trap();
| *p = __saturatef(*p); | *u = __activemask(); | goto e; e: *q = 1; | *p = 1.0f / 0.0f; | *p = fdividef(1.f, 2.f);
| *p = rsqrtf(*p) + __frcp_rn(*p) + __fsqrt_rn(*p); | *p = cbrtf(*p) + hypotf(1.f, 2.f); | *q = lroundf(*p);
| *u = __brev(*u) + __umulhi(*u, 3); | *q = __float2int_rn(*p) + __mul24(*q, 3); | *q = llabs(*ll);
| const char* s = "abc"; *q = s[0];"""
REFUSED = """*p = INFINITY; | *p = NAN; | *p = FLT_MAX; | *q = INT_MAX; | *p = M_PI; | int32_t a = 1; | uint8_t a = 1;
| int64_t a = 1; | uint a = 1; | uchar a = 1; | ulong a = 1; | atomicAdd(ll, 1); | atomicAdd((size_t*)ull, 1);
| atomicMax(p, 1.f);
| atomicExch(d, 1.0); | atomicSub(ull, 1ull); | atomicCAS(p, 0.f, 1.f); | atomicCAS(ll, 0ll, 1ll); | *p = sqrt(*q);
| *p = pow(*q, 2); | *q = max(*ll, *q); | *q = min((size_t)1, *q); | *q = std::max(1, *q); | *p = std::sqrt(*p);
| std::swap(*p, *p); | *p = __shfl(*p, 0); | float4 a = make_float4(1, 2, 3, 4); a = a + a; | throw 1; | __half h;
| int n = *q; float a[n]; *p = a[0]; | *p = CUDART_INF_F; | *p = HUGE_VALF; | const uint3* t = &threadIdx;
| threadIdx.x = 1;"""
PARAMETERS = "float* p, int* q, unsigned* u, unsigned long long* ull, long long* ll, double* d"


def statements(text: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\s\|\s", text)]


def kernel_of(statement: str) -> str:
    return f'extern "C" __global__ void k({PARAMETERS}) {{ {statement} }}'


@needs_compiler
@pytest.mark.parametrize("statement", statements(TAKEN))
def test_what_nvrtc_takes_is_taken(statement):
    RawModule(kernel_of(statement), mode="fast")


@needs_compiler
@pytest.mark.parametrize("statement", statements(REFUSED))
def test_what_nvrtc_refuses_is_refused(statement):
    with pytest.raises(CompileError):
        RawModule(kernel_of(statement), mode="fast")


@needs_nvrtc
def test_the_two_lists_are_nvrtcs_own():
    assert [s for s in statements(TAKEN) if nvrtc.complaint(kernel_of(s))] == []
    assert [s for s in statements(REFUSED) if not nvrtc.complaint(kernel_of(s))] == []


@needs_nvrtc
def test_what_nvrtc_says_is_understood():
    source = 'extern "C" __global__ void k(float* y) {\n  float a = 1\n  *y = a;\n  *y = FLT_MAX;\n}'
    error = explain(nvrtc.complaint(source), source)
    assert error.line == 3
    assert "Is a ; missing at the end of the line before?" in str(error)
    assert 'line 4: identifier "FLT_MAX" is undefined. NVRTC has no headers: write 3.402823466e38f.' in str(error)

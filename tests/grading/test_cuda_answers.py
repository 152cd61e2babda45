"""Kernels of submissions run checked: what is wrong in them is found, described, and costs their question only."""

import pytest

from segedu.grading import results
from segedu.grading.cells import question, role
from segedu.grading.grade import grade
from tests.grading.submissions import TINY, perfect, put, question_of, with_answer

pytestmark = pytest.mark.slow

NAME = "02_cuda"
(SOURCE,) = (c.source for c in perfect(NAME).cells if role(c) == "answer" and question(c) == "sums")
EXIT = 'extern "C" void _exit(int);'


def replaced(old, new):
    assert SOURCE.count(old) == 1
    return SOURCE.replace(old, new)


WRONG = {  # the answer, how its checks end, what they say
    "a loop without an end": (replaced("part[t] = ", "for (volatile int k = 1; k; ) { }\n    part[t] = "), "timeout",
                              "ran longer than 5 seconds"),
    "a barrier that half of them reach": (replaced("__syncthreads();", "if (t < 16) __syncthreads();"), "error",
                                          "line 7: barrier that not all threads reach"),
    "reading behind the end": (replaced("i < n ? x[i] : 0", "x[i + 64]"), "error", "reads x[64], 1 past its end"),
    "writing before the beginning": (replaced("out[blockIdx.x]", "out[-1]"), "error", "writes out[-1]"),
    "an address from nowhere": (replaced("x[i] : 0", "*(float*)(long long)(8 * i) : 0"), "error", "line 5: "),
    "a race": (replaced("        __syncthreads();\n", ""), "error", "Put __syncthreads() between lines 5 and 7"),
    "no semicolon": (replaced("part[0];", "part[0]"), "error", "line 10: expected ';'"),
    "the process ended": (replaced("if (t == 0)", "_exit(0);").replace("extern", f"{EXIT}\nextern", 1), "crashed",
                          "the Python process ended"),
    "including a file": (SOURCE.replace("extern", f'#include "{TINY}/01_tiny.py"\nextern', 1), "error",
                         "has no system headers"),
    "Python": ("def sums(*args):\n    pass", "refused", "begins with %%cuda"),
}  # fmt: skip


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    put(folder, "perfect", perfect(NAME))
    for name, (source, _, _) in WRONG.items():
        put(folder, name, with_answer(perfect(NAME), "sums", source))
    found = grade(folder, tmp_path_factory.mktemp("report"), solutions=TINY)
    return {result.student: result for result in found}


def test_a_right_kernel_has_full_marks(graded):
    assert graded["perfect"].earned == graded["perfect"].possible == 4


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_kernel_is_described_and_costs_its_question_only(graded, name):
    _, status, says = WRONG[name]
    checks = question_of(graded[name], "sums")
    assert {check.status for check in checks} == {status}, checks[0].message
    assert says in checks[0].message
    assert [check.status for check in question_of(graded[name], "warps")] == [results.PASSED]

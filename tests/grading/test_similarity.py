"""Copies are found however they were renamed and laid out; one's own answers, short ones and solutions are not."""

import ast

import hypothesis.strategies as st
import pytest
from hypothesis import given

from segedu.grading import similarity
from segedu.grading.similarity import Group, Pair, groups, normalised, pairs

LOOP = """
def pool(x, k):
    n, c, h, w = x.shape
    out = np.zeros((n, c, h // k, w // k))
    for i in range(h // k):
        for j in range(w // k):
            out[:, :, i, j] = x[:, :, k * i : k * i + k, k * j : k * j + k].max((2, 3))
    return out
"""
COPY = '''
def pool(image, size):  # all my own work
    """Pools."""
    (batch, planes, height, width) = image.shape

    result = np.zeros((batch, planes, height//size, width//size))
    for row in range(height // size):
        for column in range(width//size):
            result[:, :, row, column] = (image[:, :, size*row:size*row+size, size*column:size*column+size].max((2, 3)))
    return result
'''
OTHER = """
def pool(x, k):
    n, c, h, w = x.shape
    blocks = x[:, :, : h // k * k, : w // k * k].reshape(n, c, h // k, k, w // k, k)
    return blocks.transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // k, w // k, k * k).max(axis=-1)
"""
KERNEL = """%%cuda --quiet
__global__ void add(const float* a, const float* b, float* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i]; // one thread an element
}"""


def listed(answers, known=None):
    given = [("02", student, {"pool": source}) for student, source in answers.items()]
    return [(pair.first, pair.second) for pair in pairs(given, known or {})]


def test_a_copy_is_found_and_another_solution_is_not():
    assert listed({"ada": LOOP, "bob": OTHER, "eve": COPY}) == [("ada", "eve")]


@given(st.permutations(["a", "b", "rows", "_", "λ", "input", "x2", "image", "result", "e", "true", "self"]))
def test_names_do_not_matter(names):
    old = ["x", "k", "n", "c", "h", "w", "out", "i", "j"]
    tree = ast.parse(LOOP)
    for node in ast.walk(tree):
        for field in ("id", "arg"):
            if getattr(node, field, None) in old:
                setattr(node, field, names[old.index(getattr(node, field))])
    assert normalised(ast.unparse(tree)) == normalised(LOOP)


def test_kernels_are_compared_without_comments_names_and_options():
    renamed = KERNEL.replace("out", "sum").replace("// one thread an element", "/* mine */").replace(" --quiet", "")
    assert normalised(renamed) == normalised(KERNEL)
    assert normalised(KERNEL.replace("+ b", "- b")) != normalised(KERNEL)


def test_solutions_and_stubs_are_not_listed():
    assert listed({"ada": LOOP, "bob": LOOP}, {"pool": [COPY]}) == []


def test_short_answers_agree_by_chance_and_are_not_listed():
    short = "def f(x):\n    return 2 * x"
    assert len(normalised(short)) < similarity.FEWEST_WORDS
    assert listed({"ada": short, "bob": short}) == []


def test_answers_to_other_questions_and_assignments_are_not_compared():
    given = [("02", "ada", {"pool": LOOP}), ("03", "bob", {"pool": LOOP}), ("02", "eve", {"other": LOOP})]
    assert pairs(given, {}) == []


def test_the_most_alike_come_first():
    nearly = LOOP.replace("return out", "return out.astype(x.dtype)")
    found = pairs(
        [("02", name, {"pool": source}) for name, source in zip("abc", (LOOP, nearly, COPY), strict=True)], {}
    )
    assert [(p.first, p.second) for p in found] == [("a", "c"), ("a", "b"), ("b", "c")]
    assert found[0].share == 1 > found[1].share == found[2].share >= similarity.ALIKE


@pytest.mark.parametrize("source", ["def f(:", "(" * 5000, "x\x00y", "", "é = '\ud800'", "x = '\\d'", "1 if " * 3000])
def test_no_answer_stops_the_comparison(source, recwarn):
    assert isinstance(normalised(source), tuple)
    assert not recwarn.list


def test_students_who_have_one_answer_in_common_are_a_group():
    found = [Pair("02", "pool", a, b, share) for a, b, share in (("a", "b", 1.0), ("c", "d", 0.9), ("b", "c", 0.95))]
    assert groups([*found, Pair("02", "pool", "x", "y", 1.0)]) == [
        Group("02", "pool", ("a", "b", "c", "d"), 0.9),
        Group("02", "pool", ("x", "y"), 1.0),
    ]


def test_the_same_students_in_several_questions_come_first():
    found = [Pair("02", q, a, b, 1.0) for q, a, b in (("p", "a", "b"), ("p", "x", "y"), ("q", "x", "y"))]
    assert [group.students for group in groups(found)] == [("x", "y"), ("x", "y"), ("a", "b")]

"""What an answer may not import is named with its line, however it is written; what it may is let through."""

import pytest

from segedu.grading.policy import refusals


@pytest.mark.parametrize(
    "source",
    [
        "import torch",
        "import numpy as np, torch.nn.functional as F",
        "from scipy import signal",
        "from scipy.ndimage import convolve as c",
        "def f(x):\n    if x:\n        import sklearn\n    return x",
        "import importlib\nimportlib.import_module('cv2')",
        "__import__('skimage.measure')",
        "from segedu.numpy_ops import relu",
        "from segedu import numpy_ops",
        "import segedu.cuda_ops as ops",
        "class A:\n    from jax import numpy",
        "lambda: __import__('numba')",
    ],
)
def test_it_is_refused_with_the_module_and_the_line(source):
    (refusal,) = refusals(source)
    line = next(i for i, text in enumerate(source.split("\n"), 1) if "import" in text and "importlib\n" not in text)
    assert refusal.endswith("may not be used in this exercise: write it yourself")
    assert refusal.startswith(f"line {2 if 'importlib.' in source else line}: ")


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nimport math",
        "import torchlike, scipython",
        "from . import torch",
        "torch = 3\ntorch.nn",
        "print('import torch')  # import torch",
        "%%cuda\n#include <torch>",
        "def f(:\n    import torch",  # Python says what is wrong
        "(" * 500 + "import torch",
        "x\x00",
    ],
)
def test_what_imports_nothing_of_that_kind_is_let_through(source):
    assert refusals(source) == []


def test_an_exercise_opens_a_module_and_what_lies_below_it_but_not_its_neighbours():
    allowed = ("segedu.numpy_ops.pooling",)
    assert refusals("from segedu.numpy_ops.pooling import max_pool2d", allowed) == []
    assert refusals("import segedu.numpy_ops.pooling", allowed) == []
    for source in ("import segedu.numpy_ops", "from segedu.numpy_ops import pooling_extra", "import torch"):
        assert refusals(source, allowed)


def test_odd_escapes_in_an_answer_warn_nobody(recwarn):
    assert refusals("x = '\\d'\nimport torch")
    assert not recwarn.list

"""segedu's operators need NumPy and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Run in a process of its own: this one has imported PyTorch long ago.
BLOCK = """
import sys

class Blocked:
    names = {"torch", "cupy", "IPython", "ipykernel", "ipywidgets", "matplotlib", "skimage", "sklearn", "scipy", "PIL"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ImportError(f"{name} is not installed")

sys.meta_path.insert(0, Blocked())
"""


def run_blocked(code: str) -> str:
    """Return what the code prints where only NumPy is installed."""
    process = subprocess.run(
        [sys.executable, "-c", BLOCK + code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def test_the_other_packages_are_really_blocked():
    with pytest.raises(AssertionError, match="torch is not installed"):
        run_blocked("import torch")


def test_segedu_is_imported_without_the_other_packages():
    assert run_blocked("import segedu; print(segedu.__version__)") == "0.1.0"


def test_an_operator_works_without_the_other_packages():
    code = """
import numpy as np
from segedu.numpy_ops import max_pool2d

x = np.array([[[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 7.0, 6.0]]])
print(max_pool2d(x, 2).tolist())
"""
    assert run_blocked(code) == "[[[5.0, 7.0]]]"


def test_every_operator_is_imported_without_the_other_packages():
    code = "from segedu import numpy_ops; print(all(callable(getattr(numpy_ops, name)) for name in numpy_ops.__all__))"
    assert run_blocked(code) == "True"


def test_the_command_line_shows_its_help_without_the_other_packages():
    assert "notebooks" in run_blocked("from segedu.__main__ import main; main([])")

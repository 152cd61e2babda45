"""NVIDIA's compiler takes every kernel, for every GPU generation of the course; no GPU is needed for that."""

import pytest

from segedu.cuda_ops import _launch
from tests.cuda import nvrtc

FILES = sorted(path.name for path in _launch.FOLDER.glob("*.cu"))

GENERATIONS = [75, 80, 86, 89, 90, 100, 120]


@pytest.mark.skipif(nvrtc.library() is None, reason="needs the wheel nvidia-cuda-nvrtc")
@pytest.mark.parametrize("architecture", [75, *(pytest.param(n, marks=pytest.mark.slow) for n in GENERATIONS[1:])])
@pytest.mark.parametrize("file", FILES)
def test_every_kernel_compiles_for_the_gpus_of_the_course(file, architecture):
    if architecture not in nvrtc.architectures():
        pytest.skip(f"this NVRTC does not know sm_{architecture}")
    names = _launch.instances(file, "float") + _launch.instances(file, "double")
    assert nvrtc.complaint(_launch.source(file), architecture, names) is None


def test_every_module_has_its_kernels_beside_it():
    modules = {path.stem for path in _launch.FOLDER.glob("[a-z]*.py")}
    assert {file.removesuffix(".cu") for file in FILES} <= modules

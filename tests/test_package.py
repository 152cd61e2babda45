"""An installed copy has every file that the package reads."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_a_wheel_holds_kernels_headers_and_styles(tmp_path):
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "segedu", clone / "segedu", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE", "LICENSE-text"):
        shutil.copy(ROOT / name, clone)
    build = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = clone.glob("*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("segedu/")}
    needed = {path.relative_to(clone).as_posix() for path in (clone / "segedu").rglob("*") if path.is_file()}
    assert needed - inside == set()
    assert {f"segedu/cuda/runtime/{name}" for name in ("runtime.cpp", "shim.h")} <= inside


def test_a_kernel_compiles_in_a_copy_that_is_not_the_clone(tmp_path):
    """The runtime is found beside the package, wherever that lies."""
    shutil.copytree(
        ROOT / "segedu" / "cuda", tmp_path / "segedu" / "cuda", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "segedu" / "__init__.py").touch()
    code = """
import segedu.cuda.compiler
print(segedu.cuda.compiler.RUNTIME, (segedu.cuda.compiler.RUNTIME / "runtime.cpp").is_file())
"""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(tmp_path / "segedu" / "cuda" / "runtime"), "True"]

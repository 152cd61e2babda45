"""How a kernel is started so that a submission in it can harm nobody: bubblewrap where it is installed.

The kernel sees a read-only Python with NumPy and IPython, the parts of segedu that its exercise leaves open, a folder
of its own, and nothing else: no network, no other process, no file of the user, no operator that an exercise asks for,
no PyTorch. Its memory and file sizes are limited. Without bubblewrap the kernel is an ordinary process, which resists
accidents, not attacks; reports say so.
"""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
ALWAYS = ("__init__.py", "arguments.py", "cuda", "grading/__init__.py", "grading/wire.py", "grading/inside.py")
HIDDEN = ("torch", "torchvision", "torchmetrics", "scipy", "skimage", "sklearn", "cupy", "nbval", "functorch")
MEMORY = 4 << 30
LARGEST_FILE = 16 << 20
PROCESSES = 4000
CUDA_CACHE = "cuda-cache"


@dataclass(frozen=True)
class Sandbox:
    """How kernels are kept apart: `kind` is "bubblewrap" or "none", `reason` says why it is not better."""

    kind: str
    reason: str = ""

    @property
    def is_safe(self) -> bool:
        return self.kind != "none"


@cache
def find_sandbox() -> Sandbox:
    """The best sandbox of this machine, tried out."""
    program = shutil.which("bwrap")
    if not sys.platform.startswith("linux"):
        return Sandbox("none", f"there is no sandbox for {sys.platform}")
    if not program:
        return Sandbox("none", "bubblewrap is not installed (Debian and Ubuntu: sudo apt install bubblewrap)")
    tried = subprocess.run(
        [program, "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, text=True, timeout=20
    )
    if tried.returncode:
        return Sandbox("none", f"bubblewrap does not work here: {tried.stderr.strip()[:200]}")
    return Sandbox("bubblewrap")


def kernel_command(sandbox: Sandbox, course: Path, home: Path, connection: Path) -> list[str]:
    """The command that starts a kernel.

    Args:
        sandbox: what `find_sandbox` found.
        course: the folder with the parts of segedu that the kernel may import, see `open_course`.
        home: the kernel's sockets lie here; writable.
        connection: the connection file, in `home`.
    """
    kernel = [sys.executable, "-m", "ipykernel_launcher", "-f", str(connection), "--HistoryManager.enabled=False"]
    if sandbox.kind == "none":
        return kernel
    return [*_limits(), *_bubblewrap(course, home), *kernel]


def kernel_environment(course: Path, home: Path) -> dict[str, str]:
    """The environment of a kernel: nothing of the user's own."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": str(course),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
        "IPYTHONDIR": str(home / "ipython"),
        "SEGEDU_CACHE": str(home / CUDA_CACHE),
    }


def open_course(folder: Path, allowed: Sequence[str] = ()) -> Path:
    """Copy the parts of segedu that a kernel may import to `folder`/segedu; returns `folder`.

    `allowed` names further modules or packages below segedu, such as "numpy_ops".
    """
    for part in (*ALWAYS, *(name.replace(".", "/") for name in allowed)):
        for source in (PACKAGE / part, PACKAGE / f"{part}.py"):
            target = folder / "segedu" / source.relative_to(PACKAGE)
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
            elif source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
    return folder


def compile_cuda_runtime(course: Path) -> None:
    """Compile what all kernels of CUDA C are linked with, once for a class: each Python kernel gets a copy of it."""
    code = """from segedu.cuda import RawModule; RawModule('extern "C" __global__ void k() { }', mode="check")"""
    environment = {**os.environ, "SEGEDU_CACHE": str(course / CUDA_CACHE), "PYTHONPATH": str(course)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=False, capture_output=True)


def _limits() -> list[str]:
    program = shutil.which("prlimit")
    if not program:
        return []
    return [program, f"--as={MEMORY}", f"--fsize={LARGEST_FILE}", f"--nproc={PROCESSES}", "--core=0", "--"]


def _bubblewrap(course: Path, home: Path) -> Iterator[str]:
    yield from (shutil.which("bwrap"), "--unshare-all", "--die-with-parent", "--new-session")
    yield from ("--unsetenv", "JPY_PARENT_PID")  # in here nobody has that number, and the kernel would leave
    yield from ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run")
    for place in _read_only():
        yield from ("--ro-bind-try", str(place), str(place))
    for place in (package / name for package in _packages() for name in HIDDEN):
        if place.is_dir():
            yield from ("--tmpfs", str(place))
    yield from ("--ro-bind", str(course), str(course), "--bind", str(home), str(home), "--chdir", str(home))


def _read_only() -> list[Path]:
    """The places of Python, its packages, the C++ compiler and the libraries that they need."""
    python = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent, *_packages()}
    system = [Path(name) for name in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")]
    return [*system, *(place for place in sorted(python) if not place.is_relative_to("/usr"))]


def _packages() -> list[Path]:
    found = {*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return sorted({Path(place) for place in found if Path(place).is_dir()})

"""How a kernel is started so that a submission in it can harm nobody: bubblewrap, else unshare, else not at all.

The kernel sees a read-only Python with NumPy and IPython, the parts of segedu that its exercise leaves open, a folder
of its own, and nothing else: no network, no other process, no file of the user, no operator that an exercise asks for,
no PyTorch. Its memory and file sizes are limited. Without a sandbox the kernel is an ordinary process, which resists
accidents, not attacks; reports say so.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from segedu.grading.policy import NOT_FROM_SCRATCH

PACKAGE = Path(__file__).resolve().parent.parent
ALWAYS = ("__init__.py", "arguments.py", "cuda", "grading/__init__.py", "grading/wire.py", "grading/inside.py")
HIDDEN = (*NOT_FROM_SCRATCH, "torchmetrics", "functorch", "jaxlib", "cupyx", "keras", "nbval")
MEMORY = 4 << 30
LARGEST_FILE = 16 << 20
PROCESSES = 128
STRANGERS = range(1_000_000_000, 2_000_000_000)  # user numbers that belong to nobody
FEWEST_STRANGER = 60_000  # in a container that has no such large ones
OPEN_FILES = 256
CUDA_CACHE = "cuda-cache"
_SECONDS_TO_TRY = 60


@dataclass(frozen=True)
class Sandbox:
    """How kernels are kept apart: `kind` is "bubblewrap", "unshare" or "none"; `reason` says why it is not better.

    "own" is for answers of one's own: an ordinary process of the user.
    """

    kind: str
    reason: str = ""

    @property
    def is_safe(self) -> bool:
        return self.kind in ("bubblewrap", "unshare")

    @property
    def statement(self) -> str:
        """What a report says of it, at its top."""
        if self.is_safe:
            return (
                f"Answers ran in a sandbox ({self.kind}): without a network, without other files than their own, with "
                "limited time and memory. Checks and reference answers ran outside of it."
            )
        return (
            f"Answers ran WITHOUT A SANDBOX: {self.reason}. These marks resist accidents and casual cheating only: an "
            "answer could have read the solutions or changed files of the account that graded it."
        )


@cache
def find_sandbox() -> Sandbox:
    """The best sandbox of this machine, tried out."""
    if not sys.platform.startswith("linux"):
        return Sandbox("none", f"there is none for {sys.platform}; grade on Linux, for instance in WSL or a container")
    if _is_root() and _stranger() is None:
        return Sandbox("none", "root of this container has no other user number to give to answers; grade as a user")
    reasons = []
    for kind, programs in (("bubblewrap", ("bwrap",)), ("unshare", ("unshare", "setpriv", "mount", "pivot_root"))):
        if absent := [name for name in programs if not _program(name)]:
            reasons.append(f"{kind} is not installed ({', '.join(absent)} not found)")
            continue
        complaint = _try_out(Sandbox(kind))
        if complaint is None:
            return Sandbox(kind, "; ".join(reasons))
        reasons.append(f"{kind} does not work here ({complaint})")
    return Sandbox("none", "; ".join(reasons) + "; on Debian and Ubuntu: sudo apt install bubblewrap")


def _try_out(sandbox: Sandbox) -> str | None:
    """Why a program cannot be run in it; None where it can."""
    with tempfile.TemporaryDirectory(prefix="segedu-") as folder:
        home, course = Path(folder, "home"), Path(folder, "course")
        home.mkdir()
        course.mkdir()
        command = [*_wrapped(sandbox, course, give_away(home)), sys.executable, "-c", _TRIAL]
        environment = kernel_environment(sandbox, course, home)
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=_SECONDS_TO_TRY)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)[:200]
        return (done.stderr.strip() or f"exit status {done.returncode}")[-200:] if done.returncode else None


_TRIAL = f"""
import numpy, os, sys, time
children = []
try:
    while len(children) <= {PROCESSES}:
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        children.append(pid)
except OSError:
    pass
for pid in children:
    os.kill(pid, 9)
sys.exit("the number of processes cannot be limited" if len(children) > {PROCESSES} else 0)"""


def give_away(home: Path) -> Path:
    """Let the user number that a kernel will have own its folder, where this process is root; returns the folder.

    Limits on the number of processes do not bind root, so that root's kernels run under a number that nobody has. In a
    container that knows no such number the folder stays as it is.
    """
    number = _stranger() if _is_root() else None
    if number is not None:
        for place in (home, *home.rglob("*")):
            os.chown(place, number, number)
        home.chmod(0o711)  # bubblewrap has to enter it
    return home


def _stranger() -> int | None:
    """A user number that nobody has; None where this process can give nothing away."""
    mapped = [tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    inside = [range(max(first, FEWEST_STRANGER), min(first + count, STRANGERS.stop)) for first, _, count in mapped]
    highest = max(inside, key=lambda numbers: numbers.stop, default=range(0))
    numbers = highest if STRANGERS.start not in highest else STRANGERS
    return secrets.choice(numbers) if numbers else None


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def kernel_command(sandbox: Sandbox, course: Path, home: Path, connection: Path) -> list[str]:
    """The command that starts a kernel.

    Args:
        sandbox: what `find_sandbox` found.
        course: the folder with the parts of segedu that the kernel may import, see `open_course`.
        home: the kernel's sockets lie here; writable. It has been through `give_away`.
        connection: the connection file, in `home`.
    """
    kernel = [sys.executable, "-m", "ipykernel_launcher", "-f", str(connection), "--HistoryManager.enabled=False"]
    return [*_wrapped(sandbox, course, home), *kernel]


def kernel_environment(sandbox: Sandbox, course: Path, home: Path) -> dict[str, str]:
    """The environment of a kernel: nothing of the user's own, but where the answers are."""
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    visible = [place for place in os.get_exec_path() if any(Path(place).is_relative_to(p) for p in _read_only())]
    kept["PATH"] = os.environ.get("PATH", "") if os.name == "nt" else os.pathsep.join(visible)
    return (dict(os.environ) if sandbox.kind == "own" else kept) | {
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
    subprocess.run([sys.executable, "-P", "-c", code], env=environment, cwd=course, check=False, capture_output=True)


def _limits(processes: int) -> list[str]:
    """The command in front of a program that limits it; the user's other processes count, where it is the user's."""
    program = _program("prlimit")
    if not program:
        return []
    limits = {"as": MEMORY, "fsize": LARGEST_FILE, "nproc": processes, "nofile": OPEN_FILES, "core": 0}
    return [program, *(f"--{name}={value}" for name, value in limits.items()), "--"]


def _own_processes() -> int:
    """How many processes and threads the user has."""
    found = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        if process.info["uids"] and process.info["uids"].real == os.getuid():
            found += process.info["num_threads"] or 1
    return found


def _as_stranger(home: Path) -> list[str]:
    """The command in front of a program that gives up root: from then on it is the owner of its folder."""
    number = str(home.stat().st_uid)
    rights = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    return [_program("setpriv"), f"--reuid={number}", f"--regid={number}", "--clear-groups", *rights, "--"]


def _wrapped(sandbox: Sandbox, course: Path, home: Path) -> Iterator[str]:
    if sandbox.kind == "own":
        return
    is_given = _is_root() and home.stat().st_uid != os.geteuid()
    if not is_given:
        yield from _limits(PROCESSES + _own_processes())
    if sandbox.kind == "bubblewrap":
        yield from _bubblewrap(course, home)
    elif sandbox.kind == "unshare":
        yield from _unshare(course, home)
    if is_given:
        yield from (*_as_stranger(home), *_limits(PROCESSES))


def _bubblewrap(course: Path, home: Path) -> Iterator[str]:
    parts = ("ipc", "pid", "net", "uts", "cgroup-try") if _is_root() else ("all", "user")
    yield from (_program("bwrap"), *(f"--unshare-{part}" for part in parts), "--die-with-parent", "--new-session")
    yield from ("--cap-drop", "ALL", "--hostname", "sandbox")  # root would keep the right to unmount what hides PyTorch
    if _is_root():
        for right in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):  # which `_as_stranger` uses up
            yield from ("--cap-add", right)
    elif "--disable-userns" in _help_of_bubblewrap():
        yield "--disable-userns"
    yield from ("--unsetenv", "JPY_PARENT_PID")  # in here nobody has that number, and the kernel would leave
    yield from ("--proc", "/proc", "--dev", "/dev", "--dir", "/tmp")
    for place in (*_read_only(), course, home):
        for parent in reversed(place.parents[:-1]):  # else as closed as the user's own folders
            yield from ("--dir", str(parent))
    for place in _read_only():
        yield from ("--ro-bind-try", str(place), str(place))
    for place in _hidden():
        yield from ("--tmpfs", str(place), "--remount-ro", str(place))
    yield from ("--ro-bind", str(course), str(course), "--bind", str(home), str(home), "--chdir", str(home))
    yield from ("--remount-ro", "/dev", "--remount-ro", "/")  # else they are memory to fill


@cache
def _help_of_bubblewrap() -> str:
    return subprocess.run([_program("bwrap"), "--help"], capture_output=True, text=True, check=False).stdout


def _unshare(course: Path, home: Path) -> Iterator[str]:
    """The same places, mounted by a shell script that then gives up all rights."""
    yield from (_program("setpriv"), "--pdeathsig", "KILL", _program("unshare"))
    user = () if _is_root() else ("--user", "--map-root-user")
    yield from (*user, "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child")
    yield from (shutil.which("sh") or "/bin/sh", "-c", "\n".join(_mounts(course, home)), "sh")


def _mounts(course: Path, home: Path) -> Iterator[str]:
    yield "set -e; umask 022; unset JPY_PARENT_PID; export PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin"
    root = home / ".root"
    yield f"mkdir {_quoted(root)}; mount -t tmpfs -o mode=755 none {_quoted(root)}; cd {_quoted(root)}"
    yield "mkdir proc dev tmp old; mount -t proc none proc"
    for name in ("null", "zero", "full", "random", "urandom"):
        yield f"touch dev/{name}; mount --bind /dev/{name} dev/{name}"
    for place in _read_only():
        if place.is_symlink() and place.resolve().is_relative_to("/usr"):
            yield f"ln -s {_quoted(place.readlink())} .{_quoted(place)}"
        elif place.exists():
            yield from _mount(place, "ro,")
    for place in _hidden():
        yield f"mount -t tmpfs -o ro none .{_quoted(place)}"
    yield from _mount(course, "ro,")
    yield from _mount(home, "")
    yield "pivot_root . old; umount -l /old; mount -o remount,ro /"
    yield f"cd {_quoted(home)}"
    yield 'exec "$@"' if _is_root() else 'exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"'


def _mount(place: Path, flag: str) -> Iterator[str]:
    target = f".{_quoted(place)}"
    make = f"mkdir -p {target}" if place.is_dir() else f"mkdir -p .{_quoted(place.parent)}; touch {target}"
    yield f"{make}; mount --bind {_quoted(place)} {target}; mount -o remount,bind,{flag}nosuid,nodev {target}"


def _quoted(place: Path) -> str:
    return shlex.quote(str(place))


def _program(name: str) -> str | None:
    """The path of a program, also of those for the administrator."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


@cache
def _read_only() -> tuple[Path, ...]:
    """The places of Python, its packages, the C++ compiler and the libraries that they need."""
    python = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent, *_packages()}
    system = [Path(name) for name in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")]
    return (*system, *(place for place in sorted(python) if not place.is_relative_to("/usr")))


@cache
def _hidden() -> tuple[Path, ...]:
    """Folders of packages that answers may not use, the installed course among them; also the system's own Python's."""
    system = [*Path("/usr/lib").glob("python3*/dist-packages"), *Path("/usr/local/lib").glob("python3*/*-packages")]
    found = (package / name for package in {*_packages(), *system} for name in (*HIDDEN, "segedu"))
    return tuple(sorted(place for place in found if place.is_dir() and not place.is_symlink()))


def _packages() -> list[Path]:
    found = {*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return sorted({Path(place) for place in found if Path(place).is_dir()})

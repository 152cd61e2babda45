"""Finds a C++ compiler and turns a translated kernel into a library, once: the result is kept in the user's cache."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from functools import lru_cache
from pathlib import Path

from segedu.cuda.assembly import number_sites
from segedu.cuda.errors import CacheError, CompileError, CompilerNotFound
from segedu.cuda.source import without_comments

RUNTIME = Path(__file__).parent / "runtime"
COMMON = ["-std=c++17", "-fPIC", "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti", "-fno-finite-loops"]
COMMON += ["-fno-strict-aliasing", "-fwrapv", "-fno-delete-null-pointer-checks", "-fno-asynchronous-unwind-tables"]
MODES = {
    "fast": ["-O2"],
    "check": [
        "-O1",
        "-gdwarf-4",
        "-DSEGEDU_CHECK",
        "-fno-optimize-sibling-calls",
        "-Werror=uninitialized",
        "-Werror=return-type",
    ],
}
INSTRUMENT = ["-fsanitize=thread", "-fsanitize-coverage=trace-pc"]
ARITHMETIC = "alignment,integer-divide-by-zero"
KERNEL = ["-nostdinc", "-fno-threadsafe-statics", "-ffp-contract=off", "-Werror=vla"]
WINDOWS, MACOS = os.name == "nt", sys.platform == "darwin"
SUFFIX = ".dll" if WINDOWS else ".so"
NO_COMPILER = f"""No C++ compiler was found, which segedu.cuda needs to run kernels on the CPU.
The remedy that works everywhere:  {sys.executable} -m pip install ziglang   (in a notebook: %pip install ziglang)
Or install the system's own: `sudo apt install g++` (Debian, Ubuntu), `xcode-select --install` (macOS).
SEGEDU_CXX may name one that is not on the PATH."""


# ---------------------------------------------------------------- which compiler
@lru_cache(maxsize=8)
def _find(wanted: str, path: str) -> tuple[str, ...]:
    if wanted:
        command = tuple(wanted.split())
        if not shutil.which(command[0]):
            raise CompilerNotFound(f"SEGEDU_CXX names the compiler {wanted!r}, which is not there.\n\n{NO_COMPILER}")
        return command
    for name in () if WINDOWS else ("g++", "clang++"):
        if _is_compiler(shutil.which(name)):
            return (name,)
    if importlib.util.find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "c++")
    raise CompilerNotFound(NO_COMPILER)


def _is_compiler(path: str | None) -> bool:
    """Whether a program is there; a Mac has compilers that do nothing but ask for Apple's tools."""
    if path is None or not (MACOS and path.startswith("/usr/bin/")):
        return path is not None
    return subprocess.call(["xcode-select", "-p"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def find_compiler() -> tuple[str, ...]:
    """The command of the compiler: $SEGEDU_CXX, g++, clang++, or the `ziglang` wheel.

    Raises:
        CompilerNotFound: there is none; the message says how to get one.
    """
    return _find(os.environ.get("SEGEDU_CXX", ""), os.environ.get("PATH", ""))


def convention() -> str:
    """How this machine passes arguments, for `assembly.number_sites`."""
    if platform.machine().lower() in ("arm64", "aarch64"):
        return "aarch64"
    return "windows" if WINDOWS else "sysv"


# ---------------------------------------------------------------- where the results are kept
def cache_folder() -> Path:
    """Where compiled kernels are kept: $SEGEDU_CACHE, or the system's folder for such files."""
    if os.environ.get("SEGEDU_CACHE"):
        return Path(os.environ["SEGEDU_CACHE"])
    if WINDOWS:
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif MACOS:
        base = Path.home() / "Library/Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "segedu" / "cuda"


@lru_cache(maxsize=1)
def _spare_folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="segedu-cuda-", ignore_cleanup_errors=True)


def _usable_folder() -> Path:
    """The cache folder; where it cannot be written to, one that lasts as long as this Python, and a warning."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _full(folder) from error
        warnings.warn(
            f"{folder} cannot be written to ({error.strerror}): compiled kernels are not kept from one session to"
            " the next. Set SEGEDU_CACHE to a folder that can be written to.",
            stacklevel=2,
        )
        return Path(_spare_folder().name)


def _full(folder: Path) -> CacheError:
    return CacheError(
        f"The disk is full: the compiled kernel does not fit into {folder}, or what the compiler leaves for a moment"
        f" into {tempfile.gettempdir()}. Make room and run the cell again, or set SEGEDU_CACHE, and TMPDIR, to a folder"
        " on another disk. Nothing was lost: only whole files are ever kept."
    )


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


# ---------------------------------------------------------------- compiling
class CompilerError(Exception):
    """The compiler said no; the text is what it said."""


def _run(command: list[str], text: str | None = None) -> None:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=environment)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("compiling was interrupted; nothing half done is kept: run the cell again") from None
    except OSError as error:
        raise CompilerNotFound(f"{command[0]} could not be started ({error.strerror}).\n\n{NO_COMPILER}") from error
    if done.returncode:
        raise CompilerError(done.stderr or done.stdout or f"{command[0]} ended with exit status {done.returncode}")


@lru_cache(maxsize=1)
def _runtime_text() -> str:
    return "\0".join(path.read_text(encoding="utf-8") for path in sorted(RUNTIME.iterdir()) if path.is_file())


def _runtime(compiler: list[str], mode: str, folder: Path) -> Path:
    """The compiled scheduler and checker, which every kernel of that mode is linked with."""
    target = folder / f"runtime-{mode}-{_key(_runtime_text(), *compiler, *COMMON, *MODES[mode], platform.machine())}.o"
    if not target.exists():
        if "ziglang" in compiler:
            print("segedu.cuda: zig prepares itself once, which can take a minute.", file=sys.stderr, flush=True)
        with _finished(target) as part:
            flags = [flag for flag in MODES[mode] if not flag.startswith(("-O", "-g"))]
            _run([*compiler, *COMMON, *flags, "-O2", "-c", str(RUNTIME / "runtime.cpp"), "-o", str(part)])
    return target


def _instrument(compiler: list[str]) -> list[str]:
    """The flags that call the checker; clang leaves out a read just before a write, such as that of `+=`."""
    is_clang = MACOS or "ziglang" in compiler or "clang" in Path(compiler[0]).name
    if not is_clang:
        return [*INSTRUMENT, f"-fsanitize=bounds,{ARITHMETIC}"]
    thread = ["-Xclang", *INSTRUMENT] if WINDOWS else INSTRUMENT  # its driver refuses, its compiler does not
    reads = ["-mllvm", "-tsan-instrument-read-before-write=1"]
    return [*thread, f"-fsanitize=array-bounds,{ARITHMETIC}", "-fno-sanitize-trap=all", *reads]


@contextlib.contextmanager
def _finished(target: Path):
    """A file to write, which becomes `target` when the block ends well, and disappears otherwise."""
    part = target.with_name(f"{target.stem}.{os.getpid()}-{threading.get_ident()}.part{target.suffix}")
    try:
        yield part
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def compile_kernel(code: str, mode: str, defines: tuple[str, ...] = ()) -> tuple[Path, list[tuple[int, int]]]:
    """Compile a translated source; returns the library and the (line, column) of each of its sites.

    Raises:
        CompilerNotFound, CacheError: see there.
        CompileError: the source is wrong.
    """
    compiler = list(find_compiler())
    folder = _usable_folder()
    flags = [*COMMON, *MODES[mode], *KERNEL, *(_instrument(compiler) if mode == "check" else []), *defines]
    target = folder / f"kernel-{_key(_runtime_text(), code, *compiler, *flags, platform.machine())}{SUFFIX}"
    places = target.with_suffix(".json")
    if target.exists() and places.exists():
        return target, [tuple(place) for place in json.loads(places.read_text())]
    try:
        return target, _build(code, compiler, flags, mode, target)
    except CompilerError as error:
        if "No space left on device" in str(error):
            raise _full(folder) from None
        raise explain(str(error), code) from None
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _full(folder) from error
        raise CacheError(f"{folder}: {error.strerror}. Set SEGEDU_CACHE to another folder.") from error


def _build(code: str, compiler: list[str], flags: list[str], mode: str, target: Path) -> list[tuple[int, int]]:
    runtime = _runtime(compiler, mode, target.parent)
    places = target.with_suffix(".json")
    with _finished(target.with_suffix(".s")) as assembly, _finished(places) as table, _finished(target) as library:
        include = ["-I", str(RUNTIME), "-include", str(RUNTIME / "shim.h")]
        _run([*compiler, *flags, *include, "-x", "c++", "-S", "-", "-o", str(assembly)], '#line 1 "kernel.cu"\n' + code)
        text, sites = number_sites(assembly.read_text(encoding="latin-1"), convention())
        assembly.write_text(text, encoding="latin-1")
        table.write_text(json.dumps(sites))
        libraries = [] if WINDOWS else ["-lm"]
        _run([*_driver_for_c(compiler), "-shared", str(assembly), str(runtime), "-o", str(library), *libraries])
    target.with_suffix(".s").unlink(missing_ok=True)
    return sites


def _driver_for_c(compiler: list[str]) -> list[str]:
    """Zig's C driver links without a C++ library, which kernels do not need."""
    return [*compiler[:-1], "cc"] if "ziglang" in compiler else compiler


# ---------------------------------------------------------------- what the compiler said
COMPLAINT = re.compile(
    r"^kernel\.cu:(\d+)(?::(\d+))?: (?:fatal )?error: (.*)$"
    r"|^(?:\S*\.cu|default_program)\((\d+)\): (?:catastrophic )?error(?: #\S+)?: (.*)$",  # NVRTC names no column
    re.M,
)


def explain(output: str, code: str) -> CompileError:
    """The complaints of a compiler, NVRTC included, about the student's lines, without those about our own."""
    found = COMPLAINT.findall(output)
    complaints = [(line or nvrtc, column, _plainly(what or said)) for line, column, what, nvrtc, said in found]
    complaints = [complaint for complaint in complaints if "segedu_" not in complaint[2]] or complaints
    if not complaints:
        return CompileError(f"the kernel does not compile:\n{output.strip()}")
    lines = code.splitlines()
    parts, seen = [], set()
    for line, column, what in complaints[:5]:
        if (line, what) in seen:
            continue
        seen.add((line, what))
        text = lines[int(line) - 1] if int(line) <= len(lines) else ""
        if re.search("operator|operand|expression must have", what) and _goes_on_from_the_line_before(lines, int(line)):
            what += ". Is a ; missing at the end of the line before?"
        shown = "" if "segedu_" in text else f"\n    {text.strip()}"
        if shown and column:
            shown += "\n    " + " " * (int(column) - 1 - (len(text) - len(text.lstrip()))) + "^"
        parts.append(f"line {line}: {what}{shown}")
    return CompileError("the kernel does not compile\n" + "\n".join(parts), int(complaints[0][0]))


def _goes_on_from_the_line_before(lines: list[str], number: int) -> bool:
    """Whether a line begins like a statement of its own, `*y = 1`, and is read as the end of a product."""
    before = without_comments("\n".join(lines[: number - 1])).rstrip()
    return bool(before) and before[-1] not in ";{}," and lines[number - 1].lstrip()[:1] in ("*", "&", "(", "+", "-")


NO_RETURN = re.compile(
    r"no return statement in function returning non-void|control reaches end of non-void function"
    r"|non-void function does not return a value|non-void lambda does not return a value"
)


def _plainly(what: str) -> str:
    if NO_RETURN.search(what):
        return (
            "this function ends without a value, and its type promises one. Every way through it must end in"
            " `return …;`; a function that gives nothing back is void"
        )
    if "variably modified type" in what or "[-Werror=vla]" in what or "variable length array" in what:
        return "the size of this array must be a constant: a number, a macro or a template's parameter"
    what = re.sub(r" \[-Werror=[\w=-]+\]| \[-Werror,[^\]]*\]", "", what)
    if "used uninitialized" in what or "is uninitialized when used" in what:
        return f"{what}. Give it a first value where it is declared"
    what = what.replace("\u2018", "'").replace("\u2019", "'")
    if re.search(r"expected .*';'.* (before|after)|expected ';'", what):
        return f"{what}. Is a ; missing here, or at the end of the line before?"
    unknown = re.match(
        r"'(\w+)' was not declared in this scope|use of undeclared identifier '(\w+)'"
        r'|identifier "(\w+)" is undefined',
        what,
    )
    name = unknown and next(filter(None, unknown.groups()))
    hint = HINTS.get(name or "")
    return f"{what}. {hint}" if hint else what


HINTS = {
    "INFINITY": "NVRTC has no headers: write __int_as_float(0x7f800000).",
    "NAN": "NVRTC has no headers: write __int_as_float(0x7fffffff).",
    "FLT_MAX": "NVRTC has no headers: write 3.402823466e38f.",
    "INT_MAX": "NVRTC has no headers: write 2147483647.",
    "M_PI": "NVRTC has no headers: write 3.14159265358979.",
    "int32_t": "NVRTC has no headers: write int.",
    "uint8_t": "NVRTC has no headers: write unsigned char.",
    "int64_t": "NVRTC has no headers: write long long.",
    "uint": "NVRTC has no headers: write unsigned.",
    "__shfl": "Since CUDA 9 it is __shfl_sync(mask, value, lane).",
    "__shfl_down": "Since CUDA 9 it is __shfl_down_sync(mask, value, delta).",
    "__ballot": "Since CUDA 9 it is __ballot_sync(mask, predicate).",
}

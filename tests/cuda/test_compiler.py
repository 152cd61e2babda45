"""What a student reads where compiling does not work, and that nothing is lost then."""

import errno
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segedu.cuda import CacheError, CompileError, CompilerNotFound, RawModule, compiler, native
from tests.cuda.kernels import needs_compiler

SOURCE = 'extern "C" __global__ void k(int* y) { *y = 5; }'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGEDU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def works(source: str = SOURCE) -> bool:
    y = np.zeros(1, np.int32)
    RawModule(source, mode="fast").get_function("k")((1,), (1,), (y,))
    return y[0] == 5


# ---------------------------------------------------------------- wrong sources
WRONG = {
    "a semicolon missing": ("int i = threadIdx.x\ny[i] = 1;", 3, "; missing.*at the end of the line before"),
    "a semicolon missing before a pointer": (
        "int i = threadIdx.x\n*y = i;",
        3,
        "missing at the end of the line before",
    ),
    "an unknown name": ("int i = 1;\n*y = i + two;", 3, "two"),
    "INFINITY": ("\n*y = INFINITY;", 3, r"__int_as_float\(0x7f800000\)"),
    "int32_t": ("\n\nint32_t i = 1;", 4, "write int"),
    "an old shuffle": ("*y = __shfl_down(*y, 1);", 2, r"__shfl_down_sync\(mask, value, delta\)"),
    "threadIdx changed": ("threadIdx.x = 3;", 2, "line 2"),
    "a shared array with values": ("__shared__ int a[2] = {1, 2};", 2, "cannot have an initial value"),
    "a local array of unknown size": ("int n = *y;\nfloat a[n]; *y = a[0];", 3, "must be a constant"),
    "an array of unknown size": ("__shared__ float a[*y]; *y = a[0];", 2, "must be a constant"),
}


@needs_compiler
@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("mode", ["check", "fast"])
def test_a_mistake_in_the_source_is_shown_with_its_line(name, mode):
    body, line, says = WRONG[name]
    with pytest.raises(CompileError, match=says) as caught:
        RawModule(f'extern "C" __global__ void k(int* y) {{\n{body}\n}}', mode=mode)
    assert caught.value.line == line
    assert f"line {line}: " in str(caught.value)
    assert "segedu_" not in str(caught.value)


@needs_compiler
def test_a_local_variable_without_a_first_value_is_found():
    source = 'extern "C" __global__ void k(const float* x, float* y) {\n  float sum;\n  sum += x[0];\n  *y = sum;\n}'
    with pytest.raises(CompileError, match=r"line 3: 'sum' is used uninitialized. Give it a first value"):
        RawModule(source, mode="check")


@needs_compiler
@pytest.mark.parametrize("body", ["float y = 2 * x;", "if (x > 0) return 1;", "while (x > 0) { x -= 1; }"])
def test_a_function_without_its_value_is_found(body):
    source = f'__device__ float f(float x) {{\n  {body}\n}}\nextern "C" __global__ void k(float* y) {{ *y = f(*y); }}'
    with pytest.raises(CompileError, match=r"line 3: this function ends without a value.*`return …;`") as caught:
        RawModule(source, mode="check")
    assert caught.value.line == 3


def test_an_include_is_refused_as_nvrtc_would():
    with pytest.raises(CompileError, match=r"line 2: #include <cmath>\nNVRTC.*has no system headers"):
        RawModule("\n#include <cmath>\n" + SOURCE, mode="check")


def test_a_shared_array_outside_of_a_kernel_is_refused():
    with pytest.raises(CompileError, match="line 1: declare __shared__ arrays inside the kernel"):
        RawModule("__shared__ float tile[4];\n" + SOURCE, mode="check")


# ---------------------------------------------------------------- no compiler
def test_without_a_compiler_the_message_says_how_to_get_one(cache, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("SEGEDU_CXX", raising=False)
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    compiler._find.cache_clear()
    try:
        with pytest.raises(CompilerNotFound, match=r"-m pip install ziglang .*%pip install ziglang"):
            RawModule(SOURCE, mode="check")
    finally:
        compiler._find.cache_clear()


def test_a_compiler_that_is_not_there_is_named(cache, monkeypatch):
    monkeypatch.setenv("SEGEDU_CXX", "/nowhere/g++")
    with pytest.raises(CompilerNotFound, match=r"SEGEDU_CXX names the compiler '/nowhere/g\+\+'"):
        RawModule(SOURCE, mode="check")


# ---------------------------------------------------------------- the cache
@needs_compiler
def test_a_kernel_is_compiled_once(cache, monkeypatch):
    assert works()
    monkeypatch.setattr(compiler, "_run", lambda *_: pytest.fail("compiled again"))
    assert works()


@needs_compiler
def test_only_finished_files_are_left(cache):
    assert works()
    assert sorted(path.suffix for path in cache.iterdir()) == [".json", ".o", compiler.SUFFIX]
    assert not [path.name for path in cache.iterdir() if "part" in path.name]


@needs_compiler
@pytest.mark.skipif(os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_no_obstacle(cache):
    cache.mkdir()
    cache.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.warns(UserWarning, match="cannot be written to"):
        assert works()


@needs_compiler
def test_a_folder_that_cannot_be_made_is_no_obstacle(cache, monkeypatch):
    cache.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match=r"cannot be written to.*SEGEDU_CACHE"):
        assert works()


@needs_compiler
@pytest.mark.parametrize("where", ["assembly", "library"])
def test_a_full_disk_is_named_and_nothing_half_done_is_kept(cache, monkeypatch, where):
    def full(command, text=None):
        if ("-S" in command) == (where == "assembly") and "-c" not in command:
            Path(command[command.index("-o") + 1]).touch()
            raise compiler.CompilerError("as: BFD error: No space left on device")
        run(command, text)

    run = compiler._run
    monkeypatch.setattr(compiler, "_run", full)
    with pytest.raises(CacheError, match=r"The disk is full.*Make room.*Nothing was lost"):
        works()
    assert [path.suffix for path in cache.iterdir()] == [".o"], "the runtime, whole"
    monkeypatch.setattr(compiler, "_run", run)
    assert works()


@needs_compiler
def test_a_disk_that_fills_while_python_writes_is_named_too(cache, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(compiler.json, "dumps", full)
    with pytest.raises(CacheError, match="The disk is full"):
        works()


@needs_compiler
def test_an_interrupted_compilation_leaves_nothing_and_is_taken_up_again(cache, monkeypatch):
    def interrupted(command, text=None):
        if "-shared" in command:
            Path(command[command.index("-o") + 1]).write_bytes(b"half")
            raise KeyboardInterrupt
        run(command, text)

    run = compiler._run
    monkeypatch.setattr(compiler, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        works()
    assert [path.suffix for path in cache.iterdir()] == [".o"]
    monkeypatch.setattr(compiler, "_run", run)
    assert works()


@needs_compiler
def test_an_interrupted_compilation_says_so(cache, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(compiler.subprocess, "run", interrupted)
    with pytest.raises(KeyboardInterrupt, match="nothing half done is kept: run the cell again"):
        works()


@needs_compiler
def test_a_full_folder_for_temporary_files_is_named(cache, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(native.shutil, "copyfile", full)
    with pytest.raises(CacheError, match=r"No space left on device.*TMPDIR"):
        RawModule("__device__ int n;" + SOURCE, mode="fast")


@needs_compiler
def test_a_damaged_library_is_compiled_again(cache):
    code = f"import numpy as np; from segedu.cuda import RawModule; RawModule({SOURCE!r}, mode='fast'); print('good')"

    def outcome() -> str:
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout.strip()

    assert outcome() == "good"
    (library,) = cache.glob(f"kernel-*{compiler.SUFFIX}")
    library.write_bytes(b"not a library")
    assert outcome() == "good"
    assert library.stat().st_size > 1000


@needs_compiler
def test_two_processes_may_compile_the_same_kernel_at_once(cache):
    code = f"import numpy as np; from segedu.cuda import RawModule; RawModule({SOURCE!r}, mode='fast'); print('good')"
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [run.communicate()[0].strip() for run in runs] == ["good", "good"]


@needs_compiler
def test_options_define_macros_and_are_part_of_what_is_cached(cache):
    y = np.zeros(1, np.int32)
    source = 'extern "C" __global__ void k(int* y) { *y = TILE; }'
    for tile in (8, 16):
        RawModule(source, options=(f"-DTILE={tile}", "--use_fast_math"), mode="fast").get_function("k")(
            (1,), (1,), (y,)
        )
        assert y[0] == tile


# ---------------------------------------------------------------- other compilers
@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", ["clang++", "zig"])
def test_other_compilers_do_the_same(cache, monkeypatch, name):
    if name == "zig":
        pytest.importorskip("ziglang", reason="needs the ziglang wheel")
        monkeypatch.setenv("SEGEDU_CXX", f"{sys.executable} -m ziglang c++")
    elif not shutil.which(name):
        pytest.skip("needs clang++")
    else:
        monkeypatch.setenv("SEGEDU_CXX", name)
    assert works()


def test_zigs_long_first_time_is_announced(cache, monkeypatch, capsys):
    monkeypatch.setattr(compiler, "_run", lambda command, text=None: Path(command[command.index("-o") + 1]).touch())
    cache.mkdir()
    compiler._runtime([sys.executable, "-m", "ziglang", "c++"], "fast", cache)
    assert "zig prepares itself once" in capsys.readouterr().err
    compiler._runtime([sys.executable, "-m", "ziglang", "c++"], "fast", cache)
    assert capsys.readouterr().err == ""


# ---------------------------------------------------------------- the runtime's headers
@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
@pytest.mark.parametrize("header", sorted(compiler.RUNTIME.glob("*.h")), ids=lambda path: path.name)
def test_each_header_includes_what_it_needs(header):
    command = ["g++", "-std=c++17", "-fno-exceptions", "-fsyntax-only", "-DSEGEDU_CHECK", "-x", "c++", str(header)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

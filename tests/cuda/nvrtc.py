"""NVIDIA's own compiler for kernels, from the wheel nvidia-cuda-nvrtc: it needs neither a GPU nor a driver."""

import ctypes as c
import importlib.util
from functools import lru_cache
from pathlib import Path

PATTERNS = ("*/lib/libnvrtc.so.*", "*/bin/*/nvrtc64_*.dll", "*/bin/nvrtc64_*.dll")


@lru_cache(maxsize=1)
def library() -> c.CDLL | None:
    """The compiler, or None where the wheel is not installed."""
    found = importlib.util.find_spec("nvidia")
    for root in found.submodule_search_locations if found else ():
        for pattern in PATTERNS:
            for path in sorted(Path(root).glob(pattern)):
                if "alt" not in path.name and "builtins" not in path.name:
                    return c.CDLL(str(path))
    return None


def architectures() -> list[int]:
    """The numbers of the GPU generations that this compiler knows, such as 75 and 90."""
    count = c.c_int()
    library().nvrtcGetNumSupportedArchs(c.byref(count))
    numbers = (c.c_int * count.value)()
    library().nvrtcGetSupportedArchs(numbers)
    return list(numbers)


def complaint(source: str, architecture: int = 75, names: tuple[str, ...] = ()) -> str | None:
    """What NVRTC says against a source; None where it compiles."""
    nvrtc, program = library(), c.c_void_p()
    nvrtc.nvrtcCreateProgram(c.byref(program), source.encode(), b"kernel.cu", 0, None, None)
    for name in names:
        nvrtc.nvrtcAddNameExpression(program, name.encode())
    options = [b"-std=c++17", f"-arch=sm_{architecture}".encode()]
    status = nvrtc.nvrtcCompileProgram(program, len(options), (c.c_char_p * len(options))(*options))
    size = c.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, c.byref(size))
    log = c.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(c.byref(program))
    return None if status == 0 else log.value.decode() or f"status {status}"

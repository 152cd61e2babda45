"""The structures of `runtime/state.h`, field by field, and the library that holds one compiled source."""

from __future__ import annotations

import ctypes as c
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from segedu.cuda.errors import CacheError

PROBLEMS = (
    *("none", "out of bounds", "uninitialised", "race", "returned before barrier", "different barriers", "deadlock"),
    *("not in own mask", "mask names returned", "warp diverged", "shuffle source", "shuffle width"),
    *("division by zero", "bad index", "assertion", "too long", "read only", "misaligned", "stack overflow", "crash"),
    *("interrupted", "too much shared memory", "trap", "too many records", "no memory", "time over"),
)
ACCESSES = ("read", "write", "atomic")
NOWHERE, GLOBAL, SHARED, DYNAMIC, VARIABLE = range(5)
LINE = 0x8000

RECORD = np.dtype(
    {
        "names": ["block", "thread", "site", "occurrence", "offset", "region", "space", "access", "size"],
        "formats": ["u4", "u2", "u2", "u4", "u4", "u2", "u1", "u1", "u4"],
    }
)


class Variable(c.Structure):
    _fields_ = [
        ("address", c.c_void_p),
        *[(name, c.c_uint) for name in ("size", "align", "item", "rank")],
        ("extent", c.c_uint * 4),
        ("line", c.c_int),
        ("constant", c.c_int),
        ("type", c.c_char),
        ("name", c.c_char * 43),
        ("launch", c.c_uint),
        ("next", c.c_void_p),
    ]


class Fault(c.Structure):
    _fields_ = [
        *[(name, c.c_int) for name in ("problem", "access", "space", "region")],
        *[(name, c.c_uint32) for name in ("site", "other_site", "thread", "block", "other_thread", "other_block")],
        ("other_access", c.c_int),
        ("size", c.c_uint32),
        ("offset", c.c_int64),
        ("extra", c.c_int64 * 4),
        ("text", c.c_char * 256),
    ]


class GlobalArray(c.Structure):
    _fields_ = [
        ("base", c.c_void_p),
        ("bytes", c.c_uint64),
        ("item", c.c_uint32),
        ("read_only", c.c_uint32),
        ("written", c.c_void_p),
    ]


class Launch(c.Structure):
    _fields_ = [
        ("call", c.c_void_p),
        ("arguments", c.c_void_p),
        ("grid", c.c_uint32 * 3),
        ("block", c.c_uint32 * 3),
        ("dynamic_bytes", c.c_uint32),
        ("check", c.c_int),
        ("reverse", c.c_int),
        ("max_steps", c.c_uint64),
        ("arrays", c.c_void_p),
        ("array_count", c.c_uint32),
        ("site_count", c.c_uint32),
        ("fault", c.c_void_p),
        ("records", c.c_void_p),
        ("record_limit", c.c_uint64),
        ("record_count", c.c_uint64),
    ]


class Library:
    """A loaded kernel library. Sources with variables get a copy of their own, as on a GPU each module has its own."""

    def __init__(self, path: Path, has_variables: bool):
        self.path = path
        self._handle = _load_a_copy(path) if has_variables else c.CDLL(str(path))
        for name in ("segedu_placed", "segedu_registered"):
            function = getattr(self._handle, name)
            function.restype, function.argtypes = c.POINTER(Variable), [c.c_uint]
        self._handle.segedu_printed.restype = c.c_char_p
        for name in ("segedu_launch", "segedu_stop"):
            getattr(self._handle, name).argtypes = [c.c_void_p]

    def __del__(self) -> None:
        handle = getattr(self, "_handle", None)
        if handle is not None:
            handle.segedu_release()

    def address_of(self, name: str) -> int:
        return c.cast(getattr(self._handle, name), c.c_void_p).value

    def signature(self, number: int) -> list[tuple[str, str, int, int]]:
        """What each parameter of a kernel is: 'P'ointer, pointer to 'C'onst or 'V'alue; dtype, lanes, bytes."""
        numbers = (c.c_int * (4 * 256))()
        count = getattr(self._handle, f"segedu_describe_{number}")(numbers)
        rows = [numbers[4 * i : 4 * i + 4] for i in range(count)]
        return [(chr(kind), chr(code), lanes, size) for kind, code, lanes, size in rows]

    def launch(self, launch: Launch) -> None:
        self._handle.segedu_launch(c.byref(launch))

    def stop(self, launch: Launch) -> None:
        """End `launch` from another thread; nothing happens where it is over."""
        self._handle.segedu_stop(c.byref(launch))

    def printed(self) -> str:
        return self._handle.segedu_printed().decode(errors="replace")

    def variable(self, space: int, number: int) -> Variable | None:
        """A shared array of the last launch, or a variable of the source."""
        lookup = self._handle.segedu_placed if space == SHARED else self._handle.segedu_registered
        found = lookup(number)
        return found.contents if found else None

    def variables(self) -> dict[str, Variable]:
        found, number = {}, 0
        while variable := self.variable(VARIABLE, number):
            found[variable.name.decode()] = variable
            number += 1
        return found


def _load_a_copy(path: Path) -> c.CDLL:
    try:
        handle, copy = tempfile.mkstemp(suffix=path.suffix, prefix="segedu-cuda-")
        os.close(handle)
        shutil.copyfile(path, copy)
    except OSError as error:
        raise CacheError(
            f"A kernel with variables needs a copy of its library in {tempfile.gettempdir()}, which cannot be written"
            f" ({error.strerror}). Make room there, or set TMPDIR to another folder."
        ) from error
    try:
        return c.CDLL(copy)
    finally:
        if os.name != "nt":  # Windows keeps the file of a loaded library
            os.unlink(copy)

"""Where a fault happened: which thread, which line, which element of which array."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segedu.cuda.native import DYNAMIC, GLOBAL, LINE, SHARED, VARIABLE, Fault, Library


@dataclass
class Scene:
    """What a fault happened in."""

    kernel: str
    code: str
    sites: Sequence[tuple[int, int]]
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_mem: int
    arrays: Sequence[tuple[str, np.ndarray]]
    library: Library

    def line(self, site: int) -> int | None:
        line = site - LINE if site >= LINE else self.sites[site][0]
        return line or None

    def source(self, line: int | None) -> str:
        lines = self.code.splitlines()
        return lines[line - 1].strip() if line and line <= len(lines) else ""

    def thread(self, number: int, block: int) -> str:
        return f"thread {self.position(number, self.block)} of block {self.position(block, self.grid)}"

    def position(self, number: int, sizes: tuple[int, int, int]) -> str:
        x, y, z = unravelled(number, sizes)
        axes = 3 if self.block[2] > 1 or self.grid[2] > 1 else 2 if self.block[1] > 1 or self.grid[1] > 1 else 1
        return str(x) if axes == 1 else f"(x={x}, y={y})" if axes == 2 else f"(x={x}, y={y}, z={z})"


def unravelled(number: int, sizes: tuple[int, int, int]) -> tuple[int, int, int]:
    """A thread's or block's number as (x, y, z).

    >>> unravelled(17, (16, 16, 1))
    (1, 1, 0)
    """
    return number % sizes[0], number // sizes[0] % sizes[1], number // sizes[0] // sizes[1]


@dataclass(frozen=True)
class Place:
    """An array, and the element in it that is meant."""

    array: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    size: int
    index: int | tuple[int, ...] | None
    inside: bool
    line: int | None = None

    def __str__(self) -> str:
        if self.index is None:
            return self.array
        index = self.index if isinstance(self.index, tuple) else (self.index,)
        return f"{self.array}[{', '.join(map(str, index))}]"

    @property
    def described(self) -> str:
        shape = f", shape {self.shape}" if len(self.shape) > 1 else ""
        declared = f", declared in line {self.line}" if self.line else ""
        elements = "1 element" if self.size == 1 else f"{self.size} elements"
        return f"{self.kind} {self.array} has {elements}{shape} ({self.dtype}{declared})"


def place_of(fault: Fault, scene: Scene) -> Place | None:
    """The element that the fault is about; None where the address is near no array."""
    if fault.space == GLOBAL:
        name, array = scene.arrays[fault.region]
        return _place(name, "the array", array.shape, array.dtype.name, array.itemsize, fault.offset, None)
    if fault.space in (SHARED, VARIABLE):
        variable = scene.library.variable(fault.space, fault.region)
        shape = tuple(variable.extent[: min(4, variable.rank)])
        kind = "__shared__" if fault.space == SHARED else "__constant__" if variable.constant else "__device__"
        dtype = type_name(variable.type.decode(), variable.item)
        return _place(variable.name.decode(), kind, shape, dtype, variable.item, fault.offset, variable.line)
    if fault.space == DYNAMIC:
        return _dynamic_place(fault, scene)
    return None


def _place(name: str, kind: str, shape: tuple[int, ...], dtype: str, item: int, offset: int, line: int | None) -> Place:
    size, index = int(np.prod(shape)), int(offset // item)
    inside = 0 <= index < size
    if not shape:
        return Place(name, kind, (), dtype, 1, None if inside else index, inside, line)
    full = tuple(map(int, np.unravel_index(index, shape))) if inside and len(shape) > 1 else index
    return Place(name, kind, shape, dtype, size, full, inside, line)


def _dynamic_place(fault: Fault, scene: Scene) -> Place:
    match = re.search(r"extern\s+(?:volatile\s+)?__shared__\s+([\w\s]*?)\s*(\w+)\s*\[", scene.code)
    name, declared = (match.group(2), match.group(1)) if match else ("dynamic", "float")
    item = {"char": 1, "short": 2, "double": 8, "long long": 8}.get(re.sub(r"unsigned|signed", "", declared).strip(), 4)
    shape = (scene.shared_mem // item,)
    return _place(
        name, "dynamic __shared__", shape, f"{declared}, {scene.shared_mem} bytes at launch", item, fault.offset, None
    )


def type_name(code: str, item: int) -> str:
    """The name of a type with that letter, of that many bytes.

    >>> type_name("f", 16)
    'float4'
    """
    names = {"?": "bool", "b": "char", "B": "unsigned char", "h": "short", "H": "unsigned short", "i": "int"}
    names |= {"I": "unsigned", "q": "long long", "Q": "unsigned long long", "f": "float", "d": "double"}
    if code not in names:
        return f"structure of {item} bytes"
    lanes = item // np.dtype(code).itemsize
    return names[code] + (str(lanes) if lanes > 1 else "")

"""`RawModule` as CuPy has it, with the kernels on the GPU or, checked or fast, on the CPU."""

from __future__ import annotations

import ctypes as c
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segedu.cuda import arrays
from segedu.cuda.arguments import Parameter, check_array, check_count, check_sizes, scalar, triple
from segedu.cuda.compiler import compile_kernel
from segedu.cuda.messages import explain_fault
from segedu.cuda.native import PROBLEMS, Fault, GlobalArray, Launch, Library
from segedu.cuda.places import Scene
from segedu.cuda.source import base_name, find_kernels, translate

ORDERS = ("forward", "reverse")
ONE_AT_A_TIME = threading.RLock()


class CpuModule:
    """A source compiled for the CPU: `mode` "check" or "fast"."""

    def __init__(
        self, code: str, name_expressions: Sequence[str] = (), options: Sequence[str] = (), mode: str = "check"
    ):
        self.code, self.mode = code, mode
        self.kernels = find_kernels(code)
        translation = translate(code)
        names = [k.name for k in self.kernels.values() if k.is_extern_c and not k.is_template]
        self.numbers = {name: i for i, name in enumerate([*names, *name_expressions])}
        exported = "".join(f"\nSEGEDU_KERNEL({i}, {name})" for name, i in self.numbers.items())
        defines = tuple(option for option in options if option.startswith(("-D", "-U")))
        text = f"{translation.code}\n{exported}\n"
        path, self.sites = compile_kernel(text, mode, defines)
        try:
            self.library = Library(path, translation.has_variables)
        except OSError:  # damaged: once more
            path.unlink(missing_ok=True)
            path, self.sites = compile_kernel(text, mode, defines)
            self.library = Library(path, translation.has_variables)

    def get_function(self, name: str) -> CpuKernel:
        if name in self.numbers:
            return CpuKernel(self, name)
        raise KeyError(missing_kernel(name, self.kernels))

    def get_global(self, name: str) -> Variable:
        variables = self.library.variables()
        if name not in variables:
            raise KeyError(
                f"no __constant__ or __device__ variable {name!r}; there are: {', '.join(variables) or 'none'}"
            )
        return Variable(self.library, variables[name])


def missing_kernel(name: str, kernels: dict) -> str:
    """Why a source has no kernel of that name, as far as CuPy can see."""
    kernel = kernels.get(name)
    if kernel is None:
        return f"no kernel {name!r} in this source; there are: {', '.join(kernels) or 'none'}"
    if kernel.is_template:
        return f'{name} is a template: pass name_expressions=["{name}<float>"] and get_function("{name}<float>")'
    return f'{name} has a C++ name, which cannot be found: write extern "C" __global__ void {name}'


class Variable:
    """A `__constant__` or `__device__` variable: `set` gives it values, `get` reads them."""

    def __init__(self, library: Library, variable):
        self._library = library  # keeps the memory in place
        shape = tuple(variable.extent[: min(variable.rank, 4)])
        kind = np.dtype(variable.type.decode()) if variable.type != b"x" else np.dtype(f"V{variable.item}")
        if kind.itemsize != variable.item:
            shape = (*shape, variable.item // kind.itemsize)
        memory = (c.c_char * variable.size).from_address(variable.address)
        self._array = np.frombuffer(memory, dtype=kind).reshape(shape)

    def set(self, values) -> None:
        values = np.asarray(values)
        if self._array.dtype.kind == "V" and values.nbytes == self._array.nbytes:  # a structure: its bytes
            values = np.ascontiguousarray(values).view(self._array.dtype)
        if values.dtype != self._array.dtype or values.size != self._array.size:
            have, want = f"{values.dtype.name} {values.shape}", f"{self._array.dtype.name} {self._array.shape}"
            raise ValueError(f"the variable is {want}, and the values are {have}")
        self._array[...] = values.reshape(self._array.shape)

    def get(self) -> np.ndarray:
        return self._array.copy()


class CpuKernel:
    """A kernel of a `CpuModule`; call it as `kernel(grid, block, args, shared_mem=0)`."""

    def __init__(self, module: CpuModule, name: str):
        self.module, self.name = module, name
        number = module.numbers[name]
        self._call = module.library.address_of(f"segedu_call_{number}")
        signature = module.library.signature(number)
        base = base_name(name)
        names = module.kernels[base].parameters if base in module.kernels else ()
        if len(names) != len(signature):
            names = tuple(f"parameter {i}" for i in range(len(signature)))
        self.parameters = [Parameter(name, *row) for name, row in zip(names, signature, strict=True)]

    def __call__(
        self, grid, block, args, *, shared_mem: int = 0, order="forward", max_steps=10**8, time_limit=60.0
    ) -> None:
        """Run the kernel; arrays that it may write to hold its results afterwards, also where it failed."""
        self.run(grid, block, args, shared_mem, order, max_steps, time_limit)

    def run(
        self, grid, block, args, shared_mem=0, order="forward", max_steps=10**8, time_limit=60.0, records=None
    ) -> Run:
        """As the call; writes each access to `records`, an array of `native.RECORD`, where one is given."""
        if order not in ORDERS:
            raise ValueError(f"order={order!r} must be one of {', '.join(ORDERS)}")
        grid, block = triple("grid", grid), triple("block", block)
        check_sizes(grid, block, shared_mem)
        check_count(self.name, self.parameters, args)
        memory = Memory(self.name, self.parameters, args, self.module.mode == "check")
        fault = Fault()
        launch = Launch(
            call=self._call,
            arguments=c.addressof(memory.pointers),
            grid=(c.c_uint32 * 3)(*grid),
            block=(c.c_uint32 * 3)(*block),
            dynamic_bytes=shared_mem,
            check=self.module.mode == "check",
            reverse=order == "reverse",
            max_steps=max_steps,
            arrays=c.addressof(memory.table),
            array_count=len(memory.arrays),
            site_count=len(self.module.sites),
            fault=c.addressof(fault),
            records=records.ctypes.data if records is not None else None,
            record_limit=len(records) if records is not None else 0,
        )
        with ONE_AT_A_TIME:
            self._launch(launch, time_limit)
        memory.write_back()
        self._raise(fault, memory, grid, block, shared_mem)
        return Run(launch.record_count, memory.arrays)

    def _launch(self, launch: Launch, time_limit: float) -> None:
        library, over = self.module.library, threading.Event()
        threading.Thread(target=_stop_late, args=(library, launch, time_limit, over), daemon=True).start()
        try:
            library.launch(launch)
        finally:
            over.set()
            sys.stdout.write(library.printed())

    def _raise(self, fault: Fault, memory: Memory, grid, block, shared_mem: int) -> None:
        problem = PROBLEMS[fault.problem]
        if problem == "none":
            return
        if problem == "interrupted":
            raise KeyboardInterrupt(f"{self.name} was interrupted")
        scene = Scene(
            self.name, self.module.code, self.module.sites, grid, block, shared_mem, memory.arrays, self.module.library
        )
        raise explain_fault(fault, scene)


def _stop_late(library: Library, launch: Launch, time_limit: float, over: threading.Event) -> None:
    """End a launch that takes too long; again and again, since one that has not begun yet cannot be ended."""
    if over.wait(time_limit):
        return
    library.stop(launch)
    while not over.wait(0.05):
        library.stop(launch)


@dataclass(frozen=True)
class Run:
    """How many accesses a launch wrote down, and the arrays that their regions number, by name."""

    record_count: int
    arrays: list[tuple[str, np.ndarray]]


class Memory:
    """The arguments of one launch as the kernel sees them. Checked kernels work on copies that lie far apart."""

    GAP = 4096

    def __init__(self, kernel: str, parameters: Sequence[Parameter], args: Sequence, check: bool):
        self.pointers = (c.c_void_p * max(1, len(args)))()
        self._kept, self._back = [], []
        given = []
        for i, (parameter, value) in enumerate(zip(parameters, args, strict=True)):
            if parameter.is_pointer:
                check_array(kernel, i, parameter, value)
                host = value if isinstance(value, np.ndarray) else value.get()
                if host is not value and parameter.kind == "P":
                    self._back.append((value.set, host))
                given.append((i, parameter, host))
            else:
                self._point(i, scalar(kernel, i, parameter, value))
        self.arrays: list[tuple[str, np.ndarray]] = []
        groups = overlapping([array for _, _, array in given]) if check else []
        copies = self._copy(groups)
        for i, _, array in given:
            address = array.ctypes.data
            for (low, high), copy in zip(groups, copies, strict=True):
                if low <= address < high:
                    address = copy + address - low
                    break
            self._point(i, c.c_void_p(address))
        self._describe(given, groups, copies)

    def _point(self, i: int, value) -> None:
        self._kept.append(value)
        self.pointers[i] = c.addressof(value)

    def _copy(self, groups: list[tuple[int, int]]) -> list[int]:
        """A copy of each piece of memory, with room around it in which a wrong index falls."""
        places, size = [], 0
        for low, high in groups:
            gap = max(self.GAP, high - low)
            size = (size + gap + 63) // 64 * 64
            places.append(size)
            size += high - low + gap
        arena = np.empty(size + 64, np.uint8)
        self._kept.append(arena)
        begin = (arena.ctypes.data + 63) // 64 * 64
        for (low, high), place in zip(groups, places, strict=True):
            c.memmove(begin + place, low, high - low)
        return [begin + place for place in places]

    def _describe(self, given, groups, copies) -> None:
        """A row for each piece of memory, under the name of the largest array in it."""
        self.table = (GlobalArray * max(1, len(groups)))()
        self._groups = []
        for (low, high), copy in zip(groups, copies, strict=True):
            inside = [(p, a) for _, p, a in given if a.nbytes and low <= a.ctypes.data < high]
            parameter, array = max(inside, key=lambda pair: (pair[1].nbytes, pair[0].kind == "P"))
            item = min(a.itemsize for _, a in inside)
            read_only = all(p.kind == "C" for p, _ in inside)
            flags = arrays.written(array) if array.nbytes == high - low and item == array.itemsize <= 8 else None
            self._kept.append(flags)
            address = flags.ctypes.data if flags is not None else None
            self.table[len(self.arrays)] = GlobalArray(copy, high - low, item, read_only, address)
            self.arrays.append((parameter.name, array))
            if not read_only:
                self._groups.append((low, copy, high - low))

    def write_back(self) -> None:
        for low, copy, size in self._groups:
            c.memmove(low, copy, size)
        for put, host in self._back:
            put(host)


def overlapping(given: list[np.ndarray]) -> list[tuple[int, int]]:
    """The pieces of memory that the arrays lie in; arrays that share memory share a piece."""
    groups: list[tuple[int, int]] = []
    for low, high in sorted((a.ctypes.data, a.ctypes.data + a.nbytes) for a in given if a.nbytes):
        if groups and low < groups[-1][1]:
            groups[-1] = (groups[-1][0], max(high, groups[-1][1]))
        else:
            groups.append((low, high))
    return groups

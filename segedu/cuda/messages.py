"""Turns what the checker found into what a student reads: which thread, which array, which line, and what to do."""

from __future__ import annotations

import re

from segedu.cuda.clues import adds_to, barrier_between, in_one_loop, index_from_data
from segedu.cuda.errors import KernelError
from segedu.cuda.native import ACCESSES, DYNAMIC, GLOBAL, NOWHERE, PROBLEMS, SHARED, VARIABLE, Fault
from segedu.cuda.places import Place, Scene, place_of, unravelled

DOES = {"read": "reads", "write": "writes", "atomic": "does an atomic operation on"}
NULL_PAGE = 4096  # addresses that belong to no program
DID = {"read": "read", "write": "wrote", "atomic": "did an atomic operation on"}


# ---------------------------------------------------------------- one function for each problem
def _out_of_bounds(f: Fault, s: Scene, place: Place | None, who: str) -> tuple[str, str]:
    does = DOES[ACCESSES[f.access]]
    if place is None and 0 <= f.offset < NULL_PAGE:
        return (
            f"{who} {does} memory near the address 0.",
            "The pointer is null: no array was assigned to it, or passed.",
        )
    if place is None:
        return (
            f"{who} {does} memory that is far from every array.",
            "Is the pointer set, and is the index in this line computed with the right sizes? An int that overflowed"
            " ends up here, too: compute large indices with long long.",
        )
    index = place.index if isinstance(place.index, int) else 0
    far = f"{-index} before its beginning" if index < 0 else f"{index - place.size + 1} past its end"
    return f"{who} {does} {place}, {far}: {place.described}.", _index_remedy(f, s, place, index < 0)


def _index_remedy(f: Fault, s: Scene, place: Place, is_negative: bool) -> str:
    is_shared = f.space in (SHARED, DYNAMIC)
    names, is_formula = index_from_data(s.code, s.line(f.site), place.array, [name for name, _ in s.arrays])
    data, look = " and ".join(names), ", ".join(f"{name}.min() and {name}.max()" for name in names)
    if names and is_formula:
        return (
            f"The index is computed from data, {data}: it must come out from 0 to {place.size - 1}. Is the formula"
            f" right, and for which numbers? Look at {look} before the launch."
        )
    if names:
        return (
            f"The index was read from data, {data}: every number in it must be from 0 to {place.size - 1}. Was it made"
            f" for an array of another size? Look at {look} before the launch."
        )
    if is_negative and is_shared:
        return "Which value makes the index negative? A tile with a halo keeps element i at tile[i + halo]."
    if is_negative:
        return (
            "Which value makes the index negative? Padding is often the reason: test `row >= 0 && column >= 0` first."
        )
    if f.space == DYNAMIC:
        return f"Ask for more when launching: shared_mem={f.offset + f.size} or more bytes, or correct the index."
    if f.space in (SHARED, VARIABLE):
        return (
            "Compare the index with the size in the declaration; a tile with a halo needs TILE + 2 * halo in"
            " each direction."
        )
    return (
        "Test the index first, for example `if (i < n)`: the last blocks usually have more threads than"
        " there are elements."
    )


def _uninitialised(f: Fault, s: Scene, place: Place | None, who: str) -> tuple[str, str]:
    if f.space == GLOBAL:
        return (
            f"{who} reads {place}, and nothing has been written there: the array comes from cuda.empty().",
            "Write it before reading (`y[i] = …` instead of `y[i] += …`), or start from zeros.",
        )
    return (
        f"{who} reads {place} ({place.kind} memory), and no thread of its block has written there.",
        "Shared memory begins with garbage. Does every element get its value, by some thread, before this line, with"
        " __syncthreads() in between?",
    )


def _race(f: Fault, s: Scene, place: Place, who: str) -> tuple[str, str]:
    first, second = DID[ACCESSES[f.other_access]], DOES[ACCESSES[f.access]]
    other = s.thread(f.other_thread, f.other_block)
    line, other_line = s.line(f.site), s.line(f.other_site)
    where = f"in line {other_line}" if other_line != line else "in the same line"
    what = f"{who} {second} {place}, and {other} {first} it {where}: nothing says which comes first."
    return what, _race_remedy(f, s, place)


def _race_remedy(f: Fault, s: Scene, place: Place) -> str:
    kinds = {ACCESSES[f.access], ACCESSES[f.other_access]}
    line, other_line = s.line(f.site), s.line(f.other_site)
    adds = kinds == {"read", "write"} and line == other_line and adds_to(s.source(line), place.array)
    if f.block != f.other_block:
        return _race_of_blocks(kinds, adds, place)
    if "atomic" in kinds:
        return (
            "An atomic operation protects only against other atomics: make both atomic, or put __syncthreads()"
            " between them."
        )
    if kinds == {"write"}:
        return (
            "Let one thread write (`if (threadIdx.x == 0)`), use atomicAdd, or correct the index: two threads"
            " have the same."
        )
    if adds:
        return (
            f"The line reads, adds and writes back; another thread can come in between. If several threads are to add"
            f" to this element, use {_atomic(place)}; if they are to take turns, put __syncthreads() between the turns."
            " Otherwise the index is wrong: two threads have the same."
        )
    if line == other_line and f.space == GLOBAL:
        return (
            "If several threads are to add to this element, use atomicAdd(&y[…], value); otherwise two threads have"
            " the same"
            " index. If they read what a neighbour writes, write to another array."
        )
    if line and other_line and line != other_line:
        return _barrier_between(s.code, min(line, other_line), max(line, other_line))
    return (
        "Put __syncthreads() between the write and the read, or keep the new value in a register until all have read."
    )


def _race_of_blocks(kinds: set[str], adds: bool, place: Place) -> str:
    if adds:
        return (
            "Blocks run in any order, and this line reads, adds and writes back: another block can come in between."
            f" To add up, use {_atomic(place)}; otherwise let each element belong to one thread."
        )
    if "read" not in kinds:
        return (
            "Blocks run in any order. If both are to add up, use atomicAdd; otherwise let each element belong"
            " to one thread."
        )
    return (
        "Blocks run in any order, and __syncthreads() does not reach across them. Split the work into two"
        " kernels, or use"
        " __threadfence() and an atomic counter."
    )


def _atomic(place: Place) -> str:
    return f"atomicAdd(&{place.array}{'' if place.index is None else '[…]'}, value)"


def _barrier_between(code: str, first: int, last: int) -> str:
    barrier = barrier_between(code, first, last)
    if barrier is None:
        return f"Put __syncthreads() between lines {first} and {last}, where all threads of the block pass."
    again = "the loop goes back: its next round" if in_one_loop(code, first, last) else "this part runs again: it then"
    return (
        f"The __syncthreads() of line {barrier} stands between them, but {again} comes to line {first} while others"
        f" are still at line {last}. Put a second __syncthreads() after line {last}."
    )


def _returned_before_barrier(f: Fault, s: Scene, place, who: str) -> tuple[str, str]:
    count = f.extra[0]
    return (
        f"{who} waits at this barrier, and {count} of the block's threads never come:"
        f" {s.thread(f.other_thread, f.block)} has returned.",
        "Every thread of a block must reach every __syncthreads(). Instead of `if (…) return;` put the work into `if"
        " (…) { }` and"
        " keep the barrier outside of it.",
    )


def _different_barriers(f: Fault, s: Scene, place, who: str) -> tuple[str, str]:
    return (
        f"{who} waits at this barrier, and {s.thread(f.other_thread, f.block)} at that of line {s.line(f.other_site)}.",
        "All threads of a block must meet at the same __syncthreads(): move it out of the `if`, after both branches;"
        " in a"
        " loop, give all threads the same number of rounds.",
    )


def _deadlock(f: Fault, s: Scene, place, who: str) -> tuple[str, str]:
    parts = [
        f"{who} waits for threads of its warp (mask {f.extra[3]:#010x})" if f.extra[3] else f"{who} waits at a barrier"
    ]
    if f.extra[0] >= 0 and f.extra[3]:
        parts.append(f"{s.thread(f.extra[0], f.block)} waits at __syncthreads() in line {f.extra[1]}")
    if f.extra[2] >= 0:
        parts.append(f"{s.thread(f.extra[2], f.block)} has returned")
    return (
        "; ".join(parts) + ". None of them can go on.",
        "Threads wait for each other at different places: bring them to the same operation.",
    )


def _not_in_own_mask(f: Fault, s: Scene, place, who: str) -> tuple[str, str]:
    return (
        f"{who} is lane {f.extra[1]} of its warp, which the mask {f.extra[0]:#010x} does not name.",
        "The mask must name every lane that calls this. 0xffffffff names all 32; __ballot_sync(0xffffffff,"
        " condition) before the `if`"
        " names those that enter it.",
    )


def _mask_names_returned(f: Fault, s: Scene, place, who: str) -> tuple[str, str]:
    return (
        f"{who} waits for lane {f.extra[1]}, which the mask {f.extra[0]:#010x} names; that thread has returned.",
        "No thread of the warp may return before a warp operation that names it: give it a neutral value (0 for a"
        " sum) instead.",
    )


def _warp_diverged(f: Fault, s: Scene, place, who: str) -> tuple[str, str]:
    other = s.thread(f.other_thread, f.other_block)
    return (
        f"{who} is at this warp operation, and {other}, which the mask {f.extra[0]:#010x} names, at that of line"
        f" {s.line(f.other_site)}.",
        "All lanes of the mask must meet at the same operation: move it out of the `if`, or give each branch its own"
        " mask.",
    )


def _shuffle_source(f: Fault, s: Scene, place, who: str) -> tuple[str, str]:
    return (
        f"{who} asks for the value of lane {f.extra[1]}, which does not take part (mask {f.extra[0]:#010x}): what it"
        f" gets is undefined.",
        "Is the block a multiple of 32 threads? Otherwise let only lanes of the mask be asked.",
    )


def _too_long(f: Fault, s: Scene, place, who: str) -> tuple[str, str]:
    return (
        f"{who} has taken {f.extra[0]:,} steps and goes on: this looks like a loop without end.",
        "Does the loop's variable change, in the right direction? A thread that waits for another block, or for a"
        " lock that nobody opens,"
        " waits for ever. If the kernel needs that long, launch it with a larger max_steps.",
    )


def _bad_index(f: Fault, s: Scene, place, who: str) -> tuple[str, str]:
    kind = f.text.decode().strip("'")
    name = _indexed_name(f, s)
    size = re.search(r"\[(\d+)\]", kind)
    return (
        f"{who} uses the index {f.extra[0]} on {name or 'an array'}, of type {kind}"
        + (f": it must be between 0 and {int(size.group(1)) - 1}." if size else "."),
        "Compare the index with the size in the declaration; a tile with a halo needs TILE + 2 * halo in each"
        " direction.",
    )


def _indexed_name(f: Fault, s: Scene) -> str:
    """The name before the bracket at which the compiler points."""
    lines, line = s.code.splitlines(), s.line(f.site)
    text = lines[line - 1] if line and line <= len(lines) else ""
    names = list(re.finditer(r"(\w+)\s*\[", text))
    before = [name for name in names if name.start() < f.extra[1]]  # clang points at the name, g++ at its bracket
    return (before or names)[-1 if before else 0].group(1) if names else ""


SIMPLE = {
    "division by zero": ("divides an integer by zero.", "Test the divisor first, or pass the right size to the"
                                                        " kernel."),
    "trap": ("calls __trap().", "The kernel itself says that this must not happen."),
    "stack overflow": ("has used up its stack of 256 KiB.", "Does a function call itself without end, or is a local"
                                                            " array too large?"),
    "crash": ("crashed.", "mode=\"check\" says why; where it was on, the address was used by a function from outside of"
                          " CUDA C, which cannot be checked."),
    "time over": ("was stopped: the launch took longer than time_limit.", "Look for a loop without end, or raise"
                                                                          " time_limit."),
    "too many records": ("is where the list of accesses became too long.", "Profile a smaller grid."),
    "no memory": ("could not run: the memory is used up.", "Use a smaller grid or smaller arrays."),
}  # fmt: skip


def _shuffle_width(f: Fault, s: Scene, place, who: str) -> tuple[str, str]:
    return f"{who} shuffles with width={f.extra[0]}.", "The width must be 1, 2, 4, 8, 16 or 32."


def _assertion(f: Fault, s: Scene, place, who: str) -> tuple[str, str]:
    return f"{who} finds that `{f.text.decode()}` is false.", "The kernel's own assertion says so."


def _read_only(f: Fault, s: Scene, place: Place, who: str) -> tuple[str, str]:
    if f.space == VARIABLE:
        return (
            f"{who} writes {place}: a kernel cannot change __constant__ memory.",
            "Use a __device__ variable, or get_global(…).set(…).",
        )
    return (
        f"{who} writes {place}, which is passed as const.",
        "Take the const off, if the kernel is meant to change it.",
    )


def _misaligned(f: Fault, s: Scene, place: Place, who: str) -> tuple[str, str]:
    return (
        f"{who} takes {f.size} bytes at once from {place}, at an address that is no multiple of {f.size}.",
        f"A float{f.size // 4} or the like must begin at a multiple of its size: use single elements at odd places,"
        f" or pad the rows.",
    )


def _too_much_shared(f: Fault, s: Scene, place, who: str) -> tuple[str, str]:
    dynamic = f" and {f.extra[1]} dynamic bytes" if f.extra[1] else ""
    return (
        f"the block needs {f.extra[0]} bytes of __shared__ arrays{dynamic}; 49152 are there.",
        "Use smaller tiles. (A GPU's compiler refuses such a kernel.)",
    )


EXPLAIN = {
    "out of bounds": _out_of_bounds,
    "uninitialised": _uninitialised,
    "race": _race,
    "returned before barrier": _returned_before_barrier,
    "different barriers": _different_barriers,
    "deadlock": _deadlock,
    "not in own mask": _not_in_own_mask,
    "mask names returned": _mask_names_returned,
    "warp diverged": _warp_diverged,
    "shuffle source": _shuffle_source,
    "shuffle width": _shuffle_width,
    "bad index": _bad_index,
    "too long": _too_long,
    "assertion": _assertion,
    "read only": _read_only,
    "misaligned": _misaligned,
    "too much shared memory": _too_much_shared,
}
TITLES = {
    "bad index": "out of bounds",
    "uninitialised": "read of uninitialised memory",
    "race": "data race",
    "returned before barrier": "barrier that not all threads reach",
    "different barriers": "barrier that not all threads reach",
    "not in own mask": "wrong warp mask",
    "mask names returned": "wrong warp mask",
    "warp diverged": "warp operation that not all lanes reach",
    "shuffle source": "shuffle from a lane that does not take part",
    "shuffle width": "wrong width of a shuffle",
    "too long": "endless loop",
    "assertion": "assertion failed",
    "read only": "write to constant memory",
    "misaligned": "misaligned address",
}


def explain_fault(fault: Fault, scene: Scene) -> KernelError:
    """The error to raise for a fault: its message, and its facts as attributes."""
    problem = PROBLEMS[fault.problem]
    line, place = scene.line(fault.site), None
    if problem in ("out of bounds", "uninitialised", "race", "read only", "misaligned") and fault.space != NOWHERE:
        place = place_of(fault, scene)
    who = scene.thread(fault.thread, fault.block)
    if problem in EXPLAIN:
        what, remedy = EXPLAIN[problem](fault, scene, place, who)
    else:
        what, remedy = f"{who} {SIMPLE[problem][0]}", SIMPLE[problem][1]
    head = f"{scene.kernel}{f', line {line}' if line else ''}: {TITLES.get(problem, problem)}"
    source = scene.source(line)
    text = "\n".join([head, *([f"    {source}"] if source else []), what[0].upper() + what[1:], remedy])
    array, index = (place.array, place.index) if place else (None, None)
    if problem == "bad index":
        array, index = _indexed_name(fault, scene) or None, fault.extra[0]
    has_other = problem in (
        "race",
        "different barriers",
        "returned before barrier",
        "warp diverged",
        "mask names returned",
    )
    return KernelError(
        text,
        "out of bounds" if problem == "bad index" else problem,
        kernel=scene.kernel,
        line=line,
        thread=unravelled(fault.thread, scene.block),
        block=unravelled(fault.block, scene.grid),
        array=array,
        index=index,
        other_line=scene.line(fault.other_site) if has_other else None,
        other_thread=unravelled(fault.other_thread, scene.block) if has_other else None,
    )

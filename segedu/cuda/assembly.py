"""Gives every call of a checker's hook a number, and writes down to which line of the source it belongs.

The compiler's `.loc` directives say which line the instructions after them come from. A hook takes one argument more
than the compiler passes: its register is free, since the compiler takes every such register for lost at a call.
"""

from __future__ import annotations

import re

CALL = re.compile(r"^\s*(?:callq?|bl)\s+_?(__tsan_\w+|__sanitizer_cov_trace_pc)(?:@\w+)?\s*(?:[#;].*|//.*)?$", re.M)
LOC = re.compile(r"^\s*\.loc\s+(\d+)\s+(\d+)\s+(\d+)")
FILE = re.compile(r'^\s*\.file\s+(\d+)\s+(?:"[^"]*"\s+)?"(?:[^"]*/)?kernel\.cu"', re.M)
FUNCTION = re.compile(r"^(?!\.?L)[_A-Za-z][\w.$]*:")
STEP = "__sanitizer_cov_trace_pc"
UNWANTED = {"__tsan_func_entry", "__tsan_func_exit"}
UNUSED = {"__tsan_vptr_read", "__tsan_vptr_update", "__tsan_init"}
MOST_SITES = 0x7FFF
REGISTERS = {
    "sysv": ("edi", "esi", "edx", "ecx"),
    "windows": ("ecx", "edx", "r8d", "r9d"),
    "aarch64": ("w0", "w1", "w2", "w3"),
}


def number_sites(assembly: str, convention: str) -> tuple[str, list[tuple[int, int]]]:
    """The assembly with numbered hooks, and the (line, column) of each number.

    `convention` is how a call passes its arguments: "sysv", "windows" or "aarch64".
    """
    ours = set(FILE.findall(assembly))
    sites = [(0, 0)]
    place = (0, 0)
    output = []
    for line in assembly.splitlines():
        if "/DEFAULTLIB:libclang_rt.ubsan" in line:
            continue  # on Windows clang asks for its own handlers; ours take their place
        location = LOC.match(line)
        if location and location.group(1) in ours and location.group(2) != "0":
            place = (int(location.group(2)), int(location.group(3)))
        if FUNCTION.match(line):
            place = (0, 0)
        call = CALL.match(line)
        if call and (call.group(1) in UNWANTED or (call.group(1) == STEP and place == (0, 0))):
            continue
        if call and call.group(1) not in UNUSED:
            if len(sites) <= MOST_SITES:
                sites.append(place)
            output.append(_load(REGISTERS[convention][_argument(call.group(1))], len(sites) - 1))
        output.append(line)
    return "\n".join(output) + "\n", sites


def _argument(hook: str) -> int:
    """How many arguments the compiler passes to a hook."""
    if hook == STEP:
        return 0
    if hook.endswith("_range"):
        return 2
    return 3 if hook.startswith("__tsan_mem") else 1


def _load(register: str, number: int) -> str:
    return f"\tmov\t{register}, #{number}" if register.startswith("w") else f"\tmovl\t${number}, %{register}"

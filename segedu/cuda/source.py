"""Reads CUDA C: finds the kernels, and rewrites the few declarations that a C++ compiler does not know.

No line moves, so the compiler's line numbers are the student's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from segedu.cuda.errors import CompileError

MEMORY = ("__shared__", "__constant__", "__device__", "__managed__")
ALIGNMENT = r"(?:__align__|alignas)\s*\([^()]*\)"
QUALIFIERS = re.compile(
    rf'(?:(?:\bextern\s*"C"(?!\s*\{{)|\b(?:extern|static|volatile|const|{"|".join(MEMORY)})\b|\b{ALIGNMENT})\s*)+'
)
SKIPPED = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
LAUNCH_BOUNDS = r"__launch_bounds__\s*\([^()]*\)"
KERNEL = re.compile(
    rf"\b__global__\b(?:\s|\bstatic\b|\binline\b|{LAUNCH_BOUNDS})*\bvoid\b(?:\s|{LAUNCH_BOUNDS})*(\w+)\s*\("
)


def without_comments(code: str) -> str:
    """The same text with comments blanked: every character keeps its line and column.

    >>> without_comments("a = 1; // one")
    'a = 1;       '
    """

    def blank(match: re.Match) -> str:
        text = match.group()
        return text if text[0] in "\"'" else re.sub(r"[^\n]", " ", text)

    return SKIPPED.sub(blank, code)


@dataclass(frozen=True)
class KernelSource:
    """A `__global__` function as it is written: its parameters' types and names, in order, and its template's."""

    name: str
    line: int
    types: tuple[str, ...]
    parameters: tuple[str, ...]
    is_template: bool
    is_extern_c: bool
    template: tuple[str, ...] = ()


def find_kernels(code: str) -> dict[str, KernelSource]:
    """The kernels of a source, by name.

    >>> find_kernels('extern "C" __global__ void twice(float* x, int n) {}')["twice"].parameters
    ('x', 'n')
    """
    clean = without_comments(code)
    found = {}
    for match in KERNEL.finditer(clean):
        end = _closing(clean, match.end() - 1)
        declarations = [d for d in _split(clean[match.end() : end]) if d.strip() not in ("", "void")]
        pairs = [_parameter(declaration) for declaration in declarations]
        head = _head(clean, match.start())
        found[match.group(1)] = KernelSource(
            match.group(1),
            clean.count("\n", 0, match.start()) + 1,
            tuple(kind for kind, _ in pairs),
            tuple(name for _, name in pairs),
            "template" in head,
            'extern "C"' in head or _in_extern_block(clean, match.start()),
            _template_parameters(head),
        )
    return found


def _head(text: str, position: int) -> str:
    """What stands before a declaration: `template <…>`, `extern "C"`."""
    begin = max(text.rfind(mark, 0, position) for mark in ";{}") + 1
    return re.sub(r"\s+", " ", re.sub(r"^\s*#[^\n]*", "", text[begin:position], flags=re.M))


def _template_parameters(head: str) -> tuple[str, ...]:
    """The names in `template <typename T, int TILE = 8>`."""
    match = re.search(r"\btemplate\s*<(.*)>", head)
    names = [re.search(r"(\w+)\s*(?:=.*)?$", piece) for piece in _split(match.group(1))] if match else []
    return tuple(name.group(1) if name else "" for name in names)


def base_name(name: str) -> str:
    """The name of the kernel that a name expression is an instance of.

    >>> base_name("layers::pool<float, 2>")
    'pool'
    """
    return name.replace(" ", "").partition("<")[0].rpartition("::")[2]


def template_arguments(name: str) -> list[str]:
    """What stands between the angle brackets of a name expression.

    >>> template_arguments("pool<unsigned int, 2>")
    ['unsigned int', '2']
    """
    inside = re.search(r"<(.*)>\s*$", name)
    return [piece.strip() for piece in _split(inside.group(1))] if inside else []


def _in_extern_block(text: str, position: int) -> bool:
    for match in re.finditer(r'extern\s*"C"\s*\{', text[:position]):
        if _closing(text, match.end() - 1) > position:
            return True
    return False


def _closing(text: str, position: int) -> int:
    """Where the bracket that opens at `position` closes."""
    opening = text[position]
    closing = {"(": ")", "[": "]", "{": "}"}[opening]
    depth = 0
    for i in range(position, len(text)):
        depth += (text[i] == opening) - (text[i] == closing)
        if depth == 0:
            return i
    return len(text)


def _split(text: str) -> list[str]:
    """Split at the commas that stand in no bracket."""
    pieces, depth, begin = [], 0, 0
    for i, character in enumerate(text):
        depth += (character in "([{<") - (character in ")]}>")
        if character == "," and depth == 0:
            pieces.append(text[begin:i])
            begin = i + 1
    return [*pieces, text[begin:]]


def _parameter(declaration: str) -> tuple[str, str]:
    text = declaration.split("=")[0]
    text = re.sub(r"\b__restrict(?:__)?\b|\b__grid_constant__\b|" + ALIGNMENT, " ", text)
    match = re.match(r"(.*?)(\w+)\s*((?:\[[^\]]*\]\s*)*)$", text.strip(), re.S)
    if not match:
        return text.strip(), "?"
    kind = match.group(1) + ("*" if match.group(3) else "")
    return re.sub(r"\s+", " ", kind).strip(), match.group(2)


# ---------------------------------------------------------------- rewriting
@dataclass(frozen=True)
class Translation:
    code: str
    has_variables: bool


def translate(code: str) -> Translation:
    """C++ for `runtime/shim.h`: shared arrays become references into the block's memory, variables are registered.

    Raises:
        CompileError: an `#include`, which NVRTC would not find either, or a declaration that is not understood.
    """
    clean = without_comments(code)
    _refuse_includes(clean)
    pieces, position, number, variables = [], 0, 0, False
    for match in QUALIFIERS.finditer(clean):
        if match.start() < position or not any(word in match.group() for word in MEMORY):
            continue
        end = _end_of_variable(clean, match.end())
        if end is None:
            continue
        declaration = Declaration(match.group(), clean[match.end() : end], clean, match.start(), number)
        number += 100
        variables |= not declaration.is_shared
        lines = clean.count("\n", match.start(), end)
        pieces += [clean[position : match.start()], declaration.rewritten(), "\n" * lines]
        position = end + 1
    return Translation("".join(pieces) + clean[position:], variables)


def _refuse_includes(clean: str) -> None:
    match = re.search(r"^[ \t]*#[ \t]*include\b[^\n]*", clean, re.M)
    if match:
        line = clean.count("\n", 0, match.start()) + 1
        raise CompileError(
            f"line {line}: {match.group().strip()}\nNVRTC, which compiles kernels for the GPU, has no system"
            f" headers. Leave"
            " the #include out: the maths functions, printf and assert are there without it.",
            line,
        )


def _end_of_variable(text: str, position: int) -> int | None:
    """Where the `;` of a variable's declaration stands; None for a function."""
    i, named = position, False
    while i < len(text):
        character = text[i]
        if character == ";":
            return i
        if character == "(" and not named:
            return None
        if character in "[({":
            if character == "{" and not named:
                return None
            i, named = _closing(text, i), True
        named |= character == "="
        i += 1
    return None


class Declaration:
    """`__shared__ float a[4], b;` and its kin."""

    def __init__(self, qualifiers: str, body: str, text: str, position: int, number: int):
        self.qualifiers, self.number = qualifiers, number
        self.line = text.count("\n", 0, position) + 1
        self.is_shared = "__shared__" in qualifiers
        self.is_extern = bool(re.search(r'\bextern\b(?!\s*")', qualifiers))
        self.at_file_scope = _depth(text, position) == 0
        pieces = _split(body)
        first = re.match(r"(.*?)([*&\s]*\b\w+\s*(?:[\[={].*)?)$", pieces[0], re.S)
        if not first or not first.group(1).strip():
            raise CompileError(
                f"line {self.line}: this declaration is not understood: {(qualifiers + body).strip()}", self.line
            )
        kept = re.findall(rf"\bvolatile\b|\bconst\b|{ALIGNMENT}", qualifiers)
        self.type = " ".join([*kept, re.sub(r"\s+", " ", first.group(1)).strip()])
        self.declarators = [re.sub(r"\s+", " ", piece).strip() for piece in [first.group(2), *pieces[1:]]]

    def rewritten(self) -> str:
        if self.is_shared and self.at_file_scope and not self.is_extern:
            raise CompileError(f"line {self.line}: declare __shared__ arrays inside the kernel", self.line)
        write = (
            self._shared
            if self.is_shared and not self.is_extern
            else self._dynamic
            if self.is_shared
            else self._variable
        )
        return " ".join(write(declarator, self.number + i) for i, declarator in enumerate(self.declarators))

    def _parts(self, declarator: str) -> tuple[str, str, str]:
        match = re.match(r"([*&\s]*)(\w+)\s*(.*)$", declarator, re.S)
        return match.group(1), match.group(2), match.group(3)

    def _shared(self, declarator: str, n: int) -> str:
        stars, name, axes = self._parts(declarator)
        if "=" in axes or axes.startswith("{"):
            raise CompileError(
                f"line {self.line}: __shared__ {name} cannot have an initial value; let the threads write it", self.line
            )
        return (
            f"typedef {self._plain()} {stars} segedu_t{n} {axes}; static SegeduVariable segedu_v{n}; "
            f'segedu_t{n} &{name} = *(segedu_t{n} *)segedu_place<segedu_t{n}>(segedu_v{n}, "{name}", {self.line});'
        )

    def _dynamic(self, declarator: str, n: int) -> str:
        stars, name, axes = self._parts(declarator)
        axes = re.sub(r"^\s*\[[^\]]*\]", "", axes)
        static = "static" if self.at_file_scope else ""
        return (
            f"typedef {self._plain()} {stars} segedu_t{n} {axes}; {static} segedu_t{n} *const {name} ="
            f" (segedu_t{n} *)segedu_dynamic();"
        )

    def _variable(self, declarator: str, n: int) -> str:
        _, name, _ = self._parts(declarator)
        constant = int("__constant__" in self.qualifiers)
        place = "" if "const" in self.type.split() else "SEGEDU_VARIABLES"  # a section holds no mixture
        return (
            f"{place} {self.type} {declarator}; static SegeduVariable segedu_v{n}; "
            f'static int segedu_r{n} = segedu_global(segedu_v{n}, {name}, "{name}", {self.line}, {constant});'
        )

    def _plain(self) -> str:
        return re.sub(ALIGNMENT, "", self.type)


def _depth(text: str, position: int) -> int:
    before = text[:position]
    outer = sum(1 for m in re.finditer(r'extern\s*"C"\s*\{|namespace\s*\w*\s*\{', before))
    return max(0, before.count("{") - before.count("}") - outer)

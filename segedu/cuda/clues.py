"""What the text of a kernel says about a mistake in it: where an index comes from, what a line adds to, where loops go.

The text is searched, not parsed: what is written in an unusual way gives no clue, and the message says less.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from segedu.cuda.source import without_comments

BRACKETS = r"\s*\[((?:[^\[\]]|\[[^\[\]]*\])*)\]"  # and what is in them


def index_from_data(code: str, line: int | None, array: str, given: Collection[str]) -> tuple[tuple[str, ...], bool]:
    """The arrays that an index was read from, and whether the index is more than what was read: a formula of it.

    They stand in the index's brackets, or where the variables of the index got their values. Only arrays that are
    `given` to the kernel are data.

    >>> index_from_data("long long to = where[i];\\ny[to] = x[i];", 2, "y", ("where", "x", "y"))
    (('where',), False)
    >>> index_from_data("y[truth[i] * classes + guess[i]] += 1;", 1, "y", ("truth", "guess", "y"))
    (('truth', 'guess'), True)
    """
    lines = without_comments(code).splitlines()
    here, before = lines[line - 1] if line and line <= len(lines) else "", "\n".join(lines[:line])
    own = re.findall(rf"\b{re.escape(array)}{BRACKETS}", here)
    others = re.findall(rf"\b\w+{BRACKETS}", here)  # a pointer into the array has another name
    index = (own or (others if len(others) == 1 else [""]))[0].strip()
    whole = index if "[" in index else re.sub(r"\b[A-Za-z_]\w*", lambda name: _read(name.group(0), before), index)
    read = re.findall(r"(?<![\w.>])(\w+)\s*\[", whole)
    names = tuple(dict.fromkeys(name for name in read if name in given))
    is_plain = re.fullmatch(rf"(\(\w[\w ]*\)\s*)?\w+{BRACKETS}", whole)
    steps = re.search(rf"\b{re.escape(index)}\s*([-+*/]=|\+\+|--)|(\+\+|--)\s*{re.escape(index)}\b", before)
    is_formula = not is_plain or (whole != index and steps is not None)
    return names[:1] if is_plain else names, bool(names) and is_formula


def _read(variable: str, before: str) -> str:
    """What a variable was last set to, where that is read from an array; else the variable itself."""
    given = re.findall(rf"\b{variable}\s*=(?!=)\s*((?:[^;,()]|\([^()]*\))*)[;,]", before)
    return given[-1].strip() if given and "[" in given[-1] else variable


def adds_to(line: str, array: str) -> bool:
    """Whether a line changes an element by itself alone, as `+=` and `++` do, and reads no other of the same array.

    >>> adds_to("counts[label]++;", "counts"), adds_to("part[i] += part[i + 32];", "part")
    (True, False)
    """
    line = line.partition("//")[0]
    text = re.sub(r"\bfor\s*\([^;]*;[^;]*;[^{]*?\)(?=\s*[\w{(])", "", line)
    after = re.findall(rf"\b(\w+)(?:{BRACKETS})?\s*(?:[-+*/&|^]=|\+\+|--)", text)
    names = [name for name, _ in after] + re.findall(r"(?:\+\+|--)\s*(\w+)", text)
    name = array if array in names else names[0] if names else None
    return name is not None and len(re.findall(rf"\b{name}\b", text)) == 1


def barrier_between(code: str, first: int, last: int) -> int | None:
    """The last line between two others at which the threads of a block wait for each other.

    >>> barrier_between("tile[i] = x[i];\\n__syncthreads();\\ny[i] = tile[j];", 1, 3)
    2
    """
    lines = without_comments(code).splitlines()
    return max((n for n in range(first, last) if "__syncthreads" in lines[n - 1]), default=None)


def in_one_loop(code: str, first: int, last: int) -> bool:
    """Whether the body of a loop, in braces, holds both lines."""
    lines = without_comments(code).splitlines()
    common = set(_around(lines, first)) & set(_around(lines, last))
    return any(re.search(r"\b(for|while|do)\b", lines[number - 1]) for number in common)


def _around(lines: list[str], number: int) -> list[int]:
    """The lines that open the blocks `{ … }` in which a line stands, outermost first."""
    opened: list[int] = []
    for i, text in enumerate(lines[: number - 1], start=1):
        for mark in re.findall(r"[{}]", text):
            opened = [*opened, i] if mark == "{" else opened[:-1]
    return opened

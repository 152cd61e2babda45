"""What the text of a kernel says about a mistake in it: where an index comes from, what a line adds to, where loops go.

The text is searched, not parsed: what is written in an unusual way gives no clue, and the message says less.
"""

from __future__ import annotations

import re

from segedu.cuda.source import without_comments


def index_from_data(code: str, line: int | None, array: str) -> tuple[str | None, bool]:
    """The array that an index was read from, and whether the index is a formula of what was read.

    It stands in the index's brackets, or where the variable that the index consists of got its value.

    >>> index_from_data("long long to = where[i];\\ny[to] = x[i];", 2, "y")
    ('where', False)
    >>> index_from_data("y[2 * where[i]] = x[i];", 1, "y")
    ('where', True)
    """
    lines = without_comments(code).splitlines()
    here = lines[line - 1] if line and line <= len(lines) else ""
    found = re.search(rf"\b{re.escape(array)}\s*\[((?:[^\[\]]|\[[^\[\]]*\])*)\]", here)
    index = found.group(1).strip() if found else ""
    if re.fullmatch(r"[A-Za-z_]\w*", index):
        given = re.findall(rf"\b{index}\s*=(?!=)\s*((?:[^;,()]|\([^()]*\))*)[;,]", "\n".join(lines[:line]))
        index = given[-1].strip() if given else ""
    read = re.search(r"\b(\w+)\s*\[", index)
    if not read:
        return None, False
    return read.group(1), not re.fullmatch(r"(\(\w[\w ]*\)\s*)?\w+\s*\[([^\[\]]|\[[^\[\]]*\])*\]", index)


def adds_to(line: str, array: str) -> bool:
    """Whether a line changes an element by itself alone, as `+=` and `++` do, and reads no other of the same array.

    >>> adds_to("counts[label]++;", "counts"), adds_to("part[i] += part[i + 32];", "part")
    (True, False)
    """
    line = line.partition("//")[0]
    text = re.sub(r"\bfor\s*\([^;]*;[^;]*;[^{]*?\)(?=\s*[\w{(])", "", line)
    after = re.findall(r"\b(\w+)\s*(?:\[[^=]*?\])?\s*(?:[-+*/&|^]=|\+\+|--)", text)
    names = after + re.findall(r"(?:\+\+|--)\s*(\w+)", text)
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

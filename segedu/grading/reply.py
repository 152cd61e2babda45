"""What a kernel does with a cell: it replies, takes too long, or dies."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 20_000  # characters that are read of an error
_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_LINE_OF_SYNTAX = re.compile(r" ?\([^()]*, line (\d+)\)$")
_LINE_OF_CELL = re.compile(r"^Cell In ?\[\d*\], line (\d+)", re.MULTILINE)


class KernelTimeoutError(BaseException):
    """A cell took longer than it may. Passes through checks that report the exceptions of an answer."""


class KernelDiedError(BaseException):
    """The kernel's process ended. Passes through checks that report the exceptions of an answer."""


@dataclass
class Reply:
    """What a cell did: `error` is its exception (name, message, traceback) or None; `value` an expression's result."""

    error: tuple[str, str, str] | None = None
    value: str | None = None
    output: str = ""
    cut: bool = False


def complaint(error: tuple[str, str, str], source: str) -> str:
    """The error of a cell in words, with the line of its source.

    >>> print(complaint(("SyntaxError", "incomplete input (12345.py, line 2)", ""), "x = 1\\ny = (2"))
    SyntaxError: incomplete input
    It happened in line 2: y = (2
    """
    name, message, trace = (text[:LONGEST] for text in error)
    found = _LINE_OF_SYNTAX.findall(message) or _LINE_OF_CELL.findall(_COLOUR.sub("", trace))
    first = f"{name}: {_LINE_OF_SYNTAX.sub('', message)}"
    lines, number = source.split("\n"), int(found[-1][:9]) if found else 0
    return f"{first}\nIt happened in line {number}: {lines[number - 1].strip()}" if 0 < number <= len(lines) else first

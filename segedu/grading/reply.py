"""What a kernel does with a cell: it replies, takes too long, or dies."""

from __future__ import annotations

from dataclasses import dataclass


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

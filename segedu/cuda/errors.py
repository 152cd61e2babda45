"""What can go wrong with a kernel before, during and instead of its run."""

from __future__ import annotations


class CudaError(RuntimeError):
    """Anything that `segedu.cuda` has to say about a kernel."""


class CompilerNotFound(CudaError):  # noqa: N818 - reads better in an `except`
    """No C++ compiler is installed; the message says how to get one."""

    about_the_machine = True  # says nothing about the function that raised it: `segedu.compare` lets it pass

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the remedy, not the way to the missing compiler."""
        return [f"CompilerNotFound: {self}"]


class CacheError(CudaError):
    """Compiled kernels cannot be stored; the message names the folder and the remedy."""


class CompileError(CudaError):
    """The source of a kernel is wrong; `line` is the first line at fault, or None."""

    def __init__(self, message: str, line: int | None = None):
        super().__init__(message)
        self.line = line

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the lines of the kernel, not those of the compiler's caller."""
        return [f"CompileError: {self}"]


class KernelError(CudaError):
    """A kernel did something wrong while it ran in check mode.

    `problem` names what: "out of bounds", "uninitialised", "race", … `kernel`, `line`, `thread`, `block`, `array` and
    `index` say where; those that are not known are None.
    """

    def __init__(self, message: str, problem: str = "", **where):
        super().__init__(message)
        self.problem = problem
        self.kernel, self.line = where.get("kernel"), where.get("line")
        self.thread, self.block = where.get("thread"), where.get("block")
        self.array, self.index = where.get("array"), where.get("index")
        self.other_line, self.other_thread = where.get("other_line"), where.get("other_thread")

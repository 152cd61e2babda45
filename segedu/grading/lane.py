"""A kernel and the cells that belong in it: when it has ended, the next one runs them again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from segedu.grading.kernel import SandboxedKernel
from segedu.grading.reply import KernelDiedError, KernelTimeoutError, Reply
from segedu.grading.sandbox import Sandbox
from segedu.grading.wire import WireError

SECONDS = 20.0  # of processor time that a cell or a call may take, where its question does not say
QUESTION = "import segedu.grading.wire as _wire; _response = _wire.answer({request!r}, globals())"


def response(reply: Reply) -> str:
    """What a kernel answered to `QUESTION`.

    Raises:
        WireError: nothing; something in the kernel stands in its way.
    """
    if reply.value is None:
        raise WireError("the kernel gave no response" + (f": {reply.error[1]}" if reply.error else ""))
    return reply.value


class Lane:
    """Runs cells one after another in a kernel that starts with the first of them.

    Cells that are remembered run again in a new kernel after a time-out or a crash; the one to blame is forgotten.
    """

    def __init__(self, sandbox: Sandbox, course: Path, allowed: Sequence[str], setup: Sequence[str] = ()) -> None:
        self.sandbox, self.course, self.allowed = sandbox, course, allowed
        self.where = sandbox.kind if sandbox.is_safe else "no sandbox"
        self.cells: list[str] = list(setup)
        self.kernel: SandboxedKernel | None = None
        self.starts, self.seconds = 0, SECONDS
        self.start_seconds = 0.0

    def run(self, source: str, expression: str | None = None) -> Reply:
        """Run a cell; `expression` is then evaluated. Raises as `SandboxedKernel.run` does."""
        if self.kernel is None or not self.kernel.is_alive():
            self._start()
        return self.kernel.run(source, self.seconds, expression)

    def _start(self) -> None:
        """A new kernel, in which the earlier cells have run; those that do not get there again are dropped."""
        for _ in range(1 + len(self.cells)):
            self.close()
            self.starts += 1
            started = time.monotonic()
            self.kernel = SandboxedKernel(self.sandbox, self.course, self.allowed)
            self.start_seconds += time.monotonic() - started
            for cell in self.cells:
                try:
                    self.kernel.run(cell, SECONDS)
                except (KernelTimeoutError, KernelDiedError):
                    self.forget(cell)
                    break
            else:
                return

    def remember(self, source: str) -> None:
        self.cells.append(source)

    def forget(self, source: str) -> None:
        self.cells = [cell for cell in self.cells if cell != source]

    def ask(self, request: str) -> str:
        """Send a request of a `Remote` and return the response.

        Raises:
            WireError: there is none.
        """
        return response(self.run(QUESTION.format(request=request), "_response"))

    def close(self) -> None:
        if self.kernel is not None:
            self.kernel.stop()
            self.kernel = None

"""A kernel and the cells that belong in it: when it has ended, the next one runs them again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segedu.grading.kernel import Reply, SandboxedKernel
from segedu.grading.sandbox import Sandbox
from segedu.grading.wire import WireError

SECONDS = 20.0  # that a cell or a call may take, where its question does not say


class Lane:
    """Runs cells one after another in a kernel that starts with the first of them.

    Cells that are remembered run again in a new kernel after a time-out or a crash; the one to blame is forgotten.
    """

    def __init__(self, sandbox: Sandbox, course: Path, allowed: Sequence[str], setup: Sequence[str] = ()) -> None:
        self.sandbox, self.course, self.allowed = sandbox, course, allowed
        self.cells: list[str] = list(setup)
        self.kernel: SandboxedKernel | None = None
        self.starts, self.seconds = 0, SECONDS

    def run(self, source: str, expression: str | None = None) -> Reply:
        """Run a cell; `expression` is then evaluated. Raises as `SandboxedKernel.run` does."""
        if self.kernel is None or not self.kernel.is_alive():
            self.close()
            self.kernel = SandboxedKernel(self.sandbox, self.course, self.allowed)
            self.starts += 1
            for earlier in self.cells:
                self.kernel.run(earlier, SECONDS)
        return self.kernel.run(source, self.seconds, expression)

    def remember(self, source: str) -> None:
        self.cells.append(source)

    def forget(self, source: str) -> None:
        self.cells = [cell for cell in self.cells if cell != source]

    def ask(self, request: str) -> str:
        """Send a request of a `Remote` and return the response.

        Raises:
            WireError: there is none: something in the kernel stands in its way.
        """
        code = f"import segedu.grading.wire as _wire; _response = _wire.answer({request!r}, globals())"
        reply = self.run(code, "_response")
        if reply.value is None:
            raise WireError("the kernel gave no response" + (f": {reply.error[1]}" if reply.error else ""))
        return reply.value

    def close(self) -> None:
        if self.kernel is not None:
            self.kernel.stop()
            self.kernel = None

"""A kernel in the sandbox: started, asked, interrupted, killed, and never believed."""

from __future__ import annotations

import ast
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING

import psutil
import zmq
from jupyter_client.manager import KernelManager
from nbval.kernel import RunningKernel

from segedu.grading.sandbox import CUDA_CACHE, HIDDEN, Sandbox, kernel_command, kernel_environment

if TYPE_CHECKING:
    from jupyter_client.blocking import BlockingKernelClient

START_SECONDS = 60
POLL_SECONDS = 0.25
AFTER_INTERRUPT_SECONDS = 2.0
LAST_OUTPUT_SECONDS = 10.0
MOST_OUTPUT = 100_000  # characters that are kept of what a cell prints
FLOOD = 5_000_000  # characters after which a cell's output is no longer read
LARGEST_MESSAGE = 128 << 20  # bytes; a larger one is dropped
MOST_PROCESSES = 200
OPERATORS = ("numpy_ops", "cuda_ops", "autograd", "nn", "optim", "engines", "models", "compare", "diagnosis")


_SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


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
    seconds: float = 0.0


@dataclass
class _Output:
    """Collects what a cell prints, up to a limit."""

    pieces: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, message: dict) -> None:
        content = message["content"]
        text = content.get("text") or content.get("data", {}).get("text/plain", "")
        if self.size < MOST_OUTPUT:
            self.pieces.append(str(text)[: MOST_OUTPUT - self.size])
        self.size += len(str(text))


class SandboxedKernel(RunningKernel):
    """nbval's kernel, started in the sandbox and spoken to through sockets in a folder of its own."""

    def __init__(self, sandbox: Sandbox, course: Path, allowed: Sequence[str] = ()) -> None:
        self._deaf = False
        self.home = Path(tempfile.mkdtemp(prefix="sg-"))
        if (course / CUDA_CACHE).is_dir():
            shutil.copytree(course / CUDA_CACHE, self.home / CUDA_CACHE)
        self.km = KernelManager(
            transport="ipc", ip=str(self.home / "k"), connection_file=str(self.home / "c.json"), kernel_name="python3"
        )
        self.km.kernel_spec.argv = kernel_command(sandbox, course, self.home, self.home / "c.json")
        self.km.kernel_spec.interrupt_mode = "message"  # a signal would end the sandbox, not the cell
        self.km.start_kernel(env=kernel_environment(course, self.home), cwd=str(self.home), **_SILENT)
        self.kc: BlockingKernelClient = self.km.client()
        self.kc.context.setsockopt(zmq.MAXMSGSIZE, LARGEST_MESSAGE)
        self.kc.start_channels()
        self.kc.wait_for_ready(timeout=START_SECONDS)
        hidden = [*HIDDEN, *(f"segedu.{name}" for name in OPERATORS if name not in allowed)]
        self.run(f"import segedu.grading.inside as _i; _i.prepare({hidden!r}); del _i", START_SECONDS)

    def run(self, code: str, seconds: float, expression: str | None = None) -> Reply:
        """Execute code; with `expression`, its value comes back on the channel that prints cannot fill.

        Raises:
            KernelTimeoutError: it took longer than `seconds`. The kernel still lives if it obeyed the interruption.
            KernelDiedError: the process ended.
        """
        expressions = {"value": expression} if expression else {}
        started, output = time.monotonic(), _Output()
        number = self.kc.execute(code, store_history=False, allow_stdin=False, user_expressions=expressions)
        content = self._reply(number, started + seconds, output)
        self._drain(number, output)
        reply = Reply(output="".join(output.pieces), cut=output.size > MOST_OUTPUT)
        reply.seconds = time.monotonic() - started
        if content["status"] != "ok":
            trace = "\n".join(map(str, content.get("traceback", [])))
            reply.error = str(content.get("ename", content["status"])), str(content.get("evalue", "")), trace
        found = content.get("user_expressions", {}).get("value", {})
        if found.get("status") == "ok":
            reply.value = _text(found["data"].get("text/plain", ""))
        return reply

    def _reply(self, number: str, deadline: float, output: _Output) -> dict:
        interrupted = False
        while True:
            try:
                message = self.kc.get_shell_msg(timeout=POLL_SECONDS)
                if message["parent_header"].get("msg_id") == number:
                    if interrupted:
                        raise KernelTimeoutError
                    return message["content"]
            except Empty:
                self._read_output(number, output)
            if not self.km.is_alive():
                raise KernelDiedError
            if self._has_too_many_processes():
                self.stop()
                raise KernelDiedError("too many processes")
            if time.monotonic() > deadline:
                if interrupted:
                    self.stop()
                    raise KernelTimeoutError
                self.km.interrupt_kernel()
                interrupted, deadline = True, time.monotonic() + AFTER_INTERRUPT_SECONDS

    def _read_output(self, number: str, output: _Output) -> bool:
        """Read what has been printed; whether the kernel says that it is idle."""
        while output.size < FLOOD:
            try:
                message = self.kc.get_iopub_msg(timeout=0)
            except Empty:
                return False
            if message["parent_header"].get("msg_id") != number:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return True
            if message["msg_type"] in ("stream", "display_data", "execute_result"):
                output.add(message)
        return True

    def _drain(self, number: str, output: _Output) -> None:
        """Read to the end of a cell's output, which a flood may have cut off: then nothing more is waited for."""
        deadline = time.monotonic() + (0 if self._deaf else LAST_OUTPUT_SECONDS)
        while not self._read_output(number, output):
            if time.monotonic() > deadline:
                self._deaf = True
                output.size = max(output.size, MOST_OUTPUT + 1)
                return
            time.sleep(0.01)

    def _has_too_many_processes(self) -> bool:
        try:
            return len(psutil.Process(self.km.provisioner.process.pid).children(recursive=True)) > MOST_PROCESSES
        except (psutil.Error, AttributeError):
            return False

    def is_alive(self) -> bool:
        return hasattr(self, "km") and self.km.is_alive()

    def stop(self) -> None:
        """End the kernel and all its processes, and remove its folder."""
        if hasattr(self, "km"):
            self.kc.stop_channels()
            self.km.shutdown_kernel(now=True)
            del self.km
        shutil.rmtree(self.home, ignore_errors=True)


def _text(shown: str) -> str | None:
    """The string that a kernel shows as its representation."""
    try:
        value = ast.literal_eval(shown)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, str) else None

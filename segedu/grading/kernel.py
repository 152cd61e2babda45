"""A kernel in the sandbox: started, asked, interrupted, killed, and never believed."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING

import zmq
from jupyter_client.manager import KernelManager
from nbval.kernel import RunningKernel

from segedu.grading import watch
from segedu.grading.reply import KernelDiedError, KernelTimeoutError, Reply
from segedu.grading.sandbox import CUDA_CACHE, HIDDEN, Sandbox, give_away, kernel_command, kernel_environment

if TYPE_CHECKING:
    from jupyter_client.blocking import BlockingKernelClient

START_SECONDS = 120
POLL_SECONDS = 0.25
PATIENCE = 3  # times the processor time that a cell may use, it may take on the clock: the machine may be busy
AFTER_INTERRUPT_SECONDS = 2.0
LAST_OUTPUT_SECONDS = 10.0
MOST_OUTPUT = 100_000  # characters that are kept of what a cell prints
FLOOD = 5_000_000  # characters after which a cell's output is no longer read
LARGEST_REPLY = 128 << 20  # bytes; a larger one is dropped
LARGEST_OUTPUT = 1 << 20  # bytes of one message
MOST_WAITING = 500  # messages that wait to be read: with LARGEST_OUTPUT, the memory that a flood can take here
OPERATORS = ("numpy_ops", "cuda_ops", "autograd", "nn", "optim", "engines", "models", "compare", "diagnosis")

_SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@dataclass
class _Output:
    """Collects what a cell prints, up to a limit."""

    pieces: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, content: dict) -> None:
        text = str(content.get("text") or content.get("data", {}).get("text/plain", ""))
        if self.size < MOST_OUTPUT:
            self.pieces.append(text[: MOST_OUTPUT - self.size])
        self.size += len(text)


class SandboxedKernel(RunningKernel):
    """nbval's kernel, started in the sandbox and spoken to through sockets in a folder of its own.

    Raises:
        RuntimeError: it does not start: a fault of the grader, not of a submission.
    """

    def __init__(self, sandbox: Sandbox, course: Path, allowed: Sequence[str] = ()) -> None:
        self._deaf = False
        self.home = Path(tempfile.mkdtemp(prefix="sg-"))
        if (course / CUDA_CACHE).is_dir():
            shutil.copytree(course / CUDA_CACHE, self.home / CUDA_CACHE)
        places = {"ip": "127.0.0.1"} if os.name == "nt" else {"transport": "ipc", "ip": str(self.home / "k")}
        self.km = KernelManager(**places, connection_file=str(self.home / "c.json"), kernel_name="python3")
        self.km.write_connection_file()
        give_away(self.home)
        self.km.kernel_spec.argv = kernel_command(sandbox, course, self.home, self.home / "c.json")
        self.km.kernel_spec.interrupt_mode = "message"  # a signal would end the sandbox, not the cell
        try:
            self.km.start_kernel(env=kernel_environment(sandbox, course, self.home), cwd=str(self.home), **_SILENT)
            self._connect()
            hidden = [*HIDDEN, *(f"segedu.{name}" for name in OPERATORS if name not in allowed)]
            self.run(f"import segedu.grading.inside as _i; _i.prepare({hidden!r}); del _i", START_SECONDS)
        except BaseException as error:
            self.stop()
            if isinstance(error, KernelTimeoutError | KernelDiedError):
                raise RuntimeError("a kernel did not start") from error
            raise

    def _connect(self) -> None:
        self.kc: BlockingKernelClient = self.km.client()
        self.kc.context.setsockopt(zmq.MAXMSGSIZE, LARGEST_OUTPUT)
        self.kc.context.setsockopt(zmq.RCVHWM, MOST_WAITING)
        self.kc.start_channels(shell=False, stdin=False, hb=False, control=False)
        self.kc.context.setsockopt(zmq.MAXMSGSIZE, LARGEST_REPLY)
        self.kc.context.setsockopt(zmq.RCVHWM, 4)
        self.kc.start_channels(iopub=False, stdin=False, hb=False, control=False)
        self.kc.wait_for_ready(timeout=START_SECONDS)

    def run(self, code: str, seconds: float, expression: str | None = None) -> Reply:
        """Execute code; with `expression`, its value comes back on the channel that prints cannot fill.

        `seconds` are of processor time; the clock may go on for `PATIENCE` times as long.

        Raises:
            KernelTimeoutError: it took longer. The kernel still lives if it obeyed the interruption.
            KernelDiedError: the process ended, or had to be ended.
        """
        try:
            return self._run(code, seconds, expression)
        except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:  # of a message made to hurt
            self.stop()
            raise KernelDiedError("it sent a message that cannot be read") from error

    def _run(self, code: str, seconds: float, expression: str | None) -> Reply:
        expressions, output = {"value": expression} if expression else {}, _Output()
        number = self.kc.execute(
            code,
            silent=expression is not None,
            store_history=False,
            allow_stdin=False,
            stop_on_error=False,
            user_expressions=expressions,
        )
        content = self._reply(number, seconds, output)
        if expression is None:
            self._drain(number, output)
        else:
            self._read_output(number, output)
        reply = Reply(output="".join(output.pieces), cut=output.size > MOST_OUTPUT)
        if content["status"] != "ok":
            trace = "\n".join(map(str, content.get("traceback", [])))
            reply.error = str(content.get("ename", content["status"])), str(content.get("evalue", "")), trace
        found = content.get("user_expressions", {}).get("value", {})
        if found.get("status") == "ok":
            reply.value = _text(found["data"].get("text/plain", ""))
        return reply

    def _reply(self, number: str, seconds: float, output: _Output) -> dict:
        deadline, processor = time.monotonic() + PATIENCE * seconds, watch.Processor()
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
            if not self.is_alive():
                raise KernelDiedError
            usage = watch.usage(self.km.provisioner.pid, self.home)
            if usage.excess:
                self.stop()
                raise KernelDiedError(usage.excess)
            if time.monotonic() > deadline or (not interrupted and processor.used(usage) > seconds):
                if interrupted:
                    self.stop()
                    raise KernelTimeoutError
                self.km.interrupt_kernel()
                interrupted, deadline = True, time.monotonic() + AFTER_INTERRUPT_SECONDS

    def _read_output(self, number: str, output: _Output) -> bool:
        """Read what has been printed; whether the kernel says that it is idle, or nothing more is read."""
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
                output.add(message["content"])
        return True

    def _drain(self, number: str, output: _Output) -> None:
        """Read to the end of a cell's output, which a flood may have cut off: then nothing more is waited for."""
        deadline = time.monotonic() + (0 if self._deaf else LAST_OUTPUT_SECONDS)
        while not self._read_output(number, output):
            if time.monotonic() > deadline:
                if not self._deaf:  # else the flood is another cell's
                    output.size = max(output.size, MOST_OUTPUT + 1)
                self._deaf = True
                return
            time.sleep(0.01)

    def is_alive(self) -> bool:
        return hasattr(self, "km") and self.km.is_alive()

    def stop(self) -> None:
        """End the kernel and all its processes, and remove its folder."""
        if hasattr(self, "km"):
            if hasattr(self, "kc"):
                self.kc.stop_channels()
            leftover = watch.family(self.km.provisioner.pid, self.home) if self.km.has_kernel else []
            if self.km.has_kernel:
                self.km.shutdown_kernel(now=True)
            watch.end(leftover)
            del self.km
        shutil.rmtree(self.home, ignore_errors=True)


def _text(shown: str) -> str | None:
    """The string that a kernel shows as its representation."""
    try:
        value = ast.literal_eval(shown)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, str) else None

"""One submission being graded: its kernel, the trusted names of its checks, and what came out, cell by cell."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segedu.grading import results
from segedu.grading.cells import is_cuda, names_defined, question, role, without_marks
from segedu.grading.graft import Grafted
from segedu.grading.kernel import KernelDiedError, KernelTimeoutError
from segedu.grading.lane import SECONDS, Lane
from segedu.grading.policy import refusals
from segedu.grading.remote import MissingNameError, NotAttemptedError, Remote, RemoteError, value
from segedu.grading.results import CheckResult, SubmissionResult
from segedu.grading.sandbox import Sandbox

if TYPE_CHECKING:
    from nbformat import NotebookNode


class Session:
    """Runs the cells of a grafted notebook in their order and fills in `result`.

    Answers run in the kernel; checks run here, in the trusted process, and call the answers there. After a time-out or
    a crash the kernel is started anew and the earlier answers run again, without the one that was to blame.
    """

    def __init__(
        self,
        grafted: Grafted,
        master: NotebookNode,
        result: SubmissionResult,
        sandbox: Sandbox,
        course: Path,
        secret: str,
    ) -> None:
        self.grafted, self.result, self.secret = grafted, result, secret
        self.allowed: Sequence[str] = tuple(master.metadata.get("segedu", {}).get("allowed", ()))
        self.solutions = {question(c): without_marks(c.source) for c in master.cells if role(c) == "answer"}
        self.names: dict[str, object] = {"__name__": "checks"}
        self.seconds = {
            question(c): c.metadata["segedu"].get("seconds", SECONDS) for c in master.cells if role(c) == "answer"
        }
        self.verdicts: dict[str, tuple[str, str]] = {}  # of a question that needs no further check
        self.setup: list[str] = []
        self._new_lane = partial(Lane, sandbox, course, self.allowed)
        self.main = self.lane = self._new_lane()
        result.sandbox = sandbox.kind

    def run(self, cell: NotebookNode) -> CheckResult | None:
        """Run one cell; returns the result of a check."""
        kind = role(cell)
        if kind in ("setup", "tools"):
            self._trusted(cell.source)
            if kind == "setup":
                self._setup(cell.source)
        elif kind == "answer":
            self._answer(question(cell), cell.source)
        elif kind in ("check", "hidden"):
            check = self._check(cell)
            self.result.checks.append(check)
            return check
        return None

    def close(self) -> None:
        """End the kernels."""
        self._leave_lane()
        self.main.close()
        self.result.kernel_starts += self.main.starts

    def _setup(self, source: str) -> None:
        reply = self.main.run(source)
        if reply.error:
            raise RuntimeError(f"a setup cell of the exercise fails in the sandbox: {': '.join(reply.error[:2])}")
        self.main.remember(source)
        self.setup.append(source)

    def _enter_lane(self, name: str) -> None:
        """A kernel of its own for CUDA C: no Python of the submission can touch what checks it."""
        self._leave_lane()
        self.lane = self._new_lane(self.setup) if is_cuda(self.solutions[name]) else self.main
        self.lane.seconds = self.seconds[name]

    def _leave_lane(self) -> None:
        if self.lane is not self.main:
            self.lane.close()
            self.result.kernel_starts += self.lane.starts
            self.lane = self.main

    # ------------------------------------------------------------------------------------------------ the answers

    def _answer(self, name: str, source: str) -> None:
        self.result.answers[name] = source
        self._enter_lane(name)
        if name in self.grafted.missing:
            self.verdicts[name] = results.MISSING, "the answer cell is missing"
        elif name in self.grafted.untouched:
            self.verdicts[name] = results.NOT_ATTEMPTED, "the answer cell is as it was handed out"
        elif is_cuda(self.solutions[name]) and not is_cuda(source):
            self.verdicts[name] = results.REFUSED, "the answer must be a cell of CUDA C that begins with %%cuda"
        elif refused := refusals(source, tuple(f"segedu.{module}" for module in self.allowed)):
            self.verdicts[name] = results.REFUSED, "\n".join(refused)
        else:
            self._run_answer(name, source)

    def _run_answer(self, name: str, source: str) -> None:
        try:
            reply = self.lane.run(source)
        except KernelTimeoutError:
            self.verdicts[name] = results.TIMEOUT, f"the answer cell ran longer than {self.lane.seconds:g} seconds"
        except KernelDiedError as error:
            self.verdicts[name] = results.CRASHED, _crash(error)
        else:
            if reply.output:
                self.result.output[name] = reply.output
            if reply.cut:
                self.result.warnings.append(f"the answer to {name} prints very much; its output was cut")
            if reply.error:
                self.verdicts[name] = results.ERROR, f"{reply.error[0]}: {reply.error[1]}"
            else:
                self.lane.remember(source)

    # ------------------------------------------------------------------------------------------------ the checks

    def _check(self, cell: NotebookNode) -> CheckResult:
        name = question(cell)
        check = CheckResult(cell.id, name, float(cell.metadata["segedu"]["points"]), results.PASSED)
        check.visible = role(cell) == "check"
        started = time.monotonic()
        check.status, check.message = self.verdicts.get(name) or self._outcome(name, cell)
        check.seconds = round(time.monotonic() - started, 3)
        return check

    def _outcome(self, name: str, cell: NotebookNode) -> tuple[str, str]:
        self.names["rng"] = np.random.default_rng(self._seed(cell.id))
        try:
            for defined, is_called in names_defined(self.solutions[name]):
                self.names[defined] = Remote(defined, self.lane.ask) if is_called else value(defined, self.lane.ask)
            self._trusted(cell.source)
        except AssertionError as error:
            return results.FAILED, str(error)
        except KernelTimeoutError:
            self._blame(name, results.TIMEOUT, f"a call ran longer than {self.lane.seconds:g} seconds")
            return self.verdicts[name]
        except KernelDiedError as error:
            self._blame(name, results.CRASHED, _crash(error))
            return self.verdicts[name]
        except MissingNameError as error:
            return results.FAILED, f"the answer does not define {error}"
        except NotAttemptedError:
            return results.NOT_ATTEMPTED, "the answer raises NotImplementedError"
        except RemoteError as error:
            return results.ERROR, str(error)
        except Exception as error:
            return results.ERROR, f"{type(error).__name__}: {error}"
        return results.PASSED, ""

    def _blame(self, name: str, status: str, message: str) -> None:
        """The question is over, and its answer does not run again."""
        self.verdicts[name] = status, message
        self.lane.forget(self.result.answers[name])

    def _trusted(self, source: str) -> None:
        lines = [line for line in source.split("\n") if not line.startswith("%")]
        exec(compile("\n".join(lines), "<check>", "exec"), self.names)

    def _seed(self, cell: str) -> int:
        """A seed for this student and this check: the same in every run with the same secret."""
        text = f"{self.secret}\n{self.result.student}\n{self.result.assignment}\n{cell}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _crash(error: KernelDiedError) -> str:
    return f"the Python process ended ({error})" if str(error) else "the Python process ended"

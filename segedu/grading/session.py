"""One submission being graded: its kernel, the trusted names of its checks, and what came out, cell by cell."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from segedu.grading import results
from segedu.grading.cells import has_to_define, is_cuda, question, right_answers, role, writable_arrays
from segedu.grading.deadline import deadline
from segedu.grading.graft import Grafted
from segedu.grading.lane import SECONDS
from segedu.grading.policy import refusals
from segedu.grading.remote import MissingNameError, NotAttemptedError, Remote, RemoteError, is_of_answer, value
from segedu.grading.reply import KernelDiedError, KernelTimeoutError, Reply, complaint
from segedu.grading.results import CheckResult, SubmissionResult

if TYPE_CHECKING:
    from nbformat import NotebookNode

CHECK_SECONDS = 900.0  # on the clock, which a check may take with the calls it makes
A_QUESTION = 10  # times the seconds of a call: what an answer and all calls of it may take together, on the clock


class AnyLane(Protocol):
    """Where answers run: a `Lane` in the sandbox, or this process (`segedu.grading.own`)."""

    where: str
    starts: int
    start_seconds: float
    seconds: float

    def run(self, source: str) -> Reply: ...
    def remember(self, source: str) -> None: ...
    def forget(self, source: str) -> None: ...
    def ask(self, request: str) -> str: ...
    def close(self) -> None: ...


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
        new_lane: Callable[[Sequence[str]], AnyLane],
        secret: str,
    ) -> None:
        self.grafted, self.result, self.secret = grafted, result, secret
        self.allowed = tuple(f"segedu.{name}" for name in master.metadata.get("segedu", {}).get("allowed", ()))
        answers = [cell for cell in master.cells if role(cell) == "answer"]
        self.solutions = right_answers(master)
        self.defines = {question(cell): has_to_define(cell) for cell in answers}
        self.about = {question(cell): cell.metadata["segedu"] for cell in answers}
        self.names: dict[str, object] = {"__name__": "checks"}
        self.verdicts: dict[str, tuple[str, str]] = {}  # of a question that needs no further check
        self.spent: dict[str, float] = dict.fromkeys(self.about, 0.0)
        self.setup: list[str] = []
        self._new_lane = new_lane
        self.main = self.lane = new_lane(())

    def run(self, cell: NotebookNode) -> CheckResult | None:
        """Run one cell; returns the result of a check."""
        started = time.monotonic()
        try:
            return self._run(cell)
        finally:
            self.result.cell_seconds += time.monotonic() - started

    def _run(self, cell: NotebookNode) -> CheckResult | None:
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
        self._count(self.main)
        self.main.starts, self.main.start_seconds = 0, 0.0

    def _count(self, lane: AnyLane) -> None:
        self.result.kernel_starts += lane.starts
        self.result.kernel_seconds += lane.start_seconds
        self.result.cell_seconds -= lane.start_seconds

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
        self.lane.seconds = self.about[name].get("seconds", SECONDS)

    def _leave_lane(self) -> None:
        if self.lane is not self.main:
            self.lane.close()
            self._count(self.lane)
            self.lane = self.main

    def _explain(self, text: str) -> None:
        self.result.trace.append(text)

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
        elif refused := refusals(source, self.allowed):
            self.verdicts[name] = results.REFUSED, "\n".join(refused)
        else:
            own = "a kernel of its own" if self.lane is not self.main else "the submission's kernel"
            self._explain(f"{name}: the answer was grafted into the solution and ran in {own} ({self.lane.where})")
            self._run_answer(name, source)
        if name in self.verdicts:
            self._explain(f"{name}: {self.verdicts[name][0]}; its checks did not run")

    def _run_answer(self, name: str, source: str) -> None:
        started = time.monotonic()
        try:
            reply = self.lane.run(source)
        except KernelTimeoutError:
            self.verdicts[name] = results.TIMEOUT, f"the answer cell ran longer than {self.lane.seconds:g} seconds"
        except KernelDiedError as error:
            self.verdicts[name] = results.CRASHED, _crash(error)
        else:
            self._note(name, reply)
            if not reply.error:
                self.lane.remember(source)
            elif reply.error[0] == "NotImplementedError":
                self.verdicts[name] = results.NOT_ATTEMPTED, "the answer raises NotImplementedError"
            else:
                self.verdicts[name] = results.ERROR, complaint(reply.error, source)[: results.LONGEST_MESSAGE]
        self.spent[name] += time.monotonic() - started

    def _note(self, name: str, reply: Reply) -> None:
        if reply.output:
            self.result.output[name] = reply.output
        if reply.cut:
            self.result.warnings.append(f"the answer to {name} prints very much; its output was cut")

    # ------------------------------------------------------------------------------------------------ the checks

    def _check(self, cell: NotebookNode) -> CheckResult:
        name = question(cell)
        check = CheckResult(cell.id, name, float(cell.metadata["segedu"]["points"]), results.PASSED)
        check.visible = role(cell) == "check"
        started = time.monotonic()
        if name in self.verdicts:
            check.status, check.message = self.verdicts[name]
        else:
            seed = self._seed(cell.id)
            self.names["rng"] = np.random.default_rng(seed)
            check.status, message = self._outcome(name, cell)
            check.message = message[: results.LONGEST_MESSAGE]
            kind = "visible" if check.visible else "hidden"
            self._explain(f"{name}: {kind} check {cell.id}, seed {seed}, ran in the trusted process: {check.status}")
        check.seconds = round(time.monotonic() - started, 3)
        return check

    def _outcome(self, name: str, cell: NotebookNode) -> tuple[str, str]:
        too_long = KernelTimeoutError(f"the check of the answer took longer than {CHECK_SECONDS:g} seconds")
        try:
            with deadline(CHECK_SECONDS, too_long):
                functions = list(self._bind(name))
                self._trusted(cell.source)
        except AssertionError as error:
            return results.FAILED, str(error)
        except KernelTimeoutError as error:
            longer = str(error) or f"a call ran longer than {self.lane.seconds:g} seconds"
            return self._blame(name, results.TIMEOUT, longer)
        except KernelDiedError as error:
            return self._blame(name, results.CRASHED, _crash(error))
        except MissingNameError as error:
            return results.FAILED, f"the answer does not define {error}"
        except NotAttemptedError:
            return results.NOT_ATTEMPTED, "the answer raises NotImplementedError"
        except Exception as error:
            if isinstance(error, (ImportError, OSError)) and not is_of_answer(error):
                raise  # a package or a file that the check needs: a fault of this machine, not of the answer
            what = str(error) if isinstance(error, RemoteError) else f"{type(error).__name__}: {error}"
            return results.ERROR, "\n".join([what, *getattr(error, "__notes__", ())])
        return self._honest(name, functions)

    def _bind(self, name: str) -> Iterator[Remote]:
        """Put what the answer defines among the names of the checks; yields its functions."""
        for defined, is_called in self.defines[name].items():
            if is_called:
                remote = Remote(defined, self._ask(name))
                self.names[defined] = remote
                yield remote
            else:
                self.names[defined] = value(defined, self._ask(name))

    def _ask(self, name: str) -> Callable[[str], str]:
        limit = A_QUESTION * self.lane.seconds

        def ask(request: str) -> str:
            if self.spent[name] > limit:
                raise KernelTimeoutError(f"all calls together ran longer than {limit:g} seconds")
            started = time.monotonic()
            try:
                return self.lane.ask(request)
            finally:
                self.spent[name] += time.monotonic() - started

        return ask

    def _honest(self, name: str, functions: Sequence[Remote]) -> tuple[str, str]:
        """Passed, unless an array was changed that is only to be read: a check may have computed with it afterwards."""
        writable = writable_arrays(self.solutions[name]) if is_cuda(self.solutions[name]) else {}
        for function in functions:
            open_to = writable.get(function.__name__, [])
            for number in sorted(function.changed):
                if not (self.about[name].get("changes") or (number < len(open_to) and open_to[number])):
                    return results.FAILED, (
                        f"{function.__name__} changed its array number {number + 1} in place: work on a copy (.copy())"
                    )
        return results.PASSED, ""

    def _blame(self, name: str, status: str, message: str) -> tuple[str, str]:
        """The question is over, and its answer does not run again."""
        self.verdicts[name] = status, message
        self.lane.forget(self.result.answers[name])
        return status, message

    def _trusted(self, source: str) -> None:
        lines = [line for line in source.split("\n") if not line.startswith("%")]
        exec(compile("\n".join(lines), "<check>", "exec"), self.names)

    def _seed(self, cell: str) -> int:
        """A seed for this student and this check: the same in every run with the same secret."""
        text = f"{self.secret}\n{self.result.student}\n{self.result.identifier}\n{self.result.assignment}\n{cell}"
        return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8])


def _crash(error: KernelDiedError) -> str:
    return f"the Python process ended ({error})" if str(error) else "the Python process ended"

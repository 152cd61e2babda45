"""An exercise run in this process, without a sandbox: for answers that are one's own."""

from __future__ import annotations

import atexit
import contextlib
import io
from typing import TYPE_CHECKING

import numpy as np

from segedu.grading import results
from segedu.grading.cells import question, role

if TYPE_CHECKING:
    from nbformat import NotebookNode


class Trial:
    """Runs cells in an IPython shell of its own and says how each check ended."""

    def __init__(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        config = Config()
        config.HistoryManager.enabled = False  # no file that other shells hold
        self.shell = InteractiveShell(config=config)
        self.printed = io.StringIO()

    def close(self) -> None:
        """Let go of the shell, which else is kept until this process ends, with all that its cells made."""
        atexit.unregister(self.shell.atexit_operations)
        self.shell.user_ns.clear()

    def run(self, source: str) -> BaseException | None:
        """Run a cell; returns what it raised, also where it cannot be compiled."""
        with contextlib.redirect_stdout(self.printed), contextlib.redirect_stderr(self.printed):
            done = self.shell.run_cell(source, store_history=False)
        return done.error_before_exec or done.error_in_exec

    def check(self, cell: NotebookNode, seed: int | None = None) -> results.CheckResult:
        """Run a check; a hidden one needs a seed."""
        if seed is not None:
            self.shell.user_ns["rng"] = np.random.default_rng(seed)
        error = self.run(cell.source)
        check = results.CheckResult(cell.id, question(cell), float(cell.metadata["segedu"]["points"]), results.PASSED)
        check.visible = role(cell) == "check"
        if isinstance(error, AssertionError):
            check.status, check.message = results.FAILED, str(error)
        elif isinstance(error, NotImplementedError):
            check.status, check.message = results.NOT_ATTEMPTED, "the answer raises NotImplementedError"
        elif error is not None:
            check.status, check.message = results.ERROR, f"{type(error).__name__}: {error}"
        return check


def run_all(notebook: NotebookNode, answers: dict[str, str] | None = None, seed: int = 0) -> list[results.CheckResult]:
    """Run a whole exercise, some of its answers replaced, and return the results of its checks.

    Args:
        notebook: a solution or an exercise; of hidden checks each has a seed made of `seed`.
        answers: by question, what stands in the place of the notebook's own.

    Raises:
        RuntimeError: a setup or tools cell raised.
    """
    trial = Trial()
    try:
        return _run_all(trial, notebook, answers or {}, seed)
    finally:
        trial.close()


def _run_all(trial: Trial, notebook: NotebookNode, answers: dict[str, str], seed: int) -> list[results.CheckResult]:
    checks: list[results.CheckResult] = []
    broken: dict[str, BaseException] = {}
    for number, cell in enumerate(notebook.cells):
        kind, name = role(cell), question(cell)
        if kind in ("setup", "tools"):
            if error := trial.run(cell.source):
                raise RuntimeError(f"a {kind} cell raised {type(error).__name__}: {error}") from error
        elif kind == "answer":
            if error := trial.run(answers.get(name, cell.source)):
                broken[name] = error
        elif kind in ("check", "hidden"):
            checks.append(trial.check(cell, seed * 1000 + number if kind == "hidden" else None))
            if name in broken and checks[-1].status != results.PASSED:
                error = broken[name]
                untouched = isinstance(error, NotImplementedError)
                checks[-1].status = results.NOT_ATTEMPTED if untouched else results.ERROR
                checks[-1].message = f"{type(error).__name__}: {error}"
    return checks

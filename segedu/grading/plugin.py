"""nbval, told to grade: each grafted notebook is collected by nbval's classes, its cells run by a `Session`.

Several workers share one job: who makes the file NOTEBOOK.claim first grades that notebook.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from segedu.grading import results
from segedu.grading.graft import Grafted
from segedu.grading.lane import Lane
from segedu.grading.results import SubmissionResult
from segedu.grading.sandbox import Sandbox
from segedu.grading.session import Session


@dataclass
class Job:
    """What the workers have to grade; read from the file that `--segedu-job` names."""

    secret: str
    sandbox: dict
    courses: dict[str, str]  # by the path of a solution, what its kernels may import
    submissions: list[dict]  # notebook, master, result, missing, untouched and the beginning of a SubmissionResult

    @classmethod
    def read(cls, path: Path) -> Job:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@cache
def _master(path: str) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--segedu-job", help="the file that says what to grade")


def pytest_configure(config: pytest.Config) -> None:
    path = Path(config.getoption("--segedu-job"))
    config.segedu_job = Job.read(path)
    tempfile.tempdir = str(path.parent)  # the kernels' folders go when the job goes
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end the kernels, too


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> GradedNotebook | None:
    for task in parent.config.segedu_job.submissions:
        if str(file_path) == task["notebook"]:
            notebook = GradedNotebook.from_parent(parent, path=file_path)
            notebook.task = task
            return notebook
    return None


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Run what no other worker has claimed, a notebook after the other."""
    notebooks: dict[GradedNotebook, list[GradedCell]] = {}
    for item in session.items:
        notebooks.setdefault(item.parent, []).append(item)
    for notebook, cells in notebooks.items():
        if _claim(notebook.path):
            for cell, after in zip(cells, [*cells[1:], None], strict=True):
                cell.ihook.pytest_runtest_protocol(item=cell, nextitem=after)
    return True


def _claim(notebook: Path) -> bool:
    try:
        handle = os.open(f"{notebook}.claim", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w") as file:
        file.write(str(os.getpid()))
    return True


class GradedNotebook(IPyNbFile):
    """A grafted notebook; its result is written when its last cell has run."""

    task: dict
    session: Session

    def setup(self) -> None:
        self.started, self.broken = time.monotonic(), False
        job, task = self.config.segedu_job, self.task
        self.result = SubmissionResult(**task["about"])
        self.result.sandbox = job.sandbox["kind"]
        master = _master(task["master"])
        allowed = tuple(master.metadata["segedu"]["allowed"])
        lanes = partial(Lane, Sandbox(**job.sandbox), Path(job.courses[task["master"]]), allowed)
        grafted = Grafted(nbformat.read(self.path, as_version=4), set(task["missing"]), set(task["untouched"]))
        for item, cell in zip(self.cells, _code(grafted.notebook), strict=True):
            item.cell = cell
        self.session = Session(grafted, master, self.result, lanes, job.secret)

    def collect(self) -> Iterator[GradedCell]:
        """The solution's cells, by number; their sources are read when the notebook's turn comes."""
        self.nb, self.cells = _master(self.task["master"]), []
        for number, cell in enumerate(_code(self.nb)):
            self.cells.append(
                GradedCell.from_parent(self, name=f"Cell {number}", cell_num=number, cell=cell, options={})
            )
        yield from self.cells

    def teardown(self) -> None:
        self.session.close()
        if not self.broken:
            self.result.seconds = round(time.monotonic() - self.started, 3)
            results.write(self.result, Path(self.task["result"]))


def _code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


class GradedCell(IPyNbCell):
    """A cell of a grafted notebook. A fault of the grader breaks the notebook: it gets no result, and no 0."""

    def setup(self) -> None:
        pass

    def runtest(self) -> None:
        if self.parent.broken:
            pytest.skip("the grader failed earlier in this notebook")
        try:
            check = self.parent.session.run(self.cell)
        except BaseException:
            self.parent.broken = True
            raise
        if check is not None and check.status != results.PASSED:
            raise NbCellError(self.cell_num, f"{check.question}: {check.status}", self.cell.source, check.message)

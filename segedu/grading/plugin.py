"""nbval, told to grade: each grafted notebook is collected by nbval's classes, its cells run by a `Session`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from segedu.grading import results
from segedu.grading.graft import Grafted
from segedu.grading.results import SubmissionResult
from segedu.grading.sandbox import Sandbox
from segedu.grading.session import Session


@dataclass
class Job:
    """What a worker process has to grade; read from the file that `--segedu-job` names."""

    master: str
    secret: str
    sandbox: dict
    course: str
    submissions: list[dict]  # notebook, result, missing, untouched and the beginning of a SubmissionResult

    @classmethod
    def read(cls, path: Path) -> Job:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--segedu-job", help="the file that says what to grade")


def pytest_configure(config: pytest.Config) -> None:
    config.segedu_job = Job.read(Path(config.getoption("--segedu-job")))
    config.segedu_master = nbformat.read(config.segedu_job.master, as_version=4)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> GradedNotebook | None:
    for task in parent.config.segedu_job.submissions:
        if str(file_path) == task["notebook"]:
            notebook = GradedNotebook.from_parent(parent, path=file_path)
            notebook.task = task
            return notebook
    return None


class GradedNotebook(IPyNbFile):
    """A grafted notebook; its result is written when its last cell has run."""

    task: dict
    session: Session

    def setup(self) -> None:
        job = self.config.segedu_job
        self.started = time.monotonic()
        self.result = SubmissionResult(**self.task["about"])
        grafted = Grafted(self.nb, set(self.task["missing"]), set(self.task["untouched"]))
        box = Sandbox(**job.sandbox)
        self.session = Session(grafted, self.config.segedu_master, self.result, box, Path(job.course), job.secret)

    def collect(self) -> Iterator[GradedCell]:
        self.nb = nbformat.read(self.path, as_version=4)
        code = [cell for cell in self.nb.cells if cell.cell_type == "code"]
        for number, cell in enumerate(code):
            yield GradedCell.from_parent(self, name=f"Cell {number}", cell_num=number, cell=cell, options={})

    def teardown(self) -> None:
        self.session.close()
        if not getattr(self, "broken", False):
            self.result.seconds = round(time.monotonic() - self.started, 3)
            results.write(self.result, Path(self.task["result"]))


class GradedCell(IPyNbCell):
    """A cell of a grafted notebook. A fault of the grader breaks the notebook: it gets no result, and no 0."""

    def setup(self) -> None:
        pass

    def runtest(self) -> None:
        if getattr(self.parent, "broken", False):
            pytest.skip("the grader failed earlier in this notebook")
        try:
            check = self.parent.session.run(self.cell)
        except BaseException:
            self.parent.broken = True
            raise
        if check is not None and check.status != results.PASSED:
            raise NbCellError(self.cell_num, f"{check.question}: {check.status}", self.cell.source, check.message)

"""One deliberate mistake: a copy of the package in which one piece of source reads differently."""

import ast
import contextlib
import inspect
import multiprocessing
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PRELOADED = ["torch", "sklearn.metrics", "torchmetrics.detection", "torchmetrics.segmentation", "hypothesis.strategies"]


@dataclass(frozen=True)
class Mutant:
    """`old` stands exactly once in segedu/`file` (or once inside the function or class `inside`) and becomes `new`."""

    operator: str
    mistake: str
    file: str
    old: str
    new: str
    tests: str
    inside: str | None = None

    def __str__(self) -> str:
        return f"{self.operator}: {self.mistake}"

    def source(self) -> str:
        """The mutated text of the file. Raises AssertionError when `old` does not stand there exactly once."""
        text = (ROOT / "segedu" / self.file).read_text(encoding="utf-8")
        start, stop = self._span(text)
        part = text[start:stop]
        count = part.count(self.old)
        assert count == 1, f"{self}: {self.old!r} stands {count} times in {self.file}, {self.inside or 'anywhere'}"
        return text[:start] + part.replace(self.old, self.new) + text[stop:]

    def _span(self, text: str) -> tuple[int, int]:
        if self.inside is None:
            return 0, len(text)
        found = [node for node in ast.walk(ast.parse(text)) if getattr(node, "name", None) == self.inside]
        assert len(found) == 1, f"{self}: {len(found)} definitions of {self.inside} in {self.file}"
        starts = [0, *(match.end() for match in re.finditer("\n", text)), len(text)]
        return starts[found[0].lineno - 1], starts[found[0].end_lineno]

    def is_caught(self, folder: Path) -> bool:
        """Whether the operator's tests fail on a copy of the package with this mistake, made in `folder`."""
        shutil.copytree(ROOT / "segedu", folder / "segedu", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__", "mutants"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        (folder / "segedu" / self.file).write_text(self.source(), encoding="utf-8")
        run = _processes().Process(target=_run_tests, args=(folder, self.tests, self.operator))
        with mock.patch.dict(os.environ, OMP_NUM_THREADS="1", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"):
            run.start()
        run.join(600)
        if run.is_alive():
            run.kill()
            run.join()
        output = (folder / "output.txt").read_text(encoding="utf-8")
        assert run.exitcode in (0, 1), f"{self}: the tests did not run:\n{output[-4000:]}"
        return run.exitcode == 1


def _processes() -> multiprocessing.context.BaseContext:
    """New processes that have imported PyTorch already, where the system can copy a process."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


class _NumpyNamedFirst:
    """Runs the tests of the NumPy operators: those that name an operator first, Hypothesis' after the quick ones."""

    def __init__(self, operator: str):
        self.operator = operator

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(filter(self.is_numpy, items), key=self.rank)

    def is_numpy(self, item: pytest.Item) -> bool:
        return not hasattr(item, "callspec") or item.callspec.params.get("ops", "numpy") == "numpy"

    def rank(self, item: pytest.Item) -> tuple[bool, bool]:
        names = self.operator in item.nodeid + inspect.getsource(item.function)
        return not names, hasattr(item.function, "hypothesis")


def _run_tests(folder: Path, tests: str, operator: str) -> None:
    """Runs the tests of a copy and leaves with pytest's exit code."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("segedu", "tests")]:
        del sys.modules[name]
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    arguments = ["-x", "-q", "--tb=short", "-p", "no:cacheprovider", "-k", "not cuda", f"tests/{tests}"]
    with open("output.txt", "w", encoding="utf-8") as output, contextlib.redirect_stdout(output):
        code = pytest.main(arguments, plugins=[_NumpyNamedFirst(operator)])
    sys.exit(int(code))

"""One deliberate mistake: a copy of the package in which one piece of source reads differently."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Mutant:
    """`old` stands exactly once in segedu/`file` (or once inside the function `inside`) and becomes `new`."""

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
        start = text.index(f"def {self.inside}(")
        stops = [place for mark in ("\ndef ", "\nclass ", "\n    def ") if (place := text.find(mark, start + 1)) > 0]
        return start, min(stops, default=len(text))

    def is_caught(self, folder: Path) -> bool:
        """Whether the operator's tests fail on a copy of the package with this mistake, made in `folder`."""
        shutil.copytree(ROOT / "segedu", folder / "segedu", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__", "mutants"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        (folder / "segedu" / self.file).write_text(self.source(), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"tests/{self.tests}"]
        environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
        assert run.returncode in (0, 1), f"{self}: the tests did not run:\n{run.stdout[-2000:]}{run.stderr[-2000:]}"
        return run.returncode == 1

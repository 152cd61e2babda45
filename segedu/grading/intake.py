"""Finds the submissions in a folder or a zip, one a student, and never trusts a path or a name in it."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import nbformat

if TYPE_CHECKING:
    from nbformat import NotebookNode

LARGEST = 50 << 20
MOST_FILES = 5000


class IntakeError(ValueError):
    """The submissions cannot be read at all; the message names the file and the remedy."""


@dataclass
class Submission:
    """One notebook that somebody handed in: `notebook` is None where it cannot be read, and `problem` says why."""

    student: str
    file: str
    content: bytes
    notebook: NotebookNode | None = None
    problem: str = ""

    @property
    def assignment(self) -> str:
        return str(self._about().get("assignment", ""))

    @property
    def release(self) -> str:
        return str(self._about().get("release", ""))

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def _about(self) -> dict:
        about = self.notebook.metadata.get("segedu", {}) if self.notebook is not None else {}
        return about if isinstance(about, dict) else {}


def submissions(place: Path) -> list[Submission]:
    """Every notebook below a folder or in a zip, in the order of the students' names.

    The student is the folder that the notebook lies in, or where all lie in one folder the name of the file.

    Raises:
        IntakeError: there is no such place, it is no zip, or there are no notebooks in it.
    """
    if not place.exists():
        raise IntakeError(f"{place} does not exist: give a folder of submissions or a zip of them")
    files = list(_files_of_folder(place) if place.is_dir() else _files_of_zip(place))
    if not files:
        raise IntakeError(f"{place} holds no notebooks (files that end in .ipynb)")
    found = [_read(name, content, problem) for name, content, problem in files]
    return sorted(found, key=lambda submission: (submission.student, submission.file))


def _files_of_folder(folder: Path) -> Iterator[tuple[PurePosixPath, bytes, str]]:
    for path in sorted(folder.rglob("*.ipynb")):
        name = PurePosixPath(path.relative_to(folder).as_posix())
        if any(part.startswith(".") or part == "__MACOSX" for part in name.parts):
            continue
        if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
            yield name, b"", "a link to another place; hand in the file itself"
        elif path.stat().st_size > LARGEST:
            yield name, b"", f"larger than {LARGEST >> 20} MiB"
        else:
            yield name, path.read_bytes(), ""


def _files_of_zip(path: Path) -> Iterator[tuple[PurePosixPath, bytes, str]]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise IntakeError(f"{path} is no zip that can be read ({error})") from None
    with archive:
        entries = [entry for entry in archive.infolist() if entry.filename.lower().endswith(".ipynb")]
        if len(entries) > MOST_FILES:
            raise IntakeError(f"{path} holds {len(entries)} notebooks; at most {MOST_FILES} are read")
        for entry in entries:
            name = PurePosixPath(entry.filename.replace("\\", "/"))
            if any(part.startswith("._") or part == "__MACOSX" for part in name.parts):
                continue
            if name.is_absolute() or ".." in name.parts or stat.S_ISLNK(entry.external_attr >> 16):
                yield PurePosixPath(name.name), b"", f"the zip names the file {entry.filename!r}, outside of its folder"
            elif entry.file_size > LARGEST:
                yield name, b"", f"larger than {LARGEST >> 20} MiB"
            else:
                try:
                    yield name, archive.read(entry), ""
                except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
                    yield name, b"", f"the zip is damaged here ({error})"


def _read(name: PurePosixPath, content: bytes, problem: str) -> Submission:
    student = name.parent.name or name.stem
    submission = Submission(student, str(name), content, problem=problem)
    if problem:
        return submission
    try:
        notebook = nbformat.reads(content.decode("utf-8-sig"), as_version=4)
        if not isinstance(notebook.get("cells"), list):
            raise ValueError("it has no cells")
        for cell in notebook.cells:
            cell.source = "".join(cell.source) if isinstance(cell.source, list) else str(cell.source)
        submission.notebook = notebook
    except Exception as error:  # whatever is in the file: this one is unreadable, the class goes on
        submission.problem = f"this is no notebook that can be read ({type(error).__name__}: {str(error)[:200]})"
    return submission

"""Finds the submissions in a folder or a zip, one a student and assignment, and never trusts a path or a name in it."""

from __future__ import annotations

import hashlib
import io
import stat
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import nbformat

from segedu.grading import names

if TYPE_CHECKING:
    from nbformat import NotebookNode

LARGEST = 50 << 20
MOST_FILES = 5000
MOST_BYTES = 4 << 30  # that are unpacked from all zips together
MOST_FILES_INSIDE, MOST_BYTES_INSIDE = 1000, 512 << 20  # of a zip among the submissions
DEEPEST = 3  # zips in zips
KINDS = (".ipynb", ".zip")


class IntakeError(ValueError):
    """The submissions cannot be read at all; the message names the file and the remedy."""


@dataclass
class File:
    """A file as it lies in a folder or zip; `problem` says why it was not read."""

    path: PurePosixPath
    content: bytes = b""
    problem: str = ""
    time: float = 0.0


@dataclass
class Submission:
    """One notebook that somebody handed in: `notebook` is None where it cannot be read, and `problem` says why."""

    student: str
    identifier: str
    file: str
    digest: str = ""
    assignment: str = ""
    release: str = ""
    notebook: NotebookNode | None = None
    problem: str = ""
    newness: tuple = ()
    warnings: list[str] = field(default_factory=list)


def submissions(place: Path) -> list[Submission]:
    """One notebook for each student and assignment below a folder or in a zip, in the order of the students' names.

    Of several files of a student for one assignment the newest counts: Canvas's number of the attempt, then the time
    of the file. A student's files that are no exercise are named in a warning where there is one that is. Whose folder
    or file the learning platform has named and who handed in no notebook is among the submissions, too.

    Raises:
        IntakeError: there is no such place, it is no zip, or there are no notebooks in it.
    """
    if not place.exists():
        raise IntakeError(f"{place} does not exist: give a folder of submissions or a zip of them")
    reader = _Reader()
    files = list(reader.folder(place) if place.is_dir() else reader.outermost(place))
    if not files:
        raise IntakeError(f"{place} holds no notebooks (files that end in .ipynb)")
    shared = names.shared_folders([file.path for file in files])
    found = [read(file, names.owner(file.path, shared)) for file in files]
    found += _without_notebook(reader.others, {(s.student, s.identifier) for s in found})
    return sorted(_one_each(found), key=lambda s: (s.student, s.identifier, s.assignment))


def _one_each(found: list[Submission]) -> Iterator[Submission]:
    students: dict[tuple[str, str], dict[str, list[Submission]]] = {}
    for submission in sorted(found, key=lambda s: s.newness, reverse=True):
        mine = students.setdefault((submission.student, submission.identifier), {})
        mine.setdefault(submission.assignment, []).append(submission)
    for mine in students.values():
        strangers = mine.pop("", []) if len(mine) > 1 else []
        for newest, *older in mine.values():
            if older:
                newest.warnings.append(f"{len(older) + 1} files were handed in; the newest, {newest.file}, counts")
            newest.warnings += [f"another file, {s.file}, is no exercise: {s.problem or 'ignored'}" for s in strangers]
            yield newest


def _without_notebook(others: list[PurePosixPath], known: set[tuple[str, str]]) -> Iterator[Submission]:
    """Of whoever handed in other files only, one that says so."""
    theirs: dict[names.Owner, list[PurePosixPath]] = {}
    for path in others:
        owner = names.named_by_platform(path)
        if owner and (owner.name, owner.identifier) not in known:
            theirs.setdefault(owner, []).append(path)
    for owner, paths in theirs.items():
        files = ", ".join(names.readable(path.name) for path in paths[:5])
        yield read(File(paths[0], problem=f"no notebook (a file that ends in .ipynb) but {files}"), owner)


class _Reader:
    """Reads notebooks out of folders, zips, and zips in these; `others` are the other files that it met."""

    def __init__(self) -> None:
        self.files = self.bytes = 0
        self.others: list[PurePosixPath] = []

    def folder(self, folder: Path) -> Iterator[File]:
        for path in sorted(folder.rglob("*")):
            name = PurePosixPath(path.relative_to(folder).as_posix())
            if path.is_dir() or not self._is_wanted(name):
                continue
            if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
                yield File(name, problem="a link to another place; hand in the file itself")
            elif path.stat().st_size > LARGEST:
                yield File(name, problem=f"larger than {LARGEST >> 20} MiB")
            elif path.suffix.lower() == ".zip":
                yield from self.inner(name, path.read_bytes(), 1)
            else:
                yield File(name, path.read_bytes(), time=path.stat().st_mtime)

    def outermost(self, path: Path) -> Iterator[File]:
        try:
            archive = zipfile.ZipFile(path)
        except Exception as error:  # damaged bytes raise a dozen kinds
            raise IntakeError(f"{path} is no zip that can be read ({error})") from None
        with archive:
            yield from self._entries(PurePosixPath(), archive, 0)

    def inner(self, name: PurePosixPath, content: bytes, depth: int) -> Iterator[File]:
        """A zip that somebody handed in: a folder, as it were, of the zip's name."""
        if depth > DEEPEST:
            yield File(name, problem=f"a zip in more than {DEEPEST} others")
            return
        try:
            archive = zipfile.ZipFile(io.BytesIO(content))
        except Exception as error:
            yield File(name, problem=f"no zip that can be read ({error})")
            return
        with archive:
            wanted = [entry for entry in archive.infolist() if entry.filename.lower().endswith(KINDS)]
            if len(wanted) > MOST_FILES_INSIDE or sum(e.file_size for e in wanted) > MOST_BYTES_INSIDE:
                limit = f"more than {MOST_FILES_INSIDE} notebooks or {MOST_BYTES_INSIDE >> 20} MiB"
                yield File(name, problem=f"a zip that holds {limit}")
            else:
                yield from self._entries(name, archive, depth)

    def _is_wanted(self, name: PurePosixPath) -> bool:
        if _is_hidden(name):
            return False
        if name.suffix.lower() not in KINDS:
            self.others.append(name)
            return False
        return True

    def _entries(self, folder: PurePosixPath, archive: zipfile.ZipFile, depth: int) -> Iterator[File]:
        for entry in archive.infolist():
            name = PurePosixPath(entry.filename.replace("\\", "/"))
            if entry.is_dir() or not self._is_wanted(folder / name):
                continue
            self.files += 1
            self.bytes += entry.file_size
            if self.files > MOST_FILES or self.bytes > MOST_BYTES:
                limit = f"more than {MOST_FILES} files or {MOST_BYTES >> 30} GiB"
                raise IntakeError(f"the zips hold {limit}: grade them in parts")
            if name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
                problem = f"the zip names the file {names.readable(entry.filename)!r}, outside of its folder"
                yield File(folder / name.name, problem=problem)
            elif stat.S_ISLNK(entry.external_attr >> 16):
                yield File(folder / name, problem="a link to another place; hand in the file itself")
            elif entry.file_size > LARGEST:
                yield File(folder / name, problem=f"larger than {LARGEST >> 20} MiB")
            else:
                yield from self._entry(folder / name, archive, entry, depth)

    def _entry(
        self, name: PurePosixPath, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, depth: int
    ) -> Iterator[File]:
        try:
            content = archive.read(entry)
        except Exception as error:
            yield File(name, problem=f"the zip is damaged here ({error})")
            return
        if name.suffix.lower() == ".zip":
            yield from self.inner(name, content, depth + 1)
        else:
            yield File(name, content, time=_time(entry))


def _time(entry: zipfile.ZipInfo) -> float:
    try:
        return time.mktime((*entry.date_time, 0, 0, -1))
    except (OverflowError, ValueError):
        return 0.0


def _is_hidden(name: PurePosixPath) -> bool:
    return any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in name.parts)


def read(file: File, owner: names.Owner) -> Submission:
    """A file as a submission: its notebook, or the problem with it."""
    submission = Submission(owner.name, owner.identifier, names.readable(str(file.path)), problem=file.problem)
    submission.digest = hashlib.sha256(file.content).hexdigest()
    submission.newness = (names.handed_in_again(file.path), file.time, str(file.path))
    if not file.content.strip() and not file.problem:
        submission.problem = "this is no notebook that can be read: the file is empty"
    if submission.problem:
        return submission
    try:
        notebook = nbformat.reads(file.content.decode("utf-8-sig"), as_version=4)
        submission.notebook = _plain(notebook)
        about = notebook.metadata.get("segedu", {})
        submission.assignment, submission.release = str(about.get("assignment", "")), str(about.get("release", ""))
    except Exception as error:  # whatever is in the file: this one is unreadable, the class goes on
        what = names.readable(f"{type(error).__name__}: {error}")
        submission.problem = f"this is no notebook that can be read ({what})"
    return submission


def _plain(notebook: NotebookNode) -> NotebookNode:
    """Of each cell its kind, id, source and role, and nothing else of what a submission holds."""
    cells = []
    for cell in notebook.cells:
        source = "".join(cell.source) if isinstance(cell.source, list) else str(cell.source)
        about = cell.get("metadata", {}).get("segedu", {})
        kept = {key: str(about[key]) for key in ("role", "question") if key in about} if isinstance(about, dict) else {}
        new = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
        proper = source.encode("utf-8", "replace").decode("utf-8")  # no halves of characters
        cells.append(new(proper, metadata={"segedu": kept} if kept else {}))
        cells[-1].id = str(cell.get("id", ""))[:64]
    return nbformat.v4.new_notebook(cells=cells)

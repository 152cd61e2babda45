"""Whose a submitted file is: the names that learning platforms give to files and folders."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?")
CANVAS = re.compile(r"(?P<name>[^_]+)(?:_LATE)?_(?P<id>\d+)_\d+_(?P<file>.+)", re.IGNORECASE)
AGAIN = re.compile(r"-(\d{1,3})\.ipynb$")  # Canvas numbers what is handed in again


@dataclass(frozen=True)
class Owner:
    """A student's name, and the number that the learning platform knows the student or the participation by."""

    name: str
    identifier: str = ""


def owner(file: PurePosixPath, shared: int) -> Owner:
    """Whose a file is, from its path; `shared` is how many folders all submissions have in common.

    Moodle's folders and files and Canvas's files name the student; else the outermost folder that is not shared does,
    or, where all files lie in one folder, the file.

    >>> owner(PurePosixPath("Ada Byron_4711_assignsubmission_file_/hw.ipynb"), 0)
    Owner(name='Ada Byron', identifier='4711')
    >>> owner(PurePosixPath("byronada_LATE_4711_99_hw-1.ipynb"), 0)
    Owner(name='byronada', identifier='4711')
    >>> owner(PurePosixPath("class/ada/exercises/hw.ipynb"), 1)
    Owner(name='ada', identifier='')
    """
    if named := named_by_platform(file):
        return named
    own = file.parts[min(shared, len(file.parts) - 1) :]
    return Owner(readable(own[0] if len(own) > 1 else PurePosixPath(own[0]).stem))


def named_by_platform(file: PurePosixPath) -> Owner | None:
    """Whose a file is by a name that Moodle or Canvas gave to it or to its folder; None where it has none."""
    for part in file.parts:
        if found := MOODLE.match(part) or CANVAS.fullmatch(part):
            return Owner(readable(found["name"]), found["id"])
    return None


def shared_folders(files: Sequence[PurePosixPath]) -> int:
    """How many folders all paths have in common; of a single file in a folder, that folder is its student's.

    A file beside the folder of a class does not make that folder a student's.

    >>> shared_folders([PurePosixPath("class/ada/hw.ipynb"), PurePosixPath("class/bob/hw.ipynb")])
    1
    """
    folders = [file.parts[:-1] for file in files]
    if len({parts[1] for parts in folders if len(parts) > 1}) > 1:
        folders = [parts for parts in folders if parts]
    common = 0
    while all(len(parts) > common for parts in folders) and len({parts[common] for parts in folders}) == 1:
        common += 1
    return common - 1 if len(files) == 1 and common else common


def handed_in_again(file: PurePosixPath) -> int:
    """Canvas's number of a file that was handed in again; 0 for the first.

    >>> handed_in_again(PurePosixPath("byronada_4711_99_hw-2.ipynb"))
    2
    """
    found = AGAIN.search(file.name)
    return int(found[1]) if found and CANVAS.fullmatch(file.name) else 0


def readable(text: str) -> str:
    """A name without what a terminal or a table could take for a command: control characters, ends of lines."""
    kept = (character for character in text if unicodedata.category(character)[0] != "C")
    return "".join(kept).strip()[:200] or "unnamed"

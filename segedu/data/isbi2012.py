"""ISBI 2012: 30 slices of a fly's nerve cord under the electron microscope, cells and the membranes between them.

Cardona et al., PLoS Biology 8(10), 2010; Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation
algorithms for connectomics", Frontiers in Neuroanatomy 9:142, 2015: the data on which U-Net was shown.

Where the slices are looked for, in this order: the argument `root`; the folder named by the environment variable
`SEGEDU_DATA`; the user's cache. Two forms are read: the archive's stacks `train-volume.tif` and `train-labels.tif`, and
folders `train/image` and `train/label` with an image a slice. The download was tried on archives of the same form, made
for the tests; the original archive we have never fetched, and no checksum was published for it.
"""

from pathlib import Path

import numpy as np

from segedu.data.dataset import FolderDataset
from segedu.data.downloads import Archive, DownloadError, fetch_folder
from segedu.data.images import DataError, check_same_size, images_by_name, read_image, read_page, size_of, stack_size
from segedu.data.scenes.cells import CLASSES, PALETTE

ARCHIVE = Archive("https://downloads.imagej.net/ISBI-2012-challenge.zip")
STACKS = ("train-volume.tif", "train-labels.tif")
SLICES = 30
BLOCKS = {"train": (0, 20), "val": (20, 25), "test": (25, 30), "all": (0, 30), "challenge": (0, 30)}
"""First slice of a split and the one after its last."""


class ISBI2012(FolderDataset):
    """Slices of 512×512: (image uint8 H×W×1, labels int64 H×W, 0 membrane and 1 cell).

    The challenge kept the labels of its test slices to itself. The splits are therefore ours: contiguous blocks of the
    30 labelled slices, because neighbouring slices, 50 nm apart, look nearly alike. Slices 0–19 train, 20–24 val, 25–29
    test, so that no test slice touches a training slice; "all" are the 30. Results on them are not comparable with the
    challenge's own. "challenge" are its 30 test slices, for those who have labels for them.
    """

    name, title = "isbi2012", "ISBI 2012"
    splits = tuple(BLOCKS)
    folders = ("isbi2012", "ISBI2012", "ISBI-2012-challenge")
    classes, palette, void, in_channels = CLASSES, PALETTE, None, 1
    note = "splits are blocks of neighbouring slices, ours"

    def __init__(self, split: str, folder: str | Path):
        super().__init__(split, folder)
        volume = "test" if split == "challenge" else "train"
        stacks = (self.folder / f"{volume}-volume.tif", self.folder / f"{volume}-labels.tif")
        sources = stacks if stacks[0].exists() else (self.folder / volume / "image", self.folder / volume / "label")
        if split == "challenge" and not sources[1].exists():
            raise DataError(f"labels are missing: {sources[1]}; the challenge kept those of its test slices to itself")
        self._images, self._labels = (_Slices(source) for source in sources)
        if len(self._images) != len(self._labels):
            raise DataError(
                f"{sources[0]} holds {len(self._images)} slices and {sources[1]} {len(self._labels)}; "
                "there must be as many labels as images"
            )
        if len(self._images) != SLICES:
            raise DataError(f"{sources[0]} holds {len(self._images)} slices and must hold {SLICES}")
        self.first, end = BLOCKS[split]
        self.names = [f"{volume}_{number:02}" for number in range(self.first, end)]

    @staticmethod
    def holds(folder: Path) -> bool:
        """Whether the folder holds the training slices and their labels, in either form."""
        parts = [folder / "train" / part for part in ("image", "label")]
        return all(path.is_dir() for path in parts) or all((folder / stack).is_file() for stack in STACKS)

    @classmethod
    def fetch(cls, root: Path) -> Path:
        """Downloads the challenge's archive."""
        return download_isbi2012(root)

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image and labels of that number."""
        number = self.first + index
        image, labels = self._images.read(number), self._labels.read(number)[:, :, 0]
        where = self._labels.place(number)
        check_same_size(image, labels, self._images.place(number), where)
        white = int(labels.max(initial=0))
        if not np.isin(labels, (0, white)).all():
            raise DataError(f"{where} must be black (membrane) and white (cell), and holds greys between")
        return image, (labels > 0).astype(np.int64)

    def size_of(self, index: int) -> tuple[int, int]:
        """Height and width of a slice, from the header of its file."""
        return size_of(self._images.file(self.first + index))


class _Slices:
    """The slices of a TIFF stack, or of a folder with an image each."""

    def __init__(self, source: Path):
        self.source = source
        self.files = None if source.suffix else sorted(images_by_name(source).values(), key=_number)

    def __len__(self) -> int:
        return stack_size(self.source) if self.files is None else len(self.files)

    def file(self, number: int) -> Path:
        return self.source if self.files is None else self.files[number]

    def place(self, number: int) -> str:
        return f"{self.source}, slice {number}," if self.files is None else str(self.files[number])

    def read(self, number: int) -> np.ndarray:
        return read_page(self.source, number) if self.files is None else read_image(self.files[number], 1)


def _number(path: Path) -> tuple[int, str]:
    """Slices in the order of their numbers, also where those are written without leading zeros."""
    digits = "".join(filter(str.isdigit, path.stem))
    return int(digits or 0), path.stem


def download_isbi2012(root: str | Path, archive: Archive = ARCHIVE) -> Path:
    """Fetches the challenge's archive and unpacks its stacks to `root`/isbi2012; returns that folder.

    Raises `DownloadError` where that fails or a stack is missing, and then leaves nothing half-made behind.
    """
    return fetch_folder("ISBI 2012", [archive], Path(root) / "isbi2012", _place, _check)


def _place(name: str) -> str | None:
    stack = name.rsplit("/", 1)[-1]
    return stack if stack.endswith(".tif") and not stack.startswith(".") else None


def _check(folder: Path) -> None:
    for stack in STACKS:
        if not (folder / stack).exists():
            raise DownloadError(f"{ARCHIVE.url} holds no {stack}")

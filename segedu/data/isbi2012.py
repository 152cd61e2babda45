"""ISBI 2012: 30 slices of a fly's nerve cord under the electron microscope, cells and the membranes between them.

Cardona et al., PLoS Biology 8(10), 2010; Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation
algorithms for connectomics", Frontiers in Neuroanatomy 9:142, 2015: the data on which U-Net was shown.

Where the slices are looked for, in this order: the argument `root`; the folder named by the environment variable
`SEGEDU_DATA`; the user's cache. Two forms are read: the archive's stacks `train-volume.tif` and `train-labels.tif`, and
folders `train/image` and `train/label` with one PNG a slice.
"""

from pathlib import Path

import numpy as np

from segedu.data.dataset import FolderDataset
from segedu.data.images import check_same_size, images_by_name, read_image
from segedu.data.scenes.cells import CLASSES, PALETTE

BLOCKS = {"train": (0, 20), "val": (20, 25), "test": (25, 30), "all": (0, 30)}
"""First slice of a split and the one after its last."""


class ISBI2012(FolderDataset):
    """Slices of 512×512: (image uint8 H×W×1, labels int64 H×W, 0 membrane and 1 cell).

    The challenge kept the labels of its test slices to itself. The splits are therefore ours: contiguous blocks of the
    30 labelled slices, because neighbouring slices, 50 nm apart, look nearly alike: slices 0–19 train, 20–24 val, 25–29
    test, so that no test slice touches a training slice. "all" are the 30. Results are not comparable with the
    challenge's own.
    """

    name, title = "isbi2012", "ISBI 2012"
    splits = tuple(BLOCKS)
    folders = ("isbi2012", "ISBI2012", "ISBI-2012-challenge")
    classes, palette, void, in_channels = CLASSES, PALETTE, None, 1

    def __init__(self, split: str, folder: str | Path):
        super().__init__(split, folder)
        self.images = images_by_name(self.folder / "train" / "image")
        self.names = list(self.images)[slice(*BLOCKS[split])]

    @staticmethod
    def holds(folder: Path) -> bool:
        """Whether the folder holds the training slices and their labels."""
        return all((folder / "train" / part).is_dir() for part in ("image", "label"))

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image and labels of that number."""
        path = self.images[self.names[index]]
        label_path = self.folder / "train" / "label" / f"{self.names[index]}.png"
        image, labels = read_image(path, "L"), (read_image(label_path, "L")[:, :, 0] > 127).astype(np.int64)
        check_same_size(image, labels, path, label_path)
        return image, labels

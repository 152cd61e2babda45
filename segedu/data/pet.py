"""Oxford-IIIT Pet: 37 breeds of cats and dogs, each photograph with a trimap of the animal.

Parkhi, Vedaldi, Zisserman, Jawahar, "Cats and Dogs", CVPR 2012: 3680 images to train and validate, 3669 to test.

Where it is looked for, in this order: the argument `root`; the folder named by the environment variable `SEGEDU_DATA`;
the user's cache. The reader and the download were tried on small archives of the same form, made for the tests; the
originals, 0.8 GB large, we have never fetched.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from segedu.data import colours
from segedu.data.dataset import FolderDataset
from segedu.data.downloads import Archive, DownloadError, fetch_folder
from segedu.data.images import DataError, listed_names, read_labels
from segedu.data.voc2012 import colour_map

ARCHIVES = (
    Archive("https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz", "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c"),
    Archive(
        "https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz", "md5:95a8c909bbe2e81eed6a22bccdf3f68f"
    ),
)
"""Addresses and checksums are those of torchvision's `datasets/oxford_iiit_pet.py`."""

PUBLISHED = {"trainval": 3680, "test": 3669}
"""How many images each published list has."""

VOID = 255
TARGETS = ("pet", "trimap", "species", "breed")

KNOWN_BROKEN = (
    "Abyssinian_5",
    "Abyssinian_34",
    "beagle_116",
    "chihuahua_121",
    "Egyptian_Mau_14",
    "Egyptian_Mau_139",
    "Egyptian_Mau_145",
    "Egyptian_Mau_156",
    "Egyptian_Mau_167",
    "Egyptian_Mau_177",
    "Egyptian_Mau_186",
    "Egyptian_Mau_191",
)
"""Images that are no sound JPEG files in the original archive, most of them of another format under the ending .jpg, as
TensorFlow Datasets lists them (`oxford_iiit_pet_dataset_builder.py`)."""

_PET, _BACKGROUND, _BORDER = 1, 2, 3


class Pet(FolderDataset):
    """One split: (image uint8 H×W×3, labels int64 H×W). `target` says what the labels are:

    "pet" (the default): 0 background, 1 pet, void 255 on the border, which the annotators left undecided;
    "species": 0 background, 1 cat, 2 dog, void on the border;
    "breed": 0 background, 1–37 the breeds in the order of their published numbers, void on the border;
    "trimap": 0 pet, 1 background, 2 border, no void, as tutorials often train it.

    "trainval" and "test" are the published lists. "train" and "val" divide "trainval" by a rule of ours: of each breed
    every fifth image of the list is val. `leave_out` names images that are not to be used, for instance `KNOWN_BROKEN`
    ("known_broken" for short); without it an image that cannot be read raises `DataError`.
    """

    name, title = "pet", "Oxford-IIIT Pet"
    splits = ("train", "val", "trainval", "test")
    folders = ("pet", "oxford-iiit-pet", "pets")

    def __init__(self, split: str, folder: str | Path, target: str = "pet", leave_out: Collection[str] = ()):
        super().__init__(split, folder)
        if isinstance(leave_out, str):
            leave_out = KNOWN_BROKEN if leave_out == "known_broken" else [leave_out]
        if target not in TARGETS:
            raise ValueError(f"target={target!r} must be one of {', '.join(TARGETS)}")
        self.target, self.samples = target, _samples(self.folder, split)
        unknown = set(leave_out) - set(KNOWN_BROKEN) - {name for name, _, _ in self.samples}
        if unknown:
            raise ValueError(f"leave_out names images that {self.title}, {split}, does not have: {sorted(unknown)}")
        self.left_out = [name for name, _, _ in self.samples if name in leave_out]
        self.samples = [sample for sample in self.samples if sample[0] not in leave_out]
        self.names = [name for name, _, _ in self.samples]
        self.void = None if target == "trimap" else VOID
        self.classes, self.palette = _classes(target, self.folder)
        self.note = _note(self.names, self.left_out)

    @staticmethod
    def holds(folder: Path) -> bool:
        """Whether the folder holds the pets' images and trimaps."""
        return all((folder / part).is_dir() for part in ("images", "annotations/trimaps"))

    @classmethod
    def fetch(cls, root: Path) -> Path:
        """Downloads Oxford-IIIT Pet."""
        return download_pet(root)

    def image_path(self, index: int) -> Path:
        """The photograph."""
        return self.folder / "images" / f"{self.names[index]}.jpg"

    def label_path(self, index: int) -> Path:
        """The trimap."""
        return self.folder / "annotations" / "trimaps" / f"{self.names[index]}.png"

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image and labels of that number; `DataError` says where an image is one of those known to be broken."""
        try:
            return super().pair(index)
        except DataError as error:
            if self.names[index] not in KNOWN_BROKEN:
                raise
            hint = "leave it out with leave_out=segedu.data.pet.KNOWN_BROKEN, or save it anew as JPEG"
            raise DataError(f"{error}. This image is known to be broken in the original: {hint}") from error

    def labels_of(self, index: int) -> np.ndarray:
        """The trimap's 1 pet, 2 background, 3 border as this target's labels."""
        trimap = read_labels(self.label_path(index))
        if trimap.min() < _PET or trimap.max() > _BORDER:
            raise DataError(f"{self.label_path(index)} holds the values {np.unique(trimap)}; a trimap holds 1, 2 and 3")
        if self.target == "trimap":
            return trimap - 1
        _, breed, species = self.samples[index]
        label = {"pet": 1, "species": species, "breed": breed}[self.target]
        return np.select([trimap == _PET, trimap == _BACKGROUND], [label, 0], VOID)


def _samples(folder: Path, split: str) -> list[tuple[str, int, int]]:
    """Name, breed 1–37 and species (1 cat, 2 dog) of each image of a split."""
    published = folder / "annotations" / ("test.txt" if split == "test" else "trainval.txt")
    if not published.exists():
        raise DataError(f"list is missing: {published}")
    samples = []
    for number, line in enumerate(published.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            name, breed, species, _ = line.split()
            samples.append((name, int(breed), int(species)))
        except ValueError:
            raise DataError(f"{published}, line {number}, must be 'name breed species number': {line!r}") from None
    return samples if split in PUBLISHED else list(_divided(samples, split))


def _divided(samples, split):
    """Every fifth image of each breed is val, the others are train."""
    seen: dict[int, int] = {}
    for sample in samples:
        seen[sample[1]] = seen.get(sample[1], 0) + 1
        if (seen[sample[1]] % 5 == 0) == (split == "val"):
            yield sample


def _classes(target: str, folder: Path) -> tuple[tuple[str, ...], np.ndarray]:
    if target == "trimap":
        return ("pet", "background", "border"), colours.palette(colours.ORANGE, colours.LIGHT_GREY, colours.GREY)
    if target == "pet":
        return ("background", "pet"), colours.palette(colours.LIGHT_GREY, colours.ORANGE)
    if target == "species":
        chosen = colours.palette(colours.LIGHT_GREY, colours.ORANGE, colours.BLUE)
        return ("background", "cat", "dog"), chosen
    breeds = {breed: name.rpartition("_")[0] for name, breed, _ in _samples(folder, "trainval")}
    names = ("background", *(breeds[number].replace("_", " ") for number in sorted(breeds)))
    return names, colour_map(len(names))


def _note(names, left_out) -> str:
    broken = [name for name in names if name in KNOWN_BROKEN]
    parts = []
    if broken:
        parts.append(f"known to be broken in the original: {', '.join(broken)}")
    if left_out:
        parts.append(f"left out: {', '.join(left_out)}")
    return "; ".join(parts)


def download_pet(root: str | Path, archives=ARCHIVES, complete: bool = True) -> Path:
    """Fetches images and annotations (0.8 GB) and unpacks them to `root`/pet; returns that folder.

    `complete` demands that each list has as many names as was published. Raises `DownloadError` where an archive cannot
    be fetched or is not as expected, and then leaves nothing half-made behind.
    """

    def check(folder: Path) -> None:
        for split, wanted in PUBLISHED.items():
            path = folder / "annotations" / f"{split}.txt"
            count = len(listed_names(path)) if path.exists() else 0
            if not count or (complete and count != wanted):
                raise DownloadError(f"{archives[-1].url} lists {count} images in {split}.txt and must list {wanted}")

    return fetch_folder("Oxford-IIIT Pet", archives, Path(root) / "pet", _place, check)


def _place(name: str) -> str | None:
    """Images, trimaps and lists keep their places; the files that macOS added (._…) and the boxes are not needed."""
    hidden = name.rsplit("/", 1)[-1].startswith(".")
    needed = name.startswith(("images/", "annotations/trimaps/")) or name.endswith(".txt")
    return name if needed and not hidden else None

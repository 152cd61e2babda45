"""On archives of the form of the originals, made here: the originals we have never fetched."""

import hashlib
import tarfile
from functools import partial

import numpy as np
import pytest

from segedu.data import open_dataset
from segedu.data import pet as module
from segedu.data.downloads import Archive, DownloadError
from segedu.data.images import DataError
from segedu.data.pet import KNOWN_BROKEN, download_pet
from tests.data.conftest import save

BREEDS = {"Abyssinian": (1, 1), "american_bulldog": (2, 2), "beagle": (3, 2)}
"""Name → number of the breed and species (1 cat, 2 dog)."""


def write_pets(folder, rng, count=12):
    """Images and trimaps of three breeds; returns the trimaps by name."""
    trimaps, lines = {}, {"trainval": [], "test": []}
    for breed, (number, species) in BREEDS.items():
        for i in range(1, count + 1):
            name = f"{breed}_{i}"
            trimaps[name] = rng.integers(1, 4, (8, 10))
            save(rng.integers(0, 256, (8, 10, 3)), folder / "images" / f"{name}.jpg")
            save(trimaps[name], folder / "annotations" / "trimaps" / f"{name}.png")
            lines["test" if i > 10 else "trainval"].append(f"{name} {number} {species} {number}")
    (folder / "annotations" / "trimaps" / "._Abyssinian_1.png").write_bytes(b"junk of macOS")
    for split, content in lines.items():
        (folder / "annotations" / f"{split}.txt").write_text("\n".join(content) + "\n")
    (folder / "annotations" / "list.txt").write_text("#Image CLASS-ID SPECIES BREED ID\n")
    return trimaps


@pytest.fixture
def trimaps(tmp_path, rng):
    return write_pets(tmp_path / "oxford-iiit-pet", rng)


def test_published_lists_are_splits_and_train_and_val_divide_trainval(trimaps, tmp_path):
    names = {split: open_dataset("pet", split, tmp_path).names for split in ("train", "val", "trainval", "test")}
    assert len(names["trainval"]) == 30
    assert len(names["test"]) == 6
    assert set(names["train"]).isdisjoint(names["val"])
    assert sorted(names["train"] + names["val"]) == sorted(names["trainval"])
    assert names["val"] == [f"{breed}_{number}" for breed in BREEDS for number in (5, 10)]


@pytest.mark.parametrize(
    ("target", "values", "count"),
    [
        ("pet", lambda breed: (1, 0, 255), 2),
        ("species", lambda breed: (BREEDS[breed][1], 0, 255), 3),
        ("breed", lambda breed: (BREEDS[breed][0], 0, 255), 4),
        ("trimap", lambda breed: (0, 1, 2), 3),
    ],
)
def test_trimaps_become_the_labels_of_each_target(trimaps, tmp_path, target, values, count):
    dataset = open_dataset("pet", "test", tmp_path, target=target)
    assert len(dataset.classes) == len(dataset.palette) == count
    assert dataset.void == (None if target == "trimap" else 255)
    for (_, labels), name in zip(dataset, dataset.names, strict=True):
        meanings = np.array([-1, *values(name.rpartition("_")[0])])  # 1 pet, 2 background, 3 border
        assert np.array_equal(labels, meanings[trimaps[name]])


def test_breeds_are_named_in_the_order_of_their_numbers(trimaps, tmp_path):
    classes = open_dataset("pet", "val", tmp_path, target="breed").classes
    assert classes == ("background", "Abyssinian", "american bulldog", "beagle")


def test_images_known_to_be_broken_are_named_before_and_when_they_are_read(trimaps, tmp_path):
    (tmp_path / "oxford-iiit-pet" / "images" / "Abyssinian_5.jpg").write_bytes(b"\xff\xd8 broken")
    dataset = open_dataset("pet", "trainval", tmp_path)
    assert "known to be broken in the original: Abyssinian_5" in dataset.describe()
    with pytest.raises(DataError, match=r"Abyssinian_5\.jpg cannot be read .* known to be broken .*leave_out="):
        dataset[dataset.names.index("Abyssinian_5")]
    kept = open_dataset("pet", "trainval", tmp_path, leave_out=KNOWN_BROKEN)
    assert len(kept) == 29
    assert "left out: Abyssinian_5" in kept.describe()
    assert len(list(kept)) == 29


def test_those_to_leave_out_may_be_one_name_or_all_known_to_be_broken(trimaps, tmp_path):
    whole = open_dataset("pet", "trainval", tmp_path)
    assert open_dataset("pet", "trainval", tmp_path, leave_out=whole.names[0]).names == whole.names[1:]
    left = open_dataset("pet", "trainval", tmp_path, leave_out="known_broken")
    assert left.names == [name for name in whole.names if name not in KNOWN_BROKEN]


def test_an_image_that_breaks_here_is_named_without_excuse(trimaps, tmp_path):
    (tmp_path / "oxford-iiit-pet" / "images" / "beagle_2.jpg").write_bytes(b"\xff\xd8 broken")
    dataset = open_dataset("pet", "trainval", tmp_path)
    with pytest.raises(DataError, match=r"beagle_2\.jpg cannot be read(?!.*known to be broken)"):
        dataset[dataset.names.index("beagle_2")]


def test_what_cannot_be_left_out_and_unknown_targets_are_refused(trimaps, tmp_path):
    with pytest.raises(ValueError, match=r"does not have: \['Abyssinian_99'\]"):
        open_dataset("pet", "train", tmp_path, leave_out=["Abyssinian_99", "Abyssinian_5"])
    with pytest.raises(ValueError, match="target='cat' must be one of pet, trimap, species, breed"):
        open_dataset("pet", "train", tmp_path, target="cat")


def test_lists_and_trimaps_of_another_form_are_named(trimaps, tmp_path):
    folder = tmp_path / "oxford-iiit-pet" / "annotations"
    save(np.zeros((8, 10)), folder / "trimaps" / "Abyssinian_11.png")
    with pytest.raises(DataError, match=r"Abyssinian_11\.png holds the values \[0\]; a trimap holds 1, 2 and 3"):
        open_dataset("pet", "test", tmp_path)[0]
    (folder / "test.txt").write_text("Abyssinian_11 1 1 1\nAbyssinian_12\n")
    with pytest.raises(DataError, match=r"test\.txt, line 2, must be .*: 'Abyssinian_12'"):
        open_dataset("pet", "test", tmp_path)
    (folder / "test.txt").unlink()
    with pytest.raises(DataError, match=r"list is missing: .*test\.txt"):
        open_dataset("pet", "test", tmp_path)


@pytest.fixture
def archives(server, tmp_path, rng):
    write_pets(tmp_path / "made", rng)
    made = []
    for part in ("images", "annotations"):
        path = server.folder / f"{part}.tar.gz"
        with tarfile.open(path, "w:gz") as file:
            file.add(tmp_path / "made" / part, part)
        made.append(Archive(f"{server.url}/{path.name}", f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"))
    return made


def test_archives_of_that_form_are_fetched_into_one_folder(archives, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "download_pet", partial(download_pet, archives=archives, complete=False))
    dataset = open_dataset("pet", "train", tmp_path / "root", download=True)
    assert len(list(dataset)) == 24
    assert not list(dataset.folder.rglob("._*"))
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["pet"]


def test_fewer_names_than_published_are_refused(archives, tmp_path):
    with pytest.raises(DownloadError, match=r"lists 30 images in trainval\.txt and must list 3680"):
        download_pet(tmp_path / "root", archives)
    assert not list((tmp_path / "root").iterdir())

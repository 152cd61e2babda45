"""On archives of the form of the original, made here: the original we have never fetched."""

import hashlib
import tarfile
from functools import partial

import numpy as np
import pytest
from PIL import Image

from segedu.data import open_dataset
from segedu.data import voc2012 as module
from segedu.data.downloads import Archive, DownloadError
from segedu.data.images import DataError
from segedu.data.voc2012 import ARCHIVE, CLASSES, PALETTE, SPLITS, colour_map, download_voc2012
from tests.data.conftest import save

LISTS = {"train": ["2007_000032", "2008_000008"], "val": ["2007_000033"]}
LISTS["trainval"] = LISTS["train"] + LISTS["val"]


def write_voc(folder, rng):
    """A small VOCdevkit/VOC2012; returns the labels by name."""
    truth = {}
    for name in [*LISTS["trainval"], "2009_000001"]:
        save(rng.integers(0, 256, (9, 12, 3)), folder / "JPEGImages" / f"{name}.jpg")
    for name in LISTS["trainval"]:
        truth[name] = rng.choice([*range(21), 255], (9, 12)).astype(np.uint8)
        coloured = Image.fromarray(truth[name], "P")
        coloured.putpalette(colour_map().tobytes())
        (folder / "SegmentationClass").mkdir(exist_ok=True)
        coloured.save(folder / "SegmentationClass" / f"{name}.png")
    (folder / "ImageSets" / "Segmentation").mkdir(parents=True)
    (folder / "ImageSets" / "Main").mkdir()
    (folder / "Annotations").mkdir()
    (folder / "ImageSets" / "Main" / "cat_train.txt").write_text("2009_000001  1\n")
    (folder / "Annotations" / "2009_000001.xml").write_text("<annotation/>")
    for split, names in LISTS.items():
        (folder / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return truth


@pytest.fixture
def truth(tmp_path, rng):
    return write_voc(tmp_path / "VOCdevkit" / "VOC2012", rng)


def test_splits_are_the_lists_of_the_archive(truth, tmp_path):
    for split, names in LISTS.items():
        assert open_dataset("voc2012", split, tmp_path).names == names
    assert SPLITS["train"] + SPLITS["val"] == SPLITS["trainval"]


def test_labels_are_the_indices_of_the_palette_and_255_is_void(truth, tmp_path):
    dataset = open_dataset("voc2012", "trainval", tmp_path)
    for (image, labels), name in zip(dataset, dataset.names, strict=True):
        assert np.array_equal(labels, truth[name])
        assert labels.dtype == np.int64
        assert image.shape == (9, 12, 3)
    assert dataset.void == 255


def test_colours_are_those_of_the_development_kit():
    """As its `VOClabelcolormap` prints them, and as every picture of VOC labels shows them."""
    known = {"background": (0, 0, 0), "aeroplane": (128, 0, 0), "bird": (128, 128, 0), "person": (192, 128, 128)}
    known |= {"cat": (64, 0, 0), "train": (128, 192, 0), "tv/monitor": (0, 64, 128), "potted plant": (0, 64, 0)}
    assert {name: tuple(PALETTE[CLASSES.index(name)].tolist()) for name in known} == known
    assert colour_map()[255].tolist() == [224, 224, 192]
    assert len(np.unique(colour_map(), axis=0)) == 256


def test_the_test_split_has_no_labels_and_that_is_said(truth, tmp_path):
    with pytest.raises(ValueError, match="no published labels; report 'val'"):
        open_dataset("voc2012", "test", tmp_path)


def test_a_missing_image_missing_labels_and_labels_beyond_the_classes_are_named(truth, tmp_path):
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    (folder / "JPEGImages" / "2007_000032.jpg").unlink()
    (folder / "SegmentationClass" / "2008_000008.png").unlink()
    save(np.full((9, 12), 21), folder / "SegmentationClass" / "2007_000033.png")
    dataset = open_dataset("voc2012", "trainval", tmp_path)
    for index, message in enumerate(
        [r"file is missing: .*2007_000032\.jpg", r"labels are missing: .*2008_000008\.png", "holds the label 21"]
    ):
        with pytest.raises(DataError, match=message):
            dataset[index]


@pytest.fixture
def archive(server, tmp_path, rng):
    write_voc(tmp_path / "made" / "VOC2012", rng)
    path = server.folder / "VOCtrainval_11-May-2012.tar"
    with tarfile.open(path, "w") as file:
        file.add(tmp_path / "made" / "VOC2012", "VOCdevkit/VOC2012")
    return Archive(f"{server.url}/{path.name}", f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}")


def test_an_archive_of_that_form_is_fetched_and_only_what_is_needed_is_kept(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "download_voc2012", partial(download_voc2012, archive=archive, complete=False))
    dataset = open_dataset("voc2012", "train", tmp_path / "root", download=True)
    assert [labels.shape for _, labels in dataset] == [(9, 12), (9, 12)]
    assert sorted(path.name for path in dataset.folder.iterdir()) == ["ImageSets", "JPEGImages", "SegmentationClass"]
    assert not list(dataset.folder.rglob("cat_train.txt"))


def test_fewer_names_than_published_are_refused(archive, tmp_path):
    with pytest.raises(DownloadError, match="lists 2 images to train and must list 1464"):
        download_voc2012(tmp_path / "root", archive)
    assert not list((tmp_path / "root").iterdir())


def test_the_archive_is_the_one_of_may_2012_with_its_checksum():
    assert ARCHIVE.name == "VOCtrainval_11-May-2012.tar"
    assert ARCHIVE.checksum.startswith("md5:")
    assert len(ARCHIVE.checksum) == len("md5:") + 32

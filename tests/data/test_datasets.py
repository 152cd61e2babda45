"""What all data sets have in common, and the synthetic ones."""

import json

import numpy as np
import pytest
from PIL import Image

from segedu import data
from segedu.data.dataset import Dataset, FolderDataset
from segedu.data.drawn import SCENES
from segedu.data.images import DataError, read_image, read_labels
from tests.data.conftest import REAL, save

IN_FOLDERS = sorted(data.IN_FOLDERS)
ON_THIS_MACHINE = [name for name in IN_FOLDERS if data.IN_FOLDERS[name].find(REAL) and name != "folder"]


def test_the_names_are_those_that_the_course_promises():
    assert set(data.names()) == {"camvid", "isbi2012", "voc2012", "pet", "folder", "street", "tabletop", "cells"}


@pytest.mark.parametrize("name", data.names())
def test_every_data_set_has_splits_to_train_and_to_choose(name):
    assert {"train", "val"} <= set(data.splits(name))
    with pytest.raises(ValueError, match=r"split='none' must be one of train, val"):
        data.open_dataset(name, "none", ".")


def test_an_unknown_name_is_answered_with_the_names():
    for ask in (data.splits, lambda name: data.open_dataset(name, "train")):
        with pytest.raises(ValueError, match="name='cityscapes' must be one of camvid, isbi2012"):
            ask("cityscapes")


@pytest.mark.parametrize("name", [name for name in IN_FOLDERS if name != "folder"])
def test_what_is_not_found_is_said_with_the_way_out(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SEGEDU_DATA", str(tmp_path / "mine"))
    with pytest.raises(
        FileNotFoundError, match=rf"mine, .*cache\. Call open_dataset\('{name}', 'train', download=True\)"
    ):
        data.open_dataset(name, "train")


def check(dataset: Dataset, index: int) -> None:
    """The contract of every pair."""
    image, labels = dataset[index]
    assert image.dtype == np.uint8
    assert labels.dtype == np.int64
    assert image.shape == (*labels.shape, dataset.in_channels)
    assert dataset.size_of(index) == labels.shape
    assert set(np.unique(labels)) <= {*range(len(dataset.classes)), dataset.void}
    assert dataset.palette.dtype == np.uint8
    assert dataset.palette.shape == (len(dataset.classes), 3)
    assert len(dataset.names) == len(dataset)
    assert dataset.describe().startswith(f"{dataset.title}, {dataset.split}: {len(dataset)} images")


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("name", list(SCENES))
def test_drawn_scenes_are_pairs(name, split):
    dataset = data.open_dataset(name, split, length=5, size=(48, 64), void_width=1)
    assert len(dataset) == 5
    check(dataset, 3)
    image, labels = dataset[3]
    scene = SCENES[name](dataset.seed(3), (48, 64), 1)
    assert np.array_equal(image, scene.image[:, :, : dataset.in_channels])
    assert np.array_equal(labels, scene.labels)
    assert (labels == dataset.void).any()


def test_no_split_of_drawn_scenes_shares_a_scene_with_another():
    seeds = [data.open_dataset("street", split, length=10**6, size=32) for split in ("train", "val", "test")]
    drawn = [{dataset.seed(i) for i in (*range(1000), 10**6 - 1)} for dataset in seeds]
    assert len(drawn[0] | drawn[1] | drawn[2]) == 3 * 1001


def test_indices_slices_and_ends_behave_as_in_lists():
    dataset = data.open_dataset("cells", "train", length=3, size=32)
    assert np.array_equal(dataset[-1][0], dataset[2][0])
    assert [len(dataset[part]) for part in (slice(1, None), slice(5, 9), slice(None, None, 2))] == [2, 0, 2]
    assert len(list(dataset)) == 3
    for index in (3, -4):
        with pytest.raises(IndexError, match=f"index={index} must be at least -3 and below 3"):
            dataset[index]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"length": 0}, ValueError, "length=0"),
        ({"size": 3}, ValueError, "size=3"),
        ({"colour": "red"}, ValueError, "colour"),
    ],
)
def test_illegal_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        data.open_dataset("street", "train", **options)[0]


def test_every_folder_data_set_says_how_it_is_recognised(tmp_path):
    for kind in data.IN_FOLDERS.values():
        assert issubclass(kind, FolderDataset)
        assert not kind.holds(tmp_path)


def test_images_of_any_mode_become_rgb_or_grey(tmp_path, rng):
    grey = rng.integers(0, 256, (5, 7), dtype=np.uint8)
    path = save(grey, tmp_path / "grey.png")
    assert np.array_equal(read_image(path, 1)[:, :, 0], grey)
    assert np.array_equal(read_image(path), np.repeat(grey[:, :, None], 3, 2))
    with_alpha = save(rng.integers(0, 256, (5, 7, 4)), tmp_path / "alpha.png")
    assert read_image(with_alpha).shape == (5, 7, 3)


def test_sixteen_bits_are_refused_and_not_cut_off(tmp_path, rng):
    path = tmp_path / "deep.png"
    Image.fromarray(rng.integers(0, 65536, (5, 7), dtype=np.uint16)).save(path)
    with pytest.raises(DataError, match=r"deep\.png has more than 8 bits a channel .* convert it"):
        read_image(path)
    with pytest.raises(DataError, match=r"deep\.png must be an 8-bit image of one channel"):
        read_labels(path)


@pytest.mark.skipif(not ON_THIS_MACHINE, reason="no original data set is on this machine; SEGEDU_DATA may name them")
@pytest.mark.parametrize("name", ON_THIS_MACHINE)
def test_the_originals_are_pairs(name):
    for split in ("train", "val", "test"):
        check(data.open_dataset(name, split, REAL), 2)


@pytest.mark.slow
@pytest.mark.skipif("camvid" not in ON_THIS_MACHINE, reason="CamVid is not on this machine; SEGEDU_DATA may name it")
def test_class_shares_and_weights_of_camvid_are_those_counted_before():
    expected = json.loads((REAL / "camvid_stats.json").read_text())["train"]
    dataset = data.open_dataset("camvid", "train", REAL)
    pixels, present, total = np.zeros(12), np.zeros(12), np.zeros(3)
    for image, labels in dataset:
        counts = np.bincount(labels.ravel(), minlength=12)
        pixels += counts
        present += labels.size * (counts > 0)
        total += image.reshape(-1, 3).mean(axis=0)
    assert pixels.tolist() == expected["pixels"]
    np.testing.assert_allclose(pixels[:11] / pixels[:11].sum(), expected["share_of_labelled"], atol=1e-6)
    assert pixels[11] / pixels.sum() == pytest.approx(expected["void_share"])
    frequency = pixels[:11] / present[:11]
    np.testing.assert_allclose(np.median(frequency) / frequency, expected["median_freq_balancing"], rtol=1e-3)
    # The means were counted elsewhere, maybe on other files of the same pictures: these here are JPEG copies.
    np.testing.assert_allclose(total / len(dataset) / 255, expected["rgb_mean"], atol=1e-3)

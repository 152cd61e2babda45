import numpy as np
import pytest

from segedu.data.label_grid import CLASSES, PALETTE, label_grid, ragged_rows
from segedu.data.photographs import as_chw, names, photograph


@pytest.mark.parametrize("name", names())
def test_every_photograph_is_there_in_colour(name):
    image = photograph(name, size=(40, 60))
    assert image.shape == (40, 60, 3)
    assert image.dtype == np.uint8
    assert image.std() > 5


def test_a_photograph_equals_the_one_scikit_image_loads():
    from skimage.data import astronaut, coffee

    assert np.array_equal(photograph("astronaut"), astronaut())
    assert np.array_equal(photograph("coffee"), coffee())


def test_resizing_keeps_proportions_by_cutting_the_middle_out():
    whole, square = photograph("coffee"), photograph("coffee", size=400)
    assert np.array_equal(square, whole[:, 100:500])


def test_an_unknown_name_is_answered_with_the_names():
    with pytest.raises(ValueError, match=r"name='dog' must be one of astronaut, .*rocket"):
        photograph("dog")


@pytest.mark.parametrize("size", [0, (5, 0), (1, 2, 3)])
def test_an_impossible_size_is_refused(size):
    with pytest.raises(ValueError, match="size="):
        photograph("coffee", size=size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_as_chw_moves_channels_first_and_scales_to_one(dtype, rng):
    image = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    x = as_chw(image, dtype)
    assert x.dtype == dtype
    assert x.flags.c_contiguous
    y, column, channel = rng.integers(5), rng.integers(7), rng.integers(3)
    assert x[channel, y, column] == pytest.approx(image[y, column, channel] / 255)


def test_as_chw_refuses_floats_and_channels_first():
    with pytest.raises(TypeError, match="uint8"):
        as_chw(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match=r"\(3, 4, 4\)"):
        as_chw(np.zeros((3, 4, 4), np.uint8))


def test_the_label_grid_keeps_every_printed_number():
    grid = label_grid()
    assert grid.shape == (12, 36)
    assert grid.dtype == np.int64
    for row, printed in zip(grid, ragged_rows(), strict=True):
        assert row[: len(printed)].tolist() == printed
        assert set(row[len(printed) :].tolist()) <= {printed[-1]}


def test_the_label_grid_has_five_of_its_six_classes_besides_the_background():
    assert set(np.unique(label_grid()).tolist()) == {1, 2, 3, 4, 5}
    assert len(CLASSES) == len(PALETTE) == 6

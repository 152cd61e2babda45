import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from skimage import data as photographs

from segedu.data.augment import Colour, Compose, Crop, Elastic, Flip, Scale

VOID = 255
EVERY = [
    Flip(0.5, 0.5),
    Scale(0.4, 2.5),
    Crop((37, 90), VOID),
    Crop(20, None),
    Colour(),
    Elastic(VOID),
    Elastic(None, sigma=25.0, grid=4),
    Compose([Scale(), Elastic(VOID), Crop(48, VOID), Flip(), Colour()]),
]


def names(transform):
    return type(transform).__name__


@pytest.fixture
def pair(rng):
    """An image whose red channel is its label map times 20: what moves one must move the other."""
    labels = np.kron(rng.integers(0, 12, (7, 9)), np.ones((9, 9), np.int64))[:61, :77]
    image = rng.integers(0, 256, (*labels.shape, 3), dtype=np.uint8)
    image[:, :, 0] = labels * 20
    return image, labels


@pytest.mark.parametrize("transform", EVERY, ids=names)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_pair_stays_a_pair(transform, channels, pair, rng):
    image, labels = pair[0][:, :, :channels], pair[1]
    before = image.copy(), labels.copy()
    new_image, new_labels = transform(image, labels, rng)
    assert new_image.dtype == np.uint8
    assert new_labels.dtype == np.int64
    assert new_image.shape == (*new_labels.shape, channels)
    assert set(np.unique(new_labels)) <= {*np.unique(labels), VOID}
    assert np.array_equal(image, before[0])
    assert np.array_equal(labels, before[1])
    assert not np.shares_memory(new_image, image)
    assert not np.shares_memory(new_labels, labels)


@pytest.mark.parametrize("transform", EVERY, ids=names)
def test_the_same_random_numbers_give_the_same_pair_and_others_another(transform, pair):
    draws = [transform(*pair, np.random.default_rng(seed)) for seed in (1, 1, *range(2, 12))]
    for first, again in zip(draws[0], draws[1], strict=True):
        assert np.array_equal(first, again)
    assert len({image.tobytes() for image, _ in draws}) > 1


@pytest.mark.parametrize("transform", [Flip(0.5, 0.5), Crop((30, 50), VOID), Crop(90, None)], ids=names)
def test_where_pixels_only_move_image_and_labels_move_alike(transform, pair, rng):
    for _ in range(5):
        image, labels = transform(*pair, rng)
        inside = labels != VOID
        assert inside.any()
        assert np.array_equal(image[:, :, 0][inside], 20 * labels[inside])


@pytest.mark.parametrize("transform", [Scale(0.8, 2.0), Elastic(VOID), Elastic(None)], ids=names)
def test_where_pixels_are_interpolated_they_agree_but_at_borders_between_classes(transform, pair, rng):
    for _ in range(5):
        image, labels = transform(*pair, rng)
        inside = labels != VOID
        agree = np.abs(image[:, :, 0].astype(int) - 20 * labels) <= 1
        assert agree[inside].mean() > 0.5
        moved = np.abs(image[:, :, 0].astype(int) - 20 * np.roll(labels, 6, 1)) <= 1
        assert agree[inside].mean() > moved[inside].mean() + 0.2


def test_flips_are_numpys(pair, rng):
    both = Flip(1.0, 1.0)(*pair, rng)
    for new, old in zip(both, pair, strict=True):
        assert np.array_equal(new, old[::-1, ::-1])
    for new, old in zip(Flip(0.0, 0.0)(*pair, rng), pair, strict=True):
        assert np.array_equal(new, old)


def test_flips_happen_as_often_as_their_probabilities(rng):
    labels = np.array([[1, 2], [3, 4]])
    image = np.zeros((2, 2, 1), np.uint8)
    first = np.array([Flip(0.5, 0.1)(image, labels, rng)[1][0, 0] for _ in range(1500)])
    assert np.isin(first, (2, 4)).mean() == pytest.approx(0.5, abs=0.05)
    assert np.isin(first, (3, 4)).mean() == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("factor", [0.37, 1.0, 1.6, 3.0])
def test_scaled_labels_are_pytorchs_nearest_exact(factor, pair, rng):
    image, labels = Scale(factor, factor)(*pair, rng)
    size = [round(side * factor) for side in pair[1].shape]
    expected = torch.nn.functional.interpolate(torch.tensor(pair[1])[None, None].float(), size, mode="nearest-exact")
    assert np.array_equal(labels, expected[0, 0].numpy())
    smooth = torch.nn.functional.interpolate(
        torch.tensor(pair[0]).permute(2, 0, 1)[None], size, mode="bilinear", antialias=True
    )
    assert np.abs(image.astype(int) - smooth[0].permute(1, 2, 0).numpy()).max() <= 1


def test_scales_lie_in_their_range_and_halves_are_as_frequent_as_doubles(rng):
    pair = np.zeros((100, 100, 1), np.uint8), np.zeros((100, 100), np.int64)
    sides = np.array([Scale(0.5, 2.0)(*pair, rng)[1].shape[0] for _ in range(400)])
    assert sides.min() >= 50
    assert sides.max() <= 200
    assert (sides < 100).mean() == pytest.approx(0.5, abs=0.1)


def test_a_crop_is_a_window_and_reaches_every_place(pair, rng):
    tops = set()
    rows = np.repeat(np.arange(61)[:, None], 77, 1)
    for _ in range(300):
        image, labels = Crop((50, 70), VOID)(pair[0], rows, rng)
        top = labels[0, 0]
        tops.add(int(top))
        assert np.array_equal(labels, rows[top : top + 50, :70])
        assert image.shape == (50, 70, 3)
    assert tops == set(range(12))


def test_a_crop_larger_than_the_picture_reflects_the_image_and_calls_the_new_pixels_void(pair, rng):
    image, labels = Crop((81, 77), VOID)(*pair, rng)
    assert np.array_equal(image[10:71], pair[0])
    assert np.array_equal(image[:10], pair[0][:10][::-1])
    assert np.array_equal(image[71:], pair[0][-10:][::-1])
    assert np.array_equal(labels[10:71], pair[1])
    assert (labels[:10] == VOID).all()
    assert (labels[71:] == VOID).all()


def test_without_a_void_label_labels_are_reflected_like_the_image(pair, rng):
    for transform in (Crop((200, 200), None), Elastic(None, sigma=40.0)):
        image, labels = transform(*pair, rng)
        assert labels.max() < 12
        assert (np.abs(image[:, :, 0].astype(int) - 20 * labels) <= 1).mean() > 0.5


def test_colours_keep_labels_and_zero_amounts_keep_the_image(pair, rng):
    image, labels = Colour(0.5, 0.5, 0.5)(*pair, rng)
    assert np.array_equal(labels, pair[1])
    assert not np.array_equal(image, pair[0])
    assert np.array_equal(Colour(0, 0, 0)(*pair, rng)[0], pair[0])


def test_brightness_contrast_and_saturation_change_what_their_names_say(rng):
    image = rng.integers(90, 160, (40, 50, 3), dtype=np.uint8)
    labels = np.zeros((40, 50), np.int64)
    brighter = Colour(0.3, 0, 0)(image, labels, np.random.default_rng(1))[0].astype(float)
    ratio = brighter / image
    assert ratio.std() < 0.01
    assert 0.7 <= ratio.mean() <= 1.3
    stretched = Colour(0, 0.5, 0)(image, labels, rng)[0].astype(float)
    assert stretched.mean() == pytest.approx(image.mean(), abs=0.5)
    assert abs(stretched.std() / image.std() - 1) > 0.001
    faded = Colour(0, 0, 1)(image, labels, rng)[0].astype(float)
    assert np.allclose(faded.mean(axis=2), image.mean(axis=2), atol=1)
    grey = np.repeat(image[:, :, :1], 3, axis=2)
    assert np.array_equal(Colour(0, 0, 1)(grey, labels, rng)[0], grey)


@pytest.mark.parametrize("size", [(61, 77), (40, 3)])
def test_displacements_are_pytorchs_bicubic_interpolation_of_the_coarse_grid(size):
    elastic = Elastic(VOID, sigma=10.0, grid=3)
    fine = elastic.displacements(size, np.random.default_rng(4))
    coarse = torch.tensor(np.random.default_rng(4).normal(0, 10, (2, 3, 3)))[None]
    expected = torch.nn.functional.interpolate(coarse, size, mode="bicubic", align_corners=True)
    np.testing.assert_allclose(fine, expected[0].numpy(), atol=1e-10)


def test_displacements_of_the_grid_have_ten_pixels_standard_deviation(rng):
    corners = np.array([Elastic(VOID).displacements((50, 60), rng)[:, ::49, ::59] for _ in range(200)])
    assert corners.std() == pytest.approx(10, rel=0.1)
    assert abs(corners.mean()) < 1.5


def test_an_elastic_image_is_scipys_bilinear_sample_at_the_displaced_places(pair):
    elastic = Elastic(VOID)
    image, labels = elastic(*pair, np.random.default_rng(9))
    places = np.indices(pair[1].shape) + elastic.displacements(pair[1].shape, np.random.default_rng(9))
    for channel in range(3):
        expected = map_coordinates(pair[0][:, :, channel].astype(float), places, order=1, mode="reflect")
        np.testing.assert_allclose(image[:, :, channel], expected, atol=0.51)
    nearest = np.rint(places).astype(int)
    outside = ((nearest < 0) | (nearest >= np.array(pair[1].shape)[:, None, None])).any(axis=0)
    assert outside.any()
    assert (labels[outside] == VOID).all()
    rows, columns = nearest[:, ~outside]
    assert np.array_equal(labels[~outside], pair[1][rows, columns])


def test_no_deformation_leaves_the_pair_as_it_was(pair, rng):
    for new, old in zip(Elastic(VOID, sigma=0)(*pair, rng), pair, strict=True):
        assert np.array_equal(new, old)


def test_labels_drawn_on_a_photograph_stay_on_its_things(rng):
    """Bright coins are labelled where the photograph is bright; after every change they still are."""
    grey = photographs.coins()
    image, labels = grey[:, :, None].copy(), (grey > 110).astype(np.int64)
    change = Compose([Scale(0.9, 1.8), Elastic(VOID), Crop(200, VOID), Flip(0.5, 0.5)])
    new_image, new_labels = change(image, labels, rng)
    inside = new_labels != VOID
    assert ((new_image[:, :, 0] > 110) == new_labels)[inside].mean() > 0.93


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Flip(1.5), "horizontal=1.5"),
        (lambda: Scale(2.0, 1.0), "smallest=2.0"),
        (lambda: Scale(0.0), r"smallest=0\.0"),
        (lambda: Crop((3, 4, 5), VOID), "size="),
        (lambda: Crop(0, VOID), "size=0"),
        (lambda: Colour(contrast=-0.1), r"contrast=-0\.1"),
        (lambda: Elastic(VOID, sigma=-1), "sigma=-1"),
        (lambda: Elastic(VOID, grid=1), "grid=1"),
    ],
)
def test_illegal_amounts_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


@pytest.mark.parametrize("transform", EVERY[:-1], ids=names)
def test_what_is_no_pair_is_refused(transform, pair, rng):
    image, labels = pair
    for bad in [(image / 255, labels), (image[:, :, 0], labels), (image, labels[1:]), (image, labels.astype(float))]:
        with pytest.raises(TypeError, match="must be"):
            transform(*bad, rng)
    with pytest.raises(ValueError, match="no pixels"):
        transform(image[:0], labels[:0], rng)

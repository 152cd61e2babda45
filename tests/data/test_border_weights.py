import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from skimage.measure import label as connected

from segedu.data.border_weights import border_weights
from segedu.data.isbi2012 import ISBI2012
from segedu.data.synthetic import cells
from tests.data.conftest import REAL


def by_definition(labels, w0, sigma, class_weights, instances):
    """Equation 2 of the U-Net paper, with a distance map over the whole image for every cell."""
    maps = [distance_transform_edt(instances != number) for number in np.unique(instances[instances > 0])]
    first, second = np.sort([np.full(labels.shape, np.inf)] * 2 + maps, axis=0)[:2]
    border = w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2))
    return np.array(class_weights)[labels] + np.where(labels == 0, border, 0)


@pytest.mark.parametrize(("w0", "sigma"), [(10.0, 5.0), (3.0, 1.5)])
def test_weights_are_those_of_the_papers_equation(rng, w0, sigma):
    scene = cells(int(rng.integers(1000)), (90, 121))
    expected = by_definition(scene.labels, w0, sigma, (1.5, 0.8), connected(scene.labels, connectivity=1))
    weights = border_weights(scene.labels, w0, sigma, (1.5, 0.8))
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    assert expected.max() > 1.5 + w0 / 3


def test_touching_cells_are_told_apart_by_their_numbers(rng):
    labels = np.ones((9, 20), np.int64)
    labels[:, 9] = 0
    labels[4, 9] = 1  # a bridge makes one connected piece of two cells
    numbers = np.where(np.arange(20) < 9, 1, 2) * (labels > 0)
    assert border_weights(labels).max() == 1
    np.testing.assert_allclose(border_weights(labels, instances=numbers)[0, 9], 1 + 10 * np.exp(-4 / 50), rtol=1e-6)


@pytest.mark.parametrize("count", [0, 1])
def test_without_two_cells_there_is_no_border(count):
    labels = np.zeros((12, 15), np.int64)
    labels[3:6, 4:9] = count
    assert np.array_equal(border_weights(labels), np.ones((12, 15), np.float32))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": np.array([[0, 2]])}, "must be H×W and hold 0 and 1"),
        ({"labels": np.zeros(3, int)}, r"shape \(3,\)"),
        ({"labels": np.zeros((2, 2), int), "sigma": 0}, "sigma=0"),
        ({"labels": np.zeros((2, 2), int), "instances": np.zeros((2, 3), int)}, r"shape \(2, 3\)"),
    ],
)
def test_illegal_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        border_weights(**arguments)


@pytest.mark.slow
@pytest.mark.skipif(not ISBI2012.find(REAL), reason="ISBI 2012 is not on this machine; SEGEDU_DATA may name it")
def test_weights_of_a_real_slice_are_those_of_the_papers_equation():
    _, labels = ISBI2012.open("train", REAL)[3]
    expected = by_definition(labels, 10, 5, (1, 1), connected(labels, connectivity=1))
    np.testing.assert_allclose(border_weights(labels), expected, atol=1e-5)

import numpy as np
import pytest
from skimage.measure import label as connected

from segedu.data.photographs import photograph
from segedu.data.polygons import PANOPTIC_BASE, masked_names, photograph_masks


@pytest.mark.parametrize("name", masked_names())
def test_masks_are_as_large_as_the_photograph(name):
    masks = photograph_masks(name)
    assert np.array_equal(masks.image, photograph(name))
    assert masks.semantic.shape == masks.instances.shape == masks.panoptic.shape == masks.image.shape[:2]
    assert masks.semantic.dtype == masks.instances.dtype == masks.panoptic.dtype == np.int64


@pytest.mark.parametrize("name", masked_names())
def test_every_class_occurs_and_has_a_colour(name):
    masks = photograph_masks(name)
    assert np.unique(masks.semantic).tolist() == list(range(len(masks.classes)))
    assert len(masks.things) == len(masks.palette) == len(masks.classes)


@pytest.mark.parametrize("name", masked_names())
def test_things_are_counted_from_one_and_stuff_is_zero(name):
    masks = photograph_masks(name)
    is_thing = np.array(masks.things)[masks.semantic]
    assert np.array_equal(masks.instances > 0, is_thing)
    assert np.unique(masks.instances).tolist() == list(range(masks.instances.max() + 1))


@pytest.mark.parametrize("name", masked_names())
def test_segments_describe_the_panoptic_map(name):
    masks = photograph_masks(name)
    assert sum(segment.area for segment in masks.segments) == masks.panoptic.size
    assert len({segment.name for segment in masks.segments}) == len(masks.segments)
    for segment in masks.segments:
        inside = masks.panoptic == segment.label * PANOPTIC_BASE + segment.instance
        top, left, bottom, right = segment.box
        assert inside.sum() == segment.area
        assert inside[top:bottom, left:right].sum() == segment.area
        assert inside[top].any()
        assert inside[bottom - 1].any()
        assert inside[:, left].any()
        assert inside[:, right - 1].any()


def test_the_cup_parts_the_spoon_into_two_pieces_of_one_instance():
    masks = photograph_masks("coffee")
    spoon = masks.semantic == masks.classes.index("spoon")
    assert connected(spoon).max() == 2
    assert len(np.unique(masks.instances[spoon])) == 1


def test_there_are_24_coins_that_do_not_touch():
    masks = photograph_masks("coins")
    assert masks.instances.max() == 24
    assert connected(masks.semantic).max() == 24


def test_the_coins_are_where_the_photograph_is_bright():
    masks = photograph_masks("coins")
    grey = masks.image[:, :, 0].astype(float)
    columns = np.arange(grey.shape[1])
    assert masks.image[masks.semantic == 1].mean() > 1.5 * masks.image[masks.semantic == 0].mean()
    for segment in masks.segments[1:]:
        inside = masks.instances == segment.instance
        near = np.zeros_like(inside)
        top, left, bottom, right = segment.box
        near[max(0, top - 4) : bottom + 4, max(0, left - 4) : min(right + 4, columns.size)] = True
        assert grey[inside].mean() > grey[near & ~inside].mean() + 20


def test_an_unknown_photograph_is_answered_with_the_names():
    with pytest.raises(ValueError, match="must be one of astronaut, coffee, coins"):
        photograph_masks("chelsea")

import time

import numpy as np
import pytest
from skimage.measure import label as connected

from segedu.data.scenes import canvas
from segedu.data.scenes.scene import VOID, void_borders
from segedu.data.synthetic import cells, street, tabletop

SCENES = [street, tabletop, cells]
STUFF = {street: {0, 1, 2, 3}, tabletop: {0, 1}, cells: {0}}


@pytest.mark.parametrize("draw", SCENES)
def test_a_seed_always_draws_the_same_scene(draw):
    first, again, other = draw(7, (96, 128)), draw(7, (96, 128)), draw(8, (96, 128))
    for part in ("image", "labels", "instances"):
        assert np.array_equal(getattr(first, part), getattr(again, part))
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("draw", SCENES)
@pytest.mark.parametrize("size", [(64, 64), (90, 121), (121, 90)])
def test_a_scene_has_the_size_and_types_it_promises(draw, size):
    scene = draw(1, size)
    assert scene.image.shape == (*size, 3)
    assert scene.image.dtype == np.uint8
    assert scene.labels.shape == scene.instances.shape == size
    assert scene.labels.dtype == scene.instances.dtype == np.int64
    assert scene.labels.min() >= 0
    assert scene.labels.max() < len(scene.classes) == len(scene.palette)
    assert len(np.unique(scene.palette, axis=0)) == len(scene.classes)


@pytest.mark.parametrize("draw", SCENES)
@pytest.mark.parametrize("size", [(256, 256), (180, 240)])
def test_twenty_scenes_show_every_class_often(draw, size):
    seen = [np.unique(draw(seed, size).labels) for seed in range(20)]
    for k in range(len(draw(0).classes)):
        assert sum(k in labels for labels in seen) >= 18


@pytest.mark.parametrize("draw", SCENES)
def test_things_have_instances_and_stuff_has_none(draw):
    scene = draw(3)
    for k in range(len(scene.classes)):
        numbers = scene.instances[scene.labels == k]
        if k in STUFF[draw]:
            assert (numbers == 0).all()
        elif draw is not street or k != 4:  # trees on the horizon are not told apart
            assert (numbers > 0).all()


@pytest.mark.parametrize("draw", SCENES)
def test_an_instance_has_one_class(draw):
    scene = draw(5)
    for number in np.unique(scene.instances)[1:]:
        assert len(np.unique(scene.labels[scene.instances == number])) == 1


def test_each_cell_is_one_connected_piece():
    scene = cells(2)
    assert connected(scene.instances, connectivity=1).max() == scene.instances.max()


def test_cells_are_brighter_than_membranes():
    scene = cells(4)
    assert scene.image[scene.labels == 1].mean() > 2 * scene.image[scene.labels == 0].mean()


def test_a_scene_twice_as_large_shows_the_same_things():
    small, large = tabletop(6, (128, 128)), tabletop(6, (256, 256))
    agreement = (small.labels == large.labels[::2, ::2]).mean()
    assert agreement > 0.97


@pytest.mark.parametrize("draw", SCENES)
def test_void_lies_at_borders_only_and_changes_no_other_label(draw):
    plain, voided = draw(1, (96, 96)), draw(1, (96, 96), void_width=2)
    void = voided.labels == VOID
    assert void.any()
    assert np.array_equal(voided.labels[~void], plain.labels[~void])
    assert np.array_equal(voided.image, plain.image)


def test_void_borders_by_the_definition(rng):
    labels = np.repeat(np.repeat(rng.integers(0, 3, (3, 4)), 4, 0), 4, 1)
    width = 2
    expected = labels.copy()
    for y, x in np.ndindex(labels.shape):
        for v, u in np.ndindex(labels.shape):
            if (v - y) ** 2 + (u - x) ** 2 <= width**2 and labels[v, u] != labels[y, x]:
                expected[y, x] = VOID
    assert np.array_equal(void_borders(labels, width), expected)
    assert np.array_equal(void_borders(labels, 0), labels)


def test_a_negative_void_width_is_refused():
    with pytest.raises(ValueError, match="width=-1"):
        void_borders(np.zeros((2, 2), int), -1)


@pytest.mark.parametrize("draw", SCENES)
@pytest.mark.parametrize("size", [8, (64, 8), (64, 64, 3)])
def test_a_size_too_small_is_refused(draw, size):
    with pytest.raises(ValueError, match="size="):
        draw(0, size)


@pytest.mark.parametrize("draw", SCENES)
def test_a_scene_of_256_pixels_takes_less_than_0_3_seconds(draw):
    times = []
    for seed in range(4):
        start = time.process_time()
        draw(seed)
        times.append(time.process_time() - start)
    assert min(times) < 0.3


def shapes(rng):
    x, y, r = rng.uniform(60, 200), rng.uniform(60, 200), rng.uniform(20, 45)
    return [
        (canvas.circle(x, y, r), np.pi * r * r),
        (canvas.ellipse(x, y, r, r / 2), np.pi * r * r / 2),
        (canvas.rounded_box(x - r, y - r, x + r, y + r / 2), 3 * r * r),
        (canvas.polygon([(x - r, y), (x, y - r), (x + r, y), (x, y + r)]), 2 * r * r),
        (canvas.capsule(x - r, y, x + r, y, r / 2), 2 * r * r + np.pi * r * r / 4),
        (canvas.minus(canvas.circle(x, y, r), canvas.circle(x, y, r / 2)), 0.75 * np.pi * r * r),
        (canvas.union(canvas.circle(x, y, r), canvas.circle(x, y, r / 2)), np.pi * r * r),
        (canvas.common(canvas.circle(x, y, r), canvas.circle(x, y, r / 2)), np.pi * r * r / 4),
    ]


@pytest.mark.parametrize("number", range(8))
def test_a_shape_covers_its_area(number, rng):
    shape, area = shapes(rng)[number]
    drawing = canvas.Canvas(512, 512)
    drawing.paint(shape, (1, 1, 1), label=1)
    scale = drawing.scale**2
    assert drawing.labels.sum() / scale == pytest.approx(area, rel=0.02)
    assert drawing.image[:, :, 0].sum() / scale == pytest.approx(area, rel=0.02)


def test_labels_are_hard_and_images_smooth_at_edges():
    drawing = canvas.Canvas(64, 64)
    drawing.paint(canvas.circle(128, 128, 80), (1, 1, 1), label=1)
    assert set(np.unique(drawing.labels)) == {0, 1}
    blended = (drawing.image[:, :, 0] > 0.05) & (drawing.image[:, :, 0] < 0.95)
    assert blended.sum() > 40

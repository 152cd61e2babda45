import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from segedu.data.label_grid import PALETTE, label_grid
from segedu.data.photographs import photograph
from segedu.data.polygons import photograph_masks
from segedu.data.synthetic import street
from segedu.figures import (
    OKABE_ITO,
    arrays_row,
    borders,
    class_palette,
    colourise,
    draw_array,
    draw_boxes,
    draw_image,
    error_map,
    images_row,
    label_legend,
    labels_figure,
    layer_diagram,
    overlay,
    use_style,
)
from segedu.figures.palette import contrast


@pytest.fixture(autouse=True)
def styled():
    with plt.rc_context():
        plt.switch_backend("agg")
        use_style()
        yield
    plt.close("all")


def text_boxes(fig):
    """Every visible text of a figure with its box, in pixels."""
    renderer = fig.canvas.get_renderer()
    fig.draw(renderer)
    texts = list(fig.texts)
    for ax in fig.axes:
        texts += [*ax.texts, ax.title]
    for legend in fig.legends:
        texts += legend.get_texts()
    return [(text, text.get_window_extent(renderer)) for text in texts if text.get_visible() and text.get_text()]


def assert_no_text_is_cut(fig):
    boxes = text_boxes(fig)
    assert boxes
    for text, box in boxes:
        assert box.x0 >= -0.5, text.get_text()
        assert box.y0 >= -0.5, text.get_text()
        assert box.x1 <= fig.bbox.width + 0.5, text.get_text()
        assert box.y1 <= fig.bbox.height + 0.5, text.get_text()


def assert_no_texts_overlap(fig):
    boxes = text_boxes(fig)
    for i, (first, a) in enumerate(boxes):
        for second, b in boxes[i + 1 :]:
            across = min(a.x1, b.x1) - max(a.x0, b.x0)
            down = min(a.y1, b.y1) - max(a.y0, b.y0)
            assert across < 1 or down < 1, (first.get_text(), second.get_text())


def row_of_arrays(rng):
    return arrays_row(
        [rng.normal(size=(6, 6)), np.array([[np.nan, -np.inf], [np.inf, -12345.6]]), rng.random((3, 3)) > 0.5],
        ["floats", "odd ones", "a long title over a small array"],
        ["∗", "="],
        [None, "its caption", "two\nlines"],
        [[(0, 0, 2, 2), (1, 1, 3, 3, "#D55E00")], None, [(0, 0)]],
    )


def row_of_images(rng):
    titles = ["a cup of coffee", "a title so long that it does not fit over one image at all", "coins"]
    return images_row([photograph("coffee", 90), rng.random((20, 30)), photograph("coins")], titles, columns=2)


def narrow_image(rng):
    fig = images_row([rng.random((80, 10))], ["incomprehensibilities"])
    label_legend(fig, ["background", "membrane of a cell"], class_palette(2), void=True)
    return fig


def labelled_street(rng):
    scene = street(1, (96, 128), void_width=1)
    return labels_figure(scene.image, scene.labels, scene.classes, scene.palette, scene.void)


def the_label_grid(rng):
    return arrays_row([label_grid()], ["the label grid"], palette=PALETTE, numbers=True)


def alexnet(rng):
    blocks = [
        ("image", 3, 227, 227),
        ("conv1", 96, 55, 55),
        ("conv5", 256, 13, 13),
        ("fc6", 4096, 1, 1),
        ("fc8", 1000, 1, 1),
    ]
    return layer_diagram(blocks, ["11×11, /4", None, "6×6", "1×1"])


def skipping(rng):
    blocks = [("x", 8, 64, 64), ("y", 16, 32, 32), ("z", 32, 16, 16), ("u", 16, 32, 32), ("v", 8, 64, 64)]
    return layer_diagram(blocks, skips=[(1, 3, "copy"), (0, 4, "copy and crop")])


def two_rows(rng):
    return layer_diagram([("in", 1, 572, 572), ("", 64, 568, 568), ("out", 128, 280, 280)], columns=2, height=1.5)


FIGURES = [row_of_arrays, row_of_images, narrow_image, labelled_street, the_label_grid, alexnet, skipping, two_rows]


@pytest.mark.parametrize("draw", FIGURES)
def test_no_text_is_cut_and_no_two_texts_overlap(draw, rng):
    fig = draw(rng)
    assert_no_text_is_cut(fig)
    assert_no_texts_overlap(fig)


@pytest.mark.parametrize("draw", FIGURES)
def test_a_figure_fits_a_slide(draw, rng):
    width, height = draw(rng).get_size_inches() * 110
    assert width <= 1460
    assert height <= 1000


@pytest.mark.parametrize("cmap", ["cividis", "viridis", "RdBu"])
def test_numbers_in_cells_have_a_contrast_of_at_least_4_5(cmap):
    fig, ax = plt.subplots()
    draw_array(ax, np.linspace(-3, 3, 144).reshape(12, 12), cmap=cmap)
    colours = ax.images[0].get_array().reshape(-1, 4)
    for text, background in zip(ax.texts, colours, strict=True):
        assert contrast(to_rgb(text.get_color()), background[:3]) >= 4.5
    plt.close(fig)


def test_numbers_on_class_colours_have_a_contrast_of_at_least_4_5():
    _, ax = plt.subplots()
    draw_array(ax, np.arange(14), palette=class_palette(14))
    for text, background in zip(ax.texts, ax.images[0].get_array().reshape(-1, 4), strict=True):
        assert contrast(to_rgb(text.get_color()), background[:3]) >= 4.5


def test_numbers_stay_inside_their_cells(rng):
    fig = arrays_row([rng.normal(size=(5, 5)) * 100, np.array([[-np.inf, 0.001], [-12345.6, 1e9]])])
    for ax in fig.axes:
        boxes = [box for text, box in text_boxes(fig) if text.axes is ax]
        columns = round(abs(np.diff(ax.get_xlim())[0]) - 0.16)
        assert max(box.width for box in boxes) <= ax.get_window_extent().width / columns


def test_large_arrays_are_drawn_without_numbers(rng):
    _, ax = plt.subplots()
    draw_array(ax, rng.random((20, 20)))
    assert not ax.texts


def test_equal_numbers_have_equal_colours_when_the_scale_is_shared():
    fig = arrays_row([np.array([[0.0, 1.0]]), np.array([[1.0, 9.0]])], share_scale=True)
    first, second = (ax.images[0].get_array() for ax in fig.axes)
    assert np.array_equal(first[0, 1], second[0, 0])


def test_nan_and_infinities_are_grey_and_do_not_move_the_scale():
    _, axes = plt.subplots(1, 2)
    draw_array(axes[0], np.array([[1.0, 2.0, -np.inf, np.nan]]))
    draw_array(axes[1], np.array([[1.0, 2.0]]))
    odd, plain = (ax.images[0].get_array() for ax in axes)
    assert np.array_equal(odd[0, :2], plain[0])
    assert np.array_equal(odd[0, 2], odd[0, 3])


@pytest.mark.parametrize("array", [np.zeros((2, 3, 4)), np.zeros((0, 3)), np.float64(3)])
def test_arrays_that_cannot_be_drawn_are_refused(array):
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="array has shape"):
        draw_array(ax, array)


@pytest.mark.parametrize("window", [(0,), (5, 0), (0, 0, 0, 1), (0, 0, 1, 1, 1)])
def test_a_window_off_the_array_is_refused(window):
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="highlight="):
        draw_array(ax, np.eye(4), highlight=[window])


def test_wrong_counts_are_named():
    with pytest.raises(ValueError, match="operators has 2 entries and must have 1"):
        arrays_row([np.eye(2), np.eye(2)], operators=["→", "→"])
    with pytest.raises(ValueError, match="titles has 1 entries"):
        images_row([np.eye(2), np.eye(2)], ["one"])


def test_every_pixel_has_the_colour_of_its_class(rng):
    labels, palette = rng.integers(0, 9, (13, 17)), class_palette(9)
    labels[0, 0] = 255
    colours = colourise(labels, palette, void=255)
    assert colours.dtype == np.uint8
    for y, x in np.ndindex(labels.shape):
        expected = (255, 255, 255) if labels[y, x] == 255 else palette[labels[y, x]]
        assert tuple(colours[y, x]) == tuple(expected)


def test_a_label_without_a_colour_is_refused():
    with pytest.raises(ValueError, match="labels holds 3 and must hold 0 to 2"):
        colourise(np.array([[3]]), class_palette(3))
    with pytest.raises(ValueError, match="labels holds -1"):
        colourise(np.array([[-1]]), class_palette(3))
    with pytest.raises(TypeError, match="float64"):
        colourise(np.zeros((2, 2)), class_palette(3))


def test_an_overlay_lies_between_image_and_labels(rng):
    image, labels, palette = (
        rng.integers(0, 256, (9, 11, 3), dtype=np.uint8),
        rng.integers(0, 3, (9, 11)),
        class_palette(3),
    )
    assert np.array_equal(overlay(image, labels, palette, alpha=0, outline=False), image)
    assert np.array_equal(overlay(image, labels, palette, alpha=1, outline=False), colourise(labels, palette))
    half = overlay(image, labels, palette, alpha=0.5, outline=False).astype(int)
    assert np.abs(2 * half - image - colourise(labels, palette)).max() <= 2


def test_void_pixels_of_an_overlay_show_the_image(rng):
    image, labels = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8), rng.integers(0, 3, (9, 11))
    labels[4] = 255
    assert np.array_equal(overlay(image, labels, class_palette(3), void=255, outline=False)[4], image[4])


def test_borders_by_the_definition(rng):
    labels = rng.integers(0, 2, (7, 6))
    for y, x in np.ndindex(labels.shape):
        right = x + 1 < 6 and labels[y, x] != labels[y, x + 1]
        below = y + 1 < 7 and labels[y, x] != labels[y + 1, x]
        assert borders(labels)[y, x] == (right or below)


def test_shapes_that_differ_are_named():
    with pytest.raises(ValueError, match=r"\(3, 4\).*\(3, 5\)"):
        overlay(np.zeros((3, 5, 3), np.uint8), np.zeros((3, 4), int), class_palette(1))
    with pytest.raises(ValueError, match="prediction has shape"):
        error_map(np.zeros((3, 4), int), np.zeros((4, 3), int))
    with pytest.raises(ValueError, match="image has shape"):
        images_row([np.zeros((3, 4, 4))])
    with pytest.raises(ValueError, match="alpha=2"):
        overlay(np.zeros((3, 4, 3), np.uint8), np.zeros((3, 4), int), class_palette(1), alpha=2)


def test_an_error_map_marks_wrong_pixels_and_leaves_void_out(rng):
    prediction, target = rng.integers(0, 3, (8, 8)), rng.integers(0, 3, (8, 8))
    target[0] = 255
    colours = error_map(prediction, target, void=255)
    wrong = (colours == (213, 94, 0)).all(2)
    assert np.array_equal(wrong[1:], prediction[1:] != target[1:])
    assert (colours[0] == 255).all()


def test_class_colours_are_all_different_and_the_first_eight_are_okabe_and_itos():
    palette = class_palette(40)
    assert len(np.unique(palette, axis=0)) == 40
    assert sorted(palette[:8].tolist()) == sorted(OKABE_ITO.tolist())
    with pytest.raises(ValueError, match="n=0"):
        class_palette(0)


def test_images_of_different_sizes_are_drawn_equally_high():
    fig = images_row([np.zeros((10, 20)), np.zeros((300, 100))], ["wide", "tall"])
    heights = [ax.get_window_extent().height for ax in fig.axes]
    assert heights[0] == pytest.approx(heights[1])
    shapes = [ax.get_window_extent().width / ax.get_window_extent().height for ax in fig.axes]
    assert shapes == pytest.approx([2, 1 / 3], rel=0.01)


def test_the_legend_lists_the_classes_that_occur():
    fig = labels_figure(np.zeros((20, 30)), np.ones((20, 30), int), ["sky", "road"], class_palette(2))
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["road"]


def test_boxes_stand_where_they_are_told():
    _, ax = plt.subplots()
    draw_image(ax, photograph("coffee"), "boxes")
    draw_boxes(ax, [(10, 20, 110, 220)], ["cup"])
    assert ax.patches[-1].get_bbox().bounds == (19.5, 9.5, 200, 100)
    with pytest.raises(ValueError, match=r"boxes\[0\]"):
        draw_boxes(ax, [(10, 20, 10, 30)])


def test_names_of_boxes_do_not_cover_one_another():
    fig = images_row([photograph("astronaut")])
    draw_boxes(fig.axes[0], photograph_masks("astronaut").boxes, ["shuttle", "flag", "person", "helmet"])
    assert_no_texts_overlap(fig)
    assert_no_text_is_cut(fig)


def test_a_diagram_refuses_what_it_cannot_draw():
    with pytest.raises(ValueError, match=r"blocks\[0\]=\('a', 3, 0, 1\)"):
        layer_diagram([("a", 3, 0, 1)])
    with pytest.raises(ValueError, match="operations has 1 entries"):
        layer_diagram([("a", 3, 1, 1)], ["conv"])
    with pytest.raises(ValueError, match="skips holds"):
        layer_diagram([("a", 3, 1, 1), ("b", 3, 1, 1)], skips=[(1, 0)])
    with pytest.raises(ValueError, match="different rows"):
        layer_diagram([("a", 3, 1, 1), ("b", 3, 1, 1)], skips=[(0, 1)], columns=1)


def test_the_widest_block_has_most_channels_and_the_highest_most_rows():
    fig = layer_diagram([("a", 64, 10, 10), ("b", 16, 40, 40)])
    fronts = [np.ptp(patch.get_xy(), axis=0) for patch in fig.axes[0].patches[:6:3]]
    assert fronts[0][0] == pytest.approx(2 * fronts[1][0])
    assert fronts[1][1] == pytest.approx(2 * fronts[0][1])

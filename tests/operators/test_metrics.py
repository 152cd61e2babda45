"""The metrics equal scikit-learn's, torchmetrics' and the published formulas, under every convention."""

import numpy as np
import pytest
import sklearn.metrics
import torch
import torchmetrics.detection
import torchmetrics.segmentation
from hypothesis import given
from hypothesis import strategies as st

import segedu.numpy_ops
from segedu import compare
from segedu.numpy_ops import _blocks
from tests.loops import metrics as loops
from tests.values import draw

MATRIX = np.array([[50, 5, 5], [10, 20, 0], [2, 3, 5]])
NAN = np.nan


def draw_labels(rng, shape, classes, ignore_index=None, dtype=np.int64):
    labels = rng.integers(0, classes, shape)
    if ignore_index is not None:
        labels = np.where(rng.random(shape) < 0.2, ignore_index, labels)
    return labels.astype(dtype)


class TestWorkedNumbers:
    """By hand, from one confusion matrix and from sets."""

    def test_of_the_confusion_matrix(self, ops):
        assert ops.pixel_accuracy(MATRIX) == 0.75
        assert ops.mean_accuracy(MATRIX).round(6) == 0.666667
        assert ops.iou(MATRIX).round(6).tolist() == [0.694444, 0.526316, 0.333333]
        assert ops.mean_iou(MATRIX).round(6) == 0.518031
        assert ops.frequency_weighted_iou(MATRIX).round(6) == 0.607895
        assert ops.class_dice(MATRIX).round(6).tolist() == [0.819672, 0.689655, 0.5]
        assert ops.mean_dice(MATRIX) == pytest.approx(ops.class_dice(MATRIX).mean())
        assert ops.class_accuracy(MATRIX) == pytest.approx([50 / 60, 20 / 30, 5 / 10])
        assert ops.micro_iou(MATRIX) == pytest.approx(75 / 125)

    def test_of_sets_of_equal_size(self, ops):
        a, b = np.arange(9) < 6, np.arange(9) >= 3
        assert ops.jaccard(a, b) == pytest.approx(1 / 3)
        assert ops.dice(a, b) == ops.cosine_coefficient(a, b) == 0.5

    def test_of_a_set_inside_another(self, ops):
        a, b = np.arange(9) < 4, np.arange(9) < 9
        assert ops.jaccard(a, b) == pytest.approx(4 / 9)
        assert ops.dice(a, b) == pytest.approx(8 / 13)
        assert ops.cosine_coefficient(a, b) == pytest.approx(2 / 3)

    def test_dice_and_jaccard_follow_from_each_other(self, ops):
        assert ops.class_dice(MATRIX) == pytest.approx(ops.jaccard_to_dice(ops.iou(MATRIX)))
        assert ops.iou(MATRIX) == pytest.approx(ops.dice_to_jaccard(ops.class_dice(MATRIX)))
        values = np.linspace(0, 1, 11)
        assert ops.dice_to_jaccard(ops.jaccard_to_dice(values)) == pytest.approx(values)


class TestConfusionMatrix:
    @pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int16, np.uint64])
    @pytest.mark.parametrize("shape", [(2, 7, 9), (300, 400), (11,), ()], ids=str)
    def test_equals_scikit_learn(self, ops, rng, shape, dtype):
        prediction, target = (draw_labels(rng, shape, 5, dtype=dtype) for _ in range(2))
        expected = sklearn.metrics.confusion_matrix(target.ravel(), prediction.ravel(), labels=range(5))
        compare.arrays(ops.confusion_matrix(prediction, target, 5), expected).check()

    @pytest.mark.parametrize("ignore_index", [255, -1, 0, 3, 7, 1000])
    def test_leaves_out_void(self, ops, rng, ignore_index):
        prediction, target = draw_labels(rng, (90, 80), 5), draw_labels(rng, (90, 80), 5, ignore_index)
        known = target != ignore_index
        expected = sklearn.metrics.confusion_matrix(target[known], prediction[known], labels=range(5))
        compare.arrays(ops.confusion_matrix(prediction, target, 5, ignore_index), expected).check()

    def test_takes_void_labels_of_small_dtypes(self, ops, rng):
        target = draw_labels(rng, (20, 30), 100, 255, np.uint8)
        prediction = draw_labels(rng, (20, 30), 100, dtype=np.uint8)
        expected = loops.confusion_matrix(prediction, target, 100, 255)
        assert ops.confusion_matrix(prediction, target, 100, 255).tolist() == expected

    def test_rows_are_the_truth(self, ops):
        matrix = ops.confusion_matrix(np.array([1, 1, 0]), np.array([0, 0, 0]), 2)
        assert matrix.tolist() == [[1, 2], [0, 0]]

    def test_for_each_image_adds_up_to_the_one_of_all(self, ops, rng):
        prediction, target = draw_labels(rng, (4, 8, 9), 3), draw_labels(rng, (4, 8, 9), 3, 255)
        matrices = ops.confusion_matrix(prediction, target, 3, 255, per_image=True)
        assert matrices.shape == (4, 3, 3)
        assert matrices.dtype == np.int64
        assert np.array_equal(matrices[2], ops.confusion_matrix(prediction[2], target[2], 3, 255))
        assert np.array_equal(matrices.sum(0), ops.confusion_matrix(prediction, target, 3, 255))

    def test_of_nothing_is_zero(self, ops):
        empty = np.zeros((0, 4, 4), np.int64)
        compare.arrays(ops.confusion_matrix(empty, empty, 2), np.zeros((2, 2), np.int64)).check()
        assert ops.confusion_matrix(empty, empty, 2, per_image=True).shape == (0, 2, 2)

    def test_takes_strided_maps(self, ops, rng):
        prediction, target = (draw_labels(rng, (40, 60), 4)[::2, ::3].T for _ in range(2))
        expected = loops.confusion_matrix(prediction, target, 4, None)
        assert ops.confusion_matrix(prediction, target, 4).tolist() == expected

    @pytest.mark.parametrize("prediction", [3, 255, -1])
    @pytest.mark.parametrize("ignore_index", [0, 9])
    def test_takes_any_prediction_at_void_pixels(self, ops, prediction, ignore_index):
        matrix = ops.confusion_matrix(np.array([prediction, 1]), np.array([ignore_index, 1]), 2, ignore_index)
        assert matrix.tolist() == [[0, 0], [0, 1]]

    def test_refuses_labels_that_name_no_class(self, ops):
        one = np.array([0, 11])
        with pytest.raises(ValueError, match="target holds 11; labels must lie in 0…10 or equal ignore_index=255"):
            ops.confusion_matrix(np.zeros(2, int), one, 11, 255)
        with pytest.raises(ValueError, match=r"target holds -1; labels must lie in 0…10$"):
            ops.confusion_matrix(np.zeros(2, int), -(one > 5).astype(int), 11)
        with pytest.raises(ValueError, match=r"prediction holds 11; labels must lie in 0…10$"):
            ops.confusion_matrix(one, np.zeros(2, int), 11, 255)
        with pytest.raises(ValueError, match="prediction holds 255"):
            ops.confusion_matrix(np.array([255]), np.array([0]), 11, 255)

    @pytest.mark.parametrize("ignore_index", [255, 1000, -100])
    def test_refuses_a_label_beside_void(self, ops, ignore_index):
        target = np.array([0, ignore_index, 2000])
        with pytest.raises(ValueError, match=f"target holds 2000; .* or equal ignore_index={ignore_index}"):
            ops.confusion_matrix(np.zeros(3, int), target, 11, ignore_index)

    def test_counts_more_than_a_million_pixels(self):
        prediction, target = np.zeros((1200, 1000), np.uint8), np.zeros((1200, 1000), np.uint8)
        prediction[:3] = target[-2:] = 1
        matrix = segedu.numpy_ops.confusion_matrix(prediction, target, 2)
        assert matrix.tolist() == [[1_195_000, 3000], [2000, 0]]

    def test_refuses_what_is_no_label_map(self, ops):
        zeros = np.zeros((2, 3), np.int64)
        with pytest.raises(TypeError, match="prediction has dtype float64; labels must be integers"):
            ops.confusion_matrix(zeros.astype(float), zeros, 2)
        with pytest.raises(TypeError, match="target has dtype bool; labels must be integers"):
            ops.confusion_matrix(zeros, zeros.astype(bool), 2)
        with pytest.raises(ValueError, match=r"prediction has shape \(2, 2\); .* the shape of target, \(2, 3\)"):
            ops.confusion_matrix(zeros[:, :2], zeros, 2)
        with pytest.raises(ValueError, match="num_classes=0 must be at least 1"):
            ops.confusion_matrix(zeros, zeros, 0)
        with pytest.raises(TypeError, match=r"ignore_index=2.0 must be an integer"):
            ops.confusion_matrix(zeros, zeros, 2, 2.0)
        with pytest.raises(ValueError, match="per_image=True needs images"):
            ops.confusion_matrix(np.array(0), np.array(0), 2, per_image=True)

    def test_does_not_depend_on_the_number_of_threads(self, ops, rng):
        prediction, target = draw_labels(rng, (500, 400), 6), draw_labels(rng, (500, 400), 6, 255)
        before = _blocks.get_num_threads()
        try:
            _blocks.set_num_threads(3)
            matrix = ops.confusion_matrix(prediction, target, 6, 255)
        finally:
            _blocks.set_num_threads(before)
        assert matrix.tolist() == loops.confusion_matrix(prediction, target, 6, 255)


@given(st.data())
def test_class_metrics_equal_scikit_learn_on_drawn_labels(ops, data):
    classes = data.draw(st.integers(1, 6), label="classes")
    pixels = data.draw(st.integers(1, 60), label="pixels")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    ignore_index = data.draw(st.sampled_from([None, 255, 0]), label="ignore_index")
    prediction, target = draw_labels(rng, pixels, classes), draw_labels(rng, pixels, classes, ignore_index)
    matrix = ops.confusion_matrix(prediction, target, classes, ignore_index)
    known = np.ones(pixels, bool) if ignore_index is None else target != ignore_index
    if not known.any():
        assert np.isnan(ops.pixel_accuracy(matrix))
        assert np.isnan(ops.mean_iou(matrix))
        assert np.isnan(ops.frequency_weighted_iou(matrix))
        return
    t, p = target[known], prediction[known]
    seen, true = np.union1d(t, p), np.unique(t)
    common = {"labels": seen, "zero_division": 0}
    for ours, theirs in ((ops.iou, sklearn.metrics.jaccard_score), (ops.class_dice, sklearn.metrics.f1_score)):
        expected = np.full(classes, NAN)
        expected[seen] = theirs(t, p, average=None, **common)
        np.testing.assert_allclose(ours(matrix), expected, rtol=1e-14)
    assert ops.pixel_accuracy(matrix) == pytest.approx(sklearn.metrics.accuracy_score(t, p))
    assert ops.mean_iou(matrix) == pytest.approx(sklearn.metrics.jaccard_score(t, p, average="macro", **common))
    assert ops.mean_dice(matrix) == pytest.approx(sklearn.metrics.f1_score(t, p, average="macro", **common))
    assert ops.micro_iou(matrix) == pytest.approx(sklearn.metrics.jaccard_score(t, p, average="micro", **common))
    assert ops.frequency_weighted_iou(matrix) == pytest.approx(
        sklearn.metrics.jaccard_score(t, p, average="weighted", **common)
    )
    assert ops.mean_accuracy(matrix) == pytest.approx(
        sklearn.metrics.recall_score(t, p, labels=true, average="macro", zero_division=0)
    )


class TestAbsentClasses:
    # class 0 in both, class 1 only predicted, class 2 only in the target, class 3 nowhere
    matrix = np.array([[3, 1, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]])

    def test_are_nan_and_left_out_of_the_mean(self, ops):
        np.testing.assert_array_equal(ops.iou(self.matrix), [3 / 6, 0, 0, NAN])
        assert ops.mean_iou(self.matrix) == pytest.approx(0.5 / 3)
        np.testing.assert_allclose(ops.class_dice(self.matrix), [6 / 9, 0, 0, NAN])
        np.testing.assert_array_equal(ops.class_accuracy(self.matrix), [3 / 4, NAN, 0, NAN])
        assert ops.mean_accuracy(self.matrix) == pytest.approx(0.75 / 2)

    def test_may_be_those_absent_from_the_target(self, ops):
        np.testing.assert_array_equal(ops.iou(self.matrix, present_in="target"), [3 / 6, NAN, 0, NAN])
        assert ops.mean_iou(self.matrix, present_in="target") == pytest.approx(0.25)
        np.testing.assert_allclose(ops.class_dice(self.matrix, present_in="target"), [6 / 9, NAN, 0, NAN])
        assert ops.mean_dice(self.matrix, present_in="target") == pytest.approx(1 / 3)

    @pytest.mark.parametrize("score", [0.0, 1.0])
    def test_may_be_given_a_score(self, ops, score):
        assert ops.iou(self.matrix, absent=score).tolist() == [3 / 6, 0, 0, score]
        assert ops.iou(self.matrix, absent=score, present_in="target").tolist() == [3 / 6, score, 0, score]
        assert ops.class_dice(self.matrix, absent=score).tolist() == pytest.approx([6 / 9, 0, 0, score])
        assert ops.mean_iou(self.matrix, absent=score) == pytest.approx((0.5 + score) / 4)
        assert ops.mean_dice(self.matrix, absent=score) == pytest.approx((6 / 9 + score) / 4)
        assert ops.mean_accuracy(self.matrix, absent=score) == pytest.approx((0.75 + 2 * score) / 4)

    def test_weigh_nothing(self, ops):
        assert ops.frequency_weighted_iou(self.matrix) == pytest.approx((4 * 0.5 + 2 * 0) / 6)
        assert ops.micro_iou(self.matrix) == pytest.approx(3 / (6 + 1 + 2))


class TestSeveralImages:
    # the second image holds no class 1, the third image is all void
    matrices = np.array([[[6, 2], [1, 3]], [[8, 0], [0, 0]], [[0, 0], [0, 0]]])

    def test_added_up(self, ops):
        assert ops.mean_iou(self.matrices) == pytest.approx((14 / 17 + 3 / 6) / 2)
        assert ops.mean_iou(self.matrices) == ops.mean_iou(self.matrices.sum(0))
        assert ops.iou(self.matrices).shape == (2,)

    def test_classes_first_then_images(self, ops):
        assert ops.mean_iou(self.matrices, average="image") == pytest.approx(((6 / 9 + 3 / 6) / 2 + 1) / 2)
        assert ops.mean_dice(self.matrices, average="image") == pytest.approx(((12 / 15 + 6 / 9) / 2 + 1) / 2)
        assert ops.mean_accuracy(self.matrices, average="image") == pytest.approx(((6 / 8 + 3 / 4) / 2 + 1) / 2)

    def test_images_first_then_classes(self, ops):
        assert ops.mean_iou(self.matrices, average="class") == pytest.approx(((6 / 9 + 1) / 2 + 3 / 6) / 2)

    def test_one_row_an_image(self, ops):
        np.testing.assert_allclose(ops.iou(self.matrices, average="image"), [[6 / 9, 3 / 6], [1, NAN], [NAN, NAN]])
        np.testing.assert_allclose(
            ops.class_dice(self.matrices, average="image"), [[12 / 15, 6 / 9], [1, NAN], [NAN, NAN]]
        )
        np.testing.assert_allclose(
            ops.class_accuracy(self.matrices, average="image"), [[6 / 8, 3 / 4], [1, NAN], [NAN, NAN]]
        )

    def test_other_averages(self, ops):
        assert ops.pixel_accuracy(self.matrices) == pytest.approx(17 / 20)
        assert ops.pixel_accuracy(self.matrices, average="image") == pytest.approx((9 / 12 + 1) / 2)
        assert ops.micro_iou(self.matrices, average="image") == pytest.approx((9 / 15 + 1) / 2)
        assert ops.frequency_weighted_iou(self.matrices, average="image") == pytest.approx(
            ((8 * 6 / 9 + 4 * 3 / 6) / 12 + 1) / 2
        )

    def test_equal_torchmetrics_over_images(self, ops, rng):
        prediction, target = (draw_labels(rng, (5, 12, 10), 4) for _ in range(2))
        metric = torchmetrics.segmentation.MeanIoU(4, input_format="index")
        expected = metric(torch.from_numpy(prediction), torch.from_numpy(target)).item()
        matrices = ops.confusion_matrix(prediction, target, 4, per_image=True)
        assert ops.mean_iou(matrices, average="image") == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["mean_iou", "mean_dice", "mean_accuracy", "pixel_accuracy", "micro_iou", "iou"])
class TestMatrixMetricsRefuse:
    def test_what_is_no_confusion_matrix(self, ops, name):
        for matrix in (np.zeros((2, 3)), np.zeros(4), np.zeros((1, 1, 2, 2)), np.zeros((2, 2), bool)):
            with pytest.raises(ValueError, match=r"matrix has shape .* it must hold counts, C×C or N×C×C"):
                getattr(ops, name)(matrix)

    def test_one_matrix_where_one_for_each_image_is_needed(self, ops, name):
        with pytest.raises(ValueError, match="average='image' needs a matrix for each image"):
            getattr(ops, name)(MATRIX, average="image")

    def test_other_averages(self, ops, name):
        with pytest.raises(ValueError, match="average='macro' must be one of 'dataset', 'image'"):
            getattr(ops, name)(MATRIX, average="macro")


def test_present_in_is_either_or_target(ops):
    with pytest.raises(ValueError, match="present_in='both' must be one of 'either', 'target'"):
        ops.mean_iou(MATRIX, present_in="both")


class TestTopKAccuracy:
    @pytest.mark.parametrize("k", [1, 2, 5, 7])
    def test_equals_scikit_learn(self, ops, rng, k):
        logits, target = draw(rng, (300, 7)), draw_labels(rng, 300, 7)
        expected = sklearn.metrics.top_k_accuracy_score(target, logits, k=k, labels=range(7)) if k < 7 else 1.0
        assert ops.top_k_accuracy(logits, target, k) == pytest.approx(expected)

    @pytest.mark.parametrize("kind", ["normal", "ties", "strided"])
    @pytest.mark.parametrize("ignore_index", [None, 255, 0])
    def test_equals_sorting_every_pixel(self, ops, rng, kind, ignore_index):
        logits, target = draw(rng, (2, 4, 5, 6), kind), draw_labels(rng, (2, 5, 6), 4, ignore_index)
        for k in (1, 2, 3, 4):
            expected = float(loops.top_k_hits(logits, target, k, ignore_index))
            assert ops.top_k_accuracy(logits, target, k, ignore_index) == pytest.approx(expected)

    def test_top_1_is_the_pixel_accuracy_of_argmax(self, ops, rng):
        logits, target = draw(rng, (2, 9, 80, 90), "ties"), draw_labels(rng, (2, 80, 90), 9, 255, np.uint8)
        matrix = ops.confusion_matrix(logits.argmax(1), target, 9, 255)
        assert ops.top_k_accuracy(logits, target, 1, 255) == ops.pixel_accuracy(matrix)

    def test_is_five_by_default_and_takes_one_pixel(self, ops):
        logits = np.arange(8.0)
        assert ops.top_k_accuracy(logits, np.array(3)) == 1
        assert ops.top_k_accuracy(logits, np.array(2)) == 0

    def test_of_nothing_is_nan_and_nan_is_wrong(self, ops):
        assert np.isnan(ops.top_k_accuracy(np.zeros((1, 2)), np.array([9]), 1, 9))
        assert np.isnan(ops.top_k_accuracy(np.zeros((0, 2, 3)), np.zeros((0, 3), np.int64), 1))
        assert ops.top_k_accuracy(np.array([[NAN, 1.0]]), np.array([0]), 1) == 0

    def test_refuses_k_outside_the_classes(self, ops):
        with pytest.raises(ValueError, match="k=5 must be at most the number of classes, 3"):
            ops.top_k_accuracy(np.zeros((1, 3)), np.array([0]))
        with pytest.raises(ValueError, match="k=0 must be at least 1"):
            ops.top_k_accuracy(np.zeros((1, 3)), np.array([0]), 0)
        with pytest.raises(ValueError, match="target holds 3"):
            ops.top_k_accuracy(np.zeros((1, 3)), np.array([3]), 1)
        with pytest.raises(TypeError, match="logits has dtype int64"):
            ops.top_k_accuracy(np.zeros((1, 3), np.int64), np.array([0]), 1)


class TestSets:
    def test_equal_scikit_learn(self, ops, rng):
        a, b = rng.random((2, 30, 40)) < 0.3
        assert ops.jaccard(a, b) == pytest.approx(sklearn.metrics.jaccard_score(a.ravel(), b.ravel()))
        assert ops.dice(a, b) == pytest.approx(sklearn.metrics.f1_score(a.ravel(), b.ravel()))
        cosine = sklearn.metrics.pairwise.cosine_similarity([a.ravel().astype(float)], [b.ravel().astype(float)])
        assert ops.cosine_coefficient(a, b) == pytest.approx(cosine.item())

    @pytest.mark.parametrize("name", ["jaccard", "dice", "cosine_coefficient"])
    def test_two_empty_sets_score_what_the_caller_says(self, ops, name):
        empty, full = np.zeros(4, bool), np.ones(4, bool)
        assert np.isnan(getattr(ops, name)(empty, empty))
        assert getattr(ops, name)(empty, empty, empty=1) == 1
        assert getattr(ops, name)(empty, full, empty=1) == getattr(ops, name)(full, empty) == 0
        assert getattr(ops, name)(full, full) == 1

    @pytest.mark.parametrize("name", ["jaccard", "dice", "cosine_coefficient"])
    def test_refuse_what_is_no_mask(self, ops, name):
        mask = np.ones(4, bool)
        with pytest.raises(TypeError, match="a has dtype int64; a set of pixels is a boolean mask"):
            getattr(ops, name)(mask.astype(np.int64), mask)
        with pytest.raises(TypeError, match="b has type list; a set of pixels is a boolean mask"):
            getattr(ops, name)(mask, [True])
        with pytest.raises(ValueError, match=r"b has shape \(3,\); it must have the shape of a, \(4,\)"):
            getattr(ops, name)(mask, mask[:3])


class TestBoxIou:
    def test_equals_the_iou_of_drawn_masks(self, ops, rng):
        corners = np.sort(rng.integers(0, 20, (2, 6, 2, 2)), axis=2)  # list, box, low and high, x and y
        a, b = corners.reshape(2, 6, 4)
        rows, columns = np.mgrid[:20, :20]

        def mask(box):
            return (columns >= box[0]) & (columns < box[2]) & (rows >= box[1]) & (rows < box[3])

        expected = [[ops.jaccard(mask(one), mask(other)) for other in b] for one in a]
        np.testing.assert_allclose(ops.box_iou(a, b), expected)

    def test_boxes_without_area_are_nan(self, ops):
        assert np.isnan(ops.box_iou([[1, 1, 1, 1]], [[2, 2, 2, 2]])).all()
        assert ops.box_iou(np.zeros((0, 4)), [[0, 0, 1, 1]]).shape == (0, 1)

    def test_refuses_other_shapes_and_boxes_inside_out(self, ops):
        with pytest.raises(ValueError, match=r"boxes_a has shape \(4,\); it must be N×4"):
            ops.box_iou([0, 0, 1, 1], [[0, 0, 1, 1]])
        with pytest.raises(ValueError, match=r"boxes_b must hold .* left ≤ right"):
            ops.box_iou([[0, 0, 1, 1]], [[2, 0, 1, 1]])


def draw_scene(rng, shape, classes, ignore_index=None, instances=3):
    """Class and instance of rectangles laid over each other, so that segments are large enough to match."""
    labels, numbers = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for n in range(shape[0]):
        for _ in range(6):
            (top, bottom), (left, right) = (np.sort(rng.integers(0, size + 1, 2)) for size in shape[1:])
            void = ignore_index is not None and rng.random() < 0.3
            labels[n, top:bottom, left:right] = ignore_index if void else rng.integers(0, classes)
            numbers[n, top:bottom, left:right] = rng.integers(0, instances)
    return labels, numbers


def spoil(rng, scene, classes):
    """The same scene with some pixels shifted and some labelled anew."""
    labels, numbers = (np.roll(part, 1, axis=2) for part in scene)
    labels = np.where(labels >= classes, 0, labels)
    wrong = rng.random(labels.shape) < 0.1
    return np.where(wrong, rng.integers(0, classes, labels.shape), labels), numbers


class TestPanopticQuality:
    def test_of_a_scene_counted_by_hand(self, ops):
        # sky (stuff, 0) over two cars (thing, 1); 2 is a person, 9 is void
        truth = np.array([[0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], [2, 2, 9, 9, 9, 9]])
        truth_numbers = np.array([[0, 0, 0, 0, 0, 0], [1, 1, 1, 2, 2, 2], [1, 1, 0, 0, 0, 0]])
        guess = np.array([[0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 0, 0], [2, 1, 2, 2, 2, 1]])
        numbers = np.array([[0, 0, 0, 0, 0, 5], [1, 1, 1, 2, 3, 3], [1, 6, 2, 2, 2, 7]])
        result = ops.panoptic_quality((guess, numbers), (truth, truth_numbers), 3, ignore_index=9, stuff=[0])
        # sky: 5 of 6 pixels and 2 too many: IoU 5/8. Car 1: exact. Car 2: 1 of 3, missed, and its pixel a false car,
        # as are the cars in the sky and on the person; the one on void does not count. Person: 1 of 2 pixels, IoU ½
        # is no match: missed, and a false person; the other person lies on void.
        assert result.true_positives.tolist() == [1, 1, 0]
        assert result.false_positives.tolist() == [0, 3, 1]
        assert result.false_negatives.tolist() == [0, 1, 1]
        assert result.pq.tolist() == pytest.approx([5 / 8, 1 / 3, 0])
        assert result.sq.tolist() == pytest.approx([5 / 8, 1, 0])
        assert result.rq.tolist() == pytest.approx([1, 1 / 3, 0])
        assert result.mean == pytest.approx(((5 / 8 + 1 / 3) / 3, (5 / 8 + 1) / 3, (1 + 1 / 3) / 3))

    @pytest.mark.parametrize("void", [None, 7])
    def test_equals_sets_of_pixels(self, ops, rng, void):
        matched = 0
        for _ in range(12):
            target = draw_scene(rng, (2, 9, 10), 4, void)
            prediction = spoil(rng, target, 4)
            result = ops.panoptic_quality(prediction, target, 4, void)
            images = [
                loops.panoptic_counts(tuple(p[n] for p in prediction), tuple(t[n] for t in target), 4, void)
                for n in range(2)
            ]
            for c in range(4):
                total, true, false_positive, false_negative = (sum(image[c][k] for image in images) for k in range(4))
                counts = result.true_positives[c], result.false_positives[c], result.false_negatives[c]
                assert counts == (true, false_positive, false_negative)
                size = true + (false_positive + false_negative) / 2
                np.testing.assert_allclose(result.pq[c], float(total) / size if size else NAN)
                matched += true
        assert matched >= 10

    def test_equals_torchmetrics(self, ops, rng):
        things, stuff, void = {1, 2}, {0, 3}, 7
        for _ in range(6):
            target = draw_scene(rng, (3, 12, 14), 4, void)
            prediction = spoil(rng, target, 4)
            metric = torchmetrics.detection.PanopticQuality(things, stuff, return_sq_and_rq=True, return_per_class=True)
            pair = [torch.from_numpy(np.stack(maps, -1)) for maps in (prediction, target)]
            expected = metric(*pair).numpy()
            order = [1, 2, 0, 3]  # torchmetrics lists things first
            result = ops.panoptic_quality(prediction, target, 4, void, stuff=sorted(stuff))
            seen = ~np.isnan(result.pq[order])
            for k, quality in enumerate((result.pq, result.sq, result.rq)):
                np.testing.assert_allclose(quality[order][seen], expected[seen, k], rtol=1e-5)

    def test_is_the_product_of_its_parts(self, ops, rng):
        target = draw_scene(rng, (4, 12, 12), 3)
        result = ops.panoptic_quality(spoil(rng, target, 3), target, 3)
        np.testing.assert_allclose(result.pq, result.sq * result.rq)

    def test_classes_without_segments_are_nan_and_left_out(self, ops):
        zeros = np.zeros((2, 2), np.int64)
        result = ops.panoptic_quality((zeros, zeros), (zeros, zeros), 2)
        np.testing.assert_array_equal(result.pq, [1, NAN])
        assert result.mean == (1, 1, 1)
        void = ops.panoptic_quality((zeros, zeros), (zeros + 9, zeros), 2, 9)
        assert np.isnan(void.mean).all()

    def test_predicted_void_belongs_to_no_segment(self, ops):
        zeros = np.zeros((1, 4), np.int64)
        result = ops.panoptic_quality((np.array([[0, 0, 0, 9]]), zeros), (zeros, zeros), 1, 9)
        assert result.pq.tolist() == [0.75]

    def test_void_may_be_one_of_the_classes(self, ops):
        zeros = np.zeros((1, 4), np.int64)
        result = ops.panoptic_quality((np.array([[0, 0, 0, 1]]), zeros), (zeros, zeros), 2, ignore_index=1)
        np.testing.assert_array_equal(result.pq, [0.75, NAN])

    def test_the_right_pixels_of_the_wrong_class_are_no_match(self, ops):
        zeros = np.zeros((2, 2), np.int64)
        result = ops.panoptic_quality((zeros + 1, zeros), (zeros, zeros), 3)
        np.testing.assert_array_equal(result.pq, [0, 0, NAN])
        assert (result.false_positives.tolist(), result.false_negatives.tolist()) == ([0, 1, 0], [1, 0, 0])

    def test_the_same_number_in_two_images_is_two_segments(self, ops):
        labels = np.zeros((2, 1, 3), np.int64)
        result = ops.panoptic_quality((labels, labels), (labels, labels), 1)
        assert result.true_positives.tolist() == [2]

    def test_refuses_what_is_no_pair_of_label_maps(self, ops):
        zeros = np.zeros((2, 2), np.int64)
        good = (zeros, zeros)
        with pytest.raises(TypeError, match=r"prediction must be a pair, \(classes, instances\)"):
            ops.panoptic_quality(zeros, good, 2)
        with pytest.raises(ValueError, match="target classes holds 5; labels must lie in 0…1"):
            ops.panoptic_quality(good, (zeros + 5, zeros), 2)
        with pytest.raises(ValueError, match=r"target instances has shape \(2,\)"):
            ops.panoptic_quality(good, (zeros, zeros[0]), 2)
        with pytest.raises(ValueError, match=r"prediction has shape \(1, 2\); .* the shape of target"):
            ops.panoptic_quality((zeros[:1], zeros[:1]), good, 2)
        with pytest.raises(ValueError, match="must be H×W or N×H×W"):
            ops.panoptic_quality((zeros[0], zeros[0]), good, 2)
        with pytest.raises(TypeError, match="prediction classes has dtype float64; labels must be integers"):
            ops.panoptic_quality((zeros.astype(float), zeros), good, 2)
        with pytest.raises(TypeError, match=r"stuff=0.5 must be an integer"):
            ops.panoptic_quality(good, good, 2, stuff=[0.5])

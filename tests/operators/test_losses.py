"""The losses equal PyTorch's, or PyTorch's autograd of their formula, and refuse what has no meaning."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from segedu import compare
from segedu.numpy_ops import _blocks
from tests.loops import losses as loops
from tests.values import draw

SHAPES = [(2, 5, 4, 3), (3, 4), (4,), (2, 3, 7), (0, 3, 4, 4), (2, 2, 3, 2, 2), (1, 1, 2, 2), (2, 3, 0, 4)]
REDUCTIONS = ["mean", "sum", "none"]
KINDS = ["normal", "strided", "ties", "special"]


def target_shape(shape):
    return (*shape[:1], *shape[2:]) if len(shape) > 1 else ()


def draw_target(rng, shape, ignore_index=None, void=0.25):
    """Random labels for logits of a shape; some of them `ignore_index`."""
    labels = rng.integers(0, shape[min(1, len(shape) - 1)], target_shape(shape))
    if ignore_index is not None:
        labels = np.where(rng.random(labels.shape) < void, ignore_index, labels)
    return np.asarray(labels, np.int64)


def draw_weight(rng, shape, dtype):
    return rng.uniform(0.2, 3, shape[min(1, len(shape) - 1)]).astype(dtype)


def cross_entropy_agrees(ops, x, t, **kwargs):
    compare.with_torch(
        ops.cross_entropy, x, t, backward=lambda g: ops.cross_entropy_backward(g, x, t, **kwargs), **kwargs
    ).check()


def nll_agrees(ops, x, t, **kwargs):
    compare.with_torch(
        ops.nll_loss, x, t, backward=lambda g: ops.nll_loss_backward(g, x, t, **kwargs), **kwargs
    ).check()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS)
class TestGridOfArguments:
    def test_cross_entropy_equals_pytorch(self, ops, rng, shape, reduction):
        grid = itertools.product([False, True], [-100, 255, 0], [0.0, 0.1, 1.0])
        for tried, (weighted, ignore_index, smoothing) in enumerate(grid):
            dtype = (np.float32, np.float64)[tried % 2]
            x = draw(rng, shape, KINDS[tried % len(KINDS)], dtype)
            t = draw_target(rng, shape, ignore_index)
            weight = draw_weight(rng, shape, dtype) if weighted else None
            cross_entropy_agrees(
                ops,
                x,
                t,
                weight=weight,
                ignore_index=ignore_index,
                reduction=reduction,
                label_smoothing=smoothing,
            )

    def test_nll_loss_equals_pytorch(self, ops, rng, shape, reduction):
        for tried, (weighted, ignore_index) in enumerate(itertools.product([False, True], [-100, 255, 0])):
            dtype = (np.float32, np.float64)[tried % 2]
            x = draw(rng, shape, KINDS[tried % len(KINDS)], dtype)
            weight = draw_weight(rng, shape, dtype) if weighted else None
            t = draw_target(rng, shape, ignore_index)
            nll_agrees(ops, x, t, weight=weight, ignore_index=ignore_index, reduction=reduction)


@given(st.data())
def test_cross_entropy_equals_pytorch_on_drawn_arguments(ops, data):
    further = data.draw(st.lists(st.integers(1, 6), max_size=3), label="further axes")
    shape = (data.draw(st.integers(0, 4), label="N"), data.draw(st.integers(1, 6), label="C"), *further)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed"))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    ignore_index = data.draw(st.sampled_from([-100, -1, 255, 0, shape[1] - 1]), label="ignore_index")
    x = draw(rng, shape, data.draw(st.sampled_from(KINDS), label="kind"), dtype)
    kwargs = {
        "weight": draw_weight(rng, shape, dtype) if data.draw(st.booleans(), label="weighted") else None,
        "ignore_index": ignore_index,
        "reduction": data.draw(st.sampled_from(REDUCTIONS), label="reduction"),
    }
    t = draw_target(rng, shape, ignore_index)
    nll_agrees(ops, x, t, **kwargs)
    smoothing = data.draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]), label="label_smoothing")
    cross_entropy_agrees(ops, x, t, label_smoothing=smoothing, **kwargs)


def test_cross_entropy_equals_the_definition_in_loops(ops, rng):
    x, t = draw(rng, (2, 4, 3, 5), dtype=np.float64), draw_target(rng, (2, 4, 3, 5), 255)
    weight = draw_weight(rng, x.shape, np.float64)
    loss = ops.cross_entropy(x, t, weight, 255, label_smoothing=0.2)
    assert loss == pytest.approx(loops.cross_entropy(x, t, weight, 255, 0.2), rel=1e-13)


@pytest.mark.parametrize("shape", [(2, 21, 70, 90), (400, 7, 3, 3), (5000, 10), (3, 11, 4099)], ids=str)
def test_cross_entropy_of_several_strips_equals_pytorch(ops, rng, shape):
    x, t = draw(rng, shape), draw_target(rng, shape, 255)
    for reduction in REDUCTIONS:
        cross_entropy_agrees(ops, x, t, ignore_index=255, reduction=reduction)
    cross_entropy_agrees(ops, x, t, ignore_index=255, weight=draw_weight(rng, shape, x.dtype), label_smoothing=0.1)


def test_the_mean_divides_by_the_weights_of_the_true_classes(ops):
    x, t, weight = np.zeros((1, 2, 2)), np.array([[0, 1]]), np.array([1.0, 3.0])
    assert ops.cross_entropy(x, t, weight) == pytest.approx(np.log(2))
    assert ops.cross_entropy(x, t, weight, reduction="sum") == pytest.approx(4 * np.log(2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_is_exact_for_huge_logits(ops, dtype):
    x, t = np.array([[1e4, -1e4, 0], [1e4, 1e4, -np.inf]], dtype), np.array([1, 0])
    losses = ops.cross_entropy(x, t, reduction="none")
    assert losses.tolist() == pytest.approx([2e4, np.log(2)])
    gradient = ops.cross_entropy_backward(np.ones(2, dtype), x, t, reduction="none")
    assert gradient.tolist() == [[1, -1, 0], [-0.5, 0.5, 0]]
    cross_entropy_agrees(ops, x, t)


def test_small_differences_of_huge_logits_are_kept(ops, rng):
    x = (1e4 + rng.integers(-8, 8, (2, 5, 6))).astype(np.float32)
    t = draw_target(rng, x.shape)
    exact = F.cross_entropy(torch.from_numpy(x.astype(np.float64)), torch.from_numpy(t)).item()
    assert ops.cross_entropy(x, t) == pytest.approx(exact, rel=1e-6)


def test_a_true_class_of_minus_infinity_costs_infinity(ops):
    x = np.array([[0.0, -np.inf]])
    assert ops.cross_entropy(x, np.array([1])) == np.inf
    cross_entropy_agrees(ops, x, np.array([1]))


def test_nan_at_an_ignored_pixel_leaves_the_loss_alone(ops):
    x, t = np.array([[0.0, 0.0], [np.nan, 1.0]]), np.array([0, 255])
    for loss in (ops.cross_entropy, ops.nll_loss):
        assert np.isfinite(loss(x, t, ignore_index=255))
    assert np.isfinite(ops.dice_loss(x, t, ignore_index=255))
    assert np.isfinite(ops.lovasz_softmax(x, t, ignore_index=255))


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (0, 3, 4, 4)], ids=str)
def test_the_mean_over_no_pixel_is_nan_and_its_gradient_zero(ops, rng, shape):
    x, t = draw(rng, shape, dtype=np.float64), np.full(target_shape(shape), 255)
    assert np.isnan(ops.cross_entropy(x, t, ignore_index=255))
    assert np.isnan(ops.nll_loss(x, t, ignore_index=255))
    assert ops.cross_entropy(x, t, ignore_index=255, reduction="sum") == 0
    assert not ops.cross_entropy_backward(1.0, x, t, ignore_index=255).any()
    cross_entropy_agrees(ops, x, t, ignore_index=255)


def test_log_softmax_and_nll_loss_make_cross_entropy(ops, rng):
    x, t = draw(rng, (2, 4, 5, 5), dtype=np.float64), draw_target(rng, (2, 4, 5, 5), 255)
    weight = draw_weight(rng, x.shape, np.float64)
    log_probs = torch.log_softmax(torch.from_numpy(x), 1).numpy()
    assert ops.nll_loss(log_probs, t, weight, 255) == pytest.approx(ops.cross_entropy(x, t, weight, 255), rel=1e-13)


# The losses on regions: PyTorch knows none of them, so their formula is written down in tensors.


def pixels_first(x, t):
    """Logits as N×P×C and labels as N×P, whatever the shape."""
    x, t = (x, t) if x.ndim > 1 else (x[None], t[None])
    return x.reshape(*x.shape[:2], t[0].numel()).movedim(1, 2), t.reshape(len(t), t[0].numel())


def torch_overlap(x, t, ignore_index, per_image):
    """(Σ p·y, Σ p, Σ y) over the pixels that count, for each image and class or for each class."""
    x, t = pixels_first(x, t)
    valid = torch.ones_like(t, dtype=torch.bool) if ignore_index is None else t != ignore_index
    p = x.softmax(2) * valid[..., None]
    y = F.one_hot(torch.where(valid, t, 0), x.shape[2]) * valid[..., None]
    return [values.sum(1 if per_image else (0, 1)) for values in (p * y, p, y)]


def torch_dice(x, t, smooth=1.0, ignore_index=None, per_image=False):
    both, p, y = torch_overlap(x, t, ignore_index, per_image)
    return 1 - ((2 * both + smooth) / (p + y + smooth)).mean()


def torch_jaccard(x, t, smooth=1.0, ignore_index=None, per_image=False):
    both, p, y = torch_overlap(x, t, ignore_index, per_image)
    return 1 - ((both + smooth) / (p + y - both + smooth)).mean()


def torch_lovasz(x, t, ignore_index=None, classes="present", per_image=False):
    """By Choquet's integral over thresholds, see `loops.lovasz_of_class`."""
    x, t = pixels_first(x, t)
    losses = []
    for group in range(len(x)) if per_image else [slice(None)]:
        valid = torch.ones_like(t[group], dtype=torch.bool) if ignore_index is None else t[group] != ignore_index
        labels, p = t[group][valid], x.softmax(2)[group][valid]
        chosen = {"present": sorted(set(labels.tolist())), "all": range(x.shape[2])}.get(str(classes), classes)
        each = [
            loops.lovasz_of_class(list(((labels == c).to(p.dtype) - p[:, c]).abs()), (labels == c).tolist())
            for c in chosen
        ]
        losses.append(sum(each) / len(each) if len(labels) else 0 * x.sum())
    return sum(losses) / len(losses)


REGION_LOSSES = {"dice_loss": torch_dice, "jaccard_loss": torch_jaccard}


@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (3, 4), (4,), (2, 3, 7), (2, 2, 3, 2, 2), (1, 1, 2, 2)], ids=str)
@pytest.mark.parametrize("name", REGION_LOSSES)
def test_losses_on_regions_equal_autograd_of_their_formula(ops, rng, name, shape):
    grid = itertools.product([1.0, 0.01, 3], [None, 255, 0], [False, True])
    for tried, (smooth, ignore_index, per_image) in enumerate(grid):
        x = draw(rng, shape, KINDS[tried % 3], (np.float64, np.float32)[tried % 2])
        t = draw_target(rng, shape, ignore_index)
        options = {"smooth": smooth, "ignore_index": ignore_index, "per_image": per_image}
        backward = getattr(ops, f"{name}_backward")
        compare.with_torch(
            getattr(ops, name),
            x,
            t,
            reference=REGION_LOSSES[name],
            backward=lambda g, x=x, t=t, backward=backward, options=options: backward(g, x, t, **options),
            **options,
        ).check()


@pytest.mark.parametrize("shape", [(2, 21, 70, 90), (400, 7, 3, 3), (5000, 10)], ids=str)
@pytest.mark.parametrize("name", REGION_LOSSES)
def test_losses_on_regions_of_several_strips_equal_autograd(ops, rng, name, shape):
    x, t = draw(rng, shape, dtype=np.float64), draw_target(rng, shape, 255)
    for per_image in (False, True):
        options = {"ignore_index": 255, "per_image": per_image}
        compare.with_torch(
            getattr(ops, name),
            x,
            t,
            reference=REGION_LOSSES[name],
            backward=lambda g, options=options: getattr(ops, f"{name}_backward")(g, x, t, **options),
            **options,
        ).check()


def test_losses_on_regions_equal_the_definition_in_loops(ops, rng):
    x, t = draw(rng, (2, 4, 3, 5), dtype=np.float64), draw_target(rng, (2, 4, 3, 5), 255)
    for name in REGION_LOSSES:
        expected = getattr(loops, name)(x, t, 0.5, 255)
        assert getattr(ops, name)(x, t, 0.5, 255) == pytest.approx(expected, rel=1e-13)


def test_a_perfect_prediction_costs_nothing_and_no_overlap_costs_one(ops, rng):
    t = draw_target(rng, (2, 3, 5, 6))
    right = 1e4 * np.moveaxis(np.eye(3)[t], -1, 1)
    wrong = 1e4 * np.moveaxis(np.eye(3)[(t + 1) % 3], -1, 1)
    for loss in (ops.dice_loss, ops.jaccard_loss):
        assert loss(right, t, smooth=0) == pytest.approx(0, abs=1e-12)
        assert loss(wrong, t, smooth=0) == pytest.approx(1)
    assert ops.lovasz_softmax(right, t) == pytest.approx(0, abs=1e-12)
    assert ops.lovasz_softmax(wrong, t) == pytest.approx(1)


def test_where_no_pixel_counts_the_smoothed_loss_is_zero(ops, rng):
    x, t = draw(rng, (2, 3, 4, 4), dtype=np.float64), np.full((2, 4, 4), 255)
    for name in (*REGION_LOSSES, "lovasz_softmax"):
        assert getattr(ops, name)(x, t, ignore_index=255) == 0
        assert not getattr(ops, f"{name}_backward")(1.0, x, t, ignore_index=255).any()
    for name in REGION_LOSSES:
        assert np.isnan(getattr(ops, name)(x, t, smooth=0, ignore_index=255))
        assert np.isnan(getattr(ops, name)(x[:0], t[:0], per_image=True))
    assert ops.lovasz_softmax(x[:0], t[:0]) == 0


@pytest.mark.parametrize("shape", [(2, 4, 3, 2), (5, 3), (3,), (2, 2, 6)], ids=str)
@pytest.mark.parametrize("classes", ["present", "all", [1, 0]], ids=str)
def test_lovasz_softmax_equals_autograd_of_its_definition(ops, rng, shape, classes):
    for ignore_index, per_image in itertools.product([None, 255, 0], [False, True]):
        x, t = draw(rng, shape, dtype=np.float64), draw_target(rng, shape, ignore_index)
        options = {"ignore_index": ignore_index, "classes": classes, "per_image": per_image}
        compare.with_torch(
            ops.lovasz_softmax,
            x,
            t,
            reference=torch_lovasz,
            backward=lambda g, x=x, t=t, options=options: ops.lovasz_softmax_backward(g, x, t, **options),
            **options,
        ).check()


def test_lovasz_softmax_of_hard_predictions_is_one_minus_iou(ops, rng):
    t, prediction = draw_target(rng, (3, 4, 6, 5), 255), rng.integers(0, 4, (3, 6, 5))
    x = 1e4 * np.moveaxis(np.eye(4)[prediction], -1, 1)
    scores = ops.iou(ops.confusion_matrix(prediction, t, 4, 255), present_in="target")
    assert ops.lovasz_softmax(x, t, 255) == pytest.approx(1 - np.nanmean(scores))


def test_equal_errors_may_be_sorted_either_way(ops, rng):
    x, t = np.zeros((1, 2, 6)), np.array([[0, 1, 1, 0, 0, 0]])
    order = rng.permutation(6)
    assert ops.lovasz_softmax(x, t) == pytest.approx(ops.lovasz_softmax(x, t[:, order]), rel=1e-14)


LOSSES = ["cross_entropy", "dice_loss", "jaccard_loss", "lovasz_softmax"]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_with_gradient_is_the_loss_and_its_gradient(ops, rng, name, dtype):
    x, t = draw(rng, (2, 5, 30, 40), "strided", dtype), draw_target(rng, (2, 5, 30, 40), 255)
    loss, gradient = getattr(ops, f"{name}_with_gradient")(x, t, ignore_index=255)
    assert loss.dtype == gradient.dtype == dtype
    assert loss == getattr(ops, name)(x, t, ignore_index=255)
    assert np.array_equal(gradient, getattr(ops, f"{name}_backward")(1.0, x, t, ignore_index=255))
    twice = getattr(ops, f"{name}_backward")(2.0, x, t, ignore_index=255)
    compare.arrays(twice, 2 * gradient).check()


@pytest.mark.parametrize("name", LOSSES)
def test_with_gradient_passes_every_argument_on(ops, rng, name):
    x, t = draw(rng, (2, 5, 6, 7)), draw_target(rng, (2, 5, 6, 7), 255)
    options = {
        "cross_entropy": {"weight": draw_weight(rng, x.shape, x.dtype), "reduction": "sum", "label_smoothing": 0.2},
        "lovasz_softmax": {"classes": [1, 3], "per_image": True},
    }.get(name, {"smooth": 0.3, "per_image": True})
    loss, gradient = getattr(ops, f"{name}_with_gradient")(x, t, ignore_index=255, **options)
    assert loss == getattr(ops, name)(x, t, ignore_index=255, **options)
    assert np.array_equal(gradient, getattr(ops, f"{name}_backward")(1.0, x, t, ignore_index=255, **options))


def test_with_gradient_of_single_losses_is_the_gradient_of_their_sum(ops, rng):
    x, t = draw(rng, (2, 5, 3, 4)), draw_target(rng, (2, 5, 3, 4))
    losses, gradient = ops.cross_entropy_with_gradient(x, t, reduction="none")
    assert losses.shape == t.shape
    assert np.array_equal(gradient, ops.cross_entropy_with_gradient(x, t, reduction="sum")[1])


@pytest.mark.parametrize("name", LOSSES)
def test_results_do_not_depend_on_the_number_of_threads(ops, rng, name):
    x, t = draw(rng, (3, 9, 80, 100)), draw_target(rng, (3, 9, 80, 100), 255)
    before, results = _blocks.get_num_threads(), []
    try:
        for threads in (1, 3):
            _blocks.set_num_threads(threads)
            results.append(getattr(ops, f"{name}_with_gradient")(x, t, ignore_index=255))
    finally:
        _blocks.set_num_threads(before)
    assert results[0][0] == results[1][0]
    assert np.array_equal(results[0][1], results[1][1])


class TestGradientsByFiniteDifferences:
    def test_cross_entropy(self, ops, rng):
        x, t = draw(rng, (2, 4, 3, 2), dtype=np.float64), draw_target(rng, (2, 4, 3, 2), 255)
        weight = draw_weight(rng, x.shape, np.float64)
        for reduction in REDUCTIONS:
            options = {"weight": weight, "ignore_index": 255, "reduction": reduction, "label_smoothing": 0.3}
            grad = rng.standard_normal(t.shape if reduction == "none" else ())
            gradient = ops.cross_entropy_backward(grad, x, t, **options)
            compare.with_finite_differences(
                lambda x, options=options: ops.cross_entropy(x, t, **options), [x], [gradient], grad_output=grad
            ).check()

    def test_nll_loss(self, ops, rng):
        x, t = draw(rng, (2, 4, 3, 2), dtype=np.float64), draw_target(rng, (2, 4, 3, 2), 255)
        gradient = ops.nll_loss_backward(1.0, x, t, ignore_index=255)
        compare.with_finite_differences(lambda x: ops.nll_loss(x, t, ignore_index=255), [x], [gradient]).check()

    @pytest.mark.parametrize("name", LOSSES[1:])
    def test_losses_on_regions(self, ops, rng, name):
        x, t = draw(rng, (2, 4, 3, 2), dtype=np.float64), draw_target(rng, (2, 4, 3, 2), 255)
        for per_image in (False, True):
            options = {"ignore_index": 255, "per_image": per_image}
            gradient = getattr(ops, f"{name}_backward")(-1.7, x, t, **options)
            compare.with_finite_differences(
                lambda x, options=options: getattr(ops, name)(x, t, **options),
                [x],
                [gradient],
                grad_output=np.array(-1.7),
            ).check()


@pytest.mark.parametrize("name", [*LOSSES, "nll_loss"])
class TestEveryLossRefuses:
    def test_labels_that_name_no_class(self, ops, name):
        x, t = np.zeros((1, 11, 2)), np.array([[3, 11]])
        rule = r"target holds 11; labels must lie in 0…10 or equal ignore_index=255"
        with pytest.raises(ValueError, match=rule):
            getattr(ops, name)(x, t, ignore_index=255)
        with pytest.raises(ValueError, match="target holds -1; labels must lie in 0…10"):
            getattr(ops, name)(x, np.array([[3, -1]]))

    def test_labels_that_are_not_int64(self, ops, name):
        for dtype in (np.uint8, np.int32, np.float64, bool):
            with pytest.raises(TypeError, match=r"target has dtype .*astype\(np.int64\)"):
                getattr(ops, name)(np.zeros((1, 2, 3)), np.zeros((1, 3), dtype))
        with pytest.raises(TypeError, match="target must be a NumPy array, not list"):
            getattr(ops, name)(np.zeros((1, 2, 1)), [[0]])

    def test_shapes_that_disagree(self, ops, name):
        with pytest.raises(ValueError, match=r"target has shape \(1, 4\); for .* it must be \(1, 3\)"):
            getattr(ops, name)(np.zeros((1, 2, 3)), np.zeros((1, 4), np.int64))
        with pytest.raises(ValueError, match=r"One image needs a batch axis"):
            getattr(ops, name)(np.zeros((5, 3, 4)), np.zeros((3, 4), np.int64))
        with pytest.raises(ValueError, match="with at least 1 class"):
            getattr(ops, name)(np.zeros((2, 0, 4)), np.zeros((2, 4), np.int64))
        with pytest.raises(ValueError, match=r"shape \(\); it must be C"):
            getattr(ops, name)(np.zeros(()), np.zeros((), np.int64))

    def test_other_dtypes_of_the_scores(self, ops, name):
        for dtype in (np.float16, np.int64, np.complex128):
            with pytest.raises(TypeError, match="must be float32 or float64"):
                getattr(ops, name)(np.zeros((1, 2), dtype), np.array([0]))

    def test_an_ignore_index_that_is_no_integer(self, ops, name):
        with pytest.raises(TypeError, match=r"ignore_index=1.5 must be an integer"):
            getattr(ops, name)(np.zeros((1, 2)), np.array([0]), ignore_index=1.5)

    def test_a_gradient_that_is_not_of_the_shape_of_the_loss(self, ops, name):
        with pytest.raises(ValueError, match=r"grad_output has shape \(3,\); it must have the shape of the loss, \(\)"):
            getattr(ops, f"{name}_backward")(np.zeros(3), np.zeros((3, 2)), np.array([0, 1, 0]))


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
class TestCrossEntropyRefuses:
    def test_another_reduction(self, ops, name):
        with pytest.raises(ValueError, match="reduction='max' must be one of 'mean', 'sum', 'none'"):
            getattr(ops, name)(np.zeros((1, 2)), np.array([0]), reduction="max")

    def test_weights_that_do_not_fit(self, ops, name):
        with pytest.raises(ValueError, match=r"weight has shape \(3,\); .* one number for each class, \(2,\)"):
            getattr(ops, name)(np.zeros((1, 2)), np.array([0]), np.ones(3))
        with pytest.raises(TypeError, match="weight is float32; all must have one dtype"):
            getattr(ops, name)(np.zeros((1, 2)), np.array([0]), np.ones(2, np.float32))
        with pytest.raises(TypeError, match="weight must be a NumPy array"):
            getattr(ops, name)(np.zeros((1, 2)), np.array([0]), [1.0, 2.0])

    def test_a_gradient_of_another_dtype_or_shape(self, ops, name):
        backward, x = getattr(ops, f"{name}_backward"), np.zeros((1, 2), np.float32)
        with pytest.raises(TypeError, match="grad_output is float64"):
            backward(np.zeros(1), x, np.array([0]), reduction="none")
        with pytest.raises(ValueError, match=r"grad_output has shape \(\)"):
            backward(np.float32(1), x, np.array([0]), reduction="none")


@pytest.mark.parametrize("smoothing", [-0.1, 1.5, np.nan])
def test_cross_entropy_refuses_smoothing_outside_zero_to_one(ops, smoothing):
    with pytest.raises(ValueError, match=r"label_smoothing=.* must lie between 0 and 1"):
        ops.cross_entropy(np.zeros((1, 2)), np.array([0]), label_smoothing=smoothing)


@pytest.mark.parametrize("name", REGION_LOSSES)
def test_losses_on_regions_refuse_negative_smoothing(ops, name):
    with pytest.raises(ValueError, match="smooth=-1 must be at least 0"):
        getattr(ops, name)(np.zeros((1, 2)), np.array([0]), smooth=-1)


def test_lovasz_softmax_refuses_other_classes(ops):
    x, t = np.zeros((1, 2)), np.array([0])
    with pytest.raises(ValueError, match="classes='some' must be one of 'present', 'all'"):
        ops.lovasz_softmax(x, t, classes="some")
    with pytest.raises(ValueError, match=r"classes=\[2\] must lie in 0…1"):
        ops.lovasz_softmax(x, t, classes=[2])
    with pytest.raises(TypeError, match=r"classes=0.5 must be an integer"):
        ops.lovasz_softmax(x, t, classes=[0.5])

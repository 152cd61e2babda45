import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from segedu import compare
from segedu.diagnosis import RECOGNISERS, explain
from segedu.diagnosis.alternatives import ALTERNATIVES, GRADIENTS

Rng = np.random.Generator


def sentences(report: compare.Report) -> list[str]:
    return [line[2:] for line in report.message.splitlines() if line.startswith("→ ")]


# --- from the two arrays alone: (words of the sentence, mistake), each on random shapes

MISTAKES: list[tuple[str, Callable]] = [
    ("flipped vertically", lambda x: x[..., ::-1, :]),
    ("flipped horizontally", lambda x: x[..., ::-1]),
    ("flipped both ways", lambda x: x[..., ::-1, ::-1]),
    ("shifted by one row down", lambda x: np.roll(x, 1, -2) + (np.arange(x.shape[-2]) == 0)[:, None]),
    ("shifted by one row up", lambda x: np.concatenate([x[..., 1:, :], 0 * x[..., :1, :]], -2)),
    ("shifted by one column to the right", lambda x: np.concatenate([0 * x[..., :1], x[..., :-1]], -1)),
    ("shifted by one row up and one column to the left", lambda x: np.roll(x, (-1, -1), (-2, -1)) * edge(x)),
    ("channels come in reverse order", lambda x: x[:, ::-1]),
    ("channels come in the order [1, 2, 0", lambda x: np.roll(x, -1, 1) if x.shape[1] == 3 else x[:, [1, 2, 0, 3]]),
    ("come twice, others are missing", lambda x: x[:, [1, 1, *range(2, x.shape[1])]]),
    ("images of the batch come in reverse order", lambda x: x[::-1]),
    ("4 times too large", lambda x: 4 * x),
    ("12 times too small", lambda x: x / 12),
    ("1.37 times too large", lambda x: 1.37 * x),
    ("wrong sign", lambda x: -x),
    ("logarithm to base 2", lambda x: x / np.log(2)),
    ("logarithm to base 10", lambda x: x / np.log(10)),
    ("Every value is 0.5 too large", lambda x: x + 0.5),
    ("constant of its own: look at the bias", lambda x: x + np.arange(1, 1 + x.shape[1])[:, None, None]),
    ("factor of its own", lambda x: x * np.arange(1, 1 + x.shape[1])[:, None, None]),
    ("fractions are cut off", np.trunc),
    ("rounded to whole numbers", np.round),
    ("absolute values", np.abs),
    ("Negative values became 0", lambda x: np.maximum(x, 0)),
    ("squares of the expected ones", np.square),
    ("exponentials of the expected ones", np.exp),
    ("Every value is 0", np.zeros_like),
    ("Every value is 1", np.ones_like),
    ("are NaN: look for 0/0", lambda x: np.where(x > 0, np.nan, x)),
    ("values are NaN: look for 0/0", lambda x: np.full_like(x, np.nan)),
    ("are infinite", lambda x: np.where(x > 0, np.inf, x)),
    ("were they ever written", lambda x: np.where(np.abs(x) > 1, x, 0)),
    ("Only the border differs (1 pixel deep)", lambda x: x + ~inner(x, 1)),
    ("Only the border differs (2 pixels deep)", lambda x: x + ~inner(x, 2)),
    ("(the last row) is wrong", lambda x: x + (np.arange(x.shape[-2]) == x.shape[-2] - 1)[:, None]),
    ("Only column 0 is wrong", lambda x: x + (np.arange(x.shape[-1]) == 0)),
    ("Only channel 1 is wrong", lambda x: x + (np.arange(x.shape[1]) == 1)[:, None, None] * np.abs(x)),
    ("Only the last row and column are wrong", lambda x: x + np.abs(x) * ~corner(x)),
    ("in the wrong places", lambda x: np.random.default_rng(1).permutation(x.reshape(-1)).reshape(x.shape)),
    ("computed in float32", lambda x: x.astype(np.float32).astype(np.float64)),
    ("axes are in the order N, H, W, C", lambda x: x.transpose(0, 2, 3, 1)),
    ("axes are in the order C, N, H, W", lambda x: x.transpose(1, 0, 2, 3)),
    ("axes are in the order N, C, W, H", lambda x: x.swapaxes(2, 3)),
    ("Height and width are swapped", lambda x: np.zeros(x.swapaxes(2, 3).shape)),
    ("an axis of size 1 too many", lambda x: x[None]),
    ("reshape to", lambda x: x.reshape(x.shape[0], -1)),
    ("1 row too few at the end", lambda x: x[..., :-1, :]),
    ("1 column too few at the beginning", lambda x: x[..., 1:]),
    ("2 rows too few and 2 columns too few around", lambda x: x[..., 1:-1, 1:-1]),
    ("1 row too many: look at how the output size", lambda x: np.zeros((*x.shape[:2], x.shape[2] + 1, x.shape[3]))),
]


def inner(x: np.ndarray, depth: int) -> np.ndarray:
    inside = np.zeros(x.shape[-2:], bool)
    inside[depth:-depth, depth:-depth] = True
    return inside


def corner(x: np.ndarray) -> np.ndarray:
    inside = np.zeros(x.shape[-2:], bool)
    inside[:-1, :-1] = True
    return inside


def edge(x: np.ndarray) -> np.ndarray:
    return np.where(corner(x), 1, 3)


@pytest.mark.parametrize(("words", "mistake"), MISTAKES, ids=[m[0] for m in MISTAKES])
@pytest.mark.parametrize("round_", range(3))
def test_a_mistake_is_recognised_and_no_other_one(words: str, mistake: Callable, round_: int, rng: Rng) -> None:
    n, c = rng.integers(2, 4), rng.integers(3, 5)
    h, w = rng.permutation([6, 7, 8])[:2]
    expected = 2 * rng.standard_normal((n, c, h, w))
    found = explain(mistake(expected), expected)
    assert len(found) == 1, found
    assert words in found[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_no_mistake_is_seen_in_a_right_result_or_in_noise(dtype: type, rng: Rng) -> None:
    expected = (10 * rng.standard_normal((2, 3, 6, 7))).astype(dtype)
    assert explain(expected.copy(), expected) == []
    assert explain((10 * rng.standard_normal(expected.shape)).astype(dtype), expected) == []


def test_one_wrong_value_is_no_wrong_row(rng: Rng) -> None:
    expected = rng.standard_normal((1, 2, 5, 6))
    wrong = expected.copy()
    wrong[0, 1, 0, rng.integers(6)] += 1
    assert explain(wrong, expected) == []


def test_transposed_and_turned_squares_are_recognised(rng: Rng) -> None:
    expected = rng.standard_normal((2, 5, 5))
    assert explain(expected.swapaxes(1, 2), expected) == ["Your result is transposed: rows and columns are swapped."]
    assert explain(np.rot90(expected, 1, (1, 2)), expected) == ["Your result is turned by a quarter."]


def test_confusion_matrix_mistakes_are_recognised(rng: Rng) -> None:
    target, prediction = rng.integers(0, 4, size=(2, 300))
    matrix = np.zeros((4, 4), np.int64)
    np.add.at(matrix, (target, prediction), 1)
    assert "targets index the rows" in explain(matrix.T, matrix)[0]
    once = np.zeros_like(matrix)
    once[target, prediction] += 1
    rare = matrix * (rng.random(matrix.shape) < 0.5)
    assert "np.add.at" in explain(np.minimum(rare, 1), rare)[0]
    assert np.array_equal(once, np.ones_like(matrix))
    missing = matrix.copy()
    missing[3] = 0
    assert "(the last row) is wrong" in explain(missing, matrix)[0]


def test_scores_that_are_another_score_are_recognised(rng: Rng) -> None:
    iou = rng.uniform(0.1, 0.9, size=5)
    dice = 2 * iou / (1 + iou)
    assert explain(dice, iou) == ["These are Dice scores, 2·IoU / (1 + IoU)."]
    assert explain(iou, dice) == ["These are IoU (Jaccard) scores, Dice / (2 − Dice)."]
    assert explain(1 - iou, iou) == ["The values are 1 minus the expected ones."]


def test_nan_turned_into_zero_is_recognised() -> None:
    assert "1 NaN is missing (it is 0)" in explain(np.array([0.5, 0.0]), np.array([0.5, np.nan]))[0]


def test_hints_come_first(rng: Rng) -> None:
    x = rng.standard_normal((4, 5))
    assert explain(-x, x, {"hints": [("the negative", -x)]}) == ["Your result equals the negative."]
    assert explain(-x, x, {"hints": [("−x: which sign?", -x)]}) == ["Your result equals −x: which sign?"]


@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 3), (1, 1), (2,), (1, 1, 1, 1), (2, 2, 2, 2, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_odd_shapes_never_break_the_diagnosis(shape: tuple, dtype: type, rng: Rng) -> None:
    a, b = rng.integers(0, 2, size=(2, *shape)).astype(dtype)
    for context in (
        None,
        {},
        {"operator": "conv2d", "args": (), "kwargs": {}},
        {"operator": "max_pool2d", "args": (a, 9)},
    ):
        assert isinstance(explain(a, b, context), list)
        assert isinstance(explain(a, b[..., None], context), list)
        assert isinstance(explain(a.astype(np.float64) * np.nan, b, context), list)


def test_every_recogniser_states_its_mistake() -> None:
    assert len(RECOGNISERS) == len(set(RECOGNISERS))
    assert all(r.__doc__ or r.__name__.startswith("_") for r in RECOGNISERS)


# --- PyTorch called again: every entry of the table explains something, alone


def settings(operator: str, rng: Rng) -> list[tuple[tuple, dict]]:
    """Several calls for each operator; an entry has to be recognised in one of them."""

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape)

    x, odd = normal(2, 3, 9, 8), normal(2, 4, 9, 8)
    k, wide, b = normal(4, 3, 3, 3), normal(4, 3, 2, 3), normal(4)
    labels = rng.integers(0, 4, size=(3, 4, 5))
    labels[0, 0, :3] = 2
    logits = normal(3, 4, 4, 5)
    stats = {"running_mean": normal(3), "running_var": rng.random(3) + 0.5}
    affine = {"weight": rng.random(3) + 0.5, "bias": normal(3)}
    nan = x.copy()
    nan[0, 0, 2, 2] = np.nan
    pools = [
        ((x, 3), {"stride": 2, "padding": 1}),
        ((x, (2, 3)), {"stride": (2, 1)}),
        ((x, (2, 3)), {"padding": (0, 1)}),
        ((x, 2), {"ceil_mode": True}),
        ((x, 3), {"stride": 2, "ceil_mode": True}),
    ]
    h, w = 4, 4
    places = np.stack([rng.permutation(64)[: h * w].reshape(h, w) for _ in range(6)]).reshape(2, 3, h, w)
    twice = np.where(places == places[..., :1, :1], places[..., 1:2, 1:2], places)
    return {
        "conv2d": [
            ((x, k, b), {"stride": 2, "padding": 1}),
            ((x, wide, b), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}),
            ((x, wide), {"padding": "same"}),
            ((x, k), {"dilation": 2}),
            ((x, k), {"stride": 2}),
            ((x, k), {"padding": 1}),
            ((odd, normal(4, 2, 3, 3)), {"groups": 2}),
            ((odd, normal(4, 4, 3, 3)), {}),
        ],
        "conv_transpose2d": [
            ((x, normal(3, 4, 3, 3), b), {"stride": 2, "padding": 1, "output_padding": 1}),
            ((x, normal(3, 4, 2, 3), b), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}),
            ((x, normal(3, 3, 3, 3)), {"stride": 2}),
            ((x, normal(3, 3, 3, 3)), {"dilation": 2}),
            ((odd, normal(4, 4, 3, 3)), {}),
        ],
        "max_pool2d": [*pools, ((x - 5, 3), {"padding": 1}), ((x, 2), {"dilation": (2, 1)}), ((nan, 2), {})],
        "avg_pool2d": [*pools, ((x, 3), {"stride": 2, "divisor_override": 5})],
        "adaptive_avg_pool2d": [((x, (3, 5)), {}), ((x, (4, 4)), {})],
        "max_unpool2d": [
            ((normal(2, 3, h, w), places, 2), {}),
            ((normal(2, 3, h, w), places, 2), {"output_size": (9, 8)}),
            ((normal(2, 3, h, w), twice, 2), {}),
            ((normal(2, 3, h, w), places, 3), {"stride": 2, "padding": 0}),
            ((normal(2, 3, h, w), np.minimum(places, 35), 2), {"padding": 1}),
        ],
        "interpolate": [
            ((x,), {"scale_factor": 1.7, "mode": "bilinear"}),
            ((x,), {"size": (5, 13), "mode": "bilinear", "align_corners": False}),
            ((x,), {"size": (5, 13), "mode": "bilinear", "align_corners": True}),
            ((x,), {"size": (5, 13), "mode": "nearest"}),
            ((x,), {"scale_factor": (1.5, 2.0), "mode": "nearest"}),
        ],
        "cross_entropy": [
            ((logits, labels), {"weight": rng.random(4) + 0.5, "ignore_index": 2}),
            ((logits, labels), {"weight": rng.random(4) + 0.5, "reduction": "sum"}),
            ((logits, labels), {"label_smoothing": 0.2, "ignore_index": 2}),
            ((logits, labels), {"reduction": "none"}),
            ((logits, labels), {}),
        ],
        "nll_loss": [
            (
                (F.log_softmax(torch.tensor(logits), 1).numpy(), labels),
                {"weight": rng.random(4) + 0.5, "ignore_index": 2},
            ),
            ((F.log_softmax(torch.tensor(logits), 1).numpy(), labels), {"ignore_index": 2, "reduction": "sum"}),
        ],
        "softmax": [((x, 1), {}), ((x, 2), {})],
        "log_softmax": [((x, 1), {}), ((x, 2), {})],
        "batch_norm": [
            ((x,), stats | affine | {"training": True, "eps": 0.1}),
            ((x,), stats | affine | {"training": False, "eps": 0.1}),
        ],
        "relu": [((x,), {})],
        "linear": [((normal(5, 3), normal(3, 3), normal(3)), {})],
        "cat": [(([x, 2 * x, -x], 1), {}), (([x, 2 * x, -x], 0), {})],
    }[operator]


TABLE = [(o, number) for o, entries in ALTERNATIVES.items() for number in range(len(entries))]


@pytest.mark.parametrize(("operator", "number"), TABLE, ids=[f"{o}-{ALTERNATIVES[o][n][0][:60]}" for o, n in TABLE])
def test_every_alternative_is_recognised(operator: str, number: int, rng: Rng) -> None:
    from segedu.diagnosis import calls, reference

    description, change = ALTERNATIVES[operator][number]
    heard = []
    for args, kwargs in settings(operator, rng):
        context = {"operator": operator, "args": args, "kwargs": kwargs}
        try:
            with reference.quiet():
                actual = calls._result((change,), context)
        except (RuntimeError, ValueError, IndexError, TypeError, KeyError, ZeroDivisionError):
            continue
        expected = reference.call(reference.find(operator), args, kwargs)
        assert explain(expected, expected, context) == []
        if actual is not None:
            heard.append(explain(actual, expected, context))
            end = "" if description.endswith("?") else "."
            if heard[-1] == [f"Your result equals PyTorch's {operator} {description}{end}"]:
                return
    pytest.fail(f"heard {heard}")


# --- wrong operators, written out in NumPy, as students write them


def windows(x: np.ndarray, kernel: tuple, stride: int = 1) -> np.ndarray:
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(-2, -1))
    return view[..., ::stride, ::stride, :, :]


def conv(x: np.ndarray, weight: np.ndarray, bias: object = None, stride: int = 1, padding: int = 0) -> np.ndarray:
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    y = np.einsum("nchwij,ocij->nohw", windows(x, weight.shape[2:], stride), weight)
    return y if bias is None else y + bias[:, None, None]


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("kernel flipped, rows and columns reversed", lambda x, w, b, s, p: conv(x, w[..., ::-1, ::-1], b, s, p)),
        ("rows and columns swapped", lambda x, w, b, s, p: conv(x, w.swapaxes(2, 3), b, s, p)),
        ("the bias is not added", lambda x, w, b, s, p: conv(x, w, None, s, p)),
        ("the bias added twice", lambda x, w, b, s, p: conv(x, w, 2 * b, s, p)),
        ("the stride is ignored", lambda x, w, b, s, p: conv(x, w, b, 1, p)),
        ("the padding is left out", lambda x, w, b, s, p: conv(x, w, b, s, 0)),
        ("with stride=1 and with bias=None", lambda x, w, b, s, p: conv(x, w, None, 1, p)),
        ("with padding=0 and with stride=1", lambda x, w, b, s, p: conv(x, w, b, 1, 0)),
        (
            "copies of the border",
            lambda x, w, b, s, p: conv(np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)], "edge"), w, b, s),
        ),
        ("last input channel only", lambda x, w, b, s, p: conv(x[:, -1:], w[:, -1:], b, s, p)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_wrong_convolutions_are_recognised(words: str, wrong: Callable, dtype: type, rng: Rng) -> None:
    def conv2d(x, weight, bias, stride, padding):
        return wrong(x, weight, bias, stride, padding)

    x, w, b = (rng.standard_normal(s).astype(dtype) for s in ((2, 3, 9, 8), (4, 3, 3, 3), (4,)))
    found = sentences(compare.with_torch(conv2d, x, w, b, stride=2, padding=1))
    assert len(found) == 1, found
    assert words in found[0]


def right_pool(x: np.ndarray, k: int, s: int, p: int, fill: float = -np.inf) -> tuple[np.ndarray, np.ndarray]:
    _h, w = x.shape[-2:]
    padded = np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)], constant_values=fill)
    view = windows(padded, (k, k), s)
    flat = view.reshape(*view.shape[:4], -1)
    best = flat.argmax(-1)
    row = np.arange(flat.shape[2])[:, None] * s - p + best // k
    column = np.arange(flat.shape[3]) * s - p + best % k
    return flat.max(-1), row * w + column


INDEX_MISTAKES = [
    ("count within each window", lambda i, h, w, p: None),
    ("column·height + row", lambda i, h, w, p: i % w * h + i // w),
    ("over the whole batch", lambda i, h, w, p: i + np.arange(6).reshape(2, 3, 1, 1) * h * w),
    ("over the channels of an image", lambda i, h, w, p: i + np.arange(3).reshape(3, 1, 1) * h * w),
    ("count in the padded plane", lambda i, h, w, p: (i // w + p) * (w + 2 * p) + i % w + p),
    ("padding is not subtracted", lambda i, h, w, p: (i // w + p) * w + i % w + p),
    ("use the padded width", lambda i, h, w, p: i // w * (w + 2 * p) + i % w),
    ("use the width of the output", lambda i, h, w, p: i // w * i.shape[-1] + i % w),
    ("use the height", lambda i, h, w, p: i // w * h + i % w),
    ("start at 1", lambda i, h, w, p: i + 1),
    ("rows only", lambda i, h, w, p: i // w),
    ("columns only", lambda i, h, w, p: i % w),
]


@pytest.mark.parametrize(("words", "mistake"), INDEX_MISTAKES, ids=[m[0] for m in INDEX_MISTAKES])
def test_wrong_indices_are_recognised(words: str, mistake: Callable, rng: Rng) -> None:
    def max_pool2d(x, kernel_size, stride, padding, return_indices):
        values, indices = right_pool(x, kernel_size, stride, padding)
        if words == "count within each window":
            padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=-np.inf)
            return values, windows(padded, (3, 3), 2).reshape(*values.shape, -1).argmax(-1)
        return values, mistake(indices, *x.shape[-2:], padding)

    x = rng.standard_normal((2, 3, 9, 8))
    found = sentences(compare.with_torch(max_pool2d, x, 3, stride=2, padding=1, return_indices=True))
    assert len(found) == 1, found
    assert words in found[0]


def test_right_pooling_passes_and_zero_padding_is_recognised(rng: Rng) -> None:
    def max_pool2d(x, kernel_size, stride, padding):
        return right_pool(x, kernel_size, stride, padding, fill)[0]

    x = rng.standard_normal((2, 3, 9, 8)) - 1
    fill = -np.inf
    assert compare.with_torch(max_pool2d, x, 3, 2, 1)
    fill = 0.0
    found = sentences(compare.with_torch(max_pool2d, x, 3, 2, 1))
    assert len(found) == 1
    assert "padding filled by 0: fill it with -inf" in found[0]


def test_last_maximum_of_a_tie_is_recognised(rng: Rng) -> None:
    def max_pool2d(x, kernel_size, return_indices):
        flat = windows(x, (2, 2), 2).reshape(*x.shape[:2], 4, 4, 4)
        best = 3 - flat[..., ::-1].argmax(-1)
        rows, columns = np.arange(4)[:, None] * 2 + best // 2, np.arange(4) * 2 + best % 2
        return flat.max(-1), rows * 8 + columns

    x = rng.integers(0, 3, size=(2, 3, 8, 8)).astype(np.float64)
    found = sentences(compare.with_torch(max_pool2d, x, 2, return_indices=True))
    assert len(found) == 1
    assert "the first one wins" in found[0]


# --- gradients


def test_overwritten_pooling_gradient_is_recognised(rng: Rng) -> None:
    def max_pool2d(x, kernel_size, stride):
        return right_pool(x, kernel_size, stride, 0)[0]

    x = rng.standard_normal((2, 3, 9, 9))
    _, indices = right_pool(x, 3, 2, 0)

    def spread(g: np.ndarray, add: bool) -> np.ndarray:
        dx = np.zeros((6, 81))
        where = np.arange(6)[:, None], indices.reshape(6, -1)
        if add:
            np.add.at(dx, where, g.reshape(6, -1))
        else:
            dx[where] = g.reshape(6, -1)
        return dx.reshape(x.shape)

    assert compare.with_torch(max_pool2d, x, 3, 2, backward=lambda g: spread(g, True))
    found = sentences(compare.with_torch(max_pool2d, x, 3, 2, backward=lambda g: spread(g, False)))
    assert len(found) == 1
    assert "shared maxima overwritten" in found[0]
    ones = sentences(compare.with_torch(max_pool2d, x, 3, 2, backward=lambda g: spread(np.ones_like(g), True)))
    assert ones == ["Your gradient is right for a grad_output of ones: the chain rule multiplies by grad_output."]


def test_gradient_to_every_maximum_of_a_tie_is_recognised(rng: Rng) -> None:
    def max_pool2d(x, kernel_size):
        return right_pool(x, 2, 2, 0)[0]

    def backward(g: np.ndarray) -> np.ndarray:
        best, g = (a.repeat(2, -2).repeat(2, -1) for a in (max_pool2d(x, 2), g))
        return (x == best) * g

    x = rng.integers(0, 3, size=(2, 3, 6, 8)).astype(np.float64)
    found = sentences(compare.with_torch(max_pool2d, x, 2, backward=backward))
    assert len(found) == 1
    assert "every maximum of a tie" in found[0]


def test_overwritten_convolution_gradient_is_recognised(rng: Rng) -> None:
    x, w = rng.standard_normal((2, 3, 9, 8)), rng.standard_normal((4, 3, 3, 3))

    def conv2d(x, weight, stride, padding):
        return conv(x, weight, None, stride, padding)

    def backward(g: np.ndarray) -> tuple:
        dx = np.zeros((2, 3, 11, 10))
        for i in range(g.shape[2]):
            for j in range(g.shape[3]):
                dx[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] = np.einsum("no,ocij->ncij", g[:, :, i, j], w)
        return dx[:, :, 1:-1, 1:-1], None

    found = sentences(compare.with_torch(conv2d, x, w, stride=2, padding=1, backward=backward))
    assert len(found) == 1
    assert "overlapping windows overwritten" in found[0]


def test_overwritten_average_gradient_is_recognised(rng: Rng) -> None:
    x = rng.standard_normal((2, 3, 9, 8))

    def avg_pool2d(x, kernel_size, stride):
        return windows(x, (3, 3), 2).mean((-2, -1))

    def backward(g: np.ndarray) -> np.ndarray:
        dx = np.zeros_like(x)
        for i in range(g.shape[2]):
            for j in range(g.shape[3]):
                dx[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] = g[:, :, i : i + 1, j : j + 1] / 9
        return dx

    found = sentences(compare.with_torch(avg_pool2d, x, 3, 2, backward=backward))
    assert len(found) == 1
    assert "overlapping windows overwritten" in found[0]


def test_gradient_of_another_call_is_recognised(rng: Rng) -> None:
    x, w, b = rng.standard_normal((2, 3, 9, 8)), rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(4)

    def conv2d(x, weight, bias):
        return conv(x, weight, bias)

    def backward(g: np.ndarray) -> tuple:
        dw = np.einsum("ncijhw,nohw->ocij", windows(x, g.shape[2:]), g)
        dx = conv(g, w.swapaxes(0, 1), padding=2)  # forgets to flip the kernel
        return dx, dw[..., ::-1, ::-1], g.sum((0, 1, 2))

    report = compare.with_torch(conv2d, x, w, b, backward=backward)
    message, found = report.message, sentences(report)
    assert len(found) == 2
    assert all("Your gradient equals that of PyTorch's conv2d with the kernel flipped" in s for s in found)
    assert "Gradient of bias: the shape is (6,), expected (4,)" in message


def test_only_overlaps_wrong_is_recognised(rng: Rng) -> None:
    x, w = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((3, 2, 3, 3))

    def conv_transpose2d(x, weight, stride):
        right = F.conv_transpose2d(torch.tensor(x), torch.tensor(weight), stride=stride).numpy()
        often = F.conv_transpose2d(torch.ones(1, 1, 4, 5), torch.ones(1, 1, 3, 3), stride=stride).numpy()[0, 0]
        return right / often

    found = sentences(compare.with_torch(conv_transpose2d, x, w, stride=2))
    assert len(found) == 1
    assert "Only where windows overlap" in found[0]


@pytest.mark.parametrize("operator", GRADIENTS)
def test_alternative_gradients_belong_to_known_operators(operator: str) -> None:
    assert operator in ALTERNATIVES


# --- speed and safety


def test_a_failing_recogniser_is_passed_over(rng: Rng, monkeypatch: pytest.MonkeyPatch) -> None:
    from segedu import diagnosis

    def broken(actual, expected, context):
        raise ZeroDivisionError

    monkeypatch.setattr(diagnosis, "RECOGNISERS", (broken, *diagnosis.RECOGNISERS))
    x = rng.standard_normal((3, 4))
    assert explain(-x, x) == ["Every value has the wrong sign."]


def test_a_comparison_is_fast_and_a_diagnosis_takes_less_than_a_second(rng: Rng) -> None:
    def conv2d(x, weight, padding):
        return conv(x, weight, None, 1, padding) + noise

    x, w, noise = rng.standard_normal((2, 3, 16, 16)), rng.standard_normal((4, 3, 3, 3)), 0.0
    compare.with_torch(conv2d, x, w, padding=1)
    start = time.thread_time()
    assert compare.with_torch(conv2d, x, w, padding=1)
    assert time.thread_time() - start < 0.05
    noise = rng.standard_normal((2, 4, 16, 16))
    start = time.thread_time()
    assert sentences(compare.with_torch(conv2d, x, w, padding=1)) == []
    assert time.thread_time() - start < 1


def test_a_diagnosis_of_large_arrays_stays_short(rng: Rng) -> None:
    x = rng.standard_normal((4, 16, 128, 128), dtype=np.float32)
    noise = rng.standard_normal(x.shape, dtype=np.float32)
    start = time.thread_time()
    assert explain(noise, x) == []
    assert time.thread_time() - start < 1


def test_a_flipped_result_with_nan_is_called_flipped(rng: Rng) -> None:
    x = rng.standard_normal((3, 4))
    x[0, 0] = np.nan
    assert "flipped vertically" in explain(x[::-1], x)[0]


# --- losses and normalisation, written out in NumPy


def log_probabilities(x: np.ndarray, axis: int = 1) -> np.ndarray:
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def picked(values: np.ndarray, target: np.ndarray) -> np.ndarray:
    safe = np.where(target == 255, 0, target)
    return np.take_along_axis(values, safe[:, None], 1)[:, 0] * (target != 255)


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("number of all pixels", lambda x, t: -picked(log_probabilities(x), t).mean()),
        ("reduction='sum'", lambda x, t: -picked(log_probabilities(x), t).sum()),
        ("wrong sign", lambda x, t: picked(log_probabilities(x), t).sum() / (t != 255).sum()),
        ("softmax over axis 2", lambda x, t: -picked(log_probabilities(x, 2), t).sum() / (t != 255).sum()),
        ("logarithm to base 2", lambda x, t: -picked(log_probabilities(x), t).sum() / (t != 255).sum() / np.log(2)),
        ("trained as class 0", lambda x, t: -picked(log_probabilities(x), t * (t != 255)).mean()),
        ("without the logarithm", lambda x, t: -picked(np.exp(log_probabilities(x)), t).sum() / (t != 255).sum()),
        ("divided by the batch size", lambda x, t: -picked(log_probabilities(x), t).sum() / len(x)),
    ],
)
def test_wrong_cross_entropies_are_recognised(words: str, wrong: Callable, rng: Rng) -> None:
    def cross_entropy(x, target, ignore_index):
        return wrong(x, target)

    x, target = rng.standard_normal((2, 4, 5, 6)), rng.integers(0, 4, size=(2, 5, 6))
    target[0, 1, :4] = 255
    found = sentences(compare.with_torch(cross_entropy, x, target, ignore_index=255))
    assert len(found) == 1, found
    assert words in found[0]


@pytest.mark.parametrize(
    ("words", "axes", "ddof"),
    [
        (None, (0, 2, 3), 0),
        ("unbiased variance", (0, 2, 3), 1),
        ("instance norm", (2, 3), 0),
        ("layer norm", (1, 2, 3), 0),
        ("for all channels", (0, 1, 2, 3), 0),
    ],
)
def test_wrong_statistics_are_recognised(words: str | None, axes: tuple, ddof: int, rng: Rng) -> None:
    def batch_norm(x, running_mean, running_var, training):
        var = x.var(axes, ddof=ddof, keepdims=True)
        return (x - x.mean(axes, keepdims=True)) / np.sqrt(var + 1e-5)

    x = rng.standard_normal((3, 2, 5, 6)) * rng.uniform(1, 2, size=(3, 2, 1, 1))
    report = compare.with_torch(batch_norm, x, np.zeros(2), np.ones(2), training=True)
    assert report.ok == (words is None)
    if words:
        assert len(sentences(report)) == 1
        assert words in sentences(report)[0]


@pytest.mark.parametrize(
    ("words", "half", "lowest"),
    [("the half pixel is missing", 0, 0), ("clip them to 0", 0.5, -1), ("align_corners=True", None, 0)],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_wrong_coordinates_are_recognised(words: str, half: object, lowest: float, dtype: type, rng: Rng) -> None:
    def along(x, output):
        n, pixel = x.shape[-1], np.arange(output)
        u = pixel * (n - 1) / (output - 1) if half is None else (pixel + half) * n / output - half
        u = np.maximum(u, lowest)
        left = u.astype(int)
        alpha = (u - left).astype(x.dtype)
        return (1 - alpha) * x[..., left] + alpha * x[..., np.minimum(left + 1, n - 1)]

    def interpolate(x, size, mode):
        return along(along(x, size[1]).swapaxes(-1, -2), size[0]).swapaxes(-1, -2)

    x = rng.standard_normal((2, 3, 5, 4)).astype(dtype)
    found = sentences(compare.with_torch(interpolate, x, size=(10, 7), mode="bilinear"))
    assert len(found) == 1, found
    assert words in found[0]

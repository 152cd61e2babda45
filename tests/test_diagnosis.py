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
            actual = calls._result((change,), context)
        except (RuntimeError, ValueError, IndexError, TypeError, KeyError, ZeroDivisionError):
            continue
        expected = reference.call(reference.find(operator), args, kwargs)
        assert explain(expected, expected, context) == []
        if actual is not None:
            heard.append(explain(actual, expected, context))
    assert [f"Your result equals PyTorch's {operator} {description}."] in heard, heard

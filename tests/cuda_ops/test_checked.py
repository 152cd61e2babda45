"""Every kernel runs in check mode, its threads in either order, without a fault and with NumPy's results: small sizes.

`--all` runs all of `tests/operators` so.
"""

import numpy as np
import pytest

from segedu import compare, cuda_ops, numpy_ops
from tests.cuda.kernels import needs_compiler
from tests.values import draw

pytestmark = needs_compiler


@pytest.fixture(scope="module", params=["forward", "reverse"])
def order(request):
    with cuda_ops.mode("check", order=request.param):
        yield request.param


def image(*shape, seed=0):
    return draw(np.random.default_rng(seed), shape)


X, LOGITS, VALUES = image(2, 3, 5, 6), image(2, 4, 3, 3, seed=1), image(70, seed=2)
LABELS = np.random.default_rng(3).integers(0, 5, (2, 3, 3))
LABELS[LABELS == 4] = 255
_, INDICES = numpy_ops.max_pool2d(X, 3, 2, 1, return_indices=True)
SMALL = image(2, 3, 3, 3, seed=4)
C = np.ones(3, np.float32)
W, WT, G = image(4, 3, 3, 3, seed=5), image(3, 2, 3, 3, seed=6), image(2, 4, 5, 6, seed=7)
LARGE = image(1, 16, 8, 9, seed=8)
FILTERS, LARGE_GRAD = image(17, 16, 3, 3, seed=9), image(1, 17, 8, 9, seed=10)
VOID = {"ignore_index": 255}

CALLS = [
    ("max_pool2d", (X, 3, 2, 1), {"return_indices": True}),
    ("max_pool2d", (X, 2), {"dilation": 2, "stride": 1}),
    ("max_pool2d_backward", (SMALL, INDICES, X.shape), {}),
    ("avg_pool2d", (X, 3, 2, 1), {}),
    ("avg_pool2d_backward", (SMALL, X.shape, 3, 2, 1), {}),
    ("adaptive_avg_pool2d", (X, (2, 4)), {}),
    ("adaptive_avg_pool2d", (image(1, 2, 9, 9), 1), {}),
    ("adaptive_avg_pool2d_backward", (SMALL, X.shape), {}),
    ("max_unpool2d", (SMALL, INDICES, 3, 2, 1, (5, 6)), {}),
    ("max_unpool2d_backward", (X, INDICES), {}),
    ("interpolate", (X, (7, 4)), {}),
    ("interpolate", (X,), {"scale_factor": 1.7, "mode": "bilinear"}),
    ("interpolate_backward", (X, SMALL.shape, (5, 6)), {}),
    ("interpolate_backward", (X, SMALL.shape, (5, 6)), {"mode": "bilinear", "align_corners": True}),
    ("pixel_shuffle", (image(1, 8, 2, 3), 2), {}),
    ("pixel_shuffle_backward", (image(1, 2, 4, 6), 2), {}),
    ("relu", (VALUES,), {}),
    ("relu", (image(64),), {}),
    ("relu_backward", (VALUES, VALUES), {}),
    ("softmax", (LOGITS, 1), {}),
    ("softmax", (image(3, 40), 1), {}),
    ("log_softmax", (LOGITS, 1), {}),
    ("log_softmax", (image(3, 40), 1), {}),
    ("softmax_backward", (LOGITS, numpy_ops.softmax(LOGITS, 1), 1), {}),
    ("log_softmax_backward", (LOGITS, numpy_ops.log_softmax(LOGITS, 1), 1), {}),
    ("dropout", (VALUES, 0.0), {}),
    ("concatenate", ([X, SMALL[:, :, :1].repeat(5, 2).repeat(2, 3)], 1), {}),
    ("concatenate_backward", (X, [(2, 1, 5, 6), (2, 2, 5, 6)], 1), {}),
    ("batch_norm", (X, C * 0, C * 3, C * 2, C), {"training": True}),
    ("batch_norm", (X, C * 0, C * 3, C * 2, None), {}),
    ("batch_norm_backward", (image(2, 3, 5, 6, seed=11), X, C, C, C, C), {"training": True}),
    ("conv2d", (X, W, image(4)), {"padding": 1}),
    ("conv2d", (LARGE, FILTERS), {"padding": 1}),
    ("conv2d_backward", (G, X, W, image(4)), {"padding": 1}),
    ("conv2d_backward", (image(2, 4, 2, 3), image(2, 3, 4, 5), W), {}),
    ("conv2d_backward", (LARGE_GRAD, LARGE, FILTERS, image(17)), {"padding": 1}),
    ("conv_transpose2d", (SMALL, WT, image(2)), {"stride": 2, "padding": 1}),
    ("conv_transpose2d_backward", (image(2, 2, 5, 5), SMALL, WT, image(2)), {"stride": 2, "padding": 1}),
    ("cross_entropy_with_gradient", (LOGITS, LABELS), {**VOID, "label_smoothing": 0.1}),
    ("nll_loss", (LOGITS, LABELS), VOID),
    ("nll_loss_backward", (1.0, LOGITS, LABELS), VOID),
    ("dice_loss_with_gradient", (LOGITS, LABELS), VOID),
    ("jaccard_loss_with_gradient", (LOGITS, LABELS), {**VOID, "per_image": True}),
    ("lovasz_softmax_with_gradient", (LOGITS, LABELS), VOID),
    ("confusion_matrix", (LABELS % 4, LABELS, 4), VOID),
    ("confusion_matrix", (LABELS % 4, LABELS, 200), VOID),
    ("top_k_accuracy", (LOGITS, LABELS, 2), VOID),
    ("dice", (X > 0, X < 1), {}),
]


@pytest.mark.parametrize(("name", "args", "options"), CALLS, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(CALLS)])
@pytest.mark.usefixtures("order")
def test_every_kernel_is_free_of_faults(name, args, options):
    expected, result = (getattr(ops, name)(*args, **options) for ops in (numpy_ops, cuda_ops))
    pairs = zip(result, expected, strict=True) if isinstance(expected, tuple) else [(result, expected)]
    for ours, theirs in pairs:
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            compare.arrays(np.asarray(ours), np.asarray(theirs), length=150).check()


def test_every_operator_that_has_kernels_is_checked():
    plain = {
        name for name in numpy_ops.__all__ if getattr(cuda_ops, name).__module__ != getattr(numpy_ops, name).__module__
    }
    shared = {"cross_entropy", "cross_entropy_backward", "dropout_backward", "jaccard", "cosine_coefficient"}
    shared |= {f"{loss}{end}" for loss in ("dice_loss", "jaccard_loss", "lovasz_softmax") for end in ("", "_backward")}
    assert plain - shared <= {name for name, *_ in CALLS}

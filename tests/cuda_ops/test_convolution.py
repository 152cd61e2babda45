"""Every form of the convolutions' kernels equals PyTorch, checked, whichever order the threads run in."""

import numpy as np
import pytest
import torch.nn.functional as F

from segedu import compare, cuda_ops
from segedu.cuda_ops import _sums
from tests.cuda.kernels import needs_compiler

pytestmark = needs_compiler
EVERY = pytest.mark.parametrize("form", _sums.FORMS)
MODES = pytest.mark.parametrize(
    "mode",
    [("fast", "forward"), *(pytest.param(("check", o), marks=pytest.mark.slow) for o in ("forward", "reverse"))],
    ids="-".join,
)
CASES = [
    ((2, 4, 7, 9), (6, 2, 3, 3), {"padding": 1, "groups": 2}),
    ((1, 20, 9, 8), (70, 20, 3, 2), {"padding": (2, 0), "dilation": (2, 3), "stride": (2, 1)}),
    ((3, 1, 10, 9), (2, 1, 4, 4), {"stride": 3, "padding": 2}),
    ((0, 2, 5, 5), (3, 2, 3, 3), {}),
]
TRANSPOSED = [
    ((2, 6, 5, 4), (6, 2, 4, 4), {"stride": 2, "padding": 1, "groups": 3}),
    ((1, 20, 4, 5), (20, 3, 3, 5), {"stride": (2, 3), "padding": (1, 2), "output_padding": (1, 0), "dilation": (1, 2)}),
    ((2, 1, 3, 3), (1, 2, 2, 2), {"stride": 3, "output_padding": 2}),
    ((1, 2, 3, 4), (2, 1, 3, 3), {"dilation": 2, "stride": 2}),
]


@pytest.fixture
def computed(form, mode):
    token = _sums.form.set(form)
    with cuda_ops.mode(*mode):
        yield
    _sums.form.reset(token)


@EVERY
@MODES
@pytest.mark.usefixtures("computed")
class TestEveryForm:
    @pytest.mark.parametrize(("shape", "weight_shape", "options"), CASES, ids=range(len(CASES)))
    def test_conv2d(self, rng, shape, weight_shape, options):
        x, weight = rng.standard_normal(shape), rng.standard_normal(weight_shape)
        bias = rng.standard_normal(weight_shape[0])
        compare.with_torch(
            cuda_ops.conv2d,
            *(x, weight, bias),
            backward=lambda grad: cuda_ops.conv2d_backward(grad, x, weight, bias, **options),
            **options,
        ).check()

    @pytest.mark.parametrize(("shape", "weight_shape", "options"), TRANSPOSED, ids=range(len(TRANSPOSED)))
    def test_conv_transpose2d(self, rng, shape, weight_shape, options):
        x, weight = rng.standard_normal(shape, np.float32), rng.standard_normal(weight_shape, np.float32)
        bias = rng.standard_normal(weight_shape[1] * options.get("groups", 1), np.float32)
        compare.with_torch(
            cuda_ops.conv_transpose2d,
            *(x, weight, bias),
            reference=F.conv_transpose2d,
            backward=lambda grad: cuda_ops.conv_transpose2d_backward(grad, x, weight, bias, **options),
            **options,
        ).check()


def test_large_products_go_by_tiles_and_small_ones_by_the_definition():
    assert [_sums._form(*sizes) for sizes in [(1, 9, 10**6), (64, 576, 10**4), (256, 2304, 10**5)]] == [
        "definition",
        "tiled_4",
        "tiled_8",
    ]

"""torch.nn.utils: what is done with the gradients of all parameters together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from segedu.autograd import Tensor


@np.errstate(over="ignore", invalid="ignore")
def clip_grad_norm_(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Shorten the gradient, all parameters' as one long vector, to the length `max_norm` where it is longer.

    Returns its length before. (Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks",
    2013, algorithm 1.)

    >>> x = Tensor([3.0, 4.0], requires_grad=True)
    >>> (x * x * 0.5).sum().backward()
    >>> clip_grad_norm_([x], max_norm=1.0)
    5.0
    >>> x.grad.round(3)
    array([0.6, 0.8])
    """
    with_gradient = [parameter for parameter in parameters if parameter.grad is not None]
    length = float(sum((parameter.grad * parameter.grad).sum() for parameter in with_gradient)) ** 0.5
    scale = max_norm / (length + 1e-6)
    if not scale >= 1:  # NaN, too, goes to all gradients, as in PyTorch
        for parameter in with_gradient:
            parameter.grad = parameter.grad * scale
    return length

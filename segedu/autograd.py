"""A tape: every operation writes down how its gradient goes back to its inputs (lecture 11).

A `Tensor` holds an array, the tensors that it was computed from, and a function from the gradient of the array to the
gradients of those. `backward` walks from the result to the beginning, newest tensor first: a tensor is always newer
than its inputs, so its gradient is complete when its turn comes. (Reverse accumulation: Linnainmaa, 1970; Rumelhart,
Hinton and Williams, "Learning representations by back-propagating errors", 1986. As
short as this: Karpathy's micrograd.)

The arithmetic is not done here: a tensor names the set of operators that computes with it (`segedu.numpy_ops`, or
another with the same names and signatures), as a tensor of PyTorch names its device.
"""

from __future__ import annotations

import contextlib
import heapq
import importlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

import numpy as np

import segedu.numpy_ops

_numbers = itertools.count()
_recording = True


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Nothing is written on the tape inside: `with no_grad():`, or `@no_grad()` above a function.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> with no_grad():
    ...     y = x * 3
    >>> (x * 3).requires_grad, y.requires_grad
    (True, False)
    """
    global _recording
    before, _recording = _recording, False
    try:
        yield
    finally:
        _recording = before


class Tensor:
    """An array that remembers how it was computed.

    `data`: the array, float32 or float64, any shape. `grad`: the gradient of the last `backward`, an array of the same
    shape; None before, and None for all but the leaves (tensors that were not computed). `ops`: the set of operators.

    >>> x, w = Tensor([1.0, 2.0]), Tensor([3.0, 4.0], requires_grad=True)
    >>> loss = (x * w).sum()
    >>> loss.backward()
    >>> loss.item(), w.grad
    (11.0, array([1., 2.]))
    """

    def __init__(self, data: np.ndarray, requires_grad: bool = False, ops: ModuleType = segedu.numpy_ops) -> None:
        if isinstance(data, Tensor):
            raise TypeError("data is a Tensor already; write data.detach() for one that is off the tape")
        self.data = data if hasattr(data, "dtype") else np.asarray(data)
        if self.data.dtype.name not in ("float32", "float64"):
            raise TypeError(f"data has dtype {self.data.dtype}; it must be float32 or float64")
        self.grad = None
        self.requires_grad = requires_grad
        self.ops = ops
        self._number = next(_numbers)
        self._inputs: tuple[Tensor, ...] = ()
        self._backward: Callable | None = None

    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)
    dtype = property(lambda self: self.data.dtype)

    def item(self) -> float:
        """The number in a tensor of one element."""
        return self.data.item()

    def detach(self) -> Tensor:
        """The same array off the tape: no gradient goes back through it."""
        return Tensor(self.data, ops=self.ops)

    def __deepcopy__(self, memo: dict) -> Tensor:
        """Copies and pickles hold the array, not the tape."""
        return type(self)(self.data.copy(), self.requires_grad, self.ops)

    def __reduce__(self) -> tuple:
        return _restored, (type(self), self.data, self.requires_grad, self.ops.__name__)

    def __repr__(self) -> str:
        return f"Tensor({np.array2string(to_numpy(self.data), prefix='Tensor(', separator=', ')})"

    def backward(self, grad: np.ndarray | None = None) -> None:
        """Add to `grad` of every leaf the gradient of this tensor, or of `sum(grad · this)`.

        Args:
            grad: array of this tensor's shape; may be left out where the tensor has one element, and is 1 then.

        Raises:
            ValueError: `grad` is missing or has another shape; the tensor does not depend on any that requires one.
            RuntimeError: the tape was used already. A tape serves once, so that its arrays can be freed.
        """
        if not self.requires_grad:
            raise ValueError("this tensor has no gradient: nothing that it was computed from has requires_grad=True")
        if grad is None and self.data.size != 1:
            raise ValueError(f"grad=None needs a tensor of one element, this one has shape {self.shape}")
        grad = np.ones_like(self.data) if grad is None else grad
        if grad.shape != self.shape:
            raise ValueError(f"grad has shape {grad.shape}; it must be that of the tensor, {self.shape}")
        grads, waiting = {self._number: grad}, [(-self._number, self)]
        while waiting:  # the newest tensor first
            _, tensor = heapq.heappop(waiting)
            for source, part in tensor._send(grads.pop(tensor._number)):
                if source._number not in grads:
                    heapq.heappush(waiting, (-source._number, source))
                    grads[source._number] = part
                else:
                    grads[source._number] = grads[source._number] + part

    def _send(self, grad: np.ndarray) -> list[tuple[Tensor, np.ndarray]]:
        """Pairs of an input and its gradient; a leaf keeps its gradient and sends nothing."""
        if self._backward is None:
            self.grad = grad if self.grad is None else self.grad + grad
            return []
        parts, inputs = self._backward(grad), self._inputs
        self._backward, self._inputs = _used, ()
        parts = parts if isinstance(parts, tuple) else (parts,)
        pairs = zip(inputs, parts, strict=True)
        return [(source, part) for source, part in pairs if source is not None and source.requires_grad]

    def __add__(self, other: Tensor | float) -> Tensor:
        a, b = self, _tensor(other, self)
        return record(a.data + b.data, (a, b), lambda grad: (_fold(grad, a.shape), _fold(grad, b.shape)))

    def __mul__(self, other: Tensor | float) -> Tensor:
        a, b = self, _tensor(other, self)
        return record(
            a.data * b.data, (a, b), lambda grad: (_fold(grad * b.data, a.shape), _fold(grad * a.data, b.shape))
        )

    def __pow__(self, exponent: float) -> Tensor:
        return record(self.data**exponent, (self,), lambda grad: grad * exponent * self.data ** (exponent - 1))

    def __neg__(self) -> Tensor:
        return self * -1.0

    def __sub__(self, other: Tensor | float) -> Tensor:
        return self + -_tensor(other, self)

    def __rsub__(self, other: float) -> Tensor:
        return -self + other

    def __truediv__(self, other: Tensor | float) -> Tensor:
        return self * _tensor(other, self) ** -1.0

    __radd__, __rmul__ = __add__, __mul__
    __array_ufunc__ = None  # so that `array * tensor` is refused, not computed element by element

    def sum(self) -> Tensor:
        """The sum of all elements."""
        return record(self.data.sum(), (self,), lambda grad: np.broadcast_to(grad, self.shape))

    def mean(self) -> Tensor:
        """The mean of all elements."""
        return self.sum() * (1 / self.data.size)

    def reshape(self, *shape: int) -> Tensor:
        """The same elements in another shape."""
        return record(self.data.reshape(shape), (self,), lambda grad: grad.reshape(self.shape))


def record(data: np.ndarray, inputs: Sequence[Tensor | None], backward: Callable) -> Tensor:
    """A result on the tape: `backward(grad)` is the gradient of each of `inputs`, an array or a tuple of them.

    >>> x = Tensor([1.0, -2.0], requires_grad=True)
    >>> square = record(x.data**2, (x,), lambda grad: 2 * x.data * grad)
    >>> square.sum().backward()
    >>> x.grad
    array([ 2., -4.])
    """
    present = [tensor for tensor in inputs if tensor is not None]
    if len({tensor.ops for tensor in present}) > 1:
        names = " and ".join(sorted({tensor.ops.__name__ for tensor in present}))
        raise ValueError(f"the inputs belong to different sets of operators: {names}; module.to(ops=…) moves a module")
    result = Tensor(data, _recording and any(tensor.requires_grad for tensor in present), present[0].ops)
    if result.requires_grad:
        result._inputs, result._backward = tuple(inputs), backward
    return result


def to_numpy(value: object) -> np.ndarray:
    """The numbers of a Tensor, or of an array of NumPy, CuPy or PyTorch, as a NumPy array: the same one, if it is one.

    >>> to_numpy(Tensor([1.0, 2.0]))
    array([1., 2.])
    """
    data = value.data if isinstance(value, Tensor) else value
    if hasattr(data, "detach"):  # PyTorch's
        data = data.detach().cpu()
    return data.get() if hasattr(data, "get") else np.asarray(data)  # CuPy's way to NumPy is `get`


def _restored(kind: type[Tensor], data: np.ndarray, requires_grad: bool, ops: str) -> Tensor:
    return kind(data, requires_grad, importlib.import_module(ops))


def _tensor(value: Tensor | float, like: Tensor) -> Tensor:
    """A number as a tensor of the same dtype and operators."""
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, int | float | np.number):
        raise TypeError(f"a Tensor is combined with a Tensor or a number, not with {type(value).__name__}")
    return Tensor(like.data.dtype.type(value), ops=like.ops)


def _fold(grad: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The gradient of an input that was broadcast: summed over the repeats."""
    if grad.shape == shape:
        return grad
    grad = grad.sum(tuple(range(grad.ndim - len(shape))))
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 != grad.shape[axis])
    return grad.sum(repeated, keepdims=True) if repeated else grad


def _used(grad: np.ndarray) -> tuple:
    raise RuntimeError("backward went through this tape already; compute the loss again before the next backward")

"""PyTorch's function of the same name, called with NumPy arrays; it is imported in functions only."""

import contextlib
import warnings
from collections.abc import Callable, Iterator

import numpy as np

# The order of PyTorch's own arguments, the first one called x: alternatives are written by name.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "conv2d": ("x", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "conv_transpose2d": ("x", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"),
    "max_pool2d": ("x", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    "avg_pool2d": ("x", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    "adaptive_avg_pool2d": ("x", "output_size"),
    "max_unpool2d": ("x", "indices", "kernel_size", "stride", "padding", "output_size"),
    "interpolate": ("x", "size", "scale_factor", "mode", "align_corners"),
    "batch_norm": ("x", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
    "cross_entropy": (
        *("x", "target", "weight", "size_average", "ignore_index", "reduce", "reduction", "label_smoothing"),
    ),
    "nll_loss": ("x", "target", "weight", "size_average", "ignore_index", "reduce", "reduction"),
    "softmax": ("x", "dim"),
    "log_softmax": ("x", "dim"),
    "relu": ("x",),
    "linear": ("x", "weight", "bias"),
    "cat": ("x", "dim"),
}
NO_GRADIENT = {"batch_norm": {"running_mean", "running_var"}, "cross_entropy": {"weight"}, "nll_loss": {"weight"}}
_VARIANTS = {"loops", "loop", "naive", "vectorised", "vectorized", "numpy", "slow", "fast", "cuda", "einsum", "im2col"}


def operator_name(name: str) -> str:
    """The operator behind a student's name for it: `max_pool2d_loops` is `max_pool2d`.

    >>> operator_name("max_pool2d_loops"), operator_name("conv2d")
    ('max_pool2d', 'conv2d')
    """
    stem, _, variant = name.rpartition("_")
    name = stem if stem and variant in _VARIANTS else name
    return "cat" if name == "concatenate" else name


def find(name: str) -> Callable:
    """PyTorch's function for the operator `name`, from `torch.nn.functional`, else from `torch`.

    Raises:
        LookupError: PyTorch has no function of that name.
    """
    import torch

    operator = operator_name(name)
    for room in (torch.nn.functional, torch):
        if callable(getattr(room, operator, None)):
            return getattr(room, operator)
    raise LookupError(f"PyTorch has no function called {name}: pass reference=… to name the one to compare with")


def to_torch(value: object, *, double: bool = False) -> object:
    """NumPy arrays as tensors (copies), inside lists and tuples too; other values as they are."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        import torch

        upcast = double and value.dtype.kind == "f"
        return torch.from_numpy(np.array(value, dtype=np.float64 if upcast else value.dtype, order="C", subok=False))
    if isinstance(value, list | tuple) and any(isinstance(v, np.ndarray) for v in value):
        return type(value)(to_torch(v, double=double) for v in value)
    return value


def to_numpy(value: object) -> object:
    """Tensors (and CuPy arrays) as NumPy arrays, inside tuples and lists too; other values as they are."""
    if isinstance(value, list | tuple):
        return tuple(to_numpy(v) for v in value)
    if hasattr(value, "detach"):
        return value.detach().cpu().numpy()
    return value.get() if hasattr(value, "__cuda_array_interface__") else value


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of PyTorch, which are not about the student's code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def call(reference: Callable, args: tuple, kwargs: dict) -> object:
    """`reference` with tensors in place of arrays; what it returns as NumPy arrays."""
    kwargs = {k: to_torch(v) for k, v in kwargs.items()}
    with quiet():
        return to_numpy(reference(*(to_torch(a) for a in args), **kwargs))


def named(operator: str, args: tuple, kwargs: dict) -> dict:
    """The arguments by PyTorch's names, the first one called x; those without a known name are left out."""
    kwargs = {{"input": "x", "tensors": "x", "axis": "dim"}.get(k, k): v for k, v in kwargs.items()}
    return dict(zip(PARAMETERS.get(operator, ()), args, strict=False)) | kwargs


def named_floats(operator: str, args: tuple, kwargs: dict) -> Iterator[tuple[str, np.ndarray]]:
    """The float arrays among the arguments, in order, each with its name."""
    names = PARAMETERS.get(operator, ("x",))
    given = [(names[k] if k < len(names) else f"argument {k}", a) for k, a in enumerate(args)] + list(kwargs.items())
    for name, value in given:
        several = isinstance(value, list | tuple)
        for k, array in enumerate(value if several else [value]):
            if isinstance(array, np.ndarray) and array.dtype.kind == "f":
                yield (f"{name}[{k}]" if several else name), array


def gradients(reference: Callable, args: tuple, kwargs: dict, grad_output: np.ndarray, wanted: list[bool]) -> list:
    """PyTorch's gradients for the wanted float arrays among the arguments, computed in float64; None for the others."""
    leaves: list = []

    def convert(value: object) -> object:
        if isinstance(value, list | tuple):
            return type(value)(convert(v) for v in value)
        tensor = to_torch(value, double=True)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            tensor.requires_grad_(wanted[len(leaves)])
            leaves.append(tensor)
        return tensor

    with quiet():
        output = reference(*[convert(a) for a in args], **{k: convert(v) for k, v in kwargs.items()})
        first = output[0] if isinstance(output, tuple | list) else output
        first.backward(to_torch(np.asarray(grad_output), double=True))
    return [_gradient(leaf) if want else None for leaf, want in zip(leaves, wanted, strict=True)]


def _gradient(leaf: object) -> np.ndarray:
    return np.zeros(tuple(leaf.shape)) if leaf.grad is None else leaf.grad.numpy()


def length(operator: str, args: tuple, kwargs: dict) -> int:
    """How many terms one element of the result is a sum of, for the tolerance."""
    given = named(operator, args, kwargs)
    weight = given.get("weight")
    if operator == "cat":
        return 1
    if operator in ("conv2d", "linear") and weight is not None:
        return max(1, weight[0].size if len(weight) else 1)
    if operator == "conv_transpose2d":
        return max(1, weight.size // max(1, weight.shape[1]))
    return max(1, given["x"].size) if operator in ("cross_entropy", "nll_loss", "batch_norm") else _window(given)


def _window(given: dict) -> int:
    size = given.get("kernel_size", 1)
    return int(np.prod(size)) ** (1 if np.ndim(size) else 2)


def aligned(result: object, titles: list[str], operator: str) -> list | None:
    """The gradients that `backward` returned, one for each float input, None for what has no gradient.

    None if they cannot be told apart: neither as many as the inputs nor as many as those that have a gradient.
    """
    if not isinstance(result, tuple | list):
        return [result] + [None] * (len(titles) - 1)
    given = [g for g in result if g is not None]
    trained = [title not in NO_GRADIENT.get(operator, ()) for title in titles]
    for candidate in (list(result), given):
        if len(candidate) == len(titles):
            return candidate
        if len(candidate) == sum(trained):
            rest = iter(candidate)
            return [next(rest) if has else None for has in trained]
    return None


def copies(value: object) -> object:
    """`value` with its arrays copied, inside lists, tuples and dictionaries too."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {k: copies(v) for k, v in value.items()}
    return type(value)(copies(v) for v in value) if type(value) in (list, tuple) else value

"""PyTorch called again with something changed: what the student's result equals instead."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator

import numpy as np

from segedu.diagnosis import reference, words
from segedu.diagnosis.alternatives import ALTERNATIVES, GRADIENTS, Change
from segedu.diagnosis.alternatives.changes import run
from segedu.diagnosis.values import explains, same

_SECONDS = 0.5  # of computing, for each of the two recognisers


def one_change(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """Does PyTorch give `actual` when one argument is changed, or with another function of the same arguments?"""
    operator, deadline = context.get("operator"), time.thread_time() + _SECONDS
    if not _understood(expected, context):
        return
    table = [*ALTERNATIVES.get(operator, ()), *(GRADIENTS.get(operator, ()) if "gradient" in context else ())]
    singles = ((description, (change,)) for description, change in table)
    found = next(_matches(singles, actual, expected, context, deadline), None)
    if found:
        yield found
    elif "gradient" in context and explains(_result((), context, ones=True), actual, expected, context):
        yield "Your gradient is right for a grad_output of ones: the chain rule multiplies by grad_output."


def two_changes(actual: np.ndarray, expected: np.ndarray, context: dict) -> Iterator[str]:
    """The same with two arguments changed at once; only the first pair that fits is named."""
    operator, deadline = context.get("operator"), time.thread_time() + _SECONDS
    if not _understood(expected, context):
        return
    simple = [(d, c) for d, c in ALTERNATIVES.get(operator, ()) if isinstance(c, Change)]
    pairs = ((f"{_stem(d)} and {_stem(e)}", (b, c)) for (d, b), (e, c) in itertools.combinations(simple, 2))
    yield from itertools.islice(_matches(pairs, actual, expected, context, deadline), 1)


def arguments(context: dict) -> dict:
    """The arguments of the call by PyTorch's names, the first one called x."""
    return reference.named(context["operator"], context.get("args", ()), context.get("kwargs", {}))


def _stem(description: str) -> str:
    return description.split(":")[0]


def _understood(expected: np.ndarray, context: dict) -> bool:
    """Does PyTorch's own function give `expected`? Only then do changes of its arguments say something."""
    if context.get("operator") not in reference.PARAMETERS or "args" not in context:
        return False
    return bool(np.all(same(_result((), context), expected, context)))


def _matches(
    table: Iterator[tuple[str, tuple]], actual: np.ndarray, expected: np.ndarray, context: dict, deadline: float
) -> Iterator[str]:
    subject = "Your gradient equals that of" if "gradient" in context else "Your result equals"
    for description, changes in table:
        if time.thread_time() > deadline:
            return
        try:
            alternative = _result(changes, context)
        except Exception:  # a change that does not apply to these arguments
            continue
        if alternative is not None and explains(alternative, actual, expected, context):
            yield words.sentence(f"{subject} PyTorch's {context['operator']} {description}")


def _result(changes: tuple[Callable, ...], context: dict, *, ones: bool = False) -> np.ndarray | None:
    """PyTorch's output, or its gradient in float64, after the changes."""
    import torch

    gradient = context.get("gradient")
    p, leaves = _tensors(context, double=gradient is not None)
    if gradient is not None:
        leaves[gradient].requires_grad_(True)
        p["grad_output"] = reference.to_torch(context["grad_output"], double=True)
    with torch.set_grad_enabled(gradient is not None), _one_thread():
        output = _apply(changes, p, context["operator"])
    if output is None:
        return None
    if gradient is None or isinstance(output, np.ndarray):
        output = output[context.get("output", 0)] if isinstance(output, tuple) else output
        return output if isinstance(output, np.ndarray) else output.detach().numpy()
    output = output[0] if isinstance(output, tuple) else output
    output.backward(torch.ones_like(output) if ones else p["grad_output"])
    like = [a for _, a in reference.named_floats(context["operator"], context["args"], context.get("kwargs", {}))]
    return leaves[gradient].grad.numpy().astype(like[gradient].dtype)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """PyTorch on one thread: small calls are faster so, and a busy machine does not matter."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _apply(changes: tuple[Callable, ...], p: dict, operator: str) -> object:
    """The operator's output; a change that is not of arguments computes the output itself."""
    for change in changes:
        if not isinstance(change, Change):
            return change(p)
        p = change(p)
        if p is None:
            return None
    return run(operator, p)


def _tensors(context: dict, *, double: bool) -> tuple[dict, list]:
    """The named arguments as tensors, and the float ones among them in the order of `named_floats`."""
    import torch

    p = {k: reference.to_torch(v, double=double) for k, v in arguments(context).items()}
    flat = itertools.chain.from_iterable(v if isinstance(v, list | tuple) else [v] for v in p.values())
    return p, [v for v in flat if torch.is_tensor(v) and v.is_floating_point()]

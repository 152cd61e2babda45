"""The one comparator: values, shape, dtype and gradients against PyTorch and against finite differences, in words.

Every function returns a `Report`: true or false, with a message that says what to look at.
"""

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from segedu import diagnosis
from segedu.diagnosis import reference as pytorch
from segedu.diagnosis import words
from segedu.diagnosis.attempts import attempt, name_of, raised
from segedu.diagnosis.findings import differences, same_dtype, wrong_dtype, wrong_type
from segedu.tolerances import tolerance

_OUTPUTS = {"max_pool2d": ("values", "indices")}


@dataclass(frozen=True)
class Report:
    """The outcome of a comparison: `ok`, and a `message` in plain text. True where `ok`; notebooks show it as a box.

    >>> bool(Report(True, "12 values agree"))
    True
    """

    ok: bool
    message: str

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return self.message

    def check(self) -> "Report":
        """This report itself. Raises AssertionError with the message if it is not ok."""
        if not self.ok:
            raise AssertionError(self.message)
        return self

    def _repr_html_(self) -> str:
        colour, mark, title = ("#2e9e4f", "✓", "Correct") if self.ok else ("#d9534f", "✗", "Not yet")
        return (
            f'<div style="border-left:4px solid {colour};padding:0.2em 0.8em;margin:0.3em 0">'
            f'<strong><span style="color:{colour}">{mark}</span> {title}</strong>'
            f'<pre style="margin:0.3em 0 0;background:none;color:inherit;white-space:pre-wrap;word-break:normal">'
            f"{html.escape(self.message)}</pre></div>"
        )


def arrays(
    actual: object,
    expected: object,
    *,
    length: int = 1,
    name: str = "result",
    hints: Sequence[tuple[str, object]] = (),
    context: dict | None = None,
    axes: tuple[str, ...] | None = None,
) -> Report:
    """Compare two arrays: type, shape, dtype, then values. NaN equals NaN; integers must be equal.

    Args:
        actual: the array to check, of any shape.
        expected: what it should be. A Python number or a list leaves the dtype open.
        length: number of terms summed for one element, see `segedu.tolerances.tolerance`.
        name: what the message calls the array.
        hints: pairs of (description, array): if `actual` equals the array, the message says so.
        context: how `expected` was computed, see `segedu.diagnosis.explain`.
        axes: names of the axes in messages; by default batch, channel, row, column.

    Raises:
        TypeError: `expected` is of a dtype that has no tolerance.

    >>> print(arrays(np.ones((2, 3)), np.ones((2, 3))))
    result: all 6 values agree (shape (2, 3), float64).
    >>> print(arrays(np.array([1.0, 4.0]), np.array([1.0, 2.0])).message.splitlines()[0])
    result: 1 of 2 values is wrong.
    """
    open_dtype = not (isinstance(expected, np.ndarray | np.generic) or hasattr(expected, "detach"))
    target = np.asarray(pytorch.to_numpy(expected) if hasattr(expected, "detach") else expected)
    trouble = wrong_type(actual, name, number_allowed=open_dtype and target.ndim == 0)
    if trouble:
        return Report(False, trouble)
    result = np.array(pytorch.to_numpy(actual), copy=None, subok=False)
    if result.shape != target.shape:
        lines = [f"{name}: the shape is {result.shape}, expected {target.shape}."]
        return _failure(lines, result, target, hints, context)
    if not same_dtype(result, target, open_dtype):
        return Report(False, wrong_dtype(result, target, name))
    close = tolerance(result.dtype if open_dtype else target.dtype, length).accepts(result, target)
    if close.all():
        size = "the value agrees" if target.size == 1 else f"all {target.size} values agree"
        return Report(True, f"{name}: {size} (shape {target.shape}, {result.dtype}).")
    return _failure(differences(result, target, close, name, axes), result, target, hints, context, length)


def with_torch(
    function: Callable,
    *args: object,
    reference: Callable | None = None,
    backward: Callable | None = None,
    gradients: bool = True,
    seed: int = 0,
    **kwargs: object,
) -> Report:
    """Compare `function(*args, **kwargs)` with PyTorch's function of the same name, called with the same arguments.

    Args:
        function: takes and returns NumPy arrays, for example `max_pool2d`; `max_pool2d_loops` is compared with it too.
        *args, **kwargs: its arguments; arrays of any shape become tensors for PyTorch.
        reference: the function to compare with, taking tensors; by default found by name.
        backward: `backward(grad_output)` returns the gradients of the float arrays among the arguments, in their order:
            one array, or a tuple with None for what has no gradient. Compared with autograd in float64.
        gradients: False leaves the gradients out.
        seed: of the random `grad_output`.

    Raises:
        LookupError: PyTorch has no function of that name and `reference` is not given.

    >>> def relu(x):
    ...     return np.maximum(x, 0)
    >>> x = np.array([-1.0, 2.0, 3.0])
    >>> print(with_torch(relu, x, backward=lambda grad_output: grad_output * (x > 0)))
    relu: all 3 values agree (shape (3,), float64).
    Gradient of x: all 3 values agree (shape (3,), float64).
    """
    name = name_of(function)
    target = reference or pytorch.find(name)
    operator = pytorch.operator_name(name_of(reference) if reference else name)
    if operator not in pytorch.PARAMETERS:
        operator = pytorch.operator_name(name)
    before = pytorch.copies(args), pytorch.copies(kwargs)
    context = {"operator": operator, "args": before[0], "kwargs": before[1], "reference": target}
    expected, refusal = attempt(lambda: pytorch.call(target, *before))
    result, error = attempt(lambda: function(*args, **kwargs))
    if error is not None:
        also = "\nPyTorch refuses these arguments too." if refusal is not None else ""
        return Report(False, raised(error, function) + also)
    if refusal is not None:
        return Report(False, f"PyTorch refuses these arguments, {name} accepted them. PyTorch says: {refusal}")
    reports = [_outputs(result, expected, name, context), _inputs_kept((args, kwargs), name, context)]
    if gradients and backward is not None and all(reports):
        reports.append(_gradients(backward, expected, seed, context))
    return _together(reports)


def _outputs(result: object, expected: object, name: str, context: dict) -> Report:
    if result is None:
        return Report(False, f"{name} returned None: is a return statement missing?")
    length = pytorch.length(context["operator"], context["args"], context["kwargs"])
    if not isinstance(expected, tuple):
        if isinstance(result, tuple):
            return Report(False, f"{name} returned {len(result)} results, PyTorch returns one array.")
        return arrays(result, expected, length=length, name=name, context=context)
    titles = _OUTPUTS.get(context["operator"], tuple(f"output {k}" for k in range(len(expected))))
    if not isinstance(result, tuple | list) or len(result) != len(expected):
        got = f"{len(result)} results" if isinstance(result, tuple | list) else words.kind(result)
        return Report(False, f"{name} returned {got}, PyTorch returns {len(expected)}: {', '.join(titles)}.")
    return _together(
        arrays(r, e, length=length, name=f"{name}, {title}", context=context | {"output": k})
        for k, (r, e, title) in enumerate(zip(result, expected, titles, strict=True))
    )


def _inputs_kept(after: tuple, name: str, context: dict) -> Report:
    pairs = zip(
        pytorch.named_floats(context["operator"], context["args"], context["kwargs"]),
        pytorch.named_floats(context["operator"], *after),
        strict=True,
    )
    for (title, old), (_, new) in pairs:
        if title not in pytorch.NO_GRADIENT.get(context["operator"], ()) and not np.array_equal(
            old, new, equal_nan=True
        ):
            return Report(False, f"{name} changed its argument {title} in place: work on a copy ({title}.copy()).")
    return Report(True, "")


def _gradients(backward: Callable, expected: object, seed: int, context: dict) -> Report:
    first = np.asarray(expected[0] if isinstance(expected, tuple) else expected)
    grad_output = np.asarray(np.random.default_rng(seed).standard_normal(first.shape), first.dtype)
    result, error = attempt(lambda: backward(grad_output.copy()))
    if error is not None:
        return Report(False, raised(error, backward))
    if result is None:
        return Report(False, "backward returned None: is a return statement missing?")
    operator, args, kwargs = context["operator"], context["args"], context["kwargs"]
    inputs = list(pytorch.named_floats(operator, args, kwargs))
    result = pytorch.aligned(result, [title for title, _ in inputs], operator)
    if result is None:
        titles = ", ".join(title for title, _ in inputs)
        return Report(False, f"backward must return one gradient for each of {titles}; None where there is none.")
    wanted = [g is not None for g in result]
    targets = pytorch.gradients(context["reference"], args, kwargs, grad_output, wanted)
    terms = pytorch.length(operator, args, kwargs) * first.size
    return _together(
        arrays(
            gradient,
            target.astype(array.dtype),
            length=max(1, min(terms // max(1, array.size), first.size)),
            name=f"Gradient of {title}",
            context=context | {"gradient": k, "grad_output": grad_output},
            axes=words.WEIGHT_AXES if title == "weight" and array.ndim == 4 else None,
        )
        for k, ((title, array), gradient, target) in enumerate(zip(inputs, result, targets, strict=True))
        if target is not None
    )


def with_finite_differences(
    function: Callable,
    inputs: Sequence[np.ndarray],
    gradients: Sequence[np.ndarray | None],
    *,
    grad_output: np.ndarray | None = None,
    eps: float = 1e-6,
    samples: int = 200,
    seed: int = 0,
) -> Report:
    """Compare gradients with central differences of `sum(function(*inputs) * grad_output)`, computed in float64.

    Args:
        function: takes the inputs, returns one array (of several results the first is used).
        inputs: arrays of any shape; float ones are upcast to float64.
        gradients: one for each input, of the input's shape; None leaves the input out.
        grad_output: of the output's shape; by default ones, the gradient of the sum.
        eps: the step.
        samples: how many coordinates of each input are tried, drawn at random; all of them if there are fewer.
        seed: of the draw.

    Raises:
        ValueError: `inputs` and `gradients` are not equally many.

    >>> x = np.array([1.0, 2.0, 3.0])
    >>> print(with_finite_differences(np.square, [x], [2 * x]))
    Gradient of input 0: agrees with finite differences at 3 of 3 coordinates.
    """
    if len(inputs) != len(gradients):
        raise ValueError(f"gradients has {len(gradients)} entries, inputs {len(inputs)}: give None where there is none")
    points = [np.array(x, np.float64 if np.asarray(x).dtype.kind == "f" else None) for x in inputs]
    rng, reports = np.random.default_rng(seed), []
    for k, (x, gradient) in enumerate(zip(points, gradients, strict=True)):
        if gradient is None:
            continue
        title = f"Gradient of input {k}"
        if not isinstance(gradient, np.ndarray | np.generic) or gradient.shape != x.shape:
            reports.append(Report(False, f"{title}: got {words.kind(gradient)}, expected an array of shape {x.shape}."))
            continue
        chosen = np.sort(rng.permutation(x.size)[:samples])
        slopes, error = attempt(lambda k=k, c=chosen: _slopes(function, points, k, c, grad_output, eps))
        if error is not None:
            reports.append(Report(False, raised(error, function)))
            continue
        reports.append(_slopes_agree(np.asarray(gradient), slopes, chosen, title))
    return _together(reports)


def _slopes(
    function: Callable, points: list, k: int, chosen: np.ndarray, grad_output: np.ndarray | None, eps: float
) -> np.ndarray:
    """The backward, central and forward difference quotient at each chosen coordinate: shape (3, samples)."""

    def output() -> np.ndarray:
        result = function(*points)
        return np.array(result[0] if isinstance(result, tuple) else result, dtype=np.float64)

    middle, flat, slopes = output(), points[k].reshape(-1), np.empty((3, len(chosen)))
    weights = np.ones_like(middle) if grad_output is None else np.asarray(grad_output, np.float64)
    for column, i in enumerate(chosen):
        value = flat[i]
        step = eps * max(1.0, abs(value))
        flat[i] = value + step
        above, up = output(), flat[i] - value
        flat[i] = value - step
        below, down = output(), value - flat[i]
        flat[i] = value
        differences = (middle - below) / down, (above - below) / (up + down), (above - middle) / up
        slopes[:, column] = [np.sum(d * weights) for d in differences]
    return slopes


def _slopes_agree(gradient: np.ndarray, slopes: np.ndarray, chosen: np.ndarray, title: str) -> Report:
    got = gradient.reshape(-1)[chosen].astype(np.float64)
    low, high = slopes.min(axis=0), slopes.max(axis=0)  # at a kink (ReLU at 0, a tie) any slope in between is right
    own = tolerance(gradient.dtype if gradient.dtype.kind == "f" else np.float64)
    scale = max(1.0, float(np.median(np.abs(slopes[1])))) if chosen.size else 1.0
    allowed = 1e-6 * scale + (1e-5 + 10 * own.rtol) * np.abs(slopes[1])
    wrong = ~((got >= low - allowed) & (got <= high + allowed))
    right = f"at {len(chosen) - wrong.sum()} of {len(chosen)} coordinates"
    if not wrong.any():
        return Report(True, f"{title}: agrees with finite differences {right}.")
    worst = int(np.argmax(wrong))
    where = words.position(np.unravel_index(chosen[worst], gradient.shape))
    lines = [
        f"{title}: agrees with finite differences only {right}.",
        f"First difference at {where}: got {words.number(got[worst])}, "
        f"the slope there is {words.number(slopes[1, worst])}.",
    ]
    shape = gradient.shape if len(chosen) == gradient.size else (len(chosen),)
    found = diagnosis.explain(got.reshape(shape), slopes[1].reshape(shape), {"loose": 1e-5})
    return Report(False, "\n".join(lines + _equals(found)))


def raises(
    function: Callable,
    error: type[Exception] | tuple[type[Exception], ...],
    *args: object,
    mentions: Sequence[str] = (),
    **kwargs: object,
) -> Report:
    """Whether `function(*args, **kwargs)` refuses its arguments with `error` and a message that says why.

    Args:
        function: called with `*args` and `**kwargs`.
        error: the type of exception, or several of which one is right.
        mentions: strings that the message must contain, such as the argument's name, in small letters or capitals.

    >>> print(raises(int, ValueError, "seven", mentions=["seven"]))
    int: refused with ValueError, as it should.
    """
    name = name_of(function)
    kinds = error if isinstance(error, tuple) else (error,)
    wanted = " or ".join(kind.__name__ for kind in kinds)
    result, refusal = attempt(lambda: function(*args, **kwargs))
    if refusal is None:
        return Report(
            False, f"{name}: these arguments should be refused with {wanted}, but it returned {words.kind(result)}."
        )
    if not isinstance(refusal, kinds):
        return Report(False, f"{raised(refusal, function)}\nExpected was {wanted}.")
    words_wanted = [mentions] if isinstance(mentions, str) else mentions
    missing = [m for m in words_wanted if str(m).casefold() not in str(refusal).casefold()]
    if missing:
        return Report(
            False,
            f"{name}: {wanted} is right, but its message should mention {', '.join(map(str, missing))}."
            f"\nIt says: {refusal}",
        )
    return Report(True, f"{name}: refused with {type(refusal).__name__}, as it should.")


def _together(reports: Iterable[Report]) -> Report:
    reports = list(reports)
    return Report(all(reports), "\n".join(r.message for r in reports if r.message))


def _failure(
    lines: list[str],
    result: np.ndarray,
    target: np.ndarray,
    hints: Sequence[tuple[str, object]],
    context: dict | None,
    length: int = 1,
) -> Report:
    context = {"length": length} | (context or {}) | {"hints": tuple(hints)}
    table = words.side_by_side(result, target)
    lines = lines + _equals(diagnosis.explain(result, target, context)) + ([table] if table else [])
    return Report(False, "\n".join(lines))


def _equals(sentences: list[str]) -> list[str]:
    return [f"→ {sentence}" for sentence in sentences]

"""One deliberate mistake in one kernel: its source is changed in memory, and only that kernel is compiled anew."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import numpy as np

from segedu import compare, cuda, cuda_ops, numpy_ops
from segedu.compare import Report
from segedu.cuda_ops import _launch, _sums
from segedu.diagnosis.attempts import attempt, raised
from tests.values import draw

ORDERS = ("forward", "reverse")


@dataclass(frozen=True)
class Mutant:
    """In `kernel`, `old` becomes `new`; it stands once in the function or structure `inside`, by default the kernel.

    `call` runs an operator that launches the kernel and compares the result, threads in each of the `orders`. Either
    the checker stops it, with all the words of `says`; or, where there are none, values differ, and the comparator
    gives the `hint`.
    """

    file: str
    kernel: str
    mistake: str
    call: Callable[[], Report]
    old: str
    new: str
    says: tuple[str, ...] = ()
    inside: str = ""
    hint: str = ""
    orders: tuple[str, ...] = ORDERS

    def __str__(self) -> str:
        return f"{self.kernel}: {self.mistake}"

    def source(self) -> str:
        """The wrong source, after the files it uses. Raises AssertionError where `old` does not stand there once."""
        text = _launch.source(self.file)
        start, stop = span(text, self.inside or self.kernel)
        part = text[start:stop]
        count = part.count(self.old)
        assert count == 1, f"{self}: {self.old!r} stands {count} times in {self.inside or self.kernel} of {self.file}"
        return text[:start] + part.replace(self.old, self.new) + text[stop:]

    def report(self, order: str) -> Report:
        """What is found while the wrong kernel is in the place of the right one."""
        with self._replaced():
            return checked(self.call, order)

    @contextmanager
    def _replaced(self) -> Iterator[None]:
        right, compiled = _launch._kernel, {}

        def wrong_or_right(file: str, name: str, ctype: str, machine: str) -> Callable:
            if (file, name) != (self.file, self.kernel):
                return right(file, name, ctype, machine)
            if ctype not in compiled:
                full = f"{name}<{ctype}>"
                names = (full,) if full in _launch.instances(file, ctype) else ()
                module = cuda.RawModule(self.source(), name_expressions=names, mode=machine)
                compiled[ctype] = module.get_function(names[0] if names else name)
            return compiled[ctype]

        with mock.patch.object(_launch, "_kernel", wrong_or_right):
            yield


def span(text: str, name: str) -> tuple[int, int]:
    """Where the function or structure `name` of a CUDA source begins and ends: its definition is not indented.

    >>> text = "int f(int a) {\\n  return a;\\n}\\nint g();"
    >>> text[slice(*span(text, "f"))]
    'int f(int a) {\\n  return a;'
    """
    head = re.search(rf"(?m)^(?!//|[ }}]).*\b{name}\b[^;\n]*[({{][^;\n]*(.*)$", text)
    assert head, f"no {name} in the source"
    one_line = re.search(r"\}\s*(//.*)?$", head.group(0))
    return head.start(), head.end() if one_line else text.index("\n}", head.start())


def checked(call: Callable[[], Report], order: str) -> Report:
    """The report of a call in check mode; an error of the checker is a report, too."""
    with cuda_ops.mode("check", order=order):
        report, error = attempt(call)
    return report if error is None else Report(False, raised(error, call))


def image(*shape: int, seed: int = 0, kind: str = "normal") -> np.ndarray:
    """Random numbers, the same in every run: see `tests.values.draw`."""
    return draw(np.random.default_rng(seed), shape, kind)


def as_numpy(name: str, *args: object, length: int = 100, **options: object) -> Report:
    """Compares an operator that PyTorch lacks with NumPy's, whose own tests have other oracles."""
    expected, result = (getattr(ops, name)(*args, **options) for ops in (numpy_ops, cuda_ops))
    pairs = zip(result, expected, strict=True) if isinstance(expected, tuple) else [(result, expected)]
    reports = [compare.arrays(np.asarray(a), np.asarray(b), length=length, name=name) for a, b in pairs]
    return next((report for report in reports if not report), reports[0])


def in_form(form: str, call: Callable[[], Report]) -> Callable[[], Report]:
    """The call with that kernel of convolution: "definition", "tiled_4" or "tiled_8"."""

    def run() -> Report:
        token = _sums.form.set(form)
        try:
            return call()
        finally:
            _sums.form.reset(token)

    return run

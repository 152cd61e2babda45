"""The table of cases: every operator, its arguments and its shapes."""

from __future__ import annotations

import re

from benchmarks.case import Operator
from benchmarks.cases import convolution, layers, losses, metrics, pooling, resizing, training

OPERATORS: list[Operator] = [
    operator
    for module in (pooling, resizing, convolution, layers, losses, metrics, training)
    for operator in module.OPERATORS
]


def chosen(only: str | None = None) -> list[Operator]:
    """The operators whose name matches the regular expression `only`; all of them when it is None."""
    return [operator for operator in OPERATORS if only is None or re.search(only, operator.name)]

"""What an answer may not contain, found by reading it: the operators it is meant to be, and ways round the sandbox.

The sandbox does not have these modules; this says so before anything runs, in words.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

from segedu.grading.cells import is_cuda

NOT_FROM_SCRATCH = ("torch", "torchvision", "scipy", "skimage", "sklearn", "tensorflow", "jax", "cv2", "numba", "cupy")
OPERATORS = ("segedu",)


def refusals(source: str, allowed: tuple[str, ...] = ()) -> list[str]:
    """Why an answer is refused; empty where it is not. A source that is no Python is left to Python itself.

    `allowed` names modules that this exercise permits, such as "segedu.numpy_ops".

    >>> refusals("from torch.nn.functional import max_pool2d")
    ['line 1: torch.nn.functional.max_pool2d may not be used in this exercise: write it yourself']
    """
    if is_cuda(source):
        return []
    tree = parsed(source)
    if tree is None:
        return []
    return [
        f"line {line}: {module} may not be used in this exercise: write it yourself"
        for line, module in _imports(tree)
        if module.split(".")[0] in (*NOT_FROM_SCRATCH, *OPERATORS)
        and not any(module == name or module.startswith(name + ".") for name in allowed)
    ]


def parsed(source: str) -> ast.Module | None:
    """An answer's tree; None where it is no Python. What Python would warn of is between it and the student."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value

"""What the cells of a solution mean: its roles, questions and points.

A cell's metadata hold `segedu: {"role": …, "question": …, "points": …}`. The roles:

* `setup`   imports and data that answers need; runs in the notebook, in the sandbox and beside the checks.
* `tools`   imports that only checks need, such as `segedu.compare`; not in the sandbox.
* `show`    pictures for the student; never graded.
* `answer`  holds the solution between `### BEGIN SOLUTION` and `### END SOLUTION` (behind `//` in CUDA C), in whose
  place the student's stands. An answer in CUDA C runs in a kernel of its own.
* `check`   a visible check: plain Python that calls the answer and raises where it is wrong. It has `points`.
* `hidden`  the same, not handed out. `rng` is a generator with a seed of each student's own.

An answer cell may say how many `seconds` of processor time it and each call of it may take, and with `"changes": true`
that its function changes arrays that it is given; others must not. In an exercise it says what it has to define, in
`defines`: names, each with whether it is called. Cells without a role are text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROLES = ("setup", "tools", "show", "answer", "check", "hidden")
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
_SOLUTION = re.compile(rf"^([ \t]*)(?://\s*)?{BEGIN}\n(.*?)^[ \t]*(?://\s*)?{END}\n?", re.MULTILINE | re.DOTALL)
_CUDA_KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(")


class ExerciseError(ValueError):
    """A solution's notebook breaks the rules of its form; the message names the cell and the rule."""


@dataclass(frozen=True)
class Question:
    """A question, its title, and the points of each of its checks by cell id."""

    name: str
    points: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.points.values())


def role(cell: NotebookNode) -> str | None:
    """The role of a cell, or None.

    Raises:
        ExerciseError: there is no such role, or the cell lacks what its role needs.
    """
    about = cell.get("metadata", {}).get("segedu", {})
    found = about.get("role")
    if found is None:
        return None
    if found not in ROLES:
        raise ExerciseError(f"cell {cell.get('id')}: role {found!r} must be one of {', '.join(ROLES)}")
    if found in ("answer", "check", "hidden") and not about.get("question"):
        raise ExerciseError(f"cell {cell.get('id')}: a cell with the role {found!r} needs a question")
    if found in ("check", "hidden") and not about.get("points", 0) > 0:
        raise ExerciseError(f"cell {cell.get('id')}: a check needs points above 0")
    return found


def question(cell: NotebookNode) -> str:
    """The question a cell belongs to; empty where it belongs to none."""
    return cell.get("metadata", {}).get("segedu", {}).get("question", "")


def questions(notebook: NotebookNode) -> dict[str, Question]:
    """The questions of a solution in their order.

    Raises:
        ExerciseError: a question lacks its answer cell or has two, or has no check.
    """
    answers, points = [], {}
    for cell in notebook.cells:
        kind = role(cell)
        if kind == "answer":
            answers.append(question(cell))
            points.setdefault(question(cell), {})
        elif kind in ("check", "hidden"):
            points.setdefault(question(cell), {})[cell.id] = float(cell.metadata["segedu"]["points"])
    for name, checks in points.items():
        if answers.count(name) != 1:
            raise ExerciseError(f"question {name!r} has {answers.count(name)} answer cells; it needs one")
        if not checks:
            raise ExerciseError(f"question {name!r} has no check")
    return {name: Question(name, checks) for name, checks in points.items()}


def is_cuda(source: str) -> bool:
    """Whether a cell holds CUDA C."""
    return source.lstrip().startswith("%%cuda")


def names_defined(source: str) -> Iterator[tuple[str, bool]]:
    """The names that an answer defines, each with whether it is called (a function, a kernel) or is a value.

    >>> list(names_defined("def f(x):\\n    return x\\nanswer = 3"))
    [('f', True), ('answer', False)]
    """
    if is_cuda(source):
        yield from ((name, True) for name in _CUDA_KERNEL.findall(source))
        return
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, True
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                yield from ((name.id, False) for name in names if isinstance(name, ast.Name))


def has_to_define(cell: NotebookNode) -> dict[str, bool]:
    """The names that an answer cell of a solution or an exercise has to define, each with whether it is called."""
    return cell.metadata["segedu"].get("defines") or dict(names_defined(without_marks(cell.source)))


def stub(source: str, name: str) -> str:
    """An answer cell as it is handed out: what stood between the marks raises NotImplementedError.

    Raises:
        ExerciseError: the marks are missing.

    >>> print(stub("def f(x):\\n    ### BEGIN SOLUTION\\n    return 2 * x\\n    ### END SOLUTION\\n", "double"))
    def f(x):
        raise NotImplementedError("double")
    """
    comment = "// your code here" if is_cuda(source) else f'raise NotImplementedError("{name}")'
    replaced, count = _SOLUTION.subn(rf"\g<1>{comment}\n", source if source.endswith("\n") else source + "\n")
    if not count:
        raise ExerciseError(f"the answer to {name!r} has no {BEGIN} … {END}")
    return replaced.rstrip("\n")


def handed_out(source: str, name: str) -> str:
    """An answer cell as students got it: of a solution its stub, of an exercise the cell as it is."""
    return stub(source, name) if BEGIN in source else source


def without_marks(source: str) -> str:
    """A solution without the lines that mark it."""
    return "\n".join(line for line in source.split("\n") if line.strip().removeprefix("//").strip() not in (BEGIN, END))


def right_answers(solution: NotebookNode) -> dict[str, str]:
    """The answers of a solution by question, without marks."""
    return {question(cell): without_marks(cell.source) for cell in solution.cells if role(cell) == "answer"}


def writable_arrays(source: str) -> dict[str, list[bool]]:
    """For each kernel of CUDA C, which of its pointers it may write through: those that are not const.

    >>> writable_arrays("%%cuda\\n__global__ void f(const float* x, float* out, int n) {}")
    {'f': [False, True]}
    """
    found = {}
    for match in _CUDA_KERNEL.finditer(source):
        parameters = source[match.end() : source.find(")", match.end())].split(",")
        found[match.group(1)] = ["const" not in p.split("*")[0] for p in parameters if "*" in p]
    return found


def plain(source: str) -> str:
    """A source with what does not matter for being untouched left out: spaces at ends of lines, empty lines."""
    return "\n".join(line.rstrip() for line in source.split("\n") if line.strip())

"""The notebook that is graded: the solution's cells in the solution's order, with the submission's answers in place.

Only the sources of answer cells come from a submission: its other cells, tags, outputs, order and metadata do not.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segedu.grading.cells import handed_out, is_cuda, plain, question, role

if TYPE_CHECKING:
    from nbformat import NotebookNode


@dataclass
class Grafted:
    """The notebook to grade, the questions without an answer cell or with an untouched one, and warnings."""

    notebook: NotebookNode
    missing: set[str] = field(default_factory=set)
    untouched: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)


def graft(master: NotebookNode, submission: NotebookNode) -> Grafted:
    """Put the answers of a submission into a copy of the solution's notebook.

    Where a question was answered in two cells (a copied cell keeps its metadata), the first one counts. The first line
    of an answer in CUDA C, `%%cuda` with its options, stays the solution's.
    """
    grafted = Grafted(copy.deepcopy(master))
    answers = _answers(submission)
    for cell in grafted.notebook.cells:
        kind, name = role(cell), question(cell)
        cell.metadata = {"segedu": cell.metadata["segedu"]} if kind else {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if kind != "answer":
            continue
        found = answers.get(name, [])
        if len(found) > 1:
            grafted.warnings.append(f"question {name} was answered in {len(found)} cells; the first one counts")
        if not found:
            grafted.missing.add(name)
        elif plain(found[0]) == plain(handed_out(cell.source, name)):
            grafted.untouched.add(name)
        cell.source = _with_line_of(cell.source, found[0]) if found else ""
    grafted.warnings += _edited(master, submission)
    return grafted


def _with_line_of(solution: str, answer: str) -> str:
    """IPython evaluates what stands in braces in a line that begins with %%: no answer may write that line."""
    if not (is_cuda(solution) and is_cuda(answer)):
        return answer
    return "\n".join([solution.lstrip().split("\n")[0], *answer.lstrip().split("\n")[1:]])


def _answers(submission: NotebookNode) -> dict[str, list[str]]:
    """The answers by question: from code cells that say so in their metadata."""
    found: dict[str, list[str]] = defaultdict(list)
    for cell in submission.cells:
        about = cell.get("metadata", {}).get("segedu", {})
        if cell.cell_type == "code" and isinstance(about, dict) and about.get("role") == "answer":
            found[str(about.get("question", ""))].append(cell.source)
    return found


def _edited(master: NotebookNode, submission: NotebookNode) -> list[str]:
    """Visible checks that the submission changed or lacks: the solution's own are used in their place."""
    theirs = {cell.get("id"): cell.source for cell in submission.cells}
    changed = [
        question(cell)
        for cell in master.cells
        if role(cell) == "check" and plain(theirs.get(cell.id, "")) != plain(cell.source)
    ]
    return [f"the check of {name} was changed or deleted; the original was used" for name in dict.fromkeys(changed)]

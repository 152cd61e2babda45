"""Builds `notebooks/` from `lectures/`: one source for each, run from a fresh kernel, with outputs (see CONTRIBUTING).

A lecture is a Python file in jupytext's percent format. Three tags mean something here:

* `real-data`: the cell shows a data set that may not be committed. Its output is left out and never compared.
* `nbval-ignore-output`: the output may differ from run to run (a timing, a widget).
* `raises-exception`: the cell needs a compiler. Where there is none it says so, and Jupyter goes on to the next cell.

A cell of CUDA C is written `# %% language="cuda" magic_args="--mode check"`, each of its lines behind `# `; the
notebook has it as `%%cuda --mode check`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
SECONDS_PER_CELL = 120
KEPT_CELL_METADATA = ("tags", "jupyter", "segedu")


def read_lecture(path: Path) -> NotebookNode:
    """The notebook that a lecture's source describes, without outputs, its cells named after their contents."""
    import jupytext

    percent = {"extension": ".py", "format_name": "percent", "custom_cell_magics": "cuda"}
    notebook = jupytext.read(path, fmt=percent)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell, name in zip(notebook.cells, _cell_ids(notebook.cells), strict=True):
        cell.id = name
        cell.metadata = {key: cell.metadata[key] for key in KEPT_CELL_METADATA if key in cell.metadata}
        if "real-data" in cell.metadata.get("tags", []):
            cell.metadata["tags"] = sorted({*cell.metadata["tags"], "nbval-ignore-output"})
    return notebook


def _cell_ids(cells: Sequence[NotebookNode]) -> Iterator[str]:
    """A name for each cell, from its source: it survives edits of every other cell."""
    seen: dict[str, int] = {}
    for cell in cells:
        name = hashlib.sha256(f"{cell.cell_type}:{cell.source}".encode()).hexdigest()[:12]
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}-{seen[name]}"


def run(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """The same notebook with the outputs of a fresh kernel started in `folder`, without execution noise.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised.
    """
    from nbclient import NotebookClient

    client = NotebookClient(notebook, timeout=SECONDS_PER_CELL, resources={"metadata": {"path": str(folder)}})
    client.extra_arguments = ["--log-level=ERROR"]
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("execution", None)
        cell.outputs = [] if "real-data" in cell.metadata.get("tags", []) else _merged(cell.outputs)
        for output in cell.outputs:
            output.pop("transient", None)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def _merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Neighbouring pieces of the same stream as one: how they were cut depends on the machine's speed."""
    merged: list[NotebookNode] = []
    for output in outputs:
        same = merged and output.output_type == "stream" and merged[-1].output_type == "stream"
        if same and merged[-1].name == output.name:
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged


def drift(source: Path, built: Path) -> str | None:
    """How a built notebook differs from its lecture; None where it does not.

    >>> drift(Path("lectures/none.py"), Path("notebooks/none.ipynb"))
    'notebooks/none.ipynb was never built'
    """
    if not built.exists():
        return f"{built.as_posix()} was never built"
    import nbformat

    want, have = read_lecture(source), nbformat.read(built, as_version=4)
    for number, (ours, theirs) in enumerate(zip(want.cells, have.cells, strict=False), start=1):
        for what in ("cell_type", "source", "id", "metadata"):
            if ours.get(what) != theirs.get(what):
                return f"cell {number} of {built.name} has another {what} than {source.name}: {ours.source[:60]!r}"
        if ours.cell_type == "code" and "real-data" in ours.metadata.get("tags", []) and theirs.outputs:
            return f"cell {number} of {built.name} shows real data, which may not be committed: {ours.source[:60]!r}"
        if any(output.output_type == "error" for output in theirs.get("outputs", [])):
            return f"cell {number} of {built.name} holds an error: {ours.source[:60]!r}"
    if len(want.cells) != len(have.cells):
        return f"{built.name} has {len(have.cells)} cells, {source.name} has {len(want.cells)}"
    return None


def build(source: Path, built: Path) -> float:
    """Run a lecture and write its notebook, whole or not at all; returns the seconds that took.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised, whether or not it may (tag `raises-exception`).
    """
    from nbclient.exceptions import CellExecutionError

    started = time.perf_counter()
    notebook = run(read_lecture(source), built.parent)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":  # in a cell that may raise elsewhere, where there is no compiler
                raise CellExecutionError.from_cell_and_msg(cell, output)
    write(notebook, built)
    return time.perf_counter() - started


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook, whole or not at all."""
    import nbformat

    unfinished = path.with_suffix(".unfinished")
    nbformat.write(notebook, unfinished)
    unfinished.replace(path)


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m segedu notebooks`: builds the notebooks whose lecture has changed."""
    parser = argparse.ArgumentParser(prog="python -m segedu notebooks", description=main.__doc__)
    parser.add_argument("names", nargs="*", help="lectures to build, such as 02_pooling (default: all that changed)")
    parser.add_argument("--all", action="store_true", help="build unchanged lectures too")
    parser.add_argument(
        "--check", action="store_true", help="build nothing; say which notebooks differ from their lecture"
    )
    options = parser.parse_args(argv)
    sources = sorted((ROOT / "lectures").glob("*.py"))
    unknown = set(options.names) - {source.stem for source in sources}
    if unknown:
        print(f"no such lecture: {', '.join(sorted(unknown))}; there are {', '.join(s.stem for s in sources)}")
        return 2
    chosen = [source for source in sources if not options.names or source.stem in options.names]
    return _check(chosen) if options.check else _build(chosen, options.all or bool(options.names))


def _built(source: Path) -> Path:
    return ROOT / "notebooks" / f"{source.stem}.ipynb"


def _check(sources: Sequence[Path]) -> int:
    found = [difference for source in sources if (difference := drift(source, _built(source)))]
    lost = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} - {
        s.stem for s in (ROOT / "lectures").glob("*.py")
    }
    found += [f"notebooks/{name}.ipynb has no lecture" for name in sorted(lost)]
    print("\n".join(found) or f"{len(sources)} notebooks agree with their lectures")
    return 1 if found else 0


def _build(sources: Sequence[Path], unchanged_too: bool) -> int:
    from nbclient.exceptions import CellExecutionError

    failed = 0
    for number, source in enumerate(sources, start=1):
        if not unchanged_too and drift(source, _built(source)) is None:
            continue
        print(f"[{number}/{len(sources)}] {source.stem} … ", end="", flush=True)
        try:
            print(f"{build(source, _built(source)):.1f} s")
        except CellExecutionError as error:
            failed += 1
            print(f"a cell raised:\n{error}", file=sys.stderr)
    return 1 if failed else 0

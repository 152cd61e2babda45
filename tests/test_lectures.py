"""Every lecture keeps the form that CONTRIBUTING.md describes."""

import re
from pathlib import Path

import nbformat
import pytest

from segedu import notebooks

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "lectures").glob("*.py"))
NUMBERED = [source for source in SOURCES if source.name[0].isdigit()]
KERNEL = "The kernel in CUDA C (after lecture 08)"
LONGEST_LINE, LONGEST_CELL, LONGEST_PARAGRAPH = 100, 25, 110
AMERICAN = re.compile(r"\b(colou?rize|color|colors|center|vectorize[ds]?|neighbor\w*|gray|behavior)\b")


def cells(source, kind):
    return [cell for cell in notebooks.read_lecture(source).cells if cell.cell_type == kind]


def prose(source):
    text = "\n\n".join(cell.source for cell in cells(source, "markdown"))
    return re.sub(r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|https?://\S+", "", text, flags=re.DOTALL)


def each(sources):
    return pytest.mark.parametrize("source", sources, ids=lambda source: source.stem)


def test_there_are_lectures():
    assert len(NUMBERED) >= 1


@each(SOURCES)
def test_the_notebook_agrees_with_its_lecture(source):
    assert notebooks.drift(source, ROOT / "notebooks" / f"{source.stem}.ipynb") is None


@each(NUMBERED)
def test_a_lecture_has_all_its_parts(source):
    text = "\n".join(cell.source for cell in cells(source, "markdown"))
    for part in (
        "After this lecture you can",
        "Predict, then run",
        "## Common mistakes",
        "## Summary",
        "## Exercises",
        "## Sources",
    ):
        assert part in text, f"{source.name} lacks “{part}”"


@each(NUMBERED)
def test_code_cells_are_short_and_fit_the_page(source):
    for cell in cells(source, "code"):
        lines = cell.source.splitlines()
        assert len(lines) <= LONGEST_CELL, f"{len(lines)} lines: {cell.source[:80]}"
        assert max(map(len, lines), default=0) <= LONGEST_LINE, max(lines, key=len)


@each(NUMBERED)
def test_paragraphs_are_short(source):
    for cell in cells(source, "markdown"):
        for paragraph in cell.source.split("\n\n"):
            if not paragraph.lstrip().startswith(("|", "*", "-", "1.", "#", "$$")):
                assert len(paragraph.split()) <= LONGEST_PARAGRAPH, paragraph


@each(SOURCES)
def test_the_spelling_is_british(source):
    assert AMERICAN.findall(prose(source)) == []


@pytest.mark.slow
@each([source for source in NUMBERED if KERNEL in source.read_text(encoding="utf-8")])
def test_a_lecture_runs_without_a_compiler_and_its_kernels_say_so(source, monkeypatch, tmp_path):
    monkeypatch.setenv("SEGEDU_CXX", "/nowhere/g++")
    section, errors = "", []
    for cell in notebooks.run(notebooks.read_lecture(source), tmp_path).cells:
        section = next((line for line in cell.source.splitlines() if line.startswith("## ")), section)
        found = [output for output in cell.get("outputs", []) if output.output_type == "error"]
        errors += [(output.ename, KERNEL in section) for output in found]
    assert set(errors) == {("CompilerNotFound", True)}


@each(SOURCES)
def test_every_picture_has_a_text_alternative(source):
    notebook = nbformat.read(ROOT / "notebooks" / f"{source.stem}.ipynb", as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            assert "image/png" not in data, f"a bare picture: {cell.source[:80]}"
            for tag in re.findall(r"<img[^>]*>", str(data.get("text/html", ""))):
                assert re.search(r'alt="[^"]{20,}"', tag), f"a picture without alt text: {cell.source[:80]}"


@each(SOURCES)
def test_the_notebook_is_small(source):
    assert (ROOT / "notebooks" / f"{source.stem}.ipynb").stat().st_size < 2.5e6

"""The notebook stage of `course.py test` really compares: a changed number fails it, and only noise is let through."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest

import course

ROOT = Path(__file__).resolve().parent.parent

SOURCE = """
from IPython.display import HTML, display
print(f"mean IoU {0.7341:.4f}, {12.5:8.2f} ms, {object.__new__(type('Net', (), {'__module__': 'm'}))}")
display(HTML('<img src="data:image/png;base64,iVBORw0KGgo=" alt="accuracy 0.912">'))
[1, 2, 3]
"""
PRINTED = "mean IoU 0.7341,    12.50 ms, <m.Net object at 0x7f3c5c1d2a70>\n"
PICTURE = '<img src="data:image/png;base64,iVBORw0KGgo=" alt="accuracy 0.912">'
LIST = "[1, 2, 3]"

CHANGES = {  # (stored text, what it is changed to)
    "same": ("", ""),
    "printed_number": ("0.7341", "0.7342"),
    "number_in_a_result": ("[1, 2, 3]", "[1, 2, 4]"),
    "number_beside_a_picture": ("0.912", "0.913"),
    "time": ("   12.50 ms", "  1034.71 ms"),
    "address": ("0x7f3c5c1d2a70", "0x7f0000000010"),
    "picture": ("iVBORw0KGgo=", "AAAABBBBCCCC"),
}
NOISE = ["same", "time", "address", "picture"]


def cell(stored: str, changed: str) -> nbformat.NotebookNode:
    """Return a cell with one of its stored outputs changed."""
    printed, picture, result = (text.replace(stored, changed) if stored else text for text in (PRINTED, PICTURE, LIST))
    outputs = [
        nbformat.v4.new_output("stream", name="stdout", text=printed),
        nbformat.v4.new_output(
            "display_data", {"text/html": picture, "text/plain": "<IPython.core.display.HTML object>"}
        ),
        nbformat.v4.new_output("execute_result", {"text/plain": result}, execution_count=1),
    ]
    return nbformat.v4.new_code_cell(SOURCE, execution_count=1, outputs=outputs)


@pytest.fixture(scope="module")
def passed(tmp_path_factory) -> dict[str, bool]:
    """Run the stage once over a notebook that has a cell for every change; return which cells passed."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "etc").mkdir()
    (folder / "etc" / "nbval.cfg").write_bytes((ROOT / "etc" / "nbval.cfg").read_bytes())
    (folder / "notebooks").mkdir()
    cells = [cell(*change) for change in CHANGES.values()]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "notebooks" / "changes.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course, "ROOT", folder)
        options = course.notebook_stage("notebooks").arguments
    command = [sys.executable, "-m", "pytest", "--rootdir=.", "--junitxml=report.xml", *options]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert process.returncode == 1, process.stdout
    cases = ElementTree.parse(folder / "report.xml").getroot().iter("testcase")
    return dict(zip(CHANGES, (len(case) == 0 for case in cases), strict=True))


@pytest.mark.parametrize("name", CHANGES)
def test_numbers_are_compared_and_noise_is_not(passed, name):
    assert passed[name] == (name in NOISE)


def sanitised(text: str) -> str:
    patterns = re.findall(r"^regex: (.*)$\n^replace: (.*)$", (ROOT / "etc" / "nbval.cfg").read_text(), re.MULTILINE)
    for regex, replacement in patterns:
        text = re.sub(regex, replacement, text)
    return text


@pytest.mark.parametrize("text", ["12.3 ms", "1.2 s", "45 µs", "7 ns", "1e-05 s", "1min 2s", "1 min 2.5 s"])
def test_a_time_is_not_compared(text):
    assert sanitised(f"took {text}.") == sanitised("took 9 s.")


@pytest.mark.parametrize(
    "text",
    ["IoU 0.734", "3 scenes", "stride 2, padding 1", "(2, 3, 8, 8)", "0x10", "5 samples", "1e-05", "-3.5", "64 MB"],
)
def test_a_number_without_a_unit_of_time_is_compared(text):
    assert sanitised(text) == text

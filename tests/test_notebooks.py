"""Notebooks are built from lectures, whole or not at all, and drift is found."""

import nbformat
import pytest

from segedu import notebooks

LECTURE = """# %% [markdown]
# # A lecture

# %%
print("six", 2 * 3)

# %% tags=["real-data"]
print("a picture that may not be committed")

# %% tags=["nbval-ignore-output"] jupyter={"source_hidden": true}
print("a timing")
"""


@pytest.fixture
def lecture(tmp_path):
    (tmp_path / "lectures").mkdir()
    (tmp_path / "notebooks").mkdir()
    source = tmp_path / "lectures" / "99_small.py"
    source.write_text(LECTURE)
    return source, tmp_path / "notebooks" / "99_small.ipynb"


@pytest.fixture
def built(lecture):
    source, notebook = lecture
    assert notebooks.build(source, notebook) > 0
    return source, notebook


def test_a_built_notebook_holds_the_outputs_of_its_lecture(built):
    cells = nbformat.read(built[1], as_version=4).cells
    assert [cell.cell_type for cell in cells] == ["markdown", "code", "code", "code"]
    assert cells[1].outputs[0].text == "six 6\n"
    assert cells[3].outputs[0].text == "a timing\n"
    assert notebooks.drift(*built) is None


def test_real_data_leaves_no_output_and_is_not_compared(built):
    cell = nbformat.read(built[1], as_version=4).cells[2]
    assert cell.outputs == []
    assert cell.metadata["tags"] == ["nbval-ignore-output", "real-data"]


def test_building_twice_gives_the_same_file(built):
    source, notebook = built
    before = notebook.read_bytes()
    notebooks.build(source, notebook)
    assert notebook.read_bytes() == before


def test_cell_ids_survive_an_edit_of_another_cell(lecture):
    source, _ = lecture
    before = [cell.id for cell in notebooks.read_lecture(source).cells]
    source.write_text(LECTURE.replace("2 * 3", "3 * 3"))
    after = [cell.id for cell in notebooks.read_lecture(source).cells]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True, True]
    assert len(set(before)) == len(before)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("2 * 3", "2 * 4"), "cell 2"),
        (lambda text: text + "\n# %%\n1 + 1\n", "4 cells, 99_small.py has 5"),
        (lambda text: text.replace('tags=["nbval-ignore-output"] ', ""), "cell 4 .* metadata"),
    ],
    ids=["another number", "one more cell", "another tag"],
)
def test_drift_is_found(built, change, words):
    source, _ = built
    source.write_text(change(LECTURE))
    with pytest.raises(AssertionError, match=words):
        assert notebooks.drift(*built) is None, notebooks.drift(*built)


def test_outputs_on_real_data_are_found(built):
    notebook = nbformat.read(built[1], as_version=4)
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="a frame")]
    nbformat.write(notebook, built[1])
    assert "may not be committed" in notebooks.drift(*built)


@pytest.mark.parametrize("tags", ["", ' tags=["raises-exception"]'], ids=["plain", "may raise elsewhere"])
def test_a_cell_that_raises_keeps_the_old_notebook(built, tags):
    from nbclient.exceptions import CellExecutionError

    source, notebook = built
    before = notebook.read_bytes()
    source.write_text(LECTURE.replace('# %%\nprint("six", 2 * 3)', f"# %%{tags}\n1 / 0"))
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        notebooks.build(source, notebook)
    assert notebook.read_bytes() == before


def test_an_unknown_lecture_is_named(capsys):
    assert notebooks.main(["77_nothing"]) == 2
    assert "no such lecture: 77_nothing" in capsys.readouterr().out


def test_a_cell_of_cuda_c_begins_with_its_magic(tmp_path):
    source = tmp_path / "99_kernel.py"
    source.write_text('# %% language="cuda" magic_args="--quiet"\n# #define N 4\n#\n# // twice\n')
    (cell,) = notebooks.read_lecture(source).cells
    assert (cell.cell_type, cell.source) == ("code", "%%cuda --quiet\n#define N 4\n\n// twice")

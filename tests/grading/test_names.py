"""Students are known by the names that learning platforms write, and no name can harm who reads it."""

import unicodedata
from pathlib import PurePosixPath

import hypothesis.strategies as st
import pytest
from hypothesis import given

from segedu.grading.names import Owner, named_by_platform, owner, readable, shared_folders

people = st.text(st.characters(exclude_categories=["C"], exclude_characters="/\\_"), min_size=1, max_size=30).map(
    str.strip
)
numbers = st.integers(0, 10**9).map(str)


@pytest.mark.parametrize(
    ("path", "student", "number"),
    [
        ("Ada Byron_4711_assignsubmission_file_/hw.ipynb", "Ada Byron", "4711"),
        ("course/Ada Byron_4711_assignsubmission_file/sub/hw.ipynb", "Ada Byron", "4711"),
        ("Ada Byron_4711_assignsubmission_file_hw (1).ipynb", "Ada Byron", "4711"),
        ("Anna_Maria Ng_12_assignsubmission_file_/hw.ipynb", "Anna_Maria Ng", "12"),
        ("byronada_4711_99_hw.ipynb", "byronada", "4711"),
        ("byronada_LATE_4711_99_02_pooling-1.ipynb", "byronada", "4711"),
        ("ada/02_pooling.ipynb", "ada", ""),
        ("ada.ipynb", "ada", ""),
        ("02_pooling.ipynb", "02_pooling", ""),
    ],
)
def test_the_student_is_read_from_the_name(path, student, number):
    assert owner(PurePosixPath(path), 0) == Owner(student, number)


@given(people.filter(bool), numbers)
def test_every_name_that_moodle_writes_is_read_back(name, number):
    folder = f"{name}_{number}_assignsubmission_file_"
    assert named_by_platform(PurePosixPath("class", folder, "hw.ipynb")) == Owner(readable(name), number)


@given(people.filter(bool), numbers, numbers, st.booleans())
def test_every_name_that_canvas_writes_is_read_back(name, number, file, late):
    path = f"{name}{'_LATE' if late else ''}_{number}_{file}_hw-1.ipynb"
    assert named_by_platform(PurePosixPath(path)) == Owner(readable(name), number)


@given(st.text())
def test_a_name_holds_nothing_that_a_terminal_obeys_and_is_never_empty(text):
    shown = readable(text)
    assert 0 < len(shown) <= 200
    assert not any(unicodedata.category(character).startswith("C") for character in shown)


@pytest.mark.parametrize(
    ("paths", "shared"),
    [
        (["ada/hw.ipynb", "bob/hw.ipynb"], 0),
        (["class/ada/hw.ipynb", "class/bob/a/hw.ipynb"], 1),
        (["a/class/ada/hw.ipynb", "a/class/bob/hw.ipynb"], 2),
        (["class/ada.ipynb", "class/bob.ipynb"], 1),
        (["class/ada/hw.ipynb", "class/bob.ipynb"], 1),
        (["class/ada/hw.ipynb", "class/bob/hw.ipynb", "template.ipynb"], 1),
        (["ada/hw.ipynb"], 0),
        (["ada.ipynb"], 0),
    ],
)
def test_folders_that_all_share_are_no_student(paths, shared):
    assert shared_folders([PurePosixPath(path) for path in paths]) == shared


def test_a_file_beside_the_folder_of_a_class_is_its_own_and_nobody_elses():
    files = [PurePosixPath(f"class/{name}/hw.ipynb") for name in ("ada", "bob")] + [PurePosixPath("template.ipynb")]
    assert [owner(file, shared_folders(files)).name for file in files] == ["ada", "bob", "template"]

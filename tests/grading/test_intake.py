"""Submissions are found in folders and zips whatever lies beside them, and no path in them is believed."""

import contextlib
import io
import os
import stat
import warnings
import zipfile

import hypothesis.strategies as st
import nbformat
import pytest
from hypothesis import HealthCheck, given, settings

from segedu.grading import intake
from segedu.grading.intake import IntakeError, submissions

NOTEBOOK = nbformat.v4.new_notebook(metadata={"segedu": {"assignment": "01_tiny", "release": "r"}})
CONTENT = nbformat.writes(NOTEBOOK).encode()
MOODLE = "{}_assignsubmission_file_/hw.ipynb"


def zipped(entries, compression=zipfile.ZIP_DEFLATED):
    """A zip of names or ZipInfos and contents, as bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, data in entries:
            archive.writestr(name, data)
    return content.getvalue()


def link(name, target):
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry, target


@pytest.fixture
def found(tmp_path):
    """Submissions in a zip of these entries, by student."""

    def find(entries):
        path = tmp_path / "class.zip"
        path.write_bytes(entries if isinstance(entries, bytes) else zipped(entries))
        return {submission.student: submission for submission in submissions(path)}

    return find


def problems(found):
    return {student: submission.problem for student, submission in found.items() if submission.problem}


def test_a_folder_a_zip_and_a_zip_in_a_folder_hold_the_same_submissions(tmp_path):
    entries = [(MOODLE.format(f"{name}_{i}"), CONTENT) for i, name in enumerate(("Ada Byron", "王 小明"))]
    folder, inner = tmp_path / "folder", tmp_path / "inner"
    for name, content in entries:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(content)
    inner.mkdir()
    for path in (tmp_path / "class.zip", inner / "moodle.zip"):
        path.write_bytes(zipped(entries))
    kinds = [[(s.student, s.identifier, s.assignment, s.digest) for s in submissions(place)]
             for place in (folder, tmp_path / "class.zip", inner)]  # fmt: skip
    assert kinds[0] == kinds[1] == kinds[2]
    assert [student for student, *_ in kinds[0]] == ["Ada Byron", "王 小明"]


@pytest.mark.parametrize(
    "name",
    ["../bob/hw.ipynb", "ada/../../hw.ipynb", "/etc/hw.ipynb", "C:/hw.ipynb", "C:\\Users\\hw.ipynb", "..\\hw.ipynb"],
)
def test_a_path_that_leaves_its_folder_is_rejected_and_the_class_goes_on(found, name):
    class_ = found([("bob/hw.ipynb", CONTENT), ("eve/hand-in.zip", zipped([(name, CONTENT)]))])
    assert set(class_) == {"bob", "eve"}
    assert "outside of its folder" in problems(class_)["eve"]
    assert class_["eve"].notebook is None
    assert "bob" not in problems(class_)


def test_a_path_that_leaves_the_zip_of_the_class_is_rejected(found):
    honest = [(f"class/{name}/hw.ipynb", CONTENT) for name in ("ada", "bob")]
    class_ = found([*honest, ("class/../../eve/hw.ipynb", CONTENT)])
    assert [s.student for s in class_.values() if s.notebook is not None] == ["ada", "bob"]
    assert len(class_) == 3


def test_a_link_in_a_zip_is_rejected(found):
    class_ = found([("bob/hw.ipynb", CONTENT), (link("eve/hw.ipynb", "../bob/hw.ipynb"))])
    assert problems(class_) == {"eve": "a link to another place; hand in the file itself"}


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_in_a_folder_is_rejected_and_no_linked_folder_is_entered(tmp_path):
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "hw.ipynb").write_bytes(CONTENT)
    for name in ("bob", "cy", "eve", "mallory"):
        (tmp_path / "class" / name).mkdir(parents=True)
    (tmp_path / "class" / "bob" / "hw.ipynb").write_bytes(CONTENT)
    (tmp_path / "class" / "cy" / "hw.ipynb").symlink_to("../bob/hw.ipynb")
    (tmp_path / "class" / "eve" / "hw.ipynb").symlink_to(tmp_path / "private" / "hw.ipynb")
    (tmp_path / "class" / "mallory" / "folder").symlink_to(tmp_path / "private", target_is_directory=True)
    read = {s.student: s.notebook is not None for s in submissions(tmp_path / "class")}
    assert read["bob"]
    assert not any(has_notebook for student, has_notebook in read.items() if student != "bob")


def test_zips_in_zips_are_opened_so_deep_and_no_deeper(found):
    content, nested = zipped([("hw.ipynb", CONTENT)]), {}
    for depth in range(1, intake.DEEPEST + 2):
        nested[f"student {depth}/hand-in.zip"] = content
        content = zipped([("again.zip", content)])
    class_ = found(list(nested.items()))
    assert problems(class_) == {f"student {intake.DEEPEST + 1}": f"a zip in more than {intake.DEEPEST} others"}


def test_an_encrypted_entry_is_named_and_the_class_goes_on(found):
    encrypted = bytearray(zipped([("hw.ipynb", CONTENT)], zipfile.ZIP_STORED))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.index(signature) + offset] |= 1  # the flag of an encrypted entry
    class_ = found([("bob/hw.ipynb", CONTENT), ("eve/hand-in.zip", bytes(encrypted))])
    assert "password" in problems(class_)["eve"]
    assert class_["bob"].notebook is not None


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_zip_costs_its_student_only(found, rng, compression):
    for _ in range(20):
        damaged = flipped(zipped([("hw.ipynb", CONTENT * 20)], compression), rng)
        class_ = found([("bob/hw.ipynb", CONTENT), ("eve/hand-in.zip", damaged)])
        assert class_["bob"].notebook is not None
        assert len(class_) == 2 or damaged.count(b".ipynb") < 2


def flipped(content, rng):
    changed = bytearray(content)
    for at in rng.integers(0, len(content), 3):
        changed[at] ^= int(rng.integers(1, 256))
    return bytes(changed)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_zip_of_a_class_is_read_or_named_whatever_is_in_it(tmp_path, data):
    content = bytearray(zipped([("a/hw.ipynb", CONTENT), ("b/hand-in.zip", zipped([("hw.ipynb", CONTENT)]))]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "class.zip"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with contextlib.suppress(IntakeError):
        assert all(s.notebook is not None or s.problem for s in submissions(path))


def test_a_bomb_costs_its_student_only(found, monkeypatch):
    monkeypatch.setattr(intake, "LARGEST", 1 << 20)
    monkeypatch.setattr(intake, "MOST_BYTES_INSIDE", 2 << 20)
    monkeypatch.setattr(intake, "MOST_FILES_INSIDE", 10)
    class_ = found(
        [
            ("bob/hw.ipynb", CONTENT),
            ("one large file/hand-in.zip", zipped([("hw.ipynb", bytes(2 << 20))])),
            ("many large files/hand-in.zip", zipped([(f"{i}.ipynb", bytes(1 << 20)) for i in range(3)])),
            ("many files/hand-in.zip", zipped([(f"{i}.ipynb", CONTENT) for i in range(11)])),
        ]
    )
    assert class_["bob"].notebook is not None
    assert class_["one large file"].problem == "larger than 1 MiB"
    for student in ("many large files", "many files"):
        assert "more than 10 notebooks" in class_[student].problem
        assert class_[student].notebook is None


def test_a_size_that_a_zip_lies_about_is_not_unpacked(found):
    """Both headers of an entry of 30 MB say 1000 bytes."""
    lying = bytearray(zipped([("hw.ipynb", bytes(30 << 20))]))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = lying.index(signature) + offset
        lying[at : at + 4] = (1000).to_bytes(4, "little")
    class_ = found([("bob/hw.ipynb", CONTENT), ("eve/hand-in.zip", bytes(lying))])
    assert "damaged" in problems(class_)["eve"]


def test_more_than_can_be_graded_at_once_is_refused_with_the_remedy(found, monkeypatch):
    monkeypatch.setattr(intake, "MOST_FILES", 3)
    with pytest.raises(IntakeError, match="grade them in parts"):
        found([(f"student {i}/hw.ipynb", CONTENT) for i in range(4)])


@pytest.mark.parametrize("name", [".ipynb_checkpoints/hw-checkpoint.ipynb", "__MACOSX/._hw.ipynb", ".hidden.ipynb"])
def test_what_programs_leave_beside_a_notebook_is_no_submission(found, name):
    (submission,) = found([("ada/hw.ipynb", CONTENT), (f"ada/{name}", b"junk")]).values()
    assert submission.warnings == []


def test_of_several_files_the_newest_counts_and_is_named(found):
    def at(name, year):
        return zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), CONTENT

    class_ = found([at("ada/hw.ipynb", 2026), at("ada/hw (1).ipynb", 2025), at("bob/hw.ipynb", 2025)])
    assert class_["ada"].warnings == ["2 files were handed in; the newest, ada/hw.ipynb, counts"]


def test_what_canvas_numbers_higher_counts_whatever_its_date(found):
    late = zipfile.ZipInfo("byronada_LATE_47_99_hw-2.ipynb", (2025, 1, 1, 0, 0, 0))
    class_ = found([("byronada_47_98_hw-1.ipynb", CONTENT), (late, CONTENT), ("bob_48_97_hw.ipynb", CONTENT)])
    assert class_["byronada"].file == late.filename


def test_a_file_that_is_no_exercise_is_named_beside_the_one_that_counts(found):
    other = nbformat.writes(nbformat.v4.new_notebook()).encode()
    class_ = found([("ada/hw.ipynb", CONTENT), ("ada/notes.ipynb", other), ("bob/hw.ipynb", CONTENT)])
    assert class_["ada"].assignment == "01_tiny"
    assert class_["ada"].warnings == ["another file, ada/notes.ipynb, is no exercise: ignored"]


def test_who_handed_in_something_else_is_on_the_list(found):
    class_ = found(
        [
            (MOODLE.format("Ada_1"), CONTENT),
            ("Bob_2_assignsubmission_file_/homework.pdf", b"%PDF"),
            ("Cy_3_assignsubmission_file_/hw.ipynb.txt", CONTENT),
            ("Dee_4_assignsubmission_onlinetext_/onlinetext.html", b"see above"),
            (MOODLE.format("Dee_4"), CONTENT),
            ("grades.csv", b"not of a student"),
        ]
    )
    assert set(class_) == {"Ada", "Bob", "Cy", "Dee"}
    assert "homework.pdf" in problems(class_)["Bob"]
    assert "hw.ipynb.txt" in problems(class_)["Cy"]
    assert (class_["Dee"].problem, class_["Dee"].warnings) == ("", [])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "holds no notebooks"),
        (lambda path: path.write_bytes(b"not a zip"), "is no zip"),
        (lambda path: path.write_bytes(zipped([])), "holds no notebooks"),
    ],
)
def test_a_place_without_submissions_is_named_with_the_remedy(tmp_path, make, says):
    make(tmp_path / "class.zip")
    with pytest.raises(IntakeError, match=rf"class\.zip.*{says}|{says}.*class\.zip"):
        submissions(tmp_path / "class.zip")


def test_only_cells_with_their_ids_and_roles_are_kept_of_a_notebook(tmp_path):
    cell = nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["skip"], "segedu": {"role": "answer", "points": 99}})
    cell.outputs = [nbformat.v4.new_output("stream", text="100 points")]
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata=NOTEBOOK.metadata)
    (tmp_path / "ada").mkdir()
    nbformat.write(notebook, tmp_path / "ada" / "hw.ipynb")
    (submission,) = submissions(tmp_path)
    (kept,) = submission.notebook.cells
    assert (kept.id, kept.source, kept.outputs) == (cell.id, "x = 1", [])
    assert kept.metadata == {"segedu": {"role": "answer"}}

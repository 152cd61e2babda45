"""Whatever students write, print or call themselves is shown as text: it adds no element and no attribute."""

import re
from html.parser import HTMLParser

import hypothesis.strategies as st
import nbformat
import pytest
from hypothesis import given

from segedu.grading import pages, results
from segedu.grading.adjustments import Adjustment
from segedu.grading.marks import Mark, Overview
from segedu.grading.results import CheckResult, SubmissionResult
from segedu.grading.similarity import Group

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)",
    "</pre></details></section><h1>100 points</h1>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% include 'x' %}",
    "<!-- ",
    "<style>*{display:none}</style>",
    "&lt;b&gt; &#60;script&#62;",
    "\x00\x1b[31m",
    "\u202eorder",
]
texts = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1)).map(lambda text: f"x{text}")


class Elements(HTMLParser):
    """The elements of a page with the names of their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text, self.links = [], "", []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, *(name for name, _ in attrs)))
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag):
        self.found.append(f"/{tag}")

    def handle_data(self, data):
        self.text += data


def mark_of(text, status=results.GRADED):
    checks = [
        CheckResult("a", text, 1.0, results.FAILED, text),
        CheckResult("b", text, 1.0, results.PASSED, "", visible=False),
        CheckResult("c", "second", 1.0, results.ERROR, f"{text}\n{text}"),
    ]
    given = SubmissionResult(text, text, text, text, text, status, checks=checks, warnings=[text])
    given.answers, given.output = {text: text, "second": text}, {"second": text}
    return Mark(given, [Adjustment(text, text, 1.0, text)])


def pages_of(text):
    """All pages of a class of two of which every name, message, answer, output and reason is this text."""
    marks = [mark_of(text), mark_of(text, results.UNREADABLE)]
    marks[1].result.checks = []
    alike = [Group(text, text, (text, "another"), 0.9)]
    tasks = {"second": pages.Task(text, ((text, text),))}
    yield pages.of_class(Overview(marks, alike, [text], [text], None))
    for mark in marks:
        yield pages.student(mark, [text], tasks)


@given(texts)
def test_no_text_changes_the_elements_of_a_page(text):
    for page, plain in zip(pages_of(text), pages_of("xplain"), strict=True):
        assert Elements(page).found == Elements(plain).found


@pytest.mark.parametrize("text", HOSTILE[:-2])
def test_what_was_written_can_be_read(text):
    for page in pages_of(text):
        assert text in Elements(page).text


@given(texts)
def test_pages_link_to_nothing_but_the_report(text):
    for page in pages_of(text):
        for link in Elements(page).links:
            assert re.fullmatch(r"(students/|\.\./)?[A-Za-z0-9_.#-]+", link), link
        assert "default-src 'none'" in page
        assert "@import" not in page
        assert "url(" not in page.replace(text, "")


def test_pages_of_two_students_of_one_name_are_two():
    first, second = (Mark(SubmissionResult("Ada", file, key="k")) for file in ("a/hw.ipynb", "b/hw.ipynb"))
    assert first.page != second.page


def test_a_class_without_a_sandbox_says_so_before_all_else():
    mark = mark_of("x")
    page = pages.of_class(Overview([mark], [], [], ["Answers ran WITHOUT A SANDBOX: why"], None))
    assert 'class="note bad"' in page
    assert page.index("WITHOUT A SANDBOX") < page.index("<table")


def test_titles_and_hints_come_from_the_text_before_an_answer():
    about = {"segedu": {"role": "answer", "question": "q"}}
    cells = [
        nbformat.v4.new_markdown_cell("# Exercises\n\n## 1 · Double it (2 points)\n\nText"),
        nbformat.v4.new_markdown_cell("<details><summary>Hint 1</summary>Use `2 * x`.</details>"),
        nbformat.v4.new_code_cell("", metadata=about),
    ]
    found = pages.lesson(nbformat.v4.new_notebook(cells=cells))
    assert found == {"q": pages.Task("1 · Double it (2 points)", (("Hint 1", "Use `2 * x`."),))}


def class_of(*earned, status=results.FAILED, says="wrong\n→ Your result is `flipped`."):
    """A class of one question of 4 points; who does not have all gets this status and message for the rest."""
    marks = []
    for i, points in enumerate(earned):
        rest = CheckResult("b", "q", 4.0 - points, results.PASSED if points == 4 else status, says)
        checks = [CheckResult("a", "q", points, results.PASSED), rest]
        marks.append(Mark(SubmissionResult(f"student {i}", "f", assignment="a", checks=checks)))
    (group,) = pages._groups(marks, {"a": {"q": pages.Task("1 · Flip it")}})
    return group


def test_a_question_counts_every_student_once():
    column = class_of(4.0, 4.0, 1.0, 0.0, 3.0).columns[0]
    assert column.share == 60
    assert [(kind, n) for kind, _, n, _ in column.parts] == [("full", 2), ("part", 2), ("none", 1)]
    assert sum(width for *_, width in column.parts) == pytest.approx(100)
    assert column.troubles == {"Your result is `flipped`.": 3}


def test_what_was_not_attempted_is_told_apart_from_what_was_wrong():
    column = class_of(0.0, 4.0, status=results.NOT_ATTEMPTED).columns[0]
    assert column.parts[0][0] == "full"
    marks = class_of(4.0).marks + class_of(2.0).marks
    for check in marks[1].result.checks:
        check.status = results.NOT_ATTEMPTED
    ((column,),) = (group.columns for group in pages._groups(marks, {}))
    assert [(kind, n) for kind, _, n, _ in column.parts] == [("full", 1), ("left", 1)]
    assert not column.troubles


def test_the_weakest_come_first_and_the_hardest_question_is_named():
    group = class_of(1.0, 4.0, 0.0, 2.0)
    assert [mark.points for mark in group.weak] == [0, 1]
    assert group.hardest.title == "1 · Flip it"
    assert group.median == 1.5
    assert class_of(4.0, 4.0).hardest is None


@pytest.mark.parametrize("points", [(0.0,), (4.0,), (0.0, 0.4, 1.7, 2.0, 3.9, 4.0)])
def test_the_bars_of_a_class_hold_every_student(points):
    bars = class_of(*points).bars
    assert sum(n for _, n, _ in bars) == len(points)
    assert max(height for *_, height in bars) == 100


def test_what_an_instructor_should_look_at_is_listed_and_the_rest_is_not():
    assert class_of(4.0, 1.0, 0.0).odd == []
    assert pages.to_look_at(class_of(1.0, status=results.CRASHED).marks[0]) == ["q: crashed"]
    changed = class_of(4.0)
    changed.marks[0].result.warnings.append("the check of q was changed")
    assert changed.odd == changed.marks
    page = pages.of_class(Overview(changed.marks, [], [], [], None))
    assert "student 0</a>: the check of q was changed" in page


def test_the_diagnosis_of_a_check_stands_out_and_is_escaped():
    page = pages.student(class_of(1.0, says="3 of 9 wrong\n→ Your `x` is <b>flipped</b>.\nmore").marks[0], [], {})
    assert "3 of 9 wrong\n<strong>→ Your `x` is &lt;b&gt;flipped&lt;/b&gt;.</strong>\nmore" in page

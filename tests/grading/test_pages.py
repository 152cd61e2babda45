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
from segedu.grading.similarity import Pair

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
    alike = [Pair(text, text, text, text, 0.9)]
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


def test_the_bars_of_a_question_count_every_student():
    marks = [mark_of("x") for _ in range(3)]
    ((_, columns, _),) = pages._groups(marks)
    assert [column.counts.total() for column in columns] == [3, 3]
    assert columns[0].mean == 2  # 1 earned, 1 given by hand

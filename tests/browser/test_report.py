"""The report of a class opens from the disk, on a projector and on a phone, in both themes and without a network."""

import pytest

from segedu.grading import report, results
from segedu.grading.results import CheckResult, SubmissionResult

ODD = ("Ada Byron", "王 小明", "a" * 120, "<img src=x onerror=alert(1)>", "Jean-Luc, Jr.", "محمد علي")
NAMES = (*ODD, *(f"Student of a large class {i}" for i in range(60)))
LONG = "first difference at row 1: " + "0.123456789 " * 40
SIZES = {"a projector": (1280, 720), "a phone": (390, 844)}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The report of a class in which everything is long, odd or broken."""
    found = []
    for i, name in enumerate(NAMES):
        checks = [
            CheckResult(f"{question}{k}", question, 2.0, results.PASSED if k < i else status, LONG)
            for question, status in (("a_question_with_a_long_name", results.FAILED), ("second", results.TIMEOUT))
            for k in range(4)
        ]
        answer = "def f(x):\n    return " + " + ".join(f"x[{k}] * weights[{k}]" for k in range(60))
        about = {"warnings": [f"the check of {LONG}"], "answers": {"second": answer}, "output": {"second": "x" * 3000}}
        found.append(SubmissionResult(name, "hw.ipynb", str(i), "02_pooling", checks=checks, sandbox="none", **about))
    lost = SubmissionResult(
        "Bob", "b" * 200 + ".ipynb", status=results.UNREADABLE, warnings=["no notebook: " + "y" * 300]
    )
    return report.write([*found, lost], tmp_path_factory.mktemp("report"))


@pytest.fixture(params=[(s, theme) for s in SIZES for theme in ("light", "dark")], ids=lambda p: f"{p[0]}, {p[1]}")
def page(browser, request):
    """A page without a network; `complaints` are what its console said and what it tried to fetch."""
    size, theme = request.param
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme, offline=True)
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: page.complaints.append("a script ran") or dialog.dismiss())
    page.on("request", lambda r: None if r.url.startswith("file:") else page.complaints.append(r.url))
    yield page
    context.close()


WIDER = """() => [...document.body.querySelectorAll('*')].filter(e => !e.closest('.wide, pre') &&
    (e.getBoundingClientRect().right > innerWidth + 1 ||
     (e.scrollWidth > e.clientWidth + 1 && !['inline', 'none'].includes(getComputedStyle(e).display))))
    .map(e => e.outerHTML.slice(0, 200))"""
PALE = """() => {
    const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const light = text => { const [r, g, b] = text.match(/[\\d.]+/g).map(v => linear(v / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const behind = e => { const colour = getComputedStyle(e).backgroundColor;
        return colour.startsWith('rgba(0, 0, 0, 0') ? behind(e.parentElement ?? document.documentElement) : colour; };
    const hasText = e => [...e.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    return [...document.body.querySelectorAll('*')].filter(hasText)
        .map(e => [light(getComputedStyle(e).color), light(behind(e)), e.outerHTML.slice(0, 120)])
        .filter(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5).map(found => found[2]);
}"""  # the contrast of WCAG 2.1, 1.4.3


def is_well_made(page):
    assert page.evaluate("() => document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert page.evaluate(WIDER) == []
    assert page.evaluate(PALE) == [], "too pale to read: less than 4.5 to 1"
    assert page.complaints == []


@pytest.mark.slow
def test_the_page_of_a_class_is_read_without_scrolling_sideways(page, written):
    page.goto((written.out / "index.html").as_uri())
    for details in page.locator("details").all():
        details.evaluate("e => { e.open = true; }")
    is_well_made(page)
    assert (
        page.locator(".note.bad").first.bounding_box()["y"] < page.viewport_size["height"] / 2
    )  # no sandbox: at the top
    assert page.get_by_text("Who may need help").is_visible()


@pytest.mark.slow
def test_the_page_of_each_student_is_too_and_its_links_lead_there(page, written):
    for i in range(len(ODD)):
        page.goto((written.out / "index.html").as_uri())
        page.locator("tbody a").nth(i).click()
        assert page.get_by_text("Your answer").first.is_visible()
        for details in page.locator("details").all():
            details.evaluate("e => { e.open = true; }")
        is_well_made(page)


@pytest.mark.slow
def test_who_handed_in_no_notebook_is_told_what_to_do(page, written):
    (lost,) = (mark for mark in written.marks if mark.result.status == results.UNREADABLE)
    page.goto((written.out / "students" / lost.page).as_uri())
    is_well_made(page)
    assert page.get_by_text("Hand in the notebook itself").is_visible()

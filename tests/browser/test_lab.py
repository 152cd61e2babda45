"""The course opens in a real browser, and every lecture runs there from a fresh kernel, in both themes."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
SECONDS_PER_LECTURE = 120

KERNEL_IS_IDLE = """() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"""

RUN_ALL = """async () => {
    const panel = jupyterapp.shell.currentWidget;
    await panel.sessionContext.ready;
    await jupyterapp.commands.execute('notebook:run-all-cells');
    const cells = panel.content.model.sharedModel.cells.filter(cell => cell.cell_type === 'code');
    const errors = cells.flatMap(cell => cell.outputs).filter(output => output.output_type === 'error');
    return {ran: cells.filter(cell => cell.execution_count).length, all: cells.length,
            errors: errors.map(error => error.ename + ': ' + error.evalue)};
}"""

# The notebook draws only cells near the screen: look at each figure in turn.
FIGURES = """async () => {
    const content = jupyterapp.shell.currentWidget.content, found = [];
    for (let i = 0; i < content.widgets.length; i++) {
        const model = content.widgets[i].model;
        if (model.type !== 'code' || !JSON.stringify(model.sharedModel.outputs).includes('<img')) continue;
        await content.scrollToItem(i, 'auto');
        content.activeCellIndex = i;
        for (let wait = 0; wait < 40 && !content.widgets[i].node.querySelector('img'); wait++)
            await new Promise(done => setTimeout(done, 50));
        for (const image of content.widgets[i].node.querySelectorAll('img')) {
            await image.decode().catch(() => null);
            const box = image.getBoundingClientRect(), pane = content.node.getBoundingClientRect();
            found.push({cell: i, alt: image.alt, natural: image.naturalWidth, width: box.width, height: box.height,
                        inside: box.left >= pane.left && box.right <= pane.right + 1});
        }
    }
    return found;
}"""


def open_notebook(page, lab, name):
    page.goto(f"{lab}/lab/tree/notebooks/{name}.ipynb?reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    page.wait_for_function(KERNEL_IS_IDLE, timeout=60_000)


def close_notebook(page):
    page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")


@pytest.mark.slow
def test_the_index_links_to_every_lecture(page, lab):
    open_notebook(page, lab, "index")
    links = page.eval_on_selector_all(".jp-RenderedMarkdown a[href]", "links => links.map(link => link.textContent)")
    numbered = [name for name in NAMES if name[0].isdigit()]
    assert len(numbered) <= sum(1 for text in links if text and not text.startswith("¶"))
    first = page.locator(".jp-RenderedMarkdown a", has_text="What is segmentation?").first
    first.click()
    assert page.locator(".Toastify__toast").count() == 0, "a message covers the page"
    page.wait_for_function("() => jupyterapp.shell.currentWidget?.title.label.startsWith('00_')", timeout=30_000)
    close_notebook(page)


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("name", NAMES)
def test_a_lecture_runs_in_the_browser(page, lab, name, theme):
    page.set_default_timeout(1000 * SECONDS_PER_LECTURE)
    open_notebook(page, lab, name)
    page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    if theme == "JupyterLab Light":
        result = page.evaluate(RUN_ALL)
        assert result["errors"] == []
        assert result["ran"] == result["all"]
    figures = page.evaluate(FIGURES)
    assert figures or not name[0].isdigit()
    for figure in figures:
        assert figure["natural"] > 0, f"not drawn: {figure}"
        assert figure["inside"], f"wider than the page: {figure}"
        assert figure["height"] <= 560, f"higher than a projected page: {figure}"
    close_notebook(page)

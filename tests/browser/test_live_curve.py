"""While a network learns in a notebook its curve grows; afterwards a picture of it stays."""

import pytest

from tests.browser.test_lab import KERNEL_IS_IDLE, RUN_ALL, close_notebook, open_notebook

CELL = """from segedu import data, models, training

streets = data.open_dataset("street", "train", length=4, size=64)
model = models.create("unet", len(streets.classes), width=1 / 16)
history = training.fit(model, streets, streets, steps=250, batch=2, every=100)
"""

SAVE = """async cell => {
    const source = {cell_type: 'code', source: cell, metadata: {}, outputs: [], execution_count: null};
    const content = {cells: [source], metadata: {kernelspec: {name: 'python3', display_name: 'Python 3'}},
                     nbformat: 4, nbformat_minor: 4};
    await jupyterapp.serviceManager.contents.save('notebooks/live.ipynb', {type: 'notebook', format: 'json', content});
}"""

DRAWN = """() => {
    const canvas = document.querySelector('.jp-OutputArea canvas');
    if (!canvas) return null;
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let blue = 0;
    for (let i = 0; i < pixels.length; i += 4) blue += pixels[i] < 60 && pixels[i + 2] > 120 && pixels[i + 3] > 120;
    return {blue, said: canvas.nextSibling.textContent};
}"""


@pytest.mark.slow
def test_the_curve_grows_while_the_network_learns(page, lab):
    open_notebook(page, lab, "index")
    page.evaluate(SAVE, CELL)
    open_notebook(page, lab, "live")
    page.evaluate("() => { window.run = (" + RUN_ALL + ")().then(found => { window.found = found; }); return null; }")
    seen = []
    while not page.evaluate("() => window.found !== undefined"):
        seen.append(page.evaluate(DRAWN))
        page.wait_for_timeout(200)
    drawn = [state for state in seen if state and state["said"].startswith("step")]
    assert len({state["said"] for state in drawn}) > 3
    assert drawn[-1]["blue"] > drawn[0]["blue"]
    assert page.evaluate("() => window.found")["errors"] == []
    page.wait_for_function(KERNEL_IS_IDLE)
    alt = page.get_attribute(".jp-OutputArea img", "alt")
    assert alt.startswith("Learning curve of 250 steps; after step 250: loss")
    assert page.evaluate(DRAWN) is None
    close_notebook(page)

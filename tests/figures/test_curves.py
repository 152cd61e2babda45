"""Learning curves show every step, and say what is what."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from segedu.figures import learning_curve
from segedu.figures.curves import running_mean
from segedu.training import History


@pytest.fixture
def history(rng):
    history = History()
    for step in range(1, 41):
        record = {"step": step, "loss": rng.random(), "miou": rng.random() if step > 5 else np.nan}
        history.add(record | ({"val_miou": rng.random()} if step % 10 == 0 else {}))
    yield history
    plt.close("all")


def test_every_known_value_is_drawn_at_its_step(history):
    left, right = learning_curve(history).axes
    np.testing.assert_array_equal(left.lines[0].get_xydata(), np.transpose(history.curve("loss")))
    steps, values = history.curve("miou")
    assert steps[0] == 6
    np.testing.assert_allclose(right.lines[0].get_xydata(), np.transpose([steps, 100 * np.array(values)]))
    np.testing.assert_allclose(right.lines[-1].get_ydata(), 100 * np.array(history.curve("val_miou")[1]))
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["batches", "validation"]


def test_several_runs_have_a_colour_and_a_name_each(history):
    left, right = learning_curve(history, history, names=["NumPy", "PyTorch"]).axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["NumPy", "PyTorch"]
    assert left.lines[0].get_color() != left.lines[2].get_color()
    assert right.get_legend() is None


def test_a_run_without_a_step_has_an_empty_figure():
    assert [len(ax.lines) for ax in learning_curve(History()).axes] == [0, 0]


def test_the_running_mean_is_numpys_convolution(rng):
    values = rng.random(30)
    expected = [values[max(0, end - 7) : end].mean() for end in range(1, 31)]
    np.testing.assert_allclose(running_mean(values, 7), expected)
    np.testing.assert_allclose(running_mean(values, 7)[6:], np.convolve(values, np.full(7, 1 / 7), "valid"))

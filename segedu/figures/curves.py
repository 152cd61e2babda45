"""Learning curves: the loss and the mean IoU over the steps of a run."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segedu.figures.palette import OKABE_ITO, hexadecimal

_BLUE, _ORANGE = hexadecimal(OKABE_ITO[5]), hexadecimal(OKABE_ITO[6])


def learning_curve(*histories, names=None) -> Figure:
    """The loss of every step, in pale, and its running mean; beside it mean IoU: batches in pale, validation as dots.

    `histories`: one or several, as `segedu.training.Trainer.fit` returns them. Several get a colour each, and their
    `names` a legend.

    >>> from segedu.training import History
    >>> history = History()
    >>> for step in range(1, 9):
    ...     history.add({"step": step, "loss": 1 / step, "miou": step / 10})
    >>> fig = learning_curve(history)
    >>> [ax.get_ylabel() for ax in fig.axes]
    ['loss', 'mean IoU, %']
    >>> plt.close(fig)
    """
    colours = [_BLUE, _ORANGE, *(hexadecimal(colour) for colour in OKABE_ITO[[3, 7, 2, 1, 0]])]
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.4), layout="constrained")
    for number, history in enumerate(histories):
        colour = colours[number % len(colours)]
        _draw(left, *history.curve("loss"), colour, names[number] if names else "loss")
        steps, values = history.curve("miou")
        _draw(right, steps, [100 * value for value in values], colour, "batches")
        steps, values = history.curve("val_miou")
        other = colour if len(histories) > 1 else _ORANGE
        if steps:
            right.plot(steps, [100 * value for value in values], "o-", color=other, mec="white", label="validation")
    for ax, label in ((left, "loss"), (right, "mean IoU, %")):
        ax.set(xlabel="step", ylabel=label)
        ax.set_ylim(0, 1.05 * max(ax.get_ylim()[1], 1e-9))
    if names:
        left.legend()
    elif any(history.curve("val_miou")[0] for history in histories):
        right.legend()
    return fig


def _draw(ax: Axes, steps, values, colour: str, name: str) -> None:
    if len(values):
        ax.plot(steps, values, color=colour, alpha=0.3, linewidth=1)
        ax.plot(steps, running_mean(values, max(1, len(values) // 20)), color=colour, linewidth=2, label=name)


def running_mean(values, window: int) -> np.ndarray:
    """The mean of each value and those before it, `window` at most.

    >>> running_mean([1.0, 3.0, 5.0], 2).tolist()
    [1.0, 2.0, 4.0]
    """
    total = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return (total[ends] - total[starts]) / (ends - starts)

"""How good a network is on a whole split: one confusion matrix, and segedu's metrics of it (lecture 07)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from segedu.engines.machine import Machine
from segedu.models.blocks import crop_or_pad, mirrored
from segedu.numpy_ops import (
    class_accuracy,
    frequency_weighted_iou,
    iou,
    mean_accuracy,
    mean_iou,
    pixel_accuracy,
)
from segedu.training.batches import as_input, prepared


@dataclass(frozen=True)
class Scores:
    """The confusion matrix of a split, int64 C×C, and what is read from it.

    Void pixels are not counted. A class that is neither in the labels nor in the predictions has no score (NaN), and is
    left out of the mean.

    >>> scores = Scores(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]), ("sky", "road", "car"))
    >>> round(scores.miou, 3), scores.as_dict()["classes"]["car"]["iou"] is None
    (0.775, True)
    """

    matrix: np.ndarray
    classes: Sequence[str]

    @property
    def miou(self) -> float:
        return float(mean_iou(self.matrix))

    @property
    def accuracy(self) -> float:
        return float(pixel_accuracy(self.matrix))

    def as_dict(self) -> dict[str, object]:
        """For JSON: None where there is no score."""
        means = {
            "mean_iou": mean_iou(self.matrix),
            "pixel_accuracy": pixel_accuracy(self.matrix),
            "mean_accuracy": mean_accuracy(self.matrix),
            "frequency_weighted_iou": frequency_weighted_iou(self.matrix),
        }
        of_classes = zip(self.classes, iou(self.matrix), class_accuracy(self.matrix), self.matrix.sum(1), strict=True)
        classes = {
            name: {"iou": _number(score), "accuracy": _number(right), "pixels": int(pixels)}
            for name, score, right, pixels in of_classes
        }
        means = {name: _number(value) for name, value in means.items()}
        return {**means, "classes": classes, "confusion_matrix": self.matrix.tolist()}

    def __str__(self) -> str:
        """A table: a line a class, then the means, in percent."""
        found = self.as_dict()
        width = max(len(name) for name in (*self.classes, "frequency-weighted IoU"))
        lines = [f"{'':{width}}  {'IoU':>6}  {'accuracy':>8}  {'pixels':>11}"]
        for name, row in found["classes"].items():
            lines.append(
                f"{name:{width}}  {_percent(row['iou'])}  {_percent(row['accuracy'], 8)}  {row['pixels']:>11,}"
            )
        lines.append(f"{'mean':{width}}  {_percent(found['mean_iou'])}  {_percent(found['mean_accuracy'], 8)}")
        lines.append(f"{'frequency-weighted IoU':{width}}  {_percent(found['frequency_weighted_iou'])}")
        lines.append(f"{'all pixels':{width}}  {'':6}  {_percent(found['pixel_accuracy'], 8)}")
        return "\n".join(lines)


def evaluate(
    model: object,
    dataset: Sequence,
    machine: Machine | None = None,
    advance: Callable[[int, int], None] | None = None,
) -> Scores:
    """Compare a network's labels with those of a data set, image by image at full size, whatever the size.

    Args:
        model: a network on any engine; it is left in the mode it was in.
        dataset: see `segedu.data.open_dataset`.
        machine: where it computes; with several processes each takes a part of the images.
        advance: called after each image with the number of images done and of all.

    >>> from segedu import models
    >>> from segedu.data import open_dataset
    >>> data = open_dataset("street", "val", length=2, size=32)
    >>> evaluate(models.create("unet", len(data.classes), width=1 / 32), data).matrix.sum()
    np.int64(2048)
    """
    machine = machine or machine_of(model)
    machine.agree(model)
    mine = range(machine.rank, len(dataset), machine.world)
    matrix = np.zeros((len(dataset.classes),) * 2, np.int64)
    for done, (image, labels) in enumerate(prepared(dataset.__getitem__, mine), 1):
        logits = _logits(model, image, machine)
        matrix += machine.confusion(logits, labels[None], len(matrix), dataset.void)
        if advance is not None:
            advance(done, len(mine))
    return Scores(machine.sum(matrix), tuple(dataset.classes))


def predict(model: object, image: np.ndarray, machine: Machine | None = None) -> np.ndarray:
    """The label of every pixel: int64 H×W for an image uint8 H×W×C of any size. Puts the network in evaluation mode.

    Where a network's logits are smaller than the image, the image is mirrored at its edges first.
    """
    machine = machine or machine_of(model)
    return machine.labels(_logits(model, image, machine))[0]


def _logits(model: object, image: np.ndarray, machine: Machine) -> object:
    """1×C×H×W, where the network is."""
    x = mirrored(model, as_input(image)[None])
    with in_evaluation(model), model.nn.no_grad(), machine.precision():
        return crop_or_pad(model.nn, model(machine.tensor(x)), *image.shape[:2])


def machine_of(model: object) -> Machine:
    """What computes where the network is."""
    device = getattr(next(iter(model.parameters())), "device", None)  # our own tensors have none
    return model.nn.machine(None if device is None else str(device))


@contextlib.contextmanager
def in_evaluation(model: object) -> Iterator[None]:
    """Inside, batch normalisation and dropout do as when a network is used; afterwards as before."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _percent(value: float | None, width: int = 6) -> str:
    return f"{'–' if value is None else f'{100 * value:.1f}':>{width}}"

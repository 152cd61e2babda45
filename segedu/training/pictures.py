"""Pictures of a run: its learning curve, and what a network sees in an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from segedu.training.evaluation import predict


def save_curve(history: object, path: Path) -> None:
    """Write the learning curve as a picture."""
    from matplotlib import pyplot

    from segedu.figures import learning_curve

    fig = learning_curve(history)
    fig.savefig(path, dpi=110)
    pyplot.close(fig)


def save_prediction(model: object, machine: object, image: np.ndarray, about: dict, path: Path) -> None:
    """Write PATH_labels.png, a palette picture whose pixels are the labels, and PATH_overlay.png, with a legend.

    Args:
        model, machine: as for `predict`.
        image: uint8 H×W×C.
        about: "classes" and "palette" of the data that the network was trained on.
        path: folder and name without an ending.
    """
    labels = predict(model, image, machine)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_labels(labels, about["palette"], path.with_name(f"{path.name}_labels.png"))
    save_overlay(image, labels, about["classes"], about["palette"], path.with_name(f"{path.name}_overlay.png"))


def save_labels(labels: np.ndarray, palette: np.ndarray, path: Path) -> None:
    """Labels H×W as a PNG of 8 bits a pixel: programs read the labels, people see the colours of the palette."""
    picture = Image.fromarray(labels.astype(np.uint8), mode="P")
    picture.putpalette(np.asarray(palette, np.uint8).tobytes())
    picture.save(path)


def save_overlay(image: np.ndarray, labels: np.ndarray, classes: list[str], palette: np.ndarray, path: Path) -> None:
    """The image, and the image with its labels laid over it; below, a legend of the classes that were found."""
    from matplotlib import pyplot

    from segedu.figures.images import images_row, label_legend, overlay

    outlined = overlay(image, labels, palette, outline=min(labels.shape) >= 128)  # a line is a pixel wide
    fig = images_row([image, outlined], ["image", "prediction"])
    label_legend(fig, classes, palette, present=labels)
    fig.savefig(path, dpi=110, facecolor="white")
    pyplot.close(fig)

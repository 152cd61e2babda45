"""Draws docs/picture.png, the picture of the README: from an image to labels, through operators of the course."""

from pathlib import Path

import numpy as np

from segedu import figures
from segedu.data.synthetic import street
from segedu.figures.show import png_bytes
from segedu.numpy_ops import avg_pool2d, interpolate


def main() -> None:
    """Write the picture beside this file."""
    figures.use_style()
    scene = street(seed=7, size=(240, 320))
    one_hot = np.eye(len(scene.classes))[scene.labels].transpose(2, 0, 1)[None]
    coarse = avg_pool2d(one_hot, 16)
    fine = interpolate(coarse, scale_factor=16, mode="bilinear", align_corners=False)
    maps = [coarse[0].argmax(0), fine[0].argmax(0), scene.labels]
    fig = figures.images_row(
        [scene.image, *(figures.colourise(labels, scene.palette) for labels in maps)],
        titles=["image", "pooled to 1/16", "upsampled again", "the truth"],
        columns=4,
    )
    figures.label_legend(fig, scene.classes, scene.palette)
    Path(__file__).with_name("picture.png").write_bytes(png_bytes(fig, dpi=100))


if __name__ == "__main__":
    main()

"""The camera of the drawn streets, their classes and what all their parts need."""

import numpy as np

from segedu.data import colours
from segedu.data.scenes.canvas import UNITS, Canvas, ellipse

CLASSES = ("sky", "building", "road", "pavement", "tree", "car", "pedestrian", "pole", "sign")
PALETTE = colours.palette(
    colours.SKY_BLUE,
    colours.VERMILLION,
    colours.GREY,
    colours.PURPLE,
    colours.GREEN,
    colours.BLUE,
    colours.YELLOW,
    colours.BLACK,
    colours.ORANGE,
)
SKY, BUILDING, ROAD, PAVEMENT, TREE, CAR, PEDESTRIAN, POLE, SIGN = range(9)
FOCAL, EYE = 225.0, 1.65
ROAD_HALF, WALL = 3.7, 6.9
FAR = 75.0
HAZE = np.array((0.80, 0.86, 0.91))


class View:
    """The camera: where a point X metres to the right, Y above the ground and Z ahead appears on the canvas."""

    def __init__(self, drawing: Canvas, rng: np.random.Generator):
        self.drawing, self.rng = drawing, rng
        self.x = drawing.width * rng.uniform(0.42, 0.58)
        self.y = UNITS * rng.uniform(0.44, 0.50)
        self.sun = rng.uniform(0.92, 1.06)

    def point(self, x, y, z) -> tuple[float, float]:
        return self.x + FOCAL * x / z, self.y + FOCAL * (EYE - y) / z

    def size(self, z) -> float:
        """Canvas units of one metre, `z` metres ahead."""
        return FOCAL / z

    def haze(self, colour, z):
        """A colour as it looks from `z` metres away."""
        share = 1 - np.exp(-np.maximum(z, 0) / 95.0)
        return np.asarray(colour) * self.sun + (HAZE - np.asarray(colour) * self.sun) * share


def ground_shadow(view: View, x, z, wide, opacity=0.45) -> None:
    px, py = view.point(x, 0, z)
    s = view.size(z)
    view.drawing.paint(
        ellipse(px + 0.15 * wide * s, py, wide * s, max(0.12 * wide * s, 0.5)),
        (0.08, 0.08, 0.1),
        opacity=opacity,
        blur=0.22 * s,
    )

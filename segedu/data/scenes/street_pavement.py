"""The pedestrians, lamp posts and signs of the drawn streets."""

import numpy as np

from segedu.data.scenes.canvas import capsule, circle, ellipse, polygon, rounded_box, union
from segedu.data.scenes.street_view import PEDESTRIAN, POLE, SIGN, View, ground_shadow

CLOTHES = (
    (0.75, 0.20, 0.22),
    (0.18, 0.34, 0.60),
    (0.92, 0.78, 0.30),
    (0.25, 0.45, 0.35),
    (0.88, 0.88, 0.86),
    (0.55, 0.35, 0.60),
    (0.20, 0.20, 0.24),
)
SKIN = ((0.94, 0.78, 0.66), (0.80, 0.60, 0.46), (0.55, 0.38, 0.28), (0.36, 0.25, 0.19))
HAIR = ((0.14, 0.10, 0.08), (0.40, 0.26, 0.14), (0.72, 0.56, 0.30), (0.55, 0.54, 0.52))


def pedestrian(view: View, x, z) -> None:
    rng, drawing, (px, py), instance = view.rng, view.drawing, view.point(x, 0, z), view.drawing.new_instance()
    s = view.size(z) * rng.uniform(0.9, 1.08)
    top, trousers, skin, hair = (np.array(group[rng.integers(len(group))]) for group in (CLOTHES, CLOTHES, SKIN, HAIR))
    trousers, stride = trousers * 0.5, rng.uniform(0.08, 0.26) * (1 if rng.random() < 0.5 else -1)
    ground_shadow(view, x, z, 0.38)

    def part(shape, colour):
        drawing.paint(shape, view.haze(colour, z), PEDESTRIAN, instance)

    for side, tone in ((-1, 0.8), (1, 1.0)):
        foot = px + side * stride * s
        part(capsule(px + side * 0.07 * s, py - 0.88 * s, foot, py - 0.08 * s, 0.1 * s, 0.065 * s), trousers * tone)
        part(
            capsule(foot, py - 0.045 * s, foot + 0.1 * s * np.sign(stride), py - 0.04 * s, 0.055 * s), (0.12, 0.1, 0.1)
        )
    hand = (px - stride * 0.9 * s, py - 0.8 * s)
    part(capsule(px, py - 1.38 * s, *hand, 0.07 * s, 0.055 * s), top * 0.75)
    part(
        polygon(
            [
                (px - 0.15 * s, py - 0.86 * s),
                (px - 0.22 * s, py - 1.42 * s),
                (px + 0.22 * s, py - 1.42 * s),
                (px + 0.15 * s, py - 0.86 * s),
            ]
        ),
        top,
    )
    part(capsule(px - 0.15 * s, py - 1.42 * s, px + 0.15 * s, py - 1.42 * s, 0.075 * s), top)
    hand = (px + stride * 0.9 * s, py - 0.8 * s)
    part(capsule(px + 0.2 * s, py - 1.4 * s, *hand, 0.07 * s, 0.055 * s), top * 0.88)
    part(circle(*hand, 0.06 * s), skin)
    part(capsule(px, py - 1.45 * s, px, py - 1.52 * s, 0.055 * s), skin * 0.9)
    part(ellipse(px, py - 1.64 * s, 0.105 * s, 0.13 * s), skin)
    part(
        union(
            ellipse(px, py - 1.70 * s, 0.115 * s, 0.095 * s), ellipse(px - 0.05 * s, py - 1.65 * s, 0.08 * s, 0.11 * s)
        ),
        hair,
    )


def lamp(view: View, x, z) -> None:
    drawing, s, instance = view.drawing, view.size(z), view.drawing.new_instance()
    (px, py), tall, inward = view.point(x, 0, z), view.rng.uniform(4.6, 5.6), -np.sign(x)
    metal, radius = view.haze((0.20, 0.24, 0.24), z), max(0.065 * s, 0.55)
    ground_shadow(view, x, z, 0.3)
    top = py - tall * s
    drawing.paint(capsule(px, py, px, top, radius * 1.15, radius * 0.8), metal, POLE, instance)
    drawing.paint(capsule(px, py, px, py - 0.7 * s, radius * 1.7, radius * 1.4), metal, POLE, instance)
    end = px + inward * 0.95 * s
    drawing.paint(capsule(px, top, end, top - 0.22 * s, radius * 0.8), metal, POLE, instance)
    head = ellipse(end, top - 0.18 * s, 0.3 * s, max(0.1 * s, 0.7))
    drawing.paint(head, view.haze((0.30, 0.33, 0.33), z), POLE, instance)
    drawing.paint(ellipse(end, top - 0.13 * s, 0.2 * s, 0.05 * s), view.haze((0.98, 0.95, 0.80), z))


def sign(view: View, x, z) -> None:
    drawing, s = view.drawing, view.size(z)
    (px, py), tall, radius = view.point(x, 0, z), view.rng.uniform(2.3, 2.7), 0.36 * s
    pole, board, cy = drawing.new_instance(), drawing.new_instance(), py - tall * s
    ground_shadow(view, x, z, 0.22)
    drawing.paint(capsule(px, py, px, cy, max(0.045 * s, 0.5)), view.haze((0.58, 0.60, 0.62), z), POLE, pole)
    BOARDS[view.rng.integers(len(BOARDS))](view, px, cy, radius, z, board)


def _round_board(view: View, px, cy, radius, z, board) -> None:
    """No entry: a red disc with a white bar."""
    view.drawing.paint(circle(px, cy, radius), view.haze((0.95, 0.95, 0.95), z), SIGN, board)
    view.drawing.paint(circle(px, cy, radius * 0.92), view.haze((0.80, 0.10, 0.12), z))
    bar = rounded_box(px - radius * 0.65, cy - radius * 0.17, px + radius * 0.65, cy + radius * 0.17)
    view.drawing.paint(bar, view.haze((0.96, 0.96, 0.96), z))


def _blue_board(view: View, px, cy, radius, z, board) -> None:
    """Straight on: a blue disc with a white arrow."""
    view.drawing.paint(circle(px, cy, radius), view.haze((0.95, 0.95, 0.95), z), SIGN, board)
    view.drawing.paint(circle(px, cy, radius * 0.92), view.haze((0.05, 0.32, 0.66), z))
    shaft = rounded_box(px - radius * 0.11, cy - radius * 0.2, px + radius * 0.11, cy + radius * 0.6)
    point = polygon(
        [(px, cy - radius * 0.7), (px + radius * 0.42, cy - radius * 0.12), (px - radius * 0.42, cy - radius * 0.12)]
    )
    view.drawing.paint(union(shaft, point), view.haze((0.96, 0.96, 0.96), z))


def _warning_board(view: View, px, cy, radius, z, board) -> None:
    """Danger: a white triangle with a red edge."""

    def triangle(r):
        return polygon([(px, cy - r), (px + 0.95 * r, cy + 0.72 * r), (px - 0.95 * r, cy + 0.72 * r)])

    view.drawing.paint(triangle(radius * 1.1), view.haze((0.80, 0.12, 0.12), z), SIGN, board)
    view.drawing.paint(triangle(radius * 0.68), view.haze((0.97, 0.96, 0.92), z))
    mark = union(
        capsule(px, cy - radius * 0.18, px, cy + radius * 0.1, radius * 0.07),
        circle(px, cy + radius * 0.3, radius * 0.07),
    )
    view.drawing.paint(mark, view.haze((0.1, 0.1, 0.1), z))


BOARDS = (_round_board, _blue_board, _warning_board)

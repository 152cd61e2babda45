"""The cars of the drawn streets."""

import numpy as np

from segedu.data.scenes.canvas import ellipse, polygon, rounded_box
from segedu.data.scenes.street_view import CAR, View, ground_shadow

CAR_COLOURS = (
    (0.75, 0.12, 0.12),
    (0.14, 0.28, 0.58),
    (0.88, 0.88, 0.88),
    (0.16, 0.17, 0.19),
    (0.60, 0.63, 0.66),
    (0.92, 0.72, 0.16),
    (0.16, 0.44, 0.40),
)


def car(view: View, x, z) -> None:
    """A car from behind on the right, from the front on the left."""
    rng, drawing, s = view.rng, view.drawing, view.size(z)
    base, instance, (px, py) = (
        np.array(CAR_COLOURS[rng.integers(len(CAR_COLOURS))]),
        drawing.new_instance(),
        view.point(x, 0, z),
    )
    behind, half = x > 0, 0.9 * s
    ground_shadow(view, x, z, 1.0, 0.6)
    _car_side(view, x, z, base, instance)
    for wheel in (-0.72, 0.72):
        tyre = rounded_box(px + (wheel - 0.13) * s, py - 0.5 * s, px + (wheel + 0.13) * s, py, 0.05 * s)
        drawing.paint(tyre, view.haze((0.07, 0.07, 0.08), z), CAR, instance)
    cabin = polygon(
        [
            (px - 0.78 * s, py - 0.85 * s),
            (px - 0.58 * s, py - 1.45 * s),
            (px + 0.58 * s, py - 1.45 * s),
            (px + 0.78 * s, py - 0.85 * s),
        ]
    )
    drawing.paint(cabin, view.haze(base * 0.92, z), CAR, instance)
    body = rounded_box(px - half, py - 0.95 * s, px + half, py - 0.22 * s, 0.16 * s)
    drawing.paint(
        body,
        lambda u, v: view.haze(
            base * (1.12 - 0.5 * (v - py + 0.95 * s) / s)[..., None] * np.ones_like(u)[..., None], z
        ),
        CAR,
        instance,
    )
    glass = polygon(
        [
            (px - 0.66 * s, py - 0.92 * s),
            (px - 0.52 * s, py - 1.37 * s),
            (px + 0.52 * s, py - 1.37 * s),
            (px + 0.66 * s, py - 0.92 * s),
        ]
    )
    drawing.paint(
        glass,
        lambda u, v: view.haze(
            np.array((0.18, 0.24, 0.30))
            + 0.28 * np.clip(1.2 - (v - py + 1.37 * s) / (0.4 * s), 0, 1)[..., None] * np.ones_like(u)[..., None],
            z,
        ),
    )
    _car_face(view, px, py, s, z, behind)


def _car_side(view: View, x, z, base, instance) -> None:
    """The flank that the camera sees, as the car is beside it and four metres long."""
    inner, inner_roof, far = x - np.sign(x) * 0.86, x - np.sign(x) * 0.6, z + 3.9
    low, waist, roof = 0.3, 0.92, 1.44
    flank = [view.point(inner, h, d) for h, d in ((low, z), (waist, z), (waist, far), (low, far))]
    top = [view.point(inner, waist, z + 0.1), view.point(inner_roof, roof, z + 0.4)]
    top += [view.point(inner_roof, roof, far - 1.6), view.point(inner, waist, far - 0.8)]
    view.drawing.paint(polygon(top), view.haze((0.16, 0.20, 0.25), z), CAR, instance)
    view.drawing.paint(polygon(flank), view.haze(base * 0.7, z + 1), CAR, instance)
    for depth in (0.75, 3.1):
        cx, cy = view.point(inner, 0.31, z + depth)
        s = view.size(z + depth)
        wide = abs(view.point(inner, 0, z + depth - 0.3)[0] - view.point(inner, 0, z + depth + 0.3)[0]) / 2 + 0.03 * s
        view.drawing.paint(ellipse(cx, cy, wide, 0.32 * s), view.haze((0.08, 0.08, 0.09), z), CAR, instance)


def _car_face(view: View, px, py, s, z, behind) -> None:
    drawing = view.drawing
    lamp = (0.85, 0.14, 0.10) if behind else (0.98, 0.96, 0.84)
    for side in (-1, 1):
        left, right = sorted((px + side * 0.84 * s, px + side * (0.6 if behind else 0.56) * s))
        drawing.paint(rounded_box(left, py - 0.82 * s, right, py - 0.62 * s, 0.05 * s), view.haze(lamp, z))
    if not behind:
        drawing.paint(
            rounded_box(px - 0.45 * s, py - 0.78 * s, px + 0.45 * s, py - 0.62 * s, 0.04 * s),
            view.haze((0.12, 0.12, 0.13), z),
        )
    drawing.paint(
        rounded_box(px - 0.85 * s, py - 0.42 * s, px + 0.85 * s, py - 0.24 * s, 0.06 * s),
        view.haze((0.16, 0.16, 0.17), z),
    )
    drawing.paint(
        rounded_box(px - 0.26 * s, py - 0.56 * s, px + 0.26 * s, py - 0.44 * s), view.haze((0.93, 0.92, 0.80), z)
    )

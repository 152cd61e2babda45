"""The houses of the drawn streets."""

import numpy as np

from segedu.data.scenes.canvas import polygon
from segedu.data.scenes.street_trees import tree
from segedu.data.scenes.street_view import BUILDING, EYE, FAR, FOCAL, WALL, View

HOUSE_COLOURS = (
    (0.72, 0.42, 0.32),
    (0.80, 0.70, 0.54),
    (0.84, 0.79, 0.70),
    (0.60, 0.56, 0.54),
    (0.55, 0.34, 0.28),
    (0.68, 0.68, 0.64),
    (0.76, 0.58, 0.42),
    (0.62, 0.66, 0.70),
)


def houses(view: View) -> list:
    """Rows of houses along both sides, with a gap here and there where trees stand."""
    rng, things = view.rng, []
    for side in (-1, 1):
        z = rng.uniform(1.2, 4.0)
        while z < FAR:
            deep, gap = rng.uniform(6, 13), rng.random() < 0.22
            if not gap:
                house = (
                    side,
                    z,
                    min(z + deep, FAR + 12),
                    rng.uniform(5.5, 12.5),
                    HOUSE_COLOURS[rng.integers(len(HOUSE_COLOURS))],
                )
                things.append((z + deep / 2, lambda house=house: _house(view, *house)))
            else:
                things += [
                    (
                        z + deep / 2,
                        lambda z=z + deep / 2, side=side: tree(
                            view, side * rng.uniform(8.5, 10), z, rng.uniform(4.5, 7)
                        ),
                    )
                ]
            z += deep
    return things


def _house(view: View, side, near, far, tall, base) -> None:
    rng, drawing = view.rng, view.drawing
    base = np.asarray(base) * rng.uniform(0.9, 1.1)
    outer = side * (WALL + 9)
    front = [view.point(side * WALL, h, near) for h in (0, tall)] + [view.point(outer, h, near) for h in (tall, 0)]
    drawing.paint(polygon(front), view.haze(base * 0.62, near), BUILDING)
    facade = [view.point(side * WALL, 0, near), view.point(side * WALL, tall, near)]
    facade += [view.point(side * WALL, tall, far), view.point(side * WALL, 0, far)]
    drawing.paint(polygon(facade), _facade_colour(view, side, near, far, tall, base), BUILDING)
    if rng.random() < 0.6:
        _roof(view, side, near, far, tall)


def _roof(view: View, side, near, far, tall) -> None:
    roof, rise = (
        np.array([(0.42, 0.22, 0.18), (0.30, 0.30, 0.34), (0.45, 0.30, 0.22)][view.rng.integers(3)]),
        view.rng.uniform(1.2, 2.4),
    )
    ridge = side * (WALL + 4.5)
    edge = side * (WALL - 0.3)
    slope = [
        view.point(edge, tall - 0.1, near),
        view.point(ridge, tall + rise, near),
        view.point(ridge, tall + rise, far),
    ]
    slope += [view.point(edge, tall - 0.1, far)]
    gable = [
        view.point(edge, tall - 0.1, near),
        view.point(ridge, tall + rise, near),
        view.point(side * (WALL + 9), tall, near),
    ]
    view.drawing.paint(polygon(gable), view.haze(roof * 0.7, near), BUILDING)
    view.drawing.paint(polygon(slope), view.haze(roof, (near + far) / 2), BUILDING)


def _facade_colour(view: View, side, near, far, tall, base):
    rng = view.rng
    floors, bays = max(2, round(tall / 3.0)), max(2, round((far - near) / 2.4))
    storey, bay = tall / floors, (far - near) / bays
    light = 1.04 if side < 0 else 0.84
    shop, lit = np.array(HOUSE_COLOURS[rng.integers(8)]) * 0.55, rng.random((64, 64))
    has_shop = rng.random() < 0.5

    def colour(x, y):
        z = FOCAL * WALL / np.maximum(side * (x - view.x), 1e-3)
        z = np.clip(z, 0.5, 200) + 0 * y
        above = EYE - (y - view.y) * z / FOCAL
        row, column = above / storey, (z - near) / bay
        metre, across = FOCAL / z, FOCAL / z * np.clip(WALL / z, 0.05, 1)
        frame = _pane(row, column, storey, bay, metre, across, 0.30, 0.38)
        glass = _pane(row, column, storey, bay, metre, across, 0.25, 0.33)
        number = lit[np.floor(row).astype(int) % 64, np.floor(column).astype(int) % 64]
        pane = np.array((0.25, 0.33, 0.42)) + (number * 0.28)[:, :, None] * np.array((0.8, 0.95, 1.1))
        wall = base * light * (0.93 + 0.05 * np.clip(above / tall, 0, 1))[:, :, None]
        if has_shop:
            wall = np.where((row < 1)[:, :, None], shop * light, wall)
            band = (np.abs(row - 1) < 0.09)[:, :, None]
            wall = np.where(band, np.array((0.85, 0.83, 0.78)) * light, wall)
        wall = np.where((above > tall - 0.35)[:, :, None], base * light * 1.2, wall)
        wall = wall + (np.array((0.92, 0.91, 0.88)) * light - wall) * frame[:, :, None]
        wall = wall + (pane * light - wall) * glass[:, :, None]
        foot = np.clip(1 - above / 0.5, 0, 1)[:, :, None]
        return view.haze(wall * (1 - 0.25 * foot), z[:, :, None])

    return colour


def _pane(row, column, storey, bay, metre, across, half_wide, half_tall):
    """1 inside a window of each bay and storey, with smooth edges as wide as a pixel is on the wall."""
    u = (half_wide - np.abs(column % 1 - 0.5)) * bay * across
    v = (half_tall - np.abs(row % 1 - 0.52)) * storey * metre
    return np.clip(u + 0.5, 0, 1) * np.clip(v + 0.5, 0, 1)

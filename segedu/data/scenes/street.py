"""A street in perspective: houses, trees, cars, people, lamp posts and signs."""

import numpy as np

from segedu.data.scenes import canvas
from segedu.data.scenes.canvas import UNITS, Canvas, circle, polygon, rounded_box
from segedu.data.scenes.scene import Scene, scene_size
from segedu.data.scenes.street_cars import car
from segedu.data.scenes.street_houses import houses
from segedu.data.scenes.street_pavement import lamp, pedestrian, sign
from segedu.data.scenes.street_trees import tree
from segedu.data.scenes.street_view import (
    BUILDING,
    CLASSES,
    EYE,
    FOCAL,
    HAZE,
    PALETTE,
    PAVEMENT,
    ROAD,
    ROAD_HALF,
    TREE,
    View,
)


def street(seed: int, size: int | tuple[int, int] = (256, 256), void_width: int = 0) -> Scene:
    """A street by day, drawn by our own code, always the same for a seed; nearer things hide farther ones.

    Labels are rows of `classes`: sky, building, road, pavement, tree, car, pedestrian, pole, sign. Instances: one
    number for each car, pedestrian, tree, pole and sign; trees on the horizon are not told apart and have 0.
    `void_width` labels that many pixels round each border 255.

    >>> scene = street(seed=0, size=(64, 96))
    >>> scene.image.shape, scene.labels.dtype.name, scene.classes[5]
    ((64, 96, 3), 'int64', 'car')
    """
    height, width = scene_size(size)
    rng = np.random.default_rng((1, seed))
    drawing = Canvas(height, width)
    view = View(drawing, rng)
    _sky(view)
    _ground(view)
    for things in (houses(view), _things(view)):
        for _, draw in sorted(things, key=lambda thing: -thing[0]):
            draw()
    image = drawing.finish(rng)
    scene = Scene(image, drawing.labels, drawing.instances, CLASSES, PALETTE)
    return scene.with_void(void_width) if void_width else scene


def _sky(view: View) -> None:
    drawing, rng = view.drawing, view.rng
    height, width = drawing.labels.shape
    top = np.array([(0.36, 0.60, 0.88), (0.45, 0.64, 0.86), (0.55, 0.68, 0.82)][rng.integers(3)])
    t = np.clip(drawing.y / (view.y + 5), 0, 1)[:, :, None]
    cloud = canvas.smooth_noise(rng, height, width, 4, 4)
    cover = np.clip((cloud - rng.uniform(-0.1, 0.5)) * 1.6, 0, 0.9)[:, :, None]
    sky = top * (1 - t) + HAZE * 1.03 * t
    drawing.image[:] = sky + (np.array((0.97, 0.97, 0.98)) - sky) * cover


def _ground(view: View) -> None:
    drawing = view.drawing
    plane = rounded_box(-99, view.y + 1.0, drawing.width + 99, UNITS + 99)
    drawing.paint(plane, _pavement_colour(view), PAVEMENT)
    a, b = view.point(-ROAD_HALF, 0, 0.6), view.point(ROAD_HALF, 0, 0.6)
    drawing.paint(polygon([(view.x - 1.2, view.y + 1), (view.x + 1.2, view.y + 1), b, a]), _road_colour(view), ROAD)
    _skyline(view)


def _skyline(view: View) -> None:
    """Far houses and trees that close the street."""
    drawing, rng = view.drawing, view.rng
    x = -10.0
    while x < drawing.width + 10:
        wide, tall = rng.uniform(8, 18), rng.uniform(7, 24)
        tone = view.haze((0.50, 0.48, 0.50) * rng.uniform(0.8, 1.2, 3), 140)
        if rng.random() < 0.6:
            drawing.paint(rounded_box(x, view.y - tall, x + wide, view.y + 1.2), tone, BUILDING)
        x += wide * 0.9
    for x in np.arange(-6, drawing.width + 6, 7):
        r = rng.uniform(3, 6)
        drawing.paint(circle(x, view.y - r * 0.45, r), view.haze((0.24, 0.40, 0.22), 60 + 30 * rng.random()), TREE)
    a, b = view.point(-ROAD_HALF, 0, 70), view.point(ROAD_HALF, 0, 70)
    drawing.paint(
        polygon([(view.x - 3, view.y + 1), (view.x + 3, view.y + 1), b, a]), view.haze((0.4, 0.4, 0.42), 70), ROAD
    )


def _ground_point(view, x, y):
    z = FOCAL * EYE / np.maximum(y - view.y, 0.6)
    return (x - view.x) * z / FOCAL, z


def _fine(distance, width):
    """1 where `distance` is nearer than half of `width`, smooth over a pixel."""
    return np.clip(0.5 + (width / 2 - distance), 0, 1)


def _road_colour(view: View):
    rng, drawing = view.rng, view.drawing
    height, width = drawing.labels.shape
    stain = canvas.smooth_noise(rng, height, width, 10, 3)
    base = np.array((0.36, 0.36, 0.38)) * rng.uniform(0.85, 1.15)
    phase, dashed = rng.uniform(0, 6), rng.random() < 0.75
    crossing = rng.uniform(6.5, 16) if rng.random() < 0.45 else None

    def colour(x, y):
        ground, z = _ground_point(view, x, y)
        metre = FOCAL / z
        rows, columns = (y[:, 0] * drawing.scale).astype(int), (x[0] * drawing.scale).astype(int)
        tone = 1 + 0.045 * stain[np.ix_(rows, columns)] - 0.06 * np.exp(-(((np.abs(ground) - 1.8) / 0.5) ** 2))
        asphalt = base * tone[:, :, None]
        paint = _fine(np.abs(ground) * metre, 0.14 * metre)
        if dashed:
            paint = paint * (((z + phase) % 6) < 3.2)
        paint = np.maximum(paint, _fine(np.abs(np.abs(ground) - ROAD_HALF + 0.28) * metre, 0.10 * metre))
        if crossing is not None:
            bars = _fine(np.abs((ground + 20) % 1.0 - 0.5) * metre, 0.52 * metre)
            paint = np.where((z > crossing) & (z < crossing + 2.6), bars, paint)
        asphalt = asphalt + (0.86 - asphalt) * (0.85 * paint)[:, :, None]
        return view.haze(asphalt, z[:, :, None])

    return colour


def _pavement_colour(view: View):
    rng = view.rng
    base = np.array([(0.66, 0.62, 0.58), (0.60, 0.60, 0.60), (0.68, 0.60, 0.52)][rng.integers(3)])

    def colour(x, y):
        ground, z = _ground_point(view, x, y)
        metre = FOCAL / z
        slab = np.sin(np.floor(ground / 0.8) * 12.9898 + np.floor(z / 0.8) * 78.233) * 43758.5453
        tone = 1 + 0.07 * ((slab % 1) - 0.5)
        joint = np.maximum(_edge(ground / 0.8, 0.8 * metre), _edge(z / 0.8, 0.8 * metre * EYE / z))
        kerb = (np.abs(np.abs(ground) - ROAD_HALF - 0.12) < 0.14)[:, :, None]
        stone = base * (tone - 0.16 * joint * np.clip(1.4 - z / 22, 0, 1))[:, :, None]
        stone = np.where(kerb, np.array((0.80, 0.79, 0.77)), stone)
        return view.haze(stone, z[:, :, None])

    return colour


def _edge(position, scale):
    """1 on the lines between whole numbers, a canvas unit wide."""
    return _fine(np.abs(position - np.round(position)) * scale, 0.6)


def _things(view: View) -> list:
    """What stands on the street, each at its distance; of every kind at least one is near enough to be seen."""
    rng, things = view.rng, []

    def add(count, near, far, place):
        for z in _spread(rng, count, near, far):
            things.append((z, place(z)))

    def side():
        return 1 if rng.random() < 0.5 else -1

    edge = FOCAL * 4.9 / (view.drawing.width / 2)
    add(
        rng.integers(3, 6),
        1.1 * edge,
        45,
        lambda z: _later(tree, view, side() * rng.uniform(5.3, 6.1), z, rng.uniform(3.6, 5.6)),
    )
    add(rng.integers(2, 5), 6.5, 34, lambda z: _later(car, view, side() * rng.uniform(1.7, 1.95), z))
    add(rng.integers(1, 4), 0.9 * edge, 26, lambda z: _later(car, view, side() * (ROAD_HALF - 1.0), z + 2))
    add(rng.integers(3, 6), 0.95 * edge, 22, lambda z: _later(pedestrian, view, side() * rng.uniform(4.1, 5.6), z))
    add(rng.integers(2, 4), 0.9 * edge, 30, lambda z: _later(lamp, view, side() * 4.05, z))
    add(rng.integers(2, 4), 0.85 * edge, 17, lambda z: _later(sign, view, side() * 4.15, z))
    return _without_collisions(things)


def _later(draw, *arguments):
    def run():
        draw(*arguments)

    run.subject = (draw.__name__, arguments[1], arguments[2])
    return run


def _without_collisions(things) -> list:
    """Leaves out cars that would stand inside one another."""
    kept, cars = [], []
    for z, draw in things:
        name, x, _ = draw.subject
        if name == "car":
            if any(abs(x - cx) < 1.9 and abs(z - cz) < 5.5 for cx, cz in cars):
                continue
            cars.append((x, z))
        kept.append((z, draw))
    return kept


def _spread(rng, count, near, far):
    """`count` distances, spread evenly on the picture rather than on the ground."""
    steps = (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count
    return 1 / (1 / near + steps * (1 / far - 1 / near))

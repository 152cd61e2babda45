"""A street in perspective: houses, trees, cars, people, lamp posts and signs."""

import numpy as np

from segedu.data import canvas, colours
from segedu.data.canvas import UNITS, Canvas, capsule, circle, ellipse, polygon, rounded_box, union
from segedu.data.scene import Scene, scene_size

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
NEAR, FAR = 3.0, 75.0
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


def street(seed: int, size: int | tuple[int, int] = (256, 256), void_width: int = 0) -> Scene:
    """A street by day, drawn by our own code, always the same for a seed; nearer things hide farther ones.

    Labels are rows of `classes`: sky, building, road, pavement, tree, car, pedestrian, pole, sign. Instances: one
    number for each car, pedestrian, tree, pole and sign. `void_width` labels that many pixels round each border 255.

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
    for things in (_houses(view), _things(view)):
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


def _houses(view: View) -> list:
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
                        lambda z=z + deep / 2, side=side: _tree(
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
        lambda z: _later(_tree, view, side() * rng.uniform(5.3, 6.1), z, rng.uniform(3.6, 5.6)),
    )
    add(rng.integers(2, 5), 6.5, 34, lambda z: _later(_car, view, side() * rng.uniform(1.7, 1.95), z))
    add(rng.integers(1, 4), 0.9 * edge, 26, lambda z: _later(_car, view, side() * (ROAD_HALF - 1.0), z + 2))
    add(rng.integers(3, 6), 0.95 * edge, 22, lambda z: _later(_pedestrian, view, side() * rng.uniform(4.1, 5.6), z))
    add(rng.integers(2, 4), 0.9 * edge, 30, lambda z: _later(_lamp, view, side() * 4.05, z))
    add(rng.integers(2, 4), 0.85 * edge, 17, lambda z: _later(_sign, view, side() * 4.15, z))
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
        if name == "_car":
            if any(abs(x - cx) < 1.9 and abs(z - cz) < 5.5 for cx, cz in cars):
                continue
            cars.append((x, z))
        kept.append((z, draw))
    return kept


def _spread(rng, count, near, far):
    """`count` distances, spread evenly on the picture rather than on the ground."""
    steps = (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count
    return 1 / (1 / near + steps * (1 / far - 1 / near))


def _ground_shadow(view: View, x, z, wide, opacity=0.45) -> None:
    px, py = view.point(x, 0, z)
    s = view.size(z)
    view.drawing.paint(
        ellipse(px + 0.15 * wide * s, py, wide * s, max(0.12 * wide * s, 0.5)),
        (0.08, 0.08, 0.1),
        opacity=opacity,
        blur=0.22 * s,
    )


def _tree(view: View, x, z, tall) -> None:
    rng, drawing, s = view.rng, view.drawing, view.size(z)
    (px, py), instance = view.point(x, 0, z), drawing.new_instance()
    _ground_shadow(view, x, z, 1.2)
    fork = py - tall * 0.42 * s
    trunk = capsule(px, py, px + 0.1 * s, fork - 0.5 * s, 0.16 * s, 0.09 * s)
    drawing.paint(trunk, view.haze((0.33, 0.25, 0.19), z), TREE, instance)
    green = np.array([(0.26, 0.46, 0.20), (0.34, 0.50, 0.20), (0.22, 0.42, 0.24), (0.50, 0.50, 0.18)][rng.integers(4)])
    crown, middle = tall * 0.34 * s, py - tall * 0.68 * s
    angle, spread = rng.uniform(0, 2 * np.pi, 14), np.sqrt(rng.random(14)) * 0.75
    blobs = [
        (px + np.cos(a) * r * crown, middle + np.sin(a) * r * crown * 0.85) for a, r in zip(angle, spread, strict=True)
    ]
    blobs = sorted(blobs, key=lambda blob: -blob[1])
    drawing.paint(ellipse(px, middle, crown * 0.9, crown * 0.8), view.haze(green * 0.62, z), TREE, instance)
    for bx, by in blobs:
        radius = crown * rng.uniform(0.32, 0.5)
        light = 0.86 + 0.34 * (middle - by) / crown - 0.14 * (bx - px) / crown
        drawing.paint(_leafy(bx, by, radius, rng), _foliage(view, green * light, bx, by, radius, z), TREE, instance)


def _leafy(cx, cy, radius, rng):
    """A disc with a ragged edge, as foliage has."""
    phase, waves = rng.uniform(0, 2 * np.pi, 2), rng.integers(7, 12)

    def distance(x, y):
        dx, dy = x - cx, y - cy
        angle = np.arctan2(dy, dx)
        ragged = 1 + 0.10 * np.sin(waves * angle + phase[0]) + 0.06 * np.sin((2 * waves + 1) * angle + phase[1])
        return np.hypot(dx, dy) - radius * ragged / 1.1

    return canvas.boxed(distance, cx - 1.1 * radius, cy - 1.1 * radius, cx + 1.1 * radius, cy + 1.1 * radius)


def _foliage(view, tone, cx, cy, radius, z):
    def colour(x, y):
        light = 1.1 - 0.3 * ((x - cx) * 0.4 + (y - cy)) / radius
        speck = np.sin(x * 2.3 + np.sin(y * 1.9)) * np.sin(y * 2.7 + np.sin(x * 1.7))
        return view.haze(tone * (light + 0.12 * speck)[:, :, None], z)

    return colour


CAR_COLOURS = (
    (0.75, 0.12, 0.12),
    (0.14, 0.28, 0.58),
    (0.88, 0.88, 0.88),
    (0.16, 0.17, 0.19),
    (0.60, 0.63, 0.66),
    (0.92, 0.72, 0.16),
    (0.16, 0.44, 0.40),
)


def _car(view: View, x, z) -> None:
    """A car from behind on the right, from the front on the left."""
    rng, drawing, s = view.rng, view.drawing, view.size(z)
    base, instance, (px, py) = (
        np.array(CAR_COLOURS[rng.integers(len(CAR_COLOURS))]),
        drawing.new_instance(),
        view.point(x, 0, z),
    )
    behind, half = x > 0, 0.9 * s
    _ground_shadow(view, x, z, 1.0, 0.6)
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


def _pedestrian(view: View, x, z) -> None:
    rng, drawing, (px, py), instance = view.rng, view.drawing, view.point(x, 0, z), view.drawing.new_instance()
    s = view.size(z) * rng.uniform(0.9, 1.08)
    top, trousers, skin, hair = (np.array(group[rng.integers(len(group))]) for group in (CLOTHES, CLOTHES, SKIN, HAIR))
    trousers, stride = trousers * 0.5, rng.uniform(0.08, 0.26) * (1 if rng.random() < 0.5 else -1)
    _ground_shadow(view, x, z, 0.38)

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


def _lamp(view: View, x, z) -> None:
    drawing, s, instance = view.drawing, view.size(z), view.drawing.new_instance()
    (px, py), tall, inward = view.point(x, 0, z), view.rng.uniform(4.6, 5.6), -np.sign(x)
    metal, radius = view.haze((0.20, 0.24, 0.24), z), max(0.065 * s, 0.55)
    _ground_shadow(view, x, z, 0.3)
    top = py - tall * s
    drawing.paint(capsule(px, py, px, top, radius * 1.15, radius * 0.8), metal, POLE, instance)
    drawing.paint(capsule(px, py, px, py - 0.7 * s, radius * 1.7, radius * 1.4), metal, POLE, instance)
    end = px + inward * 0.95 * s
    drawing.paint(capsule(px, top, end, top - 0.22 * s, radius * 0.8), metal, POLE, instance)
    head = ellipse(end, top - 0.18 * s, 0.3 * s, max(0.1 * s, 0.7))
    drawing.paint(head, view.haze((0.30, 0.33, 0.33), z), POLE, instance)
    drawing.paint(ellipse(end, top - 0.13 * s, 0.2 * s, 0.05 * s), view.haze((0.98, 0.95, 0.80), z))


def _sign(view: View, x, z) -> None:
    drawing, s = view.drawing, view.size(z)
    (px, py), tall, radius = view.point(x, 0, z), view.rng.uniform(2.3, 2.7), 0.36 * s
    pole, board, cy = drawing.new_instance(), drawing.new_instance(), py - tall * s
    _ground_shadow(view, x, z, 0.22)
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

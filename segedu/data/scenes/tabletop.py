"""A table with soda cans, mugs, books, apples and plants on it."""

import numpy as np

from segedu.data import colours
from segedu.data.scenes import canvas
from segedu.data.scenes.canvas import UNITS, Canvas, capsule, common, ellipse, leaf, minus, polygon, rounded_box, union
from segedu.data.scenes.scene import Scene, scene_size

CLASSES = ("wall", "table", "soda can", "mug", "book", "apple", "plant")
PALETTE = colours.palette(
    colours.LIGHT_GREY,
    colours.ORANGE,
    colours.VERMILLION,
    colours.BLUE,
    colours.PURPLE,
    colours.YELLOW,
    colours.GREEN,
)
WALL, TABLE, CAN, MUG, BOOK, APPLE, PLANT = range(7)
HORIZON = 84.0


def tabletop(seed: int, size: int | tuple[int, int] = (256, 256), void_width: int = 0) -> Scene:
    """Things on a wooden table, drawn by our own code, always the same for a seed; nearer things hide farther ones.

    Labels are rows of `classes`: wall, table, soda can, mug, book, apple, plant. Instances: one number a thing; 0 on
    wall and table. `void_width` labels that many pixels round each border 255.

    >>> scene = tabletop(seed=0, size=(64, 96))
    >>> scene.image.shape, scene.classes[2], int(scene.instances.max()) >= 4
    ((64, 96, 3), 'soda can', True)
    """
    height, width = scene_size(size)
    rng = np.random.default_rng((2, seed))
    drawing = Canvas(height, width)
    _room(drawing, rng)
    for kind, x, y in _arrangement(rng, drawing.width):
        DRAW[kind](drawing, rng, x, y, 0.8 + 0.55 * (y - HORIZON) / (UNITS - HORIZON))
    image = drawing.finish(rng)
    scene = Scene(image, drawing.labels, drawing.instances, CLASSES, PALETTE)
    return scene.with_void(void_width) if void_width else scene


def _arrangement(rng, width) -> list:
    """What stands where, far things first; every kind about equally often, and seldom two in one place."""
    count = int(rng.integers(5, 8) * max(1.0, width / UNITS) ** 0.7)
    kinds = [CAN, MUG, BOOK, APPLE, PLANT]
    rng.shuffle(kinds)
    kinds = [kinds[i % 5] for i in range(count)]
    places = []
    for kind in kinds:
        low = HORIZON + (14 if kind == PLANT else 40)
        high = 165 if kind == PLANT else 236
        tries = np.stack([rng.uniform(0.1 * width, 0.9 * width, 24), rng.uniform(low, high, 24)], axis=1)
        gaps = [min([np.hypot(x - px, 1.7 * (y - py)) for _, px, py in places], default=99.0) for x, y in tries]
        roomy = [i for i, gap in enumerate(gaps) if gap > rng.uniform(54, 92)]
        places.append((kind, *tries[roomy[0] if roomy else int(np.argmax(gaps))]))
    return sorted(places, key=lambda place: place[2])


def _room(drawing: Canvas, rng) -> None:
    height, width = drawing.labels.shape
    wall = np.array([(0.66, 0.73, 0.74), (0.78, 0.73, 0.66), (0.62, 0.68, 0.76), (0.74, 0.77, 0.69)][rng.integers(4)])
    cloud = canvas.smooth_noise(rng, height, width, 4, 3)[:, :, None]
    light = 1.2 - 0.35 * np.hypot(drawing.x / drawing.width - 0.3, drawing.y / UNITS - 0.1)[:, :, None]
    drawing.image[:] = wall * light + 0.012 * cloud
    edge = rounded_box(-50, HORIZON, drawing.width + 50, UNITS + 50)
    drawing.paint(
        edge, (0.12, 0.1, 0.1), opacity=0.35, blur=16, box=(-50, HORIZON - 16, drawing.width + 50, HORIZON + 16)
    )
    drawing.paint(edge, _wood(drawing, rng), label=TABLE)


def _wood(drawing: Canvas, rng):
    """Planks that run towards the vanishing point above the middle of the table."""
    base = np.array([(0.63, 0.42, 0.25), (0.72, 0.54, 0.36), (0.48, 0.32, 0.22), (0.66, 0.47, 0.32)][rng.integers(4)])
    grain = canvas.streaks(rng, 200, 700)
    tones = rng.uniform(0.9, 1.08, 64)
    shift, plank = rng.uniform(0, 40), rng.uniform(34, 48)

    def colour(x, y):
        depth = (y - HORIZON + 150) / 150
        across = (x - drawing.width / 2) / depth + 400 + shift
        number = np.floor(across / plank).astype(int) % 64
        along = np.clip(400 - 400 / depth, 0, 199).astype(int)
        line = np.abs(across / plank - np.round(across / plank)) * plank * depth
        streak = grain[(along + number * 37) % 200, np.clip(across * 0.9, 0, 699).astype(int)]
        tone = tones[number] * (1 + 0.11 * streak) * (0.8 + 0.28 * (y - HORIZON) / (UNITS - HORIZON))
        tone = tone * (1 - 0.4 * np.clip(1.3 - line, 0, 1))
        return base * tone[:, :, None]

    return colour


def _shadow(drawing, x, y, rx, ry) -> None:
    """The light comes from the upper left, so shadows lie to the right."""
    drawing.paint(
        ellipse(x + rx * 0.55, y + ry * 0.1, rx * 1.55, ry * 1.15), (0.08, 0.05, 0.04), opacity=0.42, blur=ry * 1.3
    )
    drawing.paint(ellipse(x, y, rx * 1.08, ry * 1.1), (0.05, 0.03, 0.03), opacity=0.5, blur=4)


def _round_shade(cx, radius):
    """How light falls on an upright cylinder: brightest left of the middle, darkest at the right edge."""

    def shade(x):
        u = np.clip((x - cx) / radius, -1, 1)
        return 0.5 + 0.58 * np.exp(-(((u + 0.35) / 0.55) ** 2)) + 0.1 * np.clip(u - 0.75, 0, 1) * 4

    return shade


def _cylinder(cx, bottom, radius, height, flat):
    """The side of an upright cylinder whose base ellipse has its middle at (cx, bottom)."""
    top = bottom - height
    return union(
        rounded_box(cx - radius, top, cx + radius, bottom),
        ellipse(cx, bottom, radius, flat),
        ellipse(cx, top, radius, flat),
    )


CAN_COLOURS = ((0.80, 0.10, 0.12), (0.08, 0.32, 0.68), (0.10, 0.52, 0.28), (0.93, 0.62, 0.08), (0.42, 0.2, 0.55))
LIGHT = np.array((0.93, 0.93, 0.95))


def _can(drawing: Canvas, rng, x, y, s) -> None:
    radius, tall = 17 * s, 62 * s
    flat, top = radius * 0.3, y - tall
    base = np.array(CAN_COLOURS[rng.integers(len(CAN_COLOURS))])
    shade, tilt, style = _round_shade(x, radius), rng.uniform(-0.35, 0.35), int(rng.integers(3))
    instance = drawing.new_instance()
    _shadow(drawing, x, y, radius, flat)

    def colour(px, py):
        u = np.clip((px - x) / radius, -1, 1)
        v = (py - top - flat * np.sqrt(1 - u * u)) / tall
        band = _stripe(u, v, tilt, style)[:, :, None]
        metal = ((v < 0.07) | (v > 0.94))[:, :, None]
        paint = base + (LIGHT - base) * band
        paint = np.where(metal, (0.72, 0.73, 0.76), paint)
        return paint * shade(px)[..., None] + 0.22 * np.exp(-(((u + 0.45) / 0.1) ** 2))[..., None]

    drawing.paint(_cylinder(x, y, radius, tall, flat), colour, CAN, instance)
    lid = ellipse(x, top, radius * 0.98, flat)
    drawing.paint(lid, (0.86, 0.87, 0.89), CAN, instance)
    drawing.paint(ellipse(x, top + 0.6 * s, radius * 0.82, flat * 0.78), lambda px, py: _lid(px, x, radius))
    drawing.paint(ellipse(x - 1 * s, top + flat * 0.3, radius * 0.26, flat * 0.3), (0.4, 0.41, 0.43))
    drawing.paint(ellipse(x, top - flat * 0.12, radius * 0.2, flat * 0.24), (0.92, 0.92, 0.93))


def _lid(x, cx, radius):
    u = np.clip((x - cx) / radius, -1, 1)
    return np.repeat((0.62 - 0.14 * u)[:, :, None], 3, axis=2)


def _stripe(u, v, tilt, style) -> np.ndarray:
    """Where the print on a can is light: a slanted wave, a disc, or two rings."""
    if style == 0:
        return np.clip(1.5 - np.abs(v - 0.52 - tilt * u - 0.07 * np.sin(4 * u + 1)) * 16, 0, 1)
    if style == 1:
        return np.clip((0.62 - np.hypot(u + 0.1, (v - 0.5) * 3.6)) * 12, 0, 1)
    return np.clip(1 - np.abs(np.abs(v - 0.5) - 0.24) * 24, 0, 1) + 0 * u


MUG_COLOURS = ((0.90, 0.88, 0.82), (0.20, 0.42, 0.55), (0.80, 0.45, 0.32), (0.35, 0.50, 0.38), (0.26, 0.26, 0.32))


def _mug(drawing: Canvas, rng, x, y, s) -> None:
    radius, tall = 23 * s, 38 * s
    flat, top, side = radius * 0.34, y - tall, 1 if rng.random() < 0.5 else -1
    base, shade, instance = (
        np.array(MUG_COLOURS[rng.integers(len(MUG_COLOURS))]),
        _round_shade(x, radius),
        drawing.new_instance(),
    )
    ring = rng.random() < 0.5
    _shadow(drawing, x, y, radius, flat)
    hx, hy = x + side * radius * 1.02, y - tall * 0.42
    handle = minus(ellipse(hx, hy, 11.5 * s, 13.5 * s), ellipse(hx, hy, 7 * s, 9 * s))
    drawing.paint(handle, base * (0.95 if side < 0 else 0.6), MUG, instance)

    def colour(px, py):
        u = np.clip((px - x) / radius, -1, 1)
        v = (py - top - flat * np.sqrt(1 - u * u)) / tall
        band = np.clip(1 - np.abs(v - 0.78) * 22, 0, 1)[:, :, None] * (0.6 if ring else 0)
        return (base + (LIGHT * 0.9 - base) * band) * shade(px)[..., None]

    drawing.paint(_cylinder(x, y, radius, tall, flat), colour, MUG, instance)
    drawing.paint(ellipse(x, top, radius, flat), np.minimum(base * 1.12 + 0.06, 1), MUG, instance)
    drawing.paint(
        ellipse(x, top, radius * 0.9, flat * 0.86), lambda px, py: base * (0.55 + 0.2 * _across(px, x, radius))
    )
    inside = ellipse(x, top, radius * 0.9, flat * 0.86)
    drawing.paint(common(inside, ellipse(x, top + flat * 0.42, radius * 0.86, flat * 0.82)), (0.25, 0.13, 0.07))
    shine = common(inside, ellipse(x + radius * 0.2, top + flat * 0.45, radius * 0.3, flat * 0.16))
    drawing.paint(shine, (0.62, 0.45, 0.32), opacity=0.5, blur=2)


def _across(x, cx, radius):
    return np.clip((x - cx) / radius, -1, 1)[..., None]


BOOK_COLOURS = (
    (0.55, 0.13, 0.18),
    (0.13, 0.28, 0.46),
    (0.16, 0.40, 0.34),
    (0.80, 0.60, 0.22),
    (0.36, 0.25, 0.42),
    (0.85, 0.82, 0.74),
)


def _book(drawing: Canvas, rng, x, y, s) -> None:
    """One to three books lying on one another; each is an instance of its own."""
    half, deep = 36 * s, 26 * s
    for level in range(int(rng.integers(1, 4))):
        thick = rng.uniform(6, 10.5) * s
        dx, slant = rng.uniform(-5, 5) * s, rng.uniform(0.25, 0.6) * deep
        wide = half * rng.uniform(0.82, 1.0)
        _one_book(drawing, rng, x + dx, y, wide, deep, slant, thick, s, level)
        y -= thick


def _one_book(drawing, rng, x, y, half, deep, slant, thick, s, level) -> None:
    base, instance = np.array(BOOK_COLOURS[rng.integers(len(BOOK_COLOURS))]), drawing.new_instance()
    front = [(x - half, y - thick), (x + half, y - thick), (x + half, y), (x - half, y)]
    up = np.array((slant, -deep * 0.62))
    cover = [front[0], front[1], tuple(front[1] + up), tuple(front[0] + up)]
    side = [front[1], tuple(front[1] + up), tuple(front[2] + up), front[2]]
    if level == 0:
        ground = polygon(
            [front[3], (x + half + 9 * s, y + 2), tuple(front[2] + up + (13 * s, 0)), tuple(front[3] + up)]
        )
        drawing.paint(ground, (0.06, 0.04, 0.04), opacity=0.5, blur=7 * s)
    drawing.paint(polygon(side), base * 0.5, BOOK, instance)
    pages = [(x + half, y - thick + 1.6 * s), (x + half + up[0], y - thick + 1.6 * s + up[1])]
    pages += [(x + half + up[0], y - 1.6 * s + up[1]), (x + half, y - 1.6 * s)]
    drawing.paint(polygon(pages), _paper(s))
    drawing.paint(
        polygon(front),
        lambda px, py: (
            base * (0.82 - 0.14 * np.abs(py - y + thick / 2) / thick)[:, :, None] * np.ones_like(px)[..., None]
        ),
        BOOK,
        instance,
    )
    for offset in (0.16, 0.84):
        left = x - half + 2 * half * offset
        drawing.paint(rounded_box(left - 1.5 * s, y - thick, left + 1.5 * s, y), (0.88, 0.76, 0.45), opacity=0.75)
    drawing.paint(
        rounded_box(x - half * 0.4, y - thick * 0.68, x + half * 0.4, y - thick * 0.36), (0.93, 0.9, 0.8), opacity=0.8
    )
    drawing.paint(
        polygon(cover),
        lambda px, py: base * (1.12 - 0.003 * (px - x + half))[..., None] * np.ones_like(py)[..., None],
        BOOK,
        instance,
    )
    middle, across, along = np.array(front[0]) + np.array((half, 0)) + up / 2, np.array((half * 0.5, 0)), up * 0.22
    plate = [middle - across - along, middle + across - along, middle + across + along, middle - across + along]
    drawing.paint(polygon(plate), (0.93, 0.9, 0.8), opacity=0.55)


def _paper(s):
    def colour(x, y):
        lines = 0.5 + 0.5 * np.sin((y + 0.9 * x) * 4 / s)
        return np.array((0.86, 0.82, 0.72)) * (0.86 + 0.12 * lines)[:, :, None]

    return colour


APPLE_COLOURS = (  # skin and blush
    ((0.80, 0.12, 0.12), (0.60, 0.06, 0.10)),
    ((0.58, 0.74, 0.22), (0.42, 0.60, 0.16)),
    ((0.98, 0.80, 0.30), (0.95, 0.42, 0.20)),
)


def _apple(drawing: Canvas, rng, x, y, s) -> None:
    radius, instance = 15.5 * s * rng.uniform(0.9, 1.1), drawing.new_instance()
    base, blush = np.array(APPLE_COLOURS[rng.integers(3)])
    cy = y - radius * 0.8
    _shadow(drawing, x, y - radius * 0.02, radius * 0.8, radius * 0.3)
    body = union(
        ellipse(x - radius * 0.3, cy, radius * 0.72, radius * 0.9),
        ellipse(x + radius * 0.3, cy, radius * 0.72, radius * 0.9),
        ellipse(x, cy + radius * 0.12, radius * 0.86, radius * 0.8),
    )

    def colour(px, py):
        u, v = (px - x) / radius, (py - cy) / radius
        light = np.clip(1.05 - 0.55 * np.hypot(u + 0.38, v + 0.42), 0.25, 1.2)
        light = light + 0.14 * np.clip(v - 0.45, 0, 1) * np.clip(1 - np.abs(u), 0, 1)
        streak = 0.5 + 0.5 * np.sin(9 * u / (1.2 - 0.5 * v * v) + 2 * v)
        mix = np.clip(0.45 * streak + 0.5 * (u + 0.2), 0, 0.8)[:, :, None]
        skin = (base + (blush - base) * mix) * light[:, :, None]
        shine = 0.6 * np.exp(-((u + 0.42) ** 2 + (v + 0.45) ** 2) / 0.025)
        return np.clip(skin + shine[:, :, None], 0, 1)

    drawing.paint(body, colour, APPLE, instance)
    drawing.paint(ellipse(x, cy - radius * 0.68, radius * 0.34, radius * 0.15), base * 0.35, opacity=0.75, blur=3 * s)
    lean = rng.uniform(-0.25, 0.3) * radius
    drawing.paint(
        capsule(x, cy - radius * 0.66, x + lean, cy - radius * 1.2, 1.1 * s), (0.3, 0.2, 0.1), APPLE, instance
    )
    if rng.random() < 0.6:
        blade = leaf(x + lean * 0.5, cy - radius * 0.95, x + lean + radius * 0.75, cy - radius * 1.3, 6.5 * s)
        drawing.paint(blade, (0.27, 0.5, 0.18), APPLE, instance)


POT_COLOURS = ((0.72, 0.38, 0.24), (0.85, 0.83, 0.80), (0.35, 0.42, 0.46), (0.55, 0.33, 0.36))


def _plant(drawing: Canvas, rng, x, y, s) -> None:
    radius, tall, instance = 21 * s, 33 * s, drawing.new_instance()
    flat, top, base = radius * 0.28, y - tall, np.array(POT_COLOURS[rng.integers(len(POT_COLOURS))])
    _shadow(drawing, x, y, radius * 0.8, flat)
    pot = union(
        polygon([(x - radius, top), (x + radius, top), (x + radius * 0.74, y), (x - radius * 0.74, y)]),
        ellipse(x, y, radius * 0.74, flat * 0.74),
    )
    shade = _round_shade(x, radius)
    drawing.paint(pot, lambda px, py: base * shade(px)[..., None] * np.ones_like(py)[..., None], PLANT, instance)
    drawing.paint(
        rounded_box(x - radius * 1.06, top - 2 * s, x + radius * 1.06, top + 6 * s, 2 * s),
        lambda px, py: base * 1.06 * shade(px)[..., None] * np.ones_like(py)[..., None],
        PLANT,
        instance,
    )
    drawing.paint(ellipse(x, top - 1.5 * s, radius * 1.02, flat), (0.2, 0.13, 0.09), PLANT, instance)
    _leaves(drawing, rng, x, top - 2 * s, s, instance)


def _leaves(drawing, rng, x, y, s, instance) -> None:
    green, count, long = (
        np.array((0.20, 0.46, 0.20)) * rng.uniform(0.8, 1.25, 3),
        int(rng.integers(13, 20)),
        rng.uniform(38, 60) * s,
    )
    broad = rng.uniform(8, 15) * s
    angles = np.linspace(-1.25, 1.25, count) + rng.uniform(-0.12, 0.12, count)
    for angle in rng.permutation(angles):
        length = long * rng.uniform(0.72, 1.1) * (1 - 0.22 * abs(angle))
        root = (x + 7 * s * np.sin(angle), y)
        tip = (x + length * np.sin(angle), max(6.0, y - length * np.cos(angle) * 0.96))
        tone = green * (0.72 + 0.5 * rng.random()) * (1.12 - 0.18 * angle)
        drawing.paint(leaf(*root, *tip, broad), _leaf_colour(tone, root, tip, broad), PLANT, instance)


def _leaf_colour(tone, root, tip, broad):
    (ax, ay), (bx, by) = root, tip
    length = np.hypot(bx - ax, by - ay)
    nx, ny = -(by - ay) / length, (bx - ax) / length

    def colour(x, y):
        across = (x - ax) * nx + (y - ay) * ny
        along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length**2
        light = 0.62 + 0.45 * along + 0.16 * np.sign(across)
        vein = np.clip(1 - np.abs(across) / (0.09 * broad), 0, 1)
        return np.clip(tone * light[:, :, None] + 0.22 * vein[:, :, None], 0, 1)

    return colour


DRAW = {CAN: _can, MUG: _mug, BOOK: _book, APPLE: _apple, PLANT: _plant}

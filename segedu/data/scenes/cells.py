"""Cells as an electron microscope shows them: bright, with dark membranes between."""

import numpy as np

from segedu.data import colours
from segedu.data.scenes import canvas
from segedu.data.scenes.scene import Scene, scene_size

CLASSES = ("membrane", "cell")
PALETTE = colours.palette(colours.VERMILLION, colours.SKY_BLUE)


def cells(seed: int, size: int | tuple[int, int] = (256, 256), void_width: int = 0) -> Scene:
    """A slice of tissue in the manner of the ISBI 2012 challenge, drawn by our own code, always the same for a seed.

    Labels: 0 membrane, 1 cell, as white in that challenge's labels means cell. Instances: one number a cell, 0 on
    membranes. The image is grey, its three channels equal. `void_width` labels that many pixels round each border 255.

    >>> scene = cells(seed=0, size=(64, 96))
    >>> scene.image.shape, scene.labels.shape, scene.classes
    ((64, 96, 3), (64, 96), ('membrane', 'cell'))
    """
    height, width = scene_size(size)
    rng = np.random.default_rng((3, seed))
    first, second, nearest = _two_nearest(rng, height, width)
    thickness = 2.0 + 0.9 * canvas.smooth_noise(rng, height, width, 5, 2)
    distance = _to_border(second - first, height) - np.clip(thickness, 1.2, 3.5)
    inside = distance > 0
    labels = inside.astype(np.int64)
    image = _picture(rng, height, width, distance, nearest)
    instances = np.where(inside, _renumber(nearest, inside), 0)
    scene = Scene(np.repeat(image[:, :, None], 3, axis=2), labels, instances, CLASSES, PALETTE)
    return scene.with_void(void_width) if void_width else scene


def _two_nearest(rng, height, width, spacing: float = 34.0):
    """Distance to the nearest and second nearest of jittered points, in canvas units, and which point is nearest."""
    unit = canvas.UNITS / height
    bend = 7.5
    x = np.arange(width, dtype=np.float32)[None, :] * unit + bend * canvas.smooth_noise(rng, height, width, 6, 3)
    y = np.arange(height, dtype=np.float32)[:, None] * unit + bend * canvas.smooth_noise(rng, height, width, 6, 3)
    reach = 2
    rows, columns = int(canvas.UNITS / spacing) + 2 * reach + 4, int(width * unit / spacing) + 2 * reach + 4
    jitter = rng.uniform(0.02, 0.98, (rows, columns, 2)).astype(np.float32)
    weight = rng.uniform(-5, 5, (rows, columns)).astype(np.float32)
    row, column = (
        np.clip((v / spacing).astype(int) + reach + 1, reach, n - reach - 1) for v, n in ((y, rows), (x, columns))
    )
    first = np.full((height, width), np.inf, np.float32)
    second, nearest = first.copy(), np.zeros((height, width), np.int64)
    for dr in range(-reach, reach + 1):
        for dc in range(-reach, reach + 1):
            r, c = row + dr, column + dc
            px, py = (c - reach - 1 + jitter[r, c, 0]) * spacing, (r - reach - 1 + jitter[r, c, 1]) * spacing
            distance = np.sqrt((x - px) ** 2 + (y - py) ** 2) + weight[r, c]
            closer = distance < first
            second = np.where(closer, first, np.minimum(second, distance))
            nearest = np.where(closer, r * columns + c, nearest)
            first = np.where(closer, distance, first)
    return first, second, nearest


def _to_border(gap, height) -> np.ndarray:
    """Distance to the border between the two nearest points: their gap over its slope; membranes get evenly thick."""
    slope = np.hypot(*np.gradient(gap, canvas.UNITS / height))
    return gap / np.clip(slope, 0.7, 2.0)


def _renumber(nearest, inside) -> np.ndarray:
    """Numbers 1, 2, … for the connected cells, so that two pieces of one cell that a membrane parts count as two."""
    from skimage.measure import label

    return label(np.where(inside, nearest + 1, 0), background=0, connectivity=1).astype(np.int64)


def _picture(rng, height, width, distance, nearest) -> np.ndarray:
    unit = canvas.UNITS / height
    edge = np.clip(distance / max(2.2, 1.2 * unit) + 0.35, 0, 1)
    tone = rng.uniform(0.62, 0.8, int(nearest.max()) + 1).astype(np.float32)[nearest]
    body = (
        tone
        + 0.05 * canvas.smooth_noise(rng, height, width, 8, 3)
        + 0.035 * canvas.smooth_noise(rng, height, width, 48, 2)
    )
    dark = 0.16 + 0.05 * canvas.smooth_noise(rng, height, width, 24, 2)
    picture = dark + (body - dark) * edge * edge * (3 - 2 * edge)
    picture = _organelles(rng, picture, distance, unit)
    picture = picture + rng.normal(0, 0.035, picture.shape)
    picture[1:, 1:] = 0.5 * picture[1:, 1:] + 0.25 * (picture[:-1, 1:] + picture[1:, :-1])
    return np.clip(255 * picture + 0.5, 0, 255).astype(np.uint8)


def _organelles(rng, picture, distance, unit) -> np.ndarray:
    """Mitochondria, dark ovals with paler ridges, and vesicles, small rings, well inside the cells."""
    height, width = picture.shape
    drawing = canvas.Canvas(height, width)
    drawing.image[:] = picture[:, :, None]
    for _ in range(max(1, round(10 * drawing.width / canvas.UNITS))):
        place = _roomy_place(rng, distance, 8.5)
        if place is not None:
            _mitochondrion(rng, drawing, place[1] * unit, place[0] * unit)
    for _ in range(round(70 * drawing.width / canvas.UNITS)):
        place = _roomy_place(rng, distance, 3.0)
        if place is not None:
            x, y, radius = place[1] * unit, place[0] * unit, rng.uniform(1.0, 1.7)
            drawing.paint(canvas.circle(x, y, radius + 0.9), (0.42,) * 3, opacity=0.55)
            drawing.paint(canvas.circle(x, y, radius), (0.74,) * 3, opacity=0.7)
    return drawing.image[:, :, 0]


def _roomy_place(rng, distance, room):
    for _ in range(12):
        row, column = rng.integers(distance.shape[0]), rng.integers(distance.shape[1])
        if distance[row, column] > room:
            return row, column
    return None


def _mitochondrion(rng, drawing, x, y) -> None:
    angle, length = rng.uniform(0, np.pi), rng.uniform(1.5, 4.0)
    dx, dy, radius = np.cos(angle) * length, np.sin(angle) * length, rng.uniform(3.4, 4.8)
    drawing.paint(canvas.capsule(x - dx, y - dy, x + dx, y + dy, radius), (0.26,) * 3, opacity=0.85, blur=1.4)
    drawing.paint(canvas.capsule(x - dx, y - dy, x + dx, y + dy, radius - 1.1), (0.47,) * 3, opacity=0.8, blur=1.0)
    for t in np.linspace(-0.8, 0.8, 4):
        cx, cy = x + dx * t * 1.4, y + dy * t * 1.4
        nx, ny = -dy / length * radius * 0.6, dx / length * radius * 0.6
        drawing.paint(canvas.capsule(cx - nx, cy - ny, cx + nx, cy + ny, 0.45), (0.3,) * 3, opacity=0.6)

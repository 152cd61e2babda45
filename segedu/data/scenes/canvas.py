"""A canvas that paints shapes smoothly and labels them exactly.

A shape is a function of x and y that gives the distance to its edge, negative inside. The image is blended by that
distance, so edges look smooth; a pixel gets the label when its centre is inside, so labels are exact and have hard
edges.
"""

from collections.abc import Callable

import numpy as np

Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]
UNITS = 256.0
"""The height of every canvas in its own units, whatever its size in pixels."""


class Canvas:
    """An image under construction, `UNITS` high and as wide as its proportions make it.

    >>> canvas = Canvas(32, 48)
    >>> canvas.width
    384.0
    >>> canvas.paint(circle(100, 100, 40), (1, 0, 0), label=2)
    >>> int(canvas.labels[12, 12]), int(canvas.labels[0, 0])
    (2, 0)
    """

    def __init__(self, height: int, width: int):
        self.scale = height / UNITS
        self.width = width / self.scale
        self._count = 0
        self.image = np.zeros((height, width, 3), np.float32)
        self.labels = np.zeros((height, width), np.int64)
        self.instances = np.zeros((height, width), np.int64)
        self.x = ((np.arange(width, dtype=np.float32) + 0.5) / np.float32(self.scale))[None, :]
        self.y = ((np.arange(height, dtype=np.float32) + 0.5) / np.float32(self.scale))[:, None]

    def new_instance(self) -> int:
        """The next free instance number."""
        self._count += 1
        return self._count

    def paint(self, shape, colour, label=None, instance=0, opacity=1.0, blur=0.0, box=None) -> None:
        """Paints a shape: blends `colour` (three numbers 0–1, or a function of x and y giving them), sets its label.

        `box` (left, top, right, bottom) limits the work. `blur` widens the edge, for shadows. Without `label`, only the
        image changes.
        """
        rows, columns = self._window(box if box is not None else getattr(shape, "box", None), blur)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        x, y = self.x[:, columns], self.y[rows]
        distance = np.broadcast_to(shape(x, y), (y.shape[0], x.shape[1]))
        softness = max(blur, 1 / self.scale)
        cover = (np.clip(0.5 - distance / softness, 0, 1) * opacity)[:, :, None].astype(np.float32)
        value = np.asarray(colour(x, y) if callable(colour) else colour, np.float32)
        part = self.image[rows, columns]
        part += cover * (value - part)
        if label is not None:
            inside = distance < 0
            self.labels[rows, columns][inside] = label
            self.instances[rows, columns][inside] = instance

    def _window(self, box, blur) -> tuple[slice, slice]:
        height, width = self.labels.shape
        if box is None:
            return slice(0, height), slice(0, width)
        margin = blur + 2 / self.scale
        left, top, right, bottom = np.add(box, (-margin, -margin, margin, margin)) * self.scale
        limits = np.clip([top, bottom + 1, left, right + 1], 0, [height, height, width, width]).astype(int)
        return slice(limits[0], limits[1]), slice(limits[2], limits[3])

    def finish(self, rng: np.random.Generator, noise: float = 0.012, vignette: float = 0.18) -> np.ndarray:
        """The picture as uint8, with darker corners and the noise of a camera."""
        height, width = self.labels.shape
        dx, dy = self.x / self.width - 0.5, self.y / UNITS - 0.5
        image = self.image * (1 - vignette * 2 * (dx * dx + dy * dy))[:, :, None]
        grain = rng.normal(0, noise, (height, width, 1)) + rng.normal(0, noise * 0.4, (height, width, 3))
        return np.clip(255 * (image + grain) + 0.5, 0, 255).astype(np.uint8)


def boxed(function, left, top, right, bottom) -> Shape:
    """Notes on a shape the box outside which nothing of it lies."""
    function.box = (left, top, right, bottom)
    return function


def circle(cx, cy, radius) -> Shape:
    """A disc."""
    return ellipse(cx, cy, radius, radius)


def ellipse(cx, cy, rx, ry) -> Shape:
    """An ellipse; the distance is exact on the edge and approximate away from it."""

    def distance(x, y):
        u, v = (x - cx) / rx, (y - cy) / ry
        k = np.sqrt(u * u + v * v) + 1e-6
        gradient = np.sqrt((u / rx) ** 2 + (v / ry) ** 2) / k + 1e-6
        return (k - 1) / gradient

    return boxed(distance, cx - rx, cy - ry, cx + rx, cy + ry)


def rounded_box(left, top, right, bottom, radius=0.0) -> Shape:
    """An upright rectangle with round corners."""
    cx, cy, hx, hy = (left + right) / 2, (top + bottom) / 2, (right - left) / 2 - radius, (bottom - top) / 2 - radius

    def distance(x, y):
        dx, dy = np.abs(x - cx) - hx, np.abs(y - cy) - hy
        outside = np.sqrt(np.maximum(dx, 0) ** 2 + np.maximum(dy, 0) ** 2)
        return outside + np.minimum(np.maximum(dx, dy), 0) - radius

    return boxed(distance, left, top, right, bottom)


def polygon(points) -> Shape:
    """A polygon, convex or not, its corners in order."""
    points = np.asarray(points, np.float32)

    def distance(x, y):
        shape = np.broadcast_shapes(x.shape, y.shape)
        nearest, inside = np.full(shape, np.inf, np.float32), np.zeros(shape, bool)
        for (ax, ay), (bx, by) in zip(points, np.roll(points, -1, axis=0), strict=True):
            ex, ey = bx - ax, by - ay
            t = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey + 1e-9), 0, 1)
            nearest = np.minimum(nearest, (x - ax - t * ex) ** 2 + (y - ay - t * ey) ** 2)
            if ay != by:
                inside ^= ((y < ay) != (y < by)) & (x < ax + (y - ay) * (ex / ey))
        return np.where(inside, -1, 1) * np.sqrt(nearest)

    (left, top), (right, bottom) = points.min(0), points.max(0)
    return boxed(distance, left, top, right, bottom)


def capsule(ax, ay, bx, by, radius, end_radius=None) -> Shape:
    """A thick line with round ends; with `end_radius` it grows thicker or thinner on the way."""
    end = radius if end_radius is None else end_radius

    def distance(x, y):
        ex, ey = bx - ax, by - ay
        t = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey + 1e-9), 0, 1)
        return np.sqrt((x - ax - t * ex) ** 2 + (y - ay - t * ey) ** 2) - (radius + t * (end - radius))

    r = max(radius, end)
    return boxed(distance, min(ax, bx) - r, min(ay, by) - r, max(ax, bx) + r, max(ay, by) + r)


def union(*shapes: Shape) -> Shape:
    """What any of the shapes covers."""

    def distance(x, y):
        result = shapes[0](x, y)
        for shape in shapes[1:]:
            result = np.minimum(result, shape(x, y))
        return result

    boxes = np.array([shape.box for shape in shapes])
    return boxed(distance, *boxes[:, :2].min(0), *boxes[:, 2:].max(0))


def minus(shape: Shape, hole: Shape) -> Shape:
    """What the first covers and the second does not."""
    return boxed(lambda x, y: np.maximum(shape(x, y), -hole(x, y)), *shape.box)


def common(first: Shape, second: Shape) -> Shape:
    """What both cover."""
    return boxed(lambda x, y: np.maximum(first(x, y), second(x, y)), *first.box)


def leaf(ax, ay, bx, by, width) -> Shape:
    """A pointed leaf from a to b, `width` across at its middle: what two discs have in common."""
    length = float(np.hypot(bx - ax, by - ay)) + 1e-6
    radius = (length * length / width + width) / 4
    mx, my = (ax + bx) / 2, (ay + by) / 2
    nx, ny = -(by - ay) / length, (bx - ax) / length
    shift = radius - width / 2
    first, second = circle(mx + nx * shift, my + ny * shift, radius), circle(mx - nx * shift, my - ny * shift, radius)
    half = max(length, width) / 2
    both = common(first, second)
    return boxed(both, mx - half, my - half, mx + half, my + half)


def smooth_noise(rng: np.random.Generator, height: int, width: int, cells: int, octaves: int = 3) -> np.ndarray:
    """Cloudy noise of about −1 to 1, float32 height×width, with `cells` patches across the height."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        rows = max(2, cells * 2**octave + 1)
        columns = max(2, round(rows * width / height) + 1)
        grid = rng.uniform(-1, 1, (rows, columns)).astype(np.float32)
        total += _stretch(grid, height, width) * 0.6**octave
    return total


def streaks(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise of about −1 to 1 in long upright streaks, float32 height×width, as the grain of wood."""
    fine = _stretch(rng.uniform(-1, 1, (max(2, height // 24), width // 2)).astype(np.float32), height, width)
    broad = _stretch(rng.uniform(-1, 1, (max(2, height // 60), width // 9)).astype(np.float32), height, width)
    return 0.6 * fine + 0.5 * broad


def _stretch(grid, height, width) -> np.ndarray:
    for axis, length in ((0, height), (1, width)):
        position = np.linspace(0, grid.shape[axis] - 1, length, dtype=np.float32)
        low = np.minimum(position.astype(int), grid.shape[axis] - 2)
        t = position - low
        t = (t * t * (3 - 2 * t)).reshape(-1, 1) if axis == 0 else (t * t * (3 - 2 * t)).reshape(1, -1)
        grid = np.take(grid, low, axis) * (1 - t) + np.take(grid, low + 1, axis) * t
    return grid

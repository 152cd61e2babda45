"""The trees of the drawn streets."""

import numpy as np

from segedu.data.scenes.canvas import boxed, capsule, ellipse
from segedu.data.scenes.street_view import TREE, View, ground_shadow


def tree(view: View, x, z, tall) -> None:
    rng, drawing, s = view.rng, view.drawing, view.size(z)
    (px, py), instance = view.point(x, 0, z), drawing.new_instance()
    ground_shadow(view, x, z, 1.2)
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

    return boxed(distance, cx - 1.1 * radius, cy - 1.1 * radius, cx + 1.1 * radius, cy + 1.1 * radius)


def _foliage(view, tone, cx, cy, radius, z):
    def colour(x, y):
        light = 1.1 - 0.3 * ((x - cx) * 0.4 + (y - cy)) / radius
        speck = np.sin(x * 2.3 + np.sin(y * 1.9)) * np.sin(y * 2.7 + np.sin(x * 1.7))
        return view.haze(tone * (light + 0.12 * speck)[:, :, None], z)

    return colour

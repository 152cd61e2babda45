"""Colours that most colour-blind readers can tell apart (Okabe and Ito, 2008)."""

import colorsys

import numpy as np

from segedu.data import colours

NAMES = ("black", "orange", "sky blue", "green", "yellow", "blue", "vermillion", "purple")
"""What the rows of `OKABE_ITO` are called."""

OKABE_ITO = colours.palette(
    colours.BLACK,
    colours.ORANGE,
    colours.SKY_BLUE,
    colours.GREEN,
    colours.YELLOW,
    colours.BLUE,
    colours.VERMILLION,
    colours.PURPLE,
)
"""The eight colours of Okabe and Ito, uint8 8×3, in their order."""

VOID_COLOUR = (255, 255, 255)
"""Void pixels are drawn white unless the caller says otherwise."""

_ORDER = (5, 1, 3, 7, 2, 6, 4, 0)


def hexadecimal(colour) -> str:
    """A colour of three numbers 0–255 in the form that matplotlib and HTML read.

    >>> hexadecimal(OKABE_ITO[5])
    '#0072b2'
    """
    red, green, blue = (int(part) for part in colour)
    return f"#{red:02x}{green:02x}{blue:02x}"


def class_palette(n: int, background: bool = False) -> np.ndarray:
    """`n` different colours, uint8 n×3: Okabe–Ito first, then hues spread evenly by the golden ratio.

    With `background=True` the first colour is a light grey, for a class that means "none of the others".

    >>> class_palette(3).tolist()
    [[0, 114, 178], [230, 159, 0], [0, 158, 115]]
    >>> class_palette(4, background=True)[0].tolist()
    [200, 200, 200]
    """
    if n < 1:
        raise ValueError(f"n={n} must be at least 1")
    chosen = [colours.LIGHT_GREY] if background else []
    chosen += [tuple(OKABE_ITO[i].tolist()) for i in _ORDER]
    hue = 0.11
    while len(chosen) < n:
        hue = (hue + 0.61803398875) % 1.0
        ring = (len(chosen) // 12) % 3
        colour = colorsys.hsv_to_rgb(hue, (0.55, 0.85, 0.4)[ring], (0.95, 0.7, 0.85)[ring])
        colour = tuple(round(255 * part) for part in colour)
        if colour not in chosen:
            chosen.append(colour)
    return colours.palette(*chosen[:n])


def luminance(colour) -> float:
    """Relative luminance of a colour of three numbers 0–1 (WCAG 2.1): 0 for black, 1 for white.

    >>> round(luminance((1.0, 1.0, 1.0)), 6)
    1.0
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in map(float, tuple(colour)[:3])]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second) -> float:
    """Contrast ratio of two colours of numbers 0–1 (WCAG 2.1): 1 to 21; text wants at least 4.5.

    >>> contrast((0, 0, 0), (1, 1, 1))
    21.0
    """
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def text_colour(background) -> str:
    """ "black" or "white", whichever contrasts more with `background`, a colour of numbers 0–1.

    >>> text_colour((1, 1, 0.8)), text_colour((0, 0, 0.4))
    ('black', 'white')
    """
    return "black" if contrast(background, (0, 0, 0)) >= contrast(background, (1, 1, 1)) else "white"

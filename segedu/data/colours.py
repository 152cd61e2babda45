"""The eight colours of Okabe and Ito (2008), which most colour-blind readers can tell apart, and two greys."""

import numpy as np

BLACK, ORANGE, SKY_BLUE, GREEN = (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115)
YELLOW, BLUE, VERMILLION, PURPLE = (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)
LIGHT_GREY, GREY = (200, 200, 200), (140, 140, 140)


def palette(*colours) -> np.ndarray:
    """Colours as the uint8 n×3 array that a palette is.

    >>> palette(BLACK, ORANGE).tolist()
    [[0, 0, 0], [230, 159, 0]]
    """
    return np.array(colours, dtype=np.uint8)

"""Scenes of unlimited number, drawn by our own code, with exact labels and no download."""

from segedu.data.cells import cells
from segedu.data.street import street
from segedu.data.tabletop import tabletop

__all__ = ["cells", "street", "tabletop"]

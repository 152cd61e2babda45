"""Scenes of unlimited number, drawn by our own code, with exact labels and no download."""

from segedu.data.scenes.cells import cells
from segedu.data.scenes.scene import VOID, Scene, void_borders
from segedu.data.scenes.street import street
from segedu.data.scenes.tabletop import tabletop

__all__ = ["VOID", "Scene", "cells", "street", "tabletop", "void_borders"]

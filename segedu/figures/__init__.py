"""Figures in one style, each with alternative text. Only lectures and the pictures of training import this room."""

from segedu.figures.arrays import arrays_row, draw_array, format_number
from segedu.figures.curves import learning_curve
from segedu.figures.graphs import layer_diagram
from segedu.figures.images import (
    borders,
    colourise,
    draw_boxes,
    draw_image,
    error_map,
    images_row,
    label_legend,
    labels_figure,
    overlay,
)
from segedu.figures.palette import OKABE_ITO, class_palette
from segedu.figures.show import figure_html, show, use_style

__all__ = [
    "OKABE_ITO",
    "arrays_row",
    "borders",
    "class_palette",
    "colourise",
    "draw_array",
    "draw_boxes",
    "draw_image",
    "error_map",
    "figure_html",
    "format_number",
    "images_row",
    "label_legend",
    "labels_figure",
    "layer_diagram",
    "learning_curve",
    "overlay",
    "show",
    "use_style",
]

import base64
import html
import io
import re

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from segedu.data.photographs import photograph
from segedu.figures import arrays_row, figure_html, images_row, show, use_style
from segedu.figures.show import png_bytes

ALT = "Two arrays side by side, the second is smaller"


@pytest.fixture(autouse=True)
def styled():
    with plt.rc_context():
        plt.switch_backend("agg")
        use_style()
        yield
    plt.close("all")


def drawing():
    return arrays_row([np.arange(16).reshape(4, 4), np.eye(2)], ["x", "y"], ["→"])


def picture_in(tag):
    return base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', tag).group(1))


def test_the_alternative_text_is_kept_word_by_word_and_escaped():
    alt = 'IoU < 0.5 & "void" is left out,\n   as said above'
    tag = figure_html(drawing(), alt)
    written = re.search(r'alt="([^"]*)"', tag).group(1)
    assert html.unescape(written) == 'IoU < 0.5 & "void" is left out, as said above'
    assert "<" not in written


@pytest.mark.parametrize("alt", ["", "a figure", "   " * 20, "x" * 19])
def test_alternative_text_of_less_than_20_characters_is_refused(alt):
    with pytest.raises(ValueError, match="at least 20 characters"):
        figure_html(drawing(), alt)


def test_alternative_text_must_be_given_and_be_a_string():
    with pytest.raises(TypeError):
        show(drawing())
    with pytest.raises(TypeError, match="alt=None"):
        figure_html(drawing(), None)


def test_the_same_figure_gives_the_same_bytes_without_stamps():
    first, second = png_bytes(drawing()), png_bytes(drawing())
    assert first == second
    for stamp in (b"Software", b"matplotlib", b"tIME", b"tEXt", b"Creation"):
        assert stamp not in first


def test_a_drawing_is_reduced_to_a_palette_and_looks_the_same():
    fig = drawing()
    image = Image.open(io.BytesIO(png_bytes(fig)))
    raw = io.BytesIO()
    fig.savefig(raw, format="png", dpi=110, bbox_inches="tight", pad_inches=0.1)
    difference = np.abs(np.array(image.convert("RGB"), int) - np.array(Image.open(raw).convert("RGB"), int))
    assert image.mode == "P"
    assert len(png_bytes(fig)) < len(raw.getvalue())
    assert difference.mean() < 1


def test_a_photograph_keeps_its_colours():
    image = Image.open(io.BytesIO(png_bytes(images_row([photograph("coffee")]))))
    assert image.mode == "RGB"
    assert image.getcolors(6000) is None


def test_the_background_is_white_and_solid():
    image = Image.open(io.BytesIO(png_bytes(drawing()))).convert("RGBA")
    assert image.getpixel((1, 1)) == (255, 255, 255, 255)
    assert image.getextrema()[3] == (255, 255)


def test_the_picture_never_exceeds_the_page_and_takes_the_width_asked_for():
    assert "max-width:100%" in figure_html(drawing(), ALT)
    assert "width:320px;" in figure_html(drawing(), ALT, width=320)
    with pytest.raises(ValueError, match="width=0"):
        figure_html(drawing(), ALT, width=0)


def test_show_displays_one_image_and_closes_the_figure(monkeypatch):
    display = pytest.importorskip("IPython.display", reason="IPython is not installed")
    shown = []
    monkeypatch.setattr(display, "display", shown.append)
    fig = drawing()
    expected = png_bytes(fig)
    show(fig, ALT)
    assert len(shown) == 1
    assert picture_in(shown[0].data) == expected
    assert f'alt="{ALT}"' in shown[0].data
    assert not plt.fignum_exists(fig.number)

"""Pictures and their alt text. Oracle: Pillow reads the pictures back."""

import subprocess
import sys

import matplotlib.pyplot as plt
import pytest

from phi1_lib.course import figures
from tests.course.figures.conftest import Reader, line, picture


def test_show_carries_alt_text_and_closes_the_figure(shown):
    figures.show(line(), 'A "rising" line & more')
    (image,) = Reader(shown[0]["text/html"]).all("img")
    assert image["alt"] == shown[0]["text/plain"] == 'A "rising" line & more'
    assert not plt.get_fignums(), "an open figure would be drawn a second time"


def test_a_picture_is_opaque_white_and_of_the_size_asked_for(shown):
    figures.show(line(), "A line")
    found = picture(Reader(shown[0]["text/html"]).all("img")[0])
    dots = figures.PIXELS_PER_INCH
    assert found.size == (3 * dots, 2 * dots)
    assert found.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


def test_pictures_repeat_to_the_byte_and_carry_no_version(shown):
    figures.show(line(), "A line")
    figures.show(line(), "A line")
    assert shown[0] == shown[1]
    assert not picture(Reader(shown[0]["text/html"]).all("img")[0]).info.get("Software")


@pytest.mark.parametrize(
    "draw",
    [
        lambda alt: figures.show(line(), alt),
        lambda alt: figures.slider(line, [1], "height", alt),
        lambda alt: figures.token_strip(["a"], alt),
        lambda alt: figures.heat_map([[1]], "a", "b", "", alt),
        lambda alt: figures.bars(["a"], [1], None, "s", alt),
        lambda alt: figures.stacked_bars(["a"], {"x": [1]}, "s", alt),
        lambda alt: figures.timeline([("a", "x", 0, 1)], alt),
    ],
)
def test_alt_text_is_required(draw, shown):
    with pytest.raises(ValueError, match="alt is empty"):
        draw("  ")
    plt.close("all")
    assert shown == []


def test_figures_and_course_import_no_torch():
    code = "import sys, phi1_lib.course, phi1_lib.course.figures; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"

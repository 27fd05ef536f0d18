"""Figures, read back with outside tools: Pillow for the pictures, the standard HTML parser for the
markup that JupyterLab will show."""

import base64
import io
import subprocess
import sys
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from phi1_lib.course import figures


class _Reader(HTMLParser):
    """Collects tags with their attributes, and the text between them."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def shown(monkeypatch):
    """The bundles that the functions under test display."""
    bundles: list[dict] = []
    monkeypatch.setattr(figures, "display", lambda bundle, raw: bundles.append(bundle))
    return bundles


def _line(height=1.0):
    figure, axis = plt.subplots(figsize=(3, 2))
    axis.plot([0, height])
    return figure


def _picture(attributes: dict) -> Image.Image:
    kind, _, data = attributes["src"].partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_show_carries_alt_text_and_closes_the_figure(shown):
    figures.show(_line(), 'A "rising" line & more')
    (image,) = _Reader(shown[0]["text/html"]).all("img")
    assert image["alt"] == shown[0]["text/plain"] == 'A "rising" line & more'
    assert not plt.get_fignums(), "an open figure would be drawn a second time"


def test_a_picture_is_opaque_white_and_of_the_size_asked_for(shown):
    figures.show(_line(), "A line")
    picture = _picture(_Reader(shown[0]["text/html"]).all("img")[0])
    dots = figures.PIXELS_PER_INCH
    assert picture.size == (3 * dots, 2 * dots)
    assert picture.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


def test_pictures_repeat_to_the_byte_and_carry_no_version(shown):
    figures.show(_line(), "A line")
    figures.show(_line(), "A line")
    assert shown[0] == shown[1]
    assert not _picture(_Reader(shown[0]["text/html"]).all("img")[0]).info.get("Software")


@pytest.mark.parametrize(
    "draw",
    [
        lambda alt: figures.show(_line(), alt),
        lambda alt: figures.slider(_line, [1], "height", alt),
        lambda alt: figures.token_strip(["a"], alt),
        lambda alt: figures.heat_map([[1]], "a", "b", "", alt),
        lambda alt: figures.bars(["a"], [1], None, "s", alt),
    ],
)
def test_alt_text_is_required(draw, shown):
    with pytest.raises(ValueError, match="alt is empty"):
        draw("  ")
    plt.close("all")
    assert shown == []


def test_a_slider_has_a_frame_and_an_alt_text_for_each_value(shown):
    figures.slider(_line, [1, 2, 3], "height", "A line.")
    markup = _Reader(shown[0]["text/html"])
    images = markup.all("img")
    assert [image["alt"] for image in images] == [f"A line. Here height = {n}." for n in (1, 2, 3)]
    assert len({image["src"] for image in images}) == 3
    (handle,) = markup.all("input")
    assert (handle["type"], handle["min"], handle["max"], handle["value"]) == (
        "range",
        "0",
        "2",
        "0",
    )
    assert "height: 1, 2, 3" in shown[0]["text/plain"]


def test_a_slider_without_scripts_hides_its_handle_and_scrolls(shown):
    figures.slider(_line, [1, 2], "height", "A line.")
    markup = _Reader(shown[0]["text/html"])
    assert not markup.all("script") and not markup.all("style")
    assert "id" not in {name for _, attributes in markup.tags for name in attributes}
    assert "display:none" in markup.all("input")[0]["style"]
    assert "overflow-x:scroll" in markup.all("div")[0]["style"]
    frames = markup.all("div")[1:]
    assert len(frames) == 2
    assert all("display:inline-block" in frame["style"] for frame in frames)


def test_a_slider_repeats_to_the_byte(shown):
    for _ in range(2):
        figures.slider(_line, [1, 2], "height", "A line.")
    assert shown[0] == shown[1]


def test_a_slider_refuses_no_values_and_too_much(monkeypatch, shown):
    with pytest.raises(ValueError, match="values is empty"):
        figures.slider(_line, [], "height", "A line.")
    monkeypatch.setattr(figures, "SLIDER_LIMIT_BYTES", 5_000)
    with pytest.raises(ValueError, match="fewer values"):
        figures.slider(_line, [1, 2], "height", "A line.")
    assert shown == []


def test_a_token_strip_shows_whitespace_bytes_and_markup_as_they_are(shown):
    figures.token_strip([" <b>", "\n", "\t", b"\xc3", "é", "\x00"], "Six tokens")
    markup = _Reader(shown[0]["text/html"])
    assert markup.text == "·<b>⏎→\\xc3é\\x00"
    assert len(markup.all("span")) == 6 and len(markup.all("br")) == 1
    assert markup.all("div")[0]["title"] == shown[0]["text/plain"] == "Six tokens"
    for span in markup.all("span"):
        assert "color:#222222" in span["style"], "text must not take the theme's colour"
        assert "background-color:#" in span["style"]


def test_neighbouring_tokens_differ_in_colour(shown):
    figures.token_strip(list("abcdefghijk"), "Letters")
    styles = [span["style"] for span in _Reader(shown[0]["text/html"]).all("span")]
    assert all(left != right for left, right in zip(styles, styles[1:], strict=False))


def test_token_notes_stand_below_their_tokens(shown):
    figures.token_strip(["a", "b"], "Two tokens", notes=[64, 65])
    assert _Reader(shown[0]["text/html"]).text == "a64b65"
    with pytest.raises(ValueError, match="1 notes for 2 pieces"):
        figures.token_strip(["a", "b"], "Two tokens", notes=[64])


def _cell_colours(matrix) -> np.ndarray:
    """Colours of the cells of a heat map as matplotlib's image holds them, (rows, columns, 3)."""
    figure, axis = plt.subplots()
    rows, columns = np.shape(matrix)
    figures.draw_heat_map(axis, matrix, range(rows), range(columns))
    (image,) = axis.get_images()
    colours = image.to_rgba(image.get_array())
    plt.close(figure)
    return colours


def test_a_heat_map_darkens_with_the_weight_and_leaves_masked_cells_clear():
    colours = _cell_colours([[0.0, 0.5, 1.0], [1.0, -np.inf, np.nan]])
    brightness = colours[..., :3].sum(-1)
    assert brightness[0, 0] > brightness[0, 1] > brightness[0, 2]
    assert colours[1, 1, 3] == colours[1, 2, 3] == 0, "masked cells show the grey behind them"


def test_a_signed_heat_map_is_neutral_at_zero():
    below, zero, above = _cell_colours([[-2.0, 0.0, 2.0]])[0, :, :3]
    assert np.ptp(zero) < 0.02, "zero has no hue"
    assert np.ptp(below) > 0.2 and np.ptp(above) > 0.2
    assert not np.allclose(below, above)


def test_a_heat_map_writes_its_numbers_and_checks_its_labels(shown):
    figure, axis = plt.subplots()
    figures.draw_heat_map(axis, [[-0.25, -np.inf]], ["row"], ["left", "right"])
    assert [text.get_text() for text in axis.texts] == ["−0.25", "−∞"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["left", "right"]
    plt.close(figure)
    with pytest.raises(ValueError, match=r"\(1, 2\).*1 row labels.*3 column"):
        figures.heat_map([[1, 2]], ["a"], ["b", "c", "d"], "", "A matrix")
    plt.close("all")


def test_a_heat_map_accepts_a_matrix_of_nothing_but_zeros_or_masks(shown):
    figures.heat_map([[0.0]], "a", "b", "", "Zero")
    figures.heat_map([[-np.inf]], "a", "b", "", "Masked")
    assert len(shown) == 2


def test_bars_start_at_zero_and_carry_numbers_and_intervals(monkeypatch):
    kept = []
    monkeypatch.setattr(figures, "show", lambda figure, alt: kept.append(figure))
    figures.bars(["a", "b"], [10.0, 2500.0], [(8, 13), (2400, 2600)], "tokens/s", "Two bars")
    axis = kept[0].axes[0]
    assert axis.get_xlim()[0] == 0 and axis.get_xlim()[1] > 2600
    assert [bar.get_width() for bar in axis.patches] == [10.0, 2500.0]
    assert [list(line.get_xdata()) for line in axis.lines] == [[8, 13], [2400, 2600]]
    assert [text.get_text() for text in axis.texts] == ["10", "2,500"]
    assert axis.get_xlabel() == "tokens/s"
    assert axis.yaxis_inverted(), "the first label stands at the top"
    plt.close("all")
    with pytest.raises(ValueError, match="2 labels, 1 values"):
        figures.bars(["a", "b"], [1], None, "s", "Bars")


def test_figures_and_course_import_no_torch():
    code = "import sys, phi1_lib.course, phi1_lib.course.figures; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"

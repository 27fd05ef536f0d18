"""What the figures display, caught, and read with outside tools: Pillow and an HTML parser."""

import base64
import io
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from phi1_lib.course.figures import charts, style


class Reader(HTMLParser):
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


def line(height=1.0):
    figure, axis = plt.subplots(figsize=(3, 2))
    axis.plot([0, height])
    return figure


def picture(attributes: dict) -> Image.Image:
    """The picture inside an `<img>` element."""
    kind, _, data = attributes["src"].partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.fixture
def shown(monkeypatch):
    """The bundles that the functions under test display."""
    bundles: list[dict] = []
    monkeypatch.setattr(style, "display", lambda bundle, raw: bundles.append(bundle))
    return bundles


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figures of the charts under test, still open."""
    figures: list = []
    monkeypatch.setattr(charts, "show", lambda figure, alt: figures.append(figure))
    yield figures
    plt.close("all")

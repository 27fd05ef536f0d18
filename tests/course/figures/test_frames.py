"""The slider: its page as an HTML parser reads it, its widget as ipywidgets holds it. That both
move in a browser is seen in tests/browser."""

import pytest

from phi1_lib.course import figures
from phi1_lib.course.figures import frames
from phi1_lib.course.saving import WIDGET_VIEW
from tests.course.figures.conftest import Reader, line


class _Shell:
    """Stands for the shell of a notebook, which has a kernel."""

    kernel = object()


@pytest.fixture
def linked(monkeypatch):
    """The two ends, (widget, trait) each, of the link that the slider makes in the browser."""
    ends: list = []
    monkeypatch.setattr(frames, "get_ipython", _Shell)
    monkeypatch.setattr(frames.ipywidgets, "jslink", lambda *link: ends.extend(link))
    return ends


def test_a_slider_has_a_frame_and_an_alt_text_for_each_value(shown):
    figures.slider(line, [1, 2, 3], "height", "A line.")
    markup = Reader(shown[0]["text/html"])
    images = markup.all("img")
    assert [image["alt"] for image in images] == [f"A line. Here height = {n}." for n in (1, 2, 3)]
    assert len({image["src"] for image in images}) == 3
    (handle,) = markup.all("input")
    limits = [handle[name] for name in ("type", "min", "max", "value")]
    assert limits == ["range", "0", "2", "0"]
    assert "height: 1, 2, 3" in shown[0]["text/plain"]


def test_a_slider_without_scripts_hides_its_handle_and_scrolls(shown):
    figures.slider(line, [1, 2], "height", "A line.")
    markup = Reader(shown[0]["text/html"])
    assert not markup.all("script") and not markup.all("style")
    assert "id" not in {name for _, attributes in markup.tags for name in attributes}
    assert "display:none" in markup.all("input")[0]["style"]
    assert "overflow-x:scroll" in markup.all("div")[0]["style"]
    pictures = markup.all("div")[1:]
    assert len(pictures) == 2
    assert all("display:inline-block" in picture["style"] for picture in pictures)


def test_only_the_first_frame_makes_the_slider(shown):
    figures.slider(line, [1, 2], "height", "A line.")
    first, second = Reader(shown[0]["text/html"]).all("img")
    assert "onload" in first and "onload" not in second


def test_names_are_escaped(shown):
    figures.slider(line, ["<b>", '"'], "a & <i>", "A line.")
    markup = Reader(shown[0]["text/html"])
    assert "a & <i> = <b>" in markup.text and 'a & <i> = "' in markup.text
    assert len(markup.all("b")) == 2 and not markup.all("i")


def test_a_slider_repeats_to_the_byte(shown):
    for _ in range(2):
        figures.slider(line, [1, 2], "height", "A line.")
    assert shown[0] == shown[1]
    assert set(shown[0]) == {"text/html", "text/plain"}, "no widget where no kernel runs"


def test_a_slider_refuses_no_values_and_too_much(monkeypatch, shown):
    with pytest.raises(ValueError, match="values is empty"):
        figures.slider(line, [], "height", "A line.")
    monkeypatch.setattr(frames, "SLIDER_LIMIT_BYTES", 5_000)
    with pytest.raises(ValueError, match="fewer values"):
        figures.slider(line, [1, 2], "height", "A line.")
    assert shown == []


def test_where_a_kernel_runs_a_widget_shows_the_pictures_of_the_page(linked, shown):
    figures.slider(line, [1, 2, 3], "height", "A line.")
    (handle, _), (stack, _) = linked
    assert handle.description == "height"
    assert [text for text, _ in handle.options] == ["1", "2", "3"]
    inside = [Reader(child.value).all("img")[0] for child in stack.children]
    outside = Reader(shown[0]["text/html"]).all("img")
    for one, other in zip(inside, outside, strict=True):
        assert (one["src"], one["alt"]) == (other["src"], other["alt"])
    assert set(shown[0]) == {"text/html", "text/plain", WIDGET_VIEW}


def test_the_link_joins_the_position_to_the_picture(linked, shown):
    figures.slider(line, [1, 2], "height", "A line.")
    assert [trait for _, trait in linked] == ["index", "selected_index"]
    assert [getattr(widget, trait) for widget, trait in linked] == [0, 0]


def test_the_page_is_the_same_with_and_without_a_kernel(linked, shown, monkeypatch):
    figures.slider(line, [1, 2], "height", "A line.")
    monkeypatch.setattr(frames, "get_ipython", lambda: None)
    figures.slider(line, [1, 2], "height", "A line.")
    assert shown[0]["text/html"] == shown[1]["text/html"]

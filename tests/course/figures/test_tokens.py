"""Token strips, read with an HTML parser."""

import pytest

from phi1_lib.course import figures
from tests.course.figures.conftest import Reader


def test_a_token_strip_shows_whitespace_bytes_and_markup_as_they_are(shown):
    figures.token_strip([" <b>", "\n", "\t", b"\xc3", "é", "\x00"], "Six tokens")
    markup = Reader(shown[0]["text/html"])
    assert markup.text == "·<b>⏎→\\xc3é\\x00"
    assert len(markup.all("span")) == 6 and len(markup.all("br")) == 1
    assert markup.all("div")[0]["title"] == shown[0]["text/plain"] == "Six tokens"
    for span in markup.all("span"):
        assert "color:#222222" in span["style"], "text must not take the theme's colour"
        assert "background-color:#" in span["style"]


def test_neighbouring_tokens_differ_in_colour(shown):
    figures.token_strip(list("abcdefghijk"), "Letters")
    styles = [span["style"] for span in Reader(shown[0]["text/html"]).all("span")]
    assert all(left != right for left, right in zip(styles, styles[1:], strict=False))


def test_token_notes_stand_below_their_tokens(shown):
    figures.token_strip(["a", "b"], "Two tokens", notes=[64, 65])
    assert Reader(shown[0]["text/html"]).text == "a64b65"
    with pytest.raises(ValueError, match="1 notes for 2 pieces"):
        figures.token_strip(["a", "b"], "Two tokens", notes=[64])

"""Each rule about chapters is broken once, and named."""

import nbformat
import pytest

from phi1_lib.course.rules import broken_rules, images, word_count

HTML_FIGURE = '<img alt="A curve that falls." src="data:image/png;base64,AAAA">'


def figure(html: str = HTML_FIGURE):
    return nbformat.v4.new_output("display_data", data={"text/html": html, "text/plain": "x"})


def code(index: int, *outputs, tags=()):
    cell = nbformat.v4.new_code_cell("x = 1", execution_count=index + 1)
    cell.outputs = list(outputs)
    if tags:
        cell.metadata["tags"] = list(tags)
    return cell


@pytest.fixture
def good(tmp_path):
    """A notebook that keeps every rule."""
    cells = [nbformat.v4.new_markdown_cell("# Title\n\n" + "word " * 2_000)]
    cells += [code(i, figure()) for i in range(3)]
    cells += [code(i, nbformat.v4.new_output("stream", text="a")) for i in range(3, 22)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    return notebook


def add(text):
    return lambda nb: nb.cells.append(nbformat.v4.new_markdown_cell(text))


def outputs(*given, **more):
    return lambda nb: nb.cells.append(code(99, *given, **more))


def png(metadata):
    return nbformat.v4.new_output("display_data", data={"image/png": "AAAA"}, metadata=metadata)


def test_a_good_chapter_breaks_no_rule(good, tmp_path):
    add("![A cat](cat.png) [elsewhere](https://arxiv.org/abs/2306.11644) [here](#section)")(good)
    add("> **Predict** how many.\n\n> **Exercise 1.1** Count.\n\nText with **bold**.")(good)
    outputs(png({"image/png": {"alt": "A cat."}}))(good)
    assert broken_rules(good, tmp_path) == []


BREAKERS = {
    "image without alt text": add("![](cat.png)"),
    "has an image without alt": add('<img src="cat.png">'),
    "an image without alt text": outputs(figure('<img src="data:">')),
    "image without alt": outputs(png({})),
    "remote image": add("![A cat](https://example.org/cat.png)"),
    "shows a remote": outputs(figure('<img alt="x" src="//example.org/cat.png">')),
    "not there": add("[the library](../nowhere.py)"),
    "call-out 'Note'": add("Text.\n\n> **Note** that."),
    "ends in ValueError": outputs(
        nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])
    ),
    "prints to stderr": outputs(nbformat.v4.new_output("stream", name="stderr", text="Warning")),
    "was not executed": lambda nb: nb.cells[1].update(execution_count=None),
    "no kernelspec": lambda nb: nb.metadata.pop("kernelspec"),
    "figures": lambda nb: nb.cells[1].update(outputs=[]),
    "2 figures": lambda nb: nb.cells[1].update(outputs=[figure("<table></table>")]),
    "words": add("word " * 2_000),
    "code cells": lambda nb: nb.cells.extend(code(i) for i in range(30)),
    "outputs vary": lambda nb: [c.metadata.update(tags=["varies"]) for c in nb.cells[1:8]],
    "not a title": lambda nb: nb.cells.pop(0),
}


@pytest.mark.parametrize("message", BREAKERS)
def test_each_rule_is_noticed(good, tmp_path, message):
    BREAKERS[message](good)
    assert any(message in line for line in broken_rules(good, tmp_path))


def test_an_error_that_is_the_lesson_is_allowed(good, tmp_path):
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])
    outputs(error, tags=["raises-exception"])(good)
    assert broken_rules(good, tmp_path) == []


def test_words_are_those_a_reader_reads():
    text = "One two, [three](https://example.org/four/five).\n\n```python\nsix = 6\n```\n\n1.5 x 2"
    cell = nbformat.v4.new_markdown_cell(text)
    assert word_count(nbformat.v4.new_notebook(cells=[cell])) == 6


def test_images_are_found_everywhere(good):
    assert len(images(good)) == 3
